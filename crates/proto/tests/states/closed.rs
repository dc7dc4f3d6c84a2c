//! CLOSED (§3.10.7.1): nothing is known of the tuple.

use super::{ACK, FIN, FIN_ACK, Flags, RST, SYN, SYN_ACK, Scene, URG, in_state, say};
use linger_proto::DropReason::NoConnection;
use linger_proto::State::Closed;

fn closed(scene: impl Fn(&mut Scene)) {
    in_state(Closed, scene);
}

// requirement: 9293-SA-CLOSED-1
#[test]
fn no_window_is_tested_in_closed_and_whatever_the_numbers_the_state_stays() {
    closed(|scene| {
        for seq in [0, 1, -1, i32::MIN, i32::MAX] {
            scene.hear(say(ACK).at(seq).acking(seq).text(b"text")).is_reset_at_its_ack().leads_to(Closed);
        }
        assert!(scene.rig.host.snapshot(scene.rig.now).connections.is_empty());
    });
}

// requirement: 9293-SA-CLOSED-2
#[test]
fn rst_in_closed_is_dropped_whatever_else_is_set() {
    closed(|scene| {
        for others in [Flags(0), ACK, SYN, FIN, SYN_ACK, URG, Flags(0x3f)] {
            scene.hear(say(RST.with(others)).text(b"text")).is_dropped(NoConnection).leads_to(Closed);
        }
    });
}

// requirement: 9293-SA-CLOSED-4
// requirement: 9293-SA-CLOSED-7
#[test]
fn syn_in_closed_is_reset_by_an_ack_of_itself_and_of_its_text() {
    closed(|scene| {
        scene.hear(say(SYN)).is_reset_acking(1).leads_to(Closed);
        scene.hear(say(SYN).text(b"hello")).is_reset_acking(6).leads_to(Closed);
        scene.hear(say(SYN.with(FIN))).is_reset_acking(2).leads_to(Closed);
    });
}

// requirement: 9293-SA-CLOSED-5
#[test]
fn any_segment_with_ack_in_closed_is_reset_at_its_ack() {
    closed(|scene| {
        for flags in [ACK, SYN_ACK, FIN_ACK, ACK.with(Flags::PSH), SYN_ACK.with(FIN)] {
            for text in [&b""[..], b"text"] {
                scene.hear(say(flags).acking(0x1234_5678).text(text)).is_reset_at_its_ack().leads_to(Closed);
            }
        }
    });
}

// requirement: 9293-SA-CLOSED-6
#[test]
fn urgent_bit_in_closed_alters_nothing_of_the_answer() {
    closed(|scene| {
        scene.hear(say(URG.with(ACK)).acking(77).urgent(9)).is_reset_at_its_ack();
        scene.hear(say(URG.with(SYN)).urgent(9)).is_reset_acking(1);
        scene.hear(say(URG).urgent(9)).is_reset_acking(0);
    });
}

// requirement: 9293-SA-CLOSED-7
#[test]
fn text_in_closed_counts_only_in_the_ack_of_a_reset_for_a_segment_without_one() {
    closed(|scene| {
        scene.hear(say(Flags::PSH).text(b"hello")).is_reset_acking(5);
        scene.hear(say(ACK).acking(9).text(b"hello")).is_reset_at_its_ack();
    });
}

// requirement: 9293-SA-CLOSED-8
#[test]
fn bare_fin_in_closed_is_reset_by_an_ack_of_it_and_of_its_text() {
    closed(|scene| {
        scene.hear(say(FIN)).is_reset_acking(1).leads_to(Closed);
        scene.hear(say(FIN).text(b"bye")).is_reset_acking(4).leads_to(Closed);
    });
}

// requirement: 9293-SA-CLOSED-9
#[test]
fn segment_without_any_control_bit_in_closed_is_reset_by_an_ack_of_its_length() {
    closed(|scene| {
        scene.hear(say(Flags(0))).is_reset_acking(0).leads_to(Closed);
        scene.hear(say(Flags(0)).text(b"text")).is_reset_acking(4).leads_to(Closed);
    });
}
