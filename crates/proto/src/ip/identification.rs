//! Numbers that tell the fragments of one packet from those of another (RFC 6864, RFC 7739).

use crate::Secret;
use crate::secret::Purpose;
use core::hash::Hasher;
use core::net::IpAddr;
use siphasher::sip::SipHasher24;

/// Counters that the destinations share. More of them make numbers last longer and cost four octets each.
const COUNTERS: usize = 256;

/// Identification numbers: for each pair of addresses and protocol a sequence that starts at a keyed offset and goes
/// up by one or a little more, so that a number is not seen again soon and its successor is not to be guessed from
/// another conversation (RFC 7739 §5.3).
#[derive(Clone, Debug)]
pub(crate) struct Identification {
    prf: SipHasher24,
    counters: [u32; COUNTERS],
}

impl Identification {
    /// Numbers derived from the host's secret.
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { prf: secret.octet_prf(Purpose::IpIdentification), counters: [0; COUNTERS] }
    }

    /// The next number between two addresses. IPv4 has room for its low 16 bits.
    pub(crate) fn next(&mut self, source: IpAddr, destination: IpAddr, protocol: u8) -> u32 {
        let mut hasher = self.prf;
        for address in [source, destination] {
            match address {
                IpAddr::V4(v4) => hasher.write(&v4.octets()),
                IpAddr::V6(v6) => hasher.write(&v6.octets()),
            }
        }
        hasher.write(&[protocol]);
        let [o0, o1, o2, o3, counter, ..] = hasher.finish().to_be_bytes();
        let offset = u32::from_be_bytes([o0, o1, o2, o3]);
        // The index is one octet and there are 256 counters: there is always one.
        let Some(counter) = self.counters.get_mut(usize::from(counter)) else { return offset };
        *counter = counter.wrapping_add(1);
        offset.wrapping_add(*counter)
    }
}

#[cfg(test)]
mod tests {
    use super::Identification;
    use crate::Secret;
    use alloc::collections::BTreeSet;
    use core::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn number_between_two_addresses_comes_back_only_after_65536_packets() {
        let mut numbers = Identification::new(&Secret::from_bytes([7; 32]));
        let seen: BTreeSet<u32> =
            (0..0x1_0000).map(|_| numbers.next(ip("10.0.0.1"), ip("10.0.0.2"), 17) & 0xffff).collect();
        assert_eq!(seen.len(), 0x1_0000);
    }

    #[test]
    fn equal_secrets_count_alike_and_other_secrets_and_pairs_do_not() {
        let next = |secret: u8, to: &str| {
            Identification::new(&Secret::from_bytes([secret; 32])).next(ip("10.0.0.1"), ip(to), 17)
        };
        assert_eq!(next(1, "10.0.0.2"), next(1, "10.0.0.2"));
        assert_ne!(next(1, "10.0.0.2"), next(2, "10.0.0.2"));
        assert_ne!(next(1, "10.0.0.2"), next(1, "10.0.0.3"));
    }
}
