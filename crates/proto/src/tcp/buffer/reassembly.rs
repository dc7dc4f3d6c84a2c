//! Text that arrived before its turn: blocks with gaps between them, in front of each.

use super::run::{ALLOCATION_COST, PIECE_COST, Run};
use crate::tcp::seq::SeqNum;
use alloc::collections::BTreeMap;
use arrayvec::ArrayVec;
use bytes::{Buf, Bytes};

/// What a block costs besides its text: an entry of 96 octets in a tree whose nodes are at least half full, and the
/// first four slots of a queue.
const BLOCK_COST: usize = 320;
/// How many blocks are remembered in the order in which they changed. Four are reported.
const RECENT: usize = 8;

/// What memory early text may take, decided by the receive buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The receive buffer.
    pub(super) limit: usize,
    /// Above this sum of all charges, text is copied and not kept as a slice.
    pub(super) room: usize,
    /// The largest block that text is copied into.
    pub(super) block_max: usize,
}

/// What became of early text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Stored { copied: usize },
    Duplicate,
    Refused,
}

/// Blocks of early text by position: octets counted since the connection began. No two touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reassembly {
    blocks: BTreeMap<u64, Run>,
    /// A position in each of the blocks that changed last, the latest first.
    recent: ArrayVec<u64, RECENT>,
    len: usize,
    charge: usize,
}

