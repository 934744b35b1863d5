//! The wires that carry one request a connection: uwsgi and SCGI.
//!
//! ```text
//! receive:  Head ---> Body(n) ---> Complete      finish --> Closed
//!             |  \
//!             |   +-> Pinged --(reply)--> Closed
//!             +-----> Refused
//! ```
//!
//! Both are a block of variables with its length in front, then CONTENT_LENGTH bytes of body, then nothing. The answer
//! ends with the connection. What follows the body is never looked at.

use super::answer::{Answer, FirstLine};
use super::variables::{self, WithoutLength};
use super::{scgi, uwsgi};
use crate::event::{Event, Finished, Limits, Received, Stamp};
use crate::refusal::Refusal;
use crate::request::{BodyLength, RequestHead};
use crate::response::ResponseHead;

/// The state of a connection that speaks uwsgi or SCGI.
#[derive(Debug)]
pub struct OneRequest {
    wire: Wire,
    limits: Limits,
    stage: Stage,
    answer: Answer,
    first_line: FirstLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Uwsgi,
    Scgi,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Head,
    /// Bytes of the body still to come.
    Body(u64),
    Complete,
    Pinged,
    Refused(Refusal),
    Closed,
}

/// What the front of the input is.
pub(super) enum Block {
    NeedMore,
    /// The head's variables have been read; they took this many bytes.
    Request(usize),
    /// A question whether somebody is there, of this many bytes.
    Ping(usize),
}

impl OneRequest {
    /// A connection that speaks uwsgi.
    pub fn uwsgi(limits: Limits) -> OneRequest {
        OneRequest::new(Wire::Uwsgi, limits, FirstLine::StatusLine)
    }

    /// A connection that speaks SCGI, and how its answers begin.
    pub fn scgi(limits: Limits, first_line: FirstLine) -> OneRequest {
        OneRequest::new(Wire::Scgi, limits, first_line)
    }

    fn new(wire: Wire, limits: Limits, first_line: FirstLine) -> OneRequest {
        OneRequest {
            wire,
            limits,
            stage: Stage::Head,
            answer: Answer::default(),
            first_line,
        }
    }

    /// See [`Codec::receive`](crate::Codec::receive).
    pub fn receive(&mut self, input: &[u8], head: &mut RequestHead) -> Received {
        match &mut self.stage {
            Stage::Head => self.receive_head(input, head),
            Stage::Body(0) => {
                self.stage = Stage::Complete;
                let (used, event) = (0, Event::End);
                Received { used, event }
            }
            Stage::Body(_) if input.is_empty() => Received::need_more(0),
            Stage::Body(left) => {
                let length = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                Received {
                    used: length,
                    event: Event::Body(0..length),
                }
            }
            Stage::Complete => Received::need_more(0),
            Stage::Pinged | Stage::Closed => Received::need_more(input.len()),
            Stage::Refused(refusal) => Received {
                used: input.len(),
                event: Event::Refused(*refusal),
            },
        }
    }

    fn receive_head(&mut self, input: &[u8], head: &mut RequestHead) -> Received {
        if input.is_empty() {
            return Received::need_more(0);
        }
        let read = match self.wire {
            Wire::Uwsgi => uwsgi::read(input, self.limits.block, head),
            Wire::Scgi => scgi::read(input, self.limits.block, head),
        };
        let result = match read {
            Ok(Block::NeedMore) => return Received::need_more(0),
            Ok(Block::Ping(used)) => {
                self.stage = Stage::Pinged;
                let event = Event::Reply;
                return Received { used, event };
            }
            Ok(Block::Request(used)) => {
                variables::settle(head, WithoutLength::NoBody, self.limits.body).map(|()| used)
            }
            Err(refusal) => Err(refusal),
        };
        match result {
            Ok(used) => {
                self.answer = Answer::to(head);
                self.stage = Stage::Body(match head.body_length {
                    BodyLength::Known(bytes) => bytes,
                    BodyLength::None | BodyLength::Chunked => 0,
                });
                let event = Event::Head;
                Received { used, event }
            }
            Err(refusal) => {
                self.stage = Stage::Refused(refusal);
                Received {
                    used: input.len(),
                    event: Event::Refused(refusal),
                }
            }
        }
    }

    /// See [`Codec::awaiting_request`](crate::Codec::awaiting_request).
    pub fn awaiting_request(&self) -> bool {
        matches!(self.stage, Stage::Head)
    }

    /// See [`Codec::body_complete`](crate::Codec::body_complete).
    pub fn body_complete(&self) -> bool {
        matches!(self.stage, Stage::Body(0) | Stage::Complete | Stage::Head)
    }

    /// See [`Codec::body_remaining`](crate::Codec::body_remaining).
    pub fn body_remaining(&self) -> Option<u64> {
        match self.stage {
            Stage::Body(left) => Some(left),
            Stage::Complete | Stage::Head => Some(0),
            Stage::Pinged | Stage::Refused(_) | Stage::Closed => None,
        }
    }

    /// See [`Codec::repeat`](crate::Codec::repeat).
    pub fn repeat(&self, head: &RequestHead, body: &[u8], out: &mut Vec<u8>) {
        match self.wire {
            Wire::Uwsgi => uwsgi::write(head.as_received(), out),
            Wire::Scgi => scgi::write(head.as_received(), out),
        }
        out.extend_from_slice(body);
    }

    /// See [`Codec::send_head`](crate::Codec::send_head).
    pub fn send_head(&mut self, head: &ResponseHead, stamp: &Stamp, out: &mut Vec<u8>) {
        let first_line = self.first_line;
        self.answer.send_head(head, stamp, first_line, out);
    }

    /// See [`Codec::begin_data`](crate::Codec::begin_data).
    #[must_use]
    pub fn begin_data(&mut self, length: usize) -> usize {
        self.answer.allow(length)
    }

    /// See [`Codec::finish_with`](crate::Codec::finish_with).
    pub fn finish(&mut self) -> Finished {
        self.answer.finish();
        if !matches!(self.stage, Stage::Refused(_)) {
            self.stage = Stage::Closed;
        }
        Finished::Close
    }

    /// The answer as far as it has come.
    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// See [`Codec::refuse`](crate::Codec::refuse).
    pub fn refuse(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        if !matches!(self.stage, Stage::Refused(_)) {
            self.stage = Stage::Refused(*refusal);
        }
        self.send_error(refusal.status(), out);
    }

    /// See [`Codec::send_error`](crate::Codec::send_error).
    pub fn send_error(&mut self, status: u16, out: &mut Vec<u8>) {
        let first_line = self.first_line;
        if let Some(sentence) = self.answer.send_error(status, first_line, out) {
            out.extend_from_slice(sentence.as_bytes());
        }
    }

    /// See [`Codec::reply`](crate::Codec::reply).
    pub fn reply(&mut self, out: &mut Vec<u8>) -> Finished {
        out.extend_from_slice(uwsgi::PONG);
        self.stage = Stage::Closed;
        Finished::Close
    }
}
