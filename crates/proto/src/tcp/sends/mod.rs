//! What goes out next on a synchronized connection, and why nothing does.
//!
//! - `mod`: [`next_segment`], the one place that decides
//! - `build`: turns the decision into a header and slices of text, and moves SND.NXT, timers and ACK debt
//! - `plain`: both at once for the usual segment
//! - `window`: the window we offer, without silliness (RFC 9293 §3.8.6.2.2)

pub(crate) mod build;
pub(crate) mod plain;
pub(crate) mod window;

use crate::Instant;
use crate::tcp::congestion::Controller as _;
use crate::tcp::seq::SeqNum;
use crate::tcp::tcb::Tcb;
use crate::tcp::timers::{AckDue, Waiting};
use crate::time::Span;

/// Bounds of the override timer, after which text leaves though the window is silly (RFC 9293 §3.8.6.2.1, MUST-38).
const OVERRIDE_MIN: Span = Span::from_millis(100);
const OVERRIDE_MAX: Span = Span::from_millis(1000);

/// Why a segment leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Text or FIN sent before, again.
    Retransmission,
    /// Text or FIN for the first time.
    New,
    /// One octet into a closed window.
    WindowProbe,
    /// An octet's place before what the peer expects, to make it answer.
    KeepAlive,
    /// Nothing but an acknowledgment.
    Ack,
}

/// A segment that is to leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) seq: SeqNum,
    /// Octets of text.
    pub(crate) text: u32,
    pub(crate) fin: bool,
}

/// Why nothing leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blocked {
    /// The peer's window.
    Rwnd,
    /// The congestion window.
    Cwnd,
    /// A small segment waits for the ACK of what is in flight (Nagle).
    Nagle,
    /// The application has written nothing.
    App,
}

/// The decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Segment(Plan),
    Nothing(Blocked),
}

/// Decides what leaves next; the first that applies. `text_max` is what one frame may carry, a multiple of the MSS
/// where the device cuts frames into segments.
pub(crate) fn next_segment(tcb: &mut Tcb, now: Instant, text_max: u32) -> Next {
    // Duplicate ACKs count only as segments without text, and only those carry SACK blocks.
    if tcb.timers.duplicate_acks > 0 {
        return Next::Segment(Plan { kind: Kind::Ack, seq: tcb.bare_seq(), text: 0, fin: false });
    }
    if let Some(plan) = retransmission(tcb, text_max) {
        return Next::Segment(plan);
    }
    if tcb.outstanding() == 0 && tcb.is_idle(now) {
        tcb.congestion.on_idle(tcb.snd.mss);
    }
    let blocked = match new_text(tcb, text_max) {
        Ok(plan) => return Next::Segment(plan),
        Err(blocked) => blocked,
    };
    if let Some(plan) = probe(tcb, now, blocked) {
        return Next::Segment(plan);
    }
    // Before a probe, which stands outside of the peer's window and so is no sign of life to it.
    if tcb.timers.ack_due == AckDue::Now {
        return Next::Segment(Plan { kind: Kind::Ack, seq: tcb.bare_seq(), text: 0, fin: false });
    }
    if tcb.timers.keepalive_due {
        return Next::Segment(Plan { kind: Kind::KeepAlive, seq: tcb.snd.nxt - 1, text: 0, fin: false });
    }
    Next::Nothing(blocked)
}

/// Whether [`next_segment`] would find nothing for the simple reason that all is sent. Spares asking it.
pub(crate) fn nothing_left(tcb: &mut Tcb) -> bool {
    let timers = &tcb.timers;
    let acks = timers.ack_due == AckDue::Now || timers.duplicate_acks > 0;
    let owed = acks || timers.probe_due || timers.keepalive_due;
    if owed || tcb.rare().is_some() {
        return false;
    }
    let fin_place = u32::from(tcb.halves.fin_outstanding());
    let nothing = tcb.snd.nxt == tcb.text_end() + fin_place;
    if nothing {
        tcb.cwnd_limited = false;
    }
    nothing
}

// Ledger: RFC 9293 SHLD-16, MAY-7 [5681-13].
fn retransmission(tcb: &Tcb, text_max: u32) -> Option<Plan> {
    let (seq, lost) = tcb.lost()?;
    if tcb.snd.wnd == 0 {
        return None;
    }
    let mss = u32::from(tcb.snd.mss);
    let in_flight = tcb.in_flight(tcb.snd.nxt);
    if !tcb.in_fast_recovery() && in_flight > 0 && in_flight + lost.min(mss) > tcb.congestion.cwnd() {
        return None;
    }
    // The FIN's place lies behind the text; a range that ends beyond the text ends with it.
    let text_left = if seq.after(tcb.text_end()) { 0 } else { tcb.text_end().since(seq) };
    let text = text_left.min(lost.max(fill_up(tcb, seq, lost))).min(mss).min(text_max);
    let fin = tcb.fin_sent() && seq + text == tcb.text_end() && lost > text;
    Some(Plan { kind: Kind::Retransmission, seq, text, fin })
}

