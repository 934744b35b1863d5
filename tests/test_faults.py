"""Nothing is lost: reload storms and killed workers under constant load, on kept and on fresh connections.

The storms print what the load client counted; every failure counts, also the race of a request with the close of an
idle connection.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import ConnectionEnded, Server
from harness.processes import wait_until
from load import Failure, Load
from projects import copy_of

StartServer = Callable[..., Server]

RELOAD_SECONDS = 20.0
KILLS = 25
# How long before and after a kill a request may have been inside the worker, as the client's clock sees it.
AROUND_KILL_SECONDS = 1.0


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    return directory


def children_of(server: Server) -> list[int]:
    """Worker processes, oldest first."""
    return sorted(pid for pid in server.processes() if pid != server.pid)


def open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_a_reload_every_half_second_loses_nothing_and_leaks_nothing(plain: Path, start_server: StartServer) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "-w", "2", "demo:app", cwd=plain)
    before = open_descriptors(server.pid)
    reloads = 0
    with Load(server.address, kept=5, fresh=3) as load:
        load.wait_for_answers(50)
        end = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < end:
            os.kill(server.pid, signal.SIGHUP)
            reloads += 1
            # The storm's own rhythm.
            time.sleep(0.5)
        load.wait_for_answers(50)
    print(f"{reloads} reloads; {load}")
    assert load.failures == [], describe(load, [])
    assert load.sent == load.answered
    # New workers came again and again: not one reload taken for all.
    assert len(load.answers) >= reloads / 2
    assert wait_until(lambda: len(children_of(server)) == 2, 15.0), server.processes()
    assert wait_until(lambda: open_descriptors(server.pid) <= before + 2, 5.0), os.listdir(f"/proc/{server.pid}/fd")
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "arguments",
    [
        ("gunicorn", "-b", "{tcp}", "-w", "2", "--threads", "4", "demo:app"),
        ("uwsgi", "--http", "{tcp}", "--master", "-p", "2", "--disable-logging", "--module", "demo:app"),
    ],
    ids=["threads", "uwsgi"],
)
def test_reloads_in_quick_succession_lose_nothing(
    plain: Path, start_server: StartServer, arguments: tuple[str, ...]
) -> None:
    seed = 7
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = start_server(*arguments, cwd=plain)
    with Load(server.address, kept=4, fresh=2) as load:
        load.wait_for_answers(50)
        for _ in range(12):
            os.kill(server.pid, signal.SIGHUP)
            time.sleep(chance.uniform(0, 0.4))
        load.wait_for_answers(200)
    print(load)
    assert load.failures == [], describe(load, [])


def test_a_reload_under_slow_requests_finishes_them(plain: Path, start_server: StartServer) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "-w", "2", "--threads", "4", "demo:app", cwd=plain)
    clients = [server.connect(timeout=30) for _ in range(6)]
    try:
        for client in clients:
            client.send(b"GET /sleep?1.5 HTTP/1.1\r\nHost: test\r\n\r\n")
        for _ in range(4):
            os.kill(server.pid, signal.SIGHUP)
            time.sleep(0.2)
        for client in clients:
            assert client.read_response().status == 200
    finally:
        for client in clients:
            client.close()


def test_killed_workers_lose_only_the_requests_inside_them(plain: Path, start_server: StartServer) -> None:
    seed = 20261124
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = start_server("gunicorn", "-b", "{tcp}", "-w", "2", "demo:app", cwd=plain)
    kills: list[tuple[float, int]] = []
    with Load(server.address, kept=5, fresh=3) as load:
        load.wait_for_answers(50)
        for _ in range(KILLS):
            assert wait_until(lambda: len(children_of(server)) == 2, 15.0), (server.processes(), server.log[-3000:])
            victim = chance.choice(children_of(server))
            kills.append((time.monotonic(), victim))
            os.kill(victim, signal.SIGKILL)
            load.wait_for_answers(chance.randrange(20, 150))
        load.wait_for_answers(50)
    print(f"{len(kills)} kills; {load}")
    assert len(load.failures) <= len(kills) * load.connections, describe(load, kills)
    strangers = [failure for failure in load.failures if not was_inside(failure, kills)]
    assert strangers == [], describe(load, kills)
    # One worker is inside one request at a time without threads; more can wait in its socket buffers.
    assert load.answered > len(kills) * 20


def was_inside(failure: Failure, kills: list[tuple[float, int]]) -> bool:
    """Whether the request can have been inside a worker that was killed: it was under way just then, on a connection
    of that worker, and ended without any answer."""
    if "before any answer" not in failure.why and "cut short" not in failure.why:
        return False
    return any(
        failure.sent_at <= when + 0.05
        and failure.failed_at >= when
        and failure.failed_at <= when + AROUND_KILL_SECONDS
        and failure.worker in (None, worker)
        for when, worker in kills
    )


def describe(load: Load, kills: list[tuple[float, int]]) -> str:
    """Every failure, with the nearest kill."""
    lines = [str(load)]
    for failure in load.failures[:40]:
        near = min(kills, key=lambda kill: abs(kill[0] - failure.sent_at), default=None)
        distance = "" if near is None else f"; sent {failure.sent_at - near[0]:+.3f} s from the kill of {near[1]}"
        lines.append(
            f"  {failure.kind}, after {failure.answers_before} answers by {failure.worker}: {failure.why} "
            f"after {failure.failed_at - failure.sent_at:.3f} s{distance}"
        )
    return "\n".join(lines)


def test_a_worker_that_dies_by_itself_under_load_is_replaced(plain: Path, start_server: StartServer) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "-w", "2", "demo:app", cwd=plain)
    deaths = 6
    with Load(server.address, kept=0, fresh=4) as load:
        load.wait_for_answers(20)
        for _ in range(deaths):
            with server.connect() as client, pytest.raises(ConnectionEnded):
                client.get("/die?1")
            load.wait_for_answers(30)
    print(load)
    assert len(load.failures) <= deaths * load.connections, str(load)
    assert all("before any answer" in failure.why for failure in load.failures), str(load)
    assert wait_until(lambda: len(children_of(server)) == 2, 15.0)


def test_a_graceful_stop_under_load_answers_what_it_accepted(plain: Path) -> None:
    for arguments in (
        ("gunicorn", "-b", "{tcp}", "-w", "2", "demo:app"),
        ("uwsgi", "--http-socket", "{tcp}", "--master", "-p", "2", "--disable-logging", "--module", "demo:app"),
    ):
        server = Server(*arguments, cwd=plain)
        with server, Load(server.address, kept=4, fresh=3) as load:
            load.wait_for_answers(100)
            os.kill(server.pid, signal.SIGTERM)
            assert server.wait() == 0
        load.stop()
        print(load)
        # Once it has stopped, connections are refused; nothing else may happen to anybody.
        lost = [failure for failure in load.failures if not failure.why.startswith("connect: ConnectionRefused")]
        assert lost == [], describe(load, [])


def test_clients_that_vanish_disturb_nobody(plain: Path, start_server: StartServer) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "-w", "1", "demo:app", cwd=plain)
    (worker,) = children_of(server)
    before = open_descriptors(worker)
    for number in range(120):
        client = server.connect()
        client.send([b"GET /sleep?0.001 HTTP/1.1\r\nHost: t\r\n\r\n", b"GET / HT", b""][number % 3])
        client.reset()
    assert server.get("/").status == 200
    assert wait_until(lambda: open_descriptors(worker) <= before + 1, 10.0), os.listdir(f"/proc/{worker}/fd")
    assert children_of(server) == [worker]
    assert "ERROR" not in server.log
