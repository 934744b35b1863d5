"""Requests as a web server sends them over uwsgi, SCGI and FastCGI, and the answers of FastCGI.

Made to be right; what is wrong with them is for the tests to do. Lengths are those that fit: no variable is longer than 64 KiB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.client import RawClient

# FastCGI: flags and role of BEGIN_REQUEST, and the kinds of records.
KEEP, RESPONDER = 1, 1
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)


def record(kind: int, request: int, content: bytes = b"", padding: int = 0) -> bytes:
    head = bytes([1, kind, *request.to_bytes(2, "big"), *len(content).to_bytes(2, "big"), padding, 0])
    return head + content + bytes(padding)


def pairs(variables: Mapping[str, str]) -> bytes:
    block = b""
    for name, value in variables.items():
        for text in (name, value):
            block += bytes([len(text)]) if len(text) < 128 else (len(text) | 1 << 31).to_bytes(4, "big")
        block += name.encode() + value.encode()
    return block


def begin(request: int, path: str, **more: str) -> bytes:
    variables = {"REQUEST_METHOD": "GET", "PATH_INFO": path, **more}
    head = record(BEGIN, request, bytes([0, RESPONDER, KEEP, 0, 0, 0, 0, 0]))
    return head + record(PARAMS, request, pairs(variables), 3) + record(PARAMS, request)


def read_record(client: RawClient) -> tuple[int, int, bytes]:
    head = client.read_exactly(8)
    assert len(head) == 8 and head[0] == 1, head
    content = client.read_exactly(int.from_bytes(head[4:6], "big"))
    client.read_exactly(head[6])
    return head[1], int.from_bytes(head[2:4], "big"), content


def read_answers(client: RawClient, count: int) -> dict[int, dict[int, bytes]]:
    """The streams of so many requests, by request id and kind of record."""
    streams: dict[int, dict[int, bytes]] = {}
    ended = 0
    while ended < count:
        kind, request, content = read_record(client)
        mine = streams.setdefault(request, {})
        mine[kind] = mine.get(kind, b"") + content
        ended += kind == END
    return streams


# uwsgi and SCGI.


def packet(variables: Mapping[str, str] | Sequence[tuple[str, str]], modifier: int = 0) -> bytes:
    """A request of these variables; as a sequence where a name comes twice."""
    given = variables.items() if isinstance(variables, Mapping) else variables
    block = b""
    for text in (part.encode() for pair in given for part in pair):
        block += len(text).to_bytes(2, "little") + text
    return bytes([modifier, *len(block).to_bytes(2, "little"), 0]) + block


def netstring(variables: Mapping[str, str]) -> bytes:
    """The head of an SCGI request: CONTENT_LENGTH first, and SCGI."""
    whole = {"CONTENT_LENGTH": variables.get("CONTENT_LENGTH", "0"), "SCGI": "1", **variables}
    block = b"".join(part.encode() + b"\0" for pair in whole.items() for part in pair)
    return b"%d:%s," % (len(block), block)
