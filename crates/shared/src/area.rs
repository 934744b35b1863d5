//! Bytes that all processes of a server read and write at places of their choice: uWSGI's shared areas.
//!
//! Each single access is whole for the others. Who needs more than one takes the area's own lock, which their death releases.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use sys::SharedLock;

use crate::octets::copy_out;
use crate::store::{self, StoreError};

/// What a file of ours begins with.
const MAGIC: u64 = u64::from_le_bytes(*b"pstkarea");
/// Magic, size in bytes, how often something was changed.
const CHANGES: usize = 2;
const HEAD: usize = 3;

/// A shared area. Copies are the same area.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    words: &'static [AtomicU64],
    /// Whole accesses; the lock that is the application's.
    locks: &'static [SharedLock],
    size: usize,
}

impl Area {
    /// Zeroes, in memory that this process and its later forks share, or in a file that is made if it is not there.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn open(size: usize, path: Option<&Path>) -> Result<Area, StoreError> {
        let count = HEAD + size.div_ceil(8);
        let words = match path {
            Some(path) => store::open(path, count, MAGIC, &[size as u64])?,
            None => sys::shared_words(count)?,
        };
        Ok(Area {
            words,
            locks: sys::shared_locks(2)?,
            size,
        })
    }

    /// Bytes it has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How often something was changed.
    pub fn changes(&self) -> u64 {
        self.words[CHANGES].load(Acquire)
    }

    /// Counts as a change, for those who wait for one.
    pub fn touch(&self) {
        self.words[CHANGES].fetch_add(1, Release);
    }

    /// The lock that is the application's.
    pub fn lock(&self) -> &'static SharedLock {
        &self.locks[1]
    }

    /// `length` bytes from a place on; `None` when they are not all there.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn read(&self, at: usize, length: usize) -> io::Result<Option<Vec<u8>>> {
        self.held(at, length, || self.bytes(at, length))
    }

    /// Writes bytes from a place on; false when there is no room for all of them.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn write(&self, at: usize, bytes: &[u8]) -> io::Result<bool> {
        let written = self.held(at, bytes.len(), || self.put(at, bytes))?;
        Ok(written.is_some())
    }

    /// Replaces `length` bytes, at most 8, by what `change` makes of them as a number (little-endian, without a sign); the
    /// new number.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn update(
        &self,
        at: usize,
        length: usize,
        change: impl FnOnce(u64) -> u64,
    ) -> io::Result<Option<u64>> {
        self.held(at, length, || {
            let mut eight = [0; 8];
            eight[..length].copy_from_slice(&self.bytes(at, length));
            let number = change(u64::from_le_bytes(eight));
            self.put(at, &number.to_le_bytes()[..length]);
            number
        })
    }

    fn held<T>(&self, at: usize, length: usize, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        if at.checked_add(length).is_none_or(|end| end > self.size) {
            return Ok(None);
        }
        self.locks[0].lock()?;
        let result = work();
        let _ = self.locks[0].unlock(); // held by this very thread
        Ok(Some(result))
    }

    fn bytes(&self, at: usize, length: usize) -> Vec<u8> {
        let skipped = at % 8;
        let mut bytes = Vec::new();
        copy_out(&self.words[HEAD + at / 8..], skipped + length, &mut bytes);
        bytes.split_off(skipped)
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        let mut at = at;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (word, offset) = (&self.words[HEAD + at / 8], at % 8);
            let (part, after) = rest.split_at(rest.len().min(8 - offset));
            let mut eight = word.load(Acquire).to_le_bytes();
            eight[offset..offset + part.len()].copy_from_slice(part);
            word.store(u64::from_le_bytes(eight), Release);
            at += part.len();
            rest = after;
        }
        self.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_where_they_were_written_and_nowhere_else() {
        let area = Area::open(21, None).expect("memory");
        for (at, bytes) in [(0, &b"ab"[..]), (6, b"0123456789"), (20, b"z")] {
            assert!(area.write(at, bytes).expect("lock"));
        }
        let all = area.read(0, 21).expect("lock");
        assert_eq!(all.as_deref(), Some(&b"ab\0\0\0\x000123456789\0\0\0\0z"[..]));
        assert_eq!(area.read(7, 3).expect("lock").as_deref(), Some(&b"123"[..]));
        assert_eq!(area.read(20, 2).expect("lock"), None);
        assert!(!area.write(20, b"zz").expect("lock"));
        assert!(!area.write(usize::MAX, b"z").expect("lock"));
        assert_eq!(area.changes(), 3);
    }

    #[test]
    fn numbers_of_each_width_wrap_within_it() {
        let area = Area::open(8, None).expect("memory");
        assert_eq!(
            area.update(1, 1, |number| number.wrapping_sub(1)).expect("lock"),
            Some(u64::MAX)
        );
        assert_eq!(area.read(0, 3).expect("lock").as_deref(), Some(&b"\0\xff\0"[..]));
        assert_eq!(
            area.update(0, 4, |number| number + 1).expect("lock"),
            Some(0xff01)
        );
        assert_eq!(area.update(4, 8, |number| number).expect("lock"), None);
    }
}
