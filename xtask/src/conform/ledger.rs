//! The join: a state for each row, and what is wrong.
//!
//! A row is *met* when a test names it; a citation in code alone does not count. An explanation that says `open`,
//! `not applicable` or `may not taken` of a row that has a test contradicts it and is an error; a `deviation` may have a
//! test, which shows what is done instead. An explanation by the start of ids speaks of those rows only that have neither
//! a test nor an explanation of their own, and is an error once there are none.

use super::catalogue::{Catalogue, EXPLAINED, Excuse, Explanation, Requirement};
use super::source::Found;
use std::collections::BTreeSet;

/// What the ledger says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// A test fails when the rule is broken.
    Met,
    /// We do otherwise, for a reason.
    Deviation,
    /// It speaks of what we do not have, or permits what we do not do.
    NotApplicable,
    /// Not done, or not shown.
    Open,
}

/// A row of the ledger.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) requirement: Requirement,
    pub(super) code: Vec<String>,
    pub(super) tests: Vec<String>,
    pub(super) state: State,
    /// Empty for what is met.
    pub(super) reason: String,
}

/// All rows, in the order of the catalogue.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) rows: Vec<Row>,
}

impl State {
    /// In the order in which they are counted.
    pub(super) const ALL: [Self; 4] = [Self::Met, Self::Deviation, Self::NotApplicable, Self::Open];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Deviation => "deviation",
            Self::NotApplicable => "not applicable",
            Self::Open => "open",
        }
    }
}

/// The ledger, and what is wrong with its sources.
pub(super) fn join(catalogue: Catalogue, mut found: Found) -> (Ledger, Vec<String>) {
    let mut problems = std::mem::take(&mut found.problems);
    let mut used = BTreeSet::new();
    let mut rows = Vec::new();
    for requirement in &catalogue.rows {
        let take = |set: Option<BTreeSet<String>>| set.unwrap_or_default().into_iter().collect::<Vec<_>>();
        let code = take(found.code.remove(&requirement.id));
        let tests = take(found.tests.remove(&requirement.id));
        let explanation = catalogue.explanation(&requirement.id);
        let explanation = explanation.filter(|explanation| tests.is_empty() || !explanation.is_bulk());
        if let Some(explanation) = explanation {
            used.insert(explanation.pattern.clone());
            problems.extend(contradiction(requirement, explanation, &tests));
        }
        let (state, reason) = judge(explanation, !tests.is_empty());
        if explanation.is_none() && tests.is_empty() && must_be_shown(requirement) {
            problems
                .push(format!("{} ({}) is neither tested nor explained", requirement.id, requirement.level));
        }
        rows.push(Row { requirement: requirement.clone(), code, tests, state, reason });
    }
    for (id, files) in &found.deviations {
        let explained = catalogue.explanation(id).is_some_and(|found| found.excuse == Excuse::Deviation);
        if let (false, Some(file)) = (explained, files.first()) {
            problems.push(format!("{EXPLAINED}: {file} deviates from {id}, which no line there says"));
        }
    }
    for explanation in &catalogue.explanations {
        if !used.contains(&explanation.pattern) {
            problems.push(format!("{EXPLAINED}: {} explains no row", explanation.pattern));
        }
    }
    (Ledger { rows }, problems)
}

/// A MUST or MUST NOT of RFC 9293.
fn must_be_shown(requirement: &Requirement) -> bool {
    requirement.source == "RFC 9293" && requirement.level.starts_with("MUST")
}

fn judge(explanation: Option<&Explanation>, tested: bool) -> (State, String) {
    match explanation {
        None if tested => (State::Met, String::new()),
        None => (State::Open, "no test yet".to_owned()),
        Some(explanation) => {
            let reason = explanation.reason.clone();
            match explanation.excuse {
                Excuse::Deviation => (State::Deviation, reason),
                Excuse::NotApplicable => (State::NotApplicable, reason),
                Excuse::NotTaken => (State::NotApplicable, format!("a MAY that is not taken: {reason}")),
                Excuse::Open => (State::Open, reason),
            }
        }
    }
}

fn contradiction(requirement: &Requirement, explanation: &Explanation, tests: &[String]) -> Option<String> {
    let id = &requirement.id;
    if explanation.excuse == Excuse::NotTaken && requirement.level != "MAY" {
        return Some(format!("{EXPLAINED}: {id} is a {}, which cannot be left untaken", requirement.level));
    }
    let test = tests.first()?;
    let words = match explanation.excuse {
        Excuse::Deviation => return None,
        Excuse::NotApplicable => "not applicable",
        Excuse::NotTaken => "not taken",
        Excuse::Open => "open",
    };
    Some(format!("{EXPLAINED}: {id} is said to be {words}, but {test} tests it"))
}
