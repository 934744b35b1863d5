//! Numbered signals between the processes of a server: where each goes, and what raises them by itself - timers, points in
//! time, files that change.
//!
//! A table in shared memory, which every process writes into and the master looks through once a second. It sends nothing:
//! [`SignalBoard::due`] says which signals are due, [`SignalBoard::target`] where one goes. What is entered belongs to a load
//! of the configuration; of one that is no longer served nothing is due.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use sys::SharedLock;

use crate::text::read_text;

/// Signals have numbers from 0 to 255.
const SIGNALS: usize = 256;
/// Timers, points in time and files together.
const ENTRIES: usize = 256;
/// Longest path of a file, in bytes.
const PATH: usize = 512;
const ENTRY_WORDS: usize = 11 + PATH / 8;

/// Numbers of an entry.
mod field {
    /// 0: free, 1: timer, 2: point in time, 3: file.
    pub(super) const KIND: usize = 0;
    pub(super) const SIGNAL: usize = 1;
    pub(super) const GENERATION: usize = 2;
    /// A timer's interval; the five numbers of a point in time.
    pub(super) const GIVEN: usize = 3;
    /// A timer's next time, the minute last looked at, or what the file was like.
    pub(super) const STATE: usize = 8;
    /// Rounds left, plus one; 0 is for ever, 1 is over.
    pub(super) const ROUNDS: usize = 9;
    pub(super) const PATH_LENGTH: usize = 10;
    pub(super) const PATH: usize = 11;
}

/// Who is to get a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whichever worker is first.
    AnyWorker,
    /// Each worker.
    Workers,
    /// The worker of this number, from 1.
    Worker(u32),
    /// Whichever mule is first.
    AnyMule,
    /// Each mule.
    Mules,
    /// The mule of this number, from 1.
    Mule(u32),
    /// Each mule of the farm at this place, from 0.
    Farm(u32),
    /// Whichever process does tasks is first.
    Spooler,
}

/// What raises a signal again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recurring {
    /// Each time that this many milliseconds have passed; so often, or for ever.
    Timer {
        /// From one to the next; at least 1.
        interval_ms: u64,
        /// How often; `None` is for ever.
        rounds: Option<u64>,
    },
    /// At each minute that these five numbers mean: minute, hour, day of the month, month, day of the week (0 and 7 are
    /// Sunday). -1 is any; -N is each that N divides.
    Cron([i32; 5]),
    /// When a file has changed.
    File {
        /// The file.
        path: String,
        /// What it is like now.
        state: u64,
    },
}

/// A minute on the clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Minutes since 1970.
    pub number: u64,
    /// Minute, hour, day of the month, month, day of the week (Sunday is 0).
    pub parts: [i32; 5],
}

/// The table. Copies are the same table.
#[derive(Clone, Copy, Debug)]
pub struct SignalBoard {
    words: &'static [AtomicU64],
    lock: &'static SharedLock,
}

