//! Frames come in: parsed, reassembled, and handed to the protocol they carry.

use super::batch::tuple_of;
use super::key::Key;
use super::shards::{Sought, udp_port};
use super::{Event, Host};
use crate::ip::icmp::{IcmpError, IcmpOutcome};
use crate::tcp::segment::Segment;
use crate::wire::address::Address;
use crate::wire::ip::{
    self, IpPacket, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_NONE, PROTOCOL_TCP, PROTOCOL_UDP, Plain,
    plain_v4, plain_v6,
};
use crate::{DropReason, Frame, Instant, InterfaceId, State};
use core::net::IpAddr;
use core::ops::Range;

/// What a frame was, for those who watch.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) key: Option<Key>,
    pub(super) before: State,
}

impl Host {
    /// Frames arrived at an interface. All of them are processed before anything leaves.
    pub fn handle_frames(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        frames: &mut dyn Iterator<Item = Frame>,
    ) {
        self.expire_time_wait(now);
        while let Some(mut first) = frames.next() {
            self.counters.frames_in += 1;
            if self.handle_predicted(now, interface, self.demux.recent, &mut first) {
                continue;
            }
            // What follows a segment of its own connection has nothing to gain from a look ahead.
            if self.probably_once_more(&first.bytes) {
                self.handle_frame(now, interface, first, None);
            } else if let Some(second) = frames.next() {
                self.handle_several(now, interface, [first, second], frames);
            } else {
                let hash = tuple_of(&first.bytes).map(|key| self.demux.hash_arriving(&key));
                self.handle_one(now, interface, first, hash);
            }
        }
    }

    /// Handles one frame. `hash`: that of its tuple, where it is known.
    #[inline(never)]
    pub(super) fn handle_one(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        mut frame: Frame,
        hash: Option<u64>,
    ) {
        if let Some(hash) = hash
            && let Some(index) = self.probable_connection(hash)
            && self.handle_predicted(now, interface, index, &mut frame)
        {
            return self.expect_more(index, hash);
        }
        self.handle_frame(now, interface, frame, hash);
    }

    /// Handles a frame step by step.
    #[inline(never)]
    pub(super) fn handle_frame(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        frame: Frame,
        hash: Option<u64>,
    ) {
        let mut seen = Seen::default();
        let outcome = self.frame_arrives(now, interface, frame, hash, &mut seen);
        self.frame_handled(now, &seen, outcome);
    }

    #[inline]
    fn frame_arrives(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        mut frame: Frame,
        mut hash: Option<u64>,
        seen: &mut Seen,
    ) -> Result<(), DropReason> {
        let (ends, place) = match self.plain(&frame.bytes) {
            Some(plain) => plain,
            None => match self.handle_unusual(now, interface, core::mem::take(&mut frame))? {
                Some((ends, place, tcp)) => {
                    (frame, hash) = (tcp, None);
                    (ends, place)
                }
                None => return Ok(()),
            },
        };
        let whole = self.shard.has_others().then(|| frame.clone());
        let checksum = frame.checksum;
        let mut segment = Segment::unread(frame);
        let key = segment.read(place, ends, checksum)?;
        if let Some(index) = self.once_more(&key) {
            return self.connection_segment(now, index, &mut segment);
        }
        if self.tracing {
            *seen = Seen { key: Some(key), before: self.state_of_key(&key) };
        }
        let hash = hash.unwrap_or_else(|| self.demux.hash(&key));
        if let Some(frame) = whole
            && self.find_hashed(hash, &key).is_none()
            && self.pass_on(interface, &frame, Sought::Tuple(hash))
        {
            return Ok(());
        }
        self.handle_segment(now, interface, &key, hash, &mut segment)
    }

    /// The ends and the segment of a TCP packet that has nothing unusual in its IP header and passes every check that
    /// [`Host::handle_unusual`] makes; `None` for all others, which take that way.
    #[inline]
    pub(super) fn plain(&self, bytes: &[u8]) -> Option<(Key, Range<usize>)> {
        if let Some(Plain { source, destination, segment }) = plain_v4(bytes) {
            let ends = Key::between(Address::v4(destination), Address::v4(source));
            return self.interfaces.takes_v4(source, destination).then_some((ends, segment));
        }
        let Plain { source, destination, segment } = plain_v6(bytes)?;
        let ends = Key::between(Address::v6(destination), Address::v6(source));
        self.interfaces.takes_v6(source, destination).then_some((ends, segment))
    }

