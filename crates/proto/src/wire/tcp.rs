//! The TCP header and its options (RFC 9293 §3.1, RFC 7323, RFC 2018).

use crate::tcp::seq::SeqNum;
use crate::{DropReason, HeaderBytes};
use arrayvec::ArrayVec;
use core::fmt;

/// Octets of a TCP header without options.
pub const HEADER_LEN: usize = 20;
/// Where the checksum field lies in the header.
pub const CHECKSUM_OFFSET: u16 = 16;

/// The control bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// No more text from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Hand the text to the application now.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment field counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN echo.
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced.
    pub const CWR: Self = Self(0x80);

    /// Whether every bit of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 8] = [
            (Flags::SYN, "SYN"),
            (Flags::FIN, "FIN"),
            (Flags::RST, "RST"),
            (Flags::PSH, "PSH"),
            (Flags::ACK, "ACK"),
            (Flags::URG, "URG"),
            (Flags::ECE, "ECE"),
            (Flags::CWR, "CWR"),
        ];
        let mut first = true;
        for (flag, name) in NAMES {
            if self.has(flag) {
                if !first {
                    f.write_str(",")?;
                }
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

/// A timestamp option.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamp {
    /// The sender's clock, TSval.
    pub val: u32,
    /// The newest value of the other side's clock that the sender has seen, TSecr.
    pub ecr: u32,
}

/// The options of a segment. Unknown ones are skipped (RFC 9293 MUST-6).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Maximum segment size, on SYNs.
    pub mss: Option<u16>,
    /// Shift of the sender's windows, on SYNs; above 14 it is read as 14 (RFC 7323 §2.3).
    pub window_scale: Option<u8>,
    /// The sender understands SACK, on SYNs.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamp: Option<Timestamp>,
    /// Blocks received out of order, each from its first octet to the one after its last.
    pub sack: ArrayVec<(SeqNum, SeqNum), 4>,
}

/// A parsed header: plain values, with the place of the text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
    /// Sequence number of the first octet, or of the SYN.
    pub seq: SeqNum,
    /// Acknowledgment number; counts only with [`Flags::ACK`].
    pub ack: SeqNum,
    /// Control bits.
    pub flags: Flags,
    /// Window as on the wire, unscaled.
    pub wnd: u16,
    /// Urgent pointer; counts only with [`Flags::URG`].
    pub urgent: u16,
    /// The options.
    pub options: Options,
    /// Octets of header and options: where the text begins.
    pub len: usize,
}

/// A header as it arrived, options not yet read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    fixed: &'a [u8; HEADER_LEN],
    options: &'a [u8],
}

impl<'a> View<'a> {
    /// Looks at the front of `segment`.
    ///
    /// # Errors
    /// Truncated, or an impossible data offset.
    #[inline]
    pub fn new(segment: &'a [u8]) -> Result<Self, DropReason> {
        let Some(fixed) = segment.first_chunk::<HEADER_LEN>() else { return Err(DropReason::TcpTruncated) };
        let options = segment.get(HEADER_LEN..usize::from(fixed[12] >> 4) * 4);
        Ok(Self { fixed, options: options.ok_or(DropReason::TcpDataOffset)? })
    }

    /// Octets of header and options: where the text begins.
    #[inline]
    pub fn header_len(self) -> usize {
        HEADER_LEN + self.options.len()
    }

    /// Source and destination, of which none may be zero.
    ///
    /// # Errors
    /// One is zero.
    #[inline]
    pub fn ports(self) -> Result<(u16, u16), DropReason> {
        let [s0, s1, d0, d1, ..] = *self.fixed;
        match (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])) {
            (0, _) | (_, 0) => Err(DropReason::TcpPortZero),
            ports => Ok(ports),
        }
    }

    /// Sequence and acknowledgment number.
    #[inline]
    pub fn numbers(self) -> (SeqNum, SeqNum) {
        let [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, ..] = *self.fixed;
        (SeqNum(u32::from_be_bytes([s0, s1, s2, s3])), SeqNum(u32::from_be_bytes([a0, a1, a2, a3])))
    }

    /// Control bits.
    #[inline]
    pub fn flags(self) -> Flags {
        Flags(self.fixed[13])
    }

    /// Window, unscaled, and urgent pointer.
    #[inline]
    pub fn window_and_urgent(self) -> (u16, u16) {
        let [.., w0, w1, _, _, u0, u1] = *self.fixed;
        (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([u0, u1]))
    }

    /// Reads the options into `options`, which are those of no option at all.
    ///
    /// # Errors
    /// One is malformed (RFC 9293 MUST-7).
    #[inline]
    pub fn read_options(self, options: &mut Options) -> Result<(), DropReason> {
        // What nearly every segment of a connection with timestamps carries, and nothing else.
        if let Some([kind, val, ecr]) = words(self.options)
            && u32::from_be_bytes(*kind) == TIMESTAMP
        {
            let (val, ecr) = (u32::from_be_bytes(*val), u32::from_be_bytes(*ecr));
            options.timestamp = Some(Timestamp { val, ecr });
            return Ok(());
        }
        if self.options.is_empty() { Ok(()) } else { read_more_options(self.options, options) }
    }
}

