//! What the master asks of the room above it, which is where the application and the user's hooks live.

use std::io;
use std::sync::Arc;

use config::{RawValue, Settings};
use sys::Fork;
use telemetry::ExitStatus;
use telemetry::statistics::Statistics;

use crate::listener::Listener;
use crate::seat::{AideSeat, WorkerSeat};

/// The room above: forks with the interpreter's own fork hooks, runs workers, evaluates configuration, calls hooks.
///
/// The hooks do nothing unless implemented. Those without a result log their own failures: the originals survive
/// them too.
pub trait Host {
    /// Splits the process in two, running whatever the interpreter needs before and after.
    ///
    /// # Errors
    /// As [`sys::fork`].
    fn fork(&mut self) -> io::Result<Fork>;

    /// Runs a worker, in the child, from boot to its end. Returns the exit code for [`Host::leave`].
    fn run_worker(&mut self, seat: WorkerSeat) -> i32;

    /// Runs a process beside the workers, in the child, to its end. Returns the exit code for [`Host::leave`].
    fn run_aide(&mut self, _seat: AideSeat) -> i32 {
        0
    }

    /// Ends the child process the interpreter's way.
    fn leave(&mut self, code: i32) -> !;

    /// Evaluates the configuration again, for a reload.
    ///
    /// # Errors
    /// Text that says what is wrong with it, and where.
    fn reread(&mut self) -> Result<Settings, String>;

    /// In a fork of the master: starts the same command again in this process, with GUNICORN_PID and, in GUNICORN_FD,
    /// these descriptors. Comes back only when that fails.
    fn exec(&mut self, _master: &MasterView<'_>, _sockets: &[i32]) -> String {
        String::from("this server cannot be started anew")
    }

    /// The effective value of a setting under the dialect's name, for whoever asks the control socket.
    fn setting(&self, _name: &str) -> Option<RawValue> {
        None
    }

    /// Whether [`Host::attend`] has anything to do.
    fn wants_attention(&self) -> bool {
        false
    }

    /// Adds what the room above counts to the statistics: caches, metrics and tasks of the application's.
    fn describe(&self, _statistics: &mut Statistics) {}

    /// About once a second: what the room above looks after in the master. It waits for nobody. `generation` is the load of
    /// the configuration that serves.
    fn attend(&mut self, _generation: u32) {}

    /// Raises a numbered signal of applications; whether somebody hears it.
    fn raise(&self, _signal: u8) -> bool {
        false
    }

    /// Sends a text to a mule, from 1, or to whichever is first; whether there was room for it.
    fn tell_mule(&self, _number: u32, _text: &[u8]) -> bool {
        false
    }

    /// The master that this one was to replace is gone: GUNICORN_PID means nothing any more.
    fn promoted(&mut self) {}

    /// The pidfile is written (except under uwsgi), no socket is open.
    ///
    /// # Errors
    /// The start is given up.
    fn on_starting(&mut self, _master: &MasterView<'_>) -> Result<(), HookFailed> {
        Ok(())
    }

    /// Sockets are open, no worker is forked.
    ///
    /// # Errors
    /// The start is given up.
    fn when_ready(&mut self, _master: &MasterView<'_>) -> Result<(), HookFailed> {
        Ok(())
    }

    /// A worker is about to be forked.
    fn pre_fork(&mut self, _master: &MasterView<'_>, _worker: WorkerView) {}

    /// A worker has ended and is no longer in `master.processes`.
    fn child_exit(&mut self, _master: &MasterView<'_>, _worker: WorkerView, _status: ExitStatus) {}

    /// The number of workers aimed at has changed; `old` is `None` at the start.
    fn nworkers_changed(&mut self, _master: &MasterView<'_>, _new: u32, _old: Option<u32>) {}

    /// A new configuration is in force for the workers that are forked next.
    fn on_reload(&mut self, _master: &MasterView<'_>) {}

    /// All workers are gone, the master is about to return.
    fn on_exit(&mut self, _master: &MasterView<'_>) {}
}

/// What hooks may see of the master.
#[derive(Debug)]
pub struct MasterView<'a> {
    /// The master's process id.
    pub pid: u32,
    /// The number of workers aimed at.
    pub workers: u32,
    /// The workers that exist.
    pub processes: &'a [WorkerView],
    /// The listening sockets; empty before they are open.
    pub listeners: &'a [Arc<Listener>],
    /// The configuration that the next worker gets.
    pub settings: &'a Arc<Settings>,
}

/// A worker as the master knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerView {
    /// Process id; `None` before the fork.
    pub pid: Option<u32>,
    /// Its place, from 1: a worker's replacement gets the same number.
    pub number: u32,
    /// How many workers had been started when this one was, itself included.
    pub age: u32,
}

/// A hook failed in a way that ends the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFailed {
    /// What to say in the error log.
    pub message: String,
    /// What the server exits with.
    pub exit_code: i32,
}
