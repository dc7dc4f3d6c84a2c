//! A connection at work asks the allocator for nothing.
#![forbid(unsafe_code)]

use bench::memory::gated::{Segments, Stretch};

#[global_allocator]
static ALLOCATOR: bench::Counting = bench::Counting;

/// The least of three, since other threads of the test's own frame may allocate meanwhile, and can only add.
fn least<T>(mut work: T, run: impl Fn(T) -> T) -> (T, u64) {
    let mut least = u64::MAX;
    for _ in 0..3 {
        let before = bench::heap().calls;
        work = run(work);
        least = least.min(bench::heap().calls - before);
    }
    (work, least)
}

/// One test, since the counts are of the whole program.
#[test]
fn segments_and_bulk_in_steady_state_allocate_nothing() {
    // Until the first timers have come due: a host makes room for them once.
    let segments = Segments::new(1_000).run().run();
    let (segments, calls) = least(segments, Segments::run);
    assert_eq!(calls, 0, "for 2,000 segments of 32 octets");
    drop(segments);

    let (stretch, calls) = least(Stretch::new(4).run(), |stretch| stretch.again(4).run());
    assert_eq!(calls, 0, "for 4 MiB of text");
    drop(stretch);
}
