//! A cache that all processes of a server share: keys and values of bytes, with an end of their time.
//!
//! Everything lies in words that are mapped before the workers are forked, or in a mapped file that outlives the server.
//! One lock guards it, which the death of its holder releases. Whoever finds a change half-made puts everything in order
//! again from the items that are whole ([`order`]): a new value is written beside the old one and takes its place when it
//! is complete, so a killed process costs at most what it had not finished storing.
//!
//! The time is the caller's to tell: seconds since 1970. No strings, no Python, no options: bytes only.

mod file;
mod layout;
mod order;
#[cfg(test)]
mod tests;

use std::io;

use sys::{Found, SharedLock};

use layout::{Memory, hash, head, item};

/// How large a cache is. Fixed once it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Items it holds at most; at least 1.
    pub items: usize,
    /// Blocks for values; at least 1.
    pub blocks: usize,
    /// Bytes of a block; at least 8.
    pub block_size: usize,
    /// Longest key, in bytes.
    pub key_size: usize,
    /// Lists that keys are spread over; at least 1.
    pub buckets: usize,
    /// A value may take several blocks; otherwise it has to fit into one.
    pub chained: bool,
    /// What happens when there is no room.
    pub when_full: WhenFull,
}

/// What happens when there is no room. What has expired always makes room first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing more is stored.
    Refuse,
    /// What has not been used for longest goes.
    ForgetOldest,
    /// Everything goes.
    Clear,
}

/// Whether a value that is there may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is stored.
    Keep,
    /// The new one takes its place.
    Replace,
}

/// Why nothing was stored.
#[derive(Debug)]
pub enum Refusal {
    /// There is a value already.
    Exists,
    /// The key is empty or longer than the cache's keys.
    Key,
    /// The value is larger than the cache's values.
    Value,
    /// There is no room.
    Full,
    /// What is there is no number.
    NotANumber,
    /// The lock cannot be had.
    Lock(io::Error),
}

/// What a cache has been doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Items it holds.
    pub items: u64,
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// How often there was no room.
    pub full: u64,
}

/// A cache. Copies are the same cache.
#[derive(Clone, Copy, Debug)]
pub struct Cache {
    memory: Memory,
    lock: &'static SharedLock,
    /// It lies in a file.
    persistent: bool,
}

/// The right to look and to change, until dropped.
struct Held<'a> {
    cache: &'a Cache,
    memory: &'a Memory,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // It is held by this very thread.
        let _ = self.cache.lock.unlock();
    }
}

