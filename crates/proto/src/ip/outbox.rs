//! Packets that the IP layer makes itself: ICMP answers and UDP datagrams. TCP segments never pass through here.

use super::identification::Identification;
use super::slice;
use crate::wire::ip::{IPV6_FRAGMENT_LEN, IpRepr, PROTOCOL_IPV6_FRAGMENT, emit_header, emit_with_flags};
use crate::{HeaderBytes, InterfaceId, Secret, Transmit};
use alloc::collections::VecDeque;
use arrayvec::ArrayVec;
use bytes::Bytes;
use core::ops::Range;

/// Most packets that wait; the rest is refused, not queued.
const PACKETS_MAX: usize = 512;

/// Most octets that wait. A packet is let in as long as there are less than this.
const OCTETS_MAX: usize = 4 << 20;

/// What an empty queue may keep of its memory, in packets.
const PACKETS_KEPT: usize = 32;

/// "More fragments" in IPv4 and in IPv6.
const V4_MORE: u16 = 0x2000;
const V6_MORE: u16 = 1;

/// Most octets of headers: IP with a fragment header, and the transport's 64.
const HEADERS: usize = 128;

/// A packet that waits, checksums complete. Smaller than a [`Transmit`], because many may wait.
#[derive(Clone, Debug, Default)]
struct Packet {
    interface: InterfaceId,
    header: ArrayVec<u8, HEADERS>,
    text: Bytes,
}

impl Packet {
    fn len(&self) -> usize {
        self.header.len() + self.text.len()
    }
}

/// A bounded queue of packets to send, first in, first out.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Packet>,
    octets: usize,
    identification: Identification,
}

impl Outbox {
    /// An empty queue.
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { queue: VecDeque::new(), octets: 0, identification: Identification::new(secret) }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Packets that wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Queues a packet of nothing; false when there is no room.
    #[cfg(test)]
    pub(crate) fn push_empty(&mut self, interface: InterfaceId) -> bool {
        self.push(Packet { interface, ..Packet::default() })
    }

    /// Queues a packet; false when there is no room.
    fn push(&mut self, packet: Packet) -> bool {
        if !self.has_room(1) {
            return false;
        }
        self.octets += packet.len();
        self.queue.push_back(packet);
        true
    }

    /// Moves the oldest frame into `out`; false when there is none.
    pub(crate) fn pop(&mut self, out: &mut Transmit) -> bool {
        let Some(oldest) = self.queue.pop_front() else { return false };
        self.octets = self.octets.saturating_sub(oldest.len());
        out.clear();
        out.interface = oldest.interface;
        out.header.extend(oldest.header);
        if !oldest.text.is_empty() {
            out.text.push(oldest.text);
        }
        if self.queue.is_empty() && self.queue.capacity() > PACKETS_KEPT {
            self.queue.shrink_to(PACKETS_KEPT);
        }
        true
    }

    /// Queues a packet of a transport header of at most 64 octets and text, cut into fragments of at most `mtu`
    /// octets where it does not fit. The length and the identification in `repr` are filled in here. False when
    /// there is no room for the whole of it: nothing is queued then.
    pub(crate) fn send(
        &mut self,
        interface: InterfaceId,
        mtu: u16,
        repr: &IpRepr,
        transport: &[u8],
        text: &Bytes,
    ) -> bool {
        debug_assert!(transport.len() <= 64, "transport header too long");
        let payload_len = transport.len() + text.len();
        let number = self.identification.next(repr.source, repr.destination, repr.protocol);
        let [_, _, high, low] = number.to_be_bytes();
        let repr = IpRepr { payload_len, identification: u16::from_be_bytes([high, low]), ..*repr };
        if repr.header_len() + payload_len <= usize::from(mtu) {
            let mut header = HeaderBytes::new();
            emit_header(&repr, &mut header);
            return self.push(packet(interface, &header, transport, text, 0..payload_len));
        }
        let room = usize::from(mtu).saturating_sub(repr.header_len() + fragment_header_len(&repr));
        let step = (room & !7).max(8);
        if !self.has_room(payload_len.div_ceil(step)) {
            return false;
        }
        for start in (0..payload_len).step_by(step) {
            let end = payload_len.min(start + step);
            let mut header = HeaderBytes::new();
            emit_fragment(&repr, number, start..end, &mut header);
            let fragment = packet(interface, &header, transport, text, start..end);
            self.octets += fragment.len();
            self.queue.push_back(fragment);
        }
        true
    }

    fn has_room(&self, packets: usize) -> bool {
        self.queue.len() + packets <= PACKETS_MAX && self.octets < OCTETS_MAX
    }
}

const fn fragment_header_len(repr: &IpRepr) -> usize {
    if repr.source.is_ipv4() { 0 } else { IPV6_FRAGMENT_LEN }
}

/// Writes the headers of the fragment that carries the octets `part` of the payload of `whole` (RFC 791 §2.3,
/// RFC 8200 §4.5).
fn emit_fragment(whole: &IpRepr, number: u32, part: Range<usize>, out: &mut HeaderBytes) {
    let more = part.end < whole.payload_len;
    let offset = u16::try_from(part.start).unwrap_or(0); // a payload has at most 65,535 octets
    if whole.source.is_ipv4() {
        let repr = IpRepr { payload_len: part.len(), ..*whole };
        emit_with_flags(&repr, offset >> 3 | if more { V4_MORE } else { 0 }, out);
        return;
    }
    let payload_len = IPV6_FRAGMENT_LEN + part.len();
    emit_header(&IpRepr { payload_len, protocol: PROTOCOL_IPV6_FRAGMENT, ..*whole }, out);
    let [o0, o1] = (offset | if more { V6_MORE } else { 0 }).to_be_bytes();
    let [n0, n1, n2, n3] = number.to_be_bytes();
    let header = [whole.protocol, 0, o0, o1, n0, n1, n2, n3];
    let written = out.try_extend_from_slice(&header);
    debug_assert!(written.is_ok(), "no room for a fragment header");
}

