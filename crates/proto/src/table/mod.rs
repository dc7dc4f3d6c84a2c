//! The containers behind a host, made so that no single operation moves a whole table.
//!
//! | file | what |
//! |---|---|
//! | `chunks` | a growing array in pages that never move |
//! | `slab` | values under an index and a generation |
//! | `wheel` | timers, re-armed lazily, in exact order: queues in front of a wheel |
//! | `index` | 64-bit hash to a `u32` reference, in blocks that grow one by one |
//! | `queue` | first in, first out, drained often |
//! | `growth` | what growing has cost |

pub(crate) mod chunks;
pub(crate) mod growth;
pub(crate) mod index;
pub(crate) mod queue;
pub(crate) mod slab;
pub(crate) mod wheel;

/// The end of a list of `u32` links.
pub(crate) const NIL: u32 = u32::MAX;

#[cfg(test)]
mod tests;
