//! Several hosts that are one: a frame goes to the host that owns what it is for.
//!
//! Such hosts ("shards") have the same addresses, listeners and secret, and a device queue each. No queue is trusted
//! to deliver the frames of a connection to the host that has it. A frame that finds nothing here becomes a [`Stray`]:
//!
//! - a segment, or an ICMP error about one: for the next host, in a circle, whose directory in the [`ShardMap`] says
//!   that it may own the tuple. Back where it landed, it is answered as by a host alone. With no such host (nearly
//!   every SYN) it does not travel at all: a connection is of the host where its SYN landed.
//! - a datagram, or an error about one: for the host that has the port.
//! - a fragment: for the host that the addresses and the identification name, so that all parts meet. What they make
//!   is then a packet that landed there.
//!
//! Whoever drives the hosts carries strays through bounded queues. Nothing here is on the way of a frame that finds
//! its owner at once.

use super::Host;
use super::input::Seen;
use super::key::Key;
use super::shard_map::ShardMap;
use crate::trace::Direction;
use crate::wire::ip::IpPacket;
use crate::{Checksum, DropReason, FourTuple, Frame, Instant, InterfaceId, State};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::SocketAddr;

/// A frame on its way to another host of the group. Carried from [`Host::poll_stray`] to [`Host::handle_strays`] of
/// the host that [`Stray::to`] names.
#[derive(Clone, Debug)]
pub struct Stray {
    frame: Frame,
    interface: InterfaceId,
    to: u16,
    /// Where a circle of questions ends, with an answer. `None`: it begins at `to`.
    home: Option<u16>,
}

impl Stray {
    /// The position of the host that should handle it.
    pub fn to(&self) -> usize {
        usize::from(self.to)
    }
}

/// What a frame looks for that is not here.
#[derive(Clone, Copy)]
pub(super) enum Sought<'a> {
    /// The owner of a tuple of this hash.
    Tuple(u64),
    /// The owner of a UDP port.
    Port(u16),
    /// The other fragments.
    Whole(&'a IpPacket),
}

/// A host's place among others; empty for a host alone.
#[derive(Default)]
pub(super) struct Membership(Option<Box<Shard>>);

/// A copy of a host stands alone: nobody else may write the directory.
impl Clone for Membership {
    fn clone(&self) -> Self {
        Self(None)
    }
}

struct Shard {
    map: Arc<ShardMap>,
    index: u16,
    /// Where the circle of the stray in hand ends; `None` for a frame that landed here.
    home: Option<u16>,
    strays: VecDeque<Stray>,
}

impl Membership {
    /// A tuple of this hash is owned from now on.
    pub(super) fn enter(&self, hash: u64) {
        if let Some(shard) = &self.0 {
            shard.map.add(shard.index, hash);
        }
    }

    /// A tuple of this hash is owned no more.
    pub(super) fn leave(&self, hash: u64) {
        if let Some(shard) = &self.0 {
            shard.map.subtract(shard.index, hash);
        }
    }

    /// Whether there are other hosts that a frame could be for.
    pub(super) fn has_others(&self) -> bool {
        self.0.is_some()
    }

    /// The position of this host among the others.
    pub(super) fn index(&self) -> u16 {
        self.0.as_ref().map_or(0, |shard| shard.index)
    }
}

impl Shard {
    /// Whom a frame for a tuple of this hash should meet next; `None`: nobody else.
    fn next_to_ask(&self, hash: u64) -> Option<u16> {
        let shards = self.map.shards();
        let home = self.home.unwrap_or(self.index);
        if self.home == Some(self.index) {
            return None; // it has been round
        }
        let mut at = self.index;
        loop {
            at = if at + 1 >= shards { 0 } else { at + 1 };
            if at == home {
                return (home != self.index).then_some(home);
            }
            if self.map.may_own(at, hash) {
                return Some(at);
            }
        }
    }
}

impl Host {
    /// Makes this host the one at position `index` of those that share `map`: with the same secret, the same addresses
    /// and interfaces, and nothing open yet. Its ephemeral ports are from now on those that `map` gives it.
    ///
    /// Frames that are not its own then come out of [`Host::poll_stray`], to be drained after every
    /// [`Host::handle_frames`] and [`Host::handle_strays`]. A clone of the host is alone again.
    pub fn join(&mut self, map: Arc<ShardMap>, index: u16) {
        self.config.ephemeral_ports = map.ports(index);
        self.shard = Membership(Some(Box::new(Shard { map, index, home: None, strays: VecDeque::new() })));
    }

