//! IPv4 (RFC 791, RFC 1122) and IPv6 (RFC 8200): one kind of packet above this file.

mod extension;
mod plain;
#[cfg(test)]
mod tests;

use super::checksum::Sum;
use crate::{DropReason, HeaderBytes};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::Range;
pub use plain::{Plain, plain_v4, plain_v6};

/// ICMP for IPv4.
pub const PROTOCOL_ICMP: u8 = 1;
/// TCP.
pub const PROTOCOL_TCP: u8 = 6;
/// UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// The IPv6 fragment header.
pub const PROTOCOL_IPV6_FRAGMENT: u8 = 44;
/// ICMP for IPv6.
pub const PROTOCOL_ICMPV6: u8 = 58;
/// "No next header" (RFC 8200 §4.7): nothing follows.
pub const PROTOCOL_NONE: u8 = 59;

/// Octets of an IPv4 header without options.
pub const IPV4_HEADER_LEN: usize = 20;
/// Octets of the IPv6 header without extension headers.
pub const IPV6_HEADER_LEN: usize = 40;
/// Octets of the IPv6 fragment header.
pub const IPV6_FRAGMENT_LEN: usize = 8;

/// ECN: the path has seen congestion (RFC 3168 §5).
pub const ECN_CE: u8 = 0b11;

/// Which part of a packet a fragment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// What the fragments of one packet have in common; 16 bits in IPv4, 32 in IPv6.
    pub identification: u32,
    /// Where the payload belongs, in octets: a multiple of eight.
    pub offset: u16,
    /// Whether more follows (M or MF).
    pub more: bool,
}

/// A packet whose header has passed every check of RFC 791, RFC 1122 §3.2.1 and RFC 8200. It names parts of the
/// octets it was parsed from; what follows the length that IP gives is padding and belongs to no part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpPacket {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it was sent to.
    pub destination: IpAddr,
    /// What the payload is: the protocol of IPv4, the last next header of IPv6.
    pub protocol: u8,
    /// The whole header, options and extension headers included.
    pub header: Range<usize>,
    /// What follows the header, up to the length that IP gives.
    pub payload: Range<usize>,
    /// TTL or hop limit, as it arrived.
    pub hop_limit: u8,
    /// The two ECN bits (RFC 3168 §5).
    pub ecn: u8,
    /// The identification of an IPv4 packet; zero for IPv6, which has one only in fragments.
    pub identification: u16,
    /// Set when this is a part of a packet. An IPv6 packet with a fragment header that is the whole packet all the
    /// same (RFC 6946) is no fragment.
    pub fragment: Option<Fragment>,
}

/// What ICMPv6 says about a header that was refused (RFC 4443 §3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The code of the parameter problem message.
    pub(crate) code: u8,
    /// The octet at fault, counted from the IPv6 header.
    pub(crate) pointer: u32,
}

/// Why a packet was refused, and what its sender may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Refusal {
    reason: DropReason,
    problem: Option<Problem>,
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self { reason, problem: None }
    }
}

/// Reads an IP header of either family.
///
/// # Errors
///
/// The reason to drop the packet: a header that is cut short or contradicts itself, a wrong IPv4 header checksum, a
/// source that cannot be one, source routing, an extension header that asks for the packet to be dropped.
pub fn parse(bytes: &[u8]) -> Result<IpPacket, DropReason> {
    parse_or_refuse(bytes).map_err(|refusal| refusal.reason)
}

/// What to tell the sender of a packet that [`parse`] refused, where RFC 8200 wants it told.
pub(crate) fn problem(bytes: &[u8]) -> Option<Problem> {
    parse_or_refuse(bytes).err()?.problem
}

/// The addresses of an IPv6 packet, whether the rest is good or not.
pub(crate) fn addresses_v6(bytes: &[u8]) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let (_, addresses) = bytes.split_first_chunk::<8>()?;
    let (source, rest) = addresses.split_first_chunk::<16>()?;
    Some(((*source).into(), (*rest.first_chunk::<16>()?).into()))
}

