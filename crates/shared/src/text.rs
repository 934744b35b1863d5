//! Short texts in atomic words.
//!
//! A text is written while another process may read it: the reader can see parts of two texts, but never memory that
//! is not there. Whoever needs to know whether it is whole keeps a sequence number beside it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Collects bytes into words and stores each word once it is full; what does not fit is dropped.
pub(crate) struct TextWriter<'a> {
    words: &'a [AtomicU64],
    word: u64,
    length: usize,
}

impl<'a> TextWriter<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> TextWriter<'a> {
        TextWriter {
            words,
            word: 0,
            length: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.words.len() * 8 - self.length;
        let mut bytes = &bytes[..bytes.len().min(room)];
        // Eight bytes at a time, shifted to where the last part ended: this is on the path of every request.
        let shift = self.length % 8 * 8;
        while let Some((chunk, rest)) = bytes.split_first_chunk::<8>() {
            let value = u64::from_le_bytes(*chunk);
            self.words[self.length / 8].store(self.word | value << shift, Relaxed);
            self.word = if shift == 0 { 0 } else { value >> (64 - shift) };
            self.length += 8;
            bytes = rest;
        }
        for &byte in bytes {
            self.word |= u64::from(byte) << (self.length % 8 * 8);
            self.length += 1;
            if self.length.is_multiple_of(8) {
                self.flush_word(self.length / 8 - 1);
            }
        }
    }

    /// Stores what is left and returns the length in bytes.
    pub(crate) fn finish(mut self) -> u64 {
        if !self.length.is_multiple_of(8) {
            self.flush_word(self.length / 8);
        }
        self.length as u64
    }

    fn flush_word(&mut self, index: usize) {
        self.words[index].store(self.word, Relaxed);
        self.word = 0;
    }
}

/// The text of `length` bytes in `words`; bytes that are no UTF-8 become replacement characters.
pub(crate) fn read_text(words: &[AtomicU64], length: u64) -> String {
    let mut bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| word.load(Relaxed).to_le_bytes())
        .collect();
    bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    String::from_utf8_lossy(&bytes).into_owned()
}
