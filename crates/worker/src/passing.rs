//! Requests that wait for a busy worker's threads go to a worker that idles.
//!
//! While the helper leads, all it reads goes into a queue for the application's threads. When those are busy and the scoreboard
//! shows a worker that waits with a thread free, what has waited here for a millisecond is sent there, with its connection
//! (`parcel.rs`). Most calls that hold it up are over by then, and to send it costs as much as some quick requests. Whoever has a
//! thread free takes it, the sender included. If for some time nobody has, whoever sees that takes it into its own queue, in front
//! of those that have waited less: however busy all are, it is not forgotten. A worker that is about to be killed for a late
//! request sends away whatever waits in it, and takes nothing.
//!
//! What goes: whole requests of which nothing is answered. They are read anew where they arrive, from what the client or the web
//! server has sent, so they mean the same there. What stays: requests that are not whole, or large, and all of them where routing
//! rules would be followed twice.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use shared::WorkerRow;

use crate::acceptor::Arrival;
use crate::connection::{Connection, Ending, Stage};
use crate::deadlines::Wait;
use crate::exchange::Exchange;
use crate::parcel::{LARGEST_REQUEST, Label, Parcel};
use crate::reactor::{ACCEPT_PAUSE, Answering, Conditions, Reactor, Readiness, Slot};
use crate::stream::Stream;

/// How long a request waits before it may go elsewhere, and how often a worker whose requests wait looks for one that idles.
const LOOK_OUT: Duration = Duration::from_millis(1);

/// The same while there is no other worker: one may be starting.
const LOOK_OUT_ALONE: Duration = Duration::from_millis(50);

/// How long what was sent is left to workers that idle.
const DETENTION: Duration = Duration::from_millis(5);

/// How many that have been left for too long are taken in a turn.
const RESCUED: usize = 8;

impl Reactor {
    /// Sends requests that wait here to workers that idle.
    pub(crate) fn relieve(&mut self) {
        let Answering::Crew { helm, handed: true } = &self.answering else {
            return;
        };
        if self.passage.is_none() || !helm.has_surplus() {
            return;
        }
        let (helm, now) = (Arc::clone(helm), Instant::now());
        let is_condemned = self.is_condemned();
        let has_waited = |exchange: &Exchange| is_condemned || now - exchange.work.called >= LOOK_OUT;
        let may_go = |exchange: &Exchange| has_waited(exchange) && can_go(exchange);
        let most = if is_condemned {
            usize::MAX
        } else {
            // Each of them has one thread free at least. If it has no more, the rest comes back.
            self.idle_workers() * self.threads()
        };
        for _ in 0..most {
            let Some(exchange) = helm.surplus(may_go) else {
                return;
            };
            if let Err(exchange) = self.send_away(exchange) {
                return helm.submit_first(exchange);
            }
        }
    }

    /// Sends a request that there is no room for to a worker that idles, if there is one.
    pub(crate) fn send_if_anybody_idles(&mut self, exchange: Exchange) -> Result<(), Exchange> {
        if can_go(&exchange) && self.idle_workers() > 0 {
            self.send_away(exchange)
        } else {
            Err(exchange)
        }
    }

    /// There may be requests of other workers.
    pub(crate) fn something_was_passed_on(&mut self) {
        self.passed_on_since.get_or_insert(self.clock.now);
    }

    /// Takes over requests of other workers, as many as there are threads free.
    pub(crate) fn take_over(&mut self) {
        let Some(since) = self.passed_on_since.filter(|since| *since <= self.clock.now) else {
            return;
        };
        if self.is_condemned() {
            self.passed_on_since = None;
            return;
        }
        let is_overdue = self.clock.now - since >= DETENTION;
        let most = match &self.answering {
            _ if is_overdue => RESCUED,
            Answering::Crew { handed: true, .. } => self.threads(),
            // Whatever the leader takes it has to call itself.
            Answering::Crew { handed: false, .. } | Answering::Driver(_) => 1,
        };
        for _ in 0..most {
            if (self.leaves_it_to_others() && !is_overdue) || !self.take_over_one() {
                return;
            }
        }
    }