impl Cache {
    /// A new, empty cache in memory that this process and its later forks share.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn create(shape: Shape) -> io::Result<Cache> {
        let words = shape
            .words()
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let memory = Memory {
            words: sys::shared_words(words)?,
            shape,
        };
        Cache::over(memory, false)
    }

    fn over(memory: Memory, persistent: bool) -> io::Result<Cache> {
        Ok(Cache {
            memory,
            lock: &sys::shared_locks(1)?[0],
            persistent,
        })
    }

    /// The value of a key, unless its time is over.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn value(&self, key: &[u8], now: u64) -> io::Result<Option<Vec<u8>>> {
        let held = self.hold()?;
        let found = held.living(key, now);
        held.memory.add(
            match found {
                Some(_) => head::HITS,
                None => head::MISSES,
            },
            1,
        );
        Ok(found.map(|index| {
            held.used(index);
            held.value(index)
        }))
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn contains(&self, key: &[u8], now: u64) -> io::Result<bool> {
        Ok(self.hold()?.living(key, now).is_some())
    }

    /// Stores a value until `expires` (0: for ever).
    ///
    /// # Errors
    /// Why it was not stored; what was there before still is.
    pub fn store(
        &self,
        key: &[u8],
        value: &[u8],
        expires: u64,
        existing: Existing,
        now: u64,
    ) -> Result<(), Refusal> {
        self.hold()
            .map_err(Refusal::Lock)?
            .store(key, value, expires, existing, now)
    }

    /// Removes a key. Says whether it had a value.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn remove(&self, key: &[u8], now: u64) -> io::Result<bool> {
        let held = self.hold()?;
        let living = held.living(key, now).is_some();
        if let Some(index) = held.find(key) {
            held.changing(|held| held.forget(index));
        }
        Ok(living)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn clear(&self) -> io::Result<()> {
        self.hold()?.changing(Held::clear);
        Ok(())
    }

    /// The number that is stored under a key, if there is one.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn number(&self, key: &[u8], now: u64) -> io::Result<Option<i64>> {
        let held = self.hold()?;
        Ok(held.living(key, now).and_then(|index| held.number(index)))
    }

    /// Replaces a number by what `result` makes of it. One that is not there is 0, and then expires at `expires`.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn calculate(
        &self,
        key: &[u8],
        expires: u64,
        now: u64,
        result: impl FnOnce(i64) -> i64,
    ) -> Result<i64, Refusal> {
        let held = self.hold().map_err(Refusal::Lock)?;
        let Some(index) = held.living(key, now) else {
            let value = result(0);
            let bytes = value.to_le_bytes();
            return held
                .store(key, &bytes, expires, Existing::Keep, now)
                .map(|()| value);
        };
        let value = result(held.number(index).ok_or(Refusal::NotANumber)?);
        // One word: it is changed or it is not.
        let memory = held.memory;
        let block = memory.read(memory.field(index, item::BLOCK)) as usize - 1;
        memory.write(memory.block(block), value.cast_unsigned());
        Ok(value)
    }

    /// Every key that has a value.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn keys(&self, now: u64) -> io::Result<Vec<Vec<u8>>> {
        let held = self.hold()?;
        let living = held.items().filter(|index| !held.is_over(*index, now));
        Ok(living.map(|index| held.memory.key(index)).collect())
    }

    /// Removes what has expired, and says how much that was.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn sweep(&self, now: u64) -> io::Result<usize> {
        Ok(self.hold()?.sweep(now))
    }

    /// As [`Cache::sweep`], unless somebody is busy with the cache: `None` then.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn sweep_if_free(&self, now: u64) -> io::Result<Option<usize>> {
        let held = self.lock.try_lock()?.map(|found| self.held(found));
        Ok(held.map(|held| held.sweep(now)))
    }

    /// What it has been doing.
    pub fn statistics(&self) -> CacheStatistics {
        let read = |number| self.memory.read(number);
        CacheStatistics {
            items: read(head::COUNT),
            hits: read(head::HITS),
            misses: read(head::MISSES),
            full: read(head::FULL),
        }
    }

    fn hold(&self) -> io::Result<Held<'_>> {
        Ok(self.held(self.lock.lock()?))
    }

    /// After the lock was taken.
    fn held(&self, found: Found) -> Held<'_> {
        let held = Held {
            cache: self,
            memory: &self.memory,
        };
        if found == Found::Abandoned || self.memory.read(head::CHANGING) != 0 {
            held.put_in_order();
        }
        held
    }
}

