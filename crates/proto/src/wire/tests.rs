//! Our headers against those of another implementation, both ways.

use super::icmp::{IcmpRepr, IcmpView};
use super::ip::{self, IpRepr};
use super::udp::UdpRepr;
use crate::Checksum;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::net::{IpAddr, SocketAddr};
use etherparse::{Ipv4Options, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

const V4: ([u8; 4], [u8; 4]) = ([10, 7, 0, 1], [10, 7, 0, 2]);
const V6: ([u8; 16], [u8; 16]) = (
    [0xfd, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0xfd, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
);

fn addresses(v6: bool) -> (IpAddr, IpAddr) {
    if v6 { (V6.0.into(), V6.1.into()) } else { (V4.0.into(), V4.1.into()) }
}

/// Our header of one packet.
fn emit(v6: bool, protocol: u8, payload_len: usize, identification: u16) -> Vec<u8> {
    let (source, destination) = addresses(v6);
    let repr = IpRepr {
        source,
        destination,
        protocol,
        payload_len,
        hop_limit: 33,
        ecn: 2,
        identification,
        dont_fragment: identification % 2 == 1,
    };
    let mut header = ArrayVec::new();
    ip::emit_header(&repr, &mut header);
    header.to_vec()
}

proptest! {
    #[test]
    fn datagrams_of_the_other_are_read_alike(v6: bool, ports: (u16, u16), hops: u8, text in prop::collection::vec(any::<u8>(), 0..300), no_operations in 0usize..10) {
        let mut bytes = Vec::new();
        if v6 {
            PacketBuilder::ipv6(V6.0, V6.1, hops).udp(ports.0, ports.1).write(&mut bytes, &text).unwrap();
        } else {
            let options = Ipv4Options::try_from(&[1; 40][..no_operations * 4]).unwrap();
            let mut header = etherparse::Ipv4Header::new(0, hops, etherparse::ip_number::UDP, V4.0, V4.1).unwrap();
            header.options = options;
            PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
                .udp(ports.0, ports.1).write(&mut bytes, &text).unwrap();
        }
        let packet = ip::parse(&bytes).unwrap();
        let (source, destination) = addresses(v6);
        prop_assert_eq!((packet.source, packet.destination, packet.hop_limit), (source, destination, hops));
        let udp = UdpRepr::parse(&bytes[packet.payload.clone()], source, destination, Checksum::Unknown);
        let expected = UdpRepr {
            source: SocketAddr::new(source, ports.0),
            destination: SocketAddr::new(destination, ports.1),
            text_len: text.len(),
        };
        prop_assert_eq!(udp, Ok(expected));
        prop_assert_eq!(&bytes[packet.payload.start + 8..packet.payload.end], &text[..]);
    }

    #[test]
    fn echoes_of_the_other_are_read_alike(v6: bool, identifier: u16, sequence: u16, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = Vec::new();
        if v6 {
            PacketBuilder::ipv6(V6.0, V6.1, 9).icmpv6_echo_request(identifier, sequence).write(&mut bytes, &body).unwrap();
        } else {
            PacketBuilder::ipv4(V4.0, V4.1, 9).icmpv4_echo_request(identifier, sequence).write(&mut bytes, &body).unwrap();
        }
        let packet = ip::parse(&bytes).unwrap();
        let view = IcmpView::new(&bytes[packet.payload]).unwrap();
        prop_assert!(view.checksum_fits(packet.source, packet.destination));
        prop_assert_eq!(IcmpRepr::parse(&view, packet.source), Ok(IcmpRepr::EchoRequest { identifier, sequence }));
        prop_assert_eq!(view.body(), &body[..]);
    }

    #[test]
    fn what_we_write_the_other_reads_alike(v6: bool, ports: (u16, u16), identification: u16, text in prop::collection::vec(any::<u8>(), 0..300)) {
        let (source, destination) = addresses(v6);
        let udp = UdpRepr {
            source: SocketAddr::new(source, ports.0),
            destination: SocketAddr::new(destination, ports.1),
            text_len: text.len(),
        };
        let bytes = [&emit(v6, 17, 8 + text.len(), identification)[..], &udp.emit(&text), &text].concat();
        let other = SlicedPacket::from_ip(&bytes).unwrap();
        let Some(TransportSlice::Udp(datagram)) = other.transport else { panic!("no datagram") };
        prop_assert_eq!((datagram.source_port(), datagram.destination_port(), datagram.payload()), (ports.0, ports.1, &text[..]));
        let header = datagram.to_header();
        match other.net {
            Some(NetSlice::Ipv4(net)) => {
                let ip = net.header().to_header();
                prop_assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                prop_assert_eq!((ip.identification, ip.dont_fragment), (identification, identification % 2 == 1));
                prop_assert_eq!((ip.time_to_live, ip.ecn.value(), ip.source, ip.destination), (33, 2, V4.0, V4.1));
                prop_assert_eq!(header.calc_checksum_ipv4(&ip, &text), Ok(header.checksum));
            }
            Some(NetSlice::Ipv6(net)) => {
                let ip = net.header().to_header();
                prop_assert_eq!((ip.hop_limit, ip.traffic_class, ip.source, ip.destination), (33, 2, V6.0, V6.1));
                prop_assert_eq!(header.calc_checksum_ipv6(&ip, &text), Ok(header.checksum));
            }
            _ => prop_assert!(false, "no IP header"),
        }
    }

    #[test]
    fn chains_of_extension_headers_end_where_the_other_says(kinds in prop::collection::vec(prop::sample::select(&[60u8, 44][..]), 0..5), units in 0u8..3) {
        // Padded destination options, and fragment headers that say "whole".
        let mut chain = Vec::new();
        for (n, kind) in kinds.iter().enumerate() {
            let next = kinds.get(n + 1).copied().unwrap_or(17);
            if *kind == 44 {
                chain.extend([next, 0, 0, 0, 0, 0, 0, 1]);
            } else {
                chain.extend([next, units, 1, 4 + 8 * units]);
                chain.extend(core::iter::repeat_n(0, 4 + 8 * usize::from(units)));
            }
        }
        let first = kinds.first().copied().unwrap_or(17);
        let bytes = [&emit(true, first, chain.len() + 8, 0)[..], &chain, &[0, 9, 0, 9, 0, 8, 0, 0]].concat();
        let packet = ip::parse(&bytes).unwrap();
        let other = etherparse::Ipv6Slice::from_slice(&bytes).unwrap();
        prop_assert_eq!(packet.protocol, other.payload().ip_number.0);
        prop_assert_eq!(&bytes[packet.payload], other.payload().payload);
    }
}
