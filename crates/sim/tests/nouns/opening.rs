//! How connections begin, and how they fail to.

use crate::forge;
use crate::world::{
    CLIENT, DELAY, End, Family, PORT, ROUND_TRIP, SERVER, Setup, World, in_both, lose_first, ms, secs,
};
use linger_proto::wire::icmp::{IcmpRepr, Unreachable};
use linger_proto::wire::tcp::Flags;
use linger_proto::{
    CloseReason, ConnectConfig, ConnectError, DropReason, Event, FourTuple, ListenConfig, SeqNum, State,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);
const RST_ACK: Flags = Flags(Flags::RST.0 | Flags::ACK.0);

/// A SYN from a port of an address that nobody has arrives at the server.
fn stray_syn(world: &mut World, port: u16) -> FourTuple {
    let tuple = FourTuple { local: SocketAddr::new(world.nobody(), port), remote: world.server() };
    let syn = forge::header(Flags::SYN, SeqNum(u32::from(port) * 1000), SeqNum(0));
    world.inject(SERVER, tuple, &syn, b"");
    tuple
}

#[test]
fn active_and_passive_open_take_three_segments_and_pass_through_the_states_of_the_rfc() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let client = world.connect();
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.said(CLIENT, Event::Connected(client)), 1);
        assert_eq!(world.said(SERVER, Event::Incoming(listener)), 1);
        let flags: Vec<Flags> = world.wire().iter().map(|seen| seen.header.flags).collect();
        assert_eq!(flags, [Flags::SYN, SYN_ACK, Flags::ACK]);
        let [syn, answer, ack] = &world.wire()[..] else { panic!("three segments") };
        assert_eq!(answer.header.ack, syn.header.seq + 1);
        assert_eq!((ack.header.seq, ack.header.ack), (syn.header.seq + 1, answer.header.seq + 1));
        let states = |host| world.path(host).iter().map(|(_, state)| *state).collect::<Vec<_>>();
        assert_eq!(states(CLIENT), [State::SynSent, State::Established]);
        assert_eq!(states(SERVER), [State::SynReceived, State::Established]);
        assert_eq!((world.counters(CLIENT).opened, world.counters(SERVER).accepted), (1, 1));
        let server = world.accept(listener).expect("it waits");
        world.abort(CLIENT, client);
        world.run(ROUND_TRIP);
        world.close(SERVER, server);
        world.finish();
    });
}

// requirement: 9293-MUST-10
#[test]
fn simultaneous_open_makes_one_connection_through_syn_received_on_both_sides() {
    in_both(|family| {
        let mut world = World::new(family);
        let [first, second] = [CLIENT, SERVER]
            .map(|host| SocketAddr::new(world.address(host), if host == 0 { 7001 } else { 7002 }));
        let open = |at, to| {
            move |now, host: &mut linger_proto::Host| {
                host.connect(now, to, ConnectConfig::default().local(at)).expect("the port is free")
            }
        };
        let a = world.with(CLIENT, open(first, second));
        let b = world.with(SERVER, open(second, first));
        world.run(4 * ROUND_TRIP);
        for host in [CLIENT, SERVER] {
            let states: Vec<State> = world.path(host).iter().map(|(_, state)| *state).collect();
            assert_eq!(states, [State::SynSent, State::SynReceived, State::Established]);
            assert_eq!(world.sent(host, |seen| seen.header.flags == Flags::SYN).len(), 1);
            assert_eq!(world.sent(host, |seen| seen.header.flags == SYN_ACK).len(), 1);
            assert_eq!(world.counters(host).opened, 1);
        }
        world.write(CLIENT, a, b"from the first");
        world.write(SERVER, b, b"from the second");
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.read(SERVER, b).text, b"from the first");
        assert_eq!(world.read(CLIENT, a).text, b"from the second");
        world.close(CLIENT, a);
        world.close(SERVER, b);
        world.finish();
    });
}

// requirement: 9293-SA-CLOSED-4
#[test]
fn connect_to_a_closed_port_is_refused_by_rst_that_acknowledges_the_syn() {
    in_both(|family| {
        let mut world = World::new(family);
        let client = world.connect();
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::Refused));
        let [syn, rst] = &world.wire()[..] else { panic!("two segments") };
        assert_eq!((rst.header.flags, rst.header.seq), (RST_ACK, SeqNum(0)));
        assert_eq!(rst.header.ack, syn.header.seq + 1);
        assert_eq!(world.drops(SERVER, DropReason::NoConnection), 1);
        assert_eq!(world.counters(CLIENT).connect_failed, 1);
        world.close(CLIENT, client);
        world.finish();
    });
}

