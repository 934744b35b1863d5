//! The master's life: start, one loop, end. Decisions are the `Supervisor`'s; this file and those below act on them.

mod aides;
mod alarms;
mod beside;
mod children;
mod control;
mod daemons;
mod files;
mod numbers;
mod opening;
mod reload;
mod statistics;
mod status;
mod timetable;
mod title;
mod touched;
mod upgrade;
mod waiting;
mod watch;
mod workers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use config::{Dialect, Moment, Settings};
use rustix::process::{Pid, kill_process};
use shared::{Pauses, Scoreboard, WorkerRow};
use telemetry::ErrorLog;

use crate::aides::{AideInput, Aides};
use crate::control::ControlSocket;
use crate::host::{Host, MasterView, WorkerView};
use crate::inheritance::Inheritance;
use crate::listener::Listener;
use crate::notify::Notifier;
use crate::signals::Signals;
use crate::supervisor::{Action, Input, Supervisor};
use crate::touch::TouchWatch;

use beside::Beside;

/// How often requests are measured against their deadline and files for a touch; not at all when neither is set.
const CHECK_INTERVAL_MS: u64 = 1000;

/// How long programs beside the workers have for their end, once the workers are gone.
const LAST_MERCY_MS: u64 = 5000;

/// uvicorn's exit code for a start that fails, whatever the reason.
const UVICORN_STARTUP_FAILURE: i32 = 3;

/// Opens what `settings` ask for, keeps workers alive until it is told to stop, and returns the exit code.
///
/// The calling process must have one thread. Errors at start are written to `log`; nothing is left behind.
pub fn serve(
    settings: Settings,
    signals: Signals,
    inheritance: Inheritance,
    log: ErrorLog,
    host: &mut dyn Host,
) -> i32 {
    let dialect = settings.dialect;
    match Master::start(settings, signals, inheritance, &log, host) {
        Ok(mut master) => {
            let exit_code = master.run();
            master.finish();
            exit_code
        }
        Err(error) => {
            log.release_output();
            error.message.lines().for_each(|line| log.error(line));
            match dialect {
                Dialect::Uvicorn => UVICORN_STARTUP_FAILURE,
                Dialect::Gunicorn | Dialect::Native | Dialect::Uwsgi => error.exit_code,
            }
        }
    }
}

/// A configuration with what was opened for it.
struct Era {
    settings: Arc<Settings>,
    listeners: Vec<Arc<Listener>>,
    /// Where whoever connects is told about the server.
    statistics: Vec<Arc<Listener>>,
    identity: Option<sys::Identity>,
    generation: u32,
}

/// A living worker.
struct Process {
    view: WorkerView,
    slot: usize,
    row: WorkerRow,
    /// When it was forked.
    born_ms: u64,
}

struct Master<'a> {
    /// Of this process.
    pid: u32,
    /// The room above.
    host: &'a mut dyn Host,
    log: ErrorLog,
    signals: Signals,
    /// Decides about workers.
    supervisor: Supervisor,
    /// What has happened and has not been decided upon.
    inbox: VecDeque<Input>,
    /// Who runs beside the workers.
    aides: Aides,
    /// What to exit with, once nobody is left.
    exit_code: Option<i32>,
    /// The configuration that serves.
    era: Era,
    /// The one that a reload tries.
    next_era: Option<Era>,
    /// The living workers, by their process ids.
    processes: BTreeMap<u32, Process>,
    /// Generations and numbers that have had a worker.
    filled: BTreeSet<(u32, u32)>,
    /// The number of workers that StatsD knows.
    told_workers: usize,
    /// A worker has been ready: from then on the dialect says which files stay.
    has_served: bool,
    /// Where master and workers see each other.
    scoreboard: Scoreboard,
    /// Workers write a byte here when their row has changed.
    wake: OwnedFd,
    /// Their end of it.
    wake_sender: Arc<OwnedFd>,
    /// Read end, for the workers: at its end once the master is gone.
    lifeline: OwnedFd,
    /// Held open by the master alone; `None` in a child.
    lifeline_sender: Option<OwnedFd>,
    /// Files whose touch is a reload.
    touch: TouchWatch,
    /// Tells statistics to whoever connects, and pushes them.
    teller: statistics::Teller,
    /// What it looks after beside workers.
    beside: Beside,
    alarms_told: alarms::Told,
    /// Tells systemd.
    notifier: Notifier,
    /// What another process has left to this one.
    inheritance: Inheritance,
    /// The master that is to replace this one (USR2).
    successor: Option<u32>,
    /// When what nobody tells of is looked at next, by the monotonic clock.
    next_check_ms: u64,
    /// When it did not run.
    pauses: Pauses,
    /// Where `gunicornc` asks.
    control: Option<ControlSocket>,
    statistics: Statistics,
}

