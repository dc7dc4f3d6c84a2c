//! What went over a link as the kernel saw it: a capture by dumpcap, which comes with tshark.

use crate::content::Folder;
use crate::{Namespace, Running, wait};
use pcap_file::pcapng::{Block, PcapNgReader};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Segments that open or reset, and no others: few enough to be captured without loss at any speed.
pub const SYN_OR_RST: &str = "tcp[13] & 6 != 0 or (ip6[6] = 6 and ip6[53] & 6 != 0)";
/// Segments that end: FIN and RST.
pub const FIN_OR_RST: &str = "tcp[13] & 5 != 0 or (ip6[6] = 6 and ip6[53] & 5 != 0)";
/// Every TCP segment.
pub const TCP: &str = "tcp";

const FIN_BIT: u8 = 0x01;
const SYN_BIT: u8 = 0x02;
const RST_BIT: u8 = 0x04;
const ACK_BIT: u8 = 0x10;

/// A capture that is running.
#[derive(Debug)]
pub struct Capture {
    interface: String,
    dumpcap: Running,
    folder: Folder,
}

/// One TCP segment, or one super-segment that the device was to cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK.
    pub ack: u32,
    /// Octets of text.
    pub text: usize,
    flags: u8,
}

impl Seen {
    /// Whether FIN is set.
    #[must_use]
    pub fn fin(&self) -> bool {
        self.flags & FIN_BIT != 0
    }

    /// Whether SYN is set and ACK is not.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.flags & (SYN_BIT | ACK_BIT) == SYN_BIT
    }

    /// Whether RST is set.
    #[must_use]
    pub fn rst(&self) -> bool {
        self.flags & RST_BIT != 0
    }

    /// Whether it carries nothing but an acknowledgment.
    #[must_use]
    pub fn is_pure_ack(&self) -> bool {
        self.text == 0 && self.flags & (FIN_BIT | SYN_BIT | RST_BIT | ACK_BIT) == ACK_BIT
    }
}

impl Capture {
    /// Begins to capture what `filter` lets through on `interface`.
    ///
    /// # Panics
    ///
    /// When dumpcap does not start.
    #[must_use]
    pub fn start(namespace: &Namespace, interface: &str, filter: &str) -> Self {
        crate::require("dumpcap");
        let folder = Folder::new();
        let file = folder.file("capture.pcapng");
        // 128 octets hold the headers; 64 MiB of kernel buffer hold several seconds of them.
        let arguments = ["-q", "-i", interface, "-s", "128", "-B", "64", "-f", filter, "-w", &file];
        let mut dumpcap = namespace.spawn("dumpcap", &arguments);
        dumpcap.wait_for_line("File:", Duration::from_secs(10));
        Self { interface: interface.to_owned(), dumpcap, folder }
    }

    /// Ends the capture and returns what it holds.
    ///
    /// # Panics
    ///
    /// When the kernel dropped packets: the capture would prove nothing.
    #[must_use]
    pub fn stop(self) -> Vec<Seen> {
        // The kernel hands its last buffer over after a while of its own choosing.
        wait::pass(Duration::from_millis(400));
        self.dumpcap.interrupt();
        let output = self.dumpcap.finish(Duration::from_secs(20)).output;
        let summary = format!("received/dropped on interface '{}': ", self.interface);
        let counts = output.split(&summary).nth(1).and_then(|rest| rest.split_whitespace().next());
        let dropped = counts.and_then(|counts| counts.split('/').nth(1));
        assert_eq!(dropped, Some("0"), "the capture has holes: {output}");
        read(&self.folder.file("capture.pcapng"))
    }
}

/// The TCP segments of a capture of IP packets.
///
/// # Panics
///
/// When the file is not pcapng.
#[must_use]
pub fn read(path: &str) -> Vec<Seen> {
    let file = File::open(path).expect("the capture exists");
    let mut reader = PcapNgReader::new(BufReader::new(file)).expect("the capture is pcapng");
    let mut seen = Vec::new();
    while let Some(block) = reader.next_block() {
        if let (Block::EnhancedPacket(packet), _) = block.expect("the capture is whole") {
            seen.extend(segment(&packet.data));
        }
    }
    seen
}

