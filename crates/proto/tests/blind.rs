//! What an attacker can do who sees nothing of a connection but knows its addresses and ports, and draws the numbers of
//! each forged segment at random. The chances as they follow from the rules, and as measured.
//!
//! | forged | takes effect when | chance of one segment |
//! |---|---|---|
//! | RST | SEG.SEQ is RCV.NXT (RFC 5961 §3) | 2^-32 |
//! | SYN | never (RFC 5961 §4) | 0 |
//! | text | SEG.SEQ or its end is in the window, and SEG.ACK within MAX.SND.WND before SND.NXT (RFC 5961 §5) | (RCV.WND + SEG.LEN - 1) / 2^32 * (MAX.SND.WND + 1) / 2^32 |
//! | text, where timestamps are in use | besides, a timestamp is there and not older than TS.Recent | half of that |
//! | RST for a SYN that is held | SEG.SEQ is IRS+1 | 2^-32 |
//! | ACK of a cookie that was never sent | its 28 bits are right, and cookies are being accepted | 2^-28 |
//!
//! Nobody can wait for an event of 2^-32, so the attacker of these tests knows all but some of the bits of a number; what
//! that leaves is the same for every value of the others.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod support;

use linger_proto::wire::tcp::{Flags, Header, Timestamp};
use linger_proto::{DropReason, HostConfig, ListenConfig, SeqNum, State};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use support::{Family, Peer, Rig};

/// A number whose low `bits` are unknown to the attacker.
fn guess(random: &mut ChaCha8Rng, truth: SeqNum, bits: u32) -> SeqNum {
    let unknown = 1u32.checked_shl(bits).map_or(u32::MAX, |count| count - 1);
    SeqNum(truth.0 & !unknown | random.random::<u32>() & unknown)
}

/// `hits` of `tries` are what a chance of `chance` gives, within five standard deviations.
fn assert_rate(what: &str, hits: u32, tries: u32, chance: f64) {
    let expected = f64::from(tries) * chance;
    let tolerance = 5.0 * (expected * (1.0 - chance)).sqrt() + 1.0;
    assert!(
        (f64::from(hits) - expected).abs() <= tolerance,
        "{what}: {hits} of {tries}, {expected} expected"
    );
}

/// An established connection after some text in each direction, with wide windows.
fn conversation(family: Family, timestamps: bool) -> (Rig, Peer) {
    let mut rig = Rig::new();
    let mut peer = Peer::open(&mut rig, family, 4000, timestamps);
    rig.hand(peer.segment(Flags::ACK, b"request"));
    peer.seq += 7;
    let id = peer.id.unwrap();
    let mut stream = rig.host.stream(id).unwrap();
    stream.read(rig.now, &mut [0; 64]).unwrap();
    stream.write(rig.now, b"answer").unwrap();
    let left = rig.drain();
    peer.learn(&left);
    rig.hand(peer.segment(Flags::ACK, b""));
    assert_eq!(rig.host.info(id).unwrap().in_flight, 0);
    (rig, peer)
}

// requirement: 5961-1
// requirement: 5961-2
// requirement: 5961-3
#[test]
fn blind_rst_ends_a_connection_once_in_as_many_as_there_are_numbers() {
    const BITS: u32 = 10;
    const TRIES: u32 = 60_000;
    for family in Family::BOTH {
        let (rig, peer) = conversation(family, true);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (mut hits, mut victim) = (0, rig.clone());
        for _ in 0..TRIES {
            let seq = guess(&mut random, peer.seq, BITS);
            victim.hand(peer.packet(&Header { seq, ..peer.header(Flags::RST) }, b""));
            if victim.host.state_of(&peer.tuple()) != State::Established {
                assert_eq!(seq, peer.seq);
                hits += 1;
                victim = rig.clone();
            }
        }
        assert_rate("RST", hits, TRIES, f64::from(1 << BITS).recip());
        // With every bit unknown, and a chance of one in 140,000 that this fails for a good reason.
        for _ in 0..TRIES / 2 {
            let seq = guess(&mut random, peer.seq, 32);
            victim.hand(peer.packet(&Header { seq, ..peer.header(Flags::RST) }, b""));
        }
        assert_eq!(victim.host.state_of(&peer.tuple()), State::Established);
    }
}

// requirement: 5961-5
#[test]
fn blind_syn_never_ends_a_connection_and_its_answers_are_limited() {
    let (mut rig, peer) = conversation(Family::V4, false);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let answers: usize = (0..20_000)
        .map(|n| {
            let seq = if n == 0 { peer.seq } else { guess(&mut random, peer.seq, 32) };
            rig.hand(peer.packet(&Header { seq, ack: SeqNum(0), ..peer.header(Flags::SYN) }, b"")).len()
        })
        .sum();
    assert_eq!(rig.host.state_of(&peer.tuple()), State::Established);
    assert!(answers <= 20, "{answers} challenge ACKs at one instant");
}

