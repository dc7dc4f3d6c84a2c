use super::test_packets::{checksums_fit, tcp};
use super::*;
use proptest::prelude::*;
use std::num::NonZeroU16;

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 % 251) as u8).collect()
}

/// Sequence number, flags, text of a TCP packet.
fn parts(packet: &[u8]) -> (u32, u8, &[u8]) {
    let start = Layout::of(packet).expect("a packet").start;
    let tcp = &packet[start..];
    (u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]), tcp[13], &tcp[20..])
}

#[test]
fn a_super_segment_is_cut_into_packets_that_carry_the_same_text() {
    for version in [4, 6] {
        let whole = text(10_001);
        let frame = tcp(version, &whole, 1000);
        let packets: Vec<Bytes> = segment(&frame).map(|packet| packet.to_bytes()).collect();
        assert_eq!(packets.len(), 11);
        let mut joined = Vec::new();
        for packet in &packets {
            let (seq, _, text) = parts(packet);
            assert_eq!(seq, 0xffff_fff0u32.wrapping_add(joined.len() as u32));
            assert!(checksums_fit(packet));
            joined.extend_from_slice(text);
            let length = if version == 4 {
                usize::from(u16::from_be_bytes([packet[2], packet[3]]))
            } else {
                40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))
            };
            assert_eq!(length, packet.len());
        }
        assert_eq!(joined, whole);
    }
}

#[test]
fn fin_and_psh_stay_with_the_last_packet_and_cwr_with_the_first() {
    let frame = tcp(4, &text(2500), 1000);
    let flags: Vec<u8> = segment(&frame).map(|packet| parts(&packet.to_bytes()).1).collect();
    assert_eq!(flags, [0x90, 0x10, 0x19]);
}

#[test]
fn the_ipv4_identification_advances_by_one_and_wraps() {
    let frame = tcp(4, &text(2500), 1000);
    let ids: Vec<u16> = segment(&frame).map(|p| u16::from_be_bytes([p.header[4], p.header[5]])).collect();
    assert_eq!(ids, [0xfffe, 0xffff, 0]);
}

#[test]
fn a_frame_that_fits_comes_out_whole_with_a_complete_checksum() {
    let frame = tcp(6, &text(999), 1000);
    let packets: Vec<Transmit> = segment(&frame).collect();
    assert_eq!(packets.len(), 1);
    assert_eq!((packets[0].checksum, packets[0].segment_size), (Checksum::Unknown, None));
    assert!(checksums_fit(&packets[0].to_bytes()));
}

#[test]
fn completing_a_checksum_in_one_piece_and_in_many_gives_the_same_octets() {
    for length in [0, 1, 2, 3, 1459, 1460] {
        let mut frame = tcp(4, &text(length), 1460);
        let mut packet = frame.to_bytes().to_vec();
        complete(&mut packet, frame.checksum);
        complete_transmit(&mut frame);
        assert_eq!(frame.to_bytes(), packet);
        assert!(checksums_fit(&packet));
    }
}

#[test]
fn a_checksum_field_beyond_the_packet_is_left_alone() {
    let mut packet = [0x45; 24];
    complete(&mut packet, Checksum::Partial { start: 20, offset: 16 });
    assert_eq!(packet, [0x45; 24]);
}

#[test]
fn a_udp_checksum_of_zero_is_sent_as_all_ones() {
    let mut packet = [0u8; 28];
    packet[0] = 0x45;
    packet[20..24].copy_from_slice(&[0xff, 0xff, 0, 0]);
    complete(&mut packet, Checksum::Partial { start: 20, offset: 6 });
    assert_eq!(packet[26..28], [0xff, 0xff]);
}

#[test]
fn a_received_super_segment_splits_into_headers_and_text_without_copying() {
    let sent = tcp(6, &text(3000), 1440);
    let frame = frame_from_transmit(&sent);
    let split = transmit_from_frame(&frame);
    assert_eq!(split.header, sent.header);
    assert_eq!(split.text[0].as_ptr(), frame.bytes[60..].as_ptr());
    assert_eq!(split.segment_size, NonZeroU16::new(1440));
    assert_eq!(segment(&split).count(), 3);
}

#[test]
fn octets_that_are_no_packet_pass_through_as_text() {
    for bytes in [&b""[..], b"\x45", b"\x60\x00", b"\x00nonsense", &[0x4f; 30]] {
        let frame = Frame { segment_size: NonZeroU16::new(8), ..Frame::from(Bytes::copy_from_slice(bytes)) };
        let split = transmit_from_frame(&frame);
        let out: Vec<Bytes> = segment(&split).map(|packet| packet.to_bytes()).collect();
        assert_eq!(out, [bytes]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn making_a_checksum_partial_and_completing_it_again_changes_nothing() {
    let mut frame = tcp(4, &text(5000), 1000);
    complete_transmit(&mut frame);
    let before = frame.to_bytes();
    assert!(make_partial(&mut frame));
    assert_ne!(frame.to_bytes(), before);
    complete_transmit(&mut frame);
    assert_eq!(frame.to_bytes(), before);
}

proptest! {
    /// Whatever a peer or a kernel hands over: no panic, and not an octet of text lost or made up.
    #[test]
    fn no_octets_and_no_metadata_can_break_the_cutting(
        mut octets in proptest::collection::vec(any::<u8>(), 0..3000),
        first in prop_oneof![Just(0x45u8), Just(0x60), any::<u8>()],
        protocol in prop_oneof![Just(TCP), Just(UDP), any::<u8>()],
        (start, offset, size) in (0..200u16, any::<u16>(), 0..1500u16),
    ) {
        for (at, value) in [(0, first), (6, if first == 0x60 { protocol } else { 0 }), (7, 0), (9, protocol)] {
            if let Some(octet) = octets.get_mut(at) {
                *octet = value;
            }
        }
        let frame = Frame {
            bytes: octets.clone().into(),
            checksum: Checksum::Partial { start, offset: offset % 64 },
            segment_size: NonZeroU16::new(size),
        };
        let split = transmit_from_frame(&frame);
        prop_assert_eq!(split.to_bytes(), &octets);
        let text: Vec<u8> = segment(&split).flat_map(|packet| packet.text.concat()).collect();
        let count = segment(&split).count();
        prop_assert!(count == 1 || text == split.text.concat());
        let mut whole = split;
        complete_transmit(&mut whole);
        prop_assert_eq!(whole.to_bytes(), completed(frame).bytes);
    }
}
