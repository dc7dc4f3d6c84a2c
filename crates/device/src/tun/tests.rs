//! Against the kernel, each test in a network namespace of its own that ends with it.

use super::*;
use crate::offload::complete;
use crate::offload::test_packets::{checksums_fit, packet, tcp};
use linger_proto::Checksum;
use netlink_sys::{Socket, SocketAddr as NetlinkAddr, protocols::NETLINK_ROUTE};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::num::NonZeroU16;
use std::time::Duration;
use tokio::time::timeout;

/// The kernel's end and ours, in both families.
const ENDS: [(&str, &str); 2] = [("10.7.0.1", "10.7.0.2"), ("fd07::1", "fd07::2")];

/// Runs a test in a fresh network namespace, where the machine lets us make one with a TUN inside.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    if !nix::unistd::geteuid().is_root() || !std::path::Path::new("/dev/net/tun").exists() {
        eprintln!("skipped: needs root and /dev/net/tun");
        return;
    }
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { timeout(Duration::from_secs(20), test()).await.expect("in time") });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// `linger0` with both kernel ends.
fn builder() -> TunBuilder {
    let (four, six) = (address(ENDS[0].0), address(ENDS[1].0));
    Tun::builder().name("linger0").address(four, 24).address(six, 64)
}

async fn send(tun: &mut Tun, frame: &Transmit) {
    poll_fn(|cx| tun.poll_send(cx, frame)).await.expect("sent");
}

/// The transport protocol and its octets, of a packet without extension headers.
fn transport(packet: &[u8]) -> (u8, &[u8]) {
    if packet[0] >> 4 == 4 { (packet[9], &packet[20..]) } else { (packet[6], &packet[40..]) }
}

/// The next frame that is `wanted`; the kernel says other things too, such as router solicitations.
async fn next(tun: &mut Tun, wanted: impl Fn(u8, &[u8]) -> bool) -> Frame {
    loop {
        let mut batch = Vec::new();
        poll_fn(|cx| tun.poll_recv(cx, &mut batch)).await.expect("frames");
        let found = batch.into_iter().find(|frame| {
            let (protocol, octets) = transport(&frame.bytes);
            wanted(protocol, octets)
        });
        if let Some(frame) = found {
            return frame;
        }
    }
}

/// The next UDP datagram.
async fn datagram(tun: &mut Tun) -> Frame {
    next(tun, |protocol, _| protocol == 17).await
}

/// An ICMP echo request from our end to the kernel's.
fn echo_request(kernel: &str, ours: &str, text: &[u8]) -> Transmit {
    let (protocol, kind) = if address(kernel).is_ipv4() { (1, 8) } else { (58, 128) };
    let mut frame = packet(address(ours), address(kernel), protocol, &[kind, 0, 0, 0, 7, 7, 0, 1], 2, text);
    if protocol == 1 {
        // No pseudo-header: the field starts from zero.
        frame.header[22..24].fill(0);
    }
    crate::offload::complete_transmit(&mut frame);
    frame
}

/// Sends an echo request to the kernel and waits for the reply.
async fn ping(tun: &mut Tun, (kernel, ours): (&str, &str)) {
    let text: Vec<u8> = (0..1000).map(|i| i as u8).collect();
    send(tun, &echo_request(kernel, ours, &text)).await;
    let echo_reply = if address(kernel).is_ipv4() { (1, 0) } else { (58, 129) };
    let reply = next(tun, |protocol, icmp| (protocol, icmp[0]) == echo_reply).await;
    assert_eq!(transport(&reply.bytes).1[8..], text);
}

#[test]
fn the_kernel_answers_an_echo_request_that_was_written_in_pieces() {
    for offload in [true, false] {
        in_namespace(move || async move {
            let mut tun = builder().offload(offload).open().expect("a TUN");
            let expected =
                Capabilities { mtu: 1500, checksum_offload: offload, segmentation_offload: offload };
            assert_eq!((tun.name(), tun.capabilities()), ("linger0", expected));
            for ends in ENDS {
                ping(&mut tun, ends).await;
            }
        });
    }
}

