//! Every way in which two hosts can live through two incarnations of one connection, within a bound.
//!
//! | file | what |
//! |---|---|
//! | `scenario` | what stays the same over one search: settings, numbers, bounds |
//! | `action` | what can happen next |
//! | `world` | one moment: two real hosts, the network, the applications; and its digest |
//! | `network`, `app` | segments on their way; what the applications do |
//! | `property` | what must never happen |
//! | `search` | breadth or depth first, with a set of what was seen |
//! | `plan` | which searches make up an exploration |
//! | `run` | several searches at once |
//! | `report` | a counterexample as a ladder and as a script that can be replayed |
//! | `figure` | which states and edges of RFC 9293 Figure 5 were reached, as SVG |

mod action;
mod app;
mod figure;
mod network;
mod plan;
mod property;
mod report;
mod run;
mod scenario;
mod search;
mod world;

pub use action::Action;
pub use figure::{Coverage, Reached, coverage, svg};
pub use plan::{Plan, plan};
pub use property::{Exception, Kind, Violation};
pub use report::{Script, ladder};
pub use run::{Progress, run};
pub use scenario::{Ending, LIFETIME, MSL, MSL_MAX, Number, Scenario};
pub use search::{Counterexample, Limits, Outcome, explore};

#[cfg(test)]
mod tests;
