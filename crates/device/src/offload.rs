//! What a network card would do, in software: complete partial checksums, and cut super-segments into packets.

use arrayvec::ArrayVec;
use bytes::Bytes;
use linger_proto::{Checksum, Frame, Transmit};
use std::iter::FusedIterator;

#[cfg(test)]
pub(crate) mod test_packets;
#[cfg(test)]
mod tests;

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
/// The sender has reduced its congestion window (RFC 3168 §6.1.2): said once, in the first segment.
pub(crate) const CWR: u8 = 0x80;

/// The Internet checksum (RFC 1071) of octets that come in pieces.
#[derive(Clone, Copy, Default)]
struct Sum {
    total: u64,
    /// The pieces so far have an odd length, so the next octet is the low half of a word.
    odd: bool,
}

impl Sum {
    fn add(&mut self, mut piece: &[u8]) {
        if self.odd {
            let Some((&first, rest)) = piece.split_first() else { return };
            self.total += u64::from(first);
            self.odd = false;
            piece = rest;
        }
        // 32-bit words into 64 bits: the one's complement sum does not care about the width, and 64 KiB cannot overflow.
        let (words, rest) = piece.as_chunks::<4>();
        self.total += words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum::<u64>();
        let (halves, rest) = rest.as_chunks::<2>();
        self.total += halves.iter().map(|half| u64::from(u16::from_be_bytes(*half))).sum::<u64>();
        if let [last] = rest {
            self.total += u64::from(*last) << 8;
            self.odd = true;
        }
    }

    /// The sum in 16 bits, not inverted.
    fn fold(self) -> u16 {
        let mut total = self.total;
        while total >> 16 != 0 {
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }
}

/// Where the transport header of a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    pub(crate) version: u8,
    pub(crate) protocol: u8,
    /// Octets before the transport header.
    pub(crate) start: usize,
}

impl Layout {
    /// Reads it from the first octets of a packet; `None` for fragments and anything malformed.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let start = usize::from(packet[0] & 0x0f) * 4;
                let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
                (start >= 20 && fragment == 0 && packet.len() >= start).then(|| Self {
                    version: 4,
                    protocol: packet[9],
                    start,
                })
            }
            6 => {
                let (mut protocol, mut start) = (*packet.get(6)?, 40);
                // Hop-by-hop, routing and destination options, each with its length in units of 8 octets.
                while matches!(protocol, 0 | 43 | 60) {
                    let length = (usize::from(*packet.get(start + 1)?) + 1) * 8;
                    protocol = *packet.get(start)?;
                    start += length;
                }
                (packet.len() >= start).then_some(Self { version: 6, protocol, start })
            }
            _ => None,
        }
    }

    /// Octets up to the end of the transport header, if it is one with a known end.
    fn headers(self, packet: &[u8]) -> Option<usize> {
        let end = match self.protocol {
            TCP => self.start + usize::from(*packet.get(self.start + 12)? >> 4) * 4,
            UDP => self.start + 8,
            _ => self.start,
        };
        (end <= packet.len()).then_some(end)
    }

    /// The pseudo-header's sum (RFC 9293 §3.1) for `length` octets of transport header and text.
    fn pseudo(self, packet: &[u8], length: usize) -> Sum {
        let mut sum = Sum::default();
        sum.add(if self.version == 4 { &packet[12..20] } else { &packet[8..40] });
        sum.total += u64::from(self.protocol) + length as u64;
        sum
    }
}

/// Completes a partial checksum inside a packet that is in one piece. Other checksums and fields outside the packet
/// are left alone.
pub fn complete(packet: &mut [u8], checksum: Checksum) {
    let Checksum::Partial { start, offset } = checksum else { return };
    let (start, field) = (usize::from(start), usize::from(start) + usize::from(offset));
    if field + 2 > packet.len() {
        return;
    }
    let mut sum = Sum::default();
    sum.add(&packet[start..]);
    packet[field..field + 2].copy_from_slice(&inverted(sum, offset));
}

