//! One WebSocket as an ASGI application holds it: `receive` and `send`.
//!
//! ```text
//! Connecting --accept--> Open --close, by whomever--> Over
//!      |--close (403), an exception (500) ------------> Over
//!      \--http.response.start--> Denying --last body--> Over
//! ```
//!
//! What happens on the connection is the [`Link`]'s. This is what an application may say when, and what it is told. When
//! the connection is over it goes back to the reactor at once; only while the worker leaves it is kept until the
//! application has taken notice, so that it has the time for that.

mod link;
mod said;

use std::sync::{Mutex, MutexGuard, PoisonError};

use config::Dialect;
use protocol::websocket::{ABNORMAL, GOING_AWAY, Handshake, INTERNAL_ERROR, NORMAL, SERVICE_RESTART};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use telemetry::Event;
use worker::{Departure, Exchange, Flow, Readiness};

use self::link::{End, Link, Mailbox, Message};
use super::awaitable::Receive;
use super::driver::Driver;
use super::event::{because_client_left, event_of, gone, take_if, wake};
use super::held::Held;

/// A WebSocket in progress.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct WebSocketSession {
    driver: Py<Driver>,
    state: Mutex<State>,
}

struct State {
    place: Place,
    mail: Mailbox,
    /// `websocket.connect` has been given.
    connect_given: bool,
    /// The application runs in this task; `None` once it has returned.
    task: Option<Py<PyAny>>,
    has_returned: bool,
    /// Futures of those who wait for an event.
    receivers: Vec<Py<PyAny>>,
    /// Futures of those who wait for the client to read.
    senders: Vec<Py<PyAny>>,
}

enum Place {
    /// The application has not answered the handshake.
    Connecting(Exchange, Handshake),
    /// It answers with an HTTP response of its own; whether its head is out.
    Denying(Exchange, bool),
    /// Frames pass.
    Open(Box<Link>),
    /// The connection has gone back.
    Over,
}

/// What became of what the application has sent.
enum Progress {
    /// It is on its way.
    Done,
    /// It is queued, and to be written with others.
    Gather(usize),
    /// As much is queued as may be: the client has to read first.
    Full,
}

impl WebSocketSession {
    pub(super) fn new(driver: Py<Driver>, exchange: Exchange, handshake: Handshake) -> WebSocketSession {
        WebSocketSession {
            driver,
            state: Mutex::new(State {
                place: Place::Connecting(exchange, handshake),
                mail: Mailbox::default(),
                connect_given: false,
                task: None,
                has_returned: false,
                receivers: Vec::new(),
                senders: Vec::new(),
            }),
        }
    }

