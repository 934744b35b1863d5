//! How a request waits for its client: it keeps its thread, or it lets others have it.
//!
//! A [`Transaction`](super::Transaction) asks for this wherever it cannot go on. Here is the plain way; greenlets have
//! theirs in [`greenlets`](super::greenlets).

use std::os::fd::BorrowedFd;
use std::time::Duration;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use worker::{BodyError, Exchange, Flow};

/// How long somebody waits for an exchange that another thread of the application still has.
const PAUSE: Duration = Duration::from_millis(1);

/// Waiting, as the worker's way of serving has it.
pub(crate) trait Waits: Send + Sync {
    /// Waits for more of the body, at most for the body timeout.
    ///
    /// # Errors
    /// What interrupts the wait. What is wrong with the body is a result.
    fn receive_body(&self, py: Python<'_>, exchange: &mut Exchange) -> PyResult<Result<(), BodyError>>;

    /// Waits until more may be written, at most for the write timeout without any progress.
    ///
    /// # Errors
    /// What interrupts the wait.
    fn wait_writable(&self, py: Python<'_>, exchange: &mut Exchange) -> PyResult<Flow>;

    /// Waits at a client's socket, for so long at the most; whether it can be read from, or written to.
    ///
    /// # Errors
    /// What interrupts the wait.
    fn wait_socket(
        &self,
        py: Python<'_>,
        socket: BorrowedFd<'_>,
        want: Want,
        patience: Duration,
    ) -> PyResult<bool>;

    /// Waits a moment for somebody else who has the exchange.
    fn pause(&self, py: Python<'_>);

    /// Whether the exception only says that the worker ends, which is no fault to report.
    fn is_farewell(&self, py: Python<'_>, error: &PyErr) -> bool {
        error.is_instance_of::<PyKeyboardInterrupt>(py)
    }
}

/// What to wait for at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Read,
    Write,
}

/// Blocks the thread, with the interpreter released.
pub(super) struct Blocking;

impl Waits for Blocking {
    fn receive_body(&self, py: Python<'_>, exchange: &mut Exchange) -> PyResult<Result<(), BodyError>> {
        Ok(py.detach(|| exchange.receive_body()))
    }

    fn wait_writable(&self, py: Python<'_>, exchange: &mut Exchange) -> PyResult<Flow> {
        Ok(py.detach(|| exchange.wait_writable()))
    }

    fn wait_socket(
        &self,
        py: Python<'_>,
        socket: BorrowedFd<'_>,
        want: Want,
        patience: Duration,
    ) -> PyResult<bool> {
        let events = match want {
            Want::Read => PollFlags::IN,
            Want::Write => PollFlags::OUT,
        };
        let patience = Timespec::try_from(patience).ok();
        let found = py.detach(|| poll(&mut [PollFd::from_borrowed_fd(socket, events)], patience.as_ref()));
        py.check_signals()?;
        Ok(found.is_ok_and(|ready| ready > 0))
    }

    fn pause(&self, py: Python<'_>) {
        py.detach(|| std::thread::sleep(PAUSE));
    }
}
