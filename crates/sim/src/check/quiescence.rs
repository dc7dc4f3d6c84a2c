//! Nothing is left over at the end.

use super::{Checker, Violation};
use linger_proto::{Host, Instant};

/// When the run is idle, no host holds a connection, a half-open one, a TIME-WAIT, or a timer. Listeners may stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiescent;

impl Checker for Quiescent {
    fn after_step(&mut self, _now: Instant, _hosts: &[&Host]) -> Result<(), Violation> {
        Ok(())
    }

    fn at_end(&mut self, now: Instant, hosts: &[&Host]) -> Result<(), Violation> {
        for (index, host) in hosts.iter().enumerate() {
            let snapshot = host.snapshot(now);
            if let Some(left) = snapshot.connections.first() {
                return Err(Violation(format!("host {index} still has {:?} in {}", left.tuple, left.state)));
            }
            if let Some(left) = snapshot.time_wait.first() {
                return Err(Violation(format!("host {index} still has {:?} in TIME-WAIT", left.tuple)));
            }
            if let Some(at) = host.poll_timeout() {
                return Err(Violation(format!("host {index} still has a timer, due at {at:?}")));
            }
        }
        Ok(())
    }
}
