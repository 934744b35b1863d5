//! The scoreboard: one row per worker and one per application thread, in a shared mapping.
//!
//! The master makes it before the first fork; workers write, the master reads. Rules: each word has one writer at a
//! time, so counters are a load and a store and no word is ever locked; rows start on their own pair of cache lines
//! (128 bytes), so workers do not slow each other down; a reader tolerates everything a killed worker leaves behind.
//! It holds facts only: what to do about them is the master's `Supervisor`.

mod thread;
mod worker;

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::past::PAST_WORDS;

pub use thread::{RequestInProgress, Tally, ThreadRow};
pub use worker::{WorkerRow, WorkerState};

/// Words in a worker's row: two cache lines, because processors fetch them in pairs.
const WORKER_WORDS: usize = 16;
/// Words in a thread's row: four of bookkeeping, the two texts, what the worker has booked of its requests, and the limit of
/// the one in progress.
const THREAD_WORDS: usize = 48;

/// The mapping and its shape. Copies are handles to the same memory.
#[derive(Clone, Copy, Debug)]
pub struct Scoreboard {
    words: &'static [AtomicU64],
    slots: usize,
    threads: usize,
}

/// Each word has one writer: a load and a store will do.
fn add(word: &AtomicU64, amount: u64) {
    word.store(word.load(Relaxed).wrapping_add(amount), Relaxed);
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

    /// How many requests wait in all workers for a thread.
    pub fn waiting(&self) -> u32 {
        let rows = (0..self.slots).map(|slot| self.worker(slot));
        let held = rows.filter(|row| row.state() != WorkerState::Free);
        held.fold(0, |sum, row| sum.saturating_add(row.waiting()))
    }

    /// A slot that nobody holds.
    pub fn free_slot(&self) -> Option<usize> {
        (0..self.slots).find(|slot| self.worker(*slot).state() == WorkerState::Free)
    }
}

#[cfg(test)]
mod tests;
