//! [`Net`]: the handle through which an application uses a stack.

use crate::builder::NetBuilder;
use crate::listener::TcpListener;
use crate::shards::Shards;
use crate::shared::Handle;
use crate::shutdown::{self, ShutdownReport};
use crate::stream::TcpStream;
use crate::udp::UdpSocket;
use linger_proto::{ConnectConfig, Counters, ImportError, ListenConfig, ShardMap, Snapshot};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A TCP/IP stack of this process. Clones are handles of the same stack.
///
/// When the last handle, stream, listener and socket is gone, the driver finishes what was written, waits out the
/// TIME-WAITs and ends by itself.
#[derive(Clone, Debug)]
pub struct Net {
    pub(crate) shards: Arc<Shards>,
    /// The shard that connects go to; in turn where none is named.
    at: Option<usize>,
}

impl Net {
    pub(crate) fn new(handles: Vec<Handle>, map: Option<Arc<ShardMap>>) -> Self {
        Self { shards: Arc::new(Shards::new(handles, map)), at: None }
    }

    /// Describes a stack: its devices, addresses and settings.
    #[must_use]
    pub fn builder() -> NetBuilder {
        NetBuilder::default()
    }

    /// How many shards the stack has: one, unless [`NetBuilder::queues`] gave it devices with several queues.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.all().len()
    }

    /// A handle of the same stack whose connects and UDP sockets go to one shard, counted from zero (what is past the
    /// last begins again): for programs whose tasks run beside that shard's driver, see [`NetBuilder::spawn_on`]. By
    /// default they go to one shard after another. What names a port of its own goes to the shard of that port all the
    /// same, and everything else concerns all shards.
    #[must_use]
    pub fn on_shard(&self, shard: usize) -> Self {
        Self { shards: Arc::clone(&self.shards), at: Some(shard) }
    }

    /// Where something goes that any shard can do.
    fn some_shard(&self) -> &Handle {
        self.at.map_or_else(|| self.shards.next(), |at| self.shards.at(at))
    }

    /// Opens a connection and waits until it is established.
    ///
    /// # Errors
    /// See [`Net::connect_with`].
    pub async fn connect(&self, remote: impl Into<SocketAddr>) -> io::Result<TcpStream> {
        self.connect_with(remote.into(), ConnectConfig::default()).await
    }

    /// Opens a connection with settings or a source address of its own. A dropped future abandons the attempt.
    ///
    /// # Errors
    /// `ConnectionRefused` when the peer answers RST, `TimedOut` when it does not answer, `HostUnreachable` when ICMP
    /// says so, `NetworkUnreachable` without a route, `AddrInUse` when the pair of addresses and ports is in use or in
    /// TIME-WAIT, `AddrNotAvailable` when no port is free or the source is not ours, `QuotaExceeded` past the bound
    /// on connections, `NotConnected` when the stack has ended. The typed error is inside.
    pub async fn connect_with(&self, remote: SocketAddr, config: ConnectConfig) -> io::Result<TcpStream> {
        let named = config.local.and_then(|local| self.shards.of_connect(local, remote));
        let handle = named.unwrap_or_else(|| self.some_shard());
        TcpStream::open(handle, remote, config).await
    }

    /// Listens at `local`; an unspecified address means every address of this host of that family, port zero a
    /// free port. A listener takes the connections of all shards.
    ///
    /// # Errors
    /// See [`Net::listen_with`].
    pub async fn listen(&self, local: impl Into<SocketAddr>) -> io::Result<TcpListener> {
        self.listen_with(local.into(), ListenConfig::default()).await
    }

    /// Listens with a backlog or settings of its own. The backlog is that of each shard. With
    /// [`ListenConfig::hold`] peers come out of [`TcpListener::incoming`] before they are answered; with
    /// [`ListenConfig::any_port`] and the unspecified address, on an interface with `any_address`, it takes every
    /// connection to anywhere.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable` when the address is not ours, `QuotaExceeded` for a ninth MSL on one host,
    /// `InvalidInput` for `any_port` with a port, `NotConnected` when the stack has ended.
    pub async fn listen_with(&self, local: SocketAddr, config: ListenConfig) -> io::Result<TcpListener> {
        TcpListener::bind(self.shards.all(), local, &config)
    }

    /// Binds a UDP socket; port zero takes a free one.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable` when the address is not ours or no port is free, `NotConnected` when the
    /// stack has ended.
    pub async fn udp_bind(&self, local: impl Into<SocketAddr>) -> io::Result<UdpSocket> {
        let local = local.into();
        let handle = self.shards.of_port(local.port()).unwrap_or_else(|| self.some_shard());
        UdpSocket::bind(handle, local)
    }

    /// Everything the stack holds now: listeners, connections with their states and owners, TIME-WAITs, UDP sockets.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        // One shard after another, so that none waits for another: of different shards this shows different moments.
        let mut all = Snapshot::default();
        for handle in self.shards.all() {
            let mut core = handle.lock();
            let now = core.now();
            let own = core.host.snapshot(now);
            drop(core);
            all.merge(own);
        }
        all
    }

    /// What the stack has counted since it was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut all = Counters::default();
        self.shards.all().iter().for_each(|handle| all.merge(handle.lock().host.counters()));
        all
    }

    /// The same for one shard, counted from zero: how evenly does the device spread connections?
    #[must_use]
    pub fn counters_of(&self, shard: usize) -> Counters {
        self.shards.at(shard).lock().host.counters().clone()
    }

    /// Every TIME-WAIT of the stack as octets, for [`Net::import_time_wait`] of the one that takes its place: a stack
    /// ends with its program and forgets them otherwise. Take it after [`Net::shutdown`], which adds to them, has
    /// returned. Keep the octets from strangers: they name peers, ports and sequence numbers.
    #[must_use]
    pub fn export_time_wait(&self) -> Vec<u8> {
        let export = |handle: &Handle| {
            let mut core = handle.lock();
            let now = core.now();
            core.host.export_time_wait(now)
        };
        self.shards.all().iter().flat_map(export).collect()
    }

    /// Takes the TIME-WAITs over that another stack of the same addresses and interfaces exported; says how many. Do so
    /// before its driver first runs: right after [`NetBuilder::build`](crate::NetBuilder::build). All of them go to the
    /// first shard, wherever they were, which may hold its part of `time_wait_max`.
    ///
    /// # Errors
    /// See [`ImportError`]; nothing was taken over then.
    pub fn import_time_wait(&self, octets: &[u8]) -> Result<usize, ImportError> {
        let [first, others @ ..] = self.shards.all() else { return Err(ImportError::NotFresh) };
        let used = |handle: &Handle| {
            let mut core = handle.lock();
            let now = core.now();
            let snapshot = core.host.snapshot(now);
            !(snapshot.connections.is_empty() && snapshot.time_wait.is_empty())
        };
        if others.iter().any(used) {
            return Err(ImportError::NotFresh);
        }
        let mut core = first.lock();
        let now = core.now();
        let imported = core.host.import_time_wait(now, octets)?;
        // The driver, if it waits already, has another timeout to wait for.
        core.output_due();
        Ok(imported)
    }

    /// Frames that a device refused to take. They are lost, as on a wire.
    #[must_use]
    pub fn send_errors(&self) -> u64 {
        self.shards.all().iter().map(|handle| handle.send_errors()).sum()
    }

    /// Ends the stack in order: stops listening, closes every connection (FIN after what was written), waits until
    /// all of them have ended or `deadline` has passed, resets the rest, and ends the driver.
    ///
    /// From its first moment on every accept, read, write and connect fails, those that wait included; `close` keeps
    /// its promise. An application that wants to finish its work does so before. A dropped future does not undo it:
    /// what is open then is reset.
    pub async fn shutdown(self, deadline: Duration) -> ShutdownReport {
        shutdown::shutdown(self.shards.all(), deadline).await
    }

    /// For tests: nothing is left.
    ///
    /// # Panics
    /// When the stack holds a connection, a half-open one, a TIME-WAIT, a listener or a UDP socket, naming each.
    pub fn assert_quiescent(&self) {
        let left = describe(&self.snapshot());
        assert!(left.is_empty(), "the stack is not quiescent:\n{left}");
    }
}

/// One line for each thing in a snapshot.
fn describe(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for listener in &snapshot.listeners {
        let (half, whole) = (listener.half_open, listener.accept_queue);
        let _ = writeln!(text, "  listener {}: {half} half-open, {whole} not accepted", listener.local);
    }
    for connection in &snapshot.connections {
        let (tuple, state) = (connection.tuple, connection.state);
        let holder = if connection.held { connection.owner.as_deref().unwrap_or("held") } else { "orphan" };
        let _ = writeln!(
            text,
            "  {} -> {} {state} for {:?} ({holder})",
            tuple.local, tuple.remote, connection.in_state
        );
    }
    for wait in &snapshot.time_wait {
        let (tuple, rest) = (wait.tuple, wait.remaining);
        let _ = writeln!(text, "  {} -> {} TIME-WAIT, {rest:?} to go", tuple.local, tuple.remote);
    }
    for local in &snapshot.udp {
        let _ = writeln!(text, "  UDP socket {local}");
    }
    text
}
