//! Where log lines go and what they look like: plain data; `telemetry` writes. Several logs side by side are in `loggers`, which
//! requests get a line in `log_selection`.

use std::path::PathBuf;

use super::{LogRotation, LogSelection, Loggers};

/// Where log lines go and what they look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Least severity that is written.
    pub level: Level,
    /// Where the error log goes.
    pub error: LogTarget,
    /// Where the access log goes; `None`: there is none.
    pub access: Option<LogTarget>,
    /// The only requests that get a line; `None`: all do.
    pub only: Option<LogSelection>,
    /// Format of an access line, in the dialect's own notation.
    pub access_format: String,
    /// Lines go through a logger in Python, made of the dialect's own values (gunicorn's `logger_class` and the like).
    pub in_python: bool,
    /// Where numbers about requests and workers go, if anywhere.
    pub statsd: Option<StatsdSettings>,
    /// Once a second, say how many connections wait to be accepted: to StatsD, and at level debug.
    pub backlog_metric: bool,
    /// Redirect the processes' standard output and error into the error log's file.
    pub capture_output: bool,
    /// Colour the lines, where the dialect's have colours; `None`: where standard output is a terminal.
    pub colors: Option<bool>,
    /// Which processes the lines speak of.
    pub processes: Processes,
    /// Logs beside `error`.
    pub loggers: Loggers,
    /// Logs beside `access`.
    pub request_loggers: Loggers,
    /// Time in front of every line of the error log, in strftime's notation; empty: as the dialect has it.
    pub line_time: String,
    /// Notation of a request's time where the format asks for it by that name (uWSGI's `ftime`); empty: Apache's.
    pub request_time: String,
    /// When files of logs are set aside.
    pub rotation: Option<LogRotation>,
    /// Files of logs are emptied at start.
    pub truncate: bool,
    /// Mode of files of logs that are created; `None`: as the dialect has it.
    pub file_mode: Option<u32>,
    /// X-Forwarded-For, as it came, stands for the client in the access log.
    pub forwarded_client: bool,
}

/// The processes that users of a dialect expect, which decides what is said of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// A server that is one process (uvicorn without `--workers`): the master is not mentioned, and TERM is what ends it.
    One,
    /// A parent and its children.
    Several,
    /// A parent that watches files (uvicorn `--reload`).
    Reloader,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to, reopened on USR1.
    File(PathBuf),
    /// The system's log (RFC 3164, over /dev/log).
    Syslog {
        /// In front of every line.
        name: String,
        /// What kind of program writes (RFC 3164, 4.1.1).
        facility: u8,
    },
    /// Another machine's log (RFC 3164, over UDP).
    RemoteSyslog {
        /// `HOST:PORT`
        address: String,
        /// In front of every line; empty: nothing.
        name: String,
    },
    /// The standard input of a program that the shell runs, started again when it ends.
    Program(String),
    /// A command for each line, to a Redis server.
    Redis(RedisLog),
    /// A datagram for each line, to `HOST:PORT` or the path of a unix socket.
    Datagrams(String),
}

/// A Redis server, and what it is told of each line.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisLog {
    /// `HOST:PORT`
    pub address: String,
    /// For `AUTH`.
    pub password: Option<String>,
    /// For `SELECT`.
    pub database: Option<String>,
    /// The words of a command; the line is its last.
    pub command: Vec<String>,
    /// In front of every line.
    pub prefix: String,
}

/// No password in any log.
impl std::fmt::Debug for RedisLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "redislog:{}", self.address)
    }
}

/// Severity of a line in the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

/// A StatsD server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsdSettings {
    /// Where it is.
    pub address: StatsdAddress,
    /// In front of every name; a dot is put between.
    pub prefix: String,
    /// Tags behind every number, as dogstatsd has them: `env:test,role:web`.
    pub tags: String,
}

/// The address of a StatsD server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsdAddress {
    /// Host and UDP port.
    Udp(String, u16),
    /// Path of a unix datagram socket.
    Unix(PathBuf),
}
