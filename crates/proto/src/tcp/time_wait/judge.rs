//! What TIME-WAIT does about a segment. Pure: it looks at a record and says what to do.

use super::TimeWait;
use crate::drop::DropReason;
use crate::tcp::seq::SeqNum;

/// The control bits that matter in TIME-WAIT. URG does not [9293-SA-TIME-WAIT-6].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) rst: bool,
    pub(crate) fin: bool,
}

/// What TIME-WAIT does about a segment. The caller does it, and limits the rate of what it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Send an ACK of RCV.NXT if the record's limit allows ([`TimeWaitTable::may_answer`](super::TimeWaitTable::may_answer));
    /// TIME-WAIT goes on unchanged.
    Ack,
    /// The peer's FIN again, so our last ACK was lost: acknowledge it and start 2*MSL again.
    AckAndRestart,
    /// Say nothing; count the reason.
    Ignore(DropReason),
    /// A SYN that proves to be new: hand it to the listener, with an ISS above our SND.NXT, and cover the record.
    Admit,
    /// A SYN that may be old: challenge ACK, at most one in each second
    /// ([`TimeWaitTable::may_answer_refused`](super::TimeWaitTable::may_answer_refused)).
    RefuseSyn,
    /// The connection ended by an RST of ours, and the peer does not know it yet: RST again, as from CLOSED.
    Reset,
    /// An exact RST where RFC 1337 is switched off: forget the record.
    Close,
}

/// The duties of TIME-WAIT for one segment (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191, RFC 7323 §5).
///
/// `ts` is TSval and TSecr of the segment. For a SYN pass `None` also when our SYN-ACK would not carry timestamps
/// [6191-8]. `rfc1337`: whether RST is ignored.
/// Ledger: [1337-2, 1337-4].
/// Ledger: [9293-SA-TIME-WAIT-1, 9293-SA-TIME-WAIT-4, 9293-SA-TIME-WAIT-5].
pub(crate) fn judge<A: Copy>(
    record: &TimeWait<A>,
    seq: SeqNum,
    ack: SeqNum,
    flags: Flags,
    text_len: u32,
    ts: Option<(u32, u32)>,
    rfc1337: bool,
) -> Verdict {
    if flags.rst {
        return judge_rst(record, seq, rfc1337);
    }
    if flags.syn {
        return judge_syn(record, seq, flags, ts);
    }
    if record.is_reset() {
        return Verdict::Reset;
    }
    // Before the window test, which it could not pass, and before PAWS: a FIN that ends where the connection ended
    // cannot belong to another one [9293-SA-TIME-WAIT-8].
    if is_the_fin(record, seq, ack, flags, text_len) {
        return Verdict::AckAndRestart;
    }
    if let Some(ts_recent) = record.ts_recent() {
        match ts {
            // RFC 7323 §3.2 [7323-12]
            None => return Verdict::Ignore(DropReason::TimestampMissing),
            // RFC 7323 §5.3 [7323-20]. TIME-WAIT is shorter than the 24 days after which TS.Recent loses its meaning.
            Some((tsval, _)) if SeqNum(tsval).before(SeqNum(ts_recent)) => return Verdict::Ack,
            Some(_) => {}
        }
    }
    let length = text_len.wrapping_add(u32::from(flags.fin));
    if !acceptable(record, seq, length) {
        return Verdict::Ack;
    }
    if !flags.ack {
        return Verdict::Ignore(DropReason::AckMissing);
    }
    // An ACK of what we never sent (RFC 5961 §5), and a FIN beyond the peer's own: answered, as any segment that
    // cannot be part of this connection. Text in the window is ignored [9293-SA-TIME-WAIT-7].
    if ack.after(record.snd_nxt) || flags.fin {
        return Verdict::Ack;
    }
    Verdict::Ignore(DropReason::TimeWaitStray)
}

