//! WebSocket on the server's side of a connection (RFC 6455), with permessage-deflate (RFC 7692).
//!
//! ```text
//!                       close                       Close received
//!            +-- Open ---------> we have closed  ------------------------+
//!   101 ---> |    |              (nothing more is sent,                  |
//!            |    |               messages still arrive)                 +--> ended: flush, end the connection
//!            |    +-- Close received --> its code is echoed -------------+
//!            |    +-- the peer breaks a rule --> fail says so -----------+
//! ```
//!
//! Rules: where the input was cut never changes an event; a peer that breaks a rule is told with the code of
//! RFC 6455 7.4 and not listened to any more; nothing is sent after a close frame; what a peer sends costs at
//! most one message's limit, and what answers it by itself (pongs) goes to `out`, whose size the caller watches.
//!
//! Left out: time. When to ping, how long to wait for a pong or for the other side's close, is the worker's.

mod close;
mod deflate;
mod extension;
mod frame;
mod handshake;
mod message;
mod send;

use std::cmp::min;

pub use self::close::{
    ABNORMAL, Failure, GOING_AWAY, INTERNAL_ERROR, LONGEST_REASON, NO_CODE, NORMAL, SERVICE_RESTART,
    is_sendable,
};
use self::deflate::{Deflater, Inflater};
use self::extension::Agreement;
pub use self::extension::Compression;
use self::frame::{Header, LONGEST_CONTROL, Opcode, shifted, unmask};
pub use self::handshake::{AcceptFault, Handshake, HandshakeRefusal};
use self::message::Assembly;
pub use self::message::Kind;
pub use self::send::SendFault;

/// What a peer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message, after inflating; beyond: 1009.
    pub message: usize,
}

/// uvicorn's: 16 MiB.
impl Default for Limits {
    fn default() -> Limits {
        Limits { message: 16 << 20 }
    }
}

/// One WebSocket's state, from the 101 to the end.
#[derive(Debug)]
pub struct Codec {
    limits: Limits,
    place: Place,
    message: Assembly,
    /// The payload of the control frame that was received last.
    control: [u8; LONGEST_CONTROL],
    /// A close frame has been sent: nothing may follow it (5.5.1).
    has_closed: bool,
    compression: Option<Box<Transforms>>,
}

/// Both directions of permessage-deflate, and from how many bytes on it is worth it.
#[derive(Debug)]
struct Transforms {
    inflater: Inflater,
    deflater: Deflater,
    threshold: usize,
}

/// Where in the stream of frames the input stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A frame begins.
    Header,
    /// In a data frame: this much of its payload is to come, masked like this from here on.
    Payload {
        left: u64,
        mask: [u8; 4],
        is_final: bool,
    },
    /// The peer has closed or broken a rule: nothing more is looked at.
    Ended,
}

/// What [`Codec::receive`] found, and how much of the input it used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Bytes at the front of the input that must not be handed in again. May be above 0 for any event.
    pub used: usize,
    /// What they were.
    pub event: Event<'a>,
}

