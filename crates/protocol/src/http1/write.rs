//! Sending: heads, framing, and the short answers the server gives itself.
//!
//! Rules: the framing follows from the request, the status and Content-Length alone, and what an application
//! writes beyond or short of it never reaches the next answer; nothing is written here that `ResponseHead`
//! has not checked; one head is a handful of copies into a buffer that has grown before.

use super::{Codec, Stage};
use crate::event::{Finished, Stamp};
use crate::refusal::Refusal;
use crate::request::Version;
use crate::response::ResponseHead;
use crate::status::explanation;

/// Where sending stands, and how the end of the answer is shown to the client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Writing {
    /// No head was sent.
    Idle,
    /// No body may follow: HEAD, 204, 304 (RFC 9112 6.3).
    Bodyless,
    /// Content-Length, with this many bytes left.
    Counted(u64),
    /// In chunks; whether one is open and wants its CRLF.
    Chunked { open: bool },
    /// The end of the connection ends the answer: 1.0 without Content-Length.
    UntilClose,
}

/// `\r\n` and what surrounds the pieces of a head; more than they ever add up to.
const HEAD_OVERHEAD: usize = 256;

impl Codec {
    /// Writes the status line and the fields, decides the framing, and adds Date and Server where the
    /// application gave none. `close`: the server wants the connection to end after this answer.
    ///
    /// A 1xx status is an interim answer (RFC 9110 15.2): its head goes out, except to a 1.0 client, and the
    /// final one is still expected. Does nothing when a head has been sent.
    pub fn send_head(&mut self, head: &ResponseHead, stamp: &Stamp, close: bool, out: &mut Vec<u8>) {
        if self.head_sent() {
            return;
        }
        let status = head.status();
        out.reserve(
            head.lines().len()
                + head.status_line().len()
                + stamp.server.len()
                + stamp.added.len()
                + HEAD_OVERHEAD,
        );
        if status < 200 {
            if self.request.version == Version::Http11 {
                put_status_and_fields(head, WithLength::No, out);
                out.extend_from_slice(b"\r\n");
            }
            return;
        }
        // Whoever was not told to continue may or may not send the body: nobody knows what comes next.
        self.closing |= close || !self.request.keep_alive || self.request.awaits_continue;
        let is_chunkable = self.request.version == Version::Http11;
        let is_bodyless = matches!(status, 204 | 304);
        self.writing = match head.content_length() {
            _ if is_bodyless || self.request.is_head_method => Writing::Bodyless,
            Some(length) => Writing::Counted(length),
            None if is_chunkable => Writing::Chunked { open: false },
            None => Writing::UntilClose,
        };
        if let Writing::UntilClose = self.writing {
            self.closing = true;
        }

        // RFC 9110 8.6: no Content-Length in a 204.
        let length = if status == 204 {
            WithLength::No
        } else {
            WithLength::Yes
        };
        put_status_and_fields(head, length, out);
        // HEAD answers as GET would (RFC 9110 9.3.2), Transfer-Encoding included.
        if is_chunkable && !is_bodyless && head.content_length().is_none() {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        self.put_ending(
            Added {
                date: !head.has_date(),
                server: !head.has_server(),
            },
            stamp,
            out,
        );
    }

    /// Date, Server, Connection, and the empty line.
    fn put_ending(&self, added: Added, stamp: &Stamp, out: &mut Vec<u8>) {
        if added.date && stamp.dated {
            out.extend_from_slice(b"Date: ");
            out.extend_from_slice(&stamp.date);
            out.extend_from_slice(b"\r\n");
        }
        if added.server && !stamp.server.is_empty() {
            out.extend_from_slice(b"Server: ");
            out.extend_from_slice(stamp.server.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(stamp.added.as_bytes());
        out.extend_from_slice(match (self.closing, self.request.version) {
            (true, _) => b"Connection: close\r\n\r\n",
            (false, Version::Http10) => b"Connection: keep-alive\r\n\r\n",
            (false, Version::Http11) => b"\r\n",
        });
    }

    /// How many of `length` body bytes may be sent now; the surplus beyond Content-Length, or a body that is
    /// not allowed, must be dropped. Writes the chunk-size line where there is one.
    #[must_use]
    pub fn begin_data(&mut self, length: usize, out: &mut Vec<u8>) -> usize {
        match &mut self.writing {
            // An answer to HEAD comes with the body GET would have had: dropping it is normal.
            Writing::Bodyless => {
                self.surplus |= length > 0 && !self.request.is_head_method;
                0
            }
            Writing::Idle => 0,
            Writing::UntilClose => length,
            Writing::Counted(left) => {
                let allowed = usize::try_from(*left).unwrap_or(usize::MAX).min(length);
                *left -= allowed as u64;
                self.surplus |= allowed < length;
                allowed
            }
            // A chunk of length 0 would be the last one.
            Writing::Chunked { open } => {
                if length > 0 {
                    *open = true;
                    put_hexadecimal(length, out);
                    out.extend_from_slice(b"\r\n");
                }
                length
            }
        }
    }

    /// Ends what [`begin_data`](Codec::begin_data) began, after the bytes it allowed.
    pub fn end_data(&mut self, out: &mut Vec<u8>) {
        if let Writing::Chunked { open } = &mut self.writing
            && std::mem::take(open)
        {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The answer is complete. Writes the last chunk, and says whether the connection stays: not when either
    /// side asked to close, when its end ends the answer, when no head was sent, or when the body is shorter
    /// than Content-Length, so that the client can tell.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Finished {
        self.finish_with(&ResponseHead::default(), out)
    }

    /// As [`finish`](Codec::finish), with the fields of `trailers` behind the last chunk (RFC 9112 7.1.2); only an answer in
    /// chunks can have any.
    pub fn finish_with(&mut self, trailers: &ResponseHead, out: &mut Vec<u8>) -> Finished {
        match self.writing {
            Writing::Idle => self.closing = true,
            Writing::Counted(left) if left > 0 => {
                self.short = true;
                self.closing = true;
            }
            Writing::Chunked { .. } => {
                self.end_data(out);
                out.extend_from_slice(b"0\r\n");
                out.extend_from_slice(trailers.lines());
                out.extend_from_slice(b"\r\n");
            }
            _ => {}
        }
        self.writing = Writing::Idle;
        match self.stage {
            Stage::Refused(_) => return Finished::Close,
            _ if self.closing => {
                self.stage = Stage::Closed;
                return Finished::Close;
            }
            Stage::Complete => self.next_request(),
            _ => self.answered = true,
        }
        Finished::KeepAlive
    }

    /// The application wrote more than its answer may have; the rest was dropped.
    pub fn surplus(&self) -> bool {
        self.surplus
    }

    /// The application wrote less than it had promised; known once the answer is finished.
    pub fn short(&self) -> bool {
        self.short
    }

    /// All bytes that Content-Length promised have been sent.
    pub fn promise_kept(&self) -> bool {
        matches!(self.writing, Writing::Counted(0))
    }

    /// Nothing but the connection's end will show the client where the answer ends.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.writing, Writing::UntilClose)
    }

    /// A final head was sent and its answer is not finished.
    pub fn head_sent(&self) -> bool {
        !matches!(self.writing, Writing::Idle)
    }

    /// Tells the client to send the body, if it waits for that. At most once, and not after a head.
    pub fn send_continue(&mut self, out: &mut Vec<u8>) {
        if self.request.awaits_continue && !self.head_sent() {
            self.request.awaits_continue = false;
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Writes the whole answer to a refused request; the connection ends with it. Nothing is written into
    /// the middle of another answer: the client sees that one cut off.
    pub fn refuse(&mut self, refusal: &Refusal, stamp: &Stamp, out: &mut Vec<u8>) {
        if !matches!(self.stage, Stage::Refused(_)) {
            self.stage = Stage::Refused(*refusal);
        }
        self.send_error(refusal.status(), stamp, true, out);
    }

    /// Writes a whole answer of the server's own for the current request: a status and a sentence. Then
    /// call [`finish`](Codec::finish). Does nothing when a head has been sent.
    pub fn send_error(&mut self, status: u16, stamp: &Stamp, close: bool, out: &mut Vec<u8>) {
        if self.head_sent() {
            return;
        }
        self.closing |= close || !self.request.keep_alive || self.request.awaits_continue;
        let (reason, sentence) = explanation(status);
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(number.format(status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ");
        out.extend_from_slice(number.format(sentence.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        if status == 503 {
            // RFC 9110 10.2.3. It is for want of room, which passes.
            out.extend_from_slice(b"Retry-After: 1\r\n");
        }
        self.put_ending(
            Added {
                date: true,
                server: true,
            },
            stamp,
            out,
        );
        self.writing = Writing::Bodyless;
        if !self.request.is_head_method {
            out.extend_from_slice(sentence.as_bytes());
        }
    }
}

/// Which fields the server adds.
struct Added {
    date: bool,
    server: bool,
}

/// Whether the application's Content-Length goes out.
#[derive(PartialEq)]
enum WithLength {
    Yes,
    No,
}

fn put_status_and_fields(head: &ResponseHead, length: WithLength, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status_line());
    out.extend_from_slice(b"\r\n");
    if length == WithLength::Yes {
        out.extend_from_slice(head.lines());
        return;
    }
    let (before, after) = head.lines_around_length();
    out.extend_from_slice(before);
    out.extend_from_slice(after);
}

fn put_hexadecimal(number: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (place * 4)) & 0xf;
        out.push(b"0123456789abcdef"[digit]);
    }
}
