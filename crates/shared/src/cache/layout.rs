//! Where everything of a cache lies in its words, and how bytes get in and out of them.
//!
//! ```text
//! header | bucket ... | item: numbers, key | ... | link of each block ... | block ...
//! ```
//!
//! References are an index plus one; 0 is none. Stores are `Release`, so that what a killed process has left behind is a
//! beginning of what it would have done, in order.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::Shape;
use crate::octets;

/// What a file of ours begins with.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"pstkcach");
/// Of the layout.
pub(super) const VERSION: u64 = 1;

/// Numbers in the header.
pub(super) mod head {
    // 0 to 6: the magic, version, items, blocks, block size, key size, buckets (`Shape::numbers`).
    /// Not 0 while something is being changed.
    pub(crate) const CHANGING: usize = 7;
    /// Items that are there.
    pub(crate) const COUNT: usize = 8;
    /// Blocks that hold something.
    pub(crate) const BLOCKS_IN_USE: usize = 9;
    pub(crate) const FREE_ITEM: usize = 10;
    pub(crate) const FREE_BLOCK: usize = 11;
    /// Items and blocks from here on have never been used.
    pub(crate) const FRESH_ITEM: usize = 12;
    pub(crate) const FRESH_BLOCK: usize = 13;
    /// The item used last, and the one not used for longest.
    pub(crate) const NEWEST: usize = 14;
    pub(crate) const OLDEST: usize = 15;
    /// Counts what is stored.
    pub(crate) const SERIAL: usize = 16;
    pub(crate) const HITS: usize = 17;
    pub(crate) const MISSES: usize = 18;
    pub(crate) const FULL: usize = 19;
    pub(crate) const WORDS: usize = 24;
}

/// Numbers of an item, in front of its key.
pub(super) mod item {
    /// 1 once everything about the item is in place.
    pub(crate) const IN_USE: usize = 0;
    pub(crate) const HASH: usize = 1;
    pub(crate) const KEY_LENGTH: usize = 2;
    pub(crate) const LENGTH: usize = 3;
    /// Seconds since 1970; 0 is never.
    pub(crate) const EXPIRES: usize = 4;
    /// The next in its bucket, or in the list of free ones.
    pub(crate) const NEXT: usize = 5;
    pub(crate) const NEWER: usize = 6;
    pub(crate) const OLDER: usize = 7;
    pub(crate) const BLOCK: usize = 8;
    pub(crate) const SERIAL: usize = 9;
    pub(crate) const WORDS: usize = 10;
}

/// The words of one cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) words: &'static [AtomicU64],
    pub(super) shape: Shape,
}

impl Shape {
    /// One more than promised: a value is replaced by writing the new one beside the old.
    pub(super) fn item_records(&self) -> usize {
        self.items + 1
    }

    pub(super) fn block_records(&self) -> usize {
        self.blocks + 1
    }

    fn item_words(&self) -> usize {
        item::WORDS + self.key_size.div_ceil(8)
    }

    pub(super) fn block_words(&self) -> usize {
        self.block_size.div_ceil(8)
    }

    fn items_at(&self) -> usize {
        head::WORDS + self.buckets
    }

    fn links_at(&self) -> usize {
        self.items_at() + self.item_records() * self.item_words()
    }

    fn blocks_at(&self) -> usize {
        self.links_at() + self.block_records()
    }

    /// Words it takes, if that is a number at all.
    pub(super) fn words(&self) -> Option<usize> {
        let items = self.items.checked_add(1)?.checked_mul(self.item_words())?;
        let links = self.blocks.checked_add(1)?;
        let blocks = links.checked_mul(self.block_words())?;
        head::WORDS
            .checked_add(self.buckets)?
            .checked_add(items)?
            .checked_add(links)?
            .checked_add(blocks)
    }

    /// What a file says of its shape.
    pub(super) fn numbers(&self) -> [u64; 6] {
        [
            VERSION,
            self.items as u64,
            self.blocks as u64,
            self.block_size as u64,
            self.key_size as u64,
            self.buckets as u64,
        ]
    }
}

impl Memory {
    pub(super) fn read(&self, at: usize) -> u64 {
        self.words[at].load(Acquire)
    }

    pub(super) fn write(&self, at: usize, value: u64) {
        self.words[at].store(value, Release);
    }

    pub(super) fn add(&self, at: usize, more: i64) {
        self.write(at, self.read(at).wrapping_add_signed(more));
    }

    pub(super) fn bucket(&self, hash: u64) -> usize {
        head::WORDS + (hash % self.shape.buckets as u64) as usize
    }

    /// Where a number of an item is; `index` from 0.
    pub(super) fn field(&self, index: usize, number: usize) -> usize {
        self.shape.items_at() + index * self.shape.item_words() + number
    }

    /// Where the link of a block is.
    pub(super) fn link(&self, block: usize) -> usize {
        self.shape.links_at() + block
    }

    /// Where the bytes of a block are.
    pub(super) fn block(&self, block: usize) -> usize {
        self.shape.blocks_at() + block * self.shape.block_words()
    }

    pub(super) fn key(&self, index: usize) -> Vec<u8> {
        let length = self.read(self.field(index, item::KEY_LENGTH)) as usize;
        let mut key = Vec::new();
        self.copy_out(
            self.field(index, item::WORDS),
            length.min(self.shape.key_size),
            &mut key,
        );
        key
    }

    /// Whether the key of an item is this one, whose hash it is known to have.
    pub(super) fn has_key(&self, index: usize, key: &[u8]) -> bool {
        self.read(self.field(index, item::KEY_LENGTH)) == key.len() as u64 && self.key(index) == key
    }

    pub(super) fn copy_in(&self, at: usize, bytes: &[u8]) {
        octets::copy_in(&self.words[at..], bytes);
    }

    pub(super) fn copy_out(&self, at: usize, length: usize, out: &mut Vec<u8>) {
        octets::copy_out(&self.words[at..], length, out);
    }
}

/// FNV-1a, with 64 bits.
pub(super) fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
