//! TIME-WAIT across a restart: what a host exports, another one with another clock and secret takes over. And the quiet
//! time of one that did not.

use super::solo::*;
use super::*;
use crate::{ConnectError, DropReason, ImportError, TcpConfig};

/// Octets of the head of an export.
const HEAD: usize = 10;
/// Octets of a record of IPv4.
const RECORD: usize = 45;

/// A host in TIME-WAIT, with timestamps or without; the peer's last one was 200.
fn waiting(timestamps: bool) -> Solo {
    let mut solo = if timestamps {
        Solo::listening(TcpConfig::default()).accepted_with(seg(Flags::SYN, -1, 0).ts(100, 0).mss(1000))
    } else {
        Solo::new(plain())
    };
    solo.shutdown();
    solo.arrives(if timestamps { seg(FIN_ACK, 0, 1).ts(200, 0) } else { seg(FIN_ACK, 0, 1) });
    assert_eq!(solo.state(), State::TimeWait);
    solo
}

fn fresh(secret: u8) -> Host {
    let mut host = Host::new(HostConfig::default(), Secret::from_bytes([secret; 32]));
    host.add_interface(InterfaceConfig {
        addresses: vec![(address(0, false), 24), (address(0, true), 64)],
        ..InterfaceConfig::default()
    });
    host.listen("0.0.0.0:80".parse().unwrap(), ListenConfig::default()).unwrap();
    host
}

/// The program ends and starts again: another secret, and a clock that begins anew.
fn restarted(mut solo: Solo) -> Solo {
    let octets = solo.host.export_time_wait(solo.now);
    solo.host = fresh(9);
    solo.now = Instant::from_millis(3);
    assert_eq!(solo.host.import_time_wait(solo.now, &octets), Ok(1));
    solo
}

// requirement: 9293-QT-3
#[test]
fn time_wait_carried_over_a_restart_acknowledges_the_fin_and_restarts_2msl() {
    let mut solo = restarted(waiting(false));
    assert_eq!(solo.state(), State::TimeWait);
    solo.wait_ms(50_000);
    let sent = solo.arrives(seg(FIN_ACK, 0, 1));
    assert_eq!(sent.iter().map(Sent::brief).collect::<Vec<_>>(), [(Flags::ACK, 1, 1, 0)]);
    solo.wait_ms(59_000);
    assert_eq!(solo.state(), State::TimeWait);
    solo.wait_ms(1_100);
    assert_eq!((solo.state(), solo.host.poll_timeout()), (State::Listen, None));
}

#[test]
fn forgotten_time_wait_answers_the_fin_with_rst() {
    let mut solo = waiting(false);
    solo.host = fresh(9);
    let sent = solo.arrives(seg(FIN_ACK, 0, 1));
    assert!(sent[0].has(Flags::RST), "this is what the export is for: {sent:?}");
}

// requirement: 9293-QT-3
#[test]
fn carried_time_wait_lasts_as_long_as_was_left_and_never_shorter() {
    let mut solo = waiting(false);
    solo.wait_ms(20_000);
    let mut solo = restarted(solo);
    let left = |solo: &Solo| solo.host.snapshot(solo.now).time_wait[0].remaining;
    assert!(left(&solo) >= Duration::from_secs(40) && left(&solo) < Duration::from_millis(40_010));
    solo.wait_ms(39_990);
    assert_eq!(solo.state(), State::TimeWait);
    solo.wait_ms(20);
    assert_eq!(solo.state(), State::Listen);
}

#[test]
fn carried_time_wait_answers_with_a_timestamp_that_the_peer_takes() {
    let mut solo = restarted(waiting(true));
    // The peer echoes a clock of the host before, which may be ahead of or behind the new one.
    let ahead = solo.arrives(seg(FIN_ACK, 0, 1).ts(201, u32::MAX / 2));
    let own = ahead[0].header.options.timestamp.unwrap();
    let behind = solo.arrives(seg(FIN_ACK, 0, 1).ts(202, own.val.wrapping_sub(5)));
    let behind = behind[0].header.options.timestamp.unwrap();
    assert!(!SeqNum(own.val).before(SeqNum(u32::MAX / 2)), "PAWS of the peer must let it pass");
    assert!(!SeqNum(behind.val).before(SeqNum(own.val.wrapping_sub(5))));
    assert_eq!((own.ecr, behind.ecr), (201, 202));
}

