//! The user calls of RFC 9293 §3.10.1-3.10.6, state by state: OPEN, SEND, RECEIVE, CLOSE, ABORT, STATUS.

use super::solo::*;
use super::*;
use crate::{CloseReason, ConnectError, ListenError, ReadError, TcpConfig, WriteError};

const SYNCHRONIZED: [State; 6] =
    [State::Established, State::FinWait1, State::FinWait2, State::CloseWait, State::Closing, State::LastAck];

/// A connecting host that the peer's bare SYN has reached: SYN-RECEIVED after an active open.
fn crossing() -> Solo {
    let (mut solo, _) = Solo::connecting(plain());
    solo.arrives(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!(solo.state(), State::SynReceived);
    solo
}

/// What a connection says of itself, as far as calls on others must leave it alone.
fn told(solo: &Solo) -> (State, Option<crate::TcpInfo>) {
    (solo.state(), solo.host.info(solo.id))
}

// requirement: 9293-UC-OPEN-1
#[test]
fn passive_open_listens_and_sends_nothing() {
    let mut solo = Solo::listening(plain());
    solo.tuple.local.set_port(81);
    assert_eq!(solo.state(), State::Closed);
    solo.host.listen("0.0.0.0:81".parse().unwrap(), ListenConfig::default()).unwrap();
    assert_eq!(solo.state(), State::Listen);
    assert!(solo.wait_ms(600_000).is_empty());
    // Whoever comes is the remote socket.
    for remote in ["10.0.0.2:40000", "192.0.2.7:1"] {
        solo.tuple.remote = remote.parse().unwrap();
        assert_eq!(solo.arrives(seg(Flags::SYN, -1, 0))[0].flags, SYN_ACK);
    }
}

// requirement: 9293-UC-OPEN-2
#[test]
fn active_open_sends_a_syn_and_is_in_syn_sent() {
    let (mut solo, syn) = Solo::connecting(plain());
    assert_eq!((syn.flags, syn.seq, syn.header.ack, syn.text.len()), (Flags::SYN, -1, SeqNum(0), 0));
    assert_eq!((solo.state(), solo.host.info(solo.id).unwrap().state), (State::SynSent, State::SynSent));
    // SND.UNA is the ISS and SND.NXT the number after it: only an ACK of exactly that is believed.
    assert_eq!(solo.arrives(seg(SYN_ACK, -1, -1))[0].flags, Flags::RST);
    assert_eq!(solo.arrives(seg(SYN_ACK, -1, 1))[0].flags, Flags::RST);
    assert_eq!(solo.arrives(seg(SYN_ACK, -1, 0))[0].brief(), (Flags::ACK, 0, 0, 0));
}

// requirement: 9293-UC-OPEN-3
// requirement: 9293-UC-OPEN-4
#[test]
fn open_without_a_whole_remote_socket_or_from_a_foreign_local_one_makes_nothing() {
    let mut solo = Solo::listening(plain());
    let now = solo.now;
    for remote in ["0.0.0.0:80", "10.0.0.2:0", "[::]:80"] {
        let opened = solo.host.connect(now, remote.parse().unwrap(), ConnectConfig::default());
        assert_eq!(opened, Err(ConnectError::NoRoute), "{remote}");
    }
    let foreign: SocketAddr = "10.0.0.99:5000".parse().unwrap();
    let config = ConnectConfig::default().local(foreign);
    assert_eq!(solo.host.connect(now, "10.0.0.2:80".parse().unwrap(), config), Err(ConnectError::NotLocal));
    assert_eq!(solo.host.listen(foreign, ListenConfig::default()), Err(ListenError::NotLocal));
    assert!(solo.sent().is_empty());
    let snapshot = solo.host.snapshot(now);
    assert_eq!((snapshot.connections.len(), snapshot.listeners.len()), (0, 1));
}

// requirement: 9293-UC-OPEN-5
#[test]
fn open_beyond_the_bound_on_connections_says_so() {
    let config = HostConfig { connections_max: 2, ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default());
    let now = solo.now;
    let mut open = |port| {
        let remote = SocketAddr::new(address(1, false), port);
        solo.host.connect(now, remote, ConnectConfig::default()).map(|_| ())
    };
    assert_eq!([open(1), open(2), open(3)], [Ok(()), Ok(()), Err(ConnectError::Limit)]);
    assert_eq!(solo.sent().len(), 2);
}

// requirement: 9293-UC-OPEN-7
// requirement: 9293-MUST-41
#[test]
fn open_of_a_pair_in_use_fails_in_every_state_and_changes_nothing() {
    let mut all = vec![Solo::connecting(plain()).0, crossing()];
    for state in SYNCHRONIZED.into_iter().chain([State::TimeWait]) {
        all.push(Solo::new(plain()).brought_to(state).0);
    }
    for mut solo in all {
        let (before, now) = (told(&solo), solo.now);
        let config = ConnectConfig::default().local(solo.tuple.local);
        let again = solo.host.connect(now, solo.tuple.remote, config);
        assert_eq!(again, Err(ConnectError::AddrInUse), "{}", before.0);
        // A passive open of the same local socket makes a listener of its own, or finds one there.
        let listened = solo.host.listen(solo.tuple.local, ListenConfig::default());
        assert!(listened.is_ok(), "{}", before.0);
        assert_eq!(
            solo.host.listen(solo.tuple.local, ListenConfig::default()),
            Err(ListenError::AddrInUse),
            "{}",
            before.0
        );
        assert!(solo.sent().is_empty());
        assert_eq!(told(&solo), before);
    }
}

// requirement: 9293-UC-SEND-1
// requirement: 9293-UC-RECV-1
// requirement: 9293-UC-CLOSE-1
// requirement: 9293-UC-ABORT-1
// requirement: 9293-UC-STATUS-2
#[test]
fn connection_that_does_not_exist_cannot_be_called() {
    let mut solo = Solo::new(plain());
    let id = solo.id;
    solo.abort();
    // The next connection uses its slot.
    solo.tuple.remote.set_port(40_001);
    let mut solo = solo.accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!((solo.id.index, solo.id.generation != id.generation), (id.index, true));
    for gone in [id, ConnectionId { index: 77, generation: 0 }] {
        assert!(solo.host.stream(gone).is_none(), "neither SEND nor RECEIVE, CLOSE nor ABORT");
        assert_eq!((solo.host.info(gone), solo.host.tuple(gone), solo.host.ended(gone)), (None, None, None));
    }
    assert_eq!(solo.state(), State::Established);
}

// requirement: 9293-UC-SEND-3
#[test]
fn text_written_before_established_leaves_with_the_handshake_over() {
    for mut solo in [Solo::connecting(plain()).0, crossing()] {
        assert!(solo.write(b"early").is_empty());
        assert_eq!(solo.host.info(solo.id).unwrap().send_queue, 5);
        let sent = solo.arrives(seg(SYN_ACK, -1, 0).mss(1000));
        assert_eq!((sent[0].brief(), &sent[0].text[..]), ((Flags::ACK, 0, 0, 5), &b"early"[..]));
    }
}

// requirement: 9293-UC-SEND-4
#[test]
fn text_is_cut_into_segments_that_acknowledge_all_that_has_come() {
    for state in [State::Established, State::CloseWait] {
        let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
        let sent = solo.write(&[7; 2500]);
        let briefs: Vec<_> = sent.iter().map(Sent::brief).collect();
        let full = |n: i64| (Flags::ACK, ours + n * 1000, theirs, 1000);
        assert_eq!(briefs, [full(0), full(1), (Flags::ACK, ours + 2000, theirs, 500)]);
        assert_eq!(solo.state(), state);
    }
}

// requirement: 9293-UC-SEND-5
#[test]
fn write_without_room_says_so_and_takes_only_what_fits() {
    let mut solo = Solo::new(TcpConfig { send_buffer: 1000, ..plain() });
    let now = solo.now;
    let mut stream = solo.host.stream(solo.id).unwrap();
    assert_eq!(stream.write(now, &[1; 1500]), Ok(1000));
    assert_eq!(stream.write(now, &[2; 500]), Err(WriteError::Blocked));
    assert_eq!(solo.sent()[0].text, [1; 1000]);
    solo.arrives(ack(0, 1000));
    assert!(solo.events.contains(&Event::Writable(solo.id)));
    assert_eq!(solo.write(&[2; 500])[0].text, [2; 500]);
}

// requirement: 9293-UC-SEND-7
#[test]
fn write_after_closing_is_refused_and_nothing_is_sent() {
    for state in [State::FinWait1, State::FinWait2, State::Closing, State::LastAck, State::TimeWait] {
        let (mut solo, ..) = Solo::new(plain()).brought_to(state);
        let now = solo.now;
        assert_eq!(
            solo.host.stream(solo.id).unwrap().write(now, b"late"),
            Err(WriteError::Closed),
            "{state}"
        );
        assert!(solo.sent().is_empty());
        assert_eq!(solo.state(), state);
    }
}

// requirement: 9293-UC-RECV-2
#[test]
fn reader_before_established_waits_and_is_served_afterwards() {
    for mut solo in [Solo::connecting(plain()).0, crossing()] {
        let (now, mut buffer) = (solo.now, [0; 9]);
        let early = solo.host.stream(solo.id).unwrap().read(now, &mut buffer);
        assert_eq!(early, Err(ReadError::Blocked));
        solo.arrives(seg(SYN_ACK, -1, 0).mss(1000));
        solo.arrives(text(0, 0, b"served"));
        assert!(solo.events.contains(&Event::Readable(solo.id)));
        assert_eq!(solo.read(), (b"served".to_vec(), false));
    }
}

// requirement: 9293-UC-RECV-3
#[test]
fn reader_gets_text_in_order_in_every_state_that_receives() {
    for state in [State::Established, State::FinWait1, State::FinWait2] {
        let (mut solo, ours, _) = Solo::new(plain()).brought_to(state);
        let acked = ours.min(i64::from(state == State::FinWait2));
        assert_eq!(solo.read(), (Vec::new(), false), "{state}");
        solo.arrives(text(3, acked, b"def"));
        assert_eq!(solo.read(), (Vec::new(), false), "nothing before its turn");
        solo.arrives(text(0, acked, b"abc"));
        assert_eq!(solo.read(), (b"abcdef".to_vec(), false), "{state}");
    }
}

// requirement: 9293-UC-RECV-5
#[test]
fn text_taken_for_delivery_is_acknowledged_whether_it_has_been_read_or_not() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"kept"));
    assert_eq!(solo.wait_ms(500)[0].brief(), (Flags::ACK, 0, 4, 0));
    assert_eq!(solo.read().0, b"kept");
}

