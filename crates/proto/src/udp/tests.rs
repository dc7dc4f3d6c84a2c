use super::*;
use crate::wire::ip::{emit_header, parse};
use crate::{InterfaceConfig, Transmit};
use arrayvec::ArrayVec;

struct Bench {
    sockets: UdpSockets,
    interfaces: Interfaces,
    path_mtu: PathMtu,
    outbox: Outbox,
    secret: Secret,
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn bench() -> Bench {
    let secret = Secret::from_bytes([1; 32]);
    let mut interfaces = Interfaces::default();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let addresses =
        Vec::from([(address("10.7.0.2"), 24), (address("10.8.0.2"), 24), (address("fd07::2"), 64)]);
    interfaces.add(InterfaceConfig { addresses, ..InterfaceConfig::default() });
    Bench {
        sockets: UdpSockets::default(),
        interfaces,
        path_mtu: PathMtu::default(),
        outbox: Outbox::new(&secret),
        secret,
    }
}

impl Bench {
    fn bind(&mut self, local: &str) -> Result<UdpId, UdpError> {
        self.bind_in(local, &(40_000..=40_003))
    }

    fn bind_in(&mut self, local: &str, ephemeral: &RangeInclusive<u16>) -> Result<UdpId, UdpError> {
        self.sockets.bind(addr(local), &self.interfaces, ephemeral, &self.secret)
    }

    fn send(&mut self, id: UdpId, to: &str, text: &[u8]) -> Result<(), UdpError> {
        let text = Bytes::copy_from_slice(text);
        let Self { sockets, interfaces, path_mtu, outbox, .. } = self;
        sockets.send(Instant::ZERO, id, addr(to), text, interfaces, path_mtu, outbox)
    }

    fn give(&mut self, from: &str, to: &str, text: &[u8]) -> Result<UdpId, DropReason> {
        let bytes = datagram(from, to, text);
        self.sockets.handle(&parse(&bytes).unwrap(), &bytes, Checksum::Unknown)
    }

