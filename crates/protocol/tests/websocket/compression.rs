//! permessage-deflate: what is agreed on (Autobahn chapter 13), what compressed messages are (chapter 12 and the
//! examples of RFC 7692 7.2.3), and what they may not do.

use protocol::websocket::Event;

use crate::transcript::{check_cuts_change_nothing, connect, transcript};
use crate::wire::{BINARY, COMPRESSED, ENDS, GOES_ON, PING, TEXT, TEXT_BEGINS, frame, frames};

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const LIMIT: usize = 1 << 18;

#[test]
fn the_first_offer_that_can_be_met_is_agreed_on() {
    let table = [
        ("", None),
        (
            "permessage-deflate",
            Some("permessage-deflate; server_max_window_bits=12"),
        ),
        (
            OFFER,
            Some("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"),
        ),
        (
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
            Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
        ),
        (
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=12",
            ),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"15\"",
            Some("permessage-deflate; server_max_window_bits=12"),
        ),
        (
            "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=9",
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=11",
            Some("permessage-deflate; server_max_window_bits=11"),
        ),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=012", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; client_no_context_takeover=1", None),
        (
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            None,
        ),
        ("permessage-deflate; unknown", None),
        ("permessage-deflate; ", None),
        ("permessage-deflate; client_max_window_bits=\"1,0\"", None),
        ("permessage-deflate, =", None),
        ("permessage-bzip2", None),
    ];
    for (offer, agreed) in table {
        let (_, answer) = connect(offer, LIMIT);
        let found = answer
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        assert_eq!(found, agreed, "{offer}");
    }
}

/// "Hello" as RFC 7692 7.2.3.1 compresses it, the same again with the first as context (7.2.3.2), uncompressed
/// inside DEFLATE (7.2.3.3), with a final block (7.2.3.4), and in two blocks (7.2.3.5).
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const HELLO_AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
const HELLO_STORED: &[u8] = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
const HELLO_FINAL: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
const HELLO_TWO_BLOCKS: &[u8] = &[
    0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
];

#[test]
fn the_examples_of_rfc_7692_are_understood() {
    let compressed = TEXT | COMPRESSED;
    let table: [(&str, Vec<u8>, &[&str]); 9] = [
        ("7.2.3.1", frame(compressed, HELLO), &["text \"Hello\""]),
        (
            "in fragments, only the first of which says so",
            frames(&[
                (TEXT_BEGINS | COMPRESSED, &HELLO[..3]),
                (PING, b""),
                (GOES_ON, b""),
                (ENDS, &HELLO[3..]),
            ]),
            &["ping ", "sent 8a00", "text \"Hello\""],
        ),
        (
            "7.2.3.2",
            frames(&[(compressed, HELLO), (compressed, HELLO_AGAIN)]),
            &["text \"Hello\"", "text \"Hello\""],
        ),
        ("7.2.3.3", frame(compressed, HELLO_STORED), &["text \"Hello\""]),
        (
            "7.2.3.4, and one after it",
            frames(&[(compressed, HELLO_FINAL), (compressed, HELLO)]),
            &["text \"Hello\"", "text \"Hello\""],
        ),
        (
            "7.2.3.5",
            frame(compressed, HELLO_TWO_BLOCKS),
            &["text \"Hello\""],
        ),
        ("7.2.3.6 empty", frame(compressed, &[0]), &["text \"\""]),
        (
            "not everything is compressed",
            frames(&[(TEXT, b"plain"), (compressed, HELLO), (BINARY, b"")]),
            &["text \"plain\"", "text \"Hello\"", "binary "],
        ),
        (
            "text is checked after inflating",
            // A stored block with the bytes ce ba ff.
            frame(compressed, &[0, 3, 0, 0xfc, 0xff, 0xce, 0xba, 0xff, 0]),
            &[
                "failed 1007 text is not UTF-8",
                "sent 881303ef74657874206973206e6f74205554462d38",
            ],
        ),
    ];
    for (name, wire, expected) in table {
        assert_eq!(transcript(&wire, &[usize::MAX], OFFER, LIMIT), expected, "{name}");
        assert_eq!(
            transcript(&wire, &[1], OFFER, LIMIT),
            expected,
            "{name}: byte by byte"
        );
    }
}

