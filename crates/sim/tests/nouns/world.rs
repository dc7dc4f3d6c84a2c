//! Two hosts on one link, everything that was on it, and everything the hosts said.

use crate::forge;
use bytes::Bytes;
use linger_proto::wire::ip::{self, PROTOCOL_TCP};
use linger_proto::wire::tcp::{self, Flags, Header, Options};
use linger_proto::{
    CloseReason, ConnectConfig, ConnectError, ConnectionId, Counters, DropReason, Event, FourTuple, Host,
    HostConfig, Instant, ListenConfig, ListenerId, ReadError, SeqNum, State, TcpConfig, TcpInfo,
};
use linger_sim::check::{DropsCounted, Quiescent};
use linger_sim::{HostId, Link, Observation, Packet, Report, Seed, Sim, StateChange, Verdict};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// One way over the link, unless a test wants otherwise.
pub(crate) const DELAY: Duration = Duration::from_millis(5);
/// Both ways.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(10);
/// Longer than any of the timers that run in connections.
pub(crate) const FOREVER: Duration = Duration::from_secs(4 * 3600);
/// The server's port.
pub(crate) const PORT: u16 = 80;

/// The client's host, by place.
pub(crate) const CLIENT: usize = 0;
/// The server's host, by place.
pub(crate) const SERVER: usize = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Plays a scene over IPv4 and over IPv6.
pub(crate) fn in_both(scene: impl Fn(Family)) {
    scene(Family::V4);
    scene(Family::V6);
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Text that differs from place to place.
pub(crate) fn text(len: usize) -> Bytes {
    (0..len).map(|place| u8::try_from((place * 31 + place / 251) % 251).unwrap_or(0)).collect()
}

/// A segment that a host sent.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    /// [`CLIENT`] or [`SERVER`].
    pub(crate) from: usize,
    pub(crate) header: Header,
    pub(crate) text: Bytes,
    /// The whole packet.
    pub(crate) packet: Bytes,
    /// No copy of it arrived.
    pub(crate) lost: bool,
}

impl Seen {
    /// Reads a packet; `None` when it is not TCP or only a fragment.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let packet = ip::parse(bytes).ok()?;
        if packet.protocol != PROTOCOL_TCP || packet.fragment.is_some() {
            return None;
        }
        let segment = bytes.get(packet.payload)?;
        let header = tcp::parse(segment).ok()?;
        let text = Bytes::copy_from_slice(segment.get(header.len..)?);
        let packet = Bytes::copy_from_slice(bytes);
        Some(Self { at: Instant::ZERO, from: 0, header, text, packet, lost: false })
    }

    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.header.flags.has(flags)
    }

    /// Nothing but an acknowledgment.
    pub(crate) fn is_bare_ack(&self) -> bool {
        self.header.flags == Flags::ACK && self.text.is_empty()
    }
}

