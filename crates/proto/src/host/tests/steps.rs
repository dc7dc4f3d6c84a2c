//! The steps of `tcp/arrives` at their edges: what only just counts, and what only just does not.

use super::solo::*;
use super::*;
use crate::tcp::arrives::sequence_acceptable;
use crate::tcp::connection::Phase;
use crate::tcp::segment::Segment;
use crate::tcp::tcb::Tcb;
use crate::{DropReason, TcpConfig, TcpInfo, WriteError};

const DAYS_24: Duration = Duration::from_secs(24 * 24 * 3600);

fn info(solo: &Solo) -> TcpInfo {
    solo.host.info(solo.id).unwrap()
}

fn drops(solo: &Solo, reason: DropReason) -> u64 {
    solo.host.counters().drops.get(reason)
}

fn tcb(solo: &Solo) -> &Tcb {
    match &solo.host.connections.get(solo.id.index).unwrap().phase {
        Phase::Synchronized(tcb) => tcb,
        _ => panic!("not synchronized"),
    }
}

fn with_timestamps() -> Solo {
    Solo::listening(TcpConfig { sack: false, window_scaling: false, ..TcpConfig::default() })
        .accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000))
}

/// A host whose receive window the peer has filled, with an octet of its own in flight. RCV.NXT is 1000.
fn closed_window() -> Solo {
    let mut solo = Solo::new(TcpConfig { recv_buffer: 1000, ..plain() });
    solo.arrives(text(0, 0, &[1; 1000]));
    solo.write(b"x");
    assert_eq!((info(&solo).rcv_wnd, info(&solo).in_flight), (0, 1));
    solo.events.clear();
    solo
}

// requirement: 9293-SA-ESTABLISHED-1
#[test]
fn acceptable_numbers_are_those_of_the_four_cases_of_table_6() {
    let acceptable = |seq: u32, len: usize, wnd: u32| {
        let header = Header { seq: SeqNum(seq), flags: Flags::ACK, ..Header::default() };
        sequence_acceptable(SeqNum(100), wnd, &Segment::new(header, vec![0; len].into(), len, None))
    };
    for (seq, len, wnd, expected) in [
        (100, 0, 0, true),
        (99, 0, 0, false),
        (101, 0, 0, false),
        (99, 0, 10, false),
        (100, 0, 10, true),
        (109, 0, 10, true),
        (110, 0, 10, false),
        (99, 1, 0, false),
        (100, 1, 0, false),
        (101, 1, 0, false),
        (95, 5, 10, false),
        (95, 6, 10, true),
        (100, 50, 10, true),
        (109, 1, 10, true),
        (110, 1, 10, false),
    ] {
        assert_eq!(acceptable(seq, len, wnd), expected, "{len} octets at {seq}, window {wnd}");
    }
}

// requirement: 9293-SA-ESTABLISHED-1
#[test]
fn ack_of_a_segment_that_stands_elsewhere_is_not_believed_while_the_window_is_closed() {
    for (elsewhere, reason) in [
        (text(1001, 1, b"beyond"), DropReason::OutOfWindow),
        (text(500, 1, b"before"), DropReason::Duplicate),
        (text(999, 1, b"b"), DropReason::Duplicate),
        (ack(1001, 1), DropReason::OutOfWindow),
        (ack(500, 1), DropReason::OutOfWindow),
    ] {
        let mut solo = closed_window();
        let answer = solo.arrives(elsewhere.clone());
        assert_eq!(answer[0].brief(), (Flags::ACK, 1, 1000, 0), "{elsewhere:?}");
        assert_eq!((info(&solo).in_flight, drops(&solo, reason)), (1, 1), "{elsewhere:?}");
    }
}

// requirement: 9293-SA-ESTABLISHED-1
#[test]
fn ack_of_an_empty_segment_outside_of_the_window_is_not_believed() {
    let mut solo = Solo::new(plain());
    solo.write(b"x");
    for (seq, n) in [(100_000, 1), (-1000, 2)] {
        assert_eq!(solo.arrives(ack(seq, 1))[0].brief(), (Flags::ACK, 1, 0, 0));
        assert_eq!((info(&solo).in_flight, drops(&solo, DropReason::OutOfWindow)), (1, n));
    }
}

#[test]
fn only_text_that_was_received_before_is_called_a_duplicate() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, &[1; 2000]));
    let counts = |solo: &Solo| (drops(solo, DropReason::Duplicate), drops(solo, DropReason::OutOfWindow));
    solo.arrives(text(0, 0, &[1; 2000]));
    assert_eq!(counts(&solo), (1, 0));
    solo.arrives(text(1999, 0, b"1"));
    assert_eq!(counts(&solo), (2, 0));
    // Empty, or beyond the window.
    solo.arrives(ack(0, 0));
    assert_eq!(counts(&solo), (2, 1));
    solo.arrives(text(100_000, 0, b"text"));
    assert_eq!(counts(&solo), (2, 2));
}

