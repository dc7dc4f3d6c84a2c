//! What the programs share: processor time, words as numbers, random choices.

mod tun;

pub use tun::{VNET, answers, tun_open, wants_close};

use std::time::Duration;

/// Processor time of this thread: on a machine that does other things too, wall time says little.
#[derive(Clone, Copy)]
pub struct Cpu(u64);

impl Cpu {
    pub fn now() -> Self {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes one timespec, and there is one.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        Self(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }

    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::now().0 - self.0)
    }

    /// Nanoseconds since then for each of `count`.
    pub fn ns_per(&self, count: usize) -> f64 {
        self.elapsed().as_nanos() as f64 / count as f64
    }
}

/// The words of the command line, numbers among them.
pub struct Words(Vec<String>);

impl Words {
    pub fn from_command_line() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    pub fn text(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }

    /// The number at `index`, or `otherwise` where there is none.
    pub fn number_or(&self, index: usize, otherwise: usize) -> usize {
        self.0.get(index).map_or(otherwise, |word| word.parse().expect("a number"))
    }

    pub fn number(&self, index: usize) -> usize {
        self.0.get(index).expect("more words").parse().expect("a number")
    }
}

/// Runs a command of the shell.
pub fn sh(command: &str) {
    let status = std::process::Command::new("sh").arg("-c").arg(command).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("failed: {command}");
    }
}

/// Numbers that look random (a linear congruence; its upper half). linger's programs draw the same ones.
pub struct Lottery(pub u64);

impl Lottery {
    pub fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    /// As many different numbers as `picked` has room for.
    pub fn pick(&mut self, below: usize, picked: &mut [usize]) {
        for place in 0..picked.len() {
            picked[place] = loop {
                let drawn = self.draw(below);
                if !picked[..place].contains(&drawn) {
                    break drawn;
                }
            };
        }
    }
}

/// Octets of memory that the process has.
pub fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("there is /proc");
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