/// Numbers since the start, for whoever asks the control socket.
struct Statistics {
    started_ms: u64,
    /// Workers that were started.
    spawned: u64,
    /// Signals that told a worker to leave.
    killed: u64,
    reloads: u64,
}

impl<'a> Master<'a> {
    /// The loop: decide, act, sleep, look around.
    fn run(&mut self) -> i32 {
        loop {
            while let Some(input) = self.inbox.pop_front() {
                // The workers are gone: only more haste is news.
                if self.exit_code.is_some() && !matches!(input, Input::Signal(_)) {
                    continue;
                }
                for action in self.supervisor.step(self.now_ms(), input) {
                    self.act(action);
                }
            }
            if let Some(code) = self.exit_code.filter(|_| self.aides.are_gone()) {
                return code;
            }
            self.sleep();
            self.log.take_output();
            let signals = self.signals.take();
            self.inbox.extend(signals.into_iter().map(Input::Signal));
            self.attend_control();
            self.read_rows();
            self.tell_statistics();
            self.reap();
            self.tell_number_of_workers();
            self.tend_beside();
            self.tell_alarms();
            self.hear_knock();
            self.check_once_a_second();
            self.aides_step(AideInput::Tick);
            self.inbox.push_back(Input::Tick);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn {
                age,
                number,
                generation,
            } => self.spawn(age, number, generation),
            Action::Kill { pid, signal } => {
                self.statistics.killed += 1;
                if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                    let _ = kill_process(pid, signal); // it may just have ended; it is reaped soon
                }
            }
            Action::Condemn { age } => {
                let mut processes = self.processes.values();
                if let Some(process) = processes.find(|process| process.view.age == age) {
                    process.row.condemn();
                }
            }
            Action::Reread => {
                self.statistics.reloads += 1;
                let plan = self.reread();
                self.inbox.push_front(Input::Reread(plan));
            }
            Action::Renew => {
                let plan = self.renew();
                self.inbox.push_front(Input::Reread(Ok(plan)));
            }
            Action::CommitReload => self.commit_reload(),
            Action::AbandonReload => {
                self.forget_next_era();
            }
            Action::CloseListeners => {
                self.stop_aides();
                self.stop_daemons(false);
                self.admit_nobody_new();
                self.remove_socket_files();
                self.era.listeners.clear();
                self.next_era = None;
            }
            Action::WorkersChanged { new, old } => {
                self.hook(|host, view| host.nworkers_changed(view, new, Some(old)));
            }
            Action::ReopenLogs => self.reopen_logs(),
            Action::LogStatistics => self.log_statistics(),
            Action::LogStatus => self.log_status(),
            Action::RewritePidfile => {
                if let Err(error) = self.write_pidfile() {
                    self.log.error(error.message);
                }
            }
            Action::RotateLogs => self.rotate_logs_now(),
            Action::RenewAides(kind) => self.renew_aides(kind),
            Action::Upgrade => self.upgrade(),
            Action::Serving => {
                self.notifier.ready(self.pid, self.supervisor.target());
                self.begin_aides();
                self.after_loading();
            }
            Action::Log(event) => {
                self.notify(&event);
                self.note_event(&event);
                self.log.event(&event);
            }
            // Once those beside the workers are gone as well.
            Action::Exit(code) => self.exit_code = Some(code),
        }
    }

    /// The end: all workers are gone.
    fn finish(&mut self) {
        self.close_control();
        self.bury_daemons();
        self.remove_fifos();
        self.remove_files();
        self.hook(|host, view| host.on_exit(view));
        self.try_hooks(Moment::AtExit);
        self.log.release_output();
    }

    fn hook<Answer>(&mut self, call: impl FnOnce(&mut dyn Host, &MasterView<'_>) -> Answer) -> Answer {
        let era = self.next_era.as_ref().unwrap_or(&self.era);
        let processes: Vec<WorkerView> = self.processes.values().map(|process| process.view).collect();
        let view = MasterView {
            pid: self.pid,
            workers: self.supervisor.target(),
            processes: &processes,
            listeners: &era.listeners,
            settings: &era.settings,
        };
        call(self.host, &view)
    }
}
