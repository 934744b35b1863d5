//! What becomes of a process that spends too long on one thing (uWSGI's `harakiri` and its relatives): plain data. How long a
//! request may take is [`crate::Timeouts::request_deadline`].

use std::time::Duration;

/// The details. By default none of them is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harakiri {
    /// Tell the log what the process waits for in the kernel.
    pub verbose: bool,
    /// A worker first gets [`Harakiri::signal`], and so long to leave.
    pub grace: Option<Duration>,
    /// The number of that signal. Default 15 (TERM).
    pub signal: i32,
    /// A worker is left alone while the accept queue is shorter than this.
    pub queue: u32,
    /// Seconds that a mule may take for a message or a signal; 0: no limit.
    pub mule: u32,
    /// Seconds that a spooler may take for a task; 0: no limit.
    pub spooler: u32,
    /// How long a command by the clock may take.
    pub timed: Option<Duration>,
    /// How long mules and spoolers have to leave in a reload. Default 60 s.
    pub mercy: Duration,
}

impl Default for Harakiri {
    fn default() -> Self {
        Harakiri {
            verbose: false,
            grace: None,
            signal: 15,
            queue: 0,
            mule: 0,
            spooler: 0,
            timed: None,
            mercy: Duration::from_secs(60),
        }
    }
}
