//! The IPv6 header and its extension headers.

use super::support::{Answer, Family, V6, extension, fragment_v6, icmp, resum, udp};
use super::{Case, bad};
use linger_proto::DropReason;
use std::net::IpAddr;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

const ERRONEOUS_FIELD: Option<Answer> = Some(Answer::Icmp(4, 0));
const UNKNOWN_NEXT_HEADER: Option<Answer> = Some(Answer::Icmp(4, 1));
const UNKNOWN_OPTION: Option<Answer> = Some(Answer::Icmp(4, 2));
const INCOMPLETE_CHAIN: Option<Answer> = Some(Answer::Icmp(4, 3));

fn question() -> Vec<u8> {
    udp(Family::V6, 53, b"question")
}

fn packet(next_header: u8, parts: &[&[u8]]) -> Vec<u8> {
    V6 { next_header, ..V6::default() }.packet(&parts.concat())
}

fn header() -> Vec<Case> {
    use DropReason::{IpTotalLength, IpTruncated};
    let good = packet(UDP, &[&question()]);
    let mut beyond = good.clone();
    beyond[5] += 1;
    let mut full = good.clone();
    full[4..6].fill(0xff);
    vec![
        bad("IPv6: one octet", IpTruncated, None, vec![0x60]),
        bad("IPv6: 39 octets", IpTruncated, None, good[..39].to_vec()),
        bad("IPv6: payload length beyond the frame", IpTotalLength, None, beyond),
        bad("IPv6: payload length of 65,535", IpTotalLength, None, full),
        bad("IPv6: cut short behind the header", IpTotalLength, None, good[..40].to_vec()),
    ]
}

fn addresses() -> Vec<Case> {
    let mut cases = Vec::new();
    for source in ["::", "::1", "ff02::1", "ff0e::1", "::ffff:10.7.0.1", "fd07::2"] {
        let source: IpAddr = source.parse().unwrap();
        let mut packet =
            V6 { next_header: ICMPV6, source, ..V6::default() }.packet(&icmp(Family::V6, 128, 0, 1, b"echo"));
        resum(&mut packet);
        cases.push(bad(format!("IPv6 from {source}"), DropReason::IpSource, None, packet));
    }
    for destination in ["fd07::3", "fd07::", "::", "::1", "ff02::1", "ff0e::1", "::ffff:10.7.0.2"] {
        let destination: IpAddr = destination.parse().unwrap();
        for (next_header, name) in [(ICMPV6, "echo request"), (UDP, "datagram"), (200, "unknown protocol")] {
            let payload = match next_header {
                ICMPV6 => icmp(Family::V6, 128, 0, 1, b"echo"),
                _ => udp(Family::V6, 9, b"to a closed port"),
            };
            let mut packet = V6 { next_header, destination, ..V6::default() }.packet(&payload);
            resum(&mut packet);
            cases.push(bad(format!("IPv6 {name} to {destination}"), DropReason::NotForUs, None, packet));
        }
    }
    cases
}

/// Each kind of options header, wrong in each way.
fn options() -> Vec<Case> {
    let question = question();
    let mut cases = Vec::new();
    for (kind, name) in [(HOP_BY_HOP, "hop-by-hop"), (DESTINATION, "destination")] {
        let with = |body: &[u8]| packet(kind, &[&extension(UDP, body), &question]);
        let mut add = |what: &str, answer, packet: Vec<u8>| {
            cases.push(bad(format!("{name} options: {what}"), DropReason::ExtensionHeader, answer, packet));
        };
        add("nothing there", None, packet(kind, &[]));
        add("one octet", None, packet(kind, &[&[UDP]]));
        add("seven octets", None, packet(kind, &[&[UDP, 0, 1, 3, 0, 0, 0]]));
        add("longer than the packet", None, packet(kind, &[&[UDP, 255, 1, 4, 0, 0, 0, 0], &question]));
        add("an option longer than the header", None, with(&[1, 5, 0, 0, 0, 0]));
        add("an option without a length", None, with(&[0, 0, 0, 0, 0, 1]));
        add("unknown, discard", None, with(&[0x40, 4, 0, 0, 0, 0]));
        add("unknown, discard and report", UNKNOWN_OPTION, with(&[0x80, 4, 0, 0, 0, 0]));
        add("unknown, report unless multicast", UNKNOWN_OPTION, with(&[0xc0, 4, 0, 0, 0, 0]));
        add("unknown behind padding", UNKNOWN_OPTION, with(&[0, 0, 1, 0, 0x81, 0]));
        add("jumbo payload", UNKNOWN_OPTION, with(&[0xc2, 4, 0, 1, 0, 0]));
    }
    cases
}