#[test]
fn datagrams_cross_in_both_directions_with_and_without_offload() {
    for offload in [true, false] {
        in_namespace(move || async move {
            let mut tun = builder().offload(offload).open().expect("a TUN");
            for (kernel, ours) in ENDS {
                let socket = UdpSocket::bind((address(kernel), 4000)).expect("bound");
                socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
                socket.send_to(b"to you", (address(ours), 9)).expect("sent");
                let frame = datagram(&mut tun).await;
                assert_eq!(matches!(frame.checksum, Checksum::Partial { offset: 6, .. }), offload);
                let mut octets = frame.bytes.to_vec();
                complete(&mut octets, frame.checksum);
                assert!(checksums_fit(&octets));
                assert_eq!(&transport(&octets).1[8..], b"to you");
                let header = [0, 9, 0x0f, 0xa0, 0x01, 0xfc, 0, 0];
                send(&mut tun, &packet(address(ours), address(kernel), 17, &header, 6, &[5; 500])).await;
                let mut buffer = [0; 1000];
                let (length, from) = socket.recv_from(&mut buffer).expect("delivered");
                assert_eq!((&buffer[..length], from.ip(), from.port()), (&[5; 500][..], address(ours), 9));
            }
        });
    }
}

/// Sets a switch of the namespace.
fn sysctl(path: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{path}"), value).expect("set");
}

#[test]
fn a_forwarded_super_segment_is_cut_rightly_by_the_kernel_and_equals_our_own_cut() {
    in_namespace(|| async {
        let mut tun = builder().open().expect("a TUN");
        let far = Tun::builder().name("plain0").offload(false).address(address("10.8.0.1"), 24);
        let mut far = far.address(address("fd08::1"), 64).open().expect("a second TUN");
        sysctl("ipv4/ip_forward", "1");
        sysctl("ipv6/conf/all/forwarding", "1");
        for version in [4, 6] {
            let text: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
            let frame = tcp(version, &text, 1400);
            send(&mut tun, &frame).await;
            let expected: Vec<_> = segment(&frame).map(|packet| packet.to_bytes().to_vec()).collect();
            for mut expected in expected {
                let got = next_segment(&mut far).await;
                assert!(checksums_fit(&got.bytes));
                // The kernel has taken one hop: put ours in the same state.
                if version == 4 {
                    expected[8..12].copy_from_slice(&got.bytes[8..12]);
                } else {
                    expected[7] = got.bytes[7];
                }
                assert_eq!(got.bytes, expected);
            }
        }
    });
}

/// The next TCP packet, one at a time and in order.
async fn next_segment(tun: &mut Tun) -> Frame {
    loop {
        let read = poll_fn(|cx| {
            tun.queue.poll_read(cx, |queue| queue.try_read(tun.receiver.buffer()).map(|_| false))
        })
        .await;
        read.expect("a packet");
        let frame = tun.receiver.frame(tun.vnet_hdr).expect("a frame");
        if transport(&frame.bytes).0 == 6 {
            return frame;
        }
    }
}

/// Just enough of a TCP to be talked to: answers a SYN, acknowledges, and sends what it is told.
struct Responder<'a> {
    tun: &'a mut Tun,
    ends: (IpAddr, IpAddr),
    peer_port: [u8; 2],
    seq: u32,
    ack: u32,
}

