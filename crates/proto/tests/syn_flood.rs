//! SYN floods from spoofed sources, 100,000 a second under a virtual clock, while an honest client opens 1,000
//! connections one after another. 1,000,000 SYNs when built for release, which a step of `cargo xtask ci` does; a tenth of
//! them in a debug build.
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod support;

use bytes::Bytes;
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::wire::{ip, tcp};
use linger_proto::{
    Checksum, ConnectConfig, ConnectionId, DropReason, Event, Frame, Host, HostConfig, Instant,
    InterfaceConfig, InterfaceId, ListenConfig, ListenerId, Secret, TcpConfig, Transmit,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use support::{Family, tcp_packet};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const SYNS: u64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const SYNS_A_MILLISECOND: u64 = 100;
const MILLISECONDS: u64 = SYNS / SYNS_A_MILLISECOND;
const HONEST: u64 = 1_000;
const DELAY: Duration = Duration::from_millis(5);
/// What a half-open connection may cost, its share of the tables included.
const HALF_OPEN: usize = 160;
/// The default backlog.
const BACKLOG: usize = 4096;
/// Two hosts, the honest client's connections under way, frames on the wire, pages that fill up.
const SLACK: usize = 3 << 20;

/// Where the SYNs of a flood come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sources {
    Random,
    One,
}

/// Makes spoofed SYNs from a few that are right but for their source.
struct Flood {
    random: ChaCha8Rng,
    family: Family,
    sources: Sources,
    templates: Vec<Vec<u8>>,
}

impl Flood {
    fn new(family: Family, sources: Sources) -> Self {
        let full = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamp: Some(Timestamp { val: 1, ecr: 0 }),
            ..Options::default()
        };
        let plain = Options { timestamp: None, ..full.clone() };
        let bare = Options::default();
        let header = |options| Header {
            destination: 80,
            source: 1,
            flags: Flags::SYN,
            wnd: 1024,
            options,
            ..Header::default()
        };
        let templates = [full, plain, bare]
            .into_iter()
            .map(|options| tcp_packet(family, &header(options), b""))
            .collect();
        Self { random: ChaCha8Rng::seed_from_u64(7), family, sources, templates }
    }

    /// The device vouches for the checksum of the segment; that of an IPv4 header is made good.
    fn syn(&mut self) -> Frame {
        let which = self.random.random_range(0..self.templates.len());
        let mut packet = self.templates[which].clone();
        let mut drawn: [u8; 18] = self.random.random();
        let start = match self.family {
            Family::V4 => {
                if self.sources == Sources::One {
                    drawn[..4].copy_from_slice(&[66; 4]);
                }
                drawn[0] = 20 + drawn[0] % 100;
                packet[12..16].copy_from_slice(&drawn[..4]);
                packet[10..12].fill(0);
                let sum: u32 =
                    packet[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
                let folded = (sum & 0xffff) + (sum >> 16);
                let folded = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
                packet[10..12].copy_from_slice(&(!folded).to_be_bytes());
                20
            }
            Family::V6 => {
                if self.sources == Sources::One {
                    drawn[..8].fill(0x44);
                }
                drawn[..2].copy_from_slice(&[0x20, 0x01]);
                packet[8..24].copy_from_slice(&drawn[..16]);
                40
            }
        };
        packet[start..start + 2].copy_from_slice(&[drawn[16] | 1, drawn[17]]);
        packet[start + 4..start + 8].copy_from_slice(&self.random.random::<[u8; 4]>());
        Frame { bytes: Bytes::from(packet), checksum: Checksum::Verified, segment_size: None }
    }
}

/// One honest connection.
struct Attempt {
    began: Instant,
    took: Option<Duration>,
    timestamps: bool,
}

/// The server under attack, and the honest client.
struct Siege {
    server: Host,
    client: Host,
    family: Family,
    listener: ListenerId,
    holds: bool,
    now: Instant,
    /// What is on its way: when it arrives, and whether at the client.
    wire: VecDeque<(Instant, bool, Bytes)>,
    attempts: HashMap<ConnectionId, Attempt>,
    accepted: u64,
    echoed: u64,
    resets: u64,
}

fn host(secret: u8, address: IpAddr) -> Host {
    let mut host = Host::new(HostConfig::default(), Secret::from_bytes([secret; 32]));
    let length = if address.is_ipv4() { 24 } else { 64 };
    host.add_interface(InterfaceConfig { addresses: vec![(address, length)], ..InterfaceConfig::default() });
    host
}