fn chains() -> Vec<Case> {
    use DropReason::ExtensionHeader;
    let question = question();
    let padding = |next| extension(next, &[1, 4, 0, 0, 0, 0]);
    let error = icmp(Family::V6, 1, 4, 0, &packet(UDP, &[&question]));
    let mut nine = Vec::new();
    for _ in 0..9 {
        nine.extend(padding(DESTINATION));
    }
    let whole = fragment_v6(UDP, 1, 0, false);
    vec![
        bad(
            "hop-by-hop options behind destination options",
            ExtensionHeader,
            UNKNOWN_NEXT_HEADER,
            packet(DESTINATION, &[&padding(HOP_BY_HOP), &padding(UDP), &question]),
        ),
        bad(
            "hop-by-hop options twice",
            ExtensionHeader,
            UNKNOWN_NEXT_HEADER,
            packet(HOP_BY_HOP, &[&padding(HOP_BY_HOP), &padding(UDP), &question]),
        ),
        bad(
            "routing type 0 without segments left",
            ExtensionHeader,
            None,
            packet(ROUTING, &[&extension(UDP, &[0, 0, 0, 0, 0, 0]), &question]),
        ),
        bad(
            "routing type 0 with a segment left",
            ExtensionHeader,
            ERRONEOUS_FIELD,
            packet(ROUTING, &[&extension(UDP, &[0, 1, 0, 0, 0, 0]), &question]),
        ),
        bad(
            "segment routing with a segment left",
            ExtensionHeader,
            ERRONEOUS_FIELD,
            packet(ROUTING, &[&extension(UDP, &[4, 1, 0, 0, 0, 0]), &question]),
        ),
        bad("routing header of one octet", ExtensionHeader, None, packet(ROUTING, &[&[UDP]])),
        bad("nine extension headers", ExtensionHeader, None, packet(DESTINATION, &[&nine, &question])),
        bad("fragment header of four octets", ExtensionHeader, None, packet(FRAGMENT, &[&whole[..4]])),
        bad("fragment header of seven octets", ExtensionHeader, None, packet(FRAGMENT, &[&whole[..7]])),
        bad(
            "an error about which no error may be sent",
            ExtensionHeader,
            None,
            packet(DESTINATION, &[&extension(ICMPV6, &[0x80, 4, 0, 0, 0, 0]), &error]),
        ),
        bad(
            "first fragment that ends within the chain",
            ExtensionHeader,
            INCOMPLETE_CHAIN,
            packet(FRAGMENT, &[&fragment_v6(DESTINATION, 1, 0, true), &[UDP, 1, 1, 12, 0, 0, 0, 0]]),
        ),
        bad(
            "first fragment that ends where the transport header begins",
            ExtensionHeader,
            INCOMPLETE_CHAIN,
            packet(FRAGMENT, &[&fragment_v6(DESTINATION, 1, 0, true), &padding(UDP)]),
        ),
        bad(
            "fragment within a fragment",
            ExtensionHeader,
            None,
            packet(FRAGMENT, &[&fragment_v6(FRAGMENT, 1, 0, true), &fragment_v6(UDP, 2, 0, true), &[0; 8]]),
        ),
    ]
}

fn protocols() -> Vec<Case> {
    use DropReason::UnknownProtocol;
    let padding = extension(200, &[1, 4, 0, 0, 0, 0]);
    let mut cases = vec![
        bad(
            "unknown next header behind an extension header",
            UnknownProtocol,
            UNKNOWN_NEXT_HEADER,
            packet(DESTINATION, &[&padding, &[0; 8]]),
        ),
        bad("no next header", UnknownProtocol, None, packet(59, &[])),
        bad("no next header, and octets all the same", UnknownProtocol, None, packet(59, &[&[0; 8]])),
        bad("ICMP over IPv6", UnknownProtocol, None, packet(1, &[&icmp(Family::V4, 8, 0, 1, b"echo")])),
    ];
    for next_header in [2, 4, 41, 50, 51, 132, 135, 139, 255] {
        let name = format!("IPv6 next header {next_header}");
        cases.push(bad(name, UnknownProtocol, UNKNOWN_NEXT_HEADER, packet(next_header, &[&[0; 8]])));
    }
    cases
}

pub(crate) fn cases() -> Vec<Case> {
    [header(), addresses(), options(), chains(), protocols()].into_iter().flatten().collect()
}
