//! Opening: LISTEN, SYN-SENT, SYN-RECEIVED in both ways, text and CLOSE before and in the handshake, options.

use super::solo::*;
use super::*;
use crate::tcp::connection::Phase;
use crate::{CloseReason, ConnectError, DropReason, TcpConfig, WriteError};

/// A listening host in SYN-RECEIVED.
fn half_open(tcp: TcpConfig) -> Solo {
    let mut solo = Solo::listening(tcp);
    solo.iss = solo.arrives(seg(Flags::SYN, -1, 0).mss(1000)).remove(0).header.seq;
    assert_eq!(solo.state(), State::SynReceived);
    solo
}

/// A connecting host that the peer's bare SYN has reached: SYN-RECEIVED after an active open.
fn both_open(tcp: TcpConfig) -> Solo {
    let (mut solo, _) = Solo::connecting(tcp);
    let answer = solo.arrives(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!(answer[0].brief(), (SYN_ACK, -1, 0, 0));
    assert_eq!(solo.state(), State::SynReceived);
    solo
}

// requirement: 9293-SA-LISTEN-1
// requirement: 9293-SA-LISTEN-4
// requirement: 9293-MUST-14
// requirement: 9293-SHLD-5
// requirement: 9293-MUST-67
// requirement: 4987-4
#[test]
fn syn_is_answered_with_syn_ack_and_mss_and_creates_no_connection_yet() {
    let mut solo = Solo::listening(TcpConfig::default());
    let sent = solo.arrives(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!((sent.len(), sent[0].flags, sent[0].ack), (1, SYN_ACK, 0));
    assert_eq!(sent[0].header.options.mss, Some(1460));
    assert_eq!(solo.host.accept(solo.listener), None);
    assert!(solo.events.is_empty());
    assert!(solo.host.connections.is_empty());
}

// requirement: 9293-SA-LISTEN-7
// requirement: 9293-SA-LISTEN-8
#[test]
fn text_and_fin_on_a_syn_are_left_for_the_peer_to_send_again() {
    let mut solo = Solo::listening(plain());
    let mut syn = text(-1, 0, b"early");
    syn.flags = Flags::SYN.with(Flags::FIN);
    let sent = solo.arrives(syn);
    assert_eq!((sent[0].flags, sent[0].ack), (SYN_ACK, 0));
    solo.iss = sent[0].header.seq;
    solo.arrives(text(0, 0, b"early").fin());
    solo.id = solo.host.accept(solo.listener).unwrap();
    assert_eq!(solo.read(), (b"early".to_vec(), true));
}

// requirement: 9293-SA-SYN-RECEIVED-5
// requirement: 9293-SA-SYN-RECEIVED-7
// requirement: 9293-SA-SYN-RECEIVED-8
#[test]
fn ack_of_the_handshake_may_carry_text_and_fin() {
    let mut solo = half_open(plain());
    let sent = solo.arrives(text(0, 0, b"all at once").fin().wnd(1234));
    assert_eq!(sent[0].brief(), (Flags::ACK, 0, 12, 0));
    assert_eq!(solo.state(), State::CloseWait);
    solo.id = solo.host.accept(solo.listener).unwrap();
    assert_eq!(solo.events, [Event::Incoming(solo.listener), Event::Readable(solo.id)]);
    assert_eq!(solo.host.info(solo.id).unwrap().snd_wnd, 1234);
    assert_eq!(solo.read(), (b"all at once".to_vec(), true));
}

#[test]
fn ack_of_the_handshake_may_be_text_that_came_too_early() {
    let mut solo = half_open(plain());
    solo.arrives(text(3, 0, b"def"));
    solo.arrives(text(0, 0, b"abc"));
    solo.id = solo.host.accept(solo.listener).unwrap();
    assert_eq!(solo.read().0, b"abcdef");
}

// requirement: 9293-SA-SYN-RECEIVED-1
#[test]
fn syn_that_comes_again_is_answered_again() {
    let mut solo = half_open(plain());
    for _ in 0..3 {
        let sent = solo.arrives(seg(Flags::SYN, -1, 0).mss(1000));
        assert_eq!(sent[0].brief(), (SYN_ACK, -1, 0, 0));
    }
    solo.arrives(ack(0, 0));
    assert_eq!(solo.state(), State::Established);
}

// requirement: 9293-SA-SYN-RECEIVED-1
#[test]
fn segment_outside_the_window_in_syn_received_is_answered_with_an_ack() {
    for (mut solo, from) in [(half_open(plain()), 0), (both_open(plain()), 1)] {
        let sent = solo.arrives(text(-5, 0, b"abc"));
        assert_eq!(sent.iter().map(Sent::brief).collect::<Vec<_>>(), [(Flags::ACK, 0, 0, 0)], "{from}");
        assert_eq!(solo.state(), State::SynReceived);
    }
}

// requirement: 9293-SA-SYN-RECEIVED-2
// requirement: 9293-SA-SYN-RECEIVED-11
// requirement: 9293-MUST-11
#[test]
fn rst_in_syn_received_returns_to_listen_only_when_it_is_exact() {
    let mut solo = half_open(plain());
    assert!(solo.arrives(seg(Flags::RST, -1, 0)).is_empty());
    assert!(solo.arrives(seg(Flags::RST, 70_000, 0)).is_empty());
    let sent = solo.arrives(seg(Flags::RST, 1, 0));
    assert_eq!(sent[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!(solo.state(), State::SynReceived);
    assert!(solo.arrives(seg(Flags::RST, 0, 0)).is_empty());
    assert_eq!(solo.state(), State::Listen);
    assert!(solo.events.is_empty());
    assert!(solo.wait_ms(100_000).is_empty());
}

// requirement: 9293-SA-SYN-RECEIVED-9
// requirement: 9293-MUST-11
#[test]
fn rst_in_syn_received_after_an_active_open_is_a_refusal() {
    let mut solo = both_open(plain());
    assert!(solo.arrives(seg(Flags::RST, 5, 0)).len() == 1, "challenged");
    assert!(solo.arrives(seg(Flags::RST, 0, 0)).is_empty());
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Refused)]);
}

// requirement: 9293-SA-SYN-RECEIVED-4
// requirement: 9293-MUST-11
#[test]
fn another_syn_in_the_window_returns_a_passive_open_to_listen_and_is_challenged_in_an_active_one() {
    let mut solo = half_open(plain());
    assert!(solo.arrives(seg(Flags::SYN, 10, 0).mss(1000)).is_empty());
    assert_eq!(solo.state(), State::Listen);
    // It comes again, and opens.
    let sent = solo.arrives(seg(Flags::SYN, 10, 0).mss(1000));
    assert_eq!((sent[0].flags, sent[0].ack), (SYN_ACK, 11));
    let mut solo = both_open(plain());
    assert_eq!(solo.arrives(seg(Flags::SYN, 10, 0))[0].brief(), (Flags::ACK, 0, 0, 0));
    assert_eq!(solo.state(), State::SynReceived);
}

// requirement: 9293-SA-SYN-RECEIVED-10
#[test]
fn bad_ack_in_syn_received_is_refused_with_rst_and_the_handshake_goes_on() {
    for mut solo in [half_open(plain()), both_open(plain())] {
        for wrong in [-1, 1, 1000] {
            let sent = solo.arrives(ack(0, wrong));
            assert_eq!((sent.len(), sent[0].flags, sent[0].seq), (1, Flags::RST, wrong));
            assert_eq!(solo.state(), State::SynReceived);
        }
        solo.arrives(ack(0, 0));
        assert_eq!(solo.state(), State::Established);
    }
}

// requirement: 7323-20
#[test]
fn old_timestamp_in_syn_received_does_not_establish() {
    let config = TcpConfig::default();
    let (mut active, _) = Solo::connecting(config.clone());
    active.arrives(seg(Flags::SYN, -1, 0).mss(1000).ts(100, 0));
    let mut passive = Solo::listening(config);
    passive.iss = passive.arrives(seg(Flags::SYN, -1, 0).ts(100, 0)).remove(0).header.seq;
    for mut solo in [active, passive] {
        assert_eq!(solo.arrives(ack(0, 0).ts(99, 0)).len(), 1);
        solo.arrives(ack(0, 0));
        assert_eq!(solo.state(), State::SynReceived);
        solo.arrives(ack(0, 0).ts(100, 0));
        assert_eq!(solo.state(), State::Established);
    }
}

// requirement: 9293-MUST-22
#[test]
fn syn_ack_is_repeated_five_times_and_then_forgotten() {
    let mut solo = half_open(plain());
    let began = solo.now;
    let sent = solo.wait_ms(100_000);
    let at: Vec<u64> = sent.iter().map(|sent| sent.at.since(began).as_secs()).collect();
    assert_eq!(at, [1, 3, 7, 15, 31]);
    assert_eq!(solo.state(), State::Listen);
    assert_eq!(solo.host.poll_timeout(), None);
}

// requirement: 9293-SA-SYN-SENT-4
// requirement: 9293-SA-SYN-SENT-7
// requirement: 9293-SA-SYN-SENT-8
#[test]
fn syn_ack_establishes_and_its_text_and_fin_are_taken() {
    let (mut solo, syn) = Solo::connecting(plain());
    assert_eq!((syn.flags, syn.header.options.mss), (Flags::SYN, Some(1460)));
    let mut answer = text(-1, 0, b"banner");
    answer.flags = SYN_ACK.with(Flags::FIN);
    let sent = solo.arrives(answer);
    assert_eq!(sent[0].brief(), (Flags::ACK, 0, 7, 0));
    assert_eq!(solo.events, [Event::Connected(solo.id), Event::Readable(solo.id)]);
    assert_eq!(solo.state(), State::CloseWait);
    assert_eq!(solo.read(), (b"banner".to_vec(), true));
}

// requirement: 9293-SA-SYN-SENT-8
#[test]
fn fin_and_urgent_pointer_without_text_at_the_end_of_the_handshake_are_taken() {
    let (mut solo, _) = Solo::connecting(plain());
    let sent = solo.arrives(seg(SYN_ACK.with(Flags::FIN), -1, 0));
    assert_eq!((sent[0].brief(), solo.state()), ((Flags::ACK, 0, 1, 0), State::CloseWait));
    assert_eq!(solo.read(), (Vec::new(), true));
    let mut solo = both_open(plain());
    solo.arrives(Sends { urgent: 5, ..seg(Flags::ACK.with(Flags::URG), 0, 0) });
    assert_eq!((solo.state(), solo.host.info(solo.id).unwrap().urgent), (State::Established, 5));
}

// requirement: 9293-MUST-62
#[test]
fn urgent_pointer_of_a_syn_ack_counts_from_its_syn() {
    let (mut solo, _) = Solo::connecting(plain());
    solo.arrives(Sends { urgent: 5, ..seg(SYN_ACK.with(Flags::URG), -1, 0) });
    assert_eq!((solo.state(), solo.host.info(solo.id).unwrap().urgent), (State::Established, 4));
}

// requirement: 9293-SA-SYN-SENT-2
// requirement: 9293-SA-SYN-SENT-5
// requirement: 9293-SA-SYN-SENT-10
// requirement: 9293-SA-SYN-SENT-11
// requirement: 5961-4
#[test]
fn syn_sent_believes_only_an_ack_of_its_syn() {
    let (mut solo, _) = Solo::connecting(plain());
    for wrong in [-1, 1, 500] {
        for flags in [Flags::ACK, SYN_ACK, FIN_ACK] {
            let sent = solo.arrives(seg(flags, 0, wrong));
            assert_eq!((sent.len(), sent[0].flags, sent[0].seq), (1, Flags::RST, wrong));
        }
        assert!(solo.arrives(seg(RST_ACK, 0, wrong)).is_empty());
    }
    assert!(solo.arrives(seg(Flags::RST, 0, 0)).is_empty());
    assert!(solo.arrives(seg(Flags::ACK, 0, 0)).is_empty());
    assert!(solo.arrives(seg(FIN_ACK, 0, 0)).is_empty());
    assert_eq!(solo.state(), State::SynSent);
    assert!(solo.arrives(seg(RST_ACK, 0, 0)).is_empty());
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Refused)]);
}