impl Siege {
    fn new(family: Family, holds: bool) -> Self {
        let mut server = host(1, family.us());
        let listener =
            server.listen(SocketAddr::new(family.us(), 80), ListenConfig::default().hold(holds)).unwrap();
        Self {
            server,
            client: host(2, family.peer()),
            family,
            listener,
            holds,
            now: Instant::from_millis(10_000),
            wire: VecDeque::new(),
            attempts: HashMap::new(),
            accepted: 0,
            echoed: 0,
            resets: 0,
        }
    }

    /// The client tries once more; every fifth time without timestamps.
    fn connect(&mut self) {
        let timestamps = !self.attempts.len().is_multiple_of(5);
        let tcp = TcpConfig { timestamps, msl: Duration::from_secs(1), ..TcpConfig::default() };
        let remote = SocketAddr::new(self.family.us(), 80);
        let id = self.client.connect(self.now, remote, ConnectConfig::default().tcp(tcp)).unwrap();
        self.attempts.insert(id, Attempt { began: self.now, took: None, timestamps });
    }

    /// One millisecond: what arrives, what is due, what leaves, what happens.
    fn step(&mut self, attack: Vec<Frame>) {
        self.now += Duration::from_millis(1);
        let now = self.now;
        self.server.handle_frames(now, InterfaceId::default(), &mut attack.into_iter());
        while self.wire.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, to_client, bytes) = self.wire.pop_front().unwrap();
            let host = if to_client { &mut self.client } else { &mut self.server };
            host.handle_frames(now, InterfaceId::default(), &mut [Frame::from(bytes)].into_iter());
        }
        for host in [&mut self.server, &mut self.client] {
            if host.poll_timeout().is_some_and(|at| at <= now) {
                host.handle_timeout(now);
            }
        }
        self.serve();
        self.call();
        self.transmit();
    }

    fn transmit(&mut self) {
        let mut out = Transmit::default();
        let client = self.family.peer();
        for (host, to_client) in [(&mut self.server, true), (&mut self.client, false)] {
            while host.poll_transmit(self.now, &mut out) {
                let bytes = out.to_bytes();
                let packet = ip::parse(&bytes).unwrap();
                if to_client && packet.destination != client {
                    continue; // nobody is there
                }
                let header = tcp::parse(&bytes[packet.payload]).unwrap();
                self.resets += u64::from(to_client && header.flags.has(Flags::RST));
                self.wire.push_back((self.now + DELAY, to_client, bytes));
            }
        }
    }

    /// The server's application: it echoes and closes; where SYNs are held, it knows whom it wants.
    fn serve(&mut self) {
        let now = self.now;
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Incoming(_) if self.holds => {
                    while let Some((id, tuple)) = self.server.incoming(self.listener) {
                        if tuple.remote.ip() == self.family.peer() {
                            self.server.admit(now, id).unwrap();
                        }
                    }
                }
                Event::Incoming(_) => {
                    while let Some(id) = self.server.accept(self.listener) {
                        self.accepted += 1;
                        self.answer(id);
                    }
                }
                Event::Connected(id) => {
                    self.accepted += 1;
                    self.answer(id);
                }
                Event::Readable(id) => self.answer(id),
                Event::Closed(id, _) => {
                    self.server.stream(id).into_iter().for_each(|stream| stream.close(now));
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(mut stream) = self.server.stream(id) else { return };
        if let Ok(Some(text)) = stream.read_chunk(now, usize::MAX) {
            stream.write(now, &text).unwrap();
            let info = self.server.info(id).unwrap();
            // The client's window is 4 MiB: without its scale it would be 65,535 at most.
            // A cookie keeps scale and SACK where there are timestamps, and loses both where there are none.
            let kept = info.timestamps || self.holds;
            assert_eq!((info.sack, info.snd_wnd > 0xffff), (kept, kept));
            self.server.stream(id).unwrap().close(now);
        }
    }

    /// The client's application: it says hello, and closes after the echo.
    fn call(&mut self) {
        let now = self.now;
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Connected(id) => {
                    self.client.stream(id).unwrap().write(now, b"hello").unwrap();
                }
                Event::Readable(id) => {
                    let Some(mut stream) = self.client.stream(id) else { continue };
                    if let Ok(Some(text)) = stream.read_chunk(now, usize::MAX) {
                        assert_eq!(&text[..], b"hello");
                        let attempt = self.attempts.get_mut(&id).unwrap();
                        attempt.took = Some(now.since(attempt.began));
                        self.echoed += 1;
                        let info = self.client.info(id).unwrap();
                        assert!(!attempt.timestamps || info.sack && info.timestamps);
                        self.client.stream(id).unwrap().close(now);
                    }
                }
                _ => {}
            }
        }
    }
}

