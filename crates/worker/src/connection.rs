//! One client's connection and what is lent to it while it has something to say.
//!
//! An idle connection is small: a socket, a codec, who the client is. Buffers come with a [`Workspace`], taken from
//! a pool when bytes arrive and given back when everything has been answered, so that thousands of idle clients
//! cost little and a busy one allocates nothing.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use config::Wire;
use mio::{Registry, Token};
use protocol::gateway::{FirstLine, OneRequest, fastcgi};
use protocol::proxy::{self, Opening, Versions};
use protocol::{Codec, Limits, Refusal, RequestHead, ResponseHead, Stamp, http1};

use telemetry::Via;

use crate::acceptor::Arrival;
use crate::commons::Commons;
use crate::gather::{GATHERED, Gatherer};
use crate::origin::{Origin, Origins};
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::routes::{Routed, Router};
use crate::stream::Stream;

/// What all connections of one listening socket share.
#[derive(Clone, Debug)]
pub struct Front {
    /// The listener's host (`SERVER_NAME`); for a unix socket its path.
    pub server_name: String,
    /// The listener's port (`SERVER_PORT`) in decimal; empty for a unix socket.
    pub server_port: String,
    /// Whether it is a unix socket: then clients have no address.
    pub is_unix: bool,
    /// Its place among the listeners, from 0.
    pub index: usize,
    /// Address for log lines, as users write it.
    pub shown: String,
    /// What is spoken on it.
    pub wire: Wire,
    /// How answers begin on the wires that have both ways, FastCGI and SCGI.
    pub first_line: FirstLine,
    /// Who may connect to it, of those who come by TCP.
    pub allowed: Peers,
    /// Whether its connections may begin with a PROXY header.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// What rules may ask of what processes share, where there is any.
    pub commons: Option<Arc<dyn Commons>>,
}

/// PROXY headers at the beginning of connections.
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    /// Which are looked for.
    pub versions: Versions,
    /// Who may send them, of those who come by TCP.
    pub allowed: Peers,
}

impl Front {
    /// The state of a new connection to it.
    pub(crate) fn codec(&self, limits: Limits) -> Codec {
        match self.wire {
            Wire::Http1 => Codec::Http1(http1::Codec::new(limits)),
            Wire::Uwsgi => Codec::OneRequest(OneRequest::uwsgi(limits)),
            Wire::Scgi => Codec::OneRequest(OneRequest::scgi(limits, self.first_line)),
            Wire::Fastcgi => Codec::Fastcgi(Box::new(fastcgi::Codec::new(limits, self.first_line))),
        }
    }
}

/// The connection that a PROXY header speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// The client's address.
    pub address: String,
    /// The client's port.
    pub port: u16,
    /// What the client connected to.
    pub server: SocketAddr,
}

