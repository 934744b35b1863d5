//! The careful reader of head and trailer lines: slow, and exact about what is wrong.
//!
//! httparse reads whole, well-formed heads. This one sees the rest: heads that have arrived in part, and
//! heads with something wrong. It looks at each byte once however the input is cut, and its verdict is that
//! of the first byte after which no continuation could be served, so a cut never changes an answer. What
//! the fields mean is not looked at before the last line is there.

use crate::event::Limits;
use crate::refusal::Refusal;
use crate::syntax;

/// No registered method is longer than 17 bytes; this leaves room for private ones.
pub(super) const LONGEST_METHOD: usize = 32;

/// This much of an unfinished request line is judged at once, so that a TLS hello or garbage without a line
/// end is refused without waiting; the rest of it when its end or its limit is there. Bounds the cost of a
/// client that sends single bytes.
const JUDGED_EARLY: usize = 256;

/// How far the lines at the front of the input have been looked at. All offsets are into the input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Bytes known to hold no line end that has not been handled.
    seen: usize,
    /// Where the unfinished line begins.
    line_start: usize,
    /// Finished lines. In trailers the missing request line is counted too.
    lines: usize,
    in_trailers: bool,
}

impl Scan {
    pub(super) fn trailers() -> Scan {
        Scan {
            lines: 1,
            in_trailers: true,
            ..Scan::default()
        }
    }

    /// Nothing has been looked at yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.seen == 0
    }

    /// Lines finished, the request line included.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Looks at what is new. The number of bytes up to and including the empty line, once it is there.
    pub(super) fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        while let Some(offset) = memchr::memchr(b'\n', input.get(self.seen..).unwrap_or_default()) {
            let end = self.seen + offset;
            let line = &input[self.line_start..end];
            let (content, ending) = match line {
                [content @ .., b'\r'] => (content, Ending::CrLf),
                _ => (line, Ending::Lf),
            };
            if self.lines > 0 && content.is_empty() {
                return match ending {
                    Ending::CrLf => Ok(Some(end + 1)),
                    Ending::Lf => Err(Refusal::BareLineFeed),
                };
            }
            self.line(content, ending, limits)?;
            self.lines += 1;
            self.seen = end + 1;
            self.line_start = end + 1;
        }
        let line = input.get(self.line_start..).unwrap_or_default();
        let content = line.strip_suffix(b"\r").unwrap_or(line);
        self.unfinished(content, limits)?;
        self.seen = input.len();
        Ok(None)
    }

    fn unfinished(&self, content: &[u8], limits: &Limits) -> Result<(), Refusal> {
        if self.lines > 0 {
            return match content.len() > self.room(limits).0 {
                true => self.field_fits(content, limits),
                false => Ok(()),
            };
        }
        let room = self.room(limits);
        let judged = match content.len() <= room.0 {
            true if self.seen > JUDGED_EARLY => return Ok(()),
            true => &content[..content.len().min(JUDGED_EARLY)],
            false => content,
        };
        request_line(judged, room).map(|_| ())
    }

    fn line(&self, content: &[u8], ending: Ending, limits: &Limits) -> Result<(), Refusal> {
        if self.lines == 0 {
            let version = request_line(content, self.room(limits))?;
            ending.check()?;
            if content.is_empty() {
                return Err(Refusal::EmptyLine);
            }
            return check_version(version, content);
        }
        self.field_fits(content, limits)?;
        ending.check()?;
        let name = field_line(content, self.lines == 1)?;
        if self.in_trailers && is_forbidden_trailer(name) {
            return Err(Refusal::TrailerForbidden);
        }
        Ok(())
    }

    /// How long the current line may be, and what to say when it is longer: whichever of the two limits it
    /// meets first, so that it does not matter how much of it has arrived.
    fn room(&self, limits: &Limits) -> (usize, Refusal) {
        let (line, refusal) = match self.lines {
            0 => (limits.request_line, Refusal::RequestLineTooLong),
            _ => (limits.field_size, Refusal::FieldTooLarge),
        };
        let head = limits.head.saturating_sub(self.line_start);
        if line <= head {
            (line, refusal)
        } else {
            (head, Refusal::HeadTooLarge)
        }
    }

    fn field_fits(&self, content: &[u8], limits: &Limits) -> Result<(), Refusal> {
        if self.lines > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        let (room, refusal) = self.room(limits);
        if content.len() > room {
            Err(refusal)
        } else {
            Ok(())
        }
    }
}

