//! What is not TCP, and what TCP learns from it.

use crate::silence::{behind, far_listener};
use crate::{MIB, at};
use interop::content::{Content, sum};
use interop::stack::{Stack, brief, families};
use interop::{LINGER, Namespace, kernel};
use std::io::{ErrorKind, Read};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const SOON: Duration = Duration::from_secs(2);

#[test]
fn ping_is_answered_whole_and_in_fragments() {
    interop::require("ping");
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for address in LINGER {
        for size in ["56", "1400", "4000", "20000"] {
            let arguments = ["-n", "-c", "3", "-i", "0.05", "-W", "2", "-s", size, &address.to_string()];
            let said = namespace.spawn("ping", &arguments).succeed(Duration::from_secs(20));
            assert!(said.contains("3 received, 0% packet loss"), "{size} octets to {address}: {said}");
            assert!(!said.contains("wrong data"), "{said}");
        }
    }
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn datagrams_are_echoed_whole_and_in_fragments() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (kernel, linger) in families() {
        let ours = stack.run(stack.net().udp_bind((linger, 0))).expect("a port is free");
        let to = ours.local_addr();
        let echoing = stack.spawn(async move {
            for _ in 0..3 {
                let datagram = ours.recv().await?;
                ours.send_bytes_to(datagram.bytes, datagram.from).await?;
            }
            Ok::<_, std::io::Error>(())
        });
        let theirs = kernel::udp(&namespace, kernel);
        for length in [1, 1400, 9000] {
            let mut sent = Vec::new();
            Content::new(length, length).read_to_end(&mut sent).expect("content never fails");
            theirs.send_to(&sent, to).expect("sent");
            let mut got = vec![0; 65_536];
            let (octets, from) = theirs.recv_from(&mut got).expect("it comes back");
            assert_eq!((from, &got[..octets]), (to, sent.as_slice()), "{length} octets");
        }
        stack.run(echoing).expect("no panic").expect("echoed");
    }
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn datagram_to_a_port_where_nobody_listens_is_refused() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (kernel, linger) in families() {
        let theirs = kernel::udp(&namespace, kernel);
        theirs.connect(at(linger, 9)).expect("a datagram socket can be connected");
        theirs.send(b"anybody there?").expect("sent");
        let error = theirs.recv(&mut [0]).expect_err("port unreachable");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{linger}");
    }
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn packet_too_big_from_a_router_makes_segments_smaller_and_loses_nothing() {
    let router = Namespace::new();
    let stack = Stack::new(&router, brief());
    let far = behind(&router);
    // Only the router's end knows: the far host still says in its SYN that it takes 1,460 octets.
    router.ip("link set cable mtu 1300");
    for family in [0, 1] {
        let (listener, address) = far_listener(&far, family);
        let mut ours = stack.run(stack.net().connect(address)).expect("the far host accepts");
        let theirs = kernel::accept(&listener);
        let before = ours.info().mss;
        let writing = stack.spawn(async move {
            let mut text = Vec::new();
            Content::new(MIB, 9).read_to_end(&mut text).expect("content never fails");
            ours.write_all(&text).await?;
            ours.shutdown().await?;
            Ok::<_, std::io::Error>(ours)
        });
        assert_eq!(sum(&theirs).expect("it arrives"), sum(Content::new(MIB, 9)).expect("never fails"));
        let ours = stack.run(writing).expect("no panic").expect("written");
        let after = ours.info().mss;
        drop(theirs);
        assert_eq!(stack.run(ours.close()), Ok(()));
        assert!(after <= before - 200, "segments of {before} octets became {after}");
    }
    stack.assert_quiescent_within(SOON);
}
