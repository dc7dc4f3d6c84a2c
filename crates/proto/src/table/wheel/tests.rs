use super::{Node, REACH, Wheel};
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use proptest::prelude::*;

const HOUR: u64 = 3_600_000_000_000;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn drain(wheel: &mut Wheel, now: u64) -> Vec<(u32, u64)> {
    core::iter::from_fn(|| wheel.pop_due(at(now))).map(|(key, at)| (key, at.as_nanos())).collect()
}

#[test]
fn node_is_16_octets() {
    assert_eq!(size_of::<Node>(), 16);
}

#[test]
fn equal_deadlines_come_out_in_order_of_insertion() {
    let mut wheel = Wheel::new();
    for key in 0..100 {
        wheel.arm(key, at(5 * HOUR));
    }
    wheel.arm(1000, at(5 * HOUR - 1));
    let keys: Vec<u32> = drain(&mut wheel, 5 * HOUR).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [1000].into_iter().chain(0..100).collect::<Vec<_>>());
}

#[test]
fn equal_deadlines_within_reach_come_out_in_order_of_insertion() {
    let mut wheel = Wheel::new();
    for key in 0..1_000 {
        wheel.arm(key, at(1_000_000_000));
    }
    assert_eq!((wheel.lanes.len(), wheel.levels.len()), (1_000, 0));
    let keys: Vec<u32> = drain(&mut wheel, 1_000_000_000).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn of_equal_deadlines_those_that_were_out_of_reach_come_first() {
    let mut wheel = Wheel::new();
    wheel.arm(0, at(REACH / 2));
    wheel.arm(1, at(REACH + 10));
    wheel.arm(2, at(REACH + 10));
    assert_eq!(drain(&mut wheel, REACH / 2), [(0, REACH / 2)]);
    wheel.arm(3, at(REACH + 10));
    wheel.arm(4, at(REACH + 10));
    assert_eq!((wheel.lanes.len(), wheel.levels.len()), (2, 2));
    let keys: Vec<u32> = drain(&mut wheel, REACH + 10).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [1, 2, 3, 4]);
}

#[test]
fn durations_that_alternate_need_the_lanes_only_and_none_is_held_up_by_a_distant_deadline() {
    const MS: u64 = 1_000_000;
    let mut wheel = Wheel::new();
    for now in (0..10_000).map(|n| n * MS) {
        drain(&mut wheel, now);
        let distant = wheel.levels.len();
        for duration in [1_000, 40, 200, 1_000, 200, 40] {
            wheel.arm(1, at(now + duration * MS));
        }
        assert_eq!(wheel.levels.len(), distant);
        wheel.arm(2, at(now + 2 * HOUR));
        assert_eq!(wheel.levels.len(), distant + 1);
    }
    // 2,480 entries of the last moments, in queues that each begin and end within a page.
    assert!(wheel.lanes.pages() <= 2_480 / 63 + 8, "{}", wheel.lanes.pages());
}

#[test]
fn end_of_time_is_a_deadline_whatever_the_present() {
    let mut wheel = Wheel::new();
    assert_eq!(wheel.pop_due(Instant::FAR_FUTURE), None);
    wheel.arm(1, Instant::FAR_FUTURE);
    assert_eq!(drain(&mut wheel, u64::MAX), [(1, u64::MAX)]);
    wheel.arm(2, Instant::FAR_FUTURE);
    assert_eq!(wheel.next_at(), Some(Instant::FAR_FUTURE));
    assert_eq!(drain(&mut wheel, u64::MAX), [(2, u64::MAX)]);
    assert_eq!(wheel.next_at(), None);
}

#[test]
fn nothing_comes_out_a_nanosecond_early() {
    let mut wheel = Wheel::new();
    wheel.arm(1, at(200_000_001));
    assert_eq!(wheel.next_at(), Some(at(200_000_001)));
    assert_eq!(wheel.pop_due(at(200_000_000)), None);
    assert_eq!(wheel.pop_due(at(200_000_001)), Some((1, at(200_000_001))));
    assert_eq!((wheel.len(), wheel.next_at()), (0, None));
}

#[test]
fn deadline_before_the_last_one_popped_is_due_at_once_and_first() {
    let mut wheel = Wheel::new();
    wheel.arm(1, at(1_000));
    assert_eq!(drain(&mut wheel, 1_500), [(1, 1_000)]);
    wheel.arm(2, at(1_600));
    wheel.arm(3, at(7));
    wheel.arm(4, at(3));
    wheel.arm(5, at(7));
    assert_eq!(wheel.next_at(), Some(at(3)));
    assert_eq!(drain(&mut wheel, 1_600), [(4, 3), (3, 7), (5, 7), (2, 1_600)]);
}

#[test]
fn days_ahead_and_the_end_of_time_work() {
    let mut wheel = Wheel::new();
    wheel.arm(1, Instant::FAR_FUTURE);
    wheel.arm(2, at(24 * 30 * HOUR));
    wheel.arm(3, at(1));
    assert_eq!(drain(&mut wheel, 24 * 30 * HOUR), [(3, 1), (2, 24 * 30 * HOUR)]);
    assert_eq!(wheel.next_at(), Some(Instant::FAR_FUTURE));
    assert_eq!(drain(&mut wheel, u64::MAX), [(1, u64::MAX)]);
    assert_eq!(wheel.pop_due(Instant::FAR_FUTURE), None);
}

#[test]
fn nodes_are_used_again() {
    let mut wheel = Wheel::new();
    for round in 0..10_000_u64 {
        wheel.arm(1, at(round * 1_000_000 + 40_000_000));
        wheel.arm(2, at(round * 1_000_000 + 200_000_000));
        drain(&mut wheel, round * 1_000_000);
    }
    assert!(wheel.lanes.pages() <= 8, "{}", wheel.lanes.pages());
    assert_eq!(wheel.len(), 240);
}

proptest! {
    #[test]
    fn wheel_agrees_with_a_sorted_map(
        steps in prop::collection::vec((0u8..4, 0u32..48, any::<u64>(), any::<bool>()), 1..600)
    ) {
        let mut wheel = Wheel::new();
        let mut model: BTreeMap<(u64, usize), u32> = BTreeMap::new();
        let mut now = 0_u64;
        for (order, (kind, bits, random, past)) in steps.into_iter().enumerate() {
            let key = u32::try_from(order).unwrap();
            let span = random & ((1 << bits) - 1);
            match kind {
                0 | 1 => {
                    let deadline = if past && bits < 20 { now.saturating_sub(span) } else { now + span };
                    wheel.arm(key, at(deadline));
                    model.insert((deadline, order), key);
                }
                2 => now += span >> 4,
                _ => {
                    let mut last = (0, 0);
                    let mut turns_back = 0;
                    while let Some((key, due)) = wheel.pop_due(at(now)) {
                        let due = due.as_nanos();
                        prop_assert_eq!(model.keys().next().map(|(at, _)| *at), Some(due));
                        // Each entry once: its key is its order of insertion.
                        prop_assert_eq!(model.remove(&(due, key as usize)), Some(key));
                        // Those of one deadline in order, first those of the levels, then those of the lanes.
                        turns_back = if due != last.0 { 0 } else { turns_back + u32::from(key < last.1) };
                        prop_assert!(turns_back <= 1);
                        last = (due, key);
                    }
                    prop_assert!(model.first_key_value().is_none_or(|((at, _), _)| *at > now));
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            prop_assert_eq!(wheel.next_at().map(Instant::as_nanos), model.keys().next().map(|(at, _)| *at));
        }
    }
}
