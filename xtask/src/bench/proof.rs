//! The harness proves itself before it measures anything: smoltcp must cost here what it costs elsewhere.

use super::build::{Built, debian};
use super::plan::{Home, Measure, Program, Yields};
use super::run;

/// How far a count may be off.
const TOLERANCE: f64 = 0.03;

const SMOLTCP: Program = Program::new(Home::Peers, "smol_mem");

const fn counted(words: &'static str, metric: &'static str, few: u32, many: u32, units: f64) -> Measure {
    let yields = Yields::Instructions { metric, few, many, units };
    Measure { topic: "proof", subject: "smoltcp", program: SMOLTCP, words, yields }
}

/// What is counted, and what it must come to: instructions of smoltcp 0.14 with the profile and the features of
/// `bench/peers/Cargo.toml`.
const EXPECTED: [(Measure, f64); 4] = [
    (counted("life %N 0", "lifecycle", 2_000, 12_000, 1.0), 18_348.0),
    (counted("seg 1 %N", "32-byte segment", 2_000, 12_000, 2.0), 2_869.0),
    (counted("bulk 1500 1 %N 256", "octet at MTU 1500", 16, 64, 1_048_576.0), 2.66),
    (counted("bulk 1500 0 %N 256", "octet without checksums", 16, 64, 1_048_576.0), 1.38),
];

/// # Errors
/// Why the run is void.
pub(super) fn prove(built: &Built) -> Result<String, String> {
    debian("/usr/bin/valgrind", &["valgrind"])?;
    let mut lines = String::new();
    for (measure, expected) in &EXPECTED {
        let figures = run::run(measure, built)?;
        let counted = figures.first().map_or(0.0, |figure| figure.value);
        let metric = measure.metrics().concat();
        let line = format!("smoltcp, {metric}: {counted:.2} instructions, expected {expected}");
        eprintln!("   {line}");
        if !agrees(counted, *expected) {
            return Err(line);
        }
        lines.push_str(&format!("- {line}\n"));
    }
    Ok(lines)
}

fn agrees(counted: f64, expected: f64) -> bool {
    (counted / expected - 1.0).abs() <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_hundred_are_allowed_either_way() {
        assert!(agrees(18_898.0, 18_348.0) && agrees(17_798.0, 18_348.0));
        assert!(!agrees(18_900.0, 18_348.0) && !agrees(17_796.0, 18_348.0));
    }
}
