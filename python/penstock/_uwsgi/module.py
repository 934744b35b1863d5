"""The content of ``uwsgi``: its names and manners (what is bytes, what None means), over what the server offers.

What has no counterpart here is in :mod:`absent`; docs/uwsgi-api.md has all names.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from penstock._uwsgi import absent, tasks
from penstock._uwsgi.calls import Calls
from penstock._uwsgi.mules import Mules
from penstock._uwsgi.requests import Requests
from penstock._uwsgi.signals import Signals
from penstock._uwsgi.spooler import Spooler
from penstock._uwsgi.stores import Stores

VERSION = b"2.0.31"


def names(
    server: Any,
    request: Any,
    caches: Any,
    stores: Any,
    locks: Any,
    signals: Signals,
    mules: Mules,
    spooler: Spooler,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Every name of the module."""
    return {
        **absent.functions(),
        **_information(server, options),
        "set_user_harakiri": lambda seconds: set_user_harakiri(request, seconds),
        "workers": lambda: _workers(server, signals),
        **signals.names(),
        **mules.names(),
        **spooler.names(),
        **Calls().names(),
        **Requests(request).names(),
        **_caching(caches),
        **Stores(stores).names(),
        "lock": _unanswered(locks.lock),
        "unlock": _unanswered(locks.unlock),
        "is_locked": locks.is_locked,
    }


def _unanswered(function: Callable[..., Any]) -> Callable[..., None]:
    def call(*arguments: Any) -> None:
        function(*arguments)

    return call


def option_value(value: Any) -> Any:
    """A value of ``uwsgi.opt``: bytes; True for an option without one; a list where it was given several times."""
    if isinstance(value, list):
        return [option_value(one) for one in value]
    return True if value in ("", None, True) else str(value).encode("utf-8", "surrogateescape")


def _information(server: Any, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "opt": {name: option_value(value) for name, value in options.items()},
        "magic_table": {},
        "version": VERSION,
        "version_info": (2, 0, 31, 0, b""),
        "hostname": socket.gethostname().encode(),
        "numproc": server.processes,
        "cores": server.threads,
        "has_threads": 1,
        "buffer_size": server.buffer_size,
        "started_on": server.started,
        **({"mode": options["mode"].encode()} if "mode" in options else {}),
        **({"pidfile": os.fsencode(server.pidfile)} if server.pidfile is not None else {}),
        "is_a_reload": server.is_a_reload,
        "unbit": None,
        "loop": None,
        "applications": None,
        "sockets": server.sockets,
        # Every process that serves accepts until it leaves.
        "accepting": lambda: None,
        "retire": server.retire,
        "listen_queue": server.listen_queue,
        "logsize": _log_size,
        "parsefile": _parse_file,
        "worker_id": lambda: server.worker_id,
        "masterpid": lambda: server.master_pid,
        "i_am_the_lord": lambda legion=None: False,
        "ready": lambda: True,
        "total_requests": server.total_requests,
        "request_id": server.requests,
        "mem": _memory,
        "micros": lambda: time.time_ns() // 1000,
        "reload": lambda: _true(server.reload),
        "stop": lambda: _true(server.stop),
        "log": lambda message: _true(server.log, _text(message)),
        # Nobody sees it in the original.
        "set_warning_message": lambda message: _true(server.log, _text(message)),
        "alarm": _unanswered(lambda name, message: server.alarm(_text(name), _bytes(message))),
        "setprocname": _unanswered(lambda name: server.set_process_name(_text(name))),
    }


def set_user_harakiri(request: Any, seconds: int) -> None:
    """End this process when so many seconds have passed, with the stack of each thread in the log; 0 takes it back.

    The master keeps the time of a request, for each thread. Elsewhere - in a mule, a task, a greenlet, while the
    application is loaded - a thread of C's does, which needs no interpreter: whatever the process is stuck in does not
    matter. There is one such time in a process.
    """
    if request.limit(max(seconds, 0)):
        return
    if seconds > 0:
        faulthandler.dump_traceback_later(seconds, exit=True)
    else:
        faulthandler.cancel_dump_traceback_later()


def _log_size() -> int:
    """Bytes of the log, where it is a file."""
    return os.fstat(2).st_size


def _parse_file(path: str | bytes) -> dict[bytes, bytes] | None:
    """The variables of a packet in a file, as a task's is; None where there is none."""
    with open(path, "rb") as file, contextlib.suppress(tasks.NotATask):
        return tasks.decode(file.read())
    return None


def _true(function: Callable[..., Any], *arguments: Any) -> bool:
    function(*arguments)
    return True


def _text(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _memory(pid: int | str = "self") -> tuple[int, int]:
    """Resident memory and address space in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            space, resident = file.read().split()[:2]
    except OSError:
        return 0, 0
    return int(resident) * page, int(space) * page


def _workers(server: Any, signals: Signals) -> tuple[dict[str, Any], ...]:
    """A dictionary for each worker, with uWSGI's keys."""
    heard = signals.bells.heard_signals()
    workers = []
    for worker, signals_heard in zip(server.workers(), heard, strict=False):
        resident, space = _memory(worker["pid"]) if worker["pid"] else (0, 0)
        workers.append({**worker, "signals": signals_heard, "rss": resident, "vsz": space})
    return tuple(workers)


def _caching(caches: Any) -> dict[str, Any]:
    """``cache_*``: True for done, None for not done."""

    def cache_set(key: Any, value: Any, expires: int = 0, cache: Any = None) -> bool | None:
        return caches.add(key, value, expires, _name(cache)) or None

    def cache_update(key: Any, value: Any, expires: int = 0, cache: Any = None) -> bool | None:
        return caches.replace(key, value, expires, _name(cache)) or None

    def calculation(operation: str, usual: int) -> Callable[..., bool | None]:
        def calculate(key: Any, amount: int = usual, expires: int = 0, cache: Any = None) -> bool | None:
            return caches.calculate(key, operation, amount, expires, _name(cache)) or None

        return calculate

    return {
        "cache_get": lambda key, cache=None: caches.value(key, _name(cache)),
        "cache_exists": lambda key, cache=None: caches.contains(key, _name(cache)) or None,
        "cache_set": cache_set,
        "cache_update": cache_update,
        "cache_del": lambda key, cache=None: caches.remove(key, _name(cache)) or None,
        "cache_clear": lambda cache=None: caches.clear(_name(cache)) or None,
        "cache_num": lambda key, cache=None: caches.number(key, _name(cache)),
        "cache_keys": lambda cache=None: caches.keys(_name(cache)),
        "cache_inc": calculation("+", 1),
        "cache_dec": calculation("-", 1),
        "cache_mul": calculation("*", 2),
        "cache_div": calculation("/", 2),
    }


def _name(cache: str | bytes | None) -> str | None:
    return _text(cache) if cache is not None else None
