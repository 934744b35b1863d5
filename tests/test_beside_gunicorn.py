"""Side by side with gunicorn itself: the same command line, configuration, request or signal for both, and one outcome.

Where the outcome differs on purpose the row says why, and what is Penstock's; the compatibility page lists these
differences. A row without a reason must come out the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness import Server
from harness.beside import Both, Request, ask, comparable, get, raw, run_with
from harness.command import Ended
from harness.processes import free_port, wait_until
from projects import copy_of

GUNICORN = [str(Path(sys.executable).parent / "gunicorn")]
PENSTOCK = [str(Path(sys.executable).parent / "penstock"), "gunicorn"]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    directory = copy_of("beside", tmp_path)
    for name, text in BROKEN.items():
        (directory / f"{name}.py").write_text(text)
    return directory


# Modules that cannot be imported.
BROKEN = {
    "broken_import": "import missing_module_of_ours\n",
    "broken_syntax": "def broken(:\n",
    "raising": "raise RuntimeError('at import')\n",
}


# Commands that end.


@dataclass
class Ending:
    """A command that ends by itself."""

    line: str
    # Content of conf.py.
    conf: str = ""
    # What both say, on either stream.
    says: str = ""
    # Penstock's exit code where it is another, and why.
    ours: int | None = None
    why: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join([*words, self.line, self.conf.replace("\n", "; ")]).strip()[:70] or "nothing"


ENDINGS = [
    Ending("--version", says="gunicorn (version 27.0.1)"),
    Ending("-v", says="gunicorn (version 27.0.1)"),
    Ending("--help", says="usage: "),
    Ending("-h", says="show this help message and exit"),
    Ending("--no-such-option app:app", says="usage: "),
    Ending("--workers=many app:app", says="invalid int value: 'many'"),
    Ending("-w app:app", says="invalid int value"),
    Ending("-w", says="expected one argument"),
    Ending("--bind", says="expected one argument"),
    Ending("--log-config-", says="usage: "),
    Ending("--timeout 1.5 app:app", says="invalid int value: '1.5'"),
    Ending("--st localhost app:app", says="ambiguous option"),
    Ending("", says="No application module specified"),
    Ending("--check-config app:app"),
    Ending("--check-config app"),
    Ending("--check-config app:factory()"),
    Ending("--check-config app:factory('x',mark='?')"),
    Ending("--check-config app:failing_factory()", says="the factory fails"),
    Ending("--check-config app:missing", says="Failed to find attribute 'missing' in 'app'"),
    Ending("--check-config app:none"),
    Ending("--check-config app:not_callable"),
    Ending("--check-config broken_import:app", says="missing_module_of_ours"),
    Ending("--check-config broken_syntax:app", says="SyntaxError"),
    Ending("--check-config nothing_there:app", says="nothing_there"),
    Ending("--check-config raising:app", says="at import"),
    Ending("--check-config app:app.app"),
    Ending("--check-config app:factory(word)"),
    Ending("--check-config app:factory(1,2,3)"),
    Ending("--check --bind 127.0.0.1:0 app:app extra words"),
    Ending("--check-config -c conf.py app:app", "workers = 2\nUNKNOWN = 3"),
    Ending("--check-config -c conf.py", "wsgi_app = 'app:app'"),
    Ending("--check-config -c conf.py", "wsgi_app = 'app:missing'", says="Failed to find attribute 'missing'"),
    Ending("--check-config -c file:conf.py app:app", "workers = 2"),
    Ending("--check-config -c python:conf app:app", "workers = 2"),
    Ending("--check-config -c missing.py app:app", says="'missing.py' doesn't exist"),
    Ending("--check-config -c conf.py app:app", "workers = ", says="Failed to read config file: conf.py"),
    Ending("--check-config -c conf.py app:app", "raise KeyError('x')", says="Failed to read config file: conf.py"),
    Ending("--check-config -c conf.py app:app", "import nowhere_to_be_found", says="nowhere_to_be_found"),
    Ending("--check-config -c conf.py app:app", "umask = '007'", says="Invalid value for umask: 007"),
    Ending("--check-config -c conf.py app:app", "umask = 0o007"),
    Ending("--check-config -c conf.py app:app", "on_exit = None", says="Value is not callable"),
    Ending("--check-config -c conf.py app:app", "timeout = 30.5", says="Invalid value for timeout: 30.5"),
    Ending("--check-config -c conf.py app:app", "timeout = -1", says="Value must be positive: -1"),
    Ending("--check-config -c conf.py app:app", "forwarded_allow_ips = ['*']", says="forwarded_allow_ips"),
    Ending("--check-config -c conf.py app:app", "reload = 'yes'", says="Invalid boolean: yes"),
    Ending("--check-config -c conf.py app:app", "reload = 'True'"),
    Ending("--check-config -c conf.py app:app", "workers = '4'"),
    Ending("--check-config -c conf.py app:app", "workers = 'four'", says="Invalid value for workers: four"),
    Ending("--check-config -c conf.py app:app", "user = None\ngroup = None"),
    Ending("--check-config -c conf.py app:app", "loglevel = 'zzz'"),
    Ending("--check-config -c conf.py app:app", "bind = 5", says="Invalid value for bind: 5"),
    Ending("--check-config -c conf.py app:app", "bind = ['127.0.0.1:0', 'unix:x.sock']"),
    Ending("--check-config -c conf.py app:app", "chdir = '/nowhere'", says="can't chdir to '/nowhere'"),
    Ending("--check-config -c conf.py app:app", "def post_fork(server):\n    pass", says="arity of: 2"),
    Ending("--check-config -c conf.py app:app", "def post_request(worker, req):\n    pass"),
    Ending("--check-config -c conf.py app:app", "def post_request(worker):\n    pass", says="post_request"),
    Ending("--check-config -c conf.py app:app", "post_fork = lambda server, worker: None"),
    Ending("--check-config -c conf.py app:app", "statsd_host = 'a:b'", says="statsd_host"),
    Ending("--check-config -c conf.py app:app", "proxy_protocol = 'v3'", says="proxy_protocol"),
    Ending("--check-config -c conf.py app:app", "header_map = 'keep'", says="header_map"),
    Ending("--check-config -c conf.py app:app", "raw_env = ['A=1']\nsecure_scheme_headers = {'X': 'y'}"),
    Ending("--check-config -c conf.py app:app", "secure_scheme_headers = 'X'", says="secure_scheme_headers"),
    Ending("--check-config -c conf.py app:app", "user = 'nobody-of-that-name'", ours=0, why="looked up at start"),
    Ending("--check-config --reload-extra-file nowhere.txt app:app", says="nowhere.txt"),
    Ending("--check-config --reload-extra-file app.py app:app"),
    Ending("--check-config -c conf.py app:app", "from app import factory\nworkers = 1"),
    Ending("-e NOTHING app:app", says="NOTHING"),
    Ending("-c missing.py app:app", says="'missing.py' doesn't exist"),
    Ending("--chdir /nowhere app:app", says="can't chdir to"),
    Ending("-u nobody-of-that-name app:app", says="nobody-of-that-name"),
    Ending("-g nobody-of-that-name app:app", says="nobody-of-that-name"),
    Ending("-k no_such_worker app:app", says="no_such_worker"),
    Ending("-k eventlet app:app", says="eventlet"),
    Ending("--preload -b 127.0.0.1:0 broken_import:app", says="missing_module_of_ours"),
    Ending("--preload -b 127.0.0.1:0 app:missing", says="Failed to find attribute 'missing'"),
    Ending("-b 127.0.0.1:0 broken_import:app", says="Worker failed to boot."),
    Ending("-b 127.0.0.1:0 broken_syntax:app", says="Worker failed to boot."),
    Ending("-b 127.0.0.1:0 raising:app", says="Worker failed to boot."),
    Ending("-b 127.0.0.1:0 app:missing", says="Failed to find attribute 'missing' in 'app'"),
    Ending("-b 127.0.0.1:0 app:none", says="App failed to load."),
    Ending("-b 127.0.0.1:0 app:not_callable", says="App failed to load."),
    Ending("-b 127.0.0.1:0 app:failing_factory()", says="Worker failed to boot."),
    Ending("-b 127.0.0.1:port app:app", says="'port' is not a valid port number"),
    Ending("--log-file /nowhere/x.log -b 127.0.0.1:0 app:app", says="/nowhere/x.log"),
    Ending("--access-logfile /nowhere/x.log -b 127.0.0.1:0 app:app", says="/nowhere/x.log"),
    Ending("-p /nowhere/x.pid -b 127.0.0.1:0 app:app", says="/nowhere"),
    Ending("--log-config nowhere.ini -b 127.0.0.1:0 app:app", says="log config 'nowhere.ini' not found"),
    Ending("-b unix:app.py app:app", says="app.py"),
    Ending("--check-config --paste site.ini"),
    Ending("--check-config --paste site.ini#loud"),
    Ending("--check-config --paste site.ini#missing", says="missing"),
    Ending("--paste nowhere.ini", says="nowhere.ini' not found"),
    Ending("--paste nowhere.ini app:app", says="nowhere.ini' not found"),
    Ending("-b 127.0.0.1:0 --paste site.ini#missing", says="Worker failed to boot."),
    Ending("--check-config app:app", environment={"WEB_CONCURRENCY": "abc"}),
    Ending("--check-config app:app", environment={"WEB_CONCURRENCY": "3"}),
    Ending("app:app", environment={"GUNICORN_CMD_ARGS": "--check-config"}),
    Ending("app:app", environment={"GUNICORN_CMD_ARGS": "--no-such"}, says="usage: "),
    Ending("--check-config app:app", environment={"GUNICORN_CMD_ARGS": "-c missing.py"}, says="doesn't exist"),
]


run_both = partial(run_with, [GUNICORN, PENSTOCK])
serve_both = partial(Both, [GUNICORN, PENSTOCK])


@pytest.mark.parametrize("row", ENDINGS, ids=str)
def test_a_command_ends_as_gunicorns_does(beside: Path, row: Ending) -> None:
    if row.conf:
        (beside / "conf.py").write_text(row.conf + "\n")
    theirs, ours = run_both(beside, row.line.split(), row.environment)
    if row.ours is None:
        assert ours.exit_code == theirs.exit_code, f"{theirs}\n{ours}"
    else:
        assert (theirs.exit_code != row.ours, ours.exit_code) == (True, row.ours), f"{row.why}\n{theirs}\n{ours}"
    for ended in (theirs, ours):
        assert row.says in ended.text, f"{row.says!r}\n{ended}"


# Configurations that are printed.

PRINTED = [
    "app:app",
    "-w 4 --threads 8 -k gthread app:app",
    "-b 127.0.0.1:1 -b [::1]:2 -b unix:/tmp/x --bind=localhost app:app",
    "--bin :5 --workers 3 --keep 9 app:app",
    "-t 5 --graceful-timeout 6 --keep-alive 7 --max-requests 8 --max-requests-jitter 9 app:app",
    "-D -p run.pid -m 022 --umask 0x1f app:app",
    "-e A=1 --env B=2 app:app",
    "--access-logfile - --error-logfile e.log --log-level debug --capture-output app:app",
    "--statsd-host localhost:8125 --statsd-prefix a.b --dogstatsd-tags c:d app:app",
    "--statsd-host unix:///run/statsd app:app",
    "--forwarded-allow-ips=* --proxy-allow-from 10.0.0.0/8,::1 app:app",
    "app:app --proxy-protocol",
    "--proxy-protocol v2 app:app",
    "--header-map DANGEROUS --forwarder-headers A_B,C app:app",
    "--no-sendfile --reuse-port --preload app:app",
    "--reload --reload-engine poll --reload-extra-file app.py --reload-extra-file *.py app:app",
    "-n name --pythonpath a,b --chdir /tmp app:app",
    "--paste site.ini#other --paste-global a=b",
    "--paste logged.ini",
    "--paste logged.ini --log-config other.ini",
    "--log-syslog --log-syslog-to tcp://x:1 --log-syslog-prefix p --log-syslog-facility local1 app:app",
    "-u 0 -g 0 --initgroups app:app",
    "--limit-request-line 0 --limit-request-fields 5 --limit-request-field_size 6 app:app",
    "--ciphers X --cert-reqs 2 --ssl-version TLS app:app",
    "--http-protocols h2,h1 --http2-cleartext both --http2-max-frame-size 20000 app:app",
    "--asgi-loop uvloop --asgi-lifespan off --root-path /r app:app",
    "--dirty-workers 2 --control-socket c.ctl --no-control-socket app:app",
    "--permit-obsolete-folding --strip-header-spaces --casefold-http-method app:app",
]
PRINTED_CONFIGURATIONS = [
    "",
    "bind = '0.0.0.0:99'\nworkers = 2 * 2 + 1\nthreads = 3",
    "accesslog = errorlog = '-'\nloglevel = 'WARNING'\nproc_name = 'x'",
    "def post_fork(server, worker):\n    pass\npre_request = lambda worker, req: None",
    "import os\nraw_env = ['A=' + os.environ.get('B', 'c')]\nforwarded_allow_ips = '*'",
    "logconfig_dict = {'version': 1, 'loggers': {}}\nsecure_scheme_headers = {'X-A': 'b'}",
    "keyfile = None\nworker_tmp_dir = '/dev/shm'\nworker_connections = 7\nmax_requests = '50'",
]


def settings_of(ended: Ended) -> dict[str, str]:
    """What --print-config printed, by name."""
    lines = [line for line in ended.stdout.splitlines() if " = " in line]
    return {line[:34].strip(): line for line in lines}


def assert_same_settings(theirs: Ended, ours: Ended) -> None:
    assert ours.exit_code == theirs.exit_code == 0, f"{theirs}\n{ours}"
    expected, printed = settings_of(theirs), settings_of(ours)
    assert list(printed) == list(expected) and len(printed) == 120
    different = {name: (line, printed[name]) for name, line in expected.items() if printed[name] != line}
    assert different == {}


@pytest.mark.parametrize("line", PRINTED)
def test_the_printed_settings_are_gunicorns(beside: Path, line: str) -> None:
    assert_same_settings(*run_both(beside, ["--print-config", *line.split()]))


@pytest.mark.parametrize("text", PRINTED_CONFIGURATIONS)
def test_the_printed_settings_of_a_file_are_gunicorns(beside: Path, text: str) -> None:
    (beside / "gunicorn.conf.py").write_text(text + "\n")
    assert_same_settings(*run_both(beside, ["--print-config", "app:app"]))


@pytest.mark.parametrize(
    "environment",
    [{"PORT": "5000"}, {"WEB_CONCURRENCY": "3"}, {"FORWARDED_ALLOW_IPS": "*"}, {"SENDFILE": "0"}, {"GUNICORN_CMD_ARGS": "-w 5 -t 6 other:app"}],
    ids=str,
)
def test_variables_change_the_settings_as_gunicorns(beside: Path, environment: dict[str, str]) -> None:
    assert_same_settings(*run_both(beside, ["--print-config", "-t", "9", "app:app"], environment))


# Requests.


STRICT = "an RFC 9112 server refuses it, as a proxy may see it otherwise"

REQUESTS = [
    get("/"),
    get("/", version="1.0"),
    get("/", method="HEAD"),
    get("/", method="OPTIONS"),
    get("/", method="DELETE"),
    get("/", method="PROPFIND"),
    get("/environ"),
    get("/environ?a=b&c=%20d"),
    get("/environ/%C3%A9%2F;x=y?"),
    get("/environ", "X-One: a", "X-One: b", "Cookie: a=1"),
    get("/environ", "Content-Type: text/x", "User-Agent: test/1", "Referer: http://r/"),
    get("/environ", "X_Under: dropped"),
    get("/environ", "X-Forwarded-Proto: https"),
    get("/environ", "X-Forwarded-Ssl: on"),
    get("/environ", "X-Forwarded-Proto: http"),
    get("/environ", "Accept: \t spaced \t"),
    get("/environ", "Empty:"),
    get("/types", body=False),
    get("/keys"),
    get("/echo", "Content-Length: 5", method="POST", content=b"hello"),
    get("/echo", "Transfer-Encoding: chunked", method="POST", content=b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
    get("/lines", "Content-Length: 7", method="PUT", content=b"a\nbb\nc\n"),
    get("/echo", "Content-Length: 0", method="POST"),
    get("/status?404%20Not%20Found"),
    get("/status?204%20No%20Content"),
    get("/status?304%20Not%20Modified"),
    get("/status?299%20Own%20Words"),
    get("/status?bad", fields=(), body=False),
    get("/raise", fields=(), body=False),
    get("/raise-after", fields=("content-length",)),
    get("/exit", fields=(), body=False),
    get("/chunks"),
    get("/chunks", version="1.0"),
    get("/empty"),
    get("/many", fields=("set-cookie", "x-empty")),
    get("/hop", fields=("connection", "keep-alive")),
    get("/short", fields=("content-length",)),
    get("/long", fields=("content-length",)),
    get("/file"),
    get("/bad-header", fields=(), body=False),
    get("/twice", fields=(), body=False),
    get("/hints"),
    get("/hints", version="1.0"),
    raw("GET http://other/environ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", body=False),
    raw("\r\nGET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"),
    raw("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX : y\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nHost: t\r\nX: y\r\n folded\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nHost: t\r\nNo colon\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nHost: t\r\nX: a\x00b\r\n\r\n", fields=(), body=False),
    raw("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", fields=(), body=False),
    raw("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", fields=(), body=False),
    raw("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", fields=(), body=False),
    raw("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", fields=(), body=False),
    raw("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n", fields=(), body=False, ours=501, why="RFC 9112 6.1: 501 for a coding that is not known"),
    raw("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\nHost: t\n\n", fields=(), body=False),
    raw("GET /\r\n\r\n", fields=(), body=False),
    raw("GET noslash HTTP/1.1\r\nHost: t\r\n\r\n", fields=(), body=False),
    raw("GET /a#b HTTP/1.1\r\nHost: t\r\n\r\n", fields=(), body=False, ours=400, why=STRICT),
    raw("GET /\xe9 HTTP/1.1\r\nHost: t\r\n\r\n", fields=(), body=False),
    raw("GET * HTTP/1.1\r\nHost: t\r\n\r\n", fields=(), body=False),
    raw("GET /  HTTP/1.1\r\nHost: t\r\n\r\n", fields=(), body=False),
    raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/3.0\r\nHost: t\r\n\r\n", fields=(), body=False, ours=505, why="RFC 9110 15.6.6"),
    raw("GET / HTTX/1.1\r\nHost: t\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", ours=400, why="RFC 9112 3.2: a 1.1 request names its host"),
    raw("GET /" + "x" * 9000 + " HTTP/1.1\r\nHost: t\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nHost: t\r\nX: " + "y" * 9000 + "\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nHost: t\r\n" + "".join(f"X-{n}: y\r\n" for n in range(101)) + "\r\n", fields=(), body=False),
    raw("GET / HTTP/1.1\r\nHost: t\r\nExpect: the-unexpected\r\n\r\n", fields=(), body=False),
    raw("GET / HTTP/1.2\r\nHost: t\r\nConnection: close\r\n\r\n"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    beside = copy_of("beside", tmp_path_factory.mktemp("served"))
    arguments = ("-b", "{tcp}", "--access-logfile", "-", "--no-control-socket", "app:app")
    with serve_both(beside, *arguments) as both:
        yield both


@pytest.mark.parametrize("request_row", REQUESTS, ids=str)
def test_a_request_is_answered_as_gunicorn_answers_it(served: Both, request_row: Request) -> None:
    theirs, ours = served.each(lambda server: ask(server, request_row))
    if request_row.ours is not None:
        assert (theirs.status != request_row.ours, ours.status) == (True, request_row.ours), f"{theirs}\n{ours}"
        return
    assert ours.status == theirs.status, f"{theirs}\n{ours}"
    assert ours.fields == theirs.fields
    if request_row.body:
        assert comparable(served.ours, ours.body) == comparable(served.theirs, theirs.body)


# Applications that PasteDeploy describes.

PASTED = [
    "--paste site.ini",
    "--paster site.ini#other",
    "--paste site.ini#loud --paste-global mark=x --paste-global other=y",
    "--paste ../beside/site.ini --preload",
    "--paste site.ini app:app",
    "--paste site.ini -k gevent",
]


@pytest.mark.parametrize("line", PASTED)
def test_a_pasted_application_answers_as_under_gunicorn(beside: Path, line: str) -> None:
    with serve_both(beside, "-b", "{tcp}", "--no-control-socket", *line.split()) as both:
        theirs, ours = both.each(lambda server: ask(server, get("/")))
    assert (ours.status, ours.body) == (theirs.status, theirs.body) and b"LUE" in ours.body.upper()


def test_the_logging_of_a_pasted_file_is_that_of_the_server(beside: Path) -> None:
    said = []
    for command in (GUNICORN, PENSTOCK):
        server = Server("--paste", "logged.ini", "-b", "{tcp}", "--no-control-socket", cwd=beside)
        server.command = [*command, *server.command[1:]]
        with server:
            pass
        written = beside / "from-ini.log"
        said.append([line for line in written.read_text().splitlines() if "Starting" in line or "Using" in line])
        written.unlink()
    assert said[0] == said[1] == ["ini|Starting gunicorn 27.0.1", "ini|Using worker: sync"]


# Settings that change how requests are read.

# What a proxy says of its client before anything else.
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 7, 18, 103, 1, 187])


def proxied(header: bytes, target: str, **options: Any) -> Request:
    return Request(header + get(target).sent, **options)


UNKNOWN = "the PROXY protocol's 2.1: a receiver must accept it, and take the client for the connection's"
OUTSIDE = "a path outside of SCRIPT_NAME is the application's to judge"

RULES = [
    ("header_map = 'drop'", [get("/environ", "A_B: c")]),
    ("header_map = 'refuse'", [get("/environ", "A_B: c", fields=(), body=False), get("/environ", "A-B: c")]),
    ("header_map = 'dangerous'", [get("/environ", "A_B: c"), get("/environ", "A-B: c", "A_B: d")]),
    ("forwarder_headers = 'REMOTE_USER,X_Y'", [get("/environ", "REMOTE_USER: me", "X_Y: z", "X_Z: no")]),
    ("forwarded_allow_ips = '10.0.0.1'", [get("/environ", "SCRIPT_NAME: /environ"), get("/environ", "X-Forwarded-Proto: https")]),
    ("pass", [get("/environ", "SCRIPT_NAME: /app", ours=200, why=OUTSIDE)]),
    ("raw_env = ['SCRIPT_NAME=/app']", [get("/environ", ours=200, why=OUTSIDE), get("/app/keys"), get("/app")]),
    ("pass", [get("/app/environ", "SCRIPT_NAME: /app"), get("/environ/a%20b", "SCRIPT_NAME: /environ", body=False)]),
    ("secure_scheme_headers = {'X-TLS': 'yes'}", [get("/environ", "X-Tls: yes"), get("/environ", "X-Forwarded-Proto: https")]),
    ("casefold_http_method = True\npermit_unconventional_http_method = True", [get("/environ", method="geT")]),
    ("permit_unconventional_http_method = True", [get("/environ", method="get"), get("/environ", method="X")]),
    ("pass", [get("/", method=method, fields=(), body=False) for method in ("get", "GO", "A" * 21, "GE#T")]),
    ("limit_request_fields = 3", [get("/", fields=(), body=False), get("/", "A: b", "C: d", fields=(), body=False)]),
    ("limit_request_line = 30", [get("/short-enough"), get("/" + "x" * 40, fields=(), body=False)]),
    ("limit_request_field_size = 40", [get("/", "A: " + "b" * 20), get("/", "A: " + "b" * 60, fields=(), body=False)]),
    ("raw_env = ['SCRIPT_NAME=/environ']", [get("/environ/environ", body=False)]),
    ("forwarded_allow_ips = '127.0.0.0/8'", [get("/environ", "X-Forwarded-Proto: https", "SCRIPT_NAME: /environ")]),
    ("forwarded_allow_ips = '*'", [get("/environ", "X-Forwarded-Ssl: on", "X-Forwarded-For: 192.0.2.1")]),
    ("forwarder_headers = 'remote_user'", [get("/environ", "Remote_User: me", "Remote-User: other")]),
    ("forwarder_headers = '*'", [get("/environ", "Remote_User: me", "any_thing: x", "SCRIPT_NAME: /environ")]),
    ("forwarder_headers = '*'\nforwarded_allow_ips = '10.0.0.1'", [get("/environ", "Remote_User: me")]),
    ("proxy_protocol = True", [proxied(V1, "/environ"), proxied(V2, "/environ"), get("/environ")]),
    ("proxy_protocol = 'v1'", [proxied(V1, "/environ"), proxied(b"PROXY UNKNOWN\r\n", "/environ", ours=200, why=UNKNOWN)]),
    ("proxy_protocol = True", [proxied(b"PROXY nonsense\r\n", "/", fields=(), body=False)]),
    ("proxy_protocol = True\nproxy_allow_ips = '10.0.0.1'", [proxied(V1, "/", fields=(), body=False), get("/environ")]),
    ("proxy_protocol = True\nproxy_allow_ips = '10.0.0.1,127.0.0.0/24'", [proxied(V1, "/environ")]),
    ("pass", [proxied(V1, "/", fields=(), body=False)]),
    ("threads = 2", [get("/environ")]),
    ("workers = 2", [get("/environ")]),
]


@pytest.mark.parametrize(("text", "requests"), RULES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_setting_changes_requests_as_it_does_in_gunicorn(beside: Path, text: str, requests: list[Request]) -> None:
    (beside / "conf.py").write_text(text + "\n")
    with serve_both(beside, "-c", "conf.py", "-b", "{tcp}", "--no-control-socket", "app:app", wait="accept") as both:
        for row in requests:
            theirs, ours = both.each(lambda server, row=row: ask(server, row))
            if row.ours is not None:
                assert (theirs.status != row.ours, ours.status) == (True, row.ours), f"{row}\n{theirs}\n{ours}"
                continue
            assert ours.status == theirs.status, f"{row}\n{theirs}\n{ours}"
            if row.body:
                assert comparable(both.ours, ours.body) == comparable(both.theirs, theirs.body), str(row)


# The uwsgi protocol.

UWSGI = {
    "REQUEST_METHOD": "GET",
    "REQUEST_URI": "/environ?a=b",
    "PATH_INFO": "/environ",
    "QUERY_STRING": "a=b",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "HTTP_HOST": "site.example",
}


@pytest.mark.parametrize(
    ("allowed", "status"),
    # gunicorn answers whoever is not let in with 500, networks included: it does not know them here. Here a network is one,
    # and who is not let in gets no answer.
    [("", (200, 200)), ("*", (200, 200)), ("127.0.0.0/8", (500, 200)), ("10.0.0.1", (500, "closed"))],
)
def test_peers_that_speak_uwsgi_are_let_in_or_not(beside: Path, allowed: str, status: tuple[Any, Any]) -> None:
    block = b"".join(
        len(text).to_bytes(2, "little") + text for pair in UWSGI.items() for text in (part.encode() for part in pair)
    )
    packet = Request(bytes([0, *len(block).to_bytes(2, "little"), 0]) + block)
    options = ["--uwsgi-allow-from", allowed] if allowed else []
    arguments = ("-b", "{tcp}", "--no-control-socket", "--protocol", "uwsgi", *options, "app:app")
    with serve_both(beside, *arguments, wait="accept") as both:
        theirs, ours = both.each(lambda server: ask(server, packet))
    assert (theirs.status, ours.status) == status
    if ours.status == theirs.status:
        # Here the client is whom the web server names, and the target stands there under its name too.
        own = ("REMOTE_ADDR", "REMOTE_PORT", "REQUEST_URI", "SERVER_PORT")
        seen = [{k: v for k, v in json.loads(answer.body).items() if k not in own} for answer in (theirs, ours)]
        assert seen[0] == seen[1]


# Access lines.

ACCESS = [
    "%(h)s %(l)s %(u)s %(r)s %(s)s %(b)s %(f)s %(a)s",
    "%(m)s %(U)s %(q)s %(H)s %(B)s",
    '"%({x-tag}i)s" "%({Content-Type}o)s" "%({REQUEST_METHOD}e)s" "%({absent}i)s"',
    "%(nothing)s %% %(s)s",
]
ACCESSED = [
    get("/", "X-Tag: a\"b", "Referer: http://r/?q", "User-Agent: test/1", "Authorization: Basic bWU6c2VjcmV0"),
    get("/status?404%20Not%20Found"),
    get("/environ/%20?a=b", version="1.0"),
    get("/", method="HEAD"),
    get("/chunks"),
    get("/empty"),
]


@pytest.mark.parametrize("access_format", ACCESS)
def test_access_lines_are_gunicorns(beside: Path, access_format: str) -> None:
    (beside / "conf.py").write_text(f"access_log_format = {'LINE ' + access_format!r}\naccesslog = '-'\n")
    with serve_both(beside, "-c", "conf.py", "-b", "{tcp}", "--no-control-socket", "app:app") as both:

        def lines(server: Server) -> list[str]:
            for request_row in ACCESSED:
                ask(server, request_row)
            assert wait_until(lambda: server.log.count("LINE ") >= len(ACCESSED) + 1, 60.0), server.log
            # The first is the harness's own look.
            return [line for line in server.log.splitlines() if line.startswith("LINE ")][1:]

        theirs, ours = both.each(lines)
        assert ours == theirs


# Sockets.

BINDS = [
    ("127.0.0.1:{a}",),
    ("localhost:{a}",),
    ("[::1]:{a}",),
    ("tcp://127.0.0.1:{a}",),
    ("unix:{path}",),
    ("unix://{path}",),
    ("127.0.0.1:{a}", "127.0.0.1:{b}", "unix:{path}"),
    ("127.0.0.1:{a}", "[::1]:{b}"),
]


@pytest.mark.parametrize("binds", BINDS, ids=" ".join)
def test_addresses_are_listened_on_as_gunicorn_does(beside: Path, binds: tuple[str, ...]) -> None:
    seen = []
    for command in (GUNICORN, PENSTOCK):
        words = {"a": free_port(), "b": free_port(), "path": beside / "x.sock"}
        arguments = [word for bind in binds for word in ("-b", bind.format(**words))]
        server = Server(*arguments, "--no-control-socket", "app:app", cwd=beside, wait="nothing")
        server.command = [*command, *server.command[1:]]
        server.start()
        server.wait_for_log("Listening at: ")
        server.wait_for_log("Booting worker")
        listening = re.search(r"Listening at: (\S+) \(", server.log)
        assert listening is not None
        text = listening[1]
        for name, value in words.items():
            text = text.replace(str(value), name)
        is_socket = (beside / "x.sock").is_socket()
        seen.append((text, is_socket, server.stop(), (beside / "x.sock").exists()))
    assert seen[0] == seen[1]


# Signals.


@dataclass
class Effect:
    """What is there after a signal."""

    processes: int
    pidfile: bool
    exit_code: int | None
    answers: bool


SIGNALS: list[tuple[tuple[str, ...], str]] = [
    (("TTIN",), "Handling signal: ttin"),
    (("TTIN", "TTIN"), "Handling signal: ttin"),
    (("TTOU",), "Handling signal: ttou"),
    (("TTOU", "TTOU", "TTOU"), "Handling signal: ttou"),
    (("HUP",), "Hang up: Master"),
    (("TTIN", "HUP"), "Hang up: Master"),
    (("USR1",), "Handling signal: usr1"),
    (("WINCH",), "Handling signal: winch"),
    (("TERM",), "Handling signal: term"),
    (("INT",), "Handling signal: int"),
    (("QUIT",), "Handling signal: quit"),
]


def effect_of(server: Server, signals: tuple[str, ...], line: str, pidfile: Path) -> Effect:
    """Sends signals one after the other and looks when things have come to rest."""
    assert wait_until(lambda: len(server.processes()) == 3, 60.0)
    for name in signals:
        before = server.log.count(f"Handling signal: {name.lower()}")
        os.kill(server.pid, getattr(signal, f"SIG{name}"))
        seen = f"Handling signal: {name.lower()}"
        assert wait_until(lambda seen=seen, before=before: server.log.count(seen) > before, 60.0), server.log
    server.wait_for_log(line)
    if signals[-1] in ("TERM", "INT", "QUIT"):
        code = server.wait()
        return Effect(0, pidfile.exists(), code, False)
    steady: list[int] = []

    def at_rest() -> bool:
        steady.append(len(server.processes()))
        return len(steady) > 40 and len(set(steady[-40:])) == 1

    assert wait_until(at_rest, 60.0, every=0.05), steady
    return Effect(steady[-1], pidfile.exists(), None, server.get("/").status == 200)


@pytest.mark.parametrize(("signals", "line"), SIGNALS, ids=str)
def test_signals_have_the_effect_they_have_on_gunicorn(beside: Path, signals: tuple[str, ...], line: str) -> None:
    effects = []
    for command in (GUNICORN, PENSTOCK):
        pidfile = beside / "run.pid"
        arguments = ("-b", "{tcp}", "-w", "2", "-p", str(pidfile), "--no-control-socket", "app:app")
        server = Server(*arguments, cwd=beside)
        server.command = [*command, *server.command[1:]]
        server.start()
        try:
            assert int(pidfile.read_text()) == server.pid
            effects.append(effect_of(server, signals, line, pidfile))
        finally:
            if server.is_running:
                server.stop()
        assert not pidfile.exists()
    assert effects[0] == effects[1]