// requirement: 9293-MUST-22
// requirement: 9293-MUST-23
// requirement: 6298-14
// requirement: 9293-TO-1
#[test]
fn syn_is_repeated_with_doubled_times_for_three_minutes() {
    let (mut solo, _) = Solo::connecting(plain());
    let began = solo.now;
    let sent = solo.wait_ms(179_999);
    let at: Vec<u64> = sent.iter().map(|sent| sent.at.since(began).as_secs()).collect();
    assert_eq!(at, [1, 3, 7, 15, 31, 63, 127]);
    assert_eq!(solo.state(), State::SynSent);
    solo.wait_ms(1);
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)]);
}

// requirement: 9293-MUST-10
// requirement: 9293-SA-SYN-SENT-9
#[test]
fn crossing_syns_make_one_connection_whichever_answer_arrives() {
    for answer in [seg(SYN_ACK, -1, 0).mss(1000), ack(0, 0), text(0, 0, b"text")] {
        let mut solo = both_open(plain());
        solo.arrives(answer.clone());
        assert_eq!(solo.state(), State::Established, "{answer:?}");
        assert_eq!(solo.events[0], Event::Connected(solo.id));
        assert_eq!(solo.read().0, answer.text);
    }
}

// requirement: 9293-UC-SEND-3
#[test]
fn text_and_close_before_the_handshake_follow_it_in_order() {
    for crossing in [false, true] {
        let (mut solo, _) = Solo::connecting(plain());
        let now = solo.now;
        let mut stream = solo.host.stream(solo.id).unwrap();
        assert_eq!(stream.write(now, b""), Ok(0));
        assert_eq!(stream.write(now, b"before"), Ok(6));
        stream.shutdown(now).unwrap();
        assert_eq!(stream.write(now, b"after"), Err(WriteError::Closed));
        assert!(solo.sent().is_empty());
        if crossing {
            solo.arrives(seg(Flags::SYN, -1, 0).mss(1000));
        }
        let sent = solo.arrives(seg(SYN_ACK, -1, 0).mss(1000));
        assert_eq!(sent[0].brief(), (FIN_ACK, 0, 0, 6));
        assert_eq!(solo.state(), State::FinWait1);
        solo.arrives(seg(FIN_ACK, 0, 7));
        assert_eq!(solo.state(), State::TimeWait);
    }
}

