//! When a worker is replaced for its age or its memory: plain data; `master` decides and acts.

use std::time::Duration;

/// Limits of a worker's life. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerLimits {
    /// A worker that has lived so long is replaced.
    pub lifetime: Option<Duration>,
    /// Each worker lives so much longer than the one before it, so that they are not replaced all at once.
    pub lifetime_step: Duration,
    /// A worker is not replaced for its memory before it has lived so long: one that is born too large would be replaced for ever.
    pub least_lifetime: Duration,
    /// Memory at which it is replaced, as soon as its requests are done.
    pub graceful: Memory<Option<u64>>,
    /// Memory at which it is killed at once, requests and all.
    pub brutal: Memory<Option<u64>>,
}

/// What the system holds a worker to. By default nothing that was not inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerBounds {
    /// How many processors each worker is tied to: the first to the first so many, the second to the next.
    pub processors: Option<u32>,
    /// Bytes it may map.
    pub address_space: Option<u64>,
    /// Processes that its user may have.
    pub processes: Option<u64>,
}

/// The two ways to measure a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory<Bytes> {
    /// What it has in memory (resident set size).
    pub resident: Bytes,
    /// What it has mapped (address space).
    pub address_space: Bytes,
}

impl Memory<Option<u64>> {
    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.resident.is_some() || self.address_space.is_some()
    }

    /// What is beyond its limit, by its name, and how large it is.
    pub fn exceeded_by(&self, used: Memory<u64>) -> Option<(&'static str, u64)> {
        let over = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
        if over(self.resident, used.resident) {
            Some(("RSS", used.resident))
        } else if over(self.address_space, used.address_space) {
            Some(("ADDRESS SPACE", used.address_space))
        } else {
            None
        }
    }
}
