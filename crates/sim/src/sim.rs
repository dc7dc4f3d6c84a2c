//! A run: hosts, links, applications, a clock, and the loop that takes one event after another.

use crate::app::App;
use crate::capture::Capture;
use crate::check::{Checker, Violation};
use crate::digest::{Digest, Mark};
use crate::link::{Link, Loss, Wire};
use crate::node::Node;
use crate::observe::{Arrived, Observation, Observer, PacketId, Sent, StateChange};
use crate::random::{Random, Seed, Stream};
use crate::schedule::Schedule;
use bytes::Bytes;
use linger_proto::{
    Direction, Frame, FrameTrace, Host, HostConfig, Instant, InterfaceConfig, Secret, TraceEvent, Transmit,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A host of a run, in the order they were added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct HostId(pub(crate) u32);

impl HostId {
    /// The position of the host, counted from zero.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A link of a run, in the order they were added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LinkId(pub(crate) u32);

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Events taken: deliveries, timers, calls.
    pub steps: u64,
    /// A hash of every frame sent, lost and delivered with its time in nanoseconds.
    pub trace_digest: u64,
    /// When the last event happened.
    pub ended_at: Instant,
}

/// Why a run did not end well.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("seed {}, step {at}, {now:?}: {why}", seed.0)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: Seed,
    /// After how many events.
    pub at: u64,
    /// The virtual time.
    pub now: Instant,
    /// What was wrong.
    pub why: Why,
}

/// What was wrong with a run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// A checker found its invariant broken.
    #[error("{0}")]
    Violation(Violation),
    /// The deadline came and something was still to happen.
    #[error("not idle at the deadline: {0}")]
    NotIdle(String),
    /// So many events at one instant that time does not go on.
    #[error("time stands still: {0}")]
    Stuck(String),
    /// The capture of a link could not be written.
    #[error("the capture cannot be written: {0}")]
    Capture(String),
    /// A task of an application panicked.
    #[error("an application panicked: {0}")]
    Panicked(String),
}

/// More events than this at one instant are taken for a loop.
const STEPS_AT_ONE_INSTANT_MAX: u64 = 1_000_000;

/// A call that was scheduled with [`Sim::at`].
type Call = Box<dyn FnOnce(Instant, &mut Host)>;

/// What waits in the queue.
enum Due {
    Arrival {
        packet: PacketId,
        copy: usize,
        link: Option<crate::LinkId>,
        from: HostId,
        to: HostId,
        bytes: Bytes,
    },
    Call {
        on: HostId,
        call: Call,
    },
}

/// A run of many hosts under a virtual clock.
///
/// Hosts are called one at a time, in an order that only the seed decides. After each call the host's frames leave
/// first, then its application hears what happened: so an acknowledgment that is due at once does not wait for
/// what the application answers.
pub struct Sim {
    pub(crate) seed: Seed,
    now: Instant,
    last_event: Instant,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    schedule: Schedule<Due>,
    observers: Vec<Box<dyn Observer>>,
    pub(crate) captures: Vec<Capture>,
    pub(crate) capture_error: Option<String>,
    checkers: Vec<Box<dyn Checker>>,
    digest: Digest,
    packets: u64,
    steps: u64,
    steps_now: u64,
    transmit: Transmit,
    #[cfg(feature = "tokio")]
    pub(crate) tasks: crate::tokio_host::Tasks,
}

