//! What the master asks of the interpreter: forking, running workers, hooks, reading the configuration again.

mod serving;

use std::io;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use config::{Dialect, Interface, Moment, RawValue, ReloadWatch, Settings};
use master::{AideSeat, HookFailed, Host, MasterView, WorkerSeat, WorkerView};
use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use sys::Fork;
use telemetry::statistics::Statistics;
use telemetry::{AccessLog, ErrorLog, Event, ExitStatus};
use worker::{Departure, Errand, Passage};

use crate::application::{self, LoadFailure, Loaded};
use crate::entry::Command;
use crate::hooks::{Argument, Hooks};
use crate::observers::Observers;
use crate::python_logger;
use crate::reloader;
use crate::uwsgi::{self, Commons, Place, Role};
use crate::wsgi::greenlets;

use serving::{Equipment, aborted, serve_asgi, serve_wsgi};

/// uWSGI's exit code for "no application, and one is needed".
const UWSGI_NO_APPLICATION: i32 = 22;
/// The exit code for a setting that cannot be followed, whatever the application.
const WRONG_SETTING: i32 = 1;

/// The interpreter, as the master knows it.
pub(crate) struct Interpreter {
    /// What was typed, to be read again at a reload.
    pub(crate) command: Command,
    pub(crate) hooks: Hooks,
    /// The logger in Python, where the configuration asks for one.
    pub(crate) logger: Option<Py<PyAny>>,
    /// What `import uwsgi` shows of what processes share, under that dialect.
    pub(crate) commons: Option<Commons>,
    /// By which workers pass requests on to each other; the master keeps it open for what is on its way.
    pub(crate) passage: Passage,
    /// The application, where it was loaded before the workers were forked.
    pub(crate) preloaded: Option<Loaded>,
    pub(crate) log: ErrorLog,
    /// Every setting under the dialect's own name.
    pub(crate) values: Vec<(String, RawValue)>,
    /// The environment variables that the configuration has set or taken away.
    pub(crate) variables: Vec<String>,
    /// Whether this process has time to join its threads before it ends.
    pub(crate) departure: Departure,
}

impl Host for Interpreter {
    fn fork(&mut self) -> io::Result<Fork> {
        Python::attach(crate::fork::fork)
    }

