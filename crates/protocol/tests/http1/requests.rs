//! Requests: wire bytes and what they mean. One row at least for each row of RFC 9110/9112 behaviour that is
//! the codec's; each is run whole, byte by byte, cut in two at every place, and with another request after it.

use crate::transcript::transcript;
use protocol::Limits;

/// Small enough for tables; the sizes themselves are tested at their edges.
const LIMITS: Limits = Limits {
    request_line: 64,
    fields: 4,
    field_size: 48,
    head: 160,
    block: 90,
    body: Some(1000),
};

const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n";

/// Lines of a transcript, one after the other.
type Row = (&'static str, &'static [u8], &'static [&'static str]);

fn run(table: &[Row]) {
    for (row, wire, expected) in table {
        assert_eq!(transcript(wire, &[usize::MAX], LIMITS), *expected, "{row}: whole");
        assert_eq!(transcript(wire, &[1], LIMITS), *expected, "{row}: byte by byte");
        for cut in 1..wire.len() {
            assert_eq!(
                transcript(wire, &[cut, usize::MAX], LIMITS),
                *expected,
                "{row}: cut at {cut}"
            );
        }
        if expected.last() == Some(&"wait") {
            continue;
        }
        let followed = [wire, NEXT].concat();
        let mut all = expected.to_vec();
        if expected.last() == Some(&"end") {
            all.extend(["GET /next [Host=n]", "end"]);
        }
        assert_eq!(
            transcript(&followed, &[usize::MAX], LIMITS),
            all,
            "{row}: followed, whole"
        );
        assert_eq!(
            transcript(&followed, &[1], LIMITS),
            all,
            "{row}: followed, byte by byte"
        );
    }
}

#[test]
fn request_lines_and_versions() {
    run(&[
        (
            "plain",
            b"GET /a%20b?x=1&y HTTP/1.1\r\nHost: h\r\n\r\n",
            &["GET /a%20b?x=1&y [Host=h]", "end"],
        ),
        (
            "leading_crlf",
            b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["GET / [Host=h]", "end"],
        ),
        (
            "two leading lines",
            b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 more than one empty line before the request"],
        ),
        (
            "leading lf",
            b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 bare LF as a line end"],
        ),
        (
            "leading cr",
            b"\rGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 bare CR in a line"],
        ),
        (
            "leading space",
            b" GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 method is not a token"],
        ),
        (
            "extra_sp_in_line",
            b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 two spaces in the request line, or no target"],
        ),
        (
            "extra_sp_before_version",
            b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 malformed version"],
        ),
        (
            "trailing space",
            b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
            &["400 malformed version"],
        ),
        (
            "tab",
            b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 method is not a token"],
        ),
        (
            "no_version",
            b"GET /\r\n\r\n",
            &["400 request line without version"],
        ),
        (
            "no_version with fields",
            b"GET /\r\nHost: h\r\n\r\n",
            &["400 request line without version"],
        ),
        (
            "method only",
            b"GET\r\n\r\n",
            &["400 request line without version"],
        ),
        (
            "lower_http",
            b"GET / http/1.1\r\nHost: h\r\n\r\n",
            &["400 malformed version"],
        ),
        (
            "version_garbage",
            b"GET / HTTP/1.1x\r\nHost: h\r\n\r\n",
            &["400 malformed version"],
        ),
        (
            "version without minor",
            b"GET / HTTP/1\r\nHost: h\r\n\r\n",
            &["400 malformed version"],
        ),
        (
            "version with two digits",
            b"GET / HTTP/1.10\r\nHost: h\r\n\r\n",
            &["400 malformed version"],
        ),
        (
            "another protocol",
            b"GET / HTPP/1.1\r\nHost: h\r\n\r\n",
            &["400 malformed version"],
        ),
        (
            "cr in the version",
            b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
            &["400 bare CR in a line"],
        ),
        (
            "version_2_0",
            b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
            &["505 version other than 1.x"],
        ),
        (
            "version 0.9",
            b"GET / HTTP/0.9\r\nHost: h\r\n\r\n",
            &["505 version other than 1.x"],
        ),
        (
            "version_1_9",
            b"GET / HTTP/1.9\r\nHost: h\r\n\r\n",
            &["GET / [Host=h]", "end"],
        ),
        (
            "version_1_2 with a body",
            b"PUT / HTTP/1.2\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
            &["PUT / [Host=h, Content-Length=2]", "body hi", "end"],
        ),
        (
            "lf_only_request",
            b"GET / HTTP/1.1\nHost: h\n\n",
            &["400 bare LF as a line end"],
        ),
        (
            "lf after the request line",
            b"GET / HTTP/1.1\nHost: h\r\n\r\n",
            &["400 bare LF as a line end"],
        ),
        (
            "http2 preface",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &["400 HTTP/2 preface on an HTTP/1 port"],
        ),
        (
            "tls hello",
            b"\x16\x03\x01\x02\x00\x01\x00",
            &["400 TLS on a plain-text port"],
        ),
        ("garbage", b"\xff\xfe\x00", &["400 method is not a token"]),
        (
            "unknown_method",
            b"FOOBAR / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["FOOBAR / [Host=h]", "end"],
        ),
        (
            "methods keep their case",
            b"get / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["get / [Host=h]", "end"],
        ),
        (
            "bad_method_char",
            b"G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 method is not a token"],
        ),
        (
            "method of 32 bytes",
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / [Host=h]", "end"],
        ),
        (
            "method of 33 bytes",
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 method longer than 32 bytes"],
        ),
    ]);
}

