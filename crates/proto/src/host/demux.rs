//! From addresses and ports to the object that owns them: a connection, a half-open one, a TIME-WAIT; else a listener.

use super::Host;
use super::key::Key;
use crate::secret::{Purpose, Secret};
use crate::sip::Sip13;
use crate::table::NIL;
use crate::table::growth::Growth;
use crate::table::index::{Glance, Index};
use crate::table::slab::Slab;
use crate::tcp::connection::{Armed, Connection, Phase};
use crate::tcp::opening::half_open::{self, HalfOpen};
use crate::tcp::time_wait::TimeWaitTable;
use crate::wire::ip::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpPacket};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A reference into one of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Connection(u32),
    HalfOpen(u32),
    TimeWait4(u32),
    TimeWait6(u32),
}

const TAG_SHIFT: u32 = 30;
const INDEX_MASK: u32 = (1 << TAG_SHIFT) - 1;

impl Found {
    #[inline]
    pub(super) fn pack(self) -> u32 {
        let (table, index) = match self {
            Self::Connection(index) => (0, index),
            Self::HalfOpen(index) => (1, index),
            Self::TimeWait4(index) => (2, index),
            Self::TimeWait6(index) => (3, index),
        };
        table << TAG_SHIFT | index & INDEX_MASK
    }

    #[inline]
    pub(super) fn unpack(packed: u32) -> Self {
        let index = packed & INDEX_MASK;
        match packed >> TAG_SHIFT {
            0 => Self::Connection(index),
            1 => Self::HalfOpen(index),
            2 => Self::TimeWait4(index),
            _ => Self::TimeWait6(index),
        }
    }
}

/// The tuple of an object in one of these tables.
fn key_in(
    connections: &Slab<Connection, Armed>,
    half_open: &Slab<HalfOpen, half_open::Armed>,
    time_wait_4: &TimeWaitTable<Ipv4Addr>,
    time_wait_6: &TimeWaitTable<Ipv6Addr>,
    found: Found,
) -> Option<Key> {
    match found {
        Found::Connection(index) => connections.get(index).map(|connection| connection.key),
        Found::HalfOpen(index) => half_open.get(index).map(|half_open| half_open.key),
        Found::TimeWait4(index) => time_wait_4.get(index).map(super::time_wait::key),
        Found::TimeWait6(index) => time_wait_6.get(index).map(super::time_wait::key),
    }
}

/// The index over all three tables: at most one object for a tuple.
#[derive(Clone)]
pub(super) struct Demux {
    hasher: Sip13,
    index: Index,
    /// The connection that the last segment was for, or the newest.
    pub(super) recent: u32,
    /// The hash of its tuple.
    recent_hash: u64,
    /// The last tuple that was hashed for a segment: often another one of it follows, as the ACK follows its SYN.
    arrived: Option<(Key, u64)>,
}

impl Demux {
    pub(super) fn new(secret: &Secret) -> Self {
        Self {
            hasher: secret.table_hasher(Purpose::Demux),
            index: Index::new(),
            recent: NIL,
            recent_hash: 0,
            arrived: None,
        }
    }

    /// The keyed hash of a tuple. Whoever looks up and then changes the index hashes once.
    pub(super) fn hash(&self, key: &Key) -> u64 {
        key.hash(&self.hasher)
    }

    /// The same for a segment that arrives.
    #[inline]
    pub(super) fn hash_arriving(&mut self, key: &Key) -> u64 {
        match self.arrived {
            Some((last, hash)) if last == *key => hash,
            _ => {
                let hash = self.hash(key);
                self.arrived = Some((*key, hash));
                hash
            }
        }
    }

    pub(super) const fn growth(&self) -> Growth {
        self.index.growth()
    }

    /// What probably owns the tuples of these hashes; nothing but the index is looked at.
    pub(super) fn probable<const N: usize>(&self, hashes: &[u64; N]) -> [Option<Found>; N] {
        let unpack = |candidate| (candidate != NIL).then(|| Found::unpack(candidate));
        self.index.candidates(hashes).map(unpack)
    }

    /// Equal for all fragments of one packet.
    pub(super) fn fragment_hash(&self, packet: &IpPacket) -> u64 {
        let identification = packet.fragment.map_or(0, |fragment| fragment.identification);
        let (high, low) = ((identification >> 16) as u16, (identification & 0xffff) as u16);
        self.hash(&Key::new(packet.destination, high, packet.source, low))
    }
}

impl Host {
    /// The tuple of an object in a table.
    fn key_of(&self, found: Found) -> Option<Key> {
        key_in(&self.connections, &self.half_open, &self.time_wait_4, &self.time_wait_6, found)
    }

    /// The connection that the last segment was for, if this one is for it too: most segments follow one of their own
    /// connection, and need no look-up then. Not while somebody watches.
    #[inline]
    pub(super) fn once_more(&self, key: &Key) -> Option<u32> {
        let index = self.demux.recent;
        let connection = self.connections.get(index)?;
        let ours = connection.key == *key && !matches!(connection.phase, Phase::Over(_));
        (ours && !self.tracing).then_some(index)
    }

    /// The connection that probably owns the tuple of this hash: its key has to be looked at.
    #[inline]
    pub(super) fn probable_connection(&self, hash: u64) -> Option<u32> {
        let Glance::Perhaps(packed) = self.demux.index.glance(hash) else { return None };
        if let Found::Connection(index) = Found::unpack(packed) { Some(index) } else { None }
    }

