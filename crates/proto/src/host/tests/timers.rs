//! Timers: keep-alive, limits on orphans, entries of the wheel, slots used again, settings at their extremes.

use super::solo::*;
use super::*;
use crate::{CloseReason, KeepAlive, TcpConfig, WriteError};

fn kept_alive() -> TcpConfig {
    let keepalive =
        KeepAlive { idle: Duration::from_secs(100), interval: Duration::from_secs(10), probes: 3 };
    TcpConfig { keepalive: Some(keepalive), ..plain() }
}

// requirement: 9293-MUST-24
// requirement: 9293-MUST-25
// requirement: 9293-MUST-28
#[test]
fn fresh_connection_is_never_probed_and_the_default_idle_time_is_two_hours() {
    let mut solo = Solo::new(plain());
    assert!(solo.wait(Duration::from_secs(100_000)).is_empty());
    assert_eq!(solo.host.poll_timeout(), None);
    assert_eq!(KeepAlive::default().idle, Duration::from_secs(7200));
}

// requirement: 9293-MUST-26
// requirement: 9293-MUST-27
// requirement: 9293-SHLD-12
// requirement: 9293-MUST-29
#[test]
fn idle_peer_is_probed_and_given_up_when_it_misses_several() {
    let mut solo = Solo::new(kept_alive());
    let began = solo.now;
    let probes = solo.wait_ms(129_999);
    let at: Vec<u64> = probes.iter().map(|probe| probe.at.since(began).as_secs()).collect();
    assert_eq!(at, [100, 110, 120]);
    assert!(probes.iter().all(|probe| probe.brief() == (Flags::ACK, -1, 0, 0)));
    assert_eq!(solo.state(), State::Established);
    solo.wait_ms(1);
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)]);
}

// requirement: 9293-MUST-26
#[test]
fn anything_that_arrives_starts_the_idle_time_again() {
    let mut solo = Solo::new(kept_alive());
    for n in 0..10 {
        solo.wait_ms(95_000);
        solo.arrives(text(n, 0, b"x"));
    }
    assert_eq!(solo.wait_ms(99_000).len(), 1, "the delayed ACK only");
    let probes = solo.wait_ms(1_000);
    assert_eq!(probes[0].brief(), (Flags::ACK, -1, 10, 0));
    // The answer to a probe is something too.
    solo.arrives(ack(10, 0));
    assert!(solo.wait_ms(99_999).is_empty());
}

// requirement: 9293-MUST-26
#[test]
fn segment_that_anybody_could_have_made_does_not_start_the_idle_time_again() {
    let mut solo = Solo::new(kept_alive());
    solo.wait_ms(95_000);
    // In the window, but it acknowledges what was never sent: a challenge, and no sign of life.
    assert_eq!(solo.arrives(ack(0, 1)).len(), 1);
    assert_eq!(solo.arrives(text(0, 1, b"forged")).len(), 1);
    assert!(solo.wait_ms(4_999).is_empty());
    assert_eq!(solo.wait_ms(1)[0].brief(), (Flags::ACK, -1, 0, 0));
}

#[test]
fn probes_that_cross_are_both_answered() {
    let mut solo = Solo::new(kept_alive());
    solo.wait_ms(99_999);
    solo.now += Duration::from_millis(1);
    solo.host.handle_timeout(solo.now);
    // Ours is due, and the peer's comes first. A probe is no answer to it: it stands before the peer's window.
    let sent = solo.arrives(ack(-1, 0));
    let brief: Vec<_> = sent.iter().map(Sent::brief).collect();
    assert_eq!(brief, [(Flags::ACK, 0, 0, 0), (Flags::ACK, -1, 0, 0)]);
}

// requirement: 9293-MUST-26
#[test]
fn text_in_flight_is_not_probed_for() {
    let mut solo = Solo::new(TcpConfig { user_timeout: Duration::from_secs(1000), ..kept_alive() });
    solo.write(b"lost");
    let sent = solo.wait_ms(999_999);
    assert!(sent.iter().all(|sent| sent.text == b"lost"));
    assert_eq!(solo.state(), State::Established);
    solo.wait_ms(1);
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)]);
}

