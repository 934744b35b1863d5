//! The error log: what happens to the server, in the dialect's words, and what applications write to it.
//!
//! Rules: one call is one `write(2)`; control characters in messages are escaped, in raw text they are not; a log
//! that fails loses lines and says so when it can be written again. Clones share the file, also across `fork`.
//! It leaves out requests that went well: they are the access log's. What a configuration has it do is in `manner`, what becomes of
//! its files in `files`, what is printed instead of logged in `printed`, and who may write its lines in its place in `relay`.

mod files;
mod manner;
mod printed;
mod relay;

use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use config::{Dialect, Level, Logs, Processes};

use crate::clock::{LocalClock, unix_seconds};
use crate::event::Event;
use crate::sink::LogOpenError;
use crate::standard::Intake;
use crate::statsd::Statsd;
use crate::words::{self, Moment};
use manner::Manner;

pub(crate) use manner::level_name;
pub use relay::Relay;

/// The error log. Cheap to clone; clones, threads and forked processes write to the same file.
#[derive(Clone, Debug)]
pub struct ErrorLog {
    inner: Arc<Inner>,
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

    /// Now, as ctime writes it, in local time.
    pub fn date(&self) -> String {
        self.ctime(unix_seconds(SystemTime::now()))
    }

    fn ctime(&self, unix_seconds: u64) -> String {
        self.inner.clock.format(unix_seconds, "%a %b %e %H:%M:%S %Y")
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
        self.manner()
            .push_line(text, level, &self.inner.clock, now, &message.to_string());
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
