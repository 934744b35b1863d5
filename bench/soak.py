#!/usr/bin/env python3
"""A soak: HTTP and WebSocket clients that appear and vanish, for minutes, and what the server's workers cost meanwhile.

    bench/soak.py --minutes 10 -- .venv/bin/penstock uvicorn --port 8123 --app-dir bench/apps soak:app

The command must listen on 127.0.0.1:8123 and serve `bench/apps/soak.py`. Every half minute a line tells answers, faults
and what each worker has: memory, open descriptors. At the end all clients have left, and nothing of theirs may be
open. Needs the package websockets. The seed of everything random is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import websockets

ADDRESS = ("127.0.0.1", 8123)


async def http_client(rng: random.Random, counts: Counter[str]) -> None:
    """Some requests on one connection, then gone: in order, or in the middle of an answer."""
    reader, writer = await asyncio.open_connection(*ADDRESS)
    try:
        for _ in range(rng.randrange(1, 50)):
            size = rng.choice((0, 10, 70_000))
            body = b"x" * size
            writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (size, body))
            if rng.random() < 0.02:
                writer.transport.abort()
                counts["vanished"] += 1
                return
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert await reader.readexactly(length) == body
            counts["http"] += 1
    finally:
        writer.close()


async def websocket_client(rng: random.Random, counts: Counter[str]) -> None:
    """Some messages, then a close, or none."""
    connection = await websockets.connect("ws://%s:%d/" % ADDRESS, max_size=None)
    for _ in range(rng.randrange(1, 50)):
        message = "m" * rng.choice((1, 100, 20_000))
        await connection.send(message)
        if rng.random() < 0.02:
            connection.transport.abort()
            counts["vanished"] += 1
            return
        assert await connection.recv() == message
        counts["websocket"] += 1
    await connection.close()


async def one_after_another(client, seed: int, until: float, counts: Counter[str]) -> None:
    rng = random.Random(seed)
    while time.monotonic() < until:
        try:
            await asyncio.wait_for(client(rng, counts), 60)
        except Exception as error:
            counts[f"fault: {type(error).__name__}: {error}"[:80]] += 1
        await asyncio.sleep(rng.random() * 0.1)


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def cost(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return f"{resident:.1f} MB, {len(os.listdir(f'/proc/{pid}/fd'))} descriptors"


async def soak(minutes: float, clients: int, seed: int, server: int) -> None:
    counts: Counter[str] = Counter()
    until = time.monotonic() + minutes * 60
    tasks = [
        asyncio.create_task(one_after_another(client, seed * 1000 + number, until, counts))
        for number in range(clients)
        for client in (http_client, websocket_client)
    ]
    while any(not task.done() for task in tasks):
        costs = "; ".join(cost(pid) for pid in workers_of(server))
        print(f"{minutes * 60 - (until - time.monotonic()):5.0f} s  {costs}  {dict(counts)}", flush=True)
        await asyncio.wait(tasks, timeout=30)
    await asyncio.sleep(2)
    print("  end   " + "; ".join(cost(pid) for pid in workers_of(server)) + f"  {dict(counts)}", flush=True)


def wait_for_server() -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(ADDRESS).close()
            return
        time.sleep(0.1)
    raise SystemExit("the server does not listen on %s:%d" % ADDRESS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=20, help="of each kind")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    server = subprocess.Popen(options.command)
    try:
        wait_for_server()
        asyncio.run(soak(options.minutes, options.clients, options.seed, server.pid))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
