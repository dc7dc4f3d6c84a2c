//! `linger serve`: static files through hyper on our TCP, over a TUN with offload.

use crate::args::{CaptureArgs, ImpairmentArgs, LinkArgs};
use crate::error::Result;
use crate::quantity;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Serve the files of a directory over linger's own TCP
///
/// Makes a TUN device, takes 10.7.0.2 and fd07::2 on it and gives the kernel's end 10.7.0.1 and fd07::1, so that
/// browsers and every other program on this machine reach the files at http://10.7.0.2/. Knows ranges, index.html,
/// MIME types, keep-alive. One line for each request goes to stdout: peer, method, path, status, octets, time.
/// Links that lead out of the directory are followed, and hidden files are files too. Ctrl-C gives requests under way
/// ten seconds, closes every connection in order within ten more, resets what is left and takes the device away; a
/// second Ctrl-C ends at once. SIGTERM and SIGHUP are as Ctrl-C. A server that ends forgets its TIME-WAITs, which
/// matters to whoever starts one at the same address within two maximum segment lifetimes; --wait-time-wait waits for
/// them.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The directory to serve
    dir: PathBuf,

    /// The port to listen on
    #[arg(long, value_name = "PORT", default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// No line for each request
    #[arg(short, long)]
    quiet: bool,

    /// Maximum segment lifetime; TIME-WAIT lasts twice as long, and 0 is without TIME-WAIT
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = quantity::lifetime)]
    msl: Duration,

    /// At the end, wait until every TIME-WAIT is over
    #[arg(long)]
    wait_time_wait: bool,

    #[command(flatten)]
    link: LinkArgs,

    #[command(flatten)]
    capture: CaptureArgs,

    #[command(flatten)]
    impairment: ImpairmentArgs,
}

const EXAMPLES: &str = "\
Examples:
  linger serve ./public                          then open http://10.7.0.2/
  linger serve . --address 192.168.50.2/24 --port 8080
  linger serve . --loss 1% --delay 20ms --pcap lossy.pcapng

Without root: sudo ip tuntap add linger0 mode tun user $USER
              sudo ip addr add 10.7.0.1/24 dev linger0 && sudo ip link set linger0 up
              linger serve ./public --tun linger0 --address 10.7.0.2/24

Exit status: 0 after Ctrl-C; 1 when the link fails; 2 wrong call or permission.";

/// Runs the command.
#[cfg(target_os = "linux")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    linux::run(args)
}

/// Says that this needs Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    crate::cmd::needs_linux("serve")
}

