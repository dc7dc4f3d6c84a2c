//! A host in its seat: driven directly by applications, or under an async stack.

use crate::app::App;
use linger_proto::{Host, Instant, InterfaceId};
use std::net::IpAddr;

/// A host of a run.
pub(crate) struct Node {
    name: String,
    pub(crate) interface: InterfaceId,
    pub(crate) addresses: [IpAddr; 2],
    seat: Seat,
    apps: Vec<Box<dyn App>>,
    /// How many of `apps` have begun.
    started: usize,
    /// Events handed to tasks.
    #[cfg(feature = "tokio")]
    told: u64,
}

/// Who holds the host.
enum Seat {
    /// The simulator; applications are called with it.
    Direct(Box<Host>),
    /// An async stack, which the simulator pumps.
    #[cfg(feature = "tokio")]
    Embedded { net: linger::Net, stack: linger::embed::Embedded },
    /// Nobody: on its way from one seat to the other.
    #[cfg(feature = "tokio")]
    Empty,
}

impl Node {
    pub(crate) fn new(name: &str, host: Host, interface: InterfaceId, addresses: [IpAddr; 2]) -> Self {
        let seat = Seat::Direct(Box::new(host));
        Self {
            name: name.to_owned(),
            interface,
            addresses,
            seat,
            apps: Vec::new(),
            started: 0,
            #[cfg(feature = "tokio")]
            told: 0,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }

    pub(crate) fn add_app(&mut self, app: Box<dyn App>) {
        assert!(matches!(self.seat, Seat::Direct(_)), "host {} has tasks and takes no App", self.name);
        self.apps.push(app);
    }

    /// Puts the host under an async stack, if it is not yet, and returns a handle of that.
    #[cfg(feature = "tokio")]
    pub(crate) fn embed(
        &mut self,
        clock: std::sync::Arc<std::sync::atomic::AtomicU64>,
        on_dirty: std::task::Waker,
    ) -> linger::Net {
        assert!(self.apps.is_empty(), "host {} has an App and takes no tasks", self.name);
        self.seat = match std::mem::replace(&mut self.seat, Seat::Empty) {
            Seat::Direct(host) => {
                let clock = linger::Clock::Manual(clock);
                let (net, stack) = linger::embed::Embedded::new(*host, clock, on_dirty);
                Seat::Embedded { net, stack }
            }
            seated => seated,
        };
        match &self.seat {
            Seat::Embedded { net, .. } => net.clone(),
            _ => unreachable!("it was seated above"),
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn is_embedded(&self) -> bool {
        matches!(self.seat, Seat::Embedded { .. })
    }

    /// Starts the applications that have not been; whether there were any.
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        let mut new = std::mem::take(&mut self.apps);
        for app in &mut new[self.started..] {
            self.with(|host| app.on_start(now, host));
        }
        let any = self.started < new.len();
        self.started = new.len();
        self.apps = new;
        any
    }

    pub(crate) fn with<R>(&mut self, call: impl FnOnce(&mut Host) -> R) -> R {
        match &mut self.seat {
            Seat::Direct(host) => call(host),
            #[cfg(feature = "tokio")]
            Seat::Embedded { stack, .. } => stack.with_host(|host, _| call(host)),
            #[cfg(feature = "tokio")]
            Seat::Empty => unreachable!("a host is always seated between calls"),
        }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        match &self.seat {
            Seat::Direct(host) => host.poll_timeout(),
            #[cfg(feature = "tokio")]
            Seat::Embedded { stack, .. } => stack.with_host(|host, _| host.poll_timeout()),
            #[cfg(feature = "tokio")]
            Seat::Empty => None,
        }
    }

    /// Hands the next event to the applications; false when there is none.
    pub(crate) fn tell_app(&mut self, now: Instant) -> bool {
        let Some(event) = self.with(Host::poll_event) else { return false };
        match &mut self.seat {
            Seat::Direct(host) => self.apps.iter_mut().for_each(|app| app.on_event(now, host, event)),
            #[cfg(feature = "tokio")]
            Seat::Embedded { stack, .. } => {
                self.told += 1;
                stack.handle_event(event);
            }
            #[cfg(feature = "tokio")]
            Seat::Empty => {}
        }
        true
    }

    /// Calls `call` with every host.
    pub(crate) fn with_all<R>(nodes: &[Self], call: impl FnOnce(&[&Host]) -> R) -> R {
        let mut call = Some(call);
        let mut result = None;
        gather(nodes, &mut Vec::with_capacity(nodes.len()), &mut |hosts| {
            result = call.take().map(|call| call(hosts));
        });
        match result {
            Some(result) => result,
            None => unreachable!("gather calls back exactly once"),
        }
    }
}

/// Holds the locks of all hosts at once, one call inside the other.
fn gather(nodes: &[Node], held: &mut Vec<&Host>, call: &mut dyn FnMut(&[&Host])) {
    let Some((first, rest)) = nodes.split_first() else { return call(held) };
    let mut with = |host: &Host| {
        let mut held = held.clone();
        held.push(host);
        gather(rest, &mut held, call);
    };
    match &first.seat {
        Seat::Direct(host) => with(host),
        #[cfg(feature = "tokio")]
        Seat::Embedded { stack, .. } => stack.with_host(|host, _| with(host)),
        #[cfg(feature = "tokio")]
        Seat::Empty => unreachable!("a host is always seated between calls"),
    }
}
