//! What is queued goes out, and what a connection waits for after that: its next request, the end of what it sends, or its close.

use std::time::Instant;

use protocol::Refusal;
use shared::Tally;

use super::READS_A_TURN;
use crate::connection::{Connection, Ending, Stage};
use crate::deadlines::Wait;
use crate::driven::Happening;
use crate::exchange::{Exchange, Flow};
use crate::outbox::Flushed;
use crate::reactor::{Answering, Reactor, Readiness, Slot};

/// A client, as the log calls it.
pub(super) fn called(connection: &Connection) -> &str {
    match connection.client_address.as_str() {
        "" => "a unix socket",
        address => address,
    }
}

/// Spare workspaces kept.
const SPARES: usize = 256;

impl Reactor {
    /// Writes the answers that were gathered.
    pub(crate) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for token in dirty.drain(..) {
            let Some(slot) = self.slots.get_mut(token) else {
                continue;
            };
            match std::mem::replace(slot, Slot::Away(Readiness::default())) {
                Slot::Active(mut exchange) => {
                    exchange.connection.dirty = false;
                    if let Some(exchange) = self.flush(exchange) {
                        self.written(exchange);
                    }
                }
                Slot::Idle(mut connection) => {
                    connection.dirty = false;
                    self.slots[token] = Slot::Idle(connection);
                }
                // Just being worked on: its turn comes again.
                away @ Slot::Away(_) => {
                    self.slots[token] = away;
                    self.dirty.push(token);
                }
            }
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    /// Writes what a connection has queued; gives it back if that was everything.
    pub(super) fn flush(&mut self, mut exchange: Exchange) -> Option<Exchange> {
        let token = exchange.connection.token;
        let before = exchange.work.outbox.pending();
        match exchange.work.outbox.flush(&mut exchange.connection.stream) {
            Ok(Flushed::All) => return Some(exchange),
            Ok(Flushed::Turn) => self.come_back(&mut exchange.connection),
            Ok(Flushed::Blocked) => {
                if !exchange.connection.watch(self.poll.registry())
                    || exchange.watch_writable(self.poll.registry()) == Flow::Gone
                {
                    self.close(exchange);
                    return None;
                }
            }
            Err(_) => {
                self.desk.add(Tally::WriteErrors);
                self.close(exchange);
                return None;
            }
        }
        // Only what the client takes renews the patience with it, not what it sends.
        if exchange.work.outbox.pending() < before || self.deadlines.waiting(token) != Some(Wait::Write) {
            self.deadlines.wait(token, Wait::Write, self.clock.now);
        }
        self.slots[token] = Slot::Active(exchange);
        None
    }

    /// Nothing is left to be written: what does the connection wait for now?
    pub(super) fn written(&mut self, mut exchange: Exchange) {
        let token = exchange.connection.token;
        match exchange.connection.ending {
            Ending::No => {}
            // Closing with bytes unread would be a reset, and the answer would be lost with it.
            Ending::Flush
                if exchange.connection.readable
                    && !exchange.connection.peer_closed
                    && !exchange.connection.cut =>
            {
                exchange.connection.ending = Ending::FlushAndLinger;
                return self.written(exchange);
            }
            Ending::Now | Ending::Flush => return self.close(exchange),
            Ending::FlushAndLinger | Ending::Lingering => {
                exchange.connection.stream.shut_write();
                exchange.connection.ending = Ending::Lingering;
                self.deadlines.wait(token, Wait::Linger, self.clock.now);
                return self.discard(exchange);
            }
        }
        if exchange.work.unparsed || exchange.connection.readable || exchange.connection.codec.has_event() {
            // It was stopped by a full outbox or by the turn's end.
            self.come_back(&mut exchange.connection);
        }
        let wait = match exchange.work.stage {
            Stage::Head if exchange.work.inbox.is_empty() && exchange.connection.codec.awaiting_request() => {
                return self.rest(exchange);
            }
            // The patience for a head counts from its first byte.
            Stage::Head if self.deadlines.waiting(token) == Some(Wait::Head) => None,
            Stage::Head => Some(Wait::Head),
            Stage::Body | Stage::Serving | Stage::Draining => Some(Wait::Body),
        };
        if let Some(wait) = wait {
            self.deadlines.wait(token, wait, self.clock.now);
        }
        if !exchange.connection.watch(self.poll.registry()) {
            return self.close(exchange);
        }
        self.slots[token] = Slot::Active(exchange);
    }

    /// Between requests.
    pub(super) fn rest(&mut self, mut exchange: Exchange) {
        if !exchange.connection.watch(self.poll.registry()) {
            return self.close(exchange);
        }
        let Exchange { connection, mut work } = exchange;
        let token = connection.token;
        if connection.served || self.deadlines.waiting(token) != Some(Wait::Head) {
            self.deadlines.wait(token, Wait::KeepAlive, self.clock.now);
        }
        self.slots[token] = Slot::Idle(connection);
        if self.spares.len() < SPARES {
            work.next_connection();
            self.spares.push(work);
        }
    }

    /// Reads and throws away until the client has ended its side too.
    pub(super) fn discard(&mut self, mut exchange: Exchange) {
        let mut scratch = std::mem::take(&mut self.scratch);
        // Another connection's input may be in use there: then in the next turn.
        let mut reads = if scratch.is_empty() { 0 } else { READS_A_TURN };
        let mut ended = false;
        while exchange.connection.readable && reads > 0 && !ended {
            reads -= 1;
            ended = exchange.connection.read(&mut scratch) == Some(0);
        }
        self.scratch = scratch;
        let token = exchange.connection.token;
        if ended {
            return self.close(exchange);
        }
        if exchange.connection.readable {
            self.come_back(&mut exchange.connection);
        }
        if !exchange.connection.watch(self.poll.registry()) {
            return self.close(exchange);
        }
        self.slots[token] = Slot::Active(exchange);
    }

    /// Closes the socket and forgets the connection.
    pub(crate) fn close(&mut self, exchange: Exchange) {
        let Exchange { connection, mut work } = exchange;
        self.deadlines.clear(connection.token);
        self.slots.remove(connection.token);
        if connection.cut {
            connection.stream.reset_on_close();
        }
        drop(connection);
        if self.spares.len() < SPARES {
            work.next_connection();
            self.spares.push(work);
        }
    }

    /// Tells the log of a client that does not read.
    pub(super) fn tell_not_taken(&self, exchange: &Exchange) {
        let seconds = self.bounds.write_patience.as_secs_f64();
        self.conditions.error_log.warning(format_args!(
            "Nothing of its answer taken for {seconds} s by ip={}: the connection is closed",
            called(&exchange.connection)
        ));
    }

    /// Ends waits that were over at `until`.
    pub(crate) fn end_waits(&mut self, until: Instant) {
        while let Some((token, wait)) = self.deadlines.expired(until) {
            if self.scripts.have(token) {
                self.script_client_overdue(token);
                continue;
            }
            if let (Some(Slot::Away(_)), Answering::Driver(happenings)) =
                (self.slots.get(token), &mut self.answering)
            {
                happenings.push(Happening::Overdue(token));
                continue;
            }
            let Some(mut exchange) = self.take(token, Readiness::default()) else {
                continue;
            };
            let head_begun = !exchange.work.inbox.is_empty() || exchange.work.stage == Stage::Body;
            if matches!(wait, Wait::Head | Wait::Body) && head_begun && exchange.work.stage != Stage::Draining
            {
                self.refuse(&mut exchange, &Refusal::Timeout);
                self.settle(exchange);
            } else {
                if wait == Wait::Write {
                    self.tell_not_taken(&exchange);
                }
                self.close(exchange);
            }
        }
        self.flush_dirty();
    }
}
