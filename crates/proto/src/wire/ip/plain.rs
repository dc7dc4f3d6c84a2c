//! The header that nearly every packet has, in few steps: TCP in a whole packet, without options or extension headers.

use super::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, PROTOCOL_TCP};
use crate::wire::checksum::fits_header_v4;
use core::ops::Range;

/// A plain packet: the octets of its addresses, and where its segment lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plain<A> {
    /// Who sent it.
    pub source: A,
    /// Whom it was sent to.
    pub destination: A,
    /// The TCP segment, up to the length that IP gives.
    pub segment: Range<usize>,
}

/// Reads the header of a plain TCP packet of IPv4. `None` for any other packet, a bad one too: [`super::parse`] has the
/// verdict. It would accept what is accepted here, with the same result.
#[inline]
#[must_use]
pub fn plain_v4(bytes: &[u8]) -> Option<Plain<[u8; 4]>> {
    let header = bytes.first_chunk::<IPV4_HEADER_LEN>()?;
    // By words, which the compiler then loads as such.
    let [first, second, third, source, destination] = header.as_chunks::<4>().0 else { return None };
    let (first, second) = (u32::from_be_bytes(*first), u32::from_be_bytes(*second));
    let (third, from) = (u32::from_be_bytes(*third), u32::from_be_bytes(*source));
    if first >> 24 != 0x45 || (third >> 16) & 0xff != u32::from(PROTOCOL_TCP) {
        return None;
    }
    let end = usize::try_from(first & 0xffff).ok()?;
    // MF and the offset of a fragment; then networks in which no source is, or with special addresses.
    let plain = second & 0x3fff == 0 && (1..=223).contains(&(from >> 24)) && from >> 24 != 127;
    let fits = (IPV4_HEADER_LEN..=bytes.len()).contains(&end) && fits_header_v4(header);
    (plain && fits).then_some(Plain {
        source: *source,
        destination: *destination,
        segment: IPV4_HEADER_LEN..end,
    })
}

/// The same for IPv6.
#[inline]
#[must_use]
pub fn plain_v6(bytes: &[u8]) -> Option<Plain<[u8; 16]>> {
    let (header, rest) = bytes.split_first_chunk::<8>()?;
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let destination = rest.first_chunk::<16>()?;
    let [0x60..=0x6f, _, _, _, l0, l1, PROTOCOL_TCP, _] = *header else { return None };
    let end = IPV6_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
    // Unspecified, loopback and mapped addresses begin with 64 zeros, multicast with eight ones.
    let special = source.first_chunk::<8>() == Some(&[0; 8]) || source[0] == 0xff;
    (!special && end <= bytes.len()).then_some(Plain {
        source: *source,
        destination: *destination,
        segment: IPV6_HEADER_LEN..end,
    })
}

#[cfg(test)]
mod tests {
    use super::{Plain, plain_v4, plain_v6};
    use crate::DropReason;
    use crate::wire::checksum::Sum;
    use crate::wire::ip::{IpPacket, IpRepr, PROTOCOL_TCP, PROTOCOL_UDP, emit_header, parse};
    use alloc::vec::Vec;
    use arrayvec::ArrayVec;
    use core::net::IpAddr;
    use proptest::prelude::*;

    /// What a plain packet is to those who ask for any packet.
    fn plain(bytes: &[u8]) -> Option<(IpAddr, IpAddr, core::ops::Range<usize>)> {
        let v4 = plain_v4(bytes).map(|Plain { source, destination, segment }| {
            (IpAddr::from(source), IpAddr::from(destination), segment)
        });
        let v6 = plain_v6(bytes).map(|Plain { source, destination, segment }| {
            (IpAddr::from(source), IpAddr::from(destination), segment)
        });
        assert!(v4.is_none() || v6.is_none(), "of two families");
        v4.or(v6)
    }

    /// Whether the general way calls it plain.
    fn is_plain(parsed: &Result<IpPacket, DropReason>, bytes: &[u8]) -> bool {
        parsed.as_ref().is_ok_and(|packet| {
            let ordinary = match packet.source {
                IpAddr::V4(v4) => v4.octets()[0] < 224,
                IpAddr::V6(v6) => v6.to_bits() >> 64 != 0,
            };
            let shortest = if packet.source.is_ipv4() { 20 } else { 40 };
            ordinary
                && packet.protocol == PROTOCOL_TCP
                && packet.fragment.is_none()
                && packet.header.end == shortest
                && (packet.source.is_ipv4() || bytes[6] == PROTOCOL_TCP)
        })
    }

    fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
        let general = parse(bytes);
        prop_assert_eq!(plain(bytes).is_some(), is_plain(&general, bytes), "{:?}", general);
        if let Some((source, destination, segment)) = plain(bytes) {
            let packet = general.unwrap();
            prop_assert_eq!(
                (packet.source, packet.destination, packet.payload),
                (source, destination, segment)
            );
        }
        Ok(())
    }

    /// Makes the header checksum of IPv4 right again.
    fn mend(bytes: &mut [u8]) {
        let len = usize::from(bytes[0] & 0x0f) * 4;
        if bytes[0] >> 4 == 4 && len >= 20 && len <= bytes.len() {
            bytes[10..12].fill(0);
            let mut sum = Sum::default();
            sum.add(&bytes[..len]);
            bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
        }
    }

    /// Addresses with something to decide about.
    fn address(v6: bool) -> BoxedStrategy<IpAddr> {
        if v6 {
            let texts =
                ["fd07::1", "2001:db8::9", "::", "::1", "::2", "ff02::1", "::ffff:10.0.0.1", "fe80::1"];
            let some = prop::sample::select(texts.map(|text| text.parse::<IpAddr>().unwrap()).to_vec());
            prop_oneof![some, any::<[u8; 16]>().prop_map(IpAddr::from)].boxed()
        } else {
            let texts = ["10.0.0.1", "0.0.0.9", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"];
            let some = prop::sample::select(texts.map(|text| text.parse::<IpAddr>().unwrap()).to_vec());
            prop_oneof![some, any::<[u8; 4]>().prop_map(IpAddr::from)].boxed()
        }
    }

    fn packet() -> impl Strategy<Value = Vec<u8>> {
        let parts = any::<bool>().prop_flat_map(|v6| {
            let protocol = prop_oneof![8 => Just(PROTOCOL_TCP), 1 => Just(PROTOCOL_UDP), 1 => any::<u8>()];
            (address(v6), address(v6), protocol, 0usize..60, any::<u8>(), any::<u16>(), 0usize..9)
        });
        parts.prop_map(|(source, destination, protocol, payload_len, hop_limit, identification, padding)| {
            let repr = IpRepr {
                source,
                destination,
                protocol,
                payload_len,
                hop_limit,
                ecn: hop_limit & 3,
                identification,
                dont_fragment: identification & 1 == 1,
            };
            let mut header = ArrayVec::new();
            emit_header(&repr, &mut header);
            let mut bytes = header.to_vec();
            bytes.extend(core::iter::repeat_n(hop_limit, payload_len + padding));
            bytes
        })
    }

    proptest! {
        #[test]
        fn well_formed_packets_fare_alike_on_both_ways(bytes in packet()) {
            agree(&bytes)?;
        }

        #[test]
        fn mutated_packets_fare_alike_on_both_ways(mut bytes in packet(), changes in prop::collection::vec((0usize..44, any::<u8>()), 1..4), cut in 0usize..200, mended: bool) {
            for (at, value) in changes {
                let len = bytes.len();
                bytes[at % len] = value;
            }
            bytes.truncate(cut.max(1));
            if mended {
                mend(&mut bytes);
            }
            agree(&bytes)?;
        }

        #[test]
        fn arbitrary_octets_fare_alike_on_both_ways(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            agree(&bytes)?;
        }
    }

    #[test]
    fn every_value_of_every_octet_of_the_headers_fares_alike_on_both_ways() {
        for (source, destination) in [("10.0.0.1", "10.0.0.2"), ("fd07::1", "fd07::2")] {
            let repr = IpRepr {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                protocol: PROTOCOL_TCP,
                payload_len: 20,
                hop_limit: 64,
                ecn: 0,
                identification: 0,
                dont_fragment: true,
            };
            let mut header = ArrayVec::new();
            emit_header(&repr, &mut header);
            let mut whole = header.to_vec();
            whole.extend([0; 24]);
            assert!(plain(&whole).is_some());
            for at in 0..header.len() {
                for value in 0..=u8::MAX {
                    let mut bytes = whole.clone();
                    bytes[at] = value;
                    agree(&bytes).unwrap();
                    mend(&mut bytes);
                    agree(&bytes).unwrap();
                }
            }
        }
    }
}
