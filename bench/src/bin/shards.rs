//! What it costs to spread a stack over several threads.
#![forbid(unsafe_code)]

use bench::shards::{Work, run};
use std::process::ExitCode;

const USAGE: &str = "usage: shards lives|bulk SHARDS AMOUNT

Does AMOUNT lives, or moves AMOUNT MiB, on a stack with SHARDS shards, each on a thread of its own with a client beside it.
Prints what one life or one MiB took: the processor time of all threads together, and on the wall, ns.
example: shards lives 2 100000";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((work, shards, amount)) = parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(shards, work, amount) {
        Ok(took) => {
            println!("cpu_ns {:.1}\nwall_ns {:.1}", took.cpu_ns, took.wall_ns);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("shards: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: &[String]) -> Option<(Work, usize, u32)> {
    let [work, shards, amount] = words else { return None };
    let work = match work.as_str() {
        "lives" => Work::Lives,
        "bulk" => Work::Bulk,
        _ => return None,
    };
    let shards = shards.parse().ok().filter(|shards| (1..=64).contains(shards))?;
    Some((work, shards, amount.parse().ok()?))
}