/// Reads the header at the front of `segment`. The checksum is the caller's business.
///
/// # Errors
/// The reason to drop the segment: truncated, impossible data offset, or a malformed option (RFC 9293 MUST-7).
pub fn parse(segment: &[u8]) -> Result<Header, DropReason> {
    let view = View::new(segment)?;
    let mut options = Options::default();
    view.read_options(&mut options)?;
    let (source, destination) = view.ports()?;
    let ((seq, ack), (wnd, urgent)) = (view.numbers(), view.window_and_urgent());
    Ok(Header {
        source,
        destination,
        seq,
        ack,
        flags: view.flags(),
        wnd,
        urgent,
        options,
        len: view.header_len(),
    })
}

/// Octets as words, when there are exactly so many.
#[inline]
fn words<const N: usize>(octets: &[u8]) -> Option<&[[u8; 4]; N]> {
    let (words, tail) = octets.as_chunks();
    if tail.is_empty() { words.try_into().ok() } else { None }
}

/// The options of nearly every SYN in five words, in the order of this stack or in that of Linux; and any others.
#[inline(never)]
fn read_more_options(octets: &[u8], options: &mut Options) -> Result<(), DropReason> {
    let Some(words) = words::<5>(octets) else { return parse_options(octets, options) };
    let [mss, second, third, fourth, fifth] = words.map(u32::from_be_bytes);
    let (shift, kind, val, ecr) = match third {
        SACK_AND_TIMESTAMP => (second, third, fourth, fifth),
        _ => (fifth, second, third, fourth),
    };
    if mss >> 16 != MSS || shift >> 8 != WINDOW_SCALE || kind != SACK_AND_TIMESTAMP {
        return parse_options(octets, options);
    }
    options.mss = Some((mss & 0xffff) as u16);
    options.window_scale = Some(((shift & 0xff) as u8).min(14));
    options.sack_permitted = true;
    options.timestamp = Some(Timestamp { val, ecr });
    Ok(())
}

