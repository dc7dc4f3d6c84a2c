//! Starts commands in the root of the workspace and counts the tests they report.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

/// The checkout.
pub(crate) struct Workspace {
    /// Its root.
    pub(crate) root: PathBuf,
}

/// What the summary lines of test runs add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    filtered: u64,
    seconds: f64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.failed == 0 { "ok" } else { "FAILED" };
        write!(
            f,
            "test result: {word}. {} passed; {} failed; {} ignored; 0 measured; {} filtered out; finished in {:.2}s",
            self.passed, self.failed, self.ignored, self.filtered, self.seconds
        )
    }
}

impl Tally {
    /// Adds what another run reported.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.filtered += other.filtered;
        self.seconds += other.seconds;
    }

    /// Adds the figures of `line` when it is a summary of `cargo test` or of nextest.
    fn count(&mut self, line: &str) {
        let line = line.trim_start();
        if !line.starts_with("test result: ") && !line.starts_with("Summary [") {
            return;
        }
        let mut before = "";
        for word in line.split_whitespace() {
            let figure = before.parse().unwrap_or(0);
            match word.trim_end_matches([';', ',']) {
                "passed" => self.passed += figure,
                "failed" => self.failed += figure,
                "ignored" | "skipped" => self.ignored += figure,
                "filtered" => self.filtered += figure,
                _ => {}
            }
            before = word;
        }
    }
}

impl Workspace {
    /// The workspace that this program was built from.
    pub(crate) fn find() -> Result<Self, String> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        match own.parent() {
            Some(root) if root.join("Cargo.toml").is_file() => Ok(Self { root: root.to_owned() }),
            _ => Err(format!("the workspace is not at {} any more: build xtask again", own.display())),
        }
    }

    /// Runs `cargo` with `arguments`.
    pub(crate) fn cargo(&self, arguments: &str) -> Result<(), String> {
        self.cargo_with(arguments, &[])
    }

    /// Runs `cargo` with `arguments` and more environment.
    pub(crate) fn cargo_with(&self, arguments: &str, environment: &[(&str, &str)]) -> Result<(), String> {
        let mut command = self.cargo_command(arguments);
        command.envs(environment.iter().copied());
        judge(&format!("cargo {arguments}"), command.status())
    }

    /// Runs `cargo` with `arguments`, shows what it prints and adds up its test summaries.
    pub(crate) fn cargo_tests(&self, arguments: &str) -> Result<Tally, String> {
        self.tests(&format!("cargo {arguments}"), self.cargo_command(arguments))
    }

    /// Runs `command`, which is `name` to the reader, shows what it prints and adds up its test summaries.
    pub(crate) fn tests(&self, name: &str, mut command: Command) -> Result<Tally, String> {
        let began = Instant::now();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("`{name}` does not start: {error}"))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut tally = std::thread::scope(|scope| {
            let other = scope.spawn(|| err.map(|err| copy(err, std::io::stderr())).unwrap_or_default());
            let mut tally = out.map(|out| copy(out, std::io::stdout())).unwrap_or_default();
            tally.add(&other.join().unwrap_or_default());
            tally
        });
        tally.seconds = began.elapsed().as_secs_f64();
        judge(name, child.wait())?;
        if tally.passed == 0 {
            return Err(format!("`{name}` reported no test"));
        }
        Ok(tally)
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> Result<PathBuf, String> {
        let own = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
        // TARGET/PROFILE/xtask
        Ok(own.ancestors().nth(2).unwrap_or(&self.root).to_owned())
    }

    /// Whether the cargo sub-command `name` is installed.
    pub(crate) fn has_cargo(&self, name: &str) -> bool {
        let mut command = self.cargo_command(name);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// `cargo` with `arguments`, in the root of the workspace.
    pub(crate) fn cargo_command(&self, arguments: &str) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).args(arguments.split_whitespace());
        command
    }
}

fn judge(name: &str, status: std::io::Result<ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{name}` ended with {status}")),
        Err(error) => Err(format!("`{name}` does not start: {error}")),
    }
}

/// Copies line by line, counting.
fn copy(from: impl Read, mut to: impl Write) -> Tally {
    let mut tally = Tally::default();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|octets| octets > 0) {
        tally.count(&String::from_utf8_lossy(&line));
        // A closed terminal is no reason to stop counting.
        let _ = to.write_all(&line);
        line.clear();
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_cargo_test_and_of_nextest_add_up() {
        let mut tally = Tally::default();
        tally.count(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
        );
        tally.count("     Summary [   0.015s] 5 tests run: 3 passed, 2 failed, 4 skipped");
        tally.count("test tally ... ok");
        assert_eq!(tally, Tally { passed: 15, failed: 2, ignored: 5, filtered: 2, seconds: 0.0 });
    }

    #[test]
    fn a_tally_reads_like_the_summary_of_cargo_test() {
        let tally = Tally { passed: 3, failed: 0, ignored: 0, filtered: 1, seconds: 1.5 };
        assert_eq!(
            tally.to_string(),
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 1.50s"
        );
    }

    #[test]
    fn copied_output_is_unchanged() {
        let text = "a\nSummary [ 1s] 1 test run: 1 passed, 0 skipped\nno newline";
        let mut out = Vec::new();
        let tally = copy(text.as_bytes(), &mut out);
        assert_eq!((out.as_slice(), tally.passed), (text.as_bytes(), 1));
    }
}
