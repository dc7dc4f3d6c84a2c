//! TCP options: what is offered, what is agreed on, and what it does.

use crate::forge;
use crate::world::{
    CLIENT, FOREVER, Family, ROUND_TRIP, SERVER, Setup, World, in_both, lose_first, ms, on_segments, secs,
    text,
};
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::{ConnectionId, DropReason, SeqNum, State, TcpConfig};
use linger_sim::{Link, Verdict};
use std::time::Duration;

/// Octets of IP and TCP header without options.
const fn headers(family: Family) -> u16 {
    match family {
        Family::V4 => 40,
        Family::V6 => 60,
    }
}

/// Both sides let go and everything ends.
fn end(world: &mut World, client: ConnectionId, server: ConnectionId) {
    world.abort(CLIENT, client);
    world.run(2 * ROUND_TRIP);
    world.close(SERVER, server);
    world.finish();
}

// requirement: 9293-MUST-14
// requirement: 9293-MUST-67
#[test]
fn every_syn_names_the_mss_of_its_interface_and_no_segment_exceeds_the_smaller_of_the_two() {
    in_both(|family| {
        for (ours, theirs) in [(1500, 1300), (1280, 9000), (9000, 9000), (9000, 1500), (1500, 1500)] {
            let mut setup = Setup::new(family);
            setup.mtus = [ours, theirs];
            let mut world = setup.build();
            let (client, server) = world.established();
            let named = |host| world.sent(host, |seen| seen.has(Flags::SYN))[0].header.options.mss;
            assert_eq!(named(CLIENT), Some(ours - headers(family)));
            assert_eq!(named(SERVER), Some(theirs - headers(family)));
            world.write(CLIENT, client, &text(100_000));
            world.write(SERVER, server, &text(100_000));
            world.run(secs(1));
            assert_eq!(world.read(SERVER, server).text, text(100_000));
            assert_eq!(world.read(CLIENT, client).text, text(100_000));
            for host in [CLIENT, SERVER] {
                let longest = world.sent(host, |_| true).iter().map(|seen| seen.packet.len()).max();
                assert_eq!(longest, Some(usize::from(ours.min(theirs))), "full packets, and no longer ones");
            }
            end(&mut world, client, server);
        }
    });
}

// requirement: 9293-MUST-15
#[test]
fn peer_that_names_an_mss_gets_segments_of_that_size_and_one_that_names_none_the_default() {
    in_both(|family| {
        let default = if family == Family::V4 { 536 } else { 1220 };
        for (named, expected) in [(Some(517), 517), (Some(48), 48), (Some(1), 48), (None, default)] {
            let mut world = World::new(family);
            let peer = world.scripted(60_000, Options { mss: named, ..Options::default() });
            world.write(SERVER, peer.id, &text(5_000));
            let sizes: Vec<usize> =
                world.sent(SERVER, |seen| !seen.text.is_empty()).iter().map(|s| s.text.len()).collect();
            assert!(
                sizes.len() >= 4 && sizes[..4].iter().all(|size| *size == expected),
                "{named:?}: {sizes:?}"
            );
            world.abort(SERVER, peer.id);
        }
    });
}

// requirement: 9293-MUST-65
#[test]
fn mss_window_scale_and_sack_permitted_are_on_syns_only() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.write(CLIENT, client, &text(5_000));
        world.run(secs(1));
        for seen in world.wire() {
            let options = &seen.header.options;
            let offered = (options.mss.is_some(), options.window_scale.is_some(), options.sack_permitted);
            let syn = seen.has(Flags::SYN);
            assert_eq!(offered, (syn, syn, syn));
        }
        world.read(SERVER, server);
        end(&mut world, client, server);
    });
}

/// How long four megabytes take over 200 ms of round trip, and the most that was in flight on the way.
fn over_a_long_fat_link(family: Family, scaling: [bool; 2]) -> (Duration, u32) {
    let mut setup = Setup::new(family);
    setup.link = Link::new().delay(ms(100));
    setup.record = false;
    for (host, scaling) in scaling.into_iter().enumerate() {
        setup.hosts[host].tcp.window_scaling = scaling;
    }
    let mut world = setup.build();
    let listener = world.listen(linger_proto::ListenConfig::default());
    let client = world.connect();
    world.run(secs(1));
    let server = world.accept(listener).expect("the handshake is done");
    let began = world.now();
    let whole = text(2 << 20);
    assert_eq!(world.write(CLIENT, client, &whole), whole.len());
    let (mut got, mut most) = (Vec::new(), 0);
    while got.len() < whole.len() {
        world.run(ms(50));
        most = most.max(world.info(CLIENT, client).in_flight);
        got.extend(world.read(SERVER, server).text);
        assert!(world.now().since(began) < FOREVER);
    }
    assert!(got == whole, "octets differ");
    let took = world.now().since(began);
    world.abort(CLIENT, client);
    world.run(secs(1));
    world.close(SERVER, server);
    world.finish();
    (took, most)
}

