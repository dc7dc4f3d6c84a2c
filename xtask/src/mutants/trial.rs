//! Tries mutants: a copy of the tree, the crate's tests built in it once with many mutants, one run for each.

use super::tool::{Mutant, Outcome};
use super::weave::{self, CHOICE, Numbered, SWITCH, Woven};
use crate::run::Workspace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The root of the crate whose tests must notice, from the root of the workspace.
const CRATE: &str = "crates/proto";
const BUILD: &str = "test --quiet --locked --package linger-proto --lib --no-run --message-format json";
/// A mutant may take so many times as long as the unchanged code before it counts as running for ever, and never less
/// than `LEAST`.
const TIMES: u32 = 10;
const LEAST: Duration = Duration::from_secs(20);
/// So often may a build fail because of mutants that do not compile; each time those that were told are left out.
const BUILDS: usize = 40;

/// A copy of the tree, beside what cargo builds.
pub(super) struct Trial {
    tree: PathBuf,
    build: PathBuf,
    /// What the files held in the workspace.
    texts: BTreeMap<String, String>,
    program: PathBuf,
    limit: Duration,
}

/// What a build ended with.
enum Built {
    Program(PathBuf),
    /// What the compiler says: the text of each error, and file and octet of the places it names, the main ones first.
    Errors(Vec<(String, Vec<(String, usize)>)>),
}

impl Trial {
    /// Copies the tree.
    pub(super) fn new(workspace: &Workspace) -> Result<Self, String> {
        let out = workspace.target()?.join("mutants");
        let trial = Self {
            tree: out.join("tree"),
            build: out.join("build"),
            texts: BTreeMap::new(),
            program: PathBuf::new(),
            limit: LEAST,
        };
        copy(&workspace.root, &trial.tree)?;
        let root = format!("{CRATE}/src/lib.rs");
        let text = super::text(&workspace.root, &root)?;
        trial.put(&root, &(text + SWITCH))?;
        Ok(trial)
    }

    /// Builds the tests with all of these mutants, by file. Says which do not compile, and which must be tried alone.
    pub(super) fn weave(
        &mut self,
        files: &BTreeMap<String, (String, Vec<Numbered>)>,
    ) -> Result<(BTreeSet<u32>, BTreeSet<u32>), String> {
        self.texts = files.iter().map(|(path, (text, _))| (path.clone(), text.clone())).collect();
        let (mut unviable, mut alone) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..BUILDS {
            let mut woven: BTreeMap<&str, Woven> = BTreeMap::new();
            for (path, (text, mutants)) in files {
                let rest: Vec<&Numbered> =
                    mutants.iter().filter(|(number, _)| !unviable.contains(number)).collect();
                let one = weave::weave(text, &rest).map_err(|error| format!("{path}: {error}"))?;
                alone.extend(one.alone.iter().copied());
                self.put(path, &one.text)?;
                woven.insert(path, one);
            }
            let errors = match self.compile()? {
                Built::Program(program) => {
                    self.program = program;
                    self.measure()?;
                    return Ok((unviable, alone));
                }
                Built::Errors(errors) => errors,
            };
            let mut found = BTreeSet::new();
            for (_, places) in &errors {
                let mut at = places.iter().filter_map(|(file, octet)| {
                    woven.get(file.as_str()).and_then(|one| weave::mutant_at(&one.text, *octet))
                });
                found.extend(at.next());
            }
            if found.is_empty() {
                let first = errors.first().map_or("the build failed", |(text, _)| text);
                return Err(format!("not the fault of a mutant: {first}"));
            }
            eprintln!("{} mutants do not compile", found.len());
            unviable.extend(found);
        }
        Err(format!("after {BUILDS} builds there are still mutants that do not compile"))
    }

    /// Tries a mutant that was built with others.
    pub(super) fn try_woven(&self, number: u32) -> Result<Outcome, String> {
        let (outcome, _) = run(&self.program, &self.tree.join(CRATE), number, self.limit)?;
        Ok(outcome)
    }

    /// Tries a mutant by itself.
    pub(super) fn try_alone(&self, path: &str, mutant: &Mutant) -> Result<Outcome, String> {
        for (path, text) in &self.texts {
            self.put(path, text)?;
        }
        let text = self.texts.get(path).and_then(|text| weave::replaced(text, mutant));
        self.put(path, &text.ok_or_else(|| format!("{}: no such place", mutant.name))?)?;
        match self.compile()? {
            Built::Program(program) => Ok(run(&program, &self.tree.join(CRATE), 0, self.limit)?.0),
            Built::Errors(_) => Ok(Outcome::Unviable),
        }
    }

