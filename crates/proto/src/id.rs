//! Handles that a host gives out: an index and, where the slot is used again, a generation.

/// A TCP connection of this host, from `connect` or `accept` until the application lets go of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnectionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A listening address of this host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ListenerId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A SYN that a listener with `hold` waits with, from `incoming` until the application decides or it is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct IncomingId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A bound UDP address of this host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UdpId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// An interface of this host, in the order they were added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct InterfaceId(pub(crate) u16);

impl InterfaceId {
    /// The position of the interface, counted from zero.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A name for whoever holds a connection, interned by [`Host::intern_owner`](crate::Host::intern_owner).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct OwnerId(pub(crate) u32);
