//! How much may fly? Controllers see octets and events, never a sequence number.
//!
//! - `reno`: slow start and congestion avoidance (RFC 5681)

pub(crate) mod reno;

use core::fmt;

/// What an acknowledgment tells a controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AckSample {
    /// Octets newly acknowledged.
    pub(crate) acked: u32,
    /// Octets of text in a full segment.
    pub(crate) mss: u16,
    /// Whether the window was what held the sender back: an unused window must not grow (RFC 7661).
    pub(crate) window_limited: bool,
}

/// What happened on the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Congestion {
    /// Duplicate ACKs told of a loss.
    Loss,
    /// The retransmission timer expired.
    Timeout,
}

/// A congestion controller. Octets throughout.
pub(crate) trait Controller: fmt::Debug {
    /// New text was acknowledged outside of recovery.
    fn on_ack(&mut self, sample: &AckSample);
    /// The path is congested; `in_flight` octets were flying.
    fn on_congestion(&mut self, event: Congestion, in_flight: u32, mss: u16);
    /// A duplicate ACK inside fast recovery: `octets` have left the network.
    fn on_inflate(&mut self, octets: u32);
    /// A partial ACK inside fast recovery took `acked` octets off the flight (RFC 6582 §3.2 step 3).
    fn on_partial_ack(&mut self, acked: u32, mss: u16);
    /// Nothing was sent for longer than the retransmission timeout (RFC 5681 §4.1).
    fn on_idle(&mut self, mss: u16);
    /// Fast recovery is over.
    fn on_recovered(&mut self, in_flight: u32, mss: u16);
    /// The congestion window.
    fn cwnd(&self) -> u32;
    /// The slow-start threshold.
    fn ssthresh(&self) -> u32;
}
