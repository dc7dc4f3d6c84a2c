//! Checks and chores of the workspace, started as `cargo xtask`.
//!
//! `main` reads the arguments, `steps` says what each step is, `run` starts commands and counts tests, `setup`
//! installs what the tests need, `tidy` measures the source, `conform` keeps the ledger of requirements, `gates` holds
//! figures, `mutants` tries changes that tests must notice, `planted` faults that the exploration must find, `bench` measures linger and its peers.
#![forbid(unsafe_code)]

mod bench;
mod conform;
mod gates;
mod lifecycle;
mod mutants;
mod planted;
mod run;
mod setup;
mod steps;
mod tidy;

use run::Workspace;
use std::process::ExitCode;
use std::time::Instant;
use steps::{CHORES, STEPS, Step};

/// Everything asked for is green.
const GREEN: u8 = 0;
/// A step is red.
const RED: u8 = 1;
/// The arguments make no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let steps: Vec<&Step> = match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            print!("{}", help());
            return ExitCode::from(GREEN);
        }
        ["gates", "--take"] => return chore(gates::take),
        ["conform"] => return chore(conform::write),
        ["conform", "--check"] => STEPS.iter().filter(|step| step.name == "conform").collect(),
        ["mutants", "--check"] => STEPS.iter().filter(|step| step.name == "mutants").collect(),
        ["mutants", rest @ ..] => return mutate(rest),
        ["bench", rest @ ..] => return ExitCode::from(bench::bench(rest)),
        ["ci"] => STEPS.iter().collect(),
        ["ci", "--list"] => {
            print!("{}", list(STEPS));
            return ExitCode::from(GREEN);
        }
        ["ci", "--from", name] => STEPS.iter().skip_while(|step| step.name != *name).collect(),
        [name] => STEPS.iter().chain(CHORES).filter(|step| step.name == *name).collect(),
        _ => Vec::new(),
    };
    if steps.is_empty() {
        eprintln!("no such step: {}\n\n{}", words.join(" "), help());
        return ExitCode::from(USAGE);
    }
    match Workspace::find() {
        Ok(workspace) => ExitCode::from(run_all(&workspace, &steps)),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(RED)
        }
    }
}

/// Does something that is no step.
fn chore(run: fn(&Workspace) -> Result<(), String>) -> ExitCode {
    match Workspace::find().and_then(|workspace| run(&workspace)) {
        Ok(()) => ExitCode::from(GREEN),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(RED)
        }
    }
}

/// Tries mutants.
fn mutate(words: &[&str]) -> ExitCode {
    let Some(wish) = mutants::Wish::parse(words) else {
        eprintln!("cargo xtask mutants [--check] [--minutes N] [FILE ...]");
        return ExitCode::from(USAGE);
    };
    match Workspace::find().and_then(|workspace| mutants::run(&workspace, &wish)) {
        Ok(()) => ExitCode::from(GREEN),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(RED)
        }
    }
}

/// Runs the steps in order and stops at the first red one.
fn run_all(workspace: &Workspace, steps: &[&Step]) -> u8 {
    let began = Instant::now();
    let mut tallies = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let label = format!("{}/{} {}", index + 1, steps.len(), step.name);
        eprintln!("── {label}: {}", step.about);
        let step_began = Instant::now();
        let outcome = (step.run)(workspace);
        let seconds = step_began.elapsed().as_secs_f64();
        match outcome {
            Ok(tally) => {
                eprintln!("── {label}: green in {seconds:.1} s");
                tallies.extend(tally.map(|tally| (step.name, tally)));
            }
            Err(reason) => {
                eprintln!("── {label}: RED after {seconds:.1} s: {reason}");
                eprintln!("── repeat it with: cargo xtask {}", step.name);
                return RED;
            }
        }
    }
    println!("{} of {} steps green in {:.1} s", steps.len(), steps.len(), began.elapsed().as_secs_f64());
    for (name, tally) in tallies {
        println!("{name:<9} {tally}");
    }
    GREEN
}

fn list(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("  {:<9} {}\n", step.name, step.about)).collect()
}

fn help() -> String {
    format!(
        "cargo xtask ci               every step, in this order, until one is red\n\
         cargo xtask ci --list        names the steps\n\
         cargo xtask ci --from STEP   that step and those after it\n\
         cargo xtask STEP             one step\n\
         cargo xtask gates --take     takes the figures of that step as they are now\n\
         cargo xtask conform          writes docs/conformance.md; --check, the step, only looks\n\
         cargo xtask mutants [FILE]   tries changes to the code of the lifecycle; --minutes N; --check, the step, only looks\n\
         cargo xtask bench [NAME]     linger and its peers on the same work; more with --help\n\n\
         steps:\n{}\nby name only:\n{}\n\
         exit status: 0 all green, 1 a step is red, 2 arguments not understood\n",
        list(STEPS),
        list(CHORES)
    )
}
