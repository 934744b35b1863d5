//! WSGI (PEP 3333): requests become calls of the application, inline on whichever thread or greenlet serves them.
//!
//! [`Wsgi`] is a [`Gateway`]. For each request it makes a fresh `environ` ([`environ`]), lends the exchange to a
//! [`Transaction`] - which is `start_response`, `write` and `wsgi.input` in one - calls the application, and sends
//! what it returns ([`answer`]). Whatever the application does, the exchange comes back answered or cut.

mod answer;
mod client_socket;
pub(crate) mod current;
mod deadline;
mod environ;
mod errors;
mod file_wrapper;
pub(crate) mod greenlets;
mod transaction;
mod variables;
mod waits;
mod websocket;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::Settings;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyStopIteration, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use shared::WorkerRow;
use telemetry::ErrorLog;
use worker::{Exchange, Front, Gateway};

use client_socket::ClientSocket;
use deadline::Deadline;
use environ::Environs;
use waits::{Blocking, Waits};

use crate::observers::Observers;
use crate::replacement::Replacement;

pub(crate) use environ::latin1;
pub(crate) use errors::ErrorStream;
pub(crate) use file_wrapper::FileWrapper;
pub(crate) use greenlets::GreenletDriver;
pub(crate) use transaction::{Transaction, type_name};

/// Transactions kept for reuse: one for each thread that serves at the same time is enough.
const SPARES: usize = 64;

/// The gateway to one WSGI application.
pub(crate) struct Wsgi {
    /// `None`: uWSGI's manner of serving without an application, which answers 500.
    application: Option<Py<PyAny>>,
    /// There are CGI scripts and no application is wanted: whatever is no script's is not there.
    only_scripts: bool,
    environs: Environs,
    observers: Option<Observers>,
    spares: Mutex<Vec<Spare>>,
    /// As transactions have it.
    row: Option<WorkerRow>,
    /// Where a request's own limit is shown to the master, if each is in a thread.
    limits: Option<WorkerRow>,
    deadline: Option<Deadline>,
    /// For which exceptions the worker is replaced.
    pub(crate) replacement: Option<Replacement>,
    log: ErrorLog,
    sendfile: bool,
    waits: Arc<dyn Waits>,
}

/// A transaction and its bound `start_response`, ready for the next request.
struct Spare {
    transaction: Py<Transaction>,
    start_response: Py<PyCFunction>,
    early_hints: Py<PyCFunction>,
    client_socket: Py<ClientSocket>,
    /// `wsgi.errors` where the web server is told.
    errors: Py<ErrorStream>,
}

impl Wsgi {
    /// A gateway to `application`, for connections of these `fronts`, in the worker of that row.
    pub(crate) fn new(
        py: Python<'_>,
        application: Option<Py<PyAny>>,
        settings: &Settings,
        fronts: &[Front],
        row: WorkerRow,
        observers: Option<Observers>,
        log: ErrorLog,
    ) -> PyResult<Wsgi> {
        Ok(Wsgi {
            application,
            only_scripts: settings.application.is_none() && !settings.cgi.mounts.is_empty(),
            environs: Environs::new(py, settings, fronts, &log)?,
            observers,
            spares: Mutex::default(),
            row: (settings.threads > 1).then_some(row),
            limits: Some(row),
            deadline: None,
            replacement: None,
            log,
            sendfile: settings.sendfile,
            waits: Arc::new(Blocking),
        })
    }

    /// Interrupts requests that take longer than `patience`. To be called on the main thread.
    ///
    /// # Errors
    /// When no thread can be started that watches them.
    pub(crate) fn interrupt_after(
        &mut self,
        py: Python<'_>,
        patience: Duration,
        number: u32,
        row: WorkerRow,
    ) -> PyResult<()> {
        self.deadline = Some(Deadline::start(py, patience, number, row, self.log.clone())?);
        Ok(())
    }

    /// The same, for requests that wait for their clients in another way than by blocking.
    fn waiting_by(self, waits: Arc<dyn Waits>) -> Wsgi {
        Wsgi {
            waits,
            limits: None,
            ..self
        }
    }

    fn serve_attached(&self, py: Python<'_>, mut exchange: Exchange) -> PyResult<Exchange> {
        if self.only_scripts {
            exchange.fail(404);
            return Ok(exchange);
        }
        let spare = self.spare(py)?;
        let transaction = spare.transaction.bind(py);
        let observed = self
            .observers
            .as_ref()
            .map(|observers| (observers, observers.begin(py, &exchange)));
        let environ = self.environs.environ(py, &exchange, &spare)?;
        let thread = exchange.thread();
        if let (Some(row), Some(limit_ms)) = (self.limits, exchange.harakiri_ms()) {
            let due_ms = sys::monotonic_ms().saturating_add(limit_ms);
            row.thread(thread as usize).limit(due_ms, limit_ms);
        }
        transaction.get().lend(exchange);
        current::begin(transaction, &environ)?;
        if let Some(deadline) = &self.deadline {
            deadline.begin(thread);
        }
        let start_response = spare.start_response.bind(py);
        let called = match (&self.application, &observed) {
            (_, Some((_, Err(error)))) => Err(error.clone_ref(py)),
            (Some(application), _) => application.bind(py).call1((&environ, start_response)),
            (None, _) => Err(no_application()),
        };
        let sent = called.and_then(|answer| answer::send(&answer, transaction.get(), self.sendfile));
        let interrupted = self
            .deadline
            .as_ref()
            .is_some_and(|deadline| deadline.end(py, thread));
        let was_socket = transaction.get().was_socket();
        let client_left = transaction.get().end_socket(sent.is_err());
        let spoke_itself = transaction.get().is_client_socket_taken();
        current::end(py, &self.log);
        let mut exchange = transaction.get().take_back(py)?;
        match sent {
            // There was an end to it already, and an application that was waiting learns that by an exception.
            Err(error) if was_socket && client_left && error.is_instance_of::<PyOSError>(py) => {}
            Ok(()) if was_socket => {}
            Err(error) if spoke_itself && error.is_instance_of::<PyStopIteration>(py) => {
                exchange.answered_elsewhere();
            }
            Ok(()) => self.finish(&mut exchange),
            Err(error) => {
                self.report(py, &mut exchange, &error);
                // A visible cut, if the client has seen something of an answer.
                if !was_socket {
                    exchange.fail(if interrupted { 504 } else { 500 });
                }
            }
        }
        if let Some((observers, Ok(observed))) = &observed {
            observers.end(py, observed, Some(&environ), &mut exchange);
        }
        drop(environ);
        self.keep(py, spare);
        Ok(exchange)
    }

