//! One request and its answer, as a gateway sees them: a value that moves to whichever thread serves it.
//!
//! A gateway reads [`Exchange::head`] and the body, fills [`Exchange::response`], calls [`Exchange::begin`], writes,
//! and ends with [`Exchange::finish`] or [`Exchange::abort`]. Writing only queues; [`Exchange::flush`] hands what is
//! queued to the network. Nothing here blocks but [`Exchange::receive_body`] and [`Exchange::wait_writable`].

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Registry, Token};
use protocol::{BodyLength, Event, Finished, Refusal, RequestHead, ResponseFault, ResponseHead, explanation};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use telemetry::Via;

use crate::connection::{Connection, Ending, Front, Proxied, Stage, Workspace};
use crate::gather::{GATHERED, QUICK};
use crate::manners;
use crate::outbox::COPY_LIMIT;
use crate::reactor::Readiness;
use crate::routes::{Phase, Router};

/// Room made for one read of a body that the application waits for.
const READ_STEP: usize = 64 << 10;

/// After its answer a request's unread body is read on up to this size, to keep the connection; beyond it, closed.
const DRAIN_LIMIT: usize = 256 << 10;

/// One request in progress.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) connection: Box<Connection>,
    pub(crate) work: Box<Workspace>,
}

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

/// Why a request's body cannot be read to its end.
#[derive(Debug)]
pub enum BodyError {
    /// The client closed the connection.
    Gone,
    /// The client sent nothing for too long.
    TimedOut(Duration),
    /// What it sent is not a body.
    Malformed(Refusal),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Gone => {
                f.write_str("the client closed the connection before the end of the request body")
            }
            BodyError::TimedOut(patience) => {
                write!(
                    f,
                    "the client sent nothing of the request body for {} s",
                    patience.as_secs()
                )
            }
            BodyError::Malformed(refusal) => write!(f, "the request body is malformed: {refusal}"),
        }
    }
}

impl std::error::Error for BodyError {}

/// What the bytes received so far call for.
#[derive(Debug)]
pub(crate) enum Step {
    /// Wait for more.
    NeedMore,
    /// The request can be served.
    Ready,
    /// Answer with an error and close.
    Refused(Refusal),
    /// The client goes on with a body nobody wants: close.
    TooMuch,
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

    /// The client's address without the port; empty for a unix socket.
    pub fn client_address(&self) -> &str {
        let (connection, work) = (&self.connection, &self.work);
        let proxied = || {
            connection
                .proxied
                .as_ref()
                .map(|proxied| proxied.address.as_str())
        };
        let named = work
            .origin
            .client
            .as_ref()
            .map(|(address, _)| address.as_str())
            .or_else(|| work.head.client_address())
            .or_else(proxied);
        named.unwrap_or(&connection.client_address)
    }

    /// The server by the name and the port that the client has asked for: those of the Host header, and the scheme's port
    /// where that has none. The name is empty where there is no Host.
    pub fn requested_server(&self) -> (&[u8], u16) {
        let host = self.head().host().unwrap_or_default();
        let (name, port) = match host.iter().rposition(|byte| *byte == b':') {
            Some(colon) if !host.ends_with(b"]") => (&host[..colon], &host[colon + 1..]),
            _ => (host, &b""[..]),
        };
        let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
        (name, port.unwrap_or(if self.is_secure() { 443 } else { 80 }))
    }

    /// What a PROXY header has said of the connection.
    pub fn proxied(&self) -> Option<&Proxied> {
        self.connection.proxied.as_deref()
    }

    /// Whether whoever has connected is a trusted proxy.
    pub fn is_peer_trusted(&self) -> bool {
        self.work.bounds.origins.trusts_peer(&self.connection)
    }

    /// The client, where a trusted proxy has named it: address, and port or 0.
    pub fn forwarded_client(&self) -> Option<(&str, u16)> {
        let (address, port) = self.work.origin.client.as_ref()?;
        Some((address, *port))
    }

    /// Whether a trusted proxy has named the host that the head has.
    pub fn is_host_forwarded(&self) -> bool {
        self.work.origin.host_named
    }

    /// Whether the client came by TLS, to us or to a proxy that is believed.
    pub fn is_secure(&self) -> bool {
        self.work.origin.secure
    }

    /// The URL scheme the client used: `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
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

    /// Ends the connection for the client, with what has been written so far; whatever is written from now on goes nowhere.
    pub fn hang_up(&mut self) {
        self.flush();
        self.connection.stream.shut_write();
        self.give_up();
    }

