"""What has uWSGI's workers replaced beside requests and memory: exceptions, descriptors; and what keeps a second server away."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.command import run_command
from harness.processes import wait_until

APPLICATION = """
import os

class Gone(Exception):
    pass

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/gone":
        raise Gone("no: way")
    if environ["PATH_INFO"] == "/wrong":
        raise ValueError(7)
    return [str((os.getpid(), os.environ.get("TAKEN"), os.environ.get("KEPT"))).encode()]

async def asynchronous(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/gone":
        raise Gone("no: way")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


def start(start_server: StartServer, directory: Path, *words: str, app: str = "application") -> Server:
    (directory / "app.py").write_text(APPLICATION)
    return start_server("uwsgi", "--http-socket", "{tcp}", "--module", f"app:{app}", *words, cwd=directory)


def is_replaced(server: Server, before: bytes) -> bool:
    return wait_until(lambda: server.get("/").body != before, SAFETY_SECONDS)


NAMED = ["", "-type=app.Gone", "-type=Gone", "-value=no: way", "-repr=app.Gone: no: way"]


@pytest.mark.parametrize("app", ["application", "asynchronous"])
@pytest.mark.parametrize("named", NAMED)
def test_a_worker_is_replaced_after_the_exceptions_that_are_named(
    start_server: StartServer, tmp_path: Path, named: str, app: str
) -> None:
    server = start(start_server, tmp_path, f"--reload-on-exception{named}", app=app)
    before = server.get("/").body
    assert server.get("/gone").status == 500
    assert is_replaced(server, before), server.log
    assert "worker 1 is replaced after an exception: Gone" in server.log
    assert server.stop() == 0


def test_a_worker_stays_after_another_exception(start_server: StartServer, tmp_path: Path) -> None:
    server = start(start_server, tmp_path, "--reload-on-exception-type=KeyError", "--reload-on-exception-value=8")
    before = server.get("/").body
    assert server.get("/wrong").status == 500
    assert server.get("/").body == before
    assert "is replaced" not in server.log


@pytest.mark.parametrize("option", ["--reload-on-fd", "--brutal-reload-on-fd"])
def test_a_descriptor_that_can_be_read_is_a_reload(tmp_path: Path, option: str) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    os.mkfifo(tmp_path / "pipe")
    words = ("--http-socket", "{tcp}", "--module", "app", option, "7:4 somebody has called")
    server = Server("uwsgi", *words, cwd=tmp_path)
    server.command = ["/bin/sh", "-c", 'exec "$@" 7<>pipe', "sh", *server.command]
    with server:
        before = server.get("/").body
        (tmp_path / "pipe").write_text("call")
        assert is_replaced(server, before), server.log
        assert "*** fd 7 ready: somebody has called ***" in server.log
        before = server.get("/").body
        (tmp_path / "pipe").write_text("call")
        assert is_replaced(server, before), server.log


def test_a_descriptor_that_nobody_passed_ends_the_start(plain: Path) -> None:
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", "--module", "demo:app", "--reload-on-fd=77", cwd=plain)
    assert ended.exit_code == 1 and "no descriptor 77 was inherited" in ended.text, ended


@pytest.mark.parametrize("option", ["--flock", "--flock2"])
def test_only_one_server_has_a_locked_file(start_server: StartServer, tmp_path: Path, option: str) -> None:
    (tmp_path / "lock").touch()
    first = start(start_server, tmp_path, option, "lock")
    words = ("--http-socket", "127.0.0.1:0", "--module", "app")
    second = run_command("uwsgi", *words, option, "lock", cwd=tmp_path)
    assert second.exit_code == 1 and "lock is locked by another instance" in second.text, second
    os.kill(first.pid, signal.SIGHUP)
    first.wait_for_log("gracefully (RE)spawned uWSGI master process")
    assert run_command("uwsgi", *words, option, "lock", cwd=tmp_path).exit_code == 1
    assert first.stop() == 0
    missing = run_command("uwsgi", *words, option, "none", cwd=tmp_path)
    assert missing.exit_code == 1 and "create the file that is to be locked" in missing.text, missing


@pytest.mark.parametrize("option", ["--flock-wait", "--flock-wait2"])
def test_the_end_of_another_server_is_waited_for(start_server: StartServer, tmp_path: Path, option: str) -> None:
    (tmp_path / "lock").touch()
    first = start(start_server, tmp_path, "--flock", "lock")
    words = ("--http-socket", "{tcp}", "--module", "app", option, "lock")
    second = start_server("uwsgi", *words, cwd=tmp_path, wait="nothing")
    third = start_server("uwsgi", *words, cwd=tmp_path, wait="nothing")
    for waiting in (second, third):
        waiting.wait_for_log("is not locked by another instance any more...")
    assert third.stop() == 1
    assert "is waited for no longer: the server is to stop" in third.log
    assert "spawned" not in second.log
    assert first.stop() == 0
    second.wait_for_log("spawned uWSGI worker 1 ")
    assert second.stop() == 0


def test_variables_are_taken_out_of_the_environment_and_set_in_the_order_of_options(
    start_server: StartServer, tmp_path: Path
) -> None:
    words = ("--env", "TAKEN=no", "--unenv", "TAKEN", "--unenv", "KEPT", "--env", "KEPT=yes")
    (tmp_path / "app.py").write_text(APPLICATION)
    command = ("uwsgi", "--http-socket", "{tcp}", "--module", "app", *words)
    server = start_server(*command, cwd=tmp_path, environment={"TAKEN": "yes", "KEPT": "no"})
    before = server.get("/").body
    assert before.endswith(b"None, 'yes')")
    os.kill(server.pid, signal.SIGHUP)
    assert is_replaced(server, before), server.log
    assert server.get("/").body.endswith(b"None, 'yes')")
