//! Header prediction: the steps for the segment that nearly every segment of a synchronized connection is, the next one in
//! order with nothing unusual about it. Most steps have then nothing to ask; what is left of each is the function that the
//! step itself calls.

use super::{ack, fin, sequence, text};
use crate::Instant;
use crate::tcp::buffer::pool::Pools;
use crate::tcp::seq::{SeqNum, octets};
use crate::tcp::tcb::Tcb;
use crate::tcp::timers;
use crate::wire::tcp::Timestamp;
use bytes::Bytes;

/// What may differ between such segments: all have ACK, perhaps PSH and FIN, no other flag, and timestamps alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    /// As on the wire, unscaled.
    pub(crate) wnd: u16,
    pub(crate) timestamp: Timestamp,
    pub(crate) fin: bool,
}

/// Whether every step would let this segment with `text_len` octets of text pass without a remark.
#[inline(always)]
pub(crate) fn is_expected(tcb: &Tcb, seg: &Expected, text_len: usize) -> bool {
    let Some(ts) = tcb.ts() else { return false };
    let acked = seg.ack.since(tcb.snd.una);
    let len = octets(text_len) + u32::from(seg.fin);
    // Text wants somebody who reads it.
    let welcome = len == 0 || (tcb.halves.may_receive() && (text_len == 0 || tcb.is_held()));
    // Without text it may be a duplicate, which somebody has to count.
    let says_something = acked > 0 || len > 0 || tcb.outstanding() == 0;
    text::is_expected(tcb, seg.seq)
        && welcome
        && len <= tcb.rcv.wnd()
        && !SeqNum(seg.timestamp.val).before(SeqNum(ts.recent))
        && acked <= tcb.outstanding()
        && says_something
}

/// Takes a segment that [`is_expected`]; `frame_len`, `segment_size`: as of [`Segment`](crate::tcp::segment::Segment). How
/// the charge of the receive buffer changed.
#[inline(always)]
pub(crate) fn take(
    tcb: &mut Tcb,
    pools: &mut Pools,
    now: Instant,
    seg: &Expected,
    text: &mut Bytes,
    frame_len: usize,
    segment_size: Option<u16>,
) -> isize {
    sequence::remember_timestamp(tcb, now, seg.seq, Some(seg.timestamp));
    if seg.ack != tcb.snd.una {
        ack::acknowledge(tcb, pools, now, seg.ack, Some(seg.timestamp));
    }
    ack::update_window(tcb, now, seg.seq, seg.ack, seg.wnd);
    timers::peer_was_heard(tcb, now);
    let charged =
        if text.is_empty() { 0 } else { text::take_expected(tcb, pools, now, text, frame_len, segment_size) };
    if seg.fin {
        fin::received(tcb);
    }
    charged
}
