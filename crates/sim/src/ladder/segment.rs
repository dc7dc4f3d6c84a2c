//! A TCP segment as a person reads it.

use linger_proto::{FourTuple, SeqNum};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// The control bits, in the order in which they are printed.
const FLAGS: [(u8, &str); 8] = [
    (0x02, "SYN"),
    (0x01, "FIN"),
    (0x04, "RST"),
    (0x08, "PSH"),
    (0x20, "URG"),
    (0x40, "ECE"),
    (0x80, "CWR"),
    (0x10, "ACK"),
];

/// The header of one segment, and its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where it comes from and where it goes, seen from its sender.
    pub tuple: FourTuple,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; meaningless without [`Segment::ack_bit`].
    pub ack: SeqNum,
    /// The window field, unscaled.
    pub window: u16,
    bits: u8,
    /// Its options.
    pub options: SegmentOptions,
    /// Its text.
    pub text: Vec<u8>,
}

/// The options of a segment that this stack speaks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SegmentOptions {
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Shift of the window field.
    pub window_scale: Option<u8>,
    /// SACK-permitted.
    pub sack_permitted: bool,
    /// TSval and TSecr.
    pub timestamps: Option<(u32, u32)>,
    /// SACK blocks: left and right edge.
    pub sack: Vec<(SeqNum, SeqNum)>,
}

impl Segment {
    /// Reads a TCP segment out of an IP packet; `None` for anything else, and for a header that does not fit.
    pub fn decode(packet: &[u8]) -> Option<Self> {
        let (source, destination, transport) = ip(packet)?;
        let port = |at: usize| Some(u16::from_be_bytes([*transport.get(at)?, *transport.get(at + 1)?]));
        let word = |at: usize| Some(u32::from_be_bytes(transport.get(at..at + 4)?.try_into().ok()?));
        let header = usize::from(transport.get(12)? >> 4) * 4;
        Some(Self {
            tuple: FourTuple {
                local: SocketAddr::new(source, port(0)?),
                remote: SocketAddr::new(destination, port(2)?),
            },
            seq: SeqNum(word(4)?),
            ack: SeqNum(word(8)?),
            window: port(14)?,
            bits: *transport.get(13)?,
            options: SegmentOptions::decode(transport.get(20..header)?),
            text: transport.get(header..)?.to_vec(),
        })
    }

    const fn bit(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    /// SYN.
    pub const fn syn(&self) -> bool {
        self.bit(0x02)
    }

    /// FIN.
    pub const fn fin(&self) -> bool {
        self.bit(0x01)
    }

    /// RST.
    pub const fn rst(&self) -> bool {
        self.bit(0x04)
    }

    /// ACK.
    pub const fn ack_bit(&self) -> bool {
        self.bit(0x10)
    }

    /// Octets of sequence space: text, SYN and FIN.
    pub fn length(&self) -> u32 {
        let text = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        text + u32::from(self.syn()) + u32::from(self.fin())
    }

    /// The control bits that are set, as `SYN,ACK`.
    pub fn flags(&self) -> String {
        let set: Vec<&str> = FLAGS.iter().filter(|(bit, _)| self.bit(*bit)).map(|(_, name)| *name).collect();
        set.join(",")
    }

    /// The first line of an HTTP message, when the text begins with one.
    pub fn http_line(&self) -> Option<String> {
        let end = self.text.iter().position(|octet| *octet == b'\r')?;
        let line = std::str::from_utf8(&self.text[..end]).ok()?;
        let is_status = line.starts_with("HTTP/1.");
        let is_request = line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0");
        let printable = line.chars().all(|c| !c.is_control());
        ((is_status || is_request) && printable).then(|| line.to_owned())
    }
}

impl SegmentOptions {
    fn decode(mut rest: &[u8]) -> Self {
        let mut options = Self::default();
        while let Some((kind, after)) = rest.split_first() {
            match kind {
                0 => break,
                1 => rest = after,
                kind => {
                    let Some(length) = after.first().map(|length| usize::from(*length)) else { break };
                    let (Some(value), Some(next)) = (rest.get(2..length), rest.get(length..)) else { break };
                    options.take(*kind, value);
                    rest = next;
                }
            }
        }
        options
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        let words = || value.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]));
        match (kind, value) {
            (2, [high, low]) => self.mss = Some(u16::from_be_bytes([*high, *low])),
            (3, [shift]) => self.window_scale = Some(*shift),
            (4, []) => self.sack_permitted = true,
            (5, _) => {
                let edges: Vec<SeqNum> = words().map(SeqNum).collect();
                self.sack = edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            }
            (8, _) => {
                let mut words = words();
                self.timestamps = words.next().zip(words.next());
            }
            _ => {}
        }
    }

    /// What a SYN offers, as `mss 1460 ws 7 sackOK ts`.
    pub fn offered(&self) -> String {
        let mut text = String::new();
        if let Some(mss) = self.mss {
            let _ = write!(text, " mss {mss}");
        }
        if let Some(shift) = self.window_scale {
            let _ = write!(text, " ws {shift}");
        }
        if self.sack_permitted {
            text.push_str(" sackOK");
        }
        if self.timestamps.is_some() {
            text.push_str(" ts");
        }
        text.trim_start().to_owned()
    }
}

