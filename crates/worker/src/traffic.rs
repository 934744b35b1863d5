//! What the reactor does with one connection: read, understand, have it served, write, wait.
//!
//! A connection is taken out of the table while it is worked on and put back by [`Reactor::settle`] or one of the
//! functions it calls; every path through this file and those below it ends with it in the table, with an application thread, or
//! closed. Here it is read and understood; who serves a request is in `serving`, what is made of its answer in `booking`, and how
//! that leaves in `writing`.

mod booking;
mod serving;
mod writing;

use std::sync::Arc;

use shared::Tally;
use telemetry::Via;

use crate::connection::{Connection, Ending, Stage, Workspace};
use crate::driven::Happening;
use crate::exchange::{Exchange, Step};
use crate::reactor::{Answering, Reactor, Readiness, Slot};
use crate::vanished;

pub(crate) use serving::Rounds;

/// Requests of one connection served before others get their turn.
const REQUESTS_A_TURN: u32 = 32;
/// Reads from one connection before others get their turn.
const READS_A_TURN: u32 = 16;
/// A client that has this many bytes waiting for it gets nothing more done.
const STALLED: u64 = 64 << 10;

/// What has become of some input.
struct Verdict {
    /// How much of it was used.
    used: usize,
    /// The rest has not been looked at.
    unparsed: bool,
    /// A request can be served and leaves the reactor for that.
    submit: bool,
}

impl Reactor {
    /// Something may have become possible for a connection.
    pub(crate) fn noticed(&mut self, token: usize, readiness: Readiness) {
        let Some(mut exchange) = self.take(token, readiness) else {
            return self.script_client_ready(token, readiness);
        };
        exchange.connection.readable |= readiness.readable;
        exchange.connection.peer_closed |= readiness.peer_closed;
        if readiness.writable && !exchange.work.outbox.is_empty() && !exchange.connection.dirty {
            let Some(flushed) = self.flush(exchange) else {
                return;
            };
            exchange = flushed;
        }
        self.drive(exchange);
    }

    /// A connection's turn has come again.
    pub(crate) fn continued(&mut self, token: usize) {
        match self.slots.get_mut(token) {
            Some(Slot::Idle(connection)) => connection.queued = false,
            Some(Slot::Active(exchange)) => exchange.connection.queued = false,
            // Told again when it is back.
            Some(Slot::Away(_)) | None => return,
        }
        let readiness = Readiness {
            writable: true,
            ..Readiness::default()
        };
        self.noticed(token, readiness);
    }

    /// Has a connection continued in the next turn.
    fn come_back(&mut self, connection: &mut Connection) {
        if !connection.queued {
            connection.queued = true;
            self.again.push(connection.token);
        }
    }

    /// Takes a connection out of the table, unless it is away: then what has been noticed is noted there, and a driver
    /// is told.
    fn take(&mut self, token: usize, readiness: Readiness) -> Option<Exchange> {
        let slot = self.slots.get_mut(token)?;
        if let Slot::Away(noted) = slot {
            noted.readable |= readiness.readable;
            noted.peer_closed |= readiness.peer_closed;
            if let Answering::Driver(happenings) = &mut self.answering
                && !self.scripts.have(token)
            {
                happenings.push(Happening::Ready(token, readiness));
            }
            return None;
        }
        match std::mem::replace(slot, Slot::Away(Readiness::default())) {
            Slot::Idle(connection) => Some(self.equip(connection)),
            Slot::Active(exchange) => Some(exchange),
            Slot::Away(_) => None,
        }
    }

    /// Lends an idle connection what it needs to work.
    pub(crate) fn equip(&mut self, connection: Box<Connection>) -> Exchange {
        let spare = self.spares.pop();
        let work = spare.unwrap_or_else(|| {
            Box::new(Workspace::new(
                self.clock.stamp,
                self.clock.now,
                Arc::clone(&self.bounds),
            ))
        });
        Exchange { connection, work }
    }

    /// Reads, understands and serves, until the connection has nothing more or others have waited long enough.
    pub(crate) fn drive(&mut self, mut exchange: Exchange) {
        let mut requests = REQUESTS_A_TURN;
        let mut reads = READS_A_TURN;
        // What could not be written must not wait until whoever answers the next request is done.
        let stalled = if self.answering.elsewhere() { 0 } else { STALLED };
        loop {
            match exchange.connection.ending {
                Ending::No => {}
                Ending::Lingering => return self.discard(exchange),
                Ending::Now | Ending::Flush | Ending::FlushAndLinger => break,
            }
            let has_event = exchange.connection.codec.has_event();
            let has_input = exchange.work.unparsed || exchange.connection.readable || has_event;
            if !has_input || exchange.work.outbox.pending() > stalled {
                break;
            }
            if requests == 0 || reads == 0 {
                self.come_back(&mut exchange.connection);
                break;
            }
            let submit;
            if exchange.work.unparsed || has_event {
                (exchange, submit) = self.consume_inbox(exchange, &mut requests);
            } else {
                reads -= 1;
                (exchange, submit) = self.consume_socket(exchange, &mut requests);
            }
            if submit {
                return self.submit(exchange);
            }
        }
        self.settle(exchange);
    }

