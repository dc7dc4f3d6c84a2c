//! Sequence numbers: arithmetic modulo 2^32, compared only relative to each other.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A sequence number. It has no order, only a direction: [`SeqNum::before`] and [`SeqNum::after`] hold for numbers
/// less than 2^31 apart (RFC 9293 §3.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// Whether this comes strictly before `other`.
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0)) >> 31 == 1
    }

    /// Whether this comes strictly after `other`.
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Before `other` or the same.
    pub const fn at_or_before(self, other: Self) -> bool {
        !self.after(other)
    }

    /// After `other` or the same.
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    /// Whether this lies in `start .. start + length`.
    pub const fn in_window(self, start: Self, length: u32) -> bool {
        self.0.wrapping_sub(start.0) < length
    }

    /// Octets from `earlier` to this, modulo 2^32: meaningful when this is not before `earlier`.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The later of the two.
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of the two.
    pub const fn min(self, other: Self) -> Self {
        if self.before(other) { self } else { other }
    }
}

/// Octets of text as an amount of sequence space. Nothing this stack holds is longer than a window, far below 2^32.
pub(crate) fn octets(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl Add<u32> for SeqNum {
    type Output = Self;
    fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;
    fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::SeqNum;

    #[test]
    fn order_holds_across_the_wrap() {
        let (a, b) = (SeqNum(0xffff_fff0), SeqNum(0x10));
        assert!(a.before(b) && b.after(a) && !a.after(b) && !b.before(a));
        assert_eq!(b.since(a), 0x20);
        assert_eq!(a.max(b), b);
        assert_eq!(a.min(b), a);
    }

    #[test]
    fn window_is_half_open_and_may_wrap() {
        let start = SeqNum(0xffff_fffe);
        assert!(start.in_window(start, 1));
        assert!(!start.in_window(start, 0));
        assert!((start + 3).in_window(start, 4));
        assert!(!(start + 4).in_window(start, 4));
        assert!(!(start - 1).in_window(start, 4));
    }
}