// requirement: 9293-UC-RECV-6
#[test]
fn reader_in_close_wait_gets_what_is_at_hand_and_then_the_end() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"last").fin());
    assert_eq!(solo.state(), State::CloseWait);
    let (now, mut buffer) = (solo.now, [0; 9]);
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(4));
    for _ in 0..2 {
        assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(0), "the end");
    }
}

// requirement: 9293-UC-RECV-7
#[test]
fn reader_after_both_have_closed_gets_what_was_left_and_then_the_end() {
    for state in [State::Closing, State::LastAck, State::TimeWait] {
        let mut solo = Solo::new(plain());
        solo.arrives(text(0, 0, b"unread"));
        if state == State::LastAck {
            solo.arrives(seg(FIN_ACK, 6, 0));
            solo.shutdown();
        } else {
            solo.shutdown();
            solo.arrives(seg(FIN_ACK, 6, i64::from(state == State::TimeWait)));
        }
        assert_eq!(solo.state(), state);
        assert_eq!(solo.read(), (b"unread".to_vec(), true), "{state}");
        assert_eq!(solo.read(), (Vec::new(), true), "{state}");
    }
}

// requirement: 9293-UC-CLOSE-2
#[test]
fn listener_that_closes_is_gone_and_nobody_is_accepted_there() {
    let mut solo = Solo::listening(plain());
    let (now, listener) = (solo.now, solo.listener);
    solo.host.unlisten(now, listener);
    assert_eq!((solo.state(), solo.host.accept(listener)), (State::Closed, None));
    assert_eq!(solo.arrives(seg(Flags::SYN, -1, 0))[0].flags, RST_ACK);
}

