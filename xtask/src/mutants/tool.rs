//! cargo-mutants: found or installed, and asked which changes to try.

use crate::run::Workspace;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "cargo-mutants";
/// The crate whose mutants are tried.
const PACKAGE: &str = "linger-proto";

/// From where to where, in lines and columns that are counted from one.
pub(super) type Place = ((usize, usize), (usize, usize));

/// One change to one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// With its place: `FILE:LINE:COLUMN: replace ...`.
    pub(super) name: String,
    pub(super) function: String,
    /// First and last line of the function, counted from one.
    pub(super) lines: (usize, usize),
    /// What is replaced, and with what.
    pub(super) place: Place,
    pub(super) replacement: String,
    /// Whether that is all the statements of the function.
    pub(super) is_body: bool,
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
    Ok(Tool { workspace, program })
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

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("mutants").current_dir(&self.workspace.root as &Path);
        command
    }
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
    let replacement = value.get("replacement")?.as_str()?.to_owned();
    let is_body = value.get("genre")?.as_str()? == "FnValue";
    let place = span(value)?;
    // A change outside of every function is one of its own.
    let function = value.get("function").filter(|function| !function.is_null());
    let called = function.and_then(|function| function.get("function_name")?.as_str());
    let within = span(function.unwrap_or(value))?;
    let lines = (within.0.0, within.1.0);
    let function = called.unwrap_or("-").to_owned();
    Some(Mutant { name, function, lines, place, replacement, is_body })
}

fn span(value: &Value) -> Option<Place> {
    let number = |of: &Value, what: &str| usize::try_from(of.get(what)?.as_u64()?).ok();
    let end = |what: &str| {
        let end = value.get("span")?.get(what)?;
        Some((number(end, "line")?, number(end, "column")?))
    };
    Some((end("start")?, end("end")?))
}
