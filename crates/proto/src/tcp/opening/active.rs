//! SYN-SENT, and SYN-RECEIVED when both sides open at once (RFC 9293 §3.10.7.3, Figures 7 and 8).

use super::half_open::HalfOpen;
use super::negotiate::{self, Agreed};
use crate::tcp::arrives::{acknowledges_our_syn, sequence_acceptable};
use crate::tcp::buffer::send::SendBuffer;
use crate::tcp::closing::holder::Holder;
use crate::tcp::info::Trouble;
use crate::tcp::segment::Segment;
use crate::tcp::seq::{SeqNum, octets};
use crate::tcp::settings::Settings;
use crate::tcp::timers::R1;
use crate::wire::tcp::{Flags, Header};
use crate::{DropReason, Instant, State};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

/// An active open that has not been answered in full. Carries text and CLOSE queued before the handshake ends.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) iss: SeqNum,
    pub(crate) config: Arc<Settings>,
    pub(crate) holder: Holder,
    /// The peer's SYN, once it came: then this is SYN-RECEIVED.
    pub(crate) agreed: Option<Agreed>,
    /// Whether the peer's SYN offered window scaling.
    scaled: bool,
    pub(crate) send: Option<Box<SendBuffer>>,
    /// The application has closed already.
    pub(crate) close_queued: bool,
    pub(crate) write_blocked: bool,
    pub(crate) nodelay: bool,
    /// A SYN or SYN-ACK is to leave.
    pub(crate) syn_due: bool,
    pub(crate) resend_at: Instant,
    /// When the first SYN, or SYN-ACK, left.
    pub(crate) syn_at: Instant,
    /// When the connect fails (R2 of RFC 9293 MUST-23).
    pub(crate) give_up_at: Instant,
    retries: u8,
    /// What is wrong.
    pub(crate) trouble: Option<Trouble>,
    ts_offset: u32,
    our_mss: u16,
    ipv6: bool,
    /// Answers to suspicious segments may leave again at this time.
    pub(crate) challenge_at: Instant,
    /// It began with a SYN of the peer's that was held and then admitted.
    pub(crate) passive: bool,
    /// It covers a TIME-WAIT of the same tuple, which comes back if this dies (RFC 9293 MAY-2).
    pub(crate) covers_time_wait: bool,
}

/// What a segment means to an active open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Drop(DropReason),
    /// Answer RST at SEG.ACK and stay.
    Refuse(DropReason),
    /// Acknowledge what is expected, rate-limited.
    Challenge(DropReason),
    /// The peer refused, whether or not its own SYN had come.
    Refused,
    /// The peer opens too: SYN-RECEIVED, answer SYN-ACK.
    SynReceived,
    /// The handshake is over.
    Establish(Agreed),
}

/// What the network layer knows of the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) our_mss: u16,
    pub(crate) ts_offset: u32,
    pub(crate) ipv6: bool,
}

impl Opening {
    pub(crate) fn new(now: Instant, iss: SeqNum, config: Arc<Settings>, path: Path) -> Self {
        Self {
            iss,
            holder: Holder::Application,
            agreed: None,
            scaled: false,
            send: None,
            close_queued: false,
            write_blocked: false,
            nodelay: config.nodelay,
            syn_due: true,
            resend_at: Instant::FAR_FUTURE,
            syn_at: Instant::FAR_FUTURE,
            give_up_at: now + config.syn_timeout,
            retries: 0,
            trouble: None,
            ts_offset: path.ts_offset,
            our_mss: path.our_mss,
            ipv6: path.ipv6,
            challenge_at: now,
            passive: false,
            covers_time_wait: false,
            config,
        }
    }