/// A router answers the SYN of a connect to an address that nobody has. Whether the connect ended at once.
fn connect_answered_by(family: Family, answer: Unreachable, in_flight: bool) -> Option<CloseReason> {
    let mut world = World::new(family);
    let to = SocketAddr::new(world.nobody(), PORT);
    let client = world
        .with(CLIENT, |now, host| host.connect(now, to, ConnectConfig::default()))
        .expect("on this link");
    let tuple = world.tuple(client);
    let syn = world.wire()[0].clone();
    let quoted = if in_flight {
        syn.packet
    } else {
        forge::segment(tuple.local, to, &forge::header(Flags::SYN, syn.header.seq - 100, SeqNum(0)), b"")
    };
    let (router, us) = (world.address(SERVER), world.address(CLIENT));
    world.inject_packet(CLIENT, forge::icmp(router, us, &IcmpRepr::Unreachable(answer), &quoted));
    let ended = world.said_closed(CLIENT, client);
    if ended.is_none() {
        assert_eq!(world.state(CLIENT, tuple), State::SynSent);
        world.run(ms(1500));
        assert_eq!(world.sent(CLIENT, |seen| seen.has(Flags::SYN)).len(), 2, "the SYN is repeated");
    }
    world.close(CLIENT, client);
    world.finish();
    ended
}

// requirement: 5927-3
#[test]
fn hard_icmp_unreachable_ends_a_connect_at_once() {
    in_both(|family| {
        for answer in [Unreachable::Port, Unreachable::Prohibited] {
            assert_eq!(
                connect_answered_by(family, answer, true),
                Some(CloseReason::Unreachable),
                "{answer:?}"
            );
        }
    });
}

// requirement: 9293-MUST-56
#[test]
fn soft_icmp_unreachable_does_not_end_a_connect() {
    in_both(|family| {
        for answer in [Unreachable::Network, Unreachable::Host] {
            assert_eq!(connect_answered_by(family, answer, true), None, "{answer:?}");
        }
    });
}

// requirement: 5927-1
#[test]
fn icmp_that_quotes_a_syn_never_sent_does_not_end_a_connect() {
    in_both(|family| assert_eq!(connect_answered_by(family, Unreachable::Port, false), None));
}

// requirement: 9293-MUST-23
#[test]
fn connect_that_nobody_answers_repeats_the_syn_with_doubled_waits_for_three_minutes() {
    in_both(|family| {
        let mut world = Setup::new(family).fault(lose_first(usize::MAX, |_, _| true)).build();
        let client = world.connect();
        world.run(secs(179));
        assert_eq!(world.said_closed(CLIENT, client), None);
        let times: Vec<u64> = world
            .sent(CLIENT, |seen| seen.header.flags == Flags::SYN)
            .iter()
            .map(|s| s.at.as_millis())
            .collect();
        assert_eq!(times, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 127_000]);
        let numbers: BTreeSet<u32> = world.wire().iter().map(|seen| seen.header.seq.0).collect();
        assert_eq!(numbers.len(), 1, "the same SYN each time");
        world.run(secs(2));
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::TimedOut));
        world.close(CLIENT, client);
        world.finish();
    });
}

// requirement: 9293-MUST-22
#[test]
fn lost_syn_and_lost_syn_ack_are_repeated_and_the_connection_opens() {
    in_both(|family| {
        let lost = lose_first(2, |from, seen| {
            seen.header.flags == if from == CLIENT { Flags::SYN } else { SYN_ACK }
        });
        let mut world = Setup::new(family).fault(lost).build();
        let listener = world.listen(ListenConfig::default());
        let client = world.connect();
        // The SYN is lost, its repetition arrives after a second, the answer to that is lost too.
        world.run(secs(1) + ROUND_TRIP);
        assert_eq!(world.said(CLIENT, Event::Connected(client)), 0);
        world.run(secs(2) + ROUND_TRIP);
        assert_eq!(world.said(CLIENT, Event::Connected(client)), 1);
        let server = world.accept(listener).expect("one connection");
        assert_eq!(world.accept(listener), None, "and no second one");
        world.close(CLIENT, client);
        world.close(SERVER, server);
        world.finish();
    });
}

#[test]
fn text_and_close_before_the_handshake_leave_with_it_and_established_is_skipped() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let client = world.connect();
        world.write(CLIENT, client, b"early");
        world.close(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        assert!(world.path(CLIENT).iter().any(|(_, state)| *state == State::FinWait1));
        let server = world.accept(listener).expect("the handshake is done");
        let got = world.read(SERVER, server);
        assert_eq!((&got.text[..], got.end), (&b"early"[..], End::Eof));
        world.close(SERVER, server);
        world.finish();
    });
}

