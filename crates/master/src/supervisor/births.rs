//! How workers come to be: started until there are enough, watched until they are ready, and tried again, later each time, when
//! they die before that.

use config::Dialect;
use telemetry::{Event, ExitStatus, ScalingStep, StopKind, UwsgiEvent};

use super::{Action, Phase, Stage, Supervisor, Worker};

/// First wait after a worker died at boot; it doubles up to [`LONGEST_DELAY_MS`].
const FIRST_DELAY_MS: u64 = 100;
const LONGEST_DELAY_MS: u64 = 5000;

impl Supervisor {
    pub(super) fn on_spawned(&mut self, age: u32, pid: u32) {
        let Some(worker) = self.workers.get_mut(&age) else {
            return;
        };
        worker.pid = Some(pid);
        let (number, respawn) = (worker.number, worker.respawn);
        if let Stage::Leaving { signal, .. } = worker.stage {
            self.actions.push(Action::Kill { pid, signal }); // decided before the fork was known
        } else if respawn {
            self.log(Event::WorkerRespawned { pid, number });
        }
    }

    pub(super) fn on_spawn_failed(&mut self, now_ms: u64, age: u32, reason: &str) {
        let Some(worker) = self.workers.remove(&age) else {
            return;
        };
        if self.phase != Phase::Running {
            return;
        }
        match &self.reload {
            Some(reload) if self.booted && reload.generation == worker.generation => {
                self.abandon_reload(now_ms, format!("a new worker cannot be started: {reason}"));
            }
            _ => self.delay(now_ms),
        }
    }

    pub(super) fn on_ready(&mut self, age: u32) {
        let Some(worker) = self.workers.get_mut(&age) else {
            return;
        };
        if worker.stage == Stage::Booting {
            worker.stage = Stage::Ready;
            self.clear_delay();
        }
    }

    pub(super) fn on_exited(&mut self, now_ms: u64, age: u32, status: ExitStatus) {
        let Some(worker) = self.workers.remove(&age) else {
            return;
        };
        self.log(Event::WorkerExited {
            pid: worker.pid.unwrap_or_default(),
            number: worker.number,
            status,
            expected: matches!(worker.stage, Stage::Leaving { asked: true, .. }) && !worker.is_cheaped,
            after: std::time::Duration::from_millis(now_ms.saturating_sub(worker.spawned_ms)),
            leaving: std::time::Duration::from_millis(
                now_ms.saturating_sub(worker.asked_ms.unwrap_or(now_ms)),
            ),
        });
        if worker.is_cheaped {
            let number = worker.number;
            self.log(Event::Uwsgi(UwsgiEvent::Scaling(ScalingStep::Cheaped { number })));
        }
        if self.phase == Phase::Running && worker.stage == Stage::Booting {
            self.on_boot_death(now_ms, &worker, status);
        }
    }

    /// A worker has died before it was ready, and nobody had asked it to leave.
    pub(super) fn on_boot_death(&mut self, now_ms: u64, worker: &Worker, status: ExitStatus) {
        let is_new = self
            .reload
            .as_ref()
            .is_some_and(|reload| reload.generation == worker.generation);
        match status {
            _ if self.booted && is_new => {
                self.abandon_reload(
                    now_ms,
                    format!("a new worker {} before it was ready", how(status)),
                );
            }
            // An old generation that never served is being replaced: its failure is no news.
            _ if !self.booted && self.reload.is_some() && !is_new => {}
            ExitStatus::Code(code) if !self.booted && code != 0 => self.give_up(now_ms, code),
            _ => self.delay(now_ms),
        }
    }

    /// The application cannot be loaded and there is nothing to keep.
    pub(super) fn give_up(&mut self, now_ms: u64, code: i32) {
        // uWSGI tells "no application" from every other failure at start; gunicorn passes the code on.
        let exit_code = if self.plan.dialect == Dialect::Uwsgi && code != 22 {
            1
        } else {
            code
        };
        self.log(Event::BootFailed { exit_code });
        self.stop(now_ms, StopKind::Quick, Some(exit_code));
    }

    /// The next worker is started later, and later each time, so that a crash at boot does not become a storm.
    pub(super) fn delay(&mut self, now_ms: u64) {
        if now_ms < self.spawn_not_before_ms {
            return; // several workers of one try: one failure
        }
        let delay_ms = (FIRST_DELAY_MS << self.boot_deaths.min(10)).min(LONGEST_DELAY_MS);
        self.boot_deaths += 1;
        self.spawn_not_before_ms = now_ms + delay_ms;
        self.log(Event::RespawnDelayed {
            delay: std::time::Duration::from_millis(delay_ms),
        });
    }

    pub(super) fn clear_delay(&mut self) {
        self.boot_deaths = 0;
        self.spawn_not_before_ms = 0;
    }

    /// Starts workers of `generation` until `target` of them are there or coming.
    pub(super) fn fill(&mut self, now_ms: u64, generation: u32, target: u32) {
        while now_ms >= self.spawn_not_before_ms && self.count(generation) < target {
            let number = self.free_number(generation);
            self.spawned += 1;
            let respawn = generation == self.generation && number <= self.highest_number;
            if generation == self.generation {
                self.highest_number = self.highest_number.max(number);
            }
            let worker = Worker {
                number,
                generation,
                pid: None,
                stage: Stage::Booting,
                spawned_ms: now_ms,
                wants_retirement: false,
                is_ending: false,
                respawn,
                is_cheaped: false,
                asked_ms: None,
                is_overdue: false,
            };
            self.workers.insert(self.spawned, worker);
            self.actions.push(Action::Spawn {
                age: self.spawned,
                number,
                generation,
            });
        }
    }

    pub(super) fn short_of_workers(&self) -> bool {
        let short_of = |generation, target| self.count(generation) < target;
        match &self.reload {
            Some(reload) if short_of(reload.generation, reload.plan.workers) => true,
            Some(_) if !self.booted => false,
            _ => short_of(self.generation, self.plan.workers),
        }
    }
}

pub(super) fn how(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exited with code {code}"),
        ExitStatus::Signal(signal) => format!("was ended by signal {signal}"),
    }
}
