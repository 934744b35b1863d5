"""An emperor and its vassals: a server for each configuration in a directory, or that matches a pattern."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, RawClient, Server, StartServer
from harness.client import ConnectionEnded
from harness.command import run_command
from harness.processes import free_port, wait_until
from projects import copy_of


@pytest.fixture
def realm(tmp_path: Path) -> Path:
    """A directory with a project, and an empty one for vassals."""
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    (directory / "vassals").mkdir()
    return directory


def add(realm: Path, name: str, *, text: str | None = None) -> int:
    """A vassal's configuration; its port. Written beside and moved, so that nobody reads half of it."""
    port = free_port()
    lines = {
        "ini": f"[uwsgi]\nhttp-socket = 127.0.0.1:{port}\nchdir = {realm}\nmodule = demo:app\nvacuum = true\n",
        "yaml": f"uwsgi:\n  http-socket: 127.0.0.1:{port}\n  chdir: {realm}\n  module: demo:app\n",
        "json": f'{{"uwsgi": {{"http-socket": "127.0.0.1:{port}", "chdir": "{realm}", "module": "demo:app"}}}}',
        "xml": f"<uwsgi><http-socket>127.0.0.1:{port}</http-socket><chdir>{realm}</chdir><module>demo:app</module></uwsgi>",
    }
    content = text if text is not None else lines[name.rpartition(".")[2]]
    written = realm / f"{name}.new"
    written.write_text(content)
    written.rename(realm / "vassals" / name)
    return port


def reign(start_server: StartServer, realm: Path, *words: str, place: str = "vassals") -> Server:
    # The port is nobody's: what is waited for is the log.
    server = start_server("uwsgi", "--emperor", place, "--emperor-freq=1", *words, cwd=realm, wait="nothing")
    server.wait_for_log("*** starting uWSGI Emperor ***")
    return server


def answers(port: int) -> bool:
    try:
        with RawClient(("127.0.0.1", port)) as client:
            return client.get("/", "Connection: close").status == 200
    except (OSError, ConnectionEnded):
        return False


def touch(path: Path) -> None:
    """Another time than the one it has, whatever the clock's ticks are."""
    later = time.time() + 5
    os.utime(path, (later, later))


@pytest.mark.parametrize("ending", ["ini", "yaml", "json", "xml"])
def test_a_vassal_is_started_for_each_kind_of_configuration(
    start_server: StartServer, realm: Path, ending: str
) -> None:
    port = add(realm, f"a.{ending}")
    add(realm, "notes.txt", text="no configuration")
    server = reign(start_server, realm)
    server.wait_for_log(f"[emperor] vassal a.{ending} is now loyal")
    assert answers(port)
    assert "notes.txt" not in server.log
    assert server.stop() == 0
    assert "The Emperor is buried." in server.log and not answers(port)


def test_vassals_come_are_reloaded_and_go_with_their_files(start_server: StartServer, realm: Path) -> None:
    first = add(realm, "a.ini")
    server = reign(start_server, realm)
    assert wait_until(lambda: answers(first), SAFETY_SECONDS), server.log
    second = add(realm, "b.ini")
    assert wait_until(lambda: answers(second), SAFETY_SECONDS), server.log
    touch(realm / "vassals" / "a.ini")
    server.wait_for_log("[emperor] reload the uwsgi instance a.ini")
    server.wait_for_log("gracefully (RE)spawned uWSGI master process")
    (realm / "vassals" / "b.ini").unlink()
    server.wait_for_log("[emperor] stop the uwsgi instance b.ini")
    server.wait_for_log("[emperor] removed uwsgi instance b.ini")
    assert not answers(second) and answers(first)
    assert server.stop(signal.SIGINT) == 0


def test_a_pattern_finds_vassals_which_work_where_the_emperor_was_started(
    start_server: StartServer, realm: Path
) -> None:
    port = add(realm, "a.ini")
    other = add(realm, "b.yaml")
    server = reign(start_server, realm, place="vassals/*.ini")
    server.wait_for_log("[emperor] vassal vassals/a.ini is now loyal")
    assert answers(port) and not answers(other)


def test_a_vassal_that_never_starts_is_throttled_and_one_that_is_put_right_serves(
    start_server: StartServer, realm: Path
) -> None:
    add(realm, "a.ini", text="[uwsgi]\nhttp-socket = 127.0.0.1:0\nchdir = /nowhere\n")
    good = add(realm, "b.ini")
    server = reign(start_server, realm, "--emperor-throttle=200", "--emperor-max-throttle=100000")
    cursed = "[emperor] unloyal bad behaving vassal found: a.ini throttling it..."
    assert wait_until(lambda: server.log.count(cursed) >= 3, SAFETY_SECONDS), server.log
    assert wait_until(lambda: answers(good), SAFETY_SECONDS)
    # Each wait is twice the one before: in any time there are few starts.
    assert server.log.count("vassal a.ini has been spawned") <= 12, "it must not spin"
    port = add(realm, "a.ini")
    touch(realm / "vassals" / "a.ini")
    assert wait_until(lambda: answers(port), SAFETY_SECONDS), server.log
    assert server.stop() == 0


