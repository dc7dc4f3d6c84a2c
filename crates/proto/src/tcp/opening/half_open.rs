//! SYN-RECEIVED after a passive open: a SYN was answered, nothing else is kept. No buffers; going back to LISTEN is
//! dropping it.

use super::negotiate::Agreed;
use super::sources::Source;
use crate::host::key::Key;
use crate::tcp::arrives::sequence_acceptable;
use crate::tcp::segment::Segment;
use crate::time::Span;
use crate::wire::tcp::Flags;
use crate::{DropReason, Instant, InterfaceId};

/// First wait for the handshake's ACK, milliseconds; doubled each time.
const SYN_ACK_RTO_MS: u64 = 1_000;
/// How often the SYN-ACK is repeated (Linux: `tcp_synack_retries`): with the doubling, 63 seconds in all.
/// Deviation, RFC 9293 MUST-23: not three minutes, because who floods a listener decides how many of these wait.
const SYN_ACK_RETRIES: u8 = 5;

/// For when the timing wheel holds an entry of a half-open connection. It stays with the slot when that is gone, and serves
/// the next one there, whose SYN-ACK waits no shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armed(Instant);

impl Default for Armed {
    fn default() -> Self {
        Self(Instant::FAR_FUTURE)
    }
}

impl Armed {
    /// Whether the wheel needs an entry for `at`; counts it in then.
    #[inline]
    pub(crate) fn add(&mut self, at: Instant) -> bool {
        let needed = at < self.0;
        if needed {
            self.0 = at;
        }
        needed
    }

    /// An entry for `at` came due. False for one that was forgotten when a nearer one was needed.
    #[inline]
    pub(crate) fn take(&mut self, at: Instant) -> bool {
        let ours = self.0 == at;
        if ours {
            self.0 = Instant::FAR_FUTURE;
        }
        ours
    }
}

/// One half-open connection.
#[derive(Clone, Debug)]
pub(crate) struct HalfOpen {
    pub(crate) key: Key,
    pub(crate) agreed: Agreed,
    pub(crate) listener: u32,
    pub(crate) interface: InterfaceId,
    /// Whether the SYN-ACK offers window scaling.
    pub(crate) scaled: bool,
    pub(crate) retries: u8,
    pub(crate) resend_at: Instant,
    pub(crate) armed: Armed,
    /// When the first SYN-ACK left, or the SYN came that is held.
    pub(crate) since: Instant,
    /// Answers to suspicious segments may leave again at this time.
    pub(crate) challenge_at: Instant,
    /// It covers a TIME-WAIT of the same tuple, which comes back if this dies (RFC 9293 MAY-2).
    pub(crate) covers_time_wait: bool,
    /// The SYN was not answered: the application decides. Then `resend_at` is when it is forgotten.
    pub(crate) held: bool,
    /// Whose it is, for the bound on half-open connections of one source.
    pub(crate) source: Source,
}

/// What a segment means to a half-open connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Drop(DropReason),
    /// The SYN came again while it is held.
    Refresh(DropReason),
    /// The SYN came again: so does the answer.
    RepeatSynAck(DropReason),
    /// Acknowledge what is expected, rate-limited.
    Challenge(DropReason),
    /// An RST: back to LISTEN.
    Forget,
    /// Another SYN: back to LISTEN, where it may come again (RFC 9293 §3.10.7.4, fourth step).
    Relisten(DropReason),
    /// Answer RST at SEG.ACK and stay.
    Refuse(DropReason),
    /// The handshake's ACK.
    Establish,
}

impl HalfOpen {
    /// The next repetition of the SYN-ACK; false when it is time to give up.
    pub(crate) fn back_off(&mut self, now: Instant) -> bool {
        if self.retries >= SYN_ACK_RETRIES {
            return false;
        }
        self.retries += 1;
        self.agreed.syn_repeated = true;
        self.resend_at = now + Span::from_millis(SYN_ACK_RTO_MS << self.retries);
        true
    }

    /// When the SYN-ACK is first repeated.
    pub(crate) fn first_resend_at(now: Instant) -> Instant {
        now + Span::from_millis(SYN_ACK_RTO_MS)
    }

