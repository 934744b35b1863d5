//! How many workers there should be for the load there is (uWSGI's `cheaper`): the decision, without doing anything.
//!
//! `decide` is asked about once a second. Which algorithm is asked is the configuration's choice; each is uWSGI's own, the
//! second, `spare2`, that of uWSGI 2.1. Limits of memory come before the algorithm and before commands. It leaves out
//! which worker leaves: that is the supervisor's.

mod busyness;

use config::{Cheaper as Settings, CheaperAlgorithm};

use busyness::Busyness;

/// What there is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Workers that are there to stay, those that boot included.
    pub(crate) workers: Vec<WorkerLoad>,
    /// The longest accept queue of all sockets.
    pub(crate) queue: u32,
    /// Requests that workers have finished since they were started, by all that are there.
    pub(crate) requests: u64,
}

/// One worker at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkerLoad {
    /// Which one.
    pub(crate) age: u32,
    /// Its place, for the log.
    pub(crate) number: u32,
    /// It is in a request.
    pub(crate) is_busy: bool,
    /// Microseconds that its finished requests have taken.
    pub(crate) running_us: u64,
    /// Resident bytes.
    pub(crate) resident: u64,
}

impl Load {
    fn busy(&self) -> u32 {
        self.workers.iter().filter(|worker| worker.is_busy).count() as u32
    }

    fn present(&self) -> u32 {
        self.workers.len() as u32
    }

    /// Whether all workers together use so much memory.
    fn is_over(&self, limit: Option<u64>) -> bool {
        let resident: u64 = self.workers.iter().map(|worker| worker.resident).sum();
        limit.is_some_and(|limit| resident >= limit)
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// So many workers more, or fewer.
    pub(crate) change: i32,
    /// Lines for the log.
    pub(crate) lines: Vec<String>,
}

/// The memory of the algorithm from one look to the next.
#[derive(Debug)]
pub(crate) struct Cheaper {
    settings: Settings,
    /// The most workers there may be.
    most: u32,
    overloaded: u64,
    idle: u64,
    busyness: Busyness,
}

impl Cheaper {
    /// At the beginning of a configuration's life; `most`: as many workers as there may be.
    pub(crate) fn new(settings: &Settings, most: u32, now_ms: u64) -> Cheaper {
        Cheaper {
            settings: settings.clone(),
            most,
            overloaded: 0,
            idle: 0,
            busyness: Busyness::new(settings, now_ms),
        }
    }

    /// What the algorithm says of itself when it begins.
    pub(crate) fn introduction(&self) -> Vec<String> {
        match self.settings.algorithm {
            CheaperAlgorithm::Busyness => self.busyness.introduction(&self.settings),
            _ => Vec::new(),
        }
    }

    /// What becomes of a command that wants so many workers more, or fewer.
    pub(crate) fn obey(&self, wanted: i32, load: &Load) -> Verdict {
        self.too_large(load).unwrap_or_else(|| match wanted {
            1.. if load.is_over(self.settings.soft_memory) => Verdict {
                change: 0,
                lines: vec!["cheaper soft rss memory limit exceeded, can't spawn more workers".to_owned()],
            },
            change => Verdict {
                change,
                lines: Vec::new(),
            },
        })
    }

    /// What follows from the memory of the workers, whatever else is wanted.
    fn too_large(&self, load: &Load) -> Option<Verdict> {
        let present = load.present();
        (load.is_over(self.settings.hard_memory) && present > 1).then(|| Verdict {
            change: -1,
            lines: vec![format!(
                "cheaper hard rss memory limit exceeded, cheap one of {present} workers"
            )],
        })
    }

    /// What follows from the load at `now_ms`.
    pub(crate) fn decide(&mut self, now_ms: u64, load: &Load) -> Verdict {
        if let Some(verdict) = self.too_large(load) {
            return verdict;
        }
        let mut verdict = Verdict::default();
        // How many may be added at all.
        let room = match load.is_over(self.settings.soft_memory) {
            true => 0,
            false => self.most.saturating_sub(load.present()),
        };
        verdict.change = match self.settings.algorithm {
            CheaperAlgorithm::Spare => self.spare(load, room),
            CheaperAlgorithm::Spare2 => self.spare2(load, room),
            CheaperAlgorithm::Backlog => self.backlog(load, room),
            CheaperAlgorithm::Busyness => {
                self.busyness
                    .decide(&self.settings, now_ms, load, room, &mut verdict.lines)
            }
            CheaperAlgorithm::Manual => 0,
        };
        verdict
    }

    fn step(&self, room: u32) -> i32 {
        room.min(self.settings.step).cast_signed()
    }

    /// One idle worker is as it should be. None for a while: more; several for a while: fewer.
    fn spare(&mut self, load: &Load, room: u32) -> i32 {
        let (present, busy) = (load.present(), load.busy());
        if present == busy {
            self.overloaded += 1;
            self.idle = 0;
        } else {
            self.overloaded = self.overloaded.saturating_sub(1);
        }
        if room > 0 && self.overloaded > self.settings.overload {
            self.overloaded = 0;
            return self.step(room);
        }
        if self.overloaded > 0 || present == busy + 1 {
            return 0;
        }
        self.idle += 1;
        let is_time = self.idle.is_multiple_of(self.settings.overload.max(1));
        -i32::from(present > self.settings.least && is_time)
    }

    /// As many idle workers as `cheaper` says are as it should be. Fewer: more at once; more for a while: fewer.
    fn spare2(&mut self, load: &Load, room: u32) -> i32 {
        let idle = load.present() - load.busy();
        let least = self.settings.least;
        if idle < least {
            self.idle = 0;
            return self.step(room).min((least - idle).cast_signed());
        }
        if idle == least {
            self.idle = self.idle.saturating_sub(1);
            return 0;
        }
        self.idle += 1;
        if self.idle < self.settings.idle {
            return 0;
        }
        self.idle = 0;
        -1
    }

