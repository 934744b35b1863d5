#!/usr/bin/env python3
"""Measure servers side by side: requests per second, the server's CPU time per request, and how long clients wait.

Each server is started in turn, for several rounds, pinned to CPU 0; wrk runs on CPU 1. On a shared machine only ratios
within one run mean something, and CPU time per request is the figure to trust. Needs wrk and taskset.

    bench/side_by_side.py hello penstock='.venv/bin/penstock gunicorn -b {address} {application}' \\
                                gunicorn='/peers/bin/gunicorn -b {address} {application}'
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

APPS = Path(__file__).parent / "apps"
APPLICATIONS = {"flask": "workloads:flask_json()"}
ROUNDS = 3
SECONDS = 3
CONNECTIONS = 64


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def processes_of(root: int) -> list[int]:
    """A process and its descendants."""
    found = [root]
    for pid in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(root: int) -> float:
    """CPU time of a process tree, by each process's own clock."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in processes_of(root))


def wait_until_it_listens(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        if server.poll() is not None:
            sys.exit(f"{server.args!r} ended with {server.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    sys.exit(f"{server.args!r} does not listen")


def milliseconds(text: str, percentile: str) -> float:
    """What wrk says of that percentile."""
    value, unit = re.search(rf"^ +{percentile}% +([\d.]+)(us|ms|s|m)$", text, re.M).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[unit]


def measure(command: str, application: str) -> tuple[float, ...]:
    """Requests per second, microseconds of the server's CPU per request; median and 99th percentile in milliseconds."""
    port = free_port()
    words = shlex.split(command.format(address=f"127.0.0.1:{port}", application=application))
    words[0] = str(Path(words[0]).absolute()) if "/" in words[0] else words[0]
    with open(os.devnull, "wb") as nothing:
        server = subprocess.Popen(["taskset", "-c", "0", *words], cwd=APPS, stdout=nothing, stderr=nothing)
    try:
        wait_until_it_listens(port, server)
        load = ["taskset", "-c", "1", "wrk", "-t1", "--latency", "--timeout", "30s"]
        load += [f"-c{CONNECTIONS}", f"http://127.0.0.1:{port}/"]
        subprocess.run([*load, "-d1"], check=True, capture_output=True)
        before = cpu_seconds(server.pid)
        done = subprocess.run([*load, f"-d{SECONDS}"], check=True, capture_output=True, text=True).stdout
        used = cpu_seconds(server.pid) - before
        requests = int(re.search(r"(\d+) requests in", done)[1])  # type: ignore[index]
        return requests / SECONDS, used / requests * 1e6, milliseconds(done, "50"), milliseconds(done, "99")
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


def main() -> None:
    """Run the rounds and print the table."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    workload, servers = sys.argv[1], dict(argument.split("=", 1) for argument in sys.argv[2:])
    application = APPLICATIONS.get(workload, f"workloads:{workload}")
    results: dict[str, list[tuple[float, ...]]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, command in servers.items():
            results[name].append(measure(command, application))
    print("| server | requests/s | CPU µs per request | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|")
    for name, rounds in sorted(results.items(), key=lambda item: statistics.median(row[1] for row in item[1])):
        rate, cpu, half, most = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"| {name} | {rate:,.0f} | {cpu:.1f} | {half:.2f} | {most:.2f} |")


if __name__ == "__main__":
    main()
