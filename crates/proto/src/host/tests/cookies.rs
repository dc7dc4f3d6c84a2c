//! SYN cookies: a full queue locks nobody out, and what timestamps can carry is kept.

use super::solo::*;
use super::*;
use crate::tcp::connection::Phase;
use crate::wire::tcp::Timestamp;
use crate::{DropReason, TcpConfig, WhenFull};

const LATER: Duration = Duration::from_secs(64);

/// A host at port 81 whose queue of half-open connections is full, and its listener.
fn crowded(tcp: TcpConfig, config: ListenConfig) -> Solo {
    crowd(Solo::listening(tcp), config)
}

fn crowd(mut solo: Solo, config: ListenConfig) -> Solo {
    solo.listener = solo.host.listen("0.0.0.0:81".parse().unwrap(), config.backlog(1)).unwrap();
    solo.tuple.local.set_port(81);
    solo.tuple.remote.set_port(1);
    assert_eq!(solo.arrives(seg(Flags::SYN, -1, 0)).len(), 1);
    solo.tuple.remote.set_port(2);
    solo
}

/// A SYN with everything on it.
fn rich(scale: Option<u8>, sack: bool) -> Sends {
    let mut syn = seg(Flags::SYN, -1, 0).mss(1400).ts(500, 0);
    syn.options.window_scale = scale;
    syn.options.sack_permitted = sack;
    syn
}

/// The SYN is answered by a cookie, about which nothing is remembered.
fn cookie(solo: &mut Solo, syn: Sends) -> Sent {
    let before = (solo.host.half_open.len(), solo.host.counters().syn_cookies_sent);
    let answer = solo.arrives(syn).remove(0);
    assert_eq!((answer.flags, answer.ack), (SYN_ACK, 0));
    assert_eq!((solo.host.half_open.len(), solo.host.counters().syn_cookies_sent), (before.0, before.1 + 1));
    assert_eq!(solo.state(), State::Listen);
    solo.iss = answer.header.seq;
    answer
}

fn echo(answer: &Sent) -> u32 {
    answer.header.options.timestamp.unwrap().val
}

// requirement: 4987-5
// requirement: 4987-7
#[test]
fn cookie_keeps_mss_window_scale_and_sack_of_a_peer_with_timestamps() {
    for (scale, sack) in [(Some(0), true), (Some(7), true), (Some(14), false), (None, true), (None, false)] {
        let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
        let answer = cookie(&mut solo, rich(scale, sack));
        assert_eq!(answer.header.options.window_scale.is_some(), scale.is_some());
        assert_eq!(answer.header.options.sack_permitted, sack);
        solo.arrives(text(0, 0, b"hello").wnd(1000).ts(501, echo(&answer)));
        assert_eq!(solo.state(), State::Established);
        solo.id = solo.host.accept(solo.listener).unwrap();
        assert_eq!(solo.read().0, b"hello");
        let connection = solo.host.connection(solo.id).unwrap();
        let Phase::Synchronized(tcb) = &connection.phase else { panic!("established") };
        // 1400 is 1360 in the table; 12 octets go to the timestamps.
        assert_eq!((tcb.sack, tcb.snd_shift, tcb.snd.mss), (sack, scale.unwrap_or(0), 1348));
        assert_eq!((tcb.snd.wnd, tcb.rcv_shift > 0), (1000 << scale.unwrap_or(0), scale.is_some()));
        assert_eq!(tcb.ts().unwrap().recent, 501);
        assert_eq!(solo.host.counters().syn_cookies_accepted, 1);
    }
}

// requirement: 4987-7
#[test]
fn cookie_of_a_peer_without_timestamps_keeps_the_mss_and_offers_nothing_else() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    let mut syn = rich(Some(7), true);
    syn.options.timestamp = None;
    let answer = cookie(&mut solo, syn);
    let options = &answer.header.options;
    assert_eq!((options.window_scale, options.sack_permitted, options.timestamp), (None, false, None));
    assert_eq!(solo.host.counters().syn_cookies_plain, 1);
    solo.arrives(ack(0, 0).wnd(1000));
    solo.id = solo.host.accept(solo.listener).unwrap();
    let Phase::Synchronized(tcb) = &solo.host.connection(solo.id).unwrap().phase else { panic!() };
    assert_eq!((tcb.snd.wnd, tcb.snd.mss, tcb.sack, tcb.snd_shift, tcb.rcv_shift), (1000, 1360, false, 0, 0));
}