    /// SYN-RECEIVED after a SYN that was held and is now admitted: nothing was sent yet.
    pub(crate) fn admitted(
        now: Instant,
        half_open: &HalfOpen,
        config: Arc<Settings>,
        our_mss: u16,
        ipv6: bool,
    ) -> Self {
        let agreed = half_open.agreed;
        let path = Path { our_mss, ts_offset: agreed.ts_offset, ipv6 };
        Self {
            agreed: Some(agreed),
            scaled: half_open.scaled,
            passive: true,
            covers_time_wait: half_open.covers_time_wait,
            ..Self::new(now, agreed.iss, config, path)
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.agreed.is_some() { State::SynReceived } else { State::SynSent }
    }

    /// Whether the SYN, or the SYN-ACK, was repeated.
    pub(crate) fn has_repeated(&self) -> bool {
        self.retries > 0
    }

    /// How long after its next repetition the one after that is due.
    pub(crate) fn next_wait(&self) -> Duration {
        self.config.rto.of_syn(self.retries.saturating_add(1)).duration()
    }

    pub(crate) fn send_queue(&self) -> u32 {
        self.send.as_ref().map_or(0, |send| octets(send.len()))
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.resend_at.min(self.give_up_at).min(self.holder.until())
    }

    /// Takes note of what is wrong. True when that is news.
    pub(crate) fn note_trouble(&mut self, trouble: Trouble) -> bool {
        self.trouble.replace(trouble) != Some(trouble)
    }

    /// Whether the SYN has been sent again so often that the application is to know (RFC 9293 MUST-22, SHLD-9).
    pub(crate) fn has_crossed_r1(&self) -> bool {
        self.retries >= R1 && self.syn_due
    }

    /// A deadline has passed; false when it is time to give up.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.give_up_at <= now || self.holder.until() <= now {
            return false;
        }
        if self.resend_at <= now {
            self.syn_due = true;
            self.retries = self.retries.saturating_add(1);
            self.resend_at = Instant::FAR_FUTURE;
        }
        true
    }

    /// The SYN, or the SYN-ACK of a simultaneous open.
    pub(crate) fn build_syn(&mut self, now: Instant, ts_val: u32) -> Header {
        self.syn_due = false;
        self.syn_at = self.syn_at.min(now);
        self.resend_at = now + self.config.rto.of_syn(self.retries);
        let wnd = self.config.syn_window;
        let header = Header { seq: self.iss, flags: Flags::SYN, wnd, ..Header::default() };
        match &self.agreed {
            None => Header { options: negotiate::syn_options(&self.config, self.our_mss, ts_val), ..header },
            Some(agreed) => Header {
                ack: agreed.irs + 1,
                flags: Flags::SYN.with(Flags::ACK),
                options: agreed.syn_ack_options(&self.config, self.our_mss, ts_val, self.scaled),
                ..header
            },
        }
    }

    /// Our clock as the peer sees it.
    pub(crate) fn ts_val(&self, now: Instant) -> u32 {
        crate::tcp::tcb::millis32(now).wrapping_add(self.ts_offset)
    }

    /// A segment arrived.
    pub(crate) fn judge(&mut self, now: Instant, seg: &Segment) -> Step {
        match self.agreed {
            None => self.in_syn_sent(seg),
            Some(agreed) => self.in_syn_received(now, &agreed, seg),
        }
    }

    /// RFC 9293 §3.10.7.3.
    /// Ledger: RFC 9293 MUST-10 [5961-4].
    /// Ledger: [9293-SA-SYN-SENT-1, 9293-SA-SYN-SENT-2, 9293-SA-SYN-SENT-13, 9293-SA-SYN-SENT-4,
    /// 9293-SA-SYN-SENT-9, 9293-SA-SYN-SENT-5, 9293-SA-SYN-SENT-10, 9293-SA-SYN-SENT-6, 9293-SA-SYN-SENT-7,
    /// 9293-SA-SYN-SENT-8, 9293-SA-SYN-SENT-11].
    fn in_syn_sent(&mut self, seg: &Segment) -> Step {
        let acks = seg.has(Flags::ACK);
        if acks && !acknowledges_our_syn(self.iss, self.iss + 1, seg.ack) {
            let reason = DropReason::UnacceptableAck;
            return if seg.has(Flags::RST) { Step::Drop(reason) } else { Step::Refuse(reason) };
        }
        if seg.has(Flags::RST) {
            return if acks { Step::Refused } else { Step::Drop(DropReason::RstOutOfWindow) };
        }
        // An answer to a SYN that was sent before ours is one to an earlier connection with the same number. Linux:
        // PAWSActiveRejected. No echo at all is let pass, as there.
        if acks
            && let Some(ts) = seg.timestamp().filter(|ts| self.config.timestamps && ts.ecr != 0)
            && SeqNum(ts.ecr).before(SeqNum(self.ts_val(self.syn_at)))
        {
            return Step::Drop(DropReason::Paws);
        }
        if !seg.has(Flags::SYN) {
            return Step::Drop(DropReason::NoSyn);
        }
        let mut agreed =
            Agreed::from_syn(&self.config, seg, self.iss, self.our_mss, self.ipv6, self.ts_offset);
        agreed.syn_repeated = self.retries > 0;
        if acks {
            return Step::Establish(agreed);
        }
        self.scaled = self.config.window_scaling && seg.options.window_scale.is_some();
        self.agreed = Some(agreed);
        self.syn_due = true;
        self.retries = 0;
        Step::SynReceived
    }

    /// RFC 9293 §3.10.7.4 for SYN-RECEIVED after an active open.
    /// Ledger: RFC 9293 MUST-10, MUST-11.
    fn in_syn_received(&mut self, now: Instant, agreed: &Agreed, seg: &Segment) -> Step {
        let rcv_nxt = agreed.irs + 1;
        if let Some(step) = timestamp(agreed, seg) {
            return step;
        }
        // The peer's SYN-ACK: its SYN was received already, its ACK is what was missing (Figure 8, lines 5 and 6).
        let syn_again = seg.has(Flags::SYN) && seg.seq == agreed.irs && !seg.has(Flags::RST);
        if !syn_again {
            if !sequence_acceptable(rcv_nxt, agreed.rcv_wnd, seg) {
                return if seg.has(Flags::RST) {
                    Step::Drop(DropReason::RstOutOfWindow)
                } else {
                    Step::Challenge(DropReason::OutOfWindow)
                };
            }
            if seg.has(Flags::RST) {
                return if seg.seq == rcv_nxt {
                    Step::Refused
                } else {
                    Step::Challenge(DropReason::RstChallenged)
                };
            }
            if seg.has(Flags::SYN) {
                return Step::Challenge(DropReason::SynChallenged);
            }
        }
        if !seg.has(Flags::ACK) {
            // The same SYN again: our SYN-ACK was lost.
            self.syn_due |= syn_again;
            return Step::Drop(if syn_again { DropReason::Duplicate } else { DropReason::AckMissing });
        }
        if !acknowledges_our_syn(self.iss, self.iss + 1, seg.ack) {
            return Step::Refuse(DropReason::UnacceptableAck);
        }
        if agreed.echoes_another(self.syn_at, now, seg) {
            return Step::Drop(DropReason::ForeignEcho);
        }
        let syn_repeated = agreed.syn_repeated || self.retries > 0;
        Step::Establish(Agreed { syn_repeated, ..*agreed })
    }
}

/// Timestamps that were agreed on are on every segment, and never go back (RFC 7323 §3.2, §5.3).
fn timestamp(agreed: &Agreed, seg: &Segment) -> Option<Step> {
    let recent = agreed.ts_recent.filter(|_| !seg.has(Flags::RST))?;
    match seg.timestamp() {
        None => Some(Step::Drop(DropReason::TimestampMissing)),
        Some(ts) if SeqNum(ts.val).before(SeqNum(recent)) => Some(Step::Challenge(DropReason::Paws)),
        Some(_) => None,
    }
}
