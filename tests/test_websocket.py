"""WebSockets: handshakes, messages, closes and faults, with the `websockets` client and by hand.

Most tests run on asyncio's own loop and on uvloop. What each path does stands in `projects/websocket_site/sockets.py`.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.client import RawClient
from harness.processes import wait_until
from projects import copy_of
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

LOOPS = ("asyncio", "uvloop")

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A


class Site:
    """The application, served; its journal is what it wrote down."""

    def __init__(self, directory: Path, start_server: StartServer, *arguments: str, module: str = "sockets") -> None:
        self.directory = copy_of("websocket_site", directory)
        self.path = self.directory / "journal"
        self.path.touch()
        environment = {"JOURNAL": str(self.path)}
        words = (*arguments, "-b", "{tcp}", f"{module}:app")
        self.server: Server = start_server(*words, cwd=self.directory, environment=environment)

    def url(self, path: str) -> str:
        host, port = self.server.address
        return f"ws://{host}:{port}{path}"

    def connect(self, path: str, **options: Any) -> ClientConnection:
        options = {"open_timeout": SAFETY_SECONDS, "close_timeout": SAFETY_SECONDS, "max_size": None, **options}
        return connect(self.url(path), **options)

    def journal(self) -> list[str]:
        return self.path.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        assert wait_until(lambda: line in self.journal(), SAFETY_SECONDS), (line, self.journal(), self.server.log)


class Raw:
    """A WebSocket by hand: frames as they are on the wire."""

    def __init__(self, site: Site, path: str, *fields: str, receive_buffer: int | None = None) -> None:
        self.client = RawClient(site.server.address, timeout=SAFETY_SECONDS, receive_buffer=receive_buffer)
        self.client.send(handshake(path, *fields))
        self.head = self.client.read_head()
        assert self.head.status == 101, self.head

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def send(self, first: int, payload: bytes = b"") -> None:
        self.client.send(frame(first, payload))

    def read(self) -> tuple[int, bytes]:
        first, length = self.client.read_exactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", self.client.read_exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.client.read_exactly(8))
        return first, self.client.read_exactly(length)

    def expect_close(self, code: int) -> str:
        """A close frame with that code, then the end of the connection; the reason."""
        first, payload = self.read()
        assert first == CLOSE and struct.unpack("!H", payload[:2])[0] == code, (first, payload)
        self.client.expect_end()
        return payload[2:].decode()


def frame(first: int, payload: bytes = b"", mask: bytes = b"\x12\x34\x56\x78") -> bytes:
    length = len(payload)
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return head + mask + masked


def handshake(path: str, *fields: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1", "Host: test", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Version: 13", *fields,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture(params=LOOPS)
def site(request: pytest.FixtureRequest, tmp_path: Path, start_server: StartServer) -> Site:
    return Site(tmp_path, start_server, "--loop", request.param)


@pytest.fixture
def one_site(tmp_path: Path, start_server: StartServer) -> Site:
    return Site(tmp_path, start_server)


# Messages.


def test_messages_of_every_kind_and_size_are_echoed(site: Site) -> None:
    with site.connect("/echo") as client:
        for message in ["Hello", "", b"", b"\0\xff", "é✓𠜎" * 9000, "x" * 65535, b"y" * 200_000, "z" * 2_000_000]:
            client.send(message)
            assert client.recv(SAFETY_SECONDS) == message
    site.wait_for("disconnect 1000 ")


def test_a_row_of_messages_comes_back_in_order(site: Site) -> None:
    with site.connect("/echo", compression=None) as client:
        for number in range(500):
            client.send(f"message {number}")
        for number in range(500):
            assert client.recv(SAFETY_SECONDS) == f"message {number}"


def test_fragments_are_joined_and_pings_between_them_answered(site: Site) -> None:
    with Raw(site, "/echo") as client:
        client.send(0x01, "caf\u00e9"[:3].encode() + b"\xc3")
        client.send(PING, b"between")
        client.send(0x00, b"")
        client.send(0x80, b"\xa9")
        assert client.read() == (PONG, b"between")
        assert client.read() == (TEXT, "caf\u00e9".encode())


def test_frames_that_come_with_the_handshake_are_not_lost(site: Site) -> None:
    with RawClient(site.server.address) as client:
        client.send(handshake("/echo") + frame(TEXT, b"early"))
        assert client.read_head().status == 101
        assert client.read_exactly(7) == b"\x81\x05early"


def test_frames_may_come_byte_by_byte(site: Site) -> None:
    with Raw(site, "/echo") as client:
        for byte in frame(TEXT, b"slow") + frame(PING, b"p"):
            client.client.send(bytes([byte]))
        assert {client.read(), client.read()} == {(TEXT, b"slow"), (PONG, b"p")}


def test_receive_may_be_cancelled_and_called_again(site: Site) -> None:
    with site.connect("/receive-in-task") as client:
        assert client.recv(SAFETY_SECONDS) == "ready"
        client.send("kept")
        assert client.recv(SAFETY_SECONDS) == "kept"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_compression_is_agreed_on_if_the_client_offers_it(one_site: Site, compression: str | None) -> None:
    with one_site.connect("/echo", compression=compression) as client:
        assert ("Sec-WebSocket-Extensions" in client.response.headers) == (compression is not None)
        for message in ["a lot of the same " * 5000, b"\0" * 100_000, "short"]:
            client.send(message)
            assert client.recv(SAFETY_SECONDS) == message


# Handshakes.


def test_the_scope_of_a_websocket(site: Site) -> None:
    with site.connect("/tell-scope?a=%20b", subprotocols=["chat", "superchat"]) as client:
        scope = json.loads(client.recv(SAFETY_SECONDS))
    host, port = site.server.address
    assert scope["type"] == "websocket" and scope["asgi"]["version"] == "3.0"
    assert (scope["scheme"], scope["http_version"], scope["path"]) == ("ws", "1.1", "/tell-scope")
    assert scope["query_string"] == "a=%20b" and scope["server"] == [host, port]
    assert scope["subprotocols"] == ["chat", "superchat"] and "method" not in scope
    assert scope["extensions"] == {"websocket.http.response": {}}


def test_subprotocol_and_headers_of_the_acceptance_are_sent(site: Site) -> None:
    with site.connect("/subprotocol/v2", subprotocols=["v1", "v2"]) as client:
        assert client.subprotocol == "v2"
        assert client.response.headers.get_all("X-One") == ["1", "2"]
        with pytest.raises(ConnectionClosed):
            client.recv(SAFETY_SECONDS)
        assert (client.close_code, client.close_reason) == (3001, "as agreed ✓")


def test_an_acceptance_the_client_would_reject_raises_in_the_application(site: Site) -> None:
    with site.connect("/subprotocol/v9", subprotocols=["v1"]) as client:
        assert client.subprotocol is None
        with pytest.raises(ConnectionClosed):
            client.recv(SAFETY_SECONDS)
    assert site.journal() == [
        'ValueError subprotocol "v9" is not one that the client offers',
        "ValueError header Sec-WebSocket-Protocol is the server's to send",
        "ValueError the value of header x has a control character",
        'ValueError header name "a b" is not an HTTP token',
    ]


def status_of(site: Site, path: str) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as refused, site.connect(path):
        pass
    return refused.value


def test_a_close_before_the_acceptance_is_403(site: Site) -> None:
    assert status_of(site, "/refuse").response.status_code == 403
    site.wait_for('RuntimeError: unexpected event "websocket.accept": the WebSocket has been closed')
    assert site.journal()[0] == json.dumps({"type": "websocket.disconnect", "code": 1006, "reason": ""})


@pytest.mark.parametrize("path", ["/deny", "/deny/pieces"])
def test_a_denial_is_an_http_response(site: Site, path: str) -> None:
    response = status_of(site, path).response
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Basic"
    with RawClient(site.server.address) as client:
        client.send(handshake(path))
        assert client.read_response().json() == {"why": "nobody"}


@pytest.mark.parametrize("path", ["/raise-first", "/return-first"])
def test_without_an_answer_to_the_handshake_it_is_500(site: Site, path: str) -> None:
    assert status_of(site, path).response.status_code == 500
    message = "before the handshake" if path == "/raise-first" else "without an answer to the handshake"
    assert wait_until(lambda: message in site.server.log, SAFETY_SECONDS)


MALFORMED_HANDSHAKES = {
    "no key": ({"Sec-WebSocket-Key": None}, 400, "without Sec-WebSocket-Key"),
    "a short key": ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400, "not 16 bytes"),
    "no version": ({"Sec-WebSocket-Version": None}, 426, "other than 13"),
    "an old version": ({"Sec-WebSocket-Version": "8"}, 426, "other than 13"),
    "no Connection: upgrade": ({"Connection": "keep-alive"}, 400, "without Connection: upgrade"),
    "a body": ({"Content-Length": "3"}, 400, "with a body"),
    "bad subprotocols": ({"Sec-WebSocket-Protocol": "a b"}, 400, "Sec-WebSocket-Protocol"),
    "POST": ({"": "POST"}, 405, "other than GET"),
}


@pytest.mark.parametrize("name", MALFORMED_HANDSHAKES)
def test_a_malformed_handshake_is_refused(one_site: Site, name: str) -> None:
    changes, status, why = MALFORMED_HANDSHAKES[name]
    fields = {
        "Host": "h", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13", **changes,
    }  # fmt: skip
    method = fields.pop("", "GET")
    lines = [f"{method} /echo HTTP/1.1", *(f"{key}: {value}" for key, value in fields.items() if value is not None)]
    with RawClient(one_site.server.address) as client:
        client.send("\r\n".join([*lines, "", ""]).encode())
        response = client.read_response()
        assert response.status == status and why in response.body.decode(), response
        if status == 426:
            assert response.value("Sec-WebSocket-Version") == "13" and response.value("Upgrade") == "websocket"
    assert wait_until(lambda: why in one_site.server.log, SAFETY_SECONDS)
    assert one_site.server.get("/").status == 200


def test_a_request_that_only_mentions_websocket_stays_http(one_site: Site) -> None:
    assert one_site.server.get("/", "Upgrade: websocket").status == 200
    assert one_site.server.get("/", "Upgrade: h2c", "Connection: upgrade").status == 200


# Closing.


def test_the_clients_code_and_reason_reach_the_application(site: Site) -> None:
    with site.connect("/echo") as client:
        client.close(4321, "enough")
    site.wait_for("disconnect 4321 enough")
    with Raw(site, "/echo") as raw:
        raw.send(CLOSE)
        assert raw.read() == (CLOSE, b"")
        raw.client.expect_end()
    site.wait_for("disconnect 1005 ")


def test_a_client_that_vanishes_is_1006(site: Site) -> None:
    with Raw(site, "/echo") as client:
        client.send(TEXT, b"x")
        client.read()
    site.wait_for("disconnect 1006 ")
    with Raw(site, "/echo") as client:
        client.client.reset()
    assert wait_until(lambda: site.journal() == ["disconnect 1006 "] * 2, SAFETY_SECONDS), site.journal()


def test_the_applications_close_is_sent_and_told(site: Site) -> None:
    with site.connect("/close-with") as client:
        client.send(json.dumps({"code": 3456, "reason": "as you like"}))
        with pytest.raises(ConnectionClosed):
            client.recv(SAFETY_SECONDS)
        assert (client.close_code, client.close_reason) == (3456, "as you like")
    site.wait_for(json.dumps({"type": "websocket.disconnect", "code": 3456, "reason": "as you like"}))
    site.wait_for('RuntimeError: unexpected event "websocket.send": the WebSocket has been closed')


def test_an_application_that_returns_or_raises_closes(site: Site) -> None:
    for path, code in (("/return-later", 1000), ("/raise-later", 1011)):
        with site.connect(path) as client:
            with pytest.raises(ConnectionClosed):
                while True:
                    client.send("go on")
                    client.recv(SAFETY_SECONDS)
            assert client.close_code == code, path
    assert wait_until(lambda: "in the middle" in site.server.log, SAFETY_SECONDS)


def test_a_client_that_does_not_answer_the_close_is_let_go(one_site: Site) -> None:
    with Raw(one_site, "/return-later") as client:
        assert client.read() == (TEXT, b"bye")
        assert client.read() == (CLOSE, b"\x03\xe8")
        # Data after our close is read and dropped.
        client.send(TEXT, b"late")
        client.client.expect_end()


def test_send_after_the_client_has_left_raises_an_oserror_and_is_not_logged(site: Site) -> None:
    with Raw(site, "/push") as client:
        client.read()
    site.wait_for("ClientDisconnected")
    assert "Traceback" not in site.server.log


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_or_reload_tells_clients_to_come_again(site: Site, signal_number: int) -> None:
    with site.connect("/echo") as client, Raw(site, "/echo") as silent:
        client.send("x")
        client.recv(SAFETY_SECONDS)
        os.kill(site.server.process.pid, signal_number)
        with pytest.raises(ConnectionClosed):
            client.recv(SAFETY_SECONDS)
        assert client.close_code == 1012
        site.wait_for("disconnect 1012 the server restarts")
        first, payload = silent.read()
        assert (first, payload[:2]) == (CLOSE, struct.pack("!H", 1012))
        silent.send(CLOSE, payload)
        silent.client.expect_end()
    if signal_number == signal.SIGHUP:
        with site.connect("/echo") as client:
            client.send("served by the new worker")
            assert client.recv(SAFETY_SECONDS) == "served by the new worker"


def test_a_worker_whose_master_is_gone_says_that_it_goes_away(site: Site) -> None:
    with site.connect("/echo") as client:
        client.send("x")
        client.recv(SAFETY_SECONDS)
        os.kill(site.server.process.pid, signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            client.recv(SAFETY_SECONDS)
        assert client.close_code == 1001
    site.wait_for("disconnect 1001 the server goes away")


# Wrong events.


def test_events_out_of_place_or_form_raise_and_do_no_harm(site: Site) -> None:
    with site.connect("/wrong") as client:
        assert client.recv(SAFETY_SECONDS) == "still here"
        with pytest.raises(ConnectionClosed):
            client.recv(SAFETY_SECONDS)
        assert client.close_code == 1000
    assert [line.partition(":")[0] for line in site.journal()] == [
        "RuntimeError", "ValueError", "RuntimeError", "RuntimeError", "ValueError", "ValueError", "TypeError",
        "TypeError", "UnicodeEncodeError", "ValueError", "ValueError", "ValueError", "ValueError", "TypeError",
    ]  # fmt: skip


# Bad input.

BAD_FRAMES = {
    "unmasked": (b"\x81\x01x", 1002),
    "reserved bit": (frame(TEXT | 0x40, b"x"), 1002),
    "reserved opcode": (frame(0x83, b"x"), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "fragmented ping": (frame(0x09, b"x"), 1002),
    "continuation of nothing": (frame(0x80, b"x"), 1002),
    "message in a message": (frame(0x01, b"x") + frame(TEXT, b"y"), 1002),
    "length not minimal": (b"\x81\xfe\x00\x01\0\0\0\0x", 1002),
    "huge length": (b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 1002),
    "large length": (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    "text not UTF-8": (frame(TEXT, b"\xce\xba\xff"), 1007),
    "text that can become no UTF-8": (frame(0x01, b"\xf4\x90"), 1007),
    "one-byte close": (frame(CLOSE, b"x"), 1002),
    "close code 1006": (frame(CLOSE, struct.pack("!H", 1006)), 1002),
    "close reason not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_each_bad_frame_ends_its_connection_with_the_right_code(
    tmp_path: Path, start_server: StartServer, loop: str
) -> None:
    site = Site(tmp_path, start_server, "--loop", loop)
    with site.connect("/echo") as other:
        for name, (wire, code) in BAD_FRAMES.items():
            with Raw(site, "/echo") as client:
                client.client.send_and_ignore_failure(wire + b"\x8a\x80\0\0\0\0" * 100)
                assert client.expect_close(code), name
        other.send("undisturbed")
        assert other.recv(SAFETY_SECONDS) == "undisturbed"

    def codes() -> list[str]:
        return [line.split()[1] for line in site.journal() if line.startswith("disconnect")]

    assert wait_until(lambda: len(codes()) == len(BAD_FRAMES) + 1, SAFETY_SECONDS), codes()
    assert codes()[:-1] == [str(code) for _, code in BAD_FRAMES.values()]


def test_messages_before_a_bad_frame_are_answered(site: Site) -> None:
    with Raw(site, "/echo") as client:
        client.client.send(frame(TEXT, b"one") + frame(TEXT, b"two") + frame(0x83, b"bad") + frame(TEXT, b"three"))
        assert [client.read(), client.read()] == [(TEXT, b"one"), (TEXT, b"two")]
        client.expect_close(1002)
    site.wait_for("disconnect 1002 reserved opcode")


def test_a_message_beyond_the_limit_is_1009(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "--ws-max-size", "1000")
    with Raw(site, "/echo") as client:
        client.send(BINARY, b"x" * 1000)
        assert client.read() == (BINARY, b"x" * 1000)
        client.send(BINARY, b"x" * 1001)
        client.expect_close(1009)


def test_a_compression_bomb_is_1009_and_costs_no_memory(one_site: Site) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    block = b"\0" * (1 << 20)
    bomb = b"".join(deflate.compress(block) for _ in range(256)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    workers = [pid for pid in one_site.server.processes() if pid != one_site.server.process.pid]
    before = sum(map(peak_memory, workers))
    with Raw(one_site, "/echo", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12") as client:
        client.client.send_and_ignore_failure(frame(BINARY | 0x40, bomb[:-4]))
        client.expect_close(1009)
    # 16 MiB may be a message; a buffer that grows is there twice for a moment.
    assert sum(map(peak_memory, workers)) - before < 80 << 20


def peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


# Backpressure.


def test_a_client_that_reads_nothing_stops_the_application_not_the_others(
    tmp_path: Path, start_server: StartServer
) -> None:
    site = Site(tmp_path, start_server)
    with Raw(site, "/stream", receive_buffer=65536), site.connect("/echo") as other:
        assert wait_until(lambda: any(line.startswith("stalled") for line in site.journal()), SAFETY_SECONDS)
        sent = int(site.journal()[0].split()[-1])
        assert sent < 64 << 20, "the application was stopped"
        other.send("undisturbed")
        assert other.recv(SAFETY_SECONDS) == "undisturbed"


def test_a_client_that_reads_slowly_gets_everything(one_site: Site) -> None:
    with Raw(one_site, "/stream", receive_buffer=65536) as client:
        for _ in range(64):
            assert client.read() == (BINARY, b"x" * 65536)


def test_an_application_that_receives_nothing_stops_the_client(one_site: Site) -> None:
    message = frame(BINARY, b"x" * 65536)
    with Raw(one_site, "/hold") as client:
        raw_socket = client.client.socket
        raw_socket.settimeout(1)
        sent = 0
        with suppress(TimeoutError, socket.timeout):
            while sent < 4096:
                raw_socket.sendall(message)
                sent += 1
        assert sent < 1000, "the client had to wait"


def test_messages_that_waited_are_all_received(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "--ws-max-queue", "4")
    with Raw(site, "/hold") as client:
        for number in range(100):
            client.send(TEXT, f"{number}".encode())
        with site.connect("/release") as release, pytest.raises(ConnectionClosed):
            release.recv(SAFETY_SECONDS)
        client.send(CLOSE)
        assert client.read()[0] == CLOSE
    site.wait_for("received 100")


def test_a_flood_of_pings_to_a_deaf_client_costs_no_memory(one_site: Site) -> None:
    workers = [pid for pid in one_site.server.processes() if pid != one_site.server.process.pid]
    before = sum(map(peak_memory, workers))
    with Raw(one_site, "/echo", receive_buffer=4096) as client:
        raw_socket = client.client.socket
        raw_socket.settimeout(1)
        pings = frame(PING, b"x" * 125) * 1000
        with suppress(TimeoutError, socket.timeout):
            for _ in range(2000):
                raw_socket.sendall(pings)
        assert one_site.server.get("/").status == 200
    assert sum(map(peak_memory, workers)) - before < 32 << 20


# Silence.


def test_a_silent_client_is_pinged_and_let_go_if_it_does_not_answer(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.5")
    with Raw(site, "/echo") as deaf, site.connect("/echo", ping_interval=None) as client:
        assert deaf.read() == (PING, b"")
        deaf.expect_close(1011)
        site.wait_for("disconnect 1006 ")
        client.send("still here")
        assert client.recv(SAFETY_SECONDS) == "still here"


def test_a_client_that_answers_pings_stays(tmp_path: Path, start_server: StartServer) -> None:
    site = Site(tmp_path, start_server, "--ws-ping-interval", "0.1", "--ws-ping-timeout", "30")
    with Raw(site, "/echo") as client:
        for _ in range(4):
            assert client.read() == (PING, b"")
            client.send(PONG)
        client.send(TEXT, b"x")
        while (answer := client.read()) == (PING, b""):
            pass
        assert answer == (TEXT, b"x")


# Frameworks.


@pytest.mark.parametrize("module", ["starlette_sockets", "fastapi_sockets"])
@pytest.mark.parametrize("loop", LOOPS)
def test_frameworks(tmp_path: Path, start_server: StartServer, module: str, loop: str) -> None:
    site = Site(tmp_path, start_server, "--loop", loop, module=module)
    with site.connect("/room/7?name=Ann", subprotocols=["chat"]) as client:
        assert client.subprotocol == "chat"
        assert json.loads(client.recv(SAFETY_SECONDS)) == {"room": 7, "name": "Ann"}
        client.send("hello")
        assert client.recv(SAFETY_SECONDS) == "Ann: hello"
        client.send(json.dumps({"binary": True}))
        assert client.recv(SAFETY_SECONDS) == b"\0\x01"
    site.wait_for("left 1000")
    assert status_of(site, "/private").response.status_code == 403
    assert status_of(site, "/denied").response.status_code == 418
    assert "Traceback" not in site.server.log
