"""The time that each task of a process beside the workers has (``mule-harakiri``, ``spooler-harakiri``).

The kernel keeps it: SIGALRM ends the process whatever its code is stuck in, and the master says so and starts another.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """End this process when the block takes longer than that; 0 is for ever."""
    if not seconds:
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
