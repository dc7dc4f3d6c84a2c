//! [`NetBuilder`]: from devices, addresses and settings to a running stack.

use crate::clock::Clock;
use crate::driver::{Driver, Neighbours, Observer, Port};
use crate::net::Net;
use crate::shared::{Core, Handle, Pump, Shared};
use linger_device::Device;
use linger_proto::{Host, HostConfig, InterfaceConfig, Secret, ShardMap, TraceEvent};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle as Runtime;

/// Frames that may wait for another shard, unless the builder says otherwise.
const HAND_OVER_QUEUE: usize = 1024;

/// Describes a stack. Made by [`Net::builder`].
pub struct NetBuilder {
    config: HostConfig,
    interfaces: Vec<Interface>,
    secret: Option<Secret>,
    observer: Option<Observer>,
    clock: Option<Clock>,
    hand_over_queue: usize,
}

struct Interface {
    /// One for each shard.
    queues: Vec<Box<dyn Device>>,
    config: InterfaceConfig,
}

impl Default for NetBuilder {
    fn default() -> Self {
        Self {
            config: HostConfig::default(),
            interfaces: Vec::new(),
            secret: None,
            observer: None,
            clock: None,
            hand_over_queue: HAND_OVER_QUEUE,
        }
    }
}

impl fmt::Debug for NetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl NetBuilder {
    /// The settings of the host. Default: production values. Its limits are those of the whole stack: with several
    /// shards each gets an equal part of every one.
    #[must_use]
    pub fn config(mut self, config: HostConfig) -> Self {
        self.config = config;
        self
    }

    /// Adds an interface: a device and our addresses there. MTU and offload are the device's own; what `config` says
    /// of them is overwritten.
    #[must_use]
    pub fn interface(self, device: impl Device, config: InterfaceConfig) -> Self {
        self.queues([device], config)
    }

    /// Adds an interface whose device has several queues, such as `TunBuilder::open_queues` opens, and with it as many
    /// *shards*: each has a queue, a host, a lock and a driver of its own, so that as many cores work at once.
    ///
    /// To the application it is one stack: one listener takes the connections of all shards, [`Net::snapshot`] and
    /// [`Net::counters`] show them together. A connection lives on the shard where its SYN arrived or its connect was
    /// called, and frames of it that arrive elsewhere are handed over (`Counters::handed_over`): the device may spread
    /// frames over its queues as it likes. It is fastest when it keeps a connection on one queue, and best when the
    /// tasks that serve a connection run beside the driver of its shard: [`NetBuilder::spawn_on`].
    ///
    /// All interfaces of a stack must have the same number of queues. Default: one.
    #[must_use]
    pub fn queues<D: Device>(mut self, queues: impl IntoIterator<Item = D>, config: InterfaceConfig) -> Self {
        let queues = queues.into_iter().map(|queue| Box::new(queue) as Box<dyn Device>).collect();
        self.interfaces.push(Interface { queues, config });
        self
    }

    /// The short form of [`NetBuilder::interface`]: one address, with the length of its prefix in bits, and everything
    /// else reachable through there too.
    #[must_use]
    pub fn address(self, device: impl Device, ours: impl Into<IpAddr>, prefix: u8) -> Self {
        self.interface(
            device,
            InterfaceConfig { addresses: vec![(ours.into(), prefix)], ..InterfaceConfig::default() },
        )
    }

    /// Frames that may wait to be taken over by another shard, at least one; more are dropped and counted as
    /// `DropReason::HandOverFull`. Default 1024. Without meaning for a stack with one shard.
    #[must_use]
    pub fn hand_over_queue(mut self, frames: usize) -> Self {
        self.hand_over_queue = frames;
        self
    }

