//! A peer that sends its text in crumbs, in whatever order, cannot make the host hold more than twice the receive
//! buffer, and the text still arrives.
//!
//! What the host holds is measured at the allocator, not in the host's own books: all heap that is alive and was not
//! before the text came.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod support;

use bytes::Bytes;
use linger_proto::wire::tcp::Flags;
use linger_proto::{ConnectionId, DropReason, HostConfig, ListenConfig, TcpConfig};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use support::{Family, Peer, Rig};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What may live besides the text: queues of what waits to leave and to be told, the timers, the test's own harness.
const REST: usize = 4 << 10;

/// How a piece of text travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Carrier {
    /// A frame of its own.
    Plain,
    /// The front of a buffer of 64 KiB.
    SliceOfLarge,
    /// A frame of 1400 octets, most of them behind the length that IP gives.
    Padded,
}

/// In which order the pieces come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// Random, from this seed.
    Shuffled(u64),
    /// The second, the fourth, and so on; then the others.
    EverySecond,
    /// The last first.
    Descending,
}

impl Carrier {
    /// The frame that `packet` travels in. Only the large buffer has memory that the frame does not show.
    fn frame(self, packet: &[u8]) -> Bytes {
        let (room, length) = match self {
            Self::Plain => (packet.len(), packet.len()),
            Self::SliceOfLarge => (64 << 10, packet.len()),
            Self::Padded => (1400, 1400),
        };
        let mut frame = Vec::with_capacity(room);
        frame.extend_from_slice(packet);
        frame.resize(length, 0xee);
        Bytes::from(frame)
    }
}

impl Order {
    fn pieces(self, count: u32) -> Vec<u32> {
        let mut pieces: Vec<u32> = (0..count).collect();
        match self {
            Self::Shuffled(seed) => pieces.shuffle(&mut ChaCha8Rng::seed_from_u64(seed)),
            Self::EverySecond => pieces.sort_by_key(|piece| piece % 2 == 0),
            Self::Descending => pieces.reverse(),
        }
        pieces
    }
}

/// One connection that receives crumbs.
struct Victim {
    rig: Rig,
    peer: Peer,
    id: ConnectionId,
    limit: usize,
    /// Octets of window, all of them offered to the peer.
    window: u32,
}

/// The octet of text at `position`.
fn octet(position: u32) -> u8 {
    position.wrapping_mul(0x9e37_79b1).to_be_bytes()[0]
}

impl Victim {
    fn new(family: Family, limit: usize) -> Self {
        let tcp = TcpConfig {
            recv_buffer: u32::try_from(limit).unwrap(),
            delayed_ack: Duration::ZERO,
            ..TcpConfig::default()
        };
        let mut rig = Rig::with(HostConfig { tcp, ..HostConfig::default() }, ListenConfig::default());
        let mut peer = Peer::open(&mut rig, family, 4000, true);
        let id = peer.id.unwrap();
        // A first segment, so that the window is offered as a whole: that of a SYN is not scaled.
        rig.hand(peer.segment(Flags::ACK, b"!"));
        peer.seq += 1;
        assert_eq!(rig.host.stream(id).unwrap().read(rig.now, &mut [0; 8]), Ok(1));
        rig.drain();
        let window = rig.host.info(id).unwrap().rcv_wnd;
        // The window is rounded down to what its field can say.
        assert!(usize::try_from(window).unwrap() >= limit - 128, "{window}");
        Self { rig, peer, id, limit, window }
    }

    /// Sends the piece `number` of `size` octets each; what is alive now must be within the bound.
    fn send(&mut self, carrier: Carrier, number: u32, size: u32, heap: &Region<'_, System>) {
        let first = number * size;
        let text: Vec<u8> = (first..self.window.min(first + size)).map(octet).collect();
        let frame = carrier.frame(&self.peer.text_at(first, &text));
        drop(text);
        self.rig.hand(frame);
        self.rig.events.clear();
        let live = alive(heap);
        let bound = 2 * self.limit + REST;
        assert!(live <= bound, "{live} octets for a buffer of {}: {carrier:?} {number} {size}", self.limit);
    }

    /// The application takes all of the window and compares it with what was sent.
    fn read_everything(&mut self) {
        let mut stream = self.rig.host.stream(self.id).unwrap();
        let mut position = 0;
        while position < self.window {
            for read in stream.read_chunk(self.rig.now, usize::MAX).unwrap().unwrap() {
                assert_eq!(read, octet(position), "at {position}");
                position += 1;
            }
        }
        self.rig.drain();
    }

