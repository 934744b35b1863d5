//! The lines between the processes of a server as Python uses them: who hears which signals, and by which descriptors.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use config::Aide;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use shared::{Metric, Recurring, Target};

use super::lines::{Diligence, Lines, Role, state_of};

/// The lines as Python uses them.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Bells {
    lines: Lines,
    role: Role,
    generation: u32,
}

impl Bells {
    /// Those of this process, for the rest of its life.
    pub(super) fn new(lines: Lines, role: Role, generation: u32) -> Bells {
        let bells = Bells {
            lines,
            role,
            generation,
        };
        if let Some(own) = bells.diligence() {
            own.pid.update(|_| i64::from(std::process::id()));
        }
        bells
    }

    /// Of this spooler.
    fn diligence(&self) -> Option<Diligence> {
        let Role::Aide(Aide::Spooler { index, number, .. }) = &self.role else {
            return None;
        };
        let mut all = self.lines.diligence.iter();
        all.find(|(whose, _)| *whose == (*index, *number))
            .map(|(_, own)| *own)
    }

    /// uWSGI's names of targets.
    fn target(&self, name: &str) -> Option<Target> {
        let numbered = |rest: &str| rest.parse().ok().filter(|number| *number > 0);
        Some(match name {
            "" | "worker" | "worker0" => Target::AnyWorker,
            "workers" | "active-workers" | "all" => Target::Workers,
            "mule" | "mule0" => Target::AnyMule,
            "mules" => Target::Mules,
            "spooler" => Target::Spooler,
            _ => {
                if let Some(number) = name.strip_prefix("worker").and_then(numbered) {
                    Target::Worker(number)
                } else if let Some(number) = name.strip_prefix("mule").and_then(numbered) {
                    Target::Mule(number)
                } else {
                    let farm = name
                        .strip_prefix("farm_")
                        .or_else(|| name.strip_prefix("farm "))?;
                    let place = self.lines.farms.iter().position(|known| known.name == farm)?;
                    Target::Farm(u32::try_from(place).ok()?)
                }
            }
        })
    }

    fn add(&self, signal: u8, recurring: &Recurring, anew: bool) -> PyResult<()> {
        let now_ms = sys::monotonic_ms();
        Ok(self
            .lines
            .board
            .add(signal, recurring, self.generation, now_ms, anew)?)
    }
}

#[pymethods]
impl Bells {
    fn register(&self, signal: u8, target: &str) -> PyResult<()> {
        let meant = self.target(target).ok_or_else(|| {
            PyValueError::new_err(format!(
                "{target:?} is nobody that signals go to: give worker, workers, workerN, mule, mules, muleN, farm_NAME or \
                 spooler"
            ))
        })?;
        self.lines.board.register(signal, meant);
        Ok(())
    }

    fn is_registered(&self, signal: u8) -> bool {
        self.lines.board.target(signal).is_some()
    }

    fn send(&self, signal: u8) -> bool {
        self.lines.send(signal)
    }

    /// `rounds`: 0 is for ever. `anew`: one that has run out runs again.
    fn add_timer(&self, signal: u8, seconds: f64, rounds: u64, anew: bool) -> PyResult<()> {
        let interval_ms = (seconds * 1000.0) as u64;
        let rounds = (rounds > 0).then_some(rounds);
        self.add(signal, &Recurring::Timer { interval_ms, rounds }, anew)
    }

    fn add_cron(&self, signal: u8, parts: [i32; 5]) -> PyResult<()> {
        self.add(signal, &Recurring::Cron(parts), false)
    }

    fn add_file(&self, signal: u8, path: String) -> PyResult<()> {
        let state = state_of(Path::new(&path));
        self.add(signal, &Recurring::File { path, state }, false)
    }

    /// What this process hears signals by.
    fn signal_descriptors(&self) -> Vec<i32> {
        let ears = self.lines.signal_ears(&self.role);
        ears.iter().map(|ear| ear.as_raw_fd()).collect()
    }

    /// What this mule hears messages by: those for it, and those for any.
    fn message_descriptors(&self) -> Vec<i32> {
        let Role::Aide(Aide::Mule { number, .. }) = &self.role else {
            return Vec::new();
        };
        let own = self.lines.mule_messages.get(*number as usize - 1);
        own.into_iter()
            .chain([&self.lines.any_mule_messages])
            .map(|line| line.reading.as_raw_fd())
            .collect()
    }

    /// The farms this mule is in, and what it hears their messages by.
    fn farm_descriptors(&self) -> Vec<(String, i32)> {
        let Role::Aide(Aide::Mule { number, .. }) = &self.role else {
            return Vec::new();
        };
        let farms = self.lines.farms.iter().filter(|farm| farm.mules.contains(number));
        farms
            .map(|farm| (farm.name.clone(), farm.messages.reading.as_raw_fd()))
            .collect()
    }

    /// Where messages go in for a mule, or any (0); `None` where there is no such mule.
    fn mule_sender(&self, number: usize) -> Option<i32> {
        self.lines
            .messages_of_mule(number)
            .map(|line| line.writing.as_raw_fd())
    }

    /// Where messages go in for a farm.
    fn farm_sender(&self, name: &str) -> Option<i32> {
        let farm = self.lines.farms.iter().find(|farm| farm.name == name);
        farm.map(|farm| farm.messages.writing.as_raw_fd())
    }

    /// The directories of tasks.
    fn task_directories(&self) -> Vec<PathBuf> {
        self.lines.tasks.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Tells whoever does the tasks of a directory that there is one.
    fn announce_task(&self, index: usize) -> bool {
        let line = self.lines.tasks.get(index);
        line.is_some_and(|(_, line)| line.ring(0))
    }

    /// So many signals were heard here.
    fn count_signals(&self, count: i64) {
        if let Role::Worker(number) = self.role
            && let Some(heard) = self.lines.heard.get(number as usize - 1)
        {
            heard.update(|before| before + count);
        }
    }

    /// How many signals the processes of each worker have heard, by number.
    fn heard_signals(&self) -> Vec<i64> {
        self.lines.heard.iter().map(Metric::value).collect()
    }

    /// The processes that do tasks, in the order of their directories; 0 for one that has not begun yet.
    fn spooler_pids(&self) -> Vec<i64> {
        let all = self.lines.diligence.iter();
        all.map(|(_, own)| own.pid.value()).collect()
    }

    /// This spooler is at work, or not any more, and has done so many tasks more.
    fn count_tasks(&self, is_at_work: bool, done: i64) {
        if let Some(own) = self.diligence() {
            own.at_work.update(|_| i64::from(is_at_work));
            own.done.update(|before| before + done);
        }
    }

    /// What a spooler hears of tasks by.
    fn task_descriptor(&self, index: usize) -> Option<i32> {
        let line = self.lines.tasks.get(index);
        line.map(|(_, line)| line.reading.as_raw_fd())
    }
}
