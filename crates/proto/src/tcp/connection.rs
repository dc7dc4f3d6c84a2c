//! The object behind a stream, in each phase of its life.

use crate::host::key::Key;
use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::closing::holder::Holder;
use crate::tcp::error::CloseReason;
use crate::tcp::info::{State, TcpInfo};
use crate::tcp::opening::active::Opening;
use crate::tcp::tcb::{Tcb, Wake};
use crate::tcp::timers;
use crate::{Instant, InterfaceId, OwnerId};
use alloc::boxed::Box;

/// A connection that has ended while the application still holds it.
#[derive(Clone, Debug)]
pub(crate) struct Over {
    pub(crate) reason: CloseReason,
    /// Received text that was not read: it may still be.
    pub(crate) recv: Option<Box<RecvBuffer>>,
    /// Whether the peer's end of text arrived: then reading ends with it, not with an error.
    pub(crate) complete: bool,
    pub(crate) info: TcpInfo,
}

/// Where a connection is in its life. Objects, since they have different lifetimes.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// SYN-SENT, or SYN-RECEIVED after an active open.
    Opening(Opening),
    /// ESTABLISHED to LAST-ACK.
    Synchronized(Tcb),
    /// CLOSED, but the application has not let go.
    Over(Over),
}

/// The instants for which the timing wheel holds an entry of ours.
///
/// Entries are never cancelled. A nearer deadline gets an entry of its own, and the farthest one stays of use: else each
/// delayed ACK of a connection with keep-alive would leave an entry in the wheel for two hours. One between the two is
/// forgotten and ignored when it comes due, which is soon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armed {
    near: Instant,
    far: Instant,
}

impl Default for Armed {
    fn default() -> Self {
        Self { near: Instant::FAR_FUTURE, far: Instant::FAR_FUTURE }
    }
}

impl Armed {
    /// Whether the wheel needs an entry for `deadline`; counts it in then.
    pub(crate) fn add(&mut self, deadline: Instant) -> bool {
        if self.near <= deadline {
            return false;
        }
        if self.far == Instant::FAR_FUTURE {
            self.far = self.near;
        }
        self.near = deadline;
        true
    }

    /// An entry for `at` came due. False for one that was forgotten, or that another connection left in this slot.
    pub(crate) fn take(&mut self, at: Instant) -> bool {
        if self.near != at {
            return false;
        }
        self.near = core::mem::replace(&mut self.far, Instant::FAR_FUTURE);
        true
    }
}

/// One connection of this host.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) interface: InterfaceId,
    pub(crate) owner: OwnerId,
    pub(crate) phase: Phase,
    pub(crate) armed: Armed,
    /// Since when it has been in `noted`.
    pub(crate) since: Instant,
    /// The state last told to those who watch.
    pub(crate) noted: State,
    /// The state after the last frame that was traced.
    pub(crate) shown: State,
    /// Notices to the application that it has not fetched.
    pub(crate) told: Wake,
    /// It stands in the queue of those that may have something to send.
    pub(crate) dirty: bool,
}

impl Connection {
    pub(crate) fn new(key: Key, interface: InterfaceId, phase: Phase, now: Instant, before: State) -> Self {
        Self {
            key,
            interface,
            owner: OwnerId::default(),
            phase,
            armed: Armed::default(),
            since: now,
            noted: before,
            shown: before,
            told: Wake::default(),
            dirty: false,
        }
    }

    /// It has ended while the application holds it: what can still be read stays. How many octets that pins.
    pub(crate) fn end(&mut self, reason: CloseReason) -> usize {
        let info = self.info();
        let (recv, complete) = match &mut self.phase {
            Phase::Synchronized(tcb) => {
                (tcb.recv.take().and_then(RecvBuffer::into_leftover), !tcb.halves.may_receive())
            }
            _ => (None, false),
        };
        let kept = recv.as_ref().map_or(0, |recv| recv.charged());
        self.phase = Phase::Over(Over { reason, recv, complete, info });
        kept
    }

    /// The state's name, for people.
    pub(crate) fn state(&self) -> State {
        match &self.phase {
            Phase::Opening(opening) => opening.state(),
            Phase::Synchronized(tcb) => tcb.halves.state(),
            Phase::Over(_) => State::Closed,
        }
    }

    pub(crate) fn holder(&self) -> Holder {
        match &self.phase {
            Phase::Opening(opening) => opening.holder,
            Phase::Synchronized(tcb) => tcb.holder(),
            Phase::Over(_) => Holder::Application,
        }
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        match &self.phase {
            Phase::Opening(opening) => opening.next_deadline(),
            Phase::Synchronized(tcb) => timers::next_deadline(tcb),
            Phase::Over(_) => Instant::FAR_FUTURE,
        }
    }

    pub(crate) fn info(&self) -> TcpInfo {
        match &self.phase {
            Phase::Opening(opening) => {
                TcpInfo { state: opening.state(), send_queue: opening.send_queue(), ..TcpInfo::default() }
            }
            Phase::Synchronized(tcb) => tcb.info(),
            Phase::Over(over) => TcpInfo { state: State::Closed, ..over.info },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the memory figures in docs/performance stand on.
    #[test]
    fn connection_is_at_most_248_octets_with_its_tcb_in_176() {
        assert_eq!((size_of::<Tcb>(), size_of::<Phase>()), (176, 176));
        assert!(size_of::<Connection>() <= 248, "{}", size_of::<Connection>());
    }

    #[test]
    fn nested_deadlines_keep_the_nearest_and_the_farthest_entry() {
        let at = Instant::from_millis;
        let mut armed = Armed::default();
        assert!(armed.add(at(7_200_000)) && !armed.add(at(7_200_001)));
        assert!(armed.add(at(200)) && armed.add(at(40)));
        assert!(!armed.take(at(200)), "forgotten: the far one and the nearest are kept");
        assert!(armed.take(at(40)) && armed.take(at(7_200_000)));
        assert!(armed.add(at(50)));
    }
}
