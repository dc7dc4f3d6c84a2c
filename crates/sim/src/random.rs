//! Every random number of a run, drawn from its seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::time::Duration;

/// What a whole run derives from. Equal seeds, equal runs, to the octet and the nanosecond.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Seed(pub u64);

/// A stream of random numbers. Every purpose of a run has its own, so that one more draw in one place moves nothing
/// in another.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

/// What a stream of random numbers is for.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// The secret of the host of that index.
    Secret(u32),
    /// The jitter of the link of that index.
    Link(u32),
    /// The fault of that index on the link of that index.
    Fault(u32, u32),
}

impl Random {
    /// The stream of `seed` for one purpose.
    pub(crate) fn new(seed: Seed, stream: Stream) -> Self {
        let number = match stream {
            Stream::Secret(host) => 1 << 56 | u64::from(host),
            Stream::Link(link) => 2 << 56 | u64::from(link),
            Stream::Fault(link, fault) => 3 << 56 | u64::from(fault) << 32 | u64::from(link),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed.0);
        rng.set_stream(number);
        Self(rng)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; zero when the bound is.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 128-bit product is the unbiased enough way: 2^-64 of bias is not observable.
        u64::try_from((u128::from(self.bits()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// True with the given probability, 0.0 to 1.0.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits are what an f64 holds exactly.
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        unit < probability
    }

    /// A duration in `range`, its end excluded; its start when the range is empty.
    pub fn duration(&mut self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start);
        range.start + Duration::from_nanos(self.below(u64::try_from(width.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// 32 octets.
    pub fn secret(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Seed, Stream};
    use std::time::Duration;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |seed, stream| Random::new(Seed(seed), stream).bits();
        assert_eq!(draw(7, Stream::Link(1)), draw(7, Stream::Link(1)));
        assert_ne!(draw(7, Stream::Link(1)), draw(7, Stream::Link(2)));
        assert_ne!(draw(7, Stream::Link(1)), draw(7, Stream::Secret(1)));
        assert_ne!(draw(7, Stream::Link(1)), draw(8, Stream::Link(1)));
    }

    #[test]
    fn draws_stay_inside_their_bounds() {
        let mut random = Random::new(Seed(1), Stream::Link(0));
        let range = Duration::from_millis(3)..Duration::from_millis(5);
        for _ in 0..1000 {
            assert!(random.below(10) < 10);
            assert!(range.contains(&random.duration(&range)));
        }
        assert_eq!(random.below(0), 0);
        assert_eq!(random.duration(&(range.start..range.start)), range.start);
        assert!(!random.chance(0.0) && random.chance(1.0));
    }
}
