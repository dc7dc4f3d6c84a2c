//! Text that was received: in order and not read by the application, or early and waiting for what comes before it.
//!
//! Memory: text is kept as slices of the frames it came in, and a slice pins its whole frame. Everything is charged at
//! what it pins, with the cost of its place in the queue. Text that fills less than a quarter of its frame is copied
//! together with its neighbours, and all text is when memory is short. So the sum of all charges stays within twice the
//! receive buffer, whatever the peer sends; for it text in order is always accepted, early text may be refused.

use super::reassembly::{Bounds, Outcome, Reassembly, is_sparse};
use super::run::{PIECE_COST, Run};
use crate::tcp::seq::SeqNum;
use alloc::boxed::Box;
use arrayvec::ArrayVec;
use bytes::{Buf, Bytes};

/// Receive buffers smaller than this are treated as this large in the bound on memory.
const LIMIT_MIN: usize = 8 << 10;
/// The largest block that small text is copied into, unless a sixteenth of the receive buffer is smaller.
const BLOCK_MAX: usize = 4 << 10;

/// What became of a segment's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Inserted {
    /// Octets by which RCV.NXT moves on: the text itself and what had waited behind it.
    pub(crate) advanced: u32,
    /// Something new was kept, in order or early. False for a duplicate.
    pub(crate) stored: bool,
    /// Early text went beyond the bound on memory and was thrown away.
    pub(crate) refused: bool,
    /// Octets that were copied: small text, and text moved together to save memory.
    pub(crate) copied: usize,
}

/// Received text of one connection. Worth having only while it holds some: see [`Self::is_empty`].
#[derive(Clone, Debug, Default)]
pub(crate) struct RecvBuffer {
    /// The first text in order, where it came while there was none: the whole of most messages.
    head: Bytes,
    head_charge: usize,
    /// The text in order behind it.
    ready: Run,
    early: Option<Box<Reassembly>>,
    /// Position of RCV.NXT, counted in octets of text since the buffer was made.
    next: u64,
}

impl RecvBuffer {
    /// Hands over the text in order, then what came early with its place.
    pub(crate) fn write_canonical(&self, to: &mut dyn FnMut(&[u8])) {
        self.head.iter().for_each(|octet| to(&[*octet]));
        self.ready.write_canonical(to);
        if let Some(early) = &self.early {
            early.write_canonical(self.next, to);
        }
    }

    /// Takes the text of a segment that begins at `seq` and lies within the window, except that it may begin before
    /// `rcv_nxt`.
    ///
    /// `frame_len` is the size of the buffer that keeping the text pins; `limit` is the receive buffer, in octets.
    pub(crate) fn insert(
        &mut self,
        rcv_nxt: SeqNum,
        seq: SeqNum,
        mut text: Bytes,
        frame_len: usize,
        limit: usize,
    ) -> Inserted {
        let most = limit.max(LIMIT_MIN);
        let charge = frame_len + PIECE_COST;
        if seq == rcv_nxt
            && self.early.is_none()
            && !is_sparse(text.len(), frame_len)
            && self.charged() + charge <= most + most / 2
        {
            // Nearly all text: in order, and nothing waits for it.
            let advanced = text.len();
            self.next += advanced as u64;
            self.push_ready(text, frame_len);
            return Inserted {
                advanced: u32::try_from(advanced).unwrap_or(u32::MAX),
                stored: advanced > 0,
                ..Inserted::default()
            };
        }
        let bounds = self.bounds(limit);
        if seq.after(rcv_nxt) {
            return self.insert_early(seq.since(rcv_nxt), text, frame_len, bounds);
        }
        let stale = rcv_nxt.since(seq) as usize;
        if stale >= text.len() {
            return Inserted::default();
        }
        if stale > 0 {
            text.advance(stale);
        }
        self.insert_ready(text, frame_len, bounds)
    }

    /// Takes text that is the next in order and lies within the window, where nothing early waits behind it. The charge
    /// afterwards; `frame_len`, `limit`: as for [`Self::insert`].
    pub(crate) fn push(&mut self, text: &mut Bytes, frame_len: usize, limit: usize) -> usize {
        let most = limit.max(LIMIT_MIN);
        let before = self.charged();
        let charge = frame_len + PIECE_COST;
        let text = core::mem::take(text);
        if is_sparse(text.len(), frame_len) || before + charge > most + most / 2 {
            let bounds = self.bounds(limit);
            self.insert_ready(text, frame_len, bounds);
            return self.charged();
        }
        self.next += text.len() as u64;
        self.push_ready(text, frame_len);
        before + charge
    }

