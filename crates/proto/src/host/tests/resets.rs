//! RST and SYN in every state: what is believed, what is challenged, what is ignored.

use super::solo::*;
use super::*;
use crate::tcp::connection::Phase;
use crate::{CloseReason, ReadError, TcpConfig};

/// The synchronized states that a connection object can be in.
const SYNCHRONIZED: [State; 6] =
    [State::Established, State::FinWait1, State::FinWait2, State::CloseWait, State::Closing, State::LastAck];

fn closed_by_reset(solo: &Solo) -> bool {
    solo.events.contains(&Event::Closed(solo.id, CloseReason::Reset))
}

// requirement: 5961-2
// requirement: 9293-SA-ESTABLISHED-2
// requirement: 9293-SA-FIN-WAIT-1-2
// requirement: 9293-SA-CLOSE-WAIT-2
// requirement: 9293-SA-LAST-ACK-2
#[test]
fn exact_rst_ends_the_connection_in_every_synchronized_state_without_an_answer() {
    for state in SYNCHRONIZED {
        let (mut solo, _, theirs) = Solo::new(plain()).brought_to(state);
        assert!(solo.arrives(seg(Flags::RST, theirs, 0)).is_empty());
        assert!(closed_by_reset(&solo), "{state}");
        assert_eq!(solo.state(), State::Listen);
        assert_eq!(solo.host.counters().resets_received, 1);
    }
}

// requirement: 5961-3
// requirement: 9293-SA-ESTABLISHED-9
#[test]
fn rst_in_the_window_but_not_exact_is_challenged_in_every_synchronized_state() {
    for state in SYNCHRONIZED {
        let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
        let answer = solo.arrives(seg(Flags::RST, theirs + 1, 0));
        assert_eq!(answer.len(), 1, "{state}");
        assert_eq!(answer[0].brief(), (Flags::ACK, ours, theirs, 0), "{state}");
        assert_eq!(solo.state(), state);
        // The peer that did mean it resets at exactly that number.
        solo.arrives(seg(Flags::RST, answer[0].ack, 0));
        assert!(closed_by_reset(&solo), "{state}");
    }
}

// requirement: 5961-1
// requirement: 9293-SA-ESTABLISHED-10
#[test]
fn rst_outside_the_window_is_dropped_without_a_word_in_every_synchronized_state() {
    for state in SYNCHRONIZED {
        let (mut solo, _, theirs) = Solo::new(plain()).brought_to(state);
        for seq in [theirs - 1, theirs - 1000, theirs + 70_000, theirs + (1 << 30)] {
            assert!(solo.arrives(seg(Flags::RST, seq, 0)).is_empty(), "{state} {seq}");
        }
        assert_eq!(solo.state(), state);
    }
}

// requirement: 5961-2
#[test]
fn rst_before_the_window_does_not_become_exact_by_the_text_it_carries() {
    let mut solo = Solo::new(plain());
    let mut rst = text(-500, 0, &[0; 1000]);
    rst.flags = RST_ACK;
    assert!(solo.arrives(rst).is_empty());
    assert_eq!(solo.state(), State::Established);
}

// requirement: 9293-SHLD-2
#[test]
fn rst_with_text_is_an_rst_and_its_text_is_not_delivered() {
    let mut solo = Solo::new(plain());
    let mut rst = text(0, 0, b"the reason");
    rst.flags = RST_ACK;
    solo.arrives(rst);
    assert!(closed_by_reset(&solo));
    let mut buffer = [0; 10];
    let now = solo.now;
    let read = solo.host.stream(solo.id).unwrap().read(now, &mut buffer);
    assert_eq!(read, Err(ReadError::Ended(CloseReason::Reset)));
}

// requirement: 9293-MUST-66
#[test]
fn rst_counts_although_the_window_is_closed() {
    for octets in [0, 5] {
        let mut solo = Solo::new(TcpConfig { recv_buffer: 1000, ..plain() });
        solo.arrives(text(0, 0, &[1; 1000]));
        let mut rst = text(1000, 0, &vec![0; octets]);
        rst.flags = Flags::RST;
        solo.arrives(rst);
        assert!(closed_by_reset(&solo), "{octets}");
    }
}

