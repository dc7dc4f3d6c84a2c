//! Octets arrive as they were sent, whatever the link does, and a run can be repeated.

use crate::bulk::{Bulk, Role, Shared};
use crate::forge;
use crate::world::{CLIENT, Family, PORT, SERVER, World, in_both, ms, secs, text};
use bytes::Bytes;
use linger_proto::wire::tcp::{Flags, Header, Options};
use linger_proto::{CloseReason, DropReason, HostConfig};
use linger_sim::check::{DropsCounted, Quiescent};
use linger_sim::{Link, Report, Seed, Sim, fault};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;

/// A client and a server that send a text each, over this link.
fn exchange(family: Family, seed: u64, link: Link, texts: [Bytes; 2]) -> (Report, [Shared; 2]) {
    let mut sim = Sim::new(Seed(seed));
    let client = sim.host("client", HostConfig::default());
    let server = sim.host("server", HostConfig::default());
    sim.link(client, server, link);
    sim.check(Quiescent);
    let drops = DropsCounted::new();
    sim.observe(drops.clone());
    sim.check(drops);
    let address = if family == Family::V4 { sim.ipv4(server) } else { sim.ipv6(server) };
    let at = SocketAddr::new(address, PORT);
    let [from_client, from_server] = texts;
    let (passive, at_server) = Bulk::new(Role::Listen(at), from_server);
    let (active, at_client) = Bulk::new(Role::Connect(at), from_client);
    sim.app(server, passive);
    sim.app(client, active);
    let report = sim.run_until_idle(secs(3_600)).unwrap_or_else(|failure| panic!("{family:?}: {failure}"));
    (report, [at_client, at_server])
}

