use super::{Node, Wheel};
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
    assert!(wheel.nodes.len() <= 242, "{}", wheel.nodes.len());
}

proptest! {
    #[test]
    fn wheel_agrees_with_a_sorted_map(
        steps in prop::collection::vec((0u8..4, 0u32..48, any::<u64>(), any::<bool>()), 1..300)
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
                    while let Some((key, due)) = wheel.pop_due(at(now)) {
                        let ((expected, _), value) = model.pop_first().unwrap();
                        prop_assert_eq!((key, due.as_nanos()), (value, expected));
                    }
                    prop_assert!(model.first_key_value().is_none_or(|((at, _), _)| *at > now));
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            prop_assert_eq!(wheel.next_at().map(Instant::as_nanos), model.keys().next().map(|(at, _)| *at));
        }
    }
}
