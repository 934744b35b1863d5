//! The log as one configuration has it: where the lines go, which of them, and how they begin. A reload may bring another.

use std::sync::Arc;

use config::{Dialect, Level, LogTarget, Logs};

use crate::clock::LocalClock;
use crate::colors;
use crate::distributor::Distributor;
use crate::escape::push_text;
use crate::programs;
use crate::sink::{LogOpenError, Sink};
use crate::statsd::Statsd;

/// Where the lines go, which of them and how, as one configuration has it.
#[derive(Debug)]
pub(super) struct Manner {
    pub(super) logs: Logs,
    /// Counts lines, requests and workers.
    pub(super) statsd: Option<Arc<Statsd>>,
    /// How the lines begin.
    prefix: Prefix,
    pub(super) sink: Distributor,
    /// Files that only requests are logged to: kept an eye on where large ones are set aside.
    pub(super) others: Vec<Sink>,
}

impl Manner {
    pub(super) fn open(logs: &Logs, dialect: Dialect) -> Result<Manner, LogOpenError> {
        let option = match dialect {
            Dialect::Uwsgi => "logto",
            Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn => "--error-logfile",
        };
        // Request lines are written by workers, which are forked later.
        programs::open(logs).map_err(LogOpenError::pipe)?;
        Ok(Manner {
            sink: Distributor::open(&logs.error, &logs.loggers, logs, dialect, option)?,
            statsd: logs.statsd.as_ref().map(Statsd::new).map(Arc::new),
            others: requests_own(logs, dialect)?,
            prefix: Prefix::of(dialect, logs),
            logs: logs.clone(),
        })
    }

    /// Adds a line as the dialect has it. Control characters of the message are escaped.
    pub(super) fn push_line(
        &self,
        text: &mut Vec<u8>,
        level: Level,
        clock: &LocalClock,
        now: u64,
        message: &str,
    ) {
        match &self.prefix {
            Prefix::Nothing => {}
            Prefix::Time(notation) => {
                text.extend_from_slice(clock.format(now, notation).as_bytes());
            }
            Prefix::TimePidLevel => {
                let time = clock.format(now, "%Y-%m-%d %H:%M:%S %z");
                let prefix = format!("[{time}] [{}] [{}] ", std::process::id(), level_name(level));
                text.extend_from_slice(prefix.as_bytes());
            }
            Prefix::Level { colored } => {
                text.extend_from_slice(colors::level_prefix(level, *colored).as_bytes());
                text.push(b' ');
            }
        }
        let start = text.len();
        push_text(text, message);
        if let Prefix::Level { colored: true } = &self.prefix {
            // After whatever was escaped in it.
            let painted = colors::paint(&String::from_utf8_lossy(&text[start..]));
            text.truncate(start);
            text.extend_from_slice(painted.as_bytes());
        }
        text.push(b'\n');
    }
}

/// The files of requests' loggers that are not those of the log as well, where large ones are set aside.
fn requests_own(logs: &Logs, dialect: Dialect) -> Result<Vec<Sink>, LogOpenError> {
    let shared = |target: &LogTarget| {
        *target == logs.error || logs.loggers.loggers.iter().any(|other| other.target == *target)
    };
    let targets = logs.request_loggers.loggers.iter().map(|logger| &logger.target);
    targets
        .filter(|target| logs.rotation.is_some() && matches!(target, LogTarget::File(_)) && !shared(target))
        .map(|target| Sink::open(target, logs, dialect, "req-logger"))
        .collect()
}

/// How the lines of a dialect begin.
#[derive(Clone, Debug)]
enum Prefix {
    /// uWSGI
    Nothing,
    /// uWSGI with `log-date`, in strftime's notation
    Time(String),
    /// gunicorn, and our own
    TimePidLevel,
    /// uvicorn
    Level { colored: bool },
}

impl Prefix {
    fn of(dialect: Dialect, logs: &Logs) -> Prefix {
        match dialect {
            Dialect::Uwsgi if !logs.line_time.is_empty() => Prefix::Time(logs.line_time.clone()),
            Dialect::Uwsgi => Prefix::Nothing,
            Dialect::Gunicorn | Dialect::Native => Prefix::TimePidLevel,
            Dialect::Uvicorn => Prefix::Level {
                colored: colors::wanted(logs),
            },
        }
    }
}

pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warning => "WARNING",
        Level::Error => "ERROR",
        Level::Critical => "CRITICAL",
    }
}
