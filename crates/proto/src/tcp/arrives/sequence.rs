//! First, check the sequence number; before it, the timestamp (RFC 9293 §3.10.7.4, RFC 7323 §5.3).
//! Ledger: [9293-SA-ESTABLISHED-1, 9293-SA-FIN-WAIT-1-1, 9293-SA-FIN-WAIT-2-1, 9293-SA-CLOSE-WAIT-1,
//! 9293-SA-CLOSING-1, 9293-SA-LAST-ACK-1].

use super::Stop;
use crate::tcp::buffer::pool::Pools;
use crate::tcp::segment::Segment;
use crate::tcp::seq::SeqNum;
use crate::tcp::tcb::{Tcb, TimestampState, millis32};
use crate::wire::tcp::{Flags, Timestamp};
use crate::{DropReason, Instant};
use core::ops::ControlFlow;

/// Past this TS.Recent says nothing any more (RFC 7323 §5.5 [7323-23]): 24 days.
const RECENT_VALID_MS: u32 = 24 * 24 * 3600 * 1000;

/// The four cases of RFC 9293 Table 6.
pub(crate) fn acceptable(rcv_nxt: SeqNum, rcv_wnd: u32, seg: &Segment) -> bool {
    let len = seg.len();
    match (len, rcv_wnd) {
        (0, 0) => seg.seq == rcv_nxt,
        (0, _) => seg.seq.in_window(rcv_nxt, rcv_wnd),
        (_, 0) => false,
        _ => seg.seq.in_window(rcv_nxt, rcv_wnd) || (seg.seq + (len - 1)).in_window(rcv_nxt, rcv_wnd),
    }
}

#[inline]
pub(super) fn check(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &mut Segment) -> ControlFlow<Stop> {
    if seg.flags.0 & (Flags::RST.0 | Flags::SYN.0) != 0 {
        return judge_control(tcb, now, seg);
    }
    paws(tcb, now, seg)?;
    // What stands where it is expected and fits is acceptable as it is.
    if seg.seq != tcb.rcv.nxt || seg.len() > tcb.rcv.wnd() {
        return elsewhere(tcb, pools, now, seg);
    }
    remember_timestamp(tcb, now, seg.seq, seg.timestamp());
    ControlFlow::Continue(())
}

/// RST and SYN, which the steps two and four are about.
#[cold]
fn judge_control(tcb: &Tcb, now: Instant, seg: &Segment) -> ControlFlow<Stop> {
    if !seg.has(Flags::RST) {
        // Step four answers a SYN, wherever it stands; trimmed, it would pass for text (RFC 5961 §4.2 [5961-5]).
        return paws(tcb, now, seg);
    }
    // An RST is judged by its number alone: neither its text nor its timestamp brings it into the window or keeps it out
    // (RFC 9293 SHLD-2, MUST-66; RFC 7323 §5.2 [7323-21]; RFC 5961 §3.2 [5961-1]).
    if seg.seq == tcb.rcv.nxt || seg.seq.in_window(tcb.rcv.nxt, tcb.rcv.wnd()) {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(Stop::Drop(DropReason::RstOutOfWindow))
    }
}

/// A segment that is not just what is expected: some of it may be.
#[inline(never)]
fn elsewhere(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &mut Segment) -> ControlFlow<Stop> {
    let wnd = tcb.rcv.wnd();
    if acceptable(tcb.rcv.nxt, wnd, seg) {
        remember_timestamp(tcb, now, seg.seq, seg.timestamp());
        seg.trim(tcb.rcv.nxt, wnd);
        return ControlFlow::Continue(());
    }
    // Step seven throws the text away that meets a closed window; what the segment says about our own text counts all
    // the same (RFC 9293 MUST-66).
    // Deviation, RFC 9293 §3.10.7.4: a FIN at RCV.NXT counts too, because it takes no room in the buffer.
    if wnd == 0 && seg.seq == tcb.rcv.nxt && seg.has(Flags::ACK) {
        remember_timestamp(tcb, now, seg.seq, seg.timestamp());
        return ControlFlow::Continue(());
    }
    if seg.len() == 0 && seg.seq + 1 == tcb.rcv.nxt {
        // A peer that does not know whether its probe of our window was taken stands one octet behind. When both sides do,
        // nobody would ever hear the other's ACK. It is dropped as the RFC wants it, but believed first.
        super::ack::process(tcb, pools, now, seg)?;
    }
    if seg.len() > 0 && seg.end() == tcb.rcv.nxt {
        // The last segment again, because our ACK was lost. Were the echo that of the first, the peer would measure the
        // time to its retransmission, and double its timeout with each loss of an ACK. (RFC 7323 §5.3 R2 would reject it
        // first; no other old number is let in, or TS.Recent could be forged.)
        remember_timestamp(tcb, now, seg.seq, seg.timestamp());
    }
    let reason = if seg.end().at_or_before(tcb.rcv.nxt) && seg.len() > 0 {
        DropReason::Duplicate
    } else {
        DropReason::OutOfWindow
    };
    ControlFlow::Break(Stop::AckAndDrop(reason))
}

// Ledger: [7323-13, 7323-14, 7323-20, 7323-24].
#[inline]
fn paws(tcb: &Tcb, now: Instant, seg: &Segment) -> ControlFlow<Stop> {
    let Some(ts) = tcb.ts() else { return ControlFlow::Continue(()) };
    match seg.timestamp() {
        Some(theirs) if !SeqNum(theirs.val).before(SeqNum(ts.recent)) => ControlFlow::Continue(()),
        // Past its time, what we remember says nothing.
        Some(_) if is_void(ts, now) => ControlFlow::Continue(()),
        Some(_) => ControlFlow::Break(Stop::AckAndDrop(DropReason::Paws)),
        // A peer that began anew without timestamps must hear the challenge of step four (RFC 5961 §4.2 [5961-5]).
        None if seg.has(Flags::SYN) => ControlFlow::Continue(()),
        // RFC 7323 §3.2 [7323-12]: silently.
        None => ControlFlow::Break(Stop::Drop(DropReason::TimestampMissing)),
    }
}

/// Whether TS.Recent is too old to say anything.
fn is_void(ts: &TimestampState, now: Instant) -> bool {
    millis32(now).wrapping_sub(ts.recent_at_ms) > RECENT_VALID_MS
}

/// RFC 7323 §4.3: only a segment that covers Last.ACK.sent moves TS.Recent, so that delayed ACKs measure the whole delay.
/// Ledger: [7323-17, 7323-18, 7323-19].
#[inline]
pub(super) fn remember_timestamp(tcb: &mut Tcb, now: Instant, seq: SeqNum, theirs: Option<Timestamp>) {
    let last_ack_sent = tcb.rcv.last_ack_sent;
    let (Some(ts), Some(theirs)) = (tcb.ts_mut(), theirs) else { return };
    let newer = !SeqNum(theirs.val).before(SeqNum(ts.recent));
    if seq.at_or_before(last_ack_sent) && (newer || is_void(ts, now)) {
        ts.recent = theirs.val;
        ts.recent_at_ms = millis32(now);
    }
}
