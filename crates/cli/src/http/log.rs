//! One line for each request, on stdout. Requests only append to a buffer; a thread of its own writes it out, so
//! that neither a slow terminal nor one `write` a line holds up the network.

use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Octets that may wait for a reader of stdout; past it lines are counted instead of kept.
const WAITING_MAX: usize = 4 << 20;

/// The log of requests. Cheap to clone; [`AccessLog::finish`] writes out what is left.
#[derive(Clone)]
pub(crate) struct AccessLog {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    waiting: String,
    lost: u64,
    finished: bool,
}

impl AccessLog {
    /// A log that says nothing.
    pub(crate) fn silent() -> Self {
        Self { shared: None }
    }

    /// A log on stdout.
    pub(crate) fn stdout() -> std::io::Result<Self> {
        Self::to(std::io::stdout())
    }

    fn to(out: impl std::io::Write + Send + 'static) -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), writer: Mutex::new(None) });
        let for_writer = Arc::clone(&shared);
        let writer =
            std::thread::Builder::new().name("log".into()).spawn(move || for_writer.write_out(out))?;
        *lock(&shared.writer) = Some(writer);
        Ok(Self { shared: Some(shared) })
    }

    /// A log that a test can read.
    #[cfg(test)]
    pub(super) fn to_memory() -> (Self, impl Fn() -> String) {
        let out = tests::Out::default();
        let log = Self::to(out.clone()).expect("thread");
        (log, move || out.text())
    }

    /// Appends one line. Never waits for the reader of stdout.
    pub(crate) fn line(&self, line: std::fmt::Arguments<'_>) {
        let Some(shared) = &self.shared else { return };
        let mut state = lock(&shared.state);
        if state.waiting.len() >= WAITING_MAX {
            state.lost += 1;
            return;
        }
        // The writer sleeps only on an empty buffer: one wake-up serves a whole burst.
        let asleep = state.waiting.is_empty();
        // Writing to a String cannot fail.
        let _ = state.waiting.write_fmt(line);
        state.waiting.push('\n');
        drop(state);
        if asleep {
            shared.changed.notify_one();
        }
    }

    /// Writes out what is left and ends the thread.
    pub(crate) fn finish(&self) {
        let Some(shared) = &self.shared else { return };
        lock(&shared.state).finished = true;
        shared.changed.notify_one();
        let writer = lock(&shared.writer).take();
        if let Some(writer) = writer {
            // The writer cannot panic; if it did, there is nothing left to save.
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// The thread: takes everything that waits and writes it in one go.
    fn write_out(&self, mut out: impl std::io::Write) {
        let mut taken = String::new();
        loop {
            let mut state = lock(&self.state);
            while state.waiting.is_empty() && state.lost == 0 && !state.finished {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.waiting.is_empty() && state.lost == 0 {
                return;
            }
            std::mem::swap(&mut taken, &mut state.waiting);
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            // A reader that has gone away (EPIPE) wants no log; serving goes on.
            let _ = out.write_all(taken.as_bytes());
            taken.clear();
            if lost > 0 {
                let _ = writeln!(out, "({lost} requests not logged: the reader of this log is too slow)");
            }
            let _ = out.flush();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that can be held up.
    #[derive(Clone, Default)]
    pub(super) struct Out(Arc<Mutex<Vec<u8>>>);

    impl Out {
        pub(super) fn text(&self) -> String {
            String::from_utf8(lock(&self.0).clone()).expect("text")
        }
    }

    impl std::io::Write for Out {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order_by_the_end() {
        let out = Out::default();
        let log = AccessLog::to(out.clone()).expect("thread");
        for n in 0..1000 {
            log.line(format_args!("line {n}"));
        }
        log.finish();
        let written = out.text();
        let expected: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_not_memory() {
        let out = Out::default();
        let log = AccessLog::to(out.clone()).expect("thread");
        let held = lock(&out.0);
        let long = "x".repeat(1 << 20);
        for _ in 0..20 {
            log.line(format_args!("{long}"));
        }
        let waiting = lock(&log.shared.as_ref().expect("loud").state).waiting.len();
        assert!(waiting <= WAITING_MAX + long.len() + 1, "{waiting}");
        drop(held);
        log.finish();
        let written = out.text();
        assert!(written.contains("requests not logged"), "{}", written.len());
    }
}
