//! Pieces of work whose instructions are gated: made ready first, then done while they are counted.

use super::bulk::Bulk;
use super::footprint::syn;
use super::life::Life;
use super::pair::{App, Pair, Setup};
use super::quiet::Quiet;
use super::say;
use super::seg::Echo;
use crate::counted_alone;
use linger_proto::{ConnectionId, Event, Frame, Host, Instant, Transmit};
use std::time::Duration;

/// 2*MSL of the default settings.
const TIME_WAIT: Duration = Duration::from_secs(60);

/// Whole lives next to TIME-WAITs: each adds one, and one expires.
pub struct Lives {
    pair: Pair,
    life: Life,
    step: Duration,
    count: u32,
}

impl Lives {
    /// Ready for `count` lives next to 3,000 TIME-WAITs.
    pub fn new(count: u32) -> Self {
        Self::next_to(3_000, count)
    }

    /// Ready for `count` lives next to `held` TIME-WAITs.
    pub fn next_to(held: u32, count: u32) -> Self {
        let (pair, step) = (Pair::new(&Setup::default()), TIME_WAIT / held);
        let mut lives = Self { pair, life: Life::new(), step, count: held + 100 };
        lives = lives.run();
        lives.count = count;
        lives
    }

    /// The lives.
    #[must_use]
    pub fn run(mut self) -> Self {
        for _ in 0..self.count {
            self.pair.wait(self.step);
            self.pair.connect();
            self.pair.live(&mut self.life);
        }
        self
    }
}

/// Round trips of 32 octets each way on one connection.
pub struct Segments {
    pair: Pair,
    client: ConnectionId,
    echo: Echo,
    count: u32,
}

impl Segments {
    /// Ready for `count` round trips, so twice as many segments.
    pub fn new(count: u32) -> Self {
        Self::next_to(0, count)
    }

    /// Ready for `count` round trips next to `idle` idle connections.
    pub fn next_to(idle: u32, count: u32) -> Self {
        let mut pair = Pair::new(&Setup::default());
        let client = pair.idle(idle + 1).clients[0];
        let mut segments = Self { pair, client, echo: Echo::new(), count: 100 };
        segments = segments.run();
        segments.count = count;
        segments
    }

    /// The round trips.
    #[must_use]
    pub fn run(mut self) -> Self {
        for _ in 0..self.count {
            self.pair.round_trip(&[self.client], &mut self.echo, Duration::from_micros(20));
        }
        self
    }
}

/// Text in one direction at MTU 1500, checksums on, buffers of 256 KiB.
pub struct Stretch {
    pair: Pair,
    bulk: Bulk,
}

impl Stretch {
    /// Ready for `mib` MiB, with the congestion window open.
    pub fn new(mib: u32) -> Self {
        let (mut pair, mut bulk) = Bulk::begin(1500, true, 256 << 10, 0);
        bulk.transfer(&mut pair, 4 << 20);
        Self { pair, bulk }.again(mib)
    }

    /// Ready for `mib` MiB more.
    #[must_use]
    pub fn again(mut self, mib: u32) -> Self {
        self.bulk.left = u64::from(mib) << 20;
        self
    }

    /// The text.
    #[must_use]
    pub fn run(mut self) -> Self {
        let left = self.bulk.left;
        self.bulk.transfer(&mut self.pair, left);
        self
    }
}

/// SYNs arrive and are answered: each makes a half-open connection.
pub struct Syns {
    pair: Pair,
    frames: Vec<Frame>,
}

impl Syns {
    /// Ready for `count` SYNs, with 1,000 half-open connections there.
    pub fn new(count: u32) -> Self {
        let mut pair = Pair::new(&Setup::default());
        let frames: Vec<Frame> = (0..1_000).map(|number| syn(&mut pair, number)).collect();
        let mut syns = Self { pair, frames };
        syns = syns.run();
        syns.frames = (0..count).map(|number| syn(&mut syns.pair, 1_000 + number)).collect();
        syns
    }

