//! The tables together, with many entries: what an entry takes, and what a call may cost.

extern crate std;

use super::growth::Growth;
use super::index::Index;
use super::slab::Slab;
use super::wheel::Wheel;
use crate::tcp::seq::SeqNum;
use crate::tcp::time_wait::{Fields, TimeWaitTable};
use crate::{Instant, InterfaceId, OwnerId};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

/// A mixing function good enough to stand for a keyed hash.
fn hash(value: u32) -> u64 {
    let mut x = u64::from(value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn fields<A: Copy>(address: A, port: u16) -> Fields<A> {
    Fields {
        local: address,
        remote: address,
        local_port: 80,
        remote_port: port,
        snd_nxt: SeqNum(1),
        rcv_nxt: SeqNum(2),
        rcv_wnd: 400,
        rcv_wind_shift: 3,
        interface: InterfaceId(0),
        ts_recent: Some(7),
        owner: OwnerId(0),
    }
}

/// The most octets that a record and its entry of the index take, at any size from 100,000 to 400,000.
fn octets_per_time_wait<A: Copy>(address: A) -> f64 {
    let (mut table, mut index) = (TimeWaitTable::new(), Index::new());
    let lifetime = table.lifetime(Duration::from_secs(30)).unwrap();
    let mut worst = 0.0_f64;
    for n in 0..400_000_u32 {
        let record = table.insert(Instant::ZERO, fields(address, 1), lifetime).unwrap();
        index.insert(hash(record), record, hash);
        if n >= 100_000 && n % 1_000 == 0 {
            worst = worst.max((table.memory() + index.memory()) as f64 / f64::from(n));
        }
    }
    worst
}

#[test]
fn time_wait_takes_at_most_64_octets_with_ipv4_and_96_with_ipv6() {
    let (v4, v6) = (octets_per_time_wait(Ipv4Addr::LOCALHOST), octets_per_time_wait(Ipv6Addr::LOCALHOST));
    assert!(v4 <= 60.0, "{v4}");
    assert!(v6 <= 84.0, "{v6}");
}

#[test]
fn pages_of_a_slab_waste_nothing_to_speak_of() {
    let mut slab: Slab<_> = Slab::new();
    for n in 0..200_000_u64 {
        slab.insert(std::boxed::Box::new(n));
    }
    assert!((slab.memory() as f64) < 200_000.0 * 16.0 * 1.03, "{}", slab.memory());
}

#[test]
fn no_call_pays_for_a_table_that_is_large() {
    let (mut slab, mut index, mut wheel) = (Slab::new(), Index::new(), Wheel::new());
    let mut table = TimeWaitTable::new();
    let lifetime = table.lifetime(Duration::from_secs(30)).unwrap();
    let all = |slab: &Slab<[u64; 7]>, index: &Index, wheel: &Wheel, table: &TimeWaitTable<Ipv6Addr>| {
        let mut all = index.growth();
        [slab.growth(), wheel.growth(), table.growth()].into_iter().for_each(|part| all += part);
        all
    };
    let mut worst = Growth::default();
    let mut before = all(&slab, &index, &wheel, &table);
    for n in 0..300_000_u32 {
        let (slot, _) = slab.insert([u64::from(n); 7]);
        index.insert(hash(slot), slot, hash);
        wheel.arm(slot, Instant::from_nanos(u64::from(n) * 1_000));
        table.insert(Instant::ZERO, fields(Ipv6Addr::LOCALHOST, 1), lifetime);
        let now = all(&slab, &index, &wheel, &table);
        let spent = now - before;
        worst.entries_moved = worst.entries_moved.max(spent.entries_moved);
        worst.octets_initialised = worst.octets_initialised.max(spent.octets_initialised);
        before = now;
    }
    assert!(worst.entries_moved < 1_500, "{worst:?}");
    assert!(worst.octets_initialised < 128 << 10, "{worst:?}");
}

#[test]
fn touching_ahead_of_use_reads_any_index_and_changes_nothing() {
    let mut slab: Slab<_> = Slab::new();
    let (slot, _) = slab.insert(7_u64);
    assert_eq!(slab.touch(slot), slab.touch(slot));
    assert_eq!((slab.touch(super::NIL), slab.touch(1 << 20)), (0, 0));
    assert_eq!(slab.get(slot), Some(&7));
}
