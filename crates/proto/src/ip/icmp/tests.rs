use super::*;
use crate::wire::ip::{ECN_CE, Fragment, PROTOCOL_TCP, PROTOCOL_UDP, emit_header, parse};
use crate::{InterfaceConfig, Secret, Transmit};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::net::SocketAddr;
use proptest::prelude::*;

const HERE: InterfaceId = InterfaceId(0);

struct Bench {
    icmp: Icmp,
    interfaces: Interfaces,
    outbox: Outbox,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bench() -> Bench {
    let mut interfaces = Interfaces::default();
    let addresses = Vec::from([(ip("10.7.0.2"), 24), (ip("fd07::2"), 64)]);
    interfaces.add(InterfaceConfig { addresses, ..InterfaceConfig::default() });
    Bench { icmp: Icmp::default(), interfaces, outbox: Outbox::new(&Secret::from_bytes([1; 32])) }
}

/// The peer and this host.
fn addresses(v6: bool) -> (IpAddr, IpAddr) {
    if v6 { (ip("fd07::1"), ip("fd07::2")) } else { (ip("10.7.0.1"), ip("10.7.0.2")) }
}

fn packet(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Bytes {
    let repr = IpRepr {
        source,
        destination,
        protocol,
        payload_len: payload.len(),
        hop_limit: 9,
        ecn: ECN_CE,
        identification: 5,
        dont_fragment: false,
    };
    let mut header = ArrayVec::new();
    emit_header(&repr, &mut header);
    [&header[..], payload].concat().into()
}

fn message(source: IpAddr, destination: IpAddr, repr: IcmpRepr, body: &[u8]) -> Bytes {
    let payload = [&repr.emit(source, destination, body)[..], body].concat();
    packet(source, destination, protocol_of(source), &payload)
}

/// What we sent and somebody quotes.
fn ours(v6: bool, protocol: u8) -> (Bytes, FourTuple) {
    let (theirs, ours) = addresses(v6);
    let bytes = packet(ours, theirs, protocol, &[0x9c, 0x40, 0, 80, 0, 0, 0x10, 1, 0, 0, 0, 0]);
    (bytes, FourTuple { local: SocketAddr::new(ours, 40_000), remote: SocketAddr::new(theirs, 80) })
}

impl Bench {
    fn give(&mut self, bytes: &Bytes) -> Result<IcmpOutcome, DropReason> {
        self.give_with(bytes, true)
    }

    fn give_with(&mut self, bytes: &Bytes, echo: bool) -> Result<IcmpOutcome, DropReason> {
        let packet = parse(bytes).unwrap();
        self.icmp.handle(Instant::ZERO, HERE, &packet, bytes, &self.interfaces, &mut self.outbox, echo)
    }

    fn port_unreachable(&mut self, now: Instant, bytes: &Bytes) -> Result<(), DropReason> {
        let packet = parse(bytes).unwrap();
        self.icmp.port_unreachable(now, HERE, &packet, bytes, &self.interfaces, &mut self.outbox)
    }

    fn parameter_problem(&mut self, bytes: &Bytes) -> Result<(), DropReason> {
        self.icmp.parameter_problem(Instant::ZERO, HERE, bytes, &self.interfaces, &mut self.outbox)
    }

    /// The one message that waits: to whom it goes, what it says, and its body.
    fn sent(&mut self) -> Option<(IpAddr, IcmpRepr, Bytes)> {
        let mut out = Transmit::default();
        if !self.outbox.pop(&mut out) {
            return None;
        }
        assert_eq!(self.outbox.len(), 0);
        let bytes = out.to_bytes();
        let packet = parse(&bytes).unwrap();
        let view = IcmpView::new(&bytes[packet.payload.clone()]).unwrap();
        assert!(view.checksum_fits(packet.source, packet.destination));
        let repr = IcmpRepr::parse(&view, packet.source).unwrap();
        Some((packet.destination, repr, bytes.slice(packet.payload.start + 8..)))
    }
}

#[test]
fn echo_request_is_answered_with_its_own_octets() {
    for v6 in [false, true] {
        let mut bench = bench();
        let (theirs, ours) = addresses(v6);
        let request = IcmpRepr::EchoRequest { identifier: 77, sequence: 3 };
        assert_eq!(bench.give(&message(theirs, ours, request, b"how are you")), Ok(IcmpOutcome::Answered));
        let reply = IcmpRepr::EchoReply { identifier: 77, sequence: 3 };
        assert_eq!(bench.sent(), Some((theirs, reply, Bytes::from_static(b"how are you"))));
    }
}

#[test]
fn echo_request_larger_than_the_mtu_is_answered_in_fragments() {
    let mut bench = bench();
    let (theirs, ours) = addresses(true);
    let request = IcmpRepr::EchoRequest { identifier: 1, sequence: 1 };
    assert_eq!(bench.give(&message(theirs, ours, request, &[9; 4000])), Ok(IcmpOutcome::Answered));
    assert_eq!(bench.outbox.len(), 3);
}

#[test]
fn echo_request_is_not_answered_when_switched_off_or_sent_to_a_broadcast() {
    let mut bench = bench();
    let (theirs, ours) = addresses(false);
    let request = IcmpRepr::EchoRequest { identifier: 1, sequence: 1 };
    assert_eq!(bench.give_with(&message(theirs, ours, request, b""), false), Err(DropReason::IcmpUnknown));
    for destination in ["10.7.0.255", "255.255.255.255", "224.0.0.1"] {
        let bytes = message(theirs, ip(destination), request, b"");
        assert_eq!(bench.give(&bytes), Err(DropReason::NotForUs), "{destination}");
    }
    let bytes = message(ip("10.7.0.255"), ours, request, b"");
    assert_eq!(bench.give(&bytes), Err(DropReason::NotForUs));
    assert_eq!(bench.outbox.len(), 0);
}

#[test]
fn error_about_a_segment_or_datagram_names_it_and_says_what_it_means() {
    let cases = [
        (IcmpRepr::Unreachable(Unreachable::Port), IcmpError::Unreachable { hard: true }),
        (IcmpRepr::Unreachable(Unreachable::Host), IcmpError::Unreachable { hard: false }),
        (IcmpRepr::PacketTooBig { mtu: 1400 }, IcmpError::PacketTooBig { mtu: 1400 }),
        (IcmpRepr::TimeExceeded { reassembly: false }, IcmpError::TimeExceeded),
        (IcmpRepr::ParameterProblem { code: 0, pointer: 9 }, IcmpError::ParameterProblem),
    ];
    for v6 in [false, true] {
        let (theirs, this) = addresses(v6);
        for (repr, error) in cases {
            let (quote, tuple) = ours(v6, PROTOCOL_TCP);
            let outcome = bench().give(&message(theirs, this, repr, &quote));
            assert_eq!(outcome, Ok(IcmpOutcome::TcpError { tuple, seq: SeqNum(0x1001), error }));
            let (quote, tuple) = ours(v6, PROTOCOL_UDP);
            let outcome = bench().give(&message(theirs, this, repr, &quote));
            assert_eq!(outcome, Ok(IcmpOutcome::UdpError { tuple, error }));
        }
    }
}

#[test]
fn router_that_does_not_say_what_fits_is_answered_by_the_next_plateau() {
    assert_eq!((plateau_below(1500), plateau_below(1492), plateau_below(40)), (1492, 1006, 68));
    let (theirs, this) = addresses(false);
    let (quote, tuple) = ours(false, PROTOCOL_TCP);
    let mut quote = quote.to_vec();
    quote[2..4].copy_from_slice(&1500u16.to_be_bytes());
    let outcome = bench().give(&message(theirs, this, IcmpRepr::PacketTooBig { mtu: 0 }, &quote));
    let error = IcmpError::PacketTooBig { mtu: 1492 };
    assert_eq!(outcome, Ok(IcmpOutcome::TcpError { tuple, seq: SeqNum(0x1001), error }));
}

#[test]
fn malformed_and_useless_messages_are_dropped_for_their_reason() {
    for v6 in [false, true] {
        let (theirs, this) = addresses(v6);
        let icmp = protocol_of(theirs);
        let error = IcmpRepr::TimeExceeded { reassembly: false };
        let foreign = packet(theirs, this, PROTOCOL_TCP, &[0; 20]);
        let (other, _) = ours(v6, 132);
        let mut wrong = message(theirs, this, error, &ours(v6, PROTOCOL_TCP).0).to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        let corpus = [
            ("seven octets", packet(theirs, this, icmp, &[0; 7]), DropReason::IcmpTruncated),
            ("wrong checksum", wrong.into(), DropReason::IcmpChecksum),
            ("no quote", message(theirs, this, error, b""), DropReason::IcmpTruncated),
            (
                "quote without ports",
                message(theirs, this, error, &ours(v6, 6).0[..23]),
                DropReason::IcmpTruncated,
            ),
            (
                "quote of the other family",
                message(theirs, this, error, &ours(!v6, 6).0),
                DropReason::IcmpTruncated,
            ),
            ("quote of a foreign packet", message(theirs, this, error, &foreign), DropReason::IcmpUnrelated),
            ("quote of another protocol", message(theirs, this, error, &other), DropReason::IcmpUnrelated),
            (
                "echo reply",
                message(theirs, this, IcmpRepr::EchoReply { identifier: 0, sequence: 0 }, b""),
                DropReason::IcmpUnknown,
            ),
            (
                "number of the other family",
                packet(theirs, this, protocol_of(addresses(!v6).0), &[0; 8]),
                DropReason::UnknownProtocol,
            ),
        ];
        for (what, bytes, reason) in corpus {
            assert_eq!(bench().give(&bytes), Err(reason), "{what}, IPv6 {v6}");
        }
    }
}

#[test]
fn messages_for_neighbours_are_passed_over() {
    let (theirs, this) = addresses(true);
    for kind in [130, 133, 135, 143] {
        let mut payload = [kind, 0, 0, 0, 0, 0, 0, 0];
        let mut sum = crate::wire::checksum::Sum::pseudo_header(theirs, this, PROTOCOL_ICMPV6, 8);
        sum.add(&payload);
        payload[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        assert_eq!(bench().give(&packet(theirs, this, PROTOCOL_ICMPV6, &payload)), Ok(IcmpOutcome::Nothing));
    }
}

#[test]
fn error_quotes_as_much_as_it_may_and_no_padding() {
    for v6 in [false, true] {
        let mut bench = bench();
        let (theirs, this) = addresses(v6);
        let small = packet(theirs, this, PROTOCOL_UDP, &[1; 100]);
        let padded: Bytes = [&small[..], &[0; 30]].concat().into();
        assert_eq!(bench.port_unreachable(Instant::ZERO, &padded), Ok(()));
        let error = IcmpRepr::Unreachable(Unreachable::Port);
        assert_eq!(bench.sent(), Some((theirs, error, small)));
        let large = packet(theirs, this, PROTOCOL_UDP, &[1; 1400]);
        assert_eq!(bench.port_unreachable(Instant::ZERO, &large), Ok(()));
        let quoted = if v6 { 1280 - 48 } else { 576 - 28 };
        assert_eq!(bench.sent(), Some((theirs, error, large.slice(..quoted))));
    }
}

#[test]
fn unknown_protocol_is_reported_in_the_words_of_the_family() {
    for v6 in [false, true] {
        let mut bench = bench();
        let (theirs, this) = addresses(v6);
        let bytes = packet(theirs, this, 132, &[1; 8]);
        let parsed = parse(&bytes).unwrap();
        let Bench { icmp, interfaces, outbox } = &mut bench;
        assert_eq!(
            icmp.protocol_unreachable(Instant::ZERO, HERE, &parsed, &bytes, interfaces, outbox),
            Ok(())
        );
        let error = if v6 {
            IcmpRepr::ParameterProblem { code: 1, pointer: 6 }
        } else {
            IcmpRepr::Unreachable(Unreachable::Protocol)
        };
        assert_eq!(bench.sent(), Some((theirs, error, bytes)));
    }
}

#[test]
fn option_that_asks_for_an_answer_gets_a_parameter_problem() {
    let (theirs, this) = addresses(true);
    let mut bench = bench();
    let bytes = packet(theirs, this, 60, &[17, 0, 0x82, 4, 0, 0, 0, 0, 1, 2, 3]);
    assert_eq!(bench.parameter_problem(&bytes), Ok(()));
    assert_eq!(bench.sent(), Some((theirs, IcmpRepr::ParameterProblem { code: 2, pointer: 42 }, bytes)));
    let silent = packet(theirs, this, 60, &[17, 0, 0x42, 4, 0, 0, 0, 0]);
    let error = packet(theirs, this, 60, &[58, 0, 0x82, 4, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    let group = packet(theirs, ip("ff02::1"), 60, &[17, 0, 0x82, 4, 0, 0, 0, 0]);
    let v4 = packet(ip("10.7.0.1"), ip("10.7.0.2"), 60, &[17, 0, 0x82, 4, 0, 0, 0, 0]);
    for bytes in [silent, error, group, v4] {
        assert_eq!(bench.parameter_problem(&bytes), Ok(()));
        assert_eq!(bench.sent(), None);
    }
    let ping = packet(theirs, this, 60, &[58, 0, 0x82, 4, 0, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((bench.parameter_problem(&ping), bench.sent().is_some()), (Ok(()), true));
}

#[test]
fn errors_fragments_and_groups_are_never_answered() {
    for v6 in [false, true] {
        let mut bench = bench();
        let (theirs, this) = addresses(v6);
        let icmp = protocol_of(theirs);
        let redirect = if v6 { 137 } else { 5 };
        let group = ip(if v6 { "ff02::1" } else { "10.7.0.255" });
        let silent = [
            message(theirs, this, IcmpRepr::TimeExceeded { reassembly: false }, b""),
            message(theirs, this, IcmpRepr::Unreachable(Unreachable::Port), b""),
            packet(theirs, this, icmp, &[redirect, 0, 0, 0, 0, 0, 0, 0]),
            packet(theirs, this, icmp, &[8]),
            packet(theirs, group, PROTOCOL_UDP, &[0; 8]),
            packet(this, this, PROTOCOL_UDP, &[0; 8]),
        ];
        for bytes in silent {
            assert_eq!(bench.port_unreachable(Instant::ZERO, &bytes), Ok(()));
            assert_eq!(bench.sent(), None);
        }
        let bytes = packet(theirs, this, PROTOCOL_UDP, &[0; 8]);
        let fragment = Some(Fragment { identification: 1, offset: 8, more: false });
        let later = IpPacket { fragment, ..parse(&bytes).unwrap() };
        let Bench { icmp, interfaces, outbox } = &mut bench;
        assert_eq!(icmp.port_unreachable(Instant::ZERO, HERE, &later, &bytes, interfaces, outbox), Ok(()));
        assert_eq!(bench.sent(), None);
    }
}

#[test]
fn errors_are_limited_to_a_burst_of_fifty_and_a_thousand_a_second() {
    let mut bench = bench();
    let (theirs, this) = addresses(false);
    let bytes = packet(theirs, this, PROTOCOL_UDP, &[0; 8]);
    let mut allowed = |now: Instant, tries: u32| {
        (0..tries).filter(|_| bench.port_unreachable(now, &bytes) == Ok(())).count()
    };
    assert_eq!(allowed(Instant::ZERO, 60), 50);
    assert_eq!(allowed(Instant::from_millis(7), 60), 7);
    assert_eq!(allowed(Instant::from_millis(1000), 60), 50);
    assert_eq!(bench.port_unreachable(Instant::from_millis(1000), &bytes), Err(DropReason::IcmpRateLimited));
}

#[test]
fn errors_that_are_not_sent_cost_no_allowance() {
    let mut bench = bench();
    let (theirs, this) = addresses(false);
    let error = message(theirs, this, IcmpRepr::TimeExceeded { reassembly: false }, b"");
    for _ in 0..100 {
        assert_eq!(bench.port_unreachable(Instant::ZERO, &error), Ok(()));
    }
    assert_eq!(bench.port_unreachable(Instant::ZERO, &packet(theirs, this, PROTOCOL_UDP, &[0; 8])), Ok(()));
    assert!(bench.sent().is_some());
}

#[test]
fn echo_beyond_its_rate_and_answers_beyond_the_outbox_are_withheld() {
    let mut bench = bench();
    let (theirs, this) = addresses(false);
    let request = message(theirs, this, IcmpRepr::EchoRequest { identifier: 1, sequence: 1 }, b"");
    let mut out = Transmit::default();
    for _ in 0..ECHOES.burst {
        assert_eq!(bench.give(&request), Ok(IcmpOutcome::Answered));
        assert!(bench.outbox.pop(&mut out));
    }
    assert_eq!(bench.give(&request), Err(DropReason::IcmpRateLimited));
    while bench.outbox.push_empty(InterfaceId(0)) {}
    let datagram = packet(theirs, this, PROTOCOL_UDP, &[0; 8]);
    assert_eq!(bench.port_unreachable(Instant::ZERO, &datagram), Err(DropReason::IcmpRateLimited));
}

proptest! {
    #[test]
    fn arbitrary_messages_never_panic(v6: bool, protocol in prop::sample::select(&[1u8, 58, 60, 17][..]), payload in prop::collection::vec(any::<u8>(), 0..100), sealed: bool) {
        let mut bench = bench();
        let (theirs, this) = addresses(v6);
        let mut payload = payload;
        if sealed && payload.len() >= 4 {
            payload[2..4].fill(0);
            let length = u32::try_from(payload.len()).unwrap();
            let mut sum = if v6 { crate::wire::checksum::Sum::pseudo_header(theirs, this, PROTOCOL_ICMPV6, length) } else { Default::default() };
            sum.add(&payload);
            payload[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        }
        let bytes = packet(theirs, this, protocol, &payload);
        prop_assert_eq!(bench.parameter_problem(&bytes), Ok(()));
        if parse(&bytes).is_ok() {
            let outcome = bench.give(&bytes);
            prop_assert!(!(outcome == Ok(IcmpOutcome::Answered) && bench.outbox.is_empty()));
            prop_assert_eq!(bench.port_unreachable(Instant::ZERO, &bytes), Ok(()));
        }
    }
}
