//! The subcommands, one file or folder each: its options, and `run`, which gives the exit status.
//!
//! | command | what it does |
//! |---|---|
//! | `tour` | one connection in the simulator, every segment explained |
//! | `serve` | static files on our TCP over a TUN |
//! | `fetch` | an HTTP client on our TCP over a TUN |
//! | `run` | a command in a network namespace whose only link leads into linger |
//! | `sim` | what can happen to two hosts: `sim explore` |

pub(crate) mod fetch;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod tour;

use crate::error::{Error, Result, plain};
use std::io::{self, Write as _};

/// Prints to stdout; a reader that has gone away is no error.
pub(crate) fn print(text: &str) -> Result {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("cannot write the output: {}", plain(&error))))
        }
        _ => Ok(()),
    }
}

/// What every command that needs a TUN or a namespace answers elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) fn needs_linux(command: &str) -> crate::error::Result<std::process::ExitCode> {
    Err(crate::error::Error::usage(format!(
        "'linger {command}' needs Linux (TUN devices and network namespaces); 'linger tour' runs anywhere"
    )))
}