    /// Takes over what is left, before the worker ends: there may be nobody else.
    pub(crate) fn take_over_the_last(&mut self) {
        while self.take_over_one() {}
    }

    /// When there is something to be done about requests that wait, here or between workers.
    pub(crate) fn passing_due(&self) -> Option<Duration> {
        let Answering::Crew { helm, handed } = &self.answering else {
            return None;
        };
        self.passage.as_ref()?;
        let taking = self.passed_on_since.map(|since| {
            let left = if self.leaves_it_to_others() {
                DETENTION
            } else {
                Duration::ZERO
            };
            (since + left).saturating_duration_since(Instant::now())
        });
        let look_out = || match self.others().next() {
            Some(_) => LOOK_OUT,
            None => LOOK_OUT_ALONE,
        };
        let sending = (*handed && helm.has_surplus()).then(look_out);
        [taking, sending].into_iter().flatten().min()
    }

    /// Waits, with `wait`. The scoreboard shows meanwhile how many requests wait, and to other workers whether a thread is free.
    pub(crate) fn wait_visibly<T>(&mut self, wait: impl FnOnce(&mut Reactor) -> T) -> T {
        let row = self.conditions.scoreboard.worker(self.conditions.slot);
        let (is_busy, waiting) = match &self.answering {
            Answering::Crew { helm, handed: true } => {
                (helm.say_whether_all_are_busy(), helm.surplus_length())
            }
            Answering::Crew { handed: false, .. } | Answering::Driver(_) => (false, 0),
        };
        let is_idle = self.passage.is_some() && self.leaving.is_none() && !is_busy;
        row.set_idle(is_idle);
        row.set_waiting(waiting);
        let result = wait(self);
        if is_idle {
            row.set_idle(false);
        }
        result
    }

    /// Whether a request that waits here can go to another worker.
    pub(crate) fn passes_on(&self) -> bool {
        self.passage.is_some() && self.bounds.router.is_none()
    }

    /// Whether the master is about to kill this worker.
    pub(crate) fn is_condemned(&self) -> bool {
        let Conditions { scoreboard, slot, .. } = &self.conditions;
        scoreboard.worker(*slot).is_condemned()
    }

    /// What was passed on has come for workers that have a thread free, and go on serving.
    fn leaves_it_to_others(&self) -> bool {
        self.leaving.is_some() || self.are_all_busy()
    }

    /// Other workers that serve.
    fn others(&self) -> impl Iterator<Item = WorkerRow> {
        let Conditions { scoreboard, slot, .. } = &self.conditions;
        let rows = (0..scoreboard.slots()).filter(move |other| other != slot);
        rows.map(|other| scoreboard.worker(other))
            .filter(|row| row.serves())
    }

    /// Those of them that wait, with a thread free.
    fn idle_workers(&self) -> usize {
        self.others().filter(WorkerRow::is_idle).count()
    }

    fn threads(&self) -> usize {
        self.conditions.settings.threads.max(1) as usize
    }

    fn send_away(&mut self, mut exchange: Exchange) -> Result<(), Exchange> {
        let Some(passage) = &self.passage else {
            return Err(exchange);
        };
        let label = label_of(&exchange);
        // A socket that lives on elsewhere would go on being reported here.
        exchange.connection.unwatch(self.poll.registry());
        let socket = exchange.connection.stream.as_fd();
        if !passage.send(socket, &label, |packet| write_again(&exchange, packet)) {
            return Err(exchange);
        }
        self.close(exchange);
        Ok(())
    }

