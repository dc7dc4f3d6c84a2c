//! What was lost? Says which part of the sequence space must be sent again; how much may fly is `congestion`'s
//! business.
//!
//! - `rtt`: round-trip time and retransmission timeout (RFC 6298)
//! - `newreno`: fast retransmit and recovery (RFC 5681 §3.2, RFC 6582), and the way back from a timeout

pub(crate) mod newreno;
pub(crate) mod rtt;
