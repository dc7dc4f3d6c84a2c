//! Connections: none lost, none reset, wherever their frames land.

use super::*;
use bytes::Bytes;
use linger::TcpStream;
use linger::proto::wire::icmp::{IcmpRepr, Unreachable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Connections in each direction.
const FLOWS: usize = 1_000;
/// Where the peer listens.
const THEIRS: u16 = 81;

/// The end of the stack with shards, and the peer's.
type Flow = (TcpStream, TcpStream);

async fn flows(net: &Net, peer: &Net) -> Vec<Flow> {
    let ours = net.listen(server_addr()).await.expect("free");
    let theirs = peer.listen((RIGHT, THEIRS)).await.expect("free");
    let mut flows = Vec::new();
    for _ in 0..FLOWS {
        let (there, here) = tokio::join!(peer.connect(server_addr()), ours.accept());
        flows.push((here.expect("accepted").0, there.expect("connected")));
        let (here, there) = tokio::join!(net.connect((RIGHT, THEIRS)), theirs.accept());
        flows.push((here.expect("connected"), there.expect("accepted").0));
    }
    flows
}

async fn converse(flow: &mut Flow, text: &[u8]) {
    let (here, there) = flow;
    here.write_all(text).await.expect("open");
    there.write_all(text).await.expect("open");
    for end in [here, there] {
        let mut read = vec![0; text.len()];
        end.read_exact(&mut read).await.expect("open");
        assert_eq!(read, text);
    }
}

/// What a router says about a packet that it could not deliver.
fn error_about(packet: &Frame) -> Transmit {
    let quoted = &packet.bytes[..28];
    let router = "10.0.0.77".parse().expect("an address");
    let message = IcmpRepr::Unreachable(Unreachable::Host).emit(router, LEFT.into(), quoted);
    let mut error = Transmit::default();
    let repr = ip::IpRepr {
        source: router,
        destination: LEFT.into(),
        protocol: ip::PROTOCOL_ICMP,
        payload_len: message.len() + quoted.len(),
        hop_limit: 60,
        ecn: 0,
        identification: 0,
        dont_fragment: false,
    };
    ip::emit_header(&repr, &mut error.header);
    error.header.try_extend_from_slice(&message).expect("room");
    error.text.push(Bytes::copy_from_slice(quoted));
    error
}

async fn long_afternoon(shards: usize, habit: Habit) -> Net {
    let queues = Queues::new(shards, habit);
    let (builder, far) = sharded(&queues);
    let (device, inject) = Injecting::new(far);
    let (net, peer) = (builder.spawn().expect("inside a runtime"), peer(device));
    let mut flows = flows(&net, &peer).await;
    for shard in 0..shards {
        assert!(flows.iter().any(|(here, _)| here.shard() == shard), "no flow on shard {shard}");
    }
    for flow in &mut flows {
        converse(flow, b"good morning").await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    for flow in &mut flows {
        converse(flow, b"good evening").await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let packets = queues.last_packets();
    assert_eq!(packets.len(), 2 * FLOWS);
    for packet in &packets {
        inject.send(error_about(packet)).expect("the device is there");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Each error was about a segment that had arrived: whoever has the connection says so, anybody else "unrelated".
    assert_eq!(drops(&net, DropReason::IcmpOutOfFlight), 2 * FLOWS as u64);
    assert_eq!(drops(&net, DropReason::IcmpUnrelated), 0);
    for flow in &mut flows {
        converse(flow, b"good night").await;
    }
    for (here, there) in flows {
        assert_eq!(tokio::join!(here.close(), there.close()), (Ok(()), Ok(())));
    }
    past_time_wait().await;
    for stack in [&net, &peer] {
        let counters = stack.counters();
        assert_eq!((counters.resets_sent, counters.resets_received), (0, 0));
        assert_eq!((counters.opened, counters.accepted), (FLOWS as u64, FLOWS as u64));
        stack.assert_quiescent();
    }
    let counters = net.counters();
    assert_eq!(counters.handed_over, counters.taken_over);
    net
}

#[tokio::test(start_paused = true)]
async fn flows_survive_queues_that_take_turns_frame_by_frame() {
    let net = long_afternoon(2, Habit::InTurn).await;
    assert!(net.counters().handed_over > 3 * FLOWS as u64);
}

#[tokio::test(start_paused = true)]
async fn flows_survive_queues_that_never_learn() {
    long_afternoon(3, Habit::Contrary).await;
}

#[tokio::test(start_paused = true)]
async fn flows_survive_a_kernel_that_forgets_after_three_seconds() {
    let net = long_afternoon(2, Habit::Kernel).await;
    let accepted = [net.counters_of(0).accepted, net.counters_of(1).accepted];
    assert!(
        accepted.iter().all(|accepted| *accepted > FLOWS as u64 / 4),
        "owned where they landed: {accepted:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn full_queue_between_shards_is_counted_and_the_text_arrives_all_the_same() {
    let queues = Queues::new(2, Habit::Only(0));
    let (builder, far) = sharded(&queues);
    let net = builder.hand_over_queue(2).spawn().expect("inside a runtime");
    let peer = peer(far);
    let (_listener, mut here, mut there) = connected(&net, &peer).await;
    queues.change(Habit::Only(1));
    let text = vec![7; 1 << 20];
    let sending = tokio::spawn(async move {
        there.write_all(&text).await.expect("open");
        there.close().await
    });
    let mut read = Vec::new();
    here.read_to_end(&mut read).await.expect("open");
    assert_eq!(read.len(), 1 << 20);
    here.close().await.expect("closed in order");
    sending.await.expect("task").expect("closed in order");
    let counters = net.counters();
    assert!(counters.drops.get(DropReason::HandOverFull) > 0);
    assert_eq!(counters.handed_over, counters.taken_over + counters.drops.get(DropReason::HandOverFull));
}
