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


def postfork(which: Any) -> Any:
    """Called in each process once the application is loaded there; ``@postfork(N)``: in worker N only."""
    if callable(which):
        _post_fork_functions.append(which)
        return which

    def decorate(function: _Function) -> _Function:
        _post_fork_functions.append(lambda: function() if which in (0, _uwsgi.worker_id()) else None)
        return function

    return decorate


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


def _text(value: Any) -> Any:
    """Text, where bytes are some."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _do_task(variables: dict[bytes, bytes]) -> int:
    """The function of the spooler: finds the function of the task, and calls it."""
    task: dict[str, Any] = {name.decode(): value for name, value in variables.items()}
    function = _task_functions.get(_text(task.get("ud_spool_func", "")))
    if function is None:
        return int(_uwsgi.SPOOL_IGNORE)
    if "args" in task and "kwargs" in task:
        arguments, named = _pickle.loads(task["args"]), _pickle.loads(task["kwargs"])
        result = function(*arguments, **named)
    else:
        result = function({name: _text(value) for name, value in task.items()})
    return int(task.get("ud_spool_ret", result))


class _Task:
    """What a decorated function is: a call of it gives a task, and `f` does one."""

    def __init__(self, function: Callable[..., Any], pass_arguments: bool, outcome: int | None) -> None:
        if not {"spooler", "spooler-external"} & _uwsgi.opt.keys():
            raise RuntimeError("tasks need the option spooler, which names their directory")
        _functools.update_wrapper(self, function)
        self.f = function
        self.pass_arguments = pass_arguments
        self.base_dict = {"ud_spool_func": function.__name__}
        if outcome is not None:
            self.base_dict["ud_spool_ret"] = str(outcome)
        _uwsgi.spooler = _do_task
        _task_functions[function.__name__] = function
        function.spool = self  # type: ignore[attr-defined]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if not self.pass_arguments:
            return _uwsgi.spool({**self.base_dict, **(arguments[0] if arguments else {}), **named})
        how = {key: named.pop(key) for key in _HOW if key in named}
        pickled = {"args": _pickle.dumps(arguments), "kwargs": _pickle.dumps(named)}
        return _uwsgi.spool({**self.base_dict, **how, **pickled})

    #: The name of old.
    spool = __call__


#: What says how a task is given, rather than what it is.
_HOW = ("spooler", "priority", "at", "body")


def spoolraw(f: Callable[..., Any] | None = None, pass_arguments: bool = False, _outcome: int | None = None) -> Any:
    """Does tasks, and says what becomes of each: ``SPOOL_OK``, ``SPOOL_RETRY`` or ``SPOOL_IGNORE``.

    ``f(...)`` gives a task: a dictionary or values by name, of text or bytes; with `pass_arguments` whatever can be
    pickled. ``f.spool(...)`` is the same.
    """
    if f is None:
        return _functools.partial(spoolraw, pass_arguments=pass_arguments, _outcome=_outcome)
    return _Task(f, pass_arguments, _outcome)


def spool(f: Callable[..., Any] | None = None, pass_arguments: bool = False) -> Any:
    """Does tasks, each once: what returns is done, whatever it returns."""
    return spoolraw(f, pass_arguments, _uwsgi.SPOOL_OK)


def spoolforever(f: Callable[..., Any] | None = None, pass_arguments: bool = False) -> Any:
    """Does each task again and again."""
    return spoolraw(f, pass_arguments, _uwsgi.SPOOL_RETRY)


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
    """Called in the mules of the farm of this name, with each of its messages."""

    def __init__(self, name: str) -> None:
        super().__init__(name)  # type: ignore[arg-type]

    def body(self, function: Callable[..., Any]) -> Callable[[], Any]:
        def run() -> None:
            for _ in _itertools.repeat(None):
                function(_uwsgi.farm_get_msg(self.num))

        return run


def farm_loop(f: Any, farm_name: str | None = None) -> Any:
    """As `farm`: ``farm_loop(function, name)`` in the original, and ``@farm_loop(name)``."""
    return farm(f) if farm_name is None else farm(farm_name)(f)


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
