"""The content of ``uwsgidecorators``."""

from __future__ import annotations

import functools as _functools
from collections.abc import Callable
from importlib import import_module as _import_module
from threading import Thread as _Thread
from typing import Any, TypeVar

_uwsgi: Any = _import_module("uwsgi")

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Called in each new process, in the order of registration.
_post_fork_functions: list[Callable[[], Any]] = []


def _after_fork() -> None:
    for function in _post_fork_functions:
        function()


_uwsgi.post_fork_hook = _after_fork


def postfork(function: _Function) -> _Function:
    """Called in each process once the application is loaded there."""
    _post_fork_functions.append(function)
    return function


def thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Each call runs in a thread of its own, which does not keep the process alive."""

    @_functools.wraps(function)
    def start(*arguments: Any, **named: Any) -> Callable[..., Any]:
        _Thread(target=function, args=arguments, kwargs=named, daemon=True).start()
        return function

    return start


def lock(function: Callable[..., Any]) -> Callable[..., Any]:
    """One call at a time in all processes."""

    @_functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        _uwsgi.lock()
        try:
            return function(*arguments, **named)
        finally:
            _uwsgi.unlock()

    return call
