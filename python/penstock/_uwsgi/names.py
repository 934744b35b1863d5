"""Offers ``uwsgi`` and ``uwsgidecorators`` to the application of this process.

A finder in front of all others: the ``uwsgidecorators`` that the real package brings would find names missing that only
the real server has. Outside a serving process nothing is offered, and ``import uwsgi`` fails as it always did.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from penstock._uwsgi import module


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the two modules, once."""

    def __init__(self, offered: dict[str, Any]) -> None:
        self.offered = offered

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """These names only."""
        if fullname in ("uwsgi", "uwsgidecorators"):
            return importlib.machinery.ModuleSpec(fullname, self, origin="penstock")
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module."""
        if module.__name__ == "uwsgi":
            module.__dict__.update(self.offered, __getattr__=_missing)
            return
        from penstock._uwsgi import decorators

        names = {name: value for name, value in vars(decorators).items() if not name.startswith("_")}
        module.__dict__.update(names)


def _missing(name: str) -> Any:
    raise AttributeError(
        f"module 'uwsgi' has no attribute {name!r} (this server is Penstock: docs/uwsgi-api.md lists what is there)"
    )


def offer(server: Any, caches: Any, locks: Any, options: dict[str, Any]) -> None:
    """Offer the names in this process."""
    sys.meta_path.insert(0, Finder(module.names(server, caches, locks, options)))


def after_fork() -> None:
    """The application is loaded: call what it wants called in each new process."""
    _call("post_fork_hook")


def at_exit() -> None:
    """This process ends: call what the application wants called then."""
    _call("atexit")


def _call(name: str) -> None:
    loaded = sys.modules.get("uwsgi")
    hook = vars(loaded).get(name) if loaded else None
    if callable(hook):
        try:
            hook()
        except Exception:
            traceback.print_exc()