// requirement: 4987-6
#[test]
fn ack_that_is_no_answer_to_a_cookie_is_refused_and_creates_nothing() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    let answer = cookie(&mut solo, rich(Some(7), true));
    let good = ack(0, 0).ts(501, echo(&answer));
    let mut timeless = good.clone();
    timeless.options.timestamp = None;
    let bad = [
        Sends { ack: 1, ..good.clone() },
        Sends { seq: 1, ..good.clone() },
        good.clone().ts(501, echo(&answer).wrapping_sub(200_000)),
        good.clone().ts(501, echo(&answer).wrapping_add(64)),
        timeless,
    ];
    for (turn, bad) in (1..).zip(bad) {
        let sent = solo.arrives(bad);
        assert_eq!((sent.len(), sent[0].flags), (1, Flags::RST));
        assert_eq!((solo.state(), solo.host.counters().syn_cookies_failed), (State::Listen, turn));
    }
    solo.arrives(good);
    assert_eq!(solo.state(), State::Established);
}

// requirement: 4987-6
#[test]
fn cookie_is_refused_once_its_time_is_over() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    let answer = cookie(&mut solo, rich(Some(7), true));
    let good = ack(0, 0).ts(501, echo(&answer));
    solo.wait(2 * LATER);
    assert_eq!(solo.arrives(good)[0].flags, Flags::RST);
    assert_eq!(solo.state(), State::Listen);
}

// requirement: 4987-7
#[test]
fn cookies_are_accepted_only_while_the_queue_overflowed_in_the_last_two_periods() {
    let mut other = crowded(TcpConfig::default(), ListenConfig::default());
    let answer = cookie(&mut other, rich(Some(7), true));
    let good = ack(0, 0).ts(501, echo(&answer));
    // The same host, whose queue has not overflowed: it has the same secrets.
    let mut calm = Solo::listening(TcpConfig::default());
    calm.tuple = other.tuple;
    calm.listener = calm.host.listen("0.0.0.0:81".parse().unwrap(), ListenConfig::default()).unwrap();
    calm.iss = other.iss;
    assert_eq!(calm.arrives(good.clone())[0].flags, Flags::RST);
    assert_eq!(calm.host.counters().syn_cookies_failed, 0, "it did not even look");
    other.wait(LATER - Duration::from_secs(2));
    other.arrives(good);
    assert_eq!(other.state(), State::Established);
}

// requirement: 4987-7
#[test]
fn queue_that_has_drained_is_used_again() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    cookie(&mut solo, rich(Some(7), true));
    solo.wait(LATER);
    assert_eq!((solo.host.half_open.len(), solo.host.counters().half_open_expired), (0, 1));
    solo.arrives(rich(Some(7), true));
    assert_eq!((solo.state(), solo.host.counters().syn_cookies_sent), (State::SynReceived, 1));
}

/// The value that a cookie's SYN-ACK carries, and those before and after it, never go back.
#[test]
fn timestamp_of_a_cookie_is_neither_ahead_nor_behind() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    let offset = solo.host.numbers.of(&super::super::key::Key::from_tuple(&solo.tuple)).timestamp_offset;
    let mut last = None;
    for step in 0..200u64 {
        let answer = cookie(&mut solo, rich(Some(14), true));
        let clock = offset.wrapping_add(u32::try_from(solo.now.as_millis()).unwrap());
        assert!(clock.wrapping_sub(echo(&answer)) < 64, "a little behind the clock");
        assert!(last.is_none_or(|last| echo(&answer).wrapping_sub(last) < 1000));
        last = Some(echo(&answer));
        solo.now += Duration::from_millis(1 + step % 7);
    }
    let answer = cookie(&mut solo, rich(Some(14), true));
    let sent = solo.arrives(text(0, 0, b"x").ts(501, echo(&answer)));
    let sent = if sent.is_empty() { solo.wait_ms(50) } else { sent };
    assert!(sent[0].header.options.timestamp.unwrap().val.wrapping_sub(echo(&answer)) < 1000);
}

#[test]
fn cookie_answered_while_the_accept_queue_is_full_is_asked_again_when_the_syn_queue_has_room() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    let answers: Vec<(u16, Sent)> = (2..=4)
        .map(|port| {
            solo.tuple.remote.set_port(port);
            (port, cookie(&mut solo, rich(Some(7), true)))
        })
        .collect();
    // The entry that filled the queue of half-open connections goes away.
    solo.tuple.remote.set_port(1);
    solo.arrives(seg(Flags::RST, 0, 0));
    for (port, answer) in &answers {
        solo.tuple.remote.set_port(*port);
        solo.iss = answer.header.seq;
        solo.arrives(ack(0, 0).ts(501, echo(answer)));
    }
    assert_eq!(solo.host.counters().drops.get(DropReason::AcceptQueueFull), 1);
    assert_eq!((solo.state(), solo.host.half_open.len()), (State::SynReceived, 1));
    solo.host.accept(solo.listener).unwrap();
    let again = solo.wait_ms(1_000).remove(0);
    assert_eq!((again.flags, again.header.seq), (SYN_ACK, answers[2].1.header.seq));
    let options = &again.header.options;
    assert_eq!((options.window_scale.is_some(), options.sack_permitted), (true, true));
    let mut asked = solo.host.clone();
    solo.arrives(ack(0, 0).ts(501, echo(&again)));
    assert_eq!(solo.state(), State::Established);
    // What is on its way echoes the cookie still, and nothing older does.
    core::mem::swap(&mut solo.host, &mut asked);
    let first = echo(&answers[2].1);
    assert!(solo.arrives(text(0, 0, b"x").ts(501, first.wrapping_sub(1))).is_empty());
    assert_eq!(solo.host.counters().drops.get(DropReason::ForeignEcho), 1);
    solo.arrives(text(0, 0, b"x").ts(501, first));
    assert_eq!(solo.state(), State::Established);
}

