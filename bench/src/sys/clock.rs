//! Processor time of this thread: on a machine that does other things too, it says more than the clock on the wall.

/// A point in the processor time of this thread.
#[derive(Clone, Copy, Debug)]
pub struct Cpu(libc::timespec);

impl Cpu {
    /// How much this thread has used so far.
    pub fn now() -> Self {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes one timespec, and there is one. It fails for unknown clocks only.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        assert_eq!(failed, 0, "the kernel keeps the time of threads");
        Self(time)
    }

    /// Nanoseconds used since then.
    pub fn elapsed_ns(self) -> f64 {
        let now = Self::now().0;
        (now.tv_sec - self.0.tv_sec) as f64 * 1e9 + (now.tv_nsec - self.0.tv_nsec) as f64
    }
}
