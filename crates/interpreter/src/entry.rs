//! From a command line to an exit code.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::path::{Path, PathBuf};

use config::{ConfigError, Dialect, Environment, Outcome, PidfileRequest, Plan};
use master::{Inheritance, Signals};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustix::process::{Pid, Signal, kill_process};
use telemetry::{AccessLog, ErrorLog, LogOpenError};
use worker::Departure;

use crate::application;
use crate::cgi_program;
use crate::hooks::Hooks;
use crate::host::Interpreter;
use crate::python_config::{self, Functions};
use crate::python_logger;
use crate::uwsgi::Commons;
use crate::verbs;

/// What was typed, where: enough to evaluate it again.
#[derive(Clone)]
pub(crate) struct Command {
    dialect: Dialect,
    arguments: Vec<String>,
    environment: Environment,
}

/// Runs a command line, `arguments[0]` being the name it was called by, and returns the exit code.
#[pyfunction]
#[pyo3(signature = (arguments, /))]
pub(crate) fn main(py: Python<'_>, arguments: Vec<String>) -> PyResult<i32> {
    // Python's own handler would raise KeyboardInterrupt in whatever Python code runs next; the master knows better.
    let signal = py.import("signal")?;
    signal.call_method1("signal", (signal.getattr("SIGINT")?, signal.getattr("SIG_DFL")?))?;
    // First of all, so that a TERM or a HUP from here on is obeyed like any other.
    let signals = Signals::install()?;
    let command = Command::new(&arguments);
    if command.dialect == Dialect::Gunicorn {
        py.import("penstock._gunicorn.names")?.call_method0("offer")?;
        // What lies here can be imported, whatever --chdir says: gunicorn enters this directory first.
        let path = py.import("sys")?.getattr("path")?;
        path.call_method1("insert", (0, command.environment.directory.to_string_lossy()))?;
    }
    Ok(match command.run(py, signals) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.message);
            error.exit_code
        }
    })
}

/// Takes variables out of the environment.
pub(crate) fn forget_variables(py: Python<'_>, names: &[&str]) -> PyResult<()> {
    let environment = py.import("os")?.getattr("environ")?;
    for name in names {
        environment.call_method1("pop", (name, py.None()))?;
    }
    Ok(())
}

/// gunicorn's settings with their defaults in this process's environment, for programs that embed a server.
#[pyfunction]
pub(crate) fn gunicorn_defaults(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let command = Command::new(&[String::from("gunicorn")]);
    let values = config::gunicorn_defaults(&command.environment)
        .map_err(|error| PyValueError::new_err(error.message))?;
    python_config::dictionary(py, &values, &Functions::new())
}

/// Finds Penstock without a site: the directory it is in comes before the command's words.
const WITHOUT_SITE: &str = "import sys; sys.path.insert(0, sys.argv[1]); del sys.argv[:2]; \
                            from penstock.__main__ import main; sys.exit(main())";

/// Starts the interpreter of this process anew if it was started otherwise than `loading` wants: later it cannot be told.
fn start_anew_if_needed(py: Python<'_>, loading: &config::Loading) -> PyResult<()> {
    let sys = py.import("sys")?;
    let flags = sys.getattr("flags")?;
    let optimize: u8 = flags.getattr("optimize")?.extract()?;
    let without_site = loading.no_site && flags.getattr("no_site")?.extract::<u8>()? == 0;
    if optimize >= loading.optimize && !without_site {
        return Ok(());
    }
    let os = py.import("os")?;
    let program: String = sys.getattr("executable")?.extract()?;
    let mut arguments: Vec<String> = sys.getattr("orig_argv")?.extract()?;
    if without_site {
        let package = py.import("penstock")?.getattr("__file__")?;
        let path = os.getattr("path")?;
        let directory = path.call_method1("dirname", (path.call_method1("dirname", (package,))?,))?;
        arguments = [&*program, "-S", "-c", WITHOUT_SITE].map(String::from).into();
        arguments.push(directory.extract()?);
        arguments.extend(sys.getattr("argv")?.extract::<Vec<String>>()?);
    }
    let level = optimize.max(loading.optimize);
    arguments.splice(1..1, (0..level).map(|_| String::from("-O")));
    os.call_method1("execv", (program, arguments))?;
    Ok(())
}