/// A client connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    /// Its place in the reactor's table.
    pub(crate) token: usize,
    pub(crate) front: Arc<Front>,
    /// The peer's address without the port; empty for a unix socket.
    pub(crate) client_address: String,
    pub(crate) client_port: u16,
    /// What a PROXY header has said.
    pub(crate) proxied: Option<Box<Proxied>>,
    /// Nothing has been received yet, and it may be a PROXY header.
    pub(crate) awaits_proxy: bool,
    pub(crate) codec: Codec,
    /// The socket may hold bytes that have not been read: readiness is reported only once.
    pub(crate) readable: bool,
    /// The peer has ended its stream: whatever is read next ends with the end.
    pub(crate) peer_closed: bool,
    /// Its readiness is reported. One that is answered as soon as it is accepted, and closed, never needs that.
    pub(crate) is_watched: bool,
    /// Readiness to write is being watched.
    pub(crate) watches_writable: bool,
    /// Where it stands beyond the codec's own state.
    pub(crate) ending: Ending,
    /// Its answer was cut where only the connection's end could show that: it ends with a reset.
    pub(crate) cut: bool,
    /// It stands in the reactor's list of connections to flush at the end of the turn.
    pub(crate) dirty: bool,
    /// It stands in the reactor's list of connections to come back to in the next turn.
    pub(crate) queued: bool,
    /// It has had an answer already.
    pub(crate) served: bool,
    /// Its stream has ended, and this is how.
    pub(crate) departed: Option<Departed>,
    /// Since when its next request waits, where that has waited for another worker before.
    pub(crate) waits_since: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(arrival: Arrival, token: usize, limits: Limits) -> Connection {
        let codec = arrival.front.codec(limits);
        let awaits_proxy = arrival.front.proxy_protocol.is_some();
        Connection {
            stream: arrival.stream,
            token,
            front: arrival.front,
            client_address: arrival
                .address
                .map(|address| plain_ip(&address))
                .unwrap_or_default(),
            client_port: arrival.address.map_or(0, |address| address.port()),
            proxied: None,
            awaits_proxy,
            codec,
            readable: false,
            peer_closed: false,
            is_watched: false,
            watches_writable: false,
            ending: Ending::No,
            cut: false,
            dirty: false,
            queued: false,
            served: false,
            departed: None,
            waits_since: None,
        }
    }

    /// Looks for a PROXY header at the front of the first bytes, and takes over what it says: how long it is, `None` while
    /// that is not known.
    ///
    /// # Errors
    /// When it is malformed, or its sender may not send one.
    pub(crate) fn take_proxy_header(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        let Some(expected) = &self.front.proxy_protocol else {
            self.awaits_proxy = false;
            return Ok(Some(0));
        };
        let (used, ends) = match proxy::read(input, expected.versions)? {
            Opening::NeedMore => return Ok(None),
            Opening::Absent => (0, None),
            Opening::Header { used, ends } => (used, ends),
        };
        let may_send = self.front.is_unix
            || self
                .client_address
                .parse()
                .is_ok_and(|address| expected.allowed.include(address));
        if used > 0 && !may_send {
            return Err(Refusal::ProxyNotAllowed);
        }
        self.awaits_proxy = false;
        self.proxied = ends.map(|(client, server)| {
            Box::new(Proxied {
                address: client.ip().to_string(),
                port: client.port(),
                server,
            })
        });
        Ok(Some(used))
    }

    /// Has its readiness reported from now on; false when the system has no memory for that.
    pub(crate) fn watch(&mut self, registry: &Registry) -> bool {
        if !self.is_watched {
            self.is_watched = self.stream.register(registry, Token(self.token)).is_ok();
        }
        self.is_watched
    }

    /// Has its readiness reported no more.
    pub(crate) fn unwatch(&mut self, registry: &Registry) {
        if std::mem::take(&mut self.is_watched) {
            self.watches_writable = false;
            // An error could only mean that it was not registered.
            let _ = self.stream.deregister(registry);
        }
    }

    /// Reads once: how many bytes, 0 at the end of the stream, `None` when there is nothing now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            match self.stream.read(buffer) {
                Ok(count) => {
                    if count == 0 {
                        self.departed = Some(Departed::Closed);
                    }
                    // A short read has emptied the socket, and new bytes will be reported; but an end of the stream
                    // that was reported together with these bytes will not be reported again.
                    self.readable = count == buffer.len() || (self.peer_closed && count > 0);
                    return Some(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return None;
                }
                // A reset: as good as an end, except that nobody reads what is still queued.
                Err(_) => {
                    self.readable = false;
                    self.departed = Some(Departed::Reset);
                    return Some(0);
                }
            }
        }
    }
}

/// The address as an application knows it: an IPv4 client of an IPv6 socket by its IPv4 address.
fn plain_ip(address: &SocketAddr) -> String {
    address.ip().to_canonical().to_string()
}

/// Limits that hold while an application has an exchange.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// Body bytes received before the application is called, at the most.
    pub(crate) body_buffer: usize,
    /// Up to that, the whole body is waited for; otherwise the application is called with what has come.
    pub(crate) await_body: bool,
    /// Answer bytes queued before the application has to wait for its client.
    pub(crate) response_buffer: u64,
    pub(crate) body_patience: Duration,
    pub(crate) write_patience: Duration,
    pub(crate) gatherer: Gatherer,
    /// What heads are held against.
    pub(crate) header_rules: config::HeaderRules,
    /// Decides who clients are.
    pub(crate) origins: Origins,
    /// Rules that look at each request and its answer.
    pub(crate) router: Option<Router>,
    /// Files that stand in the place of the server's own pages, by status: the first that can be read counts.
    pub(crate) error_pages: BTreeMap<u16, Vec<PathBuf>>,
    /// The worker is leaving: answers that begin now announce the end of their connection.
    pub(crate) leaving: AtomicBool,
    /// Set by the signals that say so, before the reactor has taken notice.
    pub(crate) told_to_leave: [Arc<AtomicBool>; 2],
    /// Nothing may wait for the end of a turn: application calls have been slow lately, or have threads of their own.
    pub(crate) hurry: AtomicBool,
}

/// How a client has ended its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departed {
    /// In order.
    Closed,
    /// By a reset, or because the network has lost it.
    Reset,
}

/// Whether and how a connection is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It goes on.
    No,
    /// Close once everything is written.
    Flush,
    /// Once everything is written, end our side and read what the client still sends, so that it sees the answer
    /// rather than a reset (RFC 9112, 9.6).
    FlushAndLinger,
    /// Our side has ended; whatever arrives is thrown away.
    Lingering,
    /// The client is gone or the answer cannot be completed: close at once, whatever is queued.
    Now,
}

/// How far the current request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its head is being read.
    Head,
    /// Its body is being read into memory, before the application is called.
    Body,
    /// The application has it.
    Serving,
    /// It is answered; what is left of its body is thrown away.
    Draining,
}

