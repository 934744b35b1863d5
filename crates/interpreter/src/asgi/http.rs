//! One HTTP request as an ASGI application holds it: `receive` and `send`.
//!
//! ```text
//! Waiting --start--> Started --body--> Sending --last body--> [Trailers] --> Complete
//! ```
//!
//! The head waits for the first piece of the body and leaves with it. A piece that follows quickly on another waits for
//! the end of the loop's turn, and so does a complete answer: see [`Driver`]. When the answer is complete the exchange goes
//! back to the reactor at once, whatever the application still does in the background.

mod answer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use shared::RequestInProgress;
use worker::{Exchange, Flow, Readiness};

use super::awaitable::Receive;
use super::driver::{Driver, SoftDeadline};
use super::event::{because_client_left, bytes_of, event_of, gone, take_if, truth, wake};
use super::held::Held;
use crate::observers::Observed;

use answer::{Piece, Progress, part_of_file, whole_file};

/// An HTTP request in progress.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct HttpRequest {
    driver: Py<Driver>,
    state: Mutex<State>,
}

struct State {
    /// `None` once the answer is complete.
    exchange: Option<Exchange>,
    phase: Phase,
    /// The last event of the request's body has been given.
    body_given: bool,
    /// The reactor watches how long the client takes to send more of the body.
    awaits_body: bool,
    /// The reactor watches how long the client takes to read what is queued.
    awaits_reading: bool,
    /// The client is gone, or its body cannot be completed.
    disconnected: bool,
    /// It has taken too long, and its task has been cancelled, or the step in which it blocks the loop interrupted.
    interrupted: bool,
    /// The latter, which happens once.
    step_interrupted: bool,
    /// The application has announced trailers.
    announced_trailers: bool,
    /// The application runs in this task; the loop itself holds only weak references.
    task: Option<Py<PyAny>>,
    /// Somebody is to be told of the answer.
    observed: Option<Observed>,
    /// Futures of those who wait for an event.
    receivers: Vec<Py<PyAny>>,
    /// Futures of those who wait for the client to read.
    senders: Vec<Py<PyAny>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The application has sent nothing.
    Waiting,
    /// It has given the head, which is still held back.
    Started,
    /// The head is out.
    Sending,
    /// The body is complete, trailers are due.
    Trailers,
    /// The answer is complete.
    Complete,
}

impl HttpRequest {
    pub(super) fn new(driver: Py<Driver>, exchange: Exchange, observed: Option<Observed>) -> HttpRequest {
        HttpRequest {
            driver,
            state: Mutex::new(State {
                exchange: Some(exchange),
                phase: Phase::Waiting,
                body_given: false,
                awaits_body: false,
                awaits_reading: false,
                disconnected: false,
                interrupted: false,
                step_interrupted: false,
                announced_trailers: false,
                task: None,
                observed,
                receivers: Vec::new(),
                senders: Vec::new(),
            }),
        }
    }

    /// Never held while Python code can run, so it is never waited for.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the task from being forgotten while the request is in progress.
    pub(super) fn set_task(&self, task: Py<PyAny>) {
        let mut state = self.lock();
        if state.exchange.is_some() {
            state.task = Some(task);
        }
    }

    /// The task, to cancel it.
    pub(super) fn task(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.lock().task.as_ref().map(|task| task.clone_ref(py))
    }

    /// Cancels the task if the request has taken longer than it may, once, and says which request that is.
    pub(super) fn interrupt(
        &self,
        py: Python<'_>,
        deadline: &SoftDeadline,
    ) -> PyResult<Option<RequestInProgress>> {
        let mut state = self.lock();
        let (Some(late), Some(task), false) = (state.late(deadline), &state.task, state.interrupted) else {
            return Ok(None);
        };
        let request = in_progress(late);
        let task = task.clone_ref(py);
        state.interrupted = true;
        drop(state);
        task.call_method0(py, pyo3::intern!(py, "cancel"))?;
        Ok(Some(request))
    }

    /// It has taken longer than it may, and the step in which it may block the loop has not been interrupted.
    pub(super) fn is_to_be_interrupted(&self, deadline: &SoftDeadline) -> bool {
        let state = self.lock();
        state.late(deadline).is_some() && !state.step_interrupted
    }

