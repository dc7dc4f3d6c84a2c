//! One search of `linger_sim::explore`, for `cargo xtask planted`: the arguments are a scenario. Prints what it found and
//! ends with status 1 when that is something.

use linger_sim::explore::{Limits, Scenario, Script, explore, ladder};
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let scenario: Scenario = match words.join(" ").parse() {
        Ok(scenario) => scenario,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let limits = Limits { states: 200_000, depth: 1000, deep: false };
    let outcome = explore(scenario, limits, &AtomicU64::new(0), &|outcome| !outcome.found.is_empty());
    println!("{} states", outcome.states);
    for found in outcome.found.values() {
        let drawn = ladder(&Script::from(found)).map_or_else(|wrong| wrong, |(drawn, _)| drawn);
        println!("after {} steps: {}\n{drawn}", found.actions.len(), found.violation);
    }
    ExitCode::from(u8::from(!outcome.found.is_empty()))
}
