"""uvicorn's command: its usage errors, log lines and exit codes beside the real one, its options, and `penstock.run`."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness import SAFETY_SECONDS, RawClient, StartServer
from harness.command import run_command
from harness.processes import free_port, wait_until
from projects import copy_of
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

REAL = [sys.executable, "-m", "uvicorn"]
OURS = [str(Path(sys.executable).parent / "penstock"), "uvicorn"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return copy_of("uvicorn_site", tmp_path)


class Process:
    """A server started without the harness: for arguments, descriptors and programs that it has no words for."""

    def __init__(self, command: list[str], directory: Path, **options: Any) -> None:
        self.log_path = directory / f"log-{time.monotonic_ns()}"
        with self.log_path.open("wb") as log:
            self.popen = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text: str) -> None:
        assert wait_until(lambda: text in self.log or self.popen.poll() is not None, SAFETY_SECONDS), self.log
        assert text in self.log, self.log

    def end(self, number: int) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(SAFETY_SECONDS)


@contextmanager
def running(command: list[str], directory: Path, **options: Any) -> Iterator[Process]:
    process = Process(command, directory, **options)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait()


def get(port: int, target: str = "/", *fields: str) -> Any:
    with RawClient(("127.0.0.1", port)) as client:
        return client.get(target, "Connection: close", *fields)


# Beside the real one.


def normal(text: str) -> list[str]:
    """The lines of a log, without what differs from run to run: process ids and ports."""
    text = re.sub(r"process \[((?:\x1b\[\d+m)*)\d+", r"process [\1PID", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    return text.splitlines()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--port", "abc", "main:app"),
        ("--por", "1", "main:app"),
        ("--port",),
        ("main:app", "extra"),
        ("main:app", "extra", "more"),
        ("-x", "main:app"),
        ("--reload=1", "main:app"),
        ("--lifespan", "x", "main:app"),
        ("--log-level", "x", "main:app"),
        ("--reload-delay", "x", "main:app"),
        ("--env-file", "gone", "main:app"),
        ("--log-config", "gone", "main:app"),
        ("--reload", "--reload-dir", "gone", "main:app"),
        ("main",),
        ("main:",),
        ("gone:app",),
        ("main:gone",),
        ("main:app.gone",),
    ],
    ids=" ".join,
)
def test_what_is_refused_is_refused_in_the_same_words_and_with_the_same_code(
    site: Path, arguments: tuple[str, ...]
) -> None:
    real = subprocess.run([*REAL, *arguments], cwd=site, capture_output=True, text=True, timeout=SAFETY_SECONDS)
    ended = run_command("uvicorn", *arguments, cwd=site, timeout=SAFETY_SECONDS)
    assert ended.exit_code == real.returncode, (ended, real)
    said = ended.stderr.replace("penstock uvicorn", "uvicorn")
    wanted = real.stderr.replace("python -m uvicorn", "uvicorn")
    # Ours says that a process of its own had been started to find out.
    said = re.sub(r"INFO: +Started server process \[\d+\]\n", "", said)
    assert said == wanted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "options",
    [(), ("--use-colors",), ("--lifespan", "off"), ("--log-level", "warning"), ("--no-access-log",)],
    ids=" ".join,
)
def test_a_life_reads_as_under_the_real_one(site: Path, number: int, options: tuple[str, ...]) -> None:
    logs, codes = [], []
    for command in (REAL, OURS):
        port = free_port()
        with running([*command, "--port", str(port), *options, "main:app"], site) as process:
            assert wait_until(lambda port=port: is_up(port), SAFETY_SECONDS), process.log  # type: ignore[misc]
            if "warning" not in options:
                process.wait_for_log("running on")
            assert get(port, "/log?a=%20b").body == b"logged"
            process.wait_for_log("something to look at")
            if "warning" not in options and "--no-access-log" not in options:
                process.wait_for_log("GET /log")
            codes.append(process.end(number))
            logs.append(normal(process.log))
    assert codes[0] == codes[1]
    assert logs[0] == logs[1]


def is_up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_lifespan_that_fails_is_told_in_the_same_words(site: Path) -> None:
    real = subprocess.run(
        [*REAL, "--port", "0", "main:failing"], cwd=site, capture_output=True, text=True, timeout=SAFETY_SECONDS
    )
    ended = run_command("uvicorn", "--port", "0", "main:failing", cwd=site, timeout=SAFETY_SECONDS)
    assert ended.exit_code == real.returncode == 3
    levels = re.compile(r"^[A-Z]+: .*$", re.M)
    assert [normal(line) for line in levels.findall(ended.stderr)] == [
        normal(line) for line in levels.findall(real.stderr)
    ]
    assert "RuntimeError: the database is down" in ended.stderr


@pytest.mark.parametrize(
    ("target", "options", "last_words", "released"),
    [
        ("held", (), "Waiting for connections to close.", True),
        ("behind", (), "Waiting for background tasks to complete.", True),
        ("held", ("--timeout-graceful-shutdown", "1"), "Cancel 1 running task(s)", False),
        ("behind", ("--timeout-graceful-shutdown", "1"), "Cancel 1 running task(s)", False),
    ],
)
def test_a_stop_waits_for_the_same_and_says_so_in_the_same_words(
    site: Path, target: str, options: tuple[str, ...], last_words: str, released: bool
) -> None:
    said = []
    for command in (REAL, OURS):
        port = free_port()
        (site / "release").unlink(missing_ok=True)
        with (
            running([*command, "--port", str(port), *options, "main:app"], site) as process,
            _connected(process, port) as client,
        ):
            client.send(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
            process.wait_for_log(f"{target} begins")
            process.popen.send_signal(signal.SIGTERM)
            process.wait_for_log(last_words)
            if released:
                (site / "release").touch()
            assert process.popen.wait(SAFETY_SECONDS) == -signal.SIGTERM
            said.append([line for line in process.log.splitlines() if re.match("[A-Z]+: +(Waiting|Cancel)", line)])
            if target == "behind" or released:
                assert client.read_response().body == target.encode()
    assert said[0] == said[1]


def test_a_websocket_that_is_rejected_is_told_in_the_same_words(site: Path) -> None:
    said = []
    for command in (REAL, OURS):
        port = free_port()
        with running([*command, "--port", str(port), "--no-access-log", "main:app"], site) as process:
            process.wait_for_log("running on")
            for path in ("private?a=b", "denied"):
                with pytest.raises(InvalidStatus):
                    connect(f"ws://127.0.0.1:{port}/{path}", open_timeout=SAFETY_SECONDS)
            process.wait_for_log("connection rejected (418")
            process.end(signal.SIGTERM)
            lines = re.sub(r"127\.0\.0\.1:\d+", "CLIENT", process.log).splitlines()
            said.append([line for line in lines if "WebSocket" in line or "rejected" in line])
    assert said[0] == said[1]
    assert len(said[0]) == 4


def test_every_option_of_the_real_help_is_there(site: Path) -> None:
    real = subprocess.run([*REAL, "--help"], capture_output=True, text=True, timeout=SAFETY_SECONDS)
    ended = run_command("uvicorn", "--help", cwd=site, timeout=SAFETY_SECONDS)
    names = set(re.findall(r"^ +(--[a-z0-9-]+)", real.stdout, re.M)) | set(
        re.findall(r" / (--no-[a-z-]+)", real.stdout)
    )
    assert len(names) > 50
    assert not {name for name in names if f"{name} " not in ended.stdout}


def test_an_application_that_raises_is_shown_with_its_own_traceback_and_code_1(site: Path) -> None:
    (site / "raises.py").write_text("import main\n\n1 / 0\n")
    ended = run_command("uvicorn", "--port", "0", "raises:app", cwd=site, timeout=SAFETY_SECONDS)
    assert ended.exit_code == 1
    assert 'raises.py", line 3' in ended.stderr and "ZeroDivisionError" in ended.stderr
    assert "penstock" not in ended.stderr


# Processes.


def test_several_workers_have_a_parent_that_speaks_of_them(site: Path, start_server: StartServer) -> None:
    server = start_server("uvicorn", "--port", "{port}", "--workers", "2", "main:app", cwd=site)
    assert wait_until(lambda: server.log.count("Application startup complete.") == 2, SAFETY_SECONDS), server.log
    lines = server.log.splitlines()
    assert lines[0].startswith("INFO:     Uvicorn running on http://127.0.0.1:")
    assert lines[1] == f"INFO:     Started parent process [{server.pid}]"
    assert server.stop() == 0
    lines = server.log.splitlines()
    assert lines[-1] == f"INFO:     Stopping parent process [{server.pid}]"
    assert "INFO:     Received SIGTERM, exiting." in lines
    for words in ("Terminated child process", "Waiting for child process", "Finished server process"):
        assert server.log.count(words) == 2, words


def test_a_stop_while_the_application_starts_lets_it_start_and_stop(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import asyncio\n\nasync def app(scope, receive, send):\n    assert scope['type'] == 'lifespan'\n"
        "    await receive()\n    print('begun', flush=True)\n    await asyncio.sleep(1)\n"
        "    await send({'type': 'lifespan.startup.complete'})\n    await receive()\n    print('ended', flush=True)\n"
        "    await send({'type': 'lifespan.shutdown.complete'})\n"
    )
    with running([*OURS, "--port", "0", "slow:app"], tmp_path) as process:
        process.wait_for_log("begun")
        assert process.end(signal.SIGTERM) == -signal.SIGTERM
        assert "ended" in process.log.splitlines()
        assert "INFO:     Application shutdown complete." in process.log


def test_workers_that_cannot_start_end_the_parent_with_code_3(site: Path) -> None:
    ended = run_command("uvicorn", "--port", "0", "--workers", "2", "main:failing", cwd=site, timeout=SAFETY_SECONDS)
    assert ended.exit_code == 3
    assert "failed to start, stopping the parent process." in ended.stderr


def test_an_interrupt_of_the_whole_terminal_lets_requests_finish(site: Path) -> None:
    port = free_port()
    with running([*OURS, "--port", str(port), "main:app"], site) as process, _connected(process, port) as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        process.wait_for_log("slow begins")
        os.killpg(process.popen.pid, signal.SIGINT)
        assert client.read_response().body == b"slow"
        assert process.popen.wait(SAFETY_SECONDS) == 0


@contextmanager
def _connected(process: Process, port: int) -> Iterator[RawClient]:
    process.wait_for_log("running on")
    with RawClient(("127.0.0.1", port), timeout=SAFETY_SECONDS) as client:
        yield client


def test_a_worker_is_replaced_after_its_last_request(site: Path, start_server: StartServer) -> None:
    server = start_server("uvicorn", "--port", "{port}", "--limit-max-requests", "3", "main:app", cwd=site)
    first = server.get("/scope").json()["pid"]
    assert wait_until(lambda: server.get("/scope").json()["pid"] != first, SAFETY_SECONDS, every=0.05), server.log
    assert "INFO:     Maximum request limit of 3 exceeded. Terminating process." in server.log


# Options.


def test_headers_are_added_and_left_away(site: Path, start_server: StartServer) -> None:
    server = start_server(
        *("uvicorn", "--port", "{port}", "--no-date-header", "--no-server-header"),
        *("--header", "X-One:1", "--header", "x-two: b:c", "main:app"),
        cwd=site,
    )
    answer = server.get("/")
    assert (answer.value("Server"), answer.value("Date")) == (None, None)
    assert (answer.value("X-One"), answer.value("X-Two")) == ("1", "b:c")


def test_a_proxy_that_is_trusted_is_believed(site: Path, start_server: StartServer) -> None:
    fields = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https")
    for options, client, scheme in (
        ((), "1.2.3.4", "https"),
        (("--no-proxy-headers",), "127.0.0.1", "http"),
        (("--forwarded-allow-ips", "10.0.0.0/8"), "127.0.0.1", "http"),
    ):
        server = start_server("uvicorn", "--port", "{port}", "--root-path", "/api", *options, "main:app", cwd=site)
        seen = server.get("/scope", *fields).json()
        assert (seen["client"][0], seen["scheme"]) == (client, scheme)
        assert (seen["path"], seen["root_path"]) == ("/api/scope", "/api")
        server.wait_for_log(f"INFO:     {client}:")
        server.stop()


def test_an_inherited_socket_is_served(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [*OURS, "--fd", str(listener.fileno()), "main:app"]
        with running(command, site, pass_fds=(listener.fileno(),)) as process:
            process.wait_for_log(f"Uvicorn running on socket ('127.0.0.1', {port}) (Press CTRL+C to quit)")
            assert get(port).body == b"hello"
            assert process.end(signal.SIGTERM) == -signal.SIGTERM


def test_a_unix_socket_is_for_everybody_and_is_removed(site: Path, start_server: StartServer) -> None:
    server = start_server("uvicorn", "--uds", "{unix}", "main:app", cwd=site)
    path = Path(str(server.address))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert f"Uvicorn running on unix socket {path} (Press CTRL+C to quit)" in server.log
    assert server.get("/").body == b"hello"
    server.stop()
    assert not path.exists()


def test_variables_of_a_file_and_another_directory_are_seen_by_the_application(
    tmp_path: Path, site: Path, start_server: StartServer
) -> None:
    (tmp_path / "variables").write_text("FROM_FILE=yes # a comment\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server = start_server(
        *("uvicorn", "--port", "{port}", "--env-file", "../variables", "--app-dir", str(site), "main:app"),
        cwd=elsewhere,
    )
    assert server.get("/scope").json()["set"] == "yes"
    assert "INFO:     Loading environment from '../variables'" in server.log


def test_a_factory_is_recognised_and_said_to_be_one(site: Path, start_server: StartServer) -> None:
    hint = "ASGI app factory detected. Using it, but please consider setting the --factory flag explicitly."
    for options, said in (((), True), (("--factory",), False)):
        server = start_server("uvicorn", "--port", "{port}", *options, "main:create_app", cwd=site)
        assert server.get("/").body == b"hello"
        assert (f"WARNING:  {hint}" in server.log) == said
        server.stop()


def test_fastapi_below_a_prefix(tmp_path: Path, start_server: StartServer) -> None:
    (tmp_path / "api.py").write_text(
        "from fastapi import FastAPI\napp = FastAPI()\n\n@app.get('/items/{number}')\nasync def item(number: int):\n"
        "    return {'number': number}\n"
    )
    server = start_server("uvicorn", "--port", "{port}", "--root-path", "/v1", "api:app", cwd=tmp_path)
    assert server.get("/items/7").json() == {"number": 7}
    assert server.get("/items/x").status == 422
    assert server.get("/openapi.json").json()["servers"] == [{"url": "/v1"}]


# Logging.


def test_a_failing_request_is_told_in_uvicorns_words(site: Path, start_server: StartServer) -> None:
    server = start_server("uvicorn", "--port", "{port}", "main:app", cwd=site)
    assert server.get("/broken").status == 500
    server.wait_for_log("RuntimeError: on purpose")
    assert re.search(r"^ERROR:    Exception in ASGI application", server.log, re.M), server.log
    server.wait_for_log('"GET /broken HTTP/1.1" 500 Internal Server Error')


def logging_configuration(directory: Path) -> dict[str, Any]:
    """uvicorn's own, with a format of its own and a file."""
    handler = {"class": "logging.FileHandler", "filename": str(directory / "lines")}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "default": {
                "()": "uvicorn.logging.DefaultFormatter",
                "fmt": "E|%(levelname)s|%(name)s|%(message)s",
                "use_colors": False,
            },
            "access": {
                "()": "uvicorn.logging.AccessFormatter",
                "fmt": "A|%(client_addr)s|%(request_line)s|%(status_code)s",
                "use_colors": False,
            },
        },
        "handlers": {"default": {**handler, "formatter": "default"}, "access": {**handler, "formatter": "access"}},
        "loggers": {
            "uvicorn": {"handlers": ["default"], "level": "INFO"},
            "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        },
    }


