//! When an acknowledgment leaves, and what it carries: delayed ACKs, duplicates, SACK blocks, timestamps.

use super::solo::*;
use super::*;
use crate::{DropReason, TcpConfig};

fn bare(sent: &[Sent]) -> Vec<i64> {
    assert!(sent.iter().all(|sent| sent.text.is_empty() && sent.flags == Flags::ACK), "{sent:?}");
    sent.iter().map(|sent| sent.ack).collect()
}

/// A receiver that knows the peer's segments to be of 1000 octets.
fn warm(tcp: TcpConfig) -> Solo {
    let mut solo = Solo::new(tcp);
    assert_eq!(bare(&solo.arrive_together(&[text(0, 0, &[1; 1000]), text(1000, 0, &[1; 1000])])), [2000]);
    solo
}

// requirement: 9293-SHLD-18
// requirement: 9293-MUST-40
// requirement: 5681-20
#[test]
fn lone_segment_is_acknowledged_when_the_delay_is_over_and_not_before() {
    let mut solo = Solo::new(plain());
    assert!(solo.arrives(text(0, 0, b"x")).is_empty());
    assert!(solo.wait_ms(39).is_empty());
    assert_eq!(bare(&solo.wait_ms(1)), [1]);
    assert!(solo.wait_ms(10_000).is_empty());
}

// requirement: 9293-MUST-40
#[test]
fn no_setting_delays_an_ack_to_half_a_second() {
    let mut solo = Solo::new(TcpConfig { delayed_ack: Duration::MAX, ..plain() });
    solo.arrives(text(0, 0, b"x"));
    assert_eq!(bare(&solo.wait_ms(499)), [1]);
}

// requirement: 9293-SHLD-19
#[test]
fn every_second_full_segment_is_acknowledged_at_once() {
    let mut solo = warm(plain());
    for n in 1..10 {
        assert!(solo.arrives(text(2000 * n, 0, &[1; 1000])).is_empty());
        assert_eq!(bare(&solo.arrives(text(2000 * n + 1000, 0, &[1; 1000]))), [2000 * n + 2000]);
    }
}

// requirement: 9293-SHLD-19
#[test]
fn full_segment_is_what_the_peer_sends_not_what_we_could_send() {
    // The peer takes 1460 octets, but its own segments are smaller.
    let mut solo = Solo::listening(plain()).accepted_with(seg(Flags::SYN, -1, 0).mss(1460));
    let mut acks = Vec::new();
    for n in 0..10 {
        acks.extend(bare(&solo.arrives(text(n * 900, 0, &[1; 900]))));
    }
    assert_eq!(acks, [1800, 3600, 5400, 7200, 9000]);
}

// requirement: 9293-SHLD-19
#[test]
fn two_full_segments_worth_of_small_text_is_acknowledged_at_once() {
    let mut solo = warm(plain());
    let mut acks = Vec::new();
    for n in 0..20 {
        acks.extend(bare(&solo.arrives(text(2000 + n * 100, 0, &[1; 100]))));
    }
    assert_eq!(acks, [4000]);
}

// requirement: 9293-SHLD-19
// requirement: 9293-MUST-58
#[test]
fn merged_super_segment_counts_as_the_segments_it_was_made_of() {
    let mut solo = Solo::new(plain());
    let mut frame = Frame::from(solo.packet(&text(0, 0, &[1; 3000])));
    frame.segment_size = core::num::NonZeroU16::new(1000);
    solo.host.handle_frames(solo.now, InterfaceId(0), &mut [frame].into_iter());
    assert_eq!(bare(&solo.sent()), [3000]);
}

// requirement: 9293-MUST-58
// requirement: 9293-MUST-59
// requirement: 5681-21
#[test]
fn batch_of_segments_in_order_draws_one_ack() {
    let mut solo = warm(plain());
    let batch: Vec<Sends> = (2..12).map(|n| text(n * 1000, 0, &[1; 1000])).collect();
    assert_eq!(bare(&solo.arrive_together(&batch)), [12_000]);
}

