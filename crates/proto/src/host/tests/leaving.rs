//! The straight way of a usual segment out of the host against the general one: the same frame, and the same left behind.

use super::*;
use crate::tcp::connection::Phase;
use alloc::format;
use alloc::string::String;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// All that a frame may change, in words.
fn left_behind(mut host: Host, now: Instant) -> String {
    let mut digest = SipHasher13::new();
    host.write_canonical(now, &mut digest);
    let timeouts = (host.poll_timeout(), host.next_deadline(now));
    let queues = (host.dirty.clone(), host.control.len(), host.counters.clone());
    let indices: Vec<u32> = host.connections.iter().map(|(index, _)| index).collect();
    for index in indices {
        if let Phase::Synchronized(tcb) = &mut host.connections.get_mut(index).unwrap().phase {
            // The text itself is in the digest.
            (tcb.send, tcb.recv) = (None, None);
        }
    }
    let connections: Vec<_> = host.connections.iter().collect();
    format!("{:x} {timeouts:?} {queues:?} {connections:?}", digest.finish())
}

/// What `host` would send next is the same on both ways.
pub(super) fn assert_both_ways_agree(host: &Host, now: Instant) {
    let (mut straight, mut general) = (host.clone(), host.clone());
    let (mut out, mut expected) = (Transmit::default(), Transmit::default());
    let sent = straight.poll_transmit(now, &mut out);
    assert_eq!(general.poll_transmit_generally(now, &mut expected), sent);
    assert_eq!(out.to_bytes(), expected.to_bytes());
    assert_eq!((out.checksum, out.interface), (expected.checksum, expected.interface));
    assert_eq!((out.segment_size, out.header.len()), (expected.segment_size, expected.header.len()));
    assert_eq!(left_behind(straight, now), left_behind(general, now));
}

/// The next frame of host 0, if it left on the straight way.
fn straight(pair: &mut Pair) -> Option<Bytes> {
    assert_both_ways_agree(&pair.hosts[0], pair.now);
    let mut out = Transmit::default();
    pair.hosts[0].transmit_straight(pair.now, &mut out).then(|| out.to_bytes())
}

#[test]
fn text_with_and_without_fin_lone_fin_and_ack_take_the_straight_way() {
    for (text, closes) in [(32, false), (1024, false), (1024, true), (0, true)] {
        let mut pair = Pair::new();
        let (client, _) = pair.established();
        if text > 0 {
            pair.write(0, client, &[7; 1024][..text]);
        }
        if closes {
            pair.shutdown(0, client);
        }
        assert!(straight(&mut pair).is_some(), "{text} {closes}");
        assert!(!pair.hosts[0].has_work());
    }
    let mut pair = Pair::new();
    let (client, server) = pair.established();
    pair.write(1, server, &[7; 5000]);
    let mut out = Transmit::default();
    while pair.hosts[1].poll_transmit(pair.now, &mut out) {
        pair.deliver(0, out.to_bytes());
    }
    assert_eq!(pair.read(0, client).0.len(), 5000);
    assert!(straight(&mut pair).is_some(), "an ACK of full segments");
}

#[test]
fn bulk_takes_the_straight_way_but_for_the_first_piece_of_a_block() {
    let mut pair = Pair::new();
    let (client, _) = pair.established();
    pair.write(0, client, &[7; 14_000]);
    assert!(straight(&mut pair).is_none());
    let mut out = Transmit::default();
    assert!(pair.hosts[0].poll_transmit(pair.now, &mut out));
    assert_eq!(straight(&mut pair).map(|frame| frame.len()), Some(1500));
}

#[test]
fn what_nagle_holds_or_a_window_cuts_takes_the_general_way() {
    let mut pair = Pair::new();
    let (client, _) = pair.established();
    pair.write(0, client, b"one");
    assert!(straight(&mut pair).is_some());
    pair.write(0, client, b"two");
    assert!(straight(&mut pair).is_none());
    let mut out = Transmit::default();
    assert!(!pair.hosts[0].poll_transmit(pair.now, &mut out));
}
