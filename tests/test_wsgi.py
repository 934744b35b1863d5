"""PEP 3333 over real sockets: every numbered item of the checklist, in both ways of calling the application.

A test's name starts with the number of its item. The applications are in ``apps/conformance``; all are wrapped by
``wsgiref.validate`` but those that break a rule on purpose. Each test runs against a worker that calls the
application inline (one thread) and one with a pool of threads: the same promises, two paths through the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from harness import APPLICATIONS, ConnectionEnded, Journal, RawClient, Response, Server
from harness.processes import wait_until
from http1_cases import request

sys.path.insert(0, str(APPLICATIONS))
from conformance.files import content
from conformance.responses import BAD_HEADERS, BAD_STATUSES, EXCEPTIONS

THREADS = {"inline": "1", "pool": "4"}


@pytest.fixture(scope="module", params=THREADS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One worker, so that what happened inside can be asked afterwards."""
    arguments = ["-b", "{tcp}", "-k", "gthread", "--threads", THREADS[request.param], "--keep-alive", "30"]
    with Server("gunicorn", *arguments, "conformance", environment={"PENSTOCK_TEST_SECRET": "secret"}) as running:
        yield running


@pytest.fixture(scope="module")
def processes_at_start(server: Server) -> dict[int, str]:
    return server.processes()


@pytest.fixture(autouse=True)
def _note_processes(processes_at_start: dict[int, str]) -> None:
    """Before the first test of a server."""


@pytest.fixture
def journal(server: Server) -> Journal:
    return Journal(server)


@pytest.fixture
def client(server: Server) -> Iterator[RawClient]:
    with server.connect() as connected:
        yield connected


def echo(server: Server, target: str = "/echo", *fields: str) -> dict[str, Any]:
    """What the echo application saw."""
    response = server.get(target, *fields)
    assert response.status == 200, response
    return response.json()


def environ(server: Server, target: str = "/echo", *fields: str) -> dict[str, str]:
    """The native strings in the environ of one request."""
    return echo(server, target, *fields)["environ"]


def still_in_step(client: RawClient) -> None:
    """The connection ended, or it serves another request; it is never out of step."""
    try:
        client.send(request("GET /echo/in-step HTTP/1.1"))
        response = client.read_response()
    except (ConnectionEnded, BrokenPipeError, ConnectionResetError):
        return
    assert response.json()["environ"]["PATH_INFO"] == "/echo/in-step"


# environ


def test_01_environ_is_a_dict(server: Server) -> None:
    assert echo(server)["exact_dict"] is True


def test_01_changes_to_environ_do_not_leak(client: RawClient) -> None:
    before = client.get("/echo", "X-Mine: 1").json()
    for target in ("/spoil", "/clear", "/spoil"):
        assert client.get(target, "X-Mine: 1").status == 200
        after = client.get("/echo", "X-Mine: 1").json()
        assert after["environ"] == before["environ"]
        assert after["types"] == before["types"]


def test_01_fields_of_one_request_do_not_leak_into_the_next(client: RawClient) -> None:
    client.request("POST", "/echo?q=1", "X-Mine: 1", "Content-Type: text/x", "Cookie: a=1", body=b"x")
    seen = client.get("/echo").json()["environ"]
    assert set(seen).isdisjoint({"HTTP_X_MINE", "HTTP_COOKIE"})
    assert seen.get("CONTENT_TYPE", "") == ""
    assert seen.get("CONTENT_LENGTH", "") == ""
    assert seen["QUERY_STRING"] == ""


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_02_request_method(client: RawClient, method: str) -> None:
    seen = client.request(method, "/echo").json()
    assert seen["environ"]["REQUEST_METHOD"] == method


def test_03_script_name_is_a_str(server: Server) -> None:
    assert environ(server)["SCRIPT_NAME"] == ""


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/echo/a%20b", "/echo/a b"),
        ("/echo/%2541", "/echo/%41"),
        ("/echo/gr%C3%BC%C3%9Fe", "/echo/gr\xc3\xbc\xc3\x9fe"),
        ("/echo/%ff%FE", "/echo/\xff\xfe"),
        ("/echo/a%2Fb", "/echo/a/b"),
        ("/echo//b/../c/./d", "/echo//b/../c/./d"),
        ("//echo", "//echo"),
        ("/echo/a+b;c=d", "/echo/a+b;c=d"),
        ("/echo/%3Fx", "/echo/?x"),
        ("/echo/", "/echo/"),
    ],
)
def test_04_path_info_is_decoded_once_and_not_normalised(server: Server, target: str, path: str) -> None:
    assert environ(server, target)["PATH_INFO"] == path


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/echo", ""),
        ("/echo?", ""),
        ("/echo?a=b%20c&d=%C3%BC", "a=b%20c&d=%C3%BC"),
        ("/echo?a?b", "a?b"),
        ("/echo?a+b", "a+b"),
    ],
)
def test_05_query_string_is_raw(server: Server, target: str, query: str) -> None:
    assert environ(server, target)["QUERY_STRING"] == query


def test_06_content_type_and_length_are_not_doubled(server: Server) -> None:
    seen = server.request("POST", "/echo", "Content-Type: text/x; a=b", body=b"hello").json()["environ"]
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("text/x; a=b", "5")
    assert set(seen).isdisjoint({"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"})
    without = environ(server)
    assert without.get("CONTENT_TYPE", "") == without.get("CONTENT_LENGTH", "") == ""