def check_lines(directory: Path) -> None:
    lines = (directory / "lines").read_text()
    assert re.search(r"^E\|INFO\|uvicorn.error\|Started server process \[\d+\]$", lines, re.M), lines
    assert "E|INFO|uvicorn.error|from the application" in lines
    assert re.search(r"^A\|127\.0\.0\.1:\d+\|GET /log\?a=b HTTP/1\.1\|200 OK$", lines, re.M), lines
    assert re.search(r"^E\|ERROR\|uvicorn.error\|Exception in ASGI application", lines, re.M), lines
    assert "RuntimeError: on purpose" in lines


def test_a_logging_configuration_gets_the_servers_lines(site: Path, start_server: StartServer) -> None:
    (site / "log.json").write_text(json.dumps(logging_configuration(site)))
    server = start_server("uvicorn", "--port", "{port}", "--log-config", "log.json", "main:app", cwd=site)
    server.get("/log?a=b")
    server.get("/broken")
    server.stop()
    check_lines(site)
    assert "Started server process" not in server.log


def test_a_logging_configuration_in_ini_may_name_uvicorns_formatters(site: Path, start_server: StartServer) -> None:
    (site / "log.ini").write_text(
        f"""
[loggers]
keys=root,access
[handlers]
keys=file,access
[formatters]
keys=plain,access
[logger_root]
level=INFO
handlers=file
[logger_access]
level=INFO
handlers=access
propagate=0
qualname=uvicorn.access
[handler_file]
class=FileHandler
formatter=plain
args=({str(site / "lines")!r},)
[handler_access]
class=FileHandler
formatter=access
args=({str(site / "lines")!r},)
[formatter_plain]
format=E|%(levelname)s|%(name)s|%(message)s
[formatter_access]
class=uvicorn.logging.AccessFormatter
format=A|%(client_addr)s|%(request_line)s|%(status_code)s
"""
    )
    server = start_server("uvicorn", "--port", "{port}", "--log-config", "log.ini", "main:app", cwd=site)
    server.get("/log?a=b")
    server.get("/broken")
    server.stop()
    check_lines(site)


