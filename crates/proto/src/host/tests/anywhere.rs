//! Listeners at any address and any port: what transparent proxies need.

use super::solo::*;
use super::*;
use crate::{DropReason, ListenError};

fn anywhere() -> Solo {
    let interface = InterfaceConfig { any_address: true, ..InterfaceConfig::default() };
    let mut solo = Solo::listening_as(HostConfig { tcp: plain(), ..HostConfig::default() }, interface);
    solo.host.listen("[::]:80".parse().unwrap(), ListenConfig::default()).unwrap();
    solo
}

fn call(solo: &mut Solo, local: &str) -> Vec<Sent> {
    solo.tuple.local = local.parse().unwrap();
    solo.tuple.remote = SocketAddr::new(address(1, solo.tuple.local.is_ipv6()), 40_000);
    solo.arrives(seg(Flags::SYN, -1, 0).mss(1000))
}

#[test]
fn connection_to_an_address_that_is_not_ours_lives_under_the_address_that_was_called() {
    for called in ["192.0.2.7:80", "[2001:db8::7]:80"] {
        let mut solo = anywhere();
        let answer = call(&mut solo, called).remove(0);
        assert_eq!(answer.flags, SYN_ACK);
        solo.iss = answer.header.seq;
        solo.arrives(text(0, 0, b"hello"));
        let listener = solo.events.iter().find_map(|event| match event {
            Event::Incoming(listener) => Some(*listener),
            _ => None,
        });
        solo.id = solo.host.accept(listener.unwrap()).unwrap();
        assert_eq!(solo.host.tuple(solo.id), Some(solo.tuple));
        assert_eq!(solo.read().0, b"hello");
        assert_eq!(solo.write(b"you called?")[0].text, b"you called?");
        solo.shutdown();
        solo.arrives(seg(FIN_ACK, 5, 12));
        assert_eq!(solo.state(), State::TimeWait);
    }
}

#[test]
fn interface_that_is_not_set_to_it_takes_nothing_for_others() {
    let mut solo = Solo::listening(plain());
    assert!(call(&mut solo, "192.0.2.7:80").is_empty());
    assert_eq!(solo.host.counters().drops.get(DropReason::NotForUs), 1);
}

#[test]
fn addresses_that_no_host_has_are_not_taken() {
    let mut solo = anywhere();
    for called in ["224.0.0.1:80", "255.255.255.255:80", "10.0.0.255:80", "127.0.0.1:80", "[ff02::1]:80"] {
        assert!(call(&mut solo, called).is_empty(), "{called}");
    }
    assert_eq!((solo.host.half_open.len(), solo.host.control.len()), (0, 0));
}

#[test]
fn only_tcp_is_taken_for_others() {
    let mut solo = anywhere();
    let foreign: IpAddr = "192.0.2.7".parse().unwrap();
    let mut bytes = forge(&solo.tuple, &Header::default(), b"").to_vec();
    let IpAddr::V4(foreign_v4) = foreign else { panic!() };
    for protocol in [1, 17, 99] {
        bytes[9] = protocol;
        bytes[12..16].copy_from_slice(&[10, 0, 0, 2]);
        bytes[16..20].copy_from_slice(&foreign_v4.octets());
        bytes[10..12].fill(0);
        let mut sum = crate::wire::checksum::Sum::default();
        sum.add(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
        solo.host.handle_frames(
            solo.now,
            InterfaceId(0),
            &mut [Frame::from(Bytes::from(bytes.clone()))].into_iter(),
        );
        assert!(solo.sent().is_empty());
    }
    assert_eq!(solo.host.counters().drops.get(DropReason::NotForUs), 3);
}

#[test]
fn port_on_which_nobody_listens_is_refused_under_the_address_that_was_called() {
    let mut solo = anywhere();
    let answer = call(&mut solo, "192.0.2.7:81");
    assert_eq!((answer.len(), answer[0].flags), (1, RST_ACK));
}

#[test]
fn listener_at_an_address_of_ours_takes_nothing_for_others() {
    let mut solo = anywhere();
    let ours = SocketAddr::new(address(0, false), 82);
    solo.host.listen(ours, ListenConfig::default()).unwrap();
    assert_eq!(call(&mut solo, "192.0.2.7:82")[0].flags, RST_ACK);
    assert_eq!(call(&mut solo, "10.0.0.1:82")[0].flags, SYN_ACK);
}

#[test]
fn any_port_is_every_port_on_which_nobody_else_listens() {
    let mut solo = anywhere();
    let config = ListenConfig::default().any_port(true).backlog(77);
    let any = solo.host.listen("0.0.0.0:0".parse().unwrap(), config.clone()).unwrap();
    assert_eq!(solo.host.listener_addr(any), Some("0.0.0.0:0".parse().unwrap()));
    for called in ["10.0.0.1:1", "10.0.0.1:65535", "192.0.2.7:443", "10.0.0.1:80"] {
        assert_eq!(call(&mut solo, called)[0].flags, SYN_ACK, "{called}");
    }
    let snapshot = solo.host.snapshot(solo.now);
    let half_open: Vec<(u16, u32)> =
        snapshot.listeners.iter().map(|one| (one.local.port(), one.half_open)).collect();
    assert_eq!(half_open, [(80, 1), (80, 0), (0, 3)]);
    // Of IPv6 it is not.
    assert_eq!(call(&mut solo, "[fd00::1]:443")[0].flags, RST_ACK);
    // One is enough, and it names no port.
    let again = solo.host.listen("0.0.0.0:0".parse().unwrap(), config.clone());
    assert_eq!(again, Err(ListenError::AddrInUse));
    let both = solo.host.listen("0.0.0.0:83".parse().unwrap(), config);
    assert_eq!(both, Err(ListenError::AnyPort));
    // When it goes, every port is closed again.
    solo.host.unlisten(solo.now, any);
    assert_eq!(call(&mut solo, "192.0.2.7:444")[0].flags, RST_ACK);
}

#[test]
fn connects_of_our_own_get_on_with_a_listener_of_any_port() {
    let mut solo = anywhere();
    let config = ListenConfig::default().any_port(true);
    solo.host.listen("0.0.0.0:0".parse().unwrap(), config).unwrap();
    let remote = SocketAddr::new(address(1, false), 443);
    let id = solo.host.connect(solo.now, remote, ConnectConfig::default()).unwrap();
    solo.tuple = solo.host.tuple(id).unwrap();
    solo.iss = solo.sent()[0].header.seq;
    solo.arrives(seg(SYN_ACK, -1, 0));
    assert_eq!(solo.events.last(), Some(&Event::Connected(id)));
}