    /// What left: packets, whole.
    fn sent(&mut self) -> Vec<Bytes> {
        let mut out = Transmit::default();
        core::iter::from_fn(|| self.outbox.pop(&mut out).then(|| out.to_bytes())).collect()
    }
}

fn datagram(from: &str, to: &str, text: &[u8]) -> Bytes {
    let udp = UdpRepr { source: addr(from), destination: addr(to), text_len: text.len() };
    let ip = IpRepr {
        source: udp.source.ip(),
        destination: udp.destination.ip(),
        protocol: PROTOCOL_UDP,
        payload_len: 8 + text.len(),
        hop_limit: 64,
        ecn: 0,
        identification: 0,
        dont_fragment: false,
    };
    let mut header = ArrayVec::new();
    emit_header(&ip, &mut header);
    [&header[..], &udp.emit(text), text].concat().into()
}

#[test]
fn datagram_reaches_the_socket_bound_to_its_address_before_the_one_bound_to_any() {
    let mut bench = bench();
    let (v4, v6) = (bench.bind("10.7.0.2:53").unwrap(), bench.bind("[::]:53").unwrap());
    let any = bench.bind("0.0.0.0:54").unwrap();
    assert_eq!(bench.give("10.7.0.1:9", "10.7.0.2:53", b"a"), Ok(v4));
    assert_eq!(bench.give("[fd07::1]:9", "[fd07::2]:53", b"b"), Ok(v6));
    assert_eq!(bench.give("10.7.0.1:9", "10.8.0.2:54", b"c"), Ok(any));
    assert_eq!(bench.give("10.7.0.1:9", "10.8.0.2:53", b"d"), Err(DropReason::UdpNoPort));
    assert_eq!(bench.give("[fd07::1]:9", "[fd07::2]:54", b"d"), Err(DropReason::UdpNoPort));
    let expected =
        Datagram { from: addr("10.7.0.1:9"), to: addr("10.8.0.2:54"), bytes: Bytes::from_static(b"c") };
    assert_eq!((bench.sockets.recv(any), bench.sockets.recv(any)), (Some(expected), None));
}

#[test]
fn datagrams_are_received_in_order_and_without_a_copy() {
    let mut bench = bench();
    let id = bench.bind("10.7.0.2:53").unwrap();
    let first = datagram("10.7.0.1:9", "10.7.0.2:53", b"first");
    bench.sockets.handle(&parse(&first).unwrap(), &first, Checksum::Unknown).unwrap();
    bench.give("10.7.0.1:9", "10.7.0.2:53", b"").unwrap();
    assert_eq!(bench.sockets.recv(id).unwrap().bytes.as_ptr(), first[28..].as_ptr());
    assert_eq!(bench.sockets.recv(id).unwrap().bytes, Bytes::new());
}

#[test]
fn checksum_is_verified_unless_the_device_vouches_for_it() {
    let mut bench = bench();
    let id = bench.bind("10.7.0.2:53").unwrap();
    let mut bytes = datagram("10.7.0.1:9", "10.7.0.2:53", b"text").to_vec();
    bytes[30] ^= 4;
    let bytes = Bytes::from(bytes);
    let packet = parse(&bytes).unwrap();
    assert_eq!(bench.sockets.handle(&packet, &bytes, Checksum::Unknown), Err(DropReason::UdpChecksum));
    assert_eq!(bench.sockets.handle(&packet, &bytes, Checksum::Verified), Ok(id));
}

#[test]
fn queue_of_a_socket_is_bounded_and_empty_datagrams_count() {
    for length in [0, 1000] {
        let mut bench = bench();
        let id = bench.bind("10.7.0.2:53").unwrap();
        let text = &[0; 1000][..length];
        let mut taken = 0;
        while bench.give("10.7.0.1:9", "10.7.0.2:53", text) == Ok(id) {
            taken += 1;
        }
        assert_eq!(taken, QUEUE_OCTETS_MAX / (length + 28 + OVERHEAD));
        assert_eq!(bench.give("10.7.0.1:9", "10.7.0.2:53", text), Err(DropReason::UdpQueueFull));
        assert!(bench.sockets.recv(id).is_some());
        assert_eq!(bench.give("10.7.0.1:9", "10.7.0.2:53", text), Ok(id));
    }
}

#[test]
fn bind_refuses_foreign_addresses_and_addresses_in_use() {
    let mut bench = bench();
    assert_eq!(bench.bind("10.7.0.1:53"), Err(UdpError::NotLocal));
    bench.bind("10.7.0.2:53").unwrap();
    assert_eq!(bench.bind("10.7.0.2:53"), Err(UdpError::AddrInUse));
    assert_eq!(bench.bind("0.0.0.0:53"), Err(UdpError::AddrInUse));
    bench.bind("10.8.0.2:53").unwrap();
    bench.bind("[::]:53").unwrap();
    assert_eq!(bench.bind("[fd07::2]:53"), Err(UdpError::AddrInUse));
    let bound: Vec<_> = bench.sockets.addrs().collect();
    assert_eq!(bound, [addr("10.7.0.2:53"), addr("10.8.0.2:53"), addr("[::]:53")]);
}

#[test]
fn port_zero_takes_each_free_port_of_the_range_once() {
    let mut bench = bench();
    bench.bind("0.0.0.0:40001").unwrap();
    let mut ports: Vec<u16> = (0..3)
        .map(|_| bench.bind("10.7.0.2:0").unwrap())
        .map(|id| id.index)
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(|index| bench.sockets.addr(UdpId { index, generation: 0 }))
        .map(|addr| addr.port())
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [40_000, 40_002, 40_003]);
    assert_eq!(bench.bind("10.7.0.2:0"), Err(UdpError::NoPorts));
    #[expect(clippy::reversed_empty_ranges, reason = "a range that an application might pass")]
    let none = bench.bind_in("10.7.0.2:0", &(2..=1));
    assert_eq!(none, Err(UdpError::NoPorts));
}

