//! `docs/performance/results.json`: rows of metric, subject, median, min, max and unit.
//!
//! A run replaces the rows that it measured and keeps the others, each with its date.

use super::samples::Samples;
use serde_json::{Value, json};
use std::path::Path;

/// One row.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Row {
    pub(super) metric: String,
    pub(super) subject: String,
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) unit: String,
    /// Figures that the median is of; one for those that are exact.
    pub(super) rounds: u64,
    pub(super) date: String,
}

impl Row {
    fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| value.get(key).and_then(Value::as_f64);
        Some(Self {
            metric: text("metric")?,
            subject: text("subject")?,
            median: number("median")?,
            min: number("min")?,
            max: number("max")?,
            unit: text("unit")?,
            rounds: value.get("rounds").and_then(Value::as_u64).unwrap_or(1),
            date: text("date").unwrap_or_default(),
        })
    }

    /// The fields in the order of the documentation, on one line.
    fn to_json(&self) -> String {
        format!(
            "{{ \"metric\": {}, \"subject\": {}, \"median\": {}, \"min\": {}, \"max\": {}, \"unit\": {}, \
             \"rounds\": {}, \"date\": {} }}",
            json!(self.metric),
            json!(self.subject),
            json!(self.median),
            json!(self.min),
            json!(self.max),
            json!(self.unit),
            self.rounds,
            json!(self.date)
        )
    }
}

/// The rows of a run.
pub(super) fn rows(samples: &Samples, date: &str) -> Vec<Row> {
    let row = |series: &super::samples::Series| {
        let (median, min, max) = series.spread()?;
        Some(Row {
            metric: series.metric.clone(),
            subject: series.subject.clone(),
            median: rounded(median),
            min: rounded(min),
            max: rounded(max),
            unit: series.unit.clone(),
            rounds: series.values.len() as u64,
            date: date.to_owned(),
        })
    };
    samples.0.iter().filter_map(row).collect()
}

/// Five digits that count: more say nothing and change with every run.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// Puts `new` in the place of rows of the same metric and subject, and behind the others.
pub(super) fn merge(mut old: Vec<Row>, new: Vec<Row>) -> Vec<Row> {
    for row in new {
        let same = |other: &&mut Row| other.metric == row.metric && other.subject == row.subject;
        match old.iter_mut().find(same) {
            Some(place) => *place = row,
            None => old.push(row),
        }
    }
    old
}

/// The rows of a file; none where there is no file.
pub(super) fn read(path: &Path) -> Result<Vec<Row>, String> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(Vec::new()) };
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let rows = value.as_array().ok_or_else(|| format!("{} is no list", path.display()))?;
    Ok(rows.iter().filter_map(Row::from_json).collect())
}

/// The file's text.
pub(super) fn text(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| format!("  {}", row.to_json())).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Writes beside the file and renames, so that nothing half-written is ever seen.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(metric: &str, subject: &str, median: f64, date: &str) -> Row {
        let (metric, subject, date) = (metric.to_owned(), subject.to_owned(), date.to_owned());
        Row { metric, subject, median, min: median, max: median, unit: "ns".to_owned(), rounds: 5, date }
    }

    #[test]
    fn a_partial_run_keeps_the_other_rows_with_their_date() {
        let old = vec![row("a", "linger", 1.0, "2026-01-01"), row("b", "linger", 2.0, "2026-01-01")];
        let merged =
            merge(old, vec![row("b", "linger", 3.0, "2026-02-02"), row("b", "floor", 4.0, "2026-02-02")]);
        let brief: Vec<_> = merged.iter().map(|row| (row.median, row.date.as_str())).collect();
        assert_eq!(brief, [(1.0, "2026-01-01"), (3.0, "2026-02-02"), (4.0, "2026-02-02")]);
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let path = std::env::temp_dir().join(format!("results-{}.json", std::process::id()));
        let rows = vec![row("a", "smoltcp (\"best\")", 1.25, "2026-01-01")];
        write(&path, &text(&rows)).expect("a folder for temporary files");
        assert_eq!(read(&path), Ok(rows));
        assert!(!path.with_extension("new").exists());
        std::fs::remove_file(&path).expect("it was written");
    }

    #[test]
    fn figures_keep_five_digits() {
        assert_eq!(rounded(18_347.000_2), 18_347.0);
        assert_eq!(rounded(0.211_267), 0.211_27);
    }
}
