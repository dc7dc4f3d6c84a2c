//! What the synchronized states have in common (§3.10.7.4): the window, RST, SYN, and the bit ACK.

use super::{ACK, FIN, FIN_ACK, Flags, RST, RST_ACK, SYN, SYN_ACK, Scene, URG, in_state, say};
use linger_proto::DropReason::{
    AckMissing, AckOfUnsent, OutOfWindow, RstChallenged, RstOutOfWindow, SynChallenged,
};
use linger_proto::State::{self, CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck};
use linger_proto::{CloseReason, ReadError, WriteError};
use std::time::Duration;

const ALL: [State; 6] = [Established, FinWait1, FinWait2, CloseWait, Closing, LastAck];

fn each(scene: impl Fn(&mut Scene, State)) {
    for state in ALL {
        in_state(state, |start| scene(start, state));
    }
}

/// RCV.WND.
fn window(scene: &Scene) -> i32 {
    scene.rig.host.info(scene.peer.id.unwrap()).unwrap().rcv_wnd.cast_signed()
}

// requirement: 9293-SA-ESTABLISHED-1
// requirement: 9293-SA-FIN-WAIT-1-1
// requirement: 9293-SA-FIN-WAIT-2-1
// requirement: 9293-SA-CLOSE-WAIT-1
// requirement: 9293-SA-CLOSING-1
// requirement: 9293-SA-LAST-ACK-1
#[test]
fn segment_outside_the_window_is_acked_and_dropped_and_its_ack_not_believed() {
    each(|scene, state| {
        let beyond = window(scene);
        for seq in [-2, beyond, beyond + 1, i32::MIN] {
            // A segment without length needs its number inside.
            let reaction = scene.hear(say(ACK).at(seq));
            reaction.is_acked_and_dropped(OutOfWindow).leads_to(state).ends(None);
        }
        for seq in [beyond, beyond + 1000] {
            // One with text needs its first octet inside, or its last.
            let reaction = scene.hear(say(FIN_ACK).at(seq).text(b"text"));
            reaction.is_acked_and_dropped(OutOfWindow).leads_to(state);
        }
        let reaction = scene.hear(say(ACK).at(-4).text(b"text"));
        assert_eq!(reaction.acks(0).dropped.len(), 1);
        reaction.leads_to(state);
    });
}

// requirement: 9293-SA-ESTABLISHED-1
#[test]
fn first_or_last_octet_inside_the_window_makes_text_acceptable() {
    in_state(Established, |scene| {
        // The last octet is the first of the window.
        scene.hear(say(ACK).at(-3).text(b"texT"));
        assert_eq!(scene.read().0, b"T");
    });
    in_state(Established, |scene| {
        // The first octet is the last of the window: kept out of order, so acknowledged where the hole is.
        let last = window(scene) - 1;
        let reaction = scene.hear(say(ACK).at(last).text(b"text"));
        assert_eq!(reaction.acks(0).dropped, []);
    });
}

/// A connection whose application does not read: the window is shut.
fn shut_window(scene: &mut Scene) {
    const BLOCK: &[u8] = &[b'x'; 1024];
    for _ in 0..64 {
        let room = window(scene);
        if room == 0 {
            return;
        }
        let length = usize::try_from(room).unwrap().min(BLOCK.len());
        scene.hear(say(ACK).text(&BLOCK[..length]));
        scene.peer.seq += u32::try_from(length).unwrap();
    }
    panic!("the window does not shut");
}

// requirement: 9293-SA-ESTABLISHED-1
#[test]
fn shut_window_lets_a_segment_without_text_in_at_rcv_nxt_and_no_text_at_all() {
    in_state(Established, |scene| {
        shut_window(scene);
        scene.write(b"ours");
        scene.drain();
        let unread = scene.rig.host.info(scene.peer.id.unwrap()).unwrap().recv_queue;
        let reaction = scene.hear(say(ACK).text(b"probe").acking(-4));
        assert_eq!(reaction.acks(0).one().header.wnd, 0);
        scene.hear(say(ACK).at(1)).is_acked_and_dropped(OutOfWindow);
        let info = scene.rig.host.info(scene.peer.id.unwrap()).unwrap();
        assert_eq!((info.recv_queue, info.in_flight), (unread, 4), "no text in, no ACK believed");
        scene.hear(say(ACK));
        assert_eq!(scene.rig.host.info(scene.peer.id.unwrap()).unwrap().in_flight, 0, "at RCV.NXT it counts");
    });
}

// requirement: 9293-SA-FIN-WAIT-1-1
// requirement: 9293-SA-FIN-WAIT-2-1
#[test]
fn ack_of_an_unacceptable_segment_stands_behind_our_fin() {
    for state in [FinWait1, FinWait2] {
        in_state(state, |scene| {
            let nxt = scene.peer.ack;
            let said = scene.hear(say(ACK).at(-100)).one().header.clone();
            assert_eq!(said.seq, nxt, "{state}");
        });
    }
}

// requirement: 9293-SA-ESTABLISHED-2
// requirement: 9293-SA-FIN-WAIT-1-2
// requirement: 9293-SA-FIN-WAIT-2-2
// requirement: 9293-SA-CLOSE-WAIT-2
// requirement: 9293-SA-CLOSING-2
// requirement: 9293-SA-LAST-ACK-2
#[test]
fn exact_rst_ends_a_synchronized_connection_and_nothing_is_sent() {
    for flags in [RST, RST_ACK, RST.with(URG), RST.with(FIN)] {
        each(|scene, _| {
            scene.hear(say(flags)).is_taken().leads_to(Closed).ends(Some(CloseReason::Reset));
            assert!(scene.pass(Duration::from_secs(900)).is_empty(), "queues are flushed");
            // The TCB is gone: what comes now meets the listener.
            scene.hear(say(ACK)).is_reset_at_its_ack();
        });
    }
}