    /// Something has become possible.
    pub(super) fn ready(&self, py: Python<'_>, readiness: Readiness) {
        let mut state = self.lock();
        let Some(exchange) = &mut state.exchange else {
            return;
        };
        exchange.notice(readiness);
        if readiness.writable && exchange.pending() > 0 {
            self.flush_rest(&mut state);
        }
        let receivers = take_if(readiness.readable || readiness.peer_closed, &mut state.receivers);
        let senders = take_if(readiness.writable || readiness.peer_closed, &mut state.senders);
        drop(state);
        wake(py, receivers);
        wake(py, senders);
    }

    /// The client has taken too long, to send its body or to read its answer.
    pub(super) fn overdue(&self, py: Python<'_>) {
        let mut state = self.lock();
        state.disconnected = true;
        let awaits_reading = state.awaits_reading;
        if let Some(exchange) = &mut state.exchange {
            if awaits_reading {
                exchange.give_up_on_reader();
            } else {
                exchange.give_up();
            }
        }
        let (receivers, senders) = (
            take_if(true, &mut state.receivers),
            take_if(true, &mut state.senders),
        );
        drop(state);
        wake(py, receivers);
        wake(py, senders);
    }

    /// Writes what was gathered.
    pub(super) fn flush(&self) {
        self.flush_rest(&mut self.lock());
    }

    /// Writes what waits. What the client does not take now leaves as it reads, whatever the application does then.
    fn flush_rest(&self, state: &mut State) -> Flow {
        let State {
            exchange: Some(exchange),
            awaits_body,
            awaits_reading,
            disconnected,
            ..
        } = state
        else {
            return Flow::Open;
        };
        let driver = self.driver.get();
        let flow = exchange.flush();
        let is_watched = flow != Flow::Gone && exchange.pending() > 0;
        if is_watched && driver.await_writable(exchange) == Flow::Gone {
            *disconnected = true;
            return Flow::Gone;
        }
        if std::mem::replace(awaits_reading, is_watched) && !is_watched {
            driver.end_wait(exchange.token());
            if *awaits_body {
                driver.await_body(exchange);
            }
        }
        *disconnected |= flow == Flow::Gone;
        flow
    }

    /// The next event for the application, if there is one now.
    pub(super) fn take_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut state = self.lock();
        let State {
            exchange,
            body_given,
            awaits_body,
            disconnected,
            ..
        } = &mut *state;
        let Some(exchange) = exchange else {
            return disconnect(py).map(Some);
        };
        let driver = self.driver.get();
        while !*body_given && !*disconnected {
            let arriving = exchange.body_arriving();
            let body = exchange.body();
            if !body.is_empty() || !arriving {
                let bytes = PyBytes::new(py, body);
                exchange.consume_body(bytes.as_bytes().len());
                *body_given = !arriving;
                if std::mem::take(awaits_body) {
                    driver.end_wait(exchange.token());
                }
                drop(state);
                return request_event(py, bytes, arriving).map(Some);
            }
            match exchange.receive_body_now() {
                Ok(true) => {}
                Ok(false) => {
                    *awaits_body = true;
                    driver.await_body(exchange);
                    return Ok(None);
                }
                Err(_) => *disconnected = true,
            }
        }
        let gone = *disconnected || exchange.peer_closed();
        drop(state);
        gone.then(|| disconnect(py)).transpose()
    }

    pub(super) fn driver(&self) -> &Driver {
        self.driver.get()
    }

    fn is_disconnected(&self) -> bool {
        self.lock().disconnected
    }
}

impl State {
    /// The request, if it has taken longer than it may.
    fn late(&self, deadline: &SoftDeadline) -> Option<&Exchange> {
        self.exchange
            .as_ref()
            .filter(|exchange| deadline.is_over(exchange.age()))
    }
}

fn in_progress(exchange: &Exchange) -> RequestInProgress {
    RequestInProgress {
        started_ms: sys::monotonic_ms().saturating_sub(exchange.age().as_millis() as u64),
        request: super::request_line(exchange),
        client: exchange.client_address().to_owned(),
    }
}

#[pymethods]
impl HttpRequest {
    /// ASGI's `receive`.
    fn receive(slf: Bound<'_, Self>) -> Receive {
        Receive::new(Held::Http(slf.unbind()))
    }

