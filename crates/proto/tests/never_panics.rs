//! No packet makes a host panic, loop, lose count or keep anything: arbitrary octets and good packets gone bad, into
//! hosts that hold a connection in every state.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod support;

use bytes::Bytes;
use linger_proto::wire::tcp::Flags;
use linger_proto::{Frame, HostConfig, ListenConfig};
use proptest::prelude::*;
use std::time::Duration;
use support::{Conversation, Family, Move, Near, Peer, Rig, STATES, Spoil, Step, World};

fn offset() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => Just(0),
        4 => (0u32..4).prop_map(|n| n.wrapping_sub(2)),
        2 => 0u32..20_000,
        2 => (0u32..20_000).prop_map(u32::wrapping_neg),
        1 => any::<u32>(),
    ]
}

fn near() -> impl Strategy<Value = Near> {
    let flags = prop_oneof![
        6 => Just(Flags::ACK.0),
        2 => Just(Flags::ACK.with(Flags::FIN).0),
        1 => Just(Flags::RST.0),
        1 => Just(Flags::SYN.0),
        1 => Just(Flags::SYN.with(Flags::ACK).0),
        2 => any::<u8>(),
    ];
    let wnd = prop_oneof![3 => Just(0xffff), 1 => Just(0), 2 => any::<u16>()];
    let text = prop_oneof![3 => Just(0), 2 => 1usize..50, 1 => 0usize..1460];
    let timestamp = prop_oneof![6 => Just(Some(0)), 1 => Just(None), 2 => offset().prop_map(Some)];
    let peer = any::<u16>();
    (peer, flags, offset(), offset(), wnd, any::<u16>(), timestamp, text).prop_map(
        |(peer, flags, seq, ack, wnd, urgent, timestamp, text)| Near {
            peer,
            flags,
            seq,
            ack,
            wnd,
            urgent,
            timestamp,
            text,
        },
    )
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<u16>;
    prop_oneof![
        4 => (at(), 0u8..8).prop_map(|(at, bit)| Spoil::Flip(at, 1 << bit)),
        3 => (at(), any::<u8>()).prop_map(|(at, octet)| Spoil::Set(at, octet)),
        2 => at().prop_map(Spoil::Truncate),
        1 => (0usize..2000).prop_map(Spoil::Extend),
        2 => prop_oneof![0u16..80, any::<u16>()].prop_map(Spoil::Length),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let spoils = || prop::collection::vec(spoil(), 0..3);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..120).prop_map(Step::Octets),
        4 => (any::<u8>(), any::<u16>(), spoils(), prop::bool::weighted(0.8))
            .prop_map(|(kind, part, spoils, resum)| Step::Spoilt { kind, part, spoils, resum }),
        6 => near().prop_map(|near| Step::Near { near, spoils: Vec::new(), resum: true }),
        3 => (near(), spoils(), prop::bool::weighted(0.9))
            .prop_map(|(near, spoils, resum)| Step::Near { near, spoils, resum }),
        1 => prop_oneof![0u64..300, 0u64..70_000].prop_map(Step::Wait),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(peer, what)| Step::Use(peer, what)),
    ]
}

proptest! {
    #[test]
    fn arbitrary_octets_are_dropped_for_one_reason_each(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        first in prop_oneof![Just(0x45u8), Just(0x60), any::<u8>()],
    ) {
        let mut world = World::new(true);
        for mut frame in frames {
            if let Some(octet) = frame.first_mut() {
                *octet = first;
            }
            world.hand(Frame::from(Bytes::from(frame)));
        }
        world.end();
    }

    #[test]
    fn good_packets_gone_bad_meet_every_state(
        timestamps: bool,
        steps in prop::collection::vec((step(), any::<u8>()), 1..60),
    ) {
        let mut world = World::new(timestamps);
        for (step, vouched) in &steps {
            world.take(step, *vouched);
        }
        world.end();
    }

    #[test]
    fn many_segments_near_the_truth_meet_one_connection(
        state in prop::sample::select(&STATES[..]),
        family in prop::sample::select(&Family::BOTH[..]),
        timestamps: bool,
        segments in prop::collection::vec((near(), 0u64..50), 1..80),
    ) {
        let mut rig = Rig::new();
        let peers = vec![Peer::in_state(&mut rig, state, family, 4000, timestamps)];
        rig.host.set_tracing(true);
        let mut world = World { rig, peers };
        for (near, millis) in &segments {
            let packet = near.packet(&world.peers);
            world.hand(Frame::from(Bytes::from(packet)));
            world.pass(Duration::from_millis(*millis));
        }
        world.end();
    }
}

