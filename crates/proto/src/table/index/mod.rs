//! From a 64-bit hash to a `u32` reference, grown a small block at a time.
//!
//! One large hash table rehashes everything in one call when it grows. This is linear hashing over many small blocks:
//! each time there are [`PER_BLOCK`] more entries, one block is split into two, the blocks taking turns. Which block
//! holds a hash follows from the hash and the number of blocks alone.
//!
//! A block is a row of [lines](line) of the cache. Beside each reference lie 17 bits of its hash, the tag. It decides in
//! which line an entry lies and tells the entries of a line apart: a look-up touches one line and hardly ever an object
//! that is not the right one, and a block grows by a half or a third without hashing anything again.

mod line;

use super::NIL;
use super::growth::Growth;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use line::{Line, SLOTS, TAG_BITS, tag_of};

/// Entries per block on average right after every block was split; twice that just before.
const PER_BLOCK: usize = 256;
/// Blocks with room for so many (16 lines) shrink when three quarters of that are free.
const SHRINKING: u16 = 130;

/// A set of `u32` references, found by the hash of what they refer to and an equality that the caller gives.
///
/// The hash must be keyed (an attacker who can choose it can fill one block). Costs 8 to 11 octets an entry.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    blocks: Vec<Block>,
    /// The number of blocks when the present round of splitting began, a power of two, less one.
    mask: usize,
    /// The same for the next round.
    wide: usize,
    len: usize,
    growth: Growth,
}

/// What [`Index::glance`] saw.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Glance {
    /// No reference has this hash.
    Nothing,
    /// Nearly always the only one of this hash.
    Perhaps(u32),
    /// [`Index::find`] must look.
    Elsewhere,
}

