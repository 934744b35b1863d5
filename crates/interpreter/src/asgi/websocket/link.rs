//! An accepted WebSocket's connection: what comes is queued for the application, what goes is watched, and silence has
//! a limit.
//!
//! ```text
//! Silence --nothing heard--> ping, Pong --something heard--> Silence
//!                                  \--nothing--> close frame 1011, the connection ends
//! Writing (the client does not read) --nothing taken--> the connection ends
//! Close (we have closed) --no answer--> the connection ends
//! ```
//!
//! A client that breaks a rule is not read from any more; but the messages it sent before that are answered first, if the
//! application does so before it asks for the next event.
//!
//! Rules: nothing here runs Python code, so that all of it can be done with the session's lock held. Reading stops while
//! the application has enough to do: the kernel's buffers fill then, and the client notices.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use protocol::websocket::{ABNORMAL, Event, Failure, INTERNAL_ERROR};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use worker::{Exchange, Flow, Inflow, Patience, Readiness, WebSocket};

use super::super::driver::Driver;

/// A message that the application has yet to take.
pub(super) enum Message {
    Text(Py<PyString>),
    Binary(Py<PyBytes>),
}

/// What waits for the application: messages, then the end.
#[derive(Default)]
pub(super) struct Mailbox {
    messages: VecDeque<(Message, usize)>,
    /// Their bytes.
    queued: usize,
    end: Option<End>,
}

/// How the WebSocket has ended, for the application.
#[derive(Clone)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
    /// The application itself has closed.
    pub(super) is_own: bool,
}

impl Mailbox {
    pub(super) fn pop(&mut self) -> Option<Message> {
        let (message, length) = self.messages.pop_front()?;
        self.queued -= length;
        Some(message)
    }

    pub(super) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The first word on how it ended counts. After the application's own, messages are not for it any more.
    pub(super) fn close(&mut self, code: u16, reason: &str, is_own: bool) {
        if is_own {
            self.messages.clear();
            self.queued = 0;
        }
        self.end.get_or_insert_with(|| End {
            code,
            reason: reason.to_owned(),
            is_own,
        });
    }

    /// There is something for whoever waits.
    pub(super) fn has_news(&self) -> bool {
        !self.messages.is_empty() || self.end.is_some()
    }

    fn push(&mut self, message: Message, length: usize) {
        if self.end.is_none() {
            self.queued += length;
            self.messages.push_back((message, length));
        }
    }

    fn is_full(&self, driver: &Driver) -> bool {
        let limits = &driver.settings().asgi.websocket;
        self.messages.len() >= limits.queue || self.queued >= limits.message_size
    }
}

/// What the client is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expecting {
    Nothing,
    /// To read.
    Writing,
    Answer(Patience),
}

/// The connection of an accepted WebSocket.
pub(super) struct Link {
    pub(super) socket: WebSocket,
    expecting: Expecting,
    /// A ping is out.
    pinged: bool,
    /// Nothing is read until the application has taken messages, or the client what waits for it.
    paused: bool,
    /// The client has broken a rule and has not been told, because messages it sent before are yet to be answered.
    failure: Option<Failure>,
    /// The connection is of no use any more.
    broken: bool,
}

impl Link {
    pub(super) fn new(socket: WebSocket) -> Link {
        Link {
            socket,
            expecting: Expecting::Nothing,
            pinged: false,
            paused: false,
            failure: None,
            broken: false,
        }
    }

    /// Nothing more passes on the connection: it can be given back.
    pub(super) fn is_over(&self) -> bool {
        self.broken || (self.socket.has_ended() && self.failure.is_none())
    }

    pub(super) fn finish(mut self, driver: &Driver) -> Exchange {
        driver.end_wait(self.socket.token());
        if self.broken && !self.socket.has_closed() {
            self.socket.exchange_mut().give_up();
        }
        self.socket.finish()
    }