impl<'a> Responder<'a> {
    /// Accepts one connection of the kernel to our port 80.
    async fn accept(tun: &'a mut Tun, (kernel, ours): (&str, &str)) -> Self {
        let syn = next(tun, |protocol, segment| protocol == 6 && segment[13] == 2).await;
        let (_, segment) = transport(&syn.bytes);
        let ack = u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]) + 1;
        let ends = (address(ours), address(kernel));
        let mut this = Self { tun, ends, peer_port: [segment[0], segment[1]], seq: 1000, ack };
        this.send(0x12, &[], None).await;
        this.seq += 1;
        this
    }

    async fn send(&mut self, flags: u8, text: &[u8], segment_size: Option<u16>) {
        let mut header = vec![0, 80];
        header.extend(self.peer_port);
        header.extend(self.seq.to_be_bytes());
        header.extend(self.ack.to_be_bytes());
        // A SYN offers an MSS of 1400.
        header.extend([if flags & 2 != 0 { 0x60 } else { 0x50 }, flags, 0xff, 0xff, 0, 0, 0, 0]);
        if flags & 2 != 0 {
            header.extend([2, 4, 0x05, 0x78]);
        }
        let mut frame = packet(self.ends.0, self.ends.1, 6, &header, 16, text);
        frame.segment_size = segment_size.and_then(NonZeroU16::new);
        send(self.tun, &frame).await;
        self.seq = self.seq.wrapping_add(text.len() as u32);
    }

    /// Receives and acknowledges `total` octets; returns them and the largest frame.
    async fn receive(&mut self, total: usize) -> (Vec<u8>, Option<Frame>) {
        let (mut text, mut largest): (Vec<u8>, Option<Frame>) = (Vec::new(), None);
        while text.len() < total {
            let frame = next_segment(self.tun).await;
            let (_, segment) = transport(&frame.bytes);
            let seq = u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]);
            let new = &segment[usize::from(segment[12] >> 4) * 4..];
            if seq == self.ack && !new.is_empty() {
                text.extend_from_slice(new);
                self.ack = self.ack.wrapping_add(new.len() as u32);
                self.send(0x10, &[], None).await;
                if largest.as_ref().is_none_or(|largest| largest.bytes.len() < frame.bytes.len()) {
                    largest = Some(frame);
                }
            }
        }
        (text, largest)
    }
}

#[test]
fn super_segments_cross_whole_in_both_directions() {
    for (kernel, ours) in ENDS {
        in_namespace(move || async move {
            let mut tun = builder().open().expect("a TUN");
            let sent: Vec<u8> = (0..300_000).map(|i| (i % 251) as u8).collect();
            let (target, copy) = (address(ours), sent.clone());
            // A thread made by this one is in the same namespace.
            let client = std::thread::spawn(move || {
                let mut stream = TcpStream::connect((target, 80)).expect("connected");
                stream.write_all(&copy).expect("written");
                let mut got = vec![0; 30_000];
                stream.read_exact(&mut got).expect("read");
                got
            });
            let mut peer = Responder::accept(&mut tun, (kernel, ours)).await;
            let (text, largest) = peer.receive(sent.len()).await;
            assert!(text == sent);
            let largest = largest.expect("a frame");
            assert!(largest.bytes.len() > 10_000, "{}", largest.bytes.len());
            assert_eq!(largest.segment_size, NonZeroU16::new(1400));
            assert!(matches!(largest.checksum, Checksum::Partial { offset: 16, .. }));
            let mut octets = largest.bytes.to_vec();
            complete(&mut octets, largest.checksum);
            assert!(checksums_fit(&octets));
            peer.send(0x18, &sent[..30_000], Some(1400)).await;
            let got = tokio::task::spawn_blocking(|| client.join().expect("no panic")).await.expect("joined");
            assert!(got == sent[..30_000]);
            assert_eq!(tun.counters().refused(), 0);
        });
    }
}

#[test]
fn segmented_datagrams_of_the_kernel_arrive_one_by_one_on_every_queue() {
    in_namespace(|| async {
        let tuns = builder().open_queues(2).expect("two queues");
        assert_eq!(tuns.len(), 2);
        let socket = UdpSocket::bind((address(ENDS[0].0), 4000)).expect("bound");
        setsockopt(&socket, UdpGsoSegment, &1000).expect("set");
        socket.send_to(&[1; 5000], (address(ENDS[0].1), 9)).expect("sent");
        let mut lengths = Vec::new();
        let [mut a, mut b]: [Tun; 2] = tuns.try_into().expect("two");
        while lengths.len() < 5 {
            let frame = tokio::select! {
                biased;
                frame = next_datagrams(&mut a) => frame,
                frame = next_datagrams(&mut b) => frame,
            };
            lengths.extend(frame);
        }
        assert_eq!(lengths, [1028; 5]);
    });
}

/// The lengths of the datagrams of one batch.
async fn next_datagrams(tun: &mut Tun) -> Vec<usize> {
    let mut batch = Vec::new();
    poll_fn(|cx| tun.poll_recv(cx, &mut batch)).await.expect("frames");
    let datagrams = batch.iter().filter(|frame| transport(&frame.bytes).0 == 17);
    datagrams.inspect(|frame| assert_eq!(frame.segment_size, None)).map(|frame| frame.bytes.len()).collect()
}

