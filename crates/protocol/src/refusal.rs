//! Why a request is refused, and with which status: the one place where both are decided.
//!
//! Rules: the status is for the client, the text (`Display`) for the log; neither repeats bytes the client
//! sent. Where RFC 9112 leaves a choice between repairing and refusing, Penstock refuses.

use std::error::Error;
use std::fmt;

/// A request that is not served. The connection closes after the answer, and nothing that follows on it is
/// interpreted: after a malformed message nobody knows where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A TLS hello on a plain-text port.
    Tls,
    /// The HTTP/2 preface on an HTTP/1 port.
    Http2Preface,
    /// More than one empty line before the request.
    EmptyLine,
    /// A line that ends with LF alone (RFC 9112 2.2).
    BareLineFeed,
    /// A CR that is not followed by LF (RFC 9112 2.2).
    BareCarriageReturn,
    /// The method is not a token.
    MethodSyntax,
    /// The method is longer than any method.
    MethodTooLong,
    /// Two spaces, or nothing, where the target should be.
    TargetMissing,
    /// A control or non-ASCII byte in the target.
    TargetByte,
    /// A fragment in the target.
    Fragment,
    /// A target of none of the forms of RFC 9112 3.2, or of one its method does not have.
    TargetForm,
    /// An absolute target whose authority is malformed or has user information.
    TargetAuthority,
    /// A request line without version (HTTP/0.9).
    VersionMissing,
    /// A version that is not `HTTP/` digit `.` digit.
    VersionSyntax,
    /// A major version other than 1.
    VersionUnsupported,
    /// The request line exceeds its limit.
    RequestLineTooLong,
    /// More fields than the limit.
    TooManyFields,
    /// A field line exceeds its limit.
    FieldTooLarge,
    /// The head exceeds its limit.
    HeadTooLarge,
    /// White space before the first field (RFC 9112 2.2).
    SpaceBeforeFirstField,
    /// A folded field line (RFC 9112 5.2).
    FoldedLine,
    /// A field line without colon.
    ColonMissing,
    /// White space between a field's name and its colon (RFC 9112 5.1).
    SpaceBeforeColon,
    /// An empty field name or one that is not a token.
    NameSyntax,
    /// A control byte in a field's value.
    ValueControl,
    /// HTTP/1.1 without Host.
    HostMissing,
    /// More than one Host field.
    HostTwice,
    /// A Host that is not `host [ ":" port ]`.
    HostSyntax,
    /// A Content-Length that is not one decimal number below 2^63.
    ContentLengthSyntax,
    /// More than one Content-Length field.
    ContentLengthTwice,
    /// Content-Length and Transfer-Encoding together.
    LengthAndTransferEncoding,
    /// Transfer-Encoding in an HTTP/1.0 request.
    TransferEncodingInHttp10,
    /// A Transfer-Encoding that is not a list of codings.
    TransferEncodingSyntax,
    /// `chunked` applied twice.
    ChunkedTwice,
    /// `chunked` is not the last coding.
    ChunkedNotLast,
    /// A transfer coding Penstock does not have.
    TransferCodingUnknown,
    /// A chunk size that is not one to sixteen hexadecimal digits.
    ChunkSize,
    /// A chunk-size line that exceeds its limit.
    ChunkLineTooLong,
    /// A control byte in a chunk extension.
    ChunkExtension,
    /// The chunk extensions of one body exceed their limit.
    ChunkExtensionsTooLarge,
    /// Chunk data that is not followed by CRLF.
    ChunkEnd,
    /// A field that frames or routes the message among the trailers.
    TrailerForbidden,
    /// The body exceeds its limit.
    BodyTooLarge,
    /// An expectation other than `100-continue`.
    ExpectationUnknown,
    /// CONNECT: Penstock is no tunnel.
    Connect,
    /// The head or the body did not arrive in time. Codecs have no clock: the worker says so.
    Timeout,
}

impl Refusal {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            Refusal::Timeout => 408,
            Refusal::BodyTooLarge => 413,
            Refusal::RequestLineTooLong => 414,
            Refusal::ExpectationUnknown => 417,
            Refusal::TooManyFields | Refusal::FieldTooLarge | Refusal::HeadTooLarge => 431,
            Refusal::Connect | Refusal::TransferCodingUnknown => 501,
            Refusal::VersionUnsupported => 505,
            _ => 400,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Refusal::Tls => "TLS on a plain-text port",
            Refusal::Http2Preface => "HTTP/2 preface on an HTTP/1 port",
            Refusal::EmptyLine => "more than one empty line before the request",
            Refusal::BareLineFeed => "bare LF as a line end",
            Refusal::BareCarriageReturn => "bare CR in a line",
            Refusal::MethodSyntax => "method is not a token",
            Refusal::MethodTooLong => "method longer than 32 bytes",
            Refusal::TargetMissing => "two spaces in the request line, or no target",
            Refusal::TargetByte => "control or non-ASCII byte in the request target",
            Refusal::Fragment => "fragment in the request target",
            Refusal::TargetForm => "request target of a form its method does not have",
            Refusal::TargetAuthority => "malformed authority in the request target",
            Refusal::VersionMissing => "request line without version",
            Refusal::VersionSyntax => "malformed version",
            Refusal::VersionUnsupported => "version other than 1.x",
            Refusal::RequestLineTooLong => "request line exceeds its limit",
            Refusal::TooManyFields => "more header fields than the limit",
            Refusal::FieldTooLarge => "header field exceeds its limit",
            Refusal::HeadTooLarge => "head exceeds its limit",
            Refusal::SpaceBeforeFirstField => "white space before the first header field",
            Refusal::FoldedLine => "folded header line",
            Refusal::ColonMissing => "header line without colon",
            Refusal::SpaceBeforeColon => "white space between header name and colon",
            Refusal::NameSyntax => "header name is not a token",
            Refusal::ValueControl => "control byte in a header value",
            Refusal::HostMissing => "HTTP/1.1 without Host",
            Refusal::HostTwice => "more than one Host",
            Refusal::HostSyntax => "malformed Host",
            Refusal::ContentLengthSyntax => "malformed Content-Length",
            Refusal::ContentLengthTwice => "more than one Content-Length",
            Refusal::LengthAndTransferEncoding => "Content-Length together with Transfer-Encoding",
            Refusal::TransferEncodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Refusal::TransferEncodingSyntax => "malformed Transfer-Encoding",
            Refusal::ChunkedTwice => "chunked applied twice",
            Refusal::ChunkedNotLast => "chunked is not the last transfer coding",
            Refusal::TransferCodingUnknown => "unknown transfer coding",
            Refusal::ChunkSize => "malformed chunk size",
            Refusal::ChunkLineTooLong => "chunk-size line exceeds 4 KiB",
            Refusal::ChunkExtension => "control byte in a chunk extension",
            Refusal::ChunkExtensionsTooLarge => "chunk extensions exceed 16 KiB",
            Refusal::ChunkEnd => "chunk data not followed by CRLF",
            Refusal::TrailerForbidden => "trailer field that belongs into the head",
            Refusal::BodyTooLarge => "body exceeds its limit",
            Refusal::ExpectationUnknown => "unknown expectation",
            Refusal::Connect => "CONNECT is not served",
            Refusal::Timeout => "request not received in time",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for Refusal {}
