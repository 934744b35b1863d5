//! HTTP/1.0 and 1.1 on the server's side of a connection (RFC 9112), strictly.
//!
//! ```text
//! receive:  Head ---> Body ---> Complete --(answer finished)--> Head ...
//!             |         |           (a body that outlives its answer is drained: Body -> Head)
//!             +---------+--> Refused          finish, when the connection ends --> Closed
//!
//! send:     Idle -> send_head -> Counted | Chunked | UntilClose | Bodyless -> finish -> Idle
//! ```
//!
//! Rules: two parties must never disagree about where a message ends, so what is malformed is refused, not
//! repaired, and after a refusal nothing is interpreted; where the input was cut never changes an event; what
//! an application says about length never contradicts what is sent.
//!
//! Left out: time, buffers, and what to answer; upgrades (WebSocket will take the connection over).

mod body;
mod head;
mod scan;
mod write;

use self::body::{Body, Piece};
use self::head::Reading;
use self::scan::Scan;
use self::write::Writing;
use crate::event::{Event, Limits, Received};
use crate::refusal::Refusal;
use crate::request::{BodyLength, RequestHead, Version};

/// One connection's protocol state. Holds no buffers: an idle connection costs its size and nothing else.
#[derive(Debug)]
pub struct Codec {
    limits: Limits,
    stage: Stage,
    /// The one empty line before a request that is tolerated (RFC 9112 2.2) has been seen.
    skipped_empty_line: bool,
    /// The current request, as far as answering it depends on it.
    request: Request,
    writing: Writing,
    /// The connection ends after this answer.
    closing: bool,
    /// The answer is finished and the rest of the request's body is being drained.
    answered: bool,
    /// The application wrote more than it may; kept until the next request.
    surplus: bool,
    /// The application wrote less than it promised; kept until the next request.
    short: bool,
}

/// Where receiving stands.
#[derive(Debug)]
enum Stage {
    Head(Scan),
    Body(Body),
    Complete,
    Refused(Refusal),
    Closed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Request {
    is_head_method: bool,
    version: Version,
    keep_alive: bool,
    /// The client waits for `100 Continue`: neither that nor a byte of the body has passed.
    awaits_continue: bool,
}

impl Codec {
    /// A connection on which nothing has passed yet.
    pub fn new(limits: Limits) -> Codec {
        Codec {
            limits,
            stage: Stage::Head(Scan::default()),
            skipped_empty_line: false,
            request: Request::default(),
            writing: Writing::Idle,
            closing: false,
            answered: false,
            surplus: false,
            short: false,
        }
    }

    /// Looks at the front of `input` - everything received and not yet used up - and says what it is.
    ///
    /// `head` is filled when the event is [`Event::Head`] and is undefined after [`Event::NeedMore`] and
    /// [`Event::Refused`] between requests; it is left alone while a body is received. A pipelined request
    /// is not looked at before the answer to the one before it is finished.
    pub fn receive(&mut self, input: &[u8], head: &mut RequestHead) -> Received {
        match &mut self.stage {
            Stage::Head(_) => self.receive_head(input, head),
            Stage::Body(body) => match body.receive(input, &self.limits) {
                Ok((used, piece)) => self.received_piece(used, piece),
                Err(refusal) => self.refused(input, refusal),
            },
            Stage::Complete => Received::need_more(0),
            Stage::Closed => Received::need_more(input.len()),
            Stage::Refused(refusal) => Received {
                used: input.len(),
                event: Event::Refused(*refusal),
            },
        }
    }

