//! What is due.

use super::Host;
use super::demux::Found;
use crate::tcp::arrives::Stop;
use crate::tcp::connection::Phase;
use crate::tcp::error::CloseReason;
use crate::tcp::timers;
use crate::{DropReason, Instant};
use core::ops::ControlFlow;

impl Host {
    /// The instant of [`Host::poll_timeout`] has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_time_wait(now);
        for _ in 0..self.reassembly.handle_timeout(now) {
            self.counters.drops.add(DropReason::FragmentTimeout);
        }
        while let Some((packed, at)) = self.wheel.pop_due(now) {
            match Found::unpack(packed) {
                Found::Connection(index) => self.connection_timeout(now, index, at),
                Found::HalfOpen(index) => self.half_open_timeout(now, index),
                _ => {}
            }
        }
    }

    fn connection_timeout(&mut self, now: Instant, index: u32, at: Instant) {
        let Some(connection) = self.connections.get_mut(index) else { return };
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
            self.settle(now, index);
        } else {
            self.end_connection(now, index, CloseReason::TimedOut);
        }
    }
}
