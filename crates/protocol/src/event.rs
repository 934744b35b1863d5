//! What codecs say and are told, whatever the wire: events, the end of an answer, limits, the server's stamp.

use std::ops::Range;

use crate::refusal::Refusal;

/// What [`Codec::receive`](crate::Codec::receive) found, and how much of the input it used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes at the front of the input that must not be handed in again. May be above 0 for any event.
    pub used: usize,
    /// What they were.
    pub event: Event,
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing yet: call again with the rest of the input and more. Also between the end of a request and
    /// the end of its answer, and on a connection that is closing.
    NeedMore,
    /// A request begins; its head is filled.
    Head,
    /// A piece of the body: this range of the input.
    Body(Range<usize>),
    /// The request has been received entirely.
    End,
    /// A piece of the body that was kept since before its request's turn: see [`Codec::take_kept`](crate::Codec::take_kept).
    Kept,
    /// Something has to be said that is no answer: see [`Codec::reply`](crate::Codec::reply).
    Reply,
    /// The client does not want the current request answered any more; the connection goes on. Comes again until the
    /// answer is finished.
    Aborted,
    /// The request is not served; the connection ends. Comes again on every further call.
    Refused(Refusal),
}

impl Received {
    pub(crate) fn need_more(used: usize) -> Received {
        Received {
            used,
            event: Event::NeedMore,
        }
    }
}

/// What a request may cost. Sizes in bytes, line ends not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the request line; beyond: 414.
    pub request_line: usize,
    /// Number of fields in a head, and again in trailers; beyond: 431.
    pub fields: usize,
    /// Length of a field line; beyond: 431.
    pub field_size: usize,
    /// Length of a head, and again of trailers; beyond: 431. The buffer that is handed to
    /// [`Codec::receive`](crate::Codec::receive) must be able to hold this much and a little more (4 KiB at least).
    pub head: usize,
    /// Length of a gateway request's variables together; beyond: 431.
    pub block: usize,
    /// Length of a body; beyond: 413. No limit when `None`.
    pub body: Option<u64>,
}

/// nginx's and gunicorn's sizes: lines of 8190 bytes, 100 fields, a head of 64 KiB, bodies without limit.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            request_line: 8190,
            fields: 100,
            field_size: 8190,
            head: 64 * 1024,
            block: 65535,
            body: None,
        }
    }
}

/// What the server says about itself and the time. Codecs have no clock: the worker renews it each second.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The time as IMF-fixdate, RFC 9110 5.6.7: `Tue, 15 Nov 1994 08:12:31 GMT`.
    pub date: [u8; 29],
    /// Whether there is a Date field at all.
    pub dated: bool,
    /// The Server field's value; no field when empty.
    pub server: &'static str,
    /// Further fields of every answer, each with its line end.
    pub added: &'static str,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The next request may come, once the rest of this one's body has been drained.
    KeepAlive,
    /// Nothing more is read or written.
    Close,
}
