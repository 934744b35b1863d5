"""The content of ``uwsgidecorators``: functions that are called by signals, times, tasks and messages.

What is registered here is registered in each process that loads the application, in the same order, and so under the
same numbers. Signals are taken from 1 up; 0 stays free, as nobody registers it by a decorator.
"""

from __future__ import annotations

import functools as _functools
import itertools as _itertools
import pickle as _pickle
from collections.abc import Callable
from importlib import import_module as _import_module
from threading import Thread as _Thread
from typing import Any, TypeVar

_uwsgi: Any = _import_module("uwsgi")

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Called in each new process, in the order of registration.
_post_fork_functions: list[Callable[[], Any]] = []
#: Functions that do tasks, by name.
_task_functions: dict[str, Callable[..., Any]] = {}
#: Functions that are called in mules by a message, by name.
_message_functions: dict[str, Callable[..., Any]] = {}
#: What runs in mules: the number of the mule or the name of its farm, and the function.
_mule_functions: list[tuple[int | str, Callable[[], Any]]] = []


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


class harakiri:
    """A call that takes more than so many seconds ends its process."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @_functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            _uwsgi.set_user_harakiri(self.seconds)
            try:
                return function(*arguments, **named)
            finally:
                _uwsgi.set_user_harakiri(0)

        return call


# Signals.


def _free_signal() -> int:
    """A number that no function of this process has yet, the same in each process that loads the same application."""
    handlers = _uwsgi.register_signal.__self__.handlers
    for number in range(1, 256):
        if number not in handlers:
            return number
    raise RuntimeError("all 255 signals are taken")


class signal:
    """Called when a signal comes."""

    def __init__(self, num: int, target: str = "", **named: Any) -> None:
        self.num = num
        self.target = target

    def __call__(self, function: _Function) -> _Function:
        _uwsgi.register_signal(self.num, self.target, function)
        return function


class _Raised:
    """Called by a signal that something raises."""

    def __init__(self, *given: Any, target: str = "", signum: int | None = None, **named: Any) -> None:
        self.given = given
        self.named = named
        self.target = target
        self.number = named.get("num", signum)

    def __call__(self, function: _Function) -> _Function:
        number = _free_signal() if self.number is None else self.number
        _uwsgi.register_signal(number, self.target, function)
        self.raise_by(number)
        return function

    def raise_by(self, number: int) -> None:
        """Have the signal raised."""
        raise NotImplementedError


class timer(_Raised):
    """Called each time that so many seconds have passed."""

    def raise_by(self, number: int) -> None:
        _uwsgi.add_timer(number, self.given[0] if self.given else self.named["secs"])


class rbtimer(_Raised):
    """As `timer`, and so often if a number is given."""

    def raise_by(self, number: int) -> None:
        seconds, *rounds = self.given or (self.named["secs"],)
        _uwsgi.add_rb_timer(number, seconds, rounds[0] if rounds else self.named.get("iterations", 0))


class cron(_Raised):
    """Called at each minute that is meant: minute, hour, day, month, weekday; -1 is any, -N each that N divides."""

    def raise_by(self, number: int) -> None:
        _uwsgi.add_cron(number, *self.given)


class filemon(_Raised):
    """Called when a file has changed."""

    def raise_by(self, number: int) -> None:
        _uwsgi.add_file_monitor(number, self.given[0] if self.given else self.named["fsobj"])


# Tasks.


def _do_task(variables: dict[bytes, bytes]) -> int:
    """The function of the spooler: finds the function of the task, and calls it."""
    task = {name.decode(): value for name, value in variables.items()}
    function = _task_functions.get(task.pop("ud_spool_func", b"").decode())
    if function is None:
        return int(_uwsgi.SPOOL_IGNORE)
    if "args" in task and "kwargs" in task:
        arguments, named = _pickle.loads(task.pop("args")), _pickle.loads(task.pop("kwargs"))
        return int(function(*arguments, **named))
    return int(function(task))


class spoolraw:
    """Does tasks, and says what becomes of each: ``SPOOL_OK``, ``SPOOL_RETRY`` or ``SPOOL_IGNORE``.

    ``f.spool(...)`` gives a task: values of text or bytes by name, or with `pass_arguments` whatever can be pickled.
    """

    pass_arguments = False

    def __new__(cls, f: Callable[..., Any] | None = None, pass_arguments: bool = False) -> Any:
        made = super().__new__(cls)
        made.pass_arguments = pass_arguments
        return made if f is None else made(f)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _uwsgi.spooler = _do_task
        _task_functions[function.__name__] = self.doing(function)
        function.spool = _functools.partial(_give, function.__name__, self.pass_arguments)  # type: ignore[attr-defined]
        return function

    def doing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What is called for a task."""
        return function


