//! How the master waits: for whom, and for how long at the most. Being woken for nothing is no fault, only a waste.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::monotonic_ms;

use super::Master;
use crate::control::ControlSocket;
use crate::listener::Listener;

impl Master<'_> {
    /// The time for everything that workers have a limit for. It stands still while this process does.
    pub(super) fn now_ms(&self) -> u64 {
        monotonic_ms() - self.pauses.total_ms()
    }

    /// Sleeps until a signal, a worker's word or the next deadline.
    pub(super) fn sleep(&mut self) {
        let (from_ms, until_ms) = (monotonic_ms(), self.deadline_ms());
        let patience = until_ms.map(|until_ms| {
            let wait_ms = until_ms.saturating_sub(from_ms).min(i32::MAX as u64);
            Timespec {
                tv_sec: (wait_ms / 1000) as _,
                tv_nsec: (wait_ms % 1000 * 1_000_000) as _,
            }
        });
        self.wait_for_somebody(patience.as_ref());
        if let Some(until_ms) = until_ms {
            self.pauses.woke(from_ms, until_ms, monotonic_ms());
        }
    }

    /// Waits until somebody has something to say; `patience`: `None` is for ever.
    fn wait_for_somebody(&self, patience: Option<&Timespec>) {
        let signals = self.signals.wake();
        let printed = self.log.output();
        let knocked_on: &[_] = match self.supervisor.awaits_connection() {
            true => &self.era.listeners,
            false => &[],
        };
        let listeners = self.era.statistics.iter().chain(knocked_on);
        let sockets = listeners.map(|listener: &Arc<Listener>| listener.socket.as_fd());
        let readable = [signals.as_fd(), self.wake.as_fd()]
            .into_iter()
            .chain(sockets)
            .chain(telemetry::alarms::descriptor())
            .chain(printed.as_deref().map(AsFd::as_fd))
            .chain(self.beside.readable());
        let mut sources: Vec<PollFd<'_>> = readable
            .map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN))
            .chain(self.teller.sources())
            .collect();
        for (descriptor, writes) in self.control.iter().flat_map(ControlSocket::sources) {
            let flags = match writes {
                true => PollFlags::IN | PollFlags::OUT,
                false => PollFlags::IN,
            };
            sources.push(PollFd::from_borrowed_fd(descriptor, flags));
        }
        let _ = poll(&mut sources, patience); // an interruption is a signal, whose byte is there now
    }

    /// When there is something to do, by the monotonic clock; `None`: when something happens.
    fn deadline_ms(&self) -> Option<u64> {
        let lost_ms = self.pauses.total_ms();
        let of_workers = [self.supervisor.next_deadline_ms(), self.aides.next_deadline_ms()];
        let of_workers_ms = of_workers.into_iter().flatten().min();
        let deadlines = [
            of_workers_ms.map(|at_ms| at_ms.saturating_add(lost_ms)),
            self.looks_around().then_some(self.next_check_ms),
            self.teller.next_ms(),
            self.beside_deadline_ms(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether there is anything that nobody tells of, and that is looked at once a second therefore.
    fn looks_around(&self) -> bool {
        let settings = &self.era.settings;
        self.inheritance.predecessor.is_some()
            || self.inheritance.emperor.is_some()
            || self.notifier.beat_ms.is_some()
            || self.notifier.has_unsent()
            || (!self.processes.is_empty() && self.measures_requests())
            || self.watches_memory()
            || self.supervisor.watches_load()
            || self.host.wants_attention()
            || self.log.rotates()
            || settings.logs.backlog_metric
            || self.looks_beside()
            || self.watches_queues()
            || !self.touch.is_empty()
    }
}
