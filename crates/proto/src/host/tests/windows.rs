//! Windows: closed, tiny, shrinking, scaled; probes and silly windows on both sides.

use super::solo::*;
use super::*;
use crate::{CloseReason, TcpConfig};

// requirement: 9293-MUST-36
// requirement: 9293-SHLD-29
// requirement: 9293-SHLD-30
#[test]
fn closed_window_is_probed_after_one_rto_and_then_ever_more_rarely() {
    let mut solo = Solo::new(plain());
    solo.arrives(ack(0, 0).wnd(0));
    assert!(solo.write(b"waiting").is_empty());
    let began = solo.now;
    let probes = solo.wait_ms(31_500);
    let after: Vec<u64> = probes.iter().map(|probe| probe.at.since(began).as_secs()).collect();
    assert_eq!(after, [1, 3, 7, 15, 31]);
    assert!(probes.iter().all(|probe| probe.brief() == (Flags::ACK, 0, 0, 1)));
}

// requirement: 9293-MUST-37
#[test]
fn closed_window_may_last_for_days_while_the_peer_answers() {
    let mut solo = Solo::new(plain());
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"waiting");
    for _ in 0..200 {
        let probes = solo.wait(Duration::from_secs(600));
        for _ in probes {
            solo.arrives(ack(0, 0).wnd(0));
        }
        assert_eq!(solo.state(), State::Established);
    }
    let sent = solo.arrives(ack(0, 0).wnd(1000));
    let octets: Vec<u8> = sent.iter().flat_map(|sent| sent.text.clone()).collect();
    assert_eq!(octets, b"waiting");
}

// requirement: 9293-MUST-36
#[test]
fn closed_window_that_nobody_answers_for_ends_by_the_user_timeout() {
    let mut solo = Solo::new(TcpConfig { user_timeout: Duration::from_secs(100), ..plain() });
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"waiting");
    // Whether it counts from the text or from the first probe, a second later.
    solo.wait_ms(99_999);
    assert_eq!(solo.state(), State::Established);
    solo.wait_ms(1_001);
    assert_eq!(solo.events, [Event::Closed(solo.id, CloseReason::TimedOut)]);
}

// requirement: 9293-SHLD-28
#[test]
fn window_that_opens_is_filled_with_full_segments_although_the_probe_was_refused() {
    let mut solo = Solo::new(plain());
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(&[5; 3000]);
    solo.wait_ms(1100);
    let sent = solo.arrives(ack(0, 0).wnd(60_000));
    let briefs: Vec<_> = sent.iter().map(Sent::brief).collect();
    assert_eq!(briefs, [0, 1000, 2000].map(|seq| (Flags::ACK, seq, 0, 1000)));
}

#[test]
fn window_that_opens_after_the_probe_was_taken_is_filled_from_there() {
    let mut solo = Solo::new(plain());
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(&[5; 2001]);
    solo.wait_ms(1100);
    let sent = solo.arrives(ack(0, 1).wnd(60_000));
    let briefs: Vec<_> = sent.iter().map(Sent::brief).collect();
    assert_eq!(briefs, [1, 1001].map(|seq| (Flags::ACK, seq, 0, 1000)));
}

#[test]
fn probe_that_was_taken_by_a_window_still_closed_is_followed_by_the_next_octet() {
    let mut solo = Solo::new(plain());
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"abc");
    let mut octets = Vec::new();
    for n in 0..3 {
        let probes = solo.wait_ms(1100);
        assert_eq!(probes[0].brief(), (Flags::ACK, n, 0, 1));
        octets.extend(probes[0].text.clone());
        assert!(solo.arrives(ack(0, n + 1).wnd(0)).is_empty());
    }
    assert_eq!(octets, b"abc");
    assert_eq!(solo.host.info(solo.id).unwrap().send_queue, 0);
    assert_eq!(solo.wait_ms(300_000).len(), 0);
}

