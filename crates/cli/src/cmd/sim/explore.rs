//! `linger sim explore`: an exhaustive search for what must never happen to a connection.

use crate::cmd::print;
use crate::error::{Error, Result};
use crate::file::{self, Place};
use linger_sim::explore::{
    Counterexample, Kind, LIFETIME, Limits, MSL, MSL_MAX, Outcome, Plan, Progress, Reached, Script, coverage,
    ladder, plan, run as run_searches, svg,
};
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Search every way in which two hosts can live through a connection and the next one on the same tuple, for an orderly
/// close that turned into an error, text of the wrong connection, and anything left over.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status: 0 when nothing was found that must not happen, 1 when something was, 2 when the call was wrong.

Examples:
  linger sim explore                          up to one fault in each run: a few minutes
  linger sim explore --without-time-wait      finds both failures that TIME-WAIT prevents: seconds
  linger sim explore --full --states 150000   everything at once, ten million states: a quarter of an hour
  linger sim explore --without-time-wait --scripts . && linger sim explore --replay text-of-another-incarnation.txt")]
pub(crate) struct Args {
    /// Leave out TIME-WAIT: a maximum segment lifetime of zero.
    #[arg(long, conflicts_with = "msl")]
    without_time_wait: bool,
    /// The maximum segment lifetime that the hosts believe in, milliseconds. Default 2500; the truth about the
    /// link is 1500.
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    msl: Option<Duration>,
    /// Everything: two losses, two duplicates, a delayed segment, an early timer and a stray SYN in one run;
    /// depth first, since that is more than can be seen.
    #[arg(long)]
    full: bool,
    /// Faults of all kinds in one run.
    #[arg(long, value_name = "N", conflicts_with = "full", default_value_t = 1)]
    faults: u8,
    /// Most states of each of the searches.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = at_least_one)]
    states: usize,
    /// Most steps from the beginning.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least_one)]
    depth: usize,
    /// Searches at a time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one)]
    jobs: usize,
    /// Draw which edges of RFC 9293 Figure 5 were taken.
    #[arg(long, value_name = "OUT.svg")]
    svg: Option<PathBuf>,
    /// Write a script of each counterexample into this directory.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
    /// Replay a script instead.
    #[arg(long, value_name = "FILE", exclusive = true)]
    replay: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(path) = &args.replay {
        return replay(path);
    }
    // Found out before the search, not after it.
    let drawing = args.svg.as_deref().map(|path| Place::new("the drawing", path)).transpose()?;
    if let Some(directory) = &args.scripts {
        file::check_directory("scripts", directory)?;
    }
    let msl = match args.msl {
        Some(msl) => msl,
        None if args.without_time_wait => Duration::ZERO,
        None => MSL,
    };
    let faults = if args.full { u8::MAX } else { args.faults };
    let scenarios = plan(&Plan { msl, losses: 2, duplicates: 2, delayed: 1, early: 1, strays: 1, faults });
    // Without TIME-WAIT the question is whether both of its failures are found, not what else there is.
    let both = [Kind::OrderlyCloseFailed, Kind::ForeignText];
    let wanted: &[Kind] = if msl * 2 < LIFETIME { &both } else { &[] };
    let progress = Progress::default();
    let limits = Limits { states: args.states, depth: args.depth, deep: args.full };
    let began = Instant::now();
    let outcome = std::thread::scope(|scope| {
        let search = scope.spawn(|| run_searches(&scenarios, limits, args.jobs, wanted, &progress));
        while !search.is_finished() {
            std::thread::park_timeout(Duration::from_millis(200));
            tell(&progress, scenarios.len(), began);
        }
        search.join()
    });
    tell_end();
    let outcome = outcome.map_err(|_| Error::failed("the search has panicked: a fault of the explorer"))?;
    let text = report(&outcome, scenarios.len(), began.elapsed(), args.scripts.as_deref())?;
    print(&text)?;
    // What was found is told, whatever becomes of the files.
    if let Some(place) = drawing {
        place.write(svg(&outcome.edges).as_bytes())?;
    }
    if let Some(directory) = &args.scripts {
        for found in outcome.found.values() {
            let place = Place::new("the script", &script_path(directory, found))?;
            place.write(format!("# {}\n{}", found.violation, Script::from(found)).as_bytes())?;
        }
    }
    Ok(if outcome.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A search that may see nothing would have nothing to say.
fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number from 1 on is wanted".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// A maximum segment lifetime that the hosts take.
fn milliseconds(text: &str) -> std::result::Result<Duration, String> {
    let ms = text.parse().map(Duration::from_millis).ok().filter(|ms| *ms <= MSL_MAX);
    ms.ok_or_else(|| format!("'{text}' is no number of milliseconds up to ten days"))
}

/// One line on stderr that is written again and again, for people only.
fn tell(progress: &Progress, searches: usize, began: Instant) {
    if io::stderr().is_terminal() {
        let (states, done) =
            (progress.states.load(Ordering::Relaxed), progress.searches.load(Ordering::Relaxed));
        eprint!("\r{states} states, {done} of {searches} searches, {} s ", began.elapsed().as_secs());
    }
}

fn tell_end() {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn report(outcome: &Outcome, searches: usize, took: Duration, scripts: Option<&Path>) -> Result<String> {
    let mut text = String::new();
    for found in outcome.found.values() {
        describe(&mut text, "VIOLATION", found)?;
        if let Some(directory) = scripts {
            let _infallible = writeln!(text, "script: {}\n", script_path(directory, found).display());
        }
    }
    for (exception, found) in &outcome.exceptions {
        let _infallible = writeln!(
            text,
            "known exception, after {} steps and {} times in all: {}",
            found.actions.len(),
            outcome.excused.get(exception).copied().unwrap_or(0),
            found.violation
        );
    }
    for edge in coverage(&outcome.edges) {
        let what = match edge.reached {
            Reached::Yes => continue,
            Reached::Absent(reason) => format!("does not exist here: {reason}"),
            Reached::No => "was not taken".to_owned(),
        };
        let _infallible = writeln!(text, "Figure 5: {} -> {} ({}) {what}", edge.from, edge.to, edge.by);
    }
    let within = if outcome.complete { "everything within the bound" } else { "cut short by a limit" };
    let _infallible = writeln!(
        text,
        "{} states, {} steps between them, longest way {} steps, {searches} searches, {within}, {:.1} s",
        outcome.states,
        outcome.steps,
        outcome.depth,
        took.as_secs_f64()
    );
    let verdict = match outcome.found.len() {
        0 => "no violation".to_owned(),
        1 => "1 kind of violation".to_owned(),
        kinds => format!("{kinds} kinds of violation"),
    };
    let _infallible = writeln!(text, "{verdict}");
    Ok(text)
}

/// A counterexample: what it is, where, and its ladder.
fn describe(text: &mut String, title: &str, found: &Counterexample) -> Result {
    let (ladder, _) = ladder(&Script::from(found)).map_err(Error::failed)?;
    let _infallible = writeln!(
        text,
        "{title}: {}, after {} steps\nin: {}\n\n{ladder}",
        found.violation,
        found.actions.len(),
        found.scenario
    );
    Ok(())
}

fn script_path(directory: &Path, found: &Counterexample) -> PathBuf {
    directory.join(file_name(found.violation.kind))
}

const fn file_name(kind: Kind) -> &'static str {
    match kind {
        Kind::OrderlyCloseFailed => "orderly-close-failed.txt",
        Kind::ForeignText => "text-of-another-incarnation.txt",
        Kind::FalseEnd => "false-end-of-text.txt",
        Kind::Ghost => "ghost.txt",
        Kind::OpeningFailed => "opening-failed.txt",
        Kind::LeftOver => "left-over.txt",
        Kind::Stuck => "stuck.txt",
    }
}

/// The longest way has a few hundred steps, a short line each.
const SCRIPT_MAX: u64 = 1 << 20;

fn replay(path: &Path) -> Result<ExitCode> {
    let cannot = |why: String| {
        Error::usage(format!("cannot read the script '{}': {why}; name a file", path.display()))
    };
    let octets = file::read_at_most(path, SCRIPT_MAX).map_err(cannot)?;
    let text = String::from_utf8(octets).map_err(|_| cannot("it is not text".to_owned()))?;
    let wrong = |why: String| Error::usage(format!("'{}' cannot be replayed: {why}", path.display()));
    let script: Script = text.parse().map_err(wrong)?;
    let (ladder, violation) = ladder(&script).map_err(wrong)?;
    let verdict = violation.map_or_else(|| "no violation".to_owned(), |violation| violation.to_string());
    print(&format!("{ladder}\n{verdict}\n"))?;
    Ok(if violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