    /// The client has ended its stream: it will send nothing more, and has most likely left.
    pub fn peer_closed(&self) -> bool {
        self.connection.peer_closed
    }

    /// The client's port; 0 for a unix socket, and for a client that a proxy has named without one.
    pub fn client_port(&self) -> u16 {
        let (connection, work) = (&self.connection, &self.work);
        match (&work.origin.client, &connection.proxied) {
            (Some((_, port)), _) => *port,
            _ if work.head.client_address().is_some() => work.head.client_port(),
            (None, Some(proxied)) => proxied.port,
            (None, None) => connection.client_port,
        }
    }

    /// Body bytes received and not yet [consumed](Exchange::consume_body).
    pub fn body(&self) -> &[u8] {
        &self.work.body[self.work.body_taken..]
    }

    /// Marks the first `count` bytes of [`Exchange::body`] as read.
    pub fn consume_body(&mut self, count: usize) {
        self.work.body_taken = (self.work.body_taken + count).min(self.work.body.len());
        if self.work.body_taken == self.work.body.len() {
            self.work.body.clear();
            self.work.body_taken = 0;
        }
    }

    /// Whether the body has not been received to its end.
    pub fn body_arriving(&self) -> bool {
        !self.connection.codec.body_complete()
    }

    /// Waits for more of the body. Blocks, at most for the body timeout.
    ///
    /// # Errors
    /// When the body cannot be completed; the connection then closes after the answer.
    pub fn receive_body(&mut self) -> Result<(), BodyError> {
        let result = self.receive_body_part();
        if result.is_err() {
            self.body_failed();
        }
        result
    }

    fn receive_body_part(&mut self) -> Result<(), BodyError> {
        while !self.take_body_part()? {
            let patience = self.work.bounds.body_patience;
            wait_for(&self.connection.stream, PollFlags::IN, patience)
                .map_err(|_| BodyError::TimedOut(patience))?;
            self.connection.readable = true;
        }
        Ok(())
    }

    /// Takes more of the body if it is there; false when it is not. Does not wait, but asks the client to go on if it
    /// waits for that.
    ///
    /// # Errors
    /// When the body cannot be completed; the connection then closes after the answer.
    pub fn receive_body_now(&mut self) -> Result<bool, BodyError> {
        let result = self.take_body_part();
        if result.is_err() {
            self.body_failed();
        }
        result
    }

    /// The application has raised: that is counted, once for each request.
    pub fn application_raised(&mut self) {
        self.work.mishaps.raised = true;
    }

    /// The body will not be completed: the connection closes after the answer.
    pub fn body_failed(&mut self) {
        self.work.mishaps.unread = true;
        self.work.close = true;
        self.connection.ending = Ending::FlushAndLinger;
    }

