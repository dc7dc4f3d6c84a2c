//! UDP, fragments, ICMP echo and errors, and what a narrow path does to TCP.

use crate::forge;
use crate::world::{CLIENT, Family, PORT, ROUND_TRIP, SERVER, Setup, World, in_both, ms, secs, text};
use bytes::Bytes;
use linger_proto::wire::icmp::{ICMP_HEADER_LEN, IcmpRepr, IcmpView, Unreachable};
use linger_proto::wire::ip::{self, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_UDP};
use linger_proto::wire::tcp::Flags;
use linger_proto::{ConnectionId, Datagram, DropReason, Event, SeqNum, UdpError, UdpId};
use linger_sim::{Packet, Verdict};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// A socket on each host: the client's on a port of its own choice, the server's on [`PORT`].
fn sockets(world: &mut World) -> (UdpId, UdpId) {
    let (from, at) = (SocketAddr::new(world.address(CLIENT), 0), world.server());
    let client = world.with(CLIENT, |now, host| host.udp_bind(now, from)).expect("a free port");
    let server = world.with(SERVER, |now, host| host.udp_bind(now, at)).expect("the port is free");
    (client, server)
}

fn send(world: &mut World, host: usize, socket: UdpId, to: SocketAddr, text: Bytes) -> Result<(), UdpError> {
    world.with(host, |now, host| host.udp_send(now, socket, to, text))
}

fn receive(world: &mut World, host: usize, socket: UdpId) -> Option<Datagram> {
    world.with(host, |_, host| host.udp_recv(socket))
}

/// The ICMP messages of a host, each with its body.
fn messages(world: &World, host: usize) -> Vec<(IcmpRepr, Bytes)> {
    let mut messages = Vec::new();
    for packet in world.others(host) {
        let parsed = ip::parse(&packet).expect("an IP packet");
        if parsed.fragment.is_none() && [PROTOCOL_ICMP, PROTOCOL_ICMPV6].contains(&parsed.protocol) {
            let body = packet.slice(parsed.payload.clone());
            let view = IcmpView::new(&body).expect("a message");
            assert!(view.checksum_fits(parsed.source, parsed.destination));
            let repr = IcmpRepr::parse(&view, parsed.source).expect("a known one");
            messages.push((repr, body.slice(ICMP_HEADER_LEN..)));
        }
    }
    messages
}

#[test]
fn datagrams_go_both_ways_with_their_addresses_and_their_borders() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = sockets(&mut world);
        let to = world.server();
        let from = world.with(CLIENT, |_, host| host.udp_addr(client)).expect("bound");
        for len in [0, 1, 1_000] {
            send(&mut world, CLIENT, client, to, text(len)).expect("room");
        }
        world.run(ROUND_TRIP);
        assert!(world.said(SERVER, Event::Datagram(server)) > 0);
        for len in [0, 1, 1_000] {
            let got = receive(&mut world, SERVER, server).expect("in order");
            assert_eq!(got, Datagram { from, to, bytes: text(len) });
        }
        send(&mut world, SERVER, server, from, text(7)).expect("room");
        world.run(ROUND_TRIP);
        let answer = receive(&mut world, CLIENT, client).expect("the answer");
        assert_eq!(answer, Datagram { from: to, to: from, bytes: text(7) });
        assert_eq!(receive(&mut world, CLIENT, client), None);
        world.finish();
    });
}

/// A link that does `what` to the fragment of that number, counted from zero over both directions.
fn on_fragment(setup: Setup, number: usize, what: Verdict) -> World {
    let mut seen = 0;
    setup
        .fault(move |_, packet: &Packet<'_>| {
            let is_fragment = ip::parse(packet.bytes).is_ok_and(|parsed| parsed.fragment.is_some());
            seen += usize::from(is_fragment);
            if is_fragment && seen == number + 1 { what } else { Verdict::Pass }
        })
        .build()
}

