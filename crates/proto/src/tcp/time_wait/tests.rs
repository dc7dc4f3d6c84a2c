use super::*;
use crate::drop::DropReason;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;

const SND_NXT: SeqNum = SeqNum(1_000);
const RCV_NXT: SeqNum = SeqNum(0x10);
const WINDOW: u32 = 400 << 3;
const MSL: Duration = Duration::from_secs(30);

const ACK: Flags = Flags { syn: false, ack: true, rst: false, fin: false };
const FIN: Flags = Flags { fin: true, ..ACK };
const SYN: Flags = Flags { syn: true, ack: false, rst: false, fin: false };
const RST: Flags = Flags { rst: true, ack: false, syn: false, fin: false };

fn fields(ts_recent: Option<u32>) -> Fields<Ipv4Addr> {
    Fields {
        local: Ipv4Addr::new(10, 0, 0, 1),
        remote: Ipv4Addr::new(10, 0, 0, 2),
        local_port: 80,
        remote_port: 40_000,
        snd_nxt: SND_NXT,
        rcv_nxt: RCV_NXT,
        rcv_wnd: 400,
        rcv_wind_shift: 3,
        interface: InterfaceId(200),
        ts_recent,
        owner: OwnerId(7),
    }
}

fn record(ts_recent: Option<u32>) -> TimeWait<Ipv4Addr> {
    TimeWait::new(&fields(ts_recent), 5, 0, 0)
}

/// A segment without text and timestamps, to a record without timestamps.
fn plain(seq: SeqNum, ack: SeqNum, flags: Flags) -> Verdict {
    judge(&record(None), seq, ack, flags, 0, None, true)
}