#[test]
fn id_of_a_closed_socket_means_nothing_even_when_its_slot_is_used_again() {
    let mut bench = bench();
    let old = bench.bind("10.7.0.2:53").unwrap();
    bench.sockets.close(old);
    assert_eq!(bench.give("10.7.0.1:9", "10.7.0.2:53", b"a"), Err(DropReason::UdpNoPort));
    let new = bench.bind("10.7.0.2:53").unwrap();
    assert_eq!((old.index, new.generation), (new.index, old.generation + 1));
    bench.give("10.7.0.1:9", "10.7.0.2:53", b"a").unwrap();
    bench.sockets.close(old);
    assert_eq!((bench.sockets.addr(old), bench.sockets.recv(old)), (None, None));
    assert_eq!(bench.send(old, "10.7.0.1:9", b"a"), Err(UdpError::Closed));
    assert_eq!(bench.sockets.addr(new), Some(addr("10.7.0.2:53")));
    assert!(bench.sockets.recv(new).is_some());
}

#[test]
fn datagram_leaves_from_the_bound_address_or_the_one_that_suits_the_destination() {
    let mut bench = bench();
    let bound = bench.bind("10.7.0.2:53").unwrap();
    let any = bench.bind("0.0.0.0:54").unwrap();
    bench.send(bound, "10.8.0.1:9", b"text").unwrap();
    bench.send(any, "10.8.0.1:9", b"text").unwrap();
    bench.send(any, "224.0.0.5:9", b"text").unwrap();
    let sent: Vec<_> = bench.sent().iter().map(|bytes| (parse(bytes).unwrap(), bytes.clone())).collect();
    let sources: Vec<_> = sent.iter().map(|(packet, _)| (packet.source, packet.hop_limit)).collect();
    let [bound, suited] = ["10.7.0.2", "10.8.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
    assert_eq!(sources, [(bound, 64), (suited, 64), (bound, 1)]);
    let (packet, bytes) = &sent[0];
    let udp =
        UdpRepr::parse(&bytes[packet.payload.clone()], packet.source, packet.destination, Checksum::Unknown);
    assert_eq!(
        udp,
        Ok(UdpRepr { source: addr("10.7.0.2:53"), destination: addr("10.8.0.1:9"), text_len: 4 })
    );
}

#[test]
fn datagram_is_fragmented_to_what_the_path_carries() {
    let mut bench = bench();
    let id = bench.bind("[::]:53").unwrap();
    bench.send(id, "[fd07::1]:9", &[0; 1452]).unwrap();
    assert_eq!(bench.sent().len(), 1);
    bench.path_mtu.lower("fd07::1".parse().unwrap(), 1400, Instant::ZERO);
    bench.send(id, "[fd07::1]:9", &[0; 1452]).unwrap();
    let sent = bench.sent();
    assert!(sent.len() == 2 && sent.iter().all(|packet| packet.len() <= 1400));
}

#[test]
fn datagram_that_cannot_leave_says_why() {
    let mut bench = bench();
    let (v4, v6) = (bench.bind("10.7.0.2:53").unwrap(), bench.bind("[::]:53").unwrap());
    for to in [
        "[fd07::1]:9",
        "10.7.0.1:0",
        "10.7.0.255:9",
        "255.255.255.255:9",
        "10.8.0.2:9",
        "0.0.0.0:9",
        "127.0.0.1:9",
    ] {
        assert_eq!(bench.send(v4, to, b"text"), Err(UdpError::NoRoute), "{to}");
    }
    assert_eq!(bench.send(v4, "10.7.0.1:9", &[0; TEXT_MAX_V4 + 1]), Err(UdpError::TooLong));
    assert_eq!(bench.send(v6, "[fd07::1]:9", &[0; TEXT_MAX_V6 + 1]), Err(UdpError::TooLong));
    assert_eq!(bench.send(v4, "10.7.0.1:9", &[0; TEXT_MAX_V4]), Ok(()));
    assert_eq!(bench.send(v6, "[fd07::1]:9", &[0; TEXT_MAX_V6]), Ok(()));
    while bench.send(v4, "10.7.0.1:9", b"text") == Ok(()) {}
    assert_eq!(bench.send(v4, "10.7.0.1:9", b"text"), Err(UdpError::Blocked));
}
