//! What happens next: a queue ordered by time, and by order of entry where times are equal.

use linger_proto::Instant;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Future events of type `T`.
pub(crate) struct Schedule<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    entered: u64,
}

struct Entry<T> {
    at: Instant,
    /// Breaks ties: first in, first out.
    number: u64,
    event: T,
}

impl<T> Schedule<T> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), entered: 0 }
    }

    /// Adds an event at `at`.
    pub(crate) fn push(&mut self, at: Instant, event: T) {
        let number = self.entered;
        self.entered += 1;
        self.heap.push(Reverse(Entry { at, number, event }));
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<(Instant, T)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }

    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

impl<T> Entry<T> {
    const fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use linger_proto::Instant;

    #[test]
    fn events_come_by_time_then_by_entry() {
        let mut schedule = Schedule::new();
        for (millis, name) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b')] {
            schedule.push(Instant::from_millis(millis), name);
        }
        assert_eq!((schedule.len(), schedule.next_at()), (4, Some(Instant::from_millis(1))));
        let order: String = std::iter::from_fn(|| schedule.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, "abcd");
    }
}
