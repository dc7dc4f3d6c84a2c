//! UDP (RFC 768, RFC 1122 §4.1, RFC 8200 §8.1).

use super::checksum::Sum;
use super::ip::PROTOCOL_UDP;
use super::u16_at;
use crate::{Checksum, DropReason};
use core::net::{IpAddr, SocketAddr};

/// Octets of a UDP header.
pub const UDP_HEADER_LEN: usize = 8;

/// A UDP header and what follows it, as they arrived.
#[derive(Clone, Copy, Debug)]
pub struct UdpView<'a> {
    header: [u16; 4],
    bytes: &'a [u8],
}

impl<'a> UdpView<'a> {
    /// Looks at the payload of an IP packet; `None` when it is shorter than a header.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let header = [u16_at(bytes, 0)?, u16_at(bytes, 2)?, u16_at(bytes, 4)?, u16_at(bytes, 6)?];
        Some(Self { header, bytes })
    }

    /// The port of the sender; zero when it wants no answer.
    pub const fn source_port(&self) -> u16 {
        self.header[0]
    }

    /// The port of the receiver.
    pub const fn destination_port(&self) -> u16 {
        self.header[1]
    }

    /// Octets of header and text, as the header has it.
    pub const fn length(&self) -> u16 {
        self.header[2]
    }

    /// The checksum field; zero for none.
    pub const fn checksum(&self) -> u16 {
        self.header[3]
    }

    /// Header and text in the length that the header gives; `None` when that is impossible.
    pub fn datagram(&self) -> Option<&'a [u8]> {
        self.bytes.get(..usize::from(self.length())).filter(|datagram| datagram.len() >= UDP_HEADER_LEN)
    }
}

/// A UDP header: from one that arrived and passed all checks, or to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpRepr {
    /// Who sends it.
    pub source: SocketAddr,
    /// Whom it is for; of the same family as `source`.
    pub destination: SocketAddr,
    /// Octets of text: at most 65,527.
    pub text_len: usize,
}

impl UdpRepr {
    /// Reads the datagram at the front of the payload of a packet from `source` to `destination`. What follows the
    /// length that the header gives is left alone.
    ///
    /// # Errors
    ///
    /// [`DropReason::UdpTruncated`] or [`DropReason::UdpChecksum`]. No checksum is an error in IPv6 only
    /// (RFC 8200 §8.1).
    pub fn parse(
        payload: &[u8],
        source: IpAddr,
        destination: IpAddr,
        checksum: Checksum,
    ) -> Result<Self, DropReason> {
        let view = UdpView::new(payload).ok_or(DropReason::UdpTruncated)?;
        let datagram = view.datagram().ok_or(DropReason::UdpTruncated)?;
        let trusted = match (view.checksum(), source) {
            (0, IpAddr::V6(_)) => return Err(DropReason::UdpChecksum),
            (0, IpAddr::V4(_)) => true,
            _ => !matches!(checksum, Checksum::Unknown),
        };
        if !trusted {
            let mut sum = Sum::pseudo_header(source, destination, PROTOCOL_UDP, u32::from(view.length()));
            sum.add(datagram);
            if sum.fold() != 0xffff {
                return Err(DropReason::UdpChecksum);
            }
        }
        Ok(Self {
            source: SocketAddr::new(source, view.source_port()),
            destination: SocketAddr::new(destination, view.destination_port()),
            text_len: datagram.len() - UDP_HEADER_LEN,
        })
    }

