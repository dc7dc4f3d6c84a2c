//! Floods: whatever comes in whatever numbers, a host holds what its settings allow and gives it back afterwards.
//! Measured at the allocator. Nothing is drained during a flood: the device may be slower than the attacker.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod support;

use linger_proto::wire::tcp::{Flags, Header};
use linger_proto::{DropReason, Frame, HostConfig, ListenConfig};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use support::{Family, Peer, Rig, SERVICE, icmp_packet, udp_packet};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What tables and queues may keep for the next flood, and what is left of this one: pages, slots, rounding.
const SLACK: usize = 256 << 10;

/// Hands over frames without letting anything out; the most that was alive at any time.
fn flood(rig: &mut Rig, frames: impl Iterator<Item = Vec<u8>>) -> usize {
    let heap = Region::new(HEAP);
    let mut most = 0;
    for frame in frames {
        let mut one = [Frame::from(bytes::Bytes::from(frame))].into_iter();
        rig.host.handle_frames(rig.now, rig.interface, &mut one);
        most = most.max(alive(&heap));
    }
    most
}

fn alive(heap: &Region<'_, System>) -> usize {
    let change = heap.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

/// Runs one flood against one host: at most `bound` octets while it lasts, next to nothing when it is over.
fn withstands(config: HostConfig, bound: usize, frames: impl Iterator<Item = Vec<u8>>) -> Rig {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rig = Rig::with(config, ListenConfig::default().backlog(1000));
    let heap = Region::new(HEAP);
    let most = flood(&mut rig, frames);
    assert!(most <= bound + SLACK, "{most} octets, at most {bound} are allowed");
    drop(rig.drain());
    drop(rig.run_for(Duration::from_secs(200)));
    for socket in rig.sockets {
        while rig.host.udp_recv(socket).is_some() {}
    }
    rig.events = Vec::new();
    assert!(alive(&heap) <= SLACK, "{} octets are left when it is over", alive(&heap));
    assert_eq!(rig.host.poll_timeout(), None);
    rig
}

#[test]
fn flood_of_syns_holds_a_backlog_of_half_open_connections() {
    // Beyond it every SYN is answered by a cookie, and answers wait in a queue of their own that is bounded.
    let syns = (0..20_000u16).map(|n| Peer::new(Family::V4, 1024 + n, true).syn());
    let rig = withstands(HostConfig::default(), 1000 * 160 + 16_384 * 256, syns);
    assert_eq!(rig.host.counters().syn_cookies_sent, 19_000);
    assert_eq!(rig.host.counters().replies_dropped, 20_000 - 16_384);
    assert!(rig.host.snapshot(rig.now).connections.is_empty());
}

#[test]
fn flood_of_strays_holds_the_answers_that_wait() {
    let strays = (0..40_000u16).map(|n| {
        let mut stray = Peer::new(Family::V6, 1024 + n, true);
        stray.host_port = 81;
        stray.segment(Flags::ACK, b"")
    });
    let rig = withstands(HostConfig::default(), 16_384 * 256, strays);
    assert!(rig.host.counters().replies_dropped > 20_000);
}

#[test]
fn flood_of_fragments_holds_what_reassembly_may_hold() {
    let config = HostConfig { reassembly_max: 1 << 20, ..HostConfig::default() };
    let fragments =
        (0..30_000u16).map(|n| Family::BOTH[usize::from(n & 1)].fragment(n, 800, true, 17, &[7; 800]));
    withstands(config, 1 << 20, fragments);
    let config = HostConfig { reassembly_max: 1 << 20, ..HostConfig::default() };
    let crumbs = (0..60_000u16).map(|n| Family::V4.fragment(n / 128, (n % 128) * 16, true, 17, &[7; 8]));
    withstands(config, 1 << 20, crumbs);
}

#[test]
fn flood_of_datagrams_holds_one_queue() {
    let datagrams =
        (0..50_000u16).map(|n| udp_packet(Family::V4, SERVICE, &[7; 100][..usize::from(n % 100)]));
    let rig = withstands(HostConfig::default(), 2 * 212_992, datagrams);
    assert!(rig.drops().get(DropReason::UdpQueueFull) > 40_000);
}

#[test]
fn flood_of_echo_requests_holds_the_packets_that_wait() {
    let requests = (0..20_000u32).map(|n| icmp_packet(Family::V4, 8, 0, n, &[7; 1400]));
    let rig = withstands(HostConfig::default(), 512 * (1500 + 600), requests);
    assert!(rig.drops().get(DropReason::IcmpRateLimited) > 18_000);
}

/// One connection that is opened and reset, over and over: nothing of the old ones stays, no timer either.
#[test]
fn connections_that_are_opened_and_reset_leave_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rig = Rig::new();
    let heap = Region::new(HEAP);
    for n in 0..20_000u16 {
        let mut peer = Peer::open(&mut rig, Family::V4, 1024 + n, true);
        rig.hand(peer.segment(Flags::ACK, b"request"));
        peer.seq += 7;
        rig.hand(peer.segment(Flags::RST, b""));
        let stream = rig.host.stream(peer.id.unwrap()).unwrap();
        stream.close(rig.now);
        rig.events.clear();
        rig.run_for(Duration::from_millis(10));
    }
    assert!(rig.host.snapshot(rig.now).connections.is_empty());
    assert!(alive(&heap) <= SLACK, "{} octets after 20,000 connections", alive(&heap));
}

/// One connection under segments that move its timers at every step.
#[test]
fn segments_that_move_timers_pile_up_no_timers() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rig = Rig::new();
    let mut peer = Peer::open(&mut rig, Family::V4, 4000, false);
    let id = peer.id.unwrap();
    let heap = Region::new(HEAP);
    for n in 0..30_000u32 {
        // A delayed ACK now and then, text in flight whose ACK comes late, a window that closes and opens.
        let mut stream = rig.host.stream(id).unwrap();
        let _written = stream.write(rig.now, b"text");
        while matches!(stream.read(rig.now, &mut [0; 64]), Ok(1..)) {}
        let wnd = if n % 5 == 0 { 0 } else { 0xffff };
        let left = rig.drain();
        peer.learn(&left);
        let header = Header { wnd, ..peer.header(Flags::ACK) };
        let left = rig.hand(peer.packet(&header, b"x"));
        peer.seq += 1;
        peer.learn(&left);
        let left = rig.run_for(Duration::from_millis(u64::from(n % 60)));
        peer.learn(&left);
        rig.events.clear();
    }
    assert!(alive(&heap) <= SLACK, "{} octets after 30,000 segments", alive(&heap));
}
