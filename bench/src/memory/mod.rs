//! The in-memory suite: two hosts of linger back to back in one thread, under a virtual clock.
//!
//! | file | what |
//! |---|---|
//! | `pool.rs` | buffers that frames cross in, without an allocation for each |
//! | `pair.rs` | the two hosts and the wire between them |
//! | `life.rs` | whole lives of connections, next to idle ones and next to TIME-WAITs |
//! | `seg.rs` | 32-octet segments to and fro |
//! | `bulk.rs` | as much text as goes |
//! | `footprint.rs` | what an object costs in memory |
//! | `quiet.rs` | calls with nothing due |
//! | `grow.rs` | the largest single call while tables grow |
//! | [`mod@gated`] | pieces of work whose instructions are gated |
//!
//! Each measure prints `key value` pairs, one to a line.

mod bulk;
mod footprint;
pub mod gated;
mod grow;
mod life;
mod pair;
mod pool;
mod quiet;
mod seg;

pub use bulk::bulk;
pub use footprint::footprint;
pub use gated::gated;
pub use grow::grow;
pub use life::life;
pub use pair::carry_alone;
pub use quiet::housekeeping;
pub use seg::{Choice, seg};

/// One line of the report.
fn say(key: &str, value: impl std::fmt::Display) {
    println!("{key} {value}");
}
