//! Text that the application wrote and the peer has not acknowledged. Its front is SND.UNA.

use super::pool::Blocks;
use alloc::collections::VecDeque;
use arrayvec::ArrayVec;
use bytes::{Buf, Bytes, BytesMut};

/// The smallest and the largest block that written text is copied into. Between them a block is as large as the text
/// that is waiting already.
const BLOCK_MIN: usize = 512;
const BLOCK_MAX: usize = 64 << 10;
/// The largest block that an empty buffer keeps. A message up to this size is not spread over two blocks.
const BLOCK_KEPT: usize = 4 << 10;
/// Blocks that may be free in the ring, whatever is in flight.
const RING_FREE: usize = 4;
/// A segment whose slices hold less than this, though there is more to send, has its chunks merged by copying.
const MERGE_BELOW: usize = 2 << 10;
/// How many slots the list of chunks may keep when it is empty.
const KEPT_SLOTS: usize = 64;
/// The same for the ring of blocks.
const KEPT_RING: usize = 8;
/// Most slices that one segment can carry.
pub(crate) const SLICES: usize = 18;

/// The text from SND.UNA on, sent and unsent.
///
/// [`Self::write`] copies into blocks that grow with demand; [`Self::push`] takes a `Bytes` as it is. A short segment is
/// copied out of where its text lies ([`Self::short`]); a long one is made of slices ([`Self::gather`]). Text that was
/// written stays where it is until a slice of it is needed, so that many small writes leave in few slices, and a short
/// message that is acknowledged leaves an empty block behind and nothing else.
///
/// Blocks go round: one that is full waits in a ring, and when all of its text is acknowledged it is written into again.
/// So a bulk transfer stays in the memory, and in the cache, that what is in flight needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendBuffer {
    chunks: VecDeque<Chunk>,
    /// The block that is being written into: text that no slice was asked of, and the room behind it.
    tail: Block,
    /// Octets at the front of `tail` that are acknowledged.
    stale: usize,
    /// Blocks whose text is all in chunks, the oldest first.
    ring: VecDeque<Block>,
    /// The position of SND.UNA, counted in octets since the buffer was made.
    front: u64,
    /// The position one past the last chunk: where the text in `tail` begins.
    chunks_end: u64,
    /// The position one past the last octet.
    end: u64,
    /// The chunk that the last segment ended in: where the next one probably begins.
    hint: usize,
    /// What that segment left of its chunk, and the position of it: the next segment but for the cutting.
    next: Bytes,
    next_at: u64,
    /// There may be more in it than an empty buffer should hold.
    untidy: bool,
}

/// Where text lies that is in one piece: in a chunk or in the block that is being written into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    chunk: Option<usize>,
    start: usize,
    end: usize,
}

impl Piece {
    /// Octets of it.
    pub(crate) const fn len(self) -> usize {
        self.end - self.start
    }
}

#[derive(Clone, Debug)]
struct Chunk {
    /// Position of the first octet.
    start: u64,
    text: Bytes,
}

/// Memory that text is copied into.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// A share of the memory: text, and the room behind it. Slices of what was here before share it too.
    text: BytesMut,
    /// Octets of all of it.
    size: usize,
}

/// A copy has memory of its own.
impl Clone for Block {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.size);
        copy.text.extend_from_slice(&self.text);
        copy
    }
}

impl Block {
    fn new(size: usize) -> Self {
        Self { text: BytesMut::with_capacity(size), size }
    }

    /// Octets of the whole block, in use or not.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Octets that can still be written.
    fn room(&self) -> usize {
        self.text.capacity() - self.text.len()
    }

    /// Whether nothing but this refers to the memory any more; then all of it is room.
    pub(crate) fn reclaim(&mut self) -> bool {
        self.size > 0 && self.text.try_reclaim(self.size)
    }
}

