//! A host under a virtual clock, and everything that leaves it.

use super::packet::{Family, icmp_packet};
use bytes::Bytes;
use linger_proto::wire::icmp::IcmpView;
use linger_proto::wire::tcp::Flags;
use linger_proto::wire::{ip, tcp};
use linger_proto::{
    DropCounters, DropReason, Event, Frame, Host, HostConfig, Instant, InterfaceConfig, InterfaceId,
    ListenConfig, ListenerId, Secret, Transmit, UdpId,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The port that the host listens at, in both families.
pub(crate) const HTTP: u16 = 80;
/// The port of its UDP sockets.
pub(crate) const SERVICE: u16 = 53;

/// One host with a listener and a UDP socket in each family.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) host: Host,
    pub(crate) now: Instant,
    pub(crate) interface: InterfaceId,
    pub(crate) listeners: [ListenerId; 2],
    pub(crate) sockets: [UdpId; 2],
    pub(crate) events: Vec<Event>,
}

/// What a host said, in a form that can be compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// A TCP segment without text, by its control bits.
    Tcp(Flags),
    /// A TCP segment with text.
    Text,
    /// An ICMP message, by type and code.
    Icmp(u8, u8),
    /// A UDP datagram or a fragment.
    Other,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(HostConfig::default(), ListenConfig::default())
    }

    pub(crate) fn with(config: HostConfig, listen: ListenConfig) -> Self {
        let mut host = Host::new(config, Secret::from_bytes([7; 32]));
        let addresses = vec![(Family::V4.us(), 24), (Family::V6.us(), 64)];
        let interface = host.add_interface(InterfaceConfig { addresses, ..InterfaceConfig::default() });
        let now = Instant::from_millis(10_000);
        let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let listeners = any.map(|any| host.listen(SocketAddr::new(any, HTTP), listen.clone()).unwrap());
        let sockets = any.map(|any| host.udp_bind(now, SocketAddr::new(any, SERVICE)).unwrap());
        Self { host, now, interface, listeners, sockets, events: Vec::new() }
    }

    /// Hands over one frame; returns what left because of it.
    pub(crate) fn hand(&mut self, frame: impl Into<Bytes>) -> Vec<Bytes> {
        let mut frames = [Frame::from(frame.into())].into_iter();
        self.host.handle_frames(self.now, self.interface, &mut frames);
        self.drain()
    }

    /// Everything that waits to leave, and the events into `events`.
    pub(crate) fn drain(&mut self) -> Vec<Bytes> {
        let mut out = Transmit::default();
        let mut left = Vec::new();
        while self.host.poll_transmit(self.now, &mut out) {
            left.push(out.to_bytes());
        }
        while let Some(event) = self.host.poll_event() {
            self.events.push(event);
        }
        left
    }

    /// Lets every timer up to `duration` from now expire; returns what left.
    pub(crate) fn run_for(&mut self, duration: Duration) -> Vec<Bytes> {
        let until = self.now + duration;
        let mut left = self.drain();
        for _ in 0..100_000 {
            let Some(next) = self.host.poll_timeout().filter(|next| *next <= until) else {
                self.now = until;
                return left;
            };
            self.now = self.now.max(next);
            self.host.handle_timeout(self.now);
            left.extend(self.drain());
            self.assert_no_busy_loop();
        }
        panic!("timers without end at {:?}", self.now);
    }

    /// After [`Host::handle_timeout`] and draining, nothing more may be due.
    pub(crate) fn assert_no_busy_loop(&self) {
        if let Some(next) = self.host.poll_timeout() {
            assert!(next > self.now, "poll_timeout names {next:?}, and it is {:?} already", self.now);
        }
    }

    pub(crate) fn drops(&self) -> DropCounters {
        self.host.counters().drops.clone()
    }

    /// The host still does its work: it answers an echo request in either family.
    pub(crate) fn assert_alive(&mut self) {
        self.run_for(Duration::from_secs(1));
        for (family, request, reply) in [(Family::V4, 8, 0), (Family::V6, 128, 129)] {
            let left = self.hand(icmp_packet(family, request, 0, 0x0001_0002, b"are you there?"));
            let replies = left.iter().filter(|frame| answer(frame) == Answer::Icmp(reply, 0)).count();
            assert_eq!(replies, 1, "no echo reply over {family:?}");
        }
    }

    /// Lets go of everything that the host holds.
    pub(crate) fn abort_all(&mut self) {
        for listener in self.listeners {
            self.host.unlisten(self.now, listener);
        }
        for connection in self.host.snapshot(self.now).connections {
            if let Some(id) = connection.id
                && let Some(stream) = self.host.stream(id)
            {
                stream.abort(self.now);
            }
        }
        for socket in self.sockets {
            self.host.udp_close(socket);
        }
        self.drain();
    }
}

/// What one frame of the host is.
pub(crate) fn answer(frame: &[u8]) -> Answer {
    let packet = ip::parse(frame).expect("the host sends good packets");
    assert_eq!(packet.payload.end, frame.len(), "the host sends no padding");
    let payload = &frame[packet.payload.clone()];
    match packet.protocol {
        _ if packet.fragment.is_some() => Answer::Other,
        ip::PROTOCOL_TCP => {
            let header = tcp::parse(payload).expect("the host sends good segments");
            if payload.len() > header.len { Answer::Text } else { Answer::Tcp(header.flags) }
        }
        ip::PROTOCOL_ICMP | ip::PROTOCOL_ICMPV6 => {
            let view = IcmpView::new(payload).expect("the host sends whole messages");
            assert!(view.checksum_fits(packet.source, packet.destination));
            Answer::Icmp(view.kind(), view.code())
        }
        _ => Answer::Other,
    }
}

/// Which counters moved, and by how much.
pub(crate) fn increments(before: &DropCounters, after: &DropCounters) -> Vec<(DropReason, u64)> {
    DropReason::ALL
        .iter()
        .map(|reason| (*reason, after.get(*reason) - before.get(*reason)))
        .filter(|(_, count)| *count > 0)
        .collect()
}
