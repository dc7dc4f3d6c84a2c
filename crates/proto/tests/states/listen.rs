//! LISTEN (§3.10.7.2).

use super::{ACK, FIN, FIN_ACK, Flags, RST, SYN, SYN_ACK, Scene, URG, in_state, say};
use linger_proto::DropReason::NotASyn;
use linger_proto::State::{CloseWait, Established, Listen, SynReceived};
use linger_proto::{Event, ReadError, SeqNum};

fn listening(scene: impl Fn(&mut Scene)) {
    in_state(Listen, scene);
}

// requirement: 9293-SA-LISTEN-1
#[test]
fn number_of_a_syn_in_listen_is_taken_as_it_is() {
    listening(|scene| {
        for (port, seq) in (4000..).zip([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
            scene.peer.port = port;
            scene.peer.seq = SeqNum(seq);
            let reaction = scene.hear(say(SYN));
            assert_eq!(reaction.one().header.ack, SeqNum(seq) + 1);
            reaction.leads_to(SynReceived);
        }
    });
}

// requirement: 9293-SA-LISTEN-2
#[test]
fn rst_in_listen_is_dropped_even_with_syn_or_ack() {
    listening(|scene| {
        for others in [Flags(0), SYN, ACK, SYN_ACK, FIN_ACK, Flags(0x3f)] {
            scene.hear(say(RST.with(others)).text(b"text")).is_dropped(NotASyn).leads_to(Listen);
        }
    });
}

// requirement: 9293-SA-LISTEN-4
#[test]
fn syn_in_listen_is_answered_by_syn_and_ack_and_the_ack_of_it_establishes() {
    listening(|scene| {
        let reaction = scene.hear(say(SYN));
        let syn_ack = reaction.one().clone();
        assert_eq!((syn_ack.header.flags, syn_ack.text.len()), (SYN_ACK, 0));
        assert_eq!(syn_ack.header.ack, scene.peer.seq + 1);
        assert_eq!(reaction.dropped, []);
        reaction.leads_to(SynReceived);
        // SND.UNA=ISS and SND.NXT=ISS+1: exactly ISS+1 is an acceptable ACK.
        scene.peer.seq += 1;
        scene.peer.ack = syn_ack.header.seq;
        scene.hear(say(ACK)).is_reset_at_its_ack().leads_to(SynReceived);
        scene.hear(say(ACK).acking(2)).is_reset_at_its_ack().leads_to(SynReceived);
        scene.hear(say(ACK).acking(1)).is_taken().leads_to(Established);
    });
}

// requirement: 9293-SA-LISTEN-5
#[test]
fn ack_in_listen_is_reset_at_its_ack_before_its_syn_is_looked_at() {
    listening(|scene| {
        for flags in [ACK, SYN_ACK, FIN_ACK, SYN_ACK.with(FIN), ACK.with(URG)] {
            scene.hear(say(flags).acking(0x0123_4567).text(b"text")).is_reset_at_its_ack().leads_to(Listen);
        }
        assert!(scene.rig.host.snapshot(scene.rig.now).connections.is_empty());
    });
}

// requirement: 9293-SA-LISTEN-6
#[test]
fn urgent_bit_in_listen_neither_opens_anything_nor_hinders_a_syn() {
    listening(|scene| {
        scene.hear(say(URG).urgent(3).text(b"now")).is_dropped(NotASyn).leads_to(Listen);
        let reaction = scene.hear(say(SYN.with(URG)).urgent(3));
        assert_eq!(reaction.one().header.flags, SYN_ACK);
        reaction.leads_to(SynReceived);
    });
}

// requirement: 9293-SA-LISTEN-7
#[test]
fn text_on_a_syn_is_not_acknowledged_and_comes_to_the_application_when_it_is_sent_again() {
    listening(|scene| {
        let reaction = scene.hear(say(SYN).text(b"early"));
        let syn_ack = reaction.one().header.clone();
        assert_eq!((syn_ack.flags, syn_ack.ack), (SYN_ACK, scene.peer.seq + 1));
        assert!(
            !reaction.events.iter().any(|event| matches!(event, Event::Readable(_) | Event::Incoming(_)))
        );
        scene.peer.seq += 1;
        scene.peer.ack = syn_ack.seq + 1;
        scene.hear(say(ACK)).is_taken().leads_to(Established);
        scene.accept();
        assert_eq!(scene.read(), (vec![], Err(ReadError::Blocked)));
        scene.hear(say(ACK).text(b"early"));
        assert_eq!(scene.read().0, b"early");
    });
}

// requirement: 9293-SA-LISTEN-8
#[test]
fn fin_in_listen_is_dropped_and_one_on_a_syn_counts_only_when_it_comes_again() {
    listening(|scene| {
        scene.hear(say(FIN)).is_dropped(NotASyn).leads_to(Listen);
        scene.hear(say(FIN).text(b"text")).is_dropped(NotASyn).leads_to(Listen);
        let reaction = scene.hear(say(SYN.with(FIN)));
        let syn_ack = reaction.one().header.clone();
        assert_eq!((syn_ack.flags, syn_ack.ack), (SYN_ACK, scene.peer.seq + 1));
        scene.peer.seq += 1;
        scene.peer.ack = syn_ack.seq + 1;
        scene.hear(say(ACK)).is_taken().leads_to(Established);
        scene.hear(say(FIN_ACK)).acks(1).leads_to(CloseWait);
    });
}

// requirement: 9293-SA-LISTEN-9
#[test]
fn segment_with_none_of_rst_ack_and_syn_in_listen_is_dropped_without_a_reply() {
    listening(|scene| {
        for flags in [Flags(0), Flags::PSH, Flags(0xc0)] {
            scene.hear(say(flags)).is_dropped(NotASyn).leads_to(Listen);
            scene.hear(say(flags).text(b"text")).is_dropped(NotASyn).leads_to(Listen);
        }
    });
}

// requirement: 9293-SA-LISTEN-10
#[test]
fn connection_takes_both_addresses_from_the_syn_and_the_wildcard_listener_goes_on() {
    listening(|scene| {
        let mut tuples = Vec::new();
        for port in [4000, 4001] {
            scene.peer.port = port;
            scene.peer.seq = SeqNum(1000);
            let syn_ack = scene.hear(say(SYN)).one().header.clone();
            scene.peer.seq += 1;
            scene.peer.ack = syn_ack.seq + 1;
            scene.hear(say(ACK)).is_taken().leads_to(Established);
            scene.accept();
            assert_eq!(scene.rig.host.tuple(scene.peer.id.unwrap()), Some(scene.peer.tuple()));
            tuples.push(scene.peer.tuple());
        }
        assert_ne!(tuples[0], tuples[1]);
        scene.peer.port = 4002;
        assert_eq!(scene.hear(say(SYN)).one().header.flags, SYN_ACK);
    });
}
