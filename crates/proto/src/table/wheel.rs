//! Timers: entries of a key and a deadline, kept to the nanosecond, which come out in exact order.
//!
//! | file | what |
//! |---|---|
//! | `lanes` | queues for deadlines that come in their order, or nearly |
//! | `levels` | a hierarchical wheel for the others |
//!
//! Nearly every deadline is the present and one of a few durations: of a SYN, a retransmission, a delayed
//! acknowledgment. Those of one duration come in their order, and a queue is all the sorting they need.
//!
//! Nothing is ever cancelled: a connection keeps one entry and, when it comes due too early, arms it again.

mod lanes;
mod levels;

use super::growth::Growth;
use crate::time::Instant;
use lanes::{LANES, Lanes};
use levels::Levels;

/// Lanes take what is due within two seconds, so that no distant deadline stands in the way for long.
const REACH: u64 = 2_000_000_000;

/// Entries of a `u32` key with a deadline, popped in order of deadline.
///
/// Of those with one deadline the ones in `levels` come first, then those in lanes, each kind in order of insertion. Which
/// of the two takes an entry depends on nothing but the calls so far.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    /// The earliest deadline of all; `u64::MAX` without entries.
    next: u64,
    /// The lane that holds it; [`LANES`] when it lies in `levels`.
    first: usize,
    /// What is due before this may go into a lane: [`REACH`] after the last time that something was due.
    reach: u64,
    lanes: Lanes,
    levels: Levels,
}

/// 16 octets an entry.
#[derive(Clone, Copy, Debug)]
struct Node {
    at: u64,
    key: u32,
    /// The link of a list. Lanes use that of the last node of a page only.
    next: u32,
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl Wheel {
    pub(crate) const fn new() -> Self {
        Self { next: u64::MAX, first: LANES, reach: REACH, lanes: Lanes::new(), levels: Levels::new() }
    }

    /// How many entries there are, stale ones included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lanes.len() + self.levels.len()
    }

    /// What growing has cost so far.
    pub(crate) fn growth(&self) -> Growth {
        let mut growth = self.lanes.growth();
        growth += self.levels.growth();
        growth
    }

    /// The earliest deadline, to the nanosecond.
    #[cfg(test)]
    pub(crate) const fn next_at(&self) -> Option<Instant> {
        // No lane holds the end of time.
        if self.next == u64::MAX && self.levels.len() == 0 {
            None
        } else {
            Some(Instant::from_nanos(self.next))
        }
    }

    /// The earliest deadline; the end of time when there is none.
    #[inline]
    pub(crate) const fn next_or_never(&self) -> Instant {
        Instant::from_nanos(self.next)
    }

    /// Adds an entry. A key may have several: whoever pops one checks whether it still means something.
    #[inline]
    pub(crate) fn arm(&mut self, key: u32, at: Instant) {
        let at = at.as_nanos();
        if at < self.reach
            && let Some(lane) = self.lanes.append(key, at)
        {
            if at < self.next {
                (self.next, self.first) = (at, lane);
            }
        } else {
            self.arm_rarely(key, at);
        }
    }

    /// As [`Self::arm`], where no lane fits or its page is full.
    #[cold]
    #[inline(never)]
    fn arm_rarely(&mut self, key: u32, at: u64) {
        if at < self.reach && self.lanes.make_room(at) {
            return self.arm(key, Instant::from_nanos(at));
        }
        self.levels.arm(key, at);
        if at <= self.next {
            (self.next, self.first) = (at, LANES);
        }
    }

    /// The next entry that is due at `now`, with the deadline it was armed for. Call until there is none.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(u32, Instant)> {
        let (at, now) = (self.next, now.as_nanos());
        if now < at {
            return None;
        }
        // At the end of time it wraps, which closes the lanes.
        self.reach = now.wrapping_add(REACH);
        let key = match self.lanes.take(self.first) {
            Some(key) => key,
            None => self.pop_rarely()?,
        };
        (self.next, self.first) = self.lanes.earliest_or(self.levels.next());
        Some((key, Instant::from_nanos(at)))
    }

    /// Takes the earliest entry, where that is the last of its page or lies in the levels.
    #[cold]
    #[inline(never)]
    fn pop_rarely(&mut self) -> Option<u32> {
        self.lanes.take_last(self.first).or_else(|| self.levels.pop())
    }
}

#[cfg(test)]
mod tests;