#[test]
fn text_acknowledges_and_window_updates_pass_while_both_windows_are_closed() {
    // Both sides have filled each other's window and probe it; the acknowledgments must not be lost on the way.
    let mut solo = Solo::new(TcpConfig { recv_buffer: 1000, ..plain() });
    solo.arrives(text(0, 0, &[1; 1000]).wnd(0));
    solo.write(b"probe me");
    assert_eq!(solo.wait_ms(1100).last().unwrap().brief(), (Flags::ACK, 0, 1000, 1));
    // The peer's own probe: refused, and the answer has a number the peer accepts.
    let answer = solo.arrives(text(1000, 0, b"y").wnd(0));
    assert_eq!(answer[0].brief(), (Flags::ACK, 0, 1000, 0));
    assert_eq!(answer[0].header.wnd, 0);
    assert_eq!(solo.read().0.len(), 1000);
    let update = solo.sent();
    assert_eq!(update[0].brief(), (Flags::ACK, 0, 1000, 0));
    assert_eq!(update[0].header.wnd, 1000);
}

#[test]
fn ack_that_stands_one_octet_behind_is_believed_and_answered() {
    // Both probes were taken, both ACKs of them were late: neither side knows which number the other expects.
    let mut solo = Solo::new(TcpConfig { recv_buffer: 1, ..plain() });
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"ab");
    assert_eq!(solo.wait_ms(1100)[0].brief(), (Flags::ACK, 0, 0, 1));
    solo.arrives(text(0, 0, b"x").wnd(0));
    assert_eq!(solo.host.info(solo.id).unwrap().in_flight, 1);
    solo.arrives(ack(0, 1).wnd(1));
    assert_eq!(solo.host.info(solo.id).unwrap().send_queue, 1);
}

#[test]
fn two_hosts_with_tiny_buffers_that_both_send_a_lot_do_not_deadlock() {
    for buffer in [1, 2, 3, 700, 5000] {
        let tcp = TcpConfig { recv_buffer: buffer, send_buffer: 3 * buffer, ..TcpConfig::default() };
        let host = HostConfig { tcp, ..HostConfig::default() };
        let mut pair = Pair::with([host.clone(), host]);
        let (client, server) = pair.established();
        let ids = [client, server];
        let total = usize::try_from(buffer).unwrap() * 20;
        let (mut written, mut read) = ([0; 2], [0; 2]);
        for round in 0..4000 {
            for side in 0..2 {
                let now = pair.now;
                let mut stream = pair.hosts[side].stream(ids[side]).unwrap();
                written[side] += stream.write(now, &vec![9; total - written[side]]).unwrap_or(0);
                // The readers are slow, and begin late.
                if round > 50 && round % 3 == 0 {
                    read[side] += pair.read(side, ids[side]).0.len();
                }
            }
            pair.run_for(Duration::from_millis(100));
            if read == [total, total] {
                break;
            }
        }
        assert_eq!(read, [total, total], "buffer {buffer}");
    }
}

// requirement: 9293-MUST-38
#[test]
fn text_larger_than_the_window_waits_for_half_the_largest_window_or_the_override_timer() {
    let mut solo = Solo::listening(plain()).accepted_with(seg(Flags::SYN, -1, 0).mss(1000).wnd(800));
    let sent = solo.write(&[3; 2000]);
    assert_eq!(sent[0].brief(), (Flags::ACK, 0, 0, 800));
    // 399 is less than half of 800 and less than a segment.
    assert!(solo.arrives(ack(0, 800).wnd(399)).is_empty());
    let forced = solo.wait_ms(1000);
    assert_eq!(forced[0].brief(), (Flags::ACK, 800, 0, 399));
    // 400 is half of it.
    let sent = solo.arrives(ack(0, 1199).wnd(400));
    assert_eq!(sent[0].brief(), (Flags::ACK, 1199, 0, 400));
}

// requirement: 9293-MUST-38
// requirement: 1122-6
#[test]
fn override_timer_fires_within_a_tenth_and_a_whole_second_even_when_the_rto_is_long() {
    let mut solo = Solo::listening(plain()).accepted_with(seg(Flags::SYN, -1, 0).mss(1000).wnd(800));
    // Long round trips make the timeout long.
    for (n, ms) in [(1, 900), (2, 2_500)] {
        solo.write(&[3; 800]);
        solo.wait_ms(ms);
        solo.arrives(ack(0, n * 800).wnd(800));
    }
    assert!(solo.host.info(solo.id).unwrap().rto > Duration::from_secs(3));
    solo.arrives(ack(0, 1600).wnd(100));
    assert!(solo.write(&[3; 2000]).is_empty());
    let began = solo.now;
    let sent = solo.wait_ms(2000);
    assert_eq!(sent[0].text.len(), 100);
    let after = sent[0].at.since(began);
    assert!(after >= Duration::from_millis(100) && after <= Duration::from_secs(1), "{after:?}");
}

