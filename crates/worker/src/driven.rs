//! A reactor that is turned from outside: by the event loop of an asynchronous application.
//!
//! The loop watches [`Driven::descriptor`] and calls [`Driven::turn`] when it is readable, when [`Driven::due`] says so, and
//! once more after the application's own work. Nothing here waits or calls back: what has happened is collected, and the
//! driver asks for it. Requests leave as [`Exchange`]s and come back answered through [`Driven::hand_back`]; in between
//! the driver is told what becomes possible for them. Those that have limits are shown to the master (`in_progress`), which ends
//! the worker when one is over.

mod in_progress;

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use mio::Events;

use crate::deadlines::Wait;
use crate::exchange::{Exchange, Flow};
use crate::reactor::{Answering, Conditions, Departure, EVENTS, Reactor, Readiness};

use in_progress::{InProgress, Request};

/// What the driver has to know.
#[derive(Debug)]
pub enum Happening {
    /// A request is to be answered; more of its body may be on its way.
    Request(Exchange),
    /// Something has become possible for the exchange of this token, which is out.
    Ready(usize, Readiness),
    /// The exchange of this token has waited too long for its client.
    Overdue(usize),
}

/// What a WebSocket's client is expected to do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// To say anything, before it is pinged (`ping_interval`).
    Silence,
    /// To answer a ping (`ping_timeout`).
    Pong,
    /// To answer a close: 10 seconds.
    Close,
}

/// When the reactor has to be turned next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// When its descriptor is readable, or after this time.
    After(Duration),
    /// When its descriptor is readable.
    WhenReady,
}

/// A reactor and the events of its last poll.
pub struct Driven {
    reactor: Reactor,
    events: Events,
    /// Requests in progress, as far as there are limits.
    requests: InProgress,
}

impl Driven {
    /// Sets the reactor up; it accepts from its first turn on.
    ///
    /// # Errors
    /// When the system is out of descriptors or memory.
    pub fn new(conditions: Conditions) -> io::Result<Driven> {
        Ok(Driven {
            reactor: Reactor::for_driver(conditions)?,
            events: Events::with_capacity(EVENTS),
            requests: InProgress::default(),
        })
    }

    /// Tells the master that the worker serves.
    pub fn ready(&mut self) {
        (self.reactor.conditions.ready)();
    }

    /// Tells the master that the requests are finished and the application is being ended.
    pub fn ending(&mut self) {
        (self.reactor.conditions.ending)();
    }

    /// The descriptor that is readable when there is something to turn for.
    pub fn descriptor(&self) -> RawFd {
        self.reactor.poll.as_raw_fd()
    }

    /// Takes what is ready and does what is due, without waiting. Says when the worker has left.
    ///
    /// # Errors
    /// When the system cannot be asked what is ready.
    pub fn turn(&mut self) -> io::Result<Option<Departure>> {
        self.reactor.poll(&mut self.events, Some(Duration::ZERO))?;
        Ok(self.reactor.turn(&self.events))
    }

    /// Moves what has happened into `into`, which must be empty.
    pub fn collect(&mut self, into: &mut Vec<Happening>) {
        if let Answering::Driver(happenings) = &mut self.reactor.answering {
            std::mem::swap(happenings, into);
        }
        let now_ms = sys::monotonic_ms();
        let mut newest = None;
        for happening in into.iter() {
            match happening {
                Happening::Request(exchange) if self.begin(exchange, now_ms) => {
                    newest = Some(exchange.token())
                }
                Happening::Request(_) => {}
                Happening::Ready(token, _) | Happening::Overdue(token) => {
                    self.requests.goes_on(*token, now_ms)
                }
            }
        }
        if newest.is_some() {
            self.show(now_ms, newest);
        }
    }

    /// Notes a request, if it has a limit or the loop has one.
    fn begin(&mut self, exchange: &Exchange, now_ms: u64) -> bool {
        let timeouts = &self.reactor.conditions.settings.timeouts;
        let of_server = timeouts.request_deadline.filter(|_| !timeouts.spares_tasks);
        let of_server_ms = of_server.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        let limit_ms = exchange.harakiri_ms().or(of_server_ms);
        if limit_ms.is_none() && timeouts.request_deadline.is_none() && timeouts.interpreter.is_none() {
            return false;
        }
        let head = exchange.head();
        let request = Request::new(
            (head.method(), head.target()),
            exchange.client_address(),
            now_ms,
            limit_ms,
        );
        self.requests.begin(exchange.token(), request);
        true
    }

