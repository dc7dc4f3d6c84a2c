//! A TUN of the test's own in front of a host: segments made by hand go in, what the host says comes out.
//!
//! The probe's addresses are nobody's: the kernel only forwards what is for them, so it never answers in the probe's
//! stead. When everything has been said is known without waiting: a segment for a port that nobody listens at draws an
//! RST, and the second such RST is behind every answer to what came before the first.

use crate::{LINGER, Namespace};
use linger_device::Tun;
use linger_proto::wire::checksum::Sum;
use linger_proto::wire::ip::{self, IpRepr};
use linger_proto::wire::tcp::{self, Flags, Header};
use linger_proto::{Frame, HeaderBytes, SeqNum, Transmit};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The name of the TUN.
const NAME: &str = "probe0";
/// The addresses that the test speaks from.
const PROBE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 8, 0, 9)), IpAddr::V6(Ipv6Addr::new(0xfd08, 0, 0, 0, 0, 0, 0, 9))];
/// A port of the host that nobody listens at, for marks.
const MARK_PORT: u16 = 9;
/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    fn of(self, pair: [IpAddr; 2]) -> IpAddr {
        pair[usize::from(self == Self::V6)]
    }
}

/// A segment of the host.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Over which IP it came.
    pub family: Family,
    /// Its header.
    pub header: Header,
    /// Octets of its text.
    pub text_len: u32,
}

impl Heard {
    /// The number behind its last octet, SYN and FIN counted.
    #[must_use]
    pub fn end(&self) -> SeqNum {
        let bits = [Flags::SYN, Flags::FIN].into_iter().filter(|bit| self.header.flags.has(*bit)).count();
        self.header.seq + self.text_len + u32::try_from(bits).unwrap_or(0)
    }
}

/// The TUN, and what came through it.
#[derive(Debug)]
pub struct Probe {
    tun: Tun,
    inbox: Vec<Heard>,
    marks: u32,
}

impl Probe {
    /// Opens it in `namespace`, whose kernel will forward between it and whoever has [`LINGER`]'s addresses.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    #[must_use]
    pub fn open(namespace: &Namespace) -> Self {
        let open = || Tun::builder().name(NAME).offload(false).up(false).open();
        let tun = match namespace.enter(open) {
            Ok(tun) => tun,
            Err(error) => panic!("cannot open a TUN: {error}"),
        };
        namespace.ip(&format!("link set {NAME} addrgenmode none"));
        namespace.ip(&format!("link set {NAME} up"));
        for address in PROBE {
            namespace.ip(&format!("route add {address} dev {NAME}"));
        }
        namespace.sysctl("net.ipv4.ip_forward", "1");
        namespace.sysctl("net.ipv6.conf.all.forwarding", "1");
        Self { tun, inbox: Vec::new(), marks: 0 }
    }

    /// Sends one segment, its checksums as they should be.
    ///
    /// # Panics
    ///
    /// When the TUN is gone.
    pub fn say(&mut self, family: Family, header: &Header, text: &[u8]) {
        let (source, destination) = (family.of(PROBE), family.of(LINGER));
        let mut segment = HeaderBytes::new();
        tcp::emit(header, 0, &mut segment);
        let length = segment.len() + text.len();
        let mut sum = Sum::pseudo_header(
            source,
            destination,
            ip::PROTOCOL_TCP,
            u32::try_from(length).expect("a segment is short"),
        );
        sum.add(&segment);
        sum.add(text);
        let repr = IpRepr {
            source,
            destination,
            protocol: ip::PROTOCOL_TCP,
            payload_len: length,
            hop_limit: 64,
            ecn: 0,
            identification: 0,
            dont_fragment: true,
        };
        let mut frame = Transmit::default();
        ip::emit_header(&repr, &mut frame.header);
        tcp::emit(header, sum.finish(), &mut frame.header);
        frame.text.push(text.to_vec().into());
        self.tun.try_send(&frame).expect("the TUN takes a packet");
    }

    /// Waits until the host has said everything that it says at once about what was sent so far.
    ///
    /// # Panics
    ///
    /// When the host is silent.
    pub fn settle(&mut self, family: Family) {
        for _ in 0..2 {
            self.marks += 1;
            let mark = Header {
                source: 1,
                destination: MARK_PORT,
                ack: SeqNum(self.marks),
                flags: Flags::ACK,
                ..Header::default()
            };
            self.say(family, &mark, b"");
            let is_it = |heard: &Heard| heard.header.source == MARK_PORT && heard.header.seq == mark.ack;
            let deadline = Instant::now() + PATIENCE;
            while !self.inbox.iter().any(is_it) {
                assert!(Instant::now() < deadline, "the host does not answer over {family:?}");
                self.receive(deadline);
            }
            self.inbox.retain(|heard| heard.header.source != MARK_PORT);
        }
    }

    /// Everything that came for `port` since the last call.
    pub fn take(&mut self, family: Family, port: u16) -> Vec<Heard> {
        let is_its = |heard: &mut Heard| heard.family == family && heard.header.destination == port;
        self.inbox.extract_if(.., is_its).collect()
    }

    /// Waits until something comes, at most until `deadline`.
    ///
    /// # Panics
    ///
    /// When the TUN is gone, or the host sends a segment with a wrong checksum.
    pub fn receive(&mut self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.tun.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, timeout).expect("a TUN can be polled");
        let mut batch: Vec<Frame> = Vec::new();
        while self.tun.try_recv(&mut batch).expect("the TUN is there") {}
        self.inbox.extend(batch.iter().filter_map(|frame| read(&frame.bytes)));
    }
}

/// A segment from the host to the probe; `None` for any other packet.
fn read(frame: &[u8]) -> Option<Heard> {
    let packet = ip::parse(frame).ok()?;
    let family = if packet.source.is_ipv4() { Family::V4 } else { Family::V6 };
    let ours = packet.source == family.of(LINGER) && packet.destination == family.of(PROBE);
    if packet.protocol != ip::PROTOCOL_TCP || !ours {
        return None;
    }
    let segment = &frame[packet.payload];
    let mut sum = Sum::pseudo_header(
        packet.source,
        packet.destination,
        ip::PROTOCOL_TCP,
        u32::try_from(segment.len()).ok()?,
    );
    sum.add(segment);
    assert_eq!(sum.finish(), 0, "the host's checksum");
    let header = tcp::parse(segment).expect("the host sends good segments");
    let text_len = u32::try_from(segment.len() - header.len).ok()?;
    Some(Heard { family, header, text_len })
}
