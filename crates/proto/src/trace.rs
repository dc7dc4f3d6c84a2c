//! What happened inside a host, for those who watch: the simulator's ladder, captures, `linger run`, logs.

use crate::{DropReason, FourTuple, Instant, State};

/// Which way a frame went, seen from this host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// From the device into the host.
    In,
    /// From the host to the device.
    Out,
}

/// One frame and what it did to the connection it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameTrace {
    /// When the host handled or built it.
    pub at: Instant,
    /// Which way it went.
    pub direction: Direction,
    /// The TCP connection it names, seen from this host; `None` for anything that is not TCP.
    pub tuple: Option<FourTuple>,
    /// The state of that connection before the frame.
    pub before: State,
    /// The state after it.
    pub after: State,
    /// Why it was thrown away, if it was.
    pub drop: Option<DropReason>,
}

/// The one typed catalogue of what a host can tell about itself. Emitted only while tracing is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A frame came in or went out: exactly one for each frame of `handle_frames` and each `Transmit`, in order.
    Frame(FrameTrace),
    /// A connection changed state, for whatever reason: a segment, a call, a timer.
    State {
        /// When.
        at: Instant,
        /// Which connection, seen from this host.
        tuple: FourTuple,
        /// The state it left.
        before: State,
        /// The state it is in now.
        after: State,
    },
}
