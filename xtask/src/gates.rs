//! Figures that must hold, kept in `bench/gates.tsv`: instructions, allocations, octets of memory. They repeat whatever else
//! the machine is doing, so they gate where times cannot.
//!
//! Instructions are counted by gungraun's benchmarks (`bench/benches/gates.rs`), or, where its runner cannot be had, by
//! callgrind on `linger_mem gated`, which does the same work.

use crate::bench::count;
use crate::run::{Tally, Workspace};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The figures that are held to, from the root of the workspace.
const FILE: &str = "bench/gates.tsv";
/// How far above its figure a count may be.
const TOLERANCE: f64 = 0.03;
/// Allocations of a life vary by a queue that grows now and then.
const ALLOCATIONS: f64 = 0.02;
/// The version of the crate; the runner must have the same.
const RUNNER: &str = "gungraun-runner";
const VERSION: &str = "=0.20.0";

/// Work that is counted; its figure is for one unit of it.
const WORK: [&str; 7] = [
    "lifecycle",
    "lifecycle_held_30k",
    "segment",
    "bulk_byte",
    "half_open",
    "time_wait_insert",
    "housekeeping",
];
/// Figures that `linger_mem` prints: what they are called, its words, its key.
const EXACT: [(&str, &str, &str); 7] = [
    ("lifecycle_allocations", "life 2000 0", "life_allocations"),
    ("segment_allocations", "seg 100 10000 random 1", "seg_allocations"),
    ("idle_bytes", "mem idle 100000", "bytes"),
    ("half_open_bytes", "mem half_open 100000", "bytes"),
    ("time_wait_v4_bytes", "mem time_wait_v4 1000000", "bytes"),
    ("time_wait_v6_bytes", "mem time_wait_v6 1000000", "bytes"),
    ("grow_idle_largest_call_bytes", "grow idle 100000", "largest_call_bytes"),
];

/// A gate and its figure.
type Figure = (String, f64);

/// Measures, and compares with the file.
pub(crate) fn run(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let measured = measure(workspace)?;
    let path = workspace.root.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{FILE}: {error}"))?;
    let (table, broken) = compare(&measured, &parse(&text)?);
    print!("{table}");
    if broken.is_empty() {
        return Ok(None);
    }
    Err(format!("{}: mend it, or take it as it is with `cargo xtask gates --take`", broken.join(", ")))
}

/// Measures, and writes the file anew.
pub(crate) fn take(workspace: &Workspace) -> Result<(), String> {
    let mut text = String::from(
        "# Figures that must hold: `cargo xtask gates` is red where one is passed by more than 3 %, and where there are more\n\
         # allocations. `cargo xtask gates --take` writes them anew.\n",
    );
    for (name, figure) in measure(workspace)? {
        let _ = writeln!(text, "{name}\t{figure:.4}");
        println!("{name:<32} {figure:.4}");
    }
    let path = workspace.root.join(FILE);
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(|error| format!("{FILE}: {error}"))
}

fn measure(workspace: &Workspace) -> Result<Vec<Figure>, String> {
    workspace.cargo("build --locked --profile measure --package bench --bin linger_mem")?;
    let program = workspace.target()?.join("measure/linger_mem");
    let mut figures = match runner(workspace) {
        Ok(runner) => by_gungraun(workspace, &runner)?,
        Err(reason) => {
            eprintln!("{reason}: counting with callgrind alone");
            by_callgrind(&program)?
        }
    };
    for (name, words, key) in EXACT {
        let output = Command::new(&program).args(words.split(' ')).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = crate::bench::value(&text, key).ok_or_else(|| format!("linger_mem {words}: no {key}"))?;
        figures.push((name.to_owned(), value));
    }
    Ok(figures)
}

fn by_callgrind(program: &std::path::Path) -> Result<Vec<Figure>, String> {
    let one = |name: &&str| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(program).args(["gated", name]);
        let (counted, text) = count(valgrind, "Collected :")?;
        let units = crate::bench::value(&text, "units").ok_or_else(|| format!("{name}: no units"))?;
        Ok((format!("{name}_instructions"), counted / units))
    };
    WORK.iter().map(one).collect()
}

