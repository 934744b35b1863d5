"""What a worker does that is ended for a request that takes too long.

The master sends two signals. VTALRM: where each of the threads is goes into the error log, even when they are stuck
outside of Python. ABRT: as soon as the main thread runs Python code, a hook is called and the request in progress is
interrupted; if nothing of its answer has been sent, the client gets a 500. The worker leaves with code 1; if it cannot,
the master kills it a second later.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

#: Whether this process was told to end like that.
aborted = False


def prepare(log: int, interrupts: bool, hook: Callable[[], None] | None, crashes: bool) -> None:
    """Be ready for both. `log` is the error log's descriptor; without `interrupts` the request hears nothing of it;
    with `crashes` it is told there where the threads of a process are when it crashes.
    """
    if crashes:
        faulthandler.enable(file=log, all_threads=True)

    def abort(number: int, frame: FrameType | None) -> None:
        global aborted
        aborted = True
        try:
            if hook is not None:
                hook()
        finally:
            # The reactor leaves when it has its thread back; the exception gives it back.
            os.kill(os.getpid(), signal.SIGQUIT)
        sys.exit(1)

    signal.signal(signal.SIGABRT, abort if interrupts else signal.SIG_IGN)
    # Not ABRT itself: faulthandler keeps that for crashes, after which no Python code would run.
    faulthandler.register(signal.SIGVTALRM, file=log, all_threads=True)
