//! A stack on two queues of a TUN. The kernel sends a flow to the queue that our last packet of it came from, forgets that
//! after three idle seconds, and then goes by a hash whose key it keeps to itself; ICMP errors hash elsewhere.

use crate::at;
use interop::kernel::{self, connect};
use interop::stack::{Stack, brief, families};
use interop::{KERNEL, LINGER, Namespace, wait};
use linger::proto::wire::icmp::{IcmpRepr, Unreachable};
use linger::proto::{DropReason, ListenConfig};
use linger::{Counters, TcpStream};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Connections in each direction.
const FLOWS: usize = 1_000;
/// Longer than the kernel remembers a flow.
const SILENCE: Duration = Duration::from_secs(5);

/// linger's end of a connection, and the kernel's.
struct Flow {
    ours: TcpStream,
    theirs: std::net::TcpStream,
}

/// Opens [`FLOWS`] connections each way.
fn flows(namespace: &Namespace, stack: &Stack) -> Vec<Flow> {
    let config = ListenConfig::default().backlog(4096);
    let here = stack.run(stack.net().listen_with(at(LINGER[0], 80), config)).expect("free");
    let (there, address) = kernel::listen(namespace, KERNEL[0]);
    let mut flows = Vec::new();
    for _ in 0..FLOWS {
        let theirs = connect(namespace, here.local_addr()).expect("linger accepts");
        let (ours, peer) = stack.run(here.accept()).expect("it came");
        assert_eq!(peer, theirs.local_addr().expect("it is bound"));
        flows.push(Flow { ours, theirs });
        let ours = stack.run(stack.net().connect(address)).expect("the kernel accepts");
        flows.push(Flow { ours, theirs: kernel::accept(&there) });
    }
    flows
}

/// Text both ways on every flow; every second one begins with the kernel's.
fn converse(stack: &Stack, flows: &mut [Flow], word: &[u8]) {
    let mut text = vec![0; word.len()];
    for (number, Flow { ours, theirs }) in flows.iter_mut().enumerate() {
        let kernel_first = number / 2 % 2 == 0;
        if kernel_first {
            theirs.write_all(word).expect("open");
        }
        stack.run(ours.write_all(word)).expect("open");
        if !kernel_first {
            theirs.write_all(word).expect("open");
        }
        theirs.read_exact(&mut text).expect("open");
        assert_eq!(text, word);
        stack.run(ours.read_exact(&mut text)).expect("open");
        assert_eq!(text, word);
    }
}

/// The kernel sends an error about a segment that `ours` might have sent long ago.
fn complain(raw: &OwnedFd, ours: &TcpStream) {
    let (SocketAddr::V4(local), SocketAddr::V4(remote)) = (ours.local_addr(), ours.peer_addr()) else {
        panic!("these flows are IPv4");
    };
    let mut quoted = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    quoted.extend(local.ip().octets().into_iter().chain(remote.ip().octets()));
    quoted.extend(local.port().to_be_bytes().into_iter().chain(remote.port().to_be_bytes()));
    quoted.extend([0; 4]);
    let addresses: [IpAddr; 2] = [KERNEL[0], LINGER[0]];
    let header = IcmpRepr::Unreachable(Unreachable::Host).emit(addresses[0], addresses[1], &quoted);
    let message = [&header[..], &quoted].concat();
    let to = SockaddrIn::new(10, 7, 0, 2, 0);
    sendto(raw.as_raw_fd(), &message, &to, MsgFlags::empty()).expect("a raw socket sends");
}

fn errors_heard(counters: &Counters) -> u64 {
    counters.drops.get(DropReason::IcmpOutOfFlight) + counters.drops.get(DropReason::IcmpUnrelated)
}

#[test]
fn flows_on_two_queues_that_fall_silent_are_neither_lost_nor_reset() {
    let namespace = Namespace::new();
    let stack = Stack::sharded(&namespace, brief(), 2);
    assert_eq!(stack.net().shards(), 2);
    let mut flows = flows(&namespace, &stack);
    for shard in [0, 1] {
        let mine = flows.iter().filter(|flow| flow.ours.shard() == shard).count();
        assert!(mine > FLOWS / 2, "{mine} flows on shard {shard}");
    }
    converse(&stack, &mut flows, b"hello");
    wait::pass(SILENCE);
    converse(&stack, &mut flows, b"still there?");
    wait::pass(SILENCE);
    let before = stack.net().counters();
    assert_eq!(errors_heard(&before), 0);
    let raw = namespace.enter(|| {
        socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Icmp).expect("root may")
    });
    for batch in flows.chunks(100) {
        let heard = errors_heard(&stack.net().counters());
        batch.iter().for_each(|flow| complain(&raw, &flow.ours));
        wait::until("the errors to arrive", Duration::from_secs(5), || {
            errors_heard(&stack.net().counters()) == heard + batch.len() as u64
        });
    }
    // Whoever has the connection knows that the segment is not in flight; anybody else would call it unrelated.
    assert_eq!(stack.net().counters().drops.get(DropReason::IcmpUnrelated), 0);
    converse(&stack, &mut flows, b"good night");
    let counters = stack.net().counters();
    assert_eq!((counters.resets_sent, counters.resets_received), (0, 0));
    assert_eq!((counters.opened, counters.accepted), (FLOWS as u64, FLOWS as u64));
    assert_eq!(counters.drops.get(DropReason::HandOverFull), 0);
    assert!(counters.handed_over > FLOWS as u64, "{} were handed over", counters.handed_over);
    for Flow { ours, theirs } in flows {
        drop(theirs);
        stack.run(ours.close()).expect("closed in order");
    }
    stack.assert_quiescent_within(Duration::from_secs(5));
}

#[test]
fn fragments_of_a_datagram_meet_whatever_queues_they_come_by() {
    let namespace = Namespace::new();
    let stack = Stack::sharded(&namespace, brief(), 2);
    for (kernel, linger) in families() {
        for port in [5_000, 5_001] {
            let ours = stack.run(stack.net().udp_bind((linger, port))).expect("free");
            for _ in 0..20 {
                let theirs = kernel::udp(&namespace, kernel);
                let text = vec![7; 9_000];
                theirs.send_to(&text, ours.local_addr()).expect("sent");
                let mut buffer = vec![0; 10_000];
                let (length, from) = stack.run(ours.recv_from(&mut buffer)).expect("received");
                assert_eq!((length, from), (9_000, theirs.local_addr().expect("it is bound")));
                stack.run(ours.send_to(&text, from)).expect("sent");
                assert_eq!(theirs.recv(&mut buffer).expect("received"), 9_000);
            }
        }
    }
}
