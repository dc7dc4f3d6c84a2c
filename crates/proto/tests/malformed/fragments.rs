//! Fragments of both families, and what is wrong with the packet that they make.

use super::support::{Answer, Family, Rig, V4, extension, fragment_v6, udp};
use super::{Case, bad, when};
use linger_proto::{DropReason, HostConfig, ListenConfig};

const UDP: u8 = 17;
const ERRONEOUS_FIELD: Option<Answer> = Some(Answer::Icmp(4, 0));

/// Fragments of packet 1, given as offset, length and whether more follow; the last of them is the bad one.
fn sequence(family: Family, name: &str, reason: DropReason, parts: &'static [(u16, usize, bool)]) -> Case {
    when(format!("{family:?} fragments: {name}"), reason, None, move |rig| {
        let mut frames: Vec<Vec<u8>> = parts
            .iter()
            .map(|&(offset, length, more)| family.fragment(1, offset, more, UDP, &vec![7; length]))
            .collect();
        let last = frames.pop().unwrap();
        for frame in frames {
            rig.hand(frame);
        }
        last
    })
}

fn of_family(family: Family) -> Vec<Case> {
    use DropReason::{FragmentLimit, FragmentMalformed};
    vec![
        sequence(family, "overlap of the front", FragmentMalformed, &[(8, 16, true), (0, 16, true)]),
        sequence(family, "overlap of the end", FragmentMalformed, &[(0, 16, true), (8, 16, true)]),
        sequence(family, "one within another", FragmentMalformed, &[(0, 64, true), (16, 8, true)]),
        sequence(family, "one around another", FragmentMalformed, &[(16, 8, true), (0, 64, true)]),
        sequence(
            family,
            "behind an overlap the rest is refused",
            FragmentMalformed,
            &[(0, 16, true), (8, 16, true), (24, 8, false)],
        ),
        sequence(family, "two ends", FragmentMalformed, &[(16, 8, false), (32, 8, false)]),
        sequence(family, "more behind the end", FragmentMalformed, &[(16, 8, false), (32, 8, true)]),
        sequence(family, "an end before what is here", FragmentMalformed, &[(32, 8, true), (16, 8, false)]),
        when(format!("{family:?} fragments: one too many"), FragmentLimit, None, move |rig| {
            let mut frames = (0..129u16).map(|n| family.fragment(1, n * 16, true, UDP, &[7; 8]));
            for _ in 0..128 {
                rig.hand(frames.next().unwrap());
            }
            frames.next().unwrap()
        }),
        when(format!("{family:?} fragments: larger than the bound"), FragmentLimit, None, move |rig| {
            let config = HostConfig { reassembly_max: 100, ..HostConfig::default() };
            *rig = Rig::with(config, ListenConfig::default());
            family.fragment(1, 0, true, UDP, &[7; 64])
        }),
        when(format!("{family:?} fragments: the oldest makes room"), FragmentLimit, None, move |rig| {
            let config = HostConfig { reassembly_max: 900, ..HostConfig::default() };
            *rig = Rig::with(config, ListenConfig::default());
            rig.hand(family.fragment(1, 0, true, UDP, &[7; 400]));
            family.fragment(2, 0, true, UDP, &[7; 400])
        }),
        when(
            format!("{family:?} fragments: the whole has a bad checksum"),
            DropReason::UdpChecksum,
            None,
            move |rig| {
                let mut datagram = udp(family, 53, b"0123456789abcdef");
                datagram[20] ^= 1;
                rig.hand(family.fragment(1, 0, true, UDP, &datagram[..16]));
                family.fragment(1, 16, false, UDP, &datagram[16..])
            },
        ),
        when(
            format!("{family:?} fragments: the whole is a segment cut short"),
            DropReason::TcpTruncated,
            None,
            move |rig| {
                // Sixteen octets whose sum with any pseudo-header is made right by their last word but one.
                let mut segment = vec![0; 16];
                let sum = super::support::transport_sum(family.peer(), family.us(), 6, &segment);
                segment[12..14].copy_from_slice(&sum);
                rig.hand(family.fragment(1, 0, true, 6, &segment[..8]));
                family.fragment(1, 8, false, 6, &segment[8..])
            },
        ),
        when(
            format!("{family:?} fragments: the whole is of an unknown protocol"),
            DropReason::UnknownProtocol,
            Some(match family {
                Family::V4 => Answer::Icmp(3, 2),
                Family::V6 => Answer::Icmp(4, 1),
            }),
            move |rig| {
                rig.hand(family.fragment(1, 8, false, 200, &[7; 8]));
                family.fragment(1, 0, true, 200, &[7; 8])
            },
        ),
    ]
}

fn v4() -> Vec<Case> {
    use DropReason::FragmentMalformed;
    let fragment = |offset, more, length: usize| Family::V4.fragment(1, offset, more, UDP, &vec![7; length]);
    vec![
        bad("IPv4 fragment without an octet", FragmentMalformed, None, fragment(0, true, 0)),
        bad("last IPv4 fragment without an octet", FragmentMalformed, None, fragment(8, false, 0)),
        bad("IPv4 fragment of nine octets", FragmentMalformed, None, fragment(0, true, 9)),
        bad("IPv4 fragment past 65,535 octets", FragmentMalformed, None, fragment(65_528, false, 8)),
        bad("IPv4 fragment one octet past the end", FragmentMalformed, None, fragment(65_512, false, 4)),
        bad("IPv4: all of a ping of death", FragmentMalformed, None, fragment(65_120, false, 1480)),
        when("IPv4 fragments: ECN of some and not of others", FragmentMalformed, None, |rig| {
            let fragment = V4 { service: 0b10, field: 0x2000, protocol: UDP, ..V4::default() };
            rig.hand(fragment.packet(&[7; 8]));
            V4 { service: 0, field: 1, ..fragment }.packet(&[7; 8])
        }),
    ]
}

fn v6() -> Vec<Case> {
    use DropReason::{ExtensionHeader, FragmentMalformed};
    let fragment = |offset, more, length: usize| Family::V6.fragment(1, offset, more, UDP, &vec![7; length]);
    vec![
        bad("last IPv6 fragment without an octet", FragmentMalformed, None, fragment(8, false, 0)),
        bad("IPv6 fragment of nine octets", FragmentMalformed, ERRONEOUS_FIELD, fragment(8, true, 9)),
        bad(
            "IPv6 fragment past 65,535 octets",
            FragmentMalformed,
            ERRONEOUS_FIELD,
            fragment(65_528, false, 8),
        ),
        when("IPv6 fragments: the whole has a bad extension header", ExtensionHeader, None, |rig| {
            let bad_option = extension(UDP, &[0x40, 4, 0, 0, 0, 0]);
            rig.hand(Family::V6.fragment(1, 0, true, 60, &[&bad_option[..], &[7; 8]].concat()));
            Family::V6.fragment(1, 16, false, 60, &[7; 8])
        }),
        when("IPv6 fragments: the whole is a fragment", ExtensionHeader, None, |rig| {
            let inner = fragment_v6(UDP, 9, 64, true);
            let later = Family::V6.fragment(1, 8, false, 44, &[7; 8]);
            rig.hand(later);
            Family::V6.fragment(1, 0, true, 44, &inner)
        }),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    [of_family(Family::V4), of_family(Family::V6), v4(), v6()].into_iter().flatten().collect()
}
