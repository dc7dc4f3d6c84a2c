//! What crosses the border between a host and its devices.

use crate::InterfaceId;
use arrayvec::ArrayVec;
use bytes::Bytes;
use core::num::NonZeroU16;

/// What is known about the transport checksum of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// In: nothing is known, the host verifies it. Out: it is complete.
    #[default]
    Unknown,
    /// In: the device vouches for it.
    Verified,
    /// The field at `start + offset` holds only the pseudo-header sum; whoever puts the frame on a wire sums from
    /// `start` to the end. In: a packet that never left this machine, good as it is. Offsets count from the IP header.
    Partial {
        /// Where the sum starts: the first octet of the transport header.
        start: u16,
        /// Where the field lies after `start`: 16 for TCP, 6 for UDP.
        offset: u16,
    },
}

/// One frame from a device: an IP packet, up to 64 KiB of merged segments when the device offers receive offload.
///
/// The host keeps slices of `bytes` as received text and charges a connection for the whole of it, so a device must
/// not hand over small frames cut from large shared buffers: at most four octets of buffer for each octet of frame.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The packet, from its IP header on.
    pub bytes: Bytes,
    /// What is known about its transport checksum.
    pub checksum: Checksum,
    /// Text octets per segment, when the device merged several segments into this one.
    pub segment_size: Option<NonZeroU16>,
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, checksum: Checksum::Unknown, segment_size: None }
    }
}

/// Most octets of text that are copied into a frame: more is shared with the send buffer, in slices. Sharing costs
/// about as much as copying this many octets.
pub(crate) const SHORT_TEXT: usize = 1024;
/// Room for headers: of IPv6 and TCP with all options 100 octets, and a fragment header.
const HEADERS: usize = 128;

/// Where the headers of a frame are written, and short text behind them.
pub type HeaderBytes = ArrayVec<u8, { HEADERS + SHORT_TEXT }>;

/// One frame to send, scatter-gather: headers first, then slices of the send buffer, so that no long text is copied.
#[derive(Clone, Debug, Default)]
pub struct Transmit {
    /// Through which interface.
    pub interface: InterfaceId,
    /// IP and transport header, and behind them, when there are no slices, text that is too short to be worth one.
    pub header: HeaderBytes,
    /// What follows: the text in slices.
    pub text: ArrayVec<Bytes, 18>,
    /// Complete, or partial for the device to finish.
    pub checksum: Checksum,
    /// Asks the device to cut the text into segments of that many octets (GSO).
    pub segment_size: Option<NonZeroU16>,
}

impl Transmit {
    /// Octets of the whole frame.
    pub fn len(&self) -> usize {
        self.header.len() + self.text_len()
    }

    /// Octets of text in slices.
    pub fn text_len(&self) -> usize {
        self.text.iter().map(Bytes::len).sum()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.header.is_empty() && self.text.is_empty()
    }

    /// Makes it empty for the next use.
    pub fn clear(&mut self) {
        self.header.clear();
        self.text.clear();
        self.checksum = Checksum::Unknown;
        self.segment_size = None;
    }

    /// The frame in one piece.
    pub fn to_bytes(&self) -> Bytes {
        let mut all = alloc::vec::Vec::with_capacity(self.len());
        all.extend_from_slice(&self.header);
        for slice in &self.text {
            all.extend_from_slice(slice);
        }
        all.into()
    }
}
