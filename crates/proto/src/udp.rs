//! UDP: datagrams, bound addresses, bounded receive queues.

#[cfg(test)]
mod tests;

use crate::ip::interface::Interfaces;
use crate::ip::outbox::Outbox;
use crate::ip::path_mtu::PathMtu;
use crate::ip::{HOP_LIMIT, slice};
use crate::secret::Purpose;
use crate::wire::ip::{IpPacket, IpRepr, PROTOCOL_UDP};
use crate::wire::udp::{UDP_HEADER_LEN, UdpRepr};
use crate::{Checksum, DropReason, Instant, InterfaceId, Secret, UdpId};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::hash::Hasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;

/// One received datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// The address of ours it was sent to.
    pub to: SocketAddr,
    /// Its text.
    pub bytes: Bytes,
}

/// Why a UDP call failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// Somebody is bound there already.
    #[error("the address is in use")]
    AddrInUse,
    /// The address belongs to no interface.
    #[error("the address does not belong to this host")]
    NotLocal,
    /// No ephemeral port is free.
    #[error("no port is free")]
    NoPorts,
    /// No interface leads there.
    #[error("no route to this destination")]
    NoRoute,
    /// More text than a datagram can carry.
    #[error("the datagram is too long")]
    TooLong,
    /// The queue of outgoing packets is full: try again after the next transmission.
    #[error("the send queue is full")]
    Blocked,
    /// The socket was closed.
    #[error("no such socket")]
    Closed,
}

/// Most text of a datagram: what IP carries without its header and that of UDP (IPv6 does not count its own).
const TEXT_MAX_V4: usize = 65_507;
const TEXT_MAX_V6: usize = 65_527;

/// Most octets that wait in one socket to be received (Linux: `rmem_default`).
const QUEUE_OCTETS_MAX: usize = 212_992;

/// What a datagram is charged besides the packet that it pins, octets.
const OVERHEAD: usize = 64;

/// The UDP sockets of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct UdpSockets {
    slots: Vec<Slot>,
    /// Slots without a socket, by index.
    free: Vec<u32>,
    /// Which slot is bound where. An unspecified address stands for any of its family.
    bound: BTreeMap<(u16, IpAddr), u32>,
    /// How many ports have been chosen: the next search starts elsewhere.
    chosen: u64,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    generation: u32,
    socket: Option<Socket>,
}

#[derive(Clone, Debug)]
struct Socket {
    local: SocketAddr,
    queue: VecDeque<(Datagram, usize)>,
    /// What `queue` is charged.
    octets: usize,
}

impl UdpSockets {
    /// Binds a socket to `local`; an unspecified address means any of ours of that family, port zero a free one
    /// of `ephemeral`.
    ///
    /// # Errors
    ///
    /// [`UdpError::NotLocal`], [`UdpError::AddrInUse`] or [`UdpError::NoPorts`].
    pub(crate) fn bind(
        &mut self,
        local: SocketAddr,
        interfaces: &Interfaces,
        ephemeral: &RangeInclusive<u16>,
        secret: &Secret,
    ) -> Result<UdpId, UdpError> {
        let address = local.ip();
        if !address.is_unspecified() && !interfaces.is_local(address) {
            return Err(UdpError::NotLocal);
        }
        let port = match local.port() {
            0 => self.free_port(address, ephemeral, secret).ok_or(UdpError::NoPorts)?,
            port if self.is_taken(port, address) => return Err(UdpError::AddrInUse),
            port => port,
        };
        let (index, slot) = self.free_slot().ok_or(UdpError::NoPorts)?;
        let generation = slot.generation;
        let local = SocketAddr::new(address, port);
        slot.socket = Some(Socket { local, queue: VecDeque::new(), octets: 0 });
        self.bound.insert((port, address), index);
        Ok(UdpId { index, generation })
    }

    /// Closes a socket; what waits in it is lost. Its id means nothing afterwards.
    pub(crate) fn close(&mut self, id: UdpId) {
        let Some(slot) = self.slot_mut(id) else { return };
        let Some(socket) = slot.socket.take() else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.bound.remove(&(socket.local.port(), socket.local.ip()));
    }

    /// Where a socket is bound.
    pub(crate) fn addr(&self, id: UdpId) -> Option<SocketAddr> {
        let index = usize::try_from(id.index).ok()?;
        let slot = self.slots.get(index).filter(|slot| slot.generation == id.generation)?;
        slot.socket.as_ref().map(|socket| socket.local)
    }

