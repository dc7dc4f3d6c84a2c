//! One number for everything that happened: equal digests, equal runs.

use linger_proto::Instant;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Hashes every frame sent, lost and delivered with its time. The key is fixed: digests compare across processes.
#[derive(Clone)]
pub(crate) struct Digest(SipHasher13);

/// What is hashed besides time and octets.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Mark {
    Sent = 1,
    Lost = 2,
    Arrived = 3,
}

impl Digest {
    pub(crate) fn new() -> Self {
        Self(SipHasher13::new_with_key(b"linger-sim trace"))
    }

    /// Something happened to a frame at the host of that index.
    pub(crate) fn add(&mut self, mark: Mark, at: Instant, host: u32, bytes: &[u8]) {
        self.0.write_u8(mark as u8);
        self.0.write_u64(at.as_nanos());
        self.0.write_u32(host);
        self.0.write_u64(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.write(bytes);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}
