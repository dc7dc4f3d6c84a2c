//! Ctrl-C and its relatives: the first asks for an orderly end, the second ends at once.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, as they come.
pub(crate) struct Interrupts {
    int: Signal,
    term: Signal,
}

impl Interrupts {
    /// Takes over both signals from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    /// The next one, as the exit status a shell shows for it: 130 or 143.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.int.recv() => 130,
            _ = self.term.recv() => 143,
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
