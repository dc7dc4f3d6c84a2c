//! Windows: silliness avoided on both sides, probes, acknowledgments held back, Nagle.

use crate::world::{
    CLIENT, DELAY, Family, ROUND_TRIP, SERVER, Seen, Setup, World, in_both, lose_first, ms, secs, text,
};
use linger_proto::wire::tcp::Options;
use linger_proto::{ConnectionId, SeqNum, State};
use std::time::Duration;

fn end(world: &mut World, client: ConnectionId, server: ConnectionId) {
    world.abort(CLIENT, client);
    world.run(2 * ROUND_TRIP);
    world.close(SERVER, server);
    world.finish();
}

/// A client and a server that takes no more than `room` octets.
fn small_room(setup: Setup, room: u32) -> (World, ConnectionId, ConnectionId) {
    let mut world = setup.tcp(SERVER, |tcp| tcp.recv_buffer = room).build();
    let (client, server) = world.established();
    (world, client, server)
}

/// Takes up to `max` octets of what the server has received.
fn read_some(world: &mut World, server: ConnectionId, max: usize) -> Vec<u8> {
    world.with(SERVER, |now, host| {
        let chunk = host.stream(server).expect("held").read_chunk(now, max);
        chunk.ok().flatten().map(|chunk| chunk.to_vec()).unwrap_or_default()
    })
}

/// The right edges that the server has offered, in order, each new one once. Its windows are not scaled here.
fn edges(world: &World) -> Vec<SeqNum> {
    let mut edges: Vec<SeqNum> =
        world.sent(SERVER, |_| true).iter().map(|s| s.header.ack + u32::from(s.header.wnd)).collect();
    edges.dedup();
    edges
}

// requirement: 9293-MUST-39
// requirement: 9293-SHLD-14
#[test]
fn right_edge_moves_by_a_full_segment_or_half_the_buffer_or_not_at_all() {
    in_both(|family| {
        for room in [8_192, 1_000] {
            let (mut world, client, server) = small_room(Setup::new(family), room);
            let mss = u32::from(world.info(CLIENT, client).mss);
            let whole = text(20_000);
            world.write(CLIENT, client, &whole);
            let mut got = Vec::new();
            while got.len() < whole.len() {
                got.extend(read_some(&mut world, server, 100));
                world.run(ms(10));
                assert!(world.now().as_millis() < 3_600_000, "{} octets in an hour", got.len());
            }
            assert_eq!(got, whole);
            let edges = edges(&world);
            let steps: Vec<u32> = edges.windows(2).skip(1).map(|pair| pair[1].since(pair[0])).collect();
            assert!(steps.len() > 2 && steps.iter().all(|step| *step >= mss.min(room / 2)), "{steps:?}");
            end(&mut world, client, server);
        }
    });
}

