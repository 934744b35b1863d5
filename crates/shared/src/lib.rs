#![forbid(unsafe_code)]
//! Room `shared`: memory that the master and its workers both see: the scoreboard, and what `import uwsgi` shares.
//!
//! Everything is words and bytes in a mapping that is made before the fork: atomics where each word has one writer, and a lock
//! that outlives its holder where it has not. What lies in a file is checked before it is believed. No Python, no protocols.

mod area;
mod cache;
mod metrics;
mod octets;
mod past;
mod pauses;
mod queue;
mod scoreboard;
mod signals;
mod store;
mod text;

pub use area::Area;
pub use cache::{Cache, CacheStatistics, Existing, Refusal, Shape, WhenFull};
pub use metrics::Metric;
pub use past::Past;
pub use pauses::Pauses;
pub use queue::{Queue, QueueShape};
pub use scoreboard::{RequestInProgress, Scoreboard, Tally, ThreadRow, WorkerRow, WorkerState};
pub use signals::{Minute, Recurring, SignalBoard, Target};
pub use store::StoreError;