/// Writes to standard error. Where that is closed, there is nobody to tell.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

impl Command {
    fn new(arguments: &[String]) -> Command {
        let called = arguments.first().map_or("penstock", String::as_str);
        let name = Path::new(called)
            .file_name()
            .map_or("penstock".into(), |name| name.to_string_lossy());
        let rest = arguments.get(1..).unwrap_or_default();
        let (dialect, program, rest) = match (&*name, rest.first().map(String::as_str)) {
            ("gunicorn", _) => (Dialect::Gunicorn, String::from("gunicorn"), rest),
            ("uvicorn", _) => (Dialect::Uvicorn, String::from("uvicorn"), rest),
            ("uwsgi", _) => (Dialect::Uwsgi, String::from("uwsgi"), rest),
            (_, Some("gunicorn")) => (Dialect::Gunicorn, String::from("penstock gunicorn"), &rest[1..]),
            (_, Some("uvicorn")) => (Dialect::Uvicorn, String::from("penstock uvicorn"), &rest[1..]),
            (_, Some("uwsgi")) => (Dialect::Uwsgi, String::from("penstock uwsgi"), &rest[1..]),
            _ => (Dialect::Native, String::from("penstock"), rest),
        };
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables: BTreeMap<_, _> = std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        // A directory that is gone is found out when something is looked for in it.
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let environment = Environment {
            variables,
            directory,
            program,
        };
        Command {
            dialect,
            arguments: rest.to_vec(),
            environment,
        }
    }

    fn evaluate(&self, py: Python<'_>, functions: &mut Functions) -> Result<Outcome, ConfigError> {
        match self.dialect {
            Dialect::Gunicorn => config::gunicorn(&self.arguments, &self.environment, &mut |source| {
                python_config::evaluate(py, source, functions)
            }),
            Dialect::Uwsgi => config::uwsgi(&self.arguments, &self.environment),
            Dialect::Uvicorn => config::uvicorn(&self.arguments, &self.environment),
            Dialect::Native => config::native(&self.arguments, &self.environment),
        }
    }

    /// Gives the variables of `changed` the values they had when the server was started.
    pub(crate) fn reset_variables(&self, py: Python<'_>, changed: &[String]) -> PyResult<()> {
        let environment = py.import("os")?.getattr("environ")?;
        for name in changed {
            match self.environment.variables.get(name) {
                Some(value) => environment.set_item(name, value)?,
                None => forget_variables(py, &[name])?,
            }
        }
        Ok(())
    }