fn alive(heap: &Region<'_, System>) -> usize {
    let change = heap.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

/// The whole siege; the server afterwards.
fn besiege(family: Family, sources: Sources, holds: bool) -> Siege {
    let mut flood = Flood::new(family, sources);
    let mut siege = Siege::new(family, holds);
    let heap = Region::new(HEAP);
    let mut most = 0;
    for millisecond in 0..MILLISECONDS {
        // Evenly over the flood, once the queue is full.
        while millisecond > 50 && siege.attempts.len() as u64 * MILLISECONDS < HONEST * millisecond {
            siege.connect();
        }
        siege.step((0..SYNS_A_MILLISECOND).map(|_| flood.syn()).collect());
        most = most.max(alive(&heap));
    }
    while (siege.attempts.len() as u64) < HONEST {
        siege.connect();
    }
    for _ in 0..3_000 {
        siege.step(vec![flood.syn()]);
    }
    let bound = BACKLOG * HALF_OPEN + SLACK;
    assert!(most <= bound, "{most} octets, at most {bound} are allowed");
    let failed = siege.attempts.values().filter(|attempt| attempt.took.is_none()).count();
    assert_eq!((failed, siege.accepted, siege.echoed, siege.resets), (0, HONEST, HONEST, 0));
    let longest = siege.attempts.values().filter_map(|attempt| attempt.took).max().unwrap();
    assert!(longest <= Duration::from_secs(3), "{longest:?}");
    let snapshot = siege.server.snapshot(siege.now);
    assert!(snapshot.listeners[0].half_open as usize <= BACKLOG);
    siege
}

fn withstands_spoofed_syns(family: Family) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let siege = besiege(family, Sources::Random, false);
    let counters = siege.server.counters();
    assert!(counters.syn_cookies_sent > SYNS * 9 / 10);
    assert!(counters.syn_cookies_accepted > HONEST * 9 / 10);
    assert!(counters.syn_cookies_plain > SYNS / 2, "two of three templates have no timestamps");
    assert_eq!(counters.syn_cookies_failed, 0);
    assert_eq!(counters.drops.get(DropReason::SynQueueFull), 0);
}

// requirement: 4987-1
// requirement: 4987-4
// requirement: 4987-5
// requirement: 4987-7
#[test]
fn honest_client_opens_a_thousand_connections_while_spoofed_ipv4_syns_flood_the_listener() {
    withstands_spoofed_syns(Family::V4);
}

// requirement: 4987-1
// requirement: 4987-5
// requirement: 4987-7
#[test]
fn honest_client_opens_a_thousand_connections_while_spoofed_ipv6_syns_flood_the_listener() {
    withstands_spoofed_syns(Family::V6);
}

fn holding_listener_withstands_one_source(family: Family) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let siege = besiege(family, Sources::One, true);
    let counters = siege.server.counters();
    assert_eq!(counters.syn_cookies_sent, 0);
    assert!(counters.drops.get(DropReason::SynSourceFull) > SYNS * 9 / 10);
    assert!(siege.server.snapshot(siege.now).listeners[0].half_open <= 1024);
}

// requirement: 4987-1
#[test]
fn honest_client_of_another_source_gets_through_to_a_listener_that_holds_ipv4() {
    holding_listener_withstands_one_source(Family::V4);
}

// requirement: 4987-1
#[test]
fn honest_client_of_another_source_gets_through_to_a_listener_that_holds_ipv6() {
    holding_listener_withstands_one_source(Family::V6);
}

/// From random sources a holding listener has nothing to tell friend from foe by: it drops, and its memory is bounded.
// requirement: 4987-1
#[test]
fn holding_listener_under_a_flood_from_everywhere_holds_its_backlog_and_no_more() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for family in Family::BOTH {
        let mut flood = Flood::new(family, Sources::Random);
        let mut siege = Siege::new(family, true);
        let heap = Region::new(HEAP);
        for _ in 0..MILLISECONDS / 10 {
            siege.step((0..SYNS_A_MILLISECOND).map(|_| flood.syn()).collect());
            assert!(alive(&heap) <= BACKLOG * HALF_OPEN + SLACK);
        }
        assert_eq!(siege.server.snapshot(siege.now).listeners[0].half_open as usize, BACKLOG);
        let dropped = siege.server.counters().drops.get(DropReason::SynQueueFull);
        assert_eq!(dropped, MILLISECONDS / 10 * SYNS_A_MILLISECOND - BACKLOG as u64);
        // When it is over all of them go, within `hold_timeout`.
        for _ in 0..21_000 {
            siege.step(Vec::new());
        }
        assert_eq!(siege.server.snapshot(siege.now).listeners[0].half_open, 0);
        assert_eq!(siege.server.counters().held_expired, BACKLOG as u64);
        siege.connect();
        for _ in 0..100 {
            siege.step(Vec::new());
        }
        assert_eq!((siege.accepted, siege.resets), (1, 0));
    }
}
