#![forbid(unsafe_code)]
//! Room `telemetry`: what is recorded, and in which words.
//!
//! What happens is an [`Event`]; how it reads is the dialect's affair (`words`); where it goes is a `Sink`.
//! Rules: one line is one `write(2)`; a log that is full, slow or broken never stops the service.

mod access;
pub mod alarms;
mod clock;
mod colors;
mod distributor;
mod error_log;
mod escape;
mod event;
#[cfg(test)]
mod fuzzed;
mod programs;
mod redis;
mod remote;
mod sink;
mod standard;
pub mod statistics;
mod statsd;
mod surroundings;
mod template;
mod words;

pub use access::{AccessFormat, AccessLog, AccessRecord, AccessedRequest, FormatError, Via};
pub use clock::{DateClock, http_date};
pub use error_log::{ErrorLog, Relay};
pub use event::{
    Event, ExitStatus, LateRequest, LifespanStep, Linger, ScalingStep, StopKind, UwsgiEvent, WorkerLimit,
};
pub use programs::{LogProgram, log_programs};
pub use sink::LogOpenError;
pub use statsd::Statsd;
pub use surroundings::Surroundings;
