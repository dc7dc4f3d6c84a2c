use super::*;
use crate::Secret;
use crate::ip::outbox::Outbox;
use crate::wire::ip::{PROTOCOL_TCP, PROTOCOL_UDP, parse};
use crate::{InterfaceId, Transmit};
use proptest::prelude::*;

const NOW: Instant = Instant::ZERO;

fn repr(v6: bool, ecn: u8) -> IpRepr {
    let (source, destination) = if v6 { ("fd07::1", "fd07::2") } else { ("10.7.0.1", "10.7.0.2") };
    IpRepr {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: PROTOCOL_UDP,
        payload_len: 0,
        hop_limit: 61,
        ecn,
        identification: 0,
        dont_fragment: false,
    }
}

/// The fragments of one packet, as the outbox cuts it.
fn fragments(v6: bool, mtu: u16, payload: &[u8]) -> Vec<Bytes> {
    let mut outbox = Outbox::new(&Secret::from_bytes([9; 32]));
    assert!(outbox.send(InterfaceId(0), mtu, &repr(v6, 0), &[], &Bytes::copy_from_slice(payload)));
    let mut out = Transmit::default();
    core::iter::from_fn(|| outbox.pop(&mut out).then(|| out.to_bytes())).collect()
}

/// How many packets lacked only fragments when their time was over.
fn expire(reassembly: &mut Reassembly, now: Instant) -> u32 {
    let mut late = 0;
    reassembly.handle_timeout(now, |_| late += 1);
    late
}

/// One fragment, made by hand.
fn fragment(v6: bool, identification: u16, offset: u16, more: bool, text: &[u8], ecn: u8) -> Bytes {
    let mut header = ArrayVec::new();
    let repr = IpRepr { identification, payload_len: text.len(), ..repr(v6, ecn) };
    if v6 {
        let repr = IpRepr { payload_len: 8 + text.len(), protocol: 44, ..repr };
        emit_header(&repr, &mut header);
        let [o0, o1] = (offset | u16::from(more)).to_be_bytes();
        let [i0, i1] = identification.to_be_bytes();
        header.try_extend_from_slice(&[PROTOCOL_UDP, 0, o0, o1, 0, 0, i0, i1]).unwrap();
    } else {
        crate::wire::ip::emit_with_flags(&repr, offset >> 3 | u16::from(more) << 13, &mut header);
    }
    [&header[..], text].concat().into()
}

fn give(reassembly: &mut Reassembly, bytes: &Bytes) -> Result<Option<Bytes>, DropReason> {
    reassembly.handle(NOW, InterfaceId(0), &parse(bytes).unwrap(), bytes)
}

fn empty(reassembly: &Reassembly) -> bool {
    reassembly.octets == 0 && reassembly.partials.is_empty() && reassembly.poll_timeout().is_none()
}

#[test]
fn fragments_in_reverse_order_make_the_packet_again() {
    for v6 in [false, true] {
        let payload: Vec<u8> = (0..3000u16).flat_map(u16::to_be_bytes).collect();
        let mut reassembly = Reassembly::new(1 << 20);
        let mut fragments = fragments(v6, 1280, &payload);
        let last = fragments.remove(0);
        for fragment in fragments.iter().rev() {
            assert_eq!(give(&mut reassembly, fragment), Ok(None));
        }
        let whole = give(&mut reassembly, &last).unwrap().unwrap();
        let parsed = parse(&whole).unwrap();
        assert_eq!((parsed.fragment, parsed.protocol, parsed.hop_limit), (None, PROTOCOL_UDP, 61));
        assert_eq!(parsed.header.len(), repr(v6, 0).header_len());
        assert_eq!(&whole[parsed.payload], payload);
        assert!(empty(&reassembly));
    }
}

#[test]
fn packet_that_is_no_fragment_passes() {
    let whole = fragments(false, 1500, b"whole").remove(0);
    let mut reassembly = Reassembly::new(0);
    assert_eq!(give(&mut reassembly, &whole), Ok(Some(whole.clone())));
}

#[test]
fn duplicate_of_a_fragment_is_ignored_in_silence() {
    for v6 in [false, true] {
        let mut reassembly = Reassembly::new(1 << 20);
        for _ in 0..3 {
            assert_eq!(give(&mut reassembly, &fragment(v6, 1, 0, true, &[1; 8], 0)), Ok(None));
        }
        assert!(give(&mut reassembly, &fragment(v6, 1, 8, false, b"end", 0)).unwrap().is_some());
        assert!(empty(&reassembly));
    }
}

