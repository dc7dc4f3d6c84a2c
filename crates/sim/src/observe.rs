//! What happens on links and in hosts, for those who watch: ladders, captures, checkers of packets.

use crate::{HostId, LinkId, Loss};
use linger_proto::{FourTuple, FrameTrace, Instant, State};

/// A packet of a run. Its copies share the number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PacketId(pub(crate) u64);

impl PacketId {
    /// The position of the packet among all that were sent, counted from zero.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Observation<'a> {
    /// A host sent a packet.
    Sent(Sent<'a>),
    /// A copy of a packet reached its host, which has processed it.
    Arrived(Arrived<'a>),
    /// A connection changed state: by a segment, a call or a timer.
    State(StateChange),
}

/// A host sent a packet.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// When.
    pub at: Instant,
    /// Which packet.
    pub packet: PacketId,
    /// Over which link; `None` when no link leads there.
    pub link: Option<LinkId>,
    /// Who sent it.
    pub from: HostId,
    /// Who is to receive it; the sender itself when nobody has the address.
    pub to: HostId,
    /// The IP packet as it left, before any corruption.
    pub bytes: &'a [u8],
    /// What the sending host says about it.
    pub trace: Option<FrameTrace>,
    /// How many copies will arrive, or why none will.
    pub fate: Result<usize, Loss>,
}

/// A copy of a packet reached its host.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// When.
    pub at: Instant,
    /// Which packet.
    pub packet: PacketId,
    /// Which copy: 0 is the first that was due.
    pub copy: usize,
    /// Over which link; `None` for a packet that a test injected.
    pub link: Option<LinkId>,
    /// Who sent it.
    pub from: HostId,
    /// Who received it.
    pub to: HostId,
    /// The IP packet as it arrived.
    pub bytes: &'a [u8],
    /// What the receiving host says about it: its states, and the reason if it threw the packet away.
    pub trace: Option<FrameTrace>,
}

/// A connection changed state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateChange {
    /// When.
    pub at: Instant,
    /// On which host.
    pub host: HostId,
    /// Which connection, seen from that host.
    pub tuple: FourTuple,
    /// The state it left.
    pub before: State,
    /// The state it is in now.
    pub after: State,
}

/// Somebody who watches a run.
pub trait Observer: 'static {
    /// Something happened.
    fn observe(&mut self, what: &Observation<'_>);
}

impl<F: FnMut(&Observation<'_>) + 'static> Observer for F {
    fn observe(&mut self, what: &Observation<'_>) {
        self(what);
    }
}
