//! What a CGI script writes, understood (RFC 3875 6).
//!
//! ```text
//! header lines, ended by LF or CRLF    then an empty line    then the document, if there is one
//! ```
//!
//! Rules: `Status`, `Location` and `Content-Type` are the script's word to the server, everything else is a field of the
//! answer; a head that is malformed or too long is a fault, never guessed at. Scripts whose name begins with `nph-` write a
//! whole HTTP answer themselves: it is understood only where the wire to the client is not HTTP.
//!
//! Left out: starting scripts, and their environment. That is the worker's.

use std::error::Error;
use std::fmt;

use crate::response::{ResponseFault, ResponseHead};

/// What a script's head asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptHead {
    /// The answer's head is filled; what follows is its body.
    Document,
    /// Serve this path, with its query, as if it had been asked for with GET (RFC 3875 6.2.2).
    LocalRedirect(Vec<u8>),
}

/// Why a script's output is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptFault {
    /// The head is longer than the limit, in bytes.
    HeadTooLong(usize),
    /// A line of the head has no colon.
    ColonMissing(String),
    /// `Status` is not three digits and an optional reason.
    Status(String),
    /// A field is malformed.
    Field(ResponseFault),
    /// The first line is not HTTP's status line.
    StatusLine(String),
    /// The script frames its body for a connection that is not there.
    Framed,
    /// There is neither Content-Type, nor Location, nor Status.
    Empty,
}

impl fmt::Display for ScriptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptFault::HeadTooLong(limit) => write!(f, "its header is longer than {limit} bytes"),
            ScriptFault::ColonMissing(line) => write!(f, "the header line \"{line}\" has no colon"),
            ScriptFault::Status(status) => write!(f, "\"{status}\" is no status: write Status: 200 OK"),
            ScriptFault::StatusLine(line) => write!(f, "\"{line}\" is no status line: write HTTP/1.1 200 OK"),
            ScriptFault::Framed => {
                f.write_str("it sends a Transfer-Encoding, and its answer does not go to the client by HTTP")
            }
            ScriptFault::Field(fault) => write!(f, "{fault}"),
            ScriptFault::Empty => f.write_str("its header has neither Content-Type nor Location nor Status"),
        }
    }
}

impl Error for ScriptFault {}

/// Where the head ends in `output`, the empty line included; `None` when it is not complete.
pub fn script_head_end(output: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(at) = memchr::memchr(b'\n', &output[start..]) {
        let line = &output[start..start + at];
        start += at + 1;
        if matches!(line, b"" | b"\r") {
            return Some(start);
        }
    }
    None
}

/// Reads a complete head, its empty line included, into `response`.
///
/// # Errors
/// When it is malformed; `response` is then undefined.
pub fn script_head(head: &[u8], response: &mut ResponseHead) -> Result<ScriptHead, ScriptFault> {
    read(head, None, response)
}

/// Reads the complete head of a whole HTTP answer (RFC 3875 5), to be sent by a wire that is not HTTP, into `response`.
///
/// # Errors
/// When it is malformed, or its body is sent in chunks; `response` is then undefined.
pub fn nph_head(head: &[u8], response: &mut ResponseHead) -> Result<ScriptHead, ScriptFault> {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let line = head[..end].trim_ascii_end();
    let wrong = || ScriptFault::StatusLine(shown(line));
    let status = match line.strip_prefix(b"HTTP/") {
        Some([major, b'.', minor, b' ', status @ ..]) if major.is_ascii_digit() && minor.is_ascii_digit() => {
            status
        }
        _ => return Err(wrong()),
    };
    read(&head[end..], Some(status), response)
}

/// `given`: the status of a status line.
fn read<'a>(
    head: &'a [u8],
    given: Option<&'a [u8]>,
    response: &mut ResponseHead,
) -> Result<ScriptHead, ScriptFault> {
    response.clear();
    let mut status = given;
    let mut location = None;
    let mut fields = 0;
    let mut has_type = false;
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(ScriptFault::ColonMissing(shown(line)));
        };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if given.is_some() && name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(ScriptFault::Framed);
        }
        if given.is_none() && name.eq_ignore_ascii_case(b"status") {
            status = Some(value);
            continue;
        }
        if name.eq_ignore_ascii_case(b"location") {
            location = Some(value);
        } else {
            fields += 1;
            has_type |= name.eq_ignore_ascii_case(b"content-type");
        }
        response.push(name, value).map_err(ScriptFault::Field)?;
    }
    if let Some(path) = location
        && path.starts_with(b"/")
        && status.is_none()
        && fields == 0
    {
        return Ok(ScriptHead::LocalRedirect(path.to_vec()));
    }
    match status {
        Some(status) => set_status(status, response)?,
        None if location.is_some() => response.set_status_code(302).map_err(ScriptFault::Field)?,
        None if has_type => response.set_status_code(200).map_err(ScriptFault::Field)?,
        None => return Err(ScriptFault::Empty),
    }
    Ok(ScriptHead::Document)
}