    /// Octets in order that the application may read.
    fn readable(&self) -> u32 {
        self.rig.host.info(self.id).unwrap().recv_queue
    }
}

fn alive(heap: &Region<'_, System>) -> usize {
    let change = heap.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

/// What the peer does.
#[derive(Clone, Copy)]
struct Attack {
    family: Family,
    /// The receive buffer of the connection.
    limit: usize,
    /// Octets in each piece.
    size: u32,
    carrier: Carrier,
    order: Order,
    /// Most pieces that are sent out of order.
    pieces: usize,
    /// Octets in each segment that is sent again; as large as the pieces at least.
    again: u32,
}

/// Single octets, more of them than any bound lets in.
const CRUMBS: Attack = Attack {
    family: Family::V4,
    limit: SMALL,
    size: 1,
    carrier: Carrier::Plain,
    order: Order::Shuffled(1),
    pieces: 20_000,
    again: 100,
};

impl Attack {
    /// Text out of order; then all of the window in order, as a peer sends again what was refused.
    fn run(self) {
        let Self { family, limit, size, carrier, order, .. } = self;
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut victim = Victim::new(family, limit);
        let mut pieces = order.pieces(victim.window.div_ceil(size));
        pieces.truncate(self.pieces);
        let heap = Region::new(HEAP);
        let mut held = 0;
        for &piece in &pieces {
            victim.send(carrier, piece, size, &heap);
            held = held.max(alive(&heap));
        }
        // The bound was put to the test: there was more than it lets in.
        if order != Order::Descending {
            assert!(held > limit / 8, "only {held} octets for a buffer of {limit}");
            assert!(victim.rig.drops().get(DropReason::ReassemblyFull) > 0);
        }
        let again = self.again.max(size);
        while victim.readable() < victim.window {
            let missing = victim.readable() / again;
            victim.send(carrier, missing, again, &heap);
            let end = victim.window.min((missing + 1) * again);
            assert!(victim.readable() >= end, "text in order is never refused");
        }
        assert_eq!(victim.rig.drops().total(), victim.rig.drops().get(DropReason::ReassemblyFull));
        victim.read_everything();
        victim.rig.abort_all();
        assert!(alive(&heap) <= REST, "{} octets are left of a connection that is gone", alive(&heap));
    }
}

const SMALL: usize = 64 << 10;
const LARGE: usize = 1 << 20;

#[test]
fn one_octet_segments_in_random_order_pin_at_most_twice_a_buffer_of_64_kib() {
    Attack { pieces: SMALL, again: 1, ..CRUMBS }.run();
    Attack { family: Family::V6, ..CRUMBS }.run();
}

#[test]
fn one_octet_segments_in_random_order_pin_at_most_twice_a_buffer_of_1_mib() {
    Attack { limit: LARGE, order: Order::Shuffled(2), pieces: 100_000, again: 1000, ..CRUMBS }.run();
}

#[test]
fn one_octet_segments_cut_from_large_buffers_pin_none_of_them() {
    // Larger pieces would be kept: such frames are what no device may hand over (see `Frame`).
    Attack { carrier: Carrier::SliceOfLarge, order: Order::Shuffled(3), again: 1, ..CRUMBS }.run();
}

#[test]
fn one_octet_segments_in_frames_full_of_padding_pin_none_of_them() {
    Attack { carrier: Carrier::Padded, order: Order::Shuffled(4), ..CRUMBS }.run();
    Attack { carrier: Carrier::Padded, order: Order::EverySecond, family: Family::V6, ..CRUMBS }.run();
}

#[test]
fn every_second_octet_first_and_the_last_octet_first_pin_no_more() {
    Attack { order: Order::EverySecond, ..CRUMBS }.run();
    Attack { order: Order::Descending, ..CRUMBS }.run();
}

/// Text that is just long enough for its frame to be kept as it is.
#[test]
fn text_of_a_quarter_of_its_frame_pins_no_more() {
    for (carrier, size) in [(Carrier::Plain, 18), (Carrier::Plain, 100), (Carrier::Padded, 350)] {
        for order in [Order::Shuffled(5), Order::EverySecond] {
            Attack { size, carrier, order, ..CRUMBS }.run();
            Attack { size, carrier, order, limit: LARGE, pieces: 100_000, again: 1000, ..CRUMBS }.run();
        }
    }
}
