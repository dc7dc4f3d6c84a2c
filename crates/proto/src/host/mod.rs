//! The public face of a host.
//!
//! - `mod`: [`Host`] itself, and what is so (A)
//! - `types`: settings, the name of a connection, events, counters
//! - `input`: frames come in, are parsed, reassembled and handed on (B); `predicted`: the usual ones at once; `batch`: several together
//! - `segment`: a TCP segment meets the object that owns its tuple
//! - `passive`: LISTEN and half-open connections; `cookies`: what has no room there; `hold`: SYNs that wait for a
//!   decision; `time_wait`: the table's duties; `carry`: the table across a restart
//! - `settle`: the one place that changes a connection's phase, and tells the application
//! - `calls`, `stream`: what the application wants (C); `ports`: which port to take
//! - `output`, `emit`: what leaves (D); `timeouts`: what is due
//! - `demux`, `key`: from addresses and ports to the object that owns them
//! - `shards`: several hosts that are one; `shard_map`: which of them owns what
//! - `canonical`: what of a host decides its future; `snapshot`: everything the host holds at one moment; `growth`: what growing has cost

mod batch;
mod calls;
mod canonical;
mod carry;
mod cookies;
mod datagrams;
mod demux;
mod emit;
mod growth;
mod hold;
mod input;
pub(crate) mod key;
mod output;
mod passive;
mod ports;
mod predicted;
mod segment;
mod settle;
mod shard_map;
mod shards;
pub(crate) mod snapshot;
mod stream;
mod time_wait;
mod timeouts;
mod types;

pub use shard_map::ShardMap;
pub use shards::Stray;
pub use stream::Stream;
pub use types::{Counters, Event, FourTuple, HostConfig, InterfaceConfig};

use crate::ip::icmp::Icmp;
use crate::ip::interface::Interfaces;
use crate::ip::outbox::Outbox;
use crate::ip::path_mtu::PathMtu;
use crate::ip::reassembly::Reassembly;
use crate::table::queue::Queue;
use crate::table::slab::Slab;
use crate::table::wheel::Wheel;
use crate::tcp::buffer::pool::Pools;
use crate::tcp::connection::{Armed, Connection};
use crate::tcp::info::{State, TcpInfo};
use crate::tcp::opening::cookie::Cookies;
use crate::tcp::opening::half_open::{self, HalfOpen};
use crate::tcp::opening::isn::Numbers;
use crate::tcp::opening::listener::Listener;
use crate::tcp::opening::sources::Sources;
use crate::tcp::settings::Settings;
use crate::tcp::time_wait::TimeWaitTable;
use crate::udp::UdpSockets;
use crate::{ConnectionId, Instant, InterfaceId, ListenerId, Secret, TraceEvent, UdpId};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// One IP host. See the [crate] documentation.
#[derive(Clone)]
pub struct Host {
    config: HostConfig,
    tcp_config: Arc<Settings>,
    secret: Secret,
    numbers: Numbers,
    cookies: Cookies,
    ports: ports::Ports,
    // Between packets and transport.
    interfaces: Interfaces,
    reassembly: Reassembly,
    path_mtu: PathMtu,
    icmp: Icmp,
    outbox: Outbox,
    udp: UdpSockets,
    // Who owns a tuple.
    demux: demux::Demux,
    /// The other hosts, where this is one of several.
    shard: shards::Membership,
    connections: Slab<Connection, Armed>,
    half_open: Slab<HalfOpen, half_open::Armed>,
    sources: Sources,
    time_wait_4: TimeWaitTable<Ipv4Addr>,
    time_wait_6: TimeWaitTable<Ipv6Addr>,
    /// TIME-WAITs that a half-open connection covers, by tuple.
    covered: BTreeMap<key::Key, u32>,
    listeners: Slab<Listener>,
    pools: Pools,
    ports_listening: BTreeMap<u16, Vec<u32>>,
    // What is due.
    wheel: Wheel,
    dirty: Queue<u32>,
    control: VecDeque<output::Control>,
    events: Queue<Event>,
    traces: VecDeque<TraceEvent>,
    tracing: bool,
    // What is counted.
    owners: Vec<String>,
    orphans: u32,
    recv_total: u64,
    counters: Counters,
}

