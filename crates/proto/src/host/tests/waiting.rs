//! TIME-WAIT at the host: its duties, and the record that a SYN covers and that comes back.

use super::solo::*;
use super::*;
use crate::host::demux::Found;
use crate::host::key::Key;
use crate::{CloseReason, DropReason, TcpConfig};

/// The records of each family are in a table of their own.
const FAMILIES: [bool; 2] = [false, true];

fn waiting(tcp: TcpConfig, ipv6: bool) -> Solo {
    Solo::new_over(tcp, ipv6).brought_to(State::TimeWait).0
}

/// A host in TIME-WAIT after a connection with timestamps; the peer's last one was 200.
fn waiting_with_timestamps(ipv6: bool) -> Solo {
    let mut solo = Solo::listening(TcpConfig::default())
        .over(ipv6)
        .accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000));
    solo.shutdown();
    solo.arrives(seg(FIN_ACK, 0, 1).ts(200, 0));
    assert_eq!(solo.state(), State::TimeWait);
    solo.wait_ms(10);
    solo
}

fn time_waits(solo: &Solo) -> usize {
    solo.host.snapshot(solo.now).time_wait.len()
}

// requirement: 9293-SA-TIME-WAIT-5
// requirement: 9293-SA-TIME-WAIT-8
// requirement: 9293-MUST-13
// requirement: 9293-TO-3
#[test]
fn fin_that_comes_again_is_acknowledged_and_starts_two_msl_again() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        solo.wait_ms(50_000);
        let sent = solo.arrives(seg(FIN_ACK, 0, 1));
        assert_eq!(sent.iter().map(Sent::brief).collect::<Vec<_>>(), [(Flags::ACK, 1, 1, 0)]);
        solo.wait_ms(59_999);
        assert_eq!(solo.state(), State::TimeWait);
        solo.wait_ms(1);
        assert_eq!((solo.state(), solo.host.poll_timeout()), (State::Listen, None));
    }
}

// requirement: 9293-SA-TIME-WAIT-1
// requirement: 9293-SA-TIME-WAIT-7
#[test]
fn stray_text_is_acknowledged_and_neither_delivered_nor_a_reason_to_wait_longer() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        solo.wait_ms(50_000);
        let sent = solo.arrives(text(-20, 1, b"old duplicate"));
        assert_eq!(sent[0].brief(), (Flags::ACK, 1, 1, 0));
        assert!(solo.arrives(text(1, 1, b"beyond the fin")).is_empty());
        solo.wait_ms(10_000);
        assert_eq!(solo.state(), State::Listen);
    }
}

// requirement: 1337-1
// requirement: 1337-2
// requirement: 9293-SA-TIME-WAIT-2
#[test]
fn rst_is_ignored_unless_the_settings_follow_rfc_9293() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        for seq in [0, 1, 2, 1000] {
            assert!(solo.arrives(seg(Flags::RST, seq, 0)).is_empty());
        }
        assert_eq!((solo.state(), solo.host.counters().time_wait_rst_ignored), (State::TimeWait, 4));
        let mut solo = waiting(TcpConfig { rfc1337: false, ..plain() }, ipv6);
        assert!(solo.arrives(seg(Flags::RST, 0, 0)).is_empty());
        assert_eq!(solo.arrives(seg(Flags::RST, 2, 0))[0].brief(), (Flags::ACK, 1, 1, 0));
        assert_eq!(solo.state(), State::TimeWait);
        solo.arrives(seg(Flags::RST, 1, 0));
        assert_eq!((solo.state(), solo.host.counters().resets_received), (State::Listen, 1));
    }
}

// requirement: 6191-6
// requirement: 6191-7
// requirement: 9293-SA-TIME-WAIT-4
// requirement: 9293-MAY-2
#[test]
fn syn_above_the_old_fin_reopens_with_a_number_above_ours() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        let sent = solo.arrives(seg(Flags::SYN, 1, 0).mss(1000));
        assert_eq!((sent[0].flags, sent[0].ack), (SYN_ACK, 2));
        assert!(sent[0].seq > 0xffff, "no old segment can lie in the new window");
        assert_eq!(solo.state(), State::SynReceived);
        assert_eq!(time_waits(&solo), 1, "covered, not gone");
        let iss = sent[0].seq;
        solo.arrives(ack(2, iss + 1));
        assert_eq!((solo.state(), time_waits(&solo)), (State::Established, 0));
        assert_eq!((solo.host.counters().reopened, solo.host.covered.len()), (1, 0));
    }
}

