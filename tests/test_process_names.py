"""Names in the process list, as uWSGI shows them. The rows are what uWSGI 2.0.31 itself shows for these options."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Server, StartServer
from harness.processes import wait_until


def titles(server: Server) -> list[str]:
    """What the process list shows: the master's title, then the worker's."""
    others = sorted(pid for pid in server.processes() if pid != server.pid)
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in [server.pid, *others]]
    return [command.rstrip(b"\0").decode() for command in commands]


@pytest.mark.parametrize(
    ("options", "master", "worker"),
    [
        (["--auto-procname"], "uWSGI master", "uWSGI worker 1"),
        (["--procname-prefix-spaced", "shop"], "shop uWSGI master", "shop uWSGI worker 1"),
        (["--procname-prefix", "shop"], "shopuWSGI master", "shopuWSGI worker 1"),
        (["--procname", "mine"], "mine", "mine"),
        (["--procname", "mine", "--procname-prefix", "a", "--procname-append", "z"], "aminez", "aminez"),
        (["--procname-master", "boss", "--procname-append", " z"], "boss z", "uWSGI worker 1 z"),
        (["--procname-master", "boss", "--procname", "mine"], "boss", "mine"),
    ],
)
def test_processes_are_named_as_configured(
    start_server: StartServer, tmp_path: Path, options: list[str], master: str, worker: str
) -> None:
    (tmp_path / "app.py").write_text(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
    )
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", *options, cwd=tmp_path)
    assert wait_until(lambda: titles(server) == [master, worker], 30.0), titles(server)
