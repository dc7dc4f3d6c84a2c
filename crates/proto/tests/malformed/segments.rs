//! The TCP header, its options, and segments that nobody waits for.

use super::support::{Answer, Family, Peer, Rig, resum};
use super::{Case, RST, RST_ACK, bad, when};
use linger_proto::wire::tcp::{Flags, Header, Options};
use linger_proto::{DropReason, HostConfig, ListenConfig};
use std::time::Duration;

const TCP: u8 = 6;

/// A segment with these raw options, padded to whole words with "end of option list".
fn with_options(family: Family, options: &[u8]) -> Vec<u8> {
    let words = options.len().div_ceil(4);
    let mut segment = Peer::new(family, 4000, false).segment(Flags::SYN, b"");
    let at = segment.len() - 20;
    let mut segment: Vec<u8> = segment.drain(at..).collect();
    segment[12] = u8::try_from(5 + words).unwrap() << 4;
    segment.extend_from_slice(options);
    segment.resize(20 + 4 * words, 0);
    let mut packet = family.packet(TCP, &segment);
    resum(&mut packet);
    packet
}

/// The SYN of a good handshake with the octets from `at` on replaced; `length` octets of it.
fn patched(family: Family, at: usize, octets: &[u8], length: usize) -> Vec<u8> {
    let whole = Peer::new(family, 4000, false).segment(Flags::SYN, b"");
    let mut segment = whole[whole.len() - 20..].to_vec();
    segment[at..at + octets.len()].copy_from_slice(octets);
    segment.truncate(length);
    let mut packet = family.packet(TCP, &segment);
    resum(&mut packet);
    packet
}

fn header(family: Family) -> Vec<Case> {
    use DropReason::{TcpChecksum, TcpDataOffset, TcpPortZero, TcpTruncated};
    let name = |what: &str| format!("TCP over {family:?}: {what}");
    let mut cases = vec![
        bad(name("19 octets"), TcpTruncated, None, patched(family, 0, &[], 19)),
        bad(name("18 octets"), TcpTruncated, None, patched(family, 0, &[], 18)),
        bad(name("data offset of 0 words"), TcpDataOffset, None, patched(family, 12, &[0], 20)),
        bad(name("data offset of 4 words"), TcpDataOffset, None, patched(family, 12, &[0x40], 20)),
        bad(name("data offset beyond the segment"), TcpDataOffset, None, patched(family, 12, &[0x60], 20)),
        bad(name("data offset of 15 words"), TcpDataOffset, None, patched(family, 12, &[0xf0], 20)),
        bad(name("from port 0"), TcpPortZero, None, patched(family, 0, &[0, 0], 20)),
        bad(name("to port 0"), TcpPortZero, None, patched(family, 2, &[0, 0], 20)),
        bad(name("nothing"), TcpChecksum, None, family.packet(TCP, &[])),
        bad(name("one octet"), TcpChecksum, None, family.packet(TCP, &[1])),
    ];
    for at in [0, 2, 4, 8, 13, 14, 16, 18] {
        let whole = Peer::new(family, 4000, false).segment(Flags::SYN, b"");
        let mut packet = whole.clone();
        let at_segment = whole.len() - 20 + at;
        packet[at_segment] ^= 0x08;
        cases.push(bad(name(&format!("a bit of octet {at} flipped")), TcpChecksum, None, packet));
    }
    let mut padded_over = Peer::new(family, 4000, false).segment(Flags::SYN, b"text");
    let end = padded_over.len();
    padded_over[end - 1] ^= 1;
    cases.push(bad(name("a bit of the text flipped"), TcpChecksum, None, padded_over));
    cases
}

