"""The exception that a request gets which has taken too long, and how it reaches the main thread.

A thread other than the main one gets it from the server as soon as it runs Python code. The main thread gets it from a
signal's handler, which also ends a call of the system that it waits in, such as `time.sleep`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

#: A real-time signal, which nothing else in a worker uses: applications have their own ideas about the others.
SIGNAL = signal.SIGRTMAX - 2


class DeadlineExceeded(BaseException):
    """This request has taken longer than `--request-deadline` allows.

    Like `KeyboardInterrupt` it is no `Exception`: frameworks that turn those into an answer of their own let it
    through. `finally` and `with` do their work, then the client gets 504.
    """


def prepare_main_thread(is_due: Callable[[], bool]) -> None:
    """Have `SIGNAL` raise the exception in the main thread, if a request that it serves still is to get it."""

    def interrupt(number: int, frame: object) -> None:
        if is_due():
            raise DeadlineExceeded("the request has taken longer than the deadline allows")

    signal.signal(SIGNAL, interrupt)
