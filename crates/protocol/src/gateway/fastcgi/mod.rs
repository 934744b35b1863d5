//! FastCGI 1.0, in the role of a responder.
//!
//! ```text
//! BEGIN_REQUEST --> open: PARAMS* --> ready --(its turn)--> Head, Body*, End --> answered
//!                    |                                            |
//!                    +-- ABORT_REQUEST, overload -----------------+--> END_REQUEST
//! ```
//!
//! Many requests may be open on a connection, with their records in any order. They are served one after the other, in
//! the order in which their parameters became complete: while one is served, what arrives for the others is kept, up to
//! a limit, beyond which they are turned away as overloaded. So each request is one `RequestHead` and one body to those
//! above, and memory is bounded, whatever a peer interleaves. No web server multiplexes; those who do get correct
//! answers, and concurrency from several connections.
//!
//! Rules: records of requests that are not open are skipped (the specification lets an answer overtake the rest of its
//! request); a body ends with CONTENT_LENGTH or with its stream, whichever is announced; what the codec says of its own
//! accord is an [`Event::Reply`].

mod control;
mod record;
mod write;

use self::record::{HEADER, Kind, ProtocolStatus, Record, put_end, read_pairs};
use super::answer::{Answer, FirstLine};
use super::variables::{self, WithoutLength};
use crate::event::{Event, Limits, Received};
use crate::refusal::Refusal;
use crate::request::{BodyLength, RequestHead};

/// Bytes kept for requests that wait for their turn, together.
const KEPT: usize = 1 << 20;

/// The state of a FastCGI connection.
#[derive(Debug)]
pub struct Codec {
    limits: Limits,
    /// The record whose content is being read, and how much of it and of its padding is left.
    record: Option<Record>,
    /// Open requests, in the order in which they were begun.
    open: Vec<Open>,
    /// The request that is served: it is among `open`.
    serving: Option<Serving>,
    /// Whether the connection stays when nothing is open; as the last request said.
    keep: bool,
    answer: Answer,
    first_line: FirstLine,
    /// What is to be said besides answers.
    replies: Vec<u8>,
    ended: Option<Ended>,
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    Refused(Refusal),
    Closed,
}

#[derive(Debug)]
struct Open {
    id: u16,
    params: Vec<u8>,
    /// When its parameters were complete, counted on this connection.
    ready: Option<u64>,
    /// Body bytes that arrived before its turn.
    body: Vec<u8>,
    body_ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Serving {
    id: u16,
    /// Body bytes still to come, when that is known.
    left: Option<u64>,
    /// The limit for the body where its length is not known.
    allowed: u64,
    /// The end of the body has been reported.
    complete: bool,
    /// The web server has lost interest.
    aborted: bool,
}

impl Serving {
    fn of(id: u16) -> Serving {
        Serving {
            id,
            left: Some(0),
            allowed: u64::MAX,
            complete: false,
            aborted: false,
        }
    }
}

/// What a step found.
enum Step {
    /// Nothing to tell; go on.
    Continue,
    NeedMore,
    Event(Event),
}

impl Codec {
    /// A connection on which nothing has passed yet, and how its answers begin.
    pub fn new(limits: Limits, first_line: FirstLine) -> Codec {
        Codec {
            limits,
            record: None,
            open: Vec::new(),
            serving: None,
            keep: true,
            answer: Answer::default(),
            first_line,
            replies: Vec::new(),
            ended: None,
        }
    }

    /// See [`Codec::receive`](crate::Codec::receive).
    pub fn receive(&mut self, input: &[u8], head: &mut RequestHead) -> Received {
        let mut used = 0;
        loop {
            match self.ended {
                Some(Ended::Closed) => return Received::need_more(input.len()),
                Some(Ended::Refused(refusal)) => {
                    return Received {
                        used: input.len(),
                        event: Event::Refused(refusal),
                    };
                }
                None => {}
            }
            match self.step(input, &mut used, head) {
                Ok(Step::Continue) => {}
                Ok(Step::NeedMore) => return Received::need_more(used),
                Ok(Step::Event(event)) => return Received { used, event },
                Err(refusal) => self.ended = Some(Ended::Refused(refusal)),
            }
        }
    }

    fn step(&mut self, input: &[u8], used: &mut usize, head: &mut RequestHead) -> Result<Step, Refusal> {
        if !self.replies.is_empty() {
            return Ok(Step::Event(Event::Reply));
        }
        match self.serving {
            None => {
                if let Some(index) = self.next_ready() {
                    self.begin_serving(index, head)?;
                    return Ok(Step::Event(Event::Head));
                }
            }
            // Nothing is looked at before the answer is finished.
            Some(serving) if serving.aborted => return Ok(Step::Event(Event::Aborted)),
            Some(serving) if serving.complete => return Ok(Step::NeedMore),
            Some(serving) => {
                if let Some(event) = self.continue_body(serving, &input[*used..], used) {
                    return Ok(Step::Event(event));
                }
            }
        }
        let rest = &input[*used..];
        let Some(record) = self.record else {
            return self.begin_record(rest, used);
        };
        if record.length == 0 {
            let step = record.padding.min(rest.len());
            *used += step;
            self.record = Record {
                padding: record.padding - step,
                ..record
            }
            .to_come();
            return Ok(if self.record.is_some() {
                Step::NeedMore
            } else {
                Step::Continue
            });
        }
        if rest.is_empty() {
            return Ok(Step::NeedMore);
        }
        self.read_content(record, rest, used)
    }

