//! Which workers there should be: the decisions, without doing anything.
//!
//! `step` takes the time and one input and returns actions; it forks nothing, reads no clock, knows no files. Time is
//! milliseconds on any clock that does not go back.
//!
//! ```text
//!              ready                 asked to leave, or past a deadline
//!   Booting ----------> Ready ----------------------------------------> Leaving ---> gone
//!      |                   \_ wants retirement: leaves once its replacement is ready
//!      +--> gone: at first boot an exit code ends the server; in a reload the reload is abandoned;
//!           otherwise the next try waits, longer each time
//! ```
//!
//! A reload starts all workers of a new generation beside the old ones, and retires the old ones when every new one
//! is ready. If one of the new ones dies before, all of them go and the old ones stay: the server never runs on half
//! of a new version, and a reload that fails costs nothing.

mod commands;
mod limits;
mod overdue;
mod reload;
mod scaling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Dialect, Harakiri, MasterCommand, Memory, Processes, Scaling, Settings, WorkerLimits};
use rustix::process::Signal;
use telemetry::{Event, ExitStatus, ScalingStep, StopKind, UwsgiEvent};

use crate::cheaper::Load;
use crate::signals::MasterSignal;

use reload::Reload;
use scaling::Scale;

/// First wait after a worker died at boot; it doubles up to [`LONGEST_DELAY_MS`].
const FIRST_DELAY_MS: u64 = 100;
const LONGEST_DELAY_MS: u64 = 5000;
/// How long a quick stop waits at most before it kills.
const QUICK_STOP_MS: u64 = 2000;
/// A worker keeps the graceful timeout itself; one that is stuck and cannot is killed this much later.
const MARGIN_MS: u64 = 500;
/// What a worker gets for ending its application once its requests are finished.
const ENDING_MS: u64 = 5000;
/// A server of one process under uvicorn's command has itself ended by the TERM that stopped it.
pub const ENDED_BY_TERM: i32 = 128 + Signal::TERM.as_raw();

/// The part of the settings that decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    /// The number aimed at.
    pub(crate) workers: u32,
    /// The largest number.
    pub(crate) most: u32,
    /// When there are fewer.
    pub(crate) scaling: Scaling,
    /// What becomes of workers that take too long.
    pub(crate) harakiri: Harakiri,
    pub(crate) graceful_ms: u64,
    /// TERM reloads.
    pub(crate) term_reloads: bool,
    /// A reload stops the server.
    pub(crate) exit_on_reload: bool,
    /// WINCH sends the workers home.
    pub(crate) daemonized: bool,
    /// When workers are replaced for their age or memory.
    pub(crate) limits: WorkerLimits,
    /// The exit code of a stop by TERM.
    pub(crate) code_after_term: i32,
    /// Signals, by number, that are commands instead.
    pub(crate) signals: Vec<(i32, MasterCommand)>,
}

impl Plan {
    pub(crate) fn of(settings: &Settings) -> Plan {
        Plan {
            dialect: settings.dialect,
            workers: match &settings.scaling {
                scaling if scaling.cheap => 0,
                scaling => scaling
                    .cheaper
                    .as_ref()
                    .map_or(settings.workers, |cheaper| cheaper.initial),
            },
            most: settings.workers,
            scaling: settings.scaling.clone(),
            harakiri: settings.harakiri.clone(),
            graceful_ms: u64::try_from(settings.timeouts.graceful.as_millis()).unwrap_or(u64::MAX / 2),
            term_reloads: settings.term_reloads,
            exit_on_reload: settings.supervision.exit_on_reload,
            daemonized: settings.daemonize.is_some(),
            limits: settings.worker_limits.clone(),
            signals: settings.supervision.signals.clone(),
            code_after_term: match settings.dialect {
                Dialect::Uvicorn if settings.logs.processes == Processes::One => ENDED_BY_TERM,
                Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn | Dialect::Uwsgi => 0,
            },
        }
    }
}

