"""uWSGI's options about answers, about how long clients may take, and about its HTTP router."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Server, StartServer
from harness.command import run_command

APPLICATION = """\
import json


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Secret", "s3"), ("X-Build", "7")])
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    seen["body"] = len(environ["wsgi.input"].read())
    return [json.dumps(seen).encode()]
"""


def started(start_server: StartServer, directory: Path, *options: str) -> Server:
    (directory / "app.py").write_text(APPLICATION)
    return start_server("uwsgi", *options, "--wsgi-file", "app.py", cwd=directory)


def test_a_socket_may_name_a_shared_one(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "--shared-socket", "{tcp}", "--http-socket", "=0")
    assert server.get("/").status == 200


@pytest.mark.parametrize("option", ["--http-timeout=2", "--socket-timeout=2"])
def test_a_body_that_stops_coming_is_not_waited_for_longer_than_was_said(
    start_server: StartServer, tmp_path: Path, option: str
) -> None:
    server = started(start_server, tmp_path, "--http", "{tcp}", option)
    with server.connect(timeout=40) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert client.read_response().status == 408


def test_a_head_that_stops_coming_is_not_waited_for_longer_than_was_said(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = started(start_server, tmp_path, "--http", "{tcp}", "--http-headers-timeout", "2")
    with server.connect(timeout=25) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert client.read_response().status == 408


def test_answers_lose_fields_and_the_log_gains_them(start_server: StartServer, tmp_path: Path) -> None:
    server = started(
        start_server, tmp_path, "--http-socket", "{tcp}", "--del-header", "X-Secret", "--pull-header", "X-Build BUILD",
        "--collect-header", "Content-Type KIND", "--log-format", "build %(var.BUILD) kind %(var.KIND)",
    )  # fmt: skip
    answer = server.get("/")
    assert (answer.value("x-secret"), answer.value("x-build")) == (None, None)
    assert answer.value("content-type") == "text/plain"
    server.wait_for_log("build 7 kind text/plain")


def test_every_request_has_the_variables_of_http_var(start_server: StartServer, tmp_path: Path) -> None:
    options = ["--http", "{tcp}", "--http-var", "REGION=north", "--http-var", "TIER=2", "--http-manage-expect=5"]
    server = started(start_server, tmp_path, *options)
    seen = server.get("/").json()
    assert (seen["REGION"], seen["TIER"]) == ("north", "2")
    assert server.request("POST", "/", body=b"123456").status == 413


def test_http_to_another_server_passes_everything_on(start_server: StartServer, tmp_path: Path) -> None:
    backend = started(start_server, tmp_path, "--socket", "{tcp}", "--http-socket", "{tcp2}", "--http-to", "{tcp}")
    assert isinstance(backend.address, tuple)
    host, port = backend.address
    router = start_server("uwsgi", "--http", "{tcp}", "--http-to", f"{host}:{port}", cwd=tmp_path)
    seen = router.request("POST", "/a%20b?c=d", "X-Own: 1", body=b"x" * 100_000).json()
    assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["HTTP_X_OWN"]) == ("/a b", "c=d", "1")
    assert (seen["body"], seen["REMOTE_ADDR"]) == (100_000, "127.0.0.1")
    backend.stop()
    assert router.get("/").status == 502


@pytest.mark.parametrize(("mode", "field"), [("nginx", "x-accel-redirect"), ("X-Sendfile", "x-sendfile")])
def test_the_web_server_sends_files_where_it_is_to(
    start_server: StartServer, tmp_path: Path, mode: str, field: str
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.css").write_text("a")
    options = ["--http-socket", "{tcp}", "--static-map", "/s=files", "--file-serve-mode", mode]
    server = started(start_server, tmp_path, *options)
    answer = server.get("/s/a.css")
    assert (answer.status, answer.body, answer.value("content-type")) == (200, b"", "text/css")
    assert answer.value(field) == str(tmp_path / "files/a.css") and answer.value("last-modified")
    assert server.get("/s/b.css").value(field) is None


def test_files_are_looked_for_below_the_document_root(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a.txt").write_text("found")
    (tmp_path / "secret.txt").write_text("hidden words")
    server = started(
        start_server, tmp_path, "--http-socket", "{tcp}", "--check-static-docroot", "--route-run=setdocroot:root"
    )
    assert server.get("/a.txt").body == b"found"
    for path in ["/b.txt", "/../secret.txt", "/%2e%2e/secret.txt"]:
        assert b"hidden words" not in server.get(path).body


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--http-modifier1=9"], "only Python (0) answers here, not 9"),
        (["--http-to=127.0.0.1:1", "--http-to=127.0.0.1:2"], "requests are passed on to one server"),
        (["--http-socket=:8001", "--http-to=127.0.0.1:1"], "is none of this server's sockets"),
        (["--file-serve-mode=lighttpd"], "is no way to send files"),
        (["--collect-header=X"], "has to be HEADER VARIABLE"),
        (["--http-stud-prefix=1"], "there is no router process that others subscribe to"),
    ],
)
def test_what_cannot_work_is_named(tmp_path: Path, options: list[str], part: str) -> None:
    ended = run_command("uwsgi", "--check", "--http", ":8000", *options, cwd=tmp_path)
    assert part in ended.text and ended.exit_code == 1


def test_who_is_believed_about_the_scheme_can_be_said(start_server: StartServer, tmp_path: Path) -> None:
    for peers, scheme in [("127.0.0.1", "https"), ("192.0.2.1", "http")]:
        (tmp_path / "scheme.py").write_text(
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            "    return [environ['wsgi.url_scheme'].encode()]\n"
        )
        server = start_server(
            "uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "scheme.py", cwd=tmp_path,
            environment={"FORWARDED_ALLOW_IPS": peers},
        )  # fmt: skip
        assert server.get("/", "X-Forwarded-Proto: https").body == scheme.encode()
