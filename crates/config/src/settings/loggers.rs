//! Several logs side by side, what is said to which, and what becomes of a line on its way: plain data; `telemetry` writes.
//!
//! The rules are uWSGI's: a line goes to the named logs whose route it matches; otherwise to every log without a name; and if
//! there is none, to where it would go without all this.

use std::path::PathBuf;

use crate::{AlarmingLine, LogTarget, Pattern};

/// By default there is nothing beside the log itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loggers {
    /// The logs.
    pub loggers: Vec<Logger>,
    /// Which lines go to a log that has a name.
    pub routes: Vec<(String, LinePattern)>,
    /// The only lines that are written, if there are any patterns.
    pub kept: Vec<LinePattern>,
    /// Lines that are not.
    pub dropped: Vec<LinePattern>,
    /// What becomes of a line, in this order; those with a name hold for the log of that name only.
    pub encoders: Vec<(Option<String>, LogEncoder)>,
    /// Which lines are told to whom, whether they are written or not.
    pub alarms: Vec<AlarmingLine>,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logger {
    /// Its name.
    pub name: Option<String>,
    /// Where it is.
    pub target: LogTarget,
}

/// A pattern for lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePattern {
    /// The pattern.
    pub pattern: Pattern,
    /// It holds for lines that do not match.
    pub negated: bool,
}

impl LinePattern {
    /// Whether it holds for a line.
    pub fn holds(&self, line: &str) -> bool {
        self.pattern.matches(line) != self.negated
    }
}

/// What becomes of a line on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEncoder {
    /// This stands in front.
    Prefix(String),
    /// This stands behind.
    Suffix(String),
    /// It ends with a line feed. Lines of a log always do.
    NewLine,
    /// This text, with `${msg}`, `${msgnl}`, `${unix}`, `${micros}` and `${strftime:NOTATION}` filled in.
    Template {
        /// The text.
        text: String,
        /// The line is escaped to stand in a JSON string.
        json: bool,
    },
}

/// When a log file is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRotation {
    /// Its size in bytes from which on it is.
    pub size: u64,
    /// What it is called then; `None`: its name, a dot, and the seconds since the beginning of 1970.
    pub backup: Option<PathBuf>,
}

impl LogRotation {
    /// The same for another file: there can be only one of that name.
    pub fn unnamed(&self) -> LogRotation {
        LogRotation {
            size: self.size,
            backup: None,
        }
    }
}
