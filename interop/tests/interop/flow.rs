//! Windows, small segments, acknowledgments that wait, and probes of an idle peer.

use crate::opening::{active, passive};
use interop::capture::{Capture, Seen, TCP};
use interop::content::{Content, sum};
use interop::gate::{Gate, Valve};
use interop::kernel;
use interop::stack::{INTERFACE, Stack, brief, families};
use interop::{Namespace, wait};
use linger_proto::{ConnectConfig, HostConfig, KeepAlive, State};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

const SOON: Duration = Duration::from_secs(2);
/// Far more than any two buffers hold.
const LONG: u64 = 32 << 20;

#[test]
fn kernel_that_stops_reading_is_probed_and_receives_everything_once_it_reads_again() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let wanted = sum(Content::new(LONG, 2)).expect("content never fails");
    let (address, _) = families()[1];
    let (mut ours, theirs) = active(&namespace, &stack, address);
    let local = ours.local_addr();
    let capture = Capture::start(&namespace, INTERFACE, TCP);
    let writing = stack.spawn(async move {
        let (mut source, mut piece) = (Content::new(LONG, 2), vec![0; 1 << 16]);
        while let Ok(octets @ 1..) = source.read(&mut piece) {
            ours.write_all(&piece[..octets]).await?;
        }
        ours.shutdown().await?;
        Ok::<_, std::io::Error>(ours)
    });
    let window = || stack.net().snapshot().connections.first().map(|connection| connection.info.snd_wnd);
    wait::until("the kernel's window to close", Duration::from_secs(10), || window() == Some(0));
    // Long enough for several probes: the first after 200 ms, each later one after twice as long.
    wait::pass(Duration::from_millis(1500));
    assert_eq!(window(), Some(0), "nobody has read");
    assert_eq!(sum(&theirs).expect("it arrives"), wanted);
    drop(theirs);
    let ours = stack.run(writing).expect("no panic").expect("everything was written");
    assert_eq!(stack.run(ours.close()), Ok(()));
    let probes = probes(&capture.stop(), local);
    assert!(probes >= 2, "{probes} probes of a window that stayed shut for 1.5 s");
    stack.assert_quiescent_within(SOON);
}

/// Segments from `local` with nothing, or one octet, at a place that the peer had acknowledged or had no window for.
fn probes(seen: &[Seen], local: std::net::SocketAddr) -> usize {
    let mut shut_at = None;
    let mut probes = 0;
    for segment in seen {
        if segment.from == local {
            let probe = segment.text <= 1
                && !segment.fin()
                && shut_at.is_some_and(|at| segment.seq.wrapping_sub(at) > u32::MAX - 2 || segment.seq == at);
            probes += usize::from(probe);
        } else {
            shut_at = Some(segment.ack);
        }
    }
    probes
}

#[test]
fn linger_that_stops_reading_shuts_its_window_and_receives_everything_once_it_reads_again() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let wanted = sum(Content::new(LONG, 3)).expect("content never fails");
    let (_, address) = families()[0];
    let (mut ours, mut theirs) = passive(&namespace, &stack, address);
    let local = ours.local_addr();
    let writing = std::thread::spawn(move || {
        std::io::copy(&mut Content::new(LONG, 3), &mut theirs).expect("everything leaves in the end");
        theirs.shutdown(Shutdown::Write).expect("it is open");
        theirs
    });
    wait::until("the kernel to probe our window", Duration::from_secs(10), || {
        kernel::socket(&namespace, local).contains("timer:(persist")
    });
    assert!(
        ours.info().rcv_wnd < ours.info().mss.into(),
        "less than a segment is offered: {:?}",
        ours.info()
    );
    let read = stack.run(async {
        let mut all = Vec::new();
        ours.read_to_end(&mut all).await.map(|_| all)
    });
    assert_eq!(sum(read.expect("it arrives").as_slice()).expect("memory can be read"), wanted);
    drop(writing.join().expect("no panic"));
    assert_eq!(stack.run(ours.close()), Ok(()));
    stack.assert_quiescent_within(SOON);
}

