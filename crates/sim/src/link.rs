//! Links: a wire between two hosts with delay, rate, queue and faults, each direction on its own.

use crate::fault::{Fault, Packet, Verdict};
use crate::random::{Random, Seed, Stream};
use crate::{HostId, LinkId};
use bytes::Bytes;
use linger_proto::Instant;
use std::ops::Range;
use std::time::Duration;

/// What a link between two hosts is like. The same in both directions.
#[must_use]
pub struct Link {
    delay: Duration,
    jitter: Range<Duration>,
    rate_bps: Option<u64>,
    queue_packets: u32,
    faults: Vec<Box<dyn Fault>>,
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl Link {
    /// A link without delay, limit or fault.
    pub fn new() -> Self {
        let jitter = Duration::ZERO..Duration::ZERO;
        Self { delay: Duration::ZERO, jitter, rate_bps: None, queue_packets: u32::MAX, faults: Vec::new() }
    }

    /// How long a packet travels, one way. Default zero.
    pub fn delay(mut self, one_way: Duration) -> Self {
        self.delay = one_way;
        self
    }

    /// Adds a random part to the delay, drawn evenly from `range` for each packet. Packets stay in order: for those
    /// that overtake, see [`crate::fault::reorder`]. Default none.
    pub fn jitter(mut self, range: Range<Duration>) -> Self {
        self.jitter = range;
        self
    }

    /// Bits a second that enter the link. Default unlimited.
    pub fn rate_bps(mut self, rate_bps: u64) -> Self {
        self.rate_bps = Some(rate_bps.max(1));
        self
    }

    /// How many packets may wait for their turn when there is a rate; one more is lost. Default unlimited.
    pub fn queue_packets(mut self, limit: u32) -> Self {
        self.queue_packets = limit;
        self
    }

    /// Adds a fault. With several, every one sees every packet, in the order they were added: a loss in any loses
    /// it, delays add up, each duplicate is one more copy, corruptions all apply.
    pub fn fault(mut self, fault: impl Fault) -> Self {
        self.faults.push(Box::new(fault));
        self
    }
}

/// Why a packet did not leave a link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// A fault of the link lost it.
    Fault,
    /// The queue before the link was full.
    QueueFull,
    /// No link leads from its sender to its destination.
    NoLink,
}

impl Loss {
    /// The reason in a few words, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fault => "lost on the link",
            Self::QueueFull => "link queue full",
            Self::NoLink => "no link to its destination",
        }
    }
}

/// One copy of a packet that will arrive.
pub(crate) struct Copy {
    pub(crate) at: Instant,
    pub(crate) bytes: Bytes,
}

/// A link in use.
pub(crate) struct Wire {
    pub(crate) id: LinkId,
    pub(crate) ends: [HostId; 2],
    link: Link,
    random: Random,
    ways: [Way; 2],
}

/// One direction.
#[derive(Default)]
struct Way {
    /// When each packet that waits or is being sent will have entered the link.
    entering: std::collections::VecDeque<Instant>,
    last_arrival: Instant,
}

impl Wire {
    pub(crate) fn new(id: LinkId, ends: [HostId; 2], mut link: Link, seed: Seed) -> Self {
        for (index, fault) in (0u32..).zip(&mut link.faults) {
            fault.seeded(Random::new(seed, Stream::Fault(id.0, index)));
        }
        Self { id, ends, link, random: Random::new(seed, Stream::Link(id.0)), ways: Default::default() }
    }

    /// Whether this link joins the two.
    pub(crate) fn joins(&self, a: HostId, b: HostId) -> bool {
        self.ends == [a, b] || self.ends == [b, a]
    }

    /// A packet enters: which copies of it arrive when, or why none does.
    pub(crate) fn carry(
        &mut self,
        now: Instant,
        from: HostId,
        to: HostId,
        bytes: &Bytes,
    ) -> Result<Vec<Copy>, Loss> {
        let packet = Packet { bytes, from, to };
        let verdicts: Vec<Verdict> = self.link.faults.iter_mut().map(|f| f.on_packet(now, &packet)).collect();
        let jitter = self.random.duration(&self.link.jitter);
        let way = &mut self.ways[usize::from(from != self.ends[0])];
        let entered = way.enter(now, bytes.len(), &self.link)?;
        if verdicts.contains(&Verdict::Drop) {
            return Err(Loss::Fault);
        }
        let in_order = (entered + self.link.delay + jitter).max(way.last_arrival);
        let mut text = bytes.clone();
        let mut extra = Duration::ZERO;
        let mut copies = Vec::new();
        for verdict in verdicts {
            match verdict {
                Verdict::Delay(more) => extra += more,
                Verdict::Duplicate { after } => copies.push(after),
                Verdict::Corrupt { byte } => text = corrupted(&text, byte),
                Verdict::Pass | Verdict::Drop => {}
            }
        }
        if extra.is_zero() {
            way.last_arrival = in_order;
        }
        let first = in_order + extra;
        let all = std::iter::once(Duration::ZERO).chain(copies);
        Ok(all.map(|after| Copy { at: first + after, bytes: text.clone() }).collect())
    }
}

impl Way {
    /// When the last bit of a packet will have entered the link, if the queue has room for it.
    fn enter(&mut self, now: Instant, octets: usize, link: &Link) -> Result<Instant, Loss> {
        let Some(rate) = link.rate_bps else { return Ok(now) };
        while self.entering.front().is_some_and(|at| *at <= now) {
            self.entering.pop_front();
        }
        // The one being sent does not wait any more.
        let waiting = self.entering.len().saturating_sub(1);
        if u32::try_from(waiting).unwrap_or(u32::MAX) >= link.queue_packets && !self.entering.is_empty() {
            return Err(Loss::QueueFull);
        }
        let start = self.entering.back().copied().unwrap_or(now).max(now);
        let bits = u128::try_from(octets).unwrap_or(0) * 8;
        let nanos = u64::try_from(bits * 1_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX);
        let entered = start + Duration::from_nanos(nanos);
        self.entering.push_back(entered);
        Ok(entered)
    }
}

/// The packet with one octet inverted.
fn corrupted(bytes: &Bytes, byte: usize) -> Bytes {
    let mut copy = bytes.to_vec();
    let last = copy.len().saturating_sub(1);
    if let Some(octet) = copy.get_mut(byte.min(last)) {
        *octet ^= 0xff;
    }
    copy.into()
}
