//! How long a peer may be silent: keep-alive, the user timeout, and what a dead peer leaves behind.

use crate::world::{
    CLIENT, FOREVER, Family, ROUND_TRIP, SERVER, Setup, World, in_both, ms, on_segments, secs, text,
};
use linger_proto::wire::tcp::Flags;
use linger_proto::{CloseReason, ConnectionId, Instant, KeepAlive, ListenConfig, State};
use linger_sim::Verdict;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const KEEP_ALIVE: KeepAlive = KeepAlive { idle: secs(10), interval: secs(2), probes: 3 };

/// Two hosts whose link can be cut: the peer is dead from then on.
fn mortal(setup: Setup) -> (World, ConnectionId, ConnectionId, Rc<Cell<bool>>) {
    let dead = Rc::new(Cell::new(false));
    let is_dead = Rc::clone(&dead);
    let fault = on_segments(move |_, _, _| if is_dead.get() { Verdict::Drop } else { Verdict::Pass });
    let mut world = setup.fault(fault).build();
    let (client, server) = world.established();
    (world, client, server, dead)
}

fn end(world: &mut World, client: ConnectionId, server: ConnectionId) {
    world.abort(CLIENT, client);
    world.run(2 * ROUND_TRIP);
    world.close(SERVER, server);
    world.finish();
}

/// When the host said, by its state, that the connection is over.
fn closed_at(world: &World, host: usize) -> Instant {
    let (at, state) = *world.path(host).last().expect("a change");
    assert_eq!(state, State::Closed);
    at
}

// requirement: 9293-MUST-25
#[test]
fn idle_connection_sends_nothing_for_a_day_unless_keep_alive_is_asked_for() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.run(secs(1));
        world.forget_wire();
        world.run(secs(24 * 3600));
        assert_eq!(world.wire().len(), 0);
        assert_eq!(world.states(tuple), (State::Established, State::Established));
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-26
// requirement: 9293-SHLD-12
// requirement: 9293-MAY-5
#[test]
fn keep_alive_probes_an_idle_peer_whose_answers_keep_the_connection() {
    in_both(|family| {
        let setup = Setup::new(family).tcp(CLIENT, |tcp| tcp.keepalive = Some(KEEP_ALIVE));
        let (mut world, client, server, _) = mortal(setup);
        let tuple = world.tuple(client);
        let heard_at = world.sent(SERVER, |_| true)[0].at + ROUND_TRIP / 2;
        let next = world.sent(CLIENT, |_| true).pop().expect("an ACK").header.seq;
        world.forget_wire();
        world.run(secs(65));
        let probes = world.sent(CLIENT, |_| true);
        assert_eq!(probes.len(), 6);
        assert_eq!(probes[0].at, heard_at + KEEP_ALIVE.idle);
        for probe in &probes {
            assert_eq!((probe.header.flags, probe.header.seq), (Flags::ACK, next - 1));
            assert_eq!(probe.text.len(), 0);
        }
        let gap = |pair: &[crate::world::Seen]| pair[1].at.since(pair[0].at);
        assert!(
            probes.windows(2).all(|pair| gap(pair) == KEEP_ALIVE.idle + ROUND_TRIP),
            "each answer counts"
        );
        assert_eq!(world.sent(SERVER, |_| true).len(), 6);
        assert_eq!(world.states(tuple), (State::Established, State::Established));
        end(&mut world, client, server);
    });
}

// requirement: 9293-MUST-29
#[test]
fn keep_alive_gives_a_silent_peer_up_after_so_many_probes_and_not_before() {
    in_both(|family| {
        let setup = Setup::new(family).tcp(CLIENT, |tcp| tcp.keepalive = Some(KEEP_ALIVE));
        let (mut world, client, server, dead) = mortal(setup);
        let heard_at = world.sent(SERVER, |_| true)[0].at + ROUND_TRIP / 2;
        dead.set(true);
        world.forget_wire();
        world.run(secs(60));
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::TimedOut));
        let probes: Vec<Duration> =
            world.sent(CLIENT, |_| true).iter().take(3).map(|seen| seen.at.since(heard_at)).collect();
        assert_eq!(probes, [secs(10), secs(12), secs(14)]);
        assert_eq!(closed_at(&world, CLIENT).since(heard_at), secs(16));
        world.close(CLIENT, client);
        world.abort(SERVER, server);
        world.finish();
    });
}

