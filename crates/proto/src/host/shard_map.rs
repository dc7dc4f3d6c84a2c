//! [`ShardMap`]: which of several hosts owns a tuple or a port, asked without a lock.
//!
//! Every host writes one table, its own: small counters, one for each range of the hash of a tuple, that say how many
//! tuples it owns there. The others only read it, and only for frames that found nothing where they landed. A counter
//! above zero says "maybe", zero says "certainly not". So an answer costs one load, an entry one store by the only
//! writer there is, and an error of the table costs one useless hand-over.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering};

/// Counters of one host: 4 MiB. With as many tuples as a quarter of that, one stranger in five is taken for one of them.
const SLOTS: u32 = 1 << 22;
/// Counters in a word. Words may hold several because they have one writer.
const PER_WORD: u32 = 8;
/// A counter that got here stays: it has lost count.
const STUCK: u64 = 0xff;

/// What several hosts that are one know about each other. Shared by all of them; see [`Host::join`](crate::Host::join).
#[derive(Debug)]
pub struct ShardMap {
    directories: Vec<Directory>,
    ephemeral: RangeInclusive<u16>,
}

/// Where one host may own tuples.
#[derive(Debug)]
struct Directory(Vec<AtomicU64>);

impl ShardMap {
    /// For `shards` hosts (at least one), among whom the `ephemeral` ports are divided.
    pub fn new(shards: u16, ephemeral: RangeInclusive<u16>) -> Arc<Self> {
        // A host alone asks nobody, so that nobody need be told.
        let words = if shards > 1 { SLOTS / PER_WORD } else { 0 };
        let directory = |_| Directory((0..words).map(|_| AtomicU64::new(0)).collect());
        Arc::new(Self { directories: (0..shards.max(1)).map(directory).collect(), ephemeral })
    }

    /// How many hosts there are.
    pub fn shards(&self) -> u16 {
        u16::try_from(self.directories.len()).unwrap_or(u16::MAX)
    }

    /// The ephemeral ports of one host. No port is of two hosts, so that two connects never take the same tuple.
    pub fn ports(&self, shard: u16) -> RangeInclusive<u16> {
        let (first, last) = (u32::from(*self.ephemeral.start()), u32::from(*self.ephemeral.end()));
        let (all, shards) = ((last + 1).saturating_sub(first), u32::from(self.shards()));
        // The port at `offset` is of host `offset * shards / all`, rounded down.
        let begin = |shard: u16| first + (u32::from(shard) * all).div_ceil(shards);
        let (begin, end) = (begin(shard), begin(shard.saturating_add(1)));
        if begin >= end {
            return RangeInclusive::new(1, 0); // none: more hosts than ports
        }
        let port = |port: u32| u16::try_from(port).unwrap_or(u16::MAX);
        port(begin)..=port(end - 1)
    }

    /// Which host has what belongs to a port of ours alone: UDP sockets, connects that name their port.
    pub fn owner_of_port(&self, port: u16) -> u16 {
        let shards = u32::from(self.shards());
        if !self.ephemeral.contains(&port) {
            return u16::try_from(u32::from(port) % shards).unwrap_or(0);
        }
        let first = u32::from(*self.ephemeral.start());
        let all = u32::from(*self.ephemeral.end()) - first + 1;
        u16::try_from((u32::from(port) - first) * shards / all).unwrap_or(0)
    }

    /// Whether `shard` may own a tuple of this hash. False is certain as far as what has left that host tells of it.
    pub(super) fn may_own(&self, shard: u16, hash: u64) -> bool {
        self.counter(shard, slot(hash)).is_some_and(|(word, at)| count(word.load(Ordering::Acquire), at) != 0)
    }

    /// Only `shard` itself may say so: each directory has one writer.
    pub(super) fn add(&self, shard: u16, slot: u32) {
        let Some((word, at)) = self.counter(shard, slot) else { return };
        let counts = word.load(Ordering::Relaxed);
        if count(counts, at) != STUCK {
            word.store(counts + (1 << at), Ordering::Release);
        }
    }

    /// The reverse of [`ShardMap::add`].
    pub(super) fn subtract(&self, shard: u16, slot: u32) {
        let Some((word, at)) = self.counter(shard, slot) else { return };
        let counts = word.load(Ordering::Relaxed);
        if !matches!(count(counts, at), 0 | STUCK) {
            word.store(counts - (1 << at), Ordering::Release);
        }
    }

    /// The word of a counter, and how far up it lies there.
    fn counter(&self, shard: u16, slot: u32) -> Option<(&AtomicU64, u32)> {
        let Directory(words) = self.directories.get(usize::from(shard))?;
        Some((words.get(usize::try_from(slot / PER_WORD).ok()?)?, slot % PER_WORD * u8::BITS))
    }
}

/// One of the counters in a word.
const fn count(word: u64, at: u32) -> u64 {
    word >> at & STUCK
}

/// Which counter a hash belongs to.
pub(super) const fn slot(hash: u64) -> u32 {
    // Any bits do: the hash is keyed.
    (hash >> 32) as u32 & (SLOTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ephemeral_port_is_of_the_one_host_whose_range_holds_it() {
        for shards in [1, 2, 3, 7, 64] {
            for range in [32768..=60999, 1024..=65535, 40000..=40005] {
                let map = ShardMap::new(shards, range.clone());
                let mut seen = 0;
                for shard in 0..shards {
                    for port in map.ports(shard) {
                        assert_eq!(map.owner_of_port(port), shard);
                        assert!(range.contains(&port));
                        seen += 1;
                    }
                }
                assert_eq!(seen, range.count(), "each once");
            }
        }
        assert!(ShardMap::new(2, 32768..=60999).owner_of_port(81) < 2);
    }

    #[test]
    fn a_counter_is_zero_again_after_as_many_exits_as_entries_unless_it_lost_count() {
        let map = ShardMap::new(2, 32768..=60999);
        let hash = 0x1234_5678_9abc_def0;
        for entries in [1_u32, 254, 255, 300] {
            (0..entries).for_each(|_| map.add(1, slot(hash)));
            assert!(map.may_own(1, hash) && !map.may_own(0, hash));
            (0..entries).for_each(|_| map.subtract(1, slot(hash)));
            assert_eq!(map.may_own(1, hash), u64::from(entries) >= STUCK);
        }
    }
}
