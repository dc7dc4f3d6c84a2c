//! What a peer echoes of our timestamps while a connection opens: an answer to another handshake opens nothing.

use super::solo::*;
use super::*;
use crate::{DropReason, HostConfig, InterfaceConfig, TcpConfig};

fn val(sent: &Sent) -> u32 {
    sent.header.options.timestamp.unwrap().val
}

/// The peer's SYN, with timestamps.
fn syn() -> Sends {
    seg(Flags::SYN, -1, 0).mss(1000).ts(100, 0)
}

/// Hosts in SYN-RECEIVED, after a passive open and after both sides have opened, and the TSval of the first SYN or SYN-ACK.
fn received() -> [(Solo, u32); 2] {
    let mut passive = Solo::listening(TcpConfig::default());
    let syn_ack = passive.arrives(syn()).remove(0);
    passive.iss = syn_ack.header.seq;
    let (mut active, ours) = Solo::connecting(TcpConfig::default());
    active.arrives(syn());
    let all = [(passive, val(&syn_ack)), (active, val(&ours))];
    assert!(all.iter().all(|(solo, _)| solo.state() == State::SynReceived));
    all
}

fn foreign(solo: &Solo) -> u64 {
    solo.host.counters().drops.get(DropReason::ForeignEcho)
}

// requirement: 9293-SA-SYN-RECEIVED-5
#[test]
fn ack_that_echoes_another_handshake_proves_nothing_and_is_not_answered() {
    for (mut solo, first) in received() {
        let other = [
            first.wrapping_sub(1),
            first.wrapping_sub(10_000),
            first.wrapping_add(1),
            first.wrapping_add(1 << 31),
            first.wrapping_sub((1 << 31) - 1),
        ];
        for (count, echo) in (0..).zip(other) {
            assert!(solo.arrives(ack(0, 0).ts(101, echo)).is_empty(), "{echo}");
            assert!(solo.arrives(text(0, 0, b"old").fin().ts(101, echo)).is_empty(), "{echo}");
            assert_eq!((solo.state(), foreign(&solo)), (State::SynReceived, 2 * count + 2), "{echo}");
        }
        solo.arrives(ack(0, 0).ts(101, first));
        assert_eq!(solo.state(), State::Established);
    }
}

#[test]
fn echo_of_every_syn_ack_from_the_first_to_the_latest_establishes() {
    for turn in 0..4 {
        for (mut solo, first) in received() {
            let mut echoes = vec![first];
            echoes.extend(solo.wait_ms(3_500).iter().map(val));
            assert_eq!(echoes.len(), 3, "two repetitions");
            solo.now += Duration::from_millis(7);
            echoes.extend(solo.arrives(syn()).iter().map(val));
            solo.arrives(ack(0, 0).ts(101, first.wrapping_sub(1)));
            assert_eq!((solo.state(), foreign(&solo)), (State::SynReceived, 1));
            solo.arrives(ack(0, 0).ts(101, echoes[turn]));
            assert_eq!(solo.state(), State::Established, "{turn}");
        }
    }
}

#[test]
fn echo_of_a_challenge_ack_in_syn_received_establishes() {
    for (mut solo, first) in received() {
        solo.now += Duration::from_millis(300);
        let challenge = solo.arrives(seg(Flags::RST, 10, 0)).remove(0);
        assert_eq!((challenge.flags, val(&challenge)), (Flags::ACK, first.wrapping_add(300)));
        solo.arrives(ack(0, 0).ts(101, val(&challenge)));
        assert_eq!(solo.state(), State::Established);
    }
}

#[test]
fn rst_and_repeated_syn_are_heard_whatever_they_echo() {
    for (mut solo, first) in received() {
        let old = first.wrapping_sub(1);
        let again = solo.arrives(seg(Flags::SYN, -1, 0).ts(100, old));
        assert_eq!(again[0].flags, SYN_ACK);
        solo.arrives(seg(RST_ACK, 0, 0).ts(100, old));
        assert!(matches!(solo.state(), State::Listen | State::Closed), "{}", solo.state());
    }
}

#[test]
fn ack_of_nothing_sent_is_reset_whatever_it_echoes() {
    for (mut solo, first) in received() {
        let sent = solo.arrives(ack(0, 5).ts(101, first.wrapping_sub(1)));
        assert_eq!((sent.len(), sent[0].flags, sent[0].seq), (1, Flags::RST, 5));
        assert_eq!(solo.state(), State::SynReceived);
    }
}

// requirement: 7323-14
#[test]
fn echo_means_nothing_where_timestamps_were_not_agreed_on() {
    for tcp in [TcpConfig::default(), plain()] {
        let mut passive = Solo::listening(tcp.clone());
        passive.iss = passive.arrives(seg(Flags::SYN, -1, 0)).remove(0).header.seq;
        let (mut active, _) = Solo::connecting(tcp);
        active.arrives(seg(Flags::SYN, -1, 0));
        for mut solo in [passive, active] {
            solo.arrives(ack(0, 0).ts(101, 1));
            assert_eq!(solo.state(), State::Established);
        }
    }
}

