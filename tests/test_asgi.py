"""ASGI over HTTP: the scope, the events both ways, the lifespan, the loops, and how an application is recognised.

Most tests run on asyncio's own loop and on uvloop.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.command import run_command
from harness.processes import wait_until
from harness.wires import packet
from projects import copy_of

LOOPS = ("asyncio", "uvloop")


class Site:
    """The raw application, served; its journal is what the application wrote down."""

    def __init__(self, directory: Path, start_server: StartServer, *arguments: str, **options: str) -> None:
        self.directory = copy_of("asgi_site", directory)
        self.path = self.directory / "journal"
        self.path.touch()
        environment = {"JOURNAL": str(self.path), **options}
        self.server: Server = start_server(*arguments, cwd=self.directory, environment=environment)

    def journal(self) -> list[str]:
        return self.path.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        assert wait_until(lambda: line in self.journal(), SAFETY_SECONDS), (line, self.journal(), self.server.log)


@pytest.fixture(params=LOOPS)
def raw(request: pytest.FixtureRequest, tmp_path: Path, start_server: StartServer) -> Site:
    return Site(tmp_path, start_server, "--loop", request.param, "-b", "{tcp}", "raw:app")


# The scope.


def test_the_scope_has_every_key_with_its_type(raw: Site) -> None:
    answer = raw.server.get("/scope/caf%C3%A9%2Fx?a=%20b&c", "X-Two: 1", "x-two: 2").json()
    host, port = raw.server.address
    scope, kinds = answer["scope"], answer["kinds"]
    assert kinds == {
        "type": "str", "asgi": "dict", "http_version": "str", "server": "tuple", "client": "tuple", "scheme": "str",
        "method": "str", "root_path": "str", "path": "str", "raw_path": "bytes", "query_string": "bytes",
        "headers": "list", "extensions": "dict", "state": "dict",
    }  # fmt: skip
    assert scope["type"] == "http" and scope["asgi"]["version"] == "3.0"
    assert tuple(map(int, scope["asgi"]["spec_version"].split("."))) >= (2, 4)
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "GET", "http")
    assert scope["path"] == "/scope/café/x" and scope["raw_path"] == "/scope/caf%C3%A9%2Fx"
    assert scope["query_string"] == "a=%20b&c" and scope["root_path"] == ""
    assert scope["server"] == [host, port]
    assert scope["client"][0] == "127.0.0.1" and isinstance(scope["client"][1], int)
    assert [pair for pair in scope["headers"] if pair[0] == "x-two"] == [["x-two", "1"], ["x-two", "2"]]
    assert all(name == name.lower() for name, _ in scope["headers"])


def test_http10_has_its_version_and_no_extensions_that_need_11(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"get /scope HTTP/1.0\r\n\r\n")
        scope = client.read_response().json()["scope"]
    assert (scope["http_version"], scope["method"]) == ("1.0", "GET")
    assert "http.response.early_hint" not in scope["extensions"]


def test_a_unix_socket_has_a_path_and_no_client(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "-b", "unix:{unix}", "raw:app")
    scope = site.server.get("/scope").json()["scope"]
    assert scope["server"] == [site.server.address, None]
    assert scope["client"] is None


def test_behind_a_web_server_the_scope_is_what_it_says(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "-b", "uwsgi://unix:{unix}", "raw:app")
    variables = {
        "REQUEST_METHOD": "POST", "REQUEST_URI": "/scope/a%20b?x=1", "PATH_INFO": "/scope/a b", "QUERY_STRING": "x=1",
        "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "site.example", "HTTP_X_TWO": "2", "HTTP_TE": "trailers",
        "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "0", "REMOTE_ADDR": "9.8.7.6", "REMOTE_PORT": "1234", "HTTPS": "on",
    }  # fmt: skip
    with site.server.connect("unix") as client:
        client.send(packet(variables))
        scope = client.read_response().json()["scope"]
    assert (scope["method"], scope["scheme"], scope["client"]) == ("POST", "https", ["9.8.7.6", 1234])
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/scope/a b", "/scope/a%20b", "x=1")
    assert {"host": "site.example", "x-two": "2", "content-type": "text/plain"}.items() <= dict(scope["headers"]).items()
    assert not {"http.response.early_hint", "http.response.trailers"} & set(scope["extensions"])


def test_root_path_stands_in_the_path_too(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "--root-path", "/scope/", "raw:app")
    scope = site.server.get("/below%20it").json()["scope"]
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/scope", "/scope/below it", "/scope/below%20it")


def test_trusted_proxies_name_client_and_scheme_and_others_do_not(tmp_path: Path, start_server: StartServer) -> None:
    forwarded = ("X-Forwarded-For: 6.6.6.6, 9.9.9.9, 127.0.0.1", "X-Forwarded-Proto: https")
    trusting = Site(tmp_path / "a", start_server, "-b", "{tcp}", "raw:app")
    scope = trusting.server.get("/scope", *forwarded).json()["scope"]
    assert (scope["client"], scope["scheme"]) == (["9.9.9.9", 0], "https")
    wary = Site(tmp_path / "b", start_server, "-b", "{tcp}", "--forwarded-allow-ips", "10.0.0.0/8", "raw:app")
    scope = wary.server.get("/scope", *forwarded).json()["scope"]
    assert (scope["client"][0], scope["scheme"]) == ("127.0.0.1", "http")


def test_the_state_is_copied_for_each_request_and_what_it_holds_is_shared(raw: Site) -> None:
    assert raw.server.get("/state").json() == {"shared": ["from lifespan", "more"], "number": 2}
    assert raw.server.get("/state").json() == {"shared": ["from lifespan", "more", "more"], "number": 2}


# The request's body.


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 3 << 20])
def test_a_body_arrives_whole_whatever_its_size(raw: Site, size: int) -> None:
    body = hashlib.shake_128(b"seed").digest(size)
    answer = raw.server.request("POST", "/echo", body=body)
    assert answer.body == body
    if size <= 4096:
        assert answer.value("x-events") == "1"


def test_a_chunked_body_arrives_whole(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        client.send(b"6\r\n world\r\n0\r\n\r\n")
        assert client.read_response().body == b"hello world"


def test_the_body_is_given_as_it_comes(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"POST /pieces HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        head = client.read_until(b"hello|")
        assert b"200 OK" in head
        client.send(b"world")
        assert b"world|" in client.read_until(b"0\r\n\r\n")


def test_continue_is_said_when_the_body_is_asked_for_and_not_before(raw: Site) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with raw.server.connect() as client:
        client.send(head % b"/echo")
        client.read_until(b"100 Continue\r\n\r\n")
        client.send(b"body")
        assert client.read_response().body == b"body"
    with raw.server.connect() as client:
        client.send(head % b"/unread")
        answer = client.read_response()
        assert (answer.body, answer.interim) == (b"not read", [])


def test_a_truncated_body_is_a_disconnect_and_no_short_body(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"POST /truncated HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    raw.wait_for("complete: False")


def test_a_body_nobody_reads_does_not_disturb_the_next_request(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(
            b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert client.read_response().body == b"not read"
        assert client.read_response().body == b"hello"


# Leaving.


def test_a_waiting_receive_is_told_when_the_client_leaves(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"GET /wait-for-disconnect HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_until(b"begun")
    raw.wait_for("saw http.disconnect")
    raw.wait_for("and again http.disconnect")


def test_send_raises_an_oserror_once_the_client_is_gone_and_the_log_is_quiet(raw: Site) -> None:
    client = raw.server.connect()
    client.send(b"GET /send-until-gone HTTP/1.1\r\nHost: a\r\n\r\n")
    client.read_until(b"xxxx")
    client.reset()
    raw.wait_for("send raised an OSError: ClientDisconnected")
    assert raw.server.get("/").body == b"hello"
    assert "Error handling request" not in raw.server.log


def test_receive_may_be_called_in_every_way_and_loses_no_event(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"POST /receive-ways HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        answer = client.read_response()
        assert answer.json() == {
            "first": {"type": "http.request", "body": "body", "more_body": False},
            "pending": 1,
            "cancelled": True,
            "timed_out": True,
            "started": None,
        }
        raw.wait_for("after the answer: http.disconnect")


# The answer.


def test_what_may_not_be_sent_raises_in_the_application_and_the_answer_is_whole(raw: Site) -> None:
    raised = raw.server.get("/wrong").json()
    assert raised == {
        "no dict": "TypeError", "no type": "ValueError", "unknown type": "ValueError", "body first": "RuntimeError",
        "no status": "ValueError", "status text": "TypeError", "status 99": "ValueError", "interim": "ValueError",
        "header str": "TypeError", "header triple": "TypeError", "header injection": "ValueError",
        "header name": "ValueError", "trailers first": "RuntimeError", "start twice": "RuntimeError",
        "body text": "TypeError",
    }  # fmt: skip
    raw.wait_for("after the end: RuntimeError")


def test_headers_keep_their_order_and_framing_is_the_servers(raw: Site) -> None:
    answer = raw.server.get("/headers")
    assert [pair for pair in answer.headers if pair[0].lower() in ("x-b", "x-a")] == [
        ("X-B", "1"), ("x-a", "ä"), ("X-B", "2"),
    ]  # fmt: skip
    assert answer.framing == "length" and answer.value("content-length") == "7"
    assert len(answer.values("Date")) == 1 and len(answer.values("Server")) == 1


def test_head_and_204_have_no_body(raw: Site) -> None:
    with raw.server.connect() as client:
        head = client.request("HEAD", "/headers")
        assert (head.body, head.value("content-length")) == (b"", "7")
        empty = client.request("GET", "/no-content")
        assert (empty.status, empty.value("content-length"), empty.body) == (204, None, b"")
        assert client.request("GET", "/").body == b"hello"


def test_a_stream_is_chunked_for_11_and_ends_with_the_connection_for_10(raw: Site) -> None:
    expected = b"".join(b"block %d\n" % number for number in range(200))
    answer = raw.server.get("/stream?200")
    assert (answer.framing, answer.body) == ("chunked", expected)
    with raw.server.connect() as client:
        client.send(b"GET /stream?200 HTTP/1.0\r\n\r\n")
        answer = client.read_response()
        assert (answer.framing, answer.body) == ("close", expected)


def test_a_block_is_on_its_way_before_the_next_is_made(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"GET /paced HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_until(b"first")
        Path(str(raw.path) + ".go").touch()
        client.read_until(b"second")


def test_a_client_that_does_not_read_stops_the_application_and_loses_nothing(raw: Site) -> None:
    with raw.server.connect(receive_buffer=16384) as client:
        client.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wait_until(lambda: len(raw.journal()) > 3, SAFETY_SECONDS)
        # Others are served meanwhile, and the application is held up long before its 64 MiB are queued.
        for _ in range(20):
            assert raw.server.get("/").body == b"hello"
        assert "sent 600" not in raw.journal()
        body = client.read_response().body
    assert body == b"".join(b"%c" % (number % 251) * 65536 for number in range(1024))
    raw.wait_for("sent 1023")


def test_what_is_queued_leaves_as_the_client_reads_whatever_the_application_does(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"GET /queued HTTP/1.0\r\n\r\n")
        client.read_head()
        assert wait_until(lambda: raw.journal()[-1].startswith("queued"), SAFETY_SECONDS), raw.journal()
        sent = int(raw.journal()[-1].split()[1])
        assert client.read_exactly(sent) == b"x" * sent
        Path(f"{raw.path}.go").touch()
        client.expect_end()


@pytest.mark.parametrize("path", ["/raise", "/nothing", "/exit"])
def test_an_application_that_fails_before_its_head_is_answered_with_500(raw: Site, path: str) -> None:
    with raw.server.connect() as client:
        assert client.request("GET", path).status == 500
        assert client.request("GET", "/").body == b"hello"
    said = {"/raise": "RuntimeError: raised before the head", "/nothing": "returned without", "/exit": "SystemExit"}
    raw.server.wait_for_log(said[path])
    assert f"GET {path}" in raw.server.log
    assert "penstock/_asgi.py" not in raw.server.log


@pytest.mark.parametrize("path", ["/raise-late", "/unfinished", "/short"])
def test_an_answer_that_is_not_completed_is_visibly_cut(raw: Site, path: str) -> None:
    with raw.server.connect() as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
        answer = client.read_response()
        assert answer.status == 200 and not answer.complete
    raw.server.wait_for_log(path)


def test_a_body_longer_than_its_content_length_is_cut_off(raw: Site) -> None:
    with raw.server.connect() as client:
        assert client.request("GET", "/long").body == b"long"
        assert client.request("GET", "/").body == b"hello"
    raw.server.wait_for_log("more than its Content-Length")


def test_work_after_the_answer_goes_on_and_holds_nobody_up(raw: Site) -> None:
    with raw.server.connect() as client:
        assert client.request("GET", "/background").body == b"answered"
        assert client.request("GET", "/background-raises").body == b"answered"
        assert client.request("GET", "/").body == b"hello"
    raw.wait_for("done in the background")
    raw.server.wait_for_log("RuntimeError: raised after the answer")


def test_pipelined_requests_are_answered_in_order(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"".join(b"GET /stream?%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(1, 60)))
        for number in range(1, 60):
            assert client.read_response().body.count(b"block") == number


def test_requests_wait_side_by_side(raw: Site) -> None:
    clients = [raw.server.connect() for _ in range(100)]
    for client in clients:
        client.send(b"GET /meet?100 HTTP/1.1\r\nHost: a\r\n\r\n")
    for client in clients:
        assert client.read_response().body == b"met"
        client.close()


# Extensions.


def test_files_are_sent_by_path_and_by_descriptor(raw: Site) -> None:
    source = (raw.directory / "raw.py").read_bytes()
    answer = raw.server.get("/path")
    assert answer.body == source and answer.value("content-length") == str(len(source))
    assert raw.server.get("/zerocopy").body == b"<" + source[3:13] + source[:3]


def test_trailers_follow_where_the_client_takes_them(raw: Site) -> None:
    answer = raw.server.get("/trailers", "TE: trailers")
    assert (answer.body, answer.trailers) == (b"body", [("x-sum", "1"), ("x-end", "2")])
    answer = raw.server.get("/trailers")
    assert (answer.body, answer.trailers) == (b"body", [])


def test_early_hints_come_before_the_answer(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"GET /early-hint HTTP/1.1\r\nHost: a\r\n\r\n")
        hint = client.read_until(b"\r\n\r\n")
        assert hint.startswith(b"HTTP/1.1 103 Early Hints\r\n")
        assert hint.count(b"Link: ") == 2
        assert client.read_response().body == b"after the hint"


# The loop.


def test_a_request_is_a_task_of_its_own_with_a_context_of_its_own(raw: Site) -> None:
    for _ in range(3):
        answer = raw.server.get("/task").json()
        assert answer["task"] and answer["timeout"] in (True, None) and answer["seen"] == "unset"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "auto", "raw:own_loop"])
def test_the_loop_is_the_one_that_was_asked_for(tmp_path: Path, start_server: StartServer, loop: str) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "--loop", loop, "raw:app")
    module = site.server.get("/task").json()["loop"]
    assert module.startswith("uvloop" if loop in ("uvloop", "auto") else "asyncio")


def test_a_loop_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    directory = copy_of("asgi_site", tmp_path)
    for loop, said in (("nowhere:loop", "nowhere:loop"), ("raw:app", "raw:app")):
        ended = run_command("-b", "127.0.0.1:0", "--loop", loop, "raw:app", cwd=directory, timeout=SAFETY_SECONDS)
        assert ended.exit_code != 0 and said in ended.text, ended


def test_a_blocked_loop_is_told_with_the_line_that_blocks_it(raw: Site) -> None:
    assert raw.server.get("/block").body == b"unblocked"
    raw.server.wait_for_log("The event loop has been blocked for")
    assert "time.sleep(3.5)" in raw.server.log


def test_a_thousand_requests_leave_no_objects_behind(raw: Site) -> None:
    with raw.server.connect() as client:
        for path in ("/", "/echo", "/stream", "/raise-late"):
            with contextlib.suppress(Exception):
                raw.server.get(path)
        client.request("GET", "/objects")
        before = client.request("GET", "/objects").json()
        for _ in range(1000):
            client.request("GET", "/")
            client.request("GET", "/stream")
        for _ in range(50):
            raw.server.get("/raise-late")
        after = client.request("GET", "/objects").json()
    assert after - before < 500, (before, after)


# The lifespan.


def test_the_lifespan_begins_before_the_first_request_and_ends_after_the_last(raw: Site) -> None:
    assert raw.journal() == ["lifespan.startup"]
    assert raw.server.stop(signal.SIGTERM) == 0
    assert raw.journal() == ["lifespan.startup", "lifespan.shutdown"]


def test_a_reload_and_max_requests_end_the_lifespan_in_order(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "--max-requests", "5", "raw:app")
    os.kill(site.server.pid, signal.SIGHUP)
    site.wait_for("lifespan.shutdown")
    before = site.journal().count("lifespan.shutdown")
    assert wait_until(
        lambda: site.server.get("/").status == 200 and site.journal().count("lifespan.shutdown") > before,
        SAFETY_SECONDS,
        every=0.02,
    ), site.server.log
    site.server.stop()
    assert site.journal().count("lifespan.startup") == site.journal().count("lifespan.shutdown")


def test_an_application_that_cannot_start_ends_the_start_with_its_words(tmp_path: Path) -> None:
    directory = copy_of("asgi_site", tmp_path)
    environment = {"JOURNAL": str(directory / "journal"), "FAIL": "startup"}
    for dialect in (("gunicorn", "-k", "asgi", "-b", "127.0.0.1:0"), ("uvicorn", "--port", "0"), ("-b", "127.0.0.1:0")):
        ended = run_command(*dialect, "raw:app", cwd=directory, environment=environment, timeout=SAFETY_SECONDS)
        assert ended.exit_code == 3 and "the database is down" in ended.text, ended
        assert "Application startup failed. Exiting." in ended.text


def test_an_application_without_lifespan_is_served_unless_it_must_have_one(
    tmp_path: Path, start_server: StartServer
) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "raw:no_lifespan")
    assert site.server.get("/scope").json()["kinds"].get("state") is None
    assert "appears unsupported" in site.server.log
    ended = run_command(
        "-b", "127.0.0.1:0", "--lifespan", "on", "raw:no_lifespan", cwd=site.directory, timeout=SAFETY_SECONDS
    )
    assert ended.exit_code == 3 and "this application knows HTTP only" in ended.text, ended


def test_lifespan_off_asks_nothing(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "--lifespan", "off", "raw:app")
    site.server.get("/")
    site.server.stop()
    assert site.journal() == []


# Leaving in order.


def test_a_graceful_stop_finishes_what_is_in_progress(raw: Site) -> None:
    with raw.server.connect() as client:
        client.send(b"GET /sleep?1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wait_until(lambda: client.buffer == b"", 1)
        raw.server.get("/")
        os.kill(raw.server.pid, signal.SIGTERM)
        answer = client.read_response()
        assert answer.body == b"slept" and answer.closes()
    assert raw.server.wait() == 0


def test_what_outlives_the_graceful_timeout_is_cancelled(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "--graceful-timeout", "1", "raw:app")
    with site.server.connect() as client:
        client.send(b"GET /sleep?600 HTTP/1.1\r\nHost: a\r\n\r\n")
        site.server.get("/")
        assert site.server.stop(signal.SIGTERM) == 0
    assert "cancelled" in site.journal() and "lifespan.shutdown" in site.journal()


def test_concurrency_beyond_its_limit_gets_503(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "-b", "{tcp}", "--limit-concurrency", "2", "raw:app")
    with site.server.connect() as one, site.server.connect() as two:
        for client in (one, two):
            client.send(b"GET /wait-for-disconnect HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_until(b"begun")
        assert wait_until(lambda: site.server.get("/").status == 503, SAFETY_SECONDS)
    assert wait_until(lambda: site.server.get("/").status == 200, SAFETY_SECONDS)


# Which interface an application has.


@pytest.mark.parametrize(
    "arguments",
    [
        ("-b", "{tcp}", "raw:app"),
        ("-b", "{tcp}", "raw:create_app()"),
        ("-b", "{tcp}", "raw:asgi2"),
        ("-b", "{tcp}", "raw:ClassBased"),
        ("-b", "{tcp}", "--interface", "asgi3", "raw:app"),
        ("-b", "{tcp}", "--interface", "asgi2", "raw:asgi2"),
        ("gunicorn", "-k", "asgi", "-b", "{tcp}", "raw:app"),
        ("gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", "{tcp}", "raw:app"),
        ("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "-w", "2", "-b", "{tcp}", "raw:app"),
        ("gunicorn", "-b", "{tcp}", "raw:app"),
        ("gunicorn", "-k", "asgi", "--preload", "-b", "{tcp}", "raw:app"),
        ("uwsgi", "--http-socket", "{tcp}", "--module", "raw:app"),
        ("uvicorn", "--port", "{port}", "raw:app"),
        ("uvicorn", "--port", "{port}", "--factory", "raw:create_app"),
        ("uvicorn", "--port", "{port}", "--interface", "asgi2", "raw:asgi2"),
        ("uvicorn", "--uds", "{unix}", "raw:app"),
    ],
    ids=" ".join,
)
def test_asgi_applications_are_recognised(
    tmp_path: Path, start_server: StartServer, arguments: tuple[str, ...]
) -> None:
    site = Site(tmp_path, start_server, *arguments)
    assert site.server.get("/scope").json()["scope"]["asgi"]["version"] == "3.0"


@pytest.mark.parametrize(
    "arguments",
    [
        ("gunicorn", "-k", "asgi", "-b", "{tcp}", "raw:wsgi"),
        ("uvicorn", "--port", "{port}", "raw:wsgi"),
        ("uvicorn", "--port", "{port}", "--interface", "wsgi", "raw:wsgi"),
    ],
    ids=" ".join,
)
def test_a_wsgi_application_under_an_asgi_worker_gets_threads(
    tmp_path: Path, start_server: StartServer, arguments: tuple[str, ...]
) -> None:
    site = Site(tmp_path, start_server, *arguments)
    assert site.server.get("/").body == b"wsgi True"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--interface", "wsgi", "-b", "127.0.0.1:0", "raw:app"), 4),
        (("--interface", "asgi3", "-b", "127.0.0.1:0", "raw:wsgi"), 4),
        (("uvicorn", "--port", "0", "--interface", "asgi3", "raw:wsgi"), 3),
    ],
)
def test_a_wrong_interface_is_explained_at_start(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    directory = copy_of("asgi_site", tmp_path)
    ended = run_command(*arguments, cwd=directory, timeout=SAFETY_SECONDS)
    assert ended.exit_code == code
    assert re.search(r"raw:\w+ is an? (ASGI|WSGI) application \(.*raw\.py:\d+\)", ended.text), ended


# Frameworks.


def test_starlette(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "uvicorn", "--port", "{port}", "starlette_site:app")
    server = site.server
    answer = server.get("/?a=b")
    assert answer.json() == {"greeting": "from the lifespan", "query": {"a": "b"}, "ran": 0}
    assert answer.value("x-middleware") == "passed"
    content = os.urandom(300_000)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + content + b"\r\n--x--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x"
    answer = server.request("POST", "/upload", kind, body=form)
    assert answer.json() == {"name": "a.bin", "sha256": hashlib.sha256(content).hexdigest()}
    assert server.get("/stream").body == b"".join(b"block %d\n" % number for number in range(100))
    assert server.get("/file").body == (site.directory / "starlette_site.py").read_bytes()
    assert server.get("/background").body == b"later"
    assert wait_until(lambda: server.get("/").json()["ran"] == 1, SAFETY_SECONDS)
    assert server.get("/fails").status == 500
    server.wait_for_log("ValueError: a view that fails")


def test_fastapi(tmp_path: Path, start_server: StartServer) -> None:
    server = Site(tmp_path, start_server, "gunicorn", "-k", "asgi", "-b", "{tcp}", "fastapi_site:app").server
    assert server.get("/items/7?q=x").json() == {"id": 7, "q": "x", "dependency_thread": "other"}
    assert server.get("/items/x").status == 422
    body = json.dumps({"name": "pipe", "price": 2.5}).encode()
    answer = server.request("POST", "/items", "Content-Type: application/json", body=body)
    assert answer.json() == {"name": "pipe", "total": 5.0}
    assert server.get("/plain").json() == {"thread": "other"}
    assert server.get("/missing").json() == {"detail": "no such thing"}
    assert b"openapi" in server.get("/openapi.json").body


def test_quart(tmp_path: Path, start_server: StartServer) -> None:
    server = Site(tmp_path, start_server, "-b", "{tcp}", "quart_site:app").server
    assert server.get("/?name=you").json() == {"hello": "you"}
    answer = server.request("POST", "/echo", body=b"z" * 70000)
    assert (answer.status, answer.value("x-length"), answer.body) == (201, "70000", b"z" * 70000)
    assert server.get("/stream").body == b"".join(b"block %d\n" % number for number in range(50))


def test_django(tmp_path: Path, start_server: StartServer) -> None:
    directory = copy_of("django_site", tmp_path)
    server = start_server(
        "uvicorn", "--port", "{port}", "--lifespan", "off", "myproject.asgi:application", cwd=directory
    )
    assert server.get("/hello/world/").status == 200
    assert server.get("/stream").status == 200
    body = json.dumps({"a": [1, 2]}).encode()
    answer = server.request("POST", "/json", "Content-Type: application/json", body=body)
    assert answer.status == 200
    assert server.get("/error").status == 500