// requirement: 9293-MUST-34
// requirement: 9293-MUST-35
// requirement: 9293-SHLD-15
// requirement: 7323-10
#[test]
fn window_that_shrinks_below_what_is_in_flight_stops_new_text_only() {
    let mut solo = Solo::new(plain());
    assert_eq!(solo.write(&[1; 5000]).len(), 5);
    assert!(solo.arrives(ack(0, 1000).wnd(1500)).is_empty());
    assert!(solo.write(&[2; 1000]).is_empty());
    // To zero: probes, and the connection lives on.
    assert!(solo.arrives(ack(0, 1000).wnd(0)).is_empty());
    let probes = solo.wait_ms(2_000);
    assert_eq!(probes[0].brief(), (Flags::ACK, 1000, 0, 1));
    let sent = solo.arrives(ack(0, 1000).wnd(60_000));
    // All that lay beyond the closed window was thrown away by the peer.
    let octets: usize = sent.iter().map(|sent| sent.text.len()).sum();
    assert!(octets > 0 && sent[0].seq == 1000, "{sent:?}");
    let mut acked = 1000;
    let mut sent = sent;
    for _ in 0..20 {
        if let Some(last) = sent.last() {
            acked = acked.max(last.seq + i64::try_from(last.text.len()).unwrap());
        }
        sent = solo.arrives(ack(0, acked).wnd(60_000));
    }
    assert_eq!((acked, solo.host.info(solo.id).unwrap().send_queue), (6000, 0));
}

#[test]
fn window_that_opens_after_shrinking_to_zero_leaves_a_running_timer_behind() {
    let mut solo = Solo::new(plain());
    assert_eq!(solo.write(&[1; 10_000]).len(), 10);
    solo.arrives(ack(0, 0).wnd(0));
    // The window opens, and from then on everything is lost: the timer must send again.
    solo.arrives(ack(0, 0).wnd(60_000));
    assert!(solo.host.poll_timeout().is_some());
    assert!(!solo.wait_ms(5_000).is_empty());
}

// requirement: 9293-MUST-39
#[test]
fn window_edge_moves_by_a_segment_or_half_the_buffer_or_not_at_all() {
    let mut solo = Solo::new(TcpConfig { recv_buffer: 4000, delayed_ack: Duration::ZERO, ..plain() });
    for n in 0..4 {
        let sent = solo.arrives(text(n * 1000, 0, &[1; 1000]));
        assert_eq!(sent[0].header.wnd, u16::try_from(3000 - n * 1000).unwrap());
    }
    let now = solo.now;
    // 999 octets of room are less than a segment: no update, and the edge stays.
    let mut buffer = [0; 999];
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(999));
    assert!(solo.sent().is_empty());
    assert_eq!(solo.arrives(text(4000, 0, b"x"))[0].header.wnd, 0);
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer[..1]), Ok(1));
    let sent = solo.sent();
    assert_eq!((sent.len(), sent[0].header.wnd), (1, 1000));
}

// requirement: 9293-SHLD-14
// requirement: 7323-7
// requirement: 7323-9
#[test]
fn scaled_window_never_takes_back_what_it_offered() {
    let config = TcpConfig { recv_buffer: 1 << 20, timestamps: false, sack: false, ..TcpConfig::default() };
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
    syn.options.window_scale = Some(0);
    let mut solo = Solo::listening(config).accepted_with(syn);
    let shift = 5;
    let mut edge = 0;
    let mut seq = 0;
    for n in 0..200 {
        let length = 1 + (n * 37) % 999;
        let octets = vec![0; usize::try_from(length).unwrap()];
        let sent = solo.arrives(text(seq, 0, &octets));
        seq += length;
        for sent in sent {
            let offered = sent.ack + (i64::from(sent.header.wnd) << shift);
            assert!(offered + (1 << shift) > edge, "edge moved back from {edge} to {offered}");
            edge = edge.max(offered);
        }
        if n % 3 == 0 {
            solo.read();
        }
    }
    // What the largest offer promised is taken, to the last octet.
    let last = solo.arrives(text(edge - 1, 0, b"z"));
    assert_eq!(last[0].ack, seq);
    assert_eq!(solo.host.counters().drops.get(crate::DropReason::OutOfWindow), 0);
}

