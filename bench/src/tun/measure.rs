//! What is measured on each server, and what the figures are called.

use super::load::{self, Direction};
use super::subject::{Server, Subject};
use super::{cpu, latency};
use interop::wait;
use std::io;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Idle connections beside the busy ones.
const IDLE: usize = 5_000;
/// Connections that make one request and stay.
const HELD: usize = 10_000;
/// Connections that do so before memory is read, so that what is there only once is not counted.
const FIRST: usize = 100;
/// How long a server is left alone before its rest is measured: longer than the timers of a connection that goes well.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the ports come round.
const MINUTE: Duration = Duration::from_secs(60);
/// Requests in a second at which latency is compared: less than half of what the slowest peer can do.
const RATE: f64 = 20_000.0;
/// Between two looks at the progress of a long run.
const LOOK: Duration = Duration::from_millis(100);

/// One kind of measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bulk from the client to the server.
    Up,
    /// Bulk from the server to the client.
    Down,
    /// HTTP over 64 kept connections.
    KeepAlive,
    /// HTTP with a connection for each request.
    Close,
    /// Both kinds of HTTP next to 5,000 idle connections.
    Idle5k,
    /// Latency at a fixed rate.
    Latency,
    /// What the server uses when nothing happens.
    Rest,
    /// A minute of [`Kind::Close`], the client's ports coming round again and again.
    Minute,
    /// Memory of 10,000 connections that have made one request each, against the same service on pipes.
    Held,
    /// Latency at half of the highest rate.
    Half,
}

/// Every kind with its name on the command line.
pub const KINDS: [(&str, Kind); 10] = [
    ("up", Kind::Up),
    ("down", Kind::Down),
    ("keepalive", Kind::KeepAlive),
    ("close", Kind::Close),
    ("idle5k", Kind::Idle5k),
    ("latency", Kind::Latency),
    ("rest", Kind::Rest),
    ("minute", Kind::Minute),
    ("held", Kind::Held),
    ("half", Kind::Half),
];

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        found.ok_or_else(|| format!("`{text}` is no measurement: {}", KINDS.map(|(name, _)| name).join(", ")))
    }
}

/// One figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// What was measured.
    pub metric: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

fn figure(metric: impl Into<String>, value: f64, unit: &'static str) -> Figure {
    Figure { metric: metric.into(), value, unit }
}

/// Starts `subject` and measures it, each kind for `length`; gives every figure to `tell` as it comes. `prefix` stands
/// before the names of the HTTP figures: `http` for the small servers, `hyper` for those on hyper. Returns what failed,
/// by kind: the server is started again after a failure, and the other kinds are measured all the same.
pub fn measure(
    subject: &Subject,
    kinds: &[Kind],
    prefix: &str,
    length: Duration,
    tell: &mut dyn FnMut(Figure),
) -> Vec<(Kind, io::Error)> {
    let mut failures = Vec::new();
    let mut server = None;
    for &kind in kinds {
        let result = match server.take() {
            Some(server) => Ok(server),
            None => Server::start(subject),
        };
        let result = result.and_then(|started| {
            one(&started, kind, prefix, length, tell)?;
            Ok(started)
        });
        match result {
            Ok(started) => server = Some(started),
            Err(error) => failures.push((kind, error)),
        }
    }
    failures
}

fn one(
    server: &Server,
    kind: Kind,
    prefix: &str,
    length: Duration,
    tell: &mut dyn FnMut(Figure),
) -> io::Result<()> {
    match kind {
        Kind::Up => bulk(server, Direction::Up, prefix, length, tell),
        Kind::Down => bulk(server, Direction::Down, prefix, length, tell),
        Kind::KeepAlive => http(server, false, &format!("{prefix}_keepalive"), length, tell),
        Kind::Close => http(server, true, &format!("{prefix}_close"), length, tell),
        Kind::Idle5k => {
            let _idle = load::hold(server.client(), server.address(), IDLE, false)?;
            http(server, false, &format!("{prefix}_keepalive_idle_5k"), length, tell)?;
            http(server, true, &format!("{prefix}_close_idle_5k"), length, tell)?;
            rest(server, &format!("{prefix}_idle_5k"), length, tell)
        }
        Kind::Latency => latency(server, RATE, prefix, length, tell),
        Kind::Half => {
            let most = load::wrk(server.client(), server.address(), false, length)?;
            tell(figure(format!("{prefix}_half_rate"), most.rate / 2.0, "req/s"));
            latency(server, most.rate / 2.0, &format!("{prefix}_half"), length, tell)
        }
        Kind::Rest => rest(server, &format!("{prefix}_idle"), length, tell),
        Kind::Held => held(server, prefix, tell),
        Kind::Minute => minute(server, prefix, tell),
    }
}

fn bulk(
    server: &Server,
    direction: Direction,
    prefix: &str,
    length: Duration,
    tell: &mut dyn FnMut(Figure),
) -> io::Result<()> {
    // The bulk figures of the small servers are named after the device.
    let prefix = if prefix == "http" { "tun" } else { prefix };
    let name = format!("{prefix}_{}", if direction == Direction::Up { "up" } else { "down" });
    let before = cpu::used(server.pid())?;
    let bulk = load::bulk(server.client(), server.address(), direction, length)?;
    let used = cpu::used(server.pid())?.saturating_sub(before);
    let octets = bulk.octets as f64;
    tell(figure(format!("{name}_gbps"), octets * 8.0 / bulk.time.as_secs_f64() / 1e9, "Gbit/s"));
    tell(figure(format!("{name}_cpu"), used.as_nanos() as f64 / octets, "ns/B"));
    Ok(())
}