impl Host {
    /// A host without interfaces.
    pub fn new(config: HostConfig, secret: Secret) -> Self {
        Self {
            tcp_config: Arc::new(Settings::new(config.tcp.clone())),
            numbers: Numbers::new(&secret),
            cookies: Cookies::new(&secret),
            ports: ports::Ports::new(&secret),
            interfaces: Interfaces::default(),
            reassembly: Reassembly::new(config.reassembly_max),
            path_mtu: PathMtu::default(),
            icmp: Icmp::default(),
            outbox: Outbox::new(&secret),
            udp: UdpSockets::default(),
            demux: demux::Demux::new(&secret),
            shard: shards::Membership::default(),
            connections: Slab::new(),
            half_open: Slab::new(),
            sources: Sources::new(&secret),
            time_wait_4: TimeWaitTable::new(),
            time_wait_6: TimeWaitTable::new(),
            covered: BTreeMap::new(),
            listeners: Slab::new(),
            pools: Pools::default(),
            ports_listening: BTreeMap::new(),
            wheel: Wheel::new(),
            dirty: Queue::default(),
            control: VecDeque::new(),
            events: Queue::default(),
            traces: VecDeque::new(),
            tracing: false,
            owners: Vec::new(),
            orphans: 0,
            recv_total: 0,
            counters: Counters::default(),
            config,
            secret,
        }
    }

    /// Adds an interface.
    pub fn add_interface(&mut self, config: InterfaceConfig) -> InterfaceId {
        self.interfaces.add(config)
    }

    // ---- A. what is so ----

    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get_checked(id.index, id.generation)
    }

    /// The figures of a connection; `None` once the application has let go of it and it has ended.
    pub fn info(&self, id: ConnectionId) -> Option<TcpInfo> {
        self.connection(id).map(Connection::info)
    }

    /// The addresses and ports of a connection.
    pub fn tuple(&self, id: ConnectionId) -> Option<FourTuple> {
        self.connection(id).map(|connection| connection.key.tuple())
    }

    /// Where the connection `tuple` stands, TIME-WAIT and half-open included; `Closed` where nothing is known of it.
    /// LISTEN is reported when a listener would take its SYN.
    pub fn state_of(&self, tuple: &FourTuple) -> State {
        self.state_of_key(&key::Key::from_tuple(tuple))
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where a listener listens, with the port chosen when zero was asked for.
    pub fn listener_addr(&self, id: ListenerId) -> Option<SocketAddr> {
        self.listeners.get_checked(id.index, id.generation).map(|listener| listener.local)
    }

    /// Where a UDP socket is bound.
    pub fn udp_addr(&self, id: UdpId) -> Option<SocketAddr> {
        self.udp.addr(id)
    }

    /// The handle of the connection in slot `index`.
    fn id_of(&self, index: u32) -> ConnectionId {
        ConnectionId { index, generation: self.connections.generation(index).unwrap_or(0) }
    }

    /// Whether the host holds as much received text as it may: windows close until the applications have read.
    fn pressed(&self) -> bool {
        self.recv_total > self.config.recv_total_max
    }

    // ---- D. what to do now: drain transmit, then events, then sleep until timeout ----

    /// Whether [`Host::poll_transmit`] or [`Host::poll_event`] may have something: a call that left it false, such as a
    /// read that opened no window, need wake nobody.
    pub fn has_work(&self) -> bool {
        !(self.dirty.is_empty()
            && self.control.is_empty()
            && self.outbox.is_empty()
            && self.events.is_empty())
    }

    /// The next thing the application should know.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        match event {
            Event::Readable(id) => {
                if let Some(connection) = self.connections.get_checked_mut(id.index, id.generation) {
                    connection.told.readable = false;
                }
            }
            Event::Writable(id) => {
                if let Some(connection) = self.connections.get_checked_mut(id.index, id.generation) {
                    connection.told.writable = false;
                }
            }
            _ => {}
        }
        Some(event)
    }

    /// When to call [`Host::handle_timeout`] if nothing else happens. Drain [`Host::poll_transmit`] first: sending
    /// starts timers.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut next = self.wheel.next_or_never();
        next = next.min(self.time_wait_4.next_or_never()).min(self.time_wait_6.next_or_never());
        if let Some(fragments) = self.reassembly.poll_timeout() {
            next = next.min(fragments);
        }
        (next != Instant::FAR_FUTURE).then_some(next)
    }

    /// Switches [`TraceEvent`]s on or off. Off by default, and then they cost nothing. While they are on, drain
    /// [`Host::poll_trace`] after every call.
    pub fn set_tracing(&mut self, on: bool) {
        self.tracing = on;
        if !on {
            self.traces.clear();
        }
    }

    /// The next trace event, while tracing is on.
    pub fn poll_trace(&mut self) -> Option<TraceEvent> {
        self.traces.pop_front()
    }
}

#[cfg(test)]
mod tests;