    /// The answer is complete; the log is told where it is not what was announced.
    fn finish(&self, exchange: &mut Exchange) {
        if let Some(fault) = exchange.finish() {
            let line = request_line(exchange);
            self.log.warning(format_args!("{line}: {fault}"));
        }
    }

    /// The application failed, or was interrupted: the log is told.
    fn report(&self, py: Python<'_>, exchange: &mut Exchange, error: &PyErr) {
        // The log has been told of a deadline already. A worker told to leave at once interrupts its application as well;
        // that is no fault to report.
        let told = self
            .deadline
            .as_ref()
            .is_some_and(|deadline| deadline.is_cause(py, error));
        if !told && !self.waits.is_farewell(py, error) {
            if self.application.is_none() {
                self.log
                    .error("--- no python application found, check your startup logs for errors ---");
            } else {
                exchange.application_raised();
                if let Some(replacement) = &self.replacement {
                    replacement.consider(py, error);
                }
                let what = format!("Error handling request {}", request_line(exchange));
                self.log
                    .error_with_details(what, &crate::traceback::text(py, error));
            }
        }
    }

    fn spare(&self, py: Python<'_>) -> PyResult<Spare> {
        if let Some(spare) = self.lock_spares().pop() {
            return Ok(spare);
        }
        let transaction = Bound::new(py, Transaction::new(Arc::clone(&self.waits), self.row))?;
        let start_response = transaction
            .getattr("start_response")?
            .cast_into::<PyCFunction>()?;
        let early_hints = transaction.getattr("early_hints")?.cast_into::<PyCFunction>()?;
        let client_socket = Bound::new(py, ClientSocket::new(transaction.clone().unbind()))?;
        let errors = ErrorStream::to_web_server(self.log.clone(), transaction.clone().unbind());
        Ok(Spare {
            client_socket: client_socket.unbind(),
            errors: Py::new(py, errors)?,
            transaction: transaction.unbind(),
            start_response: start_response.unbind(),
            early_hints: early_hints.unbind(),
        })
    }

    /// Keeps the transaction for the next request, unless the application has kept it.
    fn keep(&self, py: Python<'_>, spare: Spare) {
        // Held by: `spare`, the two bound methods, the socket and the stream; these by `spare` alone.
        let free = references(spare.transaction.bind(py)) == 5
            && references(spare.client_socket.bind(py)) == 1
            && spare.client_socket.get().is_fresh(py)
            && references(spare.start_response.bind(py)) == 1
            && references(spare.early_hints.bind(py)) == 1
            && references(spare.errors.bind(py)) == 1;
        let mut spares = self.lock_spares();
        if free && spares.len() < SPARES {
            spares.push(spare);
        }
    }

    fn lock_spares(&self) -> std::sync::MutexGuard<'_, Vec<Spare>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway for Wsgi {
    fn serve(&self, exchange: Exchange) -> Exchange {
        Python::attach(|py| match self.serve_attached(py, exchange) {
            Ok(exchange) => exchange,
            // Only want of memory leads here: a Python object of a few bytes could not be made, or the exchange is
            // lost inside one. There is nothing left to answer with.
            Err(error) => {
                self.log.critical(format_args!("cannot serve: {error}"));
                std::process::abort()
            }
        })
    }

    fn detached(&self, wait: &mut (dyn FnMut() + Send)) {
        Python::attach(|py| {
            py.detach(wait);
            // Runs the Python handlers of signals that came meanwhile. What they raise has nobody to go to, except
            // those of a worker that has been told to leave, which the reactor knows already.
            if let Err(error) = py.check_signals()
                && !error.is_instance_of::<PyKeyboardInterrupt>(py)
                && !error.is_instance_of::<PySystemExit>(py)
            {
                self.log
                    .error_with_details("A signal handler failed", &crate::traceback::text(py, &error));
            }
        });
    }

    fn enter_thread(&self, body: &mut dyn FnMut()) {
        // Attached for the whole life of the thread, so that its `threading.local` values last as long.
        Python::attach(|_| body());
    }
}

/// How many references to an object there are.
fn references<T>(object: &Bound<'_, T>) -> isize {
    // SAFETY: reads a field of a live object, attached to the interpreter.
    unsafe { pyo3::ffi::Py_REFCNT(object.as_ptr()) }
}

fn no_application() -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err("no application is loaded")
}

/// Method and target for the log, made harmless.
pub(crate) fn request_line(exchange: &Exchange) -> String {
    let head = exchange.head();
    format!(
        "{} {}",
        head.method().escape_ascii(),
        head.target().escape_ascii()
    )
}
