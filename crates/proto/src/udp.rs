//! UDP: datagrams, bound addresses, bounded receive queues.

use bytes::Bytes;
use core::net::SocketAddr;

/// One received datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// The address of ours it was sent to.
    pub to: SocketAddr,
    /// Its text.
    pub bytes: Bytes,
}

/// Why a UDP call failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// Somebody is bound there already.
    #[error("the address is in use")]
    AddrInUse,
    /// The address belongs to no interface.
    #[error("the address does not belong to this host")]
    NotLocal,
    /// No ephemeral port is free.
    #[error("no port is free")]
    NoPorts,
    /// No interface leads there.
    #[error("no route to this destination")]
    NoRoute,
    /// More text than a datagram can carry.
    #[error("the datagram is too long")]
    TooLong,
    /// The queue of outgoing packets is full: try again after the next transmission.
    #[error("the send queue is full")]
    Blocked,
    /// The socket was closed.
    #[error("no such socket")]
    Closed,
}