    /// RFC 9293 §3.10.7.4 for SYN-RECEIVED; the bad ACK is answered by RST as there, not as in RFC 5961 §5, whose
    /// range has meaning only in synchronized states.
    /// Ledger: [9293-SA-SYN-RECEIVED-1, 9293-SA-SYN-RECEIVED-2, 9293-SA-SYN-RECEIVED-9,
    /// 9293-SA-SYN-RECEIVED-11, 9293-SA-SYN-RECEIVED-4, 9293-SA-SYN-RECEIVED-5, 9293-SA-SYN-RECEIVED-10,
    /// 9293-SA-SYN-RECEIVED-6, 9293-SA-SYN-RECEIVED-7, 9293-SA-SYN-RECEIVED-8].
    pub(crate) fn judge(&self, now: Instant, seg: &Segment) -> Step {
        if self.held {
            return self.judge_held(seg);
        }
        let rcv_nxt = self.agreed.irs + 1;
        // Deviation, RFC 9293 §3.10.7.4 [9293-SA-SYN-RECEIVED-1]: the SYN-ACK again instead of a bare ACK, which a peer in
        // SYN-SENT would have no use for: most likely ours was lost.
        if seg.has(Flags::SYN) && !seg.has(Flags::ACK) && !seg.has(Flags::RST) && seg.seq == self.agreed.irs {
            return Step::RepeatSynAck(DropReason::Duplicate);
        }
        if let (Some(recent), Some(ts)) = (self.agreed.ts_recent, seg.timestamp())
            && !seg.has(Flags::RST)
            && crate::SeqNum(ts.val).before(crate::SeqNum(recent))
        {
            return Step::Challenge(DropReason::Paws);
        }
        if !sequence_acceptable(rcv_nxt, self.agreed.rcv_wnd, seg) {
            return if seg.has(Flags::RST) {
                Step::Drop(DropReason::RstOutOfWindow)
            } else {
                Step::Challenge(DropReason::OutOfWindow)
            };
        }
        if seg.has(Flags::RST) {
            return if seg.seq == rcv_nxt {
                Step::Forget
            } else {
                Step::Challenge(DropReason::RstChallenged)
            };
        }
        if seg.has(Flags::SYN) {
            return Step::Relisten(DropReason::SynChallenged);
        }
        if !seg.has(Flags::ACK) {
            return Step::Drop(DropReason::AckMissing);
        }
        if seg.ack != self.agreed.iss + 1 {
            return Step::Refuse(DropReason::UnacceptableAck);
        }
        if self.agreed.ts_recent.is_some() && seg.timestamp().is_none() {
            return Step::Drop(DropReason::TimestampMissing);
        }
        if self.agreed.echoes_another(self.since, now, seg) {
            return Step::Drop(DropReason::ForeignEcho);
        }
        Step::Establish
    }

    /// Nothing was sent yet, so nothing can be acknowledged, and no answer may tell where the window lies.
    fn judge_held(&self, seg: &Segment) -> Step {
        if seg.has(Flags::RST) {
            let exact = seg.seq == self.agreed.irs + 1;
            return if exact { Step::Forget } else { Step::Drop(DropReason::RstOutOfWindow) };
        }
        if seg.has(Flags::ACK) {
            return Step::Refuse(DropReason::UnacceptableAck);
        }
        let again = seg.has(Flags::SYN) && seg.seq == self.agreed.irs;
        if again { Step::Refresh(DropReason::HeldSyn) } else { Step::Drop(DropReason::HeldSyn) }
    }

    /// The SYN came again: the peer's clock has gone on, and by a SYN-ACK that echoes less it would know ours for an answer to
    /// an earlier SYN with the same number (RFC 7323 §4.3).
    /// Ledger: [7323-17].
    pub(crate) fn refresh(&mut self, seg: &Segment) {
        if let (Some(recent), Some(ts)) = (&mut self.agreed.ts_recent, seg.timestamp())
            && crate::SeqNum(ts.val).after(crate::SeqNum(*recent))
        {
            *recent = ts.val;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Armed, HalfOpen};
    use crate::Instant;

    #[test]
    fn entry_of_the_wheel_is_asked_for_once_and_again_only_for_what_is_nearer() {
        let (mut armed, at) = (Armed::default(), Instant::from_millis);
        assert!(armed.add(at(9)) && !armed.add(at(9)) && !armed.add(at(10)) && armed.add(at(3)));
        assert!(!armed.take(at(9)), "forgotten");
        assert!(armed.take(at(3)) && !armed.take(at(3)) && armed.add(at(9)));
    }

    /// With its slot's generation, an entry of the index (11.5 octets) and one of the wheel (16) it stays under 160.
    #[test]
    fn half_open_connection_is_at_most_120_octets() {
        assert!(size_of::<HalfOpen>() <= 120, "{}", size_of::<HalfOpen>());
    }
}
