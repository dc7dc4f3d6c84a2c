//! SYN-SENT (§3.10.7.3). `peer.ack` stands behind our SYN: at ISS+1, which is SND.NXT.

use super::{ACK, FIN, FIN_ACK, Flags, RST, RST_ACK, SYN, SYN_ACK, Scene, URG, in_state, say};
use linger_proto::DropReason::{NoSyn, Paws, RstOutOfWindow, UnacceptableAck};
use linger_proto::State::{CloseWait, Closed, Established, SynReceived, SynSent};
use linger_proto::{CloseReason, Event, ReadError, SeqNum};
use std::time::Duration;

fn syn_sent(scene: impl Fn(&mut Scene)) {
    in_state(SynSent, scene);
}

/// Longest wait for the first repetition of a SYN: one second, and what the clock of the timers adds.
const SYN_AGAIN: Duration = Duration::from_millis(1100);

// requirement: 9293-SA-SYN-SENT-1
#[test]
fn number_of_a_segment_in_syn_sent_is_not_tested() {
    for seq in [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        syn_sent(|scene| {
            scene.peer.seq = SeqNum(seq);
            scene.hear(say(SYN_ACK)).acks(1).leads_to(Established);
        });
    }
}

// requirement: 9293-SA-SYN-SENT-2
#[test]
fn rst_that_acknowledges_the_syn_refuses_and_one_without_ack_is_dropped() {
    syn_sent(|scene| {
        scene.hear(say(RST)).is_dropped(RstOutOfWindow).leads_to(SynSent).ends(None);
        scene.hear(say(RST.with(SYN))).is_dropped(RstOutOfWindow).leads_to(SynSent).ends(None);
        scene.hear(say(RST_ACK)).is_taken().leads_to(Closed).ends(Some(CloseReason::Refused));
        assert!(scene.pass(Duration::from_secs(600)).is_empty(), "nothing is sent after the end");
    });
}

// requirement: 9293-SA-SYN-SENT-13
#[test]
fn rst_in_syn_sent_is_believed_for_its_ack_whatever_its_number() {
    for seq in [0, 1, i32::MAX, i32::MIN] {
        syn_sent(|scene| {
            scene.hear(say(RST_ACK).at(seq)).is_taken().leads_to(Closed).ends(Some(CloseReason::Refused));
        });
    }
}

// requirement: 9293-SA-SYN-SENT-4
#[test]
fn syn_with_acceptable_ack_establishes_and_is_acknowledged_and_our_syn_is_not_sent_again() {
    syn_sent(|scene| {
        let reaction = scene.hear(say(SYN_ACK));
        reaction.acks(1).leads_to(Established);
        assert!(reaction.events.contains(&Event::Connected(scene.peer.id.unwrap())));
        scene.peer.seq += 1;
        assert!(scene.pass(Duration::from_secs(100)).is_empty(), "the SYN is off the queue");
        scene.hear(say(ACK).text(b"text"));
        assert_eq!(scene.read().0, b"text", "RCV.NXT is behind the SYN");
    });
}

// requirement: 9293-SA-SYN-SENT-4
#[test]
fn syn_ack_that_echoes_an_earlier_syn_is_dropped_without_a_word() {
    syn_sent(|scene| {
        for echo in [-1, -100_000] {
            if scene.peer.timestamp.is_some() {
                scene.hear(say(SYN_ACK).echoing(echo)).is_dropped(Paws).leads_to(SynSent).ends(None);
            }
        }
        scene.hear(say(SYN_ACK)).acks(1).leads_to(Established);
    });
}

// requirement: 9293-SA-SYN-SENT-4
#[test]
fn syn_ack_that_echoes_nothing_establishes_whatever_our_clock_says() {
    syn_sent(|scene| {
        let mut header = scene.peer.header(SYN_ACK);
        if let Some(timestamp) = &mut header.options.timestamp {
            timestamp.ecr = 0;
        }
        scene.hear_header(&header, b"").acks(1).leads_to(Established);
    });
}

// requirement: 9293-SA-SYN-SENT-5
#[test]
fn unacceptable_ack_in_syn_sent_is_reset_at_its_ack_and_the_syn_is_sent_again_in_its_time() {
    syn_sent(|scene| {
        scene.pass(Duration::from_millis(900));
        for flags in [ACK, SYN_ACK, FIN_ACK] {
            // ISS, before it, and beyond SND.NXT.
            for ack in [-1, -1000, 1, 1000] {
                let reaction = scene.hear(say(flags).acking(ack).text(b"text"));
                reaction.is_reset_at_its_ack().leads_to(SynSent).ends(None);
                assert_eq!(reaction.dropped, [(UnacceptableAck, 1)]);
            }
        }
        let again = scene.pass(SYN_AGAIN - Duration::from_millis(900));
        assert_eq!(again.iter().map(|said| said.header.flags).collect::<Vec<_>>(), [SYN]);
    });
}

