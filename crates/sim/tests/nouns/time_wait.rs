//! What TIME-WAIT does for a connection that is over, and for the next one on its tuple.

use crate::closing::{closed_by, cuttable, expected};
use crate::forge;
use crate::world::{CLIENT, DELAY, ROUND_TRIP, SERVER, Seen, Setup, World, in_both, lose_first, ms, secs};
use linger_proto::wire::tcp::{Flags, Header, Timestamp};
use linger_proto::{
    CloseReason, ConnectConfig, ConnectError, DropReason, Instant, ListenConfig, SeqNum, State,
};
use linger_sim::Verdict;
use std::cell::Cell;
use std::time::Duration;

const TWO_MSL: Duration = secs(60);

/// Loses the client's first answer to the server's FIN.
fn last_ack_lost() -> impl FnMut(Instant, &linger_sim::Packet<'_>) -> Verdict + 'static {
    let fin_seen = Cell::new(false);
    lose_first(1, move |from, seen| {
        fin_seen.set(fin_seen.get() || from == SERVER && seen.has(Flags::FIN));
        from == CLIENT && fin_seen.get() && seen.is_bare_ack()
    })
}

// requirement: 9293-MUST-13
#[test]
fn time_wait_lasts_two_msl_and_no_other_timer_runs_in_it() {
    in_both(|family| {
        let mut world = World::new(family);
        closed_by(&mut world, CLIENT);
        let entered = world.path(CLIENT).last().expect("TIME-WAIT").0;
        world.forget_wire();
        // Deadlines of the connection before it may still be noted down; they find nothing any more.
        world.run(secs(5));
        let due = world.with(CLIENT, |_, host| host.poll_timeout());
        assert_eq!(due, Some(entered + TWO_MSL));
        assert_eq!(world.with(SERVER, |_, host| host.poll_timeout()), None);
        let report = world.finish();
        assert_eq!(report.ended_at, entered + TWO_MSL);
        assert_eq!(world.path(CLIENT).last(), Some(&(entered + TWO_MSL, State::Closed)));
        assert_eq!(world.wire().len(), 0, "nothing is sent meanwhile");
    });
}

// requirement: 9293-SA-TIME-WAIT-5
#[test]
fn repeated_fin_in_time_wait_is_acknowledged_again_and_restarts_two_msl() {
    in_both(|family| {
        let mut world = Setup::new(family).fault(last_ack_lost()).build();
        let (client, server) = world.established();
        world.close(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        world.close(SERVER, server);
        world.run(secs(2));
        let fins = world.sent(SERVER, |seen| seen.has(Flags::FIN));
        assert_eq!(fins.len(), 2, "the last ACK was lost");
        assert_eq!(world.counters(CLIENT).fin_reacked, 1);
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Graceful));
        let report = world.finish();
        assert_eq!(report.ended_at, fins[1].at + DELAY + TWO_MSL, "counted from the second FIN");
    });
}

#[test]
fn without_time_wait_a_lost_last_ack_breaks_the_peers_orderly_close() {
    in_both(|family| {
        let mut world =
            Setup::new(family).tcp(CLIENT, |tcp| tcp.msl = Duration::ZERO).fault(last_ack_lost()).build();
        let (client, server) = world.established();
        world.close(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        world.close(SERVER, server);
        world.run(secs(2));
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Reset));
        world.finish();
    });
}

// requirement: 1337-1
#[test]
fn rst_in_time_wait_is_ignored() {
    in_both(|family| {
        let mut world = World::new(family);
        let tuple = closed_by(&mut world, SERVER);
        let entered = world.path(SERVER).last().expect("TIME-WAIT").0;
        let exact = Header { flags: Flags::RST, ..expected(&world) };
        world.run(secs(30));
        world.inject(SERVER, tuple, &exact, b"");
        assert_eq!(world.state(SERVER, tuple), State::TimeWait);
        assert_eq!(world.counters(SERVER).time_wait_rst_ignored, 1);
        assert_eq!(world.finish().ended_at, entered + TWO_MSL);
    });
}

