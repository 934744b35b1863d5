//! `ResponseHead`: an application's answer before framing.
//!
//! Rules: it is checked as it is built, so that nothing in it can end a line or a head early (response
//! splitting); how a connection is framed and kept is the server's, so hop-by-hop fields are left out
//! (PEP 3333 forbids them to applications, RFC 9110 7.6.1 to everyone). Fields are kept in wire form, one
//! after the other, so that sending them is a copy.
//!
//! Left out: Date, Server, framing and connection fields, which codecs add.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::slice;

use crate::request::{FieldSpan, Span};
use crate::status::reason_phrase;
use crate::syntax;

/// An application's status and fields. Reused from answer to answer.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// `200 OK`; empty until the application has said.
    status_line: Vec<u8>,
    status: u16,
    /// `Name: value CRLF` for each field, ready to be sent.
    lines: Vec<u8>,
    /// Where names and values are in `lines`, in order.
    fields: Vec<FieldSpan>,
    /// The Content-Length field: its number, and its line's place in `lines`.
    length: Option<(u64, Range<usize>)>,
    has_date: bool,
    has_server: bool,
}

/// What is wrong with an application's answer. Shown to the application's author, never to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseFault {
    /// Not three digits of 100 to 999, a space and a reason.
    Status(String),
    /// The status has a control character.
    StatusControl(String),
    /// The name is not a token (RFC 9110 5.6.2).
    Name(String),
    /// The value of the named header has a control character.
    Value(String),
    /// Content-Length is not one decimal number.
    ContentLength(String),
    /// Content-Length was given before with another number.
    ContentLengthConflict {
        /// The number given before.
        first: u64,
        /// The number given now.
        second: u64,
    },
}

/// Quotes what an application gave, escaped and bounded.
fn shown(text: &[u8]) -> String {
    const LONGEST: usize = 80;
    let dots = if text.len() > LONGEST { "..." } else { "" };
    format!("\"{}{dots}\"", text[..text.len().min(LONGEST)].escape_ascii())
}

impl ResponseHead {
    /// Forgets the answer and keeps the memory.
    pub fn clear(&mut self) {
        self.status_line.clear();
        self.status = 0;
        self.lines.clear();
        self.fields.clear();
        self.length = None;
        self.has_date = false;
        self.has_server = false;
    }

    /// Takes a status such as `200 OK`.
    ///
    /// # Errors
    /// When it is not three digits from 100 to 999, a space and a reason free of control characters; the
    /// status stays what it was.
    pub fn set_status(&mut self, status: &[u8]) -> Result<(), ResponseFault> {
        let [
            hundreds @ b'1'..=b'9',
            tens @ b'0'..=b'9',
            ones @ b'0'..=b'9',
            b' ',
            ..,
        ] = status
        else {
            return Err(ResponseFault::Status(shown(status)));
        };
        if !syntax::is_field_value(status) {
            return Err(ResponseFault::StatusControl(shown(status)));
        }
        let digit = |byte: &u8| u16::from(byte - b'0');
        self.status = digit(hundreds) * 100 + digit(tens) * 10 + digit(ones);
        self.status_line.clear();
        self.status_line.extend_from_slice(status);
        Ok(())
    }

    /// Takes a status code, with the phrase registered for it.
    ///
    /// # Errors
    /// When it is not from 100 to 999; the status stays what it was.
    pub fn set_status_code(&mut self, status: u16) -> Result<(), ResponseFault> {
        if !(100..=999).contains(&status) {
            return Err(ResponseFault::Status(status.to_string()));
        }
        self.status = status;
        self.status_line.clear();
        self.status_line
            .extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        self.status_line.push(b' ');
        self.status_line
            .extend_from_slice(reason_phrase(status).as_bytes());
        Ok(())
    }

