//! Packets made by hand: right in every field unless the test says otherwise.

use arrayvec::ArrayVec;
use linger_proto::wire::checksum::Sum;
use linger_proto::wire::tcp::{self, Header};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Which IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The address of the host under test.
    pub(crate) fn us(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 7, 0, 2).into(),
            Self::V6 => Ipv6Addr::new(0xfd07, 0, 0, 0, 0, 0, 0, 2).into(),
        }
    }

    /// The address of the peer that the test plays.
    pub(crate) fn peer(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 7, 0, 1).into(),
            Self::V6 => Ipv6Addr::new(0xfd07, 0, 0, 0, 0, 0, 0, 1).into(),
        }
    }

    pub(crate) const fn icmp_protocol(self) -> u8 {
        match self {
            Self::V4 => ICMP,
            Self::V6 => ICMPV6,
        }
    }

    /// A packet from the peer to us.
    pub(crate) fn packet(self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::V4 => V4 { protocol, ..V4::default() }.packet(payload),
            Self::V6 => V6 { next_header: protocol, ..V6::default() }.packet(payload),
        }
    }

    /// A fragment of a packet from the peer to us; `offset` in octets.
    pub(crate) fn fragment(self, number: u16, offset: u16, more: bool, protocol: u8, part: &[u8]) -> Vec<u8> {
        match self {
            Self::V4 => {
                let field = (offset / 8) | if more { 0x2000 } else { 0 };
                V4 { protocol, identification: number, field, ..V4::default() }.packet(part)
            }
            Self::V6 => {
                let payload = [&fragment_v6(protocol, number, offset, more)[..], part].concat();
                V6 { next_header: 44, ..V6::default() }.packet(&payload)
            }
        }
    }
}

/// An IPv4 header.
#[derive(Clone, Copy)]
pub(crate) struct V4<'a> {
    pub(crate) service: u8,
    pub(crate) identification: u16,
    /// Flags and fragment offset as they stand in the header.
    pub(crate) field: u16,
    pub(crate) protocol: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// A multiple of four octets.
    pub(crate) options: &'a [u8],
}

impl Default for V4<'_> {
    fn default() -> Self {
        Self {
            service: 0,
            identification: 0x1234,
            field: 0,
            protocol: TCP,
            source: Family::V4.peer(),
            destination: Family::V4.us(),
            options: &[],
        }
    }
}

impl V4<'_> {
    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let mut packet = vec![0; header_len];
        packet[0] = 0x40 | u8::try_from(header_len / 4).unwrap();
        packet[1] = self.service;
        packet[2..4].copy_from_slice(&u16::try_from(header_len + payload.len()).unwrap().to_be_bytes());
        packet[4..6].copy_from_slice(&self.identification.to_be_bytes());
        packet[6..8].copy_from_slice(&self.field.to_be_bytes());
        packet[8..10].copy_from_slice(&[64, self.protocol]);
        packet[12..16].copy_from_slice(&v4(self.source).octets());
        packet[16..20].copy_from_slice(&v4(self.destination).octets());
        packet[20..].copy_from_slice(self.options);
        packet.extend_from_slice(payload);
        sum_v4_header(&mut packet);
        packet
    }
}

/// An IPv6 header.
#[derive(Clone, Copy)]
pub(crate) struct V6 {
    pub(crate) next_header: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
}

impl Default for V6 {
    fn default() -> Self {
        Self { next_header: TCP, source: Family::V6.peer(), destination: Family::V6.us() }
    }
}

impl V6 {
    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
        packet[6..8].copy_from_slice(&[self.next_header, 64]);
        packet[8..24].copy_from_slice(&v6(self.source).octets());
        packet[24..40].copy_from_slice(&v6(self.destination).octets());
        packet.extend_from_slice(payload);
        packet
    }
}

fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => panic!("{v6} in a packet of IPv4"),
    }
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// An extension header of IPv6 that is not the fragment header: padded with zeros to whole units of eight octets.
pub(crate) fn extension(next_header: u8, body: &[u8]) -> Vec<u8> {
    let units = (2 + body.len()).div_ceil(8);
    let mut header = vec![next_header, u8::try_from(units - 1).unwrap()];
    header.extend_from_slice(body);
    header.resize(units * 8, 0);
    header
}