// requirement: 9293-SA-SYN-SENT-6
#[test]
fn urgent_bit_on_a_syn_ack_is_handled_once_established() {
    syn_sent(|scene| {
        // The pointer counts from SEG.SEQ, which is the SYN's.
        let reaction = scene.hear(say(SYN_ACK.with(URG)).urgent(4).text(b"now"));
        reaction.acks(4).leads_to(Established).wakes_the_reader();
        assert_eq!(scene.urgent(), 3);
        assert_eq!(scene.read().0, b"now");
        assert_eq!(scene.urgent(), 0);
    });
}

// requirement: 9293-SA-SYN-SENT-7
#[test]
fn text_on_a_syn_ack_is_taken_with_one_ack_for_both() {
    syn_sent(|scene| {
        scene.hear(say(SYN_ACK).text(b"hello")).acks(6).leads_to(Established);
        assert_eq!(scene.read(), (b"hello".to_vec(), Err(ReadError::Blocked)));
    });
}

// requirement: 9293-SA-SYN-SENT-7
#[test]
fn text_on_a_bare_syn_waits_until_the_connection_is_established() {
    syn_sent(|scene| {
        let reaction = scene.hear(say(SYN).text(b"hello"));
        reaction.leads_to(SynReceived);
        assert_eq!(scene.read(), (vec![], Err(ReadError::Blocked)));
        scene.peer.seq += 1;
        // What was not acknowledged with the SYN comes again.
        let taken = reaction.one().header.ack.since(scene.peer.seq);
        assert!(taken == 0 || taken == 5);
        scene.hear(say(ACK)).leads_to(Established);
        scene.hear(say(ACK).text(b"hello"));
        assert_eq!(scene.read().0, b"hello");
    });
}

// requirement: 9293-SA-SYN-SENT-8
#[test]
fn fin_in_syn_sent_counts_only_on_an_acceptable_syn_ack() {
    syn_sent(|scene| {
        scene.hear(say(FIN)).is_dropped(NoSyn).leads_to(SynSent);
        scene.hear(say(FIN_ACK)).is_dropped(NoSyn).leads_to(SynSent);
        scene.hear(say(SYN_ACK.with(FIN))).acks(2).leads_to(CloseWait).wakes_the_reader();
        assert_eq!(scene.read(), (vec![], Ok(0)));
    });
}

// requirement: 9293-SA-SYN-SENT-9
#[test]
fn bare_syn_in_syn_sent_is_answered_by_syn_and_ack_at_iss() {
    syn_sent(|scene| {
        let reaction = scene.hear(say(SYN).window(500));
        let said = reaction.one();
        assert_eq!((said.header.flags, said.text.len()), (SYN_ACK, 0));
        assert_eq!((said.header.seq, said.header.ack), (scene.peer.ack - 1, scene.peer.seq + 1));
        reaction.leads_to(SynReceived).ends(None);
        scene.peer.seq += 1;
        scene.hear(say(ACK).window(500)).leads_to(Established);
        assert_eq!(scene.rig.host.info(scene.peer.id.unwrap()).unwrap().snd_wnd, 500);
    });
}

// requirement: 9293-SA-SYN-SENT-10
#[test]
fn rst_with_an_unacceptable_ack_in_syn_sent_is_dropped_and_nothing_is_sent() {
    syn_sent(|scene| {
        for ack in [-1, -1000, 1, 1000] {
            for flags in [RST_ACK, RST_ACK.with(SYN)] {
                scene.hear(say(flags).acking(ack)).is_dropped(UnacceptableAck).leads_to(SynSent).ends(None);
            }
        }
    });
}

// requirement: 9293-SA-SYN-SENT-11
#[test]
fn acceptable_ack_without_syn_in_syn_sent_is_dropped_without_a_reply() {
    syn_sent(|scene| {
        scene.hear(say(ACK)).is_dropped(NoSyn).leads_to(SynSent);
        scene.hear(say(ACK).text(b"text")).is_dropped(NoSyn).leads_to(SynSent);
        scene.hear(say(Flags(0))).is_dropped(NoSyn).leads_to(SynSent);
    });
}
