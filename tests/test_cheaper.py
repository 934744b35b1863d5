"""The number of workers follows the load (uWSGI's cheaper, cheap and idle), over real sockets; the algorithms have tables beside
their code."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, RawClient, Server, StartServer
from harness.command import run_command
from harness.processes import wait_until


def start(start_server: StartServer, plain: Path, *words: str, wait: str = "answer") -> Server:
    fixed = ["--http-socket", "{tcp}", "--module", "demo:app", "--master-fifo", "fifo", "--stats", "{tcp2}"]
    return start_server("uwsgi", *fixed, *words, cwd=plain, wait=wait)


def workers(server: Server) -> list[str]:
    """What uWSGI's statistics say each worker is doing."""
    with server.connect("tcp2") as client:
        document = json.loads(client.read_to_end())
    return [worker["status"] for worker in document["workers"]]


def living(server: Server) -> int:
    return sum(status != "cheap" for status in workers(server))


def ask(server: Server, target: str) -> RawClient:
    """A connection whose request has been sent."""
    client = server.connect()
    client.send(f"GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    return client


ALGORITHMS = {
    "spare": ["--cheaper-overload=1"],
    "spare2": ["--cheaper-overload=1", "--cheaper-idle=1"],
    "backlog": ["--cheaper-overload=1"],
    "busyness": ["--cheaper-overload=1", "--cheaper-busyness-multiplier=1", "--cheaper-busyness-verbose"],
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_workers_come_with_the_load_and_go_with_it(start_server: StartServer, plain: Path, algorithm: str) -> None:
    options = ALGORITHMS[algorithm]
    server = start(start_server, plain, "--processes=3", "--cheaper=1", f"--cheaper-algo={algorithm}", *options)
    assert len(workers(server)) == 3 and living(server) <= 2
    clients: list[RawClient] = []

    def are_enough() -> bool:
        # One more each time: a worker may take several at once, before it is busy.
        clients.append(ask(server, f"/until?{plain / 'go'}"))
        return living(server) == 3

    assert wait_until(are_enough, SAFETY_SECONDS, every=0.3), server.log
    (plain / "go").touch()
    assert all(client.read_response().status == 200 for client in clients), server.log
    for client in clients:
        client.close()
    assert wait_until(lambda: living(server) <= 2, SAFETY_SECONDS, every=0.2), server.log
    server.wait_for_log(" cheaped.")
    assert "DAMN" not in server.log
    assert server.get("/").status == 200


def test_cheaper_initial_is_the_number_at_first(start_server: StartServer, plain: Path) -> None:
    words = ["--processes=4", "--cheaper=1", "--cheaper-initial=2", "--cheaper-algo=manual"]
    server = start(start_server, plain, *words)
    for number in (1, 2):
        server.wait_for_log(f"spawned uWSGI worker {number} ")
    assert living(server) == 2 and "spawned uWSGI worker 3 " not in server.log


def test_the_fifo_changes_the_number(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--processes=3", "--cheaper=1", "--cheaper-algo=manual")
    (plain / "fifo").write_text("++++")
    assert wait_until(lambda: living(server) == 3, SAFETY_SECONDS, every=0.1), server.log
    (plain / "fifo").write_text("-")
    assert wait_until(lambda: living(server) == 2, SAFETY_SECONDS, every=0.1), server.log
    server.wait_for_log("uWSGI worker 1 cheaped.")
    os.kill(server.pid, signal.SIGHUP)
    server.wait_for_log("gracefully (RE)spawned uWSGI master process")
    assert wait_until(lambda: living(server) == 2, SAFETY_SECONDS, every=0.1), server.log  # a reload keeps the number


def test_memory_bounds_the_number(start_server: StartServer, plain: Path) -> None:
    words = ["--cheaper-rss-limit-soft=1000", "--cheaper-rss-limit-hard=2000"]
    server = start(start_server, plain, "--processes=3", "--cheaper=1", "--cheaper-initial=2", *words)
    server.wait_for_log("cheaper hard rss memory limit exceeded, cheap one of 2 workers")
    assert wait_until(lambda: living(server) == 1, SAFETY_SECONDS, every=0.1), server.log


def test_a_cheap_server_starts_its_workers_for_the_first_connection(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--processes=2", "--cheap", wait="nothing")
    server.wait_for_log("cheap mode enabled: waiting for socket connection...")
    assert living(server) == 0
    assert server.get("/").status == 200
    assert wait_until(lambda: living(server) == 2, SAFETY_SECONDS), server.log
    (plain / "fifo").write_text("C")
    server.wait_for_log("going cheap...")
    assert wait_until(lambda: living(server) == 0, SAFETY_SECONDS), server.log
    assert server.get("/").status == 200
    assert server.stop() == 0


def test_idle_workers_leave_and_come_back(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--processes=2", "--idle=1")
    server.wait_for_log("workers have been inactive for more than 1 seconds (")
    server.wait_for_log("cheap mode enabled: waiting for socket connection...")
    assert living(server) == 0
    assert server.get("/").status == 200


def test_a_server_may_die_on_idle(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--idle=1", "--die-on-idle")
    assert server.wait() == 0
    assert "goodbye to uWSGI." in server.log


MISTAKES = {
    "--cheaper-rss-limit-hard=5": "requires setting also cheaper-rss-limit-soft",
    "--cheaper-rss-limit-soft=5 --cheaper-rss-limit-hard=5": "must be higher than cheaper-rss-limit-soft",
    "--cheaper-overload=-1": "'-1' is negative",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_bounds_that_make_no_sense_are_refused(plain: Path, line: str) -> None:
    words = ["--http-socket", "127.0.0.1:0", "--processes=3", "--cheaper=1", *line.split()]
    ended = run_command("uwsgi", *words, cwd=plain)
    assert ended.exit_code == 1 and MISTAKES[line] in ended.text, ended


NOTICES = {
    "--cheaper=3": "invalid cheaper value: must be lower than processes (3 is not below 3)",
    "--cheaper=1 --cheaper-algo=none": "unable to find requested cheaper algorithm, falling back to spare",
    "--cheaper=2 --cheaper-initial=1": "must be equal or higher than cheaper (2), using 2 as initial number of workers",
    "--cheaper=1 --cheaper-initial=9": "must be lower or equal than worker count (3), using 3 as initial number",
    "--cheaper-initial=2": "cheaper is not given",
}


@pytest.mark.parametrize("line", NOTICES)
def test_what_is_put_right_is_said(start_server: StartServer, plain: Path, line: str) -> None:
    server = start(start_server, plain, "--processes=3", *line.split())
    assert NOTICES[line] in server.log
