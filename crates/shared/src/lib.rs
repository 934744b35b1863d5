#![forbid(unsafe_code)]
//! Room `shared`: memory that the master and its workers both see.

mod scoreboard;
mod text;

pub use scoreboard::{RequestInProgress, Scoreboard, ThreadRow, WorkerRow, WorkerState};
