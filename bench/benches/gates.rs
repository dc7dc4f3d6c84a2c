//! Instructions of pieces of work, by callgrind: `cargo xtask gates` compares them with `bench/gates.tsv`.

#![forbid(unsafe_code)]
#![expect(missing_docs, reason = "gungraun's macros write modules and constants")]

use bench::memory::gated::{Fins, Lives, Looks, Segments, Stretch, Syns};
use gungraun::{LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};

/// Callgrind counts each octet that `rep movsb` copies as an instruction, so the library must not use it.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=100000000:glibc.cpu.x86_rep_stosb_threshold=100000000";

// What a function returns is dropped after the count. The number is how much work it is: the gate's figure is for one.

#[library_benchmark]
#[bench::of_500(args = (500), setup = Lives::new)]
fn lifecycle(lives: Lives) -> Lives {
    lives.run()
}

#[library_benchmark]
#[bench::of_500(args = (30_000, 500), setup = Lives::next_to)]
fn lifecycle_held_30k(lives: Lives) -> Lives {
    lives.run()
}

#[library_benchmark]
#[bench::of_4000(args = (2_000), setup = Segments::new)]
fn segment(segments: Segments) -> Segments {
    segments.run()
}

#[library_benchmark]
#[bench::of_8388608(args = (8), setup = Stretch::new)]
fn bulk_byte(stretch: Stretch) -> Stretch {
    stretch.run()
}

#[library_benchmark]
#[bench::of_1000(args = (1_000), setup = Syns::new)]
fn half_open(syns: Syns) -> Syns {
    syns.run()
}

#[library_benchmark]
#[bench::of_1000(args = (1_000), setup = Fins::new)]
fn time_wait_insert(fins: Fins) -> Fins {
    fins.run()
}

#[library_benchmark]
#[bench::of_1000(args = (1_000), setup = Looks::new)]
fn housekeeping(looks: Looks) -> Looks {
    looks.run()
}

library_benchmark_group!(
    name = gates,
    benchmarks =
        [lifecycle, lifecycle_held_30k, segment, bulk_byte, half_open, time_wait_insert, housekeeping]
);
main!(
    config = LibraryBenchmarkConfig::default().env("GLIBC_TUNABLES", TUNABLES),
    library_benchmark_groups = gates
);