#[test]
fn overlap_of_one_octet_ends_the_packet_and_what_is_still_to_come() {
    for v6 in [false, true] {
        let overlapping = [
            fragment(v6, 1, 8, true, &[2; 16], 0),  // begins inside
            fragment(v6, 1, 0, true, &[2; 24], 0),  // ends inside
            fragment(v6, 1, 16, true, &[2; 8], 0),  // same place, other text
            fragment(v6, 1, 16, true, &[1; 16], 0), // same place, longer
        ];
        for overlap in overlapping {
            let mut reassembly = Reassembly::new(1 << 20);
            assert_eq!(give(&mut reassembly, &fragment(v6, 1, 16, true, &[1; 8], 0)), Ok(None));
            assert_eq!(give(&mut reassembly, &overlap), Err(DropReason::FragmentMalformed));
            for rest in [fragment(v6, 1, 0, true, &[1; 16], 0), fragment(v6, 1, 24, false, b"end", 0)] {
                assert_eq!(give(&mut reassembly, &rest), Err(DropReason::FragmentMalformed));
            }
            assert_eq!(reassembly.octets, 0);
            assert_eq!(expire(&mut reassembly, NOW + TIMEOUT_V6), 0, "counted when it was refused");
            assert!(empty(&reassembly));
            assert_eq!(give(&mut reassembly, &fragment(v6, 1, 0, true, &[1; 16], 0)), Ok(None));
        }
    }
}

#[test]
fn fragments_that_disagree_about_the_end_are_refused() {
    let first_last = |a: Bytes, b: Bytes| {
        let mut reassembly = Reassembly::new(1 << 20);
        assert_eq!(give(&mut reassembly, &a), Ok(None));
        assert_eq!(give(&mut reassembly, &b), Err(DropReason::FragmentMalformed));
    };
    first_last(fragment(false, 1, 16, false, b"end", 0), fragment(false, 1, 24, true, &[1; 8], 0));
    first_last(fragment(false, 1, 16, false, b"end", 0), fragment(false, 1, 8, false, b"end", 0));
    first_last(fragment(false, 1, 24, true, &[1; 8], 0), fragment(false, 1, 8, false, b"end", 0));
}

#[test]
fn fragments_that_cannot_be_right_alone_are_refused() {
    let mut reassembly = Reassembly::new(1 << 20);
    for bad in [
        fragment(false, 1, 0, true, b"odd", 0),
        fragment(false, 1, 8, true, b"", 0),
        fragment(true, 1, 8, false, b"", 0),
        fragment(false, 1, 65_512, false, b"beyond", 0),
    ] {
        assert_eq!(give(&mut reassembly, &bad), Err(DropReason::FragmentMalformed));
    }
    assert!(empty(&reassembly));
    assert_eq!(give(&mut reassembly, &fragment(false, 1, 65_512, false, b"end", 0)), Ok(None));
}

#[test]
fn packets_are_told_apart_by_addresses_protocol_and_identification() {
    let mut reassembly = Reassembly::new(1 << 20);
    let first = fragment(false, 1, 0, true, &[1; 8], 0);
    assert_eq!(give(&mut reassembly, &first), Ok(None));
    let last = fragment(false, 1, 8, false, b"end", 0);
    let parsed = parse(&last).unwrap();
    let others = [
        IpPacket { protocol: PROTOCOL_TCP, ..parsed.clone() },
        IpPacket { source: "10.7.0.9".parse().unwrap(), ..parsed.clone() },
        IpPacket { destination: "10.7.0.9".parse().unwrap(), ..parsed.clone() },
    ];
    for other in &others {
        assert_eq!(reassembly.handle(NOW, InterfaceId(0), other, &last), Ok(None));
    }
    assert_eq!(give(&mut reassembly, &fragment(false, 2, 8, false, b"end", 0)), Ok(None));
    assert!(reassembly.handle(NOW, InterfaceId(0), &parsed, &last).unwrap().is_some());
}

#[test]
fn only_the_first_fragment_of_ipv6_names_the_protocol() {
    let mut reassembly = Reassembly::new(1 << 20);
    let last = fragment(true, 1, 8, false, b"end", 0);
    let parsed = IpPacket { protocol: PROTOCOL_TCP, ..parse(&last).unwrap() };
    assert_eq!(reassembly.handle(NOW, InterfaceId(0), &parsed, &last), Ok(None));
    let whole = give(&mut reassembly, &fragment(true, 1, 0, true, &[1; 8], 0)).unwrap().unwrap();
    assert_eq!(parse(&whole).unwrap().protocol, PROTOCOL_UDP);
}

#[test]
fn rest_must_come_within_30_seconds_in_ipv4_and_60_in_ipv6() {
    let mut reassembly = Reassembly::new(1 << 20);
    let (v4, v6) = (fragment(false, 1, 0, true, &[1; 8], 0), fragment(true, 1, 0, true, &[1; 8], 0));
    assert_eq!(give(&mut reassembly, &v6), Ok(None));
    assert_eq!(give(&mut reassembly, &v4), Ok(None));
    assert_eq!(reassembly.poll_timeout(), Some(NOW + TIMEOUT_V4));
    assert_eq!(expire(&mut reassembly, NOW + Duration::from_millis(29_999)), 0);
    assert_eq!(expire(&mut reassembly, NOW + Duration::from_secs(30)), 1);
    assert_eq!(reassembly.poll_timeout(), Some(NOW + TIMEOUT_V6));
    assert_eq!(expire(&mut reassembly, NOW + Duration::from_secs(60)), 1);
    assert!(empty(&reassembly));
}

