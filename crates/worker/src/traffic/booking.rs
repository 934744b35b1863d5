//! An answer is given: the log, the scoreboard and StatsD are told, and the connection is made ready for its next request.

use std::time::Duration;

use config::Dialect;
use shared::Tally;
use telemetry::AccessRecord;

use crate::connection::Ending;
use crate::exchange::Exchange;
use crate::reactor::Reactor;
use crate::routes::Phase;
use crate::vanished;

impl Reactor {
    /// Books an answer and makes the connection ready for the next request.
    pub(super) fn answered(&mut self, exchange: &mut Exchange) {
        self.requests += 1;
        exchange.connection.served = true;
        if exchange.work.mishaps.unread && exchange.connection.departed.is_some() {
            vanished::tell(exchange, &self.conditions.error_log);
        }
        if exchange.work.mishaps.not_taken {
            self.tell_not_taken(exchange);
        }
        let took = self.clock.now - exchange.work.called;
        self.book(exchange, took);
        if let Some(router) = &self.bounds.router {
            // There is nothing left to be answered.
            let _ = router.decide(Phase::Last, exchange);
            self.tell_lines(exchange);
        }
        if let Some(statsd) = self.conditions.error_log.statsd() {
            statsd.request(exchange.work.response.status(), took);
        }
        self.log_request(exchange, took);
        if exchange.connection.ending == Ending::No && exchange.connection.codec.body_complete() {
            exchange.work.next_request();
            // A body served before its end was noted: the codec has to note it to be between requests.
            if exchange.connection.codec.end_unnoted() {
                exchange.parse(&[]);
            }
        }
        let limit = self.conditions.max_requests;
        if !self.asked_to_retire && limit.is_some_and(|limit| self.requests >= limit) {
            self.asked_to_retire = true;
            (self.conditions.retire)(self.requests);
        }
    }

    /// The line about a request in the access log, where there is one.
    fn log_request(&mut self, exchange: &Exchange, took: Duration) {
        let work = &exchange.work;
        let dialect = self.conditions.settings.dialect;
        // uvicorn tells of a WebSocket in its error log, when it begins and when it ends.
        let is_told = !work.routed.unlogged && (work.response.status() != 101 || dialect != Dialect::Uvicorn);
        let is_wanted = work.routed.wanted;
        let log = self.conditions.access_log.as_mut();
        let Some(log) = log.filter(|log| is_told && (is_wanted || !log.is_silent())) else {
            return;
        };
        let board = &self.conditions.scoreboard;
        // Only uWSGI's line has the number of all workers' requests.
        let all = match dialect {
            Dialect::Uwsgi => (0..board.slots()).map(|slot| board.worker(slot).requests()).sum(),
            Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn => self.requests,
        };
        log.record(&AccessRecord {
            head: &work.head,
            status: work.response.status(),
            response_fields: &work.response,
            body_bytes: work.body_bytes,
            head_bytes: work.head_bytes,
            duration: took,
            waited: work.waited,
            client: exchange.client_address(),
            client_port: exchange.client_port(),
            scheme: exchange.scheme(),
            worker_number: self.conditions.number,
            thread: work.thread,
            requests_of_worker: self.requests,
            requests_total: all,
            noted: &work.routed.noted,
            via: work.via,
            is_wanted,
            read_failed: work.mishaps.unread,
            write_failed: work.mishaps.unwritten,
        });
    }

    /// Adds an answer to what the master knows of this worker.
    pub(super) fn book(&self, exchange: &Exchange, took: Duration) {
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
}
