"""uWSGI's options for logs: where lines go, what they look like, what becomes of them on the way."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from harness import Server
from harness.processes import wait_until

StartServer = Callable[..., Server]

APPLICATION = """\
def application(environ, start_response):
    environ["wsgi.errors"].write("the application says {" + environ["PATH_INFO"] + "}\\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answer"]
"""


def started(start_server: StartServer, directory: Path, *lines: str) -> Server:
    (directory / "app.py").write_text(APPLICATION)
    text = "\n".join(["[uwsgi]", "http-socket = $(ADDRESS)", "wsgi-file = app.py", *lines, ""])
    (directory / "uwsgi.ini").write_text(text)
    return start_server("uwsgi", "uwsgi.ini", cwd=directory, environment={"ADDRESS": "{tcp}"})


def eventually(path: Path, pattern: str) -> str:
    """The first line of a file that matches, once there is one."""

    def found() -> str | None:
        lines = path.read_text().splitlines() if path.exists() else []
        return next((line for line in lines if re.search(pattern, line)), None)

    assert wait_until(lambda: found() is not None, 60), path.read_text() if path.exists() else f"no {path}"
    return found() or ""


def get(server: Server, target: str, *fields: str) -> None:
    with server.connect() as client:
        assert client.get(target, *fields, "Connection: close").status == 200


def test_lines_have_the_time_of_log_date_and_requests_that_of_strftime(
    start_server: StartServer, tmp_path: Path
) -> None:
    started(
        start_server,
        tmp_path,
        "logto = a.log",
        "log-date = %%Y/%%m/%%d",
        "logformat-strftime = true",
        "log-format = at %(ftime) %(uri) %(rssM) %(nothing)",
    )
    year = r"20\d\d/\d\d/\d\d"
    assert re.match(rf"{year} - \*\*\* Starting uWSGI", eventually(tmp_path / "a.log", "Starting"))
    assert re.fullmatch(rf"at {year} / \d+ -", eventually(tmp_path / "a.log", r"^at "))


def test_log_date_alone_is_ctimes(start_server: StartServer, tmp_path: Path) -> None:
    started(start_server, tmp_path, "logto = a.log", "log-date = true", "log-micros = true")
    line = eventually(tmp_path / "a.log", "spawned uWSGI master")
    assert re.match(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d 20\d\d - spawned", line)
    assert re.search(r"bytes in \d+ micros \(", eventually(tmp_path / "a.log", r"GET /"))


def test_requests_and_everything_else_go_to_logs_of_their_own(start_server: StartServer, tmp_path: Path) -> None:
    started(
        start_server,
        tmp_path,
        "logger = file:first.log",
        "logger = file:second.log",
        "req-logger = file:requests.log",
        'log-req-encoder = json {"at":${unix},"line":"${msg}"}',
        "log-req-encoder = nl",
        'log-format = %(method) "%(uri)"',
    )
    record = json.loads(eventually(tmp_path / "requests.log", "GET"))
    assert record["line"] == 'GET "/"'
    assert abs(record["at"] - time.time()) < 3600
    for name in ("first.log", "second.log"):
        eventually(tmp_path / name, "the application says")
        assert "GET" not in (tmp_path / name).read_text()


def test_routes_send_lines_to_named_logs(start_server: StartServer, tmp_path: Path) -> None:
    server = started(
        start_server,
        tmp_path,
        "logger = braces file:braces.log",
        "logger = rest file:rest.log",
        "log-route = braces {",
        r"log-route = rest ^((?!\{).)*$",
        "log-encoder = prefix:braces [app]",
        "log-encoder = suffix:rest  (server)",
        "log-drain = drained",
        "log-format = request %(uri)",
    )
    get(server, "/drained")
    get(server, "/last")
    assert eventually(tmp_path / "braces.log", "last") == "[app]the application says {/last}"
    assert eventually(tmp_path / "rest.log", "request /last") == "request /last (server)"
    eventually(tmp_path / "rest.log", r"spawned uWSGI master")
    assert "drained" not in (tmp_path / "rest.log").read_text()
    assert "drained" not in (tmp_path / "braces.log").read_text()
    assert "{" not in (tmp_path / "rest.log").read_text()


def test_the_template_of_an_encoder_is_filled_in(start_server: StartServer, tmp_path: Path) -> None:
    started(start_server, tmp_path, "logto = a.log", "log-encoder = format ${strftime:%%Y} <${msg}> ${micros}")
    assert re.fullmatch(
        r"20\d\d <the application says \{/\}> \d{16}", eventually(tmp_path / "a.log", "the application")
    )


@pytest.mark.parametrize("kind", ["socket", "rsyslog"])
def test_lines_are_sent_as_datagrams(start_server: StartServer, tmp_path: Path, kind: str) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.settimeout(60)
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        name = ",mine" if kind == "rsyslog" else ""
        started(start_server, tmp_path, f"req-logger = {kind}:127.0.0.1:{port}{name}", "log-format = of %(uri)")
        expected = b"<30>mine: of /" if kind == "rsyslog" else b"of /"
        assert receiver.recv(9000) == expected


def test_a_log_that_is_too_large_is_set_aside_and_everybody_goes_on_in_the_new_one(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = started(
        start_server, tmp_path, "processes = 2", "logto = a.log", "log-maxsize = 2000", "log-backupname = old.log"
    )
    assert wait_until(lambda: get(server, "/" + "x" * 200) or (tmp_path / "old.log").exists(), 60)
    # The workers follow when they are told to.
    assert wait_until(lambda: get(server, "/afterwards") or "/afterwards" in (tmp_path / "a.log").read_text(), 60)
    # It may have been set aside more than once by now.
    assert (tmp_path / "old.log").stat().st_size > 2000


def test_a_log_is_emptied_at_start_and_has_its_mode(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("old\n")
    started(
        start_server, tmp_path, "logto = a.log", "log-truncate = true", "req-logger = file:b.log", "logfile-chmod = 604"
    )
    eventually(tmp_path / "a.log", "Starting")
    assert "old" not in (tmp_path / "a.log").read_text()
    eventually(tmp_path / "b.log", "GET")
    assert (tmp_path / "b.log").stat().st_mode & 0o777 == 0o604


def test_the_forwarded_client_is_logged_and_escaped(start_server: StartServer, tmp_path: Path) -> None:
    server = started(
        start_server,
        tmp_path,
        "log-x-forwarded-for = true",
        "logto = a.log",
        "log-format = from %(addr) to %(json_uri)",
    )
    get(server, "/x", 'X-Forwarded-For: 203.0.113.9, "10.0.0.1')
    assert eventually(tmp_path / "a.log", "to /x") == r"from 203.0.113.9, \"10.0.0.1 to /x"
    eventually(tmp_path / "a.log", r"from 127\.0\.0\.1 to /$")