/// A fault that sees TCP segments only. The closure is told whether the client sent it.
pub(crate) fn on_segments(
    mut decide: impl FnMut(Instant, usize, &Seen) -> Verdict + 'static,
) -> impl FnMut(Instant, &Packet<'_>) -> Verdict + 'static {
    move |now, packet| match Seen::read(packet.bytes) {
        Some(seen) => decide(now, packet.from.index(), &seen),
        None => Verdict::Pass,
    }
}

/// Loses the first `count` segments that `which` picks.
pub(crate) fn lose_first(
    count: usize,
    which: impl Fn(usize, &Seen) -> bool + 'static,
) -> impl FnMut(Instant, &Packet<'_>) -> Verdict + 'static {
    let mut left = count;
    on_segments(move |_, from, seen| {
        if left > 0 && which(from, seen) {
            left -= 1;
            return Verdict::Drop;
        }
        Verdict::Pass
    })
}

/// How two hosts and their link are to be.
pub(crate) struct Setup {
    pub(crate) family: Family,
    pub(crate) seed: u64,
    pub(crate) hosts: [HostConfig; 2],
    pub(crate) mtus: [u16; 2],
    pub(crate) link: Link,
    /// Keep every segment. Off where there are very many.
    pub(crate) record: bool,
}

impl Setup {
    pub(crate) fn new(family: Family) -> Self {
        let hosts = [HostConfig::default(), HostConfig::default()];
        Self { family, seed: 1, hosts, mtus: [1500, 1500], link: Link::new().delay(DELAY), record: true }
    }

    /// Changes the TCP settings of one host.
    pub(crate) fn tcp(mut self, host: usize, change: impl FnOnce(&mut TcpConfig)) -> Self {
        change(&mut self.hosts[host].tcp);
        self
    }

    /// Adds a fault to the link.
    pub(crate) fn fault(mut self, fault: impl FnMut(Instant, &Packet<'_>) -> Verdict + 'static) -> Self {
        self.link = self.link.fault(fault);
        self
    }

    pub(crate) fn build(self) -> World {
        let mut sim = Sim::new(Seed(self.seed));
        let [first, second] = self.hosts;
        let client = sim.host_with_mtu("client", first, self.mtus[CLIENT]);
        let server = sim.host_with_mtu("server", second, self.mtus[SERVER]);
        sim.link(client, server, self.link);
        sim.check(Quiescent);
        let drops = DropsCounted::new();
        sim.observe(drops.clone());
        sim.check(drops);
        let (wire, others, states) = (Rc::default(), Rc::default(), Rc::default());
        if self.record {
            record(&mut sim, &wire, &others, &states);
        }
        let events: [Rc<RefCell<Vec<Event>>>; 2] = Default::default();
        for (host, said) in [client, server].into_iter().zip(&events) {
            let said = Rc::clone(said);
            sim.app(host, move |_: Instant, _: &mut Host, event: Event| said.borrow_mut().push(event));
        }
        World { sim, family: self.family, ids: [client, server], wire, others, states, events }
    }
}

fn record(
    sim: &mut Sim,
    wire: &Rc<RefCell<Vec<Seen>>>,
    others: &Rc<RefCell<Vec<(usize, Bytes)>>>,
    states: &Rc<RefCell<Vec<StateChange>>>,
) {
    let (wire, others, states) = (Rc::clone(wire), Rc::clone(others), Rc::clone(states));
    sim.observe(move |what: &Observation<'_>| match what {
        Observation::Sent(sent) => {
            let (at, from, lost) = (sent.at, sent.from.index(), sent.fate.is_err());
            match Seen::read(sent.bytes) {
                Some(seen) => wire.borrow_mut().push(Seen { at, from, lost, ..seen }),
                None => others.borrow_mut().push((from, Bytes::copy_from_slice(sent.bytes))),
            }
        }
        Observation::State(change) => states.borrow_mut().push(*change),
        _ => {}
    });
}

/// What could be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Got {
    pub(crate) text: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// More may come.
    Open,
    /// The peer has closed its half.
    Eof,
    /// The connection broke.
    Broken(CloseReason),
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) family: Family,
    pub(crate) ids: [HostId; 2],
    wire: Rc<RefCell<Vec<Seen>>>,
    others: Rc<RefCell<Vec<(usize, Bytes)>>>,
    states: Rc<RefCell<Vec<StateChange>>>,
    events: [Rc<RefCell<Vec<Event>>>; 2],
}

impl World {
    pub(crate) fn new(family: Family) -> Self {
        Setup::new(family).build()
    }

    // ---- time ----

    pub(crate) fn run(&mut self, time: Duration) {
        self.sim.run_for(time).expect("every invariant holds");
    }

    /// Until nothing is left to happen: every connection, every TIME-WAIT and every timer is gone.
    pub(crate) fn finish(&mut self) -> Report {
        let deadline = self.sim.now().since(Instant::ZERO) + FOREVER;
        self.sim.run_until_idle(deadline).expect("nothing is left over")
    }

    pub(crate) fn now(&self) -> Instant {
        self.sim.now()
    }

    // ---- addresses ----

    pub(crate) fn address(&self, host: usize) -> IpAddr {
        match self.family {
            Family::V4 => self.sim.ipv4(self.ids[host]),
            Family::V6 => self.sim.ipv6(self.ids[host]),
        }
    }

