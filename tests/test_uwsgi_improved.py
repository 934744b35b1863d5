"""Where the original hurts its users and Penstock does otherwise: a test for each point that the compatibility page lists."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, RawClient, Server, StartServer
from harness.processes import wait_until
from harness.wires import packet

APPLICATION = '''\
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("on purpose")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/large":
        return (b"x" * 65536 for _ in range(2000))
    if path == "/marked":
        seen = environ.get("mark", "no mark")
        environ["mark"] = "left by another request"
        return [seen.encode()]
    return [f"{environ['wsgi.url_scheme']} application".encode()]
'''


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APPLICATION)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.txt").write_text("a file")
    (tmp_path / "static-private").mkdir()
    (tmp_path / "static-private" / "s.txt").write_text("a secret")
    return tmp_path


def start(start_server: StartServer, site: Path, *options: str) -> Server:
    return start_server("uwsgi", "--http", "{tcp}", "--wsgi-file", "app.py", *options, cwd=site)


def test_no_file_outside_of_a_static_directory_is_served(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site, "--static-map", f"/static={site}/static", "--check-static", f"{site}/static")
    assert server.get("/static/a.txt").body == b"a file"
    for target in (
        "/static-private/s.txt",
        "/static../static-private/s.txt",
        "/static/../static-private/s.txt",
        "/static/%2e%2e/static-private/s.txt",
        "/static/..%2fstatic-private/s.txt",
        "/../static-private/s.txt",
        "/statica.txt",
    ):
        assert server.get(target).body not in (b"a secret", b"a file"), target


def test_term_stops(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site, "--master")
    assert server.stop(signal.SIGTERM) == 0


def test_a_reload_keeps_the_http_front_and_loses_nothing(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site, "--master", "--processes", "2")
    answers: list[int] = []
    said = "gracefully (RE)spawned uWSGI master process"
    done = threading.Event()

    def visit() -> None:
        while not done.is_set():
            answers.append(server.get("/").status)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        for number in range(1, 4):
            server.process.send_signal(signal.SIGHUP)
            assert wait_until(lambda number=number: server.log.count(said) >= number, SAFETY_SECONDS), server.log
            before = len(answers)
            assert wait_until(lambda before=before: len(answers) > before + 10, SAFETY_SECONDS)
    finally:
        done.set()
        visitor.join()
    assert set(answers) == {200}


def test_an_exception_is_answered_with_a_page(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site)
    answer = server.get("/raise")
    assert answer.status == 500 and answer.body
    assert "RuntimeError: on purpose" in server.log


def test_slips_in_a_file_are_told_with_file_and_line(start_server: StartServer, site: Path) -> None:
    text = "[uwsgi]\nvaccum = true\nprocesses = 1 ; one\nharakiri = 20\nharakiri = 30\nvacuum = false # not\n"
    (site / "x.ini").write_text(text)
    server = start(start_server, site, "--ini", "x.ini")
    for line in (
        "x.ini:2: unknown option vaccum is ignored (did you mean vacuum?)",
        "x.ini:3: processes: '; one' is taken for a comment: put it on a line of its own",
        "x.ini:4: harakiri does not count, because harakiri in line 5 follows",
        "x.ini:6: vacuum: 'false # not' means on, because a comment cannot follow a value",
    ):
        assert line in server.log, server.log


def test_request_variables_never_load_code(start_server: StartServer, site: Path) -> None:
    (site / "evil.py").write_text("open('loaded', 'w')\ndef application(environ, start_response):\n    return []\n")
    server = start(start_server, site, "--socket", "{unix}")
    evil = {"UWSGI_FILE": "evil.py", "UWSGI_MODULE": "evil", "UWSGI_SCRIPT": "evil", "UWSGI_APPID": "new"}
    with server.connect("unix") as client:
        client.send(packet({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", **evil}))
        assert client.read_to_end().endswith(b" application")
    assert not (site / "loaded").exists()


def test_the_scheme_is_believed_of_trusted_peers_only(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site)
    assert server.get("/", "X-Forwarded-Proto: https").body == b"https application"
    with socket.create_connection(server.address, SAFETY_SECONDS, source_address=("127.0.0.9", 0)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: stranger.recv(65536), b"")).rstrip(b"\r\n0").endswith(b"http application")


def test_every_request_has_an_environ_of_its_own(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site, "--wsgi-env-behaviour", "cheat")
    assert [server.get("/marked").body for _ in range(3)] == [b"no mark"] * 3


def test_a_client_that_leaves_is_no_error(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site)
    for _ in range(5):
        with RawClient(server.address) as client:
            client.send(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n")
            client.read_exactly(1000)
            client.reset()
    assert server.get("/").status == 200
    server.stop()
    assert not any(word in server.log for word in ("Traceback", "write error", "OSError", "SIGPIPE")), server.log


def test_a_backlog_above_the_systems_is_clamped(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site, "--listen", "1000000")
    assert "somaxconn" in server.log, server.log


def test_tables_do_not_grow_with_max_fd(start_server: StartServer, site: Path) -> None:
    server = start(start_server, site, "--max-fd", "100000000")
    for process in server.processes():
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        assert pages * 4096 < 300 << 20