def test_07_server_name_and_port_are_nonempty_str(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET /echo HTTP/1.0", host=None))
        for seen in (environ(server), client.read_response().json()["environ"]):
            assert seen["SERVER_NAME"]
            assert seen["SERVER_PORT"] == str(server.address[1])


def test_07_server_name_and_port_on_a_unix_socket(start_server) -> None:
    server = start_server("gunicorn", "-b", "unix:{unix}", "conformance")
    for wire in (request("GET /echo HTTP/1.1"), request("GET /echo HTTP/1.0", host=None)):
        with server.connect() as client:
            client.send(wire)
            seen = client.read_response().json()["environ"]
            assert seen["SERVER_NAME"]
            assert seen["SERVER_PORT"]


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_08_server_protocol_is_the_clients_version(client: RawClient, version: str) -> None:
    client.send(request(f"GET /echo {version}"))
    assert client.read_response().json()["environ"]["SERVER_PROTOCOL"] == version


def test_09_fields_become_http_variables(server: Server) -> None:
    fields = ["X-Some-Field: a", "x-lower: b", "X-Latin: \xfc\xff", "Accept: c", "accept: d", "X-1~z: e"]
    seen = environ(server, "/echo", *fields, "Cookie: a=1", "Cookie: b=2")
    assert seen["HTTP_X_SOME_FIELD"] == "a"
    assert seen["HTTP_X_LOWER"] == "b"
    assert seen["HTTP_X_LATIN"] == "\xfc\xff"
    assert re.fullmatch("c, ?d", seen["HTTP_ACCEPT"])
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["HTTP_X_1~Z"] == "e"


def test_10_underscores_cannot_pose_as_dashes(server: Server) -> None:
    seen = environ(server, "/echo", "X_Real_Ip: evil", "X-Real-IP: good", "x_real_ip: evil", "X-Under_Score: evil")
    assert seen["HTTP_X_REAL_IP"] == "good"
    assert "HTTP_X_UNDER_SCORE" not in seen
    assert "HTTP_X_REAL_IP" not in environ(server, "/echo", "X_Real_Ip: evil")


def test_10_underscored_names_never_frame_a_request(client: RawClient) -> None:
    seen = client.get("/echo", "Content_Length: 5", "Transfer_Encoding: chunked", "Content_Type: text/x").json()
    assert seen["length"] == 0
    assert seen["environ"].get("CONTENT_LENGTH", "") == seen["environ"].get("CONTENT_TYPE", "") == ""
    still_in_step(client)


def test_10_fields_never_become_other_variables(server: Server) -> None:
    evil = ["Script-Name: /evil", "Path-Info: /evil", "Remote-User: evil", "Https: on", "Request-Method: EVIL"]
    seen = environ(server, "/echo", *evil)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["REQUEST_METHOD"]) == ("", "/echo", "GET")
    assert set(seen).isdisjoint({"REMOTE_USER", "HTTPS"})


def test_11_cgi_values_are_native_strings_below_256(server: Server) -> None:
    document = server.get("/raw-environ/%E2%82%AC?%ff", "X-A: \xff").json()
    assert document["not native"] == []


def test_12_wsgi_version(server: Server) -> None:
    assert server.get("/raw-environ").json()["version"] == "(1, 0)"


def test_13_url_scheme(server: Server) -> None:
    assert environ(server)["wsgi.url_scheme"] == "http"


def test_13_url_scheme_from_a_trusted_proxy(start_server) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "--forwarded-allow-ips", "127.0.0.1", "conformance")
    assert environ(server, "/echo", "X-Forwarded-Proto: https")["wsgi.url_scheme"] == "https"
    assert environ(server, "/echo", "X-Forwarded-Proto: http")["wsgi.url_scheme"] == "http"
    assert environ(server, "/echo")["wsgi.url_scheme"] == "http"


def test_14_input_and_errors_have_their_methods(server: Server) -> None:
    document = server.get("/raw-environ").json()
    assert all(document["input"].values()), document["input"]
    assert all(document["errors"].values()), document["errors"]


def test_14_errors_go_to_the_error_log(server: Server) -> None:
    word = f"word-{random.randrange(10**9)}"
    assert server.get(f"/errors?word={word}").status == 200
    for line in ("written", "first line", "second line", "in two parts", "gr\u00fc\u00dfe"):
        server.wait_for_log(f"{word}-{line}\n")


def test_15_worker_flags_are_true_values(server: Server) -> None:
    flags = echo(server)["flags"]
    threads = server.command[server.command.index("--keep-alive") - 1]
    assert flags["wsgi.multithread"] is (threads != "1")
    assert flags["wsgi.multiprocess"] is False
    assert flags["wsgi.run_once"] is False


def test_15_multiprocess_is_true_with_two_workers(start_server) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "-w", "2", "conformance")
    flags = echo(server)["flags"]
    assert (flags["wsgi.multiprocess"], flags["wsgi.multithread"]) == (True, False)


def test_16_process_environment_stays_out(server: Server) -> None:
    assert set(environ(server)).isdisjoint({"PENSTOCK_TEST_SECRET", "PATH", "HOME", "PWD"})


def test_17_variables_by_custom(server: Server, client: RawClient) -> None:
    document = client.get("/echo/a%20b?c=d").json()
    seen = document["environ"]
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["REMOTE_PORT"] == str(client.socket.getsockname()[1])
    assert seen["RAW_URI"] == "/echo/a%20b?c=d"
    assert seen["SERVER_SOFTWARE"]
    raw = server.get("/raw-environ").json()
    assert raw["input terminated"] is True
    assert raw["file wrapper"] is True


# wsgi.input

TEXT = b"first line\nsecond line\n\nfourth line\r\nlast without end"


def framed(framing: str, body: bytes, size: int = 7) -> tuple[str, bytes]:
    """The field that frames a body and the body in that framing."""
    if framing == "length":
        return f"Content-Length: {len(body)}", body
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return "Transfer-Encoding: chunked", b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


def operate(client: RawClient, operations: list[list[Any]], body: bytes, framing: str = "length") -> list[list[bytes]]:
    """Have operations performed on a body; a list of results, each a list of bytes."""
    field, wire = framed(framing, body)
    target = "/operations?do=" + quote(json.dumps(operations))
    client.send(request(f"POST {target} HTTP/1.1", field, body=wire))
    response = client.read_response()
    assert response.status == 200, response
    return [[part.encode("latin-1") for part in result] for result in response.json()]


