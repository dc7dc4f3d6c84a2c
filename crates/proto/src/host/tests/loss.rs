//! What was lost and how much may fly: RTO, Karn, fast retransmit, NewReno, slow start, Nagle, offload.

use super::solo::*;
use super::*;
use crate::{CloseReason, TcpConfig};

fn briefs(sent: &[Sent]) -> Vec<(i64, usize)> {
    sent.iter().map(|sent| (sent.seq, sent.text.len())).collect()
}

fn cwnd(solo: &Solo) -> u32 {
    solo.host.info(solo.id).unwrap().cwnd
}

// requirement: 6298-1
// requirement: 6298-10
// requirement: 6298-13
// requirement: 6298-14
// requirement: 6298-15
// requirement: 9293-MUST-19
// requirement: 6298-9
// requirement: 9293-TO-2
#[test]
fn first_segment_is_sent_again_after_a_second_and_then_after_doubled_times() {
    let mut solo = Solo::new(plain());
    solo.write(b"lost");
    let began = solo.now;
    let again = solo.wait_ms(63_500);
    let at: Vec<u128> = again.iter().map(|sent| sent.at.since(began).as_millis()).collect();
    assert_eq!(at, [1_000, 3_000, 7_000, 15_000, 31_000, 63_000]);
    assert!(again.iter().all(|sent| sent.brief() == (Flags::ACK, 0, 0, 4)));
}

// requirement: 6298-2
// requirement: 6298-3
// requirement: 6298-4
// requirement: 6298-7
#[test]
fn timeout_follows_the_measured_round_trips_and_has_a_floor() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 10]);
    solo.wait_ms(400);
    solo.arrives(ack(0, 10));
    let info = solo.host.info(solo.id).unwrap();
    assert_eq!((info.srtt.as_millis(), info.rttvar.as_millis(), info.rto.as_millis()), (400, 200, 1200));
    solo.write(&[0; 10]);
    solo.wait_ms(800);
    solo.arrives(ack(0, 20));
    let info = solo.host.info(solo.id).unwrap();
    assert_eq!((info.rttvar.as_millis(), info.srtt.as_millis(), info.rto.as_millis()), (250, 450, 1450));
    for n in 3..200 {
        solo.write(&[0; 10]);
        solo.arrives(ack(0, n * 10));
    }
    assert_eq!(solo.host.info(solo.id).unwrap().rto.as_millis(), 200);
}

// requirement: 6298-6
// requirement: 6298-18
// requirement: 9293-MUST-18
#[test]
fn segment_sent_twice_is_not_measured_and_the_doubled_timeout_lasts_until_one_is() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 10]);
    solo.wait_ms(1_500);
    solo.arrives(ack(0, 10));
    assert_eq!(solo.host.info(solo.id).unwrap().srtt, Duration::ZERO);
    assert_eq!(solo.host.info(solo.id).unwrap().rto, Duration::from_secs(2));
    solo.write(&[0; 10]);
    solo.wait_ms(100);
    solo.arrives(ack(0, 20));
    assert_eq!(solo.host.info(solo.id).unwrap().rto, Duration::from_millis(300));
}

// requirement: 6298-6
// requirement: 7323-16
#[test]
fn timestamp_tells_which_transmission_was_acknowledged() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    solo.write(&[0; 10]);
    let again = solo.wait_ms(1_000);
    solo.wait_ms(40);
    solo.arrives(ack(0, 10).ts(101, again[0].header.options.timestamp.unwrap().val));
    let info = solo.host.info(solo.id).unwrap();
    assert_eq!((info.srtt.as_millis(), info.rto.as_millis()), (40, 200));
}

// requirement: 6298-2
// requirement: 6298-7
#[test]
fn handshake_is_the_first_round_trip_on_both_sides() {
    let (mut active, _) = Solo::connecting(plain());
    active.wait_ms(30);
    active.arrives(seg(SYN_ACK, -1, 0).mss(1000));
    let mut passive = Solo::listening(plain());
    passive.iss = passive.arrives(seg(Flags::SYN, -1, 0).mss(1000)).remove(0).header.seq;
    passive.wait_ms(30);
    passive.arrives(ack(0, 0));
    passive.id = passive.host.accept(passive.listener).unwrap();
    for solo in [active, passive] {
        let info = solo.host.info(solo.id).unwrap();
        assert_eq!((info.srtt.as_millis(), info.rto.as_millis()), (30, 200));
    }
}

