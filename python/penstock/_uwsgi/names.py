"""Offers ``uwsgi`` and ``uwsgidecorators`` to the application of this process.

A finder in front of all others: the ``uwsgidecorators`` that the real package brings would find names missing that only
the real server has. Outside a serving process nothing is offered, and ``import uwsgi`` fails as it always did.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Any

from penstock._uwsgi import absent, module
from penstock._uwsgi.mules import Mules, run_program
from penstock._uwsgi.signals import Signals
from penstock._uwsgi.spooler import Spooler


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the two modules, once."""

    def __init__(self, offered: dict[str, Any], request: Any) -> None:
        self.offered = offered
        self.request = request

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
            module.__dict__.update(self.offered, __getattr__=self._missing, __dir__=lambda: self._names(module))
            self.request.watch(module.__dict__)
            return
        decorators = _decorators()
        names = {name: value for name, value in vars(decorators).items() if not name.startswith("_")}
        module.__dict__.update(names, _functions_of_this_mule=decorators._functions_of_this_mule)

    def _names(self, module: ModuleType) -> list[str]:
        return [*vars(module), *(["env"] if self.request.is_there() else [])]

    def _missing(self, name: str) -> Any:
        if name == "env" and self.request.is_there():
            return self.request.environ()
        why = absent.why_missing(name)
        raise AttributeError(f"module 'uwsgi' has no attribute {name!r} (this server is Penstock: {why})")


#: The code of the decorators, where it was read before the directory it lies in became unreachable.
_kept: list[CodeType] = []


def keep_decorators() -> None:
    """Read the decorators, which can be imported only where there is a ``uwsgi``."""
    spec = importlib.util.find_spec("penstock._uwsgi.decorators")
    loader = spec.loader if spec else None
    code = loader.get_code("penstock._uwsgi.decorators") if isinstance(loader, importlib.abc.InspectLoader) else None
    _kept[:] = [code] if code else []


def _decorators() -> ModuleType:
    if not _kept:
        return importlib.import_module("penstock._uwsgi.decorators")
    module = ModuleType("penstock._uwsgi.decorators")
    exec(_kept[0], module.__dict__)
    return module


class Process:
    """What this process does beside its requests."""

    signals: Signals
    mules: Mules
    spooler: Spooler


def offer(
    server: Any,
    request: Any,
    caches: Any,
    stores: Any,
    locks: Any,
    bells: Any,
    remotes: list[Any],
    options: dict[str, Any],
) -> None:
    """Offer the names in this process."""
    Process.signals = Signals(bells)
    Process.mules = Mules(server, bells, Process.signals)
    Process.spooler = Spooler(server, bells, remotes, Process.signals)
    process = Process.signals, Process.mules, Process.spooler
    offered = module.names(server, request, caches, stores, locks, *process, options)
    sys.meta_path.insert(0, Finder(offered, request))


def after_fork() -> None:
    """The application is loaded: call what it wants called in each new process."""
    Process.signals.is_loaded = True
    _call("post_fork_hook")


def hear_signals() -> None:
    """Signals may have come, and the application is not being called."""
    Process.signals.hear()


def hear_signals_in_a_thread() -> None:
    """Somebody else than this thread calls the application."""
    Process.signals.hear_in_a_thread()


def run_mule(program: str | None, harakiri: int) -> None:
    """The life of a mule."""
    decorators = sys.modules.get("uwsgidecorators")
    functions = decorators.__dict__["_functions_of_this_mule"]() if decorators else []
    Process.signals.harakiri = harakiri
    Process.mules.run(program, functions)


def run_spooler(
    index: int,
    frequency: float,
    chdir: str | None,
    max_tasks: int | None,
    quiet: bool,
    imports: list[str],
    harakiri: int,
) -> None:
    """The life of a process that does tasks."""
    for program in imports:
        run_program(program)
    Process.spooler.harakiri = harakiri
    Process.spooler.run(index, frequency, chdir, max_tasks, quiet)


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
