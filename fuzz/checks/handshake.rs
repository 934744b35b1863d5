//! Promise: reading the fields of a WebSocket handshake never panics, what is agreed on was offered, and a 101 says nothing
//! but what it is made of: one line a field.
//!
//! The input is the fields of a request that otherwise asks for a WebSocket in due form, or, by the first byte, all fields.
//!
//! Run by the fuzz target of this name, and with kept inputs by `crates/protocol/tests/fuzz`.

use protocol::http1::Codec;
use protocol::websocket::{self, Compression, Handshake};
use protocol::{Event, Limits, RequestHead, ResponseHead, Stamp};

const STAMP: Stamp = Stamp {
    date: *b"Tue, 15 Nov 1994 08:12:31 GMT",
    server: "penstock",
    dated: true,
    added: "",
};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let [choice, fields @ ..] = input else {
        return;
    };
    let due: &[u8] = match choice % 2 {
        0 => b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        _ => b"",
    };
    let wire = [b"GET / HTTP/1.1\r\nHost: a\r\n", due, fields, b"\r\n\r\n"].concat();
    let mut head = RequestHead::default();
    if Codec::new(Limits::default()).receive(&wire, &mut head).event != Event::Head {
        return;
    }
    let Ok(Some(handshake)) = Handshake::read(&head, Some(&Compression::default())) else {
        return;
    };
    let offered = |name: &str, text: &str| {
        let mut values = head
            .fields()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
        values.any(|(_, value)| value.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    let extensions = "Sec-WebSocket-Extensions";
    assert!(!handshake.is_compressed() || offered(extensions, "permessage-deflate"));
    for name in handshake.subprotocols() {
        assert!(offered("Sec-WebSocket-Protocol", name));
        let mut answer = Vec::new();
        let limits = websocket::Limits::default();
        let accepted = handshake.accept(Some(name), &ResponseHead::default(), &STAMP, limits, &mut answer);
        assert!(accepted.is_ok());
        let text = String::from_utf8(answer).expect("names are ASCII");
        let lines: Vec<&str> = text.split("\r\n").collect();
        let extra = usize::from(handshake.is_compressed());
        assert_eq!(lines.len(), 9 + extra, "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains(['\r', '\n'])));
    }
}
