use super::catalogue::Catalogue;
use super::ledger::{Ledger, State, join};
use super::page;
use super::source::Found;

const REQUIREMENTS: &str = "\
id\tsource\tsection\tlevel\tarea\tapplies\trequirement
9293-MUST-13\tRFC 9293\t3.6.1\tMUST\ttime-wait\tboth\tLinger for 2*MSL.
9293-MUST-14\tRFC 9293\t3.7.1\tMUST\toptions\tboth\tMSS | both ways.
9293-SA-LISTEN-1\tRFC 9293\t3.10.7.2\tMUST\treset\treceiver\tRST is dropped.
9293-MAY-2\tRFC 9293\t3.6.1\tMAY\ttime-wait\treceiver\tReopen.
5961-4\tRFC 5961\t3.2\tMUST\tsecurity\treceiver\tRST in SYN-SENT.
5961-5\tRFC 5961\t4.2\tMUST\tsecurity\treceiver\tSYN is challenged.
";

/// Everything but RFC 5961 has an excuse here.
const ALL_OPEN: &str = "9293-*\topen\tlater\n";

fn ledger(explained: &str, files: &[(&str, &str)]) -> (Ledger, Vec<String>) {
    let catalogue = Catalogue::read(REQUIREMENTS, explained).unwrap();
    let mut found = Found::default();
    for (path, text) in files {
        found.read(path, text, &catalogue);
    }
    join(catalogue, found)
}

fn state(ledger: &Ledger, id: &str) -> State {
    ledger.rows.iter().find(|row| row.requirement.id == id).unwrap().state
}

/// A test that carries `tags`.
fn test_with(tags: &[&str]) -> String {
    let tags: String = tags.iter().map(|tag| format!("// requirement: {tag}\n")).collect();
    format!("{tags}#[test]\nfn it_holds() {{\n    assert!(works());\n}}\n")
}

