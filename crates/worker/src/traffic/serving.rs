//! Who serves a request that is complete: a rule, a file or a script here, the leader, other threads or other workers; and how it
//! comes back.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use protocol::Refusal;
use shared::Tally;

use super::REQUESTS_A_TURN;
use super::writing::called;
use crate::connection::Ending;
use crate::driven::Happening;
use crate::exchange::Exchange;
use crate::reactor::{Answering, COMPLAINT_INTERVAL, Reactor, Slot};
use crate::routes::Phase;

/// How long answers are gathered at the most.
const GATHER: Duration = Duration::from_millis(1);

/// How often a leader goes through the requests that are ready before it turns again: a connection whose next request is
/// there already gets its turn after all others.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    begun: u32,
    /// Requests left in this one.
    left: usize,
}

impl Reactor {
    /// Answers by a rule or from a file, if there is one for the request.
    pub(super) fn answer_here(&self, exchange: &mut Exchange) -> Option<Tally> {
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
    pub(super) fn tell_lines(&self, exchange: &mut Exchange) {
        for line in exchange.work.routed.lines.drain(..) {
            self.conditions.error_log.info(line);
        }
    }

    /// What every request gets before it is served.
    pub(super) fn prepare(&mut self, exchange: &mut Exchange) {
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

    /// Answers something that is not a request, or not one to be served.
    pub(super) fn refuse(&mut self, exchange: &mut Exchange, refusal: &Refusal) {
        let (connection, work) = (&mut exchange.connection, &mut exchange.work);
        let client = called(connection);
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
    pub(super) fn pass_on(&mut self, exchange: Exchange) {
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

    /// The leader calls the application for what is ready, and for `jobs`, which have waited for that.
    pub(crate) fn call_here(&mut self, jobs: VecDeque<Exchange>) {
        if let Answering::Crew { handed, .. } = &mut self.answering {
            *handed = false;
        }
        self.conditions
            .scoreboard
            .worker(self.conditions.slot)
            .set_waiting(0);
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
}
