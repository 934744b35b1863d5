//! FastCGI records and what they are taken for.

use protocol::gateway::{FirstLine, fastcgi};
use protocol::{Event, Limits, RequestHead};

use crate::transcript::{Wire, check_cuts_change_nothing, transcript};

const BEGIN: u8 = 1;
const ABORT: u8 = 2;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const GET_VALUES: u8 = 9;

/// What a responder is asked for with, without and with the wish to keep the connection.
const RESPONDER: &[u8] = &[0, 1, 0, 0, 0, 0, 0, 0];
const KEEP: &[u8] = &[0, 1, 1, 0, 0, 0, 0, 0];

pub(crate) fn record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let [id1, id0] = id.to_be_bytes();
    let [length1, length0] = (content.len() as u16).to_be_bytes();
    let mut record = vec![1, kind, id1, id0, length1, length0, padding, 0];
    record.extend_from_slice(content);
    record.resize(record.len() + usize::from(padding), 0);
    record
}

pub(crate) fn pairs(variables: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in variables {
        for text in [name, value] {
            match text.len() {
                short @ 0..=127 => block.push(short as u8),
                long => block.extend_from_slice(&(long as u32 | 1 << 31).to_be_bytes()),
            }
        }
        block.extend_from_slice(name.as_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// A whole request.
pub(crate) fn request(id: u16, flags: &[u8], variables: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut wire = record(BEGIN, id, flags, 0);
    wire.extend(record(PARAMS, id, &pairs(variables), 3));
    wire.extend(record(PARAMS, id, b"", 0));
    if !body.is_empty() {
        wire.extend(record(STDIN, id, body, 5));
    }
    wire.extend(record(STDIN, id, b"", 0));
    wire
}

fn get(path: &str) -> [(&str, &str); 2] {
    [("REQUEST_METHOD", "GET"), ("PATH_INFO", path)]
}

fn lines(input: &[u8]) -> Vec<String> {
    let limits = Limits {
        body: Some(2_000_000),
        ..Limits::default()
    };
    let seen = transcript(Wire::Fastcgi, input, &[usize::MAX], limits);
    check_cuts_change_nothing(Wire::Fastcgi, input, &[3, 11], limits);
    seen
}

#[test]
fn a_request_ends_its_connection_unless_it_shall_be_kept() {
    let two = [
        request(1, RESPONDER, &get("/1"), b""),
        request(1, RESPONDER, &get("/2"), b""),
    ]
    .concat();
    assert_eq!(lines(&two), ["GET /1 []", "end", "close"]);
    let two = [
        request(1, KEEP, &get("/1"), b""),
        request(1, KEEP, &get("/2"), b""),
    ]
    .concat();
    assert_eq!(lines(&two), ["GET /1 []", "end", "GET /2 []", "end"]);
}

/// Nobody calls the codec again before more arrives: what is idle must be known without that.
#[test]
fn a_connection_is_idle_as_soon_as_its_answer_is_finished() {
    let post = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/"),
        ("CONTENT_LENGTH", "5"),
    ];
    for wire in [
        request(1, KEEP, &get("/"), b""),
        request(1, KEEP, &get("/"), b"any length"),
        request(1, KEEP, &post, b"hello"),
        request(1, KEEP, &post, b""),
    ] {
        let mut codec = fastcgi::Codec::new(Limits::default(), FirstLine::StatusField);
        let (mut head, mut at) = (RequestHead::default(), 0);
        loop {
            let received = codec.receive(&wire[at..], &mut head);
            at += received.used;
            match received.event {
                Event::End => break,
                Event::Refused(_) => return,
                _ => assert!(!codec.awaiting_request(), "at byte {at}"),
            }
        }
        let mut answer = Vec::new();
        codec.send_error(404, &mut answer);
        codec.finish(&mut answer);
        let shown = wire.escape_ascii();
        assert!(
            codec.awaiting_request() || at < wire.len(),
            "{at} bytes of {shown}"
        );
        codec.receive(&wire[at..], &mut head);
        assert!(codec.awaiting_request(), "{shown}");
    }
}

#[test]
fn a_body_ends_with_its_length_or_with_its_stream() {
    let post = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/"),
        ("CONTENT_LENGTH", "5"),
    ];
    let line = "POST / [content-length=5]";
    assert_eq!(
        lines(&request(1, KEEP, &post, b"hello")),
        [line, "body hello", "end"]
    );
    assert_eq!(
        lines(&request(1, KEEP, &post, b"hello, and more")),
        [line, "body hello", "end"]
    );
    assert_eq!(
        lines(&request(1, KEEP, &post, b"hel")),
        [line, "400 the body ended before its CONTENT_LENGTH"]
    );
    let post = [("REQUEST_METHOD", "POST"), ("PATH_INFO", "/")];
    assert_eq!(
        lines(&request(1, KEEP, &post, b"any length")),
        ["POST / []", "body any length", "end"]
    );
}

#[test]
fn parameters_may_be_cut_anywhere_and_lengths_have_two_forms() {
    let long = "v".repeat(300);
    let variables = [
        ("REQUEST_METHOD", "GET"),
        ("PATH_INFO", "/"),
        ("HTTP_LONG", &long),
    ];
    let block = pairs(&variables);
    let expected = [format!("GET / [long={long}]"), "end".to_owned()];
    for cut in 1..block.len() {
        let mut wire = record(BEGIN, 7, KEEP, 0);
        wire.extend(record(PARAMS, 7, &block[..cut], 1));
        wire.extend(record(PARAMS, 7, &block[cut..], 0));
        wire.extend(record(PARAMS, 7, b"", 0));
        wire.extend(record(STDIN, 7, b"", 0));
        assert_eq!(
            transcript(Wire::Fastcgi, &wire, &[usize::MAX], Limits::default()),
            expected
        );
    }
    for ill in [
        &[200_u8][..],
        &[5, 1, b'a'],
        &[0x80, 0, 0],
        &[1, 0xff, 0xff, 0xff, 0xff, b'a'],
    ] {
        let wire = [
            record(BEGIN, 1, KEEP, 0),
            record(PARAMS, 1, ill, 0),
            record(PARAMS, 1, b"", 0),
        ];
        assert_eq!(
            lines(&wire.concat()),
            ["400 a variable's length points beyond the request's end"]
        );
    }
}

#[test]
fn requests_of_one_connection_are_served_one_after_the_other_whatever_is_interleaved() {
    let post = |path| {
        [
            ("REQUEST_METHOD", "POST"),
            ("PATH_INFO", path),
            ("CONTENT_LENGTH", "4"),
        ]
    };
    let wire = [
        record(BEGIN, 1, KEEP, 0),
        record(BEGIN, 2, KEEP, 0),
        record(PARAMS, 1, &pairs(&post("/1")), 0),
        record(STDIN, 2, b"x", 0),
        record(PARAMS, 2, &pairs(&post("/2")), 0),
        record(PARAMS, 2, b"", 0),
        record(PARAMS, 1, b"", 0),
        record(STDIN, 1, b"ab", 2),
        record(STDIN, 2, b"yz", 0),
        record(BEGIN, 3, KEEP, 0),
        record(STDIN, 1, b"cd", 0),
        record(PARAMS, 3, &pairs(&get("/3")), 0),
        record(PARAMS, 3, b"", 0),
        record(STDIN, 3, b"", 0),
        record(STDIN, 1, b"", 0),
        record(STDIN, 2, b"!", 0),
        record(STDIN, 2, b"", 0),
    ];
    assert_eq!(
        lines(&wire.concat()),
        [
            "POST /2 [content-length=4]",
            "body xyz!",
            "end",
            "POST /1 [content-length=4]",
            "body abcd",
            "end",
            "GET /3 []",
            "end"
        ]
    );
}

#[test]
fn more_than_can_be_kept_for_later_is_turned_away_as_overloaded() {
    let post = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/slow"),
        ("CONTENT_LENGTH", "2"),
    ];
    let mut wire = record(BEGIN, 1, KEEP, 0);
    wire.extend(record(PARAMS, 1, &pairs(&post), 0));
    wire.extend(record(PARAMS, 1, b"", 0));
    wire.extend(record(STDIN, 1, b"a", 0));
    wire.extend(record(BEGIN, 2, KEEP, 0));
    for _ in 0..20 {
        wire.extend(record(STDIN, 2, &[b'x'; 60000], 0));
    }
    wire.extend(record(STDIN, 1, b"b", 0));
    let limits = Limits::default();
    let seen = transcript(Wire::Fastcgi, &wire, &[usize::MAX], limits);
    assert_eq!(
        seen,
        [
            "POST /slow [content-length=2]",
            "reply \\x01\\x03\\x00\\x02\\x00\\x08\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x00\\x00",
            "body ab",
            "end"
        ]
    );
    let begun: Vec<u8> = (1..=65).flat_map(|id| record(BEGIN, id, KEEP, 0)).collect();
    let seen = lines(&begun);
    assert_eq!(
        seen,
        [
            "reply \\x01\\x03\\x00A\\x00\\x08\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x00\\x00",
            "wait"
        ]
    );
}

