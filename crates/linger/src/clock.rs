//! Where a stack gets its time from.

use linger_proto::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The clock of one stack: tokio's, or one that somebody else sets.
#[derive(Clone, Debug)]
pub enum Clock {
    /// Tokio's clock, counted from `epoch`. Follows `tokio::time::pause`.
    Tokio {
        /// Where this stack's time begins.
        epoch: tokio::time::Instant,
    },
    /// Nanoseconds that a simulator stores here: finer than tokio's timers, which stand on whole milliseconds.
    /// The value must never go back.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// Tokio's clock, beginning now.
    #[must_use]
    pub fn tokio() -> Self {
        Self::Tokio { epoch: tokio::time::Instant::now() }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self {
            Self::Tokio { epoch } => {
                Instant::ZERO + tokio::time::Instant::now().saturating_duration_since(*epoch)
            }
            Self::Manual(nanos) => Instant::from_nanos(nanos.load(Ordering::Acquire)),
        }
    }

    /// When to wake for `at`, on tokio's clock. Tokio's timers round up to a whole millisecond, so that nobody is
    /// woken too early.
    #[must_use]
    pub fn wake_at(&self, at: Instant) -> tokio::time::Instant {
        let (base, wait) = match self {
            Self::Tokio { epoch } => (*epoch, at.since(Instant::ZERO)),
            Self::Manual(_) => (tokio::time::Instant::now(), at.since(self.now())),
        };
        base.checked_add(wait).unwrap_or_else(far_future)
    }
}

/// Later than any timer of a stack, near enough for tokio's timer wheel.
pub(crate) fn far_future() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(365 * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokio_clock_follows_virtual_time_to_the_instant_it_names() {
        let clock = Clock::tokio();
        let due = clock.now() + Duration::from_millis(60_000);
        tokio::time::sleep_until(clock.wake_at(due)).await;
        assert_eq!(clock.now(), due);
    }

    #[test]
    fn manual_clock_shows_what_was_stored() {
        let nanos = Arc::new(AtomicU64::new(7));
        let clock = Clock::Manual(Arc::clone(&nanos));
        nanos.store(1_000_000_007, Ordering::Release);
        assert_eq!(clock.now(), Instant::from_nanos(1_000_000_007));
    }
}
