//! What the reactor does with one connection: read, understand, have it served, write, wait.
//!
//! A connection is taken out of the table while it is worked on and put back by [`Reactor::settle`] or one of the
//! functions it calls; every path through this file ends with it in the table, with an application thread, or
//! closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use config::Dialect;
use protocol::Refusal;
use shared::Tally;
use telemetry::{AccessRecord, Via};

use crate::connection::{Connection, Ending, Stage, Workspace};
use crate::deadlines::Wait;
use crate::driven::Happening;
use crate::exchange::{Exchange, Flow, Step};
use crate::outbox::Flushed;
use crate::reactor::{Answering, COMPLAINT_INTERVAL, Reactor, Readiness, Slot};
use crate::routes::Phase;
use crate::vanished;

/// Requests of one connection served before others get their turn.
const REQUESTS_A_TURN: u32 = 32;
/// Reads from one connection before others get their turn.
const READS_A_TURN: u32 = 16;
/// A client that has this many bytes waiting for it gets nothing more done.
const STALLED: u64 = 64 << 10;
/// How long answers are gathered at the most.
const GATHER: Duration = Duration::from_millis(1);
/// Spare workspaces kept.
const SPARES: usize = 256;

/// What has become of some input.
struct Verdict {
    /// How much of it was used.
    used: usize,
    /// The rest has not been looked at.
    unparsed: bool,
    /// A request can be served and leaves the reactor for that.
    submit: bool,
}

