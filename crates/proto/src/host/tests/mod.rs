//! Two hosts on a wire under a virtual clock: the tests of the state machine that need no simulator.
//!
//! - `mod`: the [`Pair`]
//! - `shards`: several hosts that are one
//! - `solo`: one host whose peer is played by the test
//! - `anywhere`: listeners at any address and port
//! - `cookies`: SYNs beyond the bounds; `hold`: SYNs that wait for a decision
//! - `calls`: OPEN, SEND, RECEIVE, CLOSE, ABORT, STATUS in every state
//! - `carry`: TIME-WAIT across a restart, quiet time; `aborted`: TIME-WAIT after an abort
//! - `closing`: FIN in each direction, half-close, orphans
//! - `headers`: options, checksums and addresses, octet by octet
//! - `leaving`: the straight way out against the general one
//! - `lifecycle`: opening, closing, resetting, TIME-WAIT
//! - `opening`: LISTEN, SYN-SENT, SYN-RECEIVED; `echoes`: TSecr in them; `numbers`: ISN, ports, timestamps
//! - `random`: random schedules, weather and injections
//! - `resets`: RST and SYN in every state
//! - `steps`: the steps of `tcp/arrives` at their edges
//! - `timers`: keep-alive, orphans, wheel entries, extreme settings
//! - `trouble`: soft errors, R1, urgent text
//! - `waiting`: TIME-WAIT and the covered record
//! - `windows`: closed, tiny, shrinking and scaled windows
//! - `acks`: delayed and duplicate ACKs, SACK blocks, timestamps
//! - `plain`: the short way in against the long one; `predicted`: the straight one against the steps
//! - `loss`: RTO, fast retransmit, congestion, Nagle, offload; `paths`: what ICMP says

mod aborted;
mod acks;
mod anywhere;
mod calls;
mod carry;
mod closing;
mod cookies;
mod echoes;
mod headers;
mod hold;
mod leaving;
mod lifecycle;
mod loss;
mod numbers;
mod opening;
mod paths;
mod plain;
mod predicted;
mod random;
mod resets;
mod shards;
mod solo;
mod steps;
mod timers;
mod trouble;
mod waiting;
mod windows;

use crate::wire::ip::{self, IpRepr, PROTOCOL_TCP};
use crate::wire::tcp::{self, Flags, Header};
use crate::{
    ConnectConfig, ConnectionId, Event, FourTuple, Frame, Host, HostConfig, Instant, InterfaceConfig,
    InterfaceId, ListenConfig, ListenerId, Secret, SeqNum, State, Transmit,
};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// One way through the wire.
pub(super) const DELAY: Duration = Duration::from_millis(5);

/// Counts the turns of a loop that only the code under test ends, and panics when there are more than any test needs.
#[derive(Default)]
pub(super) struct Turns(u32);

impl Turns {
    #[track_caller]
    pub(super) fn count(&mut self) {
        self.0 += 1;
        assert!(self.0 <= 10_000, "a loop without end");
    }
}

/// A segment on the wire, for assertions.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) from: usize,
    pub(super) at: Instant,
    pub(super) header: Header,
    pub(super) text: Vec<u8>,
}

impl Seen {
    pub(super) fn has(&self, flags: Flags) -> bool {
        self.header.flags.has(flags)
    }
}

/// What the wire does with a segment of host `from`.
pub(super) type Fault = fn(from: usize, index: usize, seen: &Seen) -> bool;

/// Two hosts and a wire between them.
pub(super) struct Pair {
    pub(super) hosts: [Host; 2],
    pub(super) now: Instant,
    wire: VecDeque<(Instant, usize, Bytes)>,
    pub(super) seen: Vec<Seen>,
    /// Every packet that left either host.
    pub(super) packets: Vec<Bytes>,
    pub(super) events: [Vec<Event>; 2],
    /// True loses the segment.
    pub(super) lose: Option<Fault>,
}

