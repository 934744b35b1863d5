//! What the master asks of the interpreter: forking, running workers, hooks, reading the configuration again.
//!
//! Each method answers one question of the master's, in the master's process; a worker's own life is in `worker`.

mod boot;
mod serving;
mod worker;

use std::io;

use ::worker::{Departure, Passage};
use config::{Dialect, RawValue, Settings};
use master::{AideSeat, HookFailed, Host, MasterView, WorkerSeat, WorkerView};
use pyo3::prelude::*;
use sys::Fork;
use telemetry::statistics::Statistics;
use telemetry::{ErrorLog, ExitStatus};

use crate::application::{self, Loaded};
use crate::entry::Command;
use crate::hooks::{Argument, Hooks};
use crate::python_logger;
use crate::uwsgi::{self, Commons};

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
            let _ = application::forget_variables(py, &["GUNICORN_PID"]);
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
}
