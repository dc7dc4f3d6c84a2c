use super::*;
use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, TimeWait,
};

fn tuple() -> FourTuple {
    FourTuple { local: ([10, 7, 0, 2], 80).into(), remote: ([10, 7, 0, 1], 40_000).into() }
}

/// Plays the changes of state, ten milliseconds apart.
fn play(ledger: &Arc<Ledger>, states: &[State]) {
    let mut observer = ledger.observer();
    for (n, pair) in states.windows(2).enumerate() {
        let at = Instant::from_millis(10 * (n as u64 + 1));
        observer(&TraceEvent::State { at, tuple: tuple(), before: pair[0], after: pair[1] });
    }
}

fn only(ledger: &Ledger) -> Account {
    let accounts = ledger.close();
    assert_eq!((accounts.connections.len(), accounts.more), (1, 0));
    accounts.connections[0].clone()
}

#[test]
fn peer_that_closes_first_leads_through_close_wait_and_last_ack() {
    let ledger = Ledger::new();
    play(&ledger, &[Listen, SynReceived, Established, CloseWait, LastAck, Closed]);
    let account = only(&ledger);
    assert_eq!(account.outcome, Outcome::InOrder { first: Some(End::Peer) });
    assert_eq!(account.lasted, Duration::from_millis(40));
    let ten = Duration::from_millis(10);
    assert_eq!(account.states, [(SynReceived, ten), (Established, ten), (CloseWait, ten), (LastAck, ten)]);
}

#[test]
fn our_close_ends_in_time_wait_which_does_not_lengthen_the_connection() {
    let ledger = Ledger::new();
    play(&ledger, &[Listen, SynReceived, Established, FinWait1, FinWait2, TimeWait]);
    let account = only(&ledger);
    assert_eq!(account.outcome, Outcome::InOrder { first: Some(End::Linger) });
    assert_eq!(account.lasted, Duration::from_millis(40));
    assert_eq!(account.states.last().map(|(state, _)| *state), Some(TimeWait));
}

#[test]
fn simultaneous_close_has_no_first() {
    let ledger = Ledger::new();
    play(&ledger, &[Listen, SynReceived, Established, FinWait1, Closing, TimeWait, Closed]);
    assert_eq!(only(&ledger).outcome, Outcome::InOrder { first: None });
}

#[test]
fn frame_that_closes_an_established_connection_was_the_peers_reset() {
    let ledger = Ledger::new();
    play(&ledger, &[Listen, SynReceived, Established, Closed]);
    assert_eq!(only(&ledger).outcome, Outcome::Broken { by: End::Linger });
    ledger.observer()(&TraceEvent::Frame(FrameTrace {
        at: Instant::from_millis(30),
        direction: Direction::In,
        tuple: Some(tuple()),
        before: Established,
        after: Closed,
        drop: None,
    }));
    assert_eq!(only(&ledger).outcome, Outcome::Broken { by: End::Peer });
}

#[test]
fn connection_still_open_at_the_end_is_unfinished() {
    let ledger = Ledger::new();
    play(&ledger, &[Listen, SynReceived, Established]);
    let account = only(&ledger);
    assert_eq!(account.outcome, Outcome::Unfinished { first: None });
    assert_eq!(account.states.len(), 2);
}

#[test]
fn tuple_opened_again_is_a_second_connection_with_octets_of_its_own() {
    let ledger = Ledger::new();
    let watch = ledger.watch();
    play(&ledger, &[Listen, SynReceived, Established]);
    watch(tuple().local, tuple().remote).received.fetch_add(5, Relaxed);
    play(&ledger, &[Established, FinWait1, FinWait2, TimeWait, SynReceived, Established]);
    watch(tuple().local, tuple().remote).sent.fetch_add(7, Relaxed);
    let accounts = ledger.close().connections;
    let octets: Vec<_> = accounts.iter().map(|account| (account.received, account.sent)).collect();
    assert_eq!(octets, [(5, 0), (0, 7)]);
    assert_eq!(accounts[0].outcome, Outcome::InOrder { first: Some(End::Linger) });
}

#[test]
fn octets_of_a_stream_accepted_before_its_states_are_told_are_not_lost() {
    let ledger = Ledger::new();
    let traffic = ledger.watch()(tuple().local, tuple().remote);
    traffic.sent.fetch_add(9, Relaxed);
    play(&ledger, &[Listen, SynReceived, Established]);
    assert_eq!(only(&ledger).sent, 9);
}

#[test]
fn closed_ports_are_counted_and_late_segments_of_known_connections_are_not() {
    let ledger = Ledger::new();
    play(&ledger, &[Listen, SynReceived, Established, CloseWait, LastAck, Closed]);
    let closed_port = FourTuple { local: ([10, 7, 0, 2], 81).into(), ..tuple() };
    for tuple in [closed_port, closed_port, tuple()] {
        ledger.observer()(&TraceEvent::Frame(FrameTrace {
            at: Instant::from_millis(99),
            direction: Direction::In,
            tuple: Some(tuple),
            before: Closed,
            after: Closed,
            drop: Some(DropReason::NoConnection),
        }));
    }
    assert_eq!(ledger.close().refused, BTreeMap::from([(closed_port.local, 2)]));
}

#[test]
fn connections_past_the_bound_are_counted() {
    let ledger = Ledger::new();
    let mut observer = ledger.observer();
    for n in 0..RECORDS_MAX + 3 {
        let port = 1 + u16::try_from(n).expect("a port");
        let tuple = FourTuple { remote: ([10, 7, 0, 1], port).into(), ..tuple() };
        observer(&TraceEvent::State { at: Instant::ZERO, tuple, before: Listen, after: SynReceived });
    }
    let accounts = ledger.close();
    assert_eq!((accounts.connections.len(), accounts.more), (RECORDS_MAX, 3));
}
