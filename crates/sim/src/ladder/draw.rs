//! A ladder as text.

use super::rows::{Fate, Line, Part, Row, SegmentRow, StateRow};
use super::width::{cut, pad_left, pad_right, width};
use crate::Loss;
use linger_proto::{DropReason, Instant, State};

/// Columns of the whole ladder.
pub const COLUMNS: usize = 100;
const NUMBER: usize = 3;
const TIME: usize = 11;
/// The longest name of a state: SYN-RECEIVED.
const STATE: usize = 12;
const ARROW: usize = COLUMNS - NUMBER - TIME - 2 * STATE - 4;

/// How the ladder names what is not in a header. One implementation for each language.
pub trait Wording {
    /// Over the column of line numbers, of times.
    fn headings(&self) -> [String; 2];
    /// Why a segment did not arrive.
    fn lost(&self, loss: Loss) -> String;
    /// Why a host threw a segment away.
    fn dropped(&self, host: &str, reason: DropReason) -> String;
    /// That a segment was sent before.
    fn again(&self) -> String;
    /// That this is another copy of the segment on that line.
    fn copy_of(&self, line: usize) -> String;
    /// That this is the arrival of the segment on that line.
    fn arrival_of(&self, line: usize) -> String;
    /// What made a host change its state when no segment did.
    fn cause(&self, host: &str, row: &StateRow) -> String;
}

/// Whether to colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours.
    Colour,
}

/// A colour by what it means.
#[derive(Clone, Copy)]
enum Tint {
    Opening,
    Closing,
    Bad,
    Changed,
    Faint,
    None,
}