/// A stack behind a gate.
fn gated(namespace: &Namespace, config: HostConfig) -> (Stack, Valve) {
    let mut valve = None;
    let stack = Stack::with_device(namespace, config, |tun| {
        let (gate, its_valve) = Gate::new(tun);
        valve = Some(its_valve);
        gate
    });
    (stack, valve.expect("the device was wrapped"))
}

/// Ten writes of one octet while no acknowledgment arrives: the text of each frame that left meanwhile, and of each
/// that left afterwards.
fn ten_small_writes(nodelay: bool) -> (Vec<usize>, Vec<usize>) {
    let namespace = Namespace::new();
    let (stack, valve) = gated(&namespace, brief());
    let (address, _) = families()[0];
    let (mut ours, mut theirs) = active(&namespace, &stack, address);
    ours.set_nodelay(nodelay);
    valve.shut();
    valve.take_sent();
    for written in 1..=10 {
        stack.run(ours.write_all(b"x")).expect("written");
        let left = || valve.sent_count() == if nodelay { written } else { 1 };
        wait::until("the octet to leave, or to stay", SOON, left);
    }
    // Whatever were to leave too early has had its time.
    wait::pass(Duration::from_millis(20));
    let before = valve.take_sent();
    valve.open();
    let mut text = [0; 10];
    theirs.read_exact(&mut text).expect("all ten arrive");
    drop(theirs);
    assert_eq!(stack.run(ours.close()), Ok(()));
    // Only now: the kernel may have read a frame before the gate has counted it.
    let after = valve.take_sent();
    stack.assert_quiescent_within(SOON);
    (before, after)
}

#[test]
fn nagle_gathers_small_writes_until_the_first_is_acknowledged() {
    assert_eq!(ten_small_writes(false), (vec![1], vec![9]));
}

#[test]
fn without_nagle_small_writes_leave_at_once() {
    assert_eq!(ten_small_writes(true), (vec![1; 10], vec![]));
}

/// Acknowledgments without text that linger sends for ten exchanges of one octet each way.
fn pure_acks_of_ten_exchanges(delayed_ack: Duration) -> usize {
    let namespace = Namespace::new();
    let mut config = brief();
    config.tcp.delayed_ack = delayed_ack;
    let stack = Stack::new(&namespace, config);
    let (_, address) = families()[1];
    let (mut ours, mut theirs) = passive(&namespace, &stack, address);
    theirs.set_nodelay(true).expect("it is open");
    let (local, remote) = (ours.local_addr(), ours.peer_addr());
    let capture = Capture::start(&namespace, INTERFACE, TCP);
    let echoing = stack.spawn(async move {
        let mut octet = [0];
        while ours.read(&mut octet).await? == 1 {
            ours.write_all(&octet).await?;
        }
        Ok::<_, std::io::Error>(ours)
    });
    for n in 0..10 {
        theirs.write_all(&[n]).expect("written");
        let mut octet = [0];
        theirs.read_exact(&mut octet).expect("it comes back");
        assert_eq!(octet, [n]);
    }
    drop(theirs);
    let ours = stack.run(echoing).expect("no panic").expect("every octet was echoed");
    assert_eq!(stack.run(ours.close()), Ok(()));
    let seen = capture.stop();
    let fin = seen.iter().position(|segment| segment.fin()).expect("the kernel closed");
    stack.assert_quiescent_within(SOON);
    let ours = |segment: &&Seen| segment.from == local && segment.to == remote && segment.is_pure_ack();
    seen[..fin].iter().filter(ours).count()
}

#[test]
fn delayed_acknowledgment_travels_with_the_answer() {
    assert_eq!(pure_acks_of_ten_exchanges(Duration::from_millis(200)), 0);
}

#[test]
fn acknowledgment_that_is_not_delayed_goes_ahead_of_the_answer() {
    assert_eq!(pure_acks_of_ten_exchanges(Duration::ZERO), 10);
}

