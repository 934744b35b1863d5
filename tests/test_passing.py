"""A request that waits for a busy worker is answered by one that idles: its connection goes there, and nobody is lost on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness import SAFETY_SECONDS, RawClient, Server, StartServer
from harness.processes import free_port, standing_still, states_of, wait_until
from harness.wires import STDIN, STDOUT, begin, netstring, packet, read_answers, record
from load import Load
from test_faults import Kill, children_of, describe, was_inside

APPLICATION = """\
import itertools
import json
import os
import time
from pathlib import Path

numbers = itertools.count(1)
COUNTED = os.open("counted", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = str(os.getpid())
    if path == "/until":
        print("begun to wait in", os.getpid(), file=environ["wsgi.errors"])
        while not Path(query).exists():
            time.sleep(0.01)
    elif path == "/hold":
        # A loop in C, which no signal ends, with the interpreter's lock.
        print("begun to wait in", os.getpid(), file=environ["wsgi.errors"])
        sum(itertools.repeat(1))
    elif path == "/worker":
        os.write(COUNTED, b".")
        if next(numbers) % 20 == 0:
            time.sleep(0.05)
    elif path == "/echo":
        body += " " + environ["wsgi.input"].read().decode()
    elif path == "/environ":
        body = json.dumps({name: value for name, value in environ.items() if isinstance(value, (str, int))})
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Worker", str(os.getpid()))])
    return [body.encode()]
"""

GUNICORN = ("gunicorn", "-b", "{tcp}")
UWSGI = ("uwsgi", "--http-socket", "{tcp}", "--master", "--disable-logging")


@pytest.fixture
def start(start_server: StartServer, tmp_path: Path) -> StartServer:
    (tmp_path / "app.py").write_text(APPLICATION)

    def started(dialect: tuple[str, ...] = GUNICORN, *, workers: int = 2, threads: int = 1, more: str = "") -> Server:
        if dialect == UWSGI:
            options = [*UWSGI, "-p", str(workers), "--wsgi-file", "app.py", "--callable", "app"]
        else:
            options = [*dialect, "-w", str(workers), "app:app"]
        return start_server(*options, "--threads", str(threads), *more.split(), cwd=tmp_path)

    return started


def request_over(wire: str, path: str) -> bytes:
    """A request that has a short body, as a web server sends it over this wire, or a client over HTTP."""
    variables = {"CONTENT_LENGTH": "3", "REQUEST_METHOD": "POST", "REQUEST_URI": path, "PATH_INFO": path}
    match wire:
        case "uwsgi":
            return packet({**variables, "QUERY_STRING": ""}) + b"abc"
        case "scgi":
            return netstring({"CONTENT_LENGTH": "3", "SCGI": "1", **variables, "QUERY_STRING": ""}) + b"abc"
        case "fastcgi":
            # nginx fills its records up to eight bytes, too.
            return begin(1, path, **variables) + record(STDIN, 1, b"abc", 5) + record(STDIN, 1)
    return b"POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc" % path.encode()


def descriptors_of(workers: list[int]) -> int:
    return sum(len(os.listdir(f"/proc/{worker}/fd")) for worker in workers)


@contextmanager
def in_one_worker(server: Server, number: int, opening: bytes = b"") -> Iterator[tuple[int, list[RawClient]]]:
    """Kept connections of one worker among two, and the worker. Each has sent `opening` first."""
    worker, other = children_of(server)
    with ExitStack() as stack:
        with standing_still(worker):
            # The other one has started, too.
            assert server.get("/pid").body == str(other).encode()
        clients = []
        with standing_still(other):
            for _ in range(number):
                client = stack.enter_context(server.connect(timeout=SAFETY_SECONDS))
                client.send(opening)
                assert client.get("/pid").body == str(worker).encode()
                clients.append(client)
        yield worker, clients


def occupy(server: Server, worker: int, clients: list[RawClient], go: Path) -> None:
    """Has each of them ask for what takes until `go` exists, in that worker."""
    for number, client in enumerate(clients, 1):
        # A thread that is about to wait for work is busy as yet: what comes then may go elsewhere.
        assert wait_until(lambda: states_of(worker) == {"S"}, SAFETY_SECONDS)
        client.send(b"GET /until?%s HTTP/1.1\r\nHost: t\r\n\r\n" % str(go).encode())
        assert wait_until(lambda: server.log.count(f"begun to wait in {worker}") == number, SAFETY_SECONDS)  # noqa: B023


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "dialect", [GUNICORN, UWSGI, ("gunicorn", "-b", "unix:{unix}")], ids=["gunicorn", "uwsgi", "unix"]
)
def test_who_is_kept_by_a_busy_worker_is_answered_by_one_that_idles(
    start: StartServer, tmp_path: Path, dialect: tuple[str, ...], threads: int
) -> None:
    server = start(dialect, threads=threads)
    go = tmp_path / "go"
    with in_one_worker(server, threads + 4) as (worker, clients):
        held, (plain, posting, chunked, row) = clients[:threads], clients[threads:]
        occupy(server, worker, held, go)
        # On one after the other, so that each of them waits for nothing but the threads.
        others = {plain.get("/pid").body}
        others.add(posting.request("POST", "/echo", body=b"a body").body.removesuffix(b" a body"))
        chunked.send(
            b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na b\r\n3\r\nody\r\n0\r\n\r\n"
        )
        others.add(chunked.read_response().body.removesuffix(b" a body"))
        row.send(b"GET /pid HTTP/1.1\r\nHost: t\r\n\r\n" * 20)
        others |= {row.read_response().body for _ in range(20)}
        # They stay there, and go on as ever.
        others |= {client.get("/pid").body for client in (plain, posting, chunked, row)}
        assert not go.exists()
        assert others == {str(pid).encode() for pid in children_of(server) if pid != worker}
        go.touch()
        assert [client.read_response().body for client in held] == [str(worker).encode()] * threads
        assert [client.get("/pid").status for client in held] == [200] * threads


def test_the_application_and_the_log_see_the_same_request_wherever_it_is_answered(
    start: StartServer, tmp_path: Path
) -> None:
    seen = "%(h)s %({x-real}i)s %(m)s %(U)s %(q)s %(H)s %(s)s %(B)s"
    (tmp_path / "gunicorn.conf.py").write_text(
        f"accesslog = '-'\naccess_log_format = 'seen {seen}'\nproxy_protocol = True\nproxy_allow_ips = '*'\n"
        "forwarded_allow_ips = '*'\n"
    )
    server = start()
    go = tmp_path / "go"
    request = (
        b"GET http://site.example/environ?a=%20b HTTP/1.1\r\nHost:  other \r\nX-Real: \xe9\r\nx-real: twice\r\n"
        b"X-Forwarded-Proto: https\r\nCookie: c=1\r\n\r\n"
    )
    with in_one_worker(server, 2, b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\n") as (worker, (held, client)):
        answers = []
        client.send(request)
        answers.append(client.read_response())
        occupy(server, worker, [held], go)
        client.send(request)
        answers.append(client.read_response())
        here, elsewhere = (answer.value("X-Worker") for answer in answers)
        assert here == str(worker) != elsewhere
        environs: list[dict[str, Any]] = [json.loads(answer.body) for answer in answers]
        assert environs[0]["REMOTE_ADDR"] == "192.0.2.9"
        assert environs[0]["wsgi.url_scheme"] == "https"
        assert environs[0] == environs[1]
        go.touch()
        assert held.read_response().status == 200
    assert wait_until(lambda: server.log.count("GET /environ") == 2, SAFETY_SECONDS)
    lines = [line for line in server.log.splitlines() if "GET /environ" in line]
    assert lines[0].startswith("seen 192.0.2.9") or lines[0].startswith("seen 127.0.0.1"), lines
    assert lines[0] == lines[1]


def test_a_request_too_large_to_go_elsewhere_is_answered_where_it_is(start: StartServer, tmp_path: Path) -> None:
    server = start()
    go = tmp_path / "go"
    large = b"x" * 100_000
    with in_one_worker(server, 3) as (worker, (held, posting, plain)):
        occupy(server, worker, [held], go)
        posting.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(large) + large)
        # That it waits there keeps nobody else.
        assert plain.get("/pid").body != str(worker).encode()
        go.touch()
        assert held.read_response().status == 200
        assert posting.read_response().body == b"%d %s" % (worker, large)


def test_a_request_goes_to_a_worker_that_idles_before_one_is_too_many(start: StartServer, tmp_path: Path) -> None:
    server = start(("-b", "{tcp}"), more="--request-queue 1")
    go = tmp_path / "go"
    large = b"x" * 100_000
    with in_one_worker(server, 3) as (worker, (held, posting, client)):
        (other,) = (pid for pid in children_of(server) if pid != worker)
        occupy(server, worker, [held], go)
        # This one cannot go elsewhere, and is as many as may wait.
        posting.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(large) + large)
        assert wait_until(lambda: states_of(other) == {"S"}, SAFETY_SECONDS)
        answer = client.get("/pid")
        assert (answer.status, answer.body) == (200, str(other).encode())
        go.touch()
        assert held.read_response().status == 200
        assert posting.read_response().status == 200


@pytest.mark.parametrize(
    ("wire", "threads", "accepted"),
    # With one thread a web server has nothing to ask that could be answered before.
    [("http", 1, 8), ("http", 2, 8), ("uwsgi", 2, 8), ("scgi", 2, 8), ("fastcgi", 2, 8), ("uwsgi", 1, 0)],
)
def test_who_comes_while_all_are_busy_is_answered_by_the_first_that_has_time(
    start: StartServer, tmp_path: Path, wire: str, threads: int, accepted: int
) -> None:
    socket = tmp_path / "web.sock"
    server = start(UWSGI, threads=threads, more=f"--{wire}-socket={socket}")
    go, never = tmp_path / "go", tmp_path / "never"
    with ExitStack() as stack:
        worker, held = stack.enter_context(in_one_worker(server, threads))
        (other,) = (pid for pid in children_of(server) if pid != worker)
        occupy(server, worker, held, go)
        # Who comes now is taken by the other one.
        stuck = [stack.enter_context(server.connect(timeout=SAFETY_SECONDS)) for _ in range(threads)]
        occupy(server, other, stuck, never)
        before = descriptors_of([worker, other])
        clients = [stack.enter_context(RawClient(str(socket), timeout=SAFETY_SECONDS)) for _ in range(8)]
        for client in clients:
            client.send(request_over(wire, "/echo"))
        assert wait_until(lambda: descriptors_of([worker, other]) == before + accepted, SAFETY_SECONDS)
        go.touch()
        for client in clients:
            answer = read_answers(client, 1)[1][STDOUT] if wire == "fastcgi" else client.read_to_end()
            assert answer.endswith(b"\r\n\r\n%d abc" % worker)
        assert [client.read_response().status for client in held] == [200] * threads
        never.touch()
        assert [client.read_response().body for client in stuck] == [b"%d" % other] * threads


@pytest.mark.parametrize(
    ("dialect", "threads", "limit", "hang"),
    [
        (GUNICORN, 1, "--timeout 2", "/hold"),
        (GUNICORN, 2, "--timeout 2", "/until?never"),
        (UWSGI, 1, "--harakiri 2", "/hold"),
    ],
    ids=["gunicorn", "gunicorn with threads", "uwsgi"],
)
def test_what_waits_in_a_worker_that_is_killed_for_a_late_request_is_answered_by_others(
    start: StartServer, dialect: tuple[str, ...], threads: int, limit: str, hang: str
) -> None:
    server = start(dialect, threads=threads, more=limit)
    workers = children_of(server)
    with ExitStack() as stack:
        for _ in range(len(workers) * threads):
            client = stack.enter_context(server.connect(timeout=SAFETY_SECONDS))
            client.send(b"GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % hang.encode())
        clients = [stack.enter_context(server.connect(timeout=SAFETY_SECONDS)) for _ in range(8)]
        assert wait_until(lambda: server.log.count("begun to wait") == len(workers) * threads, SAFETY_SECONDS)
        for client in clients:
            client.send(request_over("http", "/echo"))
        answers = [client.read_response().body.split() for client in clients]
        assert {answer[1] for answer in answers} == {b"abc"}
        assert not {int(answer[0]) for answer in answers} & set(workers)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTTIN], ids=["the next generation", "one more worker"])
def test_who_waits_is_answered_by_a_worker_that_has_just_started(
    start: StartServer, tmp_path: Path, number: signal.Signals
) -> None:
    server = start(workers=1)
    go = tmp_path / "go"
    (worker,) = children_of(server)
    with server.connect(timeout=SAFETY_SECONDS) as held, server.connect(timeout=SAFETY_SECONDS) as client:
        assert {client.get("/pid").body, held.get("/pid").body} == {str(worker).encode()}
        occupy(server, worker, [held], go)
        client.send(b"GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        os.kill(server.pid, number)
        answer = client.read_response()
        assert answer.status == 200
        assert answer.body != str(worker).encode()
        assert not go.exists()
        go.touch()
        held_answer = held.read_response()
        assert (held_answer.status, held_answer.body) == (200, str(worker).encode())


def test_who_waits_at_a_listener_that_a_reload_takes_away_is_told_so(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    kept, taken = free_port(), free_port()
    (tmp_path / "conf.py").write_text(f"bind = ['127.0.0.1:{kept}', '127.0.0.1:{taken}']")
    server = start_server("gunicorn", "-c", "conf.py", "app:app", cwd=tmp_path, wait="nothing")
    server.wait_for_log("Booting worker")
    go = tmp_path / "go"
    (worker,) = children_of(server)
    with RawClient(("127.0.0.1", taken), timeout=SAFETY_SECONDS) as held, ExitStack() as stack:
        occupy(server, worker, [held], go)
        client = stack.enter_context(RawClient(("127.0.0.1", taken), timeout=SAFETY_SECONDS))
        client.send(b"GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        (tmp_path / "conf.py").write_text(f"bind = ['127.0.0.1:{kept}']")
        os.kill(server.pid, signal.SIGHUP)
        assert client.read_response().status == 503
        go.touch()
        assert held.read_response().body == b"%d" % worker


def test_what_was_on_its_way_to_a_worker_that_stands_still_comes_back(start: StartServer, tmp_path: Path) -> None:
    server = start()
    go = tmp_path / "go"
    with in_one_worker(server, 2) as (worker, (held, client)):
        (other,) = (pid for pid in children_of(server) if pid != worker)
        with standing_still(other):
            occupy(server, worker, [held], go)
            client.send(b"GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
            go.touch()
            assert held.read_response().status == 200
            assert client.read_response().body == str(worker).encode()


@pytest.mark.parametrize("threads", [1, 2])
def test_reloads_while_requests_change_workers_lose_none_and_count_each_once(
    start: StartServer, tmp_path: Path, threads: int
) -> None:
    server = start(threads=threads)
    seed = 22
    print(f"seed {seed}")
    chance = random.Random(seed)
    with Load(server.address, kept=8, fresh=2) as load:
        load.wait_for_answers(50)
        for _ in range(8):
            os.kill(server.pid, signal.SIGHUP)
            # The storm's own rhythm.
            time.sleep(chance.uniform(0, 0.6))
        load.wait_for_answers(200)
    print(load)
    assert load.failures == [], describe(load, [])
    assert load.sent == load.answered == (tmp_path / "counted").stat().st_size


def test_workers_killed_while_requests_change_workers_lose_only_what_is_inside_them(start: StartServer) -> None:
    server = start()
    seed = 23
    print(f"seed {seed}")
    chance = random.Random(seed)
    kills: list[Kill] = []
    with Load(server.address, kept=8, fresh=2) as load:
        load.wait_for_answers(50)
        for _ in range(12):
            assert wait_until(lambda: len(children_of(server)) == 2, SAFETY_SECONDS), server.processes()
            victim = chance.choice(children_of(server))
            before = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            assert wait_until(lambda: victim not in children_of(server), SAFETY_SECONDS)  # noqa: B023
            kills.append(Kill(before, time.monotonic(), victim))
            load.wait_for_answers(chance.randrange(20, 100))
        load.wait_for_answers(50)
    print(f"{len(kills)} kills; {load}")
    assert [failure for failure in load.failures if not was_inside(failure, kills)] == [], describe(load, kills)


def test_what_a_killed_worker_had_sent_away_is_answered_all_the_same(start: StartServer, tmp_path: Path) -> None:
    server = start()
    go = tmp_path / "go"
    with in_one_worker(server, 10) as (worker, (held, *clients)):
        (other,) = (pid for pid in children_of(server) if pid != worker)
        occupy(server, worker, [held], go)
        for client in clients:
            client.send(b"GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        answers = {client.read_response().body for client in clients}
        os.kill(worker, signal.SIGKILL)
        # Their connections are the other worker's: its end is none of theirs.
        assert wait_until(lambda: worker not in children_of(server), SAFETY_SECONDS)
        answers |= {client.get("/pid").body for client in clients}
        assert answers == {str(other).encode()}
