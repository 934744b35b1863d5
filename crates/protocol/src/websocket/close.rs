//! Why a WebSocket ends: the codes of RFC 6455 7.4 and the failures this codec finds.
//!
//! Rules: the code is for the peer, the text (`Display`) for the log and for the close frame's reason; neither
//! repeats bytes the peer sent.

use std::error::Error;
use std::fmt;

/// The connection has served its purpose.
pub const NORMAL: u16 = 1000;
/// The server goes down, or the client leaves the page.
pub const GOING_AWAY: u16 = 1001;
/// Stands for a close frame without a code; never on the wire.
pub const NO_CODE: u16 = 1005;
/// Stands for a connection that ended without a close frame; never on the wire.
pub const ABNORMAL: u16 = 1006;
/// The server met something it did not expect.
pub const INTERNAL_ERROR: u16 = 1011;
/// The server restarts: come again (IANA's WebSocket close code registry).
pub const SERVICE_RESTART: u16 = 1012;

/// A close frame has room for this many bytes of reason, beside its code (RFC 6455 5.5.1).
pub const LONGEST_REASON: usize = 123;

/// Whether a close frame may carry this code: those that are registered and not reserved for local use (RFC 6455
/// 7.4.1 and IANA's registry), and those left to libraries and applications (7.4.2).
pub fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What a peer did that ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// A reserved bit that no extension gave a meaning (5.2).
    ReservedBit,
    /// An opcode without meaning (5.2).
    ReservedOpcode,
    /// A client's frame without mask (5.1).
    Unmasked,
    /// A control frame of more than 125 bytes (5.5).
    ControlTooLong,
    /// A control frame in pieces (5.5).
    ControlFragmented,
    /// A length in more bytes than it needs (5.2).
    LengthNotMinimal,
    /// A length of 2^63 or more (5.2).
    LengthSyntax,
    /// A continuation of nothing (5.4).
    NothingToContinue,
    /// A new message before the one in progress has ended (5.4).
    MessageInterrupted,
    /// A close frame with a payload of one byte (5.5.1).
    CloseLength,
    /// A code that may not be sent (7.4).
    CloseCode,
    /// A close reason that is not UTF-8 (5.5.1).
    ReasonEncoding,
    /// A text message that is not UTF-8 (8.1).
    TextEncoding,
    /// Compressed data that is not DEFLATE's (RFC 7692 7.2.2).
    Compression,
    /// A message beyond the limit, compressed or not.
    MessageTooLong,
}

impl Failure {
    /// The code that tells the peer.
    pub fn code(self) -> u16 {
        match self {
            Failure::ReasonEncoding | Failure::TextEncoding | Failure::Compression => 1007,
            Failure::MessageTooLong => 1009,
            _ => 1002,
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Failure::ReservedBit => "reserved bit set",
            Failure::ReservedOpcode => "reserved opcode",
            Failure::Unmasked => "frame without mask",
            Failure::ControlTooLong => "control frame longer than 125 bytes",
            Failure::ControlFragmented => "fragmented control frame",
            Failure::LengthNotMinimal => "length in more bytes than needed",
            Failure::LengthSyntax => "length of 2^63 or more",
            Failure::NothingToContinue => "continuation without a message",
            Failure::MessageInterrupted => "new message inside a fragmented one",
            Failure::CloseLength => "close frame with one byte",
            Failure::CloseCode => "close code that may not be sent",
            Failure::ReasonEncoding => "close reason is not UTF-8",
            Failure::TextEncoding => "text is not UTF-8",
            Failure::Compression => "malformed compressed data",
            Failure::MessageTooLong => "message exceeds its limit",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for Failure {}