// requirement: 6191-6
// requirement: 5961-5
// requirement: 6191-4
#[test]
fn syn_that_is_not_newer_is_challenged_once_a_second_and_the_answer_to_that_is_ignored() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        let sent = solo.arrives(seg(Flags::SYN, -100, 0));
        assert_eq!(sent[0].brief(), (Flags::ACK, 1, 1, 0));
        assert!(solo.arrives(seg(Flags::SYN, -100, 0)).is_empty());
        assert!(solo.arrives(seg(Flags::RST, 1, 0)).is_empty());
        assert_eq!((solo.state(), solo.host.counters().syn_refused), (State::TimeWait, 2));
        solo.wait_ms(1_000);
        assert_eq!(solo.arrives(seg(Flags::SYN, -100, 0)).len(), 1);
    }
}

/// Segments from anywhere make one tuple answer until it is silent; of the other nothing is to be noticed (CVE-2016-5696).
// requirement: 5961-10
#[test]
fn answers_that_one_time_wait_gives_say_nothing_about_those_of_another() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        let (victim, victim_numbers) = (solo.tuple, (solo.iss, solo.irs));
        solo.tuple.remote.set_port(40_001);
        solo.iss = solo.arrives(seg(Flags::SYN, -1, 0)).remove(0).header.seq;
        solo.arrives(ack(0, 0));
        solo.id = solo.host.accept(solo.listener).unwrap();
        solo.shutdown();
        solo.arrives(seg(FIN_ACK, 0, 1));
        assert_eq!(solo.state(), State::TimeWait);
        let mut unseen = solo.host.clone();
        // What whoever holds the second tuple can make it answer, after the first has been probed and without.
        let (own, own_numbers) = (solo.tuple, (solo.iss, solo.irs));
        let answered = |solo: &mut Solo| {
            (0..1_500)
                .map(|_| solo.arrives(ack(-10, 1)).len() + solo.arrives(seg(Flags::SYN, -100, 0)).len())
                .sum::<usize>()
        };
        solo.tuple = victim;
        (solo.iss, solo.irs) = victim_numbers;
        assert_eq!(answered(&mut solo), 10);
        solo.tuple = own;
        (solo.iss, solo.irs) = own_numbers;
        let probed = answered(&mut solo);
        core::mem::swap(&mut solo.host, &mut unseen);
        assert_eq!((probed, answered(&mut solo)), (10, 10));
        assert_eq!(unseen.counters().drops.get(crate::DropReason::ChallengeLimited), 2 * 1_490);
        // A FIN that comes again is answered all the same.
        assert_eq!(solo.arrives(seg(FIN_ACK, 0, 1)).len(), 1);
    }
}

// requirement: 6191-1
// requirement: 6191-2
// requirement: 6191-3
// requirement: 9293-SHLD-4
#[test]
fn newer_timestamp_reopens_whatever_the_number_and_an_equal_one_needs_a_newer_number() {
    for ipv6 in FAMILIES {
        for (seq, ts, admitted) in [
            (-5_000, Some(201), true),
            (-5_000, Some(200), false),
            (5_000, Some(200), true),
            (-5_000, Some(150), false),
            (-5_000, None, false),
            (5_000, None, true),
        ] {
            let mut solo = waiting_with_timestamps(ipv6);
            let mut syn = seg(Flags::SYN, seq, 0);
            if let Some(ts) = ts {
                syn = syn.ts(ts, 0);
            }
            let sent = solo.arrives(syn);
            assert_eq!(sent[0].flags == SYN_ACK, admitted, "{seq} {ts:?}");
            assert_eq!(solo.state() == State::SynReceived, admitted);
        }
    }
}

// requirement: 9293-MAY-2
// requirement: 1122-4
#[test]
fn reopening_that_is_reset_returns_to_time_wait_for_the_time_that_was_left() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        solo.wait_ms(20_000);
        solo.arrives(seg(Flags::SYN, 1, 0));
        solo.wait_ms(500);
        solo.arrives(seg(Flags::RST, 2, 0));
        assert_eq!((solo.state(), solo.host.counters().uncovered), (State::TimeWait, 1));
        // Its duties are what they were.
        assert_eq!(solo.arrives(text(-5, 1, b"old"))[0].brief(), (Flags::ACK, 1, 1, 0));
        solo.wait_ms(39_499 - 50);
        assert_eq!(solo.state(), State::TimeWait);
        solo.wait_ms(51);
        assert_eq!(solo.state(), State::Listen);
        assert!(solo.host.covered.is_empty());
    }
}

