//! Timers: a hierarchical wheel that keeps nanoseconds.
//!
//! Eleven levels of 64 slots cover the whole clock. An entry lies at the level of the highest group of six bits in
//! which its deadline differs from `elapsed`, the deadline that came due last. So everything at a lower level is
//! earlier than everything at a higher one, a slot of level 0 is a single nanosecond, and entries come out in exact
//! order without ever being compared. An entry moves down at most ten levels in its life, in practice three or four,
//! and always with its whole slot.
//!
//! Nothing is ever cancelled: a connection keeps one entry and, when it comes due too early, arms it again.

use super::NIL;
use super::chunks::Chunks;
use crate::time::Instant;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Six bits a level.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Pages of 512 nodes, 8 KiB.
const PAGE_SHIFT: u32 = 9;

/// Entries of a `u32` key with a deadline, popped in order of deadline, then of insertion.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    levels: Vec<Level>,
    nodes: Chunks<Node, PAGE_SHIFT>,
    free: u32,
    /// No entry in `levels` is due before this; it never lies after the present.
    elapsed: u64,
    /// The earliest deadline of all; `u64::MAX` without entries.
    next: u64,
    /// Entries armed for a time before `elapsed`: deadline, order of arrival, key. Rare.
    overdue: BinaryHeap<Reverse<(u64, u64, u32)>>,
    overdue_count: u64,
    len: u32,
}

#[derive(Clone, Debug)]
struct Level {
    /// One bit for each slot that holds something.
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// A queue of nodes and its earliest deadline. The list is a ring: the last one links to the first.
#[derive(Clone, Copy, Debug)]
struct Slot {
    earliest: u64,
    last: u32,
}

/// 16 octets an entry.
#[derive(Clone, Copy, Debug)]
struct Node {
    at: u64,
    key: u32,
    next: u32,
}

const EMPTY: Slot = Slot { earliest: u64::MAX, last: NIL };

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl Wheel {
    pub(crate) const fn new() -> Self {
        Self {
            levels: Vec::new(),
            nodes: Chunks::new(),
            free: NIL,
            elapsed: 0,
            next: u64::MAX,
            overdue: BinaryHeap::new(),
            overdue_count: 0,
            len: 0,
        }
    }

    /// How many entries there are, stale ones included.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    /// The earliest deadline, to the nanosecond.
    pub(crate) const fn next_at(&self) -> Option<Instant> {
        if self.len == 0 { None } else { Some(Instant::from_nanos(self.next)) }
    }

    /// Adds an entry. A key may have several: whoever pops one checks whether it still means something.
    pub(crate) fn arm(&mut self, key: u32, at: Instant) {
        let at = at.as_nanos();
        if at < self.elapsed {
            self.overdue.push(Reverse((at, self.overdue_count, key)));
            self.overdue_count += 1;
        } else {
            let Some(node) = self.new_node(Node { at, key, next: NIL }) else { return };
            self.append(node, at);
        }
        self.len += 1;
        self.next = self.next.min(at);
    }

    /// The next entry that is due at `now`, with the deadline it was armed for. Call until there is none.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(u32, Instant)> {
        if now.as_nanos() < self.next || self.len == 0 {
            return None;
        }
        let (key, at) = match self.overdue.pop() {
            Some(Reverse((at, _, key))) => (key, at),
            None => self.pop_first()?,
        };
        self.len -= 1;
        self.next = self.earliest();
        Some((key, Instant::from_nanos(at)))
    }

    /// Takes the first entry out of the levels.
    fn pop_first(&mut self) -> Option<(u32, u64)> {
        let (mut level, mut slot) = self.first_slot()?;
        let mut last = self.last_of(level, slot)?;
        let mut first = self.nodes.get(last)?.next;
        if level > 0 && first != last {
            // The first entry decides how far time has come; seen from there it lies at level 0.
            self.elapsed = self.levels.get(level)?.slots.get(slot)?.earliest;
            self.spread(level, slot);
            (level, slot) = (0, slot_at(self.elapsed, 0));
            last = self.last_of(level, slot)?;
            first = self.nodes.get(last)?.next;
        }
        let node = *self.nodes.get(first)?;
        self.elapsed = node.at;
        if first == last {
            self.clear(level, slot);
        } else {
            self.nodes.get_mut(last)?.next = node.next;
        }
        self.release(first);
        Some((node.key, node.at))
    }