// requirement: 9293-UC-CLOSE-4
#[test]
fn close_in_syn_received_waits_for_the_handshake_and_enters_fin_wait_1() {
    let mut solo = crossing();
    assert!(solo.shutdown().is_empty());
    assert_eq!(solo.state(), State::SynReceived);
    let sent = solo.arrives(seg(SYN_ACK, -1, 0).mss(1000));
    assert_eq!(sent[0].brief(), (FIN_ACK, 0, 0, 0));
    assert_eq!(solo.state(), State::FinWait1);
}

// requirement: 9293-UC-CLOSE-5
#[test]
fn close_in_established_enters_fin_wait_1_at_once_with_the_fin_behind_the_text() {
    let mut solo = Solo::listening(plain()).accepted_with(seg(Flags::SYN, -1, 0).mss(1000).wnd(1000));
    solo.write(&[0; 1500]);
    assert!(solo.shutdown().is_empty());
    assert_eq!(solo.state(), State::FinWait1);
    let sent = solo.arrives(ack(0, 1000).wnd(1000));
    assert_eq!(sent[0].brief(), (FIN_ACK, 1000, 0, 500));
}

// requirement: 9293-UC-CLOSE-6
// requirement: 9293-UC-CLOSE-8
#[test]
fn second_close_succeeds_and_sends_no_second_fin() {
    for state in [State::FinWait1, State::FinWait2, State::Closing, State::LastAck, State::TimeWait] {
        let (mut solo, ours, _) = Solo::new(plain()).brought_to(state);
        assert!(solo.shutdown().is_empty(), "{state}");
        assert_eq!(solo.state(), state);
        // Where the FIN is repeated it is the same one.
        for sent in solo.wait_ms(2_000) {
            assert_eq!((sent.has(Flags::FIN), sent.seq), (true, ours - 1), "{state}");
        }
    }
}

