//! What the server sends, and the closing handshake from its side.

use protocol::websocket::{Codec, Event, Kind, SendFault};

use crate::transcript::connect;
use crate::wire::{BINARY, CLOSE, COMPRESSED, PING, TEXT, closing, frame};

fn plain() -> Codec {
    connect("", 1000).0
}

#[test]
fn messages_and_pings_are_single_unmasked_frames() {
    let mut codec = plain();
    let mut out = Vec::new();
    codec.send_text("Hello", &mut out).expect("open");
    codec.send_binary(&[0xFF], &mut out).expect("open");
    codec.ping(b"now", &mut out).expect("open");
    codec.begin_message(Kind::Binary, 300, &mut out).expect("open");
    assert_eq!(
        out, b"\x81\x05Hello\x82\x01\xff\x89\x03now\x82\x7e\x01\x2c",
        "the payload of the last is the caller's"
    );
    assert_eq!(codec.ping(&[0; 126], &mut out), Err(SendFault::PingTooLong(126)));
}

#[test]
fn only_messages_above_the_threshold_are_compressed() {
    let (mut codec, _) = connect("permessage-deflate", 1000);
    let (mut short, mut long) = (Vec::new(), Vec::new());
    codec.send_text(&"x".repeat(127), &mut short).expect("open");
    codec.send_text(&"x".repeat(128), &mut long).expect("open");
    assert_eq!((short[0], short.len()), (TEXT, 127 + 4));
    assert_eq!(long[0], TEXT | COMPRESSED);
    assert!(long.len() < 20, "{} bytes", long.len());
    assert!(!codec.would_compress(127) && codec.would_compress(128));
}

#[test]
fn a_close_by_the_server_waits_for_the_peers_and_sends_nothing_after_it() {
    let mut codec = plain();
    let mut out = Vec::new();
    codec.close(1001, "going", &mut out).expect("open");
    assert_eq!(out, b"\x88\x07\x03\xe9going");
    assert!(codec.has_closed() && !codec.has_ended());
    out.clear();
    assert_eq!(codec.send_text("late", &mut out), Err(SendFault::Closed));
    assert_eq!(codec.ping(b"", &mut out), Err(SendFault::Closed));
    assert_eq!(codec.close(1000, "", &mut out), Err(SendFault::Closed));
    let late = [
        frame(BINARY, b"late"),
        frame(PING, b"late"),
        frame(CLOSE, &closing(1001, "")),
    ]
    .concat();
    let mut rest = late.as_slice();
    let expected = [
        Event::Binary(b"late"),
        Event::Ping(b"late"),
        Event::Close {
            code: 1001,
            reason: "",
        },
        Event::NeedMore,
    ];
    for event in expected {
        let received = codec.receive(rest, &mut out);
        assert_eq!(received.event, event);
        rest = &rest[received.used..];
    }
    assert!(codec.has_ended());
    assert!(out.is_empty(), "neither a pong nor a second close");
}

#[test]
fn a_close_by_the_peer_ends_at_once() {
    let mut codec = plain();
    let mut out = Vec::new();
    codec.receive(&frame(CLOSE, &closing(3001, "bye")), &mut out);
    assert!(codec.has_closed() && codec.has_ended());
    assert_eq!(out, b"\x88\x02\x0b\xb9");
    assert_eq!(codec.send_binary(b"", &mut out), Err(SendFault::Closed));
}

#[test]
fn after_a_failure_what_was_begun_can_still_be_answered() {
    let mut codec = plain();
    let mut out = Vec::new();
    let wire = [frame(TEXT, b"good"), frame(0x83, b"bad"), frame(TEXT, b"unheard")].concat();
    let used = codec.receive(&wire, &mut out).used;
    let Event::Failed(failure) = codec.receive(&wire[used..], &mut out).event else {
        panic!("a reserved opcode was received");
    };
    assert!(codec.has_ended() && !codec.has_closed() && out.is_empty());
    codec.send_text("answer", &mut out).expect("open on this side");
    codec.fail(failure, &mut out);
    assert_eq!(out, b"\x81\x06answer\x88\x11\x03\xeareserved opcode");
    assert_eq!(codec.send_text("late", &mut out), Err(SendFault::Closed));
}

#[test]
fn a_failure_after_the_servers_close_sends_no_second_one() {
    let mut codec = plain();
    let mut out = Vec::new();
    codec.close(1000, "", &mut out).expect("open");
    out.clear();
    let Event::Failed(failure) = codec.receive(&frame(0x83, b""), &mut out).event else {
        panic!("a reserved opcode was received");
    };
    codec.fail(failure, &mut out);
    assert!(codec.has_ended() && out.is_empty());
}

#[test]
fn a_close_with_what_may_not_be_sent_is_a_fault_and_leaves_it_open() {
    let mut codec = plain();
    let mut out = Vec::new();
    for code in [0, 999, 1004, 1006, 1015, 2999, 5000] {
        assert_eq!(codec.close(code, "", &mut out), Err(SendFault::CloseCode(code)));
    }
    assert_eq!(
        codec.close(1005, "why", &mut out),
        Err(SendFault::CloseCode(1005))
    );
    let long = "x".repeat(124);
    assert_eq!(
        codec.close(1000, &long, &mut out),
        Err(SendFault::ReasonTooLong(124))
    );
    assert!(out.is_empty() && !codec.has_closed());
    codec.close(1005, "", &mut out).expect("a close without code");
    assert_eq!(out, b"\x88\x00");
}
