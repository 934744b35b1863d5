//! Answers: what an application says, what goes over the wire, and what becomes of the connection.

use crate::transcript::STAMP;
use protocol::http1::Codec;
use protocol::{Event, Finished, Limits, Refusal, RequestHead, ResponseFault, ResponseHead};

const ENDING: &str = "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: penstock\r\n";

/// A codec that has received `request` entirely, or as far as it is there.
fn after(request: &[u8]) -> Codec {
    let mut codec = Codec::new(Limits::default());
    let mut head = RequestHead::default();
    let mut rest = request;
    loop {
        let received = codec.receive(rest, &mut head);
        rest = &rest[received.used..];
        if matches!(received.event, Event::NeedMore | Event::End | Event::Refused(_)) {
            return codec;
        }
    }
}

fn answer(status: &str, fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::default();
    head.set_status(status.as_bytes()).expect("a valid status");
    for (name, value) in fields {
        head.push(name.as_bytes(), value.as_bytes())
            .expect("a valid field");
    }
    head
}

fn send(codec: &mut Codec, head: &ResponseHead, parts: &[&str]) -> (String, Finished) {
    let mut out = Vec::new();
    codec.send_head(head, &STAMP, false, &mut out);
    for part in parts {
        let allowed = codec.begin_data(part.len(), &mut out);
        out.extend_from_slice(&part.as_bytes()[..allowed]);
        codec.end_data(&mut out);
    }
    let finished = codec.finish(&mut out);
    (
        String::from_utf8(out).expect("the test's answers are ASCII"),
        finished,
    )
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
const OLD: &str = "GET / HTTP/1.0\r\n\r\n";
const OLD_KEPT: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";

struct Row {
    name: &'static str,
    request: &'static str,
    status: &'static str,
    fields: &'static [(&'static str, &'static str)],
    parts: &'static [&'static str],
    /// Between the status line and Date.
    sent_fields: &'static str,
    /// Between Server and the end: connection fields, the empty line, the body.
    sent_rest: &'static str,
    finished: Finished,
}

