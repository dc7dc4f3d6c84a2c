//! The short way of a plain packet against the long way of all: the same verdict and the same segment.

use super::*;
use crate::DropReason;
use crate::host::key;
use crate::tcp::segment::Segment;
use crate::wire::checksum::Sum;
use crate::wire::tcp::{Options, Timestamp};
use proptest::prelude::*;

const ADDRESSES_V4: [&str; 14] = [
    "10.7.0.2",
    "10.7.0.3",
    "10.7.0.9",
    "10.7.0.255",
    "10.255.255.255",
    "192.0.2.1",
    "192.0.2.0",
    "198.51.100.7",
    "0.0.0.0",
    "127.0.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
];
const ADDRESSES_V6: [&str; 9] = [
    "fd07::2",
    "fd07::3",
    "fd07::9",
    "2001:db8::9",
    "::",
    "::1",
    "ff02::1",
    "::ffff:10.7.0.2",
    "::ffff:10.7.0.9",
];

fn host() -> Host {
    let mut host = Host::new(HostConfig::default(), Secret::from_bytes([1; 32]));
    let with = |addresses: &[(&str, u8)]| InterfaceConfig {
        addresses: addresses.iter().map(|(address, length)| (address.parse().unwrap(), *length)).collect(),
        ..InterfaceConfig::default()
    };
    host.add_interface(with(&[("10.7.0.2", 24), ("10.7.0.3", 24), ("fd07::2", 64)]));
    host.add_interface(with(&[("10.0.0.9", 8), ("192.0.2.1", 31), ("fd07::3", 64), ("2001:db8::9", 32)]));
    host
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let addresses = any::<bool>().prop_flat_map(|v6| {
        let from: &[&str] = if v6 { &ADDRESSES_V6 } else { &ADDRESSES_V4 };
        let one = || prop::sample::select(from.to_vec());
        (one(), one())
    });
    let options = prop_oneof![
        4 => any::<(u32, u32)>().prop_map(|(val, ecr)| Options {
            timestamp: Some(Timestamp { val, ecr }),
            ..Options::default()
        }),
        1 => Just(Options::default()),
        1 => any::<(u16, bool)>().prop_map(|(mss, sack_permitted)| Options {
            mss: Some(mss),
            sack_permitted,
            window_scale: Some(7),
            ..Options::default()
        }),
    ];
    let text = prop::collection::vec(any::<u8>(), 0..40);
    (addresses, any::<(u16, u16, u32, u32, u8)>(), options, text).prop_map(
        |((source, destination), (local, remote, seq, ack, flags), options, text)| {
            let tuple = FourTuple {
                local: SocketAddr::new(source.parse().unwrap(), local),
                remote: SocketAddr::new(destination.parse().unwrap(), remote),
            };
            let header = Header {
                seq: SeqNum(seq),
                ack: SeqNum(ack),
                flags: Flags(flags),
                options,
                ..Header::default()
            };
            forge(&tuple, &header, &text).to_vec()
        },
    )
}

/// Makes the header checksum of IPv4 right again.
fn mend(bytes: &mut [u8]) {
    let len = usize::from(bytes[0] & 0x0f) * 4;
    if bytes[0] >> 4 == 4 && len >= 20 && len <= bytes.len() {
        bytes[10..12].fill(0);
        let mut sum = Sum::default();
        sum.add(&bytes[..len]);
        bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    }
}

/// What the parsers of each layer make of a frame that the host took for a segment.
fn expected(bytes: &[u8]) -> Result<(key::Key, Header, Vec<u8>), DropReason> {
    let packet = ip::parse(bytes).unwrap();
    let segment = &bytes[packet.payload.clone()];
    let length = u32::try_from(segment.len()).unwrap();
    let mut sum = Sum::pseudo_header(packet.source, packet.destination, PROTOCOL_TCP, length);
    sum.add(segment);
    if sum.finish() != 0 {
        return Err(DropReason::TcpChecksum);
    }
    let header = tcp::parse(segment)?;
    let key = key::Key::new(packet.destination, header.destination, packet.source, header.source);
    let text = segment[header.len..].to_vec();
    Ok((key, header, text))
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut host = host();
    let frame = Frame::from(Bytes::copy_from_slice(bytes));
    let short = host.plain(&frame.bytes);
    let long = host.handle_unusual(Instant::ZERO, InterfaceId(0), frame);
    if let Some(short) = &short {
        let (ends, place, _) = long.as_ref().unwrap().as_ref().unwrap();
        prop_assert_eq!((&short.0, &short.1), (ends, place));
    }
    let Ok(Some((ends, place, frame))) = long else { return Ok(()) };
    let checksum = frame.checksum;
    let mut segment = Segment::unread(frame);
    let read = segment.read(place, ends, checksum);
    let expected = expected(bytes);
    prop_assert_eq!(read, expected.as_ref().map(|(key, ..)| *key).map_err(|reason| *reason));
    if let Ok((_, header, text)) = expected {
        prop_assert_eq!(segment.text, text);
        prop_assert_eq!((segment.seq, segment.ack, segment.flags), (header.seq, header.ack, header.flags));
        prop_assert_eq!((segment.wnd, segment.urgent), (header.wnd, header.urgent));
        prop_assert_eq!((segment.options, segment.frame_len), (header.options, bytes.len()));
    }
    Ok(())
}

proptest! {
    #[test]
    fn good_packets_fare_alike_on_both_ways(bytes in packet(), padding in 0usize..9) {
        let padded = [&bytes[..], &[7; 9][..padding]].concat();
        agree(&padded)?;
    }

    #[test]
    fn mutated_packets_fare_alike_on_both_ways(
        mut bytes in packet(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in 1usize..200,
        mended: bool,
    ) {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut);
        if mended {
            mend(&mut bytes);
        }
        agree(&bytes)?;
    }
}

#[test]
fn an_ordinary_packet_takes_the_short_way_in_both_families() {
    for (local, remote) in [("10.7.0.9:9", "10.7.0.2:80"), ("[fd07::9]:9", "[2001:db8::9]:80")] {
        let tuple = FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
        let bytes = forge(&tuple, &Header::default(), b"text");
        let (ends, place) = host().plain(&bytes).unwrap();
        assert_eq!(IpAddr::from(ends.addresses().0), tuple.remote.ip());
        assert_eq!(place.end, bytes.len());
    }
}

#[test]
fn what_is_not_for_us_or_cannot_come_from_there_takes_the_long_way() {
    for (local, remote) in [
        ("10.7.0.9:9", "10.7.0.8:80"),
        ("10.7.0.2:9", "10.7.0.2:80"),
        ("10.7.0.3:9", "10.7.0.2:80"),
        ("10.7.0.255:9", "10.7.0.2:80"),
        ("10.255.255.255:9", "10.7.0.2:80"),
        ("[fd07::9]:9", "[fd07::8]:80"),
        ("[fd07::3]:9", "[fd07::2]:80"),
    ] {
        let tuple = FourTuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
        assert_eq!(host().plain(&forge(&tuple, &Header::default(), b"")), None, "{tuple:?}");
    }
    let tuple = FourTuple { local: "192.0.2.0:9".parse().unwrap(), remote: "192.0.2.1:80".parse().unwrap() };
    let bytes = forge(&tuple, &Header::default(), b"");
    assert!(host().plain(&bytes).is_some(), "a link of two has no broadcast (RFC 3021)");
}
