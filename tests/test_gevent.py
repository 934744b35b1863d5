"""`-k gevent` with the real gevent: each request is a greenlet of a patched process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from harness import RawClient, Server, StartServer
from harness.processes import wait_until
from http1_cases import request


def started(start_server: StartServer, *options: str) -> Server:
    return start_server("gunicorn", "-b", "{tcp}", "-k", "gevent", *options, "greenlets:app")


def in_progress(server: Server, target: str, number: int) -> list[RawClient]:
    """Clients whose requests have been sent and not been answered."""
    clients = [server.connect() for _ in range(number)]
    for client in clients:
        client.send(request(f"GET {target} HTTP/1.1"))
    return clients


@pytest.mark.parametrize("name", ["gevent", "gevent_wsgi", "gevent_pywsgi", "gunicorn.workers.ggevent.GeventWorker"])
def test_the_process_is_patched_before_the_application_is_imported(start_server: StartServer, name: str) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "-k", name, "greenlets:app")
    assert server.get("/").body.startswith(b"(True, True, ")
    assert "Using worker: gevent" in server.log


def test_requests_that_sleep_wait_together_in_one_thread(start_server: StartServer) -> None:
    clients = in_progress(started(start_server), "/together/100", 100)
    # None of them can be answered before all of them have begun.
    assert [client.read_response().body for client in clients] == [b"100"] * 100


def test_worker_connections_bound_the_greenlets(start_server: StartServer) -> None:
    server = started(start_server, "--worker-connections", "3", "--keep-alive", "0")
    clients = in_progress(server, "/sleep/0.2", 12)
    assert {client.read_response().status for client in clients} == {200}
    clients = in_progress(server, "/together/4", 4)
    assert all(client.is_silent(0.5) for client in clients)
    server.kill()


def test_blocks_of_a_stream_leave_as_they_are_made(start_server: StartServer) -> None:
    server = started(start_server)
    with server.connect() as client:
        client.send(request("GET /stream HTTP/1.1"))
        client.read_until(b"0\n")
        assert server.get("/").status == 200
        client.read_until(b"4\n")


def test_a_client_that_does_not_read_holds_nobody_up(start_server: StartServer) -> None:
    server = started(start_server)
    with server.connect(receive_buffer=4096) as slow:
        slow.send(request("GET /large HTTP/1.1", "Connection: close"))
        assert server.get("/").status == 200
        assert len(slow.read_response().body) == 16 << 20


def test_a_body_that_comes_slowly_holds_nobody_up(start_server: StartServer) -> None:
    server = started(start_server)
    with server.connect() as slow:
        slow.send(request("POST /body HTTP/1.1", "Content-Length: 3000000"))
        slow.send(b"x" * 1_000_000)
        assert server.get("/").status == 200
        slow.send(b"x" * 2_000_000)
        assert slow.read_response().body == b"3000000"


def test_an_exception_is_answered_and_the_connection_lives_on(start_server: StartServer) -> None:
    server = started(start_server)
    with server.connect() as client:
        assert client.get("/raise").status == 500
        assert client.get("/").status == 200
    assert "ValueError: as asked for" in server.log


def test_requests_in_progress_are_answered_at_a_graceful_stop(start_server: StartServer) -> None:
    server = started(start_server)
    clients = in_progress(server, "/sleep/0.5", 5)
    assert wait_until(lambda: server.get("/arrived").status == 200, 60.0)
    os.kill(server.pid, signal.SIGTERM)
    assert {client.read_response().body for client in clients} == {b"slept"}
    assert server.wait() == 0


def test_requests_that_outlast_the_graceful_timeout_are_killed(start_server: StartServer) -> None:
    server = started(start_server, "--graceful-timeout", "1")
    (client,) = in_progress(server, "/sleep/3600", 1)
    assert server.get("/").status == 200
    assert server.stop() == 0
    # Killed with a 500, as what is seen of the answer allows.
    assert b"slept" not in client.read_to_end()


def test_a_hub_that_is_stuck_is_ended_and_told_of(start_server: StartServer) -> None:
    server = started(start_server, "--timeout", "2")
    with server.connect() as client:
        client.send(request("GET /spin HTTP/1.1"))
        server.wait_for_log("WORKER TIMEOUT")
        server.wait_for_log("in app")
        assert wait_until(lambda: server.log.count("Booting worker") == 2, 60.0)
    assert server.get("/").status == 200


def test_a_request_that_sleeps_longer_than_the_timeout_is_not_ended(start_server: StartServer) -> None:
    server = started(start_server, "--timeout", "1")
    with server.connect() as client:
        assert client.get("/sleep/3").body == b"slept"
    assert "WORKER TIMEOUT" not in server.log


def test_a_reload_loses_no_request(start_server: StartServer) -> None:
    server = started(start_server)
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(server.get("/sleep/0.01").status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        os.kill(server.pid, signal.SIGHUP)
        assert wait_until(lambda: server.log.count("Worker exiting") == 1, 60.0)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}


def test_an_asgi_application_is_refused_with_what_to_choose(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "asgi_app.py").write_text("async def app(scope, receive, send): ...\n")
    command = [str(Path(sys.executable).parent / "penstock"), "gunicorn", "-b", "127.0.0.1:0", "-k", "gevent"]
    run = subprocess.run([*command, "asgi_app:app"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert "choose -k asgi" in run.stderr


def test_without_gevent_the_refusal_names_the_choices(tmp_path: Path) -> None:
    # A `gevent` that cannot be found, whatever is installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'gevent' else find(name, *rest)\n"
    )
    command = [str(Path(sys.executable).parent / "penstock"), "gunicorn", "-b", "127.0.0.1:0", "-k", "gevent", "x:y"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    for word in ("gevent is not installed", "pip install gevent", "-k gthread", "--threads", "sync", "asgi"):
        assert word in run.stderr
