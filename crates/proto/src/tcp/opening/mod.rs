//! How a connection begins.
//!
//! - `listener`: LISTEN: the accept queue and its backlog
//! - `half_open`: SYN-RECEIVED after a passive open, without buffers
//! - `active`: SYN-SENT, and SYN-RECEIVED when both sides open at once
//! - `negotiate`: what the options of the two SYNs add up to
//! - `isn`: initial sequence numbers and timestamp offsets
//! - `cookie`: a SYN answered without keeping anything; `sources`: how many half-open connections each source has

pub(crate) mod active;
pub(crate) mod cookie;
pub(crate) mod half_open;
pub(crate) mod isn;
pub(crate) mod listener;
pub(crate) mod negotiate;
pub(crate) mod sources;
