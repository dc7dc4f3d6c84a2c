//! Text that was received: in order and not read by the application, or early and waiting for what comes before it.
//!
//! Memory: text is kept as slices of the frames it came in, and a slice pins its whole frame. Everything is charged at
//! what it pins, with the cost of its place in the queue. Text that fills less than a quarter of its frame is copied
//! together with its neighbours, and all text is when memory is short. So the sum of all charges stays within twice the
//! receive buffer, whatever the peer sends; for it text in order is always accepted, early text may be refused.

use super::reassembly::{Bounds, Outcome, Reassembly, is_sparse};
use super::run::{PIECE_COST, Run};
use crate::tcp::seq::{SeqNum, octets as octets_of};
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
///
/// Most messages are one piece of text that comes in order while there is none, and is read whole: [`Self::push`] and
/// [`Self::take_whole`].
#[derive(Clone, Debug, Default)]
pub(crate) struct RecvBuffer {
    /// The first text in order, where it came while there was none. Never empty.
    head: Option<Bytes>,
    head_charge: usize,
    /// The text in order behind it.
    ready: Run,
    early: Option<Box<Reassembly>>,
    /// Position of RCV.NXT, counted in octets of text since the buffer was made.
    next: u64,
    /// Octets in order.
    readable: usize,
    /// What all of the text costs.
    charged: usize,
    /// There was more than one piece at a time, or early text, or text was copied; until [`Self::shrink`].
    mixed: bool,
}

impl RecvBuffer {
    /// Hands over the text in order, then what came early with its place.
    pub(crate) fn write_canonical(&self, to: &mut dyn FnMut(&[u8])) {
        self.head.iter().flatten().for_each(|octet| to(&[*octet]));
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
        let bounds = self.bounds(limit);
        let stale = rcv_nxt.since(seq) as usize;
        let inserted = if seq.after(rcv_nxt) {
            self.insert_early(seq.since(rcv_nxt), text, frame_len, bounds)
        } else if stale >= text.len() {
            return Inserted::default();
        } else {
            text.advance(stale);
            self.insert_ready(text, frame_len, bounds)
        };
        self.count();
        inserted
    }

    /// The most that text in order may be charged before it is moved together: half more than the receive buffer.
    pub(crate) const fn charge_max(recv_buffer: usize) -> usize {
        let limit = if recv_buffer > LIMIT_MIN { recv_buffer } else { LIMIT_MIN };
        limit + limit / 2
    }

    /// Takes text, some at least, that is the next in order and lies within the window, where nothing early waits behind it;
    /// nearly all text is that. The charge afterwards. `frame_len`, `limit`: as for [`Self::insert`], `most`: its
    /// [`Self::charge_max`].
    #[inline]
    pub(crate) fn push(&mut self, text: &mut Bytes, frame_len: usize, limit: usize, most: usize) -> usize {
        let (octets, charge) = (text.len(), frame_len + PIECE_COST);
        let charged = self.charged + charge;
        if charged > most || is_sparse(octets, frame_len) {
            return self.push_costly(core::mem::take(text), frame_len, limit);
        }
        let before = self.readable;
        self.next += octets as u64;
        self.readable = before + octets;
        self.charged = charged;
        if before == 0 && self.head.is_none() {
            self.head = Some(core::mem::take(text));
            self.head_charge = charge;
        } else {
            self.push_behind(core::mem::take(text), frame_len);
        }
        charged
    }

    /// Text behind other text.
    #[inline(never)]
    fn push_behind(&mut self, text: Bytes, frame_len: usize) {
        self.mixed = true;
        self.ready.push_slice(text, frame_len);
    }

    /// Text that costs much more than it is.
    #[cold]
    #[inline(never)]
    fn push_costly(&mut self, text: Bytes, frame_len: usize, limit: usize) -> usize {
        let bounds = self.bounds(limit);
        self.insert_ready(text, frame_len, bounds);
        self.count();
        self.charged
    }

    /// All the text there is, where it is one piece of at most `max` octets. Nothing is left then.
    #[inline]
    pub(crate) fn take_whole(&mut self, max: usize) -> Option<Bytes> {
        if self.mixed || self.readable > max {
            return None;
        }
        let whole = self.head.take()?;
        self.readable = 0;
        self.charged -= self.head_charge;
        Some(whole)
    }