// requirement: 9293-MAY-2
#[test]
fn reopening_that_expires_returns_to_time_wait_and_then_to_nothing() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        solo.arrives(seg(Flags::SYN, 1, 0));
        // The FIN that comes again restarts the record underneath.
        solo.wait_ms(40_000);
        let sent = solo.arrives(seg(FIN_ACK, 0, 1));
        assert_eq!(sent[0].brief(), (Flags::ACK, 1, 1, 0));
        solo.wait_ms(24_000);
        assert_eq!((solo.state(), solo.host.counters().half_open_expired), (State::TimeWait, 1));
        solo.wait_ms(40_000);
        assert_eq!(solo.state(), State::Listen);
        assert_eq!(solo.host.poll_timeout(), None);
    }
}

#[test]
fn record_that_runs_out_underneath_leaves_the_half_open_connection_alone() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(TcpConfig { msl: Duration::from_secs(5), ..plain() }, ipv6);
        solo.wait_ms(9_000);
        let iss = solo.arrives(seg(Flags::SYN, 1, 0))[0].seq;
        solo.wait_ms(2_000);
        assert_eq!((solo.state(), time_waits(&solo), solo.host.covered.len()), (State::SynReceived, 0, 0));
        let Some(Found::HalfOpen(index)) = solo.host.find(&Key::from_tuple(&solo.tuple)) else {
            panic!("nothing half open");
        };
        assert!(!solo.host.half_open.get(index).unwrap().covers_time_wait, "it looks for no record any more");
        solo.arrives(ack(2, iss + 1));
        assert_eq!(solo.state(), State::Established);
        assert_eq!(solo.host.counters().reopened, 0);
    }
}

#[test]
fn covered_record_answers_for_the_old_connection_and_never_with_rst() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        let iss = solo.arrives(seg(Flags::SYN, 1, 0))[0].seq;
        let again = solo.arrives(seg(FIN_ACK, 0, 1));
        assert_eq!(again.iter().map(Sent::brief).collect::<Vec<_>>(), [(Flags::ACK, 1, 1, 0)]);
        let stray = solo.arrives(text(-3, 1, b"last"));
        assert_eq!(stray.iter().map(Sent::brief).collect::<Vec<_>>(), [(Flags::ACK, 1, 1, 0)]);
        assert!(solo.arrives(ack(1, 1)).is_empty());
        assert_eq!(solo.state(), State::SynReceived);
        solo.arrives(ack(2, iss + 1));
        assert_eq!(solo.state(), State::Established);
    }
}

#[test]
fn reopening_syn_finds_room_where_the_queue_of_the_listener_or_of_its_source_is_full() {
    for (ipv6, per_source, backlog) in [(false, 1, 9), (false, 9, 1), (true, 1, 9), (true, 9, 1)] {
        let config =
            HostConfig { tcp: plain(), half_open_per_source_max: per_source, ..HostConfig::default() };
        let solo = Solo::listening_as(config, InterfaceConfig::default())
            .over(ipv6)
            .accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
        let (mut solo, ..) = solo.brought_to(State::TimeWait);
        solo.host.listeners.get_mut(solo.listener.index).unwrap().backlog = backlog;
        let port = solo.tuple.remote.port();
        for other in [1, 2] {
            solo.tuple.remote.set_port(other);
            assert_eq!(solo.arrives(seg(Flags::SYN, 0, 0)).len(), 1);
        }
        assert_eq!((solo.host.half_open.len(), solo.host.counters().syn_cookies_sent), (1, 1));
        solo.tuple.remote.set_port(port);
        let sent = solo.arrives(seg(Flags::SYN, 1, 0));
        assert_eq!(sent[0].flags, SYN_ACK);
        solo.arrives(ack(2, sent[0].seq + 1));
        assert_eq!(solo.state(), State::Established);
    }
}

#[test]
fn reopening_syn_beyond_the_bound_of_the_host_is_dropped_and_time_wait_stays() {
    for ipv6 in FAMILIES {
        let config = HostConfig { tcp: plain(), half_open_max: 1, ..HostConfig::default() };
        let solo = Solo::listening_as(config, InterfaceConfig::default())
            .over(ipv6)
            .accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
        let (mut solo, ..) = solo.brought_to(State::TimeWait);
        let port = solo.tuple.remote.port();
        solo.tuple.remote.set_port(1);
        solo.arrives(seg(Flags::SYN, 0, 0));
        solo.tuple.remote.set_port(port);
        assert!(solo.arrives(seg(Flags::SYN, 1, 0)).is_empty());
        assert_eq!(solo.host.counters().drops.get(DropReason::SynQueueFull), 1);
        assert_eq!((solo.state(), time_waits(&solo)), (State::TimeWait, 1));
    }
}

