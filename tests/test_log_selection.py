"""Which requests the uwsgi dialect logs where logging is off but for some."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import StartServer

APPLICATION = """\
import os
import time


def application(environ, start_response):
    path = environ["PATH_INFO"]
    status = {"/missing": "404 Not Found", "/broken": "503 Service Unavailable"}.get(path, "200 OK")
    if path == "/slow":
        time.sleep(float(os.environ["SLOW_SECONDS"]))
    body = {"/empty": b"", "/big": b"x" * 100_000}.get(path, b"body")
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
TARGETS = ["/usual", "/missing", "/broken", "/slow", "/empty", "/big"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--log-4xx"], ["/missing"]),
        (["--log-5xx"], ["/broken"]),
        (["--log-slow", "2000"], ["/slow"]),
        (["--log-big", "100000"], ["/big"]),
        (["--log-zero"], ["/empty"]),
        (["--log-4xx", "--log-5xx"], ["/missing", "/broken"]),
    ],
)
def test_only_the_chosen_requests_are_logged(
    start_server: StartServer, tmp_path: Path, options: list[str], expected: list[str]
) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    server = start_server(
        *("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", "--log-format", "line %(uri)"),
        *("--disable-logging", *options),
        cwd=tmp_path,
        # So long, where it matters, that no other request takes it on a busy machine.
        environment={"SLOW_SECONDS": "2.1" if "--log-slow" in options else "0"},
    )
    with server.connect() as client:
        for target in TARGETS:
            client.get(target)
    server.stop()
    logged = [line.removeprefix("line ") for line in server.log.splitlines() if line.startswith("line ")]
    assert logged == expected


def test_request_lines_go_to_a_file_of_their_own(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    server = start_server(
        *("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", "--log-format", "line %(uri)"),
        *("--req-logger", "file:requests.log", "--logger", "file:server.log"),
        cwd=tmp_path,
    )
    server.get("/usual")
    server.stop()
    assert (tmp_path / "requests.log").read_text().splitlines()[-1] == "line /usual"
    written = (tmp_path / "server.log").read_text()
    assert "spawned uWSGI worker 1" in written and "line /" not in written
