//! `docs/performance/README.md`.

use super::chart::{self, readable};
use super::plan::{Bound, Suite, Target};
use super::results::Row;
use std::fmt::Write as _;

const TEMPLATE: &str = include_str!("page.md");

/// What a page is made of.
pub(super) struct Page<'a> {
    pub(super) suites: &'a [Suite],
    pub(super) rows: &'a [Row],
    pub(super) date: &'a str,
    pub(super) machine: &'a str,
    /// What could not be built, a line each.
    pub(super) absent: &'a [String],
}

impl Page<'_> {
    pub(super) fn text(&self) -> String {
        let mut absent = String::new();
        if !self.absent.is_empty() {
            absent.push_str("\nAbsent in the last run:\n\n");
            self.absent.iter().for_each(|line| absent.push_str(&format!("- {line}\n")));
        }
        TEMPLATE
            .replace("{{date}}", self.date)
            .replace("{{machine}}", self.machine)
            .replace("{{targets}}", self.targets().trim_end())
            .replace("{{charts}}", self.charts().trim_end())
            .replace("{{tables}}", self.tables().trim_end())
            .replace("{{absent}}", &absent)
            .trim_end()
            .to_owned()
            + "\n"
    }

    fn targets(&self) -> String {
        let mut out = String::from("| what | measured | met |\n|---|---|---|\n");
        for target in self.suites.iter().flat_map(|suite| suite.targets) {
            let (measured, met) = judge(target, self.rows);
            let _ = writeln!(out, "| {} | {measured} | {met} |", target.what);
        }
        out
    }

    fn charts(&self) -> String {
        let charts = self.suites.iter().flat_map(|suite| suite.charts);
        let drawn = charts.filter(|chart| chart::svg(chart, self.rows).is_some());
        drawn.map(|chart| format!("![{}]({})\n\n", chart.title, chart.file)).collect()
    }

    fn tables(&self) -> String {
        let mut out = String::from("| metric | subject | median | least | most | unit | rounds | date |\n");
        out.push_str("|---|---|---:|---:|---:|---|---:|---|\n");
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        let place = |metric: &str| self.rows.iter().position(|row| row.metric == metric);
        rows.sort_by_key(|row| place(&row.metric));
        let mut before = "";
        for row in rows {
            let metric = if row.metric == before { String::new() } else { format!("`{}`", row.metric) };
            before = &row.metric;
            let _ = writeln!(
                out,
                "| {metric} | {} | {} | {} | {} | {} | {} | {} |",
                row.subject,
                readable(row.median),
                readable(row.min),
                readable(row.max),
                row.unit,
                row.rounds,
                row.date
            );
        }
        out
    }
}

/// What was measured, and whether it is enough.
pub(super) fn judge(target: &Target, rows: &[Row]) -> (String, &'static str) {
    let row = rows.iter().find(|row| row.metric == target.metric && row.subject == target.subject);
    let Some(row) = row else { return ("not yet".to_owned(), "-") };
    let met = match target.bound {
        Bound::AtMost(bound) => row.median <= bound,
        Bound::AtLeast(bound) => row.median >= bound,
    };
    let unit = if row.unit == "ratio" { "x" } else { row.unit.as_str() };
    let space = if unit == "x" { "" } else { " " };
    (format!("{}{space}{unit}", readable(row.median)), if met { "yes" } else { "**no**" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(metric: &str, median: f64) -> Row {
        let (metric, subject, unit) = (metric.to_owned(), "linger".to_owned(), "ratio".to_owned());
        Row { metric, subject, median, min: median, max: median, unit, rounds: 1, date: String::new() }
    }

    #[test]
    fn a_target_is_met_at_its_bound_and_not_known_before_it_is_measured() {
        let target = Target { what: "w", metric: "m", subject: "linger", bound: Bound::AtLeast(2.5) };
        assert_eq!(judge(&target, &[row("m", 2.5)]), ("2.50x".to_owned(), "yes"));
        assert_eq!(judge(&target, &[row("m", 2.4)]).1, "**no**");
        assert_eq!(judge(&target, &[row("n", 9.0)]).0, "not yet");
    }

    #[test]
    fn nothing_of_the_template_is_left_open() {
        let rows = [row("lifecycle_rate", 3.0)];
        let absent = ["gVisor: no go".to_owned()];
        let page = Page {
            suites: &super::super::SUITES,
            rows: &rows,
            date: "today",
            machine: "this",
            absent: &absent,
        };
        let text = page.text();
        assert!(!text.contains("{{") && text.contains("gVisor: no go") && text.contains("lifecycle.svg"));
    }
}
