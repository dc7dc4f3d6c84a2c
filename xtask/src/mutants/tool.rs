//! cargo-mutants: found or installed, asked for mutants, told to try them.

use crate::run::Workspace;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "cargo-mutants";
/// The crate whose mutants are tried, and what must notice them.
const PACKAGE: &str = "linger-proto";
const TESTS: &str = "--lib";
/// Longer than the tests ever take, in seconds: a mutant that takes this long runs for ever.
const TIMEOUT: &str = "120";

/// One change to one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// With its place: `FILE:LINE:COLUMN: replace ...`.
    pub(super) name: String,
    pub(super) function: String,
    /// First and last line of the function, counted from one.
    pub(super) lines: (usize, usize),
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A test failed.
    Caught,
    /// The tests ran for too long, which counts as caught.
    TimedOut,
    /// It did not compile: no mutant at all.
    Unviable,
    /// No test noticed.
    Survived,
}

/// The tool, in a workspace.
pub(super) struct Tool<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
    target: PathBuf,
}

/// cargo-mutants, installed beside what cargo builds if need be.
pub(super) fn find(workspace: &Workspace) -> Result<Tool<'_>, String> {
    let target = workspace.target()?;
    let tools = target.join("tools");
    let program = tools.join("bin").join(NAME);
    if !program.is_file() {
        eprintln!("installing {NAME}");
        workspace
            .cargo(&format!("install --quiet --locked --root {} {NAME}", tools.display()))
            .map_err(|_| format!("{NAME} cannot be installed"))?;
    }
    Ok(Tool { workspace, program, target })
}

impl Tool<'_> {
    /// The mutants of a file.
    pub(super) fn list(&self, path: &str) -> Result<Vec<Mutant>, String> {
        let mut command = self.command();
        command.args(["--package", PACKAGE, "--file", path, "--list", "--json"]);
        let output = command.output().map_err(|error| format!("{NAME} does not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("{NAME}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        mutants(&String::from_utf8_lossy(&output.stdout))
    }

    /// Tries these mutants of a file; each with what became of it.
    pub(super) fn try_all(&self, path: &str, mutants: &[Mutant]) -> Result<Vec<(String, Outcome)>, String> {
        let out = self.target.join("mutants");
        let places: Vec<&str> = mutants.iter().filter_map(|mutant| place(&mutant.name)).collect();
        let pattern = format!("^{}:({}): ", path.replace('.', "\\."), places.join("|"));
        let mut command = self.command();
        command.args([
            "--package",
            PACKAGE,
            "--file",
            path,
            "--re",
            &pattern,
            "--no-shuffle",
            "--colors",
            "never",
        ]);
        command.args(["--baseline", "skip", "--timeout", TIMEOUT, "--output"]).arg(&out);
        command.args(["--", TESTS]);
        // What does not change from one run to the next is built once.
        command.env("CARGO_TARGET_DIR", out.join("build")).env("CARGO_PROFILE_DEV_DEBUG", "0");
        let status = command.status().map_err(|error| format!("{NAME} does not start: {error}"))?;
        // 2: some survived; 3: some timed out.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(format!("{NAME} ended with {status}"));
        }
        let path = out.join("mutants.out/outcomes.json");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        outcomes(&text)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("mutants").current_dir(&self.workspace.root as &Path);
        command
    }
}

/// `13:5` of `FILE:13:5: replace ...`.
fn place(name: &str) -> Option<&str> {
    let (place, _) = name.split_once(": ")?;
    let (file, _) = place.rsplit_once(':')?.0.rsplit_once(':')?;
    place.get(file.len() + 1..)
}

/// `replace ...` of `FILE:13:5: replace ...`.
pub(super) fn without_place(name: &str) -> &str {
    name.split_once(": ").map_or(name, |(_, rest)| rest)
}

/// What `--list --json` says.
pub(super) fn mutants(text: &str) -> Result<Vec<Mutant>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{NAME} --list: {error}"))?;
    let list = value.as_array().ok_or_else(|| format!("{NAME} --list: no list"))?;
    list.iter().map(|one| mutant(one).ok_or_else(|| format!("{NAME} --list: what is {one}?"))).collect()
}

fn mutant(value: &Value) -> Option<Mutant> {
    let name = value.get("name")?.as_str()?.to_owned();
    let line =
        |value: &Value, end: &str| usize::try_from(value.get("span")?.get(end)?.get("line")?.as_u64()?).ok();
    // A change outside of every function is one of its own.
    let function = value.get("function").filter(|function| !function.is_null());
    let called = function.and_then(|function| function.get("function_name")?.as_str());
    let within = function.unwrap_or(value);
    let lines = (line(within, "start")?, line(within, "end")?);
    Some(Mutant { function: called.unwrap_or("-").to_owned(), lines, name })
}

/// What `outcomes.json` says.
pub(super) fn outcomes(text: &str) -> Result<Vec<(String, Outcome)>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("outcomes.json: {error}"))?;
    let list = value.get("outcomes").and_then(Value::as_array).ok_or("outcomes.json: no list")?;
    let mut all = Vec::new();
    for one in list {
        let Some(name) =
            one.get("scenario").and_then(|scenario| scenario.get("Mutant")?.get("name")?.as_str())
        else {
            continue;
        };
        let outcome = match one.get("summary").and_then(Value::as_str) {
            Some("CaughtMutant") => Outcome::Caught,
            Some("Timeout") => Outcome::TimedOut,
            Some("Unviable") => Outcome::Unviable,
            Some("MissedMutant") => Outcome::Survived,
            other => return Err(format!("outcomes.json: {name}: {other:?}")),
        };
        all.push((name.to_owned(), outcome));
    }
    Ok(all)
}
