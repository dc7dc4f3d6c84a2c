//! Planted violations are found, and their innocent neighbours are not.

use super::*;

/// The findings in one file.
fn findings_in(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let source = Source::new(path.to_owned(), text.to_owned());
    size::check(&source, &mut findings);
    words::check(&source, &mut findings);
    citation::check(&source, &mut findings);
    findings
}

fn rules(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule).collect()
}

fn function_of(lines: usize, indent: &str) -> String {
    let body = format!("{indent}    step();\n").repeat(lines - 2);
    format!("{indent}pub(crate) const fn long() {{\n{body}{indent}}}\n")
}

#[test]
fn file_of_601_code_lines_is_found_and_of_600_is_not() {
    let comments = "// a comment\n\n".repeat(50);
    let fits = format!("{comments}{}", "const A: u8 = 0;\n".repeat(600));
    assert_eq!(findings_in("crates/sim/src/a.rs", &fits), []);
    let found = findings_in("crates/sim/src/a.rs", &format!("{fits}const B: u8 = 0;\n"));
    assert_eq!((rules(&found), found[0].item.as_str()), (vec!["file-size"], "601"));
}

#[test]
fn test_module_and_test_file_do_not_count_towards_the_size() {
    let tests = "const A: u8 = 0;\n".repeat(700);
    assert_eq!(
        findings_in("crates/sim/src/a.rs", &format!("{}mod tests {{\n{tests}}}\n", "#[cfg(test)]\n")),
        []
    );
    assert_eq!(findings_in("crates/sim/src/a/tests.rs", &tests), []);
    assert_eq!(findings_in("crates/sim/tests/a.rs", &tests), []);
}

#[test]
fn code_below_the_mention_of_a_test_module_is_looked_at() {
    let text = format!("{}mod tests;\n\n{}", "#[cfg(test)]\n", function_of(71, ""));
    assert_eq!(rules(&findings_in("crates/sim/src/a.rs", &text)), ["function-size"]);
}

#[test]
fn function_of_71_lines_is_found_and_of_70_is_not() {
    for indent in ["", "    "] {
        assert_eq!(findings_in("crates/sim/src/a.rs", &function_of(70, indent)), []);
        let found = findings_in("crates/sim/src/a.rs", &function_of(71, indent));
        assert_eq!((rules(&found), found[0].item.as_str()), (vec!["function-size"], "long"));
    }
}

#[test]
fn declarations_in_a_trait_are_not_taken_for_long_functions() {
    let one = "    /// Says.\n    fn say(&self);\n    /// Asks.\n    fn ask(\n        &self,\n    );\n";
    let text = format!("trait A {{\n{}}}\n", one.repeat(30));
    assert_eq!(findings_in("crates/sim/src/a.rs", &text), []);
}

#[test]
fn every_kind_of_panic_in_proto_is_found() {
    let calls = [
        "x.unw|rap()",
        "x.exp|ect(\"y\")",
        "pan|ic!(\"y\")",
        "unreach|able!()",
        "to|do!()",
        "unimpl|emented!()",
    ];
    for call in calls.map(|call| call.replace('|', "")) {
        let text = format!("fn f() {{\n    {call};\n}}\n");
        assert_eq!(rules(&findings_in("crates/proto/src/a.rs", &text)), ["panic"], "{call}");
        assert_eq!(findings_in("crates/sim/src/a.rs", &text), [], "{call}");
        assert_eq!(findings_in("crates/proto/src/a/tests.rs", &text), [], "{call}");
    }
}

#[test]
fn clock_in_proto_is_found() {
    let text = format!("use std::time::Inst{};\n", "ant");
    assert_eq!(rules(&findings_in("crates/proto/src/a.rs", &text)), ["clock"]);
    assert_eq!(findings_in("crates/linger/src/a.rs", &text), []);
}

#[test]
fn note_to_oneself_is_found_as_a_word_only() {
    for word in ["TO|DO", "FIX|ME", "XX|X"].map(|word| word.replace('|', "")) {
        assert_eq!(rules(&findings_in("crates/cli/src/a.rs", &format!("// {word}: later\n"))), ["note"]);
        assert_eq!(findings_in("crates/cli/src/a.rs", &format!("const A{word}B: u8 = 0;\n")), []);
    }
}

