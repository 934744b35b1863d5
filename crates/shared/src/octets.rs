//! Bytes in atomic words: stored in order, so that what a killed process has left behind is a beginning of what it would
//! have stored.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Stores bytes from the first of `words` on; what remains of the last word becomes zero.
pub(crate) fn copy_in(words: &[AtomicU64], bytes: &[u8]) {
    for (word, chunk) in words.iter().zip(bytes.chunks(8)) {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        word.store(u64::from_le_bytes(eight), Release);
    }
}

/// Appends the first `length` bytes of `words` to `out`.
pub(crate) fn copy_out(words: &[AtomicU64], length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    out.reserve(length + 8);
    for word in &words[..length.div_ceil(8)] {
        out.extend_from_slice(&word.load(Acquire).to_le_bytes());
    }
    out.truncate(end);
}
