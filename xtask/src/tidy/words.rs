//! Words that must not stand in certain places.

use super::Finding;
use super::source::Source;

/// A word, and where it is wrong.
struct Rule {
    name: &'static str,
    words: &'static [&'static str],
    applies: fn(&Source) -> bool,
    /// In tests too, or only in what ships.
    in_tests: bool,
    /// Wrong even when the line, or the one before it, says why in a comment.
    absolute: bool,
    instead: &'static str,
}

// The words are cut in two so that this file does not find itself.
const RULES: &[Rule] = &[
    Rule {
        name: "panic",
        words: &[
            concat!(".unw", "rap()"),
            concat!(".exp", "ect("),
            concat!("pan", "ic!("),
            concat!("unreach", "able!("),
            concat!("to", "do!("),
            concat!("unimpl", "emented!("),
        ],
        applies: in_proto,
        in_tests: false,
        absolute: true,
        instead: "a packet must never stop the host: return, or make the case impossible by its type",
    },
    Rule {
        name: "clock",
        words: &[concat!("std::time::Inst", "ant"), concat!("System", "Time")],
        applies: in_proto,
        in_tests: true,
        absolute: true,
        instead: "the core is told what time it is",
    },
    Rule {
        name: "note",
        words: &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")],
        applies: |_| true,
        in_tests: true,
        absolute: true,
        instead: "do it, or file it as an issue",
    },
    Rule {
        name: "ignored-test",
        words: &[concat!("#[ign", "ore")],
        applies: |_| true,
        in_tests: true,
        absolute: true,
        instead: "a test that does not run proves nothing: mend it or remove it",
    },
    Rule {
        name: "sleep",
        words: &[concat!("thread::sl", "eep")],
        applies: |source| !in_interop(source),
        in_tests: true,
        absolute: true,
        instead: "wait for what should happen, under the virtual clock",
    },
    Rule {
        name: "sleep",
        words: &[concat!("thread::sl", "eep")],
        applies: in_interop,
        in_tests: true,
        absolute: false,
        instead: "say in a comment on the line before why only real time will do",
    },
];

fn in_proto(source: &Source) -> bool {
    source.path.starts_with("crates/proto/src/")
}

fn in_interop(source: &Source) -> bool {
    source.path.starts_with("interop/")
}

pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    for rule in RULES.iter().filter(|rule| (rule.applies)(source)) {
        if rule.in_tests {
            apply(rule, source, source.lines(), findings);
        } else {
            apply(rule, source, source.code(), findings);
        }
    }
}

fn apply<'a>(
    rule: &Rule,
    source: &Source,
    lines: impl Iterator<Item = (usize, &'a str)>,
    findings: &mut Vec<Finding>,
) {
    let mut before = "";
    for (number, line) in lines {
        let explained = line.contains("//") || before.trim_start().starts_with("//");
        before = line;
        let Some(word) = rule.words.iter().find(|word| has_word(line, word)) else { continue };
        if rule.absolute || !explained {
            findings.push(Finding {
                rule: rule.name,
                path: source.path.clone(),
                line: number,
                item: (*word).to_owned(),
                message: rule.instead.to_owned(),
            });
        }
    }
}

/// Whether `word` stands in `line` and is not merely a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_alphanumeric());
    let inner = |c: Option<&str>, last: bool| {
        c.and_then(|c| if last { c.chars().next_back() } else { c.chars().next() })
    };
    line.match_indices(word).any(|(at, _)| {
        let left = joins(inner(line.get(..at), true)) && joins(word.chars().next());
        let right = joins(inner(line.get(at + word.len()..), false)) && joins(word.chars().next_back());
        !left && !right
    })
}
