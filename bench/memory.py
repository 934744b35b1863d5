#!/usr/bin/env python3
"""Whether a worker's memory stays flat over very many requests.

    bench/memory.py --requests 1000000 -- .venv/bin/penstock uvicorn --port 8124 --app-dir bench/apps memory:raw
    bench/memory.py --target /behind -- .venv/bin/penstock uvicorn --port 8124 --app-dir bench/apps memory:starlette

The command must listen on 127.0.0.1:8124 and have one worker. Requests are pipelined on a few connections, which are
made anew now and then. Each twentieth of the way a line tells the worker's resident memory, its open descriptors, and
how many tasks and objects its Python holds (`/census` of `bench/apps/memory.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import socket
import subprocess
import time
from pathlib import Path

ADDRESS = ("127.0.0.1", 8124)
CONNECTIONS = 16
#: Requests sent on a connection before their answers are read.
DEPTH = 16
#: Rounds after which connections are made anew.
ROUNDS = 100


def read_answers(connection: socket.socket, each: int, count: int) -> None:
    left = each * count
    while left > 0:
        piece = connection.recv(1 << 16)
        if not piece:
            raise SystemExit("the server has closed a connection")
        left -= len(piece)
    if left < 0:
        raise SystemExit("an answer was longer than the first")


def length_of_answer(request: bytes) -> int:
    """All answers have the length of the first: its head has a Date, which always has the same length."""
    with socket.create_connection(ADDRESS) as connection:
        connection.sendall(request)
        answer = connection.recv(1 << 16)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not a good answer: {answer!r}")
        return len(answer)


def some(request: bytes, each: int, rounds: int) -> None:
    connections = [socket.create_connection(ADDRESS) for _ in range(CONNECTIONS)]
    for _ in range(rounds):
        for connection in connections:
            connection.sendall(request * DEPTH)
        for connection in connections:
            read_answers(connection, each, DEPTH)
    for connection in connections:
        connection.close()


def wait_for_server(server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(ADDRESS).close()
            return
        if server.poll() is not None:
            raise SystemExit("the server has ended")
        time.sleep(0.1)
    raise SystemExit("the server does not listen on %s:%d" % ADDRESS)


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def census() -> str:
    connection = http.client.HTTPConnection(*ADDRESS)
    connection.request("GET", "/census")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def cost(pid: int) -> str:
    held = census()
    resident = int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])
    return f"{resident:7d} kB  {len(os.listdir(f'/proc/{pid}/fd'))} descriptors  {held}"


def measure(server: int, requests: int, target: str) -> None:
    request = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld" % target.encode()
    each = length_of_answer(request)
    (worker,) = workers_of(server)
    print(f"{0:9d}  {cost(worker)}", flush=True)
    done, begun = 0, time.monotonic()
    for step in range(1, 21):
        while done < requests * step // 20:
            rounds = min(ROUNDS, -(-(requests * step // 20 - done) // (CONNECTIONS * DEPTH)))
            some(request, each, rounds)
            done += rounds * CONNECTIONS * DEPTH
        print(f"{done:9d}  {cost(worker)}", flush=True)
    print(f"{done / (time.monotonic() - begun):.0f} requests a second", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--target", default="/world")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    server = subprocess.Popen(options.command)
    try:
        wait_for_server(server)
        measure(server.pid, options.requests, options.target)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
