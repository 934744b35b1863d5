//! One request as the application holds it: `start_response`, `write`, and `wsgi.input`.
//!
//! The exchange is lent to a [`Transaction`] for the time of the call and taken back afterwards. An application
//! that keeps the object finds it empty, and gets an error instead of another request's data. While a read waits
//! for the client, the exchange is out of the object, so that no other thread can touch it.

mod head;
mod socket;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ResponseHead;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use shared::WorkerRow;
use worker::{Exchange, Flow};

use super::client_socket;
use super::waits::Waits;
use super::websocket::Socket;

pub(crate) use head::type_name;
use head::{fill, push_headers, raised};

/// `wsgi.input`, and the state behind `start_response`.
#[pyclass(frozen, module = "penstock", name = "Input")]
pub(crate) struct Transaction {
    state: Mutex<State>,
    waits: Arc<dyn Waits>,
    /// Of a worker in which a client that the application speaks with itself may take its time.
    row: Option<WorkerRow>,
}

#[derive(Default)]
struct State {
    /// `None`: before and after the request, and while a read waits.
    exchange: Option<Exchange>,
    /// `start_response` has been called.
    started: bool,
    /// `write()` has been used.
    written: bool,
    /// A read of the body has failed; so do all others.
    broken: bool,
    /// The exchange has become a WebSocket.
    socket: Option<Box<Socket>>,
    /// It had, at any time.
    was_socket: bool,
    /// The application has asked for the client's socket.
    client_socket_taken: bool,
}

impl Transaction {
    /// One for requests that wait for their clients in this way. The request of a client with whom the application
    /// speaks itself is no longer in progress in `row`: no limit ends it.
    pub(super) fn new(waits: Arc<dyn Waits>, row: Option<WorkerRow>) -> Transaction {
        Transaction {
            state: Mutex::default(),
            waits,
            row,
        }
    }

    /// Begins a request.
    pub(crate) fn lend(&self, exchange: Exchange) {
        *self.lock() = State {
            exchange: Some(exchange),
            ..State::default()
        };
    }

    /// Ends the request: the exchange as the application left it.
    ///
    /// # Errors
    /// When another thread of the application is just reading the body; which the application should have waited for.
    pub(crate) fn take_back(&self, py: Python<'_>) -> PyResult<Exchange> {
        loop {
            let mut state = self.lock();
            if let Some(socket) = state.socket.take() {
                return Ok(socket.end(false));
            }
            if let Some(exchange) = state.exchange.take() {
                return Ok(exchange);
            }
            drop(state);
            // A thread that the application left behind is waiting for the body, at most for the body timeout.
            self.waits.pause(py);
        }
    }

    /// A socket on the client's connection, for the application to speak with the client itself.
    ///
    /// # Errors
    /// When the request is over, or a descriptor or memory is missing.
    pub(super) fn open_client_socket(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.lock().client_socket_taken = true;
        self.outside(|exchange| {
            if let Some(row) = self.row {
                row.thread(exchange.thread() as usize).rest();
            }
            client_socket::open(py, exchange)
        })
    }

    /// Whether the application has asked for the client's socket.
    pub(super) fn is_client_socket_taken(&self) -> bool {
        self.lock().client_socket_taken
    }

    /// Never held while Python code runs or while anything blocks, so it is never waited for.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `start_response` has been called.
    pub(crate) fn started(&self) -> bool {
        self.lock().started
    }

    /// Whether the application has used `write()`.
    pub(crate) fn written(&self) -> bool {
        self.lock().written
    }

    /// Does something with the exchange.
    ///
    /// # Errors
    /// When the request is over.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Exchange) -> T) -> PyResult<T> {
        let mut state = self.lock();
        let State { exchange, socket, .. } = &mut *state;
        let exchange = match socket {
            Some(socket) => Some(socket.exchange()),
            None => exchange.as_mut(),
        };
        exchange.map(work).ok_or_else(over)
    }

    /// Ends the client's connection with what has been written; the application goes on.
    ///
    /// # Errors
    /// When the request is over.
    pub(crate) fn disconnect(&self, py: Python<'_>) -> PyResult<()> {
        self.end_socket(false);
        let (started, is_socket) = (self.started(), self.was_socket());
        if !is_socket {
            self.with(|exchange| {
                if started && !exchange.begun() {
                    exchange.begin();
                }
                // What is short of its length ends with the connection.
                let _ = exchange.finish();
            })?;
            while self.flush(py)? == Flow::Open && self.with(|exchange| exchange.pending())? > 0 {
                self.outside(|exchange| self.waits.wait_writable(py, exchange))?;
            }
        }
        self.with(Exchange::hang_up)
    }

    /// What has come of the body and was not read; with `waits`, at least a byte of it, unless it has ended.
    ///
    /// # Errors
    /// `OSError`, when the body cannot be read to its end.
    pub(crate) fn body_part<'py>(&self, py: Python<'py>, waits: bool) -> PyResult<Bound<'py, PyBytes>> {
        if waits {
            self.receive_until(py, |body| !body.is_empty())?;
        } else if let Err(error) = self.with(|exchange| match exchange.body_arriving() {
            true => exchange.receive_body_now(),
            false => Ok(true),
        })? {
            return Err(PyOSError::new_err(error.to_string()));
        }
        self.take(py, usize::MAX)
    }

    /// Hands what is queued to the network; waits while too much is queued.
    pub(crate) fn flush(&self, py: Python<'_>) -> PyResult<Flow> {
        match self.with(Exchange::flush_block)? {
            Flow::Full => self.outside(|exchange| self.waits.wait_writable(py, exchange)),
            other => Ok(other),
        }
    }

    /// Does something that may wait, with the exchange out of reach.
    fn outside<T>(&self, work: impl FnOnce(&mut Exchange) -> PyResult<T>) -> PyResult<T> {
        let mut exchange = self.lock().exchange.take().ok_or_else(over)?;
        let result = work(&mut exchange);
        self.lock().exchange = Some(exchange);
        result
    }

    /// Waits until `enough` of the body has been received, or all of it.
    fn receive_until(&self, py: Python<'_>, enough: impl Fn(&[u8]) -> bool) -> PyResult<()> {
        loop {
            let complete = {
                let state = self.lock();
                let exchange = state.exchange.as_ref().ok_or_else(over)?;
                if state.broken {
                    return Err(PyOSError::new_err(
                        "the request body could not be read to its end",
                    ));
                }
                enough(exchange.body()) || !exchange.body_arriving()
            };
            if complete {
                return Ok(());
            }
            if let Err(error) = self.outside(|exchange| self.waits.receive_body(py, exchange))? {
                self.lock().broken = true;
                return Err(PyOSError::new_err(error.to_string()));
            }
        }
    }

    /// Takes `count` bytes of the body, or what there is.
    fn take<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.with(|exchange| {
            let body = exchange.body();
            let count = count.min(body.len());
            let bytes = PyBytes::new(py, &body[..count]);
            exchange.consume_body(count);
            bytes
        })
    }

    fn take_line<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        let line_end = |body: &[u8]| {
            let within = &body[..limit.min(body.len())];
            within.iter().position(|byte| *byte == b'\n').map(|at| at + 1)
        };
        self.receive_until(py, |body| body.len() >= limit || line_end(body).is_some())?;
        let end = self.with(|exchange| line_end(exchange.body()).unwrap_or(limit))?;
        self.take(py, end)
    }
}