/// Each benchmark's id ends with how many units its work is.
fn by_gungraun(workspace: &Workspace, runner: &std::path::Path) -> Result<Vec<Figure>, String> {
    let mut cargo = workspace.cargo_command(
        "bench --locked --profile measure --package bench --bench gates -- --output-format=json",
    );
    cargo.env("GUNGRAUN_RUNNER", runner).stdout(Stdio::piped());
    let output = cargo.output().map_err(|error| format!("cargo does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("gungraun failed:\n{}{text}", String::from_utf8_lossy(&output.stderr)));
    }
    let figures: Vec<Figure> = text.lines().filter_map(gungraun_figure).collect();
    match WORK
        .iter()
        .find(|name| !figures.iter().any(|(figure, _)| *figure == format!("{name}_instructions")))
    {
        None => Ok(figures),
        Some(name) => Err(format!("gungraun says nothing of {name}")),
    }
}

fn gungraun_figure(line: &str) -> Option<Figure> {
    let summary: serde_json::Value = serde_json::from_str(line).ok()?;
    let name = summary.get("function_name")?.as_str()?;
    let units: f64 = summary.get("id")?.as_str()?.strip_prefix("of_")?.parse().ok()?;
    let counted = find(&summary, "Ir").and_then(first_number)?;
    Some((format!("{name}_instructions"), counted / units))
}

/// The first value of the field `key` at any depth.
fn find<'a>(value: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            fields.get(key).or_else(|| fields.values().find_map(|value| find(value, key)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

/// The first number below `value`: the new one stands before that of the run before.
fn first_number(value: &serde_json::Value) -> Option<f64> {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Object(fields) => fields.values().find_map(first_number),
        Value::Array(values) => values.iter().find_map(first_number),
        _ => None,
    }
}

/// gungraun's runner, installed beside what cargo builds if need be.
pub(crate) fn runner(workspace: &Workspace) -> Result<PathBuf, String> {
    let tools = workspace.target()?.join("tools");
    let path = tools.join("bin").join(RUNNER);
    if !path.is_file() {
        eprintln!("installing {RUNNER}");
        let tools = tools.display();
        workspace
            .cargo(&format!("install --quiet --locked --root {tools} {RUNNER} --version {VERSION}"))
            .map_err(|_| format!("{RUNNER} cannot be installed"))?;
    }
    Ok(path)
}

fn parse(text: &str) -> Result<Vec<Figure>, String> {
    let line = |line: &str| {
        let (name, figure) = line.split_once('\t')?;
        Some((name.to_owned(), figure.trim().parse().ok()?))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|text| line(text).ok_or_else(|| format!("{FILE}: what is `{text}`?"))).collect()
}

/// A table, and the names of those that are passed.
fn compare(measured: &[Figure], held: &[Figure]) -> (String, Vec<String>) {
    let (mut table, mut broken) = (String::new(), Vec::new());
    for (name, figure) in measured {
        let Some((_, limit)) = held.iter().find(|(other, _)| other == name) else {
            broken.push(format!("{name} is not in {FILE}"));
            continue;
        };
        let most =
            if name.ends_with("_allocations") { limit + ALLOCATIONS } else { limit * (1.0 + TOLERANCE) };
        let change = if *limit > 0.0 { (figure / limit - 1.0) * 100.0 } else { 0.0 };
        let verdict = if *figure > most { "PASSED" } else { "holds" };
        let _ =
            writeln!(table, "{name:<32} {figure:>12.2}  held to {limit:>12.2}  {change:>+6.1} %  {verdict}");
        if *figure > most {
            broken.push(format!("{name} is {figure:.2}, held to {limit:.2}"));
        }
    }
    (table, broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(list: &[(&str, f64)]) -> Vec<Figure> {
        list.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect()
    }

    #[test]
    fn three_in_a_hundred_more_are_allowed_and_not_a_single_allocation() {
        let held = figures(&[("a_instructions", 1000.0), ("a_allocations", 0.0)]);
        assert!(compare(&figures(&[("a_instructions", 1029.0), ("a_allocations", 0.0)]), &held).1.is_empty());
        assert_eq!(compare(&figures(&[("a_instructions", 1031.0)]), &held).1.len(), 1);
        assert_eq!(compare(&figures(&[("a_allocations", 0.5)]), &held).1.len(), 1);
    }

    #[test]
    fn a_gate_without_a_figure_is_red() {
        assert_eq!(compare(&figures(&[("new_instructions", 1.0)]), &[]).1.len(), 1);
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        assert_eq!(parse("# said\na\t1.5000\n"), Ok(figures(&[("a", 1.5)])));
        assert!(parse("a 1.5\n").is_err());
    }
}
