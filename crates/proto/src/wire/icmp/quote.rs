//! The packet that an ICMP error quotes: one of ours, seen from here, and as a rule cut short.

use super::{u16_at, u32_at};
use crate::wire::ip::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, PROTOCOL_IPV6_FRAGMENT, PROTOCOL_TCP, PROTOCOL_UDP, addresses_v6,
};
use crate::{FourTuple, SeqNum};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A quoted packet, as far as routers must quote it: the IP header and 64 bits (RFC 792).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quote {
    /// Octets of the whole packet when it was sent.
    pub total_length: u16,
    /// Who sent it: this host, if the error is honest.
    pub source: IpAddr,
    /// Whom it was sent to.
    pub destination: IpAddr,
    /// What it carried.
    pub transport: QuotedTransport,
}

/// What a quoted packet carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuotedTransport {
    /// A TCP segment.
    Tcp(QuotedTcp),
    /// A UDP datagram; `local` is its source.
    Udp(FourTuple),
    /// Something else, by its protocol number.
    Other(u8),
}

/// A quoted TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotedTcp {
    /// The connection as this host sees it: `local` is the source of the quoted segment.
    pub tuple: FourTuple,
    /// SEG.SEQ of the quoted segment, to be compared with what is in flight (RFC 5927 §4).
    pub seq: SeqNum,
}

impl Quote {
    /// Reads the body of an ICMP error from an address of the family of `family`. The quoted header is taken as it
    /// is: routers have changed it on the way and not always its checksum. `None` when it is too short to say
    /// anything, of the other family, or no first fragment.
    pub fn parse(body: &[u8], family: IpAddr) -> Option<Self> {
        match (body.first()? >> 4, family) {
            (4, IpAddr::V4(_)) => Self::parse_v4(body),
            (6, IpAddr::V6(_)) => Self::parse_v6(body),
            _ => None,
        }
    }

    fn parse_v4(body: &[u8]) -> Option<Self> {
        let (fixed, _) = body.split_first_chunk::<IPV4_HEADER_LEN>()?;
        let [first, _, _, _, _, _, _, _, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *fixed;
        let header_len = usize::from(first & 0x0f) * 4;
        if header_len < IPV4_HEADER_LEN || u16_at(body, 6)? & 0x1fff != 0 {
            return None;
        }
        let source = IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3));
        let destination = IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3));
        let transport = transport(body.get(header_len..)?, protocol, source, destination)?;
        Some(Self { total_length: u16_at(body, 2)?, source, destination, transport })
    }

    fn parse_v6(body: &[u8]) -> Option<Self> {
        let (source, destination) = addresses_v6(body)?;
        let (source, destination) = (IpAddr::V6(source), IpAddr::V6(destination));
        let total = u16_at(body, 4)?.saturating_add(40);
        let (protocol, rest) = transport_v6(body)?;
        let transport = transport(rest, protocol, source, destination)?;
        Some(Self { total_length: total, source, destination, transport })
    }
}

/// The transport protocol of an IPv6 packet and what of it is there, whatever its extension headers say. `None` when
/// it is cut short before that or is a fragment other than the first.
pub(crate) fn transport_v6(packet: &[u8]) -> Option<(u8, &[u8])> {
    let (mut protocol, mut rest) = (*packet.get(6)?, packet.get(IPV6_HEADER_LEN..)?);
    // Hop-by-hop, routing, fragment and destination headers: each takes eight octets at least, so this ends.
    while matches!(protocol, 0 | 43 | PROTOCOL_IPV6_FRAGMENT | 60) {
        let fragment = protocol == PROTOCOL_IPV6_FRAGMENT;
        if fragment && u16_at(rest, 2)? >> 3 != 0 {
            return None;
        }
        let units = if fragment { 0 } else { usize::from(*rest.get(1)?) };
        (protocol, rest) = (*rest.first()?, rest.get((units + 1) * 8..)?);
    }
    Some((protocol, rest))
}

fn transport(bytes: &[u8], protocol: u8, source: IpAddr, destination: IpAddr) -> Option<QuotedTransport> {
    if !matches!(protocol, PROTOCOL_TCP | PROTOCOL_UDP) {
        return Some(QuotedTransport::Other(protocol));
    }
    let tuple = FourTuple {
        local: SocketAddr::new(source, u16_at(bytes, 0)?),
        remote: SocketAddr::new(destination, u16_at(bytes, 2)?),
    };
    match protocol {
        PROTOCOL_TCP => Some(QuotedTransport::Tcp(QuotedTcp { tuple, seq: SeqNum(u32_at(bytes, 4)?) })),
        _ => Some(QuotedTransport::Udp(tuple)),
    }
}
