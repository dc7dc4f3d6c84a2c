//! Opening, closing, resetting, TIME-WAIT.

use super::*;
use crate::{CloseReason, ConnectError};

#[test]
fn handshake_text_and_orderly_close_end_in_time_wait_and_then_nothing() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    assert_eq!(pair.states(&tuple), (State::Established, State::Established));
    pair.write(0, client, b"request");
    pair.run();
    assert_eq!(pair.read(1, server), (b"request".to_vec(), false));
    pair.write(1, server, b"response");
    pair.run();
    assert_eq!(pair.read(0, client), (b"response".to_vec(), false));
    pair.close(0, client);
    pair.run();
    assert_eq!(pair.states(&tuple), (State::FinWait2, State::CloseWait));
    assert_eq!(pair.read(1, server), (Vec::new(), true));
    pair.close(1, server);
    pair.run();
    assert_eq!(pair.states(&tuple), (State::TimeWait, State::Listen));
    assert!(pair.events[0].contains(&Event::Closed(client, CloseReason::Graceful)));
    assert!(pair.events[1].contains(&Event::Closed(server, CloseReason::Graceful)));
    pair.run_for(Duration::from_secs(61));
    assert_eq!(pair.states(&tuple), (State::Closed, State::Listen));
    pair.assert_nothing_left();
    assert_eq!((pair.saw(0, Flags::RST), pair.saw(1, Flags::RST)), (0, 0));
}

#[test]
fn time_wait_lasts_exactly_two_msl() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    pair.close(0, client);
    pair.run();
    pair.close(1, server);
    let started = pair.now;
    pair.run();
    assert_eq!(pair.states(&tuple).0, State::TimeWait);
    // The FIN arrives one delay after it left.
    pair.run_until(started + DELAY + Duration::from_millis(59_999));
    assert_eq!(pair.states(&tuple).0, State::TimeWait);
    pair.run_until(started + DELAY + Duration::from_millis(60_000));
    assert_eq!(pair.states(&tuple).0, State::Closed);
}

#[test]
fn without_msl_the_tuple_is_free_at_once() {
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::ZERO;
    let mut pair = Pair::with([config, HostConfig::default()]);
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    pair.close(0, client);
    pair.run();
    pair.close(1, server);
    pair.run();
    assert_eq!(pair.states(&tuple), (State::Closed, State::Listen));
}

#[test]
fn without_msl_a_connect_on_the_tuple_succeeds_in_the_same_instant() {
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::ZERO;
    let mut pair = Pair::with([config, HostConfig::default()]);
    // Not a whole millisecond: nothing may be rounded up.
    pair.now = Instant::from_nanos(1_234_567_891);
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    pair.close(0, client);
    pair.close(1, server);
    let mut turns = Turns::default();
    while pair.hosts[0].counters().time_wait_entered == 0 {
        turns.count();
        pair.run_for(DELAY);
    }
    let now = pair.now;
    let again = pair.hosts[0].connect(now, tuple.remote, ConnectConfig::default().local(tuple.local));
    assert!(again.is_ok(), "{again:?}");
}

#[test]
fn lost_last_ack_is_repaired_by_time_wait() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    pair.close(0, client);
    pair.run();
    // The ACK of host 1's FIN is the next thing host 0 sends: lose it once.
    pair.lose = Some(|from, _, seen| from == 0 && seen.at < Instant::from_millis(1_400));
    pair.close(1, server);
    pair.run_for(Duration::from_secs(2));
    assert!(pair.events[1].contains(&Event::Closed(server, CloseReason::Graceful)));
    assert_eq!(pair.hosts[0].counters().fin_reacked, 1);
    assert_eq!(pair.saw(1, Flags::FIN), 2);
}

#[test]
fn lost_last_ack_is_a_reset_without_time_wait() {
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::ZERO;
    let mut pair = Pair::with([config, HostConfig::default()]);
    let (client, server) = pair.established();
    pair.close(0, client);
    pair.run();
    pair.lose = Some(|from, _, seen| from == 0 && seen.at < Instant::from_millis(1_400));
    pair.close(1, server);
    pair.run_for(Duration::from_secs(2));
    assert!(pair.events[1].contains(&Event::Closed(server, CloseReason::Reset)));
}

#[test]
fn simultaneous_close_passes_through_closing_to_time_wait_on_both_sides() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    pair.close(0, client);
    pair.close(1, server);
    pair.run_for(DELAY + Duration::from_millis(1));
    assert_eq!(pair.states(&tuple), (State::Closing, State::Closing));
    pair.run();
    assert_eq!(pair.states(&tuple), (State::TimeWait, State::TimeWait));
    pair.run_for(Duration::from_secs(61));
    pair.assert_nothing_left();
}