#[pymethods]
impl Transaction {
    /// `start_response(status, headers, exc_info=None)` of PEP 3333.
    #[pyo3(signature = (status, headers, exc_info = None))]
    fn start_response<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        {
            let mut state = this.lock();
            let started = state.started;
            let exchange = state.exchange.as_mut().ok_or_else(over)?;
            if let Some(info) = exc_info.filter(|info| !info.is_none()) {
                if exchange.begun() {
                    drop(state);
                    return Err(raised(info)?);
                }
            } else if started {
                return Err(PyRuntimeError::new_err(
                    "start_response was called twice without exc_info (PEP 3333 allows that only for errors)",
                ));
            }
            exchange.response().clear();
            if let Err(error) = fill(exchange, status, headers) {
                exchange.response().clear();
                return Err(error);
            }
            state.started = true;
        }
        // Nearly nobody calls what is returned, so it is made only when looked up; a bound method is cheap.
        slf.getattr(pyo3::intern!(slf.py(), "write"))
    }

    /// gunicorn's `wsgi.early_hints`: sends a 103 with these headers (RFC 8297). Does nothing once the answer has begun,
    /// nor for a client that speaks HTTP/1.0.
    fn early_hints(&self, py: Python<'_>, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut hints = ResponseHead::default();
        hints
            .set_status_code(103)
            .map_err(|fault| PyValueError::new_err(fault.to_string()))?;
        push_headers(&mut hints, headers)?;
        let sent = self.with(|exchange| {
            if exchange.begun() {
                return false;
            }
            // The application may have called start_response: its head waits meanwhile.
            let answer = std::mem::replace(exchange.response(), hints);
            exchange.begin();
            *exchange.response() = answer;
            true
        })?;
        if sent {
            self.flush(py)?;
        }
        Ok(())
    }

    /// The `write(bytes)` callable that `start_response` returns.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let bytes = data.as_bytes();
        if self.was_socket() {
            return Err(over());
        }
        self.lock().written = true;
        if bytes.is_empty() {
            return Ok(());
        }
        self.with(|exchange| {
            if !exchange.begun() {
                exchange.begin();
            }
            exchange.write(bytes);
        })?;
        // A client that is gone is no error of the application's.
        self.flush(py).map(drop)
    }

    /// Reads `size` bytes of the request's body, or all of it.
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let size = wanted(size);
        self.receive_until(py, |body| body.len() >= size)?;
        self.take(py, size)
    }

    /// Reads up to `size` bytes, whatever is there first.
    #[pyo3(signature = (size = None, /))]
    fn read1<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let size = wanted(size);
        self.receive_until(py, |body| size == 0 || !body.is_empty())?;
        self.take(py, size)
    }

    /// Reads one line with its end, of at most `size` bytes.
    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.take_line(py, wanted(size))
    }

    /// Reads lines, until they make up `hint` bytes.
    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let enough = hint
            .filter(|hint| *hint > 0)
            .map_or(usize::MAX, isize::unsigned_abs);
        let lines = PyList::empty(py);
        let mut size = 0;
        while size < enough {
            let line = self.take_line(py, usize::MAX)?;
            if line.as_bytes().is_empty() {
                break;
            }
            size += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.take_line(py, usize::MAX)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }

    /// Does nothing: the body belongs to the server.
    fn close(&self) {}

    fn readable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        false
    }

    #[getter]
    fn closed(&self) -> bool {
        false
    }
}

fn over() -> PyErr {
    PyValueError::new_err("this request is over: its input and its answer belong to the server again")
}

/// A size argument as files take it: `None` and negative numbers mean everything.
fn wanted(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok())
        .unwrap_or(usize::MAX)
}
