"""gunicorn's names without gunicorn: what configurations import, loggers in Python, and programs that embed a server."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from harness import Server, StartServer
from harness.command import run_command
from harness.processes import free_port, wait_until
from projects import copy_of

# Whether or not gunicorn is installed, these tests do without.
HIDDEN = {"PYTHONPATH": str(Path(__file__).parent / "hidden")}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return copy_of("plain", tmp_path)


def configured(start_server: StartServer, plain: Path, text: str, *arguments: str) -> Server:
    (plain / "conf.py").write_text(text)
    return start_server("gunicorn", "-c", "conf.py", "-b", "{tcp}", *arguments, "demo:app", cwd=plain, environment=HIDDEN)


LOGGER = """
import gunicorn
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from gunicorn.workers.sync import SyncWorker

class Quiet(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.error_log.info("set up by %s", type(self).__name__)

    def atoms(self, resp, req, environ, request_time):
        return {**super().atoms(resp, req, environ, request_time), "own": req.path.upper()}

    def access(self, resp, req, environ, request_time):
        if req.path != "/":
            super().access(resp, req, environ, request_time)

logger_class = Quiet
accesslog = "-"
access_log_format = 'line %(own)s %(s)s %(b)s "%(r)s" "%({x-tag}i)s" %({content-type}o)s %({path_info}e)s %(nothing)s'

def post_fork(server, worker):
    assert isinstance(server, Arbiter) and isinstance(worker, Worker) and isinstance(worker, SyncWorker)
    worker.log.info("hooked under gunicorn %s", gunicorn.__version__)
"""


def test_a_logger_class_of_ones_own_gets_every_line_and_every_request(start_server: StartServer, plain: Path) -> None:
    server = configured(start_server, plain, LOGGER)
    assert server.get("/query?a", 'X-Tag: t"t').body == b"a"
    server.wait_for_log('line /QUERY 200 1 "GET /query?a HTTP/1.1" "t\\"t" text/plain /query -')
    server.stop()
    for expected in (
        "set up by Quiet",
        "hooked under gunicorn 27.0.1",
        "[INFO] Booting worker with pid",
        "Shutting down",
    ):
        assert expected in server.log, expected
    assert '"GET / HTTP' not in server.log


@pytest.mark.parametrize("how", ["logconfig_dict", "logconfig_json", "logconfig"])
def test_the_logging_module_can_be_configured(start_server: StartServer, plain: Path, how: str) -> None:
    handlers = {
        "errors": {"class": "logging.FileHandler", "filename": str(plain / "errors"), "formatter": "own"},
        "access": {"class": "logging.FileHandler", "filename": str(plain / "access"), "formatter": "own"},
    }
    own = {
        "version": 1,
        "formatters": {"own": {"format": "own|%(name)s|%(levelname)s|%(message)s"}},
        "handlers": handlers,
        "root": {"level": "INFO", "handlers": []},
        "loggers": {
            f"gunicorn.{name}": {"level": "INFO", "handlers": [handler], "propagate": False}
            for name, handler in (("error", "errors"), ("access", "access"))
        },
    }
    if how == "logconfig_dict":
        text = f"logconfig_dict = {own!r}"
    elif how == "logconfig_json":
        (plain / "log.json").write_text(json.dumps(own))
        text = "logconfig_json = 'log.json'"
    else:
        ini = "[loggers]\nkeys=root,e,a\n[handlers]\nkeys=e,a\n[formatters]\nkeys=own\n[formatter_own]\n"
        ini += "format=own|%(name)s|%(levelname)s|%(message)s\n[logger_root]\nlevel=INFO\nhandlers=\n"
        for key, name, file in (("e", "error", "errors"), ("a", "access", "access")):
            ini += f"[logger_{key}]\nlevel=INFO\nhandlers={key}\npropagate=0\nqualname=gunicorn.{name}\n"
            ini += f"[handler_{key}]\nclass=FileHandler\nformatter=own\nargs=({str(plain / file)!r},)\n"
        (plain / "log.ini").write_text(ini)
        text = "logconfig = 'log.ini'"
    server = configured(start_server, plain, text)
    server.get("/query?b")
    access, errors = plain / "access", plain / "errors"
    assert wait_until(lambda: "own|gunicorn.access|INFO|127.0.0.1 - - [" in access.read_text(), 60.0)
    assert "own|gunicorn.error|INFO|Booting worker with pid" in errors.read_text()
    access.rename(plain / "rotated")
    os.kill(server.pid, signal.SIGUSR1)

    def logged_anew() -> bool:
        # The master and the worker open the file anew, each in its own time.
        return server.get("/query?c").status == 200 and access.exists() and "/query?c" in access.read_text()

    assert wait_until(logged_anew, 60.0)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("logconfig = 'missing.ini'", "log config 'missing.ini' not found"),
        ("logconfig_dict = {'version': 1, 'handlers': {'h': {'class': 'no.such.Handler'}}}", "Error: "),
        ("logger_class = 'no.such.Logger'", "class uri 'no.such.Logger' invalid or not found"),
        ("syslog = True\nsyslog_facility = 'nobody'", "unknown facility name"),
        ("syslog = True\nsyslog_addr = 'ftp://x'", "invalid syslog address"),
    ],
)
def test_a_logger_that_cannot_be_had_ends_the_start(plain: Path, text: str, part: str) -> None:
    (plain / "conf.py").write_text(text)
    ended = run_command("gunicorn", "-c", "conf.py", "-b", "127.0.0.1:0", "demo:app", cwd=plain, environment=HIDDEN)
    assert ended.exit_code == 1 and part in ended.stderr, ended


def test_syslog_gets_both_logs(start_server: StartServer, plain: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(30)
        port = syslog.getsockname()[1]
        server = start_server(
            *("gunicorn", "-b", "{tcp}", "--log-syslog", "--log-syslog-to", f"udp://127.0.0.1:{port}"),
            *("--log-syslog-facility", "local3", "-n", "a:b", "demo:app"),
            cwd=plain,
            environment=HIDDEN,
        )
        first = syslog.recv(4096).decode()
        assert first.startswith("<158>gunicorn.a.b.error: [") and "Starting gunicorn" in first
        server.get("/query?seen")
        while "gunicorn.a.b.access: " not in (line := syslog.recv(4096).decode()) or "seen" not in line:
            pass


def test_statsd_gets_gunicorns_numbers(start_server: StartServer, plain: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(60)
        server = start_server(
            *("gunicorn", "-b", "{tcp}", "--statsd-host", f"127.0.0.1:{statsd.getsockname()[1]}"),
            *("--statsd-prefix", "svc.", "--dogstatsd-tags", "env:t", "demo:app"),
            cwd=plain,
        )
        server.get("/raise")
        missing = {
            "svc.gunicorn.workers:2|g|#env:t",
            "svc.gunicorn.requests:1|c|@1.0|#env:t",
            "svc.gunicorn.request.status.500:1|c|@1.0|#env:t",
            "svc.gunicorn.log.exception:1|c|@1.0|#env:t",
        }
        while missing:
            missing.discard(statsd.recv(4096).decode())


def test_statsd_is_told_how_many_connections_wait(start_server: StartServer, plain: Path, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as statsd:
        statsd.bind(str(tmp_path / "statsd"))
        statsd.settimeout(60)
        server = start_server(
            *("gunicorn", "-b", "{tcp}", "--statsd-host", f"unix://{tmp_path / 'statsd'}"),
            *("--enable-backlog-metric", "--log-level", "debug", "-w", "1", "demo:app"),
            cwd=plain,
        )

        def wait_for(number: bytes) -> None:
            # One a second, among few others.
            assert any(statsd.recv(4096) == b"gunicorn.backlog:" + number + b"|h" for _ in range(100))

        wait_for(b"0")
        # Requests that wait inside for the only thread count like those that wait outside.
        with server.connect() as busy, server.connect() as one, server.connect() as another:
            busy.send(f"GET /until?{go_on} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            server.wait_for_log("begun to wait for")
            for client in (one, another):
                client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            wait_for(b"2")
            server.wait_for_log("[DEBUG] socket backlog: 2")
            go_on.touch()
            assert [client.read_response().status for client in (busy, one, another)] == [200] * 3
        wait_for(b"0")


EMBEDDING = """
import multiprocessing, sys
import penstock
penstock.offer_gunicorn()
from gunicorn.app.base import BaseApplication
import demo

class Standalone(BaseApplication):
    def __init__(self, app, options=None):
        self.options = options or {}
        self.application = app
        super().__init__()

    def load_config(self):
        for key, value in self.options.items():
            if key in self.cfg.settings and value is not None:
                self.cfg.set(key.lower(), value)

    def load(self):
        return self.application

def when_ready(server):
    server.log.info("embedded with %s workers", server.cfg.workers)

if __name__ == "__main__":
    Standalone(demo.app, {"bind": sys.argv[1], "workers": 2, "when_ready": when_ready, "unheard_of": 1}).run()
"""


def test_a_program_that_embeds_gunicorn_serves_on_penstock(plain: Path) -> None:
    (plain / "serve.py").write_text(EMBEDDING)
    port = free_port()
    server = Server(f"127.0.0.1:{port}", cwd=plain, environment=HIDDEN)
    server.command = [sys.executable, "serve.py", f"127.0.0.1:{port}"]
    server.addresses["tcp"] = ("127.0.0.1", port)
    with server:
        before = server.get("/worker").body
        assert "embedded with 2 workers" in server.log and "Served by Penstock" in server.log
        os.kill(server.pid, signal.SIGHUP)
        assert wait_until(lambda: server.get("/worker").body != before and len(server.processes()) == 3, 60.0)
        assert server.stop() == 0


def test_what_is_not_offered_says_so(plain: Path) -> None:
    (plain / "conf.py").write_text("from gunicorn.util import make_coffee")
    ended = run_command("gunicorn", "-c", "conf.py", "demo:app", cwd=plain, environment=HIDDEN)
    assert ended.exit_code == 1 and "make_coffee" in ended.stderr, ended
