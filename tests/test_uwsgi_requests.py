"""``import uwsgi`` while a request is served: WebSockets of WSGI applications, the connection, what the log is told.

What each path does stands in `apps/uwsgi_requests.py`.
"""

from __future__ import annotations

import ast
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.processes import wait_until
from http1_cases import request
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

#: One thread, which is the reactor's; several; a greenlet for each request.
WAYS = {"one thread": (), "threads": ("--threads", "4"), "greenlets": ("--gevent", "20")}


def started(start_server: StartServer, *options: str) -> Server:
    return start_server("uwsgi", "--http-socket", "{tcp}", "--module", "uwsgi_requests", *options)


def web_socket(server: Server, path: str, **options: Any) -> ClientConnection:
    host, port = server.address
    options = {"open_timeout": SAFETY_SECONDS, "close_timeout": SAFETY_SECONDS, "max_size": None, **options}
    return connect(f"ws://{host}:{port}{path}", **options)


def expect_close(client: ClientConnection, code: int) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(SAFETY_SECONDS)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == code, closed.value


@pytest.mark.parametrize("way", WAYS)
def test_messages_come_back_and_the_server_goes_on(start_server: StartServer, way: str) -> None:
    server = started(start_server, *WAYS[way], "--log-format", "%(uri) %(status) %(late)")
    for message in ("hello", "ü" * 70000):
        with web_socket(server, "/echo") as client:
            client.send(message)
            # What uWSGI's applications are given are bytes, and what they send as text is text.
            assert client.recv(SAFETY_SECONDS) == message
            client.send("kind")
            assert client.recv(SAFETY_SECONDS) == b"\x00\xff"
    with web_socket(server, "/echo") as client:
        client.send("leave")
        expect_close(client, 1000)
    assert ast.literal_eval(server.get("/").body.decode()).count("/echo") == 3
    server.wait_for_log("/echo 101 after the answer")
    # A client that leaves is no fault of the application.
    assert "Traceback" not in server.log


@pytest.mark.parametrize("way", WAYS)
def test_an_application_waits_at_descriptors_and_then_looks(start_server: StartServer, way: str) -> None:
    server = started(start_server, *WAYS[way])
    with web_socket(server, "/polling") as client:
        for message in ("one", "two"):
            client.send(message)
            assert client.recv(SAFETY_SECONDS) == f"1 {message}"


@pytest.mark.parametrize("way", ["threads", "greenlets"])
def test_many_clients_are_served_at_a_time_and_one_may_send_while_another_receives(
    start_server: StartServer, way: str
) -> None:
    server = started(start_server, *WAYS[way])
    with web_socket(server, "/threads") as first, web_socket(server, "/echo") as second:
        assert [first.recv(SAFETY_SECONDS) for _ in range(3)] == ["0", "1", "2"]
        second.send("x")
        assert second.recv(SAFETY_SECONDS) == "x"
        first.send("last")
        assert first.recv(SAFETY_SECONDS) == "last"
        expect_close(first, 1000)


def test_a_generator_may_be_a_websocket_and_name_the_protocol(start_server: StartServer) -> None:
    server = started(start_server)
    with web_socket(server, "/generator", subprotocols=["a", "b"]) as client:
        assert client.subprotocol == "b"
        client.send("x")
        assert client.recv(SAFETY_SECONDS) == "x"
    with pytest.raises(InvalidStatus) as refused:
        web_socket(server, "/generator", subprotocols=["a"])
    assert refused.value.response.status_code == 500
    server.wait_for_log("unable to complete websocket handshake: subprotocol \"b\" is not one that the client offers")


def test_what_is_no_handshake_is_an_error_of_the_call(start_server: StartServer) -> None:
    server = started(start_server)
    assert server.get("/echo").status == 500
    server.wait_for_log("OSError: unable to complete websocket handshake: the request is no WebSocket handshake")


def test_an_application_that_fails_closes_with_1011_and_is_reported(start_server: StartServer) -> None:
    server = started(start_server)
    with web_socket(server, "/echo") as client:
        client.send("fail")
        expect_close(client, 1011)
    server.wait_for_log("RuntimeError: this application fails")


def test_a_message_beyond_the_limit_closes_with_1009(start_server: StartServer) -> None:
    server = started(start_server, "--websockets-max-size", "2")
    with web_socket(server, "/echo", compression=None) as client:
        client.send("x" * 2048)
        assert client.recv(SAFETY_SECONDS) == "x" * 2048
        client.send("x" * 2049)
        expect_close(client, 1009)