// requirement: 9293-MUST-12
#[test]
fn reader_gets_what_came_before_the_reset_and_then_the_reset() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"before"));
    solo.arrives(seg(Flags::RST, 6, 0));
    let now = solo.now;
    let mut stream = solo.host.stream(solo.id).unwrap();
    assert_eq!(stream.read_chunk(now, 100), Ok(Some(Bytes::from_static(b"before"))));
    assert_eq!(stream.read_chunk(now, 100), Err(ReadError::Ended(CloseReason::Reset)));
    assert_eq!(stream.read_chunk(now, 100), Err(ReadError::Ended(CloseReason::Reset)));
    stream.close(now);
    assert!(solo.host.stream(solo.id).is_none());
    assert_eq!((solo.host.recv_total, solo.host.orphans), (0, 0));
}

// requirement: 5961-5
// requirement: 9293-SA-ESTABLISHED-4
// requirement: 9293-SA-CLOSE-WAIT-4
// requirement: 9293-SA-LAST-ACK-4
#[test]
fn syn_at_any_number_is_challenged_in_every_synchronized_state() {
    for state in SYNCHRONIZED {
        for seq in [-1, 0, 1, 2, 100, 1_000_000, -1_000_000] {
            for flags in [Flags::SYN, SYN_ACK, Flags::SYN.with(FIN_ACK)] {
                let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
                let answer = solo.arrives(seg(flags, seq, 0));
                assert_eq!(answer.len(), 1, "{state} {seq}");
                assert_eq!(answer[0].brief(), (Flags::ACK, ours, theirs, 0), "{state} {seq}");
                assert_eq!(solo.state(), state);
            }
        }
    }
}

