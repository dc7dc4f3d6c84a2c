//! What the fuzz targets do with the octets they are given. The hosts, the peers and the books that must balance are
//! those of the property tests in `crates/proto/tests`: what is found here becomes a named test there.
#![forbid(unsafe_code)]

#[path = "../../crates/proto/tests/support/mod.rs"]
mod support;

mod carry;
mod input;

pub use carry::carry;

use bytes::Bytes;
use input::Input;
use linger_proto::wire::icmp::{IcmpRepr, IcmpView, Quote};
use linger_proto::wire::ip;
use linger_proto::wire::tcp;
use linger_proto::wire::udp::UdpRepr;
use linger_proto::{Checksum, Frame};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use support::{Conversation, Family, World, resum};

thread_local! {
    /// A host with a connection in every state, without and with timestamps: copied for each run.
    static WORLDS: RefCell<[World; 2]> = RefCell::new([World::new(false), World::new(true)]);
}

/// Frames, time and an application, into a host with listeners, sockets, fragments and a connection in every state.
pub fn frames(data: &[u8]) {
    let mut input = Input::new(data);
    let timestamps = usize::from(input.octet() & 1);
    let mut world = WORLDS.with_borrow(|worlds| worlds[timestamps].clone());
    while let Some(control) = input.next() {
        if control & 7 == 0 {
            let length = usize::from(input.short()) % 2048;
            let mut packet = input.take(length);
            if control & 8 != 0 {
                resum(&mut packet);
            }
            world.hand(Frame::from(Bytes::from(packet)));
        } else {
            let vouched = input.octet();
            let step = input.step(control);
            world.take(&step, vouched);
        }
    }
    world.end();
}

/// Segments near the window of one connection, valid but for what they say.
pub fn segments(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = input.octet();
    let family = Family::BOTH[usize::from(settings & 1)];
    let mut conversation = Conversation::new(family, settings & 2 != 0, settings & 4 != 0, settings & 8 != 0);
    while let Some(control) = input.next() {
        let action = input.action(control);
        conversation.take(action);
    }
    conversation.end();
}

/// Any octets into every parser; what was parsed lies within what was given.
pub fn parse(data: &[u8]) {
    if let Ok(packet) = ip::parse(data) {
        assert!(packet.header.end <= packet.payload.start && packet.payload.end <= data.len());
        transport(&data[packet.payload], packet.source, packet.destination);
    }
    transport(data, Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into());
    transport(data, Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
}

fn transport(data: &[u8], source: IpAddr, destination: IpAddr) {
    if let Ok(header) = tcp::parse(data) {
        assert!(header.len >= tcp::HEADER_LEN && header.len <= data.len());
        let mut again = arrayvec::ArrayVec::new();
        tcp::emit(&header, 0, &mut again);
        let reread = tcp::parse(&again).expect("what is written can be read");
        assert_eq!(reread.options, header.options);
    }
    for checksum in [Checksum::Unknown, Checksum::Verified] {
        if let Ok(datagram) = UdpRepr::parse(data, source, destination, checksum) {
            assert!(datagram.text_len + 8 <= data.len());
        }
    }
    if let Some(view) = IcmpView::new(data) {
        let _fits = view.checksum_fits(source, destination);
        if let Ok(message) = IcmpRepr::parse(&view, source) {
            let header = message.emit(source, destination, view.body());
            let again = [&header[..], view.body()].concat();
            let reread = IcmpView::new(&again).expect("a whole message");
            assert!(reread.checksum_fits(source, destination));
            assert_eq!(IcmpRepr::parse(&reread, source), Ok(message));
        }
        let _quote = Quote::parse(view.body(), source);
    }
    let _quote = Quote::parse(data, source);
}