// requirement: 6298-11
// requirement: 6298-12
#[test]
fn ack_of_new_text_restarts_the_timer_and_the_last_one_stops_it() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 3000]);
    solo.wait_ms(900);
    solo.arrives(ack(0, 1000));
    // A duplicate does not restart it.
    let began = solo.now;
    solo.wait_ms(500);
    solo.arrives(ack(0, 1000));
    let rto = solo.host.info(solo.id).unwrap().rto;
    let again = solo.wait_ms(10_000);
    assert_eq!(again[0].at.since(began), rto);
    let mut solo = Solo::new(plain());
    solo.write(&[0; 3000]);
    solo.arrives(ack(0, 3000));
    assert_eq!(solo.host.poll_timeout().map(|_| solo.wait_ms(100_000).len()).unwrap_or(0), 0);
}

// requirement: 6298-16
// requirement: 5681-4
#[test]
fn lost_syn_means_three_seconds_and_one_segment_to_begin_with() {
    let mut syn_was_lost = Solo::connecting(plain()).0;
    assert_eq!(syn_was_lost.wait_ms(1_000).len(), 1);
    syn_was_lost.arrives(seg(SYN_ACK, -1, 0).mss(1000));
    let mut syn_ack_was_lost = Solo::listening(plain());
    let first = syn_ack_was_lost.arrives(seg(Flags::SYN, -1, 0).mss(1000)).remove(0);
    syn_ack_was_lost.iss = first.header.seq;
    assert_eq!(syn_ack_was_lost.wait_ms(1_000).len(), 1);
    syn_ack_was_lost.arrives(ack(0, 0));
    syn_ack_was_lost.id = syn_ack_was_lost.host.accept(syn_ack_was_lost.listener).unwrap();
    for mut solo in [syn_was_lost, syn_ack_was_lost] {
        assert_eq!(solo.host.info(solo.id).unwrap().rto, Duration::from_secs(3));
        assert_eq!(briefs(&solo.write(&[0; 3000])), [(0, 1000)]);
    }
}

// requirement: 5681-2
// requirement: 5681-3
#[test]
fn initial_window_is_ten_segments_or_14600_octets() {
    for (mss, expected) in [(1000, 10_000), (1460, 14_600), (4000, 14_600), (8000, 16_000)] {
        let interface = InterfaceConfig { mtu: 9000, ..InterfaceConfig::default() };
        let config = HostConfig { tcp: plain(), ..HostConfig::default() };
        let solo = Solo::listening_as(config, interface).accepted_with(seg(Flags::SYN, -1, 0).mss(mss));
        assert_eq!(cwnd(&solo), expected, "{mss}");
    }
}

// requirement: 5681-6
// requirement: 5681-1
// requirement: 9293-MUST-19
#[test]
fn slow_start_adds_what_was_acknowledged_when_the_window_was_in_use() {
    let mut solo = Solo::new(plain());
    assert_eq!(solo.write(&[0; 40_000]).len(), 10);
    for n in 1..=10 {
        let sent = solo.arrives(ack(0, n * 1000));
        assert_eq!(sent.len(), 2);
        assert_eq!(cwnd(&solo), 10_000 + u32::try_from(n).unwrap() * 1000);
    }
}

// requirement: 5681-19
#[test]
fn window_falls_back_to_the_initial_one_after_an_idle_timeout() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 40_000]);
    for n in 1..=40 {
        solo.arrives(ack(0, n * 1000));
    }
    assert!(cwnd(&solo) > 20_000);
    solo.wait_ms(5_000);
    assert_eq!(solo.write(&[0; 40_000]).len(), 10);
}