#[test]
fn datagram_larger_than_the_link_travels_in_fragments_and_arrives_whole_in_any_order() {
    in_both(|family| {
        for late in [None, Some(0), Some(2), Some(5)] {
            let mut world =
                on_fragment(Setup::new(family), late.unwrap_or(usize::MAX - 1), Verdict::Delay(ms(30)));
            let (client, server) = sockets(&mut world);
            let to = world.server();
            send(&mut world, CLIENT, client, to, text(8_000)).expect("room");
            world.run(ms(50));
            assert_eq!(receive(&mut world, SERVER, server).expect("whole").bytes, text(8_000));
            let fragments = world.others(CLIENT);
            assert_eq!(fragments.len(), 6);
            assert!(fragments.iter().all(|fragment| fragment.len() <= 1_500));
            world.finish();
        }
    });
}

#[test]
fn largest_datagrams_pass_and_longer_ones_are_refused() {
    in_both(|family| {
        let most = if family == Family::V4 { 65_507 } else { 65_527 };
        let mut world = World::new(family);
        let (client, server) = sockets(&mut world);
        let to = world.server();
        assert_eq!(send(&mut world, CLIENT, client, to, text(most + 1)), Err(UdpError::TooLong));
        send(&mut world, CLIENT, client, to, text(most)).expect("room");
        world.run(ms(50));
        assert!(receive(&mut world, SERVER, server).expect("whole").bytes == text(most));
        world.finish();
    });
}

#[test]
fn datagram_with_a_lost_fragment_never_arrives_and_its_rest_is_forgotten_in_time() {
    in_both(|family| {
        let mut world = on_fragment(Setup::new(family), 3, Verdict::Drop);
        let (client, server) = sockets(&mut world);
        let to = world.server();
        send(&mut world, CLIENT, client, to, text(8_000)).expect("room");
        send(&mut world, CLIENT, client, to, text(3_000)).expect("room");
        world.run(secs(20));
        assert_eq!(receive(&mut world, SERVER, server).expect("the second one").bytes, text(3_000));
        assert_eq!(world.drops(SERVER, DropReason::FragmentTimeout), 0);
        world.run(secs(50));
        assert!(world.drops(SERVER, DropReason::FragmentTimeout) > 0);
        assert_eq!(receive(&mut world, SERVER, server), None);
        assert_eq!(world.with(SERVER, |_, host| host.poll_timeout()), None, "nothing is kept");
        world.finish();
    });
}

#[test]
fn duplicated_fragments_do_no_harm() {
    in_both(|family| {
        let setup = Setup::new(family).fault(|_, _: &Packet<'_>| Verdict::Duplicate { after: ms(0) });
        let mut world = setup.build();
        let (client, server) = sockets(&mut world);
        let to = world.server();
        send(&mut world, CLIENT, client, to, text(4_000)).expect("room");
        world.run(secs(70));
        assert_eq!(receive(&mut world, SERVER, server).expect("whole").bytes, text(4_000));
        world.finish();
    });
}

#[test]
fn datagram_for_a_closed_port_is_answered_by_port_unreachable_that_quotes_it() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = sockets(&mut world);
        let to = world.server();
        world.with(SERVER, |_, host| host.udp_close(server));
        send(&mut world, CLIENT, client, to, text(100)).expect("room");
        let packet = world.others(CLIENT).pop().expect("the datagram");
        world.run(ROUND_TRIP);
        assert_eq!(world.drops(SERVER, DropReason::UdpNoPort), 1);
        let [(message, quoted)] = &messages(&world, SERVER)[..] else { panic!("one answer") };
        assert_eq!(*message, IcmpRepr::Unreachable(Unreachable::Port));
        assert_eq!(quoted[..], packet[..]);
        world.finish();
    });
}

#[test]
fn receive_queue_of_a_socket_is_bounded_and_what_is_beyond_is_counted() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = sockets(&mut world);
        let to = world.server();
        for _ in 0..300 {
            send(&mut world, CLIENT, client, to, text(1_000)).expect("room");
        }
        world.run(ROUND_TRIP);
        let mut got = 0;
        while receive(&mut world, SERVER, server).is_some() {
            got += 1;
        }
        assert!((150..=212).contains(&got), "{got} of 300");
        assert_eq!(world.drops(SERVER, DropReason::UdpQueueFull), 300 - got);
        send(&mut world, CLIENT, client, to, text(5)).expect("room");
        world.run(ROUND_TRIP);
        assert_eq!(receive(&mut world, SERVER, server).expect("there is room again").bytes, text(5));
        world.finish();
    });
}