#[test]
fn an_interface_that_is_down_drops_and_counts_and_works_once_it_is_up() {
    in_namespace(|| async {
        let mut tun = builder().up(false).open().expect("a TUN");
        let counters = tun.counters();
        for _ in 0..2 {
            send(&mut tun, &echo_request(ENDS[0].0, ENDS[0].1, b"x")).await;
        }
        assert_eq!((counters.down(), counters.refused()), (2, 0));
        let mut batch = Vec::new();
        assert!(poll_fn(|cx| Poll::Ready(tun.poll_recv(cx, &mut batch).is_pending())).await);
        link(NEW, "linger0", 1);
        ping(&mut tun, ENDS[0]).await;
        link(NEW, "linger0", 0);
        send(&mut tun, &echo_request(ENDS[0].0, ENDS[0].1, b"x")).await;
        assert_eq!((counters.down(), counters.refused()), (3, 0));
    });
}

#[test]
fn a_packet_that_the_kernel_refuses_is_counted_and_the_next_one_works() {
    in_namespace(|| async {
        let mut tun = builder().open().expect("a TUN");
        let mut nonsense = Transmit::default();
        nonsense.header.extend([0x00; 40]);
        send(&mut tun, &nonsense).await;
        assert_eq!(tun.counters().refused(), 1);
        ping(&mut tun, ENDS[0]).await;
    });
}

const NEW: u16 = 16;
const DELETE: u16 = 17;