    /// Reads octets in order into `out`; how many.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> usize {
        if self.head.is_empty() {
            return self.ready.read(out);
        }
        let count = self.head.len().min(out.len());
        let (now, later) = out.split_at_mut(count);
        if count < self.head.len() {
            self.head.copy_to_slice(now);
            return count;
        }
        now.copy_from_slice(&self.head);
        self.take_head();
        if later.is_empty() || self.ready.len() == 0 { count } else { count + self.ready.read(later) }
    }

    /// Reads up to `max` octets in order without copying; `None` when there are none.
    pub(crate) fn read_chunk(&mut self, max: usize) -> Option<Bytes> {
        if self.head.is_empty() || max == 0 {
            return self.ready.read_chunk(max);
        }
        Some(if self.head.len() > max { self.head.split_to(max) } else { self.take_head() })
    }

    /// Octets in order.
    pub(crate) const fn readable(&self) -> usize {
        self.head.len() + self.ready.len()
    }

    /// What the text costs in memory: at most twice the receive buffer.
    pub(crate) fn charged(&self) -> usize {
        self.head_charge + self.ready.charge() + self.early_charge()
    }

    /// Whether early text waits for what comes before it.
    pub(crate) const fn has_gap(&self) -> bool {
        self.early.is_some()
    }

    /// Neither text to read nor early text: the connection has no need of the buffer until text comes.
    pub(crate) const fn is_empty(&self) -> bool {
        self.readable() == 0 && self.early.is_none()
    }

    /// Octets of memory while it is empty.
    #[cfg(test)]
    pub(super) fn holds(&self) -> usize {
        size_of::<Self>() + self.ready.holds()
    }

    /// Lets go of what an empty buffer should not hold while it waits: more than about 3 KiB. What it keeps stays
    /// charged, to whoever uses it next.
    pub(crate) fn shrink(&mut self) {
        self.ready.tidy();
    }

    /// The blocks of early text for the SACK option: the one that changed last first (RFC 2018 §4 [2018-4, -5, -6]).
    pub(crate) fn sack_blocks(&self, rcv_nxt: SeqNum, out: &mut ArrayVec<(SeqNum, SeqNum), 4>) {
        if let Some(early) = &self.early {
            early.sack_blocks(self.next, rcv_nxt, out);
        }
    }

    /// The connection is over: keeps what can still be read, forgets what waits for text that will never come.
    pub(crate) fn into_leftover(mut self: Box<Self>) -> Option<Box<Self>> {
        self.early = None;
        (self.readable() > 0).then_some(self)
    }

    fn early_charge(&self) -> usize {
        self.early.as_ref().map_or(0, |early| early.charge())
    }

    fn bounds(&self, limit: usize) -> Bounds {
        let limit = limit.max(LIMIT_MIN);
        let room = (limit + limit / 2).saturating_sub(self.charged());
        Bounds { limit, room, block_max: BLOCK_MAX.min(limit / 16) }
    }

    fn take_head(&mut self) -> Bytes {
        self.head_charge = 0;
        core::mem::take(&mut self.head)
    }

    #[inline]
    fn push_ready(&mut self, text: Bytes, frame_len: usize) {
        if self.readable() > 0 {
            self.ready.push_slice(text, frame_len);
        } else if !text.is_empty() {
            self.head = text;
            self.head_charge = frame_len + PIECE_COST;
        }
    }

    fn insert_ready(&mut self, mut text: Bytes, frame_len: usize, bounds: Bounds) -> Inserted {
        let mut follows = None;
        if let Some(early) = &mut self.early {
            let (wanted, run) = early.fill(self.next, self.next + text.len() as u64);
            text.truncate(wanted);
            follows = run;
            if early.is_empty() {
                self.early = None;
            }
        }
        let mut copied = 0;
        let mut advanced = text.len();
        if !is_sparse(text.len(), frame_len) && frame_len + PIECE_COST <= bounds.room {
            self.push_ready(text, frame_len);
        } else {
            copied = text.len();
            self.ready.push_copy(&text, bounds.block_max);
        }
        if let Some(run) = follows {
            advanced += run.len();
            self.ready.append(run);
        }
        self.next += advanced as u64;
        copied += self.keep_bound(bounds);
        Inserted {
            advanced: u32::try_from(advanced).unwrap_or(u32::MAX),
            stored: true,
            refused: false,
            copied,
        }
    }

    fn insert_early(&mut self, ahead: u32, text: Bytes, frame_len: usize, bounds: Bounds) -> Inserted {
        if text.is_empty() {
            return Inserted::default();
        }
        let at = self.next + u64::from(ahead);
        let early = self.early.get_or_insert_default();
        match early.insert(at, text, frame_len, bounds) {
            Outcome::Stored { copied } => {
                let copied = copied + self.keep_bound(bounds);
                Inserted { stored: true, copied, ..Inserted::default() }
            }
            Outcome::Duplicate => Inserted::default(),
            Outcome::Refused => {
                if early.is_empty() {
                    self.early = None;
                }
                Inserted { refused: true, ..Inserted::default() }
            }
        }
    }

    /// Makes the text in order compact when the sum of all charges has passed its bound; how many octets that copied.
    fn keep_bound(&mut self, bounds: Bounds) -> usize {
        if self.charged() <= 2 * bounds.limit {
            return 0;
        }
        if !self.head.is_empty() {
            let charge = self.head_charge;
            let head = self.take_head();
            self.ready.push_front_slice(head, charge - PIECE_COST);
        }
        if self.ready.is_wasteful(bounds.block_max) { self.ready.compact(bounds.block_max) } else { 0 }
    }
}

#[cfg(test)]
mod tests;
