"""Finds the application a user named, or says what is wrong with the name.

Errors are :class:`LoadError`; their text is for the log and names file and line where there is one. Tracebacks are cut
to the frames that are not the server's own.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import re
import site
import sys
import traceback
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from penstock._mounts import Mounts

#: An exception while importing; gunicorn's exit code for "worker failed to boot".
IMPORT_FAILED = 3
#: The module is fine, what was asked of it is not there; gunicorn's "application failed to load".
NO_APPLICATION = 4
#: A setting, not the application, is at fault.
WRONG_SETTING = 1


class LoadError(Exception):
    """There is no application. ``exit_code`` is gunicorn's; ``details`` a traceback, or nothing.

    ``page``: what a development server shows in place of the application, or nothing.
    """

    def __init__(self, message: str, exit_code: int, details: str = "", page: str = "") -> None:
        super().__init__(message)
        self.page = page
        self.message = message
        self.exit_code = exit_code
        self.details = details


#: Files that took part in a failure: a change of one may mend it.
failed_files: set[str] = set()


def prepare_path(directories: list[str], virtualenv: str | None) -> None:
    """Put `directories` in front of ``sys.path`` and add the packages of `virtualenv`."""
    if virtualenv is not None:
        _activate(virtualenv)
    wanted = [os.path.abspath(directory) for directory in directories]
    sys.path[:] = wanted + [entry for entry in sys.path if entry not in wanted]


#: What this package imports late, and what these modules do.
_OWN = (
    *("penstock._asgi", "penstock._deadline", "penstock._reloader", "penstock._stuck", "penstock._uwsgi.names"),
    *("datetime", "functools", "linecache", "logging", "pickle", "signal", "threading", "traceback"),
)


def import_own() -> None:
    """Import what the server itself needs, before the directory it lies in cannot be reached any more (``chroot``)."""
    for name in _OWN:
        importlib.import_module(name)
    importlib.import_module("penstock._uwsgi.names").keep_decorators()


#: An application, and its interface: "wsgi", "asgi2" or "asgi3".
Loaded = tuple[Callable[..., Any], str]


def load_module(module_name: str, expression: str, interface: str) -> Loaded:
    """The application that `expression`, a name or a call with literals, gives in a module.

    `interface` is the one it must have, or "auto".
    """
    module = _import(module_name)
    return checked(_evaluate(module, module_name, expression), f"{module_name}:{expression}", interface)


def load_file(path: str, name: str, interface: str) -> Loaded:
    """The application called `name` in a Python file."""
    module = load_file_module(path)
    return checked(_evaluate(module, path, name), f"{path}:{name}", interface)


def load_file_module(path: str) -> ModuleType:
    """A Python file, run as a module of its own."""
    if not os.path.isfile(path):
        raise LoadError(f"cannot load {path}: there is no such file (in {os.getcwd()})", IMPORT_FAILED)
    module_name = "uwsgi_file_" + re.sub(r"\W", "_", path.removesuffix(".py"))
    # Whatever the file is called: `api.wsgi` is as good as `api.py`.
    loader = importlib.machinery.SourceFileLoader(module_name, path)
    spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    if spec is None:
        raise LoadError(f"cannot load {path}: it is no file that can be imported", IMPORT_FAILED)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    _guarded(lambda: loader.exec_module(module), f"cannot load {path}")
    return module


def import_before(arguments: list[str] | None, imports: list[str]) -> None:
    """Set ``sys.argv``, and import what comes before the application; what fails there is only reported."""
    if arguments is not None:
        sys.argv[:] = arguments
    for name in imports:
        try:
            if name.endswith(".py"):
                load_file_module(name)
            else:
                _import(name)
        except LoadError as error:
            print(f"{error.details}{error.message} (option import)", file=sys.stderr, flush=True)


def mounted(main: Loaded | None, mounts: list[tuple[str, Loaded]], by_path: bool, only_mounts: bool) -> Loaded:
    """Applications at parts of the path as one; `main`, or else the first, answers for the other paths."""
    for prefix, (_, interface) in mounts:
        if interface != "wsgi" or (main and main[1] != "wsgi"):
            raise LoadError(
                f"the application mounted at {prefix or '/'} and those beside it have to be WSGI applications: serve "
                "an ASGI application alone, and let it mount others",
                NO_APPLICATION,
            )
    applications = [(prefix, application) for prefix, (application, _) in mounts]
    default = None if only_mounts else (main[0] if main else applications[0][1])
    return Mounts(applications, default, by_path), "wsgi"


def _activate(virtualenv: str) -> None:
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = os.path.join(virtualenv, "lib")
    packages = os.path.join(library, here, "site-packages")
    if os.path.isdir(packages):
        before = list(sys.path)
        site.addsitedir(packages)
        # Its packages come before those that the server itself was installed with.
        added = [entry for entry in sys.path if entry not in before]
        sys.path[:] = added + before
        return
    found = ", ".join(sorted(os.listdir(library))) if os.path.isdir(library) else "no lib directory"
    raise LoadError(
        f"the virtual environment {virtualenv} has no packages for this Python: expected {packages}, found {found}; "
        f"create it with {sys.executable} -m venv {virtualenv}",
        WRONG_SETTING,
    )


def _import(name: str) -> ModuleType:
    module: ModuleType = _guarded(lambda: importlib.import_module(name), f"cannot import the module {name!r}", name)
    return module


def _guarded(work: Callable[[], Any], what: str, module_name: str = "") -> Any:
    try:
        return work()
    except ModuleNotFoundError as error:
        _note_files(error)
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            places = ", ".join(entry or "." for entry in sys.path[:3])
            raise LoadError(
                f"{what}: there is no module named {error.name!r} in {os.getcwd()} or on sys.path ({places}, ...)",
                IMPORT_FAILED,
            ) from None
        raise LoadError(where(what, error), IMPORT_FAILED, users_traceback(error)) from None
    except (Exception, SystemExit) as error:
        _note_files(error)
        details = users_traceback(error)
        page = details if isinstance(error, SyntaxError) else ""
        raise LoadError(where(what, error), IMPORT_FAILED, details, page) from None


def _note_files(error: BaseException) -> None:
    failed_files.update(frame.filename for frame in traceback.extract_tb(error.__traceback__))
    if isinstance(error, SyntaxError) and error.filename:
        failed_files.add(error.filename)


def failing(page: str) -> Callable[..., Any]:
    """An application that shows `page`, the traceback of the one that cannot be imported."""
    text = page.encode(errors="replace")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        start_response("500 Internal Server Error", fields)
        return [text]

    return application


def where(what: str, error: BaseException) -> str:
    """`what`, the exception, and the user's file and line that raised it."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{what}: {type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    frames = _users_frames(error)
    if frames:
        return f"{what}: {reason} ({frames[-1].filename}:{frames[-1].lineno})"
    return f"{what}: {reason}"