fn table() -> (TimeWaitTable<Ipv4Addr>, u8) {
    let mut table = TimeWaitTable::new();
    let lifetime = table.lifetime(MSL).unwrap();
    (table, lifetime)
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

#[test]
fn record_is_48_octets_with_ipv4_and_72_with_ipv6() {
    assert_eq!(size_of::<TimeWait<Ipv4Addr>>(), 48);
    assert_eq!(size_of::<TimeWait<[u8; 4]>>(), 48);
    assert_eq!(size_of::<TimeWait<Ipv6Addr>>(), 72);
}

#[test]
fn record_gives_back_what_it_was_made_of() {
    let record = record(Some(99));
    assert_eq!(record.local(), (Ipv4Addr::new(10, 0, 0, 1), 80));
    assert_eq!(record.remote(), (Ipv4Addr::new(10, 0, 0, 2), 40_000));
    assert_eq!((record.snd_nxt(), record.rcv_nxt()), (SND_NXT, RCV_NXT));
    assert_eq!((record.window_field(), record.rcv_wind_shift(), record.rcv_wnd()), (400, 3, WINDOW));
    assert_eq!((record.interface(), record.owner()), (InterfaceId(200), OwnerId(7)));
    assert_eq!((record.ts_recent(), record.queue(), record.is_covered()), (Some(99), 5, false));
    assert_eq!(self::record(None).ts_recent(), None);
    let owned = |owner| TimeWait::new(&Fields { owner: OwnerId(owner), ..fields(None) }, 5, 0, 0).owner();
    assert_eq!((owned(262_143), owned(262_144)), (OwnerId(262_143), OwnerId(0)), "one too many is none");
}

// ---- the table

// requirement: 9293-MUST-13
#[test]
fn record_stays_for_twice_the_msl_to_the_millisecond_and_never_less() {
    let (mut table, lifetime) = table();
    let entered = Instant::from_nanos(5_000_000_001);
    let index = table.insert(entered, fields(None), lifetime).unwrap();
    assert_eq!(table.next_expiry(), Some(ms(65_001)));
    assert_eq!(table.pop_expired(Instant::from_nanos(65_000_999_999)), None);
    assert_eq!(table.pop_expired(ms(65_001)).map(|(index, _)| index), Some(index));
    assert_eq!((table.len(), table.next_expiry()), (0, None));
}

// requirement: 9293-SA-TIME-WAIT-8
#[test]
fn restart_moves_a_record_behind_the_younger_ones_with_its_full_time() {
    let (mut table, lifetime) = table();
    let all: Vec<u32> =
        (0..4).map(|n| table.insert(ms(n * 1_000), fields(None), lifetime).unwrap()).collect();
    table.restart(all[0], ms(10_000));
    table.restart(all[2], ms(11_000));
    assert_eq!(table.oldest(), Some(all[1]));
    assert_eq!(table.next_expiry(), Some(ms(61_000)));
    assert_eq!(table.get(all[0]).unwrap().remaining(ms(10_000)), Duration::from_secs(60));
    assert_eq!(table.get(all[0]).unwrap().age(ms(10_000)), Duration::from_secs(10));
    let order: Vec<u32> =
        core::iter::from_fn(|| table.pop_expired(ms(100_000))).map(|(index, _)| index).collect();
    assert_eq!(order, [all[1], all[3], all[0], all[2]]);
}

#[test]
fn ninth_lifetime_is_refused_and_known_ones_are_found_again() {
    let mut table: TimeWaitTable<Ipv4Addr> = TimeWaitTable::new();
    for n in 0..8 {
        assert_eq!(table.lifetime(Duration::from_secs(n)), Some(u8::try_from(n).unwrap()));
    }
    assert_eq!(table.lifetime(Duration::from_secs(99)), None);
    assert_eq!(table.lifetime(Duration::from_secs(3)), Some(3));
    assert_eq!(TimeWaitTable::<Ipv4Addr>::new().lifetime(Duration::from_secs(30 * 24 * 3600)), None);
    assert_eq!(TimeWaitTable::new().insert(ms(0), fields(None), 0), None);
}

#[test]
fn msl_of_zero_expires_at_once() {
    let mut table = TimeWaitTable::new();
    let lifetime = table.lifetime(Duration::ZERO).unwrap();
    let index = table.insert(ms(70), fields(None), lifetime).unwrap();
    assert_eq!(table.next_expiry(), Some(ms(70)));
    assert_eq!(table.pop_expired(ms(70)).map(|(index, _)| index), Some(index));
}

#[test]
fn shorter_lifetime_expires_before_a_longer_one_that_is_older() {
    let mut table = TimeWaitTable::new();
    let long = table.lifetime(MSL).unwrap();
    let short = table.lifetime(Duration::from_secs(1)).unwrap();
    let first = table.insert(ms(0), fields(None), long).unwrap();
    let second = table.insert(ms(500), fields(None), short).unwrap();
    assert_eq!((table.oldest(), table.next_expiry()), (Some(second), Some(ms(2_500))));
    assert!(table.remove(second).is_some());
    assert_eq!((table.oldest(), table.next_expiry()), (Some(first), Some(ms(60_000))));
}

#[test]
fn of_two_that_expire_together_the_one_of_the_lifetime_that_was_named_first_goes_first() {
    let mut table = TimeWaitTable::new();
    let short = table.lifetime(Duration::from_secs(1)).unwrap();
    let long = table.lifetime(MSL).unwrap();
    let older = table.insert(ms(0), fields(None), long).unwrap();
    let younger = table.insert(ms(58_000), fields(None), short).unwrap();
    assert_eq!((table.oldest(), table.next_expiry()), (Some(younger), Some(ms(60_000))));
    let order = [table.pop_expired(ms(60_000)), table.pop_expired(ms(60_000))];
    assert_eq!(order.map(|gone| gone.map(|(index, _)| index)), [Some(younger), Some(older)]);
}

// requirement: 9293-MUST-13
#[test]
fn restored_record_waits_out_what_was_left_and_never_less_nor_more_than_a_whole_lifetime() {
    let (mut table, lifetime) = table();
    // Half of this millisecond is over.
    let now = Instant::from_nanos(5_000_500_000);
    let index = table.restore(now, &fields(None), lifetime, (2_000, 1_000), false).unwrap();
    assert_eq!(table.next_expiry(), Some(ms(6_001)));
    let record = table.get(index).unwrap();
    assert_eq!(
        (record.age(now), record.remaining(ms(6_000))),
        (Duration::from_secs(2), Duration::from_millis(1))
    );
    assert_eq!((record.is_carried(), record.is_reset(), record.owner()), (true, false, OwnerId(7)));
    assert!(table.remove(index).is_some());
    let index = table.restore(now, &fields(None), lifetime, (0, 70_000), true).unwrap();
    assert_eq!(table.next_expiry(), Some(ms(65_001)));
    let record = table.get(index).unwrap();
    assert_eq!((record.is_carried(), record.is_reset(), record.owner()), (true, true, OwnerId(7)));
}

#[test]
fn rest_of_a_page_is_vacant() {
    let (mut table, lifetime) = table();
    assert_eq!(table.get(0), None);
    let index = table.insert(ms(0), fields(None), lifetime).unwrap();
    for other in (0..1_024).filter(|&other| other != index) {
        assert_eq!(table.get(other), None);
        assert_eq!(table.remove(other), None);
        assert!(!table.restart(other, ms(1)));
    }
    assert_eq!((table.len(), table.oldest(), table.next_expiry()), (1, Some(index), Some(ms(60_000))));
}

#[test]
fn milliseconds_may_wrap_between_entry_and_expiry() {
    let (mut table, lifetime) = table();
    let wrap = 1_u64 << 32;
    for n in 0..5 {
        table.insert(ms(wrap - 30_000 + n * 10_000), fields(None), lifetime).unwrap();
    }
    for n in 0..5 {
        let expires = wrap + 30_000 + n * 10_000;
        assert_eq!(table.next_expiry(), Some(ms(expires)));
        assert_eq!(table.pop_expired(ms(expires - 1)), None);
        let (_, record) = table.pop_expired(ms(expires)).unwrap();
        assert_eq!(record.age(ms(expires)), Duration::from_secs(60));
        assert_eq!(record.remaining(ms(expires - 1)), Duration::from_millis(1));
        assert_eq!(record.remaining(ms(expires + 7)), Duration::ZERO);
    }
}

#[test]
fn removed_record_is_gone_and_its_place_is_used_again() {
    let (mut table, lifetime) = table();
    let index = table.insert(ms(0), fields(None), lifetime).unwrap();
    assert!(table.remove(index).is_some());
    assert_eq!(table.remove(index), None);
    assert_eq!(table.get(index), None);
    table.restart(index, ms(1));
    table.cover(index);
    assert_eq!((table.len(), table.oldest(), table.iter().count()), (0, None, 0));
    assert_eq!(table.insert(ms(5), fields(None), lifetime), Some(index));
    assert!(!table.get(index).unwrap().is_covered());
}

// requirement: 9293-MAY-2
#[test]
fn covered_record_keeps_its_time_and_its_owner() {
    let (mut table, lifetime) = table();
    let index = table.insert(ms(0), fields(None), lifetime).unwrap();
    table.cover(index);
    assert!(table.get(index).unwrap().is_covered());
    assert_eq!(table.get(index).unwrap().owner(), OwnerId(7));
    table.uncover(index);
    assert!(!table.get(index).unwrap().is_covered());
    assert_eq!(table.next_expiry(), Some(ms(60_000)));
}

// requirement: 7323-17
#[test]
fn ts_recent_only_moves_forward() {
    let (mut table, lifetime) = table();
    let with = table.insert(ms(0), fields(Some(u32::MAX)), lifetime).unwrap();
    let without = table.insert(ms(0), fields(None), lifetime).unwrap();
    table.record_timestamp(with, u32::MAX - 1);
    assert_eq!(table.get(with).unwrap().ts_recent(), Some(u32::MAX));
    table.record_timestamp(with, 3);
    assert_eq!(table.get(with).unwrap().ts_recent(), Some(3));
    table.record_timestamp(without, 3);
    assert_eq!(table.get(without).unwrap().ts_recent(), None);
}

// ---- how often a record answers

/// A record whose 2*MSL have begun at zero, for this MSL.
fn lasting(msl: Duration) -> (TimeWaitTable<Ipv4Addr>, u32) {
    let mut table = TimeWaitTable::new();
    let lifetime = table.lifetime(msl).unwrap();
    let index = table.insert(ms(0), fields(None), lifetime).unwrap();
    (table, index)
}

/// How many segments that are not the FIN are answered now, if any number of them comes.
fn burst(table: &mut TimeWaitTable<Ipv4Addr>, index: u32, now: u64) -> usize {
    (0..1_000).filter(|_| table.may_answer(index, ms(now))).count()
}

/// An entry is rounded up to the millisecond in which it expires.
#[test]
fn answer_in_the_millisecond_of_entry_costs_what_any_other_costs() {
    let (mut table, lifetime) = table();
    let entry = ms(1_000) + Duration::from_micros(400);
    let index = table.insert(entry, fields(None), lifetime).unwrap();
    assert!(table.may_answer(index, entry));
    assert_eq!((0..1_000).filter(|_| table.may_answer(index, ms(1_001))).count(), 9);
}

// requirement: 5961-5
#[test]
fn refused_syn_is_answered_once_in_each_second_for_each_tuple() {
    let (mut table, lifetime) = table();
    let one = table.insert(ms(0), fields(None), lifetime).unwrap();
    let other = table.insert(ms(0), fields(None), lifetime).unwrap();
    assert!(table.may_answer_refused(one, ms(100)));
    assert!(table.may_answer_refused(other, ms(150)));
    assert!(!table.may_answer_refused(one, ms(999)));
    assert!(table.may_answer_refused(one, ms(1_000)));
    assert!(!table.may_answer_refused(one, ms(1_999)));
    assert!(table.may_answer(one, ms(1_999)), "ten other segments may be answered besides");
    assert!(!table.may_answer_refused(one, ms(2_000)), "but then the SYN waits until they are forgotten");
    assert!(table.may_answer_refused(one, ms(3_000)));
    table.remove(one);
    let again = table.insert(ms(1_200), fields(None), lifetime).unwrap();
    assert_eq!(again, one);
    assert!(table.may_answer_refused(again, ms(1_200)), "another connection, another account");
}

#[test]
fn other_segments_are_answered_ten_in_a_row_and_once_a_second() {
    let (mut table, index) = lasting(MSL);
    assert_eq!((table.others_left(index, ms(0)), burst(&mut table, index, 0)), (10, 10));
    assert_eq!((table.others_left(index, ms(999)), burst(&mut table, index, 999)), (0, 0));
    assert_eq!((table.others_left(index, ms(3_000)), burst(&mut table, index, 3_000)), (3, 3));
    assert_eq!(burst(&mut table, index, 3_500), 0);
    assert_eq!(
        (table.others_left(index, ms(50_000)), burst(&mut table, index, 50_000)),
        (10, 10),
        "never more"
    );
}

#[test]
fn repeated_fin_is_answered_ten_times_in_a_row_and_once_more_for_each_half_second() {
    let (mut table, index) = lasting(MSL);
    let burst = |table: &mut TimeWaitTable<Ipv4Addr>, now| {
        (0..1_000).take_while(|_| table.restart(index, ms(now))).count()
    };
    // Each answer starts 2*MSL again, and with it the half second.
    assert_eq!(burst(&mut table, 0), 10);
    assert_eq!((table.fins_left(index, ms(499)), burst(&mut table, 499)), (0, 0));
    assert_eq!((table.fins_left(index, ms(500)), burst(&mut table, 500)), (1, 1));
    assert_eq!((table.fins_left(index, ms(1_999)), burst(&mut table, 1_999)), (2, 2));
    assert_eq!((table.fins_left(index, ms(2_498)), burst(&mut table, 2_498)), (0, 0));
    assert_eq!((table.fins_left(index, ms(50_000)), burst(&mut table, 50_000)), (10, 10), "never more");
}

#[test]
fn answers_to_other_segments_and_to_the_fin_have_accounts_of_their_own() {
    let (mut table, index) = lasting(MSL);
    assert_eq!(burst(&mut table, index, 100), 10);
    assert_eq!(table.fins_left(index, ms(100)), 10);
    assert!((0..10).all(|_| table.restart(index, ms(100))));
    assert!(!table.restart(index, ms(100)));
    assert_eq!(burst(&mut table, index, 100), 0, "starting 2*MSL again gives nothing back");
    let (mut table, index) = lasting(MSL);
    assert!((0..10).all(|_| table.restart(index, ms(100))));
    assert_eq!((table.fins_left(index, ms(100)), burst(&mut table, index, 100)), (0, 10));
}

#[test]
fn account_of_other_answers_goes_on_when_2_msl_start_again() {
    let (mut table, index) = lasting(MSL);
    assert_eq!(burst(&mut table, index, 20_000), 10);
    assert!(table.restart(index, ms(20_100)));
    assert_eq!(burst(&mut table, index, 20_100), 0);
    assert_eq!(burst(&mut table, index, 24_100), 4);
}

// requirement: 5961-10
#[test]
fn answers_of_one_tuple_say_nothing_about_those_of_another() {
    let (mut table, lifetime) = table();
    let all: Vec<u32> = (0..100).map(|_| table.insert(ms(0), fields(None), lifetime).unwrap()).collect();
    for &index in &all[1..] {
        assert_eq!(burst(&mut table, index, 10), 10);
        assert!(!table.may_answer_refused(index, ms(10)));
    }
    assert_eq!((table.others_left(all[0], ms(10)), table.fins_left(all[0], ms(10))), (10, 10));
    assert!(table.may_answer_refused(all[0], ms(10)));
}

proptest! {
    /// Whatever the lifetime, the account neither overflows nor lets through more than a bucket of ten would.
    #[test]
    fn other_answers_are_those_of_a_bucket_of_ten(
        msl in prop::sample::select(&[1u64, 2_500, 30_000, 120_000, 10 * 24 * 3600 * 1000][..]),
        steps in prop::collection::vec((0u8..3, 0u64..300), 1..200),
    ) {
        let (mut table, index) = lasting(Duration::from_millis(msl));
        let interval = (2 * msl / 64 + 1).max(1_000);
        let (mut now, mut started, mut left, mut counted) = (0, 0, 10, 0);
        for (kind, thousandths) in steps {
            // Whole intervals since 2*MSL began, as far as they are not yet counted.
            let earned = |now: u64, started: u64| (now - started) / interval;
            match kind {
                0 => now += thousandths * 2 * msl / 1_000,
                1 => {
                    left = (left + earned(now, started) - counted).min(10);
                    counted = earned(now, started);
                    let answered = table.may_answer(index, ms(now));
                    prop_assert_eq!(answered, left > 0);
                    left -= u64::from(answered);
                }
                _ => {
                    left = (left + earned(now, started) - counted).min(10);
                    counted = earned(now, started);
                    if table.restart(index, ms(now)) {
                        (started, counted) = (now, 0);
                    }
                }
            }
            if now - started >= 2 * msl {
                break;
            }
            let shown = (left + earned(now, started) - counted).min(10);
            prop_assert_eq!(u64::from(table.others_left(index, ms(now))), shown);
            prop_assert_eq!(table.get(index).unwrap().owner(), OwnerId(7));
        }
    }
}

proptest! {
    #[test]
    fn queues_agree_with_a_sorted_model(
        steps in prop::collection::vec((0u8..6, 0u8..3, any::<u16>()), 1..400)
    ) {
        let mut table = TimeWaitTable::new();
        let msl = [0, 1_000, 30_000];
        let queues: Vec<u8> =
            msl.iter().map(|msl| table.lifetime(Duration::from_millis(*msl)).unwrap()).collect();
        let mut model: [VecDeque<(u64, u32)>; 3] = Default::default();
        let mut now = (1 << 32) - 20_000_u64;
        for (kind, queue, random) in steps {
            let q = usize::from(queue);
            let pick = |model: &[VecDeque<(u64, u32)>; 3]| {
                (!model[q].is_empty()).then(|| usize::from(random) % model[q].len())
            };
            match kind {
                0 | 1 => {
                    let index = table.insert(ms(now), fields(None), queues[q]).unwrap();
                    model[q].push_back((now + 2 * msl[q], index));
                }
                2 => now += u64::from(random),
                3 => if let Some(n) = pick(&model) {
                    let (_, index) = model[q].remove(n).unwrap();
                    table.restart(index, ms(now));
                    model[q].push_back((now + 2 * msl[q], index));
                },
                4 => if let Some(n) = pick(&model) {
                    let (_, index) = model[q].remove(n).unwrap();
                    prop_assert!(table.remove(index).is_some());
                },
                _ => while let Some((index, _)) = table.pop_expired(ms(now)) {
                    let first = model.iter_mut().filter(|q| !q.is_empty()).min_by_key(|q| q[0].0).unwrap();
                    let (expires, expected) = first.pop_front().unwrap();
                    prop_assert!(expires <= now);
                    prop_assert_eq!(index, expected);
                },
            }
            let next = model.iter().filter_map(|queue| queue.front()).map(|(at, _)| *at).min();
            prop_assert_eq!(table.next_expiry(), next.map(ms));
            prop_assert_eq!(table.len(), model.iter().map(VecDeque::len).sum::<usize>());
            prop_assert_eq!(table.iter().count(), table.len());
        }
    }
}

// ---- the duties

// requirement: 9293-SA-TIME-WAIT-5
// requirement: 9293-SA-TIME-WAIT-8
#[test]
fn retransmitted_fin_in_time_wait_is_acked_and_restarts_2msl() {
    assert_eq!(plain(RCV_NXT - 1, SND_NXT, FIN), Verdict::AckAndRestart);
    // With the text before it, though all of it lies before the window and wraps.
    let text = 100;
    let verdict = judge(&record(None), RCV_NXT - 1 - text, SND_NXT, FIN, text, None, true);
    assert_eq!(verdict, Verdict::AckAndRestart);
    // Before the peer had our FIN it acknowledged less.
    assert_eq!(plain(RCV_NXT - 1, SND_NXT - 1, FIN), Verdict::AckAndRestart);
}

// requirement: 9293-SA-TIME-WAIT-8
#[test]
fn fin_is_recognised_though_its_timestamp_is_older() {
    let verdict = judge(&record(Some(50)), RCV_NXT - 1, SND_NXT, FIN, 0, Some((49, 0)), true);
    assert_eq!(verdict, Verdict::AckAndRestart);
}

// requirement: 9293-SA-TIME-WAIT-1
#[test]
fn fin_that_ends_elsewhere_is_acked_and_does_not_restart() {
    for seq in [RCV_NXT - 2, RCV_NXT - 500, RCV_NXT, RCV_NXT + 5, RCV_NXT + WINDOW] {
        assert_eq!(plain(seq, SND_NXT, FIN), Verdict::Ack, "{seq:?}");
    }
    // An ACK of what was never sent: not this connection's FIN.
    assert_eq!(plain(RCV_NXT - 1, SND_NXT + 1, FIN), Verdict::Ack);
    assert_eq!(plain(RCV_NXT - 1, SND_NXT, Flags { ack: false, ..FIN }), Verdict::Ack);
}

// requirement: 9293-SA-TIME-WAIT-1
// requirement: 1337-2
#[test]
fn old_duplicate_text_in_time_wait_is_acked() {
    let verdict = judge(&record(None), RCV_NXT - 1_461, SND_NXT - 1, ACK, 1_460, None, true);
    assert_eq!(verdict, Verdict::Ack);
}

// requirement: 9293-SA-TIME-WAIT-1
#[test]
fn segment_beyond_the_window_is_acked() {
    assert_eq!(plain(RCV_NXT + WINDOW, SND_NXT, ACK), Verdict::Ack);
    assert_eq!(plain(RCV_NXT + (WINDOW - 1), SND_NXT, ACK), Verdict::Ignore(DropReason::TimeWaitStray));
    // A keep-alive probe asks for an answer and gets one.
    assert_eq!(plain(RCV_NXT - 1, SND_NXT, ACK), Verdict::Ack);
}

// requirement: 9293-SA-TIME-WAIT-1
#[test]
fn with_a_window_of_zero_only_the_bare_next_octet_is_acceptable() {
    let record = TimeWait::new(&Fields { rcv_wnd: 0, ..fields(None) }, 0, 0, 0);
    let at = |seq, len| judge(&record, seq, SND_NXT, ACK, len, None, true);
    assert_eq!(at(RCV_NXT, 0), Verdict::Ignore(DropReason::TimeWaitStray));
    assert_eq!(at(RCV_NXT, 1), Verdict::Ack);
    assert_eq!(at(RCV_NXT + 1, 0), Verdict::Ack);
}

// requirement: 9293-SA-TIME-WAIT-7
#[test]
fn text_in_the_window_is_ignored_in_time_wait() {
    let verdict = judge(&record(None), RCV_NXT, SND_NXT, ACK, 10, None, true);
    assert_eq!(verdict, Verdict::Ignore(DropReason::TimeWaitStray));
}

// requirement: 9293-SA-TIME-WAIT-1
#[test]
fn text_is_acceptable_when_its_first_or_its_last_octet_lies_in_the_window() {
    let at = |seq, len| judge(&record(None), seq, SND_NXT, ACK, len, None, true);
    let stray = Verdict::Ignore(DropReason::TimeWaitStray);
    assert_eq!((at(RCV_NXT - 10, 10), at(RCV_NXT - 10, 11)), (Verdict::Ack, stray));
    assert_eq!((at(RCV_NXT - 1, 1), at(RCV_NXT - 1, 2)), (Verdict::Ack, stray));
    assert_eq!((at(RCV_NXT + (WINDOW - 1), 10), at(RCV_NXT + WINDOW, 10)), (stray, Verdict::Ack));
}

#[test]
fn bare_ack_is_not_answered_so_that_two_ends_cannot_ack_each_other_forever() {
    assert_eq!(plain(RCV_NXT, SND_NXT, ACK), Verdict::Ignore(DropReason::TimeWaitStray));
}

#[test]
fn segment_without_ack_bit_in_the_window_is_dropped() {
    let verdict = judge(&record(None), RCV_NXT, SND_NXT, Flags::default(), 1, None, true);
    assert_eq!(verdict, Verdict::Ignore(DropReason::AckMissing));
}

#[test]
fn ack_of_unsent_text_in_time_wait_is_acked() {
    assert_eq!(plain(RCV_NXT, SND_NXT + 1, ACK), Verdict::Ack);
}

// requirement: 1337-1
#[test]
fn rst_in_time_wait_is_ignored_wherever_it_lies() {
    for seq in [RCV_NXT, RCV_NXT + 1, RCV_NXT - 1, RCV_NXT + WINDOW] {
        for flags in [RST, Flags { ack: true, ..RST }, Flags { syn: true, ..RST }] {
            assert_eq!(plain(seq, SND_NXT, flags), Verdict::Ignore(DropReason::TimeWaitRst));
        }
    }
}

// requirement: 9293-SA-TIME-WAIT-2
#[test]
fn without_rfc1337_only_an_exact_rst_closes_time_wait() {
    let rst = |seq| judge(&record(Some(50)), seq, SeqNum(0), RST, 0, None, false);
    assert_eq!(rst(RCV_NXT), Verdict::Close);
    assert_eq!(rst(RCV_NXT + 1), Verdict::Ack);
    assert_eq!(rst(RCV_NXT - 1), Verdict::Ignore(DropReason::RstOutOfWindow));
    assert_eq!(rst(RCV_NXT + WINDOW), Verdict::Ignore(DropReason::RstOutOfWindow));
}

// requirement: 7323-21
#[test]
fn rst_is_exempt_from_paws() {
    let verdict = judge(&record(Some(50)), RCV_NXT, SeqNum(0), RST, 0, Some((1, 0)), false);
    assert_eq!(verdict, Verdict::Close);
}

// requirement: 7323-20
#[test]
fn segment_with_older_timestamp_is_acked_ahead_of_the_window_test() {
    let at = |tsval| judge(&record(Some(50)), RCV_NXT, SND_NXT, ACK, 5, Some((tsval, 0)), true);
    assert_eq!(at(49), Verdict::Ack);
    assert_eq!(at(50), Verdict::Ignore(DropReason::TimeWaitStray));
    assert_eq!(at(51), Verdict::Ignore(DropReason::TimeWaitStray));
}

// requirement: 7323-12
#[test]
fn segment_without_timestamp_on_a_timestamp_connection_is_dropped_silently() {
    let verdict = judge(&record(Some(50)), RCV_NXT - 100, SND_NXT, ACK, 5, None, true);
    assert_eq!(verdict, Verdict::Ignore(DropReason::TimestampMissing));
}

// requirement: 7323-14
#[test]
fn timestamp_that_was_never_agreed_on_is_ignored() {
    let verdict = judge(&record(None), RCV_NXT - 1, SND_NXT, FIN, 0, Some((1, 1)), true);
    assert_eq!(verdict, Verdict::AckAndRestart);
}

fn syn(old: Option<u32>, seq: SeqNum, new: Option<u32>) -> Verdict {
    judge(&record(old), seq, SeqNum(0), SYN, 0, new.map(|tsval| (tsval, 0)), true)
}

const OLDER: SeqNum = SeqNum(RCV_NXT.0.wrapping_sub(0x1000));
const NEWER: SeqNum = SeqNum(RCV_NXT.0 + 0x1000);

// requirement: 6191-1
// requirement: 9293-SHLD-4
#[test]
fn syn_with_newer_timestamp_is_admitted_whatever_its_sequence_number() {
    assert_eq!(syn(Some(50), OLDER, Some(51)), Verdict::Admit);
    assert_eq!(syn(Some(u32::MAX), OLDER, Some(0)), Verdict::Admit);
}

// requirement: 6191-2
#[test]
fn syn_with_equal_timestamp_is_admitted_by_a_newer_sequence_number_only() {
    assert_eq!(syn(Some(50), NEWER, Some(50)), Verdict::Admit);
    assert_eq!(syn(Some(50), OLDER, Some(50)), Verdict::RefuseSyn);
}

// requirement: 6191-3
#[test]
fn syn_without_timestamp_after_a_timestamp_connection_needs_a_newer_sequence_number() {
    assert_eq!(syn(Some(50), NEWER, None), Verdict::Admit);
    assert_eq!(syn(Some(50), OLDER, None), Verdict::RefuseSyn);
}

// requirement: 6191-4
#[test]
fn syn_that_is_newer_in_neither_is_refused() {
    assert_eq!(syn(Some(50), OLDER, Some(49)), Verdict::RefuseSyn);
    // Deviation, RFC 6191 §2: an older timestamp does not outweigh a newer sequence number; an old SYN has neither.
    assert_eq!(syn(Some(50), NEWER, Some(49)), Verdict::Admit);
}

// requirement: 6191-5
#[test]
fn syn_with_timestamp_after_a_connection_without_is_admitted() {
    assert_eq!(syn(None, OLDER, Some(1)), Verdict::Admit);
}

// requirement: 6191-6
// requirement: 1122-4
#[test]
fn syn_where_neither_has_timestamps_needs_a_newer_sequence_number() {
    assert_eq!(syn(None, NEWER, None), Verdict::Admit);
    assert_eq!(syn(None, OLDER, None), Verdict::RefuseSyn);
}

// requirement: 6191-7
#[test]
fn final_sequence_number_is_that_of_the_fin() {
    assert_eq!(syn(None, RCV_NXT, None), Verdict::Admit);
    assert_eq!(syn(None, RCV_NXT - 1, None), Verdict::RefuseSyn);
}

// requirement: 9293-SA-TIME-WAIT-4
#[test]
fn syn_ack_opens_nothing_in_time_wait() {
    let flags = Flags { ack: true, ..SYN };
    assert_eq!(judge(&record(None), NEWER, SND_NXT, flags, 0, Some((9, 9)), true), Verdict::RefuseSyn);
}

// requirement: 9293-MAY-2
#[test]
fn covered_record_answers_what_is_its_own_and_leaves_the_rest() {
    let covered = |seq, ack, flags, len| judge_covered(&record(None), seq, ack, flags, len);
    assert_eq!(covered(RCV_NXT - 1, SND_NXT, FIN, 0), Some(Verdict::AckAndRestart));
    assert_eq!(covered(RCV_NXT - 11, SND_NXT, FIN, 10), Some(Verdict::AckAndRestart));
    assert_eq!(covered(RCV_NXT - 10, SND_NXT, ACK, 10), Some(Verdict::Ack));
    assert_eq!(covered(NEWER, SND_NXT, ACK, 0), Some(Verdict::Ignore(DropReason::TimeWaitStray)));
    // The handshake's ACK, its text, its RST and the SYN again are for the half-open connection.
    let new = SND_NXT + 64_000;
    assert_eq!(covered(NEWER, new, ACK, 0), None);
    assert_eq!(covered(NEWER, new, ACK, 10), None);
    assert_eq!(covered(NEWER, new, FIN, 0), None);
    assert_eq!(covered(NEWER, SND_NXT, RST, 0), None);
    assert_eq!(covered(NEWER, SND_NXT, SYN, 0), None);
}

#[test]
fn rst_or_syn_with_the_old_text_or_fin_on_it_is_not_the_covered_record_s_own() {
    let covered = |seq, flags, len| judge_covered(&record(None), seq, SND_NXT, flags, len);
    for alone in [RST, SYN] {
        for flags in [alone, Flags { ack: true, ..alone }, Flags { ack: true, fin: true, ..alone }] {
            assert_eq!(covered(RCV_NXT - 10 - u32::from(flags.fin), flags, 10), None, "{flags:?}");
            assert_eq!(covered(RCV_NXT - u32::from(flags.fin), flags, 0), None, "{flags:?}");
        }
    }
}

#[test]
fn covered_record_of_a_reset_connection_keeps_nothing_for_itself() {
    let (mut table, index) = lasting(MSL);
    table.mark_reset(index);
    let covered = |seq, flags, len| judge_covered(table.get(index).unwrap(), seq, SND_NXT, flags, len);
    assert_eq!(covered(RCV_NXT - 1, FIN, 0), None);
    assert_eq!(covered(RCV_NXT - 10, ACK, 10), None);
    assert_eq!(covered(NEWER, ACK, 0), None);
}

/// Its ACK is of what was never sent, so that it does not start 2*MSL again.
#[test]
fn covered_record_acks_text_whose_fin_ends_at_rcv_nxt_whatever_that_acknowledges() {
    let covered = |seq, len| judge_covered(&record(None), seq, SND_NXT + 1, FIN, len);
    assert_eq!(covered(RCV_NXT - 11, 10), Some(Verdict::Ack));
    assert_eq!(
        (covered(RCV_NXT - 10, 10), covered(RCV_NXT - 9, 10), covered(RCV_NXT - 1, 0)),
        (None, None, None)
    );
}

#[test]
fn only_an_ack_without_text_and_fin_is_the_covered_record_s_to_ignore() {
    let covered = |flags, len| judge_covered(&record(None), NEWER, SND_NXT, flags, len);
    assert_eq!(covered(ACK, 0), Some(Verdict::Ignore(DropReason::TimeWaitStray)));
    assert_eq!((covered(ACK, 10), covered(FIN, 0), covered(Flags::default(), 0)), (None, None, None));
    assert_eq!((covered(FIN, 10), covered(Flags::default(), 10)), (None, None));
}
