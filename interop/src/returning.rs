//! A kernel's client that comes back from the same port at once, again and again, while linger closes first and so holds
//! the TIME-WAIT.

use crate::stack::{Stack, interface_config};
use crate::{KERNEL, LINGER, Namespace};
use linger_proto::{Counters, HostConfig};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// The client's port.
const PORT: u16 = 40_000;
/// The server's.
const SERVER: u16 = 80;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The longest time that one connect took: a SYN that is refused comes again after a second.
    pub slowest: Duration,
    /// What linger counted.
    pub counters: Counters,
}

/// Connects `count` times from one port to linger, which closes first each time. `timestamps` is the kernel's
/// `tcp_timestamps`; `v6` the family.
///
/// # Panics
///
/// When a connect fails, or something does not end in order.
#[must_use]
pub fn returning(timestamps: u8, v6: bool, count: u32) -> Outcome {
    let namespace = Namespace::new();
    namespace.sysctl("net.ipv4.tcp_timestamps", &timestamps.to_string());
    let stack = Stack::new(&namespace, HostConfig::default());
    let ours = SocketAddr::new(LINGER[usize::from(v6)], SERVER);
    assert!(interface_config().addresses.iter().any(|(address, _)| *address == ours.ip()));
    let listener = stack.run(stack.net().listen(ours)).expect("the port is free");
    let serving = stack.spawn(async move {
        for number in 0..count {
            let (stream, _) = listener.accept().await.expect("the stack lives");
            // In order: the peer acknowledged our FIN, and closed too.
            stream.close().await.unwrap_or_else(|error| panic!("connection {number}: {error}"));
        }
    });
    let slowest = namespace.enter(|| {
        let mut slowest = Duration::ZERO;
        for number in 0..count {
            let began = Instant::now();
            let mut stream = open(KERNEL[usize::from(v6)], ours);
            slowest = slowest.max(began.elapsed());
            let read = stream.read(&mut [0]);
            assert!(matches!(read, Ok(0)), "connection {number}: {read:?}");
        }
        slowest
    });
    stack.run(serving).expect("no panic");
    Outcome { slowest, counters: stack.net().counters() }
}

/// Connects from the one port, as soon as the kernel itself has let go of it: until linger's last ACK has come, the
/// kernel's own LAST-ACK holds it.
fn open(from: IpAddr, to: SocketAddr) -> TcpStream {
    let family = if from.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let began = Instant::now();
    loop {
        let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
        setsockopt(&fd, sockopt::ReuseAddr, &true).expect("SO_REUSEADDR can be set");
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, PORT))).expect("the port is ours");
        match connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) => {
                let stream = TcpStream::from(fd);
                stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
                return stream;
            }
            Err(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE) if began.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            Err(error) => panic!("connect: {error}"),
        }
    }
}
