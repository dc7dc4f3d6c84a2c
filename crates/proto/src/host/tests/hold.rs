//! A listener that holds SYNs until the application decides.

use super::solo::*;
use super::*;
use crate::tcp::connection::Phase;
use crate::{AcceptError, CloseReason, DropReason, IncomingId, TcpConfig};

/// A host that holds SYNs at port 81.
fn holding_with(tcp: TcpConfig, config: ListenConfig) -> Solo {
    let mut solo = Solo::listening(tcp);
    solo.listener = solo.host.listen("0.0.0.0:81".parse().unwrap(), config.hold(true)).unwrap();
    solo.tuple.local.set_port(81);
    solo
}

/// The same, and a SYN that is held there.
fn held(tcp: TcpConfig) -> (Solo, IncomingId) {
    let mut solo = holding_with(tcp, ListenConfig::default());
    let syn = rich(500);
    assert!(solo.arrives(syn).is_empty(), "nothing is said");
    assert_eq!(solo.events, [Event::Incoming(solo.listener)]);
    let (id, tuple) = solo.host.incoming(solo.listener).unwrap();
    assert_eq!((tuple, solo.host.incoming(solo.listener)), (solo.tuple, None));
    assert_eq!((solo.state(), solo.host.is_held(id)), (State::SynReceived, true));
    (solo, id)
}

fn rich(ts: u32) -> Sends {
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000).ts(ts, 0);
    syn.options.window_scale = Some(7);
    syn.options.sack_permitted = true;
    syn
}

fn gone(solo: &mut Solo, id: IncomingId) {
    assert_eq!(solo.host.admit(solo.now, id), Err(AcceptError::Gone));
    assert!(!solo.host.is_held(id));
    assert_eq!((solo.state(), solo.host.half_open.len()), (State::Listen, 0));
    assert_eq!(solo.host.snapshot(solo.now).listeners[1].half_open, 0);
    // Deciding about what is gone is harmless.
    solo.host.refuse(solo.now, id);
    solo.host.ignore(solo.now, id);
    assert!(solo.sent().is_empty());
}

fn admit(solo: &mut Solo, id: IncomingId) -> Sent {
    solo.id = solo.host.admit(solo.now, id).unwrap();
    let sent = solo.sent();
    assert_eq!((sent.len(), sent[0].flags, sent[0].ack), (1, SYN_ACK, 0));
    solo.iss = sent[0].header.seq;
    sent[0].clone()
}

#[test]
fn admitted_syn_is_answered_with_all_that_it_offered_and_the_ack_establishes() {
    let (mut solo, id) = held(TcpConfig::default());
    assert!(solo.wait_ms(5_000).is_empty(), "no SYN-ACK of its own accord");
    let answer = admit(&mut solo, id);
    let options = &answer.header.options;
    assert_eq!((options.window_scale.is_some(), options.sack_permitted), (true, true));
    assert_eq!(options.timestamp.unwrap().ecr, 500);
    assert_eq!(solo.state(), State::SynReceived);
    assert_eq!(solo.host.snapshot(solo.now).listeners[1].half_open, 0, "it is the application's now");
    let echo = options.timestamp.unwrap().val;
    assert!(solo.arrives(ack(0, 0).ts(501, echo)).is_empty(), "an ACK needs no answer");
    assert_eq!(solo.state(), State::Established);
    assert_eq!(solo.events.last(), Some(&Event::Connected(solo.id)));
    let Phase::Synchronized(tcb) = &solo.host.connection(solo.id).unwrap().phase else { panic!() };
    assert_eq!((tcb.snd_shift, tcb.sack, tcb.snd.wnd), (7, true, 60_000 << 7));
    solo.arrives(text(0, 0, b"request").ts(502, echo));
    assert_eq!(solo.read().0, b"request");
    assert_eq!(solo.write(b"answer")[0].text, b"answer");
    let counters = solo.host.counters();
    assert_eq!((counters.accepted, counters.opened, counters.connect_failed), (1, 0, 0));
    assert_eq!(solo.host.admit(solo.now, id), Err(AcceptError::Gone), "only once");
}

#[test]
fn text_and_fin_with_the_ack_reach_an_admitted_connection() {
    let (mut solo, id) = held(plain());
    admit(&mut solo, id);
    solo.arrives(text(0, 0, b"all").fin());
    assert_eq!((solo.state(), solo.read()), (State::CloseWait, (b"all".to_vec(), true)));
}

