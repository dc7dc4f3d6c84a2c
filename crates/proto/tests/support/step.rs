//! What may happen to a host: frames of every degree of badness, time, an application that does as it likes.

use super::packet::{Family, extension, icmp_packet, resum, udp_packet};
use super::peer::Peer;
use super::rig::{HTTP, SERVICE};
use super::world::World;
use bytes::Bytes;
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::{Checksum, Frame, SeqNum};
use std::num::NonZeroU16;
use std::time::Duration;

/// A segment near the truth: every number is the right one, or off by a little or by a lot.
#[derive(Clone, Debug)]
pub(crate) struct Near {
    pub(crate) peer: u16,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) wnd: u16,
    pub(crate) urgent: u16,
    pub(crate) timestamp: Option<u32>,
    pub(crate) text: usize,
}

impl Near {
    pub(crate) fn packet(&self, peers: &[Peer]) -> Vec<u8> {
        let peer = &peers[usize::from(self.peer) % peers.len()];
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
pub(crate) fn good(kind: u8, part: u16) -> Vec<u8> {
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
pub(crate) enum Spoil {
    Flip(u16, u8),
    Set(u16, u8),
    Truncate(u16),
    Extend(usize),
    /// Replaces the length that IP gives.
    Length(u16),
}

impl Spoil {
    pub(crate) fn apply(&self, packet: &mut Vec<u8>) {
        if packet.is_empty() {
            return;
        }
        let length = packet.len();
        match self {
            Self::Flip(at, bit) => packet[usize::from(*at) % length] ^= bit,
            Self::Set(at, octet) => packet[usize::from(*at) % length] = *octet,
            Self::Truncate(at) => packet.truncate(usize::from(*at) % length),
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
pub(crate) enum Step {
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
    Use(u16, u8),
}

impl World {
    pub(crate) fn take(&mut self, step: &Step, vouched: u8) {
        let mut packet = match step {
            Step::Octets(octets) => octets.clone(),
            Step::Spoilt { kind, part, .. } => good(*kind, *part),
            Step::Near { near, .. } => near.packet(&self.peers),
            Step::Wait(millis) => {
                self.pass(Duration::from_millis(*millis));
                return;
            }
            Step::Use(peer, what) => {
                self.use_stream(*peer, *what);
                return;
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
        self.hand(Frame { bytes: Bytes::from(packet), checksum, segment_size });
    }

    pub(crate) fn use_stream(&mut self, peer: u16, what: u8) {
        let now = self.rig.now;
        for listener in self.rig.listeners {
            self.rig.host.accept(listener);
        }
        if let Some(mut stream) =
            self.peers[usize::from(peer) % self.peers.len()].id.and_then(|id| self.rig.host.stream(id))
        {
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
