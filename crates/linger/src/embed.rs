//! For those who pump a [`Host`] themselves, as a simulator does: the same [`Net`], streams and listeners, without a
//! [`Driver`](crate::Driver) and its devices.
//!
//! Most programs never need this module; they use [`Net::builder`].
//!
//! The one who embeds has three duties:
//! 1. hand frames and timeouts to the host, and take its transmissions and its timeout, all through
//!    [`Embedded::with_host`], whenever something arrived, a deadline came, or `on_dirty` was woken;
//! 2. then call [`Embedded::dispatch_events`], which wakes the tasks that wait for what happened (or poll the host's
//!    events themselves and pass each on to [`Embedded::handle_event`]);
//! 3. advance the [`Clock`], if it is [`Clock::Manual`].

pub use crate::clock::Clock;

use crate::error::StackEnded;
use crate::net::Net;
use crate::shared::{Core, Handle, Pump, Shared};
use linger_proto::{Event, Host, Instant};
use std::sync::Arc;
use std::task::Waker;

/// A host that somebody else pumps, under the handles of a [`Net`]. Dropping it ends the stack for all of them.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
}

impl Embedded {
    /// Puts a [`Net`] over `host`.
    ///
    /// `on_dirty` is woken when an application did something that may have made output due or moved the host's
    /// timeout: once, until the next [`Embedded::with_host`]. It is called outside the lock, in the task of the
    /// application. Make one from any `Arc<impl std::task::Wake>`.
    #[must_use]
    pub fn new(host: Host, clock: Clock, on_dirty: Waker) -> (Net, Self) {
        let shared = Shared::new(Core::new(host, clock, Pump::Embedded(on_dirty)), 0);
        (Net::new(vec![Handle::new(Arc::clone(&shared))], None), Self { shared })
    }

    /// Lets `pump` work on the host. The instant it gets is the clock's, never earlier than one given before.
    ///
    /// The lock is held meanwhile: `pump` must not call into the [`Net`] or anything opened through it.
    pub fn with_host<R>(&self, pump: impl FnOnce(&mut Host, Instant) -> R) -> R {
        let mut core = self.shared.lock();
        let now = core.now();
        core.pump_looks();
        // In case `pump` takes from the send queue.
        core.wake_datagram_room();
        pump(&mut core.host, now)
    }

    /// Takes every event that the host has and wakes the tasks that wait for it.
    pub fn dispatch_events(&self) {
        self.shared.lock().dispatch_events();
    }

    /// Wakes the tasks that wait for one event which the caller took from the host.
    pub fn handle_event(&self, event: Event) {
        self.shared.lock().handle_event(event);
    }

    /// Whether every handle is gone: nobody can ask anything of this host any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.is_abandoned()
    }

    /// Whether [`Net::shutdown`] has run to its end: what is left to do is to take the last transmissions.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.lock().has_ended()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shared.lock().end(StackEnded::in_order());
    }
}