// requirement: 5681-8
// requirement: 5681-9
// requirement: 9293-MUST-19
#[test]
fn timeout_leaves_one_segment_and_half_the_flight_and_a_second_one_does_not_halve_again() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 10_000]);
    assert_eq!(briefs(&solo.wait_ms(1_000)), [(0, 1000)]);
    let info = solo.host.info(solo.id).unwrap();
    assert_eq!((info.cwnd, info.ssthresh), (1000, 5000));
    assert_eq!(briefs(&solo.wait_ms(2_000)), [(0, 1000)]);
    assert_eq!(solo.host.info(solo.id).unwrap().ssthresh, 5000);
    // The next segment is another loss.
    assert_eq!(briefs(&solo.arrives(ack(0, 1000))), [(1000, 1000), (2000, 1000)]);
    solo.wait_ms(60_000);
    assert_eq!(solo.host.info(solo.id).unwrap().ssthresh, 2000);
}

// requirement: 5681-6
// requirement: 5681-9
#[test]
fn one_ack_of_much_after_a_timeout_adds_one_segment_only() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 10_000]);
    solo.wait_ms(1_000);
    // Only the first was lost: the ACK covers all.
    solo.arrives(ack(0, 9_000));
    assert_eq!(cwnd(&solo), 2000);
}

// requirement: 5681-14
// requirement: 5681-15
// requirement: 5681-16
// requirement: 5681-17
// requirement: 6582-3
// requirement: 6582-1
// requirement: 6582-2
#[test]
fn third_duplicate_ack_sends_again_and_the_full_ack_ends_recovery() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 20_000]);
    // Limited transmit, which does not count as flight.
    for n in 10..12 {
        assert_eq!(briefs(&solo.arrives(ack(0, 0))), [(n * 1000, 1000)]);
    }
    assert_eq!(briefs(&solo.arrives(ack(0, 0))), [(0, 1000)]);
    let info = solo.host.info(solo.id).unwrap();
    assert_eq!((info.ssthresh, info.cwnd), (5000, 8000));
    // Each further one stands for a segment that has left the network.
    for _ in 0..4 {
        assert!(solo.arrives(ack(0, 0)).is_empty());
    }
    assert_eq!(briefs(&solo.arrives(ack(0, 0))), [(12_000, 1000)]);
    let sent = solo.arrives(ack(0, 13_000));
    assert_eq!(solo.host.info(solo.id).unwrap().cwnd, 2000);
    assert_eq!(briefs(&sent), [(13_000, 1000), (14_000, 1000)]);
}

// requirement: 6582-4
#[test]
fn partial_ack_sends_the_next_hole_at_once_and_stays_in_recovery() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 10_000]);
    for _ in 0..3 {
        solo.arrives(ack(0, 0));
    }
    assert_eq!(briefs(&solo.arrives(ack(0, 4000))), [(4000, 1000)]);
    assert_eq!(briefs(&solo.arrives(ack(0, 7000))), [(7000, 1000)]);
    solo.arrives(ack(0, 10_000));
    assert_eq!(solo.host.counters().retransmits, 3);
}

// requirement: 6582-1
// requirement: 6582-2
// requirement: 6582-7
#[test]
fn duplicate_acks_for_what_a_timeout_sent_again_do_not_start_recovery() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 20_000]);
    solo.wait_ms(1_000);
    solo.arrives(ack(0, 10_000));
    let sent = solo.host.counters().retransmits;
    // The duplicates of what was sent again needlessly.
    for _ in 0..5 {
        assert!(solo.arrives(ack(0, 10_000)).iter().all(|sent| sent.seq >= 10_000));
    }
    assert_eq!(solo.host.counters().retransmits, sent);
}

// requirement: 5681-18
#[test]
fn acks_with_text_or_another_window_are_not_duplicates() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 10_000]);
    for n in 0..5 {
        assert!(solo.arrives(text(n, 0, b"x")).iter().all(|sent| sent.text.is_empty()));
        assert!(solo.arrives(ack(n + 1, 0).wnd(50_000 + u16::try_from(n).unwrap())).is_empty());
    }
    assert_eq!(solo.host.counters().retransmits, 0);
}