    /// Runs the tests with no mutant chosen: they must pass, and say how long a run may take.
    fn measure(&mut self) -> Result<(), String> {
        let longest = Duration::from_secs(3600);
        let (outcome, took) = run(&self.program, &self.tree.join(CRATE), 0, longest)?;
        if outcome != Outcome::Survived {
            return Err("the tests fail although nothing is changed".to_owned());
        }
        self.limit = LEAST.max(took * TIMES);
        eprintln!("the tests take {took:.1?}; the limit is {:.0?}", self.limit);
        Ok(())
    }

    /// Writes a file of the copy, unless it is so already: cargo looks at times.
    fn put(&self, path: &str, text: &str) -> Result<(), String> {
        let path = self.tree.join(path);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn compile(&self) -> Result<Built, String> {
        let inner = Workspace { root: self.tree.clone() };
        let mut command = inner.cargo_command(BUILD);
        command.env("CARGO_TARGET_DIR", &self.build).env("RUSTFLAGS", "--cap-lints=allow");
        // Tests that run hundreds of times are worth a little optimisation.
        command.env("CARGO_PROFILE_TEST_DEBUG", "0").env("CARGO_PROFILE_TEST_OPT_LEVEL", "1");
        command.stderr(Stdio::inherit());
        let output = command.output().map_err(|error| format!("cargo does not start: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let messages: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if !output.status.success() {
            return Ok(Built::Errors(messages.iter().filter_map(error).collect()));
        }
        let program = messages.iter().find_map(|one| one.get("executable")?.as_str().map(PathBuf::from));
        program.map(Built::Program).ok_or_else(|| "cargo names no program".to_owned())
    }
}

/// The text and the places of an error.
pub(super) fn error(message: &Value) -> Option<(String, Vec<(String, usize)>)> {
    let message = message.get("message")?;
    let spans = message.get("spans")?.as_array()?;
    if message.get("level")?.as_str()? != "error" || spans.is_empty() {
        return None;
    }
    let is_primary = |span: &Value| span.get("is_primary").and_then(Value::as_bool) == Some(true);
    let place = |span: &Value| {
        let octet = usize::try_from(span.get("byte_start")?.as_u64()?).ok()?;
        Some((span.get("file_name")?.as_str()?.to_owned(), octet))
    };
    let (first, rest): (Vec<&Value>, Vec<&Value>) = spans.iter().partition(|span| is_primary(span));
    let places = first.into_iter().chain(rest).filter_map(place).collect();
    Some((message.get("rendered").and_then(Value::as_str).unwrap_or_default().to_owned(), places))
}

/// Runs the tests until the first fails, and says how long that took.
fn run(program: &Path, folder: &Path, number: u32, limit: Duration) -> Result<(Outcome, Duration), String> {
    let began = Instant::now();
    let mut command = Command::new(program);
    command.current_dir(folder).env(CHOICE, number.to_string()).env("RUST_BACKTRACE", "0");
    // The same cases for every mutant, none of them kept and none made smaller.
    command.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    command.env("PROPTEST_MAX_SHRINK_ITERS", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let out = child.stdout.take();
    let (failed, failure) = mpsc::channel();
    // Ends with the program, whose end closes the pipe.
    let reader = std::thread::spawn(move || {
        let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok));
        for line in lines {
            if line.starts_with("test ") && line.ends_with(" ... FAILED") {
                let _ = failed.send(());
            }
        }
    });
    let heard = failure.recv_timeout(limit);
    if heard != Err(mpsc::RecvTimeoutError::Disconnected) {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("{}: {error}", program.display()))?;
    let _ = reader.join();
    let outcome = match heard {
        Ok(()) => Outcome::Caught,
        Err(mpsc::RecvTimeoutError::Timeout) => Outcome::TimedOut,
        Err(mpsc::RecvTimeoutError::Disconnected) if status.success() => Outcome::Survived,
        Err(mpsc::RecvTimeoutError::Disconnected) => Outcome::Caught,
    };
    Ok((outcome, began.elapsed()))
}

/// Copies what git knows or would take up, and leaves alone what is the same already.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut git = Command::new("git");
    git.current_dir(from).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().map_err(|error| format!("git does not start: {error}"))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // One that git knows may be gone.
        let Ok(octets) = std::fs::read(from.join(name)) else { continue };
        let path = to.join(name);
        if std::fs::read(&path).is_ok_and(|old| old == octets) {
            continue;
        }
        let written =
            std::fs::create_dir_all(path.parent().unwrap_or(to)).and_then(|()| std::fs::write(&path, octets));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
