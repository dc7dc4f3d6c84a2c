//! The state table of RFC 9293 §3.10.7 from outside: the same segments to `linger serve` and to the Linux kernel, over both
//! families, and every difference between the two has a reason in `docs/linux-differences.md`.
//!
//! | file | what it holds |
//! |---|---|
//! | `script.rs` | what a scenario is |
//! | `play.rs` | playing one to a host |
//! | `before.rs` | scenarios: CLOSED, LISTEN, SYN-RECEIVED |
//! | `open.rs` | scenarios: ESTABLISHED, and what the later states have in common with it |
//! | `after.rs` | scenarios: the closing states and TIME-WAIT |

mod after;
mod before;
mod open;
mod play;
mod script;

use crate::serve;
use interop::content::Folder;
use interop::probe::{Family, Probe};
use interop::{LINGER, Namespace, Running, program};
use script::Scenario;
use std::collections::BTreeSet;
use std::time::Duration;

/// Where the differences are listed.
const PAPER: &str = include_str!("../../../../docs/linux-differences.md");
const REQUIREMENTS: &str = include_str!("../../../../specs/requirements.tsv");

/// The first port of the probe: no two scenarios share one.
const PORTS: u16 = 20_000;

/// Rows that nothing outside can show of a server, and why. The tests in `crates/proto/tests/states` show them, except the
/// third step.
const HIDDEN: [(&str, &str); 3] = [
    ("SYN-SENT-", "a server opens nothing"),
    ("SYN-RECEIVED-9", "a server opens nothing"),
    ("-3", "there are no security compartments"),
];

fn scenarios() -> Vec<Scenario> {
    let mut all = before::scenarios();
    all.extend(open::scenarios());
    all.extend(after::scenarios());
    all
}

/// One answer: scenario, segment, and what was said to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Answer {
    scenario: String,
    step: usize,
    segment: String,
    said: String,
}

/// What the host behind `probe` says, which must be the same over both families.
fn answers(probe: &mut Probe) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut unlike = Vec::new();
    for (port, scenario) in (PORTS..).zip(scenarios()) {
        let [v4, v6] = Family::BOTH.map(|family| play::play(probe, family, port, &scenario));
        if v4 != v6 {
            unlike.push(format!("{}: {v4:?} over IPv4, {v6:?} over IPv6", scenario.name));
        }
        for (step, (script, said)) in scenario.steps.iter().zip(v4).enumerate() {
            answers.push(Answer { scenario: scenario.name.to_owned(), step, segment: script.shown(), said });
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    answers
}

fn linger(namespace: &Namespace) -> Vec<Answer> {
    let folder = Folder::new();
    folder.write("index.html", "hello");
    folder.fill("big", 16 << 20, 1);
    let _server = serve(namespace, &folder, &[]);
    answers(&mut Probe::open(namespace))
}

fn linux(namespace: &Namespace) -> Vec<Answer> {
    let mut probe = Probe::open(namespace);
    for address in LINGER {
        namespace
            .ip(&format!("address add {address} dev lo{}", if address.is_ipv6() { " nodad" } else { "" }));
    }
    // Else the kernel answers only one suspicious segment in half a second.
    namespace.sysctl("net.ipv4.tcp_invalid_ratelimit", "0");
    let mut server: Running = namespace.spawn(program("kernel_serve"), &["80"]);
    server.wait_for_line("serving", Duration::from_secs(10));
    answers(&mut probe)
}

#[test]
fn linger_serve_answers_every_segment_as_the_state_table_has_it() {
    let expected: Vec<String> = scenarios()
        .iter()
        .flat_map(|scenario| scenario.steps.iter().map(|step| step.gets.to_owned()).collect::<Vec<_>>())
        .collect();
    let wrong: Vec<String> = linger(&Namespace::new())
        .iter()
        .zip(expected)
        .filter(|(answer, expected)| answer.said != *expected)
        .map(|(answer, expected)| {
            format!("{} ({}): {:?}, not {expected:?}", answer.scenario, answer.segment, answer.said)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn differences_from_linux_are_those_on_the_page_and_no_others() {
    let (ours, theirs) = (linger(&Namespace::new()), linux(&Namespace::new()));
    let observed: Vec<String> = ours
        .iter()
        .zip(&theirs)
        .filter(|(ours, theirs)| ours.said != theirs.said)
        .map(|(ours, theirs)| {
            format!(
                "| {} | {}. {} | {} | {} |",
                ours.scenario,
                ours.step + 1,
                ours.segment,
                ours.said,
                theirs.said
            )
        })
        .collect();
    // The reason is in the column after those that can be observed.
    let listed: Vec<&str> = PAPER.lines().filter(|line| is_difference(line)).collect();
    let without_reason =
        |line: &&str| line.trim_end_matches(" |").rsplit_once(" | ").map(|(rest, _)| format!("{rest} |"));
    let listed: BTreeSet<String> = listed.iter().filter_map(without_reason).collect();
    let unlisted: Vec<&String> = observed.iter().filter(|line| !listed.contains(*line)).collect();
    let gone: Vec<&String> = listed.iter().filter(|line| !observed.contains(line)).collect();
    // Another version than the page's may differ in a row or two; then the page has to say so.
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "Linux {kernel}not listed: {unlisted:#?}\nnot observed: {gone:#?}"
    );
}

/// A row of the table: its first column names a scenario.
fn is_difference(line: &str) -> bool {
    let first = line.strip_prefix("| ").and_then(|rest| rest.split(" | ").next());
    first.is_some_and(|first| first.contains(": "))
}

#[test]
fn every_difference_has_a_reason_and_names_a_scenario() {
    let names: BTreeSet<&str> = scenarios().iter().map(|scenario| scenario.name).collect();
    for line in PAPER.lines().filter(|line| is_difference(line)) {
        let columns: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        assert_eq!(columns.len(), 5, "{line}");
        assert!(names.contains(columns[0]), "no such scenario: {line}");
        assert!(columns[4].len() > 20, "no reason: {line}");
    }
    assert_eq!(names.len(), scenarios().len(), "names are unique");
}

#[test]
fn every_row_of_the_table_has_a_scenario_or_cannot_be_seen_from_outside() {
    let shown: BTreeSet<&str> = scenarios().iter().flat_map(|scenario| scenario.rows).copied().collect();
    let rows: BTreeSet<&str> =
        REQUIREMENTS.lines().filter_map(|line| line.split('\t').next()?.strip_prefix("9293-SA-")).collect();
    let unknown: Vec<_> = shown.difference(&rows).collect();
    assert!(unknown.is_empty(), "no such rows: {unknown:?}");
    let hidden = |row: &str| {
        HIDDEN.iter().any(|(part, _)| row.starts_with(part) || (part.starts_with('-') && row.ends_with(part)))
    };
    let missing: Vec<_> = rows.difference(&shown).filter(|row| !hidden(row)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
