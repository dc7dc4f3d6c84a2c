//! Fast retransmit and fast recovery without SACK (RFC 5681 §3.2, RFC 6582), and go-back-N after a timeout.

use crate::tcp::seq::SeqNum;

/// Duplicate ACKs that mean a loss (RFC 5681 §3.2).
const DUPLICATES: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery, until everything sent before it is acknowledged.
    Fast,
    /// After a timeout and the like: everything in flight then is sent again, in order.
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
    /// An ACK inside fast recovery that ends short of `recover`: the next hole. Only the first of them restarts the
    /// retransmission timer (RFC 6582 §3.2 step 3): with many holes, one a round trip, the timeout is the faster way.
    Partial {
        /// Whether it is the first of this recovery.
        first: bool,
    },
    /// Fast recovery is over.
    Recovered,
    /// A duplicate ACK that means nothing yet.
    Duplicate,
}

/// The state of loss recovery. What must be sent again is `rtx_next .. rtx_until`.
#[derive(Clone, Copy, Hash, Debug)]
pub(crate) struct Recovery {
    phase: Phase,
    duplicates: u8,
    /// A partial ACK has come in this recovery.
    partial_seen: bool,
    /// SND.NXT when the last recovery began (RFC 6582 §3.2 step 1).
    recover: SeqNum,
    rtx_next: SeqNum,
    rtx_until: SeqNum,
    /// SND.UNA when the timer last expired: the same again is the same loss (RFC 5681 §3.1 [5681-8]).
    timed_out: Option<SeqNum>,
}

impl Recovery {
    // Ledger: [6582-1].
    pub(crate) fn new(iss: SeqNum) -> Self {
        Self {
            phase: Phase::Open,
            duplicates: 0,
            partial_seen: false,
            recover: iss,
            rtx_next: iss,
            rtx_until: iss,
            timed_out: None,
        }
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

    /// Octets of new text that may leave beyond the congestion window: a segment for each of the first two duplicate ACKs,
    /// so that a small window still yields the third (limited transmit, RFC 5681 §3.2 step 1, RFC 3042).
    /// Ledger: [5681-12].
    pub(crate) fn allowance(&self, mss: u16) -> u32 {
        if self.phase == Phase::Open {
            u32::from(self.duplicates.min(DUPLICATES - 1)) * u32::from(mss)
        } else {
            0
        }
    }

    pub(crate) fn in_fast_recovery(&self) -> bool {
        self.phase == Phase::Fast
    }

    /// Whether what was in flight at a timeout is not acknowledged yet.
    pub(crate) fn after_timeout(&self) -> bool {
        self.phase == Phase::Timeout
    }

    /// New text was acknowledged up to `una`; `mss` bounds what a partial ACK sends again.
    /// Ledger: [5681-17, 6582-3, 6582-4, 6582-5].
    pub(crate) fn on_progress(&mut self, una: SeqNum, nxt: SeqNum, mss: u16) -> Outcome {
        self.duplicates = 0;
        self.rtx_next = self.rtx_next.max(una);
        self.rtx_until = self.rtx_until.max(self.rtx_next);
        let done = una.at_or_after(self.recover);
        match self.phase {
            Phase::Open => {
                // Left behind, it would come before SND.UNA again after 2^31 octets.
                if una.after(self.recover) {
                    self.recover = una - 1;
                }
                Outcome::Progress
            }
            Phase::Fast if done => {
                self.phase = Phase::Open;
                Outcome::Recovered
            }
            Phase::Fast => {
                self.rtx_next = una;
                self.rtx_until = (una + u32::from(mss)).min(nxt);
                Outcome::Partial { first: !core::mem::replace(&mut self.partial_seen, true) }
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
    /// Ledger: [5681-15, 6582-2, 6582-7].
    pub(crate) fn on_duplicate(&mut self, una: SeqNum, nxt: SeqNum, mss: u16) -> Outcome {
        if self.phase == Phase::Fast {
            return Outcome::Inflate;
        }
        self.duplicates = self.duplicates.saturating_add(1);
        // RFC 6582 §3.2 step 2: not for what a recovery before has sent again already.
        if self.duplicates != DUPLICATES || self.phase == Phase::Timeout || una.at_or_before(self.recover) {
            return Outcome::Duplicate;
        }
        self.phase = Phase::Fast;
        self.partial_seen = false;
        self.recover = nxt;
        self.rtx_next = una;
        self.rtx_until = (una + u32::from(mss)).min(nxt);
        Outcome::LossDetected
    }

    /// The retransmission timer expired: everything in flight is taken for lost. Whether that is the first time for
    /// the segment at `una`.
    /// Ledger: [6582-6].
    pub(crate) fn on_timeout(&mut self, una: SeqNum, nxt: SeqNum) -> bool {
        let first = self.timed_out != Some(una);
        self.resend(una, nxt);
        self.timed_out = Some(una);
        first
    }

    /// Nothing of `una .. nxt` flies any more and all of it is sent again. That need not be congestion: the path takes
    /// only smaller packets, or a closed window threw away what went beyond it.
    pub(crate) fn resend(&mut self, una: SeqNum, nxt: SeqNum) {
        self.phase = Phase::Timeout;
        self.duplicates = 0;
        self.recover = nxt;
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
        assert_eq!(recovery.on_progress(SeqNum(3000), nxt, 1000), Outcome::Partial { first: true });
        assert_eq!(recovery.lost(), Some((SeqNum(3000), 1000)));
        assert_eq!(recovery.on_progress(nxt, nxt, 1000), Outcome::Recovered);
        assert_eq!(recovery.lost(), None);
    }

    #[test]
    fn first_two_duplicate_acks_each_allow_one_segment_of_new_text() {
        let mut recovery = Recovery::new(SeqNum(0));
        let (una, nxt) = (SeqNum(1000), SeqNum(3000));
        for allowance in [1000, 2000] {
            recovery.on_duplicate(una, nxt, 1000);
            assert_eq!(recovery.allowance(1000), allowance);
        }
        recovery.on_duplicate(una, nxt, 1000);
        assert_eq!(recovery.allowance(1000), 0, "fast recovery has its own window");
    }

    #[test]
    fn third_duplicate_ack_counts_after_gigabytes_without_a_loss() {
        let mut recovery = Recovery::new(SeqNum(0));
        let mut una = SeqNum(1);
        for _ in 0..5 {
            una += 1 << 29;
            assert_eq!(recovery.on_progress(una, una + 5000, 1000), Outcome::Progress);
        }
        for expected in [Outcome::Duplicate, Outcome::Duplicate, Outcome::LossDetected] {
            assert_eq!(recovery.on_duplicate(una, una + 5000, 1000), expected);
        }
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
