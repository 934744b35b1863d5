"""HTTP/1.1 over real sockets: every row of the checklist, and the duties that are more than one exchange of bytes.

The rows are in ``http1_cases``. The application is the echo of ``apps/conformance``, so each case is also checked
from inside: what the application saw, and that it saw nothing of what was refused.
"""

from __future__ import annotations

import contextlib
import email.utils
import re
import time
from collections.abc import Iterator

import pytest
from harness import ConnectionEnded, Journal, RawClient, Response, Server
from http1_cases import CASES, SPLIT, Case, request

FOLLOW_UP = request("GET /follow-up HTTP/1.1")


THREADS = {"inline": "1", "pool": "4"}


@pytest.fixture(scope="module", params=THREADS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One worker, so that what happened inside can be asked afterwards."""
    arguments = ["-b", "{tcp}", "-k", "gthread", "--threads", THREADS[request.param], "--keep-alive", "30"]
    with Server("gunicorn", *arguments, "conformance") as running:
        yield running


@pytest.fixture
def journal(server: Server) -> Journal:
    return Journal(server)


def exchange(client: RawClient, case: Case, pieces: tuple[bytes, ...], pause: float) -> list[Response]:
    """Send a case and read its responses; the first piece is sent at once."""
    client.send_and_ignore_failure(pieces[0])
    for piece in pieces[1:]:
        time.sleep(pause)
        client.send_and_ignore_failure(piece)
    methods = case.methods or ("GET",) * len(case.expect)
    return [client.read_response(method) for method in methods]


def check(client: RawClient, case: Case, responses: list[Response]) -> None:
    """The statuses, the end of the connection, and what the application saw."""
    assert [response.status in allowed for response, allowed in zip(responses, case.expect, strict=True)] == [
        True
    ] * len(responses), [f"{response.status} {response.reason}" for response in responses]
    last = responses[-1]
    assert all(response.complete for response in responses)
    if case.closes or last.status >= 400:
        assert last.closes(), "the end of the connection is announced"
        client.expect_end()
        assert not client.was_reset
    else:
        assert not last.closes()
        client.send(FOLLOW_UP)
        assert client.read_response().json()["environ"]["PATH_INFO"] == "/follow-up"
    if last.status == 200 and case.seen:
        document = last.json()
        seen = {**document["environ"], "body": document["body"]}
        assert {key: seen.get(key) for key in case.seen} == case.seen


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case(server: Server, journal: Journal, case: Case) -> None:
    with server.connect() as client:
        responses = exchange(client, case, case.wire, 0.02)
        check(client, case, responses)
    answered = [response for response in responses if response.status == 200]
    reached = [target for target in journal.calls() if target != "/follow-up"]
    assert len(reached) == len(answered), f"the application was reached by {reached}"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in SPLIT])
def test_split_anywhere_in_two(server: Server, case: Case) -> None:
    wire = case.wire[0]
    for cut in range(1, len(wire)):
        with server.connect() as client:
            check(client, case, exchange(client, case, (wire[:cut], wire[cut:]), 0.001))


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in SPLIT])
def test_split_anywhere_into_small_pieces(server: Server, case: Case, size: int) -> None:
    wire = case.wire[0]
    pieces = tuple(wire[at : at + size] for at in range(0, len(wire), size))
    with server.connect() as client:
        check(client, case, exchange(client, case, pieces, 0.001))


def test_options_star(server: Server) -> None:
    with server.connect() as client:
        client.send(request("OPTIONS * HTTP/1.1"))
        response = client.read_response()
        assert 200 <= response.status < 300 or 400 <= response.status < 500
    assert server.get("/alive").status == 200


def test_http10_keepalive_is_announced_or_closed(server: Server) -> None:
    with server.connect() as client:
        wire = request("GET /http10_keepalive HTTP/1.0", "Connection: keep-alive")
        client.send(wire)
        response = client.read_response()
        assert response.status == 200
        announced = [value.lower() for value in response.values("Connection")]
        if announced == ["keep-alive"]:
            assert response.framing == "length"
            client.send(wire)
            assert client.read_response().status == 200
        else:
            client.expect_end()


def test_http10_keepalive_with_unknown_length_closes(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET /blocks?blocks=a,b HTTP/1.0", "Connection: keep-alive"))
        response = client.read_response()
        assert (response.framing, response.body) == ("close", b"ab")
        assert response.values("Transfer-Encoding") == []
        assert "keep-alive" not in [value.lower() for value in response.values("Connection")]


def test_partial_request_waits(server: Server) -> None:
    with server.connect() as client:
        client.send(b"GET /partial HT")
        assert client.is_silent(0.3)
        assert server.get("/meanwhile").status == 200
        client.send(b"TP/1.1\r\nHost: te")
        assert client.is_silent(0.3)
        client.send(b"st\r\n\r\n")
        assert client.read_response().status == 200


def test_nothing_after_a_refused_request_is_interpreted(server: Server, journal: Journal) -> None:
    with server.connect() as client:
        client.send(request("GET /refused HTTP/1.1", "X : a"))
        assert client.read_response().status == 400
        client.send_and_ignore_failure(request("GET /after HTTP/1.1") * 10)
        client.expect_end()
    assert journal.calls() == []


# Duties without a probe.


def same_headers(one: Response, other: Response) -> None:
    without_date = [[pair for pair in response.headers if pair[0].lower() != "date"] for response in (one, other)]
    assert without_date[0] == without_date[1]
    assert one.status == other.status


@pytest.mark.parametrize("target", ["/hello", "/sized", "/file?size=1000", "/file?size=1000&length=10"])
def test_head_carries_the_headers_of_get(server: Server, target: str) -> None:
    with server.connect() as client:
        got = client.get(target)
        client.send(request(f"HEAD {target} HTTP/1.1"))
        head = client.read_response("HEAD")
        same_headers(got, head)
        assert client.get("/follow-up").status == 200


def test_head_does_not_say_a_length_that_get_might_not_have(server: Server) -> None:
    # The application returns no block and no Content-Length: it may have left the body away because it is a HEAD.
    with server.connect() as client:
        client.send(request("HEAD /empty HTTP/1.1"))
        head = client.read_response("HEAD")
        assert head.status == 200
        assert "content-length" not in {name.lower() for name, _ in head.headers}
        assert client.get("/follow-up").status == 200


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (request("GET /status?status=200%20OK HTTP/1.1"), 200),
        (request("GET /status?status=201%20Created HTTP/1.1"), 201),
        (request("GET /no-body-status?status=204%20No%20Content HTTP/1.1"), 204),
        (request("GET /status?status=302%20Found HTTP/1.1"), 302),
        (request("GET /no-body-status?status=304%20Not%20Modified HTTP/1.1"), 304),
        (request("GET /status?status=404%20Not%20Found HTTP/1.1"), 404),
        (request("GET /bad HTTP/1.1", "X : a"), 400),
        (request("GET /" + "a" * 9000 + " HTTP/1.1"), 414),
        (request("GET /bad HTTP/1.1", "Expect: other"), 417),
        (request("GET /bad HTTP/1.1", "X: " + "a" * 9000), 431),
    ],
)
def test_every_answer_is_dated(server: Server, wire: bytes, status: int) -> None:
    with server.connect() as client:
        client.send(wire)
        response = client.read_response()
    assert response.status == status
    date = response.value("Date")
    assert date is not None
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time()) < 60


def test_interim_responses_never_go_to_http10(server: Server) -> None:
    for target in ("/digest", "/early-hints"):
        with server.connect() as client:
            client.send(request(f"POST {target} HTTP/1.0", "Expect: 100-continue", "Content-Length: 2", body=b"ab"))
            assert client.read_head().status == 200


def test_early_hints_come_before_the_answer_or_not_at_all(server: Server) -> None:
    with server.connect() as client:
        response = client.get("/early-hints")
        assert (response.status, response.body) == (200, b"hinted")
        assert response.interim in ([], [103])


def test_the_refused_client_sees_the_reply_although_it_sent_more(server: Server) -> None:
    # Closing with unread bytes resets the connection, and a reset destroys the reply on its way (RFC 9112 9.6).
    for wire in (
        request("POST /x HTTP/1.1", "Content-Length: 5", "Content-Length: 6"),
        request("POST /x HTTP/1.1", "Content-Length: 10000000", "Expect: other"),
        request("POST /x HTTP/1.1", "Transfer-Encoding: chunked", body=b"zz\r\n"),
    ):
        with server.connect() as client:
            client.send_and_ignore_failure(wire)
            for _ in range(20):
                client.send_and_ignore_failure(b"x" * 20_000)
            response = client.read_response()
            assert response.status in (400, 417)
            assert response.closes()


def test_trace_is_the_applications_business(server: Server) -> None:
    with server.connect() as client:
        client.send(request("TRACE /hello HTTP/1.1", "Cookie: secret=1", "Authorization: Basic c2VjcmV0"))
        response = client.read_response()
    assert response.status in (200, 405, 501)
    assert b"secret" not in response.body
    assert b"c2VjcmV0" not in response.body


def test_connect_never_tunnels(server: Server, journal: Journal) -> None:
    with server.connect() as client:
        client.send(request("CONNECT 127.0.0.1:80 HTTP/1.1") + request("GET /tunnelled HTTP/1.1"))
        assert client.read_response().status == 501
        client.expect_end()
    assert journal.calls() == []


def test_forwarding_fields_reach_the_application_as_sent(server: Server) -> None:
    sent = {
        "Via": "1.1 proxy",
        "Forwarded": "for=192.0.2.1;proto=https",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Host": "elsewhere",
    }
    seen = server.get("/forwarded", *[f"{name}: {value}" for name, value in sent.items()]).json()["environ"]
    assert {name: seen["HTTP_" + name.upper().replace("-", "_")] for name in sent} == sent
    assert seen["HTTP_HOST"] == "test"


def test_an_untrusted_peer_cannot_set_the_scheme(start_server) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "--forwarded-allow-ips", "192.0.2.1", "conformance")
    environ = server.get("/", "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.9").json()["environ"]
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_bodiless_answers_have_no_transfer_encoding(server: Server, status: str) -> None:
    with server.connect() as client:
        response = client.get(f"/no-body-status?status={status.replace(' ', '%20')}")
        assert response.values("Transfer-Encoding") == []
        assert client.get("/follow-up").status == 200


def test_keep_alive_ends_idle_connections(start_server) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "--keep-alive", "2", "conformance")
    with server.connect() as client, server.connect() as busy:
        assert client.get("/hello").status == 200
        while client.is_silent(0.1):
            assert busy.get("/hello").status == 200
        client.expect_end()
        assert not client.was_reset


def test_keep_alive_zero_closes_after_each_answer(start_server) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "--keep-alive", "0", "conformance")
    with server.connect() as client:
        response = client.get("/hello")
        assert (response.status, response.closes()) == (200, True)
        client.expect_end()


def test_the_limits_are_options(start_server) -> None:
    limits = ["--limit-request-line", "100", "--limit-request-fields", "3", "--limit-request-field_size", "50"]
    server = start_server("gunicorn", "-b", "{tcp}", *limits, "conformance")
    for wire, status in (
        (request("GET /" + "a" * 50 + " HTTP/1.1", "A: " + "a" * 20, "B: b"), 200),
        (request("GET /" + "a" * 100 + " HTTP/1.1"), 414),
        (request("GET / HTTP/1.1", "A: a", "B: b", "C: c"), 431),
        (request("GET / HTTP/1.1", "A: " + "a" * 50), 431),
    ):
        with server.connect() as client:
            client.send(wire)
            assert client.read_response().status == status


def test_the_native_limits_are_options(start_server) -> None:
    limits = ["--max-request-line", "100", "--max-fields", "3", "--max-field-size", "50", "--max-head", "150"]
    server = start_server("-b", "{tcp}", *limits, "conformance:application")
    for wire, status in (
        (request("GET /" + "a" * 50 + " HTTP/1.1", "A: " + "a" * 20, "B: b"), 200),
        (request("GET /" + "a" * 100 + " HTTP/1.1"), 414),
        (request("GET / HTTP/1.1", "A: a", "B: b", "C: c"), 431),
        (request("GET / HTTP/1.1", "A: " + "a" * 50), 431),
        (request("GET /" + "a" * 80 + " HTTP/1.1", "A: " + "a" * 40, "B: " + "a" * 40), 431),
    ):
        with server.connect() as client:
            client.send(wire)
            assert client.read_response().status == status


def test_the_native_times_for_head_and_body_are_options(start_server) -> None:
    server = start_server("-b", "{tcp}", "--head-timeout", "1", "--body-timeout", "1", "conformance:application")
    for wire in (b"GET / HTTP/1.1\r\nHo", request("POST / HTTP/1.1", "Content-Length: 5", body=b"x")):
        with server.connect() as client:
            client.send(wire)
            assert client.read_response().status == 408
            client.expect_end()


@pytest.mark.parametrize("serving", ["one thread", "threads", "asgi", "gevent"])
def test_a_client_that_does_not_read_is_let_go_and_named(tmp_path, start_server, serving: str) -> None:
    if serving == "gevent":
        pytest.importorskip("gevent")
    (tmp_path / "endless.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    while environ['PATH_INFO'] == '/endless':\n        yield b'x' * 100000\n"
        "async def asgi(scope, receive, send):\n"
        "    if scope['type'] != 'http':\n        return\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    while scope['path'] == '/endless':\n"
        "        await send({'type': 'http.response.body', 'body': b'x' * 100000, 'more_body': True})\n"
        "    await send({'type': 'http.response.body'})\n"
    )
    native = ("-b", "{tcp}", "--write-timeout", "1")
    arguments = {
        "one thread": (*native, "endless:app"),
        "threads": (*native, "--threads", "2", "endless:app"),
        "asgi": (*native, "endless:asgi"),
        "gevent": (
            "uwsgi",
            "--http-socket",
            "{tcp}",
            "--master",
            "--gevent",
            "9",
            "--socket-timeout",
            "1",
            "-w",
            "endless:app",
        ),
    }[serving]
    server = start_server(*arguments, cwd=tmp_path)
    with server.connect(receive_buffer=4096) as client:
        client.send(request("GET /endless HTTP/1.1"))
        server.wait_for_log("Nothing of its answer taken for 1 s by ip=127.0.0.1: the connection is closed")
        assert server.get("/").status == 200


def test_a_body_over_its_limit_is_413(start_server) -> None:
    server = start_server("--max-body", "1000", "-b", "{tcp}", "conformance:application")
    chunk = b"64\r\n" + b"x" * 100 + b"\r\n"
    chunked = "Transfer-Encoding: chunked"
    for wire, status in (
        (request("POST /digest HTTP/1.1", "Content-Length: 1000", body=b"x" * 1000), 200),
        (request("POST /digest HTTP/1.1", chunked, body=chunk * 10 + b"0\r\n\r\n"), 200),
        (request("POST /digest HTTP/1.1", "Content-Length: 1001"), 413),
        (request("POST /digest HTTP/1.1", "Content-Length: 1001", "Expect: 100-continue"), 413),
        (request("POST /digest HTTP/1.1", "Content-Length: 10000000", body=b"x" * 100_000), 413),
        (request("POST /digest HTTP/1.1", chunked, body=chunk * 11 + b"0\r\n\r\n"), 413),
    ):
        with server.connect() as client:
            client.send_and_ignore_failure(wire)
            response = client.read_response()
            assert (response.status, response.interim) == (status, [])
            if status == 413:
                assert response.closes()
                client.expect_end()


def test_a_hundred_pipelined_requests_are_answered_in_order(server: Server) -> None:
    with server.connect() as client:
        client.send(b"".join(request(f"GET /echo/{number} HTTP/1.1") for number in range(100)))
        paths = [client.read_response().json()["environ"]["PATH_INFO"] for _ in range(100)]
        assert paths == [f"/echo/{number}" for number in range(100)]


def test_pipelined_requests_with_bodies_keep_their_order(server: Server) -> None:
    with server.connect() as client:
        wire = b""
        for number in range(20):
            body = b"%d" % number * 100
            wire += request("POST /length HTTP/1.1", f"Content-Length: {len(body)}", body=body)
            wire += request(
                "POST /chunks HTTP/1.1", "Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            )
        client.send(wire)
        for number in range(20):
            for path in ("/length", "/chunks"):
                document = client.read_response().json()
                assert document["environ"]["PATH_INFO"] == path
                assert document["body"] == str(number) * 100


def test_pipelined_answers_to_a_client_that_stops_reading_for_a_while(server: Server) -> None:
    with server.connect(receive_buffer=4096) as client:
        client.send(request("GET /big?size=300000&length=300000 HTTP/1.1") * 10)
        time.sleep(0.3)
        for _ in range(10):
            response = client.read_response()
            assert (len(response.body), response.complete) == (300_000, True)


def test_a_client_that_half_closes_still_gets_its_answers(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET /one HTTP/1.1") + request("GET /two HTTP/1.1"))
        client.half_close()
        assert client.read_response().json()["environ"]["PATH_INFO"] == "/one"
        assert client.read_response().json()["environ"]["PATH_INFO"] == "/two"
        client.expect_end()


def test_an_unfinished_head_never_reaches_the_application(server: Server, journal: Journal) -> None:
    for wire in (b"", b"GET", b"GET /unfinished HTTP/1.1\r\nHost: test\r\n", b"GET /unfinished HTTP/1.1\r\n\r"):
        with server.connect() as client:
            client.send(wire)
            client.half_close()
            with contextlib.suppress(ConnectionEnded):
                assert client.read_response().status in (400, 408)
    assert journal.calls() == []


def test_unix_socket_ipv6_and_ipv4_at_once(start_server) -> None:
    server = start_server(
        "gunicorn", "-b", "{tcp}", "-b", "{tcp6}", "--bind", "unix:{unix}", "-b", "{tcp2}", "conformance"
    )
    for word, address in server.addresses.items():
        with server.connect(word) as client:
            for _ in range(2):
                environ = client.get("/echo").json()["environ"]
                assert environ["SERVER_NAME"]
                assert environ["SERVER_PORT"]
            if word == "unix":
                assert isinstance(environ["REMOTE_ADDR"], str)
                continue
            assert environ["REMOTE_ADDR"] == address[0]
            assert environ["SERVER_PORT"] == str(address[1])
            assert environ["REMOTE_PORT"] == str(client.socket.getsockname()[1])


def test_hundreds_of_idle_connections_do_not_keep_others_out(server: Server) -> None:
    idle = []
    try:
        for number in range(400):
            client = server.connect()
            idle.append(client)
            if number % 2:
                client.send(b"GET /half HTTP/1.1\r\n")
        assert server.get("/hello").body == b"hello"
        for client in idle[1::2][:20]:
            client.send(b"Host: test\r\n\r\n")
            assert client.read_response().status == 200
    finally:
        for client in idle:
            client.close()
    assert server.get("/hello").body == b"hello"
