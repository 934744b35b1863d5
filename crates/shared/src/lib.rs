#![forbid(unsafe_code)]
//! Room `shared`: memory that the master and its workers both see.

mod area;
mod cache;
mod metrics;
mod octets;
mod queue;
mod scoreboard;
mod signals;
mod store;
mod text;

pub use area::Area;
pub use cache::{Cache, CacheStatistics, Existing, Refusal, Shape, WhenFull};
pub use metrics::Metric;
pub use queue::{Queue, QueueShape};
pub use scoreboard::{RequestInProgress, Scoreboard, Tally, ThreadRow, WorkerRow, WorkerState};
pub use signals::{Minute, Recurring, SignalBoard, Target};
pub use store::StoreError;
