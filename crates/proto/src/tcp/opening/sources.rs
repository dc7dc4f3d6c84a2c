//! How many half-open connections each source has.
//!
//! Sources are counted under a secret hash in a fixed number of counters, so that a flood from a million sources costs no
//! more than one from a single source. Two that share a counter share the bound: one stranger in 16,384 suffers from a
//! source that is at it.

use crate::secret::{Purpose, Secret};
use crate::wire::address::Address;
use alloc::vec;
use alloc::vec::Vec;

/// Counters: 64 KiB, from the first half-open connection on.
const COUNTER_BITS: u32 = 14;
const COUNTERS: usize = 1 << COUNTER_BITS;

/// The counter of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Source(u16);

/// Half-open connections by source.
#[derive(Clone)]
pub(crate) struct Sources {
    /// Odd. Multiplication by a secret number and the top bits of it: two sources meet as seldom as two numbers drawn at
    /// random, at most twice. Nobody outside sees a counter, so more is not needed, and a SYN is to cost little.
    factor: u64,
    counters: Vec<u32>,
}

impl Sources {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { factor: secret.prf(Purpose::Sources).hash([], 0) | 1, counters: Vec::new() }
    }

    /// The counter of an address: of one IPv4 address, or of a network of 64 bits, which is what an IPv6 host has to
    /// choose its addresses from.
    #[inline]
    pub(crate) fn of(&self, remote: Address) -> Source {
        let network = match remote.to_v4() {
            Some(octets) => u64::from(u32::from_be_bytes(octets)),
            None => u64::from_be(remote.words()[0]),
        };
        Source(u16::try_from(network.wrapping_mul(self.factor) >> (u64::BITS - COUNTER_BITS)).unwrap_or(0))
    }

    /// How many half-open connections it has.
    #[inline]
    pub(crate) fn count(&self, source: Source) -> u32 {
        self.counters.get(usize::from(source.0)).copied().unwrap_or(0)
    }

    /// One more.
    #[inline]
    pub(crate) fn enter(&mut self, source: Source) {
        if self.counters.is_empty() {
            self.counters = vec![0; COUNTERS];
        }
        if let Some(count) = self.counters.get_mut(usize::from(source.0)) {
            *count = count.saturating_add(1);
        }
    }

    /// One less.
    #[inline]
    pub(crate) fn leave(&mut self, source: Source) {
        if let Some(count) = self.counters.get_mut(usize::from(source.0)) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn source_is_an_ipv4_address_or_an_ipv6_network() {
        let sources = Sources::new(&Secret::from_bytes([3; 32]));
        let same = |a: &str, b: &str| sources.of(address(a)) == sources.of(address(b));
        assert!(same("10.0.0.1", "10.0.0.1") && !same("10.0.0.1", "10.0.0.2"));
        assert!(same("fd00::1", "fd00::ffff:2") && !same("fd00::1", "fd00:0:0:1::1"));
    }

    #[test]
    fn counts_come_and_go() {
        let mut sources = Sources::new(&Secret::from_bytes([3; 32]));
        let (one, other) = (sources.of(address("10.0.0.1")), sources.of(address("fd00::1")));
        assert_eq!((sources.count(one), sources.counters.len()), (0, 0));
        sources.enter(one);
        sources.enter(one);
        sources.enter(other);
        sources.leave(one);
        assert_eq!((sources.count(one), sources.count(other)), (1, 1));
        sources.leave(one);
        sources.leave(one);
        assert_eq!(sources.count(one), 0);
    }

    /// A flood from everywhere fills no counter: 65,536 sources, four for each counter on average.
    #[test]
    fn random_sources_spread_over_the_counters() {
        let mut sources = Sources::new(&Secret::from_bytes([3; 32]));
        for n in 0..65_536u32 {
            let source = sources.of(IpAddr::V4(n.wrapping_mul(0x9e37_79b1).into()).into());
            sources.enter(source);
        }
        assert!(sources.counters.iter().all(|&count| count < 24));
    }
}
