//! What each line of a ladder was for, read off from what the segment is and what it did: never from the scene.

use linger_proto::{DropReason, Instant, State};
use linger_sim::Loss;
use linger_sim::ladder::{Fate, Line, Part, Row, SegmentRow, StateRow};
use std::time::Duration;

/// One thing that a line of the ladder shows. Hosts are named by their side: 0 is the left one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Meaning {
    /// `opener` asks to open.
    Syn { opener: usize },
    /// The SYN of `opener` that meets the other's on the way.
    CrossingSyn { opener: usize },
    /// The answer to a SYN that crossed.
    CrossedSynAck { from: usize },
    /// The SYN of `opener`, which asks for the tuple of a connection in TIME-WAIT, and gets it.
    ReopeningSyn { opener: usize },
    /// `opener`'s SYN again.
    SynAgain { opener: usize },
    /// The answer to a SYN.
    SynAck { from: usize },
    /// The ACK that completes the opening for its receiver.
    HandshakeAck { from: usize },
    /// Text that begins with an HTTP request.
    Request { from: usize },
    /// Text that begins with an HTTP status line.
    Response { from: usize },
    /// More text.
    Text { from: usize },
    /// Text, sent again.
    TextAgain { from: usize },
    /// An ACK of text, without text.
    TextAck { from: usize },
    /// An ACK that acknowledges nothing new: it repeats what is expected next.
    RepeatedAck { from: usize },
    /// The application closes.
    Close { host: usize },
    /// The FIN of the side that closes first.
    FirstFin { from: usize },
    /// The FIN of the side that closes second.
    SecondFin { from: usize },
    /// A FIN that meets the other's on the way.
    CrossingFin { from: usize },
    /// A FIN, sent again.
    FinAgain { from: usize },
    /// The ACK of a FIN while the other half is open.
    HalfClosed { from: usize },
    /// The ACK after which both have let go: of the second FIN.
    LastAck { from: usize },
    /// The ACK of a FIN that crossed.
    CrossedAck { from: usize },
    /// A FIN that came again, acknowledged again out of TIME-WAIT.
    FinReAck { from: usize },
    /// RST of a host on which nobody listens.
    Refusal { from: usize },
    /// RST of a host that knows of no such connection.
    ResetUnknown { from: usize },
    /// RST of a host that gives up.
    ResetAbort { from: usize },
    /// The host has entered TIME-WAIT.
    TimeWaitBegins { host: usize },
    /// 2*MSL are over.
    TimeWaitEnds { host: usize },
    /// 2*MSL were nothing: there was no TIME-WAIT to speak of.
    TimeWaitSkipped { host: usize },
    /// The connection ended by a call or a timer.
    Ended { host: usize },
    /// The connection ended because of an RST.
    EndedByReset { host: usize },
    /// The link lost it.
    Lost { to: usize, why: Loss },
    /// A copy that comes late.
    LateCopy { to: usize, line: usize },
    /// A late copy, or any text, that a later incarnation of the connection took for its own.
    StrayTaken { by: usize },
    /// The receiver threw it away.
    Dropped { by: usize, why: DropReason },
    /// None of these.
    Other { from: usize },
}

/// A meaning with the lines that have it, in the order of first appearance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) meaning: Meaning,
    pub(super) lines: Vec<usize>,
}

/// What has to be remembered from line to line.
#[derive(Default)]
struct Story {
    /// The FIN that each host received last came again.
    fin_again: [bool; 2],
    /// How often each host has sent an opening SYN or its answer: the incarnation of its half.
    incarnation: [u32; 2],
    /// In which incarnation of the sender each departed line lies.
    born: Vec<(usize, u32)>,
    /// The highest acknowledgment number each host has sent.
    acked: [Option<u32>; 2],
    /// When the segment left that took each host into TIME-WAIT.
    time_wait_since: [Option<Instant>; 2],
}

/// A TIME-WAIT shorter than this, the segment's way included, waits for nothing.
const SKIPPED: Duration = Duration::from_secs(1);

/// Explains a ladder.
pub(super) fn steps(lines: &[Line]) -> Vec<Step> {
    let mut story = Story::default();
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        for meaning in story.read(line) {
            match steps.iter_mut().find(|step| step.meaning == meaning) {
                Some(step) => step.lines.push(line.number),
                None => steps.push(Step { meaning, lines: vec![line.number] }),
            }
        }
    }
    steps
}

impl Story {
    fn read(&mut self, line: &Line) -> Vec<Meaning> {
        match &line.row {
            Row::State(row) => vec![self.state(row)],
            Row::Segment(row) => self.segment(line, row),
        }
    }

    fn state(&self, row: &StateRow) -> Meaning {
        match change(row) {
            Meaning::TimeWaitEnds { host }
                if self.time_wait_since[host].is_some_and(|since| row.at.since(since) < SKIPPED) =>
            {
                Meaning::TimeWaitSkipped { host }
            }
            meaning => meaning,
        }
    }

    fn segment(&mut self, line: &Line, row: &SegmentRow) -> Vec<Meaning> {
        let mut meanings = Vec::new();
        if line.part != Part::Arrival {
            if row.segment.syn() && !row.again {
                self.incarnation[row.side] += 1;
                self.acked[row.side] = None;
            }
            self.born.push((line.number, self.incarnation[row.side]));
            meanings.extend(self.purpose(row));
        } else if row.copy > 0
            && let Some(line) = line.departed
        {
            meanings.push(Meaning::LateCopy { to: 1 - row.side, line });
        }
        if line.part != Part::Departure {
            self.consequences(line, row, &mut meanings);
        }
        meanings
    }

