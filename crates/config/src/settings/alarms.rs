//! Who is told when something bad happens, and what that is (uWSGI's `alarm` and its kin). Plain data; `telemetry` finds the
//! lines, `master` tells.

use std::time::Duration;

use crate::LinePattern;

/// All of it. By default nobody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarms {
    /// Names and what is done, in the order they were given.
    pub alarms: Vec<(String, AlarmAction)>,
    /// Names to tell of an accept queue that is full.
    pub backlog: Vec<String>,
    /// Names to tell of a worker that has crashed.
    pub crash: Vec<String>,
    /// The same text is not told to the same name again within this time. Default 3 s.
    pub interval: Duration,
    /// The longest text that is told, in bytes. Default 8192.
    pub longest: usize,
}

impl Default for Alarms {
    fn default() -> Self {
        Alarms {
            alarms: Vec::new(),
            backlog: Vec::new(),
            crash: Vec::new(),
            interval: Duration::from_secs(3),
            longest: 8192,
        }
    }
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmAction {
    /// The shell runs this, with the text on its standard input.
    Run(String),
    /// The text goes to the log, with this in front.
    Log(String),
    /// The numbered signal of applications is raised.
    Signal(u8),
    /// The text is sent to this mule, from 1; 0: to whichever is first.
    Mule(u32),
}

/// Lines of the log that alarms are told of. Rules are followed in order, up to one that ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmingLine {
    /// Names of alarms.
    pub alarms: Vec<String>,
    /// The lines.
    pub pattern: LinePattern,
    /// Such a line is told to nobody else.
    pub ends: bool,
}
