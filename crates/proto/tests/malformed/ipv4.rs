//! The IPv4 header and its options.

use super::support::{Answer, Family, V4, icmp, resum, udp};
use super::{Case, bad};
use linger_proto::DropReason;
use std::net::IpAddr;

const PROTOCOL_UNREACHABLE: Option<Answer> = Some(Answer::Icmp(3, 2));

fn good() -> Vec<u8> {
    V4 { protocol: 17, ..V4::default() }.packet(&udp(Family::V4, 53, b"question"))
}

/// The good packet with the octets from `at` on replaced, header checksum right.
fn patched(at: usize, octets: &[u8]) -> Vec<u8> {
    let mut packet = good();
    packet[at..at + octets.len()].copy_from_slice(octets);
    resum(&mut packet);
    packet
}

fn with_options(options: &[u8]) -> Vec<u8> {
    V4 { protocol: 17, options, ..V4::default() }.packet(&udp(Family::V4, 53, b"question"))
}

fn header() -> Vec<Case> {
    use DropReason::{IpHeaderChecksum, IpHeaderLength, IpTotalLength, IpTruncated, IpVersion};
    let mut cases = vec![
        bad("a frame without an octet", IpTruncated, None, Vec::new()),
        bad("IPv4: one octet", IpTruncated, None, vec![0x45]),
        bad("IPv4: 19 octets", IpTruncated, None, good()[..19].to_vec()),
        bad("IPv4: header length of 0 words", IpHeaderLength, None, patched(0, &[0x40])),
        bad("IPv4: header length of 4 words", IpHeaderLength, None, patched(0, &[0x44])),
        bad("IPv4: header longer than the packet", IpHeaderLength, None, patched(0, &[0x4f])),
        bad("IPv4: total length 0", IpTotalLength, None, patched(2, &[0, 0])),
        bad("IPv4: total length below the header", IpTotalLength, None, patched(2, &[0, 19])),
        bad("IPv4: total length beyond the frame", IpTotalLength, None, patched(2, &[0, 37])),
        bad("IPv4: total length of 65,535", IpTotalLength, None, patched(2, &[0xff, 0xff])),
        bad("IPv4: cut short behind the header", IpTotalLength, None, good()[..20].to_vec()),
    ];
    let mut options_cut = with_options(&[1, 1, 1, 1]);
    options_cut[2..4].copy_from_slice(&[0, 20]);
    resum(&mut options_cut);
    cases.push(bad("IPv4: total length ends within the options", IpTotalLength, None, options_cut));
    for version in [0, 1, 5, 7, 15u8] {
        let name = format!("IP version {version}");
        cases.push(bad(name, IpVersion, None, patched(0, &[version << 4 | 5])));
    }
    for (at, name) in [(10, "checksum"), (8, "TTL"), (1, "service"), (4, "identification")] {
        let mut packet = good();
        packet[at] ^= 0x10;
        cases.push(bad(format!("IPv4: a bit of the {name} flipped"), IpHeaderChecksum, None, packet));
    }
    let mut packet = good();
    packet[10..12].fill(0);
    cases.push(bad("IPv4: no header checksum", IpHeaderChecksum, None, packet));
    cases
}

fn options() -> Vec<Case> {
    use DropReason::{ExtensionHeader, IpHeaderLength};
    vec![
        bad("IPv4 option of length 0", IpHeaderLength, None, with_options(&[7, 0, 0, 0])),
        bad("IPv4 option of length 1", IpHeaderLength, None, with_options(&[7, 1, 0, 0])),
        bad("IPv4 option beyond the header", IpHeaderLength, None, with_options(&[7, 5, 4, 0])),
        bad("IPv4 option without a length", IpHeaderLength, None, with_options(&[1, 1, 1, 7])),
        bad("IPv4 loose source route", ExtensionHeader, None, with_options(&[131, 7, 4, 10, 7, 0, 9, 0])),
        bad("IPv4 strict source route", ExtensionHeader, None, with_options(&[1, 137, 7, 4, 10, 7, 0, 9])),
    ]
}

fn addresses() -> Vec<Case> {
    let mut cases = Vec::new();
    for source in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "10.7.0.255",
        "10.7.0.2",
    ] {
        let packet = V4 { protocol: 1, source: source.parse::<IpAddr>().unwrap(), ..V4::default() }
            .packet(&icmp(Family::V4, 8, 0, 1, b"echo"));
        cases.push(bad(format!("IPv4 from {source}"), DropReason::IpSource, None, packet));
    }
    for destination in
        ["10.7.0.3", "10.7.0.255", "10.7.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", "0.0.0.0"]
    {
        for (protocol, name) in [(1, "echo request"), (6, "SYN"), (17, "datagram"), (200, "unknown protocol")]
        {
            let destination: IpAddr = destination.parse().unwrap();
            let payload = match protocol {
                1 => icmp(Family::V4, 8, 0, 1, b"echo"),
                17 => udp(Family::V4, 9, b"to a closed port"),
                _ => [0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0].to_vec(),
            };
            let mut packet = V4 { protocol, destination, ..V4::default() }.packet(&payload);
            resum(&mut packet);
            cases.push(bad(format!("IPv4 {name} to {destination}"), DropReason::NotForUs, None, packet));
        }
    }
    cases
}

fn protocols() -> Vec<Case> {
    let mut cases = Vec::new();
    for protocol in [0, 2, 4, 41, 47, 50, 59, 132, 255] {
        let packet = V4 { protocol, ..V4::default() }.packet(&[0; 8]);
        let name = format!("IPv4 protocol {protocol}");
        cases.push(bad(name, DropReason::UnknownProtocol, PROTOCOL_UNREACHABLE, packet));
    }
    let packet = V4 { protocol: 200, ..V4::default() }.packet(&[]);
    cases.push(bad("IPv4 protocol 200, empty", DropReason::UnknownProtocol, PROTOCOL_UNREACHABLE, packet));
    // Not answered: it would be the answer to what might be an error.
    let packet = V4 { protocol: 58, ..V4::default() }.packet(&icmp(Family::V6, 128, 0, 1, b""));
    cases.push(bad("ICMPv6 over IPv4", DropReason::UnknownProtocol, None, packet));
    cases
}

pub(crate) fn cases() -> Vec<Case> {
    [header(), options(), addresses(), protocols()].into_iter().flatten().collect()
}
