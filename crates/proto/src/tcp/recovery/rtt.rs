//! Round-trip time and retransmission timeout (RFC 6298).

use crate::tcp::config::TcpConfig;
use crate::time::Span;
use core::time::Duration;

/// The estimator. Times in microseconds.
#[derive(Clone, Copy, Hash, Debug)]
pub(crate) struct Rtt {
    srtt_us: u32,
    rttvar_us: u32,
    rto_us: u32,
}

/// Before the first sample: one second (RFC 6298 §2.1 [6298-1]).
const INITIAL_RTO_MS: u64 = 1_000;
/// Before the first sample when the SYN had to be repeated (RFC 6298 §5.7).
const RTO_AFTER_REPEATED_SYN: Duration = Duration::from_secs(3);
/// No setting makes the timeout shorter: it would never let go of the processor.
const RTO_LEAST: Duration = Duration::from_millis(1);
/// Clock granularity G of RFC 6298 §2.
const GRANULARITY_US: u32 = 1_000;

/// What the settings say about the timeout, in microseconds.
/// Ledger: [6298-5, 1122-5].
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtoBounds {
    least_us: u32,
    most_us: u32,
    first_us: u32,
    after_repeated_syn_us: u32,
    /// The bound of the doubled timeout, which may be longer than 71 minutes.
    most: Span,
}

impl RtoBounds {
    /// Whether every timeout is the same, whatever is measured.
    pub(crate) fn is_constant(&self) -> bool {
        self.least_us == self.most_us
            && self.first_us == self.most_us
            && self.after_repeated_syn_us == self.most_us
    }

    pub(crate) fn new(config: &TcpConfig) -> Self {
        let most = config.rto_max.max(RTO_LEAST);
        Self {
            // The upper bound wins where the two contradict each other.
            least_us: micros(config.rto_min.max(RTO_LEAST).min(most)),
            most_us: micros(most),
            first_us: micros(Duration::from_millis(INITIAL_RTO_MS).min(most)),
            after_repeated_syn_us: micros(RTO_AFTER_REPEATED_SYN.min(most)),
            most: Span::of(most),
        }
    }

    /// The least timeout.
    pub(crate) fn least(&self) -> Span {
        Span::from_micros(self.least_us.min(self.first_us).min(self.after_repeated_syn_us).into())
    }

    /// How long to wait for an answer to a SYN that was repeated `retries` times.
    pub(crate) fn of_syn(&self, retries: u8) -> Span {
        Span::from_millis(INITIAL_RTO_MS << retries.min(16)).min(self.most)
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

impl Rtt {
    pub(crate) fn new(bounds: &RtoBounds) -> Self {
        Self { srtt_us: 0, rttvar_us: 0, rto_us: bounds.first_us }
    }

    /// RFC 6298 §5.7: after a SYN that had to be repeated, begin with three seconds.
    /// Ledger: [6298-16].
    pub(crate) fn after_repeated_syn(bounds: &RtoBounds) -> Self {
        Self { srtt_us: 0, rttvar_us: 0, rto_us: bounds.after_repeated_syn_us }
    }

    /// The handshake's round trip, in microseconds, is the first sample.
    #[inline]
    pub(crate) fn of_handshake(sample_us: u32, bounds: &RtoBounds) -> Self {
        let mut rtt = Self { srtt_us: 0, rttvar_us: 0, rto_us: 0 };
        rtt.sample(sample_us, bounds);
        rtt
    }

    /// A sample, in microseconds, of a segment that was sent once (Karn's rule, RFC 6298 §3), or of a timestamp.
    /// Ledger: [6298-2, 6298-3, 6298-8].
    #[inline]
    pub(crate) fn sample(&mut self, sample_us: u32, bounds: &RtoBounds) {
        let sample = sample_us.max(1);
        if self.srtt_us == 0 {
            self.srtt_us = sample;
            self.rttvar_us = sample / 2;
        } else {
            let delta = self.srtt_us.abs_diff(sample);
            self.rttvar_us = self.rttvar_us - self.rttvar_us / 4 + delta / 4;
            self.srtt_us = (self.srtt_us - self.srtt_us / 8 + sample / 8).max(1);
        }
        let spread = self.rttvar_us.saturating_mul(4).max(GRANULARITY_US);
        // The floor applies to the whole of it (RFC 6298 §2.4).
        self.rto_us = self.srtt_us.saturating_add(spread).max(bounds.least_us).min(bounds.most_us);
    }

    /// The timeout after `backoff` doublings, at most 20.
    #[inline]
    pub(crate) fn rto(&self, backoff: u8, bounds: &RtoBounds) -> Span {
        if backoff == 0 {
            return Span::from_micros(self.rto_us.into());
        }
        Span::from_micros(u64::from(self.rto_us) << u32::from(backoff.min(20))).min(bounds.most)
    }

    pub(crate) fn srtt(&self) -> Duration {
        Duration::from_micros(u64::from(self.srtt_us))
    }

    pub(crate) fn rttvar(&self) -> Duration {
        Duration::from_micros(u64::from(self.rttvar_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // requirement: 6298-1
    // requirement: 6298-2
    #[test]
    fn first_sample_sets_srtt_and_half_of_it_as_variance() {
        let bounds = RtoBounds::new(&TcpConfig::default());
        let mut rtt = Rtt::new(&bounds);
        assert_eq!(rtt.rto(0, &bounds), Span::from_millis(1000));
        rtt.sample(400_000, &bounds);
        assert_eq!((rtt.srtt(), rtt.rttvar()), (Duration::from_millis(400), Duration::from_millis(200)));
        assert_eq!(rtt.rto(0, &bounds), Span::from_millis(1200));
    }

    #[test]
    fn timeout_doubles_until_its_bound() {
        let bounds = RtoBounds::new(&TcpConfig::default());
        let mut rtt = Rtt::new(&bounds);
        for (backoff, seconds) in (1..).zip([2, 4, 8, 16, 32, 64, 120, 120]) {
            assert_eq!(rtt.rto(backoff, &bounds), Span::from_millis(seconds * 1000));
        }
        rtt.sample(1_000, &bounds);
        assert_eq!(rtt.rto(0, &bounds), Span::from_millis(200));
    }

    // requirement: 6298-8
    #[test]
    fn contradictory_and_vanishing_bounds_leave_a_timeout_of_a_millisecond_at_least() {
        for (rto_min, rto_max) in [(0, 0), (500, 0), (500, 100), (0, 1)] {
            let (rto_min, rto_max) = (Duration::from_millis(rto_min), Duration::from_millis(rto_max));
            let bounds = RtoBounds::new(&TcpConfig { rto_min, rto_max, ..TcpConfig::default() });
            let mut rtt = Rtt::new(&bounds);
            let most = Span::of(rto_max).max(Span::from_millis(1));
            assert_eq!((rtt.rto(0, &bounds), rtt.rto(5, &bounds), bounds.of_syn(3)), (most, most, most));
            rtt.sample(1, &bounds);
            let least = Span::of(rto_min).max(Span::from_micros(1_001)).min(most);
            assert_eq!(rtt.rto(0, &bounds), least);
        }
    }
}