    /// The SYNs, one at a time, and their answers.
    #[must_use]
    pub fn run(mut self) -> Self {
        let mut out = Transmit::default();
        for frame in self.frames.drain(..) {
            let one = &mut std::iter::once(frame);
            self.pair.server.handle_frames(self.pair.now, self.pair.interface, one);
            assert!(self.pair.server.poll_transmit(self.pair.now, &mut out), "a SYN is answered");
        }
        self
    }
}

/// The peer's FINs arrive in FIN-WAIT-2 and are acknowledged: each connection becomes a TIME-WAIT.
pub struct Fins {
    pair: Pair,
    frames: Vec<Frame>,
}

impl Fins {
    /// Ready for `count` FINs, each of its own connection.
    pub fn new(count: u32) -> Self {
        let mut pair = Pair::new(&Setup::default());
        let mut frames = Vec::new();
        for number in 0..count {
            pair.wait(Duration::from_micros(20));
            pair.connect_other(number);
            let mut hold = Hold { life: Life::new(), closed: false };
            // Until the client has closed: its FIN stays here.
            while !hold.closed {
                pair.step(&mut hold);
            }
            pair.wire.take(&mut pair.client, pair.now, 1);
            frames.extend(pair.wire.untaken());
        }
        assert_eq!(frames.len(), count as usize);
        Self { pair, frames }
    }

    /// The FINs, one at a time, their acknowledgments, and what the application is told.
    #[must_use]
    pub fn run(mut self) -> Self {
        let (now, entered) = (self.pair.now, self.pair.server.counters().time_wait_entered);
        let (mut out, count) = (Transmit::default(), self.frames.len() as u64);
        for frame in self.frames.drain(..) {
            let one = &mut std::iter::once(frame);
            self.pair.server.handle_frames(now, self.pair.interface, one);
            assert!(self.pair.server.poll_transmit(now, &mut out), "a FIN is acknowledged");
            while self.pair.server.poll_event().is_some() {}
        }
        assert_eq!(self.pair.server.counters().time_wait_entered - entered, count);
        self
    }
}

/// A driver's looks at a server with 1,000 idle connections when nothing is due.
pub struct Looks {
    quiet: Quiet,
    count: u32,
}

impl Looks {
    /// Ready for `count` looks.
    pub fn new(count: u32) -> Self {
        Self { quiet: Quiet::new(1_000), count }
    }

    /// The looks.
    #[must_use]
    pub fn run(mut self) -> Self {
        assert!((0..self.count).all(|_| !self.quiet.look()), "nothing was due");
        self
    }
}

/// The work that is called `name`, counted alone by a callgrind that was started with `--instr-atstart=no`; says how many
/// units it was. The same amounts as in `benches/gates.rs`. False when nothing is called so.
pub fn gated(name: &str) -> bool {
    let units: u32 = match name {
        "lifecycle" => count(Lives::new(500), Lives::run, 500),
        "lifecycle_held_30k" => count(Lives::next_to(30_000, 500), Lives::run, 500),
        "segment" => count(Segments::new(2_000), Segments::run, 4_000),
        "segment_next_to_40k" => count(Segments::next_to(40_000, 2_000), Segments::run, 4_000),
        "bulk_byte" => count(Stretch::new(8), Stretch::run, 8 << 20),
        "half_open" => count(Syns::new(1_000), Syns::run, 1_000),
        "time_wait_insert" => count(Fins::new(1_000), Fins::run, 1_000),
        "housekeeping" => count(Looks::new(1_000), Looks::run, 1_000),
        _ => return false,
    };
    say("units", units);
    true
}

fn count<T>(work: T, run: fn(T) -> T, units: u32) -> u32 {
    drop(counted_alone(|| run(work)));
    units
}

/// A life that says when the client has closed.
struct Hold {
    life: Life,
    closed: bool,
}

impl App for Hold {
    fn client(&mut self, host: &mut Host, now: Instant, event: Event) {
        self.life.client(host, now, event);
        if let Event::Readable(id) = event {
            self.closed |= host.stream(id).is_none();
        }
    }

    fn server(&mut self, host: &mut Host, now: Instant, event: Event) {
        self.life.server(host, now, event);
    }
}
