//! What a process is given at birth, be it a worker or one beside the workers.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use config::Settings;
use shared::{Scoreboard, WorkerRow};
use telemetry::ErrorLog;

use crate::listener::Listener;
use crate::signals::ChildSignals;

/// What every process that the master forks has of the master's things.
#[derive(Debug)]
pub struct Share {
    /// Which load of the configuration it belongs to, from 1.
    pub generation: u32,
    /// Readable (at its end) once the master is gone.
    pub lifeline: OwnedFd,
    /// Where master and workers see each other.
    pub scoreboard: Scoreboard,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Who to become before the application is loaded; `None`: stay.
    pub identity: Option<sys::Identity>,
    /// The error log.
    pub log: ErrorLog,
    /// The master's process id.
    pub ppid: u32,
}

/// A worker's place and its share.
#[derive(Debug)]
pub struct WorkerSeat {
    /// What it has of the master's.
    pub share: Share,
    /// Its row in the scoreboard.
    pub slot: usize,
    /// Its place, from 1: a worker's replacement gets the same number (uWSGI's worker id).
    pub number: u32,
    /// How many workers had been started when this one was, itself included (gunicorn's `worker.age`).
    pub age: u32,
    /// It takes the place of another worker of its generation.
    pub replaces: bool,
    /// The listening sockets, the worker's own descriptors.
    pub listeners: Vec<Listener>,
    /// Tells the master how the worker is.
    pub ready: ReadyPipe,
    pub(crate) signals: ChildSignals,
}

/// The place of a process beside the workers, and its share.
#[derive(Debug)]
pub struct AideSeat {
    /// What it has of the master's.
    pub share: Share,
    /// What it is.
    pub aide: config::Aide,
}

impl WorkerSeat {
    /// The worker has its application and accepts.
    pub fn ready(&self) {
        self.ready.ready();
    }

    /// The worker would like to be replaced. It goes on until the master, having a replacement, sends TERM.
    pub fn ask_to_retire(&self) {
        self.ready.ask_to_retire();
    }

    /// The worker has its own signal handlers. Until this is called, TERM, INT and QUIT end the process at once with
    /// code 0, so that no signal is lost between the fork and the worker's own handlers.
    pub fn signals_installed(&self) {
        self.signals.hand_over();
    }
}

/// The worker's voice: its row says what, a byte in the pipe wakes the master. Clones speak for the same worker.
#[derive(Clone, Debug)]
pub struct ReadyPipe {
    pub(crate) wake: Arc<OwnedFd>,
    pub(crate) row: WorkerRow,
}

impl ReadyPipe {
    /// The worker has its application and accepts.
    pub fn ready(&self) {
        self.row.set_ready();
        self.wake_master();
    }

    /// The worker would like to be replaced.
    pub fn ask_to_retire(&self) {
        self.row.set_wants_retirement();
        self.wake_master();
    }

    /// The worker's requests are finished, and it ends its application (the lifespan of ASGI), which may take some time.
    pub fn ending(&self) {
        self.row.set_retiring();
        self.wake_master();
    }

    fn wake_master(&self) {
        // A full pipe wakes the master as well; without a master there is nobody to wake.
        let _ = rustix::io::write(&*self.wake, &[1]);
    }
}
