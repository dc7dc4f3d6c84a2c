//! The public face of a host.

pub(crate) mod snapshot;

use crate::tcp::config::{ConnectConfig, ListenConfig, TcpConfig};
use crate::tcp::error::{CloseReason, ConnectError, ListenError, ReadError, WriteError};
use crate::tcp::info::{State, TcpInfo};
use crate::tcp::seq::SeqNum;
use crate::{
    ConnectionId, Datagram, DropCounters, Frame, Instant, InterfaceId, ListenerId, OwnerId, Secret, Snapshot,
    TraceEvent, Transmit, UdpError, UdpId,
};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

/// The settings of a host.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Settings of its TCP connections, unless `listen` or `connect` says otherwise.
    pub tcp: TcpConfig,
    /// For laboratories only: the initial sequence number of a connection instead of the keyed one of RFC 9293
    /// §3.4.1. `None` in production.
    pub initial_sequence: Option<fn(&FourTuple) -> SeqNum>,
    /// Ports for connects that name none. Default 32768..=60999 (Linux: `ip_local_port_range`).
    pub ephemeral_ports: RangeInclusive<u16>,
    /// Most connections at once, half-open ones not counted. Default 4 million.
    pub connections_max: u32,
    /// Most half-open connections at once over all listeners. Default 65,536.
    pub half_open_max: u32,
    /// Most TIME-WAITs at once; past it the oldest goes. Default 16 million (Linux: `tcp_max_tw_buckets`).
    pub time_wait_max: u32,
    /// Most connections that nobody holds any more; past it the newest is reset. Default 65,536
    /// (Linux: `tcp_max_orphans`).
    pub orphans_max: u32,
    /// Most octets of fragments held for reassembly. Default 4 MiB (Linux: `ipfrag_high_thresh`).
    pub reassembly_max: u32,
    /// Most octets of received text held over all connections. Default 1 GiB.
    pub recv_total_max: u64,
    /// Answer ICMP echo requests. Default true.
    pub echo: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            tcp: TcpConfig::default(),
            initial_sequence: None,
            ephemeral_ports: 32768..=60999,
            connections_max: 4_000_000,
            half_open_max: 65_536,
            time_wait_max: 16_000_000,
            orphans_max: 65_536,
            reassembly_max: 4 << 20,
            recv_total_max: 1 << 30,
            echo: true,
        }
    }
}

/// The settings of an interface: a plain IP link.
#[derive(Clone, Debug)]
pub struct InterfaceConfig {
    /// Our addresses there, each with the length of its prefix. A destination inside the prefix is on this link.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Whether destinations outside every prefix leave through here. Default true.
    pub default_route: bool,
    /// Largest IP packet, octets. Default 1500.
    pub mtu: u16,
    /// The device completes partial transport checksums.
    pub checksum_offload: bool,
    /// The device cuts packets of up to 64 KiB into segments.
    pub segmentation_offload: bool,
}

impl Default for InterfaceConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            default_route: true,
            mtu: 1500,
            checksum_offload: false,
            segmentation_offload: false,
        }
    }
}

/// A connection as this host sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FourTuple {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

impl FourTuple {
    /// The same connection as the peer sees it.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { local: self.remote, remote: self.local }
    }
}

/// What the application should know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection waits for `accept`.
    Incoming(ListenerId),
    /// A connect succeeded.
    Connected(ConnectionId),
    /// There is text to read, or the end of it.
    Readable(ConnectionId),
    /// There is room to write again, after a write that was `Blocked`.
    Writable(ConnectionId),
    /// The connection has ended. Emitted once for each, orphans included. `Graceful` comes when both FINs are
    /// acknowledged, which for the side that closed first is the entry into TIME-WAIT.
    Closed(ConnectionId, CloseReason),
    /// A datagram waits.
    Datagram(UdpId),
}

/// What a host has counted since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets thrown away, by reason.
    pub drops: DropCounters,
    /// Frames handled.
    pub frames_in: u64,
    /// Frames handed to devices.
    pub frames_out: u64,
    /// TCP segments sent again.
    pub retransmits: u64,
    /// RST sent.
    pub resets_sent: u64,
    /// Acceptable RST received.
    pub resets_received: u64,
    /// Connections opened by `connect` that were established.
    pub opened: u64,
    /// Connections accepted from the network (established, passive).
    pub accepted: u64,
    /// TIME-WAITs entered.
    pub time_wait_entered: u64,
    /// TIME-WAITs that ended because a SYN opened the tuple again.
    pub reopened: u64,
    /// Half-open re-openings that died and gave their tuple back to TIME-WAIT.
    pub uncovered: u64,
    /// TIME-WAITs that went early because of `time_wait_max`.
    pub time_wait_evicted: u64,
    /// FINs that came again in TIME-WAIT and were acknowledged again.
    pub fin_reacked: u64,
    /// RSTs ignored in TIME-WAIT.
    pub time_wait_rst_ignored: u64,
    /// SYNs that were not admitted in TIME-WAIT.
    pub syn_refused: u64,
    /// Connects on a tuple of our own in TIME-WAIT that were allowed by timestamps.
    pub time_wait_reused: u64,
    /// Orphans ended by their time limit.
    pub orphans_timed_out: u64,
    /// Orphans reset because of `orphans_max`.
    pub orphans_refused: u64,
    /// Half-open connections that expired.
    pub half_open_expired: u64,
    /// Text copied out of a frame because it filled less than a quarter of it, octets.
    pub copied_out: u64,
}

/// One IP host. See the [crate] documentation.
#[derive(Clone)]
pub struct Host {}

impl Host {
    /// A host without interfaces.
    pub fn new(config: HostConfig, secret: Secret) -> Self {
        todo!()
    }

