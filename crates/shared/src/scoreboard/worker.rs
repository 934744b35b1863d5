//! The row of a worker: where it is in its life, and what it has done. The master claims and releases it, the worker in it writes
//! everything else.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{Scoreboard, THREAD_WORDS, Tally, ThreadRow, WORKER_WORDS, add};

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
    pub(super) board: Scoreboard,
    pub(super) slot: usize,
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
    const WAITING: usize = 9;
    const CONDEMNED: usize = 10;
    /// When the interpreter last answered.
    const ANSWERED: usize = 11;

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

    /// The worker is about to be killed. The master calls it, before it sends the signals.
    pub fn condemn(&self) {
        self.word(Self::CONDEMNED).store(1, Relaxed);
    }

    /// Whether it is.
    pub fn is_condemned(&self) -> bool {
        self.word(Self::CONDEMNED).load(Relaxed) == 1
    }

    /// How many requests wait in the worker for a thread. Only its reactor calls it.
    pub fn set_waiting(&self, number: usize) {
        self.word(Self::WAITING).store(number as u64, Relaxed);
    }

    /// What was said last.
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.word(Self::WAITING).load(Relaxed)).unwrap_or(u32::MAX)
    }

    /// The worker's interpreter has answered, at that moment on the clock of `sys::monotonic_ms`.
    pub fn set_answered(&self, now_ms: u64) {
        self.word(Self::ANSWERED).store(now_ms.max(1), Relaxed);
    }

    /// When it last did; `None` where nobody asks it.
    pub fn answered_ms(&self) -> Option<u64> {
        Some(self.word(Self::ANSWERED).load(Relaxed)).filter(|at_ms| *at_ms > 0)
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