def test_two_vassals_on_one_port_do_not_take_each_other_down(start_server: StartServer, realm: Path) -> None:
    port = add(realm, "a.ini")
    server = reign(start_server, realm)
    assert wait_until(lambda: answers(port), SAFETY_SECONDS), server.log
    add(realm, "b.ini", text=(realm / "vassals" / "a.ini").read_text())
    server.wait_for_log("unloyal bad behaving vassal found: b.ini")
    assert answers(port)
    assert "Address already in use" in server.log


def test_a_vassal_that_dies_comes_back(start_server: StartServer, realm: Path) -> None:
    port = add(realm, "a.ini")
    (realm / "vassals" / "a.ini").write_text((realm / "vassals" / "a.ini").read_text() + f"pidfile = {realm}/a.pid\n")
    server = reign(start_server, realm)
    server.wait_for_log("[emperor] vassal a.ini is now loyal")
    os.kill(int((realm / "a.pid").read_text()), signal.SIGKILL)
    server.wait_for_log("[emperor] curse the uwsgi instance a.ini (pid: ")
    assert wait_until(lambda: server.log.count("a.ini is now loyal") == 2, SAFETY_SECONDS), server.log
    assert wait_until(lambda: answers(port), SAFETY_SECONDS)


def test_vassals_are_given_what_the_emperor_says(start_server: StartServer, realm: Path) -> None:
    port = add(realm, "a.ini")
    (realm / "more.ini").write_text("[uwsgi]\nenv = MORE=included\n")
    words = ["--vassal-set=env=GIVEN=by the emperor", "--vassals-include=more.ini", "--emperor-pidfile=e.pid"]
    hooks = ["--vassals-start-hook=echo hook starts", "--vassals-stop-hook=echo hook stops"]
    server = reign(start_server, realm, *words, *hooks)
    assert wait_until(lambda: answers(port), SAFETY_SECONDS), server.log
    assert int((realm / "e.pid").read_text()) == server.pid
    with RawClient(("127.0.0.1", port)) as client:
        assert client.get("/environment?GIVEN").body == b"by the emperor"
        assert client.get("/environment?MORE").body == b"included"
    server.wait_for_log("hook starts a.ini")
    os.kill(server.pid, signal.SIGHUP)
    server.wait_for_log("gracefully (RE)spawned uWSGI master process")
    (realm / "vassals" / "a.ini").unlink()
    server.wait_for_log("hook stops a.ini")


def test_a_request_is_finished_when_the_emperor_stops_gracefully(start_server: StartServer, realm: Path) -> None:
    port = add(realm, "a.ini")
    server = reign(start_server, realm, "--emperor-graceful-shutdown")
    assert wait_until(lambda: answers(port), SAFETY_SECONDS), server.log
    with RawClient(("127.0.0.1", port)) as client:
        client.send(f"GET /until?{realm / 'go'} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        server.wait_for_log("begun to wait")
        os.kill(server.pid, signal.SIGTERM)
        server.wait_for_log("*** RAGNAROK EVOKED ***")
        (realm / "go").touch()
        assert client.read_response().status == 200
    assert server.wait() == 0


def test_vassals_leave_when_their_emperor_is_killed(start_server: StartServer, realm: Path) -> None:
    port = add(realm, "a.ini")
    server = reign(start_server, realm)
    assert wait_until(lambda: answers(port), SAFETY_SECONDS), server.log
    os.kill(server.pid, signal.SIGKILL)
    server.wait_for_log("lost connection with my emperor !!!")
    assert wait_until(lambda: not answers(port), SAFETY_SECONDS), server.log
    server.wait()


REFUSED = {
    "--emperor nowhere": "the emperor cannot read the directory",
    "--emperor vassals --http-socket :0": "an emperor has no sockets of its own here",
    "--emperor pg://host=x;select": "'pg' is no monitor here",
    "--emperor vassals --emperor-tyrant": "use the service manager's templates",
}


@pytest.mark.parametrize("line", REFUSED)
def test_an_emperor_that_cannot_reign_says_why(realm: Path, line: str) -> None:
    ended = run_command("uwsgi", *line.split(), cwd=realm)
    assert ended.exit_code == 1 and REFUSED[line] in ended.text, ended
    assert ended.processes() == {}
