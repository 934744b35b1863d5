//! The scoreboard: one row per worker and one per application thread, in a shared mapping.
//!
//! The master makes it before the first fork; workers write, the master reads. Rules: each word has one writer at a
//! time, so counters are a load and a store and no word is ever locked; rows start on their own pair of cache lines
//! (128 bytes), so workers do not slow each other down; a reader tolerates everything a killed worker leaves behind.
//! It holds facts only: what to do about them is the master's `Supervisor`.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use crate::past::PAST_WORDS;
use crate::text::{TextWriter, read_text};

/// Words in a worker's row: two cache lines, because processors fetch them in pairs.
const WORKER_WORDS: usize = 16;
/// Words in a thread's row: four of bookkeeping, the two texts, what the worker has booked of its requests, and the limit of
/// the one in progress.
const THREAD_WORDS: usize = 48;
/// Words for method and target: 160 bytes.
const REQUEST_WORDS: usize = 20;
/// Words for the client: 48 bytes hold any IPv6 address.
const CLIENT_WORDS: usize = 6;

/// The mapping and its shape. Copies are handles to the same memory.
#[derive(Clone, Copy, Debug)]
pub struct Scoreboard {
    words: &'static [AtomicU64],
    slots: usize,
    threads: usize,
}

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Nobody holds the row.
    Free,
    /// The process exists; the application is being loaded.
    Booting,
    /// It accepts requests.
    Ready,
    /// It accepts requests and would like to be replaced.
    WantsRetirement,
    /// Its requests are finished, and its application is being ended.
    Retiring,
}

/// A worker's row. The master claims and releases it, the worker in it changes its state.
#[derive(Clone, Copy, Debug)]
pub struct WorkerRow {
    board: Scoreboard,
    slot: usize,
}

/// The row of one application thread, written by that thread only.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRow {
    words: &'static [AtomicU64],
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

/// Each word has one writer: a load and a store will do.
fn add(word: &AtomicU64, amount: u64) {
    word.store(word.load(Relaxed).wrapping_add(amount), Relaxed);
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

impl Scoreboard {
    /// Maps a scoreboard for `slots` workers with `threads` application threads each; both at least 1.
    ///
    /// # Errors
    /// When the memory cannot be mapped.
    pub fn create(slots: usize, threads: usize) -> io::Result<Scoreboard> {
        let (slots, threads) = (slots.max(1), threads.max(1));
        let words = sys::shared_words(slots * (WORKER_WORDS + threads * THREAD_WORDS + PAST_WORDS))?;
        Ok(Scoreboard {
            words,
            slots,
            threads,
        })
    }

    /// How many workers it has rows for.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How many threads each worker has rows for.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The row of the worker in `slot`.
    ///
    /// # Panics
    /// When `slot` is not below [`Scoreboard::slots`]: the master gives the numbers out.
    pub fn worker(&self, slot: usize) -> WorkerRow {
        assert!(slot < self.slots, "the scoreboard has no slot {slot}");
        WorkerRow { board: *self, slot }
    }

    /// The row of a thread of the worker in `slot`. Threads beyond [`Scoreboard::threads`] share the last row.
    ///
    /// # Panics
    /// When `slot` is not below [`Scoreboard::slots`].
    pub fn thread(&self, slot: usize, thread: usize) -> ThreadRow {
        self.worker(slot).thread(thread)
    }

    /// What the master has noted under a worker's number, behind all rows.
    pub(crate) fn past_words(&self, number: u32) -> Option<&'static [AtomicU64]> {
        let rows = self.slots * (WORKER_WORDS + self.threads * THREAD_WORDS);
        let index = (number as usize).checked_sub(1)?;
        self.words[rows..].chunks_exact(PAST_WORDS).nth(index)
    }

    /// The row of the process that holds a worker's number now: during a reload, of the newer one.
    pub fn holder(&self, number: u32) -> Option<WorkerRow> {
        (0..self.slots)
            .map(|slot| self.worker(slot))
            .filter(|row| row.state() != WorkerState::Free && row.number() == number)
            .max_by_key(WorkerRow::generation)
    }

    /// A slot that nobody holds.
    pub fn free_slot(&self) -> Option<usize> {
        (0..self.slots).find(|slot| self.worker(*slot).state() == WorkerState::Free)
    }
}

impl WorkerRow {
    const STATE: usize = 0;
    const PID: usize = 1;
    const GENERATION: usize = 2;
    const SENT: usize = 3;
    const RUNNING: usize = 4;
    const AVERAGE: usize = 5;
    const NUMBER: usize = 6;
    /// Plus one; 0 while it is not known.
    const BOOT: usize = 7;
    const IDLE: usize = 8;

