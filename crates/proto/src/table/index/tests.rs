extern crate std;
use super::{Index, NIL};
use crate::table::growth::Growth;
use core::cell::Cell;
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
fn growth_moves_few_entries_a_call_and_takes_11_octets_each() {
    let mut index = Index::new();
    let (mut worst, mut worst_bytes) = (Growth::default(), 0.0_f64);
    for value in 0..500_000_u32 {
        let before = index.growth();
        index.insert(hash(value), value, hash);
        let spent = index.growth() - before;
        worst.entries_moved = worst.entries_moved.max(spent.entries_moved);
        worst.octets_initialised = worst.octets_initialised.max(spent.octets_initialised);
        if value > 100_000 && value % 5_000 == 0 {
            worst_bytes = worst_bytes.max(index.memory() as f64 / f64::from(value));
        }
    }
    assert!(worst.entries_moved < 1_500, "{worst:?}");
    assert!(worst.octets_initialised < 64 << 10, "{worst:?}");
    assert!(worst_bytes < 11.0, "{worst_bytes}");
    assert!(index.growth().entries_moved < 2_500_000, "{:?}", index.growth());
    for value in (0..500_000).step_by(97) {
        assert_eq!(index.find(hash(value), |found| found == value), Some(value));
    }
    assert_eq!(index.find(hash(5_000_000), |found| found == 5_000_000), None);
}

#[test]
fn growing_blocks_hash_nothing_and_splits_hash_each_entry_once() {
    let hashed = Cell::new(0_u32);
    let mut index = Index::new();
    for value in 0..100_000 {
        index.insert(hash(value), value, |value| {
            hashed.set(hashed.get() + 1);
            hash(value)
        });
    }
    assert!(hashed.get() < 150_000, "{}", hashed.get());
}

#[test]
fn hardly_ever_a_wrong_entry_is_compared() {
    let mut index = Index::new();
    for value in 0..100_000 {
        index.insert(hash(value), value, hash);
    }
    let mut compared = 0;
    for value in 0..200_000 {
        index.find(hash(value), |found| {
            compared += u32::from(found != value);
            found == value
        });
    }
    assert!(compared < 3_000, "{compared} in 200,000 look-ups");
}

#[test]
fn candidates_are_nearly_always_the_references_themselves() {
    let mut index = Index::new();
    assert_eq!(index.candidates(&[7, 8]), [NIL; 2]);
    for value in 0..50_000_u32 {
        index.insert(hash(value), value, hash);
    }
    let mut right = 0;
    for first in (0..48_000).step_by(16) {
        let values: [u32; 16] = core::array::from_fn(|n| first + u32::try_from(n).unwrap());
        let found = index.candidates(&values.map(hash));
        right += values.iter().zip(found).filter(|(value, found)| **value == *found).count();
    }
    assert!(right > 45_000, "{right} of 48,000");
}

#[test]
fn emptied_blocks_give_their_memory_back() {
    let mut index = Index::new();
    for value in 0..100_000 {
        index.insert(hash(value), value, hash);
    }
    for value in 0..95_000 {
        assert_eq!(index.remove(hash(value), |found| found == value), Some(value));
    }
    assert!(index.memory() < 450_000, "{}", index.memory());
    for value in 95_000..100_000 {
        assert_eq!(index.find(hash(value), |found| found == value), Some(value));
        assert_eq!(index.remove(hash(value), |found| found == value), Some(value));
    }
    assert_eq!(index.len(), 0);
    assert!(index.blocks.iter().all(|block| block.lines.is_empty()));
}

#[test]
fn one_entry_that_comes_and_goes_allocates_once() {
    let mut index = Index::new();
    for value in 0..1_000 {
        index.insert(hash(value), value, hash);
        index.remove(hash(value), |_| true);
    }
    assert_eq!(index.growth().octets_initialised, 64);
}

#[test]
fn reference_is_replaced_where_it_lies() {
    let mut index = Index::new();
    for value in 0..3_000 {
        index.insert(hash(value), value, hash);
    }
    for value in 0..3_000 {
        assert!(index.replace(hash(value), value, value + 10_000));
        assert!(!index.replace(hash(value), value, 1));
    }
    for value in 0..3_000 {
        assert_eq!(index.find(hash(value), |found| found == value + 10_000), Some(value + 10_000));
        assert_eq!(index.find(hash(value), |found| found == value), None);
    }
    assert_eq!(index.len(), 3_000);
}

#[test]
fn hundreds_of_entries_of_one_hash_are_all_found_and_all_removed() {
    let mut index = Index::new();
    for value in 0..400 {
        index.insert(99, value, |_| 99);
    }
    for value in (0..400).rev() {
        assert_eq!(index.find(99, |found| found == value), Some(value));
        assert_eq!(index.remove(99, |found| found == value), Some(value));
        assert_eq!(index.find(99, |found| found == value), None);
    }
    assert_eq!(index.len(), 0);
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
