//! Invariants: what must hold after every event, and what must hold at the end.
//!
//! | file | invariant |
//! |---|---|
//! | [`streams`](Streams) | octets delivered are the octets sent |
//! | [`quiescence`](Quiescent) | nothing is left over at the end |
//! | [`drops`](DropsCounted) | every frame thrown away has a reason, and every reason a frame |

mod drops;
mod quiescence;
mod streams;

pub use drops::DropsCounted;
pub use quiescence::Quiescent;
pub use streams::{StreamKey, Streams};

use linger_proto::{Host, Instant};

/// An invariant of a run.
pub trait Checker: 'static {
    /// Looks at every host, in the order they were added, after an event.
    ///
    /// # Errors
    /// What is broken.
    fn after_step(&mut self, now: Instant, hosts: &[&Host]) -> Result<(), Violation>;

    /// Looks once more when the run has become idle.
    ///
    /// # Errors
    /// What is broken.
    fn at_end(&mut self, now: Instant, hosts: &[&Host]) -> Result<(), Violation> {
        self.after_step(now, hosts)
    }
}

/// A broken invariant.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);