    /// Takes the row for a new worker: counters start at zero, the state is `Booting`. The master calls it before the
    /// fork, so that the row is never seen half-made; the process id follows with [`WorkerRow::set_pid`].
    pub fn claim(&self, pid: u32, generation: u32, number: u32) {
        self.words()
            .iter()
            .skip(1)
            .for_each(|word| word.store(0, Relaxed));
        self.set_pid(pid);
        self.word(Self::GENERATION).store(u64::from(generation), Relaxed);
        self.word(Self::NUMBER).store(u64::from(number), Relaxed);
        self.set_state(WorkerState::Booting);
    }

    /// Records the process id of the worker.
    pub fn set_pid(&self, pid: u32) {
        self.word(Self::PID).store(u64::from(pid), Relaxed);
    }

    /// The worker has its application and accepts.
    pub fn set_ready(&self) {
        self.set_state(WorkerState::Ready);
    }

    /// The worker would like to be replaced.
    pub fn set_wants_retirement(&self) {
        self.set_state(WorkerState::WantsRetirement);
    }

    /// The worker is on its way out.
    pub fn set_retiring(&self) {
        self.set_state(WorkerState::Retiring);
    }

    /// Gives the row back, once the process is reaped.
    pub fn release(&self) {
        self.set_state(WorkerState::Free);
    }

    /// Whether the worker waits for something to do and has a thread free for it. Only its reactor calls it.
    pub fn set_idle(&self, is_idle: bool) {
        self.word(Self::IDLE).store(is_idle.into(), Relaxed);
    }

    /// What was said last. A worker that was killed may have said so, and not be reaped yet.
    pub fn is_idle(&self) -> bool {
        self.word(Self::IDLE).load(Relaxed) == 1
    }

    /// Whether there is a worker that accepts requests.
    pub fn serves(&self) -> bool {
        matches!(self.state(), WorkerState::Ready | WorkerState::WantsRetirement)
    }

    /// Where the worker is in its life.
    pub fn state(&self) -> WorkerState {
        match self.word(Self::STATE).load(Acquire) {
            1 => WorkerState::Booting,
            2 => WorkerState::Ready,
            3 => WorkerState::WantsRetirement,
            4 => WorkerState::Retiring,
            _ => WorkerState::Free,
        }
    }

    /// The worker's process id; 0 before the fork.
    pub fn pid(&self) -> u32 {
        self.word(Self::PID).load(Relaxed) as u32
    }

    /// Which load of the configuration the worker belongs to.
    pub fn generation(&self) -> u32 {
        self.word(Self::GENERATION).load(Relaxed) as u32
    }

    /// The worker's number, from 1.
    pub fn number(&self) -> u32 {
        self.word(Self::NUMBER).load(Relaxed) as u32
    }

    /// Notes how many milliseconds it took until the application was loaded, once. The master calls it.
    pub fn note_boot(&self, ms: u64) {
        let word = self.word(Self::BOOT);
        if word.load(Relaxed) == 0 {
            word.store(ms.saturating_add(1), Relaxed);
        }
    }

    /// How many milliseconds that took; 0 while it is not known.
    pub fn boot_ms(&self) -> u64 {
        self.word(Self::BOOT).load(Relaxed).saturating_sub(1)
    }

    /// Requests finished by all threads of this worker.
    pub fn requests(&self) -> u64 {
        self.threads().map(|thread| thread.requests()).sum()
    }

    /// Those that the application has answered.
    pub fn application_requests(&self) -> u64 {
        let requests = self.threads().map(|thread| thread.application_requests());
        requests.sum()
    }

    /// Exceptions of the application in all threads of this worker.
    pub fn exceptions(&self) -> u64 {
        self.threads().map(|thread| thread.tally(Tally::Exceptions)).sum()
    }

    /// Adds an answer of `sent` bytes that took `took_us` microseconds. Only the worker's reactor calls it.
    pub fn book(&self, sent: u64, took_us: u64) {
        add(self.word(Self::SENT), sent);
        add(self.word(Self::RUNNING), took_us);
        let average = self.word(Self::AVERAGE);
        average.store((average.load(Relaxed) + took_us) / 2, Relaxed);
    }

    /// Bytes of all answers, heads included.
    pub fn sent(&self) -> u64 {
        self.word(Self::SENT).load(Relaxed)
    }

    /// Microseconds that all requests have taken together.
    pub fn running_us(&self) -> u64 {
        self.word(Self::RUNNING).load(Relaxed)
    }

