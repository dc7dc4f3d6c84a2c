//! linger against the Linux kernel, each test in a network namespace that it makes and deletes.
//!
//! | file | what it shows |
//! |---|---|
//! | `serve.rs` | `linger serve`: curl, Chromium, idle connections |
//! | `load.rs` | `linger serve` under wrk, and what a request costs beside many TIME-WAITs |
//! | `fetch.rs` | `linger fetch` from nginx |
//! | `upload.rs` | a service of axum on linger takes what curl sends |
//! | `storm.rs` | ten processes that connect, ask and close, whoever closes first |
//! | `opening.rs` | handshakes, refusals, the backlog, what is negotiated |
//! | `cookies.rs` | the kernel as the client of SYN cookies, and of a listener that holds SYNs |
//! | `closing.rs` | FIN and RST from either side, half-close, simultaneous close |
//! | `carried.rs` | a restart between the peer's FIN and our last ACK, with the TIME-WAITs carried over and without |
//! | `flow.rs` | zero windows, Nagle, delayed acknowledgments, keep-alive |
//! | `relay.rs` | FIN and RST carried through a proxy |
//! | `returning.rs` | clients that come back on the same port at once, into a TIME-WAIT |
//! | `shards.rs` | a stack on two queues of a TUN, which the kernel steers as it likes |
//! | `silence.rs` | peers that die without a word |
//! | `table/` | segments made by hand to `linger serve` and to the kernel, state by state |
//! | `users.rs` | what broke for users of other stacks and needs a kernel; the others are in `crates/sim/tests/users` |
//! | `ip.rs` | ICMP echo, UDP, fragments, path MTU |
#![forbid(unsafe_code)]

mod carried;
mod closing;
mod cookies;
mod fetch;
mod flow;
mod ip;
mod load;
mod opening;
mod relay;
mod returning;
mod serve;
mod shards;
mod silence;
mod storm;
mod table;
mod upload;
mod users;

use interop::content::Folder;
use interop::stack::INTERFACE;
use interop::{Namespace, Running, program};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Longest time that one transfer may take.
const TRANSFER: Duration = Duration::from_secs(120);

/// What the link does to packets, both ways, in the tests with a bad one.
const BAD_LINK: [&str; 8] = ["--loss", "1%", "--duplicate", "1%", "--reorder", "5%", "--seed", "7"];

/// Starts `linger serve` on `folder` and waits until it says where.
fn serve(namespace: &Namespace, folder: &Folder, options: &[&str]) -> Running {
    let folder = folder.path().display().to_string();
    let arguments = [&["serve", &folder, "--tun", INTERFACE], options].concat();
    let mut running = namespace.spawn(program("linger"), &arguments);
    running.wait_for_line("http://", Duration::from_secs(10));
    running
}

/// What curl gets from `url`: its SHA-256 and length.
#[track_caller]
fn curl_sum(namespace: &Namespace, url: &str) -> (String, u64) {
    let mut command = namespace.command("curl");
    command.args(["--silent", "--show-error", "--fail", "--globoff", "--max-time", "120", url]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("curl is installed");
    let sum = interop::content::sum(child.stdout.take().expect("piped")).expect("a pipe can be read");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "curl {url}: {status} after {} octets", sum.1);
    sum
}

/// A port of `address`.
fn at(address: std::net::IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}
