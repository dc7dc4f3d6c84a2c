//! ICMP and ICMPv6, and the packets that their errors quote.

use super::support::{Family, Peer, V4, V6, icmp, icmp_packet, udp};
use super::{Case, bad, when};
use linger_proto::wire::tcp::Flags;
use linger_proto::{DropReason, SeqNum};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Type and code of "packet too big", "port unreachable" and "time exceeded".
fn errors(family: Family) -> [(u8, u8); 3] {
    match family {
        Family::V4 => [(3, 4), (3, 3), (11, 0)],
        Family::V6 => [(2, 0), (1, 4), (3, 0)],
    }
}

/// A packet of ours, as a router would quote it.
fn quote(family: Family, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match family {
        Family::V4 => {
            V4 { protocol, source: family.us(), destination: family.peer(), ..V4::default() }.packet(payload)
        }
        Family::V6 => {
            V6 { next_header: protocol, source: family.us(), destination: family.peer() }.packet(payload)
        }
    }
}

/// The first eight octets of a segment of ours.
fn quoted_segment(ports: (u16, u16), seq: SeqNum) -> Vec<u8> {
    [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &seq.0.to_be_bytes()].concat()
}

fn headers(family: Family) -> Vec<Case> {
    use DropReason::{IcmpChecksum, IcmpRateLimited, IcmpTruncated, IcmpUnknown};
    let name = |what: &str| format!("ICMP over {family:?}: {what}");
    let (request, reply) = if family == Family::V4 { (8, 0) } else { (128, 129) };
    let protocol = family.icmp_protocol();
    let good = icmp(family, request, 0, 0x0001_0001, b"echo");
    let mut cases = vec![
        bad(name("nothing"), IcmpTruncated, None, family.packet(protocol, &[])),
        bad(name("one octet"), IcmpTruncated, None, family.packet(protocol, &good[..1])),
        bad(name("seven octets"), IcmpTruncated, None, family.packet(protocol, &good[..7])),
        bad(name("cut short"), IcmpChecksum, None, family.packet(protocol, &good[..11])),
        bad(name("a reply to nothing"), IcmpUnknown, None, icmp_packet(family, reply, 0, 1, b"echo")),
        bad(name("unreachable for an unknown reason"), IcmpUnknown, None, {
            let (kind, _) = errors(family)[1];
            icmp_packet(family, kind, 99, 0, &quote(family, UDP, &[0; 8]))
        }),
        bad(name("time exceeded for an unknown reason"), IcmpUnknown, None, {
            let (kind, _) = errors(family)[2];
            icmp_packet(family, kind, 2, 0, &quote(family, UDP, &[0; 8]))
        }),
        when(name("a flood of echo requests"), IcmpRateLimited, None, move |rig| {
            let packet = icmp_packet(family, request, 0, 1, b"echo");
            for n in 0..1000 {
                assert_eq!(rig.hand(packet.clone()).len(), 1, "{n}");
            }
            packet
        }),
    ];
    for at in [0, 2, 4, 9] {
        let mut message = good.clone();
        message[at] ^= 0x20;
        let packet = family.packet(protocol, &message);
        cases.push(bad(name(&format!("a bit of octet {at} flipped")), IcmpChecksum, None, packet));
    }
    let unknown: &[u8] = match family {
        Family::V4 => &[4, 5, 9, 10, 13, 17, 30, 255],
        Family::V6 => &[0, 5, 100, 127, 138, 200, 255],
    };
    for &kind in unknown {
        let packet = icmp_packet(family, kind, 0, 0, &[0; 32]);
        cases.push(bad(name(&format!("type {kind}")), IcmpUnknown, None, packet));
    }
    cases
}

