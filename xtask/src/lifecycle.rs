//! The step `lifecycle`: the unit and scenario tests of the lifecycle, run once more by themselves, stay quick.
//!
//! They are the tests of the stack (`crates/proto`) and of the simulator (`crates/sim`): no network, no clock but the
//! virtual one. Whoever changes a rule of opening or closing runs them after each edit, and 20 s is what such a reader
//! waits. Processor time is what is held, because a busy machine stretches every other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Tally, Workspace};

/// The manifests of the packages that are meant.
const PACKAGES: [&str; 2] = ["crates/proto/Cargo.toml", "crates/sim/Cargo.toml"];

/// What they may take, in seconds of one processor: 20 s on each of the two that this project counts on.
const SECONDS: f64 = 40.0;

/// Ticks in a second in `/proc`, on every architecture of Linux that runs these steps.
const TICKS: f64 = 100.0;

/// A program of tests and the folder cargo would run it in.
#[derive(Debug, PartialEq)]
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

/// Runs them and holds their processor time.
pub(crate) fn run(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let programs = programs(workspace)?;
    let before = processor_seconds()?;
    let mut tally = Tally::default();
    for program in &programs {
        let mut command = Command::new(&program.path);
        command.arg("--quiet").current_dir(&program.folder);
        tally.add(&workspace.tests(&program.path.display().to_string(), command)?);
    }
    let took = processor_seconds()? - before;
    println!("{} programs of tests took {took:.1} s of a processor; {SECONDS} s are allowed", programs.len());
    within(took)?;
    Ok(Some(tally))
}

fn within(took: f64) -> Result<(), String> {
    if took > SECONDS {
        return Err(format!(
            "the tests of the lifecycle took {took:.1} s of a processor, more than {SECONDS}: \
             `cargo nextest run -p linger-proto -p linger-sim` names the slow ones"
        ));
    }
    Ok(())
}

/// Builds them as the step `test` does, so that nothing is built twice, and asks cargo where they are.
fn programs(workspace: &Workspace) -> Result<Vec<Program>, String> {
    let arguments =
        "test --locked --workspace --exclude interop --lib --tests --no-run --message-format json";
    let mut command = workspace.cargo_command(arguments);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("`cargo {arguments}` ended with {}", output.status));
    }
    let programs: Vec<Program> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(program).collect();
    match programs.is_empty() {
        true => Err("cargo names no program of tests of crates/proto and crates/sim".to_owned()),
        false => Ok(programs),
    }
}

/// What one of cargo's messages says of a program of tests of these packages.
fn program(message: &str) -> Option<Program> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    if !PACKAGES.iter().any(|package| manifest.ends_with(package)) || !message["profile"]["test"].as_bool()? {
        return None;
    }
    let path = PathBuf::from(message["executable"].as_str()?);
    Some(Program { path, folder: manifest.parent()?.to_owned() })
}

/// The processor time of every command that has ended so far.
fn processor_seconds() -> Result<f64, String> {
    let stat =
        std::fs::read_to_string("/proc/self/stat").map_err(|error| format!("/proc/self/stat: {error}"))?;
    of_children(&stat).ok_or_else(|| format!("/proc/self/stat reads {stat}"))
}

/// The 16th and 17th field, `cutime` and `cstime` of proc(5). The second is a name in brackets that may hold anything.
fn of_children(stat: &str) -> Option<f64> {
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(16)? + ticks(17)?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_of_children_is_read_past_a_name_with_brackets() {
        let stat = "7 (a ) b) S 1 1 1 0 -1 4194560 10 20 0 0 5 6 1250 250 20 0 1 0 100";
        assert_eq!(of_children(stat), Some(15.0));
        assert_eq!(of_children("7 (xtask) S 1"), None);
    }

    #[test]
    fn more_processor_time_than_allowed_is_red() {
        assert!(within(SECONDS).is_ok());
        assert!(within(SECONDS + 0.1).is_err_and(|why| why.contains("40.1 s")));
    }

    #[test]
    fn programs_of_tests_of_the_two_packages_are_taken_and_no_others() {
        let message = |folder: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/x/{folder}/Cargo.toml","profile":{{"test":{test}}},"executable":"/t/{folder}"}}"#
            )
        };
        let taken = program(&message("crates/sim", true));
        let wanted = Program { path: "/t/crates/sim".into(), folder: "/x/crates/sim".into() };
        assert_eq!(taken, Some(wanted));
        assert_eq!(program(&message("crates/sim", false)), None);
        assert_eq!(program(&message("crates/cli", true)), None);
        assert_eq!(program("no message"), None);
    }
}