// requirement: 9293-SA-ESTABLISHED-2
// requirement: 9293-SA-CLOSE-WAIT-2
#[test]
fn calls_after_an_exact_rst_fail_and_what_was_not_sent_is_dropped() {
    for state in [Established, CloseWait] {
        in_state(state, |scene| {
            let now = scene.rig.now;
            let id = scene.peer.id.unwrap();
            // More than the peer's window takes: some is in flight, some waits.
            let mut stream = scene.rig.host.stream(id).unwrap();
            assert_eq!(stream.write(now, &[b'w'; 100_000]), Ok(100_000));
            scene.drain();
            scene.hear(say(RST)).is_taken().leads_to(Closed);
            let mut stream = scene.rig.host.stream(id).unwrap();
            assert_eq!(stream.write(now, b"more"), Err(WriteError::Ended(CloseReason::Reset)));
            if state == Established {
                assert_eq!(scene.read(), (vec![], Err(ReadError::Ended(CloseReason::Reset))));
            }
            assert!(scene.pass(Duration::from_secs(900)).is_empty());
        });
    }
}

// requirement: 9293-SA-ESTABLISHED-9
// requirement: 9293-SA-FIN-WAIT-1-2
// requirement: 9293-SA-FIN-WAIT-2-2
// requirement: 9293-SA-CLOSE-WAIT-2
// requirement: 9293-SA-CLOSING-2
// requirement: 9293-SA-LAST-ACK-2
#[test]
fn rst_within_the_window_but_not_at_rcv_nxt_is_challenged() {
    each(|scene, state| {
        let last = window(scene) - 1;
        for seq in [1, 2, last] {
            for flags in [RST, RST_ACK] {
                let reaction = scene.hear(say(flags).at(seq));
                reaction.is_acked_and_dropped(RstChallenged).leads_to(state).ends(None);
            }
        }
    });
}

// requirement: 9293-SA-ESTABLISHED-10
// requirement: 9293-SA-FIN-WAIT-1-2
// requirement: 9293-SA-FIN-WAIT-2-2
// requirement: 9293-SA-CLOSE-WAIT-2
// requirement: 9293-SA-CLOSING-2
// requirement: 9293-SA-LAST-ACK-2
#[test]
fn rst_outside_the_window_is_dropped_without_a_reply() {
    each(|scene, state| {
        let beyond = window(scene);
        for seq in [-1, -1000, beyond, beyond + 1, i32::MIN] {
            for flags in [RST, RST_ACK] {
                let reaction = scene.hear(say(flags).at(seq));
                reaction.is_dropped(RstOutOfWindow).leads_to(state).ends(None);
            }
        }
    });
}

// requirement: 9293-SA-ESTABLISHED-4
// requirement: 9293-SA-FIN-WAIT-1-4
// requirement: 9293-SA-FIN-WAIT-2-4
// requirement: 9293-SA-CLOSE-WAIT-4
// requirement: 9293-SA-CLOSING-4
// requirement: 9293-SA-LAST-ACK-4
#[test]
fn syn_in_a_synchronized_state_is_challenged_wherever_it_stands() {
    for flags in [SYN, SYN_ACK, SYN.with(FIN)] {
        each(|scene, state| {
            for seq in [0, 1, -1, 1000, i32::MIN, 1 << 20] {
                let reaction = scene.hear(say(flags).at(seq).text(b"text"));
                reaction.is_acked_and_dropped(SynChallenged).leads_to(state).ends(None);
            }
            if state == Established {
                assert_eq!(scene.read(), (vec![], Err(ReadError::Blocked)));
            }
        });
    }
}

// requirement: 9293-SA-ESTABLISHED-5
// requirement: 9293-SA-FIN-WAIT-1-5
// requirement: 9293-SA-FIN-WAIT-2-5
// requirement: 9293-SA-CLOSE-WAIT-5
// requirement: 9293-SA-CLOSING-5
// requirement: 9293-SA-LAST-ACK-5
#[test]
fn segment_without_ack_is_dropped() {
    each(|scene, state| {
        for flags in [Flags(0), Flags::PSH, URG, FIN] {
            scene.hear(say(flags).text(b"text")).is_dropped(AckMissing).leads_to(state);
        }
        if state == Established {
            assert_eq!(scene.read(), (vec![], Err(ReadError::Blocked)));
        }
    });
}

// requirement: 9293-SA-ESTABLISHED-11
// requirement: 9293-SA-FIN-WAIT-1-5
// requirement: 9293-SA-FIN-WAIT-2-5
// requirement: 9293-SA-CLOSE-WAIT-5
// requirement: 9293-SA-CLOSING-5
// requirement: 9293-SA-LAST-ACK-5
#[test]
fn ack_of_what_was_not_sent_is_acked_and_the_whole_segment_dropped() {
    each(|scene, state| {
        for ack in [1, 1000, i32::MAX] {
            let reaction = scene.hear(say(FIN_ACK).acking(ack).text(b"text"));
            reaction.is_acked_and_dropped(AckOfUnsent).leads_to(state);
        }
        if state == Established {
            assert_eq!(scene.read(), (vec![], Err(ReadError::Blocked)));
        }
    });
}
