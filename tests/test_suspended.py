"""A machine that is suspended, a container that is paused: all processes stand still, and the clock goes on.

Whoever waited for something has as much time left afterwards as before: nothing expires in bulk.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, RawClient, Server, StartServer
from harness.processes import wait_until

# Longer than every limit below, the hard deadline of the native dialect (2 s and 5 s) among them.
STANDSTILL_SECONDS = 8

APPLICATION = """\
import asyncio, os, time


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/until":
        print("begun to wait", flush=True)
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.01)
    if environ["PATH_INFO"] == "/forever":
        while True:
            time.sleep(0.01)
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/until":
        print("begun to wait", flush=True)
        while not os.path.exists(scope["query_string"]):
            await asyncio.sleep(0.01)
    if scope["path"] == "/forever":
        await asyncio.sleep(600)
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""

NATIVE = ("-b", "{tcp}", "-w", "2", "-t", "2", "--keep-alive", "2")
GUNICORN = ("gunicorn", "-b", "{tcp}", "-w", "2", "-t", "2", "--keep-alive", "2")
UWSGI = (
    "uwsgi", "--http11-socket", "{tcp}", "--master", "-p", "2", "--harakiri", "2", "--socket-timeout", "2",
    "--add-header", "Connection: keep-alive",
)  # fmt: skip
COMMANDS = {
    "wsgi": (*NATIVE, "standing:wsgi"),
    "threads": (*NATIVE, "--threads", "3", "standing:wsgi"),
    "asgi": (*NATIVE, "standing:asgi"),
    "gunicorn": (*GUNICORN, "standing:wsgi"),
    "gthread": (*GUNICORN, "--threads", "3", "standing:wsgi"),
    "gevent": (*GUNICORN, "-k", "gevent", "standing:wsgi"),
    "gunicorn-asgi": (*GUNICORN, "-k", "asgi", "standing:asgi"),
    "uvicorn": ("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2", "--timeout-keep-alive", "2", "standing:asgi"),
    "uwsgi": (*UWSGI, "-w", "standing:wsgi"),
    "uwsgi-threads": (*UWSGI, "--threads", "3", "-w", "standing:wsgi"),
}  # fmt: skip


def stand_still(server: Server, seconds: float) -> None:
    """Stop the master and its workers for a time."""
    processes = list(server.processes())
    os.killpg(server.pid, signal.SIGSTOP)
    assert wait_until(lambda: all(state_of(pid) == "T" for pid in processes), SAFETY_SECONDS)
    time.sleep(seconds)
    os.killpg(server.pid, signal.SIGCONT)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_a_server_that_stood_still_ends_nothing_for_it(tmp_path: Path, start_server: StartServer, command: str) -> None:
    if command == "gevent":
        pytest.importorskip("gevent")
    (tmp_path / "standing.py").write_text(APPLICATION)
    server = start_server(*COMMANDS[command], cwd=tmp_path)
    assert wait_until(lambda: len(server.processes()) == 3, SAFETY_SECONDS), server.processes()
    before, go = set(server.processes()), tmp_path / "go"

    def client() -> RawClient:
        return server.connect(timeout=SAFETY_SECONDS)

    with client() as slow, client() as idle, client() as silent, client() as head, client() as body:
        slow.send(b"GET /until?%s HTTP/1.1\r\nHost: t\r\n\r\n" % str(go).encode())
        server.wait_for_log("begun to wait")
        assert idle.get("/").status == 200
        head.send(b"GET / HTTP/1.1\r\nHo")
        body.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\nhal")
        assert silent.is_silent(0.2)
        stand_still(server, STANDSTILL_SECONDS)
        go.touch()
        assert slow.read_response().status == 200, server.log
        head.send(b"st: t\r\n\r\n")
        assert head.read_response().status == 200
        body.send(b"ves")
        assert body.read_response().body == b"halves"
        for each in (idle, silent):
            assert each.get("/").status == 200
    # The master has looked around since.
    assert server.get("/").status == 200
    assert set(server.processes()) == before, server.log


@pytest.mark.parametrize("command", ["threads", "asgi", "gthread", "uwsgi"])
def test_a_deadline_still_holds_after_a_standstill(tmp_path: Path, start_server: StartServer, command: str) -> None:
    (tmp_path / "standing.py").write_text(APPLICATION)
    server = start_server(*COMMANDS[command], cwd=tmp_path)
    assert wait_until(lambda: len(server.processes()) == 3, SAFETY_SECONDS), server.processes()
    before = set(server.processes())
    with server.connect(timeout=SAFETY_SECONDS) as client:
        client.send(b"GET /forever HTTP/1.1\r\nHost: t\r\n\r\n")
        stand_still(server, 4)
        if command in ("threads", "asgi"):
            assert client.read_response().status == 504
            assert set(server.processes()) == before
        else:
            assert wait_until(lambda: set(server.processes()) != before, SAFETY_SECONDS), server.log
    server.wait_for_log("GET /forever")
