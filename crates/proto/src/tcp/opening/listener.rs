//! LISTEN: a factory of connections, not a connection.

use crate::ConnectionId;
use crate::tcp::config::ListenConfig;
use crate::tcp::settings::Settings;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::SocketAddr;

/// Connections that may wait for `accept` unless the listener says otherwise (Linux: `somaxconn`).
const DEFAULT_BACKLOG: u32 = 4096;

/// A listening address.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// Where; an unspecified address is any of ours.
    pub(crate) local: SocketAddr,
    pub(crate) config: Arc<Settings>,
    /// As Linux counts it: a queue is full when it is longer than this.
    pub(crate) backlog: u32,
    /// Established connections that wait for `accept`, the longest-waiting first.
    pub(crate) accept_queue: VecDeque<ConnectionId>,
    /// Half-open connections of this listener.
    pub(crate) half_open: u32,
}

impl Listener {
    pub(crate) fn new(local: SocketAddr, config: &ListenConfig, host: &Arc<Settings>) -> Self {
        let tcp =
            config.tcp.as_ref().map_or_else(|| Arc::clone(host), |tcp| Arc::new(Settings::new(tcp.clone())));
        Self {
            local,
            config: tcp,
            backlog: config.backlog.unwrap_or(DEFAULT_BACKLOG),
            accept_queue: VecDeque::new(),
            half_open: 0,
        }
    }

    /// Whether one more connection may wait for `accept` (Linux: `sk_acceptq_is_full`).
    pub(crate) fn accept_queue_full(&self) -> bool {
        self.accept_queue.len() > usize::try_from(self.backlog).unwrap_or(usize::MAX)
    }

    /// Whether one more SYN may be answered (Linux: `inet_csk_reqsk_queue_is_full`).
    pub(crate) fn syn_queue_full(&self) -> bool {
        self.half_open >= self.backlog.max(1)
    }
}
