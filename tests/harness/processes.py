"""Free ports, and the processes that belong to a server.

A server is started in a session of its own and with a marked environment, so its processes can be told from those
of anybody else on the machine: by the session, and, if they left that, by the mark. Processes are never looked up by
name. Linux only (``/proc``).
"""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "PENSTOCK_TEST_SERVER"


# Below those that Linux gives to whoever connects, so that no client takes a port before its server does.
PORTS = range(10_000, 32_768)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on just now. Chosen at random, since tests run side by side."""
    while not port_is_free(host, port := random.SystemRandom().choice(PORTS)):
        pass
    return port


def port_is_free(host: str, port: int) -> bool:
    """Whether nobody listens on that port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections in TIME_WAIT do not count: any server may bind over them with this option.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def processes_of(session: int, mark: str) -> dict[int, str]:
    """Command lines of the living processes of that session, or with that mark in their environment."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        pid = int(directory.name)
        try:
            # The name in brackets may hold spaces and brackets; after the last one: state, parent, group, session.
            state, _parent, _group, its_session = (directory / "stat").read_text().rpartition(")")[2].split()[:4]
            # A process whose first thread has ended holds its sockets until its others have.
            if (state == "Z" and len(os.listdir(directory / "task")) == 1) or pid == os.getpid():
                continue
            environment = (directory / "environ").read_bytes()
            if int(its_session) == session or f"{MARK}={mark}".encode() in environment.split(b"\0"):
                found[pid] = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1").strip()
        except OSError:
            continue  # it ended while we looked, or is not ours
    return found


def wait_until(condition: Callable[[], bool], timeout: float, *, every: float = 0.01) -> bool:
    """Wait until a condition holds; False when it still does not after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return condition()
        time.sleep(every)
    return True


def states_of(worker: int) -> set[str]:
    """What the threads of a process do, as proc(5) has it: S is to wait, T to stand still."""
    tasks = Path(f"/proc/{worker}/task").iterdir()
    return {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks}


@contextmanager
def standing_still(worker: int) -> Iterator[None]:
    """Has a worker do nothing meanwhile, in none of its threads."""
    os.kill(worker, signal.SIGSTOP)
    try:
        assert wait_until(lambda: states_of(worker) == {"T"}, 60)
        yield
    finally:
        os.kill(worker, signal.SIGCONT)
