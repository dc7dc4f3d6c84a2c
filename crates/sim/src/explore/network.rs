//! Segments on their way between the two hosts.

use super::scenario::LIFETIME;
use linger_proto::wire::tcp::{Flags, Header, Timestamp};
use linger_proto::{Instant, SeqNum, State};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One segment on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) bytes: bytes::Bytes,
    pub(super) sent_at: Instant,
    /// Who receives it.
    pub(super) to: usize,
    /// How many incarnations had been opened when it left.
    pub(super) incarnation: usize,
    /// It is an RST of a side that was opening.
    pub(super) provoked: bool,
    /// It is an RST of a side that was CLOSED, and answers a SYN-ACK.
    pub(super) refusal: bool,
    /// It left before its receiver began to open, and nothing in it tells it from an answer to that opening.
    pub(super) twin: bool,
    /// A TIME-WAIT sent it after the next incarnation had begun to open.
    pub(super) of_time_wait: bool,
    /// What of it does not depend on when it was sent.
    fixed: u64,
    flags: Flags,
    ack: SeqNum,
    timestamp: Option<Timestamp>,
}

impl Flight {
    /// A packet that leaves for `to`. `state`: where its sender stands. `refuses`: it answers a SYN-ACK that met nothing.
    pub(super) fn new(
        bytes: bytes::Bytes,
        sent_at: Instant,
        to: usize,
        incarnation: usize,
        state: State,
        refuses: bool,
    ) -> Self {
        let header = bytes.get(20..).and_then(|tcp| linger_proto::wire::tcp::parse(tcp).ok());
        let timestamp = header.as_ref().and_then(|header| header.options.timestamp);
        let mut hasher = siphasher::sip::SipHasher13::new();
        if let Some(header) = &header {
            (header.seq, header.ack, header.flags, header.wnd, header.urgent).hash(&mut hasher);
            (header.options.mss, header.options.window_scale, header.options.sack_permitted)
                .hash(&mut hasher);
            bytes.get(20 + header.len..).hash(&mut hasher);
        }
        let (flags, ack) = header.map_or_else(Default::default, |header| (header.flags, header.ack));
        let reset = flags.has(Flags::RST);
        let provoked = reset && state == State::SynSent;
        let of_time_wait = state == State::TimeWait;
        let refusal = reset && refuses;
        (incarnation, provoked, refusal, of_time_wait).hash(&mut hasher);
        let fixed = hasher.finish();
        let twin = false;
        Self {
            bytes,
            sent_at,
            to,
            incarnation,
            provoked,
            refusal,
            twin,
            of_time_wait,
            fixed,
            flags,
            ack,
            timestamp,
        }
    }

    /// Whether it has all of these control bits.
    pub(super) fn has(&self, flags: Flags) -> bool {
        self.flags.has(flags)
    }

    /// Whether it looks like an answer to `opening`, a SYN or SYN-ACK: it acknowledges that number, and where there are
    /// timestamps it echoes that one.
    fn could_answer(&self, opening: &Header) -> bool {
        let echo = self.timestamp.map(|ts| ts.ecr);
        self.flags.has(Flags::ACK)
            && self.ack == opening.seq + 1
            && echo == opening.options.timestamp.map(|ts| ts.val)
    }

    /// The last moment before it is dead.
    pub(super) fn dies_at(&self) -> Instant {
        self.sent_at + LIFETIME
    }

    /// What tells it from others: who receives it, what it says, how long it has been on its way.
    fn identity(&self, now: Instant) -> (usize, u64, u64, Option<(u32, u32)>, bool) {
        let ms = u32::try_from(now.as_millis() & u64::from(u32::MAX)).unwrap_or(0);
        // Zero is no moment: the echo of nothing, or the clock of an RST.
        let behind = |clock: u32| if clock == 0 { u32::MAX } else { ms.wrapping_sub(clock) };
        let stamp = self.timestamp.map(|ts| (behind(ts.val), behind(ts.ecr)));
        (self.to, self.fixed, now.as_nanos() - self.sent_at.as_nanos(), stamp, self.twin)
    }
}

/// Everything on its way: a queue for each direction, and what was held back or copied and may arrive whenever it will.
#[derive(Clone, Default, Debug)]
pub(super) struct Network {
    /// By receiver.
    pub(super) queues: [VecDeque<Arc<Flight>>; 2],
    /// In the order of [`Flight::identity`].
    pub(super) loose: Vec<Arc<Flight>>,
}

impl Network {
    pub(super) fn send(&mut self, flight: Flight) {
        let to = flight.to;
        self.queues[to].push_back(Arc::new(flight));
    }

    pub(super) fn let_loose(&mut self, flight: Arc<Flight>, now: Instant) {
        self.loose.push(flight);
        self.loose.sort_by_key(|flight| flight.identity(now));
    }

    /// The side `to` begins to open with this SYN or SYN-ACK: what is on its way to it already answers something else.
    pub(super) fn mark_twins(&mut self, to: usize, opening: &Header, now: Instant) {
        for flight in self.queues[to].iter_mut().chain(&mut self.loose).filter(|flight| flight.to == to) {
            let twin = flight.could_answer(opening);
            if flight.twin != twin {
                Arc::make_mut(flight).twin = twin;
            }
        }
        self.loose.sort_by_key(|flight| flight.identity(now));
    }

    /// The moment before which the next of the queued segments must have arrived.
    pub(super) fn must_arrive_by(&self) -> Option<Instant> {
        self.queues.iter().flatten().map(|flight| flight.dies_at()).min()
    }

    /// Time has passed: what is too old is dead.
    pub(super) fn bury(&mut self, now: Instant) {
        self.loose.retain(|flight| flight.dies_at() > now);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.loose.is_empty() && self.queues.iter().all(VecDeque::is_empty)
    }

    pub(super) fn write_canonical(&self, now: Instant, out: &mut impl Hasher) {
        for queue in &self.queues {
            queue.len().hash(out);
            queue.iter().for_each(|flight| flight.identity(now).hash(out));
        }
        self.loose.len().hash(out);
        self.loose.iter().for_each(|flight| flight.identity(now).hash(out));
    }
}
