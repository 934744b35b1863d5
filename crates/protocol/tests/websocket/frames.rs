//! Frames and the events they make, in the order of the Autobahn test suite's chapters (1 to 7, 9 and 10). Each row
//! is run whole, byte by byte, cut in two at every place, and with a message after it.

use crate::transcript::transcript;
use crate::wire::{
    BINARY, BINARY_BEGINS, CLOSE, COMPRESSED, ENDS, GOES_ON, PING, PONG, TEXT, TEXT_BEGINS, closing, frame,
    frames,
};

const LIMIT: usize = 70_000;

/// What it is, the wire, and its transcript.
type Row = (&'static str, Vec<u8>, Vec<String>);

fn row(name: &'static str, wire: Vec<u8>, expected: &[&str]) -> Row {
    (name, wire, expected.iter().map(|&line| line.to_owned()).collect())
}

fn run(table: &[Row]) {
    for (name, wire, expected) in table {
        let see = |wire: &[u8], pieces: &[usize]| transcript(wire, pieces, "", LIMIT);
        assert_eq!(see(wire, &[usize::MAX]), *expected, "{name}: whole");
        assert_eq!(see(wire, &[1]), *expected, "{name}: byte by byte");
        for cut in 1..wire.len().min(300) {
            assert_eq!(see(wire, &[cut, usize::MAX]), *expected, "{name}: cut at {cut}");
        }
        let followed = [wire.as_slice(), &frame(TEXT, b"next")].concat();
        let is_over = |line: &String| line.starts_with("close") || line.starts_with("failed");
        let mut all = expected.clone();
        if !expected.iter().any(is_over) {
            all.push("text \"next\"".to_owned());
        }
        assert_eq!(see(&followed, &[usize::MAX]), all, "{name}: followed, whole");
        assert_eq!(see(&followed, &[1]), all, "{name}: followed, byte by byte");
    }
}

/// The rows of a rule that ends the connection: the event and the close frame, whose reason is the failure's.
fn failed(name: &'static str, wire: Vec<u8>, before: &[&str], code: u16, reason: &str) -> Row {
    let mut expected: Vec<String> = before.iter().map(|&line| line.to_owned()).collect();
    expected.push(format!("failed {code} {reason}"));
    let length = 2 + reason.len();
    let payload = crate::transcript::hex(&closing(code, reason));
    expected.push(format!("sent 88{length:02x}{payload}"));
    (name, wire, expected)
}

#[test]
fn messages_of_every_size_arrive() {
    let mut table = vec![
        row("1.1.1 empty text", frame(TEXT, b""), &["text \"\""]),
        row("1.2.1 empty binary", frame(BINARY, b""), &["binary "]),
        row("text", frame(TEXT, b"Hello"), &["text \"Hello\""]),
        row("binary", frame(BINARY, &[0, 255]), &["binary 00ff"]),
    ];
    for length in [125, 126, 127, 128, 65535, 65536, LIMIT] {
        table.push(row(
            "text of some length",
            frame(TEXT, &vec![b'*'; length]),
            &[&format!("text of {length}")],
        ));
        table.push(row(
            "binary of some length",
            frame(BINARY, &vec![0xFE; length]),
            &[&format!("binary of {length}")],
        ));
    }
    for (name, wire, expected) in &table {
        let see = |pieces: &[usize]| transcript(wire, pieces, "", LIMIT);
        assert_eq!(see(&[usize::MAX]), *expected, "{name}: whole");
        assert_eq!(see(&[1]), *expected, "{name}: byte by byte");
        assert_eq!(see(&[997]), *expected, "{name}: in pieces of 997 bytes");
    }
}

#[test]
fn pings_are_answered_and_pongs_are_not() {
    let longest = vec![0xFE; 125];
    run(&[
        row("2.1 empty", frame(PING, b""), &["ping ", "sent 8a00"]),
        row("2.2 payload", frame(PING, b"ab"), &["ping 6162", "sent 8a026162"]),
        row(
            "2.4 the longest",
            frame(PING, &longest),
            &["ping of 125", "sent of 127"],
        ),
        failed(
            "2.5 one byte more",
            frame(PING, &[0xFE; 126]),
            &[],
            1002,
            "control frame longer than 125 bytes",
        ),
        row("2.7 pong unasked for", frame(PONG, b""), &["pong "]),
        row("2.8 with payload", frame(PONG, b"x"), &["pong 78"]),
        row(
            "2.9 pong, then ping",
            frames(&[(PONG, b"u"), (PING, b"p")]),
            &["pong 75", "ping 70", "sent 8a0170"],
        ),
        row(
            "2.10 several",
            frames(&[(PING, b"1"), (PING, b"2"), (PING, b"3")]),
            &[
                "ping 31",
                "sent 8a0131",
                "ping 32",
                "sent 8a0132",
                "ping 33",
                "sent 8a0133",
            ],
        ),
    ]);
}

#[test]
fn reserved_bits_and_opcodes_end_the_connection() {
    let mut table = vec![failed(
        "3.2 after a message",
        frames(&[(TEXT, b"Hello"), (TEXT | 0x20, b"x"), (PING, b"")]),
        &["text \"Hello\""],
        1002,
        "reserved bit set",
    )];
    for bits in 1..8 {
        for first in [TEXT, BINARY, PING, PONG, CLOSE, ENDS] {
            table.push(failed(
                "3 reserved bits",
                frame(first | bits << 4, b""),
                &[],
                1002,
                "reserved bit set",
            ));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        table.push(failed(
            "4 reserved opcodes",
            frame(0x80 | opcode, b"x"),
            &[],
            1002,
            "reserved opcode",
        ));
    }
    run(&table);
}

#[test]
fn messages_are_joined_from_fragments() {
    run(&[
        row(
            "5.3 two fragments",
            frames(&[(TEXT_BEGINS, b"frag"), (ENDS, b"ment")]),
            &["text \"fragment\""],
        ),
        row(
            "5.6 a ping in between",
            frames(&[(TEXT_BEGINS, b"frag"), (PING, b"p"), (ENDS, b"ment")]),
            &["ping 70", "sent 8a0170", "text \"fragment\""],
        ),
        row(
            "5.19 several, with pings",
            frames(&[
                (BINARY_BEGINS, &[1]),
                (GOES_ON, &[2]),
                (PING, b""),
                (GOES_ON, &[]),
                (PONG, b""),
                (ENDS, &[3]),
            ]),
            &["ping ", "sent 8a00", "pong ", "binary 010203"],
        ),
        row(
            "6.1 empty fragments",
            frames(&[(TEXT_BEGINS, b""), (GOES_ON, b""), (ENDS, b"")]),
            &["text \"\""],
        ),
        row("an unfinished message", frames(&[(TEXT, b"a")]), &["text \"a\""]),
        failed(
            "5.1 fragmented ping",
            frames(&[(PING & 0x7F, b"frag"), (ENDS, b"ment")]),
            &[],
            1002,
            "fragmented control frame",
        ),
        failed(
            "5.2 fragmented pong",
            frame(PONG & 0x7F, b""),
            &[],
            1002,
            "fragmented control frame",
        ),
        failed(
            "fragmented close",
            frame(CLOSE & 0x7F, b""),
            &[],
            1002,
            "fragmented control frame",
        ),
        failed(
            "5.9 continuation of nothing",
            frames(&[(ENDS, b"x"), (TEXT, b"y")]),
            &[],
            1002,
            "continuation without a message",
        ),
        failed(
            "5.11 the same without FIN",
            frame(GOES_ON, b"x"),
            &[],
            1002,
            "continuation without a message",
        ),
        failed(
            "5.16 continuation after the end",
            frames(&[(TEXT_BEGINS, b"a"), (ENDS, b"b"), (ENDS, b"c")]),
            &["text \"ab\""],
            1002,
            "continuation without a message",
        ),
        failed(
            "5.18 a message in a message",
            frames(&[(TEXT_BEGINS, b"a"), (TEXT, b"b")]),
            &[],
            1002,
            "new message inside a fragmented one",
        ),
    ]);
}

#[test]
fn frames_out_of_form_end_the_connection() {
    let masked_length = |bytes: &[u8]| [bytes, &[0; 4]].concat();
    run(&[
        failed("unmasked", vec![TEXT, 1, b'x'], &[], 1002, "frame without mask"),
        failed("unmasked ping", vec![PING, 0], &[], 1002, "frame without mask"),
        failed(
            "125 in two bytes",
            masked_length(&[BINARY, 0x80 | 126, 0, 125]),
            &[],
            1002,
            "length in more bytes than needed",
        ),
        failed(
            "65535 in eight bytes",
            masked_length(&[BINARY, 0x80 | 127, 0, 0, 0, 0, 0, 0, 255, 255]),
            &[],
            1002,
            "length in more bytes than needed",
        ),
        failed(
            "2^63",
            masked_length(&[BINARY, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            &[],
            1002,
            "length of 2^63 or more",
        ),
        failed(
            "compressed without agreement",
            frame(TEXT | COMPRESSED, b"x"),
            &[],
            1002,
            "reserved bit set",
        ),
    ]);
}

#[test]
fn a_message_beyond_the_limit_ends_the_connection() {
    let half = vec![b'x'; LIMIT / 2];
    let expected = failed("", vec![], &[], 1009, "message exceeds its limit").2;
    let table = [
        (
            "announced",
            vec![
                BINARY,
                0x80 | 127,
                0x7F,
                255,
                255,
                255,
                255,
                255,
                255,
                255,
                0,
                0,
                0,
                0,
            ],
        ),
        ("one byte more", frame(TEXT, &vec![b'x'; LIMIT + 1])),
        (
            "in fragments",
            frames(&[(TEXT_BEGINS, &half), (GOES_ON, &half), (ENDS, b"x")]),
        ),
    ];
    for (name, wire) in table {
        for piece in [1, 1000, usize::MAX] {
            assert_eq!(transcript(&wire, &[piece], "", LIMIT), expected, "{name}");
        }
    }
    let fits = frames(&[(TEXT_BEGINS, &half), (ENDS, &half), (TEXT, &half)]);
    assert_eq!(
        transcript(&fits, &[1000], "", LIMIT),
        [format!("text of {LIMIT}"), format!("text of {}", LIMIT / 2)]
    );
}

/// Kept in sequence with UTF-8's definition, RFC 3629.
const GOOD_TEXT: [&str; 8] = [
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}",
    "\u{D7FF}\u{E000}\u{FFFD}",
    "\0\u{7F}",
    "\u{FFFE}\u{1FFFE}",
    "𠜎",
    "",
];

const BAD_TEXT: [&[u8]; 16] = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\x80",
    b"\xbf\xbf",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"a\xcez",
];

#[test]
fn text_is_utf8_wherever_it_is_cut() {
    for text in GOOD_TEXT {
        let expected = [format!("text {text:?}")];
        for cut in 0..=text.len() {
            let (front, back) = text.as_bytes().split_at(cut);
            let wire = frames(&[(TEXT_BEGINS, front), (GOES_ON, b""), (ENDS, back)]);
            assert_eq!(transcript(&wire, &[usize::MAX], "", LIMIT), expected);
            assert_eq!(transcript(&wire, &[1], "", LIMIT), expected);
        }
    }
    let mut table = Vec::new();
    for text in BAD_TEXT {
        let reason = "text is not UTF-8";
        table.push(failed("6 whole", frame(TEXT, text), &[], 1007, reason));
        for cut in 0..=text.len() {
            let (front, back) = text.split_at(cut);
            let wire = frames(&[(TEXT_BEGINS, front), (ENDS, back)]);
            table.push(failed("6 in fragments", wire, &[], 1007, reason));
        }
    }
    for cut in ["\u{7FF}", "\u{FFFF}", "\u{10FFFF}"] {
        for length in 1..cut.len() {
            let wire = frame(TEXT, &cut.as_bytes()[..length]);
            table.push(failed(
                "6.4 ends inside a character",
                wire,
                &[],
                1007,
                "text is not UTF-8",
            ));
        }
    }
    run(&table);
}

#[test]
fn bad_text_ends_the_connection_before_its_frame_has_ended() {
    let mut wire = frame(TEXT, b"\xce\xba\xed\xa0\x80 and much that never comes");
    wire.truncate(6 + 4);
    let lines = transcript(&wire, &[1], "", LIMIT);
    assert_eq!(lines[0], "failed 1007 text is not UTF-8");
    let fragment = frame(TEXT_BEGINS, b"\xf4\x90");
    let lines = transcript(&fragment, &[usize::MAX], "", LIMIT);
    assert_eq!(lines[0], "failed 1007 text is not UTF-8");
}

#[test]
fn closes_are_echoed_if_their_code_may_be_sent() {
    let longest = "x".repeat(123);
    let mut table = vec![
        row("7.3.1 empty", frame(CLOSE, b""), &["close 1005 ", "sent 8800"]),
        row(
            "7.3.3 code",
            frame(CLOSE, &closing(1000, "")),
            &["close 1000 ", "sent 880203e8"],
        ),
        row(
            "7.3.4 reason",
            frame(CLOSE, &closing(1000, "Hello \u{10FFFF}")),
            &["close 1000 Hello \u{10FFFF}", "sent 880203e8"],
        ),
        row(
            "7.3.5 the longest reason",
            frame(CLOSE, &closing(1000, &longest)),
            &[&format!("close 1000 {longest}"), "sent 880203e8"],
        ),
        row(
            "7.1.2 twice",
            frames(&[(CLOSE, b""), (CLOSE, b"")]),
            &["close 1005 ", "sent 8800"],
        ),
        row(
            "7.1.3 a ping after it",
            frames(&[(CLOSE, b""), (PING, b"")]),
            &["close 1005 ", "sent 8800"],
        ),
        row(
            "7.1.5 inside a message",
            frames(&[(TEXT_BEGINS, b"a"), (CLOSE, b""), (ENDS, b"b")]),
            &["close 1005 ", "sent 8800"],
        ),
        failed(
            "7.3.2 one byte",
            frame(CLOSE, b"a"),
            &[],
            1002,
            "close frame with one byte",
        ),
        failed(
            "7.3.6 too long",
            frame(CLOSE, &closing(1000, &"x".repeat(124))),
            &[],
            1002,
            "control frame longer than 125 bytes",
        ),
        failed(
            "7.5.1 reason not UTF-8",
            frame(CLOSE, b"\x03\xe8\xce\xba\xed\xa0\x80"),
            &[],
            1007,
            "close reason is not UTF-8",
        ),
    ];
    for code in [
        1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
    ] {
        table.push(row(
            "7.7 a code that may be sent",
            frame(CLOSE, &closing(code, "")),
            &[&format!("close {code} "), &format!("sent 8802{code:04x}")],
        ));
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        table.push(failed(
            "7.9 a code that may not",
            frame(CLOSE, &closing(code, "")),
            &[],
            1002,
            "close code that may not be sent",
        ));
    }
    run(&table);
}

#[test]
fn large_messages_arrive_in_fragments_of_any_size() {
    let text = vec![b'*'; 1 << 16];
    for size in [1, 64, 1000, 4096, 1 << 16] {
        let mut wire = frame(TEXT_BEGINS, b"");
        for fragment in text.chunks(size) {
            wire.extend(frame(GOES_ON, fragment));
        }
        wire.extend(frame(ENDS, b""));
        for piece in [usize::MAX, 1300, 7] {
            assert_eq!(
                transcript(&wire, &[piece], "", LIMIT),
                ["text of 65536"],
                "{size}"
            );
        }
    }
}

#[test]
fn a_flood_of_empty_fragments_is_one_message() {
    let mut wire = frame(TEXT_BEGINS, b"");
    for _ in 0..50_000 {
        wire.extend(frame(GOES_ON, b""));
    }
    wire.extend(frame(ENDS, b"x"));
    assert_eq!(transcript(&wire, &[4096], "", 10), ["text \"x\""]);
}
