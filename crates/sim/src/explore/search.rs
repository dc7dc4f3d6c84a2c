//! Breadth first, the first counterexample found is a shortest one; depth first, whole lives are seen before a limit.
//!
//! A state is stored as its parent and the action that led from there: 8 octets, and 16 more for its digest. The hosts
//! are made again by cloning: the worlds along the path to the last state expanded are kept, and states next to each other in
//! the order of the search share most of their path.

use super::action::Action;
use super::property::{Exception, Kind, Violation};
use super::scenario::Scenario;
use super::world::{Edge, Seen, World};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most states.
    pub states: usize,
    /// Most actions from the beginning.
    pub depth: usize,
    /// Depth first: whole lives soon, but a counterexample is not a shortest one.
    pub deep: bool,
}

/// A way to something that must never happen.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The search it was found in.
    pub scenario: Scenario,
    /// What happened.
    pub violation: Violation,
    /// How it comes about.
    pub actions: Vec<Action>,
}

/// What a search has found.
#[derive(Clone, Default, Debug)]
pub struct Outcome {
    /// Distinct states.
    pub states: u64,
    /// Steps between them that were taken.
    pub steps: u64,
    /// Length of the longest way to a state; breadth first, of the shortest ways.
    pub depth: usize,
    /// Whether every state within reach was seen.
    pub complete: bool,
    /// A shortest way to each kind of violation.
    pub found: BTreeMap<Kind, Counterexample>,
    /// A shortest way to each kind of exception.
    pub exceptions: BTreeMap<Exception, Counterexample>,
    /// How many steps led to each kind of exception.
    pub excused: BTreeMap<Exception, u64>,
    /// Changes of state that occurred, by the names of both states.
    pub edges: BTreeSet<(&'static str, &'static str)>,
}

impl Outcome {
    /// Adds what another search has found.
    pub fn merge(&mut self, other: Self) {
        self.states += other.states;
        self.steps += other.steps;
        self.depth = self.depth.max(other.depth);
        self.complete &= other.complete;
        self.edges.extend(other.edges);
        for (exception, count) in other.excused {
            *self.excused.entry(exception).or_default() += count;
        }
        keep_shorter(&mut self.found, other.found);
        keep_shorter(&mut self.exceptions, other.exceptions);
    }

    fn note(&mut self, edge: Edge) {
        self.edges.insert((edge.0.name(), edge.1.name()));
    }
}

fn keep_shorter<K: Ord>(known: &mut BTreeMap<K, Counterexample>, others: BTreeMap<K, Counterexample>) {
    for (kind, found) in others {
        if known.get(&kind).is_none_or(|known| found.actions.len() < known.actions.len()) {
            known.insert(kind, found);
        }
    }
}

/// Where a state comes from.
#[derive(Clone, Copy)]
struct Node {
    parent: u32,
    depth: u16,
    by: Action,
}

/// Explores a scenario. `progress` counts states as they are found; `enough`: ends the search when it holds.
pub fn explore(
    scenario: Scenario,
    limits: Limits,
    progress: &AtomicU64,
    enough: &dyn Fn(&Outcome) -> bool,
) -> Outcome {
    let root = World::new(scenario);
    let mut visited: HashSet<u128> = HashSet::from([root.digest()]);
    let mut nodes = vec![Node { parent: 0, depth: 0, by: Action::Timer }];
    let mut path = Path { worlds: vec![(0, root)] };
    let mut outcome = Outcome { complete: true, ..Outcome::default() };
    let (mut actions, mut seen) = (Vec::new(), Seen::default());
    let mut waiting = VecDeque::from([0]);
    let mut expanded = 0_u64;
    while let Some(next) = if limits.deep { waiting.pop_back() } else { waiting.pop_front() } {
        let depth = usize::from(nodes[next].depth);
        outcome.depth = outcome.depth.max(depth);
        if nodes.len() >= limits.states {
            outcome.complete = false;
            break;
        }
        if depth >= limits.depth {
            outcome.complete = false;
            continue;
        }
        let world = path.world(&nodes, next);
        world.actions(&mut actions);
        if !limits.deep {
            // Of two ways of one length the one of a single incarnation is easier to read.
            actions.sort_by_key(|action| matches!(action, Action::Connect | Action::TickAndConnect));
        }
        if actions.is_empty() {
            let end = world.judge_end();
            record(&mut outcome, end, scenario, &nodes, next, None);
        }
        for &action in &actions {
            let mut child = world.clone();
            seen.edges.clear();
            seen.sent.clear();
            let result = child.act(action, &mut seen);
            outcome.steps += 1;
            seen.edges.iter().for_each(|(_, edge)| outcome.note(*edge));
            if record(&mut outcome, result, scenario, &nodes, next, Some(action)) {
                continue;
            }
            if visited.insert(child.digest()) {
                waiting.push_back(nodes.len());
                let parent = u32::try_from(next).unwrap_or(u32::MAX);
                nodes.push(Node { parent, depth: nodes[next].depth + 1, by: action });
            }
        }
        expanded += 1;
        if expanded.is_multiple_of(1024) {
            progress.fetch_add((nodes.len() as u64) - outcome.states, Ordering::Relaxed);
            outcome.states = nodes.len() as u64;
        }
        if enough(&outcome) {
            outcome.complete = false;
            break;
        }
    }
    progress.fetch_add((nodes.len() as u64) - outcome.states, Ordering::Relaxed);
    outcome.states = nodes.len() as u64;
    outcome
}

/// Notes the first violation of each kind. Whether there was one.
fn record(
    outcome: &mut Outcome,
    result: Result<(), Violation>,
    scenario: Scenario,
    nodes: &[Node],
    at: usize,
    last: Option<Action>,
) -> bool {
    let Err(violation) = result else { return false };
    let way = || {
        let mut actions = Vec::new();
        let mut index = at;
        while index != 0 {
            actions.push(nodes[index].by);
            index = nodes[index].parent as usize;
        }
        actions.reverse();
        actions.extend(last);
        Counterexample { scenario, violation, actions }
    };
    match violation.exception {
        Some(exception) => {
            *outcome.excused.entry(exception).or_default() += 1;
            outcome.exceptions.entry(exception).or_insert_with(way);
        }
        None => _ = outcome.found.entry(violation.kind).or_insert_with(way),
    }
    true
}

/// The worlds along the way to the state that was expanded last.
struct Path {
    worlds: Vec<(usize, World)>,
}

impl Path {
    /// The world of a state: made from the nearest of its ancestors that are here.
    fn world(&mut self, nodes: &[Node], target: usize) -> &World {
        let mut missing = Vec::new();
        let mut index = target;
        loop {
            let depth = usize::from(nodes[index].depth);
            if self.worlds.get(depth).is_some_and(|(here, _)| *here == index) {
                self.worlds.truncate(depth + 1);
                break;
            }
            missing.push(index);
            index = nodes[index].parent as usize;
        }
        let mut seen = Seen::default();
        for &index in missing.iter().rev() {
            let mut world = self.worlds[self.worlds.len() - 1].1.clone();
            let _was_good_before = world.act(nodes[index].by, &mut seen);
            self.worlds.push((index, world));
        }
        &self.worlds[self.worlds.len() - 1].1
    }
}
