//! Handshakes in both directions, refusals, the backlog, and what is negotiated.

use crate::at;
use interop::kernel::{self, connect, connect_within};
use interop::stack::{Stack, brief, families};
use interop::{Namespace, wait};
use linger::{TcpListener, TcpStream};
use linger_proto::{HostConfig, ListenConfig, State};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_secs(2);

/// A connection that the kernel opened.
pub(crate) fn passive(
    namespace: &Namespace,
    stack: &Stack,
    address: IpAddr,
) -> (TcpStream, std::net::TcpStream) {
    let listener = stack.run(stack.net().listen((address, 0))).expect("a port is free");
    accepted(namespace, stack, &listener)
}

fn accepted(
    namespace: &Namespace,
    stack: &Stack,
    listener: &TcpListener,
) -> (TcpStream, std::net::TcpStream) {
    let theirs = connect(namespace, listener.local_addr()).expect("linger accepts");
    let (ours, peer) = stack.run(listener.accept()).expect("it came");
    assert_eq!(peer, theirs.local_addr().expect("it is bound"));
    (ours, theirs)
}

/// A connection that linger opened.
pub(crate) fn active(
    namespace: &Namespace,
    stack: &Stack,
    address: IpAddr,
) -> (TcpStream, std::net::TcpStream) {
    let (listener, local) = kernel::listen(namespace, address);
    let ours = stack.run(stack.net().connect(local)).expect("the kernel accepts");
    let theirs = kernel::accept(&listener);
    assert_eq!(theirs.peer_addr().expect("it is connected"), ours.local_addr());
    (ours, theirs)
}

/// Text goes both ways, then both close: the kernel first.
#[track_caller]
pub(crate) fn converse(stack: &Stack, mut ours: TcpStream, mut theirs: std::net::TcpStream) {
    stack.run(ours.write_all(b"from linger")).expect("written");
    let mut text = [0; 11];
    theirs.read_exact(&mut text).expect("it arrives");
    assert_eq!(&text, b"from linger");
    theirs.write_all(b"from the kernel").expect("written");
    let mut text = [0; 15];
    stack.run(ours.read_exact(&mut text)).expect("it arrives");
    assert_eq!(&text, b"from the kernel");
    drop(theirs);
    assert_eq!(stack.run(ours.close()), Ok(()));
}

#[test]
fn kernel_opens_a_connection_over_both_families() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (_, address) in families() {
        let (ours, theirs) = passive(&namespace, &stack, address);
        converse(&stack, ours, theirs);
    }
    stack.assert_quiescent_within(SOON);
}

#[test]
fn linger_opens_a_connection_over_both_families() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (address, _) in families() {
        let (ours, theirs) = active(&namespace, &stack, address);
        converse(&stack, ours, theirs);
    }
    stack.assert_quiescent_within(SOON);
}

#[test]
fn port_where_nobody_listens_is_refused_in_both_directions() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (kernel, linger) in families() {
        let error = connect(&namespace, at(linger, 9)).expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{linger}");
        let error = stack.run(stack.net().connect(at(kernel, 9))).expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{kernel}");
    }
    stack.assert_quiescent_within(SOON);
}

#[test]
fn backlog_lets_in_one_more_than_it_says_and_the_next_when_one_is_accepted() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    for (_, address) in families() {
        let listen = stack.net().listen_with(at(address, 0), ListenConfig::default().backlog(2));
        let listener = stack.run(listen).expect("a port is free");
        let to = listener.local_addr();
        let mut waiting: Vec<_> = (0..3).map(|_| connect(&namespace, to).expect("there is room")).collect();
        wait::until("three to wait", SOON, || {
            stack.net().snapshot().listeners.iter().any(|listener| listener.accept_queue == 3)
        });
        let error = connect_within(&namespace, to, Duration::from_millis(300)).expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let (first, peer) = stack.run(listener.accept()).expect("three wait");
        assert_eq!(peer, waiting.remove(0).local_addr().expect("it is bound"), "the longest-waiting first");
        waiting.push(connect(&namespace, to).expect("there is room again"));
        let others: Vec<_> = (0..3).map(|_| stack.run(listener.accept()).expect("it waits").0).collect();
        drop(waiting);
        for ours in others.into_iter().chain([first]) {
            let _ = stack.run(ours.close());
        }
    }
    stack.assert_quiescent_within(SOON);
}

