"""Names of uWSGI's module that mean nothing here: what they say when they are used, and what to use.

Functions that uWSGI always has exist, so that asking whether they do tells what it tells there, and raise when they are
called. Those that it has only with an option exist only with that option.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_LEGION = "legions are not offered: use a lock in what your machines share, as Redis has it"
_BINARY = "there are no files inside of this server's binary: use importlib.resources"
_SNMP = "there is no SNMP: the statistics (option stats) and metric_* have its numbers"

#: Functions that always are, and why they fail.
FUNCTIONS = {
    "async_connect": "there is no asynchronous mode: uwsgi.connect() waits, under gevent in its greenlet only",
    "embedded_data": _BINARY,
    "extract": _BINARY,
    "SymbolsImporter": _BINARY,
    "SymbolsZipImporter": _BINARY,
    "ZipImporter": "Python imports from zip files itself: put the file into sys.path",
    "lord_scroll": _LEGION,
    "scrolls": _LEGION,
    "offload": "sending never blocks a worker here: return the file (uwsgi.sendfile), or an iterator",
    "route": "routes are followed before the application is called (option route)",
}

#: Names that are there only with an option, or never, and why they are not.
NAMES = {
    "env": "uwsgi.env is there while a request is served",
    "spool": "tasks need the option spooler, which names their directory",
    "queue": "the queue needs the option queue, which says how many slots it has",
    "sharedarea": "shared areas need the option sharedarea, which says how many pages each has",
    "snmp": _SNMP,
}

#: Names that belong to one of those.
_KIN = {"send_to_spooler": "spool", "spooler": "spool", "set_spooler": "spool"}


def functions() -> dict[str, Callable[..., Any]]:
    """The functions that only raise."""
    return {name: _raising(name, why) for name, why in FUNCTIONS.items()}


def _raising(name: str, why: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        raise NotImplementedError(f"uwsgi.{name}: {why}")

    call.__name__ = name
    return call


def why_missing(name: str) -> str:
    """What to say of a name that is not there."""
    first = name.split("_")[0]
    return NAMES.get(_KIN.get(name, _KIN.get(first, first)), "docs/uwsgi-api.md lists what is there")
