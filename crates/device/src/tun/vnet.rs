//! The virtio header before each packet (`struct virtio_net_hdr` of `linux/virtio_net.h`), in the machine's byte order.

use crate::offload::{CWR, Layout, make_partial};
use linger_proto::{Checksum, Transmit};
use std::num::NonZeroU16;

/// Octets of the header.
pub(super) const LEN: usize = 10;

/// The checksum field holds the pseudo-header's sum.
const NEEDS_CSUM: u8 = 1;
/// The checksum has been verified.
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
/// A bit beside the type: CWR is set and belongs to the first segment only.
const GSO_ECN: u8 = 0x80;

/// What the two ends tell each other about a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct VnetHeader {
    flags: u8,
    gso_type: u8,
    hdr_len: u16,
    gso_size: u16,
    csum_start: u16,
    csum_offset: u16,
}

impl VnetHeader {
    /// Reads it from the front of what the kernel hands over.
    pub(super) fn parse(octets: &[u8; LEN]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([octets[at], octets[at + 1]]);
        Self {
            flags: octets[0],
            gso_type: octets[1],
            hdr_len: word(2),
            gso_size: word(4),
            csum_start: word(6),
            csum_offset: word(8),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; LEN] {
        let mut octets = [self.flags, self.gso_type, 0, 0, 0, 0, 0, 0, 0, 0];
        let words = [self.hdr_len, self.gso_size, self.csum_start, self.csum_offset];
        for (place, word) in octets[2..].as_chunks_mut::<2>().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        octets
    }

    /// What it says about the checksum. The kernel leaves the checksum of whatever it makes itself to the device, so
    /// most packets are partial.
    pub(super) fn checksum(self) -> Checksum {
        if self.flags & NEEDS_CSUM != 0 {
            Checksum::Partial { start: self.csum_start, offset: self.csum_offset }
        } else if self.flags & DATA_VALID != 0 {
            Checksum::Verified
        } else {
            Checksum::Unknown
        }
    }

    /// Octets of text per segment, for a super-segment. `hdr_len` is not looked at: it leaves out options.
    pub(super) fn segment_size(self) -> Option<NonZeroU16> {
        if self.gso_type == GSO_NONE { None } else { NonZeroU16::new(self.gso_size) }
    }

    /// The header for a frame to send. `None` when the kernel would have to cut it and its checksum is complete, which
    /// no kernel cuts rightly: see [`partial`].
    pub(super) fn of(frame: &Transmit) -> Option<Self> {
        let mut header = Self::plain(frame);
        if let Some(size) = frame.segment_size
            && frame.text_len() > usize::from(size.get())
            && let Some(layout) = Layout::of(&frame.header)
        {
            if header.flags == 0 {
                return None;
            }
            let congested = frame.header.get(layout.start + 13).is_some_and(|flags| flags & CWR != 0);
            header.gso_type = if layout.version == 4 { GSO_TCPV4 } else { GSO_TCPV6 };
            header.gso_type |= if congested { GSO_ECN } else { 0 };
            header.gso_size = size.get();
            header.hdr_len = u16::try_from(frame.header.len()).unwrap_or(u16::MAX);
        }
        Some(header)
    }

    /// The header for a frame that is not to be cut.
    fn plain(frame: &Transmit) -> Self {
        match frame.checksum {
            Checksum::Partial { start, offset } => {
                Self { flags: NEEDS_CSUM, csum_start: start, csum_offset: offset, ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}

/// A frame with its complete checksum made partial, and the header for it. What is not TCP is never cut.
pub(super) fn partial(frame: &Transmit) -> (VnetHeader, Transmit) {
    let mut frame = frame.clone();
    let header = if make_partial(&mut frame) { VnetHeader::of(&frame) } else { None };
    (header.unwrap_or_else(|| VnetHeader::plain(&frame)), frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offload::complete_transmit;
    use crate::offload::test_packets::tcp;

    #[test]
    fn a_header_survives_being_written_and_read() {
        let header = VnetHeader {
            flags: 1,
            gso_type: 4,
            hdr_len: 60,
            gso_size: 1440,
            csum_start: 40,
            csum_offset: 16,
        };
        assert_eq!(VnetHeader::parse(&header.to_bytes()), header);
    }

    #[test]
    fn a_super_segment_asks_to_be_cut_and_marks_cwr() {
        for (version, gso_type, start) in [(4, 0x81, 20), (6, 0x84, 40)] {
            let frame = tcp(version, &[0; 3000], 1000);
            let expected = VnetHeader {
                flags: NEEDS_CSUM,
                gso_type,
                hdr_len: start + 20,
                gso_size: 1000,
                csum_start: start,
                csum_offset: 16,
            };
            assert_eq!(VnetHeader::of(&frame), Some(expected));
        }
    }

    #[test]
    fn a_frame_that_fits_into_one_segment_is_not_to_be_cut() {
        let frame = tcp(4, &[0; 1000], 1000);
        let header = VnetHeader::of(&frame).expect("nothing to undo");
        assert_eq!((header.gso_type, header.gso_size, header.flags), (GSO_NONE, 0, NEEDS_CSUM));
    }

    #[test]
    fn a_complete_checksum_stays_complete_unless_the_kernel_has_to_cut() {
        let (mut small, mut large) = (tcp(4, &[0; 10], 0), tcp(4, &[0; 3000], 1000));
        let partial = large.to_bytes();
        complete_transmit(&mut small);
        complete_transmit(&mut large);
        assert_eq!(VnetHeader::of(&small), Some(VnetHeader::default()));
        assert_eq!(VnetHeader::of(&large), None);
        let (header, sent) = super::partial(&large);
        assert_eq!((header.flags, header.gso_size), (NEEDS_CSUM, 1000));
        assert_eq!(sent.to_bytes(), partial);
    }

    #[test]
    fn what_the_kernel_says_becomes_checksum_and_segment_size() {
        let mut header = VnetHeader { csum_start: 20, csum_offset: 6, ..VnetHeader::default() };
        assert_eq!((header.checksum(), header.segment_size()), (Checksum::Unknown, None));
        header.flags = DATA_VALID;
        assert_eq!(header.checksum(), Checksum::Verified);
        header.flags = NEEDS_CSUM;
        assert_eq!(header.checksum(), Checksum::Partial { start: 20, offset: 6 });
        header.gso_size = 1460;
        assert_eq!(header.segment_size(), None);
        header.gso_type = GSO_TCPV4 | GSO_ECN;
        assert_eq!(header.segment_size(), NonZeroU16::new(1460));
    }
}
