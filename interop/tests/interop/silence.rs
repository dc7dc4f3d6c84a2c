//! Peers that die without a word: behind a router, so that their end can vanish and ours stays.

use interop::namespace::join;
use interop::stack::{Stack, brief};
use interop::{KERNEL, LINGER, Namespace, kernel, wait};
use linger_proto::HostConfig;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The far host's addresses.
const FAR: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 8, 0, 2)), IpAddr::V6(Ipv6Addr::new(0xfd08, 0, 0, 0, 0, 0, 0, 2))];

/// A namespace behind `router`, which has a stack on its TUN already.
pub(crate) fn behind(router: &Namespace) -> Namespace {
    let far = Namespace::new();
    join(router, &far, "cable");
    for (namespace, host) in [(router, 1), (&far, 2)] {
        namespace.ip(&format!("address add 10.8.0.{host}/24 dev cable"));
        // A router asks for its neighbours from its link-local address.
        for prefix in ["fd08", "fe80"] {
            namespace.ip(&format!("address add {prefix}::{host}/64 dev cable nodad"));
        }
    }
    router.sysctl("net.ipv4.ip_forward", "1");
    router.sysctl("net.ipv6.conf.all.forwarding", "1");
    for (ours, theirs) in LINGER.into_iter().zip(["10.8.0.1", "fd08::1"]) {
        far.ip(&format!("route add {ours} via {theirs}"));
    }
    far
}

/// Listens on the far host, in one family.
pub(crate) fn far_listener(far: &Namespace, family: usize) -> (TcpListener, SocketAddr) {
    kernel::listen(far, FAR[family])
}

fn impatient() -> HostConfig {
    let mut config = brief();
    config.tcp.user_timeout = Duration::from_secs(2);
    config.tcp.orphan_timeout = Duration::from_secs(2);
    config.tcp.syn_timeout = Duration::from_secs(2);
    config
}

#[test]
fn peer_whose_namespace_is_torn_down_leaves_nothing_after_the_user_timeout() {
    let router = Namespace::new();
    let stack = Stack::new(&router, impatient());
    let far = behind(&router);
    let (mut streams, mut theirs) = (Vec::new(), Vec::new());
    for family in [0, 1] {
        let (listener, address) = far_listener(&far, family);
        streams.push(stack.run(stack.net().connect(address)).expect("the far host accepts"));
        theirs.push(kernel::accept(&listener));
    }
    // Unplugged first: a kernel that ends a socket would still say so.
    far.ip("link set cable down");
    drop(theirs);
    far.tear_down();
    let began = Instant::now();
    for stream in &mut streams {
        stack.run(stream.write_all(b"anybody there?")).expect("there is room");
    }
    for mut stream in streams {
        let error = stack.run(stream.read(&mut [0])).expect_err("nobody is there");
        assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::HostUnreachable), "{error:?}");
        drop(stream);
    }
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "the user timeout is two seconds: {:?}",
        began.elapsed()
    );
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn orphan_whose_peer_is_dead_leaves_nothing_after_its_time_limit() {
    let router = Namespace::new();
    let stack = Stack::new(&router, impatient());
    let far = behind(&router);
    let (listener, address) = far_listener(&far, 1);
    let mut stream = stack.run(stack.net().connect(address)).expect("the far host accepts");
    let _theirs = kernel::accept(&listener);
    router.ip("link set cable down");
    stack.run(stream.write_all(b"farewell")).expect("there is room");
    drop(stream);
    wait::pass(Duration::from_millis(100));
    assert_eq!(stack.net().snapshot().connections.len(), 1, "an orphan tries for a while");
    stack.assert_quiescent_within(Duration::from_secs(6));
}

#[test]
fn connect_to_a_host_that_is_not_there_ends_with_the_timeout() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, impatient());
    // The kernel forwards nothing, and says so to nobody.
    let error =
        stack.run(stack.net().connect((Ipv4Addr::new(10, 9, 0, 1), 80))).expect_err("nobody is there");
    assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::HostUnreachable), "{error:?}");
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn interface_that_goes_down_and_comes_back_loses_nothing() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, HostConfig::default());
    let (listener, address) = kernel::listen(&namespace, KERNEL[0]);
    let mut stream = stack.run(stack.net().connect(address)).expect("the kernel accepts");
    let mut theirs = kernel::accept(&listener);
    namespace.ip("link set linger0 down");
    stack.run(stream.write_all(b"hello")).expect("there is room");
    wait::pass(Duration::from_millis(300));
    namespace.ip("link set linger0 up");
    let mut text = [0; 5];
    std::io::Read::read_exact(&mut theirs, &mut text).expect("it is sent again");
    assert_eq!(&text, b"hello");
    stream.abort();
    stack.assert_quiescent_within(Duration::ZERO);
}
