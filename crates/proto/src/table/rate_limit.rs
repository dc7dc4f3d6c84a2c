//! A token bucket in integer arithmetic.

use crate::time::Instant;

/// Lets `burst` things happen at once and `per_second` in the long run.
///
/// The bucket is kept as time: one token is worth a second divided by the rate, and a full bucket is `burst` of them.
#[derive(Clone, Debug)]
pub(crate) struct RateLimit {
    /// Nanoseconds that one token costs; zero lets everything pass.
    cost: u64,
    full: u64,
    credit: u64,
    at: Instant,
}

impl RateLimit {
    /// A full bucket. A rate of zero refills never; a burst of zero lets nothing pass.
    pub(crate) const fn new(burst: u32, per_second: u32) -> Self {
        let cost = if per_second == 0 { u64::MAX / 2 } else { 1_000_000_000 / per_second as u64 };
        let full = cost.saturating_mul(burst as u64);
        Self { cost, full, credit: full, at: Instant::ZERO }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.as_nanos().saturating_sub(self.at.as_nanos());
        self.credit = self.credit.saturating_add(passed).min(self.full);
        self.at = self.at.max(now);
        match self.credit.checked_sub(self.cost) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;
    use crate::time::Instant;

    #[test]
    fn burst_passes_then_the_rate_holds() {
        let mut limit = RateLimit::new(10, 2);
        let start = Instant::from_millis(5_000);
        assert_eq!((0..20).filter(|_| limit.take(start)).count(), 10);
        assert!(!limit.take(Instant::from_millis(5_499)));
        assert!(limit.take(Instant::from_millis(5_500)));
        assert!(!limit.take(Instant::from_millis(5_500)));
        assert_eq!((1..=100).filter(|n| limit.take(Instant::from_millis(5_500 + n * 100))).count(), 20);
    }

    #[test]
    fn bucket_never_holds_more_than_its_burst() {
        let mut limit = RateLimit::new(3, 1_000);
        assert!(limit.take(Instant::ZERO));
        let late = Instant::from_millis(1_000_000);
        assert_eq!((0..10).filter(|_| limit.take(late)).count(), 3);
    }

    #[test]
    fn burst_of_zero_lets_nothing_pass() {
        let mut limit = RateLimit::new(0, 5);
        assert!(!limit.take(Instant::from_millis(99_999)));
    }
}
