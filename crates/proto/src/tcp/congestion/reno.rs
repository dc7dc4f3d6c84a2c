//! Slow start, congestion avoidance and the window of fast recovery (RFC 5681, RFC 6582).

use super::{AckSample, Congestion, Controller};

/// Ten segments to begin with, but no more octets than ten of the usual size, unless two are more (RFC 6928 §2).
const INITIAL_SEGMENTS: u32 = 10;
const INITIAL_OCTETS: u32 = 14_600;
/// Larger than any window that scaling can express.
const CWND_MAX: u32 = 1 << 30;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reno {
    cwnd: u32,
    ssthresh: u32,
    /// Octets acknowledged since the window last grew in congestion avoidance (RFC 3465).
    acked: u32,
}

impl Reno {
    // Ledger: [5681-3, 5681-5].
    pub(crate) fn new(mss: u16) -> Self {
        Self { cwnd: Self::initial(mss), ssthresh: u32::MAX, acked: 0 }
    }

    /// A SYN or SYN-ACK was lost: one segment to begin with (RFC 5681 §3.1 [5681-4]).
    pub(crate) fn after_lost_syn(mss: u16) -> Self {
        Self { cwnd: u32::from(mss), ..Self::new(mss) }
    }

    // Ledger: [5681-2].
    fn initial(mss: u16) -> u32 {
        let mss = u32::from(mss);
        (INITIAL_SEGMENTS * mss).min(INITIAL_OCTETS.max(2 * mss))
    }

    fn half(in_flight: u32, mss: u16) -> u32 {
        (in_flight / 2).max(2 * u32::from(mss))
    }
}

impl Controller for Reno {
    // Ledger: [5681-7].
    fn on_ack(&mut self, sample: &AckSample) {
        if !sample.window_limited {
            return;
        }
        let mss = u32::from(sample.mss);
        if self.cwnd < self.ssthresh {
            // Deviation, RFC 5681 §3.1 [5681-6]: the window grows by all that one ACK covers, not by one segment at most,
            // because the ACK of a super-segment stands for many. The caller cuts it down after a timeout.
            self.cwnd =
                self.cwnd.saturating_add(sample.acked).min(self.ssthresh.max(self.cwnd)).min(CWND_MAX);
            return;
        }
        self.acked = self.acked.saturating_add(sample.acked);
        if self.acked >= self.cwnd {
            self.acked -= self.cwnd;
            self.cwnd = self.cwnd.saturating_add(mss).min(CWND_MAX);
        }
    }

    fn on_congestion(&mut self, event: Congestion, in_flight: u32, mss: u16) {
        self.ssthresh = Self::half(in_flight, mss);
        self.acked = 0;
        self.cwnd = match event {
            Congestion::Loss => self.ssthresh + 3 * u32::from(mss),
            Congestion::Timeout => u32::from(mss),
        };
    }

    fn on_inflate(&mut self, octets: u32) {
        self.cwnd = self.cwnd.saturating_add(octets).min(CWND_MAX);
    }

    fn on_partial_ack(&mut self, acked: u32, mss: u16) {
        let mss = u32::from(mss);
        self.cwnd = self.cwnd.saturating_sub(acked).max(mss);
        if acked >= mss {
            self.cwnd += mss;
        }
    }

    // Ledger: [5681-19].
    fn on_idle(&mut self, mss: u16) {
        self.cwnd = self.cwnd.min(Self::initial(mss));
    }

    fn on_recovered(&mut self, in_flight: u32, mss: u16) {
        let mss = u32::from(mss);
        self.cwnd = self.ssthresh.min(in_flight.max(mss) + mss);
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u16 = 1000;

    fn ack(acked: u32) -> AckSample {
        AckSample { acked, mss: MSS, window_limited: true }
    }

    // requirement: 5681-7
    #[test]
    fn slow_start_doubles_and_congestion_avoidance_adds_one_segment_a_round() {
        let mut reno = Reno::new(MSS);
        reno.on_ack(&ack(10_000));
        assert_eq!(reno.cwnd(), 20_000);
        reno.on_congestion(Congestion::Loss, 20_000, MSS);
        assert_eq!((reno.ssthresh(), reno.cwnd()), (10_000, 13_000));
        reno.on_recovered(20_000, MSS);
        assert_eq!(reno.cwnd(), 10_000);
        for _ in 0..10 {
            reno.on_ack(&ack(1000));
        }
        assert_eq!(reno.cwnd(), 11_000);
    }

    #[test]
    fn unused_window_does_not_grow() {
        let mut reno = Reno::new(MSS);
        reno.on_ack(&AckSample { window_limited: false, ..ack(10_000) });
        assert_eq!(reno.cwnd(), 10_000);
    }

    #[test]
    fn timeout_leaves_one_segment() {
        let mut reno = Reno::new(MSS);
        reno.on_congestion(Congestion::Timeout, 9_000, MSS);
        assert_eq!((reno.ssthresh(), reno.cwnd()), (4_500, 1_000));
    }
}
