//! SYN-RECEIVED (§3.10.7.4), after a passive open (a half-open entry) and after both sides have opened at once.

use super::{ACK, FIN, FIN_ACK, Flags, RST, RST_ACK, SYN, SYN_ACK, Scene, URG, WINDOW, in_state, say};
use linger_proto::DropReason::{
    AckMissing, Duplicate, ForeignEcho, OutOfWindow, RstChallenged, RstOutOfWindow, SynChallenged,
    UnacceptableAck,
};
use linger_proto::State::{CloseWait, Closed, Established, Listen, SynReceived};
use linger_proto::{CloseReason, ReadError};
use std::time::Duration;

fn passive(scene: impl Fn(&mut Scene)) {
    in_state(SynReceived, scene);
}

fn active(scene: impl Fn(&mut Scene)) {
    Scene::simultaneous(scene);
}

/// The time after which a half-open connection may answer a suspicious segment again.
const NEXT_CHALLENGE: Duration = Duration::from_millis(500);

// requirement: 9293-SA-SYN-RECEIVED-1
#[test]
fn segment_outside_the_window_in_syn_received_is_acked_and_dropped() {
    let scene = |scene: &mut Scene| {
        for seq in [-2, WINDOW, WINDOW + 1000, i32::MIN] {
            for flags in [ACK, FIN_ACK, SYN] {
                scene.hear(say(flags).at(seq)).is_acked_and_dropped(OutOfWindow).leads_to(SynReceived);
                scene.pass(NEXT_CHALLENGE);
            }
        }
    };
    passive(scene);
    active(scene);
}

// requirement: 9293-SA-SYN-RECEIVED-1
#[test]
fn duplicate_of_the_syn_is_answered_by_the_syn_ack_again() {
    let scene = |scene: &mut Scene| {
        for _ in 0..3 {
            let reaction = scene.hear(say(SYN).at(-1));
            let said = &reaction.one().header;
            assert_eq!((said.flags, said.seq, said.ack), (SYN_ACK, scene.peer.ack - 1, scene.peer.seq));
            assert_eq!(reaction.dropped, [(Duplicate, 1)]);
            reaction.leads_to(SynReceived);
        }
        scene.hear(say(ACK)).leads_to(Established);
    };
    passive(scene);
    active(scene);
}

// requirement: 9293-SA-SYN-RECEIVED-5
#[test]
fn syn_and_ack_of_a_peer_that_opened_too_establishes() {
    active(|scene| {
        scene.hear(say(SYN_ACK).at(-1)).leads_to(Established);
        scene.hear(say(ACK).text(b"text"));
        assert_eq!(scene.read().0, b"text");
    });
}

// requirement: 9293-SA-SYN-RECEIVED-1
#[test]
fn window_edges_in_syn_received_are_those_of_the_four_cases() {
    passive(|scene| {
        scene.hear(say(ACK).at(-4).text(b"text")).is_acked_and_dropped(OutOfWindow);
        scene.pass(NEXT_CHALLENGE);
        scene.hear(say(ACK).at(WINDOW).text(b"text")).is_acked_and_dropped(OutOfWindow).leads_to(SynReceived);
        // The last octet of the window is inside: the handshake's ACK, though its text is early.
        scene.hear(say(ACK).at(WINDOW - 1)).leads_to(Established);
    });
}

// requirement: 9293-SA-SYN-RECEIVED-2
#[test]
fn exact_rst_in_passive_syn_received_leads_back_to_listen_and_nobody_is_told() {
    passive(|scene| {
        let reaction = scene.hear(say(RST));
        reaction.is_taken().leads_to(Listen).ends(None);
        assert_eq!(reaction.events, []);
        assert!(scene.pass(Duration::from_secs(200)).is_empty(), "no SYN-ACK is sent again");
        scene.peer.seq += 1000;
        assert_eq!(scene.hear(say(SYN)).one().header.flags, SYN_ACK, "the listener is alive");
    });
}

// requirement: 9293-SA-SYN-RECEIVED-4
#[test]
fn syn_in_the_window_in_passive_syn_received_leads_back_to_listen() {
    passive(|scene| {
        scene.hear(say(SYN).at(10)).is_dropped(SynChallenged).leads_to(Listen).ends(None);
        assert_eq!(scene.hear(say(SYN).at(10)).one().header.flags, SYN_ACK, "the listener is alive");
    });
}

// requirement: 9293-SA-SYN-RECEIVED-4
#[test]
fn syn_in_the_window_in_active_syn_received_is_challenged() {
    active(|scene| {
        scene.hear(say(SYN).at(10)).is_acked_and_dropped(SynChallenged).leads_to(SynReceived).ends(None);
    });
}

// requirement: 9293-SA-SYN-RECEIVED-5
#[test]
fn segment_without_ack_in_syn_received_is_dropped() {
    let scene = |scene: &mut Scene| {
        for flags in [Flags(0), FIN, URG] {
            scene.hear(say(flags).text(b"text")).is_dropped(AckMissing).leads_to(SynReceived);
        }
    };
    passive(scene);
    active(scene);
}

