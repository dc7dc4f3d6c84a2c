//! Clients that come back on the same port at once. `returning COUNT` does it more often.

use interop::returning::returning;

/// Comes back 3,000 times: each SYN but the first finds a TIME-WAIT, and none is refused.
fn is_never_refused(timestamps: u8, v6: bool) {
    interop::require("ip");
    let count = 3_000;
    let outcome = returning(timestamps, v6, count);
    let counters = &outcome.counters;
    assert_eq!((counters.syn_refused, counters.reopened), (0, u64::from(count) - 1), "{outcome:?}");
    assert_eq!((counters.accepted, counters.resets_received), (u64::from(count), 0), "{outcome:?}");
    // Nothing is lost on the way either: what is dropped is what the kernel, kept waiting by a busy machine, repeats.
    let repeated = outcome.kernel.get("RetransSegs").copied().unwrap_or_default();
    assert!(counters.drops.total() <= repeated, "{outcome:?}");
}

// requirement: 6191-2
// requirement: 9293-MAY-2
#[test]
fn client_without_timestamps_that_comes_back_on_its_port_at_once_is_never_refused() {
    is_never_refused(0, false);
    is_never_refused(0, true);
}

// requirement: 6191-1
// requirement: 9293-SHLD-4
#[test]
fn client_with_timestamps_that_comes_back_on_its_port_at_once_is_never_refused() {
    is_never_refused(1, false);
    is_never_refused(1, true);
}

// requirement: 6191-1
#[test]
fn client_with_timestamps_without_offset_that_comes_back_on_its_port_at_once_is_never_refused() {
    is_never_refused(2, false);
    is_never_refused(2, true);
}