#[derive(Clone, Debug, Default)]
struct Block {
    lines: Box<[Line]>,
    len: u32,
    /// With so many entries it grows.
    limit: u16,
    /// With fewer it shrinks.
    floor: u16,
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    pub(crate) const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            mask: 0,
            wide: 1,
            len: 0,
            growth: Growth { entries_moved: 0, octets_initialised: 0 },
        }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// All memory, as an allocator is asked for it.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let lines: usize = self.blocks.iter().map(|block| size_of_val(&*block.lines)).sum();
        lines + self.blocks.capacity() * size_of::<Block>()
    }

    /// What growing has cost so far.
    pub(crate) const fn growth(&self) -> Growth {
        self.growth
    }

    /// A short look at one line, which nearly always tells as much as [`Self::find`].
    #[inline]
    pub(crate) fn glance(&self, hash: u64) -> Glance {
        let Some(block) = self.blocks.get(self.block_of(hash)) else { return Glance::Nothing };
        let tag = tag_of(hash);
        let Some(line) = block.lines.get(home(tag, block.lines.len())) else { return Glance::Nothing };
        match line.first(tag) {
            Some((_, value)) => Glance::Perhaps(value),
            None if line.is_passed() => Glance::Elsewhere,
            None => Glance::Nothing,
        }
    }

    /// The reference of this hash that `eq` agrees to. `eq` is asked about those with an equal tag only. Whoever is in a
    /// hurry asks for a [glance](Self::glance) first.
    #[inline(never)]
    pub(crate) fn find(&self, hash: u64, eq: impl FnMut(u32) -> bool) -> Option<u32> {
        let block = self.blocks.get(self.block_of(hash))?;
        block.find(tag_of(hash), eq).map(|(_, _, value)| value)
    }

    /// For each hash the reference that is probably its own, [`NIL`] where there is none; no object is looked at.
    ///
    /// For look-ups ahead of use: the misses of the cache overlap, which those of one [`Self::find`] after another cannot.
    /// It is right but for the few references that share a tag or lie in a later line.
    pub(crate) fn candidates<const N: usize>(&self, hashes: &[u64; N]) -> [u32; N] {
        // Two rounds, the first as short as can be, so that all lines are asked for before the first one is needed.
        let lines = hashes.map(|hash| {
            let lines = self.blocks.get(self.block_of(hash)).map_or(&[][..], |block| &block.lines);
            let line = lines.get(home(tag_of(hash), lines.len())).unwrap_or(&Line::EMPTY);
            (line, line.first_word())
        });
        let mut found = [NIL; N];
        for ((found, hash), (line, word)) in found.iter_mut().zip(hashes).zip(lines) {
            *found = line.probable(tag_of(*hash), word);
        }
        found
    }

    /// [`Self::put`], and [`Self::split`] when it is due.
    #[cfg(test)]
    pub(crate) fn insert(&mut self, hash: u64, value: u32, rehash: impl Fn(u32) -> u64) {
        if self.put(hash, value) {
            self.split(rehash);
        }
    }

    /// Adds a reference. Does not look whether there is an equal one. True when [`Self::split`] is due, which the caller
    /// then calls; the two are apart so that the hashing stays out of the way of those that need none.
    #[inline]
    pub(crate) fn put(&mut self, hash: u64, value: u32) -> bool {
        let at = self.block_of(hash);
        let tag = tag_of(hash);
        if let Some(block) = self.blocks.get_mut(at)
            && block.len < u32::from(block.limit)
            && let Some(line) = block.lines.get_mut(home(tag, block.lines.len()))
            && line.put(tag, value)
        {
            block.len += 1;
        } else {
            self.put_rarely(hash, value);
        }
        self.len += 1;
        self.len > self.blocks.len() * PER_BLOCK
    }

    /// Where the block must grow first, or the home line is full.
    #[cold]
    #[inline(never)]
    fn put_rarely(&mut self, hash: u64, value: u32) {
        let at = self.block_of(hash);
        if self.blocks.is_empty() {
            self.push(Block::default());
        }
        let Some(block) = self.blocks.get_mut(at) else { return };
        if block.len >= u32::from(block.limit) {
            block.resize(block.len as usize + 1, &mut self.growth);
        }
        block.put(tag_of(hash), value);
    }

    /// Puts `new` in the place of the reference `old`, whose object lives on as another. False if `old` is not there.
    #[inline]
    pub(crate) fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let at = self.block_of(hash);
        self.blocks.get_mut(at).is_some_and(|block| block.replace(tag_of(hash), old, new))
    }

    /// Takes a reference out.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u64, eq: impl FnMut(u32) -> bool) -> Option<u32> {
        let at = self.block_of(hash);
        let block = self.blocks.get_mut(at)?;
        let value = block.take(tag_of(hash), eq)?;
        if block.len < u32::from(block.floor) {
            self.shrink(at);
        }
        self.len -= 1;
        Some(value)
    }

    /// The block of a hash: as many bits of its upper half as there were before this round, and one more for the blocks
    /// that were split in it. The lowest 17 bits are the tag.
    #[inline]
    fn block_of(&self, hash: u64) -> usize {
        let number = (hash >> 32) as usize;
        let wide = number & self.wide;
        if wide < self.blocks.len() { wide } else { wide & self.mask }
    }

    /// Gives memory back; the last block keeps a little of it.
    #[cold]
    fn shrink(&mut self, at: usize) {
        let alone = self.blocks.len() == 1;
        let Some(block) = self.blocks.get_mut(at) else { return };
        if alone && block.limit < SHRINKING {
            // It need not be asked again: if it is ever split, both halves are new ones.
            block.floor = 0;
        } else {
            block.resize(block.len as usize * 2, &mut self.growth);
        }
    }

    fn push(&mut self, block: Block) {
        if self.blocks.len() == self.blocks.capacity() {
            self.growth.octets(size_of_val(self.blocks.as_slice()));
        }
        self.blocks.push(block);
    }

    /// Splits the block whose turn it is. `rehash` gives the hash of a reference that is here.
    #[cold]
    pub(crate) fn split(&mut self, rehash: impl Fn(u32) -> u64) {
        let from = self.blocks.len() - (self.mask + 1);
        let Some(block) = self.blocks.get_mut(from) else { return };
        let count = block.len as usize;
        let mut parts = [Vec::with_capacity(count), Vec::with_capacity(count)];
        let mut sort = |tag, value| {
            let side = (rehash(value) >> 32) as usize & (self.mask + 1);
            if let Some(part) = parts.get_mut(usize::from(side != 0)) {
                part.push((tag, value));
            }
        };
        block.lines.iter().for_each(|line| line.for_each(&mut sort));
        self.growth.entries(count);
        let [low, high] = parts;
        *block = Block::of(&low, &mut self.growth);
        let high = Block::of(&high, &mut self.growth);
        self.push(high);
        if self.blocks.len() == (self.mask + 1) * 2 {
            self.mask = self.wide;
            self.wide = self.wide << 1 | 1;
        }
    }
}

impl Block {
    fn with_room(entries: usize, growth: &mut Growth) -> Self {
        let lines = lines_for(entries);
        growth.octets(lines * size_of::<Line>());
        let limit = u16::try_from(limit(lines)).unwrap_or(u16::MAX);
        let floor = if limit < SHRINKING { 1 } else { limit / 4 };
        Self { lines: vec![Line::EMPTY; lines].into_boxed_slice(), len: 0, limit, floor }
    }

