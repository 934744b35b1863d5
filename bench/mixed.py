#!/usr/bin/env python3
"""How long answers take beside slow requests, server beside server in one run: p50, p99, p99.9, the longest, and what failed.

    bench/mixed.py --load mixed penstock='.venv/bin/penstock gunicorn -b {address} -w 2 --threads 4 mixed:app' \\
                   gthread='/peers/bin/gunicorn -b {address} -w 2 --threads 4 mixed:app'

Kept connections send one request after another; the figures are for the quick ones: what a quick request pays for the slow
ones beside it.

    mixed            of 100 requests 90 are quick, 9 take 5 ms, 1 takes 200 ms
    one_in_100_slow  of 100 requests 99 are quick, 1 takes 200 ms
    pinned           all are quick, but one more client asks for a second at a time, on a connection of its own: those who share
                     its worker wait for it, unless somebody does something about it

Client and server share the machine, so only figures of one run can be compared. Servers take turns, for some rounds; the seed
of the load is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shlex
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from side_by_side import APPS, free_port, wait_until_it_listens


# How often which request is sent.
LOADS = {
    "mixed": {"": 90, "5": 9, "200": 1},
    "one_in_100_slow": {"": 99, "200": 1},
    "pinned": {"": 1},
}
SECOND_AT_A_TIME = {"1000": 1}


async def client(
    port: int, load: dict[str, int], rng: random.Random, until: float, times: list[float], counts: Counter[str]
) -> None:
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            counts[f"connect: {type(error).__name__}"] += 1
            await asyncio.sleep(0.05)
            continue
        try:
            await one_after_another(reader, writer, load, rng, until, times, counts)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            counts[f"failed: {type(error).__name__}"] += 1
        finally:
            writer.close()


async def one_after_another(reader, writer, load, rng, until, times, counts) -> None:
    while time.monotonic() < until:
        wait = rng.choices(list(load), list(load.values()))[0]
        begun = time.monotonic()
        writer.write(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % wait.encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        await reader.readexactly(2)
        if not wait:
            times.append(time.monotonic() - begun)
        counts["answered"] += 1
        if b"connection: close" in head.lower():
            return
        await asyncio.sleep(rng.random() * 0.02)


async def measure(port: int, seed: int, options: argparse.Namespace, times: list[float], counts: Counter[str]) -> None:
    until = time.monotonic() + options.seconds
    loads = [LOADS[options.load]] * options.connections
    if options.load == "pinned":
        loads.append(SECOND_AT_A_TIME)
    await asyncio.gather(
        *(client(port, load, random.Random(seed + n), until, times, counts) for n, load in enumerate(loads))
    )


def one_turn(command: str, seed: int, options: argparse.Namespace, times: list[float], counts: Counter[str]) -> None:
    port = free_port()
    words = shlex.split(command.format(address=f"127.0.0.1:{port}", port=port))
    words[0] = str(Path(words[0]).absolute()) if "/" in words[0] else words[0]
    with open(os.devnull, "wb") as nothing:
        server = subprocess.Popen(words, cwd=APPS, stdout=nothing, stderr=nothing, start_new_session=True)
    try:
        wait_until_it_listens(port, server)
        time.sleep(1)
        asyncio.run(measure(port, seed, options, times, counts))
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load", choices=LOADS, default="mixed")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("servers", nargs="+", metavar="NAME=COMMAND")
    options = parser.parse_args()
    print(
        f"{options.load}, seed {options.seed}; {options.connections} connections, {options.rounds} rounds of {options.seconds:g} s"
    )
    servers = dict(argument.split("=", 1) for argument in options.servers)
    times: dict[str, list[float]] = {name: [] for name in servers}
    counts: dict[str, Counter[str]] = {name: Counter() for name in servers}
    for round_number in range(options.rounds):
        for name, command in servers.items():
            one_turn(command, options.seed + 1000 * round_number, options, times[name], counts[name])
    for name, found in times.items():
        found.sort()
        shown = [f"{found[min(int(len(found) * part), len(found) - 1)] * 1000:9.1f}" for part in (0.5, 0.99, 0.999, 1)]
        print(f"{name:12} p50, p99, p99.9, longest in ms: {' '.join(shown)}   {dict(counts[name])}", flush=True)


if __name__ == "__main__":
    main()
