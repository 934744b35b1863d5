//! Sending: the answer as STDOUT records, and END_REQUEST.

use super::record::{Kind, LARGEST, ProtocolStatus, RESPONDER, put_end, put_header};
use super::{Codec, Ended};
use crate::event::{Finished, Stamp};
use crate::gateway::answer::Answer;
use crate::refusal::Refusal;
use crate::request::RequestHead;
use crate::response::ResponseHead;

/// What an application that failed exits with, as a CGI program would.
const FAILED: u8 = 1;

impl Codec {
    /// The longest piece that [`begin_data`](Codec::begin_data) takes, in bytes: the content of one record.
    pub const LONGEST_PIECE: usize = LARGEST;

    /// Between two requests, with nothing of the next one seen.
    pub fn awaiting_request(&self) -> bool {
        self.ended.is_none() && self.open.is_empty() && self.record.is_none() && self.replies.is_empty()
    }

    /// See [`Codec::body_complete`](crate::Codec::body_complete).
    pub fn body_complete(&self) -> bool {
        self.ended.is_none()
            && self
                .serving
                .is_none_or(|serving| serving.complete || serving.left == Some(0))
    }

    /// See [`Codec::body_remaining`](crate::Codec::body_remaining). Unknown here: what is not read after the answer is
    /// skipped as belonging to no request.
    pub fn body_remaining(&self) -> Option<u64> {
        None
    }

    /// See [`Codec::has_event`](crate::Codec::has_event).
    pub fn has_event(&self) -> bool {
        self.ended.is_none()
            && (!self.replies.is_empty() || self.serving.is_none() && self.next_ready().is_some())
    }

    /// See [`Codec::is_repeatable`](crate::Codec::is_repeatable).
    pub fn is_repeatable(&self) -> bool {
        let is_whole = self.body_complete() && self.serving.is_some_and(|serving| !serving.aborted);
        let is_alone = self.open.len() == 1 && self.replies.is_empty();
        is_whole && is_alone && self.record.is_none_or(|record| record.length == 0)
    }

    /// See [`Codec::repeat`](crate::Codec::repeat).
    pub fn repeat(&self, head: &RequestHead, body: &[u8], out: &mut Vec<u8>) {
        let (Some(serving), Some(open)) = (self.serving, self.open.first()) else {
            return;
        };
        put_header(Kind::BeginRequest, serving.id, 8, out);
        out.extend_from_slice(&[0, RESPONDER, u8::from(self.keep), 0, 0, 0, 0, 0]);
        for (kind, content) in [(Kind::Params, head.as_received()), (Kind::Stdin, body)] {
            for piece in content.chunks(LARGEST) {
                put_header(kind, serving.id, piece.len(), out);
                out.extend_from_slice(piece);
            }
            if kind == Kind::Params || open.body_ended || self.record.is_some() {
                put_header(kind, serving.id, 0, out);
            }
        }
        // What is still to come of the record that the body ended in comes behind this one.
        if let (Some(record), [.., padding, _]) = (self.record, &mut out[..]) {
            *padding = record.padding as u8;
        }
    }

    /// Moves the body bytes behind [`Event::Kept`](crate::Event::Kept) to the end of `into`.
    pub fn take_kept(&mut self, into: &mut Vec<u8>) {
        let Some(serving) = &mut self.serving else { return };
        let id = serving.id;
        let Some(open) = self.open.iter_mut().find(|open| open.id == id) else {
            return;
        };
        let mut wanted = open.body.len();
        if let Some(left) = &mut serving.left {
            wanted = wanted.min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= wanted as u64;
        }
        serving.allowed = serving.allowed.saturating_sub(wanted as u64);
        into.extend_from_slice(&open.body[..wanted]);
        open.body = Vec::new();
    }

    /// See [`Codec::reply`](crate::Codec::reply).
    pub fn reply(&mut self, out: &mut Vec<u8>) -> Finished {
        out.append(&mut self.replies);
        self.replies = Vec::new();
        self.whether_to_stay()
    }

    /// See [`Codec::send_head`](crate::Codec::send_head).
    pub fn send_head(&mut self, head: &ResponseHead, stamp: &Stamp, out: &mut Vec<u8>) {
        let Some(id) = self.answering() else { return };
        let start = out.len();
        put_header(Kind::Stdout, id, 0, out);
        let sent = self.answer.send_head(head, stamp, self.first_line, out);
        self.close_record(sent, start, out);
    }