/// How often a leader goes through the requests that are ready before it turns again: a connection whose next request is
/// there already gets its turn after all others.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    begun: u32,
    /// Requests left in this one.
    left: usize,
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

    /// Answers by a rule or from a file, if there is one for the request.
    fn answer_here(&self, exchange: &mut Exchange) -> Option<Tally> {
        if let Some(router) = &self.bounds.router {
            let outcome = router.decide(Phase::Request, exchange);
            self.tell_lines(exchange);
            if let Some(outcome) = outcome {
                outcome.answer(exchange);
                return Some(Tally::Routed);
            }
            if exchange.work.routed.relay.is_some() {
                return None;
            }
        }
        let answered = self.files.as_ref().is_some_and(|files| files.answer(exchange));
        answered.then_some(Tally::Static)
    }

    /// Puts into the log what rules have said.
    fn tell_lines(&self, exchange: &mut Exchange) {
        for line in exchange.work.routed.lines.drain(..) {
            self.conditions.error_log.info(line);
        }
    }

    /// What every request gets before it is served.
    fn prepare(&mut self, exchange: &mut Exchange) {
        self.deadlines.clear(exchange.connection.token);
        exchange.work.stamp = self.clock.stamp;
        let waits_since = exchange.connection.waits_since.take();
        exchange.work.is_passed_on = waits_since.is_some();
        exchange.work.called = waits_since.unwrap_or(self.clock.now);
        exchange.work.waited = Duration::ZERO;
        exchange.work.close =
            self.leaving.is_some() || self.conditions.settings.timeouts.keep_alive.is_zero();
        if let Some(name) = exchange.work.head.instruction()
            && !self.told_of_instructions
        {
            self.told_of_instructions = true;
            self.conditions.error_log.warning(format_args!(
                "the web server sends the variable {}: uWSGI would load or set something at its word, here it is only \
                 shown to the application (said once)",
                name.escape_ascii()
            ));
        }
        if let Some(reason) = exchange.work.origin.ignored
            && !self.told_of_forwarded
        {
            self.told_of_forwarded = true;
            self.conditions.error_log.warning(format_args!(
                "what the trusted proxy at {} says of its client is not believed: {reason} (said once)",
                match exchange.connection.client_address.as_str() {
                    "" => "a unix socket",
                    address => address,
                }
            ));
        }
    }

    /// The leader calls the application for what is ready, and for `jobs`, which have waited for that.
    pub(crate) fn call_here(&mut self, jobs: VecDeque<Exchange>) {
        if let Answering::Crew { handed, .. } = &mut self.answering {
            *handed = false;
        }
        self.jobs.extend(jobs);
    }

    /// The leader calls nobody: application threads do, for what is ready as well.
    pub(crate) fn hand_out(&mut self) {
        if let Answering::Crew { handed, .. } = &mut self.answering {
            *handed = true;
        }
        self.bounds.hurry.store(true, Ordering::Relaxed);
        self.flush_dirty();
        for mut exchange in std::mem::take(&mut self.jobs) {
            // Earlier answers of its connection. If the client is gone, that shows when this one is written.
            exchange.flush();
            self.pass_on(exchange);
        }
        self.relieve();
        self.flush_dirty();
    }

    /// The next request for the leader to serve.
    pub(crate) fn next_job(&mut self, rounds: &mut Rounds) -> Option<Exchange> {
        if rounds.left == 0 {
            rounds.begun += 1;
            rounds.left = if rounds.begun > REQUESTS_A_TURN {
                0
            } else {
                self.jobs.len()
            };
        }
        rounds.left = rounds.left.checked_sub(1)?;
        self.jobs.pop_front()
    }

    /// Whether answers had better not wait for the call of the application that comes next.
    pub(crate) fn in_haste(&self) -> bool {
        self.bounds.hurry.load(Ordering::Relaxed)
    }

    /// The leader has served a request, and it is `now`.
    pub(crate) fn called(&mut self, exchange: Exchange, now: Instant, was_slow: bool, is_cautious: bool) {
        self.clock.now = now;
        self.bounds.hurry.store(is_cautious, Ordering::Relaxed);
        self.welcome_back(exchange);
        if was_slow || (!self.dirty.is_empty() && now - self.dirty_since > GATHER) {
            self.flush_dirty();
        }
    }

    /// Books an answer and makes the connection ready for the next request.
    fn answered(&mut self, exchange: &mut Exchange) {
        self.requests += 1;
        exchange.connection.served = true;
        if exchange.work.mishaps.unread && exchange.connection.departed.is_some() {
            vanished::tell(exchange, &self.conditions.error_log);
        }
        let (number, requests, now) = (self.conditions.number, self.requests, self.clock.now);
        self.book(exchange, now - exchange.work.called);
        if let Some(router) = &self.bounds.router {
            // There is nothing left to be answered.
            let _ = router.decide(Phase::Last, exchange);
            self.tell_lines(exchange);
        }
        let (client, client_port) = (exchange.client_address(), exchange.client_port());
        // uvicorn tells of a WebSocket in its error log, when it begins and when it ends.
        let is_told = !exchange.work.routed.unlogged
            && (exchange.work.response.status() != 101
                || self.conditions.settings.dialect != Dialect::Uvicorn);
        if let Some(statsd) = self.conditions.error_log.statsd() {
            statsd.request(exchange.work.response.status(), now - exchange.work.called);
        }
        let is_wanted = exchange.work.routed.wanted;
        let log = self.conditions.access_log.as_mut();
        if let Some(log) = log.filter(|log| is_told && (is_wanted || !log.is_silent())) {
            let board = &self.conditions.scoreboard;
            // Only uWSGI's line has the number of all workers' requests.
            let all = match self.conditions.settings.dialect {
                Dialect::Uwsgi => (0..board.slots()).map(|slot| board.worker(slot).requests()).sum(),
                Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn => requests,
            };
            let work = &exchange.work;
            log.record(&AccessRecord {
                head: &work.head,
                status: work.response.status(),
                response_fields: &work.response,
                body_bytes: work.body_bytes,
                head_bytes: work.head_bytes,
                duration: now - work.called,
                waited: work.waited,
                client,
                client_port,
                scheme: exchange.scheme(),
                worker_number: number,
                thread: work.thread,
                requests_of_worker: requests,
                requests_total: all,
                noted: &work.routed.noted,
                via: work.via,
                is_wanted,
                read_failed: work.mishaps.unread,
                write_failed: work.mishaps.unwritten,
            });
        }
        if exchange.connection.ending == Ending::No && exchange.connection.codec.body_complete() {
            exchange.work.next_request();
            // A body served before its end was noted: the codec has to note it to be between requests.
            if exchange.connection.codec.end_unnoted() {
                exchange.parse(&[]);
            }
        }
        if !self.asked_to_retire
            && self
                .conditions
                .max_requests
                .is_some_and(|limit| requests >= limit)
        {
            self.asked_to_retire = true;
            (self.conditions.retire)(requests);
        }
    }

    /// Adds an answer to what the master knows of this worker.
    fn book(&self, exchange: &Exchange, took: Duration) {
        let (work, board) = (&exchange.work, &self.conditions.scoreboard);
        let row = board.worker(self.conditions.slot);
        row.book(work.head_bytes + work.body_bytes, took.as_micros() as u64);
        let mishaps = work.mishaps;
        for (happened, tally) in [
            (mishaps.raised, Tally::Exceptions),
            (mishaps.unread, Tally::ReadErrors),
            (mishaps.unwritten, Tally::WriteErrors),
        ] {
            if happened {
                row.thread(work.thread as usize).add(tally);
            }
        }
    }

    /// Answers something that is not a request, or not one to be served.
    fn refuse(&mut self, exchange: &mut Exchange, refusal: &Refusal) {
        let (connection, work) = (&mut exchange.connection, &mut exchange.work);
        let client = if connection.client_address.is_empty() {
            "a unix socket"
        } else {
            &connection.client_address
        };
        self.conditions
            .error_log
            .warning(format_args!("Invalid request from ip={client}: {refusal}"));
        connection
            .codec
            .refuse(refusal, &self.clock.stamp, work.outbox.tail());
        connection.ending = Ending::FlushAndLinger;
    }

    /// Has a request served by whoever does that.
    pub(crate) fn submit(&mut self, mut exchange: Exchange) {
        let is_for_script = self.is_for_script(&exchange);
        let is_watched = is_for_script || matches!(self.answering, Answering::Driver(_));
        if is_watched && !exchange.connection.watch(self.poll.registry()) {
            return self.close(exchange);
        }
        match &mut self.answering {
            _ if is_for_script => self.run_script(exchange),
            Answering::Driver(happenings) => happenings.push(Happening::Request(exchange)),
            Answering::Crew { handed: false, .. } if exchange.work.is_passed_on => {
                self.jobs.push_front(exchange)
            }
            Answering::Crew { handed: false, .. } => self.jobs.push_back(exchange),
            Answering::Crew { handed: true, .. } => self.pass_on(exchange),
        }
    }

    /// Hands a request to the application threads; one too many is answered here.
    fn pass_on(&mut self, exchange: Exchange) {
        let Answering::Crew { helm, .. } = &self.answering else {
            return;
        };
        if exchange.work.is_passed_on {
            return helm.submit_first(exchange);
        }
        let limit = self.conditions.settings.request_queue.map(|limit| limit as usize);
        let Err(exchange) = helm.submit(exchange, limit) else {
            return;
        };
        let Err(mut exchange) = self.send_if_anybody_idles(exchange) else {
            return;
        };
        let now = self.clock.now;
        if self
            .overloaded
            .is_none_or(|then| now - then >= COMPLAINT_INTERVAL)
        {
            self.overloaded = Some(now);
            self.conditions.error_log.warning(format_args!(
                "{} requests wait for a thread of the application, as many as --request-queue allows: further ones get \
                 503 (said once a minute)",
                limit.unwrap_or_default()
            ));
        }
        exchange.close_after_answer();
        exchange.fail(503);
        self.welcome_back(exchange);
    }

    /// Takes back what other threads have served.
    pub(crate) fn take_back(&mut self) {
        let mut served = std::mem::take(&mut self.served);
        for exchange in served.drain(..) {
            self.welcome_back(exchange);
        }
        self.served = served;
    }

    /// Goes on with a connection whose request has been answered elsewhere.
    pub(crate) fn welcome_back(&mut self, mut exchange: Exchange) {
        exchange.connection.queued = false;
        self.answered(&mut exchange);
        // Whatever was noted while it was away is looked at now.
        if let Some(Slot::Away(noted)) = self.slots.get(exchange.connection.token) {
            exchange.connection.readable |= noted.readable;
            exchange.connection.peer_closed |= noted.peer_closed;
        }
        self.drive(exchange);
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
    fn flush(&mut self, mut exchange: Exchange) -> Option<Exchange> {
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
    fn written(&mut self, mut exchange: Exchange) {
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
    fn rest(&mut self, mut exchange: Exchange) {
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
    fn discard(&mut self, mut exchange: Exchange) {
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
                self.close(exchange);
            }
        }
        self.flush_dirty();
    }
}
