//! ESTABLISHED (§3.10.7.4): what of the table is not in `synchronized`.

use super::{ACK, FIN_ACK, Flags, Scene, URG, in_state, say};
use linger_proto::State::{CloseWait, Established};
use linger_proto::{DropReason, Event, ReadError, TcpInfo};
use std::time::Duration;

fn established(scene: impl Fn(&mut Scene)) {
    in_state(Established, scene);
}

fn info(scene: &Scene) -> TcpInfo {
    scene.rig.host.info(scene.peer.id.unwrap()).unwrap()
}

/// One second: longer than any ACK is held back.
const A_SECOND: Duration = Duration::from_secs(1);

// requirement: 9293-SA-ESTABLISHED-5
#[test]
fn acceptable_ack_takes_what_it_covers_off_the_retransmission_queue() {
    established(|scene| {
        scene.write(b"first");
        scene.write(b"second");
        assert_eq!(info(scene).in_flight, 11);
        scene.hear(say(ACK).acking(-6)).is_taken();
        assert_eq!((info(scene).in_flight, info(scene).send_queue), (6, 6));
        let again = scene.pass(A_SECOND);
        assert!(!again.is_empty() && again.iter().all(|said| said.text == b"second"), "{again:?}");
        scene.hear(say(ACK)).is_taken();
        assert_eq!((info(scene).in_flight, info(scene).send_queue), (0, 0));
        assert!(scene.pass(Duration::from_secs(100)).is_empty());
    });
}

// requirement: 9293-SA-ESTABLISHED-5
#[test]
fn acceptable_ack_tells_a_sender_that_waits_for_room() {
    established(|scene| {
        let (now, id) = (scene.rig.now, scene.peer.id.unwrap());
        let mut stream = scene.rig.host.stream(id).unwrap();
        while stream.write(now, &[b'w'; 1 << 20]).is_ok() {}
        let left = scene.rig.drain();
        scene.peer.learn(&left);
        let mut told = false;
        for _ in 0..2000 {
            let reaction = scene.hear(say(ACK));
            told = reaction.events.contains(&Event::Writable(id));
            scene.peer.ack = reaction.said.iter().fold(scene.peer.ack, |ack, said| {
                ack.max(said.header.seq + u32::try_from(said.text.len()).unwrap())
            });
            if told {
                break;
            }
        }
        assert!(told, "nobody was told");
    });
}

// requirement: 9293-SA-ESTABLISHED-6
#[test]
fn urgent_pointer_is_the_furthest_so_far_and_is_told_when_it_grows() {
    established(|scene| {
        let reaction = scene.hear(say(ACK.with(URG)).urgent(10).text(b"abc"));
        reaction.wakes_the_reader();
        assert_eq!(scene.urgent(), 10);
        assert_eq!(scene.read().0, b"abc");
        assert_eq!(scene.urgent(), 7);
        scene.peer.seq += 3;
        // Behind what is known already: nothing new to tell.
        let reaction = scene.hear(say(ACK.with(URG)).urgent(2));
        assert!(!reaction.events.iter().any(|event| matches!(event, Event::Readable(_))));
        assert_eq!(scene.urgent(), 7);
        scene.hear(say(ACK.with(URG)).urgent(20)).wakes_the_reader();
        assert_eq!(scene.urgent(), 20);
    });
}

// requirement: 9293-SA-ESTABLISHED-7
#[test]
fn text_in_order_moves_rcv_nxt_and_leaves_the_right_edge_and_is_acked_in_time() {
    established(|scene| {
        let window = info(scene).rcv_wnd;
        let reaction = scene.hear(say(ACK.with(Flags::PSH)).text(b"hello"));
        reaction.wakes_the_reader();
        assert_eq!(reaction.dropped, []);
        assert_eq!(info(scene).rcv_wnd, window - 5);
        let mut said = reaction.said;
        said.extend(scene.pass(Duration::from_millis(500)));
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!((said[0].header.flags, said[0].header.ack), (ACK, scene.peer.seq + 5));
        assert_eq!(u32::from(said[0].header.wnd), window - 5);
        assert_eq!(scene.read(), (b"hello".to_vec(), Err(ReadError::Blocked)));
    });
}

// requirement: 9293-SA-ESTABLISHED-8
#[test]
fn fin_in_order_is_acked_and_the_application_reads_the_end() {
    established(|scene| {
        scene.hear(say(FIN_ACK).text(b"bye")).acks(4).leads_to(CloseWait).wakes_the_reader().ends(None);
        assert_eq!(scene.read(), (b"bye".to_vec(), Ok(0)));
    });
}

