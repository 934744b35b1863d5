"""What becomes of processes that take too long (uWSGI's harakiri and its relatives)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, RawClient, Server, StartServer
from harness.client import ConnectionEnded
from harness.command import run_command
from harness.processes import wait_until


def start(start_server: StartServer, plain: Path, *words: str, module: str = "demo:app") -> Server:
    return start_server("uwsgi", "--http-socket", "{tcp}", "--module", module, *words, cwd=plain)


def ask(server: Server, target: str) -> RawClient:
    client = server.connect()
    client.send(f"GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    return client


def test_the_log_says_what_the_worker_waits_for_in_the_kernel(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--harakiri=1", "--harakiri-verbose")
    with ask(server, "/sleep?1000") as client:
        server.wait_for_log("HARAKIRI triggered by worker 1 core 0 !!!")
        with pytest.raises(ConnectionEnded):
            client.read_response()
    lines = [
        r"- \*\*\* HARAKIRI ON WORKER 1 \(pid: \d+, try: 1, graceful: yes\) \*\*\*$",
        r"^HARAKIRI: -- (syscall|wchan)> \S+",
        r"^HARAKIRI !!! worker 1 status !!!$",
        r"^HARAKIRI \[core 0\] 127\.0\.0\.1 - GET /sleep\?1000 since \d+$",
        r"^HARAKIRI !!! end of worker 1 status !!!$",
        r"HARAKIRI triggered by worker 1 core 0 !!!$",
    ]
    found = [re.search(line, server.log, re.MULTILINE) for line in lines]
    assert all(found), (found, server.log)
    server.wait_for_log("DAMN ! worker 1")
    assert server.get("/").status == 200


def test_a_request_that_ends_within_the_grace_is_answered(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--harakiri=1", "--harakiri-graceful-timeout=50")
    with ask(server, f"/until?{plain / 'go'}") as client:
        server.wait_for_log("HARAKIRI: graceful termination attempt on worker 1 with signal 15. Next harakiri: ")
        (plain / "go").touch()
        assert client.read_response().status == 200
    assert wait_until(lambda: server.log.count("spawned uWSGI worker 1 ") == 2, SAFETY_SECONDS), server.log
    assert "try: 2" not in server.log


def test_a_worker_that_does_not_use_its_grace_is_killed(start_server: StartServer, plain: Path) -> None:
    words = ["--harakiri=1", "--harakiri-graceful-timeout=1", "--harakiri-graceful-signal=12"]
    server = start(start_server, plain, *words)
    with ask(server, "/sleep?1000"):
        server.wait_for_log("on worker 1 with signal 12. Next harakiri: ")
        server.wait_for_log("try: 2, graceful: no) ***")
    assert server.get("/").status == 200


def test_a_worker_is_spared_while_the_queue_is_short(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--harakiri=1", "--harakiri-queue-threshold=5")
    with ask(server, f"/until?{plain / 'go'}") as client:
        server.wait_for_log(
            "HARAKIRI: Skipping harakiri on worker 1. Listen queue is smaller than the threshold (0 < 5)"
        )
        (plain / "go").touch()
        assert client.read_response().status == 200
    assert "*** HARAKIRI" not in server.log


@pytest.mark.parametrize("value", ["0", "99", "x"])
def test_a_signal_that_is_none_is_refused(plain: Path, value: str) -> None:
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", f"--harakiri-graceful-signal={value}", cwd=plain)
    assert ended.exit_code == 1 and "is no number of a signal" in ended.text, ended


def test_a_spooler_and_a_mule_that_hang_are_killed(start_server: StartServer, plain: Path) -> None:
    (plain / "beside.py").write_text(
        "import time, uwsgi\nfrom demo import app as demo\n"
        "def hang(_):\n    print('hangs', flush=True)\n    time.sleep(1000)\n"
        "uwsgi.spooler = hang\nuwsgi.mule_msg_hook = hang\n"
        "def app(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/task':\n        uwsgi.spool({b'a': b'b'})\n"
        "    if environ['PATH_INFO'] == '/message':\n        uwsgi.mule_msg(b'x', 1)\n"
        "    return demo(environ, start_response)\n"
    )
    (plain / "more.py").write_text("print('more is imported', flush=True)\n")
    words = ["--spooler=tasks", "--spooler-harakiri=1", "--spooler-import=more", "--mule", "--mule-harakiri=1"]
    server = start(start_server, plain, *words, module="beside:app")
    server.wait_for_log("more is imported")
    assert server.get("/task").status == 200
    server.wait_for_log("*** HARAKIRI ON THE SPOOLER (pid: ")
    assert server.get("/message").status == 200
    server.wait_for_log("*** HARAKIRI ON MULE 1 (pid: ")
    # Another process tries the task again: it was not lost.
    assert wait_until(lambda: server.log.count("HARAKIRI ON THE SPOOLER") >= 2, SAFETY_SECONDS), server.log
    assert server.stop() == 0


def test_a_command_by_the_clock_that_hangs_is_killed(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--cron=-1 -1 -1 -1 -1 sleep 1000", "--cron-harakiri=1")
    server.wait_for_log('*** HARAKIRI ON CRON "sleep 1000" (pid: ')
    server.wait_for_log("exited after")