// requirement: 9293-UC-CLOSE-7
#[test]
fn close_in_close_wait_sends_the_fin_behind_the_text_and_is_last_ack() {
    let (mut solo, ..) = Solo::new(plain()).brought_to(State::CloseWait);
    solo.host.stream(solo.id).unwrap().write(solo.now, b"parting").unwrap();
    let sent = solo.shutdown();
    assert_eq!((sent[0].brief(), sent.len()), ((FIN_ACK, 0, 1, 7), 1));
    assert_eq!(solo.state(), State::LastAck);
    solo.arrives(ack(1, 8));
    assert_eq!(solo.state(), State::Listen);
}

// requirement: 9293-UC-ABORT-2
#[test]
fn connection_that_waits_at_a_listener_that_goes_learns_of_a_reset() {
    let mut pair = Pair::new();
    let listener = pair.listen(ListenConfig::default());
    let client = pair.connect(ConnectConfig::default());
    pair.run();
    let now = pair.now;
    pair.hosts[1].unlisten(now, listener);
    pair.run();
    assert!(pair.events[0].contains(&Event::Closed(client, CloseReason::Reset)));
    let tuple = pair.hosts[0].tuple(client).unwrap();
    assert_eq!(pair.states(&tuple), (State::Closed, State::Closed));
}

