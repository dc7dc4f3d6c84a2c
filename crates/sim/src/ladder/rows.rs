//! What was noted: segments and changes of state. And how they follow one another on paper.

use super::segment::Segment;
use crate::{Loss, PacketId};
use linger_proto::{DropReason, FourTuple, Instant, State};
use std::collections::BTreeMap;

/// A change of state, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Transition {
    /// The state it was in.
    pub before: State,
    /// The state it is in now.
    pub after: State,
}

impl Transition {
    /// From one to the other.
    pub const fn new(before: State, after: State) -> Self {
        Self { before, after }
    }

    /// Whether it is one.
    pub fn changes(self) -> bool {
        self.before != self.after
    }
}

/// One thing that was noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// A segment.
    Segment(Box<SegmentRow>),
    /// A change of state by a call or a timer.
    State(StateRow),
}

/// One segment, or one copy of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentRow {
    /// Its place among all that happened: the departure.
    pub order: u64,
    /// The packet.
    pub packet: PacketId,
    /// Which copy of the packet: 0 is the one that was sent, others the link made.
    pub copy: usize,
    /// Who sent it: 0 is the left host, 1 the right.
    pub side: usize,
    /// When it left.
    pub sent_at: Instant,
    /// What it says.
    pub segment: Segment,
    /// Its sequence number, and its acknowledgment number if it has one, counted from the initial ones.
    pub relative: (u32, Option<u32>),
    /// The first line of the HTTP message that its text begins with.
    pub http: Option<String>,
    /// Whether all of its sequence space was sent before.
    pub again: bool,
    /// What sending it did to its sender.
    pub sender: Transition,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is still travelling.
    OnTheWay,
    /// It was lost.
    Lost(Loss),
    /// It arrived.
    Arrived {
        /// Its place among all that happened: the arrival.
        order: u64,
        /// When.
        at: Instant,
        /// What it did to its receiver.
        receiver: Transition,
        /// Why the receiver threw it away, if it did.
        drop: Option<DropReason>,
    },
}

/// A change of state that no segment brought about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateRow {
    /// Its place among all that happened.
    pub order: u64,
    /// When.
    pub at: Instant,
    /// Whose: 0 is the left host, 1 the right.
    pub side: usize,
    /// Which connection, seen from that host.
    pub tuple: FourTuple,
    /// From which state to which.
    pub states: Transition,
}

/// What one line of a ladder shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// A segment from its departure to its arrival, or to its loss.
    Whole,
    /// Only its departure: something else happens before it arrives.
    Departure,
    /// Only its arrival.
    Arrival,
    /// A change of state.
    State,
}

/// One line of a ladder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// The line with this segment's departure, for an arrival.
    pub departed: Option<usize>,
    /// When: departure for a whole segment.
    pub at: Instant,
    /// What is shown.
    pub part: Part,
    /// Of which row.
    pub row: Row,
    /// The states of both hosts after it.
    pub states: [State; 2],
}

/// Puts rows into the lines of a ladder.
///
/// A segment takes one line, as in the figures of RFC 9293, unless its receiver changes state by itself while the
/// segment is travelling, or a later one overtakes it: then it takes two.
pub fn lines(rows: &[Row]) -> Vec<Line> {
    let mut parts: Vec<(u64, Instant, Part, &Row)> = Vec::new();
    let apart = apart(rows);
    for (row, apart) in rows.iter().zip(apart) {
        match row {
            Row::State(state) => parts.push((state.order, state.at, Part::State, row)),
            Row::Segment(segment) => {
                let arrival = match segment.fate {
                    Fate::Arrived { order, at, .. } if apart => Some((order, at)),
                    _ => None,
                };
                if segment.copy == 0 {
                    let part = if arrival.is_some() { Part::Departure } else { Part::Whole };
                    parts.push((segment.order, segment.sent_at, part, row));
                }
                parts.extend(arrival.map(|(order, at)| (order, at, Part::Arrival, row)));
            }
        }
    }
    parts.sort_by_key(|(order, ..)| *order);
    let mut states = States::new(rows);
    let mut departed = BTreeMap::new();
    let numbered = parts.into_iter().enumerate().map(|(index, (_, at, part, row))| {
        let number = index + 1;
        let departed = match row {
            Row::Segment(segment) if part == Part::Arrival => departed.get(&segment.packet).copied(),
            Row::Segment(segment) => {
                departed.insert(segment.packet, number);
                None
            }
            Row::State(_) => None,
        };
        Line { number, departed, at, part, row: row.clone(), states: states.after(part, row) }
    });
    numbered.collect()
}

