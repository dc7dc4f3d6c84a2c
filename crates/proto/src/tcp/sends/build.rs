//! Turns a plan into a header and slices of text, and moves what sending moves: SND.NXT, timers, the ACK debt.

use super::{Kind, Plan, window};
use crate::Instant;
use crate::frame::SHORT_TEXT;
use crate::tcp::buffer::send::{Piece, SLICES};
use crate::tcp::seq::octets;
use crate::tcp::tcb::{Tcb, millis32};
use crate::tcp::timers::{AckDue, Waiting};
use crate::wire::tcp::{Flags, Header, Options, Timestamp};
use arrayvec::ArrayVec;
use bytes::Bytes;

/// Builds the segment. Ports are the caller's to fill in, and short text is the caller's to copy: the piece, if there is one.
pub(crate) fn build(
    tcb: &mut Tcb,
    now: Instant,
    plan: &Plan,
    pressed: bool,
    text: &mut ArrayVec<Bytes, SLICES>,
) -> (Header, Option<Piece>) {
    let wnd = window::offer(tcb, pressed);
    let mut header = Header { seq: plan.seq, ack: tcb.rcv.nxt, flags: Flags::ACK, wnd, ..Header::default() };
    options(tcb, now, plan, &mut header.options);
    let (sent, short) = gather(tcb, plan, text);
    if plan.fin && sent == plan.text {
        header.flags = header.flags.with(Flags::FIN);
    }
    // Text up to the end of what was written: the receiver need not wait for more (RFC 9293 MUST-61).
    if sent > 0 && plan.seq + sent == tcb.text_end() {
        header.flags = header.flags.with(Flags::PSH);
    }
    if let Some(up) = tcb.snd_up().filter(|up| up.after(plan.seq)) {
        // The octet after the last urgent one; farther away than the field can say, the next segments say it again
        // (RFC 9293 MUST-30, MUST-31, MUST-62).
        header.flags = header.flags.with(Flags::URG);
        header.urgent = u16::try_from(up.since(plan.seq)).unwrap_or(u16::MAX);
    }
    account(tcb, now, plan, sent + u32::from(header.flags.has(Flags::FIN)));
    if plan.kind == Kind::Ack {
        tcb.timers.duplicate_acks = tcb.timers.duplicate_acks.saturating_sub(1);
    }
    // A segment that the peer may have already is dropped there, and the ACK on it with it: two sides that send their FIN
    // again at the same time would never hear each other. What must be acknowledged now is so by a segment of its own.
    let again = matches!(plan.kind, Kind::Retransmission | Kind::WindowProbe);
    if !again || tcb.timers.ack_due != AckDue::Now {
        acknowledged(tcb);
    }
    (header, short)
}

/// The slices of text of a plan, or the piece it lies in where copying it costs less than sharing it: a segment of
/// [`SHORT_TEXT`] octets at most. And how many octets it has.
fn gather(tcb: &mut Tcb, plan: &Plan, text: &mut ArrayVec<Bytes, SLICES>) -> (u32, Option<Piece>) {
    let offset = plan.seq.since(tcb.snd.una);
    let (Some(send), Ok(offset), Ok(max)) =
        (&mut tcb.send, usize::try_from(offset), usize::try_from(plan.text))
    else {
        return (0, None);
    };
    if max == 0 {
        return (0, None);
    }
    let mss = usize::from(tcb.snd.mss);
    // What a device has to cut into segments is text in slices.
    if max <= SHORT_TEXT.min(mss)
        && let Some(short) = send.short(offset, max)
        && short.len() > 0
    {
        return (octets(short.len()), Some(short));
    }
    let taken = send.gather(offset, max, text);
    if taken == max || taken <= mss {
        return (octets(taken), None);
    }
    // The slices did not reach: whole segments leave, the rest comes next.
    let whole = taken - taken % mss;
    cut(text, taken - whole);
    (octets(whole), None)
}

/// Takes octets off the end.
fn cut(text: &mut ArrayVec<Bytes, SLICES>, mut octets: usize) {
    while octets > 0
        && let Some(last) = text.last_mut()
    {
        if last.len() > octets {
            last.truncate(last.len() - octets);
            return;
        }
        octets -= last.len();
        text.pop();
    }
}

// Ledger: [7323-11, 2018-3, 2018-5].
fn options(tcb: &Tcb, now: Instant, plan: &Plan, options: &mut Options) {
    let mut room = 40;
    if let Some(ts) = tcb.ts() {
        options.timestamp = Some(Timestamp { val: tcb.ts_val(now), ecr: ts.recent });
        room -= 12;
    }
    // Blocks ride on segments without text only: text segments keep their full size.
    if tcb.sack
        && plan.text == 0
        && let Some(recv) = &tcb.recv
        && recv.has_gap()
    {
        recv.sack_blocks(tcb.rcv.nxt, &mut options.sack);
        options.sack.truncate((room - 4) / 8);
    }
}

fn account(tcb: &mut Tcb, now: Instant, plan: &Plan, octets: u32) {
    match plan.kind {
        Kind::New => new_left(tcb, now, octets.min(plan.text), octets),
        Kind::Retransmission => {
            let rto = tcb.rto();
            tcb.sent_at_ms = millis32(now);
            tcb.snd.nxt = tcb.snd.nxt.max(plan.seq + octets);
            let rare = tcb.rare_mut();
            rare.recovery.on_resent(octets.max(1));
            rare.retransmits = rare.retransmits.saturating_add(1);
            tcb.stop_timing();
            tcb.timers.start(Waiting::Ack, now, rto);
        }
        Kind::WindowProbe => {
            tcb.timers.probe_due = false;
            // It may repeat what is in flight.
            tcb.stop_timing();
            tcb.snd.nxt = tcb.snd.nxt.max(plan.seq + octets);
        }
        Kind::KeepAlive => tcb.timers.keepalive_due = false,
        Kind::Ack => {}
    }
}

/// Text, or `octets` of sequence space with a FIN, left for the first time.
#[inline(always)]
pub(super) fn new_left(tcb: &mut Tcb, now: Instant, text: u32, octets: u32) {
    let mss = u32::from(tcb.snd.mss);
    tcb.sent_at_ms = millis32(now);
    tcb.snd.nxt += octets;
    if (text < mss && text > 0) || (text > mss && !text.is_multiple_of(mss)) {
        tcb.snd.small_end = tcb.snd.nxt;
    }
    tcb.start_timing(tcb.snd.nxt, now);
    tcb.timers.probe_due = false;
    if tcb.timers.waiting != Waiting::Ack {
        let rto = tcb.rto();
        tcb.timers.start(Waiting::Ack, now, rto);
    }
}

/// Every segment carries an acknowledgment of all that has arrived.
#[inline]
pub(super) fn acknowledged(tcb: &mut Tcb) {
    tcb.timers.ack_due = AckDue::No;
    tcb.rcv.last_ack_sent = tcb.rcv.nxt;
}
