//! How often a record answers. Each has two accounts of its own, in bits that it had to spare: one for repetitions of the
//! peer's FIN, so that nothing else can use that up, and one for all other segments. No account is shared, or whoever can make one
//! tuple answer would learn from its own answers how many another has given (CVE-2016-5696 was that, with challenge ACKs).

use super::{NANOS_PER_MS, TimeWait, TimeWaitTable, wrapping_ms};
use crate::time::Instant;

/// FINs answered in a row, and the time after which one more may be: no sane retransmission schedule is ever refused.
pub(super) const FINS: u32 = 10;
const FIN_INTERVAL_MS: u32 = 500;
/// Other segments answered in a row, and the least time after which one more may be.
pub(crate) const OTHERS: u32 = 10;
const OTHER_INTERVAL_MS: u32 = 1_000;
/// Intervals of the other answers in a lifetime, at most: a longer lifetime has longer ones, so that the sum of all that were
/// given since 2*MSL began stays below 128.
const OTHER_INTERVALS: u32 = 64;

/// Where the accounts are in the word that they share with the owner.
pub(super) const FINS_SHIFT: u32 = 27;
const FINS_MASK: u32 = 0xf << FINS_SHIFT;
const OTHERS_SHIFT: u32 = 18;
const OTHERS_MASK: u32 = 0x7f << OTHERS_SHIFT;

/// Milliseconds since 2*MSL last began, which is one lifetime before its end: zero in the millisecond of entry, since the end
/// is rounded up.
fn waited_ms<A>(record: &TimeWait<A>, lifetime_ms: u32, now: Instant) -> u32 {
    let left = record.expires_ms.wrapping_sub(wrapping_ms(now.as_millis()));
    lifetime_ms.saturating_sub(left)
}

/// Repetitions of the FIN that may be answered now.
fn fins_left<A>(record: &TimeWait<A>, lifetime_ms: u32, now: Instant) -> u32 {
    let earned = waited_ms(record, lifetime_ms, now) / FIN_INTERVAL_MS;
    (record.owner_and_flags >> FINS_SHIFT & 0xf).saturating_add(earned).min(FINS)
}

/// Intervals of the other answers that have passed since 2*MSL began, and how many such answers count as given: at least as
/// many, because what is not used within [`OTHERS`] of them is lost.
fn others<A>(record: &TimeWait<A>, lifetime_ms: u32, now: Instant) -> (u32, u32) {
    let interval = OTHER_INTERVAL_MS.max(lifetime_ms / OTHER_INTERVALS + 1);
    let passed = (waited_ms(record, lifetime_ms, now) / interval).min(OTHER_INTERVALS);
    (passed, (record.owner_and_flags >> OTHERS_SHIFT & 0x7f).max(passed))
}

fn set_others<A>(record: &mut TimeWait<A>, given: u32) {
    record.owner_and_flags = record.owner_and_flags & !OTHERS_MASK | given << OTHERS_SHIFT & OTHERS_MASK;
}

/// Spends an answer to a FIN; the caller starts 2*MSL again, and both accounts go on as they stand. False when there was none.
pub(super) fn spend_fin<A>(record: &mut TimeWait<A>, lifetime_ms: u32, now: Instant) -> bool {
    let left = fins_left(record, lifetime_ms, now);
    if left == 0 {
        return false;
    }
    let (passed, given) = others(record, lifetime_ms, now);
    set_others(record, given - passed);
    record.owner_and_flags = record.owner_and_flags & !FINS_MASK | (left - 1) << FINS_SHIFT;
    true
}

impl<A: Copy> TimeWaitTable<A> {
    /// Milliseconds of 2*MSL of this record.
    pub(super) fn lifetime_ms(&self, record: &TimeWait<A>) -> u32 {
        let lifetime = self.queues.get(record.queue()).map_or(0, |queue| queue.lifetime);
        u32::try_from(lifetime / NANOS_PER_MS).unwrap_or(u32::MAX)
    }

    /// How many repetitions of the peer's FIN would be answered now, in a row.
    pub(crate) fn fins_left(&self, index: u32, now: Instant) -> u32 {
        self.get(index).map_or(0, |record| fins_left(record, self.lifetime_ms(record), now))
    }

    /// How many other segments would be answered now, in a row.
    pub(crate) fn others_left(&self, index: u32, now: Instant) -> u32 {
        self.get(index).map_or(0, |record| {
            let (passed, given) = others(record, self.lifetime_ms(record), now);
            passed + OTHERS - given
        })
    }

    /// Whether a segment that is not the FIN again may be answered now, and that it is: ten in a row, and one more each second
    /// (each 64th of a lifetime longer than that).
    pub(crate) fn may_answer(&mut self, index: u32, now: Instant) -> bool {
        self.spend_other(index, now, 1)
    }

    /// The same for a SYN that is refused: one in each second, and only when no other segment was answered in it.
    pub(crate) fn may_answer_refused(&mut self, index: u32, now: Instant) -> bool {
        self.spend_other(index, now, OTHERS)
    }

    /// Spends one other answer, if there are still `least`.
    fn spend_other(&mut self, index: u32, now: Instant, least: u32) -> bool {
        let Some(lifetime_ms) = self.get(index).map(|record| self.lifetime_ms(record)) else { return false };
        let Some(record) = self.get_mut(index) else { return false };
        let (passed, given) = others(record, lifetime_ms, now);
        if given + least > passed + OTHERS {
            return false;
        }
        set_others(record, given + 1);
        true
    }
}
