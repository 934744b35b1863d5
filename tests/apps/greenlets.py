"""What an application under gevent does: it waits, streams, fails, reads slowly; it says what it runs in."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import gevent.event
import gevent.monkey

#: Whether the standard library was cooperative before this module was imported.
PATCHED_AT_IMPORT = gevent.monkey.is_module_patched("socket") and socket.socket.__module__.startswith("gevent")

waiting = 0
most_waiting = 0
everybody_there = gevent.event.Event()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """By path."""
    path = environ["PATH_INFO"].strip("/")
    if path == "raise":
        raise ValueError("as asked for")
    if path == "spin":
        while True:
            pass
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path.startswith("together/"):
        return [together(int(path.partition("/")[2]))]
    if path.startswith("sleep/"):
        time.sleep(float(path.partition("/")[2]))
        return [b"slept"]
    if path == "most-waiting":
        return [str(most_waiting).encode()]
    if path == "stream":
        return stream(5)
    if path == "large":
        return (b"x" * 65536 for _ in range(256))
    if path == "body":
        return [str(len(environ["wsgi.input"].read())).encode()]
    return [repr((PATCHED_AT_IMPORT, environ["wsgi.multithread"], threading.current_thread().name)).encode()]


def together(number: int) -> bytes:
    """Answers when this many requests wait at the same time."""
    global waiting, most_waiting
    waiting += 1
    most_waiting = max(most_waiting, waiting)
    if waiting == number:
        everybody_there.set()
    # A cooperative wait of the standard library, as an application would use it.
    while not everybody_there.is_set():
        time.sleep(0.01)
    waiting -= 1
    return str(number).encode()


def stream(number: int) -> Iterator[bytes]:
    """A line at a time."""
    for index in range(number):
        yield f"{index}\n".encode()
        time.sleep(0.05)
