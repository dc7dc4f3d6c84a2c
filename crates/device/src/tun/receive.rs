//! Buffers for what arrives.

use super::vnet::{self, VnetHeader};
use bytes::Bytes;
use linger_proto::{Checksum, Frame};
use std::collections::VecDeque;

/// The largest read: a virtio header and the largest packet.
const BUFFER: usize = vnet::LEN + 65_535;

/// A frame is handed on in the buffer it was read into when it fills at least one part in so many; else it is copied,
/// so that nobody holds much more memory than text.
const FILL: usize = 4;

/// Buffers handed on that are watched for coming back. More are simply freed by whoever drops them last.
const WATCHED: usize = 32;

/// Reads packets into large buffers, and uses each again once nobody holds it.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// Always empty between reads, with room for the largest.
    buffer: Vec<u8>,
    /// Buffers handed on, oldest first.
    lent: VecDeque<Bytes>,
}

impl Receiver {
    /// The buffer to read into: empty, with room for one packet.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.buffer.capacity() < BUFFER {
            self.buffer = self.returned().unwrap_or_default();
            self.buffer.reserve_exact(BUFFER);
        }
        self.buffer.clear();
        &mut self.buffer
    }

    /// Turns the packet just read into a frame; `None` when it is too short to be one.
    pub(super) fn frame(&mut self, vnet_hdr: bool) -> Option<Frame> {
        let (checksum, segment_size, skip) = if vnet_hdr {
            let header = VnetHeader::parse(self.buffer.first_chunk()?);
            (header.checksum(), header.segment_size(), vnet::LEN)
        } else {
            (Checksum::Unknown, None, 0)
        };
        let packet = self.buffer.get(skip..).filter(|packet| !packet.is_empty())?;
        let bytes = if packet.len() * FILL < self.buffer.capacity() {
            Bytes::copy_from_slice(packet)
        } else {
            self.lend().slice(skip..)
        };
        Some(Frame { bytes, checksum, segment_size })
    }

    /// Hands on the buffer itself, and remembers it.
    fn lend(&mut self) -> Bytes {
        let whole = Bytes::from(std::mem::take(&mut self.buffer));
        if self.lent.len() == WATCHED {
            self.lent.pop_front();
        }
        // One octet is enough to share the buffer, and turning it back into a vector moves what the share covers.
        self.lent.push_back(whole.slice(..1));
        whole
    }

    /// A buffer that nobody else holds any more. Text is read in about the order it came, so only the oldest is asked.
    fn returned(&mut self) -> Option<Vec<u8>> {
        if !self.lent.front()?.is_unique() {
            return None;
        }
        self.lent.pop_front().map(Vec::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a read of `packet` behind an empty virtio header.
    fn read(receiver: &mut Receiver, packet: &[u8]) -> Option<Frame> {
        let buffer = receiver.buffer();
        buffer.extend_from_slice(&[0; vnet::LEN]);
        buffer.extend_from_slice(packet);
        receiver.frame(true)
    }

    #[test]
    fn a_small_frame_is_copied_and_the_buffer_stays() {
        let mut receiver = Receiver::default();
        let before = receiver.buffer().as_ptr();
        let frame = read(&mut receiver, &[7; 1500]).expect("a frame");
        assert_eq!(frame.bytes, [7; 1500][..]);
        assert_eq!(receiver.buffer().as_ptr(), before);
        assert!(receiver.lent.is_empty());
    }

    #[test]
    fn a_large_frame_takes_the_buffer_along_and_it_comes_back_when_dropped() {
        let mut receiver = Receiver::default();
        let first = receiver.buffer().as_ptr();
        let frame = read(&mut receiver, &[7; 60_000]).expect("a frame");
        assert_eq!(frame.bytes.as_ptr(), first.wrapping_add(vnet::LEN));
        let held = read(&mut receiver, &[8; 60_000]).expect("a frame");
        assert_ne!(held.bytes.as_ptr(), frame.bytes.as_ptr());
        drop(frame);
        assert_eq!(receiver.buffer().as_ptr(), first);
        assert_eq!(held.bytes, [8; 60_000][..]);
    }

    #[test]
    fn a_frame_never_pins_more_than_four_times_its_length() {
        let mut receiver = Receiver::default();
        for length in [1, 100, 16_386, 16_387, 30_000, 65_535] {
            let frame = read(&mut receiver, &vec![1; length]).expect("a frame");
            assert_eq!(frame.bytes.len(), length);
            let pinned = if receiver.lent.is_empty() { length } else { BUFFER };
            assert!(pinned <= FILL * length, "{length}");
            receiver.lent.clear();
        }
    }

    #[test]
    fn buffers_that_never_come_back_are_not_watched_without_bound() {
        let mut receiver = Receiver::default();
        let held: Vec<Frame> = (0..100).filter_map(|_| read(&mut receiver, &[7; 60_000])).collect();
        assert_eq!((held.len(), receiver.lent.len()), (100, WATCHED));
    }

    #[test]
    fn a_read_without_a_packet_is_no_frame() {
        let mut receiver = Receiver::default();
        assert!(read(&mut receiver, &[]).is_none());
        let buffer = receiver.buffer();
        buffer.extend_from_slice(&[0; 4]);
        assert!(receiver.frame(true).is_none());
        receiver.buffer();
        assert!(receiver.frame(false).is_none());
    }
}
