//! Closing: FIN in each direction, half-close, simultaneous close, what comes after, what is told.

use super::solo::*;
use super::*;
use crate::{CloseReason, DropReason, ReadError, TcpConfig, WriteError};

fn briefs(sent: &[Sent]) -> Vec<(Flags, i64, i64, usize)> {
    sent.iter().map(Sent::brief).collect()
}

// requirement: 9293-SA-FIN-WAIT-1-5
// requirement: 9293-SA-FIN-WAIT-2-8
// requirement: 9293-SA-FIN-WAIT-1-10
#[test]
fn side_that_closes_first_goes_through_fin_wait_1_and_2_to_time_wait() {
    let mut solo = Solo::new(plain());
    solo.write(b"bye");
    assert_eq!(briefs(&solo.shutdown()), [(FIN_ACK, 3, 0, 0)]);
    assert_eq!(solo.state(), State::FinWait1);
    solo.arrives(ack(0, 3));
    assert_eq!(solo.state(), State::FinWait1, "the text, not the FIN");
    solo.arrives(ack(0, 4));
    assert_eq!(solo.state(), State::FinWait2);
    assert_eq!(briefs(&solo.arrives(seg(FIN_ACK, 0, 4))), [(Flags::ACK, 4, 1, 0)]);
    assert_eq!(solo.state(), State::TimeWait);
    assert_eq!(solo.events, [Event::Readable(solo.id), Event::Closed(solo.id, CloseReason::Graceful)]);
    assert_eq!(solo.read(), (Vec::new(), true));
}

// requirement: 9293-SA-CLOSE-WAIT-5
// requirement: 9293-SA-LAST-ACK-5
// requirement: 9293-UC-SEND-4
// requirement: 9293-UC-CLOSE-7
#[test]
fn side_that_closes_second_goes_through_close_wait_and_last_ack_to_nothing() {
    let mut solo = Solo::new(plain());
    assert_eq!(briefs(&solo.arrives(seg(FIN_ACK, 0, 0))), [(Flags::ACK, 0, 1, 0)]);
    assert_eq!((solo.state(), solo.read()), (State::CloseWait, (Vec::new(), true)));
    assert_eq!(briefs(&solo.write(b"reply")), [(Flags::ACK, 0, 1, 5)]);
    assert_eq!(briefs(&solo.shutdown()), [(FIN_ACK, 5, 1, 0)]);
    solo.arrives(ack(1, 5));
    assert_eq!(solo.state(), State::LastAck);
    solo.arrives(ack(1, 6));
    assert_eq!(solo.state(), State::Listen);
    assert_eq!(solo.events, [Event::Readable(solo.id), Event::Closed(solo.id, CloseReason::Graceful)]);
    // No TIME-WAIT: a stray finds nobody.
    assert_eq!(solo.arrives(seg(FIN_ACK, 0, 6))[0].flags, Flags::RST);
}

// requirement: 9293-SA-FIN-WAIT-1-8
// requirement: 9293-SA-CLOSING-5
#[test]
fn fins_that_cross_go_through_closing_to_time_wait() {
    let mut solo = Solo::new(plain());
    solo.shutdown();
    assert_eq!(briefs(&solo.arrives(seg(FIN_ACK, 0, 0))), [(Flags::ACK, 1, 1, 0)]);
    assert_eq!(solo.state(), State::Closing);
    assert!(solo.arrives(ack(1, 1)).is_empty());
    assert_eq!(solo.state(), State::TimeWait);
}

