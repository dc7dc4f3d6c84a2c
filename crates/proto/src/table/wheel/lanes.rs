//! A few queues in front of the wheel.
//!
//! A deadline goes to the end of the first lane whose last deadline is not after it. So within a lane deadlines never
//! decrease, and neither do the last deadlines from one lane to the one before it: the first lane that fits is also the
//! one that fits best. With durations of 1 s, 200 ms and 40 ms in turn, each comes to have a lane of its own.
//!
//! The last deadline of a lane stays when the lane is emptied. By then it is past, and stands in nobody's way.

use super::Node;
use crate::table::NIL;
use crate::table::chunks::Chunks;
use crate::table::growth::Growth;

pub(super) const LANES: usize = 4;
/// Nodes of a page: 1 KiB.
const PAGE: usize = 64;
/// Pages made at first. Each lane may need a second one, perhaps after hours: that shall not be when it is allocated.
const PAGES_AT_FIRST: usize = 2 * LANES;
/// The last place of a page holds no entry but the link to the next page.
const LINK: u32 = 63;
const _: () = assert!(LINK as usize == PAGE - 1);

#[derive(Clone, Debug)]
pub(super) struct Lanes {
    lanes: [Lane; LANES],
    pages: Chunks<Node, PAGE>,
    /// Pages that no lane uses, by their first node.
    free: u32,
}

/// A queue in pages that are linked.
#[derive(Clone, Copy, Debug)]
struct Lane {
    /// The deadline of the first entry; `u64::MAX` when there is none.
    front: u64,
    /// The deadline of the entry that came last, even if it is gone.
    last: u64,
    /// Where the first entry is: `tail` when there is none.
    head: u32,
    /// Where the next entry goes, or the last place of a full page.
    tail: u32,
}

impl Lanes {
    pub(super) const fn new() -> Self {
        let lane = Lane { front: u64::MAX, last: 0, head: NIL, tail: NIL };
        Self { lanes: [lane; LANES], pages: Chunks::new(), free: NIL }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let mut len = 0;
        for Lane { mut head, tail, .. } in self.lanes {
            while head != tail {
                len += 1;
                head += 1;
                if head & LINK == LINK && head != tail {
                    head = self.pages.get(head).map_or(tail, |link| link.next);
                }
            }
        }
        len
    }

    /// All pages there are.
    #[cfg(test)]
    pub(super) const fn pages(&self) -> usize {
        self.pages.len() as usize / PAGE
    }

    pub(super) const fn growth(&self) -> Growth {
        self.pages.growth()
    }

    /// The first lane that does not end after `at`.
    #[inline]
    fn fitting(&self, at: u64) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.last <= at)
    }

    /// Adds an entry that is due before the end of time: the lane it went to. `None` if every lane ends later, or
    /// [`Self::make_room`] must be called first.
    #[inline]
    pub(super) fn append(&mut self, key: u32, at: u64) -> Option<usize> {
        let number = self.fitting(at)?;
        let lane = self.lanes.get_mut(number)?;
        if lane.tail & LINK == LINK {
            return None;
        }
        let node = self.pages.get_mut(lane.tail)?;
        (node.at, node.key) = (at, key);
        lane.tail += 1;
        lane.last = at;
        lane.front = lane.front.min(at);
        Some(number)
    }

    /// The lane for this deadline has filled its page: begins another, or the same again when all of it is gone. False if
    /// there is no such lane, or nothing to do.
    pub(super) fn make_room(&mut self, at: u64) -> bool {
        let Some(number) = self.fitting(at) else { return false };
        let Some(lane) = self.lanes.get_mut(number) else { return false };
        if lane.tail & LINK != LINK {
            return false;
        }
        if lane.head == lane.tail && lane.tail != NIL {
            lane.tail &= !LINK;
            lane.head = lane.tail;
            return true;
        }
        let Some(page) = self.take_page() else { return false };
        let Some(lane) = self.lanes.get_mut(number) else { return false };
        match self.pages.get_mut(lane.tail) {
            Some(link) => link.next = page,
            None => lane.head = page,
        }
        lane.tail = page;
        true
    }

    /// A page for a lane; `None` if there are as many as there may be.
    fn take_page(&mut self) -> Option<u32> {
        if self.free == NIL {
            for _ in 0..if self.pages.is_empty() { PAGES_AT_FIRST } else { 1 } {
                let page = self.pages.push_page(|| Node { at: 0, key: 0, next: NIL })?;
                self.add_free(page);
            }
        }
        let page = self.free;
        self.free = self.pages.get(page)?.next;
        Some(page)
    }

    fn add_free(&mut self, page: u32) {
        if let Some(node) = self.pages.get_mut(page) {
            node.next = self.free;
            self.free = page;
        }
    }

    /// Takes the first entry of a lane that has one: its key. `None` if there is no such lane, or the entry is the last of
    /// its page and wants [`Self::take_last`].
    #[inline]
    pub(super) fn take(&mut self, number: usize) -> Option<u32> {
        let lane = self.lanes.get_mut(number)?;
        let (head, next) = (lane.head, lane.head.wrapping_add(1));
        if next & LINK == LINK {
            return None;
        }
        let page = self.pages.page(head)?;
        let key = page.get(head as usize % PAGE)?.key;
        let at = page.get(next as usize % PAGE)?.at;
        lane.head = next;
        lane.front = if next == lane.tail { u64::MAX } else { at };
        Some(key)
    }

    /// As [`Self::take`], of the last entry of a page, which is left.
    pub(super) fn take_last(&mut self, number: usize) -> Option<u32> {
        let lane = self.lanes.get_mut(number)?;
        let key = self.pages.get(lane.head)?.key;
        lane.head += 1;
        if lane.head == lane.tail {
            lane.front = u64::MAX;
            return Some(key);
        }
        let left = lane.head & !LINK;
        lane.head = self.pages.get(lane.head)?.next;
        lane.front = self.pages.get(lane.head)?.at;
        self.add_free(left);
        Some(key)
    }

    /// The earliest deadline and its lane; `other` and [`LANES`] if that is not later.
    #[inline]
    pub(super) fn earliest_or(&self, other: u64) -> (u64, usize) {
        let mut earliest = (other, LANES);
        for (number, lane) in self.lanes.iter().enumerate() {
            if lane.front < earliest.0 {
                earliest = (lane.front, number);
            }
        }
        earliest
    }
}
