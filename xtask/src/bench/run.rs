//! Runs one measurement once.

use super::build::Built;
use super::plan::{Measure, Pick, Yields};
use std::process::{Command, Output, Stdio};

/// A figure that a run gave.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Figure {
    pub(super) metric: String,
    pub(super) subject: String,
    pub(super) unit: String,
    pub(super) value: f64,
}

/// Valgrind counts each octet that `rep movsb` copies as an instruction, so the library must not use it.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=100000000:glibc.cpu.x86_rep_stosb_threshold=100000000";
/// Counts every instruction.
const COUNT: &[&str] =
    &["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];
/// Counts what the program asks for.
const COUNT_CALL: &[&str] =
    &["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"];

/// Runs `measure`; every figure it gives.
pub(super) fn run(measure: &Measure, built: &Built) -> Result<Vec<Figure>, String> {
    if let Some(reason) = built.why_absent(measure.program.home) {
        return Err(reason.to_owned());
    }
    match measure.yields {
        Yields::Pairs(picks) | Yields::Exact(picks) => {
            let text = finish(built.command(measure.program, measure.words, &[])?)?;
            pick_all(measure, picks, &text)
        }
        Yields::Rows | Yields::RowsOnce => {
            rows(&finish(built.command(measure.program, measure.words, &[])?)?)
        }
        Yields::Instructions { metric, few, many, units } => {
            let per_unit = instructions(measure, built, few, many)? / units;
            Ok(vec![figure(measure, metric, "instructions", per_unit)])
        }
        Yields::OneCall { picks, call, metric } => {
            let words = measure.words.replace("%C", "");
            let text = finish(built.command(measure.program, &words, &[])?)?;
            let mut figures = pick_all(measure, picks, &text)?;
            let number = value(&text, call).ok_or_else(|| format!("no `{call}` in what it printed"))?;
            let words = measure.words.replace("%C", &format!("{number:.0}"));
            let counted = count(built.command(measure.program, &words, COUNT_CALL)?, "Collected :")?.0;
            figures.push(figure(measure, metric, "instructions", counted));
            Ok(figures)
        }
    }
}

/// Instructions for each of `many - few`.
fn instructions(measure: &Measure, built: &Built, few: u32, many: u32) -> Result<f64, String> {
    let run = |count: u32| {
        let words = measure.words.replace("%N", &count.to_string());
        Ok::<f64, String>(self::count(built.command(measure.program, &words, COUNT)?, "refs:")?.0)
    };
    Ok((run(many)? - run(few)?) / f64::from(many - few))
}

/// The count that valgrind prints behind `mark`, and what the program printed.
pub(crate) fn count(mut command: Command, mark: &str) -> Result<(f64, String), String> {
    command.env("GLIBC_TUNABLES", TUNABLES);
    let output = output(command)?;
    let report = String::from_utf8_lossy(&output.stderr);
    let line = report.lines().rev().find(|line| line.contains(mark));
    line.and_then(|line| line.rsplit(' ').next())
        .and_then(|count| count.replace(',', "").parse().ok())
        .map(|count| (count, String::from_utf8_lossy(&output.stdout).into_owned()))
        .ok_or_else(|| "valgrind counted nothing".to_owned())
}

fn figure(measure: &Measure, metric: &str, unit: &str, value: f64) -> Figure {
    let (metric, unit) = (metric.to_owned(), unit.to_owned());
    Figure { metric, subject: measure.subject.to_owned(), unit, value }
}

fn pick_all(measure: &Measure, picks: &[Pick], text: &str) -> Result<Vec<Figure>, String> {
    let one = |pick: &Pick| {
        let value = value(text, pick.key).ok_or_else(|| format!("no `{}` in what it printed", pick.key))?;
        Ok(figure(measure, pick.metric, pick.unit, value))
    };
    picks.iter().map(one).collect()
}

/// The number behind the word `key`.
pub(crate) fn value(text: &str, key: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    words.find(|word| *word == key)?;
    words.next()?.parse().ok()
}

/// Lines of `METRIC SUBJECT VALUE UNIT`; others are passed over.
fn rows(text: &str) -> Result<Vec<Figure>, String> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [metric, subject, value, unit] = words[..] else { return None };
        Some(Figure {
            metric: metric.to_owned(),
            subject: subject.replace('_', " "),
            unit: unit.replace('_', " "),
            value: value.parse().ok()?,
        })
    };
    let figures: Vec<Figure> = text.lines().filter_map(row).collect();
    if figures.is_empty() { Err("it printed no figure".to_owned()) } else { Ok(figures) }
}

/// What the command printed, if all went well.
fn finish(command: Command) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&output(command)?.stdout).into_owned())
}

fn output(mut command: Command) -> Result<Output, String> {
    command.stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("does not start: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let last = error.lines().rfind(|line| !line.starts_with("==") && !line.is_empty());
    Err(format!("ended with {}: {}", output.status, last.unwrap_or("without a word")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_follows_its_key_on_a_line_with_others() {
        let text = "bulk_gbps 8.5 ns_per_byte 0.9\nlife_ns 1375\n";
        assert_eq!(value(text, "ns_per_byte"), Some(0.9));
        assert_eq!(value(text, "life_ns"), Some(1375.0));
        assert_eq!(value(text, "ns"), None);
    }

    #[test]
    fn rows_carry_their_subject_and_other_lines_are_passed_over() {
        let figures = rows("starting\ntun_up_gbps linger 12.5 Gbit/s\nx smoltcp_(TSO) 1 requests/CPU_s\n")
            .unwrap_or_default();
        assert_eq!(figures.len(), 2);
        assert_eq!((figures[0].value, figures[0].unit.as_str()), (12.5, "Gbit/s"));
        assert_eq!(
            (figures[1].subject.as_str(), figures[1].unit.as_str()),
            ("smoltcp (TSO)", "requests/CPU s")
        );
        assert!(rows("nothing\n").is_err());
    }
}