    /// The header over `text`, which is of `text_len` octets, with its checksum.
    #[must_use]
    pub fn emit(&self, text: &[u8]) -> [u8; UDP_HEADER_LEN] {
        let length = u16::try_from(UDP_HEADER_LEN + self.text_len).unwrap_or(u16::MAX);
        let mut header = [0; UDP_HEADER_LEN];
        header[0..2].copy_from_slice(&self.source.port().to_be_bytes());
        header[2..4].copy_from_slice(&self.destination.port().to_be_bytes());
        header[4..6].copy_from_slice(&length.to_be_bytes());
        let mut sum =
            Sum::pseudo_header(self.source.ip(), self.destination.ip(), PROTOCOL_UDP, u32::from(length));
        sum.add(&header);
        sum.add(text);
        // Zero would mean "none": its other form stands for it (RFC 768).
        let checksum = match sum.finish() {
            0 => 0xffff,
            checksum => checksum,
        };
        header[6..8].copy_from_slice(&checksum.to_be_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use super::{UDP_HEADER_LEN, UdpRepr, UdpView};
    use crate::{Checksum, DropReason};
    use alloc::vec::Vec;
    use core::net::{IpAddr, SocketAddr};
    use proptest::prelude::*;

    fn repr(v6: bool, text_len: usize) -> UdpRepr {
        let (source, destination) =
            if v6 { ("[fd07::1]:5353", "[fd07::2]:53") } else { ("10.7.0.1:5353", "10.7.0.2:53") };
        UdpRepr { source: source.parse().unwrap(), destination: destination.parse().unwrap(), text_len }
    }

    fn datagram(repr: &UdpRepr, text: &[u8]) -> Vec<u8> {
        let mut bytes = repr.emit(text).to_vec();
        bytes.extend_from_slice(text);
        bytes
    }

    fn parse(repr: &UdpRepr, bytes: &[u8]) -> Result<UdpRepr, DropReason> {
        UdpRepr::parse(bytes, repr.source.ip(), repr.destination.ip(), Checksum::Unknown)
    }

    #[test]
    fn checksum_that_comes_out_as_zero_is_sent_as_all_ones() {
        let (source, destination): (SocketAddr, SocketAddr) =
            ("0.0.0.0:0".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
        let repr = UdpRepr { source, destination, text_len: 2 };
        // Protocol 17 and twice the length 10 are 37: this text makes the sum all ones.
        let header = repr.emit(&(0xffffu16 - 37).to_be_bytes());
        assert_eq!(header[6..8], [0xff, 0xff]);
    }

    #[test]
    fn absent_checksum_is_good_in_ipv4_and_an_error_in_ipv6() {
        for v6 in [false, true] {
            let repr = repr(v6, 3);
            let mut bytes = datagram(&repr, b"abc");
            bytes[6..8].fill(0);
            let expected = if v6 { Err(DropReason::UdpChecksum) } else { Ok(repr) };
            assert_eq!(parse(&repr, &bytes), expected);
        }
    }

    #[test]
    fn wrong_checksum_is_an_error_unless_the_device_vouches_for_it() {
        let repr = repr(false, 3);
        let mut bytes = datagram(&repr, b"abc");
        bytes[8] ^= 1;
        assert_eq!(parse(&repr, &bytes), Err(DropReason::UdpChecksum));
        let vouched = UdpRepr::parse(
            &bytes,
            repr.source.ip(),
            repr.destination.ip(),
            Checksum::Partial { start: 20, offset: 6 },
        );
        assert_eq!(vouched, Ok(repr));
    }

    #[test]
    fn length_below_the_header_or_beyond_the_packet_is_truncation() {
        let repr = repr(false, 3);
        for length in [0u16, 7, 12, 0xffff] {
            let mut bytes = datagram(&repr, b"abc");
            bytes[4..6].copy_from_slice(&length.to_be_bytes());
            assert_eq!(parse(&repr, &bytes), Err(DropReason::UdpTruncated));
        }
        assert_eq!(parse(&repr, &[0; UDP_HEADER_LEN - 1]), Err(DropReason::UdpTruncated));
    }

    #[test]
    fn octets_after_the_length_of_the_header_are_left_alone() {
        let repr = repr(true, 3);
        let mut bytes = datagram(&repr, b"abc");
        bytes.extend_from_slice(b"padding");
        assert_eq!(parse(&repr, &bytes), Ok(repr));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(v6: bool, text in prop::collection::vec(any::<u8>(), 0..200)) {
            let repr = repr(v6, text.len());
            prop_assert_eq!(parse(&repr, &datagram(&repr, &text)), Ok(repr));
        }

        #[test]
        fn arbitrary_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), v6: bool) {
            let address: IpAddr = if v6 { "fd07::1".parse().unwrap() } else { "10.7.0.1".parse().unwrap() };
            let parsed = UdpRepr::parse(&bytes, address, address, Checksum::Verified);
            prop_assert_eq!(parsed.is_ok_and(|repr| repr.text_len + UDP_HEADER_LEN > bytes.len()), false);
            prop_assert_eq!(UdpView::new(&bytes).is_some(), bytes.len() >= UDP_HEADER_LEN);
        }
    }
}
