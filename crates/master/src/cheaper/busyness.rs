//! The algorithm `busyness`: workers should be in requests for a part of their time, and neither less nor more.
//!
//! It measures over `cheaper-overload` seconds. Too busy: workers are added at once. Not busy enough: one leaves, but only
//! after `multiplier` measurements; the multiplier grows when a worker was missed as soon as it had left, and shrinks when
//! another could follow. A long accept queue brings workers without waiting for a measurement, and those leave sooner.

use std::collections::BTreeMap;

use config::{Busyness as Bounds, Cheaper as Settings};

use super::Load;

/// Measurements within the bounds in a row after which a worker that was about to leave stays.
const TOLERATED: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Added,
    Removed,
}

/// What it remembers.
#[derive(Debug)]
pub(super) struct Busyness {
    measured_ms: u64,
    /// By age: the time its requests had taken at the last measurement, and how often it was seen busy since.
    seen: BTreeMap<u32, (u64, u32)>,
    multiplier: u64,
    /// No worker leaves before.
    leave_not_before_ms: u64,
    last_change: Option<Change>,
    removed_ms: Option<u64>,
    tolerated: u32,
    /// Workers that an alert has brought.
    emergency: u32,
    queue_since_ms: Option<u64>,
}

impl Busyness {
    pub(super) fn new(settings: &Settings, now_ms: u64) -> Busyness {
        let multiplier = settings.busyness.multiplier;
        Busyness {
            measured_ms: now_ms,
            seen: BTreeMap::new(),
            multiplier,
            leave_not_before_ms: now_ms + seconds(settings) * multiplier * 1000,
            last_change: None,
            removed_ms: None,
            tolerated: 0,
            emergency: 0,
            queue_since_ms: None,
        }
    }

    pub(super) fn introduction(&self, settings: &Settings) -> Vec<String> {
        let Bounds {
            least,
            most,
            multiplier,
            penalty,
            alert,
            alert_step,
            nonzero,
            ..
        } = settings.busyness;
        let overload = seconds(settings);
        vec![
            format!(
                "[busyness] settings: min={least}%, max={most}%, overload={overload}, multiplier={multiplier}, respawn \
                 penalty={penalty}"
            ),
            format!("[busyness] backlog alert is set to {alert} request(s), step is {alert_step}"),
            format!("[busyness] backlog non-zero alert is set to {nonzero} second(s)"),
        ]
    }

    pub(super) fn decide(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        load: &Load,
        room: u32,
        lines: &mut Vec<String>,
    ) -> i32 {
        let bounds = &settings.busyness;
        self.seen
            .retain(|age, _| load.workers.iter().any(|worker| worker.age == *age));
        for worker in &load.workers {
            let (_, times) = self.seen.entry(worker.age).or_default();
            *times += u32::from(worker.is_busy);
        }
        let is_alarming = room > 0 && load.queue > bounds.alert;
        let overload = seconds(settings);
        if now_ms.saturating_sub(self.measured_ms) < overload * 1000 {
            if is_alarming {
                return self.alarm(settings, now_ms, load.queue, room, lines);
            }
            return self.watch_queue(settings, now_ms, load.queue, room, lines);
        }
        let percent = self.measure(settings, now_ms, load, lines);
        let present = load.present();
        let at = format!("[busyness] {overload}s average busyness is at {percent}%");
        if percent > bounds.most {
            self.tolerated = 0;
            return self.add(settings, now_ms, present, room, &at, lines);
        }
        if is_alarming {
            return self.alarm(settings, now_ms, load.queue, room, lines);
        }
        if present <= 1 {
            return 0;
        }
        if percent < bounds.least {
            self.tolerated = 0;
            return self.remove(settings, now_ms, present, &at, lines);
        }
        self.emergency = self.emergency.saturating_sub(1);
        self.tolerated += 1;
        let tolerated = self.tolerated;
        let what = if tolerated >= TOLERATED {
            self.postpone(settings, now_ms, lines);
            "resetting"
        } else {
            // This measurement does not count as an idle one.
            self.leave_not_before_ms += overload * 1000;
            "adjusting"
        };
        if bounds.verbose {
            lines.push(format!(
                "{at}, {tolerated} non-idle cycle(s), {what} cheaper timer"
            ));
        }
        0
    }

