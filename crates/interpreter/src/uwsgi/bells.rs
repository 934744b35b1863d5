//! How the processes of a server call each other: a pipe for the numbered signals of each worker and mule, sockets for the
//! messages of mules, a pipe that says that there is a task.
//!
//! Everything is opened before the processes are forked, so a signal goes straight to its process. The master raises those
//! that come by themselves.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use config::{Aide, Commons as Wanted, Settings};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use shared::{Metric, Recurring, SignalBoard, Target};
use telemetry::statistics::Statistics;

/// What a spooler's process has done, and whether it is at work.
#[derive(Clone, Copy, Debug)]
struct Diligence {
    pid: Metric,
    done: Metric,
    at_work: Metric,
}

impl Diligence {
    fn begin() -> io::Result<Diligence> {
        Ok(Diligence {
            pid: Metric::create(0)?,
            done: Metric::create(0)?,
            at_work: Metric::create(0)?,
        })
    }
}

/// Two ends; several processes may read, and whoever is first has it.
#[derive(Clone, Debug)]
struct Line {
    reading: Arc<OwnedFd>,
    writing: Arc<OwnedFd>,
}

impl Line {
    /// For single bytes.
    fn pipe() -> io::Result<Line> {
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Line {
            reading: Arc::new(reading),
            writing: Arc::new(writing),
        })
    }

    /// For messages that stay whole, with room for so many bytes of them.
    fn messages(room: Option<usize>) -> io::Result<Line> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (reading, writing) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        if let Some(room) = room {
            // The system has a largest size of its own, and gives that then.
            rustix::net::sockopt::set_socket_send_buffer_size(&writing, room)?;
        }
        Ok(Line {
            reading: Arc::new(reading),
            writing: Arc::new(writing),
        })
    }

    /// Whether there was room for the byte.
    fn ring(&self, byte: u8) -> bool {
        matches!(rustix::io::write(self.writing.as_fd(), &[byte]), Ok(1))
    }
}

/// A farm: its name, its mules from 1, its messages.
#[derive(Clone, Debug)]
struct Farm {
    name: String,
    mules: Vec<u32>,
    messages: Line,
}

/// All lines of the server.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    board: SignalBoard,
    any_worker: Line,
    workers: Vec<Line>,
    any_mule: Line,
    mules: Vec<Line>,
    spooler: Line,
    any_mule_messages: Line,
    mule_messages: Vec<Line>,
    farms: Vec<Farm>,
    tasks: Vec<(PathBuf, Line)>,
    /// Signals that workers have heard, by their numbers from 1.
    heard: Vec<Metric>,
    /// Of each spooler's process, in the order of [`Wanted::aides`]: its directory's place, its number, what it does.
    diligence: Vec<((usize, u32), Diligence)>,
}

/// Which process this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A worker, from 1.
    Worker(u32),
    /// Whatever runs beside the workers.
    Aide(Aide),
}

impl Lines {
    /// `room`: for messages, as the settings have it.
    pub(crate) fn open(room: Option<usize>) -> io::Result<Lines> {
        Ok(Lines {
            board: SignalBoard::create()?,
            any_worker: Line::pipe()?,
            workers: Vec::new(),
            any_mule: Line::pipe()?,
            mules: Vec::new(),
            spooler: Line::pipe()?,
            any_mule_messages: Line::messages(room)?,
            mule_messages: Vec::new(),
            farms: Vec::new(),
            tasks: Vec::new(),
            heard: Vec::new(),
            diligence: Vec::new(),
        })
    }

    /// Opens what a configuration needs in addition; what is there stays, with whatever is under way in it.
    pub(crate) fn adapt(&mut self, settings: &Settings) -> io::Result<()> {
        let Wanted {
            mules,
            farms,
            message_room,
            spoolers,
            ..
        } = &settings.commons;
        while self.workers.len() < settings.workers as usize {
            self.workers.push(Line::pipe()?);
            self.heard.push(Metric::create(0)?);
        }
        let aides = settings.commons.aides();
        let at_work = aides.iter().filter_map(|aide| match aide {
            Aide::Spooler { index, number, .. } => Some((*index, *number)),
            Aide::Mule { .. } => None,
        });
        let diligence = at_work.map(|whose| {
            let same = self.diligence.iter().find(|(other, _)| *other == whose);
            Ok((whose, same.map_or_else(Diligence::begin, |(_, same)| Ok(*same))?))
        });
        self.diligence = diligence.collect::<io::Result<_>>()?;
        while self.mules.len() < mules.len() {
            self.mules.push(Line::pipe()?);
            self.mule_messages.push(Line::messages(*message_room)?);
        }
        let farms = farms.iter().map(|farm| {
            let same = self.farms.iter().find(|other| other.name == farm.name);
            Ok(Farm {
                name: farm.name.clone(),
                mules: farm.mules.clone(),
                messages: same
                    .map_or_else(|| Line::messages(*message_room), |same| Ok(same.messages.clone()))?,
            })
        });
        self.farms = farms.collect::<io::Result<_>>()?;
        let tasks = spoolers.iter().map(|spooler| {
            let same = self.tasks.iter().find(|(path, _)| *path == spooler.directory);
            let line = same.map_or_else(Line::pipe, |(_, line)| Ok(line.clone()))?;
            Ok((spooler.directory.clone(), line))
        });
        self.tasks = tasks.collect::<io::Result<_>>()?;
        Ok(())
    }

