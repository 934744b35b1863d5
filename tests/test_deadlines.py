"""Requests that take too long: the soft deadline interrupts them, the hard one ends their worker; others are served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, ConnectionEnded, Server, StartServer
from harness.processes import wait_until
from load import Load

# In `hold` a thread holds the interpreter's lock: a loop in C, which no signal ends.
APPLICATION = """\
import itertools, os, time


def late(path):
    if path == "/sleep":
        time.sleep(600)
    while path == "/spin":
        pass
    while path == "/naps":
        time.sleep(0.01)
    if path == "/hold":
        sum(itertools.repeat(1))
    if path == "/stubborn":
        while True:
            try:
                late("/naps")
            except BaseException:
                pass


def body():
    try:
        yield b"begun "
        late("/naps")
    finally:
        print("the iterator was closed", flush=True)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body()
    try:
        late(environ["PATH_INFO"])
    finally:
        if environ["PATH_INFO"] != "/worker":
            print("cleaned up after", environ["PATH_INFO"], flush=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi(scope, receive, send):
    import asyncio

    if scope["type"] != "http":
        return
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
    if scope["path"] != "/worker":
        try:
            if scope["path"] in ("/blocks", "/spins", "/hold"):
                late({"/blocks": "/sleep", "/spins": "/spin"}.get(scope["path"], scope["path"]))
            while scope["path"] == "/stubborn":
                try:
                    await asyncio.sleep(0.01)
                except BaseException:
                    pass
            if scope["path"] == "/blocks-in-a-task":
                async def task():
                    late("/naps")
                await asyncio.gather(asyncio.create_task(task()))
            await asyncio.sleep(600)
        finally:
            print("cleaned up after", scope["path"], flush=True)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "late.py").write_text(APPLICATION)
    return tmp_path


def interrupted(server: Server, target: str) -> None:
    """The request gets a 504, and the log names it, its client and its age, and where it was."""
    answer = server.get(target)
    assert answer.status == 504, answer
    found = re.search(r"GET %s from 127\.0\.0\.1 is interrupted after (\d+\.\d) s" % target, server.log)
    assert found and float(found[1]) >= 1, server.log
    server.wait_for_log(f"cleaned up after {target}")
    assert "late.py" in server.log.split(f"GET {target} from", 1)[1]


@pytest.mark.parametrize(
    ("threads", "targets"),
    # A thread of its own is not interrupted in the middle of a call of the system.
    [("1", ["/sleep", "/spin", "/naps"]), ("3", ["/spin", "/naps"])],
    ids=["inline", "threads"],
)
def test_a_request_over_the_soft_deadline_gets_504_and_its_worker_lives(
    site: Path, start_server: StartServer, threads: str, targets: list[str]
) -> None:
    server = start_server("-b", "{tcp}", "--threads", threads, "-t", "1", "late:app", cwd=site)
    worker = server.get("/worker").body
    for target in [*targets, *targets]:
        interrupted(server, target)
        assert server.get("/worker").body == worker
    with server.connect() as client:
        cut = client.get("/stream")
        assert (cut.status, cut.body, cut.complete) == (200, b"begun ", False)
    server.wait_for_log("the iterator was closed")
    assert server.get("/worker").body == worker


def test_a_late_asgi_request_is_cancelled_and_gets_504(site: Path, start_server: StartServer) -> None:
    server = start_server("-b", "{tcp}", "-t", "1", "late:asgi", cwd=site)
    worker = server.get("/worker").body
    interrupted(server, "/sleep")
    with server.connect() as client:
        cut = client.get("/stream")
        assert (cut.status, cut.body, cut.complete) == (200, b"begun ", False)
    server.wait_for_log("cleaned up after /stream")
    assert server.get("/worker").body == worker


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
def test_an_asgi_request_that_blocks_the_loop_is_interrupted_and_gets_504(
    site: Path, start_server: StartServer, event_loop: str
) -> None:
    server = start_server("-b", "{tcp}", "-t", "1", "--loop", event_loop, "late:asgi", cwd=site)
    worker = server.get("/worker").body
    for target in ["/blocks", "/spins", "/blocks-in-a-task"] * 2:
        interrupted(server, target)
        assert server.get("/worker").body == worker


