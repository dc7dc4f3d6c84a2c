//! A hierarchical wheel that keeps nanoseconds: takes any deadline, in any order.
//!
//! Eight levels of 256 slots cover the whole clock. An entry lies at the level of the highest octet in which its deadline
//! differs from `elapsed`, an instant that no entry lies before. So everything at a lower level is earlier than everything
//! at a higher one, within a level an earlier slot is earlier, and a slot of level 0 is a single nanosecond.
//!
//! A slot of few entries is searched for the earliest. One of many is spread over the lower levels first, with `elapsed`
//! moved into it. So entries come out in exact order, and one moves down once or twice in its life.

use super::Node;
use crate::table::NIL;
use crate::table::chunks::Chunks;
use crate::table::growth::Growth;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Eight bits a level.
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
/// 64-bit words that hold one bit for each slot.
const WORDS: usize = 8 * SLOTS / 64;
/// Nodes of a page: 4 KiB.
const PAGE: usize = 256;
/// Slots of so many entries are searched rather than spread.
const FEW: u32 = 4;

/// Entries of a `u32` key with a deadline, popped in order of deadline, then of insertion.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    /// The slots of the levels that were ever used, from the lowest.
    slots: Vec<Slot>,
    /// One bit for each slot that holds something, and one for each of these words that is not zero.
    occupied: [u64; WORDS],
    words: u32,
    nodes: Chunks<Node, PAGE>,
    free: u32,
    len: u32,
    /// No entry in `slots` is due before this; it never lies after the present.
    elapsed: u64,
    /// The earliest deadline of all; `u64::MAX` without entries.
    next: u64,
    /// Entries armed for a time before `elapsed`: deadline, order of arrival, key. Rare.
    overdue: BinaryHeap<Reverse<(u64, u64, u32)>>,
    overdue_count: u64,
    growth: Growth,
}

/// A queue of nodes and its earliest deadline. The list is a ring: the last one links to the first.
#[derive(Clone, Copy, Debug)]
struct Slot {
    earliest: u64,
    last: u32,
    count: u32,
}

const EMPTY: Slot = Slot { earliest: u64::MAX, last: NIL, count: 0 };

