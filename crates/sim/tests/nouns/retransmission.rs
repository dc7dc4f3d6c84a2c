//! What is sent again, and when: the timer, duplicate ACKs, several losses at once.

use crate::world::{
    CLIENT, DELAY, Family, ROUND_TRIP, SERVER, Seen, Setup, World, in_both, lose_first, ms, on_segments,
    secs, text,
};
use linger_proto::wire::tcp::Flags;
use linger_proto::{CloseReason, ConnectionId, ListenConfig, SeqNum};
use linger_sim::Verdict;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

fn end(world: &mut World, client: ConnectionId, server: ConnectionId) {
    world.abort(CLIENT, client);
    world.run(2 * ROUND_TRIP);
    world.close(SERVER, server);
    world.finish();
}

/// The waits between the segments that `which` picks of the client's, in milliseconds.
fn waits(world: &World, which: impl Fn(&Seen) -> bool) -> Vec<u64> {
    let times: Vec<u64> = world.sent(CLIENT, which).iter().map(|seen| seen.at.as_millis()).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// A link that loses what the list names: the client's segment that begins so many full segments after its first
/// text, the first time it is sent. The list may be filled in later.
#[derive(Clone, Default)]
struct Holes(Rc<RefCell<Vec<SeqNum>>>);

impl Holes {
    fn build(&self, setup: Setup) -> World {
        let holes = self.clone();
        let fault = on_segments(move |_, from, seen| {
            let mut holes = holes.0.borrow_mut();
            let hole = holes.iter().position(|seq| *seq == seen.header.seq);
            match hole.filter(|_| from == CLIENT && !seen.text.is_empty()) {
                Some(index) => {
                    holes.remove(index);
                    Verdict::Drop
                }
                None => Verdict::Pass,
            }
        });
        setup.fault(fault).build()
    }

    /// Lets the round-trip time be known, then loses these segments of `len` octets of text.
    fn lose(&self, world: &mut World, client: ConnectionId, segments: &[u32]) {
        world.write(CLIENT, client, b".");
        world.run(ms(100));
        let first = world.sent(CLIENT, |seen| !seen.text.is_empty())[0].header.seq + 1;
        let mss = u32::from(world.info(CLIENT, client).mss);
        *self.0.borrow_mut() = segments.iter().map(|segment| first + segment * mss).collect();
        world.forget_wire();
    }
}

/// How often each of the client's text segments was sent, by place among the full segments since the wire was
/// forgotten.
fn times_sent(world: &World) -> BTreeMap<u32, usize> {
    let sent = world.sent(CLIENT, |seen| !seen.text.is_empty());
    let (first, mss) = (sent[0].header.seq, u32::try_from(sent[0].text.len()).expect("small"));
    let mut times = BTreeMap::new();
    for seen in sent {
        *times.entry(seen.header.seq.since(first) / mss).or_insert(0) += 1;
    }
    times
}

// requirement: 6298-14
// requirement: 6298-5
// requirement: 1122-5
#[test]
fn text_that_is_never_acknowledged_is_sent_again_with_doubled_waits_up_to_the_bound() {
    in_both(|family| {
        let lost = lose_first(usize::MAX, |from, seen| from == CLIENT && seen.text.len() == 7);
        let mut world = Setup::new(family).tcp(CLIENT, |tcp| tcp.rto_max = secs(60)).fault(lost).build();
        let (client, server) = world.established();
        world.write(CLIENT, client, b"sample");
        world.run(ms(500));
        world.write(CLIENT, client, b"doubled");
        world.run(secs(240));
        let waits = waits(&world, |seen| seen.text.len() == 7);
        assert_eq!(waits[..10], [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000]);
        assert_eq!(world.info(CLIENT, client).rto, secs(60));
        world.read(SERVER, server);
        end(&mut world, client, server);
    });
}

// requirement: 6298-16
#[test]
fn handshake_gives_the_first_sample_and_after_a_lost_syn_the_wait_is_three_seconds() {
    in_both(|family| {
        for (lost_syns, expected) in [(0, 200), (1, 3_000)] {
            let mut syns = lost_syns;
            let mut texts = 1;
            let fault = on_segments(move |_, from, seen| {
                let counter = if seen.has(Flags::SYN) { &mut syns } else { &mut texts };
                if from == CLIENT && (seen.has(Flags::SYN) || !seen.text.is_empty()) && *counter > 0 {
                    *counter -= 1;
                    return Verdict::Drop;
                }
                Verdict::Pass
            });
            let mut world = Setup::new(family).fault(fault).build();
            let listener = world.listen(ListenConfig::default());
            let client = world.connect();
            world.run(secs(2));
            world.write(CLIENT, client, b"first");
            world.run(secs(5));
            assert_eq!(waits(&world, |seen| !seen.text.is_empty()), [expected]);
            let server = world.accept(listener).expect("the handshake is done");
            assert_eq!(world.read(SERVER, server).text, b"first");
            end(&mut world, client, server);
        }
    });
}

// requirement: 6298-2
#[test]
fn timeout_follows_the_round_trip_time() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.link = linger_sim::Link::new().delay(ms(400));
        let mut world = setup.build();
        let listener = world.listen(ListenConfig::default());
        let client = world.connect();
        world.run(secs(4));
        let server = world.accept(listener).expect("the handshake is done");
        world.write(CLIENT, client, &text(2 * 1448));
        world.run(secs(4));
        let info = world.info(CLIENT, client);
        assert!((ms(800)..ms(850)).contains(&info.srtt), "{info:?}");
        assert!((ms(1_200)..ms(2_500)).contains(&info.rto), "{info:?}");
        assert_eq!(info.retransmits, 0);
        world.read(SERVER, server);
        world.abort(CLIENT, client);
        world.run(secs(1));
        world.close(SERVER, server);
        world.finish();
    });
}

