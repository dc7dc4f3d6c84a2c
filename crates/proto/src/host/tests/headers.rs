//! Headers octet by octet: options wherever they stand, checksums, addresses that cannot be, options of IP.

use super::solo::*;
use super::*;
use crate::wire::checksum::Sum;
use crate::{DropReason, TcpConfig};
use alloc::string::ToString as _;

/// A peer's segment with these octets for options, padded to whole words with "end of option list".
fn with_options(solo: &Solo, sends: &Sends, options: &[u8]) -> Bytes {
    let plain = solo.packet(&Sends { options: tcp::Options::default(), ..sends.clone() });
    let (ip, segment) = plain.split_at(20);
    let words = options.len().div_ceil(4);
    let mut bytes = ip.to_vec();
    bytes.extend_from_slice(&segment[..20]);
    bytes.extend_from_slice(options);
    bytes.resize(40 + 4 * words, 0);
    bytes.extend_from_slice(&segment[20..]);
    bytes[32] = u8::try_from(5 + words).unwrap() << 4;
    mend(bytes)
}

/// Lengths and checksums of a TCP packet over IPv4 set right.
fn mend(mut bytes: Vec<u8>) -> Bytes {
    let header = usize::from(bytes[0] & 15) * 4;
    let length = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes[10..12].fill(0);
    let mut sum = Sum::default();
    sum.add(&bytes[..header]);
    let checksum = sum.finish().to_be_bytes();
    bytes[10..12].copy_from_slice(&checksum);
    bytes[header + 16..header + 18].fill(0);
    let octets = |at: usize| IpAddr::from([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let segment = u32::try_from(bytes.len() - header).unwrap();
    let mut sum = Sum::pseudo_header(octets(12), octets(16), PROTOCOL_TCP, segment);
    sum.add(&bytes[header..]);
    let checksum = sum.finish().to_be_bytes();
    bytes[header + 16..header + 18].copy_from_slice(&checksum);
    bytes.into()
}

fn hand(solo: &mut Solo, bytes: Bytes) -> Vec<Sent> {
    solo.host.handle_frames(solo.now, InterfaceId(0), &mut [Frame::from(bytes)].into_iter());
    solo.sent()
}

/// Every packet that leaves, as octets.
fn leaving(host: &mut Host, now: Instant) -> Vec<Bytes> {
    let (mut out, mut all) = (Transmit::default(), Vec::new());
    let mut turns = Turns::default();
    while host.poll_transmit(now, &mut out) {
        turns.count();
        all.push(out.to_bytes());
    }
    all
}

/// The options of a segment as kinds and bodies, read by the rule of kind, length, value alone. Panics where the rule
/// is broken, or where anything but zero follows the end of the list.
fn walk(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let segment = &packet[ip::parse(&Bytes::copy_from_slice(packet)).unwrap().payload];
    let mut rest = &segment[20..usize::from(segment[12] >> 4) * 4];
    let mut all = Vec::new();
    while let Some((&kind, after)) = rest.split_first() {
        match kind {
            0 => {
                assert!(after.iter().all(|octet| *octet == 0), "after the end: {after:?}");
                break;
            }
            1 => rest = after,
            _ => {
                let len = usize::from(after[0]);
                all.push((kind, rest[2..len].to_vec()));
                rest = &rest[len..];
            }
        }
    }
    all
}

/// All that two hosts with these settings say to each other in a life with text, loss and an abort at its end.
fn whole_life(tcp: TcpConfig) -> Vec<Bytes> {
    let config = HostConfig { tcp, ..HostConfig::default() };
    let mut pair = Pair::with([config.clone(), config]);
    let (client, server) = pair.established();
    pair.lose = Some(|_, index, _| index % 7 == 5);
    pair.write(0, client, &[1; 20_001]);
    pair.write(1, server, b"odd");
    pair.run_for(Duration::from_secs(20));
    pair.read(0, client);
    pair.read(1, server);
    pair.shutdown(0, client);
    pair.run_for(Duration::from_secs(20));
    let now = pair.now;
    pair.hosts[1].stream(server).unwrap().abort(now);
    pair.run();
    pair.packets
}

// requirement: 9293-MUST-68
// requirement: 9293-MUST-69
// requirement: 9293-MUST-4
#[test]
fn every_option_that_leaves_is_kind_length_value_and_nothing_follows_the_end() {
    let mut kinds = alloc::collections::BTreeMap::new();
    for (timestamps, sack, window_scaling) in [(true, true, true), (false, true, true), (false, false, false)]
    {
        for packet in whole_life(TcpConfig { timestamps, sack, window_scaling, ..TcpConfig::default() }) {
            for (kind, body) in walk(&packet) {
                if kind == 5 {
                    assert!(!body.is_empty() && body.len().is_multiple_of(8));
                } else {
                    assert_eq!(*kinds.entry(kind).or_insert(body.len()), body.len());
                }
            }
        }
    }
    // MSS, window scale, SACK-permitted, timestamps: each with the length that its RFC gives it.
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), [(2, 2), (3, 1), (4, 0), (8, 8)]);
}