// requirement: 5961-5
// requirement: 7323-12
#[test]
fn syn_without_the_timestamp_it_owes_is_challenged_and_other_segments_are_dropped_silently() {
    let mut solo = with_timestamps();
    assert!(solo.arrives(text(0, 0, b"silent")).is_empty());
    assert_eq!(drops(&solo, DropReason::TimestampMissing), 1);
    assert_eq!(solo.arrives(seg(Flags::SYN, 5000, 0))[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!((drops(&solo, DropReason::TimestampMissing), drops(&solo, DropReason::SynChallenged)), (1, 1));
}

// requirement: 7323-20
// requirement: 7323-23
#[test]
fn timestamp_counts_for_exactly_24_days() {
    let mut solo = with_timestamps();
    solo.wait(DAYS_24);
    assert_eq!(solo.arrives(text(0, 0, b"old").ts(99, 0))[0].ack, 0);
    assert_eq!((info(&solo).recv_queue, drops(&solo, DropReason::Paws)), (0, 1));
    solo.wait_ms(1);
    solo.arrives(text(0, 0, b"new").ts(99, 0));
    assert_eq!((info(&solo).recv_queue, drops(&solo, DropReason::Paws)), (3, 1));
}

#[test]
fn fin_behind_text_that_meets_a_closed_window_is_thrown_away_with_it() {
    let mut solo = closed_window();
    let answer = solo.arrives(text(1000, 0, b"too much").fin());
    assert_eq!(answer[0].brief(), (Flags::ACK, 1, 1000, 0));
    assert_eq!(solo.state(), State::Established);
    assert_eq!(solo.read(), (vec![1; 1000], false));
    assert_eq!(solo.sent()[0].header.wnd, 1000);
    solo.arrives(text(1000, 0, b"again").fin());
    assert_eq!(solo.state(), State::CloseWait);
    assert_eq!(solo.read(), (b"again".to_vec(), true));
}

// requirement: 9293-SHLD-31
#[test]
fn early_text_wakes_nobody_before_the_hole_is_filled() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(3, 0, b"def"));
    assert!(solo.events.is_empty());
    solo.arrives(text(0, 0, b"abc"));
    assert_eq!(solo.events, [Event::Readable(solo.id)]);
    assert_eq!(solo.read().0, b"abcdef");
}

#[test]
fn connection_keeps_no_buffer_for_early_text_that_was_refused() {
    let mut solo = Solo::new(TcpConfig { recv_buffer: 8 << 10, ..plain() });
    // What fits the window is little of a frame that is far too large, and nearly all of the buffer.
    solo.arrives(text(1, 0, &[1; 40_000]));
    assert_eq!(drops(&solo, DropReason::ReassemblyFull), 1);
    assert!(tcb(&solo).recv.is_none());
    // What can be kept is.
    solo.arrives(text(1, 0, &[1; 1000]));
    assert!(tcb(&solo).recv.is_some());
}

// requirement: 9293-SHLD-31
#[test]
fn early_text_stays_until_the_hole_is_filled_although_nothing_can_be_read() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(3, 0, b"def"));
    assert!(tcb(&solo).recv.is_some());
    assert_eq!(solo.read(), (Vec::new(), false));
}

// requirement: 9293-SA-ESTABLISHED-13
#[test]
fn older_segment_that_fills_a_hole_does_not_take_the_window_back() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(1000, 0, b"later").wnd(50_000));
    assert_eq!(info(&solo).snd_wnd, 50_000);
    solo.arrives(text(0, 0, &[1; 1000]).wnd(100));
    assert_eq!((info(&solo).recv_queue, info(&solo).snd_wnd), (1005, 50_000));
}

#[test]
fn answers_to_probes_of_a_closed_window_are_no_duplicate_acks() {
    let mut solo = Solo::new(plain());
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"waiting");
    assert_eq!(solo.wait_ms(1_100)[0].brief(), (Flags::ACK, 0, 0, 1));
    for _ in 0..5 {
        assert!(solo.arrives(ack(0, 0).wnd(0)).is_empty());
    }
    assert_eq!((info(&solo).ssthresh, tcb(&solo).lost()), (u32::MAX, None));
}

// requirement: 5681-18
#[test]
fn window_updates_are_duplicate_acks_only_with_blocks_on_a_connection_with_sack() {
    for (sack, blocks, lost) in [(false, false, 0), (true, false, 0), (false, true, 0), (true, true, 1)] {
        let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
        syn.options.sack_permitted = sack;
        let tcp = TcpConfig { sack: true, ..plain() };
        let mut solo = Solo::listening(tcp).accepted_with(syn);
        assert_eq!(info(&solo).sack, sack);
        solo.write(&[0; 10_000]);
        for n in 0..3 {
            let mut update = ack(0, 0).wnd(50_000 + n);
            if blocks {
                update.options.sack.push((solo.iss + 1001, solo.iss + 2001));
            }
            solo.arrives(update);
        }
        assert_eq!(solo.host.counters().retransmits, lost, "SACK {sack}, blocks {blocks}");
    }
}