#[test]
fn backlog_of_two_lets_three_wait_and_the_fourth_gets_in_after_an_accept() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default().backlog(2));
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(world.connect());
            world.run(2 * ROUND_TRIP);
        }
        let connected: Vec<usize> =
            clients.iter().map(|id| world.said(CLIENT, Event::Connected(*id))).collect();
        assert_eq!(connected, [1, 1, 1, 0]);
        assert_eq!(world.drops(SERVER, DropReason::AcceptQueueFull), 1);
        assert_eq!(world.sent(SERVER, |seen| seen.has(Flags::RST)).len(), 0, "dropped, not refused");
        let mut servers = vec![world.accept(listener).expect("the first")];
        world.run(secs(1));
        assert_eq!(world.said(CLIENT, Event::Connected(clients[3])), 1, "with its next SYN");
        while let Some(id) = world.accept(listener) {
            servers.push(id);
        }
        assert_eq!(servers.len(), 4);
        clients.into_iter().for_each(|id| world.close(CLIENT, id));
        servers.into_iter().for_each(|id| world.close(SERVER, id));
        world.finish();
    });
}

#[test]
fn connections_are_accepted_in_the_order_in_which_they_were_established() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let clients: Vec<_> = (0..5).map(|_| world.connect()).collect();
        world.run(2 * ROUND_TRIP);
        for client in clients {
            let tuple = world.tuple(client);
            let server = world.accept(listener).expect("it waits");
            assert_eq!(world.with(SERVER, |_, host| host.tuple(server)), Some(tuple.reversed()));
            world.close(CLIENT, client);
            world.close(SERVER, server);
        }
        world.finish();
    });
}

// requirement: 4987-1
#[test]
fn half_open_queue_is_bounded_by_the_backlog_and_its_entries_expire() {
    in_both(|family| {
        let mut world = World::new(family);
        world.listen(ListenConfig::default().backlog(3));
        let tuples: Vec<FourTuple> = (1..=5).map(|port| stray_syn(&mut world, port)).collect();
        let states: Vec<State> = tuples.iter().map(|tuple| world.state(SERVER, *tuple)).collect();
        let (there, gone) = (State::SynReceived, State::Listen);
        assert_eq!(states, [there, there, there, gone, gone]);
        assert_eq!(world.counters(SERVER).syn_cookies_sent, 2);
        // The SYN-ACK and five repetitions, with doubled waits.
        world.run(secs(62));
        let answers = world.sent(SERVER, |seen| seen.header.destination == 1);
        let times: Vec<u64> = answers.iter().map(|seen| seen.at.as_millis()).collect();
        assert_eq!(times, [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
        assert_eq!(world.state(SERVER, tuples[0]), there);
        world.run(secs(2));
        assert_eq!(world.state(SERVER, tuples[0]), gone);
        assert_eq!(world.counters(SERVER).half_open_expired, 3);
        let late = stray_syn(&mut world, 6);
        assert_eq!(world.state(SERVER, late), there, "there is room again");
        world.finish();
    });
}

// requirement: 4987-1
#[test]
fn half_open_connections_are_bounded_over_all_listeners_of_a_host() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.hosts[SERVER].half_open_max = 2;
        let mut world = setup.build();
        world.listen(ListenConfig::default());
        for port in 1..=4 {
            stray_syn(&mut world, port);
        }
        assert_eq!(world.with(SERVER, |now, host| host.snapshot(now)).connections.len(), 2);
        assert_eq!(world.counters(SERVER).syn_cookies_sent, 2);
        world.finish();
    });
}

/// The client's initial sequence number for a connect from that port.
fn initial_number(world: &mut World, from: u16) -> SeqNum {
    let local = SocketAddr::new(world.address(CLIENT), from);
    let client = world.try_connect(ConnectConfig::default().local(local)).expect("the port is free");
    let number = world.sent(CLIENT, |seen| seen.has(Flags::SYN)).last().expect("a SYN").header.seq;
    world.abort(CLIENT, client);
    number
}

// requirement: 6528-4
#[test]
fn initial_number_of_one_tuple_grows_by_a_quarter_million_a_second() {
    in_both(|family| {
        let mut world = Setup::new(family).fault(lose_first(usize::MAX, |_, _| true)).build();
        let numbers = [0, 1, 2].map(|_| {
            let number = initial_number(&mut world, 5000);
            world.run(secs(1));
            number
        });
        assert_eq!(numbers[1].since(numbers[0]), 250_000);
        assert_eq!(numbers[2].since(numbers[1]), 250_000);
        world.finish();
    });
}

