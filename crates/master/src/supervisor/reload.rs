//! Reloads: a new generation of workers beside the one that serves, which takes its place or is thrown away whole.

use rustix::process::Signal;
use telemetry::{Event, StopKind};

use super::leaving::MARGIN_MS;
use super::{Action, Phase, Plan, Stage, Supervisor, Worker};

/// A new configuration and the generation of workers that tries it.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) generation: u32,
    pub(super) plan: Plan,
}

impl Supervisor {
    /// Reloads, unless the configuration would rather have the server stop.
    pub(super) fn ask_to_reload(&mut self, now_ms: u64) {
        match self.plan.exit_on_reload {
            true if self.phase == Phase::Running => self.stop(now_ms, StopKind::Graceful, Some(0)),
            _ => self.begin_reload(),
        }
    }

    pub(super) fn begin_reload(&mut self) {
        if self.reload.is_some() {
            self.reload_again = true;
            return;
        }
        self.resume();
        self.reload_kind = StopKind::Graceful;
        self.log(Event::ReloadStarting { pid: self.pid });
        self.actions.push(Action::Reread);
    }

    pub(super) fn abandon_reload(&mut self, now_ms: u64, reason: String) {
        let Some(reload) = self.reload.take() else { return };
        let graceful_ms = self.plan.graceful_ms;
        for worker in self
            .workers
            .values_mut()
            .filter(|worker| worker.generation == reload.generation)
        {
            // Those that are ready may have requests; those that boot have not, and may hang.
            let (signal, kill_at_ms) = match worker.stage {
                Stage::Ready => (Signal::TERM, Some(now_ms + graceful_ms + MARGIN_MS)),
                Stage::Booting => (Signal::KILL, None),
                Stage::Leaving { .. } => continue,
            };
            worker.asked_ms = Some(now_ms);
            worker.stage = Stage::Leaving {
                signal,
                kill_at_ms,
                asked: true,
            };
            self.actions
                .extend(worker.pid.map(|pid| Action::Kill { pid, signal }));
        }
        self.log(Event::ReloadFailed { reason });
        self.actions.push(Action::AbandonReload);
        self.reload_once_more();
    }

    pub(super) fn finish_reload(&mut self, now_ms: u64) {
        let Some(reload) = self.reload.take() else { return };
        let old = self.plan.workers;
        self.generation = reload.generation;
        self.plan = reload.plan;
        self.begin_scaling(now_ms);
        self.actions.push(Action::CommitReload);
        let workers = self.plan.workers;
        self.highest_number = workers;
        if workers != old {
            self.actions.push(Action::WorkersChanged { new: workers, old });
        }
        let others = |worker: &Worker| worker.generation != reload.generation;
        self.retire_all(now_ms, self.reload_kind, others);
        self.chain = None;
        self.log(Event::ReloadFinished { workers });
        self.reload_once_more();
    }

    fn reload_once_more(&mut self) {
        if std::mem::take(&mut self.reload_again) {
            self.begin_reload();
        }
    }
}