/// What a covered record keeps for itself; `None` is for the half-open connection to judge.
///
/// The FIN or text that ends at its RCV.NXT is acknowledged again, a bare ACK of its SND.NXT is ignored: the new
/// connection would answer both with RST.
pub(crate) fn judge_covered<A: Copy>(
    record: &TimeWait<A>,
    seq: SeqNum,
    ack: SeqNum,
    flags: Flags,
    text_len: u32,
) -> Option<Verdict> {
    if flags.rst || flags.syn || record.is_reset() {
        return None;
    }
    if is_the_fin(record, seq, ack, flags, text_len) {
        return Some(Verdict::AckAndRestart);
    }
    let ends_at = seq + text_len + u32::from(flags.fin);
    if text_len > 0 && ends_at == record.rcv_nxt {
        return Some(Verdict::Ack);
    }
    let bare = text_len == 0 && !flags.fin && flags.ack;
    (bare && ack == record.snd_nxt).then_some(Verdict::Ignore(DropReason::TimeWaitStray))
}

/// Whether this is the peer's FIN again: the one whose end is RCV.NXT, not any FIN.
fn is_the_fin<A: Copy>(record: &TimeWait<A>, seq: SeqNum, ack: SeqNum, flags: Flags, text_len: u32) -> bool {
    flags.fin && flags.ack && !ack.after(record.snd_nxt) && seq + text_len + 1 == record.rcv_nxt
}

fn judge_rst<A: Copy>(record: &TimeWait<A>, seq: SeqNum, rfc1337: bool) -> Verdict {
    // Deviation, RFC 9293 §3.10.7.4 [9293-SA-TIME-WAIT-2]: an RST does not end TIME-WAIT, because it may be the answer
    // to our ACK of an old duplicate (RFC 1337 F1 [1337-1]).
    if rfc1337 {
        Verdict::Ignore(DropReason::TimeWaitRst)
    } else if seq == record.rcv_nxt {
        Verdict::Close
    } else if acceptable(record, seq, 0) {
        // RFC 5961 §3: in the window but not exact.
        Verdict::Ack
    } else {
        Verdict::Ignore(DropReason::RstOutOfWindow)
    }
}

/// RFC 6191 §2, read generously: a newer timestamp alone admits, else a newer sequence number does. A refused peer
/// would have to wait for the rest of 2*MSL, and an old SYN is newer in neither.
/// Ledger: RFC 9293 SHLD-4 [6191-1, 6191-2, 6191-3, 6191-5, 6191-6, 1122-4].
fn judge_syn<A: Copy>(record: &TimeWait<A>, seq: SeqNum, flags: Flags, ts: Option<(u32, u32)>) -> Verdict {
    if flags.ack {
        // RFC 5961 §4: it opens nothing.
        return Verdict::RefuseSyn;
    }
    let newer_timestamp = match (record.ts_recent(), ts) {
        (Some(ts_recent), Some((tsval, _))) => SeqNum(tsval).after(SeqNum(ts_recent)),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    // Deviation, RFC 6191 §2 [6191-4]: a newer sequence number admits a SYN whose timestamp is older, because the other
    // choice is to make that peer wait for the rest of 2*MSL.
    // The final sequence number is that of the peer's FIN, one before RCV.NXT [6191-7].
    if newer_timestamp || seq.at_or_after(record.rcv_nxt) { Verdict::Admit } else { Verdict::RefuseSyn }
}

/// The four cases of the acceptability test (RFC 9293 §3.10.7.4, first step).
fn acceptable<A: Copy>(record: &TimeWait<A>, seq: SeqNum, length: u32) -> bool {
    let (nxt, wnd) = (record.rcv_nxt, record.rcv_wnd());
    match (length, wnd) {
        (0, 0) => seq == nxt,
        (_, 0) => false,
        (0, _) => seq.in_window(nxt, wnd),
        (_, _) => seq.in_window(nxt, wnd) || (seq + (length - 1)).in_window(nxt, wnd),
    }
}