    /// Goes on with bytes that were received earlier.
    fn consume_inbox(&mut self, mut exchange: Exchange, requests: &mut u32) -> (Exchange, bool) {
        let mut input = std::mem::take(&mut exchange.work.inbox);
        let (mut exchange, verdict) = self.consume(exchange, &input, requests);
        input.drain(..verdict.used);
        if exchange.work.inbox.is_empty() {
            exchange.work.inbox = input;
        }
        exchange.work.unparsed = verdict.unparsed && !exchange.work.inbox.is_empty();
        (exchange, verdict.submit)
    }

    /// Reads once. Usually everything is understood where it was read to, and nothing is copied aside.
    fn consume_socket(&mut self, mut exchange: Exchange, requests: &mut u32) -> (Exchange, bool) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut submit = false;
        match exchange.connection.read(&mut scratch) {
            None => {}
            Some(0) => {
                vanished::tell(&exchange, &self.conditions.error_log);
                exchange.connection.ending = Ending::Flush;
            }
            Some(count) if exchange.work.inbox.is_empty() => {
                let verdict;
                (exchange, verdict) = self.consume(exchange, &scratch[..count], requests);
                exchange
                    .work
                    .inbox
                    .extend_from_slice(&scratch[verdict.used..count]);
                exchange.work.unparsed = verdict.unparsed && !exchange.work.inbox.is_empty();
                submit = verdict.submit;
            }
            Some(count) => {
                exchange.work.inbox.extend_from_slice(&scratch[..count]);
                exchange.work.unparsed = true;
            }
        }
        self.scratch = scratch;
        (exchange, submit)
    }

    /// Understands `input` and serves what is complete in it.
    fn consume(&mut self, mut exchange: Exchange, input: &[u8], requests: &mut u32) -> (Exchange, Verdict) {
        let mut used = 0;
        let done = |used, unparsed, submit| Verdict {
            used,
            unparsed,
            submit,
        };
        loop {
            let (step_used, step) = exchange.parse(&input[used..]);
            used += step_used;
            match step {
                Step::NeedMore => return (exchange, done(used, false, false)),
                Step::Ready => {
                    *requests -= 1;
                    self.prepare(&mut exchange);
                    let without = self.answer_here(&mut exchange);
                    if without.is_none() || exchange.body_arriving() {
                        // Whoever serves it may want to read on from what has been received.
                        exchange.work.inbox.extend_from_slice(&input[used..]);
                        used = input.len();
                    }
                    let Some(tally) = without else {
                        return (exchange, done(used, true, true));
                    };
                    exchange.work.via = match tally {
                        Tally::Static => Via::File,
                        _ => Via::Rule,
                    };
                    self.desk.add(tally);
                    self.answered(&mut exchange);
                    if exchange.connection.ending == Ending::Flush && used < input.len() {
                        exchange.connection.ending = Ending::FlushAndLinger;
                    }
                    let pause = *requests == 0 || exchange.work.outbox.pending() > STALLED;
                    if pause || used == input.len() || exchange.connection.ending != Ending::No {
                        return (exchange, done(used, true, false));
                    }
                }
                // It has had its answer; a second one would be taken for the next request's.
                Step::Refused(_) if exchange.work.stage == Stage::Draining => {
                    exchange.connection.ending = Ending::FlushAndLinger;
                    return (exchange, done(input.len(), false, false));
                }
                Step::Refused(refusal) => {
                    self.refuse(&mut exchange, &refusal);
                    return (exchange, done(input.len(), false, false));
                }
                Step::TooMuch => {
                    exchange.connection.ending = Ending::FlushAndLinger;
                    return (exchange, done(input.len(), false, false));
                }
            }
        }
    }

    /// Puts a connection back: to be flushed at the end of the turn, or to wait.
    fn settle(&mut self, mut exchange: Exchange) {
        let token = exchange.connection.token;
        if exchange.connection.ending == Ending::Now {
            return self.close(exchange);
        }
        if exchange.work.outbox.is_empty() {
            return self.written(exchange);
        }
        if !exchange.connection.dirty {
            exchange.connection.dirty = true;
            if self.dirty.is_empty() {
                self.dirty_since = self.clock.now;
            }
            self.dirty.push(token);
        }
        self.slots[token] = Slot::Active(exchange);
    }
}
