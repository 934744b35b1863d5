//! Processes beside the workers (uWSGI's mules and spoolers): when each is started, told to leave, killed. The decisions,
//! without doing anything; what [`crate::supervisor`] is for workers.
//!
//! They serve no requests, so there is no choreography: each is there once, starts again when it has ended, at a growing
//! distance if it ends soon, and is told to leave by TERM when the server stops or its configuration is replaced.

use rustix::process::Signal;

/// First wait after one has ended; it doubles up to [`LONGEST_DELAY_MS`] while they end soon.
const FIRST_DELAY_MS: u64 = 1000;
const LONGEST_DELAY_MS: u64 = 30_000;
/// One that has lived as long as this did not end soon.
const LIVED_MS: u64 = 10_000;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AideInput {
    /// There are to be this many from now on, made from the configuration of now.
    /// Those that were there have `mercy_ms` to leave.
    Begin { count: usize, mercy_ms: u64 },
    /// The answers to [`AideAction::Spawn`].
    Spawned { index: usize, pid: u32 },
    /// No process could be made.
    SpawnFailed { index: usize },
    /// One has ended.
    Exited { pid: u32 },
    /// All are to leave, and to be killed after this time. None is started any more.
    Stop { patience_ms: u64 },
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AideAction {
    Spawn { index: usize },
    Kill { pid: u32, signal: Signal },
}

#[derive(Debug, Default)]
pub(crate) struct Aides {
    places: Vec<Place>,
    /// Those of an earlier configuration, or of a server that stops, and when they are killed.
    leaving: Vec<(u32, Option<u64>)>,
    have_begun: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    pid: Option<u32>,
    /// How often one was started here.
    starts: u64,
    /// A fork has been asked for.
    is_coming: bool,
    since_ms: u64,
    not_before_ms: u64,
    delay_ms: u64,
}

impl Aides {
    /// Whether there have been any, or might have been.
    pub(crate) fn have_begun(&self) -> bool {
        self.have_begun
    }

    /// The place of a living one.
    pub(crate) fn place_of(&self, pid: u32) -> Option<usize> {
        self.places.iter().position(|place| place.pid == Some(pid))
    }

    /// The living ones: place and process id.
    pub(crate) fn living(&self) -> impl Iterator<Item = (usize, u32)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(index, place)| Some((index, place.pid?)))
    }

    /// Whether none is there, or on its way out.
    pub(crate) fn are_gone(&self) -> bool {
        self.leaving.is_empty() && self.places.iter().all(|place| place.pid.is_none())
    }

    /// The process of a place, and how often it was started again.
    pub(crate) fn process(&self, index: usize) -> (Option<u32>, u64) {
        let place = self.places.get(index).copied().unwrap_or_default();
        (place.pid, place.starts.saturating_sub(1))
    }

    /// What follows from `input` at `now_ms`.
    pub(crate) fn step(&mut self, now_ms: u64, input: AideInput) -> Vec<AideAction> {
        let mut actions = Vec::new();
        match input {
            AideInput::Begin { count, mercy_ms } => {
                self.dismiss(now_ms, mercy_ms, &mut actions);
                self.have_begun = true;
                self.places = vec![Place::default(); count];
            }
            AideInput::Stop { patience_ms } => {
                self.dismiss(now_ms, patience_ms, &mut actions);
                for (_, kill_at_ms) in &mut self.leaving {
                    *kill_at_ms = kill_at_ms.map(|at| at.min(now_ms + patience_ms));
                }
            }
            AideInput::Spawned { index, pid } => {
                if let Some(place) = self.places.get_mut(index) {
                    (place.pid, place.is_coming, place.since_ms) = (Some(pid), false, now_ms);
                    place.starts += 1;
                }
            }
            AideInput::SpawnFailed { index } => self.wait(now_ms, index),
            AideInput::Exited { pid } => {
                self.leaving.retain(|(leaving, _)| *leaving != pid);
                let place = self.places.iter().position(|place| place.pid == Some(pid));
                if let Some(index) = place {
                    self.wait(now_ms, index);
                }
            }
            AideInput::Tick => {}
        }
        for (pid, kill_at_ms) in &mut self.leaving {
            if kill_at_ms.is_some_and(|at| at <= now_ms) {
                *kill_at_ms = None;
                let (pid, signal) = (*pid, Signal::KILL);
                actions.push(AideAction::Kill { pid, signal });
            }
        }
        for (index, place) in self.places.iter_mut().enumerate() {
            if place.pid.is_none() && !place.is_coming && place.not_before_ms <= now_ms {
                place.is_coming = true;
                actions.push(AideAction::Spawn { index });
            }
        }
        actions
    }

    /// When a tick is wanted, if nothing else happens.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let kills = self.leaving.iter().filter_map(|(_, kill_at_ms)| *kill_at_ms);
        let waiting = |place: &&Place| place.pid.is_none() && !place.is_coming;
        let starts = self
            .places
            .iter()
            .filter(waiting)
            .map(|place| place.not_before_ms);
        kills.chain(starts).min()
    }

    fn dismiss(&mut self, now_ms: u64, patience_ms: u64, actions: &mut Vec<AideAction>) {
        for place in std::mem::take(&mut self.places) {
            if let Some(pid) = place.pid {
                let signal = Signal::TERM;
                actions.push(AideAction::Kill { pid, signal });
                self.leaving.push((pid, Some(now_ms.saturating_add(patience_ms))));
            }
        }
    }

    /// The place is empty: it is filled again, later the sooner its last holder ended.
    fn wait(&mut self, now_ms: u64, index: usize) {
        let Some(place) = self.places.get_mut(index) else {
            return;
        };
        let has_lived = place.pid.is_some() && now_ms.saturating_sub(place.since_ms) >= LIVED_MS;
        place.delay_ms = match place.delay_ms {
            _ if has_lived => FIRST_DELAY_MS,
            0 => FIRST_DELAY_MS,
            delay => (delay * 2).min(LONGEST_DELAY_MS),
        };
        (place.pid, place.is_coming) = (None, false);
        place.not_before_ms = now_ms + place.delay_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(count: usize) -> Aides {
        let mut aides = Aides::default();
        let actions = aides.step(
            0,
            AideInput::Begin {
                count,
                mercy_ms: 60_000,
            },
        );
        assert_eq!(actions.len(), count);
        for index in 0..count {
            let pid = 100 + index as u32;
            assert_eq!(aides.step(0, AideInput::Spawned { index, pid }), []);
        }
        aides
    }

    const fn kill(pid: u32, signal: Signal) -> AideAction {
        AideAction::Kill { pid, signal }
    }

    #[test]
    fn one_that_ends_is_started_again_later_each_time() {
        let mut aides = begun(1);
        let mut now = 5;
        for delay in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let pid = aides.places[0].pid.expect("it runs");
            assert_eq!(aides.step(now, AideInput::Exited { pid }), []);
            assert_eq!(aides.next_deadline_ms(), Some(now + delay));
            now += delay;
            assert_eq!(aides.step(now - 1, AideInput::Tick), []);
            assert_eq!(aides.step(now, AideInput::Tick), [AideAction::Spawn { index: 0 }]);
            aides.step(
                now,
                AideInput::Spawned {
                    index: 0,
                    pid: pid + 1,
                },
            );
        }
        let pid = aides.places[0].pid.expect("it runs");
        aides.step(now + LIVED_MS, AideInput::Exited { pid });
        assert_eq!(aides.next_deadline_ms(), Some(now + LIVED_MS + 1000));
    }

    #[test]
    fn a_stop_is_gentle_and_then_is_not() {
        let mut aides = begun(2);
        let actions = aides.step(10, AideInput::Stop { patience_ms: 500 });
        assert_eq!(actions, [kill(100, Signal::TERM), kill(101, Signal::TERM)]);
        assert_eq!(aides.step(20, AideInput::Exited { pid: 100 }), []);
        assert!(!aides.are_gone());
        assert_eq!(aides.next_deadline_ms(), Some(510));
        assert_eq!(aides.step(510, AideInput::Tick), [kill(101, Signal::KILL)]);
        assert_eq!(aides.step(511, AideInput::Tick), []);
        assert_eq!(aides.step(512, AideInput::Exited { pid: 101 }), []);
        assert!(aides.are_gone());
    }

    #[test]
    fn a_second_stop_may_be_in_more_haste() {
        let mut aides = begun(1);
        aides.step(0, AideInput::Stop { patience_ms: 60_000 });
        aides.step(10, AideInput::Stop { patience_ms: 100 });
        assert_eq!(aides.next_deadline_ms(), Some(110));
    }

    #[test]
    fn another_configuration_replaces_all_of_them() {
        let mut aides = begun(1);
        let actions = aides.step(
            50,
            AideInput::Begin {
                count: 2,
                mercy_ms: 60_000,
            },
        );
        let expected = [
            kill(100, Signal::TERM),
            AideAction::Spawn { index: 0 },
            AideAction::Spawn { index: 1 },
        ];
        assert_eq!(actions, expected);
        // The end of an old one starts nothing.
        assert_eq!(aides.step(60, AideInput::Exited { pid: 100 }), []);
    }

    #[test]
    fn a_fork_that_fails_is_tried_again() {
        let mut aides = Aides::default();
        aides.step(
            0,
            AideInput::Begin {
                count: 1,
                mercy_ms: 60_000,
            },
        );
        assert_eq!(aides.step(0, AideInput::SpawnFailed { index: 0 }), []);
        assert_eq!(aides.next_deadline_ms(), Some(1000));
    }
}
