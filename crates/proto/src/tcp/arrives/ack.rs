//! Fifth, check the ACK field (RFC 9293 §3.10.7.4): what it acknowledges, then recovery, congestion and the window.
//! Ledger: [9293-SA-ESTABLISHED-5, 9293-SA-ESTABLISHED-11, 9293-SA-ESTABLISHED-12, 9293-SA-ESTABLISHED-13,
//! 9293-SA-FIN-WAIT-1-5, 9293-SA-FIN-WAIT-1-10, 9293-SA-FIN-WAIT-2-5, 9293-SA-CLOSE-WAIT-5, 9293-SA-CLOSING-5,
//! 9293-SA-LAST-ACK-5].

use super::Stop;
use crate::tcp::buffer::pool::Pools;
use crate::tcp::congestion::{AckSample, Congestion, Controller as _};
use crate::tcp::recovery::newreno::Outcome;
use crate::tcp::segment::Segment;
use crate::tcp::seq::SeqNum;
use crate::tcp::tcb::{Tcb, millis32};
use crate::tcp::timers::{self, Waiting};
use crate::wire::tcp::{Flags, Timestamp};
use crate::{DropReason, Instant};
use core::ops::ControlFlow;

/// No round trip takes longer.
const RTT_MAX_MS: u32 = 300_000;

// Beside the straight way it has one caller, and that way is to be in one piece.
#[inline(always)]
pub(super) fn process(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &Segment) -> ControlFlow<Stop> {
    if !seg.has(Flags::ACK) {
        return ControlFlow::Break(Stop::Drop(DropReason::AckMissing));
    }
    let acked = seg.ack.since(tcb.snd.una);
    if acked > tcb.outstanding() {
        return outside_of_flight(tcb, seg);
    }
    let window_before = tcb.snd.wnd;
    if acked > 0 {
        acknowledge(tcb, pools, now, seg.ack, seg.timestamp());
    }
    update_window(tcb, now, seg.seq, seg.ack, seg.wnd);
    if acked == 0 && is_duplicate(tcb, seg, window_before) {
        duplicate(tcb, now);
    }
    ControlFlow::Continue(())
}

/// RFC 5961 §5: believable are only ACKs from the last window we could have filled up to what we have sent. The old ones
/// say nothing new.
/// Ledger: RFC 9293 MAY-12 [5961-7, 5961-8, 5961-9].
#[cold]
fn outside_of_flight(tcb: &Tcb, seg: &Segment) -> ControlFlow<Stop> {
    if seg.ack.after(tcb.snd.nxt) {
        ControlFlow::Break(Stop::ChallengeAck(DropReason::AckOfUnsent))
    } else if seg.ack.before(tcb.snd.una - tcb.max_wnd()) {
        ControlFlow::Break(Stop::ChallengeAck(DropReason::AckTooOld))
    } else {
        ControlFlow::Continue(())
    }
}

/// RFC 5681 §2: outstanding text, no text, no SYN or FIN, the same ACK and the same window. A receiver whose window
/// grows meanwhile, as Linux's does, is recognised by its SACK blocks: text beyond SND.UNA has arrived (RFC 6675 §2).
/// Ledger: [5681-18].
#[inline]
fn is_duplicate(tcb: &Tcb, seg: &Segment, window_before: u32) -> bool {
    if tcb.outstanding() == 0 || seg.len() > 0 {
        return false;
    }
    // One that stands before the window is a probe.
    let probe = seg.seq.before(tcb.rcv.nxt);
    let same_window = tcb.snd.wnd == window_before && window_before > 0;
    let something_arrived = || seg.options.sack.iter().any(|(_, right)| right.after(tcb.snd.una));
    !probe && (same_window || (tcb.sack && something_arrived()))
}

// Ledger: [5681-15, 5681-16, 5681-22].
#[cold]
fn duplicate(tcb: &mut Tcb, now: Instant) {
    // What limited transmit sent beyond the window does not count (RFC 5681 §3.2 [5681-14]).
    let in_flight = tcb.outstanding().min(tcb.congestion.cwnd());
    let (una, nxt, mss) = (tcb.snd.una, tcb.snd.nxt, tcb.snd.mss);
    match tcb.rare_mut().recovery.on_duplicate(una, nxt, mss) {
        Outcome::LossDetected => {
            tcb.congestion.on_congestion(Congestion::Loss, in_flight, tcb.snd.mss);
            tcb.rare_mut().loss_at = Some(now);
            tcb.stop_timing();
        }
        Outcome::Inflate => tcb.congestion.on_inflate(u32::from(tcb.snd.mss)),
        _ => {}
    }
}

/// `ack` covers some of what is in flight. `echo`: the timestamps of the segment that says so.
#[inline(always)]
pub(super) fn acknowledge(
    tcb: &mut Tcb,
    pools: &mut Pools,
    now: Instant,
    ack: SeqNum,
    echo: Option<Timestamp>,
) {
    let acked = ack.since(tcb.snd.una);
    let in_flight = tcb.outstanding();
    sample_rtt(tcb, now, ack, echo);
    let fin_acked = tcb.halves.fin_outstanding() && ack.after(tcb.text_end());
    let text_acked = acked - u32::from(fin_acked);
    if let Some(send) = &mut tcb.send {
        send.acknowledge(usize::try_from(text_acked).unwrap_or(usize::MAX));
        pools.release_send(&mut tcb.send);
    }
    tcb.snd.una = ack;
    // A number left behind would come before us again after 2^31 octets.
    tcb.snd.small_end = tcb.snd.small_end.max(ack);
    if fin_acked {
        tcb.halves.on_fin_acked();
    }
    let restart = if tcb.rare().is_some() {
        recover(tcb, acked, in_flight)
    } else {
        grow(tcb, acked, in_flight, tcb.cwnd_limited);
        true
    };
    timers::progress(tcb, now, restart);
    tcb.prolong(now);
    if tcb.write_blocked && tcb.send_queue() <= tcb.config.send_buffer / 2 {
        tcb.write_blocked = false;
        tcb.wake.writable = true;
    }
}

