//! A small set that is asked with every packet and changes with every new interface.

use alloc::vec::Vec;

/// A set of addresses in plain numbers. Most hosts have one of a family: it is compared first, without a loop.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    first: Option<T>,
    /// The others, in order.
    rest: Vec<T>,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self { first: None, rest: Vec::new() }
    }
}

impl<T: Ord + Copy> Set<T> {
    pub(super) fn insert(&mut self, value: T) {
        if self.first.is_none() {
            self.first = Some(value);
        } else if !self.has(value)
            && let Err(place) = self.rest.binary_search(&value)
        {
            self.rest.insert(place, value);
        }
    }

    #[inline]
    pub(super) fn has(&self, value: T) -> bool {
        self.first == Some(value) || (!self.rest.is_empty() && self.rest.binary_search(&value).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::Set;

    #[test]
    fn has_what_was_inserted_and_nothing_else() {
        let mut set = Set::default();
        assert!(!set.has(0u32));
        for value in [7u32, 3, 9, 3, 7, 1] {
            set.insert(value);
        }
        for value in 0..=10 {
            assert_eq!(set.has(value), [1, 3, 7, 9].contains(&value), "{value}");
        }
    }
}