/// The octets `part` of transport header and text behind the IP header `ip`.
fn packet(interface: InterfaceId, ip: &[u8], transport: &[u8], text: &Bytes, part: Range<usize>) -> Packet {
    let split = transport.len();
    let transport = transport.get(part.start..part.end.min(split)).unwrap_or_default();
    let mut header = ArrayVec::new();
    let written = header.try_extend_from_slice(ip).and_then(|()| header.try_extend_from_slice(transport));
    debug_assert!(written.is_ok(), "no room for a transport header");
    let text = slice(text, part.start.saturating_sub(split)..part.end.saturating_sub(split));
    Packet { interface, header, text }
}

#[cfg(test)]
mod tests {
    use super::{OCTETS_MAX, Outbox, PACKETS_KEPT, PACKETS_MAX};
    use crate::wire::ip::{Fragment, IpRepr, PROTOCOL_UDP, parse};
    use crate::{InterfaceId, Secret, Transmit};
    use alloc::vec::Vec;
    use bytes::Bytes;

    fn outbox() -> Outbox {
        Outbox::new(&Secret::from_bytes([3; 32]))
    }

    fn repr(v6: bool) -> IpRepr {
        let (source, destination) = if v6 { ("fd07::2", "fd07::1") } else { ("10.7.0.2", "10.7.0.1") };
        IpRepr {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: PROTOCOL_UDP,
            payload_len: 0,
            hop_limit: 64,
            ecn: 0,
            identification: 0,
            dont_fragment: false,
        }
    }

    fn drain(outbox: &mut Outbox) -> Vec<Bytes> {
        let mut out = Transmit::default();
        let mut all = Vec::new();
        while outbox.pop(&mut out) {
            all.push(out.to_bytes());
        }
        all
    }

    #[test]
    fn packet_that_fits_leaves_whole_and_its_text_is_not_copied() {
        for v6 in [false, true] {
            let mut outbox = outbox();
            let text = Bytes::from(Vec::from([7; 100]));
            assert!(outbox.send(InterfaceId(3), 1280, &repr(v6), b"8 octets", &text));
            let mut out = Transmit::default();
            assert!(outbox.pop(&mut out) && !outbox.pop(&mut Transmit::default()));
            assert_eq!((out.interface, out.text[0].as_ptr()), (InterfaceId(3), text.as_ptr()));
            let bytes = out.to_bytes();
            let parsed = parse(&bytes).unwrap();
            assert_eq!((parsed.fragment, parsed.payload.len()), (None, 108));
        }
    }

    #[test]
    fn packet_that_does_not_fit_leaves_in_fragments_of_multiples_of_eight() {
        for v6 in [false, true] {
            let mut outbox = outbox();
            let text: Bytes = (0..4000u16).map(|n| n.to_be_bytes()[1]).collect();
            assert!(outbox.send(InterfaceId(0), 1283, &repr(v6), b"8 octets", &text));
            let fragments = drain(&mut outbox);
            assert_eq!(fragments.len(), 4);
            let mut payload = Vec::new();
            let mut numbers = Vec::new();
            for (n, fragment) in fragments.iter().enumerate() {
                assert!(fragment.len() <= 1283);
                let parsed = parse(fragment).unwrap();
                let Some(Fragment { identification, offset, more }) = parsed.fragment else { panic!() };
                assert_eq!((usize::from(offset), more), (payload.len(), n < 3));
                assert!(parsed.payload.len().is_multiple_of(8) || !more);
                numbers.push(identification);
                payload.extend_from_slice(&fragment[parsed.payload]);
            }
            numbers.dedup();
            assert_eq!((numbers.len(), &payload[..8], &payload[8..]), (1, &b"8 octets"[..], &text[..]));
        }
    }

    #[test]
    fn packets_leave_in_the_order_they_came() {
        let mut outbox = outbox();
        for n in 0..5 {
            assert!(outbox.push_empty(InterfaceId(n)));
        }
        let mut out = Transmit::default();
        for n in 0..5 {
            assert!(outbox.pop(&mut out));
            assert_eq!(out.interface, InterfaceId(n));
        }
        assert_eq!(outbox.len(), 0);
    }

    #[test]
    fn full_queue_refuses_and_a_packet_is_queued_whole_or_not_at_all() {
        let mut outbox = outbox();
        let text = Bytes::from(Vec::from([0; 60_000]));
        let mut sent = 0;
        while outbox.send(InterfaceId(0), 1280, &repr(true), b"", &text) {
            sent += 1;
        }
        let per_packet = 60_000usize.div_ceil(1232);
        assert_eq!((sent, outbox.len()), (PACKETS_MAX / per_packet, PACKETS_MAX / per_packet * per_packet));
        while outbox.push_empty(InterfaceId(0)) {}
        assert_eq!(outbox.len(), PACKETS_MAX);
        assert_eq!(drain(&mut outbox).len(), PACKETS_MAX);
        assert!(outbox.queue.capacity() <= PACKETS_KEPT);
    }

    #[test]
    fn octets_that_wait_are_bounded() {
        let mut outbox = outbox();
        let text = Bytes::from(Vec::from([0; 65_000]));
        while outbox.send(InterfaceId(0), u16::MAX, &repr(false), b"", &text) {}
        assert!(outbox.len() * 65_020 >= OCTETS_MAX && outbox.len() * 65_020 < OCTETS_MAX + 65_020);
        drain(&mut outbox);
        assert_eq!(outbox.octets, 0);
    }
}
