//! Instruction counts that must hold, measured by valgrind on the program `memory` beside this one.
//!
//! Counts repeat to four digits whatever else the machine is doing, so they gate where times cannot.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// TIME-WAITs held while the lives are counted.
const HELD: &str = "28000";
/// Lives of the two runs whose difference is counted.
const LIVES: [u32; 2] = [500, 2500];
/// A life next to [`HELD`] TIME-WAITs costs at most this much of one next to none.
const TIME_WAIT_RATIO: f64 = 1.05;

fn main() -> ExitCode {
    match gates() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gates: {message}");
            ExitCode::FAILURE
        }
    }
}

fn gates() -> Result<(), String> {
    let memory = beside("memory")?;
    let empty = per_life(&memory, "expire")?;
    let held = per_life(&memory, "keep")?;
    let ratio = held / empty;
    println!("lifecycle_instructions {empty:.0}");
    println!("lifecycle_instructions_next_to_{HELD}_time_waits {held:.0}");
    println!("ratio {ratio:.4} (at most {TIME_WAIT_RATIO})");
    if ratio > TIME_WAIT_RATIO {
        return Err(format!("a life next to {HELD} TIME-WAITs costs {ratio:.4} of one next to none"));
    }
    Ok(())
}

fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let path = own.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    Err(format!("{} is missing: cargo build --release -p bench", path.display()))
}

fn per_life(memory: &Path, table: &str) -> Result<f64, String> {
    let [few, many] = LIVES;
    let difference = instructions(memory, many, table)? - instructions(memory, few, table)?;
    Ok(difference / f64::from(many - few))
}

/// Instructions of one whole run, by valgrind. `rep movsb` is switched off, since each of its octets would count.
fn instructions(memory: &Path, lives: u32, table: &str) -> Result<f64, String> {
    let threshold = "glibc.cpu.x86_rep_movsb_threshold=100000000:glibc.cpu.x86_rep_stosb_threshold=100000000";
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(memory)
        .args(["life", &lives.to_string(), HELD, table])
        .env("GLIBC_TUNABLES", threshold)
        .output()
        .map_err(|error| format!("cannot run valgrind ({error}): apt-get install valgrind"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    report
        .lines()
        .find(|line| line.contains("refs:"))
        .and_then(|line| line.rsplit(' ').next())
        .and_then(|count| count.replace(',', "").parse().ok())
        .ok_or_else(|| format!("valgrind counted nothing:\n{report}"))
}
