//! Programs that run beside the workers: when each is started, and again after it has ended. Decisions only; `serve/beside.rs`
//! starts and stops them.
//!
//! A program that ends soon is started again later, and later each time, so that one that is broken costs little. One with a
//! pidfile goes into the background by itself: what counts is whether the process named there lives.

use std::time::Duration;

use config::Daemon;

/// A program that has run so long is healthy.
const HEALTHY_MS: u64 = 60_000;

/// What to do about one program, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Look whether the process of its pidfile lives, and say so with [`Daemons::seen`].
    Look(usize),
    /// Start it, and say so with [`Daemons::started`].
    Start(usize),
    /// Tell the log how long it is not started.
    Wait(usize, Duration),
    /// It was one that the server cannot be without.
    StopServer,
}

#[derive(Debug)]
struct Place {
    pidfile: bool,
    control: bool,
    frequency_ms: u64,
    longest_wait_ms: u64,
    /// The process that was started, while it lives.
    pid: Option<u32>,
    /// How often it was started.
    starts: u64,
    started_ms: u64,
    /// The process of the pidfile was seen alive.
    lives: bool,
    /// Nothing happens before; `None`: not until it ends.
    next_ms: Option<u64>,
    /// Times in a row that it ended soon.
    failures: u32,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Daemons {
    places: Vec<Place>,
}

impl Daemons {
    pub(crate) fn new(daemons: &[Daemon], now_ms: u64) -> Daemons {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let place = |daemon: &Daemon| Place {
            pidfile: daemon.pidfile.is_some(),
            control: daemon.control,
            frequency_ms: milliseconds(daemon.frequency),
            longest_wait_ms: milliseconds(daemon.longest_wait),
            pid: None,
            starts: 0,
            started_ms: 0,
            lives: false,
            next_ms: Some(now_ms),
            failures: 0,
        };
        Daemons {
            places: daemons.iter().map(place).collect(),
        }
    }

    /// The process of a program, and how often it was started again.
    pub(crate) fn process(&self, index: usize) -> (Option<u32>, u64) {
        let place = self.places.get(index);
        place.map_or((None, 0), |place| (place.pid, place.starts.saturating_sub(1)))
    }

    /// Whether a program has been started before.
    pub(crate) fn was_started(&self, index: usize) -> bool {
        self.places.get(index).is_some_and(|place| place.starts > 0)
    }

    /// When there is something to do next.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.places.iter().filter_map(|place| place.next_ms).min()
    }

    /// What is due.
    pub(crate) fn due(&mut self, now_ms: u64) -> Vec<Order> {
        let mut orders = Vec::new();
        for (index, place) in self.places.iter_mut().enumerate() {
            if place.next_ms.is_none_or(|next_ms| next_ms > now_ms) {
                continue;
            }
            place.next_ms = None;
            orders.push(if place.pidfile {
                Order::Look(index)
            } else {
                Order::Start(index)
            });
        }
        orders
    }

    /// Whether the process of a pidfile lives.
    pub(crate) fn seen(&mut self, now_ms: u64, index: usize, lives: bool) -> Vec<Order> {
        let place = &mut self.places[index];
        let lost = std::mem::replace(&mut place.lives, lives) && !lives;
        place.next_ms = Some(now_ms.saturating_add(place.frequency_ms));
        if lives || place.pid.is_some() {
            return Vec::new(); // or it is on its way into the background
        }
        if lost && place.control {
            return vec![Order::StopServer];
        }
        vec![Order::Start(index)]
    }

    /// It has been started; `None`: that failed.
    pub(crate) fn started(&mut self, now_ms: u64, index: usize, pid: Option<u32>) -> Vec<Order> {
        let place = &mut self.places[index];
        place.pid = pid;
        place.starts += u64::from(pid.is_some());
        place.started_ms = now_ms;
        match pid {
            None => self.again(now_ms, index),
            Some(_) => Vec::new(),
        }
    }

