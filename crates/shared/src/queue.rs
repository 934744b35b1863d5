//! A ring of slots that all processes of a server put values into and take them out of: uWSGI's queue.
//!
//! ```text
//! push: stored in the slot that is next, which may hold a value that nobody has taken: that is lost then
//! pull: taken from the slot that has waited longest       pop: taken from the slot that was filled last
//! ```
//!
//! A value counts from the moment its length is stored, which is last, and goes with its length, which is first; the places
//! move after that. So a killed process leaves no half of anything, and the lock that its death releases needs no repair.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use sys::SharedLock;

use crate::octets::{copy_in, copy_out};
use crate::store::{self, StoreError};

/// What a file of ours begins with.
const MAGIC: u64 = u64::from_le_bytes(*b"pstkqueu");
/// Of the layout.
const VERSION: u64 = 1;

/// Numbers in the header: magic, version, slots, block size, then these.
const NEXT: usize = 4;
const OLDEST: usize = 5;
const HEAD: usize = 8;

/// How large a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueShape {
    /// Slots; at least 1.
    pub slots: usize,
    /// Bytes of the largest value; at least 1.
    pub block_size: usize,
}

/// A queue. Copies are the same queue.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    words: &'static [AtomicU64],
    lock: &'static SharedLock,
    shape: QueueShape,
}

impl QueueShape {
    fn slot_words(&self) -> usize {
        1 + self.block_size.div_ceil(8)
    }

    fn words(&self) -> io::Result<usize> {
        let slots = self.slots.checked_mul(self.slot_words());
        slots
            .and_then(|words| words.checked_add(HEAD))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    }
}