// requirement: 9293-SA-FIN-WAIT-1-7
// requirement: 9293-SA-FIN-WAIT-2-7
// requirement: 9293-UC-SEND-7
#[test]
fn half_closed_side_goes_on_receiving_and_acknowledging() {
    for state in [State::FinWait1, State::FinWait2] {
        let (mut solo, ours, _) = Solo::new(plain()).brought_to(state);
        let acked = i64::from(state == State::FinWait2);
        for n in 0..10 {
            let sent = solo.arrive_together(&[
                text(n * 2000, acked, &[1; 1000]),
                text(n * 2000 + 1000, acked, &[2; 1000]),
            ]);
            assert_eq!(briefs(&sent), [(Flags::ACK, ours, n * 2000 + 2000, 0)]);
        }
        assert_eq!(solo.read().0.len(), 20_000);
        let now = solo.now;
        assert_eq!(solo.host.stream(solo.id).unwrap().write(now, b"x"), Err(WriteError::Closed));
        assert_eq!(solo.host.stream(solo.id).unwrap().shutdown(now), Ok(()));
    }
}

#[test]
fn half_closed_peer_goes_on_receiving_a_megabyte_over_a_bad_wire() {
    for closes_first in [0, 1] {
        let mut pair = Pair::new();
        let (client, server) = pair.established();
        let ids = [client, server];
        let (reader, writer) = (closes_first, 1 - closes_first);
        pair.shutdown(reader, ids[reader]);
        pair.run();
        pair.lose = Some(|_, index, _| index % 17 == 3);
        pair.write(writer, ids[writer], &vec![7; 1 << 20]);
        pair.shutdown(writer, ids[writer]);
        let mut read = 0;
        for _ in 0..300 {
            pair.run_for(Duration::from_millis(100));
            read += pair.read(reader, ids[reader]).0.len();
        }
        assert_eq!(read, 1 << 20);
        for side in [0, 1] {
            assert!(pair.events[side].contains(&Event::Closed(ids[side], CloseReason::Graceful)));
            pair.close(side, ids[side]);
        }
        pair.run_for(Duration::from_secs(130));
        pair.assert_nothing_left();
    }
}

// requirement: 9293-SHLD-3
// requirement: 9293-MAY-1
#[test]
fn close_with_unread_text_is_a_reset_and_with_none_it_is_not() {
    for (read, flags) in [(false, RST_ACK), (true, FIN_ACK)] {
        let mut solo = Solo::new(plain());
        solo.arrives(text(0, 0, b"unread"));
        if read {
            solo.read();
        }
        assert_eq!(solo.close().last().unwrap().flags, flags);
        assert_eq!(solo.host.recv_total, 0);
    }
}

// requirement: 9293-SHLD-3
#[test]
fn text_for_an_orphan_is_answered_with_rst_in_every_state_that_may_receive() {
    for acked in [false, true] {
        let mut solo = Solo::new(plain());
        solo.close();
        if acked {
            solo.arrives(ack(0, 1));
        }
        let sent = solo.arrives(text(0, i64::from(acked), b"nobody reads this"));
        assert_eq!(sent[0].flags, RST_ACK);
        assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Aborted)]);
        assert_eq!(solo.host.counters().drops.get(DropReason::TextAfterClose), 1);
        assert_eq!((solo.state(), solo.host.orphans), (State::Listen, 0));
    }
}

#[test]
fn orphan_ignores_text_it_had_received_before() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"read"));
    solo.read();
    solo.close();
    let sent = solo.arrives(text(0, 0, b"read"));
    assert_eq!(briefs(&sent), [(Flags::ACK, 1, 4, 0)]);
    assert_eq!(solo.state(), State::FinWait1);
}

#[test]
fn orphans_deliver_what_was_written_and_end_in_order() {
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    pair.lose = Some(|_, index, _| index % 7 == 5);
    assert_eq!(pair.write(0, client, &vec![1; 200_000]), 200_000);
    pair.close(0, client);
    assert!(pair.hosts[0].stream(client).is_none());
    let mut read = 0;
    for _ in 0..200 {
        pair.run_for(Duration::from_millis(50));
        read += pair.read(1, server).0.len();
    }
    assert_eq!(read, 200_000);
    pair.close(1, server);
    pair.run_for(Duration::from_secs(130));
    for (side, id) in [(0, client), (1, server)] {
        let closed: Vec<_> =
            pair.events[side].iter().filter(|event| matches!(event, Event::Closed(..))).collect();
        assert_eq!(closed, [&Event::Closed(id, CloseReason::Graceful)]);
    }
    pair.assert_nothing_left();
}

