use super::record::{Function, Record};
use super::source::{self, Mutated};
use super::tool::{self, Mutant, Outcome};
use super::{Wish, problems};
use super::{trial, weave};
use std::collections::BTreeMap;

const FILE: &str = "crates/proto/src/tcp/arrives/reset.rs";

fn mutant(place: &str, function: &str, lines: (usize, usize)) -> Mutant {
    Mutant {
        name: format!("{FILE}:{place}: replace == with != in {function}"),
        function: function.to_owned(),
        lines,
        place: ((17, 16), (17, 18)),
        replacement: "!=".to_owned(),
        is_body: false,
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
    let mut known = Function::new(function.name.clone(), function.sum.clone());
    let outcomes = [Outcome::Caught, Outcome::Survived, Outcome::TimedOut];
    for (mutant, outcome) in function.mutants.iter().zip(outcomes) {
        known.count(outcome, tool::without_place(&mutant.name));
    }
    let mut record = Record::default();
    record.keep_only(FILE, &[]);
    record.add(FILE, known);
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

/// The code of a file, with one function and a constant.
const CODE: &str = "use super::A;\n\nconst B: u8 = 1 + 1;\n\nimpl A {\n    /// Why.\n    #[inline]\n    fn go(&self) -> bool {\n        self.0 == B\n    }\n}\n";
const SURVIVOR: &str = "replace == with != in A::go";

/// A page on `CODE` that is as the tool writes it, one mutant surviving.
fn page(reasons: &str) -> String {
    let mut record = Record::read("", reasons).unwrap();
    let lines = |function: &str| if function == "-" { (3, 3) } else { (6, 10) };
    let mutants = ["-", "A::go"].map(|function| mutant("1:1", function, lines(function)));
    for Mutated { name, sum, mutants } in source::functions(CODE, &mutants) {
        let outcome = if name == "-" { Outcome::Caught } else { Outcome::Survived };
        let mut function = Function::new(name, sum);
        mutants.iter().for_each(|mutant| function.count(outcome, tool::without_place(&mutant.name)));
        record.add(FILE, function);
    }
    record.finish(FILE, source::sum(CODE));
    record.page()
}

fn reason() -> String {
    format!("{FILE}\t{SURVIVOR}\tboth are zero\n")
}

/// What is wrong with a page when the tree has these files.
fn wrong(page: &str, reasons: &str, files: &[(&str, &str)]) -> Vec<String> {
    let texts: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    problems(page, reasons, &texts).unwrap()
}

#[test]
fn page_that_covers_the_code_and_explains_its_survivors_is_green() {
    let page = page(&reason());
    assert_eq!(wrong(&page, &reason(), &[(FILE, CODE)]), [""; 0]);
    let talkative = CODE.replace("Why", "Why so");
    assert_eq!(wrong(&page, &reason(), &[(FILE, &talkative)]), [""; 0], "comments do not count");
}

#[test]
fn function_that_has_changed_since_is_red_and_named_with_what_to_run() {
    let changed = CODE.replace("self.0 == B", "self.0 <= B");
    assert_eq!(
        wrong(&page(&reason()), &reason(), &[(FILE, &changed)]),
        [format!("docs/mutants.md: {FILE} has changed: `A::go`; run `cargo xtask mutants {FILE}`")]
    );
    let constant = CODE.replace("1 + 1", "1 + 2");
    assert!(wrong(&page(&reason()), &reason(), &[(FILE, &constant)])[0].contains("has changed: `-`;"));
    let grown = CODE.to_owned() + "fn more() {}\n";
    assert!(wrong(&page(&reason()), &reason(), &[(FILE, &grown)])[0].contains("has changed; run"));
}

#[test]
fn file_that_is_missing_from_the_page_or_not_done_is_red() {
    let other = "crates/proto/src/tcp/arrives/syn.rs";
    let expected =
        |path: &str| [format!("docs/mutants.md: {path} is not covered; run `cargo xtask mutants {path}`")];
    let files = [(FILE, CODE), (other, "fn f() {}\n")];
    assert_eq!(wrong(&page(&reason()), &reason(), &files), expected(other));
    let sum = source::sum(CODE);
    let unfinished =
        page(&reason()).replace(&format!("| {FILE} | {sum} |"), &format!("| {FILE} | not done |"));
    assert_eq!(wrong(&unfinished, &reason(), &[(FILE, CODE)]), expected(FILE));
    assert_eq!(wrong("", "", &[(FILE, CODE)]), expected(FILE), "nor may the page be gone");
}

#[test]
fn survivor_without_a_reason_and_reason_without_a_survivor_are_red() {
    let problems = wrong(&page(""), "", &[(FILE, CODE)]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with(&format!("{FILE}: `{SURVIVOR}` survives; write a test")), "{problems:?}");
    let idle = reason() + &format!("{FILE}\treplace + with - in A::go\tnobody knows\n");
    assert_eq!(
        wrong(&page(&idle), &idle, &[(FILE, CODE)]),
        [format!("specs/survivors.tsv: no `replace + with - in A::go` survives in {FILE}; take it out")]
    );
}

#[test]
fn reason_of_two_survivors_of_one_name_does_not_hold_for_three() {
    let survivors = |count: usize, reasons: &str| {
        let mut record = Record::read("", reasons).unwrap();
        let mut function = Function::new("A::go".to_owned(), "00ff".to_owned());
        (0..count).for_each(|_| function.count(Outcome::Survived, SURVIVOR));
        record.add(FILE, function);
        record.survivors().map(|(_, mutant, reason)| (mutant, reason.is_some())).collect::<Vec<_>>()
    };
    let both = reason().replace(SURVIVOR, &format!("{SURVIVOR} (2)"));
    assert_eq!(survivors(2, &both), [(format!("{SURVIVOR} (2)"), true)]);
    assert_eq!(survivors(3, &both), [(format!("{SURVIVOR} (3)"), false)]);
    assert_eq!(survivors(1, &both), [(SURVIVOR.to_owned(), false)]);
}

#[test]
fn page_that_was_not_written_as_it_stands_is_red() {
    let files = [(FILE, CODE)];
    let expected = ["docs/mutants.md is not as it would be written now; run `cargo xtask mutants`"];
    let better = page(&reason()).replace("| 1 | 0 | 0 |", "| 2 | 0 | 0 |");
    assert_eq!(wrong(&better, &reason(), &files), expected);
    let reworded = reason().replace("both are zero", "neither is one");
    assert_eq!(wrong(&page(&reason()), &reworded, &files), expected);
}

#[test]
fn file_that_has_gone_from_the_tree_and_not_from_the_page_is_red() {
    assert_eq!(
        wrong(&page(&reason()), &reason(), &[]),
        [format!("docs/mutants.md: {FILE} is gone; run `cargo xtask mutants`")]
    );
}

#[test]
fn file_without_mutants_stays_done_and_one_that_has_gone_is_forgotten() {
    let mut record = Record::default();
    record.keep_only(FILE, &[]);
    record.finish(FILE, "abcd".to_owned());
    let mut again = Record::read(&record.page(), "").unwrap();
    assert_eq!(again.page(), record.page());
    assert!(again.counts().contains(&format!("| {FILE} | abcd | 0 |")));
    again.keep_files(&[]);
    assert!(!again.page().contains(FILE));
}

#[test]
fn wishes_are_files_and_a_limit_of_time() {
    assert_eq!(Wish::parse(&[]), Some(Wish::default()));
    let wish = Wish::parse(&["--minutes", "20", "reset.rs"]).unwrap();
    assert_eq!((wish.minutes, wish.wants(FILE), wish.wants("syn.rs")), (Some(20), true, false));
    assert_eq!(Wish::parse(&["--minutes"]), None);
    assert_eq!(Wish::parse(&["--all"]), None);
}

/// Mutants of a text: what is replaced, which must be there once, and with what.
fn numbered(text: &str, changes: &[(&str, &str, bool)]) -> Vec<weave::Numbered> {
    let place_of = |what: &str| {
        let at = |octet: usize| {
            let before = &text[..octet];
            (before.lines().count().max(1), before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1)
        };
        let from = text.find(what).unwrap();
        (at(from), at(from + what.len()))
    };
    let mutant = |(number, (what, replacement, is_body)): (usize, &(&str, &str, bool))| {
        let mutant = Mutant {
            place: place_of(what),
            replacement: (*replacement).to_owned(),
            is_body: *is_body,
            ..mutant("1:1", "f", (1, 1))
        };
        (u32::try_from(number).unwrap() + 1, mutant)
    };
    changes.iter().enumerate().map(mutant).collect()
}

fn woven(text: &str, changes: &[(&str, &str, bool)]) -> weave::Woven {
    let all = numbered(text, changes);
    weave::weave(text, &all.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn mutants_become_branches_one_within_the_other_and_the_body_first() {
    let text = "fn f(a: u8) -> bool { a + 1 == 2 }";
    let woven = woven(text, &[("a + 1 == 2", "true", true), ("==", "!=", false), ("+", "-", false)]);
    let expected = "fn f(a: u8) -> bool { \
         if crate::mutation::is(1) { /*<1*/return true;/*>1*/ }\n\
         if crate::mutation::is(2) { /*<2*/a + 1 != 2/*>2*/ } else \
         { (if crate::mutation::is(3) { /*<3*/a - 1/*>3*/ } else { a + 1 }) == 2 } }";
    assert_eq!(woven.text, expected);
    assert!(woven.alone.is_empty());
}

#[test]
fn mutant_of_a_constant_a_chain_of_let_or_an_opaque_type_is_tried_alone() {
    let chain = "fn f(a: Option<u8>) -> u8 { if let Some(a) = a && a < 3 { a } else { 4 } }";
    assert_eq!(woven(chain, &[("&&", "||", false), ("< 3", "> 3", false)]).alone, [1]);
    assert_eq!(
        woven("const fn f() -> u8 { 2 - 1 }", &[("2 - 1", "0", true), ("- ", "+ ", false)]).alone,
        [1, 2]
    );
    assert_eq!(woven("const A: u8 = 2 - 1;", &[("- ", "+ ", false)]).alone, [1]);
    assert_eq!(woven("fn f() -> impl Iterator<Item = u8> { g() }", &[("g()", "empty()", true)]).alone, [1]);
}

#[test]
fn arm_guard_and_field_are_replaced_within_their_expression() {
    let text = "fn f(a: u8) -> S { match a { 0 if a == 0 => g(), _ => S { b: !1, ..h() } } }";
    let woven =
        woven(text, &[("0 if a == 0 => g(),", "", false), ("a == 0", "true", false), ("b: !1,", "", false)]);
    assert!(woven.text.contains("{ /*<1*/match a {  _ => S { b: !1, ..h() } }/*>1*/ } else { match a {"));
    assert!(woven.text.contains("0 if (if crate::mutation::is(2) { /*<2*/true/*>2*/ } else { a == 0 }) =>"));
    assert!(woven.text.contains("{ /*<3*/S {  ..h() }/*>3*/ } else { S { b: !1, ..h() } }"));
}

#[test]
fn octet_of_a_branch_tells_the_mutant_and_others_tell_none() {
    let woven = woven("fn f() -> u8 { 2 - 1 }", &[("- ", "+ ", false)]).text;
    assert_eq!(weave::mutant_at(&woven, woven.find("2 + 1").unwrap()), Some(1));
    assert_eq!(weave::mutant_at(&woven, woven.find("2 - 1").unwrap()), None);
    assert_eq!(weave::mutant_at(&woven, 3), None);
}

#[test]
fn one_mutant_by_itself_replaces_its_place_and_nothing_else() {
    let text = "fn f() -> u8 { 2 - 1 }";
    let all = numbered(text, &[("- 1", "+ 1", false)]);
    assert_eq!(weave::replaced(text, &all[0].1).unwrap(), "fn f() -> u8 { 2 + 1  }");
}

#[test]
fn places_of_an_error_are_read_the_main_one_first_and_warnings_passed_over() {
    let message = |level: &str| {
        serde_json::from_str(&format!(
            r#"{{"reason":"compiler-message","message":{{"level":"{level}","rendered":"no","spans":[
                {{"file_name":"a.rs","byte_start":5,"is_primary":false}},
                {{"file_name":"b.rs","byte_start":7,"is_primary":true}}]}}}}"#
        ))
        .unwrap()
    };
    let places = vec![("b.rs".to_owned(), 7), ("a.rs".to_owned(), 5)];
    assert_eq!(trial::error(&message("error")), Some(("no".to_owned(), places)));
    assert_eq!(trial::error(&message("warning")), None);
}
