//! Eighth, check the FIN bit (RFC 9293 §3.10.7.4).

use super::Stop;
use crate::tcp::segment::Segment;
use crate::tcp::tcb::Tcb;
use crate::wire::tcp::Flags;
use core::ops::ControlFlow;

/// A FIN counts when everything before it has arrived; until then its place is remembered.
pub(super) fn process(tcb: &mut Tcb, seg: &Segment) -> ControlFlow<Stop> {
    if !tcb.halves.may_receive() {
        return ControlFlow::Continue(());
    }
    if seg.has(Flags::FIN) {
        // `seg.seq` stands behind the text after the seventh step.
        tcb.rcv.early_fin = Some(seg.seq + crate::tcp::seq::octets(seg.text.len()));
        tcb.ack_now();
    }
    if tcb.rcv.early_fin == Some(tcb.rcv.nxt) {
        tcb.rcv.early_fin = None;
        tcb.rcv.nxt += 1;
        // The FIN stands right behind the window at most; the edge never falls behind what was received.
        tcb.rcv.edge = tcb.rcv.edge.max(tcb.rcv.nxt);
        tcb.halves.on_fin_received();
        tcb.wake.readable = true;
        tcb.ack_now();
    }
    ControlFlow::Continue(())
}
