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

/// What every command that needs a TUN or a namespace answers elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) fn needs_linux(command: &str) -> crate::error::Result<std::process::ExitCode> {
    Err(crate::error::Error::usage(format!(
        "'linger {command}' needs Linux (TUN devices and network namespaces); 'linger tour' runs anywhere"
    )))
}