    fn receive_head(&mut self, input: &[u8], head: &mut RequestHead) -> Received {
        let skipped = if !self.skipped_empty_line && input.starts_with(b"\r\n") {
            2
        } else {
            0
        };
        if skipped > 0 {
            self.skipped_empty_line = true;
            self.stage = Stage::Head(Scan::default());
        }
        let Stage::Head(scan) = &mut self.stage else {
            return Received::need_more(skipped);
        };
        let rest = &input[skipped..];
        if rest.is_empty() {
            return Received::need_more(skipped);
        }
        if scan.is_fresh()
            && let Reading::Complete(length, meaning) = head::read(rest, &self.limits, head)
        {
            return self.received_head(input, skipped + length, head, meaning);
        }
        let length = match scan.advance(rest, &self.limits) {
            Ok(None) => return Received::need_more(skipped),
            Ok(Some(length)) => length,
            Err(refusal) => return self.refused(input, refusal),
        };
        let fields = scan.lines() - 1;
        let text = &rest[..length];
        let mut reading = head::read(text, &self.limits, head);
        if let Reading::Doubtful = reading {
            reading = head::read_unusual(text, &self.limits, head, fields);
        }
        match reading {
            Reading::Complete(_, meaning) => self.received_head(input, skipped + length, head, meaning),
            // `scan` and httparse disagree, which the tests say does not happen. Refusing is safe.
            Reading::Doubtful => self.refused(input, Refusal::NameSyntax),
        }
    }

    fn received_head(
        &mut self,
        input: &[u8],
        used: usize,
        head: &mut RequestHead,
        meaning: head::Meaning,
    ) -> Received {
        self.request.is_head_method = head.method() == b"HEAD";
        self.request.version = head.version;
        if let Err(refusal) = meaning.settle(head, &self.limits) {
            return self.refused(input, refusal);
        }
        self.request.keep_alive = head.keep_alive;
        self.request.awaits_continue = head.expects_continue;
        self.stage = Stage::Body(Body::new(head.body_length));
        self.skipped_empty_line = false;
        self.surplus = false;
        self.short = false;
        Received {
            used,
            event: Event::Head,
        }
    }

    fn received_piece(&mut self, used: usize, piece: Piece) -> Received {
        let event = match piece {
            Piece::NeedMore => Event::NeedMore,
            Piece::Data(range) => {
                self.request.awaits_continue = false;
                Event::Body(range)
            }
            Piece::End => {
                self.stage = Stage::Complete;
                if self.answered {
                    self.next_request();
                }
                Event::End
            }
        };
        Received { used, event }
    }

    fn refused(&mut self, input: &[u8], refusal: Refusal) -> Received {
        self.stage = Stage::Refused(refusal);
        self.closing = true;
        Received {
            used: input.len(),
            event: Event::Refused(refusal),
        }
    }

    fn next_request(&mut self) {
        self.answered = false;
        self.request = Request::default();
        self.stage = Stage::Head(Scan::default());
    }

    /// Between two requests, with nothing of the next one seen: the connection is idle.
    pub fn awaiting_request(&self) -> bool {
        matches!(&self.stage, Stage::Head(scan) if scan.is_fresh())
    }

    /// The current request's body has been received entirely.
    pub fn body_complete(&self) -> bool {
        match &self.stage {
            Stage::Body(body) => body.remaining() == Some(0),
            Stage::Complete | Stage::Head(_) => true,
            Stage::Refused(_) | Stage::Closed => false,
        }
    }

    /// Bytes of a Content-Length body still to come; `None` for chunks, whose end is not known.
    pub fn body_remaining(&self) -> Option<u64> {
        match &self.stage {
            Stage::Body(body) => body.remaining(),
            Stage::Complete | Stage::Head(_) => Some(0),
            Stage::Refused(_) | Stage::Closed => None,
        }
    }

    /// See [`Codec::repeat`](crate::Codec::repeat). A body in chunks is written as one.
    pub fn repeat(&self, head: &RequestHead, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(head.as_received());
        let is_chunked = head.body_length() == BodyLength::Chunked;
        if is_chunked && !body.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(body);
        if is_chunked {
            let end: &[u8] = if body.is_empty() {
                b"0\r\n\r\n"
            } else {
                b"\r\n0\r\n\r\n"
            };
            out.extend_from_slice(end);
        }
    }
}
