//! One direction: the queue at its rate, and the packets on their way.

use super::{HELD_MAX, Impairment, ImpairmentCounters};
use crate::offload::complete_transmit;
use linger_proto::{Frame, Transmit};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What can be on its way.
pub(super) trait Packet: Clone {
    fn octets(&self) -> usize;

    /// Flips one bit, the `position`-th of all.
    fn corrupt(&mut self, position: usize);
}

impl Packet for Frame {
    fn octets(&self) -> usize {
        self.bytes.len()
    }

    fn corrupt(&mut self, position: usize) {
        let mut octets = Vec::from(self.bytes.clone());
        octets[position / 8] ^= 1 << (position % 8);
        self.bytes = octets.into();
    }
}

impl Packet for Transmit {
    fn octets(&self) -> usize {
        self.len()
    }

    /// With a partial checksum the receiver would not notice: it is completed first.
    fn corrupt(&mut self, position: usize) {
        complete_transmit(self);
        let mut octets = Vec::from(self.to_bytes());
        octets[position / 8] ^= 1 << (position % 8);
        self.header.clear();
        self.text.clear();
        self.text.push(octets.into());
    }
}

/// The packets of one direction, from their arrival until they are due.
#[derive(Debug)]
pub(super) struct Line<P> {
    config: Impairment,
    random: ChaCha8Rng,
    /// By the time they are due, then in the order they came.
    held: BTreeMap<(Instant, u64), P>,
    next: u64,
    /// When the last packet has left the queue, and when each that is still in it will.
    free_at: Option<Instant>,
    departures: VecDeque<Instant>,
    /// Packets that are not reordered are never due before one that came earlier.
    last_due: Option<Instant>,
    counters: Arc<Mutex<ImpairmentCounters>>,
    /// Whoever takes the packets had no room at the last attempt.
    pub(super) blocked: bool,
}

/// What chance decides about one packet. All of it is drawn for each, so that no decision shifts the next ones.
struct Fate {
    lost: bool,
    duplicated: bool,
    reordered: bool,
    corrupted: bool,
    jitter: f64,
    position: f64,
}

impl<P: Packet> Line<P> {
    pub(super) fn new(config: Impairment, seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self {
            config,
            random,
            held: BTreeMap::new(),
            next: 0,
            free_at: None,
            departures: VecDeque::new(),
            last_due: None,
            counters: Arc::default(),
            blocked: false,
        }
    }

    pub(super) fn counters(&self) -> Arc<Mutex<ImpairmentCounters>> {
        self.counters.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether as many wait as may.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= self.config.queue
    }

    /// When the first packet is due.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }

    /// The first packet, if it is due.
    pub(super) fn due(&self, now: Instant) -> Option<&P> {
        self.held.first_key_value().filter(|((due, _), _)| *due <= now).map(|(_, packet)| packet)
    }

    /// Takes the first packet out.
    pub(super) fn pop(&mut self) -> Option<P> {
        self.held.pop_first().map(|(_, packet)| packet)
    }

    /// Takes a packet in and decides its fate.
    pub(super) fn admit(&mut self, now: Instant, mut packet: P) {
        let fate = self.draw();
        let counters = self.counters.clone();
        let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.packets += 1;
        let Some(departs) = self.queue(now, packet.octets()) else {
            counters.queue_full += 1;
            return;
        };
        if fate.lost {
            counters.lost += 1;
            return;
        }
        if fate.corrupted && packet.octets() > 0 {
            counters.corrupted += 1;
            let bits = packet.octets() * 8;
            packet.corrupt(((fate.position * bits as f64) as usize).min(bits - 1));
        }
        let mut due = departs + self.config.delay + self.config.jitter.mul_f64(fate.jitter);
        due = self.last_due.map_or(due, |last| last.max(due));
        if fate.reordered {
            counters.reordered += 1;
            due += self.config.reorder_by;
        } else {
            self.last_due = Some(due);
        }
        if fate.duplicated {
            counters.duplicated += 1;
            self.hold(due, packet.clone());
        }
        self.hold(due, packet);
    }

    fn hold(&mut self, due: Instant, packet: P) {
        self.held.insert((due, self.next), packet);
        self.next += 1;
    }

    /// When the last bit of a packet of `octets` leaves the queue; `None` when there is no room for it.
    fn queue(&mut self, now: Instant, octets: usize) -> Option<Instant> {
        if self.held.len() >= HELD_MAX {
            return None;
        }
        let Some(rate) = self.config.rate_bps else { return Some(now) };
        while self.departures.front().is_some_and(|departs| *departs <= now) {
            self.departures.pop_front();
        }
        if self.departures.len() >= self.config.queue {
            return None;
        }
        let starts = self.free_at.map_or(now, |free_at| free_at.max(now));
        let nanos = (octets as u64 * 8).saturating_mul(1_000_000_000) / rate.max(1);
        let departs = starts + Duration::from_nanos(nanos);
        self.free_at = Some(departs);
        self.departures.push_back(departs);
        Some(departs)
    }

    fn draw(&mut self) -> Fate {
        let mut unit = || (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        Fate {
            lost: unit() < self.config.loss,
            duplicated: unit() < self.config.duplicate,
            reordered: unit() < self.config.reorder,
            corrupted: unit() < self.config.corrupt,
            jitter: unit(),
            position: unit(),
        }
    }
}