#[test]
fn lost_syn_ack_of_an_admitted_connection_is_repeated_by_timer_and_by_the_syn() {
    let (mut solo, id) = held(plain());
    admit(&mut solo, id);
    assert_eq!(solo.wait_ms(1_000)[0].brief(), (SYN_ACK, -1, 0, 0));
    assert_eq!(solo.arrives(seg(Flags::SYN, -1, 0))[0].brief(), (SYN_ACK, -1, 0, 0));
    solo.arrives(ack(0, 0));
    assert_eq!(solo.state(), State::Established);
}

#[test]
fn refused_syn_is_answered_with_rst() {
    let (mut solo, id) = held(TcpConfig::default());
    solo.host.refuse(solo.now, id);
    let sent = solo.sent();
    assert_eq!((sent.len(), sent[0].flags, sent[0].header.seq, sent[0].ack), (1, RST_ACK, SeqNum(0), 0));
    gone(&mut solo, id);
}

#[test]
fn ignored_syn_is_silence_and_the_next_one_is_held_anew() {
    let (mut solo, id) = held(TcpConfig::default());
    solo.host.ignore(solo.now, id);
    assert!(solo.sent().is_empty());
    gone(&mut solo, id);
    assert!(solo.arrives(rich(1500)).is_empty());
    let (again, _) = solo.host.incoming(solo.listener).unwrap();
    assert_ne!(again, id);
    assert!(solo.host.is_held(again));
}

#[test]
fn repeated_syn_refreshes_the_timestamp_and_nothing_else() {
    let (mut solo, id) = held(TcpConfig::default());
    solo.wait_ms(19_000);
    assert!(solo.arrives(rich(19_500)).is_empty());
    assert!(solo.arrives(rich(600)).is_empty(), "an older one that was late");
    assert_eq!((solo.host.half_open.len(), solo.host.incoming(solo.listener)), (1, None));
    assert_eq!(solo.host.counters().drops.get(DropReason::HeldSyn), 2);
    let mut other = solo.host.clone();
    let answer = admit(&mut solo, id);
    assert_eq!(answer.header.options.timestamp.unwrap().ecr, 19_500);
    // Its time went on meanwhile.
    let now = solo.now + Duration::from_millis(1_001);
    other.handle_timeout(now);
    assert_eq!(other.admit(now, id), Err(AcceptError::Gone));
}

#[test]
fn held_syn_ends_after_hold_timeout_without_a_word() {
    let (mut solo, id) = held(TcpConfig::default());
    solo.wait_ms(19_990);
    assert!(solo.host.is_held(id));
    assert!(solo.wait_ms(20).is_empty());
    assert_eq!(solo.host.counters().held_expired, 1);
    gone(&mut solo, id);
    // A time of its own.
    let config = ListenConfig::default().hold_timeout(Duration::from_secs(1));
    let mut solo = holding_with(plain(), config);
    solo.arrives(rich(500));
    let (id, _) = solo.host.incoming(solo.listener).unwrap();
    solo.wait_ms(1_010);
    gone(&mut solo, id);
}

#[test]
fn held_syn_that_is_late_is_gone_even_before_its_timer_was_looked_at() {
    let (mut solo, id) = held(TcpConfig::default());
    solo.now += Duration::from_secs(20);
    assert_eq!(solo.host.admit(solo.now, id), Err(AcceptError::Gone));
}

#[test]
fn only_an_rst_at_irs_plus_one_takes_a_held_syn_back() {
    let (mut solo, id) = held(TcpConfig::default());
    for seq in [-1, 1, 1_000, -70_000, 60_000] {
        assert!(solo.arrives(seg(Flags::RST, seq, 0)).is_empty(), "and nothing tells how near it was");
        assert!(solo.arrives(seg(RST_ACK, seq, 0)).is_empty());
        assert!(solo.host.is_held(id));
    }
    assert_eq!(solo.host.counters().drops.get(DropReason::RstOutOfWindow), 10);
    assert!(solo.arrives(seg(Flags::RST, 0, 0)).is_empty());
    gone(&mut solo, id);
}

#[test]
fn other_segments_do_not_disturb_a_held_syn() {
    let (mut solo, id) = held(TcpConfig::default());
    assert!(solo.arrives(seg(Flags::SYN, 5_000, 0)).is_empty());
    assert!(solo.arrives(seg(Flags::FIN, 0, 0)).is_empty());
    // Nothing was sent that could be acknowledged.
    assert_eq!(solo.arrives(ack(0, 0))[0].flags, Flags::RST);
    assert_eq!(solo.arrives(seg(SYN_ACK, -1, 0))[0].flags, Flags::RST);
    assert!(solo.host.is_held(id));
}

