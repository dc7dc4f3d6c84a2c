//! CLOSING (§3.10.7.4): both FINs have crossed, ours is not acknowledged.

use super::{ACK, FIN_ACK, Scene, URG, in_state, say};
use linger_proto::DropReason;
use linger_proto::State::{Closing, TimeWait};
use std::time::Duration;

fn closing(scene: impl Fn(&mut Scene)) {
    in_state(Closing, scene);
}

// requirement: 9293-SA-CLOSING-1
// requirement: 9293-SA-CLOSING-8
#[test]
fn fin_again_in_closing_is_acked_and_ours_is_still_sent_again() {
    closing(|scene| {
        for _ in 0..20 {
            let reaction = scene.hear(say(FIN_ACK).at(-1).acking(-1));
            reaction.is_acked_and_dropped(DropReason::Duplicate).leads_to(Closing);
        }
        let again = scene.pass(Duration::from_secs(5));
        assert!(!again.is_empty());
        for said in again {
            assert!(said.header.flags.has(FIN_ACK));
            assert_eq!((said.header.seq, said.header.ack), (scene.peer.ack - 1, scene.peer.seq));
        }
    });
}

// requirement: 9293-SA-CLOSING-5
#[test]
fn ack_of_our_fin_in_closing_leads_to_time_wait_for_2_msl_and_another_to_nothing() {
    closing(|scene| {
        scene.hear(say(ACK).acking(-1)).is_taken().leads_to(Closing);
        scene.hear(say(ACK)).is_taken().leads_to(TimeWait);
        assert!(scene.pass(Duration::from_millis(59_990)).is_empty(), "no other timer runs");
        assert_eq!(scene.state(), TimeWait);
        scene.pass(Duration::from_millis(20));
        assert!(scene.is_gone());
    });
}

// requirement: 9293-SA-CLOSING-6
// requirement: 9293-SA-CLOSING-7
#[test]
fn urgent_bit_and_text_in_closing_are_ignored() {
    closing(|scene| {
        let reaction = scene.hear(say(ACK.with(URG)).acking(-1).urgent(4).text(b"text"));
        reaction.leads_to(Closing);
        let mut said = reaction.said;
        said.extend(scene.pass(Duration::from_millis(100)));
        assert!(said.iter().all(|said| said.header.ack == scene.peer.seq), "{said:?}");
        assert_eq!(scene.urgent(), 0);
        assert_eq!(scene.read(), (vec![], Ok(0)));
    });
}

// requirement: 9293-SA-CLOSING-8
#[test]
fn fin_beyond_the_first_in_closing_moves_nothing() {
    closing(|scene| {
        scene.hear(say(FIN_ACK).acking(-1)).leads_to(Closing);
        scene.hear(say(FIN_ACK).at(5).acking(-1)).leads_to(Closing);
        scene.hear(say(ACK).at(-100).acking(-1)).is_acked_and_dropped(DropReason::OutOfWindow);
    });
}
