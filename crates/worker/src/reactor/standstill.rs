//! A reactor that was not let run: the machine was suspended, its container paused, the process stopped. The clock goes on
//! meanwhile, and afterwards everything would be over time at once.
//!
//! It shows in coming far too late to what is due. Then whatever waits has as much time left as when the reactor last ran. An
//! application that blocks its event loop for as long has the same effect, and the clients are as little to blame for it.

use std::time::{Duration, Instant};

use super::Reactor;

/// As much too late: a busy machine is late, too, but not by that.
pub(crate) const FAR_TOO_LATE: Duration = Duration::from_secs(1);

impl Reactor {
    /// Looks at the clocks again, before anything is found over time.
    pub(crate) fn advance_clock(&mut self) {
        self.clock.advance();
        let now = self.clock.now;
        let before = std::mem::replace(&mut self.ran_at, now);
        let due = [
            self.deadlines.next(),
            self.next_of_leaving(before),
            self.scripts.end_of_patience(),
        ];
        let Some(lost) = standstill(before, due.into_iter().flatten().min(), now) else {
            return;
        };
        self.deadlines.postpone(lost);
        self.scripts.postpone(lost);
        if let Some(leaving) = &mut self.leaving {
            leaving.farewell += lost;
            leaving.limit += lost;
        }
    }
}

/// How much time is to be given back at `now`, after a turn at `before`, where something was due meanwhile.
fn standstill(before: Instant, due: Option<Instant>, now: Instant) -> Option<Duration> {
    let slept = now.saturating_duration_since(before);
    let late = now.saturating_duration_since(due?);
    (slept > FAR_TOO_LATE && late > FAR_TOO_LATE).then_some(slept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_far_too_late_has_not_run() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        // The last turn, what was due, now, what is given back; in milliseconds.
        let table = [
            (0, Some(2000), 1500, None),
            (0, Some(2000), 2010, None),
            (0, Some(2000), 3000, None),
            (0, Some(2000), 3001, Some(3001)),
            (0, Some(2000), 60_000, Some(60_000)),
            // It has run all the time, and what is due was left for reasons of its own.
            (59_000, Some(2000), 60_000, None),
            (0, None, 60_000, None),
        ];
        for (before, due, now, lost) in table {
            assert_eq!(
                standstill(at(before), due.map(at), at(now)),
                lost.map(Duration::from_millis),
                "{before}, {due:?}, {now}"
            );
        }
    }
}