// requirement: 7323-17
#[test]
fn only_the_same_syn_again_refreshes_the_timestamp_of_a_held_one() {
    let (mut solo, id) = held(TcpConfig::default());
    for other in [seg(Flags::SYN, 5_000, 0), seg(Flags::FIN, -1, 0), seg(Flags::default(), -1, 0)] {
        assert!(solo.arrives(other.ts(700, 0)).is_empty());
    }
    assert_eq!(solo.host.counters().drops.get(DropReason::HeldSyn), 3);
    assert_eq!(admit(&mut solo, id).header.options.timestamp.unwrap().ecr, 500);
}

#[test]
fn rst_after_admission_ends_the_attempt_and_says_so() {
    let (mut solo, id) = held(plain());
    admit(&mut solo, id);
    assert_eq!(solo.arrives(seg(Flags::RST, 1, 0)).len(), 1, "not exact: challenged");
    solo.arrives(seg(Flags::RST, 0, 0));
    assert_eq!(solo.events.last(), Some(&Event::Closed(solo.id, CloseReason::Refused)));
    assert_eq!(solo.state(), State::Listen);
}

#[test]
fn admitted_connection_whose_peer_is_silent_times_out() {
    let (mut solo, id) = held(plain());
    admit(&mut solo, id);
    solo.wait(Duration::from_secs(179));
    assert_eq!(solo.state(), State::SynReceived);
    solo.wait(Duration::from_secs(2));
    assert_eq!(solo.events.last(), Some(&Event::Closed(solo.id, CloseReason::TimedOut)));
    solo.abort();
    assert_eq!((solo.host.half_open.len(), solo.host.connections.len()), (0, 0));
}

#[test]
fn aborted_admission_sends_rst() {
    let (mut solo, id) = held(plain());
    admit(&mut solo, id);
    assert_eq!(solo.abort()[0].brief(), (RST_ACK, 0, 0, 0));
    assert_eq!(solo.state(), State::Listen);
}

// requirement: 4987-1
#[test]
fn holding_listener_drops_what_is_beyond_its_bounds_and_never_sends_a_cookie() {
    let mut solo = holding_with(plain(), ListenConfig::default().backlog(8));
    for port in 1..=10 {
        solo.tuple.remote.set_port(port);
        assert!(solo.arrives(rich(500)).is_empty());
    }
    assert_eq!(solo.host.half_open.len(), 4, "half of the backlog for one source");
    assert_eq!(solo.host.counters().drops.get(DropReason::SynSourceFull), 6);
    for last in 10..=20 {
        solo.tuple.remote.set_ip([10, 0, 0, last].into());
        assert!(solo.arrives(rich(500)).is_empty());
    }
    assert_eq!(solo.host.half_open.len(), 8);
    let counters = solo.host.counters();
    assert_eq!((counters.drops.get(DropReason::SynQueueFull), counters.syn_cookies_sent), (7, 0));
    assert_eq!(counters.half_open_source_full, 6);
    // Deciding makes room.
    let (id, _) = solo.host.incoming(solo.listener).unwrap();
    solo.host.ignore(solo.now, id);
    assert!(solo.arrives(rich(500)).is_empty());
    assert_eq!(solo.state(), State::SynReceived);
}

#[test]
fn held_syns_count_against_the_bound_of_the_host() {
    let config = HostConfig { half_open_max: 1, ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default());
    solo.listener =
        solo.host.listen("0.0.0.0:81".parse().unwrap(), ListenConfig::default().hold(true)).unwrap();
    solo.tuple.local.set_port(81);
    solo.arrives(rich(500));
    solo.tuple.remote.set_port(2);
    assert!(solo.arrives(rich(500)).is_empty());
    assert_eq!(solo.host.counters().drops.get(DropReason::SynQueueFull), 1);
}

#[test]
fn syns_that_are_never_asked_for_do_not_pile_up() {
    let mut solo = holding_with(plain(), ListenConfig::default().backlog(16));
    for port in 1..=5_000 {
        solo.tuple.remote.set_port(port);
        solo.arrives(rich(500));
        solo.arrives(seg(Flags::RST, 0, 0));
    }
    let listening = solo.host.listeners.get(solo.listener.index).unwrap();
    assert!(listening.incoming.len() < 200, "{}", listening.incoming.len());
    assert_eq!(solo.host.incoming(solo.listener), None);
}

