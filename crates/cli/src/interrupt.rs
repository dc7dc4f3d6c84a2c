//! Ctrl-C and its relatives: the first asks for an orderly end, the second ends at once.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP, as they come.
pub(crate) struct Interrupts {
    int: Signal,
    term: Signal,
    /// Not where whoever started us wants it ignored, as `nohup` does.
    hangup: Option<Signal>,
}

impl Interrupts {
    /// Takes over the signals from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())?, hangup })
    }

    /// The next one, as the exit status a shell shows for it: 130, 143 or 129.
    pub(crate) async fn next(&mut self) -> u8 {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.int.recv() => 130,
            _ = self.term.recv() => 143,
            _ = hangup => 129,
        }
    }

    /// From now on the next one ends the process at once. The TUN is not persistent: the kernel removes it with us.
    pub(crate) fn next_ends_the_process(mut self) {
        tokio::spawn(async move {
            let status = self.next().await;
            std::process::exit(i32::from(status));
        });
    }
}

/// Whether SIGHUP was ignored before this program began. Where nobody says, it was not.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// What `/proc/self/status` says: SIGHUP is signal 1, the lowest bit of the mask.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::ignores_hangup;

    #[test]
    fn ignored_hangup_is_read_off_the_lowest_bit_of_the_mask() {
        assert!(ignores_hangup("Name:\tlinger\nSigIgn:\t0000000000000001\nSigCgt:\t0\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup("SigBlk:\t0000000000000001\n") && !ignores_hangup(""));
    }
}
