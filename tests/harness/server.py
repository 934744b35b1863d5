"""A server under test: start a command line, wait until it serves, stop it, prove that nothing is left.

The command is ``penstock`` beside the running Python, or what ``PENSTOCK_COMMAND`` says (words are split as a shell
does). When that command is itself called ``gunicorn`` or ``uwsgi`` it stands for the dialect of that name, which is
how the tests are tried on the originals and on symlinks.

Leaves out: daemons (they leave the session; their tests follow the pidfile) and what log lines mean.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

from harness.client import Address, ConnectionEnded, RawClient, Response
from harness.processes import MARK, free_port, port_is_free, processes_of, wait_until

# Applications under test; the default working directory of a server.
APPLICATIONS = Path(__file__).resolve().parent.parent / "apps"

# What a log must never hold, whatever was sent: a panic of ours, wsgiref.validate finding an unclosed iterable, and
# asyncio finding a task or a coroutine that was left behind.
FORBIDDEN_IN_LOGS = (
    "panicked at",
    "RUST_BACKTRACE",
    "garbage collected without being closed",
    "Task was destroyed",
    "was never awaited",
)

START_SECONDS = 60.0
STOP_SECONDS = 60.0


class ServerFault(Exception):
    """The server did not start, did not stop, or left something behind. Carries the end of its log."""


def command_for(arguments: tuple[str, ...]) -> list[str]:
    """The command line for ``gunicorn ...``, ``uwsgi ...`` or Penstock's own arguments."""
    given = os.environ.get("PENSTOCK_COMMAND")
    command = shlex.split(given) if given else [str(Path(sys.executable).parent / "penstock")]
    if arguments and Path(command[0]).name == arguments[0]:
        return [*command, *arguments[1:]]
    return [*command, *arguments]