    fn last_of(&self, level: usize, slot: usize) -> Option<u32> {
        Some(self.levels.get(level)?.slots.get(slot)?.last)
    }

    /// The first occupied slot of the lowest occupied level.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let (level, found) = self.levels.iter().enumerate().find(|(_, level)| level.occupied != 0)?;
        Some((level, found.occupied.trailing_zeros() as usize))
    }

    fn earliest(&self) -> u64 {
        if let Some(Reverse((at, _, _))) = self.overdue.peek() {
            return *at;
        }
        self.first_slot()
            .and_then(|(level, slot)| self.levels.get(level)?.slots.get(slot))
            .map_or(u64::MAX, |slot| slot.earliest)
    }

    /// Empties a slot and files its nodes again, in their order.
    fn spread(&mut self, level: usize, slot: usize) {
        let last = self.clear(level, slot);
        let Some(mut index) = self.nodes.get(last).map(|node| node.next) else { return };
        while let Some(&Node { at, next, .. }) = self.nodes.get(index) {
            self.append(index, at);
            if index == last {
                break;
            }
            index = next;
        }
    }

    /// Forgets a slot's list; its last node.
    fn clear(&mut self, level: usize, slot: usize) -> u32 {
        let Some(level) = self.levels.get_mut(level) else { return NIL };
        level.occupied &= !(1 << slot);
        level.slots.get_mut(slot).map_or(NIL, |slot| core::mem::replace(slot, EMPTY).last)
    }

    /// Puts a node at the end of the slot where its deadline belongs.
    fn append(&mut self, index: u32, at: u64) {
        let height = level_of(at ^ self.elapsed);
        if height >= self.levels.len() {
            self.levels.resize(height + 1, Level { occupied: 0, slots: [EMPTY; SLOTS] });
        }
        let at_slot = slot_at(at, height);
        let Some(level) = self.levels.get_mut(height) else { return };
        let Some(slot) = level.slots.get_mut(at_slot) else { return };
        level.occupied |= 1 << at_slot;
        slot.earliest = slot.earliest.min(at);
        let last = core::mem::replace(&mut slot.last, index);
        let first = match self.nodes.get_mut(last) {
            Some(node) => core::mem::replace(&mut node.next, index),
            None => index,
        };
        if let Some(node) = self.nodes.get_mut(index) {
            node.next = first;
        }
    }

    fn new_node(&mut self, node: Node) -> Option<u32> {
        let index = self.free;
        match self.nodes.get_mut(index) {
            Some(free) => {
                self.free = core::mem::replace(free, node).next;
                Some(index)
            }
            None => self.nodes.push(node).ok(),
        }
    }

    fn release(&mut self, index: u32) {
        if let Some(node) = self.nodes.get_mut(index) {
            node.next = self.free;
            self.free = index;
        }
    }
}

/// The level of the highest bit that is set.
const fn level_of(difference: u64) -> usize {
    ((63 - (difference | 1).leading_zeros()) / BITS) as usize
}

/// The slot of a deadline at a level.
const fn slot_at(at: u64, level: usize) -> usize {
    // Six bits fit any usize.
    #[expect(clippy::cast_possible_truncation, reason = "masked to six bits")]
    let slot = (at >> (BITS as usize * level)) as usize & (SLOTS - 1);
    slot
}

#[cfg(test)]
mod tests {
    use super::{Node, Wheel};
    use crate::time::Instant;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const HOUR: u64 = 3_600_000_000_000;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn drain(wheel: &mut Wheel, now: u64) -> Vec<(u32, u64)> {
        core::iter::from_fn(|| wheel.pop_due(at(now))).map(|(key, at)| (key, at.as_nanos())).collect()
    }

    #[test]
    fn node_is_16_octets() {
        assert_eq!(size_of::<Node>(), 16);
    }

