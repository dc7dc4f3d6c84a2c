//! The object behind a stream, in each phase of its life.

use crate::host::key::Key;
use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::closing::holder::Holder;
use crate::tcp::error::CloseReason;
use crate::tcp::info::{State, TcpInfo};
use crate::tcp::opening::active::Opening;
use crate::tcp::tcb::{Tcb, Wake};
use crate::tcp::timers;
use crate::time::Span;
use crate::{Instant, InterfaceId, OwnerId};
use alloc::boxed::Box;
use core::num::NonZeroU32;
use core::time::Duration;

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

/// The instants for which the timing wheel holds an entry of ours. It stays with the slot when a connection ends, and serves
/// the next one there: what its SYN waits for is later, and with many short connections there is an entry for each slot and
/// not for each connection.
///
/// Entries are never cancelled. A nearer deadline gets an entry of its own, and the farthest one stays of use: else each
/// delayed ACK of a connection with keep-alive would leave an entry in the wheel for two hours. One between the two is
/// forgotten and ignored when it comes due, which is soon.
///
/// Kept as ticks of 65 us that wrap after three days: an entry is recognised by its tick.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Armed {
    near: Option<NonZeroU32>,
    far: Option<NonZeroU32>,
}

/// No entry is made farther ahead than a day; the connection looks again then.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3600);

#[expect(clippy::cast_possible_truncation, reason = "wraps by design")]
fn tick(at: Instant) -> NonZeroU32 {
    NonZeroU32::new((at.as_nanos() >> 16) as u32).unwrap_or(NonZeroU32::MAX)
}

impl Armed {
    /// Whether an entry comes due before anything can that is set at `now`, if none is set for less than `soonest` ahead:
    /// then there is no need to ask what the earliest deadline is.
    #[inline]
    pub(crate) fn covers(&self, now: Instant, soonest: Span) -> bool {
        let first = tick(now + soonest).get();
        // Wrapping: the lower half lies ahead.
        self.near.is_some_and(|near| first.wrapping_sub(near.get()) < u32::MAX / 2)
    }

    /// When the wheel needs an entry for `deadline`, if it does; counts it in then.
    #[inline(always)]
    pub(crate) fn add(&mut self, now: Instant, deadline: Instant) -> Option<Instant> {
        let mut at = deadline;
        let latest = now + AHEAD_MAX;
        if at > latest {
            if at == Instant::FAR_FUTURE {
                return None;
            }
            at = latest;
        }
        let new = tick(at);
        if let Some(near) = self.near {
            // Wrapping: the lower half lies ahead. One of the same tick serves, though it be some microseconds late.
            if new.get().wrapping_sub(near.get()) < u32::MAX / 2 {
                return None;
            }
            if self.far.is_none() {
                self.far = Some(near);
            }
        }
        self.near = Some(new);
        Some(at)
    }

    /// An entry for `at` came due. False for one that was forgotten.
    pub(crate) fn take(&mut self, at: Instant) -> bool {
        if self.near != Some(tick(at)) {
            return false;
        }
        self.near = self.far.take();
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
    /// `armed`: what the wheel holds for the slot it is in.
    pub(crate) fn new(
        key: Key,
        interface: InterfaceId,
        phase: Phase,
        now: Instant,
        before: State,
        armed: Armed,
    ) -> Self {
        Self {
            key,
            interface,
            owner: OwnerId::default(),
            phase,
            armed,
            since: now,
            noted: before,
            shown: before,
            told: Wake::default(),
            dirty: false,
        }
    }

    /// Reads a word of each cache line, so that they are in the cache when they are needed. The result means nothing.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        match &self.phase {
            Phase::Synchronized(tcb) => tcb.touch() ^ self.key.ports(),
            _ => self.key.ports(),
        }
    }

    /// It has ended while the application holds it: what can still be read stays. How many octets that pins.
    #[inline(never)]
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

    /// Whether the application holds the stream.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        if let Phase::Synchronized(tcb) = &self.phase {
            return tcb.is_held();
        }
        self.holder().is_application()
    }

    pub(crate) fn next_deadline(&self, now: Instant) -> Instant {
        match &self.phase {
            Phase::Opening(opening) => opening.next_deadline(),
            Phase::Synchronized(tcb) => timers::next_deadline(tcb, now),
            Phase::Over(_) => Instant::FAR_FUTURE,
        }
    }

    pub(crate) fn info(&self) -> TcpInfo {
        match &self.phase {
            Phase::Opening(opening) => {
                let (state, send_queue) = (opening.state(), opening.send_queue());
                TcpInfo { state, send_queue, trouble: opening.trouble, ..TcpInfo::default() }
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
    fn connection_is_at_most_232_octets_with_its_tcb_in_168() {
        assert_eq!((size_of::<Tcb>(), size_of::<Phase>()), (168, 168));
        assert!(size_of::<Connection>() <= 232, "{}", size_of::<Connection>());
    }

    #[test]
    fn nested_deadlines_keep_the_nearest_and_the_farthest_entry() {
        let at = Instant::from_millis;
        let (mut armed, now) = (Armed::default(), at(0));
        let add = |armed: &mut Armed, ms| armed.add(now, at(ms)).is_some();
        assert!(add(&mut armed, 7_200_000) && !add(&mut armed, 7_200_001));
        assert!(add(&mut armed, 200) && add(&mut armed, 40));
        assert!(!armed.take(at(200)), "forgotten: the far one and the nearest are kept");
        assert!(armed.take(at(40)) && armed.take(at(7_200_000)));
        assert!(add(&mut armed, 50));
        assert_eq!(armed.add(now, Instant::FAR_FUTURE), None);
        assert_eq!(Armed::default().add(now, at(1 << 40)), Some(now + AHEAD_MAX));
    }
}
