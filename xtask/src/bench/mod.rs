//! `cargo xtask bench`: linger and its peers on the same work, in interleaved rounds.
//!
//! | file | what |
//! |---|---|
//! | `plan.rs` | what a measurement is |
//! | `memory.rs`, `memory_targets.rs`, `shards.rs`, `tun.rs` | the suites: measurements, ratios, targets, charts |
//! | `build.rs` | builds the programs; a peer that cannot be built is absent, with the reason |
//! | `run.rs` | runs one measurement once |
//! | `proof.rs` | the harness proves itself before it measures anything |
//! | `samples.rs` | figures of rounds become medians and ratios |
//! | `results.rs` | `docs/performance/results.json` |
//! | `page.rs`, `page.md`, `chart.rs` | `docs/performance/README.md` and its bar charts |

mod build;
mod chart;
mod memory;
mod memory_targets;
mod page;
mod plan;
mod proof;
mod results;
mod run;
mod samples;
mod shards;
mod tun;

use crate::run::Workspace;
use build::Built;
use page::Page;
use plan::{Measure, Suite};
use samples::Samples;
use std::io::{IsTerminal as _, Write as _};
use std::process::Command;
use std::time::Instant;

pub(crate) use run::{count, value};

const SUITES: [Suite; 3] = [memory::SUITE, shards::SUITE, tun::SUITE];

/// Rounds when nobody says otherwise.
const ROUNDS: u32 = 5;

const HELP: &str = "\
cargo xtask bench [NAME]... [--rounds N] [--print]

Measures linger and its peers on the same work, in interleaved rounds, and writes docs/performance: results.json, README.md
and charts. Without NAME everything is measured; NAME is a suite, a topic or a metric. Rows that are not measured stay as
they were, with their date. What is missing is installed where that is possible; a peer that cannot be built is left out.

  --list       names suites, topics and metrics
  --rounds N   rounds; 5 unless given, and fewer than that prove nothing
  --print      prints the table and writes nothing

examples: cargo xtask bench lifecycle --rounds 3 --print
          cargo xtask bench tun
";

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Options {
    names: Vec<String>,
    rounds: u32,
    print: bool,
}

/// Runs `cargo xtask bench` with `words`; the exit status.
pub(crate) fn bench(words: &[&str]) -> u8 {
    if words.iter().any(|word| ["--help", "-h", "help"].contains(word)) {
        print!("{HELP}");
        return crate::GREEN;
    }
    if words == ["--list"] {
        print!("{}", list());
        return crate::GREEN;
    }
    let options = match parse(words) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("{reason}\n\n{HELP}");
            return crate::USAGE;
        }
    };
    match Workspace::find().and_then(|workspace| measure_all(&workspace, &options)) {
        Ok(()) => crate::GREEN,
        Err(reason) => {
            eprintln!("{reason}");
            crate::RED
        }
    }
}

fn parse(words: &[&str]) -> Result<Options, String> {
    let mut options = Options { names: Vec::new(), rounds: ROUNDS, print: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--print" => options.print = true,
            "--rounds" => {
                let rounds = words.next().and_then(|word| word.parse().ok()).filter(|rounds| *rounds > 0);
                options.rounds = rounds.ok_or("--rounds needs a number")?;
            }
            flag if flag.starts_with('-') => return Err(format!("no such option: {flag}")),
            name => options.names.push(name.to_owned()),
        }
    }
    if let Some(name) = options.names.iter().find(|name| selected(&[(*name).clone()]).is_empty()) {
        return Err(format!("nothing is called {name}: see --list"));
    }
    Ok(options)
}

/// The measurements that `names` ask for; all of them when there is no name. A ratio asks for both its sides.
fn selected(names: &[String]) -> Vec<&'static Measure> {
    let mut found = Vec::new();
    for suite in &SUITES {
        for measure in suite.measures {
            let gives = |metric: &str, subject: &str| {
                measure.subject == subject && measure.metrics().contains(&metric)
            };
            let asked = |name: &String| {
                let ratio = suite
                    .ratios
                    .iter()
                    .filter(|ratio| ratio.metric == name)
                    .any(|ratio| gives(ratio.of.0, ratio.of.1) || gives(ratio.to.0, ratio.to.1));
                ratio
                    || name == suite.name
                    || name == measure.topic
                    || measure.metrics().contains(&name.as_str())
            };
            if names.is_empty() || names.iter().any(asked) {
                found.push(measure);
            }
        }
    }
    found
}

fn list() -> String {
    let mut out = String::new();
    for suite in &SUITES {
        out.push_str(&format!("{}: {}\n", suite.name, suite.about));
        let mut topics: Vec<&str> = suite.measures.iter().map(|measure| measure.topic).collect();
        topics.dedup();
        for topic in topics {
            let mut metrics: Vec<&str> = Vec::new();
            for metric in
                suite.measures.iter().filter(|measure| measure.topic == topic).flat_map(Measure::metrics)
            {
                if !metrics.contains(&metric) {
                    metrics.push(metric);
                }
            }
            out.push_str(&format!("  {topic:<13} {}\n", metrics.join(" ")));
        }
        let ratios: Vec<&str> = suite.ratios.iter().map(|ratio| ratio.metric).collect();
        out.push_str(&format!("  ratios        {}\n", ratios.join(" ")));
    }
    out
}

