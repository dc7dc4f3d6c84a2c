//! Frames come in: parsed, reassembled, and handed to the protocol they carry.

use super::key::Key;
use super::shards::{Sought, udp_port};
use super::{Event, Host};
use crate::ip::icmp::{IcmpError, IcmpOutcome};
use crate::tcp::segment::Segment;
use crate::tcp::seq::octets;
use crate::wire::checksum::Sum;
use crate::wire::ip::{
    self, IpPacket, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_NONE, PROTOCOL_TCP, PROTOCOL_UDP,
};
use crate::wire::tcp;
use crate::{Checksum, DropReason, Frame, Instant, InterfaceId, State};
use bytes::Buf;
use core::net::IpAddr;

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
        for frame in frames {
            self.counters.frames_in += 1;
            let mut seen = Seen::default();
            let outcome = self.handle_frame(now, interface, frame, &mut seen);
            self.frame_handled(now, &seen, outcome);
        }
    }

    pub(super) fn handle_frame(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        frame: Frame,
        seen: &mut Seen,
    ) -> Result<(), DropReason> {
        let packet = match ip::parse(&frame.bytes) {
            Ok(packet) => packet,
            Err(reason) => {
                self.icmp
                    .parameter_problem(now, interface, &frame.bytes, &self.interfaces, &mut self.outbox)
                    .unwrap_or_else(|limited| self.counters.drops.add(limited));
                return Err(reason);
            }
        };
        if !self.interfaces.is_local(packet.destination) {
            return Err(DropReason::NotForUs);
        }
        if !self.interfaces.may_be_source(packet.source) || is_mapped(packet.source) {
            return Err(DropReason::IpSource);
        }
        if packet.fragment.is_none() {
            return self.handle_packet(now, interface, &packet, frame, seen);
        }
        if self.hand_over(interface, &frame, Sought::Whole(&packet)) {
            return Ok(());
        }
        let whole = self.reassembly.handle(now, &packet, &frame.bytes);
        for _ in 0..self.reassembly.take_evicted() {
            self.counters.drops.add(DropReason::FragmentLimit);
        }
        let Some(whole) = whole? else { return Ok(()) };
        let packet = ip::parse(&whole)?;
        self.handle_packet(now, interface, &packet, Frame::from(whole), seen)
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        frame: Frame,
        seen: &mut Seen,
    ) -> Result<(), DropReason> {
        match packet.protocol {
            PROTOCOL_TCP => self.handle_tcp(now, interface, packet, frame, seen),
            PROTOCOL_UDP => match self.udp.handle(packet, &frame.bytes, frame.checksum) {
                Ok(id) => {
                    self.events.push_back(Event::Datagram(id));
                    Ok(())
                }
                Err(DropReason::UdpNoPort)
                    if self.hand_over(interface, &frame, Sought::Port(udp_port(packet, &frame.bytes))) =>
                {
                    Ok(())
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
            PROTOCOL_ICMP | PROTOCOL_ICMPV6 => self.handle_icmp(now, interface, packet, &frame),
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
                    && self.hand_over(interface, frame, Sought::Port(tuple.local.port())) =>
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

    fn handle_tcp(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        frame: Frame,
        seen: &mut Seen,
    ) -> Result<(), DropReason> {
        let segment = frame.bytes.get(packet.payload.clone()).ok_or(DropReason::IpTruncated)?;
        if frame.checksum == Checksum::Unknown && !checksum_fits(packet, segment) {
            return Err(DropReason::TcpChecksum);
        }
        let header = tcp::parse(segment)?;
        let key = Key::new(packet.destination, header.destination, packet.source, header.source);
        if self.tracing {
            *seen = Seen { key: Some(key), before: self.state_of_key(&key) };
        }
        let found = self.find(&key);
        if found.is_none() && self.hand_over(interface, &frame, Sought::Tuple(&key)) {
            return Ok(());
        }
        let Frame { mut bytes, segment_size, .. } = frame;
        let frame_len = bytes.len();
        bytes.truncate(packet.payload.end);
        bytes.advance(packet.payload.start + header.len);
        let mut segment =
            Segment::new(header, bytes, frame_len, segment_size.map(core::num::NonZeroU16::get));
        self.handle_segment(now, interface, &key, found, &mut segment)
    }
}

/// A good checksum is one of the sum over everything, itself included (RFC 9293 MUST-3).
fn checksum_fits(packet: &IpPacket, segment: &[u8]) -> bool {
    let mut sum = Sum::pseudo_header(packet.source, packet.destination, PROTOCOL_TCP, octets(segment.len()));
    sum.add(segment);
    sum.finish() == 0
}

/// An IPv4 address inside an IPv6 packet: never on a wire, and in our tables it would pass for the IPv4 one.
fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}