/// Progress with no loss to recover from.
/// Ledger: RFC 9293 MUST-19.
#[inline]
fn grow(tcb: &mut Tcb, acked: u32, in_flight: u32, limited: bool) {
    let window_limited = limited || in_flight >= tcb.congestion.cwnd();
    tcb.congestion.on_ack(&AckSample { acked, mss: tcb.snd.mss, window_limited });
}

/// Progress of a connection that has lost something, now or before. Whether the retransmission timer starts anew.
#[cold]
fn recover(tcb: &mut Tcb, acked: u32, in_flight: u32) -> bool {
    let (una, nxt, mss) = (tcb.snd.una, tcb.snd.nxt, tcb.snd.mss);
    let Some(rare) = tcb.rare_if_any() else { return true };
    rare.trouble = None;
    rare.snd_up = rare.snd_up.filter(|up| up.after(una));
    let resending = rare.recovery.lost().is_some();
    // After a timeout an ACK may cover much that had arrived long ago: that is no room in the network.
    let counted = if rare.recovery.after_timeout() { acked.min(u32::from(mss)) } else { acked };
    let outcome = rare.recovery.on_progress(una, nxt, mss);
    match outcome {
        Outcome::Recovered => tcb.congestion.on_recovered(tcb.outstanding(), mss),
        Outcome::Partial { .. } => tcb.congestion.on_partial_ack(acked, mss),
        _ => grow(tcb, counted, in_flight, tcb.cwnd_limited || resending),
    }
    outcome != Outcome::Partial { first: false }
}

/// Karn's rule for the segment being timed; a timestamp where it is not (RFC 6298 §3, RFC 7323 §4.1).
/// Ledger: RFC 9293 MUST-18 [6298-6, 6298-7].
#[inline]
fn sample_rtt(tcb: &mut Tcb, now: Instant, ack: SeqNum, echo: Option<Timestamp>) {
    if !tcb.is_timing() {
        return sample_echo(tcb, now, echo);
    }
    if let Some(rtt_us) = tcb.take_timed(ack, now) {
        tcb.sample_rtt(rtt_us);
    }
}

/// A round trip from the timestamp that the peer echoes.
/// Ledger: [7323-16].
#[inline(never)]
fn sample_echo(tcb: &mut Tcb, now: Instant, echo: Option<Timestamp>) {
    let (Some(ts), Some(theirs)) = (tcb.ts(), echo) else { return };
    let sent_ms = theirs.ecr.wrapping_sub(ts.offset);
    let rtt_ms = millis32(now).wrapping_sub(sent_ms);
    // An echo from the future or from before the connection is noise. One from before the loss may mean that only the
    // ACK was lost; then it measures our own timeout, and each lost ACK would lengthen that.
    let loss_at = tcb.rare().and_then(|rare| rare.loss_at);
    let since_loss_ms = loss_at.map_or(RTT_MAX_MS, |at| millis32(now).wrapping_sub(millis32(at)));
    if theirs.ecr != 0 && rtt_ms <= since_loss_ms.min(RTT_MAX_MS) {
        tcb.sample_rtt(rtt_ms * 1_000);
    }
}

/// SND.WND follows the newest segment, never an older one (RFC 9293 §3.10.7.4).
/// Ledger: RFC 9293 MUST-1, MUST-34, REC-1 [7323-6, 7323-10].
#[inline]
pub(super) fn update_window(tcb: &mut Tcb, now: Instant, seq: SeqNum, ack: SeqNum, wnd: u16) {
    let newer = tcb.snd.wl1.before(seq) || (tcb.snd.wl1 == seq && tcb.snd.wl2.at_or_before(ack));
    if !newer {
        return;
    }
    let before = core::mem::replace(&mut tcb.snd.wnd, u32::from(wnd) << tcb.snd_shift);
    tcb.snd.max_wnd = tcb.snd.max_wnd.max(wnd);
    tcb.snd.wl1 = seq;
    tcb.snd.wl2 = ack;
    if tcb.timers.waiting == Waiting::Window || before == 0 {
        window_seen(tcb, now, before);
    }
}

/// The peer answered while we waited for its window.
#[cold]
fn window_seen(tcb: &mut Tcb, now: Instant, before: u32) {
    // As long as the peer answers, a closed window may last for ever, however rare the probes (RFC 9293 MUST-37).
    tcb.timers.not_silent();
    if tcb.snd.wnd == 0 {
        return;
    }
    if before == 0 {
        tcb.timers.backoff = 0;
        if tcb.outstanding() == 0 {
            tcb.timers.stop();
            return;
        }
        // What lies beyond a closed window was thrown away, the octet of the probe too, unless the ACK says otherwise.
        tcb.send_again();
        let rto = tcb.rto();
        tcb.timers.restart(Waiting::Ack, now, rto);
        tcb.timers.silent_from(now);
    }
}

/// Whether `ack` is one the peer may send in answer to `iss .. nxt` before the connection is synchronized.
pub(crate) fn acknowledges_our_syn(iss: SeqNum, nxt: SeqNum, ack: SeqNum) -> bool {
    ack.after(iss) && ack.at_or_before(nxt)
}
