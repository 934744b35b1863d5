"""Side by side with uWSGI 2.0.31 itself: requests and environs, log lines, signals, FIFO commands, sockets, statistics.

As in test_beside_uwsgi.py: a row without a reason must come out the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness import SAFETY_SECONDS, RawClient, Server
from harness.beside import Both, Request, ask, comparable, get, raw
from harness.original_uwsgi import PENSTOCK, UWSGI, missing
from harness.original_uwsgi import options as original_options
from harness.processes import wait_until
from harness.wires import packet
from projects import copy_of

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")

serve_both = partial(Both, [[UWSGI], PENSTOCK])


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    return copy_of("beside", tmp_path)


# Requests.

STRICT = "an RFC 9112 server refuses it, as a proxy may see it otherwise"
PAGE = "an answer instead of an empty reply"
# Of an environ: the client's port and that input ends are said too; the name is the address, not the machine's.
ALSO = {"REMOTE_PORT", "wsgi.input_terminated", "SERVER_NAME"}


def post(target: str, content: bytes, *fields: str, **options: Any) -> Request:
    return get(target, f"Content-Length: {len(content)}", *fields, method="POST", content=content, **options)


def loose(text: str) -> Request:
    return raw(text, ours=400, why=STRICT)


REQUESTS = [
    get("/"),
    get("/", method="HEAD"),
    get("/", method="OPTIONS"),
    get("/", method="DELETE"),
    get("/", method="PROPFIND"),
    get("/environ"),
    get("/environ", version="1.0"),
    get("/environ?x=1&y=%20z", "X-Foo-Bar: baz", "Cookie: a=b"),
    get("/environ?"),
    get("/environ", "X-Forwarded-For: 1.2.3.4"),
    get("/environ", "X-Forwarded-Proto: https"),
    get("/environ", "Authorization: Basic bWU6eA=="),
    get("/environ", "Content-Length: 2", "Content-Type: text/x", method="PUT", content=b"{}"),
    get("/%65nviron"),
    get("/a%20b%2Fc/environ"),
    get("//environ"),
    raw("OPTIONS * HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"),
    post("/echo", b"hello"),
    post("/echo", b""),
    post("/echo", b"x" * 100_000),
    post("/lines", b"a\nbb\r\nccc"),
    get("/", "Expect: 100-continue", "Content-Length: 2", method="POST", content=b"ok"),
    get("/status?404%20Not%20Found"),
    get("/status?204%20No%20Content"),
    get("/status?500%20Mine"),
    get("/status?299%20Odd"),
    get("/chunks"),
    get("/empty"),
    get("/many", fields=("set-cookie", "x-empty")),
    get("/file"),
    get("/raise-after"),
    get("/short"),
    get("/long"),
    get("/os?HOME"),
    get("/raise", ours=500, why=PAGE),
    get("/no-start", ours=500, why=PAGE),
    get("/not-bytes", ours=500, why=PAGE),
    get("/exit", ours=500, why=PAGE),
    get("/twice", ours=500, why="PEP 3333: start_response is called once"),
    get("/bad-header", ours=500, why="the field would split the answer"),
    get("/environ#frag", ours=400, why=STRICT),
    loose("GET / HTTP/1.1\nHost: t\n\n"),
    loose("GET /\r\n\r\n"),
    loose("nonsense\r\n\r\n"),
    loose("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    loose("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    loose("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    loose("GET / HTTP/1.1\r\nHost: t\r\n X: y\r\n\r\n"),
    get("/" + "x" * 5000, ours=200, why="over HTTP 4096 bytes are a floor, not a limit"),
    get("/", "X: " + "y" * 5000, ours=200, why="the same for fields"),
]

# The answer is other, not its status.
OTHERWISE = [
    (get("/environ", "X-A: 1", "X-A: 2"), "HTTP_X_A", "1,2", "RFC 9110 5.3: with a space or without"),
    (get("/environ", "Cookie: a=1", "Cookie: b=2"), "HTTP_COOKIE", "a=1; b=2", "RFC 6265: cookies are joined by ;"),
    (get("/environ", "X_Foo: 1"), "HTTP_X_FOO", None, "a name with _ could stand for one with -"),
    (
        raw("GET http://h/environ HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"),
        "PATH_INFO",
        "/environ",
        "a target with a host is one: RFC 9112 3.2.2",
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    beside = copy_of("beside", tmp_path_factory.mktemp("served"))
    sockets = ("--http-socket", "{tcp}", "--socket", "{unix}", "--stats", "{tcp2}")
    with serve_both(beside, *sockets, "--master", "--die-on-term", "--module", "app:app") as both:
        yield both


def plain(server: Server, body: bytes) -> Any:
    """A body without what is told in ``ALSO``, if it is an environ."""
    body = comparable(server, body)
    if not body.startswith(b"{"):
        return body
    return {key: value for key, value in json.loads(body).items() if key not in ALSO}


@pytest.mark.parametrize("row", REQUESTS, ids=str)
def test_a_request_is_answered_as_uwsgi_answers_it(served: Both, row: Request) -> None:
    theirs, ours = served.each(lambda server: ask(server, row))
    if row.ours is not None:
        assert (theirs.status, theirs.body) != (ours.status, ours.body), f"{row.why}\n{theirs}"
        assert ours.status == row.ours, f"{row.why}\n{theirs}\n{ours}"
        return
    assert (ours.status, ours.fields) == (theirs.status, theirs.fields), f"{theirs}\n{ours}"
    assert plain(served.ours, ours.body) == plain(served.theirs, theirs.body)


@pytest.mark.parametrize(("row", "name", "expected", "why"), OTHERWISE, ids=lambda value: str(value)[:40])
def test_an_environ_is_other_where_uwsgis_cannot_be_trusted(
    served: Both, row: Request, name: str, expected: str | None, why: str
) -> None:
    theirs, ours = served.each(lambda server: ask(server, row))
    assert ours.body.startswith(b"{"), why
    found = json.loads(theirs.body).get(name) if theirs.body.startswith(b"{") else theirs.body
    assert (json.loads(ours.body).get(name), found != expected) == (expected, True), why


# The uwsgi protocol.

BASE = {
    "REQUEST_METHOD": "GET", "REQUEST_URI": "/environ?a=b", "PATH_INFO": "/environ", "QUERY_STRING": "a=b",
    "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "example.test", "SERVER_PORT": "443", "REMOTE_ADDR": "9.8.7.6",
    "REMOTE_PORT": "1234", "CONTENT_LENGTH": "", "CONTENT_TYPE": "", "HTTP_HOST": "h",
}  # fmt: skip

PACKETS = [
    {},
    {"HTTPS": "on"},
    {"UWSGI_SCHEME": "https"},
    {"REQUEST_SCHEME": "https"},
    {"HTTPS": ""},
    {"SCRIPT_NAME": "/x"},
    {"DOCUMENT_ROOT": "/srv", "REMOTE_USER": "me", "HTTP_X_Y": "z"},
    {"PATH_INFO": "/environ", "HTTP_COOKIE": "a=b", "odd.name": "1"},
    {"PATH_INFO": "/keys", "HTTP_CONTENT_LENGTH": "0"},
    {"PATH_INFO": "/status", "QUERY_STRING": "404%20Not%20Found"},
    {"SERVER_PROTOCOL": "HTTP/1.0"},
]


def ask_by_uwsgi(server: Server, variables: dict[str, str], content: bytes = b"") -> tuple[bytes, Any]:
    """The status line and the body: an environ as a dictionary."""
    with server.connect("unix") as client:
        client.send(packet(variables) + content)
        head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    if body.startswith(b"{"):
        environ = json.loads(body)
        return head.split(b"\r\n")[0], {key: environ[key] for key in environ.keys() - {"wsgi.input_terminated"}}
    words = set(body.split()) - {b"wsgi.input_terminated"} if b" wsgi.version" in body else body
    return head.split(b"\r\n")[0], words


@pytest.mark.parametrize("more", PACKETS, ids=str)
def test_a_uwsgi_request_is_answered_as_uwsgi_answers_it(served: Both, more: dict[str, str]) -> None:
    theirs, ours = served.each(lambda server: ask_by_uwsgi(server, {**BASE, **more}))
    # That SCRIPT_NAME is always there the compatibility page says.
    if "SCRIPT_NAME" not in more and isinstance(ours[1], dict):
        assert ours[1].pop("SCRIPT_NAME") == ""
    if "SCRIPT_NAME" not in more and isinstance(ours[1], set):
        ours[1].discard(b"SCRIPT_NAME")
    assert ours == theirs


def test_the_answer_to_a_head_request_by_uwsgi_has_no_body(served: Both) -> None:
    theirs, ours = served.each(lambda server: ask_by_uwsgi(server, {**BASE, "REQUEST_METHOD": "HEAD", "PATH_INFO": "/"}))
    assert (theirs, ours) == ((b"HTTP/1.1 200 OK", b"hello"), (b"HTTP/1.1 200 OK", b""))


def test_a_body_by_uwsgi_is_read(served: Both) -> None:
    variables = {**BASE, "REQUEST_METHOD": "POST", "PATH_INFO": "/echo", "CONTENT_LENGTH": "5"}
    theirs, ours = served.each(lambda server: ask_by_uwsgi(server, variables, b"hello"))
    assert ours == theirs and ours[1] == b"hello"


def test_a_ping_by_uwsgi_is_answered(served: Both) -> None:
    def ping(server: Server) -> bytes:
        with server.connect("unix") as client:
            client.send(b"\x64\x00\x00\x00")
            return client.read_to_end()

    theirs, ours = served.each(ping)
    assert ours == theirs


# Statistics.


def shape(value: Any, at: str = "") -> set[str]:
    """The keys of a document with the kinds of their values."""
    if isinstance(value, dict):
        return {one for key, item in value.items() for one in shape(item, f"{at}.{key}")}
    if isinstance(value, list):
        return {f"{at}: list"}.union(*(shape(item, f"{at}[]") for item in value))
    return {f"{at}: {type(value).__name__}"}


def statistics(server: Server, word: str) -> Any:
    with server.connect(word) as client:
        return json.loads(client.read_to_end())


def test_the_statistics_have_uwsgis_keys(served: Both) -> None:
    served.each(lambda server: ask(server, get("/")))
    theirs, ours = served.each(lambda server: statistics(server, "tcp2"))
    assert shape(theirs) - shape(ours) == set()
    assert ours["version"] == theirs["version"]
    assert [one["proto"] for one in ours["sockets"]] == [one["proto"] for one in theirs["sockets"]]
    assert [sorted(lock) for lock in ours["locks"]] == [sorted(lock) for lock in theirs["locks"]]


def test_the_statistics_of_everything_have_uwsgis_keys(beside: Path) -> None:
    more = ("--cache2", "name=a,items=10", "--attach-daemon", "sleep 1000", "--cron", "1 1 1 1 1 true", "--memory-report")
    more += ("--spooler", "spool", "--enable-metrics", "--metric", "mine", "--locks", "2")
    sockets = ("--http-socket", "{tcp}", "--stats", "{tcp2}", "--processes", "2", "--threads", "2")
    with serve_both(beside, *sockets, *more, "--die-on-term", "--master", "--module", "app:app") as both:
        theirs, ours = both.each(lambda server: statistics(server, "tcp2"))
        assert shape(theirs) - shape(ours) == set()
        for name in ("workers", "crons", "daemons", "caches", "sockets", "spoolers", "locks"):
            assert len(ours[name]) == len(theirs[name]), name
        assert len(ours["workers"][0]["cores"]) == len(theirs["workers"][0]["cores"]) == 2


# Log lines.

FORMATS = [
    "%(method) %(uri) %(status) %(proto) %(host) %(addr) %(user)",
    # Heads are not of one size: ours have a date, and say how they are framed.
    "%(rsize) %(cl) [%(referer)] [%(uagent)]",
    "%(wid) %(core) %(modifier1) %(modifier2) %(werr) %(rerr) %(ioerr)",
    "%(var.HTTP_X_TAG) %(var.NONE) %(nothing) %% x",
]
LOGGED = [
    get("/", "X-Tag: t", "Referer: http://r/?q", "User-Agent: test/1"),
    get("/status?404%20Not%20Found", version="1.0"),
    post("/echo", b"hello"),
    get("/empty"),
]
# Options that say which requests are logged: the lines that are.
SELECTIONS = [
    ("--log-4xx",),
    ("--disable-logging",),
    ("--disable-logging", "--log-4xx"),
    ("--disable-logging", "--log-5xx", "--log-zero"),
    ("--disable-logging", "--log-big", "100"),
    ("--log-x-forwarded-for",),
]


def lines_of(both: Both) -> tuple[list[str], list[str]]:
    """The lines for some requests, the same for both, once the servers have ended."""

    def ask_all(server: Server) -> None:
        for row in [*LOGGED, get("/", "X-Forwarded-For: 1.2.3.4, 5.6.7.8"), get("/status?503%20No")]:
            ask(server, row)

    both.each(ask_all)
    for server in (both.theirs, both.ours):
        server.stop()
    found = both.each(lambda server: [line for line in server.log.splitlines() if line.startswith("LINE ")])
    return found


@pytest.mark.parametrize("log_format", FORMATS)
def test_log_lines_are_uwsgis(beside: Path, log_format: str) -> None:
    options = ("--log-format", f"LINE {log_format}", "--master", "--die-on-term", "--module", "app:app")
    with serve_both(beside, "--http-socket", "{tcp}", *options, wait="accept") as both:
        theirs, ours = lines_of(both)
    normal = partial(re.sub, r"127\.0\.0\.1:\d+", "HOST")
    assert [normal(line) for line in ours] == [normal(line) for line in theirs]


@pytest.mark.parametrize("options", SELECTIONS, ids=" ".join)
def test_the_requests_that_are_logged_are_uwsgis(beside: Path, options: tuple[str, ...]) -> None:
    log_format = ("--log-format", "LINE %(addr) %(method) %(uri) %(status)", "--master", "--die-on-term")
    with serve_both(beside, "--http-socket", "{tcp}", *log_format, *options, "--module", "app:app", wait="accept") as both:
        theirs, ours = lines_of(both)
    assert ours == theirs


START_LINES = [
    "[uWSGI] getting INI configuration from start.ini",
    "*** Starting uWSGI 2.0.31 (64bit) on [",
    "detected max file descriptor number: ",
    "uwsgi socket 0 bound to TCP address 127.0.0.1:",
    "Python version: 3.",
    "your mercy for graceful operations on workers is 60 seconds",
    "*** Operational MODE: preforking ***",
    "WSGI app 0 (mountpoint='') ready in ",
    "spawned uWSGI master process (pid: ",
    "spawned uWSGI worker 2 (pid: ",
    "*** Stats server enabled on 127.0.0.1:",
]
PAUSED = [
    "*** PAUSE (press start to resume",
    "*** worker 1 suspended ***",
    "*** worker 2 suspended ***",
    "*** (SIGTSTP received) resuming workers ***",
    "*** worker 1 resumed ***",
    "*** worker 2 resumed ***",
]


def test_the_lines_of_a_start_and_of_a_pause_are_there_as_uwsgi_has_them(beside: Path) -> None:
    text = "[uwsgi]\nmaster = 1\ndie-on-term = 1\nprocesses = 2\nmodule = app:app\n"
    (beside / "start.ini").write_text(text)
    with serve_both(beside, "--http-socket", "{tcp}", "--stats", "{tcp2}", "start.ini") as both:

        def missing_lines(server: Server) -> list[str]:
            server.wait_for_log(START_LINES[-2])
            server.wait_for_log(START_LINES[-1])
            for line in (PAUSED[2], PAUSED[5]):
                os.kill(server.pid, signal.SIGTSTP)
                server.wait_for_log(line)
            assert wait_until(lambda: all(line in server.log for line in PAUSED), SAFETY_SECONDS), server.log
            return [line for line in START_LINES if line not in server.log]

        assert both.each(missing_lines) == ([], [])


def test_a_server_without_an_application_does_not_say_that_it_is_ready(beside: Path) -> None:
    options = ("--master", "--die-on-term", "--module", "none")
    with serve_both(beside, "--http-socket", "{tcp}", *options) as both:
        for server in (both.theirs, both.ours):
            server.wait_for_log("*** no app loaded. going in full dynamic mode ***")
            server.wait_for_log("spawned uWSGI worker 1 ")
            assert "WSGI app 0" not in server.log


# What is printed.

PRINTED = [
    (),
    ("--logto", "{directory}/a.log"),
    ("--logto", "{directory}/a.log", "--log-master"),
    ("--logto2", "{directory}/a.log"),
    ("--logger", "stdio"),
    ("--logger", "file:{directory}/a.log"),
    ("--logger", "file:{directory}/a.log", "--logger", "file:{directory}/b.log"),
    ("--logger", "file:{directory}/a.log", "--logto", "{directory}/b.log"),
    ("--logger", "named file:{directory}/a.log"),
    ("--req-logger", "file:{directory}/a.log"),
    ("--log-master", "--log-encoder", "prefix [mine] "),
    ("--logto", "{directory}/a.log", "--log-encoder", "prefix [mine] "),
    ("--log-master", "--log-date=%Y"),
]
# The same for options that only some builds have.
PRINTED_BY_PATTERN = [
    ("--logger", "some file:{directory}/a.log", "--logger", "file:{directory}/b.log", "--log-route", "some error"),
    ("--logto", "{directory}/a.log", "--log-drain", "child"),
    ("--logto", "{directory}/a.log", "--log-filter", "printed"),
]


def printed(server: Server) -> dict[str, list[str]]:
    """The lines that the application prints for a request, by the file that they are in."""

    def found() -> dict[str, list[str]]:
        texts = {path.name: path.read_text() for path in server.directory.glob("*.log")}
        lines = {name: re.findall(".*printed.*", text) for name, text in texts.items()}
        return {name: sorted(found) for name, found in lines.items() if found}

    assert ask(server, get("/print")).status == 200
    # Lines on the way arrive within a moment, or not at all.
    seen: list[dict[str, list[str]]] = []
    assert wait_until(lambda: seen.append(found()) or (len(seen) > 5 and seen[-6:] == [seen[-1]] * 6), SAFETY_SECONDS, every=0.1)
    return seen[-1]


@pytest.mark.parametrize("options", [*PRINTED, *PRINTED_BY_PATTERN], ids=" ".join)
def test_what_an_application_prints_is_logged_where_uwsgi_logs_it(beside: Path, options: tuple[str, ...]) -> None:
    if options in PRINTED_BY_PATTERN and "log-route" not in original_options():
        pytest.skip("this build of uWSGI has no patterns")
    with serve_both(beside, "--http-socket", "{tcp}", *options, "--master", "--die-on-term", "--module", "app:app") as both:
        theirs, ours = both.each(printed)
    assert ours == theirs


# Signals and FIFO commands.


@dataclass
class Effect:
    """What is there when things have come to rest."""

    exit_code: int | None
    pidfile: bool
    socket: bool
    workers: int
    # The workers are others than before.
    replaced: bool
    answers: bool


@dataclass
class Cause:
    """A signal to the master, or letters for the FIFO; and what both say."""

    name: str
    says: str
    options: tuple[str, ...] = ()
    ours: tuple[int | None, bool] | None = None
    why: str = ""

    def __str__(self) -> str:
        return " ".join([self.name, *self.options])


ACCEPTS = 'running "print:accepts" (accepting)...'
RELOADS = "...gracefully killing workers..."
STOPS = "SIGINT/SIGTERM received...killing workers..."
CAUSES = [
    Cause("INT", STOPS),
    Cause("INT", STOPS, ("--vacuum",)),
    Cause("QUIT", STOPS),
    Cause("TERM", "worker 1 buried after", ("--die-on-term",)),
    Cause("TERM", "worker 1 buried after", ours=(0, False), why="TERM stops"),
    Cause("QUIT", "killing workers...", ("--die-on-term",), ours=(0, False), why="QUIT stops"),
    Cause("HUP", RELOADS),
    Cause("HUP", RELOADS, ("--lazy-apps",)),
    Cause("USR1", ""),
    Cause("fifo Q", "killing workers..."),
    Cause("fifo q", "graceful shutdown triggered..."),
    Cause("fifo q", "VACUUM: pidfile removed.", ("--vacuum",)),
    Cause("fifo r", RELOADS),
    Cause("fifo c", "chain reloading complete", ("--lazy-apps",)),
    Cause("fifo w", "killing worker 1"),
    Cause("fifo P", "writing pidfile to"),
    Cause("fifo s", ""),
    Cause("fifo l", ""),
    Cause("fifo x", ""),
    Cause("worker KILL", "killed by signal 9 :( trying respawn ..."),
]


def workers_of(server: Server) -> set[int]:
    """The processes below the master."""
    return set(server.processes()) - {server.pid}


def effect_of(server: Server, cause: Cause, place: Path) -> Effect:
    # A worker of uWSGI's that is told to leave before it accepts does not hear it, and a stop waits for it for ever.
    assert wait_until(lambda: server.log.count(ACCEPTS) == 2, SAFETY_SECONDS), server.log
    assert wait_until(lambda: len(workers_of(server)) == 2 and (place / "m.fifo").exists(), SAFETY_SECONDS)
    before, said = workers_of(server), server.log.count(cause.says)
    kind, _, letters = cause.name.rpartition(" ")
    if kind == "fifo":
        with (place / "m.fifo").open("w") as fifo:
            fifo.write(letters)
    elif kind == "worker":
        os.kill(min(before), getattr(signal, f"SIG{letters}"))
    else:
        os.kill(server.pid, getattr(signal, f"SIG{letters}"))
    assert wait_until(lambda: server.log.count(cause.says) > said or not cause.says, SAFETY_SECONDS), server.log
    seen: list[tuple[bool, frozenset[int]]] = []

    def at_rest() -> bool:
        seen.append((server.process.poll() is None, frozenset(workers_of(server))))
        return len(seen) > 15 and len(set(seen[-15:])) == 1 and (not seen[-1][0] or len(seen[-1][1]) == 2)

    assert wait_until(at_rest, SAFETY_SECONDS, every=0.05), f"{seen[-1]}\n{server.log}"
    running, after = seen[-1]
    answers = running and server.get("/").status == 200
    exit_code = None if running else server.process.returncode
    there = ((place / "m.pid").exists(), (place / "u.sock").exists())
    return Effect(exit_code, *there, len(after), not after & before, answers)


@pytest.mark.parametrize("cause", CAUSES, ids=str)
def test_signals_and_letters_have_the_effect_they_have_on_uwsgi(beside: Path, cause: Cause) -> None:
    # Of the workers that a chain has just started the same is true: 60 s is the default.
    words = ("--master", "--processes", "2", "--worker-reload-mercy", "5", "--hook-accepting", "print:accepts")
    options = (*words, "--module", "app:app", *cause.options)
    effects = []
    for name, command in (("theirs", [UWSGI]), ("ours", PENSTOCK)):
        place = beside / name
        place.mkdir()
        files = ("--pidfile", f"{name}/m.pid", "--master-fifo", f"{name}/m.fifo", "--socket", f"{name}/u.sock")
        server = Server("--http-socket", "{tcp}", *files, *options, cwd=beside)
        server.command = [*command, *server.command[1:]]
        server.start()
        try:
            assert int((place / "m.pid").read_text()) == server.pid
            effects.append(effect_of(server, cause, place))
        finally:
            if server.is_running:
                server.stop(signal.SIGINT)
    theirs, ours = effects
    if cause.ours is not None:
        assert (ours.exit_code, ours.answers) == cause.ours != (theirs.exit_code, theirs.answers), f"{theirs}\n{ours}"
    else:
        assert ours == theirs


# Sockets.

LISTENERS = [
    ("--http-socket", "{tcp}"),
    ("--http", "{tcp}"),
    ("--http11-socket", "{tcp}"),
    ("--socket", "{tcp}", "--protocol", "http"),
    ("--http-socket", "{tcp}", "--socket", "{unix}"),
    ("--http-socket", "{tcp}", "--http-socket", "{tcp2}"),
    ("--http-socket", "{tcp6}"),
]


@pytest.mark.parametrize("options", LISTENERS, ids=" ".join)
def test_addresses_are_listened_on_as_uwsgi_does(beside: Path, options: tuple[str, ...]) -> None:
    more = ("--master", "--die-on-term", "--chmod-socket=600", "--vacuum", "--module", "app:app")
    with serve_both(beside, *options, *more) as both:

        def seen(server: Server) -> tuple[list[str], list[int]]:
            for where in server.addresses.values():
                RawClient(where).close()
            log = server.log
            for word, where in server.addresses.items():
                log = log.replace(where if isinstance(where, str) else str(where[1]), word)
            modes = [Path(where).stat().st_mode & 0o777 for where in server.addresses.values() if isinstance(where, str)]
            return sorted(re.findall(r"uwsgi socket \d+ bound to \w+ address \S+", log)), modes

        theirs, ours = both.each(seen)
        # For --http a router process listens in the original, and says so in other words.
        assert ours == theirs or "--http" in options