/// Changes (RTM_NEWLINK) or deletes (RTM_DELLINK) an interface; `up` is 1 or 0.
fn link(kind: u16, name: &str, up: u32) {
    let index = if_nametoindex(name).expect("the interface");
    let mut message = Vec::new();
    message.extend(32u32.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(5u16.to_ne_bytes());
    message.extend([0; 12]);
    message.extend(index.to_ne_bytes());
    message.extend(up.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
    socket.bind_auto().expect("bound");
    socket.send_to(&message, &NetlinkAddr::new(0, 0), 0).expect("sent");
    let (answer, _) = socket.recv_from_full().expect("an answer");
    assert_eq!(answer[16..20], [0; 4], "acknowledged");
}

#[test]
fn a_deleted_interface_ends_a_waiting_receiver_with_an_error_that_says_so() {
    in_namespace(|| async {
        let mut tun = builder().open().expect("a TUN");
        let mut batch = Vec::new();
        // Whatever the kernel says at first, then silence.
        while timeout(Duration::from_millis(50), poll_fn(|cx| tun.poll_recv(cx, &mut batch))).await.is_ok() {}
        let deleting = async {
            tokio::task::yield_now().await;
            link(DELETE, "linger0", 0);
        };
        let (received, ()) = tokio::join!(poll_fn(|cx| tun.poll_recv(cx, &mut batch)), deleting);
        assert_eq!(received.expect_err("gone").to_string(), "the interface linger0 was deleted");
        let sent = poll_fn(|cx| tun.poll_send(cx, &echo_request(ENDS[0].0, ENDS[0].1, b"x"))).await;
        assert_eq!(sent.expect_err("gone").kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn a_dropped_tun_leaves_no_interface_behind() {
    in_namespace(|| async {
        let mut tun = builder().open().expect("a TUN");
        ping(&mut tun, ENDS[0]).await;
        drop(tun);
        assert!(if_nametoindex("linger0").is_err());
        let queues = builder().open_queues(3).expect("a TUN");
        assert!(if_nametoindex("linger0").is_ok());
        drop(queues);
        assert!(if_nametoindex("linger0").is_err());
    });
}

#[test]
fn a_descriptor_opened_elsewhere_is_taken_over_with_and_without_headers() {
    for offload in [true, false] {
        in_namespace(move || async move {
            let opened = builder().offload(offload).open().expect("a TUN");
            let fd = opened.as_fd().try_clone_to_owned().expect("a share");
            drop(opened);
            let mut tun = Tun::from_fd(fd, 1500).expect("taken over");
            assert_eq!((tun.name(), tun.capabilities().segmentation_offload), ("linger0", offload));
            for ends in ENDS {
                ping(&mut tun, ends).await;
            }
        });
    }
}

#[test]
fn names_that_are_taken_are_refused_with_the_reason_and_bad_settings_leave_nothing() {
    in_namespace(|| async {
        let tun = builder().open().expect("a TUN");
        assert!(matches!(builder().open(), Err(TunError::Busy { name }) if name == "linger0"));
        assert!(
            matches!(Tun::builder().name("lo").open(), Err(TunError::OtherKind { name }) if name == "lo")
        );
        drop(tun);
        let prefix = Tun::builder().name("linger0").address(address("10.9.0.1"), 33).open();
        assert!(matches!(prefix, Err(TunError::Setting { setting: "IPv4 address", .. })));
        assert!(matches!(builder().mtu(20).open(), Err(TunError::Setting { setting: "MTU", .. })));
        assert!(if_nametoindex("linger0").is_err());
    });
}

#[test]
fn an_interface_may_have_many_addresses_of_both_families_and_be_given_them_twice() {
    in_namespace(|| async {
        let more = ["10.9.0.1", "fd09::1", "10.9.0.1"].map(address);
        let builder = more.into_iter().fold(builder(), |builder, more| builder.address(more, 28));
        let tun = builder.open().expect("a TUN");
        for address in more.into_iter().chain([ENDS[0].0, ENDS[1].0].map(address)) {
            UdpSocket::bind((address, 0)).expect("usable at once");
        }
        drop(tun);
    });
}

#[test]
fn a_packet_as_large_as_a_raised_mtu_arrives_whole() {
    in_namespace(|| async {
        let mut tun = builder().mtu(9000).tx_queue_len(2000).offload(false).open().expect("a TUN");
        assert_eq!(tun.capabilities().mtu, 9000);
        let socket = UdpSocket::bind((address(ENDS[0].0), 4000)).expect("bound");
        socket.send_to(&[1; 8972], (address(ENDS[0].1), 9)).expect("sent");
        assert_eq!(datagram(&mut tun).await.bytes.len(), 9000);
    });
}

#[test]
fn a_loop_without_tokio_gets_what_waits_in_batches_and_sends() {
    in_namespace(|| async {
        let mut tun = Tun::builder().name("linger0").address(address(ENDS[0].0), 24).open().expect("a TUN");
        let socket = UdpSocket::bind((address(ENDS[0].0), 4000)).expect("bound");
        for octet in 0..100 {
            socket.send_to(&[octet; 100], (address(ENDS[0].1), 9)).expect("sent");
        }
        let (mut batch, mut datagrams, mut full) = (Vec::new(), Vec::new(), 0);
        loop {
            let more = tun.try_recv(&mut batch).expect("readable");
            assert_eq!(more, batch.len() == BATCH);
            full += usize::from(more);
            // The kernel says other things too.
            let ours = batch.drain(..).filter(|frame| transport(&frame.bytes).0 == 17);
            datagrams.extend(ours.filter_map(|frame| frame.bytes.last().copied()));
            if !more {
                break;
            }
        }
        assert_eq!((full, datagrams), (1, (0..100).collect()));
        assert!(!tun.try_recv(&mut batch).expect("readable") && batch.is_empty());
        tun.try_send(&tcp(4, &[0; 10], 0)).expect("room");
        assert_eq!((tun.counters().refused(), tun.counters().down()), (0, 0));
    });
}

#[test]
fn a_batch_is_full_at_64_frames_or_half_a_mib() {
    for (length, frames) in [(60, 64), (64_000, 9), (8_192, 64), (8_193, 64)] {
        let (mut count, mut batch, counters) = (Count::default(), Vec::new(), TunCounters::default());
        while !count.is_full() {
            count.take(Some(Frame::from(bytes::Bytes::from(vec![0; length]))), &mut batch, &counters);
        }
        assert_eq!((batch.len(), counters.malformed()), (frames, 0), "{length}");
        count.take(None, &mut batch, &counters);
        assert_eq!((batch.len(), counters.malformed()), (frames, 1));
    }
}
