//! What the application wants of the host: listen, accept, connect.

use super::Host;
use super::demux::Found;
use super::key::Key;
use super::segment::link_mss;
use super::stream::Stream;
use crate::tcp::config::{ConnectConfig, ListenConfig, TcpConfig};
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::error::{CloseReason, ConnectError, ListenError};
use crate::tcp::info::State;
use crate::tcp::opening::active::{Opening, Path};
use crate::tcp::opening::listener::Listener;
use crate::tcp::seq::SeqNum;
use crate::tcp::settings::Settings;
use crate::wire::address::Address;
use crate::{ConnectionId, Instant, InterfaceId, ListenerId, OwnerId};
use alloc::string::ToString as _;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

/// A tuple of our own in TIME-WAIT may be opened again after this long, with timestamps (Linux: `tcp_tw_reuse`).
const REUSE_AFTER: Duration = Duration::from_secs(1);

impl Host {
    /// Listens at `local`; an unspecified address means any of ours, of that family. Port zero takes a free one.
    ///
    /// # Errors
    /// [`ListenError::AddrInUse`] when somebody listens there, [`ListenError::NotLocal`] when the address is not ours,
    /// [`ListenError::TooManyLifetimes`] for a ninth distinct `msl`, [`ListenError::AnyPort`] for `any_port` with a port.
    /// Ledger: RFC 9293 MUST-41, MUST-42, MUST-43 [9293-UC-OPEN-1, 9293-UC-OPEN-4].
    pub fn listen(&mut self, local: SocketAddr, config: ListenConfig) -> Result<ListenerId, ListenError> {
        if !local.ip().is_unspecified() && !self.interfaces.is_local(local.ip()) {
            return Err(ListenError::NotLocal);
        }
        if config.any_port && local.port() != 0 {
            return Err(ListenError::AnyPort);
        }
        let mut local = local;
        if local.port() == 0 && !config.any_port {
            local.set_port(self.free_listening_port(local.ip()).ok_or(ListenError::AddrInUse)?);
        }
        let taken = self.ports_listening.get(&local.port()).is_some_and(|indices| {
            indices.iter().any(|&index| self.listeners.get(index).is_some_and(|other| other.local == local))
        });
        if taken {
            return Err(ListenError::AddrInUse);
        }
        let msl = config.tcp.as_ref().map_or(self.config.tcp.msl, |tcp| tcp.msl);
        if self.time_wait_4.lifetime(msl).is_none() || self.time_wait_6.lifetime(msl).is_none() {
            return Err(ListenError::TooManyLifetimes);
        }
        let (index, generation) = self.listeners.insert(Listener::new(local, &config, &self.tcp_config));
        self.ports_listening.entry(local.port()).or_default().push(index);
        Ok(ListenerId { index, generation })
    }