    /// The request that has been ready for longest.
    fn next_ready(&self) -> Option<usize> {
        let ready = self
            .open
            .iter()
            .enumerate()
            .filter_map(|(index, open)| Some((open.ready?, index)));
        Some(ready.min()?.1)
    }

    fn begin_serving(&mut self, index: usize, head: &mut RequestHead) -> Result<(), Refusal> {
        let open = &mut self.open[index];
        self.answer = Answer::default();
        self.serving = Some(Serving {
            allowed: self.limits.body.unwrap_or(u64::MAX),
            ..Serving::of(open.id)
        });
        read_pairs(&open.params, head)?;
        // An idle connection shall hold no buffers.
        open.params = Vec::new();
        variables::settle(head, WithoutLength::Framed, self.limits.body)?;
        self.answer = Answer::to(head);
        if let Some(serving) = &mut self.serving {
            serving.left = match head.body_length {
                BodyLength::Known(bytes) => Some(bytes),
                BodyLength::None => Some(0),
                BodyLength::Chunked => None,
            };
        }
        Ok(())
    }

    /// What is known of the served request's body without reading further.
    fn continue_body(&mut self, serving: Serving, rest: &[u8], used: &mut usize) -> Option<Event> {
        let open = self.open.iter_mut().find(|open| open.id == serving.id)?;
        if !open.body.is_empty() {
            if serving.left.is_none() && open.body.len() as u64 > serving.allowed {
                self.ended = Some(Ended::Refused(Refusal::BodyTooLarge));
                return Some(Event::Refused(Refusal::BodyTooLarge));
            }
            return Some(Event::Kept);
        }
        if serving.left == Some(0) || open.body_ended {
            // The end of the stream is usually there: what has been used up does not keep the connection from closing.
            if !open.body_ended
                && self.record.is_none()
                && let Ok(Some(record)) = Record::read(rest)
                && (record.kind, record.id) == (Kind::Stdin, serving.id)
                && (record.length, record.padding) == (0, 0)
            {
                *used += HEADER;
                open.body_ended = true;
            }
            let short = serving.left.is_some_and(|left| left > 0);
            if let Some(serving) = &mut self.serving {
                serving.complete = true;
            }
            if short {
                self.ended = Some(Ended::Refused(Refusal::BodyShort));
                return Some(Event::Refused(Refusal::BodyShort));
            }
            return Some(Event::End);
        }
        None
    }

    fn begin_record(&mut self, rest: &[u8], used: &mut usize) -> Result<Step, Refusal> {
        let Some(record) = Record::read(rest)? else {
            return Ok(Step::NeedMore);
        };
        if record.kind.is_stream() || self.is_skipped(record) {
            *used += HEADER;
            self.record = record.to_come();
            if record.length == 0 && record.kind == Kind::Stdin {
                self.end_body(record.id);
            }
            return Ok(Step::Continue);
        }
        // Others are short, and understood as a whole.
        let Some(content) = rest.get(HEADER..HEADER + record.length) else {
            return Ok(Step::NeedMore);
        };
        self.obey(record, content)?;
        *used += HEADER + record.length;
        self.record = Record { length: 0, ..record }.to_come();
        Ok(Step::Continue)
    }

    /// Parameters of requests that are not open, or have had all of theirs.
    fn is_skipped(&self, record: Record) -> bool {
        record.kind == Kind::Params
            && !self
                .open
                .iter()
                .any(|open| open.id == record.id && open.ready.is_none())
    }

    /// Content that is handed on, kept or dropped as it arrives.
    fn read_content(&mut self, record: Record, rest: &[u8], used: &mut usize) -> Result<Step, Refusal> {
        let here = record.length.min(rest.len());
        let take = |codec: &mut Codec, used: &mut usize| {
            *used += here;
            codec.record = Record {
                length: record.length - here,
                ..record
            }
            .to_come();
        };
        if record.kind != Kind::Stdin
            || !self
                .open
                .iter()
                .any(|open| open.id == record.id && !open.body_ended)
        {
            take(self, used);
            return Ok(Step::Continue);
        }
        let start = *used;
        take(self, used);
        match &mut self.serving {
            Some(serving) if serving.id == record.id => {
                let wanted = match &mut serving.left {
                    Some(left) => {
                        let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(here);
                        *left -= wanted as u64;
                        wanted
                    }
                    None => {
                        serving.allowed = serving
                            .allowed
                            .checked_sub(here as u64)
                            .ok_or(Refusal::BodyTooLarge)?;
                        here
                    }
                };
                if wanted == 0 {
                    return Ok(Step::Continue);
                }
                Ok(Step::Event(Event::Body(start..start + wanted)))
            }
            _ => {
                self.keep_for_later(record.id, &rest[..here]);
                Ok(Step::Continue)
            }
        }
    }

    fn kept(&self) -> usize {
        self.open
            .iter()
            .map(|open| open.params.len() + open.body.len())
            .sum()
    }

    fn keep_for_later(&mut self, id: u16, content: &[u8]) {
        if self.kept() + content.len() > KEPT {
            return self.turn_away(id);
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            open.body.extend_from_slice(content);
        }
    }

    fn turn_away(&mut self, id: u16) {
        self.open.retain(|open| open.id != id);
        put_end(id, 0, ProtocolStatus::Overloaded, &mut self.replies);
    }

    fn end_body(&mut self, id: u16) {
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            open.body_ended = true;
        }
    }
}