    /// ASGI's `send`. What it returns has to be awaited: the client may have to read first.
    fn send<'py>(slf: &Bound<'py, Self>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let (event, kind) = event_of(event)?;
        let progress = match kind.to_str()? {
            "http.response.start" => this.start(event).map(|()| Progress::Done),
            "http.response.body" => {
                let body = event.get_item(pyo3::intern!(py, "body"))?;
                let body = body.map_or_else(|| Ok(PyBytes::new(py, b"")), |body| bytes_of(body, "body"))?;
                let more = truth(event, pyo3::intern!(py, "more_body"))?;
                this.body(py, "http.response.body", Piece::Bytes(&body), more)
            }
            "http.response.pathsend" => {
                let piece = whole_file(event)?;
                this.body(py, "http.response.pathsend", piece, false)
            }
            "http.response.zerocopysend" => {
                let more = truth(event, pyo3::intern!(py, "more_body"))?;
                this.body(py, "http.response.zerocopysend", part_of_file(event)?, more)
            }
            "http.response.trailers" => this.trailers(py, event),
            "http.response.early_hint" => this.early_hint(event),
            other => Err(PyValueError::new_err(format!(
                "an HTTP request knows no event {other:?} from an application"
            ))),
        };
        // The rest of an answer to a client that has left is nobody's.
        let progress = match progress {
            Err(_) if this.is_disconnected() => return Err(gone()),
            other => other?,
        };
        let driver = this.driver.get();
        match progress {
            Progress::Done => Ok(driver.sent(py)),
            Progress::Full => driver.send_later(py, slf),
        }
    }

    /// For [`Receive`]: the next event, or `None`.
    #[pyo3(name = "take_event")]
    fn python_take_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.take_event(py)
    }

    /// A future that is done when there may be an event.
    fn arrival<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.driver.get().future(py)?;
        self.lock().receivers.push(future.clone().unbind());
        Ok(future)
    }

    /// A future that is done when the client may have read; `None` when it has.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let future = self.driver.get().future(py)?;
        let mut state = self.lock();
        match self.flush_rest(&mut state) {
            Flow::Open => return Ok(None),
            Flow::Full => {}
            Flow::Gone => return Err(gone()),
        }
        state.senders.push(future.clone().unbind());
        Ok(Some(future))
    }

    /// Asked in the middle of a step of this request, for which the loop has waited too long. True, once, if the request
    /// itself has taken too long: then the step is interrupted.
    fn blocks_too_long(&self) -> bool {
        let driver = self.driver.get();
        let Some(deadline) = driver.soft_deadline() else {
            return false;
        };
        let mut state = self.lock();
        let Some(late) = state.late(&deadline).filter(|_| !state.step_interrupted) else {
            return false;
        };
        let request = in_progress(late);
        state.step_interrupted = true;
        let is_told = std::mem::replace(&mut state.interrupted, true);
        drop(state);
        if !is_told {
            driver.tell_interrupted(request);
        }
        true
    }

    /// The application has returned.
    fn returned(&self, py: Python<'_>) -> PyResult<()> {
        self.driver.get().task_ended(py)?;
        let phase = self.lock().phase;
        let missing = match phase {
            Phase::Complete => return Ok(()),
            Phase::Waiting => "without starting a response",
            Phase::Started | Phase::Sending | Phase::Trailers => "without completing its response",
        };
        if !self.is_disconnected() {
            let line = self.lock().exchange.as_ref().map(super::request_line);
            let what = format!("The application returned {missing}: {}", line.unwrap_or_default());
            self.driver.get().log().error(what);
        }
        self.cut(py)
    }

    /// The application has raised.
    fn failed(&self, error: &Bound<'_, PyAny>, scope: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = error.py();
        self.driver.get().task_ended(py)?;
        let error = PyErr::from_value(error.clone());
        let log = self.driver.get().log();
        if self.lock().interrupted {
            log.error_with_details("It was at", &crate::traceback::text(py, &error));
        } else if !self.driver.get().ends_with_worker(py, &error) && !because_client_left(py, &error) {
            super::report(py, log, &error, "request", &super::scope::request_line(scope));
            if let Some(exchange) = &mut self.lock().exchange {
                exchange.application_raised();
            }
            self.driver.get().consider(py, &error);
        }
        self.cut(py)
    }
}

fn request_event<'py>(py: Python<'py>, body: Bound<'py, PyBytes>, more: bool) -> PyResult<Bound<'py, PyAny>> {
    let event = PyDict::new(py);
    event.set_item(pyo3::intern!(py, "type"), pyo3::intern!(py, "http.request"))?;
    event.set_item(pyo3::intern!(py, "body"), body)?;
    event.set_item(pyo3::intern!(py, "more_body"), more)?;
    Ok(event.into_any())
}

fn disconnect(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let event = PyDict::new(py);
    event.set_item(pyo3::intern!(py, "type"), pyo3::intern!(py, "http.disconnect"))?;
    Ok(event.into_any())
}
