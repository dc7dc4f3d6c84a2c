//! The suite over a TUN device.

use super::plan::{Chart, Home, Measure, Program, Ratio, Suite, Target, Yields};

pub(super) const SUITE: Suite = Suite {
    name: "tun",
    about: "servers behind a TUN, against the kernel's client",
    measures: MEASURES,
    ratios: RATIOS,
    targets: TARGETS,
    charts: CHARTS,
};

/// Needs root: it makes namespaces.
const TUN_SUITE: Program = Program::new(Home::Own, "tun_suite");

const MEASURES: &[Measure] = &[Measure {
    topic: "linger",
    subject: "linger",
    program: TUN_SUITE,
    words: "--rounds 1",
    yields: Yields::Rows,
}];

const RATIOS: &[Ratio] = &[];

const TARGETS: &[Target] = &[];

const CHARTS: &[Chart] = &[];
