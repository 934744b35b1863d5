//! The answer of an exchange: its head, its body, and its end, framed by the codec into the outbox. Nothing here writes to the
//! network: see `flow`.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use protocol::{Finished, ResponseFault, ResponseHead, explanation};
use telemetry::Via;

use super::{DRAIN_LIMIT, Exchange};
use crate::connection::{Ending, Stage};
use crate::outbox::COPY_LIMIT;
use crate::routes::{Phase, Router};

impl Exchange {
    /// The answer's head, to be filled before [`Exchange::begin`].
    pub fn response(&mut self) -> &mut ResponseHead {
        &mut self.work.response
    }

    /// Bytes of the answer's body that have been queued, without framing.
    pub fn body_sent(&self) -> u64 {
        self.work.body_bytes
    }

    /// Whether the answer's head has been queued: from then on it cannot be changed.
    pub fn begun(&self) -> bool {
        self.connection.codec.head_sent() || self.work.routed.instead.is_some()
    }

    /// Whether the rules about answers give another one in its place: what the application writes then goes nowhere, and the
    /// other answer is given when this one ends.
    fn is_replaced(&mut self) -> bool {
        if !std::mem::replace(&mut self.work.routed.judged, true) {
            let bounds = Arc::clone(&self.work.bounds);
            let router = bounds.router.as_ref().filter(|router| router.judges_answers());
            self.work.routed.instead = router.and_then(|router| {
                let first = router.decide(Phase::Error, self);
                first.or_else(|| router.decide(Phase::Response, self))
            });
        }
        self.work.routed.instead.is_some()
    }

    /// Gives the answer that the rules have put in the place of another, if there is one.
    fn answer_instead(&mut self) -> bool {
        let outcome = self.work.routed.instead.take();
        let replaced = outcome.is_some();
        if let Some(outcome) = outcome {
            outcome.answer(self);
        }
        replaced
    }

    /// Queues the answer's head.
    pub fn begin(&mut self) {
        if self.is_replaced() {
            return;
        }
        let Exchange { connection, work } = self;
        let leaving = work.bounds.leaving.load(Ordering::Relaxed);
        let close = work.close
            || leaving
            || connection
                .codec
                .body_remaining()
                .is_some_and(|rest| rest > DRAIN_LIMIT as u64);
        for name in work.routed.removed.drain(..) {
            work.response.remove(name.as_bytes());
        }
        for (name, value) in work.routed.added.drain(..) {
            // What has turned out to be no valid field is left away.
            let _ = work.response.push(name.as_bytes(), value.as_bytes());
        }
        let out = work.outbox.tail();
        let before = out.len();
        connection
            .codec
            .send_head(&work.response, &work.stamp, close, out);
        work.head_bytes = (out.len() - before) as u64;
    }

    /// Queues text for the web server's error log: false where the wire has no place for it, or as much is queued as may be.
    pub fn write_stderr(&mut self, text: &[u8]) -> bool {
        let Exchange { connection, work } = self;
        work.outbox.pending() < work.bounds.response_buffer
            && connection.codec.send_stderr(text, work.outbox.tail())
    }

    /// Queues a piece of the answer's body, by copying it.
    pub fn write(&mut self, piece: &[u8]) {
        let Exchange { connection, work } = self;
        if work.routed.instead.is_some() {
            return;
        }
        let out = work.outbox.tail();
        for piece in piece.chunks(connection.codec.longest_piece()) {
            let allowed = connection.codec.begin_data(piece.len(), out);
            out.extend_from_slice(&piece[..allowed]);
            connection.codec.end_data(out);
            work.body_bytes += allowed as u64;
        }
    }

    /// Queues a piece of the answer's body; a large one as `shared` gives it, without copying it.
    pub fn write_shared(&mut self, piece: &[u8], shared: impl FnOnce() -> Bytes) {
        if piece.len() <= COPY_LIMIT {
            return self.write(piece);
        }
        let Exchange { connection, work } = self;
        if work.routed.instead.is_some() {
            return;
        }
        let mut shared = shared();
        while !shared.is_empty() {
            let mut piece = shared.split_to(shared.len().min(connection.codec.longest_piece()));
            let allowed = connection.codec.begin_data(piece.len(), work.outbox.tail());
            piece.truncate(allowed);
            if allowed > 0 {
                work.outbox.push_bytes(piece);
            }
            connection.codec.end_data(work.outbox.tail());
            work.body_bytes += allowed as u64;
        }
    }

    /// Queues a part of a file as the next piece of the answer's body.
    pub fn write_file(&mut self, file: OwnedFd, mut offset: u64, length: u64) {
        let Exchange { connection, work } = self;
        if work.routed.instead.is_some() {
            return;
        }
        work.via = Via::ApplicationFile;
        let file = Arc::new(file);
        let end = offset.saturating_add(length);
        while offset < end {
            let piece = usize::try_from(end - offset)
                .unwrap_or(usize::MAX)
                .min(connection.codec.longest_piece());
            let allowed = connection.codec.begin_data(piece, work.outbox.tail());
            if allowed > 0 {
                work.outbox.push_file(Arc::clone(&file), offset, allowed as u64);
            }
            connection.codec.end_data(work.outbox.tail());
            work.body_bytes += allowed as u64;
            offset += piece as u64;
        }
    }

