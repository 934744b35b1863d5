//! `gunicorn.socket`: the client's connection, for applications that speak with the client themselves (WebSockets).
//!
//! A socket of Python's own, a second handle on the connection, is made when something is asked of it: nearly nobody
//! asks. The reactor leaves the connection alone while the application has the request. An application that has done
//! all the speaking says so as it does under gunicorn: it raises `StopIteration`, and nothing is answered.

use std::os::fd::IntoRawFd;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use worker::Exchange;

use super::transaction::Transaction;

/// Stands in an environ for the socket of the request that the transaction has.
#[pyclass(frozen, module = "penstock", name = "ClientSocket")]
pub(super) struct ClientSocket {
    transaction: Py<Transaction>,
    /// Whoever has it may use it longer than the request lasts: a thread that reads from it, for example.
    socket: PyOnceLock<Py<PyAny>>,
}

impl ClientSocket {
    pub(super) fn new(transaction: Py<Transaction>) -> ClientSocket {
        ClientSocket {
            transaction,
            socket: PyOnceLock::new(),
        }
    }

    /// Whether it can stand for the next request's socket too.
    pub(super) fn is_fresh(&self, py: Python<'_>) -> bool {
        self.socket.get(py).is_none()
    }
}

#[pymethods]
impl ClientSocket {
    fn __getattr__<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let socket = self
            .socket
            .get_or_try_init(py, || self.transaction.get().open_client_socket(py))?;
        socket.bind(py).getattr(name)
    }

    /// What it stands for, to whoever asks with `isinstance`.
    #[getter]
    fn __class__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("socket")?.getattr("socket")
    }

    /// Does not make the socket: people print their environ.
    fn __repr__(&self) -> &'static str {
        "<the client's socket>"
    }
}

/// A socket of Python's on the connection of that request. What was queued before goes out first.
pub(super) fn open(py: Python<'_>, exchange: &mut Exchange) -> PyResult<Py<PyAny>> {
    exchange.flush();
    let descriptor = exchange.socket()?;
    let module = py.import("penstock._gunicorn.client_socket")?;
    let make = module.getattr("ClientSocket")?;
    let arguments = PyDict::new(py);
    arguments.set_item("fileno", descriptor.into_raw_fd())?;
    Ok(make.call((), Some(&arguments))?.unbind())
}