    fn take_body_part(&mut self) -> Result<bool, BodyError> {
        let Exchange { connection, work } = self;
        loop {
            let received = connection.codec.receive(&work.inbox, &mut work.head);
            let more = match received.event {
                Event::Body(range) => {
                    work.body.extend_from_slice(&work.inbox[range]);
                    true
                }
                Event::Kept => {
                    connection.codec.take_kept(&mut work.body);
                    true
                }
                Event::End => true,
                Event::Refused(refusal) => return Err(BodyError::Malformed(refusal)),
                Event::Aborted => return Err(BodyError::Gone),
                Event::Reply => {
                    // Others of the connection's requests; this one is not finished, so the connection stays.
                    let _ = connection.codec.reply(work.outbox.tail());
                    work.inbox.drain(..received.used);
                    continue;
                }
                Event::NeedMore | Event::Head => false,
            };
            work.inbox.drain(..received.used);
            if more {
                return Ok(true);
            }
            connection.codec.send_continue(work.outbox.tail());
            work.take_back();
            if work.outbox.flush(&mut connection.stream).is_err() {
                return Err(BodyError::Gone);
            }
            let start = work.inbox.len();
            work.inbox.resize(start + READ_STEP, 0);
            let read = connection.read(&mut work.inbox[start..]);
            work.inbox.truncate(start + read.unwrap_or(0));
            match read {
                Some(0) => return Err(BodyError::Gone),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    /// The answer's head, to be filled before [`Exchange::begin`].
    pub fn response(&mut self) -> &mut ResponseHead {
        &mut self.work.response
    }

    /// Bytes of the answer's body that have been queued, without framing.
    pub fn body_sent(&self) -> u64 {
        self.work.body_bytes
    }

    /// Whether the answer's head has been queued: from then on it cannot be changed.
    pub fn begun(&self) -> bool {
        self.connection.codec.head_sent() || self.work.routed.instead.is_some()
    }

    /// Whether the rules about answers give another one in its place: what the application writes then goes nowhere, and the
    /// other answer is given when this one ends.
    fn is_replaced(&mut self) -> bool {
        if !std::mem::replace(&mut self.work.routed.judged, true) {
            let bounds = Arc::clone(&self.work.bounds);
            let router = bounds.router.as_ref().filter(|router| router.judges_answers());
            self.work.routed.instead = router.and_then(|router| {
                let first = router.decide(Phase::Error, self);
                first.or_else(|| router.decide(Phase::Response, self))
            });
        }
        self.work.routed.instead.is_some()
    }

    /// Gives the answer that the rules have put in the place of another, if there is one.
    fn answer_instead(&mut self) -> bool {
        let outcome = self.work.routed.instead.take();
        let replaced = outcome.is_some();
        if let Some(outcome) = outcome {
            outcome.answer(self);
        }
        replaced
    }

    /// Queues the answer's head.
    pub fn begin(&mut self) {
        if self.is_replaced() {
            return;
        }
        let Exchange { connection, work } = self;
        let leaving = work.bounds.leaving.load(Ordering::Relaxed);
        let close = work.close
            || leaving
            || connection
                .codec
                .body_remaining()
                .is_some_and(|rest| rest > DRAIN_LIMIT as u64);
        for name in work.routed.removed.drain(..) {
            work.response.remove(name.as_bytes());
        }
        for (name, value) in work.routed.added.drain(..) {
            // What has turned out to be no valid field is left away.
            let _ = work.response.push(name.as_bytes(), value.as_bytes());
        }
        let out = work.outbox.tail();
        let before = out.len();
        connection
            .codec
            .send_head(&work.response, &work.stamp, close, out);
        work.head_bytes = (out.len() - before) as u64;
    }

    /// Queues text for the web server's error log: false where the wire has no place for it, or as much is queued as may be.
    pub fn write_stderr(&mut self, text: &[u8]) -> bool {
        let Exchange { connection, work } = self;
        work.outbox.pending() < work.bounds.response_buffer
            && connection.codec.send_stderr(text, work.outbox.tail())
    }

    /// Queues a piece of the answer's body, by copying it.
    pub fn write(&mut self, piece: &[u8]) {
        let Exchange { connection, work } = self;
        if work.routed.instead.is_some() {
            return;
        }
        let out = work.outbox.tail();
        for piece in piece.chunks(connection.codec.longest_piece()) {
            let allowed = connection.codec.begin_data(piece.len(), out);
            out.extend_from_slice(&piece[..allowed]);
            connection.codec.end_data(out);
            work.body_bytes += allowed as u64;
        }
    }

    /// Queues a piece of the answer's body; a large one as `shared` gives it, without copying it.
    pub fn write_shared(&mut self, piece: &[u8], shared: impl FnOnce() -> Bytes) {
        if piece.len() <= COPY_LIMIT {
            return self.write(piece);
        }
        let Exchange { connection, work } = self;
        if work.routed.instead.is_some() {
            return;
        }
        let mut shared = shared();
        while !shared.is_empty() {
            let mut piece = shared.split_to(shared.len().min(connection.codec.longest_piece()));
            let allowed = connection.codec.begin_data(piece.len(), work.outbox.tail());
            piece.truncate(allowed);
            if allowed > 0 {
                work.outbox.push_bytes(piece);
            }
            connection.codec.end_data(work.outbox.tail());
            work.body_bytes += allowed as u64;
        }
    }

    /// Queues a part of a file as the next piece of the answer's body.
    pub fn write_file(&mut self, file: OwnedFd, mut offset: u64, length: u64) {
        let Exchange { connection, work } = self;
        if work.routed.instead.is_some() {
            return;
        }
        work.via = Via::ApplicationFile;
        let file = Arc::new(file);
        let end = offset.saturating_add(length);
        while offset < end {
            let piece = usize::try_from(end - offset)
                .unwrap_or(usize::MAX)
                .min(connection.codec.longest_piece());
            let allowed = connection.codec.begin_data(piece, work.outbox.tail());
            if allowed > 0 {
                work.outbox.push_file(Arc::clone(&file), offset, allowed as u64);
            }
            connection.codec.end_data(work.outbox.tail());
            work.body_bytes += allowed as u64;
            offset += piece as u64;
        }
    }

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
                self.connection.ending = Ending::Now;
                return Flow::Gone;
            }
        }
    }