#[test]
fn binding_twice_or_to_a_foreign_address_is_refused() {
    in_both(|family| {
        let mut world = World::new(family);
        sockets(&mut world);
        let (taken, foreign) = (world.server(), SocketAddr::new(world.nobody(), PORT));
        assert_eq!(world.with(SERVER, |now, host| host.udp_bind(now, taken)), Err(UdpError::AddrInUse));
        assert_eq!(world.with(SERVER, |now, host| host.udp_bind(now, foreign)), Err(UdpError::NotLocal));
        world.finish();
    });
}

/// An echo request of that many octets from an address that nobody has, to the server.
fn ping(world: &mut World, len: usize) -> IcmpRepr {
    let (from, to) = (world.nobody(), world.address(SERVER));
    let request = IcmpRepr::EchoRequest { identifier: 77, sequence: 3 };
    world.inject_packet(SERVER, forge::icmp(from, to, &request, &text(len)));
    IcmpRepr::EchoReply { identifier: 77, sequence: 3 }
}

#[test]
fn echo_request_is_answered_with_its_own_numbers_and_octets() {
    in_both(|family| {
        let mut world = World::new(family);
        for len in [0, 56, 1_400] {
            let reply = ping(&mut world, len);
            assert_eq!(messages(&world, SERVER).pop(), Some((reply, text(len))));
        }
        // One that does not fit the link goes back in fragments.
        ping(&mut world, 3_000);
        let fragments = world.others(SERVER);
        assert_eq!(fragments[3..].len(), 3);
        world.finish();
    });
}

#[test]
fn echo_request_is_not_answered_when_echo_is_switched_off() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.hosts[SERVER].echo = false;
        let mut world = setup.build();
        ping(&mut world, 56);
        assert_eq!(world.others(SERVER).len(), 0);
        world.finish();
    });
}

// requirement: 6633-1
// requirement: 6633-4
// requirement: 6633-5
#[test]
fn source_quench_changes_nothing() {
    let mut world = World::new(Family::V4);
    let (client, server) = world.established();
    world.write(CLIENT, client, &text(10_000));
    let before = world.info(CLIENT, client);
    let quoted = world.sent(CLIENT, |seen| !seen.text.is_empty())[0].packet.clone();
    let (from, to) = (world.nobody(), world.address(CLIENT));
    let mut quench = IcmpRepr::Unreachable(Unreachable::Network).emit(from, to, &quoted).to_vec();
    // Type 4, code 0: the sum of type and code was 3 << 8.
    let sum = u16::from_be_bytes([quench[2], quench[3]]);
    quench[0] = 4;
    quench[2..4].copy_from_slice(&sum.wrapping_sub(1 << 8).to_be_bytes());
    quench.extend_from_slice(&quoted);
    world.inject_packet(CLIENT, forge::ip_packet(from, to, PROTOCOL_ICMP, &quench));
    assert_eq!(world.info(CLIENT, client), before);
    assert_eq!(world.drops(CLIENT, DropReason::IcmpUnknown), 1);
    world.run(secs(1));
    assert_eq!(world.read(SERVER, server).text, text(10_000));
    end(&mut world, client, server);
}

fn end(world: &mut World, client: ConnectionId, server: ConnectionId) {
    world.abort(CLIENT, client);
    world.run(2 * ROUND_TRIP);
    world.close(SERVER, server);
    world.finish();
}

/// A router in the middle of the link that takes only packets of `limit` octets from the client.
struct Narrow {
    limit: usize,
    refused: Rc<RefCell<Vec<Bytes>>>,
}

