"""Nothing is lost: reload storms and killed workers under constant load, on kept and on fresh connections.

The storms print what the load client counted; every failure counts, also the race of a request with the close of an
idle connection.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, ConnectionEnded, Server, StartServer
from harness.processes import wait_until
from load import Failure, Load

RELOAD_SECONDS = 20.0
KILLS = 25


def children_of(server: Server) -> list[int]:
    """Worker processes, oldest first."""
    return sorted(pid for pid in server.processes() if pid != server.pid)


def open_descriptors(pid: int) -> int:
    return len(descriptors_of(pid))


def descriptors_of(pid: int) -> list[str]:
    return [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]


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
    # New workers came again and again, not one reload taken for all. How often depends on how busy the machine is.
    assert len(load.answers) > 3 * 2
    assert wait_until(lambda: len(children_of(server)) == 2, SAFETY_SECONDS), server.processes()
    assert wait_until(lambda: open_descriptors(server.pid) <= before + 2, SAFETY_SECONDS), descriptors_of(server.pid)
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
    clients = [server.connect(timeout=SAFETY_SECONDS) for _ in range(6)]
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
    kills: list[Kill] = []
    with Load(server.address, kept=5, fresh=3) as load:
        load.wait_for_answers(50)
        for _ in range(KILLS):
            alive = wait_until(lambda: len(children_of(server)) == 2, SAFETY_SECONDS)
            assert alive, (server.processes(), server.log[-3000:])
            victim = chance.choice(children_of(server))
            before = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            assert wait_until(lambda: victim not in children_of(server), SAFETY_SECONDS)  # noqa: B023
            kills.append(Kill(before, time.monotonic(), victim))
            load.wait_for_answers(chance.randrange(20, 150))
        load.wait_for_answers(50)
    print(f"{len(kills)} kills; {load}")
    assert len(load.failures) <= len(kills) * load.connections, describe(load, kills)
    strangers = [failure for failure in load.failures if not was_inside(failure, kills)]
    assert strangers == [], describe(load, kills)
    # One worker is inside one request at a time without threads; more can wait in its socket buffers.
    assert load.answered > len(kills) * 20


@dataclass(frozen=True)
class Kill:
    """The end of a worker: when it was killed, when it was gone, on the monotonic clock."""

    killed_at: float
    gone_at: float
    worker: int


def was_inside(failure: Failure, kills: list[Kill]) -> bool:
    """Whether the request can have been inside a worker that was killed: it was under way between the kill and the
    end, and ended without any answer."""
    if "before any answer" not in failure.why and "cut short" not in failure.why:
        return False
    # The worker that has given the answer before may have passed the connection on.
    return any(failure.sent_at <= kill.gone_at and failure.failed_at >= kill.killed_at for kill in kills)


def describe(load: Load, kills: list[Kill]) -> str:
    """Every failure, with the nearest kill."""
    lines = [str(load)]
    for failure in load.failures[:40]:
        near = min(kills, key=lambda kill: abs(kill.killed_at - failure.sent_at), default=None)
        distance = "" if near is None else f"; sent {failure.sent_at - near.killed_at:+.3f} s from the kill of {near.worker}"
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
    assert wait_until(lambda: len(children_of(server)) == 2, SAFETY_SECONDS)


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
    assert wait_until(lambda: open_descriptors(worker) <= before + 1, SAFETY_SECONDS), descriptors_of(worker)
    assert children_of(server) == [worker]
    assert "ERROR" not in server.log
