//! What the processes before the one that is there now have done under each worker's number, in the scoreboard.
//!
//! Rules: only the master writes it. Numbers beyond the scoreboard's slots are not kept.

use std::sync::atomic::Ordering::Relaxed;

use crate::Scoreboard;

/// Words for each number: a pair of cache lines for two of them, written as rarely as processes come and go.
pub(crate) const PAST_WORDS: usize = 8;

/// What was done under one number by processes that have ended, and how often one was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Requests they finished.
    pub requests: u64,
    /// Exceptions of the application.
    pub exceptions: u64,
    /// Processes killed for a request that took too long.
    pub harakiri: u64,
    /// Microseconds that requests took.
    pub running_us: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Processes started, the one that is there now included.
    pub spawns: u64,
    /// When it was started, in seconds since the beginning of 1970.
    pub last_spawn: u64,
}

impl Scoreboard {
    /// What was done under a number, from 1.
    pub fn past(&self, number: u32) -> Past {
        let Some(words) = self.past_words(number) else {
            return Past::default();
        };
        let [
            requests,
            exceptions,
            harakiri,
            running_us,
            sent,
            spawns,
            last_spawn,
        ] = [0, 1, 2, 3, 4, 5, 6].map(|index: usize| words[index].load(Relaxed));
        Past {
            requests,
            exceptions,
            harakiri,
            running_us,
            sent,
            spawns,
            last_spawn,
        }
    }

    /// Replaces it.
    pub fn set_past(&self, number: u32, past: Past) {
        let numbers = [
            past.requests,
            past.exceptions,
            past.harakiri,
            past.running_us,
            past.sent,
            past.spawns,
            past.last_spawn,
        ];
        let words = self.past_words(number).unwrap_or_default();
        words
            .iter()
            .zip(numbers)
            .for_each(|(word, number)| word.store(number, Relaxed));
    }

    /// Takes over what another scoreboard has, whose place this one takes.
    pub fn inherit_past(&self, other: &Scoreboard) {
        for number in 1..=u32::try_from(other.slots()).unwrap_or(u32::MAX) {
            self.set_past(number, other.past(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_kept_by_number_and_inherited() {
        let past = |number: u64| Past {
            requests: number,
            exceptions: 2,
            harakiri: 3,
            running_us: 4,
            sent: 5,
            spawns: 6,
            last_spawn: 7,
        };
        let old = Scoreboard::create(2, 1).expect("map");
        old.set_past(1, past(1));
        old.set_past(2, past(20));
        // Nowhere, and not into somebody else's words.
        old.set_past(0, past(30));
        old.set_past(3, past(30));
        old.worker(0).claim(9, 1, 1);
        old.worker(1).claim(9, 1, 2);
        let new = Scoreboard::create(3, 4).expect("map");
        new.inherit_past(&old);
        for board in [old, new] {
            let found = [0, 1, 2, 3].map(|number| board.past(number));
            assert_eq!(found, [Past::default(), past(1), past(20), Past::default()]);
        }
    }
}
