//! Buffers for frames and text, used again once nobody refers to what was in them.
//!
//! A host keeps slices of the frames it got and asks that a frame's buffer be no larger than four times the frame. So
//! there is a ring of buffers for each power of two; each holds one frame at a time.

use bytes::{Bytes, BytesMut};

/// The smallest buffers have `1 << SHIFT_MIN` octets.
const SHIFT_MIN: u32 = 6;
/// Rings, up to frames of 64 KiB.
const RINGS: usize = 11;
/// Buffers of one size at most. Past it the one whose turn it is is given up to whoever holds it.
const RING_MAX: usize = 4096;

/// See the module.
#[derive(Default)]
pub(super) struct Pool {
    rings: [Ring; RINGS],
}

#[derive(Default)]
struct Ring {
    /// What was filled last.
    last: Option<Bytes>,
    /// Those that were filled before; the next to look at is at `turn`.
    others: Vec<Bytes>,
    turn: usize,
}

impl Pool {
    /// What `fill` writes into an empty buffer with room for `len` octets, one at least. The pool keeps a share of it: when
    /// all other shares are dropped the buffer is free again.
    #[inline(always)]
    pub(super) fn fill(&mut self, len: usize, fill: impl FnOnce(&mut BytesMut)) -> Bytes {
        // The place of the highest bit of a number that is 1 for the smallest ring.
        let place = (((len - 1) >> SHIFT_MIN) << 1 | 1).ilog2();
        let ring = &mut self.rings[place as usize];
        if !ring.last.as_ref().is_some_and(Bytes::is_unique) {
            ring.turn_to_next(1 << (SHIFT_MIN + place));
        }
        let mut room = BytesMut::from(ring.last.take().unwrap_or_default());
        room.clear();
        fill(&mut room);
        ring.last.insert(room.freeze()).clone()
    }
}

impl Ring {
    /// Makes `last` one that is free: the oldest, or if that is in use, and so the others are, a new one.
    #[inline(never)]
    fn turn_to_next(&mut self, size: usize) {
        if self.turn >= self.others.len() {
            self.turn = 0;
        }
        match (&mut self.last, self.others.get_mut(self.turn)) {
            (Some(last), Some(oldest)) if oldest.is_unique() => {
                std::mem::swap(oldest, last);
                self.turn += 1;
            }
            _ => self.add(size),
        }
    }

    #[cold]
    #[inline(never)]
    fn add(&mut self, size: usize) {
        let Some(last) = self.last.replace(buffer(size)) else { return };
        if self.others.len() < RING_MAX {
            self.others.insert(self.turn, last);
        } else {
            self.others[self.turn] = last;
        }
        self.turn += 1;
    }
}

/// A new buffer, of the kind that can be shared from the beginning.
fn buffer(size: usize) -> Bytes {
    BytesMut::with_capacity(size).split_off(0).freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pool: &mut Pool, octet: u8, len: usize) -> Bytes {
        pool.fill(len, |room| room.resize(len, octet))
    }

    #[test]
    fn a_buffer_whose_text_is_gone_is_used_again() {
        let mut pool = Pool::default();
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            places.insert(filled(&mut pool, 7, 700).as_ptr());
        }
        assert_eq!(places.len(), 1);
    }

    #[test]
    fn a_window_that_moves_on_needs_no_more_buffers_than_fill_it() {
        let mut pool = Pool::default();
        let mut window = std::collections::VecDeque::new();
        for _ in 0..10_000 {
            window.push_back(filled(&mut pool, 7, 1500));
            if window.len() > 20 {
                window.pop_front();
            }
        }
        let ring = pool.rings.iter().map(|ring| ring.others.len()).max();
        assert!(ring <= Some(22), "{ring:?}");
    }

    #[test]
    fn text_that_is_held_is_never_written_over() {
        let mut pool = Pool::default();
        let held: Vec<_> = (0..=255_u8).map(|i| filled(&mut pool, i, 100)).collect();
        assert!(held.iter().zip(0..=255_u8).all(|(frame, i)| frame[..] == [i; 100]));
    }

    #[test]
    fn a_buffer_is_at_most_four_times_its_frame() {
        let mut pool = Pool::default();
        for len in [40, 52, 84, 128, 129, 1500, 65535] {
            pool.fill(len, |room| assert!((len..=4 * len).contains(&room.capacity()), "{len}"));
        }
    }
}