/// The directory, if it is one that can be read.
pub(crate) fn directory(dir: &std::path::Path) -> Result<&std::path::Path> {
    use crate::error::{Error, plain};
    let shown = dir.display();
    match std::fs::read_dir(dir) {
        Ok(_) => Ok(dir),
        Err(error) => match error.kind() {
            std::io::ErrorKind::NotFound => {
                Err(Error::usage(format!("there is no directory '{shown}'; name one whose files to serve")))
            }
            std::io::ErrorKind::NotADirectory => {
                Err(Error::usage(format!("'{shown}' is not a directory; name one whose files to serve")))
            }
            _ => Err(Error::usage(format!("cannot read the directory '{shown}': {}", plain(&error)))),
        },
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Args, directory};
    use crate::error::{Error, Result, plain};
    use crate::http::{AccessLog, Server, Site, Stop};
    use crate::interrupt::Interrupts;
    use crate::link::{Link, Ours};
    use crate::prefix::Prefix;
    use crate::stack::{self, Options, Stack};
    use linger_proto::{HostConfig, KeepAlive, TcpConfig};
    use std::io::{IsTerminal, Write};
    use std::net::{IpAddr, SocketAddr};
    use std::process::ExitCode;
    use std::time::Duration;
    use tokio::time::Instant;

    /// Our addresses unless others are asked for.
    const USUAL: [Prefix; 2] = [Prefix::v4(10, 7, 0, 2, 24), Prefix::v6(0xfd07, 0, 2, 64)];
    /// How long requests under way may take after Ctrl-C, and then the closes.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// How often it is looked whether TIME-WAITs are left, and how often that is said where no line can be rewritten.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    const TELL_EVERY: Duration = Duration::from_secs(10);

    pub(super) fn run(args: &Args) -> Result<ExitCode> {
        let site = Site::directory(directory(&args.dir)?);
        let capture = args.capture.open()?;
        let runtime = stack::runtime()?;
        let ended = runtime.block_on(async {
            let interrupts = Interrupts::listen()
                .map_err(|error| Error::failed(format!("cannot listen for signals: {}", plain(&error))))?;
            let (link, tun) =
                Link::open(args.link.tun.as_deref(), Ours::given_or(&args.link.address, &USUAL))?;
            let tcp = TcpConfig {
                msl: args.msl,
                // A browser that vanished must not be held for ever; the first probe is two hours away.
                keepalive: Some(KeepAlive::default()),
                ..TcpConfig::default()
            };
            let host = HostConfig { tcp, ..HostConfig::default() };
            let options = Options { host, impairment: args.impairment.clone(), capture, observer: None };
            let stack = Stack::start(&link, tun, options)?;
            serve(args, site, &link, stack, interrupts).await
        });
        // A thread that reads from a dead disk must not hold the program.
        runtime.shutdown_background();
        ended
    }

    /// Serves until interrupted or until the link fails.
    async fn serve(
        args: &Args,
        site: Site,
        link: &Link,
        stack: Stack,
        mut interrupts: Interrupts,
    ) -> Result<ExitCode> {
        let log = if args.quiet { Ok(AccessLog::silent()) } else { AccessLog::stdout() };
        let log = log.map_err(|error| Error::failed(format!("cannot start the log: {}", plain(&error))))?;
        let (server, stop) = Server::new(site, log.clone(), None);
        let mut urls = Vec::new();
        for prefix in link.ours() {
            let local = SocketAddr::new(prefix.address, args.port);
            let listener = stack.net.listen(local).await;
            server
                .listen(listener.map_err(|error| {
                    Error::failed(format!("cannot listen on {local}: {}", plain(&error)))
                })?);
            urls.push(url(local));
        }
        drop(server);
        let (dir, name) = (args.dir.display(), link.name());
        crate::print(&format!("serving '{dir}' through {name} at {} (Ctrl-C stops)\n", urls.join(" and ")));
        let died = tokio::select! {
            biased;
            _ = interrupts.next() => None,
            died = stack.died() => Some(died),
        };
        interrupts.next_ends_the_process();
        match died {
            None => stop_in_order(args, stack, stop).await,
            Some(_) => stop.stop(Duration::ZERO).await,
        }
        log.finish();
        died.map_or(Ok(ExitCode::SUCCESS), Err)
    }

    /// Lets requests finish, closes every connection, and says what could not be waited for.
    async fn stop_in_order(args: &Args, stack: Stack, stop: Stop) {
        match stop.open() {
            0 => eprintln!("linger: stopping"),
            1 => eprintln!("linger: closing 1 connection (Ctrl-C again ends at once)"),
            open => eprintln!("linger: closing {open} connections (Ctrl-C again ends at once)"),
        }
        stop.stop(PATIENCE).await;
        let patience = if args.wait_time_wait {
            wait_for_time_waits(&stack).await;
            // What closed only now would end in a TIME-WAIT that nobody waits for.
            Duration::ZERO
        } else {
            PATIENCE
        };
        let report = stack.end(patience).await;
        match report.aborted + report.orphans {
            0 => {}
            1 => eprintln!("linger: 1 connection did not close in time and was reset"),
            n => eprintln!("linger: {n} connections did not close in time and were reset"),
        }
        let lifetime = args.msl * 2;
        match report.time_wait {
            0 => eprintln!("linger: no TIME-WAIT abandoned"),
            1 => eprintln!("linger: 1 TIME-WAIT abandoned before its {lifetime:?} were over"),
            n => eprintln!("linger: {n} TIME-WAITs abandoned before their {lifetime:?} were over"),
        }
    }

    /// Waits for connections that are still closing, but not longer than for requests, and for every TIME-WAIT.
    async fn wait_for_time_waits(stack: &Stack) {
        let began = Instant::now();
        let rewrites = std::io::stderr().is_terminal();
        let mut told: Option<Instant> = None;
        loop {
            let snapshot = stack.net.snapshot();
            let left = snapshot.time_wait.iter().filter(|one| !one.remaining.is_zero());
            let (count, longest) = left
                .fold((0, Duration::ZERO), |(count, longest), one| (count + 1, one.remaining.max(longest)));
            let closing = !snapshot.connections.is_empty() && began.elapsed() < PATIENCE;
            if count == 0 && !closing {
                break;
            }
            let due = rewrites || told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
            if count > 0 && due {
                let seconds = longest.as_secs_f64().round().max(1.0);
                let ones = if count == 1 { "TIME-WAIT" } else { "TIME-WAITs" };
                let line =
                    format!("linger: waiting for {count} {ones}, {seconds} s to go (Ctrl-C ends at once)");
                tell(&line, rewrites);
                told = Some(Instant::now());
            }
            let next = if count == 0 { LOOK_EVERY } else { longest };
            tokio::time::sleep(next.clamp(Duration::from_millis(1), LOOK_EVERY)).await;
        }
        if rewrites && told.is_some() {
            eprintln!();
        }
    }

    /// A line on stderr that the next one takes the place of, where there is a terminal.
    fn tell(line: &str, rewrites: bool) {
        if rewrites {
            eprint!("\r\x1b[K{line}");
            // Nobody is left to be told that the terminal is gone.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    /// What to type into a browser.
    fn url(local: SocketAddr) -> String {
        let host = match local.ip() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        if local.port() == 80 {
            format!("http://{host}/")
        } else {
            format!("http://{host}:{}/", local.port())
        }
    }
}
