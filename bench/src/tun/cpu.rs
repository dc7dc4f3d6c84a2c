//! Processor time and memory of a process, as the kernel accounts for them.

use std::fs;
use std::io;
use std::time::Duration;

/// Processor time that the threads of process `pid` have used, user and kernel together, to the nanosecond. Threads that
/// have ended are not counted: the servers here keep theirs.
///
/// # Errors
/// When the process is gone.
pub fn used(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let on_cpu = text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok());
        nanos += on_cpu.ok_or_else(|| io::Error::other("schedstat has no number"))?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory of process `pid` that is its own (`Private_*` of `smaps_rollup`) and in all (`Rss`), octets.
///
/// # Errors
/// When the process is gone.
pub fn memory(pid: u32) -> io::Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name));
        let number =
            line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok());
        number.unwrap_or(0) * 1024
    };
    Ok((field("Private_Clean:") + field("Private_Dirty:"), field("Rss:")))
}
