//! A reactor that is turned from outside: by the event loop of an asynchronous application.
//!
//! The loop watches [`Driven::descriptor`] and calls [`Driven::turn`] when it is readable, when [`Driven::due`] says so, and
//! once more after the application's own work. Nothing here waits or calls back: what has happened is collected, and the
//! driver asks for it. Requests leave as [`Exchange`]s and come back answered through [`Driven::hand_back`]; in between
//! the driver is told what becomes possible for them. Those that a rule gives a limit of their own are shown to the master, which
//! ends the worker when one is over: the loop may be stuck then.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use mio::Events;

use crate::deadlines::Wait;
use crate::exchange::{Exchange, Flow};
use crate::reactor::{Answering, Conditions, Departure, EVENTS, Reactor, Readiness};

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
    /// Requests in progress with a limit of their own.
    limited: Vec<Limited>,
}

/// A request that ends the worker when it takes too long.
struct Limited {
    token: usize,
    due_ms: u64,
    limit_ms: u64,
    method: Vec<u8>,
    target: Vec<u8>,
    client: String,
}

impl Limited {
    fn of(exchange: &Exchange) -> Option<Limited> {
        let (limit_ms, head) = (exchange.harakiri_ms()?, exchange.head());
        Some(Limited {
            token: exchange.token(),
            due_ms: sys::monotonic_ms().saturating_add(limit_ms),
            limit_ms,
            method: head.method().to_vec(),
            target: head.target().to_vec(),
            client: exchange.client_address().to_owned(),
        })
    }
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
            limited: Vec::new(),
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
        let before = self.limited.len();
        let limited = into.iter().filter_map(|happening| match happening {
            Happening::Request(exchange) => Limited::of(exchange),
            Happening::Ready(..) | Happening::Overdue(_) => None,
        });
        self.limited.extend(limited);
        if self.limited.len() > before {
            self.beat(true);
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
        for exchange in answered.drain(..) {
            self.reactor.deadlines.clear(exchange.token());
            self.reactor.desk.count();
            if !self.limited.is_empty() {
                self.limited.retain(|limited| limited.token != exchange.token());
                self.beat(true);
            }
            self.reactor.welcome_back(exchange);
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
        Flow::Full
    }

    /// The driver waits for more of a body: it is told when there is something to read, or when that takes too long.
    pub fn await_body(&mut self, exchange: &Exchange) {
        self.reactor
            .deadlines
            .wait(exchange.token(), Wait::Body, Instant::now());
    }

    /// The loop is alive, with or without requests in progress. While it has some, the time to the next beat counts as
    /// the time it is stuck, and the master ends a worker that is stuck for longer than the request deadline.
    pub fn beat(&self, in_progress: bool) {
        self.reactor.desk.beat(in_progress);
        let now_ms = sys::monotonic_ms();
        let Conditions {
            settings,
            scoreboard,
            slot,
            ..
        } = &self.reactor.conditions;
        // The loop itself may be stuck too long before that.
        let stuck = settings.timeouts.request_deadline;
        let sooner = |limited: &&Limited| {
            let left_ms = u128::from(limited.due_ms.saturating_sub(now_ms));
            in_progress && stuck.is_none_or(|limit| left_ms < limit.as_millis())
        };
        if let Some(first) = self
            .limited
            .iter()
            .filter(sooner)
            .min_by_key(|limited| limited.due_ms)
        {
            let row = scoreboard.thread(*slot, 0);
            row.begin(now_ms, &first.method, &first.target, first.client.as_bytes());
            row.limit(first.due_ms, first.limit_ms);
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
        self.reactor.deadlines.clear(token);
    }
}
