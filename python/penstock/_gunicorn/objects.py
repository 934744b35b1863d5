"""What gunicorn's server hooks are given: `server`, `worker`, `req`, `resp`, and the `cfg` they all show.

The server fills these objects; nothing it decides depends on what hooks write into them, but for two things: the
attributes that hooks set on a worker are there in its later hooks, and ``worker.alive = False`` asks for the worker to
be replaced.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any


class Setting:
    """One entry of ``cfg.settings``."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def get(self) -> Any:
        """The value."""
        return self.value

    def set(self, value: Any) -> None:
        """Replace the value; the running server is not changed by that."""
        self.value = value


class Config:
    """The configuration: an attribute for each setting, and ``settings`` by name."""

    settings: dict[str, Setting]

    def __init__(self, values: dict[str, Any]) -> None:
        object.__setattr__(self, "settings", {name: Setting(name, value) for name, value in values.items()})

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["settings"][name].value
        except KeyError:
            raise AttributeError(f"no setting named {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.settings:
            raise AttributeError("Invalid access!")
        object.__setattr__(self, name, value)

    def set(self, name: str, value: Any) -> None:
        """Replace a setting's value; in a running server that is only seen by whoever reads it here."""
        if name not in self.settings:
            raise AttributeError(f"No configuration setting for: {name}")
        self.settings[name].set(value)

    @property
    def address(self) -> list[Any]:
        """The addresses: (host, port), or the path of a unix socket."""
        return [_address(text) for text in self.settings["bind"].value]

    @property
    def uid(self) -> Any:
        """The user that workers run as."""
        return self.settings["user"].value

    @property
    def gid(self) -> Any:
        """The group that workers run as."""
        return self.settings["group"].value

    @property
    def proc_name(self) -> Any:
        """The name in the process list."""
        return self.settings["proc_name"].value or self.settings["default_proc_name"].value

    @property
    def env(self) -> dict[str, str]:
        """``raw_env`` as a dictionary."""
        return dict(text.split("=", 1) for text in self.settings["raw_env"].value)

    @property
    def is_ssl(self) -> bool:
        """Whether a certificate is configured."""
        return bool(self.settings["certfile"].value or self.settings["keyfile"].value)

    @property
    def worker_class_str(self) -> str:
        """The worker class by name."""
        value = self.settings["worker_class"].value
        if value == "sync" and self.settings["threads"].value > 1:
            return "gthread"
        return value if isinstance(value, str) else getattr(value, "__name__", str(value))


def _address(text: str) -> Any:
    if text.startswith("unix:"):
        return text.removeprefix("unix:").removeprefix("//")
    if text.startswith("fd://"):
        return int(text.removeprefix("fd://"))
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    if not port.isdecimal():
        return text, 8000
    return host.strip("[]") or "0.0.0.0", int(port)


class Listener:
    """A listening socket as ``server.LISTENERS`` has it; the socket itself is the server's."""

    def __init__(self, text: str, address: Any, descriptor: int) -> None:
        self._text = text
        self.cfg_addr = address
        self._descriptor = descriptor

    def getsockname(self) -> Any:
        """The address it is bound to."""
        return self.cfg_addr

    def fileno(self) -> int:
        """Its descriptor."""
        return self._descriptor

    def __str__(self) -> str:
        return self._text


class Arbiter:
    """The master, as `server` in hooks."""

    def __init__(self, log: Any, cfg: Config) -> None:
        self.log = log
        self.cfg = cfg
        self.app = ApplicationView(cfg)
        self.pid = os.getpid()
        self.address: Any = cfg.address
        self.num_workers = cfg.workers
        self.worker_age = 0
        self.proc_name = cfg.proc_name
        self.master_name = "Master"
        self.WORKERS: dict[int, Worker] = {}
        self.LISTENERS: list[Listener] = []

    @property
    def timeout(self) -> int:
        """The setting ``timeout``."""
        return int(self.cfg.timeout)


class ApplicationView:
    """``server.app``: the configuration, and the application where the master has it (``preload_app``)."""

    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        self.callable: Any = None

    def wsgi(self) -> Any:
        """The application, once it is loaded in this process."""
        return self.callable


class WorkerTmp:
    """``worker.tmp``: there is no heartbeat file, workers are watched through shared memory."""

    def notify(self) -> None:
        """Nothing to do."""

    def last_update(self) -> float:
        """The worker is alive, or this would not run."""
        return time.monotonic()


class Worker:
    """A worker process, as `worker` in hooks; attributes may be set on it."""

    def __init__(self, log: Any, cfg: Config, age: int, ppid: int) -> None:
        self.log = log
        self.cfg = cfg
        self.age = age
        self.ppid = ppid
        self.pid: Any = "[booting]"
        self.sockets: list[Listener] = []
        self.app = ApplicationView(cfg)
        self.booted = False
        self.aborted = False
        self.timeout = cfg.timeout
        self.max_requests = cfg.max_requests or sys.maxsize
        self.wsgi: Any = None
        self.tmp = WorkerTmp()
        self._alive = True
        self._requests: Callable[[], int] = lambda: 0
        self._retire: Callable[[], None] = lambda: None

    @property
    def nr(self) -> int:
        """Requests it has answered."""
        return self._requests()

    @property
    def alive(self) -> bool:
        """Whether it goes on serving; set to False, it is replaced: the replacement is ready before it leaves."""
        return self._alive

    @alive.setter
    def alive(self, value: bool) -> None:
        self._alive = value
        if not value:
            self._retire()

    def notify(self) -> None:
        """Nothing to do: workers are watched through shared memory."""

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"


class SyncWorker(Worker):
    """A worker with one thread."""


class ThreadWorker(Worker):
    """A worker with several threads."""


class GeventWorker(Worker):
    """A worker whose requests are greenlets."""


class GeventPyWSGIWorker(GeventWorker):
    """The same: gevent's own server is not used."""


class ASGIWorker(Worker):
    """A worker with an event loop."""


def worker_class(cfg: Config) -> type[Worker]:
    """The class that `worker` is made of, for ``isinstance`` in hooks."""
    name = cfg.worker_class_str
    if name in ("sync", "gthread"):
        return ThreadWorker if cfg.threads > 1 else SyncWorker
    if "gevent" in name.lower():
        return GeventWorker
    return ThreadWorker if "thread" in name.lower() else ASGIWorker


class Request:
    """`req`: the request as ``pre_request`` and ``post_request`` see it."""

    def __init__(
        self,
        method: str,
        target: str,
        path: str,
        query: str,
        minor: int,
        headers: list[tuple[str, str]],
        peer: Any,
        address: str,
    ) -> None:
        self.method = method
        self.uri = target
        self.path = path
        self.query = query
        self.fragment = ""
        self.version = (1, minor)
        self.headers = headers
        self.trailers: list[tuple[str, str]] = []
        self.peer_addr = peer
        self.remote_addr = (address, peer[1]) if isinstance(peer, tuple) else peer
        self.scheme = "http"
        self.proxy_protocol_info = None

    def environ(self) -> dict[str, str]:
        """What hooks and loggers get as `environ` where the application is given none: ASGI."""
        environ = {
            "REQUEST_METHOD": self.method,
            "RAW_URI": self.uri,
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_PROTOCOL": f"HTTP/{self.version[0]}.{self.version[1]}",
            "REMOTE_ADDR": self.remote_addr[0] if isinstance(self.remote_addr, tuple) else self.remote_addr,
        }
        for name, value in self.headers:
            environ["HTTP_" + name.replace("-", "_")] = value
        return environ


class Response:
    """`resp`: the answer as ``post_request`` sees it."""

    def __init__(self, status: str, headers: list[tuple[str, str]], sent: int, request: Request) -> None:
        self.status = status
        self.status_code = int(status[:3]) if status[:3].isdecimal() else 0
        self.headers = headers
        self.sent = sent
        self.headers_sent = True
        self.req = request

    @property
    def response_length(self) -> int | None:
        """The length that the application promised."""
        for name, value in self.headers:
            if name.lower() == "content-length":
                return int(value)
        return None


def post_request(function: Callable[..., Any]) -> Callable[..., Any]:
    """A ``post_request`` hook that can be called with all four arguments, whichever of them it takes."""
    from penstock._config_file import positional_parameters

    positional = positional_parameters(function)
    if positional == 2:
        return lambda worker, request, environ, response: function(worker, request)
    if positional == 3:
        return lambda worker, request, environ, response: function(worker, request, environ)
    return function
