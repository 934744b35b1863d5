//! Signals to a worker. A handler only sets a flag and writes a byte; the reactor acts.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use config::Dialect;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

/// The flags and the pipe that wakes the reactor.
#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) wake: mio::net::UnixStream,
    leave: Arc<AtomicBool>,
    leave_now: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
}

/// What signals have asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Finish what is in progress, then leave (TERM, HUP; INT under uvicorn).
    Leave,
    /// Leave at once (INT, QUIT).
    LeaveNow,
    /// Open the log files again (USR1).
    Reopen,
}

impl Signals {
    /// Installs the handlers. Under uvicorn INT is as gentle as TERM: a Ctrl-C reaches all processes of the terminal, and
    /// the master has the word on whether there is haste.
    pub(crate) fn install(dialect: Dialect) -> io::Result<Signals> {
        let (wake, sender) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        let signals = Signals {
            wake: mio::net::UnixStream::from_std(wake),
            leave: Arc::default(),
            leave_now: Arc::default(),
            reopen: Arc::default(),
        };
        let interrupted = match dialect {
            Dialect::Uvicorn => &signals.leave,
            Dialect::Gunicorn | Dialect::Native | Dialect::Uwsgi => &signals.leave_now,
        };
        let table = [
            (SIGTERM, &signals.leave),
            (SIGHUP, &signals.leave),
            (SIGINT, interrupted),
            (SIGQUIT, &signals.leave_now),
            (SIGUSR1, &signals.reopen),
        ];
        for (signal, flag) in table {
            // The flag first: when the byte arrives, it is set.
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(signals)
    }

    /// What is set by a signal to leave, until [`Signals::take`] takes it.
    pub(crate) fn told_to_leave(&self) -> [Arc<AtomicBool>; 2] {
        [Arc::clone(&self.leave), Arc::clone(&self.leave_now)]
    }

    /// What has been asked for since the last call, the most urgent last.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Request> {
        while matches!(self.wake.read(&mut [0; 64]), Ok(64)) {}
        let taken = |flag: &AtomicBool, request| flag.swap(false, Ordering::SeqCst).then_some(request);
        [
            taken(&self.reopen, Request::Reopen),
            taken(&self.leave, Request::Leave),
            taken(&self.leave_now, Request::LeaveNow),
        ]
        .into_iter()
        .flatten()
    }
}
