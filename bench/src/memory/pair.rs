//! Two hosts and the wire between them.

use super::pool::Pool;
use super::say;
use crate::Cpu;
use linger_proto::{
    ConnectConfig, ConnectionId, Event, Frame, Host, HostConfig, Instant, InterfaceConfig, InterfaceId,
    ListenConfig, ListenerId, Secret, TcpConfig, Transmit,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Where the measured connections go.
pub(super) const PORT: u16 = 80;
/// The first of the ports that everything else goes to, [`PER_PORT`] connections each.
const OTHER_PORTS: u16 = 1000;
/// Connections to one port of the server, from ports 1024 on.
const PER_PORT: u32 = 60_000;
/// Frames that cross before the other end is asked: as many as the driver sends in a round.
const BATCH: usize = 64;

/// How the two hosts are set up. Everything not named here has its default: timestamps, SACK, Reno.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) mtu: u16,
    /// Hosts make and verify checksums; else frames are vouched for and made complete by nobody.
    pub(super) checksums: bool,
    pub(super) ipv6: bool,
    pub(super) tcp: TcpConfig,
}

impl Default for Setup {
    fn default() -> Self {
        Self { mtu: 1500, checksums: true, ipv6: false, tcp: TcpConfig::default() }
    }
}

/// What happens at the two ends.
pub(super) trait App {
    fn client(&mut self, host: &mut Host, now: Instant, event: Event);
    fn server(&mut self, host: &mut Host, now: Instant, event: Event);
}

/// Opens connections and leaves them alone: keeps their names.
#[derive(Default)]
pub(super) struct Opener {
    pub(super) clients: Vec<ConnectionId>,
    pub(super) accepted: u32,
}

impl App for Opener {
    fn client(&mut self, _: &mut Host, _: Instant, event: Event) {
        if let Event::Connected(id) = event {
            self.clients.push(id);
        }
    }

    fn server(&mut self, host: &mut Host, _: Instant, event: Event) {
        if let Event::Incoming(listener) = event {
            while host.accept(listener).is_some() {
                self.accepted += 1;
            }
        }
    }
}

/// Carries frames as a device would: one copy into a buffer that is used again.
#[derive(Default)]
pub(super) struct Wire {
    pool: Pool,
    out: Transmit,
    frames: Vec<Frame>,
    /// Frames carried.
    pub(super) carried: u64,
}

impl Wire {
    /// Hands up to `max` frames of `from` to `to`, each as soon as it is asked for; how many there were.
    #[inline]
    pub(super) fn carry(
        &mut self,
        from: &mut Host,
        to: &mut Host,
        now: Instant,
        interface: InterfaceId,
        max: usize,
    ) -> usize {
        let before = self.carried;
        to.handle_frames(now, interface, &mut Crossing { wire: self, from, now, left: max });
        (self.carried - before) as usize
    }

    /// Takes up to `max` frames from `from`.
    pub(super) fn take(&mut self, from: &mut Host, now: Instant, max: usize) -> usize {
        let mut frames = std::mem::take(&mut self.frames);
        let left = max - frames.len();
        frames.extend(Crossing { wire: self, from, now, left });
        self.frames = frames;
        self.frames.len()
    }

    /// What was taken and is not to be handed over.
    pub(super) fn untaken(&mut self) -> impl Iterator<Item = Frame> {
        self.frames.drain(..)
    }

    /// Hands over what was taken.
    pub(super) fn give(&mut self, to: &mut Host, now: Instant, interface: InterfaceId) {
        if !self.frames.is_empty() {
            to.handle_frames(now, interface, &mut self.frames.drain(..));
        }
    }
}

/// The frames that a host sends, until it has none or `left` of them have crossed.
struct Crossing<'a> {
    wire: &'a mut Wire,
    from: &'a mut Host,
    now: Instant,
    left: usize,
}

impl Iterator for Crossing<'_> {
    type Item = Frame;

    #[inline]
    fn next(&mut self) -> Option<Frame> {
        if self.left == 0 {
            return None;
        }
        let Wire { pool, out, carried, .. } = &mut *self.wire;
        if !self.from.poll_transmit(self.now, out) {
            self.left = 0;
            return None;
        }
        self.left -= 1;
        *carried += 1;
        Some(copy(pool, out))
    }
}

/// What arrives of a frame that was sent.
#[inline]
fn copy(pool: &mut Pool, out: &Transmit) -> Frame {
    let bytes = pool.fill(out.len(), |room| {
        room.extend_from_slice(&out.header);
        for slice in &out.text {
            room.extend_from_slice(slice);
        }
    });
    Frame { bytes, checksum: out.checksum, segment_size: out.segment_size }
}

/// What happened in one direction.
#[derive(Default, PartialEq, Eq)]
struct Done {
    frames: usize,
    /// The application that the frames came to was told something.
    acted: bool,
}

/// Between two connections that are opened to be left alone: 50,000 a second. All at once, each would still have an entry
/// among the timers, for the SYN that might have to be repeated within a second.
const OPENING_PACE: Duration = Duration::from_micros(20);

/// A client and a server.
pub(super) struct Pair {
    pub(super) client: Host,
    pub(super) server: Host,
    pub(super) interface: InterfaceId,
    pub(super) wire: Wire,
    pub(super) now: Instant,
    server_ip: IpAddr,
    client_ip: IpAddr,
    listening: u16,
}