pub(super) fn address(host: usize, ipv6: bool) -> IpAddr {
    match (host, ipv6) {
        (0, false) => "10.0.0.1".parse().unwrap(),
        (_, false) => "10.0.0.2".parse().unwrap(),
        (0, true) => "fd00::1".parse().unwrap(),
        (_, true) => "fd00::2".parse().unwrap(),
    }
}

impl Pair {
    pub(super) fn new() -> Self {
        Self::with([HostConfig::default(), HostConfig::default()])
    }

    pub(super) fn with(configs: [HostConfig; 2]) -> Self {
        let mut index = 0;
        let hosts = configs.map(|config| {
            let mut host = Host::new(config, Secret::from_bytes([u8::try_from(index).unwrap() + 1; 32]));
            host.add_interface(InterfaceConfig {
                addresses: vec![(address(index, false), 24), (address(index, true), 64)],
                ..InterfaceConfig::default()
            });
            index += 1;
            host
        });
        Self {
            hosts,
            now: Instant::from_millis(1_000),
            wire: VecDeque::new(),
            seen: Vec::new(),
            packets: Vec::new(),
            events: [Vec::new(), Vec::new()],
            lose: None,
        }
    }

    /// Everything that leaves goes onto the wire, everything to know into `events`.
    fn drain(&mut self) {
        let mut out = Transmit::default();
        for from in 0..2 {
            let mut turns = Turns::default();
            while self.hosts[from].poll_transmit(self.now, &mut out) {
                turns.count();
                let bytes = out.to_bytes();
                self.packets.push(bytes.clone());
                let packet = ip::parse(&bytes).unwrap();
                let mut lost = false;
                if packet.protocol == PROTOCOL_TCP {
                    let segment = &bytes[packet.payload.clone()];
                    let header = tcp::parse(segment).unwrap();
                    let seen = Seen { from, at: self.now, text: segment[header.len..].to_vec(), header };
                    lost = self.lose.is_some_and(|lose| lose(from, self.seen.len(), &seen));
                    self.seen.push(seen);
                }
                if !lost {
                    self.wire.push_back((self.now + DELAY, 1 - from, bytes));
                }
            }
            while let Some(event) = self.hosts[from].poll_event() {
                turns.count();
                self.events[from].push(event);
            }
        }
    }

