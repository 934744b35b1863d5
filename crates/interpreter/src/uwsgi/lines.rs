//! How the processes of a server call each other: a pipe for the numbered signals of each worker and mule, sockets for the
//! messages of mules, a pipe that says that there is a task.
//!
//! Everything is opened before the processes are forked, so a signal goes straight to its process. The master raises those
//! that come by themselves.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use config::{Aide, Commons as Wanted, Settings};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use shared::{Metric, SignalBoard, Target};
use telemetry::statistics::Statistics;

/// What a spooler's process has done, and whether it is at work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Diligence {
    pub(super) pid: Metric,
    pub(super) done: Metric,
    pub(super) at_work: Metric,
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
pub(super) struct Line {
    pub(super) reading: Arc<OwnedFd>,
    pub(super) writing: Arc<OwnedFd>,
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
    pub(super) fn ring(&self, byte: u8) -> bool {
        matches!(rustix::io::write(self.writing.as_fd(), &[byte]), Ok(1))
    }
}

/// A farm: its name, its mules from 1, its messages.
#[derive(Clone, Debug)]
pub(super) struct Farm {
    pub(super) name: String,
    pub(super) mules: Vec<u32>,
    pub(super) messages: Line,
}

/// All lines of the server.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(super) board: SignalBoard,
    any_worker: Line,
    workers: Vec<Line>,
    any_mule: Line,
    mules: Vec<Line>,
    spooler: Line,
    pub(super) any_mule_messages: Line,
    pub(super) mule_messages: Vec<Line>,
    pub(super) farms: Vec<Farm>,
    pub(super) tasks: Vec<(PathBuf, Line)>,
    /// Signals that workers have heard, by their numbers from 1.
    pub(super) heard: Vec<Metric>,
    /// Of each spooler's process, in the order of [`Wanted::aides`]: its directory's place, its number, what it does.
    pub(super) diligence: Vec<((usize, u32), Diligence)>,
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
    pub(super) fn messages_of_mule(&self, number: usize) -> Option<&Line> {
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
pub(super) fn state_of(path: &Path) -> u64 {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.map_or(0, |time| {
        time.duration_since(UNIX_EPOCH)
            .map_or(1, |time| (time.as_nanos() as u64).max(1))
    })
}