#[test]
fn both_sides_open_write_and_close_at_once_and_every_octet_arrives() {
    let mut pair = Pair::new();
    let ports: [SocketAddr; 2] = [(address(0, false), 1111).into(), (address(1, false), 2222).into()];
    let ids = [0, 1].map(|side| {
        let config = ConnectConfig::default().local(ports[side]);
        let now = pair.now;
        let id = pair.hosts[side].connect(now, ports[1 - side], config).unwrap();
        pair.write(side, id, b"written at once");
        pair.shutdown(side, id);
        id
    });
    pair.run_for(Duration::from_secs(1));
    for (side, id) in ids.into_iter().enumerate() {
        assert_eq!(pair.read(side, id), (b"written at once".to_vec(), true));
        assert!(pair.events[side].contains(&Event::Connected(id)));
        assert!(pair.events[side].contains(&Event::Closed(id, CloseReason::Graceful)));
        pair.close(side, id);
    }
    pair.run_for(Duration::from_secs(120));
    pair.assert_nothing_left();
}

// requirement: 9293-UC-CLOSE-3
#[test]
fn close_in_syn_sent_with_nothing_written_forgets_the_connection_at_once() {
    let (mut solo, _) = Solo::connecting(plain());
    assert!(solo.close().is_empty());
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Aborted)]);
    assert_eq!(solo.host.orphans, 0);
    // The answer to the SYN finds nobody.
    assert_eq!(solo.arrives(seg(SYN_ACK, -1, 0))[0].flags, Flags::RST);
    assert!(solo.wait_ms(300_000).is_empty());
}

