//! A corpus of bad packets: for every header every way in which it can be wrong. Each case names the one reason that is
//! counted and what the host answers, if it answers at all.
//!
//! - `main`: what is checked of each case, and that the cases reach every [`DropReason`]
//! - `ipv4`, `ipv6`, `fragments`: the network layer
//! - `messages`: ICMP in both families, and the packets that it quotes
//! - `datagrams`: UDP
//! - `segments`: the TCP header and its options, and segments that nobody waits for
//! - `opening`, `synchronized`, `time_wait`: segments that are wrong only for the state they meet

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

#[path = "../support/mod.rs"]
mod support;

mod datagrams;
mod fragments;
mod ipv4;
mod ipv6;
mod messages;
mod opening;
mod segments;
mod synchronized;
mod time_wait;

use linger_proto::wire::tcp::{Flags, Header};
use linger_proto::{DropReason, HostConfig, ListenConfig, ShardMap, Stray};
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Answer, Family, Peer, Rig, answer, icmp_packet, increments, udp_packet};

/// One bad packet.
pub(crate) struct Case {
    name: String,
    reason: DropReason,
    answer: Option<Answer>,
    build: Build,
}

/// Brings the host into the state that a case needs; returns the packet.
type Build = Box<dyn Fn(&mut Rig) -> Vec<u8>>;

/// A case that brings the host into a state first.
pub(crate) fn when(
    name: impl Into<String>,
    reason: DropReason,
    answer: Option<Answer>,
    build: impl Fn(&mut Rig) -> Vec<u8> + 'static,
) -> Case {
    Case { name: name.into(), reason, answer, build: Box::new(build) }
}

/// A packet that is bad whatever state the host is in.
pub(crate) fn bad(
    name: impl Into<String>,
    reason: DropReason,
    answer: Option<Answer>,
    packet: Vec<u8>,
) -> Case {
    when(name, reason, answer, move |_| packet.clone())
}