// requirement: 9293-UC-ABORT-3
#[test]
fn abort_in_syn_sent_deletes_the_connection_without_a_segment() {
    let (mut solo, _) = Solo::connecting(plain());
    solo.write(b"queued");
    assert!(solo.abort().is_empty());
    assert_eq!(solo.state(), State::Closed);
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Aborted)]);
    assert!(solo.wait_ms(600_000).is_empty());
}

// requirement: 9293-UC-ABORT-4
#[test]
fn abort_flushes_what_was_written_and_sends_rst_at_snd_nxt() {
    for state in [State::Established, State::CloseWait] {
        let (mut solo, ours, theirs) = Solo::new(plain()).brought_to(state);
        solo.write(&[0; 20_000]);
        let sent = solo.abort();
        assert_eq!(sent.iter().map(Sent::brief).collect::<Vec<_>>(), [(RST_ACK, ours + 10_000, theirs, 0)]);
        assert!(solo.wait_ms(600_000).is_empty(), "neither new text nor a retransmission");
        assert_eq!((solo.state(), solo.host.info(solo.id)), (State::Listen, None));
    }
    let mut solo = crossing();
    assert_eq!(solo.abort()[0].brief(), (RST_ACK, 0, 0, 0));
    assert_eq!(solo.state(), State::Closed);
}

// requirement: 9293-UC-ABORT-5
#[test]
fn abort_in_time_wait_succeeds_and_the_record_stays_for_its_time() {
    let (mut solo, ..) = Solo::new(plain()).brought_to(State::TimeWait);
    assert!(solo.abort().is_empty());
    assert!(solo.host.stream(solo.id).is_none());
    assert_eq!(solo.state(), State::TimeWait);
    solo.wait_ms(60_000);
    assert_eq!(solo.state(), State::Listen);
}

// requirement: 9293-UC-STATUS-1
#[test]
fn every_state_is_named_as_the_rfc_names_it() {
    let listening = Solo::listening(plain());
    assert_eq!(listening.state().name(), "LISTEN");
    assert_eq!(Solo::connecting(plain()).0.state().name(), "SYN-SENT");
    assert_eq!(crossing().state().name(), "SYN-RECEIVED");
    let names = ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT"];
    for (state, name) in SYNCHRONIZED.into_iter().chain([State::TimeWait]).zip(names) {
        let (solo, ..) = Solo::new(plain()).brought_to(state);
        assert_eq!((solo.state().name(), alloc::format!("{state}").as_str()), (name, name));
        if state != State::TimeWait {
            assert_eq!(solo.host.info(solo.id).unwrap().state, state);
        }
    }
}

// requirement: 9293-TO-1
#[test]
fn user_timeout_ends_the_connection_in_every_state_that_waits_for_an_ack() {
    let impatient = || TcpConfig { user_timeout: Duration::from_secs(5), ..plain() };
    for state in [State::Established, State::FinWait1, State::CloseWait, State::Closing, State::LastAck] {
        let (mut solo, ..) = Solo::new(impatient()).brought_to(state);
        if matches!(state, State::Established | State::CloseWait) {
            solo.write(&[0; 20_000]);
        }
        solo.wait_ms(6_000);
        assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)], "{state}");
        assert_eq!((solo.state(), solo.host.ended(solo.id)), (State::Listen, Some(CloseReason::TimedOut)));
        let now = solo.now;
        let mut stream = solo.host.stream(solo.id).unwrap();
        assert_eq!(stream.write(now, b"x"), Err(WriteError::Ended(CloseReason::TimedOut)));
        assert!(solo.wait_ms(600_000).is_empty(), "the queues are flushed");
    }
}

// requirement: 9293-TO-2
#[test]
fn retransmission_timeout_sends_the_front_of_the_queue_and_starts_anew() {
    let mut solo = Solo::new(plain());
    solo.write(&[0; 3000]);
    let began = solo.now;
    let sent = solo.wait_ms(3_500);
    let briefs: Vec<_> = sent.iter().map(|sent| (sent.seq, sent.at.since(began).as_millis())).collect();
    assert_eq!(briefs, [(0, 1_000), (0, 3_000)]);
}