# Reloading.


def test_a_change_reloads_and_a_broken_one_does_not_break_the_site(tmp_path: Path, start_server: StartServer) -> None:
    source = tmp_path / "changing.py"

    def write(text: str) -> None:
        # Renamed into place: a half-written file is a change of its own.
        temporary = tmp_path / "changing.new"
        temporary.write_text(text)
        temporary.rename(source)

    body = (
        "async def app(scope, receive, send):\n    await send({{'type': 'http.response.start', 'status': 200}})\n"
        "    await send({{'type': 'http.response.body', 'body': b'{}'}})\n"
    )
    write("def broken(:\n")
    server = start_server(
        "uvicorn", "--port", "{port}", "--reload", "--reload-delay", "0.05", "changing:app", cwd=tmp_path
    )
    assert f"INFO:     Will watch for changes in these directories: ['{tmp_path}']" in server.log
    assert f"INFO:     Started reloader process [{server.pid}] using Penstock" in server.log
    assert server.get("/").status == 500

    def answers(text: bytes) -> bool:
        return server.get("/").body == text

    write(body.format("one"))
    assert wait_until(lambda: answers(b"one"), SAFETY_SECONDS, every=0.05), server.log
    assert "WARNING:  Penstock detected changes in 'changing.py'. Reloading..." in server.log
    write("def broken(:\n")
    server.wait_for_log("Reload failed, the old processes stay")
    assert answers(b"one")
    write(body.format("two"))
    assert wait_until(lambda: answers(b"two"), SAFETY_SECONDS, every=0.05), server.log
    assert server.stop() == 0
    assert f"INFO:     Stopping reloader process [{server.pid}]" in server.log


