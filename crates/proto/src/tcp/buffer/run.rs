//! A contiguous run of received text: slices of frames as they came, and small text copied together.

use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};

/// What a slice costs besides the buffer it pins: a slot of 40 octets in a queue that may be twice as long as needed.
pub(crate) const PIECE_COST: usize = 80;
/// What an allocation of our own costs besides its text: the allocator's share and the reference count.
pub(crate) const ALLOCATION_COST: usize = 48;
/// The smallest block that text is copied into.
const BLOCK_MIN: usize = 64;
/// A block up to this size is kept when its text has been read.
const BLOCK_KEPT: usize = 512;
/// How many slots the queue may keep when it is empty.
const KEPT_SLOTS: usize = 64;
/// A slice shorter than this is never worth its cost when memory is short.
const SLICE_MIN: usize = 1024;

/// Text without gaps, in order, and what it costs in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pieces: VecDeque<Piece>,
    /// The last text, copied, and the room behind it.
    tail: BytesMut,
    tail_charge: usize,
    len: usize,
    charge: usize,
}

#[derive(Clone, Debug)]
struct Piece {
    text: Bytes,
    charge: usize,
}

impl Run {
    /// Hands over the text, octet by octet: how it lies in memory does not matter.
    pub(crate) fn write_canonical(&self, to: &mut dyn FnMut(&[u8])) {
        for piece in &self.pieces {
            piece.text.iter().for_each(|octet| to(&[*octet]));
        }
        self.tail.iter().for_each(|octet| to(&[*octet]));
    }

    /// Octets of text.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Octets of memory.
    pub(crate) const fn charge(&self) -> usize {
        self.charge
    }

    /// Appends a slice that pins `frame_len` octets.
    #[inline]
    pub(crate) fn push_slice(&mut self, text: Bytes, frame_len: usize) {
        if !self.tail.is_empty() {
            self.freeze_tail();
        }
        self.len += text.len();
        self.push_piece(text, frame_len + PIECE_COST);
    }

    /// Appends text by copying it, into blocks of at most `block_max` octets.
    pub(crate) fn push_copy(&mut self, mut text: &[u8], block_max: usize) {
        while !text.is_empty() {
            if self.tail.len() == self.tail.capacity() {
                self.new_block(text.len(), block_max);
            }
            let (now, later) = text.split_at(text.len().min(self.tail.capacity() - self.tail.len()));
            self.tail.extend_from_slice(now);
            self.len += now.len();
            text = later;
        }
    }

    /// Puts a slice in front of everything.
    pub(crate) fn push_front_slice(&mut self, text: Bytes, frame_len: usize) {
        let charge = frame_len + PIECE_COST;
        self.len += text.len();
        self.charge += charge;
        self.pieces.push_front(Piece { text, charge });
    }

    /// Puts a copy of text in front of everything.
    pub(crate) fn push_front_copy(&mut self, text: &[u8]) {
        self.push_front_slice(Bytes::copy_from_slice(text), text.len() + ALLOCATION_COST);
    }

    /// Appends another run. Moves the shorter of the two lists of pieces, so that runs which keep growing together cost
    /// little.
    pub(crate) fn append(&mut self, mut other: Self) {
        if other.pieces.is_empty() && other.tail.len() <= self.tail.capacity() - self.tail.len() {
            self.tail.extend_from_slice(&other.tail);
            self.len += other.len;
            return;
        }
        self.freeze_tail();
        if other.pieces.len() <= self.pieces.len() {
            self.pieces.append(&mut other.pieces);
        } else {
            while let Some(piece) = self.pieces.pop_back() {
                other.pieces.push_front(piece);
            }
            self.pieces = other.pieces;
        }
        (self.tail, self.tail_charge) = (other.tail, other.tail_charge);
        self.len += other.len;
        self.charge += other.charge;
    }

    /// Takes text from the front into `out`; how many octets.
    pub(crate) fn read(&mut self, mut out: &mut [u8]) -> usize {
        let wanted = out.len();
        while let Some(piece) = self.pieces.front_mut()
            && !out.is_empty()
        {
            if piece.text.len() > out.len() {
                take(&mut piece.text, &mut out);
                break;
            }
            let (now, later) = core::mem::take(&mut out).split_at_mut(piece.text.len());
            now.copy_from_slice(&piece.text);
            out = later;
            self.drop_front();
        }
        if self.pieces.is_empty() && !self.tail.is_empty() {
            take(&mut self.tail, &mut out);
        }
        let taken = wanted - out.len();
        self.len -= taken;
        if self.len == 0 {
            self.tidy();
        }
        taken
    }