// requirement: 9293-UC-CLOSE-3
#[test]
fn close_in_syn_sent_with_text_delivers_it_and_the_orphan_ends() {
    let (mut solo, _) = Solo::connecting(plain());
    solo.write(b"parting words");
    solo.close();
    let sent = solo.arrives(seg(SYN_ACK, -1, 0).mss(1000));
    assert_eq!(sent[0].brief(), (FIN_ACK, 0, 0, 13));
    assert!(!solo.events.contains(&Event::Connected(solo.id)), "nobody is there to hear it");
    solo.arrives(seg(FIN_ACK, 0, 14));
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::Graceful)]);
    assert_eq!((solo.state(), solo.host.orphans), (State::TimeWait, 0));
}

// requirement: 9293-UC-ABORT-4
#[test]
fn abort_in_syn_received_after_an_active_open_sends_rst() {
    let mut solo = both_open(TcpConfig::default());
    let sent = solo.abort();
    assert_eq!(sent[0].brief(), (RST_ACK, 0, 0, 0));
    assert_eq!(solo.host.orphans, 0);
}

#[test]
fn backlog_counts_as_linux_does() {
    for backlog in [0, 1, 2, 5] {
        let mut solo = Solo::listening(plain());
        let listener = solo
            .host
            .listen("0.0.0.0:81".parse().unwrap(), ListenConfig::default().backlog(backlog))
            .unwrap();
        solo.tuple.local.set_port(81);
        let mut held_back = 0;
        for port in 1..=20 {
            solo.tuple.remote.set_port(port);
            let Some(syn_ack) = solo.arrives(seg(Flags::SYN, -1, 0)).pop() else { break };
            solo.iss = syn_ack.header.seq;
            solo.arrives(ack(0, 0));
            if solo.state() != State::Established {
                held_back += 1;
            }
        }
        let waiting = core::iter::from_fn(|| solo.host.accept(listener)).count();
        assert_eq!(waiting, usize::try_from(backlog).unwrap() + 1, "one more than the backlog");
        assert_eq!(held_back, 0, "no SYN is answered while the queue is full");
        assert!(solo.host.counters().drops.get(DropReason::AcceptQueueFull) > 0);
    }
}

