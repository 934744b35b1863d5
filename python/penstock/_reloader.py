"""Development reload: watches the files of imported modules and asks for a reload when one changes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable


def start(changed: Callable[[str], None], since: float, interval: float = 1.0) -> None:
    """Watch from a thread; `changed` is called with each file that is written after `since`, a time in Unix seconds.

    `since` is when the worker began to import: a change between that and the first look is not lost.
    """
    thread = threading.Thread(target=_watch, args=(changed, since, interval), name="penstock-reloader", daemon=True)
    thread.start()


def _watch(changed: Callable[[str], None], since: float, interval: float) -> None:
    known: dict[str, float] = {}
    pause = threading.Event()
    while True:
        for path in _source_files():
            try:
                modified = os.stat(path).st_mtime
            except OSError:
                continue
            before = known.get(path)
            known[path] = modified
            # Seen for the first time, only a time between the import and now is a sign of a change.
            if before != modified if before is not None else since <= modified <= time.time():
                changed(path)
        pause.wait(interval)


def _source_files() -> set[str]:
    files = (getattr(module, "__file__", None) for module in tuple(sys.modules.values()))
    return {file for file in files if file and file.endswith(".py")}
