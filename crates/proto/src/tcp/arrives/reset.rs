//! Second, check the RST bit (RFC 9293 §3.10.7.4, RFC 5961 §3).
//! Ledger: [9293-SA-ESTABLISHED-2, 9293-SA-ESTABLISHED-9, 9293-SA-ESTABLISHED-10, 9293-SA-FIN-WAIT-1-2,
//! 9293-SA-FIN-WAIT-2-2, 9293-SA-CLOSE-WAIT-2, 9293-SA-CLOSING-2, 9293-SA-LAST-ACK-2].

use super::Stop;
use crate::DropReason;
use crate::tcp::error::CloseReason;
use crate::tcp::segment::Segment;
use crate::tcp::tcb::Tcb;
use crate::wire::tcp::Flags;
use core::ops::ControlFlow;

/// Only an RST that names exactly RCV.NXT is believed; one elsewhere in the window is challenged.
/// Ledger: [5961-2, 5961-3].
#[inline]
pub(super) fn check(tcb: &Tcb, seg: &Segment) -> ControlFlow<Stop> {
    if !seg.has(Flags::RST) {
        return ControlFlow::Continue(());
    }
    if seg.seq == tcb.rcv.nxt {
        ControlFlow::Break(Stop::Reset(CloseReason::Reset))
    } else {
        ControlFlow::Break(Stop::ChallengeAck(DropReason::RstChallenged))
    }
}
