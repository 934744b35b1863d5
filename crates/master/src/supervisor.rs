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
//!
//! Here is `step`, and how many workers there should be. How they come is in `births`, how they go in `leaving`.

mod births;
mod commands;
mod leaving;
mod limits;
mod overdue;
mod reload;
mod scaling;
mod signals;
#[cfg(test)]
mod tests;
mod vocabulary;
mod workers;

use std::collections::BTreeMap;

use telemetry::{Event, StopKind};

use reload::Reload;
use scaling::Scale;
use workers::{Stage, Worker};

pub use vocabulary::ENDED_BY_TERM;
pub(crate) use vocabulary::{Action, Input, Kind, OverdueRequest, Plan};

/// What is known of the server and its workers.
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
            Input::Failed { exit_code } => self.stop(now_ms, StopKind::Quick, Some(exit_code)),
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

    fn aim_at(&mut self, workers: u32) {
        let old = std::mem::replace(&mut self.plan.workers, workers);
        self.actions.push(Action::WorkersChanged { new: workers, old });
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

    fn log(&mut self, event: Event) {
        self.actions.push(Action::Log(event));
    }
}