    /// The running average of what a request takes, in microseconds: half of it is the last one's.
    pub fn average_us(&self) -> u64 {
        self.word(Self::AVERAGE).load(Relaxed)
    }

    /// The rows of this worker's threads.
    pub fn threads(&self) -> impl Iterator<Item = ThreadRow> {
        let row = *self;
        (0..row.board.threads).map(move |thread| row.thread(thread))
    }

    /// The row of one thread; threads beyond the scoreboard's share the last.
    pub fn thread(&self, thread: usize) -> ThreadRow {
        let thread = thread.min(self.board.threads - 1);
        let start = WORKER_WORDS + thread * THREAD_WORDS;
        ThreadRow {
            words: &self.words()[start..start + THREAD_WORDS],
        }
    }

    fn set_state(&self, state: WorkerState) {
        let number = match state {
            WorkerState::Free => 0,
            WorkerState::Booting => 1,
            WorkerState::Ready => 2,
            WorkerState::WantsRetirement => 3,
            WorkerState::Retiring => 4,
        };
        self.word(Self::STATE).store(number, Release);
    }

    fn words(&self) -> &'static [AtomicU64] {
        let length = WORKER_WORDS + self.board.threads * THREAD_WORDS;
        &self.board.words[self.slot * length..][..length]
    }

    fn word(&self, index: usize) -> &'static AtomicU64 {
        &self.words()[index]
    }
}

impl ThreadRow {
    /// Odd while the texts are being written.
    const SEQUENCE: usize = 0;
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

