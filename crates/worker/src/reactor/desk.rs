//! The place where a thread shows the master what it is doing.

use shared::{Tally, ThreadRow};

use crate::exchange::Exchange;
use crate::gateway::Gateway;

/// Where a thread shows what it is doing.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) row: ThreadRow,
    /// From 0.
    pub(super) thread: u32,
}

impl Desk {
    /// Has the request served, visibly for the master.
    pub(crate) fn serve(&self, gateway: &dyn Gateway, mut exchange: Exchange) -> Exchange {
        let (head, client) = (exchange.head(), exchange.client_address());
        self.row.begin(
            sys::monotonic_ms(),
            head.method(),
            head.target(),
            client.as_bytes(),
        );
        exchange.work.thread = self.thread;
        exchange.take_up();
        let mut exchange = gateway.serve(exchange);
        exchange.work.stop_gathering(); // the next exchange of this thread may gather
        self.row.end();
        exchange
    }

    /// Shows that an event loop is alive with requests in progress, or that nothing is: the master takes the time
    /// since for the time that the loop is stuck.
    pub(crate) fn beat(&self, in_progress: bool) {
        if in_progress {
            self.row.begin(sys::monotonic_ms(), b"event", b"loop", b"");
        } else {
            self.row.rest();
        }
    }

    /// Counts something about a request that this thread, the reactor's, has seen to itself.
    pub(crate) fn add(&self, tally: Tally) {
        self.row.add(tally);
    }

    /// Counts a request that was answered elsewhere, by an event loop.
    pub(crate) fn count(&self) {
        self.row.count();
    }
}