    /// The part of their time that workers have been in requests since the last measurement, in percent.
    fn measure(&mut self, settings: &Settings, now_ms: u64, load: &Load, lines: &mut Vec<String>) -> u64 {
        let (overload, verbose) = (seconds(settings), settings.busyness.verbose);
        self.measured_ms = now_ms;
        let mut total = 0;
        for worker in &load.workers {
            let seen = self.seen.entry(worker.age).or_default();
            let took_us = worker.running_us.saturating_sub(seen.0);
            let number = worker.number;
            let mut percent = (took_us * 100 / (overload * 1_000_000)).min(100);
            // Time is booked when a request ends: one that lasts longer than the measurement has booked nothing.
            if took_us == 0 && seen.1 > 0 {
                percent = 100;
                if verbose {
                    lines.push(format!(
                        "[busyness] worker {number} was busy {} time(s) in last cycle but no request was completed during \
                         this time, marking as 100% busy",
                        seen.1
                    ));
                }
            }
            if verbose && load.workers.len() > 1 {
                lines.push(format!(
                    "[busyness] worker nr {number} {overload}s average busyness is at {percent}%"
                ));
            }
            *seen = (worker.running_us, 0);
            total += percent;
        }
        let present = u64::from(load.present());
        let percent = total.checked_div(present).unwrap_or(0);
        if verbose {
            lines.push(format!(
                "[busyness] {overload}s average busyness of {present} worker(s) is at {percent}%"
            ));
        }
        percent
    }

    fn add(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        present: u32,
        room: u32,
        at: &str,
        lines: &mut Vec<String>,
    ) -> i32 {
        let added = room.min(settings.step);
        if added == 0 {
            lines.push(format!(
                "{at} but we already started maximum number of workers available with current limits ({present})"
            ));
            return 0;
        }
        self.last_change = Some(Change::Added);
        let patience_ms = seconds(settings) * (self.multiplier + 1) * 1000;
        let is_too_soon = self
            .removed_ms
            .is_some_and(|removed_ms| now_ms - removed_ms < patience_ms);
        if is_too_soon {
            let penalty = settings.busyness.penalty;
            self.multiplier += penalty;
            lines.push(format!(
                "[busyness] worker(s) respawned to fast, increasing cheaper multiplier to {} (+{penalty})",
                self.multiplier
            ));
        } else {
            self.lower_multiplier(settings, lines);
        }
        self.postpone(settings, now_ms, lines);
        lines.push(format!("{at}, will spawn {added} new worker(s)"));
        added.cast_signed()
    }

    fn remove(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        present: u32,
        at: &str,
        lines: &mut Vec<String>,
    ) -> i32 {
        if present <= settings.least {
            return 0;
        }
        if now_ms < self.leave_not_before_ms {
            if settings.busyness.verbose {
                let wait = (self.leave_not_before_ms - now_ms) / 1000;
                lines.push(format!(
                    "[busyness] need to wait {wait} more second(s) to cheap worker"
                ));
            }
            return 0;
        }
        if self.last_change == Some(Change::Removed) {
            self.lower_multiplier(settings, lines);
        }
        self.postpone(settings, now_ms, lines);
        lines.push(format!("{at}, cheap one of {present} running workers"));
        self.removed_ms = Some(now_ms);
        self.last_change = Some(Change::Removed);
        self.emergency = self.emergency.saturating_sub(1);
        -1
    }

    /// The accept queue is too long to wait for a measurement.
    fn alarm(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        queue: u32,
        room: u32,
        lines: &mut Vec<String>,
    ) -> i32 {
        let added = room.min(settings.busyness.alert_step);
        // Perhaps it was a spike: then they may leave soon.
        self.multiplier = settings.busyness.multiplier;
        self.last_change = Some(Change::Added);
        self.emergency += added;
        self.postpone(settings, now_ms, lines);
        lines.push(format!(
            "[busyness] {queue} requests in listen queue, spawning {added} emergency worker(s) ({})!",
            self.emergency
        ));
        added.cast_signed()
    }

    /// Between measurements: a queue that is short but never empty is an alarm too, after a while.
    fn watch_queue(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        queue: u32,
        room: u32,
        lines: &mut Vec<String>,
    ) -> i32 {
        let Bounds { verbose, nonzero, .. } = settings.busyness;
        match self.queue_since_ms {
            None if queue > 0 => {
                self.queue_since_ms = Some(now_ms);
                if verbose {
                    lines.push(format!("[busyness] backlog is starting to fill ({queue})"));
                }
            }
            Some(_) if queue == 0 => {
                self.queue_since_ms = None;
                if verbose {
                    lines.push("[busyness] backlog is now empty".to_owned());
                }
            }
            Some(since_ms) if room > 0 && (now_ms - since_ms) / 1000 >= nonzero => {
                lines.push(format!(
                    "[busyness] backlog was non-zero for {} second(s), spawning new worker(s)",
                    (now_ms - since_ms) / 1000
                ));
                self.queue_since_ms = Some(now_ms);
                return self.alarm(settings, now_ms, queue, room, lines);
            }
            Some(_) | None => {}
        }
        0
    }

    /// No worker leaves for a while.
    fn postpone(&mut self, settings: &Settings, now_ms: u64, lines: &mut Vec<String>) {
        let overload = seconds(settings);
        let mut wait = overload * self.multiplier;
        if self.emergency > 0 {
            wait = overload * settings.busyness.alert_multiplier;
            if settings.busyness.verbose {
                lines.push(format!(
                    "[busyness] {} emergency worker(s) running, using {wait} seconds cheaper timer",
                    self.emergency
                ));
            }
        }
        self.leave_not_before_ms = now_ms + wait * 1000;
    }