// requirement: 9293-MAY-2
// requirement: 9293-QT-3
#[test]
fn carried_time_wait_admits_a_newer_syn_above_its_number_and_refuses_an_old_one() {
    let mut solo = restarted(waiting(true));
    assert_eq!(solo.arrives(seg(Flags::SYN, -1, 0).ts(199, 0))[0].flags, Flags::ACK);
    assert_eq!(solo.host.counters().syn_refused, 1);
    let sent = solo.arrives(seg(Flags::SYN, 5_000, 0).ts(300, 0));
    assert_eq!(sent[0].flags, SYN_ACK);
    assert!(sent[0].seq >= 1, "above SND.NXT of the connection before the restart: {}", sent[0].seq);
}

#[test]
fn connect_does_not_take_a_carried_tuple_by_timestamps() {
    let mut solo = waiting(true);
    solo.wait_ms(5_000);
    let mut solo = restarted(solo);
    solo.wait_ms(5_000);
    let config = ConnectConfig { local: Some(solo.tuple.local), ..ConnectConfig::default() };
    assert_eq!(
        solo.host.connect(solo.now, solo.tuple.remote, config.clone()),
        Err(ConnectError::AddrInUse),
        "its timestamps did not go on"
    );
    solo.wait_ms(60_000);
    assert!(solo.host.connect(solo.now, solo.tuple.remote, config).is_ok());
}

#[test]
fn export_of_an_export_is_the_same_but_for_the_time() {
    let first = waiting(true).host.export_time_wait(Instant::from_millis(1_000));
    let mut host = fresh(3);
    assert_eq!(host.import_time_wait(Instant::from_millis(77), &first), Ok(1));
    let mut second = host.export_time_wait(Instant::from_millis(77));
    // Milliseconds left: one may have been added.
    let left = |octets: &[u8]| u32::from_be_bytes(octets[HEAD + 33..HEAD + 37].try_into().unwrap());
    assert!(left(&second) - left(&first) <= 1);
    second[HEAD + 33..HEAD + 37].copy_from_slice(&first[HEAD + 33..HEAD + 37]);
    assert_eq!(first, second);
    assert_eq!(first.len(), HEAD + RECORD);
}

#[test]
fn several_lifetimes_both_families_and_several_exports_come_in_and_end_in_order() {
    let mut pair = Pair::new();
    for (v6, msl) in [(false, 30), (true, 10), (false, 10), (true, 30)] {
        let tcp = TcpConfig { msl: Duration::from_secs(msl), ..TcpConfig::default() };
        let port = if v6 { 81 } else { 80 } + u16::try_from(msl).unwrap();
        let local = SocketAddr::new(address(1, v6), port);
        let listener = pair.hosts[1].listen(local, ListenConfig::default()).unwrap();
        let config = ConnectConfig { tcp: Some(tcp), ..ConnectConfig::default() };
        let ours = pair.hosts[0].connect(pair.now, local, config).unwrap();
        pair.run_for(Duration::from_secs(1));
        let theirs = pair.hosts[1].accept(listener).unwrap();
        pair.hosts[0].stream(ours).unwrap().close(pair.now);
        pair.run_for(Duration::from_secs(1));
        pair.hosts[1].stream(theirs).unwrap().close(pair.now);
        pair.run_for(Duration::from_secs(1));
    }
    let one = pair.hosts[0].export_time_wait(pair.now);
    let snapshot = pair.hosts[0].snapshot(pair.now).time_wait;
    assert_eq!(snapshot.len(), 4);
    let mut host = fresh(5);
    let now = Instant::from_millis(500);
    let empty = fresh(6).export_time_wait(now);
    assert_eq!(host.import_time_wait(now, &[empty, one].concat()), Ok(4));
    let mut at = now;
    let mut ends = Vec::new();
    while let Some(next) = host.poll_timeout() {
        assert!(next > at, "time goes on");
        at = next;
        host.handle_timeout(at);
        ends.push((at.since(now).as_secs(), host.snapshot(at).time_wait.len()));
    }
    let mut expected: Vec<u64> = snapshot.iter().map(|one| one.remaining.as_secs()).collect();
    expected.sort_unstable();
    assert_eq!(ends.iter().map(|(at, _)| *at).collect::<Vec<_>>(), expected);
    assert_eq!(ends.iter().map(|(_, left)| *left).collect::<Vec<_>>(), [3, 2, 1, 0]);
}

