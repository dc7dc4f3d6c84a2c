//! What is known of mutants: `docs/mutants.md`, which is read as it is written, and the reasons of survivors.

use super::source::Mutated;
use super::tool::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const TOP: &str = "\
# Mutants

Written by `cargo xtask mutants`: cargo-mutants lists small changes to the code of the lifecycle, and the unit tests of
`linger-proto` must notice each of them when it alone is made. What is known of a function holds for as long as its code is
the same; comments do not count. A mutant that makes the tests run for ever is caught, and one that does not compile is none.
`specs/survivors.tsv` says why those that survive may. `cargo xtask mutants --check`, a step of `ci`, is red when a file is
missing here or has changed since, or when a survivor has no reason; `cargo xtask mutants` then tries what has changed.

";
const FILES: &str = "| file | code | mutants | caught | timed out | do not compile | survived |\n|---|---|---:|---:|---:|---:|---:|\n";
const FUNCTIONS: &str = "\n## Functions\n\n| file | function | code | caught | timed out | do not compile | survivors |\n|---|---|---|---:|---:|---:|---|\n";
const SURVIVORS: &str = "\n## Survivors\n\n| file | mutant | reason |\n|---|---|---|\n";
/// Between the survivors of a function.
const BETWEEN: &str = "<br>";
/// A file that is not done.
const NOT_DONE: &str = "not done";

/// What is known of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Function {
    name: String,
    sum: String,
    caught: u32,
    timed_out: u32,
    unviable: u32,
    survivors: Vec<String>,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By file, in the order of its source.
    functions: BTreeMap<String, Vec<Function>>,
    /// The sums of files that are done.
    sums: BTreeMap<String, String>,
    /// By file and mutant.
    reasons: BTreeMap<(String, String), String>,
}

impl Function {
    pub(super) fn new(name: String, sum: String) -> Self {
        Self { name, sum, ..Self::default() }
    }

    /// Counts a mutant, which is called `mutant` without its place.
    pub(super) fn count(&mut self, outcome: Outcome, mutant: &str) {
        match outcome {
            Outcome::Caught => self.caught += 1,
            Outcome::TimedOut => self.timed_out += 1,
            Outcome::Unviable => self.unviable += 1,
            Outcome::Survived => self.survivors.push(mutant.to_owned()),
        }
    }

    /// Its survivors as reasons name them: several of one name, such as `replace | with ^ in f (2)`, have one reason, which
    /// does not hold any more when there is another.
    fn named(&self) -> BTreeSet<String> {
        let count = |name: &String| self.survivors.iter().filter(|one| *one == name).count();
        let name = |name: &String| match count(name) {
            1 => name.clone(),
            count => format!("{name} ({count})"),
        };
        self.survivors.iter().map(name).collect()
    }
}