// requirement: 9293-MUST-26
#[test]
fn keep_alive_waits_while_text_flows_or_is_in_flight() {
    in_both(|family| {
        let setup = Setup::new(family).tcp(CLIENT, |tcp| tcp.keepalive = Some(KEEP_ALIVE));
        let (mut world, client, server, dead) = mortal(setup);
        for _ in 0..10 {
            world.write(SERVER, server, b"tick");
            world.run(secs(5));
            world.read(CLIENT, client);
        }
        let empty = |world: &World| {
            world
                .sent(CLIENT, |s| s.text.is_empty())
                .windows(2)
                .filter(|w| w[1].header.seq.before(w[0].header.seq))
                .count()
        };
        assert_eq!(empty(&world), 0, "no probe while the peer is heard");
        dead.set(true);
        world.write(CLIENT, client, b"unanswered");
        world.run(secs(30));
        assert_eq!(empty(&world), 0, "no probe while text is in flight");
        assert_eq!(world.said_closed(CLIENT, client), None, "the user timeout is longer");
        world.abort(CLIENT, client);
        world.abort(SERVER, server);
        world.finish();
    });
}

// requirement: 9293-MUST-21
#[test]
fn user_timeout_ends_a_connection_whose_text_nobody_acknowledges() {
    in_both(|family| {
        for limit in [secs(5), secs(30), secs(900)] {
            let (mut world, client, server, dead) =
                mortal(Setup::new(family).tcp(CLIENT, |tcp| tcp.user_timeout = limit));
            world.write(CLIENT, client, b"answered");
            world.run(secs(100));
            dead.set(true);
            let written_at = world.now();
            world.write(CLIENT, client, b"unanswered");
            world.run(limit + secs(1));
            assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::TimedOut));
            assert_eq!(closed_at(&world, CLIENT), written_at + limit);
            world.close(CLIENT, client);
            world.abort(SERVER, server);
            world.finish();
        }
    });
}

// requirement: 9293-MUST-21
#[test]
fn user_timeout_without_end_waits_for_a_peer_that_comes_back_after_hours() {
    in_both(|family| {
        let (mut world, client, server, dead) =
            mortal(Setup::new(family).tcp(CLIENT, |tcp| tcp.user_timeout = Duration::MAX));
        dead.set(true);
        world.write(CLIENT, client, b"patience");
        world.run(secs(3 * 3600));
        dead.set(false);
        world.run(secs(200));
        assert_eq!(world.read(SERVER, server).text, b"patience");
        end(&mut world, client, server);
    });
}

#[test]
fn peer_that_answers_in_time_starts_the_user_timeout_anew() {
    in_both(|family| {
        let (mut world, client, server, dead) =
            mortal(Setup::new(family).tcp(CLIENT, |tcp| tcp.user_timeout = secs(10)));
        for _ in 0..5 {
            dead.set(true);
            world.write(CLIENT, client, b"again ");
            world.run(secs(6));
            dead.set(false);
            world.run(secs(8));
        }
        assert_eq!(world.said_closed(CLIENT, client), None);
        assert_eq!(world.read(SERVER, server).text.len(), 30);
        end(&mut world, client, server);
    });
}

