//! From a 64-bit hash to a `u32` reference, grown a small table at a time.
//!
//! One large hash table rehashes everything in one call when it grows. This is linear hashing over many small tables:
//! each time there are [`PER_TABLE`] more entries, one table is split into two, the tables taking turns. Which table
//! holds a hash follows from the hash and the number of tables alone, so a look-up reads no directory.

use alloc::vec::Vec;
use hashbrown::HashTable;

/// Entries per table on average right after every table was split; twice that just before. A table of 1,024 buckets
/// holds 896 entries and one of 2,048 holds 1,792, so both ends fit with room for chance.
const PER_TABLE: usize = 800;

/// A set of `u32` references, found by the hash of what they refer to and an equality that the caller gives.
///
/// The hash must be keyed (an attacker who can choose it can fill one table). Costs 6 to 11.5 octets an entry.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    tables: Vec<HashTable<u32>>,
    /// `2^bits` tables were there when the present round of splitting began.
    bits: u32,
    len: usize,
    moved: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    pub(crate) const fn new() -> Self {
        Self { tables: Vec::new(), bits: 0, len: 0, moved: 0 }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many entries were moved by growth, ever. Whoever must prove a bound per call takes the difference.
    #[cfg(test)]
    pub(crate) const fn moved(&self) -> u64 {
        self.moved
    }

    pub(crate) fn find(&self, hash: u64, mut eq: impl FnMut(u32) -> bool) -> Option<u32> {
        self.tables.get(self.table_of(hash))?.find(hash, |value| eq(*value)).copied()
    }

    /// Adds a reference. Does not look whether there is an equal one. `rehash` gives the hash of a reference that is
    /// already here.
    pub(crate) fn insert(&mut self, hash: u64, value: u32, rehash: impl Fn(u32) -> u64) {
        if self.tables.is_empty() {
            self.tables.push(HashTable::new());
        }
        let at = self.table_of(hash);
        let Some(table) = self.tables.get_mut(at) else { return };
        self.moved += put(table, hash, value, &rehash);
        self.len += 1;
        if self.len > self.tables.len() * PER_TABLE {
            self.split(&rehash);
        }
    }

    /// Puts another reference in the place of one that is here, under the same hash.
    pub(crate) fn replace(&mut self, hash: u64, old: u32, new: u32) {
        let at = self.table_of(hash);
        if let Some(table) = self.tables.get_mut(at)
            && let Some(value) = table.find_mut(hash, |value| *value == old)
        {
            *value = new;
        }
    }

    /// Takes a reference out.
    pub(crate) fn remove(&mut self, hash: u64, mut eq: impl FnMut(u32) -> bool) -> Option<u32> {
        let at = self.table_of(hash);
        let table = self.tables.get_mut(at)?;
        let (value, _) = table.find_entry(hash, |value| eq(*value)).ok()?.remove();
        self.len -= 1;
        if table.is_empty() && table.num_buckets() > PER_TABLE {
            *table = HashTable::new();
        }
        Some(value)
    }

    /// The table of a hash: `bits` bits of it, and one more for the tables that were split in this round. They are
    /// taken from the upper half but the top; the lowest and the top bits are what the table itself looks at.
    fn table_of(&self, hash: u64) -> usize {
        let mask = (1_usize << self.bits) - 1;
        let number = (hash >> 32) as usize;
        let wide = number & (mask << 1 | 1);
        if wide < self.tables.len() { wide } else { wide & mask }
    }

    /// Splits the table whose turn it is.
    fn split(&mut self, rehash: &impl Fn(u32) -> u64) {
        let from = self.tables.len() - (1 << self.bits);
        let Some(slot) = self.tables.get_mut(from) else { return };
        let old = core::mem::take(slot);
        // Half of the entries go to each side, give or take two standard deviations.
        let room = old.len() / 2 + old.len().isqrt();
        let mut parts = [HashTable::with_capacity(room), HashTable::with_capacity(room)];
        self.moved += old.len() as u64;
        for value in old {
            let hash = rehash(value);
            let side = usize::from(hash >> (32 + self.bits) & 1 == 1);
            if let Some(part) = parts.get_mut(side) {
                self.moved += put(part, hash, value, rehash);
            }
        }
        let [low, high] = parts;
        if let Some(slot) = self.tables.get_mut(from) {
            *slot = low;
        }
        self.tables.push(high);
        if self.tables.len() == 2 << self.bits {
            self.bits += 1;
        }
    }
}

