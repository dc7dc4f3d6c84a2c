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
use arrayvec::ArrayVec;

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

/// The instants for which the timing wheel holds an entry of ours, the earliest last.
///
/// Entries are never cancelled. A nearer deadline gets an entry of its own, and the farther one stays of use: without
/// this list each delayed ACK of a connection with keep-alive would leave an entry in the wheel for two hours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Armed(ArrayVec<Instant, ARMED_MAX>);

/// More nested deadlines than that and the farthest is forgotten; its entry is ignored when it comes due.
const ARMED_MAX: usize = 4;

impl Armed {
    /// Whether the wheel needs an entry for `deadline`; counts it in then.
    pub(crate) fn add(&mut self, deadline: Instant) -> bool {
        if self.0.last().copied().unwrap_or(Instant::FAR_FUTURE) <= deadline {
            return false;
        }
        if self.0.is_full() {
            self.0.remove(0);
        }
        self.0.push(deadline);
        true
    }

    /// An entry for `at` came due. False for one that was forgotten, or that another connection left in this slot.
    pub(crate) fn take(&mut self, at: Instant) -> bool {
        let ours = self.0.last() == Some(&at);
        if ours {
            self.0.pop();
        }
        ours
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