#[test]
fn probe_of_the_peer_is_answered_and_is_no_duplicate_ack() {
    let mut solo = Solo::new(plain());
    solo.write(&[1; 3000]);
    for _ in 0..5 {
        let sent = solo.arrives(ack(-1, 0));
        assert_eq!(sent.iter().map(Sent::brief).collect::<Vec<_>>(), [(Flags::ACK, 3000, 0, 0)]);
    }
}

#[test]
fn connection_keeps_a_handful_of_wheel_entries_whatever_it_does() {
    let mut solo = Solo::new(TcpConfig {
        keepalive: Some(KeepAlive::default()),
        user_timeout: Duration::from_secs(7000),
        ..plain()
    });
    for n in 0..500 {
        solo.arrives(text(n, n, b"q"));
        solo.wait_ms(50);
        solo.write(b"a");
        solo.wait_ms(3);
        solo.arrives(ack(n + 1, n + 1));
        solo.read();
    }
    assert!(solo.host.wheel.len() <= 8, "{} entries", solo.host.wheel.len());
    // And it still wakes when it has to.
    let began = solo.now;
    let sent = solo.wait(Duration::from_secs(7201));
    assert_eq!(sent.last().unwrap().at.since(began), Duration::from_secs(7200));
}

#[test]
fn deadline_that_moves_nearer_and_farther_is_met_to_the_nanosecond() {
    let mut solo = Solo::new(TcpConfig { keepalive: Some(KeepAlive::default()), ..plain() });
    for (n, wait) in [(0, 10), (1, 700), (2, 39), (3, 41), (4, 5_000)] {
        solo.arrives(text(n, n, b"x"));
        let began = solo.now;
        let acks = solo.wait_ms(40);
        assert_eq!(acks[0].at.since(began), Duration::from_millis(40));
        solo.write(b"y");
        let began = solo.now;
        let rto = solo.host.info(solo.id).unwrap().rto;
        let again = solo.wait(rto);
        assert_eq!(again[0].at.since(began), rto);
        solo.wait_ms(wait);
        solo.arrives(ack(n + 1, n + 1));
    }
}

#[test]
fn slot_used_again_is_not_disturbed_by_what_its_last_tenant_left() {
    let mut solo = Solo::new(TcpConfig { keepalive: Some(KeepAlive::default()), ..plain() });
    for round in 0..50 {
        // Timers run, and the slot stands in the queue of those that have something to send.
        solo.host.stream(solo.id).unwrap().write(solo.now, b"never leaves").unwrap();
        let first = solo.id;
        solo.host.stream(solo.id).unwrap().abort(solo.now);
        solo.tuple.remote.set_port(41_000 + round);
        let frames = [Frame::from(solo.packet(&seg(Flags::SYN, -1, 0).mss(1000)))];
        solo.host.handle_frames(solo.now, InterfaceId(0), &mut frames.into_iter());
        let sent = solo.sent();
        assert_eq!(sent.iter().map(|sent| sent.flags).collect::<Vec<_>>(), [RST_ACK, SYN_ACK]);
        solo.iss = sent[1].header.seq;
        solo.arrives(ack(0, 0));
        solo.id = solo.host.accept(solo.listener).unwrap();
        assert_eq!(first.index, solo.id.index);
        assert_ne!(first.generation, solo.id.generation);
        assert!(solo.host.stream(first).is_none());
        let sent = solo.write(b"of the new one");
        assert_eq!(sent[0].brief(), (Flags::ACK, 0, 0, 14));
        let began = solo.now;
        let again = solo.wait_ms(1_500);
        assert_eq!(again.iter().map(|sent| sent.at.since(began).as_millis()).collect::<Vec<_>>(), [1_000]);
        solo.arrives(ack(0, 14));
    }
    assert!(solo.host.dirty.len() <= 1);
}

