"""Side by side with the original: the same command line, request or server for both, and what can be compared of it.

Leaves out: which original it is and what has to be the same. That is the tables' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.client import ConnectionEnded, MalformedResponse
from harness.command import Ended, run_command
from harness.server import Server

# The original's command and Penstock's.
Commands = Sequence[list[str]]


def run_with(
    commands: Commands, cwd: Path, arguments: list[str], environment: Mapping[str, str] | None = None
) -> tuple[Ended, Ended]:
    """The same arguments for both, to their end: one after the other where they listen on a socket of the same name."""
    is_shared = any(".sock" in argument for argument in arguments)
    with ThreadPoolExecutor(1 if is_shared else 2) as both:
        runs = [
            both.submit(run_command, *arguments, cwd=cwd, environment=environment, command=command, timeout=90)
            for command in commands
        ]
        return runs[0].result(), runs[1].result()


class Both:
    """Two servers with the same arguments: the original and Penstock."""

    def __init__(self, commands: Commands, cwd: Path, *arguments: str, **options: Any) -> None:
        self.theirs = Server(*arguments, cwd=cwd, **options)
        self.ours = Server(*arguments, cwd=cwd, **options)
        for server, command in zip((self.theirs, self.ours), commands, strict=True):
            server.command = [*command, *server.command[1:]]

    def __enter__(self) -> Both:
        self.theirs.start()
        try:
            self.ours.start()
        except BaseException:
            self.theirs.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for server in (self.theirs, self.ours):
            if server.is_running:
                server.stop()

    def each(self, what: Callable[[Server], Any]) -> tuple[Any, Any]:
        return what(self.theirs), what(self.ours)


@dataclass
class Request:
    """What is sent on a connection, and which parts of the answer must be the same."""

    sent: bytes
    # Of Penstock's answer, where it is another: the status, and why.
    ours: int | None = None
    why: str = ""
    # Fields that must have the same value.
    fields: tuple[str, ...] = ("content-type",)
    body: bool = True

    def __str__(self) -> str:
        return self.sent.split(b"\r\n\r\n")[0].decode("latin-1").replace("\r\n", " | ")[:60]


def get(
    target: str, *fields: str, version: str = "1.1", method: str = "GET", content: bytes = b"", **options: Any
) -> Request:
    lines = [f"{method} {target} HTTP/{version}", "Host: test:80", "Connection: close", *fields, "", ""]
    return Request("\r\n".join(lines).encode("latin-1") + content, **options)


def raw(text: str, **options: Any) -> Request:
    return Request(text.encode("latin-1"), **options)


@dataclass
class Answer:
    status: int | str
    fields: dict[str, list[str]]
    body: bytes


def ask(server: Server, request: Request) -> Answer:
    """What a server answers, or how it does not."""
    with server.connect() as client:
        client.send(request.sent)
        method = request.sent.split(b" ", 1)[0].decode("latin-1")
        try:
            response = client.read_response(method)
        except ConnectionEnded as ended:
            text = bytes(getattr(ended, "received", b""))
            head, _, body = text.partition(b"\r\n\r\n")
            status = int(head.split(b" ")[1]) if head.startswith(b"HTTP/") else "closed"
            return Answer(status, {}, body)
        except MalformedResponse:
            return Answer("malformed", {}, b"")
    names = request.fields
    interim = "".join(f"{status} first, " for status in response.interim).encode()
    return Answer(response.status, {name: response.values(name) for name in names}, interim + response.body)


def comparable(server: Server, body: bytes) -> bytes:
    """A body without what is different for every server: the port that it was given."""
    port = str(server.address[1]).encode()
    return re.sub(rb'"REMOTE_PORT": "\d+"', b'"REMOTE_PORT": "N"', body.replace(port, b"PORT"))