    /// An address on the same prefix that nobody has: what is sent there is seen on the wire and arrives nowhere.
    pub(crate) fn nobody(&self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 0, 9, 9).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 9, 9).into(),
        }
    }

    pub(crate) fn server(&self) -> SocketAddr {
        SocketAddr::new(self.address(SERVER), PORT)
    }

    // ---- what applications do ----

    pub(crate) fn with<R>(&mut self, host: usize, call: impl FnOnce(Instant, &mut Host) -> R) -> R {
        self.sim.with(self.ids[host], call)
    }

    pub(crate) fn listen(&mut self, config: ListenConfig) -> ListenerId {
        let at = self.server();
        self.with(SERVER, |_, host| host.listen(at, config)).expect("the port is free")
    }

    pub(crate) fn try_connect(&mut self, config: ConnectConfig) -> Result<ConnectionId, ConnectError> {
        let to = self.server();
        self.with(CLIENT, |now, host| host.connect(now, to, config))
    }

    pub(crate) fn connect(&mut self) -> ConnectionId {
        self.try_connect(ConnectConfig::default()).expect("a free port")
    }

    pub(crate) fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        self.with(SERVER, |_, host| host.accept(listener))
    }

    /// A whole connection: the client's end and the server's.
    pub(crate) fn established(&mut self) -> (ConnectionId, ConnectionId) {
        let listener = self.listen(ListenConfig::default());
        self.established_with(listener)
    }

    pub(crate) fn established_with(&mut self, listener: ListenerId) -> (ConnectionId, ConnectionId) {
        let client = self.connect();
        self.run(2 * ROUND_TRIP);
        let server = self.accept(listener).expect("the handshake is done");
        (client, server)
    }

    /// Writes what fits; how much that was.
    pub(crate) fn write(&mut self, host: usize, id: ConnectionId, text: &[u8]) -> usize {
        self.with(host, |now, host| host.stream(id).expect("held").write(now, text)).expect("it can write")
    }

    /// Everything that can be read now.
    pub(crate) fn read(&mut self, host: usize, id: ConnectionId) -> Got {
        self.with(host, |now, host| {
            let mut text = Vec::new();
            let mut stream = host.stream(id).expect("held");
            loop {
                match stream.read_chunk(now, usize::MAX) {
                    Ok(Some(chunk)) => text.extend_from_slice(&chunk),
                    Ok(None) => return Got { text, end: End::Eof },
                    Err(ReadError::Ended(reason)) => return Got { text, end: End::Broken(reason) },
                    Err(_) => return Got { text, end: End::Open },
                }
            }
        })
    }

    pub(crate) fn shutdown(&mut self, host: usize, id: ConnectionId) {
        self.with(host, |now, host| host.stream(id).expect("held").shutdown(now)).expect("it can close");
    }

    pub(crate) fn close(&mut self, host: usize, id: ConnectionId) {
        self.with(host, |now, host| host.stream(id).expect("held").close(now));
    }

    pub(crate) fn abort(&mut self, host: usize, id: ConnectionId) {
        self.with(host, |now, host| host.stream(id).expect("held").abort(now));
    }

    /// Lets go of every connection of the server, those that wait for `accept` too.
    pub(crate) fn let_go_of_everything(&mut self) {
        self.with(SERVER, |now, host| {
            let held: Vec<ConnectionId> =
                host.snapshot(now).connections.iter().filter_map(|c| c.id).collect();
            for id in held {
                if let Some(stream) = host.stream(id) {
                    stream.close(now);
                }
            }
        });
    }

    // ---- what is so ----

    pub(crate) fn tuple(&mut self, client: ConnectionId) -> FourTuple {
        self.with(CLIENT, |_, host| host.tuple(client)).expect("it is known")
    }

    pub(crate) fn state(&mut self, host: usize, tuple: FourTuple) -> State {
        let seen_from_there = if host == CLIENT { tuple } else { tuple.reversed() };
        self.with(host, |_, host| host.state_of(&seen_from_there))
    }

    pub(crate) fn states(&mut self, tuple: FourTuple) -> (State, State) {
        (self.state(CLIENT, tuple), self.state(SERVER, tuple))
    }

    pub(crate) fn info(&mut self, host: usize, id: ConnectionId) -> TcpInfo {
        self.with(host, |_, host| host.info(id)).expect("it is known")
    }

    pub(crate) fn ended(&mut self, host: usize, id: ConnectionId) -> Option<CloseReason> {
        self.with(host, |_, host| host.ended(id))
    }

    pub(crate) fn counters(&mut self, host: usize) -> Counters {
        self.with(host, |_, host| host.counters().clone())
    }

    pub(crate) fn drops(&mut self, host: usize, reason: DropReason) -> u64 {
        self.counters(host).drops.get(reason)
    }

    /// How many times a host said that.
    pub(crate) fn said(&self, host: usize, event: Event) -> usize {
        self.events[host].borrow().iter().filter(|said| **said == event).count()
    }

    /// How the host said that this connection ended.
    pub(crate) fn said_closed(&self, host: usize, id: ConnectionId) -> Option<CloseReason> {
        self.events[host].borrow().iter().find_map(|said| match said {
            Event::Closed(closed, reason) if *closed == id => Some(*reason),
            _ => None,
        })
    }

    /// The states that a host's connections went through, each with when.
    pub(crate) fn path(&self, host: usize) -> Vec<(Instant, State)> {
        let states = self.states.borrow();
        states.iter().filter(|change| change.host == self.ids[host]).map(|c| (c.at, c.after)).collect()
    }

    // ---- the wire ----

    /// Every segment so far.
    pub(crate) fn wire(&self) -> Vec<Seen> {
        self.wire.borrow().clone()
    }

    /// The segments of one host that `which` picks.
    pub(crate) fn sent(&self, host: usize, which: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let wire = self.wire.borrow();
        wire.iter().filter(|seen| seen.from == host && which(seen)).cloned().collect()
    }

    /// The packets of one host that are not TCP, and fragments.
    pub(crate) fn others(&self, host: usize) -> Vec<Bytes> {
        let others = self.others.borrow();
        others.iter().filter(|(from, _)| *from == host).map(|(_, packet)| packet.clone()).collect()
    }

    /// Forgets what was on the wire so far.
    pub(crate) fn forget_wire(&mut self) {
        self.wire.borrow_mut().clear();
    }

    /// Hands a segment to a host as if it came from the other end of `tuple` (the client's view), and lets the host
    /// answer. It is there at once.
    pub(crate) fn inject(&mut self, to: usize, tuple: FourTuple, header: &Header, text: &[u8]) {
        let (from, at) = if to == CLIENT { (tuple.remote, tuple.local) } else { (tuple.local, tuple.remote) };
        self.inject_packet(to, forge::segment(from, at, header, text));
    }

    pub(crate) fn inject_packet(&mut self, to: usize, packet: Bytes) {
        let id = self.ids[to];
        self.sim.inject(id, packet);
        self.run(Duration::ZERO);
    }
}

