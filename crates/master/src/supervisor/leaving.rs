//! How workers go: asked to leave, given time for their requests and their application, and killed when that is over.

use rustix::process::Signal;
use telemetry::{Event, StopKind, UwsgiEvent};

use super::{Action, Phase, Stage, Supervisor, Worker};

/// How long a quick stop waits at most before it kills.
const QUICK_STOP_MS: u64 = 2000;
/// A worker keeps the graceful timeout itself; one that is stuck and cannot is killed this much later.
pub(super) const MARGIN_MS: u64 = 500;
/// What a worker gets for ending its application once its requests are finished.
const ENDING_MS: u64 = 5000;

impl Supervisor {
    /// Tells everybody to leave. `exit_code`: `None` keeps the one chosen when the stop began.
    pub(super) fn stop(&mut self, now_ms: u64, kind: StopKind, exit_code: Option<i32>) {
        let exit_code = match (self.phase, exit_code) {
            (_, Some(code)) => code,
            (
                Phase::Stopping {
                    kind: StopKind::Quick,
                    ..
                },
                None,
            ) => return,
            (Phase::Stopping { exit_code, .. }, None) => exit_code,
            (_, None) => 0,
        };
        self.resume();
        self.phase = Phase::Stopping { kind, exit_code };
        self.log(Event::Stopping { kind });
        // Before the workers are told: what they find in the accept queue then is all that there will be.
        self.actions.push(Action::CloseListeners);
        self.retire_all(now_ms, kind, |_| true);
    }

    pub(super) fn retire_all(&mut self, now_ms: u64, kind: StopKind, which: impl Fn(&Worker) -> bool) {
        let ages: Vec<u32> = self
            .workers
            .iter()
            .filter(|(_, worker)| which(worker))
            .map(|(age, _)| *age)
            .collect();
        ages.into_iter().for_each(|age| self.retire(now_ms, age, kind));
    }

    /// Asks a worker to leave; one that has been asked gently may be asked again for haste.
    pub(super) fn retire(&mut self, now_ms: u64, age: u32, kind: StopKind) {
        let Some(worker) = self.workers.get_mut(&age) else {
            return;
        };
        let (signal, limit_ms) = match kind {
            StopKind::Graceful => (Signal::TERM, self.plan.graceful_ms.saturating_add(MARGIN_MS)),
            StopKind::Quick => (Signal::QUIT, self.plan.graceful_ms.min(QUICK_STOP_MS)),
        };
        let mut kill_at_ms = now_ms.saturating_add(limit_ms);
        if let Stage::Leaving {
            kill_at_ms: before, ..
        } = worker.stage
        {
            let Some(before) = before.filter(|_| kind == StopKind::Quick) else {
                return;
            };
            kill_at_ms = before.min(kill_at_ms);
        }
        worker.asked_ms.get_or_insert(now_ms);
        worker.stage = Stage::Leaving {
            signal,
            kill_at_ms: Some(kill_at_ms),
            asked: true,
        };
        let (pid, number) = (worker.pid, worker.number);
        if let Some(pid) = pid {
            self.log(Event::WorkerRetiring { pid, number, kind });
            self.actions.push(Action::Kill { pid, signal });
        }
    }

    /// Gives a worker that has kept its time with its requests some more for its application, once.
    pub(super) fn on_ending(&mut self, now_ms: u64, age: u32) {
        if let Some(worker) = self.workers.get_mut(&age)
            && !std::mem::replace(&mut worker.is_ending, true)
            && let Stage::Leaving {
                kill_at_ms: Some(at), ..
            } = &mut worker.stage
        {
            *at = (*at).max(now_ms + ENDING_MS);
        }
    }

    pub(super) fn kill_the_late(&mut self, now_ms: u64) {
        let mut killed = Vec::new();
        for worker in self.workers.values_mut() {
            let Stage::Leaving {
                kill_at_ms: Some(at),
                asked,
                ..
            } = worker.stage
            else {
                continue;
            };
            if at <= now_ms {
                worker.stage = Stage::Leaving {
                    signal: Signal::KILL,
                    kill_at_ms: None,
                    asked,
                };
                killed.extend(worker.pid.map(|pid| (pid, worker.number, worker.is_overdue)));
            }
        }
        for (pid, number, is_overdue) in killed {
            self.log(match is_overdue {
                true => Event::Uwsgi(UwsgiEvent::DeadlineKill { pid, number }),
                false => Event::WorkerKilled { pid, number },
            });
            self.actions.push(Action::Kill {
                pid,
                signal: Signal::KILL,
            });
        }
    }

    /// How long whoever is told to leave now may take at most.
    pub(crate) fn patience_ms(&self) -> u64 {
        match self.phase {
            Phase::Stopping {
                kind: StopKind::Quick,
                ..
            } => self.plan.graceful_ms.min(QUICK_STOP_MS),
            _ => self.plan.graceful_ms.saturating_add(MARGIN_MS),
        }
    }
}