    /// An accept queue of `cheaper-overload` is as it should be.
    fn backlog(&self, load: &Load, room: u32) -> i32 {
        let queue = u64::from(load.queue);
        if queue > self.settings.overload {
            return self.step(room);
        }
        -i32::from(queue < self.settings.overload && load.present() > self.settings.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(algorithm: CheaperAlgorithm) -> Settings {
        Settings {
            least: 2,
            initial: 2,
            step: 2,
            overload: 3,
            idle: 4,
            algorithm,
            ..Settings::default()
        }
    }

    fn load(present: u32, busy: u32, queue: u32) -> Load {
        let worker = |number| WorkerLoad {
            age: number,
            number,
            is_busy: number <= busy,
            ..WorkerLoad::default()
        };
        Load {
            workers: (1..=present).map(worker).collect(),
            queue,
            requests: 0,
        }
    }

    /// What follows from one look each second: workers that are there, workers that are busy, length of the queue.
    fn lived(algorithm: CheaperAlgorithm, seconds: &[(u32, u32, u32)]) -> Vec<i32> {
        let mut cheaper = Cheaper::new(&settings(algorithm), 10, 0);
        let mut now_ms = 0;
        let looks = seconds.iter().map(|(present, busy, queue)| {
            now_ms += 1000;
            cheaper.decide(now_ms, &load(*present, *busy, *queue)).change
        });
        looks.collect()
    }

    #[test]
    fn spare_adds_workers_after_an_overload_that_lasts_and_never_beyond_the_most() {
        let spare = CheaperAlgorithm::Spare;
        assert_eq!(lived(spare, &[(2, 2, 0); 5]), [0, 0, 0, 2, 0]);
        assert_eq!(lived(spare, &[(9, 9, 0); 4]), [0, 0, 0, 1]);
        assert_eq!(lived(spare, &[(10, 10, 0); 6]), [0; 6]);
        // One idle worker in between takes one second of the overload away.
        let mut seconds = vec![(2, 2, 0); 3];
        seconds.push((2, 1, 0));
        seconds.extend([(2, 2, 0); 2]);
        assert_eq!(lived(spare, &seconds), [0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn spare_lets_one_worker_leave_each_overload_seconds_while_more_than_one_is_idle() {
        let spare = CheaperAlgorithm::Spare;
        assert_eq!(lived(spare, &[(5, 1, 0); 6]), [0, 0, -1, 0, 0, -1]);
        assert_eq!(lived(spare, &[(5, 4, 0); 6]), [0; 6], "one is spare");
        assert_eq!(lived(spare, &[(2, 0, 0); 6]), [0; 6], "there are no fewer");
    }

    #[test]
    fn spare2_keeps_as_many_idle_workers_as_cheaper_says() {
        let spare2 = CheaperAlgorithm::Spare2;
        assert_eq!(lived(spare2, &[(2, 2, 0), (4, 3, 0), (4, 2, 0)]), [2, 1, 0]);
        assert_eq!(lived(spare2, &[(9, 9, 0), (10, 10, 0)]), [1, 0]);
        assert_eq!(lived(spare2, &[(5, 1, 0); 5]), [0, 0, 0, -1, 0]);
    }

    #[test]
    fn backlog_follows_the_length_of_the_accept_queue() {
        let backlog = CheaperAlgorithm::Backlog;
        let seconds = [(2, 0, 4), (4, 0, 3), (4, 0, 2), (2, 0, 0), (10, 0, 99)];
        assert_eq!(lived(backlog, &seconds), [2, 0, -1, 0, 0]);
    }

    #[test]
    fn manual_does_nothing_by_itself() {
        assert_eq!(lived(CheaperAlgorithm::Manual, &[(2, 2, 99); 9]), [0; 9]);
    }

    #[test]
    fn memory_comes_before_the_algorithm() {
        let limited = Settings {
            soft_memory: Some(100),
            hard_memory: Some(200),
            ..settings(CheaperAlgorithm::Backlog)
        };
        let mut cheaper = Cheaper::new(&limited, 10, 0);
        let mut busy = load(2, 2, 99);
        for (resident, change) in [(10, 2), (50, 0), (100, -1)] {
            busy.workers
                .iter_mut()
                .for_each(|worker| worker.resident = resident);
            let verdict = cheaper.decide(1000, &busy);
            assert_eq!(verdict.change, change, "{resident} bytes each");
            assert_eq!(verdict.lines.is_empty(), change >= 0);
        }
        busy.workers.truncate(1);
        busy.workers[0].resident = 999;
        assert_eq!(
            cheaper.decide(1000, &busy).change,
            0,
            "the last one stays, whatever it uses"
        );
    }

    #[test]
    fn memory_comes_before_commands() {
        let limited = Settings {
            soft_memory: Some(100),
            hard_memory: Some(200),
            ..settings(CheaperAlgorithm::Manual)
        };
        let cheaper = Cheaper::new(&limited, 10, 0);
        let mut idle = load(2, 0, 0);
        for (resident, more, fewer) in [(10, 3, -1), (50, 0, -1), (100, -1, -1)] {
            idle.workers
                .iter_mut()
                .for_each(|worker| worker.resident = resident);
            let verdict = cheaper.obey(3, &idle);
            assert_eq!(verdict.change, more, "{resident} bytes each");
            assert_eq!(verdict.lines.is_empty(), more > 0, "the log says why not");
            assert_eq!(cheaper.obey(-1, &idle).change, fewer, "{resident} bytes each");
        }
    }
}