// requirement: 9293-MUST-2
#[test]
fn every_segment_that_leaves_carries_a_correct_checksum() {
    let packets = whole_life(TcpConfig::default());
    assert!(packets.iter().any(|packet| packet.len() % 2 == 1), "odd lengths too");
    for packet in packets {
        let parsed = ip::parse(&packet).unwrap();
        let segment = &packet[parsed.payload];
        let mut sum: u64 = segment
            .chunks(2)
            .map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low)))
            .sum();
        for address in [parsed.source, parsed.destination] {
            let IpAddr::V4(v4) = address else { panic!("IPv4") };
            sum += u64::from(v4.to_bits() >> 16) + u64::from(v4.to_bits() & 0xffff);
        }
        sum += u64::from(PROTOCOL_TCP) + u64::try_from(segment.len()).unwrap();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        assert_eq!(sum, 0xffff, "ones and their complement: {packet:?}");
    }
}

// requirement: 9293-MUST-4
// requirement: 9293-MUST-64
// requirement: 9293-MUST-6
#[test]
fn options_are_read_wherever_they_begin_until_the_end_of_the_list() {
    let lists: [&[u8]; 6] = [
        &[2, 4, 3, 0xe8],
        &[1, 2, 4, 3, 0xe8, 1, 1, 1],
        &[1, 1, 1, 2, 4, 3, 0xe8],
        &[3, 3, 5, 2, 4, 3, 0xe8],
        &[253, 3, 9, 4, 2, 2, 4, 3, 0xe8],
        // What follows the end is no option, whatever it looks like.
        &[2, 4, 3, 0xe8, 0, 2, 4, 0],
    ];
    for list in lists {
        let mut solo = Solo::listening(plain());
        let syn = with_options(&solo, &seg(Flags::SYN, -1, 0), list);
        solo.iss = hand(&mut solo, syn)[0].header.seq;
        solo.arrives(ack(0, 0));
        solo.id = solo.host.accept(solo.listener).unwrap();
        assert_eq!(solo.host.info(solo.id).unwrap().mss, 1000, "{list:?}");
    }
}

