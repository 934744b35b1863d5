"""Faults under load: each ends as it is promised, and what was sent, answered and failed is counted and printed.

Rows that have tests elsewhere are not repeated: docs/reliability.md says which test holds which row. Run with `-s`, or
see the output of a failure, for the counts.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, ConnectionEnded, RawClient, Server, StartServer
from harness.processes import standing_still, wait_until
from load import Load
from projects import copy_of
from test_faults import children_of

# Faults of an application; `app` is demo's with these added.
APPLICATION = """\
import ctypes, gc, os, signal, subprocess, sys, time

import demo

LARGE = bytes(1 << 20)


def answer(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/segfault":
        ctypes.string_at(0)
    if path == "/kill-self":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/interrupt":
        raise KeyboardInterrupt
    if path == "/collect":
        # Everything stops while it collects.
        kept = [[number] for number in range(200_000)]
        for _ in range(5):
            gc.collect()
        del kept
    if path == "/grandchildren":
        # Children that nobody waits for, one of which outlives its parent.
        for _ in range(5):
            subprocess.Popen([sys.executable, "-c", "import os; os.fork() or os._exit(0)"])
    if path == "/more":
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello", b" and more"]
    if path == "/less":
        start_response("200 OK", [("Content-Length", "50")])
        return [b"hello"]
    if path == "/midway":
        start_response("200 OK", [])
        return midway()
    if path == "/large":
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        return [LARGE]
    if path == "/unread":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    return demo.app(environ, start_response)


def midway():
    yield b"begun"
    raise RuntimeError("on purpose")


app = answer
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    (directory / "faulty.py").write_text(APPLICATION)
    return directory


def two_workers(server: Server) -> bool:
    return len(children_of(server)) == 2


@pytest.mark.parametrize("target", ["/segfault", "/kill-self", "/die?0", "/die?3"])
def test_a_worker_that_dies_in_a_request_costs_what_was_inside_it(
    site: Path, start_server: StartServer, target: str
) -> None:
    server = start_server("-b", "{tcp}", "-w", "2", "faulty:app", cwd=site)
    deaths = 4
    with Load(server.address, kept=3, fresh=2) as load:
        load.wait_for_answers(30)
        for _ in range(deaths):
            assert wait_until(lambda: two_workers(server), SAFETY_SECONDS), server.processes()
            with server.connect() as client, pytest.raises(ConnectionEnded):
                client.get(target)
            load.wait_for_answers(30)
    print(f"{target} {deaths} times; {load}")
    assert len(load.failures) <= deaths * load.connections, str(load)
    assert all("before any answer" in failure.why or "cut short" in failure.why for failure in load.failures), str(load)
    assert wait_until(lambda: two_workers(server), SAFETY_SECONDS)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_exceptions_of_every_kind_are_a_500_and_nothing_is_lost(
    site: Path, start_server: StartServer, threads: str
) -> None:
    server = start_server("-b", "{tcp}", "-w", "2", "--threads", threads, "faulty:app", cwd=site)
    assert wait_until(lambda: two_workers(server), SAFETY_SECONDS)
    before = children_of(server)
    with Load(server.address, kept=3, fresh=2) as load:
        for target in ["/raise", "/exit", "/interrupt"] * 5:
            assert server.get(target).status == 500
        load.wait_for_answers(50)
    print(load)
    assert load.failures == [], str(load)
    assert children_of(server) == before


def test_answers_that_break_their_framing_are_recognised_and_disturb_nobody(
    site: Path, start_server: StartServer
) -> None:
    server = start_server("-b", "{tcp}", "-w", "2", "faulty:app", cwd=site)
    with Load(server.address, kept=3, fresh=2) as load:
        for _ in range(5):
            with server.connect() as client:
                more = client.get("/more")
                assert (more.body, more.complete) == (b"hello", True)
            with server.connect() as client:
                less = client.get("/less")
                assert (less.body, less.complete) == (b"hello", False)
                client.expect_end()
            with server.connect() as client:
                assert not client.get("/midway").complete
                client.expect_end()
        load.wait_for_answers(50)
    print(load)
    assert load.failures == [], str(load)


def test_a_large_upload_that_nobody_reads_leaves_the_answer_readable(site: Path, start_server: StartServer) -> None:
    server = start_server("-b", "{tcp}", "-w", "2", "faulty:app", cwd=site)
    size = 100 << 20
    with Load(server.address, kept=2, fresh=2) as load, server.connect(timeout=SAFETY_SECONDS) as client:
        client.send(b"POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % size)
        try:
            for _ in range(size >> 20):
                client.send(bytes(1 << 20))
        except OSError:
            # The server has closed: the answer is there all the same.
            pass
        answer = client.read_response()
        assert (answer.status, answer.body) == (200, b"ok")
        load.wait_for_answers(30)
        largest = max(resident(pid) for pid in server.processes())
    print(f"largest process {largest >> 20} MB; {load}")
    assert load.failures == [], str(load)
    assert largest < 100 << 20, f"{largest} bytes: it has kept the upload"


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_collections_and_grandchildren_lose_nothing_and_leave_no_zombies(site: Path, start_server: StartServer) -> None:
    server = start_server("-b", "{tcp}", "-w", "2", "faulty:app", cwd=site)
    with Load(server.address, kept=3, fresh=2) as load:
        for _ in range(4):
            assert server.get("/collect").status == 200
            assert server.get("/grandchildren").status == 200
        load.wait_for_answers(50)
    print(load)
    assert load.failures == [], str(load)
    # What the application leaves behind is the application's; what is the master's to reap, is reaped.
    assert zombies_of(server.pid) == []


def zombies_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child) for child in children if Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    ]


