//! What the supervisor is told and what it asks for: the plan it follows, inputs and actions.

use std::path::PathBuf;

use config::{Dialect, Harakiri, MasterCommand, Memory, Processes, Scaling, Settings, WorkerLimits};
use rustix::process::Signal;
use telemetry::{Event, ExitStatus};

use crate::cheaper::Load;
use crate::signals::MasterSignal;

/// A server of one process under uvicorn's command has itself ended by the TERM that stopped it.
pub const ENDED_BY_TERM: i32 = 128 + Signal::TERM.as_raw();

/// The part of the settings that decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    /// The number aimed at.
    pub(crate) workers: u32,
    /// The largest number.
    pub(crate) most: u32,
    /// When there are fewer.
    pub(crate) scaling: Scaling,
    /// What becomes of workers that take too long.
    pub(crate) harakiri: Harakiri,
    pub(crate) graceful_ms: u64,
    /// TERM reloads.
    pub(crate) term_reloads: bool,
    /// A reload stops the server.
    pub(crate) exit_on_reload: bool,
    /// WINCH sends the workers home.
    pub(crate) daemonized: bool,
    /// When workers are replaced for their age or memory.
    pub(crate) limits: WorkerLimits,
    /// The exit code of a stop by TERM.
    pub(crate) code_after_term: i32,
    /// Signals, by number, that are commands instead.
    pub(crate) signals: Vec<(i32, MasterCommand)>,
}

impl Plan {
    pub(crate) fn of(settings: &Settings) -> Plan {
        Plan {
            dialect: settings.dialect,
            workers: match &settings.scaling {
                scaling if scaling.cheap => 0,
                scaling => scaling
                    .cheaper
                    .as_ref()
                    .map_or(settings.workers, |cheaper| cheaper.initial),
            },
            most: settings.workers,
            scaling: settings.scaling.clone(),
            harakiri: settings.harakiri.clone(),
            graceful_ms: u64::try_from(settings.timeouts.graceful.as_millis()).unwrap_or(u64::MAX / 2),
            term_reloads: settings.term_reloads,
            exit_on_reload: settings.supervision.exit_on_reload,
            daemonized: settings.daemonize.is_some(),
            limits: settings.worker_limits.clone(),
            signals: settings.supervision.signals.clone(),
            code_after_term: match settings.dialect {
                Dialect::Uvicorn if settings.logs.processes == Processes::One => ENDED_BY_TERM,
                Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn | Dialect::Uwsgi => 0,
            },
        }
    }
}

/// What has happened. Workers are named by their age.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    Start,
    Signal(MasterSignal),
    /// From the FIFO, a touched file, a program.
    Command(MasterCommand),
    /// The answer to [`Action::Reread`].
    Reread(Result<Plan, String>),
    /// A worker that was told to leave has finished its requests and ends its application.
    Ending {
        /// Its age.
        age: u32,
    },
    /// The answers to [`Action::Spawn`].
    Spawned {
        age: u32,
        pid: u32,
    },
    SpawnFailed {
        age: u32,
        reason: String,
    },
    Ready {
        age: u32,
    },
    WantsRetirement {
        age: u32,
    },
    Overdue(OverdueRequest),
    /// What a worker uses.
    Memory {
        age: u32,
        used: Memory<u64>,
    },
    Exited {
        age: u32,
        status: ExitStatus,
    },
    /// What the workers have to do, about once a second.
    Load(Load),
    /// Somebody connects, and [`Supervisor::awaits_connection`].
    Knock,
    Touched(PathBuf),
    /// Another number of workers is wanted.
    Aim {
        workers: u32,
    },
    /// What a start has to do has failed.
    Failed {
        /// What the server exits with.
        exit_code: i32,
    },
    /// Time has passed.
    Tick,
}

/// A request that has taken longer than the deadline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OverdueRequest {
    pub(crate) age: u32,
    pub(crate) thread: u32,
    pub(crate) request: String,
    pub(crate) client: String,
    pub(crate) elapsed_ms: u64,
    /// The longest accept queue.
    pub(crate) queue: u32,
    /// What the worker waits for in the kernel: names and texts.
    pub(crate) kernel: Vec<(&'static str, String)>,
}

/// A kind of processes beside the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mules,
    Spoolers,
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Spawn {
        age: u32,
        number: u32,
        generation: u32,
    },
    Kill {
        pid: u32,
        signal: Signal,
    },
    /// A worker is to know that it is about to be killed.
    Condemn {
        age: u32,
    },
    /// Evaluate the configuration again and answer with [`Input::Reread`].
    Reread,
    /// The same configuration again, for new workers; answer with [`Input::Reread`].
    Renew,
    /// The new configuration is the only one now.
    CommitReload,
    /// The new configuration is forgotten.
    AbandonReload,
    CloseListeners,
    WorkersChanged {
        new: u32,
        old: u32,
    },
    ReopenLogs,
    RewritePidfile,
    RotateLogs,
    /// Have the processes beside the workers that are of this kind leave; others take their places.
    RenewAides(Kind),
    /// Start the same command again, beside this master.
    Upgrade,
    /// The first generation, or the one that replaces it before it ever served, is ready.
    Serving,
    LogStatistics,
    LogStatus,
    Log(Event),
    Exit(i32),
}
