//! What a driver's look costs when nothing is due.

use super::pair::{Pair, Setup};
use super::say;
use crate::Cpu;
use linger_proto::Transmit;
use std::time::Duration;

/// `calls` looks at a server with `connections` idle connections: timers, frames, events, the next timeout.
pub fn housekeeping(connections: u32, calls: u32) {
    let mut pair = Pair::new(&Setup::default());
    pair.idle(connections);
    let (mut now, host) = (pair.now, &mut pair.server);
    let mut out = Transmit::default();
    let mut found = 0_u32;
    let began = Cpu::now();
    for _ in 0..calls {
        now += Duration::from_nanos(100);
        host.handle_timeout(now);
        found += u32::from(host.poll_transmit(now, &mut out));
        found += u32::from(host.poll_event().is_some());
        found += u32::from(host.poll_timeout().is_some_and(|due| due <= now));
    }
    let took = began.elapsed_ns() / f64::from(calls);
    assert_eq!(found, 0, "nothing was due");
    say("housekeeping_ns", format_args!("{took:.2}"));
}
