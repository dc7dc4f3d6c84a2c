//! Applications that drive a host directly, without async.

use linger_proto::{Event, Host, Instant};

/// An application on one host: it is told what happens and calls the host's own methods.
///
/// Several applications on one host each see every event and must know their own listeners and connections.
pub trait App: 'static {
    /// Called once, at time zero, before anything else happens.
    fn on_start(&mut self, _now: Instant, _host: &mut Host) {}

    /// Something happened.
    fn on_event(&mut self, now: Instant, host: &mut Host, event: Event);
}

impl<F: FnMut(Instant, &mut Host, Event) + 'static> App for F {
    fn on_event(&mut self, now: Instant, host: &mut Host, event: Event) {
        self(now, host, event);
    }
}
