//! A queue that is drained often: a list, and how much of its front is gone.
//!
//! Whoever asks a host asks until there is nothing more, and then the list begins again at its front. No place is computed
//! by going round a ring, which would cost more than all else that is done to an entry.

use alloc::vec::Vec;

/// First in, first out. It keeps the memory it once needed; each entry is moved at most twice on average, however it is
/// used.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T> {
    items: Vec<T>,
    /// How many of `items` have left. Zero, unless some wait behind them.
    left: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left: 0 }
    }
}

impl<T: Copy> Queue<T> {
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many wait.
    pub(crate) const fn len(&self) -> usize {
        self.items.len() - self.left
    }

    #[inline]
    pub(crate) fn push_back(&mut self, item: T) {
        if self.items.len() == self.items.capacity() {
            return self.push_full(item);
        }
        self.items.push(item);
    }

    /// As [`Self::push_back`], where the list has no room: what has left may be half of it.
    #[cold]
    #[inline(never)]
    fn push_full(&mut self, item: T) {
        if self.left > self.items.len() / 2 {
            self.items.drain(..self.left);
            self.left = 0;
        }
        self.items.push(item);
    }

    /// Puts what was taken out back in front.
    #[inline]
    pub(crate) fn push_front(&mut self, item: T) {
        let place = self.left.checked_sub(1);
        match place.and_then(|place| self.items.get_mut(place)) {
            Some(gone) => {
                *gone = item;
                self.left -= 1;
            }
            None => self.items.insert(0, item),
        }
    }

    /// Takes out the one that has waited longest.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let item = *self.items.get(self.left)?;
        self.left += 1;
        if self.left == self.items.len() {
            self.items.clear();
            self.left = 0;
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn queue_agrees_with_a_ring(steps in prop::collection::vec((0..5, any::<u32>()), 0..400)) {
            let (mut queue, mut ring) = (Queue::default(), VecDeque::new());
            for (step, item) in steps {
                match step {
                    0 | 1 => {
                        queue.push_back(item);
                        ring.push_back(item);
                    }
                    2 => {
                        queue.push_front(item);
                        ring.push_front(item);
                    }
                    _ => prop_assert_eq!(queue.pop_front(), ring.pop_front()),
                }
                prop_assert_eq!((queue.len(), queue.is_empty()), (ring.len(), ring.is_empty()));
            }
        }
    }

    #[test]
    fn queue_that_is_never_quite_empty_stays_small() {
        let mut queue = Queue::default();
        queue.push_back(0);
        for n in 1..10_000 {
            queue.push_back(n);
            assert_eq!(queue.pop_front(), Some(n - 1));
        }
        assert!(queue.items.capacity() <= 8, "{}", queue.items.capacity());
    }
}