fn measure_all(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let measures = selected(&options.names);
    let built = Built::build(workspace, &measures)?;
    eprintln!("── the harness proves itself");
    proof::prove(&built)
        .map_err(|reason| format!("VOID: nothing was measured and nothing is written.\n{reason}"))?;
    let mut samples = Samples::default();
    let failures = rounds(&measures, &built, options.rounds, &mut samples);
    SUITES.iter().for_each(|suite| samples.add_ratios(suite.ratios));
    let (date, machine) = (line_of("date", &["-u", "+%F"]), machine());
    let rows = results::rows(&samples, &date);
    print!("{}", table(&rows));
    let mut absent: Vec<String> =
        built.absent().iter().map(|(home, reason)| format!("{}: {reason}", home.name())).collect();
    absent.extend(failures);
    absent.iter().for_each(|line| eprintln!("absent: {line}"));
    if options.print {
        return Ok(());
    }
    let folder = workspace.root.join("docs/performance");
    let file = folder.join("results.json");
    let rows = results::merge(results::read(&file)?, rows);
    results::write(&file, &results::text(&rows))?;
    let page = Page { suites: &SUITES, rows: &rows, date: &date, machine: &machine, absent: &absent };
    results::write(&folder.join("README.md"), &page.text())?;
    for chart in SUITES.iter().flat_map(|suite| suite.charts) {
        if let Some(drawn) = chart::svg(chart, &rows) {
            results::write(&folder.join(chart.file), &drawn)?;
        }
    }
    eprintln!("written: {}", folder.display());
    Ok(())
}

/// Every round runs each measurement once, those whose figures are exact in the first one only. What failed comes back,
/// and is not tried again.
fn rounds(measures: &[&Measure], built: &Built, rounds: u32, samples: &mut Samples) -> Vec<String> {
    let mut failures: Vec<(usize, String)> = Vec::new();
    for round in 0..rounds {
        for (index, measure) in measures.iter().enumerate() {
            let failed = failures.iter().any(|(failed, _)| *failed == index);
            if failed || (measure.is_once() && round > 0) {
                continue;
            }
            let name = format!("{} {} {}", measure.subject, measure.program.name, measure.words);
            progress(&format!("round {}/{rounds}, {}/{}: {name}", round + 1, index + 1, measures.len()));
            let began = Instant::now();
            match run::run(measure, built) {
                Ok(figures) => figures.into_iter().for_each(|figure| samples.add(round, figure)),
                Err(reason) => failures.push((index, format!("{name}: {reason}"))),
            }
            if began.elapsed().as_secs() >= 60 {
                progress(&format!("{name}: {:.0} s\n", began.elapsed().as_secs_f64()));
            }
        }
    }
    progress("");
    failures.into_iter().map(|(_, line)| line).collect()
}

/// One line that is written over by the next on a terminal, and stays elsewhere.
fn progress(line: &str) {
    let mut err = std::io::stderr();
    let cut: String = line.chars().take(110).collect();
    let _ = if err.is_terminal() { write!(err, "\r\x1b[2K{cut}") } else { writeln!(err, "{cut}") };
    let _ = err.flush();
}

fn table(rows: &[results::Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let [median, least, most] = [row.median, row.min, row.max].map(chart::readable);
        let spread = if row.rounds > 1 { format!("[{least} - {most}]") } else { String::new() };
        out.push_str(&format!(
            "{:<42} {:<24} {median:>12} {:<12} {spread}\n",
            row.metric, row.subject, row.unit
        ));
    }
    out
}

/// Processor, how many of it, kernel and compiler.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{count} processors ({}), Linux {}, {}",
        model.unwrap_or("of an unknown kind").trim(),
        line_of("uname", &["-r"]),
        line_of("rustc", &["--version"])
    )
}

fn line_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_a_suite_a_topic_a_metric_or_both_sides_of_a_ratio() {
        let count = |name: &str| selected(&[name.to_owned()]).len();
        let suites: usize = SUITES.iter().map(|suite| count(suite.name)).sum();
        assert_eq!(suites, selected(&[]).len());
        assert!(count("lifecycle") < count("memory"));
        assert!(selected(&["idle_bytes".to_owned()]).iter().all(|measure| measure.topic == "footprint"));
        let ratio = selected(&["lifecycle_idle_1m_ratio".to_owned()]);
        assert_eq!(
            ratio.iter().map(|measure| measure.words).collect::<Vec<_>>(),
            ["life 60000 0", "life 60000 1000000"]
        );
    }

    #[test]
    fn words_that_mean_nothing_are_refused() {
        assert!(
            parse(&["nonsense"]).is_err()
                && parse(&["--rounds", "0"]).is_err()
                && parse(&["--fast"]).is_err()
        );
        let expected = Options { names: vec!["bulk".to_owned()], rounds: 3, print: true };
        assert_eq!(parse(&["bulk", "--rounds", "3", "--print"]), Ok(expected));
    }

    #[test]
    fn every_ratio_target_and_chart_is_about_something_that_is_measured() {
        for suite in &SUITES {
            let rows = suite.measures.iter().any(|measure| measure.yields == plan::Yields::Rows);
            let gives = |metric: &str, subject: &str| {
                let measure =
                    |measure: &Measure| measure.subject == subject && measure.metrics().contains(&metric);
                rows || suite.measures.iter().any(measure)
                    || suite.ratios.iter().any(|ratio| ratio.metric == metric && ratio.subject == subject)
            };
            for ratio in suite.ratios {
                assert!(gives(ratio.of.0, ratio.of.1) && gives(ratio.to.0, ratio.to.1), "{}", ratio.metric);
            }
            for target in suite.targets {
                assert!(gives(target.metric, target.subject), "{}", target.metric);
            }
            for chart in suite.charts {
                assert!(gives(chart.metric, "linger"), "{}", chart.metric);
            }
        }
    }
}