def like_bytesio(operations: list[list[Any]], results: list[list[bytes]], body: bytes) -> None:
    """Compare with ``io.BytesIO``; only the hint of readlines is free (PEP 3333 lets a server ignore it)."""
    model = io.BytesIO(body)
    for (name, argument), result in zip(operations, results, strict=True):
        arguments = [] if argument == "none" else [argument]
        if name == "iterate":
            expected = [line for _, line in zip(range(argument), model, strict=False)]
        elif name == "readlines":
            enough = model.tell() + (argument if isinstance(argument, int) and argument > 0 else len(body))
            expected = []
            while (model.tell() < enough or len(expected) < len(result)) and (line := model.readline()):
                expected.append(line)
        else:
            expected = [getattr(model, name)(*arguments)]
        assert result == expected, f"{name}({argument})"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    "operations",
    [
        [["read", "none"], ["read", "none"], ["read", 5], ["read", -1]],
        [["read", -1], ["read", -1], ["readline", "none"], ["readlines", "none"]],
        [["read", None], ["read", 1]],
        [["read", 0], ["read", 1], ["read", 10], ["read", 10**9], ["read", 1]],
        [["read", 3]] * 25,
    ],
)
def test_18_read(client: RawClient, operations: list[list[Any]], framing: str) -> None:
    like_bytesio(operations, operate(client, operations, TEXT, framing), TEXT)
    still_in_step(client)


def test_18_read_without_a_body(client: RawClient) -> None:
    response = client.get("/operations?do=" + quote('[["read", "none"], ["readline", "none"], ["readlines", "none"]]'))
    assert response.json() == [[""], [""], []]


def test_18_read_never_passes_the_content_length(client: RawClient) -> None:
    target = "/operations?do=" + quote('[["read", 1000], ["read", "none"]]')
    client.send(
        request(f"POST {target} HTTP/1.1", "Content-Length: 3", body=b"abc") + request("GET /echo/next HTTP/1.1")
    )
    assert client.read_response().json() == [["abc"], [""]]
    assert client.read_response().json()["environ"]["PATH_INFO"] == "/echo/next"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    "operations",
    [
        [["readline", "none"]] * 7,
        [["readline", 4], ["readline", 100], ["readline", 0], ["readline", 1], ["readline", -1], ["readline", "none"]],
        [["readline", None]] * 3,
    ],
)
def test_19_readline(client: RawClient, operations: list[list[Any]], framing: str) -> None:
    like_bytesio(operations, operate(client, operations, TEXT, framing), TEXT)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    "operations",
    [
        [["readlines", "none"], ["readlines", "none"]],
        [["readlines", 12], ["readlines", 1], ["readlines", "none"]],
        [["iterate", 2], ["read", 3], ["iterate", 10]],
        [["read", 3], ["readline", "none"], ["readlines", "none"], ["read", "none"]],
    ],
)
def test_20_readlines_and_iteration_share_one_position(
    client: RawClient, operations: list[list[Any]], framing: str
) -> None:
    like_bytesio(operations, operate(client, operations, TEXT, framing), TEXT)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_20_any_mix_of_calls_behaves_like_a_file(server: Server, framing: str) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # shown when the test fails
    chance = random.Random(seed)
    with server.connect() as client:
        for _ in range(40):
            length = chance.choice([0, 1, 10, 1000, 70_000])
            body = bytes(chance.choice(b"ab\n\r\x00\xff") for _ in range(length))
            operations = [
                chance.choice(
                    [
                        ["read", chance.choice([0, 1, 7, 100, 5000, -1, "none", None])],
                        ["read", chance.choice([1, 7, 100])],
                        ["readline", chance.choice(["none", 0, 1, 5, 1000, -1])],
                        ["readlines", chance.choice([1, 10, 100])],
                        ["iterate", chance.choice([1, 2, 10])],
                    ]
                )
                for _ in range(chance.randrange(1, 30))
            ]
            like_bytesio(operations, operate(client, operations, body, framing), body)


@pytest.mark.parametrize("size", [1, 5, 4096, 100_000])
def test_21_chunked_bodies_are_decoded(server: Server, client: RawClient, size: int) -> None:
    body = random.Random(size).randbytes(2_000 if size == 1 else 3_000_000)
    field, wire = framed("chunked", body, size)
    client.send(request("POST /digest HTTP/1.1", field, body=wire))
    document = client.read_response().json()
    assert document == {"sha256": hashlib.sha256(body).hexdigest(), "length": len(body)}
    still_in_step(client)


