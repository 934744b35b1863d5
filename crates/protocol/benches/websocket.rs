//! What a WebSocket message costs in the codec: received, sent, and there and back compressed.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use protocol::websocket::{Codec, Compression, Event, Handshake, Limits};
use protocol::{RequestHead, ResponseHead};
use protocol::{Stamp, http1};

const STAMP: Stamp = Stamp {
    date: *b"Tue, 15 Nov 1994 08:12:31 GMT",
    server: "penstock",
    dated: true,
    added: "",
};
const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
const SIZES: [usize; 3] = [32, 1024, 65536];

fn main() {
    divan::main();
}

fn connect(compression: Option<&Compression>) -> Codec {
    let mut head = RequestHead::default();
    http1::Codec::new(protocol::Limits::default()).receive(REQUEST, &mut head);
    Handshake::read(&head, compression)
        .expect("a valid handshake")
        .expect("a handshake")
        .accept(
            None,
            &ResponseHead::default(),
            &STAMP,
            Limits::default(),
            &mut Vec::new(),
        )
        .expect("an acceptance")
}

/// A client's frame with that first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut wire = vec![first, 0x80 | 127];
    match payload.len() {
        length @ ..126 => wire[1] = 0x80 | length as u8,
        length @ ..65536 => {
            wire[1] = 0x80 | 126;
            wire.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => wire.extend_from_slice(&(length as u64).to_be_bytes()),
    }
    wire.extend_from_slice(&MASK);
    wire.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    wire
}

#[divan::bench(args = SIZES)]
fn receive_text(bencher: Bencher<'_, '_>, size: usize) {
    let wire = masked(0x81, &vec![b'x'; size]);
    let (mut codec, mut out) = (connect(None), Vec::new());
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let received = codec.receive(black_box(&wire), &mut out);
        assert!(matches!(received.event, Event::Text(_)));
    });
}

#[divan::bench(args = SIZES)]
fn send_text(bencher: Bencher<'_, '_>, size: usize) {
    let text = "x".repeat(size);
    let (mut codec, mut out) = (connect(None), Vec::new());
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        codec.send_text(black_box(&text), &mut out)
    });
}

#[divan::bench(args = SIZES)]
fn echo_compressed(bencher: Bencher<'_, '_>, size: usize) {
    let words: String = (0..size)
        .map(|at| char::from(b'a' + (at * at % 11) as u8))
        .collect();
    let wanted = Compression {
        threshold: 0,
        ..Compression::default()
    };
    let (mut sender, mut receiver, mut out) = (connect(Some(&wanted)), connect(Some(&wanted)), Vec::new());
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        sender
            .send_text(black_box(&words), &mut out)
            .expect("an open WebSocket");
        let header = match out[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let wire = masked(out[0], &out[header..]);
        assert!(matches!(receiver.receive(&wire, &mut out).event, Event::Text(_)));
    });
}
