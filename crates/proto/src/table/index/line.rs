//! Ten entries of the index in one line of the cache, matched without a branch.

use crate::table::NIL;

/// Entries of a line.
pub(super) const SLOTS: usize = 10;
/// Bits of a hash that are kept with an entry.
pub(super) const TAG_BITS: u32 = TAG_LOW + TAG_HIGH;

/// Of these so many are compared, the rest is only needed when an entry moves.
const TAG_LOW: u32 = 11;
const TAG_HIGH: u32 = 6;
const LOW_MASK: u64 = (1 << TAG_LOW) - 1;
const HIGH_MASK: u64 = (1 << TAG_HIGH) - 1;
/// The low bits lie in lanes of one bit more, which stays zero, so that all lanes of a word can be compared in one
/// subtraction.
const LANE: u32 = TAG_LOW + 1;
/// A one in each lane.
const ONES: u64 = 1 | 1 << LANE | 1 << (2 * LANE) | 1 << (3 * LANE) | 1 << (4 * LANE);
/// The spare bit of each lane.
const SPARE: u64 = ONES << TAG_LOW;
/// Above the even lanes: how many entries passed by.
const PASSED_SHIFT: u32 = 60;
const PASSED_MAX: u64 = 15;

/// References whose home is this line, or one before it that was full: 64 octets.
///
/// Everything about a line is found out without a branch that depends on it: a processor that waits for a line that is
/// not in its cache goes on with the next look-up only as long as it guesses the branches right.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Line {
    /// Five lanes each, the low bits of a tag, zero where there is no entry: those of the even places and of the odd ones.
    /// Above the even ones how many entries lie farther on because this line was full when they came; a look-up ends where
    /// that is zero. Fifteen means "or more", for good.
    lows: [u64; 2],
    /// The high bits of the tags, by place.
    highs: u64,
    refs: [u32; SLOTS],
}

/// The low bits of a hash that are its tag; never zero in a lane.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are the tag")]
pub(super) const fn tag_of(hash: u64) -> u32 {
    hash as u32 & ((1 << TAG_BITS) - 1) | 1
}

/// Places of a line, one bit each, [`STRIDE`] bits apart.
#[derive(Clone, Copy)]
pub(super) struct Places(u64);

/// Half a lane.
const STRIDE: u32 = LANE / 2;

impl Places {
    /// Those whose lane is zero. The one bit of each lane that is never set stays when the lane is taken from it.
    #[inline]
    const fn zero(even: u64, odd: u64) -> Self {
        let (even, odd) = (SPARE.wrapping_sub(even) & SPARE, SPARE.wrapping_sub(odd) & SPARE);
        Self(even >> STRIDE | odd)
    }

    /// The first; past the last place when there is none.
    #[inline]
    const fn first(self) -> usize {
        (self.0.trailing_zeros() / STRIDE) as usize
    }

    /// All but the first.
    #[inline]
    pub(super) const fn without_first(self) -> Self {
        Self(self.0 & self.0.wrapping_sub(1))
    }
}

impl Line {
    pub(super) const EMPTY: Self = Self { lows: [0; 2], highs: 0, refs: [0; SLOTS] };

    /// The places whose lane equals the tag's.
    #[inline]
    pub(super) const fn equal(&self, tag: u32) -> Places {
        equal(self.lows, tag)
    }

    /// The first of these places, with its reference.
    #[inline]
    fn at(&self, places: Places) -> Option<(usize, u32)> {
        // Asked first, as it is cheaper to see than that there is no such place.
        if places.0 == 0 {
            return None;
        }
        let place = places.first();
        Some((place, *self.refs.get(place)?))
    }

    /// The first entry whose lane equals the tag's: its place and reference.
    #[inline]
    pub(super) fn first(&self, tag: u32) -> Option<(usize, u32)> {
        self.at(self.equal(tag))
    }

    /// As [`Self::first`], of some places, from which it is taken out.
    #[inline]
    pub(super) fn take_place(&self, places: &mut Places) -> Option<(usize, u32)> {
        let first = self.at(*places);
        *places = places.without_first();
        first
    }

    /// Half of the lanes: what [`Self::probable`] wants.
    #[inline]
    pub(super) const fn first_word(&self) -> u64 {
        self.lows[0]
    }

    /// The first reference whose lane equals the tag's, else [`NIL`].
    #[inline]
    pub(super) fn probable(&self, tag: u32, first_word: u64) -> u32 {
        self.refs.get(equal([first_word, self.lows[1]], tag).first()).copied().unwrap_or(NIL)
    }

    /// Puts an entry into a free place. False when there is none.
    #[inline]
    pub(super) fn put(&mut self, tag: u32, value: u32) -> bool {
        let [even, odd] = self.lows;
        let place = Places::zero(even, odd).first();
        let Some(reference) = self.refs.get_mut(place) else { return false };
        *reference = value;
        if let Some(lows) = self.lows.get_mut(place & 1) {
            *lows |= (u64::from(tag) & LOW_MASK) << (LANE as usize * (place >> 1));
        }
        self.highs |= u64::from(tag >> TAG_LOW) << (TAG_HIGH as usize * place);
        true
    }

    /// Changes the reference in a place.
    #[inline]
    pub(super) fn set(&mut self, place: usize, value: u32) {
        if let Some(reference) = self.refs.get_mut(place) {
            *reference = value;
        }
    }

    /// Frees a place.
    #[inline]
    pub(super) fn clear(&mut self, place: usize) {
        if let Some(lows) = self.lows.get_mut(place & 1) {
            *lows &= !(LOW_MASK << (LANE as usize * (place >> 1)));
        }
        self.highs &= !(HIGH_MASK << (TAG_HIGH as usize * place));
    }

    /// Counts that an entry passes by.
    pub(super) const fn pass(&mut self) {
        if self.lows[0] >> PASSED_SHIFT < PASSED_MAX {
            self.lows[0] += 1 << PASSED_SHIFT;
        }
    }

    /// An entry that passed by is gone.
    pub(super) const fn unpass(&mut self) {
        if !matches!(self.lows[0] >> PASSED_SHIFT, 0 | PASSED_MAX) {
            self.lows[0] -= 1 << PASSED_SHIFT;
        }
    }

    /// Whether an entry that belongs here may lie farther on.
    #[inline]
    pub(super) const fn is_passed(&self) -> bool {
        self.lows[0] >> PASSED_SHIFT != 0
    }

    /// Hands every entry out: tag and reference.
    #[inline]
    pub(super) fn for_each(&self, mut take: impl FnMut(u32, u32)) {
        let [even, odd] = self.lows;
        let mut taken = Places(Places::zero(even, odd).0 ^ ALL);
        while let Some(value) = self.refs.get(taken.first()) {
            let place = taken.first();
            let lows = if place & 1 == 0 { even } else { odd };
            let low = lows >> (LANE as usize * (place >> 1)) & LOW_MASK;
            let high = self.highs >> (TAG_HIGH as usize * place) & HIGH_MASK;
            // Both together are [`TAG_BITS`] long.
            take(u32::try_from(high << TAG_LOW | low).unwrap_or(1), *value);
            taken = taken.without_first();
        }
    }
}

/// The places whose lane equals the tag's. The count above the even lanes is not compared.
#[inline]
const fn equal([even, odd]: [u64; 2], tag: u32) -> Places {
    let pattern = (tag as u64 & LOW_MASK) * ONES;
    Places::zero(even ^ pattern, odd ^ pattern)
}

/// Every place.
const ALL: u64 = SPARE | SPARE >> STRIDE;