#[test]
fn listener_that_goes_while_it_reopens_gives_the_tuple_back_to_time_wait() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        solo.arrives(seg(Flags::SYN, 1, 0));
        solo.host.unlisten(solo.now, solo.listener);
        assert_eq!((solo.state(), solo.host.covered.len()), (State::TimeWait, 0));
        // A new SYN finds nobody who listens: an ACK of the old connection, as for any stray.
        assert_eq!(solo.arrives(seg(Flags::SYN, 1, 0))[0].brief(), (Flags::ACK, 1, 1, 0));
        solo.wait_ms(60_000);
        assert_eq!((solo.state(), solo.host.poll_timeout()), (State::Closed, None));
    }
}

#[test]
fn oldest_record_goes_when_there_are_too_many_even_a_covered_one() {
    for ipv6 in FAMILIES {
        let config = HostConfig { tcp: plain(), time_wait_max: 2, ..HostConfig::default() };
        let mut solo = Solo::listening_as(config, InterfaceConfig::default()).over(ipv6);
        let mut tuples = Vec::new();
        for port in 1..=3 {
            solo.tuple.remote.set_port(port);
            solo = solo.accepted_with(seg(Flags::SYN, -1, 0)).brought_to(State::TimeWait).0;
            tuples.push(solo.tuple);
            if port == 1 {
                solo.arrives(seg(Flags::SYN, 1, 0));
            }
        }
        let states: Vec<State> = tuples.iter().map(|tuple| solo.host.state_of(tuple)).collect();
        assert_eq!(states, [State::SynReceived, State::TimeWait, State::TimeWait]);
        assert_eq!((solo.host.counters().time_wait_evicted, solo.host.covered.len()), (1, 0));
    }
}

// requirement: 7323-20
#[test]
fn time_wait_echoes_the_newest_timestamp() {
    for ipv6 in FAMILIES {
        let mut solo = waiting_with_timestamps(ipv6);
        let sent = solo.arrives(seg(FIN_ACK, 0, 1).ts(900, 0));
        assert_eq!(sent[0].header.options.timestamp.unwrap().ecr, 900);
        // A SYN between the two FINs is not newer than the last.
        assert_eq!(solo.arrives(seg(Flags::SYN, -5, 0).ts(500, 0))[0].flags, Flags::ACK);
    }
}

// requirement: 7323-25
#[test]
fn time_wait_tells_its_own_clock_whatever_the_peer_echoes() {
    for ipv6 in FAMILIES {
        let mut solo = waiting_with_timestamps(ipv6);
        let ours = solo.arrives(text(-5, 1, b"old").ts(200, 0))[0].header.options.timestamp.unwrap();
        for echoed in [ours.val.wrapping_add(5_000), ours.val.wrapping_sub(5_000)] {
            let sent = solo.arrives(seg(FIN_ACK, 0, 1).ts(200, echoed));
            assert_eq!(sent[0].header.options.timestamp, Some(ours));
        }
    }
}

#[test]
fn bound_on_records_counts_those_of_both_families_and_the_one_that_ends_first_goes() {
    for first in FAMILIES {
        let config = HostConfig { tcp: plain(), time_wait_max: 2, ..HostConfig::default() };
        let mut solo = Solo::listening_as(config, InterfaceConfig::default());
        let mut tuples = Vec::new();
        let listeners = [solo.listener, solo.host.listen(any(true), ListenConfig::default()).unwrap()];
        for (ipv6, port) in [(first, 1), (!first, 2), (!first, 3)] {
            solo.listener = listeners[usize::from(ipv6)];
            solo.tuple = FourTuple {
                local: SocketAddr::new(address(0, ipv6), 80),
                remote: SocketAddr::new(address(1, ipv6), port),
            };
            solo = solo.accepted_with(seg(Flags::SYN, -1, 0)).brought_to(State::TimeWait).0;
            tuples.push(solo.tuple);
        }
        let states: Vec<State> = tuples.iter().map(|tuple| solo.host.state_of(tuple)).collect();
        assert_eq!(states, [State::Listen, State::TimeWait, State::TimeWait]);
        assert_eq!(solo.host.counters().time_wait_evicted, 1);
    }
}