/// A segment that is wrong for one state: what it is called, how it is counted and answered, its header.
pub(crate) type Row = (&'static str, DropReason, Option<Answer>, fn(&Peer) -> Header);

pub(crate) const RST: Option<Answer> = Some(Answer::Tcp(Flags::RST));
pub(crate) const RST_ACK: Option<Answer> = Some(Answer::Tcp(Flags(0x14)));
pub(crate) const ACK: Option<Answer> = Some(Answer::Tcp(Flags::ACK));
pub(crate) const SYN_ACK: Option<Answer> = Some(Answer::Tcp(Flags(0x12)));

fn corpus() -> Vec<Case> {
    let mut cases = ipv4::cases();
    cases.extend(ipv6::cases());
    cases.extend(fragments::cases());
    cases.extend(messages::cases());
    cases.extend(datagrams::cases());
    cases.extend(segments::cases());
    cases.extend(opening::cases());
    cases.extend(synchronized::cases());
    cases.extend(time_wait::cases());
    cases
}

// requirement: 9293-MUST-7
// requirement: 9293-MUST-57
// requirement: 1122-1
// requirement: 1122-2
#[test]
fn every_bad_packet_is_counted_once_under_its_reason_and_answered_as_its_case_says() {
    let mut wrong = Vec::new();
    for Case { name, reason, answer: expected, build } in corpus() {
        let mut rig = Rig::new();
        let packet = build(&mut rig);
        let before = rig.host.counters().clone();
        let left = rig.hand(packet.clone());
        let after = rig.host.counters().clone();
        let counted = increments(&before.drops, &after.drops);
        let answers: Vec<Answer> = left.iter().map(|frame| answer(frame)).collect();
        if counted != [(reason, 1)] || answers != Vec::from_iter(expected) {
            wrong.push(format!("{name}: {counted:?} {answers:?}, not {reason:?} {expected:?}"));
        }
        assert_eq!(after.frames_in, before.frames_in + 1, "{name}");
        // No answer is worth much more than the question: at most a header around what came.
        for frame in left {
            assert!(frame.len() <= packet.len().max(60) + 48, "{name}: {} for {}", frame.len(), packet.len());
        }
        rig.assert_alive();
        rig.assert_no_busy_loop();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_bad_packet_in_turn_leaves_one_host_alive() {
    let mut rig = Rig::new();
    for case in corpus() {
        let mut elsewhere = Rig::new();
        let packet = (case.build)(&mut elsewhere);
        let before = rig.drops().total();
        rig.hand(packet);
        assert!(rig.drops().total() <= before + 2, "{}", case.name);
        rig.assert_alive();
    }
}

/// RFC 1122 §3.3.2, RFC 8200 §4.5.
#[test]
fn fragments_whose_rest_does_not_come_are_counted_when_their_time_is_over_and_the_sender_of_a_first_one_is_told()
 {
    for (family, seconds) in [(Family::V4, 30), (Family::V6, 60)] {
        let mut rig = Rig::new();
        let first = family.fragment(1, 0, true, 17, &[0; 64]);
        rig.hand(first.clone());
        rig.hand(family.fragment(2, 64, true, 17, &[0; 64]));
        assert_eq!(rig.drops().total(), 0);
        rig.run_for(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(rig.drops().total(), 0);
        let left = rig.run_for(Duration::from_millis(1));
        assert_eq!(Vec::from_iter(rig.drops().iter()), [(DropReason::FragmentTimeout, 2)]);
        let [error] = &left[..] else { panic!("{left:?}") };
        let (kind, header) = if family == Family::V4 { (11, 20) } else { (3, 40) };
        assert_eq!((error[header], error[header + 1]), (kind, 1), "time exceeded, in reassembly");
        assert_eq!(error[header + 8..], first[..], "it quotes the first fragment");
        assert_eq!(rig.host.poll_timeout(), None);
    }
}

#[test]
fn echo_requests_are_of_no_use_to_a_host_that_has_echo_switched_off() {
    let mut rig = Rig::with(HostConfig { echo: false, ..HostConfig::default() }, ListenConfig::default());
    for (family, request) in [(Family::V4, 8), (Family::V6, 128)] {
        assert!(rig.hand(icmp_packet(family, request, 0, 1, b"echo")).is_empty());
    }
    assert_eq!(Vec::from_iter(rig.drops().iter()), [(DropReason::IcmpUnknown, 2)]);
}

#[test]
fn datagram_for_another_shard_that_finds_no_room_on_its_way_is_counted_where_it_landed() {
    let map = ShardMap::new(2, 32768..=60999);
    let mut rig = Rig::new();
    // Nobody is bound to either, but odd ports are the other's.
    rig.host.join(map, 0);
    rig.hand(udp_packet(Family::V4, 9, b"hello"));
    rig.hand(udp_packet(Family::V4, 10, b"hello"));
    let strays: Vec<_> = std::iter::from_fn(|| rig.host.poll_stray()).collect();
    assert_eq!(strays.iter().map(Stray::to).collect::<Vec<_>>(), [1]);
    strays.into_iter().for_each(|stray| rig.host.stray_lost(stray));
    assert_eq!(rig.drops().get(DropReason::HandOverFull), 1);
    assert_eq!(rig.drops().total(), 2);
}

#[test]
fn segment_for_nobody_is_met_in_silence_while_the_host_is_quiet() {
    let strays: Vec<_> =
        corpus().into_iter().filter(|case| case.reason == DropReason::NoConnection).collect();
    assert!(strays.len() > 1);
    for case in strays {
        let config = HostConfig { quiet_time: Duration::from_secs(120), ..HostConfig::default() };
        let mut rig = Rig::with(config, ListenConfig::default());
        let packet = (case.build)(&mut rig);
        assert!(rig.hand(packet).is_empty(), "{}", case.name);
        assert_eq!(rig.drops().get(DropReason::QuietTime), 1, "{}", case.name);
    }
}

/// A reason that nothing can reach is a promise that nobody keeps.
#[test]
fn the_cases_reach_every_reason_there_is() {
    let mut reached: BTreeSet<&str> = corpus().iter().map(|case| case.reason.text()).collect();
    // By `fragments_whose_rest_does_not_come_are_counted_when_their_time_is_over`: no packet, the passing of time.
    reached.insert(DropReason::FragmentTimeout.text());
    // By `datagram_for_another_shard_that_finds_no_room_on_its_way_is_counted_where_it_landed`: no fault of a packet.
    reached.insert(DropReason::HandOverFull.text());
    // By `segment_for_nobody_is_met_in_silence_while_the_host_is_quiet`: no packet, the host's youth.
    reached.insert(DropReason::QuietTime.text());
    let missing: Vec<_> = DropReason::ALL.iter().filter(|reason| !reached.contains(reason.text())).collect();
    assert!(missing.is_empty(), "no case reaches {missing:?}");
}

#[test]
fn names_and_texts_are_unique() {
    let names: BTreeSet<String> = corpus().into_iter().map(|case| case.name).collect();
    assert_eq!(names.len(), corpus().len());
    let texts: BTreeSet<&str> = DropReason::ALL.iter().map(|reason| reason.text()).collect();
    assert_eq!(texts.len(), DropReason::ALL.len());
}
