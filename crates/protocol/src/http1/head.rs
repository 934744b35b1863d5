//! From a complete head's bytes to a `RequestHead`: httparse's tokens, our limits, and what they mean.
//!
//! Two steps. *Reading* splits the bytes and holds them against the limits; whatever it does not like it
//! calls doubtful and leaves to `scan`, which says exactly what is wrong, or that nothing is. *Meaning*
//! looks at the request as a whole: target, Host, framing, expectations (RFC 9112 3, 6; RFC 9110 7.2, 10.1.1).

use std::mem::MaybeUninit;

use super::scan::LONGEST_METHOD;
use crate::event::Limits;
use crate::refusal::Refusal;
use crate::request::{BodyLength, FieldSpan, RequestHead, Span, Version};
use crate::syntax;

/// Fields read without allocating; more are read a second time, with room for all of them.
const FIELDS_ON_STACK: usize = 100;

/// What reading came to.
pub(super) enum Reading {
    /// The head is filled; it is this many bytes long.
    Complete(usize, Meaning),
    /// Partial, malformed, or merely unusual.
    Doubtful,
}

/// Reads the head at the front of `input` if it is there entirely and nothing is unusual about it.
pub(super) fn read(input: &[u8], limits: &Limits, head: &mut RequestHead) -> Reading {
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
    read_with(input, limits, head, &mut slots)
}

/// Reads a complete head that `scan` has found nothing wrong with: one with a minor version above 1, or
/// with more fields than fit on the stack.
pub(super) fn read_unusual(input: &[u8], limits: &Limits, head: &mut RequestHead, fields: usize) -> Reading {
    let mut text = input.to_vec();
    let mut slots = vec![MaybeUninit::uninit(); fields];
    // A higher minor version is served as the highest we have (RFC 9110 2.5), which httparse does not know.
    if let Some(line_end) = memchr::memchr(b'\r', &text)
        && let Some(minor) = line_end.checked_sub(1)
        && matches!(text[minor], b'2'..=b'9')
    {
        text[minor] = b'1';
    }
    read_with(&text, limits, head, &mut slots)
}

fn read_with<'input>(
    input: &'input [u8],
    limits: &Limits,
    head: &mut RequestHead,
    slots: &mut [MaybeUninit<httparse::Header<'input>>],
) -> Reading {
    // httparse skips any number of empty lines; we have skipped the one we tolerate.
    if let None | Some(b'\r' | b'\n') = input.first() {
        return Reading::Doubtful;
    }
    let mut request = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(length)) = request.parse_with_uninit_headers(input, slots) else {
        return Reading::Doubtful;
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Reading::Doubtful;
    };
    let (method, target) = (method.as_bytes(), target.as_bytes());
    // "METHOD SP target SP HTTP/1.x"
    let line_length = method.len() + target.len() + 10;
    let fits = method.len() <= LONGEST_METHOD
        && line_length <= limits.request_line.min(limits.head)
        && request.headers.len() <= limits.fields
        && length - 4 <= limits.head
        && u32::try_from(length).is_ok();
    if !fits || !target.is_ascii() || memchr::memchr(b'#', target).is_some() {
        return Reading::Doubtful;
    }

    head.begin(&input[..length]);
    head.method = Span::new(0, method.len());
    head.target = Span::new(method.len() + 1, target.len());
    head.version = if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    };

    let mut meaning = Meaning::default();
    let origin = input.as_ptr() as usize;
    let mut line_start = line_length + 2;
    let mut line_end = line_length;
    for (index, field) in request.headers.iter().enumerate() {
        let name = field.name.as_bytes();
        let name_start = name.as_ptr() as usize - origin;
        // httparse also takes bare LFs as line ends; each line must begin right after a CRLF.
        if index > 0 {
            line_end = name_start - 2;
        }
        if input[line_end..name_start] != *b"\r\n" || line_end > line_start + limits.field_size {
            return Reading::Doubtful;
        }
        line_start = name_start;
        let value = match field.value {
            [] => Span::default(),
            value => Span::new(value.as_ptr() as usize - origin, value.len()),
        };
        head.fields.push(FieldSpan {
            name: Span::new(name_start, name.len()),
            value,
        });
        meaning.note(name, field.value, index);
    }
    let last_line_fits = length - 4 <= line_start + limits.field_size || request.headers.is_empty();
    if !last_line_fits || input[length - 4..length] != *b"\r\n\r\n" {
        return Reading::Doubtful;
    }
    Reading::Complete(length, meaning)
}

/// The fields that decide about the message, gathered while reading.
#[derive(Default)]
pub(super) struct Meaning {
    /// Place of the first Host among the fields.
    host: Option<usize>,
    more_than_one_host: bool,
    content_length: Option<Result<u64, Refusal>>,
    transfer_encoding: Option<TransferEncoding>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    unknown_expectation: bool,
}

