//! Packets for the tests of this crate, and the oracle that judges checksums.

use super::*;
use std::net::IpAddr;
use std::num::NonZeroU16;

/// A packet whose transport checksum, `offset` octets into `transport`, is partial. The text comes in 17 pieces of
/// whatever length, odd ones too, so that sums over pieces and gathering writes are put to the test.
pub(crate) fn packet(
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    transport: &[u8],
    offset: u16,
    text: &[u8],
) -> Transmit {
    let mut frame = Transmit::default();
    let length = transport.len() + text.len();
    let start: u16 = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.header.extend([0x45, 0]);
            frame.header.extend(((20 + length) as u16).to_be_bytes());
            frame.header.extend([0xff, 0xfe, 0x40, 0, 64, protocol, 0, 0]);
            frame.header.extend(from.octets());
            frame.header.extend(to.octets());
            let mut sum = Sum::default();
            sum.add(&frame.header);
            let checksum = (!sum.fold()).to_be_bytes();
            frame.header[10..12].copy_from_slice(&checksum);
            20
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.header.extend([0x60, 0, 0, 0]);
            frame.header.extend((length as u16).to_be_bytes());
            frame.header.extend([protocol, 64]);
            frame.header.extend(from.octets());
            frame.header.extend(to.octets());
            40
        }
        _ => panic!("two families"),
    };
    frame.header.extend(transport.iter().copied());
    let layout = Layout::of(&frame.header).expect("a packet");
    let field = usize::from(start + offset);
    let sum = layout.pseudo(&frame.header, length).fold();
    frame.header[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    frame.checksum = Checksum::Partial { start, offset };
    frame.text.extend(text.chunks(text.len().div_ceil(17).max(1)).map(Bytes::copy_from_slice));
    frame
}

/// A TCP segment with `text` and FIN, PSH, ACK and CWR set.
pub(crate) fn tcp(version: u8, text: &[u8], segment_size: u16) -> Transmit {
    let [from, to] = if version == 4 { ["10.7.0.2", "10.8.0.2"] } else { ["fd07::2", "fd08::2"] };
    let header = [0, 80, 0x9c, 0x40, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 1, 0x50, 0x99, 1, 0, 0, 0, 0, 0];
    let address = |text: &str| text.parse().expect("an address");
    let mut frame = packet(address(from), address(to), TCP, &header, 16, text);
    frame.segment_size = NonZeroU16::new(segment_size);
    frame
}

/// Whether every checksum of a packet fits.
pub(crate) fn checksums_fit(packet: &[u8]) -> bool {
    let layout = Layout::of(packet).expect("a packet");
    let mut ip = Sum::default();
    ip.add(&packet[..layout.start]);
    // ICMP in IPv4 is the one without a pseudo-header.
    let mut transport = match layout.protocol {
        1 => Sum::default(),
        _ => layout.pseudo(packet, packet.len() - layout.start),
    };
    transport.add(&packet[layout.start..]);
    (layout.version == 6 || ip.fold() == 0xffff) && transport.fold() == 0xffff
}
