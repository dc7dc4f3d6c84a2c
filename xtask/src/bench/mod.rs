//! `cargo xtask bench`: linger and its peers on the same work, in interleaved rounds.
//!
//! | file | what |
//! |---|---|
//! | `plan.rs` | what a measurement is |
//! | `memory.rs`, `tun.rs` | the two suites: lists of measurements and ratios |
//! | `build.rs` | builds the programs; a peer that cannot be built is absent, with the reason |
//! | `run.rs` | runs one measurement once |
//! | `proof.rs` | the harness proves itself before it measures anything |
//! | `rounds.rs` | interleaves; samples become medians |
//! | `results.rs` | `docs/performance/results.json` |
//! | `targets.rs` | what must be reached |
//! | `page.rs`, `chart.rs` | `docs/performance/README.md` and its bar charts |

mod plan;
mod tun;
