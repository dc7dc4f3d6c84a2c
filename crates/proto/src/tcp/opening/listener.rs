//! LISTEN: a factory of connections, not a connection.

use super::cookie;
use crate::tcp::config::{ListenConfig, WhenFull};
use crate::tcp::settings::Settings;
use crate::time::Span;
use crate::{ConnectionId, IncomingId, Instant};
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
    pub(crate) when_full: WhenFull,
    /// How long a SYN is held; `None` where they are answered at once.
    pub(crate) hold: Option<Span>,
    /// Held SYNs that were not handed out yet, the longest-waiting first; those that are gone among them.
    pub(crate) incoming: VecDeque<IncomingId>,
    /// The period in which a cookie was last sent.
    cookies_in: Option<u64>,
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
            when_full: config.when_full,
            hold: config.hold.then(|| Span::of(config.hold_timeout)),
            incoming: VecDeque::new(),
            cookies_in: None,
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

    /// How many half-open connections one source may have here, of `most` at this host: nobody fills the whole queue of
    /// a listener whose SYNs can only be dropped beyond it.
    pub(crate) fn per_source_max(&self, most: u32) -> u32 {
        if self.hold.is_none() {
            return most;
        }
        most.min((self.backlog / 2).max(1))
    }

    /// The queue has overflowed: a cookie is sent.
    pub(crate) fn note_cookie(&mut self, now: Instant) {
        self.cookies_in = Some(cookie::period(now));
    }

    /// Whether an ACK may be that of a cookie: the queue has overflowed in this period or in the last one.
    pub(crate) fn takes_cookies(&self, now: Instant) -> bool {
        self.cookies_in.is_some_and(|last| cookie::period(now).saturating_sub(last) <= 1)
    }
}
