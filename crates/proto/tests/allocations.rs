//! A host that has warmed up allocates nothing for text: counted at the allocator, in every call of either host.
//!
//! Frames are the device's, and here the test's own: they are made between the calls and not counted.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

use linger_proto::{
    ConnectConfig, ConnectionId, Frame, Host, HostConfig, Instant, InterfaceConfig, InterfaceId,
    ListenConfig, ListenerId, Secret, Transmit,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Messages, or lives, before the counting begins.
const WARM_UP: usize = 200;
/// Messages, or lives, that are counted.
const COUNTED: usize = 500;
/// Allocations of all counted lives together by which the tables of those that are in TIME-WAIT still grow.
const GROWTH: usize = 10;

struct Pair {
    hosts: [Host; 2],
    interfaces: [InterfaceId; 2],
    listener: ListenerId,
    now: Instant,
    out: Transmit,
    frames: Vec<Frame>,
    /// Allocations so far.
    allocations: usize,
}

fn host(address: &str, secret: u8) -> (Host, InterfaceId) {
    let config = HostConfig { ephemeral_ports: 1024..=65535, ..HostConfig::default() };
    let mut host = Host::new(config, Secret::from_bytes([secret; 32]));
    let address: IpAddr = address.parse().unwrap();
    let interface =
        host.add_interface(InterfaceConfig { addresses: vec![(address, 8)], ..InterfaceConfig::default() });
    (host, interface)
}

impl Pair {
    fn new() -> Self {
        let (client, at_client) = host("10.0.0.1", 1);
        let (mut server, at_server) = host("10.0.0.2", 2);
        let any: SocketAddr = "0.0.0.0:80".parse().unwrap();
        let listener = server.listen(any, ListenConfig::default()).unwrap();
        Self {
            hosts: [client, server],
            interfaces: [at_client, at_server],
            listener,
            now: Instant::from_millis(1000),
            out: Transmit::default(),
            frames: Vec::new(),
            allocations: 0,
        }
    }

    /// One call of one host, counted.
    fn call<T>(&mut self, side: usize, call: impl FnOnce(&mut Host, Instant) -> T) -> T {
        let heap = Region::new(HEAP);
        let result = call(&mut self.hosts[side], self.now);
        let change = heap.change();
        self.allocations += change.allocations + change.reallocations;
        result
    }

    /// Carries frames from one side to the other; whether there were any.
    fn carry(&mut self, from: usize) -> bool {
        let (mut out, mut frames) = (std::mem::take(&mut self.out), std::mem::take(&mut self.frames));
        while self.call(from, |host, now| host.poll_transmit(now, &mut out)) {
            frames.push(Frame::from(out.to_bytes()));
        }
        let any = !frames.is_empty();
        let interface = self.interfaces[1 - from];
        self.call(1 - from, |host, now| host.handle_frames(now, interface, &mut frames.drain(..)));
        (self.out, self.frames) = (out, frames);
        any
    }

    fn exchange(&mut self) {
        while self.carry(0) | self.carry(1) {}
        for side in [0, 1] {
            self.call(side, |host, now| {
                host.handle_timeout(now);
                while host.poll_event().is_some() {}
            });
        }
    }

    fn open(&mut self) -> [ConnectionId; 2] {
        let to: SocketAddr = "10.0.0.2:80".parse().unwrap();
        let client = self.call(0, |host, now| host.connect(now, to, ConnectConfig::default())).unwrap();
        self.exchange();
        let listener = self.listener;
        [client, self.call(1, |host, _| host.accept(listener)).unwrap()]
    }

    /// One side writes in pieces of `piece` octets, the other reads all of it.
    fn message(&mut self, ids: [ConnectionId; 2], from: usize, octets: usize, piece: usize) {
        let text = vec![7; octets];
        self.call(from, |host, now| {
            for part in text.chunks(piece) {
                assert_eq!(host.stream(ids[from]).unwrap().write(now, part), Ok(part.len()));
            }
        });
        let mut buffer = vec![0; octets];
        let mut read = 0;
        while read < octets {
            assert!(self.carry(from), "{read} of {octets} octets arrive");
            self.call(1 - from, |host, now| {
                while read < octets
                    && let Ok(count) = host.stream(ids[1 - from]).unwrap().read(now, &mut buffer[read..])
                {
                    read += count;
                }
            });
            self.carry(1 - from);
        }
        assert!(buffer == text, "other text arrived than was sent");
    }

    /// Request and response on one connection: how many allocations all the counted ones took.
    fn request_and_response(request: usize, response: usize, piece: usize) -> usize {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pair = Self::new();
        let ids = pair.open();
        let rounds = |pair: &mut Self, count| {
            pair.allocations = 0;
            for _ in 0..count {
                pair.now += Duration::from_micros(100);
                pair.message(ids, 0, request, piece);
                pair.message(ids, 1, response, piece);
                pair.exchange();
            }
            pair.allocations
        };
        rounds(&mut pair, WARM_UP);
        // Threads of the test's own frame may allocate meanwhile, and can only add.
        [(); 3].map(|()| rounds(&mut pair, COUNTED)).into_iter().min().unwrap_or(usize::MAX)
    }

    /// Connect, request, response, the server closes first, then the client; old TIME-WAITs expire.
    fn life(&mut self) {
        self.now += Duration::from_millis(200);
        let ids = self.open();
        self.message(ids, 0, 100, 100);
        self.message(ids, 1, 1024, 1024);
        for side in [1, 0] {
            self.call(side, |host, now| host.stream(ids[side]).unwrap().close(now));
            self.exchange();
        }
    }
}

#[test]
fn request_and_response_allocate_nothing() {
    assert_eq!(Pair::request_and_response(100, 1024, usize::MAX), 0);
}

#[test]
fn short_messages_allocate_nothing_though_they_are_copied_out_of_their_frames() {
    assert_eq!(Pair::request_and_response(1, 5, usize::MAX), 0);
}

#[test]
fn responses_of_many_segments_allocate_nothing() {
    assert_eq!(Pair::request_and_response(100, 20_000, usize::MAX), 0);
    assert_eq!(Pair::request_and_response(100, 60_000, usize::MAX), 0);
}

#[test]
fn many_small_writes_allocate_nothing() {
    assert_eq!(Pair::request_and_response(100, 3000, 10), 0);
}

#[test]
fn life_allocates_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pair = Pair::new();
    for _ in 0..WARM_UP {
        pair.life();
    }
    pair.allocations = 0;
    for _ in 0..COUNTED {
        pair.life();
    }
    assert!(pair.allocations <= GROWTH, "{} allocations in {COUNTED} lives", pair.allocations);
}
