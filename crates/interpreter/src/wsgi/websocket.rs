//! A WebSocket as a WSGI application has it, through uWSGI's `websocket_*`: messages are asked for, and waited for, in the
//! thread or greenlet that serves the request.
//!
//! Rules: nothing here waits, and nothing runs Python code; [`Next::Wait`] says what to wait for, so that several threads or
//! greenlets of the application may receive and send. Clients are pinged, and told of a worker that leaves, only while the
//! application asks for messages.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::WebSocket as Options;
use protocol::websocket::{
    Compression, Event, Handshake, INTERNAL_ERROR, Kind, Limits, NORMAL, SERVICE_RESTART,
};
use worker::{Exchange, Flow, Inflow, Readiness, WebSocket};

use super::waits::Want;

/// How long nobody looks whether the worker leaves.
const LOOK: Duration = Duration::from_millis(500);

/// What one read takes.
const SCRATCH: usize = 16 << 10;

/// A WebSocket in progress.
pub(super) struct Socket {
    web: WebSocket,
    options: Options,
    descriptor: Arc<OwnedFd>,
    messages: VecDeque<Vec<u8>>,
    /// Why nothing more comes and nothing more can be sent.
    over: Option<String>,
    /// When something was heard last.
    heard: Instant,
    /// When a ping went out that has not been answered.
    pinged: Option<Instant>,
}

/// What there is for whoever asks for a message.
pub(super) enum Next {
    Message(Vec<u8>),
    /// The end, and why.
    Over(String),
    /// Nothing yet.
    Wait(Want, Duration),
}

/// Answers the handshake that `exchange` is.
///
/// # Errors
/// When it is none, or the subprotocol was not offered; the exchange can still be answered.
pub(super) fn accept(
    exchange: Exchange,
    subprotocol: Option<&str>,
    options: &Options,
) -> Result<Socket, (Exchange, String)> {
    if !options.enabled || exchange.begun() || !exchange.can_switch() {
        let why = "the answer has begun, or the client does not speak HTTP/1.1 itself to this server";
        return Err((exchange, why.to_owned()));
    }
    let compression = options.deflate.then(Compression::default);
    let handshake = match Handshake::read(exchange.head(), compression.as_ref()) {
        Ok(Some(handshake)) => handshake,
        Ok(None) => return Err((exchange, "the request is no WebSocket handshake".to_owned())),
        Err(refusal) => return Err((exchange, refusal.to_string())),
    };
    let descriptor = match exchange.socket() {
        Ok(descriptor) => Arc::new(descriptor),
        Err(error) => return Err((exchange, error.to_string())),
    };
    let mut exchange = exchange;
    exchange.response().clear();
    let first = handshake.subprotocols().first().map(String::as_str);
    let limits = Limits {
        message: options.message_size,
    };
    let accepted = WebSocket::accept(exchange, &handshake, subprotocol.or(first), limits);
    let web = accepted.map_err(|(exchange, fault)| (exchange, fault.to_string()))?;
    Ok(Socket {
        web,
        options: options.clone(),
        descriptor,
        messages: VecDeque::new(),
        over: None,
        heard: Instant::now(),
        pinged: None,
    })
}

