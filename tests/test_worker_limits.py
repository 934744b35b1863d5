"""Workers of the uwsgi dialect that are replaced for their age or their memory, while the server goes on answering."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from harness import Server, StartServer
from harness.client import ConnectionEnded
from harness.processes import wait_until

APPLICATION = """\
import os

kept = []


def application(environ, start_response):
    if environ["PATH_INFO"] == "/grow":
        kept.append(b"x" * (300 << 20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def served(start_server: StartServer, directory: Path, *options: str) -> Server:
    (directory / "app.py").write_text(APPLICATION)
    return start_server("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", *options, cwd=directory)


def is_replaced(server: Server, pid: bytes) -> bool:
    """Whether another process answers. That a request is answered at all is asserted on the way."""
    answer = server.get("/")
    assert answer.status == 200
    return answer.body != pid


def test_an_old_worker_is_replaced_without_a_lost_request(start_server: StartServer, tmp_path: Path) -> None:
    server = served(start_server, tmp_path, "--max-worker-lifetime", "1", "--min-worker-lifetime", "0")
    first = server.get("/").body
    assert wait_until(lambda: is_replaced(server, first), 60.0)
    server.wait_for_log("worker 1 lifetime reached, it was running for ")


def test_a_worker_that_has_grown_is_replaced(start_server: StartServer, tmp_path: Path) -> None:
    server = served(start_server, tmp_path, "--reload-on-rss", "250", "--min-worker-lifetime", "0")
    first = server.get("/").body
    assert not is_replaced(server, first)
    grown = server.get("/grow")
    assert (grown.status, grown.body) == (200, first)
    assert wait_until(lambda: is_replaced(server, first), 60.0)
    server.wait_for_log("*** RELOAD ON WORKER 1 RSS: ")


def test_a_worker_that_has_grown_far_too_large_is_killed(start_server: StartServer, tmp_path: Path) -> None:
    server = served(start_server, tmp_path, "--evil-reload-on-rss", "250")
    first = server.get("/").body
    # It may be killed before it has answered: the master looks once a second, and growing takes its time.
    with suppress(ConnectionEnded):
        server.get("/grow")
    server.wait_for_log(f"(pid: {first.decode()}) ***")
    assert "*** EVIL RELOAD ON WORKER 1 RSS: " in server.log
    server.wait_for_log("Respawned uWSGI worker 1")
    assert is_replaced(server, first)
