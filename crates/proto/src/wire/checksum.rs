//! The Internet checksum (RFC 1071), computed in pieces.

use core::net::IpAddr;

/// An Internet checksum in progress. Slices of any length may follow one another, odd ones too.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sum {
    /// The one's complement sum so far, folded only at the end: room for 2^48 words.
    total: u64,
    /// The octets so far are odd in number: the next one is the low half of a word.
    odd: bool,
}

/// Octets that one turn of the bulk loop takes: four lanes of eight.
const STRIDE: usize = 32;

impl Sum {
    /// The sum of the pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1). `length` is that of the
    /// transport header and its text.
    #[must_use]
    pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: u32) -> Self {
        let total = address(source) + address(destination) + u64::from(protocol) + u64::from(length);
        Self { total, odd: false }
    }

    /// Adds octets.
    pub fn add(&mut self, bytes: &[u8]) {
        let sum = u16::from_be(fold(sum_native(bytes)));
        self.total += u64::from(if self.odd { sum.swap_bytes() } else { sum });
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// The sum in 16 bits, not inverted: what a partial checksum field holds. It is `0xffff` over anything that
    /// contains its own right checksum.
    #[must_use]
    pub fn fold(self) -> u16 {
        fold(self.total)
    }

    /// The checksum: the inverted sum.
    #[must_use]
    pub fn finish(self) -> u16 {
        !self.fold()
    }
}

/// The words of an address, summed.
fn address(address: IpAddr) -> u64 {
    match address {
        // A 32-bit word may stand for two of 16 bits: 2^16 is 1 in this arithmetic.
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.segments().into_iter().map(u64::from).sum(),
    }
}

/// Folds the carries back in until 16 bits are left.
const fn fold(total: u64) -> u16 {
    let total = (total >> 32) + (total & 0xffff_ffff);
    let total = (total >> 32) + (total & 0xffff_ffff);
    let total = (total >> 16) + (total & 0xffff);
    let total = (total >> 16) + (total & 0xffff);
    let total = (total >> 16) + (total & 0xffff);
    let [.., high, low] = total.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// The sum of `bytes` in the machine's own byte order, which folding and one swap make right (RFC 1071 §2 B).
///
/// Each lane holds the halves of its 64-bit words apart, so that no carry is lost and the loop has no branch: the
/// compiler turns it into vector code on every target that has vectors.
fn sum_native(bytes: &[u8]) -> u64 {
    let mut low = [0u64; 4];
    let mut high = [0u64; 4];
    let mut strides = bytes.chunks_exact(STRIDE);
    for stride in &mut strides {
        let (words, _) = stride.as_chunks::<8>();
        for ((word, low), high) in words.iter().zip(&mut low).zip(&mut high) {
            let word = u64::from_ne_bytes(*word);
            *low += word & 0xffff_ffff;
            *high += word >> 32;
        }
    }
    let mut total: u64 = low.iter().sum::<u64>() + high.iter().sum::<u64>();
    let (words, tail) = strides.remainder().as_chunks::<4>();
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    total + u64::from(u32::from_ne_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use alloc::vec::Vec;
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;

    /// RFC 1071 word by word.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum >> 16) + (sum & 0xffff);
        }
        u16::try_from(sum).unwrap()
    }

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        let mut sum = Sum::default();
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.fold(), 0xddf2);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn nothing_sums_to_zero_and_all_ones_stay_all_ones() {
        assert_eq!(Sum::default().fold(), 0);
        let mut sum = Sum::default();
        sum.add(&[0xff; 65_535]);
        sum.add(&[0xff; 65_535]);
        assert_eq!(sum.fold(), 0xffff);
    }

    #[test]
    fn pseudo_header_is_the_sum_of_its_octets() {
        let v4 = (Ipv4Addr::new(255, 254, 253, 252), Ipv4Addr::new(10, 0, 0, 255));
        let mut octets: Vec<u8> = [v4.0.octets(), v4.1.octets()].concat();
        octets.extend([0, 6, 0xff, 0xfe]);
        assert_eq!(Sum::pseudo_header(v4.0.into(), v4.1.into(), 6, 0xfffe).fold(), naive(&octets));

        let v6: (Ipv6Addr, Ipv6Addr) =
            ("2001:db8::1".parse().unwrap(), "fe80::ffff:ffff:ffff".parse().unwrap());
        let mut octets: Vec<u8> = [v6.0.octets(), v6.1.octets()].concat();
        octets.extend([0, 1, 0, 3, 0, 0, 0, 17]);
        let sum = Sum::pseudo_header(IpAddr::V6(v6.0), IpAddr::V6(v6.1), 17, 0x1_0003);
        assert_eq!(sum.fold(), naive(&octets));
    }

    proptest! {
        #[test]
        fn any_slicing_gives_the_naive_sum(bytes in prop::collection::vec(any::<u8>(), 0..600), cuts in prop::collection::vec(0usize..600, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut sum = Sum::default();
            for pair in cuts.windows(2) {
                sum.add(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(sum.fold(), naive(&bytes));
        }

        #[test]
        fn long_runs_of_large_octets_lose_no_carry(octet in 0xf0u8.., length in 0usize..70_000) {
            let bytes = alloc::vec![octet; length];
            let mut sum = Sum::default();
            sum.add(&bytes);
            prop_assert_eq!(sum.fold(), naive(&bytes));
        }
    }
}
