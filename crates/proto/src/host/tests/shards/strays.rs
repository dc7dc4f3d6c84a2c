//! Fragments, datagrams, errors about them, bounds; and what must not travel.

use super::*;
use crate::host::key::Key;
use crate::wire::udp::UdpRepr;

/// A datagram from the peer to a port of the group.
fn datagram(port: u16, text: &[u8]) -> Bytes {
    let (source, destination) = (address(0, false), address(1, false));
    let repr = UdpRepr {
        source: SocketAddr::new(source, 9),
        destination: SocketAddr::new(destination, port),
        text_len: text.len(),
    };
    packet(source, destination, ip::PROTOCOL_UDP, &[&repr.emit(text)[..], text].concat())
}

/// A bare ACK from the peer for a connection that nobody has.
fn stray_ack(port: u16) -> Bytes {
    let tuple = FourTuple { local: peer_addr(), remote: SocketAddr::new(address(1, false), port) };
    let header = Header { seq: SeqNum(1), ack: SeqNum(77), flags: Flags::ACK, ..Header::default() };
    forge(&tuple, &header, &[])
}

#[test]
fn frames_that_nobody_can_own_do_not_travel_and_are_answered_once_where_they_landed() {
    let mut group = Group::new(3, Steering::All(1));
    group.arrive(stray_ack(81), None);
    group.peer.connect(group.now, group_addr(), ConnectConfig::default()).unwrap();
    group.exchange();
    let counters = group.counters();
    assert_eq!((counters.handed_over, counters.resets_sent), (0, 1));
    assert_eq!(counters.accepted, 1, "a SYN is owned where it lands");
    assert_eq!(group.shards[1].counters().accepted, 1);
}

#[test]
fn frame_that_the_directory_errs_about_goes_round_once_and_is_answered_at_home() {
    let mut group = Group::new(3, Steering::All(1));
    for packet in [stray_ack(81), stray_ack(PORT)] {
        let key = Key::from_tuple(&tuple_of(&packet).unwrap());
        let hash = group.shards[0].demux.hash(&key);
        for wrong in [0, 2] {
            group.map.add(wrong, hash);
        }
        let before = group.counters();
        group.arrive(packet, None);
        group.exchange();
        let after = group.counters();
        assert_eq!(after.handed_over - before.handed_over, 3, "1 to 2, 2 to 0, 0 to 1");
        assert_eq!(after.resets_sent - before.resets_sent, 1);
        assert_eq!(after.drops.total() - before.drops.total(), 1);
    }
    assert_eq!(group.shards[1].counters().resets_sent, 2);
}

#[test]
fn full_queue_loses_the_frame_counts_it_and_the_peer_sends_it_again() {
    let mut group = Group::new(2, Steering::All(0));
    let theirs = group.peer_connects(None);
    let ours = group.shards[0].accept(group.listeners[0]).unwrap();
    group.steering = Steering::All(1);
    group.room = 2;
    group.peer.stream(theirs).unwrap().write(group.now, &[3; 10_000]).unwrap();
    group.exchange();
    assert!(group.drops(DropReason::HandOverFull) > 0);
    group.wait(Duration::from_secs(5));
    let mut buffer = [0; 20_000];
    assert_eq!(group.shards[0].stream(ours).unwrap().read(group.now, &mut buffer), Ok(10_000));
    let counters = group.counters();
    assert_eq!(counters.handed_over, counters.taken_over + counters.drops.get(DropReason::HandOverFull));
}

#[test]
fn datagrams_and_errors_about_them_reach_the_one_shard_that_has_the_port() {
    let mut group = Group::new(2, Steering::All(0));
    let local = SocketAddr::new(address(1, false), 5353);
    let owner = usize::from(group.map.owner_of_port(5353));
    let socket = group.shards[owner].udp_bind(group.now, local).unwrap();
    for landing in [0, 1] {
        group.arrive(datagram(5353, b"hello"), Some(landing));
        group.exchange();
        assert_eq!(&group.shards[owner].udp_recv(socket).unwrap().bytes[..], b"hello");
    }
    group.shards[owner].udp_send(group.now, socket, peer_addr(), Bytes::from_static(&[1; 1400])).unwrap();
    group.held = Some(Vec::new());
    group.exchange();
    let sent = group.held.take().unwrap();
    let message = error_about(IcmpRepr::PacketTooBig { mtu: 1000 }, &sent[0]);
    group.arrive(message, Some(1 - owner));
    group.exchange();
    assert_eq!(group.drops(DropReason::IcmpUnrelated), 0);
    group.held = Some(Vec::new());
    group.shards[owner].udp_send(group.now, socket, peer_addr(), Bytes::from_static(&[1; 1400])).unwrap();
    group.exchange();
    assert_eq!(group.held.take().unwrap().len(), 2, "the path is known to be narrow");
}

