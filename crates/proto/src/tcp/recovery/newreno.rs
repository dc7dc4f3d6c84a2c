//! Fast retransmit and fast recovery without SACK (RFC 5681 §3.2, RFC 6582), and go-back-N after a timeout.

use crate::tcp::seq::SeqNum;

/// Duplicate ACKs that mean a loss (RFC 5681 §3.2).
const DUPLICATES: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery, until everything sent before it is acknowledged.
    Fast,
    /// After a timeout: everything in flight then is sent again, in order.
    Timeout,
}

/// What an ACK meant for recovery; the caller tells congestion control.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// Ordinary progress.
    Progress,
    /// The third duplicate ACK: a loss.
    LossDetected,
    /// One more duplicate ACK inside fast recovery: one more segment has left the network.
    Inflate,
    /// An ACK inside fast recovery that ends short of `recover`: the next hole.
    Partial,
    /// Fast recovery is over.
    Recovered,
    /// A duplicate ACK that means nothing yet.
    Duplicate,
}

/// The state of loss recovery. What must be sent again is `rtx_next .. rtx_until`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    phase: Phase,
    duplicates: u8,
    /// SND.NXT when the last recovery began (RFC 6582 §3.2 step 1).
    recover: SeqNum,
    rtx_next: SeqNum,
    rtx_until: SeqNum,
}

impl Recovery {
    pub(crate) fn new(iss: SeqNum) -> Self {
        Self { phase: Phase::Open, duplicates: 0, recover: iss, rtx_next: iss, rtx_until: iss }
    }

    /// The part of the sequence space to send again now, if any.
    pub(crate) fn lost(&self) -> Option<(SeqNum, u32)> {
        self.rtx_next.before(self.rtx_until).then(|| (self.rtx_next, self.rtx_until.since(self.rtx_next)))
    }

    /// `octets` of [`Recovery::lost`] were sent again.
    pub(crate) fn on_resent(&mut self, octets: u32) {
        self.rtx_next += octets;
    }

    /// Octets in flight, as far as is known: after a timeout, only what was sent again since.
    pub(crate) fn in_flight(&self, una: SeqNum, nxt: SeqNum) -> u32 {
        if self.phase == Phase::Timeout && self.rtx_next.before(self.rtx_until) {
            self.rtx_next.since(una)
        } else {
            nxt.since(una)
        }
    }

    pub(crate) fn in_fast_recovery(&self) -> bool {
        self.phase == Phase::Fast
    }

    /// New text was acknowledged up to `una`; `mss` bounds what a partial ACK sends again.
    pub(crate) fn on_progress(&mut self, una: SeqNum, nxt: SeqNum, mss: u16) -> Outcome {
        self.duplicates = 0;
        self.rtx_next = self.rtx_next.max(una);
        self.rtx_until = self.rtx_until.max(self.rtx_next);
        let done = una.at_or_after(self.recover);
        match self.phase {
            Phase::Open => Outcome::Progress,
            Phase::Fast if done => {
                self.phase = Phase::Open;
                Outcome::Recovered
            }
            Phase::Fast => {
                self.rtx_next = una;
                self.rtx_until = (una + u32::from(mss)).min(nxt);
                Outcome::Partial
            }
            Phase::Timeout => {
                if done {
                    self.phase = Phase::Open;
                }
                Outcome::Progress
            }
        }
    }

    /// A duplicate ACK (RFC 5681 §2) arrived.
    pub(crate) fn on_duplicate(&mut self, una: SeqNum, nxt: SeqNum, mss: u16) -> Outcome {
        if self.phase == Phase::Fast {
            return Outcome::Inflate;
        }
        self.duplicates = self.duplicates.saturating_add(1);
        // RFC 6582 §3.2 step 2: not for what a recovery before has sent again already.
        if self.duplicates != DUPLICATES || self.phase == Phase::Timeout || una.before(self.recover) {
            return Outcome::Duplicate;
        }
        self.phase = Phase::Fast;
        self.recover = nxt;
        self.rtx_next = una;
        self.rtx_until = (una + u32::from(mss)).min(nxt);
        Outcome::LossDetected
    }

    /// The retransmission timer expired: everything in flight is taken for lost.
    pub(crate) fn on_timeout(&mut self, una: SeqNum, nxt: SeqNum) {
        *self = Self { phase: Phase::Timeout, duplicates: 0, recover: nxt, rtx_next: una, rtx_until: nxt };
    }

    /// Sends `una .. nxt` again without calling it a loss: the path takes only smaller packets, or a probe of a closed
    /// window was thrown away by the peer.
    pub(crate) fn resend(&mut self, una: SeqNum, nxt: SeqNum) {
        self.rtx_next = una;
        self.rtx_until = nxt;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_duplicate_ack_sends_the_first_segment_again() {
        let mut recovery = Recovery::new(SeqNum(0));
        let (una, nxt) = (SeqNum(1000), SeqNum(6000));
        assert_eq!(recovery.on_duplicate(una, nxt, 1000), Outcome::Duplicate);
        assert_eq!(recovery.on_duplicate(una, nxt, 1000), Outcome::Duplicate);
        assert_eq!(recovery.lost(), None);
        assert_eq!(recovery.on_duplicate(una, nxt, 1000), Outcome::LossDetected);
        assert_eq!(recovery.lost(), Some((una, 1000)));
        recovery.on_resent(1000);
        assert_eq!(recovery.on_duplicate(una, nxt, 1000), Outcome::Inflate);
        assert_eq!(recovery.on_progress(SeqNum(3000), nxt, 1000), Outcome::Partial);
        assert_eq!(recovery.lost(), Some((SeqNum(3000), 1000)));
        assert_eq!(recovery.on_progress(nxt, nxt, 1000), Outcome::Recovered);
        assert_eq!(recovery.lost(), None);
    }

    #[test]
    fn timeout_sends_everything_in_flight_again_and_counts_only_that_as_flying() {
        let mut recovery = Recovery::new(SeqNum(0));
        let (una, nxt) = (SeqNum(1000), SeqNum(6000));
        recovery.on_timeout(una, nxt);
        assert_eq!((recovery.lost(), recovery.in_flight(una, nxt)), (Some((una, 5000)), 0));
        recovery.on_resent(1000);
        assert_eq!(recovery.in_flight(una, nxt), 1000);
        // Three duplicates of the old flight do not start fast recovery.
        for _ in 0..4 {
            assert_eq!(recovery.on_duplicate(una, nxt, 1000), Outcome::Duplicate);
        }
        assert_eq!(recovery.on_progress(SeqNum(4000), nxt, 1000), Outcome::Progress);
        assert_eq!(recovery.lost(), Some((SeqNum(4000), 2000)));
    }
}
