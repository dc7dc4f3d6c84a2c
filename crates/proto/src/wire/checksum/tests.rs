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

    let v6: (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "fe80::ffff:ffff:ffff".parse().unwrap());
    let mut octets: Vec<u8> = [v6.0.octets(), v6.1.octets()].concat();
    octets.extend([0, 1, 0, 3, 0, 0, 0, 17]);
    let sum = Sum::pseudo_header(IpAddr::V6(v6.0), IpAddr::V6(v6.1), 17, 0x1_0003);
    assert_eq!(sum.fold(), naive(&octets));
}

proptest! {
    #[test]
    fn all_ones_are_found_without_folding(total: u64, factor in 0..=u64::MAX / 0xffff) {
        prop_assert_eq!(super::is_ones(total), super::fold(total) == 0xffff);
        let multiple = factor * 0xffff;
        prop_assert_eq!(super::is_ones(multiple), super::fold(multiple) == 0xffff);
        prop_assert_eq!(super::is_ones(factor), super::fold(factor) == 0xffff);
    }

    #[test]
    fn any_slicing_gives_the_naive_sum(bytes in prop::collection::vec(any::<u8>(), 0..1600), cuts in prop::collection::vec(0usize..1600, 0..5)) {
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

#[test]
fn every_short_length_and_every_end_of_a_stride_gives_the_naive_sum() {
    let bytes: Vec<u8> = (0..1200u32).map(|at| at.wrapping_mul(167).to_le_bytes()[0] | 0x80).collect();
    for start in [0, 1] {
        for end in start..bytes.len() {
            let mut sum = Sum::default();
            sum.add(&bytes[start..end]);
            assert_eq!(sum.fold(), naive(&bytes[start..end]), "{start}..{end}");
        }
    }
}

#[test]
fn zero_is_not_all_ones_and_the_largest_multiple_is() {
    assert!(!super::is_ones(0) && super::is_ones(0xffff) && super::is_ones(u64::MAX));
    assert!(!super::is_ones(u64::MAX - 1) && !super::is_ones(1));
}