def test_a_silent_client_is_pinged_and_given_up(start_server: StartServer) -> None:
    server = started(start_server, "--websockets-ping-freq", "1", "--websockets-pong-tolerance", "1")
    with server.connect() as client:
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        client.send(
            request("GET /echo HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", key)
        )
        assert client.read_head().status == 101
        # A ping, then the close that says 1011, then the end.
        assert client.read_exactly(2) == b"\x89\x00"
        assert client.read_exactly(4)[:1] == b"\x88"
        client.read_to_end()
    assert "/echo" in ast.literal_eval(server.get("/").body.decode())


def test_a_client_that_reads_nothing_keeps_its_thread_waiting_only(start_server: StartServer) -> None:
    server = started(start_server, "--threads", "2")
    with web_socket(server, "/flood", compression=None) as client:
        assert server.get("/").status == 200
        assert all(client.recv(SAFETY_SECONDS) == b"x" * (1 << 20) for _ in range(64))
        expect_close(client, 1000)


@pytest.mark.parametrize("way", WAYS)
def test_clients_are_told_of_a_stop(start_server: StartServer, way: str) -> None:
    server = started(start_server, *WAYS[way], "--die-on-term")
    with web_socket(server, "/echo") as client:
        client.send("x")
        assert client.recv(SAFETY_SECONDS) == "x"
        os.kill(server.pid, signal.SIGTERM)
        expect_close(client, 1012)
    assert server.wait() == 0


@pytest.mark.parametrize("way", ["threads", "greenlets"])
def test_an_application_works_on_after_it_has_disconnected(start_server: StartServer, way: str) -> None:
    server = started(start_server, *WAYS[way])
    with server.connect() as client:
        client.send(request("GET /disconnect HTTP/1.1"))
        answer = client.read_response()
        assert answer.body == b"this is all"
        client.read_to_end()
    server.get("/release")
    assert wait_until(lambda: b"worked on" in server.get("/").body, SAFETY_SECONDS)


def test_the_log_is_told_what_the_application_notes(start_server: StartServer) -> None:
    server = started(start_server, "--log-format", "noted %(who) %(var.COLOUR) %(none)")
    known = ast.literal_eval(server.get("/log").body.decode())
    assert known == [b"somebody", None, "blue"]
    server.wait_for_log("noted somebody blue -")
    server.get("/")
    server.wait_for_log("noted - - -")


def test_bodies_are_read_in_parts(start_server: StartServer) -> None:
    server = started(start_server)
    with server.connect() as client:
        client.send(request("POST /chunks HTTP/1.1", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
        client.send(b"2\r\nde\r\n0\r\n\r\n")
        assert ast.literal_eval(client.read_response().body.decode()) == (b"abcde", b"", 0)


def test_files_and_descriptors_are_the_requests_own(start_server: StartServer) -> None:
    server = started(start_server)
    application = Path(__file__).parent / "apps" / "uwsgi_requests.py"
    assert server.get("/file").body == application.read_bytes()
    assert ast.literal_eval(server.get("/descriptor").body.decode()) == (True, True)


def test_names_without_a_meaning_here_say_so_when_they_are_used(start_server: StartServer, tmp_path: Path) -> None:
    from harness.uwsgi_api import served

    api = served(start_server, tmp_path, more="\n\ndef has(name):\n    return hasattr(uwsgi, name)\n")
    for name in ("offload", "scrolls", "async_connect", "lord_scroll", "extract"):
        assert api.has(name) is True
        assert api.ask(name)[1].startswith(f"NotImplementedError: uwsgi.{name}: ")
    assert [api.has(name) for name in ("spool", "queue_push", "sharedarea_read", "snmp_incr_counter32")] == [False] * 4
    assert "need the option spooler" in str(api.server.get("/spool").body) + api.server.log
    waiting = socket.create_connection(api.server.address)
    assert api.listen_queue() >= 0
    waiting.close()
    assert len(api.sockets()) == 1


ENGINE = """
import engineio

server = engineio.Server(async_mode="gevent_uwsgi")
application = engineio.WSGIApp(server)


@server.on("message")
def message(sid, data):
    server.send(sid, data)
"""


def test_engineio_speaks_through_it(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text(ENGINE)
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--module", "engine", "--gevent", "100", cwd=tmp_path)
    with web_socket(server, "/engine.io/?EIO=4&transport=websocket") as client:
        assert str(client.recv(SAFETY_SECONDS)).startswith("0{")
        for text in ("one", "two"):
            client.send(f"4{text}")
            assert client.recv(SAFETY_SECONDS) == f"4{text}"
        client.send(b"\x00\x01")
        assert client.recv(SAFETY_SECONDS) == b"\x00\x01"
    assert "Traceback" not in server.log