fn http(
    server: &Server,
    close: bool,
    name: &str,
    length: Duration,
    tell: &mut dyn FnMut(Figure),
) -> io::Result<()> {
    let before = cpu::used(server.pid())?;
    let wrk = load::wrk(server.client(), server.address(), close, length)?;
    let used = cpu::used(server.pid())?.saturating_sub(before);
    tell(figure(format!("{name}_rate"), wrk.rate, "req/s"));
    tell(figure(format!("{name}_per_cpu_s"), wrk.requests as f64 / used.as_secs_f64(), "req/CPU s"));
    tell(figure(format!("{name}_errors"), wrk.errors as f64, "errors"));
    Ok(())
}

fn latency(
    server: &Server,
    rate: f64,
    name: &str,
    length: Duration,
    tell: &mut dyn FnMut(Figure),
) -> io::Result<()> {
    let latency = latency::measure(server.client(), server.address(), rate, length)?;
    tell(figure(format!("{name}_p50_us"), latency.p50.as_secs_f64() * 1e6, "us"));
    tell(figure(format!("{name}_p99_us"), latency.p99.as_secs_f64() * 1e6, "us"));
    Ok(())
}

/// What a server on hyper holds for each idle connection, what the service alone holds, and the difference, which is
/// the stack's.
fn held(server: &Server, prefix: &str, tell: &mut dyn FnMut(Figure)) -> io::Result<()> {
    let own = std::env::current_exe()?;
    let pipe = Command::new(own.with_file_name("tun_hyper_pipe")).arg(HELD.to_string()).output()?;
    let text = String::from_utf8_lossy(&pipe.stdout).into_owned();
    let alone = text.trim().strip_prefix("pipe_rss_per_connection ").and_then(|number| number.parse().ok());
    let alone: f64 = alone.ok_or_else(|| io::Error::other(format!("tun_hyper_pipe said: {text}")))?;
    let hold = |count| load::hold(server.client(), server.address(), count, true);
    let _first = hold(FIRST)?;
    let (_, before) = cpu::memory(server.pid())?;
    let held = hold(HELD)?;
    let (_, after) = cpu::memory(server.pid())?;
    let each = after.saturating_sub(before) as f64 / held.len() as f64;
    tell(figure(format!("{prefix}_held_bytes"), each, "B"));
    tell(figure(format!("{prefix}_pipe_held_bytes"), alone, "B"));
    tell(figure(format!("{prefix}_held_extra_bytes"), each - alone, "B"));
    Ok(())
}

/// Processor time and memory of a server that nobody asks anything.
fn rest(server: &Server, name: &str, length: Duration, tell: &mut dyn FnMut(Figure)) -> io::Result<()> {
    // Timers of what was asked before come due for a while yet.
    wait::pass(SETTLE);
    let before = cpu::used(server.pid())?;
    wait::pass(length);
    let used = cpu::used(server.pid())?.saturating_sub(before);
    let (_, resident) = cpu::memory(server.pid())?;
    tell(figure(format!("{name}_cpu"), used.as_secs_f64() * 1e6 / length.as_secs_f64(), "us/s"));
    tell(figure(format!("{name}_rss"), resident as f64 / 1e6, "MB"));
    Ok(())
}

/// A minute of short connections. A stall is a time in which no packet comes from the server.
fn minute(server: &Server, prefix: &str, tell: &mut dyn FnMut(Figure)) -> io::Result<()> {
    let (client, address) = (server.client(), server.address());
    let run = std::thread::scope(|scope| {
        let wrk = scope.spawn(|| load::wrk(client, address, true, MINUTE));
        let mut longest = Duration::ZERO;
        let (mut last, mut since) = (received(server.client()), Instant::now());
        while !wrk.is_finished() {
            wait::pass(LOOK);
            let now = received(server.client());
            if now != last {
                (last, since) = (now, Instant::now());
            }
            longest = longest.max(since.elapsed());
        }
        (wrk.join(), longest)
    });
    let (Ok(wrk), longest) = run else { return Err(io::Error::other("the thread of wrk panicked")) };
    let wrk = wrk?;
    tell(figure(format!("{prefix}_close_minute_rate"), wrk.rate, "req/s"));
    tell(figure(format!("{prefix}_close_minute_errors"), wrk.errors as f64, "errors"));
    // Less than two looks is no stall at all.
    tell(figure(format!("{prefix}_close_minute_stall"), longest.as_secs_f64() * 1e3, "ms"));
    Ok(())
}

/// Packets that have come in through the interfaces of a namespace.
fn received(namespace: &interop::Namespace) -> u64 {
    let table = namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/dev")).unwrap_or_default();
    let packets = |line: &str| line.split_once(':')?.1.split_whitespace().nth(1)?.parse::<u64>().ok();
    table.lines().filter_map(packets).sum()
}
