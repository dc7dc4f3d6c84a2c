//! Faults planted into a copy of the core, each of which the exploration must find.
//!
//! A fault is a patch in `crates/sim/tests/planted/`: a sentence, the scenario in which it shows, and the change. The
//! copy and what is built from it lie below `target/planted/`. First every scenario is explored without a fault: there
//! nothing may be found.

use crate::run::{Tally, Workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Where the patches are, from the root of the workspace.
const PATCHES: &str = "crates/sim/tests/planted";
/// What the example ends with when it found something.
const FOUND: i32 = 1;

/// One fault.
struct Fault {
    name: String,
    what: String,
    scenario: String,
    patch: PathBuf,
}

/// Plants each fault in turn.
pub(crate) fn run(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let faults = faults(&workspace.root.join(PATCHES))?;
    let scratch = workspace.root.join("target/planted");
    let tree = scratch.join("tree");
    copy(&workspace.root, &tree)?;
    for fault in &faults {
        if found(&tree, &scratch, &fault.scenario)? {
            return Err(format!("without a fault something is found in: {}", fault.scenario));
        }
    }
    eprintln!("without a fault nothing is found in any of the {} scenarios", faults.len());
    for fault in &faults {
        copy(&workspace.root, &tree)?;
        apply(&tree, &fault.patch)?;
        if !found(&tree, &scratch, &fault.scenario)? {
            return Err(format!("not found: {} ({})", fault.name, fault.what));
        }
        println!("found: {:<28} {}", fault.name, fault.what);
    }
    println!("{} planted faults, all found", faults.len());
    Ok(None)
}

fn faults(folder: &Path) -> Result<Vec<Fault>, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let patch = entry.map_err(cannot)?.path();
        let text = fs::read_to_string(&patch).map_err(cannot)?;
        let mut lines = text.lines();
        let what = lines.next().unwrap_or_default().to_owned();
        let scenario = lines.next().and_then(|line| line.strip_prefix("scenario: "));
        let scenario = scenario.ok_or_else(|| format!("{} names no scenario", patch.display()))?.to_owned();
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        faults.push(Fault { name, what, scenario, patch });
    }
    faults.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(faults)
}

/// Copies what is or would be under version control, files that have not changed left alone.
fn copy(root: &Path, tree: &Path) -> Result<(), String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot start git: {error}"))?;
    let names = String::from_utf8(listed.stdout).map_err(|error| format!("a file name: {error}"))?;
    for name in names.split_terminator('\0') {
        let (from, to) = (root.join(name), tree.join(name));
        let Ok(octets) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|old| old == octets) {
            continue;
        }
        let folder = to.parent().unwrap_or(tree);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&to, octets))
            .map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    }
    Ok(())
}

fn apply(tree: &Path, patch: &Path) -> Result<(), String> {
    let file = fs::File::open(patch).map_err(|error| format!("cannot read {}: {error}", patch.display()))?;
    let status = Command::new("patch")
        .args(["-p1", "--forward", "--no-backup-if-mismatch", "--quiet"])
        .current_dir(tree)
        .stdin(file)
        .status()
        .map_err(|error| format!("cannot start patch: {error}"))?;
    good(status, &format!("{} does not fit any more: make it again", patch.display()))
}

fn good(status: ExitStatus, wrong: &str) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(wrong.to_owned()) }
}

/// Whether exploring `scenario` with the core of `tree` finds anything.
fn found(tree: &Path, scratch: &Path, scenario: &str) -> Result<bool, String> {
    let cargo = |rest: &[&str]| {
        Command::new("cargo")
            .args(rest)
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", scratch.join("target"))
            // A fault leaves code that nobody calls any more.
            .env("RUSTFLAGS", "-Awarnings")
            .stdout(Stdio::null())
            .status()
            .map_err(|error| format!("cannot start cargo: {error}"))
    };
    let which = ["--locked", "--quiet", "-p", "linger-sim", "--no-default-features", "--example", "explore"];
    let build: Vec<&str> = ["build"].into_iter().chain(which).collect();
    good(cargo(&build)?, "the copy does not build")?;
    let words: Vec<&str> =
        ["run"].into_iter().chain(which).chain(["--"]).chain(scenario.split(' ')).collect();
    match cargo(&words)?.code() {
        Some(0) => Ok(false),
        Some(FOUND) => Ok(true),
        other => Err(format!("the exploration of '{scenario}' ended with {other:?}")),
    }
}
