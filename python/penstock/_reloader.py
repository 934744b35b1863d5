"""Development reload: watches sources and asks for a reload when one changes.

Sources are the files of imported modules, and, where directories are named, the Python files in them and whatever
matches the patterns given; and the files, or globs of files, that are named in addition.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

#: File and directory names that are never watched, unless they are asked for.
NEVER = (".*", "*.py[cod]", ".sw.*", "~*", "__pycache__")


def start(
    changed: Callable[[list[str]], None],
    since: float,
    interval: float = 1.0,
    directories: tuple[str, ...] = (),
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
) -> None:
    """Watch from a thread; `changed` is called with the files that are written after `since`, a time in Unix seconds.

    `since` is when the worker began to import: a change between that and the first look is not lost.
    """
    if include and not directories:
        directories = (".",)
    # The paths of imported modules are absolute too: a file shall have one name.
    directories = tuple(os.path.abspath(directory) for directory in directories)

    def files() -> Iterator[str]:
        yield from _imported_files(exclude)
        for pattern in extra:
            yield from glob.glob(pattern, recursive=True)
        for directory in directories:
            yield from _files_below(directory, ("*.py", *include), exclude)

    thread = threading.Thread(target=_watch, args=(files, changed, since, interval), name="penstock-reloader")
    thread.daemon = True
    thread.start()


def _watch(
    files: Callable[[], Iterator[str]], changed: Callable[[list[str]], None], since: float, interval: float
) -> None:
    known: dict[str, float] = {}
    pause = threading.Event()
    while True:
        found = []
        for path in files():
            try:
                modified = os.stat(path).st_mtime
            except OSError:
                continue
            before = known.get(path)
            known[path] = modified
            # Seen for the first time, only a time between the import and now is a sign of a change.
            if before != modified if before is not None else since <= modified <= time.time():
                found.append(path)
        if found:
            changed(found)
        pause.wait(interval)


def _imported_files(exclude: tuple[str, ...]) -> set[str]:
    files = (getattr(module, "__file__", None) for module in tuple(sys.modules.values()))
    return {file for file in files if file and file.endswith(".py") and not _matches(file, exclude)}


def _files_below(directory: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> Iterator[str]:
    never = tuple(pattern for pattern in NEVER if pattern not in include) + exclude
    for path, names, files in os.walk(directory):
        names[:] = [name for name in names if not _matches(os.path.join(path, name), never)]
        for name in files:
            file = os.path.join(path, name)
            if _matches(file, include) and not _matches(file, never):
                yield file


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern fits the file's name, its whole path, or the end of that (`static/*.css`)."""
    name = os.path.basename(path)
    return any(
        fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"*/{pattern}")
        for pattern in map(os.path.normpath, patterns)
    )
