//! Work in memory for instruction counters.
#![forbid(unsafe_code)]

use bench::Pair;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: memory life LIVES HELD keep|expire

Lives HELD connections whose TIME-WAITs the server keeps, or lets expire; then LIVES more.
example: memory life 1000 28000 keep";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [_, lives, held, _] = words[..] else { return usage() };
    let (Ok(lives), Ok(held)) = (lives.parse::<u32>(), held.parse::<u32>()) else { return usage() };
    let mut pair = Pair::new();
    (0..held).for_each(|_| pair.lifecycle());
    match (words[0], words[3]) {
        // Two seconds are enough for the timers of the lives before, and nothing to a TIME-WAIT.
        ("life", "keep") => pair.wait(Duration::from_secs(2)),
        ("life", "expire") => pair.wait(Duration::from_secs(61)),
        _ => return usage(),
    }
    let held = pair.time_waits();
    (0..lives).for_each(|_| pair.lifecycle());
    println!("held {held} lived {lives}");
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