#[test]
fn echo_of_a_cookie_is_good_though_it_was_rounded_down_to_before_the_host_began() {
    let solo = Solo { now: Instant::ZERO, ..Solo::listening(TcpConfig::default()) };
    let mut solo = crowd(solo, ListenConfig::default());
    let answers: Vec<Sent> = (2..=4)
        .map(|port| {
            solo.tuple.remote.set_port(port);
            cookie(&mut solo, rich(Some(14), true))
        })
        .collect();
    solo.tuple.remote.set_port(1);
    solo.arrives(seg(Flags::RST, 0, 0));
    // The last finds the accept queue full and is kept half-open.
    for (port, answer) in (2..=4).zip(&answers) {
        solo.tuple.remote.set_port(port);
        solo.iss = answer.header.seq;
        solo.arrives(ack(0, 0).ts(501, echo(answer)));
    }
    assert_eq!(solo.state(), State::SynReceived);
    let offset = solo.host.numbers.of(&super::super::key::Key::from_tuple(&solo.tuple)).timestamp_offset;
    assert!(SeqNum(echo(&answers[2])).before(SeqNum(offset)), "the clock stood there when the host began");
    solo.host.accept(solo.listener).unwrap();
    solo.now += Duration::from_millis(100);
    solo.arrives(text(0, 0, b"x").ts(502, echo(&answers[2])));
    assert_eq!(
        (solo.state(), solo.host.counters().drops.get(DropReason::ForeignEcho)),
        (State::Established, 0)
    );
}

#[test]
fn host_past_its_bound_on_connections_drops_the_answer_to_a_cookie() {
    let config = HostConfig { connections_max: 0, half_open_max: 0, ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default());
    let answer = cookie(&mut solo, rich(Some(7), true));
    assert!(solo.arrives(ack(0, 0).ts(501, echo(&answer))).is_empty());
    assert_eq!(solo.host.counters().drops.get(DropReason::ConnectionLimit), 1);
}

// requirement: 4987-1
#[test]
fn source_at_its_bound_gets_cookies_while_others_are_kept() {
    let config = HostConfig { half_open_per_source_max: 3, ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default());
    for port in 1..=5 {
        solo.tuple.remote.set_port(port);
        assert_eq!(solo.arrives(rich(Some(7), true)).len(), 1);
    }
    assert_eq!(solo.host.half_open.len(), 3);
    let counters = solo.host.counters();
    assert_eq!((counters.syn_cookies_sent, counters.half_open_source_full), (2, 2));
    solo.tuple.remote.set_ip("10.0.0.99".parse().unwrap());
    solo.arrives(rich(Some(7), true));
    assert_eq!((solo.state(), solo.host.half_open.len()), (State::SynReceived, 4));
    // One of them ends, and there is room for another of that source.
    solo.tuple.remote = SocketAddr::new(address(1, false), 1);
    solo.arrives(seg(Flags::RST, 0, 0));
    solo.arrives(rich(Some(7), true));
    assert_eq!(solo.state(), State::SynReceived);
}

/// The queue is full twice over, and `when_full` decides what a SYN and an ACK meet.
#[test]
fn full_accept_queue_drops_or_resets_the_syn_and_the_last_ack() {
    for when_full in [WhenFull::Drop, WhenFull::Reset] {
        let mut solo = Solo::listening(plain());
        let config = ListenConfig::default().backlog(2).when_full(when_full);
        solo.listener = solo.host.listen("0.0.0.0:81".parse().unwrap(), config).unwrap();
        solo.tuple.local.set_port(81);
        let open = |solo: &mut Solo, port| {
            solo.tuple.remote.set_port(port);
            solo.iss = solo.arrives(seg(Flags::SYN, -1, 0)).remove(0).header.seq;
            solo.iss
        };
        let late = open(&mut solo, 1);
        for port in 2..=4 {
            open(&mut solo, port);
            solo.arrives(ack(0, 0));
            assert_eq!(solo.state(), State::Established);
        }
        solo.tuple.remote.set_port(5);
        let to_syn = solo.arrives(seg(Flags::SYN, -1, 0));
        solo.tuple.remote.set_port(1);
        solo.iss = late;
        let to_ack = solo.arrives(ack(0, 0));
        assert_eq!(solo.host.counters().drops.get(DropReason::AcceptQueueFull), 2);
        if when_full == WhenFull::Reset {
            assert_eq!((to_syn[0].flags, to_syn[0].ack), (RST_ACK, 0));
            assert_eq!((to_ack[0].flags, to_ack[0].seq), (Flags::RST, 0));
            assert_eq!(solo.state(), State::Listen);
        } else {
            assert!(to_syn.is_empty() && to_ack.is_empty());
            assert_eq!(solo.state(), State::SynReceived, "its SYN-ACK will come again");
        }
    }
}