impl Reassembly {
    /// Hands over each block, with how far from `next` it begins, and the order in which SACK will report them.
    pub(super) fn write_canonical(&self, next: u64, to: &mut dyn FnMut(&[u8])) {
        for (start, run) in &self.blocks {
            to(&start.wrapping_sub(next).to_be_bytes());
            run.write_canonical(to);
        }
        self.recent.iter().for_each(|at| to(&at.wrapping_sub(next).to_be_bytes()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Octets of memory.
    pub(super) const fn charge(&self) -> usize {
        self.charge
    }

    /// Stores text that begins at position `at`. What is here already stays; a block that the text covers entirely is
    /// replaced by it.
    pub(super) fn insert(
        &mut self,
        mut at: u64,
        mut text: Bytes,
        frame_len: usize,
        bounds: Bounds,
    ) -> Outcome {
        let mut joins = None;
        if let Some((start, run)) = self.blocks.range(..=at).next_back() {
            let (start, end) = (*start, *start + run.len() as u64);
            let held = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            if held >= text.len() {
                self.touch(at, start, end);
                return Outcome::Duplicate;
            }
            text.advance(held);
            at += held as u64;
            joins = (end == at).then_some(start);
        }
        let Some(copy) = self.admit(at, text.len(), frame_len, joins.is_some(), bounds) else {
            return Outcome::Refused;
        };
        let text = self.make_way(at, text);
        let (length, end) = (text.len(), at + text.len() as u64);
        let follows = self.take_block(end);
        let start = joins.unwrap_or(at);
        let mut run = match joins {
            Some(start) => self.take_block(start).unwrap_or_default(),
            None => Run::default(),
        };
        match follows {
            // Without a block before it, the text goes in front of the one behind it.
            Some(mut follows) if joins.is_none() => {
                if copy {
                    follows.push_front_copy(&text);
                } else {
                    follows.push_front_slice(text, frame_len);
                }
                run = follows;
            }
            follows => {
                if copy {
                    run.push_copy(&text, bounds.block_max);
                } else {
                    run.push_slice(text, frame_len);
                }
                if let Some(follows) = follows {
                    run.append(follows);
                }
            }
        }
        self.touch(at, start, start + run.len() as u64);
        self.put_block(start, run);
        Outcome::Stored { copied: if copy { length } else { 0 } }
    }

    /// Text in order reaches from `next` to `end`: drops what it covers. Returns how much of the text is wanted, and the
    /// block that follows on it.
    pub(super) fn fill(&mut self, next: u64, end: u64) -> (usize, Option<Run>) {
        let mut wanted = end - next;
        let mut follows = None;
        while let Some((&start, run)) = self.blocks.first_key_value() {
            if start > end {
                break;
            }
            let covered = start + run.len() as u64 <= end;
            let run = self.take_block(start);
            if !covered {
                wanted = start - next;
                follows = run;
                break;
            }
        }
        let reached = next + wanted + follows.as_ref().map_or(0, |run| run.len() as u64);
        self.recent.retain(|position| *position >= reached);
        (usize::try_from(wanted).unwrap_or(usize::MAX), follows)
    }

    /// The blocks as SACK reports them: the one that changed last first, then the others in the order in which they
    /// changed (RFC 2018 §4 [2018-4, -6]). `next` is the position of `rcv_nxt`.
    /// Ledger: [2018-6, 2018-13].
    pub(super) fn sack_blocks(&self, next: u64, rcv_nxt: SeqNum, out: &mut ArrayVec<(SeqNum, SeqNum), 4>) {
        #[expect(clippy::cast_possible_truncation, reason = "a window is smaller than 2^31 octets")]
        let seq = |position: u64| rcv_nxt + (position - next) as u32;
        let remembered =
            self.recent.iter().filter_map(|position| self.blocks.range(..=*position).next_back());
        for (start, run) in remembered.chain(&self.blocks) {
            let block = (seq(*start), seq(*start + run.len() as u64));
            if !out.contains(&block) && out.try_push(block).is_err() {
                break;
            }
        }
    }

    /// Whether text may be stored, and then whether by copying it.
    ///
    /// The bound is on waste: what the blocks cost beyond 19/16 of their text may reach 11/16 of the receive buffer. Text
    /// in order can always be made to cost no more than 19/16 of itself and 2/16 of the buffer, and both texts together
    /// fit the buffer; so all of it together never costs more than twice the buffer.
    fn admit(&self, at: u64, len: usize, frame_len: usize, joins: bool, bounds: Bounds) -> Option<bool> {
        // Octets that are new for certain: those before the next block.
        let gain = match self.blocks.range(at..).next() {
            Some((start, _)) => usize::try_from(start - at).unwrap_or(usize::MAX).min(len),
            None => len,
        };
        let text = self.len + gain;
        let most = bounds.limit / 16 * 11 + text + text / 16 * 3;
        let block = if joins { 0 } else { BLOCK_COST };
        let slice = self.charge + block + frame_len + PIECE_COST;
        if !is_sparse(len, frame_len) && slice <= most && frame_len + PIECE_COST + block <= bounds.room {
            return Some(false);
        }
        // A copy may open a block of twice what it needs.
        let copy = self.charge + block + 2 * len + 2 * (PIECE_COST + ALLOCATION_COST);
        (copy <= most).then_some(true)
    }

    /// Drops the blocks that the text covers; cuts off what the block after them has already.
    fn make_way(&mut self, at: u64, mut text: Bytes) -> Bytes {
        while let Some((&start, run)) = self.blocks.range(at..).next() {
            let end = at + text.len() as u64;
            if start >= end {
                break;
            }
            if start + run.len() as u64 > end {
                text.truncate(usize::try_from(start - at).unwrap_or(usize::MAX));
                break;
            }
            self.take_block(start);
        }
        text
    }

    fn take_block(&mut self, start: u64) -> Option<Run> {
        let run = self.blocks.remove(&start)?;
        self.len -= run.len();
        self.charge -= run.charge() + BLOCK_COST;
        Some(run)
    }

    fn put_block(&mut self, start: u64, run: Run) {
        self.len += run.len();
        self.charge += run.charge() + BLOCK_COST;
        self.blocks.insert(start, run);
    }

    /// The block from `start` to `end` is the one that changed last, at position `at`.
    fn touch(&mut self, at: u64, start: u64, end: u64) {
        self.recent.retain(|position| *position < start || *position >= end);
        if self.recent.is_full() {
            self.recent.pop();
        }
        self.recent.insert(0, at);
    }
}

/// Text that fills less than a quarter of its frame is not worth pinning it.
pub(super) const fn is_sparse(len: usize, frame_len: usize) -> bool {
    len * 4 < frame_len
}