    /// Where every socket is bound, by port.
    pub(crate) fn addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.bound.keys().map(|(port, address)| SocketAddr::new(*address, *port))
    }

    /// Sends a datagram, in fragments if the path requires it.
    ///
    /// # Errors
    ///
    /// [`UdpError::Closed`], [`UdpError::TooLong`], [`UdpError::Blocked`], or [`UdpError::NoRoute`]: that also stands
    /// for a destination of the other family, of port zero, of a broadcast, and for the host itself.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that a datagram needs, each borrowed from another owner"
    )]
    pub(crate) fn send(
        &mut self,
        now: Instant,
        id: UdpId,
        to: SocketAddr,
        text: Bytes,
        interfaces: &Interfaces,
        path_mtu: &PathMtu,
        outbox: &mut Outbox,
    ) -> Result<(), UdpError> {
        let local = self.addr(id).ok_or(UdpError::Closed)?;
        let text_max = if to.is_ipv4() { TEXT_MAX_V4 } else { TEXT_MAX_V6 };
        if text.len() > text_max {
            return Err(UdpError::TooLong);
        }
        let (interface, source) = way(local, to, interfaces).ok_or(UdpError::NoRoute)?;
        let udp = UdpRepr { source, destination: to, text_len: text.len() };
        let ip = IpRepr {
            source: source.ip(),
            destination: to.ip(),
            protocol: PROTOCOL_UDP,
            payload_len: UDP_HEADER_LEN + text.len(),
            // RFC 1112 §6.1: multicast stays on the link unless somebody asks for more.
            hop_limit: if to.ip().is_multicast() { 1 } else { HOP_LIMIT },
            ecn: 0,
            identification: 0,
            dont_fragment: false,
        };
        let link = interfaces.config(interface).mtu;
        let mtu = path_mtu.get(to.ip(), now).map_or(link, |path| path.min(link));
        let sent = outbox.send(interface, mtu, &ip, &udp.emit(&text), &text);
        if sent { Ok(()) } else { Err(UdpError::Blocked) }
    }

    /// Takes the datagram that has waited longest.
    pub(crate) fn recv(&mut self, id: UdpId) -> Option<Datagram> {
        let socket = self.slot_mut(id)?.socket.as_mut()?;
        let (datagram, charge) = socket.queue.pop_front()?;
        socket.octets -= charge;
        Some(datagram)
    }

    /// Takes a whole UDP packet that is addressed to this host; says which socket has it now.
    ///
    /// # Errors
    ///
    /// The datagram is dropped. For [`DropReason::UdpNoPort`] its sender should hear of it.
    pub(crate) fn handle(
        &mut self,
        packet: &IpPacket,
        bytes: &Bytes,
        checksum: Checksum,
    ) -> Result<UdpId, DropReason> {
        let payload = bytes.get(packet.payload.clone()).unwrap_or_default();
        let udp = UdpRepr::parse(payload, packet.source, packet.destination, checksum)?;
        let index = self.lookup(udp.destination).ok_or(DropReason::UdpNoPort)?;
        let slot = usize::try_from(index).ok().and_then(|index| self.slots.get_mut(index));
        let Some(Slot { generation, socket: Some(socket) }) = slot else { return Err(DropReason::UdpNoPort) };
        let charge = bytes.len() + OVERHEAD;
        if socket.octets + charge > QUEUE_OCTETS_MAX {
            return Err(DropReason::UdpQueueFull);
        }
        let start = packet.payload.start + UDP_HEADER_LEN;
        let text = slice(bytes, start..start + udp.text_len);
        socket.octets += charge;
        socket.queue.push_back((Datagram { from: udp.source, to: udp.destination, bytes: text }, charge));
        Ok(UdpId { index, generation: *generation })
    }

    /// Whether a datagram to `local` would find a socket: only then did one of ours send from there.
    pub(crate) fn is_bound(&self, local: SocketAddr) -> bool {
        self.lookup(local).is_some()
    }

    /// The slot bound to exactly this address, else the one bound to any.
    fn lookup(&self, local: SocketAddr) -> Option<u32> {
        let exact = self.bound.get(&(local.port(), local.ip()));
        exact.or_else(|| self.bound.get(&(local.port(), any_of_family(local.ip())))).copied()
    }

    /// Whether a socket could not tell its datagrams from those of another: same port, same address or either any.
    fn is_taken(&self, port: u16, address: IpAddr) -> bool {
        self.bound
            .range((port, IpAddr::V4(Ipv4Addr::UNSPECIFIED))..)
            .take_while(|((bound, _), _)| *bound == port)
            .map(|((_, bound), _)| *bound)
            .filter(|bound| bound.is_ipv4() == address.is_ipv4())
            .any(|bound| bound == address || bound.is_unspecified() || address.is_unspecified())
    }

    /// A port that is free at `address`, searched for from a place that nobody can guess (RFC 6056 §3.3.1).
    fn free_port(&mut self, address: IpAddr, ports: &RangeInclusive<u16>, secret: &Secret) -> Option<u16> {
        let mut hasher = secret.octet_prf(Purpose::EphemeralPort);
        hasher.write(b"udp");
        hasher.write(&self.chosen.to_le_bytes());
        self.chosen = self.chosen.wrapping_add(1);
        let (first, last) = (u64::from((*ports.start()).max(1)), u64::from(*ports.end()));
        let count = (last + 1).checked_sub(first).filter(|count| *count > 0)?;
        let start = hasher.finish() % count;
        (0..count)
            .filter_map(|n| u16::try_from(first + (start + n) % count).ok())
            .find(|port| !self.is_taken(*port, address))
    }

    fn free_slot(&mut self) -> Option<(u32, &mut Slot)> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot::default());
                index
            }
        };
        Some((index, self.slots.get_mut(usize::try_from(index).ok()?)?))
    }

    fn slot_mut(&mut self, id: UdpId) -> Option<&mut Slot> {
        let index = usize::try_from(id.index).ok()?;
        self.slots.get_mut(index).filter(|slot| slot.generation == id.generation)
    }
}

const fn any_of_family(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// Through which interface and from where a socket bound to `local` sends to `to`.
fn way(local: SocketAddr, to: SocketAddr, interfaces: &Interfaces) -> Option<(InterfaceId, SocketAddr)> {
    let destination = to.ip();
    let speakable = local.is_ipv4() == to.is_ipv4() && to.port() != 0;
    if !speakable || interfaces.is_local(destination) || interfaces.is_broadcast(destination) {
        return None;
    }
    let (interface, chosen) = interfaces.source_for(destination)?;
    let source = if local.ip().is_unspecified() { chosen } else { local.ip() };
    Some((interface, SocketAddr::new(source, local.port())))
}
