"""An HTTP/1 client that sends bytes as given and reads answers strictly.

It is the judge of the wire, so it forgives nothing: a line that ends in a bare LF, two framings at once or a
malformed chunk raise ``MalformedResponse``. It never repairs, retries, follows or reconnects.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

# A TCP address (host, port) or the path of a unix socket.
Address = tuple[str, int] | str
Framing = Literal["none", "length", "chunked", "close"]

STATUS_LINE = re.compile(rb"(HTTP/\d\.\d) (\d{3}) ([\t \x21-\x7e\x80-\xff]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[^\r\n]*)?")


class ConnectionEnded(Exception):
    """The server ended the connection where an answer should have begun."""

    def __init__(self, received: bytes, *, reset: bool) -> None:
        how = "reset" if reset else "closed"
        super().__init__(f"the server {how} the connection; received before that: {received!r}")
        self.received = received
        self.reset = reset


class MalformedResponse(Exception):
    """The bytes that arrived are not an HTTP/1 response."""


@dataclass(frozen=True)
class Response:
    """One response as it was on the wire."""

    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    # How the end of the body was told.
    framing: Framing = "none"
    # False when the connection ended before the framing said that the body was over.
    complete: bool = True
    # Sizes of the chunks, in order, without the last one (0).
    chunks: list[int] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    # Status codes of the 1xx responses that came first.
    interim: list[int] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """All values of a field, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """The value of a field that may be there once; ``MalformedResponse`` when it is there more often."""
        values = self.values(name)
        if len(values) > 1:
            raise MalformedResponse(f"{len(values)} {name} fields: {values}")
        return values[0] if values else None

    def closes(self) -> bool:
        """Whether the response announces that the connection ends after it."""
        options = [option.strip().lower() for value in self.values("Connection") for option in value.split(",")]
        return "close" in options

    def json(self) -> Any:
        """The body of an application that answers in JSON."""
        return json.loads(self.body)


