//! Fourth, check the SYN bit (RFC 9293 §3.10.7.4, RFC 5961 §4).

use super::Stop;
use crate::DropReason;
use crate::tcp::segment::Segment;
use crate::wire::tcp::Flags;
use core::ops::ControlFlow;

/// A SYN never ends a synchronized connection: a peer that really began anew answers the challenge with an RST.
#[inline]
pub(super) fn check(seg: &Segment) -> ControlFlow<Stop> {
    if seg.has(Flags::SYN) {
        ControlFlow::Break(Stop::ChallengeAck(DropReason::SynChallenged))
    } else {
        ControlFlow::Continue(())
    }
}
