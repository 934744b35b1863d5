"""Fixtures that start servers, and the end of their logs in the report of a test that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Server, StartServer
from projects import copy_of


class Starter:
    """Starts servers for one test; all are stopped, and checked for leftovers, when it ends."""

    def __init__(self) -> None:
        self.servers: list[Server] = []

    def __call__(self, *arguments: str, **options: Any) -> Server:
        server = Server(*arguments, **options)
        self.servers.append(server)
        server.start()
        return server

    def stop_all(self) -> None:
        faults = []
        for server in self.servers:
            try:
                if server.is_running:
                    server.stop()
            except Exception as fault:
                faults.append(fault)
        if faults:
            raise faults[0]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start servers of one's own: ``start_server("gunicorn", "-b", "{tcp}", "conformance")``."""
    starter = Starter()
    yield starter
    starter.stop_all()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A project with one application, ``demo:app``, and without a configuration file that would be read unasked."""
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    return directory


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            servers = value.servers if isinstance(value, Starter) else [value]
            for server in servers:
                if isinstance(server, Server):
                    report.sections.append((f"output of {name}: {' '.join(server.command)}", server.log[-4000:]))
    return report
