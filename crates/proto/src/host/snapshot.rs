//! Everything a host holds at one moment, for people and for `assert_quiescent`.

use crate::{ConnectionId, FourTuple, State, TcpInfo};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Everything a host holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Listening addresses.
    pub listeners: Vec<ListenerSnapshot>,
    /// Connections in every state but LISTEN and TIME-WAIT; half-open ones included.
    pub connections: Vec<ConnectionSnapshot>,
    /// Connections in TIME-WAIT.
    pub time_wait: Vec<TimeWaitSnapshot>,
    /// Bound UDP addresses.
    pub udp: Vec<SocketAddr>,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerSnapshot {
    /// Where it listens.
    pub local: SocketAddr,
    /// Connections in SYN-RECEIVED.
    pub half_open: u32,
    /// Connections waiting for `accept`.
    pub accept_queue: u32,
    /// The bound of the accept queue.
    pub backlog: u32,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionSnapshot {
    /// Its handle; `None` while half-open.
    pub id: Option<ConnectionId>,
    /// Its addresses and ports.
    pub tuple: FourTuple,
    /// Where it is in its life.
    pub state: State,
    /// How long it has been there.
    pub in_state: Duration,
    /// Whether the application still holds the stream.
    pub held: bool,
    /// Who holds it, as set by `set_owner`.
    pub owner: Option<String>,
    /// Its figures.
    pub info: TcpInfo,
}

/// One TIME-WAIT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeWaitSnapshot {
    /// Its addresses and ports.
    pub tuple: FourTuple,
    /// How long it has been in TIME-WAIT.
    pub in_state: Duration,
    /// What is left of 2*MSL.
    pub remaining: Duration,
    /// Who held it, as set by `set_owner`.
    pub owner: Option<String>,
}
