//! FIN-WAIT-1 and FIN-WAIT-2 (§3.10.7.4): we have closed, the peer has not.

use super::{ACK, FIN_ACK, RST, Scene, URG, in_state, say};
use linger_proto::State::{Closed, Closing, Established, FinWait1, FinWait2, TimeWait};
use linger_proto::{CloseReason, DropReason, ReadError, WriteError};
use std::time::Duration;

/// 2*MSL of the default settings.
const TWO_MSL: Duration = Duration::from_secs(60);

fn fin_wait_1(scene: impl Fn(&mut Scene)) {
    in_state(FinWait1, scene);
}

fn fin_wait_2(scene: impl Fn(&mut Scene)) {
    in_state(FinWait2, scene);
}

/// The record of TIME-WAIT goes when 2*MSL are over, and not before; nothing leaves meanwhile.
fn lasts_2_msl(scene: &mut Scene) {
    assert!(scene.pass(TWO_MSL - Duration::from_millis(10)).is_empty(), "no other timer runs");
    assert_eq!(scene.state(), TimeWait);
    assert!(scene.pass(Duration::from_millis(20)).is_empty());
    assert!(scene.is_gone());
}

// requirement: 9293-SA-FIN-WAIT-1-5
#[test]
fn ack_of_our_fin_leads_to_fin_wait_2_and_the_segment_goes_on_there() {
    fin_wait_1(|scene| {
        scene.hear(say(ACK)).is_taken().leads_to(FinWait2);
        assert!(scene.pass(Duration::from_secs(100)).is_empty(), "the FIN is off the queue");
    });
    fin_wait_1(|scene| {
        scene.hear(say(ACK).text(b"text")).leads_to(FinWait2);
        assert_eq!(scene.read().0, b"text");
    });
}

// requirement: 9293-SA-FIN-WAIT-1-10
#[test]
fn ack_of_text_below_our_fin_leaves_fin_wait_1_and_the_fin_goes_out_again() {
    in_state(Established, |scene| {
        scene.write(b"last words");
        let now = scene.rig.now;
        scene.rig.host.stream(scene.peer.id.unwrap()).unwrap().shutdown(now).unwrap();
        assert_eq!(scene.drain().len(), 1);
        scene.peer.ack += 1;
        // Part of the text, then all of it, never the FIN.
        scene.hear(say(ACK).acking(-6)).leads_to(FinWait1);
        scene.hear(say(ACK).acking(-1)).leads_to(FinWait1);
        let again = scene.pass(Duration::from_secs(5));
        assert!(!again.is_empty());
        for said in &again {
            assert_eq!((said.header.flags.has(FIN_ACK), said.text.len()), (true, 0));
            assert_eq!(said.header.seq, scene.peer.ack - 1);
        }
        scene.hear(say(ACK)).leads_to(FinWait2);
    });
}

// requirement: 9293-SA-FIN-WAIT-1-6
// requirement: 9293-SA-FIN-WAIT-2-6
#[test]
fn urgent_text_is_told_though_we_have_closed() {
    for state in [FinWait1, FinWait2] {
        in_state(state, |scene| {
            scene.hear(say(ACK.with(URG)).urgent(4).text(b"text")).wakes_the_reader();
            assert_eq!(scene.urgent(), 4, "{state}");
            assert_eq!(scene.read().0, b"text");
        });
    }
}

// requirement: 9293-SA-FIN-WAIT-1-7
// requirement: 9293-SA-FIN-WAIT-2-7
#[test]
fn text_is_taken_acked_and_read_after_our_fin() {
    for (state, ack) in [(FinWait1, -1), (FinWait2, 0)] {
        in_state(state, |scene| {
            let reaction = scene.hear(say(ACK).acking(ack).text(b"hello"));
            assert_eq!(reaction.dropped, []);
            reaction.leads_to(state).wakes_the_reader();
            let mut said = reaction.said;
            said.extend(scene.pass(Duration::from_millis(100)));
            assert_eq!(said[0].header.ack, scene.peer.seq + 5);
            assert_eq!(scene.read(), (b"hello".to_vec(), Err(ReadError::Blocked)));
        });
    }
}

// requirement: 9293-SA-FIN-WAIT-1-7
// requirement: 9293-SA-FIN-WAIT-2-7
#[test]
fn text_that_nobody_will_read_any_more_is_reset() {
    for state in [FinWait1, FinWait2] {
        in_state(state, |scene| {
            let now = scene.rig.now;
            scene.rig.host.stream(scene.peer.id.unwrap()).unwrap().close(now);
            scene.drain();
            let reaction = scene.hear(say(ACK).text(b"too late"));
            assert_eq!(reaction.dropped, [(DropReason::TextAfterClose, 1)]);
            assert!(reaction.one().header.flags.has(RST));
            assert_eq!(reaction.one().header.seq, scene.peer.ack);
            reaction.leads_to(Closed).ends(Some(CloseReason::Aborted));
        });
    }
}

// requirement: 9293-SA-FIN-WAIT-1-8
#[test]
fn fin_before_the_ack_of_ours_is_acked_and_leads_to_closing() {
    fin_wait_1(|scene| {
        scene.hear(say(FIN_ACK).acking(-1)).acks(1).leads_to(Closing);
    });
    fin_wait_1(|scene| {
        scene.hear(say(FIN_ACK).acking(-1).text(b"bye")).acks(4).leads_to(Closing);
        assert_eq!(scene.read(), (b"bye".to_vec(), Ok(0)));
    });
}

// requirement: 9293-SA-FIN-WAIT-1-9
#[test]
fn fin_with_the_ack_of_ours_leads_to_time_wait_for_2_msl() {
    fin_wait_1(|scene| {
        scene.hear(say(FIN_ACK)).acks(1).leads_to(TimeWait).ends(Some(CloseReason::Graceful));
        lasts_2_msl(scene);
    });
}

// requirement: 9293-SA-FIN-WAIT-2-5
#[test]
fn close_is_done_when_our_fin_is_acknowledged_and_the_connection_stays() {
    fin_wait_2(|scene| {
        let now = scene.rig.now;
        let id = scene.peer.id.unwrap();
        let info = scene.rig.host.info(id).unwrap();
        assert_eq!((info.send_queue, info.in_flight), (0, 0));
        let mut stream = scene.rig.host.stream(id).unwrap();
        assert_eq!(stream.write(now, b"more"), Err(WriteError::Closed));
        scene.hear(say(ACK).window(1234)).is_taken().leads_to(FinWait2).ends(None);
        assert_eq!(scene.rig.host.info(id).unwrap().snd_wnd, 1234);
        // Whoever still holds the stream may wait for the peer as long as it takes.
        scene.pass(Duration::from_secs(7200));
        assert_eq!(scene.state(), FinWait2);
    });
}

// requirement: 9293-SA-FIN-WAIT-2-8
#[test]
fn fin_in_fin_wait_2_is_acked_and_leads_to_time_wait_for_2_msl() {
    fin_wait_2(|scene| {
        scene.hear(say(FIN_ACK)).acks(1).leads_to(TimeWait).ends(Some(CloseReason::Graceful));
        lasts_2_msl(scene);
    });
    fin_wait_2(|scene| {
        // Not in order yet.
        scene.hear(say(FIN_ACK).at(3)).acks(0).leads_to(FinWait2);
        scene.hear(say(ACK).text(b"bye")).acks(4).leads_to(TimeWait);
        assert_eq!(scene.read(), (b"bye".to_vec(), Ok(0)));
        lasts_2_msl(scene);
    });
}
