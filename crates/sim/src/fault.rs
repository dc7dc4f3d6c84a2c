//! What links do to packets besides delaying them.
//!
//! A [`Fault`] sees every packet of its link, both directions, and gives a [`Verdict`]. Closures are faults. The
//! ready-made ones draw from the run's seed. Several faults on one link combine: see [`crate::Link::fault`].

use crate::HostId;
use crate::random::Random;
use linger_proto::Instant;
use std::time::Duration;

/// One packet on its way.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The IP packet.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: HostId,
    /// Who is to receive it.
    pub to: HostId,
}

/// What becomes of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It travels as the link has it.
    Pass,
    /// It is lost.
    Drop,
    /// It travels longer, and others may overtake it.
    Delay(Duration),
    /// It travels, and a copy of it arrives that much later.
    Duplicate {
        /// After the original.
        after: Duration,
    },
    /// It travels with one octet changed, counted from the first of the IP header; past the end, the last.
    Corrupt {
        /// Which octet.
        byte: usize,
    },
}

/// Decides about each packet of a link.
pub trait Fault: 'static {
    /// Gives the fault its random numbers, once, before the first packet.
    fn seeded(&mut self, _random: Random) {}

    /// What becomes of this packet, which enters the link now.
    fn on_packet(&mut self, now: Instant, packet: &Packet<'_>) -> Verdict;
}

impl<F: FnMut(Instant, &Packet<'_>) -> Verdict + 'static> Fault for F {
    fn on_packet(&mut self, now: Instant, packet: &Packet<'_>) -> Verdict {
        self(now, packet)
    }
}

/// A fault that strikes at random.
struct Chance {
    probability: f64,
    random: Option<Random>,
    what: What,
}

enum What {
    Loss,
    Duplicate,
    Reorder(Duration),
    Corrupt,
}

/// Loses packets with the given probability, 0.0 to 1.0.
pub fn loss(probability: f64) -> impl Fault {
    Chance::new(probability, What::Loss)
}

/// Delivers packets twice with the given probability; the copy comes within a millisecond of the original.
pub fn duplicate(probability: f64) -> impl Fault {
    Chance::new(probability, What::Duplicate)
}

/// Delays packets by `extra` with the given probability, so that later ones overtake them.
pub fn reorder(probability: f64, extra: Duration) -> impl Fault {
    Chance::new(probability, What::Reorder(extra))
}

/// Changes one octet of a packet with the given probability.
pub fn corrupt(probability: f64) -> impl Fault {
    Chance::new(probability, What::Corrupt)
}

impl Chance {
    const fn new(probability: f64, what: What) -> Self {
        Self { probability, random: None, what }
    }
}

impl Fault for Chance {
    fn seeded(&mut self, random: Random) {
        self.random = Some(random);
    }

    fn on_packet(&mut self, _now: Instant, packet: &Packet<'_>) -> Verdict {
        let Some(random) = &mut self.random else { return Verdict::Pass };
        if !random.chance(self.probability) {
            return Verdict::Pass;
        }
        match self.what {
            What::Loss => Verdict::Drop,
            What::Duplicate => Verdict::Duplicate { after: Duration::from_nanos(random.below(1_000_000)) },
            What::Reorder(extra) => Verdict::Delay(extra),
            What::Corrupt => {
                let octets = u64::try_from(packet.bytes.len()).unwrap_or(u64::MAX);
                Verdict::Corrupt { byte: usize::try_from(random.below(octets)).unwrap_or(0) }
            }
        }
    }
}
