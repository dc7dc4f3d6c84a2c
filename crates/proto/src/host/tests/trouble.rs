//! What the application hears of trouble that does not end a connection (RFC 9293 §3.9.1.8), and of urgent text.

use super::paths::icmp;
use super::solo::*;
use super::*;
use crate::{CloseReason, TcpConfig, Trouble};

/// Settings under which the application hears of everything.
fn reporting() -> TcpConfig {
    TcpConfig { report_trouble: true, ..plain() }
}

fn told(solo: &mut Solo) -> Vec<Event> {
    solo.sent();
    core::mem::take(&mut solo.events)
}

fn noted(solo: &Solo) -> Option<Trouble> {
    solo.host.info(solo.id).unwrap().trouble
}

// requirement: 9293-MUST-47
// requirement: 9293-MUST-56
// requirement: 9293-SHLD-25
// requirement: 1122-8
#[test]
fn soft_error_is_told_once_and_can_be_asked_for_until_text_is_acknowledged() {
    for (kind, code, trouble) in [
        (3, 0, Trouble::Unreachable),
        (3, 1, Trouble::Unreachable),
        (3, 5, Trouble::Unreachable),
        (3, 3, Trouble::Unreachable),
        (11, 0, Trouble::TimeExceeded),
        (12, 0, Trouble::ParameterProblem),
    ] {
        let mut solo = Solo::new(reporting());
        solo.write(b"in flight");
        for _ in 0..3 {
            icmp(&mut solo, kind, code, 0, 0);
        }
        assert_eq!(told(&mut solo), [Event::Trouble(solo.id, trouble)], "{kind} {code}");
        assert_eq!((noted(&solo), solo.state()), (Some(trouble), State::Established));
        // What is sent again and acknowledged ends it.
        assert_eq!(solo.wait_ms(1_000).len(), 1);
        solo.arrives(ack(0, 9));
        assert_eq!(noted(&solo), None);
    }
}

// requirement: 9293-MUST-47
// requirement: 9293-MUST-56
#[test]
fn soft_error_while_opening_is_told_and_the_attempt_goes_on() {
    for (kind, code, trouble) in
        [(3, 0, Trouble::Unreachable), (3, 1, Trouble::Unreachable), (11, 0, Trouble::TimeExceeded)]
    {
        let (mut solo, _) = Solo::connecting(reporting());
        icmp(&mut solo, kind, code, 7, 0);
        assert_eq!(told(&mut solo), [], "it quotes nothing that we sent");
        icmp(&mut solo, kind, code, -1, 0);
        assert_eq!(told(&mut solo), [Event::Trouble(solo.id, trouble)]);
        assert_eq!((noted(&solo), solo.state()), (Some(trouble), State::SynSent));
    }
}

// requirement: 9293-SHLD-9
// requirement: 9293-SHLD-10
// requirement: 9293-MUST-20
// requirement: 1122-8
#[test]
fn third_retransmission_without_an_answer_is_told_long_before_the_connection_is_given_up() {
    let mut solo = Solo::new(reporting());
    solo.write(b"unanswered");
    assert_eq!(solo.wait_ms(6_999).len(), 2);
    assert_eq!(told(&mut solo), []);
    assert_eq!(solo.wait_ms(1).len(), 1);
    assert_eq!(told(&mut solo), [Event::Trouble(solo.id, Trouble::Retransmitting)]);
    solo.wait_ms(800_000);
    assert_eq!(told(&mut solo), [], "once");
    solo.wait_ms(100_000);
    assert_eq!(told(&mut solo), [Event::Closed(solo.id, CloseReason::TimedOut)]);
    assert_eq!(noted(&solo), Some(Trouble::Retransmitting), "why is known afterwards");
}

// requirement: 9293-SHLD-9
// requirement: 9293-MUST-22
#[test]
fn third_syn_that_is_sent_again_is_told_too() {
    let (mut solo, _) = Solo::connecting(reporting());
    assert_eq!(solo.wait_ms(6_999).len(), 2);
    assert_eq!(told(&mut solo), []);
    assert_eq!(solo.wait_ms(1).len(), 1);
    assert_eq!(told(&mut solo), [Event::Trouble(solo.id, Trouble::Retransmitting)]);
}