/// What both ends agree on.
#[derive(Debug, PartialEq)]
struct Agreed {
    timestamps: bool,
    sack: bool,
    scaling: bool,
}

/// Opens a connection in each direction and family; both ends must say `wanted` of it.
#[track_caller]
fn assert_agreed(namespace: &Namespace, config: HostConfig, wanted: &Agreed) {
    let stack = Stack::new(namespace, config);
    for (kernel, linger) in families() {
        for (ours, mut theirs) in [passive(namespace, &stack, linger), active(namespace, &stack, kernel)] {
            // The kernel shows no options before it has sent text.
            theirs.write_all(b"x").expect("written");
            let info = ours.info();
            assert_eq!((info.timestamps, info.sack), (wanted.timestamps, wanted.sack), "{info:?}");
            let shown = kernel::socket(namespace, ours.local_addr());
            let words: Vec<&str> = shown.split_whitespace().collect();
            let scaling = words.iter().any(|word| word.starts_with("wscale:"));
            let seen = Agreed { timestamps: words.contains(&"ts"), sack: words.contains(&"sack"), scaling };
            assert_eq!(&seen, wanted, "{shown}");
            ours.abort();
        }
    }
    stack.assert_quiescent_within(SOON);
}

#[test]
fn timestamps_sack_and_scaling_are_used_when_both_offer_them() {
    let wanted = Agreed { timestamps: true, sack: true, scaling: true };
    assert_agreed(&Namespace::new(), brief(), &wanted);
}

#[test]
fn timestamps_that_one_side_does_not_offer_are_not_used() {
    let wanted = Agreed { timestamps: false, sack: true, scaling: true };
    let namespace = Namespace::new();
    namespace.sysctl("net.ipv4.tcp_timestamps", "0");
    assert_agreed(&namespace, brief(), &wanted);
    let mut config = brief();
    config.tcp.timestamps = false;
    assert_agreed(&Namespace::new(), config, &wanted);
}

#[test]
fn sack_that_one_side_does_not_offer_is_not_used() {
    let wanted = Agreed { timestamps: true, sack: false, scaling: true };
    let namespace = Namespace::new();
    namespace.sysctl("net.ipv4.tcp_sack", "0");
    assert_agreed(&namespace, brief(), &wanted);
    let mut config = brief();
    config.tcp.sack = false;
    assert_agreed(&Namespace::new(), config, &wanted);
}

#[test]
fn window_scaling_that_one_side_does_not_offer_is_not_used() {
    let wanted = Agreed { timestamps: true, sack: true, scaling: false };
    let namespace = Namespace::new();
    namespace.sysctl("net.ipv4.tcp_window_scaling", "0");
    assert_agreed(&namespace, brief(), &wanted);
    let mut config = brief();
    config.tcp.window_scaling = false;
    assert_agreed(&Namespace::new(), config, &wanted);
}

#[test]
fn segment_size_follows_the_kernels_mtu() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    // The options of each segment take 12 octets for timestamps.
    let headers = |address: SocketAddr| if address.is_ipv4() { 20 + 20 + 12 } else { 40 + 20 + 12 };
    for mtu in [1500, 1300] {
        namespace.ip(&format!("link set linger0 mtu {mtu}"));
        for (kernel, linger) in families() {
            for (ours, theirs) in [passive(&namespace, &stack, linger), active(&namespace, &stack, kernel)] {
                assert_eq!(
                    ours.info().mss,
                    mtu - headers(ours.local_addr()),
                    "MTU {mtu}, {:?}",
                    ours.local_addr()
                );
                drop(theirs);
                assert_eq!(stack.run(ours.close()), Ok(()));
            }
        }
    }
    stack.assert_quiescent_within(SOON);
}

#[test]
fn syn_that_is_not_answered_is_sent_again_until_the_listener_is_there() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let (address, _) = families()[0];
    let (listener, local) = kernel::listen(&namespace, address);
    namespace.ip("link set linger0 down");
    let net = stack.net().clone();
    let connecting = stack.spawn(async move { net.connect(local).await });
    stack.wait_for_state(local, State::SynSent);
    namespace.ip("link set linger0 up");
    let ours = stack.run(connecting).expect("no panic").expect("the second SYN arrives");
    drop(kernel::accept(&listener));
    assert_eq!(stack.run(ours.close()), Ok(()));
    stack.assert_quiescent_within(SOON);
}