impl Narrow {
    fn build(limit: usize, setup: Setup) -> (Self, World) {
        let refused: Rc<RefCell<Vec<Bytes>>> = Rc::default();
        let seen = Rc::clone(&refused);
        let fault = move |_, packet: &Packet<'_>| {
            if packet.from.index() == CLIENT && packet.bytes.len() > limit {
                seen.borrow_mut().push(Bytes::copy_from_slice(packet.bytes));
                return Verdict::Drop;
            }
            Verdict::Pass
        };
        (Self { limit, refused }, setup.fault(fault).build())
    }

    /// The router reports what it refused, with that next-hop MTU; how many reports that were.
    fn report(&self, world: &mut World, mtu: u32) -> usize {
        let refused = self.refused.take();
        for packet in &refused {
            let (router, us) = (world.nobody(), world.address(CLIENT));
            let quoted = packet.slice(..packet.len().min(500));
            world.inject_packet(CLIENT, forge::icmp(router, us, &IcmpRepr::PacketTooBig { mtu }, &quoted));
        }
        refused.len()
    }

    /// Lets time pass, with reports of this next-hop MTU.
    fn run(&self, world: &mut World, mtu: u32) {
        for _ in 0..100 {
            self.report(world, mtu);
            world.run(ms(5));
        }
    }

    fn limit(&self) -> u32 {
        u32::try_from(self.limit).expect("small")
    }
}

/// What a segment can carry over a path of that MTU, with timestamps.
fn mss_of(family: Family, mtu: u32) -> u32 {
    mtu - if family == Family::V4 { 40 } else { 60 } - 12
}

// requirement: 1191-1
// requirement: 8201-2
// requirement: 8201-4
#[test]
fn packet_too_big_lowers_the_path_mtu_of_tcp_and_its_text_arrives() {
    in_both(|family| {
        let (router, mut world) = Narrow::build(1_300, Setup::new(family));
        let (client, server) = world.established();
        world.write(CLIENT, client, &text(100_000));
        router.run(&mut world, router.limit());
        assert_eq!(world.read(SERVER, server).text, text(100_000));
        assert_eq!(u32::from(world.info(CLIENT, client).mss), mss_of(family, router.limit()));
        let lost = world.sent(CLIENT, |seen| seen.lost).len();
        assert!(lost <= 11, "only the first flight was too big: {lost}");
        // The next connection to the same host knows already.
        world.forget_wire();
        let second = world.connect();
        world.run(2 * ROUND_TRIP);
        world.write(CLIENT, second, &text(20_000));
        router.run(&mut world, router.limit());
        assert_eq!(world.sent(CLIENT, |seen| seen.lost).len(), 0);
        world.abort(CLIENT, second);
        world.abort(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        world.let_go_of_everything();
        world.finish();
    });
}

// requirement: 1191-2
#[test]
fn router_that_does_not_say_what_would_fit_is_asked_again_with_smaller_packets() {
    let (router, mut world) = Narrow::build(1_100, Setup::new(Family::V4));
    let (client, server) = world.established();
    world.write(CLIENT, client, &text(50_000));
    router.run(&mut world, 0);
    assert_eq!(world.read(SERVER, server).text, text(50_000));
    let longest = world.sent(CLIENT, |seen| !seen.lost).iter().map(|seen| seen.packet.len()).max();
    assert_eq!(longest, Some(1_006), "the plateau below 1,492");
    end(&mut world, client, server);
}

// requirement: 1191-6
// requirement: 8201-5
// requirement: 8201-6
#[test]
fn many_reports_about_one_flight_send_it_again_once() {
    in_both(|family| {
        let (router, mut world) = Narrow::build(1_400, Setup::new(family));
        let (client, server) = world.established();
        let len = 8 * usize::from(world.info(CLIENT, client).mss);
        world.write(CLIENT, client, &text(len));
        let cwnd = world.info(CLIENT, client).cwnd;
        let reports = router.report(&mut world, router.limit());
        assert_eq!(reports, 8);
        assert_eq!(world.info(CLIENT, client).cwnd, cwnd, "no congestion");
        world.run(secs(2));
        let mut delivered: Vec<(u32, usize)> = world
            .sent(CLIENT, |seen| !seen.lost && !seen.text.is_empty())
            .iter()
            .map(|seen| (seen.header.seq.0, seen.text.len()))
            .collect();
        let copies = delivered.len();
        delivered.sort_unstable();
        delivered.dedup();
        assert_eq!(delivered.len(), copies, "nothing twice: {delivered:?}");
        let octets: usize = delivered.iter().map(|(_, len)| len).sum();
        assert_eq!(octets, len, "each octet once more: {delivered:?}");
        assert_eq!(world.read(SERVER, server).text, text(len));
        end(&mut world, client, server);
    });
}

// requirement: 5927-1
// requirement: 8201-7
#[test]
fn report_that_quotes_a_segment_not_in_flight_changes_nothing() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.write(CLIENT, client, &text(5_000));
        let sent = world.sent(CLIENT, |seen| !seen.text.is_empty())[0].header.clone();
        let before = world.info(CLIENT, client).mss;
        let (router, us) = (world.nobody(), world.address(CLIENT));
        for seq in [sent.seq - 1, sent.seq + 1_000_000, SeqNum(0)] {
            let header = forge::header(Flags::ACK, seq, sent.ack);
            let quoted = forge::segment(tuple.local, tuple.remote, &header, &text(1_448));
            let report = IcmpRepr::PacketTooBig { mtu: 1_300 };
            world.inject_packet(CLIENT, forge::icmp(router, us, &report, &quoted));
        }
        assert_eq!(world.drops(CLIENT, DropReason::IcmpOutOfFlight), 3);
        assert_eq!(world.info(CLIENT, client).mss, before);
        world.run(secs(1));
        assert_eq!(world.read(SERVER, server).text, text(5_000));
        end(&mut world, client, server);
    });
}

