//! A stack on a TUN link: impaired, captured and watched as asked for, driven by a task, ended in order.

use crate::args::{Capture, ImpairmentArgs};
use crate::error::{Error, Result, plain};
use crate::link::Link;
use linger::{Net, NetBuilder, ShutdownReport};
use linger_device::pcap::TeeStatus;
use linger_device::{Device, Impaired, Impairment, Tee, Tun};
use linger_proto::{HostConfig, InterfaceConfig, TraceEvent};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Threads that read and write files, so that a slow disk does not stop the network.
const BLOCKING_THREADS: usize = 16;
/// They leave soon after the last request, so that an idle server is one sleeping thread and wakes for nothing.
const BLOCKING_STAY: Duration = Duration::from_millis(500);

/// The interface name in captures.
const CAPTURE_NAME: &str = "linger";

/// Told what happens inside the stack.
pub(crate) type Observer = Box<dyn FnMut(&TraceEvent) + Send>;

/// The runtime of a command: one thread for the network and everything on it.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_STAY)
        .build()
        .map_err(|error| Error::failed(format!("cannot start the runtime: {}", plain(&error))))
}

/// What a stack is made of.
#[derive(Default)]
pub(crate) struct Options {
    /// Settings of the host.
    pub(crate) host: HostConfig,
    /// How to make the link worse.
    pub(crate) impairment: ImpairmentArgs,
    /// Where to write a capture.
    pub(crate) capture: Option<Capture>,
    /// Who is told what happens.
    pub(crate) observer: Option<Observer>,
}

/// A running stack.
pub(crate) struct Stack {
    /// The handle for everything.
    pub(crate) net: Net,
    /// How the driver ended; empty while it runs.
    ended: watch::Receiver<Option<String>>,
    capture: Option<TeeStatus>,
    name: String,
}

impl Stack {
    /// Starts a stack on `tun`, with the addresses of `link`. Says on stderr which seed is in use.
    pub(crate) fn start(link: &Link, tun: Tun, options: Options) -> Result<Self> {
        let addresses = link.ours().iter().map(|prefix| (prefix.address, prefix.length)).collect();
        let config = InterfaceConfig { addresses, ..InterfaceConfig::default() };
        let cannot = |error| Error::failed(format!("cannot start the stack: {}", plain(&error)));
        let mut builder = Net::builder().config(options.host);
        if let Some(observer) = options.observer {
            builder = builder.observer(observer);
        }
        let (builder, capture) = if options.impairment.is_any() {
            let seed = options.impairment.seed.unwrap_or_else(fresh_seed);
            eprintln!("linger: impairments of seed {seed} (repeat them with --seed {seed})");
            let each_way = impairment(&options.impairment);
            let impaired = Impaired::new(tun, seed, each_way.clone(), each_way);
            attach(builder, impaired, config, options.capture)
        } else {
            attach(builder, tun, config, options.capture)
        }
        .map_err(|error| Error::failed(format!("cannot write the capture: {}", plain(&error))))?;
        let (net, driver) = builder.build().map_err(cannot)?;
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let outcome = driver.await;
            // Nobody listens once the stack was ended in order.
            let _ = tell.send(Some(match outcome {
                Ok(()) => "it has ended".to_owned(),
                Err(error) => plain(&error),
            }));
        });
        Ok(Self { net, ended, capture, name: link.name().to_owned() })
    }

    /// Waits until the stack ends by itself, which it does only when its device fails; says so.
    pub(crate) async fn died(&self) -> Error {
        let mut ended = self.ended.clone();
        let why = match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "its driver is gone".to_owned(),
        };
        Error::failed(format!("the link {} failed: {why}", self.name))
    }

    /// Closes every connection in order, waiting at most `patience`, and completes the capture.
    pub(crate) async fn end(mut self, patience: Duration) -> ShutdownReport {
        let report = self.net.shutdown(patience).await;
        // The device goes with the driver, and with it the last of the capture is written.
        let _ = self.ended.wait_for(Option::is_some).await;
        if let Some(error) = self.capture.and_then(|status| status.take_error()) {
            eprintln!("linger: the capture is incomplete: {}", plain(&error));
        }
        report
    }
}

/// Puts a device under the stack, with a capture around it where one is wanted.
fn attach(
    builder: NetBuilder,
    device: impl Device,
    config: InterfaceConfig,
    capture: Option<Capture>,
) -> std::io::Result<(NetBuilder, Option<TeeStatus>)> {
    let Some(capture) = capture else { return Ok((builder.interface(device, config), None)) };
    // The host's clock begins now, give or take what `build` needs.
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let tee = Tee::new(device, capture.begin()?, CAPTURE_NAME, epoch)?;
    let status = tee.status();
    Ok((builder.interface(tee, config), Some(status)))
}

fn impairment(args: &ImpairmentArgs) -> Impairment {
    Impairment {
        delay: args.delay.unwrap_or_default(),
        loss: args.loss.unwrap_or_default(),
        duplicate: args.duplicate.unwrap_or_default(),
        reorder: args.reorder.unwrap_or_default(),
        rate_bps: args.rate,
        ..Impairment::default()
    }
}

/// A seed that is short enough to type again.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The keys of a RandomState come from the operating system.
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}