/// A peer played by the test: it has connected to the server from an address that nobody has, without timestamps.
pub(crate) struct Scripted {
    pub(crate) tuple: FourTuple,
    pub(crate) id: ConnectionId,
    /// Where its next text goes.
    pub(crate) seq: SeqNum,
    /// Where the server's first text goes.
    pub(crate) ack: SeqNum,
}

impl Scripted {
    /// An acknowledgment of so many octets of the server's text, with that window.
    pub(crate) fn ack(&self, octets: u32, wnd: u16) -> Header {
        Header { wnd, ..forge::header(Flags::ACK, self.seq, self.ack + octets) }
    }
}

impl World {
    /// Opens a connection by hand, with this window and these options in the SYN.
    pub(crate) fn scripted(&mut self, wnd: u16, options: Options) -> Scripted {
        let listener = self.listen(ListenConfig::default());
        let tuple = FourTuple { local: SocketAddr::new(self.nobody(), 9000), remote: self.server() };
        let iss = SeqNum(1_000_000);
        let syn = Header { wnd, options, ..forge::header(Flags::SYN, iss, SeqNum(0)) };
        self.inject(SERVER, tuple, &syn, b"");
        let answer = self.sent(SERVER, |seen| seen.has(Flags::SYN)).pop().expect("a SYN-ACK").header;
        let (seq, ack) = (iss + 1, answer.seq + 1);
        self.inject(SERVER, tuple, &Header { wnd, ..forge::header(Flags::ACK, seq, ack) }, b"");
        let id = self.accept(listener).expect("the handshake is done");
        self.forget_wire();
        Scripted { tuple, id, seq, ack }
    }

    /// A segment of the peer played by the test arrives.
    pub(crate) fn play(&mut self, peer: &Scripted, header: &Header, text: &[u8]) {
        self.inject(SERVER, peer.tuple, header, text);
    }
}
