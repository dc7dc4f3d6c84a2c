//! README.md against the workspace it describes.

use super::{Finding, Tree};

const PATH: &str = "README.md";
/// So that it is read to its end.
const LINES: usize = 150;
/// The first two commands, in this order: the main job, and every test.
const FIRST: [&str; 2] = ["cargo run --release -- tour", "cargo xtask ci"];

pub(super) fn check(tree: &Tree, steps: &[&str], findings: &mut Vec<Finding>) {
    let mut push = |line: usize, item: &str, message: String| {
        findings.push(Finding {
            rule: "readme",
            path: PATH.to_owned(),
            line,
            item: item.to_owned(),
            message,
        });
    };
    let Some(text) = &tree.readme else {
        push(0, "missing", "there is no README.md".to_owned());
        return;
    };
    let lines = text.lines().count();
    if lines > LINES {
        push(0, "length", format!("{lines} lines, at most {LINES}"));
    }
    let commands = commands(text);
    for (index, wanted) in FIRST.iter().enumerate() {
        if commands.get(index).is_none_or(|(_, command)| command != wanted) {
            push(0, wanted, format!("command {} must be `{wanted}`", index + 1));
        }
    }
    let crates = crate_names(tree);
    for (line, command) in &commands {
        if let Some(message) = wrong(tree, steps, &crates, command) {
            push(*line, command, message);
        }
    }
    for (name, folder) in &crates {
        if !text.contains(&format!("`{name}`")) {
            push(0, name, format!("does not name the crate of {folder}"));
        }
    }
    for (number, line) in text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| name.starts_with("linger-")) {
            if !crates.iter().any(|(known, _)| known == name) {
                push(number + 1, name, "names a crate that is not in crates/".to_owned());
            }
        }
        if let Some(message) = version_message(tree, line) {
            push(number + 1, "version", message);
        }
    }
}

/// Lines of shell blocks that begin with cargo, without a comment behind them.
fn commands(text: &str) -> Vec<(usize, String)> {
    let mut fence = None;
    let mut commands = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language) };
        } else if matches!(fence, Some("sh" | "console" | "bash")) {
            let line = line.trim_start_matches("$ ").trim_start_matches("sudo ");
            let command = line.split("  #").next().unwrap_or_default().trim();
            if command.starts_with("cargo ") {
                commands.push((number + 1, command.to_owned()));
            }
        }
    }
    commands
}

/// Names of the crates in `crates/`, with their folders.
fn crate_names(tree: &Tree) -> Vec<(String, String)> {
    let own = tree.manifests.iter().filter(|(path, _)| path.starts_with("crates/"));
    own.filter_map(|(path, text)| Some((value(text, "name")?.to_owned(), path.clone()))).collect()
}

/// The text behind `key =` in a manifest, without quotes.
fn value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    manifest
        .lines()
        .find_map(|line| Some(line.strip_prefix(key)?.trim().strip_prefix('=')?.trim().trim_matches('"')))
}

/// Why the command cannot work, if it cannot.
fn wrong(tree: &Tree, steps: &[&str], crates: &[(String, String)], command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    if let ["cargo", "xtask", step, ..] = words.as_slice()
        && *step != "ci"
        && !steps.contains(step)
    {
        return Some(format!("`{step}` is no step of xtask"));
    }
    for pair in words.windows(2) {
        let (option, name) = (pair.first().copied()?, pair.get(1).copied()?);
        let known = match option {
            "-p" | "--package" => {
                crates.iter().any(|(known, _)| known == name)
                    || tree.manifest(&format!("{name}/Cargo.toml")).is_some()
            }
            "--example" => {
                tree.rust.iter().any(|source| source.path.ends_with(&format!("/examples/{name}.rs")))
            }
            "--" if words.get(1) == Some(&"run") && !words.contains(&"--example") => {
                tree.has_file(&format!("crates/cli/src/cmd/{name}.rs"))
                    || tree.has_file(&format!("crates/cli/src/cmd/{name}/mod.rs"))
            }
            _ => true,
        };
        if !known {
            return Some(format!("`{option} {name}` does not exist"));
        }
    }
    None
}

/// A line that gives our version or Rust's, and the wrong one.
fn version_message(tree: &Tree, line: &str) -> Option<String> {
    let manifest = tree.manifest("Cargo.toml")?;
    let named = |before: &str| {
        let rest = line.split_once(before)?.1;
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).map(|version| version.trim_end_matches('.')).filter(|version| !version.is_empty())
    };
    let rust = value(manifest, "rust-version")?;
    if let Some(version) = named("Rust ").filter(|version| *version != rust) {
        return Some(format!("says Rust {version}, Cargo.toml says {rust}"));
    }
    let own = value(manifest, "version")?;
    named("linger = \"")
        .filter(|version| !own.starts_with(version))
        .map(|version| format!("says linger {version}, Cargo.toml says {own}"))
}