impl Levels {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            occupied: [0; WORDS],
            words: 0,
            nodes: Chunks::new(),
            free: NIL,
            len: 0,
            elapsed: 0,
            next: u64::MAX,
            overdue: BinaryHeap::new(),
            overdue_count: 0,
            growth: Growth { entries_moved: 0, octets_initialised: 0 },
        }
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// The earliest deadline; `u64::MAX` without entries.
    #[inline]
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// What growing has cost so far.
    pub(super) fn growth(&self) -> Growth {
        let mut growth = self.growth;
        growth += self.nodes.growth();
        growth
    }

    /// Adds an entry.
    pub(super) fn arm(&mut self, key: u32, at: u64) {
        let number = slot_of(at, self.elapsed);
        let index = self.free;
        match self.nodes.get(index) {
            Some(node) if at >= self.elapsed && number < self.slots.len() => self.free = node.next,
            _ => return self.arm_rarely(key, at),
        }
        self.file(number, index, key, at);
        self.len += 1;
        self.next = self.next.min(at);
    }

    /// As [`Self::arm`], where something must grow first or the deadline is past.
    #[cold]
    #[inline(never)]
    fn arm_rarely(&mut self, key: u32, at: u64) {
        if at < self.elapsed {
            return self.arm_overdue(key, at);
        }
        let number = slot_of(at, self.elapsed);
        if number >= self.slots.len() {
            self.add_levels(number);
        }
        let vacant = || Node { at: 0, key: 0, next: NIL };
        let index = match self.nodes.get(self.free) {
            Some(node) => core::mem::replace(&mut self.free, node.next),
            None => match self.nodes.push(vacant(), vacant) {
                Ok(index) => index,
                Err(_) => return,
            },
        };
        self.file(number, index, key, at);
        self.len += 1;
        self.next = self.next.min(at);
    }

    fn arm_overdue(&mut self, key: u32, at: u64) {
        if self.overdue.len() == self.overdue.capacity() {
            self.growth.octets(size_of_val(self.overdue.as_slice()));
        }
        self.overdue.push(Reverse((at, self.overdue_count, key)));
        self.overdue_count += 1;
        self.len += 1;
        self.next = self.next.min(at);
    }

    /// Takes the earliest entry out, due or not: its key. `elapsed` moves up to it, so it ought to be due.
    pub(super) fn pop(&mut self) -> Option<u32> {
        if !self.overdue.is_empty() {
            return self.pop_overdue();
        }
        let number = self.first_slot();
        let slot = *self.slots.get(number)?;
        if slot.count > 1 {
            return self.pop_of_several(number, slot);
        }
        self.elapsed = slot.earliest;
        self.clear(number);
        self.popped(slot.last)
    }

    #[cold]
    fn pop_overdue(&mut self) -> Option<u32> {
        let Reverse((.., key)) = self.overdue.pop()?;
        self.len -= 1;
        self.next = match self.overdue.peek() {
            Some(Reverse((next, ..))) => *next,
            None => self.earliest(),
        };
        Some(key)
    }

    #[inline(never)]
    fn pop_of_several(&mut self, mut number: usize, mut slot: Slot) -> Option<u32> {
        if slot.count > FEW && number >= SLOTS {
            self.spread(number, slot);
            // Its first entry decided how far time has come, and lies at level 0 now.
            number = self.first_slot();
            slot = *self.slots.get(number)?;
        }
        let index = self.unlink_earliest(number, slot)?;
        self.popped(index)
    }

    /// A node was taken out of its list: frees it.
    #[inline]
    fn popped(&mut self, index: u32) -> Option<u32> {
        self.len -= 1;
        self.next = self.earliest();
        let node = self.nodes.get_mut(index)?;
        node.next = self.free;
        self.free = index;
        Some(node.key)
    }

    /// The first slot that holds something; past the last one when there is none.
    #[inline]
    fn first_slot(&self) -> usize {
        let word = self.words.trailing_zeros() as usize;
        self.occupied.get(word).map_or(usize::MAX, |bits| word * 64 + bits.trailing_zeros() as usize)
    }

    #[inline]
    fn earliest(&self) -> u64 {
        self.slots.get(self.first_slot()).map_or(u64::MAX, |slot| slot.earliest)
    }

    /// Takes the earliest node out of a slot: the first of those with the earliest deadline.
    #[inline]
    fn unlink_earliest(&mut self, number: usize, slot: Slot) -> Option<u32> {
        if slot.count == 1 {
            self.clear(number);
            return Some(slot.last);
        }
        let (mut before, mut second) = (slot.last, slot.earliest);
        // At level 0 they are all the same.
        if number >= SLOTS {
            second = u64::MAX;
            let mut found = false;
            let mut previous = slot.last;
            let mut index = self.nodes.get(previous)?.next;
            for _ in 0..slot.count {
                let node = self.nodes.get(index)?;
                if node.at == slot.earliest && !found {
                    found = true;
                    before = previous;
                } else {
                    second = second.min(node.at);
                }
                previous = index;
                index = node.next;
            }
        }
        let index = self.nodes.get(before)?.next;
        let after = self.nodes.get(index)?.next;
        self.nodes.get_mut(before)?.next = after;
        let last = if index == slot.last { before } else { slot.last };
        *self.slots.get_mut(number)? = Slot { earliest: second, last, count: slot.count - 1 };
        Some(index)
    }

    /// Empties a slot and files its nodes again, in their order.
    fn spread(&mut self, number: usize, slot: Slot) {
        self.elapsed = slot.earliest;
        self.clear(number);
        let Some(mut index) = self.nodes.get(slot.last).map(|node| node.next) else { return };
        for _ in 0..slot.count {
            let Some(&Node { at, key, next }) = self.nodes.get(index) else { return };
            // The lower levels are there already.
            self.file(slot_of(at, self.elapsed), index, key, at);
            index = next;
        }
    }

    /// Forgets a slot's list.
    #[inline]
    fn clear(&mut self, number: usize) {
        if let Some(slot) = self.slots.get_mut(number) {
            *slot = EMPTY;
        }
        if let Some(bits) = self.occupied.get_mut(number / 64) {
            *bits &= !(1 << (number % 64));
            if *bits == 0 {
                self.words &= !(1 << (number / 64));
            }
        }
    }

    /// Writes a node and puts it at the end of a slot.
    #[inline]
    fn file(&mut self, number: usize, index: u32, key: u32, at: u64) {
        let Some(slot) = self.slots.get_mut(number) else { return };
        slot.earliest = slot.earliest.min(at);
        slot.count += 1;
        let last = core::mem::replace(&mut slot.last, index);
        let next = match self.nodes.get_mut(last) {
            Some(node) => core::mem::replace(&mut node.next, index),
            None => {
                if let Some(bits) = self.occupied.get_mut(number / 64) {
                    *bits |= 1 << (number % 64);
                    self.words |= 1 << (number / 64);
                }
                index
            }
        };
        if let Some(node) = self.nodes.get_mut(index) {
            *node = Node { at, key, next };
        }
    }

    /// Prepares the slots of every level up to that of slot `number`.
    fn add_levels(&mut self, number: usize) {
        let count = (number / SLOTS + 1) * SLOTS;
        self.growth.octets(count * size_of::<Slot>());
        self.slots.resize(count, EMPTY);
    }
}

/// The slot of a deadline, seen from `elapsed`.
#[inline]
const fn slot_of(at: u64, elapsed: u64) -> usize {
    let level = (63 ^ ((at ^ elapsed) | 1).leading_zeros()) / BITS;
    // The octet of that level.
    #[expect(clippy::cast_possible_truncation, reason = "masked to eight bits")]
    let slot = (at >> (level * BITS)) as usize & (SLOTS - 1);
    level as usize * SLOTS + slot
}
