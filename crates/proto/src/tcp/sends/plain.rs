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
use crate::wire::packet::Usual;
use crate::wire::tcp::{Flags, TIMESTAMP};
use arrayvec::ArrayVec;
use bytes::Bytes;

/// A usual segment.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    /// Octets of text.
    text: u32,
    flags: Flags,
    /// Nothing is left to send after it.
    pub(crate) last: bool,
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
    if outstanding == 0 && tcb.is_idle(now) {
        tcb.congestion.on_idle(tcb.snd.mss);
    }
    let fin = tcb.halves.fin_outstanding() && outstanding <= queue;
    let unsent = queue.saturating_sub(outstanding);
    let usable = tcb.snd.wnd.saturating_sub(outstanding);
    if unsent == 0 {
        return without_text(tcb, fin, usable, outstanding);
    }
    let mss = u32::from(tcb.snd.mss);
    let room = tcb.congestion.cwnd().saturating_sub(outstanding);
    let len = unsent.min(usable).min(room);
    let plain = if len == unsent && len <= mss {
        // Nagle: a small one waits for another small one.
        let waits = tcb.snd.small_end.after(tcb.snd.una) && len < mss;
        if waits && outstanding > 0 && !tcb.nodelay && !fin {
            return None;
        }
        let fits = fin && usable > len;
        let flags = if fits { Flags::FIN } else { Flags::default() };
        Plain { text: len, flags: flags.with(Flags::ACK).with(Flags::PSH), last: fits == fin }
    } else if len >= mss && !merges {
        Plain { text: mss, flags: Flags::ACK, last: false }
    } else {
        return None;
    };
    let limited = room < unsent.min(usable);
    let send = tcb.send.as_mut()?;
    let (offset, len) = (outstanding as usize, plain.text as usize);
    if len > SHORT_TEXT {
        // Otherwise the general way finds out where it lies.
        if !send.cut(offset, len, slices) {
            return None;
        }
    } else if !send.is_written(offset) {
        return None;
    }
    tcb.cwnd_limited = limited;
    Some(plain)
}

/// An ACK that must leave now, or a FIN by itself.
#[inline(always)]
fn without_text(tcb: &mut Tcb, fin: bool, usable: u32, outstanding: u32) -> Option<Plain> {
    if tcb.sack && tcb.recv.as_ref().is_some_and(|recv| recv.has_gap()) {
        return None;
    }
    let leaves =
        if fin { usable > 0 } else { tcb.timers.ack_due == AckDue::Now && outstanding <= tcb.snd.wnd };
    if !leaves {
        return None;
    }
    tcb.cwnd_limited = false;
    let flags = if fin { Flags::FIN } else { Flags::default() };
    Some(Plain { text: 0, flags: flags.with(Flags::ACK), last: true })
}

impl Plain {
    /// What its header says. `wnd` is the field.
    #[inline(always)]
    pub(crate) fn header(&self, tcb: &Tcb, now: Instant, wnd: u16) -> Usual {
        let [kind, val, ecr] =
            tcb.ts().map_or([0; 3], |timestamps| [TIMESTAMP, tcb.ts_val(now), timestamps.recent]);
        Usual { seq: tcb.snd.nxt, ack: tcb.rcv.nxt, flags: self.flags, wnd, timestamp: [kind, val, ecr] }
    }

    /// Its text, where that is short.
    #[inline(always)]
    pub(crate) fn short<'a>(&self, tcb: &'a Tcb) -> &'a [u8] {
        let len = self.text as usize;
        match &tcb.send {
            Some(send) if len > 0 && len <= SHORT_TEXT => send.written(tcb.outstanding() as usize, len),
            _ => &[],
        }
    }

    /// It has left.
    #[inline(always)]
    pub(crate) fn left(&self, tcb: &mut Tcb, now: Instant) {
        let fin = self.flags.has(Flags::FIN);
        if self.text > 0 || fin {
            new_left(tcb, now, self.text, self.text + u32::from(fin));
        }
        acknowledged(tcb);
    }
}
