//! Fifth, check the ACK field (RFC 9293 §3.10.7.4): what it acknowledges, then recovery, congestion and the window.

use super::Stop;
use crate::tcp::buffer::pool::Pools;
use crate::tcp::congestion::{AckSample, Congestion, Controller as _};
use crate::tcp::recovery::newreno::Outcome;
use crate::tcp::segment::Segment;
use crate::tcp::seq::SeqNum;
use crate::tcp::tcb::{Tcb, millis32};
use crate::tcp::timers::{self, Waiting};
use crate::wire::tcp::Flags;
use crate::{DropReason, Instant};
use core::ops::ControlFlow;
use core::time::Duration;

/// No round trip takes longer.
const RTT_MAX_MS: u32 = 300_000;

pub(super) fn process(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &Segment) -> ControlFlow<Stop> {
    if !seg.has(Flags::ACK) {
        return ControlFlow::Break(Stop::Drop(DropReason::AckMissing));
    }
    // RFC 5961 §5: believable are only ACKs from the last window we could have filled up to what we have sent.
    if seg.ack.after(tcb.snd.nxt) {
        return ControlFlow::Break(Stop::ChallengeAck(DropReason::AckOfUnsent));
    }
    if seg.ack.before(tcb.snd.una - tcb.max_wnd()) {
        return ControlFlow::Break(Stop::ChallengeAck(DropReason::AckTooOld));
    }
    if seg.ack.after(tcb.snd.una) {
        let window_before = tcb.snd.wnd;
        acknowledge(tcb, pools, now, seg);
        update_window(tcb, now, seg, window_before);
    } else if seg.ack == tcb.snd.una {
        let window_before = tcb.snd.wnd;
        update_window(tcb, now, seg, window_before);
        if is_duplicate(tcb, seg, window_before) {
            duplicate(tcb, now);
        }
    }
    ControlFlow::Continue(())
}

/// RFC 5681 §2: outstanding text, no text, no SYN or FIN, the same ACK and the same window. A receiver whose window
/// grows meanwhile, as Linux's does, is recognised by its SACK blocks: text beyond SND.UNA has arrived (RFC 6675 §2).
fn is_duplicate(tcb: &Tcb, seg: &Segment, window_before: u32) -> bool {
    let something_arrived = seg.options.sack.iter().any(|(_, right)| right.after(tcb.snd.una));
    // One that stands before the window is a probe.
    let probe = seg.seq.before(tcb.rcv.nxt);
    let same_window = tcb.snd.wnd == window_before && window_before > 0;
    tcb.outstanding() > 0 && seg.len() == 0 && !probe && (same_window || (tcb.sack && something_arrived))
}

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

fn acknowledge(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &Segment) {
    let acked = seg.ack.since(tcb.snd.una);
    let in_flight = tcb.outstanding();
    sample_rtt(tcb, now, seg);
    let text_end = tcb.text_end();
    let fin_acked = tcb.halves.fin_outstanding() && seg.ack.after(text_end);
    let text_acked = acked - u32::from(fin_acked);
    if let Some(send) = &mut tcb.send {
        send.acknowledge(usize::try_from(text_acked).unwrap_or(usize::MAX));
        pools.release_send(&mut tcb.send);
    }
    tcb.snd.una = seg.ack;
    // A number left behind would come before us again after 2^31 octets.
    tcb.snd.small_end = tcb.snd.small_end.max(seg.ack);
    if fin_acked {
        tcb.halves.on_fin_acked();
    }
    let (mut resending, mut counted, mut outcome) = (false, acked, Outcome::Progress);
    let (una, nxt, mss) = (tcb.snd.una, tcb.snd.nxt, tcb.snd.mss);
    if let Some(rare) = tcb.rare_if_any() {
        resending = rare.recovery.lost().is_some();
        // After a timeout an ACK may cover much that had arrived long ago: that is no room in the network.
        if rare.recovery.after_timeout() {
            counted = acked.min(u32::from(mss));
        }
        outcome = rare.recovery.on_progress(una, nxt, mss);
    }
    match outcome {
        Outcome::Recovered => tcb.congestion.on_recovered(tcb.outstanding(), tcb.snd.mss),
        Outcome::Partial { .. } => tcb.congestion.on_partial_ack(acked, tcb.snd.mss),
        _ => {
            let window_limited = tcb.cwnd_limited || resending || in_flight >= tcb.congestion.cwnd();
            tcb.congestion.on_ack(&AckSample { acked: counted, mss: tcb.snd.mss, window_limited });
        }
    }
    timers::progress(tcb, now, outcome != Outcome::Partial { first: false });
    tcb.prolong(now);
    if tcb.write_blocked && tcb.send_queue() <= tcb.config.send_buffer / 2 {
        tcb.write_blocked = false;
        tcb.wake.writable = true;
    }
}

/// Karn's rule for the segment being timed; a timestamp where it is not (RFC 6298 §3, RFC 7323 §4.1).
fn sample_rtt(tcb: &mut Tcb, now: Instant, seg: &Segment) {
    if tcb.is_timing() {
        if let Some(rtt) = tcb.take_timed(seg.ack, now) {
            tcb.sample_rtt(rtt);
        }
    } else if let (Some(ts), Some(theirs)) = (tcb.ts(), seg.timestamp()) {
        let sent_ms = theirs.ecr.wrapping_sub(ts.offset);
        let rtt_ms = millis32(now).wrapping_sub(sent_ms);
        // An echo from the future or from before the connection is noise. One from before the loss may mean that only the
        // ACK was lost; then it measures our own timeout, and each lost ACK would lengthen that.
        let loss_at = tcb.rare().and_then(|rare| rare.loss_at);
        let since_loss_ms = loss_at.map_or(RTT_MAX_MS, |at| millis32(now).wrapping_sub(millis32(at)));
        if theirs.ecr != 0 && rtt_ms <= since_loss_ms.min(RTT_MAX_MS) {
            tcb.sample_rtt(Duration::from_millis(u64::from(rtt_ms)));
        }
    }
}

/// SND.WND follows the newest segment, never an older one (RFC 9293 §3.10.7.4, MUST-67).
fn update_window(tcb: &mut Tcb, now: Instant, seg: &Segment, before: u32) {
    let newer = tcb.snd.wl1.before(seg.seq) || (tcb.snd.wl1 == seg.seq && tcb.snd.wl2.at_or_before(seg.ack));
    if !newer {
        return;
    }
    let wnd = u32::from(seg.wnd) << tcb.snd_shift;
    tcb.snd.wnd = wnd;
    tcb.snd.max_wnd = tcb.snd.max_wnd.max(seg.wnd);
    tcb.snd.wl1 = seg.seq;
    tcb.snd.wl2 = seg.ack;
    if tcb.timers.waiting == Waiting::Window || before == 0 {
        window_seen(tcb, now, before);
    }
}

/// The peer answered while we waited for its window.
fn window_seen(tcb: &mut Tcb, now: Instant, before: u32) {
    // As long as the peer answers, a closed window may last for ever, however rare the probes (RFC 9293 MUST-37).
    tcb.timers.silent_since = Instant::FAR_FUTURE;
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
        tcb.timers.silent_since = now;
    }
}

/// Whether `ack` is one the peer may send in answer to `iss .. nxt` before the connection is synchronized.
pub(crate) fn acknowledges_our_syn(iss: SeqNum, nxt: SeqNum, ack: SeqNum) -> bool {
    ack.after(iss) && ack.at_or_before(nxt)
}