    /// Adds a field to what follows the body, where the answer is sent in chunks.
    ///
    /// # Errors
    /// When it is no valid field.
    pub fn push_trailer(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseFault> {
        // RFC 9110 6.5.1: what frames a message does not belong behind it.
        if name.eq_ignore_ascii_case(b"content-length") {
            return Ok(());
        }
        self.work.trailers.push(name, value)
    }

    /// Queues bytes of an answer that somebody else has framed; [`Exchange::end_raw`] ends it.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) {
        if self.work.head_bytes == 0 {
            self.work.response.clear();
            // For the access log: what its status line says.
            if let Some(status) = bytes.get(9..12) {
                let _ = self.work.response.set_status(&[status, b" "].concat());
            }
        }
        self.work.outbox.tail().extend_from_slice(bytes);
        self.work.head_bytes += bytes.len() as u64;
    }

    /// Ends an answer that was written raw: how it is framed is not known, so the connection ends with it.
    pub(crate) fn end_raw(&mut self) {
        self.abort();
    }

    /// Whether [`Exchange::give_up`] was called, or the client has been found gone.
    pub(crate) fn is_given_up(&self) -> bool {
        self.connection.ending == Ending::Now
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

    /// Seconds after which a rule wants the worker to end with this request, if one does.
    pub fn harakiri(&self) -> Option<u32> {
        self.work.routed.harakiri
    }

    /// The connection ends with this answer; to be said before [`Exchange::begin`].
    pub fn close_after_answer(&mut self) {
        self.work.close = true;
    }

    /// The access log does not tell of this request, because something else does.
    pub fn leave_unlogged(&mut self) {
        self.work.routed.unlogged = true;
    }

    /// Somebody has spoken with the client in our place: nothing is answered, and the connection ends.
    pub fn answered_elsewhere(&mut self) {
        self.work.stage = Stage::Draining;
        self.leave_unlogged();
        if self.connection.ending != Ending::Now {
            self.connection.ending = Ending::FlushAndLinger;
        }
    }

    /// The client is as good as gone: whatever is queued, the connection closes.
    pub fn give_up(&mut self) {
        self.connection.ending = Ending::Now;
    }

    /// Ends the answer. Returns what was wrong with its length, for the log: the connection is never left in doubt.
    pub fn finish(&mut self) -> Option<&'static str> {
        if self.answer_instead() {
            return None;
        }
        let Exchange { connection, work } = self;
        if connection.ending == Ending::Now {
            return None;
        }
        // To close on a client that is still sending would reset the connection under the answer.
        let unread = !connection.codec.body_complete() || connection.readable;
        let finished = connection.codec.finish_with(&work.trailers, work.outbox.tail());
        work.stage = Stage::Draining;
        if finished == Finished::Close && connection.ending == Ending::No {
            connection.ending = if unread {
                Ending::FlushAndLinger
            } else {
                Ending::Flush
            };
        }
        if connection.codec.short() {
            return Some("the application wrote less than its Content-Length: the connection is closed");
        }
        connection
            .codec
            .surplus()
            .then_some("the application wrote more than its Content-Length: the rest was cut off")
    }

    /// Gives the answer up so that the client can tell: what was written goes out, the end is missing.
    pub fn abort(&mut self) {
        if self.answer_instead() {
            return;
        }
        self.work.stage = Stage::Draining;
        self.connection.cut = self.connection.codec.ends_with_connection();
        if self.connection.ending != Ending::Now {
            self.connection.ending = Ending::Flush;
        }
    }

    /// Answers with an error page if nothing was sent yet, and otherwise [aborts](Exchange::abort).
    pub fn fail(&mut self, status: u16) {
        if self.answer_instead() {
            return;
        }
        let bounds = Arc::clone(&self.work.bounds);
        let judged = bounds.router.as_ref().is_some_and(Router::judges_answers);
        let page = bounds.error_pages.get(&status);
        if !self.begun() && (judged || page.is_some()) {
            return self.fail_with(status, page.map_or(&[], Vec::as_slice));
        }
        let Exchange { connection, work } = self;
        if connection.codec.head_sent() {
            return self.abort();
        }
        let out = work.outbox.tail();
        let before = out.len();
        work.response.clear();
        connection.codec.send_error(status, &work.stamp, work.close, out);
        work.body_bytes = 0;
        work.head_bytes = (out.len() - before) as u64;
        // For the access log; the three digits are always a status.
        let _ = work.response.set_status(format!("{status} ").as_bytes());
        self.finish();
    }

