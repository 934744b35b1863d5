"""`gunicorn.socket`: an application speaks with its client itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import RawClient, StartServer
from harness.processes import wait_until
from websockets.sync.client import connect

APPLICATION = r"""
import socket

def app(environ, start_response):
    client = environ["gunicorn.socket"]
    if environ["PATH_INFO"] == "/speak":
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: lines\r\nConnection: Upgrade\r\n\r\n")
        with client.makefile("rb") as lines:
            for line in lines:
                client.sendall(line.upper())
                if line == b"end\n":
                    break
        raise StopIteration
    if environ["PATH_INFO"] == "/stop":
        raise StopIteration
    about = isinstance(client, socket.socket), client.gettimeout(), client.getpeername()[1] == int(environ["REMOTE_PORT"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(about).encode()]
"""

WORKERS = {"sync": [], "gthread": ["--threads", "2"], "gevent": ["-k", "gevent"]}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APPLICATION)
    return tmp_path


def speak(client: RawClient) -> None:
    client.send(b"GET /speak HTTP/1.1\r\nHost: test\r\nUpgrade: lines\r\nConnection: Upgrade\r\n\r\n")
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("worker", WORKERS)
def test_an_application_speaks_with_its_client_until_it_has_done(
    start_server: StartServer, site: Path, worker: str
) -> None:
    arguments = ("-b", "{tcp}", "--access-logfile", "-", *WORKERS[worker], "site_app:app")
    server = start_server("gunicorn", *arguments, cwd=site)
    with server.connect() as client:
        speak(client)
        for line in (b"one\n", b"two\n", b"end\n"):
            client.send(line)
            assert client.read_exactly(4) == line.upper()
        assert client.read_to_end() == b""
    with server.connect() as client:
        for _ in range(2):
            assert client.get("/").body == b"(True, None, True)"
    # To gunicorn such a request has not been answered either.
    assert "/speak" not in server.log and "Traceback" not in server.log


def test_a_client_that_is_spoken_with_may_take_its_time_where_there_are_threads(
    start_server: StartServer, site: Path
) -> None:
    arguments = ("-b", "{tcp}", "--threads", "2", "--timeout", "1", "--enable-backlog-metric", "--log-level", "debug")
    server = start_server("gunicorn", *arguments, "site_app:app", cwd=site)
    with server.connect() as client:
        speak(client)
        # The master looks for late requests as often as it says this.
        looks = server.log.count("socket backlog") + 4
        assert wait_until(lambda: server.log.count("socket backlog") >= looks, 60.0)
        client.send(b"end\n")
        assert client.read_exactly(4) == b"END\n"
    assert "WORKER TIMEOUT" not in server.log


def test_without_having_spoken_it_is_an_exception_like_any_other(start_server: StartServer, site: Path) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "site_app:app", cwd=site)
    assert server.get("/stop").status == 500
    server.wait_for_log("StopIteration")


FLASK = """
from flask import Flask
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)

@sock.route("/echo")
def echo(ws):
    while True:
        ws.send(ws.receive()[::-1])
"""


@pytest.mark.parametrize("worker", ["gthread", "gevent"])
def test_flasks_websockets_work(start_server: StartServer, tmp_path: Path, worker: str) -> None:
    (tmp_path / "site_app.py").write_text(FLASK)
    server = start_server("gunicorn", "-b", "{tcp}", *WORKERS[worker], "site_app:app", cwd=tmp_path)
    host, port = server.address
    with connect(f"ws://{host}:{port}/echo") as client:
        for text in ("hello", "x" * 100_000 + "y"):
            client.send(text)
            assert client.recv(60) == text[::-1]
    assert server.get("/").status == 404
    server.stop()
    assert "Traceback" not in server.log, server.log