    fn setting(&self, name: &str) -> Option<RawValue> {
        let found = self.values.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    fn run_worker(&mut self, seat: WorkerSeat) -> i32 {
        Python::attach(|py| self.work(py, seat))
    }

    fn run_aide(&mut self, seat: AideSeat) -> i32 {
        Python::attach(|py| uwsgi::run_aide(self, py, &seat))
    }

    fn leave(&mut self, code: i32) -> ! {
        Python::attach(|py| crate::fork::leave(py, code, self.departure == Departure::Graceful))
    }

    fn reread(&mut self) -> Result<Settings, String> {
        Python::attach(|py| {
            // The file shall find what it found at start.
            self.command
                .reset_variables(py, &self.variables)
                .map_err(|error| error.to_string())?;
            let (plan, functions) = self.command.plan_again(py)?;
            self.variables = application::changed_variables(&plan.settings);
            application::prepare_process(py, &plan.settings)?;
            match python_logger::install(py, &plan, &functions, &self.log, self.logger.as_ref()) {
                Ok(logger) => self.logger = logger,
                Err(message) => self
                    .log
                    .error(format_args!("the logger stays as it was: {message}")),
            }
            if let Some(commons) = &mut self.commons {
                commons.adapt(&plan.settings, &plan.values)?;
            }
            let logger = self.logger.as_ref();
            self.hooks = Hooks::new(py, &plan, functions, &self.log, logger, Some(&mut self.hooks))
                .map_err(|error| error.to_string())?;
            self.values = plan.values;
            Ok(plan.settings)
        })
    }

    fn exec(&mut self, master: &MasterView<'_>, sockets: &[i32]) -> String {
        let pid = master.pid;
        self.master_hook(master, |hooks, py| {
            hooks.call(py, "pre_exec", &[Argument::Server])
        });
        Python::attach(|py| match self.command.exec(py, pid, sockets) {
            Ok(never) => match never {},
            Err(error) => error.value(py).to_string(),
        })
    }

    fn wants_attention(&self) -> bool {
        self.commons.is_some()
    }

    fn describe(&self, statistics: &mut Statistics) {
        if let Some(commons) = &self.commons {
            commons.describe(statistics);
        }
    }

    fn attend(&mut self, generation: u32) {
        if let Some(commons) = &self.commons {
            commons.attend(generation);
        }
    }

    fn raise(&self, signal: u8) -> bool {
        self.commons.as_ref().is_some_and(|commons| commons.raise(signal))
    }

    fn tell_mule(&self, number: u32, text: &[u8]) -> bool {
        self.commons
            .as_ref()
            .is_some_and(|commons| commons.tell_mule(number, text))
    }

    fn promoted(&mut self) {
        Python::attach(|py| {
            // It may not be there any more, which is what is wanted.
            let _ = crate::entry::forget_variables(py, &["GUNICORN_PID"]);
        });
    }

    fn on_starting(&mut self, master: &MasterView<'_>) -> Result<(), HookFailed> {
        self.master_hook(master, |hooks, py| {
            hooks.require(py, "on_starting", &[Argument::Server], 1)
        })
    }

    fn when_ready(&mut self, master: &MasterView<'_>) -> Result<(), HookFailed> {
        if master.settings.dialect == Dialect::Uwsgi {
            self.log
                .info(format_args!("Python version: {}", Python::version_str()));
        }
        self.master_hook(master, |hooks, py| {
            hooks.require(py, "when_ready", &[Argument::Server], 1)
        })
    }

    fn pre_fork(&mut self, master: &MasterView<'_>, worker: WorkerView) {
        self.master_hook(master, |hooks, py| {
            hooks.call(py, "pre_fork", &[Argument::Server, Argument::Worker(worker)])
        });
    }

    fn child_exit(&mut self, master: &MasterView<'_>, worker: WorkerView, _status: ExitStatus) {
        self.master_hook(master, |hooks, py| {
            hooks.call(py, "child_exit", &[Argument::Server, Argument::Worker(worker)]);
            hooks.forget(worker);
        });
    }

    fn nworkers_changed(&mut self, master: &MasterView<'_>, new: u32, old: Option<u32>) {
        let (new, old) = (
            RawValue::Int(new.into()),
            old.map_or(RawValue::None, |old| RawValue::Int(old.into())),
        );
        self.master_hook(master, |hooks, py| {
            hooks.call(
                py,
                "nworkers_changed",
                &[Argument::Server, Argument::Plain(&new), Argument::Plain(&old)],
            );
        });
    }

    fn on_reload(&mut self, master: &MasterView<'_>) {
        self.master_hook(master, |hooks, py| {
            hooks.call(py, "on_reload", &[Argument::Server])
        });
    }

    fn on_exit(&mut self, master: &MasterView<'_>) {
        self.master_hook(master, |hooks, py| hooks.call(py, "on_exit", &[Argument::Server]));
    }
}

impl Interpreter {
    fn master_hook<T>(
        &mut self,
        master: &MasterView<'_>,
        call: impl FnOnce(&mut Hooks, Python<'_>) -> T,
    ) -> T {
        Python::attach(|py| {
            self.hooks.show_master(py, master);
            call(&mut self.hooks, py)
        })
    }

    /// A worker's life, from the fork to its exit code.
    fn work(&mut self, py: Python<'_>, seat: WorkerSeat) -> i32 {
        let begun = Instant::now();
        let (pid, number) = (std::process::id(), seat.number);
        self.log.event(&Event::WorkerBooting { pid, number });
        let booted = open_logs(&seat).and_then(|access_log| Ok((self.boot(py, &seat)?, access_log)));
        let (code, served) = match booted {
            Ok((application, access_log)) => {
                let code = self.serve(py, seat, application, access_log, begun);
                (code, code == 0)
            }
            Err(code) => (code, false),
        };
        if self.commons.is_some() {
            Commons::at_exit(py, &self.log);
        }
        self.hooks
            .call(py, "worker_exit", &[Argument::Server, Argument::ThisWorker]);
        self.log.event(&Event::WorkerExiting { pid, served });
        code
    }

    /// Everything up to the application; an exit code when there is none.
    fn boot(&mut self, py: Python<'_>, seat: &WorkerSeat) -> Result<Option<Loaded>, i32> {
        let settings = &seat.settings;
        let view = WorkerView {
            pid: None,
            number: seat.number,
            age: seat.age,
        };
        let failed = |error: PyErr| {
            seat.log.error_with_details(
                "the worker cannot be prepared",
                &crate::traceback::text(py, &error),
            );
            3
        };
        self.hooks.become_worker(py, view).map_err(failed)?;
        self.equip_worker(py, seat).map_err(failed)?;
        self.hooks
            .require(py, "post_fork", &[Argument::Server, Argument::ThisWorker], 3)
            .map_err(|failure| failure.exit_code)?;
        if let Some(identity) = &seat.identity {
            application::become_user(py, identity).map_err(|message| {
                seat.log.error(message);
                1
            })?;
        }
        let hooks = |moment| master::run_hooks_of_worker(settings, moment, &seat.log);
        hooks(Moment::PostFork)?;
        if let Some(umask) = settings.umask {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask as _));
        }
        // The master's may be those of a reload that has failed.
        application::set_variables(py, settings).map_err(|message| {
            seat.log.error(message);
            1
        })?;
        self.prepare_for_abort(py).map_err(failed)?;
        if let Some(commons) = &self.commons {
            commons
                .offer(py, Place::of(seat), Role::Worker(seat.number))
                .map_err(failed)?;
        }
        if settings.greenlets {
            greenlets::patch(py).map_err(failed)?;
        }
        let unnamed = settings.application.is_none() && settings.loading.mounts.is_empty();
        let application = match self.preloaded.take() {
            Some(application) => Some(application),
            // Scripts alone are enough to serve.
            None if unnamed && !settings.cgi.mounts.is_empty() => None,
            None if unnamed => self.without_application(py, settings, seat.generation, None)?,
            None => match application::load(py, settings) {
                Ok(application) => Some(application),
                Err(failure) => self.without_application(py, settings, seat.generation, Some(failure))?,
            },
        };
        if self.commons.is_some() {
            Commons::after_fork(py).map_err(failed)?;
        }
        if let Some(application) = &application {
            self.hooks
                .set_worker(py, "wsgi", application.callable.bind(py))
                .map_err(failed)?;
        }
        self.hooks
            .require(py, "post_worker_init", &[Argument::ThisWorker], 1)
            .map_err(|failure| failure.exit_code)?;
        let moments = [
            (Moment::Accepting, true),
            (Moment::AcceptingOnce, !seat.replaces),
            (Moment::FirstAccepting, seat.number == 1),
            (Moment::FirstAcceptingOnce, seat.number == 1 && !seat.replaces),
        ];
        for (moment, _) in moments.into_iter().filter(|(_, wanted)| *wanted) {
            hooks(moment)?;
        }
        Ok(application)
    }