// requirement: 5681-10
// requirement: 9293-MAY-13
#[test]
fn each_segment_out_of_order_draws_a_duplicate_ack_even_in_one_batch() {
    let mut solo = warm(plain());
    let batch: Vec<Sends> = (3..7).map(|n| text(n * 1000, 0, &[1; 1000])).collect();
    assert_eq!(bare(&solo.arrive_together(&batch)), [2000; 4]);
    assert_eq!(bare(&solo.arrives(text(7000, 0, &[1; 1000]))), [2000]);
    // The one that was missing: a single ACK of everything.
    assert_eq!(bare(&solo.arrives(text(2000, 0, &[1; 1000]))), [8000]);
}

// requirement: 5681-11
// requirement: 6582-8
#[test]
fn segment_that_fills_a_part_of_a_hole_is_acknowledged_at_once() {
    let mut solo = warm(plain());
    solo.arrives(text(4000, 0, &[1; 1000]));
    assert_eq!(bare(&solo.arrives(text(2000, 0, &[1; 1000]))), [3000]);
    assert_eq!(bare(&solo.arrives(text(3000, 0, &[1; 1000]))), [5000]);
    assert_eq!(solo.read().0.len(), 5000);
}

// requirement: 5681-10
// requirement: 2018-3
#[test]
fn duplicate_ack_leaves_as_a_bare_segment_although_there_is_text_to_send() {
    let mut solo = Solo::listening(TcpConfig { timestamps: false, ..TcpConfig::default() });
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
    syn.options.sack_permitted = true;
    solo = solo.accepted_with(syn);
    let now = solo.now;
    let frames = [Frame::from(solo.packet(&text(1000, 0, &[1; 1000])))];
    solo.host.handle_frames(now, InterfaceId(0), &mut frames.into_iter());
    let sent = solo.write(&[2; 500]);
    assert_eq!(sent[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!(sent[0].header.options.sack.len(), 1);
    assert_eq!(sent[1].brief(), (Flags::ACK, 0, 0, 500));
    assert_eq!(sent.len(), 2);
}

// requirement: 2018-3
// requirement: 2018-4
// requirement: 2018-5
// requirement: 2018-6
// requirement: 2018-13
#[test]
fn sack_blocks_name_the_newest_range_first_and_repeat_the_others() {
    for (timestamps, blocks) in [(false, 4), (true, 3)] {
        let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
        syn.options.sack_permitted = true;
        if timestamps {
            syn = syn.ts(100, 0);
        }
        let config = TcpConfig { timestamps, ..TcpConfig::default() };
        let mut solo = Solo::listening(config).accepted_with(syn);
        let stamped = |sends: Sends| if timestamps { sends.ts(100, 0) } else { sends };
        let mut last = Vec::new();
        for n in [1, 3, 5, 7, 9] {
            last = solo.arrives(stamped(text(n * 1000, 0, &[1; 1000])));
        }
        let reported: Vec<i64> = last[0]
            .header
            .options
            .sack
            .iter()
            .map(|(from, to)| {
                assert_eq!(to.since(*from), 1000);
                i64::from(from.since(solo.irs + 1))
            })
            .collect();
        assert_eq!(reported, [9000, 7000, 5000, 3000][..blocks]);
    }
}

// requirement: 2018-1
// requirement: 2018-2
#[test]
fn sack_is_not_used_unless_both_syns_permit_it() {
    for (ours, theirs) in [(false, true), (true, false)] {
        let config = TcpConfig { sack: ours, timestamps: false, ..TcpConfig::default() };
        let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
        syn.options.sack_permitted = theirs;
        let mut solo = Solo::listening(config);
        let syn_ack = solo.arrives(syn).remove(0);
        assert!(!syn_ack.header.options.sack_permitted);
        solo.iss = syn_ack.header.seq;
        solo.arrives(ack(0, 0));
        let sent = solo.arrives(text(5, 0, b"later"));
        assert_eq!((sent.len(), sent[0].header.options.sack.len()), (1, 0));
    }
}

// requirement: 9293-SA-CLOSE-WAIT-1
// requirement: 9293-SA-CLOSING-1
// requirement: 9293-SA-LAST-ACK-1
#[test]
fn fin_that_comes_again_is_acknowledged_again_in_every_state_after_it() {
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
        for _ in 0..30 {
            let sent = solo.arrives(seg(FIN_ACK, 0, 0));
            assert_eq!(sent.iter().map(Sent::brief).collect::<Vec<_>>(), [(Flags::ACK, ours, theirs, 0)]);
        }
        assert_eq!(solo.state(), state);
    }
}

// requirement: 9293-SA-CLOSE-WAIT-7
// requirement: 9293-SA-CLOSING-7
// requirement: 9293-SA-LAST-ACK-7
// requirement: 9293-SA-CLOSE-WAIT-8
#[test]
fn text_and_fin_behind_the_peers_fin_are_ignored() {
    for state in [State::CloseWait, State::Closing, State::LastAck] {
        let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
        solo.arrives(text(theirs, ours, b"after the end").fin());
        assert!(solo.state() != State::Established);
        assert_eq!(solo.host.recv_total, 0);
        if state == State::CloseWait {
            assert_eq!(solo.read(), (Vec::new(), true));
            assert_eq!(solo.write(b"y")[0].ack, theirs);
        }
    }
}

// requirement: 9293-SA-ESTABLISHED-15
// requirement: 9293-SHLD-31
#[test]
fn fin_that_overtakes_text_waits_for_it() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(3, 0, b"def").fin());
    assert_eq!(solo.state(), State::Established);
    assert_eq!(solo.read(), (Vec::new(), false));
    let sent = solo.arrives(text(0, 0, b"abc"));
    assert_eq!(sent[0].brief(), (Flags::ACK, 0, 7, 0));
    assert_eq!(solo.state(), State::CloseWait);
    assert_eq!(solo.read(), (b"abcdef".to_vec(), true));
    // And a FIN without text of its own.
    let mut solo = Solo::new(plain());
    solo.arrives(seg(FIN_ACK, 3, 0));
    assert_eq!(solo.state(), State::Established);
    solo.arrives(text(0, 0, b"abc"));
    assert_eq!((solo.state(), solo.read()), (State::CloseWait, (b"abc".to_vec(), true)));
}

