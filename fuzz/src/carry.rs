//! The TIME-WAITs of another host, as a file that anybody may have changed: see [`carry`].

use crate::input::Input;
use crate::support::{Family, HTTP, Peer, Rig};
use linger_proto::wire::tcp::Timestamp;
use linger_proto::{HostConfig, ListenConfig, SeqNum};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longer than any TIME-WAIT: the longest MSL that a host takes is ten days.
const FOR_EVER: Duration = Duration::from_secs(30 * 24 * 3600);

/// An export into a fresh host, and then segments of what it names, and time.
///
/// The first octet says whether what follows is the export itself, or a list of records that is made one.
pub fn carry(data: &[u8]) {
    let mut input = Input::new(data);
    let control = input.octet();
    let (octets, peers) =
        if control & 1 == 0 { records(&mut input, control) } else { (input.all(), Vec::new()) };
    let mut rig = Rig::with(HostConfig::default(), ListenConfig::default());
    let before = rig.host.poll_timeout();
    let outcome = rig.host.import_time_wait(rig.now, &octets);
    let held = rig.host.snapshot(rig.now).time_wait;
    assert_eq!(held.len(), outcome.unwrap_or(0), "whole, or not at all: {outcome:?}");
    if held.is_empty() {
        assert_eq!(rig.host.poll_timeout(), before, "nothing to wait for: {outcome:?}");
    }
    for one in &held {
        assert!(one.remaining < FOR_EVER, "{one:?}");
    }
    assert_eq!(held.iter().map(|one| one.tuple).collect::<BTreeSet<_>>().len(), held.len());
    // Those of an MSL of nothing are over already.
    again(&rig, held.iter().filter(|one| !one.remaining.is_zero()).count());
    while let Some(what) = input.next() {
        if what & 7 == 0 || peers.is_empty() {
            rig.run_for(Duration::from_millis(input.short().into()));
        } else {
            let near = input.near();
            rig.hand(near.packet(&peers));
            rig.assert_no_busy_loop();
        }
    }
    rig.abort_all();
    rig.run_for(FOR_EVER);
    let left = rig.host.snapshot(rig.now);
    assert!(left.time_wait.is_empty() && left.connections.is_empty(), "{left:?}");
    rig.assert_alive();
}

/// What was taken over can be given on.
fn again(rig: &Rig, held: usize) {
    let export = rig.host.export_time_wait(rig.now);
    let mut next = Rig::with(HostConfig::default(), ListenConfig::default());
    let taken = next.host.import_time_wait(next.now, &export);
    assert_eq!(taken, Ok(held), "of an export of {held}");
    let left = |rig: &Rig| -> Vec<_> {
        let snapshot = rig.host.snapshot(rig.now).time_wait;
        let mut all: Vec<_> = snapshot.iter().map(|one| (one.tuple, one.remaining)).collect();
        all.sort();
        all
    };
    for (one, two) in left(rig).iter().zip(left(&next)) {
        assert_eq!(one.0, two.0);
        // What has begun of a millisecond counts as a whole one.
        assert!(two.1 + Duration::from_millis(1) >= one.1 && two.1 <= one.1 + Duration::from_millis(1));
    }
}

/// An export with up to fifteen records that are nearly right, and the peers that they are about.
fn records(input: &mut Input<'_>, control: u8) -> (Vec<u8>, Vec<Peer>) {
    let count = control >> 4;
    let mut octets = b"LTTW\0\x01\0\0\0".to_vec();
    octets.push(count);
    let mut peers = Vec::new();
    for number in 0..count {
        let kind = input.octet();
        let family = Family::BOTH[usize::from(kind & 1)];
        let timestamps = kind & 2 != 0;
        let mut peer = Peer::new(family, 40_000 + u16::from(number & !(kind >> 7)), timestamps);
        (peer.seq, peer.ack) = (SeqNum(input.word()), SeqNum(input.word()));
        let clock = if timestamps { input.word() } else { 0 };
        peer.timestamp = timestamps.then_some(Timestamp { val: clock, ecr: 0 });
        octets.extend_from_slice(&[kind & 7, input.octet() % 16, 0]);
        for short in [HTTP, peer.port, input.short()] {
            octets.extend_from_slice(&short.to_be_bytes());
        }
        for word in [peer.ack.0, peer.seq.0, clock] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        // In half milliseconds, so that the lifetimes are no whole ones either.
        let msl = u64::from(input.short()) * 500_000 * u64::from(kind >> 3 & 7);
        octets.extend_from_slice(&msl.to_be_bytes());
        let (age, left) = (input.word(), u32::from(input.short()));
        octets.extend_from_slice(&age.to_be_bytes());
        octets.extend_from_slice(&left.to_be_bytes());
        for address in [family.us(), family.peer()] {
            match address {
                std::net::IpAddr::V4(v4) => octets.extend_from_slice(&v4.octets()),
                std::net::IpAddr::V6(v6) => octets.extend_from_slice(&v6.octets()),
            }
        }
        peers.push(peer);
    }
    input.spoils().iter().for_each(|spoil| spoil.apply(&mut octets));
    (octets, peers)
}