/// Where the field lies that names the protocol of `packet`: an ICMPv6 pointer.
pub(crate) fn next_header_at(bytes: &[u8]) -> u32 {
    extension::walk(bytes).map_or(0, |chain| u32::try_from(chain.named_at).unwrap_or(0))
}

fn parse_or_refuse(bytes: &[u8]) -> Result<IpPacket, Refusal> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => parse_v4(bytes).map_err(Refusal::from),
        Some(6) => parse_v6(bytes),
        Some(_) => Err(DropReason::IpVersion.into()),
        None => Err(DropReason::IpTruncated.into()),
    }
}

// Ledger: RFC 9293 MUST-63 [1122-1, 1122-7].
fn parse_v4(bytes: &[u8]) -> Result<IpPacket, DropReason> {
    let Some((fixed, _)) = bytes.split_first_chunk::<IPV4_HEADER_LEN>() else {
        return Err(DropReason::IpTruncated);
    };
    let [first, service, l0, l1, i0, i1, f0, f1, hop_limit, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
        *fixed;
    let header_len = usize::from(first & 0x0f) * 4;
    if header_len < IPV4_HEADER_LEN {
        return Err(DropReason::IpHeaderLength);
    }
    let header = bytes.get(..header_len).ok_or(DropReason::IpHeaderLength)?;
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    if total < header_len || total > bytes.len() {
        return Err(DropReason::IpTotalLength);
    }
    let mut sum = Sum::default();
    sum.add(header);
    if sum.fold() != 0xffff {
        return Err(DropReason::IpHeaderChecksum); // RFC 1122 §3.2.1.2
    }
    let source = Ipv4Addr::new(s0, s1, s2, s3);
    // 0.0.0.0/8 is a source only while a host learns its address (RFC 1122 §3.2.1.3), which is not done here.
    if source.is_multicast() || source.is_broadcast() || source.is_loopback() || s0 == 0 {
        return Err(DropReason::IpSource);
    }
    check_options(header.get(IPV4_HEADER_LEN..).unwrap_or_default())?;
    let identification = u16::from_be_bytes([i0, i1]);
    let field = u16::from_be_bytes([f0, f1]);
    let (offset, more) = ((field & 0x1fff) << 3, field & 0x2000 != 0);
    let fragment =
        (offset != 0 || more).then_some(Fragment { identification: u32::from(identification), offset, more });
    Ok(IpPacket {
        source: IpAddr::V4(source),
        destination: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        protocol,
        header: 0..header_len,
        payload: header_len..total,
        hop_limit,
        ecn: service & 0b11,
        identification,
        fragment,
    })
}

/// Walks over IPv4 options. All are skipped but source routes, whose packets are dropped: a host that obeys them
/// lends its address to others (RFC 6274 §3.13.2.3).
/// Ledger: RFC 9293 MUST-50, MUST-53.
fn check_options(mut options: &[u8]) -> Result<(), DropReason> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    while let Some((&kind, rest)) = options.split_first() {
        match kind {
            END => return Ok(()),
            NO_OPERATION => options = rest,
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return Err(DropReason::ExtensionHeader),
            _ => {
                let length = rest.first().map_or(0, |length| usize::from(*length));
                if length < 2 {
                    return Err(DropReason::IpHeaderLength);
                }
                options = options.get(length..).ok_or(DropReason::IpHeaderLength)?;
            }
        }
    }
    Ok(())
}

// Ledger: [1122-1].
fn parse_v6(bytes: &[u8]) -> Result<IpPacket, Refusal> {
    let (Some((fixed, _)), Some((source, destination))) =
        (bytes.split_first_chunk::<8>(), addresses_v6(bytes))
    else {
        return Err(DropReason::IpTruncated.into());
    };
    let [v0, v1, _, _, l0, l1, protocol, hop_limit] = *fixed;
    let end = IPV6_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
    let whole = bytes.get(..end).ok_or(DropReason::IpTotalLength)?;
    let mapped = source.to_ipv4_mapped().is_some();
    if source.is_multicast() || source.is_unspecified() || source.is_loopback() || mapped {
        return Err(DropReason::IpSource.into());
    }
    let chain = match protocol {
        PROTOCOL_TCP | PROTOCOL_UDP => extension::Chain::none(protocol),
        _ => extension::walk(whole)?,
    };
    Ok(IpPacket {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        protocol: chain.protocol,
        header: 0..chain.payload_at,
        payload: chain.payload_at..end,
        hop_limit,
        ecn: ((v0 << 4) | (v1 >> 4)) & 0b11,
        identification: 0,
        fragment: chain.fragment,
    })
}