#[test]
fn lost_fin_is_sent_again_with_doubled_waits_until_it_is_acknowledged() {
    in_both(|family| {
        let lost = lose_first(3, |from, seen| from == CLIENT && seen.has(Flags::FIN));
        let mut world = Setup::new(family).fault(lost).build();
        let (client, server) = world.established();
        world.write(CLIENT, client, b"sample");
        world.run(ms(500));
        world.close(CLIENT, client);
        world.run(secs(5));
        assert_eq!(waits(&world, |seen| seen.has(Flags::FIN)), [200, 400, 800]);
        assert_eq!(world.read(SERVER, server).text, b"sample");
        world.close(SERVER, server);
        world.run(secs(1));
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::Graceful));
        world.finish();
    });
}

// requirement: 9293-MUST-22
#[test]
fn lost_syn_ack_is_sent_again_after_one_second_and_then_two() {
    in_both(|family| {
        let lost = lose_first(usize::MAX, |from, _| from == SERVER);
        let mut world = Setup::new(family).fault(lost).build();
        world.listen(ListenConfig::default());
        let client = world.connect();
        // The client's own repetitions are answered too: the timer's come between them.
        world.run(ms(10));
        world.abort(CLIENT, client);
        world.run(secs(8));
        let answers = world.sent(SERVER, |seen| seen.has(Flags::SYN));
        let times: Vec<u64> = answers.iter().map(|seen| seen.at.as_millis()).collect();
        assert_eq!(times, [5, 1_005, 3_005, 7_005]);
        world.finish();
    });
}

// requirement: 5681-15
#[test]
fn third_duplicate_ack_sends_the_lost_segment_again_long_before_the_timer() {
    in_both(|family| {
        let holes = Holes::default();
        let mut world = holes.build(Setup::new(family));
        let (client, server) = world.established();
        holes.lose(&mut world, client, &[0]);
        let len = 8 * usize::from(world.info(CLIENT, client).mss);
        let sent_at = world.now();
        world.write(CLIENT, client, &text(len));
        world.run(ms(150));
        let copies =
            world.sent(CLIENT, |seen| !seen.text.is_empty() && seen.header.seq == first_text(&world));
        assert_eq!(copies.len(), 2);
        assert_eq!(copies[1].at, sent_at + ROUND_TRIP, "with the third duplicate, one round trip later");
        let first = first_text(&world);
        let before =
            |seen: &Seen| seen.is_bare_ack() && seen.header.ack == first && seen.at + DELAY <= copies[1].at;
        assert!(world.sent(SERVER, before).len() >= 3);
        assert_eq!(world.info(CLIENT, client).retransmits, 1, "nothing else is sent again");
        assert_eq!(world.read(SERVER, server).text[1..], text(len));
        end(&mut world, client, server);
    });
}

