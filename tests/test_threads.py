"""Application threads: who calls the application, how many at once, and what goes on while a call takes its time."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.processes import wait_until

APPLICATION = """\
import itertools
import signal
import signal
import threading
import time
from pathlib import Path

inside = itertools.count()
calls = []
meeting = threading.Barrier(3)


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    calls.append(path)
    body = path
    if path == "/until":
        print("begun to wait for", query, file=environ["wsgi.errors"])
        while not Path(query).exists():
            time.sleep(0.01)
    elif path == "/meet":
        body = str(meeting.wait(60) >= 0)
    elif path == "/thread":
        body = str(threading.current_thread() is threading.main_thread())
    elif path == "/several":
        body = str(environ["wsgi.multithread"])
    elif path == "/handle":
        errors = environ["wsgi.errors"]
        signal.signal(signal.SIGALRM, lambda *_: print("the alarm has rung", file=errors))
        signal.setitimer(signal.ITIMER_REAL, 0.2)
    elif path == "/calls":
        body = " ".join(calls)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body.encode()]
"""


@pytest.fixture
def start(start_server: StartServer, tmp_path: Path) -> StartServer:
    (tmp_path / "app.py").write_text(APPLICATION)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "file.txt").write_text("from a file")

    def started(*options: str) -> Server:
        options = ("--http-socket", "{tcp}", "--master", "--wsgi-file", "app.py", "--callable", "app", *options)
        return start_server("uwsgi", *options, "--static-map", "/static=static", cwd=tmp_path)

    return started


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_rest_goes_on_while_every_thread_is_in_a_call(start: StartServer, tmp_path: Path, threads: str) -> None:
    server = start("--threads", threads)
    go = tmp_path / "go"
    held = [server.connect(timeout=SAFETY_SECONDS) for _ in range(int(threads))]
    waiting, kept = server.connect(timeout=SAFETY_SECONDS), server.connect(timeout=SAFETY_SECONDS)
    try:
        assert kept.get("/kept").body == b"/kept"
        assert waiting.get("/kept").body == b"/kept"
        for client in held:
            client.send(b"GET /until?%s HTTP/1.1\r\nHost: t\r\n\r\n" % str(go).encode())
        assert wait_until(lambda: server.log.count("begun to wait") == len(held), SAFETY_SECONDS)
        waiting.send(b"GET /waited HTTP/1.1\r\nHost: t\r\n\r\n")
        # What needs no thread of the application is answered meanwhile.
        assert kept.get("/static/file.txt").body == b"from a file"
        kept.send(b"GET / HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n")
        assert kept.read_response().status == 400
        assert server.get("/static/file.txt").body == b"from a file"
        assert not go.exists()
        go.touch()
        assert [client.read_response().body for client in held] == [b"/until"] * len(held)
        assert waiting.read_response().body == b"/waited"
    finally:
        for client in (*held, waiting, kept):
            client.close()


def test_as_many_calls_run_at_once_as_there_are_threads(start: StartServer) -> None:
    server = start("--threads", "3")
    for _ in range(3):
        clients = [server.connect(timeout=SAFETY_SECONDS) for _ in range(3)]
        for client in clients:
            client.send(b"GET /meet HTTP/1.1\r\nHost: t\r\n\r\n")
        assert [client.read_response().body for client in clients] == [b"True"] * 3
        for client in clients:
            client.close()
        # Quick ones in between: the lead goes back and forth.
        assert all(server.get("/quick").status == 200 for _ in range(20))
    assert server.get("/several").body == b"True"


def test_the_only_thread_is_the_main_thread_and_makes_one_call_at_a_time(start: StartServer, tmp_path: Path) -> None:
    server = start()
    go = tmp_path / "go"
    assert server.get("/several").body == b"False"
    with server.connect(timeout=SAFETY_SECONDS) as slow, server.connect(timeout=SAFETY_SECONDS) as row:
        assert row.get("/several").body == b"False"
        slow.send(b"GET /until?%s HTTP/1.1\r\nHost: t\r\n\r\n" % str(go).encode())
        server.wait_for_log("begun to wait")
        row.send(b"GET /thread HTTP/1.1\r\nHost: t\r\n\r\n" * 50 + b"GET /calls HTTP/1.1\r\nHost: t\r\n\r\n")
        go.touch()
        assert slow.read_response().status == 200
        assert [row.read_response().body for _ in range(50)] == [b"True"] * 50
        # Nothing was called before the slow call had ended, and nothing twice.
        calls = row.read_response().body.split(b" ")
        assert calls[-53:] == [b"/several", b"/until", *[b"/thread"] * 50, b"/calls"]


def test_a_signal_of_the_applications_own_is_handled_while_nothing_is_called(start: StartServer) -> None:
    server = start()
    assert server.get("/handle").status == 200
    server.wait_for_log("the alarm has rung")


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_worker_told_to_leave_in_a_long_call_answers_it_and_what_has_come_meanwhile(
    start: StartServer, tmp_path: Path, threads: str
) -> None:
    server = start("--threads", threads, "--die-on-term")
    go = tmp_path / "go"
    idle, slow, late = (server.connect(timeout=SAFETY_SECONDS) for _ in range(3))
    with idle, slow, late:
        assert [client.get("/idle").status for client in (idle, late)] == [200, 200]
        slow.send(b"GET /until?%s HTTP/1.1\r\nHost: t\r\n\r\n" % str(go).encode())
        server.wait_for_log("begun to wait")
        late.send(b"GET /late HTTP/1.1\r\nHost: t\r\n\r\n")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        server.wait_for_log("Gracefully killing worker 1")
        # In the middle of the call it lets idle clients go.
        assert idle.read_to_end() == b""
        go.touch()
        assert slow.read_response().status == 200
        assert late.read_response().status == 200
        stopping.join(SAFETY_SECONDS)
        assert not stopping.is_alive()


def test_a_signal_goes_to_the_thread_it_is_about_and_to_none_that_only_watches(start: StartServer) -> None:
    """A second signal while the first waits went to the helper, and the call that both were about slept on."""
    server = start("--threads", "1", "--harakiri", "60")
    assert server.get("/once").status == 200
    (worker,) = (pid for pid in server.processes() if pid != server.pid)
    blocked = {}
    for task in Path(f"/proc/{worker}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        blocked[status["Name"]] = bool(int(status["SigBlk"], 16) & 1 << (signal.SIGABRT - 1))
    assert blocked.pop("penstock-helper"), blocked
    assert not any(blocked.values()), blocked