    /// Reads what has come. True when there may be more than others should wait for.
    pub(super) fn read(&mut self, py: Python<'_>, mail: &mut Mailbox, driver: &Driver) -> bool {
        if self.is_over() || mail.is_full(driver) {
            return false;
        }
        let mut scratch = driver.scratch();
        let inflow = self.socket.receive(&mut scratch, |event| {
            match event {
                Event::Text(text) => mail.push(Message::Text(PyString::new(py, text).unbind()), text.len()),
                Event::Binary(data) => {
                    mail.push(Message::Binary(PyBytes::new(py, data).unbind()), data.len())
                }
                Event::Close { code, reason } => mail.close(*code, reason, false),
                Event::Failed(failure) => self.failure = Some(*failure),
                Event::Ping(_) | Event::Pong(_) | Event::NeedMore => {}
            }
            if mail.is_full(driver) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        drop(scratch);
        self.paused = inflow == Inflow::Paused;
        if inflow == Inflow::Gone {
            self.broken = true;
            mail.close(ABNORMAL, "", false);
        }
        if mail.messages.is_empty() {
            self.fail(mail);
        }
        // Pongs, and the last word.
        if self.socket.pending() > 0 {
            self.flush(mail, driver);
        } else {
            self.watch(driver);
        }
        inflow == Inflow::Turn
    }

    /// Tells the client which rule it broke, if it has, and the application that this was the end.
    fn fail(&mut self, mail: &mut Mailbox) {
        if let Some(failure) = self.failure.take() {
            self.socket.fail(failure);
            mail.close(failure.code(), &failure.to_string(), false);
        }
    }

    /// The application has answered all messages, and asks for the next event.
    pub(super) fn all_answered(&mut self, mail: &mut Mailbox, driver: &Driver) {
        if self.failure.is_some() {
            self.fail(mail);
            self.flush(mail, driver);
        }
    }

    /// Reads on once the application has taken a message, if that was what reading waited for.
    pub(super) fn read_if_paused(&mut self, py: Python<'_>, mail: &mut Mailbox, driver: &Driver) -> bool {
        self.paused && self.read(py, mail, driver)
    }

    /// Something has become possible. True as for [`Link::read`].
    pub(super) fn ready(
        &mut self,
        py: Python<'_>,
        readiness: Readiness,
        mail: &mut Mailbox,
        driver: &Driver,
    ) -> bool {
        self.socket.notice(readiness);
        if readiness.writable && self.socket.pending() > 0 {
            self.flush(mail, driver);
        }
        self.read(py, mail, driver)
    }

    /// Writes what waits, as much as the client takes.
    pub(super) fn flush(&mut self, mail: &mut Mailbox, driver: &Driver) -> Flow {
        let flow = self.socket.flush();
        self.flowed(flow, mail, driver)
    }

    /// What was written has gone like this.
    pub(super) fn flowed(&mut self, flow: Flow, mail: &mut Mailbox, driver: &Driver) -> Flow {
        if flow == Flow::Gone {
            self.broken = true;
            mail.close(ABNORMAL, "", false);
        } else {
            self.watch(driver);
        }
        flow
    }

    /// Closes, unless that has happened. The reason is one that fits.
    pub(super) fn close(&mut self, code: u16, reason: &str, mail: &mut Mailbox, driver: &Driver) {
        if self.socket.close(code, reason).is_ok() {
            self.failure = None;
            self.flush(mail, driver);
        }
    }

    /// Has the clock watch what is expected of the client. Called when everything the socket takes was written.
    fn watch(&mut self, driver: &Driver) {
        let options = &driver.settings().asgi.websocket;
        if self.pinged && self.socket.heard() {
            self.pinged = false;
        }
        let expecting = if self.is_over() {
            Expecting::Nothing
        } else if self.socket.pending() > 0 {
            Expecting::Writing
        } else if self.socket.has_closed() || self.failure.is_some() {
            Expecting::Answer(Patience::Close)
        } else if self.pinged {
            Expecting::Answer(Patience::Pong)
        } else if options.ping_interval.is_some() {
            Expecting::Answer(Patience::Silence)
        } else {
            Expecting::Nothing
        };
        // A client that has taken something has all its time again.
        if expecting == self.expecting && expecting != Expecting::Writing {
            return;
        }
        self.expecting = expecting;
        match expecting {
            Expecting::Nothing => driver.end_wait(self.socket.token()),
            Expecting::Answer(patience) => driver.await_client(self.socket.token(), patience),
            Expecting::Writing => {
                if driver.await_writable(self.socket.exchange_mut()) == Flow::Gone {
                    self.broken = true;
                }
            }
        }
    }

    /// The client has taken too long for what was expected.
    pub(super) fn overdue(&mut self, mail: &mut Mailbox, driver: &Driver) {
        let expected = std::mem::replace(&mut self.expecting, Expecting::Nothing);
        let heard = self.socket.heard();
        match expected {
            Expecting::Nothing => {}
            Expecting::Answer(Patience::Silence) if heard => self.watch(driver),
            Expecting::Answer(Patience::Silence) => {
                // Not after a close, and then nobody waits for silence.
                let is_sent = self.socket.ping().is_ok();
                self.pinged = is_sent && driver.settings().asgi.websocket.ping_timeout.is_some();
                self.flush(mail, driver);
            }
            // Its pong may be behind what the application has not made room for.
            Expecting::Answer(Patience::Pong) if heard || self.paused => {
                self.pinged = false;
                self.watch(driver);
            }
            Expecting::Answer(Patience::Pong) => {
                mail.close(ABNORMAL, "", false);
                self.close(INTERNAL_ERROR, "ping was not answered in time", mail, driver);
                self.broken = true;
            }
            // The application has had long enough to answer what came before.
            Expecting::Answer(Patience::Close) if self.failure.is_some() => {
                self.fail(mail);
                self.flush(mail, driver);
            }
            Expecting::Writing | Expecting::Answer(Patience::Close) => {
                mail.close(ABNORMAL, "", false);
                self.broken = true;
                self.socket.exchange_mut().give_up();
            }
        }
    }
}