impl Held<'_> {
    /// Does something that would leave a mess if it ended in the middle.
    fn changing<Answer>(&self, change: impl FnOnce(&Self) -> Answer) -> Answer {
        self.memory.write(head::CHANGING, 1);
        let answer = change(self);
        self.memory.write(head::CHANGING, 0);
        answer
    }

    fn store(
        &self,
        key: &[u8],
        value: &[u8],
        expires: u64,
        existing: Existing,
        now: u64,
    ) -> Result<(), Refusal> {
        let shape = &self.memory.shape;
        if key.is_empty() || key.len() > shape.key_size {
            return Err(Refusal::Key);
        }
        let needed = value.len().div_ceil(shape.block_size).max(1);
        if needed > shape.blocks || (needed > 1 && !shape.chained) {
            return Err(Refusal::Value);
        }
        let mut old = self.find(key);
        if let Some(index) = old {
            if self.is_over(index, now) {
                self.changing(|held| held.forget(index));
                old = None;
            } else if existing == Existing::Keep {
                return Err(Refusal::Exists);
            }
        }
        if !self.has_room(needed, old) && !self.make_room(needed, old, now) {
            self.memory.add(head::FULL, 1);
            return Err(Refusal::Full);
        }
        self.changing(|held| {
            // Clearing may have taken it.
            let old = held.find(key);
            if let Some(index) = old
                && held.free_blocks() < needed
            {
                held.forget(index);
                held.write(key, value, expires);
            } else {
                held.write(key, value, expires);
                old.into_iter().for_each(|index| held.forget(index));
            }
        });
        Ok(())
    }

    /// Whether `needed` blocks, and an item, may be taken in place of what `old` has.
    fn has_room(&self, needed: usize, old: Option<usize>) -> bool {
        let shape = &self.memory.shape;
        let in_use = self.memory.read(head::BLOCKS_IN_USE) as usize;
        match old {
            None => (self.memory.read(head::COUNT) as usize) < shape.items && in_use + needed <= shape.blocks,
            // What lies in a file must be safe at every moment: the old value stays until the new one is complete.
            Some(_) if self.cache.persistent => self.free_blocks() >= needed,
            Some(index) => in_use - self.blocks_of(index) + needed <= shape.blocks,
        }
    }

    fn make_room(&self, needed: usize, old: Option<usize>, now: u64) -> bool {
        self.sweep(now);
        while !self.has_room(needed, old) {
            match self.memory.shape.when_full {
                WhenFull::Refuse => return false,
                WhenFull::Clear => self.changing(|held| {
                    let others: Vec<_> = held.items().filter(|index| Some(*index) != old).collect();
                    others.into_iter().for_each(|index| held.forget(index));
                }),
                WhenFull::ForgetOldest => {
                    let memory = self.memory;
                    let mut oldest = memory.read(head::OLDEST) as usize;
                    if oldest != 0 && Some(oldest - 1) == old {
                        oldest = memory.read(memory.field(oldest - 1, item::NEWER)) as usize;
                    }
                    if oldest == 0 {
                        return false;
                    }
                    self.changing(|held| held.forget(oldest - 1));
                }
            }
            if self.memory.shape.when_full == WhenFull::Clear {
                return self.has_room(needed, old);
            }
        }
        true
    }

    fn sweep(&self, now: u64) -> usize {
        let over: Vec<_> = self.items().filter(|index| self.is_over(*index, now)).collect();
        for index in &over {
            self.changing(|held| held.forget(*index));
        }
        over.len()
    }

    /// The item of a key, whether its time is over or not.
    fn find(&self, key: &[u8]) -> Option<usize> {
        let memory = self.memory;
        let wanted = hash(key);
        let mut next = memory.read(memory.bucket(wanted));
        while next != 0 {
            let index = next as usize - 1;
            if memory.read(memory.field(index, item::HASH)) == wanted && memory.has_key(index, key) {
                return Some(index);
            }
            next = memory.read(memory.field(index, item::NEXT));
        }
        None
    }

    fn living(&self, key: &[u8], now: u64) -> Option<usize> {
        self.find(key).filter(|index| !self.is_over(*index, now))
    }

    fn is_over(&self, index: usize, now: u64) -> bool {
        let expires = self.memory.read(self.memory.field(index, item::EXPIRES));
        expires != 0 && expires <= now
    }

    /// Every item that is there.
    fn items(&self) -> impl Iterator<Item = usize> {
        let memory = self.memory;
        let fresh = memory.read(head::FRESH_ITEM) as usize;
        (0..fresh.min(memory.shape.item_records()))
            .filter(|index| memory.read(memory.field(*index, item::IN_USE)) == 1)
    }

    fn value(&self, index: usize) -> Vec<u8> {
        let memory = self.memory;
        let mut left = memory.read(memory.field(index, item::LENGTH)) as usize;
        let mut value = Vec::with_capacity(left + 8);
        let mut block = memory.read(memory.field(index, item::BLOCK));
        while left > 0 && block != 0 {
            let part = left.min(memory.shape.block_size);
            memory.copy_out(memory.block(block as usize - 1), part, &mut value);
            left -= part;
            block = memory.read(memory.link(block as usize - 1));
        }
        value
    }

    fn number(&self, index: usize) -> Option<i64> {
        let bytes: [u8; 8] = self.value(index).try_into().ok()?;
        Some(i64::from_le_bytes(bytes))
    }

    fn blocks_of(&self, index: usize) -> usize {
        let length = self.memory.read(self.memory.field(index, item::LENGTH)) as usize;
        length.div_ceil(self.memory.shape.block_size).max(1)
    }

    fn free_blocks(&self) -> usize {
        self.memory.shape.block_records() - self.memory.read(head::BLOCKS_IN_USE) as usize
    }
}
