//! Inputs no table thought of: bytes that are almost HTTP, cut anywhere.

use crate::transcript::{STAMP, check_cuts_change_nothing};
use proptest::prelude::*;
use protocol::http1::Codec;
use protocol::{Event, Finished, Limits, RequestHead, ResponseHead};

const LIMITS: Limits = Limits {
    request_line: 40,
    fields: 3,
    field_size: 32,
    head: 90,
    block: 90,
    body: Some(40),
};

/// Pieces real and hostile requests are made of; glued together they come near everything the codec knows.
fn almost_http() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&'static [u8]> = vec![
        b"GET",
        b"HEAD",
        b"OPTIONS",
        b"CONNECT",
        b"PRI",
        b" ",
        b" ",
        b"  ",
        b"/",
        b"/a?b",
        b"*",
        b"http://h/p",
        b"#",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b" HTTP/1.7",
        b" HTTP/2.0",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"Host: h",
        b"Host:",
        b"Host: a b",
        b"A: b",
        b"A : b",
        b":",
        b"Content-Length: 5",
        b"Content-Length: 3",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Expect: 100-continue",
        b"Expect: x",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"3;x=y\r\nabc\r\n",
        b"0",
        b"hello",
        b"\x00",
        b"\xff",
        b"\t",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
    ];
    prop::collection::vec(prop::sample::select(words), 0..24).prop_map(|words| words.concat())
}

/// Requests that are well-formed but for one stray piece, so that it meets every state of the codec.
fn damaged_http() -> impl Strategy<Value = Vec<u8>> {
    let requests: Vec<&'static [u8]> = vec![
        b"GET /a?b HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        b"PUT / HTTP/1.7\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n",
        b"GET http://h/p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ];
    let strays: Vec<&'static [u8]> = vec![
        b"",
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"#",
        b"0",
        b"\xff",
        b";",
        b",",
        b"A: b\r\n",
        b"Content-Length: 1\r\n",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ];
    let requests = prop::collection::vec(prop::sample::select(requests), 1..4);
    let damage = (
        any::<prop::sample::Index>(),
        0usize..3,
        prop::sample::select(strays),
    );
    (requests, damage).prop_map(|(requests, (place, removed, stray))| {
        let mut wire = requests.concat();
        let start = place.index(wire.len());
        let end = (start + removed).min(wire.len());
        wire.splice(start..end, stray.iter().copied());
        wire
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing_in_almost_http(wire in almost_http(), pieces in prop::collection::vec(1usize..40, 1..20)) {
        check_cuts_change_nothing(&wire, &pieces, LIMITS);
        check_cuts_change_nothing(&wire, &pieces, Limits::default());
    }

    #[test]
    fn cuts_change_nothing_in_damaged_http(wire in damaged_http(), pieces in prop::collection::vec(1usize..40, 1..20)) {
        check_cuts_change_nothing(&wire, &pieces, LIMITS);
        check_cuts_change_nothing(&wire, &pieces, Limits::default());
    }

    #[test]
    fn cuts_change_nothing_in_any_bytes(wire in prop::collection::vec(any::<u8>(), 0..200), piece in 1usize..40) {
        check_cuts_change_nothing(&wire, &[piece], LIMITS);
    }

    #[test]
    fn what_is_sent_in_chunks_is_received_again(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
    ) {
        let mut sender = Codec::new(Limits::default());
        let mut head = RequestHead::default();
        sender.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &mut head);
        sender.receive(b"", &mut head);
        let mut answer = ResponseHead::default();
        answer.set_status(b"200 OK").expect("a valid status");
        let mut out = Vec::new();
        sender.send_head(&answer, &STAMP, false, &mut out);
        let mut wire = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in &parts {
            let allowed = sender.begin_data(part.len(), &mut wire);
            wire.extend_from_slice(&part[..allowed]);
            sender.end_data(&mut wire);
        }
        prop_assert_eq!(sender.finish(&mut wire), Finished::KeepAlive);

        let mut receiver = Codec::new(Limits::default());
        let mut body = Vec::new();
        let mut rest = wire.as_slice();
        loop {
            let received = receiver.receive(rest, &mut head);
            match received.event {
                Event::Head => {}
                Event::Body(range) => body.extend_from_slice(&rest[range]),
                Event::End => break,
                other => panic!("unexpected {other:?}"),
            }
            rest = &rest[received.used..];
        }
        prop_assert_eq!(body, parts.concat());
    }
}
