//! Programs that read lines of the log on their standard input (uWSGI's logger `pipe`).
//!
//! Rules: a program is known by its command, and whatever log names it, in whichever process, writes into one and the same pipe. So
//! the pipe is made by the first who names it, before the processes are forked that will. Both of its ends stay open:
//! lines wait in it while the program is not there, and nobody writes into nothing. Starting programs is the master's.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use config::{LogTarget, Logs};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::standard;

/// Those that have been named so far.
static PROGRAMS: Mutex<Vec<LogProgram>> = Mutex::new(Vec::new());

/// A program, and what it reads.
#[derive(Clone, Debug)]
pub struct LogProgram {
    /// For the shell.
    pub command: String,
    /// Its standard input.
    input: Arc<OwnedFd>,
    output: Arc<OwnedFd>,
}

impl LogProgram {
    /// Its standard input, output and error. What it prints goes where the server's own output went to begin with: were it logged,
    /// it would come back to it.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn streams(&self) -> io::Result<[OwnedFd; 3]> {
        Ok([
            self.input.try_clone()?,
            standard::stdout().try_clone_to_owned()?,
            standard::stderr().try_clone_to_owned()?,
        ])
    }
}

/// All of them.
pub fn log_programs() -> Vec<LogProgram> {
    PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Where lines for a program go in.
pub(crate) fn pipe_to(command: &str) -> io::Result<Arc<OwnedFd>> {
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = programs.iter().find(|program| program.command == command) {
        return Ok(Arc::clone(&known.output));
    }
    let (input, output) = pipe_with(PipeFlags::CLOEXEC)?;
    let program = LogProgram {
        command: command.to_owned(),
        input: Arc::new(input),
        output: Arc::new(output),
    };
    programs.push(program.clone());
    Ok(program.output)
}

/// Makes the pipes of a configuration.
pub(crate) fn open(logs: &Logs) -> io::Result<()> {
    let loggers = logs.loggers.loggers.iter().chain(&logs.request_loggers.loggers);
    for logger in loggers {
        if let LogTarget::Program(command) = &logger.target {
            pipe_to(command)?;
        }
    }
    Ok(())
}
