//! How connections end: in order, from both sides at once, by half, by RST, by nobody holding them any more.

use crate::forge;
use crate::world::{
    CLIENT, DELAY, End, Family, Got, ROUND_TRIP, SERVER, Setup, World, in_both, ms, on_segments, secs, text,
};
use linger_proto::wire::tcp::{Flags, Header, Timestamp};
use linger_proto::{
    CloseReason, ConnectConfig, ConnectionId, DropReason, FourTuple, ListenConfig, SeqNum, State,
};
use linger_sim::Verdict;
use std::cell::Cell;
use std::rc::Rc;

const FIN_ACK: Flags = Flags(Flags::FIN.0 | Flags::ACK.0);
const RST_ACK: Flags = Flags(Flags::RST.0 | Flags::ACK.0);

/// The end of `host` and the other one.
fn ends(
    host: usize,
    client: ConnectionId,
    server: ConnectionId,
) -> ((usize, ConnectionId), (usize, ConnectionId)) {
    if host == CLIENT { ((CLIENT, client), (SERVER, server)) } else { ((SERVER, server), (CLIENT, client)) }
}

/// One whole connection, closed by `first` and then by the other side. `first` is in TIME-WAIT afterwards.
pub(crate) fn closed_by(world: &mut World, first: usize) -> FourTuple {
    let (client, server) = world.established();
    let tuple = world.tuple(client);
    let ((a, a_id), (b, b_id)) = ends(first, client, server);
    world.close(a, a_id);
    world.run(2 * ROUND_TRIP);
    world.close(b, b_id);
    world.run(2 * ROUND_TRIP);
    assert_eq!((world.state(a, tuple), world.state(b, tuple)), (State::TimeWait, after_close(world, b)));
    tuple
}

/// What is left at a side that closed last: its listener, if it has one.
fn after_close(world: &mut World, host: usize) -> State {
    let listens = !world.with(host, |now, host| host.snapshot(now)).listeners.is_empty();
    if listens { State::Listen } else { State::Closed }
}

fn states_of(world: &World, host: usize) -> Vec<State> {
    world.path(host).iter().map(|(_, state)| *state).collect()
}

/// A link that a test cuts and mends.
pub(crate) fn cuttable(setup: Setup) -> (Setup, Rc<Cell<bool>>) {
    let cut = Rc::new(Cell::new(false));
    let is_cut = Rc::clone(&cut);
    let fault = on_segments(move |_, _, _| if is_cut.get() { Verdict::Drop } else { Verdict::Pass });
    (setup.fault(fault), cut)
}

#[test]
fn orderly_close_from_either_side_takes_two_fins_and_ends_in_time_wait_where_it_began() {
    in_both(|family| {
        for first in [CLIENT, SERVER] {
            let mut world = World::new(family);
            let (client, server) = world.established();
            let tuple = world.tuple(client);
            let ((a, a_id), (b, b_id)) = ends(first, client, server);
            world.forget_wire();
            world.shutdown(a, a_id);
            world.run(2 * ROUND_TRIP);
            assert_eq!((world.state(a, tuple), world.state(b, tuple)), (State::FinWait2, State::CloseWait));
            assert_eq!(world.read(b, b_id), Got { text: vec![], end: End::Eof });
            world.shutdown(b, b_id);
            world.run(2 * ROUND_TRIP);
            let flags: Vec<(usize, Flags)> = world.wire().iter().map(|s| (s.from, s.header.flags)).collect();
            assert_eq!(flags, [(a, FIN_ACK), (b, Flags::ACK), (b, FIN_ACK), (a, Flags::ACK)]);
            let path = states_of(&world, a);
            assert!(path.ends_with(&[State::FinWait1, State::FinWait2, State::TimeWait]), "{path:?}");
            assert!(states_of(&world, b).ends_with(&[State::CloseWait, State::LastAck, State::Closed]));
            assert_eq!(world.said_closed(a, a_id), Some(CloseReason::Graceful));
            assert_eq!(world.said_closed(b, b_id), Some(CloseReason::Graceful));
            world.close(a, a_id);
            world.close(b, b_id);
            world.finish();
        }
    });
}

// requirement: 9293-SA-FIN-WAIT-1-8
#[test]
fn simultaneous_close_passes_through_closing_to_time_wait_on_both_sides() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.close(CLIENT, client);
        world.close(SERVER, server);
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.states(tuple), (State::TimeWait, State::TimeWait));
        for host in [CLIENT, SERVER] {
            assert!(states_of(&world, host).ends_with(&[State::FinWait1, State::Closing, State::TimeWait]));
        }
        world.finish();
    });
}

