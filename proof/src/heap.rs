//! The simplest allocator that can work: it gives memory out and never takes it back.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 8 << 20;

#[repr(align(64))]
struct Arena(UnsafeCell<[u8; SIZE]>);

// SAFETY: the octets are only ever reached through pointers that `alloc` gives out, and it gives each octet out once.
unsafe impl Sync for Arena {}

struct Bump {
    arena: Arena,
    used: AtomicUsize,
}

#[global_allocator]
static HEAP: Bump = Bump { arena: Arena(UnsafeCell::new([0; SIZE])), used: AtomicUsize::new(0) };

// SAFETY: `alloc` returns null or a part of the arena that starts at a multiple of the alignment, lies inside the
// arena and overlaps no other: the compare-and-exchange moves `used` past it before anyone else can see the old value.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let base = self.arena.0.get().cast::<u8>();
            let start = (base as usize + used).next_multiple_of(layout.align()) - base as usize;
            let Some(end) = start.checked_add(layout.size()).filter(|end| *end <= SIZE) else {
                return core::ptr::null_mut();
            };
            match self.used.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                // SAFETY: `start` is inside the arena.
                Ok(_) => return unsafe { base.add(start) },
                Err(now) => used = now,
            }
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
