//! What ICMP says about a path: smaller packets, unreachable hosts, and who is believed.

use super::solo::*;
use super::*;
use crate::CloseReason;

fn briefs(sent: &[Sent]) -> Vec<(i64, usize)> {
    sent.iter().map(|sent| (sent.seq, sent.text.len())).collect()
}

/// An ICMP error of `kind` and `code` that quotes the segment at `seq` of ours.
pub(super) fn icmp(solo: &mut Solo, kind: u8, code: u8, seq: i64, mtu: u16) {
    let offset = u32::from_ne_bytes(i32::try_from(seq).unwrap().to_ne_bytes());
    let header = Header { seq: solo.iss + 1 + offset, flags: Flags::ACK, ..Header::default() };
    let quoted = forge(&solo.tuple, &header, &[0; 8]);
    let mut icmp = vec![kind, code, 0, 0, 0, 0];
    icmp.extend_from_slice(&mtu.to_be_bytes());
    icmp.extend_from_slice(&quoted[..28]);
    let mut sum = crate::wire::checksum::Sum::default();
    sum.add(&icmp);
    let checksum = sum.finish().to_be_bytes();
    icmp[2..4].copy_from_slice(&checksum);
    let mut out: crate::HeaderBytes = crate::HeaderBytes::new();
    ip::emit_header(
        &IpRepr {
            source: "10.0.0.77".parse().unwrap(),
            destination: solo.tuple.local.ip(),
            protocol: ip::PROTOCOL_ICMP,
            payload_len: icmp.len(),
            hop_limit: 64,
            ecn: 0,
            identification: 0,
            dont_fragment: false,
        },
        &mut out,
    );
    let mut bytes = out.to_vec();
    bytes.extend_from_slice(&icmp);
    solo.host.handle_frames(solo.now, InterfaceId(0), &mut [Frame::from(Bytes::from(bytes))].into_iter());
}

fn too_big(solo: &mut Solo, seq: i64, mtu: u16) {
    icmp(solo, 3, 4, seq, mtu);
}

// requirement: 5927-1
// requirement: 5927-8
#[test]
fn path_that_takes_less_gets_what_is_in_flight_again_in_smaller_segments_at_once() {
    let mut solo = Solo::new(plain());
    assert_eq!(solo.write(&[0; 10_000]).len(), 10);
    // Not in flight: not believed.
    too_big(&mut solo, 20_000, 640);
    assert!(solo.sent().is_empty());
    too_big(&mut solo, 0, 640);
    let sent = solo.sent();
    assert_eq!(sent.len(), 17, "all of it, the congestion window lets it");
    assert!(sent.iter().all(|sent| sent.text.len() <= 600));
    assert_eq!(solo.host.info(solo.id).unwrap().cwnd, 10_000);
}

// requirement: 5927-4
// requirement: 5927-8
#[test]
fn second_connection_to_the_same_host_learns_of_the_smaller_path_too() {
    let mut solo = Solo::new(plain());
    let first = (solo.tuple, solo.id, solo.iss);
    solo.tuple.remote.set_port(40_001);
    solo = solo.accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    let second = (solo.tuple, solo.id, solo.iss);
    for (tuple, id, iss) in [first, second] {
        (solo.tuple, solo.id, solo.iss) = (tuple, id, iss);
        solo.write(&[0; 1000]);
        too_big(&mut solo, 0, 640);
        assert_eq!(briefs(&solo.sent())[0], (0, 600));
    }
}

// requirement: 5927-2
// requirement: 9293-MUST-56
#[test]
fn unreachable_is_only_noted_once_synchronized() {
    let mut solo = Solo::new(plain());
    solo.write(b"in flight");
    for code in [0, 1, 2, 3, 5, 13] {
        icmp(&mut solo, 3, code, 0, 0);
    }
    icmp(&mut solo, 11, 0, 0, 0);
    icmp(&mut solo, 12, 0, 0, 0);
    assert!(solo.sent().is_empty());
    assert_eq!(solo.state(), State::Established);
    assert!(solo.events.is_empty());
}

// requirement: 5927-3
// requirement: 9293-SHLD-26
// requirement: 9293-MUST-56
// requirement: 1122-3
#[test]
fn hard_error_ends_an_attempt_to_connect_and_a_soft_one_does_not() {
    for (kind, code, ends) in [(3, 3, true), (3, 2, true), (3, 0, false), (3, 1, false), (11, 0, false)] {
        let (mut solo, _) = Solo::connecting(plain());
        // It must quote our SYN.
        icmp(&mut solo, kind, code, 100, 0);
        assert_eq!(solo.state(), State::SynSent);
        icmp(&mut solo, kind, code, -1, 0);
        solo.sent();
        let expected = [Event::Closed(solo.id, CloseReason::Unreachable)];
        assert_eq!(solo.events, expected[..usize::from(ends)], "{kind} {code}");
    }
}

// requirement: 9293-MUST-55
// requirement: 5927-5
#[test]
fn source_quench_changes_nothing() {
    let mut solo = Solo::new(plain());
    solo.write(b"in flight");
    let before = solo.host.info(solo.id);
    icmp(&mut solo, 4, 0, 0, 0);
    assert!(solo.sent().is_empty());
    assert_eq!(solo.host.info(solo.id), before);
}

#[test]
fn connection_that_opens_later_begins_with_what_is_known_of_the_path() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 1000]);
    too_big(&mut solo, 0, 640);
    solo.tuple.remote.set_port(40_001);
    let solo = solo.accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!(solo.host.info(solo.id).unwrap().mss, 600);
}

#[test]
fn fin_and_its_text_survive_a_path_that_shrinks() {
    let mut solo = Solo::new(plain());
    solo.write(&[7; 1800]);
    solo.shutdown();
    too_big(&mut solo, 0, 640);
    let sent = solo.sent();
    assert_eq!(briefs(&sent), [(0, 600), (600, 600), (1200, 600)]);
    assert!(sent[2].has(Flags::FIN));
    solo.arrives(ack(0, 1801));
    assert_eq!(solo.state(), State::FinWait2);
}

// requirement: 9293-MUST-54
// requirement: 5927-4
#[test]
fn error_acts_on_the_connection_it_quotes_and_on_no_other() {
    let (mut solo, _) = Solo::connecting(plain());
    let first = (solo.tuple, solo.id, solo.iss);
    let remote = SocketAddr::new(address(1, false), 80);
    solo.id = solo.host.connect(solo.now, remote, ConnectConfig::default()).unwrap();
    solo.tuple = solo.host.tuple(solo.id).unwrap();
    solo.iss = solo.sent()[0].header.seq;
    let second = solo.id;
    // A tuple that nobody has, with numbers that somebody has.
    let tuple = solo.tuple;
    solo.tuple.local.set_port(9);
    icmp(&mut solo, 3, 3, -1, 0);
    assert_eq!(solo.host.counters().drops.get(crate::DropReason::IcmpUnrelated), 1);
    // The tuple of the one with the numbers of the other.
    (solo.tuple, solo.iss) = (tuple, first.2);
    icmp(&mut solo, 3, 3, -1, 0);
    assert_eq!(solo.host.counters().drops.get(crate::DropReason::IcmpOutOfFlight), 1);
    solo.sent();
    assert!(solo.events.is_empty());
    (solo.tuple, solo.iss) = (first.0, first.2);
    icmp(&mut solo, 3, 3, -1, 0);
    solo.sent();
    assert_eq!(solo.events, [Event::Closed(first.1, CloseReason::Unreachable)]);
    assert_eq!(solo.host.info(second).unwrap().state, State::SynSent);
}