#[test]
fn simultaneous_open_establishes_one_connection() {
    let mut pair = Pair::new();
    let (here, there) = (SocketAddr::new(address(0, false), 1000), SocketAddr::new(address(1, false), 2000));
    let now = pair.now;
    let a = pair.hosts[0].connect(now, there, ConnectConfig::default().local(here)).unwrap();
    let b = pair.hosts[1].connect(now, here, ConnectConfig::default().local(there)).unwrap();
    let tuple = pair.tuple(a);
    pair.run_for(DELAY + Duration::from_millis(1));
    assert_eq!(pair.states(&tuple), (State::SynReceived, State::SynReceived));
    pair.run();
    assert_eq!(pair.states(&tuple), (State::Established, State::Established));
    assert!(pair.events[0].contains(&Event::Connected(a)) && pair.events[1].contains(&Event::Connected(b)));
    pair.write(0, a, b"x");
    pair.run();
    assert_eq!(pair.read(1, b).0, b"x");
}

#[test]
fn connect_to_a_closed_port_is_refused() {
    let mut pair = Pair::new();
    let client = pair.connect(ConnectConfig::default());
    pair.run();
    assert_eq!(pair.events[0], [Event::Closed(client, CloseReason::Refused)]);
    assert_eq!(pair.hosts[0].ended(client), Some(CloseReason::Refused));
}

#[test]
fn connect_that_nobody_answers_times_out_after_three_minutes() {
    let mut pair = Pair::new();
    pair.lose = Some(|_, _, _| true);
    let client = pair.connect(ConnectConfig::default());
    let trouble = Event::Trouble(client, crate::Trouble::Retransmitting);
    pair.run_for(Duration::from_secs(179));
    assert_eq!(pair.events[0], [trouble]);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.events[0], [trouble, Event::Closed(client, CloseReason::TimedOut)]);
    assert!(pair.saw(0, Flags::SYN) >= 7);
}

#[test]
fn half_closed_client_still_receives_everything() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    pair.shutdown(0, client);
    // Far beyond the orphan's FIN-WAIT-2 limit: the stream is held.
    pair.run_for(Duration::from_secs(600));
    assert_eq!(pair.read(1, server), (Vec::new(), true));
    pair.write(1, server, &[7; 10_000]);
    pair.run();
    pair.close(1, server);
    pair.run();
    let (text, complete) = pair.read(0, client);
    assert_eq!((text.len(), complete), (10_000, true));
}

#[test]
fn close_with_unread_text_sends_a_reset() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    pair.write(0, client, b"never read");
    pair.run();
    pair.close(1, server);
    pair.run();
    assert!(pair.events[0].contains(&Event::Closed(client, CloseReason::Reset)));
    assert_eq!(pair.saw(1, Flags::RST), 1);
}

#[test]
fn text_after_close_is_answered_with_a_reset() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    pair.close(0, client);
    pair.run();
    pair.write(1, server, b"late");
    pair.run();
    assert!(pair.events[1].contains(&Event::Closed(server, CloseReason::Reset)));
    assert!(pair.events[0].contains(&Event::Closed(client, CloseReason::Aborted)));
}

#[test]
fn orphan_in_fin_wait_2_ends_after_its_limit() {
    let mut pair = Pair::new();
    let (client, _server) = pair.established();
    let tuple = pair.tuple(client);
    pair.close(0, client);
    pair.run_for(Duration::from_secs(59));
    assert_eq!(pair.states(&tuple).0, State::FinWait2);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.states(&tuple).0, State::Closed);
    assert_eq!(pair.hosts[0].counters().orphans_timed_out, 1);
}

#[test]
fn orphan_can_be_reset_before_its_limit_and_a_held_connection_cannot() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    assert!(!pair.hosts[0].abort_orphan(pair.now, client));
    pair.close(0, client);
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.states(&tuple).0, pair.hosts[0].orphans), (State::FinWait2, 1));
    assert!(pair.hosts[0].abort_orphan(pair.now, client));
    assert!(!pair.hosts[0].abort_orphan(pair.now, client), "it is gone");
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.states(&tuple).0, pair.hosts[0].orphans), (State::Closed, 0));
    assert!(pair.events[0].contains(&Event::Closed(client, CloseReason::Aborted)));
    assert!(pair.events[1].contains(&Event::Closed(server, CloseReason::Reset)));
}

