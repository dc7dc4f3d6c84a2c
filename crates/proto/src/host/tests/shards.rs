//! Several hosts that are one, behind queues that steer as they like.
//!
//! - `shards`: the [`Group`] and its peer
//! - `shards/flows`: connections: none lost, none reset, wherever their frames land
//! - `shards/strays`: fragments, datagrams, errors, bounds; what must not travel

mod flows;
mod strays;

use super::*;
use crate::wire::icmp::IcmpRepr;
use crate::{DropReason, ShardMap, Stray};
use alloc::sync::Arc;

/// Where a frame for the group lands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Steering {
    /// On one shard after another.
    InTurn,
    /// Never on the shard that owns its tuple.
    Wrong,
    /// All on this one.
    All(usize),
}

/// Shards that are one host, a peer, and a wire without delay.
struct Group {
    shards: Vec<Host>,
    map: Arc<ShardMap>,
    peer: Host,
    listeners: Vec<ListenerId>,
    now: Instant,
    steering: Steering,
    turn: usize,
    inboxes: Vec<VecDeque<Stray>>,
    /// Bound of each inbox.
    room: usize,
    /// Frames of the group on their way to the peer, while it is cut off.
    held: Option<Vec<Bytes>>,
}

const PORT: u16 = 80;

fn group_addr() -> SocketAddr {
    SocketAddr::new(address(1, false), PORT)
}

fn peer_addr() -> SocketAddr {
    SocketAddr::new(address(0, false), PORT)
}

fn host(index: usize, secret: u8) -> Host {
    let mut host = Host::new(HostConfig::default(), Secret::from_bytes([secret; 32]));
    host.add_interface(InterfaceConfig {
        addresses: vec![(address(index, false), 24), (address(index, true), 64)],
        ..InterfaceConfig::default()
    });
    host
}

impl Group {
    fn new(shards: u16, steering: Steering) -> Self {
        let map = ShardMap::new(shards, 32768..=60999);
        let mut peer = host(0, 1);
        let mut hosts = Vec::new();
        for index in 0..shards {
            let mut shard = host(1, 2);
            shard.join(Arc::clone(&map), index);
            hosts.push(shard);
        }
        let config = ListenConfig::default().backlog(4096);
        let listeners = hosts.iter_mut().map(|host| host.listen(group_addr(), config.clone()).unwrap());
        let listeners = listeners.collect();
        peer.listen(peer_addr(), config).unwrap();
        Self {
            inboxes: hosts.iter().map(|_| VecDeque::new()).collect(),
            shards: hosts,
            map,
            peer,
            listeners,
            now: Instant::from_millis(1_000),
            steering,
            turn: 0,
            room: usize::MAX,
            held: None,
        }
    }

    /// Which shard owns a tuple of the group, TIME-WAIT and half-open included.
    fn owner(&self, tuple: &FourTuple) -> Option<usize> {
        let owns = |host: &Host| !matches!(host.state_of(tuple), State::Closed | State::Listen);
        self.shards.iter().position(owns)
    }

    fn steer(&mut self, packet: &Bytes) -> usize {
        let count = self.shards.len();
        self.turn += 1;
        match self.steering {
            Steering::All(shard) => shard,
            Steering::InTurn => self.turn % count,
            Steering::Wrong => {
                let owner = tuple_of(packet).and_then(|tuple| self.owner(&tuple));
                owner.map_or(self.turn % count, |owner| (owner + 1 + self.turn % (count - 1)) % count)
            }
        }
    }

    /// A packet for the group arrives where `steering` says, or at `shard`.
    fn arrive(&mut self, packet: Bytes, shard: Option<usize>) {
        let shard = shard.unwrap_or_else(|| self.steer(&packet));
        let frame = Frame::from(packet);
        self.shards[shard].handle_frames(self.now, InterfaceId(0), &mut core::iter::once(frame));
        self.collect(shard);
    }