#[test]
fn a_row_is_met_by_a_test_and_not_by_a_citation() {
    let code = ("crates/proto/src/a.rs", "// RFC 9293 MUST-13, MUST-14 (5961-4): so\nfn code() {}\n");
    let test = test_with(&["9293-MUST-13"]);
    let (ledger, problems) = ledger(ALL_OPEN, &[code, ("crates/proto/tests/b.rs", &test)]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(state(&ledger, "9293-MUST-13"), State::Met);
    assert_eq!(state(&ledger, "9293-MUST-14"), State::Open);
    assert_eq!(state(&ledger, "5961-4"), State::Open);
    let row = &ledger.rows[0];
    assert_eq!(row.code, ["crates/proto/src/a.rs"]);
    assert_eq!(row.tests, ["crates/proto/tests/b.rs::it_holds"]);
    assert_eq!(ledger.rows[1].code, ["crates/proto/src/a.rs"]);
    assert_eq!(ledger.rows[4].code, ["crates/proto/src/a.rs"]);
}

#[test]
fn a_must_of_rfc_9293_that_is_neither_tested_nor_explained_is_an_error() {
    let (_, problems) = ledger("9293-SA-*\topen\tlater\n9293-MUST-13\tdeviation\tshorter\n", &[]);
    assert_eq!(problems, ["9293-MUST-14 (MUST) is neither tested nor explained"]);
}

#[test]
fn tags_and_citations_of_what_is_not_in_the_catalogue_are_errors() {
    let test = test_with(&["9293-MUST-99", "9293-MUST-13, 9293-MUST-14"]);
    let files = [
        ("crates/proto/tests/b.rs", test.as_str()),
        ("crates/x/src/a.rs", "/// RFC 9293 MUST-77 (5961-12)\n"),
    ];
    let (_, problems) = ledger(ALL_OPEN, &files);
    assert_eq!(
        problems,
        [
            "crates/proto/tests/b.rs:1: there is no requirement `9293-MUST-99`",
            "crates/proto/tests/b.rs:2: there is no requirement `9293-MUST-13, 9293-MUST-14`",
            "crates/x/src/a.rs:1: cites 9293-MUST-77, which is not in the catalogue",
            "crates/x/src/a.rs:1: cites 5961-12, which is not in the catalogue",
        ]
    );
}

#[test]
fn code_below_the_mention_of_a_test_module_counts_and_the_module_at_the_end_does_not() {
    let text =
        "#[cfg(test)]\nmod tests;\n// 5961-4\nfn code() {}\n\n#[cfg(test)]\nmod more {\n// 5961-5\n}\n";
    let (ledger, _) = ledger(ALL_OPEN, &[("crates/x/src/a.rs", text)]);
    assert_eq!((ledger.rows[4].code.len(), ledger.rows[5].code.len()), (1, 0));
}

#[test]
fn years_numbers_and_ids_of_other_papers_are_no_citations() {
    let text = "// since 2018-04-25, 1122-1 octets, CVE-2016-5696, ids 9293-ish and x-5961-4\nfn code() {}\n";
    let (ledger, problems) = ledger(ALL_OPEN, &[("crates/x/src/a.rs", text)]);
    assert_eq!(problems, [""; 0]);
    assert!(ledger.rows.iter().all(|row| row.code.is_empty()));
}

#[test]
fn tags_in_another_form_or_above_no_test_are_errors() {
    let text = "\
/// requirement: 9293-MUST-13
#[test]
fn one() {}

// requirement: 9293-MUST-13
fn helper() {}

// requirement: 9293-MUST-14
const X: u8 = 0;

// requirement: 5961-4
// requirement: 5961-4
#[test]
fn two() {}
";
    let (_, problems) = ledger(ALL_OPEN, &[("crates/x/tests/a.rs", text)]);
    assert_eq!(
        problems,
        [
            "crates/x/tests/a.rs:1: write `// requirement: ID`, one id a line",
            "crates/x/tests/a.rs:5: 9293-MUST-13 stands above no test",
            "crates/x/tests/a.rs:8: 9293-MUST-14 stands above no test",
            "crates/x/tests/a.rs:12: two names 5961-4 twice",
        ]
    );
}

#[test]
fn tags_are_found_inside_modules_macros_and_above_async_tests() {
    let text = "\
fn code() {}

#[cfg(test)]
mod tests {
    proptest! {
        // requirement: 5961-4
        /// Whatever arrives.
        #[test]
        fn random(x in 0..3) {}
    }

    // requirement: 5961-5
    #[tokio::test(start_paused = true)]
    async fn on_tokio() {}
}
";
    let (ledger, problems) = ledger(ALL_OPEN, &[("crates/x/src/a.rs", text)]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(ledger.rows[4].tests, ["crates/x/src/a.rs::random"]);
    assert_eq!(ledger.rows[5].tests, ["crates/x/src/a.rs::on_tokio"]);
}

#[test]
fn an_explanation_that_a_test_contradicts_is_an_error_and_a_deviation_is_none() {
    let test = test_with(&["9293-MUST-13", "9293-MUST-14", "9293-MAY-2"]);
    let explained = "\
9293-MUST-13\tdeviation\thalf as long
9293-MUST-14\topen\tlater
9293-MAY-2\tmay not taken\tno need
9293-SA-LISTEN-1\tnot applicable\tno LISTEN
";
    let (ledger, problems) = ledger(explained, &[("crates/x/tests/a.rs", &test)]);
    assert_eq!(
        problems,
        [
            "specs/explained.tsv: 9293-MUST-14 is said to be open, but crates/x/tests/a.rs::it_holds tests it",
            "specs/explained.tsv: 9293-MAY-2 is said to be not taken, but crates/x/tests/a.rs::it_holds tests it",
        ]
    );
    assert_eq!(state(&ledger, "9293-MUST-13"), State::Deviation);
    assert_eq!(state(&ledger, "9293-SA-LISTEN-1"), State::NotApplicable);
    assert_eq!(ledger.rows[3].reason, "a MAY that is not taken: no need");
}

#[test]
fn deviation_in_code_must_be_explained_as_one() {
    let code = "/// Deviation, RFC 9293 MUST-13: half as long, because.\n// Deviation, RFC 5961 §4.2 [5961-5]: as [5961-4] has it.\nfn code() {}\n";
    let explained = format!("{ALL_OPEN}5961-5\tdeviation\tso\n");
    let (_, problems) = ledger(&explained, &[("crates/x/src/a.rs", code)]);
    assert_eq!(
        problems,
        ["specs/explained.tsv: crates/x/src/a.rs deviates from 9293-MUST-13, which no line there says"]
    );
}

#[test]
fn only_a_may_can_be_left_untaken() {
    let (_, problems) = ledger(&format!("{ALL_OPEN}5961-4\tmay not taken\tno\n"), &[]);
    assert_eq!(problems, ["specs/explained.tsv: 5961-4 is a MUST, which cannot be left untaken"]);
}

#[test]
fn an_explanation_by_start_yields_to_tests_and_names_and_is_an_error_once_it_explains_nothing() {
    let explained = "9293-*\topen\tlater\n9293-SA-*\tnot applicable\tno table\n5961-*\topen\tlater\n";
    let test = test_with(&["5961-4", "5961-5"]);
    let (ledger, problems) = ledger(explained, &[("crates/x/tests/a.rs", &test)]);
    assert_eq!(problems, ["specs/explained.tsv: 5961-* explains no row"]);
    assert_eq!(state(&ledger, "9293-SA-LISTEN-1"), State::NotApplicable);
    assert_eq!(state(&ledger, "9293-MAY-2"), State::Open);
    assert_eq!(state(&ledger, "5961-4"), State::Met);
}

#[test]
fn an_explanation_of_no_row_is_an_error() {
    let (_, problems) = ledger(&format!("{ALL_OPEN}5961-44\topen\tlater\n"), &[]);
    assert_eq!(problems, ["specs/explained.tsv: 5961-44 explains no row"]);
}

#[test]
fn files_that_are_not_in_form_are_refused_with_their_place() {
    let broken = |requirements: &str, explained: &str| Catalogue::read(requirements, explained).unwrap_err();
    assert!(broken("id\n", "").starts_with("specs/requirements.tsv: the first line"));
    let twice = format!("{REQUIREMENTS}5961-4\tRFC 5961\t1\tMUST\ta\tb\tc\n");
    assert_eq!(broken(&twice, ""), "specs/requirements.tsv:8: 5961-4 stands there twice");
    let foreign = format!("{REQUIREMENTS}5961-9\tRFC 5962\t1\tMUST\ta\tb\tc\n");
    assert!(broken(&foreign, "").contains("does not begin with the number"));
    let level = format!("{REQUIREMENTS}5961-9\tRFC 5961\t1\tMIGHT\ta\tb\tc\n");
    assert!(broken(&level, "").ends_with("MIGHT is no level"));
    assert!(broken(REQUIREMENTS, "5961-4\topen\n").contains("2 fields"));
    assert!(broken(REQUIREMENTS, "5961-4\tmet\tyes\n").contains("`met` is none of"));
    assert!(broken(REQUIREMENTS, "5961-4\topen\t \n").ends_with("without a reason"));
    assert!(broken(REQUIREMENTS, "5961-4\topen\ta\n5961-4\topen\tb\n").ends_with(":2: 5961-4 twice"));
}

#[test]
fn the_page_has_one_table_row_an_id_with_the_state_in_a_column_of_its_own() {
    let test = test_with(&["9293-MUST-13"]);
    let (ledger, _) = ledger(ALL_OPEN, &[("crates/x/tests/a.rs", &test)]);
    let page = page::page(&ledger);
    let row = |id: &str| page.lines().find(|line| line.starts_with(&format!("| {id} |"))).unwrap().to_owned();
    assert_eq!(
        row("9293-MUST-13"),
        "| 9293-MUST-13 | MUST | Linger for 2*MSL. (§3.6.1) |  | `crates/x/tests/a.rs::it_holds` | met |  |"
    );
    assert_eq!(
        row("9293-MUST-14"),
        "| 9293-MUST-14 | MUST | MSS \\| both ways. (§3.7.1) |  |  | open | later |"
    );
    assert!(row("5961-4").ends_with("| open | no test yet |"));
    assert!(page.contains("| RFC 9293, numbered requirements | 3 | 1 | 0 | 0 | 2 |\n"));
    assert!(page.contains("| RFC 9293, segment arrives (§3.10.7) | 1 | 0 | 0 | 0 | 1 |\n"));
    assert!(page.contains("| RFC 5961 | 2 | 0 | 0 | 0 | 2 |\n"));
    assert!(page.contains("| **all** | 6 | 1 | 0 | 0 | 5 |\n"));
    assert!(!page.contains("calls, timeouts"));
}