fn host(address: IpAddr, secret: u8, setup: &Setup) -> (Host, InterfaceId) {
    let config = HostConfig {
        tcp: setup.tcp.clone(),
        ephemeral_ports: 1024..=65535,
        half_open_max: 4 << 20,
        half_open_per_source_max: 4 << 20,
        ..HostConfig::default()
    };
    let mut host = Host::new(config, Secret::from_bytes([secret; 32]));
    let interface = host.add_interface(InterfaceConfig {
        addresses: vec![(address, 8)],
        mtu: setup.mtu,
        checksum_offload: !setup.checksums,
        ..InterfaceConfig::default()
    });
    (host, interface)
}

impl Pair {
    pub(super) fn new(setup: &Setup) -> Self {
        let [client_ip, server_ip] =
            if setup.ipv6 { ["fd00::1", "fd00::2"] } else { ["10.0.0.1", "10.0.0.2"] }
                .map(|text| text.parse::<IpAddr>().expect("an address"));
        let (client, interface) = host(client_ip, 1, setup);
        let (server, _) = host(server_ip, 2, setup);
        let now = Instant::from_millis(1000);
        let mut pair = Self {
            client,
            server,
            interface,
            wire: Wire::default(),
            now,
            server_ip,
            client_ip,
            listening: 0,
        };
        pair.listen(PORT);
        pair
    }

    fn listen(&mut self, port: u16) -> ListenerId {
        let address = SocketAddr::new(self.server_ip, port);
        self.server.listen(address, ListenConfig::default().backlog(4 << 20)).expect("a free port")
    }

    /// Begins to connect to the port of the measured connections, from a port that the client chooses.
    pub(super) fn connect(&mut self) -> ConnectionId {
        let remote = SocketAddr::new(self.server_ip, PORT);
        self.client.connect(self.now, remote, ConnectConfig::default()).expect("a free port")
    }

    /// The two ends of the `number`th other connection, server first; listens there if need be.
    pub(super) fn other(&mut self, number: u32) -> (SocketAddr, SocketAddr) {
        let port = u16::try_from(number / PER_PORT).expect("few ports");
        while self.listening <= port {
            self.listen(OTHER_PORTS + self.listening);
            self.listening += 1;
        }
        let local = u16::try_from(number % PER_PORT).expect("a port") + 1024;
        (SocketAddr::new(self.server_ip, OTHER_PORTS + port), SocketAddr::new(self.client_ip, local))
    }

    /// Begins to open the `number`th other connection.
    pub(super) fn connect_other(&mut self, number: u32) -> ConnectionId {
        let (remote, local) = self.other(number);
        let config = ConnectConfig::default().local(local);
        self.client.connect(self.now, remote, config).expect("a free tuple")
    }

    /// Carries frames and lets the applications act, until nothing happens any more: until each end has had nothing to
    /// send since it was last given something.
    pub(super) fn run(&mut self, app: &mut impl App) {
        let mut server_done = false;
        loop {
            let there = self.there(app);
            if there == Done::default() && server_done {
                return;
            }
            let back = self.back(app);
            if back == Done::default() && there.frames < BATCH {
                return;
            }
            server_done = back.frames < BATCH;
        }
    }

    /// Carries a batch there and one back, and lets the applications act.
    pub(super) fn step(&mut self, app: &mut impl App) {
        self.there(app);
        self.back(app);
    }

    /// Carries a batch to the server, which acts.
    #[inline]
    fn there(&mut self, app: &mut impl App) -> Done {
        let (now, interface) = (self.now, self.interface);
        let frames = self.wire.carry(&mut self.client, &mut self.server, now, interface, BATCH);
        let mut acted = false;
        while let Some(event) = self.server.poll_event() {
            app.server(&mut self.server, now, event);
            acted = true;
        }
        Done { frames, acted }
    }

    /// Carries a batch to the client, which acts.
    #[inline]
    fn back(&mut self, app: &mut impl App) -> Done {
        let (now, interface) = (self.now, self.interface);
        let frames = self.wire.carry(&mut self.server, &mut self.client, now, interface, BATCH);
        let mut acted = false;
        while let Some(event) = self.client.poll_event() {
            app.client(&mut self.client, now, event);
            acted = true;
        }
        Done { frames, acted }
    }

    /// Time goes on, and timers that came due run, as a driver runs them.
    pub(super) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        for host in [&mut self.client, &mut self.server] {
            if host.poll_timeout().is_some_and(|due| due <= self.now) {
                host.handle_timeout(self.now);
            }
        }
    }

    /// Lets whatever is due soon happen.
    pub(super) fn settle(&mut self, app: &mut impl App) {
        for _ in 0..30 {
            self.wait(Duration::from_millis(100));
            self.run(app);
        }
    }

    /// Opens `count` connections, a few at a time, and lets them come to rest.
    pub(super) fn idle(&mut self, count: u32) -> Opener {
        let mut opener = Opener { clients: Vec::with_capacity(count as usize), accepted: 0 };
        for number in 0..count {
            self.connect_other(number);
            if number % 16 == 15 {
                self.run(&mut opener);
                self.wait(OPENING_PACE * 16);
            }
        }
        self.run(&mut opener);
        self.settle(&mut opener);
        assert_eq!((opener.clients.len(), opener.accepted), (count as usize, count), "all are established");
        opener
    }
}

/// What the wire costs alone: `count` frames of `len` octets cross without hosts. It is part of every figure of ours.
pub fn carry_alone(count: u64, len: usize) {
    let mut pool = Pool::default();
    let mut out = Transmit::default();
    out.header.try_extend_from_slice(&vec![7; len]).expect("a short frame");
    let mut sum = 0;
    let began = Cpu::now();
    for _ in 0..count {
        sum += std::hint::black_box(copy(&mut pool, &out)).bytes.len() as u64;
    }
    let took = began.elapsed_ns();
    assert_eq!(sum, count * len as u64);
    say("carry_ns", format_args!("{:.2}", took / count as f64));
}
