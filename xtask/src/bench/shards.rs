//! What it costs to spread one stack over two threads.

use super::plan::{Bound, Chart, Home, Measure, Pick, Program, Ratio, Suite, Target, Yields};

pub(super) const SUITE: Suite = Suite {
    name: "shards",
    about: "the same work on one shard and on two, each on a thread of its own, in memory",
    measures: MEASURES,
    ratios: RATIOS,
    targets: TARGETS,
    charts: CHARTS,
};

const SHARDS: Program = Program::new(Home::Own, "shards");
const ONE: &str = "linger";
const TWO: &str = "linger (two shards)";

const fn pick(key: &'static str, metric: &'static str) -> Pick {
    Pick { key, metric, unit: "ns" }
}

const LIVES: Yields =
    Yields::Pairs(&[pick("cpu_ns", "shards_life_cpu_ns"), pick("wall_ns", "shards_life_wall_ns")]);
const BULK: Yields =
    Yields::Pairs(&[pick("cpu_ns", "shards_mib_cpu_ns"), pick("wall_ns", "shards_mib_wall_ns")]);

const fn measure(subject: &'static str, words: &'static str, yields: Yields) -> Measure {
    Measure { topic: "shards", subject, program: SHARDS, words, yields }
}

const MEASURES: &[Measure] = &[
    measure(ONE, "lives 1 200000", LIVES),
    measure(TWO, "lives 2 200000", LIVES),
    measure(ONE, "bulk 1 8000", BULK),
    measure(TWO, "bulk 2 8000", BULK),
];

/// Two shards to one.
const fn ratio(metric: &'static str, of: &'static str) -> Ratio {
    Ratio { metric, subject: ONE, of: (of, TWO), to: (of, ONE) }
}

const RATIOS: &[Ratio] = &[
    ratio("shards_life_cpu_ratio", "shards_life_cpu_ns"),
    ratio("shards_life_wall_ratio", "shards_life_wall_ns"),
    ratio("shards_bulk_cpu_ratio", "shards_mib_cpu_ns"),
    ratio("shards_bulk_wall_ratio", "shards_mib_wall_ns"),
];

const fn at_most(what: &'static str, metric: &'static str) -> Target {
    Target { what, metric, subject: ONE, bound: Bound::AtMost(1.15) }
}

const TARGETS: &[Target] = &[
    at_most("two shards, lives: at most 1.15x one shard's CPU", "shards_life_cpu_ratio"),
    at_most("two shards, bulk: at most 1.15x one shard's CPU", "shards_bulk_cpu_ratio"),
];

const CHARTS: &[Chart] = &[];
