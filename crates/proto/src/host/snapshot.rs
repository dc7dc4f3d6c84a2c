//! Everything a host holds at one moment, for people and for `assert_quiescent`.

use super::Host;
use super::time_wait::key;
use crate::tcp::connection::Connection;
use crate::tcp::time_wait::TimeWait;
use crate::{ConnectionId, FourTuple, Instant, OwnerId, State, TcpInfo};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
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
    /// Which of several hosts that are one has it (see `Host::join`); zero for a host alone.
    pub shard: u16,
    /// Its handle; `None` while half-open. Handles of different shards may be equal.
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
    /// The connection ended by an RST of this side ([`TcpConfig::wait_after_abort`](crate::TcpConfig)).
    pub after_reset: bool,
    /// Who held it, as set by `set_owner`.
    pub owner: Option<String>,
}

impl Snapshot {
    /// Adds what another host of the same group holds (see [`Host::join`]): one list of connections and TIME-WAITs, and
    /// one line for a listener that both have, with the sums of its queues and their bounds.
    pub fn merge(&mut self, other: Self) {
        let Self { listeners, connections, time_wait, udp } = other;
        self.connections.extend(connections);
        self.time_wait.extend(time_wait);
        self.udp.extend(udp);
        for more in listeners {
            match self.listeners.iter_mut().find(|listener| listener.local == more.local) {
                Some(same) => {
                    same.half_open = same.half_open.saturating_add(more.half_open);
                    same.accept_queue = same.accept_queue.saturating_add(more.accept_queue);
                    same.backlog = same.backlog.saturating_add(more.backlog);
                }
                None => self.listeners.push(more),
            }
        }
    }
}

impl Host {
    /// Everything the host holds now.
    /// Ledger: [9293-UC-STATUS-1, 9293-UC-STATUS-2].
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut connections: Vec<ConnectionSnapshot> = self
            .connections
            .iter()
            .map(|(index, connection)| self.connection_snapshot(now, index, connection))
            .collect();
        connections.extend(self.half_open.iter().map(|(_, half_open)| ConnectionSnapshot {
            shard: self.shard.index(),
            id: None,
            tuple: half_open.key.tuple(),
            state: State::SynReceived,
            in_state: now.since(half_open.since),
            held: false,
            owner: None,
            info: TcpInfo { state: State::SynReceived, ..TcpInfo::default() },
        }));
        let mut time_wait: Vec<TimeWaitSnapshot> =
            self.time_wait_4.iter().map(|(_, record)| self.time_wait_snapshot(now, record)).collect();
        time_wait.extend(self.time_wait_6.iter().map(|(_, record)| self.time_wait_snapshot(now, record)));
        let listeners = self
            .listeners
            .iter()
            .map(|(_, listener)| ListenerSnapshot {
                local: listener.local,
                half_open: listener.half_open,
                accept_queue: u32::try_from(listener.accept_queue.len()).unwrap_or(u32::MAX),
                backlog: listener.backlog,
            })
            .collect();
        Snapshot { listeners, connections, time_wait, udp: self.udp.addrs().collect() }
    }

    fn connection_snapshot(&self, now: Instant, index: u32, connection: &Connection) -> ConnectionSnapshot {
        ConnectionSnapshot {
            shard: self.shard.index(),
            id: Some(self.id_of(index)),
            tuple: connection.key.tuple(),
            state: connection.state(),
            in_state: now.since(connection.since),
            held: connection.holder().is_application(),
            owner: self.owner_name(connection.owner),
            info: connection.info(),
        }
    }

    fn time_wait_snapshot<A: Copy + Into<IpAddr>>(
        &self,
        now: Instant,
        record: &TimeWait<A>,
    ) -> TimeWaitSnapshot {
        TimeWaitSnapshot {
            tuple: key(record).tuple(),
            in_state: record.age(now),
            remaining: record.remaining(now),
            after_reset: record.is_reset(),
            owner: self.owner_name(record.owner()),
        }
    }

    fn owner_name(&self, owner: OwnerId) -> Option<String> {
        let position = usize::try_from(owner.0).ok()?.checked_sub(1)?;
        self.owners.get(position).cloned()
    }
}
