"""What belongs to one request: WebSockets, the client's connection, what is noted for the log.

The request meant is the one that the calling thread or greenlet serves. Where a function takes ``request_context``, it
is that of :func:`contextvars.copy_context`, so that another greenlet or thread may act for the request.

Waiting for descriptors is uWSGI's, in three steps: say what for, suspend, ask which. A thread waits; a greenlet lets
others go on.
"""

from __future__ import annotations

import contextvars
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from penstock._core import FileWrapper

#: What the current thread or greenlet is going to wait for: descriptor, events, seconds or None.
_Wait = tuple[int, int, float | None]
_waits: contextvars.ContextVar[tuple[_Wait, ...]] = contextvars.ContextVar("uwsgi_waits", default=())
_ready: contextvars.ContextVar[int] = contextvars.ContextVar("uwsgi_ready", default=-1)


class Requests:
    """The functions about requests. ``request`` is what the server offers."""

    def __init__(self, request: Any) -> None:
        self.request = request

    def names(self) -> dict[str, Any]:
        """The names in ``uwsgi``."""
        return {
            **self._web_sockets(),
            "request_context": contextvars.copy_context,
            "connection_fd": self.request.descriptor,
            "disconnect": self._in_context(self.request.disconnect),
            "start_response": self.request.start_response,
            "log_this_request": self.request.log,
            "set_logvar": self.request.note,
            "get_logvar": self.request.noted,
            "add_var": self.add_variable,
            "cl": lambda: int(self.request.environ().get("CONTENT_LENGTH") or 0),
            # A client that pauses is waited for as long as for any other body.
            "chunked_read": lambda timeout=0: self.request.body_part(True),
            "chunked_read_nb": lambda: self.request.body_part(False),
            "sendfile": send_file,
            "connect": connect,
            "is_connected": is_connected,
            "send": self.send,
            "recv": self.receive,
            "close": self.close,
            "wait_fd_read": lambda fd, timeout=0: wait_for(fd, select.POLLIN, timeout),
            "wait_fd_write": lambda fd, timeout=0: wait_for(fd, select.POLLOUT, timeout),
            "suspend": suspend,
            "green_schedule": suspend,
            "ready_fd": _ready.get,
            "async_sleep": sleep,
        }

    def _web_sockets(self) -> dict[str, Any]:
        def handshake(key: Any = None, origin: Any = None, proto: str | bytes | None = None) -> None:
            protocol = proto.decode() if isinstance(proto, bytes) else proto
            self.request.accept_websocket(protocol or None)

        receive = self._in_context(self.request.receive_message)
        send = self._in_context(self.request.send_message)
        return {
            "websocket_handshake": self._in_context(handshake),
            "websocket_recv": lambda **context: receive(True, **context),
            "websocket_recv_nb": lambda **context: receive(False, **context) or b"",
            "websocket_send": lambda message, **context: send(message, True, **context),
            "websocket_send_binary": lambda message, **context: send(message, False, **context),
        }

    @staticmethod
    def _in_context(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, request_context: contextvars.Context | None = None, **named: Any) -> Any:
            if request_context is None:
                return function(*arguments, **named)
            # One that is entered already could not be entered again.
            return request_context.copy().run(function, *arguments, **named)

        return call

    def add_variable(self, name: str | bytes, value: str | bytes) -> bool:
        """Add a variable to the request: to its environ, and for ``%(var.NAME)`` in the log."""
        name, value = _text(name), _text(value)
        self.request.environ()[name] = value
        self.request.note(f"var.{name}", value)
        return True

    def send(self, *what: Any) -> bool:
        """Send bytes by a descriptor."""
        fd, data = self._descriptor("send", what)
        os.write(fd, data.encode() if isinstance(data, str) else data)
        return True

    def receive(self, *what: Any) -> bytes:
        """Receive so many bytes at the most from a descriptor."""
        fd, size = self._descriptor("recv", what)
        return os.read(fd, size)

    def close(self, fd: int) -> None:
        """Close a descriptor, which is not that of the client's connection."""
        if self.request.is_there() and fd == self.request.descriptor():
            raise ValueError("the client's connection is the server's to close: use disconnect()")
        os.close(fd)

    def _descriptor(self, name: str, what: tuple[Any, ...]) -> tuple[int, Any]:
        if len(what) != 2:
            raise ValueError(f"{name}() needs a descriptor: of the request, read wsgi.input and return the answer")
        fd, value = what
        if self.request.is_there() and fd == self.request.descriptor():
            raise ValueError(f"{name}() with the client's connection would break the answer: return it instead")
        return fd, value


def _text(text: str | bytes) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text


def send_file(file: Any, block_size: int = 32768, *more: Any) -> Any:
    """What an application returns to have a file sent: by its path, or open."""
    if isinstance(file, str | bytes):
        file = open(file, "rb")  # noqa: SIM115 - closed when it is sent
    elif isinstance(file, int):
        file = os.fdopen(file, "rb")
    return FileWrapper(file, block_size)


def connect(address: str, timeout: float = 0) -> int:
    """Connect to ``HOST:PORT`` or the path of a unix socket; the descriptor, or -1."""
    host, colon, port = address.rpartition(":")
    try:
        if colon:
            return socket.create_connection((host or "127.0.0.1", int(port)), timeout or None).detach()
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(timeout or None)
        link.connect(address)
        return link.detach()
    except OSError:
        return -1


def is_connected(fd: int) -> bool:
    """Whether a socket has no error waiting."""
    try:
        with socket.socket(fileno=os.dup(fd)) as link:
            return link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    except OSError:
        return False


def wait_for(fd: int, events: int, timeout: float) -> bytes:
    """Say what the next :func:`suspend` waits for: for so many seconds, or however long it takes."""
    _waits.set((*_waits.get(), (fd, events, timeout if timeout > 0 else None)))
    return b""


def suspend() -> bool:
    """Wait for what was said: ``ready_fd()`` tells what has come, -1 if the time is over.

    Where nothing was said, others have their turn.
    """
    waits = _waits.get()
    _waits.set(())
    _ready.set(-1)
    if not waits:
        time.sleep(0)
        return True
    poll = select.poll()
    for fd, events, _ in waits:
        poll.register(fd, events)
    limits = [limit for *_, limit in waits if limit is not None]
    for fd, _ in poll.poll(min(limits) * 1000 if limits else None)[:1]:
        _ready.set(fd)
    return True


def sleep(seconds: float) -> bytes:
    """Wait so many seconds."""
    time.sleep(seconds)
    return b""
