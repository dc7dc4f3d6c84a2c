//! Several frames at once: whom they are for is looked up ahead of use.
//!
//! With many connections each look-up misses the cache two or three times: in the index, at the slot, in its block. One
//! after the other a frame waits for each of them; in three passes over a batch the misses of sixteen frames overlap.

use super::Host;
use super::demux::Found;
use super::input::Seen;
use super::key::Key;
use super::shards::Sought;
use crate::tcp::segment::Segment;
use crate::{DropReason, Frame, Instant, InterfaceId};
use arrayvec::ArrayVec;
use core::hint::black_box;

/// Frames that are looked up together.
const BATCH: usize = 16;
/// Fewer are not worth it: the look ahead costs as much for a few as for all.
const WORTH: usize = 5;

/// A frame of a batch before its turn.
enum Staged {
    /// A segment in a plain packet, and the whole frame where another shard may have to have it.
    Segment { key: Key, hash: u64, segment: Segment, whole: Option<Frame> },
    /// A packet that has something unusual.
    Unusual(Frame),
    /// A segment that is not worth a look-up.
    Bad(DropReason),
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
        let mut batch: ArrayVec<Staged, BATCH> = ArrayVec::new();
        let mut last = None;
        batch.extend(first.into_iter().chain(rest).take(BATCH).map(|frame| self.stage(frame, &mut last)));
        if batch.len() >= WORTH {
            self.look_ahead(&batch);
        }
        for staged in batch {
            self.counters.frames_in += 1;
            let mut seen = Seen::default();
            let outcome = match staged {
                Staged::Segment { key, hash, mut segment, whole } => match self.once_more(&key) {
                    Some(index) => self.connection_segment(now, index, &mut segment),
                    None => self.handle_read(now, interface, &key, hash, &mut segment, whole, &mut seen),
                },
                Staged::Unusual(frame) => self.handle_frame(now, interface, frame, &mut seen),
                Staged::Bad(reason) => Err(reason),
            };
            self.frame_handled(now, &seen, outcome);
        }
    }

    /// Reads a frame. `last` is the tuple before it and its hash: segments of one connection come in a row.
    fn stage(&self, frame: Frame, last: &mut Option<(Key, u64)>) -> Staged {
        let Some((ends, place)) = self.plain(&frame.bytes) else { return Staged::Unusual(frame) };
        let whole = self.shard.has_others().then(|| frame.clone());
        let checksum = frame.checksum;
        let mut segment = Segment::unread(frame);
        match segment.read(place, ends, checksum) {
            Ok(key) => {
                let known = last.filter(|(before, _)| *before == key).map(|(_, hash)| hash);
                let hash = known.unwrap_or_else(|| self.demux.hash(&key));
                *last = Some((key, hash));
                Staged::Segment { key, hash, segment, whole }
            }
            Err(reason) => Staged::Bad(reason),
        }
    }

    /// Reads a little of everything that the batch will need. What it reads means nothing.
    fn look_ahead(&self, batch: &[Staged]) {
        let mut hashes = [0; BATCH];
        for (staged, place) in batch.iter().zip(&mut hashes) {
            if let Staged::Segment { hash, .. } = staged {
                *place = *hash;
            }
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
        for found in probable.iter().flatten() {
            if let Found::Connection(index) = found
                && let Some(connection) = self.connections.get(*index)
            {
                read ^= connection.touch();
            }
        }
        black_box(read);
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
            && self.pass_on(interface, &frame, Sought::Tuple(key))
        {
            return Ok(());
        }
        self.handle_segment(now, interface, key, hash, segment)
    }
}