#[test]
fn slot_has_a_handful_of_wheel_entries_whoever_is_in_it_and_each_is_answered_in_time() {
    let mut solo = Solo::new(plain());
    for round in 0..1_000 {
        let remote = SocketAddr::new(address(1, false), 443);
        let id = solo.host.connect(solo.now, remote, ConnectConfig::default()).unwrap();
        solo.tuple.remote.set_port(42_000 + round);
        let frames = [Frame::from(solo.packet(&seg(Flags::SYN, -1, 0).mss(1000)))];
        solo.host.handle_frames(solo.now, InterfaceId(0), &mut frames.into_iter());
        solo.sent();
        // Neither the SYN nor the SYN-ACK is ever answered.
        if round == 999 {
            break;
        }
        solo.host.stream(id).unwrap().close(solo.now);
        solo.arrives(seg(Flags::RST, 0, 0));
        solo.wait_ms(7);
    }
    assert!(solo.host.wheel.len() <= 8, "{} entries", solo.host.wheel.len());
    let began = solo.now;
    let again = solo.wait_ms(3_000);
    let at: Vec<_> = again.iter().map(|sent| (sent.flags, sent.at.since(began))).collect();
    let (once, thrice) = (Duration::from_secs(1), Duration::from_secs(3));
    assert_eq!(at, [(SYN_ACK, once), (Flags::SYN, once), (SYN_ACK, thrice), (Flags::SYN, thrice)]);
}

#[test]
fn orphan_that_cannot_deliver_ends_after_its_limit() {
    let mut solo = Solo::new(plain());
    solo.write(b"never acknowledged");
    solo.close();
    assert_eq!(solo.host.orphans, 1);
    solo.wait_ms(59_999);
    assert_eq!(solo.state(), State::FinWait1);
    solo.wait_ms(1);
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)]);
    assert_eq!((solo.host.orphans, solo.host.counters().orphans_timed_out), (0, 1));
    assert!(solo.wait_ms(1_000_000).is_empty());
    assert_eq!(solo.host.poll_timeout(), None);
}

#[test]
fn orphan_limit_starts_anew_with_fin_wait_2() {
    let mut solo = Solo::new(plain());
    solo.close();
    solo.wait_ms(30_000);
    solo.arrives(ack(0, 1));
    assert_eq!(solo.state(), State::FinWait2);
    solo.wait_ms(59_999);
    assert_eq!(solo.state(), State::FinWait2);
    solo.wait_ms(1);
    assert_eq!(solo.state(), State::Listen);
    // A connection that was held in FIN-WAIT-2 counts from the moment it is let go.
    let (mut solo, ..) = Solo::new(plain()).brought_to(State::FinWait2);
    solo.wait_ms(1_000_000);
    solo.close();
    solo.wait_ms(59_999);
    assert_eq!(solo.state(), State::FinWait2);
    solo.wait_ms(1);
    assert_eq!(solo.state(), State::Listen);
    assert_eq!(solo.host.orphans, 0);
}

#[test]
fn orphan_beyond_the_bound_is_reset() {
    let config = HostConfig { tcp: plain(), orphans_max: 1, ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default())
        .accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!(solo.close()[0].flags, FIN_ACK);
    solo.tuple.remote.set_port(40_001);
    let mut solo = solo.accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!(solo.close()[0].flags, RST_ACK);
    assert_eq!((solo.host.orphans, solo.host.counters().orphans_refused), (1, 1));
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Aborted)]);
}

#[test]
fn calls_on_a_connection_that_is_over_say_how_it_ended_and_closing_frees_it() {
    for (end, reason) in [(Flags::RST, CloseReason::Reset), (FIN_ACK, CloseReason::Graceful)] {
        let mut solo = Solo::new(plain());
        solo.arrives(text(0, 0, b"left over"));
        if end == FIN_ACK {
            solo.shutdown();
        }
        solo.arrives(seg(end, 9, i64::from(end == FIN_ACK)));
        assert_eq!(solo.events.last(), Some(&Event::Closed(solo.id, reason)));
        let now = solo.now;
        let mut stream = solo.host.stream(solo.id).unwrap();
        let expected = match reason {
            CloseReason::Graceful => WriteError::Closed,
            reason => WriteError::Ended(reason),
        };
        assert_eq!(stream.write(now, b"x"), Err(expected));
        assert_eq!(stream.shutdown(now).is_ok(), reason == CloseReason::Graceful);
        stream.set_nodelay(now, true);
        assert_eq!(solo.host.ended(solo.id), Some(reason));
        assert_eq!(solo.read(), (b"left over".to_vec(), reason == CloseReason::Graceful));
        assert_eq!(solo.read(), (Vec::new(), reason == CloseReason::Graceful));
        solo.close();
        assert!(solo.host.connections.is_empty());
        assert_eq!((solo.host.recv_total, solo.host.orphans), (0, 0));
        assert_eq!(solo.events.iter().filter(|event| matches!(event, Event::Closed(..))).count(), 1);
    }
}

