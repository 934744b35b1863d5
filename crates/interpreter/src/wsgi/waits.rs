//! How a request waits for its client: it keeps its thread, or it lets others have it.
//!
//! A [`Transaction`](super::Transaction) asks for this wherever it cannot go on. Here is the plain way; greenlets have
//! theirs in [`greenlets`](super::greenlets).

use std::time::Duration;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
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

    /// Waits a moment for somebody else who has the exchange.
    fn pause(&self, py: Python<'_>);

    /// Whether the exception only says that the worker ends, which is no fault to report.
    fn is_farewell(&self, py: Python<'_>, error: &PyErr) -> bool {
        error.is_instance_of::<PyKeyboardInterrupt>(py)
    }
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

    fn pause(&self, py: Python<'_>) {
        py.detach(|| std::thread::sleep(PAUSE));
    }
}