#[test]
fn listener_that_goes_takes_its_held_syns_with_it() {
    let (mut solo, id) = held(plain());
    solo.host.unlisten(solo.now, solo.listener);
    assert!(solo.sent().is_empty());
    assert_eq!(solo.host.admit(solo.now, id), Err(AcceptError::Gone));
    assert_eq!((solo.state(), solo.host.half_open.len()), (State::Closed, 0));
}

#[test]
fn host_past_its_bound_on_connections_goes_on_holding() {
    let config = HostConfig { tcp: plain(), connections_max: 0, ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default());
    solo.listener =
        solo.host.listen("0.0.0.0:81".parse().unwrap(), ListenConfig::default().hold(true)).unwrap();
    solo.tuple.local.set_port(81);
    solo.arrives(rich(500));
    let (id, _) = solo.host.incoming(solo.listener).unwrap();
    assert_eq!(solo.host.admit(solo.now, id), Err(AcceptError::Limit));
    assert!(solo.host.is_held(id));
}

/// A TIME-WAIT at port 81 whose listener holds, and a SYN that may reopen it.
fn reopening() -> (Solo, IncomingId) {
    let mut solo = holding_with(plain(), ListenConfig::default());
    solo.arrives(seg(Flags::SYN, -1, 0).mss(1000));
    let (id, _) = solo.host.incoming(solo.listener).unwrap();
    admit(&mut solo, id);
    solo.arrives(ack(0, 0));
    let (mut solo, ..) = solo.brought_to(State::TimeWait);
    assert!(solo.arrives(seg(Flags::SYN, 1, 0)).is_empty());
    assert_eq!((solo.state(), solo.host.covered.len()), (State::SynReceived, 1));
    let (id, _) = solo.host.incoming(solo.listener).unwrap();
    (solo, id)
}

// requirement: 9293-MAY-2
#[test]
fn held_syn_covers_a_time_wait_which_comes_back_when_it_is_ignored_or_refused() {
    let (mut solo, id) = reopening();
    solo.host.ignore(solo.now, id);
    assert_eq!((solo.state(), solo.host.covered.len()), (State::TimeWait, 0));
    let (mut solo, id) = reopening();
    solo.host.refuse(solo.now, id);
    assert_eq!((solo.sent()[0].flags, solo.state()), (RST_ACK, State::TimeWait));
}

// requirement: 9293-MAY-2
#[test]
fn admitted_syn_covers_a_time_wait_until_it_is_established() {
    // The FIN of the old connection is acknowledged by the record.
    let (mut solo, id) = reopening();
    solo.host.admit(solo.now, id).unwrap();
    let syn_ack = solo.sent().remove(0);
    assert!(syn_ack.seq > 0, "above what the old connection sent");
    assert_eq!(solo.arrives(seg(FIN_ACK, 0, 1))[0].brief(), (Flags::ACK, 1, 1, 0));
    assert_eq!(solo.state(), State::SynReceived);
    let mut dying = solo.host.clone();
    solo.arrives(ack(2, syn_ack.seq + 1));
    assert_eq!(solo.state(), State::Established);
    assert_eq!((solo.host.covered.len(), solo.host.counters().reopened), (0, 1));
    assert_eq!(solo.host.snapshot(solo.now).time_wait.len(), 0);
    // The other way: the attempt dies, and the record is there again for its remaining time.
    let died = solo.now + Duration::from_secs(30);
    let id = dying
        .snapshot(solo.now)
        .connections
        .iter()
        .find_map(|one| one.id.filter(|_| one.state == State::SynReceived));
    dying.set_tracing(true);
    dying.stream(id.unwrap()).unwrap().abort(died);
    assert_eq!((dying.state_of(&solo.tuple), dying.counters().uncovered), (State::TimeWait, 1));
    let edges: Vec<_> = core::iter::from_fn(|| dying.poll_trace()).collect();
    assert!(
        matches!(
            edges[..],
            [crate::TraceEvent::State { before: State::SynReceived, after: State::TimeWait, .. }]
        ),
        "{edges:?}"
    );
}

#[test]
fn time_wait_that_runs_out_under_an_admitted_syn_leaves_it_alone() {
    let (mut solo, id) = reopening();
    solo.wait_ms(15_000);
    solo.id = solo.host.admit(solo.now, id).unwrap();
    solo.wait(Duration::from_secs(50));
    assert_eq!((solo.host.covered.len(), solo.state()), (0, State::SynReceived));
    let Phase::Opening(opening) = &solo.host.connections.get(solo.id.index).unwrap().phase else {
        panic!("not opening");
    };
    assert!(!opening.covers_time_wait, "it looks for no record any more");
    solo.abort();
    assert_eq!(solo.state(), State::Listen);
}
