use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

const SOURCE: &str = "10.7.0.1";
const SOURCE_V6: &str = "fd07::1";

fn repr(v6: bool, protocol: u8, payload_len: usize) -> IpRepr {
    let (source, destination) = if v6 { (SOURCE_V6, "fd07::2") } else { (SOURCE, "10.7.0.2") };
    IpRepr {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol,
        payload_len,
        hop_limit: 64,
        ecn: 0b10,
        identification: 0xbeef,
        dont_fragment: true,
    }
}

fn packet(repr: &IpRepr, payload: &[u8]) -> Vec<u8> {
    let mut header = crate::HeaderBytes::new();
    emit_header(repr, &mut header);
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// A good IPv4 packet, changed, with its checksum made right again.
fn v4_with(options: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = packet(&repr(false, PROTOCOL_TCP, options.len() + 8), &[]);
    bytes.extend_from_slice(options);
    bytes.extend_from_slice(b"payload!");
    bytes[0] = 0x45 + u8::try_from(options.len() / 4).unwrap();
    change(&mut bytes);
    seal(&mut bytes);
    bytes
}

fn seal(bytes: &mut [u8]) {
    let header_len = usize::from(bytes[0] & 15) * 4;
    bytes[10..12].fill(0);
    let mut sum = Sum::default();
    sum.add(&bytes[..header_len.clamp(20, bytes.len())]);
    bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
}

/// An IPv6 packet whose payload begins with extension headers.
fn v6_with(first: u8, payload: &[u8]) -> Vec<u8> {
    packet(&repr(true, first, payload.len()), payload)
}

#[test]
fn padding_after_the_length_of_ip_belongs_to_no_part() {
    for v6 in [false, true] {
        let mut bytes = packet(&repr(v6, PROTOCOL_TCP, 4), b"text");
        bytes.extend_from_slice(&[0; 22]);
        let parsed = parse(&bytes).unwrap();
        assert_eq!(&bytes[parsed.payload], b"text");
    }
}

#[test]
fn options_of_ipv4_are_skipped() {
    // No-operation, record route of seven octets, end, and rubbish after the end.
    let bytes = v4_with(&[1, 7, 7, 4, 0, 0, 0, 0, 0, 9, 9, 9], |_| ());
    let parsed = parse(&bytes).unwrap();
    assert_eq!((parsed.header.end, &bytes[parsed.payload]), (32, &b"payload!"[..]));
}

#[test]
fn fragment_fields_of_ipv4_are_read_in_octets() {
    let bytes = v4_with(&[], |bytes| bytes[6..8].copy_from_slice(&[0x20, 0x03]));
    let fragment = Fragment { identification: 0xbeef, offset: 24, more: true };
    assert_eq!(parse(&bytes).unwrap().fragment, Some(fragment));
    let bytes = v4_with(&[], |bytes| bytes[6..8].copy_from_slice(&[0x1f, 0xff]));
    let fragment = Fragment { identification: 0xbeef, offset: 65_528, more: false };
    assert_eq!(parse(&bytes).unwrap().fragment, Some(fragment));
    assert_eq!(parse(&v4_with(&[], |_| ())).unwrap().fragment, None);
}

#[test]
fn malformed_ipv4_is_dropped_for_its_reason() {
    use DropReason::*;
    let good = v4_with(&[], |_| ());
    assert!(parse(&good).is_ok());
    let mut wrong_checksum = good.clone();
    wrong_checksum[8] -= 1; // a router that forgot to update it
    let corpus: &[(&str, Vec<u8>, DropReason)] = &[
        ("nothing", Vec::new(), IpTruncated),
        ("version 0", Vec::from([0; 40]), IpVersion),
        ("version 5", Vec::from([0x55; 40]), IpVersion),
        ("one octet", Vec::from([0x45]), IpTruncated),
        ("19 octets", good[..19].to_vec(), IpTruncated),
        ("header of 16 octets", v4_with(&[], |bytes| bytes[0] = 0x44), IpHeaderLength),
        ("header longer than the packet", v4_with(&[], |bytes| bytes[0] = 0x4f), IpHeaderLength),
        (
            "total length below the header",
            v4_with(&[], |bytes| bytes[2..4].copy_from_slice(&[0, 19])),
            IpTotalLength,
        ),
        ("total length beyond the packet", v4_with(&[], |bytes| bytes[3] += 1), IpTotalLength),
        ("wrong checksum", wrong_checksum, IpHeaderChecksum),
        ("loose source route", v4_with(&[131, 3, 4, 0], |_| ()), ExtensionHeader),
        ("strict source route", v4_with(&[1, 137, 3, 4], |_| ()), ExtensionHeader),
        ("option of length zero", v4_with(&[7, 0, 0, 0], |_| ()), IpHeaderLength),
        ("option of length one", v4_with(&[7, 1, 0, 0], |_| ()), IpHeaderLength),
        ("option longer than the header", v4_with(&[7, 5, 4, 0], |_| ()), IpHeaderLength),
        ("option without a length", v4_with(&[1, 1, 1, 7], |_| ()), IpHeaderLength),
    ];
    for (what, bytes, reason) in corpus {
        assert_eq!(parse(bytes), Err(*reason), "{what}");
    }
}

#[test]
fn sources_that_cannot_be_sources_are_refused() {
    for source in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255"] {
        let repr = IpRepr { source: source.parse().unwrap(), ..repr(false, PROTOCOL_UDP, 0) };
        assert_eq!(parse(&packet(&repr, &[])), Err(DropReason::IpSource), "{source}");
    }
    for source in ["::", "::1", "ff02::1", "::ffff:10.7.0.1"] {
        let repr = IpRepr { source: source.parse().unwrap(), ..repr(true, PROTOCOL_UDP, 0) };
        assert_eq!(parse(&packet(&repr, &[])), Err(DropReason::IpSource), "{source}");
    }
    for source in ["240.0.0.1", "169.254.0.1", "1.0.0.0"] {
        let repr = IpRepr { source: source.parse().unwrap(), ..repr(false, PROTOCOL_UDP, 0) };
        assert!(parse(&packet(&repr, &[])).is_ok(), "{source}");
    }
}