#[test]
fn targets_and_hosts() {
    run(&[
        (
            "absolute_form",
            b"GET http://h/p?q HTTP/1.1\r\nHost: h\r\n\r\n",
            &["GET /p?q [Host=h]", "end"],
        ),
        (
            "absolute_host_wins",
            b"GET http://real:80/p HTTP/1.1\r\nA: b\r\nHost: other\r\n\r\n",
            &["GET /p [A=b, Host=real:80]", "end"],
        ),
        (
            "absolute without path",
            b"GET HTTP://h HTTP/1.1\r\nHost: h\r\n\r\n",
            &["GET / [Host=h]", "end"],
        ),
        (
            "absolute with query only",
            b"GET https://h?x HTTP/1.1\r\nHost: h\r\n\r\n",
            &["GET /?x [Host=h]", "end"],
        ),
        (
            "absolute without Host",
            b"GET http://h/ HTTP/1.1\r\n\r\n",
            &["400 HTTP/1.1 without Host"],
        ),
        (
            "absolute with userinfo",
            b"GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 malformed authority in the request target"],
        ),
        (
            "absolute without host name",
            b"GET http:///p HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 malformed authority in the request target"],
        ),
        (
            "absolute with bad Host",
            b"GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "another scheme",
            b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 request target of a form its method does not have"],
        ),
        (
            "options_star",
            b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
            &["OPTIONS * [Host=h]", "end"],
        ),
        (
            "get star",
            b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 request target of a form its method does not have"],
        ),
        (
            "authority_get",
            b"GET a:80 HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 request target of a form its method does not have"],
        ),
        (
            "no_slash",
            b"GET foo HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 request target of a form its method does not have"],
        ),
        (
            "connect",
            b"CONNECT a:80 HTTP/1.1\r\nHost: h\r\n\r\n",
            &["501 CONNECT is not served"],
        ),
        (
            "fragment",
            b"GET /#f HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 fragment in the request target"],
        ),
        (
            "fragment in the query",
            b"GET /?a#f HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 fragment in the request target"],
        ),
        (
            "ctl_target",
            b"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 control or non-ASCII byte in the request target"],
        ),
        (
            "delete in the target",
            b"GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 control or non-ASCII byte in the request target"],
        ),
        (
            "non_ascii_target",
            b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 control or non-ASCII byte in the request target"],
        ),
        (
            "cr in the target",
            b"GET /\rx HTTP/1.1\r\nHost: h\r\n\r\n",
            &["400 bare CR in a line"],
        ),
        (
            "no_host_11",
            b"GET / HTTP/1.1\r\n\r\n",
            &["400 HTTP/1.1 without Host"],
        ),
        (
            "two_hosts",
            b"GET / HTTP/1.1\r\nHost: h\r\nhOST: h\r\n\r\n",
            &["400 more than one Host"],
        ),
        (
            "bad_host_value",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "host with slash",
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "host_with_at",
            b"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "host with bad port",
            b"GET / HTTP/1.1\r\nHost: h:8o\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "host with port too large",
            b"GET / HTTP/1.1\r\nHost: h:65536\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "port without host",
            b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "host as list",
            b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "host with port",
            b"GET / HTTP/1.1\r\nHost: h_1.example:65535\r\n\r\n",
            &["GET / [Host=h_1.example:65535]", "end"],
        ),
        (
            "ipv6 host",
            b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            &["GET / [Host=[::1]:80]", "end"],
        ),
        (
            "bad ipv6 host",
            b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "empty_host_ok",
            b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
            &["GET / [Host=]", "end"],
        ),
        (
            "empty host with spaces",
            b"GET / HTTP/1.1\r\nHost: \t \r\n\r\n",
            &["GET / [Host=]", "end"],
        ),
        (
            "http10_no_host",
            b"GET / HTTP/1.0\r\n\r\n",
            &["GET / [] 1.0", "end", "close"],
        ),
        (
            "1.0 with bad host",
            b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
            &["400 malformed Host"],
        ),
        (
            "1.0 with two hosts",
            b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
            &["400 more than one Host"],
        ),
    ]);
}

