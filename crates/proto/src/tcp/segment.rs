//! A TCP segment as it arrives, its checksum already vouched for.

use crate::host::key::Key;
use crate::tcp::seq::{SeqNum, octets};
use crate::wire::checksum::fits;
use crate::wire::ip::PROTOCOL_TCP;
#[cfg(test)]
use crate::wire::tcp::Header;
use crate::wire::tcp::{Flags, Options, Timestamp, View};
use crate::{Checksum, DropReason, Frame};
use bytes::{Buf, Bytes};
use core::num::NonZeroU16;
use core::ops::Range;

/// One segment, or several that the device merged into one.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: Flags,
    /// As on the wire, unscaled.
    pub(crate) wnd: u16,
    pub(crate) urgent: u16,
    pub(crate) options: Options,
    pub(crate) text: Bytes,
    /// Octets of the buffer that a kept slice of `text` pins.
    pub(crate) frame_len: usize,
    /// Octets per segment where the device merged several.
    pub(crate) segment_size: Option<u16>,
}

impl Segment {
    /// All of a frame as text; [`Segment::read`] makes a segment of it.
    #[inline]
    pub(crate) fn unread(frame: Frame) -> Self {
        Self {
            seq: SeqNum(0),
            ack: SeqNum(0),
            flags: Flags(0),
            wnd: 0,
            urgent: 0,
            options: Options::default(),
            frame_len: frame.bytes.len(),
            text: frame.bytes,
            segment_size: frame.segment_size.map(NonZeroU16::get),
        }
    }

    /// Reads the segment that lies at `place` in the frame, in its own place because it is large. The checksum is right
    /// for `ends`, if nobody vouches for it. The key is that of `ends` with the ports of the segment.
    ///
    /// # Errors
    /// The reason to drop it.
    #[inline]
    pub(crate) fn read(
        &mut self,
        place: Range<usize>,
        ends: Key,
        checksum: Checksum,
    ) -> Result<Key, DropReason> {
        let octets = self.text.get(place.clone()).ok_or(DropReason::IpTruncated)?;
        let (local, remote) = ends.addresses();
        if checksum == Checksum::Unknown && !fits(local, remote, PROTOCOL_TCP, octets) {
            return Err(DropReason::TcpChecksum);
        }
        let view = View::new(octets)?;
        view.read_options(&mut self.options)?;
        let (source, destination) = view.ports()?;
        (self.seq, self.ack) = view.numbers();
        self.flags = view.flags();
        (self.wnd, self.urgent) = view.window_and_urgent();
        let start = place.start + view.header_len();
        if place.end < self.text.len() {
            self.text.truncate(place.end);
        }
        self.text.advance(start);
        Ok(ends.with_ports(destination, source))
    }

    #[cfg(test)]
    pub(crate) fn new(header: Header, text: Bytes, frame_len: usize, segment_size: Option<u16>) -> Self {
        let Header { seq, ack, flags, wnd, urgent, options, .. } = header;
        Self { seq, ack, flags, wnd, urgent, options, text, frame_len, segment_size }
    }

    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.flags.has(flags)
    }

    /// SEG.LEN: the text, and one each for SYN and FIN.
    pub(crate) fn len(&self) -> u32 {
        octets(self.text.len()) + u32::from(self.has(Flags::SYN)) + u32::from(self.has(Flags::FIN))
    }

    /// The sequence number after everything in it.
    pub(crate) fn end(&self) -> SeqNum {
        self.seq + self.len()
    }

    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        self.options.timestamp
    }

    /// Drops what lies outside `start .. start + wnd` (RFC 9293 §3.10.7.4, "trimming off any portions that lie
    /// outside the window").
    pub(crate) fn trim(&mut self, start: SeqNum, wnd: u32) {
        if self.seq.before(start) {
            let mut early = start.since(self.seq);
            // The urgent pointer counts from SEG.SEQ.
            self.urgent = self.urgent.saturating_sub(u16::try_from(early).unwrap_or(u16::MAX));
            if self.has(Flags::SYN) {
                self.flags.0 &= !Flags::SYN.0;
                self.seq += 1;
                early -= 1;
            }
            let skipped = early.min(octets(self.text.len()));
            self.text.advance(usize::try_from(skipped).unwrap_or(0));
            self.seq += skipped;
            if early > skipped {
                self.flags.0 &= !Flags::FIN.0;
                self.seq += 1;
            }
        }
        let room = (start + wnd).since(self.seq);
        if self.len() > room && self.seq.at_or_before(start + wnd) {
            // A FIN right behind text that fills the window takes no room in the buffer and stays.
            let text = octets(self.text.len());
            if text > room {
                self.flags.0 &= !Flags::FIN.0;
                self.text.truncate(usize::try_from(room).unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u32, text: &'static [u8], flags: Flags) -> Segment {
        let header = Header { seq: SeqNum(seq), flags, ..Header::default() };
        Segment::new(header, Bytes::from_static(text), text.len(), None)
    }

    #[test]
    fn text_received_already_is_cut_off_the_front() {
        let mut seg = segment(100, b"abcdef", Flags::FIN);
        seg.trim(SeqNum(104), 100);
        assert_eq!((seg.seq, &seg.text[..], seg.has(Flags::FIN)), (SeqNum(104), &b"ef"[..], true));
    }

    #[test]
    fn text_beyond_the_window_is_cut_off_with_its_fin() {
        let mut seg = segment(100, b"abcdef", Flags::FIN);
        seg.trim(SeqNum(100), 4);
        assert_eq!((seg.seq, &seg.text[..], seg.has(Flags::FIN)), (SeqNum(100), &b"abcd"[..], false));
    }

    #[test]
    fn fin_received_already_is_cut_off_with_its_text() {
        let mut seg = segment(100, b"ab", Flags::FIN);
        seg.trim(SeqNum(103), 4);
        assert_eq!((seg.seq, seg.len()), (SeqNum(103), 0));
    }
}
