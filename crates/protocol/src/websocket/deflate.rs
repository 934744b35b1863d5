//! Compressed messages (RFC 7692): DEFLATE with the empty block at each message's end left out.
//!
//! Rules: what a message inflates to is bounded while it inflates, so a bomb costs its limit and no more; state
//! is made when the first compressed message comes or goes, so a connection that never has one pays nothing.

use std::cmp::min;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::close::Failure;
use super::extension::Agreement;

/// An empty stored block: the end of a message's data that is not sent (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
/// The least room that is made for inflated bytes.
const ROOM: usize = 1 << 10;
/// Capacity above which the buffer for compressed bytes is not kept.
const KEPT: usize = 64 << 10;
/// zlib cannot make a raw stream with the smallest window; read with the next larger one, it is the same.
const SMALLEST_WINDOW_BITS: u8 = 9;

/// Inflates what the client sends.
#[derive(Debug)]
pub(super) struct Inflater {
    agreement: Agreement,
    state: Option<Decompress>,
}

impl Inflater {
    pub(super) fn new(agreement: Agreement) -> Inflater {
        Inflater {
            agreement,
            state: None,
        }
    }

    /// Appends to `message` what `compressed` inflates to, up to `limit` bytes in all.
    pub(super) fn inflate(
        &mut self,
        compressed: &[u8],
        message: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Failure> {
        let window = self.agreement.client_max_window_bits.max(SMALLEST_WINDOW_BITS);
        let state = self
            .state
            .get_or_insert_with(|| Decompress::new_with_window_bits(false, window));
        let mut rest = compressed;
        loop {
            let room = limit.saturating_add(1).saturating_sub(message.len());
            message.reserve(min(room, ROOM.max(rest.len())));
            let before = (state.total_in(), message.len());
            let status = state.decompress_vec(rest, message, FlushDecompress::Sync);
            if message.len() > limit {
                // How far beyond depends on the buffer and on how the input was cut; what is judged must not.
                message.truncate(limit);
                return Err(Failure::MessageTooLong);
            }
            let status = status.map_err(|_| Failure::Compression)?;
            rest = &rest[(state.total_in() - before.0) as usize..];
            if let Status::StreamEnd = status {
                // A final block ends a stream, not the message (RFC 7692 7.2.3.5): the next one starts afresh.
                state.reset(false);
                if rest.is_empty() {
                    return Ok(());
                }
                continue;
            }
            let is_full = message.len() == message.capacity();
            if rest.is_empty() && !is_full {
                return Ok(());
            }
            // Neither input used nor output made, with room for it: it never will be.
            if !is_full && message.len() == before.1 && state.total_in() == before.0 {
                return Err(Failure::Compression);
            }
        }
    }

    /// The message ends.
    pub(super) fn finish(&mut self, message: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
        self.inflate(&TAIL, message, limit)?;
        if self.agreement.client_no_context_takeover {
            self.state = None;
        }
        Ok(())
    }
}

/// Deflates what the server sends.
#[derive(Debug)]
pub(super) struct Deflater {
    agreement: Agreement,
    state: Option<Compress>,
    /// The message's compressed bytes, until its header can say how many they are.
    buffer: Vec<u8>,
}

impl Deflater {
    pub(super) fn new(agreement: Agreement) -> Deflater {
        Deflater {
            agreement,
            state: None,
            buffer: Vec::new(),
        }
    }

    /// Calls `done` with a message's compressed form.
    pub(super) fn deflate(&mut self, message: &[u8], done: impl FnOnce(&[u8])) {
        let Agreement {
            level,
            server_max_window_bits,
            ..
        } = self.agreement;
        let state = self.state.get_or_insert_with(|| {
            Compress::new_with_window_bits(Compression::new(level), false, server_max_window_bits)
        });
        let start = state.total_in();
        loop {
            self.buffer.reserve(ROOM.max(message.len() / 4));
            let used = (state.total_in() - start) as usize;
            state
                .compress_vec(&message[used..], &mut self.buffer, FlushCompress::Sync)
                .expect("deflating into memory has nothing to fail for");
            let is_done = (state.total_in() - start) as usize == message.len();
            if is_done && self.buffer.len() < self.buffer.capacity() {
                break;
            }
        }
        done(self.buffer.strip_suffix(&TAIL).unwrap_or(&self.buffer));
        self.buffer.clear();
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
        if self.agreement.server_no_context_takeover {
            self.state = None;
        }
    }
}