    fn of(entries: &[(u32, u32)], growth: &mut Growth) -> Self {
        let mut block = Self::with_room(entries.len(), growth);
        for (tag, value) in entries {
            block.put(*tag, *value);
        }
        block
    }

    /// Makes room for `entries` in all.
    #[cold]
    fn resize(&mut self, entries: usize, growth: &mut Growth) {
        let mut larger = Self::with_room(entries, growth);
        growth.entries(self.len as usize);
        self.lines.iter().for_each(|line| line.for_each(|tag, value| larger.put(tag, value)));
        *self = larger;
    }

    /// Adds an entry; the caller has seen to it that there is room.
    #[inline]
    fn put(&mut self, tag: u32, value: u32) {
        self.len += 1;
        let mut at = home(tag, self.lines.len());
        while let Some(line) = self.lines.get_mut(at)
            && !line.put(tag, value)
        {
            line.pass();
            at = farther(at, self.lines.len());
        }
    }

    #[inline]
    fn take(&mut self, tag: u32, mut eq: impl FnMut(u32) -> bool) -> Option<u32> {
        let home = home(tag, self.lines.len());
        let line = self.lines.get_mut(home)?;
        match line.first(tag) {
            Some((place, value)) if eq(value) => {
                line.clear(place);
                self.len -= 1;
                return Some(value);
            }
            None if !line.is_passed() => return None,
            _ => {}
        }
        self.take_on(tag, eq)
    }

    #[cold]
    #[inline(never)]
    fn take_on(&mut self, tag: u32, eq: impl FnMut(u32) -> bool) -> Option<u32> {
        let (at, place, value) = self.find(tag, eq)?;
        self.lines.get_mut(at)?.clear(place);
        self.len -= 1;
        self.unpass(tag, at);
        Some(value)
    }

    #[inline]
    fn replace(&mut self, tag: u32, old: u32, new: u32) -> bool {
        let home = home(tag, self.lines.len());
        let Some(line) = self.lines.get_mut(home) else { return false };
        match line.first(tag) {
            Some((place, value)) if value == old => {
                line.set(place, new);
                true
            }
            _ => self.replace_on(tag, old, new),
        }
    }

    #[cold]
    #[inline(never)]
    fn replace_on(&mut self, tag: u32, old: u32, new: u32) -> bool {
        let Some((at, place, _)) = self.find(tag, |value| value == old) else { return false };
        let Some(line) = self.lines.get_mut(at) else { return false };
        line.set(place, new);
        true
    }

    /// Looks for the entry of a tag that `eq` agrees to, as far from its home line as entries of that may lie: the line,
    /// the place in it, the reference.
    #[inline]
    fn find(&self, tag: u32, mut eq: impl FnMut(u32) -> bool) -> Option<(usize, usize, u32)> {
        let home = home(tag, self.lines.len());
        let mut at = home;
        loop {
            let line = self.lines.get(at)?;
            let mut places = line.equal(tag);
            while let Some((place, value)) = line.take_place(&mut places) {
                if eq(value) {
                    return Some((at, place, value));
                }
            }
            if !line.is_passed() {
                return None;
            }
            at = farther(at, self.lines.len());
            if at == home {
                return None;
            }
        }
    }

    /// An entry of this tag is gone from the line `end`.
    fn unpass(&mut self, tag: u32, end: usize) {
        let mut at = home(tag, self.lines.len());
        while at != end
            && let Some(line) = self.lines.get_mut(at)
        {
            line.unpass();
            at = farther(at, self.lines.len());
        }
    }
}

/// The line that is a tag's home.
#[inline]
const fn home(tag: u32, lines: usize) -> usize {
    (tag as usize * lines) >> TAG_BITS
}

const fn farther(at: usize, lines: usize) -> usize {
    if at + 1 < lines { at + 1 } else { 0 }
}

/// How many entries so many lines hold before they grow: 13 of 16 places.
const fn limit(lines: usize) -> usize {
    lines * SLOTS * 13 / 16
}

/// A number of lines that holds so many entries: 0, 1, 2, 4, 8, 16, and from there a power of two or one and a half.
const fn lines_for(entries: usize) -> usize {
    let mut lines = 0;
    while limit(lines) < entries {
        lines = match lines {
            0 => 1,
            1..16 => lines * 2,
            _ if lines.is_power_of_two() => lines / 2 * 3,
            _ => lines / 3 * 4,
        };
    }
    lines
}

#[cfg(test)]
mod tests;
