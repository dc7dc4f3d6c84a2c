//! The one secret of a host. Initial sequence numbers, ports, timestamp offsets and hash keys all derive from it.

use crate::sip::{Sip13, Sip24};
use core::fmt;
use core::hash::{Hash, Hasher};
use siphasher::sip::SipHasher24;

/// 32 octets from a good source of entropy; in a simulation, from the seed.
///
/// Equal secrets give equal hosts: that is what makes a run repeatable, and why a production host must draw its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// What a derived key is for. Two purposes never share a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Purpose {
    ConnectionNumbers = 1,
    EphemeralPort = 2,
    Demux = 4,
    IpIdentification = 5,
    EvenCookies = 6,
    OddCookies = 7,
    Sources = 8,
}

impl Secret {
    /// Wraps 32 octets of entropy.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key of 16 octets for one purpose.
    /// Ledger: [6056-8, 6528-3].
    fn key(&self, purpose: Purpose) -> [u8; 16] {
        let mut key = [0; 16];
        for (half, out) in key.chunks_exact_mut(8).enumerate() {
            let mut hasher = SipHasher24::new_with_key(&first_half(&self.0));
            self.0.hash(&mut hasher);
            (purpose as u64).hash(&mut hasher);
            half.hash(&mut hasher);
            out.copy_from_slice(&hasher.finish().to_le_bytes());
        }
        key
    }

    /// SipHash-2-4 keyed for `purpose`: for values that leave the host.
    pub(crate) fn prf(&self, purpose: Purpose) -> Sip24 {
        Sip24::new(self.key(purpose))
    }

    /// The same for octets that come in pieces.
    pub(crate) fn octet_prf(&self, purpose: Purpose) -> SipHasher24 {
        SipHasher24::new_with_key(&self.key(purpose))
    }

    /// SipHash-1-3 keyed for `purpose`: for tables that stay inside.
    pub(crate) fn table_hasher(&self, purpose: Purpose) -> Sip13 {
        Sip13::new(self.key(purpose))
    }
}

fn first_half(bytes: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    half
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Secret};
    use alloc::collections::BTreeSet;

    // requirement: 6056-8
    // requirement: 6528-3
    #[test]
    fn every_purpose_has_a_key_of_its_own_of_16_octets_that_depends_on_the_whole_secret() {
        let purposes =
            [Purpose::ConnectionNumbers, Purpose::EphemeralPort, Purpose::Demux, Purpose::IpIdentification];
        let mut all = BTreeSet::new();
        for changed in 0..32 {
            let mut octets = [7; 32];
            octets[changed] = 8;
            for purpose in purposes {
                assert!(all.insert(Secret::from_bytes(octets).key(purpose)), "octet {changed}");
            }
        }
    }
}