/// What has happened. Workers are named by their age.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    Start,
    Signal(MasterSignal),
    /// From the FIFO, a touched file, a program.
    Command(MasterCommand),
    /// The answer to [`Action::Reread`].
    Reread(Result<Plan, String>),
    /// A worker that was told to leave has finished its requests and ends its application.
    Ending {
        /// Its age.
        age: u32,
    },
    /// The answers to [`Action::Spawn`].
    Spawned {
        age: u32,
        pid: u32,
    },
    SpawnFailed {
        age: u32,
        reason: String,
    },
    Ready {
        age: u32,
    },
    WantsRetirement {
        age: u32,
    },
    Overdue(OverdueRequest),
    /// What a worker uses.
    Memory {
        age: u32,
        used: Memory<u64>,
    },
    Exited {
        age: u32,
        status: ExitStatus,
    },
    /// What the workers have to do, about once a second.
    Load(Load),
    /// Somebody connects, and [`Supervisor::awaits_connection`].
    Knock,
    Touched(PathBuf),
    /// Another number of workers is wanted.
    Aim {
        workers: u32,
    },
    /// Time has passed.
    Tick,
}

/// A request that has taken longer than the deadline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OverdueRequest {
    pub(crate) age: u32,
    pub(crate) thread: u32,
    pub(crate) request: String,
    pub(crate) client: String,
    pub(crate) elapsed_ms: u64,
    /// The longest accept queue.
    pub(crate) queue: u32,
    /// What the worker waits for in the kernel: names and texts.
    pub(crate) kernel: Vec<(&'static str, String)>,
}

/// A kind of processes beside the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mules,
    Spoolers,
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Spawn {
        age: u32,
        number: u32,
        generation: u32,
    },
    Kill {
        pid: u32,
        signal: Signal,
    },
    /// Evaluate the configuration again and answer with [`Input::Reread`].
    Reread,
    /// The same configuration again, for new workers; answer with [`Input::Reread`].
    Renew,
    /// The new configuration is the only one now.
    CommitReload,
    /// The new configuration is forgotten.
    AbandonReload,
    CloseListeners,
    WorkersChanged {
        new: u32,
        old: u32,
    },
    ReopenLogs,
    RewritePidfile,
    RotateLogs,
    /// Have the processes beside the workers that are of this kind leave; others take their places.
    RenewAides(Kind),
    /// Start the same command again, beside this master.
    Upgrade,
    /// The first generation, or the one that replaces it before it ever served, is ready.
    Serving,
    LogStatistics,
    LogStatus,
    Log(Event),
    Exit(i32),
}

#[derive(Debug)]
pub(crate) struct Supervisor {
    /// The master's process id, for the log.
    pid: u32,
    plan: Plan,
    phase: Phase,
    /// By age, so the oldest comes first.
    workers: BTreeMap<u32, Worker>,
    /// Workers started so far.
    spawned: u32,
    /// The generation that serves.
    generation: u32,
    /// Generations begun so far.
    generations: u32,
    /// The highest number that a worker of the generation that serves has had.
    highest_number: u32,
    /// All workers of the first generation, or of a reload, have been ready at once: from then on there is something
    /// worth keeping, and a worker that cannot boot no longer ends the server.
    booted: bool,
    /// [`Action::Serving`] has been given.
    told_serving: bool,
    reload: Option<Reload>,
    /// A reload was asked for while one was going on.
    reload_again: bool,
    /// What the old workers of the reload are told.
    reload_kind: StopKind,
    /// Workers that a chain reload has yet to replace, the next one last; `None`: there is none.
    chain: Option<Vec<u32>>,
    /// All workers are halted.
    paused: bool,
    scale: Scale,
    /// Workers in a row that died before they were ready.
    boot_deaths: u32,
    /// No worker is started before.
    spawn_not_before_ms: u64,
    actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Created,
    Running,
    Stopping { kind: StopKind, exit_code: i32 },
}

#[derive(Debug)]
struct Worker {
    number: u32,
    generation: u32,
    /// `None` until the fork has been reported.
    pid: Option<u32>,
    stage: Stage,
    spawned_ms: u64,
    wants_retirement: bool,
    /// It has finished its requests and ends its application.
    is_ending: bool,
    /// It takes the place of one that was there before.
    respawn: bool,
    /// It leaves because there is too little to do.
    is_cheaped: bool,
    /// It has been told to leave for a request that takes too long.
    is_overdue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Booting,
    Ready,
    Leaving {
        /// What it was told.
        signal: Signal,
        /// When it is killed; `None`: it has been.
        kill_at_ms: Option<u64>,
        /// It was asked to leave, rather than being thrown out.
        asked: bool,
    },
}