#[test]
fn dead_peer_of_a_closed_window_is_given_up_after_the_user_timeout() {
    in_both(|family| {
        let setup = Setup::new(family)
            .tcp(CLIENT, |tcp| tcp.user_timeout = secs(300))
            .tcp(SERVER, |tcp| tcp.recv_buffer = 4_000);
        let (mut world, client, server, dead) = mortal(setup);
        world.write(CLIENT, client, &text(20_000));
        world.run(secs(1_000));
        assert_eq!(world.said_closed(CLIENT, client), None, "it answers");
        dead.set(true);
        world.run(secs(500));
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::TimedOut));
        world.close(CLIENT, client);
        world.abort(SERVER, server);
        world.finish();
    });
}

/// What a dead peer leaves at the client after these calls; every connection must be gone by itself.
fn after_death(
    family: Family,
    before: impl Fn(&mut World, ConnectionId, ConnectionId),
    after: impl Fn(&mut World, ConnectionId),
) {
    let setup = Setup::new(family).tcp(CLIENT, |tcp| tcp.keepalive = Some(KeepAlive::default()));
    let (mut world, client, server, dead) = mortal(setup);
    before(&mut world, client, server);
    world.run(secs(1));
    dead.set(true);
    after(&mut world, client);
    world.run(FOREVER);
    world.with(CLIENT, |now, host| {
        // An application hears of the end, and lets go.
        let ended = host.ended(client);
        if let Some(stream) = host.stream(client) {
            stream.close(now);
            assert_eq!(ended, Some(CloseReason::TimedOut));
        }
        let left = host.snapshot(now);
        assert!(left.connections.is_empty() && left.time_wait.is_empty(), "{left:?}");
    });
    world.with(SERVER, |now, host| {
        if let Some(stream) = host.stream(server) {
            stream.abort(now);
        }
    });
    world.finish();
}

#[test]
fn dead_peer_leaves_nothing_whatever_the_connection_was_doing() {
    in_both(|family| {
        let nothing = |_: &mut World, _: ConnectionId, _: ConnectionId| {};
        // Idle; sending; closing; half-closed by us and held; half-closed by the peer; reading at leisure.
        after_death(family, nothing, |_, _| {});
        after_death(family, nothing, |world, client| {
            world.write(CLIENT, client, &text(100_000));
        });
        after_death(family, nothing, |world, client| world.close(CLIENT, client));
        after_death(family, nothing, |world, client| {
            world.write(CLIENT, client, &text(100_000));
            world.close(CLIENT, client);
        });
        after_death(family, |world, client, _| world.shutdown(CLIENT, client), |_, _| {});
        after_death(family, |world, client, _| world.close(CLIENT, client), |_, _| {});
        after_death(family, |world, _, server| world.shutdown(SERVER, server), |_, _| {});
        after_death(
            family,
            |world, _, server| world.shutdown(SERVER, server),
            |world, client| world.close(CLIENT, client),
        );
    });
}

#[test]
fn orphan_of_a_dead_peer_ends_after_its_own_limit() {
    in_both(|family| {
        let (mut world, client, server, dead) =
            mortal(Setup::new(family).tcp(CLIENT, |tcp| tcp.orphan_timeout = secs(20)));
        dead.set(true);
        let at = world.now();
        world.write(CLIENT, client, b"last words");
        world.close(CLIENT, client);
        world.run(secs(60));
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::TimedOut));
        assert_eq!(closed_at(&world, CLIENT), at + secs(20));
        world.abort(SERVER, server);
        world.finish();
    });
}

#[test]
fn peer_that_dies_in_the_handshake_leaves_no_half_open_connection() {
    in_both(|family| {
        let fault =
            on_segments(
                |_, from, seen| {
                    if from == CLIENT && !seen.has(Flags::SYN) { Verdict::Drop } else { Verdict::Pass }
                },
            );
        let mut world = Setup::new(family).fault(fault).build();
        world.listen(ListenConfig::default());
        let client = world.connect();
        world.run(ms(100));
        world.abort(CLIENT, client);
        assert_eq!(world.with(SERVER, |now, host| host.snapshot(now)).connections.len(), 1);
        world.run(secs(64));
        assert_eq!(world.with(SERVER, |now, host| host.snapshot(now)).connections.len(), 0);
        world.finish();
    });
}
