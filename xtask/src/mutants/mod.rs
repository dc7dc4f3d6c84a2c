//! Mutants: each small change to the code of the lifecycle is tried, and a test must notice it.
//!
//! | file | what it does |
//! |---|---|
//! | `source.rs` | which files, and a sum of the code of a file or a function, comments and tests left out |
//! | `tool.rs` | lists the mutants, with cargo-mutants |
//! | `weave.rs` | writes many mutants into one file, of which one is chosen when the tests start |
//! | `trial.rs` | builds the tests with them, runs them once for each, and those that need a build of their own after them |
//! | `record.rs` | what is known: `docs/mutants.md`, read and written |
//!
//! A run may be stopped at any time: what is known of a function holds for as long as its code is the same, and is written
//! down at once.

mod record;
mod source;
#[cfg(test)]
mod tests;
mod tool;
mod trial;
mod weave;

use crate::run::{Tally, Workspace};
use record::{Function, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tool::Outcome;
use trial::Trial;

/// The page, from the root of the workspace.
const PAGE: &str = "docs/mutants.md";
/// Why mutants survive that may.
const REASONS: &str = "specs/survivors.tsv";

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
    let mut work = Work::default();
    let paths = source::files(&workspace.root)?;
    record.keep_files(&paths);
    for path in paths.into_iter().filter(|path| wish.wants(path)) {
        let text = text(&workspace.root, &path)?;
        let functions = source::functions(&text, &tool.list(&path)?);
        record.keep_only(&path, &functions);
        let missing = functions.iter().filter(|function| !record.knows(&path, function)).cloned();
        work.add(&path, text, missing.collect(), functions);
    }
    // Whoever stops it finds the files that were done still done.
    work.finish(&mut record);
    let done = if work.count() == 0 { Ok(true) } else { work.go(workspace, &mut record, ends_at) };
    work.finish(&mut record);
    write(&workspace.root, &record)?;
    if !done? {
        println!("the time is over: start it again to go on");
    }
    print!("{}", record.counts());
    Ok(())
}

/// What is to be tried.
#[derive(Default)]
struct Work {
    files: BTreeMap<String, File>,
    /// The number of the last mutant.
    last: u32,
}

struct File {
    text: String,
    /// Each with the numbers of its mutants.
    missing: Vec<(source::Mutated, Vec<u32>)>,
    all: Vec<source::Mutated>,
}

impl Work {
    fn add(&mut self, path: &str, text: String, missing: Vec<source::Mutated>, all: Vec<source::Mutated>) {
        let mut number = || {
            self.last += 1;
            self.last
        };
        let numbered = missing.into_iter().map(|function| {
            let numbers = function.mutants.iter().map(|_| number()).collect();
            (function, numbers)
        });
        let missing = numbered.collect();
        self.files.insert(path.to_owned(), File { text, missing, all });
    }

    fn count(&self) -> u32 {
        self.last
    }

    /// A file is done when all its functions are known and every survivor has its reason.
    fn finish(&self, record: &mut Record) {
        for (path, file) in &self.files {
            record.order(path, &file.all);
            let explained = record.survivors().all(|(of, _, reason)| of != path || reason.is_some());
            if explained && file.all.iter().all(|function| record.knows(path, function)) {
                record.finish(path, source::sum(crate::tidy::code_of(&file.text)));
            }
        }
    }

    /// Tries everything; false when the time was over before.
    fn go(
        &self,
        workspace: &Workspace,
        record: &mut Record,
        ends_at: Option<Instant>,
    ) -> Result<bool, String> {
        eprintln!("{} mutants", self.count());
        let mut trial = Trial::new(workspace)?;
        let numbered = |file: &File| {
            let all = file
                .missing
                .iter()
                .flat_map(|(function, numbers)| numbers.iter().copied().zip(function.mutants.clone()));
            (file.text.clone(), all.collect())
        };
        let files = self.files.iter().map(|(path, file)| (path.clone(), numbered(file))).collect();
        let (unviable, alone) = trial.weave(&files)?;
        // Functions with mutants that need a build of their own come last.
        for last in [false, true] {
            for (path, file) in &self.files {
                let rest = file.missing.iter();
                for (function, numbers) in
                    rest.filter(|(_, all)| all.iter().any(|n| alone.contains(n)) == last)
                {
                    if ends_at.is_some_and(|at| at <= Instant::now()) {
                        return Ok(false);
                    }
                    record.add(path, judged(&trial, path, function, numbers, [&unviable, &alone])?);
                    write(&workspace.root, record)?;
                }
            }
        }
        Ok(true)
    }
}

/// Tries the mutants of a function.
fn judged(
    trial: &Trial,
    path: &str,
    mutated: &source::Mutated,
    numbers: &[u32],
    [unviable, alone]: [&BTreeSet<u32>; 2],
) -> Result<Function, String> {
    let mut function = Function::new(mutated.name.clone(), mutated.sum.clone());
    for (mutant, number) in mutated.mutants.iter().zip(numbers) {
        let outcome = if unviable.contains(number) {
            Outcome::Unviable
        } else if alone.contains(number) {
            trial.try_alone(path, mutant)?
        } else {
            trial.try_woven(*number)?
        };
        eprintln!("{outcome:?}: {}", mutant.name);
        function.count(outcome, tool::without_place(&mutant.name));
    }
    Ok(function)
}

/// Whether the page covers the code as it is now, and every survivor has its reason.
pub(crate) fn check(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let root = &workspace.root;
    let paths = source::files(root)?.into_iter();
    let texts = paths.map(|path| text(root, &path).map(|text| (path, text))).collect::<Result<_, _>>()?;
    let [page, reasons] = [PAGE, REASONS].map(|file| std::fs::read_to_string(root.join(file)));
    let problems = problems(&page.unwrap_or_default(), &reasons.unwrap_or_default(), &texts)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() { Ok(None) } else { Err(format!("{} to mend", problems.len())) }
}

/// What is wrong with a page, these being the reasons and the files by path.
fn problems(page: &str, reasons: &str, texts: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let record = Record::read(page, reasons)?;
    let mut problems = Vec::new();
    for (path, text) in texts {
        let what = match record.sum_of(path) {
            None => "is not covered".to_owned(),
            Some(sum) if *sum == source::sum(crate::tidy::code_of(text)) => continue,
            Some(_) => match record.changed(path, &source::sums(text)?).join("`, `") {
                names if names.is_empty() => "has changed".to_owned(),
                names => format!("has changed: `{names}`"),
            },
        };
        problems.push(format!("{PAGE}: {path} {what}; run `cargo xtask mutants {path}`"));
    }
    let gone = record.files().filter(|path| !texts.contains_key(*path));
    problems.extend(gone.map(|path| format!("{PAGE}: {path} is gone; run `cargo xtask mutants`")));
    let without = record.survivors().filter(|(.., reason)| reason.is_none());
    problems.extend(without.map(|(path, mutant, _)| {
        format!("{path}: `{mutant}` survives; write a test, say why it may in {REASONS}, and run `cargo xtask mutants {path}`")
    }));
    let idle = record.idle_reasons().into_iter();
    problems.extend(
        idle.map(|(path, mutant)| format!("{REASONS}: no `{mutant}` survives in {path}; take it out")),
    );
    // After a merge there may be lines of both sides, and a reason may have been put in other words.
    if problems.is_empty() && record.page() != page {
        problems.push(format!("{PAGE} is not as it would be written now; run `cargo xtask mutants`"));
    }
    Ok(problems)
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
