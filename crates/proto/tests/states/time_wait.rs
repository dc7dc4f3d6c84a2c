//! TIME-WAIT (§3.10.7.4), with the decisions of RFC 1337, RFC 5961 and RFC 6191.

use super::{ACK, FIN_ACK, RST, RST_ACK, SYN, SYN_ACK, Scene, URG, WINDOW, in_state, say, with};
use linger_proto::DropReason::{TimeWaitRst, TimeWaitStray, TimeWaitSyn};
use linger_proto::State::{Closed, SynReceived, TimeWait};
use linger_proto::TcpConfig;
use std::time::Duration;

fn time_wait(scene: impl Fn(&mut Scene)) {
    in_state(TimeWait, scene);
}

/// 2*MSL of the default settings, and nearly so.
const TWO_MSL: Duration = Duration::from_secs(60);
const ALMOST: Duration = Duration::from_millis(59_990);
const A_LITTLE: Duration = Duration::from_millis(20);

/// TIME-WAIT that began before `passed` ends when its 2*MSL are over: nothing began it again.
fn ends_in_its_time(scene: &mut Scene, passed: Duration) {
    scene.pass(ALMOST - passed);
    assert_eq!(scene.state(), TimeWait);
    assert!(scene.pass(A_LITTLE).is_empty());
    assert!(scene.is_gone());
}

// requirement: 9293-SA-TIME-WAIT-1
#[test]
fn unacceptable_segment_in_time_wait_is_acked_and_dropped_and_restarts_nothing() {
    time_wait(|scene| {
        let passed = Duration::from_secs(30);
        scene.pass(passed);
        for seq in [-10, WINDOW, i32::MIN] {
            scene.hear(say(ACK).at(seq)).is_acked_and_dropped(TimeWaitStray).leads_to(TimeWait);
            scene.hear(say(ACK).at(seq).text(b"text")).is_acked_and_dropped(TimeWaitStray);
        }
        ends_in_its_time(scene, passed);
    });
}

// requirement: 9293-SA-TIME-WAIT-2
#[test]
fn rst_in_time_wait_is_ignored_wherever_it_stands() {
    time_wait(|scene| {
        for flags in [RST, RST_ACK, RST.with(SYN), RST.with(FIN_ACK)] {
            for seq in [0, 1, -1, i32::MIN] {
                scene.hear(say(flags).at(seq)).is_dropped(TimeWaitRst).leads_to(TimeWait).ends(None);
            }
        }
        assert_eq!(scene.rig.host.counters().time_wait_rst_ignored, 16);
        ends_in_its_time(scene, Duration::ZERO);
    });
}

// requirement: 9293-SA-TIME-WAIT-2
#[test]
fn exact_rst_ends_time_wait_where_rfc_1337_is_switched_off() {
    with(&TcpConfig { rfc1337: false, ..TcpConfig::default() }, TimeWait, |scene| {
        let outside = scene.hear(say(RST).at(-1));
        assert!(outside.said.is_empty());
        outside.leads_to(TimeWait);
        scene.hear(say(RST).at(1)).acks(0).leads_to(TimeWait);
        scene.hear(say(RST)).is_taken().leads_to(Closed);
    });
}

// requirement: 9293-SA-TIME-WAIT-4
#[test]
fn syn_with_a_newer_number_reopens_time_wait_with_an_iss_above_the_old_snd_nxt() {
    for seq in [0, 1, 70_000, i32::MAX - 1] {
        time_wait(|scene| {
            let reaction = scene.hear(say(SYN).at(seq));
            let said = reaction.one();
            assert_eq!(said.header.flags, SYN_ACK);
            assert_eq!(said.header.ack, scene.peer.seq + seq.cast_unsigned() + 1);
            assert!(said.header.seq.after(scene.peer.ack), "{:?}, {:?}", said.header.seq, scene.peer.ack);
            reaction.leads_to(SynReceived);
        });
    }
}

