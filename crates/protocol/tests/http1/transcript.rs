//! What a codec makes of some bytes, as text that can be compared: shared by the tables, the properties
//! and the fuzz target, which includes this file by its path.
//!
//! The transcript of a connection is a list of lines: `GET /path?query [Name=value, ...]` for a head, `body ...`
//! for all of a body, `end` for a complete request, `close` when the answer ends the connection, `wait` when the
//! input ends inside a request, and `400 reason` for a refusal.

use protocol::http1;
use protocol::{Codec, Event, Finished, Limits, RequestHead, ResponseHead, Version};

pub(crate) use crate::cuts::STAMP;
use crate::{cuts, repeated};

/// Hands `wire` to a codec, cut after each piece length in turn (the last one repeats), answers each
/// request once it is complete, and writes down what happened.
pub(crate) fn transcript(wire: &[u8], pieces: &[usize], limits: Limits) -> Vec<String> {
    let mut seen = Transcript {
        limits,
        codec: Codec::Http1(http1::Codec::new(limits)),
        head: RequestHead::default(),
        lines: Vec::new(),
        body: Vec::new(),
    };
    let mut buffer = Vec::new();
    for piece in cuts::cut(wire, pieces) {
        buffer.extend_from_slice(piece);
        if !seen.feed(&mut buffer) {
            return seen.lines;
        }
    }
    if !seen.codec.awaiting_request() || !buffer.is_empty() {
        seen.flush_body();
        seen.lines.push("wait".to_owned());
    }
    seen.lines
}

struct Transcript {
    limits: Limits,
    codec: Codec,
    head: RequestHead,
    lines: Vec<String>,
    body: Vec<u8>,
}

impl Transcript {
    /// False when the connection is over.
    fn feed(&mut self, buffer: &mut Vec<u8>) -> bool {
        loop {
            let received = self.codec.receive(buffer, &mut self.head);
            assert!(
                received.used <= buffer.len(),
                "the codec used more than there was"
            );
            let mut used = received.used;
            match received.event {
                Event::NeedMore => {
                    buffer.drain(..received.used);
                    return true;
                }
                Event::Head => self.lines.push(head_line(&self.head)),
                Event::Body(range) => {
                    assert!(!range.is_empty(), "a piece of the body is never empty");
                    assert!(range.end <= received.used, "a piece of the body is used up");
                    self.body.extend_from_slice(&buffer[range]);
                }
                Event::Kept | Event::Reply | Event::Aborted => panic!("HTTP/1 has no such events"),
                Event::End => {
                    buffer.drain(..used);
                    let fresh = Codec::Http1(http1::Codec::new(self.limits));
                    used = repeated::move_on(&mut self.codec, fresh, &self.head, &self.body, buffer);
                    self.flush_body();
                    self.lines.push("end".to_owned());
                    assert!(self.codec.body_complete(), "after the end the body is complete");
                    if self.answer() == Finished::Close {
                        self.lines.push("close".to_owned());
                        return false;
                    }
                }
                Event::Refused(refusal) => {
                    self.flush_body();
                    self.lines.push(format!("{} {refusal}", refusal.status()));
                    let mut out = Vec::new();
                    self.codec.refuse(&refusal, &STAMP, &mut out);
                    assert!(!out.is_empty(), "a refusal is answered");
                    let trailers = ResponseHead::default();
                    assert_eq!(self.codec.finish_with(&trailers, &mut out), Finished::Close);
                    let next = self
                        .codec
                        .receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &mut self.head);
                    assert_eq!(
                        next.event,
                        Event::Refused(refusal),
                        "nothing is interpreted after a refusal"
                    );
                    return false;
                }
            }
            buffer.drain(..used);
        }
    }

    fn answer(&mut self) -> Finished {
        let mut out = Vec::new();
        let mut head = ResponseHead::default();
        head.set_status(b"204 No Content").expect("a valid status");
        self.codec.send_continue(&mut out);
        self.codec.send_head(&head, &STAMP, false, &mut out);
        self.codec.finish_with(&ResponseHead::default(), &mut out)
    }

    fn flush_body(&mut self) {
        if !self.body.is_empty() {
            self.lines.push(format!("body {}", self.body.escape_ascii()));
            self.body.clear();
        }
    }
}

fn head_line(head: &RequestHead) -> String {
    let mut line = format!("{} {}", head.method().escape_ascii(), head.path().escape_ascii());
    if !head.query().is_empty() {
        line.push_str(&format!("?{}", head.query().escape_ascii()));
    }
    let fields: Vec<String> = head
        .fields()
        .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
        .collect();
    line.push_str(&format!(" [{}]", fields.join(", ")));
    if head.version() == Version::Http10 {
        line.push_str(" 1.0");
    }
    if head.expects_continue() {
        line.push_str(" expects");
    }
    line
}

/// The promise: see [`cuts::check_cuts_change_nothing`].
pub(crate) fn check_cuts_change_nothing(wire: &[u8], pieces: &[usize], limits: Limits) {
    cuts::check_cuts_change_nothing(wire, pieces, |pieces| transcript(wire, pieces, limits));
}