fn options(family: Family) -> Vec<Case> {
    let wrong: [(&str, &[u8]); 16] = [
        ("option of length 0", &[253, 0, 1, 1]),
        ("option of length 1", &[253, 1, 1, 1]),
        ("option beyond the header", &[253, 5, 1, 1]),
        ("option of length 255", &[253, 255, 1, 1]),
        ("option without a length", &[1, 1, 1, 253]),
        ("MSS of three octets", &[2, 3, 5, 1]),
        ("MSS of two octets", &[2, 2, 1, 1]),
        ("MSS of five octets", &[2, 5, 5, 0xb4, 0, 1, 1, 1]),
        ("window scale of two octets", &[3, 2, 1, 1]),
        ("window scale of four octets", &[3, 4, 7, 7]),
        ("SACK-permitted of three octets", &[4, 3, 1, 1]),
        ("SACK without a block", &[5, 2, 1, 1]),
        ("SACK with half a block", &[5, 6, 0, 0, 0, 1, 1, 1]),
        ("timestamps of nine octets", &[8, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1]),
        ("timestamps of two octets", &[8, 2, 1, 1]),
        ("timestamps of eleven octets", &[8, 11, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1]),
    ];
    let case = |(what, octets): (&str, &[u8])| {
        let name = format!("TCP over {family:?}: {what}");
        bad(name, DropReason::TcpOptions, None, with_options(family, octets))
    };
    wrong.into_iter().map(case).collect()
}

/// The control bits of the classic port scans, at a port where nobody is and at one where somebody listens.
fn scans(family: Family) -> Vec<Case> {
    use DropReason::{NoConnection, NotASyn};
    let syn_ack = Flags::SYN.with(Flags::ACK);
    let xmas = Flags::FIN.with(Flags::URG).with(Flags::PSH);
    let all = Flags(0xff);
    let scans: [(&str, Flags, Option<Answer>, Option<Answer>); 9] = [
        ("no flags", Flags(0), RST_ACK, None),
        ("FIN", Flags::FIN, RST_ACK, None),
        ("FIN, URG, PSH", xmas, RST_ACK, None),
        ("ACK", Flags::ACK, RST, RST),
        ("FIN, ACK", Flags::FIN.with(Flags::ACK), RST, RST),
        ("SYN, ACK", syn_ack, RST, RST),
        ("RST", Flags::RST, None, None),
        ("RST, ACK", Flags::RST.with(Flags::ACK), None, None),
        ("every flag", all, None, None),
    ];
    let mut cases = Vec::new();
    for (what, flags, closed, listening) in scans {
        for (port, reason, answer) in [(81, NoConnection, closed), (80, NotASyn, listening)] {
            let mut stranger = Peer::new(family, 4000, false);
            stranger.host_port = port;
            let name = format!("TCP over {family:?}: {what} to port {port}");
            cases.push(bad(name, reason, answer, stranger.segment(flags, b"")));
            let name = format!("TCP over {family:?}: {what} and text to port {port}");
            cases.push(bad(name, reason, answer, stranger.segment(flags, b"text")));
        }
    }
    let mut stranger = Peer::new(family, 4000, true);
    stranger.host_port = 81;
    let options = Options { mss: Some(1460), ..Options::default() };
    let syn = Header { options, ..stranger.header(Flags::SYN) };
    let name = format!("TCP over {family:?}: SYN to port 81");
    cases.push(bad(name, NoConnection, RST_ACK, stranger.packet(&syn, b"")));
    for (port, flags) in [(80, Flags::ACK), (81, Flags::FIN.with(Flags::ACK)), (81, Flags::SYN)] {
        let name = format!("TCP over {family:?}: {flags:?} to port {port} in the quiet time");
        cases.push(when(name, DropReason::QuietTime, None, move |rig| {
            let quiet_time = Duration::from_secs(3600);
            *rig = Rig::with(HostConfig { quiet_time, ..HostConfig::default() }, ListenConfig::default());
            let mut stranger = Peer::new(family, 4000, false);
            stranger.host_port = port;
            stranger.segment(flags, b"")
        }));
    }
    cases
}

pub(crate) fn cases() -> Vec<Case> {
    Family::BOTH
        .into_iter()
        .flat_map(|family| [header(family), options(family), scans(family)])
        .flatten()
        .collect()
}
