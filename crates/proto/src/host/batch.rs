//! Several frames at once: whom they are for is looked up ahead of use.
//!
//! With many connections each look-up misses the cache two or three times: in the index, at the slot, in its block. One
//! after the other a frame waits for each of them; in three passes over a batch the misses of sixteen frames overlap.

use super::Host;
use super::demux::Found;
use super::key::Key;
use crate::tcp::connection::{Connection, Phase};
use crate::wire::address::Address;
use crate::wire::ip::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, PROTOCOL_TCP};
use crate::{Frame, Instant, InterfaceId};
use arrayvec::ArrayVec;
use core::hint::black_box;

/// Frames that are looked up together.
const BATCH: usize = 16;
/// Fewer tuples are not worth it: the look ahead costs as much for a few as for all.
pub(super) const WORTH: usize = 5;

/// The frames of a batch, each with the hash of its tuple if it is to be looked up by it, and how many tuples they change
/// between.
#[derive(Default)]
struct Batch {
    frames: ArrayVec<(Frame, Option<u64>), BATCH>,
    tuples: usize,
    last: Option<(Key, u64)>,
}

impl Host {
    /// Handles frames in their order; `rest` gives what comes after the first two. Not inlined: a frame that comes alone is
    /// not to pay for the room of sixteen.
    #[inline(never)]
    pub(super) fn handle_several(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        first: [Frame; 2],
        rest: &mut dyn Iterator<Item = Frame>,
    ) {
        let mut batch = Batch::default();
        for frame in first.into_iter().chain(rest.take(BATCH - 2)) {
            self.stage(frame, &mut batch);
        }
        if batch.tuples >= WORTH {
            self.look_ahead(&batch.frames);
        }
        self.counters.frames_in += batch.frames.len() as u64 - 1;
        for (frame, hash) in batch.frames {
            self.handle_one(now, interface, frame, hash);
        }
    }

    /// Takes a frame into the batch. Segments of one connection come in a row: their tuple is hashed once.
    fn stage(&self, frame: Frame, batch: &mut Batch) {
        let hash = tuple_of(&frame.bytes).map(|key| match batch.last {
            Some((last, hash)) if last == key => hash,
            _ => {
                let hash = self.demux.hash(&key);
                batch.last = Some((key, hash));
                batch.tuples += 1;
                hash
            }
        });
        batch.frames.push((frame, hash));
    }

    /// Reads a little of everything that the batch will need. What it reads means nothing.
    fn look_ahead(&self, batch: &[(Frame, Option<u64>)]) {
        let mut hashes = [0; BATCH];
        for ((_, hash), place) in batch.iter().zip(&mut hashes) {
            *place = hash.unwrap_or_default();
        }
        let probable = self.demux.probable(&hashes);
        let mut read = 0;
        for found in probable.iter().flatten() {
            read ^= match found {
                Found::Connection(index) => self.connections.touch(*index),
                Found::HalfOpen(index) => self.half_open.touch(*index),
                Found::TimeWait4(index) => self.time_wait_4.touch(*index),
                Found::TimeWait6(index) => self.time_wait_6.touch(*index),
            };
        }
        black_box(read);
        self.touch_connections(probable.into_iter().flatten());
    }

    /// Reads a little of what these connections consist of, one part of all of them after the other, so that the waits for
    /// memory overlap. What it reads means nothing.
    #[inline]
    pub(super) fn touch_connections(&self, probable: impl Iterator<Item = Found> + Clone) {
        let mut read = 0;
        for found in probable.clone() {
            if let Found::Connection(index) = found
                && let Some(connection) = self.connections.get(index)
            {
                read ^= connection.touch();
            }
        }
        // Text that is not acknowledged yet lies behind a pointer.
        let mut waiting = 0;
        for found in probable {
            if let Found::Connection(index) = found
                && let Some(Connection { phase: Phase::Synchronized(tcb), .. }) = self.connections.get(index)
                && let Some(send) = &tcb.send
            {
                waiting ^= send.touch();
            }
        }
        black_box((read, waiting));
    }
}

/// The tuple of a packet, judged by the places where nearly every TCP packet has it: of use to look ahead, and for a packet
/// that turns out to be plain the one it has.
pub(super) fn tuple_of(packet: &[u8]) -> Option<Key> {
    let (ends, ports) = match packet {
        [0x45, _, _, _, _, _, _, _, _, PROTOCOL_TCP, ..] => {
            let source = packet.get(12..)?.first_chunk()?;
            let destination = packet.get(16..)?.first_chunk()?;
            (Key::between(Address::v4(*destination), Address::v4(*source)), packet.get(IPV4_HEADER_LEN..)?)
        }
        [0x60..=0x6f, _, _, _, _, _, PROTOCOL_TCP, ..] => {
            let source = packet.get(8..)?.first_chunk()?;
            let destination = packet.get(24..)?.first_chunk()?;
            (Key::between(Address::v6(*destination), Address::v6(*source)), packet.get(IPV6_HEADER_LEN..)?)
        }
        _ => return None,
    };
    Some(ends.with_both_ports(u32::from_be_bytes(*ports.first_chunk()?).rotate_left(16)))
}
