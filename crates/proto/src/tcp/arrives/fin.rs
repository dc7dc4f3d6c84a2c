//! Eighth, check the FIN bit (RFC 9293 §3.10.7.4).
//! Ledger: [9293-SA-ESTABLISHED-8, 9293-SA-ESTABLISHED-15, 9293-SA-FIN-WAIT-1-8, 9293-SA-FIN-WAIT-1-9,
//! 9293-SA-FIN-WAIT-2-8, 9293-SA-CLOSE-WAIT-8, 9293-SA-CLOSING-8, 9293-SA-LAST-ACK-8].

use super::Stop;
use crate::tcp::segment::Segment;
use crate::tcp::tcb::Tcb;
use crate::wire::tcp::Flags;
use core::ops::ControlFlow;

/// A FIN counts when everything before it has arrived; until then its place is remembered.
#[inline(always)]
pub(super) fn process(tcb: &mut Tcb, seg: &Segment) -> ControlFlow<Stop> {
    if !tcb.halves.may_receive() {
        return ControlFlow::Continue(());
    }
    if seg.has(Flags::FIN) {
        // The seventh step has taken the text off and moved `seg.seq` behind it.
        let place = seg.seq;
        if place != tcb.rcv.nxt {
            tcb.rare_mut().early_fin = Some(place);
            tcb.ack_now();
            return ControlFlow::Continue(());
        }
        received(tcb);
    } else if tcb.rare().is_some_and(|rare| rare.early_fin == Some(tcb.rcv.nxt)) {
        received(tcb);
    }
    ControlFlow::Continue(())
}

/// The FIN stands where it was expected.
#[inline]
pub(super) fn received(tcb: &mut Tcb) {
    if let Some(rare) = tcb.rare_if_any() {
        rare.early_fin = None;
    }
    tcb.rcv.nxt += 1;
    // The FIN stands right behind the window at most; the edge never falls behind what was received.
    tcb.rcv.edge = tcb.rcv.edge.max(tcb.rcv.nxt);
    tcb.halves.on_fin_received();
    tcb.wake.readable = true;
    tcb.ack_now();
}
