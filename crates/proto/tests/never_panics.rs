//! No packet makes a host panic, loop, lose count or keep anything: arbitrary octets and good packets gone bad, into
//! hosts that hold a connection in every state.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod support;

use bytes::Bytes;
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::{
    Checksum, DropReason, Frame, HostConfig, ListenConfig, SeqNum, State, TcpConfig, TraceEvent,
};
use proptest::prelude::*;
use std::num::NonZeroU16;
use std::time::Duration;
use support::{
    Family, HTTP, Peer, Rig, SERVICE, STATES, extension, icmp_packet, increments, resum, udp_packet,
};

/// A host with one connection in each state and in each family, text waiting in both directions.
struct World {
    rig: Rig,
    peers: Vec<Peer>,
}

impl World {
    fn new(timestamps: bool) -> Self {
        let tcp = TcpConfig { recv_buffer: 16 << 10, send_buffer: 16 << 10, ..TcpConfig::default() };
        let config = HostConfig { tcp, reassembly_max: 8 << 10, ..HostConfig::default() };
        let mut rig = Rig::with(config, ListenConfig::default().backlog(8));
        let mut peers = Vec::new();
        for (port, state) in (4000..).zip(STATES) {
            for family in Family::BOTH {
                peers.push(Peer::in_state(&mut rig, state, family, port, timestamps));
            }
        }
        // Simultaneous opens, and TIME-WAITs that a half-open connection covers.
        for family in Family::BOTH {
            let mut peer = Peer::called(&mut rig, family, 5000, timestamps);
            let left = rig.hand(peer.syn());
            peer.learn(&left);
            peer.seq += 1;
            peers.push(peer);
            let old = Peer::in_state(&mut rig, State::TimeWait, family, 5001, timestamps);
            rig.hand(old.packet(&Header { seq: old.seq + 0x1_0000, ..old.header(Flags::SYN) }, b""));
            peers.push(old);
        }
        let mut world = Self { rig, peers };
        world.exchange_text();
        world.rig.host.set_tracing(true);
        world
    }

    /// Text in flight, text unread and text out of order on every connection that takes it.
    fn exchange_text(&mut self) {
        for peer in &mut self.peers {
            if let Some(mut stream) = peer.id.and_then(|id| self.rig.host.stream(id)) {
                let _written = stream.write(self.rig.now, &[b'w'; 3000]);
            }
            let left = self.rig.drain();
            peer.learn(&left);
            if self.rig.host.state_of(&peer.tuple()) == State::Established {
                self.rig.hand(peer.segment(Flags::ACK, b"unread"));
                peer.seq += 6;
                self.rig.hand(peer.text_at(100, b"early"));
            }
        }
    }

    /// Hands over one frame and checks the books.
    fn hand(&mut self, frame: Frame) -> Result<(), TestCaseError> {
        let before = self.rig.host.counters().clone();
        let length = frame.bytes.len();
        let mut frames = [frame].into_iter();
        self.rig.host.handle_frames(self.rig.now, self.rig.interface, &mut frames);
        let after = self.rig.host.counters().clone();
        prop_assert_eq!(after.frames_in, before.frames_in + 1);
        let told: Vec<_> = std::iter::from_fn(|| self.rig.host.poll_trace())
            .filter_map(|event| match event {
                TraceEvent::Frame(frame) => Some(frame.drop),
                _ => None,
            })
            .collect();
        prop_assert_eq!(told.len(), 1, "one trace for one frame");
        // What else may be counted: answers withheld, and packets that made room for this one's fragment.
        let mut counted = increments(&before.drops, &after.drops);
        if let Some(reason) = told[0] {
            let own = counted.iter_mut().find(|(counted, _)| *counted == reason);
            prop_assert!(own.is_some(), "{reason:?} was told and not counted: {counted:?}");
            own.unwrap().1 -= 1;
        }
        for (reason, count) in counted {
            let limit = match reason {
                DropReason::IcmpRateLimited => 1,
                DropReason::FragmentLimit => 256,
                _ => 0,
            };
            prop_assert!(count <= limit, "{reason:?} {count} times more than told: {told:?}");
        }
        self.check_output(length)
    }