#[test]
fn text_left_over_keeps_nothing_that_cannot_be_read() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, &[1; 600]));
    solo.arrives(text(5_000, 0, &[1; 900]));
    solo.arrives(text(8_000, 0, &[1; 900]));
    solo.arrives(seg(Flags::RST, 600, 0));
    assert!(solo.host.recv_total < 900, "{}", solo.host.recv_total);
}

#[test]
fn writer_is_woken_once_when_half_the_buffer_is_free() {
    let mut solo = Solo::new(TcpConfig { send_buffer: 4000, nodelay: true, ..plain() });
    let now = solo.now;
    assert_eq!(solo.host.stream(solo.id).unwrap().write(now, &[0; 5000]), Ok(4000));
    assert_eq!(solo.host.stream(solo.id).unwrap().write(now, &[0; 1]), Err(WriteError::Blocked));
    solo.sent();
    solo.arrives(ack(0, 1000));
    assert!(solo.events.is_empty());
    solo.arrives(ack(0, 2000));
    solo.arrives(ack(0, 4000));
    assert_eq!(solo.events, [Event::Writable(solo.id)]);
    assert_eq!(solo.host.stream(solo.id).unwrap().write(now, &[]), Ok(0));
    assert!(solo.sent().is_empty());
}

#[test]
fn writer_who_was_blocked_before_the_handshake_is_woken_when_there_is_room() {
    let (mut solo, _) = Solo::connecting(TcpConfig { send_buffer: 1000, ..plain() });
    let now = solo.now;
    assert_eq!(solo.host.stream(solo.id).unwrap().write(now, &[0; 1500]), Ok(1000));
    solo.arrives(seg(SYN_ACK, -1, 0).mss(1000));
    assert_eq!(solo.events, [Event::Connected(solo.id)]);
    solo.arrives(ack(0, 1000));
    assert_eq!(solo.events[1..], [Event::Writable(solo.id)]);
}

/// Runs a life on a wire without loss; true when both sides ended in order.
fn lives(tcp: TcpConfig) -> bool {
    let config = HostConfig { tcp, ..HostConfig::default() };
    let mut pair = Pair::with([config.clone(), config]);
    let listener = pair.listen(ListenConfig::default());
    let client = pair.connect(ConnectConfig::default());
    pair.run();
    let Some(server) = pair.hosts[1].accept(listener) else { return false };
    let now = pair.now;
    for (side, id) in [(0, client), (1, server)] {
        if let Some(mut stream) = pair.hosts[side].stream(id) {
            let _may_be_blocked = stream.write(now, b"text");
        }
    }
    pair.run();
    for (side, id) in [(0, client), (1, server)] {
        pair.read(side, id);
        let now = pair.now;
        let _may_have_ended = pair.hosts[side].stream(id).unwrap().shutdown(now);
    }
    pair.run();
    for (side, id) in [(0, client), (1, server)] {
        pair.read(side, id);
        if pair.hosts[side].stream(id).is_some() {
            pair.close(side, id);
        }
    }
    pair.run_for(Duration::from_secs(1));
    [client, server]
        .iter()
        .zip(&pair.events)
        .all(|(id, events)| events.contains(&Event::Closed(*id, CloseReason::Graceful)))
}