#[test]
fn text_that_nobody_answers_is_acknowledged_after_the_delay() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let (_, address) = families()[0];
    let (ours, mut theirs) = passive(&namespace, &stack, address);
    theirs.write_all(b"x").expect("written");
    // A kernel that got no acknowledgment keeps its retransmission timer; it sends again after 200 ms.
    wait::until("the acknowledgment", SOON, || {
        !kernel::socket(&namespace, ours.local_addr()).contains("unacked:")
    });
    assert!(!kernel::socket(&namespace, ours.local_addr()).contains("retrans:"));
    ours.abort();
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn idle_kernel_answers_keep_alive_and_a_silent_one_is_given_up() {
    let namespace = Namespace::new();
    let mut config = brief();
    let second = Duration::from_secs(1);
    config.tcp.keepalive = Some(KeepAlive { idle: second, interval: second, probes: 2 });
    let stack = Stack::new(&namespace, config);
    let (address, _) = families()[1];
    let (mut ours, theirs) = active(&namespace, &stack, address);
    let (local, remote) = (ours.local_addr(), ours.peer_addr());
    let capture = Capture::start(&namespace, INTERFACE, TCP);
    wait::pass(Duration::from_millis(3500));
    let seen = capture.stop();
    assert_eq!(stack.state(remote), State::Established);
    let count = |from| seen.iter().filter(|segment| segment.from == from).count();
    assert!(count(local) >= 2 && count(remote) >= count(local) - 1, "probes and answers: {seen:?}");
    namespace.ip("link set linger0 down");
    let error = stack.run(ours.read(&mut [0])).expect_err("nobody answers");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    drop((ours, theirs));
    stack.assert_quiescent_within(Duration::ZERO);
}

#[test]
fn linger_answers_the_kernels_keep_alive() {
    let namespace = Namespace::new();
    let stack = Stack::new(&namespace, brief());
    let (_, address) = families()[0];
    let (mut ours, mut theirs) = passive(&namespace, &stack, address);
    // A kernel that gets no answer to two probes gives the connection up after three seconds.
    kernel::keep_alive(&theirs, 2);
    wait::pass(Duration::from_secs(4));
    theirs.write_all(b"x").expect("it is still open");
    assert_eq!(stack.run(ours.read(&mut [0])).expect("it is still open"), 1);
    drop(theirs);
    assert_eq!(stack.run(ours.close()), Ok(()));
    stack.assert_quiescent_within(SOON);
}

/// Simultaneous open (RFC 9293 Figure 7): the kernel's SYN waits at the gate until ours has reached the kernel.
#[test]
fn syns_that_cross_open_one_connection() {
    let namespace = Namespace::new();
    let (stack, valve) = gated(&namespace, brief());
    let (kernel_address, linger_address) = families()[0];
    let (there, here) = (SocketAddr::new(kernel_address, 5001), SocketAddr::new(linger_address, 5000));
    let socket = namespace.enter(TcpSocket::new_v4).expect("a socket");
    socket.bind(there).expect("a free port");
    valve.shut();
    let theirs = stack.spawn(socket.connect(here));
    let kernel_is = |state: &str| kernel::sockets(&namespace, here).iter().any(|line| line.contains(state));
    wait::until("the kernel to send its SYN", SOON, || kernel_is("SYN-SENT"));
    let net = stack.net().clone();
    let ours =
        stack.spawn(async move { net.connect_with(there, ConnectConfig::default().local(here)).await });
    wait::until("our SYN to meet the kernel's", SOON, || kernel_is("SYN-RECV"));
    assert_eq!(stack.state(there), State::SynSent);
    valve.open();
    let mut ours = stack.run(ours).expect("no panic").expect("established here");
    let mut theirs = stack.run(theirs).expect("no panic").expect("established there");
    stack.run(async {
        ours.write_all(b"from here").await.expect("written");
        theirs.write_all(b"from there").await.expect("written");
        let (mut first, mut second) = ([0; 9], [0; 10]);
        theirs.read_exact(&mut first).await.expect("read");
        ours.read_exact(&mut second).await.expect("read");
        assert_eq!((&first, &second), (b"from here", b"from there"));
    });
    drop(theirs);
    assert_eq!(stack.run(ours.close()), Ok(()));
    stack.assert_quiescent_within(SOON);
}