/// Peers whose SYN is held, or was held and admitted, or was answered by a cookie.
fn undecided(holds: bool, family: Family, timestamps: bool) -> World {
    let half_open_max = if holds { 100 } else { 0 };
    let config = HostConfig { half_open_max, ..HostConfig::default() };
    let mut rig = Rig::with(config, ListenConfig::default().hold(holds));
    let mut peers: Vec<Peer> =
        (4000..4004).map(|port| Peer::knock(&mut rig, family, port, timestamps)).collect();
    if let Some((id, tuple)) = rig.listeners.into_iter().find_map(|listener| rig.host.incoming(listener)) {
        let peer = peers.iter_mut().find(|peer| peer.tuple() == tuple).unwrap();
        peer.id = Some(rig.host.admit(rig.now, id).unwrap());
        let left = rig.drain();
        peer.learn(&left);
    }
    rig.host.set_tracing(true);
    World { rig, peers }
}

proptest! {
    #[test]
    fn segments_near_the_truth_meet_held_syns_and_cookies(
        (holds, timestamps) in any::<(bool, bool)>(),
        family in prop::sample::select(&Family::BOTH[..]),
        segments in prop::collection::vec((near(), prop_oneof![5 => 0u64..50, 1 => 0u64..70_000]), 1..80),
    ) {
        let mut world = undecided(holds, family, timestamps);
        for (near, millis) in &segments {
            let packet = near.packet(&world.peers);
            world.hand(Frame::from(Bytes::from(packet)));
            world.pass(Duration::from_millis(*millis));
        }
        world.end();
    }
}

fn a_move() -> impl Strategy<Value = Move> {
    let flags = prop_oneof![
        12 => Just(Flags::ACK.0),
        1 => Just(Flags::ACK.with(Flags::FIN).0),
        1 => Just(Flags::ACK.with(Flags::URG).0),
        1 => Just(Flags::RST.0),
        1 => any::<u8>(),
    ];
    let seq = prop_oneof![4 => Just(0), 4 => -50i32..3000, 2 => -20_000i32..20_000, 1 => any::<i32>()];
    let ack = prop_oneof![6 => Just(0), 3 => -3000i32..2, 1 => any::<i32>()];
    let wnd = prop_oneof![4 => Just(0xffff), 2 => Just(0), 2 => any::<u16>()];
    let clock = prop_oneof![6 => Just(0), 1 => any::<i8>()];
    let text = prop_oneof![2 => Just(0), 3 => 1u16..1400, 1 => 0u16..20_000];
    prop_oneof![
        8 => (flags, seq, ack, wnd, clock, text).prop_map(|(flags, seq, ack, wnd, clock, text)| {
            Move::Segment { flags, seq, ack, wnd, clock, text }
        }),
        2 => (0u16..6000).prop_map(Move::Write),
        3 => any::<u16>().prop_map(Move::Read),
        1 => prop_oneof![20 => Just(Move::Wait(40)), 1 => Just(Move::Shutdown)],
        2 => prop_oneof![3 => 0u16..300, 1 => any::<u16>()].prop_map(Move::Wait),
    ]
}

proptest! {
    #[test]
    fn text_and_windows_hold_against_a_peer_that_lies_about_everything_else(
        family in prop::sample::select(&Family::BOTH[..]),
        (timestamps, scaled, nodelay) in any::<(bool, bool, bool)>(),
        moves in prop::collection::vec(a_move(), 1..120),
    ) {
        let mut conversation = Conversation::new(family, timestamps, scaled, nodelay);
        for action in moves {
            conversation.take(action);
        }
        conversation.end();
    }
}
