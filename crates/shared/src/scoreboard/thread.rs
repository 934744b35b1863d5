//! The row of an application thread: the request that it is in, and what is counted of all of them. Only the
//! thread writes it, but for what the reactor counts beside it.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use super::add;
use crate::text::{TextWriter, read_text};

/// Words for method and target: 160 bytes.
const REQUEST_WORDS: usize = 20;
/// Words for the client: 48 bytes hold any IPv6 address.
const CLIENT_WORDS: usize = 6;

/// The row of one application thread, written by that thread only.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRow {
    pub(super) words: &'static [AtomicU64],
}

/// What is counted of requests besides their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Answered from a file.
    Static,
    /// Answered by a rule.
    Routed,
    /// The application raised.
    Exceptions,
    /// The client was gone before it had its answer.
    WriteErrors,
    /// The client was gone, silent or wrong before its body was there.
    ReadErrors,
}

/// A request that an application thread is working on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInProgress {
    /// When it began, on the clock of `sys::monotonic_ms`.
    pub started_ms: u64,
    /// Method and target, cut off after 160 bytes.
    pub request: String,
    /// Who asked, as text, cut off after 48 bytes.
    pub client: String,
}

/// What a reader has seen of a row.
struct Look {
    request: RequestInProgress,
    due_ms: u64,
    limit_ms: u64,
    /// All of it is of one request.
    is_whole: bool,
}

impl ThreadRow {
    /// Odd while the texts are being written.
    pub(super) const SEQUENCE: usize = 0;
    /// When the request began, plus one; 0 between requests.
    const STARTED: usize = 1;
    const REQUESTS: usize = 2;
    /// Length of the request's text in the low half, of the client's in the high half.
    const LENGTHS: usize = 3;
    const REQUEST_TEXT: usize = 4;
    const CLIENT_TEXT: usize = Self::REQUEST_TEXT + REQUEST_WORDS;
    /// The reactor's words, which the thread leaves alone: one for each [`Tally`].
    const TALLIES: usize = Self::CLIENT_TEXT + CLIENT_WORDS;
    /// When the request in progress has to be over, if it has a limit of its own; otherwise 0.
    const DUE: usize = Self::TALLIES + 8;
    /// How many milliseconds that is after its beginning.
    const LIMIT: usize = Self::DUE + 1;

    /// A request begins: `now_ms` on the clock of `sys::monotonic_ms`, the client as text.
    pub fn begin(&self, now_ms: u64, method: &[u8], target: &[u8], client: &[u8]) {
        let sequence = self.words[Self::SEQUENCE].load(Relaxed);
        self.words[Self::SEQUENCE].store(sequence.wrapping_add(1) | 1, Relaxed);
        fence(Release); // the odd number is seen before any of what follows
        let mut request = TextWriter::new(&self.words[Self::REQUEST_TEXT..Self::CLIENT_TEXT]);
        request.push(method);
        request.push(b" ");
        request.push(target);
        let mut client_text = TextWriter::new(&self.words[Self::CLIENT_TEXT..][..CLIENT_WORDS]);
        client_text.push(client);
        self.words[Self::LENGTHS].store(request.finish() | client_text.finish() << 32, Relaxed);
        self.words[Self::STARTED].store(now_ms.wrapping_add(1), Relaxed);
        self.words[Self::DUE].store(0, Relaxed);
        self.words[Self::SEQUENCE].store((sequence.wrapping_add(1) | 1).wrapping_add(1), Release);
    }

    /// The request in progress has a limit of its own, in place of the server's: it has to be over at `due_ms`, which is
    /// `limit_ms` after it began.
    pub fn limit(&self, due_ms: u64, limit_ms: u64) {
        self.words[Self::LIMIT].store(limit_ms, Relaxed);
        self.words[Self::DUE].store(due_ms, Release);
    }

    /// The request is over; it is counted.
    pub fn end(&self) {
        self.rest();
        self.count();
    }

    /// Nothing is in progress.
    pub fn rest(&self) {
        self.words[Self::STARTED].store(0, Relaxed);
    }

    /// One of several requests that were in progress together is over.
    pub fn count(&self) {
        let requests = self.words[Self::REQUESTS].load(Relaxed);
        self.words[Self::REQUESTS].store(requests.wrapping_add(1), Relaxed);
    }

    /// The request in progress, if there is one. A text that changes while it is read is read again, a few times; then
    /// it is given as it is.
    pub fn current(&self) -> Option<RequestInProgress> {
        self.look().map(|look| look.request)
    }

    /// The request in progress if it takes too long, and for how many milliseconds it has: longer than its own limit, or
    /// without one than the server's. What `stood_still_ms` says of the time since it began does not count. One that begins
    /// at this very moment is not judged.
    pub fn overdue(
        &self,
        now_ms: u64,
        stood_still_ms: impl Fn(u64) -> u64,
        server_limit_ms: Option<u64>,
    ) -> Option<(RequestInProgress, u64)> {
        let look = self.look().filter(|look| look.is_whole)?;
        let started_ms = look.request.started_ms;
        let ran_until_ms = now_ms.saturating_sub(stood_still_ms(started_ms));
        if look.due_ms > 0 {
            let late_ms = ran_until_ms.checked_sub(look.due_ms)?;
            return Some((look.request, look.limit_ms.saturating_add(late_ms)));
        }
        let elapsed_ms = ran_until_ms.saturating_sub(started_ms);
        (elapsed_ms > server_limit_ms?).then_some((look.request, elapsed_ms))
    }

    fn look(&self) -> Option<Look> {
        let mut tries = 0;
        loop {
            let before = self.words[Self::SEQUENCE].load(Acquire);
            let started = self.words[Self::STARTED].load(Relaxed);
            if started == 0 {
                return None;
            }
            let due_ms = self.words[Self::DUE].load(Acquire);
            let limit_ms = self.words[Self::LIMIT].load(Relaxed);
            let lengths = self.words[Self::LENGTHS].load(Relaxed);
            let request = read_text(
                &self.words[Self::REQUEST_TEXT..Self::CLIENT_TEXT],
                lengths & 0xffff_ffff,
            );
            let client = read_text(&self.words[Self::CLIENT_TEXT..][..CLIENT_WORDS], lengths >> 32);
            fence(Acquire);
            tries += 1;
            let is_whole = before.is_multiple_of(2) && before == self.words[Self::SEQUENCE].load(Relaxed);
            if is_whole || tries == 4 {
                return Some(Look {
                    request: RequestInProgress {
                        started_ms: started.wrapping_sub(1),
                        request,
                        client,
                    },
                    due_ms,
                    limit_ms,
                    is_whole,
                });
            }
        }
    }

    /// Requests this thread has finished, those that were answered without the application included.
    pub fn requests(&self) -> u64 {
        self.application_requests() + self.tally(Tally::Static) + self.tally(Tally::Routed)
    }

    /// Requests that the application has answered in this thread.
    pub fn application_requests(&self) -> u64 {
        self.words[Self::REQUESTS].load(Relaxed)
    }

    /// Counts one more. Only the worker's reactor calls it, whichever thread it speaks of.
    pub fn add(&self, tally: Tally) {
        add(&self.words[Self::TALLIES + tally as usize], 1);
    }

    /// How many there were.
    pub fn tally(&self, tally: Tally) -> u64 {
        self.words[Self::TALLIES + tally as usize].load(Relaxed)
    }
}