/// The buffers of a request in progress. Reused from request to request.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) head: RequestHead,
    pub(crate) response: ResponseHead,
    /// Fields to be sent behind the answer's body.
    pub(crate) trailers: ResponseHead,
    pub(crate) outbox: Outbox,
    /// Bytes received and not yet understood.
    pub(crate) inbox: Vec<u8>,
    /// The inbox has not been looked at since something changed.
    pub(crate) unparsed: bool,
    /// Body bytes received; those before `body_taken` have been read by the application.
    pub(crate) body: Vec<u8>,
    pub(crate) body_taken: usize,
    pub(crate) stage: Stage,
    /// Who the client is and how it came.
    pub(crate) origin: Origin,
    /// Body bytes thrown away since the answer.
    pub(crate) drained: usize,
    /// The connection shall end after this answer.
    pub(crate) close: bool,
    pub(crate) stamp: Stamp,
    /// Body bytes of the answer so far.
    pub(crate) body_bytes: u64,
    /// Bytes of the answer's head.
    pub(crate) head_bytes: u64,
    /// When the application was called.
    pub(crate) called: Instant,
    /// How long the request waited before the application took it up.
    pub(crate) waited: Duration,
    /// When the last block of a streamed answer was handed to the network.
    pub(crate) block_at: Option<Instant>,
    /// Blocks of this answer may be with the gatherer.
    pub(crate) gathering: bool,
    /// What routing has decided about this request and its answer.
    pub(crate) routed: Routed,
    /// What has gone wrong with this request.
    pub(crate) mishaps: Mishaps,
    /// It has waited for another worker, and comes before those that have not.
    pub(crate) is_passed_on: bool,
    /// Who or what answers it.
    pub(crate) via: Via,
    /// The thread that called it, from 0.
    pub(crate) thread: u32,
    pub(crate) bounds: Arc<Bounds>,
}

/// What can go wrong with one request, for the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mishaps {
    /// The application raised.
    pub(crate) raised: bool,
    /// The body did not come to its end.
    pub(crate) unread: bool,
    /// The client was gone before it had the answer.
    pub(crate) unwritten: bool,
    /// It was there and took nothing of it.
    pub(crate) not_taken: bool,
}

/// Capacity above which a buffer is not kept for the next request.
const KEPT: usize = 64 << 10;

impl Workspace {
    pub(crate) fn new(stamp: Stamp, now: Instant, bounds: Arc<Bounds>) -> Workspace {
        Workspace {
            head: RequestHead::default(),
            response: ResponseHead::default(),
            trailers: ResponseHead::default(),
            outbox: Outbox::default(),
            inbox: Vec::new(),
            unparsed: false,
            body: Vec::new(),
            body_taken: 0,
            stage: Stage::Head,
            origin: Origin::default(),
            drained: 0,
            close: false,
            stamp,
            body_bytes: 0,
            head_bytes: 0,
            called: now,
            waited: Duration::ZERO,
            block_at: None,
            gathering: false,
            routed: Routed::default(),
            mishaps: Mishaps::default(),
            is_passed_on: false,
            via: Via::default(),
            thread: 0,
            bounds,
        }
    }

    /// Makes ready for the next request on the same connection; what is queued for writing stays.
    pub(crate) fn next_request(&mut self) {
        self.head.clear();
        self.response.clear();
        self.trailers.clear();
        self.body.clear();
        if self.body.capacity() > KEPT {
            self.body = Vec::new();
        }
        self.body_taken = 0;
        self.stage = Stage::Head;
        self.origin = Origin::default();
        self.drained = 0;
        self.body_bytes = 0;
        self.head_bytes = 0;
        self.block_at = None;
        self.routed = Routed::default();
        self.mishaps = Mishaps::default();
        self.via = Via::default();
    }

    /// Leaves the block just queued to the gatherer, if nothing else is queued; false when it is to be sent now.
    pub(crate) fn gather(&mut self, stream: &Stream) -> bool {
        let Some(tail) = self.outbox.whole_tail().filter(|tail| tail.len() < GATHERED) else {
            return false;
        };
        let gatherer = &self.bounds.gatherer;
        self.gathering = self.gathering || gatherer.begin(self.thread, stream);
        self.gathering && gatherer.hold(self.thread, tail) < GATHERED
    }

    /// Queues again, before everything else, what is with the gatherer.
    pub(crate) fn take_back(&mut self) {
        if !self.gathering {
            return;
        }
        let gatherer = &self.bounds.gatherer;
        if let Some(tail) = self.outbox.whole_tail() {
            return gatherer.take_back(self.thread, tail);
        }
        let mut held = Vec::new();
        gatherer.take_back(self.thread, &mut held);
        if !held.is_empty() {
            self.outbox.push_front(held);
        }
    }

    /// No more blocks come: what is left goes with the rest of the answer.
    pub(crate) fn stop_gathering(&mut self) {
        self.block_at = None;
        self.take_back();
        if std::mem::take(&mut self.gathering) {
            self.bounds.gatherer.end(self.thread);
        }
    }

    /// Makes ready for another connection.
    pub(crate) fn next_connection(&mut self) {
        self.next_request();
        self.inbox.clear();
        self.unparsed = false;
        if self.inbox.capacity() > KEPT {
            self.inbox = Vec::new();
        }
        if self.outbox.tail().capacity() > KEPT || !self.outbox.is_empty() {
            self.outbox = Outbox::default();
        }
        self.close = false;
    }
}