impl SendBuffer {
    /// Octets not acknowledged.
    pub(crate) fn len(&self) -> usize {
        octets(self.end - self.front)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a little of each of its cache lines, so that they are in the cache when they are needed. The result means
    /// nothing.
    #[inline]
    pub(crate) fn touch(&self) -> usize {
        octets(self.front)
            ^ self.chunks.len()
            ^ self.tail.size
            ^ self.ring.len()
            ^ self.next.len()
            ^ self.stale
    }

    /// Appends text without copying it.
    pub(crate) fn push(&mut self, text: Bytes) {
        if !text.is_empty() {
            self.freeze_tail();
            self.end += text.len() as u64;
            self.push_chunk(text);
        }
    }

    /// Appends text by copying it, if need be into blocks from `free`.
    #[inline]
    pub(crate) fn write(&mut self, text: &[u8], free: &mut Blocks) {
        if self.untidy || text.len() > self.tail.room() {
            return self.write_on(text, free);
        }
        self.tail.text.extend_from_slice(text);
        self.end += text.len() as u64;
    }

    /// As [`Self::write`], where the block has not enough room, or parts of it are in slices.
    #[inline(never)]
    fn write_on(&mut self, mut text: &[u8], free: &mut Blocks) {
        if self.chunks.is_empty() && self.tail.text.is_empty() && self.tail.room() < self.tail.size {
            // Nothing waits: from the front of the block again, unless a device still has slices of it.
            self.tail.reclaim();
        }
        loop {
            let room = self.tail.room();
            if text.len() <= room {
                self.tail.text.extend_from_slice(text);
                self.end += text.len() as u64;
                return;
            }
            // The last corner of a block is not worth cutting a message in two.
            let corner = self.tail.text.is_empty() && room < BLOCK_KEPT.min(self.tail.size / 2);
            if room > 0 && !corner {
                let (now, later) = text.split_at(room);
                self.tail.text.extend_from_slice(now);
                self.end += now.len() as u64;
                text = later;
            }
            self.new_block(text.len(), free);
        }
    }

    /// The peer has acknowledged so many octets: lets go of them. No more than there are.
    /// Ledger: [2018-11].
    #[inline]
    pub(crate) fn acknowledge(&mut self, octets: usize) {
        if octets < self.len() || !self.chunks.is_empty() {
            return self.acknowledge_some(octets);
        }
        self.tail.text.clear();
        self.stale = 0;
        self.front = self.end;
        self.chunks_end = self.end;
    }

    /// As [`Self::acknowledge`], where more is left of the text than an empty block.
    #[inline(never)]
    fn acknowledge_some(&mut self, octets: usize) {
        let end = self.front + octets.min(self.len()) as u64;
        if !self.chunks.is_empty() {
            self.drop_chunks(end);
        }
        self.front = end;
        if end > self.chunks_end {
            self.stale += self::octets(end - self.chunks_end);
            self.chunks_end = end;
            if self.stale == self.tail.text.len() {
                self.tail.text.clear();
                self.stale = 0;
            }
        }
    }

    fn drop_chunks(&mut self, end: u64) {
        let mut dropped = 0;
        while let Some(chunk) = self.chunks.front_mut()
            && chunk.start < end
        {
            let covered = octets(end - chunk.start);
            if covered < chunk.text.len() {
                chunk.text.advance(covered);
                chunk.start = end;
                break;
            }
            self.chunks.pop_front();
            dropped += 1;
        }
        self.hint = self.hint.saturating_sub(dropped);
        if self.next_at < end || self.chunks.is_empty() {
            self.next = Bytes::new();
        }
        if self.ring.len() > RING_FREE + octets(self.chunks_end.saturating_sub(end)) / (BLOCK_MAX / 2) {
            self.ring.pop_front();
        }
    }

    /// The `max` octets from `offset` octets after SND.UNA on, or all there are, where they lie in one piece.
    pub(crate) fn short(&self, offset: usize, max: usize) -> Option<Piece> {
        let len = max.min(self.len().saturating_sub(offset));
        let start = self.front + offset as u64;
        let (chunk, skip, held) = if start >= self.chunks_end {
            (None, self.stale + octets(start - self.chunks_end), self.tail.text.len())
        } else {
            let place = self.find(start);
            let chunk = self.chunks.get(place)?;
            (Some(place), octets(start - chunk.start), chunk.text.len())
        };
        (skip + len <= held).then_some(Piece { chunk, start: skip, end: skip + len })
    }

    /// The text of a piece that was found since the buffer changed last.
    pub(crate) fn text_of(&self, piece: Piece) -> &[u8] {
        let Piece { chunk, start, end } = piece;
        let text = match chunk {
            None => Some(&self.tail.text[..]),
            Some(place) => self.chunks.get(place).map(|chunk| &chunk.text[..]),
        };
        text.and_then(|text| text.get(start..end)).unwrap_or_default()
    }

    /// Slices of the text from `offset` octets after SND.UNA on, at most `max` octets, as many as fit into `out`.
    /// Returns how many octets they are.
    pub(crate) fn gather(&mut self, offset: usize, max: usize, out: &mut ArrayVec<Bytes, SLICES>) -> usize {
        if max > 0 && self.cut(offset, max, out) {
            return max;
        }
        self.gather_anew(self.front + offset as u64, max, out)
    }

    /// The same, if the text lies in what the last segment left of its chunk; whether it does.
    #[inline]
    pub(crate) fn cut(&mut self, offset: usize, len: usize, out: &mut ArrayVec<Bytes, SLICES>) -> bool {
        let start = self.front + offset as u64;
        if start != self.next_at || len > self.next.len() || out.is_full() {
            return false;
        }
        self.next_at += len as u64;
        out.try_push(self.next.split_to(len)).is_ok()
    }

    /// Whether what lies `offset` octets after SND.UNA is in the block that is being written into.
    #[inline]
    pub(crate) fn is_written(&self, offset: usize) -> bool {
        self.front + offset as u64 >= self.chunks_end
    }

    /// So many octets of it then.
    #[inline]
    pub(crate) fn written(&self, offset: usize, len: usize) -> &[u8] {
        let start =
            self.stale.wrapping_add(octets((self.front + offset as u64).wrapping_sub(self.chunks_end)));
        self.tail.text.get(start..start.wrapping_add(len)).unwrap_or_default()
    }

    fn gather_anew(&mut self, start: u64, max: usize, out: &mut ArrayVec<Bytes, SLICES>) -> usize {
        let max = max.min(octets(self.end.saturating_sub(start)));
        if max == 0 {
            return 0;
        }
        if start + max as u64 > self.chunks_end {
            self.freeze_tail();
        }
        let first = self.find(start);
        if let Some(chunk) = self.chunks.get(first) {
            // Most segments lie within one chunk.
            let skip = octets(start - chunk.start);
            if max <= chunk.text.len() - skip {
                self.hint = first;
                let mut text = chunk.text.slice(skip..);
                self.next = text.split_off(max);
                self.next_at = start + max as u64;
                return if out.try_push(text).is_ok() { max } else { 0 };
            }
        }
        let held = out.len();
        let taken = self.slices(first, start, max, out);
        if taken < max && taken < MERGE_BELOW && self.merge(first, start, max) {
            out.truncate(held);
            return self.slices(first, start, max, out);
        }
        taken
    }

    fn slices(&mut self, first: usize, start: u64, max: usize, out: &mut ArrayVec<Bytes, SLICES>) -> usize {
        let mut taken = 0;
        let mut skip = self.chunks.get(first).map_or(0, |chunk| octets(start - chunk.start));
        for (index, chunk) in self.chunks.range(first..).enumerate() {
            let end = chunk.text.len().min(skip + max - taken);
            if out.try_push(chunk.text.slice(skip..end)).is_err() {
                break;
            }
            taken += end - skip;
            skip = 0;
            self.hint = first + index;
            if taken == max {
                break;
            }
        }
        taken
    }

    /// The chunk that holds a position.
    fn find(&self, position: u64) -> usize {
        for near in [self.hint, self.hint + 1] {
            if let Some(chunk) = self.chunks.get(near)
                && position >= chunk.start
                && position - chunk.start < chunk.text.len() as u64
            {
                return near;
            }
        }
        self.chunks.partition_point(|chunk| chunk.start <= position).saturating_sub(1)
    }

    /// Makes one chunk of the small ones that `max` octets from `start` are spread over. They come from small writes
    /// that left one by one and are now sent again together. Whether anything was done.
    fn merge(&mut self, first: usize, start: u64, max: usize) -> bool {
        let end = start + max as u64;
        let past = self.chunks.partition_point(|chunk| chunk.start < end);
        let range = first..past.max(first);
        let total: usize = self.chunks.range(range.clone()).map(|chunk| chunk.text.len()).sum();
        if range.len() <= SLICES || total > BLOCK_MAX {
            return false;
        }
        let mut whole = BytesMut::with_capacity(total);
        let Some(position) = self.chunks.get(first).map(|chunk| chunk.start) else { return false };
        for chunk in self.chunks.range(range.clone()) {
            whole.extend_from_slice(&chunk.text);
        }
        let rest = self.chunks.split_off(range.end);
        self.chunks.truncate(first);
        self.chunks.push_back(Chunk { start: position, text: whole.freeze() });
        self.chunks.extend(rest);
        self.hint = first;
        true
    }

    fn push_chunk(&mut self, text: Bytes) {
        let start = self.chunks_end;
        self.untidy = true;
        self.chunks_end += text.len() as u64;
        self.chunks.push_back(Chunk { start, text });
    }

    /// Makes a chunk of the text in `tail`.
    fn freeze_tail(&mut self) {
        if !self.tail.text.is_empty() {
            let mut text = self.tail.text.split().freeze();
            text.advance(core::mem::take(&mut self.stale));
            self.push_chunk(text);
        }
    }

    /// Makes room in `tail` for up to `wanted` octets: at the end of its block by moving the text to the front of it; or
    /// in the same block, the next of the ring, a free one or a new one, whichever first is not in use.
    fn new_block(&mut self, wanted: usize, free: &mut Blocks) {
        let held = self.tail.text.len() - self.stale;
        if self.stale > held {
            self.tail.text.copy_within(self.stale.., 0);
            self.tail.text.truncate(held);
            self.stale = 0;
            return;
        }
        self.freeze_tail();
        let size = (wanted + self.len()).clamp(BLOCK_MIN, BLOCK_MAX).next_power_of_two();
        if self.tail.size >= size && self.tail.reclaim() {
            return;
        }
        let full = core::mem::take(&mut self.tail);
        if full.size >= size / 2 && !self.chunks.is_empty() {
            self.ring.push_back(full);
        }
        let recycled = self.recycled(size).or_else(|| free.take(size));
        self.tail = recycled.unwrap_or_else(|| Block::new(size));
        self.untidy = true;
    }

    fn recycled(&mut self, size: usize) -> Option<Block> {
        while let Some(oldest) = self.ring.front_mut() {
            let fits = oldest.size >= size / 2;
            if fits && !oldest.reclaim() {
                break;
            }
            let oldest = self.ring.pop_front();
            if fits {
                return oldest;
            }
        }
        None
    }

    /// Hands over the text, piece by piece.
    pub(crate) fn write_canonical(&self, to: &mut dyn FnMut(&[u8])) {
        for chunk in &self.chunks {
            chunk.text.iter().for_each(|octet| to(&[*octet]));
        }
        let tail = self.tail.text.get(self.stale..).unwrap_or_default();
        tail.iter().for_each(|octet| to(&[*octet]));
    }

    /// Octets of memory.
    #[cfg(test)]
    pub(super) fn holds(&self) -> usize {
        let lists = self.chunks.capacity() * size_of::<Chunk>() + self.ring.capacity() * size_of::<Block>();
        size_of::<Self>() + lists + self.tail.size + self.ring.iter().map(Block::size).sum::<usize>()
    }

    /// Whether [`Self::shrink`] may have something to do.
    pub(crate) const fn is_untidy(&self) -> bool {
        self.untidy
    }

    /// Lets go of what an empty buffer should not hold while it waits: more than about 7 KiB. Larger blocks go to `free`.
    #[cold]
    pub(crate) fn shrink(&mut self, free: &mut Blocks) {
        if self.chunks.capacity() > KEPT_SLOTS {
            self.chunks = VecDeque::new();
        }
        if self.tail.size > BLOCK_KEPT {
            self.ring.push_back(core::mem::take(&mut self.tail));
        }
        while let Some(block) = self.ring.pop_front() {
            if block.size > BLOCK_KEPT {
                free.keep(block);
            }
        }
        if self.ring.capacity() > KEPT_RING {
            self.ring = VecDeque::new();
        }
        self.untidy = self.tail.room() < self.tail.size;
    }
}

/// A length that is known to be held in memory.
#[expect(clippy::cast_possible_truncation, reason = "a length of text in memory")]
const fn octets(length: u64) -> usize {
    length as usize
}

#[cfg(test)]
mod tests;
