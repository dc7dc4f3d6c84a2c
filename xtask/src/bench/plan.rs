//! What a measurement is: a program that is invoked with words and prints figures.

/// Where a program comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    /// The package `bench`.
    Own,
    /// The package `bench/peers`, which has dependencies of its own.
    Peers,
    /// The same with smoltcp's segmentation offload.
    PeersTso,
    /// `bench/peers/lwip`, in C.
    Lwip,
    /// `bench/peers/gvisor`, in Go.
    Gvisor,
}

impl Home {
    /// What people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Own => "linger",
            Self::Peers => "Rust peers",
            Self::PeersTso => "smoltcp with offload",
            Self::Lwip => "lwIP",
            Self::Gvisor => "gVisor",
        }
    }
}

/// A program and where it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) home: Home,
    /// In a network namespace of its own, which needs root.
    pub(crate) alone: bool,
}

impl Program {
    pub(crate) const fn new(home: Home, name: &'static str) -> Self {
        Self { name, home, alone: false }
    }

    /// The same in a network namespace of its own.
    pub(crate) const fn alone(self) -> Self {
        Self { alone: true, ..self }
    }
}

/// A figure to pick out of `key value` pairs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pick {
    pub(crate) key: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) unit: &'static str,
}

/// What a program prints, and what is made of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Yields {
    /// `key value` pairs, several on a line if it likes. Run in every round.
    Pairs(&'static [Pick]),
    /// The same, but the figures are exact: one run is enough.
    Exact(&'static [Pick]),
    /// Lines of `METRIC SUBJECT VALUE UNIT`, with `_` for a space in the unit. Run in every round.
    Rows,
    /// The same, but long: one run has to do.
    RowsOnce,
    /// Nothing that counts: valgrind counts its instructions with `%N` in its words replaced by `few` and by `many`, and
    /// the difference is for `many - few` times `units`.
    Instructions { metric: &'static str, few: u32, many: u32, units: f64 },
    /// As [`Self::Exact`] for the picks; then once more under valgrind, which counts nothing but one call. `%C` in its words
    /// is empty the first time, then the value of the key `call`.
    OneCall { picks: &'static [Pick], call: &'static str, metric: &'static str },
}

/// One measurement.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Measure {
    /// What it is part of; `cargo xtask bench NAME` selects by this or by a metric.
    pub(crate) topic: &'static str,
    /// Whose figures these are: `linger`, `smoltcp`, ...; settings that matter in brackets.
    pub(crate) subject: &'static str,
    pub(crate) program: Program,
    /// The words, with a space between them; `~` is a space inside one. `{own}`, `{peers}`, `{lwip}` and `{gvisor}` are the
    /// folders where programs are.
    pub(crate) words: &'static str,
    pub(crate) yields: Yields,
}

impl Measure {
    /// The metrics that it gives; none are known before it ran when it prints rows.
    pub(crate) fn metrics(&self) -> Vec<&'static str> {
        match self.yields {
            Yields::Pairs(picks) | Yields::Exact(picks) => picks.iter().map(|pick| pick.metric).collect(),
            Yields::Rows | Yields::RowsOnce => Vec::new(),
            Yields::Instructions { metric, .. } => vec![metric],
            Yields::OneCall { picks, metric, .. } => {
                picks.iter().map(|pick| pick.metric).chain([metric]).collect()
            }
        }
    }

    pub(crate) fn is_once(&self) -> bool {
        !matches!(self.yields, Yields::Pairs(_) | Yields::Rows)
    }
}

/// A figure made of two others, round by round: `of` divided by `to`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Ratio {
    pub(crate) metric: &'static str,
    pub(crate) subject: &'static str,
    /// Metric and subject.
    pub(crate) of: (&'static str, &'static str),
    pub(crate) to: (&'static str, &'static str),
}

/// A suite: measurements and the ratios between them.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measures: &'static [Measure],
    pub(crate) ratios: &'static [Ratio],
    /// What must be reached.
    pub(crate) targets: &'static [Target],
    /// What is drawn.
    pub(crate) charts: &'static [Chart],
}

/// A bound on a figure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Something that must be reached.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Target {
    /// In words, with the bound.
    pub(crate) what: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) bound: Bound,
}

/// A bar chart: one metric, one bar for each subject.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Chart {
    /// Its file in `docs/performance/`.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    pub(crate) metric: &'static str,
    /// Whether more is better; said below the title.
    pub(crate) more_is_better: bool,
    /// For figures that are orders of magnitude apart.
    pub(crate) logarithmic: bool,
}