/// SYNs that were sent more than once.
#[must_use]
pub fn syns_sent_again(seen: &[Seen]) -> Vec<Seen> {
    let mut times = HashMap::new();
    let again = |syn: &&Seen| {
        let count = times.entry((syn.from, syn.to, syn.seq)).or_insert(0);
        *count += 1;
        *count == 2
    };
    seen.iter().filter(|segment| segment.opens()).filter(again).copied().collect()
}

/// Segments with RST.
#[must_use]
pub fn resets(seen: &[Seen]) -> Vec<Seen> {
    seen.iter().filter(|segment| segment.rst()).copied().collect()
}

/// Segments with RST on connections that were not over: at least one side had not sent its FIN. A stray that arrives
/// where the connection was forgotten in order draws an RST too (RFC 9293 §3.10.7.1), and resets nothing.
#[must_use]
pub fn resets_of_open_connections(seen: &[Seen]) -> Vec<Seen> {
    let mut closed = HashSet::new();
    let mut resets = Vec::new();
    for segment in seen {
        if segment.fin() {
            closed.insert((segment.from, segment.to));
        }
        let over =
            [(segment.from, segment.to), (segment.to, segment.from)].iter().all(|way| closed.contains(way));
        if segment.rst() && !over {
            resets.push(*segment);
        }
    }
    resets
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Reads the headers by hand, so that linger's own decoding is not its own witness.
fn segment(packet: &[u8]) -> Option<Seen> {
    let (protocol, header, length, addresses): (u8, usize, usize, [IpAddr; 2]) = match packet.first()? >> 4 {
        4 => {
            let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from_bits(u32_at(packet, at)?)));
            let header = usize::from(packet.first()? & 15) * 4;
            (*packet.get(9)?, header, u16_at(packet, 2)?.into(), [address(12)?, address(16)?])
        }
        6 => {
            let address = |at: usize| {
                let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(IpAddr::V6(Ipv6Addr::from(octets)))
            };
            (*packet.get(6)?, 40, usize::from(u16_at(packet, 4)?) + 40, [address(8)?, address(24)?])
        }
        _ => return None,
    };
    let tcp = packet.get(header..).filter(|_| protocol == 6)?;
    let [from, to] = addresses;
    let offset = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Seen {
        from: SocketAddr::new(from, u16_at(tcp, 0)?),
        to: SocketAddr::new(to, u16_at(tcp, 2)?),
        seq: u32_at(tcp, 4)?,
        ack: u32_at(tcp, 8)?,
        text: length.checked_sub(header + offset)?,
        flags: *tcp.get(13)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 header and a TCP header of 20 octets each, from port 1 to port 2.
    fn packet(flags: u8, seq: u8, text: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40 + text, 0, 0, 0, 0, 64, 6, 0, 0, 10, 7, 0, 1, 10, 7, 0, 2];
        packet.extend([0, 1, 0, 2, 0, 0, 0, seq, 0, 0, 0, 9, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        packet
    }

    #[test]
    fn segments_are_read_with_their_text_length_though_the_text_is_cut_off() {
        let seen = segment(&packet(ACK_BIT, 5, 100)).expect("a segment");
        assert_eq!((seen.seq, seen.ack, seen.text), (5, 9, 100));
        assert_eq!((seen.from.to_string(), seen.to.to_string()), ("10.7.0.1:1".into(), "10.7.0.2:2".into()));
        assert!(
            !seen.is_pure_ack() && segment(&packet(ACK_BIT, 5, 0)).is_some_and(|seen| seen.is_pure_ack())
        );
    }

    #[test]
    fn reset_after_both_fins_is_told_from_one_before() {
        let fin = segment(&packet(FIN_BIT | ACK_BIT, 1, 0)).expect("a segment");
        let rst = segment(&packet(RST_BIT, 1, 0)).expect("a segment");
        let back = |seen: Seen| Seen { from: seen.to, to: seen.from, ..seen };
        assert_eq!(resets_of_open_connections(&[fin, rst]), [rst]);
        assert_eq!(resets_of_open_connections(&[fin, back(fin), rst, back(rst)]), []);
        assert_eq!(resets(&[fin, back(fin), rst]), [rst]);
    }

    #[test]
    fn syn_sent_again_is_told_once_and_a_new_one_is_not() {
        let syn = |seq| segment(&packet(SYN_BIT, seq, 0)).expect("a segment");
        assert_eq!(syns_sent_again(&[syn(1), syn(2), syn(1), syn(1)]), [syn(1)]);
        assert_eq!(syns_sent_again(&[syn(1), syn(2)]), []);
    }
}