impl Sim {
    /// An empty run.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            now: Instant::ZERO,
            last_event: Instant::ZERO,
            nodes: Vec::new(),
            wires: Vec::new(),
            schedule: Schedule::new(),
            observers: Vec::new(),
            captures: Vec::new(),
            capture_error: None,
            checkers: Vec::new(),
            digest: Digest::new(),
            packets: 0,
            steps: 0,
            steps_now: 0,
            transmit: Transmit::default(),
            #[cfg(feature = "tokio")]
            tasks: crate::tokio_host::Tasks::default(),
        }
    }

    /// Adds a host with one interface. The first has the addresses 10.0.0.1 and fd00::1, the second 10.0.0.2 and
    /// fd00::2, and so on; its secret comes from the seed. All hosts are on the same prefixes, and whether two of
    /// them can reach each other is up to the links.
    pub fn host(&mut self, name: &str, config: HostConfig) -> HostId {
        self.host_with_mtu(name, config, 1500)
    }

    /// As [`Sim::host`], with an MTU of the host's choice.
    pub fn host_with_mtu(&mut self, name: &str, config: HostConfig, mtu: u16) -> HostId {
        let id = HostId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let secret = Secret::from_bytes(Random::new(self.seed, Stream::Secret(id.0)).secret());
        let mut host = Host::new(config, secret);
        host.set_tracing(true);
        let addresses = addresses(id);
        let prefixed = vec![(addresses[0], 16), (addresses[1], 64)];
        let interface =
            host.add_interface(InterfaceConfig { addresses: prefixed, mtu, ..InterfaceConfig::default() });
        self.nodes.push(Node::new(name, host, interface, addresses));
        id
    }

    /// Joins two hosts.
    pub fn link(&mut self, a: HostId, b: HostId, link: Link) -> LinkId {
        let id = LinkId(u32::try_from(self.wires.len()).unwrap_or(u32::MAX));
        self.wires.push(Wire::new(id, [a, b], link, self.seed));
        id
    }

    /// Puts an application on a host, to be driven directly.
    pub fn app(&mut self, on: HostId, app: impl App) {
        self.nodes[on.index()].add_app(Box::new(app));
    }

    /// Calls `call` on a host at a time counted from the start of the run.
    pub fn at(&mut self, time: Duration, on: HostId, call: impl FnOnce(Instant, &mut Host) + 'static) {
        let at = (Instant::ZERO + time).max(self.now);
        self.schedule.push(at, Due::Call { on, call: Box::new(call) });
    }

    /// Adds an invariant that must hold after every event.
    pub fn check(&mut self, checker: impl Checker) {
        self.checkers.push(Box::new(checker));
    }

    /// Adds somebody who watches.
    pub fn observe(&mut self, observer: impl Observer) {
        self.observers.push(Box::new(observer));
    }

    /// The present virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The two hosts that a link joins.
    pub fn ends(&self, link: LinkId) -> [HostId; 2] {
        self.wires[link.0 as usize].ends
    }

    /// The name of a host.
    pub fn name(&self, host: HostId) -> &str {
        self.nodes[host.index()].name()
    }

    /// The IPv4 address of a host.
    pub fn ipv4(&self, host: HostId) -> IpAddr {
        self.nodes[host.index()].addresses[0]
    }

    /// The IPv6 address of a host.
    pub fn ipv6(&self, host: HostId) -> IpAddr {
        self.nodes[host.index()].addresses[1]
    }

    /// Calls `call` on a host now, and lets the host act on it.
    pub fn with<R>(&mut self, on: HostId, call: impl FnOnce(Instant, &mut Host) -> R) -> R {
        let now = self.now;
        let result = self.nodes[on.index()].with(|host| call(now, host));
        self.settle(on);
        result
    }

    /// Hands a packet to a host as if it had come over a link, after what is on the links already at this instant.
    pub fn inject(&mut self, to: HostId, packet: impl Into<Bytes>) {
        let bytes = packet.into();
        let packet = self.next_packet();
        self.schedule.push(self.now, Due::Arrival { packet, copy: 0, link: None, from: to, to, bytes });
    }

    /// Runs until nothing is left to happen, or until `deadline`, counted from the start of the run.
    ///
    /// Tasks that wait for something that will never come (a listener's `accept`) do not keep a run from being idle.
    ///
    /// # Errors
    /// A broken invariant, and anything still to happen at the deadline.
    pub fn run_until_idle(&mut self, deadline: Duration) -> Result<Report, Failure> {
        let deadline = Instant::ZERO + deadline;
        self.start()?;
        #[cfg(feature = "tokio")]
        self.run_tasks(deadline)?;
        self.run_events(deadline)?;
        self.flush_captures()?;
        if let Some(next) = self.next_at() {
            return Err(self.failure(Why::NotIdle(self.what_is_next(next))));
        }
        self.finish()
    }

    /// Runs until the virtual time `until`, counted from the start of the run, whatever is left to happen then.
    ///
    /// # Errors
    /// A broken invariant.
    pub fn run_until(&mut self, until: Duration) -> Result<(), Failure> {
        let until = Instant::ZERO + until;
        self.start()?;
        #[cfg(feature = "tokio")]
        self.run_tasks(until)?;
        self.run_events(until)?;
        self.set_now(until);
        self.flush_captures()
    }

    /// Runs for `time` from now, whatever is left to happen then.
    ///
    /// # Errors
    /// A broken invariant.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Failure> {
        self.run_until(self.now.since(Instant::ZERO) + time)
    }

    /// What the run has come to so far.
    pub fn report(&self) -> Report {
        Report { steps: self.steps, trace_digest: self.digest.finish(), ended_at: self.last_event }
    }

    /// Lets the applications begin, once.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        for index in 0..self.nodes.len() {
            let now = self.now;
            if self.nodes[index].start(now) {
                self.settle(host_id(index));
            }
        }
        self.check_step()
    }

    fn run_events(&mut self, until: Instant) -> Result<(), Failure> {
        while self.next_at().is_some_and(|at| at <= until) {
            self.step()?;
        }
        Ok(())
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let timers = self.nodes.iter().filter_map(Node::timeout);
        // A timer of the past is due now.
        timers.chain(self.schedule.next_at()).min().map(|at| at.max(self.now))
    }

    /// Takes the next event. Where times are equal: deliveries and calls before timers, lower hosts before higher.
    pub(crate) fn step(&mut self) -> Result<(), Failure> {
        let Some(at) = self.next_at() else { return Ok(()) };
        self.set_now(at);
        self.last_event = at;
        self.steps += 1;
        self.steps_now += 1;
        if self.steps_now > STEPS_AT_ONE_INSTANT_MAX {
            return Err(self.failure(Why::Stuck(self.what_is_next(at))));
        }
        if self.schedule.next_at().is_some_and(|due| due <= at) {
            if let Some((_, due)) = self.schedule.pop() {
                self.take(due);
            }
        } else if let Some(index) = self.nodes.iter().position(|n| n.timeout().is_some_and(|t| t <= at)) {
            self.nodes[index].with(|host| host.handle_timeout(at));
            self.settle(host_id(index));
        }
        self.check_step()
    }

    fn take(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::Call { on, call } => {
                self.nodes[on.index()].with(|host| call(now, host));
                self.settle(on);
            }
            Due::Arrival { packet, copy, link, from, to, bytes } => {
                self.digest.add(Mark::Arrived, now, to.0, &bytes);
                let frame = Frame::from(bytes.clone());
                let interface = self.nodes[to.index()].interface;
                self.nodes[to.index()]
                    .with(|host| host.handle_frames(now, interface, &mut std::iter::once(frame)));
                let trace = self.take_traces(to, Direction::In);
                let arrived = Arrived { at: now, packet, copy, link, from, to, bytes: &bytes, trace };
                self.notify(&Observation::Arrived(arrived));
                self.settle(to);
            }
        }
    }

    /// Lets a host act on what was done to it: its frames leave, then its application hears what happened.
    pub(crate) fn settle(&mut self, on: HostId) {
        loop {
            self.take_traces(on, Direction::In);
            while self.transmit_one(on) {}
            if !self.nodes[on.index()].tell_app(self.now) {
                return;
            }
        }
    }

    fn transmit_one(&mut self, from: HostId) -> bool {
        let now = self.now;
        let transmit = &mut self.transmit;
        if !self.nodes[from.index()].with(|host| host.poll_transmit(now, transmit)) {
            return false;
        }
        let bytes = self.transmit.to_bytes();
        let trace = self.take_traces(from, Direction::Out);
        self.send(from, &bytes, trace);
        true
    }

    fn send(&mut self, from: HostId, bytes: &Bytes, trace: Option<FrameTrace>) {
        let now = self.now;
        let packet = self.next_packet();
        let owner =
            destination(bytes).and_then(|to| self.nodes.iter().position(|n| n.addresses.contains(&to)));
        let to = owner.map_or(from, host_id);
        let wire = self.wires.iter_mut().find(|wire| to != from && wire.joins(from, to));
        let link = wire.as_ref().map(|wire| wire.id);
        let carried = wire.map_or(Err(Loss::NoLink), |wire| wire.carry(now, from, to, bytes));
        self.digest.add(if carried.is_ok() { Mark::Sent } else { Mark::Lost }, now, from.0, bytes);
        let fate = carried.as_ref().map(Vec::len).map_err(|loss| *loss);
        let sent = Sent { at: now, packet, link, from, to, bytes, trace, fate };
        self.notify(&Observation::Sent(sent));
        for (copy, one) in carried.into_iter().flatten().enumerate() {
            self.schedule.push(one.at, Due::Arrival { packet, copy, link, from, to, bytes: one.bytes });
        }
    }

    /// Passes on the state changes that a host tells of, and returns what it says about its latest frame.
    fn take_traces(&mut self, on: HostId, direction: Direction) -> Option<FrameTrace> {
        let mut frame = None;
        while let Some(event) = self.nodes[on.index()].with(Host::poll_trace) {
            match event {
                TraceEvent::Frame(trace) if trace.direction == direction => frame = Some(trace),
                TraceEvent::State { at, tuple, before, after } => {
                    let change = StateChange { at, host: on, tuple, before, after };
                    self.notify(&Observation::State(change));
                }
                _ => {}
            }
        }
        frame
    }

    fn notify(&mut self, what: &Observation<'_>) {
        self.captures.iter_mut().for_each(|capture| capture.observe(what));
        self.observers.iter_mut().for_each(|observer| observer.observe(what));
    }

    fn flush_captures(&mut self) -> Result<(), Failure> {
        let flushed = self.captures.iter_mut().try_for_each(Capture::flush);
        match self.capture_error.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failure(Why::Capture(error))),
        }
    }

    fn check_step(&mut self) -> Result<(), Failure> {
        if self.checkers.is_empty() {
            return Ok(());
        }
        let (now, checkers) = (self.now, &mut self.checkers);
        let verdict = Node::with_all(&self.nodes, |hosts| {
            checkers.iter_mut().try_for_each(|checker| checker.after_step(now, hosts))
        });
        verdict.map_err(|violation| self.failure(Why::Violation(violation)))
    }

    fn finish(&mut self) -> Result<Report, Failure> {
        let (now, checkers) = (self.now, &mut self.checkers);
        let verdict = Node::with_all(&self.nodes, |hosts| {
            checkers.iter_mut().try_for_each(|checker| checker.at_end(now, hosts))
        });
        verdict.map_err(|violation| self.failure(Why::Violation(violation)))?;
        Ok(self.report())
    }

    pub(crate) fn set_now(&mut self, at: Instant) {
        if at > self.now {
            self.now = at;
            self.steps_now = 0;
            #[cfg(feature = "tokio")]
            self.tasks.set_clock(at);
        }
    }

    pub(crate) const fn failure(&self, why: Why) -> Failure {
        Failure { seed: self.seed, at: self.steps, now: self.now, why }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn nodes(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    /// What is due at `at`, in words.
    fn what_is_next(&self, at: Instant) -> String {
        let timers = self.nodes.iter().filter(|node| node.timeout().is_some()).map(Node::name);
        let timers: Vec<&str> = timers.collect();
        format!("next at {at:?}; {} in the queue; timers of [{}]", self.schedule.len(), timers.join(", "))
    }

    const fn next_packet(&mut self) -> PacketId {
        let packet = PacketId(self.packets);
        self.packets += 1;
        packet
    }
}

pub(crate) fn host_id(index: usize) -> HostId {
    HostId(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The addresses of a host by its place.
fn addresses(id: HostId) -> [IpAddr; 2] {
    let [.., high, low] = (id.0 + 1).to_be_bytes();
    let group = u16::from_be_bytes([high, low]);
    [Ipv4Addr::new(10, 0, high, low).into(), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, group).into()]
}

/// Where an IP packet wants to go.
fn destination(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.first()? >> 4 {
        4 => <[u8; 4]>::try_from(bytes.get(16..20)?).ok().map(IpAddr::from),
        6 => <[u8; 16]>::try_from(bytes.get(24..40)?).ok().map(IpAddr::from),
        _ => None,
    }
}