    /// Adds a field; several of one name are kept in order. Hop-by-hop fields are silently left out.
    ///
    /// # Errors
    /// When the name is not a token, when the value has a control character other than HTAB, or when a
    /// Content-Length is not one decimal number or contradicts an earlier one; nothing is added then.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseFault> {
        if !syntax::is_token(name) {
            return Err(ResponseFault::Name(shown(name)));
        }
        if !syntax::is_field_value(value) {
            return Err(ResponseFault::Value(String::from_utf8_lossy(name).into_owned()));
        }
        match Kind::of(name) {
            Kind::HopByHop => return Ok(()),
            Kind::ContentLength => return self.push_length(name, value),
            Kind::Date => self.has_date = true,
            Kind::Server => self.has_server = true,
            Kind::Other => {}
        }
        self.append(name, value);
        Ok(())
    }

    fn push_length(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseFault> {
        let Some(second) = syntax::decimal(syntax::trim(value)) else {
            return Err(ResponseFault::ContentLength(shown(value)));
        };
        if let Some((first, _)) = self.length {
            if first == second {
                return Ok(());
            }
            return Err(ResponseFault::ContentLengthConflict { first, second });
        }
        let start = self.lines.len();
        self.append(name, value);
        self.length = Some((second, start..self.lines.len()));
        Ok(())
    }

    /// Adds a field of the server's own, hop-by-hop or not.
    pub(crate) fn push_own(&mut self, name: &'static [u8], value: &'static [u8]) {
        self.append(name, value);
    }

    fn append(&mut self, name: &[u8], value: &[u8]) {
        let start = self.lines.len();
        self.lines.reserve(name.len() + value.len() + 4);
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
        self.fields.push(FieldSpan {
            name: Span::new(start, name.len()),
            value: Span::new(start + name.len() + 2, value.len()),
        });
    }

    /// Takes every field of this name out again, in any case.
    pub fn remove(&mut self, name: &[u8]) {
        if !self.fields().any(|(found, _)| found.eq_ignore_ascii_case(name)) {
            return;
        }
        let old = std::mem::take(self);
        // Whatever stands in a head has been accepted once.
        let _ = self.set_status(old.status_line());
        for (found, value) in old
            .fields()
            .filter(|(found, _)| !found.eq_ignore_ascii_case(name))
        {
            let _ = self.push(found, value);
        }
    }

    /// The status code, 0 while there is none.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Status code and reason as the application gave them, e.g. `200 OK`.
    pub fn status_line(&self) -> &[u8] {
        &self.status_line
    }

    /// The number of body bytes the answer promises.
    pub fn content_length(&self) -> Option<u64> {
        Some(self.length.as_ref()?.0)
    }

    /// Promises `bytes` of body, unless the application has promised a number itself.
    pub fn set_content_length(&mut self, bytes: u64) {
        if self.length.is_some() {
            return;
        }
        let start = self.lines.len();
        self.append(b"Content-Length", itoa::Buffer::new().format(bytes).as_bytes());
        self.length = Some((bytes, start..self.lines.len()));
    }

    /// The fields in order as `(name, value)`, Content-Length included.
    pub fn fields(&self) -> ResponseFields<'_> {
        ResponseFields {
            lines: &self.lines,
            spans: self.fields.iter(),
        }
    }

    /// No status has been set.
    pub fn is_empty(&self) -> bool {
        self.status_line.is_empty()
    }

    /// All fields in wire form.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// All fields in wire form but Content-Length: what stands before it and after it.
    pub(crate) fn lines_around_length(&self) -> (&[u8], &[u8]) {
        match &self.length {
            None => (&self.lines, &[]),
            Some((_, line)) => (&self.lines[..line.start], &self.lines[line.end..]),
        }
    }

    pub(crate) fn has_date(&self) -> bool {
        self.has_date
    }

    pub(crate) fn has_server(&self) -> bool {
        self.has_server
    }
}

/// What a field means to the server. Told apart by length first: most names need no comparison at all.
enum Kind {
    HopByHop,
    ContentLength,
    Date,
    Server,
    Other,
}

impl Kind {
    fn of(name: &[u8]) -> Kind {
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        match name.len() {
            2 if is(b"te") => Kind::HopByHop,
            4 if is(b"date") => Kind::Date,
            6 if is(b"server") => Kind::Server,
            7 if is(b"trailer") || is(b"upgrade") => Kind::HopByHop,
            10 if is(b"connection") || is(b"keep-alive") => Kind::HopByHop,
            14 if is(b"content-length") => Kind::ContentLength,
            16 if is(b"proxy-connection") => Kind::HopByHop,
            17 if is(b"transfer-encoding") => Kind::HopByHop,
            18 if is(b"proxy-authenticate") => Kind::HopByHop,
            19 if is(b"proxy-authorization") => Kind::HopByHop,
            _ => Kind::Other,
        }
    }
}

/// The fields of a [`ResponseHead`] in order, as `(name, value)`.
#[derive(Clone)]
pub struct ResponseFields<'a> {
    lines: &'a [u8],
    spans: slice::Iter<'a, FieldSpan>,
}

impl<'a> Iterator for ResponseFields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.spans.next()?;
        Some((field.name.of(self.lines), field.value.of(self.lines)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for ResponseFields<'_> {}

impl fmt::Display for ResponseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseFault::Status(status) => {
                write!(
                    f,
                    "status {status} is not three digits (100 to 999), a space and a reason"
                )
            }
            ResponseFault::StatusControl(status) => write!(f, "status {status} has a control character"),
            ResponseFault::Name(name) => write!(f, "header name {name} is not an HTTP token"),
            ResponseFault::Value(name) => write!(f, "the value of header {name} has a control character"),
            ResponseFault::ContentLength(value) => {
                write!(f, "Content-Length {value} is not one decimal number of bytes")
            }
            ResponseFault::ContentLengthConflict { first, second } => {
                write!(f, "Content-Length is given twice, as {first} and as {second}")
            }
        }
    }
}

impl Error for ResponseFault {}