/// What was received. Payloads are the codec's until it is called again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing yet: call again with the rest of the input and more. Always, after the end.
    NeedMore,
    /// A text message, complete.
    Text(&'a str),
    /// A binary message, complete.
    Binary(&'a [u8]),
    /// A ping; its pong has been written.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The peer closes; if it was the first to, its code has been echoed.
    Close {
        /// Its code, [`NO_CODE`] when it gave none.
        code: u16,
        /// Why, in its words.
        reason: &'a str,
    },
    /// The peer broke a rule: it is not listened to any more, and [`Codec::fail`] tells it. What answers the messages
    /// before that can still be sent first.
    Failed(Failure),
}

/// An [`Event`] before its payload is borrowed.
enum Found {
    NeedMore,
    Message(Kind),
    Control(Opcode, usize),
    Failed(Failure),
}

impl Codec {
    fn new(limits: Limits, agreement: Option<Agreement>) -> Codec {
        Codec {
            limits,
            place: Place::Header,
            message: Assembly::default(),
            control: [0; LONGEST_CONTROL],
            has_closed: false,
            compression: agreement.map(|agreement| {
                Box::new(Transforms {
                    inflater: Inflater::new(agreement),
                    deflater: Deflater::new(agreement),
                    threshold: agreement.threshold,
                })
            }),
        }
    }

    /// Looks at the front of `input` - everything received and not yet used up - and says what it is. At most a
    /// control frame is left unused (131 bytes). Pongs and the answer to a close are written to `out`.
    pub fn receive(&mut self, input: &[u8], out: &mut Vec<u8>) -> Received<'_> {
        self.message.forget_finished();
        let mut used = 0;
        let found = match self.advance(input, &mut used, out) {
            Ok(found) => found,
            Err(failure) => {
                used = input.len();
                self.place = Place::Ended;
                self.message.forget();
                Found::Failed(failure)
            }
        };
        Received {
            used,
            event: self.event(found),
        }
    }

    /// The peer has closed or broken a rule: nothing more comes. Once everything is written, the connection can end.
    pub fn has_ended(&self) -> bool {
        matches!(self.place, Place::Ended)
    }

    /// A close frame has been sent: nothing more can be.
    pub fn has_closed(&self) -> bool {
        self.has_closed
    }

    fn event(&self, found: Found) -> Event<'_> {
        let payload = |length| &self.control[..length];
        match found {
            Found::NeedMore => Event::NeedMore,
            Found::Message(Kind::Text) => Event::Text(self.message.text()),
            Found::Message(Kind::Binary) => Event::Binary(self.message.bytes()),
            Found::Control(Opcode::Ping, length) => Event::Ping(payload(length)),
            Found::Control(Opcode::Pong, length) => Event::Pong(payload(length)),
            Found::Control(_, length) => match payload(length) {
                [high, low, reason @ ..] => Event::Close {
                    code: u16::from_be_bytes([*high, *low]),
                    reason: str::from_utf8(reason).unwrap_or_default(),
                },
                _ => Event::Close {
                    code: NO_CODE,
                    reason: "",
                },
            },
            Found::Failed(failure) => Event::Failed(failure),
        }
    }

    fn advance(&mut self, input: &[u8], used: &mut usize, out: &mut Vec<u8>) -> Result<Found, Failure> {
        loop {
            let rest = &input[*used..];
            match self.place {
                Place::Ended => {
                    *used = input.len();
                    return Ok(Found::NeedMore);
                }
                Place::Header => {
                    let Some((header, length)) = Header::read(rest)? else {
                        return Ok(Found::NeedMore);
                    };
                    if header.opcode.is_control() {
                        return self.control(&header, &rest[length..], length, used, out);
                    }
                    self.begin_frame(&header)?;
                    *used += length;
                }
                Place::Payload {
                    left: 0,
                    is_final: true,
                    ..
                } => {
                    self.place = Place::Header;
                    let inflater = self.compression.as_mut().map(|both| &mut both.inflater);
                    return Ok(Found::Message(
                        self.message.finish(self.limits.message, inflater)?,
                    ));
                }
                Place::Payload { left: 0, .. } => self.place = Place::Header,
                Place::Payload { left, mask, is_final } => {
                    if rest.is_empty() {
                        return Ok(Found::NeedMore);
                    }
                    let count = min(left, rest.len() as u64) as usize;
                    let inflater = self.compression.as_mut().map(|both| &mut both.inflater);
                    self.message
                        .take(&rest[..count], mask, self.limits.message, inflater)?;
                    *used += count;
                    self.place = Place::Payload {
                        left: left - count as u64,
                        mask: shifted(mask, count),
                        is_final,
                    };
                }
            }
        }
    }

    /// A data frame begins: a message, or a part of the one that is open.
    fn begin_frame(&mut self, header: &Header) -> Result<(), Failure> {
        let kind = match header.opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            _ => None,
        };
        // Only a message's first frame says that it is compressed (RFC 7692 6.1).
        if header.is_compressed && (kind.is_none() || self.compression.is_none()) {
            return Err(Failure::ReservedBit);
        }
        match (kind, self.message.is_open()) {
            (None, false) => return Err(Failure::NothingToContinue),
            (Some(_), true) => return Err(Failure::MessageInterrupted),
            (Some(kind), false) => self.message.begin(kind, header.is_compressed),
            (None, true) => {}
        }
        if !self.message.fits(header.length, self.limits.message) {
            return Err(Failure::MessageTooLong);
        }
        self.place = Place::Payload {
            left: header.length,
            mask: header.mask,
            is_final: header.is_final,
        };
        Ok(())
    }

    /// A control frame; it may stand between the frames of a message (5.4), and is waited for whole.
    fn control(
        &mut self,
        header: &Header,
        payload: &[u8],
        header_length: usize,
        used: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<Found, Failure> {
        if header.is_compressed {
            return Err(Failure::ReservedBit);
        }
        let length = header.length as usize;
        let Some(payload) = payload.get(..length) else {
            return Ok(Found::NeedMore);
        };
        *used += header_length + length;
        self.control[..length].copy_from_slice(payload);
        unmask(&mut self.control[..length], header.mask);
        match header.opcode {
            Opcode::Ping => self.answer_ping(length, out),
            Opcode::Close => {
                check_close(&self.control[..length])?;
                self.place = Place::Ended;
                self.message.forget();
                self.echo_close(length, out);
            }
            _ => {}
        }
        Ok(Found::Control(header.opcode, length))
    }
}

/// Nothing, or a code that may be sent and a reason in UTF-8 (5.5.1).
fn check_close(payload: &[u8]) -> Result<(), Failure> {
    match payload {
        [] => Ok(()),
        [_] => Err(Failure::CloseLength),
        [high, low, reason @ ..] => {
            if !is_sendable(u16::from_be_bytes([*high, *low])) {
                return Err(Failure::CloseCode);
            }
            match str::from_utf8(reason) {
                Ok(_) => Ok(()),
                Err(_) => Err(Failure::ReasonEncoding),
            }
        }
    }
}