// requirement: 8201-1
// requirement: 1191-4
// requirement: 5927-6
#[test]
fn report_below_the_least_of_ipv6_or_above_what_we_send_changes_nothing() {
    in_both(|family| {
        let mtus: &[u32] = if family == Family::V6 { &[68, 1_279, 9_000] } else { &[9_000, 60_000] };
        for mtu in mtus {
            let mut world = World::new(family);
            let (client, server) = world.established();
            world.write(CLIENT, client, &text(5_000));
            let quoted = world.sent(CLIENT, |seen| !seen.text.is_empty())[0].packet.clone();
            let before = world.info(CLIENT, client);
            let (router, us) = (world.nobody(), world.address(CLIENT));
            let report = IcmpRepr::PacketTooBig { mtu: *mtu };
            world.inject_packet(CLIENT, forge::icmp(router, us, &report, &quoted));
            assert_eq!(world.info(CLIENT, client), before, "{mtu}");
            world.run(secs(1));
            assert_eq!(world.read(SERVER, server).text, text(5_000));
            end(&mut world, client, server);
        }
    });
}

// requirement: 8201-3
// requirement: 1191-5
#[test]
fn larger_packets_are_tried_again_ten_minutes_after_the_report() {
    in_both(|family| {
        let (router, mut world) = Narrow::build(1_300, Setup::new(family));
        let (client, server) = world.established();
        world.write(CLIENT, client, &text(20_000));
        router.run(&mut world, router.limit());
        world.read(SERVER, server);
        for (minutes, expected) in [(9, 1_300), (2, 1_500)] {
            world.run(secs(minutes * 60));
            world.forget_wire();
            let fresh = world.connect();
            world.run(2 * ROUND_TRIP);
            world.write(CLIENT, fresh, &text(5_000));
            let longest = world.sent(CLIENT, |_| true).iter().map(|seen| seen.packet.len()).max();
            assert_eq!(longest, Some(expected));
            world.abort(CLIENT, fresh);
        }
        world.abort(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        world.let_go_of_everything();
        world.finish();
    });
}

// requirement: 1191-7
#[test]
fn tcp_never_lets_a_router_fragment_and_udp_lets_it_where_the_family_can() {
    let mut world = World::new(Family::V4);
    let (client, server) = world.established();
    world.write(CLIENT, client, &text(5_000));
    let flags = |packet: &Bytes| packet[6] & 0x40 != 0;
    assert!(world.wire().iter().all(|seen| flags(&seen.packet)));
    let (udp, _) = sockets(&mut world);
    let to = world.server();
    send(&mut world, CLIENT, udp, to, text(100)).expect("room");
    let datagram = world.others(CLIENT).pop().expect("the datagram");
    assert_eq!(ip::parse(&datagram).expect("IP").protocol, PROTOCOL_UDP);
    assert!(!flags(&datagram));
    world.run(secs(1));
    world.read(SERVER, server);
    end(&mut world, client, server);
}