/// What an import of these octets says, and that nothing came of it.
fn refused(octets: &[u8]) -> ImportError {
    let mut host = fresh(4);
    let now = Instant::from_millis(5);
    let error = host.import_time_wait(now, octets).expect_err("refused");
    assert_eq!((host.snapshot(now).time_wait.len(), host.poll_timeout()), (0, None), "nothing half-imported");
    // And it is none the worse for it.
    assert_eq!(
        host.import_time_wait(now, &waiting(false).host.export_time_wait(Instant::from_millis(1_000))),
        Ok(1)
    );
    error
}

/// A good record, and the same with one change: at an offset within the record, these octets.
fn changed(at: usize, octets: &[u8]) -> Vec<u8> {
    let mut export = waiting(false).host.export_time_wait(Instant::from_millis(1_000));
    let mut second = export[HEAD..].to_vec();
    second[5..7].copy_from_slice(&[0x12, 0x34]);
    second[at..at + octets.len()].copy_from_slice(octets);
    export[HEAD - 1] = 2;
    export.extend(second);
    export
}

#[test]
fn octets_that_are_no_export_are_refused_and_nothing_is_half_imported() {
    let good = changed(0, &[0]);
    let now = Instant::from_millis(5);
    assert_eq!(fresh(4).import_time_wait(now, &good), Ok(2));
    for length in 0..good.len() {
        assert_eq!(refused(&good[..length]), ImportError::Truncated, "{length} octets");
    }
    assert_eq!(refused(&[&good[..], b"and more"].concat()), ImportError::NotAnExport);
    assert_eq!(refused(b"GET / HTTP/1.1"), ImportError::NotAnExport);
    let mut version = good.clone();
    version[5] = 2;
    assert_eq!(refused(&version), ImportError::Version(2));
    let mut more = good;
    more[HEAD - 4..HEAD].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(refused(&more), ImportError::TooMany);
    more[HEAD - 4..HEAD].copy_from_slice(&15_000_000u32.to_be_bytes());
    assert_eq!(refused(&more), ImportError::Truncated, "no memory is taken for what is not there");
}

#[test]
fn impossible_records_are_refused_by_name_and_nothing_is_half_imported() {
    let huge = (11 * 24 * 3_600 * 1_000_000_000u64).to_be_bytes();
    for (what, at, octets, error) in [
        ("unknown flags", 0, &[0x80][..], ImportError::Invalid(1)),
        ("window scale of 15", 1, &[15], ImportError::Invalid(1)),
        ("interface that is not there", 2, &[7], ImportError::NotLocal(1)),
        ("local port zero", 3, &[0, 0], ImportError::Invalid(1)),
        ("remote port zero", 5, &[0, 0], ImportError::Invalid(1)),
        ("another MSL of more than ten days", 21, &huge, ImportError::TooManyLifetimes),
        ("MSL zero", 21, &[0; 8], ImportError::Time(1)),
        ("no time left", 33, &[0; 4], ImportError::Time(1)),
        ("more time than 2*MSL", 33, &60_010u32.to_be_bytes(), ImportError::Time(1)),
        ("most time there is", 33, &[0xff; 4], ImportError::Time(1)),
        ("address of another host", 37, &[10, 0, 0, 9], ImportError::NotLocal(1)),
        ("broadcast as the peer", 41, &[255, 255, 255, 255], ImportError::Invalid(1)),
        ("group as the peer", 41, &[224, 0, 0, 1], ImportError::Invalid(1)),
        ("ourselves as the peer", 41, &[10, 0, 0, 1], ImportError::Invalid(1)),
        ("nobody as the peer", 41, &[0; 4], ImportError::Invalid(1)),
        ("the tuple of the first", 5, &40_000u16.to_be_bytes(), ImportError::Duplicate(1)),
    ] {
        assert_eq!(refused(&changed(at, octets)), error, "{what}");
    }
}

