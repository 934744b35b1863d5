"""uWSGI's sockets with abstract names (Linux): no file, and a NUL at the end of the name, as uWSGI's own clients have it."""

from __future__ import annotations

import os
import signal
import socket
import uuid
from pathlib import Path

import pytest
from harness import StartServer
from harness.client import RawClient
from harness.command import run_command


@pytest.fixture
def name() -> str:
    return f"penstock-{uuid.uuid4().hex}"


def test_requests_statistics_and_pings_come_by_abstract_names(start_server: StartServer, plain: Path, name: str) -> None:
    words = ("--http-socket", "{tcp}", "--http-socket", f"@{name}-h", "--socket", f"\\0{name}-u", "--stats", f"@{name}-s")
    server = start_server("uwsgi", *words, "--module", "demo:app", "--chmod-socket", "--vacuum", cwd=plain)
    assert f"uwsgi socket 1 bound to UNIX address @{name}-h" in server.log
    with RawClient(f"\0{name}-h\0") as client:
        assert client.get("/").status == 200
    assert run_command("uwsgi", "--ping", f"@{name}-u", cwd=plain).exit_code == 0
    read = run_command("uwsgi", "--connect-and-read", f"@{name}-s", cwd=plain)
    assert read.exit_code == 0 and f"@{name}-h" in read.text
    os.kill(server.pid, signal.SIGHUP)
    server.wait_for_log("gracefully (RE)spawned uWSGI master process")
    with RawClient(f"\0{name}-h\0") as client:
        assert client.get("/", "Connection: close").status == 200
    assert server.stop() == 0
    assert not [path for path in plain.iterdir() if name in path.name]


def test_every_path_is_an_abstract_name_where_that_is_wanted(start_server: StartServer, plain: Path, name: str) -> None:
    words = ("--http-socket", "{tcp}", "--http-socket", name, "-a")
    server = start_server("uwsgi", *words, "--module", "demo:app", cwd=plain)
    with RawClient(f"\0{name}") as client:
        assert client.get("/", "Connection: close").status == 200
    assert server.stop() == 0
    assert not (plain / name).exists()


def test_requests_are_passed_on_to_an_abstract_name(start_server: StartServer, plain: Path, name: str) -> None:
    start_server("uwsgi", "--http-socket", "{tcp}", "--socket", f"@{name}", "--module", "demo:app", cwd=plain)
    front = start_server("uwsgi", "--http", "{tcp}", "--http-to", f"@{name}", cwd=plain)
    assert front.get("/").status == 200


def test_a_name_that_somebody_has_is_an_error_that_says_so(plain: Path, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"\0{name}\0")
        ended = run_command("uwsgi", "--http-socket", f"@{name}", "--module", "demo:app", cwd=plain)
    assert ended.exit_code == 1
    assert f"running on the same address (@{name})" in ended.text and "bind(): Address already in use" in ended.text