// requirement: 5961-5
#[test]
fn old_syn_with_text_is_challenged_and_its_text_is_not_taken() {
    let mut solo = Solo::new(plain());
    let mut syn = text(-1, 0, b"smuggled");
    syn.flags = SYN_ACK;
    let answer = solo.arrives(syn);
    assert_eq!(answer[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!(solo.read(), (Vec::new(), false));
}

// requirement: 5961-10
#[test]
fn challenge_acks_are_limited_to_a_burst_and_two_a_second_on_average() {
    let count = |solo: &mut Solo, times: usize| {
        (0..times).map(|_| solo.arrives(seg(Flags::SYN, 5, 0)).len()).sum::<usize>()
    };
    let mut bursts = Vec::new();
    for port in 1..=40 {
        let mut solo = Solo::listening(plain());
        solo.tuple.remote.set_port(port);
        let mut solo = solo.accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
        bursts.push(count(&mut solo, 50));
        let later: usize = (0..200).map(|_| (solo.wait_ms(500), count(&mut solo, 3)).1).sum();
        assert!((180..=220).contains(&later), "{later} in 100 s");
        assert_eq!(solo.state(), State::Established);
    }
    // Ten on average, and one connection says nothing about another.
    assert!(bursts.iter().all(|burst| (7..=15).contains(burst)), "{bursts:?}");
    let mut distinct = bursts.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() >= 3, "{bursts:?}");
    assert!((9..=11).contains(&(bursts.iter().sum::<usize>() / 40)), "{bursts:?}");
}

// requirement: 5961-10
#[test]
fn challenge_of_weeks_ago_takes_nothing_from_those_of_today() {
    for days in [1, 24, 25, 30, 49, 60] {
        let mut solo = Solo::new(plain());
        assert_eq!(solo.arrives(seg(Flags::SYN, 5, 0)).len(), 1);
        solo.wait(Duration::from_secs(days * 24 * 3600));
        assert_eq!(solo.arrives(seg(Flags::SYN, 5, 0)).len(), 1, "after {days} days");
    }
    // As long as the milliseconds, which wrap after 49 days, do not come within seconds of the old date.
    let mut solo = Solo::new(plain());
    solo.arrives(seg(Flags::SYN, 5, 0));
    let Phase::Synchronized(tcb) = &solo.host.connections.get(solo.id.index).unwrap().phase else {
        panic!("not synchronized");
    };
    let at = tcb.rare().unwrap().challenge_at_ms.unwrap();
    solo.wait(Instant::from_millis(u64::from(at) + (1 << 32) - 6_000).since(solo.now));
    assert_eq!(solo.arrives(seg(Flags::SYN, 5, 0)).len(), 1);
}

// requirement: 5961-9
// requirement: 9293-SA-ESTABLISHED-11
// requirement: 5961-7
// requirement: 9293-MAY-12
#[test]
fn ack_of_what_was_never_sent_is_answered_and_its_text_is_dropped() {
    let mut solo = Solo::new(plain());
    let answer = solo.arrives(text(0, 1, b"x"));
    assert_eq!(answer[0].brief(), (Flags::ACK, 0, 0, 0));
    // The window so far was at most 60,000.
    let answer = solo.arrives(text(0, -60_001, b"x"));
    assert_eq!(answer[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!(solo.read(), (Vec::new(), false));
    // An old ACK within it is harmless, and the text is good [9293-SA-ESTABLISHED-12].
    solo.arrives(text(0, -59_000, b"x"));
    assert_eq!(solo.read().0, b"x");
}

// requirement: 9293-SA-ESTABLISHED-5
#[test]
fn segment_without_ack_is_dropped() {
    let mut solo = Solo::new(plain());
    let mut sends = text(0, 0, b"x");
    sends.flags = Flags::PSH;
    assert!(solo.arrives(sends).is_empty());
    assert_eq!(solo.read(), (Vec::new(), false));
}

// requirement: 9293-SA-CLOSED-4
// requirement: 9293-SA-CLOSED-5
// requirement: 9293-SA-CLOSED-8
// requirement: 9293-SA-CLOSED-9
// requirement: 9293-SA-CLOSED-2
#[test]
fn closed_port_answers_everything_but_rst() {
    let mut solo = Solo::listening(plain());
    solo.tuple.local.set_port(81);
    let text_and = |flags| Sends { flags, ..text(10, 77, b"abc") };
    let answer = |solo: &mut Solo, sends: Sends| {
        let sent = solo.arrives(sends);
        assert_eq!(sent.len(), 1);
        (sent[0].flags, sent[0].header.seq, sent[0].header.ack)
    };
    let (iss, irs) = (solo.iss, solo.irs);
    assert_eq!(answer(&mut solo, text_and(Flags::SYN)), (RST_ACK, SeqNum(0), irs + 1 + 14));
    assert_eq!(answer(&mut solo, text_and(Flags(0))), (RST_ACK, SeqNum(0), irs + 1 + 13));
    assert_eq!(answer(&mut solo, text_and(Flags::FIN)), (RST_ACK, SeqNum(0), irs + 1 + 14));
    assert_eq!(answer(&mut solo, text_and(FIN_ACK)), (Flags::RST, iss + 1 + 77, SeqNum(0)));
    assert_eq!(answer(&mut solo, text_and(SYN_ACK)), (Flags::RST, iss + 1 + 77, SeqNum(0)));
    for flags in [Flags::RST, RST_ACK, Flags::RST.with(Flags::SYN)] {
        assert!(solo.arrives(text_and(flags)).is_empty());
    }
}

// requirement: 9293-SA-LISTEN-2
// requirement: 9293-SA-LISTEN-5
// requirement: 9293-SA-LISTEN-8
// requirement: 9293-SA-LISTEN-9
#[test]
fn listen_ignores_rst_and_refuses_ack_and_drops_the_rest() {
    let mut solo = Solo::listening(plain());
    for flags in [Flags::RST, Flags::RST.with(Flags::SYN), RST_ACK, Flags::FIN, Flags(0), Flags::PSH] {
        assert!(solo.arrives(seg(flags, 0, 0)).is_empty(), "{flags:?}");
    }
    for flags in [Flags::ACK, SYN_ACK, FIN_ACK] {
        let sent = solo.arrives(seg(flags, 0, 5));
        assert_eq!((sent.len(), sent[0].flags, sent[0].seq), (1, Flags::RST, 5));
    }
    assert_eq!(solo.host.snapshot(solo.now).connections.len(), 0);
}

// requirement: 7323-22
#[test]
fn rst_that_answers_a_timestamped_segment_echoes_its_timestamp() {
    let mut solo = Solo::listening(TcpConfig::default());
    solo.tuple.local.set_port(81);
    let sent = solo.arrives(seg(Flags::SYN, -1, 0).ts(1234, 0));
    let ts = sent[0].header.options.timestamp.unwrap();
    assert_eq!((ts.val, ts.ecr), (0, 1234));
}

// requirement: 7323-22
#[test]
fn rst_of_an_abort_carries_the_timestamp_option() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(50, 0).mss(1000));
    let sent = solo.abort();
    assert_eq!(sent[0].flags, RST_ACK);
    assert_eq!(sent[0].header.options.timestamp.unwrap().ecr, 50);
}

// requirement: 9293-UC-ABORT-4
// requirement: 9293-UC-ABORT-5
#[test]
fn abort_sends_one_rst_in_every_synchronized_state_and_frees_everything() {
    for state in SYNCHRONIZED {
        let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
        let sent = solo.abort();
        assert_eq!(sent.len(), 1, "{state}");
        assert_eq!(sent[0].brief(), (RST_ACK, ours, theirs, 0), "{state}");
        assert_eq!(solo.state(), State::Listen);
        assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Aborted)], "{state}");
        assert_eq!(solo.host.orphans, 0);
        assert!(solo.host.info(solo.id).is_none());
    }
}

