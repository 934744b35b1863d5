//! A server that only keeps other servers: which of them are started, reloaded, stopped (uWSGI's emperor). The decisions are
//! here, without doing anything; `reign` acts on them.
//!
//! Each configuration is a vassal, a server of its own that is started as a command would start it. One that serves is loyal.
//! One that ends before it has served waits longer each time before it is started again; a touch of its file starts it at once.

mod reign;

use std::collections::BTreeMap;
use std::time::SystemTime;

use config::{Emperor as Settings, VassalFile};
use rustix::process::Signal;

pub use reign::reign;

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// The configurations that are there, and when each was changed.
    Found(Vec<(VassalFile, SystemTime)>),
    /// The answers to [`Action::Start`].
    Started { file: VassalFile, pid: u32 },
    /// It could not be started.
    NotStarted { file: VassalFile },
    /// A vassal serves.
    Ready { pid: u32 },
    /// A process has ended.
    Ended { pid: u32 },
    /// All vassals are to reload.
    ReloadAll,
    /// All vassals are to stop, and then the emperor.
    Stop,
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Start(VassalFile),
    Kill {
        pid: u32,
        signal: Signal,
    },
    /// The vassal has ended.
    Bury(VassalFile),
    Log(String),
    /// All of them are gone.
    Exit,
}

#[derive(Debug)]
pub(crate) struct Emperor {
    settings: Settings,
    vassals: BTreeMap<VassalFile, Vassal>,
    is_stopping: bool,
}

#[derive(Debug)]
struct Vassal {
    changed: SystemTime,
    pid: Option<u32>,
    /// A start has been asked for.
    is_coming: bool,
    /// It has served.
    is_loyal: bool,
    /// It has been told to leave, because its configuration is gone.
    is_leaving: bool,
    kill_at_ms: Option<u64>,
    not_before_ms: u64,
    delay_ms: u64,
}

impl Emperor {
    pub(crate) fn new(settings: &Settings) -> Emperor {
        Emperor {
            settings: settings.clone(),
            vassals: BTreeMap::new(),
            is_stopping: false,
        }
    }