    /// Takes at most `max` octets from the front without copying them.
    pub(crate) fn read_chunk(&mut self, max: usize) -> Option<Bytes> {
        if max == 0 || self.len == 0 {
            return None;
        }
        let text = match self.pieces.front_mut() {
            Some(piece) if piece.text.len() > max => piece.text.split_to(max),
            Some(_) => self.drop_front()?,
            None => self.tail.split_to(max.min(self.tail.len())).freeze(),
        };
        self.len -= text.len();
        if self.len == 0 {
            self.tidy();
        }
        Some(text)
    }

    /// The first slice and what it costs, if there is one and it has at most `max` octets.
    #[inline]
    pub(crate) fn take_piece(&mut self, max: usize) -> Option<(Bytes, usize)> {
        let Piece { text, charge } = self.pieces.pop_front_if(|piece| piece.text.len() <= max)?;
        self.len -= text.len();
        self.charge -= charge;
        Some((text, charge))
    }

    /// Whether [`Self::compact`] would make the run smaller by more than its own slack.
    pub(crate) const fn is_wasteful(&self, block_max: usize) -> bool {
        self.charge > self.len + self.len / 16 * 3 + 2 * block_max
    }

    /// Copies together whatever pins much more than it holds. Afterwards the run costs at most 19/16 of its length and
    /// two blocks. How many octets were copied.
    pub(crate) fn compact(&mut self, block_max: usize) -> usize {
        let old = core::mem::take(self);
        let mut copied = 0;
        for piece in old.pieces {
            if piece.text.len() >= SLICE_MIN && piece.charge <= piece.text.len() + piece.text.len() / 8 {
                self.push_slice(piece.text, piece.charge - PIECE_COST);
            } else {
                self.push_copy(&piece.text, block_max);
                copied += piece.text.len();
            }
        }
        if !old.tail.is_empty() {
            self.push_copy(&old.tail, block_max);
            copied += old.tail.len();
        }
        copied
    }

    fn push_piece(&mut self, text: Bytes, charge: usize) {
        self.charge += charge;
        self.pieces.push_back(Piece { text, charge });
    }

    fn drop_front(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.charge -= piece.charge;
        Some(piece.text)
    }

    /// Makes the tail a piece.
    fn freeze_tail(&mut self) {
        let (tail, charge) = (core::mem::take(&mut self.tail), core::mem::take(&mut self.tail_charge));
        self.charge -= charge;
        if !tail.is_empty() {
            self.push_piece(tail.freeze(), charge);
        }
    }

    /// Makes room in the tail: what was read from it if that suffices, else a new block, twice as large as the last.
    fn new_block(&mut self, wanted: usize, block_max: usize) {
        if self.tail.try_reclaim(wanted.min(BLOCK_MIN)) {
            return;
        }
        let size = wanted.max(2 * self.tail_charge).max(BLOCK_MIN).min(block_max.max(BLOCK_MIN));
        self.freeze_tail();
        self.tail = BytesMut::with_capacity(size);
        self.tail_charge = self.tail.capacity() + ALLOCATION_COST + PIECE_COST;
        self.charge += self.tail_charge;
    }

    /// Octets of memory while it is empty, besides itself.
    #[cfg(test)]
    pub(super) fn holds(&self) -> usize {
        self.pieces.capacity() * size_of::<Piece>() + self.tail_charge
    }

    /// Gives back what an empty run has no use for.
    pub(crate) fn tidy(&mut self) {
        if self.tail.is_empty() && self.tail_charge > BLOCK_KEPT {
            self.freeze_tail();
        }
        if self.pieces.is_empty() && self.pieces.capacity() > KEPT_SLOTS {
            self.pieces = VecDeque::new();
        }
    }
}

/// Copies from the front of `text` to the front of `out`, and advances both.
fn take(text: &mut impl Buf, out: &mut &mut [u8]) {
    let count = text.remaining().min(out.len());
    let (now, later) = core::mem::take(out).split_at_mut(count);
    text.copy_to_slice(now);
    *out = later;
}
