//! What is due.

use super::batch::WORTH;
use super::demux::Found;
use super::{Event, Host};
use crate::table::slab::Tenant;
use crate::tcp::arrives::Stop;
use crate::tcp::connection::Phase;
use crate::tcp::error::CloseReason;
use crate::tcp::info::Trouble;
use crate::tcp::timers;
use crate::{ConnectionId, DropReason, Instant};
use arrayvec::ArrayVec;
use core::ops::ControlFlow;

/// Entries of the wheel that are looked up together.
const TOGETHER: usize = 16;
/// With fewer connections than this, what is due is in the cache.
const MANY: usize = 1_000;

impl Host {
    /// The instant of [`Host::poll_timeout`] has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_time_wait(now);
        if self.reassembly.poll_timeout().is_some_and(|due| due <= now) {
            self.expire_fragments(now);
        }
        while let Some(entry) = self.wheel.pop_due(now) {
            if self.connections.len() < MANY {
                self.entry_due(now, entry);
            } else {
                self.several_due(now, entry);
            }
        }
    }

    /// Handles entries of the wheel that are due, the first of them and what follows, once all they concern was looked up
    /// ahead of use.
    #[cold]
    #[inline(never)]
    fn several_due(&mut self, now: Instant, first: (u32, Instant)) {
        let mut due: ArrayVec<_, TOGETHER> = [first].into_iter().collect();
        while !due.is_full()
            && let Some(entry) = self.wheel.pop_due(now)
        {
            due.push(entry);
        }
        if due.len() >= WORTH {
            self.touch_connections(due.iter().map(|(packed, _)| Found::unpack(*packed)));
        }
        for entry in due {
            self.entry_due(now, entry);
        }
    }

    fn entry_due(&mut self, now: Instant, (packed, at): (u32, Instant)) {
        match Found::unpack(packed) {
            Found::Connection(index) => self.connection_timeout(now, index, at),
            Found::HalfOpen(index) => self.half_open_timeout(now, index, at),
            _ => {}
        }
    }

    fn expire_fragments(&mut self, now: Instant) {
        let Self { reassembly, icmp, interfaces, outbox, counters, .. } = self;
        reassembly.handle_timeout(now, |first| {
            counters.drops.add(DropReason::FragmentTimeout);
            if let Some(first) = first {
                icmp.reassembly_took_too_long(now, first.interface, &first.frame, interfaces, outbox)
                    .unwrap_or_else(|limited| counters.drops.add(limited));
            }
        });
    }

    // Ledger: [9293-TO-1].
    fn connection_timeout(&mut self, now: Instant, index: u32, at: Instant) {
        let connection = match self.connections.tenant_mut(index) {
            Some(Tenant::Here(connection)) => connection,
            Some(Tenant::Gone(armed)) => {
                armed.take(at);
                return;
            }
            None => return,
        };
        if !connection.armed.take(at) {
            return;
        }
        if connection.next_deadline(now) > now {
            return self.arm(now, index);
        }
        let alive = match &mut connection.phase {
            Phase::Over(_) => return,
            Phase::Opening(opening) => opening.handle_timeout(now),
            Phase::Synchronized(tcb) => match timers::handle_timeout(tcb, now) {
                ControlFlow::Continue(()) => true,
                ControlFlow::Break(Stop::TimedOut) => false,
                ControlFlow::Break(_) => true,
            },
        };
        if alive {
            self.tell_of_r1(index);
            self.settle(now, index);
        } else {
            self.end_connection(now, index, CloseReason::TimedOut);
        }
    }

    /// A timer of the connection has expired: the application hears when that was one time too many.
    fn tell_of_r1(&mut self, index: u32) {
        let crossed = self.connections.get(index).is_some_and(|connection| match &connection.phase {
            Phase::Opening(opening) => opening.has_crossed_r1(),
            Phase::Synchronized(tcb) => timers::has_crossed_r1(tcb),
            Phase::Over(_) => false,
        });
        if crossed {
            self.trouble(index, Trouble::Retransmitting);
        }
    }

    /// Something is wrong with a connection that goes on: noted, and told when it is news (RFC 9293 MUST-47).
    /// Ledger: [1122-8].
    pub(super) fn trouble(&mut self, index: u32, trouble: Trouble) {
        let Some((generation, connection)) = self.connections.entry_mut(index) else { return };
        let (news, wanted) = match &mut connection.phase {
            Phase::Opening(opening) => (opening.note_trouble(trouble), opening.config.report_trouble),
            Phase::Synchronized(tcb) => (tcb.note_trouble(trouble), tcb.config.report_trouble),
            Phase::Over(_) => return,
        };
        if news && wanted && connection.holder().is_application() {
            self.events.push_back(Event::Trouble(ConnectionId { index, generation }, trouble));
        }
    }
}