class Server:
    """A running server.

    In ``arguments`` and the values of ``environment`` these words are replaced, and addresses are made up for them:
    ``{tcp}`` ``{tcp2}`` (127.0.0.1:port), ``{port}`` (a port of 127.0.0.1), ``{tcp6}`` ([::1]:port), ``{unix}`` (a path), ``{directory}`` (the server's
    own temporary directory, removed when it stops). The first of them is ``address``.

    ``wait`` says when the server counts as started: it has answered ``GET /`` (whatever the status), accepted a
    connection, or nothing is waited for.
    """

    def __init__(
        self,
        *arguments: str,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        wait: Literal["answer", "accept", "nothing"] = "answer",
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="penstock-"))
        self.addresses: dict[str, Address] = {}
        self.exit_code: int | None = None
        self._mark = uuid.uuid4().hex
        self._log_path = self.directory / "output.log"
        self._final_log: str | None = None
        self._wait = wait
        self._cwd = cwd or APPLICATIONS
        words = self._make_up_addresses(" ".join([*arguments, *(environment or {}).values()]))
        self.command = command_for(tuple(_fill(argument, words) for argument in arguments))
        inherited = {key: value for key, value in os.environ.items() if key not in DISTURBING}
        own = {key: _fill(value, words) for key, value in (environment or {}).items()}
        self._environment = {**inherited, "PYTHONDONTWRITEBYTECODE": "1", **own, MARK: self._mark}

    def _make_up_addresses(self, text: str) -> dict[str, str]:
        words = {"directory": str(self.directory)}
        for word in ("tcp", "tcp2", "tcp3", "tcp6", "unix", "port"):
            if "{" + word + "}" not in text:
                continue
            if word == "unix":
                self.addresses[word] = words[word] = str(self.directory / "server.sock")
                continue
            host = "::1" if word == "tcp6" else "127.0.0.1"
            port = free_port(host)
            self.addresses[word] = (host, port)
            words[word] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            if word == "port":
                words[word] = str(port)
        return words

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Its life.

    def start(self) -> None:
        """Start, and wait as ``wait`` says; ``ServerFault`` when the process ends or takes too long."""
        with self._log_path.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while self._wait != "nothing" and not self._is_up():
            if self.process.poll() is not None:
                code = self.process.returncode
                self._forget()
                raise self._fault(f"exited with {code} while starting")
            if time.monotonic() > deadline:
                self.kill()
                raise self._fault(f"did not {self._wait} within {START_SECONDS:.0f} s")
            time.sleep(0.01)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop by a signal to the master and prove that nothing is left; the exit code."""
        if self._final_log is not None:
            return self.exit_code or 0
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of a server that was told to stop and prove that nothing is left; the exit code."""
        try:
            self.exit_code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._fault(f"still ran {STOP_SECONDS:.0f} s after being told to stop") from None
        left = {} if wait_until(lambda: not self.processes(), STOP_SECONDS) else self.processes()
        busy = [address for address in self.addresses.values() if not self._is_released(address)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self._forget()
        if left:
            raise self._fault(f"left processes behind: {left}")
        if busy:
            raise self._fault(f"still listens on {busy}")
        for phrase in FORBIDDEN_IN_LOGS:
            if phrase in self.log:
                raise self._fault(f"wrote {phrase!r} to its log")
        return self.exit_code

    def kill(self) -> None:
        """Kill every process of this server at once."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.exit_code = self.process.wait()
        self._forget()

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            return False
        try:
            with RawClient(self.address, timeout=START_SECONDS) as client:
                if self._wait == "answer":
                    client.get("/", "Connection: close")
                return True
        except (OSError, ConnectionEnded):
            return False

    def _is_released(self, address: Address) -> bool:
        if isinstance(address, str):
            try:
                RawClient(address).close()
            except OSError:
                return True
            return False
        return port_is_free(*address)

    def _forget(self) -> None:
        if self._final_log is None:
            self._final_log = self.log
            shutil.rmtree(self.directory, ignore_errors=True)

    def _fault(self, what: str) -> ServerFault:
        return ServerFault(f"{shlex.join(self.command)}: {what}\n--- its output ---\n{self.log[-4000:]}")

    # What can be seen of it.

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not been stopped or found dead by this object."""
        return hasattr(self, "process") and self._final_log is None

    @property
    def pid(self) -> int:
        """Process id of the master."""
        return self.process.pid

    @property
    def address(self) -> Address:
        """The first address it listens on."""
        return next(iter(self.addresses.values()))

    @property
    def log(self) -> str:
        """Everything it has written to standard output and error, also after its end."""
        if self._final_log is not None:
            return self._final_log
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def processes(self) -> dict[int, str]:
        """Its living processes: id and command line, the master included."""
        return processes_of(self.process.pid, self._mark)

    def wait_for_log(self, text: str, timeout: float = 60.0) -> None:
        """Wait until the log holds ``text``."""
        if not wait_until(lambda: text in self.log, timeout):
            raise self._fault(f"did not write {text!r} to its log within {timeout:.0f} s")

    def connect(
        self, address: str | None = None, *, timeout: float = 60.0, receive_buffer: int | None = None
    ) -> RawClient:
        """A new connection to its first address, or to the one made up for that word."""
        where = self.addresses[address] if address else self.address
        return RawClient(where, timeout=timeout, receive_buffer=receive_buffer)

    def get(self, target: str = "/", *fields: str) -> Response:
        """One GET on a connection of its own."""
        return self.request("GET", target, *fields)

    def request(self, method: str, target: str, *fields: str, body: bytes | None = None) -> Response:
        """One request on a connection of its own."""
        with self.connect() as client:
            return client.request(method, target, "Connection: close", *fields, body=body)


def _fill(text: str, words: Mapping[str, str]) -> str:
    """Replace the made-up words; other braces stay, application factories are full of them."""
    for word, value in words.items():
        text = text.replace("{" + word + "}", value)
    return text


# Variables of the tester's shell that would change what a server does.
DISTURBING = frozenset(
    {"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "PORT", "SCRIPT_NAME", "SENDFILE"}
)