impl Socket {
    /// What to wait at.
    pub(super) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.descriptor)
    }

    pub(super) fn exchange(&mut self) -> &mut Exchange {
        self.web.exchange_mut()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// The next message, if it is there.
    pub(super) fn next(&mut self) -> Next {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Next::Message(message);
            }
            if let Some(why) = &self.over {
                return Next::Over(why.clone());
            }
            let inflow = self.receive();
            let flow = self.flush();
            if !self.messages.is_empty() || self.is_over() || inflow == Inflow::Turn {
                continue;
            }
            if self.web.exchange().is_worker_leaving() {
                self.close(SERVICE_RESTART, "the server restarts", "the worker leaves");
                continue;
            }
            if let Some(wait) = self.keep_alive() {
                return match flow {
                    // What waits to be written may be the answer to what was read.
                    Flow::Full => Next::Wait(Want::Write, wait),
                    _ => Next::Wait(Want::Read, wait),
                };
            }
        }
    }

    /// Reads what has come, up to one message.
    fn receive(&mut self) -> Inflow {
        let (mut failure, mut closed) = (None, None);
        let messages = &mut self.messages;
        // Whether there is something shows only in trying.
        self.web.notice(Readiness {
            readable: true,
            ..Readiness::default()
        });
        let inflow = self.web.receive(&mut [0; SCRATCH], |event| {
            match event {
                Event::Text(text) => messages.push_back(text.as_bytes().to_vec()),
                Event::Binary(data) => messages.push_back(data.to_vec()),
                Event::Close { code, .. } => closed = Some(*code),
                Event::Failed(why) => failure = Some(*why),
                Event::Ping(_) | Event::Pong(_) | Event::NeedMore => return ControlFlow::Continue(()),
            }
            ControlFlow::Break(())
        });
        if self.web.heard() {
            self.heard = Instant::now();
            self.pinged = None;
        }
        if let Some(failure) = failure {
            self.web.fail(failure);
            self.over = Some(failure.to_string());
        } else if let Some(code) = closed {
            self.over = Some(format!("the client has closed it with code {code}"));
        } else if inflow == Inflow::Gone {
            self.lost();
        }
        inflow
    }

    fn lost(&mut self) {
        self.over
            .get_or_insert_with(|| "the client has left without closing it".to_owned());
        self.web.exchange_mut().give_up();
    }

    /// Pings a client that is silent, and gives one up that does not answer. How long that can wait; `None` after the end.
    fn keep_alive(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let due = match (self.pinged, self.options.ping_interval, self.options.ping_timeout) {
            (_, None, _) => return Some(LOOK),
            (Some(pinged), _, Some(patience)) if now >= pinged + patience => {
                self.close(
                    INTERNAL_ERROR,
                    "ping was not answered in time",
                    "the client did not answer a ping in time",
                );
                return None;
            }
            (Some(pinged), _, Some(patience)) => pinged + patience,
            (_, Some(interval), patience) if now >= self.heard + interval => {
                // After a close nothing more is expected.
                let _ = self.web.ping();
                self.flush();
                self.heard = now;
                self.pinged = patience.map(|_| now);
                now + patience.unwrap_or(interval)
            }
            (_, Some(interval), _) => self.heard + interval,
        };
        (!self.is_over()).then(|| LOOK.min(due - now))
    }

    /// Queues a message.
    ///
    /// # Errors
    /// After the end, and why that was.
    pub(super) fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), String> {
        if let Some(why) = &self.over {
            return Err(why.clone());
        }
        let shared = || bytes::Bytes::copy_from_slice(payload);
        let sent = self.web.send(kind, payload, shared);
        sent.map_err(|fault| fault.to_string())
    }

    /// Hands what is queued to the network: [`Flow::Full`] while there is something left.
    pub(super) fn flush(&mut self) -> Flow {
        match self.web.flush() {
            Flow::Gone => {
                self.lost();
                Flow::Gone
            }
            _ if self.web.pending() > 0 => Flow::Full,
            flow => flow,
        }
    }

    /// The client has taken nothing for too long.
    pub(super) fn give_up(&mut self) {
        self.over = Some("the client does not read what it is sent".to_owned());
        self.web.exchange_mut().give_up();
    }

    fn close(&mut self, code: u16, reason: &str, why: &str) {
        // It may have been closed before.
        let _ = self.web.close(code, reason);
        self.over = Some(why.to_owned());
        self.flush();
    }

    /// The application is done with it: it is closed, and HTTP's machinery has the connection back.
    pub(super) fn end(mut self, has_failed: bool) -> Exchange {
        if !self.is_over() {
            let code = if has_failed { INTERNAL_ERROR } else { NORMAL };
            self.close(code, "", "the application is done");
        }
        self.web.finish()
    }
}