    /// The secret that initial sequence numbers, ports and hash keys derive from. Default: drawn from the operating
    /// system. Equal secrets make equal runs, and are for tests.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Calls `observer` for every frame and every change of state, in order, in the driver's task. Without one (and
    /// without a capturing device) tracing costs nothing. The drivers of several shards take turns with it.
    #[must_use]
    pub fn observer(mut self, observer: impl FnMut(&TraceEvent) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The clock. Default: tokio's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes a stack with one shard. The [`Driver`] must be polled for anything to move: spawn it, or use
    /// [`NetBuilder::spawn`].
    ///
    /// # Errors
    /// `InvalidInput` when a device has several queues (see [`NetBuilder::build_shards`]), and when the operating system
    /// has no entropy to give.
    pub fn build(self) -> io::Result<(Net, Driver)> {
        let (net, mut drivers) = self.build_shards()?;
        match drivers.pop() {
            Some(driver) if drivers.is_empty() => Ok((net, driver)),
            _ => Err(invalid("a stack with several shards has several drivers: use build_shards")),
        }
    }

    /// Makes a stack with as many shards as its devices have queues. The drivers must be polled for anything to move,
    /// each in a task of its own: the first serves shard zero.
    ///
    /// # Errors
    /// `InvalidInput` when interfaces have different numbers of queues, or the queues of one differ in what they can;
    /// and when the operating system has no entropy to give.
    pub fn build_shards(mut self) -> io::Result<(Net, Vec<Driver>)> {
        let shards = self.interfaces.first().map_or(1, |interface| interface.queues.len());
        self.check(shards)?;
        let secret = match self.secret.take() {
            Some(secret) => secret,
            None => draw_secret()?,
        };
        let count = u16::try_from(shards).map_err(|_| invalid("too many queues"))?;
        let map = (shards > 1).then(|| ShardMap::new(count, self.config.ephemeral_ports.clone()));
        let clock = self.clock.take().unwrap_or_else(Clock::tokio);
        let mut neighbours =
            Neighbours::all(if shards > 1 { shards } else { 0 }, self.hand_over_queue).into_iter();
        let mut observers = observers(self.observer.take(), shards).into_iter();
        let config = part_of(&self.config, count);
        let (mut all, mut drivers) = (Vec::new(), Vec::new());
        for index in 0..count {
            let mut host = Host::new(config.clone(), secret.clone());
            if let Some(map) = &map {
                host.join(Arc::clone(map), index);
            }
            let ports = self.ports(&mut host);
            let observer = observers.next();
            host.set_tracing(observer.is_some() || ports.iter().any(Port::wants_trace));
            let shared = Shared::new(Core::new(host, clock.clone(), Pump::NotYet), usize::from(index));
            all.push(Arc::clone(&shared));
            drivers.push(Driver::new(
                shared,
                ports,
                neighbours.next().map(Box::new),
                observer,
                clock.clone(),
            ));
        }
        if shards > 1 {
            Shared::join(&all);
        }
        Ok((Net::new(all.into_iter().map(Handle::new).collect(), map), drivers))
    }

    /// Makes the stack and spawns its drivers on the present tokio runtime, which must have its timer enabled. The
    /// tasks end by themselves after [`Net::shutdown`], or when every handle is gone and nothing is left to do.
    ///
    /// # Errors
    /// Outside a tokio runtime, and as [`NetBuilder::build_shards`].
    pub fn spawn(self) -> io::Result<Net> {
        let runtime = Runtime::try_current().map_err(io::Error::other)?;
        self.spawn_on(&[runtime])
    }

    /// Makes the stack and spawns the driver of each shard on a runtime of its own: that of shard zero on the first and
    /// so on, beginning again after the last. For one thread for each shard, give current-thread runtimes that other
    /// threads run, and spawn there what serves the shard: the parts of
    /// [`TcpListener::into_shards`](crate::TcpListener::into_shards), and tasks that connect through
    /// [`Net::on_shard`].
    ///
    /// # Errors
    /// `InvalidInput` without a runtime, and as [`NetBuilder::build_shards`].
    pub fn spawn_on(self, runtimes: &[Runtime]) -> io::Result<Net> {
        let Some(first) = runtimes.first() else { return Err(invalid("no runtime to spawn on")) };
        let (net, drivers) = {
            let _clock = first.enter();
            self.build_shards()?
        };
        for (driver, runtime) in drivers.into_iter().zip(runtimes.iter().cycle()) {
            // What the driver returns is also in the error of every later call.
            drop(runtime.spawn(driver));
        }
        Ok(net)
    }

    fn check(&self, shards: usize) -> io::Result<()> {
        for Interface { queues, .. } in &self.interfaces {
            if queues.len() != shards || queues.is_empty() {
                return Err(invalid(
                    "every interface of a stack needs the same number of queues, at least one",
                ));
            }
            let able = queues[0].capabilities();
            if queues.iter().any(|queue| queue.capabilities() != able) {
                return Err(invalid("the queues of one interface differ in what they can"));
            }
        }
        Ok(())
    }

    /// The next queue of each interface.
    fn ports(&mut self, host: &mut Host) -> Vec<Port> {
        let mut ports = Vec::new();
        for Interface { queues, config } in &mut self.interfaces {
            let device = queues.remove(0);
            let able = device.capabilities();
            let config = InterfaceConfig {
                mtu: able.mtu,
                checksum_offload: able.checksum_offload,
                segmentation_offload: able.segmentation_offload,
                ..config.clone()
            };
            ports.push(Port::new(device, host.add_interface(config)));
        }
        ports
    }
}

/// One observer for each shard.
fn observers(observer: Option<Observer>, shards: usize) -> Vec<Observer> {
    match observer {
        None => Vec::new(),
        Some(only) if shards == 1 => vec![only],
        Some(shared) => {
            let shared = Arc::new(Mutex::new(shared));
            let one = |_| {
                let shared = Arc::clone(&shared);
                Box::new(move |event: &TraceEvent| {
                    (shared.lock().unwrap_or_else(PoisonError::into_inner))(event);
                }) as Observer
            };
            (0..shards).map(one).collect()
        }
    }
}

/// The settings of one of so many shards: limits that are for all of them together, divided.
fn part_of(config: &HostConfig, shards: u16) -> HostConfig {
    let part = |limit: u32| limit.div_ceil(u32::from(shards));
    HostConfig {
        connections_max: part(config.connections_max),
        half_open_max: part(config.half_open_max),
        half_open_per_source_max: part(config.half_open_per_source_max),
        time_wait_max: part(config.time_wait_max),
        orphans_max: part(config.orphans_max),
        reassembly_max: part(config.reassembly_max),
        recv_total_max: config.recv_total_max.div_ceil(u64::from(shards)),
        ..config.clone()
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn draw_secret() -> io::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Secret::from_bytes(bytes))
}
