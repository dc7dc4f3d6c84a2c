//! UDP.

use super::support::{Answer, Family, SERVICE, udp, udp_packet};
use super::{Case, bad, when};
use linger_proto::DropReason;

const UDP: u8 = 17;

fn of_family(family: Family) -> Vec<Case> {
    use DropReason::{UdpChecksum, UdpNoPort, UdpQueueFull, UdpTruncated};
    let unreachable = match family {
        Family::V4 => Some(Answer::Icmp(3, 3)),
        Family::V6 => Some(Answer::Icmp(1, 4)),
    };
    let good = udp(family, SERVICE, b"question");
    let name = |what: &str| format!("UDP over {family:?}: {what}");
    let mut cases = vec![
        bad(name("nothing"), UdpTruncated, None, family.packet(UDP, &[])),
        bad(name("seven octets"), UdpTruncated, None, family.packet(UDP, &good[..7])),
        bad(name("cut short behind the header"), UdpTruncated, None, family.packet(UDP, &good[..8])),
        bad(name("closed port"), UdpNoPort, unreachable, udp_packet(family, 9, b"hello")),
        bad(name("port zero"), UdpNoPort, unreachable, udp_packet(family, 0, b"hello")),
    ];
    for length in [0u16, 1, 7, 17, 0xffff] {
        let mut datagram = good.clone();
        datagram[4..6].copy_from_slice(&length.to_be_bytes());
        cases.push(bad(name(&format!("length {length}")), UdpTruncated, None, family.packet(UDP, &datagram)));
    }
    for at in [0, 2, 6, 8, 15] {
        let mut datagram = good.clone();
        datagram[at] ^= 0x40;
        let packet = family.packet(UDP, &datagram);
        cases.push(bad(name(&format!("a bit of octet {at} flipped")), UdpChecksum, None, packet));
    }
    cases.push(when(name("queue full"), UdpQueueFull, None, move |rig| {
        let packet = udp_packet(family, SERVICE, &[7; 30_000]);
        for _ in 0..7 {
            rig.hand(packet.clone());
        }
        packet
    }));
    cases
}

pub(crate) fn cases() -> Vec<Case> {
    let mut unsummed = udp(Family::V6, SERVICE, b"question");
    unsummed[6..8].fill(0);
    let name = "UDP over V6: no checksum";
    let unsummed = bad(name, DropReason::UdpChecksum, None, Family::V6.packet(UDP, &unsummed));
    let mut cases = vec![unsummed];
    cases.extend(Family::BOTH.into_iter().flat_map(of_family));
    cases
}