// requirement: 9293-MUST-5
// requirement: 9293-MUST-6
// requirement: 5482-3
#[test]
fn options_are_read_on_every_kind_of_segment_and_unknown_ones_skipped() {
    // An unknown one, a user timeout, and a timestamp that nobody asked for.
    let mut list = vec![253, 6, 1, 2, 3, 4, 28, 4, 0x80, 1, 8, 10];
    list.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
    let mut solo = Solo::listening(plain());
    let syn = with_options(&solo, &seg(Flags::SYN, -1, 0), &list);
    solo.iss = hand(&mut solo, syn)[0].header.seq;
    let last = with_options(&solo, &ack(0, 0), &list);
    assert!(hand(&mut solo, last).is_empty());
    assert_eq!(solo.state(), State::Established);
    solo.id = solo.host.accept(solo.listener).unwrap();
    let carrying = with_options(&solo, &text(0, 0, b"text"), &list);
    hand(&mut solo, carrying);
    assert_eq!(solo.read().0, b"text");
    let fin = with_options(&solo, &seg(FIN_ACK, 4, 0), &list);
    hand(&mut solo, fin);
    assert_eq!(solo.state(), State::CloseWait);
    let rst = with_options(&solo, &seg(Flags::RST, 5, 0), &list);
    hand(&mut solo, rst);
    assert_eq!(solo.state(), State::Listen);
    let (mut solo, _) = Solo::connecting(plain());
    let syn_ack = with_options(&solo, &seg(SYN_ACK, -1, 0), &list);
    assert_eq!(hand(&mut solo, syn_ack)[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!(solo.host.counters().drops.total(), 0);
}

// requirement: 9293-MUST-7
// requirement: 9293-MUST-5
#[test]
fn malformed_option_drops_the_segment_in_every_state_and_is_counted() {
    for state in [State::Established, State::FinWait2, State::CloseWait, State::TimeWait] {
        for list in [[253, 0, 1, 1], [253, 1, 1, 1], [253, 9, 1, 1], [1, 1, 1, 2]] {
            let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
            let bad = with_options(&solo, &text(theirs, ours, b"text").fin(), &list);
            assert!(hand(&mut solo, bad).is_empty(), "{state} {list:?}");
            assert_eq!(solo.host.counters().drops.get(DropReason::TcpOptions), 1);
            assert_eq!(solo.state(), state);
        }
    }
}

// requirement: 5482-4
#[test]
fn user_timeout_that_the_peer_advertises_alters_nothing() {
    let mut solo = Solo::new(TcpConfig { user_timeout: Duration::from_secs(9), ..plain() });
    // One second, then an hour.
    for (n, option) in [[28, 4, 0, 1], [28, 4, 0x80, 60]].into_iter().enumerate() {
        let at = i64::try_from(n).unwrap();
        let carrying = with_options(&solo, &text(at, 0, b"x"), &option);
        hand(&mut solo, carrying);
    }
    assert_eq!(solo.read().0, b"xx");
    solo.write(b"unanswered");
    solo.wait_ms(8_999);
    assert_eq!(solo.state(), State::Established);
    solo.wait_ms(1);
    assert_eq!(solo.state(), State::Listen);
}

// requirement: 9293-MUST-50
// requirement: 9293-MUST-53
#[test]
fn unknown_options_of_ip_are_passed_over_and_source_routes_are_refused() {
    // Router alert, an unknown one, record route, Internet timestamp; then loose and strict source route.
    let options: [(&[u8], bool); 6] = [
        (&[148, 4, 0, 0], true),
        (&[30, 4, 7, 7], true),
        (&[7, 7, 4, 0, 0, 0, 0, 0], true),
        (&[68, 8, 5, 0, 0, 0, 0, 0], true),
        (&[131, 7, 8, 10, 0, 0, 9, 0], false),
        (&[137, 7, 8, 10, 0, 0, 9, 0], false),
    ];
    for (options, taken) in options {
        let mut solo = Solo::listening(plain());
        let syn = solo.packet(&seg(Flags::SYN, -1, 0).mss(1000));
        let (header, segment) = syn.split_at(20);
        let mut bytes = [header, options, segment].concat();
        bytes[0] = 0x45 + u8::try_from(options.len() / 4).unwrap();
        let sent = hand(&mut solo, mend(bytes));
        assert_eq!(sent.len(), usize::from(taken), "{options:?}");
        assert_eq!(solo.host.counters().drops.get(DropReason::ExtensionHeader), u64::from(!taken));
    }
}

// requirement: 1122-7
#[test]
fn packet_on_its_last_hop_is_taken_and_none_leaves_without_hops() {
    for ttl in [0, 1, 255] {
        let mut solo = Solo::listening(plain());
        let mut syn = solo.packet(&seg(Flags::SYN, -1, 0)).to_vec();
        syn[8] = ttl;
        assert_eq!(hand(&mut solo, mend(syn))[0].flags, SYN_ACK, "{ttl}");
    }
    for packet in whole_life(TcpConfig::default()) {
        assert!(packet[8] > 1, "TTL {}", packet[8]);
    }
}

// requirement: 9293-MUST-57
// requirement: 9293-MUST-63
// requirement: 1122-1
// requirement: 1122-2
#[test]
fn syn_from_or_to_more_than_one_host_is_ignored() {
    for (from, to) in [
        ("0.0.0.0", "10.0.0.1"),
        ("255.255.255.255", "10.0.0.1"),
        ("10.0.0.255", "10.0.0.1"),
        ("224.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "10.0.0.1"),
        ("10.0.0.2", "255.255.255.255"),
        ("10.0.0.2", "10.0.0.255"),
        ("10.0.0.2", "224.0.0.1"),
        ("10.0.0.2", "10.0.0.77"),
        ("::", "fd00::1"),
        ("::1", "fd00::1"),
        ("ff02::1", "fd00::1"),
        ("fd00::2", "ff02::1"),
        ("fd00::2", "fd00::77"),
    ] {
        for port in [80, 81] {
            let mut solo = Solo::listening(plain());
            solo.host.listen("[::]:80".parse().unwrap(), ListenConfig::default()).unwrap();
            solo.tuple.remote = SocketAddr::new(from.parse().unwrap(), 40_000);
            solo.tuple.local = SocketAddr::new(to.parse().unwrap(), port);
            for flags in [Flags::SYN, Flags::ACK, FIN_ACK] {
                assert!(solo.arrives(seg(flags, -1, 5)).is_empty(), "{from} to {to}");
            }
            assert!(solo.host.snapshot(solo.now).connections.is_empty());
            assert_eq!(solo.host.counters().drops.total(), 3);
        }
    }
}

/// A host with two networks and two addresses on the first.
fn two_homes() -> Host {
    let mut host = Host::new(HostConfig::default(), Secret::from_bytes([3; 32]));
    for addresses in [["10.0.0.1", "10.0.0.9"].as_slice(), &["192.0.2.1"]] {
        let addresses = addresses.iter().map(|address| (address.parse().unwrap(), 24)).collect();
        host.add_interface(InterfaceConfig { addresses, ..InterfaceConfig::default() });
    }
    host
}

// requirement: 9293-MUST-44
#[test]
fn connect_without_a_source_takes_the_one_that_leads_to_the_destination() {
    for (remote, local) in
        [("10.0.0.2:80", "10.0.0.1"), ("192.0.2.7:80", "192.0.2.1"), ("8.8.8.8:80", "10.0.0.1")]
    {
        let mut host = two_homes();
        let now = Instant::from_millis(1);
        let id = host.connect(now, remote.parse().unwrap(), ConnectConfig::default()).unwrap();
        assert_eq!(host.tuple(id).unwrap().local.ip().to_string(), local);
        let syn = ip::parse(&leaving(&mut host, now)[0]).unwrap();
        assert_eq!(syn.source.to_string(), local);
    }
}

// requirement: 9293-MUST-43
// requirement: 9293-MUST-45
#[test]
fn address_that_was_chosen_or_spoken_to_is_kept_for_the_whole_connection() {
    for local in ["10.0.0.1:0", "10.0.0.9:0", "10.0.0.9:5000"] {
        let mut host = two_homes();
        let now = Instant::from_millis(1);
        let local: SocketAddr = local.parse().unwrap();
        let config = ConnectConfig::default().local(local);
        let id = host.connect(now, "10.0.0.2:80".parse().unwrap(), config).unwrap();
        let chosen = host.tuple(id).unwrap().local;
        assert_eq!(chosen.ip(), local.ip());
        assert!(local.port() == 0 || chosen.port() == local.port());
    }
    // To one address of ours only, and to any.
    for (listening, spoken_to, answers) in [
        ("10.0.0.9:80", "10.0.0.9", true),
        ("10.0.0.9:80", "10.0.0.1", false),
        ("0.0.0.0:80", "10.0.0.9", true),
    ] {
        let mut solo = Solo::listening(plain());
        solo.host = two_homes();
        solo.listener = solo.host.listen(listening.parse().unwrap(), ListenConfig::default()).unwrap();
        solo.tuple.local = SocketAddr::new(spoken_to.parse().unwrap(), 80);
        let answer = solo.arrives(seg(Flags::SYN, -1, 0).mss(1000)).remove(0);
        assert_eq!(answer.flags == SYN_ACK, answers);
        if !answers {
            continue;
        }
        solo.iss = answer.header.seq;
        solo.arrives(ack(0, 0));
        solo.id = solo.host.accept(solo.listener).unwrap();
        let now = solo.now;
        solo.host.stream(solo.id).unwrap().write(now, &[0; 5000]).unwrap();
        let mut packets = leaving(&mut solo.host, now);
        solo.host.stream(solo.id).unwrap().abort(now);
        packets.extend(leaving(&mut solo.host, now));
        assert!(packets.len() > 5);
        for packet in packets {
            assert_eq!(ip::parse(&packet).unwrap().source.to_string(), spoken_to);
        }
    }
}

// requirement: 9293-MAY-3
// requirement: 9293-SHLD-5
// requirement: 9293-MUST-67
#[test]
fn syn_names_an_mss_even_where_it_is_the_default() {
    for (mtu, mss) in [(576, 536), (1500, 1460), (9000, 8960)] {
        let interface = InterfaceConfig {
            mtu,
            addresses: vec![("10.0.0.1".parse().unwrap(), 24)],
            ..InterfaceConfig::default()
        };
        let mut host = Host::new(HostConfig::default(), Secret::from_bytes([3; 32]));
        host.add_interface(interface);
        let now = Instant::from_millis(1);
        host.connect(now, "10.0.0.2:80".parse().unwrap(), ConnectConfig::default()).unwrap();
        let syn = leaving(&mut host, now).remove(0);
        let options = walk(&syn);
        assert!(options.contains(&(2, u16::to_be_bytes(mss).to_vec())), "{options:?}");
    }
}

/// DSCP and hop limit of a packet.
fn mark(packet: &[u8]) -> (u8, u8) {
    if packet[0] >> 4 == 4 {
        assert_eq!(packet[1] & 3, 0, "no ECN");
        (packet[1] >> 2, packet[8])
    } else {
        ((packet[0] << 4 | packet[1] >> 4) >> 2, packet[7])
    }
}

// requirement: 9293-MUST-48
// requirement: 9293-MUST-49
// requirement: 9293-SHLD-22
#[test]
fn every_packet_of_a_connection_bears_the_mark_that_was_set() {
    assert_eq!(TcpConfig::default().hop_limit, 64);
    for (remote, any) in [("10.0.0.2:80", "0.0.0.0:80"), ("[fd00::2]:80", "[::]:80")] {
        for (dscp, hop_limit) in [(0, 64), (46, 255), (63, 1)] {
            let tcp = TcpConfig { dscp, hop_limit, ..TcpConfig::default() };
            let mut pair = Pair::new();
            let listener =
                pair.hosts[1].listen(any.parse().unwrap(), ListenConfig::default().tcp(tcp.clone())).unwrap();
            let now = pair.now;
            let client = pair.hosts[0]
                .connect(now, remote.parse().unwrap(), ConnectConfig::default().tcp(tcp))
                .unwrap();
            pair.run();
            let server = pair.hosts[1].accept(listener).unwrap();
            pair.write(0, client, &[1; 5000]);
            pair.run();
            pair.shutdown(0, client);
            pair.run();
            let now = pair.now;
            pair.hosts[1].stream(server).unwrap().abort(now);
            pair.run();
            assert!(pair.saw(0, Flags::FIN) == 1 && pair.saw(1, Flags::RST) == 1);
            for packet in &pair.packets {
                assert_eq!(mark(packet), (dscp, hop_limit));
            }
        }
    }
}

// requirement: 9293-SHLD-21
// requirement: 9293-SHLD-23
#[test]
fn dscp_may_change_while_the_connection_is_up_and_only_for_that_connection() {
    let mut solo = Solo::new(plain());
    let (now, first) = (solo.now, solo.id);
    solo.host.stream(first).unwrap().write(now, b"before").unwrap();
    let before = leaving(&mut solo.host, now);
    solo.host.stream(first).unwrap().set_dscp(46);
    solo.host.stream(first).unwrap().write(now, &[0; 1000]).unwrap();
    let after = leaving(&mut solo.host, now);
    assert_eq!((mark(&before[0]), mark(&after[0])), ((0, 64), (46, 64)));
    solo.tuple.remote.set_port(40_001);
    let mut solo = solo.accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    solo.host.stream(solo.id).unwrap().write(now, b"another").unwrap();
    assert_eq!(mark(&leaving(&mut solo.host, now)[0]), (0, 64));
}

// requirement: 9293-SHLD-22
#[test]
fn syn_cookie_bears_the_mark_of_its_listener() {
    let mut solo = Solo::listening(plain());
    let tcp = TcpConfig { dscp: 46, hop_limit: 9, ..plain() };
    let config = ListenConfig::default().backlog(0).tcp(tcp);
    solo.host.listen("0.0.0.0:81".parse().unwrap(), config).unwrap();
    solo.tuple.local.set_port(81);
    for port in 1..=5 {
        solo.tuple.remote.set_port(port);
        let syn = solo.packet(&seg(Flags::SYN, -1, 0));
        solo.host.handle_frames(solo.now, InterfaceId(0), &mut [Frame::from(syn)].into_iter());
    }
    let answers = leaving(&mut solo.host, solo.now);
    assert!(solo.host.counters().syn_cookies_sent > 0);
    assert!(answers.len() > 1 && answers.iter().all(|answer| mark(answer) == (46, 9)));
}