    /// The next frame for another host of the group.
    pub fn poll_stray(&mut self) -> Option<Stray> {
        self.shard.0.as_mut()?.strays.pop_front()
    }

    /// Frames that other hosts of the group hand over. As [`Host::handle_frames`].
    pub fn handle_strays(&mut self, now: Instant, strays: &mut dyn Iterator<Item = Stray>) {
        self.expire_time_wait(now);
        for stray in strays {
            let Some(shard) = &mut self.shard.0 else { return };
            shard.home = stray.home;
            self.counters.taken_over += 1;
            self.handle_one(now, stray.interface, stray.frame, None);
            if let Some(shard) = &mut self.shard.0 {
                shard.home = None;
            }
        }
    }

    /// A stray found no room on its way and was thrown away.
    pub fn stray_lost(&mut self, stray: Stray) {
        drop(stray);
        self.counters.drops.add(DropReason::HandOverFull);
    }

    /// The tuple that a connect from `local`, port and all, to `remote` would have. `None` without a route.
    pub fn tuple_towards(&self, remote: SocketAddr, local: SocketAddr) -> Option<FourTuple> {
        let ip = match local.ip() {
            ip if ip.is_unspecified() => self.interfaces.source_for(remote.ip())?.1,
            ip => ip,
        };
        Some(FourTuple { local: SocketAddr::new(ip, local.port()), remote })
    }

    /// Counts what became of a frame, and tells those who watch.
    pub(super) fn frame_handled(&mut self, now: Instant, seen: &Seen, outcome: Result<(), DropReason>) {
        if let Err(reason) = outcome {
            self.counters.drops.add(reason);
        }
        if self.tracing {
            let tuple = seen.key.map(|key| key.tuple());
            let after = seen.key.map_or(State::Closed, |key| self.shown_after(&key, seen.before));
            self.trace_frame(now, Direction::In, tuple, seen.before, after, outcome.err());
        }
    }

    /// Gives a frame that found nothing here to another host. False: there is none, it is answered here.
    pub(super) fn pass_on(&mut self, interface: InterfaceId, frame: &Frame, sought: Sought<'_>) -> bool {
        let Some(shard) = &self.shard.0 else { return false };
        let (to, home) = match sought {
            Sought::Tuple(hash) => match shard.next_to_ask(hash) {
                Some(to) => (to, Some(shard.home.unwrap_or(shard.index))),
                None => return false,
            },
            Sought::Port(port) => (shard.map.owner_of_port(port), Some(shard.map.owner_of_port(port))),
            Sought::Whole(packet) => {
                let owner = self.demux.fragment_hash(packet) % u64::from(shard.map.shards());
                (u16::try_from(owner).unwrap_or(0), None)
            }
        };
        if to == shard.index {
            return false;
        }
        let mut frame = frame.clone();
        // Only a good checksum came so far as to ask for a port.
        if matches!(sought, Sought::Port(_)) && frame.checksum == Checksum::Unknown {
            frame.checksum = Checksum::Verified;
        }
        self.counters.handed_over += 1;
        if let Some(shard) = &mut self.shard.0 {
            shard.strays.push_back(Stray { frame, interface, to, home });
        }
        true
    }

    /// The same for an ICMP error about a segment of `tuple`, unless the tuple is owned here.
    pub(super) fn error_is_for_another(
        &mut self,
        interface: InterfaceId,
        frame: &Frame,
        tuple: &FourTuple,
    ) -> bool {
        let key = Key::from_tuple(tuple);
        let hash = self.demux.hash(&key);
        self.find_hashed(hash, &key).is_none() && self.pass_on(interface, frame, Sought::Tuple(hash))
    }

    /// Whether another host may own a tuple of this hash: a port that makes it so is better not taken.
    pub(super) fn may_be_elsewhere(&self, hash: u64) -> bool {
        let Some(shard) = &self.shard.0 else { return false };
        (0..shard.map.shards()).any(|other| other != shard.index && shard.map.may_own(other, hash))
    }
}

/// The destination port of a datagram that has one.
pub(super) fn udp_port(packet: &IpPacket, bytes: &[u8]) -> u16 {
    port_at(bytes, packet.payload.start + 2)
}

fn port_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |port| u16::from_be_bytes(*port))
}
