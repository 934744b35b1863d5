//! How what is queued of an answer gets to the client, and what its connection says on the way. Only
//! [`Exchange::wait_writable`] blocks.

use std::sync::atomic::Ordering;
use std::time::Instant;

use mio::{Registry, Token};
use rustix::event::PollFlags;

use super::{Exchange, wait_for};
use crate::connection::Ending;
use crate::gather::{GATHERED, QUICK};

/// What became of bytes handed to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More may be written at once.
    Open,
    /// As much is waiting for the client as may be: call [`Exchange::wait_writable`] first.
    Full,
    /// The client is gone; whatever is written now goes nowhere.
    Gone,
}

impl Exchange {
    /// Bytes of the answer that wait for the client to read.
    pub fn pending(&self) -> u64 {
        self.work.outbox.pending()
    }

    /// Hands what is queued to the network, as much as it takes now.
    pub fn flush(&mut self) -> Flow {
        if self.connection.ending == Ending::Now {
            return Flow::Gone;
        }
        self.work.take_back();
        match self.work.outbox.flush(&mut self.connection.stream) {
            Ok(_) if self.work.outbox.pending() <= self.work.bounds.response_buffer => Flow::Open,
            Ok(_) => Flow::Full,
            Err(_) => {
                self.work.mishaps.unwritten = true;
                self.connection.ending = Ending::Now;
                Flow::Gone
            }
        }
    }

    /// Hands a block of a streamed answer to the network, as [`Exchange::flush`] does. A block that follows quickly on
    /// the one before may leave with those after it, if they come within two milliseconds.
    pub fn flush_block(&mut self) -> Flow {
        let now = Instant::now();
        let before = self.work.block_at.replace(now);
        let quick = before.is_some_and(|before| now - before < QUICK);
        if quick && self.connection.ending != Ending::Now && self.work.gather(&self.connection.stream) {
            return Flow::Open;
        }
        self.flush()
    }

    /// Hands a block of a streamed answer to the network, unless it follows quickly on the one before: then `None`, and the
    /// caller sees to it that [`Exchange::flush`] comes soon. For callers who cannot tell how long a thread is theirs, there
    /// is [`Exchange::flush_block`].
    pub fn flush_unless_quick(&mut self) -> Option<Flow> {
        let now = Instant::now();
        let before = self.work.block_at.replace(now);
        let quick = before.is_some_and(|before| now - before < QUICK);
        (!quick || self.work.outbox.pending() >= GATHERED as u64).then(|| self.flush())
    }

    /// Whether what is queued may wait for the end of the turn: it is the whole answer, by its Content-Length, and the
    /// application is not known to take its time after that.
    pub fn may_wait(&self) -> bool {
        self.connection.codec.promise_kept() && !self.work.bounds.hurry.load(Ordering::Relaxed)
    }

    /// Waits until the client has taken enough that more may be written. Blocks, at most for the write timeout
    /// without any progress.
    pub fn wait_writable(&mut self) -> Flow {
        loop {
            match self.flush() {
                Flow::Full => {}
                other => return other,
            }
            if wait_for(
                &self.connection.stream,
                PollFlags::OUT,
                self.work.bounds.write_patience,
            )
            .is_err()
            {
                self.give_up_on_reader();
                return Flow::Gone;
            }
        }
    }

    /// Has the reactor told when the socket takes more again.
    pub(crate) fn watch_writable(&mut self, registry: &Registry) -> Flow {
        let connection = &mut self.connection;
        if !connection.watches_writable {
            connection.watches_writable = true;
            let token = Token(connection.token);
            if connection.stream.watch_writable(registry, token).is_err() {
                return Flow::Gone;
            }
        }
        Flow::Full
    }

    /// The client has ended its stream: it will send nothing more, and has most likely left.
    pub fn peer_closed(&self) -> bool {
        self.connection.peer_closed
    }

    /// The client is as good as gone: whatever is queued, the connection closes.
    pub fn give_up(&mut self) {
        self.connection.ending = Ending::Now;
    }

    /// The same for a client that has taken nothing of its answer for too long.
    pub fn give_up_on_reader(&mut self) {
        (self.work.mishaps.unwritten, self.work.mishaps.not_taken) = (true, true);
        self.give_up();
    }

    /// Whether [`Exchange::give_up`] was called, or the client has been found gone.
    pub(crate) fn is_given_up(&self) -> bool {
        self.connection.ending == Ending::Now
    }

    /// Ends the connection for the client, with what has been written so far; whatever is written from now on goes nowhere.
    pub fn hang_up(&mut self) {
        self.flush();
        self.connection.stream.shut_write();
        self.give_up();
    }
}