// requirement: 9293-SA-ESTABLISHED-12
#[test]
fn old_ack_moves_nothing_but_text_and_fin_of_its_segment_count() {
    established(|scene| {
        scene.write(b"ours");
        scene.hear(say(ACK)).is_taken();
        let reaction = scene.hear(say(ACK).acking(-2).text(b"text"));
        assert_eq!(reaction.dropped, []);
        assert_eq!(info(scene).in_flight, 0);
        assert_eq!(scene.read().0, b"text");
        scene.peer.seq += 4;
        scene.hear(say(FIN_ACK).acking(-4)).acks(1).leads_to(CloseWait);
    });
}

// requirement: 9293-SA-ESTABLISHED-12
#[test]
fn ack_older_than_any_window_of_ours_is_challenged_and_its_text_dropped() {
    established(|scene| {
        // The largest window the peer has offered is 65,535.
        let reaction = scene.hear(say(ACK).acking(-70_000).text(b"text"));
        reaction.is_acked_and_dropped(DropReason::AckTooOld);
        assert_eq!(scene.read().0, b"");
    });
}

// requirement: 9293-SA-ESTABLISHED-13
#[test]
fn window_follows_the_newest_segment_and_never_an_older_one() {
    established(|scene| {
        scene.hear(say(ACK).window(1000).text(b"new"));
        assert_eq!(info(scene).snd_wnd, 1000);
        scene.peer.seq += 3;
        // WL1 = SEG.SEQ and WL2 =< SEG.ACK.
        scene.hear(say(ACK).window(2000));
        scene.hear(say(ACK).window(2500));
        assert_eq!(info(scene).snd_wnd, 2500);
        // WL1 > SEG.SEQ: text that comes late fills a hole, and its window is old.
        scene.hear(say(ACK).at(3).window(3000).text(b"later"));
        assert_eq!(info(scene).snd_wnd, 3000);
        scene.hear(say(ACK).window(50).text(b"gap"));
        assert_eq!(info(scene).snd_wnd, 3000);
        scene.peer.seq += 8;
        assert_eq!(scene.read().0, b"newgaplater");
    });
}

// requirement: 9293-SA-ESTABLISHED-13
#[test]
fn window_with_an_older_ack_at_the_same_number_is_not_taken() {
    established(|scene| {
        scene.write(b"ours");
        scene.hear(say(ACK).window(2000));
        assert_eq!(info(scene).snd_wnd, 2000);
        // WL1 = SEG.SEQ, WL2 > SEG.ACK.
        scene.hear(say(ACK).acking(-4).window(50));
        assert_eq!(info(scene).snd_wnd, 2000);
    });
}

// requirement: 9293-SA-ESTABLISHED-14
#[test]
fn segment_across_rcv_nxt_is_trimmed_and_no_octet_is_read_twice() {
    established(|scene| {
        scene.hear(say(ACK).text(b"abc"));
        scene.hear(say(ACK).text(b"abcdef"));
        scene.hear(say(ACK).at(1).text(b"bcde"));
        scene.hear(say(ACK).at(8).text(b"ijk"));
        scene.hear(say(ACK).at(4).text(b"efghi"));
        assert_eq!(scene.read().0, b"abcdefghijk");
    });
}

// requirement: 9293-SA-ESTABLISHED-14
#[test]
fn octets_and_fin_beyond_the_right_edge_are_cut() {
    const LONG: &[u8] = &[b'x'; 1000];
    established(|scene| {
        let room = info(scene).rcv_wnd;
        let mut sent = 0;
        while room - sent > 1000 {
            scene.hear(say(ACK).text(LONG));
            scene.peer.seq += 1000;
            sent += 1000;
        }
        let reaction = scene.hear(say(FIN_ACK).text(LONG));
        let left = room - sent;
        assert!(left < 1000, "it does not fit");
        reaction.leads_to(Established);
        let mut said = reaction.said;
        said.extend(scene.pass(Duration::from_millis(500)));
        assert_eq!((said.len(), said[0].header.ack, said[0].header.wnd), (1, scene.peer.seq + left, 0));
        assert_eq!(scene.read().0.len(), usize::try_from(room).unwrap());
        assert_eq!(scene.read(), (vec![], Err(ReadError::Blocked)), "the FIN was cut off");
    });
}

// requirement: 9293-SA-ESTABLISHED-15
#[test]
fn fin_out_of_order_waits_until_everything_before_it_has_come() {
    established(|scene| {
        scene.hear(say(FIN_ACK).at(3).text(b"def")).acks(0).leads_to(Established);
        scene.hear(say(ACK).text(b"abc")).acks(7).leads_to(CloseWait);
        assert_eq!(scene.read(), (b"abcdef".to_vec(), Ok(0)));
    });
    established(|scene| {
        scene.hear(say(FIN_ACK).at(3)).acks(0).leads_to(Established);
        scene.hear(say(ACK).text(b"abc")).acks(4).leads_to(CloseWait);
    });
}
