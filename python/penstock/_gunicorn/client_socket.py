"""The client's socket, as ``environ["gunicorn.socket"]`` has it.

The server shares the connection and needs it never to block, while applications expect a socket that waits. So one
without a timeout has a very long one here: Python then waits by itself, and the connection stays as it is.

Imported in a worker, when it is first asked for: with gevent, ``socket`` is gevent's by then.
"""

from __future__ import annotations

import socket

# Seconds; near the most that Python's sockets take.
FOR_EVER = 2_000_000.0


class ClientSocket(socket.socket):
    """A second handle on a client's connection; closing it leaves the server its own."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        super().__init__(family, type, proto, fileno)
        self.settimeout(None)

    def settimeout(self, value: float | None) -> None:
        """Seconds that an operation may wait; ``None``: for ever."""
        super().settimeout(FOR_EVER if value is None else value)

    def gettimeout(self) -> float | None:
        """What `settimeout` was given."""
        value = super().gettimeout()
        return None if value == FOR_EVER else value

    def setblocking(self, flag: bool) -> None:
        """Whether operations wait at all."""
        self.settimeout(None if flag else 0.0)