    /// What a segment is sent for.
    fn purpose(&mut self, row: &SegmentRow) -> Vec<Meaning> {
        let (segment, from) = (&row.segment, row.side);
        let before = self.acked[from];
        if let Some(ack) = row.relative.1 {
            self.acked[from] = Some(before.map_or(ack, |known| known.max(ack)));
        }
        let (met, became) = match row.fate {
            Fate::Arrived { receiver, .. } => (receiver.before, receiver.after),
            _ => (State::Closed, State::Closed),
        };
        if segment.rst() && met == State::SynSent {
            return vec![Meaning::Refusal { from }];
        }
        if segment.rst() {
            let unknown = matches!(row.sender.before, State::Closed | State::Listen);
            return vec![if unknown { Meaning::ResetUnknown { from } } else { Meaning::ResetAbort { from } }];
        }
        if segment.syn() {
            return vec![match (segment.ack_bit(), row.again) {
                (true, _) if met == State::SynReceived => Meaning::CrossedSynAck { from },
                (true, _) => Meaning::SynAck { from },
                (false, _) if met == State::SynSent => Meaning::CrossingSyn { opener: from },
                (false, _) if met == State::TimeWait && became == State::SynReceived => {
                    Meaning::ReopeningSyn { opener: from }
                }
                (false, true) => Meaning::SynAgain { opener: from },
                (false, false) => Meaning::Syn { opener: from },
            }];
        }
        let text = (!segment.text.is_empty()).then(|| text(row));
        let fin = segment.fin().then(|| fin(row));
        let both: Vec<Meaning> = text.into_iter().chain(fin).collect();
        if both.is_empty() { vec![self.pure_ack(row, before)] } else { both }
    }

    fn pure_ack(&self, row: &SegmentRow, acked: Option<u32>) -> Meaning {
        let from = row.side;
        let moved = match row.fate {
            Fate::Arrived { receiver, .. } => (receiver.before, receiver.after),
            _ => (State::Closed, State::Closed),
        };
        match moved {
            (State::SynReceived, _) => return Meaning::HandshakeAck { from },
            (State::FinWait1, State::FinWait2) => return Meaning::HalfClosed { from },
            (State::Closing, State::TimeWait) => return Meaning::CrossedAck { from },
            _ => {}
        }
        let news = row.relative.1 > acked;
        match row.sender.after {
            State::TimeWait if self.fin_again[from] => Meaning::FinReAck { from },
            State::TimeWait if news => Meaning::LastAck { from },
            _ if news => Meaning::TextAck { from },
            _ => Meaning::RepeatedAck { from },
        }
    }

    /// What an arrival, or a loss, did.
    fn consequences(&mut self, line: &Line, row: &SegmentRow, meanings: &mut Vec<Meaning>) {
        let host = 1 - row.side;
        let (receiver, drop) = match row.fate {
            Fate::Lost(why) => return meanings.push(Meaning::Lost { to: host, why }),
            Fate::OnTheWay => return,
            Fate::Arrived { receiver, drop, .. } => (receiver, drop),
        };
        if row.segment.fin() {
            self.fin_again[host] = row.again;
        }
        // A SYN that nobody takes: the RST that answers it tells the story.
        let told = drop.filter(|why| !(row.segment.syn() && *why == DropReason::NoConnection));
        meanings.extend(told.map(|why| Meaning::Dropped { by: host, why }));
        if drop.is_none() && !row.segment.text.is_empty() && self.is_stray(line, row) {
            meanings.push(Meaning::StrayTaken { by: host });
        }
        if receiver.changes() {
            match receiver.after {
                State::TimeWait => {
                    self.time_wait_since[host] = Some(line.at);
                    meanings.push(Meaning::TimeWaitBegins { host });
                }
                State::Closed if row.segment.rst() => meanings.push(Meaning::EndedByReset { host }),
                _ => {}
            }
        }
    }

    /// Whether a segment belongs to an earlier incarnation than its sender is in.
    fn is_stray(&self, line: &Line, row: &SegmentRow) -> bool {
        let departed = line.departed.unwrap_or(line.number);
        let born = self.born.iter().find(|(number, _)| *number == departed);
        born.is_some_and(|(_, incarnation)| *incarnation < self.incarnation[row.side])
    }
}

fn text(row: &SegmentRow) -> Meaning {
    let from = row.side;
    match row.http.as_deref() {
        _ if row.again => Meaning::TextAgain { from },
        Some(line) if line.starts_with("HTTP/") => Meaning::Response { from },
        Some(_) => Meaning::Request { from },
        None => Meaning::Text { from },
    }
}

fn fin(row: &SegmentRow) -> Meaning {
    let from = row.side;
    let crossed = matches!(row.fate, Fate::Arrived { receiver, .. } if receiver.after == State::Closing);
    match row.sender.after {
        _ if row.again => Meaning::FinAgain { from },
        State::LastAck => Meaning::SecondFin { from },
        _ if crossed => Meaning::CrossingFin { from },
        _ => Meaning::FirstFin { from },
    }
}

fn change(row: &StateRow) -> Meaning {
    let host = row.side;
    match (row.states.before, row.states.after) {
        (State::TimeWait, State::Closed) => Meaning::TimeWaitEnds { host },
        (_, State::FinWait1 | State::LastAck | State::Closing) => Meaning::Close { host },
        (_, State::TimeWait) => Meaning::TimeWaitBegins { host },
        (_, State::Closed) => Meaning::Ended { host },
        _ => Meaning::Other { from: host },
    }
}