// requirement: 7323-1
#[test]
fn window_scale_lets_more_than_64_kib_fly_and_only_if_both_sides_offer_it() {
    in_both(|family| {
        let (fast, most) = over_a_long_fat_link(family, [true, true]);
        assert!(most > 500_000, "{most} octets in flight");
        for scaling in [[true, false], [false, true], [false, false]] {
            let (slow, most) = over_a_long_fat_link(family, scaling);
            assert!((50_000..=65_535).contains(&most), "{most} octets in flight with {scaling:?}");
            assert!(slow > 2 * fast, "{slow:?} without, {fast:?} with");
        }
    });
}

// requirement: 7323-2
#[test]
fn window_of_a_syn_is_never_scaled() {
    in_both(|family| {
        let mut world = Setup::new(family).tcp(SERVER, |tcp| tcp.recv_buffer = 1 << 20).build();
        let (client, server) = world.established();
        for host in [CLIENT, SERVER] {
            assert_eq!(world.sent(host, |seen| seen.has(Flags::SYN))[0].header.wnd, 0xffff);
        }
        assert_eq!(world.info(CLIENT, client).snd_wnd, 0xffff, "as the SYN-ACK has it, not shifted");
        world.write(SERVER, server, b"the next one is");
        world.run(2 * ROUND_TRIP);
        assert!(world.info(CLIENT, client).snd_wnd > 0xffff);
        world.read(CLIENT, client);
        end(&mut world, client, server);
    });
}

/// An option: how to switch it off, and whether a segment shows it.
type Option = (&'static str, fn(&mut TcpConfig), fn(&Options) -> bool);

const OPTIONS: [Option; 3] = [
    ("timestamps", |tcp| tcp.timestamps = false, |options| options.timestamp.is_some()),
    ("SACK", |tcp| tcp.sack = false, |options| options.sack_permitted),
    ("window scale", |tcp| tcp.window_scaling = false, |options| options.window_scale.is_some()),
];

// requirement: 2018-2
// requirement: 7323-8
#[test]
fn option_switched_off_on_either_side_is_not_used_and_text_still_flows() {
    in_both(|family| {
        for (name, switch_off, shows) in OPTIONS {
            for host in [CLIENT, SERVER] {
                let mut world = Setup::new(family).tcp(host, switch_off).build();
                let (client, server) = world.established();
                let syns = world.wire();
                assert_eq!(shows(&syns[0].header.options), host != CLIENT, "{name} in the SYN");
                assert!(!shows(&syns[1].header.options), "{name} in the SYN-ACK");
                for id in [(CLIENT, client), (SERVER, server)] {
                    let info = world.info(id.0, id.1);
                    assert_eq!((info.timestamps, info.sack), (name != "timestamps", name != "SACK"));
                }
                world.write(CLIENT, client, &text(20_000));
                world.run(secs(1));
                assert_eq!(world.read(SERVER, server).text, text(20_000), "{name}");
                end(&mut world, client, server);
            }
        }
    });
}

// requirement: 7323-11
#[test]
fn once_agreed_every_segment_carries_timestamps_that_never_go_back() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        for _ in 0..5 {
            world.write(CLIENT, client, &text(3_000));
            world.write(SERVER, server, &text(3_000));
            world.run(ms(70));
            world.read(CLIENT, client);
            world.read(SERVER, server);
        }
        world.shutdown(CLIENT, client);
        world.run(ms(70));
        for host in [CLIENT, SERVER] {
            let values: Vec<Timestamp> = world
                .sent(host, |_| true)
                .iter()
                .map(|seen| seen.header.options.timestamp.expect("on every segment"))
                .collect();
            assert!(values.len() > 10);
            assert!(values.windows(2).all(|pair| !SeqNum(pair[1].val).before(SeqNum(pair[0].val))));
        }
        end(&mut world, client, server);
    });
}

