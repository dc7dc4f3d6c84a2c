//! Packets made by hand, with good checksums.

use bytes::Bytes;
use linger_proto::wire::checksum::Sum;
use linger_proto::wire::icmp::IcmpRepr;
use linger_proto::wire::ip::{self, IpRepr, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP};
use linger_proto::wire::tcp::{self, Flags, Header};
use linger_proto::{SeqNum, Transmit};
use std::net::{IpAddr, SocketAddr};

/// An IP packet around `payload`.
pub(crate) fn ip_packet(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Bytes {
    let mut out = Transmit::default();
    let repr = IpRepr {
        source,
        destination,
        protocol,
        payload_len: payload.len(),
        hop_limit: 64,
        ecn: 0,
        identification: 1,
        dont_fragment: true,
    };
    ip::emit_header(&repr, &mut out.header);
    out.text.push(Bytes::copy_from_slice(payload));
    out.to_bytes()
}

/// A header with these flags and numbers; ports, options and the rest are up to the caller.
pub(crate) fn header(flags: Flags, seq: SeqNum, ack: SeqNum) -> Header {
    Header { flags, seq, ack, wnd: 0xffff, ..Header::default() }
}

/// A TCP packet. The ports in `header` are those of the addresses.
pub(crate) fn segment(source: SocketAddr, destination: SocketAddr, header: &Header, text: &[u8]) -> Bytes {
    let header = Header { source: source.port(), destination: destination.port(), ..header.clone() };
    let len = tcp::HEADER_LEN + header.options.wire_len() + text.len();
    let len = u32::try_from(len).expect("a small segment");
    let mut sum = Sum::pseudo_header(source.ip(), destination.ip(), PROTOCOL_TCP, len);
    let mut unsummed = Transmit::default();
    tcp::emit(&header, 0, &mut unsummed.header);
    sum.add(&unsummed.header);
    sum.add(text);
    let mut out = Transmit::default();
    tcp::emit(&header, sum.finish(), &mut out.header);
    out.text.push(Bytes::copy_from_slice(text));
    ip_packet(source.ip(), destination.ip(), PROTOCOL_TCP, &out.to_bytes())
}

/// An ICMP packet of the family of the addresses.
pub(crate) fn icmp(source: IpAddr, destination: IpAddr, repr: &IcmpRepr, body: &[u8]) -> Bytes {
    let mut message = repr.emit(source, destination, body).to_vec();
    message.extend_from_slice(body);
    let protocol = if source.is_ipv4() { PROTOCOL_ICMP } else { PROTOCOL_ICMPV6 };
    ip_packet(source, destination, protocol, &message)
}

/// A TCP packet with one octet replaced, and its checksum corrected. `choose` is given the segment and says which
/// octet becomes what.
pub(crate) fn with_octet(packet: &[u8], choose: impl FnOnce(&[u8]) -> (usize, u8)) -> Bytes {
    let parsed = ip::parse(packet).expect("an IP packet");
    let mut segment = packet[parsed.payload].to_vec();
    let (place, value) = choose(&segment);
    segment[place] = value;
    let at = usize::from(tcp::CHECKSUM_OFFSET);
    segment[at..at + 2].fill(0);
    let len = u32::try_from(segment.len()).expect("a small segment");
    let mut sum = Sum::pseudo_header(parsed.source, parsed.destination, PROTOCOL_TCP, len);
    sum.add(&segment);
    segment[at..at + 2].copy_from_slice(&sum.finish().to_be_bytes());
    ip_packet(parsed.source, parsed.destination, PROTOCOL_TCP, &segment)
}