#[test]
fn text_left_over_can_be_read_during_time_wait_and_after_it() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"for later"));
    solo.shutdown();
    solo.arrives(seg(FIN_ACK, 9, 1));
    assert_eq!(solo.state(), State::TimeWait);
    assert_eq!(solo.events.last(), Some(&Event::Closed(solo.id, CloseReason::Graceful)));
    solo.wait_ms(61_000);
    assert_eq!(solo.state(), State::Listen);
    assert_eq!(solo.read(), (b"for later".to_vec(), true));
    solo.close();
    assert_eq!((solo.host.recv_total, solo.host.connections.len()), (0, 0));
}

#[test]
fn record_of_an_unread_connection_does_not_depend_on_the_application() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        solo.close();
        assert_eq!(solo.state(), State::TimeWait);
        assert!(solo.host.connections.is_empty());
    }
}

// requirement: 6191-8
#[test]
fn timestamp_that_our_syn_ack_would_not_answer_admits_nothing() {
    for ipv6 in FAMILIES {
        for (offers, admitted) in [(true, true), (false, false)] {
            let mut solo = waiting(plain(), ipv6);
            let now = solo.now;
            solo.host.unlisten(now, solo.listener);
            let tcp = TcpConfig { timestamps: offers, ..plain() };
            solo.host.listen(any(ipv6), ListenConfig::default().tcp(tcp)).unwrap();
            let sent = solo.arrives(seg(Flags::SYN, -5_000, 0).ts(201, 0));
            assert_eq!((sent.len(), sent[0].flags == SYN_ACK), (1, admitted));
            assert_eq!(sent[0].header.options.timestamp.is_some(), offers && admitted);
        }
    }
}

// requirement: 1337-4
#[test]
fn strays_of_the_old_connection_disturb_neither_time_wait_nor_its_successor() {
    for ipv6 in FAMILIES {
        let mut solo = waiting(plain(), ipv6);
        let entered = solo.now;
        // Old text and an old ACK, and the RSTs that our answers to them provoke at a peer that has forgotten.
        for _ in 0..5 {
            solo.wait_ms(5_000);
            for stray in [text(-500, 0, b"old text"), ack(-7, 0)] {
                for answer in solo.arrives(stray) {
                    assert_eq!(answer.brief(), (Flags::ACK, 1, 1, 0));
                    assert!(solo.arrives(seg(Flags::RST, answer.ack, 0)).is_empty());
                }
            }
            assert_eq!(solo.state(), State::TimeWait);
        }
        assert!(solo.now < entered + Duration::from_secs(60));
        // The next connection of the tuple opens while TIME-WAIT lasts. Nothing of the old one fits into it.
        let (old_iss, old_irs) = (solo.iss, solo.irs);
        let syn_ack = solo.arrives(seg(Flags::SYN, 100_000, 0).mss(1000)).remove(0);
        assert_eq!(syn_ack.flags, SYN_ACK);
        (solo.iss, solo.irs) = (syn_ack.header.seq, solo.irs + 1 + 100_000);
        let (new_iss, new_irs) = (solo.iss, solo.irs);
        solo.arrives(ack(0, 0));
        solo.id = solo.host.accept(solo.listener).unwrap();
        for stray in [text(-500, 0, b"old text"), seg(Flags::RST, 1, 0), seg(FIN_ACK, 0, 1), ack(1, 1)] {
            (solo.iss, solo.irs) = (old_iss, old_irs);
            let answers = solo.arrives(stray);
            (solo.iss, solo.irs) = (new_iss, new_irs);
            assert!(
                answers.iter().all(|answer| answer.flags == Flags::ACK && answer.header.ack == new_irs + 1)
            );
            assert_eq!(solo.state(), State::Established);
        }
        solo.arrives(text(0, 0, b"new text"));
        assert_eq!(solo.read(), (b"new text".to_vec(), false));
    }
}

// requirement: 1337-5
#[test]
fn time_wait_is_full_by_default_and_shorter_only_when_asked_for() {
    assert_eq!(TcpConfig::default().msl, Duration::from_secs(30));
    assert_eq!(TcpConfig::strict().msl, Duration::from_secs(120));
    for (tcp, seconds) in [
        (plain(), 60),
        (TcpConfig { msl: Duration::from_secs(120), ..plain() }, 240),
        (TcpConfig { msl: Duration::from_secs(1), ..plain() }, 2),
    ] {
        let mut solo = Solo::new(tcp);
        solo.shutdown();
        solo.arrives(seg(FIN_ACK, 0, 1));
        solo.wait(Duration::from_millis(seconds * 1000 - 1));
        assert_eq!(solo.state(), State::TimeWait);
        solo.wait_ms(1);
        assert_eq!(solo.state(), State::Listen);
    }
}
