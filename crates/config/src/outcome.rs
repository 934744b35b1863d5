//! What a dialect is given and what it answers: the room's contract with the room that starts the server.
//!
//! A dialect reads argument lists, the environment it is handed and configuration files; it changes nothing. Its
//! answer says what to do. Python configuration files are run by the caller, who hands back plain [`RawValue`]s.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Settings;

/// The surroundings a command was started in; a dialect looks at nothing else of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The process's environment variables.
    pub variables: BTreeMap<String, String>,
    /// The directory the command was started in, absolute.
    pub directory: PathBuf,
    /// The command as usage texts show it: `penstock gunicorn`, `gunicorn`, ...
    pub program: String,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Start the server.
    Serve(Plan),
    /// Load the configuration and the application, say nothing, exit 0; or 1 if either fails
    /// (gunicorn `--check-config`).
    CheckConfig(Plan),
    /// Print this text on standard output and exit 0: help or version.
    Print {
        /// The whole text, with its final line end.
        text: String,
    },
    /// Print this text on standard output, then do as [`Outcome::CheckConfig`] (gunicorn `--print-config`).
    PrintConfig {
        /// The whole text, with its final line end.
        text: String,
        /// What was printed.
        plan: Plan,
    },
    /// Answer the one request that the environment and standard input hold, as a CGI program (RFC 3875), and exit.
    RunCgi(Plan),
    /// Send a signal to the server whose process id stands in a file, and exit 0 (uwsgi `--reload`, `--stop`).
    SignalPidfile {
        /// The file with the process id, as the user wrote it.
        pidfile: PathBuf,
        /// What is asked of that server.
        request: PidfileRequest,
    },
    /// Connect, write what the server sends to standard error, and exit 0 at its end (uwsgi `--connect-and-read`).
    ConnectAndRead {
        /// `HOST:PORT` or the path of a unix socket.
        address: String,
    },
    /// Ask a uwsgi socket whether somebody is there, and exit 0, 1, or 2 where the server has a warning (uwsgi `--ping`).
    Ping {
        /// `HOST:PORT` or the path of a unix socket.
        address: String,
        /// How long the answer may take.
        timeout: Duration,
    },
}

/// What a pidfile command asks of a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidfileRequest {
    /// Reload gracefully: HUP.
    Reload,
    /// Stop: INT.
    Stop,
    /// Halt the workers, or let them go on: TSTP. uWSGI's `--pause` and `--resume` are the same.
    Pause,
}

/// What to run, and what to tell the user about how it was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the configuration means.
    pub settings: Settings,
    /// Lines to log at start, complete and in order: options that are not there yet or have no effect here, unknown
    /// keys with the nearest known name, comments cut off values.
    pub notices: Vec<String>,
    /// Lines to log at start after them that need nobody's attention: what uvicorn says it has read and will watch.
    pub remarks: Vec<String>,
    /// Hooks that the configuration file sets and that are honoured, by the dialect's name (`post_fork`).
    pub hooks: Vec<String>,
    /// Every option's effective value under the dialect's own name, for objects that show the configuration to
    /// applications and hooks: gunicorn's `cfg` (all settings), `uwsgi.opt` (what was given).
    pub values: Vec<(String, RawValue)>,
}

/// Why there is no [`Outcome`]. `message` is all there is to print on standard error: it may have several lines
/// (a usage text), names source, option and remedy, and has no final line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The text for standard error.
    pub message: String,
    /// The code to exit with, the dialect's own: 1, or 2 for what gunicorn's argument parser refuses.
    pub exit_code: i32,
}

impl ConfigError {
    /// An error with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        ConfigError {
            message: message.into(),
            exit_code: 1,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// A configuration written in Python that the caller is asked to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PythonSource {
    /// A file; the path as the user wrote it, relative to the directory the command was started in.
    File(PathBuf),
    /// A module to import, dotted (`python:NAME`).
    Module(String),
}

/// A Python value, as far as configuration needs it.
#[derive(Clone, Debug, PartialEq)]
pub enum RawValue {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
    /// A `str`.
    Text(String),
    /// A list or a tuple.
    List(Vec<RawValue>),
    /// A `dict` with `str` keys, in its order.
    Map(Vec<(String, RawValue)>),
    /// Something callable: a hook.
    Callable {
        /// Its `__qualname__`, or its class's.
        name: String,
        /// How many positional parameters it takes; `None`: any number.
        positional: Option<usize>,
    },
    /// Anything else, by its `repr()`.
    Other(String),
}