/// A small piece at the end of what was sent, as a window probe leaves it, takes new text along (RFC 9293 SHLD-28): up to
/// how many octets from `seq` on the segment may have then.
fn fill_up(tcb: &Tcb, seq: SeqNum, lost: u32) -> u32 {
    let edge = tcb.snd.una + tcb.snd.wnd;
    if seq + lost == tcb.snd.nxt && seq.before(edge) { edge.since(seq) } else { 0 }
}

// Ledger: RFC 9293 SHLD-15 [5681-1, 5681-12, 7323-10].
fn new_text(tcb: &mut Tcb, text_max: u32) -> Result<Plan, Blocked> {
    let seq = tcb.snd.nxt;
    let fin_pending = tcb.halves.fin_outstanding() && !tcb.fin_sent();
    let unsent = if tcb.halves.fin_acked() || tcb.fin_sent() { 0 } else { tcb.text_end().since(seq) };
    if unsent == 0 && !fin_pending {
        tcb.cwnd_limited = false;
        return Err(Blocked::App);
    }
    // What was lost comes first, when the congestion window lets it.
    if tcb.snd.wnd > 0 && tcb.lost().is_some() {
        return Err(Blocked::Cwnd);
    }
    let usable = tcb.snd.wnd.saturating_sub(tcb.outstanding());
    if unsent == 0 {
        // A lone FIN takes a place in the window but none in the network worth counting.
        return if usable > 0 {
            Ok(Plan { kind: Kind::New, seq, text: 0, fin: true })
        } else {
            Err(Blocked::Rwnd)
        };
    }
    let allowance = tcb.rare().map_or(0, |rare| rare.recovery.allowance(tcb.snd.mss));
    let cwnd = tcb.congestion.cwnd().saturating_add(allowance);
    let room = cwnd.saturating_sub(tcb.in_flight(seq));
    let text = worth_sending(tcb, unsent, usable, room, fin_pending)?.min(text_max);
    let fin = fin_pending && text == unsent && usable > text;
    Ok(Plan { kind: Kind::New, seq, text, fin })
}

/// How much of the unsent text is worth a segment: sender's silly-window avoidance and the Nagle algorithm
/// (RFC 9293 §3.8.6.2.1, §3.7.4).
/// Ledger: RFC 9293 MUST-17, MUST-38, MUST-60, SHLD-27, MAY-16 [1122-6].
fn worth_sending(tcb: &mut Tcb, unsent: u32, usable: u32, room: u32, closing: bool) -> Result<u32, Blocked> {
    let mss = u32::from(tcb.snd.mss);
    let len = unsent.min(usable).min(room);
    tcb.cwnd_limited = room < unsent.min(usable);
    let idle = tcb.outstanding() == 0;
    let whole = len == unsent;
    // Deviation, RFC 9293 SHLD-7 [9293-SHLD-7]: a small segment waits only for another small one in flight, not for full
    // ones (Minshall's variant, as in Linux): else the tail of every answer would wait for a delayed ACK.
    let small_tail = tcb.nodelay || closing || idle || !tcb.snd.small_end.after(tcb.snd.una);
    if len >= mss {
        return Ok(if whole && small_tail { len } else { len - len % mss });
    }
    if whole {
        return if small_tail { Ok(len) } else { Err(Blocked::Nagle) };
    }
    if room < usable {
        return if idle && len > 0 { Ok(len) } else { Err(Blocked::Cwnd) };
    }
    if len > 0 && len >= tcb.max_wnd() / 2 { Ok(len) } else { Err(Blocked::Rwnd) }
}

/// The persist timer (RFC 9293 §3.8.6.1) and the override timer of §3.8.6.2.1, which are one.
/// Ledger: RFC 9293 MUST-35, SHLD-29, SHLD-30.
fn probe(tcb: &mut Tcb, now: Instant, blocked: Blocked) -> Option<Plan> {
    let waiting = blocked == Blocked::Rwnd || (tcb.snd.wnd == 0 && tcb.outstanding() > 0);
    if !waiting {
        tcb.timers.probe_due = false;
        return None;
    }
    if !tcb.timers.probe_due {
        if tcb.outstanding() == 0 {
            let rto = tcb.rto();
            let wait = if tcb.snd.wnd == 0 { rto } else { rto.clamp(OVERRIDE_MIN, OVERRIDE_MAX) };
            tcb.timers.start(Waiting::Window, now, wait);
        }
        return None;
    }
    let usable = tcb.snd.wnd.saturating_sub(tcb.outstanding());
    if usable > 0 {
        let unsent = tcb.text_end().since(tcb.snd.nxt);
        let text = unsent.min(usable).min(u32::from(tcb.snd.mss));
        return Some(Plan { kind: Kind::New, seq: tcb.snd.nxt, text, fin: false });
    }
    let text = tcb.send_queue().min(1);
    let fin = text == 0 && tcb.halves.fin_outstanding();
    Some(Plan { kind: Kind::WindowProbe, seq: tcb.snd.una, text, fin })
}
