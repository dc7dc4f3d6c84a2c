//! The steps of `cargo xtask ci`, in their order: cheap ones first, so that a slip is told early.

use crate::run::{Tally, Workspace};
use crate::{conform, gates, lifecycle, mutants, planted, setup, tidy};

/// One step.
pub(crate) struct Step {
    /// What `cargo xtask` calls it.
    pub(crate) name: &'static str,
    /// What it shows, in one line.
    pub(crate) about: &'static str,
    /// Does it: the tests it counted, or why it is red.
    pub(crate) run: fn(&Workspace) -> Result<Option<Tally>, String>,
}

/// Every step, in order.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "setup", about: "the Debian packages that the tests drive", run: setup::run },
    Step { name: "fmt", about: "rustfmt changes nothing", run: fmt },
    Step { name: "tidy", about: "sizes, panics, unsafe, citations, README, paths", run: tidy::run },
    Step {
        name: "conform",
        about: "the ledger of requirements is current and complete",
        run: conform::check,
    },
    Step {
        name: "mutants",
        about: "docs/mutants.md covers the code as it is, and survivors have reasons",
        run: mutants::check,
    },
    Step { name: "clippy", about: "clippy finds nothing, in all targets", run: clippy },
    Step { name: "doc", about: "the documentation builds without a warning", run: doc },
    Step { name: "proof", about: "two hosts of linger-proto talk in a program without std", run: proof },
    Step { name: "test", about: "unit and integration tests", run: test },
    Step {
        name: "lifecycle",
        about: "the tests of the stack and the simulator once more, in at most 40 s of a processor",
        run: lifecycle::run,
    },
    Step {
        name: "planted",
        about: "linger sim explore finds each of the faults in crates/sim/tests/planted",
        run: planted::run,
    },
    Step { name: "doctest", about: "the examples in the documentation", run: doctest },
    Step {
        name: "gates",
        about: "counts that must hold: instructions, allocations, octets",
        run: gates::run,
    },
    Step {
        name: "floods",
        about: "a million spoofed SYNs, in a build that is fast enough for them",
        run: floods,
    },
    Step { name: "interop", about: "the release binary against the Linux kernel", run: interop },
];

/// Steps that are run by name only: they need a tool that is neither in Debian nor in Rust's distribution, or hours.
pub(crate) const CHORES: &[Step] =
    &[Step { name: "deny", about: "licences and sources of the dependencies, by cargo-deny", run: deny }];

fn fmt(workspace: &Workspace) -> Result<Option<Tally>, String> {
    workspace.cargo("fmt --all --check")?;
    Ok(None)
}

fn clippy(workspace: &Workspace) -> Result<Option<Tally>, String> {
    workspace.cargo("clippy --locked --workspace --all-targets -- -D warnings")?;
    Ok(None)
}

/// The whole workspace rather than the library crates by name: the dependencies then have the features they had for
/// clippy and are not checked a second time.
fn doc(workspace: &Workspace) -> Result<Option<Tally>, String> {
    workspace.cargo_with("doc --locked --workspace --no-deps --lib", &[("RUSTDOCFLAGS", "-D warnings")])?;
    Ok(None)
}

/// Alone, because features unify over the packages of one command: a neighbour would switch `std` on.
fn proof(workspace: &Workspace) -> Result<Option<Tally>, String> {
    workspace.cargo("run --locked --profile proof --package proof --features alone")?;
    Ok(None)
}

fn test(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let nextest = workspace.has_cargo("nextest");
    let tool = if nextest { "nextest run" } else { "test --lib --bins --tests --examples" };
    workspace.cargo_tests(&format!("{tool} --locked --workspace --exclude interop")).map(Some)
}

fn doctest(workspace: &Workspace) -> Result<Option<Tally>, String> {
    workspace.cargo_tests("test --locked --workspace --doc").map(Some)
}

/// In a debug build, as part of `test`, there are a tenth of them.
fn floods(workspace: &Workspace) -> Result<Option<Tally>, String> {
    workspace.cargo_tests("test --locked --release --package linger-proto --test syn_flood").map(Some)
}

fn deny(workspace: &Workspace) -> Result<Option<Tally>, String> {
    if !workspace.has_cargo("deny") {
        return Err("cargo-deny is not installed: cargo install --locked cargo-deny".to_owned());
    }
    workspace.cargo("deny --offline check licenses bans sources")?;
    Ok(None)
}

/// Whoever builds for release names the same packages: features unify over those of one command, and so every later
/// command finds everything built.
const RELEASE: &str = "--locked --release --package linger-cli --package interop";

/// One test at a time: some measure processor time, and each would take both cores.
fn interop(workspace: &Workspace) -> Result<Option<Tally>, String> {
    workspace.cargo(&format!("build {RELEASE} --bins"))?;
    if !setup::has_tun() {
        eprintln!("this kernel offers no TUN, so nothing is tested against it");
        return Ok(None);
    }
    workspace.cargo_tests(&format!("test {RELEASE} --test interop -- --test-threads=1")).map(Some)
}
