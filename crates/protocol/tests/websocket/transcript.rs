//! What a codec makes of some bytes, as text that can be compared: shared by the tables, the properties and the
//! fuzz target, which includes this file by its path.
//!
//! A transcript has a line for each event - `text "..."`, `binary ..`, `ping ..`, `pong ..`, `close 1000 ...`,
//! `failed 1002 ...` - with payloads in hexadecimal, long ones by their length alone, and `sent ..` after the event
//! that made the codec send something.

use protocol::websocket::{Codec, Compression, Event, Handshake, Limits};
use protocol::{RequestHead, ResponseHead, http1};

use crate::cuts;
pub(crate) use crate::cuts::STAMP;

/// A WebSocket whose client offered `extensions`, and the 101 it got.
pub(crate) fn connect(extensions: &str, limit: usize) -> (Codec, String) {
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
    );
    let mut head = RequestHead::default();
    http1::Codec::new(protocol::Limits::default()).receive(request.as_bytes(), &mut head);
    let handshake = Handshake::read(&head, Some(&Compression::default()))
        .expect("a valid handshake")
        .expect("a handshake");
    let mut answer = Vec::new();
    let limits = Limits { message: limit };
    let codec = handshake
        .accept(None, &ResponseHead::default(), &STAMP, limits, &mut answer)
        .expect("an acceptance without anything special");
    (codec, String::from_utf8(answer).expect("an answer in ASCII"))
}

/// Hands `wire` to a codec, cut after each piece length in turn (the last one repeats), and writes down what
/// happened.
pub(crate) fn transcript(wire: &[u8], pieces: &[usize], extensions: &str, limit: usize) -> Vec<String> {
    let (mut codec, _) = connect(extensions, limit);
    let mut lines = Vec::new();
    let mut buffer = Vec::new();
    for piece in cuts::cut(wire, pieces) {
        buffer.extend_from_slice(piece);
        feed(&mut codec, &mut buffer, &mut lines);
        assert!(buffer.len() <= 131, "the codec left {} bytes", buffer.len());
    }
    lines
}

fn feed(codec: &mut Codec, buffer: &mut Vec<u8>, lines: &mut Vec<String>) {
    loop {
        let mut out = Vec::new();
        let received = codec.receive(buffer, &mut out);
        let line = line(&received.event);
        let used = received.used;
        if let Event::Failed(failure) = received.event {
            codec.fail(failure, &mut out);
        }
        assert!(used <= buffer.len(), "the codec used more than there was");
        buffer.drain(..used);
        let Some(line) = line else {
            assert!(out.is_empty(), "something was sent without an event");
            return;
        };
        lines.push(line);
        if !out.is_empty() {
            lines.push(format!("sent {}", hex(&out)));
        }
    }
}

fn line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::NeedMore => return None,
        Event::Text(text) if text.len() > 64 => format!("text of {}", text.len()),
        Event::Text(text) => format!("text {text:?}"),
        Event::Binary(data) => format!("binary {}", hex(data)),
        Event::Ping(payload) => format!("ping {}", hex(payload)),
        Event::Pong(payload) => format!("pong {}", hex(payload)),
        Event::Close { code, reason } => format!("close {code} {reason}"),
        Event::Failed(failure) => format!("failed {} {failure}", failure.code()),
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    if bytes.len() > 64 {
        return format!("of {}", bytes.len());
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The promise: see [`cuts::check_cuts_change_nothing`].
pub(crate) fn check_cuts_change_nothing(wire: &[u8], pieces: &[usize], extensions: &str, limit: usize) {
    cuts::check_cuts_change_nothing(wire, pieces, |pieces| transcript(wire, pieces, extensions, limit));
}