#[test]
fn fin_is_sent_again_alone_and_with_the_text_before_it() {
    let mut solo = Solo::new(plain());
    solo.write(b"last");
    assert_eq!(solo.shutdown()[0].brief(), (FIN_ACK, 4, 0, 0));
    assert_eq!(solo.wait_ms(1_000)[0].brief(), (FIN_ACK, 0, 0, 4));
    solo.arrives(ack(0, 4));
    assert_eq!(solo.state(), State::FinWait1);
    assert_eq!(solo.wait_ms(3_000).last().unwrap().brief(), (FIN_ACK, 4, 0, 0));
    solo.arrives(ack(0, 5));
    assert_eq!(solo.state(), State::FinWait2);
    assert!(solo.wait_ms(600_000).is_empty());
}

#[test]
fn ack_that_is_due_does_not_ride_on_a_fin_that_is_sent_again() {
    let (mut solo, ..) = Solo::new(plain()).brought_to(State::Closing);
    let until = solo.host.poll_timeout().unwrap();
    solo.now = until;
    // The peer's FIN comes again at the very moment when ours has to.
    solo.host.handle_timeout(until);
    let sent = solo.arrives(seg(FIN_ACK, 0, 0));
    assert_eq!(sent.iter().map(Sent::brief).collect::<Vec<_>>(), [(FIN_ACK, 0, 1, 0), (Flags::ACK, 1, 1, 0)]);
}

// requirement: 9293-MUST-20
// requirement: 9293-MUST-21
// requirement: 9293-TO-1
#[test]
fn user_timeout_counts_from_the_first_text_not_acknowledged_and_is_exact() {
    for idle in [0, 3_000] {
        let mut solo = Solo::new(TcpConfig { user_timeout: Duration::from_millis(500), ..plain() });
        solo.wait(Duration::from_secs(idle));
        solo.write(b"x");
        solo.wait_ms(100);
        solo.arrives(ack(0, 1));
        solo.wait(Duration::from_secs(idle));
        solo.write(b"y");
        solo.wait_ms(499);
        assert_eq!(solo.state(), State::Established);
        solo.wait_ms(1);
        assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)]);
        assert_eq!(solo.state(), State::Listen);
    }
}

// requirement: 9293-MUST-21
#[test]
fn user_timeout_without_end_never_gives_up() {
    let mut solo = Solo::new(TcpConfig { user_timeout: Duration::MAX, ..plain() });
    solo.write(b"x");
    assert!(solo.wait(Duration::from_secs(100 * 24 * 3600)).len() > 10_000);
    assert_eq!(solo.state(), State::Established);
}

// requirement: 9293-SHLD-7
// requirement: 9293-MUST-60
#[test]
fn nagle_holds_a_small_segment_back_while_another_small_one_is_in_flight() {
    let mut solo = Solo::new(plain());
    assert_eq!(briefs(&solo.write(&[0; 100])), [(0, 100)]);
    assert!(solo.write(&[0; 100]).is_empty());
    assert_eq!(briefs(&solo.write(&[0; 900])), [(100, 1000)]);
    assert!(solo.write(&[0; 1]).is_empty());
    assert_eq!(briefs(&solo.arrives(ack(0, 100))), [(1100, 1)]);
    assert!(solo.write(&[0; 1]).is_empty());
    assert_eq!(briefs(&solo.arrives(ack(0, 1101))), [(1101, 1)]);
}

#[test]
fn nagle_never_holds_text_back_when_nothing_is_in_flight() {
    let mut solo = Solo::new(plain());
    let connection = solo.host.connections.get_mut(solo.id.index).unwrap();
    let crate::tcp::connection::Phase::Synchronized(tcb) = &mut connection.phase else { panic!() };
    // As gigabytes of full segments would leave it, were nobody to look after it.
    tcb.snd.small_end = tcb.snd.una + 1000;
    assert_eq!(briefs(&solo.write(&[0; 100])), [(0, 100)]);
}

