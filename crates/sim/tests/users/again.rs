//! Tuples that are used again, and connections in a row.

use crate::world::{CLIENT, End, ROUND_TRIP, SERVER, Setup, World, in_both, secs};
use linger_proto::wire::tcp::Flags;
use linger_proto::{ConnectConfig, FourTuple, ListenConfig, SeqNum, State};

/// A connection that the server closed first.
fn over(world: &mut World, listener: linger_proto::ListenerId) -> FourTuple {
    let (client, server) = world.established_with(listener);
    let tuple = world.tuple(client);
    world.close(SERVER, server);
    world.run(2 * ROUND_TRIP);
    world.close(CLIENT, client);
    world.run(2 * ROUND_TRIP);
    assert_eq!(world.states(tuple).1, State::TimeWait);
    tuple
}

// requirement: 9293-MAY-2
// requirement: 6191-1
#[test]
fn new_syn_on_a_tuple_in_time_wait_is_taken_at_once_two_hundred_times() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let tuple = over(&mut world, listener);
        for round in 0..200 {
            let client =
                world.try_connect(ConnectConfig::default().local(tuple.local)).expect("the client forgot it");
            world.run(2 * ROUND_TRIP);
            let server = world.accept(listener).unwrap_or_else(|| panic!("round {round}: dropped"));
            world.close(SERVER, server);
            world.run(2 * ROUND_TRIP);
            world.close(CLIENT, client);
            world.run(2 * ROUND_TRIP);
        }
        let counters = world.counters(SERVER);
        assert_eq!((counters.reopened, counters.syn_refused, counters.resets_sent), (200, 0, 0));
        world.with(SERVER, |now, host| host.unlisten(now, listener));
        world.finish();
    });
}

// requirement: 9293-TO-3
#[test]
fn no_timer_is_due_in_time_wait_but_the_end_of_2msl() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        over(&mut world, listener);
        let entered = world.path(SERVER).last().expect("TIME-WAIT").0;
        world.run(secs(5));
        world.forget_wire();
        assert_eq!(world.with(SERVER, |_, host| host.poll_timeout()), Some(entered + secs(60)));
        world.with(SERVER, |now, host| host.unlisten(now, listener));
        world.finish();
        assert!(world.wire().is_empty(), "and nothing is sent meanwhile");
    });
}

#[test]
fn ten_thousand_connects_with_one_request_and_one_response_each_see_no_reset() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.record = false;
        let mut world = setup.build();
        let listener = world.listen(ListenConfig::default());
        for round in 0..10_000 {
            let client = world.connect();
            world.write(CLIENT, client, b"?");
            world.run(2 * ROUND_TRIP);
            let server = world.accept(listener).expect("established");
            assert_eq!(world.read(SERVER, server).text, b"?", "round {round}");
            world.write(SERVER, server, b"!");
            world.close(SERVER, server);
            world.run(ROUND_TRIP);
            let got = world.read(CLIENT, client);
            assert_eq!((got.text.as_slice(), got.end), (&b"!"[..], End::Eof), "round {round}");
            world.close(CLIENT, client);
        }
        for host in [CLIENT, SERVER] {
            let counters = world.counters(host);
            assert_eq!((counters.resets_sent, counters.resets_received, counters.retransmits), (0, 0, 0));
        }
        world.with(SERVER, |now, host| host.unlisten(now, listener));
        world.finish();
    });
}

/// A peer whose numbers say nothing about time: its SYN looks old half of the time, and then it waits, but never longer
/// than what is left of 2*MSL.
// requirement: 6191-4
// requirement: 9293-SHLD-4
#[test]
fn peer_with_random_numbers_and_no_timestamps_waits_at_most_the_rest_of_2msl_and_is_counted() {
    in_both(|family| {
        let random = |tuple: &FourTuple| SeqNum(u32::from(tuple.local.port()).wrapping_mul(2_654_435_769));
        let mut setup = Setup::new(family).tcp(CLIENT, |tcp| tcp.timestamps = false);
        setup.hosts[CLIENT].initial_sequence = Some(random);
        let mut world = setup.build();
        let listener = world.listen(ListenConfig::default());
        let tuple = over(&mut world, listener);
        world.run(secs(10));
        // The same initial number again: not newer than where the old connection ended.
        let began = world.now();
        let client = world.try_connect(ConnectConfig::default().local(tuple.local)).expect("forgotten there");
        let server = loop {
            world.run(ROUND_TRIP);
            if let Some(server) = world.accept(listener) {
                break server;
            }
            assert!(world.now().since(began) < secs(200), "never admitted");
        };
        let (waited, counters) = (world.now().since(began), world.counters(SERVER));
        assert!(waited > secs(49), "while TIME-WAIT lasts it is refused: {waited:?}");
        // The end of 2*MSL, and the time until the SYN is repeated: the client's own waits, doubled each time.
        assert!(waited < secs(64), "its first SYN after that is admitted: {waited:?}");
        assert_eq!((counters.reopened, counters.resets_sent), (0, 0));
        let refused =
            world.sent(CLIENT, |seen| seen.header.flags == Flags::SYN && seen.at >= began).len() - 1;
        assert_eq!(counters.syn_refused, u64::try_from(refused).expect("few"));
        assert!(refused > 3, "every one of them is counted: {refused}");
        world.close(CLIENT, client);
        world.run(ROUND_TRIP);
        world.close(SERVER, server);
        world.with(SERVER, |now, host| host.unlisten(now, listener));
        world.finish();
    });
}
