"""The spooler: tasks as files in a directory, written by any process, done by processes of their own.

A task is on disk before ``spool()`` returns, under a name that nobody looks at until it is whole; it goes when it is
done. Whoever does it holds a lock on its file, which its death releases: a task is done at least once, whatever is
killed. A file that is no task is set aside into ``corrupt/`` and named.

In place of a directory there may be a Redis server: tasks are whole once it has them, and a lease that has to be
renewed takes the place of the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from penstock._uwsgi import tasks
from penstock._uwsgi.limit import at_most
from penstock._uwsgi.signals import Signals, read_bytes, readable

#: What a task's function returns: it is done; try again; it is not mine.
OK, RETRY, IGNORE = -2, -1, 0

PREFIX = "uwsgi_spoolfile_on_"
_numbers = itertools.count()


class Spooler:
    """The directories of tasks, for whoever gives tasks and whoever does them."""

    def __init__(self, server: Any, bells: Any, remotes: list[Any], signals: Signals) -> None:
        self.server = server
        self.bells = bells
        #: For each directory, what stands in its place.
        self.remotes = remotes
        self.signals = signals
        self.directories: list[str] = [os.fspath(path) for path in bells.task_directories()]
        self.frequency = 30.0
        self.is_leaving = False
        self.is_at_work = False
        #: Seconds that a task may take; 0: no limit.
        self.harakiri = 0

    def names(self) -> dict[str, Any]:
        """The names in ``uwsgi``; tasks can only be given where there is a directory for them."""
        names: dict[str, Any] = {"SPOOL_OK": OK, "SPOOL_RETRY": RETRY, "SPOOL_IGNORE": IGNORE}
        names["i_am_the_spooler"] = lambda: self.server.is_spooler or None
        if self.directories:
            names["spool"] = names["send_to_spooler"] = self.give
            names["spooler_jobs"] = self.jobs
            names["spooler_get_task"] = self.task
            names["set_spooler_frequency"] = self.set_frequency
            names["spooler_pids"] = self.bells.spooler_pids
            names["spooler_pid"] = lambda: next(iter(self.bells.spooler_pids()), 0)
            names["spoolers"] = tuple(os.fsencode(directory) for directory in self.directories)
        return names

    def set_frequency(self, seconds: float) -> bool:
        """How often this process looks for tasks whose time has come."""
        self.frequency = max(1.0, float(seconds))
        return True

    # Giving tasks.

    def give(self, task: dict[Any, Any] | None = None, /, **more: Any) -> bytes:
        """Put a task into a directory; the name of its file. When this returns, the task is on disk."""
        variables = {_bytes(name): value for name, value in {**(task or {}), **more}.items()}
        directory = self._directory(variables.pop(b"spooler", None))
        priority = variables.pop(b"priority", None)
        at = variables.pop(b"at", None)
        body = _bytes(variables.pop(b"body", b""))
        content = tasks.encode({name: _bytes(value) for name, value in variables.items()}, body)
        remote = self.remotes[directory]
        if remote is not None:
            given, due = time.time(), None if at is None else float(_plain(at))
            rank = None if priority is None else int(priority)
            task_name = remote.put(content, rank, int((due or given) * 1000), int(given * 1_000_000))
            self.bells.announce_task(directory)
            return os.fsencode(task_name)
        place = os.path.join(self.directories[directory], str(int(priority))) if priority is not None else ""
        path = _write(place or self.directories[directory], content, None if at is None else float(_plain(at)))
        self.bells.announce_task(directory)
        return os.fsencode(path)

    def _directory(self, wanted: Any) -> int:
        if wanted is None:
            return 0
        path = os.path.realpath(os.fsdecode(wanted))
        for index, directory in enumerate(self.directories):
            if os.path.realpath(directory) == path:
                return index
        raise ValueError(f"{path} is no directory of tasks (option spooler): {', '.join(self.directories)} are")

    def jobs(self) -> list[bytes]:
        """The names of all tasks."""
        found: list[bytes] = []
        for directory, remote in zip(self.directories, self.remotes, strict=True):
            found += map(os.fsencode, _files(directory) if remote is None else remote.names())
        return found

    def task(self, path: str | bytes) -> tasks.Task | None:
        """The task in a file, or of a name on a server."""
        for remote in self.remotes:
            content = remote.content(os.fsdecode(path)) if remote is not None else None
            if content is not None:
                return tasks.decode(content)
        try:
            with open(path, "rb") as file:
                return tasks.decode(file.read())
        except FileNotFoundError:
            return None

    # Doing tasks.

    def run(self, index: int, frequency: float, chdir: str | None, max_tasks: int | None, quiet: bool) -> None:
        """The life of a process that does the tasks of a directory."""
        remote = self.remotes[index]
        directory = os.path.abspath(self.directories[index]) if remote is None else self.directories[index]
        self.frequency = frequency
        if chdir is not None:
            os.chdir(chdir)
        # Whoever is at work finishes it first; the master has the last word.
        signal.signal(signal.SIGTERM, self._leave)
        bell = self.bells.task_descriptor(index)
        # One before may have been killed at work.
        self.bells.count_tasks(False, 0)
        done = 0
        while not self.is_leaving and (max_tasks is None or done < max_tasks):
            for path in _files(directory) if remote is None else _due(remote):
                if remote is None:
                    done += self._attempt(path, quiet)
                else:
                    done += self._attempt_there(remote, directory, path, quiet)
                self.signals.hear()
                if self.is_leaving or (max_tasks is not None and done >= max_tasks):
                    return
            # Other machines do not ring.
            readable([bell, *self.signals.descriptors], self.frequency if remote is None else 1.0)
            # One for each task, so that others wake for the others.
            read_bytes(bell, 1)
            self.signals.hear()

    def _leave(self, number: int, frame: Any) -> None:
        self.is_leaving = True
        if not self.is_at_work:
            sys.exit(0)

    def _attempt(self, path: str, quiet: bool) -> int:
        """Do a task, if nobody else does and its time has come; how many were done."""
        try:
            file = open(path, "r+b")  # noqa: SIM115 - closed below, after which the lock is gone
        except FileNotFoundError:
            return 0
        with file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return 0
            # Somebody may have done it in between, or its time may not have come.
            if not os.path.exists(path) or os.fstat(file.fileno()).st_mtime > time.time():
                return 0
            try:
                task = tasks.decode(file.read())
            except tasks.NotATask as error:
                _set_aside(path, error)
                return 0
            return self._do(path, task, quiet, lambda: os.unlink(path))

    def _attempt_there(self, remote: Any, server: str, name: str, quiet: bool) -> int:
        """Do a task that is on a server; how many were done."""
        try:
            content = remote.claim(name, _milliseconds())
            if content is None:
                return 0
            try:
                task = tasks.decode(content)
            except tasks.NotATask as error:
                remote.finish(name, content)
                print(f"*** {name} is no task: {error}; it is set aside in corrupt ***", flush=True)
                return 0
            with _renewed(remote, name):
                done = self._do(f"{server}/{name}", task, quiet, lambda: remote.finish(name, None))
            if not done:
                remote.put_off(name, _milliseconds(self.frequency))
            return done
        except OSError:
            # The log has been told. What was begun is done again, by whomever.
            return 0

    def _do(self, path: str, task: tasks.Task, quiet: bool, finish: Callable[[], Any]) -> int:
        """Call the function, and take the task away by `finish` when it is done."""
        function = getattr(sys.modules.get("uwsgi"), "spooler", None)
        name = os.path.basename(path)
        if not callable(function):
            print(
                f"unable to find the spooler function, have you loaded it into the spooler process? ({name})",
                flush=True,
            )
            return 0
        begun = time.monotonic()
        self.is_at_work = True
        self.bells.count_tasks(True, 0)
        try:
            with at_most(self.harakiri):
                result = function({**task, b"spooler_task_name": os.fsencode(name)})
        except Exception:
            traceback.print_exc()
            result = RETRY
        finally:
            self.is_at_work = False
            self.bells.count_tasks(False, 0)
        if result != OK:
            return 0
        finish()
        self.bells.count_tasks(False, 1)
        if not quiet:
            seconds = int(time.monotonic() - begun)
            print(
                f"[spooler {os.path.dirname(path)} pid: {os.getpid()}] done with task {name} after {seconds} seconds",
                flush=True,
            )
        return 1


def _milliseconds(from_now: float = 0) -> int:
    return int((time.time() + from_now) * 1000)


def _due(remote: Any) -> list[str]:
    try:
        return list(remote.due(_milliseconds()))
    except OSError:
        # The log has been told.
        return []


@contextlib.contextmanager
def _renewed(remote: Any, name: str) -> Iterator[None]:
    """Says again and again that a task is still being done."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(remote.LEASE / 4):
            with contextlib.suppress(OSError):
                remote.renew(name)

    renewing = threading.Thread(target=renew, name="uwsgi-spooler-lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()


def _write(directory: str, content: bytes, at: float | None) -> str:
    """A file that is whole and on disk before it has its name."""
    if not os.path.isdir(directory):
        os.makedirs(directory, exist_ok=True)
        _sync(os.path.dirname(directory))
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    parts = (socket.gethostname(), os.getpid(), next(_numbers), secrets.randbits(31), seconds, nanoseconds // 1000)
    # In the order in which they came.
    name = PREFIX + "_".join(str(part) for part in parts)
    hidden = os.path.join(directory, "." + name)
    path = os.path.join(directory, name)
    with open(hidden, "xb") as file:
        file.write(content)
        file.flush()
        if at is not None:
            os.utime(file.fileno(), (at, at))
        os.fsync(file.fileno())
    os.rename(hidden, path)
    _sync(directory)
    return path


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_aside(path: str, error: Exception) -> None:
    aside = os.path.join(os.path.dirname(path), "corrupt")
    os.makedirs(aside, exist_ok=True)
    target = os.path.join(aside, os.path.basename(path))
    os.rename(path, target)
    print(f"*** {path} is no task: {error}; it is set aside as {target} ***", flush=True)


def _files(directory: str) -> Iterator[str]:
    """The files of tasks: by priority, the lowest number first, then those without; the oldest first."""
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return
    priorities = [entry for entry in entries if entry.name.isdecimal() and entry.is_dir()]
    for entry in sorted(priorities, key=lambda entry: int(entry.name)):
        yield from _files(entry.path)
    own = [entry for entry in entries if entry.name.startswith(PREFIX) and entry.is_file()]
    yield from (entry.path for entry in sorted(own, key=_age))


def _age(entry: os.DirEntry[str]) -> tuple[int, ...]:
    numbers = entry.name.rsplit("_", 5)[1:]
    _, serial, _, seconds, microseconds = (
        int(number) if number.isdecimal() else 0 for number in (["0"] * 5 + numbers)[-5:]
    )
    return seconds, microseconds, serial


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int | float):
        return str(value).encode()
    raise ValueError(f"a task holds text and bytes, not {type(value).__name__!r}: {value!r}")


def _plain(value: Any) -> Any:
    """A number in any form: a time may be a number, text, bytes, or a datetime."""
    return value.timestamp() if hasattr(value, "timestamp") else value