/// An IP header to be written. The family is that of the addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpRepr {
    /// Who sends it.
    pub source: IpAddr,
    /// Whom it is for; of the same family as `source`.
    pub destination: IpAddr,
    /// What the payload is.
    pub protocol: u8,
    /// Octets that follow the header: at most 65,515 for IPv4, 65,535 for IPv6.
    pub payload_len: usize,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// The two ECN bits.
    pub ecn: u8,
    /// IPv4: the identification. Unique for a while unless `dont_fragment` (RFC 6864 §4). IPv6 has none.
    pub identification: u16,
    /// IPv4: no router may fragment it. IPv6 never lets them.
    pub dont_fragment: bool,
}

impl IpRepr {
    /// Octets of the header that [`emit_header`] writes.
    pub const fn header_len(&self) -> usize {
        match (self.source, self.destination) {
            (IpAddr::V4(_), IpAddr::V4(_)) => IPV4_HEADER_LEN,
            _ => IPV6_HEADER_LEN,
        }
    }
}

/// Appends the header of `repr`: 20 octets of IPv4 with its checksum, or 40 of IPv6. `out` must have room for it.
pub fn emit_header(repr: &IpRepr, out: &mut HeaderBytes) {
    let flags = if repr.dont_fragment { 0x4000 } else { 0 };
    emit_with_flags(repr, flags, out);
}

/// As [`emit_header`], with the flags and the fragment offset of IPv4 as they stand in the header.
pub(crate) fn emit_with_flags(repr: &IpRepr, flags: u16, out: &mut HeaderBytes) {
    let written = match (repr.source, repr.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.try_extend_from_slice(&header_v4(repr, source, destination, flags))
        }
        (source, destination) => out.try_extend_from_slice(&header_v6(repr, v6(source), v6(destination))),
    };
    debug_assert!(written.is_ok(), "no room for an IP header");
}

/// An IPv4 address in a packet of IPv6 can only be a mapped one.
const fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn header_v4(repr: &IpRepr, source: Ipv4Addr, destination: Ipv4Addr, flags: u16) -> [u8; IPV4_HEADER_LEN] {
    let total = u16::try_from(IPV4_HEADER_LEN + repr.payload_len).unwrap_or(u16::MAX);
    let first = u16::from_be_bytes([0x45, repr.ecn & 0b11]);
    let life = u16::from_be_bytes([repr.hop_limit, repr.protocol]);
    let fixed = u32::from(first)
        + u32::from(total)
        + u32::from(repr.identification)
        + u32::from(flags)
        + u32::from(life);
    // The pseudo-header sum takes any small number for its length: here the rest of the header.
    let sum = Sum::pseudo_header(IpAddr::V4(source), IpAddr::V4(destination), 0, fixed).finish();

    let mut header = [0; IPV4_HEADER_LEN];
    header[0..2].copy_from_slice(&first.to_be_bytes());
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[4..6].copy_from_slice(&repr.identification.to_be_bytes());
    header[6..8].copy_from_slice(&flags.to_be_bytes());
    header[8..10].copy_from_slice(&life.to_be_bytes());
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    header
}

fn header_v6(repr: &IpRepr, source: Ipv6Addr, destination: Ipv6Addr) -> [u8; IPV6_HEADER_LEN] {
    let length = u16::try_from(repr.payload_len).unwrap_or(u16::MAX);
    let mut header = [0; IPV6_HEADER_LEN];
    header[0..2].copy_from_slice(&[0x60, (repr.ecn & 0b11) << 4]);
    header[4..6].copy_from_slice(&length.to_be_bytes());
    header[6..8].copy_from_slice(&[repr.protocol, repr.hop_limit]);
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    header
}
