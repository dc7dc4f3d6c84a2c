//! The name of a connection inside the tables: both addresses and ports, 36 octets for either family.

use crate::FourTuple;
use crate::sip::Sip;
use crate::wire::address::Address;
use core::net::{IpAddr, SocketAddr};

/// Addresses and ports of both ends.
/// Ledger: RFC 9293 MUST-45.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    local: Address,
    remote: Address,
    /// The local one on top: one word is compared at once.
    ports: u32,
}

impl Key {
    pub(crate) fn new(local: IpAddr, local_port: u16, remote: IpAddr, remote_port: u16) -> Self {
        Self::between(local.into(), remote.into()).with_ports(local_port, remote_port)
    }

    /// The ends of an arriving packet, ports still missing.
    #[inline]
    pub(crate) fn between(local: Address, remote: Address) -> Self {
        Self { local, remote, ports: 0 }
    }

    /// The same ends with other ports.
    #[inline]
    #[must_use]
    pub(crate) fn with_ports(self, local_port: u16, remote_port: u16) -> Self {
        Self { ports: u32::from(local_port) << 16 | u32::from(remote_port), ..self }
    }

    /// The same, both ports in one word, the local one on top.
    #[inline]
    #[must_use]
    pub(crate) fn with_both_ports(self, ports: u32) -> Self {
        Self { ports, ..self }
    }

    /// Whether it is of IPv4, with these addresses, and with the ports as the peer writes them.
    #[inline]
    pub(crate) fn is_v4(&self, local: [u8; 4], remote: [u8; 4], ports: [u8; 4]) -> bool {
        let ([a, b], [c, d]) = (self.local.words(), self.remote.words());
        let ([e, f], [g, h]) = (Address::v4(local).words(), Address::v4(remote).words());
        self.ports == u32::from_be_bytes(ports).rotate_left(16) && b == f && d == h && a == e && c == g
    }

    /// Both addresses, the local one first.
    #[inline]
    pub(crate) fn addresses(&self) -> (Address, Address) {
        (self.local, self.remote)
    }

    pub(crate) fn from_tuple(tuple: &FourTuple) -> Self {
        Self::new(tuple.local.ip(), tuple.local.port(), tuple.remote.ip(), tuple.remote.port())
    }

    pub(crate) fn tuple(&self) -> FourTuple {
        FourTuple {
            local: SocketAddr::new(self.local(), self.local_port()),
            remote: SocketAddr::new(self.remote(), self.remote_port()),
        }
    }

    pub(crate) fn local(&self) -> IpAddr {
        self.local.into()
    }

    pub(crate) fn remote(&self) -> IpAddr {
        self.remote.into()
    }

    #[inline]
    pub(crate) fn local_port(&self) -> u16 {
        (self.ports >> 16) as u16
    }

    #[inline]
    pub(crate) fn remote_port(&self) -> u16 {
        (self.ports & 0xffff) as u16
    }

    /// Both ports in one word, the local one on top.
    #[inline]
    pub(crate) fn ports(&self) -> u32 {
        self.ports
    }

    #[inline]
    pub(crate) fn is_ipv6(&self) -> bool {
        self.remote.to_v4().is_none()
    }

    /// A keyed hash of everything in it: two words for IPv4, five for IPv6.
    #[inline]
    pub(crate) fn hash<const C: usize, const D: usize>(&self, sip: &Sip<C, D>) -> u64 {
        let ports = u64::from(self.ports());
        match self.remote.to_v4() {
            Some(remote) => {
                let local = self.local.last_word().swap_bytes();
                sip.hash([u64::from(u32::from_le_bytes(remote)) << 32 | u64::from(local)], ports | 12 << 56)
            }
            None => {
                let ([a, b], [c, d]) = (self.local.words(), self.remote.words());
                sip.hash([a, b, c, d].map(u64::to_le), ports | 36 << 56)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Sip13;
    use alloc::string::ToString;
    use core::hash::Hasher;
    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    #[test]
    fn tuple_survives_the_key_in_both_families() {
        for (local, remote) in [("10.0.0.1:80", "10.0.0.2:40000"), ("[fd00::1]:80", "[fd00::2]:40000")] {
            let tuple = FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
            let key = Key::from_tuple(&tuple);
            assert_eq!(key.tuple(), tuple);
            assert_eq!(key.is_ipv6(), remote.to_string().starts_with('['));
        }
    }

    proptest! {
        #[test]
        fn hash_is_that_of_addresses_and_ports_in_order(secret: [u8; 16], v6: bool, local: [u8; 16], remote: [u8; 16], ports: (u16, u16)) {
            let address = |octets: [u8; 16]| -> IpAddr {
                if v6 { octets.into() } else { [octets[0], octets[1], octets[2], octets[3]].into() }
            };
            let octets = |address| match address {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            let (local, remote) = (address(local), address(remote));
            let words = [&octets(local)[..], &octets(remote), &ports.1.to_le_bytes(), &ports.0.to_le_bytes()].concat();
            let mut other = SipHasher13::new_with_key(&secret);
            other.write(&words);
            let key = Key::new(local, ports.0, remote, ports.1);
            prop_assert_eq!(key.hash(&Sip13::new(secret)), other.finish());
        }
    }
}