impl SignalBoard {
    /// An empty table that this process and its later forks share.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn create() -> io::Result<SignalBoard> {
        Ok(SignalBoard {
            words: sys::shared_words(SIGNALS + ENTRIES * ENTRY_WORDS)?,
            lock: &sys::shared_locks(1)?[0],
        })
    }

    /// Says where a signal goes.
    pub fn register(&self, signal: u8, target: Target) {
        let (kind, number) = match target {
            Target::AnyWorker => (1, 0),
            Target::Workers => (2, 0),
            Target::Worker(number) => (3, number),
            Target::AnyMule => (4, 0),
            Target::Mules => (5, 0),
            Target::Mule(number) => (6, number),
            Target::Farm(place) => (7, place),
            Target::Spooler => (8, 0),
        };
        self.words[usize::from(signal)].store(kind << 32 | u64::from(number), Release);
    }

    /// Where a signal goes; `None` until it is registered.
    pub fn target(&self, signal: u8) -> Option<Target> {
        let word = self.words[usize::from(signal)].load(Acquire);
        let number = word as u32;
        Some(match word >> 32 {
            1 => Target::AnyWorker,
            2 => Target::Workers,
            3 => Target::Worker(number),
            4 => Target::AnyMule,
            5 => Target::Mules,
            6 => Target::Mule(number),
            7 => Target::Farm(number),
            8 => Target::Spooler,
            _ => return None,
        })
    }

    /// Has a signal raised from now on, for a load of the configuration. Every process of that load enters the same when it
    /// loads its application: once is enough. With `anew`, a timer that has run out runs again.
    ///
    /// # Errors
    /// When the table is full, or the path too long.
    pub fn add(
        &self,
        signal: u8,
        recurring: &Recurring,
        generation: u32,
        now_ms: u64,
        anew: bool,
    ) -> io::Result<()> {
        let mut wanted = [0; ENTRY_WORDS];
        wanted[field::SIGNAL] = u64::from(signal);
        wanted[field::GENERATION] = u64::from(generation);
        match recurring {
            Recurring::Timer { interval_ms, rounds } => {
                wanted[field::KIND] = 1;
                wanted[field::GIVEN] = (*interval_ms).max(1);
                wanted[field::STATE] = now_ms + (*interval_ms).max(1);
                wanted[field::ROUNDS] = rounds.map_or(0, |rounds| rounds.max(1) + 1);
            }
            Recurring::Cron(parts) => {
                wanted[field::KIND] = 2;
                for (word, part) in wanted[field::GIVEN..].iter_mut().zip(parts) {
                    *word = i64::from(*part).cast_unsigned();
                }
            }
            Recurring::File { path, state } => {
                if path.len() > PATH {
                    return Err(io::Error::other(format!(
                        "the path is longer than {PATH} bytes: {path}"
                    )));
                }
                wanted[field::KIND] = 3;
                wanted[field::STATE] = *state;
                wanted[field::PATH_LENGTH] = path.len() as u64;
                for (word, eight) in wanted[field::PATH..].iter_mut().zip(path.as_bytes().chunks(8)) {
                    let mut bytes = [0; 8];
                    bytes[..eight.len()].copy_from_slice(eight);
                    *word = u64::from_le_bytes(bytes);
                }
            }
        }
        self.lock.lock()?;
        let entered = self.enter(&wanted, anew);
        let _ = self.lock.unlock(); // held by this very thread
        entered
    }

    fn enter(&self, wanted: &[u64; ENTRY_WORDS], anew: bool) -> io::Result<()> {
        let is_state = |number: &usize| [field::STATE, field::ROUNDS].contains(number);
        let same = self.entries().find(|entry| {
            (0..ENTRY_WORDS)
                .filter(|number| !is_state(number))
                .all(|number| entry[number].load(Acquire) == wanted[number])
        });
        if let Some(same) = same {
            if anew && same[field::ROUNDS].load(Acquire) == 1 {
                same[field::STATE].store(wanted[field::STATE], Release);
                same[field::ROUNDS].store(wanted[field::ROUNDS], Release);
            }
            return Ok(());
        }
        let free = self
            .entries()
            .find(|entry| entry[field::KIND].load(Acquire) == 0)
            .ok_or_else(|| io::Error::other(format!("there are {ENTRIES} timers and the like already")))?;
        // The kind last: before it, the entry is none.
        for number in (0..ENTRY_WORDS).rev() {
            free[number].store(wanted[number], Release);
        }
        Ok(())
    }

    /// The signals that are due for the load of the configuration that serves. `state` says what a file is like.
    ///
    /// While another process is entering something nothing is due yet.
    pub fn due(&self, generation: u32, now_ms: u64, minute: Minute, state: impl Fn(&str) -> u64) -> Vec<u8> {
        if !matches!(self.lock.try_lock(), Ok(Some(_))) {
            return Vec::new();
        }
        let mut due = Vec::new();
        for entry in self.entries() {
            let read = |number: usize| entry[number].load(Acquire);
            let write = |number: usize, value| entry[number].store(value, Release);
            if read(field::KIND) == 0 || read(field::GENERATION) > u64::from(generation) {
                continue;
            }
            if read(field::GENERATION) < u64::from(generation) {
                write(field::KIND, 0);
                continue;
            }
            let is_due = match read(field::KIND) {
                1 => read(field::ROUNDS) != 1 && read(field::STATE) <= now_ms,
                2 => {
                    let given: [i32; 5] =
                        std::array::from_fn(|part| read(field::GIVEN + part).cast_signed() as i32);
                    read(field::STATE) != minute.number && is_meant(given, minute.parts)
                }
                _ => {
                    let length = read(field::PATH_LENGTH);
                    let now = state(&read_text(&entry[field::PATH..], length));
                    let before = read(field::STATE);
                    write(field::STATE, now);
                    now != before
                }
            };
            match read(field::KIND) {
                1 if is_due => {
                    let next = read(field::STATE) + read(field::GIVEN);
                    // What was slept through is not made up for.
                    write(
                        field::STATE,
                        if next <= now_ms {
                            now_ms + read(field::GIVEN)
                        } else {
                            next
                        },
                    );
                    write(field::ROUNDS, read(field::ROUNDS).saturating_sub(1));
                }
                2 => write(field::STATE, minute.number),
                _ => {}
            }
            if is_due {
                due.push(read(field::SIGNAL) as u8);
            }
        }
        let _ = self.lock.unlock(); // held by this very thread
        due
    }

    fn entries(&self) -> impl Iterator<Item = &'static [AtomicU64]> + use<> {
        self.words[SIGNALS..].chunks_exact(ENTRY_WORDS)
    }
}

