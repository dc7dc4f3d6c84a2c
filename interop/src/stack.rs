//! linger inside the test: a stack on a TUN in a namespace, and the kernel's end of that TUN.

use crate::{KERNEL, LINGER, Namespace, wait};
use linger::{Net, NetBuilder};
use linger_device::{Device, Tun};
use linger_proto::{FourTuple, HostConfig, InterfaceConfig, State};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// The TUN in every namespace here.
pub const INTERFACE: &str = "linger0";
/// Longest time that any one thing may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stack that runs on a thread of its own, so that the test can use the kernel's blocking sockets meanwhile.
#[derive(Debug)]
pub struct Stack {
    net: Net,
    runtime: Runtime,
}

impl Stack {
    /// A stack with [`LINGER`]'s addresses; the kernel has [`KERNEL`]'s.
    #[must_use]
    pub fn new(namespace: &Namespace, config: HostConfig) -> Self {
        Self::with_device(namespace, config, |tun| tun)
    }

    /// The same on whatever `wrap` makes of the TUN.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn with_device<D: Device>(
        namespace: &Namespace,
        config: HostConfig,
        wrap: impl FnOnce(Tun) -> D,
    ) -> Self {
        let build = |tun| Net::builder().config(config).interface(wrap(tun), interface_config());
        Self::start(namespace, 1, open_tun, build, |_| {})
    }

    /// A stack in the place of another one, whose TIME-WAITs it takes over before any packet reaches it.
    ///
    /// # Panics
    ///
    /// When it does not take them, or the kernel refuses.
    #[must_use]
    pub fn after(namespace: &Namespace, config: HostConfig, time_waits: &[u8]) -> Self {
        let build = |tun| Net::builder().config(config).interface(tun, interface_config());
        Self::start(namespace, 1, open_tun, build, |net| {
            let taken = net.import_time_wait(time_waits);
            assert!(taken.is_ok_and(|taken| taken > 0), "{taken:?}");
        })
    }

    /// The same with a shard for each of `queues` queues of the TUN, and a thread for each shard.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    #[must_use]
    pub fn sharded(namespace: &Namespace, config: HostConfig, queues: usize) -> Self {
        let open = move || match Tun::builder().name(INTERFACE).up(false).open_queues(queues) {
            Ok(tuns) => tuns,
            Err(error) => panic!("cannot open a TUN with {queues} queues: {error}"),
        };
        let build = |tuns: Vec<Tun>| Net::builder().config(config).queues(tuns, interface_config());
        Self::start(namespace, queues, open, build, |_| {})
    }

    fn start<T: Send>(
        namespace: &Namespace,
        threads: usize,
        open: impl FnOnce() -> T + Send,
        build: impl FnOnce(T) -> NetBuilder,
        begin: impl FnOnce(&Net),
    ) -> Self {
        let runtime =
            Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("threads start");
        let device = {
            let handle = runtime.handle().clone();
            namespace.enter(move || {
                let _runtime = handle.enter();
                open()
            })
        };
        bring_up(namespace);
        let _runtime = runtime.enter();
        let (net, drivers) = build(device).build_shards().expect("the system has entropy");
        begin(&net);
        for driver in drivers {
            drop(runtime.spawn(driver));
        }
        drop(_runtime);
        Self { net, runtime }
    }

    /// The handle of the stack.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The handle, and the runtime in which the driver runs.
    #[must_use]
    pub fn into_parts(self) -> (Net, Runtime) {
        (self.net, self.runtime)
    }

    /// Waits for `future` on behalf of the test.
    ///
    /// # Panics
    ///
    /// When it takes longer than twenty seconds.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        match self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await }) {
            Ok(output) => output,
            Err(_) => panic!("took longer than {PATIENCE:?}; the stack holds {:#?}", self.net.snapshot()),
        }
    }

    /// Runs `future` beside the test.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime.spawn(future)
    }

    /// Where the connection with `remote` stands, as far as the stack knows it.
    #[must_use]
    pub fn state(&self, remote: SocketAddr) -> State {
        let snapshot = self.net.snapshot();
        let is_it = |tuple: FourTuple| tuple.remote == remote;
        if snapshot.time_wait.iter().any(|wait| is_it(wait.tuple)) {
            return State::TimeWait;
        }
        let found = snapshot.connections.iter().find(|connection| is_it(connection.tuple));
        found.map_or(State::Closed, |connection| connection.state)
    }

    /// Waits until the connection with `remote` is in `state`.
    ///
    /// # Panics
    ///
    /// When it does not get there in time.
    #[track_caller]
    pub fn wait_for_state(&self, remote: SocketAddr, state: State) {
        wait::until(&format!("{state} of {remote}"), Duration::from_secs(10), || self.state(remote) == state);
    }

    /// The end of a test: everything the application held is dropped, and within `limit` nothing is left.
    ///
    /// # Panics
    ///
    /// When something is: the message names it.
    #[track_caller]
    pub fn assert_quiescent_within(self, limit: Duration) {
        let quiet = || {
            let held = self.net.snapshot();
            held.connections.is_empty()
                && held.time_wait.is_empty()
                && held.listeners.is_empty()
                && held.udp.is_empty()
        };
        wait::for_some(limit, || quiet().then_some(()));
        self.net.assert_quiescent();
    }
}

/// The settings of a host whose TIME-WAIT lasts a fifth of a second, for tests that end with nothing left.
#[must_use]
pub fn brief() -> HostConfig {
    let mut config = HostConfig::default();
    config.tcp.msl = Duration::from_millis(100);
    config
}

/// Our addresses, and the kernel as the router to everywhere else.
#[must_use]
pub fn interface_config() -> InterfaceConfig {
    let [v4, v6] = LINGER;
    InterfaceConfig { addresses: vec![(v4, 24), (v6, 64)], ..InterfaceConfig::default() }
}

/// Opens the TUN in the namespace of the calling thread, for the runtime that it has entered.
///
/// # Panics
///
/// When the kernel refuses.
#[must_use]
pub fn open_tun() -> Tun {
    match Tun::builder().name(INTERFACE).up(false).open() {
        Ok(tun) => tun,
        Err(error) => panic!("cannot open a TUN: {error}"),
    }
}

/// Gives the kernel's end its addresses and switches it on.
pub fn bring_up(namespace: &Namespace) {
    // No address that IPv6 makes up, and so no solicitation of routers that are not there.
    namespace.ip(&format!("link set {INTERFACE} addrgenmode none"));
    let [v4, v6] = KERNEL;
    namespace.ip(&format!("address add {v4}/24 dev {INTERFACE}"));
    namespace.ip(&format!("address add {v6}/64 dev {INTERFACE} nodad"));
    namespace.ip(&format!("link set {INTERFACE} up"));
}

/// Both families, as (the kernel's address, ours).
#[must_use]
pub fn families() -> [(IpAddr, IpAddr); 2] {
    let ([kernel4, kernel6], [linger4, linger6]) = (KERNEL, LINGER);
    [(kernel4, linger4), (kernel6, linger6)]
}
