//! The lists of a cache: taking and giving back items and blocks, who was used last, and putting all of it in order again
//! after a death in the middle of a change.

use super::layout::{hash, head, item};
use super::{Held, WhenFull};

impl Held<'_> {
    /// Stores a key and a value for which there is room. It counts from the moment that `IN_USE` is set.
    pub(super) fn write(&self, key: &[u8], value: &[u8], expires: u64) {
        let memory = self.memory;
        let index = self.take(head::FREE_ITEM, head::FRESH_ITEM, |free| {
            memory.field(free, item::NEXT)
        });
        let (mut first, mut last) = (0, None);
        let size = memory.shape.block_size;
        for part in 0..value.len().div_ceil(size).max(1) {
            let block = self.take(head::FREE_BLOCK, head::FRESH_BLOCK, |free| memory.link(free));
            memory.write(memory.link(block), 0);
            let start = part * size;
            let end = value.len().min(start + size);
            memory.copy_in(memory.block(block), &value[start..end]);
            match last {
                None => first = block as u64 + 1,
                Some(last) => memory.write(memory.link(last), block as u64 + 1),
            }
            last = Some(block);
            memory.add(head::BLOCKS_IN_USE, 1);
        }
        let serial = memory.read(head::SERIAL) + 1;
        memory.write(head::SERIAL, serial);
        for (number, value) in [
            (item::HASH, hash(key)),
            (item::KEY_LENGTH, key.len() as u64),
            (item::LENGTH, value.len() as u64),
            (item::EXPIRES, expires),
            (item::BLOCK, first),
            (item::SERIAL, serial),
        ] {
            memory.write(memory.field(index, number), value);
        }
        memory.copy_in(memory.field(index, item::WORDS), key);
        memory.write(memory.field(index, item::IN_USE), 1);
        self.enlist(index);
    }

    /// Puts an item that is complete into its bucket, and among those used lately.
    fn enlist(&self, index: usize) {
        let memory = self.memory;
        let bucket = memory.bucket(memory.read(memory.field(index, item::HASH)));
        memory.write(memory.field(index, item::NEXT), memory.read(bucket));
        memory.write(bucket, index as u64 + 1);
        memory.add(head::COUNT, 1);
        self.make_newest(index);
    }

    /// Removes an item, and gives back what it had.
    pub(super) fn forget(&self, index: usize) {
        let memory = self.memory;
        memory.write(memory.field(index, item::IN_USE), 0);
        let mut place = memory.bucket(memory.read(memory.field(index, item::HASH)));
        while memory.read(place) != 0 && memory.read(place) != index as u64 + 1 {
            place = memory.field(memory.read(place) as usize - 1, item::NEXT);
        }
        memory.write(place, memory.read(memory.field(index, item::NEXT)));
        self.leave_order(index);
        let mut block = memory.read(memory.field(index, item::BLOCK));
        while block != 0 {
            let next = memory.read(memory.link(block as usize - 1));
            memory.write(memory.link(block as usize - 1), memory.read(head::FREE_BLOCK));
            memory.write(head::FREE_BLOCK, block);
            memory.add(head::BLOCKS_IN_USE, -1);
            block = next;
        }
        self.give_back(index);
        memory.add(head::COUNT, -1);
    }

    /// Removes everything at once.
    pub(super) fn clear(&self) {
        for index in self.items() {
            self.memory.write(self.memory.field(index, item::IN_USE), 0);
        }
        self.empty_lists();
        self.memory.write(head::FRESH_ITEM, 0);
        self.memory.write(head::FRESH_BLOCK, 0);
    }

    /// Notes that an item was used, where that matters.
    pub(super) fn used(&self, index: usize) {
        if self.memory.shape.when_full == WhenFull::ForgetOldest
            && self.memory.read(head::NEWEST) != index as u64 + 1
        {
            self.changing(|held| {
                held.leave_order(index);
                held.make_newest(index);
            });
        }
    }

    fn make_newest(&self, index: usize) {
        let memory = self.memory;
        let before = memory.read(head::NEWEST);
        memory.write(memory.field(index, item::NEWER), 0);
        memory.write(memory.field(index, item::OLDER), before);
        match before {
            0 => memory.write(head::OLDEST, index as u64 + 1),
            before => memory.write(memory.field(before as usize - 1, item::NEWER), index as u64 + 1),
        }
        memory.write(head::NEWEST, index as u64 + 1);
    }

    fn leave_order(&self, index: usize) {
        let memory = self.memory;
        let newer = memory.read(memory.field(index, item::NEWER));
        let older = memory.read(memory.field(index, item::OLDER));
        match newer {
            0 => memory.write(head::NEWEST, older),
            newer => memory.write(memory.field(newer as usize - 1, item::OLDER), older),
        }
        match older {
            0 => memory.write(head::OLDEST, newer),
            older => memory.write(memory.field(older as usize - 1, item::NEWER), newer),
        }
    }

    /// A free record: one that was given back, or else one that was never used. The caller knows that there is one.
    fn take(&self, list: usize, fresh: usize, link: impl FnOnce(usize) -> usize) -> usize {
        let memory = self.memory;
        match memory.read(list) {
            0 => {
                let index = memory.read(fresh);
                memory.write(fresh, index + 1);
                index as usize
            }
            first => {
                memory.write(list, memory.read(link(first as usize - 1)));
                first as usize - 1
            }
        }
    }

    fn give_back(&self, index: usize) {
        let memory = self.memory;
        memory.write(memory.field(index, item::NEXT), memory.read(head::FREE_ITEM));
        memory.write(head::FREE_ITEM, index as u64 + 1);
    }

    fn empty_lists(&self) {
        let memory = self.memory;
        for number in [
            head::COUNT,
            head::BLOCKS_IN_USE,
            head::FREE_ITEM,
            head::FREE_BLOCK,
            head::NEWEST,
            head::OLDEST,
        ] {
            memory.write(number, 0);
        }
        for bucket in 0..memory.shape.buckets {
            memory.write(head::WORDS + bucket, 0);
        }
    }

    /// Makes every list anew from the items that are whole; of two with one key, the later is right.
    pub(super) fn put_in_order(&self) {
        let memory = self.memory;
        memory.write(head::CHANGING, 1);
        let shape = &memory.shape;
        let fresh_items = (memory.read(head::FRESH_ITEM) as usize).min(shape.item_records());
        let mut whole: Vec<usize> = self.items().collect();
        whole.sort_by_key(|index| std::cmp::Reverse(memory.read(memory.field(*index, item::SERIAL))));
        self.empty_lists();
        let mut is_taken = vec![false; shape.block_records()];
        let mut kept = Vec::new();
        for index in whole {
            let chain = self.chain(index, &is_taken);
            match chain.filter(|_| self.find(&memory.key(index)).is_none() && kept.len() < shape.items) {
                Some(chain) => {
                    chain.iter().for_each(|block| is_taken[*block] = true);
                    memory.add(head::BLOCKS_IN_USE, chain.len() as i64);
                    self.enlist(index);
                    kept.push(index);
                }
                None => memory.write(memory.field(index, item::IN_USE), 0),
            }
        }
        // They came newest first; the order of use is the other way round.
        memory.write(head::NEWEST, 0);
        memory.write(head::OLDEST, 0);
        kept.iter().rev().for_each(|index| self.make_newest(*index));
        let kept_items = |index: &usize| memory.read(memory.field(*index, item::IN_USE)) == 1;
        (0..fresh_items)
            .filter(|index| !kept_items(index))
            .for_each(|index| self.give_back(index));
        let end = is_taken
            .iter()
            .rposition(|taken| *taken)
            .map_or(0, |last| last + 1);
        for block in (0..end).filter(|block| !is_taken[*block]) {
            memory.write(memory.link(block), memory.read(head::FREE_BLOCK));
            memory.write(head::FREE_BLOCK, block as u64 + 1);
        }
        memory.write(head::FRESH_ITEM, fresh_items as u64);
        memory.write(head::FRESH_BLOCK, end as u64);
        memory.write(head::CHANGING, 0);
    }

    /// The blocks of an item, if the item makes sense and nobody else has any of them.
    fn chain(&self, index: usize, is_taken: &[bool]) -> Option<Vec<usize>> {
        let memory = self.memory;
        let key = memory.key(index);
        let length = usize::try_from(memory.read(memory.field(index, item::LENGTH))).ok()?;
        let needed = length.div_ceil(memory.shape.block_size).max(1);
        if key.is_empty()
            || hash(&key) != memory.read(memory.field(index, item::HASH))
            || needed > memory.shape.block_records()
        {
            return None;
        }
        let mut chain = Vec::with_capacity(needed);
        let mut next = memory.read(memory.field(index, item::BLOCK));
        while next != 0 {
            let block = usize::try_from(next - 1).ok()?;
            let is_free = is_taken.get(block).is_some_and(|taken| !taken);
            if !is_free || chain.len() == needed || chain.contains(&block) {
                return None;
            }
            chain.push(block);
            next = memory.read(memory.link(block));
        }
        (chain.len() == needed).then_some(chain)
    }
}