    /// What leaves is good, and no more than what an acceptable ACK may release.
    fn check_output(&mut self, received: usize) -> Result<(), TestCaseError> {
        let sent_before = self.rig.host.counters().frames_out;
        let left = self.rig.drain();
        while self.rig.host.poll_trace().is_some() {}
        for frame in &left {
            support::answer(frame);
            prop_assert!(frame.len() <= 1500);
        }
        prop_assert_eq!(self.rig.host.counters().frames_out - sent_before, left.len() as u64);
        let text = left.iter().filter(|frame| support::answer(frame) == support::Answer::Text).count();
        // At most one answer; the rest is text that the peer has asked for, or an echo in fragments.
        let fragments = received.div_ceil(1400);
        prop_assert!(left.len() - text <= 1 + fragments, "{} frames for one of {received}", left.len());
        prop_assert!(text <= 8, "{text} segments of text for one frame");
        Ok(())
    }

    fn pass(&mut self, time: Duration) {
        self.rig.run_for(time);
        while self.rig.host.poll_trace().is_some() {}
    }

    /// Everything let go of and enough time: nothing is left.
    fn end(mut self) -> Result<(), TestCaseError> {
        self.rig.host.set_tracing(false);
        self.rig.abort_all();
        self.rig.run_for(Duration::from_secs(1000));
        let snapshot = self.rig.host.snapshot(self.rig.now);
        prop_assert!(snapshot.connections.is_empty(), "{:?}", snapshot.connections);
        prop_assert!(snapshot.time_wait.is_empty(), "{:?}", snapshot.time_wait);
        prop_assert!(snapshot.listeners.is_empty() && snapshot.udp.is_empty());
        prop_assert_eq!(self.rig.host.poll_timeout(), None);
        self.rig.assert_alive();
        Ok(())
    }
}

/// A segment near the truth: every number is the right one, or off by a little or by a lot.
#[derive(Clone, Debug)]
struct Near {
    peer: prop::sample::Index,
    flags: u8,
    seq: u32,
    ack: u32,
    wnd: u16,
    urgent: u16,
    timestamp: Option<u32>,
    text: usize,
}

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
    let peer = any::<prop::sample::Index>();
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

impl Near {
    fn packet(&self, peers: &[Peer]) -> Vec<u8> {
        let peer = self.peer.get(peers);
        let exact = peer.header(Flags(self.flags));
        let timestamp = peer.timestamp.zip(self.timestamp);
        let timestamp = timestamp.map(|(ts, off)| Timestamp { val: ts.val.wrapping_add(off), ecr: ts.ecr });
        let header = Header {
            seq: exact.seq + self.seq,
            ack: if exact.ack == SeqNum(0) { SeqNum(self.ack) } else { exact.ack + self.ack },
            wnd: self.wnd,
            urgent: self.urgent,
            options: Options { timestamp, ..Options::default() },
            ..exact
        };
        peer.packet(&header, &vec![b'p'; self.text])
    }
}

/// A good packet of some kind, to be spoilt.
fn good(kind: u8, part: u16) -> Vec<u8> {
    let family = if kind & 1 == 0 { Family::V4 } else { Family::V6 };
    let peer = Peer::new(family, 6000 + (part & 0xff), part & 1 == 0);
    let ours = udp_packet(family, SERVICE, b"quoted");
    let (echo, unreachable, too_big) =
        if family == Family::V4 { (8, (3, 3), (3, 4)) } else { (128, (1, 4), (2, 0)) };
    match (kind >> 1) % 8 {
        0 => peer.syn(),
        1 => peer.segment(Flags::ACK, b"text"),
        2 => udp_packet(family, SERVICE, b"datagram"),
        3 => icmp_packet(family, echo, 0, 1, &[7; 64]),
        4 => icmp_packet(family, unreachable.0, unreachable.1, 0, &ours),
        5 => icmp_packet(family, too_big.0, too_big.1, 1280, &peer.segment(Flags::ACK, b"")),
        6 => family.fragment(part & 3, (part & 0x1c) << 1, part & 0x100 != 0, 17, &[7; 24]),
        _ if family == Family::V6 => {
            let chain = [extension(60, &[1, 4, 0, 0, 0, 0]), extension(6, &[0x1e, 2, 0, 0, 0, 0])].concat();
            let segment = &peer.syn()[40..];
            family.packet(0, &[&chain[..], segment].concat())
        }
        _ => udp_packet(family, HTTP, b"nobody there"),
    }
}

