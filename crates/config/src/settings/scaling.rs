//! How the number of workers follows the work (uWSGI's `cheaper`, `cheap` and `idle`): plain data; `master` decides and acts.

use std::time::Duration;

/// When there are fewer workers than [`crate::Settings::workers`]. By default there never are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scaling {
    /// The number of workers goes up and down with the load.
    pub cheaper: Option<Box<Cheaper>>,
    /// The server starts without workers: the first connection brings them.
    pub cheap: bool,
    /// After so long without a request all workers leave until the next connection.
    pub idle: Option<Duration>,
    /// After [`Scaling::idle`] the server stops instead.
    pub die_on_idle: bool,
}

/// The number of workers goes up to [`crate::Settings::workers`] and down to [`Cheaper::least`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cheaper {
    /// The fewest; at least 1 and less than [`crate::Settings::workers`].
    pub least: u32,
    /// How many there are at first; from `least` to [`crate::Settings::workers`].
    pub initial: u32,
    /// How many are added at once. Default 1.
    pub step: u32,
    /// What it goes by.
    pub algorithm: CheaperAlgorithm,
    /// In seconds, of which there is one look each: how long something has to last before it counts; for
    /// [`CheaperAlgorithm::Backlog`] the length of the queue that is too long. Default 3.
    pub overload: u64,
    /// For [`CheaperAlgorithm::Spare2`]: how many seconds too many workers have to be idle before one leaves. Default 10.
    pub idle: u64,
    /// Resident bytes of all workers together from which on none is added.
    pub soft_memory: Option<u64>,
    /// Resident bytes of all workers together at which one leaves.
    pub hard_memory: Option<u64>,
    /// For [`CheaperAlgorithm::Busyness`].
    pub busyness: Busyness,
}

/// What the number of workers goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheaperAlgorithm {
    /// One worker should be idle.
    #[default]
    Spare,
    /// [`Cheaper::least`] workers should be idle.
    Spare2,
    /// The accept queue should be short.
    Backlog,
    /// Workers should be busy for a part of their time.
    Busyness,
    /// Nothing but commands.
    Manual,
}

/// The bounds of how busy workers should be, and how patient the algorithm is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busyness {
    /// Percent of their time below which there are too many. Default 25.
    pub least: u64,
    /// Percent of their time above which there are too few. Default 50.
    pub most: u64,
    /// A worker leaves after so many times [`Cheaper::overload`] seconds of too little work. Default 10.
    pub multiplier: u64,
    /// Added to the multiplier when a worker had to be brought back too soon. Default 2.
    pub penalty: u64,
    /// Length of the accept queue at which workers are added at once. Default 33.
    pub alert: u32,
    /// How many are added then. Default 1.
    pub alert_step: u32,
    /// The multiplier while there are workers that such an alert has brought. Default 3.
    pub alert_multiplier: u64,
    /// Seconds of an accept queue that never was empty after which workers are added. Default 60.
    pub nonzero: u64,
    /// Tell the log of each measurement.
    pub verbose: bool,
}

impl Default for Cheaper {
    fn default() -> Self {
        Cheaper {
            least: 1,
            initial: 1,
            step: 1,
            algorithm: CheaperAlgorithm::default(),
            overload: 3,
            idle: 10,
            soft_memory: None,
            hard_memory: None,
            busyness: Busyness::default(),
        }
    }
}

impl Default for Busyness {
    fn default() -> Self {
        Busyness {
            least: 25,
            most: 50,
            multiplier: 10,
            penalty: 2,
            alert: 33,
            alert_step: 1,
            alert_multiplier: 3,
            nonzero: 60,
            verbose: false,
        }
    }
}