/// Errors that quote nothing of use.
fn unrelated(family: Family) -> Vec<Case> {
    use DropReason::{IcmpTruncated, IcmpUnrelated};
    let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
    let segment = quoted_segment((80, 4000), SeqNum(1));
    let ours = quote(family, TCP, &segment);
    let transport_at = ours.len() - segment.len();
    let mut bad_length = ours.clone();
    bad_length[0] = 0x44;
    let mut theirs = ours.clone();
    let source_at = if family == Family::V4 { 15 } else { 23 };
    theirs[source_at] = 1;
    let quotes: Vec<(&str, DropReason, Vec<u8>)> = vec![
        ("nothing", IcmpTruncated, Vec::new()),
        ("half a header", IcmpTruncated, ours[..transport_at / 2].to_vec()),
        ("a header alone", IcmpTruncated, ours[..transport_at].to_vec()),
        ("ports without a sequence number", IcmpTruncated, ours[..transport_at + 7].to_vec()),
        ("the other family", IcmpTruncated, quote(other, TCP, &segment)),
        ("no version", IcmpTruncated, vec![0; 64]),
        ("a packet of somebody else", IcmpUnrelated, theirs),
        ("a segment of no connection", IcmpUnrelated, ours),
        ("a datagram of no socket", IcmpUnrelated, quote(family, UDP, &udp(family, 4000, b""))),
        ("another protocol", IcmpUnrelated, quote(family, 200, &[0; 8])),
        ("an echo request", IcmpUnrelated, quote(family, family.icmp_protocol(), &[8, 0, 0, 0, 0, 0, 0, 0])),
    ];
    let mut cases = Vec::new();
    for (kind, code) in errors(family) {
        for (what, reason, quote) in &quotes {
            let name = format!("ICMP over {family:?}: type {kind}.{code} quotes {what}");
            cases.push(bad(name, *reason, None, icmp_packet(family, kind, code, 1400, quote)));
        }
        if family == Family::V4 {
            let name = format!("ICMP over V4: type {kind}.{code} quotes a header of four words");
            cases.push(bad(name, IcmpTruncated, None, icmp_packet(family, kind, code, 1400, &bad_length)));
        }
        let later = match family {
            Family::V4 => V4 { field: 3, source: family.us(), ..V4::default() }.packet(&segment),
            Family::V6 => {
                let header = super::support::fragment_v6(TCP, 1, 24, false);
                quote(family, 44, &[&header[..], &segment].concat())
            }
        };
        let name = format!("ICMP over {family:?}: type {kind}.{code} quotes a later fragment");
        cases.push(bad(name, IcmpTruncated, None, icmp_packet(family, kind, code, 1400, &later)));
    }
    cases
}

/// Errors about a connection of ours, but not about anything that it has in flight (RFC 5927 §4).
fn out_of_flight(family: Family) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, code) in errors(family) {
        let about = move |peer: &Peer, seq| {
            let segment = quoted_segment((peer.host_port, peer.port), seq);
            icmp_packet(family, kind, code, 1400, &quote(family, TCP, &segment))
        };
        let name = |what: &str| format!("ICMP over {family:?}: type {kind}.{code} about {what}");
        cases.push(when(name("a connection that is idle"), DropReason::IcmpOutOfFlight, None, move |rig| {
            let peer = Peer::open(rig, family, 4000, true);
            about(&peer, peer.ack)
        }));
        let reason = DropReason::IcmpOutOfFlight;
        cases.push(when(name("an octet before those in flight"), reason, None, move |rig| {
            let peer = Peer::open(rig, family, 4000, true);
            let id = peer.id.unwrap();
            assert_eq!(rig.host.stream(id).unwrap().write(rig.now, b"text"), Ok(4));
            assert_eq!(rig.drain().len(), 1);
            about(&peer, peer.ack - 1)
        }));
        cases.push(when(name("an octet behind those in flight"), reason, None, move |rig| {
            let peer = Peer::open(rig, family, 4000, true);
            let id = peer.id.unwrap();
            assert_eq!(rig.host.stream(id).unwrap().write(rig.now, b"text"), Ok(4));
            assert_eq!(rig.drain().len(), 1);
            about(&peer, peer.ack + 4)
        }));
    }
    let (kind, code) = errors(family)[1];
    let name = format!("ICMP over {family:?}: type {kind}.{code} about a SYN that we did not send");
    cases.push(when(name, DropReason::IcmpOutOfFlight, None, move |rig| {
        let peer = Peer::called(rig, family, 4000, true);
        // The peer expects what follows on our SYN.
        let segment = quoted_segment((peer.host_port, peer.port), peer.ack);
        icmp_packet(family, kind, code, 0, &quote(family, TCP, &segment))
    }));
    cases
}

/// An error that is about to be sent, and one too many.
fn rate_limited() -> Case {
    when("the fifty-first error in one instant", DropReason::NoConnection, super::RST_ACK, |rig| {
        for n in 0..60 {
            let left = rig.hand(Family::V4.packet(UDP, &udp(Family::V4, 9, b"closed")));
            assert_eq!(left.len(), usize::from(n < 50), "{n}");
        }
        let drops = rig.drops();
        assert_eq!(drops.get(DropReason::UdpNoPort), 60);
        assert_eq!(
            drops.get(DropReason::IcmpRateLimited),
            10,
            "each answer that was withheld is counted too"
        );
        // TCP has its own answers, which that limit does not touch.
        let mut stranger = Peer::new(Family::V4, 4000, false);
        stranger.host_port = 81;
        stranger.packet(&stranger.header(Flags::SYN), b"")
    })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![rate_limited()];
    for family in Family::BOTH {
        cases.extend(headers(family));
        cases.extend(unrelated(family));
        cases.extend(out_of_flight(family));
    }
    cases
}