    /// What `shard` has for others goes into their inboxes, as far as there is room.
    fn collect(&mut self, shard: usize) {
        let mut turns = Turns::default();
        while let Some(stray) = self.shards[shard].poll_stray() {
            turns.count();
            assert_ne!(stray.to(), shard);
            match self.inboxes[stray.to()].len() < self.room {
                true => self.inboxes[stray.to()].push_back(stray),
                false => self.shards[shard].stray_lost(stray),
            }
        }
    }

    /// Everything that is on its way arrives.
    fn exchange(&mut self) {
        let mut out = Transmit::default();
        let mut turns = Turns::default();
        loop {
            let mut any = false;
            turns.count();
            while self.peer.poll_transmit(self.now, &mut out) {
                turns.count();
                any = true;
                self.arrive(out.to_bytes(), None);
            }
            for shard in 0..self.shards.len() {
                let mut inbox = core::mem::take(&mut self.inboxes[shard]);
                any |= !inbox.is_empty();
                self.shards[shard].handle_strays(self.now, &mut inbox.drain(..));
                self.collect(shard);
            }
            any |= self.send_to_peer(&mut out);
            if !any {
                return;
            }
        }
    }

    fn send_to_peer(&mut self, out: &mut Transmit) -> bool {
        let mut any = false;
        let mut turns = Turns::default();
        for shard in &mut self.shards {
            while shard.poll_transmit(self.now, out) {
                turns.count();
                let packet = out.to_bytes();
                match &mut self.held {
                    Some(held) => held.push(packet),
                    None => {
                        any = true;
                        let frame = Frame::from(packet);
                        self.peer.handle_frames(self.now, InterfaceId(0), &mut core::iter::once(frame));
                    }
                }
            }
        }
        any
    }

    /// Time passes, in steps no longer than a delayed ACK.
    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now = end.min(self.now + Duration::from_millis(20));
            for host in self.shards.iter_mut().chain([&mut self.peer]) {
                host.handle_timeout(self.now);
            }
            self.exchange();
        }
    }

    /// A connection from the peer: its id there.
    fn peer_connects(&mut self, local: Option<SocketAddr>) -> ConnectionId {
        let config = ConnectConfig { local, ..ConnectConfig::default() };
        let id = self.peer.connect(self.now, group_addr(), config).unwrap();
        self.exchange();
        id
    }

    /// What the group's counters say together.
    fn counters(&self) -> crate::Counters {
        let mut sum = crate::Counters::default();
        self.shards.iter().for_each(|shard| sum.merge(shard.counters()));
        sum
    }

    fn drops(&self, reason: DropReason) -> u64 {
        self.counters().drops.get(reason)
    }
}

/// The tuple of a TCP packet for the group, as the group sees it.
fn tuple_of(bytes: &Bytes) -> Option<FourTuple> {
    let packet = ip::parse(bytes).ok()?;
    let header =
        tcp::parse(&bytes[packet.payload.clone()]).ok().filter(|_| packet.protocol == PROTOCOL_TCP)?;
    Some(FourTuple {
        local: SocketAddr::new(packet.destination, header.destination),
        remote: SocketAddr::new(packet.source, header.source),
    })
}

/// An ICMP error from a router about `quoted`, a packet of the group's.
fn error_about(error: IcmpRepr, quoted: &Bytes) -> Bytes {
    let group = ip::parse(quoted).unwrap().source;
    let router = if group.is_ipv4() { "10.0.0.77".parse() } else { "fd00::77".parse() }.unwrap();
    let body = &quoted[..quoted.len().min(500)];
    let mut message = error.emit(router, group, body).to_vec();
    message.extend_from_slice(body);
    let protocol = if group.is_ipv4() { ip::PROTOCOL_ICMP } else { ip::PROTOCOL_ICMPV6 };
    packet(router, group, protocol, &message)
}

fn packet(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Bytes {
    let repr = IpRepr {
        source,
        destination,
        protocol,
        payload_len: payload.len(),
        hop_limit: 64,
        ecn: 0,
        identification: 0,
        dont_fragment: false,
    };
    let mut header = crate::HeaderBytes::new();
    ip::emit_header(&repr, &mut header);
    [&header[..], payload].concat().into()
}