#[test]
fn datagram_for_a_closed_port_is_refused_once_by_the_port_s_shard() {
    let mut group = Group::new(2, Steering::InTurn);
    group.held = Some(Vec::new());
    for landing in [0, 1] {
        group.arrive(datagram(5353, b"hello"), Some(landing));
        group.exchange();
    }
    assert_eq!(group.drops(DropReason::UdpNoPort), 2);
    assert_eq!(group.held.take().unwrap().len(), 2);
    assert_eq!(group.counters().handed_over, 1);
}

#[test]
fn fragments_meet_on_one_shard_and_the_whole_goes_where_it_belongs() {
    let text = [6; 4_000];
    for family in [false, true] {
        let mut group = Group::new(3, Steering::InTurn);
        let owner = usize::from(group.map.owner_of_port(5353));
        let local = SocketAddr::new(address(1, family), 5353);
        let socket = group.shards[owner].udp_bind(group.now, local).unwrap();
        let from = SocketAddr::new(address(0, family), 0);
        let theirs = group.peer.udp_bind(group.now, from).unwrap();
        for _ in 0..20 {
            group.peer.udp_send(group.now, theirs, local, Bytes::copy_from_slice(&text)).unwrap();
            group.exchange();
            assert_eq!(&group.shards[owner].udp_recv(socket).unwrap().bytes[..], &text);
        }
        assert!(group.counters().taken_over > 20);
    }
}

#[test]
fn error_about_a_connection_that_nobody_has_is_unrelated_wherever_it_lands() {
    let mut group = Group::new(2, Steering::InTurn);
    let tuple = FourTuple { local: group_addr(), remote: peer_addr() };
    let quoted = forge(&tuple, &Header { flags: Flags::ACK, ..Header::default() }, &[0; 8]);
    for landing in [0, 1] {
        group.arrive(error_about(IcmpRepr::TimeExceeded { reassembly: false }, &quoted), Some(landing));
        group.exchange();
    }
    assert_eq!(group.drops(DropReason::IcmpUnrelated), 2);
    assert_eq!(group.counters().handed_over, 0);
}

#[test]
fn directory_says_owned_from_the_syn_to_the_end_of_time_wait_and_not_after() {
    let mut group = Group::new(2, Steering::All(0));
    let theirs = group.peer_connects(None);
    let tuple = group.peer.tuple(theirs).unwrap().reversed();
    let hash = group.shards[0].demux.hash(&Key::from_tuple(&tuple));
    assert!(group.map.may_own(0, hash) && !group.map.may_own(1, hash));
    let ours = group.shards[0].accept(group.listeners[0]).unwrap();
    group.shards[0].stream(ours).unwrap().close(group.now);
    group.exchange();
    group.peer.stream(theirs).unwrap().close(group.now);
    group.exchange();
    assert_eq!(group.shards[0].state_of(&tuple), State::TimeWait);
    assert!(group.map.may_own(0, hash));
    group.wait(Duration::from_secs(61));
    assert!(!group.map.may_own(0, hash));
}

#[test]
fn clone_of_a_shard_is_alone_and_leaves_the_directory_as_it_is() {
    let mut group = Group::new(2, Steering::All(0));
    let theirs = group.peer_connects(None);
    let tuple = group.peer.tuple(theirs).unwrap().reversed();
    let hash = group.shards[0].demux.hash(&Key::from_tuple(&tuple));
    let mut clone = group.shards[0].clone();
    let ours = clone.accept(group.listeners[0]).unwrap();
    clone.stream(ours).unwrap().abort(group.now);
    clone.handle_frames(group.now, InterfaceId(0), &mut core::iter::once(Frame::from(stray_ack(82))));
    assert!(clone.poll_stray().is_none());
    assert!(group.map.may_own(0, hash));
}