// requirement: 1337-2
#[test]
fn old_text_in_time_wait_is_acknowledged_and_delivered_to_nobody() {
    in_both(|family| {
        let mut world = World::new(family);
        let tuple = closed_by(&mut world, SERVER);
        let entered = world.path(SERVER).last().expect("TIME-WAIT").0;
        let old = expected(&world);
        world.forget_wire();
        world.run(secs(30));
        world.inject(SERVER, tuple, &Header { seq: old.seq - 500, ..old }, b"stray");
        assert_eq!(world.wire().len(), 1);
        assert!(world.wire()[0].is_bare_ack());
        assert_eq!(world.drops(SERVER, DropReason::TimeWaitStray), 1);
        assert_eq!(world.finish().ended_at, entered + TWO_MSL, "a stray restarts nothing");
    });
}

// requirement: 6191-1
#[test]
fn new_syn_reopens_a_tuple_in_time_wait_and_the_old_record_goes() {
    in_both(|family| {
        let mut world = World::new(family);
        let tuple = closed_by(&mut world, SERVER);
        let old_end = world.sent(SERVER, |seen| seen.has(Flags::FIN))[0].header.seq + 1;
        world.run(secs(5));
        world.forget_wire();
        let again =
            world.try_connect(ConnectConfig::default().local(tuple.local)).expect("free for the client");
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.states(tuple), (State::Established, State::Established));
        assert_eq!(world.counters(SERVER).reopened, 1);
        let number = world.sent(SERVER, |seen| seen.has(Flags::SYN))[0].header.seq;
        assert!(number.after(old_end), "above everything the old connection has sent");
        assert_eq!(world.with(SERVER, |now, host| host.snapshot(now)).time_wait.len(), 0);
        world.abort(CLIENT, again);
        world.run(ROUND_TRIP);
        world.let_go_of_everything();
        world.finish();
    });
}

// requirement: 6191-4
#[test]
fn old_syn_in_time_wait_is_refused_and_two_msl_go_on() {
    in_both(|family| {
        let mut world = World::new(family);
        let tuple = closed_by(&mut world, SERVER);
        let entered = world.path(SERVER).last().expect("TIME-WAIT").0;
        let syn = world.sent(CLIENT, |seen| seen.header.flags == Flags::SYN)[0].clone();
        world.run(secs(10));
        world.forget_wire();
        world.inject(SERVER, tuple, &syn.header, b"");
        assert_eq!(world.state(SERVER, tuple), State::TimeWait);
        assert_eq!(world.counters(SERVER).syn_refused, 1);
        assert!(world.wire().iter().all(Seen::is_bare_ack), "neither SYN-ACK nor RST");
        assert_eq!(world.finish().ended_at, entered + TWO_MSL);
    });
}

// requirement: 6191-6
#[test]
fn without_timestamps_the_sequence_number_alone_decides_about_a_syn_in_time_wait() {
    in_both(|family| {
        let mut world = Setup::new(family).tcp(CLIENT, |tcp| tcp.timestamps = false).build();
        let tuple = closed_by(&mut world, SERVER);
        let fin = world.sent(CLIENT, |seen| seen.has(Flags::FIN))[0].clone();
        let syn = |seq| forge::header(Flags::SYN, seq, SeqNum(0));
        world.inject(SERVER, tuple, &syn(fin.header.seq - 1000), b"");
        assert_eq!(world.state(SERVER, tuple), State::TimeWait);
        world.inject(SERVER, tuple, &syn(fin.header.seq + 1000), b"");
        assert_eq!(world.state(SERVER, tuple), State::SynReceived);
        world.finish();
    });
}

// requirement: 9293-MAY-2
#[test]
fn time_wait_comes_back_when_the_syn_that_reopened_it_draws_a_reset() {
    in_both(|family| {
        let mut world = World::new(family);
        let tuple = closed_by(&mut world, SERVER);
        let entered = world.path(SERVER).last().expect("TIME-WAIT").0;
        let mut syn = world.sent(CLIENT, |seen| seen.header.flags == Flags::SYN)[0].header.clone();
        // A SYN that nobody stands behind, though its timestamp is new: the client answers the SYN-ACK with RST.
        syn.options.timestamp = syn.options.timestamp.map(|ts| Timestamp { val: ts.val + 60_000, ..ts });
        world.run(secs(10));
        world.inject(SERVER, tuple, &syn, b"");
        assert_eq!(world.state(SERVER, tuple), State::SynReceived);
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.state(SERVER, tuple), State::TimeWait);
        assert_eq!((world.counters(SERVER).uncovered, world.counters(SERVER).reopened), (1, 0));
        assert_eq!(world.finish().ended_at, entered + TWO_MSL, "with the time that was left");
    });
}

