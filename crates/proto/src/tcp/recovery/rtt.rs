//! Round-trip time and retransmission timeout (RFC 6298).

use crate::tcp::config::TcpConfig;
use core::time::Duration;

/// The estimator. Times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    srtt_us: u32,
    rttvar_us: u32,
    rto_us: u32,
}

/// Before the first sample: one second (RFC 6298 §2.1 [6298-1]).
pub(crate) const INITIAL_RTO: Duration = Duration::from_secs(1);
/// Before the first sample when the SYN had to be repeated (RFC 6298 §5.7).
const RTO_AFTER_REPEATED_SYN: Duration = Duration::from_secs(3);
/// No setting makes the timeout shorter: it would never let go of the processor.
pub(crate) const RTO_LEAST: Duration = Duration::from_millis(1);
/// Clock granularity G of RFC 6298 §2.
const GRANULARITY_US: u32 = 1_000;

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

impl Rtt {
    pub(crate) fn new(config: &TcpConfig) -> Self {
        Self::starting_with(INITIAL_RTO, config)
    }

    fn starting_with(rto: Duration, config: &TcpConfig) -> Self {
        Self { srtt_us: 0, rttvar_us: 0, rto_us: micros(rto.min(config.rto_max).max(RTO_LEAST)) }
    }

    /// RFC 6298 §5.7: after a SYN that had to be repeated, begin with three seconds.
    pub(crate) fn after_repeated_syn(config: &TcpConfig) -> Self {
        Self::starting_with(RTO_AFTER_REPEATED_SYN, config)
    }

    /// A sample of a segment that was sent once (Karn's rule, RFC 6298 §3), or of a timestamp.
    pub(crate) fn sample(&mut self, rtt: Duration, config: &TcpConfig) {
        let sample = micros(rtt).max(1);
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
        self.rto_us = self
            .srtt_us
            .saturating_add(spread)
            .max(micros(config.rto_min))
            .min(micros(config.rto_max))
            .max(micros(RTO_LEAST));
    }

    /// The timeout after `backoff` doublings, at most 20.
    pub(crate) fn rto(&self, backoff: u8, config: &TcpConfig) -> Duration {
        if backoff == 0 {
            return Duration::from_micros(self.rto_us.into());
        }
        let doubled = u64::from(self.rto_us) << u32::from(backoff.min(20));
        Duration::from_micros(doubled).min(config.rto_max).max(RTO_LEAST)
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

    #[test]
    fn first_sample_sets_srtt_and_half_of_it_as_variance() {
        let config = TcpConfig::default();
        let mut rtt = Rtt::new(&config);
        assert_eq!(rtt.rto(0, &config), Duration::from_secs(1));
        rtt.sample(Duration::from_millis(400), &config);
        assert_eq!((rtt.srtt(), rtt.rttvar()), (Duration::from_millis(400), Duration::from_millis(200)));
        assert_eq!(rtt.rto(0, &config), Duration::from_millis(1200));
    }

    #[test]
    fn timeout_doubles_until_its_bound() {
        let config = TcpConfig::default();
        let mut rtt = Rtt::new(&config);
        for (backoff, seconds) in (1..).zip([2, 4, 8, 16, 32, 64, 120, 120]) {
            assert_eq!(rtt.rto(backoff, &config), Duration::from_secs(seconds));
        }
        rtt.sample(Duration::from_millis(1), &config);
        assert_eq!(rtt.rto(0, &config), config.rto_min);
    }
}