/// Source, destination and TCP segment of an unfragmented packet without extension headers.
fn ip(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let total = |at: usize| Some(usize::from(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?])));
    match packet.first()? >> 4 {
        4 if *packet.get(9)? == 6 => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
            Some((address(12)?, address(16)?, packet.get(header..total(2)?)?))
        }
        6 if *packet.get(6)? == 6 => {
            let address =
                |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
            Some((address(8)?, address(24)?, packet.get(40..40 + total(4)?)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Segment, SegmentOptions};
    use linger_proto::SeqNum;

    /// SYN,ACK from 10.0.0.2:80 to 10.0.0.1:1024 with MSS, SACK-permitted, timestamps and window scale.
    fn syn_ack() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
        packet.extend([0, 80, 4, 0, 0, 0, 0, 9, 0, 0, 0, 5, 0xa0, 0x12, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend([2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7]);
        packet
    }

    #[test]
    fn syn_ack_is_read_with_its_options() {
        let segment = Segment::decode(&syn_ack()).expect("a TCP segment");
        assert_eq!((segment.flags().as_str(), segment.length()), ("SYN,ACK", 1));
        assert_eq!((segment.seq, segment.ack, segment.window), (SeqNum(9), SeqNum(5), 65_535));
        assert_eq!(segment.tuple.local.to_string(), "10.0.0.2:80");
        assert_eq!(segment.options.timestamps, Some((1, 2)));
        assert_eq!(segment.options.offered(), "mss 1460 ws 7 sackOK ts");
    }

    #[test]
    fn no_prefix_of_a_packet_panics() {
        let packet = syn_ack();
        for length in 0..packet.len() {
            assert_eq!(Segment::decode(&packet[..length]), None, "the length field names more than {length}");
        }
    }

    #[test]
    fn malformed_options_end_the_list() {
        for bad in [&[2u8][..], &[2, 0], &[2, 1, 1], &[8, 10, 1], &[5, 255]] {
            assert_eq!(SegmentOptions::decode(bad), SegmentOptions::default(), "{bad:?}");
        }
    }

    #[test]
    fn http_lines_are_recognized_and_other_text_is_not() {
        let mut segment = Segment::decode(&syn_ack()).expect("a TCP segment");
        for (text, line) in [
            ("GET / HTTP/1.1\r\nhost: x\r\n", Some("GET / HTTP/1.1")),
            ("HTTP/1.1 200 OK\r\n", Some("HTTP/1.1 200 OK")),
            ("hello\r\n", None),
            ("GET / HTTP/1.1", None),
        ] {
            segment.text = text.as_bytes().to_vec();
            assert_eq!(segment.http_line().as_deref(), line);
        }
    }
}
