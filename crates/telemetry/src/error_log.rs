//! The error log: what happens to the server, in the dialect's words, and what applications write to it.
//!
//! Rules: one call is one `write(2)`; control characters in messages are escaped, in raw text they are not; a log
//! that fails loses lines and says so when it can be written again. Clones share the file, also across `fork`.
//! It leaves out requests that went well: they are the access log's.

use std::fmt::Display;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use config::{Dialect, Level, LogTarget, Logs, Processes};

use crate::access::AccessedRequest;
use crate::clock::{LocalClock, unix_seconds};
use crate::colors;
use crate::distributor::Distributor;
use crate::escape::push_text;
use crate::event::Event;
use crate::programs;
use crate::sink::{LogOpenError, Sink};
use crate::standard::Intake;
use crate::statsd::Statsd;
use crate::words::{self, Moment};

/// The error log. Cheap to clone; clones, threads and forked processes write to the same file.
#[derive(Clone, Debug)]
pub struct ErrorLog {
    inner: Arc<Inner>,
}

/// Somebody else who writes the lines: a logger in Python.
pub trait Relay: Send + Sync + std::fmt::Debug {
    /// Takes a line of the error log and what stands below it; false when it could not.
    fn line(&self, level: Level, text: &str, details: &str) -> bool;
    /// Takes a line of the access log.
    fn access(&self, text: &str);
    /// Takes a request that was answered; false where it wants the line.
    fn request(&self, _request: &AccessedRequest<'_>) -> bool {
        false
    }
    /// Opens its files anew.
    fn reopen(&self);
}

#[derive(Debug)]
struct Inner {
    /// Writes the lines instead of us.
    relay: RwLock<Option<Arc<dyn Relay>>>,
    dialect: Dialect,
    processes: Processes,
    clock: LocalClock,
    /// What is printed on its way to the loggers.
    intake: Intake,
    /// What the configuration says; a reload may bring another.
    manner: RwLock<Arc<Manner>>,
}

/// Where the lines go, which of them and how, as one configuration has it.
#[derive(Debug)]
struct Manner {
    logs: Logs,
    /// Counts lines, requests and workers.
    statsd: Option<Arc<Statsd>>,
    /// How the lines begin.
    prefix: Prefix,
    sink: Distributor,
    /// Files that only requests are logged to: kept an eye on where large ones are set aside.
    others: Vec<Sink>,
}