#[test]
fn ignored_test_is_found() {
    let text = format!("{}ore = \"slow\"]\nfn a() {{}}\n", "#[ign");
    assert_eq!(rules(&findings_in("crates/sim/src/tests.rs", &text)), ["ignored-test"]);
}

#[test]
fn sleep_needs_a_reason_in_interop_and_has_none_elsewhere() {
    let sleep = format!("std::thread::sl{}(a);\n", "eep");
    let reason = format!("// The kernel's timer runs in real time.\n{sleep}");
    assert_eq!(rules(&findings_in("crates/sim/tests/a.rs", &reason)), ["sleep"]);
    assert_eq!(rules(&findings_in("interop/src/a.rs", &sleep)), ["sleep"]);
    assert_eq!(findings_in("interop/src/a.rs", &reason), []);
}

#[test]
fn citations_out_of_form_are_found() {
    let wrong = [
        "// RFC|9293 §3.4",
        "// as RFC 9293, |section 3.4 has it",
        "/// Deviation|: because.",
        "// Deviation, RFC 9293|: because.",
    ];
    for line in wrong.map(|line| line.replace('|', "")) {
        assert_eq!(rules(&findings_in("crates/proto/src/a.rs", &line)), ["citation"], "{line}");
    }
    let right = [
        "// RFC 9293 MUST-13",
        "// RFC 5961 §4.2 (5961-5)",
        "/// Deviation, RFC 6298 §2.4 [6298-6]: one second is too long.",
        "// Deviation, RFC 9293 MUST-58: none.",
        "// the RFC's own numbers",
        "let url = \"https://example.test/\";",
    ];
    for line in right {
        assert_eq!(findings_in("crates/proto/src/a.rs", line), [], "{line}");
    }
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let rust = files.iter().map(|(path, text)| Source::new((*path).to_owned(), (*text).to_owned())).collect();
    Tree { rust, ..Tree::default() }
}

#[test]
fn crate_without_its_rule_on_unsafe_is_found() {
    let mut findings = Vec::new();
    let roots =
        ["crates/sim/src/lib.rs", "crates/cli/src/main.rs", "interop/src/bin/a.rs", "xtask/src/main.rs"];
    safety::check(&tree(&roots.map(|root| (root, "//! Nothing.\n"))), &mut findings);
    assert_eq!(rules(&findings), ["unsafe"; 4]);
    findings.clear();
    safety::check(&tree(&roots.map(|root| (root, "#![forbid(unsafe_code)]\n"))), &mut findings);
    assert_eq!(findings, []);
}

#[test]
fn device_denies_unsafe_and_only_its_sys_folder_allows_it() {
    let mut findings = Vec::new();
    let allow = "#![allow(unsafe_code)]\n#[allow(unsafe_code)]\nmod a;\n";
    safety::check(&tree(&[("crates/device/src/tun.rs", allow)]), &mut findings);
    assert_eq!(rules(&findings), ["unsafe"]);
    findings.clear();
    let door = "#![deny(unsafe_code)]\n#[allow(unsafe_code)]\nmod sys;\n";
    safety::check(
        &tree(&[("crates/device/src/sys/ioctl.rs", allow), ("crates/device/src/lib.rs", door)]),
        &mut findings,
    );
    assert_eq!(findings, []);
    safety::check(&tree(&[("crates/device/src/lib.rs", "#![allow(unsafe_code)]\n")]), &mut findings);
    assert_eq!(rules(&findings), ["unsafe"]);
}

#[test]
fn proto_without_its_cast_lints_is_found() {
    let mut findings = Vec::new();
    let text = "#![forbid(unsafe_code)]\n#![deny(clippy::cast_sign_loss, clippy::cast_possible_wrap)]\n";
    safety::check(&tree(&[("crates/proto/src/lib.rs", text)]), &mut findings);
    assert_eq!(findings.iter().map(|f| f.item.as_str()).collect::<Vec<_>>(), ["cast_possible_truncation"]);
}