// requirement: 9293-SHLD-20
#[test]
fn application_that_wants_no_reports_gets_none_and_may_ask() {
    assert!(TcpConfig::default().report_trouble && !plain().report_trouble);
    let mut solo = Solo::new(plain());
    solo.write(b"unanswered");
    icmp(&mut solo, 3, 1, 0, 0);
    assert_eq!(noted(&solo), Some(Trouble::Unreachable));
    solo.wait_ms(60_000);
    assert_eq!(told(&mut solo), []);
    assert_eq!(noted(&solo), Some(Trouble::Retransmitting));
}

#[test]
fn closed_window_whose_probes_are_answered_is_no_trouble() {
    let mut solo = Solo::new(reporting());
    solo.arrives(ack(0, 0).wnd(0));
    solo.write(b"waits");
    for _ in 0..10 {
        solo.wait_for_more();
        solo.arrives(ack(0, 0).wnd(0));
    }
    assert_eq!((told(&mut solo), noted(&solo)), (vec![], None));
}

/// A segment with text and an urgent pointer.
fn urgent(seq: i64, octets: &[u8], pointer: u16) -> Sends {
    let mut sends = text(seq, 0, octets);
    sends.flags = sends.flags.with(Flags::URG);
    sends.urgent = pointer;
    sends
}

fn ahead(solo: &Solo) -> u32 {
    solo.host.info(solo.id).unwrap().urgent
}

// requirement: 9293-MUST-30
// requirement: 9293-MUST-32
// requirement: 9293-MUST-33
// requirement: 9293-UC-RECV-4
// requirement: 1122-8
#[test]
fn urgent_pointer_is_told_when_it_shows_up_and_each_time_it_moves_on() {
    let mut solo = Solo::new(plain());
    assert_eq!(ahead(&solo), 0);
    // Announced before any of its text is there.
    solo.arrives(urgent(0, b"", 10));
    assert_eq!((told(&mut solo), ahead(&solo)), (vec![Event::Readable(solo.id)], 10));
    solo.arrives(urgent(0, b"", 10));
    solo.arrives(urgent(0, b"", 4));
    assert_eq!((told(&mut solo), ahead(&solo)), (vec![], 10), "nothing new");
    solo.arrives(urgent(0, b"", 12));
    assert_eq!((told(&mut solo), ahead(&solo)), (vec![Event::Readable(solo.id)], 12));
    // It stays in its place in the stream, and reading comes nearer to its end.
    solo.arrives(text(0, 0, b"0123456789ab plain"));
    let (now, mut buffer) = (solo.now, [0; 5]);
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(5));
    assert_eq!(ahead(&solo), 7);
    assert_eq!(solo.read().0, b"56789ab plain");
    assert_eq!(ahead(&solo), 0);
}

// requirement: 9293-MUST-62
#[test]
fn urgent_pointer_names_the_octet_after_the_last_urgent_one() {
    let mut solo = Solo::new(plain());
    solo.arrives(urgent(0, b"!rest", 1));
    let (now, mut buffer) = (solo.now, [0; 1]);
    assert_eq!(ahead(&solo), 1);
    assert_eq!(solo.host.stream(solo.id).unwrap().read(now, &mut buffer), Ok(1));
    assert_eq!((buffer, ahead(&solo)), (*b"!", 0));
}

// requirement: 9293-MUST-31
#[test]
fn urgent_text_may_be_longer_than_a_pointer_can_say() {
    let mut solo = Solo::new(plain());
    for n in 1..=200u32 {
        let at = i64::from(n - 1) * 1000;
        solo.arrives(urgent(at, &[1; 1000], 65_535));
        assert_eq!(ahead(&solo), (n - 1) * 1000 + 65_535);
    }
    assert_eq!(solo.read().0.len(), 200_000);
    assert_eq!(ahead(&solo), 64_535);
}

// requirement: 9293-MUST-62
#[test]
fn urgent_pointer_of_a_segment_that_overlaps_counts_from_where_the_segment_began() {
    let mut solo = Solo::new(plain());
    solo.arrives(text(0, 0, b"0123"));
    assert_eq!(solo.read().0, b"0123");
    // The first four octets are known: six of the ten announced ones are ahead.
    solo.arrives(urgent(0, b"0123456789", 10));
    assert_eq!(ahead(&solo), 6);
    solo.arrives(urgent(0, b"0123456789", 3));
    assert_eq!(ahead(&solo), 6, "that was all old");
}

