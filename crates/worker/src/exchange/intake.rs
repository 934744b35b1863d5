//! What arriving bytes make of an exchange that no application has yet: the head, who the client is, and as much of the body
//! as is buffered.

use protocol::{BodyLength, Event, Finished, Refusal, ResponseHead};

use super::{DRAIN_LIMIT, Exchange};
use crate::connection::{Ending, Stage};
use crate::manners;

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
    /// Looks at newly arrived bytes. Returns how many were used and what they call for.
    pub(crate) fn parse(&mut self, input: &[u8]) -> (usize, Step) {
        let mut used = 0;
        if self.connection.awaits_proxy {
            match self.connection.take_proxy_header(input) {
                Ok(None) => return (0, Step::NeedMore),
                Ok(Some(length)) => used = length,
                Err(refusal) => return (input.len(), Step::Refused(refusal)),
            }
        }
        loop {
            let rest = &input[used..];
            let received = self.connection.codec.receive(rest, &mut self.work.head);
            used += received.used;
            let step = match received.event {
                Event::NeedMore if self.work.stage == Stage::Body && !self.work.bounds.await_body => {
                    Some(self.ready())
                }
                Event::NeedMore => Some(Step::NeedMore),
                Event::Refused(refusal) => Some(Step::Refused(refusal)),
                Event::Head => self.take_head(used == input.len()),
                Event::Body(range) if self.work.stage == Stage::Draining => {
                    self.work.drained += range.len();
                    (self.work.drained > DRAIN_LIMIT).then_some(Step::TooMuch)
                }
                Event::Body(range) => {
                    self.work.body.extend_from_slice(&rest[range]);
                    self.is_body_buffered().then(|| self.ready())
                }
                Event::Kept => {
                    self.connection.codec.take_kept(&mut self.work.body);
                    self.is_body_buffered().then(|| self.ready())
                }
                Event::Reply => {
                    let finished = self.connection.codec.reply(self.work.outbox.tail());
                    self.go_on_unless(finished)
                }
                // The application has not seen it: there is nothing to take back.
                Event::Aborted => {
                    let (nothing, outbox) = (ResponseHead::default(), self.work.outbox.tail());
                    let finished = self.connection.codec.finish_with(&nothing, outbox);
                    self.work.next_request();
                    self.go_on_unless(finished)
                }
                // Reported late when the application itself read the body to its end.
                Event::End if matches!(self.work.stage, Stage::Draining | Stage::Head) => {
                    self.work.next_request();
                    None
                }
                Event::End => Some(self.ready()),
            };
            if let Some(step) = step {
                return (used, step);
            }
        }
    }

    fn ready(&mut self) -> Step {
        self.work.stage = Stage::Serving;
        Step::Ready
    }

    fn is_body_buffered(&self) -> bool {
        self.work.body.len() >= self.work.bounds.body_buffer
    }

    /// What the codec has written is the last that this client gets, or the next request may come.
    fn go_on_unless(&mut self, finished: Finished) -> Option<Step> {
        if finished != Finished::Close {
            return None;
        }
        self.connection.ending = Ending::Flush;
        Some(Step::NeedMore)
    }

    /// The head is complete: is it acceptable, and who sends it? `is_last`: nothing has arrived behind it.
    fn take_head(&mut self, is_last: bool) -> Option<Step> {
        let Exchange { connection, work } = self;
        if let Err(refusal) = manners::apply(&work.bounds.header_rules, &mut work.head) {
            return Some(Step::Refused(refusal));
        }
        match work.bounds.origins.of(connection, &mut work.head) {
            Ok(origin) => work.origin = origin,
            Err(refusal) => return Some(Step::Refused(refusal)),
        }
        work.stage = Stage::Body;
        if !work.head.expects_continue() || !is_last {
            return None;
        }
        // A body that fits is asked for at once, so that no thread waits for it. The client of a larger one is told when
        // the application begins to read, and saves itself the sending if it never does.
        let fits = work.bounds.body_buffer as u64;
        let is_large = match work.head.body_length() {
            BodyLength::None => false,
            BodyLength::Known(length) => length > fits || !work.bounds.await_body,
            BodyLength::Chunked => true,
        };
        if is_large {
            return Some(self.ready());
        }
        connection.codec.send_continue(work.outbox.tail());
        None
    }
}
