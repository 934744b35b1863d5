"""gunicorn's hooks: which is called where and when, and what it is given."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from harness import StartServer
from harness.processes import wait_until
from projects import copy_of


class Hooked:
    """A server whose hooks write down what they see."""

    def __init__(
        self, start_server: StartServer, tmp_path: Path, *arguments: str, application: str = "demo:app"
    ) -> None:
        self.notes = tmp_path / "hooks"
        self.notes.touch()
        self.server = start_server(
            "gunicorn",
            "-b",
            "{tcp}",
            *arguments,
            application,
            cwd=copy_of("hooked", tmp_path),
            environment={"HOOKS": str(self.notes)},
        )

    def seen(self, hook: str | None = None) -> list[dict[str, Any]]:
        notes = [json.loads(line) for line in self.notes.read_text().splitlines()]
        return [note for note in notes if hook in (None, note["hook"])]

    def wait_for(self, hook: str, times: int = 1) -> dict[str, Any]:
        assert wait_until(lambda: len(self.seen(hook)) >= times, 60.0), (hook, self.seen())
        return self.seen(hook)[-1]

    def worker(self) -> int:
        return int(self.server.get("/worker").body)


def test_every_hook_of_a_life_is_called_in_order_in_its_process(start_server: StartServer, tmp_path: Path) -> None:
    hooked = Hooked(start_server, tmp_path)
    hooked.wait_for("post_request")  # of the harness's own look
    hooked.server.stop()
    order = [(note["hook"], note["where"]) for note in hooked.seen()]
    assert order == [
        ("nworkers_changed", "master"),
        ("on_starting", "master"),
        ("when_ready", "master"),
        ("pre_fork", "master"),
        ("post_fork", "worker"),
        ("post_worker_init", "worker"),
        ("pre_request", "worker"),
        ("post_request", "worker"),
        ("worker_exit", "worker"),
        ("child_exit", "master"),
        ("on_exit", "master"),
    ]
    host, port = hooked.server.address
    for hook, expected in {
        "nworkers_changed": {"new": 1, "old": None},
        "on_starting": {"pid": True, "sockets": 0},
        "when_ready": {"listeners": [f"http://{host}:{port}"], "workers": 0},
        "pre_fork": {"age": 1, "pid": "[booting]"},
        "post_fork": {"pid": True, "kept": "yes", "ppid": True},
        "post_worker_init": {"wsgi": True, "booted": False},
        "worker_exit": {"kept": "yes"},
        "child_exit": {"kept": "yes", "gone": True},
        "on_exit": {"workers": 0},
    }.items():
        note = hooked.seen(hook)[0]
        assert {key: note[key] for key in expected} == expected, hook


WORKERS = {
    "one thread": ("demo:app", ["--threads", "1"]),
    "threads": ("demo:app", ["--threads", "3"]),
    "asgi": ("asgi_demo:app", ["-k", "asgi"]),
}


@pytest.mark.parametrize("worker", WORKERS)
def test_request_hooks_see_the_request_and_its_answer(start_server: StartServer, tmp_path: Path, worker: str) -> None:
    application, arguments = WORKERS[worker]
    hooked = Hooked(start_server, tmp_path, *arguments, application=application)
    hooked.wait_for("post_request")
    assert hooked.server.get("/query?a=%20b", "X-Seen: this").body == b"a=%20b"
    before, after = hooked.wait_for("pre_request", 2), hooked.wait_for("post_request", 2)
    assert (before["method"], before["path"], before["query"]) == ("GET", "/query", "a=%20b")
    assert (before["uri"], before["x"]) == ("/query?a=%20b", "this")
    assert (after["path"], after["status"], after["sent"]) == ("/query", "200 OK", 6)


@pytest.mark.parametrize("worker", ["one thread", "asgi"])
def test_a_failed_request_has_its_hook_too_and_a_failing_hook_is_a_500(
    start_server: StartServer, tmp_path: Path, worker: str
) -> None:
    application, arguments = WORKERS[worker]
    hooked = Hooked(start_server, tmp_path, *arguments, application=application)
    hooked.wait_for("post_request")
    assert hooked.server.get("/raise").status == 500
    assert hooked.wait_for("post_request", 2)["status"].startswith("500")
    assert hooked.server.get("/refused-by-hook").status == 500
    hooked.server.wait_for_log("the hook says no")
    assert hooked.server.get("/").status == 200


def test_a_worker_that_a_hook_declares_dead_is_replaced(start_server: StartServer, tmp_path: Path) -> None:
    hooked = Hooked(start_server, tmp_path)
    before = hooked.worker()
    hooked.server.get("/retire")
    assert wait_until(lambda: hooked.worker() != before, 60.0)
    hooked.wait_for("child_exit")


def test_a_worker_told_to_leave_at_once_calls_its_hook(start_server: StartServer, tmp_path: Path) -> None:
    hooked = Hooked(start_server, tmp_path)
    os.kill(hooked.worker(), signal.SIGINT)
    assert hooked.wait_for("worker_int")["where"] == "worker"
    hooked.wait_for("worker_exit")
    hooked.wait_for("post_worker_init", 2)


def test_a_reload_and_a_changed_number_of_workers_are_told(start_server: StartServer, tmp_path: Path) -> None:
    hooked = Hooked(start_server, tmp_path)
    os.kill(hooked.server.pid, signal.SIGTTIN)
    hooked.wait_for("nworkers_changed", 2)
    assert [(note["new"], note["old"]) for note in hooked.seen("nworkers_changed")][1] == (2, 1)
    os.kill(hooked.server.pid, signal.SIGHUP)
    assert hooked.wait_for("on_reload")["workers"] == 1
    hooked.wait_for("child_exit", 2)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_stuck_worker_says_where_calls_its_hook_and_leaves_with_1(
    start_server: StartServer, tmp_path: Path, threads: str
) -> None:
    hooked = Hooked(start_server, tmp_path, "--threads", threads, "--timeout", "1")
    hooked.worker()
    with hooked.server.connect() as client:
        client.send(b"GET /sleep?300 HTTP/1.1\r\nHost: test\r\n\r\n")
        hooked.wait_for("worker_abort")
        if threads == "1":
            assert client.read_response().status == 500
    hooked.server.wait_for_log("exited with code 1")
    log = hooked.server.log
    assert "GET /sleep?300" in log and "WORKER TIMEOUT" in log
    assert 'demo.py", line' in log, "the stack of the stuck thread"
    assert hooked.seen("worker_int") == []
    assert hooked.server.get("/").status == 200