    /// Never held while Python code can run, so it is never waited for.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn driver(&self) -> &Driver {
        self.driver.get()
    }

    /// Keeps the task from being forgotten while the application runs.
    pub(super) fn set_task(&self, task: Py<PyAny>) {
        let mut state = self.lock();
        if !state.has_returned {
            state.task = Some(task);
        }
    }

    /// The task, to cancel it.
    pub(super) fn task(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.lock().task.as_ref().map(|task| task.clone_ref(py))
    }

    /// Something has become possible.
    pub(super) fn ready(&self, py: Python<'_>, readiness: Readiness) -> PyResult<()> {
        let mut guard = self.lock();
        let State { place, mail, .. } = &mut *guard;
        let read_on = match place {
            Place::Open(link) => link.ready(py, readiness, mail, self.driver()),
            Place::Connecting(exchange, _) | Place::Denying(exchange, _) => {
                exchange.notice(readiness);
                if readiness.peer_closed {
                    mail.close(ABNORMAL, "", false);
                }
                false
            }
            Place::Over => false,
        };
        self.settle(py, guard, readiness.writable, read_on)
    }

    /// The client has taken too long.
    pub(super) fn overdue(&self, py: Python<'_>) -> PyResult<()> {
        let mut guard = self.lock();
        let State { place, mail, .. } = &mut *guard;
        match place {
            Place::Open(link) => link.overdue(mail, self.driver()),
            Place::Connecting(exchange, _) | Place::Denying(exchange, _) => {
                mail.close(ABNORMAL, "", false);
                exchange.give_up();
            }
            Place::Over => {}
        }
        self.settle(py, guard, true, false)
    }

    /// Writes what was gathered.
    pub(super) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let mut guard = self.lock();
        let State { place, mail, .. } = &mut *guard;
        if let Place::Open(link) = place {
            link.flush(mail, self.driver());
        }
        self.settle(py, guard, false, false)
    }

    /// The worker leaves: the client is told to come again; or, where nobody is left to start another, that this was it.
    pub(super) fn leave(&self, py: Python<'_>, departure: Departure) -> PyResult<()> {
        let (code, why) = match departure {
            Departure::Graceful | Departure::Quick => (SERVICE_RESTART, "the server restarts"),
            Departure::MasterGone => (GOING_AWAY, "the server goes away"),
        };
        let mut guard = self.lock();
        let State { place, mail, .. } = &mut *guard;
        if let Place::Open(link) = place {
            mail.close(code, why, false);
            link.close(code, why, mail, self.driver());
        }
        self.settle(py, guard, true, false)
    }

    /// After something has happened: a connection that is over goes back, and whoever waits is woken.
    fn settle(
        &self,
        py: Python<'_>,
        mut guard: MutexGuard<'_, State>,
        may_send: bool,
        read_on: bool,
    ) -> PyResult<()> {
        let driver = self.driver();
        let state = &mut *guard;
        let mut token = None;
        let mut answered = None;
        if let Place::Open(link) = &state.place {
            token = Some(link.socket.token());
            if link.is_over()
                && (state.has_returned || driver.leaving().is_none())
                && let Place::Open(link) = std::mem::replace(&mut state.place, Place::Over)
            {
                answered = Some(link.finish(driver));
                driver.log().event(&Event::WebSocketClosed);
            }
        }
        let ended = state.mail.end().is_some();
        let receivers = take_if(state.mail.has_news(), &mut state.receivers);
        let senders = take_if(may_send || ended, &mut state.senders);
        drop(guard);
        wake(py, receivers);
        wake(py, senders);
        match (answered, token) {
            (Some(exchange), _) => driver.answered(py, exchange, None),
            (None, Some(token)) if read_on => driver.read_on(py, token),
            _ => Ok(()),
        }
    }

    /// The next event for the application, if there is one now.
    pub(super) fn take_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if !state.connect_given {
            state.connect_given = true;
            drop(guard);
            return named(py, "websocket.connect").map(|event| Some(event.into_any()));
        }
        let Some(message) = state.mail.pop() else {
            if let Place::Open(link) = &mut state.place {
                link.all_answered(&mut state.mail, self.driver());
            }
            let end = state.mail.end().cloned();
            self.settle(py, guard, false, false)?;
            return end.map(|end| disconnect(py, &end)).transpose();
        };
        if let Place::Open(link) = &mut state.place {
            let read_on = link.read_if_paused(py, &mut state.mail, self.driver());
            self.settle(py, guard, false, read_on)?;
        } else {
            drop(guard);
        }
        received(py, message).map(Some)
    }

    /// Tells the log of a handshake that has been answered with a response.
    fn tell_rejection(&self, exchange: &mut Exchange, by_application: bool) {
        let driver = self.driver();
        if driver.settings().dialect != Dialect::Uvicorn {
            return;
        }
        // As the acceptance is told: there, and not in the access log.
        exchange.leave_unlogged();
        let status = exchange.response().status();
        driver.log().event(&Event::WebSocketRejected {
            client: format!("{}:{}", exchange.client_address(), exchange.client_port()),
            target: String::from_utf8_lossy(exchange.head().target()).into_owned(),
            status_line: format!("{status} {}", protocol::reason_phrase(status)),
            by_application,
        });
    }

    /// Answers a handshake with an error page, and takes note of the end.
    fn deny(&self, py: Python<'_>, status: u16, by_application: bool) -> PyResult<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut exchange = match std::mem::replace(&mut state.place, Place::Over) {
            Place::Connecting(exchange, _) | Place::Denying(exchange, _) => exchange,
            other => {
                state.place = other;
                return Ok(());
            }
        };
        if state.mail.end().is_none_or(|end| end.is_own) {
            exchange.close_after_answer();
            exchange.fail(status);
            self.tell_rejection(&mut exchange, by_application);
        } else {
            exchange.give_up();
        }
        state.mail.close(ABNORMAL, "", true);
        let receivers = take_if(true, &mut state.receivers);
        let senders = take_if(true, &mut state.senders);
        drop(guard);
        wake(py, receivers);
        wake(py, senders);
        self.driver().answered(py, exchange, None)
    }

    /// The application has returned or raised: what it has begun is ended with this code, or this status.
    fn end(&self, py: Python<'_>, code: u16, status: u16) -> PyResult<()> {
        let mut guard = self.lock();
        guard.task = None;
        guard.has_returned = true;
        let State { place, mail, .. } = &mut *guard;
        match place {
            Place::Connecting(..) | Place::Denying(..) => {
                drop(guard);
                self.deny(py, status, false)
            }
            Place::Open(link) => {
                link.all_answered(mail, self.driver());
                mail.close(code, "", true);
                link.close(code, "", mail, self.driver());
                self.settle(py, guard, true, false)
            }
            Place::Over => Ok(()),
        }
    }
}