/// Which rows need a line for the arrival.
fn apart(rows: &[Row]) -> Vec<bool> {
    let first: Vec<bool> = rows
        .iter()
        .map(|row| as_segment(row).is_some_and(|segment| segment.copy > 0 || interrupted(segment, rows)))
        .collect();
    let split: Vec<&SegmentRow> =
        rows.iter().zip(&first).filter(|(_, apart)| **apart).filter_map(|(row, _)| as_segment(row)).collect();
    // What crosses a segment drawn in two parts, and moves its receiver, is drawn in two parts too.
    let crosses = |segment: &SegmentRow| {
        split.iter().filter(|other| other.copy == 0 && other.side != segment.side).any(|other| {
            other.order < segment.order && arrival(other).is_some_and(|order| order > segment.order)
        })
    };
    let apart = |(row, first): (&Row, bool)| {
        first || as_segment(row).is_some_and(|segment| moves_receiver(segment) && crosses(segment))
    };
    rows.iter().zip(first).map(apart).collect()
}

fn as_segment(row: &Row) -> Option<&SegmentRow> {
    match row {
        Row::Segment(segment) => Some(segment),
        Row::State(_) => None,
    }
}

const fn arrival(segment: &SegmentRow) -> Option<u64> {
    match segment.fate {
        Fate::Arrived { order, .. } => Some(order),
        _ => None,
    }
}

fn moves_receiver(segment: &SegmentRow) -> bool {
    matches!(segment.fate, Fate::Arrived { receiver, .. } if receiver.changes())
}

/// Whether something happens to the receiver of a segment while it travels that the order of lines must show.
fn interrupted(segment: &SegmentRow, rows: &[Row]) -> bool {
    let Some(arrival_order) = arrival(segment) else { return false };
    let travelling = segment.order..arrival_order;
    rows.iter().any(|row| match row {
        Row::State(state) => state.side != segment.side && travelling.contains(&state.order),
        Row::Segment(other) => {
            let overtakes = other.side == segment.side && other.order > segment.order;
            overtakes && arrival(other).is_some_and(|order| order < arrival_order)
        }
    })
}

/// The states of both hosts, line after line, for each connection.
struct States(BTreeMap<FourTuple, [State; 2]>);

impl States {
    /// Begins with the states before the first row of each connection.
    fn new(rows: &[Row]) -> Self {
        let mut first = Self(BTreeMap::new());
        let mut known = BTreeMap::<(FourTuple, usize), ()>::new();
        for row in rows {
            let (tuple, moves) = moves(row);
            for (side, states) in moves.into_iter().flatten() {
                if known.insert((tuple, side), ()).is_none() {
                    first.0.entry(tuple).or_default()[side] = states.before;
                }
            }
        }
        first
    }

    fn after(&mut self, part: Part, row: &Row) -> [State; 2] {
        let (tuple, moves) = moves(row);
        let [sender, receiver] = moves;
        let shown = match part {
            Part::Whole => [sender, receiver],
            Part::Departure | Part::State => [sender, None],
            Part::Arrival => [None, receiver],
        };
        let states = self.0.entry(tuple).or_default();
        for (side, change) in shown.into_iter().flatten() {
            states[side] = change.after;
        }
        *states
    }
}

/// The connection of a row, seen from the left, and what the row did to its sender (or the host itself) and to its
/// receiver.
fn moves(row: &Row) -> (FourTuple, [Option<(usize, Transition)>; 2]) {
    let (tuple, side, moves) = match row {
        Row::State(state) => (state.tuple, state.side, [Some((state.side, state.states)), None]),
        Row::Segment(segment) => {
            let receiver = match segment.fate {
                Fate::Arrived { receiver, .. } => Some((1 - segment.side, receiver)),
                _ => None,
            };
            (segment.segment.tuple, segment.side, [Some((segment.side, segment.sender)), receiver])
        }
    };
    (if side == 0 { tuple } else { tuple.reversed() }, moves)
}