// requirement: 5681-1
#[test]
fn no_octet_but_a_probe_is_sent_beyond_the_right_edge_that_was_offered() {
    in_both(|family| {
        let (mut world, client, server) = small_room(Setup::new(family), 5_000);
        world.write(CLIENT, client, &text(60_000));
        for _ in 0..200 {
            world.run(ms(13));
            read_some(&mut world, server, 700);
        }
        let mut edge: Option<SeqNum> = None;
        let mut checked = 0;
        for seen in world.wire() {
            if seen.from == SERVER {
                let offered = seen.header.ack + u32::from(seen.header.wnd);
                edge = Some(edge.map_or(offered, |edge| edge.max(offered)));
            } else if seen.text.len() > 1 {
                let end = seen.header.seq + u32::try_from(seen.text.len()).expect("small");
                assert!(edge.is_some_and(|edge| end.at_or_before(edge)), "{seen:?}");
                checked += 1;
            }
        }
        assert!(checked > 20);
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-38
#[test]
fn sender_waits_for_more_than_a_sliver_of_window_until_the_override_timer() {
    in_both(|family| {
        let mut world = World::new(family);
        let mss = Options { mss: Some(1_000), ..Options::default() };
        let peer = world.scripted(3_000, mss);
        world.write(SERVER, peer.id, &text(9_000));
        let sizes = |world: &World| -> Vec<usize> {
            world.sent(SERVER, |s| !s.text.is_empty()).iter().map(|s| s.text.len()).collect()
        };
        assert_eq!(sizes(&world), [1_000, 1_000, 1_000]);
        world.forget_wire();
        // All is acknowledged, and room for 200 octets is offered: neither a full segment nor half the largest window.
        world.run(ms(10));
        world.play(&peer, &peer.ack(3_000, 200), b"");
        let offered_at = world.now();
        world.run(ms(90));
        assert_eq!(sizes(&world), [0; 0]);
        world.run(secs(1));
        let sliver = world.sent(SERVER, |seen| !seen.text.is_empty());
        assert_eq!(sliver[0].text.len(), 200, "what fits, in the end");
        let waited = sliver[0].at.since(offered_at);
        assert!((ms(100)..=secs(1)).contains(&waited), "{waited:?}");
        // Room for half the largest window is worth a segment at once.
        world.forget_wire();
        world.play(&peer, &peer.ack(3_200, 1_500), b"");
        assert_eq!(sizes(&world)[0], 1_000);
        world.abort(SERVER, peer.id);
    });
}

// requirement: 9293-MUST-36
// requirement: 9293-SHLD-29
// requirement: 9293-SHLD-30
#[test]
fn closed_window_is_probed_after_one_timeout_and_then_ever_more_rarely() {
    in_both(|family| {
        // Two full segments fill it.
        let room = if family == Family::V4 { 2 * 1_448 } else { 2 * 1_428 };
        let (mut world, client, server) = small_room(Setup::new(family), room);
        world.write(CLIENT, client, &text(20_000));
        world.run(ms(100));
        assert_eq!(world.info(CLIENT, client).snd_wnd, 0);
        let closed_at = world.sent(SERVER, |seen| seen.header.wnd == 0)[0].at + DELAY;
        world.forget_wire();
        world.run(secs(600));
        let probes = world.sent(CLIENT, |_| true);
        assert!(probes.iter().all(|seen| seen.text.len() <= 1), "an octet at most");
        let answers = world.sent(SERVER, Seen::is_bare_ack);
        assert_eq!(answers.len(), probes.len(), "each is answered");
        assert!(answers.iter().all(|seen| seen.header.wnd == 0));
        let times: Vec<u64> = probes.iter().map(|seen| seen.at.since(closed_at).as_millis() as u64).collect();
        assert!((190..=210).contains(&times[0]), "{times:?}");
        let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits.windows(2).all(|pair| pair[1] >= pair[0] && pair[1] <= 2 * pair[0] + 1), "{waits:?}");
        assert_eq!(waits.last(), Some(&120_000), "the bound on timeouts");
        assert_eq!(world.read(SERVER, server).text, text(20_000)[..room as usize]);
        world.run(secs(10));
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-36
#[test]
fn lost_window_update_is_made_good_by_the_next_probe() {
    in_both(|family| {
        // Loses the update that reading makes the server send, and only that.
        let lost = lose_first(1, {
            let closed = std::cell::Cell::new(false);
            move |from, seen| {
                let open = from == SERVER && seen.header.wnd > 0;
                closed.set(closed.get() || from == SERVER && seen.header.wnd == 0);
                open && closed.get()
            }
        });
        let (mut world, client, server) = small_room(Setup::new(family).fault(lost), 4_000);
        let whole = text(8_000);
        world.write(CLIENT, client, &whole);
        world.run(secs(3));
        let mut got = world.read(SERVER, server).text;
        assert_eq!(got.len(), 4_000);
        world.run(ms(50));
        assert_eq!(world.read(SERVER, server).text.len(), 0, "the client does not know yet");
        assert!(world.sent(SERVER, |seen| seen.lost).len() == 1);
        world.run(secs(10));
        got.extend(world.read(SERVER, server).text);
        assert_eq!(got, whole);
        end(&mut world, client, server);
    });
}

#[test]
fn window_update_after_reading_lets_text_flow_again_at_once() {
    in_both(|family| {
        let (mut world, client, server) = small_room(Setup::new(family), 4_000);
        world.write(CLIENT, client, &text(6_000));
        world.run(secs(3));
        assert_eq!(world.read(SERVER, server).text.len(), 4_000);
        world.run(ROUND_TRIP);
        assert_eq!(world.read(SERVER, server).text.len(), 2_000, "a round trip later, without a probe");
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-37
// requirement: 9293-MAY-8
#[test]
fn window_that_stays_closed_for_an_hour_keeps_the_connection() {
    in_both(|family| {
        let (mut world, client, server) =
            small_room(Setup::new(family).tcp(CLIENT, |tcp| tcp.user_timeout = secs(60)), 4_000);
        let tuple = world.tuple(client);
        let whole = text(50_000);
        world.write(CLIENT, client, &whole);
        world.run(secs(3_600));
        assert_eq!(world.states(tuple), (State::Established, State::Established));
        let mut got = Vec::new();
        for _ in 0..2_000 {
            got.extend(world.read(SERVER, server).text);
            world.run(ms(10));
        }
        assert_eq!(got, whole);
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-34
// requirement: 9293-SHLD-15
// requirement: 9293-SHLD-16
#[test]
fn peer_that_takes_back_the_window_it_offered_gets_no_new_text_and_still_all_of_it_in_the_end() {
    in_both(|family| {
        let mut world = World::new(family);
        let mss = Options { mss: Some(1_000), ..Options::default() };
        let peer = world.scripted(5_000, mss);
        world.write(SERVER, peer.id, &text(9_000));
        assert_eq!(world.sent(SERVER, |seen| !seen.text.is_empty()).len(), 5);
        world.forget_wire();
        // One segment is acknowledged and the edge is now where the third ends: two beyond it are in flight.
        world.run(ms(10));
        world.play(&peer, &peer.ack(1_000, 2_000), b"");
        world.run(ms(100));
        let beyond = |seen: &Seen| seen.header.seq.since(peer.ack) >= 5_000 && !seen.text.is_empty();
        assert_eq!(world.sent(SERVER, beyond).len(), 0, "nothing new");
        world.run(secs(5));
        let again = world.sent(SERVER, |seen| !seen.text.is_empty());
        assert_eq!(again[0].header.seq, peer.ack + 1_000, "what lies inside is still sent again");
        assert_eq!(world.sent(SERVER, beyond).len(), 0);
        for acked in [5_000, 6_000, 7_000, 8_000, 9_000] {
            world.play(&peer, &peer.ack(acked, 5_000), b"");
            let new = world.sent(SERVER, |seen| seen.header.seq == peer.ack + acked && !seen.text.is_empty());
            assert_eq!(new.len(), usize::from(acked < 9_000), "what the window lets in, once");
        }
        assert_eq!(world.info(SERVER, peer.id).send_queue, 0);
        world.abort(SERVER, peer.id);
    });
}

// requirement: 9293-SHLD-19
#[test]
fn steady_stream_of_full_segments_is_acknowledged_at_every_second_one() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.link = linger_sim::Link::new().delay(DELAY).rate_bps(20_000_000);
        let mut world = setup.build();
        let (client, server) = world.established();
        let mss = usize::from(world.info(CLIENT, client).mss);
        // Nothing but ACKs of text comes back, whoever reads when: the window is far from closing.
        world.write(CLIENT, client, &text(40 * mss));
        world.run(secs(1));
        world.forget_wire();
        world.write(CLIENT, client, &text(40 * mss));
        world.run(secs(1));
        assert_eq!(world.sent(CLIENT, |seen| seen.text.len() == mss).len(), 40);
        let acks = world.sent(SERVER, Seen::is_bare_ack).len();
        assert!((20..=22).contains(&acks), "{acks} ACKs of 40 segments");
        world.read(SERVER, server);
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-40
// requirement: 9293-SHLD-18
#[test]
fn lone_segment_is_acknowledged_after_the_delay_and_never_later_than_half_a_second() {
    in_both(|family| {
        for (asked, expected) in
            [(ms(40), 40..=40), (ms(200), 200..=200), (Duration::ZERO, 0..=0), (secs(10), 400..=499)]
        {
            // The sender is more patient than any of these.
            let setup = Setup::new(family).tcp(CLIENT, |tcp| tcp.rto_min = secs(2));
            let mut world = setup.tcp(SERVER, |tcp| tcp.delayed_ack = asked).build();
            let (client, server) = world.established();
            world.forget_wire();
            world.write(CLIENT, client, b"alone");
            let arrives_at = world.now() + DELAY;
            world.run(secs(1));
            let ack = world.sent(SERVER, Seen::is_bare_ack)[0].clone();
            let waited = ack.at.since(arrives_at).as_millis();
            assert!(expected.contains(&waited), "{asked:?}: {waited} ms");
            world.read(SERVER, server);
            end(&mut world, client, server);
        }
    });
}

#[test]
fn acknowledgment_that_is_held_back_rides_on_the_reply() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        // The first reading shows the whole window; later ones have nothing to tell.
        world.write(CLIENT, client, b"greeting");
        world.run(secs(1));
        world.read(SERVER, server);
        world.run(secs(1));
        world.forget_wire();
        world.write(CLIENT, client, b"question");
        world.run(DELAY + ms(10));
        assert_eq!(world.read(SERVER, server).text, b"question");
        world.write(SERVER, server, b"answer");
        world.run(secs(1));
        assert_eq!(world.sent(SERVER, |_| true).len(), 1, "no ACK of its own");
        assert_eq!(world.read(CLIENT, client).text, b"answer");
        end(&mut world, client, server);
    });
}

/// Ten small writes within one round trip: the sizes of the segments they leave in, each with when, in milliseconds.
fn small_writes(world: &mut World, client: ConnectionId) -> Vec<(usize, u128)> {
    world.forget_wire();
    let began = world.now();
    for _ in 0..10 {
        world.write(CLIENT, client, b"0123456789");
        world.run(Duration::from_micros(500));
    }
    world.run(secs(1));
    let sent = world.sent(CLIENT, |seen| !seen.text.is_empty());
    sent.iter().map(|seen| (seen.text.len(), seen.at.since(began).as_millis())).collect()
}

// requirement: 9293-SHLD-7
// requirement: 9293-MAY-16
// requirement: 9293-SHLD-27
#[test]
fn small_writes_wait_for_the_ack_of_the_first_and_leave_as_one() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        // The first leaves at once; its ACK is held back for 40 ms and takes ten more there and back.
        assert_eq!(small_writes(&mut world, client), [(10, 0), (90, 50)]);
        assert_eq!(world.read(SERVER, server).text.len(), 100);
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-17
#[test]
fn without_nagle_every_small_write_leaves_at_once() {
    in_both(|family| {
        let mut world = Setup::new(family).tcp(CLIENT, |tcp| tcp.nodelay = true).build();
        let (client, server) = world.established();
        let sent = small_writes(&mut world, client);
        assert_eq!(sent.len(), 10);
        assert!(sent.iter().all(|(size, at)| *size == 10 && *at < 5), "{sent:?}");
        assert_eq!(world.read(SERVER, server).text.len(), 100);
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-17
#[test]
fn switching_nagle_off_lets_what_waits_leave_at_once() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.forget_wire();
        world.write(CLIENT, client, b"first");
        world.write(CLIENT, client, b"waits");
        assert_eq!(world.sent(CLIENT, |_| true).len(), 1);
        world.with(CLIENT, |now, host| host.stream(client).expect("held").set_nodelay(now, true));
        assert_eq!(world.sent(CLIENT, |_| true).len(), 2);
        world.run(secs(1));
        assert_eq!(world.read(SERVER, server).text, b"firstwaits");
        end(&mut world, client, server);
    });
}

// requirement: 9293-SHLD-28
#[test]
fn full_segments_and_the_tail_behind_them_leave_at_once_and_the_next_small_one_waits_for_the_tail() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let mss = usize::from(world.info(CLIENT, client).mss);
        let sizes = |world: &World| -> Vec<usize> {
            world.sent(CLIENT, |seen| !seen.text.is_empty()).iter().map(|seen| seen.text.len()).collect()
        };
        world.write(CLIENT, client, &text(3 * mss + 10));
        world.write(CLIENT, client, b"next");
        assert_eq!(sizes(&world), [mss, mss, mss, 10]);
        world.run(secs(1));
        assert_eq!(sizes(&world)[4..], [4]);
        assert_eq!(world.read(SERVER, server).text.len(), 3 * mss + 14);
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-61
#[test]
fn segment_that_empties_the_send_queue_is_pushed() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let mss = usize::from(world.info(CLIENT, client).mss);
        world.write(CLIENT, client, &text(2 * mss + 10));
        world.run(secs(1));
        let pushed: Vec<bool> = world
            .sent(CLIENT, |seen| !seen.text.is_empty())
            .iter()
            .map(|seen| seen.has(linger_proto::wire::tcp::Flags::PSH))
            .collect();
        assert_eq!(pushed, [false, false, true]);
        world.read(SERVER, server);
        end(&mut world, client, server);
    });
}
