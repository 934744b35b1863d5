"""Runs a configuration file that is written in Python, as gunicorn does."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from penstock._gunicorn.application import EMBEDDED, reload_embedded


class ConfigFileError(Exception):
    """The file cannot be run; the text names it and holds the traceback."""


def run_file(path: str) -> dict[str, Any]:
    """Execute a file and return its globals. It may import what lies in the directory the server is started in."""
    _look_here_first()
    if not os.path.exists(path):
        raise ConfigFileError(f"Error: {path!r} doesn't exist")
    module = ModuleType("__config__")
    module.__file__ = path
    sys.modules["__config__"] = module
    try:
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise ConfigFileError(f"Failed to read config file: {path}\n{_own_part(error, path)}") from None
    return vars(module)


def run_module(name: str) -> dict[str, Any]:
    """Import a module and return its globals."""
    _look_here_first()
    try:
        module = importlib.import_module(name)
        if name == EMBEDDED:
            if name in _SEEN:
                reload_embedded()
            return vars(module)
        return vars(importlib.reload(module) if name in _SEEN else module)
    except (Exception, SystemExit) as error:
        raise ConfigFileError(f"Failed to read config file: python:{name}\n{_own_part(error, '')}") from None
    finally:
        _SEEN.add(name)


def _look_here_first() -> None:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


#: Modules that have been a configuration: a reload runs them again.
_SEEN: set[str] = set()


def positional_parameters(function: Any) -> int | None:
    """How many positional arguments a callable takes; None if any number, or if it cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in kinds for parameter in parameters)


def _own_part(error: BaseException, path: str) -> str:
    entry = error.__traceback__
    while entry is not None and entry.tb_frame.f_code.co_filename == __file__:
        entry = entry.tb_next
    return "".join(traceback.format_exception(type(error), error, entry)).rstrip()