def _users_frames(error: BaseException) -> traceback.StackSummary:
    own = (os.path.dirname(__file__), "<frozen importlib", os.path.dirname(importlib.__file__))
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.StackSummary.from_list([frame for frame in frames if not frame.filename.startswith(own)])


def users_traceback(error: BaseException) -> str:
    """The traceback from the first frame that is neither ours nor the import system's."""
    entry: TracebackType | None = error.__traceback__
    own = (os.path.dirname(__file__), "<frozen importlib", os.path.dirname(importlib.__file__))
    while entry is not None and entry.tb_frame.f_code.co_filename.startswith(own):
        entry = entry.tb_next
    return "".join(traceback.format_exception(type(error), error, entry))


def _evaluate(module: ModuleType, module_name: str, expression: str) -> Any:
    try:
        parsed = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise LoadError(
            f"{expression!r} is neither the name of an application nor a call of a factory in {module_name!r}",
            NO_APPLICATION,
        ) from None
    if isinstance(parsed, ast.Name):
        return _attribute(module, module_name, parsed.id)
    if not (isinstance(parsed, ast.Call) and isinstance(parsed.func, ast.Name)):
        raise LoadError(
            f"{expression!r} in {module_name!r} must be a plain name or a call such as create_app('x', debug=True)",
            NO_APPLICATION,
        )
    try:
        arguments = [ast.literal_eval(argument) for argument in parsed.args]
        keywords = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in parsed.keywords}
    except ValueError:
        raise LoadError(f"the arguments in {expression!r} must be literals", NO_APPLICATION) from None
    factory = _attribute(module, module_name, parsed.func.id)
    try:
        inspect.signature(factory).bind(*arguments, **keywords)
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError):
            raise LoadError(
                f"{module_name}:{expression} cannot be called like that: {error}{_definition(factory)}", NO_APPLICATION
            ) from None
    return _guarded(lambda: factory(*arguments, **keywords), f"{module_name}:{expression} failed")


def _attribute(module: ModuleType, module_name: str, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        likely = [key for key, value in vars(module).items() if callable(value) and key in _USUAL_NAMES]
        hint = f"; it has {module_name}:{likely[0]}" if likely else ""
        file = getattr(module, "__file__", None)
        raise LoadError(
            f"Failed to find attribute {name!r} in {module_name!r}{f' ({file})' if file else ''}{hint}",
            NO_APPLICATION,
        ) from None


_USUAL_NAMES = ("app", "application", "wsgi", "create_app", "make_app")


def checked(application: Any, spec: str, interface: str) -> Loaded:
    """An application and its interface, which must be `interface` unless that is "auto"."""
    if application is None:
        raise LoadError(f"{spec} is None: a factory must return the application", NO_APPLICATION)
    if not callable(application):
        raise LoadError(f"{spec} is not callable: it is {type(application).__name__!r}", NO_APPLICATION)
    found = interface if interface == "asgi2" else _interface(application, spec)
    if interface in ("auto", found) or found == "any":
        return application, {"any": "wsgi"}.get(found, found) if interface == "auto" else interface
    raise LoadError(
        f"{spec} is {_WORDS[found]}{_definition(application)}, but the interface asked for is {interface!r}: "
        "leave that away, and it is served as what it is",
        NO_APPLICATION,
    )


_WORDS = {"wsgi": "a WSGI application", "asgi2": "an ASGI 2 application", "asgi3": "an ASGI application"}


def _interface(application: Any, spec: str) -> str:
    """Which interface a callable has, by what it can be called with; "any" where that does not show."""
    if _returns_coroutine(application):
        return "asgi3"
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        return "any"
    binds = [_binds(signature, count) for count in range(4)]
    if all(binds[1:]):
        return "any"
    if binds[2]:
        return "wsgi"
    if binds[3]:
        return "asgi3"
    where = _definition(application)
    # ASGI 2 calls for the scope alone; so that nothing else is taken for it, it must be called that.
    if binds[1] and "scope" in signature.parameters:
        return "asgi2"
    if binds[0]:
        message = f"{spec} takes no arguments{where}: if it makes the application, write {spec}()"
    else:
        message = (
            f"{spec} cannot be called with (environ, start_response) or (scope, receive, send): "
            f"its arguments are {signature}{where}"
        )
    raise LoadError(message, NO_APPLICATION)


def _returns_coroutine(application: Any) -> bool:
    if inspect.isclass(application):
        return hasattr(application, "__await__")
    function = inspect.unwrap(application) if inspect.isfunction(application) else application
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(application).__call__)


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _definition(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