// requirement: 9293-SA-FIN-WAIT-1-9
#[test]
fn fin_that_overtakes_text_in_fin_wait_1_ends_in_time_wait_when_the_text_comes() {
    let mut solo = Solo::new(plain());
    solo.shutdown();
    solo.arrives(seg(FIN_ACK, 3, 1));
    assert_eq!(solo.state(), State::FinWait2);
    let sent = solo.arrives(text(0, 1, b"abc"));
    assert_eq!(solo.state(), State::TimeWait);
    assert_eq!(sent[0].brief(), (Flags::ACK, 1, 4, 0));
    assert_eq!(solo.read(), (b"abc".to_vec(), true));
}

#[test]
fn events_are_told_once_for_a_batch() {
    let mut solo = Solo::new(plain());
    let batch: Vec<Sends> = (0..20).map(|n| text(n * 10, 0, &[1; 10])).collect();
    solo.arrive_together(&batch);
    assert_eq!(solo.events, [Event::Readable(solo.id)]);
    // Told again for what arrives later, though nothing was read.
    solo.arrives(text(200, 0, b"x"));
    assert_eq!(solo.events.len(), 2);
}

// requirement: 7323-11
// requirement: 7323-12
// requirement: 7323-13
// requirement: 7323-14
#[test]
fn segment_without_the_timestamp_that_was_agreed_on_is_dropped_and_nothing_else_happens() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    assert!(solo.arrives(text(0, 0, b"x")).is_empty());
    assert_eq!(solo.host.counters().drops.get(DropReason::TimestampMissing), 1);
    assert_eq!(solo.state(), State::Established);
    // And the other way round it is ignored.
    let mut solo = Solo::new(TcpConfig::default());
    solo.arrives(text(0, 0, b"x").ts(1, 1));
    assert_eq!(solo.read().0, b"x");
    assert!(solo.write(b"y")[0].header.options.timestamp.is_none());
}