    /// False when there is none, or no descriptor for it.
    fn take_over_one(&mut self) -> bool {
        match self.passage.as_ref().map(|passage| passage.take()) {
            Some(Ok(Some(parcel))) => {
                self.adopt(parcel);
                true
            }
            Some(Ok(None)) | None => {
                self.passed_on_since = None;
                false
            }
            Some(Err(_)) => {
                // Others may have some.
                self.passed_on_since = Some(self.clock.now + ACCEPT_PAUSE);
                false
            }
        }
    }

    fn adopt(&mut self, parcel: Parcel) {
        let Parcel { socket, label, bytes } = parcel;
        let front = self.fronts.iter().find(|front| front.shown == label.listener);
        let Some(front) = front.map(Arc::clone) else {
            return self.decline(socket, &label.listener);
        };
        let entry = self.slots.vacant_entry();
        let token = entry.key();
        let arrival = Arrival {
            stream: stream_of(socket, front.is_unix),
            front,
            address: None,
        };
        let mut connection = Box::new(Connection::new(arrival, token, self.limits));
        connection.client_address = label.client_address;
        connection.client_port = label.client_port;
        connection.proxied = label.proxied.map(Box::new);
        connection.awaits_proxy = false;
        connection.served = label.served;
        let waited = Duration::from_micros(monotonic_us().saturating_sub(label.waits_since_us));
        connection.waits_since = Instant::now().checked_sub(waited);
        entry.insert(Slot::Away(Readiness::default()));
        self.deadlines.wait(token, Wait::Head, self.clock.now);
        let mut exchange = self.equip(connection);
        exchange.work.inbox = bytes;
        exchange.work.unparsed = true;
        self.drive(exchange);
    }

    /// A reload has taken the listener away that the request came to, and only workers of the old generation could serve it
    /// as if it were still there. A client over HTTP is told so; to a web server the end of the connection says the same.
    fn decline(&self, socket: OwnedFd, listener: &str) {
        if !["http:", "unix:"]
            .iter()
            .any(|scheme| listener.starts_with(scheme))
        {
            return;
        }
        let mut answer = Vec::new();
        let mut codec = protocol::http1::Codec::new(self.limits);
        codec.send_error(503, &self.clock.stamp, true, &mut answer);
        // Nothing is left unread as a rule, and nothing better can be done for the others.
        let _ = rustix::io::write(&socket, &answer);
    }
}

/// Whether a request that nobody serves yet can be served by another worker.
fn can_go(exchange: &Exchange) -> bool {
    let Exchange { connection, work } = exchange;
    connection.ending == Ending::No
        && connection.codec.is_repeatable()
        && work.stage == Stage::Serving
        && work.body_taken == 0
        && work.outbox.is_empty()
        && work.bounds.router.is_none()
        && !work.head.expects_continue()
        && work.head.as_received().len() + work.body.len() + work.inbox.len() <= LARGEST_REQUEST
}

fn label_of(exchange: &Exchange) -> Label {
    let Exchange { connection, work } = exchange;
    Label {
        listener: connection.front.shown.clone(),
        client_address: connection.client_address.clone(),
        client_port: connection.client_port,
        proxied: connection.proxied.as_deref().cloned(),
        served: connection.served,
        waits_since_us: monotonic_us().saturating_sub(work.called.elapsed().as_micros() as u64),
    }
}

/// Writes what the client has sent: the request, and what has followed.
fn write_again(exchange: &Exchange, packet: &mut Vec<u8>) {
    let Exchange { connection, work } = exchange;
    connection.codec.repeat(&work.head, &work.body, packet);
    packet.extend_from_slice(&work.inbox);
}

fn stream_of(socket: OwnedFd, is_unix: bool) -> Stream {
    if is_unix {
        Stream::Unix(mio::net::UnixStream::from_std(socket.into()))
    } else {
        Stream::Tcp(mio::net::TcpStream::from_std(socket.into()))
    }
}

/// The clock of [`Instant`], which all processes share, as a number.
fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

#[cfg(test)]
mod tests;
