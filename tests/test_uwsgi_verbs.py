"""uWSGI's commands to a running server: --reload, --stop, --pause, --resume, --ping, --connect-and-read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import Server, StartServer
from harness.command import run_command
from harness.processes import free_port


def start(start_server: StartServer, plain: Path) -> Server:
    words = ["--http-socket", "{tcp}", "--socket", "{tcp2}", "--stats", "stats.sock", "--pidfile", "u.pid"]
    return start_server("uwsgi", *words, "--module", "demo:app", cwd=plain)


def test_a_paused_server_answers_when_it_is_resumed(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain)
    assert run_command("uwsgi", "--pause", "u.pid", cwd=plain).exit_code == 0
    server.wait_for_log("*** PAUSE (press start to resume")
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert client.is_silent(0.3)
        assert run_command("uwsgi", "--resume", "u.pid", cwd=plain).exit_code == 0
        assert client.read_response().status == 200
    assert run_command("uwsgi", "--suspend", "u.pid", cwd=plain).exit_code == 0
    assert run_command("uwsgi", "--stop", "u.pid", cwd=plain).exit_code == 0
    assert server.wait() == 0


def test_a_server_is_reloaded_by_its_pidfile(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain)
    assert run_command("uwsgi", "--reload", "u.pid", cwd=plain).exit_code == 0
    server.wait_for_log("gracefully (RE)spawned uWSGI master process")


def test_a_uwsgi_socket_answers_a_ping(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain)
    host, port = server.addresses["tcp2"]
    ended = run_command("uwsgi", "--ping", f"{host}:{port}", "--ping-timeout", "30", cwd=plain)
    assert ended.exit_code == 0 and f"PING uwsgi host {host}:{port} (timeout: 30)" in ended.text, ended


def test_nobody_answers_a_ping_where_nobody_listens(plain: Path) -> None:
    for address in (f"127.0.0.1:{free_port()}", "nothing.sock", "127.0.0.1:x"):
        ended = run_command("uwsgi", "--ping", address, cwd=plain)
        assert ended.exit_code == 1 and f"cannot reach {address} (option --ping)" in ended.text, ended


def test_what_a_socket_sends_is_shown(start_server: StartServer, plain: Path) -> None:
    start(start_server, plain)
    ended = run_command("uwsgi", "--connect-and-read", "stats.sock", cwd=plain)
    assert ended.exit_code == 0, ended
    assert json.loads(ended.stderr)["workers"][0]["id"] == 1
    ended = run_command("uwsgi", "--connect-and-read", "nothing.sock", cwd=plain)
    assert ended.exit_code == 1 and "cannot reach nothing.sock" in ended.text, ended


@pytest.mark.parametrize("option", ["--pause", "--resume", "--reload", "--stop"])
@pytest.mark.parametrize("content", [None, "", "x", "0", "-1", "999999999"])
def test_a_pidfile_without_a_server_is_an_error(plain: Path, option: str, content: str | None) -> None:
    if content is not None:
        (plain / "u.pid").write_text(content)
    ended = run_command("uwsgi", option, "u.pid", cwd=plain)
    assert ended.exit_code == 1 and "the pidfile u.pid" in ended.text, ended


def test_a_signal_over_the_network_is_refused_with_what_to_use(plain: Path) -> None:
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", "--signal", "127.0.0.1:1,5", cwd=plain)
    assert ended.exit_code == 1 and "touch-signal" in ended.text, ended
