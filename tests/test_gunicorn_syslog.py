"""gunicorn's syslog options, with real sockets: what arrives is what arrives from gunicorn itself."""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from harness import Server
from harness.processes import wait_until
from projects import copy_of

PROGRAMS = Path(sys.executable).parent
COMMANDS = [[str(PROGRAMS / "gunicorn")], [str(PROGRAMS / "penstock"), "gunicorn"]]


class Syslog:
    """A system log: everything that has come, message by message."""

    def __init__(self, kind: str, directory: Path) -> None:
        family = socket.AF_UNIX if kind.startswith("unix") else socket.AF_INET
        self.is_stream = kind in ("tcp", "unix#stream")
        self.socket = socket.socket(family, socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM)
        if family == socket.AF_UNIX:
            path = directory / "log"
            path.unlink(missing_ok=True)
            self.socket.bind(str(path))
            self.address = f"unix://{path}{kind.removeprefix('unix')}"
        else:
            self.socket.bind(("127.0.0.1", 0))
            self.address = f"{kind}://127.0.0.1:{self.socket.getsockname()[1]}"
        self.received: list[bytes] = []
        self.threads: list[threading.Thread] = []
        self.is_over = False

    def __enter__(self) -> Syslog:
        if self.is_stream:
            self.socket.listen()
        self.start(self.accept if self.is_stream else self.read, self.socket)
        return self

    def __exit__(self, *error: object) -> None:
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def start(self, what: Callable[[socket.socket], None], source: socket.socket) -> None:
        source.settimeout(0.1)
        self.threads.append(threading.Thread(target=what, args=(source,)))
        self.threads[-1].start()

    def accept(self, listening: socket.socket) -> None:
        with listening:
            while not self.is_over:
                with suppress(TimeoutError):
                    self.start(self.read, listening.accept()[0])

    def read(self, source: socket.socket) -> None:
        with source:
            while not self.is_over:
                with suppress(TimeoutError):
                    if not (data := source.recv(65536)):
                        return
                    self.received.append(data)

    @property
    def messages(self) -> list[str]:
        """Without what is different in every run: process ids and times."""
        parts = b"\0".join(self.received).decode().split("\0")
        return [re.sub(r"[\[(]\d+[\])]", "PID", re.sub(r"\[\d\d/\w+/[^]]*\]", "TIME", part)) for part in parts if part]


ROWS = [
    ("udp", ()),
    ("unix", ()),
    ("unix#dgram", ("--log-syslog-facility", "local3")),
    ("unix#stream", ("--log-syslog-prefix", "shop")),
    ("tcp", ("-n", "a:b")),
    ("udp", ("--disable-redirect-access-to-syslog", "--log-syslog-facility", "DAEMON")),
    ("udp", ("--log-level", "error")),
    ("udp", ("--access-logformat", "own %(m)s %(U)s")),
]


@pytest.mark.parametrize(
    ("kind", "options"), ROWS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else value
)
def test_the_same_messages_arrive_as_from_gunicorn(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    beside = copy_of("beside", tmp_path)
    seen = []
    for command in COMMANDS:
        with Syslog(kind, tmp_path) as syslog:
            arguments = ("-b", "{tcp}", "--no-control-socket", "--log-syslog", "--log-syslog-to", syslog.address)
            server = Server(*arguments, *options, "app:app", cwd=beside)
            server.command = [*command, *server.command[1:]]
            with server:
                server.get("/status?404%20Not%20Found", "User-Agent: test/1")
                server.get("/raise")

                def arrived(part: str, syslog: Syslog = syslog) -> list[str]:
                    return [message for message in syslog.messages if part in message]

                # An error is the last thing that is said, whatever the level.
                assert wait_until(lambda arrived=arrived: bool(arrived("on purpose")), 60.0), syslog.messages
                if "--disable-redirect-access-to-syslog" not in options and "error" not in options:
                    assert wait_until(lambda arrived=arrived: len(arrived(".access: ")) >= 3, 60.0), syslog.messages
            # Of the error: its first line, as tracebacks tell of the server's own files.
            port = str(server.address[1])
            told = [message.split("\n")[0].replace(port, "PORT") for message in syslog.messages]
            common = ("Starting", "Listening", "Using worker", "Error handling", "404", "own GET /status")
            # Each handler has a connection of its own to a stream: between them there is no order.
            seen.append(sorted(message for message in told if any(part in message for part in common)))
    assert seen[1] == seen[0]
    assert seen[0] != []
