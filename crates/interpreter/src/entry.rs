//! From a command line to an exit code: which dialect it is in, what it asks for, and who does that.

mod command;
mod start;

use std::io::Write;

use config::{ConfigError, Dialect, Outcome, Plan};
use master::Signals;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::application;
use crate::cgi_program;
use crate::python_config::{self, Functions};
use crate::verbs;

pub(crate) use command::Command;

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
    Ok(match run(command, py, signals) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.message);
            error.exit_code
        }
    })
}

/// gunicorn's settings with their defaults in this process's environment, for programs that embed a server.
#[pyfunction]
pub(crate) fn gunicorn_defaults(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let command = Command::new(&[String::from("gunicorn")]);
    let values = config::gunicorn_defaults(&command.environment)
        .map_err(|error| PyValueError::new_err(error.message))?;
    python_config::dictionary(py, &values, &Functions::new())
}

/// Does what the command asks for; the exit code.
fn run(command: Command, py: Python<'_>, signals: Signals) -> Result<i32, ConfigError> {
    let mut functions = Functions::new();
    match command.evaluate(py, &mut functions)? {
        Outcome::Serve(plan) => {
            start::start_anew_if_needed(py, &plan.settings.loading)
                .map_err(|error| ConfigError::new(format!("cannot start python anew: {error}")))?;
            start::serve(command, py, plan, functions, signals)
        }
        Outcome::CheckConfig(plan) => check(py, &plan),
        Outcome::PrintConfig { text, plan } => {
            print(&text);
            check(py, &plan)
        }
        Outcome::RunCgi(plan) if cgi_program::is_fastcgi() => {
            start::serve(command, py, cgi_program::as_fastcgi(plan), functions, signals)
        }
        Outcome::RunCgi(plan) => cgi_program::run(py, &plan.settings),
        Outcome::Print { text } => {
            print(&text);
            Ok(0)
        }
        Outcome::SignalPidfile { pidfile, request } => verbs::signal_pidfile(&pidfile, request),
        Outcome::ConnectAndRead { address } => verbs::connect_and_read(&address),
        Outcome::Ping { address, timeout } => verbs::ping(&address, timeout),
    }
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

fn print(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Writes to standard error. Where that is closed, there is nobody to tell.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
