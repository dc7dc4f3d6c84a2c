//! Measures of the source that no compiler takes.
//!
//! | file | what it looks at |
//! |---|---|
//! | `source.rs` | what is code and what is a test in a Rust file |
//! | `size.rs` | lines of a file, lines of a function |
//! | `words.rs` | words that must not stand there: panics, clocks, sleeps, notes to oneself |
//! | `citation.rs` | how an RFC is cited |
//! | `safety.rs` | each crate's rule on `unsafe` |
//! | `readme.rs` | README.md against the workspace it describes |
//! | `paths.rs` | paths in the other papers |
//! | `allow.rs` | `xtask/tidy-allow.txt`, which may only shrink |

mod allow;
mod citation;
mod paths;
mod readme;
mod safety;
mod size;
mod source;
#[cfg(test)]
mod tests;
mod words;

use crate::run::{Tally, Workspace};
use crate::steps::STEPS;
use source::Source;
use std::fmt;
use std::path::{Path, PathBuf};

/// The papers whose paths are followed.
const PAPERS: [&str; 3] = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/// A rule that is broken somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// The rule's name, as the allow-list spells it.
    rule: &'static str,
    /// The file, from the root of the workspace.
    path: String,
    /// Counted from one; zero when it is about the whole file.
    line: usize,
    /// What the allow-list must repeat to excuse it: a function, or a figure.
    item: String,
    /// What is wrong and what would be right.
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} ({}): {}", self.path, self.line.max(1), self.rule, self.item, self.message)
    }
}

/// The text files of a checkout that the rules look at.
#[derive(Default)]
struct Tree {
    rust: Vec<Source>,
    manifests: Vec<(String, String)>,
    readme: Option<String>,
    /// The other papers, with their text.
    papers: Vec<(String, String)>,
    /// Every file there is.
    files: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let root = &workspace.root;
    let tree = Tree::read(root).map_err(|error| format!("cannot read the tree: {error}"))?;
    let list = std::fs::read_to_string(root.join(allow::PATH)).unwrap_or_default();
    let step_names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    let findings = allow::excuse(check(&tree, &step_names), &list);
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(None),
        n => Err(format!("{n} to mend in {} Rust files", tree.rust.len())),
    }
}

/// Every finding in `tree`, the excused ones too.
fn check(tree: &Tree, steps: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.rust {
        size::check(source, &mut findings);
        words::check(source, &mut findings);
        citation::check(source, &mut findings);
    }
    safety::check(tree, &mut findings);
    readme::check(tree, steps, &mut findings);
    paths::check(tree, &mut findings);
    findings
}

impl Tree {
    fn read(root: &Path) -> std::io::Result<Self> {
        let mut tree =
            Self { readme: std::fs::read_to_string(root.join("README.md")).ok(), ..Self::default() };
        let mut paths = Vec::new();
        walk(root, &mut paths)?;
        paths.sort();
        for path in paths {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            if name.ends_with(".rs") {
                tree.rust.push(Source::new(name.clone(), std::fs::read_to_string(&path)?));
            } else if name.ends_with("Cargo.toml") {
                tree.manifests.push((name.clone(), std::fs::read_to_string(&path)?));
            } else if PAPERS.contains(&name.as_str()) {
                tree.papers.push((name.clone(), std::fs::read_to_string(&path)?));
            }
            tree.files.push(name);
        }
        Ok(tree)
    }

    fn manifest(&self, path: &str) -> Option<&str> {
        self.manifests.iter().find(|(name, _)| name == path).map(|(_, text)| text.as_str())
    }

    /// Whether there is such a file, or a folder with files in it.
    fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files
            .iter()
            .any(|file| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    fn has_file(&self, path: &str) -> bool {
        self.rust.iter().any(|source| source.path == path)
    }
}

/// The Rust files of the checkout, by their paths from its root, in order, with their text.
pub(crate) fn rust_files(root: &Path) -> std::io::Result<Vec<(String, String)>> {
    let tree = Tree::read(root)?;
    Ok(tree.rust.into_iter().map(|source| (source.path, source.text)).collect())
}

/// A Rust file without the module of tests at its end.
pub(crate) fn code_of(text: &str) -> &str {
    source::code_of(text)
}

/// Everything but build output and hidden folders.
fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}
