//! Mutants: each small change to the code of the lifecycle is tried, and a test must notice it.
//!
//! | file | what it does |
//! |---|---|
//! | `source.rs` | which files, and a sum of the code of a file or a function, comments and tests left out |
//! | `tool.rs` | lists and tries mutants with cargo-mutants, and reads what it says |
//! | `record.rs` | what is known: `docs/mutants.md`, read and written |
//!
//! A run takes hours and may be stopped at any time: what is known of a function holds for as long as its code is the
//! same, and is written down after every few functions.

mod record;
mod source;
#[cfg(test)]
mod tests;
mod tool;

use crate::run::{Tally, Workspace};
use record::{Function, Record};
use std::path::Path;
use std::time::{Duration, Instant};
use tool::{Mutant, Outcome};

/// The page, from the root of the workspace.
const PAGE: &str = "docs/mutants.md";
/// Why mutants survive that may.
const REASONS: &str = "specs/survivors.tsv";
/// The tool is asked about so many mutants at a time, so that not much is lost when a run is stopped.
const BATCH: usize = 8;

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Parts of the paths of the files that are wanted; all when there is none.
    files: Vec<String>,
    /// When to stop; never when `None`.
    minutes: Option<u64>,
}

impl Wish {
    /// `[--minutes N] [FILE ...]`.
    pub(crate) fn parse(words: &[&str]) -> Option<Self> {
        let mut wish = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--minutes" => wish.minutes = Some(words.next()?.parse().ok()?),
                option if option.starts_with('-') => return None,
                file => wish.files.push(file.to_owned()),
            }
        }
        Some(wish)
    }

    fn wants(&self, file: &str) -> bool {
        self.files.is_empty() || self.files.iter().any(|part| file.contains(part))
    }
}

/// Tries the mutants of whatever has changed since they were last tried.
pub(crate) fn run(workspace: &Workspace, wish: &Wish) -> Result<(), String> {
    let ends_at = wish.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let tool = tool::find(workspace)?;
    let mut record = read(&workspace.root)?;
    for path in source::files(&workspace.root)?.iter().filter(|path| wish.wants(path)) {
        let text = text(&workspace.root, path)?;
        let mutants = tool.list(path)?;
        let functions = source::functions(&text, &mutants);
        record.keep_only(path, &functions);
        let missing =
            functions.into_iter().filter(|function| !record.knows(path, function)).collect::<Vec<_>>();
        for batch in batches(missing, BATCH) {
            if ends_at.is_some_and(|at| at <= Instant::now()) {
                println!("the time is over: start it again to go on");
                return write(&workspace.root, &record);
            }
            let names = batch.iter().flat_map(|function| function.mutants.clone()).collect::<Vec<_>>();
            eprintln!("{path}: {} mutants in {} functions", names.len(), batch.len());
            let outcomes = tool.try_all(path, &names)?;
            for function in batch {
                record.add(path, judged(function, &outcomes)?);
            }
            write(&workspace.root, &record)?;
        }
        record.finish(path, source::sum(crate::tidy::code_of(&text)));
        write(&workspace.root, &record)?;
    }
    print!("{}", record.counts());
    Ok(())
}

/// Whether the page covers the code as it is now, and every survivor has its reason.
pub(crate) fn check(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let record = read(&workspace.root)?;
    let mut problems = Vec::new();
    for path in source::files(&workspace.root)? {
        if record.sum_of(&path) != Some(&source::sum(crate::tidy::code_of(&text(&workspace.root, &path)?))) {
            problems.push(format!("{PAGE} does not cover {path} as it is now: `cargo xtask mutants {path}`"));
        }
    }
    let without = record.survivors().filter(|(_, _, reason)| reason.is_none());
    problems.extend(
        without.map(|(path, mutant, _)| format!("{REASONS}: why does `{mutant}` survive in {path}?")),
    );
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() { Ok(None) } else { Err(format!("{} to mend", problems.len())) }
}

fn text(root: &Path, path: &str) -> Result<String, String> {
    std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
}

fn read(root: &Path) -> Result<Record, String> {
    let page = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    let reasons = std::fs::read_to_string(root.join(REASONS)).unwrap_or_default();
    Record::read(&page, &reasons)
}

fn write(root: &Path, record: &Record) -> Result<(), String> {
    std::fs::write(root.join(PAGE), record.page()).map_err(|error| format!("{PAGE}: {error}"))
}

/// Functions in groups of about so many mutants.
fn batches(functions: Vec<source::Mutated>, most: usize) -> Vec<Vec<source::Mutated>> {
    let mut batches: Vec<Vec<source::Mutated>> = Vec::new();
    let mut room = 0;
    for function in functions {
        let count = function.mutants.len();
        if room < count || batches.is_empty() {
            batches.push(Vec::new());
            room = most;
        }
        room = room.saturating_sub(count);
        if let Some(batch) = batches.last_mut() {
            batch.push(function);
        }
    }
    batches
}

/// What became of the mutants of a function.
fn judged(mutated: source::Mutated, outcomes: &[(String, Outcome)]) -> Result<Function, String> {
    let mut function = Function::new(mutated.name, mutated.sum);
    for Mutant { name, .. } in &mutated.mutants {
        let outcome = outcomes.iter().find(|(other, _)| other == name);
        let (_, outcome) = outcome.ok_or_else(|| format!("cargo-mutants says nothing of {name}"))?;
        function.count(*outcome, tool::without_place(name));
    }
    Ok(function)
}
