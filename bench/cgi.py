#!/usr/bin/env python3
"""Measure what slow CGI scripts cost a WSGI application on the same worker.

One client asks the application again and again; meanwhile 200 requests for a script that takes a second arrive at once.
What the application's client waits, at most, is held against what starting 200 processes costs by itself (posix_spawn).

    bench/cgi.py .venv/bin/penstock
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from side_by_side import free_port, wait_until_it_listens

SCRIPTS = 200
ROUNDS = 3
SCRIPT = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec sleep 1\n"
APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def ask(client: socket.socket) -> float:
    """One request to the application on a kept connection: seconds until its answer."""
    start = time.perf_counter()
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        answer += client.recv(65536)
    return time.perf_counter() - start


def run_script(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /cgi-bin/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer


def measure(port: int) -> tuple[float, float, int]:
    """The median and the longest wait of the application's client, and how many answers it got meanwhile."""
    threads = [threading.Thread(target=run_script, args=(port,)) for _ in range(SCRIPTS)]
    waits = []
    with socket.create_connection(("127.0.0.1", port)) as client:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            waits.append(ask(client))
    return statistics.median(waits), max(waits), len(waits)


def cost_of_starting(script: Path) -> float:
    """Seconds that it takes to start as many processes, with nothing else to do."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    start = time.perf_counter()
    started = [os.posix_spawn(script, [str(script)], {}, file_actions=silent) for _ in range(SCRIPTS)]
    took = time.perf_counter() - start
    for process in started:
        os.waitpid(process, 0)
    return took


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="penstock-bench-cgi-"))
    (directory / "app.py").write_text(APPLICATION)
    (directory / "cgi-bin").mkdir()
    script = directory / "cgi-bin" / "slow"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    port = free_port()
    command = [sys.argv[1], "--bind", f"127.0.0.1:{port}", "--cgi", f"/cgi-bin={script.parent}", "app:app"]
    server = subprocess.Popen(command, cwd=directory, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_listens(port, server)
        with socket.create_connection(("127.0.0.1", port)) as client:
            idle = [ask(client) for _ in range(2000)]
        print(f"nothing else to do: median {statistics.median(idle) * 1e3:.2f} ms, longest {max(idle) * 1e3:.1f} ms")
        for _ in range(ROUNDS):
            median, longest, count = measure(port)
            spawning = cost_of_starting(script)
            print(
                f"{SCRIPTS} scripts: {count} answers, median {median * 1e3:.2f} ms, longest {longest * 1e3:.1f} ms; "
                f"starting {SCRIPTS} processes costs {spawning * 1e3:.1f} ms"
            )
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
