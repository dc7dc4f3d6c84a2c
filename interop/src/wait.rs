//! Waiting for something outside this process, never longer than a deadline.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `look` gives something; `None` when it did not within `limit`.
pub fn for_some<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        // The kernel and other processes live in real time, and tell nobody when they have done what we look for.
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// When it does not within `limit`; `what` says what was waited for.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let held = for_some(limit, || condition().then_some(()));
    assert!(held.is_some(), "waited {limit:?} for {what}");
}

/// Lets real time pass, for tests of what must not happen meanwhile or of the kernel's own timers.
pub fn pass(time: Duration) {
    // Only real time moves the kernel's timers.
    std::thread::sleep(time);
}
