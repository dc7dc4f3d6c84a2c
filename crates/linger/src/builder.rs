//! [`NetBuilder`]: from devices, addresses and settings to a running stack.

use crate::clock::Clock;
use crate::driver::{Driver, Observer, Port};
use crate::net::Net;
use crate::shared::{Core, Handle, Pump, Shared};
use linger_device::Device;
use linger_proto::{Host, HostConfig, InterfaceConfig, Secret, TraceEvent};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// Describes a stack. Made by [`Net::builder`].
#[derive(Default)]
pub struct NetBuilder {
    config: HostConfig,
    interfaces: Vec<(Box<dyn Device>, InterfaceConfig)>,
    secret: Option<Secret>,
    observer: Option<Observer>,
    clock: Option<Clock>,
}

impl fmt::Debug for NetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl NetBuilder {
    /// The settings of the host. Default: production values.
    #[must_use]
    pub fn config(mut self, config: HostConfig) -> Self {
        self.config = config;
        self
    }

    /// Adds an interface: a device and our addresses there. MTU and offload are the device's own; what `config` says
    /// of them is overwritten.
    #[must_use]
    pub fn interface(mut self, device: impl Device, config: InterfaceConfig) -> Self {
        let able = device.capabilities();
        let config = InterfaceConfig {
            mtu: able.mtu,
            checksum_offload: able.checksum_offload,
            segmentation_offload: able.segmentation_offload,
            ..config
        };
        self.interfaces.push((Box::new(device), config));
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

    /// The secret that initial sequence numbers, ports and hash keys derive from. Default: drawn from the operating
    /// system. Equal secrets make equal runs, and are for tests.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Calls `observer` for every frame and every change of state, in order, in the driver's task. Without one (and
    /// without a capturing device) tracing costs nothing.
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

    /// Makes the stack. The [`Driver`] must be polled for anything to move: spawn it, or use [`NetBuilder::spawn`].
    ///
    /// # Errors
    /// When the operating system has no entropy to give.
    pub fn build(self) -> io::Result<(Net, Driver)> {
        let secret = match self.secret {
            Some(secret) => secret,
            None => draw_secret()?,
        };
        let mut host = Host::new(self.config, secret);
        let ports: Vec<_> = self
            .interfaces
            .into_iter()
            .map(|(device, config)| Port::new(device, host.add_interface(config)))
            .collect();
        host.set_tracing(self.observer.is_some() || ports.iter().any(Port::wants_trace));
        let shared = Shared::new(Core::new(host, self.clock.unwrap_or_else(Clock::tokio), Pump::NotYet));
        let net = Net::new(Handle::new(Arc::clone(&shared)));
        Ok((net, Driver::new(shared, ports, self.observer)))
    }

    /// Makes the stack and spawns its driver on the present tokio runtime, which must have its timer enabled. The
    /// task ends by itself after [`Net::shutdown`], or when every handle is gone and nothing is left to do.
    ///
    /// # Errors
    /// Outside a tokio runtime, and as [`NetBuilder::build`].
    pub fn spawn(self) -> io::Result<Net> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let (net, driver) = self.build()?;
        // What the driver returns is also in the error of every later call.
        drop(runtime.spawn(driver));
        Ok(net)
    }
}

fn draw_secret() -> io::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Secret::from_bytes(bytes))
}