#[test]
fn field_lines() {
    run(&[
        (
            "bare_cr_in_header",
            b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n",
            &["400 bare CR in a line"],
        ),
        (
            "nul_in_value",
            b"GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n",
            &["400 control byte in a header value"],
        ),
        (
            "ctl_in_value",
            b"GET / HTTP/1.1\r\nHost: h\r\nA: b\x0bc\r\n\r\n",
            &["400 control byte in a header value"],
        ),
        (
            "delete in value",
            b"GET / HTTP/1.1\r\nHost: h\r\nA: b\x7f\r\n\r\n",
            &["400 control byte in a header value"],
        ),
        (
            "bare lf after a field",
            b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
            &["400 bare LF as a line end"],
        ),
        (
            "bare lf after an empty value",
            b"GET / HTTP/1.1\r\nA:\nHost: h\r\n\r\n",
            &["400 bare LF as a line end"],
        ),
        (
            "bare lf after the last field",
            b"GET / HTTP/1.1\r\nHost: h\n\r\n",
            &["400 bare LF as a line end"],
        ),
        (
            "bare lf as the empty line",
            b"GET / HTTP/1.1\r\nHost: h\r\n\n",
            &["400 bare LF as a line end"],
        ),
        (
            "ws_before_first_header",
            b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
            &["400 white space before the first header field"],
        ),
        (
            "space_before_colon",
            b"GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
            &["400 white space between header name and colon"],
        ),
        (
            "no_colon",
            b"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
            &["400 header line without colon"],
        ),
        (
            "bad_name_char",
            b"GET / HTTP/1.1\r\nHost: h\r\nX(: a\r\n\r\n",
            &["400 header name is not a token"],
        ),
        (
            "non-ascii name",
            b"GET / HTTP/1.1\r\nHost: h\r\nX\xe9: a\r\n\r\n",
            &["400 header name is not a token"],
        ),
        (
            "empty_name",
            b"GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n",
            &["400 header name is not a token"],
        ),
        (
            "obs_fold",
            b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
            &["400 folded header line"],
        ),
        (
            "obs_fold with tab",
            b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n",
            &["400 folded header line"],
        ),
        (
            "ows_trimmed",
            b"GET / HTTP/1.1\r\nHost:\t h \t\r\nX:a b\r\n\r\n",
            &["GET / [Host=h, X=a b]", "end"],
        ),
        (
            "obs_text_ok",
            b"GET / HTTP/1.1\r\nHost: h\r\nX: \xe9\r\n\r\n",
            &["GET / [Host=h, X=\\xe9]", "end"],
        ),
        (
            "same name twice",
            b"GET / HTTP/1.1\r\nHost: h\r\nx: a\r\nX: b\r\n\r\n",
            &["GET / [Host=h, x=a, X=b]", "end"],
        ),
        (
            "unknown_upgrade_ignored",
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            &["GET / [Host=h, Upgrade=x, Connection=upgrade]", "end"],
        ),
        (
            "h2c_upgrade",
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
            &[
                "GET / [Host=h, Upgrade=h2c, Connection=Upgrade, HTTP2-Settings]",
                "end",
            ],
        ),
    ]);
}

