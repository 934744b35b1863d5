//! Replacing workers for their age or their memory.
//!
//! Such a worker is only marked as one that wants to go: it leaves when its replacement is ready, like one that has served its
//! number of requests. Only memory beyond the brutal limit has it killed.

use std::time::Duration;

use config::Memory;
use rustix::process::Signal;
use telemetry::{Event, WorkerLimit};

use super::{Action, Stage, Supervisor, Worker};

impl Supervisor {
    /// A worker's memory has been measured.
    pub(super) fn on_memory(&mut self, now_ms: u64, age: u32, used: Memory<u64>) {
        let limits = self.plan.limits.clone();
        let Some(worker) = self.workers.get_mut(&age) else {
            return;
        };
        let (Some(pid), Stage::Ready) = (worker.pid, worker.stage) else {
            return;
        };
        let number = worker.number;
        if let Some((what, bytes)) = limits.brutal.exceeded_by(used) {
            worker.stage = Stage::Leaving {
                signal: Signal::KILL,
                kill_at_ms: None,
                asked: false,
            };
            self.log(Event::WorkerLimit(WorkerLimit::TooLarge {
                pid,
                number,
                what,
                bytes,
                brutal: true,
            }));
            self.actions.push(Action::Kill {
                pid,
                signal: Signal::KILL,
            });
            return;
        }
        let young = u128::from(now_ms.saturating_sub(worker.spawned_ms)) < limits.least_lifetime.as_millis();
        if worker.wants_retirement || young {
            return;
        }
        if let Some((what, bytes)) = limits.graceful.exceeded_by(used) {
            worker.wants_retirement = true;
            self.log(Event::WorkerLimit(WorkerLimit::TooLarge {
                pid,
                number,
                what,
                bytes,
                brutal: false,
            }));
        }
    }

    /// Marks the workers that have lived long enough.
    pub(super) fn mark_the_old(&mut self, now_ms: u64) {
        let limits = self.plan.limits.clone();
        let old: Vec<u32> = self
            .workers
            .iter()
            .filter(|(_, worker)| end_of_life(&limits, worker).is_some_and(|end_ms| end_ms <= now_ms))
            .map(|(age, _)| *age)
            .collect();
        for age in old {
            let Some(worker) = self.workers.get_mut(&age) else {
                continue;
            };
            worker.wants_retirement = true;
            let number = worker.number;
            let after = Duration::from_millis(now_ms.saturating_sub(worker.spawned_ms));
            self.log(Event::WorkerLimit(WorkerLimit::TooOld { number, after }));
        }
    }

    /// When the next worker has lived long enough.
    pub(super) fn next_end_of_life_ms(&self) -> Option<u64> {
        let workers = self.workers.values();
        workers
            .filter_map(|worker| end_of_life(&self.plan.limits, worker))
            .min()
    }
}

/// When a worker that serves has lived long enough.
fn end_of_life(limits: &config::WorkerLimits, worker: &Worker) -> Option<u64> {
    if worker.stage != Stage::Ready || worker.wants_retirement {
        return None;
    }
    let life = limits.lifetime?
        + limits
            .lifetime_step
            .saturating_mul(worker.number.saturating_sub(1));
    Some(
        worker
            .spawned_ms
            .saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX)),
    )
}