// requirement: 9293-SA-FIN-WAIT-2-7
#[test]
fn client_that_has_shut_down_receives_the_whole_reply() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.write(CLIENT, client, b"request");
        world.shutdown(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.read(SERVER, server), Got { text: b"request".to_vec(), end: End::Eof });
        let reply = text(300_000);
        assert_eq!(world.write(SERVER, server, &reply), reply.len());
        world.run(secs(2));
        world.shutdown(SERVER, server);
        world.run(secs(1));
        assert_eq!(world.read(CLIENT, client), Got { text: reply.to_vec(), end: End::Eof });
        world.close(CLIENT, client);
        world.close(SERVER, server);
        world.finish();
    });
}

#[test]
fn server_that_has_shut_down_receives_the_whole_request() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.write(SERVER, server, b"greeting");
        world.shutdown(SERVER, server);
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.states(tuple), (State::CloseWait, State::FinWait2));
        assert_eq!(world.read(CLIENT, client), Got { text: b"greeting".to_vec(), end: End::Eof });
        let request = text(300_000);
        assert_eq!(world.write(CLIENT, client, &request), request.len());
        world.close(CLIENT, client);
        world.run(secs(2));
        assert_eq!(world.read(SERVER, server), Got { text: request.to_vec(), end: End::Eof });
        assert_eq!(world.state(SERVER, tuple), State::TimeWait);
        world.close(SERVER, server);
        world.finish();
    });
}

// requirement: 9293-MUST-12
#[test]
fn abort_sends_a_reset_that_the_peer_can_tell_from_an_end_of_text() {
    in_both(|family| {
        for first in [CLIENT, SERVER] {
            let mut world = World::new(family);
            let (client, server) = world.established();
            let ((a, a_id), (b, b_id)) = ends(first, client, server);
            world.forget_wire();
            world.abort(a, a_id);
            world.run(2 * ROUND_TRIP);
            let flags: Vec<Flags> = world.wire().iter().map(|seen| seen.header.flags).collect();
            assert_eq!(flags, [RST_ACK]);
            assert_eq!(world.read(b, b_id).end, End::Broken(CloseReason::Reset));
            assert_eq!((world.counters(a).resets_sent, world.counters(b).resets_received), (1, 1));
            world.close(b, b_id);
            for host in [a, b] {
                let left = world.with(host, |now, host| host.snapshot(now));
                assert!(
                    left.connections.is_empty() && left.time_wait.is_empty(),
                    "no TIME-WAIT after a reset"
                );
            }
            world.finish();
        }
    });
}

// requirement: 9293-SHLD-3
#[test]
fn close_with_unread_text_sends_a_reset() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.write(SERVER, server, b"never read");
        world.run(2 * ROUND_TRIP);
        world.close(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Reset));
        assert_eq!(world.sent(CLIENT, |seen| seen.has(Flags::FIN)).len(), 0);
        world.close(SERVER, server);
        world.finish();
    });
}

// requirement: 9293-SHLD-3
#[test]
fn text_that_arrives_after_close_is_answered_with_a_reset() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.close(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        world.write(SERVER, server, b"too late");
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.drops(CLIENT, DropReason::TextAfterClose), 1);
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::Aborted));
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Reset));
        world.close(SERVER, server);
        world.finish();
    });
}

// requirement: 9293-SA-CLOSED-5
#[test]
fn segment_for_no_connection_is_answered_by_rst_at_its_ack_and_an_rst_by_nothing() {
    in_both(|family| {
        let mut world = World::new(family);
        let local = std::net::SocketAddr::new(world.nobody(), 9);
        let tuple = FourTuple { local, remote: world.server() };
        let numbers = (SeqNum(1000), SeqNum(77));
        world.inject(SERVER, tuple, &forge::header(Flags::ACK, numbers.0, numbers.1), b"text");
        world.inject(SERVER, tuple, &forge::header(Flags::FIN, numbers.0, numbers.1), b"text");
        world.inject(SERVER, tuple, &forge::header(RST_ACK, numbers.0, numbers.1), b"");
        let answers: Vec<(Flags, SeqNum)> =
            world.wire().iter().map(|seen| (seen.header.flags, seen.header.seq)).collect();
        assert_eq!(answers, [(Flags::RST, SeqNum(77)), (RST_ACK, SeqNum(0))]);
        assert_eq!(world.wire()[1].header.ack, SeqNum(1005), "text and FIN count");
        assert_eq!(world.drops(SERVER, DropReason::NoConnection), 3);
    });
}