    #[test]
    fn equal_deadlines_come_out_in_order_of_insertion() {
        let mut wheel = Wheel::new();
        for key in 0..100 {
            wheel.arm(key, at(5 * HOUR));
        }
        wheel.arm(1000, at(5 * HOUR - 1));
        let keys: Vec<u32> = drain(&mut wheel, 5 * HOUR).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [1000].into_iter().chain(0..100).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_comes_out_a_nanosecond_early() {
        let mut wheel = Wheel::new();
        wheel.arm(1, at(200_000_001));
        assert_eq!(wheel.next_at(), Some(at(200_000_001)));
        assert_eq!(wheel.pop_due(at(200_000_000)), None);
        assert_eq!(wheel.pop_due(at(200_000_001)), Some((1, at(200_000_001))));
        assert_eq!((wheel.len(), wheel.next_at()), (0, None));
    }

    #[test]
    fn deadline_before_the_last_one_popped_is_due_at_once_and_first() {
        let mut wheel = Wheel::new();
        wheel.arm(1, at(1_000));
        assert_eq!(drain(&mut wheel, 1_500), [(1, 1_000)]);
        wheel.arm(2, at(1_600));
        wheel.arm(3, at(7));
        wheel.arm(4, at(3));
        wheel.arm(5, at(7));
        assert_eq!(wheel.next_at(), Some(at(3)));
        assert_eq!(drain(&mut wheel, 1_600), [(4, 3), (3, 7), (5, 7), (2, 1_600)]);
    }

    #[test]
    fn days_ahead_and_the_end_of_time_work() {
        let mut wheel = Wheel::new();
        wheel.arm(1, Instant::FAR_FUTURE);
        wheel.arm(2, at(24 * 30 * HOUR));
        wheel.arm(3, at(1));
        assert_eq!(drain(&mut wheel, 24 * 30 * HOUR), [(3, 1), (2, 24 * 30 * HOUR)]);
        assert_eq!(wheel.next_at(), Some(Instant::FAR_FUTURE));
        assert_eq!(drain(&mut wheel, u64::MAX), [(1, u64::MAX)]);
        assert_eq!(wheel.pop_due(Instant::FAR_FUTURE), None);
    }

    #[test]
    fn nodes_are_used_again() {
        let mut wheel = Wheel::new();
        for round in 0..10_000_u64 {
            wheel.arm(1, at(round * 1_000_000 + 40_000_000));
            wheel.arm(2, at(round * 1_000_000 + 200_000_000));
            drain(&mut wheel, round * 1_000_000);
        }
        assert!(wheel.nodes.len() <= 242, "{}", wheel.nodes.len());
    }

    proptest! {
        #[test]
        fn wheel_agrees_with_a_sorted_map(
            steps in prop::collection::vec((0u8..4, 0u32..48, any::<u64>(), any::<bool>()), 1..300)
        ) {
            let mut wheel = Wheel::new();
            let mut model: BTreeMap<(u64, usize), u32> = BTreeMap::new();
            let mut now = 0_u64;
            for (order, (kind, bits, random, past)) in steps.into_iter().enumerate() {
                let key = u32::try_from(order).unwrap();
                let span = random & ((1 << bits) - 1);
                match kind {
                    0 | 1 => {
                        let deadline = if past && bits < 20 { now.saturating_sub(span) } else { now + span };
                        wheel.arm(key, at(deadline));
                        model.insert((deadline, order), key);
                    }
                    2 => now += span >> 4,
                    _ => {
                        while let Some((key, due)) = wheel.pop_due(at(now)) {
                            let ((expected, _), value) = model.pop_first().unwrap();
                            prop_assert_eq!((key, due.as_nanos()), (value, expected));
                        }
                        prop_assert!(model.first_key_value().is_none_or(|((at, _), _)| *at > now));
                    }
                }
                prop_assert_eq!(wheel.len(), model.len());
                prop_assert_eq!(wheel.next_at().map(Instant::as_nanos), model.keys().next().map(|(at, _)| *at));
            }
        }
    }
}