fn sum(text: &[u8]) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// What a link may do to packets, by name.
type Trouble = (&'static str, fn() -> Link);

fn wire() -> Link {
    Link::new().delay(ms(5)).rate_bps(50_000_000)
}

const TROUBLES: [Trouble; 5] = [
    ("loss", || wire().fault(fault::loss(0.03))),
    ("duplication", || wire().fault(fault::duplicate(0.05))),
    ("reordering", || wire().fault(fault::reorder(0.10, ms(3)))),
    ("corruption", || wire().fault(fault::corrupt(0.03))),
    ("all of them", || {
        wire()
            .jitter(ms(0)..ms(2))
            .fault(fault::loss(0.02))
            .fault(fault::duplicate(0.02))
            .fault(fault::reorder(0.05, ms(4)))
            .fault(fault::corrupt(0.01))
    }),
];

fn every_octet_arrives(name: &str, link: fn() -> Link) {
    let texts = [text(150_000), text(230_001).slice(1..)];
    let sums = [sum(&texts[0]), sum(&texts[1])];
    for seed in 0..100 {
        in_both(|family| {
            let (_, outcomes) = exchange(family, seed, link(), texts.clone());
            for host in [CLIENT, SERVER] {
                let outcome = outcomes[host].borrow();
                let seen = format!("{name}, seed {seed}, {family:?}, host {host}");
                assert_eq!(sum(&outcome.received), sums[1 - host], "{seen}");
                assert_eq!(outcome.closed, Some(CloseReason::Graceful), "{seen}");
                assert!(outcome.ended_at.is_some(), "{seen}");
            }
        });
    }
}

#[test]
fn octets_are_intact_over_a_link_that_loses_with_100_seeds() {
    every_octet_arrives(TROUBLES[0].0, TROUBLES[0].1);
}

#[test]
fn octets_are_intact_over_a_link_that_duplicates_with_100_seeds() {
    every_octet_arrives(TROUBLES[1].0, TROUBLES[1].1);
}

#[test]
fn octets_are_intact_over_a_link_that_reorders_with_100_seeds() {
    every_octet_arrives(TROUBLES[2].0, TROUBLES[2].1);
}

#[test]
fn octets_are_intact_over_a_link_that_corrupts_with_100_seeds() {
    every_octet_arrives(TROUBLES[3].0, TROUBLES[3].1);
}

#[test]
fn octets_are_intact_over_a_link_that_does_all_of_it_with_100_seeds() {
    every_octet_arrives(TROUBLES[4].0, TROUBLES[4].1);
}

#[test]
fn same_seed_gives_the_same_run_to_the_octet_and_another_seed_another_one() {
    in_both(|family| {
        let run = |seed| exchange(family, seed, TROUBLES[4].1(), [text(50_000), text(70_000)]).0;
        let first = run(3);
        for _ in 0..5 {
            assert_eq!(run(3), first);
        }
        assert_ne!(run(4).trace_digest, first.trace_digest);
    });
}

// requirement: 9293-SHLD-31
#[test]
fn text_that_arrives_backwards_is_delivered_in_order_when_the_gap_is_filled() {
    in_both(|family| {
        let mut world = World::new(family);
        let peer = world.scripted(60_000, Options::default());
        let whole = text(10_000);
        let base = peer.ack(0, 60_000);
        for place in (1..10).rev() {
            let from = place * 1_000;
            let seq = base.seq + u32::try_from(from).expect("small");
            world.play(&peer, &Header { seq, ..base.clone() }, &whole[from..from + 1_000]);
            assert_eq!(world.read(SERVER, peer.id).text, b"", "nothing before its turn");
        }
        world.play(&peer, &base, &whole[..1_000]);
        assert_eq!(world.read(SERVER, peer.id).text, whole);
        world.abort(SERVER, peer.id);
    });
}

// requirement: 9293-SA-ESTABLISHED-14
#[test]
fn segments_that_overlap_in_every_way_deliver_each_octet_once() {
    in_both(|family| {
        let mut world = World::new(family);
        let peer = world.scripted(60_000, Options::default());
        let whole = text(1_000);
        let base = peer.ack(0, 60_000);
        let pieces = [
            (500, 700),
            (400, 550),
            (650, 900),
            (100, 950),
            (0, 50),
            (0, 120),
            (20, 400),
            (900, 1_000),
            (0, 1_000),
        ];
        for (from, to) in pieces {
            let seq = base.seq + u32::try_from(from).expect("small");
            world.play(&peer, &Header { seq, ..base.clone() }, &whole[from..to]);
        }
        assert_eq!(world.read(SERVER, peer.id).text, whole);
        world.abort(SERVER, peer.id);
    });
}

/// A peer sends a text of `len` octets one by one, in a random order; what is refused it sends again, in order.
fn one_by_one(family: Family, room: u32, len: u32) -> (Vec<u8>, u64) {
    let mut setup = crate::world::Setup::new(family).tcp(SERVER, |tcp| tcp.recv_buffer = room);
    setup.record = true;
    let mut world = setup.build();
    let peer = world.scripted(60_000, Options::default());
    let whole = text(len as usize);
    let mut order: Vec<u32> = (0..len).collect();
    // A fixed shuffle: 7919 and every length used here have no common divisor.
    order.iter_mut().for_each(|place| *place = (*place * 7_919 + 13) % len);
    let mut got = Vec::new();
    for place in order.into_iter().chain(0..len) {
        let header = Header { seq: peer.seq + place, ..peer.ack(0, 60_000) };
        let packet = forge::segment(
            peer.tuple.local,
            peer.tuple.remote,
            &header,
            &whole[place as usize..=place as usize],
        );
        let id = world.ids[SERVER];
        world.sim.inject(id, packet);
        if place % 64 == 0 {
            world.run(ms(1));
            got.extend(world.read(SERVER, peer.id).text);
        }
    }
    world.run(ms(1));
    got.extend(world.read(SERVER, peer.id).text);
    let refused = world.drops(SERVER, DropReason::ReassemblyFull);
    world.abort(SERVER, peer.id);
    assert!(got == whole[..got.len()], "a wrong octet");
    (got, refused)
}

#[test]
fn octets_one_by_one_in_random_order_arrive_in_order_within_the_bound_of_the_buffer() {
    in_both(|family| {
        let (got, refused) = one_by_one(family, 1 << 20, 2_000);
        assert_eq!((got.len(), refused), (2_000, 0), "plenty of room");
        let (got, refused) = one_by_one(family, 2_000, 2_000);
        assert_eq!(got.len(), 2_000);
        assert!(refused > 0, "each octet costs more than an octet: the bound bites");
    });
}

#[test]
fn one_octet_segments_cross_a_bad_link() {
    in_both(|family| {
        let mut setup = crate::world::Setup::new(family).tcp(CLIENT, |tcp| tcp.nodelay = true);
        setup.link = TROUBLES[4].1();
        let mut world = setup.build();
        let (client, server) = loop_until_established(&mut world);
        let whole = text(1_000);
        for octet in &whole {
            world.write(CLIENT, client, &[*octet]);
            world.run(ms(1));
        }
        world.close(CLIENT, client);
        world.run(secs(30));
        assert_eq!(world.read(SERVER, server).text, whole);
        world.close(SERVER, server);
        world.finish();
    });
}

fn loop_until_established(world: &mut World) -> (linger_proto::ConnectionId, linger_proto::ConnectionId) {
    let listener = world.listen(linger_proto::ListenConfig::default());
    let client = world.connect();
    for _ in 0..100 {
        world.run(ms(100));
        if let Some(server) = world.accept(listener) {
            return (client, server);
        }
    }
    panic!("no connection in ten seconds");
}

// requirement: 9293-MUST-3
#[test]
fn segment_with_a_wrong_checksum_changes_nothing_and_is_counted() {
    in_both(|family| {
        let mut world = World::new(family);
        let peer = world.scripted(60_000, Options::default());
        let good = forge::segment(peer.tuple.local, peer.tuple.remote, &peer.ack(0, 60_000), b"abc");
        let mut bad = good.to_vec();
        *bad.last_mut().expect("text") ^= 1;
        world.inject_packet(SERVER, bad.into());
        assert_eq!(world.drops(SERVER, DropReason::TcpChecksum), 1);
        assert_eq!(world.read(SERVER, peer.id).text, b"");
        assert_eq!(world.wire().len(), 0, "no answer");
        world.inject_packet(SERVER, good);
        assert_eq!(world.read(SERVER, peer.id).text, b"abc");
        world.abort(SERVER, peer.id);
    });
}

#[test]
fn many_connections_at_once_do_not_mix_their_octets() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(linger_proto::ListenConfig::default());
        let pairs: Vec<_> = (0..50).map(|_| world.established_with(listener)).collect();
        for (number, (client, server)) in pairs.iter().enumerate() {
            world.write(CLIENT, *client, &[u8::try_from(number).expect("small"); 5_000]);
            world.write(SERVER, *server, &[u8::try_from(number + 100).expect("small"); 5_000]);
        }
        world.run(secs(5));
        for (number, (client, server)) in pairs.iter().enumerate() {
            assert!(world.read(SERVER, *server).text == [u8::try_from(number).expect("small"); 5_000]);
            assert!(world.read(CLIENT, *client).text == [u8::try_from(number + 100).expect("small"); 5_000]);
            world.close(CLIENT, *client);
            world.close(SERVER, *server);
        }
        world.finish();
        assert_eq!(world.sent(CLIENT, |seen| seen.has(Flags::RST)).len(), 0);
    });
}