    /// A worker that is ended for a request that takes too long says where each of its threads is, and calls a hook.
    fn prepare_for_abort(&self, py: Python<'_>) -> PyResult<()> {
        // uWSGI's client gets no answer, and its application no exception.
        let uwsgi = self.log.dialect() == Dialect::Uwsgi;
        let hook = match self.hooks.bound(py, "worker_abort") {
            Some(call) => Some(py.import("functools")?.getattr("partial")?.call1(call)?),
            None => None,
        };
        py.import("penstock._stuck")?
            .call_method1("prepare", (self.log.descriptor(), !uwsgi, hook, uwsgi))?;
        Ok(())
    }

    /// Lets hooks ask the worker for the number of its requests, and for its replacement.
    fn equip_worker(&self, py: Python<'_>, seat: &WorkerSeat) -> PyResult<()> {
        let (row, ready) = (seat.scoreboard.worker(seat.slot), seat.ready.clone());
        let requests = PyCFunction::new_closure(py, None, None, move |_, _| row.requests())?;
        let retire = PyCFunction::new_closure(py, None, None, move |_, _| ready.ask_to_retire())?;
        self.hooks.set_worker(py, "_requests", requests)?;
        self.hooks.set_worker(py, "_retire", retire)
    }

    /// There is no application: uWSGI goes on and answers 500, unless told otherwise; everybody else gives up.
    fn without_application(
        &self,
        py: Python<'_>,
        settings: &Settings,
        generation: u32,
        failure: Option<LoadFailure>,
    ) -> Result<Option<Loaded>, i32> {
        let mut code = 4;
        if let Some(failure) = failure {
            report(&self.log, &failure);
            code = failure.exit_code;
            let shows = matches!(settings.dialect, Dialect::Gunicorn | Dialect::Native);
            if settings.reload_on_change && shows && !failure.page.is_empty() {
                return application::failing(py, &failure.page)
                    .map(Some)
                    .map_err(|_| code);
            }
        }
        let is_wrong_setting = code == WRONG_SETTING && settings.dialect != Dialect::Uvicorn;
        if settings.reload_on_change && generation == 1 && !is_wrong_setting {
            self.log
                .error("There is no application yet: requests get 500 until a change brings one");
            return Ok(None);
        }
        // A reload must fail if it can do no better than what is there.
        let may_go_on = settings.dialect == Dialect::Uwsgi && generation == 1;
        if settings.dialect != Dialect::Uwsgi || code == WRONG_SETTING {
            return Err(code);
        }
        self.log
            .error("unable to load app 0 (mountpoint='') (callable not found or import error)");
        if settings.need_application || !may_go_on {
            self.log.error("*** no app loaded. GAME OVER ***");
            return Err(UWSGI_NO_APPLICATION);
        }
        self.log
            .error("*** no app loaded. going in full dynamic mode ***");
        Ok(None)
    }

