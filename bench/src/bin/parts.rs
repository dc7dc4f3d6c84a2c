//! Single steps of a packet's way, alone, for instruction counters.
#![forbid(unsafe_code)]

use linger_proto::wire::checksum::Sum;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: parts sum LEN N

Does one step N times and says how long it took: the checksum of LEN octets.
example: parts sum 1460 1000000";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let began = Instant::now();
    let done = match words[..] {
        ["sum", len, n] => number(len).zip(number(n)).map(|(len, n)| sum(len, n)),
        _ => None,
    };
    let Some(octets) = done else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let seconds = began.elapsed().as_secs_f64();
    println!("{:.3} s, {:.2} GB/s", seconds, octets as f64 / seconds / 1e9);
    ExitCode::SUCCESS
}

fn number(word: &str) -> Option<usize> {
    word.parse().ok()
}

#[inline(never)]
fn sum(len: usize, n: usize) -> usize {
    let octets = pattern(len);
    for _ in 0..n {
        let mut sum = Sum::default();
        sum.add(black_box(&octets));
        black_box(sum.finish());
    }
    len * n
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}
