//! Which port to take: RFC 6056 for those that name none.

use super::Host;
use super::key::Key;
use crate::secret::{Purpose, Secret};
use crate::sip::Sip24;
use core::net::IpAddr;

/// Counters of the double-hash algorithm: a power of two.
const COUNTERS: usize = 64;

/// Ephemeral ports by the double-hash algorithm (RFC 6056 §3.3.4): where the search begins depends on the secret and the
/// destination, and moves on with each connect.
/// Ledger: [6056-1, 6056-3, 6056-6, 6056-9, 5927-9].
#[derive(Clone)]
pub(super) struct Ports {
    offset: Sip24,
    counters: [u16; COUNTERS],
    /// The last destination, with its hash: who connects often mostly does so to one.
    last: Option<(Key, u64)>,
}

impl Ports {
    pub(super) fn new(secret: &Secret) -> Self {
        Self { offset: secret.prf(Purpose::EphemeralPort), counters: [0; COUNTERS], last: None }
    }

    /// The keyed hash of a destination, as seen from one of our addresses.
    #[inline]
    fn hash(&mut self, without: &Key) -> u64 {
        match self.last {
            Some((last, hash)) if last == *without => hash,
            _ => {
                let hash = without.hash(&self.offset);
                self.last = Some((*without, hash));
                hash
            }
        }
    }
}

impl Host {
    /// Gives `key`, whose own port is zero, a port of the ephemeral range with which nobody owns it: its hash then; `None` when
    /// all are taken.
    /// Ledger: [6056-2, 6056-4, 6056-7].
    pub(super) fn ephemeral_port(&mut self, key: &mut Key) -> Option<u64> {
        let (first, last) = (*self.config.ephemeral_ports.start(), *self.config.ephemeral_ports.end());
        let count = u32::from(last.checked_sub(first)?) + 1;
        let hash = self.ports.hash(key);
        let counter = usize::try_from(hash >> 58).unwrap_or(0) % COUNTERS;
        let start = u32::try_from(hash & 0xffff_ffff).unwrap_or(0) % count;
        for _ in 0..count {
            let turn = self.ports.counters.get_mut(counter)?;
            *turn = turn.wrapping_add(1);
            let step = (start + u32::from(*turn)) % count;
            let port = first.saturating_add(u16::try_from(step).unwrap_or(0));
            *key = key.with_ports(port, key.remote_port());
            let hash = self.demux.hash(key);
            let free = self.find_hashed(hash, key).is_none() && !self.ports_listening.contains_key(&port);
            if free && !self.may_be_elsewhere(hash) {
                return Some(hash);
            }
        }
        None
    }

    /// A port of the ephemeral range on which nobody listens.
    pub(super) fn free_listening_port(&mut self, local: IpAddr) -> Option<u16> {
        let mut key = Key::new(local, 0, local, 0);
        self.ephemeral_port(&mut key).map(|_| key.local_port())
    }
}