#[test]
fn writer_is_woken_when_exactly_half_the_buffer_is_free_and_not_an_octet_before() {
    let mut solo = Solo::new(TcpConfig { send_buffer: 4000, ..plain() });
    let now = solo.now;
    assert_eq!(solo.host.stream(solo.id).unwrap().write(now, &[0; 4000]), Ok(4000));
    assert_eq!(solo.host.stream(solo.id).unwrap().write(now, &[0; 1]), Err(WriteError::Blocked));
    solo.sent();
    solo.arrives(ack(0, 1999));
    assert!(solo.events.is_empty());
    solo.arrives(ack(0, 2000));
    assert_eq!(solo.events, [Event::Writable(solo.id)]);
}

// requirement: 5681-6
#[test]
fn window_grows_when_it_held_text_back_or_was_full_and_not_otherwise() {
    for challenged in [false, true] {
        let fresh = || {
            let mut solo = Solo::new(plain());
            if challenged {
                // Leaves a trace: progress goes the way of connections that have lost something.
                solo.arrives(seg(Flags::SYN, 5000, 0));
            }
            assert_eq!(tcb(&solo).rare().is_some(), challenged);
            solo
        };
        // It held text back at the last decision, before both ACKs; the second finds less in flight than would fit.
        let mut solo = fresh();
        assert_eq!(solo.write(&[0; 40_000]).len(), 10);
        solo.arrive_together(&[ack(0, 1000), ack(0, 2000)]);
        assert_eq!(info(&solo).cwnd, 12_000);
        // All was sent, and just filled it.
        let mut solo = fresh();
        assert_eq!(solo.write(&[0; 10_000]).len(), 10);
        solo.arrives(ack(0, 1000));
        assert_eq!(info(&solo).cwnd, 11_000);
        solo.arrives(ack(0, 2000));
        assert_eq!(info(&solo).cwnd, 11_000);
        // All was sent, and an octet more would have fitted.
        let mut solo = fresh();
        solo.write(&[0; 9_999]);
        solo.arrives(ack(0, 1000));
        assert_eq!(info(&solo).cwnd, 10_000);
    }
}

// requirement: 6582-4
#[test]
fn partial_ack_takes_what_it_covers_off_the_window_and_gives_one_segment_back() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 10_000]);
    for _ in 0..3 {
        solo.arrives(ack(0, 0));
    }
    assert_eq!(info(&solo).cwnd, 8_000);
    solo.arrives(ack(0, 4000));
    assert_eq!(info(&solo).cwnd, 5_000);
    // Less than a segment gives nothing back.
    solo.arrives(ack(0, 4500));
    assert_eq!(info(&solo).cwnd, 4_500);
}

// requirement: 6582-5
#[test]
fn only_the_first_partial_ack_of_a_recovery_starts_the_timer_anew() {
    let mut solo = Solo::new(plain());
    let began = solo.now;
    solo.write(&[0; 10_000]);
    for _ in 0..3 {
        solo.arrives(ack(0, 0));
    }
    solo.wait_ms(400);
    assert_eq!(solo.arrives(ack(0, 2000))[0].brief(), (Flags::ACK, 2000, 0, 1000));
    solo.wait_ms(400);
    assert_eq!(solo.arrives(ack(0, 5000))[0].brief(), (Flags::ACK, 5000, 0, 1000));
    let again = solo.wait_ms(1_500);
    assert_eq!((again[0].seq, again[0].at.since(began)), (5000, Duration::from_millis(1_400)));
}

// requirement: 5961-10
#[test]
fn text_that_comes_again_is_always_answered_and_empty_segments_only_so_often() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"x"));
    solo.wait_ms(50);
    // The ACKs of the peer's own retransmissions may be lost any number of times.
    for again in [text(0, 0, b"x"), seg(FIN_ACK, -1, 0)] {
        for _ in 0..50 {
            assert_eq!(solo.arrives(again.clone())[0].brief(), (Flags::ACK, 0, 1, 0));
        }
    }
    assert_eq!(drops(&solo, DropReason::ChallengeLimited), 0);
    let answers: usize = (0..50).map(|_| solo.arrives(ack(-1000, 0)).len()).sum();
    assert!((5..=25).contains(&answers), "{answers}");
    assert_eq!(drops(&solo, DropReason::ChallengeLimited), 50 - answers as u64);
}

#[test]
fn stream_let_go_of_after_its_fin_was_acked_waits_for_the_peer_as_long_as_fin_wait_2_lasts() {
    for (acked, seconds) in [(true, 5), (false, 30)] {
        let tcp = TcpConfig {
            fin_wait_2_timeout: Duration::from_secs(5),
            orphan_timeout: Duration::from_secs(30),
            ..plain()
        };
        let mut solo = Solo::new(tcp);
        solo.shutdown();
        if acked {
            solo.arrives(ack(0, 1));
        }
        solo.close();
        solo.wait_ms(seconds * 1_000 - 1);
        assert_ne!(solo.state(), State::Listen, "FIN acknowledged: {acked}");
        solo.wait_ms(1);
        assert_eq!(solo.state(), State::Listen, "FIN acknowledged: {acked}");
    }
}
