//! Initial sequence numbers (RFC 9293 §3.4.1, RFC 6528) and timestamp offsets (RFC 7323 §5.4).

use crate::Instant;
use crate::host::key::Key;
use crate::secret::{Purpose, Secret};
use crate::sip::Sip24;
use crate::tcp::seq::SeqNum;

/// Makes the numbers of a connection that outsiders must not guess.
/// Ledger: RFC 9293 MUST-9 [6528-2, 6528-6, 7323-5].
#[derive(Clone)]
pub(crate) struct Numbers {
    prf: Sip24,
}

/// What one keyed hash of a tuple gives: its halves are as independent as two hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TupleNumbers {
    isn: u32,
    /// What is added to the millisecond clock of the tuple's timestamps: the same for every connection of the tuple, so
    /// that a later one is newer (RFC 6191).
    pub(crate) timestamp_offset: u32,
}

impl Numbers {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { prf: secret.prf(Purpose::ConnectionNumbers) }
    }

    pub(crate) fn of(&self, key: &Key) -> TupleNumbers {
        let hash = key.hash(&self.prf);
        TupleNumbers { isn: low_bits(hash), timestamp_offset: low_bits(hash >> 32) }
    }
}

impl TupleNumbers {
    /// ISN = M + F(tuple, secret), M a clock of four microseconds (RFC 9293 MUST-8, SHLD-1).
    /// Ledger: [6528-1, 6528-4].
    pub(crate) fn initial_sequence(self, now: Instant) -> SeqNum {
        SeqNum(self.isn.wrapping_add(low_bits(now.as_micros() / 4)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of a hash, or a clock that wraps by design")]
fn low_bits(value: u64) -> u32 {
    value as u32
}