class RawClient:
    """One connection. Every wait is limited by ``timeout`` seconds and then raises ``TimeoutError``."""

    def __init__(self, address: Address, *, timeout: float = 60.0, receive_buffer: int | None = None) -> None:
        family = socket.AF_UNIX
        if not isinstance(address, str):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.timeout = timeout
        self.socket.settimeout(timeout)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""
        self.ended = False
        self.was_reset = False

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Sending.

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.socket.sendall(data)

    def send_pieces(self, pieces: Iterable[bytes], pause: float) -> None:
        """Send pieces with ``pause`` seconds between them, so that the server reads them apart."""
        for piece in pieces:
            self.socket.sendall(piece)
            time.sleep(pause)

    def send_and_ignore_failure(self, data: bytes) -> None:
        """Send what the server takes; a server may answer and close before it has read everything."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent; answers can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection in the ordinary way."""
        self.socket.close()

    def reset(self) -> None:
        """Vanish: the server sees a reset, not an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Receiving.

    def get(self, target: str = "/", *fields: str) -> Response:
        """Send a GET with a Host field and the given fields, and read its answer."""
        return self.request("GET", target, *fields)

    def request(self, method: str, target: str, *fields: str, body: bytes | None = None) -> Response:
        """Send a request and read its answer. ``body`` adds a Content-Length."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", *fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        return self.read_response(method)

    def read_response(self, method: str = "GET") -> Response:
        """Read one final response to a request of that method, and note the 1xx responses before it."""
        interim: list[int] = []
        while True:
            head = self.read_head()
            if head.status == 101 or head.status >= 200:
                break
            interim.append(head.status)
        return self._read_body(head, method, interim)

    def read_head(self) -> Response:
        """Read one head, interim or final, and leave the body unread."""
        line = self._read_line(at_start=True)
        matched = STATUS_LINE.fullmatch(line)
        if not matched:
            raise MalformedResponse(f"not a status line: {line[:200]!r}")
        version, status, reason = (part.decode("latin-1") for part in matched.groups())
        return Response(version, int(status), reason, self._read_fields())

    def read_exactly(self, count: int) -> bytes:
        """Read ``count`` bytes, or fewer when the connection ends."""
        while len(self.buffer) < count and self._receive(count - len(self.buffer)):
            pass
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_until(self, text: bytes) -> bytes:
        """Read up to and including ``text``; ``ConnectionEnded`` when the connection ends before it."""
        while (at := self.buffer.find(text)) < 0:
            if not self._receive(1):
                raise ConnectionEnded(self.buffer, reset=self.was_reset)
        data, self.buffer = self.buffer[: at + len(text)], self.buffer[at + len(text) :]
        return data

    def read_to_end(self) -> bytes:
        """Read until the server ends the connection."""
        parts = [self.buffer]
        self.buffer = b""
        while self._receive(1 << 20):
            parts.append(self.buffer)
            self.buffer = b""
        return b"".join(parts)

    def is_silent(self, seconds: float) -> bool:
        """Whether the server says nothing, and does not hang up, for that long."""
        if self.buffer or self.ended:
            return False
        self.socket.settimeout(seconds)
        try:
            return not self._receive(1) and not self.ended
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(self.timeout)

    def expect_end(self) -> None:
        """Wait until the server ends the connection; more bytes before that are a fault."""
        extra = self.read_to_end()
        if extra:
            raise MalformedResponse(f"expected the end of the connection, got {extra[:500]!r}")

    def _receive(self, size: int) -> bool:
        """Add to the buffer; False at the end of the connection."""
        if self.ended:
            return False
        try:
            data = self.socket.recv(min(max(size, 1 << 16), 1 << 20))
        except (ConnectionResetError, BrokenPipeError):
            self.was_reset = True
            data = b""
        self.ended = not data
        self.buffer += data
        return bool(data)

    def _read_line(self, *, at_start: bool = False) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            if not self._receive(1):
                if at_start:
                    raise ConnectionEnded(self.buffer, reset=self.was_reset)
                raise MalformedResponse(f"the connection ended inside a line: {self.buffer[:200]!r}")
        line, self.buffer = self.buffer[: end + 1], self.buffer[end + 1 :]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise MalformedResponse(f"a line does not end in CR LF: {line[:200]!r}")
        return line[:-2]

    def _read_fields(self) -> list[tuple[str, str]]:
        fields = []
        while line := self._read_line():
            matched = FIELD_LINE.fullmatch(line)
            if not matched:
                raise MalformedResponse(f"not a field line: {line[:200]!r}")
            fields.append((matched[1].decode("latin-1"), matched[2].decode("latin-1")))
        return fields

    def _read_body(self, head: Response, method: str, interim: list[int]) -> Response:
        """RFC 9112 6.3: which of the framings holds."""
        codings = head.value("Transfer-Encoding")
        length = head.value("Content-Length")
        if codings is not None and length is not None:
            raise MalformedResponse(f"both framings: {head.headers}")
        if codings is not None and codings.lower() != "chunked":
            raise MalformedResponse(f"Transfer-Encoding: {codings}")
        if length is not None and not re.fullmatch("[0-9]+", length):
            raise MalformedResponse(f"Content-Length: {length}")
        parts: dict[str, Any] = {}
        if method == "HEAD" or head.status in (101, 204, 304):
            parts["framing"] = "none"
        elif codings is not None:
            parts = self._read_chunks()
        elif length is not None:
            body = self.read_exactly(int(length))
            parts = {"framing": "length", "body": body, "complete": len(body) == int(length)}
        else:
            parts = {"framing": "close", "body": self.read_to_end(), "complete": not self.was_reset}
        return Response(head.version, head.status, head.reason, head.headers, interim=interim, **parts)

    def _read_chunks(self) -> dict[str, Any]:
        chunks: list[int] = []
        pieces: list[bytes] = []
        parts: dict[str, Any] = {"framing": "chunked", "complete": False, "chunks": chunks}
        while True:
            if not self.buffer and not self._receive(1):
                break
            try:
                line = self._read_line()
            except MalformedResponse:
                if not self.ended:
                    raise
                break
            matched = CHUNK_LINE.fullmatch(line)
            if not matched:
                raise MalformedResponse(f"not a chunk size: {line[:200]!r}")
            size = int(matched[1], 16)
            if size == 0:
                parts.update(complete=True, trailers=self._read_fields())
                break
            data = self.read_exactly(size)
            pieces.append(data)
            chunks.append(len(data))
            if len(data) < size:
                break
            after = self.read_exactly(2)
            if after != b"\r\n":
                if self.ended and b"\r\n".startswith(after):
                    break
                raise MalformedResponse(f"after a chunk: {after!r}")
        parts["body"] = b"".join(pieces)
        return parts
