//! A child process, what it printed, and its certain end.

use crate::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A child process whose output is kept, line by line. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a process ended and all it printed, both streams as they came.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output and standard error, mixed by line.
    pub output: String,
}

impl Running {
    /// Starts `command` with all three streams captured.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let what = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        let readers = streams.into_iter().flatten().map(|stream| keep(stream, Arc::clone(&lines))).collect();
        Self { what, stdin: child.stdin.take(), child, lines, readers }
    }

    /// The process: `ip netns exec` has become the command itself.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Lines printed so far.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for a line that contains `part`, the first `seen` lines left out, and returns it.
    ///
    /// # Panics
    ///
    /// When none comes within `limit`, or the process ends first.
    #[track_caller]
    pub fn wait_for_line_after(&mut self, seen: usize, part: &str, limit: Duration) -> String {
        let found = wait::for_some(limit, || {
            // Asked before looking: what an ended process has printed is complete once its readers are through.
            let ended = matches!(self.child.try_wait(), Ok(Some(_)))
                && self.readers.iter().all(JoinHandle::is_finished);
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines.iter().skip(seen).find(|line| line.contains(part)).cloned();
            if line.is_some() || ended { Some(line) } else { None }
        });
        found
            .flatten()
            .unwrap_or_else(|| panic!("{}: no line with {part:?} in:\n{}", self.what, self.output()))
    }

    /// Waits for a line that contains `part`: see [`Running::wait_for_line_after`].
    #[track_caller]
    pub fn wait_for_line(&mut self, part: &str, limit: Duration) -> String {
        self.wait_for_line_after(0, part, limit)
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    ///
    /// When it does not read any more.
    pub fn tell(&mut self, line: &str) {
        let told = self.stdin.as_mut().map(|stdin| writeln!(stdin, "{line}"));
        assert!(matches!(told, Some(Ok(()))), "{}: does not listen", self.what);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end within `limit`.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Finished {
        self.stdin = None;
        let status = wait::for_some(limit, || self.child.try_wait().ok().flatten());
        let status = status.unwrap_or_else(|| {
            panic!("{}: did not end within {limit:?}; it said:\n{}", self.what, self.output())
        });
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        Finished { status, output: self.output() }
    }

    /// Waits for its end and returns all it printed.
    ///
    /// # Panics
    ///
    /// When it does not end within `limit`, or its exit status is not zero.
    #[track_caller]
    pub fn succeed(self, limit: Duration) -> String {
        let what = self.what.clone();
        let finished = self.finish(limit);
        assert!(finished.status.success(), "{what}: {}\n{}", finished.status, finished.output);
        finished.output
    }

    /// Processor time it has used, all threads, user and system together.
    ///
    /// # Panics
    ///
    /// When it has ended.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the process runs");
        // The name, in parentheses, may contain anything; the fields behind it are numbers.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        // Fields 14 and 15 of proc(5), in hundredths of a second on every architecture Linux has.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(stream: Box<dyn Read + Send>, lines: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|octets| octets > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            line.clear();
        }
    })
}
