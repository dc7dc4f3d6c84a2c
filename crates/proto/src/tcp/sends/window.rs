//! The window we offer, without silliness (RFC 9293 §3.8.6.2.2, MUST-39).

use crate::tcp::seq::octets;
use crate::tcp::tcb::Tcb;

/// The value for the window field of the next segment; moves the right edge when that is worth it.
/// `pressed`: the host's receive buffers are full, nothing new is offered.
/// Ledger: RFC 9293 MUST-39, MAY-8 [7323-7, 7323-9].
pub(crate) fn offer(tcb: &mut Tcb, pressed: bool) -> u16 {
    let free = free(tcb, pressed);
    let wnd = tcb.rcv.wnd();
    // The edge moves by a worthwhile step or not at all, and never to the left (RFC 9293 SHLD-14).
    if free.saturating_sub(wnd) >= step(tcb) {
        let largest = u32::from(u16::MAX) << tcb.rcv_shift;
        let offered = (free.min(largest) >> tcb.rcv_shift) << tcb.rcv_shift;
        if offered > wnd {
            tcb.rcv.edge = tcb.rcv.nxt + offered;
        }
    }
    // Rounding down may hide up to 2^shift - 1 octets that are still taken when they come (RFC 7323 §2.4).
    u16::try_from(tcb.rcv.wnd() >> tcb.rcv_shift).unwrap_or(u16::MAX)
}

/// A sender with this much ahead of it is not held up: the ACKs of what it sends tell it of the rest.
const LOW_WINDOW: u32 = 32 << 10;

/// Whether so little of the window is left that its growth may be news to the peer.
pub(crate) fn is_low(tcb: &Tcb) -> bool {
    let wnd = tcb.rcv.wnd();
    wnd < LOW_WINDOW && wnd < (tcb.config.recv_buffer / 2).max(1)
}

/// Whether the application has read so much that the peer should hear of it without waiting for the next ACK: the
/// window was low, has doubled, and by a worthwhile step.
pub(crate) fn update_due(tcb: &Tcb, pressed: bool) -> bool {
    let wnd = tcb.rcv.wnd();
    let free = free(tcb, pressed).min(u32::from(u16::MAX) << tcb.rcv_shift);
    is_low(tcb)
        && tcb.halves.may_receive()
        && free >= wnd.saturating_mul(2)
        && free >= wnd.saturating_add(step(tcb))
}

/// Room in the receive buffer; none while out-of-order text pins more than the buffer's worth.
fn free(tcb: &Tcb, pressed: bool) -> u32 {
    let limit = tcb.config.recv_buffer;
    let Some(recv) = &tcb.recv else { return if pressed { 0 } else { limit } };
    if pressed || octets(recv.charged()) >= limit.saturating_mul(2) {
        return 0;
    }
    limit.saturating_sub(octets(recv.readable()))
}

/// min(Fr * RCV.BUFF, Eff.snd.MSS) with Fr = 1/2.
fn step(tcb: &Tcb) -> u32 {
    (tcb.config.recv_buffer / 2).min(u32::from(tcb.snd.mss)).max(1)
}