// requirement: 6528-6
#[test]
fn initial_numbers_of_neighbouring_tuples_and_of_hosts_with_other_secrets_are_unrelated() {
    in_both(|family| {
        let mut numbers = BTreeSet::new();
        let mut near = 0;
        for seed in 0..4 {
            let mut setup = Setup::new(family).fault(lose_first(usize::MAX, |_, _| true));
            setup.seed = seed;
            let mut world = setup.build();
            let mut last: Option<SeqNum> = None;
            for port in 5000..5050 {
                let number = initial_number(&mut world, port);
                near += usize::from(last.is_some_and(|last| number.since(last) < 1 << 20));
                numbers.insert(number.0);
                last = Some(number);
            }
            world.finish();
        }
        assert_eq!(numbers.len(), 200, "all different");
        assert!(near <= 2, "{near} of 200 close above the one before");
    });
}

/// The ports of one connect to each of the server's ports given.
fn ephemeral_ports(world: &mut World, to: impl Iterator<Item = u16>) -> Vec<u16> {
    let address = world.address(SERVER);
    to.map(|port| {
        let client = world
            .with(CLIENT, |now, host| {
                host.connect(now, SocketAddr::new(address, port), ConnectConfig::default())
            })
            .expect("a port is free");
        world.tuple(client).local.port()
    })
    .collect()
}

// requirement: 6056-3
// requirement: 5927-9
#[test]
fn ephemeral_ports_towards_different_destinations_are_not_in_sequence() {
    in_both(|family| {
        let mut world = Setup::new(family).fault(lose_first(usize::MAX, |_, _| true)).build();
        let ports = ephemeral_ports(&mut world, 1..=50);
        assert!(ports.iter().all(|port| (32768..=60999).contains(port)), "{ports:?}");
        let neighbours = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 16).count();
        assert!(neighbours < 5, "{ports:?}");
    });
}

// requirement: 6056-4
#[test]
fn ephemeral_ports_towards_one_destination_are_all_distinct_until_none_is_left() {
    in_both(|family| {
        let mut setup = Setup::new(family).fault(lose_first(usize::MAX, |_, _| true));
        setup.hosts[CLIENT].ephemeral_ports = 4000..=4099;
        let mut world = setup.build();
        let ports = ephemeral_ports(&mut world, std::iter::repeat_n(PORT, 100));
        let distinct: BTreeSet<u16> = ports.iter().copied().collect();
        assert_eq!(distinct, (4000..=4099).collect());
        assert_eq!(world.try_connect(ConnectConfig::default()), Err(ConnectError::NoPorts));
        // Another destination is another set of tuples.
        ephemeral_ports(&mut world, std::iter::once(PORT + 1));
    });
}

#[test]
fn connect_on_a_chosen_tuple_in_use_and_listen_on_a_taken_address_say_so() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let local = SocketAddr::new(world.address(CLIENT), 5000);
        let config = ConnectConfig::default().local(local);
        let client = world.try_connect(config.clone()).expect("the port is free");
        assert_eq!(world.try_connect(config), Err(ConnectError::AddrInUse));
        let at = world.server();
        let again = world.with(SERVER, |_, host| host.listen(at, ListenConfig::default()));
        assert_eq!(again, Err(linger_proto::ListenError::AddrInUse));
        world.run(2 * ROUND_TRIP);
        let server = world.accept(listener).expect("it waits");
        world.close(CLIENT, client);
        world.close(SERVER, server);
        world.finish();
    });
}

#[test]
fn closing_a_listener_resets_what_waits_and_refuses_what_comes() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let waiting = world.connect();
        world.run(2 * ROUND_TRIP);
        world.with(SERVER, |now, host| host.unlisten(now, listener));
        let late = world.connect();
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.said_closed(CLIENT, waiting), Some(CloseReason::Reset));
        assert_eq!(world.said_closed(CLIENT, late), Some(CloseReason::Refused));
        world.close(CLIENT, waiting);
        world.close(CLIENT, late);
        world.finish();
    });
}

#[test]
fn handshake_takes_one_round_trip_for_the_client_and_half_of_one_more_for_the_server() {
    in_both(|family| {
        let mut world = World::new(family);
        world.listen(ListenConfig::default());
        let client = world.connect();
        world.run(4 * ROUND_TRIP);
        let at = |host| world.path(host).last().expect("a change").0.since(linger_proto::Instant::ZERO);
        let (client_at, server_at): (Duration, Duration) = (at(CLIENT), at(SERVER));
        assert_eq!((client_at, server_at), (2 * DELAY, 3 * DELAY));
        world.abort(CLIENT, client);
    });
}
