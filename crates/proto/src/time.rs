//! The clock of a host: nanoseconds since an epoch that the caller chooses.
//!
//! The core never reads a clock. Whoever drives it passes the present instant into every call, so that a simulator
//! can run a minute of TIME-WAIT in a microsecond and a test can repeat a run to the nanosecond.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point in time, in nanoseconds since the caller's epoch. Never goes backwards between two calls on one host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The epoch.
    pub const ZERO: Self = Self(0);
    /// Later than anything: 584 years after the epoch.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the epoch.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The instant nearest to this one whose whole microseconds are `wrapped` modulo 2^32.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "modulo 2^32, then signed"
    )]
    pub(crate) const fn nearest_micros(self, wrapped: u32) -> Self {
        let now = self.as_micros();
        let ahead = wrapped.wrapping_sub(now as u32) as i32;
        Self(now.saturating_add_signed(ahead as i64).saturating_mul(1_000))
    }

    /// The same for milliseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "modulo 2^32, then signed"
    )]
    pub(crate) const fn nearest_millis(self, wrapped: u32) -> Self {
        let now = self.as_millis();
        let ahead = wrapped.wrapping_sub(now as u32) as i32;
        // Neither end of the 64 bits is near.
        Self::from_millis(now.wrapping_add_signed(ahead as i64))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same in whole microseconds, 71 minutes at most.
    pub(crate) fn micros_since(self, earlier: Self) -> u32 {
        u32::try_from(self.0.saturating_sub(earlier.0) / 1_000).unwrap_or(u32::MAX)
    }
}

/// A length of time in nanoseconds, as [`Instant`] counts them: to add one costs an addition, where a [`Duration`] is
/// seconds and a rest. Settings are turned into these once; capped at 584 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub(crate) const fn of(duration: Duration) -> Self {
        Self(nanos(duration))
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add<Span> for Instant {
    type Output = Self;
    #[inline]
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// Nanoseconds of a duration, capped at what an [`Instant`] can hold.
const fn nanos(duration: Duration) -> u64 {
    // Not `as_nanos`, whose 128 bits cost more than all the rest.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