impl Style {
    fn paint(self, tint: Tint, text: &str) -> String {
        let code = match tint {
            Tint::Opening => "32",
            Tint::Closing => "33",
            Tint::Bad => "31",
            Tint::Changed => "1;36",
            Tint::Faint => "2",
            Tint::None => return text.to_owned(),
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Draws the lines of a ladder between two hosts, headings first. Every line ends with a newline.
pub fn draw(lines: &[Line], names: [&str; 2], words: &dyn Wording, style: Style) -> String {
    let mut text = heading(names, words, style);
    let mut before: Option<[State; 2]> = None;
    for line in lines {
        text.push_str(&draw_line(line, before, names, words, style));
        before = Some(line.states);
    }
    text
}

fn heading(names: [&str; 2], words: &dyn Wording, style: Style) -> String {
    let [number, time] = words.headings();
    let row = format!(
        "{} {} {} {} {}",
        pad_left(&number, NUMBER),
        pad_left(&time, TIME),
        pad_right(names[0], STATE),
        " ".repeat(ARROW),
        names[1]
    );
    format!("{}\n", style.paint(Tint::Faint, &row))
}

fn draw_line(
    line: &Line,
    before: Option<[State; 2]>,
    names: [&str; 2],
    words: &dyn Wording,
    style: Style,
) -> String {
    let (arrow, tint) = match &line.row {
        Row::Segment(segment) => (arrow(segment, line, words), tint(segment)),
        Row::State(state) => (change(state, &words.cause(names[state.side], state)), Tint::Faint),
    };
    let state = |side: usize| {
        let changed = before.is_none_or(|before| before[side] != line.states[side]);
        let name = line.states[side].name();
        let padded = if side == 0 { pad_right(name, STATE) } else { name.to_owned() };
        style.paint(if changed { Tint::Changed } else { Tint::None }, &padded)
    };
    let mut text = format!(
        "{:>NUMBER$} {:>TIME$} {} {} {}\n",
        line.number,
        seconds(line.at),
        state(0),
        style.paint(tint, &arrow),
        state(1)
    );
    if let Row::Segment(segment) = &line.row
        && let Fate::Arrived { drop: Some(reason), .. } = segment.fate
        && line.part != Part::Departure
    {
        let receiver = 1 - segment.side;
        let note = words.dropped(names[receiver], reason);
        text.push_str(&note_line(&style.paint(Tint::Bad, &on_side(receiver, &note, ARROW))));
    }
    text
}

/// A line of its own inside the arrow's column.
fn note_line(note: &str) -> String {
    format!("{}{}\n", " ".repeat(NUMBER + TIME + STATE + 3), note.trim_end())
}

fn tint(segment: &SegmentRow) -> Tint {
    let lost = matches!(segment.fate, Fate::Lost(_));
    if lost || segment.segment.rst() {
        Tint::Bad
    } else if segment.segment.syn() {
        Tint::Opening
    } else if segment.segment.fin() {
        Tint::Closing
    } else {
        Tint::None
    }
}

/// Virtual time in seconds, to the microsecond.
pub fn seconds(at: Instant) -> String {
    let micros = at.as_micros();
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Text at the left or the right edge.
fn on_side(side: usize, text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    if side == 0 { pad_right(&text, columns) } else { pad_left(&text, columns) }
}

fn change(state: &StateRow, cause: &str) -> String {
    on_side(state.side, &format!("({cause})"), ARROW)
}

/// The arrow with what the segment says.
fn arrow(segment: &SegmentRow, line: &Line, words: &dyn Wording) -> String {
    let end = match (segment.fate, line.part) {
        (Fate::Lost(loss), _) => format!("─✗ {}", words.lost(loss)),
        (_, Part::Departure) | (Fate::OnTheWay, _) => "···".to_owned(),
        _ => "─▶".to_owned(),
    };
    let label = match line.departed {
        Some(departed) if segment.copy > 0 => format!("{} ({})", brief(segment), words.copy_of(departed)),
        Some(departed) => format!("{} ({})", brief(segment), words.arrival_of(departed)),
        None => label(segment, words),
    };
    let start = if line.part == Part::Arrival { "···" } else { "──" };
    let label = cut(&label, ARROW.saturating_sub(width(start) + width(&end) + 2));
    let fill = ARROW.saturating_sub(width(start) + width(&end) + width(&label) + 2);
    if segment.side == 0 {
        format!("{start} {label} {}{end}", "─".repeat(fill))
    } else {
        let end = if end == "─▶" { "◀─".to_owned() } else { mirrored(&end) };
        format!("{end}{} {label} {start}", "─".repeat(fill))
    }
}

/// `─✗ lost` as `lost ✗─`.
fn mirrored(end: &str) -> String {
    match end.strip_prefix("─✗ ") {
        Some(words) => format!("{words} ✗─"),
        None => end.to_owned(),
    }
}

/// What tells a segment from others.
fn brief(row: &SegmentRow) -> String {
    let text = row.segment.text.len();
    let length = if text > 0 { format!(" len {text}") } else { String::new() };
    format!("{} seq {}{length}", row.segment.flags(), row.relative.0)
}

/// What a segment says: control bits, numbers, text, options of a SYN, the HTTP line.
fn label(row: &SegmentRow, words: &dyn Wording) -> String {
    let segment = &row.segment;
    let (seq, ack) = row.relative;
    let mut parts = vec![segment.flags(), format!("seq {seq}")];
    parts.extend(ack.map(|ack| format!("ack {ack}")));
    if !segment.text.is_empty() {
        parts.push(format!("len {}", segment.text.len()));
    }
    if segment.syn() {
        parts.push(segment.options.offered());
    }
    if !segment.options.sack.is_empty() {
        // Blocks count from the octets that are acknowledged, like the acknowledgment number beside them.
        let relative = |edge: linger_proto::SeqNum| ack.unwrap_or(0).wrapping_add(edge.since(segment.ack));
        let blocks = segment.options.sack.iter().map(|(l, r)| format!("{}-{}", relative(*l), relative(*r)));
        parts.push(format!("sack {}", blocks.collect::<Vec<_>>().join(",")));
    }
    if row.again {
        parts.push(words.again());
    }
    parts.extend(row.http.clone());
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}