// requirement: 9293-SA-TIME-WAIT-1
// requirement: 9293-SA-TIME-WAIT-4
#[test]
fn syn_with_an_older_number_reopens_time_wait_only_by_a_newer_timestamp() {
    time_wait(|scene| {
        let reaction = scene.hear(say(SYN).at(-1000).clock(1));
        if scene.peer.timestamp.is_some() {
            assert_eq!(reaction.one().header.flags, SYN_ACK);
            reaction.leads_to(SynReceived);
        } else {
            reaction.is_acked_and_dropped(TimeWaitSyn).leads_to(TimeWait);
        }
    });
    time_wait(|scene| {
        // Equal is not newer.
        scene.hear(say(SYN).at(-1000).clock(0)).is_acked_and_dropped(TimeWaitSyn).leads_to(TimeWait);
        // At most one answer a second for one tuple.
        scene.hear(say(SYN).at(-1000).clock(-1)).is_dropped(TimeWaitSyn).leads_to(TimeWait);
        assert_eq!(scene.rig.host.counters().syn_refused, 2);
        let second = Duration::from_secs(1);
        scene.pass(second);
        scene.hear(say(SYN).at(-1000).clock(-1)).is_acked_and_dropped(TimeWaitSyn).leads_to(TimeWait);
        ends_in_its_time(scene, second);
    });
}

// requirement: 9293-SA-TIME-WAIT-4
#[test]
fn syn_with_ack_reopens_nothing() {
    time_wait(|scene| {
        scene.hear(say(SYN_ACK).at(1000).clock(1)).is_acked_and_dropped(TimeWaitSyn).leads_to(TimeWait);
    });
}

// requirement: 9293-SA-TIME-WAIT-5
// requirement: 9293-SA-TIME-WAIT-8
#[test]
fn fin_again_in_time_wait_is_acked_and_restarts_2_msl() {
    time_wait(|scene| {
        for _ in 0..3 {
            scene.pass(ALMOST);
            scene.hear(say(FIN_ACK).at(-1)).acks(0).leads_to(TimeWait);
        }
        assert_eq!(scene.rig.host.counters().fin_reacked, 3);
        assert!(scene.pass(ALMOST).is_empty());
        assert_eq!(scene.state(), TimeWait);
        scene.pass(A_LITTLE);
        assert!(scene.is_gone());
    });
}

// requirement: 9293-SA-TIME-WAIT-5
#[test]
fn other_acks_in_time_wait_restart_nothing() {
    time_wait(|scene| {
        scene.pass(TWO_MSL / 2);
        scene.hear(say(ACK)).is_dropped(TimeWaitStray).leads_to(TimeWait);
        scene.hear(say(ACK).acking(-1)).is_dropped(TimeWaitStray).leads_to(TimeWait);
        // Of what was never sent.
        scene.hear(say(ACK).acking(1)).is_acked_and_dropped(TimeWaitStray).leads_to(TimeWait);
        ends_in_its_time(scene, TWO_MSL / 2);
    });
}

// requirement: 9293-SA-TIME-WAIT-8
#[test]
fn fin_that_is_not_the_peers_own_restarts_nothing() {
    time_wait(|scene| {
        scene.pass(TWO_MSL / 2);
        for seq in [0, 1, -2] {
            let reaction = scene.hear(say(FIN_ACK).at(seq));
            reaction.acks(0).leads_to(TimeWait);
        }
        assert_eq!(scene.rig.host.counters().fin_reacked, 0);
        ends_in_its_time(scene, TWO_MSL / 2);
    });
}

// requirement: 9293-SA-TIME-WAIT-6
#[test]
fn urgent_bit_in_time_wait_is_ignored() {
    time_wait(|scene| {
        let reaction = scene.hear(say(ACK.with(URG)).urgent(9));
        reaction.is_dropped(TimeWaitStray).leads_to(TimeWait);
        assert_eq!(reaction.events, []);
        scene.hear(say(FIN_ACK.with(URG)).at(-1).urgent(9)).acks(0).leads_to(TimeWait);
    });
}

// requirement: 9293-SA-TIME-WAIT-7
#[test]
fn text_in_time_wait_is_ignored_and_never_read() {
    time_wait(|scene| {
        let reaction = scene.hear(say(ACK).text(b"after the end"));
        reaction.is_dropped(TimeWaitStray).leads_to(TimeWait);
        assert_eq!(reaction.events, []);
        assert_eq!(scene.read(), (vec![], Ok(0)));
    });
}