#[test]
fn ack_that_finds_the_accept_queue_full_is_as_good_as_lost() {
    let mut solo = Solo::listening(plain());
    let listener =
        solo.host.listen("0.0.0.0:81".parse().unwrap(), ListenConfig::default().backlog(2)).unwrap();
    solo.tuple.local.set_port(81);
    // Two half-open at once, each let in while the queue had room; then the queue fills up.
    let mut handshakes = Vec::new();
    for port in 1..=2 {
        solo.tuple.remote.set_port(port);
        handshakes.push(solo.arrives(seg(Flags::SYN, -1, 0)).remove(0).header.seq);
    }
    assert_eq!(solo.host.snapshot(solo.now).listeners[1].half_open, 2);
    solo.tuple.remote.set_port(3);
    assert_eq!(solo.arrives(seg(Flags::SYN, -1, 0)).len(), 1, "the SYN queue is full: a cookie");
    assert_eq!((solo.host.counters().syn_cookies_sent, solo.host.half_open.len()), (1, 2));
    for (port, iss) in (1..=2).zip(handshakes) {
        solo.tuple.remote.set_port(port);
        solo.iss = iss;
        solo.arrives(ack(0, 0));
    }
    for port in 4..=5 {
        solo.tuple.remote.set_port(port);
        solo.iss = solo.arrives(seg(Flags::SYN, -1, 0)).remove(0).header.seq;
        if port == 4 {
            continue;
        }
        solo.arrives(ack(0, 0));
        assert_eq!(solo.state(), State::Established);
    }
    // Port 4's SYN-ACK comes again, and its ACK is taken once there is room.
    solo.tuple.remote.set_port(4);
    let again = solo.wait_ms(1_000);
    solo.iss = again.iter().find(|sent| sent.header.destination == 4).unwrap().header.seq;
    assert!(solo.arrives(text(0, 0, b"x")).is_empty());
    assert_eq!(solo.state(), State::SynReceived);
    solo.host.accept(listener).unwrap();
    solo.arrives(text(0, 0, b"x"));
    assert_eq!(solo.state(), State::Established);
}

