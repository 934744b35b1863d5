"""What gunicorn's server hooks are given: `server` and `worker` objects with the attributes configurations use."""

from __future__ import annotations

import os
from typing import Any


class _Setting:
    """One entry of ``cfg.settings``."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def get(self) -> Any:
        """The value."""
        return self.value


class Config:
    """The configuration: an attribute for each setting, and ``settings`` by name."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.settings = {name: _Setting(name, value) for name, value in values.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["settings"][name].value
        except KeyError:
            raise AttributeError(f"no setting named {name!r}") from None


class Server:
    """The master, as `server` in hooks."""

    def __init__(self, log: Any, cfg: Config) -> None:
        self.log = log
        self.cfg = cfg
        self.pid = os.getpid()
        self.address: Any = cfg.bind
        self.num_workers = cfg.workers
        self.proc_name = cfg.proc_name or cfg.default_proc_name
        self.WORKERS: dict[int, Worker] = {}


class Worker:
    """A worker process, as `worker` in hooks; attributes may be set on it."""

    def __init__(self, log: Any, cfg: Config, age: int, ppid: int) -> None:
        self.log = log
        self.cfg = cfg
        self.age = age
        self.ppid = ppid
        self.pid: Any = "[booting]"
        self.nr = 0
        self.alive = True
        self.booted = False
        self.aborted = False
        self.timeout = cfg.timeout
        self.max_requests = cfg.max_requests
        self.wsgi: Any = None

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"
