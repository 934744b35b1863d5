//! What an application says of a WebSocket: it accepts, sends messages, closes, or answers the handshake as an HTTP request.
//!
//! An event is looked at before the session's lock is taken, since that runs the application's code. What it may say depends
//! on the [`Place`] of the session; what it may not is refused, and changes nothing.

use bytes::Bytes;
use protocol::websocket::{
    ABNORMAL, Handshake, Kind, LONGEST_REASON, Limits, NORMAL, SendFault, is_sendable,
};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyString};
use telemetry::Event;
use worker::{Exchange, Flow, WebSocket};

use super::link::{Link, Mailbox};
use super::{Place, Progress, State, WebSocketSession, optional};
use crate::asgi::event::{Pair, bytes_of, gone, invalid, pairs, required, take_if, truth, wake};

impl WebSocketSession {
    pub(super) fn accept(&self, py: Python<'_>, event: &Bound<'_, PyDict>) -> PyResult<Progress> {
        let subprotocol: Option<String> = optional(event, "subprotocol")?
            .map(|name| name.extract())
            .transpose()?;
        let headers = headers_of(event)?;
        let mut guard = self.lock();
        let state = &mut *guard;
        let (exchange, handshake) = state.answer_handshake("websocket.accept", 101, headers)?;
        let limits = Limits {
            message: self.driver().settings().asgi.websocket.message_size,
        };
        let accepted = Event::WebSocketAccepted {
            client: format!("{}:{}", exchange.client_address(), exchange.client_port()),
            target: String::from_utf8_lossy(exchange.head().target()).into_owned(),
        };
        let mut link = match WebSocket::accept(exchange, &handshake, subprotocol.as_deref(), limits) {
            Ok(socket) => Box::new(Link::new(socket)),
            Err((exchange, fault)) => {
                state.place = Place::Connecting(exchange, handshake);
                return Err(PyValueError::new_err(fault.to_string()));
            }
        };
        self.driver().log().event(&accepted);
        link.flush(&mut state.mail, self.driver());
        let read_on = link.read(py, &mut state.mail, self.driver());
        state.place = Place::Open(link);
        self.settle(py, guard, false, read_on)?;
        if let Some(departure) = self.driver().leaving() {
            self.leave(py, departure)?;
        }
        Ok(Progress::Done)
    }

    pub(super) fn send_message(&self, event: &Bound<'_, PyDict>) -> PyResult<Progress> {
        match (optional(event, "text")?, optional(event, "bytes")?) {
            (Some(text), None) => {
                let text = text
                    .cast_into::<PyString>()
                    .map_err(|_| PyTypeError::new_err("'text' of websocket.send must be a str"))?;
                let shared = || PyBackedStr::try_from(text.clone()).map(Bytes::from_owner);
                self.send_payload(Kind::Text, text.to_str()?.as_bytes(), shared)
            }
            (None, Some(data)) => {
                let data = bytes_of(data, "bytes")?;
                let shared = || Ok(Bytes::from_owner(PyBackedBytes::from(data.clone())));
                self.send_payload(Kind::Binary, data.as_bytes(), shared)
            }
            _ => Err(PyValueError::new_err(
                "websocket.send needs either 'text' or 'bytes', and not both",
            )),
        }
    }

    pub(super) fn send_payload(
        &self,
        kind: Kind,
        payload: &[u8],
        shared: impl FnOnce() -> PyResult<Bytes>,
    ) -> PyResult<Progress> {
        let mut guard = self.lock();
        let State { place, mail, .. } = &mut *guard;
        check_client(mail)?;
        let Place::Open(link) = place else {
            return Err(unexpected("websocket.send", place));
        };
        // Its text was just read, so it can be shared; were it not, its copy would be.
        let shared = || shared().unwrap_or_else(|_| Bytes::copy_from_slice(payload));
        link.socket.send(kind, payload, shared).map_err(|fault| {
            PyRuntimeError::new_err(format!("unexpected event \"websocket.send\": {fault}"))
        })?;
        let Some(flow) = link.socket.flush_unless_quick() else {
            return Ok(Progress::Gather(link.socket.token()));
        };
        match link.flowed(flow, mail, self.driver()) {
            Flow::Open => Ok(Progress::Done),
            // The connection goes back when `send_later` finds that it is gone.
            Flow::Full | Flow::Gone => Ok(Progress::Full),
        }
    }

    pub(super) fn close(&self, py: Python<'_>, event: &Bound<'_, PyDict>) -> PyResult<Progress> {
        let code: u16 = optional(event, "code")?.map_or(Ok(NORMAL), |code| code.extract())?;
        let reason: String =
            optional(event, "reason")?.map_or(Ok(String::new()), |reason| reason.extract())?;
        let mut guard = self.lock();
        let State { place, mail, .. } = &mut *guard;
        check_client(mail)?;
        match place {
            Place::Connecting(..) => {
                drop(guard);
                self.deny(py, 403, true)?;
            }
            Place::Open(link) if !link.socket.has_closed() => {
                check_close(code, &reason)?;
                mail.close(code, &reason, true);
                link.close(code, &reason, mail, self.driver());
                self.settle(py, guard, false, false)?;
            }
            place => return Err(unexpected("websocket.close", place)),
        }
        Ok(Progress::Done)
    }

