"""A real Redis server on a free port, for as long as a test lasts."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from harness.processes import free_port, wait_until

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")


class Redis:
    """A server whose data is in `directory`; can be stopped, killed and started again on its port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        assert PROGRAM is not None
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes")
        words = (PROGRAM, *options, "--appendfsync", "always", "--dir", str(self.directory))
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert wait_until(lambda: self.command("PING") == "+PONG", 60.0)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def command(self, *words: str) -> str:
        """The first line of an answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as link:
                lines = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
                link.sendall(f"*{len(words)}\r\n{lines}".encode())
                return link.recv(4096).decode().split("\r\n")[0]
        except OSError as error:
            return str(error)
