//! What two hosts did, noted down while it happens.

use super::rows::{Fate, Row, SegmentRow, StateRow, Transition};
use super::segment::Segment;
use crate::observe::{Arrived, Observation, Observer, Sent, StateChange};
use crate::{HostId, PacketId};
use linger_proto::{FourTuple, SeqNum, State};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Notes down every TCP segment between two hosts, and every change of state that no segment brought about.
///
/// Clones share the notes: add one to a run with [`Sim::observe`](crate::Sim::observe) and keep the other.
#[derive(Clone)]
pub struct Recorder {
    notes: Rc<RefCell<Notes>>,
}

struct Notes {
    ends: [HostId; 2],
    rows: Vec<Row>,
    /// Rows of packets that are still on their way, by packet and copy.
    on_the_way: BTreeMap<(PacketId, usize), usize>,
    /// State changes that may belong to the frame that comes next.
    pending: Vec<StateChange>,
    /// The initial sequence number of each sender in its latest incarnation.
    initial: BTreeMap<FourTuple, SeqNum>,
    /// Counts what happens, so that things of one instant keep their order.
    happened: u64,
    /// Past the last octet that each sender has sent in its latest incarnation.
    sent_to: BTreeMap<FourTuple, SeqNum>,
}

impl Recorder {
    /// Watches the connections between `left` and `right`.
    #[must_use]
    pub fn new(left: HostId, right: HostId) -> Self {
        let notes = Notes {
            ends: [left, right],
            rows: Vec::new(),
            on_the_way: BTreeMap::new(),
            pending: Vec::new(),
            initial: BTreeMap::new(),
            happened: 0,
            sent_to: BTreeMap::new(),
        };
        Self { notes: Rc::new(RefCell::new(notes)) }
    }

    /// What was noted so far, in order.
    pub fn rows(&self) -> Vec<Row> {
        let mut notes = self.notes.borrow_mut();
        notes.keep_pending();
        notes.rows.clone()
    }
}

impl Observer for Recorder {
    fn observe(&mut self, what: &Observation<'_>) {
        let mut notes = self.notes.borrow_mut();
        match what {
            Observation::State(change) if notes.ends.contains(&change.host) => {
                // A change of another moment or host cannot belong to the same frame.
                if notes.pending.last().is_some_and(|p| (p.at, p.host) != (change.at, change.host)) {
                    notes.keep_pending();
                }
                notes.pending.push(*change);
            }
            Observation::Sent(sent) => notes.sent(sent),
            Observation::Arrived(arrived) => notes.arrived(arrived),
            Observation::State(_) => {}
        }
    }
}

impl Notes {
    const fn next_order(&mut self) -> u64 {
        self.happened += 1;
        self.happened
    }

    fn side(&self, host: HostId) -> usize {
        usize::from(host != self.ends[0])
    }

    /// Changes that no frame has claimed become rows of their own.
    fn keep_pending(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            let (side, states) = (self.side(change.host), Transition::new(change.before, change.after));
            let order = self.next_order();
            self.rows.push(Row::State(StateRow { order, at: change.at, side, tuple: change.tuple, states }));
        }
    }

    /// The states of the frame's own host around it: what the host says, widened by the changes that the frame
    /// brought about (`claim`), which are taken off the list.
    fn claim(
        &mut self,
        host: HostId,
        tuple: FourTuple,
        told: Transition,
        claim: impl Fn(&StateChange) -> bool,
    ) -> Transition {
        let (mine, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.host == host && change.tuple == tuple && claim(change));
        self.pending = others;
        self.keep_pending();
        mine.first().map_or(told, |first| Transition::new(first.before, told.after))
    }

    fn sent(&mut self, sent: &Sent<'_>) {
        let Some(segment) = Segment::decode(sent.bytes) else { return };
        if !self.ends.contains(&sent.from) || !self.ends.contains(&sent.to) {
            return self.keep_pending();
        }
        let told = sent.trace.map_or(Transition::default(), |t| Transition::new(t.before, t.after));
        // A SYN shows the opening call; any other call (a close) is a step of its own.
        let opens = segment.syn();
        let sender = self.claim(sent.from, segment.tuple, told, |change| {
            opens && change.at == sent.at || change.after == State::TimeWait
        });
        let again = self.note_sequence(&segment);
        let side = self.side(sent.from);
        let relative = self.relative(&segment);
        let fate = match sent.fate {
            Err(loss) => Fate::Lost(loss),
            Ok(_) => Fate::OnTheWay,
        };
        let row = SegmentRow {
            order: self.next_order(),
            packet: sent.packet,
            copy: 0,
            side,
            sent_at: sent.at,
            http: segment.http_line(),
            segment,
            relative,
            again,
            sender,
            fate,
        };
        let copies = sent.fate.unwrap_or(0);
        for copy in 0..copies.max(1) {
            if copies > 0 {
                self.on_the_way.insert((sent.packet, copy), self.rows.len());
            }
            self.rows.push(Row::Segment(Box::new(SegmentRow { copy, ..row.clone() })));
        }
    }

    fn arrived(&mut self, arrived: &Arrived<'_>) {
        let Some(index) = self.on_the_way.remove(&(arrived.packet, arrived.copy)) else {
            return self.keep_pending();
        };
        let Some(Row::Segment(row)) = self.rows.get(index) else { return };
        let tuple = row.segment.tuple.reversed();
        let told = arrived.trace.map_or(Transition::default(), |t| Transition::new(t.before, t.after));
        let receiver = self.claim(arrived.to, tuple, told, |change| change.at == arrived.at);
        let order = self.next_order();
        if let Some(Row::Segment(row)) = self.rows.get_mut(index) {
            let drop = arrived.trace.and_then(|trace| trace.drop);
            row.fate = Fate::Arrived { order, at: arrived.at, receiver, drop };
        }
    }

    /// Remembers how far a sender has got; whether all of this was sent before.
    fn note_sequence(&mut self, segment: &Segment) -> bool {
        let end = segment.seq + segment.length();
        let sent_to = self.sent_to.get(&segment.tuple).copied();
        let opens_anew = segment.syn() && self.initial.get(&segment.tuple) != Some(&segment.seq);
        let opens_anew = opens_anew || segment.syn() && self.reopened(segment);
        if opens_anew || sent_to.is_none() {
            if segment.syn() {
                self.initial.insert(segment.tuple, segment.seq);
            }
            self.sent_to.insert(segment.tuple, end);
            return false;
        }
        let again = segment.length() > 0 && sent_to.is_some_and(|to| end.at_or_before(to));
        if let Some(to) = self.sent_to.get_mut(&segment.tuple) {
            *to = to.max(end);
        }
        again
    }

    /// Whether this SYN, though numbered as the last one of its sender, opens a new incarnation: the last one has
    /// carried something since.
    fn reopened(&self, segment: &Segment) -> bool {
        self.sent_to.get(&segment.tuple).is_some_and(|to| to.after(segment.seq + 1))
    }

    /// Sequence and acknowledgment number counted from the initial ones.
    fn relative(&self, segment: &Segment) -> (u32, Option<u32>) {
        let from = |tuple: &FourTuple, number: SeqNum| {
            number.since(self.initial.get(tuple).copied().unwrap_or_default())
        };
        let ack = segment.ack_bit().then(|| from(&segment.tuple.reversed(), segment.ack));
        (from(&segment.tuple, segment.seq), ack)
    }
}
