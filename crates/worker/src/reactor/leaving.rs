//! Signals, and the end of a worker: listeners are left, idle clients let go, requests in progress finished.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;

use super::{Departure, Reactor, Readiness, Slot};
use crate::connection::Connection;
use crate::signals::Request;

/// How long a leaving worker gives idle clients to send one more request.
const FAREWELL: Duration = Duration::from_millis(500);

/// How far leaving has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaving {
    pub(crate) departure: Departure,
    /// Until then idle clients may send one more request.
    pub(crate) farewell: Instant,
    /// Until then requests in progress may go on.
    pub(crate) limit: Instant,
}

impl Reactor {
    /// Does what signals ask for; true when they ask to leave at once.
    pub(super) fn obey_signals(&mut self) -> bool {
        for request in self.signals.take().collect::<Vec<_>>() {
            match request {
                Request::Reopen => self.reopen_logs(),
                Request::Leave => self.leave(Departure::Graceful),
                Request::LeaveNow => {
                    (self.conditions.interrupted)();
                    return true;
                }
            }
        }
        false
    }

    /// How this worker ends, once it has left.
    pub(crate) fn farewell(&mut self) -> Option<Departure> {
        let leaving = self.leaving?;
        if self.clock.now >= leaving.farewell {
            self.close_idle(|_| true);
        }
        if self.slots.is_empty() && self.acceptors.is_empty() {
            self.take_over_the_last();
        }
        if self.slots.is_empty() && self.acceptors.is_empty() {
            return Some(leaving.departure);
        }
        (self.clock.now >= leaving.limit).then_some(Departure::Quick)
    }

    /// When leaving goes on after `now`, whoever is still there.
    pub(super) fn next_of_leaving(&self, now: Instant) -> Option<Instant> {
        let leaving = self.leaving?;
        Some(if now < leaving.farewell {
            leaving.farewell
        } else {
            leaving.limit
        })
    }

    pub(super) fn reopen_logs(&mut self) {
        if let Err(error) = self.conditions.error_log.reopen() {
            self.conditions
                .error_log
                .error(format_args!("the error log cannot be opened again: {error}"));
        }
        if let Some(log) = &mut self.conditions.access_log
            && let Err(error) = log.reopen()
        {
            self.conditions
                .error_log
                .error(format_args!("the access log cannot be opened again: {error}"));
        }
    }

    /// Begins to leave: nothing more is accepted, but everything that was is answered.
    pub(super) fn leave(&mut self, departure: Departure) {
        if self.leaving.is_some() {
            return;
        }
        let now = self.clock.now;
        let graceful = self.conditions.settings.timeouts.graceful;
        self.leaving = Some(Leaving {
            departure,
            farewell: now + FAREWELL.min(graceful),
            limit: now + graceful,
        });
        self.bounds.leaving.store(true, Ordering::Relaxed);
        self.accept_again = None;
        self.leave_listeners();
        let mut lifeline = SourceFd(&self.conditions.lifeline.as_raw_fd());
        let _ = self.poll.registry().deregister(&mut lifeline);
    }

    /// Accepts for the last time. Other workers go on accepting, or the master has seen to it that nobody new comes. Listeners
    /// whose clients would wait here come later.
    pub(super) fn leave_listeners(&mut self) {
        let leaves = self.leaves_waiting();
        for index in (0..self.acceptors.len()).rev() {
            if leaves(&self.acceptors[index]) {
                continue;
            }
            self.acceptors[index].pending = true;
            self.accept_from(index, usize::MAX);
            let mut acceptor = self.acceptors.remove(index);
            // An error could only mean that it was not registered.
            let _ = acceptor.deregister(self.poll.registry());
        }
        self.flush_dirty();
    }

    /// Closes those of the connections that have sent nothing for which `may_go` is true.
    pub(super) fn close_idle(&mut self, may_go: impl Fn(&Connection) -> bool) {
        let idle = |(token, slot): (usize, &Slot)| match slot {
            Slot::Idle(connection) if may_go(connection) => Some(token),
            _ => None,
        };
        for token in self.slots.iter().filter_map(idle).collect::<Vec<_>>() {
            // One last look: a request that has just arrived is still answered.
            let readiness = Readiness {
                readable: true,
                ..Readiness::default()
            };
            self.noticed(token, readiness);
            if matches!(self.slots.get(token), Some(Slot::Idle(_))) {
                self.slots.remove(token);
                self.deadlines.clear(token);
            }
        }
        self.flush_dirty();
    }
}
