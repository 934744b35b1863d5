//! One connection's protocol state, whatever the wire.
//!
//! The worker drives every connection through [`Codec`]; which wire is spoken is decided when the connection is
//! accepted and never again. Each call is one match: there is nothing to gain from a virtual table for so few wires.

use crate::event::{Finished, Received, Stamp};
use crate::gateway::{self, fastcgi};
use crate::http1;
use crate::refusal::Refusal;
use crate::request::RequestHead;
use crate::response::ResponseHead;

/// The codec of one connection.
#[derive(Debug)]
pub enum Codec {
    /// HTTP/1.0 and 1.1.
    Http1(http1::Codec),
    /// uwsgi or SCGI.
    OneRequest(gateway::OneRequest),
    /// FastCGI. Boxed: it is larger than the others, and other connections shall not pay for it.
    Fastcgi(Box<fastcgi::Codec>),
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
        match self {
            Codec::Http1(codec) => codec.receive(input, head),
            Codec::OneRequest(codec) => codec.receive(input, head),
            Codec::Fastcgi(codec) => codec.receive(input, head),
        }
    }

    /// Between two requests, with nothing of the next one seen: the connection is idle.
    pub fn awaiting_request(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.awaiting_request(),
            Codec::OneRequest(codec) => codec.awaiting_request(),
            Codec::Fastcgi(codec) => codec.awaiting_request(),
        }
    }

    /// The current request's body has been received entirely.
    pub fn body_complete(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.body_complete(),
            Codec::OneRequest(codec) => codec.body_complete(),
            Codec::Fastcgi(codec) => codec.body_complete(),
        }
    }

    /// Bytes of the body still to come; `None` when that is not known.
    pub fn body_remaining(&self) -> Option<u64> {
        match self {
            Codec::Http1(codec) => codec.body_remaining(),
            Codec::OneRequest(codec) => codec.body_remaining(),
            Codec::Fastcgi(codec) => codec.body_remaining(),
        }
    }

    /// The current request is here entirely, and nothing of another one is kept: it can be [repeated](Codec::repeat).
    pub fn is_repeatable(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.body_complete(),
            Codec::OneRequest(codec) => codec.body_complete(),
            Codec::Fastcgi(codec) => codec.is_repeatable(),
        }
    }

    /// Writes the current request as it was received, with all of its `body`: another codec of the same wire that is given
    /// this, and what has been received after it, is where this one is.
    pub fn repeat(&self, head: &RequestHead, body: &[u8], out: &mut Vec<u8>) {
        match self {
            Codec::Http1(codec) => codec.repeat(head, body, out),
            Codec::OneRequest(codec) => codec.repeat(head, body, out),
            Codec::Fastcgi(codec) => codec.repeat(head, body, out),
        }
    }

    /// Tells the client to send the body, if it waits for that. At most once, and not after a head.
    pub fn send_continue(&mut self, out: &mut Vec<u8>) {
        // A web server has told its client itself.
        if let Codec::Http1(codec) = self {
            codec.send_continue(out);
        }
    }

    /// Writes the answer's head; a 1xx one is an interim answer. `close`: the server wants the connection to end after
    /// this answer. Does nothing when a head has been sent.
    #[inline]
    pub fn send_head(&mut self, head: &ResponseHead, stamp: &Stamp, close: bool, out: &mut Vec<u8>) {
        match self {
            Codec::Http1(codec) => codec.send_head(head, stamp, close, out),
            Codec::OneRequest(codec) => codec.send_head(head, stamp, out),
            Codec::Fastcgi(codec) => codec.send_head(head, stamp, out),
        }
    }

    /// How many of `length` body bytes may be sent now; the surplus beyond what the answer may have must be dropped.
    /// Writes what has to stand before them.
    #[must_use]
    #[inline]
    pub fn begin_data(&mut self, length: usize, out: &mut Vec<u8>) -> usize {
        match self {
            Codec::Http1(codec) => codec.begin_data(length, out),
            Codec::OneRequest(codec) => codec.begin_data(length),
            Codec::Fastcgi(codec) => codec.begin_data(length, out),
        }
    }

    /// Ends what [`begin_data`](Codec::begin_data) began, after the bytes it allowed.
    #[inline]
    pub fn end_data(&mut self, out: &mut Vec<u8>) {
        if let Codec::Http1(codec) = self {
            codec.end_data(out);
        }
    }

    /// The answer is complete: writes its end, with the fields of `trailers` where the wire has a place for them, and
    /// says whether the connection stays.
    #[inline]
    pub fn finish_with(&mut self, trailers: &ResponseHead, out: &mut Vec<u8>) -> Finished {
        match self {
            Codec::Http1(codec) => codec.finish_with(trailers, out),
            Codec::OneRequest(codec) => codec.finish(),
            Codec::Fastcgi(codec) => codec.finish(out),
        }
    }

    /// The application wrote more than its answer may have; the rest was dropped.
    pub fn surplus(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.surplus(),
            Codec::OneRequest(codec) => codec.answer().surplus(),
            Codec::Fastcgi(codec) => codec.answer().surplus(),
        }
    }

    /// The application wrote less than it had promised; known once the answer is finished.
    pub fn short(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.short(),
            Codec::OneRequest(codec) => codec.answer().short(),
            Codec::Fastcgi(codec) => codec.answer().short(),
        }
    }

    /// All bytes that Content-Length promised have been sent.
    pub fn promise_kept(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.promise_kept(),
            Codec::OneRequest(codec) => codec.answer().promise_kept(),
            Codec::Fastcgi(codec) => codec.answer().promise_kept(),
        }
    }

    /// A final head was sent and its answer is not finished.
    pub fn head_sent(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.head_sent(),
            Codec::OneRequest(codec) => codec.answer().head_sent(),
            Codec::Fastcgi(codec) => codec.answer().head_sent(),
        }
    }

    /// Writes the whole answer to a refused request, if the wire has one; the connection ends with it.
    pub fn refuse(&mut self, refusal: &Refusal, stamp: &Stamp, out: &mut Vec<u8>) {
        match self {
            Codec::Http1(codec) => codec.refuse(refusal, stamp, out),
            Codec::OneRequest(codec) => codec.refuse(refusal, out),
            Codec::Fastcgi(codec) => codec.refuse(refusal, out),
        }
    }

    /// Writes a whole answer of the server's own for the current request: a status and a sentence. Then the answer has
    /// to be [finished](Codec::finish_with). Does nothing when a head has been sent.
    pub fn send_error(&mut self, status: u16, stamp: &Stamp, close: bool, out: &mut Vec<u8>) {
        match self {
            Codec::Http1(codec) => codec.send_error(status, stamp, close, out),
            Codec::OneRequest(codec) => codec.send_error(status, out),
            Codec::Fastcgi(codec) => codec.send_error(status, out),
        }
    }

    /// How many bytes [`begin_data`](Codec::begin_data) takes at a time; longer data has to be cut into such pieces.
    #[inline]
    pub fn longest_piece(&self) -> usize {
        match self {
            Codec::Http1(_) | Codec::OneRequest(_) => usize::MAX,
            Codec::Fastcgi(_) => fastcgi::Codec::LONGEST_PIECE,
        }
    }

    /// Nothing but the connection's end will show the peer where the current answer ends.
    pub fn ends_with_connection(&self) -> bool {
        match self {
            Codec::Http1(codec) => codec.ends_with_connection(),
            Codec::OneRequest(codec) => codec.answer().until_end(),
            // END_REQUEST does, but nginx takes an end without it for one when it does not buffer.
            Codec::Fastcgi(codec) => codec.answer().head_sent(),
        }
    }

    /// Moves the body bytes behind [`Event::Kept`](crate::Event::Kept) to the end of `into`.
    pub fn take_kept(&mut self, into: &mut Vec<u8>) {
        if let Codec::Fastcgi(codec) = self {
            codec.take_kept(into);
        }
    }

    /// Writes what [`Event::Reply`](crate::Event::Reply) announced, and says whether the connection stays.
    pub fn reply(&mut self, out: &mut Vec<u8>) -> Finished {
        match self {
            Codec::Http1(_) => Finished::KeepAlive,
            Codec::OneRequest(codec) => codec.reply(out),
            Codec::Fastcgi(codec) => codec.reply(out),
        }
    }

    /// There is an event to be had without further input.
    #[inline]
    pub fn has_event(&self) -> bool {
        match self {
            Codec::Http1(_) | Codec::OneRequest(_) => false,
            Codec::Fastcgi(codec) => codec.has_event(),
        }
    }

    /// The answer is finished, and that the body has ended has yet to be noted: call [`receive`](Codec::receive).
    pub fn end_unnoted(&self) -> bool {
        match self {
            Codec::Http1(codec) => !codec.awaiting_request(),
            Codec::OneRequest(_) | Codec::Fastcgi(_) => false,
        }
    }

    /// Writes to the web server's error log, over a wire that has a place for that: false where it has none.
    pub fn send_stderr(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Codec::Http1(_) | Codec::OneRequest(_) => false,
            Codec::Fastcgi(codec) => codec.send_stderr(text, out),
        }
    }
}