#[test]
fn extension_headers_of_ipv6_are_walked_to_the_transport_header() {
    let mut chain = Vec::new();
    chain.extend([60, 0, 5, 2, 0, 0, 1, 0]); // hop-by-hop: router alert, padding
    chain.extend([43, 0, 0x1e, 4, 1, 2, 3, 4]); // destination: an unknown option that may be skipped
    chain.extend([60, 0, 4, 0, 0, 0, 0, 0]); // routing of an unknown type with no segment left
    chain.extend([44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // destination, two units
    chain.extend([6, 0xff, 0, 0, 0, 0, 0, 7]); // a fragment header that says "whole"
    chain.extend(b"segment");
    let bytes = v6_with(0, &chain);
    let parsed = parse(&bytes).unwrap();
    assert_eq!((parsed.protocol, parsed.fragment, &bytes[parsed.payload]), (6, None, &b"segment"[..]));
    assert_eq!(next_header_at(&bytes), 40 + 8 + 8 + 8 + 16);
}

#[test]
fn no_next_header_ends_the_chain_whatever_follows() {
    let bytes = v6_with(60, &[59, 0, 1, 4, 0, 0, 0, 0, 6, 6, 6]);
    assert_eq!(parse(&bytes).unwrap().protocol, PROTOCOL_NONE);
}

#[test]
fn fragment_header_of_ipv6_ends_the_walk() {
    let bytes = v6_with(44, &[17, 0, 0x05, 0x78, 1, 2, 3, 4, 9, 9, 9]);
    let parsed = parse(&bytes).unwrap();
    assert_eq!(parsed.fragment, Some(Fragment { identification: 0x0102_0304, offset: 1400, more: false }));
    assert_eq!((parsed.protocol, parsed.payload), (17, 48..51));
    // The first fragment shows its whole chain, which is left to whoever has the whole packet.
    let bytes = v6_with(44, &[60, 0, 0, 1, 0, 0, 0, 5, 17, 0, 0x80, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let parsed = parse(&bytes).unwrap();
    assert_eq!(parsed.fragment, Some(Fragment { identification: 5, offset: 0, more: true }));
    assert_eq!((parsed.protocol, parsed.payload), (60, 48..64));
}

#[test]
fn malformed_ipv6_is_dropped_for_its_reason_and_told_where_rfc_8200_wants_it() {
    use DropReason::*;
    let long_chain: Vec<u8> = [60, 0, 1, 4, 0, 0, 0, 0].repeat(9);
    type Told = Option<(u8, u32)>;
    let corpus: &[(&str, Vec<u8>, DropReason, Told)] = &[
        ("39 octets", v6_with(6, &[])[..39].to_vec(), IpTruncated, None),
        ("payload length beyond the packet", packet(&repr(true, 6, 5), b"text"), IpTotalLength, None),
        (
            "hop-by-hop not first",
            v6_with(60, &[0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0]),
            ExtensionHeader,
            Some((1, 40)),
        ),
        ("header cut short", v6_with(60, &[6, 1, 1, 4, 0, 0, 0, 0]), ExtensionHeader, None),
        ("header of one octet", v6_with(60, &[6]), ExtensionHeader, None),
        ("no header where one is named", v6_with(60, &[]), ExtensionHeader, None),
        ("option beyond the header", v6_with(60, &[6, 0, 1, 5, 0, 0, 0, 0]), ExtensionHeader, None),
        ("option without a length", v6_with(60, &[6, 0, 1, 3, 0, 0, 0, 1]), ExtensionHeader, None),
        ("option that asks for the drop", v6_with(0, &[6, 0, 0x42, 4, 0, 0, 0, 0]), ExtensionHeader, None),
        (
            "option that asks for an answer",
            v6_with(0, &[6, 0, 0, 0, 0x82, 2, 0, 0]),
            ExtensionHeader,
            Some((2, 44)),
        ),
        (
            "option that asks for one if unicast",
            v6_with(60, &[6, 0, 0xc2, 4, 0, 0, 0, 0]),
            ExtensionHeader,
            Some((2, 42)),
        ),
        ("routing type 0", v6_with(43, &[6, 0, 0, 0, 0, 0, 0, 0]), ExtensionHeader, None),
        (
            "routing with a segment left",
            v6_with(43, &[6, 0, 4, 1, 0, 0, 0, 0]),
            ExtensionHeader,
            Some((0, 42)),
        ),
        ("nine headers", v6_with(60, &long_chain), ExtensionHeader, None),
        ("fragment header cut short", v6_with(44, &[6, 0, 0, 1, 0, 0, 0]), ExtensionHeader, None),
        (
            "fragment of odd length with more to come",
            v6_with(44, &[6, 0, 0, 9, 0, 0, 0, 1, 1, 2, 3]),
            FragmentMalformed,
            Some((0, 4)),
        ),
        (
            "fragment beyond 65,535",
            v6_with(44, &[6, 0, 0xff, 0xf8, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]),
            FragmentMalformed,
            Some((0, 42)),
        ),
        (
            "first fragment without its chain",
            v6_with(44, &[60, 0, 0, 1, 0, 0, 0, 1, 6, 1, 1, 4, 0, 0, 0, 0]),
            ExtensionHeader,
            Some((3, 0)),
        ),
        (
            "first fragment that ends with its chain",
            v6_with(44, &[60, 0, 0, 1, 0, 0, 0, 1, 6, 0, 1, 4, 0, 0, 0, 0]),
            ExtensionHeader,
            Some((3, 0)),
        ),
        (
            "fragment in a fragment",
            v6_with(44, &[44, 0, 0, 1, 0, 0, 0, 1, 6, 0, 0, 1, 0, 0, 0, 1]),
            ExtensionHeader,
            None,
        ),
    ];
    for (what, bytes, reason, told) in corpus {
        assert_eq!(parse(bytes), Err(*reason), "{what}");
        assert_eq!(problem(bytes).map(|problem| (problem.code, problem.pointer)), *told, "{what}");
    }
}

fn any_address(v6: bool) -> impl Strategy<Value = IpAddr> {
    any::<u128>().prop_map(move |bits| {
        let [.., a, b, c] = bits.to_be_bytes();
        // Addresses that may be sources.
        if v6 { IpAddr::V6((bits >> 8 | 0x20 << 120).into()) } else { IpAddr::V4(Ipv4Addr::new(10, a, b, c)) }
    })
}

prop_compose! {
    fn any_repr()(v6 in any::<bool>())(
        source in any_address(v6), destination in any_address(v6), protocol in prop::sample::select(&[6u8, 17, 58, 1, 132][..]),
        payload_len in 0usize..100, hop_limit in any::<u8>(), ecn in 0u8..4, identification in any::<u16>(), dont_fragment in any::<bool>(),
    ) -> IpRepr {
        IpRepr { source, destination, protocol, payload_len, hop_limit, ecn, identification, dont_fragment }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(repr in any_repr()) {
        let bytes = packet(&repr, &[0xaa; 100][..repr.payload_len]);
        let identification = if repr.source.is_ipv4() { repr.identification } else { 0 };
        prop_assert_eq!(parse(&bytes), Ok(IpPacket {
            source: repr.source,
            destination: repr.destination,
            protocol: repr.protocol,
            header: 0..repr.header_len(),
            payload: repr.header_len()..bytes.len(),
            hop_limit: repr.hop_limit,
            ecn: repr.ecn,
            identification,
            fragment: None,
        }));
    }

    #[test]
    fn arbitrary_octets_never_panic(first: u8, mut bytes in prop::collection::vec(any::<u8>(), 1..120)) {
        bytes[0] = first;
        if let Ok(parsed) = parse(&bytes) {
            prop_assert!(parsed.payload.end <= bytes.len() && parsed.header.end == parsed.payload.start);
        }
        prop_assert_eq!(problem(&bytes).is_some() && parse(&bytes).is_ok(), false);
    }

    #[test]
    fn arbitrary_options_of_ipv4_never_panic(mut options in prop::collection::vec(any::<u8>(), 0..40)) {
        options.truncate(options.len() / 4 * 4);
        if let Ok(parsed) = parse(&v4_with(&options, |_| ())) {
            prop_assert_eq!(parsed.header.end, 20 + options.len());
        }
    }

    #[test]
    fn arbitrary_chains_of_ipv6_never_panic(first in prop::sample::select(&[0u8, 43, 44, 60][..]), headers in prop::collection::vec((prop::sample::select(&[0u8, 6, 43, 44, 60][..]), 0u8..2, any::<[u8; 6]>()), 0..12)) {
        let chain: Vec<u8> = headers.iter().flat_map(|(next, length, rest)| [*next, *length].into_iter().chain(*rest)).collect();
        let bytes = v6_with(first, &chain);
        if let Ok(parsed) = parse(&bytes) {
            prop_assert!(parsed.payload.end == bytes.len() && parsed.header.end <= bytes.len());
        }
    }
}
