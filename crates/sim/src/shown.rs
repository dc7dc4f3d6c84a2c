//! The state of each connection as its last frame left it, so that one frame begins where the one before it ended.

use crate::HostId;
use linger_proto::{Direction, FourTuple, FrameTrace, State};
use std::collections::BTreeMap;

/// Connections by host and tuple. Only those that frames have shown and that have not ended.
#[derive(Default)]
pub(crate) struct Shown(BTreeMap<(HostId, FourTuple), State>);

impl Shown {
    /// Makes what a host says about a frame follow on from what it said about the one before.
    ///
    /// - A frame that leaves begins in the state that the last frame of either direction left: what happened since
    ///   was a call or a timer, and the frame is its outcome (FIN: ESTABLISHED to FIN-WAIT-1).
    /// - A connection that has ended is CLOSED, though a listener would take its next SYN: only SYN-RECEIVED goes
    ///   back to LISTEN (RFC 9293 Figure 5).
    pub(crate) fn follow(&mut self, host: HostId, mut trace: FrameTrace) -> FrameTrace {
        let Some(tuple) = trace.tuple else { return trace };
        let key = (host, tuple);
        if trace.direction == Direction::Out
            && let Some(shown) = self.0.get(&key)
        {
            trace.before = *shown;
        }
        let begins = matches!(trace.before, State::Closed | State::Listen | State::SynReceived);
        if trace.after == State::Listen && !begins {
            trace.after = State::Closed;
        }
        if matches!(trace.after, State::Closed | State::Listen) {
            self.0.remove(&key);
        } else {
            self.0.insert(key, trace.after);
        }
        trace
    }

    /// A connection changed state: an ended one leaves nothing for the next frame to follow on from.
    pub(crate) fn changed(&mut self, host: HostId, tuple: FourTuple, after: State) {
        if after == State::Closed {
            self.0.remove(&(host, tuple));
        }
    }
}
