//! The master's life: start, one loop, end. Decisions are the `Supervisor`'s; this file acts on them.

mod upgrade;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use config::{Address, Dialect, Settings};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, kill_process, waitpid};
use shared::{Scoreboard, WorkerRow, WorkerState};
use sys::{Fork, monotonic_ms};
use telemetry::{ErrorLog, Event, ExitStatus};

use crate::host::{Host, MasterView, WorkerView};
use crate::inheritance::Inheritance;
use crate::listener::{Listener, Patience, bind_all};
use crate::memory;
use crate::notify::Notifier;
use crate::pidfile;
use crate::seat::{ReadyPipe, WorkerSeat};
use crate::signals::{ChildSignals, Signals};
use crate::start::{StartError, identity};
use crate::supervisor::{Action, Input, OverdueRequest, Plan, Supervisor};
use crate::touch::TouchWatch;

/// How often requests are measured against their deadline and files for a touch; not at all when neither is set.
const CHECK_INTERVAL_MS: u64 = 1000;

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
    identity: Option<sys::Identity>,
    generation: u32,
}

/// A living worker.
struct Process {
    view: WorkerView,
    slot: usize,
    row: WorkerRow,
}

struct Master<'a> {
    pid: u32,
    host: &'a mut dyn Host,
    log: ErrorLog,
    signals: Signals,
    supervisor: Supervisor,
    /// What has happened and has not been decided upon.
    inbox: VecDeque<Input>,
    /// The configuration that serves.
    era: Era,
    /// The one that a reload tries.
    next_era: Option<Era>,
    processes: BTreeMap<u32, Process>,
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
    notifier: Notifier,
    inheritance: Inheritance,
    /// The master that is to replace this one (USR2).
    successor: Option<u32>,
    next_check_ms: u64,
}

impl<'a> Master<'a> {
    fn start(
        settings: Settings,
        signals: Signals,
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
        let mut master = Master {
            pid,
            host,
            log: log.clone(),
            signals,
            supervisor: Supervisor::new(pid, Plan::of(&settings)),
            inbox: VecDeque::from([Input::Start]),
            touch: TouchWatch::new(&settings.touch_reload),
            notifier: Notifier::new(&inheritance),
            inheritance,
            successor: None,
            era: Era {
                settings,
                listeners: Vec::new(),
                identity,
                generation: 1,
            },
            next_era: None,
            processes: BTreeMap::new(),
            told_workers: 0,
            has_served: false,
            scoreboard,
            wake,
            wake_sender: Arc::new(wake_sender),
            lifeline,
            lifeline_sender: Some(lifeline_sender),
            next_check_ms: monotonic_ms() + CHECK_INTERVAL_MS,
        };
        if let Err(error) = master.open() {
            master.remove_files(); // whatever had been created
            return Err(error);
        }
        Ok(master)
    }

    /// Pidfile, sockets and the lines about them, in the dialect's order.
    fn open(&mut self) -> Result<(), StartError> {
        let settings = Arc::clone(&self.era.settings);
        let uwsgi = settings.dialect == Dialect::Uwsgi;
        self.log.event(&Event::Starting {
            version: env!("CARGO_PKG_VERSION"),
        });
        self.hook(|host, view| host.nworkers_changed(view, view.workers, None));
        if !uwsgi {
            self.write_pidfile()?;
        }
        self.hook(|host, view| host.on_starting(view))?;
        let binds = self.inheritance.binds(&settings);
        let inherited = self.inheritance.listeners(&binds, &self.log);
        self.era.listeners = bind_all(&binds, &settings, &inherited, Patience::AtStart, &self.log)?;
        if uwsgi {
            self.write_pidfile()?;
        }
        // gunicorn's master has no socket then, and names none.
        let names_none = settings.reuse_port && settings.dialect == Dialect::Gunicorn;
        let listeners = self.era.listeners.iter().filter(|_| !names_none);
        let addresses = listeners.map(|listener| listener.text.clone()).collect();
        self.log.event(&Event::Listening {
            addresses,
            pid: self.pid,
        });
        self.log.event(&Event::Prepared {
            workers: settings.workers,
            threads: settings.threads,
            worker_class: worker_class(&settings).to_owned(),
            preloaded: settings.preload,
        });
        self.hook(|host, view| host.when_ready(view))?;
        self.show_title();
        self.log.event(&Event::MasterSpawned { pid: self.pid });
        Ok(())
    }

