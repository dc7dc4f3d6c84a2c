//! Connections whose end was forgotten: slots that never came back, replies that were lost.

use crate::world::{CLIENT, End, Got, ROUND_TRIP, SERVER, Setup, World, in_both, lose_first, ms, secs, text};
use linger_proto::wire::tcp::Flags;
use linger_proto::{CloseReason, DropReason, Event, ListenConfig, State};

#[test]
fn fin_while_the_application_is_idle_gives_the_slot_back_within_an_rto_ten_thousand_times() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.record = false;
        let mut world = setup.build();
        let listener = world.listen(ListenConfig::default());
        for cycle in 0..10_000 {
            let (client, server) = world.established_with(listener);
            world.close(CLIENT, client);
            world.run(ROUND_TRIP);
            assert_eq!(
                world.read(SERVER, server).end,
                End::Eof,
                "cycle {cycle}: the application hears of it"
            );
            world.close(SERVER, server);
            world.run(ms(200));
            let left = world.with(SERVER, |now, host| host.snapshot(now)).connections;
            assert!(left.is_empty(), "cycle {cycle}: {left:?}");
        }
        world.with(SERVER, |now, host| host.unlisten(now, listener));
        world.finish();
        for host in [CLIENT, SERVER] {
            let left = world.with(host, |now, host| host.snapshot(now));
            assert!(left.connections.is_empty() && left.time_wait.is_empty(), "{left:?}");
        }
    });
}

#[test]
fn client_that_half_closes_and_waits_gets_the_whole_reply_and_both_directions_end() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.write(CLIENT, client, b"all of it");
        world.shutdown(CLIENT, client);
        // Longer than any limit that is meant for orphans.
        world.run(secs(600));
        assert_eq!(world.states(tuple), (State::FinWait2, State::CloseWait));
        assert_eq!(world.read(SERVER, server), Got { text: b"all of it".to_vec(), end: End::Eof });
        let reply = text(1_000_000);
        assert_eq!(world.write(SERVER, server, &reply), reply.len());
        world.close(SERVER, server);
        world.run(secs(5));
        assert_eq!(world.read(CLIENT, client), Got { text: reply.to_vec(), end: End::Eof });
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::Graceful));
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Graceful));
        world.close(CLIENT, client);
        world.finish();
    });
}

#[test]
fn peer_in_close_wait_in_the_accept_queue_yields_its_text_and_then_the_end() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let client = world.connect();
        world.run(2 * ROUND_TRIP);
        let tuple = world.tuple(client);
        world.write(CLIENT, client, b"one last thing");
        world.close(CLIENT, client);
        world.run(secs(600));
        assert_eq!(world.state(SERVER, tuple), State::CloseWait, "nobody has accepted it yet");
        let server = world.accept(listener).expect("it waits");
        assert_eq!(world.read(SERVER, server), Got { text: b"one last thing".to_vec(), end: End::Eof });
        world.close(SERVER, server);
        world.finish();
    });
}

#[test]
fn syn_that_is_never_acknowledged_stops_nobody_and_expires() {
    in_both(|family| {
        let never = |from, seen: &crate::world::Seen| from == CLIENT && seen.header.flags == Flags::ACK;
        let mut world = Setup::new(family).fault(lose_first(1, never)).build();
        let listener = world.listen(ListenConfig::default().backlog(1));
        let silent = world.connect();
        world.run(2 * ROUND_TRIP);
        let tuple = world.tuple(silent);
        // The one behind the SYN dies without a word.
        world.with(CLIENT, |now, host| host.stream(silent).expect("held").abort(now));
        assert_eq!(world.state(SERVER, tuple), State::SynReceived);
        let (client, server) = world.established_with(listener);
        assert_eq!(world.write(CLIENT, client, b"next, please"), 12);
        world.run(ROUND_TRIP);
        assert_eq!(world.read(SERVER, server).text, b"next, please");
        world.close(CLIENT, client);
        world.close(SERVER, server);
        world.run(secs(180));
        let left = world.with(SERVER, |now, host| host.snapshot(now));
        assert!(left.connections.is_empty() && left.listeners[0].half_open == 0, "{left:?}");
        world.finish();
    });
}

#[test]
fn text_for_a_stream_that_was_shut_and_closed_is_answered_with_rst() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.shutdown(SERVER, server);
        world.run(ROUND_TRIP);
        world.close(SERVER, server);
        world.write(CLIENT, client, b"are you there?");
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.drops(SERVER, DropReason::TextAfterClose), 1);
        assert_eq!(world.said(CLIENT, Event::Closed(client, CloseReason::Reset)), 1);
        world.close(CLIENT, client);
        world.finish();
    });
}
