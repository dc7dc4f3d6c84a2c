//! Seventh, process the segment text (RFC 9293 §3.10.7.4).
//! Ledger: [9293-SA-ESTABLISHED-7, 9293-SA-ESTABLISHED-14, 9293-SA-FIN-WAIT-1-7, 9293-SA-FIN-WAIT-2-7,
//! 9293-SA-CLOSE-WAIT-7, 9293-SA-CLOSING-7, 9293-SA-LAST-ACK-7].

use super::Stop;
use crate::tcp::buffer::pool::Pools;
use crate::tcp::segment::Segment;
use crate::tcp::seq::{SeqNum, octets};
use crate::tcp::tcb::Tcb;
use crate::tcp::timers::AckDue;
use crate::wire::tcp::Flags;
use crate::{DropReason, Instant};
use bytes::Bytes;
use core::ops::ControlFlow;

// Ledger: RFC 9293 SHLD-31, MAY-13 [9293-UC-RECV-5].
#[inline(always)]
pub(super) fn process(
    tcb: &mut Tcb,
    pools: &mut Pools,
    now: Instant,
    seg: &mut Segment,
) -> ControlFlow<Stop> {
    if seg.text.is_empty() || !tcb.halves.may_receive() {
        return ControlFlow::Continue(());
    }
    if tcb.rcv.wnd() == 0 {
        // A probe of our closed window: the answer says whether it is still closed (RFC 9293 MUST-36).
        seg.text.clear();
        seg.flags.0 &= !Flags::FIN.0;
        tcb.ack_now();
        return ControlFlow::Continue(());
    }
    // Nobody will read it, and a peer that is not told would send into the void (RFC 9293 SHLD-3).
    if !tcb.is_held() {
        return ControlFlow::Break(Stop::Refuse(DropReason::TextAfterClose));
    }
    if is_expected(tcb, seg.seq) {
        seg.seq += octets(seg.text.len());
        take_next(tcb, pools, now, seg);
        return ControlFlow::Continue(());
    }
    take_any(tcb, pools, now, seg)
}

#[inline(never)]
fn take_next(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &mut Segment) {
    take_expected(tcb, pools, now, &mut seg.text, seg.frame_len, seg.segment_size);
}

/// Whether text from `seq` on is simply the next: nothing waits behind it, and no pointer to urgent text has to keep up.
#[inline]
pub(super) fn is_expected(tcb: &Tcb, seq: SeqNum) -> bool {
    seq == tcb.rcv.nxt && tcb.rare().is_none() && tcb.recv.as_ref().is_none_or(|recv| !recv.has_gap())
}

/// Takes text that [`is_expected`] and fits into the window; `text` is empty then. `frame_len`: octets of the buffer that
/// keeping it pins. How the charge of the receive
/// buffer changed.
#[inline(always)]
pub(super) fn take_expected(
    tcb: &mut Tcb,
    pools: &mut Pools,
    now: Instant,
    text: &mut Bytes,
    frame_len: usize,
    segment_size: Option<u16>,
) -> isize {
    let text_len = text.len();
    let limit = usize::try_from(tcb.config.recv_buffer).unwrap_or(usize::MAX);
    // An empty buffer out of the pool may pin memory already, which nobody was charged for.
    let before = tcb.recv.as_ref().map_or(0, |recv| recv.charged());
    let after = pools.recv(&mut tcb.recv).push(text, frame_len, limit, tcb.config.charge_max);
    tcb.rcv.nxt += octets(text_len);
    tcb.wake.readable = true;
    tcb.timers.duplicate_acks = 0;
    in_order(tcb, now, text_len, segment_size);
    after.wrapping_sub(before).cast_signed()
}

/// Takes text that is early, late, or what others have waited for.
#[inline(never)]
fn take_any(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &mut Segment) -> ControlFlow<Stop> {
    let had_gap = tcb.recv.as_ref().is_some_and(|recv| recv.has_gap());
    let text = core::mem::take(&mut seg.text);
    let text_len = text.len();
    let limit = usize::try_from(tcb.config.recv_buffer).unwrap_or(usize::MAX);
    let recv = pools.recv(&mut tcb.recv);
    let inserted = recv.insert(tcb.rcv.nxt, seg.seq, text, seg.frame_len, limit);
    tcb.rcv.nxt += inserted.advanced;
    seg.seq += octets(text_len);
    tcb.wake.readable |= inserted.advanced > 0;
    if !inserted.stored {
        pools.release_recv(&mut tcb.recv);
    }
    if tcb.rare().is_some() {
        // A pointer left behind would come before us again after 2^31 octets.
        let next_read = tcb.rcv.nxt - tcb.recv_queue();
        let rare = tcb.rare_mut();
        rare.rcv_up = rare.rcv_up.max(next_read);
    }
    if inserted.advanced == 0 {
        let segments = text_len.div_ceil(usize::from(seg.segment_size.unwrap_or(u16::MAX)).max(1));
        // Out of order: at once and one for each, the sender counts them (RFC 5681 §4.2 [5681-10]).
        let segments = u8::try_from(segments).unwrap_or(u8::MAX);
        tcb.timers.duplicate_acks = tcb.timers.duplicate_acks.saturating_add(segments);
        tcb.ack_now();
    } else {
        tcb.timers.duplicate_acks = 0;
        in_order(tcb, now, text_len, seg.segment_size);
        if had_gap {
            // Ledger: [6582-8].
            // It fills a hole: at once, the sender's recovery waits for it (RFC 5681 §4.2 [5681-11]).
            tcb.ack_now();
        }
    }
    if inserted.refused {
        // Its ACK is due already, and no challenge: the peer must hear of the hole.
        ControlFlow::Break(Stop::Drop(DropReason::ReassemblyFull))
    } else {
        ControlFlow::Continue(())
    }
}

/// An ACK for every second full segment, and none later than the delayed-ACK timer (RFC 9293 MUST-40, SHLD-18, SHLD-19).
/// Ledger: [5681-20].
#[inline(always)]
fn in_order(tcb: &mut Tcb, now: Instant, text_len: usize, segment_size: Option<u16>) {
    let one = segment_size.map_or(text_len, usize::from);
    if one > usize::from(tcb.rcv_mss) {
        tcb.rcv_mss = u16::try_from(one).unwrap_or(u16::MAX).min(tcb.peer_mss).max(tcb.rcv_mss);
    }
    if tcb.unacked_octets() >= 2 * u32::from(tcb.rcv_mss) || tcb.config.delayed_ack.is_zero() {
        tcb.ack_now();
    } else if tcb.timers.ack_due == AckDue::No {
        tcb.timers.delay_ack(now, tcb.config.delayed_ack);
    }
}