// requirement: 9293-MUST-1
// requirement: 7323-2
// requirement: 7323-6
// requirement: 9293-REC-1
#[test]
fn window_of_a_syn_is_not_scaled_and_every_later_one_is() {
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000).wnd(0xffff);
    syn.options.window_scale = Some(14);
    let mut solo = Solo::listening(TcpConfig { timestamps: false, ..TcpConfig::default() });
    solo.iss = solo.arrives(syn)[0].header.seq;
    solo.arrives(ack(0, 0).wnd(0xffff));
    solo.id = solo.host.accept(solo.listener).unwrap();
    assert_eq!(solo.host.info(solo.id).unwrap().snd_wnd, 0xffff << 14);
}

// requirement: 7323-1
// requirement: 7323-3
// requirement: 7323-4
#[test]
fn window_scale_is_in_force_only_when_both_syns_carry_it_and_never_above_14() {
    for (ours, theirs, expected) in [(true, Some(200), 14), (true, None, 0), (false, Some(3), 0)] {
        let config = TcpConfig { timestamps: false, window_scaling: ours, ..TcpConfig::default() };
        let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
        syn.options.window_scale = theirs;
        let mut solo = Solo::listening(config);
        let syn_ack = solo.arrives(syn).remove(0);
        assert_eq!(syn_ack.header.options.window_scale.is_some(), ours && theirs.is_some());
        solo.iss = syn_ack.header.seq;
        let mut last = ack(0, 0).wnd(2);
        last.options.window_scale = Some(7);
        solo.arrives(last);
        solo.id = solo.host.accept(solo.listener).unwrap();
        assert_eq!(solo.host.info(solo.id).unwrap().snd_wnd, 2 << expected);
    }
}

// requirement: 9293-SA-ESTABLISHED-13
#[test]
fn older_segment_does_not_change_the_send_window() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"ab").wnd(500));
    solo.arrives(text(2, 0, b"cd").wnd(400));
    solo.arrives(text(0, 0, b"abcdef").wnd(9999));
    assert_eq!(solo.host.info(solo.id).unwrap().snd_wnd, 9999, "new text at a later number");
    solo.arrives(ack(3, 0).wnd(1));
    assert_eq!(solo.host.info(solo.id).unwrap().snd_wnd, 9999);
}

#[test]
fn reader_that_ends_the_pressure_on_the_host_opens_its_window_again() {
    let config = HostConfig { tcp: plain(), recv_total_max: 3000, ..HostConfig::default() };
    let mut solo = Solo::listening_as(config, InterfaceConfig::default())
        .accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    let mut closed = false;
    for n in 0..70 {
        for sent in solo.arrives(text(n * 1000, 0, &[1; 1000])) {
            closed |= sent.header.wnd == 0;
        }
    }
    closed |= solo.wait_ms(50).iter().any(|sent| sent.header.wnd == 0);
    assert!(closed);
    solo.read();
    assert!(solo.sent().last().is_some_and(|sent| sent.header.wnd > 30_000));
    assert_eq!(solo.host.recv_total, 0);
}

// requirement: 9293-SA-ESTABLISHED-14
#[test]
fn text_is_trimmed_to_the_window_at_both_ends_and_delivered_once() {
    let mut solo = Solo::new(TcpConfig { recv_buffer: 10, ..plain() });
    solo.arrives(text(0, 0, b"abcd"));
    solo.arrives(text(2, 0, b"cdef"));
    let sent = solo.arrives(text(6, 0, b"ghijklmno").fin());
    assert!(sent.is_empty());
    assert_eq!(solo.wait_ms(40)[0].brief(), (Flags::ACK, 0, 10, 0));
    assert_eq!(solo.read(), (b"abcdefghij".to_vec(), false));
    // The FIN was beyond the window: it comes again with the rest.
    solo.sent();
    solo.arrives(text(10, 0, b"klmno").fin());
    assert_eq!(solo.read(), (b"klmno".to_vec(), true));
    assert_eq!(solo.state(), State::CloseWait);
}

#[test]
fn fin_behind_text_that_fills_the_window_and_alone_at_a_closed_one_is_taken() {
    for together in [true, false] {
        let mut solo = Solo::new(TcpConfig { recv_buffer: 4, ..plain() });
        if together {
            solo.arrives(text(0, 0, b"abcd").fin());
        } else {
            solo.arrives(text(0, 0, b"abcd"));
            solo.arrives(seg(FIN_ACK, 4, 0));
        }
        assert_eq!(solo.state(), State::CloseWait);
        assert_eq!(solo.read(), (b"abcd".to_vec(), true));
    }
}