/// `200`, `200 OK`: the reason is optional here, and not on the wire.
fn set_status(status: &[u8], response: &mut ResponseHead) -> Result<(), ScriptFault> {
    let wrong = || ScriptFault::Status(shown(status));
    let code = status
        .get(..3)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse::<u16>().ok())
        .filter(|code| *code >= 200)
        .ok_or_else(wrong)?;
    match status.get(3) {
        None => response.set_status_code(code).map_err(|_| wrong()),
        Some(b' ') => response.set_status(status).map_err(|_| wrong()),
        Some(_) => Err(wrong()),
    }
}

/// Quotes what a script wrote, escaped and bounded.
fn shown(text: &[u8]) -> String {
    text[..text.len().min(80)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(head: &str) -> Result<(ScriptHead, ResponseHead), ScriptFault> {
        let mut response = ResponseHead::default();
        let kind = script_head(head.as_bytes(), &mut response)?;
        Ok((kind, response))
    }

    #[test]
    fn a_head_ends_with_its_empty_line_however_lines_end() {
        for (output, end) in [
            ("", None),
            ("A: b", None),
            ("A: b\n", None),
            ("A: b\n\nbody", Some(6)),
            ("A: b\r\n\r\nbody", Some(8)),
            ("A: b\r\n\nbody", Some(7)),
            ("\nbody", Some(1)),
        ] {
            assert_eq!(script_head_end(output.as_bytes()), end, "{output:?}");
        }
    }

    #[test]
    fn every_form_of_an_answer_is_understood() {
        let table = [
            ("Content-Type: text/plain\n\n", 200, "200 OK"),
            (
                "Content-Type: text/plain\r\nStatus: 404 Gone away\r\n\r\n",
                404,
                "404 Gone away",
            ),
            ("Status: 204\n\n", 204, "204 No Content"),
            ("Location: http://other/\n\n", 302, "302 Found"),
            ("Location: /here\nContent-Type: text/html\n\n", 302, "302 Found"),
            (
                "Location: http://other/\nStatus: 301 Moved\nContent-Type: a/b\n\n",
                301,
                "301 Moved",
            ),
        ];
        for (head, code, line) in table {
            let (kind, response) = script(head).expect(head);
            assert_eq!(kind, ScriptHead::Document, "{head:?}");
            assert_eq!(
                (response.status(), response.status_line()),
                (code, line.as_bytes()),
                "{head:?}"
            );
        }
        let (kind, _) = script("Location: /other?x=1\n\n").expect("a local redirect");
        assert_eq!(kind, ScriptHead::LocalRedirect(b"/other?x=1".to_vec()));
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        for head in [
            "\n",
            "X-Only: this\n\n",
            "Content-Type text/plain\n\n",
            "Content-Type: text/plain\nStatus: two hundred\n\n",
            "Content-Type: text/plain\nStatus: 100 Continue\n\n",
            "Content-Type: text/plain\nBad Name: x\n\n",
            "Content-Type: a\x01b\n\n",
            "Content-Type: a/b\nContent-Length: x\n\n",
        ] {
            assert!(script(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn a_whole_http_answer_is_understood_for_wires_that_are_not_http() {
        let whole = |head: &str| {
            let mut response = ResponseHead::default();
            nph_head(head.as_bytes(), &mut response)
                .map(|kind| (kind, response.status(), response.lines().to_vec()))
        };
        for (head, status, lines) in [
            ("HTTP/1.1 201 Made\r\nX-Raw: 1\r\n\r\n", 201, "X-Raw: 1\r\n"),
            (
                "HTTP/1.0 302 Found\nLocation: /x\nConnection: close\n\n",
                302,
                "Location: /x\r\n",
            ),
            ("HTTP/1.1 200\n\n", 200, ""),
        ] {
            assert_eq!(
                whole(head),
                Ok((ScriptHead::Document, status, lines.as_bytes().to_vec())),
                "{head:?}"
            );
        }
        for (head, fault) in [
            (
                "Status: 200 OK\n\n",
                ScriptFault::StatusLine("Status: 200 OK".to_owned()),
            ),
            (
                "HTTP/1 200 OK\n\n",
                ScriptFault::StatusLine("HTTP/1 200 OK".to_owned()),
            ),
            ("HTTP/1.1 20 OK\n\n", ScriptFault::Status("20 OK".to_owned())),
            (
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
                ScriptFault::Framed,
            ),
            ("\n", ScriptFault::StatusLine(String::new())),
        ] {
            assert_eq!(whole(head), Err(fault), "{head:?}");
        }
    }
}
