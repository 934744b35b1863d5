//! New connections: when the worker takes some, how many, and what becomes of those that it cannot take.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::{ACCEPT_PAUSE, Answering, COMPLAINT_INTERVAL, Reactor, Readiness, Slot};
use crate::acceptor::{Acceptor, Arrival};
use crate::connection::{Connection, Front};
use crate::deadlines::Wait;

/// How long a worker whose application threads are all busy leaves new clients to others. An idle one takes them at once, one
/// whose call ends meanwhile soon enough: to accept somebody and to pass the request on costs more than that.
const COURTESY: Duration = Duration::from_millis(5);

/// Connections accepted from one listener in a turn when other workers accept from it too.
const ACCEPT_BURST: usize = 8;

/// Connections accepted from one listener in a turn when nobody else does: some are served at once.
const ACCEPT_TURN: usize = 128;

impl Reactor {
    /// Accepts what is waiting, fairly: workers share the listeners, and one that takes everything at once would
    /// leave the others idle.
    pub(crate) fn accept(&mut self) {
        self.take_over();
        if self.leaving.is_some() && !self.acceptors.is_empty() {
            self.leave_listeners();
        }
        if self.accept_again.is_some_and(|when| self.clock.now < when) {
            return;
        }
        self.accept_again = None;
        if self.is_polite() {
            return;
        }
        let burst = if self.is_alone() {
            ACCEPT_TURN
        } else {
            ACCEPT_BURST
        };
        for index in 0..self.acceptors.len() {
            self.accept_from(index, burst);
        }
        self.flush_dirty();
    }

    /// Whether new clients are left to other workers for the moment.
    fn is_polite(&mut self) -> bool {
        let is_due = !self.is_alone() && self.are_all_busy() && self.are_clients_waiting();
        self.polite_until = match self.polite_until {
            _ if !is_due => None,
            None => Some(self.clock.now + COURTESY),
            Some(until) => Some(until).filter(|until| self.clock.now < *until),
        };
        self.polite_until.is_some()
    }

    fn is_alone(&self) -> bool {
        self.conditions.settings.workers <= 1
    }

    /// Whether there may be clients to accept.
    pub(super) fn are_clients_waiting(&self) -> bool {
        let leaves = self.leaves_waiting();
        let mut acceptors = self.acceptors.iter();
        acceptors.any(|acceptor| acceptor.pending && !leaves(acceptor))
    }

    /// At which listeners new clients are left to other workers, and to the next generation, for as long as the calls last. At
    /// all of them when this worker is about to be killed. With one thread where clients could not go elsewhere once they are
    /// accepted, and at those of web servers, which have nothing to ask but what needs a thread: there the accept queue shows
    /// that the workers are too few.
    pub(super) fn leaves_waiting(&self) -> impl Fn(&Acceptor) -> bool + use<> {
        let is_busy = self.are_all_busy();
        let everywhere = is_busy && self.is_condemned();
        let has_one_thread = self.conditions.settings.threads <= 1;
        let passes_on = self.passes_on();
        move |acceptor| {
            let stays = acceptor.front().wire.is_gateway() || !passes_on;
            everywhere || (is_busy && has_one_thread && stays)
        }
    }

    /// Whether a request that comes now has to wait for a call that may last.
    pub(crate) fn are_all_busy(&self) -> bool {
        match &self.answering {
            Answering::Crew { helm, handed: true } => helm.are_all_busy(),
            Answering::Crew { handed: false, .. } | Answering::Driver(_) => false,
        }
    }

    /// Whether one more connection may be accepted. One that is waiting when the worker leaves is answered all the same.
    pub(super) fn has_room(&self) -> bool {
        let limit = self.conditions.settings.connections;
        self.leaving.is_some() || limit.is_none_or(|limit| self.slots.len() < limit as usize)
    }

    pub(super) fn accept_from(&mut self, index: usize, burst: usize) {
        if self.leaves_waiting()(&self.acceptors[index]) {
            return;
        }
        for _ in 0..burst {
            if !self.acceptors[index].pending || self.accept_again.is_some() || !self.has_room() {
                return;
            }
            match self.acceptors[index].accept() {
                Ok(Some(arrival)) => self.welcome(arrival),
                Ok(None) => self.acceptors[index].pending = false,
                Err(error) => self.accept_failed(index, &error),
            }
        }
    }

    pub(super) fn welcome(&mut self, arrival: Arrival) {
        if let Some(address) = arrival.address
            && !arrival.front.allowed.include(address.ip())
        {
            return self.turn_away(&arrival.front, address.ip());
        }
        let entry = self.slots.vacant_entry();
        let token = entry.key();
        // A web server sends its request with the connection, and often there is no second one: reading at once spares a
        // poll, and the registration of a connection that is answered and closed.
        let is_prompt = arrival.front.wire.is_gateway();
        let mut connection = Box::new(Connection::new(arrival, token, self.limits));
        connection.readable = is_prompt;
        entry.insert(Slot::Idle(connection));
        self.deadlines.wait(token, Wait::Head, self.clock.now);
        if is_prompt {
            return self.noticed(token, Readiness::default());
        }
        let watched = match &mut self.slots[token] {
            Slot::Idle(connection) => connection.watch(self.poll.registry()),
            Slot::Active(_) | Slot::Away(_) => true,
        };
        // Fails only when the system is out of memory; then the client sees a close.
        if !watched {
            self.slots.remove(token);
            self.deadlines.clear(token);
        }
    }

    /// The peer may not connect: the socket closes, and the log says so, once a minute.
    pub(super) fn turn_away(&mut self, front: &Front, address: IpAddr) {
        let now = self.clock.now;
        if self
            .turned_away
            .is_some_and(|then| now - then < COMPLAINT_INTERVAL)
        {
            return;
        }
        self.turned_away = Some(now);
        let shown = &front.shown;
        self.conditions.error_log.warning(format_args!(
            "{address} may not connect to {shown} and has been turned away (said once a minute): web servers that may \
             are listed with uwsgi-allow-from in the gunicorn dialect, gateway-allow-from in the native one"
        ));
    }

    /// Out of descriptors or memory: come back a little later rather than spin.
    pub(super) fn accept_failed(&mut self, index: usize, error: &io::Error) {
        let now = self.clock.now;
        self.accept_again = Some(now + ACCEPT_PAUSE);
        // Whoever has had an answer may connect again; whoever waits outside has had none.
        self.close_idle(|connection| connection.served);
        if self
            .complained
            .is_some_and(|then| now - then < COMPLAINT_INTERVAL)
        {
            return;
        }
        self.complained = Some(now);
        let shown = &self.acceptors[index].front().shown;
        let open = self.slots.len();
        self.conditions.error_log.error(format_args!(
            "cannot accept connections on {shown}: {error} ({open} connections are open in this worker); those without a \
             request are closed, and the next try is in {} ms; said once a minute. Raise the limit of open files (ulimit -n) or lower the \
             number of clients",
            ACCEPT_PAUSE.as_millis()
        ));
    }
}