    /// Adds an interface.
    pub fn add_interface(&mut self, config: InterfaceConfig) -> InterfaceId {
        todo!()
    }

    // ---- A. what is so ----

    /// The figures of a connection; `None` once the application has let go of it and it has ended.
    pub fn info(&self, id: ConnectionId) -> Option<TcpInfo> {
        todo!()
    }

    /// The addresses and ports of a connection.
    pub fn tuple(&self, id: ConnectionId) -> Option<FourTuple> {
        todo!()
    }

    /// Where the connection `tuple` stands, TIME-WAIT and half-open included; `Closed` where nothing is known of it.
    /// LISTEN is reported when a listener would take its SYN.
    pub fn state_of(&self, tuple: &FourTuple) -> State {
        todo!()
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        todo!()
    }

    /// Everything the host holds now.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        todo!()
    }

    /// Where a listener listens, with the port chosen when zero was asked for.
    pub fn listener_addr(&self, id: ListenerId) -> Option<SocketAddr> {
        todo!()
    }

    /// Where a UDP socket is bound.
    pub fn udp_addr(&self, id: UdpId) -> Option<SocketAddr> {
        todo!()
    }

    // ---- B. what happened ----

    /// Frames arrived at an interface. All of them are processed before anything leaves.
    pub fn handle_frames(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        frames: &mut dyn Iterator<Item = Frame>,
    ) {
        todo!()
    }

    /// The instant of [`Host::poll_timeout`] has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant) {
        todo!()
    }

    // ---- C. what the application wants ----

    /// Listens at `local`; an unspecified address means any of ours, of that family. Port zero takes a free one.
    pub fn listen(&mut self, local: SocketAddr, config: ListenConfig) -> Result<ListenerId, ListenError> {
        todo!()
    }

    /// Takes the longest-waiting connection of a listener.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        todo!()
    }

    /// Stops listening. Half-open connections are forgotten, connections that wait for `accept` are reset.
    pub fn unlisten(&mut self, now: Instant, listener: ListenerId) {
        todo!()
    }

    /// Begins to open a connection: `Event::Connected` or `Event::Closed` follows.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        config: ConnectConfig,
    ) -> Result<ConnectionId, ConnectError> {
        todo!()
    }

    /// The application's hold on a connection; `None` when it has let go.
    pub fn stream(&mut self, id: ConnectionId) -> Option<Stream<'_>> {
        todo!()
    }

    /// Makes a name into an id that costs nothing to attach to connections.
    pub fn intern_owner(&mut self, name: &str) -> OwnerId {
        todo!()
    }

    /// Binds a UDP socket. Port zero takes a free one.
    pub fn udp_bind(&mut self, now: Instant, local: SocketAddr) -> Result<UdpId, UdpError> {
        todo!()
    }

    /// Sends a datagram.
    pub fn udp_send(&mut self, now: Instant, id: UdpId, to: SocketAddr, text: Bytes) -> Result<(), UdpError> {
        todo!()
    }

    /// Takes the longest-waiting datagram.
    pub fn udp_recv(&mut self, id: UdpId) -> Option<Datagram> {
        todo!()
    }

    /// Closes a UDP socket.
    pub fn udp_close(&mut self, id: UdpId) {
        todo!()
    }

    /// Switches [`TraceEvent`]s on or off. Off by default, and then they cost nothing.
    pub fn set_tracing(&mut self, on: bool) {
        todo!()
    }

    // ---- D. what to do now: drain transmit, then events, then sleep until timeout ----

    /// Fills `out` with the next frame to send; false when there is none.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Transmit) -> bool {
        todo!()
    }

    /// The next thing the application should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    /// When to call [`Host::handle_timeout`] if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// The next trace event, while tracing is on.
    pub fn poll_trace(&mut self) -> Option<TraceEvent> {
        todo!()
    }
}

/// The application's hold on one connection.
pub struct Stream<'h> {
    host: &'h mut Host,
    id: ConnectionId,
}

impl Stream<'_> {
    /// Copies received text into `buffer`; zero means the end of text (or an empty buffer).
    pub fn read(&mut self, now: Instant, buffer: &mut [u8]) -> Result<usize, ReadError> {
        todo!()
    }

    /// Takes up to `max` octets of received text without copying; `None` is the end of text.
    pub fn read_chunk(&mut self, now: Instant, max: usize) -> Result<Option<Bytes>, ReadError> {
        todo!()
    }

    /// Copies what fits from the front of `text` into the send buffer; returns how many octets.
    pub fn write(&mut self, now: Instant, text: &[u8]) -> Result<usize, WriteError> {
        todo!()
    }

    /// Takes what fits from the front of `text` without copying; returns how many octets.
    pub fn write_chunk(&mut self, now: Instant, text: &mut Bytes) -> Result<usize, WriteError> {
        todo!()
    }

    /// Closes our half: FIN after what was written. The peer's half stays open for as long as the stream is held.
    pub fn shutdown(&mut self, now: Instant) -> Result<(), WriteError> {
        todo!()
    }

    /// Lets go in order: FIN after what was written; RST when received text was never read. What remains of the
    /// connection is an orphan with a bounded life; `Event::Closed` still tells how it ended.
    pub fn close(self, now: Instant) {
        todo!()
    }

    /// Lets go at once: RST, nothing delivered any more. No event follows.
    pub fn abort(self, now: Instant) {
        todo!()
    }

    /// Whether small segments leave at once (no Nagle algorithm).
    pub fn set_nodelay(&mut self, nodelay: bool) {
        todo!()
    }

    /// Names who holds this connection, for snapshots.
    pub fn set_owner(&mut self, owner: OwnerId) {
        todo!()
    }
}
