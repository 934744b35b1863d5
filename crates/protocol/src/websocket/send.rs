//! Sending: messages, pings and the close, each as one frame.
//!
//! Rules: nothing follows a close frame; what an application says wrongly is its fault and is not sent. Messages
//! are never fragmented: the whole of one is there when it is sent.

use std::error::Error;
use std::fmt;

use super::Codec;
use super::close::{self, Failure, LONGEST_REASON, is_sendable};
use super::frame::{LONGEST_CONTROL, Opcode, put_header};
use super::message::Kind;

/// What cannot be sent, and why. Shown to the application's author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// A close frame has been sent.
    Closed,
    /// A close code that may not be sent.
    CloseCode(u16),
    /// A close reason of this many bytes: more than fit.
    ReasonTooLong(usize),
    /// A ping's payload of this many bytes: more than fit.
    PingTooLong(usize),
}

impl Codec {
    /// Writes a text message.
    ///
    /// # Errors
    /// After a close.
    pub fn send_text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), SendFault> {
        self.send(Kind::Text, text.as_bytes(), out)
    }

    /// Writes a binary message.
    ///
    /// # Errors
    /// After a close.
    pub fn send_binary(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendFault> {
        self.send(Kind::Binary, data, out)
    }

    /// Writes a message, compressed if that was agreed on and it is [long enough](Codec::would_compress).
    ///
    /// # Errors
    /// After a close. The payload of a text must be UTF-8; [`Codec::send_text`] sees to that.
    pub fn send(&mut self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendFault> {
        if !self.would_compress(payload.len()) {
            self.begin_message(kind, payload.len(), out)?;
            out.extend_from_slice(payload);
            return Ok(());
        }
        self.check_open()?;
        if let Some(both) = &mut self.compression {
            both.deflater.deflate(payload, |compressed| {
                put_header(opcode(kind), true, compressed.len(), out);
                out.extend_from_slice(compressed);
            });
        }
        Ok(())
    }

    /// Whether a message of that many bytes is sent compressed.
    pub fn would_compress(&self, length: usize) -> bool {
        self.compression
            .as_ref()
            .is_some_and(|both| length >= both.threshold)
    }

    /// Writes the beginning of a message whose payload the caller puts behind it, uncopied and uncompressed.
    ///
    /// # Errors
    /// After a close.
    pub fn begin_message(&mut self, kind: Kind, length: usize, out: &mut Vec<u8>) -> Result<(), SendFault> {
        self.check_open()?;
        put_header(opcode(kind), false, length, out);
        Ok(())
    }

    /// Writes a ping. Its pong brings the payload back.
    ///
    /// # Errors
    /// After a close, or when the payload is longer than 125 bytes.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendFault> {
        self.check_open()?;
        if payload.len() > LONGEST_CONTROL {
            return Err(SendFault::PingTooLong(payload.len()));
        }
        put_control(Opcode::Ping, payload, out);
        Ok(())
    }

    /// Writes a close frame, with a code unless it is [`close::NO_CODE`]. From now on nothing else is sent; what the
    /// peer still sends is received until its own close.
    ///
    /// # Errors
    /// After a close, when the code may not be sent, or when the reason is longer than 123 bytes.
    pub fn close(&mut self, code: u16, reason: &str, out: &mut Vec<u8>) -> Result<(), SendFault> {
        self.check_open()?;
        let code = (code != close::NO_CODE || !reason.is_empty()).then_some(code);
        if let Some(code) = code
            && !is_sendable(code)
        {
            return Err(SendFault::CloseCode(code));
        }
        if reason.len() > LONGEST_REASON {
            return Err(SendFault::ReasonTooLong(reason.len()));
        }
        self.put_close(code, reason, out);
        Ok(())
    }

    /// Tells the peer which rule it broke, unless a close frame was sent before.
    pub fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        self.put_close(Some(failure.code()), failure.reason(), out);
    }

    /// Writes a close frame unless one was sent.
    fn put_close(&mut self, code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
        if self.has_closed {
            return;
        }
        self.has_closed = true;
        match code {
            None => put_header(Opcode::Close, false, 0, out),
            Some(code) => {
                put_header(Opcode::Close, false, 2 + reason.len(), out);
                out.extend_from_slice(&code.to_be_bytes());
                out.extend_from_slice(reason.as_bytes());
            }
        }
    }

    /// Answers the close that is in `control` with its code (5.5.1).
    pub(super) fn echo_close(&mut self, length: usize, out: &mut Vec<u8>) {
        let code = match self.control[..length] {
            [high, low, ..] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        };
        self.put_close(code, "", out);
    }

    /// Answers the ping that is in `control`.
    pub(super) fn answer_ping(&mut self, length: usize, out: &mut Vec<u8>) {
        if !self.has_closed {
            put_control(Opcode::Pong, &self.control[..length], out);
        }
    }

    fn check_open(&self) -> Result<(), SendFault> {
        if self.has_closed {
            return Err(SendFault::Closed);
        }
        Ok(())
    }
}

fn opcode(kind: Kind) -> Opcode {
    match kind {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    }
}

fn put_control(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    put_header(opcode, false, payload.len(), out);
    out.extend_from_slice(payload);
}

impl fmt::Display for SendFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendFault::Closed => f.write_str("the WebSocket has been closed"),
            SendFault::CloseCode(code) => write!(
                f,
                "close code {code} may not be sent; those that may are 1000 to 1003, 1007 to 1014 and 3000 to 4999"
            ),
            SendFault::ReasonTooLong(length) => {
                write!(
                    f,
                    "a close reason has at most {LONGEST_REASON} bytes, not {length}"
                )
            }
            SendFault::PingTooLong(length) => {
                write!(f, "a ping has at most {LONGEST_CONTROL} bytes, not {length}")
            }
        }
    }
}

impl Error for SendFault {}