/// How often forged text is taken, of `tries`, with `bits` unknown in either number and in the timestamp all of them.
fn injected(family: Family, timestamps: bool, bits: u32, tries: u32) -> (u32, f64) {
    const TEXT: &[u8] = b"rm -rf /";
    let (rig, peer) = conversation(family, timestamps);
    let info = rig.host.info(peer.id.unwrap()).unwrap();
    let space = 2f64.powi(i32::try_from(bits).unwrap());
    let reach = f64::from(info.rcv_wnd) + 7.0;
    let chance = reach / space * (f64::from(info.snd_wnd) + 1.0) / space;
    assert!(reach < space / 2.0 && f64::from(info.snd_wnd) < space / 2.0, "{info:?}");
    // The unknown bits are counted from the middle, so that nothing lies across the border of the space.
    let middle = SeqNum(1 << (bits - 1));
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(bits));
    let (mut hits, mut victim) = (0, rig.clone());
    for _ in 0..tries {
        let mut draw = |truth: SeqNum| truth + (guess(&mut random, SeqNum(0), bits).0.wrapping_sub(middle.0));
        let (seq, ack) = (draw(peer.seq), draw(peer.ack));
        let mut header = Header { seq, ack, ..peer.header(Flags::ACK) };
        if let Some(ts) = header.options.timestamp {
            header.options.timestamp = Some(Timestamp { val: random.random(), ecr: ts.ecr });
        }
        let before = victim.drops().total();
        victim.hand(peer.packet(&header, TEXT));
        if victim.drops().total() == before {
            hits += 1;
            victim = rig.clone();
        }
    }
    (hits, if timestamps { chance / 2.0 } else { chance })
}

// requirement: 5961-9
#[test]
fn blind_text_is_taken_as_often_as_both_numbers_are_in_their_windows() {
    for family in Family::BOTH {
        let (hits, chance) = injected(family, false, 25, 60_000);
        assert_rate("text", hits, 60_000, chance);
        assert!(hits > 50, "{hits} hits measure nothing");
    }
}

#[test]
fn timestamps_halve_what_blind_text_achieves() {
    let (hits, chance) = injected(Family::V4, true, 25, 60_000);
    assert_rate("text with timestamps", hits, 60_000, chance);
    assert!(hits > 25, "{hits} hits measure nothing");
}

#[test]
fn blind_text_without_a_timestamp_is_never_taken_where_they_are_in_use() {
    let (mut rig, mut peer) = conversation(Family::V6, true);
    peer.timestamp = None;
    for ahead in 0..1_000 {
        rig.hand(peer.text_at(ahead, b"x"));
    }
    assert_eq!(rig.drops().get(DropReason::TimestampMissing), 1_000);
}

#[test]
fn blind_rst_takes_a_held_syn_back_once_in_as_many_as_there_are_numbers() {
    const BITS: u32 = 10;
    const TRIES: u32 = 60_000;
    let mut rig = Rig::with(HostConfig::default(), ListenConfig::default().hold(true));
    let peer = Peer::new(Family::V4, 4000, true);
    assert!(rig.hand(peer.syn()).is_empty());
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let (mut hits, mut victim) = (0, rig.clone());
    for _ in 0..TRIES {
        let seq = guess(&mut random, peer.seq + 1, BITS);
        assert!(victim.hand(peer.packet(&Header { seq, ..peer.header(Flags::RST) }, b"")).is_empty());
        if victim.host.state_of(&peer.tuple()) != State::SynReceived {
            hits += 1;
            victim = rig.clone();
        }
    }
    assert_rate("RST for a held SYN", hits, TRIES, f64::from(1 << BITS).recip());
}

/// With all bits but eight known of a cookie, one guess in 256 is right: no other number is.
// requirement: 4987-6
#[test]
fn blind_ack_opens_a_connection_only_with_the_one_number_of_the_cookie() {
    const BITS: u32 = 8;
    const TRIES: u32 = 40_000;
    let config = HostConfig { half_open_max: 0, ..HostConfig::default() };
    let mut rig = Rig::with(config, ListenConfig::default());
    let mut peer = Peer::new(Family::V6, 4000, false);
    let left = rig.hand(peer.syn());
    peer.learn(&left);
    peer.seq += 1;
    let iss = peer.ack - 1;
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut hits, mut victim) = (0, rig.clone());
    for _ in 0..TRIES {
        let ack = guess(&mut random, iss, BITS) + 1;
        victim.hand(peer.packet(&Header { ack, ..peer.header(Flags::ACK) }, b""));
        if victim.host.state_of(&peer.tuple()) == State::Established {
            assert_eq!(ack, peer.ack);
            hits += 1;
            victim = rig.clone();
        }
    }
    assert_rate("ACK of a cookie", hits, TRIES, f64::from(1 << BITS).recip());
    // And with no bit known: 100,000 guesses of one in 2^28.
    for _ in 0..100_000 {
        let ack = SeqNum(random.random());
        victim.hand(peer.packet(&Header { ack, ..peer.header(Flags::ACK) }, b""));
    }
    assert_eq!(victim.host.state_of(&peer.tuple()), State::Listen);
}