    /// Runs until nothing is left to happen before `until`.
    pub(super) fn run_until(&mut self, until: Instant) {
        let mut still = Turns::default();
        for _ in 0..1_000_000 {
            self.drain();
            let arrival = self.wire.front().map(|(at, ..)| *at);
            let timeouts = [0, 1].map(|host| self.hosts[host].poll_timeout());
            let next = timeouts.into_iter().chain([arrival]).flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = self.now.max(until);
                return;
            };
            if next > self.now {
                still = Turns::default();
            }
            still.count();
            self.now = self.now.max(next);
            for host in 0..2 {
                if self.hosts[host].poll_timeout().is_some_and(|at| at <= self.now) {
                    self.hosts[host].handle_timeout(self.now);
                }
            }
            while self.wire.front().is_some_and(|(at, ..)| *at <= self.now) {
                let (_, to, bytes) = self.wire.pop_front().unwrap();
                self.deliver(to, bytes);
            }
        }
        panic!("a loop without end at {:?}", self.now);
    }

    pub(super) fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Long enough for everything but timers of seconds.
    pub(super) fn run(&mut self) {
        self.run_for(Duration::from_millis(190));
    }

    pub(super) fn deliver(&mut self, to: usize, bytes: Bytes) {
        self.hosts[to].handle_frames(self.now, InterfaceId(0), &mut [Frame::from(bytes)].into_iter());
    }

    /// A segment made by hand arrives at host 1, as if from host 0's side of `tuple` (host 0's view).
    pub(super) fn inject(&mut self, tuple: &FourTuple, header: &Header, text: &[u8]) {
        let bytes = forge(tuple, header, text);
        self.deliver(1, bytes);
    }

    pub(super) fn listen(&mut self, config: ListenConfig) -> ListenerId {
        self.hosts[1].listen("0.0.0.0:80".parse().unwrap(), config).unwrap()
    }

    pub(super) fn connect(&mut self, config: ConnectConfig) -> ConnectionId {
        let remote = SocketAddr::new(address(1, false), 80);
        self.hosts[0].connect(self.now, remote, config).unwrap()
    }

    /// A whole connection: host 0's end and host 1's.
    pub(super) fn established(&mut self) -> (ConnectionId, ConnectionId) {
        let listener = self.listen(ListenConfig::default());
        let client = self.connect(ConnectConfig::default());
        self.run();
        let server = self.hosts[1].accept(listener).unwrap();
        (client, server)
    }

    pub(super) fn tuple(&self, client: ConnectionId) -> FourTuple {
        self.hosts[0].tuple(client).unwrap()
    }

    /// Both ends' states of `tuple`, which is host 0's view.
    pub(super) fn states(&self, tuple: &FourTuple) -> (State, State) {
        (self.hosts[0].state_of(tuple), self.hosts[1].state_of(&tuple.reversed()))
    }

    pub(super) fn write(&mut self, host: usize, id: ConnectionId, text: &[u8]) -> usize {
        let now = self.now;
        self.hosts[host].stream(id).unwrap().write(now, text).unwrap()
    }

    pub(super) fn shutdown(&mut self, host: usize, id: ConnectionId) {
        let now = self.now;
        self.hosts[host].stream(id).unwrap().shutdown(now).unwrap();
    }

    pub(super) fn close(&mut self, host: usize, id: ConnectionId) {
        let now = self.now;
        self.hosts[host].stream(id).unwrap().close(now);
    }

    /// All text that can be read now, and whether its end was reached.
    pub(super) fn read(&mut self, host: usize, id: ConnectionId) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        let now = self.now;
        let mut stream = self.hosts[host].stream(id).unwrap();
        let mut turns = Turns::default();
        loop {
            turns.count();
            match stream.read_chunk(now, usize::MAX) {
                Ok(Some(chunk)) => all.extend_from_slice(&chunk),
                Ok(None) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    }

    pub(super) fn saw(&self, from: usize, flags: Flags) -> usize {
        self.seen.iter().filter(|seen| seen.from == from && seen.has(flags)).count()
    }

    /// Nothing is left of any connection at either host.
    pub(super) fn assert_nothing_left(&self) {
        for host in &self.hosts {
            let snapshot = host.snapshot(self.now);
            assert!(snapshot.connections.is_empty(), "{:?}", snapshot.connections);
            assert!(snapshot.time_wait.is_empty(), "{:?}", snapshot.time_wait);
            assert_eq!((host.recv_total, host.orphans), (0, 0));
        }
    }
}

/// A TCP packet from the local to the remote end of `tuple`, with good checksums.
pub(super) fn forge(tuple: &FourTuple, header: &Header, text: &[u8]) -> Bytes {
    let mut out: crate::HeaderBytes = crate::HeaderBytes::new();
    let (source, destination) = (tuple.local.ip(), tuple.remote.ip());
    let transport = tcp::HEADER_LEN + header.options.wire_len();
    ip::emit_header(
        &IpRepr {
            source,
            destination,
            protocol: PROTOCOL_TCP,
            payload_len: transport + text.len(),
            hop_limit: 64,
            ecn: 0,
            identification: 0,
            dont_fragment: true,
        },
        &mut out,
    );
    let start = out.len();
    let header = Header { source: tuple.local.port(), destination: tuple.remote.port(), ..header.clone() };
    tcp::emit(&header, 0, &mut out);
    let mut bytes = out.to_vec();
    bytes.extend_from_slice(text);
    let length = u32::try_from(transport + text.len()).unwrap();
    let mut sum = crate::wire::checksum::Sum::pseudo_header(source, destination, PROTOCOL_TCP, length);
    sum.add(&bytes[start..]);
    bytes[start + 16..start + 18].copy_from_slice(&sum.finish().to_be_bytes());
    bytes.into()
}