    /// The first piece of the text, if it has at most `max` octets.
    #[inline]
    pub(crate) fn take_piece(&mut self, max: usize) -> Option<Bytes> {
        let (text, charge) = match &self.head {
            Some(head) if head.len() > max => return None,
            Some(_) => (self.head.take()?, self.head_charge),
            None => self.ready.take_piece(max)?,
        };
        self.readable -= text.len();
        self.charged -= charge;
        Some(text)
    }

    /// Reads octets in order into `out`; how many.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> usize {
        let mut count = 0;
        if let Some(head) = &mut self.head {
            count = head.len().min(out.len());
            if let Some(out) = out.get_mut(..count) {
                head.copy_to_slice(out);
            }
            if head.is_empty() {
                self.head = None;
            }
        }
        if self.head.is_none()
            && self.ready.len() > 0
            && let Some(out) = out.get_mut(count..)
        {
            count += self.ready.read(out);
        }
        self.count();
        count
    }

    /// Reads up to `max` octets in order without copying; `None` when there are none.
    pub(crate) fn read_chunk(&mut self, max: usize) -> Option<Bytes> {
        let chunk = match &mut self.head {
            Some(head) if max < head.len() => (max > 0).then(|| head.split_to(max)),
            Some(_) => self.head.take(),
            None => self.ready.read_chunk(max),
        };
        self.count();
        chunk
    }

    /// Octets in order.
    pub(crate) const fn readable(&self) -> usize {
        self.readable
    }

    /// What the text costs in memory: at most twice the receive buffer.
    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }

    /// Counts [`Self::readable`] and [`Self::charged`] anew.
    #[inline]
    fn count(&mut self) {
        let (head, charge) = self.head.as_ref().map_or((0, 0), |head| (head.len(), self.head_charge));
        self.readable = head + self.ready.len();
        self.charged = charge + self.ready.charge() + self.early.as_ref().map_or(0, |early| early.charge());
    }

    /// Whether early text waits for what comes before it.
    pub(crate) const fn has_gap(&self) -> bool {
        self.early.is_some()
    }

    /// Neither text to read nor early text: the connection has no need of the buffer until text comes.
    pub(crate) const fn is_empty(&self) -> bool {
        self.readable == 0 && self.early.is_none()
    }

    /// Octets of memory while it is empty.
    #[cfg(test)]
    pub(super) fn holds(&self) -> usize {
        size_of::<Self>() + self.ready.holds()
    }

    /// Lets go of what an empty buffer should not hold while it waits: more than about 3 KiB. What it keeps stays
    /// charged, to whoever uses it next.
    #[inline]
    pub(crate) fn shrink(&mut self) {
        if self.mixed {
            self.mixed = false;
            self.ready.tidy();
            self.count();
        }
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
        self.count();
        (self.readable > 0).then_some(self)
    }

    fn bounds(&self, limit: usize) -> Bounds {
        let limit = limit.max(LIMIT_MIN);
        let room = (limit + limit / 2).saturating_sub(self.charged);
        Bounds { limit, room, block_max: BLOCK_MAX.min(limit / 16) }
    }

    fn insert_ready(&mut self, mut text: Bytes, frame_len: usize, bounds: Bounds) -> Inserted {
        self.mixed = true;
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
            self.ready.push_slice(text, frame_len);
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
        Inserted { advanced: octets_of(advanced), stored: true, refused: false, copied }
    }

    fn insert_early(&mut self, ahead: u32, text: Bytes, frame_len: usize, bounds: Bounds) -> Inserted {
        if text.is_empty() {
            return Inserted::default();
        }
        self.mixed = true;
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
        self.count();
        if self.charged <= 2 * bounds.limit {
            return 0;
        }
        if let Some(head) = self.head.take() {
            self.ready.push_front_slice(head, self.head_charge - PIECE_COST);
        }
        if self.ready.is_wasteful(bounds.block_max) { self.ready.compact(bounds.block_max) } else { 0 }
    }
}

#[cfg(test)]
mod tests;
