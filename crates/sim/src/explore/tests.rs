use super::*;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

#[test]
fn measure() {
    for text in std::env::var("SCENARIOS").unwrap_or_default().split(';') {
        let scenario: Scenario = text.parse().unwrap();
        let limits = Limits {
            states: std::env::var("STATES").ok().and_then(|s| s.parse().ok()).unwrap_or(100_000),
            depth: 1000,
        };
        let began = Instant::now();
        let outcome = explore(scenario, limits, &AtomicU64::new(0), &|_| false);
        let took = began.elapsed();
        println!(
            "{scenario}\n  {} states {} steps depth {} complete {} in {:?} = {:.0}/s",
            outcome.states,
            outcome.steps,
            outcome.depth,
            outcome.complete,
            took,
            outcome.states as f64 / took.as_secs_f64()
        );
        for found in outcome.found.values().chain(outcome.exceptions.values()) {
            println!("{}", found.violation);
            if std::env::var("SHOW").is_ok() {
                println!("{}\n{}", Script::from(found), ladder(&Script::from(found)).unwrap().0);
            }
        }
    }
    let _ = Duration::ZERO;
}