    /// Shows the master what is in progress: the request whose time is over first, or the oldest where only the loop has a
    /// limit. One that is about to run (`newest`) may be the one that blocks the loop, and with it all others.
    fn show(&self, now_ms: u64, newest: Option<usize>) {
        let Conditions {
            settings,
            scoreboard,
            slot,
            ..
        } = &self.reactor.conditions;
        let row = scoreboard.thread(*slot, 0);
        // The loop itself may be stuck too long before that.
        let stuck = settings.timeouts.request_deadline;
        let is_sooner = |request: &&Request| {
            let left_ms = request
                .due_ms()
                .map(|due_ms| u128::from(due_ms.saturating_sub(now_ms)));
            stuck.is_none_or(|limit| left_ms.is_some_and(|left_ms| left_ms <= limit.as_millis()))
        };
        let first = self.requests.first_due().filter(is_sooner);
        // One whose time is over already is late whoever has come since.
        let is_late = first.is_some_and(|first| first.due_ms() <= Some(now_ms));
        let suspect = newest
            .filter(|_| !is_late)
            .and_then(|token| self.requests.of(token));
        let Some(shown) = suspect.or(first).or_else(|| self.requests.oldest()) else {
            return self.reactor.desk.beat(true);
        };
        let mut method = Vec::new();
        if self.requests.len() > 1 && (suspect.is_some() || first.is_none()) {
            method.extend(format!("one of {} requests, perhaps ", self.requests.len()).bytes());
        }
        method.extend_from_slice(&shown.method);
        let limits = first.and_then(|first| Some((first.due_ms()?, first.limit_ms?)));
        let began_ms = limits.map_or(now_ms, |(due_ms, limit_ms)| due_ms.saturating_sub(limit_ms));
        row.begin(began_ms, &method, &shown.target, shown.client.as_bytes());
        if let Some((due_ms, limit_ms)) = limits {
            row.limit(due_ms, limit_ms);
        }
    }

    /// When to turn next.
    pub fn due(&self) -> Due {
        if let Answering::Driver(happenings) = &self.reactor.answering
            && !happenings.is_empty()
        {
            return Due::Now;
        }
        match self.reactor.patience() {
            Some(Duration::ZERO) => Due::Now,
            Some(patience) => Due::After(patience),
            None => Due::WhenReady,
        }
    }

    /// Takes back exchanges whose requests have been answered, and writes the answers. Says when the worker has left.
    pub fn hand_back(&mut self, answered: &mut Vec<Exchange>) -> Option<Departure> {
        self.reactor.advance_clock();
        let mut noted = false;
        for exchange in answered.drain(..) {
            self.reactor.deadlines.clear(exchange.token());
            self.reactor.desk.count();
            noted |= self.requests.end(exchange.token());
            self.reactor.welcome_back(exchange);
        }
        if noted {
            self.show(sys::monotonic_ms(), None);
        }
        self.reactor.flush_dirty();
        self.reactor.flush_access_log();
        self.reactor.farewell()
    }

    /// The driver waits for the client to read: it is told when the socket takes more, or when that takes too long.
    pub fn await_writable(&mut self, exchange: &mut Exchange) -> Flow {
        let token = exchange.token();
        if exchange.watch_writable(self.reactor.poll.registry()) == Flow::Gone {
            return Flow::Gone;
        }
        self.reactor.deadlines.wait(token, Wait::Write, Instant::now());
        self.requests.waits(token, sys::monotonic_ms());
        Flow::Full
    }

    /// The driver waits for more of a body: it is told when there is something to read, or when that takes too long.
    pub fn await_body(&mut self, exchange: &Exchange) {
        self.reactor
            .deadlines
            .wait(exchange.token(), Wait::Body, Instant::now());
        self.requests.waits(exchange.token(), sys::monotonic_ms());
    }

    /// The request of that token may last as long as it likes from now on: it is a WebSocket.
    pub fn outlasts_deadlines(&mut self, token: usize) {
        if self.requests.end(token) {
            self.show(sys::monotonic_ms(), None);
        }
    }

    /// The loop is alive, with or without requests in progress. While it has some, the time to the next beat counts as
    /// the time it is stuck, and the master ends a worker that is stuck for longer than the request deadline. Where each
    /// request has that deadline, or one of its own, the master ends the worker as well when one is over.
    pub fn beat(&self, in_progress: bool) {
        if in_progress {
            self.show(sys::monotonic_ms(), None);
        } else {
            self.reactor.desk.beat(false);
        }
    }

    /// The driver waits for the client of a WebSocket: it is told when that takes too long.
    pub fn await_client(&mut self, token: usize, patience: Patience) {
        let wait = match patience {
            Patience::Silence => Wait::Ping,
            Patience::Pong => Wait::Pong,
            Patience::Close => Wait::Close,
        };
        self.reactor.deadlines.wait(token, wait, Instant::now());
    }

    /// Why the worker is leaving, if it is: whatever has no end of its own has to be brought to one.
    pub fn leaving(&self) -> Option<Departure> {
        self.reactor.leaving.map(|leaving| leaving.departure)
    }

    /// What is still in progress has had all the time that a worker gets to leave.
    pub fn is_overdue(&self) -> bool {
        let leaving = self.reactor.leaving;
        leaving.is_some_and(|leaving| Instant::now() >= leaving.limit)
    }

    /// The driver waits for nothing of that client any more.
    pub fn end_wait(&mut self, token: usize) {
        self.requests.goes_on(token, sys::monotonic_ms());
        self.reactor.deadlines.clear(token);
    }
}