    fn serve(
        &mut self,
        py: Python<'_>,
        seat: WorkerSeat,
        application: Option<Loaded>,
        access_log: Option<AccessLog>,
        begun: Instant,
    ) -> i32 {
        let access = self.python_access(py);
        let observers = match Observers::new(py, &self.hooks, access, &self.log) {
            Ok(observers) => observers,
            Err(error) => return self.cannot_serve(py, &error),
        };
        let equipment = Equipment {
            // A logger in Python is called with each request itself, not with a line.
            access_log: access_log.filter(|_| self.logger.is_none()),
            begun,
            has_application: application.is_some(),
            interrupted: self.hooks.bound(py, "worker_int"),
            observers,
            passage: match self.passage.try_clone() {
                Ok(passage) => passage,
                Err(error) => return self.cannot_serve(py, &error.into()),
            },
            commons: self.commons.as_ref().map(|commons| commons.for_rules(&seat.log)),
            errand: match self.errand(py, &seat, application.as_ref()) {
                Ok(errand) => errand,
                Err(error) => return self.cannot_serve(py, &error),
            },
        };
        let _ = self.hooks.set_worker(py, "booted", true);
        if seat.settings.reload_on_change && seat.number == 1 {
            let booted_at = SystemTime::now() - begun.elapsed();
            self.watch_sources(py, seat.ppid, booted_at, &seat.settings.reload_watch);
        }
        let log = seat.log.clone();
        let served = match application {
            Some(Loaded {
                callable,
                interface: interface @ (Interface::Asgi2 | Interface::Asgi3),
            }) => serve_asgi(py, callable, interface, seat, equipment),
            other => serve_wsgi(py, other.map(|loaded| loaded.callable), seat, equipment),
        };
        // What it has done before is not undone by the hooks that follow.
        let _ = self.hooks.set_worker(py, "_alive", false);
        match served {
            _ if aborted(py) => 1,
            Ok(ended) => {
                if ended.departure == Departure::MasterGone {
                    log.event(&Event::MasterGone {
                        pid: std::process::id(),
                    });
                }
                self.departure = ended.departure;
                ended.exit_code
            }
            Err(error) => self.cannot_serve(py, &error),
        }
    }