// requirement: 9293-MUST-66
#[test]
fn urgent_pointer_counts_although_the_window_is_closed() {
    let mut solo = Solo::new(TcpConfig { recv_buffer: 4, ..plain() });
    solo.arrives(text(0, 0, b"full"));
    assert_eq!(solo.wait_ms(40)[0].header.wnd, 0);
    told(&mut solo);
    // A probe of the window with one octet, and a bare segment.
    for (octets, pointer, expected) in [(&b"!"[..], 1, 5), (b"", 7, 11)] {
        solo.arrives(urgent(4, octets, pointer));
        assert_eq!(ahead(&solo), expected);
    }
    assert_eq!(solo.read().0, b"full");
    assert_eq!(ahead(&solo), 7);
}

#[test]
fn urgent_field_without_its_bit_and_after_the_fin_says_nothing() {
    let mut solo = Solo::new(plain());
    let mut sends = text(0, 0, b"plain");
    sends.urgent = 99;
    solo.arrives(sends);
    assert_eq!(ahead(&solo), 0);
    solo.arrives(text(5, 0, b"").fin());
    solo.read();
    told(&mut solo);
    solo.arrives(urgent(6, b"", 99));
    assert_eq!((ahead(&solo), told(&mut solo)), (0, vec![]));
}

/// The URG bit, the urgent pointer and the text of what is sent.
fn pointers(sent: &[Sent]) -> Vec<(bool, u16, usize)> {
    sent.iter().map(|one| (one.has(Flags::URG), one.header.urgent, one.text.len())).collect()
}

// requirement: 9293-MUST-30
// requirement: 9293-MUST-62
// requirement: 9293-SHLD-13
// requirement: 9293-UC-SEND-6
#[test]
fn urgent_text_is_pointed_at_from_every_segment_before_its_end_until_it_is_acknowledged() {
    let mut solo = Solo::new(TcpConfig { nodelay: true, ..plain() });
    assert_eq!(pointers(&solo.write(b"calm")), [(false, 0, 4)], "off unless asked for");
    solo.arrives(ack(0, 4));
    let now = solo.now;
    let id = solo.id;
    assert_eq!(solo.host.stream(id).unwrap().write_urgent(now, b"!"), Ok(1));
    assert_eq!(pointers(&solo.sent()), [(true, 1, 1)]);
    assert_eq!(pointers(&solo.write(b"calm again")), [(false, 0, 10)], "what comes after is not urgent");
    assert_eq!(pointers(&solo.wait_ms(300)), [(true, 1, 11)], "lost and sent again");
    solo.arrives(ack(0, 15));
    assert_eq!(pointers(&solo.write(b"calm")), [(false, 0, 4)]);
}

// requirement: 9293-MUST-31
#[test]
fn urgent_text_longer_than_a_pointer_can_say_is_pointed_at_again_and_again() {
    let mut solo = Solo::new(plain());
    let (now, id) = (solo.now, solo.id);
    let long = vec![1; 70_000];
    assert_eq!(solo.host.stream(id).unwrap().write_urgent(now, &long), Ok(70_000));
    let (mut acked, mut seen) = (0, Vec::new());
    let mut sent = solo.sent();
    for _ in 0..100 {
        for (urgent, pointer, octets) in pointers(&sent) {
            assert_eq!((urgent, usize::from(pointer)), (true, (70_000 - acked).min(65_535)));
            acked += octets;
            seen.push(pointer);
        }
        sent = solo.arrives(ack(0, i64::try_from(acked).unwrap()));
    }
    assert_eq!(acked, 70_000);
    assert_eq!((seen.iter().max(), seen.last().is_some_and(|last| *last < 1_461)), (Some(&65_535), true));
}

// requirement: 9293-UC-SEND-6
#[test]
fn urgent_text_has_to_wait_for_the_handshake() {
    let (mut solo, _) = Solo::connecting(plain());
    let (now, id) = (solo.now, solo.id);
    assert_eq!(solo.host.stream(id).unwrap().write_urgent(now, b"!"), Err(crate::WriteError::Blocked));
}