    /// A process has ended; whose it was, if it was one of these.
    pub(crate) fn exited(&mut self, now_ms: u64, pid: u32) -> Option<(usize, Vec<Order>)> {
        let index = self.places.iter().position(|place| place.pid == Some(pid))?;
        let place = &mut self.places[index];
        place.pid = None;
        if place.pidfile {
            return Some((index, Vec::new())); // gone into the background: the pidfile is looked at in its time
        }
        if place.control {
            return Some((index, vec![Order::StopServer]));
        }
        if now_ms.saturating_sub(place.started_ms) >= HEALTHY_MS {
            place.failures = 0;
        }
        Some((index, self.again(now_ms, index)))
    }

    fn again(&mut self, now_ms: u64, index: usize) -> Vec<Order> {
        let place = &mut self.places[index];
        place.failures += 1;
        let wait_ms = (u64::from(place.failures) * 1000).min(place.longest_wait_ms);
        place.next_ms = Some(now_ms.saturating_add(wait_ms));
        vec![Order::Wait(index, Duration::from_millis(wait_ms))]
    }

    /// The processes that were started here and live, by index.
    pub(crate) fn living(&self) -> impl Iterator<Item = (usize, u32)> {
        let living = |(index, place): (usize, &Place)| Some((index, place.pid?));
        self.places.iter().enumerate().filter_map(living)
    }

    /// Programs of pidfiles that end with the server.
    pub(crate) fn controlled(&self) -> impl Iterator<Item = usize> {
        let places = self.places.iter().enumerate();
        places
            .filter(|(_, place)| place.pidfile && place.control)
            .map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(change: impl FnOnce(&mut Daemon)) -> Daemons {
        let mut daemon = Daemon::new("program");
        change(&mut daemon);
        Daemons::new(&[daemon], 0)
    }

    #[test]
    fn a_program_that_ends_is_started_again_later_each_time_and_at_once_counts_anew_when_it_was_healthy() {
        let mut daemons = one(|daemon| daemon.longest_wait = Duration::from_secs(3));
        let mut now_ms = 0;
        for (ran_ms, wait_s) in [(0, 1), (500, 2), (0, 3), (0, 3), (HEALTHY_MS, 1), (0, 2)] {
            assert_eq!(daemons.due(now_ms), [Order::Start(0)]);
            assert_eq!(daemons.started(now_ms, 0, Some(7)), []);
            assert_eq!(daemons.next_deadline_ms(), None);
            now_ms += ran_ms;
            assert_eq!(daemons.exited(now_ms, 8), None, "somebody else's");
            let wait = Order::Wait(0, Duration::from_secs(wait_s));
            assert_eq!(daemons.exited(now_ms, 7), Some((0, vec![wait])));
            assert_eq!(daemons.due(now_ms), []);
            now_ms = daemons.next_deadline_ms().expect("it is started again");
        }
    }

    #[test]
    fn a_program_of_a_pidfile_is_started_while_nobody_of_that_name_lives() {
        let mut daemons = one(|daemon| daemon.pidfile = Some("x.pid".into()));
        assert_eq!(daemons.due(0), [Order::Look(0)]);
        assert_eq!(daemons.seen(0, 0, true), []);
        assert_eq!(daemons.due(9_999), []);
        assert_eq!(daemons.due(10_000), [Order::Look(0)]);
        assert_eq!(daemons.seen(10_000, 0, false), [Order::Start(0)]);
        assert_eq!(daemons.started(10_000, 0, Some(7)), []);
        assert_eq!(
            daemons.exited(10_001, 7),
            Some((0, vec![])),
            "it goes into the background"
        );
        assert_eq!(daemons.due(20_000), [Order::Look(0)]);
        assert_eq!(daemons.seen(20_000, 0, true), []);
    }

    #[test]
    fn the_server_ends_with_a_program_that_it_cannot_be_without() {
        let mut daemons = one(|daemon| daemon.control = true);
        daemons.due(0);
        daemons.started(0, 0, Some(7));
        assert_eq!(daemons.living().collect::<Vec<_>>(), [(0, 7)]);
        assert_eq!(daemons.exited(5, 7), Some((0, vec![Order::StopServer])));
    }
}
