#!/usr/bin/env python3
"""A soak: HTTP and WebSocket clients that appear and vanish, for minutes, and what the server's processes cost meanwhile.

    bench/soak.py --minutes 10 -- .venv/bin/penstock uvicorn --port 8123 --app-dir bench/apps soak:app
    bench/soak.py --minutes 60 --reload-seconds 60 --pause 0.5 -- \
        .venv/bin/penstock -b 127.0.0.1:8123 -w 2 --chdir bench/apps soak:app
    bench/soak.py --port 8124 --http-only -- .venv/bin/penstock gunicorn -b 127.0.0.1:8124 --threads 4 soak:wsgi

The command must listen on that port of 127.0.0.1 (8123 unless said) and serve `bench/apps/soak.py`. Every half minute a
line tells answers, faults and what the master and each worker have: memory, open descriptors. At the end all clients
have left, and nothing of theirs may be open. A reload (HUP) ends kept connections between two requests, and WebSockets with a close: both are
counted, and are no faults. Needs the package websockets. The seed of everything random is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import websockets

HOST = "127.0.0.1"


async def http_client(port: int, rng: random.Random, counts: Counter[str], pause: float) -> None:
    """Some requests on one connection, then gone: in order, or in the middle of an answer."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        for number in range(rng.randrange(1, 50)):
            await asyncio.sleep(rng.random() * pause)
            size = rng.choice((0, 10, 70_000))
            body = b"x" * size
            writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (size, body))
            if rng.random() < 0.02:
                writer.transport.abort()
                counts["vanished"] += 1
                return
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionResetError) as error:
                if number == 0 or getattr(error, "partial", b""):
                    raise
                counts["ended between requests"] += 1
                return
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert await reader.readexactly(length) == body
            counts["http"] += 1
    finally:
        writer.close()


async def websocket_client(port: int, rng: random.Random, counts: Counter[str], pause: float) -> None:
    """Some messages, then a close, or none."""
    connection = await websockets.connect(f"ws://{HOST}:{port}/", max_size=None)
    try:
        await talk(connection, rng, counts, pause)
    except websockets.ConnectionClosed as closed:
        if closed.rcvd is None:
            raise
        counts[f"websocket closed with {closed.rcvd.code}"] += 1


async def talk(connection, rng: random.Random, counts: Counter[str], pause: float) -> None:
    for _ in range(rng.randrange(1, 50)):
        await asyncio.sleep(rng.random() * pause)
        message = "m" * rng.choice((1, 100, 20_000))
        await connection.send(message)
        if rng.random() < 0.02:
            connection.transport.abort()
            counts["vanished"] += 1
            return
        assert await connection.recv() == message
        counts["websocket"] += 1
    await connection.close()


async def one_after_another(
    client, options: argparse.Namespace, number: int, until: float, counts: Counter[str]
) -> None:
    rng, pause = random.Random(options.seed * 1000 + number), options.pause
    while time.monotonic() < until:
        try:
            await asyncio.wait_for(client(options.port, rng, counts, pause), 60 + 60 * pause)
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


def costs(server: int) -> str:
    """What all processes have. One that ends while it is looked at has nothing."""
    shown = [f"master {cost(server)}"]
    for pid in workers_of(server):
        with contextlib.suppress(OSError, IndexError):
            shown.append(f"worker {cost(pid)}")
    return "; ".join(shown)


async def reload_again_and_again(server: int, seconds: float, counts: Counter[str]) -> None:
    while seconds:
        await asyncio.sleep(seconds)
        os.kill(server, signal.SIGHUP)
        counts["reloads"] += 1


async def soak(options: argparse.Namespace, server: int) -> None:
    counts: Counter[str] = Counter()
    minutes, until = options.minutes, time.monotonic() + options.minutes * 60
    reloads = asyncio.create_task(reload_again_and_again(server, options.reload_seconds, counts))
    tasks = [
        asyncio.create_task(one_after_another(client, options, number, until, counts))
        for number in range(options.clients)
        for client in ((http_client,) if options.http_only else (http_client, websocket_client))
    ]
    while any(not task.done() for task in tasks):
        elapsed = minutes * 60 - (until - time.monotonic())
        print(f"{elapsed:5.0f} s  {costs(server)}  {dict(counts)}", flush=True)
        await asyncio.wait(tasks, timeout=30)
    reloads.cancel()
    await asyncio.sleep(2)
    print(f"  end   {costs(server)}  {dict(counts)}", flush=True)


def wait_for_server(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, port)).close()
            return
        time.sleep(0.1)
    raise SystemExit(f"the server does not listen on {HOST}:{port}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=20, help="of each kind")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--http-only", action="store_true", help="no WebSockets, for a WSGI application")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--pause", type=float, default=0, help="most seconds between two requests of a client")
    parser.add_argument("--reload-seconds", type=float, default=0, help="send HUP that often; 0 is never")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    server = subprocess.Popen(options.command)
    try:
        wait_for_server(options.port)
        asyncio.run(soak(options, server.pid))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