def test_a_reload_with_code_that_cannot_start_loses_nothing(site: Path, start_server: StartServer) -> None:
    server = start_server("-b", "{tcp}", "-w", "2", "faulty:app", cwd=site)
    assert wait_until(lambda: server.log.count("ready (pid") == 2, SAFETY_SECONDS), server.log
    good = (site / "faulty.py").read_text()
    before = children_of(server)
    with Load(server.address, kept=3, fresh=2) as load:
        for number, bad in enumerate(
            ["import not_there", "syntax error", "import os; os._exit(7)", "import os; os.abort()"]
        ):
            (site / "faulty.py").write_text(bad)
            os.kill(server.pid, signal.SIGHUP)
            count = number + 1
            assert wait_until(lambda: server.log.count("Reload failed") == count, SAFETY_SECONDS), server.log  # noqa: B023
            load.wait_for_answers(20)
            assert wait_until(lambda: children_of(server) == before, SAFETY_SECONDS), server.log
        (site / "faulty.py").write_text(good)
        os.kill(server.pid, signal.SIGHUP)
        assert wait_until(lambda: two_workers(server) and not set(before) & set(children_of(server)), SAFETY_SECONDS)
        load.wait_for_answers(30)
    print(f"4 reloads that cannot work, one that does; {load}")
    assert load.failures == [], str(load)


def test_the_masters_end_under_load_lets_workers_finish_and_the_port_go(site: Path, start_server: StartServer) -> None:
    server = Server("-b", "{tcp}", "-w", "2", "faulty:app", cwd=site)
    with server, Load(server.address, kept=3, fresh=2) as load:
        load.wait_for_answers(50)
        slow = server.connect(timeout=SAFETY_SECONDS)
        slow.send(b"GET /sleep?1 HTTP/1.1\r\nHost: t\r\n\r\n")
        server.wait_for_log("begun to sleep")
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        assert slow.read_response().status == 200
        slow.close()
        assert wait_until(lambda: not server.processes(), SAFETY_SECONDS), server.processes()
        load.stop()
        server.kill()
    print(load)
    lost = [failure for failure in load.failures if not failure.why.startswith("connect: ConnectionRefused")]
    # Without a master nobody keeps the socket open between a worker's last accept and its close.
    assert len(lost) <= load.connections, str(load)
    again = start_server("-b", "%s:%d" % server.address, "faulty:app", cwd=site, wait="nothing")
    again.wait_for_log("ready (pid")


CROWD = 2000
# Both ends of a connection, should one worker accept them all, and what a process has open anyway.
DESCRIPTORS = 2 * CROWD + 200