def test_what_is_watched_can_be_said(site: Path, start_server: StartServer) -> None:
    watched = site / "watched"
    watched.mkdir()
    server = start_server(
        *("uvicorn", "--port", "{port}", "--reload", "--reload-delay", "0.05", "--reload-dir", "watched"),
        *("--reload-include", "*.html", "--reload-exclude", "left_*", "main:app"),
        cwd=site,
    )
    first = server.get("/scope").json()["pid"]
    (watched / "left_out.html").write_text("x")
    (watched / "text.txt").write_text("x")
    (watched / "page.html").write_text("x")
    assert wait_until(lambda: server.get("/scope").json()["pid"] != first, SAFETY_SECONDS, every=0.05), server.log
    changes = re.findall(r"detected changes in '([^']*)'", server.log)
    assert changes and set(changes) == {"watched/page.html"}


# From Python.


def program(directory: Path, text: str) -> list[str]:
    (directory / "program.py").write_text(text)
    return [sys.executable, "program.py"]


@pytest.mark.parametrize("application", ['"main:app"', "main.app"])
def test_run_serves_a_name_or_an_object_and_returns(site: Path, application: str) -> None:
    port = free_port()
    command = program(
        site,
        f"import main, penstock\nif __name__ == '__main__':\n"
        f"    penstock.run({application}, port={port}, headers=[('X-One', '1')], access_log=False)\n    print('returned')\n",
    )
    with running(command, site) as process:
        process.wait_for_log("Uvicorn running on")
        answer = get(port)
        assert (answer.body, answer.value("X-One")) == (b"hello", "1")
        assert process.end(signal.SIGINT) == 0
        assert process.log.endswith("returned\n") and "GET /" not in process.log