// requirement: 9293-UC-CLOSE-2
// requirement: 9293-UC-ABORT-2
#[test]
fn listener_that_goes_resets_what_waits_and_forgets_what_is_half_open() {
    let mut solo = half_open(plain());
    solo.tuple.remote.set_port(40_001);
    solo.iss = solo.arrives(seg(Flags::SYN, -1, 0)).remove(0).header.seq;
    solo.arrives(ack(0, 0));
    solo.host.unlisten(solo.now, solo.listener);
    let sent = solo.sent();
    assert_eq!((sent.len(), sent[0].flags), (1, RST_ACK));
    assert_eq!(solo.state(), State::Closed);
    let snapshot = solo.host.snapshot(solo.now);
    assert!(snapshot.connections.is_empty() && snapshot.listeners.is_empty());
    assert!(solo.wait_ms(100_000).is_empty());
}

// requirement: 9293-MUST-15
// requirement: 9293-MUST-16
#[test]
fn mss_is_what_the_peer_names_or_536_less_the_options() {
    for (named, timestamps, expected) in [
        (None, false, 536),
        (None, true, 524),
        (Some(1460), true, 1448),
        (Some(9000), false, 1460),
        (Some(1), false, 48),
        (Some(0), false, 536),
    ] {
        let mut syn = seg(Flags::SYN, -1, 0);
        syn.options.mss = named;
        if timestamps {
            syn = syn.ts(1, 0);
        }
        let solo = Solo::listening(TcpConfig { sack: false, ..TcpConfig::default() }).accepted_with(syn);
        assert_eq!(solo.host.info(solo.id).unwrap().mss, expected, "{named:?}");
    }
}

// requirement: 9293-MUST-65
// requirement: 2018-1
#[test]
fn options_of_a_syn_appear_on_no_other_segment() {
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000).ts(1, 0);
    syn.options.sack_permitted = true;
    syn.options.window_scale = Some(3);
    let mut solo = Solo::listening(TcpConfig::default()).accepted_with(syn);
    let mut all = solo.write(&[0; 5000]);
    all.extend(solo.arrives(text(10, 0, b"x").ts(2, 0)));
    all.extend(solo.abort());
    assert!(all.len() > 5);
    for sent in all {
        let options = &sent.header.options;
        assert!(options.mss.is_none() && options.window_scale.is_none() && !options.sack_permitted);
    }
}

// requirement: 9293-MUST-46
// requirement: 9293-MUST-44
#[test]
fn connect_goes_only_to_one_host() {
    let (mut solo, _) = Solo::connecting(plain());
    let now = solo.now;
    for wrong in [
        "224.0.0.1:80",
        "255.255.255.255:80",
        "10.0.0.255:80",
        "0.0.0.0:80",
        "10.0.0.2:0",
        "[ff02::1]:80",
        "[::]:80",
        "[::ffff:10.0.0.2]:80",
    ] {
        let result = solo.host.connect(now, wrong.parse().unwrap(), ConnectConfig::default());
        assert_eq!(result, Err(ConnectError::NoRoute), "{wrong}");
    }
    let foreign = ConnectConfig::default().local("10.9.9.9:0".parse().unwrap());
    let result = solo.host.connect(now, "10.0.0.2:80".parse().unwrap(), foreign);
    assert_eq!(result, Err(ConnectError::NotLocal));
}

// requirement: 9293-MUST-42
#[test]
fn listen_on_the_port_of_a_connection_that_opens_is_allowed() {
    let (mut solo, _) = Solo::connecting(plain());
    let local = SocketAddr::new(address(0, false), solo.tuple.local.port());
    assert!(solo.host.listen(local, ListenConfig::default()).is_ok());
    assert_eq!(solo.state(), State::SynSent);
}