#[test]
fn content_lengths() {
    run(&[
        ("get_with_body", b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", &["GET / [Host=h, Content-Length=5]", "body hello", "end"]),
        ("no body", b"POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 0\r\n\r\n", &["POST / [Host=h, content-length=0]", "end"]),
        ("body missing", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe", &["POST / [Host=h, Content-Length=5]", "body he", "wait"]),
        ("leading zeros", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0002\r\n\r\nhi", &["POST / [Host=h, Content-Length=0002]", "body hi", "end"]),
        ("cl_negative", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_plus", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_alpha", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: five\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_hex", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_inner_space", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1 0\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_underscore", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1_0\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_empty", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_overflow", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551617\r\n\r\n", &["400 malformed Content-Length"]),
        ("cl of 2^63", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775808\r\n\r\n", &["400 malformed Content-Length"]),
        ("cl_two_diff", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", &["400 more than one Content-Length"]),
        ("cl_list_diff", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 6\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_list_same", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello", &["400 malformed Content-Length"]),
        ("cl_two_same", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", &["400 more than one Content-Length"]),
        ("underscore is another name", b"POST / HTTP/1.1\r\nHost: h\r\nContent_Length: 5\r\n\r\n", &["POST / [Host=h, Content_Length=5]", "end"]),
        ("body at its limit", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", &["POST / [Host=h, Content-Length=1000]", "wait"]),
        ("body over its limit", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", &["413 body exceeds its limit"]),
        ("te_and_cl", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &["400 Content-Length together with Transfer-Encoding"]),
        ("smuggle_clte_desync", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", &["400 Content-Length together with Transfer-Encoding"]),
        ("te_in_http10", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &["400 Transfer-Encoding in HTTP/1.0"]),
    ]);
}

#[test]
fn transfer_codings() {
    let table: &[(&str, &str)] = &[
        ("gzip, chunked", "501 unknown transfer coding"),
        ("chunked, gzip", "400 chunked is not the last transfer coding"),
        ("gzip", "501 unknown transfer coding"),
        ("identity", "501 unknown transfer coding"),
        ("xchunked", "501 unknown transfer coding"),
        ("chunked, chunked", "400 chunked applied twice"),
        (
            "chunked\r\nTransfer-Encoding: chunked",
            "400 chunked applied twice",
        ),
        (
            "chunked\r\nTransfer-Encoding: identity",
            "400 chunked is not the last transfer coding",
        ),
        ("\x0bchunked", "400 control byte in a header value"),
        ("chunked;q=1", "400 malformed Transfer-Encoding"),
        ("\"chunked\"", "400 malformed Transfer-Encoding"),
        ("chunked,", "400 malformed Transfer-Encoding"),
        ("", "400 malformed Transfer-Encoding"),
    ];
    for (value, expected) in table {
        let wire = format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {value}\r\n\r\n0\r\n\r\n");
        for pieces in [usize::MAX, 1, 7] {
            assert_eq!(
                transcript(wire.as_bytes(), &[pieces], LIMITS),
                [*expected],
                "{value:?} by {pieces}"
            );
        }
    }
    run(&[
        (
            "te_case",
            b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-ENCODING: ChunKed\r\n\r\n0\r\n\r\n",
            &["POST / [Host=h, transfer-ENCODING=ChunKed]", "end"],
        ),
        (
            "te with spaces around",
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\t chunked \t\r\n\r\n0\r\n\r\n",
            &["POST / [Host=h, Transfer-Encoding=chunked]", "end"],
        ),
    ]);
}

/// Bodies behind this head; its own transcript line comes first.
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNKED_LINE: &str = "POST / [Host=h, Transfer-Encoding=chunked]";

#[test]
fn chunked_bodies() {
    let table: &[(&str, &[u8], &[&str])] = &[
        (
            "chunk_ok",
            b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
            &["body hello world", "end"],
        ),
        (
            "chunk_upper_hex",
            b"A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n",
            &["body 01234567890123456789", "end"],
        ),
        (
            "chunk_ext",
            b"5;a=b;c=\"d;\"\r\nhello\r\n0;last\r\n\r\n",
            &["body hello", "end"],
        ),
        (
            "chunk_trailing_sp",
            b"5 \r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk_trailers",
            b"2\r\nhi\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
            &["body hi", "end"],
        ),
        (
            "chunk_bad_size",
            b"zz\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk_0x",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk_neg",
            b"-5\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk underscore",
            b"1_0\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk empty size",
            b"\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk leading space",
            b" 5\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk inner space",
            b"1 0\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "chunk_no_crlf_after",
            b"5\r\nhello0\r\n\r\n",
            &["body hello", "400 chunk data not followed by CRLF"],
        ),
        (
            "chunk lf after data",
            b"5\r\nhello\n0\r\n\r\n",
            &["body hello", "400 chunk data not followed by CRLF"],
        ),
        (
            "chunk cr only after data",
            b"5\r\nhello\r0\r\n\r\n",
            &["body hello", "400 chunk data not followed by CRLF"],
        ),
        (
            "chunk_lf_in_ext",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n",
            &["400 bare LF as a line end"],
        ),
        (
            "chunk cr in ext",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            &["400 bare CR in a line"],
        ),
        (
            "chunk nul in ext",
            b"5;a\0b\r\nhello\r\n0\r\n\r\n",
            &["400 control byte in a chunk extension"],
        ),
        (
            "chunk_lf_size",
            b"5\nhello\r\n0\r\n\r\n",
            &["400 bare LF as a line end"],
        ),
        (
            "chunk_overflow",
            b"10000000000000000\r\nhello",
            &["400 malformed chunk size"],
        ),
        (
            "chunk of 2^63",
            b"8000000000000000\r\nhello",
            &["400 malformed chunk size"],
        ),
        (
            "leading zeros beyond sixteen",
            b"00000000000000005\r\nhello\r\n0\r\n\r\n",
            &["400 malformed chunk size"],
        ),
        (
            "over the body limit in one",
            b"3e9\r\n",
            &["413 body exceeds its limit"],
        ),
        (
            "over the body limit in two",
            b"1\r\na\r\n3e8\r\n",
            &["body a", "413 body exceeds its limit"],
        ),
        (
            "trailer frames",
            b"0\r\nContent-Length: 5\r\n\r\n",
            &["400 trailer field that belongs into the head"],
        ),
        (
            "trailer frames in another case",
            b"0\r\ntransfer-encoding: x\r\n\r\n",
            &["400 trailer field that belongs into the head"],
        ),
        (
            "trailer routes",
            b"0\r\nHost: x\r\n\r\n",
            &["400 trailer field that belongs into the head"],
        ),
        (
            "trailer folded",
            b"0\r\nA: b\r\n c\r\n\r\n",
            &["400 folded header line"],
        ),
        (
            "trailer with lf",
            b"0\r\nA: b\n\r\n",
            &["400 bare LF as a line end"],
        ),
        ("end with lf", b"0\r\n\n", &["400 bare LF as a line end"]),
        (
            "trailers beyond their number",
            b"0\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\n\r\n",
            &["431 more header fields than the limit"],
        ),
        (
            "trailer beyond its size",
            b"0\r\nA: 0123456789012345678901234567890123456789012345\r\n\r\n",
            &["431 header field exceeds its limit"],
        ),
        ("no last chunk", b"5\r\nhello\r\n", &["body hello", "wait"]),
        ("no empty line", b"0\r\n", &["wait"]),
    ];
    for (row, body, expected) in table {
        let wire = [CHUNKED.as_bytes(), body].concat();
        let mut all = vec![CHUNKED_LINE];
        all.extend_from_slice(expected);
        for pieces in [usize::MAX, 1, 2, 3, 5] {
            assert_eq!(transcript(&wire, &[pieces], LIMITS), all, "{row} by {pieces}");
        }
        for cut in CHUNKED.len()..wire.len() {
            assert_eq!(
                transcript(&wire, &[cut, usize::MAX], LIMITS),
                all,
                "{row}: cut at {cut}"
            );
        }
        if all.last() == Some(&"end") {
            all.extend(["GET /next [Host=n]", "end"]);
            assert_eq!(
                transcript(&[&wire, NEXT].concat(), &[usize::MAX], LIMITS),
                all,
                "{row}: followed"
            );
        }
    }
}

#[test]
fn chunk_lines_and_extensions_are_bounded() {
    let unlimited = Limits { body: None, ..LIMITS };
    let check = |body: String, last: &str| {
        let wire = format!("{CHUNKED}{body}");
        for pieces in [usize::MAX, 1, 1000] {
            let seen = transcript(wire.as_bytes(), &[pieces], unlimited);
            assert_eq!(seen.last().map(String::as_str), Some(last), "by {pieces}");
        }
    };
    check(format!("0;{}\r\n\r\n", "x".repeat(4094)), "end");
    check(
        format!("0;{}\r\n\r\n", "x".repeat(4095)),
        "400 chunk-size line exceeds 4 KiB",
    );
    check("0".repeat(5000), "400 chunk-size line exceeds 4 KiB");
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(4095 - 1));
    check(format!("{}0\r\n\r\n", chunk.repeat(4)), "end");
    check(format!("{}0;\r\n\r\n", chunk.repeat(4)), "end");
    let chunk = format!("1{}\r\na\r\n", ";".repeat(4095));
    check(
        format!("{}0;aaaa\r\n\r\n", chunk.repeat(4)),
        "400 chunk extensions exceed 16 KiB",
    );
    check(format!("{}0;aaa\r\n\r\n", chunk.repeat(4)), "end");
}

#[test]
fn expectations_and_persistence() {
    run(&[
        ("expect_100", b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi", &["PUT / [Host=h, Expect=100-Continue, Content-Length=2] expects", "body hi", "end"]),
        ("expect without a body", b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", &["PUT / [Host=h, Expect=100-continue]", "end"]),
        ("expect_10_ignored", b"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", &["PUT / [Expect=100-continue, Content-Length=2] 1.0", "body hi", "end", "close"]),
        ("expect_unknown", b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 2\r\n\r\nhi", &["417 unknown expectation"]),
        ("expect_unknown in 1.0", b"PUT / HTTP/1.0\r\nExpect: miracles\r\nContent-Length: 2\r\n\r\nhi", &["PUT / [Expect=miracles, Content-Length=2] 1.0", "body hi", "end", "close"]),
        ("expect one known one not", b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue, x\r\n\r\n", &["417 unknown expectation"]),
        ("keepalive_two", b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /1 [Host=h]", "end", "GET /2 [Host=h]", "end"]),
        ("pipelined with bodies", b"PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\naPUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb", &["PUT /1 [Host=h, Content-Length=1]", "body a", "end", "PUT /2 [Host=h, Content-Length=1]", "body b", "end"]),
        ("pipelined_bad_second", b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nG@T /2 HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /1 [Host=h]", "end", "400 method is not a token"]),
        ("empty line between requests", b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /1 [Host=h]", "end", "GET /2 [Host=h]", "end"]),
        ("close_honoured", b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["GET / [Host=h, Connection=close]", "end", "close"]),
        ("close_in_list", b"GET / HTTP/1.1\r\nHost: h\r\nconnection: foo ,\tCLOSE\r\n\r\n", &["GET / [Host=h, connection=foo ,\\tCLOSE]", "end", "close"]),
        ("close wins over keep-alive", b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", &["GET / [Host=h, Connection=keep-alive, Connection=close]", "end", "close"]),
        ("http10_closes", b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", &["GET / [Host=h] 1.0", "end", "close"]),
        ("http10_keepalive", b"GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n", &["GET / [Host=h, Connection=Keep-Alive] 1.0", "end"]),
        ("head_no_body", b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", &["HEAD / [Host=h]", "end", "GET / [Host=h]", "end"]),
        ("partial_request_waits", b"GET / HT", &["wait"]),
        ("partial_head_waits", b"GET / HTTP/1.1\r\nHost: h\r\n", &["wait"]),
    ]);
}

#[test]
fn limits_hold_at_their_edges() {
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(length - 14));
    let field = |length: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n",
            "x".repeat(length - 3)
        )
    };
    let last_field = |length: usize| {
        format!(
            "GET / HTTP/1.1\r\nA: {}\r\nHost: h\r\n\r\n",
            "x".repeat(length - 3)
        )
    };
    let padded = |length: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nA: b{}\r\n\r\n",
            " ".repeat(length - 4)
        )
    };
    let many = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
            "A: b\r\n".repeat(count - 1)
        )
    };
    // 14 + 2 for the request line, 7 + 2 for Host, two full lines with their CRLF, and the rest.
    let head = |length: usize| {
        let full = format!("A: {}\r\n", "x".repeat(45));
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}B: {}\r\n\r\n",
            full.repeat(2),
            "x".repeat(length - 25 - 100 - 3)
        )
    };
    let table = [
        ("request line at its limit", line(64), "end"),
        ("long_uri", line(65), "414 request line exceeds its limit"),
        ("very long_uri", line(5000), "414 request line exceeds its limit"),
        ("field at its limit", field(48), "end"),
        ("big_header", field(49), "431 header field exceeds its limit"),
        ("first field at its limit", last_field(48), "end"),
        (
            "big first header",
            last_field(49),
            "431 header field exceeds its limit",
        ),
        ("white space counts", padded(48), "end"),
        (
            "white space counts beyond",
            padded(49),
            "431 header field exceeds its limit",
        ),
        ("fields at their limit", many(4), "end"),
        ("many_headers", many(5), "431 more header fields than the limit"),
        ("head at its limit", head(160), "end"),
        ("head over its limit", head(161), "431 head exceeds its limit"),
        (
            "endless request line",
            "G".to_owned() + &"x".repeat(31) + " /" + &"x".repeat(500),
            "414 request line exceeds its limit",
        ),
        (
            "endless field",
            "GET / HTTP/1.1\r\nA: ".to_owned() + &"x".repeat(500),
            "431 header field exceeds its limit",
        ),
    ];
    for (row, wire, expected) in &table {
        for pieces in [usize::MAX, 1, 2, 13, 64] {
            let seen = transcript(wire.as_bytes(), &[pieces], LIMITS);
            assert_eq!(
                seen.last().map(String::as_str),
                Some(*expected),
                "{row} by {pieces}"
            );
        }
    }
}

#[test]
fn more_fields_than_fit_on_the_stack_are_served_when_the_limit_allows_them() {
    let generous = Limits {
        fields: 1000,
        head: 100_000,
        ..LIMITS
    };
    let wire = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(999));
    let seen = transcript(wire.as_bytes(), &[usize::MAX], generous);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].matches("A=b").count(), 999);
    let wire = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(1000));
    assert_eq!(
        transcript(wire.as_bytes(), &[100], generous),
        ["431 more header fields than the limit"]
    );
}

#[test]
fn garbage_without_a_line_end_is_refused_at_once_however_long() {
    let wire = [b"GET /".as_slice(), &[0xff; 4000]].concat();
    let limits = Limits::default();
    for pieces in [usize::MAX, 1, 300] {
        assert_eq!(
            transcript(&wire, &[pieces], limits),
            ["400 control or non-ASCII byte in the request target"]
        );
    }
}
