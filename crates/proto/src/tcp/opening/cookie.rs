//! SYN cookies: a SYN answered without keeping anything, when no half-open connection has room (RFC 4987 §3.6)
//! [4987-5, 4987-6, 4987-7].
//!
//! The initial sequence number of the SYN-ACK says what is needed to make the connection from its ACK alone:
//!
//! ```text
//! bit 31       30..28      27..0
//! parity of    index into  MAC of the tuple, the peer's ISN, the period, the index and whether
//! the period   MSS table   timestamps were agreed on
//! ```
//!
//! Where the peer offers timestamps, the low six bits of our TSval, which comes back in the ACK, carry the rest: four bits
//! of the peer's window scale, one of SACK, one that is always zero. The value is rounded down to them, so it is at most
//! 63 ms in the past: never ahead of the clock, and never behind an earlier one.
//!
//! Periods are 64 s; even and odd ones have a secret each, and a cookie is good in its own period and the next.

use crate::Instant;
use crate::host::key::Key;
use crate::secret::{Purpose, Secret};
use crate::sip::Sip24;
use crate::tcp::seq::SeqNum;

/// How long a secret is in use at a time, seconds.
const PERIOD_SECONDS: u64 = 64;
/// The MSS of peers, rounded down to one of these: nothing at all, what is common on IPv4 and IPv6, without and with
/// tunnels, and jumbo frames.
const MSS_TABLE: [u16; 8] = [48, 216, 536, 1220, 1360, 1440, 1460, 8940];
const MAC_BITS: u32 = 28;
const MAC_MASK: u32 = (1 << MAC_BITS) - 1;
/// The bits of a timestamp that say something else than the time.
const STAMP_MASK: u32 = 63;
const SACK_BIT: u32 = 1 << 4;
const SCALE_MASK: u32 = 15;
/// In place of a window scale: none was offered. A scale is 14 at most.
const NO_SCALE: u32 = 15;
/// An echo of a cookie's timestamp is no older than two periods and the rounding, milliseconds.
const ECHO_AGE_MAX_MS: u32 = 2 * 64_000 + STAMP_MASK;

/// The number of the period that `now` lies in.
pub(crate) fn period(now: Instant) -> u64 {
    now.as_millis() / (PERIOD_SECONDS * 1000)
}

/// What the low bits of a timestamp carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Carried {
    /// The window scale that the peer's SYN offered, 14 at most.
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack: bool,
}

impl Carried {
    /// The latest timestamp that says this and is not ahead of `ts_val`.
    pub(crate) fn stamp(self, ts_val: u32) -> u32 {
        let scale = self.window_scale.map_or(NO_SCALE, |scale| u32::from(scale.min(14)));
        let bits = scale | if self.sack { SACK_BIT } else { 0 };
        let stamp = ts_val & !STAMP_MASK | bits;
        if ts_val & STAMP_MASK < bits { stamp.wrapping_sub(STAMP_MASK + 1) } else { stamp }
    }

    /// Reads it from the echo; `None` for one that no cookie of the last two periods had. `ts_val`: our clock now.
    pub(crate) fn read(echo: u32, ts_val: u32) -> Option<Self> {
        if ts_val.wrapping_sub(echo) > ECHO_AGE_MAX_MS || echo & (STAMP_MASK & !SCALE_MASK & !SACK_BIT) != 0 {
            return None;
        }
        let window_scale = u8::try_from(echo & SCALE_MASK).ok().filter(|&scale| u32::from(scale) != NO_SCALE);
        Some(Self { window_scale, sack: echo & SACK_BIT != 0 })
    }
}

/// What the MAC is about, beside the tuple.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syn {
    /// The peer's initial sequence number.
    pub(crate) irs: SeqNum,
    /// Whether timestamps were agreed on: else an ACK that lacks them would pass for one of a peer that never had any.
    pub(crate) timestamps: bool,
}

/// Makes and checks cookies.
#[derive(Clone)]
pub(crate) struct Cookies {
    even: Sip24,
    odd: Sip24,
}