#[test]
fn no_echo_at_all_is_let_pass() {
    for (mut solo, _) in received() {
        solo.arrives(ack(0, 0).ts(101, 0));
        assert_eq!(solo.state(), State::Established);
    }
    let (mut solo, _) = Solo::connecting(TcpConfig::default());
    solo.arrives(seg(SYN_ACK, -1, 0).ts(100, 0));
    assert_eq!(solo.state(), State::Established);
}

fn always(_: &FourTuple) -> SeqNum {
    SeqNum(0x1000_0000)
}

/// What the exploration had found: a late copy of the first SYN draws a SYN-ACK with the listener's own old number, and a copy of
/// the old handshake's ACK proves it.
#[test]
fn copies_of_an_old_handshake_open_no_connection_that_nobody_asked_for() {
    let config = HostConfig { initial_sequence: Some(always), ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default());
    let syn_ack = solo.arrives(syn()).remove(0);
    solo.iss = syn_ack.header.seq;
    let handshakes_ack = ack(0, 0).ts(100, val(&syn_ack));
    solo.arrives(handshakes_ack.clone());
    solo.id = solo.host.accept(solo.listener).unwrap();
    // The peer closes first, so that nothing of the connection is left here.
    solo.arrives(seg(FIN_ACK, 0, 0).ts(101, val(&syn_ack)));
    solo.close();
    solo.arrives(ack(1, 1).ts(101, val(&syn_ack)));
    assert_eq!(solo.state(), State::Listen);
    solo.now += Duration::from_millis(1);
    let again = solo.arrives(syn()).remove(0);
    assert_eq!((again.flags, again.header.seq), (SYN_ACK, solo.iss), "the same number again");
    assert!(solo.arrives(handshakes_ack).is_empty());
    assert_eq!((solo.state(), foreign(&solo)), (State::SynReceived, 1));
    assert_eq!(solo.host.accept(solo.listener), None);
}

// requirement: 9293-SA-SYN-SENT-4
#[test]
fn syn_ack_that_echoes_an_earlier_syn_opens_nothing() {
    let (mut solo, ours) = Solo::connecting(TcpConfig::default());
    for age in [1, 60_000, (1 << 31) - 1] {
        for flags in [SYN_ACK, Flags::ACK, SYN_ACK.with(Flags::FIN)] {
            let sent = solo.arrives(seg(flags, -1, 0).ts(100, val(&ours).wrapping_sub(age)));
            assert!(sent.is_empty(), "{age} {flags:?}");
            assert_eq!(solo.state(), State::SynSent, "{age} {flags:?}");
        }
    }
    assert_eq!(solo.host.counters().drops.get(DropReason::Paws), 9);
    // The first SYN may be what is answered, although it was sent again.
    assert_eq!(solo.wait_ms(1_500)[0].flags, Flags::SYN);
    solo.arrives(seg(SYN_ACK, -1, 0).ts(100, val(&ours)));
    assert_eq!(solo.state(), State::Established);
}

#[test]
fn refusal_in_syn_sent_is_believed_whatever_it_echoes() {
    let (mut solo, ours) = Solo::connecting(TcpConfig::default());
    solo.arrives(seg(RST_ACK, 0, 0).ts(100, val(&ours).wrapping_sub(1)));
    assert_eq!(solo.state(), State::Closed);
}

#[test]
fn syn_ack_of_a_peer_that_opened_too_may_echo_our_syn_and_nothing_earlier() {
    let (mut solo, ours) = Solo::connecting(TcpConfig::default());
    solo.now += Duration::from_millis(40);
    let answer = solo.arrives(syn()).remove(0);
    assert_eq!((answer.flags, val(&answer)), (SYN_ACK, val(&ours).wrapping_add(40)));
    assert!(solo.arrives(seg(SYN_ACK, -1, 0).ts(100, val(&ours).wrapping_sub(1))).is_empty());
    assert_eq!((solo.state(), foreign(&solo)), (State::SynReceived, 1));
    solo.arrives(seg(SYN_ACK, -1, 0).ts(100, val(&ours)));
    assert_eq!(solo.state(), State::Established);
}

#[test]
fn echo_from_before_the_syn_ack_does_not_establish_a_held_syn_that_was_admitted() {
    let mut solo = Solo::listening(TcpConfig::default());
    solo.listener =
        solo.host.listen("0.0.0.0:81".parse().unwrap(), ListenConfig::default().hold(true)).unwrap();
    solo.tuple.local.set_port(81);
    assert!(solo.arrives(syn()).is_empty());
    let id = solo.host.incoming(solo.listener).unwrap().0;
    solo.wait_ms(5_000);
    solo.id = solo.host.admit(solo.now, id).unwrap();
    let answer = solo.sent().remove(0);
    solo.iss = answer.header.seq;
    assert!(solo.arrives(ack(0, 0).ts(101, val(&answer).wrapping_sub(1))).is_empty());
    assert_eq!((solo.state(), foreign(&solo)), (State::SynReceived, 1));
    solo.arrives(ack(0, 0).ts(101, val(&answer)));
    assert_eq!(solo.state(), State::Established);
}