/// Whether five numbers mean this minute. Where both days are given, one of them is enough, as with every cron.
fn is_meant(given: [i32; 5], now: [i32; 5]) -> bool {
    let fits = |part: usize| match (given[part], now[part]) {
        (-1, _) => true,
        (every, now) if every < 0 => now % every.abs() == 0,
        (7, 0) if part == 4 => true,
        (exactly, now) => exactly == now,
    };
    let day = match (given[2], given[4]) {
        (-1, _) | (_, -1) => fits(2) && fits(4),
        _ => fits(2) || fits(4),
    };
    fits(0) && fits(1) && fits(3) && day
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Minute = Minute {
        number: 1,
        parts: [30, 12, 24, 11, 2],
    };

    fn board() -> SignalBoard {
        SignalBoard::create().expect("memory")
    }

    fn timer(interval_ms: u64, rounds: Option<u64>) -> Recurring {
        Recurring::Timer { interval_ms, rounds }
    }

    #[test]
    fn every_target_is_what_it_was_registered_as() {
        let board = board();
        assert_eq!(board.target(0), None);
        let targets = [
            Target::AnyWorker,
            Target::Workers,
            Target::Worker(3),
            Target::AnyMule,
            Target::Mules,
            Target::Mule(2),
            Target::Farm(0),
            Target::Spooler,
        ];
        for (signal, target) in (0..=255).rev().zip(targets) {
            board.register(signal, target);
            assert_eq!(board.target(signal), Some(target));
        }
    }

    #[test]
    fn a_timer_is_due_each_time_and_once_for_all_who_enter_it() {
        let board = board();
        for at in [0, 50, 70] {
            board.add(7, &timer(100, None), 1, at, false).expect("room");
        }
        let due = |now| board.due(1, now, MINUTE, |_| 0);
        assert_eq!(due(99), []);
        assert_eq!(due(100), [7]);
        assert_eq!(due(150), []);
        assert_eq!(due(200), [7]);
        // It has slept.
        assert_eq!(due(950), [7]);
        assert_eq!(due(1049), []);
        assert_eq!(due(1050), [7]);
    }

    #[test]
    fn a_timer_with_rounds_runs_out_and_runs_again_when_asked_to() {
        let board = board();
        board.add(7, &timer(10, Some(2)), 1, 0, false).expect("room");
        let due = |now| board.due(1, now, MINUTE, |_| 0);
        assert_eq!([due(10), due(20), due(30)], [vec![7], vec![7], vec![]]);
        board.add(7, &timer(10, Some(2)), 1, 30, false).expect("room");
        assert_eq!(due(40), []);
        board.add(7, &timer(10, Some(2)), 1, 40, true).expect("room");
        assert_eq!([due(50), due(60), due(70)], [vec![7], vec![7], vec![]]);
    }

    #[test]
    fn only_the_configuration_that_serves_has_anything_due() {
        let board = board();
        board.add(1, &timer(10, None), 1, 0, false).expect("room");
        board.add(2, &timer(10, None), 2, 0, false).expect("room");
        assert_eq!(board.due(1, 10, MINUTE, |_| 0), [1]);
        assert_eq!(board.due(2, 20, MINUTE, |_| 0), [2]);
        assert_eq!(board.due(1, 30, MINUTE, |_| 0), []);
    }

    #[test]
    fn a_minute_is_meant_or_it_is_not() {
        for (given, meant) in [
            ([-1, -1, -1, -1, -1], true),
            ([30, 12, 24, 11, 2], true),
            ([31, -1, -1, -1, -1], false),
            ([-15, -1, -1, -1, -1], true),
            ([-4, -1, -1, -1, -1], false),
            ([30, -6, -1, -1, -1], true),
            ([30, -5, -1, -1, -1], false),
            ([30, 12, 1, -1, 2], true),
            ([30, 12, 24, -1, 5], true),
            ([30, 12, 1, -1, 5], false),
            ([30, 12, -1, 10, -1], false),
        ] {
            assert_eq!(is_meant(given, MINUTE.parts), meant, "{given:?}");
        }
        assert!(is_meant([-1, -1, -1, -1, 7], [0, 0, 1, 1, 0]));
    }

    #[test]
    fn a_point_in_time_is_due_once_in_its_minute() {
        let board = board();
        board
            .add(9, &Recurring::Cron([30, -1, -1, -1, -1]), 1, 0, false)
            .expect("room");
        let at = |number, minute| {
            let parts = [minute, 12, 24, 11, 2];
            board.due(1, 0, Minute { number, parts }, |_| 0)
        };
        assert_eq!([at(1, 29), at(2, 30), at(2, 30)], [vec![], vec![9], vec![]]);
        assert_eq!([at(3, 31), at(62, 30)], [vec![], vec![9]]);
    }

    #[test]
    fn a_file_is_due_when_it_is_not_what_it_was() {
        let board = board();
        let path = format!("/{}", "p".repeat(PATH - 1));
        let file = |path: &str| Recurring::File {
            path: path.to_owned(),
            state: 5,
        };
        board.add(3, &file(&path), 1, 0, false).expect("room");
        let due = |state| {
            board.due(1, 0, MINUTE, |asked| {
                assert_eq!(asked, path);
                state
            })
        };
        assert_eq!(
            [due(5), due(6), due(6), due(0)],
            [vec![], vec![3], vec![], vec![3]]
        );
        assert!(board.add(3, &file(&format!("{path}x")), 1, 0, false).is_err());
    }

    #[test]
    fn a_full_table_refuses() {
        let board = board();
        for interval in 1..=ENTRIES as u64 {
            board.add(0, &timer(interval, None), 1, 0, false).expect("room");
        }
        assert!(board.add(0, &timer(1000, None), 1, 0, false).is_err());
        board.add(0, &timer(5, None), 1, 0, false).expect("there already");
    }
}
