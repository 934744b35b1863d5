#![forbid(unsafe_code)]
//! Room `shared`: memory that the master and its workers both see.

mod cache;
mod scoreboard;
mod signals;
mod text;

pub use cache::{Cache, CacheStatistics, Existing, Refusal, Shape, StoreError, WhenFull};
pub use scoreboard::{RequestInProgress, Scoreboard, Tally, ThreadRow, WorkerRow, WorkerState};
pub use signals::{Minute, Recurring, SignalBoard, Target};
