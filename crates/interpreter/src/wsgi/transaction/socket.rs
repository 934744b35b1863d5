//! The request of an application that has made a WebSocket of it (`uwsgi.websocket_handshake`).

use std::os::fd::AsFd;

use protocol::websocket::Kind;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use worker::Flow;

use super::{Transaction, over};
use crate::wsgi::waits::Want;
use crate::wsgi::websocket::{self, Next, Socket};

impl Transaction {
    /// Makes the exchange a WebSocket.
    ///
    /// # Errors
    /// `OSError`, when it cannot be one.
    pub(crate) fn accept_websocket(
        &self,
        py: Python<'_>,
        subprotocol: Option<&str>,
        options: &config::WebSocket,
    ) -> PyResult<()> {
        let mut state = self.lock();
        let exchange = state.exchange.take().ok_or_else(over)?;
        match websocket::accept(exchange, subprotocol, options) {
            Ok(socket) => {
                state.socket = Some(Box::new(socket));
                state.was_socket = true;
            }
            Err((exchange, why)) => {
                state.exchange = Some(exchange);
                let why = format!("unable to complete websocket handshake: {why}");
                return Err(PyOSError::new_err(why));
            }
        }
        drop(state);
        self.flush_socket(py)
    }

    /// The next message of the WebSocket, however long that takes unless `waits` is false; `None` when there is none.
    ///
    /// # Errors
    /// `OSError`, at the end.
    pub(crate) fn receive_message(&self, py: Python<'_>, waits: bool) -> PyResult<Option<Vec<u8>>> {
        loop {
            let (next, descriptor) = self.with_socket(|socket| (socket.next(), socket.descriptor()))?;
            match next {
                Next::Message(message) => return Ok(Some(message)),
                Next::Over(why) => {
                    let why = format!("unable to receive websocket message: {why}");
                    return Err(PyOSError::new_err(why));
                }
                Next::Wait(..) if !waits => return Ok(None),
                Next::Wait(want, patience) => {
                    self.waits.wait_socket(py, descriptor.as_fd(), want, patience)?;
                }
            }
        }
    }

    /// Sends a message; waits while the client does not read.
    ///
    /// # Errors
    /// `OSError`, when the WebSocket has ended.
    pub(crate) fn send_message(&self, py: Python<'_>, kind: Kind, payload: &[u8]) -> PyResult<()> {
        let sent = self.with_socket(|socket| socket.send(kind, payload))?;
        sent.map_err(|why| PyOSError::new_err(format!("unable to send websocket message: {why}")))?;
        self.flush_socket(py)
    }

    fn flush_socket(&self, py: Python<'_>) -> PyResult<()> {
        let mut waited = false;
        let mut left = u64::MAX;
        loop {
            let (flow, descriptor, patience, pending) = self.with_socket(|socket| {
                let flow = socket.flush();
                let exchange = socket.exchange();
                let (patience, pending) = (exchange.write_patience(), exchange.pending());
                (flow, socket.descriptor(), patience, pending)
            })?;
            match flow {
                Flow::Open => return Ok(()),
                Flow::Full if pending < left => left = pending,
                Flow::Full if !waited => {}
                _ => {
                    self.with_socket(Socket::give_up)?;
                    return Err(PyOSError::new_err(
                        "the client of the WebSocket has left, or reads nothing",
                    ));
                }
            }
            waited = !self
                .waits
                .wait_socket(py, descriptor.as_fd(), Want::Write, patience)?;
        }
    }

    fn with_socket<T>(&self, work: impl FnOnce(&mut Socket) -> T) -> PyResult<T> {
        self.lock().socket.as_deref_mut().map(work).ok_or_else(|| {
            PyOSError::new_err("this request is no WebSocket: call uwsgi.websocket_handshake() first")
        })
    }

    /// Whether the exchange has become a WebSocket: then there is no answer to send.
    pub(crate) fn was_socket(&self) -> bool {
        self.lock().was_socket
    }

    /// Ends the WebSocket, if it is one and goes on; `has_failed`: the application has. Whether the client had left, or the
    /// end had come from this server: what an application makes of that is no fault of it.
    pub(crate) fn end_socket(&self, has_failed: bool) -> bool {
        let mut state = self.lock();
        let Some(socket) = state.socket.take() else {
            return false;
        };
        let was_over = socket.is_over();
        state.exchange = Some(socket.end(has_failed));
        was_over
    }
}
