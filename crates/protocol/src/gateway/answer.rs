//! What all gateway wires have in common when they answer: the head's text, and how much body may follow it.
//!
//! Rules: as for HTTP/1, what an application says about length never contradicts what is sent. The web server frames the
//! answer for its client, so nothing about connections is said here, and it adds Date and Server itself.

use crate::event::Stamp;
use crate::request::{RequestHead, Version};
use crate::response::ResponseHead;
use crate::status::explanation;

/// How the first line of an answer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLine {
    /// `HTTP/1.1 200 OK`, with the version the web server named.
    StatusLine,
    /// `Status: 200 OK` (RFC 3875, 6.3.3).
    StatusField,
}

/// Where sending stands.
#[derive(Clone, Copy, Debug, Default)]
enum Writing {
    /// No head was sent.
    #[default]
    Idle,
    /// No body may follow: HEAD, 204, 304.
    Bodyless,
    /// Content-Length, with this many bytes left.
    Counted(u64),
    /// The wire's own end ends the answer.
    UntilEnd,
}

/// The current answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answer {
    writing: Writing,
    version: Version,
    is_head_method: bool,
    /// The application wrote more than it may; kept until the next request.
    surplus: bool,
    /// The application wrote less than it promised; kept until the next request.
    short: bool,
}

impl Answer {
    /// The answer to this request.
    pub(super) fn to(head: &RequestHead) -> Answer {
        Answer {
            version: head.version,
            is_head_method: head.method() == b"HEAD",
            ..Answer::default()
        }
    }

    /// Writes the head and decides what may follow. False when a head has been sent, and for an interim answer: no
    /// gateway wire has a place for one.
    pub(super) fn send_head(
        &mut self,
        head: &ResponseHead,
        stamp: &Stamp,
        first: FirstLine,
        out: &mut Vec<u8>,
    ) -> bool {
        let status = head.status();
        if self.head_sent() || status < 200 {
            return false;
        }
        self.writing = match head.content_length() {
            _ if self.is_head_method || matches!(status, 204 | 304) => Writing::Bodyless,
            Some(length) => Writing::Counted(length),
            None => Writing::UntilEnd,
        };
        self.put_first_line(first, head.status_line(), out);
        if status == 204 {
            let (before, after) = head.lines_around_length();
            out.extend_from_slice(before);
            out.extend_from_slice(after);
        } else {
            out.extend_from_slice(head.lines());
        }
        out.extend_from_slice(stamp.added.as_bytes());
        out.extend_from_slice(b"\r\n");
        true
    }

    /// Writes the head of an answer of the server's own, and returns the sentence that is its body. None when a head has
    /// been sent.
    pub(super) fn send_error(
        &mut self,
        status: u16,
        first: FirstLine,
        out: &mut Vec<u8>,
    ) -> Option<&'static str> {
        if self.head_sent() {
            return None;
        }
        let (reason, sentence) = explanation(status);
        let mut number = itoa::Buffer::new();
        let line = [number.format(status), " ", reason].concat();
        self.put_first_line(first, line.as_bytes(), out);
        out.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: ");
        out.extend_from_slice(number.format(sentence.len()).as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        self.writing = Writing::Bodyless;
        Some(if self.is_head_method { "" } else { sentence })
    }

    fn put_first_line(&self, first: FirstLine, status_line: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(match (first, self.version) {
            (FirstLine::StatusField, _) => b"Status: ",
            (FirstLine::StatusLine, Version::Http10) => b"HTTP/1.0 ",
            (FirstLine::StatusLine, Version::Http11) => b"HTTP/1.1 ",
        });
        out.extend_from_slice(status_line);
        out.extend_from_slice(b"\r\n");
    }

    /// How many of `length` body bytes may be sent; the surplus must be dropped.
    pub(super) fn allow(&mut self, length: usize) -> usize {
        match &mut self.writing {
            Writing::Idle => 0,
            Writing::UntilEnd => length,
            Writing::Bodyless => {
                self.surplus |= length > 0 && !self.is_head_method;
                0
            }
            Writing::Counted(left) => {
                let allowed = usize::try_from(*left).unwrap_or(usize::MAX).min(length);
                *left -= allowed as u64;
                self.surplus |= allowed < length;
                allowed
            }
        }
    }

    /// The answer is complete. False when it is not: no head was sent, or less than Content-Length promised.
    pub(super) fn finish(&mut self) -> bool {
        let writing = std::mem::take(&mut self.writing);
        self.short = matches!(writing, Writing::Counted(left) if left > 0);
        !self.short && !matches!(writing, Writing::Idle)
    }

    pub(crate) fn head_sent(&self) -> bool {
        !matches!(self.writing, Writing::Idle)
    }

    pub(crate) fn surplus(&self) -> bool {
        self.surplus
    }

    pub(crate) fn short(&self) -> bool {
        self.short
    }

    pub(crate) fn until_end(&self) -> bool {
        matches!(self.writing, Writing::UntilEnd)
    }

    pub(crate) fn promise_kept(&self) -> bool {
        matches!(self.writing, Writing::Counted(0))
    }
}
