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
/// Nodes of a page: 2 KiB.
const PAGE: usize = 128;
/// The last place of a page holds no entry but the link to the next page.
const LINK: u32 = PAGE as u32 - 1;

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
                if head % PAGE as u32 == LINK && head != tail {
                    head = self.pages.get(head).unwrap().next;
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

    /// Adds an entry that is due before the end of time: the lane it went to. `None` if every lane ends later.
    #[inline]
    pub(super) fn append(&mut self, key: u32, at: u64) -> Option<usize> {
        let number = self.lanes.iter().position(|lane| lane.last <= at)?;
        if self.lanes.get(number)?.tail & LINK == LINK {
            self.turn(number)?;
        }
        let lane = self.lanes.get_mut(number)?;
        let node = self.pages.get_mut(lane.tail)?;
        (node.at, node.key) = (at, key);
        lane.tail += 1;
        lane.last = at;
        lane.front = lane.front.min(at);
        Some(number)
    }

    /// The last page of a lane is full: begins another, or the same again when all of it is gone.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, number: usize) -> Option<()> {
        let lane = self.lanes.get_mut(number)?;
        if lane.head == lane.tail && lane.tail != NIL {
            lane.tail &= !LINK;
            lane.head = lane.tail;
            return Some(());
        }
        let page = match self.pages.get(self.free) {
            Some(node) => core::mem::replace(&mut self.free, node.next),
            None => self.pages.push_page(|| Node { at: 0, key: 0, next: NIL })?,
        };
        match self.pages.get_mut(lane.tail) {
            Some(link) => link.next = page,
            None => lane.head = page,
        }
        lane.tail = page;
        Some(())
    }

    /// Takes the first entry of a lane: its key. `None` if there is no such lane, or nothing in it.
    #[inline]
    pub(super) fn take(&mut self, number: usize) -> Option<u32> {
        let lane = self.lanes.get_mut(number)?;
        let page = self.pages.page(lane.head)?;
        let key = page.get(lane.head as usize % PAGE)?.key;
        if lane.head == lane.tail {
            return None;
        }
        lane.head += 1;
        if lane.head == lane.tail {
            lane.front = u64::MAX;
        } else if lane.head & LINK == LINK {
            self.leave_page(number);
        } else {
            lane.front = page.get(lane.head as usize % PAGE)?.at;
        }
        Some(key)
    }

    /// The first entry of a lane lies on the next page.
    #[cold]
    #[inline(never)]
    fn leave_page(&mut self, number: usize) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let left = lane.head & !LINK;
        lane.head = self.pages.get(lane.head).map_or(NIL, |link| link.next);
        lane.front = self.pages.get(lane.head).map_or(u64::MAX, |node| node.at);
        if let Some(node) = self.pages.get_mut(left) {
            node.next = self.free;
            self.free = left;
        }
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
