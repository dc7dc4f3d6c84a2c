//! [`ShardMap`]: which of several hosts owns a tuple or a port, asked without a lock.
//!
//! Every host writes one table, its own directory, and the others only read it, and only for frames that found nothing
//! where they landed. It is a counting Bloom filter in cache lines: the hash of a tuple chooses a line and three of its
//! 128 counters, which say how many of the host's tuples chose them too. One of them at zero says "certainly not", else
//! the answer is "maybe". So an answer costs one line read, an entry one line written by the only writer there is, and
//! an error of the table costs one useless hand-over.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering};

/// Lines of one host's directory: 2 MiB. With 100,000 tuples there, one stranger in 3,000 is taken for one of them; with
/// a million one in eight.
const LINES: u64 = 1 << 15;
/// A counter that got here stays: it has lost count.
const STUCK: u64 = 0xf;

/// What several hosts that are one know about each other. Shared by all of them; see [`Host::join`](crate::Host::join).
#[derive(Debug)]
pub struct ShardMap {
    shards: u16,
    /// The directories of all hosts, line by line: what is asked about one tuple lies together.
    lines: Vec<Line>,
    ephemeral: RangeInclusive<u16>,
}

/// 128 counters of four bits. Words may hold several because they have one writer.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; 8]);

impl ShardMap {
    /// For `shards` hosts (at least one), among whom the `ephemeral` ports are divided.
    pub fn new(shards: u16, ephemeral: RangeInclusive<u16>) -> Arc<Self> {
        // A host alone asks nobody, so that nobody need be told.
        let lines = if shards > 1 { LINES * u64::from(shards) } else { 0 };
        let lines = (0..lines).map(|_| Line::default()).collect();
        Arc::new(Self { shards: shards.max(1), lines, ephemeral })
    }

    /// How many hosts there are.
    pub fn shards(&self) -> u16 {
        self.shards
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
        self.counters(shard, hash).is_some_and(|mut counters| {
            counters.all(|(word, at)| word.load(Ordering::Acquire) >> at & STUCK != 0)
        })
    }

    /// `shard` owns one more tuple of this hash. Only that host itself may say so: each directory has one writer. Out of the
    /// way of hosts that stand alone.
    #[inline(never)]
    pub(super) fn add(&self, shard: u16, hash: u64) {
        for (word, at) in self.counters(shard, hash).into_iter().flatten() {
            let counts = word.load(Ordering::Relaxed);
            if counts >> at & STUCK != STUCK {
                word.store(counts + (1 << at), Ordering::Release);
            }
        }
    }

    /// The reverse of [`ShardMap::add`].
    #[inline(never)]
    pub(super) fn subtract(&self, shard: u16, hash: u64) {
        for (word, at) in self.counters(shard, hash).into_iter().flatten() {
            let counts = word.load(Ordering::Relaxed);
            if !matches!(counts >> at & STUCK, 0 | STUCK) {
                word.store(counts - (1 << at), Ordering::Release);
            }
        }
    }

    /// The counters of a hash: the word of each, and how far up it lies there. All in one line. Any bits of the hash do,
    /// since it is keyed.
    fn counters(&self, shard: u16, hash: u64) -> Option<impl Iterator<Item = (&AtomicU64, u64)>> {
        let at = (hash >> 32 & (LINES - 1)) * u64::from(self.shards) + u64::from(shard);
        let Line(words) = self.lines.get(usize::try_from(at).ok()?)?;
        let chosen = [hash, hash >> 8, hash >> 16];
        Some(chosen.into_iter().filter_map(|bits| {
            let word = words.get(usize::try_from(bits & 7).ok()?)?;
            Some((word, (bits >> 3 & 15) * 4))
        }))
    }
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
        for entries in [1, 14, 15, 300] {
            (0..entries).for_each(|_| map.add(1, hash));
            assert!(map.may_own(1, hash) && !map.may_own(0, hash));
            (0..entries).for_each(|_| map.subtract(1, hash));
            assert_eq!(map.may_own(1, hash), entries >= STUCK);
        }
    }

    /// Hashes that a keyed function might give.
    fn hashes(from: u64, count: u64) -> impl Iterator<Item = u64> {
        (from..from + count).map(|number| {
            let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        })
    }

    #[test]
    fn directory_knows_its_own_for_certain_and_takes_few_strangers_for_them() {
        let map = ShardMap::new(2, 32768..=60999);
        for (entries, strangers) in [(100_000, 100), (1_000_000, 15_000)] {
            hashes(0, entries).for_each(|hash| map.add(0, hash));
            assert!(hashes(0, entries).all(|hash| map.may_own(0, hash)));
            let taken = hashes(1 << 40, 100_000).filter(|hash| map.may_own(0, *hash)).count();
            assert!(taken < strangers, "{taken} of 100,000 strangers next to {entries}");
            hashes(0, entries).for_each(|hash| map.subtract(0, hash));
        }
        let left = hashes(0, 100_000).filter(|hash| map.may_own(0, *hash)).count();
        assert!(left < 100, "{left} counters lost count");
    }
}
