//! SYNs that are held until the application decides (`ListenConfig::hold`): a proxy can try its own connection first.

use super::demux::Found;
use super::segment::link_mss;
use super::{FourTuple, Host};
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::error::AcceptError;
use crate::tcp::info::State;
use crate::tcp::opening::active::Opening;
use crate::tcp::opening::half_open::HalfOpen;
use crate::wire::tcp::{Flags, Header};
use crate::{ConnectionId, IncomingId, Instant, ListenerId};
use alloc::sync::Arc;

/// So many SYNs that are gone may stand among those that wait to be handed out.
const GONE_MAX: usize = 64;

impl Host {
    /// Takes the longest-waiting SYN of a listener that holds them; [`Host::admit`], [`Host::refuse`] or
    /// [`Host::ignore`] decides. Until then it is held, at most for `hold_timeout` from its arrival.
    pub fn incoming(&mut self, listener: ListenerId) -> Option<(IncomingId, FourTuple)> {
        let listening = self.listeners.get_checked_mut(listener.index, listener.generation)?;
        while let Some(id) = listening.incoming.pop_front() {
            if let Some(half_open) = self.half_open.get_checked(id.index, id.generation) {
                return Some((id, half_open.key.tuple()));
            }
        }
        None
    }

    /// Whether a SYN is still held.
    pub fn is_held(&self, id: IncomingId) -> bool {
        self.held(id).is_some()
    }

    fn held(&self, id: IncomingId) -> Option<&HalfOpen> {
        self.half_open.get_checked(id.index, id.generation).filter(|half_open| half_open.held)
    }

    /// Answers a held SYN: the SYN-ACK leaves, and `Event::Connected` or `Event::Closed` follows, as after
    /// [`Host::connect`]. The connection is the application's from now on: it can write to it already, and the limits
    /// for half-open connections concern it no more.
    ///
    /// # Errors
    /// [`AcceptError::Gone`] when the SYN is held no more, [`AcceptError::Limit`] past `connections_max`.
    pub fn admit(&mut self, now: Instant, id: IncomingId) -> Result<ConnectionId, AcceptError> {
        let half_open = self.held(id).ok_or(AcceptError::Gone)?;
        if half_open.resend_at <= now {
            return Err(AcceptError::Gone); // its timer is late
        }
        let most = usize::try_from(self.config.connections_max).unwrap_or(usize::MAX);
        if self.connections.len() >= most {
            return Err(AcceptError::Limit);
        }
        let (key, interface, source) = (half_open.key, half_open.interface, half_open.source);
        let listener = half_open.listener;
        let config = Arc::clone(&self.listeners.get(listener).ok_or(AcceptError::Gone)?.config);
        let our_mss = link_mss(&self.interfaces, &key, interface).min(config.mss_bound);
        let opening = Opening::admitted(now, half_open, config, our_mss, key.is_ipv6());
        let since = half_open.since;
        let (index, generation) = self.connections.insert_after(|armed| {
            let mut connection =
                Connection::new(key, interface, Phase::Opening(opening), now, State::SynReceived, armed);
            connection.since = since;
            connection
        });
        self.half_open.discard(id.index, |half_open| half_open.armed);
        self.sources.leave(source);
        if let Some(listening) = self.listeners.get_mut(listener) {
            listening.half_open = listening.half_open.saturating_sub(1);
        }
        let hash = self.demux.hash(&key);
        self.hand_over(hash, Found::HalfOpen(id.index), Found::Connection(index));
        self.settle(now, index);
        Ok(ConnectionId { index, generation })
    }

    /// Answers a held SYN with RST. Nothing happens when it is held no more.
    pub fn refuse(&mut self, now: Instant, id: IncomingId) {
        let Some(half_open) = self.held(id) else { return };
        let header =
            Header { ack: half_open.agreed.irs + 1, flags: Flags::RST.with(Flags::ACK), ..Header::default() };
        let (key, interface) = (half_open.key, half_open.interface);
        self.drop_half_open(now, id.index);
        self.reply(key, interface, header, State::SynReceived);
    }

    /// Forgets a held SYN without a word: to the peer it is lost, and it will come again as long as the peer is patient.
    pub fn ignore(&mut self, now: Instant, id: IncomingId) {
        if self.is_held(id) {
            self.drop_half_open(now, id.index);
        }
    }

    /// A SYN begins to be held.
    #[cold]
    #[inline(never)]
    pub(super) fn announce_held(&mut self, index: u32) {
        let generation = self.half_open.generation(index).unwrap_or(0);
        let Some(listener) = self.half_open.get(index).map(|half_open| half_open.listener) else { return };
        let Some((listener_generation, listening)) = self.listeners.entry_mut(listener) else { return };
        let most = usize::try_from(listening.half_open).unwrap_or(usize::MAX).saturating_add(GONE_MAX);
        // Those that are gone are swept out before they outnumber the others: the queue is bounded as the SYNs are.
        if listening.incoming.len() >= most.saturating_mul(2) {
            let half_open = &self.half_open;
            listening.incoming.retain(|id| half_open.get_checked(id.index, id.generation).is_some());
        }
        listening.incoming.push_back(IncomingId { index, generation });
        let id = ListenerId { index: listener, generation: listener_generation };
        self.events.push_back(super::Event::Incoming(id));
    }
}
