//! Going into the background.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use config::{Daemonize, Dialect};
use rustix::fs::Mode;
use sys::Fork;

use crate::start::StartError;

/// Leaves the terminal: forks twice, starts a session, points standard input at /dev/null and the output where
/// `daemonize` says. Returns in the daemon only; the process that was started exits with 0. The directory stays.
///
/// # Errors
/// When the output file cannot be opened or there are too many processes; nothing has been left behind then.
pub fn daemonize(daemonize: &Daemonize, dialect: Dialect) -> Result<(), StartError> {
    let failed =
        |what: &str, error: std::io::Error| StartError::new(format!("cannot daemonize: {what}: {error}"));
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|e| failed("/dev/null", e))?;
    let output = match &daemonize.output {
        None => null.try_clone().map_err(|e| failed("/dev/null", e))?,
        Some(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)
            .map_err(|e| failed(&path.display().to_string(), e))?,
    };
    leave_parent().map_err(|e| failed("fork", e))?;
    rustix::process::setsid().map_err(|e| failed("setsid", e.into()))?;
    leave_parent().map_err(|e| failed("fork", e))?; // a process that leads no session never gets a terminal
    rustix::process::umask(match dialect {
        Dialect::Uwsgi => Mode::empty(),
        Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn => Mode::from_raw_mode(0o022),
    });
    let redirect = || -> rustix::io::Result<()> {
        rustix::stdio::dup2_stdin(&null)?;
        if daemonize.keep_output {
            return Ok(());
        }
        rustix::stdio::dup2_stdout(&output)?;
        rustix::stdio::dup2_stderr(&output)
    };
    redirect().map_err(|e| failed("standard output", e.into()))
}

fn leave_parent() -> std::io::Result<()> {
    match sys::fork()? {
        Fork::Parent(_) => sys::exit_now(0),
        Fork::Child => Ok(()),
    }
}