/// Inserts into one table; how many entries that moved.
fn put(table: &mut HashTable<u32>, hash: u64, value: u32, rehash: &impl Fn(u32) -> u64) -> u64 {
    let moved = if table.len() == table.capacity() { table.len() as u64 } else { 0 };
    table.insert_unique(hash, value, |value| rehash(*value));
    moved
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::Index;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    /// A mixing function good enough to stand for a keyed hash.
    fn hash(value: u32) -> u64 {
        let mut x = u64::from(value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    #[test]
    fn growth_to_a_million_moves_few_entries_a_call_and_takes_11_octets_each() {
        let mut index = Index::new();
        let (mut worst, mut worst_bytes) = (0, 0.0_f64);
        for value in 0..1_000_000_u32 {
            let before = index.moved();
            index.insert(hash(value), value, hash);
            worst = worst.max(index.moved() - before);
            if value > 100_000 && value % 5_000 == 0 {
                let bytes: usize = index.tables.iter().map(|table| table.allocation_size() + 16).sum();
                let all = bytes + index.tables.capacity() * size_of_val(&index.tables[0]);
                worst_bytes = worst_bytes.max(all as f64 / f64::from(value));
            }
        }
        assert!(worst < 4_000, "{worst}");
        assert!(worst_bytes < 11.6, "{worst_bytes}");
        assert!(index.moved() < 3_500_000, "{}", index.moved());
        for value in (0..1_000_000).step_by(97) {
            assert_eq!(index.find(hash(value), |found| found == value), Some(value));
        }
        assert_eq!(index.find(hash(5_000_000), |found| found == 5_000_000), None);
    }

    #[test]
    fn emptied_tables_give_their_memory_back() {
        let mut index = Index::new();
        for value in 0..100_000 {
            index.insert(hash(value), value, hash);
        }
        for value in 0..100_000 {
            assert_eq!(index.remove(hash(value), |found| found == value), Some(value));
        }
        assert_eq!(index.len(), 0);
        let bytes: usize = index.tables.iter().map(hashbrown::HashTable::allocation_size).sum();
        assert_eq!(bytes, 0);
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_equality() {
        let mut index = Index::new();
        index.insert(1, 10, |_| 1);
        index.insert(1, 20, |_| 1);
        assert_eq!(index.find(1, |found| found == 20), Some(20));
        assert_eq!(index.remove(1, |found| found == 10), Some(10));
        assert_eq!(index.find(1, |found| found == 10), None);
        assert_eq!(index.find(1, |found| found == 20), Some(20));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn index_agrees_with_a_map(steps in prop::collection::vec((0u8..3, 0u32..6_000), 0..6_000)) {
            let mut index = Index::new();
            let mut model: HashMap<u32, ()> = HashMap::new();
            for (kind, value) in steps {
                if kind == 0 {
                    let removed = index.remove(hash(value), |found| found == value);
                    prop_assert_eq!(removed.is_some(), model.remove(&value).is_some());
                } else if model.insert(value, ()).is_none() {
                    index.insert(hash(value), value, hash);
                }
                prop_assert_eq!(index.len(), model.len());
            }
            let found: Vec<u32> = (0..6_000).filter(|v| index.find(hash(*v), |f| f == *v).is_some()).collect();
            prop_assert_eq!(found.len(), model.len());
            prop_assert!(found.iter().all(|value| model.contains_key(value)));
        }
    }
}
