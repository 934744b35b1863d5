//! One connection's protocol state, whatever the wire.
//!
//! The worker drives every connection through [`Codec`]; which wire is spoken is decided when the connection is
//! accepted and never again. Each call is one match: there is nothing to gain from a virtual table for so few wires.

use crate::event::{Finished, Received, Stamp};
use crate::http1;
use crate::refusal::Refusal;
use crate::request::RequestHead;
use crate::response::ResponseHead;

/// The codec of one connection.
#[derive(Debug)]
pub enum Codec {
    /// HTTP/1.0 and 1.1.
    Http1(http1::Codec),
}

/// Calls the same method of whichever codec there is.
macro_rules! whichever {
    ($codec:expr, $name:ident => $call:expr) => {
        match $codec {
            Codec::Http1($name) => $call,
        }
    };
}

impl Codec {
    /// Looks at the front of `input` - everything received and not yet used up - and says what it is.
    ///
    /// `head` is filled when the event is [`Event::Head`](crate::Event::Head) and is undefined after
    /// [`Event::NeedMore`](crate::Event::NeedMore) and [`Event::Refused`](crate::Event::Refused) between requests; it is
    /// left alone while a body is received. The next request is not looked at before the answer to the one before it is
    /// finished.
    #[inline]
    pub fn receive(&mut self, input: &[u8], head: &mut RequestHead) -> Received {
        whichever!(self, codec => codec.receive(input, head))
    }

    /// Between two requests, with nothing of the next one seen: the connection is idle.
    pub fn awaiting_request(&self) -> bool {
        whichever!(self, codec => codec.awaiting_request())
    }

    /// The current request's body has been received entirely.
    pub fn body_complete(&self) -> bool {
        whichever!(self, codec => codec.body_complete())
    }

    /// Bytes of the body still to come; `None` when that is not known.
    pub fn body_remaining(&self) -> Option<u64> {
        whichever!(self, codec => codec.body_remaining())
    }

    /// Tells the client to send the body, if it waits for that. At most once, and not after a head.
    pub fn send_continue(&mut self, out: &mut Vec<u8>) {
        whichever!(self, codec => codec.send_continue(out));
    }

    /// Writes the answer's head; a 1xx one is an interim answer. `close`: the server wants the connection to end after
    /// this answer. Does nothing when a head has been sent.
    #[inline]
    pub fn send_head(&mut self, head: &ResponseHead, stamp: &Stamp, close: bool, out: &mut Vec<u8>) {
        whichever!(self, codec => codec.send_head(head, stamp, close, out));
    }

    /// How many of `length` body bytes may be sent now; the surplus beyond what the answer may have must be dropped.
    /// Writes what has to stand before them.
    #[must_use]
    #[inline]
    pub fn begin_data(&mut self, length: usize, out: &mut Vec<u8>) -> usize {
        whichever!(self, codec => codec.begin_data(length, out))
    }

    /// Ends what [`begin_data`](Codec::begin_data) began, after the bytes it allowed.
    #[inline]
    pub fn end_data(&mut self, out: &mut Vec<u8>) {
        whichever!(self, codec => codec.end_data(out));
    }

    /// The answer is complete: writes its end, with the fields of `trailers` where the wire has a place for them, and
    /// says whether the connection stays.
    #[inline]
    pub fn finish_with(&mut self, trailers: &ResponseHead, out: &mut Vec<u8>) -> Finished {
        whichever!(self, codec => codec.finish_with(trailers, out))
    }

    /// The application wrote more than its answer may have; the rest was dropped.
    pub fn surplus(&self) -> bool {
        whichever!(self, codec => codec.surplus())
    }

    /// The application wrote less than it had promised; known once the answer is finished.
    pub fn short(&self) -> bool {
        whichever!(self, codec => codec.short())
    }

    /// All bytes that Content-Length promised have been sent.
    pub fn promise_kept(&self) -> bool {
        whichever!(self, codec => codec.promise_kept())
    }

    /// A final head was sent and its answer is not finished.
    pub fn head_sent(&self) -> bool {
        whichever!(self, codec => codec.head_sent())
    }

    /// Writes the whole answer to a refused request, if the wire has one; the connection ends with it.
    pub fn refuse(&mut self, refusal: &Refusal, stamp: &Stamp, out: &mut Vec<u8>) {
        whichever!(self, codec => codec.refuse(refusal, stamp, out));
    }

    /// Writes a whole answer of the server's own for the current request: a status and a sentence. Then the answer has
    /// to be [finished](Codec::finish_with). Does nothing when a head has been sent.
    pub fn send_error(&mut self, status: u16, stamp: &Stamp, close: bool, out: &mut Vec<u8>) {
        whichever!(self, codec => codec.send_error(status, stamp, close, out));
    }
}
