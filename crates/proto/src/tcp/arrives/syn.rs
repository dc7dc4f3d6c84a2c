//! Fourth, check the SYN bit (RFC 9293 §3.10.7.4, RFC 5961 §4).
//! Ledger: [9293-SA-ESTABLISHED-4, 9293-SA-FIN-WAIT-1-4, 9293-SA-FIN-WAIT-2-4, 9293-SA-CLOSE-WAIT-4,
//! 9293-SA-CLOSING-4, 9293-SA-LAST-ACK-4].

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
