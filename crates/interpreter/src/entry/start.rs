//! The start of a server: everything between its settings and the master's loop, in the order of the originals.
//!
//! What may fail for the user's sake is tried before anything is left behind, and, except where an option says otherwise,
//! while there is still a terminal to say so on.

use std::fs::File;

use config::{ConfigError, Dialect, Plan, Settings};
use master::{Inheritance, Signals};
use pyo3::prelude::*;
use telemetry::{AccessLog, ErrorLog, LogOpenError};
use worker::Departure;

use super::command::Command;
use crate::application::{self, LoadFailure, Loaded, forget_variables};
use crate::hooks::Hooks;
use crate::host::Interpreter;
use crate::python_config::Functions;
use crate::python_logger;
use crate::uwsgi::Commons;

/// Serves until the server is told to stop; the exit code.
///
/// # Errors
/// Why there is no server, where there has been none.
pub(super) fn serve(
    command: Command,
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
    let preloaded = match preload(py, settings) {
        Ok(preloaded) => preloaded,
        Err(failure) => {
            failure.tell(&log);
            return Ok(match settings.dialect {
                Dialect::Gunicorn => 1,
                Dialect::Native | Dialect::Uvicorn | Dialect::Uwsgi => failure.exit_code,
            });
        }
    };
    let inheritance = take_inheritance(py, &command)?;
    let _locks = enter_background(py, settings, &inheritance, &signals, &log)?;
    if settings.logs.capture_output {
        log.capture_output()
            .map_err(|error| ConfigError::new(format!("cannot capture output: {error}")))?;
    }
    plan.notices.iter().for_each(|notice| log.warning(notice));
    plan.remarks.iter().for_each(|remark| log.info(remark));
    if settings.emperor.is_some() {
        let program = vassal_program(py).map_err(as_config_error)?;
        return Ok(py.detach(|| master::reign(settings, &program, &signals, &inheritance, &log)));
    }
    let hooks = Hooks::new(py, &plan, functions, &log, logger.as_ref(), None).map_err(as_config_error)?;
    let commons = (settings.dialect == Dialect::Uwsgi)
        .then(|| Commons::open(settings, &plan.values))
        .transpose()
        .map_err(ConfigError::new)?;
    let passage = worker::Passage::open()
        .map_err(|error| ConfigError::new(format!("cannot make sockets for the workers: {error}")))?;
    let mut host = Interpreter {
        command,
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
        end_by_term(py).map_err(as_config_error)?;
    }
    Ok(code)
}

/// Loads the application here and now, where the workers are to be forked with it.
fn preload(py: Python<'_>, settings: &Settings) -> Result<Option<Loaded>, LoadFailure> {
    if !settings.preload || settings.application.is_none() {
        return Ok(None);
    }
    // Threads that a preloaded application starts shall not be the ones to handle signals: one that is inside a
    // handler while the master forks would leave the handlers' lock held in the worker for ever.
    let _held_back = sys::block_signals();
    application::load(py, settings).map(Some)
}

/// What another process has left to this one, and not to its children, who shall not take it for theirs.
fn take_inheritance(py: Python<'_>, command: &Command) -> Result<Inheritance, ConfigError> {
    let variables = &command.environment.variables;
    let inheritance = Inheritance::read(std::process::id(), |name| variables.get(name).cloned());
    let names = [
        "GUNICORN_FD",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "PENSTOCK_EMPEROR",
    ];
    forget_variables(py, &names).map_err(as_config_error)?;
    Ok(inheritance)
}

/// Leaves the terminal where that is wanted, and takes the locks of before and after: the server's for as long as they are kept.
fn enter_background(
    py: Python<'_>,
    settings: &Settings,
    inheritance: &Inheritance,
    signals: &Signals,
    log: &ErrorLog,
) -> Result<Vec<File>, ConfigError> {
    let failed = |error: master::StartError| ConfigError {
        message: error.message,
        exit_code: error.exit_code,
    };
    let mut locks = master::lock_files(settings, false, signals, log).map_err(failed)?;
    // A new master is in the background already.
    let is_there = inheritance.predecessor.is_some() || inheritance.emperor.is_some();
    if let Some(daemonize) = settings.daemonize.as_ref().filter(|_| !is_there) {
        crate::fork::daemonize(py, daemonize, settings.dialect).map_err(failed)?;
    }
    locks.extend(master::lock_files(settings, true, signals, log).map_err(failed)?);
    Ok(locks)
}

/// Finds Penstock without a site: the directory it is in comes before the command's words.
const WITHOUT_SITE: &str = "import sys; sys.path.insert(0, sys.argv[1]); del sys.argv[:2]; \
                            from penstock.__main__ import main; sys.exit(main())";

/// Starts the interpreter of this process anew if it was started otherwise than `loading` wants: later it cannot be told.
pub(super) fn start_anew_if_needed(py: Python<'_>, loading: &config::Loading) -> PyResult<()> {
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

/// Ends this process by the signal that has stopped the server, as uvicorn's own process ends.
fn end_by_term(py: Python<'_>) -> PyResult<()> {
    let signal = py.import("signal")?;
    let term = signal.getattr("SIGTERM")?;
    signal.call_method1("signal", (&term, signal.getattr("SIG_DFL")?))?;
    signal.call_method1("raise_signal", (term,)).map(drop)
}

fn as_config_error(error: PyErr) -> ConfigError {
    ConfigError::new(error.to_string())
}

fn unusable_log(error: LogOpenError) -> ConfigError {
    ConfigError::new(format!("Error: {error}"))
}

/// What starts a vassal: this interpreter with this package, whatever name the emperor was called by.
fn vassal_program(py: Python<'_>) -> PyResult<Vec<String>> {
    let python: String = py.import("sys")?.getattr("executable")?.extract()?;
    Ok([&*python, "-m", "penstock", "uwsgi"].map(str::to_owned).to_vec())
}