impl Cookies {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { even: secret.prf(Purpose::EvenCookies), odd: secret.prf(Purpose::OddCookies) }
    }

    /// The initial sequence number that answers `syn`, whose peer takes segments of `mss` octets.
    pub(crate) fn make(&self, key: &Key, syn: Syn, mss: u16, now: Instant) -> SeqNum {
        let index = MSS_TABLE.iter().rposition(|&entry| entry <= mss).unwrap_or(0);
        let index = u32::try_from(index).unwrap_or(0);
        let period = period(now);
        SeqNum(parity(period) << 31 | index << MAC_BITS | self.mac(key, syn, period, index))
    }

    /// The MSS of the peer, if `iss` is a cookie of ours for `syn` and not too old [4987-6].
    pub(crate) fn check(&self, key: &Key, syn: Syn, iss: SeqNum, now: Instant) -> Option<u16> {
        let current = period(now);
        let period = if parity(current) == iss.0 >> 31 { current } else { current.checked_sub(1)? };
        let index = iss.0 >> MAC_BITS & 7;
        let fits = iss.0 & MAC_MASK == self.mac(key, syn, period, index);
        let mss = usize::try_from(index).ok().and_then(|index| MSS_TABLE.get(index));
        mss.copied().filter(|_| fits)
    }

    /// Of the tuple's own hash, which has another length, and of everything else.
    fn mac(&self, key: &Key, syn: Syn, period: u64, index: u32) -> u32 {
        let prf = if parity(period) == 0 { &self.even } else { &self.odd };
        let about = u64::from(syn.irs.0) << 32 | u64::from(index) << 1 | u64::from(syn.timestamps);
        let hash = prf.hash([key.hash(prf), about, period], 24 << 56);
        u32::try_from(hash & u64::from(MAC_MASK)).unwrap_or(0)
    }
}

