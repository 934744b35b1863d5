"""Clients that vanish in the middle of a request: the server goes on, and its log says which peer it was and where it stood.

Each message is cut at each of its bytes, and the connection ends there in order or by a reset. Over the wires of web servers and
behind a PROXY header the line is there at the level ``info``, over plain HTTP at ``debug``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest
from harness import RawClient, Server
from harness.processes import wait_until
from harness.wires import STDIN, begin, netstring, packet, record

POST = {"REQUEST_METHOD": "POST", "PATH_INFO": "/digest", "CONTENT_LENGTH": "5"}
DIGEST = hashlib.sha256(b"hello").hexdigest().encode()
PROXY = b"PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 7, 18, 103, 1, 187])
HTTP = b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"

# A message in parts, and what is said of a cut in each of them: {at} is the number of bytes of the part that had come, {left}
# how many were missing.
IN_HEAD = "in the middle of a request, at byte {at} of its head"
IN_BODY = "in the middle of the body of POST /digest, {left} bytes before its end"
IN_RECORD = "in the middle of a request, at byte {at} of a record"
IN_STREAM = "in the middle of the body of POST /digest"
Parts = list[tuple[bytes, str]]


def records() -> Parts:
    """A FastCGI request; its body has come as soon as the content of STDIN has."""
    whole = begin(1, "/digest", REQUEST_METHOD="POST", CONTENT_LENGTH="5") + record(STDIN, 1, b"hello", 2)
    parts: Parts = []
    while whole:
        length, padding = int.from_bytes(whole[4:6], "big"), whole[6]
        is_body = whole[1] == STDIN
        understood = 8 if is_body else 8 + length
        parts.append((whole[:understood], IN_STREAM if is_body else IN_RECORD))
        if is_body:
            parts.append((whole[8 : 8 + length], IN_STREAM))
        elif padding:
            parts.append((whole[understood : understood + padding], "in the middle of a request"))
        whole = whole[8 + length + padding :]
    return parts


WIRES: dict[str, Parts] = {
    "uwsgi": [(packet(POST), IN_HEAD), (b"hello", IN_BODY)],
    "scgi": [(netstring(POST), IN_HEAD), (b"hello", IN_BODY)],
    "fastcgi": records(),
    "http": [(HTTP, IN_HEAD), (b"hello", IN_BODY)],
    "proxy": [(PROXY, "at byte {at} of a PROXY header"), (HTTP, IN_HEAD), (b"hello", IN_BODY)],
    "proxy-v2": [(PROXY_V2, "at byte {at} of a PROXY header"), (HTTP, IN_HEAD), (b"hello", IN_BODY)],
}
# What is said where a part has come entirely and nothing of the next one.
AT_THE_SEAM = {
    ("proxy", 1): "behind a PROXY header, without a request",
    ("proxy-v2", 1): "behind a PROXY header, without a request",
}
WITHOUT_BYTES = {"fastcgi": "in the middle of a request"}


def cuts(wire: str) -> dict[int, str]:
    """What is said of a message that is cut behind so many of its bytes."""
    said: dict[int, str] = {}
    start = 0
    for number, (part, text) in enumerate(WIRES[wire]):
        for at in range(len(part)):
            if start + at == 0:
                continue
            line = text.format(at=at, left=len(part) - at)
            if at == 0 and "at byte" in text:
                line = AT_THE_SEAM.get((wire, number)) or WITHOUT_BYTES[wire]
            said[start + at] = line
        start += len(part)
    return said


@pytest.mark.parametrize("way", ["closed", "reset"])
@pytest.mark.parametrize("wire", WIRES)
def test_a_client_that_vanishes_at_any_byte_has_a_line_that_says_which_peer_and_where(wire: str, way: str) -> None:
    whole = b"".join(part for part, _ in WIRES[wire])
    bind = "{tcp2}" if wire.startswith(("http", "proxy")) else wire + "://{tcp2}"
    options = ["--bind", "{tcp}", "--bind", bind, "--log-level", "debug", "gateways:application"]
    if wire.startswith("proxy"):
        options += ["--proxy-protocol", "auto"]
    with Server(*options) as server:
        said = cuts(wire)
        for cut in said:
            with server.connect("tcp2") as client:
                client.send(whole[:cut])
                if way == "reset":
                    client.reset()
        pattern = re.compile(rf"127\.0\.0\.1 {way} its connection to \S*:{server.addresses['tcp2'][1]} (.*)")

        def heard() -> Counter[str]:
            return Counter(line.removesuffix("; its client was 192.0.2.1") for line in pattern.findall(server.log))

        wait_until(lambda: heard().total() >= len(said), 60)
        assert heard() == Counter(said.values())
        # All others are served as ever.
        with server.connect("tcp2") as client:
            client.send(whole)
            client.read_until(DIGEST)
        if wire.startswith("proxy"):
            assert "of a PROXY header\n" in server.log and "at byte 1 of its head; its client was 192.0.2.1" in server.log


def test_nothing_is_said_of_those_who_have_sent_nothing_or_had_their_answer() -> None:
    binds = ("--bind", "{tcp}", "--bind", "fastcgi://{tcp2}", "--bind", "uwsgi://{tcp3}", "--bind", "scgi://unix:{unix}")
    with Server(*binds, "--log-level", "debug", "gateways:application") as server:
        for address in ("tcp", "tcp2", "tcp3", "unix"):
            server.connect(address).close()
        with server.connect("tcp") as client:
            assert client.get("/environ").status == 200
            assert client.get("/environ").status == 200
        for ends in (RawClient.close, RawClient.reset):
            with server.connect("tcp2") as client:
                client.send(begin(1, "/digest", REQUEST_METHOD="POST", CONTENT_LENGTH="5"))
                client.send(record(STDIN, 1, b"hello") + record(STDIN, 1))
                client.read_until(DIGEST)
                ends(client)
        # Whoever comes last: those before have been seen to.
        for address, sent in (("tcp3", b"\0"), ("unix", b"1")):
            with server.connect(address) as client:
                client.send(sent)
        server.wait_for_log("127.0.0.1 closed its connection to")
        server.wait_for_log("a unix socket closed its connection to")
        assert server.log.count("its connection to") == 2


@pytest.mark.parametrize("dialect", ["native", "gunicorn", "uvicorn", "uwsgi"])
def test_web_servers_that_vanish_are_news_and_clients_from_the_internet_are_not(dialect: str) -> None:
    options = {
        "native": ("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}", "gateways:application"),
        "gunicorn": ("gunicorn", "-b", "{tcp}", "-b", "uwsgi://{tcp2}", "gateways:application"),
        "uvicorn": ("uvicorn", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "gateways:application"),
        "uwsgi": ("uwsgi", "--http-socket", "{tcp}", "--socket", "{tcp2}", "-w", "gateways:application"),
    }[dialect]
    with Server(*options) as server:
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHo")
        if dialect != "uvicorn":
            with server.connect("tcp2") as client:
                client.send(packet(POST) + b"hel")
            server.wait_for_log("in the middle of the body of POST /digest, 2 bytes before its end")
        assert server.get("/environ").status == 200
        assert "at byte 18 of its head" not in server.log


@pytest.mark.parametrize("threads", [1, 4])
def test_the_line_is_also_there_where_the_application_waits_for_the_body(threads: int) -> None:
    post = {**POST, "CONTENT_LENGTH": str(4 << 20), "REMOTE_ADDR": "192.0.2.7"}
    options = ("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}", "--threads", str(threads), "gateways:application")
    with Server(*options) as server:
        with server.connect("tcp2") as client:
            client.send(packet(post) + bytes(2 << 20))
            client.half_close()
            client.read_to_end()
        server.wait_for_log("in the middle of the body of POST /digest; its client was 192.0.2.7")
