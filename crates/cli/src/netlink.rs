//! The kernel's end of our links: addresses, routes and flags by rtnetlink, so that no `ip` program is needed.

use crate::prefix::Prefix;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::net::IpAddr;

/// A conversation with the kernel about links, addresses and routes of the present network namespace.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// An address that some interface of this machine has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Assigned {
    /// The interface, by index.
    pub(crate) index: u32,
    /// The address and its network.
    pub(crate) prefix: Prefix,
}

impl Netlink {
    /// Opens the conversation, in the network namespace the calling thread is in.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Switches an interface on.
    pub(crate) fn set_up(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.command(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Whether an interface is switched on.
    pub(crate) fn is_up(&mut self, index: u32) -> io::Result<bool> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let mut up = false;
        self.exchange(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST, |reply| {
            if let RouteNetlinkMessage::NewLink(link) = reply {
                up = link.header.flags.contains(LinkFlags::Up);
            }
        })?;
        Ok(up)
    }

    /// Keeps the kernel from inventing an IPv6 link-local address there, and with it from sending router
    /// solicitations that nobody answers and that would wake us for seconds.
    pub(crate) fn no_link_local(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let mode = vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)];
        message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(mode)]));
        self.command(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Gives an interface an address whose prefix is on that link.
    pub(crate) fn add_address(&mut self, index: u32, prefix: Prefix) -> io::Result<()> {
        let message = address_message(index, prefix, AddressFlags::Nodad);
        self.command(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Gives an interface an address without the route to its prefix: only [`Netlink::add_host_route`] leads there.
    pub(crate) fn add_lone_address(&mut self, index: u32, prefix: Prefix) -> io::Result<()> {
        let message = address_message(index, prefix, AddressFlags::Nodad | AddressFlags::Noprefixroute);
        self.command(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Takes an address away again.
    pub(crate) fn remove_address(&mut self, index: u32, prefix: Prefix) -> io::Result<()> {
        let message = address_message(index, prefix, AddressFlags::empty());
        self.command(RouteNetlinkMessage::DelAddress(message), 0)
    }

    /// Sends what is for one address through an interface.
    pub(crate) fn add_host_route(&mut self, index: u32, to: IpAddr) -> io::Result<()> {
        let mut message = route_message(to);
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Link;
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Oif(index));
        self.command(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Whether an address belongs to this machine; an error when the kernel knows no way there at all.
    pub(crate) fn is_local(&mut self, address: IpAddr) -> io::Result<bool> {
        let mut kind = None;
        self.exchange(RouteNetlinkMessage::GetRoute(route_message(address)), NLM_F_REQUEST, |reply| {
            if let RouteNetlinkMessage::NewRoute(route) = reply {
                kind = Some(route.header.kind);
            }
        })?;
        Ok(kind == Some(RouteType::Local))
    }

    /// Every address of every interface.
    pub(crate) fn addresses(&mut self) -> io::Result<Vec<Assigned>> {
        let mut all = Vec::new();
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.exchange(request, NLM_F_REQUEST | NLM_F_DUMP, |reply| {
            if let RouteNetlinkMessage::NewAddress(message) = reply {
                all.extend(assigned(&message));
            }
        })?;
        Ok(all)
    }

    /// Asks for a change and waits for the kernel's answer.
    fn command(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.exchange(message, NLM_F_REQUEST | NLM_F_ACK | flags, |_| ())
    }

    /// Sends one request and hands every reply to `each` until the kernel says that it is done.
    fn exchange(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<()> {
        self.sequence += 1;
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut octets = vec![0; request.buffer_len()];
        request.serialize(&mut octets);
        self.socket.send(&octets, 0)?;
        // A dump ends with DONE, a command with an acknowledgment, a question with its one answer.
        let single = flags & (NLM_F_ACK | NLM_F_DUMP) == 0;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            if self.read_datagram(&datagram, single, &mut each)? {
                return Ok(());
            }
        }
    }

    /// Reads the messages of one datagram; true when the answer is complete.
    fn read_datagram(
        &self,
        datagram: &[u8],
        single: bool,
        each: &mut impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<bool> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let reply = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = usize::try_from(reply.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
            rest = rest.get(length.max(16)..).unwrap_or_default();
            if reply.header.sequence_number != self.sequence {
                continue;
            }
            match reply.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::InnerMessage(inner) => {
                    each(inner);
                    if single {
                        return Ok(true);
                    }
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn address_message(index: u32, prefix: Prefix, flags: AddressFlags) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(prefix.address);
    message.header.prefix_len = prefix.length;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(prefix.address));
    message.attributes.push(AddressAttribute::Address(prefix.address));
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    message
}

fn route_message(to: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to);
    message.header.destination_prefix_length = if to.is_ipv4() { 32 } else { 128 };
    message.attributes.push(RouteAttribute::Destination(match to {
        IpAddr::V4(v4) => RouteAddress::Inet(v4),
        IpAddr::V6(v6) => RouteAddress::Inet6(v6),
    }));
    message
}

/// The address of a reply. On a point-to-point link `Local` is the address and `Address` the peer's.
fn assigned(message: &AddressMessage) -> Option<Assigned> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let plain = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    let address = local.or(plain)?;
    Some(Assigned {
        index: message.header.index,
        prefix: Prefix { address, length: message.header.prefix_len },
    })
}