#[test]
fn peers_that_have_closed_while_they_waited_for_accept_yield_their_text_and_then_its_end() {
    let mut solo = Solo::listening(plain());
    for port in 1..=3 {
        solo.tuple.remote.set_port(port);
        solo.iss = solo.arrives(seg(Flags::SYN, -1, 0)).remove(0).header.seq;
        solo.arrives(ack(0, 0));
        solo.arrives(text(0, 0, b"request").fin());
        assert_eq!(solo.state(), State::CloseWait);
    }
    for port in 1..=3 {
        solo.tuple.remote.set_port(port);
        solo.id = solo.host.accept(solo.listener).unwrap();
        assert_eq!(solo.host.tuple(solo.id), Some(solo.tuple));
        assert_eq!(solo.read(), (b"request".to_vec(), true));
        assert_eq!(solo.state(), State::CloseWait);
    }
}

#[test]
fn answer_to_a_cookie_passes_through_syn_received_for_those_who_watch() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    solo.host.set_tracing(true);
    let answer = cookie(&mut solo, rich(Some(7), true));
    solo.arrives(ack(0, 0).ts(501, echo(&answer)));
    let edges: Vec<(State, State)> = core::iter::from_fn(|| solo.host.poll_trace())
        .filter_map(|event| match event {
            crate::TraceEvent::State { before, after, .. } => Some((before, after)),
            _ => None,
        })
        .collect();
    assert_eq!(edges, [(State::Listen, State::SynReceived), (State::SynReceived, State::Established)]);
}

#[test]
fn retransmitted_syn_gets_the_same_cookie_within_a_period() {
    let mut solo = crowded(TcpConfig::default(), ListenConfig::default());
    let first = cookie(&mut solo, rich(Some(7), true));
    solo.now += Duration::from_secs(1);
    let second = cookie(&mut solo, rich(Some(7), true));
    assert_eq!(first.header.seq, second.header.seq);
    assert_ne!(Some(Timestamp { val: echo(&first), ecr: 500 }), second.header.options.timestamp);
    // Either timestamp may come back.
    solo.arrives(ack(0, 0).ts(501, echo(&first)));
    assert_eq!(solo.state(), State::Established);
}

/// Every handshake by cookie, over a wire that loses every seventh segment, and not always the same one.
// requirement: 4987-5
#[test]
fn clients_that_speak_first_all_get_through_by_cookies_although_segments_are_lost() {
    let config = HostConfig { half_open_max: 0, ..HostConfig::default() };
    let mut pair = Pair::with([HostConfig::default(), config]);
    let listener = pair.listen(ListenConfig::default());
    pair.lose = Some(|_, index, _| index % 7 == 3 || index % 11 == 5);
    let mut clients = Vec::new();
    for turn in 0..60 {
        let client = pair.connect(ConnectConfig::default());
        clients.push((client, alloc::format!("request {turn}").into_bytes()));
        let text = clients.last().unwrap().1.clone();
        pair.write(0, client, &text);
        pair.run_for(Duration::from_millis(3));
    }
    pair.run_for(Duration::from_secs(170));
    let mut got = Vec::new();
    let mut turns = Turns::default();
    while let Some(server) = pair.hosts[1].accept(listener) {
        turns.count();
        let (text, _) = pair.read(1, server);
        assert_eq!(pair.write(1, server, &text), text.len());
        got.push((server, text));
    }
    assert_eq!(got.len(), clients.len());
    assert_eq!(pair.hosts[1].counters().syn_cookies_accepted, 60);
    assert!(pair.hosts[1].counters().syn_cookies_sent > 60, "some SYNs came again");
    pair.run_for(Duration::from_secs(170));
    for (client, text) in clients {
        assert_eq!(pair.read(0, client).0, text, "the echo");
        pair.close(0, client);
    }
    got.into_iter().for_each(|(server, _)| pair.close(1, server));
    pair.run_for(Duration::from_secs(300));
    pair.assert_nothing_left();
    assert_eq!(pair.saw(1, Flags::RST), 0);
}