// requirement: 6298-16
#[test]
fn syn_ack_lost_in_a_simultaneous_open_counts_as_a_lost_syn() {
    let mut solo = both_open(plain());
    assert_eq!(solo.wait_ms(1_000).len(), 1);
    solo.arrives(ack(0, 0));
    assert_eq!(solo.host.info(solo.id).unwrap().rto, Duration::from_secs(3));
}

// requirement: 6298-16
#[test]
fn crossing_syns_of_which_none_was_repeated_begin_with_the_whole_initial_window() {
    let mut solo = both_open(plain());
    solo.arrives(ack(0, 0));
    let info = solo.host.info(solo.id).unwrap();
    assert_eq!((info.state, info.rto, info.cwnd), (State::Established, Duration::from_secs(1), 10_000));
}

#[test]
fn active_open_knows_whether_its_syn_was_repeated_and_how_long_the_next_wait_is() {
    let (mut solo, _) = Solo::connecting(plain());
    for (repeated, wait) in [(false, 2), (true, 4), (true, 8), (true, 16)] {
        let Phase::Opening(opening) = &solo.host.connection(solo.id).unwrap().phase else { panic!() };
        let known = (opening.has_repeated(), opening.next_wait().as_secs());
        assert_eq!(known, (repeated, wait));
        assert_eq!(solo.wait_for_more().len(), 1);
    }
}

// requirement: 7323-2
#[test]
fn window_of_a_syn_is_the_receive_buffer_or_the_field_full_and_never_scaled() {
    for (recv_buffer, wnd) in [(5_000, 5_000), (65_535, 65_535), (1 << 20, 65_535)] {
        let tcp = TcpConfig { recv_buffer, ..TcpConfig::default() };
        let (mut solo, syn) = Solo::connecting(tcp);
        let answer = solo.arrives(seg(Flags::SYN, -1, 0).mss(1000));
        assert_eq!((syn.flags, syn.header.wnd), (Flags::SYN, wnd));
        assert_eq!((answer[0].flags, answer[0].header.wnd), (SYN_ACK, wnd));
    }
}

fn low(_: &FourTuple) -> SeqNum {
    SeqNum(0xffff_fff0)
}
fn middle(_: &FourTuple) -> SeqNum {
    SeqNum(0x7fff_fff0)
}
fn high(_: &FourTuple) -> SeqNum {
    SeqNum(0x8000_0000)
}
fn last(_: &FourTuple) -> SeqNum {
    SeqNum(0xffff_ffff)
}

#[test]
fn whole_lives_pass_the_wraps_of_the_sequence_space() {
    let numbers: [fn(&FourTuple) -> SeqNum; 4] = [low, middle, high, last];
    for ours in numbers {
        for theirs in numbers {
            let config = |initial| HostConfig { initial_sequence: Some(initial), ..HostConfig::default() };
            let mut pair = Pair::with([config(ours), config(theirs)]);
            let (client, server) = pair.established();
            let tuple = pair.tuple(client);
            pair.lose = Some(|_, index, _| index % 11 == 7);
            for (side, id) in [(0, client), (1, server)] {
                pair.write(side, id, &vec![5; 100_000]);
                pair.shutdown(side, id);
            }
            let mut read = [0, 0];
            for _ in 0..300 {
                pair.run_for(Duration::from_millis(50));
                read[0] += pair.read(0, client).0.len();
                read[1] += pair.read(1, server).0.len();
            }
            assert_eq!(read, [100_000, 100_000]);
            assert_eq!(pair.saw(0, Flags::RST) + pair.saw(1, Flags::RST), 0);
            pair.close(0, client);
            pair.close(1, server);
            pair.run_for(Duration::from_secs(130));
            assert_eq!(pair.states(&tuple), (State::Closed, State::Listen));
            pair.assert_nothing_left();
        }
    }
}