#[test]
fn requests_can_be_aborted_at_every_point() {
    let ended = "reply \\x01\\x03\\x00\\x01\\x00\\x08\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00";
    let next = request(2, KEEP, &get("/next"), b"");
    // Before its parameters are complete.
    let wire = [record(BEGIN, 1, KEEP, 0), record(ABORT, 1, b"", 0), next.clone()].concat();
    assert_eq!(lines(&wire), [ended, "GET /next []", "end"]);
    // While its body is received.
    let post = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/"),
        ("CONTENT_LENGTH", "5"),
    ];
    let wire = [
        record(BEGIN, 1, KEEP, 0),
        record(PARAMS, 1, &pairs(&post), 0),
        record(PARAMS, 1, b"", 0),
        record(STDIN, 1, b"he", 0),
        record(ABORT, 1, b"", 0),
        next.clone(),
    ];
    assert_eq!(
        lines(&wire.concat()),
        ["POST / [content-length=5]", "aborted", "GET /next []", "end"]
    );
    // One that is not there.
    assert_eq!(
        lines(&[record(ABORT, 9, b"", 0), next].concat()),
        ["GET /next []", "end"]
    );
}

#[test]
fn management_records_are_answered() {
    let asked = pairs(&[("FCGI_MPXS_CONNS", ""), ("OTHER", ""), ("FCGI_MAX_REQS", "")]);
    assert_eq!(
        lines(&record(GET_VALUES, 0, &asked, 0)),
        ["reply \\x01\\n\\x00\\x00\\x00#\\x00\\x00\\x0f\\x01FCGI_MPXS_CONNS1\\r\\x02FCGI_MAX_REQS64"]
    );
    assert_eq!(
        lines(&record(77, 0, b"abc", 5)),
        ["reply \\x01\\x0b\\x00\\x00\\x00\\x08\\x00\\x00M\\x00\\x00\\x00\\x00\\x00\\x00\\x00"]
    );
    // Of a request: skipped.
    assert_eq!(lines(&record(77, 5, b"abc", 5)), [""; 0]);
    let authorizer = [0, 2, 1, 0, 0, 0, 0, 0];
    assert_eq!(
        lines(&request(1, &authorizer, &get("/"), b"")),
        ["reply \\x01\\x03\\x00\\x01\\x00\\x08\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\x00\\x00\\x00"]
    );
}

