//! A connection that has become a WebSocket: frames instead of requests, until one of both sides has enough.
//!
//! Rules: like an [`Exchange`], of which it is what an acceptance leaves, it is a value that its driver holds; nothing
//! here waits. Reading stops when the driver has enough, or when pongs pile up because the client reads nothing.
//!
//! Left out: pings, and how long to wait for their answers: the driver decides, with [`Driven`](crate::Driven)'s clock.

use std::ops::ControlFlow;

use bytes::Bytes;
use protocol::websocket::{AcceptFault, Codec, Event, Failure, Handshake, Kind, Limits, SendFault};

use crate::connection::Ending;
use crate::exchange::{Exchange, Flow};
use crate::outbox::COPY_LIMIT;
use crate::reactor::Readiness;

/// Reads from one connection before others get their turn.
const READS_A_TURN: u32 = 16;
/// A client that has this many bytes waiting for it is not read from.
const STALLED: u64 = 64 << 10;

/// A WebSocket in progress.
#[derive(Debug)]
pub struct WebSocket {
    exchange: Exchange,
    codec: Codec,
    /// Something has come since [`WebSocket::heard`] was asked.
    heard: bool,
}

/// Why [`WebSocket::receive`] has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inflow {
    /// Everything that has come was taken.
    Idle,
    /// There may be more, and others have waited long enough: come back soon.
    Turn,
    /// There may be more, once the taker has room or the client has read what waits for it.
    Paused,
    /// The client has ended its stream, or the connection is broken.
    Gone,
}

impl WebSocket {
    /// Queues the 101, with the fields that are in the exchange's response, and ends HTTP on its connection.
    ///
    /// # Errors
    /// When the acceptance has something that cannot be sent; the exchange can then still be answered.
    pub fn accept(
        mut exchange: Exchange,
        handshake: &Handshake,
        subprotocol: Option<&str>,
        limits: Limits,
    ) -> Result<WebSocket, (Exchange, AcceptFault)> {
        let work = &mut exchange.work;
        let out = work.outbox.tail();
        let before = out.len();
        match handshake.accept(subprotocol, &work.response, &work.stamp, limits, out) {
            Ok(codec) => {
                work.head_bytes = (out.len() - before) as u64;
                // For the access log; a registered status always fits.
                let _ = work.response.set_status_code(101);
                work.unparsed = !work.inbox.is_empty();
                Ok(WebSocket {
                    exchange,
                    codec,
                    heard: false,
                })
            }
            Err(fault) => Err((exchange, fault)),
        }
    }

    /// Its connection's place in the reactor's table.
    pub fn token(&self) -> usize {
        self.exchange.token()
    }

    /// The exchange it came from, for what it says of the client.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The same, for the driver to have its clock watch it.
    pub fn exchange_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// Takes over what has become possible.
    pub fn notice(&mut self, readiness: Readiness) {
        self.exchange.notice(readiness);
    }

    /// The client has closed or broken a rule: nothing more will be received.
    pub fn has_ended(&self) -> bool {
        self.codec.has_ended()
    }

    /// A close frame has been sent: nothing more can be.
    pub fn has_closed(&self) -> bool {
        self.codec.has_closed()
    }

    /// Whether anything has come since this was asked last.
    pub fn heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Bytes that wait for the client to read.
    pub fn pending(&self) -> u64 {
        self.exchange.pending()
    }

    /// Reads what has come, by way of `scratch`, and hands it to `take` until that breaks off. Answers to pings and to a
    /// close are queued.
    pub fn receive(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Inflow {
        let WebSocket {
            exchange,
            codec,
            heard,
        } = self;
        let Exchange { connection, work } = exchange;
        let mut digest = |input: &[u8], out: &mut Vec<u8>| {
            let mut used = 0;
            loop {
                let received = codec.receive(&input[used..], out);
                used += received.used;
                match received.event {
                    Event::NeedMore => return (used, ControlFlow::Continue(())),
                    event => {
                        if take(&event).is_break() {
                            return (used, ControlFlow::Break(()));
                        }
                    }
                }
            }
        };
        let mut reads = READS_A_TURN;
        loop {
            if work.unparsed {
                let (used, flow) = digest(&work.inbox, work.outbox.tail());
                work.inbox.drain(..used);
                if flow.is_break() {
                    return Inflow::Paused;
                }
                work.unparsed = false;
            }
            if !connection.readable {
                return Inflow::Idle;
            }
            if work.outbox.pending() > STALLED {
                return Inflow::Paused;
            }
            if reads == 0 {
                return Inflow::Turn;
            }
            reads -= 1;
            let input = match connection.read(scratch) {
                None => return Inflow::Idle,
                Some(0) => return Inflow::Gone,
                Some(count) => &scratch[..count],
            };
            *heard = true;
            if !work.inbox.is_empty() {
                work.inbox.extend_from_slice(input);
                work.unparsed = true;
                continue;
            }
            let (used, flow) = digest(input, work.outbox.tail());
            work.inbox.extend_from_slice(&input[used..]);
            if flow.is_break() {
                work.unparsed = true;
                return Inflow::Paused;
            }
        }
    }

    /// Queues a message; a large one as `shared` gives it, without copying it, unless it is compressed.
    ///
    /// # Errors
    /// After a close.
    pub fn send(
        &mut self,
        kind: Kind,
        payload: &[u8],
        shared: impl FnOnce() -> Bytes,
    ) -> Result<(), SendFault> {
        let work = &mut self.exchange.work;
        if payload.len() > COPY_LIMIT && !self.codec.would_compress(payload.len()) {
            self.codec
                .begin_message(kind, payload.len(), work.outbox.tail())?;
            work.outbox.push_bytes(shared());
        } else {
            self.codec.send(kind, payload, work.outbox.tail())?;
        }
        work.body_bytes += payload.len() as u64;
        Ok(())
    }

    /// Queues a ping.
    ///
    /// # Errors
    /// After a close.
    pub fn ping(&mut self) -> Result<(), SendFault> {
        self.codec.ping(b"", self.exchange.work.outbox.tail())
    }

    /// Queues a close frame.
    ///
    /// # Errors
    /// After a close, or when the code or the reason cannot be sent.
    pub fn close(&mut self, code: u16, reason: &str) -> Result<(), SendFault> {
        self.codec.close(code, reason, self.exchange.work.outbox.tail())
    }

    /// Queues the close frame that tells the client which rule it broke.
    pub fn fail(&mut self, failure: Failure) {
        self.codec.fail(failure, self.exchange.work.outbox.tail());
    }

    /// Hands what is queued to the network, as much as it takes now.
    pub fn flush(&mut self) -> Flow {
        self.exchange.flush()
    }

    /// As [`Exchange::flush_unless_quick`].
    pub fn flush_unless_quick(&mut self) -> Option<Flow> {
        self.exchange.flush_unless_quick()
    }

    /// Ends it: the connection closes once everything is written; at once, if the closing handshake was not made.
    pub fn finish(mut self) -> Exchange {
        let connection = &mut self.exchange.connection;
        if connection.ending != Ending::Now {
            connection.ending = match (self.codec.has_ended(), connection.readable) {
                (true, false) => Ending::Flush,
                // To close on what was not read would be a reset, and the close frame would be lost with it.
                _ => Ending::FlushAndLinger,
            };
        }
        self.exchange
    }
}