BEGINNINGS = {
    "silent": b"",
    "slow-head": b"GET / HTTP/1.1\r\nHost: t\r\nX-",
    "slow-body": b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\nabc",
    "slow-reader": b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n",
    "idle": b"GET /worker HTTP/1.1\r\nHost: t\r\n\r\n",
}


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Room for a crowd, here and in the server, which inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < DESCRIPTORS:
        pytest.skip(f"needs {DESCRIPTORS} descriptors, and may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("application", ["faulty:app", "crowded:app"], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("crowd", list(BEGINNINGS))
def test_a_crowd_of_slow_clients_does_not_keep_good_ones_out(
    site: Path, start_server: StartServer, crowd: str, application: str
) -> None:
    (site / "crowded.py").write_text(CROWDED)
    server = start_server("-b", "{tcp}", "-w", "2", "--threads", "2", application, cwd=site)
    members = []
    try:
        for _ in range(CROWD):
            client = RawClient(server.address, timeout=SAFETY_SECONDS, receive_buffer=4096)
            client.send(BEGINNINGS[crowd])
            members.append(client)
        with Load(server.address, kept=3, fresh=2) as load:
            load.wait_for_answers(100)
            for client in members[::10]:
                if crowd in ("slow-head", "slow-body"):
                    client.send(b"x")
                if crowd == "slow-reader":
                    client.read_exactly(100)
            load.wait_for_answers(100)
            largest = max(resident(pid) for pid in server.processes())
    finally:
        for client in members:
            client.close()
    print(f"{CROWD} {crowd} clients: largest process {largest >> 20} MB; {load}")
    assert load.failures == [], str(load)
    assert largest < 250 << 20, largest
    assert server.get("/worker").status == 200


# The same requests for an event loop; here a large answer comes in pieces that wait for the client.
CROWDED = """\
import os

PIECE = bytes(1 << 14)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200})
    if scope["path"] == "/large":
        for _ in range(1 << 16):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


def test_a_crowd_that_does_not_read_costs_bounded_memory(site: Path, start_server: StartServer) -> None:
    (site / "endless.py").write_text(
        "import faulty\n"
        "def forever():\n"
        "    while True:\n"
        "        yield bytes(1 << 16)\n"
        "def app(environ, start_response):\n"
        "    if environ['PATH_INFO'] != '/endless':\n"
        "        return faulty.app(environ, start_response)\n"
        "    start_response('200 OK', [])\n"
        "    return forever()\n"
    )
    server = start_server("-b", "{tcp}", "-w", "1", "--threads", "12", "endless:app", cwd=site)
    readers = []
    try:
        for _ in range(8):
            client = RawClient(server.address, timeout=SAFETY_SECONDS, receive_buffer=4096)
            client.send(b"GET /endless HTTP/1.1\r\nHost: t\r\n\r\n")
            readers.append(client)
        with Load(server.address, kept=2, fresh=2) as load:
            load.wait_for_answers(200)
            largest = max(resident(pid) for pid in server.processes())
    finally:
        for client in readers:
            client.close()
    print(f"8 endless answers to clients that do not read: largest process {largest >> 20} MB; {load}")
    assert load.failures == [], str(load)
    assert largest < 150 << 20, largest


def test_clients_that_vanish_by_the_hundreds_leave_nothing_open(site: Path, start_server: StartServer) -> None:
    server = start_server("-b", "{tcp}", "-w", "1", "--threads", "2", "faulty:app", cwd=site)
    (worker,) = children_of(server)

    def sockets() -> int:
        links = [os.readlink(link) for link in Path(f"/proc/{worker}/fd").iterdir() if link.is_symlink()]
        return sum(link.startswith("socket:") for link in links)

    assert server.get("/").status == 200
    before = sockets()
    with Load(server.address, kept=2, fresh=2) as load:
        for number in range(300):
            client = RawClient(server.address, timeout=SAFETY_SECONDS)
            client.send([b"", b"GET / HT", b"GET /worker HTTP/1.1\r\nHost: t\r\n\r\n"][number % 3])
            client.reset()
        load.wait_for_answers(50)
    print(f"300 vanished; {load}")
    assert load.failures == [], str(load)
    assert wait_until(lambda: sockets() <= before, SAFETY_SECONDS), sockets()
    assert "ERROR" not in server.log


def test_the_accept_queue_overflows_without_a_reset(site: Path, start_server: StartServer) -> None:
    """While the only worker stands still nobody is accepted; whoever fits into the queue, or tries again, is answered."""
    server = start_server("-b", "{tcp}", "--backlog", "8", "faulty:app", cwd=site)
    (worker,) = children_of(server)
    waiting = []
    with standing_still(worker):
        for _ in range(40):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.address)
            waiting.append(client)
    answered = 0
    for client in waiting:
        client.settimeout(SAFETY_SECONDS)
        deadline = time.monotonic() + SAFETY_SECONDS
        while True:
            try:
                client.sendall(b"GET /worker HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
                break
            except (BlockingIOError, OSError) as error:
                # Its connection is still being made: the kernel sends its request again after a second, then two.
                if error.errno not in (107, 11, 115) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        answered += client.recv(65536).startswith(b"HTTP/1.1 200")
        client.close()
    print(f"40 connections to a queue of 8: {answered} answered")
    assert answered == 40
