//! `linger fetch`: an HTTP client on our TCP, through a TUN of its own.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | the options, and the course of a fetch: link, name, redirects, transfer, end |
//! | `exchange.rs` | one connection: connect, request, response |
//! | `route.rs` | whether the kernel will carry us to an address |
//! | `url.rs` | URLs and where redirects lead |
//! | `output.rs` | where the octets go |

#[cfg(target_os = "linux")]
mod exchange;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod route;
#[cfg(target_os = "linux")]
mod url;

use crate::args::{CaptureArgs, ImpairmentArgs, LinkArgs};
use crate::error::Result;
use crate::quantity;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Fetch a URL over linger's own TCP
///
/// Makes a TUN device, opens one connection per request through it, follows redirects, and writes what arrives to
/// FILE (which appears only when it is whole) or to stdout. It reaches this machine, and what lies beyond where the
/// kernel forwards packets. The kernel's end of the link has the first other address of each prefix, so a server on
/// this machine answers at http://10.7.1.1/ unless --address says otherwise.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to fetch: an http URL, with an address or a name
    url: String,

    /// Write to FILE instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Give up an attempt to connect after so long
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = quantity::duration)]
    connect_timeout: Duration,

    /// Follow at most so many redirects
    #[arg(long, value_name = "N", default_value_t = 10)]
    max_redirects: u32,

    /// No progress bar and no summary
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    link: LinkArgs,

    #[command(flatten)]
    capture: CaptureArgs,

    #[command(flatten)]
    impairment: ImpairmentArgs,
}

const EXAMPLES: &str = "\
Examples:
  linger fetch http://10.7.1.1:8000/            a server on this machine
  linger fetch http://10.7.1.1/big.iso -o big.iso
  linger fetch --loss 1% --delay 20ms --pcap lossy.pcapng http://10.7.1.1/ -o page

Exit status: 0 fetched; 1 unreachable, refused, timed out or answered with an HTTP error; 2 wrong call or permission.";

/// Runs the command.
#[cfg(target_os = "linux")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    linux::run(args)
}

/// Says that this needs Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    crate::cmd::needs_linux("fetch")
}

#[cfg(target_os = "linux")]
mod linux {
    use super::exchange::{self, Answer};
    use super::output::{Output, Target};
    use super::url::Url;
    use super::{Args, route};
    use crate::error::{Error, Result, plain};
    use crate::interrupt::Interrupts;
    use crate::link::{Link, Ours};
    use crate::quantity;
    use crate::stack::{self, Options, Stack};
    use http_body_util::BodyExt;
    use hyper::body::Incoming;
    use hyper::header;
    use indicatif::{ProgressBar, ProgressStyle};
    use linger::Net;
    use linger_proto::{HostConfig, TcpConfig};
    use std::io::IsTerminal;
    use std::process::ExitCode;
    use std::time::{Duration, Instant};

    /// How long the end of the stack may take: our FIN, the peer's FIN, and what the link adds.
    const END_PATIENCE: Duration = Duration::from_secs(2);

    pub(super) fn run(args: &Args) -> Result<ExitCode> {
        let url = Url::parse(&args.url)?;
        route::refuse_loopback(&url, &args.link)?;
        let target = Target::of(args.output.as_deref())?;
        let capture = args.capture.open()?;
        let runtime = stack::runtime()?;
        runtime.block_on(async {
            let mut interrupts = Interrupts::listen()
                .map_err(|error| Error::failed(format!("cannot listen for signals: {}", plain(&error))))?;
            let ours = Ours::given_or_free(&args.link.address);
            let (link, tun) = Link::open(args.link.tun.as_deref(), ours)?;
            let tcp = TcpConfig { syn_timeout: args.connect_timeout, ..TcpConfig::default() };
            let host = HostConfig { tcp, ..HostConfig::default() };
            let options = Options { host, impairment: args.impairment.clone(), capture, observer: None };
            let stack = Stack::start(&link, tun, options)?;
            let fetched = tokio::select! {
                biased;
                status = interrupts.next() => Err(Error::with_status(status, "interrupted; nothing was kept")),
                died = stack.died() => Err(died),
                fetched = fetch(args, &stack.net, &link, url, &target) => fetched,
            };
            interrupts.next_ends_the_process();
            stack.end(END_PATIENCE).await;
            fetched.map(|()| ExitCode::SUCCESS)
        })
    }

    /// Follows redirects to the answer, and takes it.
    async fn fetch(args: &Args, net: &Net, link: &Link, url: Url, target: &Target) -> Result {
        let mut url = url;
        for _ in 0..=args.max_redirects {
            let candidates = route::resolve(&url, link).await?;
            let answer = exchange::get(net, &url, &candidates).await?;
            let status = answer.response.status();
            if !status.is_redirection() || status.as_u16() == 304 {
                return if status.is_success() {
                    transfer(args, answer, &url, target).await
                } else {
                    Err(Error::failed(format!("the server answered {status} for {url}")))
                };
            }
            let location =
                answer.response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let Some(location) = location else {
                return Err(Error::failed(format!(
                    "the server answered {status} for {url}, but not where to"
                )));
            };
            url = url.redirect(location)?;
            route::refuse_loopback(&url, &args.link)?;
        }
        let limit = args.max_redirects;
        Err(Error::failed(format!("more than {limit} redirects, the last to {url}; raise --max-redirects")))
    }

    /// Writes the body out as it comes.
    async fn transfer(args: &Args, answer: Answer, url: &Url, target: &Target) -> Result {
        let started = Instant::now();
        let mut body: Incoming = answer.response.into_body();
        let expected = hyper::body::Body::size_hint(&body).exact();
        let bar = progress(args, expected, target);
        let mut output = Output::open(target)?;
        let mut received: u64 = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let got = quantity::octets(received);
                Error::failed(format!("{url} broke off after {got}: {}", exchange::cause(&error)))
            })?;
            let Ok(piece) = frame.into_data() else { continue };
            received += piece.len() as u64;
            bar.set_position(received);
            output.write(piece).await?;
        }
        output.finish().await?;
        bar.finish_and_clear();
        let time = started.elapsed();
        if !args.quiet && !target.is_stdout() {
            let rate = (received as f64 / time.as_secs_f64().max(1e-9)) as u64;
            let (size, time, rate) =
                (quantity::octets(received), quantity::lapse(time), quantity::octets(rate));
            eprintln!("{url}: {size} in {time} ({rate}/s)");
        }
        Ok(())
    }

    /// A bar on stderr where a person sees it and nothing else is printed there.
    fn progress(args: &Args, expected: Option<u64>, target: &Target) -> ProgressBar {
        let to_terminal = target.is_stdout() && std::io::stdout().is_terminal();
        if args.quiet || to_terminal || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match expected {
            Some(length) => (
                ProgressBar::new(length),
                "{bar:30} {percent:>3}%  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {binary_bytes}  {binary_bytes_per_sec}"),
        };
        // A wrong template would only cost the decoration.
        bar.with_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )
    }
}
