//! A worker as the supervisor knows it, and who of them is there.

use rustix::process::Signal;

use super::Supervisor;

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) number: u32,
    pub(super) generation: u32,
    /// `None` until the fork has been reported.
    pub(super) pid: Option<u32>,
    pub(super) stage: Stage,
    pub(super) spawned_ms: u64,
    /// When it was asked to leave.
    pub(super) asked_ms: Option<u64>,
    pub(super) wants_retirement: bool,
    /// It has finished its requests and ends its application.
    pub(super) is_ending: bool,
    /// It takes the place of one that was there before.
    pub(super) respawn: bool,
    /// It leaves because there is too little to do.
    pub(super) is_cheaped: bool,
    /// It has been told to leave for a request that takes too long.
    pub(super) is_overdue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
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
    /// Workers that are not leaving.
    pub(super) fn serving(&self) -> impl Iterator<Item = &Worker> {
        self.workers
            .values()
            .filter(|worker| !matches!(worker.stage, Stage::Leaving { .. }))
    }

    /// Workers of `generation` that are there to stay.
    pub(super) fn staying(&self, generation: u32) -> impl Iterator<Item = &Worker> {
        self.serving()
            .filter(move |worker| worker.generation == generation && !worker.wants_retirement)
    }

    pub(super) fn count(&self, generation: u32) -> u32 {
        self.staying(generation).count() as u32
    }

    pub(super) fn ready_count(&self, generation: u32) -> u32 {
        self.staying(generation)
            .filter(|worker| worker.stage == Stage::Ready)
            .count() as u32
    }

    /// Ages of the serving generation's workers that are not leaving and satisfy `which`, the oldest first.
    pub(super) fn ages(&self, which: impl Fn(&Worker) -> bool) -> Vec<u32> {
        let serving = self.workers.iter().filter(|(_, worker)| {
            worker.generation == self.generation && !matches!(worker.stage, Stage::Leaving { .. })
        });
        serving
            .filter(|(_, worker)| which(worker))
            .map(|(age, _)| *age)
            .collect()
    }

    pub(super) fn free_number(&self, generation: u32) -> u32 {
        let taken = |number| self.staying(generation).any(|worker| worker.number == number);
        (1..).find(|number| !taken(*number)).unwrap_or(u32::MAX)
    }
}