/// Where the client's first text since the wire was forgotten begins.
fn first_text(world: &World) -> SeqNum {
    world.sent(CLIENT, |seen| !seen.text.is_empty())[0].header.seq
}

// requirement: 5681-15
#[test]
fn two_duplicate_acks_are_no_loss() {
    in_both(|family| {
        let holes = Holes::default();
        let mut world = holes.build(Setup::new(family));
        let (client, server) = world.established();
        holes.lose(&mut world, client, &[0]);
        let mss = usize::from(world.info(CLIENT, client).mss);
        let sent_at = world.now();
        world.write(CLIENT, client, &text(3 * mss));
        world.run(secs(1));
        let again = world.sent(CLIENT, |seen| seen.header.seq == first_text(&world) && !seen.text.is_empty());
        assert_eq!(again[1].at, sent_at + ms(200), "only the timer can tell");
        assert_eq!(world.read(SERVER, server).text.len(), 1 + 3 * mss);
        end(&mut world, client, server);
    });
}

// requirement: 6582-4
#[test]
fn several_losses_in_one_window_are_each_repaired_once_and_without_the_timer() {
    in_both(|family| {
        for sack in [false, true] {
            let holes = Holes::default();
            let mut world = holes.build(Setup::new(family).tcp(CLIENT, |tcp| tcp.sack = sack));
            let (client, server) = world.established();
            holes.lose(&mut world, client, &[1, 4, 6]);
            let len = 10 * usize::from(world.info(CLIENT, client).mss);
            world.write(CLIENT, client, &text(len));
            world.run(ms(150));
            assert_eq!(world.read(SERVER, server).text.len(), len + 1, "before a timeout could have come");
            let times: Vec<usize> = times_sent(&world).into_values().collect();
            assert_eq!(times, [1, 2, 1, 1, 2, 1, 2, 1, 1, 1], "with SACK {sack}");
            end(&mut world, client, server);
        }
    });
}

// requirement: 5681-12
#[test]
fn first_two_duplicate_acks_each_let_one_new_segment_leave() {
    in_both(|family| {
        let holes = Holes::default();
        let mut world = holes.build(Setup::new(family));
        let (client, server) = world.established();
        holes.lose(&mut world, client, &[0]);
        let mss = u32::from(world.info(CLIENT, client).mss);
        // More than the initial window: when it is full, only ACKs let new text leave.
        world.write(CLIENT, client, &text(20 * mss as usize));
        let full = world.sent(CLIENT, |seen| !seen.text.is_empty()).len();
        assert!(full < 15, "{full} segments at once");
        world.run(ROUND_TRIP);
        let first = first_text(&world);
        let order: Vec<u32> = world
            .sent(CLIENT, |seen| !seen.text.is_empty())
            .iter()
            .skip(full)
            .take(3)
            .map(|seen| seen.header.seq.since(first) / mss)
            .collect();
        let next = u32::try_from(full).expect("small");
        assert_eq!(order, [next, next + 1, 0], "two new ones, then the lost one");
        world.run(secs(3));
        assert_eq!(world.read(SERVER, server).text.len(), 1 + 20 * mss as usize);
        end(&mut world, client, server);
    });
}

/// Delivers one segment of a burst late, so that `overtaken_by` others come before it. How many were sent again.
fn reordered(family: Family, overtaken_by: u64) -> u64 {
    let mut number = 0;
    let late = on_segments(move |_, from, seen| {
        number += u32::from(from == CLIENT && seen.text.len() > 100);
        if from == CLIENT && number == 3 {
            number += 1;
            return Verdict::Delay(Duration::from_micros(1_200 * overtaken_by));
        }
        Verdict::Pass
    });
    let mut setup = Setup::new(family);
    // Ten segments follow one another by 1.2 ms.
    setup.link = linger_sim::Link::new().delay(DELAY).rate_bps(10_000_000).fault(late);
    let mut world = setup.build();
    let (client, server) = world.established();
    let len = 10 * usize::from(world.info(CLIENT, client).mss);
    world.write(CLIENT, client, &text(len));
    world.run(secs(2));
    assert_eq!(world.read(SERVER, server).text, text(len));
    let again = world.counters(CLIENT).retransmits;
    end(&mut world, client, server);
    again
}