/// Completes the partial checksum of a frame about to be sent.
pub fn complete_transmit(frame: &mut Transmit) {
    let Checksum::Partial { start, offset } = frame.checksum else { return };
    let (start, field) = (usize::from(start), usize::from(start) + usize::from(offset));
    if field + 2 > frame.header.len() {
        let mut packet = Vec::from(frame.to_bytes());
        complete(&mut packet, frame.checksum);
        frame.header.clear();
        frame.text.clear();
        frame.text.push(packet.into());
    } else {
        let mut sum = Sum::default();
        sum.add(&frame.header[start..]);
        frame.text.iter().for_each(|slice| sum.add(slice));
        frame.header[field..field + 2].copy_from_slice(&inverted(sum, offset));
    }
    frame.checksum = Checksum::Unknown;
}

/// The checksum field for a sum: inverted, and for UDP (whose field is the sixth octet) never zero (RFC 768).
fn inverted(sum: Sum, offset: u16) -> [u8; 2] {
    match !sum.fold() {
        0 if offset == 6 => [0xff, 0xff],
        value => value.to_be_bytes(),
    }
}

/// A received frame as one to send: headers apart from the text, nothing copied but the headers.
///
/// A packet whose headers are unknown or longer than [`Transmit::header`] becomes text alone.
pub fn transmit_from_frame(frame: &Frame) -> Transmit {
    let mut out = Transmit {
        checksum: outgoing(frame.checksum),
        segment_size: frame.segment_size,
        ..Transmit::default()
    };
    let headers = Layout::of(&frame.bytes).and_then(|layout| layout.headers(&frame.bytes)).unwrap_or(0);
    let headers = if headers <= out.header.capacity() { headers } else { 0 };
    out.header.extend(frame.bytes[..headers].iter().copied());
    if headers < frame.bytes.len() {
        out.text.push(frame.bytes.slice(headers..));
    }
    out
}

/// A frame to send as the receiving end of a cable gets it, in one piece.
pub(crate) fn frame_from_transmit(frame: &Transmit) -> Frame {
    let bytes = match (frame.header.is_empty(), frame.text.as_slice()) {
        (true, [only]) => only.clone(),
        _ => frame.to_bytes(),
    };
    Frame { bytes, checksum: outgoing(frame.checksum), segment_size: frame.segment_size }
}

/// On the way out only "partial" says anything.
fn outgoing(checksum: Checksum) -> Checksum {
    match checksum {
        partial @ Checksum::Partial { .. } => partial,
        Checksum::Unknown | Checksum::Verified => Checksum::Unknown,
    }
}

/// Cuts a super-segment into packets of at most [`Transmit::segment_size`] octets of text, with complete checksums.
///
/// As the kernel and network cards do it: the IPv4 identification and the sequence number advance, FIN and PSH stay
/// with the last packet, CWR with the first. A frame that needs no cutting, or is no TCP, comes out whole, its
/// checksum complete.
pub fn segment(frame: &Transmit) -> Segments<'_> {
    let cut = cuttable(frame);
    Segments { frame, cut, text_len: frame.text_len(), sent: 0, index: 0, done: false }
}

/// The layout and the size to cut to, when there is something to cut.
fn cuttable(frame: &Transmit) -> Option<(Layout, usize)> {
    let size = usize::from(frame.segment_size?.get());
    let layout = Layout::of(&frame.header)?;
    let whole = layout.protocol == TCP
        && frame.header.len() >= layout.start + 20
        && layout.headers(&frame.header) == Some(frame.header.len());
    (whole && frame.text_len() > size).then_some((layout, size))
}

/// The packets of one super-segment: see [`segment`].
#[derive(Debug)]
pub struct Segments<'a> {
    frame: &'a Transmit,
    cut: Option<(Layout, usize)>,
    text_len: usize,
    /// Octets of text in the packets so far.
    sent: usize,
    /// Packets so far.
    index: u16,
    done: bool,
}