#[test]
fn probes_of_our_closed_window_are_not_duplicate_acks() {
    let mut solo = Solo::new(TcpConfig { recv_buffer: 4, ..plain() });
    solo.arrives(text(0, 0, b"abcd"));
    solo.write(&[1; 3000]);
    for _ in 0..5 {
        let answer = solo.arrives(text(4, 0, b"e"));
        assert!(answer.iter().all(|sent| sent.text.is_empty()), "retransmission without a loss");
    }
}

// requirement: 9293-MUST-37
#[test]
fn user_timeout_shorter_than_the_time_between_probes_does_not_end_a_peer_that_answers() {
    let mut solo = Solo::new(TcpConfig { user_timeout: Duration::from_secs(10), ..plain() });
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"waiting");
    for _ in 0..20 {
        solo.wait_for_more();
        solo.arrives(ack(0, 0).wnd(0));
        assert_eq!(solo.state(), State::Established);
    }
}

// requirement: 9293-MUST-38
#[test]
fn fin_waits_for_a_place_in_the_window_and_is_probed_for() {
    let mut solo = Solo::new(plain());
    solo.write(b"abc");
    solo.arrives(ack(0, 3).wnd(0));
    assert!(solo.shutdown().is_empty());
    let probes = solo.wait_ms(1_100);
    assert_eq!(probes[0].brief(), (FIN_ACK, 3, 0, 0));
    solo.arrives(ack(0, 3).wnd(0));
    assert_eq!(solo.state(), State::FinWait1);
    let again = solo.arrives(ack(0, 3).wnd(10));
    assert_eq!(again[0].brief(), (FIN_ACK, 3, 0, 0));
    solo.arrives(ack(0, 4).wnd(10));
    assert_eq!(solo.state(), State::FinWait2);
}

// requirement: 5961-8
#[test]
fn largest_window_the_peer_ever_offered_bounds_how_old_an_ack_may_be() {
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000).wnd(100);
    syn.options.window_scale = Some(3);
    let mut solo =
        Solo::listening(TcpConfig { timestamps: false, ..TcpConfig::default() }).accepted_with(syn);
    let answers = |solo: &mut Solo, acked: i64| {
        let sent = solo.arrives(text(0, acked, b""));
        sent.len()
    };
    // 800 octets, scaled, is the largest so far.
    assert_eq!((answers(&mut solo, -800), answers(&mut solo, -801)), (0, 1));
    solo.arrives(ack(0, 0).wnd(500));
    assert_eq!((answers(&mut solo, -4_000), answers(&mut solo, -4_001)), (0, 1));
    // A smaller one later takes nothing back.
    solo.arrives(ack(0, 0).wnd(1));
    assert_eq!((answers(&mut solo, -4_000), answers(&mut solo, -4_001)), (0, 1));
}

// requirement: 9293-SHLD-17
#[test]
fn text_beyond_a_window_that_shrank_to_nothing_is_no_reason_to_give_up() {
    let mut solo = Solo::new(TcpConfig { user_timeout: Duration::from_secs(10), ..plain() });
    assert_eq!(solo.write(&[1; 5000]).len(), 5);
    assert!(solo.arrives(ack(0, 2000).wnd(0)).is_empty());
    for _ in 0..30 {
        solo.wait_for_more();
        solo.arrives(ack(0, 2000).wnd(0));
        assert_eq!(solo.state(), State::Established);
    }
    assert!(solo.now > Instant::from_millis(600_000));
    assert!(!solo.arrives(ack(0, 2000).wnd(60_000)).is_empty());
}

// requirement: 9293-MAY-7
#[test]
fn text_in_flight_beyond_a_window_that_shrank_is_sent_again_all_the_same() {
    let mut solo = Solo::new(plain());
    assert_eq!(solo.write(&[1; 3000]).len(), 3);
    // The edge moves back to the end of the first segment, which arrives; the next one lies beyond.
    solo.arrives(ack(0, 1000).wnd(100));
    let again = solo.wait_ms(2_000);
    assert_eq!(again[0].brief(), (Flags::ACK, 1000, 0, 1000));
}
