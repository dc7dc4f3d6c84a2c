//! Several frames at once: whom they are for is looked up ahead of use.
//!
//! With many connections each look-up misses the cache two or three times: in the index, at the slot, in its block. One
//! after the other a frame waits for each of them; in three passes over a batch the misses of sixteen frames overlap.

use super::Host;
use super::demux::Found;
use super::input::Seen;
use super::key::Key;
use super::shards::Sought;
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::segment::Segment;
use crate::{Checksum, DropReason, Frame, Instant, InterfaceId};
use arrayvec::ArrayVec;
use core::hint::black_box;

/// Frames that are looked up together.
const BATCH: usize = 16;
/// Fewer tuples are not worth it: the look ahead costs as much for a few as for all.
pub(super) const WORTH: usize = 5;

/// A frame of a batch before its turn. Made in its place, because it is large.
struct Staged {
    kind: Kind,
    key: Key,
    hash: u64,
    checksum: Checksum,
    /// The whole frame, where another shard may have to have it.
    whole: Option<Frame>,
    /// The segment; the frame as it came, where it is none.
    segment: Segment,
}

enum Kind {
    /// A segment in a plain packet.
    Segment,
    /// A packet that has something unusual.
    Unusual,
    /// A segment that is not worth a look-up.
    Bad(DropReason),
}

/// The frames of a batch, and how many tuples they change between.
#[derive(Default)]
struct Batch {
    frames: ArrayVec<Staged, BATCH>,
    tuples: usize,
}

impl Host {
    /// Handles frames in their order; `rest` gives what comes after the first two.
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
        for staged in &mut batch.frames {
            self.counters.frames_in += 1;
            let mut seen = Seen::default();
            let outcome = self.handle_staged(now, interface, staged, &mut seen);
            self.frame_handled(now, &seen, outcome);
        }
    }

    #[inline]
    fn handle_staged(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        staged: &mut Staged,
        seen: &mut Seen,
    ) -> Result<(), DropReason> {
        let Staged { kind, key, hash, checksum, whole, segment } = staged;
        match kind {
            Kind::Segment => match self.once_more(key) {
                Some(index) => self.connection_segment(now, index, segment),
                None => self.handle_read(now, interface, key, *hash, segment, whole.take(), seen),
            },
            Kind::Unusual => self.handle_frame(now, interface, segment.take_frame(*checksum), seen),
            Kind::Bad(reason) => Err(*reason),
        }
    }

    /// Reads a frame into the batch. Segments of one connection come in a row: their tuple is hashed once.
    fn stage(&self, frame: Frame, batch: &mut Batch) {
        let plain = self.plain(&frame.bytes);
        let (kind, (ends, place)) = match plain {
            Some(plain) => (Kind::Segment, plain),
            None => (Kind::Unusual, (Key::NONE, 0..0)),
        };
        let last = batch.frames.last().map(|last| (last.key, last.hash));
        let whole = self.shard.has_others().then(|| frame.clone());
        let checksum = frame.checksum;
        let segment = Segment::unread(frame);
        batch.frames.push(Staged { kind, key: ends, hash: 0, checksum, whole, segment });
        let Some(staged) = batch.frames.last_mut() else { return };
        if !matches!(staged.kind, Kind::Segment) {
            return;
        }
        match staged.segment.read(place, ends, checksum) {
            Ok(key) => {
                let known = last.filter(|(before, _)| *before == key).map(|(_, hash)| hash);
                batch.tuples += usize::from(known.is_none());
                staged.hash = known.unwrap_or_else(|| self.demux.hash(&key));
                staged.key = key;
            }
            Err(reason) => staged.kind = Kind::Bad(reason),
        }
    }

    /// Reads a little of everything that the batch will need. What it reads means nothing.
    fn look_ahead(&self, batch: &[Staged]) {
        let mut hashes = [0; BATCH];
        for (staged, place) in batch.iter().zip(&mut hashes) {
            *place = staged.hash;
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

    /// A segment that was read out of its frame.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that is known of it; the way in has two branches that meet here"
    )]
    #[inline]
    pub(super) fn handle_read(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        key: &Key,
        hash: u64,
        segment: &mut Segment,
        whole: Option<Frame>,
        seen: &mut Seen,
    ) -> Result<(), DropReason> {
        if self.tracing {
            *seen = Seen { key: Some(*key), before: self.state_of_key(key) };
        }
        if let Some(frame) = whole
            && self.find_hashed(hash, key).is_none()
            && self.pass_on(interface, &frame, Sought::Tuple(hash))
        {
            return Ok(());
        }
        self.handle_segment(now, interface, key, hash, segment)
    }
}
