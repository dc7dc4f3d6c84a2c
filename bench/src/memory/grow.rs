//! The largest single call while tables grow from nothing, in batches of at most 16 frames.

use super::footprint::Object;
use super::life::Life;
use super::pair::{App, Opener, Pair, Setup};
use super::say;
use crate::{Cpu, counted_alone, heap};
use linger_proto::Host;
use std::time::Duration;

/// Frames in a batch.
const BATCH: usize = 16;

/// Calls are numbered in their order; the largest is the one that took most memory.
#[derive(Default)]
struct Calls {
    number: u64,
    /// The one that callgrind is to count, and nothing else.
    replayed: Option<u64>,
    largest: Call,
    slowest: Call,
    /// The most octets that one call initialised, by the count of the tables themselves.
    initialised: u64,
    /// The most entries of the index that one call moved.
    moved: u64,
}

#[derive(Clone, Copy, Default)]
struct Call {
    number: u64,
    octets: u64,
    ns: f64,
}

impl Calls {
    fn call<T>(&mut self, host: &mut Host, work: impl FnOnce(&mut Host) -> T) -> T {
        let (before, grown) = (heap().allocated, host.growth());
        let began = Cpu::now();
        let replayed = self.replayed == Some(self.number);
        let result = if replayed { counted_alone(|| work(host)) } else { work(host) };
        let ns = began.elapsed_ns();
        let octets = heap().allocated - before;
        let growth = host.growth() - grown;
        self.initialised = self.initialised.max(growth.octets_initialised);
        self.moved = self.moved.max(growth.entries_moved);
        let call = Call { number: self.number, octets, ns };
        if octets > self.largest.octets {
            self.largest = call;
        }
        if ns > self.slowest.ns {
            self.slowest = call;
        }
        self.number += 1;
        result
    }
}

/// From nothing to `count` idle connections or TIME-WAITs; with `replayed`, the number of a call, until that one is over:
/// it is the only one that callgrind counts, if started with `--instr-atstart=no`. False when there is no such object.
pub fn grow(name: &str, count: u32, replayed: Option<u64>) -> bool {
    let Some(object) = Object::named(name) else { return false };
    let mut pair = Pair::new(&Setup::default());
    let mut calls = Calls { replayed, ..Calls::default() };
    let mut number = 0;
    while number < count && replayed.is_none_or(|replayed| calls.number <= replayed) {
        let until = count.min(number + BATCH as u32);
        for other in number..until {
            let (remote, local) = pair.other(other);
            let config = linger_proto::ConnectConfig::default().local(local);
            let now = pair.now;
            calls.call(&mut pair.client, |host| host.connect(now, remote, config)).expect("a free tuple");
        }
        let begun = until - number;
        number = until;
        match object {
            Object::Idle => pump(&mut pair, &mut calls, &mut Opener::default()),
            _ => {
                let mut lives = Life::new();
                pump(&mut pair, &mut calls, &mut lives);
                assert_eq!(lives.ends, 2 * begun, "whole lives");
            }
        }
        pair.wait(Duration::from_micros(20));
    }
    say("calls", calls.number);
    say("largest_call", calls.largest.number);
    say("largest_call_bytes", calls.initialised);
    say("largest_call_entries", calls.moved);
    say("largest_call_allocated", calls.largest.octets);
    say("largest_call_ns", format_args!("{:.0}", calls.largest.ns));
    say("slowest_call", calls.slowest.number);
    say("slowest_call_ns", format_args!("{:.0}", calls.slowest.ns));
    say("slowest_call_bytes", calls.slowest.octets);
    true
}

/// As [`Pair::run`], with small batches and each call counted.
fn pump(pair: &mut Pair, calls: &mut Calls, app: &mut impl App) {
    loop {
        let (now, interface) = (pair.now, pair.interface);
        let there = pair.wire.take(&mut pair.client, now, BATCH);
        calls.call(&mut pair.server, |host| pair.wire.give(host, now, interface));
        while let Some(event) = pair.server.poll_event() {
            app.server(&mut pair.server, now, event);
        }
        let back = pair.wire.take(&mut pair.server, now, BATCH);
        calls.call(&mut pair.client, |host| pair.wire.give(host, now, interface));
        while let Some(event) = pair.client.poll_event() {
            app.client(&mut pair.client, now, event);
        }
        if there + back == 0 {
            return;
        }
    }
}
