//! The name of a connection inside the tables: both addresses and ports, 36 octets for either family.

use crate::FourTuple;
use core::hash::Hasher;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Addresses as IPv6, IPv4 mapped into it. A mapped address never arrives in an IPv6 packet: those are dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: u16,
    remote_port: u16,
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn address(octets: [u8; 16]) -> IpAddr {
    let v6 = Ipv6Addr::from(octets);
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

impl Key {
    pub(crate) fn new(local: IpAddr, local_port: u16, remote: IpAddr, remote_port: u16) -> Self {
        Self { local: octets(local), remote: octets(remote), local_port, remote_port }
    }

    pub(crate) fn from_tuple(tuple: &FourTuple) -> Self {
        Self::new(tuple.local.ip(), tuple.local.port(), tuple.remote.ip(), tuple.remote.port())
    }

    pub(crate) fn tuple(&self) -> FourTuple {
        FourTuple {
            local: SocketAddr::new(self.local(), self.local_port),
            remote: SocketAddr::new(self.remote(), self.remote_port),
        }
    }

    pub(crate) fn local(&self) -> IpAddr {
        address(self.local)
    }

    pub(crate) fn remote(&self) -> IpAddr {
        address(self.remote)
    }

    pub(crate) fn local_port(&self) -> u16 {
        self.local_port
    }

    pub(crate) fn remote_port(&self) -> u16 {
        self.remote_port
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.remote[..12] != [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    }

    /// Feeds a keyed hash with everything in it.
    pub(crate) fn feed(&self, hasher: &mut impl Hasher) {
        let ports = u32::from(self.local_port) << 16 | u32::from(self.remote_port);
        if self.is_ipv6() {
            hasher.write(&self.local);
            hasher.write(&self.remote);
            hasher.write_u32(ports);
        } else {
            let mut words = [0; 12];
            words[..4].copy_from_slice(&self.local[12..]);
            words[4..8].copy_from_slice(&self.remote[12..]);
            words[8..].copy_from_slice(&ports.to_ne_bytes());
            hasher.write(&words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn tuple_survives_the_key_in_both_families() {
        for (local, remote) in [("10.0.0.1:80", "10.0.0.2:40000"), ("[fd00::1]:80", "[fd00::2]:40000")] {
            let tuple = FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
            let key = Key::from_tuple(&tuple);
            assert_eq!(key.tuple(), tuple);
            assert_eq!(key.is_ipv6(), remote.to_string().starts_with('['));
        }
    }
}
