//! Records that begin and end requests, that carry their parameters, and that ask about us.
//!
//! Rules: they are short and understood as a whole; what they ask for is bounded, and what they are told waits in
//! `replies` until it can be written.

use super::record::{Kind, LARGEST, ProtocolStatus, RESPONDER, Record, pair, put_end, put_header};
use super::{Codec, KEPT, Open};
use crate::refusal::Refusal;

/// Requests open at a time on one connection.
const OPEN: usize = 64;
/// Bytes of replies that wait to be written. Whoever asks more without reading is not served.
const REPLIES: usize = 64 << 10;

impl Codec {
    /// A record other than a stream's, entirely there.
    pub(super) fn obey(&mut self, record: Record, content: &[u8]) -> Result<(), Refusal> {
        match record.kind {
            Kind::BeginRequest => self.begin_request(record.id, content)?,
            Kind::AbortRequest => self.abort_request(record.id),
            Kind::Params => self.take_params(record.id, content)?,
            Kind::GetValues if record.id == 0 => self.tell_values(content)?,
            // Only management records are answered (FastCGI 1.0, 4.2); others of unknown kinds are skipped.
            kind if record.id == 0 => {
                put_header(Kind::UnknownType, 0, 8, &mut self.replies);
                self.replies
                    .extend_from_slice(&[kind.number(), 0, 0, 0, 0, 0, 0, 0]);
            }
            _ => {}
        }
        if self.replies.len() > REPLIES {
            return Err(Refusal::TooManyRecords);
        }
        Ok(())
    }

    fn begin_request(&mut self, id: u16, content: &[u8]) -> Result<(), Refusal> {
        let &[role1, role0, flags, ..] = content else {
            return Err(Refusal::BeginRequestSyntax);
        };
        if id == 0 {
            return Err(Refusal::BeginRequestSyntax);
        }
        if self.open.iter().any(|open| open.id == id) {
            return Err(Refusal::RequestIdInUse);
        }
        self.keep = flags & 1 != 0;
        let role = u16::from_be_bytes([role1, role0]);
        if role != u16::from(RESPONDER) {
            put_end(id, 0, ProtocolStatus::UnknownRole, &mut self.replies);
        } else if self.open.len() == OPEN {
            put_end(id, 0, ProtocolStatus::Overloaded, &mut self.replies);
        } else {
            self.open.push(Open {
                id,
                params: Vec::new(),
                ready: None,
                body: Vec::new(),
                body_ended: false,
            });
        }
        Ok(())
    }

    fn abort_request(&mut self, id: u16) {
        match &mut self.serving {
            Some(serving) if serving.id == id => serving.aborted = true,
            _ if self.open.iter().any(|open| open.id == id) => {
                self.open.retain(|open| open.id != id);
                put_end(id, 0, ProtocolStatus::RequestComplete, &mut self.replies);
            }
            _ => {}
        }
    }

    fn take_params(&mut self, id: u16, content: &[u8]) -> Result<(), Refusal> {
        let next = self
            .open
            .iter()
            .filter_map(|open| open.ready)
            .max()
            .map_or(0, |last| last + 1);
        let is_full = self.kept() + content.len() > KEPT;
        let most = self.limits.block;
        let Some(open) = self.open.iter_mut().find(|open| open.id == id) else {
            return Ok(());
        };
        let size = open.params.len() + content.len();
        if content.is_empty() {
            open.ready = Some(next);
        } else if size > most {
            return Err(Refusal::BlockTooLarge { size, most });
        } else if is_full {
            self.turn_away(id);
        } else {
            open.params.extend_from_slice(content);
        }
        Ok(())
    }

    /// What the web server may ask about us (FastCGI 1.0, 4.1).
    fn tell_values(&mut self, content: &[u8]) -> Result<(), Refusal> {
        let mut values = Vec::new();
        let mut at = 0;
        while at < content.len() {
            let (name, _) = pair(content, &mut at)?;
            let name = name.of(content);
            let value: &[u8] = match name {
                b"FCGI_MAX_CONNS" => b"1000",
                b"FCGI_MAX_REQS" => b"64",
                b"FCGI_MPXS_CONNS" => b"1",
                _ => continue,
            };
            // A name asked for over and over is told over and over, within what a record holds.
            if values.len() + name.len() + value.len() + 2 > LARGEST {
                break;
            }
            values.extend_from_slice(&[name.len() as u8, value.len() as u8]);
            values.extend_from_slice(name);
            values.extend_from_slice(value);
        }
        put_header(Kind::GetValuesResult, 0, values.len(), &mut self.replies);
        self.replies.extend_from_slice(&values);
        Ok(())
    }
}
