//! Nobody can make a host send more than it was sent, or send to others: answers are few, short, and never to answers.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod support;

use bytes::Bytes;
use linger_proto::wire::ip::{self, PROTOCOL_TCP};
use linger_proto::wire::tcp::{Flags, Header};
use linger_proto::{HostConfig, ListenConfig, State};
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;
use support::{
    Answer, Family, HTTP, Peer, Rig, SERVICE, STATES, V4, V6, answer, icmp, icmp_packet, resum, udp,
    udp_packet,
};

/// Octets by which an answer may exceed its question: the headers of an ICMPv6 error; a SYN-ACK's or an RST's own.
const HEADERS: usize = 60;

/// The packet sent back to where it came from, checksums right.
fn reflected(frame: &[u8]) -> Vec<u8> {
    let mut packet = frame.to_vec();
    let (source, destination, length) = if packet[0] >> 4 == 4 { (12, 16, 4) } else { (8, 24, 16) };
    for n in 0..length {
        packet.swap(source + n, destination + n);
    }
    let transport = if packet[0] >> 4 == 4 { 20 } else { 40 };
    let protocol = if packet[0] >> 4 == 4 { packet[9] } else { packet[6] };
    if protocol == PROTOCOL_TCP {
        packet.swap(transport, transport + 2);
        packet.swap(transport + 1, transport + 3);
    }
    resum(&mut packet);
    packet
}

fn is_error(family: Family, answer: Answer) -> bool {
    match (family, answer) {
        (Family::V4, Answer::Icmp(kind, _)) => matches!(kind, 3 | 4 | 5 | 11 | 12),
        (Family::V6, Answer::Icmp(kind, _)) => kind < 128,
        _ => false,
    }
}

/// Whoever made this packet: what it makes the host say must be one frame, short, and not to an answer.
fn check_answer(rig: &mut Rig, family: Family, packet: &[u8]) -> Result<Vec<Bytes>, TestCaseError> {
    let left = rig.hand(packet.to_vec());
    prop_assert!(left.len() <= 1, "{} frames for one", left.len());
    for frame in &left {
        prop_assert!(frame.len() <= packet.len() + HEADERS, "{} octets for {}", frame.len(), packet.len());
        let answer = answer(frame);
        let largest = if family == Family::V4 { 576 } else { 1280 };
        prop_assert!(!is_error(family, answer) || frame.len() <= largest);
        // It goes back where the packet said it came from, and nowhere else.
        let (asked, said) = (ip::parse(packet), ip::parse(frame).unwrap());
        if let Ok(asked) = asked {
            prop_assert_eq!((said.source, said.destination), (asked.destination, asked.source));
        }
    }
    Ok(left)
}

proptest! {
    /// SYN scans, ACK scans, Christmas trees: at any port, in any family.
    #[test]
    fn segment_of_nobody_draws_one_short_answer_and_an_rst_draws_none(
        family in prop::sample::select(&Family::BOTH[..]),
        flags: u8, seq: u32, ack: u32, port in prop::sample::select(&[HTTP, 81, 65535][..]),
        text in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut rig = Rig::new();
        let mut peer = Peer::new(family, 4000, seq & 1 == 0);
        (peer.host_port, peer.seq.0, peer.ack.0) = (port, seq, ack);
        let packet = peer.segment(Flags(flags), &text);
        let left = check_answer(&mut rig, family, &packet)?;
        if Flags(flags).has(Flags::RST) {
            prop_assert!(left.is_empty());
        }
        for frame in left {
            let Answer::Tcp(said) = answer(&frame) else { return Err(TestCaseError::fail("not a segment")) };
            // Our own RST, thrown back at us, ends the conversation.
            if said.has(Flags::RST) {
                prop_assert!(rig.hand(reflected(&frame)).is_empty());
            }
        }
    }

    /// In every state, segments with any numbers and no acknowledgment of text: one answer at most.
    #[test]
    fn segment_of_any_connection_draws_at_most_one_frame(
        state in prop::sample::select(&STATES[..]),
        family in prop::sample::select(&Family::BOTH[..]),
        flags: u8, seq in -70_000i32..70_000, ack in -5i32..70_000, timestamps: bool,
        text in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut rig = Rig::new();
        let peer = Peer::in_state(&mut rig, state, family, 4000, timestamps);
        let exact = peer.header(Flags(flags));
        let header =
            Header { seq: exact.seq + seq.cast_unsigned(), ack: exact.ack + ack.cast_unsigned(), ..exact };
        let left = check_answer(&mut rig, family, &peer.packet(&header, &text))?;
        for frame in left {
            if let Answer::Tcp(said) = answer(&frame) {
                prop_assert!(!(said.has(Flags::RST) && Flags(flags).has(Flags::RST)), "RST answers RST");
            }
        }
    }

    /// Errors of ICMP, true or forged, are never answered, nor are answers to what we say.
    #[test]
    fn icmp_error_draws_no_answer_and_neither_does_an_answer(
        family in prop::sample::select(&Family::BOTH[..]),
        kind: u8, code: u8, word: u32, body in prop::collection::vec(any::<u8>(), 0..200),
        quotes: bool,
    ) {
        let mut rig = Rig::new();
        let body = if quotes { udp_packet(family, 9, &body) } else { body };
        let packet = icmp_packet(family, kind, code, word, &body);
        let left = check_answer(&mut rig, family, &packet)?;
        if is_error(family, Answer::Icmp(kind, code)) {
            prop_assert!(left.is_empty());
        }
        for frame in left {
            prop_assert!(rig.hand(reflected(&frame)).is_empty());
        }
    }

    /// Packets of protocols unknown, ports closed and headers wrong: one error at most, and none about that.
    #[test]
    fn error_about_a_packet_is_one_and_draws_none(
        family in prop::sample::select(&Family::BOTH[..]),
        protocol: u8, payload in prop::collection::vec(any::<u8>(), 0..1400), closed: bool,
    ) {
        let mut rig = Rig::new();
        let packet =
            if closed { udp_packet(family, 9, &payload) } else { family.packet(protocol, &payload) };
        for frame in check_answer(&mut rig, family, &packet)? {
            if is_error(family, answer(&frame)) {
                prop_assert!(rig.hand(reflected(&frame)).is_empty());
            }
        }
    }
}

