"""A WSGI application that says what reached it: behind web servers the tests look at nothing else.

``/environ`` shows the environ, ``/digest`` what was uploaded, ``/stream`` waits between its blocks until the test has seen
the first one (a file tells), ``/status/NNN`` answers so, ``/large-head`` has a head of many KiB, ``/broken`` fails in the middle,
with ``?length`` of an answer whose length is known, ``/endless`` notes the
end of a client that went away, ``/errors`` writes to wsgi.errors.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = 60.0


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/stream":
        return stream(environ, start_response)
    if path == "/endless":
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no")])
        return Endless(Path(environ["QUERY_STRING"]))
    if path.startswith("/status/"):
        number = path.removeprefix("/status/")
        start_response(f"{number} Said So", [("ETag", '"x"')] if number in ("204", "304") else [])
        return [] if number in ("204", "304") else [b"so\n"]
    if path == "/digest":
        return json_answer(start_response, digest(environ["wsgi.input"]))
    if path == "/broken":
        return broken(environ, start_response)
    if path == "/large-head":
        fields = [(f"X-Large-{number}", "v" * 1000) for number in range(3)]
        start_response("200 OK", [*fields, ("Content-Length", "2")])
        return [b"ok"]
    if path == "/errors":
        environ["wsgi.errors"].write("told the error stream\n")
    shown = {key: value if isinstance(value, str) else repr(value) for key, value in environ.items()}
    return json_answer(start_response, shown)


def json_answer(start_response: Any, answer: Any) -> list[bytes]:
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def digest(stream: Any) -> dict[str, Any]:
    sum_, length = hashlib.sha256(), 0
    while block := stream.read(65536):
        sum_.update(block)
        length += len(block)
    return {"sha256": sum_.hexdigest(), "length": length}


def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no")])
    yield b"first\n"
    seen, limit = Path(environ["QUERY_STRING"]), time.monotonic() + PATIENCE
    while not seen.exists() and time.monotonic() < limit:
        time.sleep(0.01)
    yield b"second\n" if seen.exists() else b"nobody saw the first\n"


def broken(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    length = [("Content-Length", "1000")] if environ["QUERY_STRING"] == "length" else []
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no"), *length])
    yield b"first\n"
    raise RuntimeError("broken in the middle of an answer")


class Endless:
    """Blocks without end; when it is closed, a file says so."""

    def __init__(self, note: Path) -> None:
        self.note = note

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    def close(self) -> None:
        self.note.write_text("closed")
