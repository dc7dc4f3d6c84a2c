//! Text that the application wrote and the peer has not acknowledged. Its front is SND.UNA.

use alloc::collections::VecDeque;
use arrayvec::ArrayVec;
use bytes::{Buf, Bytes, BytesMut};

/// The smallest and the largest block that written text is copied into. Between them a block is as large as the text
/// that is waiting already.
const BLOCK_MIN: usize = 512;
const BLOCK_MAX: usize = 64 << 10;
/// A segment whose slices hold less than this, though there is more to send, has its chunks merged by copying.
const MERGE_BELOW: usize = 2 << 10;
/// How many slots the list of chunks may keep when it is empty.
const KEPT_SLOTS: usize = 128;
/// Most slices that one segment can carry.
pub(crate) const SLICES: usize = 18;

/// The text from SND.UNA on, sent and unsent.
///
/// [`Self::write`] copies into blocks that grow with demand; [`Self::push`] takes a `Bytes` as it is. Segments are made
/// of slices of both. Text stays in one piece until a segment needs it, so that many small writes leave in few slices.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendBuffer {
    chunks: VecDeque<Chunk>,
    /// Written text behind the chunks that no segment has asked for yet, and the room left in its block.
    tail: BytesMut,
    /// A block to be written into again once its text is acknowledged.
    spare: BytesMut,
    /// The position of SND.UNA, counted in octets since the buffer was made.
    front: u64,
    /// The position one past the last chunk: where `tail` begins.
    chunks_end: u64,
    /// The chunk that the last segment ended in: where the next one probably begins.
    hint: usize,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// Position of the first octet.
    start: u64,
    text: Bytes,
}

impl SendBuffer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Octets not acknowledged.
    pub(crate) fn len(&self) -> usize {
        octets(self.chunks_end - self.front) + self.tail.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends text without copying it.
    pub(crate) fn push(&mut self, text: Bytes) {
        if !text.is_empty() {
            self.freeze_tail();
            self.push_chunk(text);
        }
    }

    /// Appends text by copying it.
    pub(crate) fn write(&mut self, mut text: &[u8]) {
        while !text.is_empty() {
            if self.tail.len() == self.tail.capacity() {
                self.new_block(text.len());
            }
            let (now, later) = text.split_at(text.len().min(self.tail.capacity() - self.tail.len()));
            self.tail.extend_from_slice(now);
            text = later;
        }
    }

    /// The peer has acknowledged so many octets: lets go of them. No more than there are.
    pub(crate) fn acknowledge(&mut self, octets: usize) {
        let end = self.front + octets.min(self.len()) as u64;
        let mut dropped = 0;
        while let Some(chunk) = self.chunks.front_mut() {
            let covered = self::octets(end - chunk.start);
            if covered < chunk.text.len() {
                chunk.text.advance(covered);
                chunk.start = end;
                break;
            }
            if let Some(chunk) = self.chunks.pop_front() {
                self.recycle(chunk.text);
            }
            dropped += 1;
        }
        self.hint = self.hint.saturating_sub(dropped);
        self.front = end;
        if end > self.chunks_end {
            self.tail.advance(self::octets(end - self.chunks_end));
            self.chunks_end = end;
        }
        if self.chunks.is_empty() && self.chunks.capacity() > KEPT_SLOTS {
            self.chunks = VecDeque::new();
        }
    }

    /// Slices of the text from `offset` octets after SND.UNA on, at most `max` octets, as many as fit into `out`.
    /// Returns how many octets they are.
    pub(crate) fn gather(&mut self, offset: usize, max: usize, out: &mut ArrayVec<Bytes, SLICES>) -> usize {
        let max = max.min(self.len().saturating_sub(offset));
        if max == 0 {
            return 0;
        }
        let start = self.front + offset as u64;
        if start + max as u64 > self.chunks_end {
            self.freeze_tail();
        }
        let first = self.find(start);
        if let Some(chunk) = self.chunks.get(first) {
            // Most segments lie within one chunk.
            let skip = octets(start - chunk.start);
            if max <= chunk.text.len() - skip {
                self.hint = first;
                let whole = max == chunk.text.len();
                let text = if whole { chunk.text.clone() } else { chunk.text.slice(skip..skip + max) };
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
        self.chunks_end += text.len() as u64;
        self.chunks.push_back(Chunk { start, text });
    }

    fn freeze_tail(&mut self) {
        if !self.tail.is_empty() {
            let text = self.tail.split().freeze();
            self.push_chunk(text);
        }
    }

    /// Makes room in `tail`: in its own block, when nobody refers to what is in it any more, else in the spare one, else
    /// in a new one. The block that it leaves becomes the spare one, so that two take turns where little is in flight.
    fn new_block(&mut self, wanted: usize) {
        self.freeze_tail();
        let wanted = wanted.clamp(BLOCK_MIN, BLOCK_MAX);
        if self.tail.try_reclaim(wanted) {
            return;
        }
        core::mem::swap(&mut self.tail, &mut self.spare);
        if !self.tail.try_reclaim(wanted) {
            self.tail = BytesMut::with_capacity(wanted.max(self.len().min(BLOCK_MAX)));
        }
    }

    /// Keeps an acknowledged block for text to come, if it is of a fitting size, nobody else refers to it, and the spare
    /// one is still in use. With nothing behind it the question is not worth asking: two blocks take turns then.
    fn recycle(&mut self, text: Bytes) {
        if !self.chunks.is_empty()
            && !self.spare.try_reclaim(BLOCK_MIN)
            && let Ok(mut block) = text.try_into_mut()
        {
            block.clear();
            if block.try_reclaim(BLOCK_MIN) && block.capacity() <= BLOCK_MAX {
                self.spare = block;
            }
        }
    }
}

/// A length that is known to be held in memory.
#[expect(clippy::cast_possible_truncation, reason = "a length of text in memory")]
const fn octets(length: u64) -> usize {
    length as usize
}

#[cfg(test)]
mod tests;
