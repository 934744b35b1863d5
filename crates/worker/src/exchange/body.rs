//! The body of a request, as the application takes it: what has come, and waiting for more.
//!
//! Only [`Exchange::receive_body`] blocks. What comes before the application is called is taken in `intake`.

use std::fmt;
use std::time::Duration;

use protocol::{Event, Refusal};
use rustix::event::PollFlags;

use super::{Exchange, wait_for};
use crate::connection::Ending;

/// Room made for one read of a body that the application waits for.
const READ_STEP: usize = 64 << 10;

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

impl Exchange {
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
}