// requirement: 7323-17
// requirement: 7323-18
// requirement: 7323-19
#[test]
fn echo_is_that_of_the_segment_that_the_delayed_ack_waited_for() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    let ecr = |sent: &[Sent]| sent[0].header.options.timestamp.unwrap().ecr;
    solo.arrives(text(0, 0, &[1; 10]).ts(110, 0));
    solo.arrives(text(10, 0, &[1; 10]).ts(120, 0));
    assert_eq!(ecr(&solo.wait_ms(40)), 110, "the oldest not acknowledged");
    assert_eq!(ecr(&solo.arrives(text(30, 0, &[1; 10]).ts(130, 0))), 110, "the last in order");
    assert_eq!(ecr(&solo.arrives(text(20, 0, &[1; 10]).ts(140, 0))), 140, "the one that fills the hole");
}

// requirement: 7323-20
// requirement: 7323-24
#[test]
fn segment_with_an_older_timestamp_is_acknowledged_and_dropped() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    let sent = solo.arrives(text(0, 0, b"old").ts(99, 0));
    assert_eq!(sent[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!(solo.host.counters().drops.get(DropReason::Paws), 1);
    assert_eq!(solo.read(), (Vec::new(), false));
    solo.arrives(text(0, 0, b"same").ts(100, 0));
    assert_eq!(solo.read().0, b"same");
}

// requirement: 7323-21
#[test]
fn rst_is_exempt_from_paws() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    solo.arrives(seg(Flags::RST, 0, 0).ts(5, 0));
    assert_eq!(solo.state(), State::Listen);
}

// requirement: 7323-23
#[test]
fn timestamp_of_24_days_ago_says_nothing_any_more() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    solo.wait(Duration::from_secs(23 * 24 * 3600));
    solo.arrives(text(0, 0, b"a").ts(99, 0));
    assert_eq!(solo.read().0, b"");
    solo.wait(Duration::from_secs(25 * 3600));
    solo.arrives(text(0, 0, b"b").ts(99, 0));
    assert_eq!(solo.read().0, b"b");
    solo.arrives(text(1, 0, b"c").ts(98, 0));
    assert_eq!(solo.read().0, b"", "99 is the newest now");
}

// requirement: 7323-11
// requirement: 7323-15
#[test]
fn every_kind_of_segment_carries_the_timestamp() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    let mut all = solo.write(b"text");
    all.extend(solo.wait_ms(1_100));
    all.extend(solo.arrives(ack(0, 4).ts(100, 0).wnd(0)));
    all.extend(solo.write(b"probe"));
    all.extend(solo.wait_ms(2_100));
    all.extend(solo.arrives(text(5, 4, b"x").ts(101, 0).wnd(0)));
    all.extend(solo.shutdown());
    all.extend(solo.abort());
    assert!(all.len() > 4);
    for sent in &all {
        assert_eq!(sent.header.options.timestamp.unwrap().ecr, 100, "{sent:?}");
    }
    let (_, syn) = Solo::connecting(TcpConfig::default());
    assert_eq!(syn.header.options.timestamp.unwrap().ecr, 0);
}

#[test]
fn memory_of_an_idle_connection_is_given_back() {
    let mut solo = Solo::new(plain());
    for round in 0..5 {
        solo.arrives(text(round * 3 + 1, round, b"bc"));
        solo.arrives(text(round * 3, round, b"a"));
        assert_eq!(solo.read().0, b"abc");
        solo.write(b"z");
        solo.arrives(ack(round * 3 + 3, round + 1));
    }
    let connection = solo.host.connections.get(solo.id.index).unwrap();
    let crate::tcp::connection::Phase::Synchronized(tcb) = &connection.phase else { panic!() };
    assert!(tcb.send.is_none() && tcb.recv.is_none());
    assert_eq!(solo.host.recv_total, 0);
}

