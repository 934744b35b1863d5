//! One request and its answer, as a gateway sees them: a value that moves to whichever thread serves it.
//!
//! A gateway reads [`Exchange::head`] and the body, fills [`Exchange::response`], calls [`Exchange::begin`], writes,
//! and ends with [`Exchange::finish`] or [`Exchange::abort`]. Writing only queues; [`Exchange::flush`] hands what is
//! queued to the network. Nothing here blocks but [`Exchange::receive_body`] and [`Exchange::wait_writable`].
//!
//! Here stands what the exchange is; what bytes make of it is in `intake`, then in the order of a request: `client`, `body`,
//! `answer`, `flow`.

mod answer;
mod body;
mod client;
mod flow;
mod intake;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use protocol::RequestHead;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::connection::{Connection, Front, Workspace};
use crate::reactor::{FAR_TOO_LATE, Readiness};

pub use body::BodyError;
pub use flow::Flow;
pub(crate) use intake::Step;

/// After its answer a request's unread body is read on up to this size, to keep the connection; beyond it, closed.
const DRAIN_LIMIT: usize = 256 << 10;

/// One request in progress.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) connection: Box<Connection>,
    pub(crate) work: Box<Workspace>,
}

impl Exchange {
    /// The request's head.
    pub fn head(&self) -> &RequestHead {
        &self.work.head
    }

    /// The thread that serves it, from 0: the number of its row in the scoreboard.
    pub fn thread(&self) -> u32 {
        self.work.thread
    }

    /// The application takes it up now: until here it has waited.
    pub fn take_up(&mut self) {
        self.work.waited = self.work.called.elapsed();
    }

    /// How long ago the application was called for it.
    pub fn age(&self) -> Duration {
        self.work.called.elapsed()
    }

    /// The listener the client came to.
    pub fn front(&self) -> &Front {
        &self.connection.front
    }

    /// Its connection's place in the reactor's table: what [`Happening`](crate::Happening)s call it by.
    pub fn token(&self) -> usize {
        self.connection.token
    }

    /// Takes over what has become possible while the exchange was out.
    pub fn notice(&mut self, readiness: Readiness) {
        self.connection.readable |= readiness.readable;
        self.connection.peer_closed |= readiness.peer_closed;
    }

    /// A descriptor of the caller's own for the client's socket, to wait at while somebody else has the exchange, or to speak
    /// with the client in our place.
    ///
    /// # Errors
    /// When the process has too many open.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.connection.stream.as_fd().try_clone_to_owned()
    }

    /// The number of the client's socket, for applications that wait at it themselves.
    pub fn descriptor(&self) -> i32 {
        self.connection.stream.as_fd().as_raw_fd()
    }

    /// How long a client may take nothing of its answer.
    pub fn write_patience(&self) -> Duration {
        self.work.bounds.write_patience
    }

    /// The worker has been told to leave: what has no end of its own has to be brought to one.
    pub fn is_worker_leaving(&self) -> bool {
        let bounds = &self.work.bounds;
        // The signal itself, for those on the reactor's own thread, which cannot tell meanwhile.
        let told = bounds
            .told_to_leave
            .iter()
            .any(|told| told.load(Ordering::Relaxed));
        told || bounds.leaving.load(Ordering::Relaxed)
    }

    /// Notes something for the access log.
    pub fn note(&mut self, name: String, value: String) {
        self.work.routed.noted.push((name, value));
    }

    /// What has been noted last under this name.
    pub fn noted(&self, name: &str) -> Option<&str> {
        let noted = self.work.routed.noted.iter().rfind(|(known, _)| known == name);
        noted.map(|(_, value)| value.as_str())
    }

    /// The application has raised: that is counted, once for each request.
    pub fn application_raised(&mut self) {
        self.work.mishaps.raised = true;
    }

    /// Makes it a GET of another path of this server. The rest of its own body is not looked at.
    pub(crate) fn redirect_locally(&mut self, target: &[u8]) -> bool {
        self.work.response.clear();
        self.work.body.clear();
        self.work.body_taken = 0;
        self.work.head.redirect_locally(target)
    }

    /// Whether the connection can become something else than HTTP: only on HTTP/1 itself (RFC 9110 7.8).
    pub fn can_switch(&self) -> bool {
        matches!(self.connection.codec, protocol::Codec::Http1(_))
    }

    /// After how many milliseconds a rule wants the worker to end with this request, if one does.
    pub fn harakiri_ms(&self) -> Option<u64> {
        self.work.routed.harakiri.map(|seconds| u64::from(seconds) * 1000)
    }

    /// The access log does not tell of this request, because something else does.
    pub fn leave_unlogged(&mut self) {
        self.work.routed.unlogged = true;
    }

    /// The access log tells of this request, whatever is to be left out.
    pub fn log_in_any_case(&mut self) {
        self.work.routed.wanted = true;
    }
}

/// Blocks until the socket is ready; an error when it is not in time.
fn wait_for(socket: &impl AsFd, what: PollFlags, patience: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: patience.as_secs() as i64,
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    loop {
        let begun = Instant::now();
        match poll(&mut [PollFd::new(socket, what)], Some(&timeout)) {
            // This process has not been let run, so the client is not to blame.
            Ok(0) if begun.elapsed() > patience + FAR_TOO_LATE => {}
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