// requirement: 9293-UC-RECV-3
// requirement: 9293-UC-RECV-6
#[test]
fn reader_of_an_open_connection_is_blocked_and_of_a_closed_one_at_the_end() {
    let mut solo = Solo::new(plain());
    let now = solo.now;
    let mut buffer = [0; 4];
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Err(ReadError::Blocked));
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut []), Ok(0));
    assert_eq!(solo.host.stream(solo.id).unwrap().read_chunk(now, 0), Err(ReadError::Blocked));
    solo.arrives(text(0, 0, b"abcdef").fin());
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(4));
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(2));
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(0));
    assert_eq!(solo.host.stream(solo.id).unwrap().read_chunk(now, 9), Ok(None));
}

// requirement: 9293-UC-CLOSE-5
#[test]
fn fin_waits_behind_text_that_the_windows_hold_back() {
    let mut solo = Solo::listening(plain()).accepted_with(seg(Flags::SYN, -1, 0).mss(1000).wnd(1500));
    assert_eq!(briefs(&solo.write(&[0; 3000])), [(Flags::ACK, 0, 0, 1000)]);
    assert!(solo.shutdown().iter().all(|sent| !sent.has(Flags::FIN)));
    assert_eq!(solo.state(), State::FinWait1, "at the call, as on Linux");
    let mut seq = 0;
    for _ in 0..10 {
        let sent = solo.arrives(ack(0, seq).wnd(1500));
        for sent in sent.into_iter().chain(solo.wait_ms(1_500)) {
            seq = seq.max(sent.seq + i64::try_from(sent.text.len()).unwrap());
            if sent.has(Flags::FIN) {
                assert_eq!(seq, 3000);
                solo.arrives(ack(0, 3001));
                assert_eq!(solo.state(), State::FinWait2);
                return;
            }
        }
    }
    panic!("the FIN never left");
}

#[test]
fn life_over_ipv6_is_the_same() {
    let mut pair = Pair::new();
    let listener = pair.hosts[1].listen("[::]:80".parse().unwrap(), ListenConfig::default()).unwrap();
    let remote = SocketAddr::new(address(1, true), 80);
    let now = pair.now;
    let client = pair.hosts[0].connect(now, remote, ConnectConfig::default()).unwrap();
    pair.run();
    let server = pair.hosts[1].accept(listener).unwrap();
    assert_eq!(pair.hosts[0].info(client).unwrap().mss, 1500 - 60 - 12);
    pair.write(0, client, &[1; 50_000]);
    pair.shutdown(0, client);
    pair.run();
    assert_eq!(pair.read(1, server).0.len(), 50_000);
    pair.close(1, server);
    pair.run();
    let tuple = pair.tuple(client);
    assert_eq!(pair.states(&tuple), (State::TimeWait, State::Listen));
    pair.close(0, client);
    pair.run_for(Duration::from_secs(61));
    pair.assert_nothing_left();
}

#[test]
fn segments_of_48_and_517_octets_carry_everything() {
    for mss in [48, 517] {
        let tcp = TcpConfig { mss: Some(mss), ..TcpConfig::default() };
        let mut pair = Pair::with([HostConfig { tcp, ..HostConfig::default() }, HostConfig::default()]);
        let (client, server) = pair.established();
        pair.lose = Some(|_, index, _| index % 23 == 11);
        let text: Vec<u8> = (0..60_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        pair.write(0, client, &text);
        pair.shutdown(0, client);
        let mut read = Vec::new();
        for _ in 0..400 {
            pair.run_for(Duration::from_millis(100));
            read.extend(pair.read(1, server).0);
        }
        assert!(read == text);
        assert!(pair.seen.iter().all(|seen| seen.from == 1 || seen.text.len() <= usize::from(mss) - 12));
    }
}
