//! Times in which a process did not run although it was to: the machine was suspended, its container paused, all of it
//! stopped by a signal. The system's clock goes on meanwhile, and nobody is told; it shows in a sleep that lasts too long.
//!
//! Rules: all times are of the clock of `sys::monotonic_ms`. Whoever sleeps tells of each sleep that had an end. The whole of
//! a sleep that was far too long counts as a pause: which part of it was slept is not known, and who waits is given too much
//! rather than too little. Sleeps are short, so that is little.

/// How much longer a sleep lasts than it was to when it counts: on a busy machine each lasts a little longer.
const OVERSLEPT_MS: u64 = 500;
/// As many pauses are remembered; who has waited through more of them has waited for long indeed.
const KEPT: usize = 16;

/// The pauses that one process has noticed.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    /// From when to when, the oldest first.
    kept: Vec<(u64, u64)>,
    total_ms: u64,
}

impl Pauses {
    /// A sleep that was to last from `from_ms` to `until_ms` has ended at `now_ms`. True if that was a pause.
    pub fn woke(&mut self, from_ms: u64, until_ms: u64, now_ms: u64) -> bool {
        if now_ms <= until_ms.max(from_ms).saturating_add(OVERSLEPT_MS) {
            return false;
        }
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((from_ms, now_ms));
        self.total_ms += now_ms - from_ms;
        true
    }

    /// For how long there have been pauses since `since_ms`.
    pub fn since(&self, since_ms: u64) -> u64 {
        let parts = self.kept.iter();
        parts
            .map(|&(from_ms, to_ms)| to_ms.saturating_sub(from_ms.max(since_ms)))
            .sum()
    }

    /// For how long there have been pauses at all: a clock that this is taken from does not count them.
    pub fn total_ms(&self) -> u64 {
        self.total_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_that_is_far_too_long_is_a_pause() {
        // From, until, now, whether it is one.
        let table = [
            (1000, 2000, 1500, false),
            (1000, 2000, 2000, false),
            (1000, 2000, 2500, false),
            (1000, 2000, 2501, true),
            (1000, 1000, 9000, true),
            // What was due long ago is not slept for.
            (1000, 0, 1400, false),
        ];
        for (from, until, now, is_pause) in table {
            let mut pauses = Pauses::default();
            assert_eq!(
                pauses.woke(from, until, now),
                is_pause,
                "{from} to {until}, at {now}"
            );
            let lost = if is_pause { now - from } else { 0 };
            assert_eq!((pauses.total_ms(), pauses.since(0)), (lost, lost));
        }
    }

    #[test]
    fn only_what_came_after_the_beginning_counts() {
        let mut pauses = Pauses::default();
        assert!(pauses.woke(1000, 2000, 6000));
        assert!(!pauses.woke(6000, 7000, 7010));
        assert!(pauses.woke(10_000, 10_100, 20_000));
        // Since when, and how long that was in pauses.
        for (since, lost) in [
            (0, 15_000),
            (1000, 15_000),
            (3000, 13_000),
            (6000, 10_000),
            (15_000, 5000),
            (20_000, 0),
            (30_000, 0),
        ] {
            assert_eq!(pauses.since(since), lost, "since {since}");
        }
        assert_eq!(pauses.total_ms(), 15_000);
    }

    #[test]
    fn the_oldest_are_forgotten_and_still_counted_in_all() {
        let mut pauses = Pauses::default();
        for number in 0..100 {
            assert!(pauses.woke(number * 10_000, number * 10_000, number * 10_000 + 1000));
        }
        assert_eq!(pauses.since(0), KEPT as u64 * 1000);
        assert_eq!(pauses.total_ms(), 100_000);
    }
}