    /// Adds a field to what follows the body, where the answer is sent in chunks.
    ///
    /// # Errors
    /// When it is no valid field.
    pub fn push_trailer(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseFault> {
        // RFC 9110 6.5.1: what frames a message does not belong behind it.
        if name.eq_ignore_ascii_case(b"content-length") {
            return Ok(());
        }
        self.work.trailers.push(name, value)
    }

    /// Queues bytes of an answer that somebody else has framed; [`Exchange::end_raw`] ends it.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) {
        if self.work.head_bytes == 0 {
            self.work.response.clear();
            // For the access log: what its status line says.
            if let Some(status) = bytes.get(9..12) {
                let _ = self.work.response.set_status(&[status, b" "].concat());
            }
        }
        self.work.outbox.tail().extend_from_slice(bytes);
        self.work.head_bytes += bytes.len() as u64;
    }

    /// Ends an answer that was written raw: how it is framed is not known, so the connection ends with it.
    pub(crate) fn end_raw(&mut self) {
        self.abort();
    }

    /// The connection ends with this answer; to be said before [`Exchange::begin`].
    pub fn close_after_answer(&mut self) {
        self.work.close = true;
    }

    /// Somebody has spoken with the client in our place: nothing is answered, and the connection ends.
    pub fn answered_elsewhere(&mut self) {
        self.work.stage = Stage::Draining;
        self.leave_unlogged();
        if self.connection.ending != Ending::Now {
            self.connection.ending = Ending::FlushAndLinger;
        }
    }

    /// Ends the answer. Returns what was wrong with its length, for the log: the connection is never left in doubt.
    pub fn finish(&mut self) -> Option<&'static str> {
        if self.answer_instead() {
            return None;
        }
        let Exchange { connection, work } = self;
        if connection.ending == Ending::Now {
            return None;
        }
        // To close on a client that is still sending would reset the connection under the answer.
        let unread = !connection.codec.body_complete() || connection.readable;
        let finished = connection.codec.finish_with(&work.trailers, work.outbox.tail());
        work.stage = Stage::Draining;
        if finished == Finished::Close && connection.ending == Ending::No {
            connection.ending = if unread {
                Ending::FlushAndLinger
            } else {
                Ending::Flush
            };
        }
        if connection.codec.short() {
            return Some("the application wrote less than its Content-Length: the connection is closed");
        }
        connection
            .codec
            .surplus()
            .then_some("the application wrote more than its Content-Length: the rest was cut off")
    }

    /// Gives the answer up so that the client can tell: what was written goes out, the end is missing.
    pub fn abort(&mut self) {
        if self.answer_instead() {
            return;
        }
        self.work.stage = Stage::Draining;
        self.connection.cut = self.connection.codec.ends_with_connection();
        if self.connection.ending != Ending::Now {
            self.connection.ending = Ending::Flush;
        }
    }

    /// Answers with an error page if nothing was sent yet, and otherwise [aborts](Exchange::abort).
    pub fn fail(&mut self, status: u16) {
        if self.answer_instead() {
            return;
        }
        let bounds = Arc::clone(&self.work.bounds);
        let judged = bounds.router.as_ref().is_some_and(Router::judges_answers);
        let page = bounds.error_pages.get(&status);
        if !self.begun() && (judged || page.is_some()) {
            return self.fail_with(status, page.map_or(&[], Vec::as_slice));
        }
        let Exchange { connection, work } = self;
        if connection.codec.head_sent() {
            return self.abort();
        }
        let out = work.outbox.tail();
        let before = out.len();
        work.response.clear();
        connection.codec.send_error(status, &work.stamp, work.close, out);
        work.body_bytes = 0;
        work.head_bytes = (out.len() - before) as u64;
        // For the access log; the three digits are always a status.
        let _ = work.response.set_status(format!("{status} ").as_bytes());
        self.finish();
    }

    /// The error page, from the first of the files that can be read, as an answer that rules may look at.
    fn fail_with(&mut self, status: u16, pages: &[PathBuf]) {
        let page = pages.iter().find_map(|path| std::fs::read(path).ok());
        let response = &mut self.work.response;
        response.clear();
        // A status that is one, and fixed fields.
        let _ = response.set_status_code(status);
        let media_type = if page.is_some() {
            "text/html"
        } else {
            "text/plain; charset=utf-8"
        };
        let _ = response.push(b"Content-Type", media_type.as_bytes());
        if status == 503 {
            let _ = response.push(b"Retry-After", b"1");
        }
        let (_, sentence) = explanation(status);
        let body = page.unwrap_or_else(|| sentence.as_bytes().to_vec());
        response.set_content_length(body.len() as u64);
        self.begin();
        self.write(&body);
        self.finish();
    }
}