    /// How the application's own signals (uWSGI's) are heard: between requests, or in a thread of Python's where this thread
    /// is not the one that calls the application.
    fn errand(
        &self,
        py: Python<'_>,
        seat: &WorkerSeat,
        application: Option<&Loaded>,
    ) -> PyResult<Option<Errand>> {
        let Some(commons) = &self.commons else {
            return Ok(None);
        };
        let signals = py.import("penstock._uwsgi.names")?;
        let is_called_here = application.is_none_or(|loaded| loaded.interface == Interface::Wsgi);
        if seat.settings.threads > 1 || seat.settings.greenlets || !is_called_here {
            signals.call_method0("hear_signals_in_a_thread")?;
            return Ok(None);
        }
        let (hear, log) = (signals.getattr("hear_signals")?.unbind(), seat.log.clone());
        Ok(Some(Errand {
            descriptors: commons.ears(seat.number),
            run: Box::new(move || {
                Python::attach(|py| {
                    if let Err(error) = hear.call0(py) {
                        log.error_with_details("a signal failed", &crate::traceback::text(py, &error));
                    }
                });
            }),
        }))
    }

    /// `access` of the logger in Python, if it wants to hear of requests.
    fn python_access(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let logger = self.logger.as_ref()?.bind(py);
        let wanted = logger
            .getattr("access_log_enabled")
            .and_then(|wanted| wanted.is_truthy());
        if wanted.unwrap_or(true) {
            logger.getattr("access").ok().map(Bound::unbind)
        } else {
            None
        }
    }

    fn cannot_serve(&self, py: Python<'_>, error: &PyErr) -> i32 {
        if let Some(failure) = application::told(py, error) {
            report(&self.log, &failure);
            return failure.exit_code;
        }
        let traceback = crate::traceback::text(py, error);
        self.log.error_with_details("the worker cannot serve", &traceback);
        1
    }

    /// Has the master reload when a source file changes.
    fn watch_sources(&self, py: Python<'_>, master: u32, booted_at: SystemTime, watch: &ReloadWatch) {
        let log = self.log.clone();
        if log.dialect() == Dialect::Gunicorn {
            log.warning("Reloader is on. Use in development only!");
        }
        let changed = move |files: &[PathBuf]| {
            if log.dialect() == Dialect::Uvicorn {
                log.warning(format_args!(
                    "Penstock detected changes in {}. Reloading...",
                    shown_paths(files)
                ));
            } else {
                for file in files {
                    log.info(format_args!("Worker reloading: {} modified", file.display()));
                }
            }
            if let Some(master) = rustix::process::Pid::from_raw(master.cast_signed()) {
                // A master that is gone takes this worker with it.
                let _ = rustix::process::kill_process(master, rustix::process::Signal::HUP);
            }
        };
        if let Err(error) = reloader::start(py, watch, booted_at, &self.log, changed) {
            self.log
                .error_with_details("cannot watch source files", &crate::traceback::text(py, &error));
        }
    }
}

/// Paths as uvicorn shows them: in quotes, and relative where they are below the working directory.
fn shown_paths(paths: &[PathBuf]) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let shown = |path: &PathBuf| format!("'{}'", path.strip_prefix(&here).unwrap_or(path).display());
    paths.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Opens the worker's access log, while it still has the master's rights; an exit code when it cannot be written. The
/// files go to the user that the worker will be, so that it can open them again.
fn open_logs(seat: &WorkerSeat) -> Result<Option<AccessLog>, i32> {
    let (logs, dialect) = (&seat.settings.logs, seat.settings.dialect);
    let opened = match seat.log.relay() {
        // uvicorn's logger says by having no handlers that it wants none; it need not be called to find out.
        Some(relay) if dialect != Dialect::Uvicorn || logs.access.is_some() => {
            AccessLog::relayed(logs, dialect, relay).map(Some)
        }
        _ => AccessLog::open(logs, dialect),
    };
    let access_log = opened.map_err(|error| {
        seat.log.error(error);
        1
    })?;
    if let Some(identity) = &seat.identity {
        let (user, group) = (identity.uid, identity.gid);
        let given = seat.log.give_to(user, group);
        let access_given = access_log.as_ref().map_or(Ok(()), |log| log.give_to(user, group));
        if let Err(error) = given.and(access_given) {
            seat.log.warning(format_args!(
                "the log files cannot be given to the workers' user, who then cannot reopen them: {error}"
            ));
        }
    }
    Ok(access_log)
}

/// Tells the log why there is no application.
pub(crate) fn report(log: &ErrorLog, failure: &LoadFailure) {
    if failure.details.is_empty() {
        log.error(&failure.message);
    } else {
        log.error_with_details(&failure.message, &failure.details);
    }
}
