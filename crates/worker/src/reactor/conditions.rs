//! What a worker is given to serve with, and how it ends.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use config::Settings;
use shared::Scoreboard;
use telemetry::{AccessLog, ErrorLog};

use crate::connection::Front;
use crate::parcel::Passage;

/// What a worker needs to serve.
pub struct Conditions {
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Listening sockets, and what their connections share.
    pub listeners: Vec<(OwnedFd, Front)>,
    /// Where requests in progress are shown to the master.
    pub scoreboard: Scoreboard,
    /// The worker's row in it.
    pub slot: usize,
    /// The worker's number, from 1, for the access log.
    pub number: u32,
    /// Requests after which the worker asks to be replaced.
    pub max_requests: Option<u64>,
    /// Ends when the master is gone.
    pub lifeline: OwnedFd,
    /// Where complaints go.
    pub error_log: ErrorLog,
    /// Where requests are recorded, if they are.
    pub access_log: Option<AccessLog>,
    /// Called once when the worker's own handlers of signals stand: a signal from here on is obeyed in order, even while an
    /// application starts that has an end to be told of.
    pub signals_installed: Box<dyn FnMut() + Send>,
    /// Called once when the worker accepts.
    pub ready: Box<dyn FnMut() + Send>,
    /// Called once when the worker has served `max_requests`, with their number: it wants a replacement.
    pub retire: Box<dyn FnMut(u64) + Send>,
    /// Called once when the worker is told to leave at once.
    pub interrupted: Box<dyn FnMut() + Send>,
    /// Called once when requests are finished and the application has still to be ended.
    pub ending: Box<dyn FnMut() + Send>,
    /// Called whenever one of these descriptors has become readable, between requests, on the only application thread. It
    /// reads all there is. Where there are several threads nobody calls it.
    pub errand: Option<Errand>,
    /// By which requests that wait here go to workers that idle, and theirs come here. Event loops have no use for it.
    pub passage: Option<Passage>,
    /// The name sent in the Server header.
    pub server: &'static str,
}

/// What a worker does beside its requests, when somebody else asks for it.
pub struct Errand {
    /// Readable when there is something to do; not blocking.
    pub descriptors: Vec<Arc<OwnedFd>>,
    /// Does it.
    pub run: Box<dyn FnMut() + Send>,
}

/// Why [`serve`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It was asked to, and has finished what was in progress.
    Graceful,
    /// It was asked to leave at once, or requests in progress took too long.
    Quick,
    /// The master is gone.
    MasterGone,
}
