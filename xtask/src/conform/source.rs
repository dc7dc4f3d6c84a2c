//! What a Rust file says of requirements.
//!
//! Code cites in its comments: `RFC 9293 MUST-13` (several after one another: `RFC 9293 MUST-58, MUST-59`), or an id as the
//! catalogue has it: `5961-4`, `9293-SA-SYN-SENT-3`. A test carries above its attributes one line for each requirement it
//! would turn red for, `// requirement: 9293-MUST-13`.

use super::catalogue::Catalogue;
use std::collections::{BTreeMap, BTreeSet};

const TAG: &str = "// requirement: ";
/// How a tag begins that somebody meant as one.
const TAG_MEANT: &str = "requirement:";
const RFC_9293: &str = "RFC 9293 ";
/// The numbered requirements of RFC 9293.
const NUMBERED: [&str; 4] = ["MUST-", "SHLD-", "MAY-", "REC-"];

/// Everything found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By id, the files whose code cites it.
    pub(super) code: BTreeMap<String, BTreeSet<String>>,
    /// By id, the tests that name it: `file::name`.
    pub(super) tests: BTreeMap<String, BTreeSet<String>>,
    /// By id, the files whose code calls itself a deviation from it.
    pub(super) deviations: BTreeMap<String, BTreeSet<String>>,
    /// What makes no sense, with its place.
    pub(super) problems: Vec<String>,
}

impl Found {
    /// Adds what the file at `path` says.
    pub(super) fn read(&mut self, path: &str, text: &str, catalogue: &Catalogue) {
        // The ledger's own sources speak of ids by way of example.
        if path.starts_with("xtask/") {
            return;
        }
        self.tags(path, text, catalogue);
        if ships(path) {
            self.citations(path, crate::tidy::code_of(text), catalogue);
        }
    }

    fn tags(&mut self, path: &str, text: &str, catalogue: &Catalogue) {
        let mut waiting: Vec<(usize, &str)> = Vec::new();
        let mut is_test = false;
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if let Some(id) = line.strip_prefix(TAG) {
                if catalogue.has(id) {
                    waiting.push((number, id));
                } else {
                    self.problems.push(format!("{path}:{number}: there is no requirement `{id}`"));
                }
            } else if is_comment(line).is_some_and(|comment| comment.starts_with(TAG_MEANT)) {
                self.problems.push(format!("{path}:{number}: write `{TAG}ID`, one id a line"));
            } else if line.starts_with("#[") {
                is_test |= line.contains("test");
            } else if let Some(name) = function_name(line) {
                self.claim(path, name, is_test, &mut waiting);
                is_test = false;
            } else if is_comment(line).is_none() {
                self.stray(path, &mut waiting);
                is_test = false;
            }
        }
        self.stray(path, &mut waiting);
    }

    /// The function `name` stands below the tags that wait.
    fn claim(&mut self, path: &str, name: &str, is_test: bool, waiting: &mut Vec<(usize, &str)>) {
        if !is_test {
            return self.stray(path, waiting);
        }
        for (number, id) in waiting.drain(..) {
            if !self.tests.entry(id.to_owned()).or_default().insert(format!("{path}::{name}")) {
                self.problems.push(format!("{path}:{number}: {name} names {id} twice"));
            }
        }
    }

    fn stray(&mut self, path: &str, waiting: &mut Vec<(usize, &str)>) {
        for (number, id) in waiting.drain(..) {
            self.problems.push(format!("{path}:{number}: {id} stands above no test"));
        }
    }

    fn citations(&mut self, path: &str, code: &str, catalogue: &Catalogue) {
        for (index, line) in code.lines().enumerate() {
            let Some(comment) = comment_of(line) else { continue };
            // What a deviation is from stands before the colon.
            let head = is_comment(line.trim())
                .and_then(|comment| comment.strip_prefix("Deviation, ")?.split(':').next());
            for id in cited(head.unwrap_or_default(), catalogue) {
                self.deviations.entry(id).or_default().insert(path.to_owned());
            }
            for id in cited(comment, catalogue) {
                if catalogue.has(&id) {
                    self.code.entry(id).or_default().insert(path.to_owned());
                } else {
                    let number = index + 1;
                    self.problems.push(format!("{path}:{number}: cites {id}, which is not in the catalogue"));
                }
            }
        }
    }
}

/// Whether the file is part of what is built, not of what tests it.
fn ships(path: &str) -> bool {
    path.starts_with("crates/")
        && path.contains("/src/")
        && !path.contains("/tests/")
        && !path.ends_with("tests.rs")
}

/// The text of a line that is nothing but a comment.
fn is_comment(line: &str) -> Option<&str> {
    line.strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']).trim_start())
}

/// The comment on a line, behind code or by itself.
fn comment_of(line: &str) -> Option<&str> {
    let (before, comment) = line.split_once("//")?;
    // A URL, or two slashes inside a string, are no comment.
    (!before.ends_with(':') && !before.contains('"')).then_some(comment)
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    let end = name.find(|c: char| c != '_' && !c.is_alphanumeric())?;
    name.get(..end)
}

/// The ids that a comment cites.
fn cited(comment: &str, catalogue: &Catalogue) -> Vec<String> {
    let mut ids = Vec::new();
    for (at, _) in comment.match_indices(RFC_9293) {
        let mut rest = comment.get(at + RFC_9293.len()..).unwrap_or_default();
        while let Some((id, after)) = numbered(rest) {
            ids.push(format!("9293-{id}"));
            let separator = [", ", " and ", " or ", "/"].iter().find_map(|word| after.strip_prefix(word));
            rest = separator.unwrap_or_default();
        }
    }
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    ids.extend(comment.split(word).filter(|word| is_id(word, catalogue)).map(str::to_owned));
    ids
}

/// `MUST-13` at the start of `text`, and what follows it.
fn numbered(text: &str) -> Option<(&str, &str)> {
    let level = NUMBERED.iter().find(|level| text.starts_with(**level))?;
    let digits = text.get(level.len()..)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    (end > 0).then(|| text.split_at(level.len() + end))
}

/// Whether the word has the shape of an id of an RFC that is in the catalogue: `5961-4`, `9293-SA-LISTEN-1`.
fn is_id(word: &str, catalogue: &Catalogue) -> bool {
    let Some((rfc, rest)) = word.split_once('-') else { return false };
    let number = rest.rsplit('-').next().unwrap_or_default();
    // `2018-04-25` is a date.
    let date = rest.contains('-') && rest.chars().all(|c| c == '-' || c.is_ascii_digit());
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    rfc.len() == 4 && digits(rfc) && digits(number) && !date && catalogue.knows_rfc(rfc)
}