// requirement: 9293-MUST-17
#[test]
fn nodelay_lets_small_segments_leave_at_once_and_frees_what_nagle_held() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 100]);
    assert!(solo.write(&[0; 10]).is_empty());
    let now = solo.now;
    solo.host.stream(solo.id).unwrap().set_nodelay(now, true);
    assert_eq!(briefs(&solo.sent()), [(100, 10)]);
    assert_eq!(briefs(&solo.write(&[0; 3])), [(110, 3)]);
}

// requirement: 9293-MUST-61
#[test]
fn push_marks_the_segment_that_empties_the_buffer() {
    let mut solo = Solo::new(plain());
    let sent = solo.write(&[0; 3000]);
    assert_eq!(sent.iter().map(|sent| sent.has(Flags::PSH)).collect::<Vec<_>>(), [false, false, true]);
}

fn offloading(tcp: TcpConfig) -> Solo {
    let interface =
        InterfaceConfig { checksum_offload: true, segmentation_offload: true, ..InterfaceConfig::default() };
    Solo::listening_as(HostConfig { tcp, ..HostConfig::default() }, interface)
        .accepted_with(seg(Flags::SYN, -1, 0).mss(1000))
}

#[test]
fn super_segment_is_a_multiple_of_the_mss_and_the_tail_leaves_by_itself() {
    let mut solo = offloading(plain());
    assert_eq!(solo.write(&[0; 1])[0].segment_size, None);
    // A small segment is in flight: only whole ones may follow.
    let sent = solo.write(&[0; 4499]);
    assert_eq!(briefs(&sent), [(1, 4000)]);
    assert_eq!((sent[0].segment_size, sent[0].has(Flags::PSH)), (Some(1000), false));
    let sent = solo.arrives(ack(0, 4001));
    assert_eq!((briefs(&sent), sent[0].segment_size), (vec![(4001, 499)], None));
    assert!(sent[0].has(Flags::PSH));
    let sent = solo.shutdown();
    assert_eq!(sent[0].brief(), (FIN_ACK, 4500, 0, 0));
}

#[test]
fn super_segment_ends_with_a_fin_when_the_application_has_closed() {
    let mut solo = offloading(plain());
    solo.write(&[0; 10_000]);
    solo.host.stream(solo.id).unwrap().write(solo.now, &[0; 2500]).unwrap();
    solo.host.stream(solo.id).unwrap().shutdown(solo.now).unwrap();
    assert!(solo.sent().is_empty());
    let sent = solo.arrives(ack(0, 10_000));
    assert_eq!(sent[0].brief(), (FIN_ACK, 10_000, 0, 2500));
    assert!(sent[0].has(Flags::PSH));
    // Sent again, it goes segment by segment, and the FIN with the last.
    let again = solo.wait_ms(1_000);
    assert_eq!(again[0].brief(), (Flags::ACK, 10_000, 0, 1000));
    let again = solo.arrives(ack(0, 11_000));
    assert_eq!(
        again.iter().map(Sent::brief).collect::<Vec<_>>(),
        [(Flags::ACK, 11_000, 0, 1000), (FIN_ACK, 12_000, 0, 500)]
    );
}

#[test]
fn many_small_chunks_make_super_segments_of_whole_segments() {
    let mut solo = offloading(plain());
    let now = solo.now;
    for _ in 0..40 {
        let mut chunk = Bytes::from(vec![1; 130]);
        solo.host.stream(solo.id).unwrap().write_chunk(now, &mut chunk).unwrap();
    }
    let sent = solo.sent();
    for sent in &sent[..sent.len() - 1] {
        assert_eq!(sent.text.len() % 1000, 0, "{:?}", briefs(core::slice::from_ref(sent)));
    }
    assert_eq!(sent.iter().map(|sent| sent.text.len()).sum::<usize>(), 40 * 130, "Nagle holds nothing back");
}

// requirement: 6298-6
#[test]
fn echo_from_before_the_loss_is_not_a_round_trip() {
    let mut solo =
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    let first = solo.write(&[0; 10]).remove(0);
    solo.wait_ms(1_000);
    // The first had arrived; its ACK was lost, and the answer to the second echoes the first.
    solo.wait_ms(40);
    solo.arrives(ack(0, 10).ts(101, first.header.options.timestamp.unwrap().val));
    let info = solo.host.info(solo.id).unwrap();
    assert_eq!((info.srtt, info.rto), (Duration::ZERO, Duration::from_secs(2)));
}