impl Queue {
    /// An empty queue in memory that this process and its later forks share.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn create(shape: QueueShape) -> io::Result<Queue> {
        Queue::over(sys::shared_words(shape.words()?)?, shape)
    }

    /// The queue in the file at `path`, which is made if it is not there.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn open(shape: QueueShape, path: &Path) -> Result<Queue, StoreError> {
        let numbers = [VERSION, shape.slots as u64, shape.block_size as u64];
        let words = store::open(path, shape.words()?, MAGIC, &numbers)?;
        Ok(Queue::over(words, shape)?)
    }

    fn over(words: &'static [AtomicU64], shape: QueueShape) -> io::Result<Queue> {
        Ok(Queue {
            words,
            lock: &sys::shared_locks(1)?[0],
            shape,
        })
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.shape.slots
    }

    /// The slot that the next value goes into.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn next_slot(&self) -> io::Result<usize> {
        self.held(|queue| queue.place(NEXT))
    }

    /// The slot that the next value is pulled from.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn oldest_slot(&self) -> io::Result<usize> {
        self.held(|queue| queue.place(OLDEST))
    }

    /// Puts a value into the next slot; false when it is empty or too large.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn push(&self, value: &[u8]) -> io::Result<bool> {
        self.held(|queue| {
            let slot = queue.place(NEXT);
            let stored = queue.store(slot, value);
            if stored {
                queue.move_to(NEXT, slot + 1);
            }
            stored
        })
    }

    /// Takes the value that has waited longest.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn pull(&self) -> io::Result<Option<Vec<u8>>> {
        self.held(|queue| {
            let slot = queue.place(OLDEST);
            let value = queue.value(slot)?;
            queue.move_to(OLDEST, slot + 1);
            queue.length(slot).store(0, Release);
            Some(value)
        })
    }

    /// Takes the value that was pushed last.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn pop(&self) -> io::Result<Option<Vec<u8>>> {
        self.held(|queue| {
            let slot = queue.before(queue.place(NEXT));
            let value = queue.value(slot)?;
            queue.move_to(NEXT, slot);
            queue.length(slot).store(0, Release);
            Some(value)
        })
    }

    /// The value in a slot, which stays there.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn get(&self, slot: usize) -> io::Result<Option<Vec<u8>>> {
        self.held(|queue| (slot < queue.shape.slots).then(|| queue.value(slot)).flatten())
    }

    /// Puts a value into a slot; false when there is no such slot, or the value is empty or too large.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn set(&self, slot: usize, value: &[u8]) -> io::Result<bool> {
        self.held(|queue| slot < queue.shape.slots && queue.store(slot, value))
    }

    /// The values of the `count` slots that were filled last, the newest first.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn last(&self, count: usize) -> io::Result<Vec<Option<Vec<u8>>>> {
        self.held(|queue| {
            let mut slot = queue.place(NEXT);
            let newest = (0..count.min(queue.shape.slots)).map(|_| {
                slot = queue.before(slot);
                queue.value(slot)
            });
            newest.collect()
        })
    }

    fn held<T>(&self, work: impl FnOnce(&Queue) -> T) -> io::Result<T> {
        self.lock.lock()?;
        let result = work(self);
        let _ = self.lock.unlock(); // held by this very thread
        Ok(result)
    }

    /// A file is believed only as far as there are slots.
    fn place(&self, number: usize) -> usize {
        self.words[number].load(Acquire) as usize % self.shape.slots
    }

    fn move_to(&self, number: usize, slot: usize) {
        self.words[number].store((slot % self.shape.slots) as u64, Release);
    }

    fn before(&self, slot: usize) -> usize {
        slot.checked_sub(1).unwrap_or(self.shape.slots - 1)
    }

    fn slot(&self, slot: usize) -> &'static [AtomicU64] {
        let start = HEAD + slot * self.shape.slot_words();
        &self.words[start..start + self.shape.slot_words()]
    }

    fn length(&self, slot: usize) -> &'static AtomicU64 {
        &self.slot(slot)[0]
    }

    fn store(&self, slot: usize, value: &[u8]) -> bool {
        if value.is_empty() || value.len() > self.shape.block_size {
            return false;
        }
        self.length(slot).store(0, Release);
        copy_in(&self.slot(slot)[1..], value);
        self.length(slot).store(value.len() as u64, Release);
        true
    }

    fn value(&self, slot: usize) -> Option<Vec<u8>> {
        let length = (self.length(slot).load(Acquire) as usize).min(self.shape.block_size);
        let mut value = Vec::new();
        copy_out(&self.slot(slot)[1..], length, &mut value);
        (length > 0).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: QueueShape = QueueShape {
        slots: 3,
        block_size: 10,
    };

    fn push(queue: &Queue, value: &str) -> bool {
        queue.push(value.as_bytes()).expect("lock")
    }

    fn text(value: io::Result<Option<Vec<u8>>>) -> Option<String> {
        value
            .expect("lock")
            .map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn values_are_pulled_in_the_order_they_came_and_popped_in_the_other() {
        let queue = Queue::create(SHAPE).expect("memory");
        assert_eq!(text(queue.pull()), None);
        for value in ["one", "two", "three-3456"] {
            assert!(push(&queue, value));
        }
        assert_eq!(text(queue.pop()).as_deref(), Some("three-3456"));
        assert_eq!(text(queue.pull()).as_deref(), Some("one"));
        assert_eq!(text(queue.pull()).as_deref(), Some("two"));
        assert_eq!(
            [text(queue.pull()), text(queue.pop()), text(queue.get(7))],
            [None, None, None]
        );
        assert!(!push(&queue, "eleven byte") && !push(&queue, ""));
    }

    #[test]
    fn a_full_ring_begins_again_and_the_oldest_value_goes() {
        let queue = Queue::create(SHAPE).expect("memory");
        for value in ["1", "2", "3", "4"] {
            assert!(push(&queue, value));
        }
        assert_eq!(queue.next_slot().expect("lock"), 1);
        assert_eq!(text(queue.get(0)).as_deref(), Some("4"));
        let last = queue.last(9).expect("lock");
        assert_eq!(
            last,
            [Some(b"4".to_vec()), Some(b"3".to_vec()), Some(b"2".to_vec())]
        );
        assert!(queue.set(2, b"x").expect("lock") && !queue.set(3, b"x").expect("lock"));
        assert_eq!(text(queue.pull()).as_deref(), Some("4"));
        assert_eq!(queue.oldest_slot().expect("lock"), 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "maps a file")]
    fn a_queue_in_a_file_is_there_again_and_nonsense_in_it_is_bounded() {
        let path = std::env::temp_dir().join(format!("penstock-queue-{}", std::process::id()));
        let queue = Queue::open(SHAPE, &path).expect("a queue");
        assert!(push(&queue, "kept"));
        queue.words[NEXT].store(u64::MAX, Release);
        queue.words[HEAD + 3].store(u64::MAX, Release);
        let content = std::fs::read(&path).expect("a file");
        let copy = path.with_extension("copy");
        std::fs::write(&copy, content).expect("a file");
        let again = Queue::open(SHAPE, &copy).expect("a queue");
        assert_eq!(text(again.pull()).as_deref(), Some("kept"));
        assert_eq!(again.get(1).expect("lock").map(|value| value.len()), Some(10));
        assert!(again.next_slot().expect("lock") < SHAPE.slots);
        let other = QueueShape { slots: 4, ..SHAPE };
        std::fs::copy(&path, path.with_extension("third")).expect("a file");
        let third = Queue::open(other, &path.with_extension("third"));
        assert!(matches!(third, Err(StoreError::Shape)));
        for path in [path.clone(), copy, path.with_extension("third")] {
            std::fs::remove_file(path).expect("a file");
        }
    }
}