    /// The error page, from the first of the files that can be read, as an answer that rules may look at.
    fn fail_with(&mut self, status: u16, pages: &[PathBuf]) {
        let page = pages.iter().find_map(|path| std::fs::read(path).ok());
        let response = &mut self.work.response;
        response.clear();
        // A status that is one, and fixed fields.
        let _ = response.set_status_code(status);
        let media_type = if page.is_some() {
            "text/html"
        } else {
            "text/plain; charset=utf-8"
        };
        let _ = response.push(b"Content-Type", media_type.as_bytes());
        if status == 503 {
            let _ = response.push(b"Retry-After", b"1");
        }
        let (_, sentence) = explanation(status);
        let body = page.unwrap_or_else(|| sentence.as_bytes().to_vec());
        response.set_content_length(body.len() as u64);
        self.begin();
        self.write(&body);
        self.finish();
    }

    /// Looks at newly arrived bytes. Returns how many were used and what they call for.
    pub(crate) fn parse(&mut self, input: &[u8]) -> (usize, Step) {
        let Exchange { connection, work } = self;
        let fits = work.bounds.body_buffer as u64;
        let mut used = 0;
        if connection.awaits_proxy {
            match connection.take_proxy_header(input) {
                Ok(None) => return (0, Step::NeedMore),
                Ok(Some(length)) => used = length,
                Err(refusal) => return (input.len(), Step::Refused(refusal)),
            }
        }
        loop {
            let rest = &input[used..];
            let received = connection.codec.receive(rest, &mut work.head);
            used += received.used;
            match received.event {
                Event::NeedMore if work.stage == Stage::Body && !work.bounds.await_body => {
                    work.stage = Stage::Serving;
                    return (used, Step::Ready);
                }
                Event::NeedMore => return (used, Step::NeedMore),
                Event::Refused(refusal) => return (used, Step::Refused(refusal)),
                Event::Head => {
                    if let Err(refusal) = manners::apply(&work.bounds.header_rules, &mut work.head) {
                        return (used, Step::Refused(refusal));
                    }
                    match work.bounds.origins.of(connection, &mut work.head) {
                        Ok(origin) => work.origin = origin,
                        Err(refusal) => return (used, Step::Refused(refusal)),
                    }
                    work.stage = Stage::Body;
                    if work.head.expects_continue() && used == input.len() {
                        // A body that fits is asked for at once, so that no thread waits for it. The client of a
                        // larger one is told when the application begins to read, and saves itself the sending
                        // if it never does.
                        let is_large = match work.head.body_length() {
                            BodyLength::None => false,
                            BodyLength::Known(length) => length > fits || !work.bounds.await_body,
                            BodyLength::Chunked => true,
                        };
                        if is_large {
                            work.stage = Stage::Serving;
                            return (used, Step::Ready);
                        }
                        connection.codec.send_continue(work.outbox.tail());
                    }
                }
                Event::Body(range) if work.stage == Stage::Draining => {
                    work.drained += range.len();
                    if work.drained > DRAIN_LIMIT {
                        return (used, Step::TooMuch);
                    }
                }
                Event::Body(range) => {
                    work.body.extend_from_slice(&rest[range]);
                    if work.body.len() >= work.bounds.body_buffer {
                        work.stage = Stage::Serving;
                        return (used, Step::Ready);
                    }
                }
                Event::Kept => {
                    connection.codec.take_kept(&mut work.body);
                    if work.body.len() >= work.bounds.body_buffer {
                        work.stage = Stage::Serving;
                        return (used, Step::Ready);
                    }
                }
                Event::Reply => {
                    if connection.codec.reply(work.outbox.tail()) == Finished::Close {
                        connection.ending = Ending::Flush;
                        return (used, Step::NeedMore);
                    }
                }
                // The application has not seen it: there is nothing to take back.
                Event::Aborted => {
                    let finished = connection
                        .codec
                        .finish_with(&ResponseHead::default(), work.outbox.tail());
                    work.next_request();
                    if finished == Finished::Close {
                        connection.ending = Ending::Flush;
                        return (used, Step::NeedMore);
                    }
                }
                // Reported late when the application itself read the body to its end.
                Event::End if matches!(work.stage, Stage::Draining | Stage::Head) => work.next_request(),
                Event::End => {
                    work.stage = Stage::Serving;
                    return (used, Step::Ready);
                }
            }
        }
    }
}

/// Blocks until the socket is ready; an error when it is not in time.
fn wait_for(socket: &impl AsFd, what: PollFlags, patience: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: patience.as_secs() as i64,
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    loop {
        match poll(&mut [PollFd::new(socket, what)], Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