def test_run_with_workers_needs_a_name(site: Path) -> None:
    command = program(site, "import main, penstock\npenstock.run(main.app, workers=2, port=0)\n")
    ended = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=SAFETY_SECONDS)
    assert ended.returncode == 3
    assert "You must pass the application as an import string to enable 'reload' or 'workers'." in ended.stderr


def test_run_says_what_it_cannot_take(site: Path) -> None:
    for call, code, said in (
        ("penstock.run('main:app', prot=1)", 1, "TypeError: run() got an unexpected keyword argument 'prot'"),
        ("penstock.run('main:app', port='x')", 2, "Invalid value for '--port': 'x' is not a valid integer."),
        ("penstock.run('gone:app', port=0)", 3, 'Error loading ASGI app. Could not import module "gone".'),
    ):
        command = program(site, f"import penstock\n{call}\n")
        ended = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=SAFETY_SECONDS)
        assert ended.returncode == code and said in ended.stderr, ended


def test_run_takes_a_logging_dictionary_or_leaves_logging_to_the_program(site: Path) -> None:
    for setting in (repr(logging_configuration(site)), "None"):
        port = free_port()
        command = program(
            site,
            "import logging, main, penstock\nlogging.basicConfig(level='INFO', format='P|%(name)s|%(message)s')\n"
            f"penstock.run('main:app', port={port}, log_config={setting})\n",
        )
        with running(command, site) as process:
            assert wait_until(lambda port=port: is_up(port), SAFETY_SECONDS), process.log  # type: ignore[misc]
            assert get(port, "/log?a=b").status == 200
            assert get(port, "/broken").status == 500
            process.end(signal.SIGTERM)
            if setting == "None":
                assert "P|uvicorn.error|Uvicorn running on" in process.log
                assert re.search(
                    r'^P\|uvicorn.access\|127\.0\.0\.1:\d+ - "GET /log\?a=b HTTP/1.1" 200$', process.log, re.M
                )
            else:
                check_lines(site)


