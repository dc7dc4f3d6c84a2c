//! Work in memory for instruction counters: `memory life N HELD` lives N lives next to HELD TIME-WAITs.

use bench::Pair;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
    match (arguments.first().map(String::as_str), number(1), number(2)) {
        (Some("life"), Some(lives), Some(held)) => {
            let mut pair = Pair::new();
            for _ in 0..held + lives {
                pair.lifecycle();
            }
            println!("held {}", pair.time_waits());
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: memory life LIVES HELD\nexample: memory life 1000 28000");
            ExitCode::from(2)
        }
    }
}
