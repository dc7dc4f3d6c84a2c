//! Sixth, check the URG bit (RFC 9293 §3.10.7.4, §3.8.5).
//! Ledger: [9293-SA-ESTABLISHED-6, 9293-SA-FIN-WAIT-1-6, 9293-SA-FIN-WAIT-2-6, 9293-SA-CLOSE-WAIT-6,
//! 9293-SA-CLOSING-6, 9293-SA-LAST-ACK-6].

use crate::tcp::segment::Segment;
use crate::tcp::tcb::Tcb;
use crate::wire::tcp::Flags;

/// Urgent text stays in its place in the stream; the application is told that some is ahead (RFC 9293 MUST-31, MUST-32).
/// Ledger: RFC 9293 MUST-30.
#[inline]
pub(super) fn process(tcb: &mut Tcb, seg: &Segment) {
    if !seg.has(Flags::URG) || !tcb.halves.may_receive() {
        return;
    }
    // The pointer names the octet after the urgent text in this stack as in nearly all others (RFC 9293 MUST-62,
    // RFC 6093 §4).
    let up = seg.seq + u32::from(seg.urgent);
    let known = tcb.rare().map_or(tcb.rcv.nxt, |rare| rare.rcv_up.max(tcb.rcv.nxt));
    if up.after(known) {
        tcb.rare_mut().rcv_up = up;
        tcb.wake.readable = true;
    }
}
