//! Numbers that outsiders must not guess: initial sequence numbers, ports, timestamps.

use super::*;
use crate::{ConnectError, TcpConfig};
use alloc::collections::BTreeSet;

fn host(secret: u8, config: HostConfig) -> Host {
    let mut host = Host::new(config, Secret::from_bytes([secret; 32]));
    host.add_interface(InterfaceConfig {
        addresses: vec![(address(0, false), 24), (address(0, true), 64)],
        ..InterfaceConfig::default()
    });
    host
}

/// Connects; the tuple, the ISN and the timestamp of the SYN.
fn open(host: &mut Host, now: Instant, remote: &str, local: &str) -> (FourTuple, SeqNum, u32) {
    let local = ConnectConfig::default().local(local.parse().unwrap());
    let id = host.connect(now, remote.parse().unwrap(), local).unwrap();
    let tuple = host.tuple(id).unwrap();
    let mut out = Transmit::default();
    assert!(host.poll_transmit(now, &mut out));
    let bytes = out.to_bytes();
    let packet = ip::parse(&bytes).unwrap();
    let header = tcp::parse(&bytes[packet.payload]).unwrap();
    host.stream(id).unwrap().abort(now);
    let mut turns = Turns::default();
    while host.poll_transmit(now, &mut out) {
        turns.count();
    }
    (tuple, header.seq, header.options.timestamp.unwrap().val)
}

// requirement: 9293-MUST-8
// requirement: 9293-SHLD-1
// requirement: 6528-1
// requirement: 6528-4
#[test]
fn numbers_of_one_tuple_grow_by_one_every_four_microseconds() {
    let mut host = host(1, HostConfig::default());
    let first = open(&mut host, Instant::from_millis(10), "10.0.0.2:80", "10.0.0.1:5000");
    let mut before = first.1;
    for ms in [11, 12, 20, 5_000, 3_600_000] {
        let (_, iss, _) = open(&mut host, Instant::from_millis(ms), "10.0.0.2:80", "10.0.0.1:5000");
        assert_eq!(iss.since(first.1), u32::try_from((ms - 10) * 250).unwrap());
        assert!(iss.after(before));
        before = iss;
    }
}

// requirement: 9293-MUST-9
// requirement: 6528-2
// requirement: 6528-3
// requirement: 6528-6
#[test]
fn numbers_differ_with_every_part_of_the_tuple_and_with_the_secret() {
    let now = Instant::from_millis(10);
    let mut all = BTreeSet::new();
    for secret in [1, 2] {
        for (remote, local) in [
            ("10.0.0.2:80", "10.0.0.1:5000"),
            ("10.0.0.3:80", "10.0.0.1:5000"),
            ("10.0.0.2:81", "10.0.0.1:5000"),
            ("10.0.0.2:80", "10.0.0.1:5001"),
            ("[fd00::2]:80", "[fd00::1]:5000"),
        ] {
            let (_, iss, _) = open(&mut host(secret, HostConfig::default()), now, remote, local);
            // Not merely different: far apart.
            assert!(all.insert(iss.0 >> 8));
        }
    }
}

// requirement: 7323-5
// requirement: 7323-25
#[test]
fn timestamps_begin_at_an_offset_of_the_tuple_and_count_milliseconds() {
    let mut host = host(1, HostConfig::default());
    let (_, _, first) = open(&mut host, Instant::from_millis(10), "10.0.0.2:80", "10.0.0.1:5000");
    let (_, _, later) = open(&mut host, Instant::from_millis(510), "10.0.0.2:80", "10.0.0.1:5000");
    assert_eq!(later.wrapping_sub(first), 500);
    let (_, _, other) = open(&mut host, Instant::from_millis(510), "10.0.0.2:80", "10.0.0.1:5001");
    assert_ne!(other, later);
}

// requirement: 6056-1
// requirement: 6056-3
// requirement: 6056-9
#[test]
fn ports_to_one_destination_follow_each_other_and_where_they_begin_is_secret() {
    let now = Instant::from_millis(10);
    let mut begins = BTreeSet::new();
    for secret in 1..=4 {
        for remote in ["10.0.0.2:80", "10.0.0.2:81", "10.0.0.3:80"] {
            let mut host = host(secret, HostConfig::default());
            let ports: Vec<u16> =
                (0..5).map(|_| open(&mut host, now, remote, "0.0.0.0:0").0.local.port()).collect();
            assert!(ports.iter().all(|port| (32768..=60999).contains(port)));
            // One after another, so that each comes round again as late as it can.
            let next = |port: u16| if port == 60999 { 32768 } else { port + 1 };
            assert!(ports.windows(2).all(|pair| pair[1] == next(pair[0])), "{ports:?}");
            begins.insert(ports[0]);
        }
    }
    assert!(begins.len() > 9);
}

// requirement: 6056-2
// requirement: 6056-4
// requirement: 6056-7
#[test]
fn taken_and_listening_ports_are_skipped_and_when_all_are_taken_connect_says_so() {
    let config = HostConfig { ephemeral_ports: 50_000..=50_009, ..HostConfig::default() };
    let mut host = host(1, config);
    host.listen("0.0.0.0:50003".parse().unwrap(), ListenConfig::default()).unwrap();
    let now = Instant::from_millis(10);
    let connect = |host: &mut Host, remote: &str| {
        host.connect(now, remote.parse().unwrap(), ConnectConfig::default())
            .map(|id| host.tuple(id).unwrap().local.port())
    };
    let mut ports: Vec<u16> = (0..9).map(|_| connect(&mut host, "10.0.0.2:80").unwrap()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [50_000, 50_001, 50_002, 50_004, 50_005, 50_006, 50_007, 50_008, 50_009]);
    assert_eq!(connect(&mut host, "10.0.0.2:80"), Err(ConnectError::NoPorts));
    // Another destination has them all to itself.
    assert!(connect(&mut host, "10.0.0.2:81").is_ok());
}

#[test]
fn chosen_source_in_use_towards_the_same_destination_is_refused() {
    let mut host = host(1, HostConfig { tcp: TcpConfig::default(), ..HostConfig::default() });
    let now = Instant::from_millis(10);
    let config = ConnectConfig::default().local("10.0.0.1:7000".parse().unwrap());
    assert!(host.connect(now, "10.0.0.2:80".parse().unwrap(), config.clone()).is_ok());
    let again = host.connect(now, "10.0.0.2:80".parse().unwrap(), config.clone());
    assert_eq!(again, Err(ConnectError::AddrInUse));
    assert!(host.connect(now, "10.0.0.2:81".parse().unwrap(), config).is_ok());
}

// requirement: 6056-6
#[test]
fn connects_to_one_destination_do_not_move_the_ports_towards_others() {
    let now = Instant::from_millis(10);
    let ports = |remotes: &[&str]| -> Vec<u16> {
        let mut host = host(1, HostConfig::default());
        let all = remotes.iter().map(|remote| open(&mut host, now, remote, "0.0.0.0:0").0.local.port());
        all.collect()
    };
    let [first, second] = ["10.0.0.2:80", "10.0.0.3:80"];
    let (alone, mixed) = (ports(&[first; 3]), ports(&[first, second, first, second, second, first]));
    assert_eq!([mixed[0], mixed[2], mixed[5]], alone[..]);
}
