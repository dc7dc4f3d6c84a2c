//! `docs/conformance.md`.

use super::ledger::{Ledger, Row, State};
use std::fmt::Write as _;

const TOP: &str = "\
# Conformance

Written by `cargo xtask conform` from `specs/requirements.tsv`, from the citations in the code, from the
`// requirement:` lines above the tests and from `specs/explained.tsv`; `cargo xtask ci` checks that it is current.
[specs/README.md](../specs/README.md) says what the columns mean and how a row changes its state.

- **met**: a test names the row and fails when the rule is broken
- **deviation**: done otherwise, for the reason given; a test may show what is done instead
- **not applicable**: it speaks of what there is not here, or permits what is not done here
- **open**: not done, or not shown by a test

";

/// The whole page.
pub(super) fn page(ledger: &Ledger) -> String {
    let mut page = TOP.to_owned();
    page.push_str(&counts(ledger));
    for source in sources(ledger) {
        let _ = write!(
            page,
            "\n## {source}\n\n| id | level | requirement | code | test | state | reason |\n|---|---|---|---|---|---|---|\n"
        );
        for row in ledger.rows.iter().filter(|row| row.requirement.source == source) {
            page.push_str(&line(row));
        }
    }
    page
}

/// The table of counts.
pub(super) fn counts(ledger: &Ledger) -> String {
    let mut table = String::from("| rows | in all |");
    for state in State::ALL {
        let _ = write!(table, " {} |", state.word());
    }
    table.push_str("\n|---|---:|---:|---:|---:|---:|\n");
    for source in sources(ledger) {
        let of = |row: &&Row| row.requirement.source == source;
        if source == "RFC 9293" {
            let numbered = |row: &&Row| of(row) && is_numbered(&row.requirement.id);
            let states = |row: &&Row| of(row) && row.requirement.id.starts_with("9293-SA-");
            let other = |row: &&Row| of(row) && !numbered(row) && !states(row);
            count(&mut table, "RFC 9293, numbered requirements", &rows(ledger, numbered));
            count(&mut table, "RFC 9293, segment arrives (§3.10.7)", &rows(ledger, states));
            count(&mut table, "RFC 9293, calls, timeouts, quiet time", &rows(ledger, other));
        } else {
            count(&mut table, source, &rows(ledger, of));
        }
    }
    count(&mut table, "**all**", &rows(ledger, |_| true));
    table
}

fn rows(ledger: &Ledger, wanted: impl Fn(&&Row) -> bool) -> Vec<&Row> {
    ledger.rows.iter().filter(|row| wanted(row)).collect()
}

fn count(table: &mut String, name: &str, rows: &[&Row]) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(table, "| {name} | {} |", rows.len());
    for state in State::ALL {
        let _ = write!(table, " {} |", rows.iter().filter(|row| row.state == state).count());
    }
    table.push('\n');
}

/// Whether RFC 9293 itself numbers it.
fn is_numbered(id: &str) -> bool {
    ["9293-MUST-", "9293-SHLD-", "9293-MAY-", "9293-REC-"].iter().any(|start| id.starts_with(start))
}

/// The RFCs, in the order in which the catalogue first names them.
fn sources(ledger: &Ledger) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for row in &ledger.rows {
        if !sources.contains(&row.requirement.source.as_str()) {
            sources.push(&row.requirement.source);
        }
    }
    sources
}

fn line(row: &Row) -> String {
    let requirement = &row.requirement;
    let list =
        |items: &[String]| items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join("<br>");
    format!(
        "| {} | {} | {} (§{}) | {} | {} | {} | {} |\n",
        requirement.id,
        requirement.level,
        cell(&requirement.text),
        cell(&requirement.section),
        list(&row.code),
        list(&row.tests),
        row.state.word(),
        cell(&row.reason)
    )
}

/// Text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
