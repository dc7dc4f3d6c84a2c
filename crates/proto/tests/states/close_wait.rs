//! CLOSE-WAIT (§3.10.7.4): the peer has closed, our application has not. RCV.NXT stands behind the FIN.

use super::{ACK, FIN_ACK, Scene, URG, in_state, say};
use linger_proto::State::CloseWait;
use linger_proto::{DropReason, Event};
use std::time::Duration;

fn close_wait(scene: impl Fn(&mut Scene)) {
    in_state(CloseWait, scene);
}

// requirement: 9293-SA-CLOSE-WAIT-1
// requirement: 9293-SA-CLOSE-WAIT-8
#[test]
fn fin_again_in_close_wait_is_acked_and_counts_once() {
    close_wait(|scene| {
        for _ in 0..20 {
            scene.hear(say(FIN_ACK).at(-1)).is_acked_and_dropped(DropReason::Duplicate).leads_to(CloseWait);
        }
        assert_eq!(scene.read(), (vec![], Ok(0)));
    });
}

// requirement: 9293-SA-CLOSE-WAIT-8
#[test]
fn fin_beyond_the_first_in_close_wait_moves_nothing() {
    close_wait(|scene| {
        scene.hear(say(FIN_ACK)).leads_to(CloseWait);
        scene.hear(say(FIN_ACK).at(5)).leads_to(CloseWait);
        // RCV.NXT is where it was.
        scene.hear(say(ACK).at(-100)).is_acked_and_dropped(DropReason::OutOfWindow);
    });
}

// requirement: 9293-SA-CLOSE-WAIT-5
#[test]
fn our_text_goes_on_in_close_wait_its_acks_count_and_windows_are_taken() {
    close_wait(|scene| {
        scene.write(b"first");
        scene.write(b"second");
        scene.hear(say(ACK).acking(-6).window(900)).is_taken().leads_to(CloseWait);
        let info = scene.rig.host.info(scene.peer.id.unwrap()).unwrap();
        assert_eq!((info.in_flight, info.snd_wnd), (6, 900));
        let again = scene.pass(Duration::from_secs(1));
        assert!(!again.is_empty() && again.iter().all(|said| said.text == b"second"));
        scene.hear(say(ACK)).is_taken();
        assert!(scene.pass(Duration::from_secs(100)).is_empty());
    });
}

// requirement: 9293-SA-CLOSE-WAIT-6
#[test]
fn urgent_bit_in_close_wait_is_ignored() {
    close_wait(|scene| {
        let reaction = scene.hear(say(ACK.with(URG)).urgent(9));
        reaction.is_taken().leads_to(CloseWait);
        assert!(!reaction.events.iter().any(|event| matches!(event, Event::Readable(_))));
        assert_eq!(scene.urgent(), 0);
    });
}

// requirement: 9293-SA-CLOSE-WAIT-7
#[test]
fn text_beyond_the_fin_is_never_read_and_not_acknowledged() {
    close_wait(|scene| {
        let reaction = scene.hear(say(ACK).text(b"after the end"));
        reaction.leads_to(CloseWait);
        let mut said = reaction.said;
        said.extend(scene.pass(Duration::from_secs(1)));
        assert!(said.iter().all(|said| said.header.ack == scene.peer.seq), "{said:?}");
        assert_eq!(scene.read(), (vec![], Ok(0)));
    });
}