    /// See [`Codec::begin_data`](crate::Codec::begin_data); at most [`LONGEST_PIECE`](Codec::LONGEST_PIECE) at a time.
    #[must_use]
    pub fn begin_data(&mut self, length: usize, out: &mut Vec<u8>) -> usize {
        let Some(id) = self.answering() else { return 0 };
        let allowed = self.answer.allow(length.min(LARGEST));
        // An empty record would end the stream.
        if allowed > 0 {
            put_header(Kind::Stdout, id, allowed, out);
        }
        allowed
    }

    /// Writes to the web server's error log.
    pub fn send_stderr(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(id) = self.answering() else { return false };
        for piece in text.chunks(LARGEST) {
            put_header(Kind::Stderr, id, piece.len(), out);
            out.extend_from_slice(piece);
        }
        true
    }

    /// See [`Codec::finish_with`](crate::Codec::finish_with).
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Finished {
        let was_sent = self.answer.head_sent();
        let is_whole = self.answer.finish();
        if let Some(serving) = self.serving.take() {
            self.open.retain(|open| open.id != serving.id);
            if was_sent && !serving.aborted {
                put_header(Kind::Stdout, serving.id, 0, out);
            }
            let status = if is_whole || serving.aborted { 0 } else { FAILED };
            put_end(serving.id, status, ProtocolStatus::RequestComplete, out);
            // So that the web server does not take a cut answer for a whole one.
            if !is_whole && !serving.aborted {
                self.ended.get_or_insert(Ended::Closed);
            }
        }
        if self.ended.is_some() {
            return Finished::Close;
        }
        self.whether_to_stay()
    }

    fn whether_to_stay(&mut self) -> Finished {
        if self.keep || !self.open.is_empty() {
            return Finished::KeepAlive;
        }
        self.ended.get_or_insert(Ended::Closed);
        Finished::Close
    }

    /// See [`Codec::refuse`](crate::Codec::refuse).
    pub fn refuse(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        if !matches!(self.ended, Some(Ended::Refused(_))) {
            self.ended = Some(Ended::Refused(*refusal));
        }
        out.append(&mut self.replies);
        // Somebody has to be told: the request that is served, or the first that is open. With none there is no answer.
        if self.serving.is_none() {
            let Some(open) = self.open.first() else { return };
            let mut serving = super::Serving::of(open.id);
            serving.complete = true;
            self.serving = Some(serving);
            self.answer = Answer::default();
        }
        if !self.answer.head_sent() {
            self.send_error(refusal.status(), out);
            self.finish(out);
        }
    }

    /// See [`Codec::send_error`](crate::Codec::send_error).
    pub fn send_error(&mut self, status: u16, out: &mut Vec<u8>) {
        let Some(id) = self.answering() else { return };
        let start = out.len();
        put_header(Kind::Stdout, id, 0, out);
        let sentence = self.answer.send_error(status, self.first_line, out);
        out.extend_from_slice(sentence.unwrap_or_default().as_bytes());
        self.close_record(sentence.is_some(), start, out);
    }

    /// The answer as far as it has come.
    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The id that is answered, unless nobody wants the answer.
    fn answering(&self) -> Option<u16> {
        self.serving
            .filter(|serving| !serving.aborted)
            .map(|serving| serving.id)
    }

    /// Completes the record whose header stands at `start`, or takes it back. A head longer than a record is continued
    /// in further ones.
    fn close_record(&self, sent: bool, start: usize, out: &mut Vec<u8>) {
        let Some(id) = self.answering().filter(|_| sent) else {
            out.truncate(start);
            return;
        };
        let length = out.len() - start - super::HEADER;
        if length <= LARGEST {
            let [high, low] = (length as u16).to_be_bytes();
            out[start + 4] = high;
            out[start + 5] = low;
            return;
        }
        let text = out.split_off(start + super::HEADER);
        out.truncate(start);
        for piece in text.chunks(LARGEST) {
            put_header(Kind::Stdout, id, piece.len(), out);
            out.extend_from_slice(piece);
        }
    }
}
