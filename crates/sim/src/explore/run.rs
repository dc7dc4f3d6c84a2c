//! Several searches at once.

use super::property::Kind;
use super::scenario::Scenario;
use super::search::{Limits, Outcome, explore};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// How far an exploration has got, for those who wait.
#[derive(Debug, Default)]
pub struct Progress {
    /// States found so far.
    pub states: AtomicU64,
    /// Searches that have ended.
    pub searches: AtomicUsize,
}

/// Runs every search, `jobs` at a time, and adds up what they found. `wanted`: ends as soon as a violation of each of
/// these kinds was found; none of them: explores everything.
pub fn run(
    scenarios: &[Scenario],
    limits: Limits,
    jobs: usize,
    wanted: &[Kind],
    progress: &Progress,
) -> Outcome {
    let (next, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let total = Mutex::new(Outcome { complete: true, ..Outcome::default() });
    let all_found =
        |outcome: &Outcome| !wanted.is_empty() && wanted.iter().all(|kind| outcome.found.contains_key(kind));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(&scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if enough.load(Ordering::Relaxed) {
                        return;
                    }
                    let stop = |outcome: &Outcome| enough.load(Ordering::Relaxed) || all_found(outcome);
                    let outcome = explore(scenario, limits, &progress.states, &stop);
                    progress.searches.fetch_add(1, Ordering::Relaxed);
                    let Ok(mut total) = total.lock() else { return };
                    total.merge(outcome);
                    if all_found(&total) {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_default();
    total.complete &= !enough.load(Ordering::Relaxed);
    total
}
