//! A host in its seat: driven directly by applications, or under an async stack.

use crate::app::App;
use linger_proto::{Host, Instant, InterfaceId};
use std::net::IpAddr;

pub(crate) struct Node {
    name: String,
    pub(crate) interface: InterfaceId,
    pub(crate) addresses: [IpAddr; 2],
    seat: Seat,
    apps: Vec<Box<dyn App>>,
    started: usize,
}

/// Who holds the host.
pub(crate) enum Seat {
    /// The simulator; applications are called with it.
    Direct(Box<Host>),
}

impl Node {
    pub(crate) fn new(name: &str, host: Host, interface: InterfaceId, addresses: [IpAddr; 2]) -> Self {
        let seat = Seat::Direct(Box::new(host));
        Self { name: name.to_owned(), interface, addresses, seat, apps: Vec::new(), started: 0 }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn add_app(&mut self, app: Box<dyn App>) {
        self.apps.push(app);
    }

    /// Starts the applications that have not been; whether there were any.
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        let Seat::Direct(host) = &mut self.seat;
        let new = &mut self.apps[self.started..];
        for app in new.iter_mut() {
            app.on_start(now, host);
        }
        let any = !new.is_empty();
        self.started = self.apps.len();
        any
    }

    pub(crate) fn with<R>(&mut self, call: impl FnOnce(&mut Host) -> R) -> R {
        let Seat::Direct(host) = &mut self.seat;
        call(host)
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        let Seat::Direct(host) = &self.seat;
        host.poll_timeout()
    }

    /// Hands the next event to the applications; false when there is none.
    pub(crate) fn tell_app(&mut self, now: Instant) -> bool {
        let Seat::Direct(host) = &mut self.seat;
        let Some(event) = host.poll_event() else { return false };
        for app in &mut self.apps {
            app.on_event(now, host, event);
        }
        true
    }

    /// Calls `call` with every host.
    pub(crate) fn with_all<R>(nodes: &mut [Self], call: impl FnOnce(&[&Host]) -> R) -> R {
        let hosts: Vec<&Host> = nodes
            .iter()
            .map(|node| {
                let Seat::Direct(host) = &node.seat;
                &**host
            })
            .collect();
        call(&hosts)
    }
}
