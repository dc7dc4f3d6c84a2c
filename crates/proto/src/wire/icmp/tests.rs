use super::*;
use crate::wire::ip::{IpRepr, PROTOCOL_TCP, PROTOCOL_UDP, emit_header};
use crate::{FourTuple, SeqNum};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::net::SocketAddr;
use proptest::prelude::*;

fn addresses(v6: bool) -> (IpAddr, IpAddr) {
    if v6 {
        ("fd07::1".parse().unwrap(), "fd07::2".parse().unwrap())
    } else {
        ("10.7.0.1".parse().unwrap(), "10.7.0.2".parse().unwrap())
    }
}

fn message(repr: &IcmpRepr, v6: bool, body: &[u8]) -> Vec<u8> {
    let (source, destination) = addresses(v6);
    let mut bytes = repr.emit(source, destination, body).to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// Every message that exists in the family.
fn every_message(v6: bool) -> Vec<IcmpRepr> {
    let mut all = Vec::from([
        IcmpRepr::EchoRequest { identifier: 0x1234, sequence: 0xfffe },
        IcmpRepr::EchoReply { identifier: 1, sequence: 0 },
        IcmpRepr::PacketTooBig { mtu: 1280 },
        IcmpRepr::TimeExceeded { reassembly: false },
        IcmpRepr::TimeExceeded { reassembly: true },
        IcmpRepr::ParameterProblem { code: 1, pointer: 40 },
    ]);
    let exists =
        |row: &&(Unreachable, Option<u8>, Option<u8>)| if v6 { row.2.is_some() } else { row.1.is_some() };
    all.extend(UNREACHABLE_CODES.iter().filter(exists).map(|row| IcmpRepr::Unreachable(row.0)));
    all
}

#[test]
fn every_message_of_both_families_reads_as_it_was_written() {
    for v6 in [false, true] {
        let (source, destination) = addresses(v6);
        let all = every_message(v6);
        assert_eq!(all.len(), if v6 { 6 + 8 } else { 6 + 15 });
        for repr in all {
            let bytes = message(&repr, v6, b"odd body!");
            let view = IcmpView::new(&bytes).unwrap();
            assert!(view.checksum_fits(source, destination));
            assert_eq!(view.body(), b"odd body!");
            assert_eq!(IcmpRepr::parse(&view, source), Ok(repr));
        }
    }
}

#[test]
fn checksum_of_icmpv6_covers_the_addresses_and_that_of_icmp_does_not() {
    let other: (IpAddr, IpAddr) = ("fd07::1".parse().unwrap(), "fd07::3".parse().unwrap());
    let repr = IcmpRepr::TimeExceeded { reassembly: false };
    assert!(!IcmpView::new(&message(&repr, true, b"")).unwrap().checksum_fits(other.0, other.1));
    let other: (IpAddr, IpAddr) = ("10.7.0.1".parse().unwrap(), "10.7.0.9".parse().unwrap());
    assert!(IcmpView::new(&message(&repr, false, b"")).unwrap().checksum_fits(other.0, other.1));
}

#[test]
fn one_flipped_bit_anywhere_breaks_the_checksum() {
    for v6 in [false, true] {
        let (source, destination) = addresses(v6);
        let good = message(&IcmpRepr::EchoRequest { identifier: 7, sequence: 9 }, v6, b"abcde");
        for octet in 0..good.len() {
            let mut bad = good.clone();
            bad[octet] ^= 0x10;
            assert!(!IcmpView::new(&bad).unwrap().checksum_fits(source, destination));
        }
    }
}

#[test]
fn types_and_codes_without_use_are_unknown() {
    for (v6, kind, code) in [(false, 4, 0), (false, 5, 1), (false, 13, 0), (false, 3, 16), (false, 11, 2)]
        .into_iter()
        .chain([(true, 1, 8), (true, 3, 2), (true, 133, 0), (true, 135, 0), (true, 200, 0)])
    {
        let view = IcmpView::new(&[kind, code, 0, 0, 0, 0, 0, 0])
            .map(|view| IcmpRepr::parse(&view, addresses(v6).0));
        assert_eq!(view, Some(Err(DropReason::IcmpUnknown)));
    }
}

#[test]
fn only_codes_that_make_trying_again_pointless_are_hard() {
    let hard = |v6: bool| -> Vec<u8> {
        (0..=20)
            .filter(|code| Unreachable::from_code(addresses(v6).0, *code).is_some_and(Unreachable::is_hard))
            .collect()
    };
    assert_eq!(hard(false), [2, 3, 9, 10, 13]);
    assert_eq!(hard(true), [1, 4, 5, 6]);
}

fn quoted(v6: bool, protocol: u8, octets: usize) -> (Vec<u8>, FourTuple) {
    let (source, destination) = addresses(v6);
    let repr = IpRepr {
        source,
        destination,
        protocol,
        payload_len: 1400,
        hop_limit: 3,
        ecn: 0,
        identification: 0,
        dont_fragment: true,
    };
    let mut header = ArrayVec::new();
    emit_header(&repr, &mut header);
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(&[0x80, 0x00, 0x00, 0x50, 0xde, 0xad, 0xbe, 0xef, 0, 0][..octets]);
    let tuple =
        FourTuple { local: SocketAddr::new(source, 0x8000), remote: SocketAddr::new(destination, 80) };
    (bytes, tuple)
}

#[test]
fn quoted_segment_names_the_connection_as_this_host_sees_it() {
    for v6 in [false, true] {
        let (bytes, tuple) = quoted(v6, PROTOCOL_TCP, 8);
        let quote = Quote::parse(&bytes, addresses(v6).0).unwrap();
        assert_eq!(quote.transport, QuotedTransport::Tcp(QuotedTcp { tuple, seq: SeqNum(0xdead_beef) }));
        assert_eq!(quote.total_length, if v6 { 1440 } else { 1420 });
        let (bytes, tuple) = quoted(v6, PROTOCOL_UDP, 8);
        let quote = Quote::parse(&bytes, addresses(v6).0).unwrap();
        assert_eq!(quote.transport, QuotedTransport::Udp(tuple));
        let (bytes, _) = quoted(v6, 132, 0);
        let quote = Quote::parse(&bytes, addresses(v6).0).unwrap();
        assert_eq!(quote.transport, QuotedTransport::Other(132));
    }
}

#[test]
fn quote_that_is_too_short_or_of_the_other_family_says_nothing() {
    for v6 in [false, true] {
        let (bytes, _) = quoted(v6, PROTOCOL_TCP, 7);
        for end in 0..=bytes.len() {
            assert_eq!(Quote::parse(&bytes[..end], addresses(v6).0), None);
        }
        let (bytes, _) = quoted(v6, PROTOCOL_TCP, 8);
        assert_eq!(Quote::parse(&bytes, addresses(!v6).0), None);
    }
}

#[test]
fn quote_of_a_later_fragment_has_no_ports() {
    let (mut bytes, _) = quoted(false, PROTOCOL_TCP, 8);
    bytes[7] = 1;
    assert_eq!(Quote::parse(&bytes, addresses(false).0), None);

    let (mut bytes, tuple) = quoted(true, PROTOCOL_IPV6_FRAGMENT_NUMBER, 0);
    bytes.extend([PROTOCOL_TCP, 0, 0, 1, 0, 0, 0, 9, 0x80, 0, 0, 80, 0, 0, 0, 5]);
    let quote = Quote::parse(&bytes, addresses(true).0).unwrap();
    assert_eq!(quote.transport, QuotedTransport::Tcp(QuotedTcp { tuple, seq: SeqNum(5) }));
    bytes[43] = 9;
    assert_eq!(Quote::parse(&bytes, addresses(true).0), None);
}

const PROTOCOL_IPV6_FRAGMENT_NUMBER: u8 = 44;

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), v6: bool) {
        let family = addresses(v6).0;
        prop_assert_eq!(IcmpView::new(&bytes).is_some(), bytes.len() >= ICMP_HEADER_LEN);
        if let Some(view) = IcmpView::new(&bytes) {
            let again = IcmpRepr::parse(&view, family).map(|repr| (repr, repr.emit(family, family, view.body())));
            if let Ok((repr, header)) = again {
                prop_assert_eq!(IcmpView::new(&header).map(|view| IcmpRepr::parse(&view, family)), Some(Ok(repr)));
            }
        }
    }

    #[test]
    fn arbitrary_quotes_never_panic(first in prop::sample::select(&[0x45u8, 0x46, 0x4f, 0x60][..]), next in prop::sample::select(&[0u8, 6, 17, 43, 44, 60][..]), mut bytes in prop::collection::vec(any::<u8>(), 10..120)) {
        bytes[0] = first;
        bytes[if first == 0x60 { 6 } else { 9 }] = next;
        let family = addresses(first == 0x60).0;
        if let Some(quote) = Quote::parse(&bytes, family) {
            prop_assert_eq!(quote.source.is_ipv4(), family.is_ipv4());
        }
    }
}
