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
