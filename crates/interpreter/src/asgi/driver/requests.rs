//! The way of a request through the driver: from the reactor to a task, and with its answer to those that go back.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use protocol::websocket::{Compression, Handshake, HandshakeRefusal};
use pyo3::prelude::*;
use worker::Exchange;

use super::{Driver, lock};
use crate::asgi;
use crate::asgi::held::Held;
use crate::asgi::http::HttpRequest;
use crate::asgi::websocket::WebSocketSession;
use crate::observers::Observed;

/// Least time between two complaints about too many requests.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

impl Driver {
    /// Starts a task for a request.
    pub(super) fn start_request(slf: &Bound<'_, Self>, mut exchange: Exchange) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let side = this.side()?;
        let token = exchange.token();
        let in_progress = this.in_progress.fetch_add(1, Ordering::Relaxed) + 1;
        if this
            .settings
            .asgi
            .limit_concurrency
            .is_some_and(|limit| in_progress > limit)
        {
            this.tell_exceeded();
            exchange.fail(503);
            return this.answered(py, exchange, None);
        }
        exchange.take_up();
        if this.pulse.busy() {
            this.beat(py)?;
        }
        let handshake = match this.handshake(&exchange) {
            Ok(handshake) => handshake,
            Err(refusal) => {
                this.refuse(&mut exchange, refusal);
                return this.answered(py, exchange, None);
            }
        };
        let driver = slf.clone().unbind();
        let (scope, held) = match handshake {
            None => {
                let scope = side.scopes.http(py, &exchange)?;
                let observed = match this.observe(py, &exchange) {
                    Ok(observed) => observed,
                    Err(error) => {
                        asgi::report(py, &this.log, &error, "request", &asgi::request_line(&exchange));
                        exchange.fail(500);
                        return this.answered(py, exchange, None);
                    }
                };
                let request = HttpRequest::new(driver, exchange, observed);
                (scope, Held::Http(Py::new(py, request)?))
            }
            Some(handshake) => {
                let scope = side.scopes.websocket(py, &exchange, &handshake)?;
                lock(&this.driven).outlasts_deadlines(token);
                let session = WebSocketSession::new(driver, exchange, handshake);
                (scope, Held::WebSocket(Py::new(py, session)?))
            }
        };
        this.remember(token, held.clone_ref(py));
        this.running.fetch_add(1, Ordering::Relaxed);
        let arguments = (side.application.bind(py), scope, held.object(py));
        let coroutine = side.run.bind(py).call1(arguments)?;
        held.set_task(side.start_task(coroutine)?);
        Ok(())
    }

    /// Who has this connection until it goes back to the reactor.
    fn remember(&self, token: usize, held: Held) {
        let mut out = lock(&self.out);
        if token >= out.len() {
            out.resize_with(token + 1, || None);
        }
        out[token] = Some(held);
    }

    /// Calls whoever wants to know of each HTTP request before the application does.
    pub(super) fn observe(&self, py: Python<'_>, exchange: &Exchange) -> PyResult<Option<Observed>> {
        let observers = self.observers.as_ref();
        observers
            .map(|observers| observers.begin(py, exchange))
            .transpose()
    }

    /// Tells them how the request was answered.
    pub(in crate::asgi) fn observe_end(
        &self,
        py: Python<'_>,
        observed: Option<Observed>,
        exchange: &mut Exchange,
    ) {
        if let (Some(observers), Some(observed)) = (&self.observers, observed) {
            observers.end(py, &observed, None, exchange);
        }
    }

    /// Tells the log, once a minute, that there are as many requests in progress as may be.
    fn tell_exceeded(&self) {
        let (mut told, now) = (lock(&self.told_exceeded), Instant::now());
        if told.is_some_and(|then| now - then < COMPLAINT_INTERVAL) {
            return;
        }
        *told = Some(now);
        self.log.warning(
            "Exceeded concurrency limit. As many requests are in progress as --limit-concurrency allows: further ones get 503 \
             (said once a minute)",
        );
    }

    /// Whether the request asks for a WebSocket, where there are any.
    pub(super) fn handshake(&self, exchange: &Exchange) -> Result<Option<Handshake>, HandshakeRefusal> {
        let options = &self.settings.asgi.websocket;
        if !options.enabled || !exchange.can_switch() {
            return Ok(None);
        }
        let compression = options.deflate.then(Compression::default);
        Handshake::read(exchange.head(), compression.as_ref())
    }

    /// Answers a handshake that cannot be granted.
    pub(super) fn refuse(&self, exchange: &mut Exchange, refusal: HandshakeRefusal) {
        let line = asgi::request_line(exchange);
        self.log.warning(format_args!("{line}: {refusal}"));
        exchange.close_after_answer();
        let text = format!("{refusal}\n");
        refusal.answer(exchange.response());
        exchange.response().set_content_length(text.len() as u64);
        exchange.begin();
        exchange.write(text.as_bytes());
        exchange.finish();
    }

    /// Notes a request with blocks to be written at the end of the turn.
    pub(in crate::asgi) fn gather(&self, py: Python<'_>, token: usize) -> PyResult<()> {
        let mut gathered = lock(&self.gathered);
        if gathered.last() != Some(&token) {
            gathered.push(token);
        }
        drop(gathered);
        self.call_after(py)
    }

    /// Takes an exchange whose answer is complete.
    pub(in crate::asgi) fn answered(
        &self,
        py: Python<'_>,
        mut exchange: Exchange,
        fault: Option<&'static str>,
    ) -> PyResult<()> {
        if let Some(fault) = fault {
            self.log
                .warning(format_args!("{}: {fault}", asgi::request_line(&exchange)));
        }
        if let Some(request) = lock(&self.out).get_mut(exchange.token()) {
            *request = None;
        }
        self.in_progress.fetch_sub(1, Ordering::Relaxed);
        let distrust = self.distrust.load(Ordering::Relaxed);
        if distrust > 0 {
            self.distrust.store(distrust - 1, Ordering::Relaxed);
            // If the client is gone, that shows when the exchange is back.
            exchange.flush();
        }
        let mut answered = lock(&self.answered);
        answered.since.get_or_insert_with(Instant::now);
        answered.exchanges.push(exchange);
        drop(answered);
        self.call_after(py)
    }

    /// An application has returned, or raised.
    pub(in crate::asgi) fn task_ended(&self, py: Python<'_>) -> PyResult<()> {
        self.running.fetch_sub(1, Ordering::Relaxed);
        if self.farewell_said.load(Ordering::Relaxed) {
            // It may have been the last that was waited for.
            self.call_after(py)?;
        }
        Ok(())
    }
}
