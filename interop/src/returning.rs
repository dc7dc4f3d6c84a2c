//! A kernel's client that comes back from the same port at once, again and again, while linger closes first and so holds
//! the TIME-WAIT.

use crate::stack::{Stack, interface_config};
use crate::{KERNEL, LINGER, Namespace};
use linger_proto::{Counters, HostConfig};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use std::collections::BTreeMap;
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

/// A connect that takes longer is looked into: less than the second after which the kernel repeats a SYN.
const SLOW: Duration = Duration::from_millis(500);

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The longest time that one connect took: a SYN that gets no answer comes again after a second.
    pub slowest: Duration,
    /// Those that took longer than half a second.
    pub slow: Vec<Connect>,
    /// What linger counted.
    pub counters: Counters,
    /// What the kernel counted in this namespace, where it is not zero: `Tcp:`, `TcpExt:` and the TUN's row.
    pub kernel: BTreeMap<String, u64>,
}

/// One connect.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Which one, from zero.
    pub number: u32,
    /// From the first socket to the established connection.
    pub took: Duration,
    /// How much of that passed before the kernel gave its own port and sent the SYN.
    pub waited: Duration,
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
    let (slowest, slow, kernel) = namespace.enter(|| {
        let (mut slowest, mut slow) = (Duration::ZERO, Vec::new());
        for number in 0..count {
            let began = Instant::now();
            let (mut stream, waited) = open(KERNEL[usize::from(v6)], ours);
            let took = began.elapsed();
            slowest = slowest.max(took);
            if took > SLOW {
                slow.push(Connect { number, took, waited });
            }
            let read = stream.read(&mut [0]);
            assert!(matches!(read, Ok(0)), "connection {number}: {read:?}");
        }
        (slowest, slow, counted())
    });
    stack.run(serving).expect("no panic");
    Outcome { slowest, slow, counters: stack.net().counters(), kernel }
}

/// What the kernel has counted in the namespace of this thread.
fn counted() -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for file in ["snmp", "netstat"] {
        let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).expect("proc is there");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Tcp")).collect();
        for pair in lines.chunks_exact(2) {
            let words = pair[0].split_whitespace().zip(pair[1].split_whitespace()).skip(1);
            all.extend(words.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))));
        }
    }
    let devices = std::fs::read_to_string("/proc/thread-self/net/dev").expect("proc is there");
    let row = devices.lines().find_map(|line| line.trim().strip_prefix("linger0:")).expect("the TUN");
    let numbers: Vec<u64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    for (name, place) in [("TunRxErrors", 2), ("TunRxDropped", 3), ("TunTxErrors", 10), ("TunTxDropped", 11)]
    {
        all.insert(name.to_owned(), numbers[place]);
    }
    all.retain(|_, value| *value > 0);
    all
}

/// Connects from the one port, as soon as the kernel itself has let go of it: until linger's last ACK has come, the
/// kernel's own LAST-ACK holds it. Also how long that took.
fn open(from: IpAddr, to: SocketAddr) -> (TcpStream, Duration) {
    let family = if from.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let began = Instant::now();
    loop {
        let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
        setsockopt(&fd, sockopt::ReuseAddr, &true).expect("SO_REUSEADDR can be set");
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, PORT))).expect("the port is ours");
        let waited = began.elapsed();
        match connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) => {
                let stream = TcpStream::from(fd);
                stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
                return (stream, waited);
            }
            Err(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE) if began.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            Err(error) => panic!("connect: {error}"),
        }
    }
}
