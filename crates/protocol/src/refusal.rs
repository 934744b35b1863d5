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
    /// Headers of a trusted proxy that name different schemes.
    SchemesContradict,
    /// A malformed PROXY header.
    ProxyHeader,
    /// A PROXY header from a peer that may not send one.
    ProxyNotAllowed,
    /// HTTP on a socket for web servers.
    HttpOnGatewaySocket,
    /// A uwsgi modifier that belongs to another part of uWSGI.
    Modifier(u8),
    /// A gateway request's variables exceed their limit.
    BlockTooLarge {
        /// Their size in bytes.
        size: usize,
        /// The limit.
        most: usize,
    },
    /// A gateway request without variables.
    BlockEmpty,
    /// A variable whose length points beyond the variables' end.
    BlockTruncated,
    /// A variable without a name.
    VariableNameEmpty,
    /// More variables than the limit.
    TooManyVariables,
    /// A gateway request that says nowhere which path it is for.
    PathMissing,
    /// An SCGI request that does not begin with digits and a colon.
    NetstringLength,
    /// An SCGI head that does not end with a comma.
    NetstringEnd,
    /// An SCGI request whose first variable is not CONTENT_LENGTH.
    ContentLengthNotFirst,
    /// An SCGI request without SCGI=1.
    NotScgi,
    /// A FastCGI record of another version than 1.
    RecordVersion,
    /// A BEGIN_REQUEST that is too short, or for request 0.
    BeginRequestSyntax,
    /// A BEGIN_REQUEST with the id of a request that is not finished.
    RequestIdInUse,
    /// More records that want a reply than are answered at a time.
    TooManyRecords,
    /// A body that ends before its CONTENT_LENGTH.
    BodyShort,
    /// The head or the body did not arrive in time. Codecs have no clock: the worker says so.
    Timeout,
}

impl Refusal {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            Refusal::ProxyNotAllowed => 403,
            Refusal::Timeout => 408,
            Refusal::BodyTooLarge => 413,
            Refusal::RequestLineTooLong => 414,
            Refusal::ExpectationUnknown => 417,
            Refusal::TooManyFields
            | Refusal::FieldTooLarge
            | Refusal::HeadTooLarge
            | Refusal::BlockTooLarge { .. }
            | Refusal::TooManyVariables => 431,
            Refusal::Connect | Refusal::TransferCodingUnknown | Refusal::Modifier(_) => 501,
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
            Refusal::SchemesContradict => "headers that contradict each other about the scheme",
            Refusal::ProxyHeader => "malformed PROXY header",
            Refusal::ProxyNotAllowed => "a PROXY header from a peer that is not allowed to send one",
            Refusal::HttpOnGatewaySocket => "HTTP on a socket that speaks a gateway protocol",
            Refusal::Modifier(_) => "unavailable modifier",
            Refusal::BlockTooLarge { .. } => "invalid request block size",
            Refusal::BlockEmpty => "empty request",
            Refusal::BlockTruncated => "a variable's length points beyond the request's end",
            Refusal::VariableNameEmpty => "a variable without a name",
            Refusal::TooManyVariables => "more than 1000 variables",
            Refusal::PathMissing => "none of PATH_INFO, SCRIPT_NAME, DOCUMENT_URI and REQUEST_URI is there",
            Refusal::NetstringLength => "an SCGI request begins with a length and a colon",
            Refusal::NetstringEnd => "an SCGI head ends with a comma",
            Refusal::ContentLengthNotFirst => "the first variable of an SCGI request is CONTENT_LENGTH",
            Refusal::NotScgi => "an SCGI request has the variable SCGI=1",
            Refusal::RecordVersion => "a FastCGI record of another version than 1",
            Refusal::BeginRequestSyntax => "malformed BEGIN_REQUEST record",
            Refusal::RequestIdInUse => "BEGIN_REQUEST with the id of a request that is not finished",
            Refusal::TooManyRecords => "more FastCGI management records than are answered at a time",
            Refusal::BodyShort => "the body ended before its CONTENT_LENGTH",
            Refusal::Timeout => "request not received in time",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // uWSGI's words, which runbooks know.
            Refusal::Modifier(modifier) => write!(f, "unavailable modifier requested: {modifier}"),
            Refusal::BlockTooLarge { size, most } => write!(
                f,
                "invalid request block size: {size} (max {most})...skip. uWSGI's option buffer-size sets the limit, up to \
                 65535"
            ),
            _ => f.write_str(self.reason()),
        }
    }
}

impl Error for Refusal {}
