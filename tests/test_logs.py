"""The error log and the access log, in each dialect's line format: to files and streams, reopened, never forged."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, StartServer
from harness.processes import wait_until

STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\]"


def line_with(path: Path, text: str) -> str:
    """The line of a log file that holds `text`, once there is one: others may be written before it or after it."""

    def found() -> list[str]:
        return [line for line in path.read_text().splitlines() if text in line] if path.exists() else []

    assert wait_until(lambda: bool(found()), SAFETY_SECONDS), path
    return found()[0]


def test_gunicorns_error_log_has_gunicorns_lines(plain: Path, start_server: StartServer) -> None:
    server = start_server("gunicorn", "-w", "2", "-b", "{tcp}", "demo:app", cwd=plain)
    assert server.get("/raise").status == 500
    server.stop()
    for line in (
        rf"^{STAMP} \[{server.pid}\] \[INFO\] Starting gunicorn 27\.0\.1$",
        rf"^{STAMP} \[{server.pid}\] \[INFO\] Listening at: http://127\.0\.0\.1:\d+ \({server.pid}\)$",
        rf"^{STAMP} \[{server.pid}\] \[INFO\] Using worker: sync$",
        rf"^{STAMP} \[(\d+)\] \[INFO\] Booting worker with pid: \1$",
        rf"^{STAMP} \[\d+\] \[ERROR\] Error handling request GET /raise$",
        r"^Traceback \(most recent call last\):$",
        rf"^{STAMP} \[{server.pid}\] \[INFO\] Handling signal: term$",
        rf"^{STAMP} \[(\d+)\] \[INFO\] Worker exiting \(pid: \1\)$",
        rf"^{STAMP} \[{server.pid}\] \[INFO\] Shutting down: Master$",
    ):
        assert re.search(line, server.log, re.MULTILINE), line


def test_gunicorns_access_log_has_the_combined_format(plain: Path, start_server: StartServer) -> None:
    log = plain / "access.log"
    server = start_server("gunicorn", "-b", "{tcp}", "--access-logfile", str(log), "demo:app", cwd=plain)
    server.get("/echo?a=b", "Referer: http://there/", "User-Agent: me")
    line = line_with(log, "/echo?a=b")
    day = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    assert re.fullmatch(rf'127\.0\.0\.1 - - {day} "GET /echo\?a=b HTTP/1\.1" 200 \d+ "http://there/" "me"', line), line


@pytest.mark.parametrize("threads", ["1", "4"])
def test_gunicorns_access_format_takes_every_kind_of_atom(plain: Path, start_server: StartServer, threads: str) -> None:
    log = plain / "access.log"
    atoms = "%(h)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(B)s|%(D)s|%(p)s|%({x-a}i)s|%({content-type}o)s|%(zz)s"
    server = start_server(
        "gunicorn", "-b", "{tcp}", "--threads", threads,
        "--access-logfile", str(log), "--access-logformat", atoms, "demo:app", cwd=plain,
    )  # fmt: skip
    server.get("/query?a=1", "X-A: here")
    fields = line_with(log, "|/query|a=1|").split("|")
    assert fields[:6] == ["127.0.0.1", "GET", "/query", "a=1", "HTTP/1.1", "200"]
    assert all(field.isdigit() for field in fields[6:8])
    assert re.fullmatch(r"<\d+>", fields[8])
    assert fields[9] == "here"
    assert fields[10].startswith(("text/", "application/"))
    assert fields[11] == "-"


def test_uwsgis_logs_have_uwsgis_lines(plain: Path, start_server: StartServer) -> None:
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--master", "-p", "2", "--module", "demo:app", cwd=plain)
    server.get("/query?x=1")
    server.wait_for_log("/query?x=1")
    # The first worker to be ready answers; the other one may still be starting.
    server.wait_for_log("spawned uWSGI worker 1 ")
    server.wait_for_log("spawned uWSGI worker 2 ")
    server.stop(signal.SIGINT)
    for line in (
        r"^\*\*\* Starting uWSGI 2\.0\.31 \(64bit\) on \[.*\] \*\*\*$",
        r"^uwsgi socket 0 bound to TCP address 127\.0\.0\.1:\d+",
        r"^\*\*\* Operational MODE: preforking \*\*\*$",
        rf"^spawned uWSGI master process \(pid: {server.pid}\)$",
        r"^spawned uWSGI worker 2 \(pid: \d+, cores: 1\)$",
        r"^\[pid: \d+\|app: 0\|req: \d+/\d+\] 127\.0\.0\.1 \(\) \{\d+ vars in \d+ bytes\} \[.*\] GET /query\?x=1 => "
        r"generated \d+ bytes in \d+ msecs \(HTTP/1\.1 200\) \d+ headers in \d+ bytes \(1 switches on core 0\)$",
        r"^SIGINT/SIGTERM received\.\.\.killing workers\.\.\.$",
        r"^goodbye to uWSGI\.$",
    ):
        assert re.search(line, server.log, re.MULTILINE), line


def test_uwsgis_log_format_and_disable_logging(plain: Path, start_server: StartServer) -> None:
    listening = ("uwsgi", "--http-socket", "{tcp}", "--module", "demo:app")
    server = start_server(*listening, "--log-format", "%(addr) %(method) %(uri) %(status) %(proto)", cwd=plain)
    server.get("/query?x=2")
    server.wait_for_log("127.0.0.1 GET /query?x=2 200 HTTP/1.1")
    silent = start_server(*listening, "--disable-logging", cwd=plain)
    silent.get("/query?x=3")
    silent.stop()
    assert "/query?x=3" not in silent.log


@pytest.mark.parametrize("dialect", ["gunicorn", "uwsgi"])
def test_logs_are_reopened_on_usr1(plain: Path, start_server: StartServer, dialect: str) -> None:
    log = plain / "server.log"
    if dialect == "gunicorn":
        arguments = ("gunicorn", "-b", "{tcp}", "--access-logfile", str(log), "--error-logfile", str(log), "demo:app")
    else:
        arguments = ("uwsgi", "--http-socket", "{tcp}", "--logto", str(log), "--module", "demo:app")
    server = start_server(*arguments, cwd=plain)
    server.get("/query?before")
    assert wait_until(lambda: "/query?before" in log.read_text(), SAFETY_SECONDS)
    moved = log.rename(plain / "server.log.1")
    if dialect == "uwsgi":
        # There USR1 has another meaning; a reload opens the log anew.
        os.kill(server.pid, signal.SIGHUP)
    else:
        os.kill(server.pid, signal.SIGUSR1)
    assert wait_until(log.exists, SAFETY_SECONDS)

    def logged_anew() -> bool:
        server.get("/query?after")
        return "/query?after" in log.read_text()

    assert wait_until(logged_anew, SAFETY_SECONDS)
    assert "/query?before" in moved.read_text()


@pytest.mark.parametrize("dialect", ["gunicorn", "uwsgi"])
def test_no_client_can_forge_a_line(plain: Path, start_server: StartServer, dialect: str) -> None:
    if dialect == "gunicorn":
        arguments = ("gunicorn", "-b", "{tcp}", "--access-logfile", "-", "demo:app")
    else:
        arguments = (
            "uwsgi", "--http-socket", "{tcp}", "--module", "demo:app", "--log-format", '%(uri) "%(uagent)"',
        )  # fmt: skip
    server = start_server(*arguments, cwd=plain)
    with server.connect() as client:
        client.send(b'GET /forged HTTP/1.1\r\nHost: x\r\nUser-Agent: a" 200 "b\\\x80\r\n\r\n')
        assert client.read_response().status == 200
    server.wait_for_log("/forged")
    line = next(line for line in server.log.splitlines() if "/forged" in line)
    assert 'a\\" 200 \\"b\\\\' in line
    assert "\x80" not in line


def test_the_access_log_goes_to_standard_output_and_errors_to_standard_error(plain: Path) -> None:
    command = [str(Path(sys.executable).with_name("penstock")), "gunicorn", "-b", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--access-logfile", "-", "demo:app"],
        cwd=plain, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        address = next(line for line in process.stderr if "Listening at" in line)
        port = int(re.search(r":(\d+) ", address.split("http://")[1])[1])  # type: ignore[index]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /out HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while client.recv(65536):
                pass
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=SAFETY_SECONDS)
    assert '"GET /out HTTP/1.1" 200' in out
    assert "INFO" not in out


def test_how_long_a_start_takes_is_printed(plain: Path, start_server: StartServer) -> None:
    """No limit is asserted: the figure is for whoever reads the output."""
    begun = time.monotonic()
    server = start_server("gunicorn", "-b", "{tcp}", "demo:app", cwd=plain)
    assert server.get("/").status == 200
    print(f"from command to first answer: {time.monotonic() - begun:.3f} s")
