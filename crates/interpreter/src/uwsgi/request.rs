//! What belongs to one request: uWSGI's functions about it mean the request that the calling thread or greenlet serves.
//!
//! Text for the log is kept as text; what is no UTF-8 is replaced there.

use std::sync::Arc;

use config::Settings;
use protocol::websocket::Kind;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use shared::WorkerRow;
use worker::Exchange;

use super::caches::Octets;
use crate::wsgi::{Transaction, current};

/// The current request of whoever calls.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct CurrentRequest {
    settings: Arc<Settings>,
    /// The worker's, where each request is in a thread.
    row: Option<WorkerRow>,
}

impl CurrentRequest {
    pub(super) fn new(settings: Arc<Settings>, row: Option<WorkerRow>) -> CurrentRequest {
        let row = row.filter(|_| !settings.greenlets);
        CurrentRequest { settings, row }
    }
}

fn here(py: Python<'_>) -> PyResult<(Py<Transaction>, Py<PyDict>)> {
    current::request(py)?.ok_or_else(|| {
        PyValueError::new_err(
            "there is no request here: this can be called only by a WSGI application, in the thread or greenlet that \
             serves the request, until it is answered",
        )
    })
}

#[pymethods]
impl CurrentRequest {
    /// From now on it is known which request is current; `module` is the content of `uwsgi`.
    #[staticmethod]
    fn watch(module: &Bound<'_, PyDict>) -> PyResult<()> {
        current::watch(module)
    }

    /// The environ.
    #[staticmethod]
    fn environ(py: Python<'_>) -> PyResult<Py<PyDict>> {
        here(py).map(|(_, environ)| environ)
    }

    /// Whether there is one.
    #[staticmethod]
    fn is_there(py: Python<'_>) -> PyResult<bool> {
        current::request(py).map(|request| request.is_some())
    }

    /// The number of the client's socket.
    #[staticmethod]
    fn descriptor(py: Python<'_>) -> PyResult<i32> {
        here(py)?.0.get().with(|exchange| exchange.descriptor())
    }

    /// Notes something for the log line.
    #[staticmethod]
    fn note(py: Python<'_>, name: Octets, value: Octets) -> PyResult<()> {
        let (name, value) = (name.text(), value.text());
        here(py)?.0.get().with(|exchange| exchange.note(name, value))
    }

    /// What has been noted.
    #[staticmethod]
    fn noted<'py>(py: Python<'py>, name: Octets) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let name = name.text();
        here(py)?.0.get().with(|exchange| {
            let value = exchange.noted(&name);
            value.map(|value| PyBytes::new(py, value.as_bytes()))
        })
    }

    /// Has the master end this worker when the request has taken so many seconds more, or with 0 no longer. Whether it can.
    fn limit(&self, py: Python<'_>, seconds: u32) -> PyResult<bool> {
        let (Some(row), Some((transaction, _))) = (self.row, current::request(py)?) else {
            return Ok(false);
        };
        let thread = transaction.get().with(|exchange| exchange.thread())?;
        let limit_ms = u64::from(seconds) * 1000;
        let due_ms = if seconds > 0 {
            sys::monotonic_ms() + limit_ms
        } else {
            0
        };
        row.thread(thread as usize).limit(due_ms, limit_ms);
        Ok(true)
    }

    /// Has the request logged in any case.
    #[staticmethod]
    fn log(py: Python<'_>) -> PyResult<()> {
        here(py)?.0.get().with(Exchange::log_in_any_case)
    }

    /// What the application is called with to begin its answer.
    #[staticmethod]
    #[pyo3(signature = (*arguments))]
    fn start_response<'py>(py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let transaction = here(py)?.0.into_bound(py);
        transaction.call_method1(intern!(py, "start_response"), arguments)
    }

    /// Ends the client's connection; the application goes on.
    #[staticmethod]
    fn disconnect(py: Python<'_>) -> PyResult<()> {
        here(py)?.0.get().disconnect(py)
    }

    /// A part of the body that has not been read.
    #[staticmethod]
    fn body_part(py: Python<'_>, waits: bool) -> PyResult<Bound<'_, PyBytes>> {
        here(py)?.0.bind(py).get().body_part(py, waits)
    }

    /// Makes it a WebSocket.
    fn accept_websocket(&self, py: Python<'_>, subprotocol: Option<&str>) -> PyResult<()> {
        let options = &self.settings.asgi.websocket;
        here(py)?.0.get().accept_websocket(py, subprotocol, options)
    }

    /// The next message; `None` when there is none and `waits` is false.
    #[staticmethod]
    fn receive_message<'py>(py: Python<'py>, waits: bool) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let message = here(py)?.0.get().receive_message(py, waits)?;
        Ok(message.map(|message| PyBytes::new(py, &message)))
    }

    /// Sends a message.
    #[staticmethod]
    fn send_message(py: Python<'_>, message: Octets, is_text: bool) -> PyResult<()> {
        let payload = message.bytes();
        if is_text && str::from_utf8(payload).is_err() {
            return Err(PyValueError::new_err(
                "a text message has to be UTF-8: send other bytes with websocket_send_binary",
            ));
        }
        let kind = if is_text { Kind::Text } else { Kind::Binary };
        here(py)?.0.get().send_message(py, kind, payload)
    }
}
