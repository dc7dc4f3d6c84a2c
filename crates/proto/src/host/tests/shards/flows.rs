//! Connections: none lost, none reset, wherever their frames land.

use super::*;
use crate::{ReadError, TcpConfig};
use alloc::collections::BTreeMap;

/// Connections in each direction.
const FLOWS: usize = 1_000;

/// The group's end of a connection, and the peer's.
struct Flow {
    shard: usize,
    ours: ConnectionId,
    theirs: ConnectionId,
    tuple: FourTuple,
}

impl Group {
    /// Pairs what the peer's connections are with what the group accepted.
    fn accepted(&mut self, theirs: Vec<ConnectionId>) -> Vec<Flow> {
        let mut flows = Vec::new();
        let mut ours = BTreeMap::new();
        for shard in 0..self.shards.len() {
            let mut turns = Turns::default();
            while let Some(id) = self.shards[shard].accept(self.listeners[shard]) {
                turns.count();
                ours.insert(self.shards[shard].tuple(id).unwrap(), (shard, id));
            }
        }
        for theirs in theirs {
            let tuple = self.peer.tuple(theirs).unwrap().reversed();
            let (shard, ours) = ours[&tuple];
            flows.push(Flow { shard, ours, theirs, tuple });
        }
        flows
    }

    /// Opens [`FLOWS`] connections each way.
    fn flows(&mut self) -> Vec<Flow> {
        let theirs = (0..FLOWS).map(|_| self.peer_connects(None)).collect();
        let mut flows = self.accepted(theirs);
        let listener = ListenerId { index: 0, generation: 0 };
        for n in 0..FLOWS {
            let shard = n % self.shards.len();
            let ours = self.shards[shard].connect(self.now, peer_addr(), ConnectConfig::default()).unwrap();
            self.exchange();
            let theirs = self.peer.accept(listener).expect("accepted");
            let tuple = self.shards[shard].tuple(ours).unwrap();
            assert_eq!(self.peer.tuple(theirs).unwrap(), tuple.reversed());
            flows.push(Flow { shard, ours, theirs, tuple });
        }
        flows
    }

    /// `text` from the group to the peer and back.
    fn converse(&mut self, flow: &Flow, text: &[u8]) {
        let now = self.now;
        let mut stream = self.shards[flow.shard].stream(flow.ours).expect("held");
        assert_eq!(stream.write(now, text), Ok(text.len()));
        self.peer.stream(flow.theirs).expect("held").write(now, text).expect("open");
        self.exchange();
        let mut buffer = [0; 4096];
        for mut stream in
            [self.shards[flow.shard].stream(flow.ours).unwrap(), self.peer.stream(flow.theirs).unwrap()]
        {
            assert_eq!(stream.read(now, &mut buffer), Ok(text.len()));
            assert_eq!(&buffer[..text.len()], text);
            assert_eq!(stream.read(now, &mut buffer), Err(ReadError::Blocked));
        }
    }

    /// An error about a segment in flight, which lands on a shard that does not have the connection.
    fn path_shrinks(&mut self, flow: &Flow) {
        self.held = Some(Vec::new());
        self.shards[flow.shard].stream(flow.ours).unwrap().write(self.now, &[7; 3000]).unwrap();
        self.exchange();
        let sent = self.held.take().unwrap();
        let message = error_about(IcmpRepr::PacketTooBig { mtu: 1000 }, &sent[0]);
        self.arrive(message, Some((flow.shard + 1) % self.shards.len()));
        self.exchange();
        assert!(self.shards[flow.shard].info(flow.ours).unwrap().mss <= 960, "it has heard");
        let mut buffer = [0; 4096];
        assert_eq!(self.peer.stream(flow.theirs).unwrap().read(self.now, &mut buffer), Ok(3000));
    }
}

#[test]
fn flows_idle_for_five_seconds_survive_whatever_the_queues_do_and_hear_of_icmp_errors() {
    for (shards, steering) in [(2, Steering::InTurn), (2, Steering::Wrong), (3, Steering::Wrong)] {
        let mut group = Group::new(shards, steering);
        let flows = group.flows();
        assert!(flows.iter().any(|flow| flow.shard == 0) && flows.iter().any(|flow| flow.shard == 1));
        group.wait(Duration::from_secs(5));
        for flow in &flows {
            group.converse(flow, b"both ways");
            group.path_shrinks(flow);
            group.converse(flow, b"and again");
        }
        let counters = group.counters();
        assert_eq!((counters.resets_sent, counters.resets_received), (0, 0));
        assert_eq!(counters.drops.get(DropReason::IcmpUnrelated), 0);
        assert_eq!(counters.handed_over, counters.taken_over);
        assert!(counters.handed_over > 2 * FLOWS as u64);
        assert_eq!(group.peer.counters().resets_sent, 0);
        for flow in &flows {
            assert_eq!(group.shards[flow.shard].state_of(&flow.tuple), State::Established);
        }
    }
}

