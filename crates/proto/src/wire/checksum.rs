//! The Internet checksum (RFC 1071), computed in pieces.

#[cfg(test)]
mod tests;

use super::address::Address;
use core::net::IpAddr;

/// `$sum` plus words of 64 bits in one chain of carries, the last of which comes back in at the low end. That addition
/// cannot overflow: all ones and a carry can only come of all ones and a carry, and the chain begins without one.
macro_rules! chain {
    ($sum:expr, $($word:expr),+) => {{
        let (sum, carry) = ($sum, false);
        $( let (sum, carry) = sum.carrying_add($word, carry); )+
        sum.wrapping_add(u64::from(carry))
    }};
}

/// As `chain`, the words still in octets.
macro_rules! chain_octets {
    ($sum:expr, $($word:expr),+) => { chain!($sum, $( u64::from_ne_bytes(*$word) ),+) };
}

/// An Internet checksum in progress. Slices of any length may follow one another, odd ones too.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sum {
    /// The one's complement sum so far in 64 bits, folded only at the end. It is zero only over nothing but zeros.
    total: u64,
    /// The octets so far are odd in number: the next one is the low half of a word.
    odd: bool,
}

impl Sum {
    /// The sum of the pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1). `length` is that of the
    /// transport header and its text.
    #[must_use]
    #[inline]
    pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: u32) -> Self {
        let total = address(source) + address(destination) + u64::from(protocol) + u64::from(length);
        Self { total, odd: false }
    }

    /// A sum that begins with `total`: the values of 16- and 32-bit fields, simply added. A 32-bit field counts as its
    /// two halves, for 2^16 is 1 in this arithmetic.
    #[must_use]
    #[inline]
    pub(super) const fn of_fields(total: u64) -> Self {
        Self { total, odd: false }
    }

    /// The sum of octets.
    #[must_use]
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { total: in_network_order(sum_native(bytes)), odd: bytes.len() % 2 == 1 }
    }

    /// The sum of two addresses. The ones in front of an IPv4 address are the zero of this arithmetic.
    #[must_use]
    #[inline]
    pub(super) fn of_addresses(source: Address, destination: Address) -> Self {
        let ([a, b], [c, d]) = (source.words(), destination.words());
        Self { total: in_network_order(chain!(0u64, a, b, c, d)), odd: false }
    }

    /// Adds the values of fields, summed as [`Sum::of_fields`] has it, behind an even number of octets.
    #[inline]
    pub(super) const fn add_fields(&mut self, total: u64) {
        self.total = plus(self.total, total);
    }

    /// Adds what was summed apart, behind an even number of octets.
    #[inline]
    pub(super) const fn append(&mut self, other: Self) {
        self.total = plus(self.total, other.total);
        self.odd = other.odd;
    }

    /// Adds octets.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        let sum = in_network_order(sum_native(bytes));
        // After an odd number of octets the halves of all words are the other way round.
        self.total = plus(self.total, if self.odd { sum.rotate_left(8) } else { sum });
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// The sum in 16 bits, not inverted: what a partial checksum field holds. It is `0xffff` over anything that
    /// contains its own right checksum.
    #[must_use]
    #[inline]
    pub const fn fold(self) -> u16 {
        fold(self.total)
    }

    /// The checksum: the inverted sum.
    #[must_use]
    #[inline]
    pub const fn finish(self) -> u16 {
        !self.fold()
    }
}

/// Whether the checksum in `segment` is right: one of the sum over everything, itself included (RFC 9293 MUST-3). The
/// ones in front of an IPv4 address are the zero of this arithmetic.
/// Ledger: RFC 9293 MUST-3.
#[inline]
#[must_use]
pub fn fits(source: Address, destination: Address, protocol: u8, segment: &[u8]) -> bool {
    // No packet is so long that this is cut short.
    let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    let last = u64::from(u32::from(protocol).saturating_add(length).to_be());
    let ([a, b], [c, d]) = (source.words(), destination.words());
    is_ones(plus(chain!(sum_native(segment), a, b, c, d), last))
}

/// Whether the checksum of an IPv4 header without options is right.
#[inline]
pub(crate) fn fits_header_v4(header: &[u8; 20]) -> bool {
    let ([a, b], rest) = header.as_chunks::<8>() else { return false };
    let last = rest.first_chunk().map_or(0, |last| u32::from_ne_bytes(*last));
    is_ones(chain_octets!(u64::from(last), a, b))
}

/// Whether `total` would fold to all ones: whether it is a multiple of 2^16 - 1, and not zero. As that is odd, it has an
/// inverse, and by that inverse exactly its multiples give small numbers.
#[inline]
const fn is_ones(total: u64) -> bool {
    const INVERSE: u64 = 0xfffe_fffe_fffe_ffff;
    const _: () = assert!(INVERSE.wrapping_mul(0xffff) == 1);
    total.wrapping_mul(INVERSE).wrapping_sub(1) < u64::MAX / 0xffff
}