    /// The configuration evaluated again, from the directory the server was started in.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn plan_again(&self, py: Python<'_>) -> Result<(Plan, Functions), String> {
        std::env::set_current_dir(&self.environment.directory)
            .map_err(|error| format!("can't chdir to {}: {error}", self.environment.directory.display()))?;
        let mut functions = Functions::new();
        match self.evaluate(py, &mut functions).map_err(|error| error.message)? {
            Outcome::Serve(plan) => Ok((plan, functions)),
            Outcome::RunCgi(plan) => Ok((cgi_program::as_fastcgi(plan), functions)),
            _ => Err(String::from("the configuration no longer asks for a server")),
        }
    }

    /// Starts this command anew in this process, as it was started, for the master of this id and with these sockets.
    ///
    /// # Errors
    /// Always: otherwise it does not come back.
    pub(crate) fn exec(&self, py: Python<'_>, master: u32, sockets: &[i32]) -> PyResult<Infallible> {
        std::env::set_current_dir(&self.environment.directory)?;
        let mut variables = self.environment.variables.clone();
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            variables.remove(name);
        }
        let sockets: Vec<String> = sockets.iter().map(i32::to_string).collect();
        variables.insert(String::from("GUNICORN_PID"), master.to_string());
        variables.insert(String::from("GUNICORN_FD"), sockets.join(","));
        let sys = py.import("sys")?;
        let program = sys.getattr("executable")?;
        let mut arguments: Vec<String> = sys.getattr("orig_argv")?.extract()?;
        if let Some(first) = arguments.first_mut() {
            *first = program.extract()?;
        }
        py.import("os")?
            .call_method1("execve", (program, arguments, variables))?;
        Err(PyRuntimeError::new_err("execve came back"))
    }

    fn run(self, py: Python<'_>, signals: Signals) -> Result<i32, ConfigError> {
        let mut functions = Functions::new();
        match self.evaluate(py, &mut functions)? {
            Outcome::Serve(plan) => {
                start_anew_if_needed(py, &plan.settings.loading)
                    .map_err(|error| ConfigError::new(format!("cannot start python anew: {error}")))?;
                self.serve(py, plan, functions, signals)
            }
            Outcome::CheckConfig(plan) => check(py, &plan),
            Outcome::PrintConfig { text, plan } => {
                print(&text);
                check(py, &plan)
            }
            Outcome::RunCgi(plan) if cgi_program::is_fastcgi() => {
                self.serve(py, cgi_program::as_fastcgi(plan), functions, signals)
            }
            Outcome::RunCgi(plan) => cgi_program::run(py, &plan.settings),
            Outcome::Print { text } => {
                print(&text);
                Ok(0)
            }
            Outcome::SignalPidfile { pidfile, request } => signal_pidfile(&pidfile, request),
            Outcome::ConnectAndRead { address } => verbs::connect_and_read(&address),
            Outcome::Ping { address, timeout } => verbs::ping(&address, timeout),
        }
    }

    fn serve(
        self,
        py: Python<'_>,
        plan: Plan,
        functions: Functions,
        signals: Signals,
    ) -> Result<i32, ConfigError> {
        let settings = &plan.settings;
        // The directory first: log files and sockets are relative to it, as in the originals.
        application::prepare_process(py, settings)
            .map_err(|message| ConfigError::new(format!("Error: {message}")))?;
        let log = ErrorLog::open(&settings.logs, settings.dialect).map_err(unusable_log)?;
        let logger = python_logger::install(py, &plan, &functions, &log, None)
            .map_err(|message| ConfigError::new(format!("Error: {message}")))?;
        // Opened by each worker for itself; here only to find out before anything is started.
        AccessLog::open(&settings.logs, settings.dialect).map_err(unusable_log)?;
        // Threads that a preloaded application starts shall not be the ones to handle signals: one that is inside a
        // handler while the master forks would leave the handlers' lock held in the worker for ever.
        let preload = settings.preload && settings.application.is_some();
        let held_back = preload.then(sys::block_signals);
        let preloaded = preload.then(|| application::load(py, settings)).transpose();
        drop(held_back);
        let preloaded = match preloaded {
            Ok(preloaded) => preloaded,
            Err(failure) => {
                failure.tell(&log);
                return Ok(if settings.dialect == Dialect::Gunicorn {
                    1
                } else {
                    failure.exit_code
                });
            }
        };
        let variables = &self.environment.variables;
        let inheritance = Inheritance::read(std::process::id(), |name| variables.get(name).cloned());
        // Meant for this process; its children shall not take them for theirs.
        forget_variables(
            py,
            &[
                "GUNICORN_FD",
                "LISTEN_PID",
                "LISTEN_FDS",
                "LISTEN_FDNAMES",
                "PENSTOCK_EMPEROR",
            ],
        )
        .map_err(|error| ConfigError::new(error.to_string()))?;
        let failed = |error: master::StartError| ConfigError {
            message: error.message,
            exit_code: error.exit_code,
        };
        let _locks = master::lock_files(settings, false, &signals, &log).map_err(failed)?;
        // A new master is in the background already.
        if let Some(daemonize) = settings
            .daemonize
            .as_ref()
            .filter(|_| inheritance.predecessor.is_none() && inheritance.emperor.is_none())
        {
            crate::fork::daemonize(py, daemonize, settings.dialect).map_err(failed)?;
        }
        let _more_locks = master::lock_files(settings, true, &signals, &log).map_err(failed)?;
        if settings.logs.capture_output {
            log.capture_output()
                .map_err(|error| ConfigError::new(format!("cannot capture output: {error}")))?;
        }
        for notice in &plan.notices {
            log.warning(notice);
        }
        for remark in &plan.remarks {
            log.info(remark);
        }
        if settings.emperor.is_some() {
            let program = vassal_program(py).map_err(|error| ConfigError::new(error.to_string()))?;
            return Ok(py.detach(|| master::reign(settings, &program, &signals, &inheritance, &log)));
        }
        let hooks = Hooks::new(py, &plan, functions, &log, logger.as_ref(), None)
            .map_err(|error| ConfigError::new(error.to_string()))?;
        let commons = (settings.dialect == Dialect::Uwsgi)
            .then(|| Commons::open(settings, &plan.values))
            .transpose()
            .map_err(ConfigError::new)?;
        let passage = worker::Passage::open()
            .map_err(|error| ConfigError::new(format!("cannot make sockets for the workers: {error}")))?;
        let mut host = Interpreter {
            command: self,
            commons,
            passage,
            hooks,
            logger,
            preloaded,
            log: log.clone(),
            values: plan.values,
            variables: application::changed_variables(&plan.settings),
            departure: Departure::Graceful,
        };
        let settings = plan.settings;
        // The master waits without the interpreter: a preloaded application may have threads.
        let code = py.detach(|| master::serve(settings, signals, inheritance, log, &mut host));
        if code == master::ENDED_BY_TERM {
            end_by_term(py)?;
        }
        Ok(code)
    }
}