#[test]
fn abort_into_a_closed_window_uses_a_number_that_the_peer_accepts() {
    let mut solo = Solo::new(plain());
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"does not fit");
    // The probe's octet is out, beyond the window.
    let probes = solo.wait_ms(1_500);
    assert_eq!(probes[0].brief(), (Flags::ACK, 0, 0, 1));
    let sent = solo.abort();
    assert_eq!(sent[0].brief(), (RST_ACK, 0, 0, 0));
}

#[test]
fn connection_reset_while_it_waits_for_accept_is_accepted_and_says_so() {
    let mut solo = Solo::listening(plain());
    let sent = solo.arrives(seg(Flags::SYN, -1, 0));
    solo.iss = sent[0].header.seq;
    solo.arrives(text(0, 0, b"hello"));
    solo.arrives(seg(Flags::RST, 5, 0));
    assert_eq!(solo.state(), State::Listen);
    solo.id = solo.host.accept(solo.listener).unwrap();
    assert_eq!(solo.host.ended(solo.id), Some(CloseReason::Reset));
    assert_eq!(solo.read(), (b"hello".to_vec(), false));
    assert!(solo.close().is_empty());
    assert_eq!(solo.host.snapshot(solo.now).connections.len(), 0);
    assert_eq!(solo.host.recv_total, 0);
}

#[test]
fn slot_of_a_connection_that_was_closed_before_accept_is_not_handed_out_for_another() {
    let mut solo = Solo::listening(plain());
    let sent = solo.arrives(seg(Flags::SYN, -1, 0));
    solo.iss = sent[0].header.seq;
    solo.arrives(text(0, 0, b"x"));
    // The event names the connection before `accept` does.
    let readable = solo.events.iter().find_map(|event| match event {
        Event::Readable(id) => Some(*id),
        _ => None,
    });
    solo.host.stream(readable.unwrap()).unwrap().abort(solo.now);
    assert_eq!(solo.host.accept(solo.listener), None);
}
