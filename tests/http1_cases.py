"""Every row of the HTTP/1.1 checklist (RFC 9110, RFC 9112) as bytes and the answers they must get.

A case is one connection: ``wire`` is sent (its pieces apart), as many responses as ``expect`` has entries are read,
and then either the connection ends (``closes``) or it serves one more request. The application must have been
reached exactly once for each 2xx: a request that is refused is never seen by it.

Where an RFC leaves a choice the case holds Penstock to the strictest: refuse with 400 rather than repair.
Targets are ``/<case name>`` unless the target is what the case is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OK = frozenset({200})
BAD = frozenset({400})
TOO_BIG = frozenset({400, 413})
TOO_MANY = frozenset({431})
UNIMPLEMENTED = frozenset({501})

LENGTH = "Content-Length: 5"
CHUNKED = "Transfer-Encoding: chunked"


@dataclass(frozen=True)
class Case:
    """What is sent and what must come back."""

    name: str
    wire: tuple[bytes, ...]
    # The allowed status codes of each response, in order.
    expect: tuple[frozenset[int], ...]
    # Whether the connection ends after the last response; when not, one more request must be served.
    closes: bool
    # What the echo application must have seen in the last request: environ keys, or ``body``.
    # None: the key must be absent.
    seen: Mapping[str, str | None] = field(default_factory=dict)
    # Methods of the requests, where they are not all GET-like: decides which responses have bodies.
    methods: tuple[str, ...] = ()


def request(line: str, *fields: str | bytes, body: bytes = b"", host: str | None = "Host: test") -> bytes:
    """A request whose lines end as they should."""
    lines = [line.encode("latin-1")]
    for one in ([host] if host else []) + list(fields):
        lines.append(one if isinstance(one, bytes) else one.encode("latin-1"))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def served(name: str, *wire: bytes, closes: bool = False, **seen: str | None) -> Case:
    """One request that the application answers."""
    return Case(name, wire, (OK,), closes, seen)


def refused(name: str, *wire: bytes, status: frozenset[int] = BAD) -> Case:
    """One request that the server refuses, and then closes."""
    return Case(name, wire, (status,), True)


def with_field(name: str, *fields: str | bytes) -> bytes:
    """A GET with these fields."""
    return request(f"GET /{name} HTTP/1.1", *fields)


def with_length(name: str, *values: str | bytes) -> bytes:
    """A POST with these Content-Length fields and five bytes of body."""
    fields = [b"Content-Length: " + (value if isinstance(value, bytes) else value.encode()) for value in values]
    return request(f"POST /{name} HTTP/1.1", *fields, body=b"hello")


def with_coding(name: str, *values: str | bytes, version: str = "1.1") -> bytes:
    """A POST with these Transfer-Encoding fields and a well-formed chunked body."""
    fields = [b"Transfer-Encoding: " + (value if isinstance(value, bytes) else value.encode()) for value in values]
    return request(f"POST /{name} HTTP/{version}", *fields, body=b"5\r\nhello\r\n0\r\n\r\n")


def chunked(name: str, body: bytes) -> bytes:
    """A POST with this chunked body, well-formed or not."""
    return request(f"POST /{name} HTTP/1.1", "Transfer-Encoding: chunked", body=body)


HOST = [
    refused("no_host_11", request("GET /no_host_11 HTTP/1.1", host=None)),
    refused("two_hosts", with_field("two_hosts", "Host: test")),
    refused("two_different_hosts", with_field("two_different_hosts", "Host: other")),
    refused("bad_host_value", request("GET /bad_host_value HTTP/1.1", host="Host: a b")),
    refused("bad_host_value_slash", request("GET /bad_host_value HTTP/1.1", host="Host: a/b")),
    refused("bad_host_value_port", request("GET /bad_host_value HTTP/1.1", host="Host: a:8x")),
    refused("host_with_at", request("GET /host_with_at HTTP/1.1", host="Host: user@test")),
    served("empty_host_ok", request("GET /empty_host_ok HTTP/1.1", host="Host:")),
    served("host_with_port", request("GET /host_with_port HTTP/1.1", host="Host: a:80"), HTTP_HOST="a:80"),
    served("host_ipv6", request("GET /host_ipv6 HTTP/1.1", host="Host: [::1]:80"), HTTP_HOST="[::1]:80"),
    served("http10_no_host", request("GET /http10_no_host HTTP/1.0", host=None), closes=True, HTTP_HOST=None),
]

LINES = [
    refused("lf_only_request", b"GET /lf_only_request HTTP/1.1\nHost: test\n\n"),
    refused("lf_after_field", b"GET /lf_after_field HTTP/1.1\r\nHost: test\nX: a\r\n\r\n"),
    refused("lf_before_body", b"GET /lf_before_body HTTP/1.1\r\nHost: test\r\n\n"),
    refused("bare_cr_in_header", with_field("bare_cr_in_header", "X: a\rb")),
    refused("nul_in_value", with_field("nul_in_value", "X: a\0b")),
    served("leading_crlf", b"\r\n" + with_field("leading_crlf")),
    refused("ws_before_first_header", request("GET /ws HTTP/1.1", "Host: test", host=" X: a")),
    refused("extra_sp_in_line", request("GET  /extra_sp_in_line HTTP/1.1")),
    refused("extra_sp_before_version", request("GET /extra_sp_before_version  HTTP/1.1")),
    refused("tab_in_line", request("GET\t/tab_in_line HTTP/1.1")),
    refused("space_after_version", request("GET /space_after_version HTTP/1.1 ")),
    refused("no_version", request("GET /no_version")),
    refused("lower_http", request("GET /lower_http http/1.1")),
    refused("version_garbage", request("GET /version_garbage HTTP/1.1x")),
    refused("version_words", request("GET /version_words HTPP/1.1")),
    refused("version_2_0", request("GET /version_2_0 HTTP/2.0"), status=frozenset({505})),
    served("version_1_9", request("GET /version_1_9 HTTP/1.9")),
    refused("raw_garbage", b"\x00\xff\xfe garbage \x80\r\n\r\n"),
    refused("tls_hello", bytes.fromhex("16030100c8010000c40303") + bytes(range(200))),
    refused(
        "http2_preface",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        status=frozenset({400, 505}),
    ),
]

FIELDS = [
    refused("space_before_colon", with_field("space_before_colon", "X : a")),
    refused("no_colon", with_field("no_colon", "Xabc")),
    refused("bad_name_char", with_field("bad_name_char", "X(a): b")),
    refused("bad_name_char_high", with_field("bad_name_char_high", b"X\xe9: b")),
    refused("empty_name", with_field("empty_name", ": a")),
    refused("obs_fold", with_field("obs_fold", "X: a", " b")),
    refused("obs_fold_tab", with_field("obs_fold_tab", "X: a", "\tb")),
    refused("ctl_in_value", with_field("ctl_in_value", "X: a\x01b")),
    refused("del_in_value", with_field("del_in_value", "X: a\x7fb")),
    served("ows_trimmed", with_field("ows_trimmed", "X: \t a b\t "), HTTP_X="a b"),
    served("no_space_after_colon", with_field("no_space_after_colon", "X:a"), HTTP_X="a"),
    served("empty_value", with_field("empty_value", "X:"), HTTP_X=""),
    served("tab_in_value", with_field("tab_in_value", "X: a\tb"), HTTP_X="a\tb"),
    served("obs_text_ok", with_field("obs_text_ok", b"X: gr\xfc\xc3\x9f"), HTTP_X="gr\xfc\xc3\x9f"),
]

CONTENT_LENGTH = [
    refused("cl_negative", with_length("cl_negative", "-5")),
    refused("cl_plus", with_length("cl_plus", "+5")),
    refused("cl_alpha", with_length("cl_alpha", "five")),
    refused("cl_hex", with_length("cl_hex", "0x5")),
    refused("cl_inner_space", with_length("cl_inner_space", "5 5")),
    refused("cl_underscore", with_length("cl_underscore", "0_5")),
    refused("cl_high_digit", with_length("cl_high_digit", b"\xb2")),
    refused("cl_overflow", with_length("cl_overflow", "9" * 40), status=TOO_BIG),
    refused("cl_overflow_2_64", with_length("cl_overflow_2_64", str(2**64 + 5)), status=TOO_BIG),
    refused("cl_two_diff", with_length("cl_two_diff", "5", "6")),
    refused("cl_list_diff", with_length("cl_list_diff", "5, 6")),
    refused("cl_two_same", with_length("cl_two_same", "5", "5")),
    refused("cl_list_same", with_length("cl_list_same", "5, 5")),
    refused("cl_empty", with_length("cl_empty", "")),
    served("cl_leading_zeros", with_length("cl_leading_zeros", "0005"), body="hello"),
    served("cl_ok", with_length("cl_ok", "5"), body="hello", CONTENT_LENGTH="5"),
]

TRANSFER_ENCODING = [
    refused(
        "te_and_cl", request("POST /te HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    ),
    refused(
        "cl_after_te",
        request("POST /te HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
    ),
    refused("te_in_http10", with_coding("te_in_http10", "chunked", version="1.0")),
    refused("te_not_final_chunked", with_coding("te_not_final_chunked", "chunked, gzip")),
    refused("te_unknown", with_coding("te_unknown", "gzip, chunked"), status=UNIMPLEMENTED),
    refused("te_unknown_alone", with_coding("te_unknown_alone", "gzip"), status=frozenset({400, 501})),
    refused("te_identity", with_coding("te_identity", "identity"), status=frozenset({400, 501})),
    refused("te_xchunked", with_coding("te_xchunked", "xchunked"), status=frozenset({400, 501})),
    refused("te_vtab", with_coding("te_vtab", b"\x0bchunked")),
    refused("te_quoted", with_coding("te_quoted", '"chunked"'), status=frozenset({400, 501})),
    refused("te_parameter", with_coding("te_parameter", "chunked;a=b"), status=frozenset({400, 501})),
    refused("te_empty", with_coding("te_empty", ""), status=frozenset({400, 501})),
    refused("te_chunked_twice", with_coding("te_chunked_twice", "chunked, chunked")),
    refused("te_chunked_in_two_fields", with_coding("te_chunked_in_two_fields", "chunked", "chunked")),
    served("te_case", with_coding("te_case", "CHUNKED"), body="hello"),
]

CHUNKS = [
    served("chunk_ok", chunked("chunk_ok", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), body="hello world"),
    served("chunk_upper_hex", chunked("chunk_upper_hex", b"A\r\n0123456789\r\n0\r\n\r\n"), body="0123456789"),
    served("chunk_lower_hex", chunked("chunk_lower_hex", b"a\r\n0123456789\r\n0\r\n\r\n"), body="0123456789"),
    served("chunk_leading_zeros", chunked("chunk_leading_zeros", b"0005\r\nhello\r\n000\r\n\r\n"), body="hello"),
    served("chunk_ext", chunked("chunk_ext", b'5;a=b;c="d e"\r\nhello\r\n0;last\r\n\r\n'), body="hello"),
    served(
        "chunk_trailers",
        chunked("chunk_trailers", b"5\r\nhello\r\n0\r\nX-Trailer: t\r\nX-Sum: 1\r\n\r\n"),
        body="hello",
        HTTP_X_TRAILER=None,
        HTTP_X_SUM=None,
    ),
    refused("chunk_bad_size", chunked("chunk_bad_size", b"zz\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_no_size", chunked("chunk_no_size", b"\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_0x", chunked("chunk_0x", b"0x5\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_neg", chunked("chunk_neg", b"-5\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_underscore", chunked("chunk_underscore", b"0_5\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_no_crlf_after", chunked("chunk_no_crlf_after", b"5\r\nhelloXX0\r\n\r\n")),
    refused("chunk_lf_after", chunked("chunk_lf_after", b"5\r\nhello\n0\r\n\r\n")),
    refused("chunk_lf_in_ext", chunked("chunk_lf_in_ext", b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_cr_in_ext", chunked("chunk_cr_in_ext", b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_lf_size", chunked("chunk_lf_size", b"5\nhello\r\n0\r\n\r\n")),
    refused("chunk_overflow", chunked("chunk_overflow", b"F" * 17 + b"\r\nhello"), status=TOO_BIG),
    refused("chunk_overflow_1", chunked("chunk_overflow_1", b"1" + b"0" * 15 + b"5\r\nhello"), status=TOO_BIG),
    refused("chunk_trailing_sp", chunked("chunk_trailing_sp", b"5 \r\nhello\r\n0\r\n\r\n")),
    refused("chunk_leading_sp", chunked("chunk_leading_sp", b" 5\r\nhello\r\n0\r\n\r\n")),
    refused("chunk_long_ext", chunked("chunk_long_ext", b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n")),
    refused("trailer_no_colon", chunked("trailer_no_colon", b"5\r\nhello\r\n0\r\nbad\r\n\r\n")),
    refused("trailer_lf", chunked("trailer_lf", b"5\r\nhello\r\n0\r\nX: a\n\r\n")),
    refused(
        "trailers_unbounded",
        chunked("trailers_unbounded", b"0\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n"),
        status=frozenset({400, 413, 431}),
    ),
]

TARGETS = [
    served(
        "absolute_form",
        request("GET http://test/absolute_form?q=1 HTTP/1.1"),
        PATH_INFO="/absolute_form",
        QUERY_STRING="q=1",
        HTTP_HOST="test",
    ),
    served("absolute_no_path", request("GET http://test HTTP/1.1"), PATH_INFO="/"),
    served("absolute_with_query_only", request("GET http://test?q=1 HTTP/1.1"), PATH_INFO="/", QUERY_STRING="q=1"),
    # RFC 9112 3.2.2: the target's authority wins; refusing the contradiction is safe as well.
    Case(
        "absolute_host_wins",
        (request("GET http://right/absolute_host_wins HTTP/1.1", host="Host: wrong"),),
        (frozenset({200, 400}),),
        False,
        {"HTTP_HOST": "right"},
    ),
    refused("absolute_userinfo", request("GET http://user@test/absolute_userinfo HTTP/1.1")),
    refused("absolute_no_host", request("GET http:///absolute_no_host HTTP/1.1")),
    refused("star_get", request("GET * HTTP/1.1")),
    refused("authority_get", request("GET a:80 HTTP/1.1")),
    refused("no_slash", request("GET foo HTTP/1.1")),
    refused("fragment", request("GET /fragment#part HTTP/1.1")),
    refused("ctl_target", request("GET /ctl_target\x01 HTTP/1.1")),
    refused("del_target", request("GET /del_target\x7f HTTP/1.1")),
    refused("nul_target", request("GET /nul_target\0 HTTP/1.1")),
    refused("non_ascii_target", request("GET /non_ascii_target\xe9 HTTP/1.1")),
    served("unknown_method", request("FOOBAR /unknown_method HTTP/1.1"), REQUEST_METHOD="FOOBAR"),
    refused("bad_method_char", request("G@T /bad_method_char HTTP/1.1")),
    refused("empty_method", request(" /empty_method HTTP/1.1")),
    refused("connect", request("CONNECT test:80 HTTP/1.1"), status=UNIMPLEMENTED),
]

CONNECTIONS = [
    Case(
        "expect_100",
        (request("POST /expect_100 HTTP/1.1", "Expect: 100-continue", "Content-Length: 5"), b"hello"),
        (OK,),
        False,
        {"body": "hello"},
    ),
    served(
        "expect_10_ignored",
        request("POST /expect_10_ignored HTTP/1.0", "Expect: 100-continue", "Content-Length: 5", body=b"hello"),
        closes=True,
        body="hello",
    ),
    refused("expect_unknown", with_field("expect_unknown", "Expect: 200-ok"), status=frozenset({417})),
    Case("keepalive_two", (with_field("keepalive_one"), with_field("keepalive_two")), (OK, OK), False),
    Case("pipelined", (with_field("pipelined_one") + with_field("pipelined_two"),), (OK, OK), False),
    served("close_honoured", with_field("close_honoured", "Connection: close"), closes=True),
    served("close_upper_case", with_field("close_upper_case", "Connection: CLOSE"), closes=True),
    served("close_in_list", with_field("close_in_list", "Connection: x, Close ,y"), closes=True),
    served(
        "close_in_second_field", with_field("close_in_second_field", "Connection: x", "Connection: close"), closes=True
    ),
    served("close_drops_the_rest", with_field("close_one", "Connection: close") + with_field("close_two"), closes=True),
    served("http10_closes", request("GET /http10_closes HTTP/1.0"), closes=True),
    served("unknown_upgrade_ignored", with_field("unknown_upgrade_ignored", "Connection: Upgrade", "Upgrade: x")),
    served(
        "h2c_upgrade",
        with_field(
            "h2c_upgrade", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"
        ),
    ),
    served(
        "upgrade_with_body",
        request(
            "POST /upgrade_with_body HTTP/1.1", "Connection: Upgrade", "Upgrade: x", "Content-Length: 5", body=b"hello"
        ),
        body="hello",
    ),
    served(
        "upgrade_in_http10_ignored",
        request("GET /upgrade_in_http10_ignored HTTP/1.0", "Connection: Upgrade", "Upgrade: websocket"),
        closes=True,
    ),
    Case(
        "head_no_body",
        (request("HEAD /head_no_body HTTP/1.1") + with_field("head_no_body_second"),),
        (OK, OK),
        False,
        {"PATH_INFO": "/head_no_body_second"},
        methods=("HEAD", "GET"),
    ),
    served("get_with_body", request("GET /get_with_body HTTP/1.1", "Content-Length: 5", body=b"hello"), body="hello"),
    Case(
        "pipelined_bad_second",
        (with_field("pipelined_good") + with_field("pipelined_bad", "X : a") + with_field("pipelined_third"),),
        (OK, BAD),
        True,
    ),
    refused(
        "smuggle_clte_desync",
        request(
            "POST /smuggle HTTP/1.1",
            "Content-Length: 6",
            "Transfer-Encoding: chunked",
            body=b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
    ),
    refused(
        "smuggle_te_space",
        request(
            "POST /smuggle HTTP/1.1",
            "Content-Length: 45",
            "Transfer-Encoding : chunked",
            body=b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
    ),
]

# Limits: request line 8190 at most (gunicorn's own default is smaller), 100 fields, 8190 bytes a field.
LIMITS = [
    refused("long_uri", request("GET /" + "a" * 9000 + " HTTP/1.1"), status=frozenset({414})),
    refused("very_long_uri", request("GET /" + "a" * 1_000_000 + " HTTP/1.1"), status=frozenset({414})),
    refused("unfinished_long_uri", b"GET /" + b"a" * 100_000, status=frozenset({414})),
    served("long_uri_below_the_limit", request("GET /" + "a" * 4000 + " HTTP/1.1")),
    refused("big_header", with_field("big_header", "X: " + "a" * 9000), status=TOO_MANY),
    refused("very_big_header", with_field("very_big_header", "X: " + "a" * 1_000_000), status=TOO_MANY),
    served("big_header_below_the_limit", with_field("big_header_below", "X: " + "a" * 8000), HTTP_X="a" * 8000),
    refused("many_headers", with_field("many_headers", *[f"X-{n}: a" for n in range(100)]), status=TOO_MANY),
    refused("very_many_headers", with_field("very_many", *[f"X-{n}: a" for n in range(20_000)]), status=TOO_MANY),
    served("many_headers_at_the_limit", with_field("many_at_limit", *[f"X-{n}: a" for n in range(99)]), HTTP_X_98="a"),
]

CASES = [
    *HOST,
    *LINES,
    *FIELDS,
    *CONTENT_LENGTH,
    *TRANSFER_ENCODING,
    *CHUNKS,
    *TARGETS,
    *CONNECTIONS,
    *LIMITS,
]

# Each is sent cut in two at every place, in threes, and byte by byte; the result must not change.
SPLIT = [
    Case(
        "split_chunked",
        (
            request(
                "POST /split?q=1 HTTP/1.1",
                "X-A: b",
                "Transfer-Encoding: chunked",
                body=b"5;e=1\r\nhello\r\n6\r\n world\r\n0\r\nX-T: t\r\n\r\n",
            ),
        ),
        (OK,),
        False,
        {"body": "hello world", "HTTP_X_A": "b", "QUERY_STRING": "q=1"},
    ),
    Case(
        "split_pipelined",
        (request("POST /split HTTP/1.1", "Content-Length: 5", body=b"hello") + request("GET /second HTTP/1.1"),),
        (OK, OK),
        False,
        {"PATH_INFO": "/second"},
    ),
    Case("split_bad", (request("GET /split HTTP/1.1", "X-A: b", "Bad : name"),), (BAD,), True),
    Case("split_bad_chunk", (chunked("split", b"5\r\nhello\r\n5\nhello\r\n0\r\n\r\n"),), (BAD,), True),
]
