//! Buffers for frames and text, used again once nobody refers to what was in them.
//!
//! A host keeps slices of the frames it got and asks that a frame's buffer be no larger than four times the frame. So
//! there is a ring of buffers for each power of two, and two small frames or more share a buffer of twice that.

use bytes::BytesMut;

/// The smallest frames that share buffers have up to `1 << SHIFT_MIN` octets; none has less than half of that.
const SHIFT_MIN: u32 = 6;
/// Frames of more octets than half of `1 << SHIFT_ALONE` have a buffer to themselves: caches are small.
const SHIFT_ALONE: u32 = 11;
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
    /// What is being filled.
    current: BytesMut,
    /// Those that were filled before; the next to look at is at `turn`.
    others: Vec<BytesMut>,
    turn: usize,
    /// How many there are; at first `current` is none.
    made: usize,
}

impl Pool {
    /// An empty buffer with room for `len` octets. Fill it, then take its text by `split`: when all that was taken of it
    /// is dropped the buffer is free again.
    #[inline]
    pub(super) fn room(&mut self, len: usize) -> &mut BytesMut {
        let shift = (usize::BITS - (len - 1).leading_zeros()).max(SHIFT_MIN);
        let ring = &mut self.rings[(shift - SHIFT_MIN) as usize];
        if ring.current.capacity() < len {
            ring.next(if shift < SHIFT_ALONE { 2 << shift } else { 1 << shift }, len);
        }
        &mut ring.current
    }
}

impl Ring {
    /// Makes `current` one with room.
    fn next(&mut self, size: usize, len: usize) {
        if self.current.try_reclaim(len) {
            return;
        }
        if self.turn >= self.others.len() {
            self.turn = 0;
        }
        let full = self.made >= RING_MAX;
        if let Some(other) = self.others.get_mut(self.turn)
            && (other.try_reclaim(len) || full)
        {
            self.turn += 1;
            std::mem::swap(&mut self.current, other);
            self.current.reserve(len);
            return;
        }
        // The oldest is in use, and so the others are.
        let filled = std::mem::replace(&mut self.current, BytesMut::with_capacity(size));
        self.made += 1;
        if self.made > 1 {
            self.others.insert(self.turn, filled);
            self.turn += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_whose_text_is_gone_is_used_again() {
        let mut pool = Pool::default();
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let room = pool.room(700);
            room.extend_from_slice(&[7; 700]);
            let frame = room.split().freeze();
            places.insert(frame.as_ptr());
        }
        assert_eq!(places.len(), 2, "two frames in one buffer");
    }

    #[test]
    fn a_window_that_moves_on_needs_no_more_buffers_than_fill_it() {
        let mut pool = Pool::default();
        let mut window = std::collections::VecDeque::new();
        for _ in 0..10_000 {
            let room = pool.room(1500);
            room.extend_from_slice(&[7; 1500]);
            window.push_back(room.split());
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
        let held: Vec<_> = (0..=255_u8)
            .map(|i| {
                let room = pool.room(100);
                room.extend_from_slice(&[i; 100]);
                room.split().freeze()
            })
            .collect();
        assert!(held.iter().zip(0..=255_u8).all(|(frame, i)| frame[..] == [i; 100]));
    }

    #[test]
    fn a_buffer_is_at_most_four_times_its_frame() {
        let mut pool = Pool::default();
        for len in [40, 52, 84, 128, 129, 1500, 65535] {
            assert!(pool.room(len).capacity() <= 4 * len, "{len}");
        }
    }
}