/// Ends this process by the signal that has stopped the server, as uvicorn's own process ends.
fn end_by_term(py: Python<'_>) -> Result<(), ConfigError> {
    let ended = (|| {
        let signal = py.import("signal")?;
        let term = signal.getattr("SIGTERM")?;
        signal.call_method1("signal", (&term, signal.getattr("SIG_DFL")?))?;
        signal.call_method1("raise_signal", (term,)).map(drop)
    })();
    ended.map_err(|error| ConfigError::new(error.to_string()))
}

fn unusable_log(error: LogOpenError) -> ConfigError {
    ConfigError::new(format!("Error: {error}"))
}

/// What starts a vassal: this interpreter with this package, whatever name the emperor was called by.
fn vassal_program(py: Python<'_>) -> PyResult<Vec<String>> {
    let python: String = py.import("sys")?.getattr("executable")?.extract()?;
    Ok([&*python, "-m", "penstock", "uwsgi"].map(str::to_owned).to_vec())
}

fn print(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// gunicorn's `--check-config`: the configuration is fine by now; is the application?
fn check(py: Python<'_>, plan: &Plan) -> Result<i32, ConfigError> {
    let settings = &plan.settings;
    application::prepare_process(py, settings)
        .map_err(|message| ConfigError::new(format!("Error: {message}")))?;
    match application::load(py, settings) {
        Ok(_) => Ok(0),
        Err(failure) => {
            complain("\nError while loading the application:\n");
            complain(&format!("{}{}", failure.details, failure.message));
            Ok(1)
        }
    }
}

/// Tells the server of a pidfile to reload, to stop, to pause or to go on.
fn signal_pidfile(pidfile: &Path, request: PidfileRequest) -> Result<i32, ConfigError> {
    let (signal, option) = match request {
        PidfileRequest::Reload => (Signal::HUP, "reload"),
        PidfileRequest::Stop => (Signal::INT, "stop"),
        PidfileRequest::Pause => (Signal::TSTP, "pause"),
    };
    let shown = pidfile.display();
    let text = std::fs::read_to_string(pidfile).map_err(|error| {
        ConfigError::new(format!(
            "cannot read the pidfile {shown} (option --{option}): {error}"
        ))
    })?;
    let pid = text
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| {
        ConfigError::new(format!(
            "the pidfile {shown} (option --{option}) holds no process id: {:?}",
            text.trim()
        ))
    })?;
    kill_process(pid, signal).map_err(|error| {
        let pid = pid.as_raw_nonzero();
        ConfigError::new(format!(
            "no signal can be sent to process {pid} of the pidfile {shown} (option --{option}): {error}"
        ))
    })?;
    Ok(0)
}