def test_a_background_task_that_blocks_the_loop_is_not_interrupted(site: Path, start_server: StartServer) -> None:
    """It is nobody's request: who waits for it is not to blame, and the hard deadline ends it."""
    (site / "behind.py").write_text(
        "import asyncio, time\n"
        "from late import asgi as late\n"
        "tasks = []\n"
        "async def behind():\n"
        "    await asyncio.sleep(0.1)\n"
        "    time.sleep(3)\n"
        "    print('the background task was let be', flush=True)\n"
        "async def asgi(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        "        await receive()\n"
        "        tasks.append(asyncio.create_task(behind()))\n"
        "        return await send({'type': 'lifespan.startup.complete'})\n"
        "    await asyncio.sleep(1)\n"
        "    await late(scope, receive, send)\n"
    )
    server = start_server("-b", "{tcp}", "-t", "1", "behind:asgi", cwd=site, wait="accept")
    # It waits for the loop, and is late through no fault of its own.
    assert server.get("/worker").status in (200, 504)
    server.wait_for_log("the background task was let be")


def test_an_interrupted_request_does_not_disturb_those_that_follow(site: Path, start_server: StartServer) -> None:
    server = start_server("-b", "{tcp}", "--threads", "4", "-t", "1", "late:app", cwd=site)
    with Load(server.address, kept=3, fresh=2) as load:
        for _ in range(4):
            interrupted(server, "/naps")
        load.wait_for_answers(50)
    print(load)
    assert load.failures == [], str(load)
    assert len(load.answers) == 1, str(load)


NATIVE = ("-b", "{tcp}", "-w", "2", "-t", "1")
GUNICORN = ("gunicorn", "-b", "{tcp}", "-w", "2", "-t", "1")
UWSGI = ("uwsgi", "--http-socket", "{tcp}", "--master", "-p", "2", "--disable-logging", "--harakiri", "1")

HARD = {
    # A thread that holds the interpreter's lock leaves nobody to raise an exception in it.
    "native-lock-held": ((*NATIVE, "late:app"), "/hold"),
    "native-stubborn": ((*NATIVE, "--threads", "2", "late:app"), "/stubborn"),
    "native-asgi-lock-held": ((*NATIVE, "late:asgi"), "/hold"),
    "native-asgi-stubborn": ((*NATIVE, "late:asgi"), "/stubborn"),
    "gunicorn-lock-held": ((*GUNICORN, "late:app"), "/hold"),
    "gthread-spin": ((*GUNICORN, "--threads", "2", "late:app"), "/spin"),
    "gunicorn-asgi-lock-held": ((*GUNICORN, "-k", "asgi", "late:asgi"), "/hold"),
    "gunicorn-gevent-lock-held": ((*GUNICORN, "-k", "gevent", "late:app"), "/hold"),
    "harakiri-lock-held": ((*UWSGI, "-w", "late:app"), "/hold"),
    "harakiri-threads": ((*UWSGI, "--threads", "2", "-w", "late:app"), "/sleep"),
    # Here the hub goes on, and with it every other greenlet.
    "harakiri-gevent-sleep": ((*UWSGI, "--gevent", "10", "-w", "late:app"), "/sleep"),
}


STUCK_LOOPS = [case for case in HARD if case.endswith("lock-held") and ("asgi" in case or "gevent" in case)]


@pytest.mark.parametrize("case", list(HARD))
def test_over_the_hard_deadline_the_worker_is_replaced_while_others_are_served(
    site: Path, start_server: StartServer, case: str
) -> None:
    arguments, target = HARD[case]
    if "gevent" in case:
        pytest.importorskip("gevent")
    server = start_server(*arguments, cwd=site, wait="accept")
    assert wait_until(lambda: len(server.processes()) == 3, SAFETY_SECONDS), server.processes()
    before = set(server.processes())
    with Load(server.address, kept=0, fresh=3, timeout=SAFETY_SECONDS) as load:
        load.wait_for_answers(20)
        with server.connect() as client, pytest.raises(ConnectionEnded):
            client.get(target)
        assert wait_until(lambda: len(set(server.processes()) - before) == 1, SAFETY_SECONDS), server.processes()
        load.wait_for_answers(20)
    print(load)
    # Connections that the stuck worker had accepted and could not read from; in a loop, a request that was just running.
    assert all(
        failure.why.startswith("500") or failure.why.endswith("before any answer") for failure in load.failures
    ), str(load)
    assert len(load.failures) <= load.connections, str(load)
    # A loop that is stuck has all its requests in it.
    named = f"GET {target}" if case not in STUCK_LOOPS else rf"(GET {target}|one of \d+ requests, perhaps GET /\w+)"
    line = (
        rf"127\.0\.0\.1 - {named} since " if arguments[0] == "uwsgi" else rf"\d s in {named} from 127\.0\.0\.1, longer"
    )
    assert re.search(line, server.log), server.log
    # The stack of the stuck thread, and of all others. What only waits in a loop or a hub is in none of them.
    waits = case in ("native-asgi-stubborn", "harakiri-gevent-sleep")
    assert re.search(r"(Thread|Current thread) 0x\w+ \(most recent call first\):", server.log), server.log
    assert waits or re.search(r'File ".*late\.py", line \d+ in late', server.log), server.log