/// Where the server stands: what an exact segment of its peer carries.
pub(crate) fn expected(world: &World) -> Header {
    let last = world.sent(SERVER, |seen| seen.has(Flags::ACK)).last().expect("it has answered").clone();
    let options = last.header.options.timestamp;
    let newest = world.sent(CLIENT, |_| true).last().expect("it has sent").header.options.timestamp;
    let mut header = forge::header(Flags::ACK, last.header.ack, last.header.seq + 1);
    header.options.timestamp =
        options.zip(newest).map(|(ours, theirs)| Timestamp { val: theirs.val, ecr: ours.val });
    header
}

// requirement: 5961-3
#[test]
fn only_the_exact_rst_ends_a_connection_others_are_challenged_or_dropped() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        // The handshake's SYN-ACK is the server's last word: its SEQ + 1 is SND.NXT.
        let exact = Header { flags: Flags::RST, ..expected(&world) };
        world.forget_wire();
        world.inject(SERVER, tuple, &Header { seq: exact.seq - 1, ..exact.clone() }, b"");
        assert_eq!(world.drops(SERVER, DropReason::RstOutOfWindow), 1);
        assert_eq!(world.wire().len(), 0, "no answer to one outside the window");
        world.inject(SERVER, tuple, &Header { seq: exact.seq + 1, ..exact.clone() }, b"");
        assert_eq!(world.drops(SERVER, DropReason::RstChallenged), 1);
        let challenge = world.wire().pop().expect("an answer");
        assert_eq!((challenge.header.flags, challenge.header.ack), (Flags::ACK, exact.seq));
        assert_eq!(world.state(SERVER, tuple), State::Established);
        world.inject(SERVER, tuple, &exact, b"");
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Reset));
        world.close(SERVER, server);
        world.abort(CLIENT, client);
        world.finish();
    });
}

// requirement: 5961-5
#[test]
fn syn_on_an_established_connection_is_challenged_wherever_it_stands() {
    in_both(|family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        let exact = expected(&world);
        world.forget_wire();
        let bare = forge::header(Flags::SYN, SeqNum(4_000_000_000), SeqNum(0));
        let stamped = Header { seq: exact.seq, options: exact.options.clone(), ..bare };
        for (count, syn) in [bare, stamped].iter().enumerate() {
            world.inject(SERVER, tuple, syn, b"");
            assert_eq!(world.drops(SERVER, DropReason::SynChallenged), count as u64 + 1);
            let answer = world.wire().pop().expect("a challenge");
            assert!(answer.is_bare_ack() && answer.header.ack == exact.seq, "{answer:?}");
        }
        world.run(2 * ROUND_TRIP);
        assert_eq!(world.states(tuple), (State::Established, State::Established));
        world.abort(CLIENT, client);
        world.run(ROUND_TRIP);
        world.close(SERVER, server);
        world.finish();
    });
}

// requirement: 5961-6
#[test]
fn peer_that_crashed_and_connects_again_ends_its_old_connection_by_the_challenge_and_gets_in() {
    in_both(|family| {
        let (setup, cut) = cuttable(Setup::new(family));
        let mut world = setup.build();
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        // Nobody hears the client's last word: to the server it is as if it had crashed.
        cut.set(true);
        world.abort(CLIENT, client);
        world.run(secs(2));
        cut.set(false);
        let again =
            world.try_connect(ConnectConfig::default().local(tuple.local)).expect("free for the client");
        world.run(ROUND_TRIP + DELAY);
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Reset));
        world.run(secs(2));
        assert_eq!(world.states(tuple), (State::Established, State::Established));
        world.close(SERVER, server);
        world.abort(CLIENT, again);
        world.run(ROUND_TRIP);
        world.let_go_of_everything();
        world.finish();
    });
}

#[test]
fn past_the_bound_on_orphans_the_newest_is_reset() {
    in_both(|family| {
        let mut setup = Setup::new(family);
        setup.hosts[CLIENT].orphans_max = 2;
        let mut world = setup.build();
        let listener = world.listen(ListenConfig::default());
        let pairs: Vec<_> = (0..3).map(|_| world.established_with(listener)).collect();
        for (client, _) in &pairs {
            world.close(CLIENT, *client);
        }
        world.run(2 * ROUND_TRIP);
        let ends: Vec<_> = pairs.iter().map(|(_, server)| world.said_closed(SERVER, *server)).collect();
        assert_eq!(ends, [None, None, Some(CloseReason::Reset)]);
        assert_eq!(world.counters(CLIENT).orphans_refused, 1);
        pairs.into_iter().for_each(|(_, server)| world.close(SERVER, server));
        world.finish();
    });
}