#[test]
fn framing_follows_request_status_and_length() {
    use Finished::{Close, KeepAlive};
    const LENGTH_5: &[(&str, &str)] = &[("A", "b"), ("Content-Length", "5"), ("C", "d")];
    const LENGTH_5_LINES: &str = "A: b\r\nContent-Length: 5\r\nC: d\r\n";
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    let row = |name, request, status, fields, parts, sent_fields, sent_rest, finished| Row {
        name,
        request,
        status,
        fields,
        parts,
        sent_fields,
        sent_rest,
        finished,
    };
    let table = [
        row(
            "length",
            GET,
            "200 OK",
            LENGTH_5,
            &["he", "llo"],
            LENGTH_5_LINES,
            "\r\nhello",
            KeepAlive,
        ),
        row(
            "chunked",
            GET,
            "200 OK",
            &[],
            &["hello", "", "0123456789abcdef"],
            CHUNKED,
            "\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
            KeepAlive,
        ),
        row(
            "chunked and empty",
            GET,
            "200 OK",
            &[],
            &[],
            CHUNKED,
            "\r\n0\r\n\r\n",
            KeepAlive,
        ),
        row(
            "close asked by the client",
            GET_CLOSE,
            "200 OK",
            LENGTH_5,
            &["hello"],
            LENGTH_5_LINES,
            "Connection: close\r\n\r\nhello",
            Close,
        ),
        row(
            "1.0 with length closes",
            OLD,
            "200 OK",
            LENGTH_5,
            &["hello"],
            LENGTH_5_LINES,
            "Connection: close\r\n\r\nhello",
            Close,
        ),
        row(
            "1.0 kept is announced",
            OLD_KEPT,
            "200 OK",
            LENGTH_5,
            &["hello"],
            LENGTH_5_LINES,
            "Connection: keep-alive\r\n\r\nhello",
            KeepAlive,
        ),
        row(
            "1.0 knows no chunks",
            OLD_KEPT,
            "200 OK",
            &[],
            &["hello"],
            "",
            "Connection: close\r\n\r\nhello",
            Close,
        ),
        row(
            "HEAD with length",
            HEAD,
            "200 OK",
            LENGTH_5,
            &["hello"],
            LENGTH_5_LINES,
            "\r\n",
            KeepAlive,
        ),
        row(
            "HEAD has the headers of GET",
            HEAD,
            "200 OK",
            &[],
            &["hello"],
            CHUNKED,
            "\r\n",
            KeepAlive,
        ),
        row(
            "204 has neither body nor length",
            GET,
            "204 No Content",
            LENGTH_5,
            &["hello"],
            "A: b\r\nC: d\r\n",
            "\r\n",
            KeepAlive,
        ),
        row(
            "204 is not chunked",
            GET,
            "204 No Content",
            &[],
            &[],
            "",
            "\r\n",
            KeepAlive,
        ),
        row(
            "304 keeps its length and has no body",
            GET,
            "304 Not Modified",
            LENGTH_5,
            &["hello"],
            LENGTH_5_LINES,
            "\r\n",
            KeepAlive,
        ),
        row(
            "too long",
            GET,
            "200 OK",
            LENGTH_5,
            &["hell", "o wo", "rld"],
            LENGTH_5_LINES,
            "\r\nhello",
            KeepAlive,
        ),
        row(
            "too short",
            GET,
            "200 OK",
            LENGTH_5,
            &["hell"],
            LENGTH_5_LINES,
            "\r\nhell",
            Close,
        ),
        row(
            "hop-by-hop fields are ours",
            GET,
            "200 OK",
            &[
                ("Connection", "x"),
                ("keep-alive", "x"),
                ("Proxy-Connection", "x"),
                ("TE", "x"),
                ("Trailer", "x"),
                ("Transfer-Encoding", "gzip"),
                ("Upgrade", "x"),
                ("Proxy-Authenticate", "x"),
                ("Proxy-Authorization", "x"),
            ],
            &[],
            CHUNKED,
            "\r\n0\r\n\r\n",
            KeepAlive,
        ),
        row(
            "the same length twice",
            GET,
            "200 OK",
            &[("Content-Length", "2"), ("content-length", "2")],
            &["hi"],
            "Content-Length: 2\r\n",
            "\r\nhi",
            KeepAlive,
        ),
    ];
    for row in &table {
        let head = answer(row.status, row.fields);
        let (sent, finished) = send(&mut after(row.request.as_bytes()), &head, row.parts);
        let expected = format!(
            "HTTP/1.1 {}\r\n{}{ENDING}{}",
            row.status, row.sent_fields, row.sent_rest
        );
        assert_eq!((sent, finished), (expected, row.finished), "{}", row.name);
    }
}

#[test]
fn surplus_and_shortage_are_told() {
    let table = [
        (GET, "200 OK", Some("5"), "hello", false, false),
        (GET, "200 OK", Some("5"), "hello!", true, false),
        (GET, "200 OK", Some("5"), "hell", false, true),
        (GET, "204 No Content", None, "hello", true, false),
        (HEAD, "200 OK", Some("5"), "hello", false, false),
        (GET, "200 OK", None, "hello", false, false),
    ];
    for (request, status, length, body, surplus, short) in table {
        let mut codec = after(request.as_bytes());
        let fields: Vec<_> = length
            .map(|length| ("Content-Length", length))
            .into_iter()
            .collect();
        send(&mut codec, &answer(status, &fields), &[body]);
        assert_eq!(
            (codec.surplus(), codec.short()),
            (surplus, short),
            "{request:?} {status} {length:?} {body}"
        );
    }
}