#[test]
fn what_is_no_fastcgi_is_refused() {
    assert_eq!(
        lines(b"GET / HTTP/1.1\r\n"),
        ["400 HTTP on a socket that speaks a gateway protocol"]
    );
    assert_eq!(
        lines(&[2, 1, 0, 1, 0, 0, 0, 0]),
        ["400 a FastCGI record of another version than 1"]
    );
    let malformed = "400 malformed BEGIN_REQUEST record";
    assert_eq!(lines(&record(BEGIN, 1, &[0, 1], 0)), [malformed]);
    assert_eq!(lines(&record(BEGIN, 0, KEEP, 0)), [malformed]);
    let twice = [record(BEGIN, 1, KEEP, 0), record(BEGIN, 1, KEEP, 0)].concat();
    assert_eq!(
        lines(&twice),
        ["400 BEGIN_REQUEST with the id of a request that is not finished"]
    );
    let long = pairs(&[("X", &"y".repeat(40000))]);
    let wire = [
        record(BEGIN, 1, KEEP, 0),
        record(PARAMS, 1, &long, 0),
        record(PARAMS, 1, &long, 0),
    ]
    .concat();
    assert_eq!(
        transcript(Wire::Fastcgi, &wire, &[usize::MAX], Limits::default())[0]
            .split('.')
            .next(),
        Some("431 invalid request block size: 80012 (max 65535)")
    );
    let post = [("REQUEST_METHOD", "POST"), ("PATH_INFO", "/")];
    let limits = Limits {
        body: Some(4),
        ..Limits::default()
    };
    let seen = transcript(
        Wire::Fastcgi,
        &request(1, KEEP, &post, b"hello"),
        &[usize::MAX],
        limits,
    );
    assert_eq!(seen, ["POST / []", "413 body exceeds its limit"]);
}

#[test]
fn a_hundred_thousand_tiny_records_are_one_request() {
    let mut wire = record(BEGIN, 1, KEEP, 0);
    wire.extend(record(PARAMS, 1, &pairs(&get("/")), 0));
    wire.extend(record(PARAMS, 1, b"", 0));
    for _ in 0..100_000 {
        wire.extend(record(STDIN, 1, b"x", 0));
    }
    wire.extend(record(STDIN, 1, b"", 0));
    let seen = transcript(Wire::Fastcgi, &wire, &[usize::MAX, 1], Limits::default());
    assert_eq!(seen[1].len(), "body ".len() + 100_000);
    // Of nobody: nothing is kept.
    let stray = record(STDIN, 4, b"x", 0).repeat(100_000);
    assert_eq!(
        transcript(Wire::Fastcgi, &stray, &[usize::MAX], Limits::default()),
        [""; 0]
    );
}