/// The words of an address, summed: at most 2^34.
#[inline]
fn address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => sum_of_address(&v6.octets()),
    }
}

/// The words of an IPv6 address, summed: at most 2^34.
#[inline]
fn sum_of_address(octets: &[u8; 16]) -> u64 {
    octets.as_chunks::<4>().0.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum()
}

/// A sum of words in the machine's order as one of words in network order: a turn by eight bits swaps the octets of all
/// of them (RFC 1071 §2 B).
#[inline]
const fn in_network_order(native: u64) -> u64 {
    if cfg!(target_endian = "little") { native.rotate_left(8) } else { native }
}

/// One's complement addition.
#[inline]
const fn plus(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    // After a carry the sum is at most 2^64 - 2.
    sum.wrapping_add(carry as u64)
}

/// Folds the carries back in until 16 bits are left.
#[inline]
const fn fold(total: u64) -> u16 {
    let [a, b, c, d, e, f, g, h] = total.to_be_bytes();
    let (sum, carry) = u32::from_be_bytes([a, b, c, d]).overflowing_add(u32::from_be_bytes([e, f, g, h]));
    let sum = sum.wrapping_add(carry as u32);
    // Either half gets the other one added: the carry of the low half is the one that the high half needs.
    let [high, low, _, _] = sum.wrapping_add(sum.rotate_left(16)).to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Octets of a run that is summed by one chain of carries.
const RUN: usize = 64;
/// Octets that one turn of the bulk loop takes: four runs, whose chains the processor follows side by side.
const STRIDE: usize = 4 * RUN;

/// The one's complement sum of `bytes` in the machine's own byte order, which folding and one swap make right
/// (RFC 1071 §2 B).
#[inline]
fn sum_native(bytes: &[u8]) -> u64 {
    let (sum, rest) = if bytes.len() < RUN { (0, bytes) } else { sum_runs(bytes) };
    let (words, tail) = rest.as_chunks::<8>();
    let sum = match words {
        [] => sum,
        [a] => chain_octets!(sum, a),
        [a, b] => chain_octets!(sum, a, b),
        [a, b, c] => chain_octets!(sum, a, b, c),
        [a, b, c, d] => chain_octets!(sum, a, b, c, d),
        [a, b, c, d, e] => chain_octets!(sum, a, b, c, d, e),
        [a, b, c, d, e, f] => chain_octets!(sum, a, b, c, d, e, f),
        [a, b, c, d, e, f, g, ..] => chain_octets!(sum, a, b, c, d, e, f, g),
    };
    if tail.is_empty() { sum } else { plus(sum, last_word(bytes, tail)) }
}

/// The sum of all whole runs, and what follows them.
#[inline]
fn sum_runs(bytes: &[u8]) -> (u64, &[u8]) {
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    let mut sums = [0; 4];
    for stride in strides {
        let [first, second, third, fourth] = stride.as_chunks::<RUN>().0 else { continue };
        let [a, b, c, d] = sums;
        sums = [run(a, first), run(b, second), run(c, third), run(d, fourth)];
    }
    let [a, b, c, d] = sums;
    let mut sum = plus(plus(a, b), plus(c, d));
    let (runs, rest) = rest.as_chunks::<RUN>();
    for one in runs {
        sum = run(sum, one);
    }
    (sum, rest)
}

/// `sum` plus one run. Inlined, so that it stays a chain of nothing but additions.
#[inline(always)]
fn run(sum: u64, run: &[u8; RUN]) -> u64 {
    let [a, b, c, d, e, f, g, h] = run.as_chunks::<8>().0 else { return sum };
    chain_octets!(sum, a, b, c, d, e, f, g, h)
}

/// The fewer than eight octets of `tail`, at the end of `bytes`, as a word that zeros complete.
#[inline]
fn last_word(bytes: &[u8], tail: &[u8]) -> u64 {
    if let Some(word) = bytes.last_chunk::<8>() {
        // Out with the octets that were summed before.
        let excess = (8 - tail.len()) * 8;
        let word = u64::from_ne_bytes(*word);
        return if cfg!(target_endian = "little") { word >> excess } else { word << excess };
    }
    let (mut word, mut rest) = ([0; 8], tail);
    if let Some((half, after)) = rest.split_first_chunk::<4>() {
        word[..4].copy_from_slice(half);
        rest = after;
    }
    // Pairs count the same wherever they stand.
    if let Some((pair, after)) = rest.split_first_chunk::<2>() {
        word[4..6].copy_from_slice(pair);
        rest = after;
    }
    if let [octet] = rest {
        word[6] = *octet;
    }
    u64::from_ne_bytes(word)
}