/// How a good packet is spoilt.
#[derive(Clone, Debug)]
enum Spoil {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
    Extend(usize),
    /// Replaces the length that IP gives.
    Length(u16),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), 0u8..8).prop_map(|(at, bit)| Spoil::Flip(at, 1 << bit)),
        3 => (at(), any::<u8>()).prop_map(|(at, octet)| Spoil::Set(at, octet)),
        2 => at().prop_map(Spoil::Truncate),
        1 => (0usize..2000).prop_map(Spoil::Extend),
        2 => prop_oneof![0u16..80, any::<u16>()].prop_map(Spoil::Length),
    ]
}

impl Spoil {
    fn apply(&self, packet: &mut Vec<u8>) {
        if packet.is_empty() {
            return;
        }
        let length = packet.len();
        match self {
            Self::Flip(at, bit) => packet[at.index(length)] ^= bit,
            Self::Set(at, octet) => packet[at.index(length)] = *octet,
            Self::Truncate(at) => packet.truncate(at.index(length)),
            Self::Extend(more) => packet.resize(length + more, 0xaa),
            Self::Length(value) => {
                let at = if packet[0] >> 4 == 4 { 2 } else { 4 };
                if let Some(field) = packet.get_mut(at..at + 2) {
                    field.copy_from_slice(&value.to_be_bytes());
                }
            }
        }
    }
}

/// One thing that happens to the host.
#[derive(Clone, Debug)]
enum Step {
    Octets(Vec<u8>),
    Spoilt {
        kind: u8,
        part: u16,
        spoils: Vec<Spoil>,
        resum: bool,
    },
    /// A segment of one of the connections, spoilt or not.
    Near {
        near: Near,
        spoils: Vec<Spoil>,
        resum: bool,
    },
    /// Time passes.
    Wait(u64),
    /// The application reads, writes or closes.
    Use(prop::sample::Index, u8),
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
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(peer, what)| Step::Use(peer, what)),
    ]
}

impl World {
    fn take(&mut self, step: &Step, vouched: u8) -> Result<(), TestCaseError> {
        let mut packet = match step {
            Step::Octets(octets) => octets.clone(),
            Step::Spoilt { kind, part, .. } => good(*kind, *part),
            Step::Near { near, .. } => near.packet(&self.peers),
            Step::Wait(millis) => {
                self.pass(Duration::from_millis(*millis));
                return Ok(());
            }
            Step::Use(peer, what) => {
                self.use_stream(*peer, *what);
                return Ok(());
            }
        };
        if let Step::Spoilt { spoils, resum: again, .. } | Step::Near { spoils, resum: again, .. } = step {
            for spoil in spoils {
                spoil.apply(&mut packet);
            }
            if *again {
                resum(&mut packet);
            }
        }
        let checksum = match vouched % 8 {
            0 => Checksum::Verified,
            1 => Checksum::Partial { start: 20, offset: 16 },
            _ => Checksum::Unknown,
        };
        let segment_size = NonZeroU16::new(u16::from(vouched % 16 == 3) * 7);
        self.hand(Frame { bytes: Bytes::from(packet), checksum, segment_size })
    }

    fn use_stream(&mut self, peer: prop::sample::Index, what: u8) {
        let now = self.rig.now;
        for listener in self.rig.listeners {
            self.rig.host.accept(listener);
        }
        if let Some(mut stream) = peer.get(&self.peers).id.and_then(|id| self.rig.host.stream(id)) {
            match what % 8 {
                0 => stream.close(now),
                1 => stream.abort(now),
                2 => drop(stream.shutdown(now)),
                3 | 4 => drop(stream.write(now, &[b'w'; 2000])),
                _ => while matches!(stream.read(now, &mut [0; 512]), Ok(1..)) {},
            }
        }
        self.rig.drain();
        while self.rig.host.poll_trace().is_some() {}
    }
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
            world.hand(Frame::from(Bytes::from(frame)))?;
        }
        world.end()?;
    }

    #[test]
    fn good_packets_gone_bad_meet_every_state(
        timestamps: bool,
        steps in prop::collection::vec((step(), any::<u8>()), 1..60),
    ) {
        let mut world = World::new(timestamps);
        for (step, vouched) in &steps {
            world.take(step, *vouched)?;
        }
        world.end()?;
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
            world.hand(Frame::from(Bytes::from(packet)))?;
            world.pass(Duration::from_millis(*millis));
        }
        world.end()?;
    }
}