    pub(super) fn begin_denial(&self, event: &Bound<'_, PyDict>) -> PyResult<Progress> {
        let status: u16 = required(event, "status")?.extract()?;
        if status < 200 {
            return Err(PyValueError::new_err(format!(
                "'status' of websocket.http.response.start is {status}; it begins at 200"
            )));
        }
        let headers = headers_of(event)?;
        let mut guard = self.lock();
        let state = &mut *guard;
        let (exchange, _) = state.answer_handshake("websocket.http.response.start", status, headers)?;
        state.place = Place::Denying(exchange, false);
        Ok(Progress::Done)
    }

    pub(super) fn denial_body(&self, py: Python<'_>, event: &Bound<'_, PyDict>) -> PyResult<Progress> {
        let body = optional(event, "body")?;
        let body = body.map_or_else(|| Ok(PyBytes::new(py, b"")), |body| bytes_of(body, "body"))?;
        let more = truth(event, pyo3::intern!(py, "more_body"))?;
        let mut guard = self.lock();
        let state = &mut *guard;
        check_client(&state.mail)?;
        let Place::Denying(exchange, is_begun) = &mut state.place else {
            return Err(unexpected("websocket.http.response.body", &state.place));
        };
        if !std::mem::replace(is_begun, true) {
            if !more {
                exchange
                    .response()
                    .set_content_length(body.as_bytes().len() as u64);
            }
            exchange.close_after_answer();
            exchange.begin();
        }
        exchange.write_shared(body.as_bytes(), || {
            Bytes::from_owner(PyBackedBytes::from(body.clone()))
        });
        if more {
            return Ok(Progress::Full);
        }
        let Place::Denying(mut exchange, _) = std::mem::replace(&mut state.place, Place::Over) else {
            return Ok(Progress::Done);
        };
        let fault = exchange.finish();
        self.tell_rejection(&mut exchange, true);
        state.mail.close(ABNORMAL, "", true);
        let receivers = take_if(true, &mut state.receivers);
        drop(guard);
        wake(py, receivers);
        self.driver().answered(py, exchange, fault)?;
        Ok(Progress::Done)
    }
}

impl State {
    /// Takes the handshake out of its place, with the head of its answer filled in. Where that cannot be, everything stays.
    ///
    /// # Errors
    /// The client has gone; `event` comes at the wrong moment; the status or a header is not valid.
    fn answer_handshake(
        &mut self,
        event: &str,
        status: u16,
        headers: Vec<Pair<'_>>,
    ) -> PyResult<(Exchange, Handshake)> {
        check_client(&self.mail)?;
        match std::mem::replace(&mut self.place, Place::Over) {
            Place::Connecting(mut exchange, handshake) => match fill(&mut exchange, status, headers) {
                Ok(()) => Ok((exchange, handshake)),
                Err(error) => {
                    self.place = Place::Connecting(exchange, handshake);
                    Err(error)
                }
            },
            other => {
                self.place = other;
                Err(unexpected(event, &self.place))
            }
        }
    }
}

/// Fills the head of an answer; it is empty when that fails.
fn fill(exchange: &mut Exchange, status: u16, headers: Vec<Pair<'_>>) -> PyResult<()> {
    let response = exchange.response();
    response.clear();
    let mut filled = response.set_status_code(status);
    for (name, value) in headers {
        filled = filled.and_then(|()| response.push(name.as_bytes(), value.as_bytes()));
    }
    filled.map_err(|fault| {
        response.clear();
        invalid(fault)
    })
}

/// The header pairs of an event; none is as good as an empty list.
fn headers_of<'py>(event: &Bound<'py, PyDict>) -> PyResult<Vec<Pair<'py>>> {
    optional(event, "headers")?.map_or_else(|| Ok(Vec::new()), |headers| pairs(&headers))
}

/// Whether there is still somebody to send to.
fn check_client(mail: &Mailbox) -> PyResult<()> {
    match mail.end() {
        Some(end) if !end.is_own => Err(gone()),
        _ => Ok(()),
    }
}

fn check_close(code: u16, reason: &str) -> PyResult<()> {
    let fault = if !is_sendable(code) {
        SendFault::CloseCode(code)
    } else if reason.len() > LONGEST_REASON {
        SendFault::ReasonTooLong(reason.len())
    } else {
        return Ok(());
    };
    Err(PyValueError::new_err(fault.to_string()))
}

fn unexpected(kind: &str, place: &Place) -> PyErr {
    let why = match place {
        Place::Connecting(..) => "websocket.accept has to come first",
        Place::Denying(..) => "the handshake is being answered with an HTTP response",
        Place::Open(_) => "the WebSocket has been accepted or closed already",
        Place::Over => "the WebSocket has been closed",
    };
    PyRuntimeError::new_err(format!("unexpected event {kind:?}: {why}"))
}