#[test]
fn whole_lives_end_in_order_on_the_wrong_queues() {
    let mut group = Group::new(2, Steering::Wrong);
    for _ in 0..200 {
        let theirs = group.peer_connects(None);
        let flow = group.accepted(vec![theirs]).remove(0);
        group.converse(&flow, b"request");
        group.shards[flow.shard].stream(flow.ours).unwrap().close(group.now);
        group.exchange();
        group.peer.stream(flow.theirs).unwrap().close(group.now);
        group.exchange();
        assert_eq!(group.shards[flow.shard].state_of(&flow.tuple), State::TimeWait);
    }
    assert_eq!(group.counters().resets_sent + group.peer.counters().resets_sent, 0);
    group.wait(Duration::from_secs(61));
    assert!(group.shards.iter().all(|shard| shard.snapshot(group.now).time_wait.is_empty()));
}

#[test]
fn syn_for_a_time_wait_of_another_shard_reopens_it_there() {
    let mut group = Group::new(2, Steering::All(0));
    let local = SocketAddr::new(address(0, false), 40_000);
    let theirs = group.peer_connects(Some(local));
    let flow = group.accepted(vec![theirs]).remove(0);
    group.shards[0].stream(flow.ours).unwrap().close(group.now);
    group.exchange();
    group.peer.stream(theirs).unwrap().close(group.now);
    group.exchange();
    assert_eq!(group.shards[0].state_of(&flow.tuple), State::TimeWait);
    group.wait(Duration::from_secs(4));
    group.steering = Steering::All(1);
    let again = group.peer_connects(Some(local));
    assert_eq!(group.peer.state_of(&flow.tuple.reversed()), State::Established);
    assert_eq!(group.owner(&flow.tuple), Some(0));
    assert_eq!(group.shards[0].counters().reopened, 1);
    assert_eq!(group.shards[1].counters().accepted, 0);
    let flow = group.accepted(vec![again]).remove(0);
    group.converse(&flow, b"hello");
}

#[test]
fn syn_repeated_on_another_queue_finds_the_half_open_connection() {
    let mut group = Group::new(2, Steering::All(0));
    group.held = Some(Vec::new());
    let theirs = group.peer_connects(None);
    let tuple = group.peer.tuple(theirs).unwrap().reversed();
    assert_eq!(group.shards[0].state_of(&tuple), State::SynReceived);
    group.steering = Steering::All(1);
    group.wait(Duration::from_millis(1_100));
    assert!(group.shards[0].counters().taken_over >= 1, "the SYN came again");
    let half_open = |host: &Host| host.snapshot(Instant::ZERO).listeners[0].half_open;
    assert_eq!((half_open(&group.shards[0]), half_open(&group.shards[1])), (1, 0));
    let syn_acks = group.held.take().unwrap();
    let number = |bytes: &Bytes| {
        let packet = ip::parse(bytes).unwrap();
        tcp::parse(&bytes[packet.payload]).unwrap().seq
    };
    assert!(syn_acks.len() >= 2 && syn_acks.iter().all(|ack| number(ack) == number(&syn_acks[0])));
    let frame = Frame::from(syn_acks[0].clone());
    group.peer.handle_frames(group.now, InterfaceId(0), &mut core::iter::once(frame));
    group.exchange();
    assert_eq!(group.accepted(vec![theirs])[0].shard, 0);
}

#[test]
fn shards_never_take_the_same_port_towards_one_destination() {
    let mut group = Group::new(3, Steering::Wrong);
    let ports: Vec<_> = (0..3).map(|shard| group.map.ports(shard)).collect();
    let mut taken = alloc::collections::BTreeSet::new();
    for n in 0..600 {
        let shard = n % 3;
        let id = group.shards[shard].connect(group.now, peer_addr(), ConnectConfig::default()).unwrap();
        let port = group.shards[shard].tuple(id).unwrap().local.port();
        assert!(ports[shard].contains(&port) && taken.insert(port), "{port}");
    }
    group.exchange();
    assert_eq!(group.counters().opened, 600);
}

#[test]
fn with_one_shard_nothing_ever_leaves_it() {
    let mut group = Group::new(1, Steering::All(0));
    let theirs = group.peer_connects(None);
    let flow = group.accepted(vec![theirs]).remove(0);
    group.converse(&flow, b"hello");
    let nowhere = SocketAddr::new(group_addr().ip(), 81);
    group.peer.connect(group.now, nowhere, ConnectConfig::default()).unwrap();
    group.exchange();
    let counters = group.counters();
    assert_eq!((counters.handed_over, counters.resets_sent), (0, 1));
}

#[test]
fn small_window_of_a_peer_behind_two_queues_in_turn_is_filled_again_and_again() {
    let mut group = Group::new(2, Steering::InTurn);
    let tcp = TcpConfig { recv_buffer: 4096, ..TcpConfig::default() };
    let config = ConnectConfig { tcp: Some(tcp), ..ConnectConfig::default() };
    let theirs = group.peer.connect(group.now, group_addr(), config).unwrap();
    group.exchange();
    let flow = group.accepted(vec![theirs]).remove(0);
    let (mut sent, mut received) = (0, 0);
    let mut buffer = [0; 4096];
    let mut turns = Turns::default();
    while received < 100_000 {
        turns.count();
        let mut stream = group.shards[flow.shard].stream(flow.ours).unwrap();
        sent += stream.write(group.now, &[5; 9_000]).unwrap_or(0);
        group.exchange();
        received += group.peer.stream(theirs).unwrap().read(group.now, &mut buffer).unwrap_or(0);
        group.wait(Duration::from_millis(20));
    }
    assert!(sent >= received);
    assert_eq!(group.counters().resets_sent, 0);
}
