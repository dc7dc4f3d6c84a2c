//! The tour as text.

use super::act::{Act, HOSTS};
use super::meaning::{Meaning, steps};
use super::outcome::Attempt;
use super::words::{Arranged, Connects, Words};
use linger_proto::DropReason;
use linger_sim::ladder::{COLUMNS, Fate, Part, Row, Style, draw, pad_left, seconds, wrap};
use std::time::Duration;

/// Columns of the line numbers before an explanation.
const NUMBERS: usize = 12;

/// Everything about one run.
pub(super) fn text(act: &Act, arranged: &Arranged, words: &dyn Words, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    for line in words.title(arranged) {
        page.paragraph(&line);
    }
    page.blank();
    page.text.push_str(&draw(&act.lines, HOSTS, words, style));
    page.heading(&words.steps_heading());
    for step in steps(&act.lines) {
        page.hanging(&numbers(&step.lines), &words.meaning(&step.meaning));
    }
    countdown(&mut page, act, words);
    page.heading(&words.outcome_heading());
    for line in outcome(act, words) {
        page.paragraph(&line);
    }
    page.text
}

/// The same scene under other settings, one line each.
pub(super) fn comparison(others: &[Act], words: &dyn Words, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.heading(&words.compare_heading());
    for act in others {
        let (taken, dropped) = stray(act);
        let refused = act.outcome.attempts.iter().filter(|attempt| attempt.refused.is_some());
        let refused: Vec<String> =
            connects(refused).iter().map(|connects| words.connects(HOSTS[0], connects)).collect();
        let mut parts = vec![words.settings(act.time_wait, act.timestamps)];
        parts.extend(refused);
        parts.push(words.stray(taken, dropped));
        parts.push(words.verdict(act.verdict.intact, act.verdict.in_order));
        page.hanging("-", &parts.join(" | "));
    }
    page.text
}

/// The verdict, alone on its line.
pub(super) fn verdict(act: &Act, words: &dyn Words, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.blank();
    if let Some(why) = &act.failure {
        page.paragraph(&words.invariant(&why.to_string()));
    }
    let line = words.verdict(act.verdict.intact, act.verdict.in_order);
    let code = if act.good() { "1;32" } else { "1;31" };
    page.painted(code, &line);
    page.text
}

/// Whether a stray was taken for a part of a later connection, and else who threw one away and why.
pub(super) fn stray(act: &Act) -> (usize, Option<(&'static str, DropReason)>) {
    let taken =
        steps(&act.lines).into_iter().filter(|step| matches!(step.meaning, Meaning::StrayTaken { .. }));
    let taken = taken.map(|step| step.lines.len()).sum();
    let dropped = act.lines.iter().find_map(|line| match &line.row {
        Row::Segment(row) if row.copy > 0 && line.part == Part::Arrival => match row.fate {
            Fate::Arrived { drop: Some(why), .. } => Some((HOSTS[1 - row.side], why)),
            _ => None,
        },
        _ => None,
    });
    (taken, dropped)
}

/// The readings of every TIME-WAIT, down to its end.
fn countdown(page: &mut Page, act: &Act, words: &dyn Words) {
    for (side, host) in HOSTS.into_iter().enumerate() {
        let mut readings = act.readings.iter().filter(|reading| reading.side == side).peekable();
        if readings.peek().is_none() {
            continue;
        }
        page.heading(&words.countdown_heading(host, act.time_wait));
        let ends = act.lines.iter().filter_map(|line| match (&line.row, line.part) {
            (Row::State(row), Part::State) if row.side == side && ended(line) => Some(row.at),
            _ => None,
        });
        for end in ends {
            while let Some(reading) = readings.next_if(|reading| reading.at <= end) {
                let bar = "█".repeat(share(reading.remaining, act.time_wait));
                let text = words.countdown_reading(&seconds(reading.at), reading.remaining);
                page.line(format!("{text} {bar}").trim_end());
            }
            page.line(&words.countdown_end(host, &seconds(end)));
        }
    }
}

fn ended(line: &linger_sim::ladder::Line) -> bool {
    steps(std::slice::from_ref(line)).iter().any(|step| matches!(step.meaning, Meaning::TimeWaitEnds { .. }))
}

/// How much of a bar of 60 is left.
fn share(left: Duration, of: Duration) -> usize {
    let share = left.as_millis() * 60 / of.as_millis().max(1);
    usize::try_from(share).unwrap_or(60).min(60)
}

/// What the applications got, line by line.
pub(super) fn outcome(act: &Act, words: &dyn Words) -> Vec<String> {
    let outcome = &act.outcome;
    let mut lines: Vec<String> =
        connects(outcome.attempts.iter()).iter().map(|connects| words.connects(HOSTS[0], connects)).collect();
    let replies = outcome.served.len().max(outcome.received.len());
    lines.extend(
        (0..replies)
            .map(|reply| words.reply(reply + 1, outcome.served.get(reply), outcome.received.get(reply))),
    );
    for (host, closed) in HOSTS.into_iter().zip([&outcome.client_closed, &outcome.server_closed]) {
        lines.extend(closed.iter().map(|closed| words.closed(host, *closed)));
    }
    for (host, failed) in HOSTS.into_iter().zip([&outcome.client_failed, &outcome.server_failed]) {
        lines.extend(failed.iter().map(|what| words.failed(host, what)));
    }
    lines
}

/// Calls of `connect` in a row that were refused for the same reason, as one.
pub(super) fn connects<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Vec<Connects> {
    let mut all: Vec<Connects> = Vec::new();
    for attempt in attempts {
        match all.last_mut() {
            Some(last) if attempt.refused.is_some() && last.refused == attempt.refused => {
                last.last = attempt.at;
                last.times += 1;
            }
            _ => {
                let (at, refused) = (attempt.at, attempt.refused.clone());
                all.push(Connects { first: at, last: at, times: 1, refused });
            }
        }
    }
    all
}

/// Line numbers as `3, 5-7`; many of them as the first few and an ellipsis.
fn numbers(lines: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *line => *last = *line,
            _ => ranges.push((*line, *line)),
        }
    }
    let mut text = String::new();
    for (first, last) in ranges {
        let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let separator = if text.is_empty() { "" } else { "," };
        if text.len() + separator.len() + range.len() > NUMBERS - 2 {
            text.push('…');
            break;
        }
        text.push_str(separator);
        text.push_str(&range);
    }
    text
}

/// Text with headings and hanging paragraphs.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn painted(&mut self, code: &str, line: &str) {
        match self.style {
            Style::Plain => self.line(line),
            Style::Colour => self.line(&format!("\x1b[{code}m{line}\x1b[0m")),
        }
    }

    fn heading(&mut self, text: &str) {
        self.blank();
        self.painted("1", text);
    }

    fn paragraph(&mut self, text: &str) {
        for line in wrap(text, COLUMNS) {
            self.line(&line);
        }
    }

    fn hanging(&mut self, label: &str, text: &str) {
        let indent = NUMBERS + 1;
        let mut label = pad_left(label, NUMBERS);
        for line in wrap(text, COLUMNS - indent) {
            self.line(&format!("{label} {line}"));
            label = " ".repeat(NUMBERS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn line_numbers_become_ranges() {
        assert_eq!(numbers(&[3, 5, 6, 7]), "3,5-7");
        assert_eq!(numbers(&[1, 3, 5, 7, 9, 11, 13, 15]), "1,3,5,7,9…");
    }
}
