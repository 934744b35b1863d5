"""uWSGI's options for logs: where lines go, what they look like, what becomes of them on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest
from harness import Server, StartServer
from harness.processes import wait_until

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


def test_files_that_only_requests_are_logged_to_are_set_aside_too(start_server: StartServer, tmp_path: Path) -> None:
    server = started(
        start_server,
        tmp_path,
        "processes = 2",
        "logto = a.log",
        "req-logger = file:logfile=requests.log,maxsize=2000",
        "log-format = of %(uri)",
    )
    old = "requests.log.*"
    assert wait_until(lambda: get(server, "/" + "x" * 200) or any(tmp_path.glob(old)), 60)
    file = tmp_path / "requests.log"
    assert wait_until(lambda: get(server, "/afterwards") or "of /afterwards" in file.read_text(), 60)


def test_logto_may_be_an_address(start_server: StartServer, tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.settimeout(60)
        receiver.bind(("127.0.0.1", 0))
        started(start_server, tmp_path, f"logto = 127.0.0.1:{receiver.getsockname()[1]}")
        assert receiver.recv(9000) == b"[uWSGI] getting INI configuration from uwsgi.ini"
        assert receiver.recv(9000).startswith(b"*** Starting uWSGI")


LARGE = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/file":
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if environ["PATH_INFO"] == "/large":
        return (b"x" * 100_000 for _ in range(1000))
    return [b"answer"]
"""


def test_files_and_failures_are_logged_where_others_are_not(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text(LARGE)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.txt").write_text("file")
    options = ["--log-sendfile", "1", "--log-ioerror", "1", "--static-map", "/static=files", "--route=^/x setuser:me"]
    server = start_server(
        "uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "large.py", "--disable-logging", *options, cwd=tmp_path
    )
    server.get("/x")
    with server.connect() as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        client.read_head()
        client.reset()
    server.get("/file")
    server.get("/static/a.txt")
    server.wait_for_log("GET /static/a.txt => generated 4 bytes in 0 msecs via sendfile() (HTTP/1.1 200)")
    lines = [line for line in server.log.splitlines() if line.startswith("[pid: ")]
    assert [line.split(" => ")[0].split(" ")[-1] for line in lines] == ["/large", "/file", "/static/a.txt"]
    assert "|app: 0|req: " in lines[1] and " via sendfile() (" in lines[1]
    assert "|app: -1|req: -1/" in lines[2]
    # A client that has gone is no error: nothing is said of it but that line.
    assert "Error" not in server.log and "Traceback" not in server.log


def test_a_rules_user_and_variables_are_logged(start_server: StartServer, tmp_path: Path) -> None:
    server = started(
        start_server,
        tmp_path,
        "log-format = user %(user) own %(var.OWN) noted %(note) app %(app)",
        "route = ^/me setuser:me",
        "route = ^/me addvar:OWN=1",
        "route-run = logvar:note=2",
    )
    get(server, "/me")
    server.wait_for_log("user me own 1 noted 2 app 0")
    assert "user - own - noted 2 app 0" in server.log


def test_the_first_lines_tell_of_the_surroundings_as_uwsgis_do(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "listen = 64", "worker-reload-mercy = 7")
    server.wait_for_log("spawned uWSGI worker 1")
    lines = server.log.splitlines()
    found = []
    for pattern in (
        r"\*\*\* Starting uWSGI 2\.0\.31 \(64bit\) on \[.*\] \*\*\*",
        r"os: Linux-.*",
        r"nodename: .+",
        r"machine: .+",
        r"detected number of CPU cores: \d+",
        rf"current working directory: {tmp_path}",
        r"detected binary path: .+",
        r"your memory page size is \d+ bytes",
        r"detected max file descriptor number: \d+",
        r"uwsgi socket 0 bound to TCP address 127\.0\.0\.1:\d+ fd \d+",
        r"your server socket listen backlog is limited to 64 connections",
        r"your mercy for graceful operations on workers is 7 seconds",
        r"\*\*\* Operational MODE: single process \*\*\*",
        r"spawned uWSGI master process \(pid: \d+\)",
    ):
        matching = [index for index, line in enumerate(lines) if re.fullmatch(pattern, line)]
        assert len(matching) == 1, pattern
        found.append(matching[0])
    assert found == sorted(found)


# Its process id in front of each line that it reads.
READER = 'while read -r line; do echo "$$ $line" >> %s; done; echo "$$ end" >> %s'


def test_a_program_reads_lines_and_is_started_again_when_it_dies(start_server: StartServer, tmp_path: Path) -> None:
    server = started(
        start_server,
        tmp_path,
        "processes = 2",
        "log-format = of %(uri)",
        "logger = pipe:" + READER.replace("%s", "all.log"),
        "req-logger = pipe:" + READER.replace("%s", "requests.log"),
    )
    get(server, "/one")
    eventually(tmp_path / "all.log", r"says \{/one\}")
    first = int(eventually(tmp_path / "requests.log", "of /one$").split()[0])
    os.kill(first, signal.SIGKILL)
    # A process that is killed may take one more byte of the next line, until it is gone.
    assert "has ended: it is started again" in eventually(tmp_path / "all.log", "which reads the log")
    # If nobody reads yet, it waits in the pipe.
    get(server, "/two")
    second = int(eventually(tmp_path / "requests.log", "of /two$").split()[0])
    assert second != first
    assert "of /two" not in (tmp_path / "all.log").read_text()
    server.stop()
    for log in ("all.log", "requests.log"):
        eventually(tmp_path / log, " end$")


def test_a_redis_server_is_told_of_each_line(start_server: StartServer, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as redis:
        redis.settimeout(60)
        address = f"127.0.0.1:{redis.getsockname()[1]}/3,rpush mine,>"
        server = started(start_server, tmp_path, f"req-logger = redislog:secret@{address}", "log-format = of %(uri)")
        peer, _ = redis.accept()
        with closing(peer):
            peer.settimeout(60)
            said = b""
            while b">of /\r\n" not in said:
                part = peer.recv(4096)
                assert part, said
                said += part
    assert said.startswith(
        b"*2\r\n$4\r\nauth\r\n$6\r\nsecret\r\n*2\r\n$6\r\nselect\r\n$1\r\n3\r\n*3\r\n$5\r\nrpush\r\n"
    )
    # A server that is gone stops nobody.
    for _ in range(3):
        get(server, "/after")


def test_what_a_program_that_reads_the_log_prints_does_not_come_back_to_it(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = started(
        start_server, tmp_path, "log-master = true", "logger = pipe:tee -a all.log", "log-format = of %(uri)"
    )
    for path in ("/one", "/two"):
        get(server, path)
        eventually(tmp_path / "all.log", f"of {path}$")
    assert (tmp_path / "all.log").read_text().count("of /one") == 1
    assert wait_until(lambda: "of /two" in server.log, 60)