def test_the_formatters_are_uvicorns() -> None:
    from penstock import _logging

    record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, "%s", ("text",), None)
    request = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', ("1.2.3.4:5", "GET", "/", "1.1", 404), None
    )
    access = '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s'
    default = _logging.DefaultFormatter("%(levelprefix)s %(message)s", use_colors=False)
    assert default.format(record) == "WARNING:  text"
    assert _logging.AccessFormatter(access, use_colors=False).format(request) == (
        'INFO:     1.2.3.4:5 - "GET / HTTP/1.1" 404 Not Found'
    )
    if importlib.metadata.version("uvicorn") == "0.54.0":
        theirs = __import__("uvicorn.logging").logging
        for colors in (True, False):
            ours = _logging.AccessFormatter(access, use_colors=colors).format(request)
            assert ours == theirs.AccessFormatter(access, use_colors=colors).format(request)


def test_patterns_fit_names_and_the_ends_of_paths() -> None:
    from penstock._reloader import _matches

    for path, patterns, fits in (
        ("/site/page.html", ("*.html",), True),
        ("/site/static/page.css", ("static/*.css",), True),
        ("/site/static/page.css", ("./static/*",), True),
        ("/site/tests", ("tests",), True),
        ("/site/tests/x.py", ("/site/tests/*",), True),
        ("/site/mytests/x.py", ("tests/*",), False),
        ("/site/page.html", (), False),
    ):
        assert _matches(path, patterns) == fits, (path, patterns)
