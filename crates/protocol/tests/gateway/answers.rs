//! What goes out: heads, records, and the ends of answers.

use protocol::{Codec, Event, Finished, Limits, RequestHead, ResponseHead};

use crate::fastcgi::{record, request};
use crate::transcript::{STAMP, Wire, codec};
use crate::uwsgi::packet;

const KEEP: &[u8] = &[0, 1, 1, 0, 0, 0, 0, 0];

/// A codec in the middle of answering such a request.
fn asked(wire: Wire, method: &str) -> Codec {
    let variables = [
        ("REQUEST_METHOD", method),
        ("PATH_INFO", "/"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ];
    let input = match wire {
        Wire::Uwsgi => packet(0, &variables),
        Wire::Scgi => {
            let variables = format!(
                "CONTENT_LENGTH\0{}\0SCGI\x001\0REQUEST_METHOD\0{method}\0PATH_INFO\0/\0",
                0
            );
            format!("{}:{variables},", variables.len()).into_bytes()
        }
        Wire::Fastcgi => request(5, KEEP, &variables, b""),
    };
    let mut codec = codec(wire, Limits::default());
    let mut head = RequestHead::default();
    let received = codec.receive(&input, &mut head);
    assert_eq!(received.event, Event::Head);
    assert_eq!(
        codec.receive(&input[received.used..], &mut head).event,
        Event::End
    );
    codec
}

fn answer(codec: &mut Codec, status: &[u8], fields: &[(&str, &str)], body: &[u8]) -> (Vec<u8>, Finished) {
    let mut out = Vec::new();
    let mut head = ResponseHead::default();
    head.set_status(status).expect("a valid status");
    for (name, value) in fields {
        head.push(name.as_bytes(), value.as_bytes())
            .expect("a valid field");
    }
    codec.send_head(&head, &STAMP, false, &mut out);
    for piece in body.chunks(codec.longest_piece()) {
        let allowed = codec.begin_data(piece.len(), &mut out);
        out.extend_from_slice(&piece[..allowed]);
        codec.end_data(&mut out);
    }
    let finished = codec.finish_with(&ResponseHead::default(), &mut out);
    (out, finished)
}

#[test]
fn uwsgi_and_scgi_answers_end_with_the_connection() {
    for (wire, first) in [(Wire::Uwsgi, "HTTP/1.1 200 OK"), (Wire::Scgi, "Status: 200 OK")] {
        for (method, fields, body, expected) in [
            ("GET", &[("A", "b")][..], &b"hello"[..], "A: b\r\n\r\nhello"),
            (
                "GET",
                &[("Content-Length", "3")],
                b"hello",
                "Content-Length: 3\r\n\r\nhel",
            ),
            (
                "HEAD",
                &[("Content-Length", "5")],
                b"hello",
                "Content-Length: 5\r\n\r\n",
            ),
            ("GET", &[("Connection", "keep-alive")], b"", "\r\n"),
        ] {
            let (out, finished) = answer(&mut asked(wire, method), b"200 OK", fields, body);
            assert_eq!(String::from_utf8_lossy(&out), format!("{first}\r\n{expected}"));
            assert_eq!(finished, Finished::Close);
        }
    }
    let (out, _) = answer(&mut asked(Wire::Uwsgi, "GET"), b"304 Not Modified", &[], b"x");
    assert_eq!(out, b"HTTP/1.1 304 Not Modified\r\n\r\n");
}

#[test]
fn fastcgi_answers_are_records() {
    let end = |application: u8| record(3, 5, &[0, 0, 0, application, 0, 0, 0, 0], 0);
    let (out, finished) = answer(
        &mut asked(Wire::Fastcgi, "GET"),
        b"200 OK",
        &[("A", "b")],
        b"hello",
    );
    let expected = [
        record(6, 5, b"Status: 200 OK\r\nA: b\r\n\r\n", 0),
        record(6, 5, b"hello", 0),
        record(6, 5, b"", 0),
        end(0),
    ];
    assert_eq!(
        out.escape_ascii().to_string(),
        expected.concat().escape_ascii().to_string()
    );
    assert_eq!(finished, Finished::KeepAlive);

    // A large body in as many records as it needs.
    let body = vec![b'x'; 150_000];
    let (out, _) = answer(&mut asked(Wire::Fastcgi, "GET"), b"200 OK", &[], &body);
    let mut rest = &out[..];
    let mut seen = Vec::new();
    while let [1, kind, 0, 5, high, low, 0, 0, content @ ..] = rest {
        let (content, after) = content.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        if *kind == 6 {
            seen.extend_from_slice(content);
        }
        rest = after;
    }
    assert!(rest.is_empty());
    assert_eq!(seen.len(), "Status: 200 OK\r\n\r\n".len() + body.len());

    // Less than was promised: the web server must not take it for the whole.
    let promised = [("Content-Length", "9")];
    let (out, finished) = answer(&mut asked(Wire::Fastcgi, "GET"), b"200 OK", &promised, b"hello");
    assert!(out.ends_with(&end(1)));
    assert_eq!(finished, Finished::Close);
}

#[test]
fn a_head_longer_than_a_record_is_sent_in_several() {
    let long = "v".repeat(70_000);
    let (out, _) = answer(&mut asked(Wire::Fastcgi, "GET"), b"200 OK", &[("A", &long)], b"");
    let head = format!("Status: 200 OK\r\nA: {long}\r\n\r\n");
    let (first, second) = head.as_bytes().split_at(65528);
    let expected = [
        record(6, 5, first, 0),
        record(6, 5, second, 0),
        record(6, 5, b"", 0),
    ]
    .concat();
    assert!(out.starts_with(&expected));
}

#[test]
fn errors_of_the_server_and_of_the_application_go_where_they_belong() {
    for wire in [Wire::Uwsgi, Wire::Scgi, Wire::Fastcgi] {
        let mut codec = asked(wire, "GET");
        let mut out = Vec::new();
        let has_stderr = codec.send_stderr(b"oh", &mut out);
        assert_eq!(has_stderr, wire == Wire::Fastcgi);
        if has_stderr {
            assert_eq!(out, record(7, 5, b"oh", 0));
        }
        codec.send_error(500, &STAMP, false, &mut out);
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(
            text.contains("500 Internal Server Error\r\nContent-Type: text/plain"),
            "{text}"
        );
        assert!(text.ends_with("Something went wrong on the server. We are sorry.\n"));
    }
}