impl Meaning {
    /// Looks at one field. Names are told apart by length first: most need no comparison.
    #[inline]
    fn note(&mut self, name: &[u8], value: &[u8], index: usize) {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => match self.host {
                None => self.host = Some(index),
                Some(_) => self.more_than_one_host = true,
            },
            6 if name.eq_ignore_ascii_case(b"expect") => self.note_expect(value),
            10 if name.eq_ignore_ascii_case(b"connection") => self.note_connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.content_length = Some(match self.content_length {
                    None => syntax::decimal(value).ok_or(Refusal::ContentLengthSyntax),
                    Some(Ok(_)) => Err(Refusal::ContentLengthTwice),
                    Some(Err(refusal)) => Err(refusal),
                });
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.transfer_encoding.get_or_insert_default().note(value);
            }
            _ => {}
        }
    }

    fn note_expect(&mut self, value: &[u8]) {
        for expectation in syntax::list(value).filter(|element| !element.is_empty()) {
            match expectation.eq_ignore_ascii_case(b"100-continue") {
                true => self.expects_continue = true,
                false => self.unknown_expectation = true,
            }
        }
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in syntax::list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Judges the request as a whole and completes the head.
    pub(super) fn settle(self, head: &mut RequestHead, limits: &Limits) -> Result<(), Refusal> {
        if head.method() == b"CONNECT" {
            return Err(Refusal::Connect);
        }
        self.settle_target(head)?;
        self.settle_host(head)?;
        self.settle_framing(head, limits)?;
        head.keep_alive = !self.close && (self.keep_alive || head.version == Version::Http11);
        if head.version == Version::Http11 {
            if self.unknown_expectation {
                return Err(Refusal::ExpectationUnknown);
            }
            let has_body = !matches!(head.body_length, BodyLength::None | BodyLength::Known(0));
            head.expects_continue = self.expects_continue && has_body;
        }
        Ok(())
    }

    fn settle_target(&self, head: &mut RequestHead) -> Result<(), Refusal> {
        let start = head.target.start as usize;
        match head.target() {
            [b'/', ..] => set_path(head, start),
            b"*" if head.method() == b"OPTIONS" => set_path(head, start),
            target => {
                let authority_start = absolute_prefix(target).ok_or(Refusal::TargetForm)?;
                let rest = &target[authority_start..];
                let length = rest
                    .iter()
                    .position(|byte| matches!(byte, b'/' | b'?'))
                    .unwrap_or(rest.len());
                if !syntax::is_authority(&rest[..length]) {
                    return Err(Refusal::TargetAuthority);
                }
                head.host = Some(Span::new(start + authority_start, length));
                set_path(head, start + authority_start + length);
                if head.path.length == 0 {
                    head.path = Span::new(head.text.len(), 1);
                    head.text.push(b'/');
                }
            }
        }
        Ok(())
    }

    /// Exactly one valid Host in 1.1, at most one in 1.0 (RFC 9112 3.2); an absolute target overrides it.
    fn settle_host(&self, head: &mut RequestHead) -> Result<(), Refusal> {
        if self.more_than_one_host {
            return Err(Refusal::HostTwice);
        }
        let Some(index) = self.host else {
            return match head.version {
                Version::Http11 => Err(Refusal::HostMissing),
                Version::Http10 => Ok(()),
            };
        };
        let span = head.fields[index].value;
        let host = span.of(&head.text);
        if !host.is_empty() && !syntax::is_authority(host) {
            return Err(Refusal::HostSyntax);
        }
        match head.host {
            None => head.host = Some(span),
            Some(authority) => head.fields[index].value = authority,
        }
        Ok(())
    }

    fn settle_framing(&self, head: &mut RequestHead, limits: &Limits) -> Result<(), Refusal> {
        head.body_length = match (&self.transfer_encoding, self.content_length) {
            (None, None) => BodyLength::None,
            (Some(_), Some(_)) => return Err(Refusal::LengthAndTransferEncoding),
            (None, Some(length)) => {
                let length = length?;
                if limits.body.is_some_and(|limit| length > limit) {
                    return Err(Refusal::BodyTooLarge);
                }
                BodyLength::Known(length)
            }
            (Some(_), None) if head.version == Version::Http10 => {
                return Err(Refusal::TransferEncodingInHttp10);
            }
            (Some(encoding), None) => {
                encoding.settle()?;
                BodyLength::Chunked
            }
        };
        Ok(())
    }
}

/// What follows the scheme of an absolute target begins here. Schemes other than http and https are not ours.
fn absolute_prefix(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .iter()
        .find(|scheme| {
            target
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .map(|scheme| scheme.len())
}

/// Splits what follows `start` in the target into path and query.
fn set_path(head: &mut RequestHead, start: usize) {
    let end = (head.target.start + head.target.length) as usize;
    match memchr::memchr(b'?', &head.text[start..end]) {
        None => head.path = Span::new(start, end - start),
        Some(length) => {
            head.path = Span::new(start, length);
            head.query = Span::new(start + length + 1, end - start - length - 1);
        }
    }
}

/// All Transfer-Encoding fields of a request, as one list.
#[derive(Default)]
struct TransferEncoding {
    chunked: bool,
    unknown: bool,
    fault: Option<Refusal>,
}

impl TransferEncoding {
    fn note(&mut self, value: &[u8]) {
        for coding in syntax::list(value) {
            let fault = if !syntax::is_token(coding) {
                Refusal::TransferEncodingSyntax
            } else if !coding.eq_ignore_ascii_case(b"chunked") {
                self.unknown = true;
                if !self.chunked {
                    continue;
                }
                Refusal::ChunkedNotLast
            } else if self.chunked {
                Refusal::ChunkedTwice
            } else {
                self.chunked = true;
                continue;
            };
            self.fault.get_or_insert(fault);
        }
    }

    fn settle(&self) -> Result<(), Refusal> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.unknown => Err(Refusal::TransferCodingUnknown),
            None => Ok(()),
        }
    }
}
