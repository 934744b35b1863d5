//! What a gateway codec makes of some bytes, as text that can be compared: shared by the tables, the properties and the
//! fuzz targets, which include this file by its path.
//!
//! The lines: `GET /path?query [NAME=value, ...]` for a head, with its path decoded; `body ...` for all of a body that
//! came to its end; `end`; `reply ...` for what the codec says of its own accord; `aborted`; `close` when the answer ends the
//! connection; `wait` when the input ends inside a request; `400 reason` for a refusal.

use protocol::gateway::{FirstLine, OneRequest, fastcgi};
use protocol::{Codec, Event, Finished, Limits, RequestHead, ResponseHead};

pub(crate) use crate::cuts::STAMP;
use crate::{cuts, repeated};

/// Which wire is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Uwsgi,
    Scgi,
    Fastcgi,
}

pub(crate) fn codec(wire: Wire, limits: Limits) -> Codec {
    match wire {
        Wire::Uwsgi => Codec::OneRequest(OneRequest::uwsgi(limits)),
        Wire::Scgi => Codec::OneRequest(OneRequest::scgi(limits, FirstLine::StatusField)),
        Wire::Fastcgi => Codec::Fastcgi(Box::new(fastcgi::Codec::new(limits, FirstLine::StatusField))),
    }
}

/// Hands `input` to a codec, cut after each piece length in turn (the last one repeats), answers each request once it is
/// complete, and writes down what happened.
pub(crate) fn transcript(wire: Wire, input: &[u8], pieces: &[usize], limits: Limits) -> Vec<String> {
    let mut seen = Transcript {
        wire,
        limits,
        codec: codec(wire, limits),
        head: RequestHead::default(),
        lines: Vec::new(),
        body: Vec::new(),
    };
    let mut buffer = Vec::new();
    for piece in cuts::cut(input, pieces) {
        buffer.extend_from_slice(piece);
        if !seen.feed(&mut buffer) {
            return seen.lines;
        }
    }
    if !seen.codec.awaiting_request() || !buffer.is_empty() {
        seen.lines.push("wait".to_owned());
    }
    seen.lines
}

struct Transcript {
    wire: Wire,
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
            let mut finished = Finished::KeepAlive;
            match received.event {
                Event::NeedMore => {
                    buffer.drain(..received.used);
                    assert!(!self.codec.has_event(), "what can be told is told");
                    return true;
                }
                Event::Head => self.lines.push(head_line(&self.head)),
                Event::Body(range) => {
                    assert!(!range.is_empty(), "a piece of the body is never empty");
                    assert!(range.end <= received.used, "a piece of the body is used up");
                    self.body.extend_from_slice(&buffer[range]);
                }
                Event::Kept => self.codec.take_kept(&mut self.body),
                Event::Reply => {
                    let mut out = Vec::new();
                    finished = self.codec.reply(&mut out);
                    assert!(!out.is_empty(), "a reply says something");
                    self.lines.push(format!("reply {}", out.escape_ascii()));
                }
                Event::Aborted => {
                    self.lines.push("aborted".to_owned());
                    self.body.clear();
                    let mut out = Vec::new();
                    finished = self.codec.finish_with(&ResponseHead::default(), &mut out);
                }
                Event::End => {
                    if self.codec.is_repeatable() {
                        buffer.drain(..used);
                        used = repeated::move_on(
                            &mut self.codec,
                            codec(self.wire, self.limits),
                            &self.head,
                            &self.body,
                            buffer,
                        );
                    }
                    if !self.body.is_empty() {
                        self.lines.push(format!("body {}", self.body.escape_ascii()));
                        self.body.clear();
                    }
                    self.lines.push("end".to_owned());
                    assert!(self.codec.body_complete(), "after the end the body is complete");
                    finished = self.answer();
                }
                Event::Refused(refusal) => {
                    self.lines.push(format!("{} {refusal}", refusal.status()));
                    let mut out = Vec::new();
                    self.codec.refuse(&refusal, &STAMP, &mut out);
                    let next = self.codec.receive(b"\0\0\0\0", &mut self.head);
                    assert_eq!(
                        next.event,
                        Event::Refused(refusal),
                        "nothing is interpreted after a refusal"
                    );
                    return false;
                }
            }
            buffer.drain(..used);
            if finished == Finished::Close {
                self.lines.push("close".to_owned());
                return false;
            }
        }
    }

    fn answer(&mut self) -> Finished {
        let mut out = Vec::new();
        let mut head = ResponseHead::default();
        head.set_status(b"200 OK").expect("a valid status");
        self.codec.send_head(&head, &STAMP, false, &mut out);
        let allowed = self.codec.begin_data(2, &mut out);
        out.extend_from_slice(&b"ok"[..allowed]);
        self.codec.end_data(&mut out);
        self.codec.finish_with(&ResponseHead::default(), &mut out)
    }
}

fn head_line(head: &RequestHead) -> String {
    let mut path = Vec::new();
    head.decoded_path(&mut path);
    let mut line = format!("{} {}", head.method().escape_ascii(), path.escape_ascii());
    if !head.query().is_empty() {
        line.push_str(&format!("?{}", head.query().escape_ascii()));
    }
    let fields: Vec<String> = head
        .fields()
        .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
        .collect();
    line.push_str(&format!(" [{}]", fields.join(", ")));
    line
}

/// The promise: see [`cuts::check_cuts_change_nothing`].
pub(crate) fn check_cuts_change_nothing(wire: Wire, input: &[u8], pieces: &[usize], limits: Limits) {
    cuts::check_cuts_change_nothing(input, pieces, |pieces| transcript(wire, input, pieces, limits));
}
