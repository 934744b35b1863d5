//! What an application holds while it answers: an HTTP request or a WebSocket.

use pyo3::prelude::*;
use worker::{Departure, Readiness};

use super::http::HttpRequest;
use super::websocket::WebSocketSession;

/// One of both, as the driver and the awaitables know it.
pub(super) enum Held {
    Http(Py<HttpRequest>),
    WebSocket(Py<WebSocketSession>),
}

/// Calls the same method of whichever it is.
macro_rules! whichever {
    ($held:expr, $name:ident => $call:expr) => {
        match $held {
            Held::Http(held) => {
                let $name = held.get();
                $call
            }
            Held::WebSocket(held) => {
                let $name = held.get();
                $call
            }
        }
    };
}

impl Held {
    pub(super) fn clone_ref(&self, py: Python<'_>) -> Held {
        match self {
            Held::Http(held) => Held::Http(held.clone_ref(py)),
            Held::WebSocket(held) => Held::WebSocket(held.clone_ref(py)),
        }
    }

    /// The object itself.
    pub(super) fn object<'a, 'py>(&'a self, py: Python<'py>) -> &'a Bound<'py, PyAny> {
        match self {
            Held::Http(held) => held.bind(py).as_any(),
            Held::WebSocket(held) => held.bind(py).as_any(),
        }
    }

    /// Keeps the task from being forgotten while it is in progress.
    pub(super) fn set_task(&self, task: Py<PyAny>) {
        whichever!(self, held => held.set_task(task));
    }

    /// The task, to cancel it.
    pub(super) fn task(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        whichever!(self, held => held.task(py))
    }

    /// Something has become possible.
    pub(super) fn ready(&self, py: Python<'_>, readiness: Readiness) -> PyResult<()> {
        match self {
            Held::Http(held) => {
                held.get().ready(py, readiness);
                Ok(())
            }
            Held::WebSocket(held) => held.get().ready(py, readiness),
        }
    }

    /// The client has taken too long.
    pub(super) fn overdue(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Held::Http(held) => {
                held.get().overdue(py);
                Ok(())
            }
            Held::WebSocket(held) => held.get().overdue(py),
        }
    }

    /// Writes what was gathered.
    pub(super) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Held::Http(held) => {
                held.get().flush();
                Ok(())
            }
            Held::WebSocket(held) => held.get().flush(py),
        }
    }

    /// The worker leaves. A request is finished, a WebSocket would have no end.
    pub(super) fn leave(&self, py: Python<'_>, departure: Departure) -> PyResult<()> {
        match self {
            Held::Http(_) => Ok(()),
            Held::WebSocket(held) => held.get().leave(py, departure),
        }
    }

    /// The next event for the application, if there is one now.
    pub(super) fn take_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        whichever!(self, held => held.take_event(py))
    }

    /// A coroutine that waits for the next event.
    pub(super) fn receive_later<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        whichever!(self, held => held.driver().receive_later(py, self.object(py)))
    }
}