def test_21_an_empty_chunked_body(client: RawClient) -> None:
    client.send(request("POST /digest HTTP/1.1", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"))
    assert client.read_response().json()["length"] == 0
    still_in_step(client)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_22_a_slow_body_is_waited_for(client: RawClient, framing: str, size: int) -> None:
    body = random.Random(size).randbytes(size)
    field, wire = framed(framing, body, size // 3)
    client.send(request("POST /digest HTTP/1.1", field))
    step = len(wire) // 5
    client.send_pieces([wire[at : at + step] for at in range(0, len(wire), step)], 0.05)
    assert client.read_response().json()["sha256"] == hashlib.sha256(body).hexdigest()


def test_22_a_slow_body_does_not_return_early_lines(client: RawClient) -> None:
    body = b"x" * 2_000_000 + b"\nshort\n" + b"y" * 10
    target = "/operations?do=" + quote('[["readline", "none"], ["readline", "none"], ["read", "none"]]')
    client.send(request(f"POST {target} HTTP/1.1", f"Content-Length: {len(body)}"))
    client.send_pieces([body[:1_500_000], body[1_500_000:2_000_003], body[2_000_003:-5], body[-5:]], 0.05)
    assert [len(result[0]) for result in client.read_response().json()] == [2_000_001, 6, 10]


@pytest.mark.parametrize("by", ["read", "readline", "iteration"])
@pytest.mark.parametrize("end", ["half-close", "close", "reset"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_23_a_client_gone_mid_body_raises(
    server: Server, journal: Journal, tmp_path: Path, framing: str, end: str, by: str
) -> None:
    field, wire = framed(framing, b"x" * 3_000_000, 1_000_000)
    begun = tmp_path / "begun"
    with server.connect() as client:
        client.send(request(f"POST /note-input?by={by}&begun={begun} HTTP/1.1", field, body=wire[:2_000_100]))
        if end == "half-close":
            client.half_close()
            assert journal.wait_for("input")
        elif end == "reset":
            # A reset overtakes what is still in the buffers.
            assert wait_until(begun.exists, 60.0)
            client.reset()
    noted = journal.wait_for("input")
    assert len(noted) == 1
    assert noted[0].startswith("OSError: "), noted


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_23_a_small_body_cut_short_is_never_taken_for_whole(server: Server, journal: Journal, framing: str) -> None:
    field, wire = framed(framing, b"x" * 1000, 100)
    with server.connect() as client:
        client.send(request("POST /note-input HTTP/1.1", field, body=wire[:500]))
        client.half_close()
        with contextlib.suppress(ConnectionEnded):
            assert client.read_response().status >= 400
    # Not calling the application at all is the best that can happen.
    assert [note for note in journal.notes("input") if not note.startswith("OSError: ")] == []


def test_24_wsgiref_validate_accepts_the_server(client: RawClient) -> None:
    operations = quote('[["read", 3], ["readline", 5], ["iterate", 1], ["readlines", 100]]')
    response = client.request("POST", f"/validated-operations?do={operations}", body=b"abcdefghijk\nline\nlast")
    assert response.json() == [["abc"], ["defgh"], ["ijk\n"], ["line\n", "last"]]
    for target in ("/echo", "/write", "/generator", "/replace", "/errors?word=validated", "/many-headers"):
        assert client.get(target).status in (200, 503)


# start_response and write


@pytest.mark.parametrize("way", ["two", "three", "keyword"])
def test_25_start_response_takes_its_arguments_and_returns_write(server: Server, journal: Journal, way: str) -> None:
    response = server.get(f"/start-arguments?way={way}")
    assert (response.status, response.body) == (200, b"started")
    assert journal.notes("write") == [True]


def test_25_written_data_comes_before_the_iterable(client: RawClient) -> None:
    response = client.get("/write")
    assert response.body == b"written twice, then returned"
    assert response.complete
    assert client.get("/write?length=28").body == b"written twice, then returned"
    assert client.get("/write-only").body == b"only written"
    still_in_step(client)


def test_25_written_data_is_sent_at_once(client: RawClient, journal: Journal, tmp_path: Path) -> None:
    signal = tmp_path / "seen"
    client.send(request(f"GET /write?length=28&file={signal} HTTP/1.1"))
    assert client.read_head().status == 200
    assert client.read_exactly(8) == b"written "
    signal.touch()
    assert client.read_exactly(20) == b"twice, then returned"
    assert journal.notes("seen") == [True]


def test_25_writing_text_is_an_error(client: RawClient, journal: Journal) -> None:
    assert client.get("/write-text").status == 500
    assert len(journal.notes("raised")) == 1


@pytest.mark.parametrize("query", ["", "?blocks=none"])
def test_26_no_start_response_is_an_error(server: Server, journal: Journal, query: str) -> None:
    response = server.get("/never-started" + query)
    assert response.status == 500
    assert b"data" not in response.body
    assert journal.wait_for("closed") == ["never-started"]


def test_26_start_response_may_be_called_lazily(client: RawClient) -> None:
    assert client.get("/generator").body == b"lazy start"
    assert client.get("/late-start").body == b"late"


def test_27_a_second_call_without_exc_info_raises(server: Server, journal: Journal) -> None:
    assert server.get("/twice").status == 500
    assert journal.notes("raised") not in ([], [None])


@pytest.mark.parametrize("target", ["/replace", "/replace-late"])
def test_28_exc_info_replaces_status_and_headers(client: RawClient, target: str) -> None:
    response = client.get(target)
    assert (response.status, response.reason, response.body) == (503, "Later", b"replaced")
    assert response.value("X-Second") == "2"
    assert response.value("X-First") is None
    assert response.value("Content-Type") == "text/plain"
    assert response.value("Content-Length") in (None, "8")
    still_in_step(client)


@pytest.mark.parametrize("target", ["/too-late", "/too-late-by-write"])
def test_29_exc_info_after_the_head_is_raised_and_cuts(server: Server, journal: Journal, target: str) -> None:
    with server.connect() as client:
        response = client.get(target)
        assert (response.status, response.body) == (200, b"sent")
        assert not response.complete
        client.expect_end()
    assert journal.notes("same") == [True]
    if target == "/too-late":
        assert journal.wait_for("closed") == ["too-late"]


@pytest.mark.parametrize("reason", ["OK", "Fine And Dandy", "\xc4ndern", "(really)"])
def test_30_status_reason_is_kept(client: RawClient, reason: str) -> None:
    response = client.get("/status?status=" + quote(f"299 {reason}"))
    assert response.status == 299
    assert response.reason == reason


@pytest.mark.parametrize("case", BAD_STATUSES)
def test_30_a_bad_status_is_refused(server: Server, journal: Journal, case: str) -> None:
    with server.connect() as client:
        response = client.get("/bad-status?case=" + quote(case))
        assert response.status == 500
        assert response.values("X-Injected") == []
        assert b"X-Injected" not in response.body
        still_in_step(client)
    assert journal.notes("raised") not in ([], [None]), "the application is told"


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_31_bad_headers_are_refused(server: Server, journal: Journal, case: str) -> None:
    with server.connect() as client:
        response = client.get("/bad-headers?case=" + quote(case))
        assert response.status == 500
        assert [name for name, _ in response.headers if name.lower().startswith("x-")] == []
        still_in_step(client)
    assert journal.notes("raised") not in ([], [None]), "the application is told"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Connection", "upgrade"),
        ("Connection", "close"),
        ("Keep-Alive", "timeout=999"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic YQ=="),
        ("TE", "trailers"),
        ("Trailer", "X-Sum"),
        ("Transfer-Encoding", "chunked"),
        ("Transfer-Encoding", "gzip"),
        ("transfer-encoding", "identity"),
        ("Upgrade", "websocket"),
    ],
)
def test_32_hop_by_hop_fields_are_not_the_applications(server: Server, name: str, value: str) -> None:
    with server.connect() as client:
        response = client.get(f"/own-headers?name={name}&value={quote(value)}")
        assert response.status in (200, 500)
        if response.status == 200:
            assert response.body == b"own header"
            assert response.complete
        if name == "Connection":
            assert value == "close" or value not in response.values(name)
        elif name.lower() == "transfer-encoding":
            assert response.values(name) in ([], ["chunked"])
        else:
            assert response.values(name) == []
        still_in_step(client)


def test_33_headers_wait_for_the_first_block(client: RawClient) -> None:
    # Had the empty blocks sent them, exc_info could not replace them.
    assert client.get("/replace-late").status == 503
    assert client.get("/raise?where=first-after-empty").status == 500


def test_34_date_and_server_are_added_once(client: RawClient) -> None:
    response = client.get("/hello")
    assert len(response.values("Date")) == 1
    assert len(response.values("Server")) == 1
    for name, value in (("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "mine"), ("date", "x"), ("SERVER", "x")):
        response = client.get(f"/own-headers?name={name}&value={quote(value)}")
        assert len(response.values(name)) == 1


def test_35_repeats_and_latin1_values_are_kept_in_order(client: RawClient) -> None:
    response = client.get("/many-headers")
    assert response.values("Set-Cookie") == ["a=1", "b=2", "a=3"]
    assert response.value("X-Latin") == "gr\xfc\xdfe \xff"
    assert response.value("X-Empty") == ""
    assert response.reason == "Alles gr\xfcn"
    application_fields = [name for name, _ in response.headers if name in ("Set-Cookie", "Content-Type", "X-Latin")]
    assert application_fields == ["Set-Cookie", "Content-Type", "Set-Cookie", "X-Latin", "Set-Cookie"]


# The iterable


@pytest.mark.parametrize("kind", ["list", "tuple", "generator", "iterator", "set", "dict", "custom", "deque"])
def test_36_any_iterable(client: RawClient, kind: str) -> None:
    response = client.get(f"/kinds?kind={kind}")
    assert (response.body, response.complete) == (b"one two", True)
    still_in_step(client)


@pytest.mark.parametrize("kind", ["text", "number", "none", "array"])
def test_36_a_block_that_is_not_bytes_is_an_error(server: Server, journal: Journal, kind: str) -> None:
    assert server.get(f"/bad-block?kind={kind}").status == 500
    response = server.get(f"/bad-block?kind={kind}&after=1")
    assert response.status == 500 or (response.body == b"good" and not response.complete)
    assert journal.wait_for("closed", 2) == ["bad-block", "bad-block"]


@pytest.mark.parametrize("kind", ["none", "number", "text"])
def test_36_something_that_is_no_iterable_of_bytes_is_an_error(server: Server, kind: str) -> None:
    assert server.get(f"/bad-iterable?kind={kind}").status == 500


def test_37_each_block_is_sent_before_the_next_is_asked_for(client: RawClient, tmp_path: Path) -> None:
    signal = tmp_path / "seen"
    client.send(request(f"GET /step?file={signal} HTTP/1.0"))
    assert client.read_head().status == 200
    assert client.read_exactly(5) == b"first"
    signal.touch()
    assert client.read_to_end() == b"second"


def test_37_blocks_that_follow_quickly_are_sent_while_the_next_is_made(client: RawClient, tmp_path: Path) -> None:
    # They may leave together, yet not wait for a block that is slow to come.
    for number in range(20):
        signal = tmp_path / f"seen{number}"
        client.send(request(f"GET /step?count=9&file={signal} HTTP/1.1"))
        assert client.read_head().status == 200
        first = b"5\r\nfirst\r\n" * 9
        assert client.read_exactly(len(first)) == first
        signal.touch()
        last = b"6\r\nsecond\r\n0\r\n\r\n"
        assert client.read_exactly(len(last)) == last


@pytest.mark.parametrize("blocks", [",a", "a,", ",,a,,b,,", ",", "a,,b"])
def test_38_empty_blocks_end_nothing(client: RawClient, blocks: str) -> None:
    response = client.get(f"/blocks?blocks={blocks}")
    assert (response.status, response.complete) == (200, True)
    assert response.body == blocks.replace(",", "").encode()
    still_in_step(client)


@pytest.mark.parametrize("target", ["/empty", "/empty?as=generator", "/blocks?blocks="])
def test_39_an_empty_iterable_is_an_empty_body(client: RawClient, target: str) -> None:
    response = client.get(target)
    assert (response.status, response.body, response.complete) == (200, b"", True)
    assert response.framing in ("length", "chunked")
    still_in_step(client)


@pytest.mark.parametrize("target", ["/one-block", "/one-block?as=custom"])
def test_40_one_block_gets_a_content_length(client: RawClient, target: str) -> None:
    response = client.get(target)
    assert (response.framing, response.body) == ("length", b"single")
    assert response.value("Content-Length") == "6"


@pytest.mark.parametrize(
    "target",
    [
        "/blocks?blocks=a,b",
        "/blocks?blocks=",
        "/blocks?blocks=a,b&length=1",
        "/blocks?blocks=a,b&length=5",
        "/no-body-status?status=204%20No%20Content",
        "/no-body-status?status=304%20Not%20Modified",
        "/raise?where=first",
        "/raise?where=middle",
        "/raise?where=middle&error=KeyboardInterrupt",
        "/raise?where=close",
        "/big?size=2000000",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_41_close_is_called_exactly_once(server: Server, journal: Journal, target: str, method: str) -> None:
    with server.connect() as client, contextlib.suppress(ConnectionEnded):
        client.send(request(f"{method} {target} HTTP/1.1"))
        client.read_response(method)
        still_in_step(client)
    assert len(journal.wait_for("closed")) == 1
    time.sleep(0.01)
    assert len(journal.notes("closed")) == 1


@pytest.mark.parametrize("end", ["close", "reset", "half-read"])
@pytest.mark.parametrize("target", ["/endless", "/big?size=200000000"])
def test_41_close_is_called_when_the_client_goes(server: Server, journal: Journal, target: str, end: str) -> None:
    with server.connect() as client:
        client.send(request(f"GET {target} HTTP/1.1"))
        client.read_head()
        if end == "half-read":
            client.read_exactly(500_000)
        if end == "reset":
            client.reset()
    assert journal.wait_for("closed") == [target[1:].split("?")[0]]


def test_41_close_is_called_when_the_client_goes_before_the_first_block(
    server: Server, journal: Journal, tmp_path: Path
) -> None:
    signal = tmp_path / "gone"
    with server.connect() as client:
        client.send(request(f"GET /step?file={signal} HTTP/1.1"))
        client.read_head()
    signal.touch()
    assert echo(server)["exact_dict"]
    assert journal.calls()[0].startswith("/step")


@pytest.mark.parametrize("query", ["", "&length=100", "&error=SystemExit", "&error=OSError"])
def test_42_an_exception_after_the_head_cuts_the_answer(server: Server, query: str) -> None:
    with server.connect() as client:
        response = client.get(f"/raise?where=middle{query}")
        assert (response.status, response.body) == (200, b"part")
        assert not response.complete
        client.expect_end()


def test_42_an_exception_after_write_cuts_the_answer(server: Server) -> None:
    with server.connect() as client:
        response = client.get("/raise?where=written")
        assert (response.status, response.body, response.complete) == (200, b"written", False)
        client.expect_end()


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/blocks?blocks=abc,def&length=4", b"abcd"),
        ("/blocks?blocks=abcdef&length=4", b"abcd"),
        ("/blocks?blocks=abc,def&length=0", b""),
        ("/write?length=10", b"written tw"),
        ("/big?size=300000&length=100000", (bytes(range(256)) * 400)[:100_000]),
    ],
)
def test_43_a_body_longer_than_its_length_is_cut(client: RawClient, target: str, body: bytes) -> None:
    response = client.get(target)
    if response.status == 500:
        return  # noticed before the head was sent
    assert response.status == 200
    assert response.body[:4] == body[:4]
    assert len(response.body) == len(body) or not response.complete
    still_in_step(client)


@pytest.mark.parametrize(
    "target",
    ["/blocks?blocks=abc,def&length=9", "/blocks?blocks=abc&length=9", "/blocks?blocks=&length=9", "/write?length=99"],
)
def test_44_a_body_shorter_than_its_length_closes(server: Server, target: str) -> None:
    with server.connect() as client:
        response = client.get(target)
        if response.status == 500:
            return  # noticed before the head was sent
        assert response.status == 200
        assert not response.complete
        client.expect_end()


@pytest.mark.parametrize(
    "target",
    [
        "/hello",
        "/sized",
        "/write",
        "/blocks?blocks=a,b",
        "/big?size=3000000",
        "/big?size=3000000&length=3000000",
        "/file?size=100000",
        "/file?size=100000&length=100000",
    ],
)
def test_45_head_has_no_body(client: RawClient, target: str) -> None:
    client.send(request(f"HEAD {target} HTTP/1.1") + request("GET /echo/after-head HTTP/1.1"))
    assert client.read_response("HEAD").status == 200
    assert client.read_response().json()["environ"]["PATH_INFO"] == "/echo/after-head"


@pytest.mark.parametrize("length", ["", "&length=14", "&length=0"])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_45_204_and_304_have_no_body(client: RawClient, status: str, length: str) -> None:
    client.send(request(f"GET /no-body-status?status={quote(status)}{length} HTTP/1.1") + request("GET /echo HTTP/1.1"))
    response = client.read_response()
    assert f"{response.status} {response.reason}" == status
    assert response.values("Transfer-Encoding") == []
    if response.status == 204:
        assert response.values("Content-Length") == []
    assert client.read_response().json()["environ"]["PATH_INFO"] == "/echo"


@pytest.mark.parametrize("status", ["100 Continue", "101 Switching Protocols", "103 Early Hints", "199 Odd"])
def test_45_an_interim_status_is_not_an_answer(server: Server, status: str) -> None:
    with server.connect() as client:
        client.send(request(f"GET /no-body-status?status={quote(status)} HTTP/1.1"))
        response = client.read_head()
        assert response.status == 500 or response.status == int(status[:3])
        if response.status != 500:
            assert response.values("Transfer-Encoding") == response.values("Content-Length") == []
            assert client.read_to_end() == b""
    assert echo(server)["exact_dict"]


@pytest.mark.parametrize("target", ["/blocks?blocks=a,b", "/generator", "/write", "/big?size=3000000"])
def test_46_unknown_length_is_chunked_or_closes(server: Server, target: str) -> None:
    with server.connect() as client:
        new = client.get(target)
        assert (new.framing, new.complete, new.values("Transfer-Encoding")) == ("chunked", True, ["chunked"])
        client.send(request(f"GET {target} HTTP/1.0"))
        old = client.read_response()
        assert (old.framing, old.complete, old.values("Transfer-Encoding")) == ("close", True, [])
        assert old.body == new.body


# wsgi.file_wrapper


def check_file(response: Response, size: int, position: int = 0, length: int | None = None) -> None:
    """The bytes of the file from a position, as many as the Content-Length says."""
    expected = content(size)[position:]
    expected = expected if length is None else expected[:length]
    assert (response.status, response.complete) == (200, True)
    assert len(response.body) == len(expected)
    assert response.body == expected


@pytest.mark.parametrize("kind", ["real", "plain", "unbuffered", "buffer", "only-read"])
@pytest.mark.parametrize("size", [0, 1, 10_000, 3_000_000])
def test_47_a_file_is_sent_whole(client: RawClient, kind: str, size: int) -> None:
    check_file(client.get(f"/file?kind={kind}&size={size}"), size)
    check_file(client.get(f"/file?kind={kind}&size={size}&length={size}&block=1000"), size)
    still_in_step(client)


@pytest.mark.parametrize("kind", ["real", "plain", "unbuffered", "buffer"])
@pytest.mark.parametrize("by", ["seek", "read"])
@pytest.mark.parametrize("position", [10, 5000, 100_000, 200_000])
def test_47_a_file_is_sent_from_its_position(client: RawClient, kind: str, by: str, position: int) -> None:
    target = f"/file?kind={kind}&size=100000&position={position}&by={by}"
    check_file(client.get(target), 100_000, position)
    if position < 100_000:
        check_file(client.get(f"{target}&length=500"), 100_000, position, 500)
    still_in_step(client)


@pytest.mark.parametrize("kind", ["real", "buffer", "only-read"])
@pytest.mark.parametrize("length", [0, 1, 50_000])
def test_47_a_file_is_limited_by_the_content_length(client: RawClient, kind: str, length: int) -> None:
    response = client.get(f"/file?kind={kind}&size=100000&length={length}")
    check_file(response, 100_000, 0, length)
    still_in_step(client)


@pytest.mark.parametrize("kind", ["real", "buffer"])
def test_47_a_file_shorter_than_the_content_length_closes(server: Server, kind: str) -> None:
    with server.connect() as client:
        response = client.get(f"/file?kind={kind}&size=1000&length=2000")
        if response.status == 500:
            return  # noticed before the head was sent
        assert (response.status, response.complete) == (200, False)
        client.expect_end()


@pytest.mark.parametrize("kind", ["real", "buffer"])
def test_47_a_file_is_closed_once(server: Server, journal: Journal, kind: str) -> None:
    name = "file" if kind == "real" else kind
    for target in ("/file", "/file-after-write", "/file-through-middleware", "/two-files"):
        server.get(f"{target}?kind={kind}&size=1000")
        assert journal.wait_for("closed") == [name], target
        journal.clear()
    with server.connect() as client:
        client.send(request(f"HEAD /file?kind={kind}&size=1000 HTTP/1.1"))
        client.read_response("HEAD")
    assert journal.wait_for("closed") == [name]
    journal.clear()
    with server.connect(receive_buffer=4096) as client:
        client.send(request(f"GET /file?kind={kind}&size=20000000 HTTP/1.1"))
        client.read_head()
    assert journal.wait_for("closed") == [name]


@pytest.mark.parametrize("kind", ["real", "buffer", "only-read"])
def test_47_a_file_after_written_data(client: RawClient, kind: str) -> None:
    response = client.get(f"/file-after-write?kind={kind}&size=50000")
    assert response.body == b"before " + content(50_000)
    response = client.get(f"/file-after-write?kind={kind}&size=50000&length=100")
    assert response.body == (b"before " + content(50_000))[:100]
    still_in_step(client)


def test_47_middleware_may_iterate_over_the_wrapper(client: RawClient, journal: Journal) -> None:
    check_file(client.get("/file-through-middleware?kind=real&size=10500"), 10_500)
    assert journal.notes("block") == [1000] * 10 + [500]


def test_47_an_object_with_only_read_is_read_in_blocks(client: RawClient, journal: Journal) -> None:
    check_file(client.get("/file?kind=only-read&size=2500&block=1000"), 2_500)
    assert journal.notes("read") == [1000] * 4 or journal.notes("read") == [1000] * 3


def test_47_a_file_to_an_old_client(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET /file?size=100000 HTTP/1.0"))
        response = client.read_response()
        assert response.body == content(100_000)
        client.expect_end()


def test_47_a_file_to_a_slow_reader(server: Server) -> None:
    with server.connect(receive_buffer=65_536) as client:
        client.send(request("GET /file?size=10000000&length=10000000 HTTP/1.1"))
        assert client.read_head().status == 200
        received = b""
        while len(received) < 10_000_000 and (part := client.read_exactly(min(500_000, 10_000_000 - len(received)))):
            received += part
            time.sleep(0.005)
        assert received == content(10_000_000)
        still_in_step(client)


def test_47_a_file_with_a_bodiless_status(client: RawClient) -> None:
    client.send(
        request("GET /file?size=1000&status=304%20Not%20Modified HTTP/1.1") + request("GET /echo/after-file HTTP/1.1")
    )
    assert client.read_response().status == 304
    assert client.read_response().json()["environ"]["PATH_INFO"] == "/echo/after-file"


# Errors and the connection


@pytest.mark.parametrize("where", ["call", "started", "first", "first-after-empty"])
def test_48_an_exception_before_the_head_is_a_500(server: Server, where: str) -> None:
    word = f"word-{random.randrange(10**9)}"
    with server.connect() as client:
        response = client.get(f"/raise?where={where}&word={word}")
        assert response.status == 500
        assert word.encode() not in response.body, "the client learns nothing of the inside"
        still_in_step(client)
    server.wait_for_log(word)
    assert "Traceback (most recent call last)" in server.log
    assert "responses.py" in server.log


@pytest.mark.parametrize("where", ["call", "started", "first"])
@pytest.mark.parametrize("error", EXCEPTIONS)
def test_49_no_exception_takes_the_worker_down(server: Server, error: str, where: str) -> None:
    before = echo(server)["pid"]
    if error == "StopIteration" and where == "first":
        return  # a generator turns it into RuntimeError; Python's business
    assert server.get(f"/raise?where={where}&error={error}").status == 500
    assert echo(server)["pid"] == before


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "Boom"])
def test_49_an_exception_in_close_does_no_harm(server: Server, error: str) -> None:
    before = echo(server)["pid"]
    response = server.get(f"/raise?where=close&error={error}")
    assert (response.status, response.body) == (200, b"part")
    assert echo(server)["pid"] == before


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_50_continue_is_sent_to_a_waiting_client(client: RawClient, framing: str) -> None:
    field, wire = framed(framing, b"hello world")
    client.send(request("POST /digest HTTP/1.1", "Expect: 100-Continue", field))
    assert client.read_head().status == 100
    client.send(wire)
    response = client.read_response()
    assert (response.status, response.interim) == (200, [])
    assert response.json()["length"] == 11
    still_in_step(client)


def test_50_continue_for_a_body_larger_than_any_buffer(client: RawClient) -> None:
    client.send(request("POST /digest HTTP/1.1", "Expect: 100-continue", "Content-Length: 5000000"))
    assert client.read_head().status == 100
    client.send(b"x" * 5_000_000)
    assert client.read_response().json()["length"] == 5_000_000


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [11, 3_000_000])
def test_50_an_application_that_never_reads_answers_a_waiting_client(
    client: RawClient, size: int, framing: str
) -> None:
    field, wire = framed(framing, b"x" * size, 100_000)
    client.send(request("POST /unread HTTP/1.1", "Expect: 100-continue", field))
    head = client.read_head()
    asked = head.status == 100
    if asked:
        # At once, before anybody could know that nobody will read.
        client.send_and_ignore_failure(wire)
        head = client.read_head()
    assert head.status == 200
    assert client.read_exactly(6) == b"unread"
    if not head.closes():
        # The head has promised a body, so one that was not asked for is sent all the same (RFC 9110 10.1.1).
        if not asked:
            client.send_and_ignore_failure(wire)
        still_in_step(client)


def test_50_continue_is_not_sent_without_a_body_or_after_it_has_come(client: RawClient) -> None:
    assert client.get("/digest", "Expect: 100-continue").status == 200
    client.send(request("POST /digest HTTP/1.1", "Expect: 100-continue", "Content-Length: 5", body=b"hello"))
    assert client.read_response().json()["length"] == 5
    still_in_step(client)


@pytest.mark.parametrize("target", ["/unread", "/read-some", "/raise?where=call"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [100, 100_000, 3_000_000])
def test_51_an_unread_body_is_never_parsed(
    server: Server, journal: Journal, target: str, framing: str, size: int
) -> None:
    evil = request("GET /smuggled HTTP/1.1")
    field, wire = framed(framing, (evil * (size // len(evil) + 1))[:size], 50_000)
    with server.connect() as client:
        client.send_and_ignore_failure(request(f"POST {target} HTTP/1.1", field, body=wire))
        response = client.read_response()
        assert response.status in (200, 500)
        if not response.closes():
            still_in_step(client)
    assert "/smuggled" not in journal.calls()


def test_51_the_answer_to_a_large_unread_upload_arrives(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST /unread HTTP/1.1", "Content-Length: 64000000"))
        for _ in range(16):
            client.send_and_ignore_failure(b"x" * 1_000_000)
        response = client.read_response()
        assert (response.status, response.body) == (200, b"unread")


def test_51_an_early_answer_arrives_while_the_client_still_sends(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST /read-some HTTP/1.1", "Content-Length: 20000000", body=b"x" * 2_000_000))
        response = client.read_response()
        assert (response.status, response.body) == (200, b"x" * 10)


def test_51_reading_after_the_answer_began(client: RawClient) -> None:
    response = client.request("POST", "/read-late", body=b"y" * 5000)
    assert (response.body, response.complete) == (b"got " + b"y" * 5000, True)
    still_in_step(client)


def test_52_pipelined_requests_are_answered_in_order(client: RawClient) -> None:
    targets = ["/hello", "/echo/x", "/sized", "/blocks?blocks=a,b", "/file?size=5000", "/sleep?seconds=0.05", "/write"]
    wanted = [targets[number % len(targets)] for number in range(42)]
    client.send(b"".join(request(f"GET {target} HTTP/1.1") for target in wanted))
    for target in wanted:
        body = client.read_response().body
        if target == "/echo/x":
            assert json.loads(body)["environ"]["PATH_INFO"] == "/echo/x"
        else:
            assert (
                body
                == {
                    "/hello": b"hello",
                    "/sized": b"hello",
                    "/blocks?blocks=a,b": b"ab",
                    "/file?size=5000": content(5000),
                    "/sleep?seconds=0.05": b"slept",
                    "/write": b"written twice, then returned",
                }[target]
            )


# Large things


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_21_a_body_of_64_mib(client: RawClient, framing: str) -> None:
    block = random.Random(64).randbytes(1 << 20)
    digest = hashlib.sha256()
    field = "Content-Length: 67108864" if framing == "length" else "Transfer-Encoding: chunked"
    client.send(request("POST /digest HTTP/1.1", field))
    for _ in range(64):
        digest.update(block)
        client.send(block if framing == "length" else b"%x\r\n%b\r\n" % (len(block), block))
    if framing == "chunked":
        client.send(b"0\r\n\r\n")
    assert client.read_response().json() == {"sha256": digest.hexdigest(), "length": 64 << 20}
    still_in_step(client)


@pytest.mark.parametrize("query", ["", "&length=10485760", "&block=10485760"])
def test_46_ten_mib_to_a_slow_reader(server: Server, journal: Journal, query: str) -> None:
    pattern = bytes(range(256))
    block = 10_485_760 if "block" in query else 1 << 16
    expected = ((pattern * (block // 256 + 1))[:block]) * (10_485_760 // block)
    with server.connect(receive_buffer=65_536) as client:
        client.send(request(f"GET /big?size=10485760{query} HTTP/1.1"))
        time.sleep(0.3)  # the server has to stop and wait
        response = client.read_response()
        assert (len(response.body), response.complete) == (len(expected), True)
        assert response.body == expected
        still_in_step(client)
    assert journal.wait_for("closed") == ["big"]


def test_53_up_after_all_of_this(server: Server, processes_at_start: dict[int, str]) -> None:
    assert echo(server)["exact_dict"] is True
    assert set(server.processes()) == set(processes_at_start)