fn parity(period: u64) -> u32 {
    u32::from(period & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FourTuple;
    use core::hash::Hasher;
    use proptest::prelude::*;
    use siphasher::sip::SipHasher24;

    fn cookies() -> Cookies {
        Cookies::new(&Secret::from_bytes([9; 32]))
    }

    fn key(remote: &str) -> Key {
        let local = if remote.starts_with('[') { "[fd00::1]:80" } else { "10.0.0.1:80" };
        Key::from_tuple(&FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() })
    }

    const SYN: Syn = Syn { irs: SeqNum(77), timestamps: true };

    // requirement: 4987-5
    #[test]
    fn cookie_gives_the_mss_back_rounded_down_to_the_table() {
        let now = Instant::from_millis(1_000);
        for (mss, back) in [
            (48, 48),
            (215, 48),
            (536, 536),
            (1219, 536),
            (1220, 1220),
            (1400, 1360),
            (1460, 1460),
            (9000, 8940),
            (u16::MAX, 8940),
        ] {
            for remote in ["10.0.0.2:4000", "[fd00::2]:4000"] {
                let iss = cookies().make(&key(remote), SYN, mss, now);
                assert_eq!(cookies().check(&key(remote), SYN, iss, now), Some(back));
            }
        }
    }

    // requirement: 4987-6
    #[test]
    fn cookie_is_good_in_its_period_and_the_next_and_never_after() {
        let key = key("10.0.0.2:4000");
        for begin in [0, 64_000, 128_000] {
            for at in [begin, begin + 63_999] {
                let iss = cookies().make(&key, SYN, 1460, Instant::from_millis(at));
                let good = |at| cookies().check(&key, SYN, iss, Instant::from_millis(at)).is_some();
                assert!(good(at) && good(begin + 63_999) && good(begin + 64_000) && good(begin + 127_999));
                assert!(!good(begin + 128_000) && !good(begin + 192_000) && !good(begin + 10 * 64_000));
                assert!(begin == 0 || !good(begin - 1), "not before it was made either");
            }
        }
    }

    // requirement: 4987-6
    #[test]
    fn cookie_is_good_only_for_its_own_syn() {
        let now = Instant::from_millis(1_000);
        let iss = cookies().make(&key("10.0.0.2:4000"), SYN, 1460, now);
        let good = |key: &Key, syn, iss| cookies().check(key, syn, iss, now).is_some();
        assert!(good(&key("10.0.0.2:4000"), SYN, iss));
        assert!(!good(&key("10.0.0.3:4000"), SYN, iss));
        assert!(!good(&key("10.0.0.2:4001"), SYN, iss));
        assert!(!good(&key("10.0.0.2:4000"), Syn { irs: SeqNum(78), ..SYN }, iss));
        assert!(!good(&key("10.0.0.2:4000"), Syn { timestamps: false, ..SYN }, iss));
        for bit in 0..32 {
            assert!(!good(&key("10.0.0.2:4000"), SYN, SeqNum(iss.0 ^ 1 << bit)), "bit {bit}");
        }
    }

    #[test]
    fn top_bit_of_a_cookie_is_the_parity_of_its_period_and_says_which_secret_made_it() {
        let key = key("10.0.0.2:4000");
        let (ours, theirs) = (cookies(), Cookies::new(&Secret::from_bytes([8; 32])));
        let other_even = Cookies { even: theirs.even, ..ours };
        let other_odd = Cookies { odd: theirs.odd, ..ours };
        for number in 0..4 {
            let now = Instant::from_millis(number * 64_000);
            let iss = ours.make(&key, SYN, 1460, now);
            let odd = number % 2 == 1;
            assert_eq!(iss.0 >> 31, u32::from(odd));
            assert_eq!(other_even.check(&key, SYN, iss, now).is_some(), odd);
            assert_eq!(other_odd.check(&key, SYN, iss, now).is_some(), !odd);
        }
    }

    /// As another implementation of SipHash has it, which counts the octets itself.
    // requirement: 4987-6
    #[test]
    fn low_bits_of_a_cookie_are_the_siphash_of_24_octets() {
        let (even, key, syn) = ([3; 16], key("10.0.0.2:4000"), Syn { irs: SeqNum(0x8765_4321), ..SYN });
        let cookies = Cookies { even: Sip24::new(even), ..cookies() };
        let made = cookies.make(&key, syn, 1460, Instant::from_millis(128_000));
        let mut other = SipHasher24::new_with_key(&even);
        // The period is the third, 1460 the seventh entry of the table, and there are timestamps.
        for word in [key.hash(&cookies.even), 0x8765_4321 << 32 | 6 << 1 | 1, 2] {
            other.write(&word.to_le_bytes());
        }
        assert_eq!(u64::from(made.0), 6 << 28 | other.finish() & 0x0fff_ffff);
    }

    /// The chance of a blind guess is 2^-28 for each segment: of numbers drawn at random none passes here.
    // requirement: 4987-6
    #[test]
    fn numbers_drawn_at_random_are_no_cookies() {
        let (key, now) = (key("10.0.0.2:4000"), Instant::from_millis(70_000));
        let mut state = 1u64;
        let passed = (0..50_000).filter(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let guess = SeqNum(u32::try_from(state >> 32).unwrap());
            cookies().check(&key, SYN, guess, now).is_some()
        });
        assert_eq!(passed.count(), 0);
    }

    proptest! {
        // requirement: 4987-7
        #[test]
        fn stamp_carries_scale_and_sack_and_is_at_most_63_ms_old(ts: u32, scale in proptest::option::of(0u8..=14), sack: bool) {
            let carried = Carried { window_scale: scale, sack };
            let stamp = carried.stamp(ts);
            prop_assert!(ts.wrapping_sub(stamp) < 64, "{} for {}", stamp, ts);
            prop_assert_eq!(Carried::read(stamp, ts), Some(carried));
            prop_assert_eq!(Carried::read(stamp, ts.wrapping_add(127_999)), Some(carried));
            prop_assert_eq!(Carried::read(stamp, stamp.wrapping_add(128_063)), Some(carried));
            prop_assert_eq!(Carried::read(stamp, stamp.wrapping_add(128_064)), None);
            prop_assert_eq!(Carried::read(stamp, stamp.wrapping_sub(1)), None);
        }

        #[test]
        fn later_stamp_is_not_behind_an_earlier_one(ts: u32, later in 0u32..100_000, scale in 0u8..=14, sack: bool) {
            let carried = Carried { window_scale: Some(scale), sack };
            let (first, second) = (carried.stamp(ts), carried.stamp(ts.wrapping_add(later)));
            prop_assert!(second.wrapping_sub(first) < u32::MAX / 2);
        }
    }
}