#[test]
fn settings_at_their_extremes_neither_panic_nor_spin() {
    let probing = |idle, interval, probes| Some(KeepAlive { idle, interval, probes });
    let (zero, forever) = (Duration::ZERO, Duration::MAX);
    let base = TcpConfig::default;
    for tcp in [
        TcpConfig { rto_min: forever, rto_max: forever, ..base() },
        TcpConfig { rto_min: zero, rto_max: zero, ..base() },
        TcpConfig { rto_min: Duration::from_secs(5), rto_max: Duration::from_secs(1), ..base() },
        TcpConfig { recv_buffer: u32::MAX, send_buffer: u32::MAX, ..base() },
        TcpConfig { recv_buffer: u32::MAX, window_scaling: false, ..base() },
        TcpConfig { recv_buffer: 1, send_buffer: 1, ..base() },
        TcpConfig { delayed_ack: forever, ..base() },
        TcpConfig { keepalive: probing(forever, forever, u8::MAX), ..base() },
        TcpConfig { user_timeout: forever, syn_timeout: forever, ..base() },
        TcpConfig { orphan_timeout: forever, fin_wait_2_timeout: forever, ..base() },
        TcpConfig { mss: Some(0), ..base() },
        TcpConfig { mss: Some(u16::MAX), ..base() },
        TcpConfig { msl: zero, ..base() },
        TcpConfig::strict(),
    ] {
        let tiny = tcp.recv_buffer == 1;
        assert!(lives(tcp.clone()) || tiny, "{tcp:?}");
    }
    for tcp in [
        TcpConfig { recv_buffer: 0, ..base() },
        TcpConfig { send_buffer: 0, ..base() },
        TcpConfig { user_timeout: zero, ..base() },
        TcpConfig { syn_timeout: zero, ..base() },
        TcpConfig { orphan_timeout: zero, fin_wait_2_timeout: zero, ..base() },
        TcpConfig { keepalive: probing(zero, zero, 0), ..base() },
        TcpConfig { keepalive: probing(zero, zero, u8::MAX), ..base() },
    ] {
        lives(tcp);
    }
}

#[test]
fn keep_alive_without_an_interval_does_not_spin_while_text_is_in_flight() {
    let keepalive = KeepAlive { idle: Duration::ZERO, interval: Duration::ZERO, probes: 255 };
    let mut solo = Solo::new(TcpConfig { keepalive: Some(keepalive), ..plain() });
    solo.write(b"in flight");
    solo.wait_ms(100);
    assert_eq!(solo.state(), State::Established);
}

#[test]
fn send_buffer_of_gigabytes_keeps_the_numbers_in_order() {
    let mut solo = Solo::new(TcpConfig { send_buffer: u32::MAX, ..plain() });
    let gigabyte = Bytes::from(vec![0; 1 << 30]);
    let now = solo.now;
    let mut taken = 0;
    for _ in 0..4 {
        taken += solo.host.stream(solo.id).unwrap().write_chunk(now, &mut gigabyte.clone()).unwrap_or(0);
    }
    assert!(taken < 1 << 31, "more than the numbers can tell apart");
    solo.host.stream(solo.id).unwrap().shutdown(now).unwrap();
    let sent = solo.sent();
    assert_eq!((sent.len(), sent[0].text.len(), sent[0].flags), (10, 1000, Flags::ACK));
}

/// With so many connections, what is due is looked up ahead of use, sixteen entries at a time.
#[test]
fn timers_of_two_thousand_connections_that_are_due_together_expire_once_each_and_in_their_order() {
    let mut pair = Pair::new();
    pair.lose = Some(|_, _, _| true);
    let clients: Vec<ConnectionId> = (0..2_000).map(|_| pair.connect(ConnectConfig::default())).collect();
    let ports: Vec<u16> = clients.iter().map(|client| pair.tuple(*client).local.port()).collect();
    pair.run_for(Duration::from_millis(999));
    // Ended in the last moment, with its entry still in the wheel, and its place taken by another.
    let now = pair.now;
    pair.hosts[0].stream(clients[700]).unwrap().abort(now);
    let late = pair.connect(ConnectConfig::default());
    pair.run_for(Duration::from_millis(500));
    let again = pair.seen.iter().filter(|seen| seen.at >= Instant::from_millis(2_000));
    let again: Vec<u16> = again.map(|seen| seen.header.source).collect();
    let expected: Vec<u16> = ports.iter().copied().filter(|port| *port != ports[700]).collect();
    assert_eq!(again, expected);
    assert_eq!(pair.hosts[0].state_of(&pair.tuple(late)), State::SynSent);
}