// requirement: 9293-MAY-2
#[test]
fn covered_time_wait_answers_the_fin_and_comes_back_when_the_half_open_connection_expires() {
    in_both(|family| {
        let (setup, cut) = cuttable(Setup::new(family).tcp(SERVER, |tcp| tcp.msl = secs(120)));
        let mut world = setup.build();
        let tuple = closed_by(&mut world, SERVER);
        let fin = world.sent(CLIENT, |seen| seen.has(Flags::FIN))[0].header.clone();
        let mut syn = world.sent(CLIENT, |seen| seen.header.flags == Flags::SYN)[0].header.clone();
        syn.options.timestamp = syn.options.timestamp.map(|ts| Timestamp { val: ts.val + 60_000, ..ts });
        cut.set(true);
        world.inject(SERVER, tuple, &syn, b"");
        world.run(ms(100));
        world.forget_wire();
        world.inject(SERVER, tuple, &fin, b"");
        let answer = world.wire().pop().expect("the FIN is acknowledged again");
        assert_eq!((answer.header.flags, answer.header.ack), (Flags::ACK, fin.seq + 1));
        assert_eq!(world.counters(SERVER).fin_reacked, 1);
        world.run(secs(62));
        assert_eq!(world.state(SERVER, tuple), State::SynReceived);
        world.run(secs(2));
        assert_eq!(world.state(SERVER, tuple), State::TimeWait);
        assert_eq!(world.counters(SERVER).uncovered, 1);
        cut.set(false);
        world.finish();
    });
}

#[test]
fn connect_on_a_tuple_in_time_wait_is_in_use_until_two_msl_are_over() {
    in_both(|family| {
        let mut world = Setup::new(family).tcp(CLIENT, |tcp| tcp.timestamps = false).build();
        let tuple = closed_by(&mut world, CLIENT);
        let config = ConnectConfig::default().local(tuple.local);
        world.run(secs(59));
        assert_eq!(world.try_connect(config.clone()), Err(ConnectError::AddrInUse));
        world.run(secs(1));
        let again = world.try_connect(config).expect("2*MSL are over");
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.state(CLIENT, tuple), State::Established);
        world.abort(CLIENT, again);
        world.run(ROUND_TRIP);
        world.let_go_of_everything();
        world.finish();
    });
}

#[test]
fn connect_on_a_tuple_in_time_wait_is_allowed_by_timestamps_after_more_than_a_second() {
    in_both(|family| {
        let mut world = World::new(family);
        let tuple = closed_by(&mut world, CLIENT);
        let config = ConnectConfig::default().local(tuple.local);
        assert_eq!(world.try_connect(config.clone()), Err(ConnectError::AddrInUse));
        world.run(ms(1_100));
        let again = world.try_connect(config).expect("timestamps tell the two apart");
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.states(tuple), (State::Established, State::Established));
        assert_eq!(world.counters(CLIENT).time_wait_reused, 1);
        world.abort(CLIENT, again);
        world.run(ROUND_TRIP);
        world.let_go_of_everything();
        world.finish();
    });
}

#[test]
fn past_the_bound_on_time_waits_the_oldest_goes() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.hosts[CLIENT].time_wait_max = 2;
        let mut world = setup.build();
        let listener = world.listen(ListenConfig::default());
        let mut tuples = Vec::new();
        for _ in 0..3 {
            let (client, server) = world.established_with(listener);
            tuples.push(world.tuple(client));
            world.close(CLIENT, client);
            world.run(2 * ROUND_TRIP);
            world.close(SERVER, server);
            world.run(2 * ROUND_TRIP);
        }
        let states: Vec<State> = tuples.iter().map(|tuple| world.state(CLIENT, *tuple)).collect();
        assert_eq!(states, [State::Closed, State::TimeWait, State::TimeWait]);
        assert_eq!(world.counters(CLIENT).time_wait_evicted, 1);
        world.finish();
    });
}