// requirement: 7323-12
#[test]
fn segment_without_the_agreed_timestamp_is_dropped_and_counted_and_the_connection_lives() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        let ack = world.sent(CLIENT, |seen| seen.is_bare_ack()).pop().expect("the handshake's ACK").header;
        world.forget_wire();
        world.inject(SERVER, tuple, &Header { options: Options::default(), ..ack }, b"no timestamp");
        assert_eq!(world.drops(SERVER, DropReason::TimestampMissing), 1);
        assert_eq!(world.wire().len(), 0, "silently");
        assert_eq!(world.read(SERVER, server).text, b"");
        world.write(CLIENT, client, b"with");
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.read(SERVER, server).text, b"with");
        end(&mut world, client, server);
    });
}

// requirement: 7323-14
#[test]
fn timestamp_that_was_not_agreed_on_is_ignored_and_the_segment_counts() {
    in_both(|family| {
        let mut world = World::new(family);
        let peer = world.scripted(60_000, Options::default());
        let timestamp = Some(Timestamp { val: 5, ecr: 6 });
        let stamped = Header { options: Options { timestamp, ..Options::default() }, ..peer.ack(0, 60_000) };
        world.play(&peer, &stamped, b"stamped");
        assert_eq!(world.read(SERVER, peer.id).text, b"stamped");
        world.abort(SERVER, peer.id);
    });
}

/// What reaches the application when text of an earlier turn of the sequence space arrives where the next text is
/// expected, stamped with the clock of long ago.
fn old_duplicate_in_the_window(family: Family, timestamps: bool) -> (Vec<u8>, u64) {
    let mut world = Setup::new(family).tcp(CLIENT, |tcp| tcp.timestamps = timestamps).build();
    let (client, server) = world.established();
    let tuple = world.tuple(client);
    world.write(CLIENT, client, b"first ");
    world.run(secs(5));
    world.write(CLIENT, client, b"second ");
    world.run(secs(1));
    let old = world.sent(CLIENT, |seen| seen.text == b"first "[..]).pop().expect("it was sent").header;
    let next = world.sent(SERVER, |seen| seen.has(Flags::ACK)).pop().expect("an ACK").header.ack;
    world.forget_wire();
    // After 2^32 octets its old number would be the next one expected: here it is given that number at once.
    world.inject(SERVER, tuple, &Header { seq: next, ..old }, b"stray ");
    let stray_acked = world.sent(SERVER, |seen| seen.header.ack == next).len();
    assert_eq!(stray_acked, usize::from(timestamps), "thrown away, and the peer hears where it stands");
    world.abort(CLIENT, client);
    let got = world.read(SERVER, server).text;
    let dropped = world.drops(SERVER, DropReason::Paws);
    world.run(secs(1));
    world.close(SERVER, server);
    world.finish();
    (got, dropped)
}

// requirement: 7323-20
#[test]
fn paws_throws_away_an_old_duplicate_that_fits_the_window_after_the_sequence_numbers_wrapped() {
    in_both(|family| {
        assert_eq!(old_duplicate_in_the_window(family, true), (b"first second ".to_vec(), 1));
        assert_eq!(old_duplicate_in_the_window(family, false), (b"first second stray ".to_vec(), 0));
    });
}

// requirement: 7323-23
#[test]
fn connection_that_was_idle_for_longer_than_the_timestamps_clock_can_tell_lives_on() {
    in_both(|family| {
        for days in [20, 25, 40, 60] {
            let mut world = World::new(family);
            let (client, server) = world.established();
            world.run(secs(days * 24 * 3600));
            world.write(CLIENT, client, b"still there?");
            world.run(secs(1));
            assert_eq!(world.read(SERVER, server).text, b"still there?", "after {days} days");
            world.write(SERVER, server, b"yes");
            world.run(secs(1));
            assert_eq!(world.read(CLIENT, client).text, b"yes", "after {days} days");
            end(&mut world, client, server);
        }
    });
}

/// The SACK blocks of every bare ACK of the server, relative to the first octet of the client's text.
fn blocks(world: &World, first: SeqNum) -> Vec<Vec<(u32, u32)>> {
    let acks = world.sent(SERVER, |seen| seen.is_bare_ack());
    let relative = |(left, right): &(SeqNum, SeqNum)| (left.since(first), right.since(first));
    acks.iter().map(|seen| seen.header.options.sack.iter().map(relative).collect()).collect()
}