    /// Any packet at all. What is left to do is a TCP segment: its ends, its place, and the frame that it lies in.
    /// Ledger: RFC 9293 MUST-57, MUST-63 [1122-1, 1122-2].
    #[cold]
    #[inline(never)]
    pub(super) fn handle_unusual(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        frame: Frame,
    ) -> Result<Option<(Key, Range<usize>, Frame)>, DropReason> {
        let packet = match ip::parse(&frame.bytes) {
            Ok(packet) => packet,
            Err(reason) => {
                self.icmp
                    .parameter_problem(now, interface, &frame.bytes, &self.interfaces, &mut self.outbox)
                    .unwrap_or_else(|limited| self.counters.drops.add(limited));
                return Err(reason);
            }
        };
        let is_ours = self.interfaces.is_local(packet.destination)
            || packet.protocol == PROTOCOL_TCP
                && self.interfaces.takes_for_all(interface, packet.destination);
        if !is_ours {
            return Err(DropReason::NotForUs);
        }
        if !self.interfaces.may_be_source(packet.source) || is_mapped(packet.source) {
            return Err(DropReason::IpSource);
        }
        if packet.fragment.is_none() {
            return self.handle_packet(now, interface, &packet, frame);
        }
        if self.pass_on(interface, &frame, Sought::Whole(&packet)) {
            return Ok(None);
        }
        let whole = self.reassembly.handle(now, interface, &packet, &frame.bytes);
        for _ in 0..self.reassembly.take_evicted() {
            self.counters.drops.add(DropReason::FragmentLimit);
        }
        let Some(whole) = whole? else { return Ok(None) };
        let packet = ip::parse(&whole)?;
        self.handle_packet(now, interface, &packet, Frame::from(whole))
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        frame: Frame,
    ) -> Result<Option<(Key, Range<usize>, Frame)>, DropReason> {
        match packet.protocol {
            PROTOCOL_TCP => {
                let ends = Key::new(packet.destination, 0, packet.source, 0);
                Ok(Some((ends, packet.payload.clone(), frame)))
            }
            PROTOCOL_UDP => match self.udp.handle(packet, &frame.bytes, frame.checksum) {
                Ok(id) => {
                    self.events.push_back(Event::Datagram(id));
                    Ok(None)
                }
                Err(DropReason::UdpNoPort)
                    if self.pass_on(interface, &frame, Sought::Port(udp_port(packet, &frame.bytes))) =>
                {
                    Ok(None)
                }
                Err(reason) => {
                    if reason == DropReason::UdpNoPort {
                        self.icmp
                            .port_unreachable(
                                now,
                                interface,
                                packet,
                                &frame.bytes,
                                &self.interfaces,
                                &mut self.outbox,
                            )
                            .unwrap_or_else(|limited| self.counters.drops.add(limited));
                    }
                    Err(reason)
                }
            },
            PROTOCOL_ICMP | PROTOCOL_ICMPV6 => {
                self.handle_icmp(now, interface, packet, &frame).map(|()| None)
            }
            // Nothing follows, as its sender says: there is nothing to report (RFC 8200 §4.7).
            PROTOCOL_NONE if packet.source.is_ipv6() => Err(DropReason::UnknownProtocol),
            _ => {
                self.icmp
                    .protocol_unreachable(
                        now,
                        interface,
                        packet,
                        &frame.bytes,
                        &self.interfaces,
                        &mut self.outbox,
                    )
                    .unwrap_or_else(|limited| self.counters.drops.add(limited));
                Err(DropReason::UnknownProtocol)
            }
        }
    }

    fn handle_icmp(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        frame: &Frame,
    ) -> Result<(), DropReason> {
        let echo = self.config.echo;
        match self.icmp.handle(
            now,
            interface,
            packet,
            &frame.bytes,
            &self.interfaces,
            &mut self.outbox,
            echo,
        )? {
            IcmpOutcome::TcpError { tuple, .. } if self.error_is_for_another(interface, frame, &tuple) => {
                Ok(())
            }
            IcmpOutcome::TcpError { tuple, seq, error } => self.icmp_for_tcp(now, &tuple, seq, error),
            IcmpOutcome::UdpError { tuple, .. }
                if !self.udp.is_bound(tuple.local)
                    && self.pass_on(interface, frame, Sought::Port(tuple.local.port())) =>
            {
                Ok(())
            }
            // Anybody can forge a quotation; one that names no socket of ours lowers nothing.
            IcmpOutcome::UdpError { tuple, .. } if !self.udp.is_bound(tuple.local) => {
                Err(DropReason::IcmpUnrelated)
            }
            IcmpOutcome::UdpError { tuple, error: IcmpError::PacketTooBig { mtu } } => {
                self.path_mtu.lower(tuple.remote.ip(), mtu, now);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// An IPv4 address inside an IPv6 packet: never on a wire, and in our tables it would pass for the IPv4 one.
fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}
