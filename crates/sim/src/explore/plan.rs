//! Which searches make up an exploration.

use super::scenario::{Ending, Number, Scenario};
use std::time::Duration;

/// What an exploration is to cover.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The maximum segment lifetime that both hosts believe in.
    pub msl: Duration,
    /// Segments that may be lost, in one run.
    pub losses: u8,
    /// Segments that may arrive twice.
    pub duplicates: u8,
    /// Segments that may be held back past the close.
    pub delayed: u8,
    /// Timers that may expire while an ordinary segment is on its way.
    pub early: u8,
    /// SYNs of an incarnation before the first.
    pub strays: u8,
    /// How many of all of these there may be in one run.
    pub faults: u8,
}

/// How the second incarnation is numbered: colliding in both directions, in one of them, and in none.
const NUMBERS: [[Number; 2]; 5] = [
    [Number::Same, Number::Same],
    [Number::Behind, Number::Behind],
    [Number::Same, Number::Far],
    [Number::Far, Number::Same],
    [Number::Ahead, Number::Ahead],
];
/// Every ending with a side that listens; both sides that open need no more than the most general ones.
const OPENINGS: [(bool, Ending); 7] = [
    (false, Ending::Left),
    (false, Ending::Right),
    (false, Ending::Any),
    (false, Ending::Abort),
    (false, Ending::Early),
    (true, Ending::Any),
    (true, Ending::Early),
];

/// The searches, cheap ones first.
pub fn plan(plan: &Plan) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (simultaneous, ending) in OPENINGS {
        for numbers in NUMBERS {
            for timestamps in [false, true] {
                scenarios.push(Scenario {
                    msl: plan.msl,
                    timestamps,
                    simultaneous,
                    ending,
                    numbers,
                    losses: plan.losses,
                    duplicates: plan.duplicates,
                    delayed: plan.delayed,
                    early: plan.early,
                    strays: plan.strays,
                    faults: plan.faults,
                    ticks: u8::from(timestamps),
                });
            }
        }
    }
    scenarios
}
