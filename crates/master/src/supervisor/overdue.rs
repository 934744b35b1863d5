//! A request takes longer than the deadline: its worker says where it hangs, and goes.

use rustix::process::Signal;
use telemetry::{Event, LateRequest, UwsgiEvent};

use super::{Action, OverdueRequest, Stage, Supervisor};

/// Has a worker write where each of its threads is into the error log.
const SAY_WHERE: Signal = Signal::VTALARM;
/// From ABRT, which lets the worker say where it hangs, to KILL.
const ABORT_MS: u64 = 1000;

impl Supervisor {
    pub(super) fn on_overdue(&mut self, now_ms: u64, overdue: OverdueRequest) {
        let harakiri = self.plan.harakiri.clone();
        let Some(worker) = self.workers.get_mut(&overdue.age) else {
            return;
        };
        let (Some(pid), Stage::Ready, false) = (worker.pid, worker.stage, self.paused) else {
            return;
        };
        let number = worker.number;
        if overdue.queue < harakiri.queue {
            return self.log(Event::Uwsgi(UwsgiEvent::DeadlineWaived {
                number,
                queue: overdue.queue,
                threshold: harakiri.queue,
            }));
        }
        // A grace is for a worker that can hear a signal; otherwise nothing is lost by ending it.
        let grace_ms = harakiri
            .grace
            .map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX / 2));
        let signal = match grace_ms {
            Some(_) => Signal::from_named_raw(harakiri.signal).unwrap_or(Signal::TERM),
            None => Signal::ABORT,
        };
        worker.is_overdue = grace_ms.is_some();
        worker.stage = Stage::Leaving {
            signal,
            kill_at_ms: Some(now_ms.saturating_add(grace_ms.unwrap_or(ABORT_MS))),
            asked: false,
        };
        self.log(Event::RequestDeadline {
            late: LateRequest {
                pid,
                number,
                thread: overdue.thread,
                request: overdue.request,
                client: overdue.client,
                age: std::time::Duration::from_millis(overdue.elapsed_ms),
            },
            kernel: overdue.kernel,
        });
        if let Some(grace) = harakiri.grace {
            let signal = signal.as_raw();
            self.log(Event::Uwsgi(UwsgiEvent::DeadlineGrace {
                number,
                signal,
                grace,
            }));
        }
        // First it gives away what only waits in it.
        self.actions.push(Action::Condemn { age: overdue.age });
        // Then it says where it hangs: a signal of its own, since ABRT only reaches it through its Python code.
        self.actions
            .extend([SAY_WHERE, signal].map(|signal| Action::Kill { pid, signal }));
    }
}
