//! What was typed, and where: a command that can be evaluated again for a reload, and executed again for an upgrade.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use config::{ConfigError, Dialect, Environment, Outcome, Plan};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::application::forget_variables;
use crate::cgi_program;
use crate::python_config::{self, Functions};

/// What was typed, where: enough to evaluate it again.
#[derive(Clone)]
pub(crate) struct Command {
    pub(super) dialect: Dialect,
    arguments: Vec<String>,
    pub(super) environment: Environment,
}

impl Command {
    /// `arguments[0]` is the name it was called by.
    pub(super) fn new(arguments: &[String]) -> Command {
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

    /// What the command asks for. Functions of a configuration in Python are left in `functions`.
    ///
    /// # Errors
    /// What is wrong with it, where, and what to do.
    pub(super) fn evaluate(&self, py: Python<'_>, functions: &mut Functions) -> Result<Outcome, ConfigError> {
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
}
