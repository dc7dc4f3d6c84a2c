//! What looking ahead gives: look-ups among many connections, one after another and in batches.
//!
//! The tables are no part of the public interface, so their sources are compiled in here once more.
#![forbid(unsafe_code)]
#![cfg(not(test))]

extern crate alloc;

#[allow(dead_code, unreachable_pub, reason = "only some of the tables are measured")]
#[path = "../../../crates/proto/src/table/mod.rs"]
mod table;

/// Where the tables look for it.
mod time {
    pub(crate) use linger_proto::Instant;
}

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::index::{Glance, Index};
use table::slab::Slab;

const USAGE: &str = "usage: tables CONNECTIONS ROUNDS

Looks connections up at random: each named by the one before; in a row; in batches of 16 with a look ahead.
example: tables 1000000 9";

/// Stands for a connection: with its slot 64 octets.
type Connection = (Box<u8>, [u64; 6]);

fn main() -> ExitCode {
    let arguments: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [connections, rounds] = arguments[..] else { return usage() };
    if connections < 16 {
        return usage();
    }
    let tables = Tables::new(connections);
    let mut key = 0;
    for _ in 0..rounds {
        key = tables.round(key, connections.min(320_000) / 16 * 16);
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

struct Tables {
    index: Index,
    slab: Slab<Connection>,
}

/// A mixing function good enough to stand for a keyed hash.
fn hash(value: u32) -> u64 {
    let mut x = u64::from(value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Tables {
    /// Connections that name one another in one random cycle.
    fn new(connections: u32) -> Self {
        let mut order: Vec<u32> = (0..connections).collect();
        for n in (1..connections).rev() {
            order.swap(n as usize, (hash(n) % u64::from(n)) as usize);
        }
        let (mut slab, mut index) = (Slab::new(), Index::new());
        for next in order {
            let (slot, _) = slab.insert((Box::new(0), [u64::from(next); 6]));
            if index.put(hash(slot), slot) {
                index.split(hash);
            }
        }
        Self { index, slab }
    }

    /// Finds a connection; the one that it names.
    fn find(&self, key: u32, hash: u64) -> u32 {
        let equal =
            |slot| slot == key && self.slab.get(slot).is_some_and(|connection| connection.1[5] < u64::MAX);
        let slot = match self.index.glance(hash) {
            Glance::Perhaps(slot) if equal(slot) => slot,
            _ => self.index.find(hash, equal).expect("every connection is there"),
        };
        self.slab.get(slot).map_or(0, |connection| connection.1[0] as u32)
    }

    /// The same look-ups in three ways; the key that comes after them.
    fn round(&self, first: u32, count: u32) -> u32 {
        let begun = Instant::now();
        let (mut keys, mut key) = (Vec::new(), first);
        for _ in 0..count {
            keys.push(key);
            key = self.find(key, hash(key));
        }
        let dependent = begun.elapsed();

        let begun = Instant::now();
        for key in &keys {
            black_box(self.find(*key, hash(*key)));
        }
        let in_a_row = begun.elapsed();

        let begun = Instant::now();
        let mut touched = 0_u32;
        for batch in keys.as_chunks::<16>().0 {
            let hashes = batch.map(hash);
            for slot in self.index.candidates(&hashes) {
                touched = touched.wrapping_add(self.slab.touch(slot));
            }
            for (key, hash) in batch.iter().zip(hashes) {
                black_box(self.find(*key, hash));
            }
        }
        black_box(touched);
        let in_batches = begun.elapsed();

        let each = |time: Duration| time.as_nanos() as f64 / f64::from(count);
        println!(
            "dependent {:.0} ns, in a row {:.0} ns, in batches {:.0} ns ({:.2} of dependent)",
            each(dependent),
            each(in_a_row),
            each(in_batches),
            in_batches.as_secs_f64() / dependent.as_secs_f64()
        );
        key
    }
}