#[test]
fn compression_out_of_place_or_form_ends_the_connection() {
    let compressed = TEXT | COMPRESSED;
    let table: [(&str, Vec<u8>, &str); 6] = [
        (
            "a ping",
            frame(PING | COMPRESSED, b""),
            "failed 1002 reserved bit set",
        ),
        (
            "a continuation",
            frames(&[(TEXT_BEGINS | COMPRESSED, HELLO), (ENDS | COMPRESSED, b"")]),
            "failed 1002 reserved bit set",
        ),
        (
            "the other bits",
            frame(TEXT | 0x20, b""),
            "failed 1002 reserved bit set",
        ),
        (
            "a block of the reserved type",
            frame(compressed, &[0xFF; 8]),
            "failed 1007 malformed compressed data",
        ),
        (
            "a reference before the beginning",
            frame(compressed, HELLO_AGAIN),
            "failed 1007 malformed compressed data",
        ),
        (
            "a block that has not ended",
            frame(compressed, &HELLO_STORED[..8]),
            "failed 1007 malformed compressed data",
        ),
    ];
    for (name, wire, expected) in table {
        for piece in [1, usize::MAX] {
            let lines = transcript(&wire, &[piece], OFFER, LIMIT);
            assert_eq!(lines[0], expected, "{name}");
        }
        check_cuts_change_nothing(&wire, &[3], OFFER, LIMIT);
    }
}

#[test]
fn forgetting_the_context_is_kept_to_on_both_sides() {
    let offer = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
    let wire = frames(&[(TEXT | COMPRESSED, HELLO), (TEXT | COMPRESSED, HELLO_AGAIN)]);
    let lines = transcript(&wire, &[usize::MAX], offer, LIMIT);
    assert_eq!(
        lines[..2],
        ["text \"Hello\"", "failed 1007 malformed compressed data"]
    );

    let message = b"a message that is long enough to be compressed".repeat(10);
    for (offer, is_forgotten) in [(offer, true), (OFFER, false)] {
        let (mut codec, _) = connect(offer, LIMIT);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        codec
            .send_binary(&message, &mut first)
            .expect("an open WebSocket");
        codec
            .send_binary(&message, &mut second)
            .expect("an open WebSocket");
        assert_eq!(first == second, is_forgotten, "{offer}");
        assert!(first.len() < message.len() / 2, "{offer}");
    }
}

/// The data of compressed messages as a client would make them, from those the server makes.
pub(crate) fn deflated(messages: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut codec, _) = connect("permessage-deflate; server_max_window_bits=9", usize::MAX);
    let deflate = |message: &&[u8]| {
        let mut out = Vec::new();
        codec.send_binary(message, &mut out).expect("an open WebSocket");
        assert_eq!(out[0], BINARY | COMPRESSED, "a message above the threshold");
        let header = match out[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        out.split_off(header)
    };
    messages.iter().map(deflate).collect()
}

#[test]
fn a_bomb_ends_at_the_limit_and_costs_no_more() {
    let zeros = vec![0; 4 << 20];
    let bomb = deflated(&[&zeros]).remove(0);
    assert!(bomb.len() < zeros.len() / 200, "a bomb of {} bytes", bomb.len());
    let wire = frame(BINARY | COMPRESSED, &bomb);
    for piece in [usize::MAX, 1000] {
        let lines = transcript(&wire, &[piece], OFFER, LIMIT);
        assert_eq!(lines[0], "failed 1009 message exceeds its limit");
        assert_eq!(lines.len(), 2, "the event and the close frame");
    }
    let fits = deflated(&[&zeros[..LIMIT]]).remove(0);
    let lines = transcript(&frame(BINARY | COMPRESSED, &fits), &[1000], OFFER, LIMIT);
    assert_eq!(lines, [format!("binary of {LIMIT}")]);
    let beyond = deflated(&[&zeros[..LIMIT + 1]]).remove(0);
    let lines = transcript(&frame(BINARY | COMPRESSED, &beyond), &[1000], OFFER, LIMIT);
    assert_eq!(lines[0], "failed 1009 message exceeds its limit");
}

#[test]
fn messages_of_many_sizes_come_back_from_each_window() {
    let sizes = [128, 255, 256, 1000, 1024, 4096, 8191, 65535, 131_072];
    let mixed: Vec<u8> = (0..131_072u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    for bits in 9..=15 {
        let offer =
            format!("permessage-deflate; client_max_window_bits={bits}; server_max_window_bits={bits}");
        let (mut sender, _) = connect(&offer, LIMIT);
        let (mut receiver, _) = connect("permessage-deflate; client_max_window_bits", LIMIT);
        for size in sizes {
            let mut out = Vec::new();
            sender.send_binary(&mixed[..size], &mut out).expect("open");
            let header = if out[1] < 126 {
                2
            } else if out[1] == 126 {
                4
            } else {
                10
            };
            let wire = frame(out[0], &out[header..]);
            let mut answers = Vec::new();
            let received = receiver.receive(&wire, &mut answers);
            assert_eq!(
                received.event,
                Event::Binary(&mixed[..size]),
                "{size} bytes, {bits} bits"
            );
        }
    }
}
