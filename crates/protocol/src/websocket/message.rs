//! A message in the making: the payloads of its frames, joined, inflated and checked as they arrive.
//!
//! Rules: memory follows what has arrived, never what was announced; beyond the limit nothing is kept; text is
//! condemned by the first byte after which it cannot be UTF-8 any more, whatever frame or piece that is in.

use std::cmp::min;

use super::close::Failure;
use super::deflate::Inflater;
use super::frame::{shifted, unmask};

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Capacity above which the buffer is not kept for the next message.
const KEPT: usize = 64 << 10;
/// Compressed bytes that are unmasked at once.
const PIECE: usize = 4 << 10;

/// The message being received, then the one that was.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that are whole UTF-8 sequences.
    checked: usize,
    /// The message in progress, if there is one.
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    kind: Kind,
    is_compressed: bool,
}

impl Assembly {
    /// A message is in progress.
    pub(super) fn is_open(&self) -> bool {
        self.current.is_some()
    }

    /// Begins a message. The one before is forgotten.
    pub(super) fn begin(&mut self, kind: Kind, is_compressed: bool) {
        self.current = Some(Current { kind, is_compressed });
    }

    /// Whether a frame of this payload may follow. What it inflates to is seen when it does.
    pub(super) fn fits(&self, length: u64, limit: usize) -> bool {
        match self.current {
            Some(Current {
                is_compressed: false, ..
            }) => length <= limit.saturating_sub(self.buffer.len()) as u64,
            _ => true,
        }
    }

    /// Takes a piece of a frame's payload.
    pub(super) fn take(
        &mut self,
        payload: &[u8],
        mask: [u8; 4],
        limit: usize,
        inflater: Option<&mut Inflater>,
    ) -> Result<(), Failure> {
        match (self.current, inflater) {
            (
                Some(Current {
                    is_compressed: true, ..
                }),
                Some(inflater),
            ) => self.inflate(payload, mask, limit, inflater)?,
            _ => {
                let start = self.buffer.len();
                self.buffer.extend_from_slice(payload);
                unmask(&mut self.buffer[start..], mask);
            }
        }
        self.check()
    }

    fn inflate(
        &mut self,
        payload: &[u8],
        mask: [u8; 4],
        limit: usize,
        inflater: &mut Inflater,
    ) -> Result<(), Failure> {
        let mut plain = [0; PIECE];
        let mut used = 0;
        while used < payload.len() {
            let count = min(PIECE, payload.len() - used);
            let piece = &mut plain[..count];
            piece.copy_from_slice(&payload[used..used + count]);
            unmask(piece, shifted(mask, used));
            let inflated = inflater.inflate(piece, &mut self.buffer, limit);
            // Whatever went wrong later, a bad byte before it came first.
            self.check()?;
            inflated?;
            used += count;
        }
        Ok(())
    }

    /// Ends the message: what it is, and that nothing is missing from it.
    pub(super) fn finish(&mut self, limit: usize, inflater: Option<&mut Inflater>) -> Result<Kind, Failure> {
        let Some(current) = self.current else {
            return Err(Failure::NothingToContinue);
        };
        if let (true, Some(inflater)) = (current.is_compressed, inflater) {
            let inflated = inflater.finish(&mut self.buffer, limit);
            self.check()?;
            inflated?;
        }
        if current.kind == Kind::Text && self.checked < self.buffer.len() {
            return Err(Failure::TextEncoding);
        }
        self.current = None;
        Ok(current.kind)
    }

    /// Looks at what is new, if it is text.
    fn check(&mut self) -> Result<(), Failure> {
        if !matches!(self.current, Some(Current { kind: Kind::Text, .. })) {
            return Ok(());
        }
        match str::from_utf8(&self.buffer[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Failure::TextEncoding),
        }
        Ok(())
    }

    /// The bytes of the message that was finished last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The text of the message that was finished last, if it is one.
    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.buffer).unwrap_or_default()
    }

    /// Forgets a message that was handed out; one in progress stays.
    pub(super) fn forget_finished(&mut self) {
        if self.current.is_none() {
            self.forget();
        }
    }

    /// Forgets everything, and memory beyond what is worth keeping.
    pub(super) fn forget(&mut self) {
        self.current = None;
        self.checked = 0;
        self.buffer.clear();
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }
}