impl Manner {
    fn open(logs: &Logs, dialect: Dialect) -> Result<Manner, LogOpenError> {
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

impl ErrorLog {
    /// Opens the log that `logs` asks for. Files are created if need be and appended to.
    ///
    /// # Errors
    /// The file cannot be opened for writing; the error names it and the option it came from.
    pub fn open(logs: &Logs, dialect: Dialect) -> Result<ErrorLog, LogOpenError> {
        let manner = Manner::open(logs, dialect)?;
        if logs.truncate {
            // It could be opened: what else may be wrong will show when it is written to.
            let _ = manner.sink.truncate();
        }
        let inner = Inner {
            relay: RwLock::new(None),
            dialect,
            processes: logs.processes,
            clock: LocalClock::load(),
            intake: Intake::default(),
            manner: RwLock::new(Arc::new(manner)),
        };
        Ok(ErrorLog {
            inner: Arc::new(inner),
        })
    }

    /// Goes on as `logs` has it: other files, another level. For all clones of this process, and for processes that are
    /// forked from now on.
    ///
    /// # Errors
    /// As [`ErrorLog::open`]; then everything stays as it was.
    pub fn adopt(&self, logs: &Logs) -> Result<(), LogOpenError> {
        if self.manner().logs == *logs {
            return Ok(());
        }
        let manner = Arc::new(Manner::open(logs, self.dialect())?);
        *self.inner.manner.write().unwrap_or_else(PoisonError::into_inner) = manner;
        // Should standard output stay where it was, the log is no worse for it.
        let _ = self.capture_output().and_then(|()| self.intercept_output());
        Ok(())
    }

    fn manner(&self) -> Arc<Manner> {
        Arc::clone(&self.inner.manner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on `relay` writes the lines; `None`: we do, again. Text that is no line ([`ErrorLog::raw`]) stays ours.
    pub fn set_relay(&self, relay: Option<Arc<dyn Relay>>) {
        *self.inner.relay.write().unwrap_or_else(PoisonError::into_inner) = relay;
    }

    /// Where numbers are sent, if they are.
    pub fn statsd(&self) -> Option<Arc<Statsd>> {
        self.manner().statsd.clone()
    }

    fn count(&self, level: Level, with_traceback: bool) {
        if let Some(statsd) = self.statsd() {
            statsd.line(level, with_traceback);
        }
    }

    /// Who writes the lines instead of us.
    pub fn relay(&self) -> Option<Arc<dyn Relay>> {
        // A copy: whoever writes may log something itself.
        self.inner
            .relay
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The dialect whose words are used.
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Whether lines of this level are written.
    pub fn enabled(&self, level: Level) -> bool {
        level >= self.manner().logs.level
    }

    /// The minute it is, counted from 1970, and minute, hour, day of the month, month and day of the week (0 is Sunday) of local
    /// time: by the clock that stamps the lines.
    pub fn local_minute(&self) -> (u64, [u32; 5]) {
        self.inner.clock.minute(unix_seconds(SystemTime::now()))
    }

    /// Writes the lines that the dialect has for `event`, if any, in one go.
    pub fn event(&self, event: &Event) {
        let now = unix_seconds(SystemTime::now());
        let pid = std::process::id();
        let ctime = self.ctime(now);
        let lines = words::lines(
            self.dialect(),
            event,
            &Moment {
                unix_seconds: now,
                ctime,
                pid,
                processes: self.inner.processes,
            },
        );
        let mut text = Vec::new();
        let mut written = 0;
        let relay = self.relay();
        for (level, line) in lines.iter().filter(|(level, _)| self.enabled(*level)) {
            self.count(*level, false);
            if relay.as_ref().is_some_and(|relay| relay.line(*level, line, "")) {
                continue;
            }
            self.push_line(&mut text, *level, now, line);
            written += 1;
        }
        self.write(&text, written);
    }

    /// Writes a line for those who look for a fault.
    pub fn debug(&self, message: impl Display) {
        self.line(Level::Debug, message);
    }

    /// Writes a line about something ordinary.
    pub fn info(&self, message: impl Display) {
        self.line(Level::Info, message);
    }

    /// Writes a line about something that should be looked at some time.
    pub fn warning(&self, message: impl Display) {
        self.line(Level::Warning, message);
    }

    /// Writes a line about something that failed.
    pub fn error(&self, message: impl Display) {
        self.line(Level::Error, message);
    }

    /// Writes a line about something that failed, and says whether it arrived: for what is said once in a while.
    pub fn try_error(&self, message: impl Display) -> bool {
        self.line(Level::Error, message)
    }

    /// Writes a line about something that stops the service or a worker.
    pub fn critical(&self, message: impl Display) {
        self.line(Level::Critical, message);
    }

    /// Writes an error's line and below it `details`, a traceback for example, as they are: both in one write, so
    /// that other processes' lines do not get between them. uWSGI writes only the details.
    pub fn error_with_details(&self, message: impl Display, details: &str) {
        let message = message.to_string();
        self.count(Level::Error, true);
        if self
            .relay()
            .is_some_and(|relay| relay.line(Level::Error, &message, details))
        {
            return;
        }
        let mut text = Vec::with_capacity(details.len() + 128);
        if self.dialect() != Dialect::Uwsgi {
            self.push_line(&mut text, Level::Error, unix_seconds(SystemTime::now()), message);
        }
        text.extend_from_slice(details.as_bytes());
        if !details.is_empty() && !details.ends_with('\n') {
            text.push(b'\n');
        }
        self.write(&text, 1);
    }

    /// Writes text as it is, whatever the level: `wsgi.errors` and tracebacks.
    pub fn raw(&self, text: &[u8]) {
        self.write(text, 1);
    }

    /// The descriptor it writes to, for those who cannot call it: a crash handler. It stays the same when the file is
    /// opened anew.
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        self.manner().sink.descriptor()
    }

    /// Opens the file anew under its name, after a log rotation (USR1). Standard streams are left alone.
    ///
    /// # Errors
    /// The file cannot be opened; the old one stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        if let Some(relay) = self.relay() {
            relay.reopen();
        }
        self.manner().sink.reopen()?;
        self.capture_output()
    }

    /// Now, as ctime writes it, in local time.
    pub fn date(&self) -> String {
        self.ctime(unix_seconds(SystemTime::now()))
    }

    fn ctime(&self, unix_seconds: u64) -> String {
        self.inner.clock.format(unix_seconds, "%a %b %e %H:%M:%S %Y")
    }

    /// Whether files are set aside once they are large.
    pub fn rotates(&self) -> bool {
        self.manner().logs.rotation.is_some()
    }

    /// Sets aside what has become too large; says whether anything has, and others have to [reopen](ErrorLog::reopen).
    ///
    /// # Errors
    /// The file cannot be renamed or opened anew; the old one stays in use.
    pub fn rotate(&self) -> io::Result<bool> {
        let manner = self.manner();
        let Some(rotation) = &manner.logs.rotation else {
            return Ok(false);
        };
        let epoch = unix_seconds(SystemTime::now());
        let mut rotated = manner.sink.rotate(rotation, epoch)?;
        for other in &manner.others {
            rotated |= other.rotate(&rotation.unnamed(), epoch)?;
        }
        if rotated {
            self.capture_output()?;
        }
        Ok(rotated)
    }

    /// Sets the log file aside whatever its size, and begins a new one; says whether there was anything to set aside.
    ///
    /// # Errors
    /// As [`ErrorLog::rotate`].
    pub fn rotate_now(&self) -> io::Result<bool> {
        let manner = self.manner();
        let backup = manner
            .logs
            .rotation
            .as_ref()
            .and_then(|rotation| rotation.backup.clone());
        let rotation = config::LogRotation { size: 0, backup };
        let rotated = manner.sink.rotate(&rotation, unix_seconds(SystemTime::now()))?;
        if rotated {
            self.capture_output()?;
        }
        Ok(rotated)
    }

    /// Sends standard output and error of this process to the log's file, if the settings ask for it and there is
    /// one. Call it once, after going into the background; [`ErrorLog::reopen`] repeats it.
    ///
    /// # Errors
    /// What `dup2` says.
    pub fn capture_output(&self) -> io::Result<()> {
        let manner = self.manner();
        if !manner.logs.capture_output || self.takes_lines(&manner) {
            return Ok(());
        }
        manner.sink.become_standard_streams()
    }

    /// uWSGI's loggers, encoders and filters have their say about what is printed as well.
    fn takes_lines(&self, manner: &Manner) -> bool {
        self.dialect() == Dialect::Uwsgi && (manner.sink.is_remote() || !manner.sink.is_plain())
    }

    /// From now on what this process and its children print comes out of a pipe, if the settings have something done with such
    /// lines: whoever calls this calls [`ErrorLog::take_output`] whenever [`ErrorLog::output`] can be read.
    ///
    /// # Errors
    /// What `pipe` and `dup2` say.
    pub fn intercept_output(&self) -> io::Result<()> {
        let manner = self.manner();
        if manner.logs.capture_output && self.takes_lines(&manner) {
            self.inner.intake.open()?;
        }
        Ok(())
    }

    /// The end of the pipe that is to be read, where what is printed is intercepted.
    pub fn output(&self) -> Option<Arc<OwnedFd>> {
        self.inner.intake.reader()
    }

    /// Has the lines that were printed go the way of all others. Waits for nobody.
    pub fn take_output(&self) {
        self.raw_lines(&self.inner.intake.take());
    }

    /// The end of that: standard output and error are what they were.
    pub fn release_output(&self) {
        self.raw_lines(&self.inner.intake.close());
    }

    /// In a child: it prints there, and another process reads it.
    pub fn leave_output(&self) {
        self.inner.intake.leave();
    }

    fn raw_lines(&self, text: &[u8]) {
        let lines = text.iter().filter(|&&byte| byte == b'\n').count();
        self.write(text, lines.max(1) as u64);
    }

    /// Gives the file to the user and group that workers will run as, so that they can reopen it; reopened files
    /// keep their owner.
    ///
    /// # Errors
    /// What `fchown` says; a worker may then be unable to reopen the log.
    pub fn give_to(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        let manner = self.manner();
        let others = manner.others.iter();
        others
            .map(|other| other.give_to(user, group))
            .fold(manner.sink.give_to(user, group), io::Result::and)
    }

    /// False when the line is lost.
    fn line(&self, level: Level, message: impl Display) -> bool {
        if !self.enabled(level) {
            return true;
        }
        let message = message.to_string();
        self.count(level, false);
        if self.relay().is_some_and(|relay| relay.line(level, &message, "")) {
            return true;
        }
        let mut text = Vec::with_capacity(128);
        self.push_line(&mut text, level, unix_seconds(SystemTime::now()), message);
        self.write(&text, 1)
    }

    fn push_line(&self, text: &mut Vec<u8>, level: Level, now: u64, message: impl Display) {
        let manner = self.manner();
        match &manner.prefix {
            Prefix::Nothing => {}
            Prefix::Time(notation) => {
                text.extend_from_slice(self.inner.clock.format(now, notation).as_bytes());
            }
            Prefix::TimePidLevel => {
                let time = self.inner.clock.format(now, "%Y-%m-%d %H:%M:%S %z");
                let prefix = format!("[{time}] [{}] [{}] ", std::process::id(), level_name(level));
                text.extend_from_slice(prefix.as_bytes());
            }
            Prefix::Level { colored } => {
                text.extend_from_slice(colors::level_prefix(level, *colored).as_bytes());
                text.push(b' ');
            }
        }
        let start = text.len();
        push_text(text, &message.to_string());
        if let Prefix::Level { colored: true } = &manner.prefix {
            // After whatever was escaped in it.
            let painted = colors::paint(&String::from_utf8_lossy(&text[start..]));
            text.truncate(start);
            text.extend_from_slice(painted.as_bytes());
        }
        text.push(b'\n');
    }

    fn write(&self, text: &[u8], lines: u64) -> bool {
        if text.is_empty() {
            return true;
        }
        let sink = &self.manner().sink;
        if !sink.write(text, lines) {
            return false;
        }
        let lost = sink.take_lost();
        if lost == 0 {
            return true;
        }
        let mut notice = Vec::new();
        let message =
            format!("{lost} earlier writes to this log were lost: it was full or could not be written");
        self.push_line(
            &mut notice,
            Level::Warning,
            unix_seconds(SystemTime::now()),
            message,
        );
        sink.write(&notice, lost);
        true
    }
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
