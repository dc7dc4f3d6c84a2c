//! What a driver's look costs when nothing is due.

use super::pair::{Pair, Setup};
use super::say;
use crate::Cpu;
use linger_proto::Transmit;
use std::time::Duration;

/// A server with idle connections, and time that goes on.
pub(super) struct Quiet {
    pair: Pair,
    out: Transmit,
}

impl Quiet {
    pub(super) fn new(connections: u32) -> Self {
        let mut pair = Pair::new(&Setup::default());
        pair.idle(connections);
        Self { pair, out: Transmit::default() }
    }

    /// A driver's look at timers, frames, events and the next timeout; whether there was anything.
    pub(super) fn look(&mut self) -> bool {
        self.pair.now += Duration::from_nanos(100);
        let (now, host) = (self.pair.now, &mut self.pair.server);
        host.handle_timeout(now);
        let sent = host.poll_transmit(now, &mut self.out);
        let told = host.poll_event().is_some();
        sent || told || host.poll_timeout().is_some_and(|due| due <= now)
    }
}

/// `calls` looks at a server with `connections` idle connections: timers, frames, events, the next timeout.
pub fn housekeeping(connections: u32, calls: u32) {
    let mut quiet = Quiet::new(connections);
    let began = Cpu::now();
    let found = (0..calls).filter(|_| quiet.look()).count();
    let took = began.elapsed_ns() / f64::from(calls);
    assert_eq!(found, 0, "nothing was due");
    say("housekeeping_ns", format_args!("{took:.2}"));
}