impl Supervisor {
    pub(crate) fn new(pid: u32, plan: Plan) -> Supervisor {
        Supervisor {
            pid,
            scale: Scale::new(&plan),
            plan,
            phase: Phase::Created,
            workers: BTreeMap::new(),
            spawned: 0,
            generation: 1,
            generations: 1,
            highest_number: 0,
            booted: false,
            told_serving: false,
            reload: None,
            reload_again: false,
            reload_kind: StopKind::Graceful,
            chain: None,
            paused: false,
            boot_deaths: 0,
            spawn_not_before_ms: 0,
            actions: Vec::new(),
        }
    }

    /// The number of workers aimed at.
    pub(crate) fn target(&self) -> u32 {
        self.plan.workers
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

    /// The number of the generation that a reload beginning now gets.
    pub(crate) fn next_generation(&self) -> u32 {
        self.generations + 1
    }

    /// What follows from `input` at `now_ms`.
    pub(crate) fn step(&mut self, now_ms: u64, input: Input) -> Vec<Action> {
        match input {
            Input::Start => {
                self.phase = Phase::Running;
                self.begin_scaling(now_ms);
            }
            Input::Signal(signal) => self.on_signal(now_ms, signal),
            Input::Reread(Ok(mut plan)) => {
                self.carry_scaling(&mut plan);
                self.generations += 1;
                self.reload = Some(Reload {
                    generation: self.generations,
                    plan,
                });
                self.clear_delay();
            }
            Input::Command(command) => self.on_command(now_ms, command),
            Input::Reread(Err(reason)) => self.log(Event::ReloadFailed { reason }),
            Input::Spawned { age, pid } => self.on_spawned(age, pid),
            Input::SpawnFailed { age, reason } => self.on_spawn_failed(now_ms, age, &reason),
            Input::Ready { age } => self.on_ready(age),
            Input::WantsRetirement { age } => {
                if let Some(worker) = self.workers.get_mut(&age) {
                    worker.wants_retirement = true;
                }
            }
            Input::Ending { age } => self.on_ending(now_ms, age),
            Input::Overdue(request) => self.on_overdue(now_ms, request),
            Input::Memory { age, used } => self.on_memory(now_ms, age, used),
            Input::Exited { age, status } => self.on_exited(now_ms, age, status),
            Input::Touched(path) => {
                self.log(Event::Touched { path });
                self.ask_to_reload(now_ms);
            }
            Input::Load(load) if self.phase == Phase::Running => self.on_load(now_ms, load),
            Input::Knock => self.on_knock(),
            Input::Aim { workers } if self.phase == Phase::Running => self.aim_at(workers),
            Input::Load(_) | Input::Aim { .. } | Input::Tick => {}
        }
        self.kill_the_late(now_ms);
        match self.phase {
            Phase::Created => {}
            Phase::Running => {
                self.mark_the_old(now_ms);
                self.pull_chain();
                self.balance(now_ms);
                self.announce_rest();
            }
            Phase::Stopping { exit_code, .. } if self.workers.is_empty() => {
                self.log(Event::Stopped { pid: self.pid });
                self.actions.push(Action::Exit(exit_code));
            }
            Phase::Stopping { .. } => {}
        }
        std::mem::take(&mut self.actions)
    }

    /// When `step` wants a [`Input::Tick`], if nothing else happens.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let kills = self.workers.values().filter_map(|worker| match worker.stage {
            Stage::Leaving { kill_at_ms, .. } => kill_at_ms,
            Stage::Booting | Stage::Ready => None,
        });
        let short = self.phase == Phase::Running && self.short_of_workers();
        let end_of_life_ms = (self.phase == Phase::Running)
            .then(|| self.next_end_of_life_ms())
            .flatten();
        kills
            .chain(short.then_some(self.spawn_not_before_ms))
            .chain(end_of_life_ms)
            .min()
    }

    fn on_signal(&mut self, now_ms: u64, signal: MasterSignal) {
        use MasterSignal::{Hup, Int, Quit, Term, Tstp, Ttin, Ttou, Usr1, Usr2, Winch};
        self.log(Event::SignalHandled { name: name(signal) });
        if let Phase::Stopping { .. } = self.phase {
            if matches!(signal, Int | Quit) {
                self.stop(now_ms, StopKind::Quick, None);
            }
            return;
        }
        let uwsgi = self.plan.dialect == Dialect::Uwsgi;
        if let Some(command) = self.bound_to(signal) {
            return self.on_command(now_ms, command);
        }
        match signal {
            Tstp => self.pause_or_resume(),
            Hup => self.ask_to_reload(now_ms),
            Term if self.plan.term_reloads => self.ask_to_reload(now_ms),
            Term => self.stop(now_ms, StopKind::Graceful, Some(self.plan.code_after_term)),
            // uvicorn is in no hurry before the second one.
            Int if self.plan.dialect == Dialect::Uvicorn => self.stop(now_ms, StopKind::Graceful, Some(0)),
            Int | Quit => self.stop(now_ms, StopKind::Quick, Some(0)),
            Usr1 if uwsgi => self.actions.push(Action::LogStatistics),
            Usr2 if uwsgi => self.actions.push(Action::LogStatus),
            Usr1 => {
                self.actions.push(Action::ReopenLogs);
                let pids: Vec<u32> = self.serving().filter_map(|worker| worker.pid).collect();
                self.actions.extend(pids.into_iter().map(|pid| Action::Kill {
                    pid,
                    signal: Signal::USR1,
                }));
            }
            Usr2 => self.actions.push(Action::Upgrade),
            Ttin if !uwsgi => self.aim_at(self.plan.workers.saturating_add(1)),
            Ttou if !uwsgi && self.plan.workers > 1 => self.aim_at(self.plan.workers - 1),
            Winch if !uwsgi && self.plan.daemonized => self.aim_at(0),
            Ttin | Ttou | Winch => {}
        }
    }

    fn aim_at(&mut self, workers: u32) {
        let old = std::mem::replace(&mut self.plan.workers, workers);
        self.actions.push(Action::WorkersChanged { new: workers, old });
    }

    fn on_spawned(&mut self, age: u32, pid: u32) {
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

    fn on_spawn_failed(&mut self, now_ms: u64, age: u32, reason: &str) {
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

    fn on_ready(&mut self, age: u32) {
        let Some(worker) = self.workers.get_mut(&age) else {
            return;
        };
        if worker.stage == Stage::Booting {
            worker.stage = Stage::Ready;
            self.clear_delay();
        }
    }

    fn on_exited(&mut self, now_ms: u64, age: u32, status: ExitStatus) {
        let Some(worker) = self.workers.remove(&age) else {
            return;
        };
        self.log(Event::WorkerExited {
            pid: worker.pid.unwrap_or_default(),
            number: worker.number,
            status,
            expected: matches!(worker.stage, Stage::Leaving { asked: true, .. }) && !worker.is_cheaped,
            after: std::time::Duration::from_millis(now_ms.saturating_sub(worker.spawned_ms)),
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
    fn on_boot_death(&mut self, now_ms: u64, worker: &Worker, status: ExitStatus) {
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
    fn give_up(&mut self, now_ms: u64, code: i32) {
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
    fn delay(&mut self, now_ms: u64) {
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

    fn clear_delay(&mut self) {
        self.boot_deaths = 0;
        self.spawn_not_before_ms = 0;
    }

    /// Tells everybody to leave. `exit_code`: `None` keeps the one chosen when the stop began.
    fn stop(&mut self, now_ms: u64, kind: StopKind, exit_code: Option<i32>) {
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

    fn retire_all(&mut self, now_ms: u64, kind: StopKind, which: impl Fn(&Worker) -> bool) {
        let ages: Vec<u32> = self
            .workers
            .iter()
            .filter(|(_, worker)| which(worker))
            .map(|(age, _)| *age)
            .collect();
        ages.into_iter().for_each(|age| self.retire(now_ms, age, kind));
    }

    /// Gives a worker that has kept its time with its requests some more for its application, once.
    fn on_ending(&mut self, now_ms: u64, age: u32) {
        if let Some(worker) = self.workers.get_mut(&age)
            && !std::mem::replace(&mut worker.is_ending, true)
            && let Stage::Leaving {
                kill_at_ms: Some(at), ..
            } = &mut worker.stage
        {
            *at = (*at).max(now_ms + ENDING_MS);
        }
    }

    /// Asks a worker to leave; one that has been asked gently may be asked again for haste.
    fn retire(&mut self, now_ms: u64, age: u32, kind: StopKind) {
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

    fn kill_the_late(&mut self, now_ms: u64) {
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

    /// Brings the workers to the number aimed at, a reload to its end, and retires those that wanted to.
    fn balance(&mut self, now_ms: u64) {
        if let Some(reload) = &self.reload {
            let (generation, workers) = (reload.generation, reload.plan.workers);
            self.fill(now_ms, generation, workers);
            if self.ready_count(generation) >= workers {
                self.booted = true;
                self.finish_reload(now_ms);
            }
        }
        // While a reload replaces a generation that never served, that one is left to its fate.
        if self.booted || self.reload.is_none() {
            self.fill(now_ms, self.generation, self.plan.workers);
        }
        let ready = self.ready_count(self.generation);
        self.booted |= ready >= self.plan.workers;
        if self.booted && !self.told_serving {
            self.told_serving = true;
            self.actions.push(Action::Serving);
        }
        self.retire_surplus(now_ms, ready);
    }

    fn retire_surplus(&mut self, now_ms: u64, ready: u32) {
        let target = self.plan.workers;
        let staying = self.ages(|worker| !worker.wants_retirement);
        let surplus = staying.len().saturating_sub(target as usize);
        let wanting = self.ages(|worker| worker.wants_retirement);
        // A worker that wants to go may, as long as enough others serve.
        let replaced = (ready as usize + wanting.len()).saturating_sub(target as usize);
        let leaving = staying
            .into_iter()
            .take(surplus)
            .chain(wanting.into_iter().take(replaced));
        for age in leaving.collect::<Vec<_>>() {
            self.retire(now_ms, age, StopKind::Graceful);
        }
    }

    /// Starts workers of `generation` until `target` of them are there or coming.
    fn fill(&mut self, now_ms: u64, generation: u32, target: u32) {
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

    fn short_of_workers(&self) -> bool {
        let short_of = |generation, target| self.count(generation) < target;
        match &self.reload {
            Some(reload) if short_of(reload.generation, reload.plan.workers) => true,
            Some(_) if !self.booted => false,
            _ => short_of(self.generation, self.plan.workers),
        }
    }

    /// Workers that are not leaving.
    fn serving(&self) -> impl Iterator<Item = &Worker> {
        self.workers
            .values()
            .filter(|worker| !matches!(worker.stage, Stage::Leaving { .. }))
    }

    /// Workers of `generation` that are there to stay.
    fn staying(&self, generation: u32) -> impl Iterator<Item = &Worker> {
        self.serving()
            .filter(move |worker| worker.generation == generation && !worker.wants_retirement)
    }

    fn count(&self, generation: u32) -> u32 {
        self.staying(generation).count() as u32
    }

    fn ready_count(&self, generation: u32) -> u32 {
        self.staying(generation)
            .filter(|worker| worker.stage == Stage::Ready)
            .count() as u32
    }

    /// Ages of the serving generation's workers that are not leaving and satisfy `which`, the oldest first.
    fn ages(&self, which: impl Fn(&Worker) -> bool) -> Vec<u32> {
        let serving = self.workers.iter().filter(|(_, worker)| {
            worker.generation == self.generation && !matches!(worker.stage, Stage::Leaving { .. })
        });
        serving
            .filter(|(_, worker)| which(worker))
            .map(|(age, _)| *age)
            .collect()
    }

    fn free_number(&self, generation: u32) -> u32 {
        let taken = |number| self.staying(generation).any(|worker| worker.number == number);
        (1..).find(|number| !taken(*number)).unwrap_or(u32::MAX)
    }

    fn log(&mut self, event: Event) {
        self.actions.push(Action::Log(event));
    }
}

fn name(signal: MasterSignal) -> &'static str {
    match signal {
        MasterSignal::Usr1 => "usr1",
        MasterSignal::Usr2 => "usr2",
        MasterSignal::Winch => "winch",
        MasterSignal::Ttin => "ttin",
        MasterSignal::Ttou => "ttou",
        MasterSignal::Tstp => "tstp",
        MasterSignal::Hup => "hup",
        MasterSignal::Term => "term",
        MasterSignal::Int => "int",
        MasterSignal::Quit => "quit",
    }
}

fn how(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exited with code {code}"),
        ExitStatus::Signal(signal) => format!("was ended by signal {signal}"),
    }
}