#[test]
fn segment_overtaken_by_one_or_two_others_is_not_sent_again() {
    in_both(|family| {
        assert_eq!(reordered(family, 1), 0);
        assert_eq!(reordered(family, 2), 0);
        assert!(reordered(family, 6) > 0, "six duplicate ACKs look like a loss");
    });
}

// requirement: 6298-13
#[test]
fn whole_window_lost_is_sent_again_from_its_beginning_after_the_timer() {
    in_both(|family| {
        let holes = Holes::default();
        let mut world = holes.build(Setup::new(family));
        let (client, server) = world.established();
        holes.lose(&mut world, client, &[0, 1, 2, 3, 4]);
        let len = 5 * usize::from(world.info(CLIENT, client).mss);
        let sent_at = world.now();
        world.write(CLIENT, client, &text(len));
        world.run(ms(199));
        assert_eq!(world.sent(CLIENT, |seen| !seen.text.is_empty()).len(), 5);
        world.run(ms(1));
        let again = world.sent(CLIENT, |seen| !seen.text.is_empty())[5..].to_vec();
        assert_eq!(again.len(), 1, "one segment, not the whole window (RFC 5681 §3.1)");
        assert_eq!((again[0].at, again[0].header.seq), (sent_at + ms(200), first_text(&world)));
        world.run(ms(300));
        assert_eq!(world.read(SERVER, server).text.len(), len + 1);
        assert!(times_sent(&world).into_values().all(|times| times == 2));
        end(&mut world, client, server);
    });
}

// requirement: 6298-11
#[test]
fn when_everything_is_acknowledged_nothing_is_ever_sent_again() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.write(CLIENT, client, &text(30_000));
        world.run(secs(1));
        world.read(SERVER, server);
        world.run(secs(1));
        world.forget_wire();
        world.run(secs(3600));
        assert_eq!(world.wire().len(), 0);
        assert_eq!(world.with(CLIENT, |_, host| host.poll_timeout()), None, "no timer runs");
        end(&mut world, client, server);
    });
}

// requirement: 6298-6
#[test]
fn segment_sent_again_gives_no_sample_of_the_round_trip_time() {
    in_both(|family| {
        // The ACK of the first copy comes after the second copy has left: a sample would be far too small.
        let slow = on_segments(|_, from, seen| {
            if from == SERVER && seen.is_bare_ack() { Verdict::Delay(ms(1_100)) } else { Verdict::Pass }
        });
        let mut world = Setup::new(family).tcp(CLIENT, |tcp| tcp.timestamps = false).fault(slow).build();
        let (client, server) = world.established();
        let before = world.info(CLIENT, client).srtt;
        world.write(CLIENT, client, b"sent again");
        world.run(secs(4));
        assert!(world.sent(CLIENT, |seen| !seen.text.is_empty()).len() > 1);
        assert_eq!(world.info(CLIENT, client).srtt, before);
        world.read(SERVER, server);
        end(&mut world, client, server);
    });
}

/// A whole window lost at once, as slow start does to a short queue: what NewReno would mend one hole a round trip, the
/// timeout mends in a few.
// requirement: 6582-5
#[test]
fn burst_of_losses_at_a_full_queue_costs_no_round_trip_for_each() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.link = linger_sim::Link::new().delay(ms(50)).rate_bps(10_000_000).queue_packets(64);
        setup.record = false;
        let mut world = setup.build();
        let listener = world.listen(linger_proto::ListenConfig::default());
        let client = world.connect();
        world.run(secs(1));
        let server = world.accept(listener).expect("the handshake is done");
        let whole = text(3 << 20);
        assert_eq!(world.write(CLIENT, client, &whole), whole.len());
        let (began, mut got) = (world.now(), Vec::new());
        while got.len() < whole.len() {
            world.run(ms(100));
            got.extend(world.read(SERVER, server).text);
            // At this rate the text alone takes 2.6 seconds.
            assert!(world.now().since(began) < secs(8), "{} octets", got.len());
        }
        assert!(got == whole, "octets differ");
        assert!(world.info(CLIENT, client).retransmits > 20, "the queue overflowed");
        world.close(CLIENT, client);
        world.close(SERVER, server);
        world.run(secs(1));
        world.finish();
    });
}