    /// What follows from `input` at `now_ms`.
    pub(crate) fn step(&mut self, now_ms: u64, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Found(files) if !self.is_stopping => self.on_found(now_ms, files, &mut actions),
            Input::Found(_) | Input::Tick => {}
            Input::Started { file, pid } => {
                if let Some(vassal) = self.vassals.get_mut(&file) {
                    (vassal.pid, vassal.is_coming) = (Some(pid), false);
                    actions.push(said(&file, "has been spawned"));
                }
            }
            Input::NotStarted { file } => {
                self.wait(now_ms, &file, &mut actions);
            }
            Input::Ready { pid } => self.on_ready(pid, &mut actions),
            Input::Ended { pid } => self.on_ended(now_ms, pid, &mut actions),
            Input::ReloadAll => {
                let pids = self.vassals.values().filter_map(|vassal| vassal.pid);
                let signal = Signal::HUP;
                actions.extend(pids.map(|pid| Action::Kill { pid, signal }));
            }
            Input::Stop if self.is_stopping => {}
            Input::Stop => {
                self.is_stopping = true;
                actions.push(Action::Log("[emperor] *** RAGNAROK EVOKED ***".to_owned()));
                let all: Vec<VassalFile> = self.vassals.keys().cloned().collect();
                all.iter().for_each(|file| self.stop(now_ms, file, &mut actions));
            }
        }
        self.kill_the_late(now_ms, &mut actions);
        self.start_the_due(now_ms, &mut actions);
        if self.is_stopping && self.vassals.is_empty() {
            actions.push(Action::Exit);
        }
        actions
    }

    /// When a tick is wanted, if nothing else happens.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let kills = self.vassals.values().filter_map(|vassal| vassal.kill_at_ms);
        let waiting = |vassal: &&Vassal| vassal.pid.is_none() && !vassal.is_coming;
        let starts = self
            .vassals
            .values()
            .filter(waiting)
            .map(|vassal| vassal.not_before_ms);
        kills.chain(starts).min()
    }

    fn on_found(&mut self, now_ms: u64, files: Vec<(VassalFile, SystemTime)>, actions: &mut Vec<Action>) {
        let there: Vec<&VassalFile> = files.iter().map(|(file, _)| file).collect();
        let gone = self
            .vassals
            .iter()
            .filter(|(file, vassal)| !vassal.is_leaving && !there.contains(file));
        for file in gone.map(|(file, _)| file.clone()).collect::<Vec<_>>() {
            self.stop(now_ms, &file, actions);
        }
        for (file, changed) in files {
            match self.vassals.get_mut(&file) {
                None => {
                    self.vassals.insert(file, Vassal::new(changed, now_ms));
                }
                // It comes back as soon as it is gone.
                Some(vassal) if vassal.is_leaving => vassal.changed = changed,
                Some(vassal) if vassal.changed != changed => {
                    vassal.changed = changed;
                    (vassal.not_before_ms, vassal.delay_ms) = (now_ms, 0);
                    if let Some(pid) = vassal.pid {
                        let name = &file.name;
                        actions.push(Action::Log(format!("[emperor] reload the uwsgi instance {name}")));
                        let signal = Signal::HUP;
                        actions.push(Action::Kill { pid, signal });
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn on_ready(&mut self, pid: u32, actions: &mut Vec<Action>) {
        let mut vassals = self.vassals.iter_mut();
        let Some((file, vassal)) = vassals.find(|(_, vassal)| vassal.pid == Some(pid)) else {
            return;
        };
        vassal.delay_ms = 0;
        if !std::mem::replace(&mut vassal.is_loyal, true) {
            actions.push(said(file, "is ready to accept requests"));
            actions.push(said(file, "is now loyal"));
        }
    }

    fn on_ended(&mut self, now_ms: u64, pid: u32, actions: &mut Vec<Action>) {
        let mut vassals = self.vassals.iter();
        let Some((file, vassal)) = vassals.find(|(_, vassal)| vassal.pid == Some(pid)) else {
            return;
        };
        let (file, name, is_leaving) = (file.clone(), file.name.clone(), vassal.is_leaving);
        actions.push(Action::Bury(file.clone()));
        if is_leaving {
            self.vassals.remove(&file);
            actions.push(Action::Log(format!("[emperor] removed uwsgi instance {name}")));
            return;
        }
        actions.push(Action::Log(format!(
            "[emperor] curse the uwsgi instance {name} (pid: {pid})"
        )));
        self.wait(now_ms, &file, actions);
    }

    /// The vassal is not there: it is started again, later each time that it has not served.
    fn wait(&mut self, now_ms: u64, file: &VassalFile, actions: &mut Vec<Action>) {
        let milliseconds =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4);
        let first_ms = milliseconds(self.settings.throttle);
        let longest_ms = milliseconds(self.settings.longest_throttle).max(first_ms);
        let Some(vassal) = self.vassals.get_mut(file) else {
            return;
        };
        let was_loyal = std::mem::take(&mut vassal.is_loyal);
        (vassal.pid, vassal.is_coming, vassal.kill_at_ms) = (None, false, None);
        vassal.delay_ms = match vassal.delay_ms {
            _ if was_loyal => first_ms,
            0 => first_ms,
            delay => (delay * 2).min(longest_ms),
        };
        vassal.not_before_ms = now_ms + vassal.delay_ms;
        let name = &file.name;
        if !was_loyal {
            actions.push(Action::Log(format!(
                "[emperor] unloyal bad behaving vassal found: {name} throttling it..."
            )));
        }
        if vassal.delay_ms >= longest_ms {
            actions.push(Action::Log(format!(
                "[emperor] maximum throttle level for vassal {name} reached !!!"
            )));
        }
    }

    fn stop(&mut self, now_ms: u64, file: &VassalFile, actions: &mut Vec<Action>) {
        let tolerance_ms = u64::try_from(self.settings.tolerance.as_millis()).unwrap_or(u64::MAX / 4);
        let signal = match self.settings.graceful {
            true => Signal::TERM,
            false => Signal::INT,
        };
        let Some(vassal) = self.vassals.get_mut(file) else {
            return;
        };
        let name = &file.name;
        actions.push(Action::Log(format!("[emperor] stop the uwsgi instance {name}")));
        let Some(pid) = vassal.pid else {
            self.vassals.remove(file);
            actions.push(Action::Log(format!("[emperor] removed uwsgi instance {name}")));
            return;
        };
        vassal.is_leaving = true;
        vassal.kill_at_ms = Some(now_ms + tolerance_ms);
        actions.push(Action::Kill { pid, signal });
    }

    fn kill_the_late(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        for (file, vassal) in &mut self.vassals {
            let Some(pid) = vassal
                .pid
                .filter(|_| vassal.kill_at_ms.is_some_and(|at| at <= now_ms))
            else {
                continue;
            };
            vassal.kill_at_ms = None;
            let name = &file.name;
            actions.push(Action::Log(format!("[emperor] NO MERCY for vassal {name} !!!")));
            let signal = Signal::KILL;
            actions.push(Action::Kill { pid, signal });
        }
    }

    fn start_the_due(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        for (file, vassal) in &mut self.vassals {
            let is_due = vassal.pid.is_none() && !vassal.is_coming && vassal.not_before_ms <= now_ms;
            if is_due && !self.is_stopping {
                vassal.is_coming = true;
                actions.push(Action::Start(file.clone()));
            }
        }
    }
}

impl Vassal {
    fn new(changed: SystemTime, now_ms: u64) -> Vassal {
        Vassal {
            changed,
            pid: None,
            is_coming: false,
            is_loyal: false,
            is_leaving: false,
            kill_at_ms: None,
            not_before_ms: now_ms,
            delay_ms: 0,
        }
    }
}

fn said(file: &VassalFile, what: &str) -> Action {
    Action::Log(format!("[emperor] vassal {} {what}", file.name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// An emperor with a clock, whose starts succeed at once.
    struct World {
        emperor: Emperor,
        now_ms: u64,
        pids: u32,
    }

    impl World {
        fn new() -> World {
            World {
                emperor: Emperor::new(&Settings {
                    longest_throttle: Duration::from_secs(4),
                    ..Settings::default()
                }),
                now_ms: 1000,
                pids: 100,
            }
        }

        /// What is done, in short, without the log.
        fn tell(&mut self, input: Input) -> Vec<String> {
            let mut inbox = vec![input];
            let mut done = vec![];
            while !inbox.is_empty() {
                for action in self.emperor.step(self.now_ms, inbox.remove(0)) {
                    done.extend(match action {
                        Action::Start(file) => {
                            self.pids += 1;
                            let pid = self.pids;
                            let started = format!("start {} {pid}", file.name);
                            inbox.push(Input::Started { file, pid });
                            Some(started)
                        }
                        Action::Kill { pid, signal } => Some(format!("signal {} {pid}", signal.as_raw())),
                        Action::Bury(file) => Some(format!("bury {}", file.name)),
                        Action::Log(_) => None,
                        Action::Exit => Some("exit".to_owned()),
                    });
                }
            }
            done
        }

        fn find(&mut self, files: &[(&str, u64)]) -> Vec<String> {
            let file = |(name, seconds): &(&str, u64)| {
                let file = VassalFile {
                    directory: "/v".into(),
                    name: (*name).to_owned(),
                };
                (file, SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds))
            };
            self.tell(Input::Found(files.iter().map(file).collect()))
        }

        /// Lets time pass to the next deadline; how long that was.
        fn pass(&mut self) -> (u64, Vec<String>) {
            let until_ms = self.emperor.next_deadline_ms().expect("a deadline");
            let passed = until_ms - self.now_ms;
            self.now_ms = until_ms;
            (passed, self.tell(Input::Tick))
        }
    }

    #[test]
    fn a_vassal_is_started_reloaded_when_touched_and_stopped_when_its_file_is_gone() {
        let mut world = World::new();
        assert_eq!(
            world.find(&[("a.ini", 1), ("b.ini", 1)]),
            ["start a.ini 101", "start b.ini 102"]
        );
        assert_eq!(world.find(&[("a.ini", 1), ("b.ini", 1)]), [""; 0]);
        assert_eq!(world.find(&[("a.ini", 2), ("b.ini", 1)]), ["signal 1 101"]);
        assert_eq!(world.find(&[("a.ini", 2)]), ["signal 2 102"]);
        assert_eq!(world.find(&[("a.ini", 2)]), [""; 0], "told once");
        assert_eq!(world.tell(Input::Ended { pid: 102 }), ["bury b.ini"]);
        assert_eq!(
            world.find(&[("a.ini", 2), ("b.ini", 3)]),
            ["start b.ini 103"],
            "it may come back"
        );
        assert_eq!(world.tell(Input::ReloadAll), ["signal 1 101", "signal 1 103"]);
    }

    #[test]
    fn a_vassal_that_never_serves_waits_longer_each_time_and_a_touch_starts_it_at_once() {
        let mut world = World::new();
        world.find(&[("a.ini", 1)]);
        for (pid, wait_ms) in [(101, 1000), (102, 2000), (103, 4000), (104, 4000)] {
            assert_eq!(world.tell(Input::Ended { pid }), ["bury a.ini"]);
            let started = format!("start a.ini {}", pid + 1);
            assert_eq!(world.pass(), (wait_ms, vec![started]));
        }
        world.tell(Input::Ended { pid: 105 });
        assert_eq!(world.find(&[("a.ini", 2)]), ["start a.ini 106"]);
        world.tell(Input::Ready { pid: 106 });
        world.tell(Input::Ended { pid: 106 });
        assert_eq!(world.pass().0, 1000, "one that has served does not wait long");
    }

    #[test]
    fn the_emperor_ends_when_its_vassals_have_ended_or_were_killed() {
        let mut world = World::new();
        world.find(&[("a.ini", 1), ("b.ini", 1)]);
        world.tell(Input::Ended { pid: 102 });
        assert_eq!(world.tell(Input::Stop), ["signal 2 101"]);
        assert_eq!(world.find(&[("c.ini", 1)]), [""; 0], "nobody is started any more");
        assert_eq!(world.pass(), (30_000, vec!["signal 9 101".to_owned()]));
        assert_eq!(world.tell(Input::Ended { pid: 101 }), ["bury a.ini", "exit"]);
    }
}
