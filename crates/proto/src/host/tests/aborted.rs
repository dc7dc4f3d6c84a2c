//! TIME-WAIT after an abort (`wait_after_abort`): the tuple is guarded for 2*MSL, and the peer still hears of the RST.

use super::solo::*;
use super::*;
use crate::{CloseReason, ConnectError, DropReason, TcpConfig};

fn guarding() -> TcpConfig {
    TcpConfig { wait_after_abort: true, ..plain() }
}

const SYNCHRONIZED: [State; 6] =
    [State::Established, State::FinWait1, State::FinWait2, State::CloseWait, State::Closing, State::LastAck];

#[test]
fn abort_leaves_a_record_that_guards_the_tuple_for_2msl_in_every_synchronized_state() {
    for state in SYNCHRONIZED {
        let mut solo = Solo::new(guarding()).brought_to(state).0;
        assert!(solo.abort()[0].has(Flags::RST), "{state}");
        let snapshot = solo.host.snapshot(solo.now);
        assert_eq!(snapshot.time_wait.len(), 1, "{state}");
        assert!(snapshot.time_wait[0].after_reset && snapshot.connections.is_empty(), "{state}");
        let closed: Vec<_> = solo.events.iter().filter(|e| matches!(e, Event::Closed(..))).collect();
        assert_eq!(closed, [&Event::Closed(solo.id, CloseReason::Aborted)], "{state}");
        solo.wait_ms(59_999);
        assert_eq!(solo.state(), State::TimeWait, "{state}");
        solo.wait_ms(2);
        assert_eq!((solo.state(), solo.host.poll_timeout()), (State::Listen, None), "{state}");
    }
}

#[test]
fn abort_leaves_nothing_by_default_and_a_record_under_the_strict_settings() {
    for (tcp, left) in [(TcpConfig::default(), 0), (TcpConfig::strict(), 1)] {
        let mut solo = Solo::new(tcp);
        solo.abort();
        assert_eq!(solo.host.snapshot(solo.now).time_wait.len(), left);
    }
}

#[test]
fn peer_that_missed_the_rst_of_an_abort_gets_it_again_at_its_ack() {
    for ipv6 in [false, true] {
        let mut solo = Solo::new_over(guarding(), ipv6);
        solo.abort();
        for sends in [text(0, 0, b"more"), seg(FIN_ACK, 0, 0), ack(0, 0)] {
            let sent = solo.arrives(sends);
            assert_eq!(sent.iter().map(|sent| (sent.flags, sent.seq)).collect::<Vec<_>>(), [(Flags::RST, 0)]);
        }
        assert_eq!(solo.host.counters().drops.get(DropReason::NoConnection), 3);
        assert!(solo.arrives(seg(Flags::RST, 0, 0)).is_empty());
        assert_eq!(solo.state(), State::TimeWait, "an RST does not end the guard (RFC 1337)");
    }
}

#[test]
fn guarded_tuple_admits_a_newer_syn_and_refuses_an_older_one() {
    let mut solo = Solo::new(guarding());
    solo.abort();
    assert_eq!(solo.arrives(seg(Flags::SYN, -10, 0))[0].flags, Flags::ACK);
    assert_eq!(solo.host.counters().syn_refused, 1);
    let sent = solo.arrives(seg(Flags::SYN, 100, 0));
    assert_eq!(sent[0].flags, SYN_ACK);
    assert!(sent[0].seq >= 0, "above SND.NXT of the connection that was reset");
}

#[test]
fn guarded_tuple_without_a_listener_answers_a_syn_with_rst() {
    let mut solo = Solo::new(guarding());
    solo.abort();
    solo.host.unlisten(solo.now, solo.listener);
    assert!(solo.arrives(seg(Flags::SYN, 100, 0))[0].has(Flags::RST));
}

#[test]
fn connect_on_a_guarded_tuple_is_in_use_until_2msl_are_over() {
    let mut solo = Solo::new(guarding());
    solo.abort();
    let config = ConnectConfig { local: Some(solo.tuple.local), ..ConnectConfig::default() };
    let again = solo.host.connect(solo.now, solo.tuple.remote, config.clone());
    assert_eq!(again, Err(ConnectError::AddrInUse));
    solo.wait_ms(60_001);
    assert!(solo.host.connect(solo.now, solo.tuple.remote, config).is_ok());
}

#[test]
fn states_that_an_abort_tells_go_through_time_wait_to_closed() {
    let mut solo = Solo::new(guarding());
    solo.host.set_tracing(true);
    solo.abort();
    solo.wait_ms(60_001);
    let mut states = Vec::new();
    let mut turns = Turns::default();
    while let Some(event) = solo.host.poll_trace() {
        turns.count();
        if let crate::TraceEvent::State { before, after, .. } = event {
            states.push((before, after));
        }
    }
    assert_eq!(states, [(State::Established, State::TimeWait), (State::TimeWait, State::Closed)]);
}