// requirement: 2018-3
// requirement: 2018-4
#[test]
fn every_ack_above_a_gap_reports_what_arrived_the_newest_block_first() {
    in_both(|family| {
        // Text of five segments; the first and the third are lost once.
        let mut number = 0;
        let fault = on_segments(move |_, from, seen| {
            number += u32::from(from == CLIENT && !seen.text.is_empty());
            let lose = from == CLIENT && !seen.text.is_empty() && (number == 1 || number == 3);
            if lose { Verdict::Drop } else { Verdict::Pass }
        });
        let mut world = Setup::new(family).fault(fault).build();
        let (client, server) = world.established();
        let mss = u32::from(world.info(CLIENT, client).mss);
        world.forget_wire();
        world.write(CLIENT, client, &text(5 * mss as usize));
        world.run(ROUND_TRIP);
        let first = world.sent(CLIENT, |seen| !seen.text.is_empty())[0].header.seq;
        let expected = [
            vec![(mss, 2 * mss)],
            vec![(3 * mss, 4 * mss), (mss, 2 * mss)],
            vec![(3 * mss, 5 * mss), (mss, 2 * mss)],
        ];
        assert_eq!(blocks(&world, first), expected);
        world.run(secs(5));
        assert_eq!(world.read(SERVER, server).text, text(5 * mss as usize));
        assert_eq!(blocks(&world, first).pop(), Some(vec![]), "no gap, no block");
        end(&mut world, client, server);
    });
}

// requirement: 2018-5
#[test]
fn ack_holds_four_sack_blocks_without_timestamps_and_three_with_them() {
    in_both(|family| {
        for (timestamps, fit) in [(false, 4), (true, 3)] {
            // Every second segment of twelve is lost.
            let mut number = 0;
            let fault = on_segments(move |_, from, seen| {
                number += u32::from(from == CLIENT && !seen.text.is_empty());
                let lose = from == CLIENT && !seen.text.is_empty() && number < 12 && number % 2 == 1;
                if lose { Verdict::Drop } else { Verdict::Pass }
            });
            let mut world =
                Setup::new(family).tcp(CLIENT, |tcp| tcp.timestamps = timestamps).fault(fault).build();
            let (client, server) = world.established();
            let len = 10 * usize::from(world.info(CLIENT, client).mss);
            world.write(CLIENT, client, &text(len));
            world.run(ROUND_TRIP);
            let most = world.sent(SERVER, |_| true).iter().map(|seen| seen.header.options.sack.len()).max();
            assert_eq!(most, Some(fit));
            world.run(secs(30));
            assert_eq!(world.read(SERVER, server).text, text(len));
            end(&mut world, client, server);
        }
    });
}

// requirement: 2018-2
#[test]
fn no_sack_block_is_sent_to_a_peer_that_did_not_permit_it() {
    in_both(|family| {
        for host in [CLIENT, SERVER] {
            let lost = lose_first(1, |from, seen| from == CLIENT && !seen.text.is_empty());
            let mut world = Setup::new(family).tcp(host, |tcp| tcp.sack = false).fault(lost).build();
            let (client, server) = world.established();
            world.write(CLIENT, client, &text(10_000));
            world.run(secs(2));
            assert_eq!(world.read(SERVER, server).text, text(10_000));
            assert!(world.sent(SERVER, |seen| !seen.header.options.sack.is_empty()).is_empty());
            end(&mut world, client, server);
        }
    });
}

// requirement: 9293-MUST-6
#[test]
fn unknown_option_is_skipped_and_the_rest_of_the_segment_counts() {
    in_both(|family| {
        let mut world = World::new(family);
        let peer = world.scripted(60_000, Options::default());
        // The twelve octets of a timestamp option become one of kind 253.
        let timestamp = Some(Timestamp { val: 0, ecr: 0 });
        let header = Header { options: Options { timestamp, ..Options::default() }, ..peer.ack(0, 60_000) };
        let known = forge::segment(peer.tuple.local, peer.tuple.remote, &header, b"after it");
        let unknown = forge::with_octet(&known, |octets| {
            let place = octets.windows(2).position(|pair| pair == [8, 10]).expect("the option");
            (place, 253)
        });
        world.inject_packet(SERVER, unknown);
        assert_eq!(world.read(SERVER, peer.id).text, b"after it");
        assert_eq!(world.state(SERVER, peer.tuple), State::Established);
        world.abort(SERVER, peer.id);
    });
}