/// Any options at all; out of the way of the usual ones.
/// Ledger: RFC 9293 MUST-4, MUST-5, MUST-6, MUST-64 [5482-3].
#[inline(never)]
fn parse_options(mut rest: &[u8], options: &mut Options) -> Result<(), DropReason> {
    while let Some((&kind, after)) = rest.split_first() {
        match kind {
            0 => break,
            1 => {
                rest = after;
                continue;
            }
            _ => {}
        }
        let len = usize::from(*after.first().ok_or(DropReason::TcpOptions)?);
        if len < 2 {
            return Err(DropReason::TcpOptions);
        }
        let body = rest.get(2..len).ok_or(DropReason::TcpOptions)?;
        parse_option(kind, body, options)?;
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(())
}

// Ledger: RFC 9293 MUST-7 [7323-4].
fn parse_option(kind: u8, body: &[u8], options: &mut Options) -> Result<(), DropReason> {
    match (kind, body) {
        (2, &[a, b]) => options.mss = Some(u16::from_be_bytes([a, b])),
        (3, &[shift]) => options.window_scale = Some(shift.min(14)),
        (4, &[]) => options.sack_permitted = true,
        (5, blocks) if !blocks.is_empty() && blocks.len().is_multiple_of(8) => {
            // The header has room for four; a fifth cannot come.
            for &[a, b, c, d, e, f, g, h] in blocks.as_chunks().0.iter().take(4) {
                let (left, right) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                options.sack.push((SeqNum(left), SeqNum(right)));
            }
        }
        (8, &[a, b, c, d, e, f, g, h]) => {
            options.timestamp = Some(Timestamp {
                val: u32::from_be_bytes([a, b, c, d]),
                ecr: u32::from_be_bytes([e, f, g, h]),
            });
        }
        (2..=5 | 8, _) => return Err(DropReason::TcpOptions),
        _ => {}
    }
    Ok(())
}

/// NOP, NOP, and kind and length of a timestamp.
pub(crate) const TIMESTAMP: u32 = 0x0101_080a;
/// That SACK is permitted, and kind and length of a timestamp.
const SACK_AND_TIMESTAMP: u32 = 0x0402_080a;
/// Kind and length of an MSS.
const MSS: u32 = 0x0204;
/// NOP, and kind and length of a window scale.
const WINDOW_SCALE: u32 = 0x01_0303;

impl Options {
    /// Octets they take on the wire, padded to whole words.
    pub fn wire_len(&self) -> usize {
        let mut len = 0;
        if self.mss.is_some() {
            len += 4;
        }
        if self.window_scale.is_some() {
            len += 4;
        }
        if self.timestamp.is_some() {
            len += 12;
        }
        if self.sack_permitted && self.timestamp.is_none() {
            len += 4;
        }
        if !self.sack.is_empty() {
            len += 4 + 8 * self.sack.len();
        }
        len
    }

    /// The words of what most segments carry, zeros behind them, and how many they are: all that a SYN may have,
    /// timestamps, or nothing. `None` where it is something else.
    #[inline]
    pub(crate) fn few_words(&self) -> Option<([u32; 5], usize)> {
        if !self.sack.is_empty() {
            return None;
        }
        match (self.mss, self.window_scale, self.sack_permitted, self.timestamp) {
            (Some(mss), Some(shift), true, Some(ts)) => {
                let (mss, shift) = (MSS << 16 | u32::from(mss), WINDOW_SCALE << 8 | u32::from(shift));
                Some(([mss, shift, SACK_AND_TIMESTAMP, ts.val, ts.ecr], 5))
            }
            (None, None, false, Some(ts)) => Some(([TIMESTAMP, ts.val, ts.ecr, 0, 0], 3)),
            (None, None, false, None) => Some(([0; 5], 0)),
            _ => None,
        }
    }

    /// The options as they stand on the wire, in words of 32 bits: at most 14.
    // Ledger: RFC 9293 MUST-4, MUST-68, MUST-69.
    pub(super) fn words(&self) -> ArrayVec<u32, 14> {
        let mut words = ArrayVec::new();
        if let Some(mss) = self.mss {
            words.push(MSS << 16 | u32::from(mss));
        }
        if let Some(shift) = self.window_scale {
            words.push(WINDOW_SCALE << 8 | u32::from(shift));
        }
        match (self.timestamp, self.sack_permitted) {
            (Some(ts), true) => words.extend([SACK_AND_TIMESTAMP, ts.val, ts.ecr]),
            (Some(ts), false) => words.extend([TIMESTAMP, ts.val, ts.ecr]),
            (None, true) => words.push(0x0101_0402),
            (None, false) => {}
        }
        if let Ok(count) = u8::try_from(self.sack.len())
            && count > 0
        {
            words.push(0x0101_0502 + 8 * u32::from(count));
            for (left, right) in &self.sack {
                words.extend([left.0, right.0]);
            }
        }
        words
    }
}

impl Header {
    /// The fixed words of a header of `len` octets: ports, sequence, acknowledgment, offset with flags and window, and
    /// the urgent pointer below a checksum of zero.
    #[inline]
    pub(super) fn words(&self, ports: u32, len: usize) -> [u32; 5] {
        // A header has at most 15 words.
        let offset = u8::try_from(len / 4).unwrap_or(15) & 15;
        let flags = u32::from(offset) << 28 | u32::from(self.flags.0) << 16 | u32::from(self.wnd);
        [ports, self.seq.0, self.ack.0, flags, u32::from(self.urgent)]
    }
}

/// Appends the header with `checksum` in its field to `out`. `header.len` is not read: the options decide it.
pub fn emit(header: &Header, checksum: u16, out: &mut HeaderBytes) {
    let options = header.options.words();
    let ports = u32::from(header.source) << 16 | u32::from(header.destination);
    let mut fixed = header.words(ports, HEADER_LEN + 4 * options.len());
    fixed[4] |= u32::from(checksum) << 16;
    for word in fixed.iter().chain(&options) {
        let fits = out.try_extend_from_slice(&word.to_be_bytes());
        debug_assert!(fits.is_ok(), "a header never exceeds 128 octets");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn header(options: Options) -> Header {
        let len = HEADER_LEN + options.wire_len();
        Header {
            source: 1,
            destination: 2,
            seq: SeqNum(3),
            ack: SeqNum(4),
            flags: Flags::SYN.with(Flags::ACK),
            wnd: 5,
            urgent: 6,
            options,
            len,
        }
    }

    #[test]
    fn every_combination_of_options_survives_the_wire() {
        for bits in 0u8..32 {
            let mut options = Options::default();
            if bits & 1 != 0 {
                options.mss = Some(1460);
            }
            if bits & 2 != 0 {
                options.window_scale = Some(7);
            }
            options.sack_permitted = bits & 4 != 0;
            if bits & 8 != 0 {
                options.timestamp = Some(Timestamp { val: 0x0102_0304, ecr: 0x0506_0708 });
            }
            if bits & 16 != 0 && bits & 4 == 0 {
                options.sack.push((SeqNum(10), SeqNum(20)));
                options.sack.push((SeqNum(30), SeqNum(40)));
            }
            let sent = header(options);
            let mut out = ArrayVec::new();
            emit(&sent, 0, &mut out);
            assert_eq!(out.len(), sent.len);
            assert_eq!(parse(&out), Ok(sent));
        }
    }

    #[test]
    fn linux_syn_has_the_options_of_ours_in_another_order() {
        let linux = [
            2u8, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3,
            15, // a scale that is too large
        ];
        let mut options = Options::default();
        assert_eq!(read_more_options(&linux, &mut options), Ok(()));
        let timestamp = Some(Timestamp { val: 0x0102_0304, ecr: 0 });
        let all = Options {
            mss: Some(1460),
            window_scale: Some(14),
            sack_permitted: true,
            timestamp,
            ..Options::default()
        };
        assert_eq!(options, all);
    }

    // requirement: 9293-MUST-7
    #[test]
    fn option_of_length_zero_or_beyond_the_header_is_malformed() {
        for bad in [[9u8, 0, 1, 1], [9, 1, 1, 1], [9, 5, 1, 1], [2, 3, 1, 1], [1, 1, 1, 9]] {
            let mut out = ArrayVec::new();
            emit(&header(Options::default()), 0, &mut out);
            out[12] = 6 << 4;
            out.try_extend_from_slice(&bad).unwrap();
            assert_eq!(parse(&out), Err(DropReason::TcpOptions), "{bad:?}");
        }
    }

    // requirement: 9293-MUST-6
    #[test]
    fn unknown_option_is_skipped() {
        let mut out = ArrayVec::new();
        emit(&header(Options::default()), 0, &mut out);
        out[12] = 7 << 4;
        out.try_extend_from_slice(&[254, 4, 9, 9, 2, 4, 5, 0xb4]).unwrap();
        assert_eq!(parse(&out).unwrap().options.mss, Some(1460));
    }

    #[test]
    fn data_offset_below_five_words_or_beyond_the_segment_is_refused() {
        let mut out = ArrayVec::new();
        emit(&header(Options::default()), 0, &mut out);
        out[12] = 4 << 4;
        assert_eq!(parse(&out), Err(DropReason::TcpDataOffset));
        out[12] = 6 << 4;
        assert_eq!(parse(&out), Err(DropReason::TcpDataOffset));
        assert_eq!(parse(&out[..19]), Err(DropReason::TcpTruncated));
    }

    proptest! {
        #[test]
        fn usual_options_read_in_words_are_those_read_one_by_one(
            places in proptest::collection::vec(0usize..7, 5),
            value in any::<u8>(),
        ) {
            let words = [
                [2, 4, 5, value], [1, 3, 3, value], [4, 2, 8, 10], [1, 1, 8, 10], [1, 1, 4, 2], [value, 2, 1, 1], [0; 4],
            ];
            let octets: Vec<u8> = places.iter().flat_map(|&place| words[place]).collect();
            let (mut fast, mut slow) = (Options::default(), Options::default());
            let outcome = read_more_options(&octets, &mut fast);
            prop_assert_eq!(outcome, parse_options(&octets, &mut slow));
            prop_assert_eq!(fast, slow);
        }

        #[test]
        fn arbitrary_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(header) = parse(&bytes) {
                prop_assert!(header.len >= HEADER_LEN && header.len <= bytes.len());
            }
        }
    }
}
