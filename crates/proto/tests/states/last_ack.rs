//! LAST-ACK (§3.10.7.4): the peer closed first, then we did; our FIN is not acknowledged.

use super::{ACK, FIN_ACK, Scene, URG, in_state, say};
use linger_proto::State::{CloseWait, Closed, LastAck};
use linger_proto::{CloseReason, DropReason};
use std::time::Duration;

fn last_ack(scene: impl Fn(&mut Scene)) {
    in_state(LastAck, scene);
}

// requirement: 9293-SA-LAST-ACK-1
// requirement: 9293-SA-LAST-ACK-8
#[test]
fn fin_again_in_last_ack_is_acked_and_the_state_stays() {
    last_ack(|scene| {
        for _ in 0..20 {
            let reaction = scene.hear(say(FIN_ACK).at(-1).acking(-1));
            reaction.is_acked_and_dropped(DropReason::Duplicate).leads_to(LastAck).ends(None);
        }
        let again = scene.pass(Duration::from_secs(5));
        assert!(!again.is_empty() && again.iter().all(|said| said.header.flags.has(FIN_ACK)));
    });
}

// requirement: 9293-SA-LAST-ACK-5
#[test]
fn ack_of_our_fin_in_last_ack_ends_the_connection_without_time_wait() {
    last_ack(|scene| {
        scene.hear(say(ACK)).is_taken().leads_to(Closed).ends(Some(CloseReason::Graceful));
        assert!(scene.rig.host.snapshot(scene.rig.now).time_wait.is_empty());
        assert!(scene.pass(Duration::from_secs(100)).is_empty());
        scene.hear(say(ACK)).is_reset_at_its_ack();
    });
}

// requirement: 9293-SA-LAST-ACK-5
#[test]
fn ack_of_text_below_our_fin_in_last_ack_counts_and_the_state_stays() {
    in_state(CloseWait, |scene| {
        scene.write(b"last words");
        let now = scene.rig.now;
        let id = scene.peer.id.unwrap();
        scene.rig.host.stream(id).unwrap().shutdown(now).unwrap();
        scene.drain();
        scene.peer.ack += 1;
        scene.hear(say(ACK).acking(-5)).leads_to(LastAck).ends(None);
        assert_eq!(scene.rig.host.info(id).unwrap().in_flight, 5);
        scene.hear(say(ACK).acking(-1)).leads_to(LastAck).ends(None);
        assert_eq!(scene.rig.host.info(id).unwrap().in_flight, 1);
        scene.hear(say(ACK)).leads_to(Closed).ends(Some(CloseReason::Graceful));
    });
}

// requirement: 9293-SA-LAST-ACK-6
// requirement: 9293-SA-LAST-ACK-7
#[test]
fn urgent_bit_and_text_in_last_ack_are_ignored() {
    last_ack(|scene| {
        let reaction = scene.hear(say(ACK.with(URG)).acking(-1).urgent(4).text(b"text"));
        reaction.leads_to(LastAck);
        let mut said = reaction.said;
        said.extend(scene.pass(Duration::from_millis(100)));
        assert!(said.iter().all(|said| said.header.ack == scene.peer.seq), "{said:?}");
        assert_eq!(scene.urgent(), 0);
        assert_eq!(scene.read(), (vec![], Ok(0)));
    });
}

// requirement: 9293-SA-LAST-ACK-8
#[test]
fn fin_beyond_the_first_in_last_ack_moves_nothing() {
    last_ack(|scene| {
        scene.hear(say(FIN_ACK).acking(-1)).leads_to(LastAck);
        scene.hear(say(FIN_ACK).at(5).acking(-1)).leads_to(LastAck);
        scene.hear(say(ACK).at(-100).acking(-1)).is_acked_and_dropped(DropReason::OutOfWindow);
    });
}