const GOOD_README: &str = "\
# a\n```sh\ncargo run --release -- tour   # see it\ncargo xtask ci\ncargo xtask tidy\ncargo run -p linger-cli -- serve\n```\n\
Rust 1.95. `linger-cli` is the program.\n```toml\nlinger = \"0.1\"\n```\n";

fn readme_findings(readme: &str) -> Vec<Finding> {
    let mut tree = tree(&[("crates/cli/src/cmd/tour/mod.rs", ""), ("crates/cli/src/cmd/serve.rs", "")]);
    tree.readme = Some(readme.to_owned());
    tree.manifests = vec![
        ("Cargo.toml".to_owned(), "version = \"0.1.0\"\nrust-version = \"1.95\"\n".to_owned()),
        ("crates/cli/Cargo.toml".to_owned(), "name = \"linger-cli\"\n".to_owned()),
    ];
    let mut findings = Vec::new();
    readme::check(&tree, &["tidy"], &mut findings);
    findings
}

#[test]
fn readme_that_agrees_with_the_workspace_passes() {
    assert_eq!(readme_findings(GOOD_README), []);
}

#[test]
fn readme_that_disagrees_with_the_workspace_is_found() {
    let planted = [
        ("cargo xtask ci", "cargo test", "cargo xtask ci"),
        ("cargo xtask tidy", "cargo xtask tidings", "cargo xtask tidings"),
        ("-- serve", "-- severe", "cargo run -p linger-cli -- severe"),
        ("cargo xtask tidy", "cargo run --example a", "cargo run --example a"),
        ("`linger-cli`", "`linger-cli` `linger-gui`", "linger-gui"),
        ("`linger-cli`", "It", "linger-cli"),
        ("Rust 1.95", "Rust 1.85", "version"),
        ("linger = \"0.1\"", "linger = \"0.2\"", "version"),
        ("# a\n", "# a\n\n\n\n\n\n\n\n\n\n\n", "length"),
    ];
    for (before, after, item) in planted {
        let after = if item == "length" { after.repeat(15) } else { after.to_owned() };
        let found = readme_findings(&GOOD_README.replacen(before, &after, 1));
        assert_eq!(found.iter().map(|f| f.item.as_str()).collect::<Vec<_>>(), [item], "{before} -> {after}");
    }
}

#[test]
fn path_in_a_paper_that_leads_nowhere_is_found_and_what_is_no_path_is_not() {
    let files = ["crates/proto/src/tcp/seq.rs", "docs/decisions/README.md"].map(str::to_owned);
    let good =
        "`tcp/seq.rs`, `crates/proto`, `docs/decisions/`, `cargo run -- a/b`, `/dev/net/tun`, `http://a/b`";
    let tree = |text: &str| Tree {
        files: files.to_vec(),
        papers: vec![("ARCHITECTURE.md".to_owned(), text.to_owned())],
        ..Tree::default()
    };
    let mut findings = Vec::new();
    paths::check(&tree(good), &mut findings);
    assert_eq!(findings, []);
    paths::check(&tree("first\nsecond `tcp/se` and `crates/prot/`"), &mut findings);
    let found: Vec<_> = findings.iter().map(|finding| (finding.line, finding.item.as_str())).collect();
    assert_eq!(found, [(2, "tcp/se"), (2, "crates/prot/")]);
}

#[test]
fn allow_list_excuses_exactly_what_it_names_and_only_shrinks() {
    let text = "const A: u8 = 0;\n".repeat(601);
    let found = || findings_in("crates/sim/src/a.rs", &text);
    let excuse = |list: &str| rules(&allow::excuse(found(), list));
    assert_eq!(excuse("# nothing\n"), ["file-size"]);
    assert_eq!(excuse("file-size crates/sim/src/a.rs 601 # a table\n"), [] as [&str; 0]);
    assert_eq!(excuse("file-size crates/sim/src/a.rs 601\n"), ["allow-list"]);
    assert_eq!(excuse("file-size crates/sim/src/a.rs 650 # was longer once\n"), ["file-size", "allow-list"]);
    assert_eq!(excuse("note crates/sim/src/b.rs XYZ # gone\n"), ["file-size", "allow-list"]);
}
