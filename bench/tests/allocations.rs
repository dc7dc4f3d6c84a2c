//! A connection at work asks the allocator for nothing.
#![forbid(unsafe_code)]

use bench::memory::gated::{Segments, Stretch};

#[global_allocator]
static ALLOCATOR: bench::Counting = bench::Counting;

/// One test, since the counts are of the whole program.
#[test]
fn segments_and_bulk_in_steady_state_allocate_nothing() {
    // Until the first timers have come due: a host makes room for them once.
    let segments = Segments::new(1_000).run().run().run();
    let before = bench::heap().calls;
    let segments = segments.run();
    assert_eq!(bench::heap().calls - before, 0, "for 2,000 segments of 32 octets");
    drop(segments);

    let stretch = Stretch::new(4).run().again(4);
    let before = bench::heap().calls;
    let stretch = stretch.run();
    assert_eq!(bench::heap().calls - before, 0, "for 4 MiB of text");
    drop(stretch);
}
