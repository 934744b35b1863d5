"""``gunicorn.*`` for configurations and packages that import it, where the real package is not installed.

A finder in ``sys.meta_path``, behind all others: whoever has gunicorn gets gunicorn's own modules, whose ``Logger`` and
constants work here as well. What a module does not offer raises ``AttributeError`` with the name of this file.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

VERSION = (27, 0, 1)


def _root() -> dict[str, Any]:
    text = ".".join(str(part) for part in VERSION)
    return {"version_info": VERSION, "__version__": text, "SERVER": "gunicorn", "SERVER_SOFTWARE": f"gunicorn/{text}"}


def _glogging() -> dict[str, Any]:
    from penstock._gunicorn import glogging

    names = ("Logger", "SafeAtoms", "CONFIG_DEFAULTS", "SYSLOG_FACILITIES", "loggers", "parse_syslog_address")
    return {name: getattr(glogging, name) for name in names}


def _objects(*names: str) -> Callable[[], dict[str, Any]]:
    def offered() -> dict[str, Any]:
        from penstock._gunicorn import objects

        return {name: getattr(objects, name) for name in names}

    return offered


def _application(*names: str) -> Callable[[], dict[str, Any]]:
    def offered() -> dict[str, Any]:
        from penstock._gunicorn import application

        return {name: getattr(application, name) for name in names}

    return offered


def _util() -> dict[str, Any]:
    from penstock._gunicorn import util

    return {name: value for name, value in vars(util).items() if not name.startswith("_")}


def _config() -> dict[str, Any]:
    from penstock._gunicorn import application, objects

    return {
        "Config": application.Config,
        "Setting": objects.Setting,
        "get_default_config_file": lambda: None,
    }


def _errors() -> dict[str, Any]:
    class HaltServer(BaseException):
        """A server that must stop."""

    class ConfigError(Exception):
        """A configuration that cannot be used."""

    class AppImportError(Exception):
        """An application that cannot be imported."""

    return {"HaltServer": HaltServer, "ConfigError": ConfigError, "AppImportError": AppImportError}


def _http_errors() -> dict[str, Any]:
    base = type("ParseException", (Exception,), {})
    names = ("InvalidRequestLine", "InvalidRequestMethod", "InvalidHTTPVersion", "InvalidHeader", "InvalidHeaderName")
    more = ("LimitRequestLine", "LimitRequestHeaders", "NoMoreData", "InvalidSchemeHeaders", "ForbiddenProxyRequest")
    return {"ParseException": base, **{name: type(name, (base,), {}) for name in (*names, *more)}}


def _wsgi() -> dict[str, Any]:
    from penstock._core import FileWrapper
    from penstock._gunicorn import objects

    return {"Response": objects.Response, "FileWrapper": FileWrapper, "SERVER": "gunicorn"}


def _workers() -> dict[str, Any]:
    supported = {
        "sync": "gunicorn.workers.sync.SyncWorker",
        "gevent": "gunicorn.workers.ggevent.GeventWorker",
        "gevent_wsgi": "gunicorn.workers.ggevent.GeventPyWSGIWorker",
        "gevent_pywsgi": "gunicorn.workers.ggevent.GeventPyWSGIWorker",
        "gthread": "gunicorn.workers.gthread.ThreadWorker",
        "asgi": "gunicorn.workers.gasgi.ASGIWorker",
    }
    return {"SUPPORTED_WORKERS": supported}


#: What each module offers.
MODULES: dict[str, Callable[[], dict[str, Any]]] = {
    "gunicorn": _root,
    "gunicorn.app": dict,
    "gunicorn.app.base": _application("BaseApplication", "Application"),
    "gunicorn.app.wsgiapp": _application("WSGIApplication", "run"),
    "gunicorn.arbiter": _objects("Arbiter"),
    "gunicorn.config": _config,
    "gunicorn.errors": _errors,
    "gunicorn.glogging": _glogging,
    "gunicorn.http": _objects("Request"),
    "gunicorn.http.errors": _http_errors,
    "gunicorn.http.message": _objects("Request"),
    "gunicorn.http.wsgi": _wsgi,
    "gunicorn.util": _util,
    "gunicorn.workers": _workers,
    "gunicorn.workers.base": _objects("Worker"),
    "gunicorn.workers.gasgi": _objects("ASGIWorker"),
    "gunicorn.workers.ggevent": _objects("GeventWorker", "GeventPyWSGIWorker"),
    "gunicorn.workers.gthread": _objects("ThreadWorker"),
    "gunicorn.workers.sync": _objects("SyncWorker"),
}


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the modules of :data:`MODULES`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Known names only."""
        if fullname not in MODULES:
            return None
        is_package = any(name.startswith(fullname + ".") for name in MODULES)
        return importlib.machinery.ModuleSpec(fullname, self, origin="penstock", is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module."""
        name = module.__name__
        module.__dict__.update(MODULES[name]())

        def missing(attribute: str) -> Any:
            raise AttributeError(
                f"{name} has no {attribute!r} here: gunicorn is not installed, and Penstock stands in for the names "
                f"that configurations use ({__name__}); install gunicorn beside it for the rest"
            )

        module.__dict__["__getattr__"] = missing


def offer(*, first: bool = False) -> None:
    """Offer the names; with `first` even where gunicorn is installed, for programs that embed it."""
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    if first:
        sys.meta_path.insert(0, Finder())
    else:
        sys.meta_path.append(Finder())