impl Record {
    pub(super) fn read(page: &str, reasons: &str) -> Result<Self, String> {
        let mut record = Self::default();
        let mut part = "";
        for line in page.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                part = heading;
            }
            let Some(cells) = cells(line) else { continue };
            match (part, cells.as_slice()) {
                ("", [file, sum, ..]) => {
                    // A file may have no functions.
                    record.functions.entry(file.clone()).or_default();
                    if *sum != NOT_DONE {
                        record.sums.insert(file.clone(), sum.clone());
                    }
                }
                ("Functions", [file, name, sum, caught, timed_out, unviable, survivors]) => {
                    let number = |cell: &String| cell.parse().map_err(|_| format!("docs/mutants.md: {line}"));
                    let survivors =
                        survivors.split(BETWEEN).filter(|one| !one.is_empty()).map(str::to_owned).collect();
                    record.functions.entry(file.clone()).or_default().push(Function {
                        name: name.clone(),
                        sum: sum.clone(),
                        caught: number(caught)?,
                        timed_out: number(timed_out)?,
                        unviable: number(unviable)?,
                        survivors,
                    });
                }
                _ => {}
            }
        }
        for line in reasons.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [file, mutant, reason] = fields.as_slice() else {
                return Err(format!("specs/survivors.tsv: not file, mutant, reason: {line}"));
            };
            record.reasons.insert(((*file).to_owned(), (*mutant).to_owned()), (*reason).to_owned());
        }
        Ok(record)
    }

    /// Forgets what has gone from a file, and survivors without a reason, which a new test may catch; brings the rest into
    /// its order.
    pub(super) fn keep_only(&mut self, path: &str, functions: &[Mutated]) {
        let known = self.functions.remove(path).unwrap_or_default();
        let explained = |one: String| self.reasons.contains_key(&(path.to_owned(), one));
        let holds = |one: &&Function| one.named().into_iter().all(explained);
        let kept = functions.iter().filter_map(|function| {
            let same = |one: &&Function| one.name == function.name && one.sum == function.sum;
            known.iter().filter(holds).find(same).cloned()
        });
        let kept: Vec<Function> = kept.collect();
        self.functions.insert(path.to_owned(), kept);
        self.sums.remove(path);
    }

    /// Brings what is known of a file into the order of its source.
    pub(super) fn order(&mut self, path: &str, functions: &[Mutated]) {
        if let Some(known) = self.functions.get_mut(path) {
            known.sort_by_key(|one| functions.iter().position(|function| function.name == one.name));
        }
    }

    pub(super) fn knows(&self, path: &str, function: &Mutated) -> bool {
        let known = self.functions.get(path);
        known.is_some_and(|all| all.iter().any(|one| one.name == function.name && one.sum == function.sum))
    }

    pub(super) fn add(&mut self, path: &str, function: Function) {
        self.functions.entry(path.to_owned()).or_default().push(function);
    }

    /// Every function of the file is known.
    pub(super) fn finish(&mut self, path: &str, sum: String) {
        self.sums.insert(path.to_owned(), sum);
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &String> {
        self.functions.keys()
    }

    /// Forgets files that are none of these.
    pub(super) fn keep_files(&mut self, paths: &[String]) {
        self.functions.retain(|path, _| paths.contains(path));
        self.sums.retain(|path, _| paths.contains(path));
    }

    /// The functions of a file whose code has none of these sums any more.
    pub(super) fn changed(&self, path: &str, sums: &BTreeSet<String>) -> Vec<&str> {
        let known = self.functions.get(path).into_iter().flatten();
        let gone = known.filter(|one| one.sum.split('-').any(|sum| !sums.contains(sum)));
        gone.map(|one| one.name.as_str()).collect()
    }

    /// File and mutant of each reason that nothing needs.
    pub(super) fn idle_reasons(&self) -> Vec<(&str, &str)> {
        let needed: BTreeSet<(&str, String)> =
            self.survivors().map(|(path, mutant, _)| (path, mutant)).collect();
        let idle = |(path, mutant): &&(String, String)| !needed.contains(&(path.as_str(), mutant.clone()));
        let idle = self.reasons.keys().filter(idle);
        idle.map(|(path, mutant)| (path.as_str(), mutant.as_str())).collect()
    }

    pub(super) fn sum_of(&self, path: &str) -> Option<&String> {
        self.sums.get(path)
    }

    /// File, mutants of one name and reason.
    pub(super) fn survivors(&self) -> impl Iterator<Item = (&str, String, Option<&str>)> {
        let all = self.functions.iter().flat_map(|(path, functions)| {
            functions.iter().flat_map(Function::named).map(move |one| (path.as_str(), one))
        });
        let all: BTreeSet<(&str, String)> = all.collect();
        all.into_iter().map(|(path, mutant)| {
            let reason = self.reasons.get(&(path.to_owned(), mutant.clone()));
            (path, mutant, reason.map(String::as_str))
        })
    }

    /// The table of files.
    pub(super) fn counts(&self) -> String {
        let mut table = FILES.to_owned();
        let mut all = [0; 5];
        for (path, functions) in &self.functions {
            let mut own = [0; 5];
            for function in functions {
                let survived = u32::try_from(function.survivors.len()).unwrap_or(u32::MAX);
                let [caught, timed_out, unviable] = [function.caught, function.timed_out, function.unviable];
                let counts =
                    [caught + timed_out + unviable + survived, caught, timed_out, unviable, survived];
                own = std::array::from_fn(|n| own[n] + counts[n]);
            }
            all = std::array::from_fn(|n| all[n] + own[n]);
            let sum = self.sums.get(path).map_or(NOT_DONE, String::as_str);
            row(&mut table, path, sum, own);
        }
        row(&mut table, "**all**", "", all);
        table
    }

    /// The whole page.
    pub(super) fn page(&self) -> String {
        let mut page = TOP.to_owned() + &self.counts() + SURVIVORS;
        for (path, mutant, reason) in self.survivors() {
            let _ = writeln!(
                page,
                "| {path} | {} | {} |",
                escaped(&mutant),
                escaped(reason.unwrap_or("**none yet**"))
            );
        }
        page.push_str(FUNCTIONS);
        for (path, functions) in &self.functions {
            for Function { name, sum, caught, timed_out, unviable, survivors } in functions {
                let survivors: Vec<String> = survivors.iter().map(|one| escaped(one)).collect();
                let survivors = survivors.join(BETWEEN);
                let name = escaped(name);
                let _ = writeln!(
                    page,
                    "| {path} | {name} | {sum} | {caught} | {timed_out} | {unviable} | {survivors} |"
                );
            }
        }
        page
    }
}

fn row(table: &mut String, path: &str, sum: &str, counts: [u32; 5]) {
    let _ = write!(table, "| {path} | {sum} |");
    for count in counts {
        let _ = write!(table, " {count} |");
    }
    table.push('\n');
}

/// What stands between the bars of a row, unless it is a heading or a rule.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| crates/")?.strip_suffix(" |")?;
    let inner = format!("crates/{inner}");
    Some(inner.split(" | ").map(plain).collect())
}

/// Text as it may stand in a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('>', "&gt;")
}

fn plain(cell: &str) -> String {
    // The breaks between survivors are no text of theirs.
    cell.replace("\\|", "|").replace("&lt;", "<").replace("&gt;", ">")
}