/// The fragment header of IPv6; `offset` in octets.
pub(crate) fn fragment_v6(next_header: u8, number: u16, offset: u16, more: bool) -> [u8; 8] {
    let [o0, o1] = ((offset & !7) | u16::from(more)).to_be_bytes();
    let [n0, n1] = number.to_be_bytes();
    [next_header, 0, o0, o1, 0, 0, n0, n1]
}

/// What the checksum field of `segment` should hold, which must be zero there now.
pub(crate) fn transport_sum(source: IpAddr, destination: IpAddr, protocol: u8, segment: &[u8]) -> [u8; 2] {
    let length = u32::try_from(segment.len()).unwrap();
    let mut sum = if protocol == ICMP {
        Sum::default()
    } else {
        Sum::pseudo_header(source, destination, protocol, length)
    };
    sum.add(segment);
    sum.finish().to_be_bytes()
}

/// A TCP packet from the peer to us.
pub(crate) fn tcp_packet(family: Family, header: &Header, text: &[u8]) -> Vec<u8> {
    let mut out = ArrayVec::new();
    tcp::emit(header, 0, &mut out);
    let mut segment = out.to_vec();
    segment.extend_from_slice(text);
    let mut packet = family.packet(TCP, &segment);
    resum(&mut packet);
    packet
}

/// A UDP datagram from port 5353 of the peer, with its checksum.
pub(crate) fn udp(family: Family, port: u16, text: &[u8]) -> Vec<u8> {
    let mut datagram = 5353u16.to_be_bytes().to_vec();
    datagram.extend_from_slice(&port.to_be_bytes());
    datagram.extend_from_slice(&u16::try_from(8 + text.len()).unwrap().to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(text);
    let sum = transport_sum(family.peer(), family.us(), UDP, &datagram);
    datagram[6..8].copy_from_slice(&sum);
    datagram
}

/// The packet of [`udp`].
pub(crate) fn udp_packet(family: Family, port: u16, text: &[u8]) -> Vec<u8> {
    family.packet(UDP, &udp(family, port, text))
}

/// An ICMP message with its checksum.
pub(crate) fn icmp(family: Family, kind: u8, code: u8, word: u32, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend_from_slice(&word.to_be_bytes());
    message.extend_from_slice(body);
    let sum = transport_sum(family.peer(), family.us(), family.icmp_protocol(), &message);
    message[2..4].copy_from_slice(&sum);
    message
}

/// The packet of [`icmp`].
pub(crate) fn icmp_packet(family: Family, kind: u8, code: u8, word: u32, body: &[u8]) -> Vec<u8> {
    family.packet(family.icmp_protocol(), &icmp(family, kind, code, word, body))
}

fn sum_v4_header(packet: &mut [u8]) {
    let header_len = usize::from(packet[0] & 0x0f) * 4;
    let Some(header) = packet.get_mut(..header_len).filter(|header| header.len() >= 20) else { return };
    header[10..12].fill(0);
    let mut sum = Sum::default();
    sum.add(header);
    header[10..12].copy_from_slice(&sum.finish().to_be_bytes());
}

/// Makes every checksum right that can be found, so that what else is wrong is what gets judged.
pub(crate) fn resum(packet: &mut [u8]) {
    let Some(version) = packet.first().map(|first| first >> 4) else { return };
    let (source, destination, protocol, start, end): (IpAddr, IpAddr, u8, usize, usize) = match version {
        4 if packet.len() >= 20 => {
            sum_v4_header(packet);
            let address = |at: usize| -> IpAddr {
                Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]).into()
            };
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            (address(12), address(16), packet[9], usize::from(packet[0] & 0x0f) * 4, total)
        }
        6 if packet.len() >= 40 => {
            let address = |at: usize| -> IpAddr {
                let octets: [u8; 16] = packet[at..at + 16].try_into().unwrap();
                Ipv6Addr::from(octets).into()
            };
            let end = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            (address(8), address(24), packet[6], 40, end)
        }
        _ => return,
    };
    let field = match protocol {
        TCP => 16,
        UDP => 6,
        ICMP | ICMPV6 => 2,
        _ => return,
    };
    let Some(segment) = packet.get_mut(start..end).filter(|segment| segment.len() >= field + 2) else {
        return;
    };
    segment[field..field + 2].fill(0);
    let sum = transport_sum(source, destination, protocol, segment);
    segment[field..field + 2].copy_from_slice(&sum);
}
