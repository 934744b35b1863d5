"""What a HUP changes under gunicorn's dialect: settings that are read again, while the master stays."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest
from harness import RawClient, StartServer
from harness.processes import free_port, wait_until
from projects import copy_of


class Site:
    """A server, and the configuration file that it reads again."""

    def __init__(self, start_server: StartServer, directory: Path, text: str, *arguments: str) -> None:
        self.directory = copy_of("plain", directory)
        self.write(text)
        arguments = arguments or ("-b", "{tcp}")
        self.server = start_server("gunicorn", "-c", "conf.py", *arguments, "demo:app", cwd=self.directory)

    def write(self, text: str) -> None:
        (self.directory / "conf.py").write_text(text)

    def worker(self) -> str:
        return self.server.get("/worker").body.decode()

    def hup(self, text: str) -> None:
        """Reload with another configuration, and wait until only new workers answer."""
        before = self.worker()
        self.write(text)
        os.kill(self.server.pid, signal.SIGHUP)
        assert wait_until(lambda: self.worker() != before and before not in self.pids(), 60.0), self.server.log

    def pids(self) -> set[str]:
        return {str(pid) for pid in self.server.processes()}

    def read(self, name: str) -> str:
        path = self.directory / name
        return path.read_text() if path.exists() else ""

    def wait_for(self, name: str, text: str) -> None:
        assert wait_until(lambda: text in self.read(name), 60.0), self.read(name)


LOGS = "errorlog = '{0}.err'\naccesslog = '{0}.acc'\naccess_log_format = '{0} %(U)s'\nloglevel = '{1}'\n"


def test_logs_go_where_the_new_configuration_says(start_server: StartServer, tmp_path: Path) -> None:
    site = Site(start_server, tmp_path, LOGS.format("one", "info"))
    site.wait_for("one.acc", "one /\n")
    site.hup(LOGS.format("two", "debug"))
    site.server.get("/say?to-the-log")
    site.wait_for("two.err", "to-the-log")
    site.wait_for("two.acc", "two /say\n")
    # The master is heard there too, and at the new level; the old log has said all that it will say.
    site.wait_for("two.err", f"[{site.server.pid}] [DEBUG]")
    old = site.read("one.err")
    os.kill(site.server.pid, signal.SIGUSR1)
    site.wait_for("two.err", "Handling signal: usr1")
    assert (site.read("one.err"), "[DEBUG]" in old) == (old, False)


LOGGER = """
import logging
from gunicorn.glogging import Logger

class Own(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.error_log.handlers[0].setFormatter(logging.Formatter("own|%(message)s"))

logger_class = Own
errorlog = "own.err"
"""


def test_a_logger_in_python_comes_and_goes(start_server: StartServer, tmp_path: Path) -> None:
    site = Site(start_server, tmp_path, "errorlog = 'plain.err'")
    site.hup(LOGGER)
    site.wait_for("own.err", "own|Booting worker with pid: ")
    site.hup(LOGGER.replace("own.err", "again.err"))
    site.wait_for("again.err", "own|Booting worker with pid: ")
    site.hup("errorlog = 'plain.err'")
    os.kill(site.server.pid, signal.SIGUSR1)
    site.wait_for("plain.err", "[INFO] Handling signal: usr1")
    assert "usr1" not in site.read("again.err")


def test_the_applications_output_follows_the_log(start_server: StartServer, tmp_path: Path) -> None:
    site = Site(start_server, tmp_path, "errorlog = 'one.err'\ncapture_output = True\n")
    (site.directory / "demo.py").write_text("print('imported')\n" + (site.directory / "demo.py").read_text())
    site.hup("errorlog = 'two.err'\ncapture_output = True\nraw_env = ['PYTHONUNBUFFERED=1']")
    site.server.stop()
    assert "imported" in site.read("two.err")


def test_statsd_is_told_by_the_new_configuration(start_server: StartServer, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as statsd:
        statsd.bind(str(tmp_path / "statsd"))
        statsd.settimeout(60)
        site = Site(start_server, tmp_path, "")
        site.hup(f"statsd_host = 'unix://{tmp_path / 'statsd'}'\nstatsd_prefix = 'late'\n")
        # A unix socket holds ten messages, and the server waits for nobody: those about the requests so far make room.
        statsd.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while statsd.recv(4096):
                pass
        statsd.settimeout(60)
        site.server.get("/raise")
        assert any(statsd.recv(4096) == b"late.gunicorn.request.status.500:1|c|@1.0" for _ in range(100))


@pytest.mark.parametrize(
    "text", ["errorlog = 'nowhere/x.err'", "accesslog = 'nowhere/x.acc'", "logconfig = 'none.ini'"]
)
def test_a_log_that_cannot_be_had_leaves_the_old_one(start_server: StartServer, tmp_path: Path, text: str) -> None:
    site = Site(start_server, tmp_path, "errorlog = 'one.err'")
    site.write(f"errorlog = 'one.err'\n{text}")
    os.kill(site.server.pid, signal.SIGHUP)
    name = text.split("'")[1]
    site.wait_for("one.err", name)
    os.kill(site.server.pid, signal.SIGUSR1)
    site.wait_for("one.err", "Handling signal: usr1")
    assert site.server.get("/").status == 200


def test_variables_are_set_anew_and_taken_back(start_server: StartServer, tmp_path: Path) -> None:
    seen = "import os\nprint('found', os.environ.get('COLOUR'), os.environ.get('LANGUAGE'), flush=True)\n"
    site = Site(start_server, tmp_path, seen + "raw_env = ['COLOUR=blue', 'LANGUAGE=own']")
    language = os.environ.get("LANGUAGE")
    assert site.server.get("/environment?COLOUR").body == b"blue"
    site.hup(seen)
    assert site.server.get("/environment?COLOUR").body == b""
    assert site.server.get("/environment?LANGUAGE").body.decode() == (language or "")
    assert site.server.log.count(f"found None {language}") == 2


def test_changed_addresses_are_bound_and_others_are_let_go(start_server: StartServer, tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    bind = "bind = ['127.0.0.1:{}', '127.0.0.1:{}']"
    directory = copy_of("plain", tmp_path)
    (directory / "conf.py").write_text(bind.format(ports[0], ports[1]))
    server = start_server("gunicorn", "-c", "conf.py", "demo:app", cwd=directory, wait="nothing")

    def answers(port: int) -> bool:
        try:
            with RawClient(("127.0.0.1", port)) as client:
                return client.get("/", "Connection: close").status == 200
        except OSError:
            return False

    assert wait_until(lambda: answers(ports[0]) and answers(ports[1]), 60.0), server.log
    (directory / "conf.py").write_text(bind.format(ports[1], ports[2]))
    os.kill(server.pid, signal.SIGHUP)
    assert wait_until(lambda: answers(ports[2]) and not answers(ports[0]), 60.0), server.log
    assert answers(ports[1])


def test_the_pidfile_and_the_name_follow(start_server: StartServer, tmp_path: Path) -> None:
    site = Site(start_server, tmp_path, "pidfile = 'one.pid'\nproc_name = 'one'")
    assert site.read("one.pid").strip() == str(site.server.pid)
    site.hup("pidfile = 'two.pid'\nproc_name = 'two'\nworkers = 2")
    site.wait_for("two.pid", str(site.server.pid))
    assert not (site.directory / "one.pid").exists()
    assert wait_until(lambda: len(site.pids()) == 3, 60.0)