@pytest.mark.parametrize("case", STUCK_LOOPS)
def test_a_loop_that_is_stuck_is_called_by_the_request_in_it(site: Path, start_server: StartServer, case: str) -> None:
    arguments, target = HARD[case]
    if "gevent" in case:
        pytest.importorskip("gevent")
    server = start_server(*arguments, cwd=site, wait="accept")
    server.get("/worker")
    with server.connect() as client, pytest.raises(ConnectionEnded):
        client.get(target)
    assert re.search(rf"\d s in GET {target} from 127\.0\.0\.1, longer than", server.log), server.log


@pytest.mark.parametrize("worker_class", ["asgi", "gevent"])
def test_gunicorns_timeout_ends_no_request_that_waits_while_the_loop_goes_on(
    site: Path, start_server: StartServer, worker_class: str
) -> None:
    """A long poll lasts as long as it likes, as with gunicorn's own workers of these kinds."""
    if worker_class == "gevent":
        pytest.importorskip("gevent")
    (site / "polls.py").write_text(
        "import asyncio, os, time\n"
        "from late import app, asgi\n"
        "def wsgi(environ, start_response):\n"
        "    while environ['PATH_INFO'] == '/poll' and not os.path.exists('go'):\n        time.sleep(0.01)\n"
        "    return app({**environ, 'PATH_INFO': '/worker'}, start_response)\n"
        "async def polls(scope, receive, send):\n"
        "    while scope.get('path') == '/poll' and not os.path.exists('go'):\n        await asyncio.sleep(0.01)\n"
        "    await asgi({**scope, 'path': '/worker'}, receive, send)\n"
    )
    application = "polls:polls" if worker_class == "asgi" else "polls:wsgi"
    server = start_server("gunicorn", "-b", "{tcp}", "-t", "1", "-k", worker_class, application, cwd=site)
    with server.connect(timeout=SAFETY_SECONDS) as client:
        client.send(b"GET /poll HTTP/1.1\r\nHost: t\r\n\r\n")
        # Three times what a worker may be stuck.
        assert client.is_silent(3)
        (site / "go").touch()
        assert client.read_response().status == 200
    assert "WORKER TIMEOUT" not in server.log


UVICORN = ("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2", "--timeout-worker-healthcheck", "2")


def test_uvicorns_healthcheck_replaces_a_worker_whose_interpreter_does_not_answer(
    site: Path, start_server: StartServer
) -> None:
    server = start_server(*UVICORN, "late:asgi", cwd=site, wait="accept")
    assert wait_until(lambda: server.log.count("Application startup complete") == 2, SAFETY_SECONDS), server.log
    before = set(server.processes())
    with server.connect() as client, pytest.raises(ConnectionEnded):
        client.get("/hold")
    assert wait_until(lambda: len(set(server.processes()) - before) == 1, SAFETY_SECONDS), server.processes()
    assert server.get("/worker").status == 200
    line = r"has not answered for \d+\.\d s, .* is replaced; it is in GET /hold from 127\.0\.0\.1"
    assert re.search(line, server.log), server.log
    assert re.search(r'File ".*late\.py", line \d+ in late', server.log), server.log


def test_uvicorns_healthcheck_spares_a_worker_whose_loop_is_blocked_in_python(
    site: Path, start_server: StartServer
) -> None:
    (site / "blocks.py").write_text(
        "import time\nfrom late import asgi\n"
        "async def app(scope, receive, send):\n"
        "    if scope.get('path') == '/blocks':\n        time.sleep(5)\n        scope = {**scope, 'path': '/worker'}\n"
        "    await asgi(scope, receive, send)\n"
    )
    server = start_server(*UVICORN, "blocks:app", cwd=site, wait="accept")
    assert server.get("/blocks").status == 200
    assert "has not answered" not in server.log


def test_harakiri_does_not_count_the_time_that_a_client_takes_for_its_body(
    site: Path, start_server: StartServer
) -> None:
    pytest.importorskip("gevent")
    (site / "body.py").write_text(
        "def app(environ, start_response):\n"
        "    body = environ['wsgi.input'].read()\n"
        "    start_response('200 OK', [('Content-Length', str(len(body)))])\n"
        "    return [body]\n"
    )
    server = start_server(*UWSGI, "--gevent", "10", "-w", "body:app", cwd=site)
    with server.connect(timeout=SAFETY_SECONDS) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\nhal")
        assert client.is_silent(3)
        client.send(b"ves")
        assert client.read_response().body == b"halves"
    assert "HARAKIRI" not in server.log
