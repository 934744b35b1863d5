#![forbid(unsafe_code)]
//! Room `master`: keeps the right workers alive.
//!
//! `supervisor` decides (no IO, the time is an argument), `serve` acts. The process has one thread, and knows Python
//! only as the `Host` it is given.

mod aides;
mod bounds;
mod cheaper;
mod control;
mod daemonize;
mod daemons;
mod descriptors;
mod emperor;
mod fifo;
mod file_locks;
mod hooks;
mod host;
mod inheritance;
mod listener;
mod memory;
mod notify;
mod pidfile;
mod programs;
mod seat;
mod serve;
mod signals;
mod start;
mod supervisor;
mod touch;

pub use daemonize::daemonize;
pub use emperor::reign;
pub use file_locks::lock_files;
pub use hooks::run_hooks_of_worker;
pub use host::{HookFailed, Host, MasterView, WorkerView};
pub use inheritance::Inheritance;
pub use listener::Listener;
pub use seat::{AideSeat, ReadyPipe, Share, WorkerSeat};
pub use serve::serve;
pub use signals::Signals;
pub use start::StartError;
pub use supervisor::ENDED_BY_TERM;
