//! The shards of one stack, as its [`Net`](crate::Net) sees them.

use crate::shared::Handle;
use linger_proto::{ShardMap, State};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All shards of a stack: one, mostly.
#[derive(Debug)]
pub(crate) struct Shards {
    handles: Box<[Handle]>,
    /// What the hosts know about each other; none where there is one.
    map: Option<Arc<ShardMap>>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

impl Shards {
    /// At least one.
    pub(crate) fn new(handles: Vec<Handle>, map: Option<Arc<ShardMap>>) -> Self {
        Self { handles: handles.into(), map, turn: AtomicUsize::new(0) }
    }

    pub(crate) fn all(&self) -> &[Handle] {
        &self.handles
    }

    /// One shard; what is past the last begins again.
    pub(crate) fn at(&self, shard: usize) -> &Handle {
        &self.handles[shard % self.handles.len()]
    }

    /// One shard after another.
    pub(crate) fn next(&self) -> &Handle {
        match &*self.handles {
            [only] => only,
            _ => self.at(self.turn.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The shard of a port of ours; `None` where no shard is bound to it: none was named, or there is only one shard.
    pub(crate) fn of_port(&self, port: u16) -> Option<&Handle> {
        let map = self.map.as_ref().filter(|_| port != 0)?;
        Some(self.at(usize::from(map.owner_of_port(port))))
    }

    /// The shard for a connect from a port that the application names: whichever has the tuple already, be it in
    /// TIME-WAIT, so that it can judge; else the one that all connects from this port go to.
    pub(crate) fn of_connect(&self, local: SocketAddr, remote: SocketAddr) -> Option<&Handle> {
        let of_port = self.of_port(local.port())?;
        let has_it = |handle: &&Handle| {
            let core = handle.lock();
            let tuple = core.host.tuple_towards(remote, local);
            let state = tuple.map_or(State::Closed, |tuple| core.host.state_of(&tuple));
            !matches!(state, State::Closed | State::Listen)
        };
        Some(self.handles.iter().find(has_it).unwrap_or(of_port))
    }
}
