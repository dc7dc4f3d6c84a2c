//! An address of either family in two words, as tables and checksums want it.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

/// The octets of an IPv6 address, or of an IPv4 address mapped into IPv6, as two words in the machine's own order. A
/// mapped address never arrives in an IPv6 packet: those are dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C, packed(4))]
pub struct Address([u64; 2]);

impl Address {
    /// An IPv4 address.
    #[inline]
    #[must_use]
    pub const fn v4([a, b, c, d]: [u8; 4]) -> Self {
        Self([0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])])
    }

    /// An IPv6 address.
    #[inline]
    #[must_use]
    pub const fn v6(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])])
    }

    /// The octets of the IPv4 address inside; `None` for IPv6.
    #[inline]
    #[must_use]
    pub const fn to_v4(self) -> Option<[u8; 4]> {
        let [first, second] = self.0;
        let [e, f, g, h, a, b, c, d] = second.to_ne_bytes();
        if first == 0 && u32::from_be_bytes([e, f, g, h]) == 0xffff { Some([a, b, c, d]) } else { None }
    }

    /// All octets, in the order of the wire.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> [u8; 16] {
        let [first, second] = self.0;
        let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) =
            (first.to_ne_bytes(), second.to_ne_bytes());
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The last four octets: all of an IPv4 address.
    #[inline]
    pub(crate) const fn last_word(self) -> u32 {
        let [.., a, b, c, d] = self.octets();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Both words.
    #[inline]
    pub(crate) const fn words(self) -> [u64; 2] {
        self.0
    }
}

impl From<IpAddr> for Address {
    #[inline]
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self::v6(v6.octets()),
        }
    }
}

impl From<Address> for IpAddr {
    #[inline]
    fn from(address: Address) -> Self {
        match address.to_v4() {
            Some(v4) => Self::from(v4),
            None => Self::V6(Ipv6Addr::from(address.octets())),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&IpAddr::from(*self), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;

    #[test]
    fn takes_sixteen_octets_and_any_place() {
        assert_eq!((size_of::<Address>(), align_of::<Address>()), (16, 4));
    }

    proptest! {
        #[test]
        fn address_of_ipv4_is_the_mapped_one(octets: [u8; 4]) {
            let (address, v4) = (Address::v4(octets), Ipv4Addr::from(octets));
            prop_assert_eq!(address, Address::from(IpAddr::V4(v4)));
            prop_assert_eq!(address.octets(), v4.to_ipv6_mapped().octets());
            prop_assert_eq!((address.to_v4(), IpAddr::from(address)), (Some(octets), IpAddr::V4(v4)));
        }

        #[test]
        fn address_of_ipv6_keeps_its_octets(octets: [u8; 16], zeros in 0usize..12) {
            let mut octets = octets;
            octets[..zeros].fill(0);
            let (address, v6) = (Address::v6(octets), Ipv6Addr::from(octets));
            prop_assert_eq!(address, Address::from(IpAddr::V6(v6)));
            prop_assert_eq!(address.octets(), octets);
            prop_assert_eq!(address.to_v4(), v6.to_ipv4_mapped().map(|v4| v4.octets()));
        }
    }
}