#[test]
fn import_is_bounded_by_time_wait_max_and_only_for_a_fresh_host() {
    let two = changed(0, &[0]);
    let now = Instant::from_millis(5);
    let config = HostConfig { time_wait_max: 1, ..HostConfig::default() };
    let mut host = Host::new(config, Secret::from_bytes([1; 32]));
    host.add_interface(InterfaceConfig {
        addresses: vec![(address(0, false), 24)],
        ..InterfaceConfig::default()
    });
    assert_eq!(host.import_time_wait(now, &two), Err(ImportError::TooMany));
    let mut used = waiting(false);
    assert_eq!(used.host.import_time_wait(used.now, &two), Err(ImportError::NotFresh));
    let mut open = Solo::new(plain());
    assert_eq!(open.host.import_time_wait(open.now, &two), Err(ImportError::NotFresh));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_imported_whole_or_not_at_all(at in 0usize..100, octet: u8, cut in 0usize..101) {
        let mut octets = changed(0, &[0]);
        if let Some(place) = octets.get_mut(at) {
            *place = octet;
        }
        octets.truncate(cut);
        let mut host = fresh(4);
        let now = Instant::from_millis(5);
        let outcome = host.import_time_wait(now, &octets);
        proptest::prop_assert_eq!(host.snapshot(now).time_wait.len(), outcome.unwrap_or(0));
        host.handle_timeout(now + Duration::from_secs(100 * 24 * 3600));
        proptest::prop_assert!(host.snapshot(now).time_wait.len() <= outcome.unwrap_or(0));
    }
}

fn quiet() -> Solo {
    let config = HostConfig { quiet_time: Duration::from_secs(120), ..HostConfig::default() };
    Solo::listening_as(config, InterfaceConfig::default())
}

// requirement: 9293-QT-2
#[test]
fn host_in_its_quiet_time_drops_what_it_does_not_know_without_a_reset_and_counts_it() {
    let mut solo = quiet();
    for sends in
        [seg(FIN_ACK, 0, 1), ack(0, 1), text(0, 1, b"text"), seg(SYN_ACK, 0, 1), seg(Flags::FIN, 0, 0)]
    {
        assert!(solo.arrives(sends).is_empty());
    }
    solo.tuple.local.set_port(81);
    assert!(solo.arrives(seg(Flags::SYN, -1, 0)).is_empty(), "nobody listens there, and nobody says so");
    let counters = solo.host.counters();
    assert_eq!((counters.drops.get(DropReason::QuietTime), counters.resets_sent), (6, 0));
}

// requirement: 9293-QT-1
// requirement: 9293-QT-2
#[test]
fn quiet_time_ends_after_one_msl_of_the_strict_settings_and_is_nothing_by_default() {
    assert_eq!(HostConfig::default().quiet_time, Duration::ZERO);
    let strict = HostConfig::strict();
    assert_eq!((strict.quiet_time, strict.tcp.msl), (Duration::from_secs(120), Duration::from_secs(120)));
    let mut solo = Solo::listening_as(strict, InterfaceConfig::default());
    solo.now = Instant::from_millis(119_999);
    assert!(solo.arrives(ack(0, 1)).is_empty());
    solo.now = Instant::from_millis(120_000);
    assert!(solo.arrives(ack(0, 1))[0].has(Flags::RST));
}

#[test]
fn listener_in_the_quiet_time_still_takes_a_syn_and_connect_opens() {
    let solo = quiet().accepted_with(seg(Flags::SYN, -1, 0).mss(1000));
    assert_eq!(solo.state(), State::Established);
    let mut solo = quiet();
    let remote = SocketAddr::new(address(1, false), 80);
    solo.id = solo.host.connect(solo.now, remote, ConnectConfig::default()).unwrap();
    assert!(solo.sent()[0].has(Flags::SYN));
}