#[test]
fn orphan_in_fin_wait_2_ends_after_its_limit_and_a_held_stream_does_not() {
    in_both(|family| {
        let mut world = World::new(family);
        let listener = world.listen(ListenConfig::default());
        let (orphan, first) = world.established_with(listener);
        let (held, second) = world.established_with(listener);
        let (orphan_tuple, held_tuple) = (world.tuple(orphan), world.tuple(held));
        world.close(CLIENT, orphan);
        world.shutdown(CLIENT, held);
        world.run(secs(59));
        assert_eq!(world.state(CLIENT, orphan_tuple), State::FinWait2);
        world.run(secs(2));
        assert_eq!(world.state(CLIENT, orphan_tuple), State::Closed);
        assert_eq!(world.said_closed(CLIENT, orphan), Some(CloseReason::TimedOut));
        assert_eq!(world.counters(CLIENT).orphans_timed_out, 1);
        world.run(secs(3600));
        assert_eq!(world.state(CLIENT, held_tuple), State::FinWait2);
        world.close(SERVER, second);
        world.close(CLIENT, held);
        // The server's end learns from the RST that its peer is gone.
        world.close(SERVER, first);
        world.run(ROUND_TRIP);
        assert_eq!(world.said_closed(SERVER, first), Some(CloseReason::Reset));
        world.finish();
    });
}

#[test]
fn close_against_a_closed_window_leaves_established_at_once_and_ends_by_the_orphan_timeout() {
    in_both(|family| {
        let mut world = Setup::new(family).tcp(SERVER, |tcp| tcp.recv_buffer = 4096).build();
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.write(CLIENT, client, &text(100_000));
        world.run(secs(5));
        assert_eq!(world.info(CLIENT, client).snd_wnd, 0, "the server does not read");
        let closed_at = world.now();
        world.close(CLIENT, client);
        assert_eq!(world.state(CLIENT, tuple), State::FinWait1);
        world.run(secs(59));
        assert_eq!(world.state(CLIENT, tuple), State::FinWait1);
        world.run(secs(2));
        assert_eq!(world.said_closed(CLIENT, client), Some(CloseReason::TimedOut));
        assert_eq!(world.path(CLIENT).last(), Some(&(closed_at + secs(60), State::Closed)));
        assert_eq!(world.counters(CLIENT).orphans_timed_out, 1);
        assert_eq!(world.with(CLIENT, |now, host| host.snapshot(now)).connections.len(), 0);
        world.abort(SERVER, server);
        world.finish();
    });
}

// requirement: 9293-SA-ESTABLISHED-15
#[test]
fn fin_that_overtakes_text_counts_only_when_the_text_has_come() {
    in_both(|family| {
        let late = on_segments(|_, from, seen| {
            if from == CLIENT && !seen.text.is_empty() { Verdict::Delay(ms(50)) } else { Verdict::Pass }
        });
        let mut world = Setup::new(family).fault(late).build();
        let (client, server) = world.established();
        let tuple = world.tuple(client);
        world.write(CLIENT, client, b"slow");
        world.shutdown(CLIENT, client);
        world.run(ms(20));
        assert_eq!(world.state(SERVER, tuple), State::Established);
        assert_eq!(world.read(SERVER, server), Got { text: vec![], end: End::Open });
        world.run(ms(50));
        assert_eq!(world.read(SERVER, server), Got { text: b"slow".to_vec(), end: End::Eof });
        world.close(SERVER, server);
        world.close(CLIENT, client);
        world.finish();
    });
}

// requirement: 9293-SA-CLOSE-WAIT-2
#[test]
fn reset_in_close_wait_takes_unsent_text_with_it() {
    in_both(|family: Family| {
        let mut world = World::new(family);
        let (client, server) = world.established();
        world.shutdown(CLIENT, client);
        world.run(2 * ROUND_TRIP);
        world.write(SERVER, server, &text(500_000));
        world.run(ms(1));
        world.abort(CLIENT, client);
        world.run(secs(1));
        assert_eq!(world.said_closed(SERVER, server), Some(CloseReason::Reset));
        assert_eq!(world.ended(SERVER, server), Some(CloseReason::Reset));
        world.close(SERVER, server);
        world.finish();
    });
}
