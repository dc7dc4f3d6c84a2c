//! A segment arrives on a synchronized connection: RFC 9293 §3.10.7.4, one file per step, in its order.
//!
//! - `sequence`: first, is it acceptable? timestamps (PAWS) before the sequence number
//! - `reset`: second, RST (third, security, is obsolete)
//! - `syn`: fourth, SYN
//! - `ack`: fifth, ACK: what it acknowledges, the window, recovery and congestion
//! - `urgent`: sixth, URG
//! - `text`: seventh, segment text
//! - `fin`: eighth, FIN
//! - `predicted`: all of them at once for the segment that was expected next
//!
//! Steps decide, the parent (`host/`) applies: nothing is transmitted here and no step removes the connection.

mod ack;
mod fin;
pub(crate) mod predicted;
mod reset;
mod sequence;
mod syn;
mod text;
mod urgent;

pub(crate) use ack::acknowledges_our_syn;
pub(crate) use sequence::acceptable as sequence_acceptable;

use crate::tcp::buffer::pool::Pools;
use crate::tcp::error::CloseReason;
use crate::tcp::segment::Segment;
use crate::tcp::tcb::{Tcb, millis32};
use crate::tcp::timers;
use crate::wire::tcp::Flags;
use crate::{DropReason, Instant};
use core::ops::ControlFlow;

/// What to do instead of going on to the next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// Throw the segment away.
    Drop(DropReason),
    /// Throw it away and acknowledge what is expected instead.
    AckAndDrop(DropReason),
    /// The same, for segments that an attacker may have made: rate-limited (RFC 5961 §7).
    ChallengeAck(DropReason),
    /// Answer RST and end the connection: text came that nobody will read.
    Refuse(DropReason),
    /// The peer reset the connection.
    Reset(CloseReason),
    /// A time limit ended the connection.
    TimedOut,
}

/// Handles one segment; the order of the steps is RFC 9293's and matters.
pub(crate) fn segment_arrives(
    tcb: &mut Tcb,
    pools: &mut Pools,
    now: Instant,
    seg: &mut Segment,
) -> ControlFlow<Stop> {
    sequence::check(tcb, pools, now, seg)?;
    reset::check(tcb, seg)?;
    syn::check(seg)?;
    ack::process(tcb, pools, now, seg)?;
    // Only now: a segment that anybody could have made is no sign of life.
    timers::peer_was_heard(tcb, now);
    urgent::process(tcb, seg);
    text::process(tcb, pools, now, seg)?;
    fin::process(tcb, seg)
}

/// The steps after the fifth: for text and FIN that came with the end of the handshake that `tcb` begins with, as far as
/// they fit into the window.
#[inline]
pub(crate) fn text_and_fin(
    tcb: &mut Tcb,
    pools: &mut Pools,
    now: Instant,
    seg: &mut Segment,
) -> ControlFlow<Stop> {
    // Nothing came before that a segment without any of them could complete.
    if seg.text.is_empty() && seg.flags.0 & (Flags::URG.0 | Flags::FIN.0) == 0 {
        return ControlFlow::Continue(());
    }
    later_steps(tcb, pools, now, seg)
}

#[cold]
fn later_steps(tcb: &mut Tcb, pools: &mut Pools, now: Instant, seg: &mut Segment) -> ControlFlow<Stop> {
    seg.trim(tcb.rcv.nxt, tcb.rcv.wnd());
    urgent::process(tcb, seg);
    text::process(tcb, pools, now, seg)?;
    fin::process(tcb, seg)
}

/// Between two answers to unacceptable segments in the long run, on average, and for how many the account is good.
const CHALLENGE_INTERVAL_MS: u32 = 500;
const CHALLENGE_BURST_MS: u32 = 10 * CHALLENGE_INTERVAL_MS;
/// Farther ahead than any answer puts the date.
const CHALLENGE_FAR_MS: u32 = CHALLENGE_BURST_MS + 2 * CHALLENGE_INTERVAL_MS;

/// Whether an answer to a suspicious segment may leave now (RFC 5961 §7). Counted for each connection by itself, so
/// that nobody can measure one connection through another, and each answer costs a time that nobody else can foretell, so
/// that nobody can count the answers of one connection either (CVE-2016-5696).
/// Ledger: [5961-10].
pub(crate) fn challenge_allowed(tcb: &mut Tcb, now: Instant) -> bool {
    let now_ms = millis32(now);
    let private = tcb.private_number();
    let rare = tcb.rare_mut();
    let ahead = challenges_overdrawn_ms(rare.challenge_at_ms, now_ms);
    if ahead >= CHALLENGE_BURST_MS {
        return false;
    }
    let at = now_ms.wrapping_add(ahead);
    rare.challenges = rare.challenges.wrapping_add(1);
    rare.challenge_at_ms = Some(at.wrapping_add(challenge_cost(private, rare.challenges)));
    true
}

/// How far the account is overdrawn; a date in the past, be it weeks ago, means not at all.
pub(crate) fn challenges_overdrawn_ms(at_ms: Option<u32>, now_ms: u32) -> u32 {
    at_ms.map(|at| at.wrapping_sub(now_ms)).filter(|ahead| *ahead < CHALLENGE_FAR_MS).unwrap_or(0)
}

/// What the `count`th answer costs: up to a half more or less than the average, by a number that only the connection knows.
fn challenge_cost(private: u32, count: u32) -> u32 {
    let mut mixed = private.wrapping_add(count).wrapping_mul(0x9e37_79b1);
    mixed = (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca77);
    CHALLENGE_INTERVAL_MS / 2 + (mixed >> 16) % (CHALLENGE_INTERVAL_MS + 1)
}

/// Whether the peer itself may have sent this again because our ACK was lost: such segments are always answered, or
/// a lossy path would stall the peer's FIN or text.
pub(crate) fn may_be_retransmission(seg: &Segment) -> bool {
    !seg.has(Flags::SYN) && (!seg.text.is_empty() || seg.has(Flags::FIN))
}

#[cfg(test)]
mod tests {
    use super::{CHALLENGE_INTERVAL_MS, challenge_cost};

    // requirement: 5961-10
    #[test]
    fn answer_costs_half_to_one_and_a_half_of_the_interval_and_the_interval_on_average() {
        let costs = || (0..1000).flat_map(|private| (1..=100).map(move |n| challenge_cost(private << 20, n)));
        let half = CHALLENGE_INTERVAL_MS / 2;
        assert_eq!((costs().min(), costs().max()), (Some(half), Some(3 * half)));
        assert!((495..=505).contains(&(costs().sum::<u32>() / 100_000)));
    }

    /// Another mixture might be as good, but none is made unnoticed: it is what keeps the costs secret.
    #[test]
    fn cost_of_each_answer_is_a_mixture_of_the_private_number_and_its_place() {
        let costs = [(0, 1), (0, 2), (0x1234_5678, 1), (0x1234_5678, 2), (u32::MAX, 1), (u32::MAX, 7)]
            .map(|(private, count)| challenge_cost(private, count));
        assert_eq!(costs, [528, 666, 639, 410, 250, 559]);
    }
}
