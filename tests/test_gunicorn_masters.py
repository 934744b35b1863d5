"""gunicorn's masters: a new one beside the old (USR2), sockets that are inherited, and what systemd is told."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from harness import RawClient, Server, StartServer
from harness.command import Ended, daemon
from harness.processes import free_port, processes_of, wait_until
from load import Load
from projects import copy_of


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return copy_of("plain", tmp_path)


def pid_in(path: Path) -> int | None:
    """The process id in a pidfile that may not be there yet."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


class Upgrade:
    """A daemon whose master has been told to start another."""

    def __init__(self, plain: Path, tmp_path: Path, mark: str, port: int) -> None:
        self.address = ("127.0.0.1", port)
        self.pidfile = tmp_path / "run.pid"
        self.second = tmp_path / "run.pid.2"
        self.log_file = tmp_path / "server.log"
        self.mark = mark
        assert wait_until(lambda: pid_in(self.pidfile) is not None and self.answers(), 60.0), self.log
        self.old = pid_in(self.pidfile) or 0
        self.begin()

    def begin(self) -> None:
        os.kill(self.old, signal.SIGUSR2)
        assert wait_until(lambda: pid_in(self.second) is not None, 60.0), self.log
        self.new = pid_in(self.second) or 0
        assert wait_until(lambda: self.ppid_of_workers(self.new), 60.0), self.log

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def answers(self) -> bool:
        try:
            return self.get("/") == "hello from demo"
        except OSError:
            return False

    def get(self, target: str) -> str:
        with RawClient(self.address) as client:
            return client.get(target, "Connection: close").body.decode()

    def ppid_of_workers(self, master: int) -> bool:
        """Whether a worker of that master has answered."""
        return any(f'"ppid": {master},' in self.get("/facts") for _ in range(4))

    def only(self, master: int) -> bool:
        """Whether that master and its two workers are all there is."""
        found = set(processes_of(-1, self.mark))
        return master in found and len(found) == 3


def started(plain: Path, tmp_path: Path, port: int, *arguments: str) -> AbstractContextManager[Ended]:
    return daemon(
        *("gunicorn", "-D", "-w", "2", "-b", f"127.0.0.1:{port}", "-p", str(tmp_path / "run.pid")),
        *("--log-file", str(tmp_path / "server.log"), *arguments, "demo:app"),
        cwd=plain,
    )


def test_a_new_master_takes_over_without_a_lost_request(plain: Path, tmp_path: Path) -> None:
    port = free_port()
    with started(plain, tmp_path, port) as ended:
        upgrade = Upgrade(plain, tmp_path, ended.mark, port)
        with Load(upgrade.address, kept=2, fresh=2) as load:
            assert pid_in(upgrade.pidfile) == upgrade.old != upgrade.new
            os.kill(upgrade.old, signal.SIGUSR2)
            assert wait_until(lambda: "USR2 signal ignored. Child exists." in upgrade.log, 60.0)
            os.kill(upgrade.new, signal.SIGUSR2)
            assert wait_until(lambda: "USR2 signal ignored. Parent exists." in upgrade.log, 60.0)
            load.wait_for_answers(100)
            os.kill(upgrade.old, signal.SIGTERM)
            assert wait_until(lambda: "Master has been promoted." in upgrade.log, 60.0), upgrade.log
            assert wait_until(lambda: pid_in(upgrade.pidfile) == upgrade.new, 60.0)
            load.wait_for_answers(100)
        print(load)
        assert load.failures == [], str(load)
        assert not upgrade.second.exists()
        assert wait_until(lambda: upgrade.only(upgrade.new), 60.0), processes_of(-1, ended.mark)
        # And once more: a promoted master can be replaced itself.
        upgrade.old = upgrade.new
        upgrade.begin()
        os.kill(upgrade.new, signal.SIGTERM)
        assert wait_until(lambda: upgrade.only(upgrade.old), 60.0)
        os.kill(upgrade.old, signal.SIGTERM)
        assert wait_until(lambda: not processes_of(-1, ended.mark), 60.0)
        assert not upgrade.pidfile.exists()