class spool(spoolraw):
    """Does tasks, each once: what returns is done."""

    def doing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            result = function(*arguments, **named)
            known = (_uwsgi.SPOOL_OK, _uwsgi.SPOOL_RETRY, _uwsgi.SPOOL_IGNORE)
            return result if type(result) is int and result in known else _uwsgi.SPOOL_OK

        return call


class spoolforever(spoolraw):
    """Does each task again and again."""

    def doing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            function(*arguments, **named)
            return _uwsgi.SPOOL_RETRY

        return call


#: What says how a task is given, rather than what it is.
_HOW = ("spooler", "priority", "at", "body")


def _give(name: str, pass_arguments: bool, *arguments: Any, **named: Any) -> Any:
    how = {key: named.pop(key) for key in _HOW if key in named}
    if pass_arguments:
        task = {"args": _pickle.dumps(arguments), "kwargs": _pickle.dumps(named)}
    else:
        task = {**(arguments[0] if arguments else {}), **named}
    return _uwsgi.spool({**task, **how, "ud_spool_func": name})


# Mules.


def _by_message(message: bytes) -> None:
    """Calls the function that a message names."""
    content = _pickle.loads(message)
    if content.get("service") == "uwsgi_mulefunc":
        _message_functions[content["func"]](*content["args"], **content["kwargs"])


def mulefunc(mule: Any) -> Any:
    """Each call runs in a mule: in whichever is first, in that of a number, or in one of a farm.

    Arguments are pickled.
    """
    if callable(mule):
        return _in_mule(mule, None)
    return lambda function: _in_mule(function, mule)


def _in_mule(function: Callable[..., Any], mule: int | str | None) -> Callable[..., Any]:
    _uwsgi.mule_msg_hook = _by_message
    _message_functions[function.__name__] = function

    @_functools.wraps(function)
    def send(*arguments: Any, **named: Any) -> Any:
        content = {"service": "uwsgi_mulefunc", "func": function.__name__, "args": arguments, "kwargs": named}
        return _uwsgi.mule_msg(_pickle.dumps(content), mule)

    return send


def _functions_of_this_mule() -> list[Callable[[], Any]]:
    """What runs in the mule that this process is."""
    number = _uwsgi.mule_id()
    return [
        function
        for whom, function in _mule_functions
        if whom == number or (isinstance(whom, str) and _uwsgi.in_farm(whom))
    ]


class mule:
    """Runs in the mule of this number."""

    def __init__(self, num: int) -> None:
        self.num = num

    def __call__(self, function: _Function) -> _Function:
        _mule_functions.append((self.num, self.body(function)))
        return function

    def body(self, function: Callable[..., Any]) -> Callable[[], Any]:
        """What runs there."""
        return function


class muleloop(mule):
    """Runs in the mule of this number, again and again."""

    def body(self, function: Callable[..., Any]) -> Callable[[], Any]:
        def run() -> None:
            for _ in _itertools.repeat(None):
                function()

        return run


class mulemsg(mule):
    """Called with each message of the mule of this number."""

    def body(self, function: Callable[..., Any]) -> Callable[[], Any]:
        return lambda: _uwsgi.__dict__.setdefault("mule_msg_extra_hooks", []).append(function)


class farm(mule):
    """Runs in each mule of the farm of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)  # type: ignore[arg-type]


class farm_loop(farm):
    """Called with each message of the farm of this name."""

    def body(self, function: Callable[..., Any]) -> Callable[[], Any]:
        def run() -> None:
            for _ in _itertools.repeat(None):
                function(_uwsgi.farm_get_msg(self.num))

        return run


class rpc:
    """Called by this name, with ``uwsgi.rpc`` and ``uwsgi.call``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, function: _Function) -> _Function:
        _uwsgi.register_rpc(self.name, function)
        return function


class erlang:
    """Refused: there is no Erlang here."""

    def __init__(self, name: str) -> None:
        raise NotImplementedError(f"@erlang({name!r}): there is no Erlang node here: offer the function over HTTP")