    /// Takes the longest-waiting connection of a listener.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        loop {
            let listener = self.listeners.get_checked_mut(listener.index, listener.generation)?;
            let id = listener.accept_queue.pop_front()?;
            // Events name a connection before `accept` does, so it may be gone already.
            if self.connection(id).is_some() {
                return Some(id);
            }
        }
    }

    /// Stops listening. Half-open connections and held SYNs are forgotten, connections that wait for `accept` are reset.
    /// Ledger: [9293-UC-CLOSE-2, 9293-UC-ABORT-2].
    pub fn unlisten(&mut self, now: Instant, listener: ListenerId) {
        while let Some(id) = self.accept(listener) {
            if let Some(stream) = self.stream(id) {
                stream.abort(now);
            }
        }
        let Some(gone) = self.listeners.get_checked(listener.index, listener.generation) else { return };
        let port = gone.local.port();
        if gone.half_open > 0 {
            let orphans: alloc::vec::Vec<u32> = self
                .half_open
                .iter()
                .filter(|(_, half_open)| half_open.listener == listener.index)
                .map(|(index, _)| index)
                .collect();
            for index in orphans {
                self.drop_half_open(now, index);
            }
        }
        self.listeners.remove(listener.index);
        if let Some(indices) = self.ports_listening.get_mut(&port) {
            indices.retain(|&index| index != listener.index);
            if indices.is_empty() {
                self.ports_listening.remove(&port);
            }
        }
    }

    /// Begins to open a connection: `Event::Connected` or `Event::Closed` follows.
    ///
    /// # Errors
    /// See [`ConnectError`]. `AddrInUse` for a chosen source that is in use towards `remote`, or in TIME-WAIT: a tuple
    /// of our own in TIME-WAIT may be opened again only with timestamps and after more than one second
    /// (Linux: `tcp_tw_reuse`).
    /// Ledger: RFC 9293 MUST-43 [9293-UC-OPEN-2, 9293-UC-OPEN-3, 9293-UC-OPEN-4, 9293-UC-OPEN-5, 9293-UC-OPEN-7].
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        config: ConnectConfig,
    ) -> Result<ConnectionId, ConnectError> {
        self.expire_time_wait(now);
        if self.connections.len() >= usize::try_from(self.config.connections_max).unwrap_or(usize::MAX) {
            return Err(ConnectError::Limit);
        }
        let tcp = config.tcp.map_or_else(|| Arc::clone(&self.tcp_config), |tcp| Arc::new(Settings::new(tcp)));
        if self.time_wait_4.lifetime(tcp.msl).is_none() || self.time_wait_6.lifetime(tcp.msl).is_none() {
            return Err(ConnectError::Limit);
        }
        let (interface, local, port) = self.source_of(remote, config.local)?;
        let mut key = Key::between(local, remote.ip().into()).with_ports(port, remote.port());
        let (hash, after) = if port == 0 {
            (self.ephemeral_port(&mut key).ok_or(ConnectError::NoPorts)?, None)
        } else {
            let hash = self.demux.hash(&key);
            (hash, self.free_tuple(now, &key, hash, &tcp)?)
        };
        let numbers = self.numbers.of(&key);
        let iss = super::passive::initial_sequence(&self.config, &key, numbers, now, after);
        let link_mss = link_mss(&self.interfaces, &key, interface);
        let path = Path {
            our_mss: self.path_mss(&key, link_mss, now).min(tcp.mss_bound),
            ts_offset: numbers.timestamp_offset,
            ipv6: key.is_ipv6(),
        };
        let (index, generation) = self.connections.insert_after(|armed| {
            let phase = Phase::Opening(Opening::new(now, iss, tcp, path));
            let mut connection = Connection::new(key, interface, phase, now, State::Closed, armed);
            (connection.noted, connection.dirty) = (State::SynSent, true);
            connection
        });
        self.dirty.push_back(index);
        self.own(hash, Found::Connection(index));
        self.trace_state(now, &key, State::Closed, State::SynSent);
        Ok(ConnectionId { index, generation })
    }

    /// Makes a chosen tuple free for a connect, if it may be: SND.NXT of a TIME-WAIT that had to go for it.
    /// Ledger: [9293-UC-OPEN-7, 6056-4].
    #[inline(never)]
    fn free_tuple(
        &mut self,
        now: Instant,
        key: &Key,
        hash: u64,
        tcp: &TcpConfig,
    ) -> Result<Option<SeqNum>, ConnectError> {
        match self.find_hashed(hash, key) {
            None => Ok(None),
            Some(found @ (Found::TimeWait4(_) | Found::TimeWait6(_))) => {
                let brief = self.time_wait_brief(found, now).ok_or(ConnectError::AddrInUse)?;
                // Timestamps that go on are what makes it safe; those of another host did not.
                let go_on = tcp.timestamps && brief.ts_recent.is_some() && !brief.carried;
                if !go_on || brief.age <= REUSE_AFTER {
                    return Err(ConnectError::AddrInUse);
                }
                self.remove_time_wait(now, found);
                self.counters.time_wait_reused += 1;
                Ok(Some(brief.snd_nxt))
            }
            Some(_) => Err(ConnectError::AddrInUse),
        }
    }

    /// Interface, source address and port of a connect; port zero where none was chosen.
    /// Ledger: RFC 9293 MUST-44, MUST-46, MUST-51 [9293-UC-OPEN-3].
    fn source_of(
        &mut self,
        remote: SocketAddr,
        chosen: Option<SocketAddr>,
    ) -> Result<(InterfaceId, Address, u16), ConnectError> {
        // A connection has two ends (RFC 9293 MUST-46); an IPv4 address inside an IPv6 one has no place on a wire.
        let ip = remote.ip();
        let one_host = !ip.is_unspecified() && !ip.is_multicast() && !self.interfaces.is_broadcast(ip);
        if remote.port() == 0 || !one_host || ip.to_canonical() != ip {
            return Err(ConnectError::NoRoute);
        }
        let (interface, address) = self.interfaces.source_for(remote.ip()).ok_or(ConnectError::NoRoute)?;
        let address = match chosen.map(|local| local.ip()) {
            Some(ip) if !ip.is_unspecified() => {
                if !self.interfaces.is_local(ip) || ip.is_ipv6() != remote.is_ipv6() {
                    return Err(ConnectError::NotLocal);
                }
                ip
            }
            _ => address,
        };
        Ok((interface, address.into(), chosen.map_or(0, |local| local.port())))
    }

    /// The application's hold on a connection; `None` when it has let go.
    /// Ledger: [9293-UC-SEND-1, 9293-UC-RECV-1, 9293-UC-CLOSE-1, 9293-UC-ABORT-1].
    pub fn stream(&mut self, id: ConnectionId) -> Option<Stream<'_>> {
        let held = self.connection(id)?.is_held();
        held.then(|| Stream::new(self, id))
    }

    /// Resets a connection that the application has let go of and that has not ended; whether there was one. For a stack
    /// that ends before its orphans do: nobody would answer their peers any more.
    pub fn abort_orphan(&mut self, now: Instant, id: ConnectionId) -> bool {
        let orphan = self.connection(id).is_some_and(|connection| !connection.holder().is_application());
        if orphan {
            self.abort_connection(now, id.index, CloseReason::Aborted);
        }
        orphan
    }

    /// How a connection ended that the application still holds; `None` while it lives.
    pub fn ended(&self, id: ConnectionId) -> Option<CloseReason> {
        match &self.connection(id)?.phase {
            Phase::Over(over) => Some(over.reason),
            _ => None,
        }
    }

    /// Makes a name into an id that costs nothing to attach to connections.
    pub fn intern_owner(&mut self, name: &str) -> OwnerId {
        let position = self.owners.iter().position(|owner| owner == name).unwrap_or_else(|| {
            self.owners.push(name.to_string());
            self.owners.len() - 1
        });
        OwnerId(u32::try_from(position + 1).unwrap_or(0))
    }
}