// requirement: 9293-SHLD-11
// requirement: 9293-MUST-20
#[test]
fn text_is_sent_again_for_a_quarter_of_an_hour_before_the_connection_is_given_up() {
    let mut solo = Solo::new(plain());
    solo.write(b"x");
    let sent = solo.wait(Duration::from_secs(899));
    assert!(sent.len() >= 10, "{}", sent.len());
    assert_eq!(solo.state(), State::Established);
    solo.wait(Duration::from_secs(1));
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)]);
}

// requirement: 5681-5
#[test]
fn threshold_of_a_fresh_connection_is_beyond_every_window() {
    let solo = Solo::new(plain());
    assert_eq!(solo.host.info(solo.id).unwrap().ssthresh, u32::MAX);
}

// requirement: 5681-13
#[test]
fn limited_transmit_leaves_the_congestion_window_as_it_was() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 20_000]);
    for n in 10..12 {
        assert_eq!(briefs(&solo.arrives(ack(0, 0))), [(n * 1000, 1000)]);
        assert_eq!(cwnd(&solo), 10_000);
    }
}

// requirement: 5681-22
#[test]
fn losses_in_two_flights_after_one_another_halve_the_threshold_twice() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 60_000]);
    let ssthresh = |solo: &Solo| solo.host.info(solo.id).unwrap().ssthresh;
    for _ in 0..3 {
        solo.arrives(ack(0, 0));
    }
    assert_eq!(ssthresh(&solo), 5_000);
    // All of that flight is there; the next one, of five segments, loses its first.
    let sent = solo.arrives(ack(0, 12_000));
    assert!(!sent.is_empty());
    solo.arrives(ack(0, 13_000));
    solo.arrives(ack(0, 14_000));
    solo.arrives(ack(0, 15_000));
    let in_flight = solo.host.info(solo.id).unwrap().in_flight;
    for _ in 0..3 {
        solo.arrives(ack(0, 15_000));
    }
    assert_eq!(ssthresh(&solo), (in_flight / 2).max(2_000));
    assert!(ssthresh(&solo) < 5_000);
}

// requirement: 6582-6
#[test]
fn timeout_in_fast_recovery_ends_it() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 20_000]);
    for _ in 0..3 {
        solo.arrives(ack(0, 0));
    }
    assert!(cwnd(&solo) > 7_000);
    assert_eq!(briefs(&solo.wait_ms(1_000)), [(0, 1000)]);
    assert_eq!(cwnd(&solo), 1_000, "no longer inflated");
    // Duplicates do not inflate it, nor start a recovery for what was sent before.
    for _ in 0..5 {
        assert!(solo.arrives(ack(0, 0)).is_empty());
    }
    assert_eq!(cwnd(&solo), 1_000);
}

// requirement: 2018-11
#[test]
fn octets_that_were_selectively_acknowledged_stay_until_the_ack_passes_them() {
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
    syn.options.sack_permitted = true;
    let mut solo =
        Solo::listening(TcpConfig { timestamps: false, ..TcpConfig::default() }).accepted_with(syn);
    let octets: Vec<u8> = (0..3000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    solo.write(&octets);
    let mut report = ack(0, 0);
    report.options.sack.push((solo.iss + 1001, solo.iss + 3001));
    solo.arrives(report);
    assert_eq!(solo.host.info(solo.id).unwrap().send_queue, 3000);
    // The peer forgets them after all: they are sent again, as they were.
    let mut again = solo.wait_ms(1_000);
    again.extend(solo.arrives(ack(0, 1000)));
    let mut got = vec![0; 3000];
    for sent in again {
        let at = usize::try_from(sent.seq).unwrap();
        got[at..at + sent.text.len()].copy_from_slice(&sent.text);
    }
    assert_eq!(got, octets);
}
