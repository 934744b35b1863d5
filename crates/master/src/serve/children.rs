//! In a child of the master's, right after the fork: what it has of the master it keeps, the rest it closes.

use std::io;
use std::sync::Arc;

use sys::BlockedSignals;

use super::{Era, Master};
use crate::seat::Share;
use crate::signals::ChildSignals;

impl Master<'_> {
    /// The first thing a child does. TERM, INT and QUIT, held back until now, end it at once from here on, unless it has something
    /// else to do with them.
    pub(super) fn enter_child(&mut self, held_back: BlockedSignals) -> ChildSignals {
        let signals = self.signals.enter_child();
        drop(held_back);
        self.log.leave_output();
        // Kept open, it would have the children wait for a master that is gone.
        self.lifeline_sender = None;
        signals
    }

    /// The configuration that processes of a generation are started with.
    pub(super) fn era_of(&self, generation: u32) -> &Era {
        let next = self.next_era.as_ref();
        next.filter(|era| era.generation == generation)
            .unwrap_or(&self.era)
    }

    /// The child's share of the master's things. The others are closed here, the listening sockets among them.
    ///
    /// # Errors
    /// There is no room for another descriptor.
    pub(super) fn share(&mut self, generation: u32) -> io::Result<Share> {
        let era = self.era_of(generation);
        let share = Share {
            generation,
            lifeline: self.lifeline.try_clone()?,
            scoreboard: self.scoreboard,
            settings: Arc::clone(&era.settings),
            identity: era.identity.clone(),
            log: self.log.clone(),
            ppid: self.pid,
        };
        self.next_era = None;
        self.control = None;
        self.era.listeners.clear();
        self.era.statistics.clear();
        self.teller.leave();
        self.processes.clear();
        self.beside.forget();
        Ok(share)
    }
}
