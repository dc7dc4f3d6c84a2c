//! Seventh, process the segment text (RFC 9293 §3.10.7.4).

use super::Stop;
use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::segment::Segment;
use crate::tcp::tcb::{AckDue, Tcb};
use crate::wire::tcp::Flags;
use crate::{DropReason, Instant};
use alloc::boxed::Box;
use core::ops::ControlFlow;

pub(super) fn process(tcb: &mut Tcb, now: Instant, seg: &mut Segment) -> ControlFlow<Stop> {
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
    // Nobody will read it, and a peer that is not told would send into the void (RFC 9293 §3.6.1 [9293-MUST-14]).
    if !tcb.holder.is_application() {
        return ControlFlow::Break(Stop::Refuse(DropReason::TextAfterClose));
    }
    let had_gap = tcb.recv.as_ref().is_some_and(|recv| recv.has_gap());
    let text = core::mem::take(&mut seg.text);
    let text_len = text.len();
    let limit = usize::try_from(tcb.config.recv_buffer).unwrap_or(usize::MAX);
    let recv = tcb.recv.get_or_insert_with(|| Box::new(RecvBuffer::new()));
    let inserted = recv.insert(tcb.rcv.nxt, seg.seq, text, seg.frame_len, limit);
    tcb.rcv.nxt += inserted.advanced;
    seg.seq += crate::tcp::seq::octets(text_len);
    tcb.wake.readable |= inserted.advanced > 0;
    if inserted.advanced == 0 || had_gap {
        // Out of order, or filling a hole: at once, the sender's recovery waits for it (RFC 5681 §4.2).
        tcb.ack_now();
    } else {
        in_order(tcb, now, text_len, seg.segment_size);
    }
    if inserted.refused {
        // Its ACK is due already, and no challenge: the peer must hear of the hole.
        ControlFlow::Break(Stop::Drop(DropReason::ReassemblyFull))
    } else {
        ControlFlow::Continue(())
    }
}

/// An ACK for every second full segment, and none later than the delayed-ACK timer (RFC 9293 MUST-40, SHLD-18).
fn in_order(tcb: &mut Tcb, now: Instant, text_len: usize, segment_size: Option<u16>) {
    let full = usize::from(segment_size.unwrap_or(tcb.mss).min(tcb.mss)).max(1);
    let segments = u8::try_from(text_len / full).unwrap_or(u8::MAX);
    tcb.unacked_segments = tcb.unacked_segments.saturating_add(segments);
    if tcb.unacked_segments >= 2 || tcb.config.delayed_ack.is_zero() {
        tcb.ack_now();
    } else if tcb.ack_due == AckDue::No {
        tcb.ack_due = AckDue::Delayed;
        tcb.timers.ack_at = now + tcb.config.delayed_ack;
    }
}
