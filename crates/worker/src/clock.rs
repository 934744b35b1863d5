//! The time, read once a turn, and what answers are stamped with.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use config::AddedHeaders;
use protocol::Stamp;
use telemetry::DateClock;

/// What the reactor takes to be now.
#[derive(Debug)]
pub(crate) struct Clock {
    pub(crate) now: Instant,
    /// Date and Server of answers.
    pub(crate) stamp: Stamp,
    date: DateClock,
}

impl Clock {
    pub(crate) fn new(server: &'static str, added: &AddedHeaders) -> Clock {
        let mut date = DateClock::new();
        let stamp = Stamp {
            date: *date.at(0),
            dated: added.date,
            server: if added.server { server } else { "" },
            // Once in the life of a worker.
            added: String::leak(added.lines().to_owned()),
        };
        let mut clock = Clock {
            now: Instant::now(),
            stamp,
            date,
        };
        clock.advance();
        clock
    }

    /// Looks at the clocks again.
    pub(crate) fn advance(&mut self) {
        self.now = Instant::now();
        // A clock before 1970 is wrong anyway; any date will do.
        let second = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        self.stamp.date = *self.date.at(second);
    }
}