#[pymethods]
impl WebSocketSession {
    /// ASGI's `receive`.
    fn receive(slf: Bound<'_, Self>) -> Receive {
        Receive::new(Held::WebSocket(slf.unbind()))
    }

    /// ASGI's `send`. What it returns has to be awaited: the client may have to read first.
    fn send<'py>(slf: &Bound<'py, Self>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let (event, kind) = event_of(event)?;
        let progress = match kind.to_str()? {
            "websocket.send" => this.send_message(event)?,
            "websocket.accept" => this.accept(py, event)?,
            "websocket.close" => this.close(py, event)?,
            "websocket.http.response.start" => this.begin_denial(event)?,
            "websocket.http.response.body" => this.denial_body(py, event)?,
            other => {
                return Err(PyValueError::new_err(format!(
                    "a WebSocket knows no event {other:?} from an application"
                )));
            }
        };
        let driver = this.driver();
        match progress {
            Progress::Done => Ok(driver.sent(py)),
            Progress::Gather(token) => {
                driver.gather(py, token)?;
                Ok(driver.sent(py))
            }
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
        let future = self.driver().future(py)?;
        self.lock().receivers.push(future.clone().unbind());
        Ok(future)
    }

    /// A future that is done when the client may have read; `None` when it has.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let future = self.driver().future(py)?;
        let mut guard = self.lock();
        let State { place, mail, .. } = &mut *guard;
        let flow = match place {
            Place::Open(link) => link.flush(mail, self.driver()),
            Place::Denying(exchange, _) => match exchange.flush() {
                Flow::Full => self.driver().await_writable(exchange),
                flow => flow,
            },
            Place::Connecting(..) | Place::Over => Flow::Open,
        };
        match flow {
            Flow::Open => Ok(None),
            Flow::Full => {
                guard.senders.push(future.clone().unbind());
                Ok(Some(future))
            }
            Flow::Gone => {
                self.settle(py, guard, true, false)?;
                Err(gone())
            }
        }
    }

    /// The application has returned.
    fn returned(&self, py: Python<'_>) -> PyResult<()> {
        self.driver().task_ended(py)?;
        let state = self.lock();
        let line = match &state.place {
            Place::Connecting(exchange, _) | Place::Denying(exchange, _) if state.mail.end().is_none() => {
                Some(super::request_line(exchange))
            }
            _ => None,
        };
        drop(state);
        if let Some(line) = line {
            let what =
                format!("The application returned without an answer to the handshake of a WebSocket: {line}");
            self.driver().log().error(what);
        }
        self.end(py, NORMAL, 500)
    }

    /// The application has raised.
    fn failed(&self, error: &Bound<'_, PyAny>, scope: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = error.py();
        self.driver().task_ended(py)?;
        let error = PyErr::from_value(error.clone());
        if !self.driver().ends_with_worker(py, &error) && !because_client_left(py, &error) {
            let line = super::scope::request_line(scope);
            super::report(py, self.driver().log(), &error, "WebSocket", &line);
            self.driver().consider(py, &error);
        }
        self.end(py, INTERNAL_ERROR, 500)
    }
}

/// The value of a key that may be missing or None.
fn optional<'py>(event: &Bound<'py, PyDict>, key: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let value = event.get_item(PyString::intern(event.py(), key))?;
    Ok(value.filter(|value| !value.is_none()))
}

fn named<'py>(py: Python<'py>, kind: &str) -> PyResult<Bound<'py, PyDict>> {
    let event = PyDict::new(py);
    event.set_item(pyo3::intern!(py, "type"), PyString::intern(py, kind))?;
    Ok(event)
}

fn received(py: Python<'_>, message: Message) -> PyResult<Bound<'_, PyAny>> {
    let event = named(py, "websocket.receive")?;
    match message {
        Message::Text(text) => event.set_item(pyo3::intern!(py, "text"), text)?,
        Message::Binary(data) => event.set_item(pyo3::intern!(py, "bytes"), data)?,
    }
    Ok(event.into_any())
}

fn disconnect<'py>(py: Python<'py>, end: &End) -> PyResult<Bound<'py, PyAny>> {
    let event = named(py, "websocket.disconnect")?;
    event.set_item(pyo3::intern!(py, "code"), end.code)?;
    event.set_item(pyo3::intern!(py, "reason"), &end.reason)?;
    Ok(event.into_any())
}
