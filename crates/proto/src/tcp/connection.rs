//! The object behind a stream, in each phase of its life.

use crate::host::key::Key;
use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::closing::holder::Holder;
use crate::tcp::error::CloseReason;
use crate::tcp::info::{State, TcpInfo};
use crate::tcp::opening::active::Opening;
use crate::tcp::tcb::Tcb;
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
    Opening(Box<Opening>),
    /// ESTABLISHED to LAST-ACK.
    Synchronized(Box<Tcb>),
    /// CLOSED, but the application has not let go.
    Over(Box<Over>),
}

/// One connection of this host.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) interface: InterfaceId,
    pub(crate) owner: OwnerId,
    pub(crate) phase: Phase,
    /// The earliest instant for which the timing wheel holds an entry of ours.
    pub(crate) armed_at: Instant,
    /// Since when it has been in `noted`.
    pub(crate) since: Instant,
    /// The state last told to those who watch.
    pub(crate) noted: State,
    /// The state after the last frame that was traced.
    pub(crate) shown: State,
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
            armed_at: Instant::FAR_FUTURE,
            since: now,
            noted: before,
            shown: before,
            dirty: false,
        }
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
            Phase::Synchronized(tcb) => tcb.holder,
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
