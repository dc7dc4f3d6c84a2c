//! The usual segment in a straight line: new text that fits in one segment, the FIN behind it or alone, or a bare ACK, of a
//! connection that has lost nothing and owes nothing unusual. It goes ahead of the general way, and says and leaves
//! behind what that would.

use super::build::{acknowledged, new_left};
use crate::Instant;
use crate::frame::SHORT_TEXT;
use crate::tcp::buffer::send::SLICES;
use crate::tcp::congestion::Controller as _;
use crate::tcp::tcb::Tcb;
use crate::tcp::timers::AckDue;
use crate::wire::tcp::Flags;
use arrayvec::ArrayVec;
use bytes::Bytes;

/// A usual segment.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    /// Octets of text.
    pub(crate) text: u32,
    pub(crate) flags: Flags,
}

/// The next segment, if it is a usual one; else nothing has changed but what [`super::next_segment`] changes too. Long
/// text is in `slices` then. With `merges` the device takes several segments in one frame.
#[inline(always)]
pub(crate) fn next(
    tcb: &mut Tcb,
    now: Instant,
    merges: bool,
    slices: &mut ArrayVec<Bytes, SLICES>,
) -> Option<Plain> {
    let timers = &tcb.timers;
    let owed = timers.duplicate_acks > 0 || timers.probe_due || timers.keepalive_due;
    if owed || tcb.rare().is_some() {
        return None;
    }
    let (outstanding, queue) = (tcb.outstanding(), tcb.send_queue());
    let idle = tcb.is_idle(now);
    if idle && outstanding == 0 {
        tcb.congestion.on_idle(tcb.snd.mss);
    }
    let (wnd, cwnd, mss) = (tcb.snd.wnd, tcb.congestion.cwnd(), u32::from(tcb.snd.mss));
    let fin = tcb.halves.fin_outstanding() && outstanding <= queue;
    let (text, flags, limited);
    if queue <= outstanding {
        if !may_leave_without_text(tcb, fin, outstanding) {
            return None;
        }
        (text, limited) = (0, false);
        flags = if fin { Flags::ACK.with(Flags::FIN) } else { Flags::ACK };
    } else if queue - outstanding <= mss && queue <= wnd && queue <= cwnd {
        text = queue - outstanding;
        // Nagle: a small one waits for another small one.
        let waits = tcb.snd.small_end.after(tcb.snd.una) && text < mss;
        if waits && outstanding > 0 && !tcb.nodelay && !fin {
            return None;
        }
        if fin && queue == wnd {
            return None;
        }
        let pushed = Flags::ACK.with(Flags::PSH);
        flags = if fin { pushed.with(Flags::FIN) } else { pushed };
        limited = false;
    } else {
        let most = cwnd.min(wnd).min(queue);
        if merges || most < outstanding || most - outstanding < mss {
            return None;
        }
        (text, flags, limited) = (mss, Flags::ACK, cwnd < queue.min(wnd));
    }
    if text > 0 {
        let send = tcb.send.as_mut()?;
        let (offset, len) = (outstanding as usize, text as usize);
        // Otherwise the general way finds out where it lies.
        let found = if len > SHORT_TEXT { send.cut(offset, len, slices) } else { send.is_written(offset) };
        if !found {
            return None;
        }
    }
    tcb.cwnd_limited = limited;
    Some(Plain { text, flags })
}

/// Whether a FIN may leave by itself, or an ACK must leave now.
#[inline(always)]
fn may_leave_without_text(tcb: &Tcb, fin: bool, outstanding: u32) -> bool {
    let wnd = tcb.snd.wnd;
    let leaves =
        if fin { wnd > outstanding } else { tcb.timers.ack_due == AckDue::Now && wnd >= outstanding };
    leaves && !(tcb.sack && tcb.recv.as_ref().is_some_and(|recv| recv.has_gap()))
}

/// So much text of the next segment, if it is short.
#[inline(always)]
pub(crate) fn short(tcb: &Tcb, text: u32) -> &[u8] {
    if text == 0 {
        return &[];
    }
    let Some(send) = &tcb.send else { return &[] };
    send.written(tcb.outstanding() as usize, text as usize)
}

impl Plain {
    /// Whether nothing is left to send after it.
    #[inline(always)]
    pub(crate) fn is_last(self) -> bool {
        self.text == 0 || self.flags.has(Flags::PSH)
    }

    /// It has left.
    #[inline(always)]
    pub(crate) fn left(self, tcb: &mut Tcb, now: Instant) {
        let fin = self.flags.has(Flags::FIN);
        if self.text > 0 || fin {
            new_left(tcb, now, self.text, self.text + u32::from(fin));
        }
        acknowledged(tcb);
    }
}