impl Iterator for Segments<'_> {
    type Item = Transmit;

    fn next(&mut self) -> Option<Transmit> {
        if self.done {
            return None;
        }
        let Some((layout, size)) = self.cut else {
            self.done = true;
            let mut whole = self.frame.clone();
            complete_transmit(&mut whole);
            whole.segment_size = None;
            return Some(whole);
        };
        let length = size.min(self.text_len - self.sent);
        let mut out = Transmit {
            interface: self.frame.interface,
            header: self.frame.header.clone(),
            text: slices(&self.frame.text, self.sent, length),
            checksum: Checksum::Unknown,
            segment_size: None,
        };
        self.done = self.sent + length == self.text_len;
        self.write_headers(&mut out, layout);
        self.sent += length;
        self.index = self.index.wrapping_add(1);
        Some(out)
    }
}

impl FusedIterator for Segments<'_> {}

impl Segments<'_> {
    fn write_headers(&self, out: &mut Transmit, layout: Layout) {
        let length = out.len();
        let (start, header) = (layout.start, &mut out.header);
        if layout.version == 4 {
            let identification = u16::from_be_bytes([header[4], header[5]]).wrapping_add(self.index);
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            header[4..6].copy_from_slice(&identification.to_be_bytes());
            header[10..12].fill(0);
            let mut sum = Sum::default();
            sum.add(&header[..start]);
            header[10..12].copy_from_slice(&(!sum.fold()).to_be_bytes());
        } else {
            header[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
        }
        let tcp = &mut header[start..];
        let seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]).wrapping_add(self.sent as u32);
        tcp[4..8].copy_from_slice(&seq.to_be_bytes());
        if self.index > 0 {
            tcp[13] &= !CWR;
        }
        if !self.done {
            tcp[13] &= !(FIN | PSH);
        }
        tcp[16..18].fill(0);
        let mut sum = layout.pseudo(&out.header, length - start);
        sum.add(&out.header[start..]);
        out.text.iter().for_each(|slice| sum.add(slice));
        out.header[start + 16..start + 18].copy_from_slice(&(!sum.fold()).to_be_bytes());
    }
}

/// `length` octets of `text` from `from` on, without copying.
fn slices(text: &[Bytes], from: usize, length: usize) -> ArrayVec<Bytes, 18> {
    let (mut skip, mut left) = (from, length);
    let mut out = ArrayVec::new();
    for slice in text {
        if skip >= slice.len() {
            skip -= slice.len();
            continue;
        }
        let end = slice.len().min(skip + left);
        left -= end - skip;
        out.push(slice.slice(skip..end));
        skip = 0;
        if left == 0 {
            break;
        }
    }
    out
}

/// Turns a complete or unknown transport checksum of a TCP super-segment back into the pseudo-header's sum, which is
/// what a device that cuts it wants to find in the field.
#[cfg(target_os = "linux")]
pub(crate) fn make_partial(frame: &mut Transmit) -> bool {
    let Some(layout) = Layout::of(&frame.header) else { return false };
    let field = layout.start + 16;
    if layout.protocol != TCP || field + 2 > frame.header.len() {
        return false;
    }
    let sum = layout.pseudo(&frame.header, frame.len() - layout.start).fold();
    frame.header[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    frame.checksum = Checksum::Partial { start: layout.start as u16, offset: 16 };
    true
}

/// A frame whose checksum is complete: copied only when it was not.
pub(crate) fn completed(frame: Frame) -> Frame {
    if !matches!(frame.checksum, Checksum::Partial { .. }) {
        return frame;
    }
    let mut packet = Vec::from(frame.bytes);
    complete(&mut packet, frame.checksum);
    Frame { bytes: packet.into(), checksum: Checksum::Unknown, segment_size: frame.segment_size }
}