def test_an_upgrade_is_rolled_back(plain: Path, tmp_path: Path) -> None:
    port = free_port()
    with started(plain, tmp_path, port) as ended:
        upgrade = Upgrade(plain, tmp_path, ended.mark, port)
        os.kill(upgrade.old, signal.SIGWINCH)
        # Two masters, and two workers of the new one: the old one's have gone home.
        assert wait_until(lambda: len(processes_of(-1, ended.mark)) == 4, 60.0), processes_of(-1, ended.mark)
        assert upgrade.answers()
        os.kill(upgrade.old, signal.SIGHUP)
        assert wait_until(lambda: upgrade.ppid_of_workers(upgrade.old), 60.0), upgrade.log
        os.kill(upgrade.new, signal.SIGQUIT)
        assert wait_until(lambda: upgrade.only(upgrade.old) and not upgrade.second.exists(), 60.0), upgrade.log
        assert upgrade.answers() and pid_in(upgrade.pidfile) == upgrade.old


def test_the_hook_runs_before_the_new_master_is_executed(plain: Path, tmp_path: Path) -> None:
    (plain / "hook.py").write_text(
        "import os\n\ndef pre_exec(server):\n    server.log.info('exec in %s of %s', os.getpid(), server.pid)\n"
    )
    port = free_port()
    with started(plain, tmp_path, port, "-c", "hook.py") as ended:
        upgrade = Upgrade(plain, tmp_path, ended.mark, port)
        assert f"exec in {upgrade.new} of {upgrade.old}" in upgrade.log


ACTIVATION = """
import os, socket, sys
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("127.0.0.1", int(sys.argv[1])))
listening.listen()
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
if "fd://3" not in sys.argv:
    os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), "1"
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("bind", ["127.0.0.1:1", "fd://3"])
def test_an_inherited_socket_is_served_by_its_number_or_in_the_place_of_every_address(plain: Path, bind: str) -> None:
    (plain / "activate.py").write_text(ACTIVATION)
    port = free_port()
    server = Server("gunicorn", "-b", bind, "demo:app", cwd=plain)
    server.command = [sys.executable, "activate.py", str(port), *server.command]
    server.addresses["tcp"] = ("127.0.0.1", port)
    with server:
        assert server.get("/").status == 200
        assert server.get("/environment?LISTEN_FDS").body == b""
        assert wait_until(lambda: len(server.processes()) == 3, 60.0), server.log
        old_workers = set(server.processes()) - {server.pid}
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_log("Reload finished")
        # Only new workers are left to answer, from the socket that the master was given.
        assert wait_until(lambda: not old_workers & set(server.processes()), 60.0), server.log
        assert server.get("/").status == 200
        assert server.stop() == 0


def test_systemd_hears_how_the_server_is(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(60)
        server = Server(
            *("gunicorn", "-b", "{tcp}", "-w", "2", "demo:app"),
            cwd=plain,
            environment={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"},
        )

        def next_but_watchdog() -> str:
            while (message := systemd.recv(4096).decode()) == "WATCHDOG=1\n":
                pass
            return message

        with server:
            first = next_but_watchdog()
            assert first.startswith("READY=1\n") and f"MAINPID={server.pid}\n" in first
            assert "2 workers serve" in first and server.log.count("Booting worker") == 2
            while systemd.recv(4096) != b"WATCHDOG=1\n":
                pass
            os.kill(server.pid, signal.SIGHUP)
            assert re.match(r"RELOADING=1\nMONOTONIC_USEC=\d+\n", next_but_watchdog())
            assert next_but_watchdog().startswith("READY=1\n")
            os.kill(server.pid, signal.SIGTERM)
            assert next_but_watchdog().startswith("STOPPING=1\n")


def test_with_reuse_port_each_worker_has_its_own_socket(plain: Path, start_server: StartServer) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "-w", "2", "--reuse-port", "demo:app", cwd=plain)
    assert f"Listening at:  ({server.pid})" in server.log
    port = f"{server.address[1]:04X}"

    def listening() -> int:
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return sum(line[1].endswith(f":{port}") and line[3] == "0A" for line in lines)

    assert wait_until(lambda: listening() == 2, 60.0), listening()
    assert all(server.get("/").status == 200 for _ in range(20))