    fn lower_multiplier(&mut self, settings: &Settings, lines: &mut Vec<String>) {
        if self.multiplier > settings.busyness.multiplier {
            self.multiplier -= 1;
            lines.push(format!(
                "[busyness] decreasing cheaper multiplier to {}",
                self.multiplier
            ));
        }
    }
}

/// How long a measurement lasts.
fn seconds(settings: &Settings) -> u64 {
    settings.overload.max(1)
}

#[cfg(test)]
mod tests {
    use super::super::WorkerLoad;
    use super::*;

    /// Two workers at first, of which each is busy for a part of each second.
    struct World {
        settings: Settings,
        busyness: Busyness,
        now_ms: u64,
        running_us: Vec<u64>,
        queue: u32,
        lines: Vec<String>,
    }

    impl World {
        fn new() -> World {
            let settings = Settings {
                least: 2,
                overload: 2,
                busyness: Bounds {
                    multiplier: 2,
                    nonzero: 5,
                    ..Bounds::default()
                },
                ..Settings::default()
            };
            World {
                busyness: Busyness::new(&settings, 0),
                settings,
                now_ms: 0,
                running_us: vec![0; 2],
                queue: 0,
                lines: vec![],
            }
        }

        /// Lets seconds pass in which workers are in requests for `percent` of their time; the changes, where there are any.
        fn pass(&mut self, seconds: u64, percent: u64) -> Vec<(u64, i32)> {
            let mut changes = vec![];
            for _ in 0..seconds {
                self.now_ms += 1000;
                self.running_us.iter_mut().for_each(|us| *us += percent * 10_000);
                let worker = |(index, us): (usize, &u64)| WorkerLoad {
                    age: index as u32 + 1,
                    number: index as u32 + 1,
                    is_busy: percent > 0,
                    running_us: *us,
                    resident: 0,
                };
                let load = Load {
                    workers: self.running_us.iter().enumerate().map(worker).collect(),
                    queue: self.queue,
                    requests: 0,
                };
                let room = 6 - self.running_us.len() as u32;
                let change = self
                    .busyness
                    .decide(&self.settings, self.now_ms, &load, room, &mut self.lines);
                let present = self.running_us.len() as i32 + change;
                self.running_us.resize(present as usize, 0);
                if change != 0 {
                    changes.push((self.now_ms / 1000, change));
                }
            }
            changes
        }
    }

    #[test]
    fn busy_workers_get_help_at_each_measurement_until_there_are_enough() {
        let mut world = World::new();
        assert_eq!(world.pass(10, 80), [(2, 1), (4, 1), (6, 1), (8, 1)]);
        assert!(world.lines.iter().any(|line| line.contains("maximum number")));
    }

    #[test]
    fn idle_workers_leave_one_by_one_after_the_multiplier_and_never_below_the_least() {
        let mut world = World::new();
        world.running_us.resize(4, 0);
        assert_eq!(world.pass(20, 5), [(4, -1), (8, -1)]);
        assert_eq!(world.running_us.len(), 2);
    }

    #[test]
    fn a_worker_that_is_missed_at_once_makes_the_next_one_wait_longer() {
        let mut world = World::new();
        world.running_us.resize(3, 0);
        assert_eq!(world.pass(4, 5), [(4, -1)]);
        assert_eq!(world.pass(2, 90), [(6, 1)]);
        assert!(
            world
                .lines
                .iter()
                .any(|line| line.contains("multiplier to 4 (+2)"))
        );
        assert_eq!(world.pass(10, 5), [(14, -1)], "four measurements, not two");
    }

    #[test]
    fn work_within_the_bounds_changes_nothing() {
        let mut world = World::new();
        world.running_us.resize(4, 0);
        assert_eq!(world.pass(30, 40), []);
    }

    #[test]
    fn a_request_that_lasts_longer_than_the_measurement_counts_as_work() {
        let mut world = World::new();
        world.settings.busyness.verbose = true;
        let load = Load {
            workers: vec![WorkerLoad {
                age: 1,
                number: 1,
                is_busy: true,
                ..WorkerLoad::default()
            }],
            ..Load::default()
        };
        let change = world
            .busyness
            .decide(&world.settings, 2000, &load, 5, &mut world.lines);
        assert_eq!(change, 1, "{:?}", world.lines);
        assert!(world.lines[0].contains("marking as 100% busy"));
    }

    #[test]
    fn a_long_queue_brings_emergency_workers_at_once_which_leave_sooner() {
        let mut world = World::new();
        world.queue = 34;
        assert_eq!(world.pass(1, 40), [(1, 1)]);
        world.queue = 0;
        world.settings.busyness.alert_multiplier = 1;
        assert_eq!(world.pass(9, 5), [(8, -1)], "{:?}", world.lines);
    }

    #[test]
    fn a_queue_that_never_is_empty_brings_a_worker_after_a_while() {
        let mut world = World::new();
        world.queue = 1;
        let changes = world.pass(8, 40);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(world.lines.iter().any(|line| line.contains("was non-zero for")));
    }
}