    /// For how many milliseconds the request that began at `started_ms` has been in progress, if that is too long: longer than
    /// its own limit, or without one than the server's.
    pub fn overdue_ms(&self, now_ms: u64, started_ms: u64, server_limit_ms: Option<u64>) -> Option<u64> {
        let due_ms = self.words[Self::DUE].load(Acquire);
        if due_ms > 0 {
            let late_ms = now_ms.checked_sub(due_ms)?;
            return Some(self.words[Self::LIMIT].load(Relaxed).saturating_add(late_ms));
        }
        let elapsed_ms = now_ms.saturating_sub(started_ms);
        (elapsed_ms > server_limit_ms?).then_some(elapsed_ms)
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
        let mut tries = 0;
        loop {
            let before = self.words[Self::SEQUENCE].load(Acquire);
            let started = self.words[Self::STARTED].load(Relaxed);
            if started == 0 {
                return None;
            }
            let lengths = self.words[Self::LENGTHS].load(Relaxed);
            let request = read_text(
                &self.words[Self::REQUEST_TEXT..Self::CLIENT_TEXT],
                lengths & 0xffff_ffff,
            );
            let client = read_text(&self.words[Self::CLIENT_TEXT..][..CLIENT_WORDS], lengths >> 32);
            fence(Acquire);
            tries += 1;
            let whole = before.is_multiple_of(2) && before == self.words[Self::SEQUENCE].load(Relaxed);
            if whole || tries == 4 {
                return Some(RequestInProgress {
                    started_ms: started.wrapping_sub(1),
                    request,
                    client,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Scoreboard {
        Scoreboard::create(3, 2).expect("map")
    }

    #[test]
    fn a_row_goes_through_the_life_of_a_worker() {
        let row = board().worker(1);
        assert_eq!(row.state(), WorkerState::Free);
        row.claim(42, 7, 1);
        assert_eq!(
            (row.state(), row.pid(), row.generation()),
            (WorkerState::Booting, 42, 7)
        );
        row.set_ready();
        assert_eq!(row.state(), WorkerState::Ready);
        row.set_wants_retirement();
        assert_eq!(row.state(), WorkerState::WantsRetirement);
        row.set_retiring();
        assert_eq!(row.state(), WorkerState::Retiring);
        row.release();
        assert_eq!(row.state(), WorkerState::Free);
    }

    #[test]
    fn a_worker_shows_that_it_idles_and_a_new_one_has_not_said_so() {
        let row = board().worker(1);
        row.claim(42, 7, 1);
        assert!(!row.serves());
        row.set_ready();
        assert!(row.serves() && !row.is_idle());
        row.set_idle(true);
        assert!(row.is_idle());
        row.set_wants_retirement();
        assert!(row.serves());
        row.release();
        assert!(!row.serves());
        row.claim(43, 8, 1);
        assert!(!row.is_idle());
    }

    #[test]
    fn the_first_free_slot_is_found() {
        let board = board();
        board.worker(0).claim(1, 1, 1);
        assert_eq!(board.free_slot(), Some(1));
        board.worker(1).claim(2, 1, 1);
        board.worker(2).claim(3, 1, 1);
        assert_eq!(board.free_slot(), None);
    }

    #[test]
    fn a_request_is_seen_between_begin_and_end() {
        let row = board().thread(2, 1);
        assert_eq!(row.current(), None);
        for (target, client) in [
            ("/", "127.0.0.1"),
            ("/a/longer/path?with=query", "::1"),
            ("/12345678", ""),
        ] {
            row.begin(0, b"GET", target.as_bytes(), client.as_bytes());
            let expected = RequestInProgress {
                started_ms: 0,
                request: format!("GET {target}"),
                client: client.into(),
            };
            assert_eq!(row.current(), Some(expected));
            row.end();
            assert_eq!(row.current(), None);
        }
        assert_eq!(row.requests(), 3);
    }

    #[test]
    fn long_texts_are_cut_off_and_spill_into_nothing() {
        let board = board();
        let (row, next) = (board.thread(0, 0), board.thread(0, 1));
        row.begin(5, &[b'M'; 7], &[b't'; 5000], &[b'c'; 5000]);
        let current = row.current().expect("in progress");
        assert_eq!(current.request, format!("{} {}", "M".repeat(7), "t".repeat(152)));
        assert_eq!(current.client, "c".repeat(48));
        assert_eq!(
            (next.current(), board.worker(1).state()),
            (None, WorkerState::Free)
        );
    }

    #[test]
    fn a_new_worker_starts_with_empty_counters() {
        let board = board();
        let row = board.worker(0);
        row.claim(1, 1, 1);
        board.thread(0, 0).begin(1, b"GET", b"/", b"");
        board.thread(0, 0).end();
        board.thread(0, 1).begin(1, b"GET", b"/", b"");
        assert_eq!(row.requests(), 1);
        row.claim(2, 1, 1);
        assert_eq!((row.requests(), board.thread(0, 1).current()), (0, None));
    }

    #[test]
    fn the_newer_process_holds_the_number() {
        let board = board();
        board.worker(0).claim(5, 2, 1);
        board.worker(1).claim(4, 1, 1);
        board.worker(2).claim(6, 1, 2);
        let pid = |number| board.holder(number).map(|row| row.pid());
        assert_eq!((pid(1), pid(2), pid(3)), (Some(5), Some(6), None));
        board.worker(0).release();
        assert_eq!(pid(1), Some(4));
    }

    #[test]
    fn a_request_is_late_by_its_own_limit_or_by_the_servers() {
        let row = board().thread(0, 0);
        row.begin(1000, b"GET", b"/", b"");
        let late = |now_ms, server_limit_ms| row.overdue_ms(now_ms, 1000, server_limit_ms);
        assert_eq!((late(9000, None), late(9000, Some(8000))), (None, None));
        assert_eq!(late(9001, Some(8000)), Some(8001));
        row.limit(5000, 4000);
        assert_eq!((late(4999, Some(100)), late(4999, None)), (None, None));
        assert_eq!(
            (late(5000, None), late(5700, Some(8000))),
            (Some(4000), Some(4700))
        );
        row.begin(1000, b"GET", b"/next", b"");
        assert_eq!(late(9000, None), None);
    }

    #[test]
    fn what_the_reactor_books_is_counted_beside_what_threads_do() {
        let row = board().worker(0);
        row.claim(1, 1, 1);
        row.thread(1).begin(1, b"GET", b"/", b"");
        row.thread(1).end();
        row.thread(1).add(Tally::Static);
        row.thread(1).add(Tally::Exceptions);
        row.book(100, 40);
        row.book(50, 60);
        assert_eq!((row.requests(), row.thread(1).tally(Tally::Exceptions)), (2, 1));
        assert_eq!((row.sent(), row.running_us(), row.average_us()), (150, 100, 40));
        assert_eq!(row.thread(0).tally(Tally::Static), 0);
    }

    #[test]
    fn a_text_left_half_written_by_a_killed_worker_is_read_as_it_is() {
        let row = board().thread(0, 0);
        row.begin(9, b"GET", b"/stuck", b"::1");
        row.words[ThreadRow::SEQUENCE].store(5, Relaxed);
        assert_eq!(row.current().expect("in progress").request, "GET /stuck");
    }

    #[test]
    fn a_fork_writes_into_the_same_memory() {
        let row = board().worker(0);
        row.claim(0, 1, 1);
        match sys::fork().expect("fork") {
            sys::Fork::Child => {
                row.set_ready();
                sys::exit_now(0)
            }
            sys::Fork::Parent(_) => {
                while row.state() != WorkerState::Ready {
                    std::thread::yield_now();
                }
            }
        }
    }
}