// requirement: 9293-SA-SYN-RECEIVED-5
#[test]
fn acceptable_ack_in_syn_received_establishes_with_its_window() {
    passive(|scene| {
        scene.hear(say(ACK).window(700)).is_taken().leads_to(Established);
        scene.accept();
        assert_eq!(scene.rig.host.info(scene.peer.id.unwrap()).unwrap().snd_wnd, 700);
        // WL1 and WL2 are this segment's: the same numbers update again, an older one does not.
        scene.hear(say(ACK).window(800));
        assert_eq!(scene.rig.host.info(scene.peer.id.unwrap()).unwrap().snd_wnd, 800);
    });
    active(|scene| {
        scene.hear(say(ACK).window(700)).leads_to(Established);
        assert_eq!(scene.rig.host.info(scene.peer.id.unwrap()).unwrap().snd_wnd, 700);
    });
}

// requirement: 9293-SA-SYN-RECEIVED-5
#[test]
fn ack_in_syn_received_that_echoes_another_handshake_is_dropped_without_a_word() {
    let scene = |scene: &mut Scene| {
        for echo in [-1, -100_000, 1, i32::MIN] {
            for say in [say(ACK), say(ACK).text(b"old"), say(FIN_ACK), say(ACK.with(URG)).urgent(1)] {
                if scene.peer.timestamp.is_some() {
                    scene.hear(say.echoing(echo)).is_dropped(ForeignEcho).leads_to(SynReceived).ends(None);
                }
            }
        }
        scene.hear(say(ACK)).leads_to(Established);
    };
    passive(scene);
    active(scene);
}

// requirement: 9293-SA-SYN-RECEIVED-6
#[test]
fn urgent_bit_on_the_handshakes_ack_counts_and_before_it_does_not() {
    passive(|scene| {
        scene.hear(say(URG).urgent(3).text(b"now")).is_dropped(AckMissing).leads_to(SynReceived);
        scene.hear(say(ACK.with(URG)).urgent(3).text(b"now")).leads_to(Established).wakes_the_reader();
        scene.accept();
        assert_eq!(scene.urgent(), 3);
        assert_eq!(scene.read().0, b"now");
    });
    active(|scene| {
        scene.hear(say(URG).urgent(3).text(b"now")).is_dropped(AckMissing).leads_to(SynReceived);
        assert_eq!(scene.urgent(), 0);
        scene.hear(say(ACK.with(URG)).urgent(3).text(b"now")).leads_to(Established).wakes_the_reader();
        assert_eq!(scene.urgent(), 3);
    });
}

// requirement: 9293-SA-SYN-RECEIVED-7
#[test]
fn text_on_the_handshakes_ack_is_accepted() {
    passive(|scene| {
        scene.hear(say(ACK).text(b"hello")).leads_to(Established);
        scene.accept();
        assert_eq!(scene.read(), (b"hello".to_vec(), Err(ReadError::Blocked)));
    });
    active(|scene| {
        scene.hear(say(ACK).text(b"hello")).acks(5).leads_to(Established);
        assert_eq!(scene.read(), (b"hello".to_vec(), Err(ReadError::Blocked)));
    });
}

// requirement: 9293-SA-SYN-RECEIVED-8
#[test]
fn fin_on_the_handshakes_ack_leads_to_close_wait() {
    passive(|scene| {
        scene.hear(say(FIN_ACK).text(b"bye")).acks(4).leads_to(CloseWait);
        scene.accept();
        assert_eq!(scene.read(), (b"bye".to_vec(), Ok(0)));
    });
    active(|scene| {
        scene.hear(say(FIN_ACK)).acks(1).leads_to(CloseWait);
        assert_eq!(scene.read(), (vec![], Ok(0)));
    });
}

// requirement: 9293-SA-SYN-RECEIVED-9
#[test]
fn exact_rst_in_active_syn_received_refuses() {
    active(|scene| {
        scene.hear(say(RST)).is_taken().leads_to(Closed).ends(Some(CloseReason::Refused));
        assert!(scene.pass(Duration::from_secs(600)).is_empty(), "no SYN-ACK is sent again");
    });
}

// requirement: 9293-SA-SYN-RECEIVED-10
#[test]
fn unacceptable_ack_in_syn_received_is_reset_at_its_ack_and_the_state_stays() {
    let scene = |scene: &mut Scene| {
        // SND.NXT is ISS+1: ISS itself, before it, and beyond.
        for ack in [-1, -1000, 1, 1000] {
            let reaction = scene.hear(say(ACK).acking(ack).text(b"text"));
            reaction.is_reset_at_its_ack().leads_to(SynReceived).ends(None);
            assert_eq!(reaction.dropped, [(UnacceptableAck, 1)]);
        }
        scene.hear(say(ACK)).leads_to(Established);
    };
    passive(scene);
    active(scene);
}

// requirement: 9293-SA-SYN-RECEIVED-11
#[test]
fn rst_elsewhere_in_syn_received_is_challenged_within_the_window_and_dropped_outside() {
    let scene = |scene: &mut Scene| {
        for flags in [RST, RST_ACK] {
            for seq in [1, WINDOW - 1] {
                let reaction = scene.hear(say(flags).at(seq));
                reaction.is_acked_and_dropped(RstChallenged).leads_to(SynReceived).ends(None);
                scene.pass(NEXT_CHALLENGE);
            }
            for seq in [-1, WINDOW, i32::MIN] {
                let reaction = scene.hear(say(flags).at(seq));
                reaction.is_dropped(RstOutOfWindow).leads_to(SynReceived).ends(None);
            }
        }
    };
    passive(scene);
    active(scene);
}