#[test]
fn connect_on_a_tuple_in_time_wait_is_in_use_until_two_msl_are_over() {
    let mut config = HostConfig::default();
    config.tcp.timestamps = false;
    let mut pair = Pair::with([config, HostConfig::default()]);
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    pair.close(0, client);
    pair.run();
    pair.close(1, server);
    pair.run();
    let again = ConnectConfig::default().local(tuple.local);
    let now = pair.now;
    assert_eq!(pair.hosts[0].connect(now, tuple.remote, again.clone()), Err(ConnectError::AddrInUse));
    pair.run_for(Duration::from_secs(60));
    let now = pair.now;
    assert!(pair.hosts[0].connect(now, tuple.remote, again).is_ok());
}

#[test]
fn new_syn_reopens_a_tuple_in_time_wait_and_the_old_record_goes() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    // The server closes first: it holds the TIME-WAIT.
    pair.close(1, server);
    pair.run();
    pair.close(0, client);
    pair.run();
    assert_eq!(pair.states(&tuple), (State::Closed, State::TimeWait));
    let now = pair.now;
    let again =
        pair.hosts[0].connect(now, tuple.remote, ConnectConfig::default().local(tuple.local)).unwrap();
    pair.run();
    assert_eq!(pair.states(&tuple), (State::Established, State::Established));
    assert!(pair.events[0].contains(&Event::Connected(again)));
    assert_eq!(pair.hosts[1].counters().reopened, 1);
    assert_eq!(pair.hosts[1].snapshot(pair.now).time_wait.len(), 0);
}

#[test]
fn rst_in_time_wait_is_ignored_and_counted() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    let tuple = pair.tuple(client);
    pair.close(1, server);
    pair.run();
    let last = pair.seen.iter().rfind(|seen| seen.from == 0).unwrap().header.clone();
    pair.close(0, client);
    pair.run();
    assert_eq!(pair.states(&tuple).1, State::TimeWait);
    pair.inject(&tuple, &Header { seq: last.seq + 1, flags: Flags::RST, ..Header::default() }, b"");
    assert_eq!(pair.states(&tuple).1, State::TimeWait);
    assert_eq!(pair.hosts[1].counters().time_wait_rst_ignored, 1);
}

#[test]
fn one_syn_that_is_never_acknowledged_expires_and_leaves_nothing() {
    let mut pair = Pair::new();
    pair.listen(ListenConfig::default());
    pair.lose = Some(|from, index, _| from == 0 && index > 0);
    let client = pair.connect(ConnectConfig::default());
    pair.run();
    let now = pair.now;
    pair.hosts[0].stream(client).unwrap().abort(now);
    pair.lose = Some(|from, _, _| from == 0);
    pair.run_for(Duration::from_secs(70));
    assert_eq!(pair.hosts[1].counters().half_open_expired, 1);
    pair.assert_nothing_left();
}

#[test]
fn a_megabyte_arrives_whole_over_a_lossy_wire() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    pair.lose = Some(|_, index, _| index % 37 == 5);
    let text: Vec<u8> = (0..1_000_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    assert_eq!(pair.write(0, client, &text), text.len());
    pair.close(0, client);
    let mut received = Vec::new();
    for _ in 0..600 {
        pair.run_for(Duration::from_millis(100));
        let (more, complete) = pair.read(1, server);
        received.extend(more);
        if complete {
            break;
        }
    }
    assert!(received == text, "{} octets", received.len());
    pair.close(1, server);
    pair.run_for(Duration::from_secs(65));
    pair.assert_nothing_left();
}

#[test]
fn orphan_that_delivers_slowly_lives_as_long_as_the_peer_takes_text() {
    let mut slow = HostConfig::default();
    slow.tcp.recv_buffer = 65_536;
    let mut pair = Pair::with([HostConfig::default(), slow]);
    let (client, server) = pair.established();
    let text = vec![7; 1_000_000];
    assert_eq!(pair.write(0, client, &text), text.len());
    pair.close(0, client);
    let mut got = 0;
    // A slow reader: 64 KiB every fifty seconds, a quarter of an hour in all.
    for _ in 0..40 {
        let now = pair.now;
        let mut stream = pair.hosts[1].stream(server).unwrap();
        let mut turns = Turns::default();
        while let Ok(Some(chunk)) = stream.read_chunk(now, 65_536) {
            turns.count();
            got += chunk.len();
            if got % 65_536 < chunk.len() {
                break;
            }
        }
        pair.run_for(Duration::from_secs(50));
    }
    assert_eq!(got, text.len());
    assert!(pair.events[1].iter().all(|event| !matches!(event, Event::Closed(_, CloseReason::Reset))));
}
