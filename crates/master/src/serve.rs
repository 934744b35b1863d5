//! The master's life: start, one loop, end. Decisions are the `Supervisor`'s; this file and those below act on them.

mod aides;
mod alarms;
mod beside;
mod children;
mod control;
mod files;
mod numbers;
mod reload;
mod statistics;
mod status;
mod title;
mod touched;
mod upgrade;
mod watch;
mod workers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use config::{Dialect, Moment, Settings};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, kill_process};
use shared::{Pauses, Scoreboard, WorkerRow};
use sys::monotonic_ms;
use telemetry::{ErrorLog, Event, Surroundings, UwsgiEvent};

use crate::aides::{AideInput, Aides};
use crate::control::ControlSocket;
use crate::host::{Host, MasterView, WorkerView};
use crate::inheritance::Inheritance;
use crate::listener::{Listener, Patience, bind_all};
use crate::notify::Notifier;
use crate::signals::Signals;
use crate::start::{StartError, identity, tell_rights};
use crate::supervisor::{Action, Input, Plan, Supervisor};
use crate::touch::TouchWatch;

use beside::Beside;
use reload::scoreboard_for;

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
    pid: u32,
    host: &'a mut dyn Host,
    log: ErrorLog,
    signals: Signals,
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
    processes: BTreeMap<u32, Process>,
    /// Generations and numbers that have had a worker.
    filled: BTreeSet<(u32, u32)>,
    /// The number of workers that StatsD knows.
    told_workers: usize,
    /// A worker has been ready: from then on the dialect says which files stay.
    has_served: bool,
    scoreboard: Scoreboard,
    /// Workers write a byte here when their row has changed.
    wake: OwnedFd,
    wake_sender: Arc<OwnedFd>,
    /// Read end, for the workers: at its end once the master is gone.
    lifeline: OwnedFd,
    /// Held open by the master alone; `None` in a child.
    lifeline_sender: Option<OwnedFd>,
    touch: TouchWatch,
    teller: statistics::Teller,
    beside: Beside,
    alarms_told: alarms::Told,
    notifier: Notifier,
    inheritance: Inheritance,
    /// The master that is to replace this one (USR2).
    successor: Option<u32>,
    next_check_ms: u64,
    /// When it did not run.
    pauses: Pauses,
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
    fn start(
        settings: Settings,
        mut signals: Signals,
        inheritance: Inheritance,
        log: &ErrorLog,
        host: &'a mut dyn Host,
    ) -> Result<Master<'a>, StartError> {
        let pid = std::process::id();
        let identity = identity(&settings)?;
        let settings = Arc::new(settings);
        let no_resources = |error: io::Error| StartError::new(format!("cannot prepare the workers: {error}"));
        let scoreboard = scoreboard_for(&settings).map_err(no_resources)?;
        let pipe = || {
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|error| no_resources(error.into()))
        };
        let (wake, wake_sender) = pipe()?;
        let (lifeline, lifeline_sender) = pipe()?;
        if settings.dialect == Dialect::Uwsgi {
            signals.take_tstp().map_err(no_resources)?;
        }
        let mut master = Master {
            pid,
            host,
            log: log.clone(),
            signals,
            supervisor: Supervisor::new(pid, Plan::of(&settings)),
            inbox: VecDeque::from([Input::Start]),
            aides: Aides::default(),
            exit_code: None,
            touch: TouchWatch::new(&settings.touch_reload),
            teller: statistics::Teller::default(),
            beside: Beside::new(),
            alarms_told: alarms::Told::new(),
            notifier: Notifier::new(&inheritance),
            inheritance,
            successor: None,
            era: Era {
                settings,
                listeners: Vec::new(),
                statistics: Vec::new(),
                identity,
                generation: 1,
            },
            next_era: None,
            processes: BTreeMap::new(),
            filled: BTreeSet::new(),
            told_workers: 0,
            has_served: false,
            scoreboard,
            wake,
            wake_sender: Arc::new(wake_sender),
            lifeline,
            lifeline_sender: Some(lifeline_sender),
            next_check_ms: monotonic_ms() + CHECK_INTERVAL_MS,
            pauses: Pauses::default(),
            control: None,
            statistics: Statistics {
                started_ms: monotonic_ms(),
                spawned: 0,
                killed: 0,
                reloads: 0,
            },
        };
        if let Err(error) = master.open() {
            master.remove_files(); // whatever had been created
            return Err(error);
        }
        Ok(master)
    }

    /// Pidfile, sockets and the lines about them, in the dialect's order.
    fn open(&mut self) -> Result<(), StartError> {
        self.intercept_output();
        self.open_alarms()?;
        let settings = Arc::clone(&self.era.settings);
        let uwsgi = settings.dialect == Dialect::Uwsgi;
        self.run_hooks(Moment::Asap)?;
        self.log.event(&Event::Starting {
            version: env!("CARGO_PKG_VERSION"),
        });
        if uwsgi {
            let surroundings = Surroundings::here(settings.user.is_some());
            self.log
                .event(&Event::Uwsgi(UwsgiEvent::Surroundings(surroundings)));
            tell_rights(&settings, &self.log);
        }
        self.hook(|host, view| host.nworkers_changed(view, view.workers, None));
        if !uwsgi {
            self.write_pidfile()?;
        }
        self.hook(|host, view| host.on_starting(view))?;
        for moment in [Moment::PreJail, Moment::PostJail, Moment::InJail] {
            self.run_hooks(moment)?;
        }
        let binds = self.inheritance.binds(&settings);
        let inherited = self.inheritance.listeners(&binds, &self.log);
        self.era.listeners = bind_all(&binds, &settings, &inherited, Patience::AtStart, &self.log)?;
        if uwsgi {
            self.write_pidfile()?;
        }
        self.era.statistics = statistics::open(&settings, &[], Patience::AtStart, &self.log)?;
        self.teller.adopt(&settings.statistics);
        // gunicorn's master has no socket then, and names none.
        let names_none = settings.reuse_port && settings.dialect == Dialect::Gunicorn;
        let listeners = self.era.listeners.iter().filter(|_| !names_none);
        let named = listeners.map(|listener| (listener.text.clone(), listener.socket.as_raw_fd()));
        let (addresses, descriptors) = named.unzip();
        self.log.event(&Event::Listening {
            addresses,
            descriptors,
            pid: self.pid,
        });
        for moment in [Moment::AsRoot, Moment::AsUser] {
            self.run_hooks(moment)?;
        }
        self.log.event(&Event::Prepared {
            workers: settings.workers,
            threads: settings.threads,
            worker_class: worker_class(&settings).to_owned(),
            preloaded: settings.preload,
            backlog: settings.backlog,
            graceful: settings.timeouts.graceful,
        });
        self.hook(|host, view| host.when_ready(view))?;
        self.open_control();
        self.show_title();
        self.run_hooks(Moment::PreApp)?;
        self.log.event(&Event::MasterSpawned { pid: self.pid });
        if uwsgi {
            for listener in &self.era.statistics {
                self.log.info(format_args!(
                    "*** Stats server enabled on {} fd: {} ***",
                    alarms::name(listener),
                    listener.descriptor()
                ));
            }
        }
        self.start_beside().map_err(StartError::new)?;
        self.run_hooks(Moment::MasterStart)?;
        Ok(())
    }

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

    /// The time for everything that workers have a limit for. It stands still while this process does.
    fn now_ms(&self) -> u64 {
        monotonic_ms() - self.pauses.total_ms()
    }

    /// Sleeps until a signal, a worker's word or the next deadline.
    fn sleep(&mut self) {
        let check = self.inheritance.predecessor.is_some()
            || self.inheritance.emperor.is_some()
            || self.notifier.beat_ms.is_some()
            || (!self.processes.is_empty() && self.era.settings.timeouts.request_deadline.is_some())
            || self.watches_memory()
            || self.supervisor.watches_load()
            || self.host.wants_attention()
            || self.log.rotates()
            || self.era.settings.logs.backlog_metric
            || self.looks_beside()
            || self.watches_queues()
            || !self.touch.is_empty();
        let lost_ms = self.pauses.total_ms();
        let of_workers = [self.supervisor.next_deadline_ms(), self.aides.next_deadline_ms()];
        let deadlines = [
            of_workers
                .into_iter()
                .flatten()
                .min()
                .map(|at_ms| at_ms.saturating_add(lost_ms)),
            check.then_some(self.next_check_ms),
            self.teller.next_ms(),
            self.beside_deadline_ms(),
        ];
        let from_ms = monotonic_ms();
        let until_ms = deadlines.into_iter().flatten().min();
        let timeout = until_ms.map(|deadline_ms| {
            let wait_ms = deadline_ms.saturating_sub(from_ms).min(i32::MAX as u64);
            Timespec {
                tv_sec: (wait_ms / 1000) as _,
                tv_nsec: (wait_ms % 1000 * 1_000_000) as _,
            }
        });
        let signals = self.signals.wake();
        let printed = self.log.output();
        let mut sources = vec![
            PollFd::new(&signals, PollFlags::IN),
            PollFd::new(&self.wake, PollFlags::IN),
        ];
        for (descriptor, writes) in self.control.iter().flat_map(ControlSocket::sources) {
            let flags = if writes {
                PollFlags::IN | PollFlags::OUT
            } else {
                PollFlags::IN
            };
            sources.push(PollFd::from_borrowed_fd(descriptor, flags));
        }
        let asking = self.era.statistics.iter();
        sources.extend(asking.map(|listener| PollFd::new(&listener.socket, PollFlags::IN)));
        sources.extend(self.teller.sources());
        sources
            .extend(telemetry::alarms::descriptor().map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN)));
        sources.extend(printed.iter().map(|end| PollFd::new(&**end, PollFlags::IN)));
        if self.supervisor.awaits_connection() {
            let waiting = self.era.listeners.iter();
            sources.extend(waiting.map(|listener| PollFd::new(&listener.socket, PollFlags::IN)));
        }
        sources.extend(
            self.beside
                .readable()
                .map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN)),
        );
        let _ = poll(&mut sources, timeout.as_ref()); // an interruption is a signal, whose byte is there now
        drop(sources);
        if let Some(until_ms) = until_ms {
            self.pauses.woke(from_ms, until_ms, monotonic_ms());
        }
    }

    /// The end: all workers are gone.
    fn finish(&mut self) {
        self.close_control();
        self.bury_daemons();
        self.remove_files();
        self.hook(|host, view| host.on_exit(view));
        self.try_hooks(Moment::AtExit);
        self.log.release_output();
    }

    /// What is printed goes the way of the log's lines, where the configuration has something done with those.
    fn intercept_output(&self) {
        if let Err(error) = self.log.intercept_output() {
            self.log
                .error(format_args!("what is printed cannot be logged: {error}"));
        }
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

fn worker_class(settings: &Settings) -> &'static str {
    match settings.threads {
        _ if settings.asgi.expected => "asgi",
        _ if settings.greenlets => "gevent",
        0 | 1 => "sync",
        _ => "gthread",
    }
}