/// How a line ended.
#[derive(Clone, Copy)]
enum Ending {
    CrLf,
    Lf,
}

impl Ending {
    fn check(self) -> Result<(), Refusal> {
        match self {
            Ending::CrLf => Ok(()),
            Ending::Lf => Err(Refusal::BareLineFeed),
        }
    }
}

/// The part of a request line a byte belongs to; each begins at the offset it carries.
enum Part {
    Method,
    Target(usize),
    Version(usize),
}

/// Checks method and target of a request line or of the beginning of one, and returns what stands where
/// the version should. `room` is its limit and what to say beyond.
fn request_line(content: &[u8], room: (usize, Refusal)) -> Result<Option<&[u8]>, Refusal> {
    let mut part = Part::Method;
    for (at, &byte) in content.iter().enumerate() {
        if at >= room.0 {
            return Err(room.1);
        }
        part = match (part, byte) {
            (Part::Version(start), _) => Part::Version(start),
            (_, b'\r') => return Err(Refusal::BareCarriageReturn),
            (Part::Method, b' ') if at > 0 => Part::Target(at + 1),
            // The record type of a TLS handshake, RFC 8446 5.1.
            (Part::Method, 0x16) if at == 0 => return Err(Refusal::Tls),
            (Part::Method, _) if !syntax::is_token_byte(byte) => return Err(Refusal::MethodSyntax),
            (Part::Method, _) if at >= LONGEST_METHOD => return Err(Refusal::MethodTooLong),
            (Part::Method, _) => Part::Method,
            (Part::Target(start), b' ') if at == start => return Err(Refusal::TargetMissing),
            (Part::Target(_), b' ') => Part::Version(at + 1),
            (Part::Target(_), b'#') => return Err(Refusal::Fragment),
            (Part::Target(start), b'!'..=b'~') => Part::Target(start),
            (Part::Target(_), _) => return Err(Refusal::TargetByte),
        };
    }
    match part {
        Part::Version(start) => Ok(content.get(start..)),
        _ => Ok(None),
    }
}

/// The version of a complete request line.
fn check_version(version: Option<&[u8]>, line: &[u8]) -> Result<(), Refusal> {
    let Some(version) = version else {
        return Err(Refusal::VersionMissing);
    };
    match version.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', b'0'..=b'9']) => Ok(()),
        // RFC 9113 3.4.
        Some(b"2.0") if line.starts_with(b"PRI * ") => Err(Refusal::Http2Preface),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => Err(Refusal::VersionUnsupported),
        _ if version.contains(&b'\r') => Err(Refusal::BareCarriageReturn),
        _ => Err(Refusal::VersionSyntax),
    }
}

/// Checks a complete field line and returns its name.
fn field_line(content: &[u8], is_first: bool) -> Result<&[u8], Refusal> {
    if let [b' ' | b'\t', ..] = content {
        return Err(if is_first {
            Refusal::SpaceBeforeFirstField
        } else {
            Refusal::FoldedLine
        });
    }
    if content.contains(&b'\r') {
        return Err(Refusal::BareCarriageReturn);
    }
    let Some(colon) = memchr::memchr(b':', content) else {
        return Err(Refusal::ColonMissing);
    };
    let (name, value) = (&content[..colon], &content[colon + 1..]);
    if let [.., b' ' | b'\t'] = name {
        return Err(Refusal::SpaceBeforeColon);
    }
    if !syntax::is_token(name) {
        return Err(Refusal::NameSyntax);
    }
    if !syntax::is_field_value(value) {
        return Err(Refusal::ValueControl);
    }
    Ok(name)
}

/// Fields that frame or route a message must not come after it (RFC 9110 6.5.1). Trailers are dropped
/// anyway; a sender of these is trying something.
fn is_forbidden_trailer(name: &[u8]) -> bool {
    [&b"content-length"[..], b"transfer-encoding", b"host", b"trailer"]
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}
