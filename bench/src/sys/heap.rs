//! An allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, and a count of what was asked of it. Each block is counted at what glibc takes for it: eight
/// octets more than asked, rounded up to sixteen, at least 32.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// What has been counted since the program began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Octets in use.
    pub live: u64,
    /// The most that were in use since the program began or [`reset_peak`] was called.
    pub peak: u64,
    /// Octets ever allocated.
    pub allocated: u64,
    /// Blocks ever allocated; one that moved to grow counts again.
    pub calls: u64,
}

/// What has been counted so far.
pub fn heap() -> Heap {
    Heap {
        live: LIVE.load(Relaxed),
        peak: PEAK.load(Relaxed),
        allocated: ALLOCATED.load(Relaxed),
        calls: CALLS.load(Relaxed),
    }
}

/// Forgets the highest use so far.
pub fn reset_peak() {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
}

const fn charge(size: usize) -> u64 {
    let taken = (size + 8).next_multiple_of(16);
    if taken < 32 { 32 } else { taken as u64 }
}

/// Plain loads and stores rather than locked ones: the programs that count have one thread.
fn took(size: usize) {
    let taken = charge(size);
    let live = LIVE.load(Relaxed) + taken;
    LIVE.store(live, Relaxed);
    if live > PEAK.load(Relaxed) {
        PEAK.store(live, Relaxed);
    }
    ALLOCATED.store(ALLOCATED.load(Relaxed) + taken, Relaxed);
    CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
}

fn gave(size: usize) {
    LIVE.store(LIVE.load(Relaxed).wrapping_sub(charge(size)), Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches nothing but four integers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks exist while the text moves: that is what growth costs at its peak.
        took(size);
        gave(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