    /// The next segment is probably for this connection, whose tuple has this hash.
    #[inline]
    pub(super) fn expect_more(&mut self, index: u32, hash: u64) {
        (self.demux.recent, self.demux.recent_hash) = (index, hash);
    }

    /// The hash of a connection's tuple. A connection that ends by a segment does so at once, and is not hashed again.
    #[inline]
    pub(super) fn hash_of(&self, index: u32, key: &Key) -> u64 {
        if index != self.demux.recent {
            return self.demux.hash(key);
        }
        debug_assert_eq!(self.demux.recent_hash, self.demux.hash(key));
        self.demux.recent_hash
    }

    /// Whether a packet that nobody has read yet is probably for the connection of the last segment. By its ports alone:
    /// nothing but the order of work may depend on it.
    #[inline]
    pub(super) fn probably_once_more(&self, packet: &[u8]) -> bool {
        let header = match packet.first() {
            Some(0x40..=0x4f) => IPV4_HEADER_LEN,
            _ => IPV6_HEADER_LEN,
        };
        let Some(connection) = self.connections.get(self.demux.recent) else { return false };
        let ports = packet.get(header..).and_then(<[u8]>::first_chunk);
        ports.is_some_and(|ports| u32::from_be_bytes(*ports).rotate_left(16) == connection.key.ports())
    }

    /// Who owns this tuple.
    pub(super) fn find(&self, key: &Key) -> Option<Found> {
        self.find_hashed(self.demux.hash(key), key)
    }

    /// Who owns this tuple, whose hash is known.
    pub(super) fn find_hashed(&self, hash: u64, key: &Key) -> Option<Found> {
        let found = match self.demux.index.glance(hash) {
            Glance::Perhaps(packed) => Found::unpack(packed),
            Glance::Nothing => return None,
            Glance::Elsewhere => return self.find_anywhere(hash, key),
        };
        let owns = match found {
            Found::Connection(index) => {
                self.connections.get(index).is_some_and(|connection| connection.key == *key)
            }
            Found::HalfOpen(index) => {
                self.half_open.get(index).is_some_and(|half_open| half_open.key == *key)
            }
            _ => false,
        };
        if owns { Some(found) } else { self.find_anywhere(hash, key) }
    }

    /// Where a glance at the index does not tell, or it is a TIME-WAIT.
    #[cold]
    #[inline(never)]
    fn find_anywhere(&self, hash: u64, key: &Key) -> Option<Found> {
        let owns = |packed| self.key_of(Found::unpack(packed)) == Some(*key);
        self.demux.index.find(hash, owns).map(Found::unpack)
    }

    /// Makes `found` the owner of its tuple, which nobody owns.
    #[inline]
    pub(super) fn own(&mut self, hash: u64, found: Found) {
        self.shard.enter(hash);
        self.expect_if_connection(hash, found);
        if self.demux.index.put(hash, found.pack()) {
            self.split_index();
        }
    }

    #[cold]
    #[inline(never)]
    fn split_index(&mut self) {
        let Self { demux, connections, half_open, time_wait_4, time_wait_6, .. } = self;
        let Demux { hasher, index, .. } = demux;
        index.split(|packed| {
            let key = key_in(connections, half_open, time_wait_4, time_wait_6, Found::unpack(packed));
            key.map_or(0, |key| key.hash(hasher))
        });
    }

    /// The tuple of `from` belongs to `to` from now on: to other shards it is owned all the while.
    #[inline]
    pub(super) fn hand_over(&mut self, hash: u64, from: Found, to: Found) {
        self.expect_if_connection(hash, to);
        self.demux.index.replace(hash, from.pack(), to.pack());
    }

    /// A new connection is the one to expect segments for. All come by here, so that [`Self::hash_of`] is never that of the
    /// last connection in the same slot.
    #[inline]
    fn expect_if_connection(&mut self, hash: u64, found: Found) {
        if let Found::Connection(index) = found {
            self.expect_more(index, hash);
        }
    }

    /// `found` owns its tuple no more.
    pub(super) fn disown(&mut self, hash: u64, found: Found) {
        let own = found.pack();
        if self.demux.index.remove(hash, |packed| packed == own).is_some() {
            self.shard.leave(hash);
        }
    }

    /// The listener that takes a SYN for this address: one of its port, else one of any port.
    pub(super) fn listener_for(&self, local: IpAddr, port: u16) -> Option<u32> {
        self.listener_at(local, port).or_else(|| self.listener_at(local, 0))
    }

    /// The listener of this port: one bound to the address, else one bound to any.
    fn listener_at(&self, local: IpAddr, port: u16) -> Option<u32> {
        let candidates = self.ports_listening.get(&port)?;
        // Mostly there is one, at any address.
        if let [index] = **candidates {
            let listener = self.listeners.get(index)?.local;
            let takes = match (listener.ip(), local) {
                (IpAddr::V4(own), IpAddr::V4(local)) => own.is_unspecified() || own == local,
                (IpAddr::V6(own), IpAddr::V6(local)) => own.is_unspecified() || own == local,
                _ => false,
            };
            return takes.then_some(index);
        }
        let any = |index: &u32| {
            self.listeners.get(*index).is_some_and(|listener| {
                listener.local.ip().is_unspecified() && listener.local.is_ipv6() == local.is_ipv6()
            })
        };
        let exact =
            |index: &u32| self.listeners.get(*index).is_some_and(|listener| listener.local.ip() == local);
        candidates.iter().copied().find(exact).or_else(|| candidates.iter().copied().find(any))
    }
}
