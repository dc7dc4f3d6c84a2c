//! Initial sequence numbers (RFC 9293 §3.4.1, RFC 6528) and timestamp offsets (RFC 7323 §5.4).

use crate::Instant;
use crate::host::key::Key;
use crate::secret::{Purpose, Secret};
use crate::sip::Sip24;
use crate::tcp::seq::SeqNum;

/// Makes the numbers of a connection that outsiders must not guess.
#[derive(Clone)]
pub(crate) struct Numbers {
    isn: Sip24,
    offset: Sip24,
}

impl Numbers {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { isn: secret.prf(Purpose::InitialSequence), offset: secret.prf(Purpose::TimestampOffset) }
    }

    /// ISN = M + F(tuple, secret), M a clock of four microseconds (RFC 9293 MUST-8, SHLD-1).
    pub(crate) fn initial_sequence(&self, key: &Key, now: Instant) -> SeqNum {
        SeqNum(low_bits(key.hash(&self.isn)).wrapping_add(low_bits(now.as_micros() / 4)))
    }

    /// What is added to the millisecond clock of a tuple's timestamps: the same for every connection of the tuple, so
    /// that a later one is newer (RFC 6191).
    pub(crate) fn timestamp_offset(&self, key: &Key) -> u32 {
        low_bits(key.hash(&self.offset))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half of a hash, or of a clock that wraps by design"
)]
fn low_bits(value: u64) -> u32 {
    value as u32
}