// requirement: 7323-17
#[test]
fn last_segment_sent_again_is_answered_with_its_own_timestamp() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    solo.arrives(text(0, 0, b"x").ts(110, 0));
    assert_eq!(solo.wait_ms(40)[0].header.options.timestamp.unwrap().ecr, 110);
    let again = solo.arrives(text(0, 0, b"x").ts(5_000, 0));
    assert_eq!(again[0].header.options.timestamp.unwrap().ecr, 5_000);
    // Any other old number could be anybody's.
    let older = solo.arrives(text(-1, 0, b"x").ts(900_000, 0));
    assert_eq!(older[0].header.options.timestamp.unwrap().ecr, 5_000);
}

// requirement: 7323-24
#[test]
fn text_that_passed_paws_when_it_came_is_delivered_though_it_is_the_oldest_when_the_gap_is_filled() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    solo.arrives(text(3, 0, b"def").ts(110, 0));
    solo.arrives(text(0, 0, b"abc").ts(500, 0));
    assert_eq!(solo.read().0, b"abcdef");
    assert_eq!(solo.host.counters().drops.get(DropReason::Paws), 0);
}

// requirement: 7323-16
#[test]
fn echo_on_an_ack_of_nothing_new_is_no_round_trip() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    let sent = solo.write(b"x").remove(0);
    let echo = sent.header.options.timestamp.unwrap().val;
    solo.wait_ms(40);
    solo.arrives(ack(0, 1).ts(101, echo));
    let before = solo.host.info(solo.id).unwrap();
    assert_eq!(before.srtt, Duration::from_millis(40));
    solo.write(b"y");
    solo.wait_ms(150);
    // A duplicate, and text with an old ACK: both echo what was sent long ago.
    solo.arrives(ack(0, 1).ts(102, echo));
    solo.arrives(text(0, 1, b"z").ts(102, echo));
    let after = solo.host.info(solo.id).unwrap();
    assert_eq!((after.srtt, after.rttvar), (before.srtt, before.rttvar));
}

/// A host in which 10,000 octets wait for an ACK; both sides permit SACK if `sack` says so.
fn in_flight(sack: bool) -> Solo {
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
    syn.options.sack_permitted = sack;
    let mut solo = Solo::listening(TcpConfig { sack, ..plain() }).accepted_with(syn);
    assert_eq!(solo.write(&[0; 10_000]).len(), 10);
    solo
}

// requirement: 5681-18
#[test]
fn ack_with_another_window_is_a_duplicate_only_when_an_agreed_sack_block_says_that_text_arrived() {
    for (agreed, block, lost) in [(true, true, 1), (true, false, 0), (false, true, 0), (false, false, 0)] {
        let mut solo = in_flight(agreed);
        for n in 0..4 {
            let mut again = ack(0, 0).wnd(50_000 + n);
            if block {
                let left = solo.iss + 1 + 1000;
                again.options.sack.push((left, left + 1000 * (u32::from(n) + 1)));
            }
            solo.arrives(again);
        }
        assert_eq!(solo.host.counters().retransmits, lost, "{agreed} {block}");
    }
}

// requirement: 5681-18
#[test]
fn acks_that_repeat_a_closed_window_are_no_duplicates() {
    let mut solo = in_flight(false);
    let cwnd = |solo: &Solo| solo.host.info(solo.id).unwrap().cwnd;
    let before = cwnd(&solo);
    for _ in 0..5 {
        solo.arrives(ack(0, 0).wnd(0));
    }
    assert_eq!((cwnd(&solo), solo.host.counters().retransmits), (before, 0));
}
