//! One run of a scene: the hosts are put up, the applications run, and what happened is brought back.

use super::outcome::{Log, Outcome, Verdict};
use super::page::Page;
use super::scene::Scene;
use linger::Net;
use linger_proto::{HostConfig, Instant, TcpConfig};
use linger_sim::ladder::{Line, Recorder, lines};
use linger_sim::{Link, Report, Seed, Sim, Why, check};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// The names of the two hosts.
pub(super) const HOSTS: [&str; 2] = ["HOST1", "HOST2"];

/// How a scene is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) time_wait: bool,
    /// Overrides what the scene says about timestamps.
    pub(super) timestamps: Option<bool>,
}

/// One reading of how long a TIME-WAIT still lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) side: usize,
    pub(super) remaining: Duration,
}

/// What a run of a scene came to.
pub(super) struct Act {
    pub(super) lines: Vec<Line>,
    pub(super) outcome: Outcome,
    pub(super) verdict: Verdict,
    /// 2*MSL of the hosts.
    pub(super) time_wait: Duration,
    pub(super) timestamps: bool,
    pub(super) readings: Vec<Reading>,
    pub(super) report: Report,
    /// What the simulator found wrong, if it did.
    pub(super) failure: Option<Why>,
    /// The pcapng file.
    pub(super) capture: Vec<u8>,
}

impl Act {
    /// Whether the connection ended in order, the octets arrived intact, and the simulator found nothing wrong.
    pub(super) fn good(&self) -> bool {
        self.verdict.good() && self.failure.is_none()
    }
}

/// No scene needs more virtual time.
const DEADLINE: Duration = Duration::from_secs(600);
/// How often the rest of a TIME-WAIT is read off.
const READING_EVERY: Duration = Duration::from_secs(10);

/// Runs a scene.
pub(super) fn act(scene: Scene, settings: Settings, page: &Page) -> Act {
    let timestamps = settings.timestamps.unwrap_or(scene.timestamps);
    let config = config(scene, settings, timestamps);
    let time_wait = config.tcp.msl * 2;
    let mut sim = Sim::new(Seed(settings.seed));
    let hosts = HOSTS.map(|name| sim.host(name, config.clone()));
    let link = Link::new().delay(Duration::from_millis(10)).jitter(Duration::ZERO..Duration::from_millis(2));
    let link = sim.link(hosts[0], hosts[1], (scene.faults)(link, hosts));
    let recorder = Recorder::new(hosts[0], hosts[1]);
    sim.observe(recorder.clone());
    sim.check(check::Quiescent);
    let drops = check::DropsCounted::new();
    sim.observe(drops.clone());
    sim.check(drops);
    let capture = Shared::default();
    sim.capture(link, capture.clone());

    let log = Log::default();
    let server = SocketAddr::new(sim.ipv4(hosts[1]), 80);
    let page = if scene.page_changes { page.changing() } else { page.clone() };
    let server_log = log.clone();
    let client = sim.ipv4(hosts[0]);
    sim.spawn(hosts[1], move |net| scene.server.run(net, server, client, page, server_log));
    let client_log = log.clone();
    sim.spawn(hosts[0], move |net| scene.client.run(net, server, client_log));
    let readings = Rc::new(RefCell::new(Vec::new()));
    for (side, host) in hosts.into_iter().enumerate() {
        let readings = Rc::clone(&readings);
        sim.spawn(host, move |net| read_off(net, side, readings));
    }

    let ended = sim.run_until_idle(DEADLINE);
    let report = sim.report();
    drop(sim);
    let outcome = log.outcome();
    let readings = readings.borrow().clone();
    Act {
        lines: lines(&recorder.rows()),
        verdict: outcome.verdict(scene.client.visits),
        outcome,
        time_wait,
        timestamps,
        readings,
        report,
        failure: ended.err().map(|failure| failure.why),
        capture: capture.0.take(),
    }
}

fn config(scene: Scene, settings: Settings, timestamps: bool) -> HostConfig {
    let mut tcp = TcpConfig { timestamps, ..TcpConfig::default() };
    if !settings.time_wait {
        tcp.msl = Duration::ZERO;
    }
    HostConfig { tcp, initial_sequence: scene.initial_sequence, ..HostConfig::default() }
}

/// Reads off how long the TIME-WAITs of a host still last, for ever.
async fn read_off(net: Net, side: usize, readings: Rc<RefCell<Vec<Reading>>>) {
    let start = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(READING_EVERY).await;
        let at = Instant::ZERO + start.elapsed();
        let left = net.snapshot().time_wait;
        readings.borrow_mut().extend(left.iter().map(|one| Reading { at, side, remaining: one.remaining }));
    }
}

/// A writer whose octets can be looked at afterwards.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
