//! `linger run`: a command in a network namespace whose only link is a TUN into linger.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | the options, and the course of a run in the one order that works |
//! | `namespace.rs` | moving this process into namespaces of its own, and naming linger.test there |
//! | `child.rs` | the command: signals passed on, its exit status |
//! | `ledger.rs` | what happened to each connection, from the host's trace |
//! | `report.rs` | one line for each connection |

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod ledger;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod report;

use crate::args::{CaptureArgs, ImpairmentArgs};
use crate::error::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a command whose only network is linger
///
/// COMMAND runs in a fresh network namespace, with nothing but a TUN that leads into linger: a web server at
/// http://10.7.0.2/, http://[fd07::2]/ and http://linger.test/. Every other port refuses, every other address is
/// unreachable. The link can be made slow and lossy, repeatably. Needs no root where the kernel allows user
/// namespaces and /dev/net/tun may be opened. Afterwards one line for each connection tells its peer, its octets,
/// how long it lasted, who closed first, and the states it went through.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Serve the files of DIR instead of a small built-in page
    #[arg(long, value_name = "DIR")]
    serve: Option<PathBuf>,

    /// No lines about the connections afterwards
    #[arg(short, long)]
    quiet: bool,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,

    #[command(flatten)]
    capture: CaptureArgs,

    #[command(flatten)]
    impairment: ImpairmentArgs,
}

const EXAMPLES: &str = "\
Examples:
  linger run -- curl http://linger.test/
  linger run --serve ./public --delay 20ms --loss 1% -- wrk -c 10 http://linger.test/
  linger run --rate 100mbit --pcap out.pcapng -- bash      a shell to play in

Exit status: that of COMMAND, 128 + N when signal N killed it, 127 when it is not found,
126 when it cannot be executed; 2 when linger itself was called wrongly or may not make the namespace.";

/// Runs the command.
#[cfg(target_os = "linux")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    linux::run(args)
}

/// Says that this needs Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    crate::cmd::needs_linux("run")
}

#[cfg(target_os = "linux")]
mod linux {
    use super::ledger::Ledger;
    use super::{Args, child, namespace, report};
    use crate::cmd::serve::directory;
    use crate::error::{Error, Result, plain};
    use crate::http::{AccessLog, Server, Site, Stop};
    use crate::link::{Link, Ours};
    use crate::prefix::Prefix;
    use crate::stack::{self, Options, Stack};
    use std::net::SocketAddr;
    use std::process::ExitCode;
    use std::sync::Arc;
    use std::time::Duration;

    const ADDRESSES: [Prefix; 2] = [Prefix::v4(10, 7, 0, 2, 24), Prefix::v6(0xfd07, 0, 2, 64)];
    const PORT: u16 = 80;
    const TUN: &str = "linger0";
    /// How long connections may take to close after the command has ended.
    const PATIENCE: Duration = Duration::from_secs(2);

    const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>linger</title>\n\
        <h1>It works</h1>\n<p>This page came over linger's own TCP. \
        Serve a directory of yours with <code>linger run --serve DIR -- COMMAND</code>.</p>\n</html>\n";

    pub(super) fn run(args: &Args) -> Result<ExitCode> {
        // The order matters: files are opened where the user is, namespaces are entered while there is one thread,
        // the TUN and everything threaded come after that.
        let site = match &args.serve {
            Some(dir) => Site::directory(&absolute(directory(dir)?)?),
            None => Site::Page(PAGE),
        };
        let capture = args.capture.open()?;
        namespace::enter()?;
        namespace::name_addresses(&ADDRESSES.map(|prefix| prefix.address))?;
        let runtime = stack::runtime()?;
        runtime.block_on(async {
            let (link, tun) = Link::open(Some(TUN), Ours::Alone(ADDRESSES.to_vec()))?;
            let ledger = Ledger::new();
            let observer = ledger.observer();
            let impairment = args.impairment.clone();
            let options = Options { impairment, capture, observer: Some(observer), ..Options::default() };
            let stack = Stack::start(&link, tun, options)?;
            let stop = serve(site, &link, &stack, &ledger).await?;
            let status = child::supervise(&args.command, &stack).await?;
            stop.stop(PATIENCE).await;
            stack.end(PATIENCE).await;
            if !args.quiet {
                eprint!("{}", report::lines(&ledger.close()));
            }
            Ok(ExitCode::from(status))
        })
    }

    async fn serve(site: Site, link: &Link, stack: &Stack, ledger: &Arc<Ledger>) -> Result<Stop> {
        let (server, stop) = Server::new(site, AccessLog::silent(), Some(ledger.watch()));
        for prefix in link.ours() {
            let local = SocketAddr::new(prefix.address, PORT);
            let listener = stack.net.listen(local).await;
            server
                .listen(listener.map_err(|error| {
                    Error::failed(format!("cannot listen on {local}: {}", plain(&error)))
                })?);
        }
        Ok(stop)
    }

    fn absolute(dir: &std::path::Path) -> Result<std::path::PathBuf> {
        std::fs::canonicalize(dir)
            .map_err(|error| Error::usage(format!("cannot read '{}': {}", dir.display(), plain(&error))))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    #[derive(Parser)]
    struct Call {
        #[command(flatten)]
        args: super::Args,
    }

    #[test]
    fn options_before_the_command_are_ours_and_those_behind_it_its_own() {
        for words in [&["run", "-q", "curl", "-s", "--", "x"][..], &["run", "-q", "--", "curl", "-s"]] {
            let args =
                Call::try_parse_from(words).map_err(|error| error.to_string()).expect("a good call").args;
            assert!(args.quiet && args.command[..2] == ["curl", "-s"], "{words:?}: {args:?}");
        }
        for words in [&["run", "--los", "1%", "--", "true"][..], &["run", "-x"]] {
            assert!(Call::try_parse_from(words).is_err(), "{words:?}");
        }
    }
}