    /// Whether a signal has somewhere to go, and there was room for it.
    pub(crate) fn send(&self, signal: u8) -> bool {
        // Each of them, whether or not another has room.
        let all = |lines: &[Line]| lines.iter().filter(|line| !line.ring(signal)).count() == 0;
        let one = |lines: &[Line], number: u32| {
            let line = (number as usize)
                .checked_sub(1)
                .and_then(|index| lines.get(index));
            line.is_some_and(|line| line.ring(signal))
        };
        match self.board.target(signal) {
            None => false,
            Some(Target::AnyWorker) => self.any_worker.ring(signal),
            Some(Target::Workers) => all(&self.workers),
            Some(Target::Worker(number)) => one(&self.workers, number),
            Some(Target::AnyMule) => self.any_mule.ring(signal),
            Some(Target::Mules) => all(&self.mules),
            Some(Target::Mule(number)) => one(&self.mules, number),
            Some(Target::Farm(place)) => self.farms.get(place as usize).is_some_and(|farm| {
                let deaf = farm.mules.iter().filter(|number| !one(&self.mules, **number));
                deaf.count() == 0
            }),
            Some(Target::Spooler) => self.spooler.ring(signal),
        }
    }

    /// Raises what is due for the load of the configuration that serves.
    pub(crate) fn raise_what_is_due(&self, generation: u32, minute: shared::Minute) {
        for signal in self.board.due(generation, sys::monotonic_ms(), minute, |path| {
            state_of(Path::new(path))
        }) {
            // Who does not keep up misses some.
            self.send(signal);
        }
    }

    /// The messages of a mule, from 1, or those for whichever is first.
    fn messages_of_mule(&self, number: usize) -> Option<&Line> {
        match number {
            0 => (!self.mules.is_empty()).then_some(&self.any_mule_messages),
            number => self.mule_messages.get(number - 1),
        }
    }

    /// Sends a message to a mule; whether there was room for it. An empty one could not be told from the end of the line.
    pub(super) fn tell_mule(&self, number: usize, text: &[u8]) -> bool {
        let line = self.messages_of_mule(number).filter(|_| !text.is_empty());
        line.is_some_and(|line| rustix::io::write(line.writing.as_fd(), text).is_ok())
    }

    /// Adds signals and tasks to the statistics. The spoolers stand there as in the configuration.
    pub(super) fn describe(&self, statistics: &mut Statistics) {
        for (worker, heard) in statistics.workers.iter_mut().zip(&self.heard) {
            worker.signals = heard.value().max(0).cast_unsigned();
        }
        for (spooler, (_, diligence)) in statistics.extras.spoolers.iter_mut().zip(&self.diligence) {
            spooler.tasks = diligence.done.value().max(0).cast_unsigned();
            spooler.is_running = diligence.at_work.value() > 0;
        }
    }

    /// What a process of this role hears signals by.
    pub(crate) fn signal_ears(&self, role: &Role) -> Vec<Arc<OwnedFd>> {
        let own = |lines: &[Line], number: u32| {
            let line = lines.get(number as usize - 1);
            line.map(|line| Arc::clone(&line.reading))
        };
        let (own, any) = match role {
            Role::Worker(number) => (own(&self.workers, *number), &self.any_worker),
            Role::Aide(Aide::Mule { number, .. }) => (own(&self.mules, *number), &self.any_mule),
            Role::Aide(Aide::Spooler { .. }) => (None, &self.spooler),
        };
        own.into_iter().chain([Arc::clone(&any.reading)]).collect()
    }
}

/// What a file is like: when it was changed, in nanoseconds; 0 when it is not there.
fn state_of(path: &Path) -> u64 {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.map_or(0, |time| {
        time.duration_since(UNIX_EPOCH)
            .map_or(1, |time| (time.as_nanos() as u64).max(1))
    })
}

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