/// Whatever is sent to a group of hosts is not for this one: an answer would come from all of them at once.
#[test]
fn broadcast_and_multicast_are_never_answered_and_never_a_destination() {
    let payloads = |family: Family| {
        let syn = Peer::new(family, 4000, false).segment(Flags::SYN, b"");
        let echo = if family == Family::V4 { 8 } else { 128 };
        [
            (6, syn[syn.len() - 20..].to_vec()),
            (17, udp(family, 9, b"closed")),
            (17, udp(family, SERVICE, b"open")),
            (family.icmp_protocol(), icmp(family, echo, 0, 1, b"echo")),
            (200, vec![0; 8]),
        ]
    };
    let groups = |family: Family| -> &[&str] {
        match family {
            Family::V4 => {
                &["255.255.255.255", "10.7.0.255", "224.0.0.1", "239.255.0.1", "127.0.0.1", "0.0.0.0"]
            }
            Family::V6 => &["ff02::1", "ff01::1", "ff0e::5", "::1", "::"],
        }
    };
    for family in Family::BOTH {
        for group in groups(family) {
            let group: IpAddr = group.parse().unwrap();
            for (protocol, payload) in payloads(family) {
                // To the group, and from it as if we had spoken to it.
                for (source, destination) in [(family.peer(), group), (group, family.us())] {
                    let mut packet = match family {
                        Family::V4 => V4 { protocol, source, destination, ..V4::default() }.packet(&payload),
                        Family::V6 => V6 { next_header: protocol, source, destination }.packet(&payload),
                    };
                    resum(&mut packet);
                    let mut rig = Rig::new();
                    assert!(rig.hand(packet).is_empty(), "{protocol} from {source} to {destination}");
                    assert_eq!(rig.drops().total(), 1);
                }
            }
        }
    }
}

/// The same host as sender and receiver, and two services that answer each other for ever.
#[test]
fn host_does_not_talk_to_itself() {
    for family in Family::BOTH {
        for (protocol, payload) in [(6, vec![0; 20]), (17, udp(family, SERVICE, b"question"))] {
            let us = family.us();
            let mut packet = match family {
                Family::V4 => V4 { protocol, source: us, ..V4::default() }.packet(&payload),
                Family::V6 => V6 { next_header: protocol, source: us, ..V6::default() }.packet(&payload),
            };
            resum(&mut packet);
            let mut rig = Rig::new();
            assert!(rig.hand(packet).is_empty());
        }
    }
}

/// One SYN and silence: one SYN-ACK and five more, as documented, each no longer than the SYN was.
#[test]
fn silent_syn_draws_six_syn_acks_in_all() {
    let mut rig = Rig::new();
    let peer = Peer::new(Family::V4, 4000, true);
    let syn = peer.syn();
    let mut left = rig.hand(syn.clone());
    left.extend(rig.run_for(Duration::from_secs(200)));
    assert_eq!(left.len(), 6);
    for frame in left {
        assert_eq!(answer(&frame), Answer::Tcp(Flags::SYN.with(Flags::ACK)));
        assert!(frame.len() <= syn.len());
    }
    assert!(rig.host.snapshot(rig.now).connections.is_empty());
}

/// Echo is the one exception to one for one: what came in fragments goes back in fragments, as many octets as came.
#[test]
fn echo_of_a_large_request_goes_back_in_as_many_octets() {
    for (family, request, most) in [(Family::V4, 8, 65_507usize), (Family::V6, 128, 65_000)] {
        let mut rig = Rig::new();
        let message = icmp(family, request, 0, 1, &vec![7; most]);
        let (mut sent, mut left) = (0, Vec::new());
        for (n, part) in message.chunks(1440).enumerate() {
            let offset = u16::try_from(n * 1440).unwrap();
            let more = n * 1440 + part.len() < message.len();
            let fragment = family.fragment(1, offset, more, family.icmp_protocol(), part);
            sent += fragment.len();
            left.extend(rig.hand(fragment));
        }
        let said: usize = left.iter().map(Bytes::len).sum();
        assert!(said > most && said <= sent, "{said} octets for {sent}");
        assert!(left.iter().all(|frame| frame.len() <= 1500));
    }
}

/// A thousand forged segments of every wrong kind: the connection answers ten at once and two a second.
#[test]
fn forged_segments_draw_challenges_at_a_limited_rate() {
    for state in [State::Established, State::FinWait2, State::CloseWait] {
        let mut rig = Rig::with(HostConfig::default(), ListenConfig::default());
        let peer = Peer::in_state(&mut rig, state, Family::V4, 4000, false);
        let mut answers = 0;
        for n in 0..1000u32 {
            let flags = if n % 2 == 0 { Flags::RST } else { Flags::SYN };
            let header = Header { seq: peer.seq + 1 + n % 7, ..peer.header(flags) };
            answers += rig.hand(peer.packet(&header, b"")).len();
            answers += rig.run_for(Duration::from_millis(10)).len();
        }
        assert!((10..=31).contains(&answers), "{answers} answers in ten seconds, in {state}");
        assert_eq!(rig.host.state_of(&peer.tuple()), state);
    }
}
