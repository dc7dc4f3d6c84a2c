//! Addresses for the kernel's end, by rtnetlink.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::route::{RouteAttribute, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The multicast group that hears of new IPv6 routes (`RTNLGRP_IPV6_ROUTE`).
const IPV6_ROUTES: u32 = 11;

/// How long an IPv6 address may take to work; the kernel needs a millisecond, more only under great load.
const PATIENCE: Duration = Duration::from_secs(2);

/// Gives interface `index` an address, or finds that it has it. On an interface that is `up` the address works when
/// this returns: duplicates are not looked for, since nobody else on this link could have it.
pub(super) fn add(index: u32, up: bool, address: IpAddr, prefix: u8) -> io::Result<()> {
    let mut routes = Socket::new(NETLINK_ROUTE)?;
    routes.bind_auto()?;
    routes.add_membership(IPV6_ROUTES)?;
    let result = request(index, address, prefix);
    match result.as_ref().err().and_then(io::Error::raw_os_error) {
        // The kernel accepts packets to a new IPv6 address only when a worker of its own has got round to it.
        None if result.is_ok() && up && address.is_ipv6() => wait_for_local_route(&routes, address),
        Some(libc::EEXIST) => Ok(()),
        // Without privilege only an interface that was prepared with this address will do.
        Some(libc::EPERM) if UdpSocket::bind((address, 0)).is_ok() => Ok(()),
        _ => result,
    }
}

fn request(index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = prefix;
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.flags = AddressHeaderFlags::Nodad;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];

    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let mut packet = NetlinkMessage::new(header, RouteNetlinkMessage::NewAddress(message).into());
    packet.finalize();
    let mut octets = vec![0; packet.buffer_len()];
    packet.serialize(&mut octets);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&octets, 0)?;
    match receive(&socket)?.payload {
        NetlinkPayload::Error(error) if error.code.is_none() => Ok(()),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(io::Error::other("netlink answered something else")),
    }
}

/// Waits until the kernel says that packets to `address` are its own.
fn wait_for_local_route(routes: &Socket, address: IpAddr) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).try_into().map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(routes, PollFlags::IN)], Some(&left)) {
            Ok(0) => {
                let text = "the kernel does not take the address into use";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(Errno::INTR) => continue,
            result => result?,
        };
        let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) = receive(routes)?.payload
        else {
            continue;
        };
        let destination = RouteAttribute::Destination(address.into());
        if route.header.kind == RouteType::Local && route.attributes.contains(&destination) {
            return Ok(());
        }
    }
}

fn receive(socket: &Socket) -> io::Result<NetlinkMessage<RouteNetlinkMessage>> {
    let (octets, _) = socket.recv_from_full()?;
    NetlinkMessage::deserialize(&octets).map_err(io::Error::other)
}
