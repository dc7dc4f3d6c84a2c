//! The suite over a TUN device.

use super::plan::{Measure, Ratio, Suite};

pub(super) const SUITE: Suite =
    Suite { name: "tun", about: "servers behind a TUN, against the kernel's client", measures: MEASURES, ratios: RATIOS };

const MEASURES: &[Measure] = &[];

const RATIOS: &[Ratio] = &[];
