use super::record::Record;
use super::source::{self, Mutated};
use super::tool::{self, Mutant, Outcome};
use super::{Wish, batches, judged};

const FILE: &str = "crates/proto/src/tcp/arrives/reset.rs";

fn mutant(place: &str, function: &str, lines: (usize, usize)) -> Mutant {
    Mutant {
        name: format!("{FILE}:{place}: replace == with != in {function}"),
        function: function.to_owned(),
        lines,
    }
}

fn mutated(name: &str, count: usize) -> Mutated {
    let mutants = (0..count).map(|n| mutant(&format!("{n}:1"), name, (1, 2))).collect();
    Mutated { name: name.to_owned(), sum: "00ff".to_owned(), mutants }
}

#[test]
fn what_the_tool_lists_is_read_with_the_span_of_the_function() {
    let text = r#"[{"package":"linger-proto","file":"crates/proto/src/tcp/arrives/reset.rs",
        "function":{"function_name":"check","return_type":"-> bool","span":{"start":{"line":13,"column":1},"end":{"line":22,"column":2}}},
        "span":{"start":{"line":17,"column":16},"end":{"line":17,"column":18}},"replacement":"!=","genre":"BinaryOperator",
        "name":"crates/proto/src/tcp/arrives/reset.rs:17:16: replace == with != in check"}]"#;
    assert_eq!(tool::mutants(text), Ok(vec![mutant("17:16", "check", (13, 22))]));
    assert!(tool::mutants("[{}]").is_err());
}

#[test]
fn what_became_of_mutants_is_read_and_the_baseline_passed_over() {
    let one = |name: &str, summary: &str| {
        format!(r#"{{"scenario":{{"Mutant":{{"name":"{name}"}}}},"summary":"{summary}"}}"#)
    };
    let text = format!(
        r#"{{"outcomes":[{{"scenario":"Baseline","summary":"Success"}},{},{},{},{}]}}"#,
        one("a", "CaughtMutant"),
        one("b", "MissedMutant"),
        one("c", "Timeout"),
        one("d", "Unviable")
    );
    let expected = [
        ("a", Outcome::Caught),
        ("b", Outcome::Survived),
        ("c", Outcome::TimedOut),
        ("d", Outcome::Unviable),
    ];
    assert_eq!(tool::outcomes(&text).unwrap(), expected.map(|(name, outcome)| (name.to_owned(), outcome)));
    assert!(tool::outcomes(&format!(r#"{{"outcomes":[{}]}}"#, one("a", "Failure"))).is_err());
}

#[test]
fn comments_do_not_change_the_sum_of_a_function_and_code_does() {
    let code = "fn check() {\n    // why\n    go()\n}\n\nfn other() {}\n";
    let sum = |code: &str| source::functions(code, &[mutant("3:5", "check", (1, 4))])[0].sum.clone();
    assert_eq!(sum(code), sum(&code.replace("// why", "// why not")));
    assert_eq!(sum(code), sum(&code.replace("other", "another")));
    assert_ne!(sum(code), sum(&code.replace("go()", "stop()")));
}

#[test]
fn page_is_read_as_it_was_written_and_what_has_changed_is_forgotten() {
    let function = mutated("A<T>::check | one", 3);
    let names: Vec<String> = function.mutants.iter().map(|mutant| mutant.name.clone()).collect();
    let outcomes = [
        (names[0].clone(), Outcome::Caught),
        (names[1].clone(), Outcome::Survived),
        (names[2].clone(), Outcome::TimedOut),
    ];
    let mut record = Record::default();
    record.keep_only(FILE, &[]);
    record.add(FILE, judged(function.clone(), &outcomes).unwrap());
    record.finish(FILE, "abcd".to_owned());
    let page = record.page();
    let reason = format!("{FILE}\treplace == with != in A<T>::check | one\tboth are zero\n");
    let mut again = Record::read(&page, &reason).unwrap();
    assert_eq!(again.counts(), record.counts());
    assert_eq!(again.page(), page.replace("**none yet**", "both are zero"));
    assert_eq!(again.sum_of(FILE).map(String::as_str), Some("abcd"));
    assert!(again.counts().contains(&format!("| {FILE} | abcd | 3 | 1 | 1 | 0 | 1 |")));
    assert_eq!(again.survivors().map(|one| one.2).collect::<Vec<_>>(), [Some("both are zero")]);
    assert!(again.knows(FILE, &function));
    again.keep_only(FILE, std::slice::from_ref(&function));
    assert!(again.knows(FILE, &function));
    let mut unexplained = Record::read(&page, "").unwrap();
    unexplained.keep_only(FILE, std::slice::from_ref(&function));
    assert!(!unexplained.knows(FILE, &function), "it is tried again");
    let changed = Mutated { sum: "0100".to_owned(), ..function };
    assert!(!again.knows(FILE, &changed));
    again.keep_only(FILE, &[changed]);
    assert_eq!((again.survivors().count(), again.sum_of(FILE)), (0, None));
}

#[test]
fn mutant_of_which_nothing_is_said_is_an_error() {
    assert!(judged(mutated("check", 1), &[]).is_err());
}

#[test]
fn functions_go_in_batches_and_none_is_split() {
    let functions = [5, 20, 3, 40, 1].map(|count| mutated("f", count)).to_vec();
    let sizes: Vec<Vec<usize>> = batches(functions, 24)
        .iter()
        .map(|batch| batch.iter().map(|one| one.mutants.len()).collect())
        .collect();
    assert_eq!(sizes, [vec![5], vec![20, 3], vec![40], vec![1]]);
}

#[test]
fn wishes_are_files_and_a_limit_of_time() {
    assert_eq!(Wish::parse(&[]), Some(Wish::default()));
    let wish = Wish::parse(&["--minutes", "20", "reset.rs"]).unwrap();
    assert_eq!((wish.minutes, wish.wants(FILE), wish.wants("syn.rs")), (Some(20), true, false));
    assert_eq!(Wish::parse(&["--minutes"]), None);
    assert_eq!(Wish::parse(&["--all"]), None);
}