#[test]
fn oldest_packet_makes_room_when_octets_run_out() {
    let text = [1; 1000];
    let piece = fragment(false, 0, 0, true, &text, 0);
    let max = u32::try_from(3 * (piece.len() + OVERHEAD)).unwrap();
    let mut reassembly = Reassembly::new(max);
    for n in 0..10 {
        assert_eq!(give(&mut reassembly, &fragment(false, n, 0, true, &text, 0)), Ok(None));
        assert!(reassembly.octets <= reassembly.octets_max);
    }
    assert_eq!((reassembly.take_evicted(), reassembly.take_evicted()), (7, 0));
    assert_eq!(
        give(&mut reassembly, &fragment(false, 6, 1000, false, b"end", 0)),
        Ok(None),
        "it was evicted"
    );
    assert!(give(&mut reassembly, &fragment(false, 9, 1000, false, b"end", 0)).unwrap().is_some());
    let huge = fragment(false, 99, 0, true, &[0; 4000], 0);
    assert_eq!(give(&mut reassembly, &huge), Err(DropReason::FragmentLimit));
}

#[test]
fn packets_under_way_are_bounded() {
    let mut reassembly = Reassembly::new(u32::MAX);
    let max = u16::try_from(PACKETS_MAX).unwrap();
    for n in 0..max + 5 {
        assert_eq!(give(&mut reassembly, &fragment(false, n, 0, true, &[1; 8], 0)), Ok(None));
    }
    assert_eq!((reassembly.partials.len(), reassembly.take_evicted()), (PACKETS_MAX, 5));
    assert!(give(&mut reassembly, &fragment(false, 5, 8, false, b"end", 0)).unwrap().is_some());
}

#[test]
fn packet_in_too_many_pieces_is_given_up() {
    let mut reassembly = Reassembly::new(u32::MAX);
    let max = u16::try_from(FRAGMENTS_MAX).unwrap();
    for n in 0..max {
        assert_eq!(give(&mut reassembly, &fragment(false, 1, n * 8, true, &[1; 8], 0)), Ok(None));
    }
    let one_more = give(&mut reassembly, &fragment(false, 1, max * 8, true, &[1; 8], 0));
    assert_eq!((one_more, reassembly.octets), (Err(DropReason::FragmentLimit), 0));
}

#[test]
fn congestion_seen_by_one_fragment_was_seen_by_the_packet() {
    let together = |a: u8, b: u8| {
        let mut reassembly = Reassembly::new(1 << 20);
        assert_eq!(give(&mut reassembly, &fragment(false, 1, 0, true, &[1; 8], a)), Ok(None));
        let whole = give(&mut reassembly, &fragment(false, 1, 8, false, b"end", b));
        assert!(empty(&reassembly));
        whole.map(|whole| parse(&whole.unwrap()).unwrap().ecn)
    };
    assert_eq!(
        (together(0, 0), together(1, 1), together(2, 2), together(3, 3)),
        (Ok(0), Ok(1), Ok(2), Ok(3))
    );
    assert_eq!((together(2, 3), together(3, 1)), (Ok(3), Ok(3)));
    assert_eq!(
        (together(0, 3), together(0, 2)),
        (Err(DropReason::FragmentMalformed), Err(DropReason::FragmentMalformed))
    );
}

proptest! {
    #[test]
    fn any_packet_survives_fragmentation_and_any_order(
        v6: bool, mtu in 1280u16..2000, length in 1usize..20_000, order in prop::collection::vec(any::<prop::sample::Index>(), 64)
    ) {
        let payload: Vec<u8> = (0..=250u8).cycle().take(length).collect();
        let mut left = fragments(v6, mtu, &payload);
        let mut reassembly = Reassembly::new(1 << 20);
        let mut whole = None;
        for place in order {
            if left.is_empty() {
                break;
            }
            let next = left.swap_remove(place.index(left.len()));
            prop_assert!(whole.is_none());
            whole = give(&mut reassembly, &next).unwrap();
            if whole.is_none() {
                prop_assert_eq!(give(&mut reassembly, &next), Ok(None)); // what comes twice changes nothing
            }
        }
        let whole = whole.unwrap();
        let parsed = parse(&whole).unwrap();
        prop_assert_eq!(&whole[parsed.payload], &payload[..]);
        prop_assert!(empty(&reassembly));
    }

    #[test]
    fn arbitrary_fragments_never_panic_and_never_pass_the_bound(
        pieces in prop::collection::vec((any::<bool>(), 0u16..3, 0u16..12, any::<bool>(), 0usize..40, 0u8..4), 0..60)
    ) {
        let mut reassembly = Reassembly::new(1000);
        for (v6, identification, offset, more, length, ecn) in pieces {
            let bytes = fragment(v6, identification, offset * 8, more, &[5; 40][..length], ecn);
            if let Ok(packet) = parse(&bytes) {
                let _ = reassembly.handle(NOW, InterfaceId(0), &packet, &bytes);
            }
            let sum: usize = reassembly.partials.iter().map(|partial| partial.octets).sum();
            prop_assert!(reassembly.octets == sum && sum <= 1000);
        }
        expire(&mut reassembly, NOW + TIMEOUT_V6);
        prop_assert!(empty(&reassembly));
    }
}