    fn write_pidfile(&self) -> Result<(), StartError> {
        let Some(path) = self.pidfile() else {
            return Ok(());
        };
        pidfile::write(&path, self.era.settings.dialect)?;
        self.log.event(&Event::PidfileWritten { path });
        Ok(())
    }

    /// The loop: decide, act, sleep, look around.
    fn run(&mut self) -> i32 {
        loop {
            while let Some(input) = self.inbox.pop_front() {
                for action in self.supervisor.step(monotonic_ms(), input) {
                    if let Action::Exit(code) = action {
                        return code;
                    }
                    self.act(action);
                }
            }
            self.sleep();
            let signals = self.signals.take();
            self.inbox.extend(signals.into_iter().map(Input::Signal));
            self.read_rows();
            self.reap();
            self.tell_number_of_workers();
            self.check_once_a_second();
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
                if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                    let _ = kill_process(pid, signal); // it may just have ended; it is reaped soon
                }
            }
            Action::Reread => {
                let plan = self.reread();
                self.inbox.push_front(Input::Reread(plan));
            }
            Action::CommitReload => self.commit_reload(),
            Action::AbandonReload => {
                if let Some(abandoned) = self.next_era.take() {
                    remove_unshared(&abandoned.listeners, &self.era.listeners);
                }
            }
            Action::CloseListeners => {
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
            Action::Upgrade => self.upgrade(),
            Action::Serving => self.notifier.ready(self.pid, self.supervisor.target()),
            Action::Log(event) => {
                self.notify(&event);
                self.log.event(&event);
            }
            Action::Exit(_) => {} // the loop's
        }
    }

    /// Sleeps until a signal, a worker's word or the next deadline.
    fn sleep(&self) {
        let check = self.inheritance.predecessor.is_some()
            || self.notifier.beat_ms.is_some()
            || (!self.processes.is_empty() && self.era.settings.timeouts.request_deadline.is_some())
            || self.watches_memory()
            || !self.touch.is_empty();
        let deadlines = [
            self.supervisor.next_deadline_ms(),
            check.then_some(self.next_check_ms),
        ];
        let timeout = deadlines.into_iter().flatten().min().map(|deadline_ms| {
            let wait_ms = deadline_ms.saturating_sub(monotonic_ms()).min(i32::MAX as u64);
            Timespec {
                tv_sec: (wait_ms / 1000) as _,
                tv_nsec: (wait_ms % 1000 * 1_000_000) as _,
            }
        });
        let signals = self.signals.wake();
        let mut sources = [
            PollFd::new(&signals, PollFlags::IN),
            PollFd::new(&self.wake, PollFlags::IN),
        ];
        let _ = poll(&mut sources, timeout.as_ref()); // an interruption is a signal, whose byte is there now
    }

    /// What workers have said in their rows.
    fn read_rows(&mut self) {
        while matches!(rustix::io::read(&self.wake, &mut [0_u8; 256]), Ok(256)) {}
        for process in self.processes.values() {
            let age = process.view.age;
            let state = process.row.state();
            self.has_served |= !matches!(state, WorkerState::Free | WorkerState::Booting);
            match state {
                WorkerState::Ready => self.inbox.push_back(Input::Ready { age }),
                WorkerState::WantsRetirement => {
                    self.inbox.push_back(Input::Ready { age });
                    self.inbox.push_back(Input::WantsRetirement { age });
                }
                WorkerState::Retiring => self.inbox.push_back(Input::Ending { age }),
                WorkerState::Free | WorkerState::Booting => {}
            }
        }
    }

    /// Takes note of the workers that have ended. Children that are none of ours (as process 1 we get orphans) are
    /// reaped without a word.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = waitpid(None, WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().cast_unsigned();
            if self.successor == Some(pid) {
                self.successor = None;
                self.log
                    .info(format_args!("the new master (pid:{pid}) has ended"));
            }
            let Some(process) = self.processes.remove(&pid) else {
                continue;
            };
            process.row.release();
            let status = match status.exit_status() {
                Some(code) => ExitStatus::Code(code),
                None => ExitStatus::Signal(status.terminating_signal().unwrap_or_default()),
            };
            self.inbox.push_back(Input::Exited {
                age: process.view.age,
                status,
            });
            self.hook(|host, view| host.child_exit(view, process.view, status));
        }
    }

    fn watches_memory(&self) -> bool {
        let limits = &self.era.settings.worker_limits;
        !self.processes.is_empty() && (limits.graceful.is_limited() || limits.brutal.is_limited())
    }

    fn tell_number_of_workers(&mut self) {
        if let Some(statsd) = self.log.statsd()
            && self.told_workers != self.processes.len()
        {
            self.told_workers = self.processes.len();
            statsd.workers(self.told_workers);
        }
    }

    fn check_once_a_second(&mut self) {
        let now_ms = monotonic_ms();
        if now_ms < self.next_check_ms {
            return;
        }
        let interval_ms = self.notifier.beat_ms.unwrap_or(CHECK_INTERVAL_MS);
        self.next_check_ms = now_ms + interval_ms.min(CHECK_INTERVAL_MS);
        if self.notifier.beat_ms.is_some() {
            self.notifier.alive();
        }
        self.take_over();
        self.inbox
            .extend(self.touch.touched().into_iter().map(Input::Touched));
        if self.watches_memory() {
            let measured = self.processes.iter().filter_map(|(pid, process)| {
                let (age, used) = (process.view.age, memory::of(*pid)?);
                Some(Input::Memory { age, used })
            });
            self.inbox.extend(measured);
        }
        let Some(deadline) = self.era.settings.timeouts.request_deadline else {
            return;
        };
        for process in self.processes.values() {
            let age = process.view.age;
            let overdue = process.row.threads().zip(0_u32..).find_map(|(row, thread)| {
                let current = row.current()?;
                let elapsed_ms = now_ms.saturating_sub(current.started_ms);
                let late = u128::from(elapsed_ms) > deadline.as_millis();
                let (request, client) = (current.request, current.client);
                late.then_some(OverdueRequest {
                    age,
                    thread,
                    request,
                    client,
                    elapsed_ms,
                })
            });
            self.inbox.extend(overdue.map(Input::Overdue));
        }
    }

    fn spawn(&mut self, age: u32, number: u32, generation: u32) {
        let mut view = WorkerView {
            pid: None,
            number,
            age,
        };
        self.hook(|host, master| host.pre_fork(master, view));
        let forked = match self.scoreboard.free_slot() {
            Some(slot) => self.fork(slot, view, generation).map(|pid| (slot, pid)),
            None => Err(io::Error::other("the scoreboard is full")),
        };
        match forked {
            Ok((slot, pid)) => {
                view.pid = Some(pid);
                self.processes.insert(
                    pid,
                    Process {
                        view,
                        slot,
                        row: self.scoreboard.worker(slot),
                    },
                );
                self.inbox.push_front(Input::Spawned { age, pid });
            }
            Err(error) => {
                self.log
                    .error(format_args!("worker {number} cannot be started: {error}"));
                self.inbox.push_front(Input::SpawnFailed {
                    age,
                    reason: error.to_string(),
                });
            }
        }
    }

    /// Forks a worker; the child does not return from here.
    fn fork(&mut self, slot: usize, view: WorkerView, generation: u32) -> io::Result<u32> {
        let row = self.scoreboard.worker(slot);
        row.claim(0, generation);
        // Held back across the fork: the child must not take the master's signals for its own, nor lose one.
        let blocked = sys::block_signals();
        match self.host.fork() {
            Ok(Fork::Parent(pid)) => {
                row.set_pid(pid);
                Ok(pid)
            }
            Ok(Fork::Child) => {
                let child_signals = self.signals.enter_child();
                drop(blocked);
                self.lifeline_sender = None;
                let suffix = self.name_suffix();
                let code = match self.seat(slot, view, generation, child_signals) {
                    Ok(seat) => {
                        set_title(&seat.settings, Some(seat.number), suffix);
                        // A panic must not unwind into the master's own end.
                        catch_unwind(AssertUnwindSafe(|| self.host.run_worker(seat))).unwrap_or(1)
                    }
                    Err(error) => {
                        self.log
                            .error(format_args!("worker {} cannot be started: {error}", view.number));
                        1
                    }
                };
                self.host.leave(code)
            }
            Err(error) => {
                row.release();
                Err(error)
            }
        }
    }

    /// In the child: what the worker gets. The master's own things are closed.
    fn seat(
        &mut self,
        slot: usize,
        view: WorkerView,
        generation: u32,
        signals: ChildSignals,
    ) -> io::Result<WorkerSeat> {
        let row = self.scoreboard.worker(slot);
        row.set_pid(std::process::id());
        let era = self
            .next_era
            .as_ref()
            .filter(|era| era.generation == generation)
            .unwrap_or(&self.era);
        let listeners = era
            .listeners
            .iter()
            .map(|listener| listener.for_worker(&era.settings))
            .collect::<io::Result<_>>()?;
        let (settings, identity) = (Arc::clone(&era.settings), era.identity.clone());
        self.next_era = None;
        self.era.listeners.clear();
        self.processes.clear();
        Ok(WorkerSeat {
            slot,
            number: view.number,
            age: view.age,
            generation,
            listeners,
            ready: ReadyPipe {
                wake: Arc::clone(&self.wake_sender),
                row,
            },
            lifeline: self.lifeline.try_clone()?,
            scoreboard: self.scoreboard,
            settings,
            identity,
            log: self.log.clone(),
            ppid: self.pid,
            signals,
        })
    }

    /// Evaluates the configuration again and opens what it asks for in addition.
    fn reread(&mut self) -> Result<Plan, String> {
        let settings = Arc::new(self.host.reread()?);
        let said = |error: StartError| error.message;
        let identity = identity(&settings).map_err(said)?;
        let binds = self.inheritance.binds(&settings);
        let listeners =
            bind_all(&binds, &settings, &self.era.listeners, Patience::Once, &self.log).map_err(said)?;
        if !fits(&self.scoreboard, &settings) {
            // Workers that run keep their rows in the old one.
            self.scoreboard = scoreboard_for(&settings).map_err(|error| format!("no memory: {error}"))?;
        }
        self.reopen_logs();
        let plan = Plan::of(&settings);
        let generation = self.supervisor.next_generation();
        self.next_era = Some(Era {
            settings,
            listeners,
            identity,
            generation,
        });
        self.hook(|host, view| host.on_reload(view));
        Ok(plan)
    }

    fn commit_reload(&mut self) {
        let Some(next) = self.next_era.take() else { return };
        let old = std::mem::replace(&mut self.era, next);
        remove_unshared(&old.listeners, &self.era.listeners);
        if self.era.settings.pidfile != old.settings.pidfile {
            self.pidfile_of(&old.settings).map(|path| pidfile::remove(&path));
            if let Err(error) = self.write_pidfile() {
                self.log.error(error.message);
            }
        }
        self.touch = TouchWatch::new(&self.era.settings.touch_reload);
        self.show_title();
    }

    fn reopen_logs(&self) {
        if let Err(error) = self.log.reopen() {
            self.log
                .error(format_args!("the error log cannot be reopened: {error}"));
        }
    }

    fn log_statistics(&self) {
        self.log
            .info(format_args!("*** {} workers ***", self.processes.len()));
        for process in self.processes.values() {
            let WorkerView { pid, number, .. } = process.view;
            let (pid, requests) = (pid.unwrap_or_default(), process.row.requests());
            self.log
                .info(format_args!("worker {number} (pid: {pid}) requests: {requests}"));
        }
    }

    fn log_status(&self) {
        for process in self.processes.values() {
            let WorkerView { pid, number, .. } = process.view;
            let (pid, state) = (pid.unwrap_or_default(), process.row.state());
            self.log.info(format_args!(
                "worker {number} (pid: {pid}, slot: {}) is {state:?}",
                process.slot
            ));
            for (row, thread) in process.row.threads().zip(0..) {
                if let Some(current) = row.current() {
                    let seconds = monotonic_ms().saturating_sub(current.started_ms) / 1000;
                    let (request, client) = (current.request, current.client);
                    self.log.info(format_args!(
                        "[core {thread}] {client} - {request} since {seconds} seconds"
                    ));
                }
            }
        }
    }

    /// The end: all workers are gone.
    fn finish(&mut self) {
        self.remove_files();
        self.hook(|host, view| host.on_exit(view));
    }

    fn remove_files(&self) {
        self.remove_socket_files();
        if !self.leaves_files()
            && let Some(path) = self.pidfile()
            && pidfile::remove(&path)
        {
            self.log.event(&Event::FileRemoved { path, socket: false });
        }
    }

    /// Whether pidfile and socket files stay at the end, as uWSGI's do. A start that failed leaves nothing behind.
    fn leaves_files(&self) -> bool {
        self.has_served && !self.era.settings.remove_files_at_exit
    }

    /// Before the listeners close: nobody shall come in between the last accept and that.
    fn admit_nobody_new(&self) {
        if self.successor.is_some() || self.inheritance.has_sockets() {
            return; // somebody else may go on listening
        }
        let opened_here =
            |listener: &&Arc<Listener>| !matches!(listener.bind.address, Address::Descriptor(_));
        for listener in self.era.listeners.iter().filter(opened_here) {
            // A unix socket takes no such filter; its file goes away instead.
            let _ = sys::admit_nobody_new(listener.socket.as_fd());
        }
    }

    fn remove_socket_files(&self) {
        let shared = self.successor.is_some() || self.inheritance.predecessor.is_some();
        if shared || self.leaves_files() {
            return;
        }
        let next = self.next_era.iter().flat_map(|era| &era.listeners);
        for path in self
            .era
            .listeners
            .iter()
            .chain(next)
            .filter_map(|listener| listener.remove_file())
        {
            self.log.event(&Event::FileRemoved {
                path: path.to_owned(),
                socket: true,
            });
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

/// Removes the socket files of `gone` that `kept` does not use.
fn remove_unshared(gone: &[Arc<Listener>], kept: &[Arc<Listener>]) {
    for listener in gone
        .iter()
        .filter(|listener| !kept.iter().any(|other| Arc::ptr_eq(other, listener)))
    {
        listener.remove_file();
    }
}

/// Room for two generations and for whatever TTIN adds; pages that nobody touches cost nothing.
fn slots_for(settings: &Settings) -> usize {
    settings.workers as usize * 3 + 64
}

fn scoreboard_for(settings: &Settings) -> io::Result<Scoreboard> {
    Scoreboard::create(slots_for(settings), settings.threads as usize)
}

fn fits(scoreboard: &Scoreboard, settings: &Settings) -> bool {
    scoreboard.slots() >= slots_for(settings) && scoreboard.threads() >= settings.threads as usize
}

fn worker_class(settings: &Settings) -> &'static str {
    match settings.threads {
        _ if settings.asgi.expected => "asgi",
        0 | 1 => "sync",
        _ => "gthread",
    }
}

/// uWSGI's title of the master or of a worker, with what its users put around it or in its place.
fn uwsgi_title(settings: &Settings, worker: Option<u32>) -> String {
    let affixes = &settings.process_affixes;
    let own = affixes.master.as_ref().filter(|_| worker.is_none());
    let name = match (own.or(settings.process_name.as_ref()), worker) {
        (Some(name), _) => name.clone(),
        (None, Some(number)) => format!("uWSGI worker {number}"),
        (None, None) => "uWSGI master".to_owned(),
    };
    format!("{}{name}{}", affixes.prefix, affixes.suffix)
}

/// The title of the master, or of the worker with this number, as the dialect writes it.
pub(crate) fn set_title(settings: &Settings, worker: Option<u32>, suffix: &str) {
    if !settings.process_titles {
        return;
    }
    let role = if worker.is_some() { "worker" } else { "master" };
    let server = match settings.dialect {
        Dialect::Gunicorn => "gunicorn",
        Dialect::Native => "penstock",
        Dialect::Uvicorn => "uvicorn",
        Dialect::Uwsgi => return sys::set_process_title(&uwsgi_title(settings, worker)),
    };
    let name = settings
        .process_name
        .as_deref()
        .map(|name| format!(" [{name}{suffix}]"))
        .unwrap_or_default();
    sys::set_process_title(&format!("{server}: {role}{name}"));
}
