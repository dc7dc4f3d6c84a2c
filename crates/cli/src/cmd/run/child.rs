//! The command: started in our namespaces, told of our signals, waited for.

use crate::error::{Error, Result, plain};
use crate::stack::Stack;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};

/// Runs `command` to its end and returns what a shell would show for it. What goes wrong with the link meanwhile is
/// said on stderr: the command notices in its own way.
pub(super) async fn supervise(command: &[OsString], stack: &Stack) -> Result<u8> {
    let (program, arguments) = command.split_first().ok_or_else(|| Error::usage("COMMAND is missing"))?;
    let mut signals = Signals::listen()
        .map_err(|error| Error::failed(format!("cannot listen for signals: {}", plain(&error))))?;
    let mut child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => return Err(cannot_start(program, &error)),
    };
    let pid = child.id();
    let mut link_failed = false;
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map(as_shells_show).map_err(|error| {
                    Error::failed(format!("cannot wait for the command: {}", plain(&error)))
                });
            }
            signal = signals.next() => pass_on(&child, pid, signal),
            died = stack.died(), if !link_failed => {
                link_failed = true;
                eprintln!("linger: {died}");
            }
        }
    }
}

fn cannot_start(program: &OsString, error: &std::io::Error) -> Error {
    let shown = program.to_string_lossy();
    match error.kind() {
        ErrorKind::NotFound => Error::with_status(127, format!("{shown}: command not found")),
        _ => Error::with_status(126, format!("{shown}: cannot be executed: {}", plain(error))),
    }
}

fn as_shells_show(status: ExitStatus) -> u8 {
    let shown = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    shown.and_then(|shown| u8::try_from(shown).ok()).unwrap_or(1)
}

/// Sends the child what we were sent, unless the terminal has done so already: Ctrl-C reaches everybody in the
/// foreground, and a command that gets it twice may take the second for impatience.
fn pass_on(child: &Child, pid: Option<u32>, signal: Signal) {
    let from_keyboard = matches!(signal, Signal::SIGINT | Signal::SIGQUIT) && in_foreground();
    let pid = pid.filter(|_| child.id().is_some()).and_then(|pid| i32::try_from(pid).ok());
    if let (false, Some(pid)) = (from_keyboard, pid) {
        // It may have ended this very moment; then `wait` says so.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn in_foreground() -> bool {
    tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// The signals that are for the command rather than for us.
struct Signals {
    int: unix::Signal,
    term: unix::Signal,
    hangup: unix::Signal,
    quit: unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            int: unix::signal(SignalKind::interrupt())?,
            term: unix::signal(SignalKind::terminate())?,
            hangup: unix::signal(SignalKind::hangup())?,
            quit: unix::signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.int.recv() => Signal::SIGINT,
            _ = self.term.recv() => Signal::SIGTERM,
            _ = self.hangup.recv() => Signal::SIGHUP,
            _ = self.quit.recv() => Signal::SIGQUIT,
        }
    }
}