#[test]
fn date_and_server_of_the_application_are_kept() {
    let head = answer(
        "200 OK",
        &[("date", "now"), ("SERVER", "mine"), ("Content-Length", "0")],
    );
    let (sent, _) = send(&mut after(GET.as_bytes()), &head, &[]);
    assert_eq!(
        sent,
        "HTTP/1.1 200 OK\r\ndate: now\r\nSERVER: mine\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn the_server_can_ask_for_the_close() {
    let mut codec = after(GET.as_bytes());
    let mut out = Vec::new();
    codec.send_head(
        &answer("200 OK", &[("Content-Length", "0")]),
        &STAMP,
        true,
        &mut out,
    );
    assert!(codec.head_sent());
    assert!(out.ends_with(b"Connection: close\r\n\r\n"));
    assert_eq!(codec.finish(&mut out), Finished::Close);
    let received = codec.receive(GET.as_bytes(), &mut RequestHead::default());
    assert_eq!(
        (received.used, received.event),
        (GET.len(), Event::NeedMore),
        "a closing connection drops the rest"
    );
}

#[test]
fn interim_answers_go_to_1_1_clients_only_and_end_nothing() {
    for (request, expected) in [(GET, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), (OLD, "")] {
        let mut codec = after(request.as_bytes());
        let mut out = Vec::new();
        codec.send_head(
            &answer("103 Early Hints", &[("Link", "</a>")]),
            &STAMP,
            false,
            &mut out,
        );
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert!(!codec.head_sent());
        assert_eq!(
            codec.begin_data(5, &mut out),
            0,
            "no body follows an interim head"
        );
        let (sent, _) = send(&mut codec, &answer("200 OK", &[("Content-Length", "0")]), &[]);
        assert!(sent.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn continue_is_said_once_and_only_to_those_who_wait() {
    const EXPECTING: &[u8] =
        b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut out = Vec::new();
    let mut codec = after(EXPECTING);
    codec.send_continue(&mut out);
    codec.send_continue(&mut out);
    assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");

    for silent in [GET.as_bytes(), &[EXPECTING, b"h"].concat()] {
        out.clear();
        after(silent).send_continue(&mut out);
        assert_eq!(out, b"");
    }

    let mut codec = after(EXPECTING);
    let (sent, finished) = send(
        &mut codec,
        &answer("403 Forbidden", &[("Content-Length", "0")]),
        &[],
    );
    assert!(
        sent.contains("Connection: close\r\n"),
        "the client may or may not send its body now"
    );
    assert_eq!(finished, Finished::Close);
}

#[test]
fn a_body_that_outlives_its_answer_is_drained_before_the_next_request() {
    let mut codec = after(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
    assert_eq!(codec.body_remaining(), Some(10));
    let (_, finished) = send(&mut codec, &answer("200 OK", &[("Content-Length", "0")]), &[]);
    assert_eq!(finished, Finished::KeepAlive);
    assert!(!codec.awaiting_request());
    let mut head = RequestHead::default();
    let wire = [b"GET / HTTP", GET.as_bytes()].concat();
    let received = codec.receive(&wire, &mut head);
    assert_eq!((received.used, received.event), (10, Event::Body(0..10)));
    assert_eq!(codec.receive(&wire[10..], &mut head).event, Event::End);
    assert!(codec.awaiting_request() && codec.body_complete());
    assert_eq!(codec.receive(&wire[10..], &mut head).event, Event::Head);
    assert_eq!(head.method(), b"GET");
}

#[test]
fn a_pipelined_request_waits_for_the_answer_before_it() {
    let mut codec = after(GET.as_bytes());
    let mut head = RequestHead::default();
    let early = codec.receive(GET.as_bytes(), &mut head);
    assert_eq!((early.used, early.event), (0, Event::NeedMore));
    send(&mut codec, &answer("200 OK", &[]), &[]);
    assert_eq!(codec.receive(GET.as_bytes(), &mut head).event, Event::Head);
}

#[test]
fn the_server_answers_errors_completely() {
    let mut codec = after(GET.as_bytes());
    let mut out = Vec::new();
    codec.send_error(500, &STAMP, false, &mut out);
    let sent = String::from_utf8(out.clone()).expect("ASCII");
    let (head, body) = sent.split_once("\r\n\r\n").expect("a head and a body");
    assert!(
        head.starts_with("HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n")
    );
    assert!(head.contains(&format!("Content-Length: {}\r\nDate: ", body.len())));
    assert_eq!(codec.finish(&mut out), Finished::KeepAlive);

    let mut codec = after(HEAD.as_bytes());
    out.clear();
    codec.send_error(500, &STAMP, true, &mut out);
    assert!(out.ends_with(b"Connection: close\r\n\r\n"), "no body on HEAD");
    assert_eq!(codec.finish(&mut out), Finished::Close);
}

#[test]
fn refusals_close_and_never_write_into_another_answer() {
    let mut out = Vec::new();
    let mut codec = after(b"GET / HTTP/1.1\r\n\r\n");
    codec.refuse(&Refusal::HostMissing, &STAMP, &mut out);
    assert!(out.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    assert!(String::from_utf8_lossy(&out).contains("Connection: close\r\n\r\n"));

    let mut codec = after(b"GET / HT");
    out.clear();
    codec.refuse(&Refusal::Timeout, &STAMP, &mut out);
    assert!(out.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
    assert_eq!(codec.finish(&mut out), Finished::Close);

    let mut codec = after(b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    out.clear();
    codec.send_head(&answer("200 OK", &[]), &STAMP, false, &mut out);
    let written = out.len();
    let refused = codec.receive(b"zz\r\n", &mut RequestHead::default());
    assert_eq!(refused.event, Event::Refused(Refusal::ChunkSize));
    codec.refuse(&Refusal::ChunkSize, &STAMP, &mut out);
    assert_eq!(out.len(), written);
    assert_eq!(codec.finish(&mut out), Finished::Close);
    assert_eq!(
        &out[written..],
        b"0\r\n\r\n",
        "the application's answer may still be completed"
    );
}

#[test]
fn nothing_an_application_says_ends_a_line_early() {
    let statuses: [(&str, bool); 12] = [
        ("200 OK", true),
        ("404 Not Found", true),
        ("299 \u{e9}", true),
        ("200 ", true),
        ("799 Odd", true),
        ("200", false),
        ("20 OK", false),
        ("2000 OK", false),
        ("099 OK", false),
        ("abc OK", false),
        ("", false),
        ("200 OK\r\nA: b", false),
    ];
    for (status, valid) in statuses {
        assert_eq!(
            ResponseHead::default().set_status(status.as_bytes()).is_ok(),
            valid,
            "{status:?}"
        );
    }
    let fields: [(&[u8], &[u8], bool); 14] = [
        (b"X-A", b"b\tc \xe9", true),
        (b"X", b"", true),
        (b"Content-Length", b" 5 ", true),
        (b"", b"b", false),
        (b"A ", b"b", false),
        (b"A:", b"b", false),
        (b"A\r\nB", b"b", false),
        (b"\xe9", b"b", false),
        (b"A", b"b\r\nC: d", false),
        (b"A", b"b\nc", false),
        (b"A", b"b\0", false),
        (b"A", b"\x1b[0m", false),
        (b"Content-Length", b"-1", false),
        (b"Content-Length", b"5, 5", false),
    ];
    for (name, value, valid) in fields {
        let mut head = ResponseHead::default();
        assert_eq!(head.push(name, value).is_ok(), valid, "{:?}", (name, value));
        assert_eq!(
            head.fields().count(),
            usize::from(valid),
            "a refused field leaves nothing behind"
        );
    }
}

#[test]
fn faults_say_what_is_wrong_and_where() {
    let mut head = ResponseHead::default();
    let told = |fault: Result<(), ResponseFault>| fault.expect_err("a fault").to_string();
    assert_eq!(
        told(head.set_status(b"OK")),
        "status \"OK\" is not three digits (100 to 999), a space and a reason"
    );
    assert_eq!(
        told(head.push(b"A b", b"")),
        "header name \"A b\" is not an HTTP token"
    );
    assert_eq!(
        told(head.push(b"Set-Cookie", b"secret\r\n")),
        "the value of header Set-Cookie has a control character"
    );
    assert_eq!(
        told(head.push(b"Content-Length", b"x")),
        "Content-Length \"x\" is not one decimal number of bytes"
    );
    head.set_content_length(5);
    assert_eq!(
        told(head.push(b"Content-Length", b"6")),
        "Content-Length is given twice, as 5 and as 6"
    );
    assert_eq!(head.content_length(), Some(5));
    head.set_content_length(7);
    assert_eq!(head.content_length(), Some(5), "the first number stays");
    head.clear();
    assert!(head.is_empty() && head.content_length().is_none() && head.fields().count() == 0);
}
